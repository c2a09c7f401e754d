//! AES-256-GCM by the crates of RustCrypto.

use aes::Aes256Enc;
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;

use crate::crypto::aes::{AES_256_SIZE, NONCE_SIZE, TAG_SIZE};
use crate::crypto::block_by_block::BlockByBlock;
#[cfg(any(test, not(feature = "aws-lc")))]
use crate::secret::NoMemory;

/// With less stack than [`seal`].
pub fn seal_short(
    key: &[u8; AES_256_SIZE],
    nonce: &[u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
) -> Option<[u8; TAG_SIZE]> {
    let aes = Aes256Enc::new(key.into());
    seal_with(BlockByBlock(&aes), nonce, additional_data, text)
}

/// As [`open`], on less stack.
pub fn open_short(
    key: &[u8; AES_256_SIZE],
    nonce: &[u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_SIZE],
) -> Option<()> {
    let aes = Aes256Enc::new(key.into());
    open_with(BlockByBlock(&aes), nonce, additional_data, text, tag)
}

#[cfg(any(test, not(feature = "aws-lc")))]
pub fn seal(
    key: &[u8; AES_256_SIZE],
    nonce: &[u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
) -> Result<Option<[u8; TAG_SIZE]>, NoMemory> {
    let aes = Aes256Enc::new(key.into());
    Ok(seal_with(&aes, nonce, additional_data, text))
}

/// A text that was changed stays encrypted.
#[cfg(any(test, not(feature = "aws-lc")))]
pub fn open(
    key: &[u8; AES_256_SIZE],
    nonce: &[u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_SIZE],
) -> Result<Option<()>, NoMemory> {
    let aes = Aes256Enc::new(key.into());
    Ok(open_with(&aes, nonce, additional_data, text, tag))
}

fn seal_with(
    aes: impl BlockCipherEncrypt<BlockSize = U16>,
    nonce: &[u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
) -> Option<[u8; TAG_SIZE]> {
    let tag = AesGcm::<_, U12>::from(aes).encrypt_inout_detached(
        nonce.into(),
        additional_data,
        text.into(),
    );
    tag.ok().map(Into::into)
}

fn open_with(
    aes: impl BlockCipherEncrypt<BlockSize = U16>,
    nonce: &[u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_SIZE],
) -> Option<()> {
    let gcm = AesGcm::<_, U12>::from(aes);
    gcm.decrypt_inout_detached(nonce.into(), additional_data, text.into(), tag.into())
        .ok()
}
