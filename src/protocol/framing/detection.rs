//! Tells v2 and v3 apart, whose headers look alike.

use super::{Framing, Keys, Opened, of};
use crate::crypto::aes::{BLOCK_SIZE, decryption_failed, unpad};
use crate::error::Result;
use crate::protocol::Protocol;

/// Decrypts the first packet of a v2 or v3 session in place.
///
/// A v3 packet is a ciphertext and an IV, a v2 packet is a ciphertext alone, and both
/// begin with the same IV: decrypting it whole, once, serves both readings. It is v3 if
/// all but its last block ends in a valid padding and passes `is_message`.
///
/// Gives back the last block as it was received, which in v3 is the next IV.
pub fn detect(
    keys: &Keys,
    packet: &mut [u8],
    is_message: impl Fn(&[u8]) -> bool,
) -> Result<(&'static dyn Framing, Opened, [u8; BLOCK_SIZE])> {
    let (_, &last_block) = packet
        .split_last_chunk::<BLOCK_SIZE>()
        .ok_or_else(decryption_failed)?;
    let as_v2 = keys.aes.decrypt_cbc(packet).ok_or_else(decryption_failed)?;
    let framing = |protocol| of(protocol).expect("it is listed");
    if packet.len() > BLOCK_SIZE {
        let as_v3 = unpad(&packet[..packet.len() - BLOCK_SIZE]);
        if bool::from(as_v3.valid) && is_message(&packet[..as_v3.len]) {
            let opened = Opened {
                text: 0..as_v3.len,
                valid: as_v3.valid,
            };
            return Ok((framing(Protocol::V3), opened, last_block));
        }
    }
    let opened = Opened {
        text: 0..as_v2.len,
        valid: as_v2.valid,
    };
    Ok((framing(Protocol::V2), opened, last_block))
}
