//! Wrapped secrets that are none: numbers that no honest peer sends, and secrets of every
//! length.

use std::sync::LazyLock;

use anwdl::protocol::session::{Operation, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{Error, Reason, RsaWrapper};

use super::forger::RsaForger;
use super::{stride, tell};
use crate::pair::{self, CLIENT_KEY, SERVER_KEY, exchange_public_keys, gcm, go_on};

/// The longest text under the keys of these tests.
pub const LARGEST_SECRET: usize = 256 - 66;

/// How a session takes a wrapped secret, and behind it, if it has to do with gcm, what an honest
/// peer sends in clear: what it answers, and the error if there is one.
pub fn hear_secret(session: &mut Session, wrapped: &[u8]) -> (Vec<u8>, Option<Error>) {
    static KEY: LazyLock<Vec<u8>> = LazyLock::new(|| gcm::Initiator::new().encapsulation_key());
    match session.role() {
        Role::Server => hear_secret_and(session, wrapped, &KEY),
        Role::Client => hear_secret_and(session, wrapped, &[1; gcm::CIPHERTEXT_SIZE]),
    }
}

/// The same with something else in clear.
pub fn hear_secret_and(
    session: &mut Session,
    wrapped: &[u8],
    clear: &[u8],
) -> (Vec<u8>, Option<Error>) {
    session.begin_exchange(Operation::ReceiveAesKey).unwrap();
    let (mut inbox, mut answer) = ([wrapped, clear].concat(), Vec::new());
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
    let keys = pair::rsa(SERVER_KEY);
    let size = keys.key_size() as usize / 8;
    let secret = keys.decrypt_data(&wrapped[..size]).unwrap();
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
        let is_gcm = secret.len() == 65 && secret[0] == 6;
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
        for first in [6, 5, 0] {
            for len in (0..=LARGEST_SECRET).filter(|len| len % stride(3) == 0 || *len < 70) {
                check(protocol, &vec![first; len]);
            }
        }
        // The byte that chooses gcm.
        for first in (0..=u8::MAX).step_by(stride(3)) {
            let mut secret = [6; 65];
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
    for len in (0..=LARGEST_SECRET).filter(|len| len % stride(5) == 0 || [48, 65].contains(len)) {
        // Of the right bytes as far as there are any.
        let cut = |own: &[u8]| {
            let mut own = own.to_vec();
            own.resize(len, 0);
            own
        };
        check(Protocol::V4, &cut, len == 48);
        check(Protocol::Gcm, &|_| vec![6; len], len == 65);
    }
    tell(cases, "secrets that come back");
}

/// Public keys of X25519 with which everybody knows the shared secret: the points of small order,
/// in each form that they can be written in.
pub fn low_order_points() -> Vec<[u8; 32]> {
    let near_modulus = |first| {
        let mut point = [0xff; 32];
        (point[0], point[31]) = (first, 0x7f);
        point
    };
    let small = |number| {
        let mut point = [0; 32];
        point[0] = number;
        point
    };
    let of_order_8 = [
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ]
    .map(|hex| std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..][..2], 16).unwrap()));
    let mut points = [0xec, 0xed, 0xee].map(near_modulus).to_vec();
    points.extend([0, 1].map(small));
    points.extend(of_order_8);
    // The highest bit does not count.
    let again: Vec<_> = points
        .iter()
        .map(|point| {
            let mut point = *point;
            point[31] |= 0x80;
            point
        })
        .collect();
    points.extend(again);
    points
}

/// Encapsulation keys that are none, though they have the right size: one of their numbers, of 12
/// bits each, is not below the modulus 3329.
pub fn malformed_encapsulation_keys() -> Vec<Vec<u8>> {
    let right = gcm::Initiator::new().encapsulation_key();
    let with = |at: usize, number: u16| {
        let mut key = right.clone();
        key[at..at + 2].copy_from_slice(&number.to_le_bytes());
        key
    };
    let last = gcm::ENCAPSULATION_KEY_SIZE - 32 - 3;
    vec![
        with(0, 3329),
        with(0, 0xfff),
        with(last, 3329),
        vec![0xff; gcm::ENCAPSULATION_KEY_SIZE],
    ]
}

#[test]
fn ephemeral_keys_that_are_none() {
    let mut cases = 0;
    let mut refuses = |session: &mut Session, wrapped: &[u8], clear: &[u8]| {
        let (answer, error) = hear_secret_and(session, wrapped, clear);
        assert_eq!(error.unwrap().reason(), Some(Reason::DecryptionFailed));
        assert_eq!(answer, b"0");
        cases += 1;
    };
    for protocol in [Protocol::Auto, Protocol::Gcm] {
        let encrypter = encrypter(SERVER_KEY);
        let honest = gcm::Initiator::new();
        let key = honest.encapsulation_key();
        for point in low_order_points() {
            let wrapped = encrypter.encrypt_data(&gcm::secret(&[7; 32], &point), false);
            refuses(&mut responder(protocol), &wrapped.unwrap(), &key);
        }
        let wrapped = encrypter.encrypt_data(&honest.secret(), false).unwrap();
        for malformed in malformed_encapsulation_keys() {
            refuses(&mut responder(protocol), &wrapped, &malformed);
        }
    }
    let encrypter = encrypter(CLIENT_KEY);
    for point in low_order_points() {
        let wrapped = encrypter.encrypt_data(&gcm::secret(&[7; 32], &point), false);
        let ciphertext = [1; gcm::CIPHERTEXT_SIZE];
        let mut client = initiator(Protocol::Gcm).0;
        refuses(&mut client, &wrapped.unwrap(), &ciphertext);
    }
    tell(cases, "ephemeral keys that are none");
}

/// What stands in clear, cut short or with more behind it.
#[test]
fn clear_parts_of_the_wrong_size() {
    let mut cases = 0;
    type Side = (fn() -> Session, &'static str, usize);
    let sides: [Side; 2] = [
        (
            || responder(Protocol::Auto),
            SERVER_KEY,
            gcm::ENCAPSULATION_KEY_SIZE,
        ),
        (
            || initiator(Protocol::Gcm).0,
            CLIENT_KEY,
            gcm::CIPHERTEXT_SIZE,
        ),
    ];
    for (side, pem, size) in sides {
        let honest = gcm::Initiator::new();
        let wrapped = encrypter(pem)
            .encrypt_data(&honest.secret(), false)
            .unwrap();
        let mut clear = honest.encapsulation_key();
        clear.resize(size + 1, 0);
        for missing in [1, 96, size - 1, size] {
            let mut session = side();
            session.begin_exchange(Operation::ReceiveAesKey).unwrap();
            let mut inbox = [&wrapped[..], &clear[..size - missing]].concat();
            let mut answer = Vec::new();
            let outcome = go_on(&mut session, &mut inbox, &mut answer);
            assert!(outcome.is_none(), "it waits for the rest: {outcome:?}");
            assert!(answer.is_empty());
            cases += 1;
        }
        let mut session = side();
        session.begin_exchange(Operation::ReceiveAesKey).unwrap();
        let (mut inbox, mut answer) = ([&wrapped[..], &clear].concat(), Vec::new());
        let outcome = go_on(&mut session, &mut inbox, &mut answer);
        assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
        assert_eq!((inbox.len(), answer), (1, b"1".to_vec()));
        cases += 1;
    }
    tell(cases, "parts in clear of the wrong size");
}
