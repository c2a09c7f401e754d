//! Two sessions that talk to each other in memory, and what becomes of them when somebody
//! between them changes the bytes.

use std::mem::take;

use anwdl::protocol::session::{Config, Message, Operation, Progress, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper, Error, Reason, RsaWrapper};

const FRAMINGS: [Protocol; 4] = [Protocol::V2, Protocol::V3, Protocol::V4, Protocol::Gcm];
const CLIENT_KEY: &str = include_str!("../examples-c/tests/keys/peer-1.pem");
const SERVER_KEY: &str = include_str!("../examples-c/tests/keys/server.pem");
const STRANGER_KEY: &str = include_str!("../examples-c/tests/keys/peer-2.pem");
const BLOCK_SIZE: usize = 16;

/// How an operation ended; `None` if it waits for bytes.
type Outcome = Option<Result<Option<Message>, Error>>;

fn rsa(pem: &str) -> RsaWrapper {
    let mut wrapper = RsaWrapper::new(false).unwrap();
    wrapper.set_private_key(pem, true).unwrap();
    wrapper
}

fn session(role: Role, protocol: Protocol, pem: &str) -> Session {
    let mut config = Config::new(role);
    config.protocol = protocol;
    let mut session = Session::new(config);
    session.set_rsa_wrapper(&rsa(pem)).unwrap();
    session
}

fn pair(client: Protocol, server: Protocol) -> (Session, Session) {
    (
        session(Role::Client, client, CLIENT_KEY),
        session(Role::Server, server, SERVER_KEY),
    )
}

/// A session whose key is known from the start, as it is the same for every caller.
fn preset(role: Role, protocol: Protocol) -> Session {
    let (mode, iv): (_, &[u8]) = match protocol {
        Protocol::Gcm => (AesMode::Gcm, &[]),
        _ => (AesMode::Cbc, &[2; BLOCK_SIZE]),
    };
    let mut config = Config::new(role);
    config.exchange_keys = false;
    config.protocol = match role {
        Role::Client => protocol,
        Role::Server => Protocol::Auto,
    };
    let mut session = Session::new(config);
    let mut key = AesWrapper::new(256, mode).unwrap();
    key.set_key(&[1; 32], iv).unwrap();
    session.set_aes_wrapper(&key).unwrap();
    session
}

/// Takes the operation of a session as far as the bytes in `inbox` go.
fn go_on(session: &mut Session, inbox: &mut Vec<u8>, outbox: &mut Vec<u8>) -> Outcome {
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
                let space = session.space();
                let count = space.len().min(inbox.len());
                space[..count].copy_from_slice(&inbox[..count]);
                inbox.drain(..count);
                session.received(count);
            }
        }
    }
}

/// Carries bytes between two sessions until both operations ended or nothing moves.
fn shuttle(one: &mut Session, other: &mut Session) -> (Outcome, Outcome) {
    let (mut to_one, mut to_other) = (Vec::new(), Vec::new());
    let (mut of_one, mut of_other) = (None, None);
    loop {
        if of_one.is_none() {
            of_one = go_on(one, &mut to_one, &mut to_other);
        }
        if of_other.is_none() {
            of_other = go_on(other, &mut to_other, &mut to_one);
        }
        if to_one.is_empty() || of_one.is_some() {
            return (of_one, of_other);
        }
    }
}

