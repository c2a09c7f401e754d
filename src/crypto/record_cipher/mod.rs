//! AES-256-GCM (NIST SP 800-38D) under a key that is expanded for one record.

#[cfg(feature = "aws-lc")]
mod aws_lc;
mod pure_rust;

#[cfg(feature = "aws-lc")]
use aws_lc as long;
#[cfg(not(feature = "aws-lc"))]
use pure_rust as long;

use super::aes::{
    AES_256_SIZE, CIPHER_STACK, NONCE_SIZE, TAG_SIZE, decryption_failed, short_stack, text_too_long,
};
use crate::error::Result;
use crate::secret::{declassify, wiping_stack};

/// From this many bytes on, more set-up and more stack to wipe pay off.
const LONG: usize = 1024;
/// The stack that a shorter text takes, and the key that is expanded for it, in pieces of 256 bytes:
/// twice what it takes as released, because less optimized code calls deeper.
const SHORT_STACK: usize = short_stack(16);

/// Encrypts `text` in place and returns its tag. `nonce` runs on the stack that is wiped, because
/// the nonce and the record number reveal the IV.
pub fn seal(
    key: &[u8; AES_256_SIZE],
    nonce: impl FnOnce() -> [u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG_SIZE]> {
    let sealed = match text.len() {
        LONG.. => {
            wiping_stack::<CIPHER_STACK, _>(|| long::seal(key, &nonce(), additional_data, text))?
        }
        _ => wiping_stack::<SHORT_STACK, _>(|| {
            pure_rust::seal_short(key, &nonce(), additional_data, text)
        }),
    };
    sealed.ok_or_else(text_too_long)
}

/// Decrypts `text` in place, or wipes it if `tag` is not valid.
pub fn open(
    key: &[u8; AES_256_SIZE],
    nonce: impl FnOnce() -> [u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_SIZE],
) -> Result<()> {
    let opened = match text.len() {
        LONG.. => wiping_stack::<CIPHER_STACK, _>(|| {
            long::open(key, &nonce(), additional_data, text, tag)
        })?,
        _ => wiping_stack::<SHORT_STACK, _>(|| {
            pure_rust::open_short(key, &nonce(), additional_data, text, tag)
        }),
    };
    // The backend has compared the tag in constant time and branched on the result.
    match declassify(opened.is_some()) {
        true => Ok(()),
        false => Err(decryption_failed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; AES_256_SIZE] = *b"any key of 32 bytes is as good. ";
    const NONCE: [u8; NONCE_SIZE] = *b"12 bytes too";
    const DATA: [u8; 6] = *b"length";

    #[test]
    fn all_implementations_seal_alike() {
        for len in (0..=300).chain([LONG - 1, LONG, 4096, 65_537]) {
            let original: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut texts: [Vec<u8>; 3] = std::array::from_fn(|_| original.clone());
            let [short, wide, long] = &mut texts;
            let tag = pure_rust::seal_short(&KEY, &NONCE, &DATA, short).unwrap();
            assert_eq!(pure_rust::seal(&KEY, &NONCE, &DATA, wide), Ok(Some(tag)));
            assert_eq!(long::seal(&KEY, &NONCE, &DATA, long), Ok(Some(tag)));
            assert!(short == wide && short == long, "{len}");
            pure_rust::open_short(&KEY, &NONCE, &DATA, short, &tag).unwrap();
            pure_rust::open(&KEY, &NONCE, &DATA, wide, &tag)
                .unwrap()
                .unwrap();
            long::open(&KEY, &NONCE, &DATA, long, &tag)
                .unwrap()
                .unwrap();
            assert!(texts.iter().all(|text| *text == original), "{len}");
        }
    }

    #[test]
    fn a_record_is_opened_if_nothing_is_changed() {
        for len in [1, 15, 16, 300, LONG - 1, LONG, LONG + 1, 5000] {
            let original: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut sealed = original.clone();
            let sealed_tag = seal(&KEY, || NONCE, &DATA, &mut sealed).unwrap();
            for changed in [None, Some(0), Some(1), Some(2), Some(3), Some(4)] {
                let (mut key, mut nonce, mut data) = (KEY, NONCE, DATA);
                let (mut tag, mut text) = (sealed_tag, sealed.clone());
                match changed {
                    None => {}
                    Some(0) => key[len % AES_256_SIZE] ^= 1,
                    Some(1) => nonce[len % NONCE_SIZE] ^= 0x80,
                    Some(2) => data[len % DATA.len()] ^= 4,
                    Some(3) => tag[len % TAG_SIZE] ^= 2,
                    Some(_) => text[len / 2] ^= 0x10,
                }
                let opened = open(&key, || nonce, &data, &mut text, &tag);
                assert_eq!(opened.is_ok(), changed.is_none());
                assert_eq!(text == original, changed.is_none(), "{len} {changed:?}");
            }
        }
    }
}
