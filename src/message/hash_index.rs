//! [`Index`]: finds names by their hashes.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::secret::NoMemory;

/// How many members are looked through one by one.
pub(super) const FEW: usize = 16;

/// Finds by its name what is kept elsewhere, at a place that is not 0: a hash table of places. Who
/// chose the names cannot know the hashes.
pub(super) struct Index {
    hashes: RandomState,
    /// 0 where nothing is.
    places: Vec<u32>,
    capacity: usize,
}

impl Index {
    /// With room for `count` names.
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

    /// For how many names there is room in all.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Keeps the place of a name that is not there yet; there has to be room for it.
    pub fn add(&mut self, name: &str, place: u32) {
        let mut hasher = self.hashes.build_hasher();
        hash_into(&mut hasher, name.as_bytes());
        self.insert(hasher.finish(), place, |_| false);
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

/// A message is never longer than 32 bits can tell; what were longer would find no memory.
pub(super) fn narrow(place: usize) -> Result<u32, NoMemory> {
    u32::try_from(place).map_err(|_| NoMemory)
}

/// Hashes the bytes of a name. Each name comes in the same parts, whatever it is written like:
/// where the parts end may matter to a hasher.
pub(super) fn hash_into(hasher: &mut impl Hasher, name: &[u8]) {
    if name.len() <= HASHED_AT_ONCE {
        return hasher.write(name);
    }
    name.chunks(HASHED_AT_ONCE)
        .for_each(|part| hasher.write(part));
}

/// The length of those parts.
pub(super) const HASHED_AT_ONCE: usize = 64;
