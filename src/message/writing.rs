//! Helpers for writing requests and responses.

use crate::secret::{NoMemory, SecretBytes};

/// The room around the text of a message: for a header before it, and capacity for a trailer after
/// it.
#[derive(Clone, Copy)]
pub(crate) struct Margins {
    pub header: usize,
    pub trailer: usize,
}

/// Empties `out`, and makes room for a text of `len` bytes and its surroundings.
pub(super) fn make_room(
    out: &mut SecretBytes,
    margins: Margins,
    len: usize,
) -> Result<(), NoMemory> {
    out.wipe();
    out.try_reserve_exact(margins.header + len + margins.trailer)?;
    out.resize(margins.header, 0);
    Ok(())
}

/// A text that becomes the content of a JSON string, without the quotes.
pub(super) struct Escaped<'a> {
    text: &'a str,
    room: usize,
}

impl<'a> Escaped<'a> {
    pub fn new(text: &'a str) -> Self {
        let has_escapes = text
            .bytes()
            .any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        let room = match has_escapes {
            true => longest_len(text),
            false => text.len(),
        };
        Self { text, room }
    }

    /// How much room it needs, in bytes.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Adds it to `out`, where there must be room for it.
    pub fn write_to(&self, out: &mut SecretBytes) {
        if self.room == self.text.len() {
            out.extend_from_slice(self.text.as_bytes());
            return;
        }
        // Written in place, because a separate buffer would have to be wiped.
        let start = out.len();
        serde_json::to_writer(&mut *out, self.text).expect("memory takes every text");
        out[start..].rotate_left(1);
        out.truncate(out.len() - 2);
    }
}

/// An upper bound for the length of `text` as a JSON string.
pub(super) fn longest_len(text: &str) -> usize {
    let len_of = |byte| match byte {
        0..0x20 => r"\u0000".len(),
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(len_of).sum::<usize>() + "\"\"".len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_alone_is_escaped_as_it_must_be() {
        for character in ('\0'..='\u{ff}').chain(['😀']) {
            let text = character.to_string();
            let escaped = Escaped::new(&text);
            let mut out = SecretBytes::try_copy(b"before", escaped.room()).unwrap();
            escaped.write_to(&mut out);
            let quoted = serde_json::to_string(&text).unwrap();
            assert_eq!(out[..6], *b"before");
            assert_eq!(&out[6..], &quoted.as_bytes()[1..quoted.len() - 1]);
            assert_eq!(out.capacity(), 6 + escaped.room(), "it did not grow");
        }
    }
}
