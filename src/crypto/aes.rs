//! [`AesWrapper`]: an AES key, like the class of that name in the Python server.

use std::fmt;

use ::aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit,
    KeyInit,
};
use ::aes::{Aes128, Aes128Enc, Aes192, Aes192Enc, Aes256, Aes256Enc, Block};
use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::crypto::block_by_block::BlockByBlock;
use crate::crypto::random;
use crate::error::{Error, Reason, Result};
use crate::secret::{
    SecretBox, declassify, declassify_choice, try_copy, try_with_capacity, wiping_stack,
};

/// The size of an AES block and of a CBC IV, in bytes.
pub const BLOCK_SIZE: usize = 16;
/// The size of a GCM nonce, in bytes.
pub const NONCE_SIZE: usize = 12;
/// The size of a GCM tag, in bytes.
pub const TAG_SIZE: usize = 16;

/// The size of an AES-256 key, in bytes.
pub const AES_256_SIZE: usize = 32;

const MAX_KEY_SIZE: usize = AES_256_SIZE;
/// The stack on which the ciphers leave copies of expanded keys and blocks, in pieces of 256 bytes,
/// when they do many blocks at once.
pub(crate) const CIPHER_STACK: usize = 32;
/// The same for CBC block by block.
const CBC_STACK: usize = short_stack(4);

/// The pieces of stack that a cipher takes for a block at a time or a short text. On 32-bit x86, the
/// crate aes leaves copies of round keys there as deep as for many blocks at once.
pub(crate) const fn short_stack(pieces: usize) -> usize {
    if cfg!(target_arch = "x86") {
        CIPHER_STACK
    } else {
        pieces
    }
}

/// From so many blocks on, decrypting many at once pays off.
const MANY_BLOCKS: usize = 16;

/// How an [`AesWrapper`] uses its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AesMode {
    /// Cipher block chaining with PKCS#7 padding (RFC 5652, section 6.3), as the Python
    /// server's `AESWrapper`. It keeps a text secret but does not detect changes.
    Cbc,
    /// Galois/counter mode (NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag. It
    /// keeps a text secret and detects every change.
    Gcm,
}

/// An AES key of 128, 192 or 256 bits and, in CBC mode, an IV.
///
/// Mirrors the Python server's `AESWrapper`. The key is wiped when the wrapper is dropped.
#[derive(Clone)]
pub struct AesWrapper {
    // Boxed, so that moving a wrapper leaves no copy of its key behind.
    inner: SecretBox<Inner>,
}

#[derive(Clone)]
struct Inner {
    key: Zeroizing<[u8; MAX_KEY_SIZE]>,
    iv: [u8; BLOCK_SIZE],
    cipher: Cipher,
}

/// The expanded key. Each variant wipes itself when dropped.
#[derive(Clone)]
enum Cipher {
    Cbc128(Aes128),
    Cbc192(Aes192),
    Cbc256(Aes256),
    Gcm128(AesGcm<Aes128Enc, U12>),
    Gcm192(AesGcm<Aes192Enc, U12>),
    Gcm256(AesGcm<Aes256Enc, U12>),
}

/// Where a decrypted text ends, if its padding is valid.
///
/// Both stay secret until they are declassified, so that the code in between takes the same time
/// either way.
pub(crate) struct Unpadded {
    pub len: usize,
    pub valid: Choice,
}

impl AesWrapper {
    /// A wrapper with a fresh random key of `key_size` bits (128, 192 or 256) and, in CBC
    /// mode, a fresh random IV.
    pub fn new(key_size: u32, mode: AesMode) -> Result<Self> {
        let key_len = match key_size {
            128 | 192 | 256 => (key_size / 8) as usize,
            _ => {
                return Err(Error::invalid_argument(format!(
                    "key_size is {key_size} bits; AES keys have 128, 192 or 256"
                )));
            }
        };
        let mut key = Zeroizing::new([0; MAX_KEY_SIZE]);
        random::fill(&mut key[..key_len])?;
        let mut iv = [0; BLOCK_SIZE];
        if mode == AesMode::Cbc {
            random::fill(&mut iv)?;
        }
        Self::assemble(key, key_len, iv, mode)
    }

