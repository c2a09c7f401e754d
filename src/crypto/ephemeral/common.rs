//! What both implementations need.

use crate::error::{Error, Reason};

/// The public key and the shared secret of X25519, in bytes.
pub const X25519_SIZE: usize = 32;

pub fn failed() -> Error {
    Error::new(Reason::Internal, "no ephemeral keys could be made")
}
