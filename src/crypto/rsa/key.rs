//! RSA keys: their limits and their operations.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use rsa::pkcs1::pem::{self, LineEnding};
use rsa::pkcs1::{ALGORITHM_ID, RsaPrivateKeyRef, RsaPublicKeyRef, UintRef};
use rsa::pkcs8::der::{Decode, Encode};
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use rsa::pkcs8::{DecodePublicKey, EncodePrivateKey, PrivateKeyInfoRef};
use rsa::pss::{Signature, VerifyingKey};
use rsa::signature::Verifier;
use rsa::{BoxedUint, RsaPrivateKey, RsaPublicKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::key_text::{self, MAX_PEM_SIZE, invalid_key};
use super::oaep::{self, DecryptingKey, EncryptingKey};
use crate::crypto::aes::decryption_failed;
use crate::crypto::{fork_generation, random};
use crate::error::{Error, Reason, Result};
use crate::secret::{check_heap_for_crypto, try_copy, try_zeros};

const MODULUS_BITS: RangeInclusive<u32> = 2048..=8192;
const MAX_EXPONENT_BITS: u32 = 33;
pub(super) const HASH_SIZE: usize = 32;
const PUBLIC_LABEL: &str = "PUBLIC KEY";
const PKCS8_LABEL: &str = "PRIVATE KEY";

/// A public key, kept as the DER of SubjectPublicKeyInfo (RFC 5280), which is small. The form that
/// encrypts is large; it is made when needed and can be freed.
#[derive(Clone)]
pub(super) struct PublicKey {
    der: Arc<Vec<u8>>,
    bits: u32,
    pub(super) encrypting: Option<Arc<EncryptingKey>>,
}

/// This side's public key, with its PEM text, which each key exchange sends.
pub(super) struct LocalPublicKey {
    pub key: PublicKey,
    pub pem: String,
}

/// A private key, as PKCS #8 and ready to decrypt.
pub(super) struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    bits: u32,
    decrypting: DecryptingKey,
    /// The fork generation that made it. In a forked child, AWS-LC cannot use a key that another
    /// thread was using during the fork.
    made_in: u32,
    /// The key for a forked child, and the generation of that child.
    in_child: OnceLock<(u32, DecryptingKey)>,
}

impl LocalPublicKey {
    pub fn new(key: PublicKey) -> Result<Self> {
        let pem = key.to_pem()?;
        Ok(Self { key, pem })
    }
}

impl PublicKey {
    /// From a key in any form that OpenSSL accepts.
    pub fn from_text(text: &[u8]) -> Result<Self> {
        Self::from_info(&key_text::public_key(text)?)
    }

