//! v4, of release 4.1: as v3, but the length is encrypted too, under the same key and IV as the
//! packet.

use subtle::{Choice, ConstantTimeEq};

use super::clear_length::write_digits;
use super::packet::{Direction, Framing, Keys, Opened, checked_size, open_cbc, pad};
use super::v3::add_next_iv;
use crate::crypto::aes::{BLOCK_SIZE, ct_lt_mask, decryption_failed, padding};
use crate::crypto::random::FillRandom;
use crate::error::Result;
use crate::protocol::config::Protocol;
use crate::secret::SecretBytes;
use crate::secret::{declassify, declassify_choice};

/// The longest length that fits in one padded block, in digits.
const MAX_DIGITS: usize = 15;

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
        let unpadded = keys
            .cbc()
            .decrypt_cbc(header)
            .ok_or_else(decryption_failed)?;
        let (announced, is_number) = read_digits(header, unpadded.len);
        if !declassify_choice(unpadded.valid & is_number) {
            return Err(decryption_failed());
        }
        checked_size(declassify(announced), BLOCK_SIZE, largest)
    }

    fn open(&self, keys: &Keys, packet: &mut [u8]) -> Result<Opened> {
        open_cbc(keys, packet, BLOCK_SIZE)
    }

    fn seal(&self, keys: &Keys, message: &mut SecretBytes, random: FillRandom) -> Result<()> {
        pad(message, BLOCK_SIZE);
        let (header, text) = message.split_at_mut(BLOCK_SIZE);
        let digits = write_digits(text.len() + BLOCK_SIZE, &mut header[..MAX_DIGITS])
            .expect("no length in memory has more digits");
        header[digits..].fill(padding(digits));
        keys.cbc().encrypt_cbc([header, text]);
        add_next_iv(message, random)
    }

    fn advance_keys(&self, keys: &mut Keys, _direction: Direction, packet: &[u8]) {
        keys.set_next_iv(packet);
    }
}

/// Reads the first `len` bytes of a block as a decimal number, and returns whether they are one,
/// without a branch or an index that depends on them. A peer must not learn whether the padding,
/// the number of digits or a digit was wrong.
fn read_digits(block: &[u8], len: usize) -> (u64, Choice) {
    // A text in one block is shorter than 16 bytes.
    let len = len as u8;
    let mut wrong = ct_lt_mask(len, 1) | ct_lt_mask(MAX_DIGITS as u8, len);
    let mut number = 0u64;
    for (at, byte) in (0u8..).zip(&block[..MAX_DIGITS]) {
        let counts = ct_lt_mask(at, len);
        let digit = byte.wrapping_sub(b'0');
        wrong |= counts & !ct_lt_mask(digit, 10);
        number = number
            .wrapping_mul(u64::from(1 ^ (11 & counts)))
            .wrapping_add(u64::from(digit & counts));
    }
    (number, wrong.ct_eq(&0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_to_fifteen_digits_are_a_number() {
        let read = |text: &[u8; BLOCK_SIZE], len| {
            let (number, is_number) = read_digits(text, len);
            bool::from(is_number).then_some(number)
        };
        let text = b"1234567890123459";
        for len in 1..=MAX_DIGITS {
            let digits = std::str::from_utf8(&text[..len]).unwrap();
            assert_eq!(read(text, len), digits.parse().ok());
        }
        assert_eq!((read(text, 0), read(text, BLOCK_SIZE)), (None, None));
        for other in 0..=u8::MAX {
            for at in 0..MAX_DIGITS {
                let mut text = *text;
                text[at] = other;
                let expected = std::str::from_utf8(&text[..=at])
                    .ok()
                    .filter(|_| other.is_ascii_digit())
                    .and_then(|digits| digits.parse().ok());
                assert_eq!(read(&text, at + 1), expected);
                // What stands behind the number is none of it.
                assert_eq!(read(&text, at).is_some(), at > 0);
            }
        }
    }
}
