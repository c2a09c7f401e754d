//! v2, of releases 2.0 and 2.1: an unencrypted length, AES-CBC, one IV for the whole session.

use super::clear_length::{CLEAR_HEADER_SIZE, clear_header, read_clear_header};
use super::packet::{Direction, Framing, Keys, Opened, checked_size, open_cbc, seal_cbc};
use crate::crypto::random::FillRandom;
use crate::error::Result;
use crate::protocol::config::Protocol;
use crate::secret::SecretBytes;

pub struct V2;

impl Framing for V2 {
    fn protocol(&self) -> Protocol {
        Protocol::V2
    }

    fn header_size(&self) -> usize {
        CLEAR_HEADER_SIZE
    }

    fn is_answered(&self) -> bool {
        true
    }

    fn packet_size(&self, _keys: &Keys, header: &mut [u8], largest: usize) -> Result<usize> {
        checked_size(read_clear_header(header)?, 0, largest)
    }

    fn open(&self, keys: &Keys, packet: &mut [u8]) -> Result<Opened> {
        open_cbc(keys, packet, 0)
    }

    fn seal(&self, keys: &Keys, message: &mut SecretBytes, _random: FillRandom) -> Result<()> {
        seal_cbc(keys, message, CLEAR_HEADER_SIZE);
        let header = clear_header(message.len() - CLEAR_HEADER_SIZE)?;
        message[..CLEAR_HEADER_SIZE].copy_from_slice(&header);
        Ok(())
    }

    fn advance_keys(&self, _keys: &mut Keys, _direction: Direction, _packet: &[u8]) {}
}
