//! The key exchange: which of its four steps are done, and the secret that they agree on.

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
use crate::secret::{declassify_bytes, declassify_choice, try_copy};

/// The size in bits of an AES key that this side makes.
const OWN_KEY_SIZE: u32 = 256;
/// The first byte of a secret that chooses the gcm framing.
const GCM_SECRET: u8 = 0x06;
const GCM_SECRET_SIZE: usize = 1 + RANDOM_SIZE + X25519_SIZE;

/// One of the four steps of a key exchange, as one side sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    SendPublicKey,
    ReceivePublicKey,
    SendSecret,
    ReceiveSecret,
}

/// The steps of the side that hears the other first.
pub const RECEIVE_FIRST: &[Step] = &[
    Step::ReceivePublicKey,
    Step::SendPublicKey,
    Step::ReceiveSecret,
    Step::SendSecret,
];
/// The steps of the side that speaks first.
pub const SEND_FIRST: &[Step] = &[
    Step::SendPublicKey,
    Step::ReceivePublicKey,
    Step::SendSecret,
    Step::ReceiveSecret,
];

/// A key exchange under way.
pub struct KeyExchange {
    /// This side's.
    role: Role,
    done: Vec<Step>,
    /// The peer's PEM text exactly as it came.
    remote_pem: Vec<u8>,
    /// What the step that came first carried, its part in clear among it.
    first_secret: Vec<u8>,
    secret: Option<Secret>,
    /// The keys of the session, from the moment when both secrets are known until the step that
    /// settled them is done.
    agreed: Option<Keys>,
}

/// What is secret in boxes, so that it has no padding: there, a move would leave what lay in its
/// place on the stack, such as a part of a key.
enum Secret {
    Cbc(Box<AesWrapper>),
    /// This side began.
    GcmInitiator {
        random: Random,
        ephemeral: ephemeral::Initiator,
    },
    /// The peer began, and its encapsulation key is still to come.
    GcmReceived(GcmSecret),
    /// The peer began, and what answers it is made.
    GcmResponder {
        initiator: Random,
        response: ephemeral::Response,
    },
}

type Random = Box<Zeroizing<[u8; RANDOM_SIZE]>>;

/// What RSA protects of the two gcm steps.
struct GcmSecret {
    random: Random,
    x25519_public: Box<Zeroizing<[u8; X25519_SIZE]>>,
}

impl KeyExchange {
    /// A key exchange of a side, before its first step.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            done: Vec::new(),
            remote_pem: Vec::new(),
            first_secret: Vec::new(),
            secret: None,
            agreed: None,
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

    /// Forgets what an operation that is over left of a secret that was not exchanged: the peer
    /// did not accept it, or never heard of it.
    pub fn take_back_secret(&mut self) {
        if !self.is_done(Step::SendSecret) && !self.is_done(Step::ReceiveSecret) {
            self.secret = None;
            self.first_secret.clear();
        }
        self.agreed = None;
    }

    /// The keys of the session, once the step is done that settles them.
    pub fn take_agreed(&mut self) -> Option<Keys> {
        self.agreed.take()
    }

    /// How many bytes stand in clear behind the secret that the peer sends, as far as it is known
    /// before the secret is.
    pub fn announced_clear_part(&self) -> usize {
        match &self.secret {
            Some(Secret::GcmInitiator { .. }) => CIPHERTEXT_SIZE,
            _ => 0,
        }
    }

    /// How many bytes in clear are missing behind a secret that was accepted.
    pub fn missing_clear_part(&self) -> usize {
        match &self.secret {
            Some(Secret::GcmReceived(_)) => ENCAPSULATION_KEY_SIZE,
            _ => 0,
        }
    }

    /// Takes the peer's public key as it came over the wire.
    pub fn accept_public_key(&mut self, rsa: &mut RsaWrapper, pem: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(pem)
            .map_err(|_| Error::new(Reason::InvalidKey, "the peer's public key is no PEM text"))?;
        rsa.receive_remote_public_key(text)?;
        self.remote_pem = try_copy(pem)?;
        Ok(())
    }

