//! RSA-OAEP (SHA-256, MGF1 with SHA-256, empty label) and RSA-PSS signatures by the `rsa` crate,
//! for builds without the `aws-lc` feature.
//!
//! The `rsa` crate has the advisory RUSTSEC-2023-0071: its private key operation is blinded here,
//! but its time still depends on the key to some degree, and it leaves parts of the key in freed
//! memory.

use rsa::oaep::Oaep;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::pss::SigningKey;
use rsa::signature::{RandomizedSigner, SignatureEncoding};
use rsa::{RsaPrivateKey, RsaPublicKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::random;
use crate::error::{Error, Reason, Result};

pub struct EncryptingKey(RsaPublicKey);

pub struct DecryptingKey(RsaPrivateKey);

impl EncryptingKey {
    /// `None` if the key is not acceptable.
    pub fn from_der(subject_public_key_info: &[u8]) -> Option<Self> {
        RsaPublicKey::from_public_key_der(subject_public_key_info)
            .ok()
            .map(Self)
    }

    /// Encrypts a text that is known to fit.
    pub fn encrypt(&self, text: &[u8]) -> Result<Vec<u8>> {
        self.0
            .encrypt(&mut random::rng()?, Oaep::<Sha256>::new(), text)
            .map_err(|_| Error::new(Reason::Internal, "the RSA encryption failed"))
    }
}

impl DecryptingKey {
    /// `None` if the key is not acceptable.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let key = RsaPrivateKey::from_pkcs8_der(pkcs8).ok()?;
        key.validate().ok()?;
        Some(Self(key))
    }

    /// `None` if the ciphertext does not decrypt.
    pub fn decrypt(&self, ciphertext: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let text = self
            .0
            .decrypt_blinded(&mut random::rng()?, Oaep::<Sha256>::new(), ciphertext);
        Ok(text.ok().map(Zeroizing::new))
    }
}

/// Signs with the longest salt.
pub fn sign(pkcs8: &[u8], max_salt_len: usize, data: &[u8]) -> Result<Vec<u8>> {
    let failed = || Error::new(Reason::Internal, "the RSA private key could not sign");
    let key = RsaPrivateKey::from_pkcs8_der(pkcs8).map_err(|_| failed())?;
    let signature = SigningKey::<Sha256>::new_with_salt_len(key, max_salt_len)
        .try_sign_with_rng(&mut random::rng()?, data)
        .map_err(|_| failed())?;
    Ok(signature.to_vec())
}

/// This backend has no faster way than the general one.
pub fn try_generate(_public_exponent: u64, _key_size: u32) -> Result<Option<Zeroizing<Vec<u8>>>> {
    Ok(None)
}
