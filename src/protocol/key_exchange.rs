//! The key exchange: which of its four steps are done, and the resulting keys.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::config::{Protocol, Role};
use super::framing::Keys;
use crate::crypto::aes::{BLOCK_SIZE, decryption_failed};
use crate::crypto::ephemeral::{self, CIPHERTEXT_SIZE, ENCAPSULATION_KEY_SIZE, X25519_SIZE};
use crate::crypto::key_derivation::{AesKeyTranscript, GcmTranscript, RANDOM_SIZE};
use crate::crypto::random::FillRandom;
use crate::crypto::{AesMode, AesWrapper, RsaWrapper};
use crate::error::{Error, Reason, Result};
use crate::secret::{declassify_bytes, declassify_choice, try_copy, try_with_capacity};

/// The size in bits of an AES key that this side generates.
const OWN_KEY_SIZE: u32 = 256;
/// The first byte of a secret that chooses the gcm framing.
const GCM_SECRET_TYPE: u8 = 0x06;
const GCM_SECRET_SIZE: usize = 1 + RANDOM_SIZE + X25519_SIZE;

/// One of the four steps of a key exchange, as one side sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    SendPublicKey,
    ReceivePublicKey,
    SendSecret,
    ReceiveSecret,
}

/// The steps of the side that receives first.
pub const RECEIVE_FIRST: &[Step] = &[
    Step::ReceivePublicKey,
    Step::SendPublicKey,
    Step::ReceiveSecret,
    Step::SendSecret,
];
/// The steps of the side that sends first.
pub const SEND_FIRST: &[Step] = &[
    Step::SendPublicKey,
    Step::ReceivePublicKey,
    Step::SendSecret,
    Step::ReceiveSecret,
];

/// A key exchange in progress.
pub struct KeyExchange {
    /// This side's.
    role: Role,
    done: Vec<Step>,
    /// The peer's PEM text exactly as received.
    remote_pem: Vec<u8>,
    /// The bytes of the first of the two secret steps, including the unencrypted part.
    first_secret: Vec<u8>,
    secret: Option<Secret>,
    /// The keys of the session, from when both secrets are known until the step ends.
    session_keys: Option<Keys>,
}

/// Each variant is one pointer, as in [`Keys`].
enum Secret {
    Cbc(AesWrapper),
    /// This side sent first.
    GcmInitiator(Box<GcmInitiator>),
    /// The peer sent first; its encapsulation key is still missing.
    GcmReceived(Box<GcmSecret>),
    /// The peer sent first; the answer is ready.
    GcmResponder(Box<GcmResponder>),
}

struct GcmInitiator {
    random: Random,
    ephemeral: ephemeral::Initiator,
}

struct GcmResponder {
    initiator: Random,
    response: ephemeral::Response,
}

type Random = Box<Zeroizing<[u8; RANDOM_SIZE]>>;

/// The part of a gcm secret that is encrypted with RSA.
struct GcmSecret {
    random: Random,
    x25519_public: Box<Zeroizing<[u8; X25519_SIZE]>>,
}

