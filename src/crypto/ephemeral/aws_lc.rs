//! X25519 and ML-KEM-768 by AWS-LC, which wipes memory before it frees it.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::kem::{self, ML_KEM_768};

use super::common::{X25519_SIZE, failed};
use crate::crypto::drawing;
use crate::error::Result;
use crate::secret::try_copy;

pub struct X25519Secret(PrivateKey);

pub struct DecapsulationKey(kem::DecapsulationKey);

impl X25519Secret {
    pub fn from_bytes(bytes: &[u8; X25519_SIZE]) -> Option<Self> {
        PrivateKey::from_private_key(&X25519, bytes).ok().map(Self)
    }

    pub fn public(&self) -> Option<[u8; X25519_SIZE]> {
        let public = self.0.compute_public_key().ok()?;
        public.as_ref().try_into().ok()
    }

    /// Writes the shared secret. `None` if it is all zero.
    pub fn agree(&self, public: &[u8], shared: &mut [u8]) -> Option<()> {
        let peer = UnparsedPublicKey::new(&X25519, public);
        agree(&self.0, peer, (), |secret| {
            shared.copy_from_slice(secret);
            Ok(())
        })
        .ok()
    }
}

impl DecapsulationKey {
    pub fn generate() -> Result<Self> {
        let _call = drawing::Call::begin();
        let key = kem::DecapsulationKey::generate(&ML_KEM_768).map_err(|_| failed())?;
        Ok(Self(key))
    }

    pub fn encapsulation_key(&self) -> Result<Vec<u8>> {
        let key = self.0.encapsulation_key().map_err(|_| failed())?;
        let bytes = key.key_bytes().map_err(|_| failed())?;
        Ok(try_copy(bytes.as_ref())?)
    }

    /// Writes the shared secret. `None` if the ciphertext has another size.
    pub fn decapsulate(&self, ciphertext: &[u8], shared: &mut [u8]) -> Option<()> {
        let secret = self.0.decapsulate(ciphertext.into()).ok()?;
        shared.copy_from_slice(secret.as_ref());
        Some(())
    }

    #[cfg(test)]
    pub fn from_expanded(bytes: &[u8]) -> Option<Self> {
        kem::DecapsulationKey::new(&ML_KEM_768, bytes)
            .ok()
            .map(Self)
    }
}

/// Generates a shared secret, writes it, and returns its ciphertext. `None` if the key is not valid.
pub fn encapsulate(encapsulation_key: &[u8], shared: &mut [u8]) -> Result<Option<Vec<u8>>> {
    let Ok(key) = kem::EncapsulationKey::new(&ML_KEM_768, encapsulation_key) else {
        return Ok(None);
    };
    let call = drawing::Call::begin();
    // Only this checks that the numbers in the key are below the modulus.
    let Ok((ciphertext, secret)) = key.encapsulate() else {
        return Ok(None);
    };
    drop(call);
    shared.copy_from_slice(secret.as_ref());
    Ok(Some(try_copy(ciphertext.as_ref())?))
}
