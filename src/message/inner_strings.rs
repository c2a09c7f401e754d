//! All strings of a text except the values of its root's members: the names of members, and the
//! strings on deeper levels.

use super::hash_index::to_u32;
use super::json::{Reader, Text};
use crate::secret::{NoMemory, SecretBytes};

/// The number of strings between two waypoints.
const STEP: usize = 16;

/// The decoded strings, each followed by a NUL, in the order of the text. Together with the decoded
/// values of the root's members, they take no more memory than the text.
pub(super) struct InnerStrings {
    bytes: SecretBytes,
    /// One for every sixteenth string.
    waypoints: Vec<Waypoint>,
}

#[derive(Clone, Copy)]
struct Waypoint {
    /// Where the string begins in the text, and its decoded copy.
    written: u32,
    decoded: u32,
    /// How many levels of objects and arrays it is in.
    level: u32,
}

/// Iterates over the strings of an accepted text, starting at a place.
struct Walk<'a> {
    reader: Reader<'a, 0>,
    level: usize,
    /// Whether values on the first level are members.
    is_object: bool,
}

impl InnerStrings {
    pub fn of(text: &str) -> Result<Self, NoMemory> {
        let (mut len, mut count) = (0, 0);
        for (_, _, string) in Walk::new(text, 0, 0) {
            // A decoded string is never longer than its text.
            len += string.as_written().len() + 1;
            count += 1;
        }
        let mut strings = Self {
            bytes: SecretBytes::default(),
            waypoints: Vec::new(),
        };
        strings.bytes.try_reserve_exact(len)?;
        strings.waypoints.try_reserve_exact(count / STEP)?;
        for (number, (at, level, string)) in Walk::new(text, 0, 0).enumerate() {
            if number > 0 && number % STEP == 0 {
                strings.waypoints.push(Waypoint {
                    written: to_u32(at)?,
                    decoded: to_u32(strings.bytes.len())?,
                    level: to_u32(level)?,
                });
            }
            string.decode_to(&mut strings.bytes);
            strings.bytes.push(0);
        }
        Ok(strings)
    }

    /// The string that begins at `wanted` in the text, followed by a NUL.
    pub fn at(&self, text: &str, wanted: usize) -> Option<&str> {
        let passed = self
            .waypoints
            .partition_point(|waypoint| waypoint.written as usize <= wanted);
        let (start, mut decoded, level) = match passed.checked_sub(1) {
            Some(last) => {
                let last = self.waypoints[last];
                (
                    last.written as usize,
                    last.decoded as usize,
                    last.level as usize,
                )
            }
            None => (0, 0, 0),
        };
        for (at, _, string) in Walk::new(text, start, level) {
            let len = string.decoded_len() + 1;
            if at == wanted {
                return std::str::from_utf8(&self.bytes[decoded..][..len]).ok();
            }
            if at > wanted {
                break;
            }
            decoded += len;
        }
        None
    }
}

#[cfg(test)]
impl InnerStrings {
    pub fn held(&self) -> usize {
        self.bytes.capacity() + self.waypoints.capacity() * size_of::<Waypoint>()
    }
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, at: usize, level: usize) -> Self {
        Self {
            reader: Reader::of_accepted(text, at),
            level,
            is_object: text.starts_with('{'),
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    /// Where the string begins, its level, and the string.
    type Item = (usize, usize, Text<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = self.reader.at;
            match self.reader.peek()? {
                b'"' => {
                    let string = Text::from_accepted(self.reader.skip_string());
                    self.reader.skip_whitespace();
                    let is_name = self.reader.peek() == Some(b':');
                    if is_name || !(self.is_object && self.level == 1) {
                        return Some((at, self.level, string));
                    }
                }
                bracket => {
                    match bracket {
                        b'{' | b'[' => self.level += 1,
                        b'}' | b']' => self.level -= 1,
                        _ => {}
                    }
                    self.reader.at += 1;
                }
            }
        }
    }
}
