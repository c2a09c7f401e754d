//! Whoever makes bytes that no honest peer makes, by means of its own: raw RSA numbers, OAEP
//! with mistakes, AES-CBC without padding.

use anwdl::protocol::session::{Config, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper, Error, SansIoSession};
use rsa::RsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256};

use crate::pair::gcm;

pub const BLOCK_SIZE: usize = 16;
pub const KEY: [u8; 32] = [1; 32];
pub const IV: [u8; BLOCK_SIZE] = [2; BLOCK_SIZE];
const HASH_SIZE: usize = 32;

/// So that the forger knows the IV behind a response too.
fn draw_iv(bytes: &mut [u8]) -> Result<(), Error> {
    bytes.copy_from_slice(&IV);
    Ok(())
}

/// A session under the forger's key, in this framing from the start. What it sends in v3 and v4
/// carries the forger's IV.
pub fn session(role: Role, protocol: Protocol) -> SansIoSession {
    if protocol == Protocol::Gcm {
        return gcm_session(role).0;
    }
    let mut key = AesWrapper::new(256, AesMode::Cbc).unwrap();
    key.set_key(&KEY, &IV).unwrap();
    let mut config = Config::new(role);
    config.exchange_keys = false;
    config.protocol = protocol;
    config.random = draw_iv;
    let mut session = Session::new(config);
    session.set_aes_wrapper(&key).unwrap();
    SansIoSession::from_session(session)
}

/// A session that has exchanged keys for gcm with the forger, and those keys.
pub fn gcm_session(role: Role) -> (SansIoSession, gcm::SessionKeys) {
    let (session, keys) = gcm::exchanged(role);
    (SansIoSession::from_session(session), keys)
}

/// A session in this framing, and the first message for it with this text.
pub fn session_and_message(
    role: Role,
    protocol: Protocol,
    text: &[u8],
) -> (SansIoSession, Vec<u8>) {
    if protocol == Protocol::Gcm {
        let (session, keys) = gcm_session(role);
        let record = keys.record(other(role), 0, text);
        return (session, message(protocol, &record));
    }
    (session(role, protocol), message_of(protocol, text))
}

/// The side at the other end.
pub fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// AES-CBC of whole blocks, and nothing else.
pub fn encrypt_blocks(blocks: &[u8]) -> Vec<u8> {
    encrypt_blocks_under(&IV, blocks)
}

fn encrypt_blocks_under(iv: &[u8; BLOCK_SIZE], blocks: &[u8]) -> Vec<u8> {
    assert!(blocks.len().is_multiple_of(BLOCK_SIZE));
    let mut key = AesWrapper::new(256, AesMode::Cbc).unwrap();
    key.set_key(&KEY, iv).unwrap();
    let mut ciphertext = key.encrypt_data(blocks).unwrap();
    ciphertext.truncate(blocks.len());
    ciphertext
}

/// A text with the padding that belongs to it.
pub fn padded(text: &[u8]) -> Vec<u8> {
    let padding = BLOCK_SIZE - text.len() % BLOCK_SIZE;
    [text, &vec![padding as u8; padding]].concat()
}

/// Header and packet of the first message of a session, or of one behind a response, whatever
/// the packet is.
pub fn message(protocol: Protocol, packet: &[u8]) -> Vec<u8> {
    message_under(&IV, protocol, packet)
}

fn message_under(iv: &[u8; BLOCK_SIZE], protocol: Protocol, packet: &[u8]) -> Vec<u8> {
    let len = packet.len();
    let header = match protocol {
        Protocol::V2 | Protocol::V3 => format!("{len:=<8}").into_bytes(),
        Protocol::V4 => encrypt_blocks_under(iv, &padded(len.to_string().as_bytes())),
        Protocol::Gcm => (len as u32).to_be_bytes().to_vec(),
        Protocol::Auto => unreachable!("no framing"),
    };
    [&header, packet].concat()
}

/// Such a message of v2, v3 or v4 with this text.
pub fn message_of(protocol: Protocol, text: &[u8]) -> Vec<u8> {
    message_of_under(&IV, protocol, text)
}

/// The same by somebody who was told this IV.
pub fn message_of_under(iv: &[u8; BLOCK_SIZE], protocol: Protocol, text: &[u8]) -> Vec<u8> {
    let packet = packet_under(iv, protocol, &padded(text));
    message_under(iv, protocol, &packet)
}

/// A packet of v2, v3 or v4 whose text, with its padding, are these blocks.
pub fn packet_of_blocks(protocol: Protocol, blocks: &[u8]) -> Vec<u8> {
    packet_under(&IV, protocol, blocks)
}

fn packet_under(iv: &[u8; BLOCK_SIZE], protocol: Protocol, blocks: &[u8]) -> Vec<u8> {
    let mut packet = encrypt_blocks_under(iv, blocks);
    if protocol != Protocol::V2 {
        packet.extend_from_slice(&[9; BLOCK_SIZE]);
    }
    packet
}

