//! Two sessions that talk to each other in memory.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::HashMap;
use std::mem::take;
use std::sync::{LazyLock, Mutex, PoisonError};

use anwdl::protocol::session::{Config, Message, Operation, Progress, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper, Error, Reason, RsaWrapper};

pub mod gcm;

pub const FRAMINGS: [Protocol; 4] = [Protocol::V2, Protocol::V3, Protocol::V4, Protocol::Gcm];
pub const CLIENT_KEY: &str = include_str!("../../examples-c/tests/keys/peer-1.pem");
pub const SERVER_KEY: &str = include_str!("../../examples-c/tests/keys/server.pem");
pub const STRANGER_KEY: &str = include_str!("../../examples-c/tests/keys/peer-2.pem");
pub const BLOCK_SIZE: usize = 16;

/// How an operation ended; `None` if it waits for bytes.
pub type Outcome = Option<Result<Option<Message>, Error>>;

/// A key pair. Reading one takes longer than a key exchange, as it is checked, and tests ask for the same few again and again.
pub fn rsa(pem: &str) -> RsaWrapper {
    static READ: LazyLock<Mutex<HashMap<String, RsaWrapper>>> = LazyLock::new(Default::default);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let wrapper = read.entry(pem.to_owned()).or_insert_with(|| {
        let mut wrapper = RsaWrapper::new(false).unwrap();
        wrapper.set_private_key(pem, true).unwrap();
        wrapper
    });
    wrapper.clone()
}

pub fn session(role: Role, protocol: Protocol, pem: &str) -> Session {
    let mut config = Config::new(role);
    config.protocol = protocol;
    let mut session = Session::new(config);
    session.set_rsa_wrapper(&rsa(pem)).unwrap();
    session
}

pub fn pair(client: Protocol, server: Protocol) -> (Session, Session) {
    (
        session(Role::Client, client, CLIENT_KEY),
        session(Role::Server, server, SERVER_KEY),
    )
}

/// A session of v2, v3 or v4 whose key is known from the start, as it is the same for every caller.
pub fn preset(role: Role, protocol: Protocol) -> Session {
    let mut key = AesWrapper::new(256, AesMode::Cbc).unwrap();
    key.set_key(&[1; 32], &[2; BLOCK_SIZE]).unwrap();
    preset_with(role, protocol, &key)
}

pub fn preset_with(role: Role, protocol: Protocol, key: &AesWrapper) -> Session {
    let mut config = Config::new(role);
    config.exchange_keys = false;
    config.protocol = match role {
        Role::Client => protocol,
        Role::Server => Protocol::Auto,
    };
    let mut session = Session::new(config);
    session.set_aes_wrapper(key).unwrap();
    session
}

/// Takes the operation of a session as far as the bytes in `inbox` go.
pub fn go_on(session: &mut Session, inbox: &mut Vec<u8>, outbox: &mut Vec<u8>) -> Outcome {
    loop {
        match session.advance() {
            Err(error) => return Some(Err(error)),
            Ok(Progress::Done(message)) => return Some(Ok(message)),
            Ok(Progress::Write) => {
                outbox.extend_from_slice(session.pending());
                let count = session.pending().len();
                session.sent(count);
            }
            Ok(Progress::Compute) => unreachable!("the computation is not separate"),
            Ok(Progress::Read) if inbox.is_empty() => return None,
            Ok(Progress::Read) => {
                let space = session.receive_buffer();
                let count = space.len().min(inbox.len());
                space[..count].copy_from_slice(&inbox[..count]);
                inbox.drain(..count);
                session.received(count);
            }
        }
    }
}

/// Carries bytes between two sessions until both operations ended or nothing moves.
pub fn shuttle(one: &mut Session, other: &mut Session) -> (Outcome, Outcome) {
    recorded_shuttle(one, other, &mut Vec::new())
}