    /// A wrapper around a known key. In CBC mode `iv` has 16 bytes, in GCM mode none.
    pub(crate) fn from_key(key: &[u8], iv: &[u8], mode: AesMode) -> Result<Self> {
        if !matches!(key.len(), 16 | 24 | 32) {
            return Err(Error::invalid_argument(format!(
                "key has {} bytes; AES keys have 16, 24 or 32",
                key.len()
            )));
        }
        let iv_len = match mode {
            AesMode::Cbc => BLOCK_SIZE,
            AesMode::Gcm => 0,
        };
        if iv.len() != iv_len {
            return Err(Error::invalid_argument(format!(
                "iv has {} bytes; it has {iv_len} in this mode",
                iv.len()
            )));
        }
        let mut padded_key = Zeroizing::new([0; MAX_KEY_SIZE]);
        padded_key[..key.len()].copy_from_slice(key);
        let mut padded_iv = [0; BLOCK_SIZE];
        padded_iv[..iv.len()].copy_from_slice(iv);
        Self::assemble(padded_key, key.len(), padded_iv, mode)
    }

    fn assemble(
        key: Zeroizing<[u8; MAX_KEY_SIZE]>,
        key_len: usize,
        iv: [u8; BLOCK_SIZE],
        mode: AesMode,
    ) -> Result<Self> {
        let bytes = &key[..key_len];
        const CHECKED: &str = "the length was checked";
        let cipher = match (mode, key_len) {
            (AesMode::Cbc, 16) => Cipher::Cbc128(Aes128::new_from_slice(bytes).expect(CHECKED)),
            (AesMode::Cbc, 24) => Cipher::Cbc192(Aes192::new_from_slice(bytes).expect(CHECKED)),
            (AesMode::Cbc, _) => Cipher::Cbc256(Aes256::new_from_slice(bytes).expect(CHECKED)),
            (AesMode::Gcm, 16) => Cipher::Gcm128(AesGcm::new_from_slice(bytes).expect(CHECKED)),
            (AesMode::Gcm, 24) => Cipher::Gcm192(AesGcm::new_from_slice(bytes).expect(CHECKED)),
            (AesMode::Gcm, _) => Cipher::Gcm256(AesGcm::new_from_slice(bytes).expect(CHECKED)),
        };
        Ok(Self {
            inner: SecretBox::try_new(Inner { key, iv, cipher })?,
        })
    }

