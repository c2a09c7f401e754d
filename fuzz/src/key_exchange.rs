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
use super::model::framing::Wire;

const OWN_KEY: &str = include_str!("../../examples-c/tests/keys/server.pem");
const PEER_KEY: &str = include_str!("../../examples-c/tests/keys/peer-1.pem");
const LONGEST_PEM: usize = 16 * 1024;

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
    let mut exchange = Exchange::new(role, protocol, choices >> 3 & 1 == 1, &mut input);
    exchange
        .session
        .begin_exchange(Operation::ExchangeKeys { receive_first })
        .expect("the session is new");
    let ended = exchange.play(receive_first).is_err();
    assert_eq!(exchange.session.is_exchanged(), !ended);
    if exchange.session.has_failed() {
        check_failed(&mut exchange.session);
    } else if !ended {
        exchange.use_key();
    }
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
    /// The secrets and how they were wrapped, in the order of the steps.
    secrets: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'a, 'b> Exchange<'a, 'b> {
    fn new(role: Role, protocol: Protocol, is_separate: bool, input: &'b mut Input<'a>) -> Self {
        let mut config = Config::new(role);
        config.protocol = protocol;
        config.separate_computation = is_separate;
        config.random = draw;
        let mut session = Session::new(config);
        session.set_rsa_wrapper(own_keys()).unwrap();
        if protocol != Protocol::Gcm {
            let mut aes = AesWrapper::new(256, AesMode::Cbc).unwrap();
            aes.set_key(&[7; 32], &[8; 16]).unwrap();
            session.set_aes_wrapper(&aes).unwrap();
        }
        let piece = piece(input);
        Self {
            session,
            role,
            protocol,
            input,
            piece,
            outcome: None,
            sent: Vec::new(),
            peer_pem: Vec::new(),
            is_own_key: false,
            secrets: Vec::new(),
        }
    }

    fn play(&mut self, receive_first: bool) -> Step {
        if receive_first {
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
            .is_ok_and(|text| checker.receive_remote_public_key(text).is_ok());
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
        let secret = self.secret();
        let mut wrapped = peer_keys().encrypt_data(&secret, false).expect("it fits");
        let before = wrapped.clone();
        self.input.damage(&mut wrapped);
        wrapped.truncate(before.len());
        assert_eq!(self.bring(&wrapped), wrapped.len());
        if wrapped.len() < before.len() {
            return self.starve();
        }
        if wrapped != before {
            return self.expect_refusal(&[Reason::DecryptionFailed]);
        }
        let is_gcm = secret.len() == 33 && secret[0] == 5;
        let is_cbc = [32, 40, 48].contains(&secret.len());
        let refusal = if is_first {
            match self.protocol {
                _ if !is_gcm && !is_cbc => Some(Reason::DecryptionFailed),
                Protocol::Auto => None,
                Protocol::Gcm if is_gcm => None,
                Protocol::Gcm => Some(Reason::ProtocolMismatch),
                _ if is_gcm => Some(Reason::ProtocolMismatch),
                _ => None,
            }
        } else {
            let chose_gcm = self.protocol == Protocol::Gcm;
            let fits = if chose_gcm {
                is_gcm
            } else {
                secret == self.secrets[0].0 || secret == self.derived_secret(&secret)
            };
            (!fits).then_some(Reason::DecryptionFailed)
        };
        if let Some(reason) = refusal {
            return self.expect_refusal(&[reason]);
        }
        self.secrets.push((secret, wrapped));
        self.expect_answer(b'1');
        Ok(())
    }

    fn secret(&mut self) -> Vec<u8> {
        let echoed = self.secrets.first().map(|(secret, _)| secret.clone());
        let fill = self.input.byte();
        let size = match self.input.below(12) {
            0..4 => match echoed {
                Some(secret) if secret.len() != 33 && fill.is_multiple_of(2) => return secret,
                Some(secret) if secret.len() != 33 => return self.derived_secret(&[fill; 16]),
                _ => 33,
            },
            4..6 => 48,
            6 => 32,
            7 => 40,
            8 => self.input.below(191),
            9 => return self.input.chunk()[..].iter().copied().take(190).collect(),
            _ => 33,
        };
        let mut secret = vec![fill; size];
        if let (33, Some(first)) = (size, secret.first_mut()) {
            *first = 5;
        }
        secret
    }

    fn send_secret(&mut self) -> Step {
        if self.sent.is_empty() && self.outcome.is_none() {
            self.bring(&[]);
        }
        let wrapped = std::mem::take(&mut self.sent);
        if !self.is_own_key {
            // Nobody can read it.
            self.session.end();
            return Err(Ended);
        }
        let secret = peer_keys()
            .decrypt_data(&wrapped)
            .expect("it is the peer's")
            .to_vec();
        match self.secrets.first() {
            Some((first, _)) if first.len() == 33 => assert!(secret.len() == 33 && secret[0] == 5),
            Some(_) => assert_eq!(secret, self.derived_secret(&secret)),
            None if self.protocol == Protocol::Gcm => assert!(secret.len() == 33 && secret[0] == 5),
            None => assert_eq!(secret, [[7; 32].as_slice(), &[8; 16]].concat()),
        }
        self.secrets.push((secret, wrapped));
        self.answer()
    }

    /// The session has the key that the description of the protocol says.
    fn use_key(&mut self) {
        assert!(matches!(self.outcome, Some(Ok(None))), "{:?}", self.outcome);
        assert!(self.session.operation().is_none());
        let (first, first_wrapped) = self.secrets[0].clone();
        let (second, second_wrapped) = self.secrets[1].clone();
        let is_gcm = first.len() == 33;
        let (key, iv) = if is_gcm {
            let input = [&first[1..], &second[1..]].concat();
            let key = self.derive(&first_wrapped, &second_wrapped, &input, b"anwdl gcm v1", 32);
            (key, [0; 16])
        } else {
            let (key, iv) = second.split_last_chunk::<16>().unwrap();
            (key.to_vec(), *iv)
        };
        let aes = self.session.aes_wrapper().expect("the keys are exchanged");
        assert_eq!(aes.key(), key);
        self.receive_request(is_gcm, key, iv);
    }

    /// What answers the first secret in step 11, with the IV at the end of `answer`.
    fn derived_secret(&self, answer: &[u8]) -> Vec<u8> {
        let (first, wrapped) = &self.secrets[0];
        let Some(iv) = answer.last_chunk::<16>() else {
            return Vec::new();
        };
        let mut secret = self.derive(wrapped, iv, first, b"anwdl step 11 v1", first.len() - 16);
        secret.extend_from_slice(iv);
        secret
    }

    fn derive(
        &self,
        first: &[u8],
        second: &[u8],
        input: &[u8],
        info: &[u8],
        len: usize,
    ) -> Vec<u8> {
        let own = own_pem().as_bytes();
        // The initiator is the side whose secret came first.
        let is_initiator = peer_keys().decrypt_data(first).is_ok();
        let (initiator, responder) = match is_initiator {
            true => (own, self.peer_pem.as_slice()),
            false => (self.peer_pem.as_slice(), own),
        };
        let mut hash = Sha256::new();
        for part in [initiator, responder, first, second] {
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part);
        }
        let mut key = vec![0; len];
        Hkdf::<Sha256>::new(Some(&hash.finalize()), input)
            .expand(info, &mut key)
            .unwrap();
        key
    }

    fn receive_request(&mut self, is_gcm: bool, key: Vec<u8>, iv: [u8; 16]) {
        if self.role == Role::Client {
            return;
        }
        let framing = if is_gcm { Protocol::Gcm } else { Protocol::V4 };
        let wire = Wire {
            role: self.role,
            pinned: self.protocol,
            settled: None,
            key,
            iv,
            largest: 0,
            sent: 0,
            received: 0,
        };
        let text = br#"{"verb": "STAT", "parameters": {}}"#;
        let bytes = wire.write(framing, text, [9; 16]);
        self.session.begin_receive().expect("it is ready");
        match go_on(&mut self.session, &bytes, self.piece, &mut self.sent) {
            (_, Some(Ok(Some(Message::Request(request))))) => assert_eq!(request.verb(), "STAT"),
            other => panic!("{other:?}"),
        }
        let again = self.session.begin_exchange(Operation::SendPublicKey);
        let exchanged = Some(Reason::KeysAlreadyExchanged);
        assert_eq!(again.err().as_ref().and_then(Error::reason), exchanged);
    }
}
