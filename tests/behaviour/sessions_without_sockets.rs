//! Sessions without a descriptor: what they wait for, what they take, and what they make of
//! callers and peers that break the rules.

use std::time::Duration;

use anwdl::error::Interest;
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper, ClientOptions, Error, Reason, SansIoSession};

use crate::pair::{CLIENT_KEY, FRAMINGS, SERVER_KEY, rsa};

/// How an operation ended; `None` if it waits for something.
type Outcome<T> = Option<Result<T, Error>>;

fn options(role: Role, protocol: Protocol) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.set_protocol(protocol);
    options.set_rsa_wrapper(&rsa(match role {
        Role::Server => SERVER_KEY,
        Role::Client => CLIENT_KEY,
    }));
    options
}

/// A client of a framing, and a server that takes them all.
fn pair(protocol: Protocol) -> (SansIoSession, SansIoSession) {
    let session = |role, protocol| SansIoSession::new(role, &options(role, protocol)).unwrap();
    (
        session(Role::Client, protocol),
        session(Role::Server, Protocol::Auto),
    )
}

/// Both under keys that need no exchange any more: of v2 to v4 one from the start.
fn ready_pair(protocol: Protocol) -> (SansIoSession, SansIoSession) {
    if protocol == Protocol::Gcm {
        let (mut client, mut server) = pair(protocol);
        exchange(&mut client, &mut server, true, usize::MAX);
        return (client, server);
    }
    let key = AesWrapper::new(256, AesMode::Cbc).unwrap();
    let session = |role, protocol| {
        let mut options = ClientOptions::default();
        options.set_exchange_keys(false);
        options.set_protocol(protocol);
        options.set_aes_wrapper(&key).unwrap();
        options.set_timeout(Some(Duration::from_millis(100)));
        SansIoSession::new(role, &options).unwrap()
    };
    (
        session(Role::Client, protocol),
        session(Role::Server, Protocol::Auto),
    )
}

/// Feeds all that one session has to send to the other, in pieces, as far as it is taken.
/// Gives what was not.
fn carry(from: &mut SansIoSession, to: &mut SansIoSession, left: &mut Vec<u8>, piece: usize) {
    left.extend_from_slice(from.pending());
    from.sent(from.pending().len()).unwrap();
    let mut taken = 0;
    while taken < left.len() {
        let end = left.len().min(taken.saturating_add(piece));
        match to.feed(&left[taken..end]).unwrap() {
            0 => break,
            count => taken += count,
        }
    }
    left.drain(..taken);
}

fn unless_waiting<T>(result: Result<T, Error>) -> Outcome<T> {
    match result {
        Err(Error::WouldBlock(_)) => None,
        other => Some(other),
    }
}

/// Drives an operation of each session, in pieces of so many bytes, until both have ended or
/// nothing moves. Computations that become due are done.
fn run<A, B>(
    one: &mut SansIoSession,
    mut of_one: impl FnMut(&mut SansIoSession) -> Result<A, Error>,
    other: &mut SansIoSession,
    mut of_other: impl FnMut(&mut SansIoSession) -> Result<B, Error>,
    piece: usize,
) -> (Outcome<A>, Outcome<B>) {
    let (mut to_one, mut to_other) = (Vec::new(), Vec::new());
    let (mut first, mut second) = (None, None);
    loop {
        let before = (one.wants(), other.wants(), to_one.len(), to_other.len());
        if first.is_none() {
            first = unless_waiting(of_one(one));
        }
        if second.is_none() {
            second = unless_waiting(of_other(other));
        }
        for session in [&mut *one, &mut *other] {
            if session.wants() == Some(Interest::Computation) {
                session.compute().unwrap();
            }
        }
        let moved = !one.pending().is_empty() || !other.pending().is_empty();
        if !other.has_failed() {
            carry(one, other, &mut to_other, piece);
        }
        if !one.has_failed() {
            carry(other, one, &mut to_one, piece);
        }
        let after = (one.wants(), other.wants(), to_one.len(), to_other.len());
        let is_over = first.is_some() && second.is_some();
        if is_over || (!moved && before == after) {
            return (first, second);
        }
    }
}

