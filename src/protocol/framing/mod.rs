//! How messages are cut and encrypted: one file per framing, listed in [`of`].

mod clear_length;
mod detection;
mod gcm;
mod v2;
mod v3;
mod v4;

use std::ops::Range;

use subtle::Choice;

use super::{Protocol, Role};
use crate::crypto::AesWrapper;
use crate::crypto::aes::{BLOCK_SIZE, padded_len, padding};
use crate::crypto::key_derivation::GcmKeys;
use crate::crypto::record_key::RecordKey;
use crate::error::{Error, Reason, Result};
use crate::secret::SecretBytes;
use crate::verdict::reveal;

pub use clear_length::{CLEAR_HEADER_SIZE, clear_header, is_clear_header, read_clear_header};
pub use detection::{Detected, detect};

/// The most bytes that any framing adds behind a text: a whole block of padding and an IV.
pub const LARGEST_TRAILER: usize = 2 * BLOCK_SIZE;

const OF_FRAMING: &str = "a session has the keys of its framing";

/// Fills bytes with random ones; tests replay recorded ones.
pub type FillRandom = fn(&mut [u8]) -> Result<()>;

/// The keys of a session: of one kind or the other, so that no framing can use a key of
/// another's.
pub enum Keys {
    /// Of v2, v3 and v4: one key and an IV, in both directions.
    Cbc(AesWrapper),
    /// Of gcm: a key for each direction.
    Gcm {
        sent: Box<RecordKey>,
        received: Box<RecordKey>,
    },
}

/// Where a packet that was decrypted in place holds its text.
pub struct Opened {
    pub text: Range<usize>,
    /// Whether the padding was right: still a secret.
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

    /// The bytes in front of a packet, and of its text before it is sealed.
    fn header_size(&self) -> usize;

    /// Whether the receiver answers a header with one byte before the packet is sent.
    fn is_answered(&self) -> bool;

    /// The size of the packet behind `header`, at least 1. `largest` is the longest text
    /// that is accepted, in bytes.
    fn packet_size(&self, keys: &Keys, header: &mut [u8], largest: usize) -> Result<usize>;

    /// Decrypts a packet in place. Every failure is [`Reason::DecryptionFailed`].
    fn open(&self, keys: &Keys, packet: &mut [u8]) -> Result<Opened>;

    /// Turns `message`, room for a header and behind it a text, into header and packet. Adds at
    /// most [`LARGEST_TRAILER`] bytes.
    fn seal(&self, keys: &Keys, message: &mut SecretBytes, random: FillRandom) -> Result<()>;

    /// Moves the keys on after a packet went over the wire whole.
    fn finish(&self, keys: &mut Keys, direction: Direction, packet: &[u8]);
}

/// The framing of a protocol; `None` for [`Protocol::Auto`].
pub fn of(protocol: Protocol) -> Option<&'static dyn Framing> {
    match protocol {
        Protocol::Auto => None,
        Protocol::V2 => Some(&v2::V2),
        Protocol::V3 => Some(&v3::V3),
        Protocol::V4 => Some(&v4::V4),
        Protocol::Gcm => Some(&gcm::Gcm),
    }
}

impl Keys {
    /// The keys of a gcm session for one of its sides.
    pub fn gcm(keys: GcmKeys, role: Role) -> Self {
        let (sent, received) = match role {
            Role::Client => (keys.client, keys.server),
            Role::Server => (keys.server, keys.client),
        };
        Self::Gcm { sent, received }
    }

    /// The key of v2, v3 and v4.
    pub fn aes(&self) -> Option<&AesWrapper> {
        match self {
            Self::Cbc(aes) => Some(aes),
            Self::Gcm { .. } => None,
        }
    }

    /// The same to a framing that uses no other.
    fn cbc(&self) -> &AesWrapper {
        self.aes().expect(OF_FRAMING)
    }

    /// Takes the IV that the last 16 bytes of a v3 or v4 packet carry.
    fn take_next_iv(&mut self, packet: &[u8]) {
        if let Some((_, iv)) = packet.split_last_chunk::<BLOCK_SIZE>() {
            match self {
                Self::Cbc(aes) => aes.set_iv(*iv),
                Self::Gcm { .. } => unreachable!("{OF_FRAMING}"),
            }
        }
    }
}

