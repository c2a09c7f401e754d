//! The key exchange: which of its four steps are done, and the secret that they agree on.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::Protocol;
use super::framing::FillRandom;
use crate::crypto::aes::{BLOCK_SIZE, decryption_failed};
use crate::crypto::key_derivation::{AesKeyTranscript, RANDOM_SIZE, Transcript};
use crate::crypto::{AesMode, AesWrapper, RsaWrapper};
use crate::error::{Error, Reason, Result};
use crate::negative_control::is_broken;
use crate::verdict::verdict;

/// The size in bits of an AES key that this side makes.
const OWN_KEY_SIZE: u32 = 256;
/// The first byte of a secret that chooses the gcm framing.
const GCM_SECRET: u8 = 0x05;
const GCM_SECRET_SIZE: usize = 1 + RANDOM_SIZE;

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
#[derive(Default)]
pub struct KeyExchange {
    done: Vec<Step>,
    /// The peer's PEM text exactly as it came.
    remote_pem: Vec<u8>,
    /// What the step that came first carried.
    first_wrapped_secret: Vec<u8>,
    secret: Option<Secret>,
    /// The key of the session, from the moment when both secrets are known until the step that
    /// settled it is done.
    agreed: Option<AesWrapper>,
}

/// Both in boxes, so that it has no padding: there, a move would leave what lay in its place on
/// the stack, such as a part of a key.
enum Secret {
    Cbc(Box<AesWrapper>),
    Gcm {
        initiator: Box<Zeroizing<[u8; RANDOM_SIZE]>>,
    },
}

impl KeyExchange {
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
            self.first_wrapped_secret.clear();
        }
        self.agreed = None;
    }

    /// The key of the session, once the step is done that settles it. A copy: the original is
    /// wiped where it lies, which a value that was moved away is not.
    pub fn agreed_key(&self) -> Option<AesWrapper> {
        self.agreed.clone()
    }

    /// Takes the peer's public key as it came over the wire.
    pub fn accept_public_key(&mut self, rsa: &mut RsaWrapper, pem: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(pem)
            .map_err(|_| Error::new(Reason::InvalidKey, "the peer's public key is no PEM text"))?;
        let mut text = text;
        if is_broken("each client has its own peer's key") {
            static FIRST: std::sync::OnceLock<String> = std::sync::OnceLock::new();
            text = FIRST.get_or_init(|| text.to_owned());
        }
        rsa.receive_remote_public_key(text)?;
        self.remote_pem = pem.to_vec();
        Ok(())
    }

    /// The wrapped secret that this side sends: the answer to the one that it received, its
    /// own AES key, or what chooses gcm. With `key_echo`, an AES key is answered with itself.
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
            None => match own_key {
                Some(key) if key.mode() == AesMode::Cbc => Secret::Cbc(Box::new(key.clone())),
                None if protocol != Protocol::Gcm => {
                    Secret::Cbc(Box::new(AesWrapper::new(OWN_KEY_SIZE, AesMode::Cbc)?))
                }
                _ => Secret::Gcm {
                    initiator: Box::new(draw(random)?),
                },
            },
        };
        let wrapped = match self.secret.insert(chosen) {
            Secret::Cbc(key) if is_first => wrap_key(rsa, key)?,
            Secret::Cbc(received) => {
                let answer = if key_echo || is_broken("a received key is never sent back") {
                    AesWrapper::clone(received)
                } else {
                    let transcript = AesKeyTranscript {
                        initiator_pem: &self.remote_pem,
                        responder_pem: local_pem(rsa)?,
                        initiator_wrapped_secret: &self.first_wrapped_secret,
                    };
                    let mut iv = [0; BLOCK_SIZE];
                    random(&mut iv)?;
                    transcript.answer(received, &iv)?
                };
                wrap_key(rsa, self.agreed.insert(answer))?
            }
            Secret::Gcm { initiator } if is_first => {
                rsa.encrypt_data(gcm_secret(initiator).as_slice(), false)?
            }
            Secret::Gcm { initiator } => {
                let responder = draw(random)?;
                let wrapped = rsa.encrypt_data(gcm_secret(&responder).as_slice(), false)?;
                let transcript = Transcript {
                    initiator_pem: &self.remote_pem,
                    responder_pem: local_pem(rsa)?,
                    initiator_wrapped_secret: &self.first_wrapped_secret,
                    responder_wrapped_secret: &wrapped,
                };
                self.agreed = Some(transcript.session_key(initiator, &responder)?);
                wrapped
            }
        };
        if is_first {
            self.first_wrapped_secret.clone_from(&wrapped);
        }
        Ok(wrapped)
    }

    /// Takes the peer's wrapped secret.
    pub fn accept_secret(
        &mut self,
        rsa: &RsaWrapper,
        wrapped: &[u8],
        protocol: Protocol,
    ) -> Result<()> {
        let plain = rsa.decrypt_data(wrapped);
        if is_broken("a secret is decrypted once") {
            let _ = rsa.decrypt_data(wrapped);
        }
        self.accept_plain_secret(rsa, &plain?, wrapped, protocol)
    }

    /// Takes the peer's secret, once it was unwrapped.
    pub(crate) fn accept_plain_secret(
        &mut self,
        rsa: &RsaWrapper,
        plain: &[u8],
        wrapped: &[u8],
        protocol: Protocol,
    ) -> Result<()> {
        match &self.secret {
            None => {
                self.secret = Some(read_secret(plain, protocol)?);
                self.first_wrapped_secret = wrapped.to_vec();
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
                    initiator_wrapped_secret: &self.first_wrapped_secret,
                };
                let derived = transcript.answer(own, &iv)?;
                let is_derived = is_key(plain, &derived);
                if !verdict(is_derived | is_key(plain, own))
                    && !is_broken("the secret that comes back is the one that was sent")
                {
                    return Err(decryption_failed());
                }
                self.agreed = Some(match verdict(is_derived) {
                    true => derived,
                    false => AesWrapper::clone(own),
                });
            }
            Some(Secret::Gcm { initiator }) => {
                let responder = read_gcm_secret(plain)?;
                let transcript = Transcript {
                    initiator_pem: local_pem(rsa)?,
                    responder_pem: &self.remote_pem,
                    initiator_wrapped_secret: &self.first_wrapped_secret,
                    responder_wrapped_secret: wrapped,
                };
                self.agreed = Some(transcript.session_key(initiator, &responder)?);
            }
        }
        Ok(())
    }
}

