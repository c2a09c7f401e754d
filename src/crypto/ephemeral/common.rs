//! What both backends need.

use crate::error::{Error, Reason};

/// The size of an X25519 public key and shared secret, in bytes.
pub const X25519_SIZE: usize = 32;

pub fn failed() -> Error {
    Error::new(Reason::Internal, "no ephemeral keys could be generated")
}