/// What somebody who encrypts under a public key can get wrong.
pub struct RsaForger {
    modulus: Vec<u8>,
}

/// The parts of an encoded message (RFC 8017, section 7.1.1).
pub struct Encoding {
    pub first: u8,
    pub label_hash: [u8; HASH_SIZE],
    /// Which byte of the padding string is another than 0, counted from its start.
    pub dirty_padding: Option<usize>,
    pub separator: u8,
    /// Added to a byte of the seed after it made the mask.
    pub seed_change: u8,
}

impl Encoding {
    /// Without a mistake.
    pub fn right() -> Self {
        Self {
            first: 0,
            label_hash: Sha256::digest(b"").into(),
            dirty_padding: None,
            separator: 1,
            seed_change: 0,
        }
    }
}

impl RsaForger {
    pub fn new(public_pem: &str) -> Self {
        let key = RsaPublicKey::from_public_key_pem(public_pem).unwrap();
        let modulus = key.n().to_be_bytes().to_vec();
        let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
        Self {
            modulus: modulus[zeros..].to_vec(),
        }
    }

    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The modulus and a small number more or less.
    pub fn modulus_and(&self, more: i8) -> Vec<u8> {
        let mut number = self.modulus.clone();
        let last = number.last_mut().unwrap();
        *last = last.checked_add_signed(more).expect("no carry");
        number
    }

    /// OAEP (SHA-256, MGF1 with SHA-256) with these parts.
    pub fn encode(&self, secret: &[u8], parts: &Encoding) -> Vec<u8> {
        let size = self.modulus.len();
        let padding_len = size - secret.len() - 2 * HASH_SIZE - 2;
        let mut padding = vec![0; padding_len];
        if let Some(at) = parts.dirty_padding {
            padding[at] = 2;
        }
        let mut block = [&parts.label_hash[..], &padding, &[parts.separator], secret].concat();
        let mut seed = [3; HASH_SIZE];
        mask(&mut block, &seed);
        mask(&mut seed, &block);
        seed[5] = seed[5].wrapping_add(parts.seed_change);
        [&[parts.first][..], &seed, &block].concat()
    }

    /// PKCS #1 v1.5 in place of OAEP.
    pub fn encode_v1_5(&self, secret: &[u8]) -> Vec<u8> {
        let padding = vec![0xaa; self.modulus.len() - secret.len() - 3];
        [&[0, 2][..], &padding, &[0], secret].concat()
    }

    /// The number that decrypts to `encoded`, which has the size of the modulus.
    pub fn wrap(&self, encoded: &[u8]) -> Vec<u8> {
        assert_eq!(encoded.len(), self.modulus.len());
        let modulus = limbs(&self.modulus);
        let base = limbs(encoded);
        // The exponent is 65537: sixteen squares, and once more the base.
        let mut power = base.clone();
        for _ in 0..16 {
            power = multiply(&power, &power, &modulus);
        }
        let limbs = multiply(&power, &base, &modulus);
        let bytes = limbs[..limbs.len() - 1].iter().rev();
        bytes.flat_map(|limb| limb.to_be_bytes()).collect()
    }
}

/// MGF1 with SHA-256.
fn mask(bytes: &mut [u8], seed: &[u8]) {
    for (counter, part) in (0u32..).zip(bytes.chunks_mut(HASH_SIZE)) {
        let mut hash = Sha256::new();
        hash.update(seed);
        hash.update(counter.to_be_bytes());
        for (byte, mask) in part.iter_mut().zip(hash.finalize()) {
            *byte ^= mask;
        }
    }
}

/// A big-endian number in little-endian words, with one word more.
fn limbs(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.rchunks(4);
    let words = words.map(|word| {
        word.iter()
            .fold(0, |limb, &byte| limb << 8 | u32::from(byte))
    });
    words.chain([0]).collect()
}

/// `a * b` modulo `modulus`, by doubling and adding.
fn multiply(a: &[u32], b: &[u32], modulus: &[u32]) -> Vec<u32> {
    let mut product = vec![0; modulus.len()];
    for limb in b.iter().rev() {
        for bit in (0..u32::BITS).rev() {
            let doubled = product.clone();
            add(&mut product, &doubled, modulus);
            if limb >> bit & 1 == 1 {
                add(&mut product, a, modulus);
            }
        }
    }
    product
}

/// Adds a number below the modulus to another.
fn add(sum: &mut [u32], other: &[u32], modulus: &[u32]) {
    let mut carry = 0;
    for (limb, other) in sum.iter_mut().zip(other) {
        carry += u64::from(*limb) + u64::from(*other);
        *limb = carry as u32;
        carry >>= 32;
    }
    if sum.iter().rev().lt(modulus.iter().rev()) {
        return;
    }
    let mut borrow = 0;
    for (limb, other) in sum.iter_mut().zip(modulus) {
        borrow += i64::from(*limb) - i64::from(*other);
        *limb = borrow as u32;
        borrow >>= 32;
    }
}
