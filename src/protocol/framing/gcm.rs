//! gcm: one authenticated record per message, without answers. Each direction has its own key, and
//! the number of a record is its nonce, so no record can be changed, repeated, reordered or sent
//! back.

use subtle::Choice;

use super::clear_length::violation;
use super::packet::{Direction, Framing, KEYS_MATCH_FRAMING, Keys, Opened, RecordKeys};
use crate::crypto::aes::{TAG_SIZE, decryption_failed};
use crate::crypto::random::FillRandom;
use crate::error::{Error, Reason, Result};
use crate::message::{SHORTEST_REQUEST, SHORTEST_RESPONSE};
use crate::protocol::config::{Protocol, Role};
use crate::secret::SecretBytes;

const HEADER_SIZE: usize = 4;

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

    fn packet_size(&self, _keys: &Keys, header: &mut [u8], largest: usize) -> Result<usize> {
        let header: [u8; HEADER_SIZE] = (&*header).try_into().expect("the header has this size");
        let size = u32::from_be_bytes(header) as usize;
        if size <= TAG_SIZE {
            return Err(violation("the peer announced a record without a text"));
        }
        if size - TAG_SIZE > largest {
            return Err(Error::new(
                Reason::MessageTooLarge,
                format!(
                    "the peer announced a message of {} bytes; at most {largest} are accepted",
                    size - TAG_SIZE
                ),
            ));
        }
        Ok(size)
    }

    /// Less than two of the shortest messages: a whole message that was read ahead would be missed
    /// by a program that waits for the socket to become readable.
    fn read_ahead(&self, role: Role) -> usize {
        let shortest = match role {
            Role::Server => SHORTEST_REQUEST,
            Role::Client => SHORTEST_RESPONSE,
        };
        2 * (HEADER_SIZE + shortest.len() + TAG_SIZE) - 1
    }

    fn open(&self, keys: &Keys, packet: &mut [u8]) -> Result<Opened> {
        // The packet has exactly the announced size.
        let header = (packet.len() as u32).to_be_bytes();
        let (text, tag) = packet
            .split_last_chunk_mut::<TAG_SIZE>()
            .ok_or_else(decryption_failed)?;
        record_keys(keys).received.open(&header, text, tag)?;
        Ok(Opened {
            text: 0..text.len(),
            valid: Choice::from(1),
        })
    }

    fn seal(&self, keys: &Keys, message: &mut SecretBytes, _random: FillRandom) -> Result<()> {
        let packet_len = message.len() - HEADER_SIZE + TAG_SIZE;
        let header = u32::try_from(packet_len).map_err(|_| {
            Error::new(
                Reason::MessageTooLarge,
                "the message is too long for a length of 32 bits",
            )
        })?;
        let header = header.to_be_bytes();
        message[..HEADER_SIZE].copy_from_slice(&header);
        let tag = record_keys(keys)
            .sent
            .seal(&header, &mut message[HEADER_SIZE..])?;
        message.extend_from_slice(&tag);
        Ok(())
    }

    fn advance_keys(&self, keys: &mut Keys, direction: Direction, packet: &[u8]) {
        let Keys::Gcm(keys) = keys else {
            unreachable!("{KEYS_MATCH_FRAMING}");
        };
        match direction {
            Direction::Sent => keys.sent.advance(packet.len()),
            Direction::Received => keys.received.advance(packet.len()),
        }
    }
}

fn record_keys(keys: &Keys) -> &RecordKeys {
    match keys {
        Keys::Gcm(keys) => keys,
        Keys::Cbc(_) => unreachable!("{KEYS_MATCH_FRAMING}"),
    }
}
