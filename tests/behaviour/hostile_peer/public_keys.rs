//! Public keys that are none: other PEM texts, other algorithms, and RSA numbers beyond the
//! limits.

use anwdl::protocol::session::{Operation, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{Error, Reason};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::forger::RsaForger;
use super::tell;
use crate::pair::{self, CLIENT_KEY, SERVER_KEY, go_on};

const CERTIFICATE: &str = include_str!("../../fixtures/public-keys/certificate.pem");
const EC: &str = include_str!("../../fixtures/public-keys/ec.pem");
const ED25519: &str = include_str!("../../fixtures/public-keys/ed25519.pem");
const RSA_PSS: &str = include_str!("../../fixtures/public-keys/rsa-pss.pem");
const RSA_PKCS1: &str = include_str!("../../fixtures/public-keys/rsa-pkcs1.pem");

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// rsaEncryption (RFC 8017, appendix A.1), and no parameters.
const RSA_ALGORITHM: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// An element of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut bytes = vec![tag];
    match len {
        0..0x80 => bytes.push(len as u8),
        0x80..0x100 => bytes.extend([0x81, len as u8]),
        _ => bytes.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    bytes.extend_from_slice(content);
    bytes
}

/// A number that is not negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeros..];
    match bytes.first() {
        Some(0..0x80) => der(INTEGER, bytes),
        _ => der(INTEGER, &[&[0], bytes].concat()),
    }
}

fn key_of_integers(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let numbers = der(SEQUENCE, &[modulus, exponent].concat());
    let bits = der(BIT_STRING, &[&[0], &numbers[..]].concat());
    der(SEQUENCE, &[der(SEQUENCE, RSA_ALGORITHM), bits].concat())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64);
    let lines = lines.map(|line| format!("{}\n", str::from_utf8(line).unwrap()));
    let body: String = lines.collect();
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

/// The PEM of an RSA key with these numbers.
fn key(modulus: &[u8], exponent: u64) -> String {
    let key = key_of_integers(&integer(modulus), &integer(&exponent.to_be_bytes()));
    pem("PUBLIC KEY", &key)
}

/// An odd number of so many bits.
fn odd(bits: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..bits.div_ceil(8)).map(|at| (at * 7 + 3) as u8).collect();
    let above = 8 * bytes.len() - bits;
    bytes[0] = (bytes[0] | 0x80) >> above | 0x80 >> above;
    *bytes.last_mut().unwrap() |= 1;
    bytes
}

/// How a session takes a public key: what it answers, and the error if there is one.
fn hear_key(session: &mut Session, pem: &[u8]) -> (Vec<u8>, Option<Error>) {
    session.begin_exchange(Operation::ReceivePublicKey).unwrap();
    let header = format!("{:=<8}", pem.len());
    let (mut inbox, mut answer) = ([header.as_bytes(), pem].concat(), Vec::new());
    let outcome = go_on(session, &mut inbox, &mut answer).expect("it was heard whole");
    assert_eq!(session.has_failed(), outcome.is_err());
    (answer, outcome.err())
}

/// The reason and a part of the message with which a key is refused.
type Expected<'a> = Option<(Reason, &'a str)>;

fn both_roles() -> [Session; 2] {
    [
        pair::session(Role::Server, Protocol::Auto, SERVER_KEY),
        pair::session(Role::Client, Protocol::Auto, CLIENT_KEY),
    ]
}

#[track_caller]
fn check(name: &str, pem: &[u8], expected: Expected<'_>) -> usize {
    for mut session in both_roles() {
        let (answer, error) = hear_key(&mut session, pem);
        match (expected, error) {
            (None, None) => assert_eq!(answer, b"11", "{name}"),
            (Some((reason, problem)), Some(error)) => {
                assert_eq!(error.reason(), Some(reason), "{name}: {error}");
                let text = error.to_string();
                assert!(text.contains(problem), "{name}: {text}");
                let is_read = reason == Reason::InvalidKey;
                assert_eq!(answer, if is_read { &b"10"[..] } else { b"0" }, "{name}");
            }
            (expected, error) => panic!("{name}: {expected:?}, not {error:?}"),
        }
    }
    2
}

