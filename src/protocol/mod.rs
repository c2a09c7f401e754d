//! The protocol as a state machine: bytes in, bytes out, no socket and no clock.
//!
//! [`Session`](session::Session) is one side of one connection. Blocking and non-blocking
//! clients, tests and replays of recordings all drive this one machine, in either role.

mod buffer;
pub(crate) mod framing;
pub(crate) mod key_exchange;
pub mod session;

/// A framing: how messages are cut and encrypted. Releases of the Python server and client
/// speak one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Whatever the peer turns out to speak.
    Auto,
    /// Releases 2.0 and 2.1: AES-CBC with one IV for the whole session.
    V2,
    /// Release 3.1: AES-CBC, each message carries the next IV.
    V3,
    /// Release 4.1: as `V3`, with encrypted lengths.
    V4,
    /// AES-256-GCM: the only framing that notices changed, repeated or reordered messages, and
    /// that stays secret if the RSA keys become known later.
    Gcm,
}

/// Which side of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The side that connected, sends requests and receives responses.
    Client,
    /// The side that accepted, receives requests and sends responses.
    Server,
}

impl Role {
    /// The peer's.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The longest message that can be allowed, in bytes of JSON text.
pub const LARGEST_MESSAGE: usize = 99_999_999;
