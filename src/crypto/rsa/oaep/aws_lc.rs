//! RSA-OAEP (SHA-256, MGF1 with SHA-256, empty label) and RSA-PSS signatures by AWS-LC, whose
//! private key operation is blinded and constant in time.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair, RsaPssSaltLength, RsaSignatureEncoding};
use zeroize::Zeroizing;

use crate::crypto::drawing;
use crate::error::{Error, Reason, Result};
use crate::secret::{try_copy, try_zeros};

pub struct EncryptingKey(OaepPublicEncryptingKey);

pub struct DecryptingKey(OaepPrivateDecryptingKey);

impl EncryptingKey {
    /// `None` if the key is not acceptable.
    pub fn from_der(subject_public_key_info: &[u8]) -> Option<Self> {
        let key = PublicEncryptingKey::from_der(subject_public_key_info).ok()?;
        OaepPublicEncryptingKey::new(key).ok().map(Self)
    }

    /// Encrypts a text that was checked to fit.
    pub fn encrypt(&self, text: &[u8]) -> Result<Vec<u8>> {
        let mut ciphertext = try_zeros(self.0.ciphertext_size())?;
        let _call = drawing::Call::begin();
        self.0
            .encrypt(&OAEP_SHA256_MGF1SHA256, text, &mut ciphertext, LABEL)
            .map_err(|_| Error::new(Reason::Internal, "the RSA encryption failed"))?;
        Ok(ciphertext)
    }
}

impl DecryptingKey {
    /// `None` if the key is not acceptable.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let key = PrivateDecryptingKey::from_pkcs8(pkcs8).ok()?;
        OaepPrivateDecryptingKey::new(key).ok().map(Self)
    }

    /// `None` if the ciphertext does not decrypt.
    pub fn decrypt(&self, ciphertext: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let mut text = Zeroizing::new(try_zeros(self.0.min_output_size())?);
        let _call = drawing::Call::begin();
        let len = self
            .0
            .decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut text, LABEL)
            .map(|text| text.len());
        Ok(len.ok().map(|len| {
            text.truncate(len);
            text
        }))
    }
}

/// Signs with the longest salt, whose length AWS-LC computes itself. The key is parsed for each
/// signature: signatures are rare, and so no thread shares it and a forked child has its own.
pub fn sign(pkcs8: &[u8], _max_salt_len: usize, data: &[u8]) -> Result<Vec<u8>> {
    static ENCODING: RsaSignatureEncoding =
        RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Max);
    let failed = || Error::new(Reason::Internal, "the RSA private key could not sign");
    let key = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| failed())?;
    let mut signature = try_zeros(key.public_modulus_len())?;
    let _call = drawing::Call::begin();
    key.sign(&ENCODING, &SystemRandom::new(), data, &mut signature)
        .map_err(|_| failed())?;
    Ok(signature)
}

/// The empty label.
const LABEL: Option<&[u8]> = None;

/// A new key as PKCS #8, or `None` if AWS-LC does not generate keys of this kind.
pub fn try_generate(public_exponent: u64, key_size: u32) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let size = match (public_exponent, key_size) {
        (65537, 2048) => KeySize::Rsa2048,
        (65537, 3072) => KeySize::Rsa3072,
        (65537, 4096) => KeySize::Rsa4096,
        (65537, 8192) => KeySize::Rsa8192,
        _ => return Ok(None),
    };
    let failed = |_| Error::new(Reason::Internal, "no RSA key pair could be generated");
    let call = drawing::Call::begin();
    let key = PrivateDecryptingKey::generate(size).map_err(failed)?;
    drop(call);
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(failed)?;
    Ok(Some(Zeroizing::new(try_copy(pkcs8.as_ref())?)))
}
