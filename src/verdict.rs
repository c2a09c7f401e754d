//! Where secrets end: what was computed of them without a branch is decided upon, or handed
//! to code whose time depends on it.
//!
//! Nothing happens here but in the tests of this crate, in which a secret is memory that
//! valgrind takes for undefined: these functions define it, and what depends on it elsewhere
//! is an error (`src/secret_paths.rs`).

use subtle::Choice;

/// What to do: the one end of a comparison of secrets.
#[inline(always)]
pub(crate) fn verdict(choice: Choice) -> bool {
    reveal(choice.unwrap_u8()) == 1
}

/// A number that is no secret any more.
#[inline(always)]
pub(crate) fn reveal<T: Copy>(value: T) -> T {
    #[cfg(test)]
    let value = crate::secret_paths::valgrind::defined(value);
    value
}

/// Bytes that are read from now on by code whose time depends on them.
#[inline(always)]
pub(crate) fn reveal_bytes(_bytes: &[u8]) {
    #[cfg(test)]
    crate::secret_paths::valgrind::define(_bytes);
}
