//! Access to the members of a received object by name.

use std::sync::{OnceLock, PoisonError, RwLock};

use super::hash_index::{Index, MAX_UNINDEXED, to_u32};
use super::json::substr_range;
use super::json::{Kind, Object, Text, Value};
use crate::secret::{NoMemory, SecretBytes, SecretText};

/// What is built for an object when it is first used: an index of its members, if there are many,
/// and the decoded strings among their values. Both together take no more memory than the object's
/// text.
pub(super) struct Members {
    count: usize,
    index: RwLock<MadeIndex>,
    strings: OnceLock<Strings>,
}

enum MadeIndex {
    NotYet,
    Made(Index),
    /// There was no memory for it, or the memory is needed for the strings.
    Never,
}

/// The decoded strings of an object, each followed by a NUL.
struct Strings {
    bytes: SecretBytes,
    /// For every sixteenth member, its place in the object and that of the next string in `bytes`.
    waypoints: Vec<(u32, u32)>,
}

impl Members {
    /// The members of an object that has this many.
    pub fn new(count: usize) -> Self {
        Self {
            count,
            index: RwLock::new(MadeIndex::NotYet),
            strings: OnceLock::new(),
        }
    }

    /// The member of `object` that has this name. `object` is always the same text.
    pub fn find<'a>(&self, object: &'a str, name: &str) -> Option<Value<'a>> {
        let parsed = Object::from_accepted(object);
        let named = |(key, value): (Text<'a>, Value<'a>)| (key == *name).then_some(value);
        if self.count <= MAX_UNINDEXED {
            return parsed.members().find_map(named);
        }
        loop {
            // The index only saves time: without it, the search is linear.
            match &*self.index.read().unwrap_or_else(PoisonError::into_inner) {
                MadeIndex::Made(index) => {
                    return index.find(name.as_bytes(), |at| {
                        parsed.members_from(at).next().and_then(named)
                    });
                }
                MadeIndex::Never => return parsed.members().find_map(named),
                MadeIndex::NotYet => {}
            }
            let mut made = self.index.write().unwrap_or_else(PoisonError::into_inner);
            if matches!(*made, MadeIndex::NotYet) {
                *made = match index_of_members(object, self.count) {
                    Ok(index) => MadeIndex::Made(index),
                    Err(NoMemory) => MadeIndex::Never,
                };
            }
        }
    }

    /// Frees the index, and never builds it again.
    pub fn drop_index(&self) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = MadeIndex::Never;
    }

    /// As [`find`](Self::find), for a string: decoded, and followed by a NUL.
    pub fn string_with_nul(&self, object: &str, name: &str) -> Result<Option<&str>, NoMemory> {
        let Some(value) = self.find(object, name) else {
            return Ok(None);
        };
        let Kind::String(text) = value.kind() else {
            return Ok(None);
        };
        self.decoded(object, value, text).map(Some)
    }

    /// The string that is the value of a member: decoded, and followed by a NUL.
    pub fn decoded(
        &self,
        object: &str,
        value: Value<'_>,
        text: Text<'_>,
    ) -> Result<&str, NoMemory> {
        let strings = get_or_try_init(&self.strings, || Strings::of_members(object, self.count))?;
        let at = strings.place_of(object, value);
        let string = std::str::from_utf8(&strings.bytes[at..=at + text.decoded_len()]);
        Ok(string.expect("it was written there as UTF-8"))
    }
}

/// Where the members of an object begin, by their names.
fn index_of_members(object: &str, count: usize) -> Result<Index, NoMemory> {
    let mut index = Index::with_capacity(count)?;
    for (key, _) in Object::from_accepted(object).members() {
        let at = to_u32(substr_range(object, key.as_written()).start - 1)?;
        let hash = key.hash(index.hashes());
        index.insert(hash, at, |_| false);
    }
    Ok(index)
}

impl Strings {
    fn of_members(object: &str, count: usize) -> Result<Self, NoMemory> {
        let members = || Object::from_accepted(object).members();
        let mut len = 0;
        for (_, value) in members() {
            // A decoded string is never longer than its text.
            if let Kind::String(text) = value.kind() {
                len += text.as_written().len() + 1;
            }
        }
        let mut strings = Self {
            bytes: SecretBytes::default(),
            waypoints: Vec::new(),
        };
        strings.bytes.try_reserve_exact(len)?;
        strings.waypoints.try_reserve_exact(count / MAX_UNINDEXED)?;
        for (number, (_, value)) in (1..=count).zip(members()) {
            if let Kind::String(text) = value.kind() {
                text.decode_to(&mut strings.bytes);
                strings.bytes.push(0);
            }
            // It is for the next member, so only if there is one.
            if number % MAX_UNINDEXED == 0 && number < count {
                let behind = substr_range(object, value.as_written()).end;
                let next = to_u32(strings.bytes.len())?;
                strings.waypoints.push((to_u32(behind)?, next));
            }
        }
        Ok(strings)
    }

