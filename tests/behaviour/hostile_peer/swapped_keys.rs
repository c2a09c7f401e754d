//! Somebody on the path who puts public keys of their own in place of both sides', which every
//! framing notices, or who alters what v2, v3 and v4 do not protect: of these it is told here
//! what they do not notice.

use anwdl::protocol::session::{Message, Operation, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{Reason, RsaWrapper};

use super::ciphertexts::places;
use super::forger::{BLOCK_SIZE, IV, message_of, message_of_under, session};
use super::play::{Played, play, receiving};
use super::{stride, tell};
use crate::pair::{
    self, CLIENT_KEY, FRAMINGS, SERVER_KEY, STRANGER_KEY, assert_ended, exchange_public_keys, gcm,
    go_on, reason, request,
};

/// Which of the two public keys is another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swapped {
    None,
    Both,
    /// Only the client's: it has checked the server's fingerprint.
    Clients,
    /// None, but the server's is written with other line ends.
    Rewritten,
}

/// Exchanges keys through somebody who swaps them and wraps anew what can be read; then the
/// client sends a request, if it has accepted the server's secret. Gives what came of it.
fn exchange_through_stranger(protocol: Protocol, swapped: Swapped) -> pair::Outcome {
    let (mut client, mut server) = pair::pair(protocol, Protocol::Auto);
    let stranger = |role| pair::session(role, Protocol::Auto, STRANGER_KEY);
    match swapped {
        Swapped::None => exchange_public_keys(&mut client, &mut server),
        Swapped::Both => {
            exchange_public_keys(&mut client, &mut stranger(Role::Server));
            exchange_public_keys(&mut stranger(Role::Client), &mut server);
        }
        Swapped::Rewritten => {
            let own = pair::rsa(SERVER_KEY).public_key().unwrap().to_owned();
            hear_public_key(&mut client, &own.replace('\n', "\r\n"));
            hear_public_key(&mut server, pair::rsa(CLIENT_KEY).public_key().unwrap());
        }
        Swapped::Clients => {
            let mut mirror = pair::session(Role::Server, Protocol::Auto, SERVER_KEY);
            exchange_public_keys(&mut client, &mut mirror);
            exchange_public_keys(&mut stranger(Role::Client), &mut server);
        }
    }
    // The client's secret, on its way through the stranger's hands where they can open it.
    let mut keys = pair::rsa(STRANGER_KEY);
    let server_pem = pair::rsa(SERVER_KEY).public_key().unwrap().to_owned();
    let client_pem = pair::rsa(CLIENT_KEY).public_key().unwrap().to_owned();
    let first = secret_of(&mut client);
    let first = if swapped == Swapped::Both {
        rewrapped(&mut keys, &first, &server_pem)
    } else {
        first
    };
    let accepted = hear(&mut server, first);
    assert!(matches!(accepted, Some(Ok(None))), "{accepted:?}");
    let second = secret_of(&mut server);
    let second = if matches!(swapped, Swapped::None | Swapped::Rewritten) {
        second
    } else {
        rewrapped(&mut keys, &second, &client_pem)
    };
    match hear(&mut client, second) {
        Some(Ok(None)) => request(&mut client, &mut server, "STAT").1,
        refused => refused,
    }
}

fn hear_public_key(session: &mut Session, pem: &str) {
    session.begin_exchange(Operation::ReceivePublicKey).unwrap();
    let header = format!("{:=<8}", pem.len());
    let (mut inbox, mut answers) = ((header + pem).into_bytes(), Vec::new());
    let outcome = go_on(session, &mut inbox, &mut answers);
    assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
}

fn secret_of(session: &mut Session) -> Vec<u8> {
    session.begin_exchange(Operation::SendAesKey).unwrap();
    let (mut answer, mut wrapped) = (b"1".to_vec(), Vec::new());
    let outcome = go_on(session, &mut answer, &mut wrapped);
    assert!(matches!(outcome, Some(Ok(None))));
    wrapped
}

fn hear(session: &mut Session, mut wrapped: Vec<u8>) -> pair::Outcome {
    session.begin_exchange(Operation::ReceiveAesKey).unwrap();
    go_on(session, &mut wrapped, &mut Vec::new())
}

fn rewrapped(keys: &mut RsaWrapper, wrapped: &[u8], pem: &str) -> Vec<u8> {
    keys.set_remote_public_key(pem).unwrap();
    // All keys of these tests have one size; behind it stands what gcm sends in clear.
    let (wrapped, clear) = wrapped.split_at(keys.key_size() as usize / 8);
    let secret = keys.decrypt_data(wrapped).unwrap();
    [&keys.encrypt_data(&secret, false).unwrap(), clear].concat()
}

#[test]
fn every_framing_notices_swapped_keys() {
    let mut cases = 0;
    for protocol in FRAMINGS {
        for swapped in [
            Swapped::None,
            Swapped::Both,
            Swapped::Clients,
            Swapped::Rewritten,
        ] {
            let received = exchange_through_stranger(protocol, swapped);
            if swapped != Swapped::None {
                assert_eq!(reason(received), Reason::DecryptionFailed, "{swapped:?}");
            } else {
                let is_received = matches!(received, Some(Ok(Some(Message::Request(_)))));
                assert!(is_received, "{protocol:?}, {swapped:?}");
            }
            cases += 1;
        }
    }
    tell(cases, "exchanges through a stranger");
}

