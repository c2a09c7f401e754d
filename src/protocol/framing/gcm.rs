//! gcm: one authenticated record per message, without answers. Direction, number and
//! length of a message are authenticated with it, so that none can be changed, repeated,
//! reordered or sent back.

use subtle::Choice;

use super::{Direction, FillRandom, Framing, Keys, Opened, violation};
use crate::crypto::aes::{NONCE_SIZE, TAG_SIZE, decryption_failed};
use crate::error::{Error, Reason, Result};
use crate::negative_control::is_broken;
use crate::protocol::{Protocol, Role};
use crate::secret::SecretBytes;

const HEADER_SIZE: usize = 4;
const OVERHEAD: usize = NONCE_SIZE + TAG_SIZE;
/// How many messages one key may protect in one direction.
const MOST_MESSAGES: u64 = 1 << 32;
const LABEL: &[u8; 6] = b"anwdl1";
const ADDITIONAL_DATA_SIZE: usize = LABEL.len() + 1 + 8 + HEADER_SIZE;

pub struct Gcm;

impl Framing for Gcm {
    fn protocol(&self) -> Protocol {
        Protocol::Gcm
    }

    fn header_size(&self) -> usize {
        HEADER_SIZE
    }

    fn is_answered(&self) -> bool {
        false
    }

    fn check_unspent(&self, keys: &Keys, direction: Direction) -> Result<()> {
        let most = match is_broken("a key protects 2^32 messages") {
            true => 3,
            false => MOST_MESSAGES,
        };
        if number(keys, direction) < most {
            return Ok(());
        }
        Err(Error::new(
            Reason::SessionSpent,
            "2^32 messages have passed in this direction; open a new session",
        ))
    }

    fn packet_size(&self, _keys: &Keys, header: &mut [u8], largest: usize) -> Result<usize> {
        let header: [u8; HEADER_SIZE] = (&*header).try_into().expect("the header has this size");
        let size = u32::from_be_bytes(header) as usize;
        if size <= OVERHEAD {
            return Err(violation("the peer announced a record without a text"));
        }
        if size - OVERHEAD > largest {
            return Err(Error::new(
                Reason::MessageTooLarge,
                format!(
                    "the peer announced a message of {} bytes; at most {largest} are accepted",
                    size - OVERHEAD
                ),
            ));
        }
        Ok(size)
    }

    fn open(&self, keys: &Keys, packet: &mut [u8]) -> Result<Opened> {
        let additional_data = additional_data(keys, Direction::Received, packet.len());
        let (nonce, rest) = packet
            .split_first_chunk_mut::<NONCE_SIZE>()
            .ok_or_else(decryption_failed)?;
        let (text, tag) = rest
            .split_last_chunk_mut::<TAG_SIZE>()
            .ok_or_else(decryption_failed)?;
        keys.aes.decrypt_gcm(nonce, &additional_data, text, tag)?;
        let text = NONCE_SIZE..NONCE_SIZE + text.len();
        Ok(Opened {
            text,
            valid: Choice::from(1),
        })
    }

    fn text_start(&self) -> usize {
        HEADER_SIZE + NONCE_SIZE
    }

    fn seal(&self, keys: &Keys, message: &mut SecretBytes, random: FillRandom) -> Result<()> {
        let mut nonce = [0; NONCE_SIZE];
        if !is_broken("each record has a nonce of its own") {
            random(&mut nonce)?;
        }
        message[HEADER_SIZE..HEADER_SIZE + NONCE_SIZE].copy_from_slice(&nonce);
        let packet_len = message.len() - HEADER_SIZE + TAG_SIZE;
        let header = u32::try_from(packet_len).map_err(|_| {
            Error::new(
                Reason::MessageTooLarge,
                "the message is longer than 32 bits can tell",
            )
        })?;
        message[..HEADER_SIZE].copy_from_slice(&header.to_be_bytes());
        let additional_data = additional_data(keys, Direction::Sent, packet_len);
        let text = &mut message[HEADER_SIZE + NONCE_SIZE..];
        let tag = keys.aes.encrypt_gcm(&nonce, &additional_data, text)?;
        message.extend_from_slice(&tag);
        Ok(())
    }

    fn finish(&self, keys: &mut Keys, direction: Direction, _packet: &[u8]) {
        match direction {
            Direction::Sent => keys.sent += 1,
            Direction::Received => keys.received += 1,
        }
    }
}

fn additional_data(
    keys: &Keys,
    direction: Direction,
    packet_len: usize,
) -> [u8; ADDITIONAL_DATA_SIZE] {
    let from_server = (direction == Direction::Sent) == (keys.role == Role::Server);
    let mut data = [0; ADDITIONAL_DATA_SIZE];
    data[..6].copy_from_slice(LABEL);
    data[6] = u8::from(from_server && !is_broken("the direction of a record is authenticated"));
    if !is_broken("the number of a record is authenticated") {
        data[7..15].copy_from_slice(&number(keys, direction).to_be_bytes());
    }
    data[15..].copy_from_slice(&(packet_len as u32).to_be_bytes());
    data
}

/// The number of the next message in a direction.
fn number(keys: &Keys, direction: Direction) -> u64 {
    match direction {
        Direction::Sent => keys.sent,
        Direction::Received => keys.received,
    }
}