    /// The secret that this side sends: the answer to the one that it received, its own AES key,
    /// or what chooses gcm. With `key_echo`, an AES key is answered with itself.
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
            None if protocol == Protocol::Gcm => Secret::GcmInitiator {
                random: draw(random)?,
                ephemeral: ephemeral::Initiator::new(random)?,
            },
            None => Secret::Cbc(Box::new(match own_key {
                Some(key) => key.clone(),
                None => AesWrapper::new(OWN_KEY_SIZE, AesMode::Cbc)?,
            })),
        };
        let sent = match self.secret.insert(chosen) {
            Secret::Cbc(key) if is_first => wrap_key(rsa, key)?,
            Secret::Cbc(received) => {
                let answer = if key_echo {
                    AesWrapper::clone(received)
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
                self.agreed = Some(Keys::Cbc(answer));
                wrapped
            }
            Secret::GcmInitiator { random, ephemeral } => {
                let mut sent = wrap_gcm(rsa, random, &ephemeral.x25519_public()?)?;
                sent.extend_from_slice(&ephemeral.encapsulation_key()?);
                sent
            }
            Secret::GcmResponder {
                initiator,
                response,
            } => {
                let responder = draw(random)?;
                let mut sent = wrap_gcm(rsa, &responder, &response.x25519_public)?;
                sent.extend_from_slice(&response.ciphertext);
                let transcript = GcmTranscript {
                    is_server_initiator: self.role == Role::Client,
                    initiator_pem: &self.remote_pem,
                    responder_pem: local_pem(rsa)?,
                    initiator_secret: &self.first_secret,
                    responder_secret: &sent,
                };
                let keys = transcript.keys(&response.shared, initiator, &responder);
                self.agreed = Some(Keys::gcm(keys, self.role));
                sent
            }
            Secret::GcmReceived(_) => unreachable!("the step that receives is done"),
        };
        if is_first {
            self.first_secret.clone_from(&sent);
        }
        Ok(sent)
    }

    /// Takes the peer's secret, with what stands in clear behind it as far as that was announced.
    pub fn accept_secret(
        &mut self,
        rsa: &RsaWrapper,
        received: &[u8],
        protocol: Protocol,
    ) -> Result<()> {
        let wrapped = &received[..received.len() - self.announced_clear_part()];
        let plain = rsa.decrypt_data(wrapped)?;
        self.accept_plain_secret(rsa, &plain, received, protocol)
    }

    /// Takes the peer's secret, once it was unwrapped.
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
            // Released peers send this side's key back; ours derive one from it. Any other
            // can only come from somebody who could not read what was sent.
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
                let is_derived = is_key(plain, &derived);
                if !declassify_choice(is_derived | is_key(plain, own)) {
                    return Err(decryption_failed());
                }
                self.agreed = Some(Keys::Cbc(match declassify_choice(is_derived) {
                    true => derived,
                    false => AesWrapper::clone(own),
                }));
            }
            Some(Secret::GcmInitiator { random, ephemeral }) => {
                let responder = read_gcm_secret(plain)?;
                let (_, ciphertext) = received
                    .split_last_chunk::<CIPHERTEXT_SIZE>()
                    .ok_or_else(decryption_failed)?;
                let shared = ephemeral.finish(responder.x25519_public.as_slice(), ciphertext)?;
                let transcript = GcmTranscript {
                    is_server_initiator: self.role == Role::Server,
                    initiator_pem: local_pem(rsa)?,
                    responder_pem: &self.remote_pem,
                    initiator_secret: &self.first_secret,
                    responder_secret: received,
                };
                let keys = transcript.keys(&shared, random, &responder.random);
                self.agreed = Some(Keys::gcm(keys, self.role));
            }
            Some(Secret::GcmReceived(_) | Secret::GcmResponder { .. }) => {
                unreachable!("a secret is received once")
            }
        }
        Ok(())
    }

    /// Takes the peer's secret again, with the encapsulation key that was missing behind it, and
    /// makes what answers it.
    pub fn accept_encapsulation_key(&mut self, received: &[u8], random: FillRandom) -> Result<()> {
        let Some(Secret::GcmReceived(initiator)) = self.secret.take() else {
            unreachable!("an encapsulation key is missing");
        };
        let (_, key) = received
            .split_last_chunk::<ENCAPSULATION_KEY_SIZE>()
            .ok_or_else(decryption_failed)?;
        let response = ephemeral::Response::new(initiator.x25519_public.as_slice(), key, random)?;
        self.secret = Some(Secret::GcmResponder {
            initiator: initiator.random,
            response,
        });
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
                Protocol::Auto | Protocol::Gcm => Ok(Secret::GcmReceived(secret)),
                _ => mismatch("the peer wants the gcm framing; another was asked for"),
            }
        }
        32 | 40 | 48 if protocol == Protocol::Gcm => {
            mismatch("the peer wants a framing without authentication; gcm was asked for")
        }
        32 | 40 | 48 => {
            let (key, iv) = plain.split_at(plain.len() - BLOCK_SIZE);
            AesWrapper::from_key(key, iv, AesMode::Cbc).map(|key| Secret::Cbc(Box::new(key)))
        }
        _ => Err(decryption_failed()),
    }
}