    /// As [`from_text`](Self::from_text), in DER.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        Self::from_info(&key_text::public_key_from_der(der)?)
    }

    /// From its numbers, both big-endian.
    pub fn from_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self> {
        let number = |bytes| UintRef::new(bytes).map_err(|_| invalid_key("a number is too long"));
        let key = RsaPublicKeyRef {
            modulus: number(modulus)?,
            public_exponent: number(exponent)?,
        };
        check_limits(&key)?;
        Self::from_info(&subject_public_key_info(&key)?)
    }

    /// From a key in the one form that peers send.
    pub fn from_pem(text: &str) -> Result<Self> {
        let (label, der) = decode_pem(text)?;
        if label != PUBLIC_LABEL {
            return Err(invalid_key(format!(
                "the PEM text is a {label:?}; a {PUBLIC_LABEL:?} is needed"
            )));
        }
        Self::from_info(&der)
    }

    fn from_info(der: &[u8]) -> Result<Self> {
        let unreadable = |_| invalid_key("the key contains no RSA public key");
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(unreadable)?;
        if info.algorithm != ALGORITHM_ID {
            return Err(invalid_key("the public key is not an RSA key"));
        }
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or_else(|| invalid_key("the key contains no RSA public key"))
            .and_then(|bytes| RsaPublicKeyRef::from_der(bytes).map_err(unreadable))?;
        let bits = check_limits(&key)?;
        let encrypting = match EncryptingKey::from_der(der) {
            Some(key) => key,
            // AWS-LC does not distinguish an unacceptable key from a lack of memory.
            None => {
                check_heap_for_crypto()?;
                EncryptingKey::from_der(der)
                    .ok_or_else(|| invalid_key("the RSA public key is not acceptable"))?
            }
        };
        Ok(Self {
            der: Arc::new(try_copy(der)?),
            bits,
            encrypting: Some(Arc::new(encrypting)),
        })
    }

    pub fn to_pem(&self) -> Result<String> {
        encode_pem(PUBLIC_LABEL, &self.der)
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn bits(&self) -> u32 {
        self.bits
    }

    pub fn drop_encrypting_key(&mut self) {
        self.encrypting = None;
    }

    pub fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>> {
        let largest = modulus_size(self.bits) - 2 * HASH_SIZE - 2;
        if data.len() > largest {
            return Err(Error::invalid_argument(format!(
                "data has {} bytes; at most {largest} fit under this RSA key",
                data.len()
            )));
        }
        match &self.encrypting {
            Some(key) => key.encrypt(data),
            None => EncryptingKey::from_der(&self.der)
                .expect("this key was accepted before")
                .encrypt(data),
        }
    }

    pub fn verify(&self, signature: &[u8], data: &[u8]) -> Result<bool> {
        self.verify_with_salt_of(max_salt_len(self.bits), signature, data)
    }

    /// As [`verify`](Self::verify), for a salt of another length.
    pub(super) fn verify_with_salt_of(
        &self,
        salt_len: usize,
        signature: &[u8],
        data: &[u8],
    ) -> Result<bool> {
        let key = RsaPublicKey::from_public_key_der(&self.der)
            .map_err(|_| invalid_key("the RSA public key cannot verify"))?;
        let key = VerifyingKey::<Sha256>::new_with_salt_len(key, salt_len);
        Ok(signature.len() == modulus_size(self.bits)
            && Signature::try_from(signature)
                .is_ok_and(|signature| key.verify(data, &signature).is_ok()))
    }
}

impl PrivateKey {
    pub fn generate(public_exponent: u64, key_size: u32) -> Result<Self> {
        if !MODULUS_BITS.contains(&key_size) {
            return Err(Error::invalid_argument(format!(
                "key_size is {key_size} bits; RSA keys have {} to {} here",
                MODULUS_BITS.start(),
                MODULUS_BITS.end()
            )));
        }
        let exponent_bits = u64::BITS - public_exponent.leading_zeros();
        if public_exponent < 3
            || public_exponent.is_multiple_of(2)
            || exponent_bits > MAX_EXPONENT_BITS
        {
            return Err(Error::invalid_argument(format!(
                "public_exponent is {public_exponent}; it is odd, at least 3 and below 2^{MAX_EXPONENT_BITS}"
            )));
        }
        if let Some(pkcs8) = oaep::try_generate(public_exponent, key_size)? {
            return Self::from_pkcs8(pkcs8);
        }
        let mut generator = random::rng()?;
        let failed = |_| Error::new(Reason::Internal, "no RSA key pair could be generated");
        let key = RsaPrivateKey::new_with_exp(
            &mut generator,
            key_size as usize,
            BoxedUint::from(public_exponent),
        )
        .map_err(failed)?;
        let document = key.to_pkcs8_der().map_err(|_| {
            Error::new(
                Reason::Internal,
                "the new RSA key pair could not be written",
            )
        })?;
        Self::from_pkcs8(document.to_bytes())
    }

    /// From a key in any form that OpenSSL accepts.
    pub fn from_text(text: &[u8]) -> Result<Self> {
        Self::from_user(key_text::private_key(text)?)
    }

