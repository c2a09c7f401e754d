//! v3, of release 3.1: as v2, and each packet ends in the IV of the next message.

use super::clear_length::{CLEAR_HEADER_SIZE, clear_header, read_clear_header};
use super::packet::{Direction, Framing, Keys, Opened, checked_size, open_cbc, seal_cbc};
use crate::crypto::aes::BLOCK_SIZE;
use crate::crypto::random::FillRandom;
use crate::error::Result;
use crate::protocol::config::Protocol;
use crate::secret::SecretBytes;

pub struct V3;

impl Framing for V3 {
    fn protocol(&self) -> Protocol {
        Protocol::V3
    }

    fn header_size(&self) -> usize {
        CLEAR_HEADER_SIZE
    }

    fn is_answered(&self) -> bool {
        true
    }

    fn packet_size(&self, _keys: &Keys, header: &mut [u8], largest: usize) -> Result<usize> {
        checked_size(read_clear_header(header)?, BLOCK_SIZE, largest)
    }

    fn open(&self, keys: &Keys, packet: &mut [u8]) -> Result<Opened> {
        open_cbc(keys, packet, BLOCK_SIZE)
    }

    fn seal(&self, keys: &Keys, message: &mut SecretBytes, random: FillRandom) -> Result<()> {
        seal_cbc(keys, message, CLEAR_HEADER_SIZE);
        add_next_iv(message, random)?;
        let header = clear_header(message.len() - CLEAR_HEADER_SIZE)?;
        message[..CLEAR_HEADER_SIZE].copy_from_slice(&header);
        Ok(())
    }

    fn advance_keys(&self, keys: &mut Keys, _direction: Direction, packet: &[u8]) {
        keys.set_next_iv(packet);
    }
}

/// Appends a fresh IV to a ciphertext.
pub(super) fn add_next_iv(message: &mut SecretBytes, random: FillRandom) -> Result<()> {
    let mut next_iv = [0; BLOCK_SIZE];
    random(&mut next_iv)?;
    message.extend_from_slice(&next_iv);
    Ok(())
}
