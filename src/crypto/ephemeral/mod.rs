//! The ephemeral secrets of a key exchange of gcm: X25519 (RFC 7748) and ML-KEM-768 (FIPS 203).
//! Each keeps the session key secret if the other is broken.

#[cfg(feature = "aws-lc")]
mod aws_lc;
mod common;
#[cfg(any(test, not(feature = "aws-lc")))]
mod pure_rust;

use zeroize::Zeroizing;

#[cfg(feature = "aws-lc")]
use aws_lc as backend;
#[cfg(not(feature = "aws-lc"))]
use pure_rust as backend;

use self::common::failed;
use crate::crypto::aes::decryption_failed;
use crate::error::Result;

pub use self::common::X25519_SIZE;

/// The size of an ML-KEM-768 encapsulation key, in bytes.
pub const ENCAPSULATION_KEY_SIZE: usize = 1184;
/// The size of an ML-KEM-768 ciphertext, in bytes.
pub const CIPHERTEXT_SIZE: usize = 1088;
/// The size of an ML-KEM-768 shared secret, in bytes.
const KEM_SECRET_SIZE: usize = 32;

/// The secrets that both sides have computed: that of X25519, then that of ML-KEM.
///
/// Boxed, because a move would leave a copy behind.
pub struct SharedSecrets(Box<Zeroizing<[u8; SharedSecrets::SIZE]>>);

/// The secrets of the side that sends first, until the other side has answered.
pub struct Initiator {
    x25519: Box<backend::X25519Secret>,
    kem: Box<backend::DecapsulationKey>,
}

/// The answer of the other side, and the secrets that both then share.
pub struct Response {
    pub x25519_public: [u8; X25519_SIZE],
    pub ciphertext: Vec<u8>,
    pub shared: SharedSecrets,
}

impl SharedSecrets {
    pub const SIZE: usize = X25519_SIZE + KEM_SECRET_SIZE;

    fn new() -> Self {
        Self(Box::new(Zeroizing::new([0; Self::SIZE])))
    }

    #[cfg(test)]
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(Box::new(Zeroizing::new(bytes)))
    }

    pub fn bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    fn x25519(&mut self) -> &mut [u8] {
        &mut self.0[..X25519_SIZE]
    }

    fn kem(&mut self) -> &mut [u8] {
        &mut self.0[X25519_SIZE..]
    }
}

impl Initiator {
    /// Generates the secrets; the one of X25519 comes from `random`.
    pub fn new(random: fn(&mut [u8]) -> Result<()>) -> Result<Self> {
        Ok(Self {
            x25519: Box::new(generate_x25519(random)?),
            kem: Box::new(backend::DecapsulationKey::generate()?),
        })
    }

    pub fn x25519_public(&self) -> Result<[u8; X25519_SIZE]> {
        self.x25519.public().ok_or_else(failed)
    }

    /// The key of [`ENCAPSULATION_KEY_SIZE`] bytes that the other side needs for its answer.
    pub fn encapsulation_key(&self) -> Result<Vec<u8>> {
        self.kem.encapsulation_key()
    }

    /// Computes the shared secrets from the answer. Fails if the peer's X25519 public key leads to
    /// an all-zero secret. A wrong ML-KEM ciphertext leads to a secret that the peer does not have.
    pub fn finish(&self, x25519_public: &[u8], ciphertext: &[u8]) -> Result<SharedSecrets> {
        let mut shared = SharedSecrets::new();
        self.x25519
            .agree(x25519_public, shared.x25519())
            .ok_or_else(decryption_failed)?;
        self.kem
            .decapsulate(ciphertext, shared.kem())
            .ok_or_else(decryption_failed)?;
        Ok(shared)
    }
}

impl Response {
    /// Answers the side that sent first. Fails if one of its two keys is invalid.
    pub fn new(
        x25519_public: &[u8],
        encapsulation_key: &[u8],
        random: fn(&mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        let mut shared = SharedSecrets::new();
        let secret = Box::new(generate_x25519(random)?);
        secret
            .agree(x25519_public, shared.x25519())
            .ok_or_else(decryption_failed)?;
        let ciphertext =
            backend::encapsulate(encapsulation_key, shared.kem())?.ok_or_else(decryption_failed)?;
        Ok(Self {
            x25519_public: secret.public().ok_or_else(failed)?,
            ciphertext,
            shared,
        })
    }
}

fn generate_x25519(random: fn(&mut [u8]) -> Result<()>) -> Result<backend::X25519Secret> {
    let mut bytes = Zeroizing::new([0; X25519_SIZE]);
    random(bytes.as_mut_slice())?;
    backend::X25519Secret::from_bytes(&bytes).ok_or_else(failed)
}

#[cfg(test)]
mod vectors;
