//! [`RsaWrapper`]: the RSA keys of one side, like the class of that name in the Python server.

mod external;
mod key;
mod key_text;
mod oaep;
mod padding;

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Reason, Result};

use external::ExternalKey;
pub use external::PrivateOperation;
use key::{LocalPublicKey, PrivateKey, PublicKey};
pub(crate) use key_text::MAX_PEM_SIZE;

/// The size of a generated key pair, in bits, unless another is asked for.
pub const DEFAULT_KEY_SIZE: u32 = 4096;
/// The public exponent of a generated key pair, unless another is asked for.
pub const DEFAULT_PUBLIC_EXPONENT: u64 = 65537;

/// A local RSA key pair and a peer's public key, each of which may be missing.
///
/// Mirrors the Python server's `RSAWrapper`. A clone shares the local keys, which never change, but
/// not the peer's key, so that many clients can share one key pair.
///
/// RSA moduli have 2048 to 8192 bits; public exponents are odd, at least 3, and have at
/// most 33 bits.
#[derive(Clone, Default)]
pub struct RsaWrapper {
    public: Option<Arc<LocalPublicKey>>,
    private: Option<Arc<LocalPrivateKey>>,
    /// Whether these two belong together.
    is_pair: bool,
    remote: Option<PublicKey>,
}

/// This side's private key, or the operation of one that the library cannot read.
#[allow(
    clippy::large_enum_variant,
    reason = "each is in an allocation of its own"
)]
enum LocalPrivateKey {
    InMemory(PrivateKey),
    External(ExternalKey),
}

const THERE_IS_MEMORY: &str = "there is memory for a key";

impl RsaWrapper {
    /// A wrapper with a new key pair of 4096 bits, or without any key.
    /// Mirrors `RSAWrapper.__init__`.
    pub fn new(generate_key_pair: bool) -> Result<Self> {
        let mut wrapper = Self::default();
        if generate_key_pair {
            wrapper.generate_key_pair(DEFAULT_PUBLIC_EXPONENT, DEFAULT_KEY_SIZE)?;
        }
        Ok(wrapper)
    }

    /// Generates a new key pair and replaces the current one.
    /// Mirrors `RSAWrapper.generateKeyPair`.
    pub fn generate_key_pair(&mut self, public_exponent: u64, key_size: u32) -> Result<()> {
        self.replace_private(PrivateKey::generate(public_exponent, key_size)?, true)
    }

    /// The size of the local public key in bits; 0 without one.
    /// Mirrors `RSAWrapper.getKeySize`.
    pub fn key_size(&self) -> u32 {
        self.public.as_ref().map_or(0, |public| public.key.bits())
    }

    /// The local public key as PEM (SubjectPublicKeyInfo).
    /// Mirrors `RSAWrapper.getPublicKey`.
    pub fn public_key(&self) -> Option<&str> {
        self.public.as_ref().map(|public| public.pem.as_str())
    }

    /// The local public key as DER (SubjectPublicKeyInfo).
    /// Mirrors `RSAWrapper.getPublicKey` with `pem_format=False`.
    pub fn public_key_der(&self) -> Option<&[u8]> {
        self.public.as_ref().map(|public| public.key.der())
    }

    /// The local private key as PEM (PKCS #8, not encrypted); `None` without one, or after
    /// [`set_private_operation`](Self::set_private_operation). Mirrors `RSAWrapper.getPrivateKey`.
    ///
    /// # Panics
    /// If there is no memory for it.
    pub fn private_key(&self) -> Option<Zeroizing<String>> {
        let pem = |private: &PrivateKey| private.to_pem().expect(THERE_IS_MEMORY);
        self.private_key_in_memory().map(pem)
    }

    /// The local private key as DER (PKCS #8, not encrypted); `None` without one, or after
    /// [`set_private_operation`](Self::set_private_operation). Mirrors `RSAWrapper.getPrivateKey`
    /// with `pem_format=False`.
    pub fn private_key_der(&self) -> Option<&[u8]> {
        self.private_key_in_memory().map(PrivateKey::der)
    }

    /// The peer's public key as PEM (SubjectPublicKeyInfo).
    /// Mirrors `RSAWrapper.getRemotePublicKey`.
    ///
    /// # Panics
    /// If there is no memory for it.
    pub fn remote_public_key(&self) -> Option<String> {
        let pem = |remote: &PublicKey| remote.to_pem().expect(THERE_IS_MEMORY);
        self.remote.as_ref().map(pem)
    }

    /// The peer's public key as DER (SubjectPublicKeyInfo).
    /// Mirrors `RSAWrapper.getRemotePublicKey` with `pem_format=False`.
    pub fn remote_public_key_der(&self) -> Option<&[u8]> {
        self.remote.as_ref().map(PublicKey::der)
    }

