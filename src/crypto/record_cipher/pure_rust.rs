//! AES-256-GCM by the crates of RustCrypto.

use aes::Aes256Enc;
use aes::cipher::KeyInit;
use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;

use crate::crypto::aes::{AES_256_SIZE, NONCE_SIZE, TAG_SIZE};

pub fn seal(
    key: &[u8; AES_256_SIZE],
    nonce: &[u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
) -> Option<[u8; TAG_SIZE]> {
    let key = AesGcm::<Aes256Enc, U12>::new(key.into());
    let tag = key.encrypt_inout_detached(nonce.into(), additional_data, text.into());
    tag.ok().map(Into::into)
}

/// If the tag is not valid, the text stays encrypted.
pub fn open(
    key: &[u8; AES_256_SIZE],
    nonce: &[u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_SIZE],
) -> Option<()> {
    let key = AesGcm::<Aes256Enc, U12>::new(key.into());
    key.decrypt_inout_detached(nonce.into(), additional_data, text.into(), tag.into())
        .ok()
}
