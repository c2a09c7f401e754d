//! The protocol once more, slow and obvious, from its description alone: what the library does
//! is compared with this.

pub mod format;
pub mod framing;
pub mod gcm;
pub mod json;
