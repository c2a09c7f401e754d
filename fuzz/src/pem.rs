//! Keys as PEM texts and as DER: public ones against the limits that the library states, private ones by
//! whether they do what they must once they are accepted.

use std::sync::OnceLock;

use anwdl::{Error, Reason, RsaWrapper};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::input::Input;

const PRIVATE_KEY: &str = include_str!("../../examples-c/tests/keys/peer-1.pem");

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(4) {
        0 => {
            let text = String::from_utf8_lossy(input.rest()).into_owned();
            check_public(&text, None);
            check_private(|wrapper| wrapper.set_private_key(&text, true));
        }
        1 | 2 => {
            let (mut der, is_acceptable) = public_key(&mut input);
            let before = der.clone();
            input.damage(&mut der);
            let is_whole = der == before;
            let (label, is_right) = label(&mut input, "PUBLIC KEY");
            let (text, is_plain) = pem(&mut input, &label, &der);
            let verdict = (is_whole && is_plain).then_some(is_acceptable && is_right);
            check_public(&text, verdict);
            let mut wrapper = RsaWrapper::new(false).unwrap();
            let found = wrapper.set_public_key_der(&der);
            if is_whole {
                assert_eq!(found.is_ok(), is_acceptable, "{found:?}");
            }
        }
        _ => {
            let mut der = private_der().to_vec();
            for _ in 0..input.below(3) {
                input.damage(&mut der);
            }
            let (label, _) = label(&mut input, "PRIVATE KEY");
            let (text, _) = pem(&mut input, &label, &der);
            check_private(|wrapper| wrapper.set_private_key(&text, true));
            check_private(|wrapper| wrapper.set_private_key_der(&der, true));
        }
    }
}

/// Whether the library accepts the text as a public key; `verdict` is what it has to find.
fn check_public(text: &str, verdict: Option<bool>) {
    let mut wrapper = RsaWrapper::new(false).unwrap();
    let found = wrapper.set_received_public_key(text);
    let as_local = RsaWrapper::new(false).unwrap().set_public_key(text);
    // A setter takes more than a peer may send.
    assert!(found.is_err() || as_local.is_ok());
    if let Some(verdict) = verdict {
        assert_eq!(found.is_ok(), verdict, "{found:?} of {text}");
    }
    if let Err(error) = found {
        assert_eq!(error.reason(), Some(Reason::InvalidKey));
        assert!(wrapper.remote_public_key().is_none());
        return;
    }
    let written = wrapper.remote_public_key().expect("it was just set");
    let mut again = RsaWrapper::new(false).unwrap();
    again
        .set_public_key(&written)
        .expect("the library wrote it");
    assert_eq!(again.public_key(), Some(written.as_str()));
    assert_eq!(again.fingerprint(false), wrapper.fingerprint(true));
    let bits = again.key_size();
    assert!((2048..=8192).contains(&bits), "{bits}");
    let encrypted = wrapper.encrypt_data(b"secret", false);
    if let Ok(encrypted) = encrypted {
        assert_eq!(encrypted.len(), (bits as usize).div_ceil(8));
    }
    assert_eq!(
        wrapper
            .verify_data_signature(&[1; 256], b"data", false)
            .ok(),
        Some(false)
    );
}

fn check_private(set: impl FnOnce(&mut RsaWrapper) -> Result<(), Error>) {
    let mut wrapper = RsaWrapper::new(false).unwrap();
    if let Err(error) = set(&mut wrapper) {
        assert_eq!(error.reason(), Some(Reason::InvalidKey));
        assert!(wrapper.private_key().is_none() && wrapper.public_key().is_none());
        return;
    }
    let bits = wrapper.key_size();
    assert!((2048..=8192).contains(&bits), "{bits}");
    let written = wrapper.private_key().expect("it was just set");
    let mut again = RsaWrapper::new(false).unwrap();
    again
        .set_private_key(&written, true)
        .expect("the library wrote it");
    assert_eq!(again.public_key(), wrapper.public_key());
    // A key whose numbers do not fit together would not find back.
    let encrypted = wrapper.encrypt_data(b"secret", true).expect("it fits");
    let decrypted = wrapper.decrypt_data(&encrypted).expect("it is its own");
    assert_eq!(*decrypted, b"secret");
}

fn private_der() -> &'static [u8] {
    static DER: OnceLock<Vec<u8>> = OnceLock::new();
    DER.get_or_init(|| {
        let lines = PRIVATE_KEY.lines().filter(|line| !line.starts_with('-'));
        BASE64_STANDARD.decode(lines.collect::<String>()).unwrap()
    })
}

/// A public key of chosen numbers (RFC 8017, RFC 5280), and whether they keep to the limits.
fn public_key(input: &mut Input<'_>) -> (Vec<u8>, bool) {
    let bits = input.pick(&[
        2048, 2047, 2049, 3072, 4096, 8192, 8193, 1024, 2056, 16384, 0,
    ]);
    let exponent: u64 = input.pick(&[
        65537,
        3,
        1,
        2,
        0,
        17,
        0x1_ffff_ffff,
        0x2_0000_0001,
        0x1_0000_0000,
        5,
    ]);
    let is_even = input.below(8) == 7;
    let seed = input.byte();
    let mut modulus: Vec<u8> = (0..bits_to_bytes(bits))
        .map(|at| (at as u8).wrapping_mul(seed | 1).wrapping_add(seed))
        .collect();
    if let [first, ..] = &mut modulus[..] {
        let top = (bits - 1) % 8;
        *first = *first & ((1 << top) - 1) | 1 << top;
    }
    if let [.., last] = &mut modulus[..] {
        *last = *last & 0xfe | u8::from(!is_even);
    }
    let numbers = [integer(&modulus), integer(&exponent.to_be_bytes())].concat();
    let key = tagged(0x30, &numbers);
    let rsa_encryption = [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let bit_string = tagged(0x03, &[&[0], &key[..]].concat());
    let der = tagged(0x30, &[&rsa_encryption[..], &bit_string].concat());
    let is_acceptable = (2048..=8192).contains(&bits)
        && !is_even
        && exponent % 2 == 1
        && (3..1 << 33).contains(&exponent);
    (der, is_acceptable)
}

fn bits_to_bytes(bits: usize) -> usize {
    bits.div_ceil(8)
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let mut content = bytes[zeros..].to_vec();
    if content.first().is_none_or(|&first| first >= 0x80) {
        content.insert(0, 0);
    }
    tagged(0x02, &content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut der = vec![tag];
    match len {
        0..0x80 => der.push(len as u8),
        0x80..0x100 => der.extend([0x81, len as u8]),
        _ => der.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    der.extend_from_slice(content);
    der
}

/// A label, and whether it is the one that is needed.
fn label(input: &mut Input<'_>, right: &str) -> (String, bool) {
    let label = match input.below(12) {
        8 => "RSA PUBLIC KEY",
        9 => "CERTIFICATE",
        10 => "RSA PRIVATE KEY",
        11 => "PRIVATE KEY",
        _ => right,
    };
    (label.to_owned(), label == right)
}

/// A PEM text, and whether it is written as everybody writes it.
fn pem(input: &mut Input<'_>, label: &str, der: &[u8]) -> (String, bool) {
    let encoded = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in encoded.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).expect("it is ASCII"));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    if input.below(4) != 3 {
        return (text, true);
    }
    let mut bytes = text.into_bytes();
    input.damage(&mut bytes);
    (String::from_utf8_lossy(&bytes).into_owned(), false)
}
