//! The configuration of a session: its framing, its role and its limits.

use crate::crypto::random::{self, FillRandom};

/// A framing: how messages are delimited and encrypted. Each Python release speaks one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Whichever the peer speaks.
    Auto,
    /// Releases 2.0 and 2.1: AES-CBC with one IV for the whole session.
    V2,
    /// Release 3.1: AES-CBC, each message carries the next IV.
    V3,
    /// Release 4.1: as `V3`, with encrypted lengths.
    V4,
    /// AES-256-GCM: the only framing that detects changed, repeated or reordered messages, and
    /// whose recordings stay secret if the RSA keys leak later.
    Gcm,
}

/// Which side of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The side that connected. It sends requests and receives responses.
    Client,
    /// The side that accepted. It receives requests and sends responses.
    Server,
}

/// The largest `max_message_size`, in bytes of JSON text.
pub const MAX_MESSAGE_SIZE: usize = 99_999_999;

/// The configuration of a session.
#[derive(Clone)]
pub struct Config {
    /// Which side of the connection this is.
    pub role: Role,
    /// The only framing to accept. As a client, [`Protocol::Auto`] means [`Protocol::V4`].
    pub protocol: Protocol,
    /// The longest message to receive, in bytes of JSON text.
    pub max_message_size: usize,
    /// Whether keys are exchanged. If not, the AES wrapper that was set has the session's key.
    pub exchange_keys: bool,
    /// Whether a received AES key is sent back unchanged, see
    /// [`ClientOptions::set_key_echo`](crate::ClientOptions::set_key_echo).
    pub key_echo: bool,
    /// Whether the private key operation waits for [`Session::compute`](super::session::Session::compute).
    pub separate_computation: bool,
    /// The SHA-256 of the PEM text of the only public key to accept from the peer.
    pub expected_fingerprint: Option<[u8; 32]>,
    /// The random generator: that of the operating system, unless a test replays a recording.
    pub random: FillRandom,
}

impl Config {
    /// The defaults for this side of a connection.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            protocol: Protocol::Auto,
            max_message_size: 1024 * 1024,
            exchange_keys: true,
            key_echo: false,
            separate_computation: false,
            expected_fingerprint: None,
            random: random::fill,
        }
    }
}