impl KeyExchange {
    /// A key exchange before its first step.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            done: Vec::new(),
            remote_pem: Vec::new(),
            first_secret: Vec::new(),
            secret: None,
            session_keys: None,
        }
    }

    pub fn is_done(&self, step: Step) -> bool {
        self.done.contains(&step)
    }

    pub fn has_begun(&self) -> bool {
        !self.done.is_empty()
    }

    pub fn finish(&mut self, step: Step) {
        self.done.push(step);
    }

    /// Discards a secret if its operation ended before the peer accepted it.
    pub fn discard_secret(&mut self) {
        if !self.is_done(Step::SendSecret) && !self.is_done(Step::ReceiveSecret) {
            self.secret = None;
            self.first_secret.clear();
        }
        self.session_keys = None;
    }

    /// Takes the keys of the session once the exchange has them.
    pub fn take_session_keys(&mut self) -> Option<Keys> {
        self.session_keys.take()
    }

    /// How many unencrypted bytes will follow the peer's secret, as far as that is known before the
    /// secret has come.
    pub fn expected_clear_size(&self) -> usize {
        match &self.secret {
            Some(Secret::GcmInitiator(_)) => CIPHERTEXT_SIZE,
            _ => 0,
        }
    }

    /// How many unencrypted bytes are still missing after an accepted secret.
    pub fn missing_clear_size(&self) -> usize {
        match &self.secret {
            Some(Secret::GcmReceived(_)) => ENCAPSULATION_KEY_SIZE,
            _ => 0,
        }
    }

    /// Accepts the peer's public key as received.
    pub fn accept_public_key(&mut self, rsa: &mut RsaWrapper, pem: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(pem)
            .map_err(|_| Error::new(Reason::InvalidKey, "the peer's public key is not PEM"))?;
        rsa.set_received_public_key(text)?;
        self.remote_pem = try_copy(pem)?;
        Ok(())
    }

    /// Makes the secret that this side sends: the answer to the peer's, its own AES key, or the
    /// first secret of gcm. With `key_echo`, a received AES key is sent back.
    pub fn wrap_secret(
        &mut self,
        rsa: &RsaWrapper,
        own_key: Option<&AesWrapper>,
        protocol: Protocol,
        key_echo: bool,
        random: FillRandom,
    ) -> Result<Vec<u8>> {
        let is_first = self.secret.is_none();
        let chosen = match self.secret.take() {
            Some(secret) => secret,
            None if protocol == Protocol::Gcm => Secret::GcmInitiator(Box::new(GcmInitiator {
                random: random_bytes(random)?,
                ephemeral: ephemeral::Initiator::new(random)?,
            })),
            None => Secret::Cbc(match own_key {
                Some(key) => key.try_clone()?,
                None => AesWrapper::new(OWN_KEY_SIZE, AesMode::Cbc)?,
            }),
        };
        let sent = match self.secret.insert(chosen) {
            Secret::Cbc(key) if is_first => wrap_key(rsa, key)?,
            Secret::Cbc(received) => {
                let answer = if key_echo {
                    received.try_clone()?
                } else {
                    let transcript = AesKeyTranscript {
                        initiator_pem: &self.remote_pem,
                        responder_pem: local_pem(rsa)?,
                        initiator_wrapped_secret: &self.first_secret,
                    };
                    let mut iv = [0; BLOCK_SIZE];
                    random(&mut iv)?;
                    transcript.answer(received, &iv)?
                };
                let wrapped = wrap_key(rsa, &answer)?;
                self.session_keys = Some(Keys::Cbc(answer));
                wrapped
            }
            Secret::GcmInitiator(initiator) => {
                let key = initiator.ephemeral.encapsulation_key()?;
                let x25519_public = initiator.ephemeral.x25519_public()?;
                wrap_gcm_secret(rsa, &initiator.random, &x25519_public, &key)?
            }
            Secret::GcmResponder(prepared) => {
                let response = &prepared.response;
                let responder = random_bytes(random)?;
                let sent = wrap_gcm_secret(
                    rsa,
                    &responder,
                    &response.x25519_public,
                    &response.ciphertext,
                )?;
                let transcript = GcmTranscript {
                    is_server_initiator: self.role == Role::Client,
                    initiator_pem: &self.remote_pem,
                    responder_pem: local_pem(rsa)?,
                    initiator_secret: &self.first_secret,
                    responder_secret: &sent,
                };
                let keys = transcript.keys(&response.shared, &prepared.initiator, &responder);
                self.session_keys = Some(Keys::gcm(keys, self.role));
                sent
            }
            Secret::GcmReceived(_) => unreachable!("the step that receives is done"),
        };
        if is_first {
            self.first_secret = try_copy(&sent)?;
        }
        Ok(sent)
    }

    /// Accepts the peer's secret, with the expected unencrypted bytes after it.
    pub fn accept_secret(
        &mut self,
        rsa: &RsaWrapper,
        received: &[u8],
        protocol: Protocol,
    ) -> Result<()> {
        let wrapped = &received[..received.len() - self.expected_clear_size()];
        // Where both sides have the same key pair, somebody without it could send back what this
        // side sent. Its owner encrypts anew.
        if self.first_secret.starts_with(wrapped) {
            return Err(decryption_failed());
        }
        let plain = rsa.decrypt_data(wrapped)?;
        self.accept_plain_secret(rsa, &plain, received, protocol)
    }

    /// Accepts the peer's decrypted secret.
    pub(crate) fn accept_plain_secret(
        &mut self,
        rsa: &RsaWrapper,
        plain: &[u8],
        received: &[u8],
        protocol: Protocol,
    ) -> Result<()> {
        match &self.secret {
            None => {
                self.secret = Some(read_secret(plain, protocol)?);
                self.first_secret = try_copy(received)?;
            }
            // Released peers send this side's key back; this library derives one from it. Any other
            // key comes from someone who could not read what was sent.
            Some(Secret::Cbc(own)) => {
                let (_, &iv) = plain
                    .split_last_chunk::<BLOCK_SIZE>()
                    .ok_or_else(decryption_failed)?;
                let transcript = AesKeyTranscript {
                    initiator_pem: local_pem(rsa)?,
                    responder_pem: &self.remote_pem,
                    initiator_wrapped_secret: &self.first_secret,
                };
                let derived = transcript.answer(own, &iv)?;
                let is_derived = is_same_key(plain, &derived);
                if !declassify_choice(is_derived | is_same_key(plain, own)) {
                    return Err(decryption_failed());
                }
                self.session_keys = Some(Keys::Cbc(match declassify_choice(is_derived) {
                    true => derived,
                    false => own.try_clone()?,
                }));
            }
            Some(Secret::GcmInitiator(initiator)) => {
                let responder = read_gcm_secret(plain)?;
                let (_, ciphertext) = received
                    .split_last_chunk::<CIPHERTEXT_SIZE>()
                    .ok_or_else(decryption_failed)?;
                let shared = initiator
                    .ephemeral
                    .finish(responder.x25519_public.as_slice(), ciphertext)?;
                let transcript = GcmTranscript {
                    is_server_initiator: self.role == Role::Server,
                    initiator_pem: local_pem(rsa)?,
                    responder_pem: &self.remote_pem,
                    initiator_secret: &self.first_secret,
                    responder_secret: received,
                };
                let keys = transcript.keys(&shared, &initiator.random, &responder.random);
                self.session_keys = Some(Keys::gcm(keys, self.role));
            }
            Some(Secret::GcmReceived(_) | Secret::GcmResponder(_)) => {
                unreachable!("a secret is received once")
            }
        }
        Ok(())
    }

    /// Takes the peer's secret again, with its encapsulation key, and prepares the answer.
    pub fn accept_encapsulation_key(&mut self, received: &[u8], random: FillRandom) -> Result<()> {
        let Some(Secret::GcmReceived(initiator)) = self.secret.take() else {
            unreachable!("an encapsulation key is missing");
        };
        let (_, key) = received
            .split_last_chunk::<ENCAPSULATION_KEY_SIZE>()
            .ok_or_else(decryption_failed)?;
        let response = ephemeral::Response::new(initiator.x25519_public.as_slice(), key, random)?;
        self.secret = Some(Secret::GcmResponder(Box::new(GcmResponder {
            initiator: initiator.random,
            response,
        })));
        self.first_secret = try_copy(received)?;
        Ok(())
    }
}

