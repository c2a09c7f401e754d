//! The keys of an object, and which of them is there twice.

use std::cell::Cell;
use std::ops::Range;

use super::text::Text;
use crate::message::hash_index::Index;
use crate::secret::NoMemory;

/// A key of an object that is being read: where it stands between its quotes.
#[derive(Clone, Copy)]
pub struct Key {
    pub start: usize,
    pub end: usize,
    pub signature: u64,
}

/// The signature of keys that are long, or written with escapes and not found to be short when decoded.
/// UTF-8 has no such bytes.
pub const INDIRECT: u64 = u64::MAX;

impl Key {
    pub fn text(self, all: &str) -> Text<'_> {
        Text(&all[self.start..self.end])
    }

    /// Whether two keys of a text are the same; neither is indirect.
    #[inline(always)]
    fn is(self, other: Self, all: &str) -> bool {
        self.signature == other.signature && self.is_to_its_end(other, all)
    }

    /// Whether two keys of the same signature are the same.
    #[inline(never)]
    pub fn is_to_its_end(self, other: Self, all: &str) -> bool {
        self.signature.to_le_bytes()[0] as usize <= SIGNED || self.text(all).0 == other.text(all).0
    }

    /// The same where one of them may be indirect.
    fn is_decoded(self, other: Self, all: &str) -> bool {
        match self.signature == INDIRECT || other.signature == INDIRECT {
            true => self.text(all).compare(other.text(all)).is_eq(),
            false => self.is(other, all),
        }
    }
}

/// How many bytes of a key its signature holds. It is all of those that are no longer.
pub const SIGNED: usize = 7;

/// Length and first bytes of a decoded key that stands in `text`: what tells most keys apart.
pub fn signature(text: &[u8], key: Range<usize>) -> u64 {
    let len = key.len();
    let head = match text[key.start..].first_chunk::<8>() {
        Some(head) => u64::from_le_bytes(*head),
        None => {
            let bytes = text[key].iter().rev();
            bytes.fold(0, |head, &byte| head << 8 | u64::from(byte))
        }
    };
    let unused_bits = 8 * (8 - len.min(SIGNED)) as u32;
    let head = head.checked_shl(unused_bits).unwrap_or(0);
    head | len.min(0xfe) as u64
}

/// Decodes the start of a string to `out`, up to more bytes than a signature holds; gives how many.
pub fn decode_start(text: Text<'_>, out: &mut [u8; SIGNED + 5]) -> usize {
    let written = text.as_written();
    let (mut len, mut at) = (0, 0);
    while at < written.len() && len <= SIGNED {
        let (read, decoded) = text.decode_at(at, &mut out[len..]);
        at += read;
        len += decoded;
    }
    len
}

/// The key of a text that stands twice, where it stands again, however it is written. Who wrote the
/// keys cannot know the hashes, so that comparing two of them costs the same whatever they begin
/// with.
pub fn duplicate(keys: &mut [Key], all: &str) -> Result<Option<Key>, NoMemory> {
    let are_short = keys.iter().all(|key| key.signature != INDIRECT);
    if keys.len() <= 2 || (are_short && keys.len() <= 8) {
        let mut pairs = (1..keys.len()).flat_map(|at| keys[..at].iter().map(move |one| (one, at)));
        return Ok(pairs
            .find(|(one, at)| one.is_decoded(keys[*at], all))
            .map(|(one, at)| later_of(*one, keys[at])));
    }
    let mut index = Index::with_capacity(keys.len())?;
    for key in &mut *keys {
        key.signature = key.text(all).hash(index.hashes());
    }
    for (key, number) in keys.iter().zip(1..) {
        let same = Cell::new(None);
        let is_same = |at: usize| {
            let other = keys[at - 1];
            let is_same =
                other.signature == key.signature && other.text(all).compare(key.text(all)).is_eq();
            same.set(is_same.then_some(other));
            is_same
        };
        index.insert(key.signature, number, is_same);
        if let Some(other) = same.get() {
            return Ok(Some(later_of(*key, other)));
        }
    }
    Ok(None)
}

/// The one of two keys that stands behind the other.
fn later_of(one: Key, other: Key) -> Key {
    match one.start > other.start {
        true => one,
        false => other,
    }
}
