//! The members of an object that was received, for those who ask for them by name.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

use super::json::{Kind, Object, Text, Value};
use super::received::place;
use crate::secret::{NoMemory, SecretBytes, SecretText};

/// How many members are looked through one by one.
pub(super) const FEW: usize = 16;

/// What is made of an object when it is asked for: where its members stand, if there are many, and
/// its strings, decoded. Both together take no more memory than the object's text.
pub(super) struct Members {
    count: usize,
    index: OnceLock<Index>,
    strings: OnceLock<Strings>,
}

/// Finds by its name what is kept elsewhere, at a place that is not 0: a hash table of places. Who
/// chose the names cannot know the hashes.
pub(super) struct Index {
    hashes: RandomState,
    /// 0 where nothing is.
    places: Vec<u32>,
    room: usize,
}

/// The strings of an object, decoded, each with a NUL behind it, one behind the other.
struct Strings {
    bytes: SecretBytes,
    /// Of every sixteenth member where it stands in the object, and the next string in `bytes`.
    waypoints: Vec<(u32, u32)>,
}

impl Members {
    /// For an object that has so many members.
    pub fn new(count: usize) -> Self {
        Self {
            count,
            index: OnceLock::new(),
            strings: OnceLock::new(),
        }
    }

    /// The member of `object` that has this name. `object` is always the same text.
    pub fn find<'a>(&self, object: &'a str, name: &str) -> Option<Value<'a>> {
        let parsed = Object::from_accepted(object);
        let named = |(key, value): (Text<'a>, Value<'a>)| (key == *name).then_some(value);
        if self.count <= FEW {
            return parsed.members().find_map(named);
        }
        // It only saves time: without memory for it, there is another way.
        match get_or_try_init(&self.index, || Index::of_members(object, self.count)) {
            Ok(index) => index.find(name.as_bytes(), |at| {
                parsed.members_from(at).next().and_then(named)
            }),
            Err(NoMemory) => parsed.members().find_map(named),
        }
    }

    /// The same if it is a string: decoded, with a NUL behind it.
    pub fn string_with_nul(&self, object: &str, name: &str) -> Result<Option<&str>, NoMemory> {
        let Some(value) = self.find(object, name) else {
            return Ok(None);
        };
        let Kind::String(text) = value.kind() else {
            return Ok(None);
        };
        let strings = get_or_try_init(&self.strings, || Strings::of_members(object, self.count))?;
        let at = strings.place_of(object, value);
        let string = std::str::from_utf8(&strings.bytes[at..=at + text.decoded_len()]);
        Ok(Some(string.expect("it was written there as UTF-8")))
    }
}

impl Index {
    /// With room for `count` names.
    pub fn with_room_for(count: usize) -> Result<Self, NoMemory> {
        let len = count + count / 4 + 1;
        let mut places = Vec::new();
        places.try_reserve_exact(len)?;
        places.resize(len, 0);
        Ok(Self {
            hashes: RandomState::new(),
            places,
            room: count,
        })
    }

    /// For how many names there is room in all.
    pub fn room(&self) -> usize {
        self.room
    }

    fn of_members(object: &str, count: usize) -> Result<Self, NoMemory> {
        let mut index = Self::with_room_for(count)?;
        for (key, _) in Object::from_accepted(object).members() {
            let at = narrow(place(object, key.as_written()).start - 1)?;
            let hash = key.hash(&index.hashes);
            index.put(hash, at, |_| false);
        }
        Ok(index)
    }

    /// Keeps the place of a name that is not there yet; there has to be room for it.
    pub fn add(&mut self, name: &str, place: u32) {
        let mut hasher = self.hashes.build_hasher();
        hash_into(&mut hasher, name.as_bytes());
        self.put(hasher.finish(), place, |_| false);
    }

    /// What names are hashed with.
    pub fn hashes(&self) -> &RandomState {
        &self.hashes
    }

    /// What `get` finds under this name at one of the places where it can be.
    pub fn find<T>(&self, name: &[u8], mut get: impl FnMut(usize) -> Option<T>) -> Option<T> {
        let mut hasher = self.hashes.build_hasher();
        hash_into(&mut hasher, name);
        let mut slot = self.first_slot(hasher.finish());
        while self.places[slot] != 0 {
            if let Some(found) = get(self.places[slot] as usize) {
                return Some(found);
            }
            slot = self.next_slot(slot);
        }
        None
    }

