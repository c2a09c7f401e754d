//! The key exchange, in both roles and both orders, with a peer whose every message can be good,
//! damaged or of its own making. Nobody guesses a wrapped secret, so the peer wraps those that
//! the input chooses.

use std::sync::OnceLock;

use anwdl::error::Result;
use anwdl::protocol::session::{Config, Message, Operation, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper, Error, Reason, RsaWrapper};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};

use super::drive::{check_failed, draw, go_on, piece, reset_generator};
use super::input::Input;
use super::model::framing::{Keys, Wire};
use super::model::gcm::{self, CIPHERTEXT_SIZE, ENCAPSULATION_KEY_SIZE, SessionKeys, Transcript};

const OWN_KEY: &str = include_str!("../../examples-c/tests/keys/server.pem");
const PEER_KEY: &str = include_str!("../../examples-c/tests/keys/peer-1.pem");
const LONGEST_PEM: usize = 16 * 1024;
/// A public key of X25519 whose owner shares nothing with anybody.
const LOW_ORDER: [u8; 32] = [0; 32];

/// The exchange has ended before its time, as it had to.
struct Ended;

type Step = std::result::Result<(), Ended>;

pub fn run(role: Role, data: &[u8]) {
    reset_generator();
    let mut input = Input::new(data);
    let choices = input.byte();
    let receive_first = (choices & 1 == 1) == (role == Role::Client);
    let protocol = [Protocol::Auto, Protocol::V4, Protocol::Gcm, Protocol::Auto]
        [usize::from(choices >> 1) % 4];
    let mut config = Config::new(role);
    config.protocol = protocol;
    config.separate_computation = choices >> 3 & 1 == 1;
    config.random = draw;
    let mut exchange = Exchange::new(config, receive_first, &mut input);
    let ended = exchange.play().is_err();
    assert_eq!(exchange.session.is_exchanged(), !ended);
    if exchange.session.has_failed() {
        check_failed(&mut exchange.session);
    } else if !ended {
        exchange.use_keys();
    }
}

/// A session that has exchanged keys for gcm with a peer that does what it should.
pub fn exchanged(config: Config) -> (Session, SessionKeys) {
    let receive_first = config.role == Role::Server;
    let mut nothing = Input::new(&[]);
    let mut exchange = Exchange::new(config, receive_first, &mut nothing);
    assert!(exchange.play().is_ok() && exchange.session.is_exchanged());
    let shared = exchange.shared.take().expect("nothing was altered");
    let keys = exchange.gcm_keys(&shared);
    (exchange.session, keys)
}

fn wrapper(pem: &str) -> RsaWrapper {
    let mut wrapper = RsaWrapper::new(false).unwrap();
    wrapper.set_private_key(pem, true).unwrap();
    wrapper
}

fn own_keys() -> &'static RsaWrapper {
    static KEYS: OnceLock<RsaWrapper> = OnceLock::new();
    KEYS.get_or_init(|| wrapper(OWN_KEY))
}

fn peer_keys() -> &'static RsaWrapper {
    static KEYS: OnceLock<RsaWrapper> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut keys = wrapper(PEER_KEY);
        keys.set_remote_public_key(own_pem()).unwrap();
        keys
    })
}

fn own_pem() -> &'static str {
    own_keys().public_key().unwrap()
}

struct Exchange<'a, 'b> {
    session: Session,
    role: Role,
    protocol: Protocol,
    receive_first: bool,
    input: &'b mut Input<'a>,
    piece: usize,
    /// What the operation has ended with.
    outcome: Option<Result<Option<Message>>>,
    /// What the session has written and the peer has not read yet.
    sent: Vec<u8>,
    /// Of the peer, as it came over the wire.
    peer_pem: Vec<u8>,
    /// Whether that is the one whose private key the peer has.
    is_own_key: bool,
    /// The secrets and all of the steps that carried them, in their order.
    secrets: Vec<(Vec<u8>, Vec<u8>)>,
    /// The ephemeral keys of the peer, if it began and sent them as they are.
    initiator: Option<gcm::Initiator>,
    /// What goes into the keys of gcm. `None` where the peer cannot know it.
    shared: Option<Vec<u8>>,
}

