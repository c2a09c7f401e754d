//! What all framings share: the [`Framing`] that each implements, the [`Keys`] of a session, and
//! the sizes and paddings of AES-CBC packets.

use std::ops::Range;

use subtle::Choice;

use super::clear_length::violation;
use crate::crypto::AesWrapper;
use crate::crypto::aes::{BLOCK_SIZE, decryption_failed, padded_len, padding};
use crate::crypto::key_derivation::GcmKeys;
use crate::crypto::random::FillRandom;
use crate::crypto::record_key::RecordKey;
use crate::error::{Error, Reason, Result};
use crate::protocol::config::{Protocol, Role};
use crate::secret::{SecretBytes, declassify};

/// The most bytes that any framing adds after a text: a whole block of padding, and an IV.
pub const MAX_TRAILER_SIZE: usize = 2 * BLOCK_SIZE;

pub const KEYS_MATCH_FRAMING: &str = "a session has the keys of its framing";

/// The keys of a session. The type keeps a framing from using a key that is meant for another.
///
/// Each variant is one pointer: a move copies the bytes that a smaller variant leaves unused, too,
/// and with them whatever lay on the stack before, such as a part of a key.
pub enum Keys {
    /// v2, v3 and v4: one key and IV for both directions.
    Cbc(AesWrapper),
    /// gcm: a key for each direction.
    Gcm(Box<RecordKeys>),
}

/// The keys of the two directions of a gcm session.
pub struct RecordKeys {
    pub sent: Box<RecordKey>,
    pub received: Box<RecordKey>,
}

/// Where the text is in a packet that was decrypted in place.
pub struct Opened {
    pub text: Range<usize>,
    /// Whether the padding is valid; still secret.
    pub valid: Choice,
}

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Sent,
    Received,
}

/// One framing.
pub trait Framing: Sync {
    fn protocol(&self) -> Protocol;

    /// The size of the header before a packet, and of the room before a text that is to be sealed.
    fn header_size(&self) -> usize;

    /// Whether the receiver answers a header with one byte before the packet is sent.
    fn is_answered(&self) -> bool;

    /// The size of the packet after `header`, at least 1. `largest` is the longest text to accept,
    /// in bytes.
    fn packet_size(&self, keys: &Keys, header: &mut [u8], largest: usize) -> Result<usize>;

    /// How many bytes may be read at once in this role before the size of the packet is known: few
    /// enough that no second whole message fits. 0 if only the header may be read.
    fn read_ahead(&self, _role: Role) -> usize {
        0
    }

    /// Decrypts a packet in place. Every failure is [`Reason::DecryptionFailed`].
    fn open(&self, keys: &Keys, packet: &mut [u8]) -> Result<Opened>;

    /// Turns `message` (room for a header, then a text) into header and packet. Adds at most
    /// [`MAX_TRAILER_SIZE`] bytes.
    fn seal(&self, keys: &Keys, message: &mut SecretBytes, random: FillRandom) -> Result<()>;

    /// Advances the keys after a whole packet has been sent or received.
    fn advance_keys(&self, keys: &mut Keys, direction: Direction, packet: &[u8]);
}

impl Keys {
    /// The keys of a gcm session for one of its sides.
    pub fn gcm(keys: GcmKeys, role: Role) -> Self {
        let (sent, received) = match role {
            Role::Client => (keys.client, keys.server),
            Role::Server => (keys.server, keys.client),
        };
        Self::Gcm(Box::new(RecordKeys { sent, received }))
    }

    /// The key of v2, v3 and v4.
    pub fn aes(&self) -> Option<&AesWrapper> {
        match self {
            Self::Cbc(aes) => Some(aes),
            Self::Gcm(_) => None,
        }
    }

    /// The same, for framings that use nothing else.
    pub fn cbc(&self) -> &AesWrapper {
        self.aes().expect(KEYS_MATCH_FRAMING)
    }

    /// Takes the next IV from the last 16 bytes of a v3 or v4 packet.
    pub fn set_next_iv(&mut self, packet: &[u8]) {
        if let Some((_, iv)) = packet.split_last_chunk::<BLOCK_SIZE>() {
            match self {
                Self::Cbc(aes) => aes.set_iv(*iv),
                Self::Gcm(_) => unreachable!("{KEYS_MATCH_FRAMING}"),
            }
        }
    }
}

/// Checks the size of an AES-CBC packet that a header announced.
pub fn checked_size(announced: u64, trailer_len: usize, largest: usize) -> Result<usize> {
    if announced == 0 {
        return Err(violation("the peer announced an empty message"));
    }
    let largest = padded_len(largest) + trailer_len;
    if announced > largest as u64 {
        return Err(Error::new(
            Reason::MessageTooLarge,
            format!(
                "the peer announced a message of {announced} bytes; at most {largest} are accepted"
            ),
        ));
    }
    Ok(announced as usize)
}

/// Decrypts the AES-CBC ciphertext at the start of a packet. `trailer_len` more bytes follow it.
pub fn open_cbc(keys: &Keys, packet: &mut [u8], trailer_len: usize) -> Result<Opened> {
    let ciphertext_len = packet
        .len()
        .checked_sub(trailer_len)
        .ok_or_else(decryption_failed)?;
    let unpadded = keys
        .cbc()
        .decrypt_cbc(&mut packet[..ciphertext_len])
        .ok_or_else(decryption_failed)?;
    Ok(Opened {
        text: 0..declassify(unpadded.len),
        valid: unpadded.valid,
    })
}

/// Pads the text after the first `start` bytes.
pub fn pad(message: &mut SecretBytes, start: usize) {
    let padding = padding(message.len() - start);
    message.resize(message.len() + usize::from(padding), padding);
}

/// Pads the text after the first `start` bytes and encrypts it in place with AES-CBC.
pub fn seal_cbc(keys: &Keys, message: &mut SecretBytes, start: usize) {
    pad(message, start);
    keys.cbc().encrypt_cbc([&mut message[start..]]);
}