    /// Keeps a place under a hash, for which there has to be room; false, and nothing is kept, if
    /// one of those at which the name can be already `is_same`.
    pub fn put(&mut self, hash: u64, place: u32, is_same: impl Fn(usize) -> bool) -> bool {
        let mut slot = self.first_slot(hash);
        while self.places[slot] != 0 {
            if is_same(self.places[slot] as usize) {
                return false;
            }
            slot = self.next_slot(slot);
        }
        self.places[slot] = place;
        true
    }

    fn first_slot(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.places.len() as u128) >> u64::BITS) as usize
    }

    fn next_slot(&self, slot: usize) -> usize {
        if slot + 1 == self.places.len() {
            0
        } else {
            slot + 1
        }
    }
}

/// Hashes the bytes of a name. Each name comes in the same parts, whatever it is written like:
/// where the parts end may matter to a hasher.
pub(super) fn hash_into(hasher: &mut impl Hasher, name: &[u8]) {
    name.chunks(HASHED_AT_ONCE)
        .for_each(|part| hasher.write(part));
}

/// The length of those parts.
pub(super) const HASHED_AT_ONCE: usize = 64;

impl Strings {
    fn of_members(object: &str, count: usize) -> Result<Self, NoMemory> {
        let members = || Object::from_accepted(object).members();
        let mut len = 0;
        for (_, value) in members() {
            // A string takes no more room decoded than written.
            if let Kind::String(text) = value.kind() {
                len += text.as_written().len() + 1;
            }
        }
        let mut strings = Self {
            bytes: SecretBytes::default(),
            waypoints: Vec::new(),
        };
        strings.bytes.try_reserve_exact(len)?;
        strings.waypoints.try_reserve_exact(count / FEW)?;
        for (number, (_, value)) in (1..=count).zip(members()) {
            if let Kind::String(text) = value.kind() {
                text.decode_to(&mut strings.bytes);
                strings.bytes.push(0);
            }
            // Of the member behind this one, and so never of one that is not there.
            if number % FEW == 0 && number < count {
                let behind = place(object, value.as_written()).end;
                let next = narrow(strings.bytes.len())?;
                strings.waypoints.push((narrow(behind)?, next));
            }
        }
        Ok(strings)
    }

    /// Where the decoded string of a member stands.
    fn place_of(&self, object: &str, value: Value<'_>) -> usize {
        let wanted = place(object, value.as_written()).start;
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
            if place(object, value.as_written()).start == wanted {
                break;
            }
            if let Kind::String(text) = value.kind() {
                at += text.decoded_len() + 1;
            }
        }
        at
    }
}

/// A message is never longer than 32 bits can tell; what were longer would find no memory.
pub(super) fn narrow(place: usize) -> Result<u32, NoMemory> {
    u32::try_from(place).map_err(|_| NoMemory)
}

/// What is in `cell`, made now if it is not there yet.
fn get_or_try_init<T>(
    cell: &OnceLock<T>,
    make: impl FnOnce() -> Result<T, NoMemory>,
) -> Result<&T, NoMemory> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

/// A copy with a NUL behind it, made when it is first asked for.
#[derive(Default)]
pub(super) struct CopyWithNul(OnceLock<SecretText>);

impl CopyWithNul {
    /// The copy of `text`, which is always the same.
    pub fn of(&self, text: &str) -> Result<&str, NoMemory> {
        get_or_try_init(&self.0, || SecretText::try_with_nul(text)).map(|copy| &**copy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(members: impl Iterator<Item = String>) -> String {
        format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn finds_each_of_few_and_of_many_members_however_they_are_written() {
        for count in [1, FEW - 1, FEW, FEW + 1, 2 * FEW, 3 * FEW + 1, 1000] {
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
            assert_eq!(members.index.get().is_some(), count > FEW);
        }
    }

    #[test]
    fn what_is_made_of_an_object_is_no_larger_than_its_text() {
        for value in ["0", "\"\"", "\"string\"", r#""\u00e9""#] {
            let text = object((0..50_000).map(|at| format!(r#""{at:x}":{value}"#)));
            let members = Members::new(50_000);
            members.find(&text, "absent");
            members.string_with_nul(&text, "a").unwrap();
            let index = members.index.get().unwrap().places.capacity() * size_of::<u32>();
            let strings = members.strings.get().map_or(0, |strings| {
                strings.bytes.capacity() + strings.waypoints.capacity() * size_of::<(u32, u32)>()
            });
            assert!(index + strings <= text.len(), "{value}: {index} {strings}");
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
