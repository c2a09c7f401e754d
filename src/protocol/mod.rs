//! The protocol as a state machine: bytes in, bytes out, no socket and no clock.
//!
//! [`Session`](session::Session) is one side of one connection, in either role. Blocking and
//! non-blocking clients, tests and replays of recordings all drive the same state machine.

mod buffer;
mod config;
pub(crate) mod framing;
pub(crate) mod key_exchange;
pub mod session;

pub use config::{MAX_MESSAGE_SIZE, Protocol, Role};
