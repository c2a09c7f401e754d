//! Wrapped secrets that are none: numbers that no honest peer sends, and secrets of every
//! length.

use anwdl::protocol::session::{Operation, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{Error, Reason, RsaWrapper};

use crate::forger::RsaForger;
use crate::pair::{self, CLIENT_KEY, SERVER_KEY, exchange_public_keys, go_on};
use crate::{stride, tell};

/// The longest text under the keys of these tests.
pub const LARGEST_SECRET: usize = 256 - 66;

/// How a session takes a wrapped secret: what it answers, and the error if there is one.
pub fn hear_secret(session: &mut Session, wrapped: &[u8]) -> (Vec<u8>, Option<Error>) {
    session.begin_exchange(Operation::ReceiveAesKey).unwrap();
    let (mut inbox, mut answer) = (wrapped.to_vec(), Vec::new());
    let outcome = go_on(session, &mut inbox, &mut answer).expect("it was heard whole");
    assert_eq!(session.has_failed(), outcome.is_err());
    (answer, outcome.err())
}

/// A server that waits for the secret of its client.
pub fn responder(protocol: Protocol) -> Session {
    pair::session(Role::Server, protocol, SERVER_KEY)
}

/// A client that has sent its secret, and waits for it to come back.
pub fn initiator(protocol: Protocol) -> (Session, Vec<u8>) {
    let (mut client, mut server) = pair::pair(protocol, Protocol::Auto);
    exchange_public_keys(&mut client, &mut server);
    client.begin_exchange(Operation::SendAesKey).unwrap();
    let (mut answer, mut wrapped) = (b"1".to_vec(), Vec::new());
    let sent = go_on(&mut client, &mut answer, &mut wrapped);
    assert!(matches!(sent, Some(Ok(None))));
    let secret = pair::rsa(SERVER_KEY).decrypt_data(&wrapped).unwrap();
    (client, secret.to_vec())
}

/// Whoever encrypts for the owner of this key.
pub fn encrypter(pem: &str) -> RsaWrapper {
    let mut wrapper = RsaWrapper::new(false).unwrap();
    let owner = pair::rsa(pem);
    wrapper
        .set_remote_public_key(owner.public_key().unwrap())
        .unwrap();
    wrapper
}

/// Numbers that are no ciphertext, by their names.
pub fn numbers(forger: &RsaForger) -> Vec<(&'static str, Vec<u8>)> {
    let size = forger.modulus().len();
    let small = |number: u8| {
        let mut bytes = vec![0; size];
        bytes[size - 1] = number;
        bytes
    };
    let half: Vec<u8> = {
        let mut carry = 0;
        let halves = forger.modulus().iter().map(|byte| {
            let half = carry << 7 | byte >> 1;
            carry = byte & 1;
            half
        });
        halves.collect()
    };
    vec![
        ("0", small(0)),
        ("1", small(1)),
        ("2", small(2)),
        ("half of the modulus", half),
        ("the modulus less 1", forger.modulus_and(-1)),
        ("the modulus", forger.modulus_and(0)),
        ("the modulus and 1", forger.modulus_and(1)),
        ("all ones", vec![0xff; size]),
    ]
}

#[test]
fn numbers_that_are_no_ciphertext() {
    let mut cases = 0;
    for protocol in [Protocol::Auto, Protocol::V4, Protocol::Gcm] {
        let forger = RsaForger::new(pair::rsa(SERVER_KEY).public_key().unwrap());
        for (name, number) in numbers(&forger) {
            let (answer, error) = hear_secret(&mut responder(protocol), &number);
            let reason = error.unwrap().reason();
            assert_eq!(reason, Some(Reason::DecryptionFailed), "{name}");
            assert_eq!(answer, b"0", "{name}");
            cases += 1;
        }
    }
    for protocol in [Protocol::V4, Protocol::Gcm] {
        let forger = RsaForger::new(pair::rsa(CLIENT_KEY).public_key().unwrap());
        for (name, number) in numbers(&forger) {
            let (answer, error) = hear_secret(&mut initiator(protocol).0, &number);
            let reason = error.unwrap().reason();
            assert_eq!(reason, Some(Reason::DecryptionFailed), "{name}");
            assert_eq!(answer, b"0", "{name}");
            cases += 1;
        }
    }
    tell(cases, "numbers as wrapped secrets");
}

#[test]
fn secrets_of_every_length() {
    let mut cases = 0;
    let encrypter = encrypter(SERVER_KEY);
    let mut check = |protocol, secret: &[u8]| {
        let wrapped = encrypter.encrypt_data(secret, false).unwrap();
        let (answer, error) = hear_secret(&mut responder(protocol), &wrapped);
        let is_gcm = secret.len() == 33 && secret[0] == 5;
        let is_cbc = matches!(secret.len(), 32 | 40 | 48);
        let expected = match protocol {
            Protocol::Gcm if is_cbc => Some(Reason::ProtocolMismatch),
            Protocol::V4 if is_gcm => Some(Reason::ProtocolMismatch),
            _ if is_gcm || is_cbc => None,
            _ => Some(Reason::DecryptionFailed),
        };
        let found = error.map(|error| error.reason().unwrap());
        let first = secret.first();
        assert_eq!(found, expected, "{protocol:?}: {} {first:?}", secret.len());
        assert_eq!(answer, if expected.is_some() { b"0" } else { b"1" });
        cases += 1;
    };
    for protocol in [Protocol::Auto, Protocol::V4, Protocol::Gcm] {
        for first in [5, 6, 0] {
            for len in (0..=LARGEST_SECRET).filter(|len| len % stride(3) == 0 || *len < 50) {
                check(protocol, &vec![first; len]);
            }
        }
        // The byte that chooses gcm.
        for first in (0..=u8::MAX).step_by(stride(5)) {
            let mut secret = [5; 33];
            secret[0] = first;
            check(protocol, &secret);
        }
    }
    tell(cases, "secrets of every length");
}

#[test]
fn secrets_that_come_back() {
    let encrypter = encrypter(CLIENT_KEY);
    let mut cases = 0;
    let mut check = |protocol, make: &dyn Fn(&[u8]) -> Vec<u8>, is_right: bool| {
        let (mut client, own) = initiator(protocol);
        let wrapped = encrypter.encrypt_data(&make(&own), false).unwrap();
        let (answer, error) = hear_secret(&mut client, &wrapped);
        let reason = error.map(|error| error.reason().unwrap());
        let refused = (!is_right).then_some(Reason::DecryptionFailed);
        assert_eq!(reason, refused, "{protocol:?}");
        assert_eq!(answer, if is_right { b"1" } else { b"0" });
        cases += 1;
    };
    check(Protocol::V4, &|own| own.to_vec(), true);
    check(Protocol::Gcm, &|own| own.to_vec(), true);
    for at in 0..48 {
        let flipped = |own: &[u8]| {
            let mut own = own.to_vec();
            own[at] ^= 1;
            own
        };
        check(Protocol::V4, &flipped, false);
    }
    for len in (0..=LARGEST_SECRET).step_by(stride(5)) {
        // Of the right bytes as far as there are any.
        let cut = |own: &[u8]| {
            let mut own = own.to_vec();
            own.resize(len, 0);
            own
        };
        check(Protocol::V4, &cut, len == 48);
        check(Protocol::Gcm, &|_| vec![5; len], len == 33);
    }
    tell(cases, "secrets that come back");
}