    /// A copy, if there is memory for it.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            inner: SecretBox::try_new(Inner::clone(&self.inner))?,
        })
    }

    /// The size of the key in bits.
    pub fn key_size(&self) -> u32 {
        match self.inner.cipher {
            Cipher::Cbc128(_) | Cipher::Gcm128(_) => 128,
            Cipher::Cbc192(_) | Cipher::Gcm192(_) => 192,
            Cipher::Cbc256(_) | Cipher::Gcm256(_) => 256,
        }
    }

    /// How the key is used.
    pub fn mode(&self) -> AesMode {
        match self.inner.cipher {
            Cipher::Cbc128(_) | Cipher::Cbc192(_) | Cipher::Cbc256(_) => AesMode::Cbc,
            Cipher::Gcm128(_) | Cipher::Gcm192(_) | Cipher::Gcm256(_) => AesMode::Gcm,
        }
    }

    /// The key. Mirrors the first half of `AESWrapper.getKey`.
    pub fn key(&self) -> &[u8] {
        &self.inner.key[..self.key_size() as usize / 8]
    }

    /// The IV: 16 bytes in CBC mode, empty in GCM mode, where each encryption generates a nonce.
    /// Mirrors the second half of `AESWrapper.getKey`.
    pub fn iv(&self) -> &[u8] {
        match self.mode() {
            AesMode::Cbc => &self.inner.iv,
            AesMode::Gcm => &[],
        }
    }

    /// Replaces the key and the IV, but not the mode. In CBC mode, an empty `iv` means a random
    /// one. Mirrors `AESWrapper.setKey`.
    pub fn set_key(&mut self, key: &[u8], iv: &[u8]) -> Result<()> {
        let mut drawn = [0; BLOCK_SIZE];
        let iv = match (self.mode(), iv) {
            (AesMode::Cbc, []) => {
                random::fill(&mut drawn)?;
                &drawn
            }
            _ => iv,
        };
        *self = Self::from_key(key, iv, self.mode())?;
        Ok(())
    }

    /// Replaces the IV and keeps the expanded key.
    pub(crate) fn set_iv(&mut self, iv: [u8; BLOCK_SIZE]) {
        self.inner.iv = iv;
    }

    /// Encrypts `data`. In CBC mode, pads it and returns the ciphertext, like
    /// `AESWrapper.encryptData`. In GCM mode, returns the nonce, the ciphertext and the tag.
    pub fn encrypt_data(&self, data: &[u8]) -> Result<Vec<u8>> {
        match self.mode() {
            AesMode::Cbc => {
                let mut buffer = try_with_capacity(padded_len(data.len()))?;
                buffer.extend_from_slice(data);
                let padding = padding(data.len());
                buffer.resize(data.len() + usize::from(padding), padding);
                self.encrypt_cbc([&mut buffer]);
                Ok(buffer)
            }
            AesMode::Gcm => {
                if data.len() as u64 > MAX_GCM_TEXT_SIZE {
                    return Err(text_too_long());
                }
                let mut nonce = [0; NONCE_SIZE];
                random::fill(&mut nonce)?;
                let mut buffer = try_with_capacity(NONCE_SIZE + data.len() + TAG_SIZE)?;
                buffer.extend_from_slice(&nonce);
                buffer.extend_from_slice(data);
                let tag = self.encrypt_gcm(&nonce, &[], &mut buffer[NONCE_SIZE..])?;
                buffer.extend_from_slice(&tag);
                Ok(buffer)
            }
        }
    }

    /// Decrypts what [`encrypt_data`](Self::encrypt_data) made. Mirrors
    /// `AESWrapper.decryptData`. Every failure is [`Reason::DecryptionFailed`].
    pub fn decrypt_data(&self, data: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        match self.mode() {
            AesMode::Cbc => {
                if !data.len().is_multiple_of(BLOCK_SIZE) {
                    return Err(decryption_failed());
                }
                let mut buffer = Zeroizing::new(try_copy(data)?);
                let unpadded = self
                    .decrypt_cbc(&mut buffer)
                    .ok_or_else(decryption_failed)?;
                if !declassify_choice(unpadded.valid) {
                    return Err(decryption_failed());
                }
                buffer.truncate(declassify(unpadded.len));
                Ok(buffer)
            }
            AesMode::Gcm => {
                let (nonce, rest) = data
                    .split_first_chunk::<NONCE_SIZE>()
                    .ok_or_else(decryption_failed)?;
                let (ciphertext, tag) = rest
                    .split_last_chunk::<TAG_SIZE>()
                    .ok_or_else(decryption_failed)?;
                let mut buffer = Zeroizing::new(try_copy(ciphertext)?);
                self.decrypt_gcm(nonce, &[], &mut buffer, tag)?;
                Ok(buffer)
            }
        }
    }

    /// Encrypts each of `parts`, a padded text, in place under the current IV.
    ///
    /// # Panics
    /// In GCM mode.
    pub(crate) fn encrypt_cbc<const PARTS: usize>(&self, parts: [&mut [u8]; PARTS]) {
        let iv = &self.inner.iv;
        // The stack is wiped once, after all of them. Here each block needs the one before it.
        wiping_stack::<CBC_STACK, _>(|| {
            for part in parts {
                let (blocks, _) = Block::slice_as_chunks_mut(part);
                match &self.inner.cipher {
                    Cipher::Cbc128(cipher) => encrypt_blocks(cipher, iv, blocks),
                    Cipher::Cbc192(cipher) => encrypt_blocks(cipher, iv, blocks),
                    Cipher::Cbc256(cipher) => encrypt_blocks(cipher, iv, blocks),
                    _ => panic!("CBC asked of a GCM key"),
                }
            }
        })
    }

    /// Decrypts `buffer` in place under the current IV and finds the end of the text in constant
    /// time. `None` if it is empty or not a whole number of blocks.
    ///
    /// # Panics
    /// In GCM mode.
    pub(crate) fn decrypt_cbc(&self, buffer: &mut [u8]) -> Option<Unpadded> {
        let (blocks, rest) = Block::slice_as_chunks_mut(buffer);
        if blocks.is_empty() || !rest.is_empty() {
            return None;
        }
        let iv = &self.inner.iv;
        if blocks.len() < MANY_BLOCKS {
            wiping_stack::<CBC_STACK, _>(|| match &self.inner.cipher {
                Cipher::Cbc128(cipher) => decrypt_blocks(BlockByBlock(cipher), iv, blocks),
                Cipher::Cbc192(cipher) => decrypt_blocks(BlockByBlock(cipher), iv, blocks),
                Cipher::Cbc256(cipher) => decrypt_blocks(BlockByBlock(cipher), iv, blocks),
                _ => panic!("CBC asked of a GCM key"),
            });
        } else {
            wiping_stack::<CIPHER_STACK, _>(|| match &self.inner.cipher {
                Cipher::Cbc128(cipher) => decrypt_blocks(cipher, iv, blocks),
                Cipher::Cbc192(cipher) => decrypt_blocks(cipher, iv, blocks),
                Cipher::Cbc256(cipher) => decrypt_blocks(cipher, iv, blocks),
                _ => panic!("CBC asked of a GCM key"),
            });
        }
        Some(unpad(buffer))
    }

    /// Encrypts `text` in place and returns the tag.
    ///
    /// # Panics
    /// In CBC mode.
    pub(crate) fn encrypt_gcm(
        &self,
        nonce: &[u8; NONCE_SIZE],
        additional_data: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_SIZE]> {
        let nonce = nonce.into();
        wiping_stack::<CIPHER_STACK, _>(|| match &self.inner.cipher {
            Cipher::Gcm128(cipher) => {
                cipher.encrypt_inout_detached(nonce, additional_data, text.into())
            }
            Cipher::Gcm192(cipher) => {
                cipher.encrypt_inout_detached(nonce, additional_data, text.into())
            }
            Cipher::Gcm256(cipher) => {
                cipher.encrypt_inout_detached(nonce, additional_data, text.into())
            }
            _ => panic!("GCM asked of a CBC key"),
        })
        .map(Into::into)
        .map_err(|_| text_too_long())
    }

    /// Decrypts `text` in place if `tag` is valid.
    ///
    /// # Panics
    /// In CBC mode.
    pub(crate) fn decrypt_gcm(
        &self,
        nonce: &[u8; NONCE_SIZE],
        additional_data: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_SIZE],
    ) -> Result<()> {
        let (nonce, tag) = (nonce.into(), tag.into());
        let opened = wiping_stack::<CIPHER_STACK, _>(|| match &self.inner.cipher {
            Cipher::Gcm128(cipher) => {
                cipher.decrypt_inout_detached(nonce, additional_data, text.into(), tag)
            }
            Cipher::Gcm192(cipher) => {
                cipher.decrypt_inout_detached(nonce, additional_data, text.into(), tag)
            }
            Cipher::Gcm256(cipher) => {
                cipher.decrypt_inout_detached(nonce, additional_data, text.into(), tag)
            }
            _ => panic!("GCM asked of a CBC key"),
        });
        check_opened(opened)
    }
}

