//! v3, of release 3.1: as v2, and each packet ends in the IV of the next message.

use super::{
    CLEAR_HEADER_SIZE, Direction, FillRandom, Framing, Keys, Opened, checked_size, clear_header,
    open_cbc, read_clear_header, seal_cbc,
};
use crate::crypto::aes::BLOCK_SIZE;
use crate::error::Result;
use crate::protocol::Protocol;
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
        let packet_len = seal_with_next_iv(keys, message, CLEAR_HEADER_SIZE, random)?;
        message[..CLEAR_HEADER_SIZE].copy_from_slice(&clear_header(packet_len)?);
        Ok(())
    }

    fn finish(&self, keys: &mut Keys, _direction: Direction, packet: &[u8]) {
        keys.take_next_iv(packet);
    }
}

/// Encrypts the text behind a header and adds a fresh IV; gives the size of the packet.
pub(super) fn seal_with_next_iv(
    keys: &Keys,
    message: &mut SecretBytes,
    header_size: usize,
    random: FillRandom,
) -> Result<usize> {
    seal_cbc(keys, message, header_size);
    let mut next_iv = [0; BLOCK_SIZE];
    random(&mut next_iv)?;
    message.extend_from_slice(&next_iv);
    Ok(message.len() - header_size)
}