#[test]
fn other_texts_and_other_keys() {
    let right = pair::rsa(SERVER_KEY).public_key().unwrap().to_owned();
    let body = right.lines().nth(1).unwrap();
    let private = pair::rsa(SERVER_KEY).private_key().unwrap().to_string();
    let large = right.clone() + &" ".repeat(1024 * 1024 - right.len());
    let modulus = RsaForger::new(&right).modulus().to_vec();
    let right_der = key_of_integers(&integer(&modulus), &integer(&65537u32.to_be_bytes()));
    assert_eq!(pem("PUBLIC KEY", &right_der), right);

    let mut cases = check("the right one", right.as_bytes(), None);
    let invalid = |problem: &'static str| Some((Reason::InvalidKey, problem));
    let too_large = Some((Reason::MessageTooLarge, "at most 16384"));
    let with_label = |label: &str| right.replace("PUBLIC KEY", label);
    let texts: Vec<(&str, String, Expected)> = vec![
        ("a private key", private.clone(), invalid("\"PRIVATE KEY\"")),
        (
            "a certificate",
            CERTIFICATE.into(),
            invalid("\"CERTIFICATE\""),
        ),
        ("an EC key", EC.into(), invalid("")),
        ("an Ed25519 key", ED25519.into(), invalid("")),
        (
            "a key for PSS only",
            RSA_PSS.into(),
            invalid("not an RSA key"),
        ),
        ("PKCS #1", RSA_PKCS1.into(), invalid("\"RSA PUBLIC KEY\"")),
        (
            "a label in small letters",
            with_label("public key"),
            invalid(""),
        ),
        (
            "an encrypted key",
            with_label("ENCRYPTED PRIVATE KEY"),
            invalid("ENCRYPTED"),
        ),
        (
            "a certificate by its label",
            CERTIFICATE.replace("CERTIFICATE", "PUBLIC KEY"),
            invalid(""),
        ),
        (
            "a private key by its label",
            private.replace("PRIVATE", "PUBLIC"),
            invalid(""),
        ),
        (
            "two labels",
            right.replacen("PUBLIC KEY", "PRIVATE KEY", 1),
            invalid(""),
        ),
        ("two blocks", right.repeat(2), invalid("")),
        (
            "a key and a private key",
            right.clone() + &private,
            invalid(""),
        ),
        ("a private key and a key", private + &right, invalid("")),
        ("a NUL at the end", right.clone() + "\0", invalid("")),
        ("a NUL at the start", "\0".to_owned() + &right, invalid("")),
        (
            "a NUL within",
            right.replace(body, &body.replacen('A', "\0", 1)),
            invalid(""),
        ),
        ("a NUL alone", "\0".into(), invalid("")),
        (
            "a letter of another script",
            right.replace(body, &("\u{391}".to_owned() + body)),
            invalid(""),
        ),
        ("no BEGIN", right[11..].to_owned(), invalid("")),
        (
            "no END",
            right.replace("-----END PUBLIC KEY-----\n", ""),
            invalid(""),
        ),
        (
            "no body",
            "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n".into(),
            invalid(""),
        ),
        (
            "a line less",
            right.replace(&format!("{body}\n"), ""),
            invalid(""),
        ),
        ("one byte", "-".into(), invalid("")),
        ("1 MB", large, too_large),
        (
            "a byte too many",
            right.clone() + &" ".repeat(16385 - right.len()),
            too_large,
        ),
        (
            "a blank at the end of 16 KiB",
            "A".repeat(16384),
            invalid(""),
        ),
        (
            "a byte behind the DER",
            pem("PUBLIC KEY", &[&right_der[..], &[0]].concat()),
            invalid(""),
        ),
        (
            "half of the DER",
            pem("PUBLIC KEY", &right_der[..100]),
            invalid(""),
        ),
        (
            "a sequence without end",
            pem("PUBLIC KEY", &[0x30, 0x80, 0, 0]),
            invalid(""),
        ),
        (
            "a length of 4 GB",
            pem("PUBLIC KEY", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
            invalid(""),
        ),
        (
            "nesting",
            pem("PUBLIC KEY", &[0x30, 0x80].repeat(4000)),
            invalid(""),
        ),
    ];
    for (name, text, expected) in texts {
        cases += check(name, text.as_bytes(), expected);
    }
    let mut latin = right.into_bytes();
    latin[100] = 0xe9;
    cases += check("a byte that is no UTF-8", &latin, invalid("not PEM"));
    tell(cases, "PEM texts");
}

#[test]
fn numbers_beyond_the_limits() {
    let right = RsaForger::new(pair::rsa(SERVER_KEY).public_key().unwrap());
    let modulus = right.modulus();
    let limits = Some((Reason::InvalidKey, "2048 to 8192"));
    let exponent = Some((Reason::InvalidKey, "public exponent"));
    let mut cases = 0;
    for bits in [8, 512, 1024, 2040, 2047, 8193, 16384] {
        cases += check(
            &format!("{bits} bits"),
            key(&odd(bits), 65537).as_bytes(),
            limits,
        );
    }
    for bits in [2048, 3072, 4096, 8192] {
        cases += check(
            &format!("{bits} bits"),
            key(&odd(bits), 65537).as_bytes(),
            None,
        );
    }
    for less in [1, 3] {
        let even = key(&right.modulus_and(-less), 65537);
        let expected = Some((Reason::InvalidKey, "even"));
        cases += check("an even modulus", even.as_bytes(), expected);
    }
    for wrong in [
        0,
        1,
        2,
        4,
        65536,
        (1 << 33) + 1,
        (1 << 34) - 1,
        1 << 33,
        u64::MAX,
    ] {
        let name = format!("the exponent {wrong}");
        cases += check(&name, key(modulus, wrong).as_bytes(), exponent);
    }
    for accepted in [3, 5, 17, 65537, (1 << 32) + 1, (1 << 33) - 1] {
        let name = format!("the exponent {accepted}");
        cases += check(&name, key(modulus, accepted).as_bytes(), None);
    }
    // Numbers that DER writes in another way.
    let e = integer(&[1, 0, 1]);
    let invalid = Some((Reason::InvalidKey, ""));
    let padded = [&[0, 0], modulus].concat();
    for (name, modulus, exponent) in [
        ("a negative modulus", der(INTEGER, modulus), e.clone()),
        ("a modulus with zeros", der(INTEGER, &padded), e.clone()),
        ("a modulus without bytes", der(INTEGER, &[]), e.clone()),
        ("a modulus of 0", integer(&[]), e.clone()),
        (
            "a negative exponent",
            integer(modulus),
            der(INTEGER, &[0xff]),
        ),
        (
            "an exponent that is as long",
            integer(modulus),
            integer(modulus),
        ),
        (
            "an exponent that is a text",
            integer(modulus),
            der(0x0c, b"65537"),
        ),
        (
            "three numbers",
            integer(modulus),
            [e.clone(), e.clone()].concat(),
        ),
    ] {
        let text = pem("PUBLIC KEY", &key_of_integers(&modulus, &exponent));
        cases += check(name, text.as_bytes(), invalid);
    }
    tell(cases, "RSA numbers");
}