/// `aes-gcm` has already compared the tag in constant time, and branched on the result.
fn check_opened(opened: std::result::Result<(), aes_gcm::Error>) -> Result<()> {
    if declassify(opened.is_ok()) {
        Ok(())
    } else {
        Err(decryption_failed())
    }
}

/// The longest text that AES-GCM allows, in bytes (NIST SP 800-38D).
const MAX_GCM_TEXT_SIZE: u64 = (1 << 36) - 32;

pub(crate) fn text_too_long() -> Error {
    Error::new(
        Reason::MessageTooLarge,
        "the text is longer than GCM allows",
    )
}

impl fmt::Debug for AesWrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AesWrapper")
            .field("key_size", &self.key_size())
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

/// The same error for every failed decryption: if the caller cannot tell the causes apart, a peer
/// that watches it cannot either.
pub(crate) fn decryption_failed() -> Error {
    Error::new(
        Reason::DecryptionFailed,
        "what the peer sent could not be decrypted",
    )
}

/// The PKCS#7 padding byte for a text of `len` bytes, which is also the number of padding bytes.
pub(crate) const fn padding(len: usize) -> u8 {
    (BLOCK_SIZE - len % BLOCK_SIZE) as u8
}

/// The size of a text of `len` bytes after PKCS#7 padding.
pub(crate) const fn padded_len(len: usize) -> usize {
    len + padding(len) as usize
}

