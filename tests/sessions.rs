//! Two sessions that talk to each other in memory, and what becomes of them when somebody
//! between them changes the bytes.

use anwdl::protocol::session::{Config, Message, Operation, Progress, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper, Error, Reason};

mod pair;

use pair::*;

/// What anybody can send who knows a public key.
fn wrapped_under(pem: &str, secret: &[u8]) -> Vec<u8> {
    rsa(pem).encrypt_data(secret, true).unwrap()
}

/// Both sides have the same keys.
fn assert_request_passes(client: &mut Session, server: &mut Session) {
    let (_, received) = request(client, server, "STAT");
    assert!(
        matches!(&received, Some(Ok(Some(Message::Request(_))))),
        "{:?}: {received:?}",
        client.protocol()
    );
}

/// What a caller reports who waited long enough.
fn timeout() -> Error {
    Error::new(Reason::Timeout, "nothing came")
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
    let text = br#"{"verb": "STAT", "parameters": {}}"#;
    for index in 0..4 + text.len() + 16 {
        for bit in [0x01, 0x80] {
            let (mut server, keys) = gcm::exchanged(Role::Server);
            let record = keys.record(Role::Client, 0, text);
            let mut changed = [&(record.len() as u32).to_be_bytes()[..], &record].concat();
            changed[index] ^= bit;
            // Enough for every longer length that one bit makes and the limit allows.
            changed.resize(1 << 17, 0);
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
    let exchanged = || {
        let (mut client, mut server) = pair(Protocol::Gcm, Protocol::Auto);
        exchange(&mut client, &mut server, true);
        let first = sent_request(&mut client, "STAT");
        let second = sent_request(&mut client, "CREATE");
        (client, server, first, second)
    };
    let (mut client, mut server, first, _) = exchanged();
    assert!(matches!(receive(&mut server, &first), Some(Ok(Some(_)))));
    assert_eq!(
        reason(receive(&mut server, &first)),
        Reason::DecryptionFailed
    );
    assert_ended(&mut server);

    assert_eq!(
        reason(receive(&mut client, &first)),
        Reason::DecryptionFailed
    );
    assert_ended(&mut client);

    let (_, mut server, _, second) = exchanged();
    assert_eq!(
        reason(receive(&mut server, &second)),
        Reason::DecryptionFailed
    );
    assert_ended(&mut server);
}

/// An implementation of its own on the other side, in both roles: what it sends is read, and what
/// is sent it reads.
#[test]
fn gcm_is_what_is_documented() {
    let (mut client, keys) = gcm::exchanged(Role::Client);
    for number in 0..3 {
        let sent = sent_request(&mut client, "STAT");
        let text = keys.open(Role::Client, number, &sent[4..]).unwrap();
        assert!(text.starts_with(b"{"), "{text:?}");
        let response = br#"{"success": true, "message": "OK", "data": {}}"#;
        let record = keys.record(Role::Server, number, response);
        let record = [&(record.len() as u32).to_be_bytes()[..], &record].concat();
        let received = receive(&mut client, &record);
        assert!(matches!(received, Some(Ok(Some(Message::Response(_))))));
    }
    let (mut server, keys) = gcm::exchanged(Role::Server);
    for number in 0..3 {
        let record = keys.record(
            Role::Client,
            number,
            br#"{"verb": "STAT", "parameters": {}}"#,
        );
        let record = [&(record.len() as u32).to_be_bytes()[..], &record].concat();
        let received = receive(&mut server, &record);
        assert!(matches!(received, Some(Ok(Some(Message::Request(_))))));
        server.begin_response(true, "OK", None, None).unwrap();
        let mut sent = Vec::new();
        go_on(&mut server, &mut Vec::new(), &mut sent);
        assert!(keys.open(Role::Server, number, &sent[4..]).is_some());
    }
}

/// As a server that speaks first, too, and with the work of the exchange left to the caller: for
/// the side that receives first it is the private key operation, and then the ephemeral keys.
#[test]
fn the_work_of_an_exchange_can_be_left_to_the_caller() {
    for (protocol, receive_first, computations) in [
        (Protocol::Gcm, true, 2),
        (Protocol::Gcm, false, 1),
        (Protocol::V4, true, 1),
    ] {
        let mut config = Config::new(Role::Server);
        config.separate_computation = true;
        config.protocol = match receive_first {
            true => Protocol::Auto,
            false => protocol,
        };
        let mut server = Session::new(config);
        server.set_rsa_wrapper(&rsa(SERVER_KEY)).unwrap();
        let mut client = session(Role::Client, protocol, CLIENT_KEY);
        begin_both(&mut client, &mut server, receive_first);
        let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
        let mut found = 0;
        let (mut client_done, mut server_done) = (false, false);
        while !client_done || !server_done {
            client_done =
                client_done || go_on(&mut client, &mut to_client, &mut to_server).is_some();
            while !server_done && server.wants() == Some(anwdl::error::Interest::Computation) {
                server.compute().unwrap();
                found += 1;
            }
            if !server_done {
                server_done = go_on_until_computation(&mut server, &mut to_server, &mut to_client);
            }
        }
        assert!(client.is_exchanged() && server.is_exchanged());
        assert_eq!(found, computations, "{protocol:?}, {receive_first}");
        assert_request_passes(&mut client, &mut server);
    }
}

fn begin_both(client: &mut Session, server: &mut Session, receive_first: bool) {
    for (session, receive_first) in [(client, !receive_first), (server, receive_first)] {
        session
            .begin_exchange(Operation::ExchangeKeys { receive_first })
            .unwrap();
    }
}

/// Whether the operation is over.
fn go_on_until_computation(
    session: &mut Session,
    inbox: &mut Vec<u8>,
    outbox: &mut Vec<u8>,
) -> bool {
    loop {
        match session.advance().unwrap() {
            Progress::Done(_) => return true,
            Progress::Compute => return false,
            Progress::Read if inbox.is_empty() => return false,
            Progress::Read => {
                let space = session.receive_buffer();
                let count = space.len().min(inbox.len());
                space[..count].copy_from_slice(&inbox[..count]);
                inbox.drain(..count);
                session.received(count);
            }
            Progress::Write => {
                outbox.extend_from_slice(session.pending());
                let count = session.pending().len();
                session.sent(count);
            }
        }
    }
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
    let mut wrapped = wrapped_under(CLIENT_KEY, &[7; 48]);
    client.begin_exchange(receive).unwrap();
    let mut answer = Vec::new();
    let outcome = go_on(&mut client, &mut wrapped, &mut answer);
    assert_eq!(reason(outcome), Reason::DecryptionFailed);
    assert_eq!(answer, b"0");
}

#[test]
fn wrong_secrets_look_alike() {
    let mut errors = Vec::new();
    for secret in [&[5; 31][..], &[6; 33], &[]] {
        let (mut client, mut server) = pair(Protocol::V4, Protocol::Auto);
        exchange_public_keys(&mut client, &mut server);
        server.begin_exchange(Operation::ReceiveAesKey).unwrap();
        let mut wrapped = wrapped_under(SERVER_KEY, secret);
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
fn keys_change_until_a_part_of_them_is_exchanged() {
    let (mut client, mut server) = pair(Protocol::V4, Protocol::Auto);
    let key = AesWrapper::new(256, AesMode::Cbc).unwrap();
    server.begin_exchange(Operation::ReceivePublicKey).unwrap();
    server.interrupt(timeout(), true);
    server.set_aes_wrapper(&key).unwrap();
    server.set_rsa_wrapper(&rsa(SERVER_KEY)).unwrap();
    let (send, receive) = (Operation::SendPublicKey, Operation::ReceivePublicKey);
    step(&mut client, send, &mut server, receive);
    for result in [
        server.set_aes_wrapper(&key),
        server.set_rsa_wrapper(&rsa(SERVER_KEY)),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.reason(), Some(Reason::KeysAlreadyExchanged));
    }
    step(&mut server, send, &mut client, receive);
    let (send, receive) = (Operation::SendAesKey, Operation::ReceiveAesKey);
    step(&mut client, send, &mut server, receive);
    assert!(!server.is_exchanged());
    step(&mut server, send, &mut client, receive);
    assert!(server.is_exchanged() && client.is_exchanged());
    assert!(!server.has_failed() && !client.has_failed());
}

#[test]
fn a_key_fits_the_framing_that_was_asked_for() {
    for protocol in FRAMINGS.into_iter().chain([Protocol::Auto]) {
        for mode in [AesMode::Cbc, AesMode::Gcm] {
            let mut server = session(Role::Server, protocol, SERVER_KEY);
            let result = server.set_aes_wrapper(&AesWrapper::new(256, mode).unwrap());
            let expected = match (mode, protocol) {
                // gcm always exchanges its keys.
                (AesMode::Gcm, _) => Some(Reason::InvalidArgument),
                (AesMode::Cbc, Protocol::Gcm) => Some(Reason::ProtocolMismatch),
                (AesMode::Cbc, _) => None,
            };
            assert_eq!(result.err().and_then(|error| error.reason()), expected);
        }
    }
}

/// An operation in which nothing moved can be tried again; one in which anything did ends the
/// session.
#[test]
fn only_an_untouched_operation_survives_its_interruption() {
    let mut server = session(Role::Server, Protocol::Auto, SERVER_KEY);
    for count in [0, 1] {
        server.begin_exchange(Operation::ReceivePublicKey).unwrap();
        assert!(matches!(server.advance(), Ok(Progress::Read)));
        server.receive_buffer()[0] = b'8';
        server.received(count);
        server.interrupt(timeout(), true);
        assert_eq!(server.has_failed(), count > 0);
    }
    let mut client = session(Role::Client, Protocol::V4, CLIENT_KEY);
    for count in [0, 1] {
        client.begin_exchange(Operation::SendPublicKey).unwrap();
        assert!(matches!(client.advance(), Ok(Progress::Write)));
        client.sent(count);
        client.interrupt(timeout(), true);
        assert_eq!(client.has_failed(), count > 0);
    }
    let mut other = session(Role::Server, Protocol::Auto, SERVER_KEY);
    other.begin_exchange(Operation::ReceivePublicKey).unwrap();
    other.interrupt(timeout(), false);
    assert_ended(&mut other);
}

/// A secret that the peer refused was not exchanged: the next one begins anew, or, where it is
/// the peer's own that goes back, the same one is sent again.
#[test]
fn a_refused_secret_can_be_sent_again() {
    let (send, receive) = (Operation::SendAesKey, Operation::ReceiveAesKey);
    let refused = |session: &mut _| {
        Session::begin_exchange(session, send).unwrap();
        let outcome = go_on(session, &mut b"0".to_vec(), &mut Vec::new());
        assert_eq!(reason(outcome), Reason::PeerRefused);
    };
    for protocol in FRAMINGS {
        let (mut client, mut server) = pair(protocol, Protocol::Auto);
        exchange_public_keys(&mut client, &mut server);
        refused(&mut client);
        step(&mut client, send, &mut server, receive);
        refused(&mut server);
        assert!(!server.is_exchanged());
        step(&mut server, send, &mut client, receive);
        assert_request_passes(&mut client, &mut server);
    }
}

#[test]
fn a_public_key_is_received_up_to_its_limit() {
    for (length, answer) in [(b"16384===", b"1"), (b"16385===", b"0")] {
        let mut server = session(Role::Server, Protocol::Auto, SERVER_KEY);
        server.begin_exchange(Operation::ReceivePublicKey).unwrap();
        let mut answered = Vec::new();
        let outcome = go_on(&mut server, &mut length.to_vec(), &mut answered);
        assert_eq!(answered, answer);
        match outcome {
            None => assert_eq!(answer, b"1"),
            refused => assert_eq!(reason(refused), Reason::MessageTooLarge),
        }
    }
}

/// Its header is not on its way yet, and so no packet goes with it.
#[test]
fn an_answer_to_what_was_not_sent_lets_nothing_go() {
    let mut client = preset(Role::Client, Protocol::V4);
    client.begin_request("STAT", None).unwrap();
    assert!(matches!(client.advance(), Ok(Progress::Write)));
    client.receive_buffer()[0] = b'1';
    client.received(1);
    assert!(matches!(client.advance(), Ok(Progress::Write)));
    assert_eq!(client.pending().len(), BLOCK_SIZE);
    client.sent(BLOCK_SIZE);
    assert!(matches!(client.advance(), Ok(Progress::Write)));
    assert!(client.pending().len() > BLOCK_SIZE);
}

/// What is behind the first byte of a gcm secret is drawn anew for each session, by both sides.
#[test]
fn no_two_sessions_of_gcm_share_a_secret() {
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let (mut client, mut server) = pair(Protocol::Gcm, Protocol::Auto);
        exchange_public_keys(&mut client, &mut server);
        let mut sent = Vec::new();
        client.begin_exchange(Operation::SendAesKey).unwrap();
        server.begin_exchange(Operation::ReceiveAesKey).unwrap();
        go_on(&mut client, &mut Vec::new(), &mut sent);
        secrets.push(gcm_secret(SERVER_KEY, &sent));
        go_on(&mut server, &mut sent, &mut Vec::new());
        server.begin_exchange(Operation::SendAesKey).unwrap();
        go_on(&mut server, &mut Vec::new(), &mut sent);
        secrets.push(gcm_secret(CLIENT_KEY, &sent));
    }
    for (at, secret) in secrets.iter().enumerate() {
        assert_eq!((secret.len(), secret[0]), (gcm::SECRET_SIZE, gcm::CHOICE));
        for other in &secrets[..at] {
            assert!(secret[1..33] != other[1..33] && secret[33..] != other[33..]);
        }
    }
}

/// What RSA protects of a step of gcm, which its receiver can read.
fn gcm_secret(receivers_key: &str, sent: &[u8]) -> Vec<u8> {
    let keys = rsa(receivers_key);
    let wrapped = &sent[..keys.key_size() as usize / 8];
    keys.decrypt_data(wrapped).unwrap().to_vec()
}

/// Nothing of it was sent, so that the peer knows nothing of it either.
#[test]
fn a_secret_that_never_left_is_not_exchanged() {
    let (send, receive) = (Operation::SendAesKey, Operation::ReceiveAesKey);
    let give_up = |session: &mut Session| {
        session.begin_exchange(send).unwrap();
        assert!(matches!(session.advance(), Ok(Progress::Write)));
        session.interrupt(timeout(), true);
    };
    for protocol in FRAMINGS {
        for is_client_first in [true, false] {
            let (mut client, mut server) = pair(protocol, protocol);
            exchange_public_keys(&mut client, &mut server);
            give_up(&mut client);
            give_up(&mut server);
            let (first, second) = match is_client_first {
                true => (&mut client, &mut server),
                false => (&mut server, &mut client),
            };
            step(first, send, second, receive);
            give_up(second);
            step(second, send, first, receive);
            assert_request_passes(&mut client, &mut server);
        }
    }
}

/// A peer that knows the server's key can send its secret before it is sent that key.
#[test]
fn keys_are_exchanged_once_every_step_is_done() {
    let (mut client, mut server) = pair(Protocol::V4, Protocol::Auto);
    let (send_key, receive_key) = (Operation::SendPublicKey, Operation::ReceivePublicKey);
    step(&mut client, send_key, &mut server, receive_key);
    server.begin_exchange(Operation::ReceiveAesKey).unwrap();
    let mut wrapped = wrapped_under(SERVER_KEY, &[7; 48]);
    let outcome = go_on(&mut server, &mut wrapped, &mut Vec::new());
    assert!(matches!(outcome, Some(Ok(None))));
    server.begin_exchange(Operation::SendAesKey).unwrap();
    assert!(matches!(server.advance(), Ok(Progress::Write)));
    server.interrupt(timeout(), true);
    step(&mut server, send_key, &mut client, receive_key);
    assert!(!server.is_exchanged());
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

/// A server reads the first packet as v3, too, in which what stands before the last block ends in
/// a padding. Tabs and ends of lines are one, and blanks in JSON; what they leave of it is none.
#[test]
fn blanks_that_look_like_a_padding_make_no_v3_of_v2() {
    for (blank, count) in [('\t', 9), ('\n', 10), ('\r', 13)] {
        let before = r#"{"verb": "STAT", "parameters": {"#.len() + count;
        let parameters = [
            "{",
            &" ".repeat(before.next_multiple_of(BLOCK_SIZE) - before),
            &blank.to_string().repeat(count),
            "}",
        ];
        let mut client = preset(Role::Client, Protocol::V2);
        client
            .begin_request("STAT", Some(&parameters.concat()))
            .unwrap();
        let mut sent = Vec::new();
        go_on(&mut client, &mut b"1".to_vec(), &mut sent);
        let mut server = preset(Role::Server, Protocol::Auto);
        let received = receive(&mut server, &sent);
        assert!(
            matches!(&received, Some(Ok(Some(Message::Request(_))))),
            "{received:?}"
        );
        assert_eq!(server.protocol(), Protocol::V2);
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
