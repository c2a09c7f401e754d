//! gcm by means of its own: the ephemeral keys of an exchange, what is derived of them, and
//! records. The library's tests speak gcm with it, too.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use anwdl::protocol::Role;
use hkdf::Hkdf;
use ml_kem::kem::{Decapsulate, Encapsulate, KeyExport};
use ml_kem::{DecapsulationKey768, EncapsulationKey768, Seed};
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

/// The first byte of a secret.
pub const CHOICE: u8 = 6;
pub const SECRET_SIZE: usize = 65;
pub const ENCAPSULATION_KEY_SIZE: usize = 1184;
pub const CIPHERTEXT_SIZE: usize = 1088;
const TAG_SIZE: usize = 16;

/// What one side of a session sends its records with.
pub struct Keys {
    cipher: Aes256Gcm,
    iv: [u8; 12],
}

/// The keys of both sides.
pub struct SessionKeys {
    pub client: Keys,
    pub server: Keys,
}

/// What is known of a key exchange to somebody.
pub struct Transcript<'a> {
    pub initiator: Role,
    pub initiator_pem: &'a str,
    pub responder_pem: &'a str,
    pub initiator_secret: &'a [u8],
    pub responder_secret: &'a [u8],
}

impl Transcript<'_> {
    /// The keys, from the secrets of X25519 and ML-KEM and both randoms, one behind the other.
    pub fn keys(&self, input: &[u8]) -> SessionKeys {
        let mut hash = Sha256::new();
        for part in [
            b"anwdl gcm v2",
            &[u8::from(self.initiator == Role::Server)][..],
            self.initiator_pem.as_bytes(),
            self.responder_pem.as_bytes(),
            self.initiator_secret,
            self.responder_secret,
        ] {
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part);
        }
        let secret = Hkdf::<Sha256>::new(Some(&hash.finalize()), input);
        let keys = |side: &str| {
            let (mut key, mut iv) = ([0; 32], [0; 12]);
            let infos = [format!("{side} key"), format!("{side} iv")];
            secret.expand(infos[0].as_bytes(), &mut key).unwrap();
            secret.expand(infos[1].as_bytes(), &mut iv).unwrap();
            Keys {
                cipher: Aes256Gcm::new(&key.into()),
                iv,
            }
        };
        SessionKeys {
            client: keys("client"),
            server: keys("server"),
        }
    }
}

impl SessionKeys {
    /// The record of this number, without its length, that this side sends.
    pub fn record(&self, from: Role, number: u64, text: &[u8]) -> Vec<u8> {
        let keys = self.of(from);
        let mut record = text.to_vec();
        let header = ((text.len() + TAG_SIZE) as u32).to_be_bytes();
        let nonce = Nonce::from(keys.nonce(number));
        let tag = keys
            .cipher
            .encrypt_inout_detached(&nonce, &header, record.as_mut_slice().into())
            .unwrap();
        record.extend_from_slice(&tag);
        record
    }

    /// The text of such a record, if it is one.
    pub fn open(&self, from: Role, number: u64, record: &[u8]) -> Option<Vec<u8>> {
        let keys = self.of(from);
        let header = (record.len() as u32).to_be_bytes();
        let (text, tag) = record.split_last_chunk::<TAG_SIZE>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::from(keys.nonce(number));
        let opened = keys.cipher.decrypt_inout_detached(
            &nonce,
            &header,
            text.as_mut_slice().into(),
            tag.into(),
        );
        opened.ok().map(|()| text)
    }

    fn of(&self, side: Role) -> &Keys {
        match side {
            Role::Client => &self.client,
            Role::Server => &self.server,
        }
    }
}

impl Keys {
    fn nonce(&self, number: u64) -> [u8; 12] {
        let mut nonce = self.iv;
        for (byte, of_number) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= of_number;
        }
        nonce
    }
}

fn drawn<const SIZE: usize>() -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    StdRng::try_from_rng(&mut SysRng)
        .unwrap()
        .fill_bytes(&mut bytes);
    bytes
}

/// What RSA protects of a step.
pub fn secret(random: &[u8; 32], x25519_public: &[u8; 32]) -> Vec<u8> {
    [&[CHOICE][..], random, x25519_public].concat()
}

/// The side that sends its secret first.
pub struct Initiator {
    random: [u8; 32],
    x25519: StaticSecret,
    kem: DecapsulationKey768,
}

impl Initiator {
    pub fn new() -> Self {
        Self {
            random: drawn(),
            x25519: StaticSecret::from(drawn::<32>()),
            kem: DecapsulationKey768::from_seed(Seed::from(drawn::<64>())),
        }
    }

    pub fn secret(&self) -> Vec<u8> {
        secret(&self.random, PublicKey::from(&self.x25519).as_bytes())
    }

    pub fn encapsulation_key(&self) -> Vec<u8> {
        self.kem.encapsulation_key().to_bytes().to_vec()
    }

    /// What goes into the keys once the other side's secret and its ciphertext are known.
    pub fn input(&self, secret: &[u8], ciphertext: &[u8]) -> Vec<u8> {
        let (random, public) = secret[1..].split_first_chunk::<32>().unwrap();
        let public = PublicKey::from(<[u8; 32]>::try_from(public).unwrap());
        let shared = self.x25519.diffie_hellman(&public);
        let of_kem = self.kem.decapsulate(ciphertext.try_into().unwrap());
        [&shared.as_bytes()[..], &of_kem, &self.random, random].concat()
    }
}

/// What the other side answers: its secret, its ciphertext, and what goes into the keys.
pub fn respond(initiators_secret: &[u8], encapsulation_key: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (initiators, public) = initiators_secret[1..].split_first_chunk::<32>().unwrap();
    let public = PublicKey::from(<[u8; 32]>::try_from(public).unwrap());
    let (random, x25519) = (drawn(), StaticSecret::from(drawn::<32>()));
    let key = EncapsulationKey768::new(encapsulation_key.try_into().unwrap()).unwrap();
    let mut generator = StdRng::try_from_rng(&mut SysRng).unwrap();
    let (ciphertext, of_kem) = key.encapsulate_with_rng(&mut generator);
    let shared = x25519.diffie_hellman(&public);
    let input = [&shared.as_bytes()[..], &of_kem, initiators, &random].concat();
    let secret = secret(&random, PublicKey::from(&x25519).as_bytes());
    (secret, ciphertext.to_vec(), input)
}

/// Whether everybody knows what is shared with the owner of such a public key: nothing.
pub fn is_of_low_order(x25519_public: &[u8; 32]) -> bool {
    let shared = StaticSecret::from([1; 32]).diffie_hellman(&PublicKey::from(*x25519_public));
    !shared.was_contributory()
}

pub fn is_encapsulation_key(bytes: &[u8]) -> bool {
    bytes
        .try_into()
        .is_ok_and(|bytes| EncapsulationKey768::new(bytes).is_ok())
}
