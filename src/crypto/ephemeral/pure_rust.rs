//! X25519 by `x25519-dalek` and ML-KEM-768 by `ml-kem`, for builds without the `aws-lc` feature.

use ml_kem::kem::{Decapsulate, Encapsulate, KeyExport};
use ml_kem::{DecapsulationKey768, EncapsulationKey768, Seed};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::common::X25519_SIZE;
use crate::crypto::random;
use crate::error::Result;
use crate::secret::{declassify, try_copy};

pub struct X25519Secret(StaticSecret);

pub struct DecapsulationKey(DecapsulationKey768);

impl X25519Secret {
    pub fn from_bytes(bytes: &[u8; X25519_SIZE]) -> Option<Self> {
        Some(Self(StaticSecret::from(*bytes)))
    }

    #[cfg_attr(
        feature = "aws-lc",
        expect(dead_code, reason = "what agrees shows that it is right")
    )]
    pub fn public(&self) -> Option<[u8; X25519_SIZE]> {
        Some(PublicKey::from(&self.0).to_bytes())
    }

    /// Writes the shared secret. `None` if it is all zero.
    pub fn agree(&self, public: &[u8], shared: &mut [u8]) -> Option<()> {
        let public = <[u8; X25519_SIZE]>::try_from(public).ok()?;
        let secret = self.0.diffie_hellman(&PublicKey::from(public));
        shared.copy_from_slice(secret.as_bytes());
        declassify(secret.was_contributory()).then_some(())
    }
}

impl DecapsulationKey {
    pub fn generate() -> Result<Self> {
        let mut seed = Zeroizing::new([0; 64]);
        random::fill(seed.as_mut_slice())?;
        let seed = Zeroizing::new(Seed::from(*seed));
        Ok(Self(DecapsulationKey768::from_seed(*seed)))
    }

    pub fn encapsulation_key(&self) -> Result<Vec<u8>> {
        Ok(try_copy(&self.0.encapsulation_key().to_bytes())?)
    }

    /// Writes the shared secret. `None` if the ciphertext has another size.
    pub fn decapsulate(&self, ciphertext: &[u8], shared: &mut [u8]) -> Option<()> {
        let secret = Zeroizing::new(self.0.decapsulate(ciphertext.try_into().ok()?));
        shared.copy_from_slice(&secret);
        Some(())
    }

    #[cfg(test)]
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        let seed = Seed::try_from(seed).ok()?;
        Some(Self(DecapsulationKey768::from_seed(seed)))
    }

    #[cfg(all(test, not(feature = "aws-lc")))]
    pub fn from_expanded(bytes: &[u8]) -> Option<Self> {
        #[expect(deprecated, reason = "vectors have this form")]
        let key = DecapsulationKey768::from_expanded(bytes.try_into().ok()?);
        key.ok().map(Self)
    }
}

/// Generates a shared secret, writes it, and returns its ciphertext. `None` if the key is not valid.
pub fn encapsulate(encapsulation_key: &[u8], shared: &mut [u8]) -> Result<Option<Vec<u8>>> {
    let Ok(bytes) = encapsulation_key.try_into() else {
        return Ok(None);
    };
    let Ok(key) = EncapsulationKey768::new(bytes) else {
        return Ok(None);
    };
    let (ciphertext, secret) = key.encapsulate_with_rng(&mut random::rng()?);
    let secret = Zeroizing::new(secret);
    shared.copy_from_slice(&secret);
    Ok(Some(try_copy(&ciphertext)?))
}

/// As [`encapsulate`], with a given random number.
#[cfg(test)]
pub fn encapsulate_deterministic(
    encapsulation_key: &[u8],
    drawn: &[u8],
) -> Option<(Vec<u8>, Vec<u8>)> {
    let key = EncapsulationKey768::new(encapsulation_key.try_into().ok()?).ok()?;
    let (ciphertext, secret) = key.encapsulate_deterministic(drawn.try_into().ok()?);
    Some((ciphertext.to_vec(), secret.to_vec()))
}
