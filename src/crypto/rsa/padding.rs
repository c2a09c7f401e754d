//! OAEP and PSS with SHA-256 (RFC 8017), for keys of which only the operation without padding is
//! available.

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::key::HASH_SIZE;
use crate::crypto::random;
use crate::error::Result;
use crate::secret::{declassify, declassify_choice, try_copy, try_zeros};

const PSS_TRAILER: u8 = 0xbc;

/// The text in a block of the modulus' size that the private key operation returned (section
/// 7.1.2), with an empty label; `None` if the padding is wrong. Until that is known, the time
/// depends only on the size.
pub(super) fn decode_oaep(block: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let (masked_seed, masked_data) = block[1..].split_at(HASH_SIZE);
    let mut seed = Zeroizing::new(try_copy(masked_seed)?);
    mask(&mut seed, masked_data);
    let mut data = Zeroizing::new(try_copy(masked_data)?);
    mask(&mut data, &seed);

    let (label, padded) = data.split_at(HASH_SIZE);
    let mut is_valid = block[0].ct_eq(&0) & label.ct_eq(&Sha256::digest(b""));
    // Zeros, a one, the text.
    let mut is_padding = Choice::from(1);
    let mut text_start = 0;
    for (byte, next) in padded.iter().zip(1u32..) {
        let is_one = byte.ct_eq(&1);
        text_start.conditional_assign(&next, is_padding & is_one);
        is_valid &= !is_padding | is_one | byte.ct_eq(&0);
        is_padding &= !is_one;
    }
    is_valid &= !is_padding;
    if !declassify_choice(is_valid) {
        return Ok(None);
    }
    // The length of a valid text is public.
    let text = &padded[declassify(text_start) as usize..];
    Ok(Some(Zeroizing::new(try_copy(text)?)))
}

/// The block to sign for `data`, of the modulus' size (section 9.1.1). `salt_len` is the longest
/// salt that a modulus of `bits` bits has room for.
pub(super) fn encode_pss(data: &[u8], bits: u32, salt_len: usize) -> Result<Vec<u8>> {
    let mut block = try_zeros(bits.div_ceil(8) as usize)?;
    let encoded_bits = bits - 1;
    let start = block.len() - encoded_bits.div_ceil(8) as usize;
    let (masked, end) = block[start..].split_at_mut(1 + salt_len);
    let (hash, trailer) = end.split_at_mut(HASH_SIZE);
    masked[0] = 1;
    random::fill(&mut masked[1..])?;
    hash.copy_from_slice(
        &Sha256::new()
            .chain_update([0; 8])
            .chain_update(Sha256::digest(data))
            .chain_update(&masked[1..])
            .finalize(),
    );
    mask(masked, hash);
    masked[0] &= 0xff >> (8 * encoded_bits.div_ceil(8) - encoded_bits);
    trailer.fill(PSS_TRAILER);
    Ok(block)
}

/// XORs the MGF1 of `seed` into `bytes` (appendix B.2.1).
fn mask(bytes: &mut [u8], seed: &[u8]) {
    for (part, counter) in bytes.chunks_mut(HASH_SIZE).zip(0u32..) {
        let mask = Sha256::new()
            .chain_update(seed)
            .chain_update(counter.to_be_bytes())
            .finalize();
        for (byte, mask) in part.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 256;

    /// The block of these data, which follow the hash of the label.
    fn block(first: u8, label: &[u8], padded: &[u8]) -> Vec<u8> {
        let mut seed = [3; HASH_SIZE];
        let mut data = [&Sha256::digest(label)[..], padded].concat();
        assert_eq!(1 + HASH_SIZE + data.len(), SIZE);
        mask(&mut data, &seed);
        mask(&mut seed, &data);
        [&[first][..], &seed, &data].concat()
    }

    /// So many zeros, then these bytes, then filled up.
    fn padded(zeros: usize, then: &[u8]) -> Vec<u8> {
        let mut bytes = vec![9; SIZE - 1 - 2 * HASH_SIZE];
        bytes[..zeros].fill(0);
        bytes[zeros..zeros + then.len()].copy_from_slice(then);
        bytes
    }

    #[test]
    fn oaep_has_one_form() {
        let room = SIZE - 2 - 2 * HASH_SIZE;
        for zeros in 0..=room {
            let text = decode_oaep(&block(0, b"", &padded(zeros, &[1]))).unwrap();
            assert_eq!(*text.unwrap(), vec![9; room - zeros]);
        }
        let right = padded(50, &[1]);
        for wrong in [
            block(1, b"", &right),
            block(0x80, b"", &right),
            block(0, b"label", &right),
            block(0, b"", &padded(50, &[2, 1])),
            block(0, b"", &padded(50, &[0x81, 1])),
            block(0, b"", &padded(50, &[0xff, 1])),
            block(0, b"", &padded(0, &[9])),
            block(0, b"", &padded(room, &[0])),
            block(0, b"", &padded(room, &[2])),
            vec![0; SIZE],
        ] {
            assert!(decode_oaep(&wrong).unwrap().is_none());
        }
        // Not even a bit of what is known beforehand.
        let data = [&Sha256::digest(b"")[..], &right].concat();
        for at in 0..HASH_SIZE {
            let mut data = data.clone();
            data[at] ^= 1;
            let mut seed = [3; HASH_SIZE];
            mask(&mut data, &seed);
            mask(&mut seed, &data);
            let wrong = [&[0][..], &seed, &data].concat();
            assert!(decode_oaep(&wrong).unwrap().is_none());
        }
    }
}