fn exchange(client: &mut Session, server: &mut Session, receive_first: bool) -> (Outcome, Outcome) {
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
fn step(one: &mut Session, does: Operation, other: &mut Session, counterpart: Operation) {
    one.begin_exchange(does).unwrap();
    other.begin_exchange(counterpart).unwrap();
    let (of_one, of_other) = shuttle(one, other);
    assert!(matches!((of_one, of_other), (Some(Ok(_)), Some(Ok(_)))));
}

fn exchange_public_keys(client: &mut Session, server: &mut Session) {
    use Operation::{ReceivePublicKey, SendPublicKey};
    step(client, SendPublicKey, server, ReceivePublicKey);
    step(server, SendPublicKey, client, ReceivePublicKey);
}

fn request(client: &mut Session, server: &mut Session, verb: &str) -> (Outcome, Outcome) {
    client.begin_request(verb, None).unwrap();
    server.begin_receive().unwrap();
    shuttle(client, server)
}

/// All that a preset client sends for one request.
fn sent_request(client: &mut Session, verb: &str) -> Vec<u8> {
    client.begin_request(verb, None).unwrap();
    let (mut answer, mut sent) = (b"1".to_vec(), Vec::new());
    assert!(matches!(
        go_on(client, &mut answer, &mut sent),
        Some(Ok(None))
    ));
    sent
}

fn receive(session: &mut Session, bytes: &[u8]) -> Outcome {
    session.begin_receive().unwrap();
    go_on(session, &mut bytes.to_vec(), &mut Vec::new())
}

#[track_caller]
fn reason(outcome: Outcome) -> Reason {
    match outcome {
        Some(Err(error)) => error.reason().unwrap(),
        other => panic!("a failure was expected: {other:?}"),
    }
}

#[track_caller]
fn assert_ended(session: &mut Session) {
    assert!(session.has_failed());
    let ended = Some(Reason::SessionFailed);
    assert_eq!(session.begin_receive().unwrap_err().reason(), ended);
    let send = session.begin_response(true, "OK", None, None);
    assert_eq!(send.unwrap_err().reason(), ended);
}

#[test]
fn every_framing_serves_requests_in_both_orders() {
    for protocol in FRAMINGS {
        for receive_first in [true, false] {
            // Who speaks first chooses gcm, so a server has to be told to.
            let wanted = match (protocol, receive_first) {
                (Protocol::Gcm, false) => Protocol::Gcm,
                _ => Protocol::Auto,
            };
            let (mut client, mut server) = pair(protocol, wanted);
            let outcomes = exchange(&mut client, &mut server, receive_first);
            assert!(matches!(outcomes, (Some(Ok(None)), Some(Ok(None)))));
            for verb in ["STAT", "CREATE", "DESTROY"] {
                let (sent, received) = request(&mut client, &mut server, verb);
                assert!(matches!(sent, Some(Ok(None))));
                let Some(Ok(Some(Message::Request(request)))) = received else {
                    panic!("{protocol:?}: {received:?}");
                };
                assert_eq!(request.verb(), verb);
                assert_eq!(server.protocol(), protocol);

                server.begin_response(true, "OK", None, None).unwrap();
                client.begin_receive().unwrap();
                let outcomes = shuttle(&mut client, &mut server);
                assert!(matches!(
                    outcomes,
                    (Some(Ok(Some(Message::Response(_)))), Some(Ok(None)))
                ));
            }
        }
    }
}

#[test]
fn a_pinned_server_refuses_every_other_framing() {
    for pinned in FRAMINGS {
        for spoken in FRAMINGS.into_iter().filter(|spoken| *spoken != pinned) {
            let (mut client, mut server) = pair(spoken, pinned);
            let mut outcomes = exchange(&mut client, &mut server, true);
            let is_told = if pinned == Protocol::Gcm || spoken == Protocol::Gcm {
                true
            } else {
                outcomes = request(&mut client, &mut server, "STAT");
                // v2 and v3 differ only behind the answer.
                pinned == Protocol::V4 || spoken == Protocol::V4
            };
            let (of_client, of_server) = outcomes;
            assert_eq!(reason(of_server), Reason::ProtocolMismatch);
            assert_ended(&mut server);
            if is_told {
                assert_eq!(reason(of_client), Reason::PeerRefused);
            } else {
                assert!(matches!(of_client, Some(Ok(None))));
            }
        }
    }
}

#[test]
fn gcm_notices_every_changed_byte() {
    let record = sent_request(&mut preset(Role::Client, Protocol::Gcm), "STAT");
    for index in 0..record.len() {
        for bit in [0x01, 0x80] {
            let mut changed = record.clone();
            changed[index] ^= bit;
            // Enough for every longer length that one bit makes and the limit allows.
            changed.resize(1 << 17, 0);
            let mut server = preset(Role::Server, Protocol::Gcm);
            let found = reason(receive(&mut server, &changed));
            match found {
                Reason::ProtocolViolation | Reason::MessageTooLarge => assert!(index < 4),
                other => assert_eq!(other, Reason::DecryptionFailed),
            }
            assert_ended(&mut server);
        }
    }
}

#[test]
fn gcm_notices_repeated_reflected_and_reordered_records() {
    let mut client = preset(Role::Client, Protocol::Gcm);
    let first = sent_request(&mut client, "STAT");
    let second = sent_request(&mut client, "CREATE");

    let mut server = preset(Role::Server, Protocol::Gcm);
    assert!(matches!(receive(&mut server, &first), Some(Ok(Some(_)))));
    assert_eq!(
        reason(receive(&mut server, &first)),
        Reason::DecryptionFailed
    );
    assert_ended(&mut server);

    let mut server = preset(Role::Server, Protocol::Gcm);
    assert_eq!(
        reason(receive(&mut server, &second)),
        Reason::DecryptionFailed
    );
    assert_ended(&mut server);

    assert_eq!(
        reason(receive(&mut client, &first)),
        Reason::DecryptionFailed
    );
    assert_ended(&mut client);
}

/// Takes a secret from one session to another, as somebody who can read it would.
fn rewrap(from: &mut Session, to: &mut Session, stranger: &mut RsaWrapper, pem: &str) {
    from.begin_exchange(Operation::SendAesKey).unwrap();
    let (mut answer, mut wrapped) = (b"1".to_vec(), Vec::new());
    assert!(matches!(
        go_on(from, &mut answer, &mut wrapped),
        Some(Ok(None))
    ));
    stranger.set_remote_public_key(pem).unwrap();
    let secret = stranger.decrypt_data(&wrapped).unwrap();
    let mut wrapped = stranger.encrypt_data(&secret, false).unwrap();
    to.begin_exchange(Operation::ReceiveAesKey).unwrap();
    let mut answer = Vec::new();
    assert!(matches!(
        go_on(to, &mut wrapped, &mut answer),
        Some(Ok(None))
    ));
    assert_eq!(take(&mut answer), b"1");
}

#[test]
fn gcm_notices_swapped_public_keys() {
    let (mut client, mut server) = pair(Protocol::Gcm, Protocol::Auto);
    exchange_public_keys(
        &mut client,
        &mut session(Role::Server, Protocol::Auto, STRANGER_KEY),
    );
    exchange_public_keys(
        &mut session(Role::Client, Protocol::Auto, STRANGER_KEY),
        &mut server,
    );
    let mut stranger = rsa(STRANGER_KEY);
    let (client_pem, server_pem) = (rsa(CLIENT_KEY), rsa(SERVER_KEY));
    let (client_pem, server_pem) = (client_pem.public_key(), server_pem.public_key());
    rewrap(&mut client, &mut server, &mut stranger, server_pem.unwrap());
    rewrap(&mut server, &mut client, &mut stranger, client_pem.unwrap());
    let (_, received) = request(&mut client, &mut server, "STAT");
    assert_eq!(reason(received), Reason::DecryptionFailed);
    assert_ended(&mut server);
}

#[test]
fn the_initiator_takes_no_key_but_its_own() {
    let (mut client, mut server) = pair(Protocol::V4, Protocol::Auto);
    exchange_public_keys(&mut client, &mut server);
    let (send, receive) = (Operation::SendAesKey, Operation::ReceiveAesKey);
    step(&mut client, send, &mut server, receive);
    let mut forger = RsaWrapper::new(false).unwrap();
    let client_key = rsa(CLIENT_KEY);
    forger
        .set_remote_public_key(client_key.public_key().unwrap())
        .unwrap();
    let mut wrapped = forger.encrypt_data(&[7; 48], false).unwrap();
    client.begin_exchange(receive).unwrap();
    let mut answer = Vec::new();
    let outcome = go_on(&mut client, &mut wrapped, &mut answer);
    assert_eq!(reason(outcome), Reason::DecryptionFailed);
    assert_eq!(answer, b"0");
}

#[test]
fn wrong_secrets_look_alike() {
    let mut forger = RsaWrapper::new(false).unwrap();
    let server_key = rsa(SERVER_KEY);
    forger
        .set_remote_public_key(server_key.public_key().unwrap())
        .unwrap();
    let mut errors = Vec::new();
    for secret in [&[5; 31][..], &[6; 33], &[]] {
        let (mut client, mut server) = pair(Protocol::V4, Protocol::Auto);
        exchange_public_keys(&mut client, &mut server);
        server.begin_exchange(Operation::ReceiveAesKey).unwrap();
        let mut wrapped = forger.encrypt_data(secret, false).unwrap();
        let mut answer = Vec::new();
        let outcome = go_on(&mut server, &mut wrapped, &mut answer);
        assert_eq!(answer, b"0");
        errors.push(outcome.unwrap().unwrap_err());
    }
    assert_eq!(errors[0].reason(), Some(Reason::DecryptionFailed));
    assert!(errors.iter().all(|error| *error == errors[0]));
}

#[test]
fn steps_come_once_and_messages_after_them() {
    let (mut client, mut server) = pair(Protocol::V4, Protocol::Auto);
    let early = server.begin_receive().unwrap_err();
    assert_eq!(early.reason(), Some(Reason::KeysNotExchanged));
    exchange_public_keys(&mut client, &mut server);
    let repeated = Some(Reason::KeysAlreadyExchanged);
    for operation in [Operation::SendPublicKey, Operation::ReceivePublicKey] {
        let error = server.begin_exchange(operation).unwrap_err();
        assert_eq!(error.reason(), repeated);
    }
    let (send, receive) = (Operation::SendAesKey, Operation::ReceiveAesKey);
    step(&mut client, send, &mut server, receive);
    step(&mut server, send, &mut client, receive);
    for operation in [send, receive, Operation::SendPublicKey] {
        let error = server.begin_exchange(operation).unwrap_err();
        assert_eq!(error.reason(), repeated);
    }
}

#[test]
fn changed_cbc_blocks_fail_or_parse() {
    for protocol in [Protocol::V2, Protocol::V3, Protocol::V4] {
        let message = sent_request(&mut preset(Role::Client, protocol), "STAT");
        let whole = receive(&mut preset(Role::Server, protocol), &message);
        assert!(matches!(whole, Some(Ok(Some(Message::Request(_))))));
        for index in message.len() - 2 * BLOCK_SIZE..message.len() {
            for change in 1..=u8::MAX {
                let mut changed = message.clone();
                changed[index] ^= change;
                match receive(&mut preset(Role::Server, protocol), &changed) {
                    Some(Ok(Some(_))) => {}
                    other => assert_eq!(reason(other), Reason::DecryptionFailed),
                }
            }
        }
    }
}

#[test]
fn a_server_that_speaks_first_speaks_v4() {
    let (mut client, mut server) = pair(Protocol::V4, Protocol::Auto);
    exchange(&mut client, &mut server, true);
    server
        .begin_response(false, "Unavailable", None, None)
        .unwrap();
    client.begin_receive().unwrap();
    let (received, _) = shuttle(&mut client, &mut server);
    assert!(matches!(received, Some(Ok(Some(Message::Response(_))))));
    assert_eq!(server.protocol(), Protocol::V4);
}

/// A key for gcm that is given to a session which exchanges keys chooses the framing; one
/// that the peer overrules leaves nothing of gcm behind.
#[test]
fn a_gcm_key_offers_gcm_and_can_be_overruled() {
    let gcm_key = AesWrapper::new(256, AesMode::Gcm).unwrap();
    for (receive_first, expected) in [(false, Protocol::Gcm), (true, Protocol::V3)] {
        let (mut client, mut server) = pair(Protocol::V3, Protocol::Auto);
        if !receive_first {
            client = pair(Protocol::Gcm, Protocol::Auto).0;
        }
        server.set_aes_wrapper(&gcm_key).unwrap();
        exchange(&mut client, &mut server, receive_first);
        let (sent, received) = request(&mut client, &mut server, "STAT");
        assert!(
            matches!((&sent, &received), (Some(Ok(_)), Some(Ok(Some(_))))),
            "{sent:?} {received:?}"
        );
        assert_eq!(server.protocol(), expected);
        assert_ne!(server.aes_wrapper().unwrap().key(), gcm_key.key());
    }
}