    /// Sets the local public key from PEM (SubjectPublicKeyInfo or PKCS #1), in any form that
    /// OpenSSL accepts. Mirrors `RSAWrapper.setPublicKey`.
    pub fn set_public_key(&mut self, pem: impl AsRef<[u8]>) -> Result<()> {
        self.replace_public(PublicKey::from_text(pem.as_ref())?)
    }

    /// Sets the local public key from DER (SubjectPublicKeyInfo or PKCS #1).
    /// Mirrors `RSAWrapper.setPublicKey` with `pem_format=False`.
    pub fn set_public_key_der(&mut self, der: &[u8]) -> Result<()> {
        self.replace_public(PublicKey::from_der(der)?)
    }

    /// Sets the local private key from PEM (PKCS #8 or PKCS #1, not encrypted), in any form that
    /// OpenSSL accepts, and, with `derivate_public_key`, the public key that belongs to it.
    /// Certificates and public keys beside it are skipped. Mirrors `RSAWrapper.setPrivateKey`.
    pub fn set_private_key(
        &mut self,
        pem: impl AsRef<[u8]>,
        derivate_public_key: bool,
    ) -> Result<()> {
        self.replace_private(PrivateKey::from_text(pem.as_ref())?, derivate_public_key)
    }

    /// Sets the local private key from DER (PKCS #8 or PKCS #1, not encrypted) and, with
    /// `derivate_public_key`, the public key that belongs to it.
    /// Mirrors `RSAWrapper.setPrivateKey` with `pem_format=False`.
    pub fn set_private_key_der(&mut self, der: &[u8], derivate_public_key: bool) -> Result<()> {
        self.replace_private(PrivateKey::from_der(der)?, derivate_public_key)
    }

    /// Sets the local public key from its numbers, both big-endian.
    pub fn set_public_numbers(&mut self, modulus: &[u8], exponent: &[u8]) -> Result<()> {
        self.replace_public(PublicKey::from_numbers(modulus, exponent)?)
    }

    /// Sets a function that does the private key operation instead of a local private key. It must
    /// belong to the local public key, which must be set before: this runs it once to check that,
    /// and each later result is checked too. After a failure the old private key is kept.
    pub fn set_private_operation(&mut self, operation: PrivateOperation) -> Result<()> {
        let key = ExternalKey::new(&self.local_public()?.key, operation)?;
        self.private = Some(Arc::new(LocalPrivateKey::External(key)));
        self.is_pair = true;
        Ok(())
    }

    /// Sets the peer's public key from PEM, like [`set_public_key`](Self::set_public_key). Mirrors
    /// `RSAWrapper.setRemotePublicKey`.
    pub fn set_remote_public_key(&mut self, pem: impl AsRef<[u8]>) -> Result<()> {
        self.remote = Some(PublicKey::from_text(pem.as_ref())?);
        Ok(())
    }

    /// Sets the peer's public key from DER (SubjectPublicKeyInfo or PKCS #1).
    /// Mirrors `RSAWrapper.setRemotePublicKey` with `pem_format=False`.
    pub fn set_remote_public_key_der(&mut self, der: &[u8]) -> Result<()> {
        self.remote = Some(PublicKey::from_der(der)?);
        Ok(())
    }

    /// Sets the peer's public key from the one form that peers send.
    pub fn set_received_public_key(&mut self, pem: &str) -> Result<()> {
        self.remote = Some(PublicKey::from_pem(pem)?);
        Ok(())
    }

    /// Encrypts `data` with RSA-OAEP (RFC 8017; SHA-256 for label and mask, empty label)
    /// under the peer's public key, or the local one. `data` is at most 66 bytes shorter
    /// than the modulus. Mirrors `RSAWrapper.encryptData`.
    pub fn encrypt_data(&self, data: &[u8], use_local_public_key: bool) -> Result<Vec<u8>> {
        self.public_key_for(use_local_public_key)?.encrypt(data)
    }

    /// Decrypts what was encrypted under the local public key. Every failure is
    /// [`Reason::DecryptionFailed`]. Mirrors `RSAWrapper.decryptData`.
    pub fn decrypt_data(&self, data: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        match self.local_private()? {
            LocalPrivateKey::InMemory(key) => key.decrypt(data),
            LocalPrivateKey::External(key) => key.decrypt(data),
        }
    }

    /// Signs `data` with RSA-PSS (RFC 8017; SHA-256, the longest salt that fits) and the
    /// local private key. Mirrors `RSAWrapper.signData`.
    pub fn sign_data(&self, data: &[u8]) -> Result<Vec<u8>> {
        match self.local_private()? {
            LocalPrivateKey::InMemory(key) => key.sign(data),
            LocalPrivateKey::External(key) => key.sign(data),
        }
    }

    /// Whether `signature` is a valid signature of `data` by the peer's private key, or by the
    /// local one. Mirrors `RSAWrapper.verifyDataSignature`, which uses only the local one.
    pub fn verify_data_signature(
        &self,
        signature: &[u8],
        data: &[u8],
        use_local_public_key: bool,
    ) -> Result<bool> {
        self.public_key_for(use_local_public_key)?
            .verify(signature, data)
    }