/// What the peer says in a step: a secret, what stands in clear behind it, and what both sides
/// share then, as far as the peer knows it.
struct Offer {
    secret: Vec<u8>,
    clear: Vec<u8>,
    initiator: Option<gcm::Initiator>,
    shared: Option<Vec<u8>>,
}

fn is_gcm(secret: &[u8]) -> bool {
    secret.len() == gcm::SECRET_SIZE && secret[0] == gcm::CHOICE
}

fn is_of_low_order(secret: &[u8]) -> bool {
    gcm::is_of_low_order(secret.last_chunk().expect("a secret of gcm"))
}

impl<'a, 'b> Exchange<'a, 'b> {
    /// With the operation begun.
    fn new(config: Config, receive_first: bool, input: &'b mut Input<'a>) -> Self {
        let (role, protocol) = (config.role, config.protocol);
        let mut session = Session::new(config);
        session.set_rsa_wrapper(own_keys()).unwrap();
        if protocol != Protocol::Gcm {
            let mut aes = AesWrapper::new(256, AesMode::Cbc).unwrap();
            aes.set_key(&[7; 32], &[8; 16]).unwrap();
            session.set_aes_wrapper(&aes).unwrap();
        }
        session
            .begin_exchange(Operation::ExchangeKeys { receive_first })
            .expect("the session is new");
        let piece = piece(input);
        Self {
            session,
            role,
            protocol,
            receive_first,
            input,
            piece,
            outcome: None,
            sent: Vec::new(),
            peer_pem: Vec::new(),
            is_own_key: false,
            secrets: Vec::new(),
            initiator: None,
            shared: None,
        }
    }

    fn play(&mut self) -> Step {
        if self.receive_first {
            self.receive_public_key()?;
            self.send_public_key()?;
            self.receive_secret()?;
            self.send_secret()
        } else {
            self.send_public_key()?;
            self.receive_public_key()?;
            self.send_secret()?;
            self.receive_secret()
        }
    }

    /// Brings bytes of the peer's to the session.
    fn bring(&mut self, bytes: &[u8]) -> usize {
        let (taken, outcome) = go_on(&mut self.session, bytes, self.piece, &mut self.sent);
        self.outcome = outcome;
        taken
    }

    /// What the session wrote since, which begins with this answer.
    fn expect_answer(&mut self, answer: u8) {
        assert_eq!(self.sent.first(), Some(&answer));
        self.sent.remove(0);
    }

    fn expect_refusal(&mut self, reasons: &[Reason]) -> Step {
        self.expect_answer(b'0');
        assert!(self.sent.is_empty());
        let outcome = self.outcome.take().expect("it has ended");
        let reason = outcome.expect_err("it was refused").reason().unwrap();
        assert!(reasons.contains(&reason), "{reason:?}");
        assert!(self.session.has_failed());
        Err(Ended)
    }

    /// The peer has no more to say.
    fn starve(&mut self) -> Step {
        assert!(self.outcome.is_none(), "{:?}", self.outcome);
        self.session.end();
        Err(Ended)
    }

    /// The peer answers; a session that is refused goes on.
    fn answer(&mut self) -> Step {
        let answer = match self.input.below(16) {
            15 => self.input.byte(),
            _ => b'1',
        };
        assert_eq!(self.bring(&[answer]), 1);
        if answer == b'1' {
            return Ok(());
        }
        let outcome = self.outcome.take().expect("it has ended");
        let error = outcome.expect_err("it was refused");
        assert_eq!(error.reason(), Some(Reason::PeerRefused));
        assert!(!self.session.has_failed() && self.session.operation().is_none());
        Err(Ended)
    }