fn exchange(
    client: &mut SansIoSession,
    server: &mut SansIoSession,
    receive_first: bool,
    piece: usize,
) {
    let (of_client, of_server) = run(
        client,
        |client| client.exchange_keys(!receive_first),
        server,
        |server| server.exchange_keys(receive_first),
        piece,
    );
    assert_eq!((of_client, of_server), (Some(Ok(())), Some(Ok(()))));
}

fn ask(client: &mut SansIoSession, server: &mut SansIoSession, piece: usize) {
    let (sent, received) = run(
        client,
        |client| client.send_request("STAT", Some(r#"{"number": 1}"#)),
        server,
        |server| server.recv_request(true),
        piece,
    );
    assert_eq!(sent, Some(Ok(())));
    let request = received.unwrap().unwrap();
    assert_eq!(request.parameters_json(), r#"{"number": 1}"#);
    assert_eq!(server.stored_request().unwrap().json(), request.json());
}

fn answer(client: &mut SansIoSession, server: &mut SansIoSession, piece: usize) {
    let (received, sent) = run(
        client,
        SansIoSession::recv_response,
        server,
        |server| server.send_response(true, "OK", Some(r#"{"a": "b"}"#), None),
        piece,
    );
    assert_eq!(sent, Some(Ok(())));
    assert_eq!(received.unwrap().unwrap().data_json(), r#"{"a": "b"}"#);
}

#[track_caller]
fn assert_reason<T: std::fmt::Debug>(result: Result<T, Error>, reason: Reason) {
    assert_eq!(result.unwrap_err().reason(), Some(reason));
}

#[test]
fn every_framing_in_both_orders_and_pieces_of_every_size() {
    for protocol in FRAMINGS {
        for receive_first in [true, false] {
            for piece in [1, 2, 3, usize::MAX] {
                let (mut client, mut server) = pair(protocol);
                if protocol == Protocol::Gcm && !receive_first {
                    // The side that sends its key first decides on gcm.
                    let pinned = options(Role::Server, Protocol::Gcm);
                    server = SansIoSession::new(Role::Server, &pinned).unwrap();
                }
                exchange(&mut client, &mut server, receive_first, piece);
                for _ in 0..2 {
                    ask(&mut client, &mut server, piece);
                    answer(&mut client, &mut server, piece);
                }
                assert_eq!(server.protocol(), protocol);
            }
        }
    }
}

#[test]
fn it_takes_what_it_waits_for_and_no_more() {
    let (mut client, mut server) = ready_pair(Protocol::V4);
    assert_eq!(server.feed(b"nobody waits").unwrap(), 0);
    assert_eq!(server.wants(), None);
    assert_eq!(server.feed(b"").unwrap(), 0);

    let waiting = client.send_request("STAT", None);
    assert_eq!(waiting, Err(Error::WouldBlock(Interest::Write)));
    assert_eq!(client.wants(), Some(Interest::Write));
    assert_reason(client.sent(17), Reason::InvalidArgument);
    let header = client.pending().to_vec();
    assert_eq!(header.len(), 16);
    client.sent(7).unwrap();
    assert_eq!(client.pending(), &header[7..]);
    client.sent(9).unwrap();
    assert_eq!(client.wants(), Some(Interest::Read));

    assert!(server.recv_request(false).is_err());
    let long = [&header[..], b"what comes later"].concat();
    assert_eq!(
        server.feed(&long).unwrap(),
        8,
        "enough to tell framings apart"
    );
    assert_eq!(server.wants(), None, "it can go on as it is");
    let waiting = server.recv_request(false).unwrap_err();
    assert_eq!(waiting, Error::WouldBlock(Interest::Read));
    assert_eq!(server.feed(&long[8..]).unwrap(), 8);
    let waiting = server.recv_request(false).unwrap_err();
    assert_eq!(waiting, Error::WouldBlock(Interest::Write));
    assert_eq!(server.pending(), b"1");
}

#[test]
fn a_session_is_fed_up_to_its_end() {
    for is_half_way in [false, true] {
        let (mut client, mut server) = ready_pair(Protocol::Gcm);
        assert!(client.send_request("STAT", None).is_err());
        if is_half_way {
            assert!(server.recv_request(false).is_err());
            server.feed(&client.pending()[..3]).unwrap();
        }
        server.feed_end().unwrap();
        server.feed_end().unwrap();
        assert_eq!(server.feed(b"").unwrap(), 0);
        assert_reason(server.feed(b"more"), Reason::PeerClosed);
        assert_eq!(server.wants(), None);
        assert_reason(server.recv_request(false), Reason::PeerClosed);
        assert_eq!(server.has_failed(), is_half_way);
        let again = match is_half_way {
            true => Reason::SessionFailed,
            false => Reason::PeerClosed,
        };
        assert_reason(server.recv_request(false), again);
    }
}

#[test]
fn nothing_goes_on_after_the_end() {
    let (mut client, mut server) = ready_pair(Protocol::V4);
    ask(&mut client, &mut server, usize::MAX);
    server.end();
    server.end();
    assert!(server.has_failed());
    assert!(server.aes_wrapper().is_none(), "the key is wiped");
    assert!(server.pending().is_empty());
    assert_eq!(server.wants(), None);
    assert_reason(server.feed(b"1"), Reason::SessionFailed);
    assert_reason(server.feed_end(), Reason::SessionFailed);
    assert_reason(server.compute(), Reason::SessionFailed);
    assert_reason(server.recv_request(false), Reason::SessionFailed);
    let sent = server.send_response(true, "OK", None, None);
    assert_reason(sent, Reason::SessionFailed);
    assert_reason(server.exchange_keys(true), Reason::SessionFailed);
    assert!(
        server.stored_request().is_some(),
        "a request is nobody's key"
    );
}

#[test]
fn roles_are_kept() {
    let (mut client, mut server) = pair(Protocol::V4);
    assert_eq!((client.role(), server.role()), (Role::Client, Role::Server));
    assert_reason(client.recv_request(true), Reason::WrongRole);
    let sent = client.send_response(true, "OK", None, None);
    assert_reason(sent, Reason::WrongRole);
    assert_reason(server.send_request("STAT", None), Reason::WrongRole);
    assert_reason(server.recv_response(), Reason::WrongRole);
    assert!(!client.has_failed() && !server.has_failed());
}

#[test]
fn one_response_to_each_request() {
    for protocol in FRAMINGS {
        let (mut client, mut server) = ready_pair(protocol);
        ask(&mut client, &mut server, usize::MAX);
        let early = client.send_request("STAT", None);
        assert_reason(early, Reason::OutOfTurn);
        // What is under way is told first.
        assert!(matches!(client.recv_response(), Err(Error::WouldBlock(_))));
        let amid = client.send_request("STAT", None);
        assert_reason(amid, Reason::OperationPending);
        answer(&mut client, &mut server, usize::MAX);
        let second = server.send_response(true, "OK", None, None);
        assert_reason(second, Reason::OutOfTurn);
        // Nobody is harmed.
        ask(&mut client, &mut server, usize::MAX);
        answer(&mut client, &mut server, usize::MAX);
    }
}

#[test]
fn a_server_may_speak_first_once() {
    let (mut client, mut server) = ready_pair(Protocol::V4);
    answer(&mut client, &mut server, usize::MAX);
    let second = server.send_response(true, "OK", None, None);
    assert_reason(second, Reason::OutOfTurn);
    ask(&mut client, &mut server, usize::MAX);
    answer(&mut client, &mut server, usize::MAX);
}

/// A released client that gave up waiting sends its next request, and reads what comes. In v2 its
/// requests are those of several clients under one key.
#[test]
fn a_client_that_is_out_of_step_is_answered_in_order() {
    let key = AesWrapper::new(256, AesMode::Cbc).unwrap();
    let session = |role| {
        let mut options = ClientOptions::default();
        options.set_exchange_keys(false);
        options.set_protocol(Protocol::V2);
        options.set_aes_wrapper(&key).unwrap();
        SansIoSession::new(role, &options).unwrap()
    };
    let mut server = session(Role::Server);
    let mut clients = [(); 3].map(|()| session(Role::Client));
    for client in &mut clients {
        ask(client, &mut server, usize::MAX);
        assert_reason(server.recv_request(true), Reason::OutOfTurn);
        assert!(server.stored_request().is_some());
        answer(client, &mut server, usize::MAX);
    }
    let fourth = server.send_response(true, "OK", None, None);
    assert_reason(fourth, Reason::OutOfTurn);
}

/// In v3 and v4, who is on the path would otherwise have the next request begin as he likes, and
/// learn from how it is taken what an earlier one held.
#[test]
fn a_response_that_was_refused_is_still_due_before_the_next_request() {
    for protocol in [Protocol::V2, Protocol::V3, Protocol::V4] {
        let (mut client, mut server) = ready_pair(protocol);
        ask(&mut client, &mut server, usize::MAX);
        let refused = |server: &mut SansIoSession| server.send_response(true, "OK", None, None);
        assert!(unless_waiting(refused(&mut server)).is_none());
        server.sent(server.pending().len()).unwrap();
        assert_eq!(server.feed(b"0").unwrap(), 1);
        assert_reason(refused(&mut server), Reason::PeerRefused);
        assert_reason(server.recv_request(true), Reason::OutOfTurn);
        answer(&mut client, &mut server, usize::MAX);
        ask(&mut client, &mut server, usize::MAX);
    }
}

#[test]
fn what_was_refused_costs_no_turn() {
    let (mut client, mut server) = ready_pair(Protocol::V4);
    let malformed = client.send_request("stat", None);
    assert_reason(malformed, Reason::MalformedRequest);
    ask(&mut client, &mut server, usize::MAX);
    let malformed = server.send_response(true, "OK", Some("[]"), None);
    assert_reason(malformed, Reason::MalformedResponse);
    answer(&mut client, &mut server, usize::MAX);
}

/// A released client refuses what it did not ask for, and then asks.
#[test]
fn a_refused_response_does_not_settle_the_framing() {
    for protocol in [Protocol::V2, Protocol::V3, Protocol::V4] {
        let (mut client, mut server) = ready_pair(protocol);
        let refused =
            |server: &mut SansIoSession| server.send_response(false, "Unavailable", None, None);
        assert!(unless_waiting(refused(&mut server)).is_none());
        server.sent(server.pending().len()).unwrap();
        assert_eq!(server.feed(b"0").unwrap(), 1);
        assert_reason(refused(&mut server), Reason::PeerRefused);
        assert_eq!(server.protocol(), Protocol::Auto);
        ask(&mut client, &mut server, usize::MAX);
        assert_eq!(server.protocol(), protocol);
    }
}

#[test]
fn an_exchange_of_which_no_step_is_done_leaves_a_preset_key() {
    let (mut client, mut server) = ready_pair(Protocol::V4);
    client.set_rsa_wrapper(&rsa(CLIENT_KEY)).unwrap();
    assert!(unless_waiting(client.send_public_rsa_key()).is_none());
    client.sent(client.pending().len()).unwrap();
    assert_eq!(client.feed(b"0").unwrap(), 1);
    assert_reason(client.send_public_rsa_key(), Reason::PeerRefused);

    client.set_time(Duration::ZERO);
    assert!(unless_waiting(client.recv_public_rsa_key()).is_none());
    client.set_time(Duration::from_millis(200));
    assert_reason(client.recv_public_rsa_key(), Reason::Timeout);

    ask(&mut client, &mut server, usize::MAX);
    answer(&mut client, &mut server, usize::MAX);
}

#[test]
fn keys_are_exchanged_once() {
    let (mut client, mut server) = pair(Protocol::V4);
    assert_reason(server.recv_request(true), Reason::KeysNotExchanged);
    exchange(&mut client, &mut server, true, usize::MAX);
    for session in [&mut client, &mut server] {
        assert_reason(session.exchange_keys(true), Reason::KeysAlreadyExchanged);
        let repeated = session.send_public_rsa_key();
        assert_reason(repeated, Reason::KeysAlreadyExchanged);
        let late = session.set_rsa_wrapper(&rsa(SERVER_KEY));
        assert_reason(late, Reason::KeysAlreadyExchanged);
    }
    ask(&mut client, &mut server, usize::MAX);
}

#[test]
fn one_operation_at_a_time() {
    let (_, mut server) = ready_pair(Protocol::V4);
    assert!(server.recv_request(false).is_err());
    let other = server.send_response(true, "OK", None, None);
    assert_reason(other, Reason::OperationPending);
    assert_eq!(
        server.recv_request(false).unwrap_err(),
        Error::WouldBlock(Interest::Read)
    );
}

/// Else the next message would be encrypted with the same nonce or IV as one that the peer may have.
#[test]
fn what_was_pending_when_the_time_was_over_may_have_left() {
    for protocol in FRAMINGS {
        let session = |role| {
            let mut options = options(role, protocol);
            options.set_timeout(Some(Duration::from_secs(10)));
            let mut session = SansIoSession::new(role, &options).unwrap();
            session.set_time(Duration::ZERO);
            session
        };
        let (mut client, mut server) = (session(Role::Client), session(Role::Server));
        exchange(&mut client, &mut server, true, usize::MAX);
        assert_eq!(
            client.send_request("STAT", None),
            Err(Error::WouldBlock(Interest::Write))
        );
        assert!(!client.pending().is_empty());
        client.set_time(Duration::from_secs(10));
        assert_reason(client.send_request("STAT", None), Reason::Timeout);
        assert!(client.has_failed(), "{protocol:?}");
        assert!(client.pending().is_empty());
        assert_reason(client.send_request("ECHO", None), Reason::SessionFailed);
    }
}

/// Takes a key exchange to where the server's computation is due.
fn until_computation(is_secret_right: bool) -> (SansIoSession, SansIoSession) {
    let mut separate = options(Role::Server, Protocol::Auto);
    separate.set_separate_computation(true);
    let mut server = SansIoSession::new(Role::Server, &separate).unwrap();
    let mut client = pair(Protocol::V4).0;
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    loop {
        assert!(client.exchange_keys(false).is_err());
        if server.exchange_keys(true) == Err(Error::WouldBlock(Interest::Computation)) {
            return (client, server);
        }
        // The answer to the server's key, and the secret under its 2048 bits.
        let is_secret = client.pending().len() == 1 + 256;
        to_server.extend_from_slice(client.pending());
        client.sent(client.pending().len()).unwrap();
        if is_secret && !is_secret_right {
            to_server[100] ^= 1;
        }
        let taken = server.feed(&to_server).unwrap();
        to_server.drain(..taken);
        carry(&mut server, &mut client, &mut to_client, usize::MAX);
    }
}

#[test]
fn the_computation_is_done_on_another_thread() {
    let (mut client, mut server) = until_computation(true);
    assert_eq!(server.wants(), Some(Interest::Computation));
    assert!(server.pending().is_empty());
    let waiting = server.exchange_keys(true);
    assert_eq!(waiting, Err(Error::WouldBlock(Interest::Computation)));
    let computed = std::thread::spawn(move || {
        server.compute().unwrap();
        server
    });
    let mut server = computed.join().unwrap();
    assert_eq!(server.wants(), None, "the exchange can go on");
    assert_reason(server.compute(), Reason::OutOfTurn);
    exchange(&mut client, &mut server, true, 5);
    ask(&mut client, &mut server, 5);
}

#[test]
fn a_wrong_secret_is_refused_by_the_exchange() {
    let (_, mut server) = until_computation(false);
    server.compute().unwrap();
    let waiting = server.exchange_keys(true);
    assert_eq!(waiting, Err(Error::WouldBlock(Interest::Write)));
    assert_eq!(server.pending(), b"0");
    server.sent(1).unwrap();
    assert_reason(server.exchange_keys(true), Reason::DecryptionFailed);
    assert!(server.has_failed());
}

#[test]
fn both_sides_can_compute_separately_in_both_orders() {
    for receive_first in [true, false] {
        let [mut client, mut server] = [Role::Client, Role::Server].map(|role| {
            let mut options = options(role, Protocol::Auto);
            options.set_separate_computation(true);
            SansIoSession::new(role, &options).unwrap()
        });
        assert_reason(server.compute(), Reason::OutOfTurn);
        assert!(server.exchange_keys(receive_first).is_err());
        assert_reason(server.compute(), Reason::OutOfTurn);
        exchange(&mut client, &mut server, receive_first, 100);
        ask(&mut client, &mut server, 100);
    }
}

#[test]
fn a_fingerprint_has_64_hexadecimal_digits() {
    let mut options = ClientOptions::default();
    let fingerprint = rsa(SERVER_KEY).fingerprint(false).unwrap();
    let upper = fingerprint.to_uppercase();
    for right in [&*fingerprint, &upper] {
        options.set_expected_fingerprint(Some(right)).unwrap();
    }
    let colons = "ab:".repeat(21) + "a";
    let accented = "é".repeat(32);
    let signed = "+1".repeat(32);
    for wrong in [
        "",
        "0",
        &fingerprint[1..],
        &format!("{fingerprint}0"),
        &colons,
        &accented,
        &signed,
    ] {
        let set = options.set_expected_fingerprint(Some(wrong));
        assert_reason(set, Reason::InvalidArgument);
    }
    options.set_expected_fingerprint(None).unwrap();
}

#[test]
fn a_peer_with_another_key_gets_no_secret() {
    for (pins, receive_first) in [
        (Role::Client, false),
        (Role::Client, true),
        (Role::Server, false),
        (Role::Server, true),
    ] {
        let (own, other) = match pins {
            Role::Client => (CLIENT_KEY, Role::Server),
            Role::Server => (SERVER_KEY, Role::Client),
        };
        let mut pinned = options(pins, Protocol::Auto);
        let expected = rsa(own).fingerprint(false).unwrap();
        pinned.set_expected_fingerprint(Some(&expected)).unwrap();
        let mut session = SansIoSession::new(pins, &pinned).unwrap();
        let mut peer = SansIoSession::new(other, &options(other, Protocol::Auto)).unwrap();

        let (mut sent, mut to_peer, mut to_session) = (Vec::new(), Vec::new(), Vec::new());
        let error = loop {
            if let Some(ended) = unless_waiting(session.exchange_keys(receive_first)) {
                break ended.unwrap_err();
            }
            let _ = peer.exchange_keys(!receive_first);
            sent.extend_from_slice(session.pending());
            if !peer.has_failed() {
                carry(&mut session, &mut peer, &mut to_peer, usize::MAX);
                carry(&mut peer, &mut session, &mut to_session, usize::MAX);
            }
        };
        assert_eq!(error.reason(), Some(Reason::FingerprintMismatch));
        let found = session.rsa_wrapper().unwrap().fingerprint(true).unwrap();
        let text = error.to_string();
        assert!(text.contains(&found) && text.contains(&expected), "{text}");
        assert!(session.has_failed() && session.aes_wrapper().is_none());

        // All that went out: yes to the peer's length, no to its key, and, where this side
        // spoke first, its public key before that.
        let key = rsa(own);
        let pem = key.public_key().unwrap();
        let expected = match receive_first {
            true => "10".to_owned(),
            false => format!("{}====={pem}10", pem.len()),
        };
        assert_eq!(String::from_utf8(sent).unwrap(), expected);
        assert_reason(session.send_aes_key(), Reason::SessionFailed);
    }
}

#[test]
fn the_right_key_is_accepted() {
    let mut pinned = options(Role::Client, Protocol::Gcm);
    let fingerprint = rsa(SERVER_KEY).fingerprint(false).unwrap().to_uppercase();
    pinned.set_expected_fingerprint(Some(&fingerprint)).unwrap();
    let mut client = SansIoSession::new(Role::Client, &pinned).unwrap();
    let mut server = pair(Protocol::Gcm).1;
    exchange(&mut client, &mut server, true, 64);
    ask(&mut client, &mut server, 64);
    answer(&mut client, &mut server, 64);
}