fn encrypt_blocks<C>(cipher: &C, iv: &[u8; BLOCK_SIZE], blocks: &mut [Block])
where
    C: BlockCipherEncrypt<BlockSize = ::aes::cipher::consts::U16>,
{
    cbc::Encryptor::inner_iv_init(cipher, iv.into()).encrypt_blocks(blocks);
}

fn decrypt_blocks<C>(cipher: C, iv: &[u8; BLOCK_SIZE], blocks: &mut [Block])
where
    C: BlockCipherDecrypt<BlockSize = ::aes::cipher::consts::U16>,
{
    cbc::Decryptor::inner_iv_init(cipher, iv.into()).decrypt_blocks(blocks);
}

/// All ones if `less` < `more`, else 0, without a branch.
pub(crate) fn ct_lt_mask(less: u8, more: u8) -> u8 {
    // The difference borrows.
    (u16::from(less).wrapping_sub(u16::from(more)) >> 8) as u8
}

/// Finds the end of a PKCS#7-padded text without a branch or an index that depends on
/// its bytes.
pub(crate) fn unpad(text: &[u8]) -> Unpadded {
    let last_block = &text[text.len() - BLOCK_SIZE..];
    let padding = last_block[BLOCK_SIZE - 1];
    let mut wrong = ct_lt_mask(BLOCK_SIZE as u8, padding) | ct_lt_mask(padding, 1);
    for (distance, byte) in (0u8..).zip(last_block.iter().rev()) {
        wrong |= ct_lt_mask(distance, padding) & (byte ^ padding);
    }
    let valid = wrong.ct_eq(&0);
    // The last byte decides how much is stripped, valid or not, so that reading the text takes
    // the same work either way.
    let stripped = padding & ct_lt_mask(padding, BLOCK_SIZE as u8 + 1);
    Unpadded {
        len: text.len().wrapping_sub(stripped.into()),
        valid,
    }
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    /// NIST SP 800-38A, F.2.5: CBC-AES256, first two blocks.
    #[test]
    fn cbc_gives_the_ciphertext_of_the_standard() {
        let key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let iv = hex("000102030405060708090a0b0c0d0e0f");
        let text = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let wrapper = AesWrapper::from_key(&key, &iv, AesMode::Cbc).unwrap();
        let ciphertext = wrapper.encrypt_data(&text).unwrap();
        assert_eq!(
            ciphertext[..32],
            hex("f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d")
        );
        assert_eq!(*wrapper.decrypt_data(&ciphertext).unwrap(), text);
    }

    #[test]
    fn every_size_of_text_and_key_comes_back() {
        for mode in [AesMode::Cbc, AesMode::Gcm] {
            for key_size in [128, 192, 256] {
                let wrapper = AesWrapper::new(key_size, mode).unwrap();
                assert_eq!((wrapper.key_size(), wrapper.mode()), (key_size, mode));
                for len in 0..70 {
                    let text: Vec<u8> = (0..len).collect();
                    let ciphertext = wrapper.encrypt_data(&text).unwrap();
                    assert_eq!(*wrapper.decrypt_data(&ciphertext).unwrap(), text);
                }
            }
        }
    }

    #[test]
    fn only_the_sixteen_right_paddings_are_accepted() {
        let mut block = [0xaa; BLOCK_SIZE];
        for last in 0..=255u8 {
            for tampered in 0..BLOCK_SIZE {
                block.fill(0xaa);
                let padding = usize::from(last).min(BLOCK_SIZE);
                block[BLOCK_SIZE - padding..].fill(last);
                block[BLOCK_SIZE - 1] = last;
                if tampered < BLOCK_SIZE - 1 {
                    block[tampered] ^= 1;
                }
                let in_padding = tampered < BLOCK_SIZE - 1 && tampered >= BLOCK_SIZE - padding;
                let expected = (1..=16).contains(&last) && !in_padding;
                let unpadded = unpad(&block);
                assert_eq!(bool::from(unpadded.valid), expected, "{last} {tampered}");
                let stripped = if last > 16 { 0 } else { usize::from(last) };
                assert_eq!(unpadded.len, BLOCK_SIZE - stripped);
            }
        }
    }

    #[test]
    fn gcm_notices_every_changed_byte_and_never_repeats_a_nonce() {
        let wrapper = AesWrapper::new(256, AesMode::Gcm).unwrap();
        let first = wrapper.encrypt_data(b"text").unwrap();
        assert_ne!(
            first[..NONCE_SIZE],
            wrapper.encrypt_data(b"text").unwrap()[..NONCE_SIZE]
        );
        for at in 0..first.len() {
            let mut changed = first.clone();
            changed[at] ^= 0x80;
            let error = wrapper.decrypt_data(&changed).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::DecryptionFailed));
        }
    }

    #[test]
    fn wrong_sizes_are_named() {
        assert!(
            AesWrapper::new(100, AesMode::Cbc)
                .unwrap_err()
                .to_string()
                .contains("key_size")
        );
        let mut wrapper = AesWrapper::new(128, AesMode::Cbc).unwrap();
        assert!(
            wrapper
                .set_key(&[0; 17], &[0; 16])
                .unwrap_err()
                .to_string()
                .contains("key has 17")
        );
        assert!(
            wrapper
                .set_key(&[0; 16], &[0; 15])
                .unwrap_err()
                .to_string()
                .contains("iv has 15")
        );
        wrapper.set_key(&[7; 32], &[8; 16]).unwrap();
        assert_eq!(
            (wrapper.key_size(), wrapper.key(), wrapper.iv()),
            (256, &[7; 32][..], &[8; 16][..])
        );
        for len in [0, 1, 15, 17] {
            assert_eq!(
                wrapper.decrypt_data(&vec![0; len]).unwrap_err().reason(),
                Some(Reason::DecryptionFailed)
            );
        }
    }

    #[test]
    fn a_key_without_an_iv_gets_one_in_cbc_mode() {
        let mut wrapper = AesWrapper::from_key(&[1; 32], &[2; 16], AesMode::Cbc).unwrap();
        let mut drawn = Vec::new();
        for _ in 0..2 {
            wrapper.set_key(&[7; 24], &[]).unwrap();
            assert_eq!((wrapper.key(), wrapper.iv().len()), (&[7; 24][..], 16));
            drawn.push(wrapper.iv().to_vec());
        }
        assert_ne!(drawn[0], drawn[1]);
        let mut wrapper = AesWrapper::new(256, AesMode::Gcm).unwrap();
        wrapper.set_key(&[7; 32], &[]).unwrap();
        assert!(wrapper.iv().is_empty());
    }

    #[test]
    fn debug_shows_no_key() {
        let wrapper = AesWrapper::from_key(&[0x41; 32], &[0x42; 16], AesMode::Cbc).unwrap();
        assert_eq!(
            format!("{wrapper:?}"),
            "AesWrapper { key_size: 256, mode: Cbc, .. }"
        );
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }
}