/// Reads a secret that chooses gcm: its length first, which is none, then its first byte.
fn read_gcm_secret(plain: &[u8]) -> Result<GcmSecret> {
    let plain: &[u8; GCM_SECRET_SIZE] = plain.try_into().map_err(|_| decryption_failed())?;
    if !declassify_choice(plain[0].ct_eq(&GCM_SECRET)) {
        return Err(decryption_failed());
    }
    let (random, x25519_public) = plain[1..].split_at(RANDOM_SIZE);
    // It keeps the session secret to nobody but its owner.
    declassify_bytes(x25519_public);
    let mut secret = GcmSecret {
        random: Box::new(Zeroizing::new([0; RANDOM_SIZE])),
        x25519_public: Box::new(Zeroizing::new([0; X25519_SIZE])),
    };
    secret.random.copy_from_slice(random);
    secret.x25519_public.copy_from_slice(x25519_public);
    Ok(secret)
}

/// The key and its IV, encrypted for the peer.
fn wrap_key(rsa: &RsaWrapper, key: &AesWrapper) -> Result<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(key.key().len() + BLOCK_SIZE));
    plain.extend_from_slice(key.key());
    plain.extend_from_slice(key.iv());
    rsa.encrypt_data(&plain, false)
}

/// Whether a secret that came is this key and its IV.
fn is_key(plain: &[u8], expected: &AesWrapper) -> Choice {
    let (key, iv) = plain.split_at(plain.len().saturating_sub(BLOCK_SIZE));
    key.ct_eq(expected.key()) & iv.ct_eq(expected.iv())
}

/// What RSA protects of a gcm step, encrypted for the peer.
fn wrap_gcm(
    rsa: &RsaWrapper,
    random: &[u8; RANDOM_SIZE],
    x25519_public: &[u8; X25519_SIZE],
) -> Result<Vec<u8>> {
    let mut plain = Zeroizing::new([GCM_SECRET; GCM_SECRET_SIZE]);
    plain[1..1 + RANDOM_SIZE].copy_from_slice(random);
    plain[1 + RANDOM_SIZE..].copy_from_slice(x25519_public);
    rsa.encrypt_data(plain.as_slice(), false)
}

fn draw(random: FillRandom) -> Result<Random> {
    let mut bytes = Box::new(Zeroizing::new([0; RANDOM_SIZE]));
    random(bytes.as_mut_slice())?;
    Ok(bytes)
}

fn local_pem(rsa: &RsaWrapper) -> Result<&[u8]> {
    rsa.public_key()
        .map(str::as_bytes)
        .ok_or_else(|| Error::new(Reason::KeyMissing, "no local public RSA key is set"))
}
