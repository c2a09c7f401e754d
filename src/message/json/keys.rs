//! The keys of an object, and the search for duplicates.

use std::cell::Cell;
use std::ops::Range;

use super::scan::string_end;
use super::text::Text;
use crate::message::hash_index::Index;
use crate::message::work::{self, Count};
use crate::secret::NoMemory;

/// A key of an object that is being read: its place, without the quotes.
#[derive(Clone, Copy)]
pub struct Key {
    pub start: usize,
    pub end: usize,
    pub signature: u64,
}

/// The signature of keys that are long, or have escapes and are not short when decoded. These bytes do
/// not occur in UTF-8.
pub const INDIRECT: u64 = u64::MAX;

impl Key {
    pub fn text(self, all: &str) -> Text<'_> {
        Text(&all[self.start..self.end])
    }

    /// Whether two keys with the same signature are equal.
    #[inline(never)]
    pub fn is_equal_in_full(self, other: Self, all: &str) -> bool {
        self.signature.to_le_bytes()[0] as usize <= SIGNATURE_LEN
            || self.text(all).0 == other.text(all).0
    }
}

/// How many bytes of a key its signature holds. Keys up to this length are in it completely.
pub const SIGNATURE_LEN: usize = 7;

/// The length and first bytes of a decoded key in `text`, which differ for most keys.
pub fn signature(text: &[u8], key: Range<usize>) -> u64 {
    let len = key.len();
    let head = match text[key.start..].first_chunk::<8>() {
        Some(head) => u64::from_le_bytes(*head),
        None => {
            let bytes = text[key].iter().rev();
            bytes.fold(0, |head, &byte| head << 8 | u64::from(byte))
        }
    };
    let unused_bits = 8 * (8 - len.min(SIGNATURE_LEN)) as u32;
    let head = head.checked_shl(unused_bits).unwrap_or(0);
    head | len.min(0xfe) as u64
}

/// Decodes the start of a string to `out`, until it is longer than a signature. Returns the length.
pub fn decode_start(text: Text<'_>, out: &mut [u8; SIGNATURE_LEN + 5]) -> usize {
    let written = text.as_written();
    let (mut len, mut at) = (0, 0);
    while at < written.len() && len <= SIGNATURE_LEN {
        let (read, decoded) = text.decode_at(at, &mut out[len..]);
        at += read;
        len += decoded;
    }
    len
}

/// Finds a key that occurs twice among those that begin at `starts`, with or without escapes. Returns
/// its second place. The hashes are keyed: an attacker cannot choose keys that are slow to compare.
pub fn duplicate(
    starts: &[u32],
    all: &str,
    work: &mut impl Count,
) -> Result<Option<usize>, NoMemory> {
    let mut key_at = |start: u32| {
        let key = key_at(all, start);
        work.add(work::HASHED_KEY + work::HASHED_BYTE * key.0.len());
        key
    };
    let later = |one: u32, other: u32| one.max(other) as usize;
    match *starts {
        [] | [_] => return Ok(None),
        [one, other] => {
            let is_same = key_at(one).compare(key_at(other)).is_eq();
            return Ok(is_same.then(|| later(one, other)));
        }
        _ => {}
    }
    let mut index = Index::with_capacity(starts.len())?;
    // A part of each hash differs for nearly all keys.
    let mut parts = Vec::new();
    parts.try_reserve_exact(starts.len())?;
    for (&start, number) in starts.iter().zip(1..) {
        let key = key_at(start);
        let hash = key.hash(index.hashes());
        let part = hash as u32;
        let same = Cell::new(None);
        let is_same = |at: usize| {
            let other = starts[at - 1];
            let is_same = parts[at - 1] == part && self::key_at(all, other).compare(key).is_eq();
            same.set(is_same.then_some(other));
            is_same
        };
        index.insert(hash, number, is_same);
        if let Some(other) = same.get() {
            return Ok(Some(later(start, other)));
        }
        parts.push(part);
    }
    Ok(None)
}

/// The key that begins at `start`, after its quote, in a text that was read.
fn key_at(all: &str, start: u32) -> Text<'_> {
    let start = start as usize;
    Text(&all[start..string_end(all.as_bytes(), start)])
}