/// What stands in clear in an exchange for gcm can be replaced by anybody on the path. Both sides
/// then have other keys, which the first record shows.
#[test]
fn gcm_notices_what_is_altered_in_clear() {
    let mut cases = 0;
    let mut exchange_with = |alter: &dyn Fn(&mut Vec<u8>, &mut Vec<u8>), is_right: bool| {
        let (mut client, mut server) = pair::pair(Protocol::Gcm, Protocol::Auto);
        exchange_public_keys(&mut client, &mut server);
        let mut first = secret_of(&mut client);
        alter(&mut first, &mut Vec::new());
        let heard = hear(&mut server, first);
        assert!(matches!(heard, Some(Ok(None))), "{heard:?}");
        let mut second = secret_of(&mut server);
        alter(&mut Vec::new(), &mut second);
        let heard = hear(&mut client, second);
        assert!(matches!(heard, Some(Ok(None))), "{heard:?}");
        let received = request(&mut client, &mut server, "STAT").1;
        if is_right {
            assert!(matches!(received, Some(Ok(Some(Message::Request(_))))));
        } else {
            assert_eq!(reason(received), Reason::DecryptionFailed);
        }
        cases += 1;
    };
    exchange_with(&|_, _| {}, true);
    let wrapped_size = 256;
    // Any bit of the seed at the end of the encapsulation key, or of the ciphertext.
    for bit in (0..256).step_by(stride(31)) {
        let of_key = |first: &mut Vec<u8>, _: &mut Vec<u8>| {
            if let Some(at) = first.len().checked_sub(32) {
                first[at + bit / 8] ^= 1 << (bit % 8);
            }
        };
        exchange_with(&of_key, false);
    }
    for bit in (0..8 * gcm::CIPHERTEXT_SIZE).step_by(stride(977)) {
        let of_ciphertext = |_: &mut Vec<u8>, second: &mut Vec<u8>| {
            if !second.is_empty() {
                second[wrapped_size + bit / 8] ^= 1 << (bit % 8);
            }
        };
        exchange_with(&of_ciphertext, false);
    }
    // The stranger's own key, under which he learns one of the two secrets.
    let own = gcm::Initiator::new().encapsulation_key();
    let replaced = |first: &mut Vec<u8>, _: &mut Vec<u8>| {
        if !first.is_empty() {
            first.truncate(wrapped_size);
            first.extend_from_slice(&own);
        }
    };
    exchange_with(&replaced, false);
    tell(cases, "exchanges for gcm altered in clear");
}

const REQUEST: &[u8] = br#"{"verb": "STAT", "parameters": {}}"#;

/// Two requests, and between them a response that brings the IV of the second and reached the
/// client altered at one byte of that.
fn play_with_altered_iv(protocol: Protocol, at: usize, change: u8) -> Played {
    let mut heard = IV;
    heard[at] ^= change;
    let messages = [
        message_of(protocol, REQUEST),
        message_of_under(&heard, protocol, REQUEST),
    ];
    let (acts, bytes) = receiving(Role::Server, protocol, &messages);
    let played = play(session(Role::Server, Protocol::Auto), &acts, &bytes);
    assert_eq!(played.messages[0].as_bytes(), REQUEST);
    played
}

/// In v3 and v4 a message carries the IV of the next one, whose first block is whatever
/// somebody makes of it: in v3 another verb.
#[test]
fn v3_does_not_notice_an_altered_iv() {
    let verb = REQUEST.windows(4).position(|verb| verb == b"STAT").unwrap();
    let played = play_with_altered_iv(Protocol::V3, verb + 1, b'T' ^ b'P');
    assert!(played.failure.is_none());
    assert!(
        played.messages[1].contains("SPAT"),
        "{}",
        played.messages[1]
    );
    tell(1, "altered IV of v3");
}

/// v4 has its length under the same IV, so that the padding of the length is altered along.
#[test]
fn v4_notices_an_altered_iv_by_its_length() {
    let unaltered = play_with_altered_iv(Protocol::V4, 0, 0);
    assert!(unaltered.failure.is_none());
    let mut unnoticed = 0;
    for at in 0..BLOCK_SIZE {
        for change in 1..=u8::MAX {
            let played = play_with_altered_iv(Protocol::V4, at, change);
            unnoticed += usize::from(played.failure.is_none());
        }
    }
    assert_eq!(unnoticed, 0);
    tell(255 * BLOCK_SIZE, "altered IVs of v4");
}

/// In v2 the IV is always the same: a request that is sent again is heard again.
#[test]
fn v2_does_not_notice_a_repeated_message() {
    let mut cases = 0;
    for place in places()
        .iter()
        .filter(|place| place.protocol == Protocol::V2)
    {
        let message = message_of(Protocol::V2, &place.text(0));
        let (acts, bytes) = receiving(place.role, Protocol::V2, &vec![message; 3]);
        let pinned = session(place.role, Protocol::V2);
        assert_eq!(play(pinned, &acts, &bytes).messages.len(), 3);
        cases += 1;
    }
    tell(cases, "repeated messages of v2");
}

/// A stranger who guesses instead of reading gets nowhere in any framing.
#[test]
fn a_stranger_without_the_secret_is_refused() {
    for protocol in FRAMINGS {
        let (mut client, own) = super::keys::initiator(protocol);
        let guess = super::keys::encrypter(CLIENT_KEY);
        // No first byte of gcm.
        let guessed = vec![5; own.len()];
        let wrapped = guess.encrypt_data(&guessed, false).unwrap();
        let (answer, error) = super::keys::hear_secret(&mut client, &wrapped);
        assert_eq!(answer, b"0");
        assert_eq!(error.unwrap().reason(), Some(Reason::DecryptionFailed));
        assert_ended(&mut client);
    }
}