    /// As [`from_text`](Self::from_text), in DER.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        Self::from_user(key_text::private_key_from_der(der)?)
    }

    fn from_user(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self> {
        let unusual = unusual_primes(&pkcs8);
        match (Self::from_pkcs8(pkcs8), unusual) {
            (Ok(key), _) if key.passes_pairwise_check() => Ok(key),
            // More than some arithmetic can take.
            (_, Some(what)) => Err(invalid_key(format!(
                "the RSA private key has {what}, and such keys are not supported; make another \
                 key with {}",
                key_text::NEW_KEY
            ))),
            (Ok(_), None) => Err(invalid_key(format!(
                "the RSA private key does not decrypt what is encrypted under its public half: \
                 it is damaged, or its primes are not prime; make another key with {}",
                key_text::NEW_KEY
            ))),
            (Err(error), None) => Err(error),
        }
    }

    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self> {
        let bits = with_public_key(&pkcs8, check_limits)??;
        let decrypting = DecryptingKey::from_pkcs8(&pkcs8).ok_or_else(|| {
            invalid_key("the RSA private key is not acceptable: its numbers do not fit together")
        })?;
        Ok(Self {
            pkcs8,
            bits,
            decrypting,
            made_in: fork_generation::current(),
            in_child: OnceLock::new(),
        })
    }

    /// Whether it decrypts what is encrypted under its public half. Because the padding is random,
    /// this is also a Fermat test of both primes.
    fn passes_pairwise_check(&self) -> bool {
        let text = b"a key that works";
        let encrypted = self.public_key().and_then(|public| public.encrypt(text));
        let decrypted = encrypted.and_then(|data| self.decrypt(&data));
        decrypted.is_ok_and(|decrypted| *decrypted == text)
    }

    pub fn to_pem(&self) -> Result<Zeroizing<String>> {
        encode_pem(PKCS8_LABEL, &self.pkcs8).map(Zeroizing::new)
    }

    pub fn der(&self) -> &[u8] {
        &self.pkcs8
    }

    pub fn modulus_size(&self) -> usize {
        modulus_size(self.bits)
    }

    pub fn public_key(&self) -> Result<PublicKey> {
        PublicKey::from_info(&with_public_key(&self.pkcs8, subject_public_key_info)??)
    }

    pub fn decrypt(&self, data: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        if data.len() != self.modulus_size() {
            return Err(decryption_failed());
        }
        let process = fork_generation::current();
        let decrypted = if process == self.made_in {
            self.decrypting.decrypt(data)
        } else {
            self.decrypt_in_child(process, data)
        };
        decrypted?.ok_or_else(|| match check_heap_for_crypto() {
            Ok(()) => decryption_failed(),
            Err(no_memory) => no_memory.into(),
        })
    }

    fn decrypt_in_child(&self, process: u32, data: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        if let Some((_, key)) = self
            .in_child
            .get()
            .filter(|(made_in, _)| *made_in == process)
        {
            return key.decrypt(data);
        }
        let failed = || {
            Error::new(
                Reason::Internal,
                "the RSA private key could not be read again",
            )
        };
        let key = DecryptingKey::from_pkcs8(&self.pkcs8).ok_or_else(failed)?;
        let decrypted = key.decrypt(data);
        // In the child of a child the place is taken, so a key is made each time.
        let _ = self.in_child.set((process, key));
        decrypted
    }

    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>> {
        oaep::sign(&self.pkcs8, max_salt_len(self.bits), data)
    }
}

/// Describes the primes of a private key unless they are two of the same size.
fn unusual_primes(pkcs8: &[u8]) -> Option<String> {
    let info = PrivateKeyInfoRef::from_der(pkcs8).ok()?;
    let key = RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).ok()?;
    if key.other_prime_infos.is_some() {
        return Some("more than two primes".to_owned());
    }
    let sizes = (
        bit_len(key.prime1.as_bytes()),
        bit_len(key.prime2.as_bytes()),
    );
    (sizes.0 != sizes.1).then(|| format!("primes of {} and {} bits", sizes.0, sizes.1))
}

fn modulus_size(bits: u32) -> usize {
    bits.div_ceil(8) as usize
}

/// The longest salt that EMSA-PSS (RFC 8017, section 9.1.1) has room for, in bytes.
pub(super) fn max_salt_len(bits: u32) -> usize {
    modulus_size(bits - 1) - HASH_SIZE - 2
}

