//! Where secrets end: what was computed of them without a branch is decided upon, or handed
//! to code whose time depends on it.
//!
//! Nothing happens here: it is the name of the place.

use subtle::Choice;

/// What to do: the one end of a comparison of secrets.
#[inline(always)]
pub(crate) fn verdict(choice: Choice) -> bool {
    reveal(choice.unwrap_u8()) == 1
}

/// A number that is no secret any more.
#[inline(always)]
pub(crate) fn reveal<T: Copy>(value: T) -> T {
    value
}

/// Bytes that are read from now on by code whose time depends on them.
#[inline(always)]
pub(crate) fn reveal_bytes(_bytes: &[u8]) {
}