    fn receive_public_key(&mut self) -> Step {
        let pem = self.public_key();
        let mut header = format!("{:=<8}", pem.len()).into_bytes();
        self.input.damage(&mut header);
        header.truncate(8);
        assert_eq!(self.bring(&header), header.len());
        if header.len() < 8 {
            return self.starve();
        }
        let digits: Vec<u8> = header[..8]
            .iter()
            .copied()
            .take_while(u8::is_ascii_digit)
            .collect();
        let is_length =
            !digits.is_empty() && header[digits.len()..8].iter().all(|&byte| byte == b'=');
        let len = std::str::from_utf8(&digits).unwrap().parse().unwrap_or(0);
        if !is_length || len == 0 {
            return self.expect_refusal(&[Reason::ProtocolViolation]);
        }
        if len > LONGEST_PEM {
            return self.expect_refusal(&[Reason::MessageTooLarge]);
        }
        self.expect_answer(b'1');
        let come = &pem[..pem.len().min(len)];
        assert_eq!(self.bring(come), come.len());
        if pem.len() < len {
            return self.starve();
        }
        // The target `pem` knows which keys are good.
        let mut checker = RsaWrapper::new(false).unwrap();
        let is_good = std::str::from_utf8(&pem[..len])
            .is_ok_and(|text| checker.set_received_public_key(text).is_ok());
        if !is_good {
            return self.expect_refusal(&[Reason::InvalidKey]);
        }
        self.expect_answer(b'1');
        self.is_own_key = checker.remote_public_key().as_deref() == peer_keys().public_key();
        self.peer_pem = pem[..len].to_vec();
        Ok(())
    }

    fn public_key(&mut self) -> Vec<u8> {
        let mut pem = match self.input.below(12) {
            10 => own_pem().as_bytes().to_vec(),
            11 => self.input.chunk().to_vec(),
            _ => peer_keys().public_key().unwrap().as_bytes().to_vec(),
        };
        self.input.damage(&mut pem);
        pem
    }

    fn send_public_key(&mut self) -> Step {
        if self.sent.is_empty() {
            self.bring(&[]);
        }
        assert_eq!(self.sent, format!("{:=<8}", own_pem().len()).as_bytes());
        self.sent.clear();
        self.answer()?;
        assert_eq!(self.sent, own_pem().as_bytes());
        self.sent.clear();
        self.answer()
    }

    fn receive_secret(&mut self) -> Step {
        let is_first = self.secrets.is_empty();
        let chose_gcm = !is_first && self.protocol == Protocol::Gcm;
        let mut offer = self.offer();
        let clear = offer.clear.clone();
        if chose_gcm || is_gcm(&offer.secret) {
            self.input.damage(&mut offer.clear);
            offer.clear.truncate(clear.len());
        }
        if offer.clear != clear {
            // What is shared now, the other side alone could tell.
            (offer.initiator, offer.shared) = (None, None);
        }
        let mut wrapped = peer_keys()
            .encrypt_data(&offer.secret, false)
            .expect("it fits");
        let before = wrapped.clone();
        self.input.damage(&mut wrapped);
        wrapped.truncate(before.len());
        let mut step = wrapped.clone();
        // A session that has chosen gcm knows what follows, any other learns it from the secret.
        if chose_gcm && wrapped.len() == before.len() {
            step.extend_from_slice(&offer.clear);
        }
        assert_eq!(self.bring(&step), step.len());
        if wrapped.len() < before.len() || chose_gcm && offer.clear.len() < clear.len() {
            return self.starve();
        }
        if wrapped != before {
            return self.expect_refusal(&[Reason::DecryptionFailed]);
        }
        if let Some(reason) = self.refusal(&offer.secret) {
            return self.expect_refusal(&[reason]);
        }
        if is_gcm(&offer.secret) && !chose_gcm {
            assert!(self.sent.is_empty() && self.outcome.is_none());
            assert_eq!(self.bring(&offer.clear), offer.clear.len());
            if offer.clear.len() < ENCAPSULATION_KEY_SIZE {
                return self.starve();
            }
            if is_of_low_order(&offer.secret) || !gcm::is_encapsulation_key(&offer.clear) {
                return self.expect_refusal(&[Reason::DecryptionFailed]);
            }
            step.extend_from_slice(&offer.clear);
        }
        self.secrets.push((offer.secret, step));
        (self.initiator, self.shared) = (offer.initiator, offer.shared);
        self.expect_answer(b'1');
        Ok(())
    }

    /// Why the session must refuse such a secret, once it has all that it waits for.
    fn refusal(&self, secret: &[u8]) -> Option<Reason> {
        let is_cbc = [32, 40, 48].contains(&secret.len());
        if self.secrets.is_empty() {
            return match self.protocol {
                _ if !is_gcm(secret) && !is_cbc => Some(Reason::DecryptionFailed),
                Protocol::Auto => None,
                Protocol::Gcm if is_gcm(secret) => None,
                Protocol::Gcm => Some(Reason::ProtocolMismatch),
                _ if is_gcm(secret) => Some(Reason::ProtocolMismatch),
                _ => None,
            };
        }
        let fits = match self.protocol {
            Protocol::Gcm => is_gcm(secret) && !is_of_low_order(secret),
            _ => secret == self.secrets[0].0 || secret == self.derived_secret(secret),
        };
        (!fits).then_some(Reason::DecryptionFailed)
    }

