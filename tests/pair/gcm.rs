//! One side of gcm by means of its own: what it sends in a key exchange, and records.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use anwdl::protocol::Role;
use anwdl::protocol::session::{Operation, Session};
use hkdf::Hkdf;
use ml_kem::kem::{Decapsulate, Encapsulate, KeyExport};
use ml_kem::{DecapsulationKey768, EncapsulationKey768, Seed};
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{CLIENT_KEY, SERVER_KEY, exchange_public_keys, go_on, rsa, session};
use anwdl::protocol::Protocol;

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

/// All that is known of a key exchange to one of its sides.
pub struct Exchange {
    pub initiator_pem: String,
    pub responder_pem: String,
    /// Steps 9 and 11 whole.
    pub initiator_secret: Vec<u8>,
    pub responder_secret: Vec<u8>,
    /// The secrets of X25519 and ML-KEM and both randoms, one behind the other.
    pub input: Vec<u8>,
}

impl Exchange {
    pub fn keys(&self) -> SessionKeys {
        self.keys_from(&self.input)
    }

    /// The keys if this were what goes into them.
    pub fn keys_from(&self, input: &[u8]) -> SessionKeys {
        let transcript = Transcript {
            initiator: Role::Client,
            initiator_pem: &self.initiator_pem,
            responder_pem: &self.responder_pem,
            initiator_secret: &self.initiator_secret,
            responder_secret: &self.responder_secret,
        };
        transcript.keys(input)
    }
}

/// A session that has exchanged its keys with the side above, the client sending its secret first,
/// and those keys.
pub fn exchanged(role: Role) -> (Session, SessionKeys) {
    let (session, exchange) = exchange_with(role);
    (session, exchange.keys())
}

/// The same, and what was said and known.
pub fn exchange_with(role: Role) -> (Session, Exchange) {
    let (own, peers) = match role {
        Role::Client => (CLIENT_KEY, SERVER_KEY),
        Role::Server => (SERVER_KEY, CLIENT_KEY),
    };
    let mut session = session(role, Protocol::Gcm, own);
    let mut peer = super::session(role, Protocol::Gcm, peers);
    let mut keys = rsa(peers);
    let own_pem = rsa(own).public_key().unwrap().to_owned();
    let peers_pem = keys.public_key().unwrap().to_owned();
    keys.set_remote_public_key(&own_pem).unwrap();
    exchange_public_keys(&mut session, &mut peer);

    let (mut inbox, mut outbox) = (b"1".to_vec(), Vec::new());
    let exchange = if role == Role::Client {
        session.begin_exchange(Operation::SendAesKey).unwrap();
        let outcome = go_on(&mut session, &mut inbox, &mut outbox);
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
        let (wrapped, key) = outbox.split_at(outbox.len() - ENCAPSULATION_KEY_SIZE);
        let (secret, ciphertext, input) = respond(&keys.decrypt_data(wrapped).unwrap(), key);
        let sent = [keys.encrypt_data(&secret, false).unwrap(), ciphertext].concat();
        session.begin_exchange(Operation::ReceiveAesKey).unwrap();
        let outcome = go_on(&mut session, &mut sent.clone(), &mut Vec::new());
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
        Exchange {
            initiator_pem: own_pem,
            responder_pem: peers_pem,
            initiator_secret: outbox,
            responder_secret: sent,
            input,
        }
    } else {
        let initiator = Initiator::new();
        let wrapped = keys.encrypt_data(&initiator.secret(), false).unwrap();
        let sent = [wrapped, initiator.encapsulation_key()].concat();
        session.begin_exchange(Operation::ReceiveAesKey).unwrap();
        let outcome = go_on(&mut session, &mut sent.clone(), &mut Vec::new());
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
        session.begin_exchange(Operation::SendAesKey).unwrap();
        let outcome = go_on(&mut session, &mut inbox, &mut outbox);
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
        let (wrapped, ciphertext) = outbox.split_at(outbox.len() - CIPHERTEXT_SIZE);
        let input = initiator.input(&keys.decrypt_data(wrapped).unwrap(), ciphertext);
        Exchange {
            initiator_pem: peers_pem,
            responder_pem: own_pem,
            initiator_secret: sent,
            responder_secret: outbox,
            input,
        }
    };
    (session, exchange)
}
