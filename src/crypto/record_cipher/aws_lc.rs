//! AES-256-GCM by AWS-LC, which wipes memory before it frees it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::crypto::aes::{AES_256_SIZE, NONCE_SIZE, TAG_SIZE};
use crate::secret::NoMemory;

pub fn seal(
    key: &[u8; AES_256_SIZE],
    nonce: &[u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
) -> Result<Option<[u8; TAG_SIZE]>, NoMemory> {
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let tag = expand(key)?.seal_in_place_separate_tag(nonce, Aad::from(additional_data), text);
    Ok(tag.ok().and_then(|tag| tag.as_ref().try_into().ok()))
}

/// If the tag is not valid, the text is overwritten.
pub fn open(
    key: &[u8; AES_256_SIZE],
    nonce: &[u8; NONCE_SIZE],
    additional_data: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_SIZE],
) -> Result<Option<()>, NoMemory> {
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let key = expand(key)?;
    let opened = key.open_in_place_separate_tag(nonce, Aad::from(additional_data), tag, text);
    Ok(opened.ok().map(drop))
}

/// Expanding a key of this length fails only for lack of memory.
fn expand(key: &[u8; AES_256_SIZE]) -> Result<LessSafeKey, NoMemory> {
    let expanded = UnboundKey::new(&AES_256_GCM, key).map_err(|_| NoMemory)?;
    Ok(LessSafeKey::new(expanded))
}