/// Checks the size of an AES-CBC packet that a header announced.
fn checked_size(announced: u64, behind_text: usize, largest: usize) -> Result<usize> {
    if announced == 0 {
        return Err(violation("the peer announced an empty message"));
    }
    let largest = padded_len(largest) + behind_text;
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

/// Decrypts the AES-CBC ciphertext at the start of a packet, behind which stand
/// `behind_text` bytes more.
fn open_cbc(keys: &Keys, packet: &mut [u8], behind_text: usize) -> Result<Opened> {
    let failed = crate::crypto::aes::decryption_failed;
    let ciphertext_len = packet.len().checked_sub(behind_text).ok_or_else(failed)?;
    let unpadded = keys
        .cbc()
        .decrypt_cbc(&mut packet[..ciphertext_len])
        .ok_or_else(failed)?;
    Ok(Opened {
        text: 0..reveal(unpadded.len),
        valid: unpadded.valid,
    })
}

/// Pads the text behind the first `start` bytes.
fn pad(message: &mut SecretBytes, start: usize) {
    let padding = padding(message.len() - start);
    message.resize(message.len() + usize::from(padding), padding);
}

/// Pads the text behind the first `start` bytes and encrypts it there with AES-CBC.
fn seal_cbc(keys: &Keys, message: &mut SecretBytes, start: usize) {
    pad(message, start);
    keys.cbc().encrypt_cbc([&mut message[start..]]);
}

/// Writes decimal digits to the front of `space`; gives how many, or `None` if they do not fit.
fn write_digits(number: usize, space: &mut [u8]) -> Option<usize> {
    let count = number.checked_ilog10().map_or(1, |last| last as usize + 1);
    let mut rest = number;
    for digit in space.get_mut(..count)?.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    Some(count)
}

fn violation(message: &'static str) -> Error {
    Error::new(Reason::ProtocolViolation, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::AesMode;

    fn reason(size: Result<usize>) -> Option<Reason> {
        size.unwrap_err().reason()
    }

    #[test]
    fn a_packet_is_as_long_as_the_longest_text_makes_it_and_no_longer() {
        let longest = padded_len(100) + BLOCK_SIZE;
        let size = |announced| checked_size(announced, BLOCK_SIZE, 100);
        assert_eq!(size(longest as u64), Ok(longest));
        assert_eq!(size(1), Ok(1));
        assert_eq!(
            reason(size(longest as u64 + 1)),
            Some(Reason::MessageTooLarge)
        );
        assert_eq!(reason(size(0)), Some(Reason::ProtocolViolation));
    }

    fn keys(protocol: Protocol) -> Keys {
        match protocol {
            Protocol::Gcm => {
                let key = || RecordKey::new(&[1; 32], &[2; 12]);
                Keys::Gcm {
                    sent: key(),
                    received: key(),
                }
            }
            _ => Keys::Cbc(AesWrapper::new(256, AesMode::Cbc).unwrap()),
        }
    }

    #[test]
    fn a_message_that_is_sealed_stays_where_it_is_and_holds_what_was_drawn() {
        for protocol in [Protocol::V2, Protocol::V3, Protocol::V4, Protocol::Gcm] {
            let keys = keys(protocol);
            let framing = of(protocol).unwrap();
            for len in 0..=BLOCK_SIZE {
                let written = framing.header_size() + len;
                let mut message = SecretBytes::try_copy(&[], written + LARGEST_TRAILER).unwrap();
                message.resize(written, b'x');
                let place = message.as_ptr();
                let fill = |bytes: &mut [u8]| {
                    bytes.fill(7);
                    Ok(())
                };
                framing.seal(&keys, &mut message, fill).unwrap();
                assert_eq!(message.as_ptr(), place, "{protocol:?}, {len}");
                match protocol {
                    Protocol::V3 | Protocol::V4 => assert!(message.ends_with(&[7; 16])),
                    Protocol::Gcm => assert_eq!(message.len(), written + 16),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_record_is_as_long_as_the_longest_text_makes_it_and_no_longer() {
        const TAG: u32 = 16;
        let keys = keys(Protocol::Gcm);
        let gcm = of(Protocol::Gcm).unwrap();
        let size = |announced: u32| gcm.packet_size(&keys, &mut announced.to_be_bytes(), 100);
        assert_eq!(size(TAG + 100), Ok(116));
        assert_eq!(size(TAG + 1), Ok(17));
        assert_eq!(reason(size(TAG + 101)), Some(Reason::MessageTooLarge));
        assert_eq!(reason(size(TAG)), Some(Reason::ProtocolViolation));
        assert_eq!(reason(size(0)), Some(Reason::ProtocolViolation));
    }
}