    /// The place of a member's decoded string.
    fn place_of(&self, object: &str, value: Value<'_>) -> usize {
        let wanted = substr_range(object, value.as_written()).start;
        let passed = self
            .waypoints
            .partition_point(|(member, _)| *member as usize <= wanted);
        let (start, mut at) = match passed.checked_sub(1) {
            Some(last) => (
                self.waypoints[last].0 as usize,
                self.waypoints[last].1 as usize,
            ),
            None => (1, 0),
        };
        for (_, value) in Object::from_accepted(object).members_from(start) {
            if substr_range(object, value.as_written()).start == wanted {
                break;
            }
            if let Kind::String(text) = value.kind() {
                at += text.decoded_len() + 1;
            }
        }
        at
    }
}

/// The value in `cell`, made if it is not there yet.
pub(super) fn get_or_try_init<T, E>(
    cell: &OnceLock<T>,
    make: impl FnOnce() -> Result<T, E>,
) -> Result<&T, E> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

/// A copy followed by a NUL, made at its first use.
#[derive(Default)]
pub(super) struct CopyWithNul(OnceLock<SecretText>);

impl CopyWithNul {
    /// The copy of `text`, which is always the same.
    pub fn of(&self, text: &str) -> Result<&str, NoMemory> {
        get_or_try_init(&self.0, || SecretText::try_with_nul(text)).map(|copy| &**copy)
    }
}

#[cfg(test)]
impl Members {
    pub fn held(&self) -> usize {
        let index = match &*self.index.read().unwrap() {
            MadeIndex::Made(index) => index.held(),
            _ => 0,
        };
        let strings = self.strings.get().map_or(0, |strings| {
            strings.bytes.capacity() + strings.waypoints.capacity() * size_of::<(u32, u32)>()
        });
        index + strings
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::super::hash_index::HASHED_AT_ONCE;
    use super::*;

    fn object(members: impl Iterator<Item = String>) -> String {
        format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn finds_each_of_few_and_of_many_members_however_they_are_written() {
        for count in [
            1,
            MAX_UNINDEXED - 1,
            MAX_UNINDEXED,
            MAX_UNINDEXED + 1,
            2 * MAX_UNINDEXED,
            3 * MAX_UNINDEXED + 1,
            1000,
        ] {
            let text = object((0..count).map(|at| match at % 5 {
                0 => format!(r#""k{at}" : "v{at}""#),
                1 => format!(r#""\u006b{at}":"\u00e9\n{at}""#),
                2 => format!(r#""k{at}":{at}"#),
                3 => format!(r#""k{at}":{{"k0":[1,"]}}"]}}"#),
                _ => format!(r#""k{at}":"""#),
            }));
            let members = Members::new(count);
            for at in (0..count).rev() {
                let name = format!("k{at}");
                let found = members.find(&text, &name).unwrap().as_written();
                let string = members.string_with_nul(&text, &name).unwrap();
                let expected = match at % 5 {
                    0 => Some(format!("v{at}\0")),
                    1 => Some(format!("\u{e9}\n{at}\0")),
                    4 => Some("\0".to_owned()),
                    _ => None,
                };
                assert_eq!(string, expected.as_deref(), "{at} of {count}");
                assert!(at % 5 != 2 || found == at.to_string());
            }
            for absent in ["", "k", "K0", &format!("k{count}")] {
                assert!(members.find(&text, absent).is_none());
                assert_eq!(members.string_with_nul(&text, absent), Ok(None));
            }
            let index = members.index.read().unwrap();
            assert_eq!(matches!(*index, MadeIndex::Made(_)), count > MAX_UNINDEXED);
        }
    }

    #[test]
    fn what_is_made_of_an_object_is_no_larger_than_its_text() {
        for value in ["0", "\"\"", "\"string\"", r#""\u00e9""#] {
            let text = object((0..50_000).map(|at| format!(r#""{at:x}":{value}"#)));
            let members = Members::new(50_000);
            members.find(&text, "absent");
            members.string_with_nul(&text, "a").unwrap();
            assert!(matches!(*members.index.read().unwrap(), MadeIndex::Made(_)));
            let held = members.held();
            assert!(held <= text.len(), "{value}: {held}");
        }
    }

    #[test]
    fn names_are_hashed_alike_however_they_are_written() {
        let hashes = RandomState::new();
        for len in [
            0,
            1,
            HASHED_AT_ONCE - 1,
            HASHED_AT_ONCE,
            3 * HASHED_AT_ONCE + 1,
        ] {
            let (plain, escaped) = ("k".repeat(len), r"\u006b".repeat(len));
            let hash = |text| Text::from_accepted(text).hash(&hashes);
            assert_eq!(hash(&plain), hash(&escaped), "{len}");
        }
    }
}