fn read_secret(plain: &[u8], protocol: Protocol) -> Result<Secret> {
    let mismatch = |message| Err(Error::new(Reason::ProtocolMismatch, message));
    match plain.len() {
        GCM_SECRET_SIZE => {
            let secret = read_gcm_secret(plain)?;
            match protocol {
                Protocol::Auto | Protocol::Gcm => Ok(Secret::GcmReceived(Box::new(secret))),
                _ => mismatch("the peer wants the gcm framing; another one is configured"),
            }
        }
        32 | 40 | 48 if protocol == Protocol::Gcm => {
            mismatch("the peer wants a framing without authentication; gcm is configured")
        }
        32 | 40 | 48 => {
            let (key, iv) = plain.split_at(plain.len() - BLOCK_SIZE);
            AesWrapper::from_key(key, iv, AesMode::Cbc).map(Secret::Cbc)
        }
        _ => Err(decryption_failed()),
    }
}

/// Reads a secret of gcm. Its length is public; its first byte is not.
fn read_gcm_secret(plain: &[u8]) -> Result<GcmSecret> {
    let plain: &[u8; GCM_SECRET_SIZE] = plain.try_into().map_err(|_| decryption_failed())?;
    if !declassify_choice(plain[0].ct_eq(&GCM_SECRET_TYPE)) {
        return Err(decryption_failed());
    }
    let (random, x25519_public) = plain[1..].split_at(RANDOM_SIZE);
    // A public key is not secret.
    declassify_bytes(x25519_public);
    let mut secret = GcmSecret {
        random: Box::new(Zeroizing::new([0; RANDOM_SIZE])),
        x25519_public: Box::new(Zeroizing::new([0; X25519_SIZE])),
    };
    secret.random.copy_from_slice(random);
    secret.x25519_public.copy_from_slice(x25519_public);
    Ok(secret)
}

/// Encrypts the key and its IV for the peer.
fn wrap_key(rsa: &RsaWrapper, key: &AesWrapper) -> Result<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(key.key().len() + BLOCK_SIZE));
    plain.extend_from_slice(key.key());
    plain.extend_from_slice(key.iv());
    rsa.encrypt_data(&plain, false)
}

/// Whether a received secret is this key and its IV.
fn is_same_key(plain: &[u8], expected: &AesWrapper) -> Choice {
    let (key, iv) = plain.split_at(plain.len().saturating_sub(BLOCK_SIZE));
    key.ct_eq(expected.key()) & iv.ct_eq(expected.iv())
}

/// Encrypts the RSA part of a gcm secret for the peer, and appends the unencrypted part.
fn wrap_gcm_secret(
    rsa: &RsaWrapper,
    random: &[u8; RANDOM_SIZE],
    x25519_public: &[u8; X25519_SIZE],
    clear: &[u8],
) -> Result<Vec<u8>> {
    let mut plain = Zeroizing::new([GCM_SECRET_TYPE; GCM_SECRET_SIZE]);
    plain[1..1 + RANDOM_SIZE].copy_from_slice(random);
    plain[1 + RANDOM_SIZE..].copy_from_slice(x25519_public);
    let wrapped = rsa.encrypt_data(plain.as_slice(), false)?;
    let mut secret = try_with_capacity(wrapped.len() + clear.len())?;
    secret.extend_from_slice(&wrapped);
    secret.extend_from_slice(clear);
    Ok(secret)
}

fn random_bytes(random: FillRandom) -> Result<Random> {
    let mut bytes = Box::new(Zeroizing::new([0; RANDOM_SIZE]));
    random(bytes.as_mut_slice())?;
    Ok(bytes)
}

fn local_pem(rsa: &RsaWrapper) -> Result<&[u8]> {
    rsa.public_key()
        .map(str::as_bytes)
        .ok_or_else(|| Error::new(Reason::KeyMissing, "no local public RSA key is set"))
}