    /// The fingerprint that the Python client shows: the SHA-256, in 64 hexadecimal
    /// digits, of the PEM text of the local or the peer's public key.
    pub fn fingerprint(&self, remote: bool) -> Result<String> {
        let digest = if remote {
            Sha256::digest(self.remote()?.to_pem()?)
        } else {
            Sha256::digest(&self.local_public()?.pem)
        };
        Ok(hex(&digest))
    }

    /// The same local keys, without the peer's.
    pub(crate) fn local_keys(&self) -> Self {
        Self {
            public: self.public.clone(),
            private: self.private.clone(),
            is_pair: self.is_pair,
            remote: None,
        }
    }

    /// The size in bytes of a ciphertext for the local public key.
    pub(crate) fn ciphertext_size(&self) -> Result<usize> {
        Ok(match self.local_private()? {
            LocalPrivateKey::InMemory(key) => key.modulus_size(),
            LocalPrivateKey::External(key) => key.modulus_size(),
        })
    }

    /// Fails unless there is a local key pair. The keys are set one by one, so they may belong to
    /// different pairs, and all that the peer would see is a failed decryption.
    pub(crate) fn check_pair(&self) -> Result<()> {
        self.local_public()?;
        self.local_private()?;
        match self.is_pair {
            true => Ok(()),
            false => Err(Error::new(
                Reason::KeyMissing,
                "the local private RSA key does not belong to the local public one",
            )),
        }
    }

    /// Fails if only the operation of the private key is here, and not the key.
    pub(crate) fn check_private_key_in_memory(&self) -> Result<()> {
        match self.private.as_deref() {
            Some(LocalPrivateKey::External(_)) => Err(Error::new(
                Reason::KeyMissing,
                "the private RSA key is used through a function and cannot be read",
            )),
            _ => Ok(()),
        }
    }

    /// Whether a public key of the peer is set.
    pub(crate) fn has_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// Drops the form of the peer's public key that encrypts, which is large. It is made again when
    /// needed.
    pub(crate) fn drop_encrypting_key(&mut self) {
        if let Some(remote) = &mut self.remote {
            remote.drop_encrypting_key();
        }
    }

    fn replace_public(&mut self, public: PublicKey) -> Result<()> {
        let is_pair = match self.private.as_deref() {
            Some(LocalPrivateKey::InMemory(key)) => key.public_key()?.der() == public.der(),
            Some(LocalPrivateKey::External(key)) => key.belongs_to(&public),
            None => false,
        };
        self.public = Some(Arc::new(LocalPublicKey::new(public)?));
        self.is_pair = is_pair;
        Ok(())
    }

    fn replace_private(&mut self, private: PrivateKey, derivate_public_key: bool) -> Result<()> {
        let public = private.public_key()?;
        let has_same = |local: &LocalPublicKey| local.key.der() == public.der();
        let is_pair = derivate_public_key || self.public.as_deref().is_some_and(has_same);
        if derivate_public_key {
            self.public = Some(Arc::new(LocalPublicKey::new(public)?));
        }
        self.private = Some(Arc::new(LocalPrivateKey::InMemory(private)));
        self.is_pair = is_pair;
        Ok(())
    }

    fn public_key_for(&self, this_side: bool) -> Result<&PublicKey> {
        match this_side {
            true => Ok(&self.local_public()?.key),
            false => self.remote(),
        }
    }

    fn local_public(&self) -> Result<&LocalPublicKey> {
        self.public
            .as_deref()
            .ok_or_else(|| Error::new(Reason::KeyMissing, "no local public RSA key is set"))
    }

    fn private_key_in_memory(&self) -> Option<&PrivateKey> {
        match self.private.as_deref()? {
            LocalPrivateKey::InMemory(key) => Some(key),
            LocalPrivateKey::External(_) => None,
        }
    }

    fn local_private(&self) -> Result<&LocalPrivateKey> {
        self.private
            .as_deref()
            .ok_or_else(|| Error::new(Reason::KeyMissing, "no local private RSA key is set"))
    }

    fn remote(&self) -> Result<&PublicKey> {
        self.remote
            .as_ref()
            .ok_or_else(|| Error::new(Reason::KeyMissing, "no public RSA key of the peer is set"))
    }
}

impl fmt::Debug for RsaWrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaWrapper")
            .field("key_size", &self.key_size())
            .field("has_private_key", &self.private.is_some())
            .field("has_remote_public_key", &self.remote.is_some())
            .finish()
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let pairs = bytes
        .iter()
        .map(|byte| [digit(byte >> 4), digit(byte & 0xf)]);
    pairs.flatten().collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::operation_of;
#[cfg(test)]
mod vectors;
