//! [`Index`]: finds names by their hashes.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::secret::NoMemory;

/// Up to this many members, a linear search is faster.
pub(super) const MAX_UNINDEXED: usize = 16;

/// A hash table from names to places (not 0), which does not store the names. The hashes are keyed:
/// an attacker who chooses the names cannot predict them.
pub(super) struct Index {
    hashes: RandomState,
    /// 0 for an empty slot.
    places: Vec<u32>,
    capacity: usize,
}

impl Index {
    /// An index with room for `count` names.
    pub fn with_capacity(count: usize) -> Result<Self, NoMemory> {
        let len = count + count / 4 + 1;
        let mut places = Vec::new();
        places.try_reserve_exact(len)?;
        places.resize(len, 0);
        Ok(Self {
            hashes: RandomState::new(),
            places,
            capacity: count,
        })
    }

    /// The memory that it takes, in bytes.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.places.capacity() * size_of::<u32>()
    }

    /// How many names it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Adds the place of a new name. There must be room for it.
    pub fn add(&mut self, name: &str, place: u32) {
        let mut hasher = self.hashes.build_hasher();
        hash_into(&mut hasher, name.as_bytes());
        self.insert(hasher.finish(), place, |_| false);
    }

    /// The hasher for names.
    pub fn hashes(&self) -> &RandomState {
        &self.hashes
    }

    /// What `get` returns for the first matching place of this name.
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

    /// Adds a place under a hash. There must be room for it. Returns false, and adds nothing, if
    /// `is_same` is true for one of the places on the way to a free slot.
    pub fn insert(&mut self, hash: u64, place: u32, is_same: impl Fn(usize) -> bool) -> bool {
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

/// Messages are shorter than 4 GiB, so 32 bits are enough.
pub(super) fn to_u32(place: usize) -> Result<u32, NoMemory> {
    u32::try_from(place).map_err(|_| NoMemory)
}

/// Hashes the bytes of a name in parts of fixed length, because the result of a hasher may depend on
/// how its input is divided.
pub(super) fn hash_into(hasher: &mut impl Hasher, name: &[u8]) {
    if name.len() <= HASHED_AT_ONCE {
        return hasher.write(name);
    }
    name.chunks(HASHED_AT_ONCE)
        .for_each(|part| hasher.write(part));
}

/// The length of the parts.
pub(super) const HASHED_AT_ONCE: usize = 64;
