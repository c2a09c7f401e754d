//! AES-256-GCM (NIST SP 800-38D) under a key that is expanded for one record.

#[cfg(feature = "aws-lc")]
mod aws_lc;
mod pure_rust;

use super::aes::{
    AES_256_SIZE, CIPHER_STACK, NONCE_SIZE, TAG_SIZE, decryption_failed, text_too_long,
};
use crate::error::Result;
use crate::secret::declassify;
use crate::secret::{NoMemory, wiping_stack};

/// From this many bytes on AWS-LC is faster; for shorter texts its setup costs more.
#[cfg(feature = "aws-lc")]
const LONG: usize = 1024;

/// Encrypts `text` in place and returns its tag. `nonce` runs on the stack that is wiped, because
/// the nonce and the record number reveal the IV.
pub fn seal(
    key: &[u8; AES_256_SIZE],
    nonce: impl FnOnce() -> [u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG_SIZE]> {
    let sealed: std::result::Result<_, NoMemory> =
        wiping_stack::<CIPHER_STACK, _>(|| match text.len() {
            #[cfg(feature = "aws-lc")]
            LONG.. => aws_lc::seal(key, &nonce(), additional_data, text),
            _ => Ok(pure_rust::seal(key, &nonce(), additional_data, text)),
        });
    sealed?.ok_or_else(text_too_long)
}

/// Decrypts `text` in place, or wipes it if `tag` is not valid.
pub fn open(
    key: &[u8; AES_256_SIZE],
    nonce: impl FnOnce() -> [u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_SIZE],
) -> Result<()> {
    let opened: std::result::Result<_, NoMemory> =
        wiping_stack::<CIPHER_STACK, _>(|| match text.len() {
            #[cfg(feature = "aws-lc")]
            LONG.. => aws_lc::open(key, &nonce(), additional_data, text, tag),
            _ => Ok(pure_rust::open(key, &nonce(), additional_data, text, tag)),
        });
    // The backend has compared the tag in constant time and branched on the result.
    match declassify(opened?.is_some()) {
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

    #[cfg(feature = "aws-lc")]
    #[test]
    fn both_implementations_seal_alike() {
        for len in (0..=300).chain([LONG - 1, LONG, 4096, 65_537]) {
            let original: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let (mut one, mut other) = (original.clone(), original.clone());
            let sealed = aws_lc::seal(&KEY, &NONCE, &DATA, &mut one);
            let tag = sealed.unwrap().unwrap();
            assert_eq!(pure_rust::seal(&KEY, &NONCE, &DATA, &mut other), Some(tag));
            assert!(one == other, "{len}");
            let opened = aws_lc::open(&KEY, &NONCE, &DATA, &mut one, &tag);
            opened.unwrap().unwrap();
            pure_rust::open(&KEY, &NONCE, &DATA, &mut other, &tag).unwrap();
            assert!(one == original && other == original, "{len}");
        }
    }

    #[test]
    fn a_record_is_opened_if_nothing_is_changed() {
        for len in [1, 15, 16, 300, 1023, 1024, 1025, 5000] {
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