fn decode_pem(text: &str) -> Result<(&str, Zeroizing<Vec<u8>>)> {
    if text.len() > MAX_PEM_SIZE {
        return Err(invalid_key(format!(
            "the PEM text has {} bytes; at most {MAX_PEM_SIZE} are read",
            text.len()
        )));
    }
    let mut der = Zeroizing::new(try_zeros(text.len())?);
    let (label, len) = pem::decode(text.as_bytes(), &mut der)
        .map(|(label, der)| (label, der.len()))
        .map_err(|error| invalid_key(format!("the key is not PEM: {error}")))?;
    der.truncate(len);
    Ok((label, der))
}

fn encode_pem(label: &str, der: &[u8]) -> Result<String> {
    const KNOWN: &str = "keys are short and labels are known";
    let ending = LineEnding::LF;
    let len = pem::encoded_len(label, ending, der).expect(KNOWN);
    let mut text = try_zeros(len)?;
    pem::encode(label, ending, der, &mut text).expect(KNOWN);
    Ok(String::from_utf8(text).expect("PEM is ASCII"))
}

/// The DER of SubjectPublicKeyInfo.
fn subject_public_key_info(key: &RsaPublicKeyRef<'_>) -> Result<Vec<u8>> {
    let too_long = |_| invalid_key("the RSA public key is too long");
    key_text::subject_public_key_info(&key.to_der().map_err(too_long)?)
}

/// Calls `read` with the public half of a private key.
fn with_public_key<T>(pkcs8: &[u8], read: impl FnOnce(&RsaPublicKeyRef<'_>) -> T) -> Result<T> {
    let unreadable = |_| invalid_key("the key contains no RSA private key");
    let info = PrivateKeyInfoRef::from_der(pkcs8).map_err(unreadable)?;
    if info.algorithm != ALGORITHM_ID {
        return Err(invalid_key("the private key is not an RSA key"));
    }
    let key = RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).map_err(unreadable)?;
    Ok(read(&key.public_key()))
}

/// The size of the modulus in bits, if modulus and exponent are within the limits.
fn check_limits(key: &RsaPublicKeyRef<'_>) -> Result<u32> {
    let bits = bit_len(key.modulus.as_bytes());
    if !MODULUS_BITS.contains(&bits) {
        return Err(invalid_key(format!(
            "the RSA modulus has {bits} bits; {} to {} are accepted",
            MODULUS_BITS.start(),
            MODULUS_BITS.end()
        )));
    }
    if !is_odd(key.modulus.as_bytes()) {
        return Err(invalid_key("the RSA modulus is even"));
    }
    let exponent = key.public_exponent.as_bytes();
    let exponent_bits = bit_len(exponent);
    let is_accepted = is_odd(exponent) && (2..=MAX_EXPONENT_BITS).contains(&exponent_bits);
    if !is_accepted {
        return Err(invalid_key(format!(
            "the RSA public exponent is even, below 3, or longer than {MAX_EXPONENT_BITS} bits"
        )));
    }
    Ok(bits)
}

/// The length in bits of a big-endian number.
fn bit_len(bytes: &[u8]) -> u32 {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    match &bytes[zeros..] {
        [] => 0,
        [first, rest @ ..] => u8::BITS - first.leading_zeros() + 8 * rest.len() as u32,
    }
}

fn is_odd(bytes: &[u8]) -> bool {
    bytes.last().is_some_and(|byte| byte & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_without_zeros_in_front() {
        for (bytes, bits) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[0, 1], 1),
            (&[0x7f, 0xff], 15),
            (&[0x80, 0], 16),
            (&[1, 0, 0], 17),
        ] {
            assert_eq!(bit_len(bytes), bits, "{bytes:x?}");
        }
        assert!(is_odd(&[2, 1]) && !is_odd(&[1, 2]) && !is_odd(&[]));
    }

    #[test]
    fn a_salt_has_the_room_that_the_last_byte_of_a_modulus_leaves() {
        assert_eq!(max_salt_len(2048), 256 - 32 - 2);
        assert_eq!(max_salt_len(2049), 256 - 32 - 2);
        assert_eq!(max_salt_len(2050), 257 - 32 - 2);
    }
}