/// The same, and adds all that `one` sends to `recording`.
pub fn recorded_shuttle(
    one: &mut Session,
    other: &mut Session,
    recording: &mut Vec<u8>,
) -> (Outcome, Outcome) {
    let (mut to_one, mut to_other) = (Vec::new(), Vec::new());
    let (mut of_one, mut of_other) = (None, None);
    loop {
        if of_one.is_none() {
            let sent_before = to_other.len();
            of_one = go_on(one, &mut to_one, &mut to_other);
            recording.extend_from_slice(&to_other[sent_before..]);
        }
        if of_other.is_none() {
            of_other = go_on(other, &mut to_other, &mut to_one);
        }
        if to_one.is_empty() || of_one.is_some() {
            return (of_one, of_other);
        }
    }
}

pub fn exchange(
    client: &mut Session,
    server: &mut Session,
    receive_first: bool,
) -> (Outcome, Outcome) {
    server
        .begin_exchange(Operation::ExchangeKeys { receive_first })
        .unwrap();
    client
        .begin_exchange(Operation::ExchangeKeys {
            receive_first: !receive_first,
        })
        .unwrap();
    shuttle(client, server)
}

/// One side does a step, the other its counterpart.
pub fn step(one: &mut Session, does: Operation, other: &mut Session, counterpart: Operation) {
    one.begin_exchange(does).unwrap();
    other.begin_exchange(counterpart).unwrap();
    let (of_one, of_other) = shuttle(one, other);
    assert!(matches!((of_one, of_other), (Some(Ok(_)), Some(Ok(_)))));
}

pub fn exchange_public_keys(client: &mut Session, server: &mut Session) {
    use Operation::{ReceivePublicKey, SendPublicKey};
    step(client, SendPublicKey, server, ReceivePublicKey);
    step(server, SendPublicKey, client, ReceivePublicKey);
}

pub fn request(client: &mut Session, server: &mut Session, verb: &str) -> (Outcome, Outcome) {
    client.begin_request(verb, None).unwrap();
    server.begin_receive().unwrap();
    shuttle(client, server)
}

/// All that a preset client sends for one request.
pub fn sent_request(client: &mut Session, verb: &str) -> Vec<u8> {
    client.begin_request(verb, None).unwrap();
    let (mut answer, mut sent) = (b"1".to_vec(), Vec::new());
    assert!(matches!(
        go_on(client, &mut answer, &mut sent),
        Some(Ok(None))
    ));
    sent
}

pub fn receive(session: &mut Session, bytes: &[u8]) -> Outcome {
    session.begin_receive().unwrap();
    go_on(session, &mut bytes.to_vec(), &mut Vec::new())
}

#[track_caller]
pub fn reason(outcome: Outcome) -> Reason {
    match outcome {
        Some(Err(error)) => error.reason().unwrap(),
        other => panic!("a failure was expected: {other:?}"),
    }
}

#[track_caller]
pub fn assert_ended(session: &mut Session) {
    assert!(session.has_failed());
    let ended = Some(Reason::SessionFailed);
    assert_eq!(session.begin_receive().unwrap_err().reason(), ended);
    let send = session.begin_response(true, "OK", None, None);
    assert_eq!(send.unwrap_err().reason(), ended);
}

/// Takes a secret from one session to another, as somebody who can read it would.
pub fn rewrap(from: &mut Session, to: &mut Session, stranger: &mut RsaWrapper, pem: &str) {
    from.begin_exchange(Operation::SendAesKey).unwrap();
    let (mut answer, mut wrapped) = (b"1".to_vec(), Vec::new());
    assert!(matches!(
        go_on(from, &mut answer, &mut wrapped),
        Some(Ok(None))
    ));
    stranger.set_remote_public_key(pem).unwrap();
    // Both keys of these tests have one size; behind it stands what gcm sends in clear.
    let clear = wrapped.split_off(rsa(CLIENT_KEY).key_size() as usize / 8);
    let secret = stranger.decrypt_data(&wrapped).unwrap();
    let mut wrapped = stranger.encrypt_data(&secret, false).unwrap();
    wrapped.extend_from_slice(&clear);
    to.begin_exchange(Operation::ReceiveAesKey).unwrap();
    let mut answer = Vec::new();
    assert!(matches!(
        go_on(to, &mut wrapped, &mut answer),
        Some(Ok(None))
    ));
    assert_eq!(take(&mut answer), b"1");
}