    fn offer(&mut self) -> Offer {
        let fill = self.input.byte();
        let size = match self.input.below(12) {
            0..4 => match self.secrets.first() {
                Some((secret, _)) if !is_gcm(secret) && fill.is_multiple_of(2) => {
                    return Offer::without_gcm(secret.clone(), 0);
                }
                Some((secret, _)) if !is_gcm(secret) => {
                    return Offer::without_gcm(self.derived_secret(&[fill; 16]), 0);
                }
                _ => return self.gcm_offer(fill),
            },
            4..6 => 48,
            6 => 32,
            7 => 40,
            8 => self.input.below(191),
            9 => {
                let secret = self.input.chunk()[..].iter().copied().take(190).collect();
                return Offer::without_gcm(secret, fill);
            }
            _ => return self.gcm_offer(fill),
        };
        Offer::without_gcm(vec![fill; size], fill)
    }

    fn gcm_offer(&self, fill: u8) -> Offer {
        let mut offer = match self.secrets.first() {
            Some((secret, step)) if is_gcm(secret) => {
                let key = step.last_chunk::<ENCAPSULATION_KEY_SIZE>();
                let (secret, clear, shared) = gcm::respond(secret, key.expect("it is there"));
                Offer {
                    secret,
                    clear,
                    initiator: None,
                    shared: Some(shared),
                }
            }
            _ => {
                let initiator = gcm::Initiator::new();
                Offer {
                    secret: initiator.secret(),
                    clear: initiator.encapsulation_key(),
                    initiator: Some(initiator),
                    shared: None,
                }
            }
        };
        let other_key = match fill % 16 {
            13 => LOW_ORDER,
            14 => [fill; 32],
            15 => {
                offer.secret[0] ^= fill;
                return offer;
            }
            _ => return offer,
        };
        offer.secret[gcm::SECRET_SIZE - other_key.len()..].copy_from_slice(&other_key);
        (offer.initiator, offer.shared) = (None, None);
        offer
    }

    fn send_secret(&mut self) -> Step {
        if self.sent.is_empty() && self.outcome.is_none() {
            self.bring(&[]);
        }
        let step = std::mem::take(&mut self.sent);
        if !self.is_own_key {
            // Nobody can read it.
            self.session.end();
            return Err(Ended);
        }
        let (wrapped, clear) = step.split_at(peer_keys().key_size() as usize / 8);
        let secret = peer_keys()
            .decrypt_data(wrapped)
            .expect("it is the peer's")
            .to_vec();
        match self.secrets.first() {
            Some((first, _)) if is_gcm(first) => {
                assert!(is_gcm(&secret) && clear.len() == CIPHERTEXT_SIZE);
                let initiator = self.initiator.take();
                self.shared = initiator.map(|initiator| initiator.input(&secret, clear));
            }
            Some(_) => assert!(clear.is_empty() && secret == self.derived_secret(&secret)),
            None if self.protocol == Protocol::Gcm => {
                assert!(is_gcm(&secret) && gcm::is_encapsulation_key(clear));
            }
            None => {
                assert_eq!(secret, [[7; 32].as_slice(), &[8; 16]].concat());
                assert!(clear.is_empty());
            }
        }
        self.secrets.push((secret, step));
        self.answer()
    }

    /// The session has the keys that the description of the protocol says.
    fn use_keys(&mut self) {
        assert!(matches!(self.outcome, Some(Ok(None))), "{:?}", self.outcome);
        assert!(self.session.operation().is_none());
        let (secret, _) = self.secrets[1].clone();
        if is_gcm(&secret) {
            assert!(self.session.aes_wrapper().is_none());
            let shared = self.shared.take();
            let keys = self.gcm_keys(shared.as_deref().unwrap_or_default());
            self.converse(Protocol::Gcm, Keys::Gcm(Box::new(keys)), shared.is_some());
        } else {
            let (key, iv) = secret.split_last_chunk::<16>().unwrap();
            let (key, iv) = (key.to_vec(), *iv);
            let aes = self.session.aes_wrapper().expect("the keys are exchanged");
            assert_eq!(aes.key(), key);
            self.converse(Protocol::V4, Keys::Cbc { key, iv }, true);
        }
    }