fn read_secret(plain: &[u8], protocol: Protocol) -> Result<Secret> {
    let mismatch = |message| Err(Error::new(Reason::ProtocolMismatch, message));
    match plain.len() {
        GCM_SECRET_SIZE => {
            let initiator = Box::new(read_gcm_secret(plain)?);
            match protocol {
                Protocol::Auto | Protocol::Gcm => Ok(Secret::Gcm { initiator }),
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
        _ if is_broken("a secret has the size of a key and an IV") => {
            AesWrapper::new(OWN_KEY_SIZE, AesMode::Cbc).map(|key| Secret::Cbc(Box::new(key)))
        }
        _ => Err(decryption_failed()),
    }
}

/// Reads a secret that chooses gcm: its length first, which is none, then its first byte.
fn read_gcm_secret(plain: &[u8]) -> Result<Zeroizing<[u8; RANDOM_SIZE]>> {
    let plain: &[u8; GCM_SECRET_SIZE] = plain.try_into().map_err(|_| decryption_failed())?;
    if is_broken("the first byte of a secret is compared in constant time") && plain[0] > 0x7f {
        return Err(decryption_failed());
    }
    if !verdict(plain[0].ct_eq(&GCM_SECRET)) {
        return Err(decryption_failed());
    }
    let mut random = Zeroizing::new([0; RANDOM_SIZE]);
    random.copy_from_slice(&plain[1..]);
    Ok(random)
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

fn gcm_secret(random: &[u8; RANDOM_SIZE]) -> Zeroizing<[u8; GCM_SECRET_SIZE]> {
    let mut secret = Zeroizing::new([GCM_SECRET; GCM_SECRET_SIZE]);
    secret[1..].copy_from_slice(random);
    secret
}

fn draw(random: FillRandom) -> Result<Zeroizing<[u8; RANDOM_SIZE]>> {
    let mut bytes = Zeroizing::new([0; RANDOM_SIZE]);
    random(bytes.as_mut_slice())?;
    Ok(bytes)
}

fn local_pem(rsa: &RsaWrapper) -> Result<&[u8]> {
    rsa.public_key()
        .map(str::as_bytes)
        .ok_or_else(|| Error::new(Reason::KeyMissing, "no local public RSA key is set"))
}
