//! v4, of release 4.1: as v3, with a length that is encrypted under the same key and IV as
//! the packet behind it.

use super::{
    Direction, FillRandom, Framing, Keys, Opened, checked_size, open_cbc, v3, violation,
    write_digits,
};
use crate::crypto::aes::{BLOCK_SIZE, decryption_failed, padding};
use crate::error::Result;
use crate::negative_control::is_broken;
use crate::protocol::Protocol;
use crate::secret::SecretBytes;

/// The longest length that fits in one padded block, in digits.
const MOST_DIGITS: usize = 15;

pub struct V4;

impl Framing for V4 {
    fn protocol(&self) -> Protocol {
        Protocol::V4
    }

    fn header_size(&self) -> usize {
        BLOCK_SIZE
    }

    fn is_answered(&self) -> bool {
        true
    }

    fn packet_size(&self, keys: &Keys, header: &mut [u8], largest: usize) -> Result<usize> {
        let unpadded = keys.aes.decrypt_cbc(header).ok_or_else(decryption_failed)?;
        let digits = &header[..unpadded.len];
        // With a wrong key any of these can be the one that fails: they look alike.
        let is_number =
            (1..=MOST_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        if bool::from(unpadded.valid) && !is_number && is_broken("failures look alike") {
            return Err(violation("the peer sent a length that is no number"));
        }
        if !(bool::from(unpadded.valid) && is_number) {
            return Err(decryption_failed());
        }
        let announced = digits
            .iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        checked_size(announced, BLOCK_SIZE, largest)
    }

    fn open(&self, keys: &Keys, packet: &mut [u8]) -> Result<Opened> {
        open_cbc(keys, packet, BLOCK_SIZE)
    }

    fn seal(&self, keys: &Keys, message: &mut SecretBytes, random: FillRandom) -> Result<()> {
        let packet_len = v3::seal_with_next_iv(keys, message, BLOCK_SIZE, random)?;
        let header = &mut message[..BLOCK_SIZE];
        let digits = write_digits(packet_len, &mut header[..MOST_DIGITS])
            .expect("no length in memory has more digits");
        header[digits..].fill(padding(digits));
        keys.aes.encrypt_cbc(header);
        Ok(())
    }

    fn finish(&self, keys: &mut Keys, _direction: Direction, packet: &[u8]) {
        keys.take_next_iv(packet);
    }
}