    /// Who sent the first secret, and the public keys of both sides, its own first.
    fn initiator(&self) -> (Role, [&str; 2]) {
        let peer_pem = std::str::from_utf8(&self.peer_pem).expect("a PEM is text");
        let peer = match self.role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        match self.receive_first {
            true => (peer, [peer_pem, own_pem()]),
            false => (self.role, [own_pem(), peer_pem]),
        }
    }

    fn gcm_keys(&self, shared: &[u8]) -> SessionKeys {
        let (initiator, [initiator_pem, responder_pem]) = self.initiator();
        let transcript = Transcript {
            initiator,
            initiator_pem,
            responder_pem,
            initiator_secret: &self.secrets[0].1,
            responder_secret: &self.secrets[1].1,
        };
        transcript.keys(shared)
    }

    /// What answers the first secret in step 11, with the IV at the end of `answer`.
    fn derived_secret(&self, answer: &[u8]) -> Vec<u8> {
        let (first, wrapped) = &self.secrets[0];
        let Some(iv) = answer.last_chunk::<16>() else {
            return Vec::new();
        };
        let (_, [initiator_pem, responder_pem]) = self.initiator();
        let mut hash = Sha256::new();
        for part in [
            initiator_pem.as_bytes(),
            responder_pem.as_bytes(),
            wrapped,
            iv,
        ] {
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part);
        }
        let mut secret = vec![0; first.len() - iv.len()];
        Hkdf::<Sha256>::new(Some(&hash.finalize()), first)
            .expand(b"anwdl step 11 v1", &mut secret)
            .unwrap();
        secret.extend_from_slice(iv);
        secret
    }

    /// A message of the peer's and, in gcm, one of the session's, which the other side reads if
    /// both have the same keys.
    fn converse(&mut self, framing: Protocol, keys: Keys, are_shared: bool) {
        if self.role == Role::Client && framing != Protocol::Gcm {
            return;
        }
        let mut wire = Wire {
            role: self.role,
            pinned: self.protocol,
            settled: None,
            keys,
            largest: 0,
            sent: 0,
            received: 0,
        };
        let text: &[u8] = match self.role {
            Role::Server => br#"{"verb": "STAT", "parameters": {}}"#,
            Role::Client => br#"{"success": true, "message": "OK", "data": {}}"#,
        };
        let bytes = wire.write(framing, text, [9; 16]);
        self.session.begin_receive().expect("it is ready");
        match go_on(&mut self.session, &bytes, self.piece, &mut self.sent).1 {
            Some(Err(error)) if !are_shared => {
                assert_eq!(error.reason(), Some(Reason::DecryptionFailed));
                return check_failed(&mut self.session);
            }
            Some(Ok(Some(Message::Request(request)))) => assert_eq!(request.verb(), "STAT"),
            Some(Ok(Some(Message::Response(response)))) => assert_eq!(response.message(), "OK"),
            other => panic!("{other:?}"),
        }
        assert!(are_shared);
        if framing == Protocol::Gcm {
            self.hear(&mut wire);
        }
        let again = self.session.begin_exchange(Operation::SendPublicKey);
        let exchanged = Some(Reason::KeysAlreadyExchanged);
        assert_eq!(again.err().as_ref().and_then(Error::reason), exchanged);
    }

    fn hear(&mut self, wire: &mut Wire) {
        let begun = match self.role {
            Role::Server => self.session.begin_response(true, "OK", None, None),
            Role::Client => self.session.begin_request("STAT", None),
        };
        begun.expect("it is ready");
        let mut packet = Vec::new();
        let (_, outcome) = go_on(&mut self.session, &[], self.piece, &mut packet);
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
        assert!(wire.sent_packet(Protocol::Gcm, &packet).starts_with(b"{"));
    }
}

impl Offer {
    /// A secret that chooses no gcm, with what a session that has chosen it waits for all the same.
    fn without_gcm(secret: Vec<u8>, fill: u8) -> Self {
        Self {
            secret,
            clear: vec![fill; CIPHERTEXT_SIZE],
            initiator: None,
            shared: None,
        }
    }
}
