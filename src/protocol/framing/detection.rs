//! Tells v2 from v3: their headers look alike.

use subtle::{Choice, ConditionallySelectable};

use super::packet::{Keys, Opened};
use crate::crypto::aes::{BLOCK_SIZE, decryption_failed, unpad};
use crate::error::Result;
use crate::secret::declassify;

/// The first packet of a v2 or v3 session, opened.
pub struct Detected {
    /// Whether it is v3; otherwise it is v2. Still secret.
    pub is_v3: Choice,
    pub opened: Opened,
    /// The last block as received, which in v3 is the next IV.
    pub last_block: [u8; BLOCK_SIZE],
}

/// Decrypts the first packet of a v2 or v3 session in place and finds out which it is.
///
/// A v3 packet is a ciphertext and an IV, a v2 packet is a ciphertext alone, and both start with
/// the same IV: decrypting the whole packet once serves both cases. It is v3 if all but the last
/// block has a valid padding and passes `is_message`, which is called whether the padding is
/// valid or not.
pub fn detect(
    keys: &Keys,
    packet: &mut [u8],
    is_message: impl FnOnce(&[u8]) -> bool,
) -> Result<Detected> {
    let (_, &last_block) = packet
        .split_last_chunk::<BLOCK_SIZE>()
        .ok_or_else(decryption_failed)?;
    let as_v2 = keys
        .cbc()
        .decrypt_cbc(packet)
        .ok_or_else(decryption_failed)?;
    let (mut len, mut valid) = (as_v2.len, as_v2.valid);
    let mut is_v3 = Choice::from(0);
    if packet.len() > BLOCK_SIZE {
        let as_v3 = unpad(&packet[..packet.len() - BLOCK_SIZE]);
        let passes = is_message(&packet[..declassify(as_v3.len)]);
        is_v3 = as_v3.valid & Choice::from(u8::from(passes));
        len = u64::conditional_select(&(len as u64), &(as_v3.len as u64), is_v3) as usize;
        valid = Choice::conditional_select(&valid, &as_v3.valid, is_v3);
    }
    Ok(Detected {
        is_v3,
        opened: Opened {
            text: 0..declassify(len),
            valid,
        },
        last_block,
    })
}
