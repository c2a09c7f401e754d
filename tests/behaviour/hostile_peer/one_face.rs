//! Whatever it is that makes a decryption fail: the bytes that go back, the status, the reason
//! and the message are the same, so that neither a peer nor a log tells the causes apart.

use std::collections::BTreeSet;

use anwdl::protocol::{Protocol, Role};
use anwdl::{Error, Reason};
use rand::SeedableRng;
use rsa::oaep::Oaep;
use rsa::pkcs8::DecodePublicKey;
use sha2::{Sha256, Sha384, Sha512};

use super::ciphertexts::{Place, places};
use super::forger::{
    BLOCK_SIZE, Encoding, RsaForger, encrypt_blocks, gcm_session, message, other, packet_of_blocks,
    padded, session,
};
use super::keys::{
    encrypter, hear_secret, hear_secret_and, initiator, low_order_points,
    malformed_encapsulation_keys, numbers, responder,
};
use super::play::{Act, Played, play};
use super::tell;
use crate::pair::gcm::{self, SessionKeys};
use crate::pair::{self, CLIENT_KEY, SERVER_KEY, STRANGER_KEY};

/// What a peer and a caller see of a failure.
#[derive(Debug, PartialEq, Eq)]
struct Face {
    sent: Vec<u8>,
    error: Error,
    text: String,
}

impl Face {
    fn new(sent: Vec<u8>, error: Error) -> Self {
        let text = error.to_string();
        Self { sent, error, text }
    }

    fn of(played: Played) -> Self {
        Self::new(played.sent, played.failure.expect("it fails"))
    }
}

/// The failures of one step, by their causes.
type Failures = Vec<(String, Face)>;

/// Wrapped secrets that cannot be unwrapped, or hold no secret, for the owner of a key.
fn bad_secrets(pem: &str) -> Vec<(String, Vec<u8>)> {
    let owner = pair::rsa(pem);
    let public = owner.public_key().unwrap();
    let forger = RsaForger::new(public);
    let encrypter = encrypter(pem);
    let secret = [7; 48];
    let mut causes: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, number) in numbers(&forger) {
        causes.push((format!("the number: {name}"), number));
    }

    // OAEP with one mistake each. Without any, it is what the owner reads.
    let right = forger.wrap(&forger.encode(&secret, &Encoding::right()));
    assert_eq!(*owner.decrypt_data(&right).unwrap(), secret);
    let right = Encoding::right;
    let parts = [
        (
            "a first byte of 1",
            Encoding {
                first: 1,
                ..right()
            },
        ),
        (
            "a hash of another label",
            Encoding {
                label_hash: [0; 32],
                ..right()
            },
        ),
        (
            "a first byte of the padding that is not 0",
            Encoding {
                dirty_padding: Some(0),
                ..right()
            },
        ),
        (
            "a last byte of the padding that is not 0",
            Encoding {
                dirty_padding: Some(141),
                ..right()
            },
        ),
        (
            "no separator",
            Encoding {
                separator: 0,
                ..right()
            },
        ),
        (
            "another separator",
            Encoding {
                separator: 2,
                ..right()
            },
        ),
        (
            "a changed seed",
            Encoding {
                seed_change: 1,
                ..right()
            },
        ),
    ];
    for (name, parts) in parts {
        let encoded = forger.encode(&secret, &parts);
        causes.push((format!("OAEP with {name}"), forger.wrap(&encoded)));
    }
    let size = forger.modulus().len();
    causes.push((
        "PKCS #1 v1.5".into(),
        forger.wrap(&forger.encode_v1_5(&secret)),
    ));
    let mut plain = vec![0; size];
    plain[size - 48..].copy_from_slice(&secret);
    causes.push(("no padding".into(), forger.wrap(&plain)));

    // OAEP of another kind.
    let key = rsa::RsaPublicKey::from_public_key_pem(public).unwrap();
    let mut random = rand::rngs::StdRng::from_seed([1; 32]);
    let mut other = |name: &str, wrapped: rsa::Result<Vec<u8>>| {
        causes.push((format!("OAEP with {name}"), wrapped.unwrap()));
    };
    let label = Oaep::<Sha256>::new_with_label(&b"anwdl"[..]);
    other("a label", key.encrypt(&mut random, label, &secret));
    other(
        "SHA-384",
        key.encrypt(&mut random, Oaep::<Sha384>::new(), &secret),
    );
    other(
        "SHA-512",
        key.encrypt(&mut random, Oaep::<Sha512>::new(), &secret),
    );
    let mask = Oaep::<Sha256, Sha512>::new_with_mgf_hash();
    other("a mask of SHA-512", key.encrypt(&mut random, mask, &secret));
    let hash = Oaep::<Sha512, Sha256>::new_with_mgf_hash();
    other(
        "a label hash of SHA-512",
        key.encrypt(&mut random, hash, &secret),
    );

    // Somebody else's, and the right one altered.
    let strangers = self::encrypter(STRANGER_KEY)
        .encrypt_data(&secret, false)
        .unwrap();
    causes.push(("for another key".into(), strangers));
    let honest = encrypter.encrypt_data(&secret, false).unwrap();
    for (name, at) in [("first", 1), ("middle", size / 2), ("last", size - 1)] {
        let mut altered = honest.clone();
        altered[at] ^= 1;
        causes.push((format!("altered at the {name} byte"), altered));
    }
    let backwards = honest.iter().rev().copied().collect();
    causes.push(("bytes in the other order".into(), backwards));

    // What is unwrapped has the size of nothing.
    for len in [0, 1, 15, 16, 17, 31, 33, 34, 39, 41, 47, 49, 64, 66, 190] {
        let wrapped = encrypter.encrypt_data(&vec![7; len], false).unwrap();
        causes.push((format!("a secret of {len} bytes"), wrapped));
    }
    let wrapped = encrypter.encrypt_data(&[6; 66], false).unwrap();
    causes.push(("a gcm secret of 66 bytes".into(), wrapped));
    for first in [0, 5, 7, 0x86, 0xff] {
        let mut secret = [7; 65];
        secret[0] = first;
        let wrapped = encrypter.encrypt_data(&secret, false).unwrap();
        causes.push((format!("a gcm secret that begins with {first:#x}"), wrapped));
    }
    causes
}

fn heard_by_responder(protocol: Protocol) -> Failures {
    let causes = bad_secrets(SERVER_KEY).into_iter();
    let faces = causes.map(|(name, wrapped)| {
        let (sent, error) = hear_secret(&mut responder(protocol), &wrapped);
        (name, Face::new(sent, error.expect("it fails")))
    });
    let mut faces: Failures = faces.collect();
    if protocol == Protocol::V4 {
        return faces;
    }
    // What is wrong with the ephemeral keys.
    let encrypter = encrypter(SERVER_KEY);
    let honest = gcm::Initiator::new();
    let mut hear = |name: String, secret: &[u8], key: &[u8]| {
        let wrapped = encrypter.encrypt_data(secret, false).unwrap();
        let (sent, error) = hear_secret_and(&mut responder(protocol), &wrapped, key);
        faces.push((name, Face::new(sent, error.expect("it fails"))));
    };
    for (at, point) in low_order_points().iter().enumerate() {
        let secret = gcm::secret(&[7; 32], point);
        let name = format!("a point of small order, {at}");
        hear(name, &secret, &honest.encapsulation_key());
    }
    for (at, key) in malformed_encapsulation_keys().iter().enumerate() {
        let name = format!("a malformed encapsulation key, {at}");
        hear(name, &honest.secret(), key);
    }
    faces
}

fn heard_by_initiator(protocol: Protocol) -> Failures {
    let mut causes = bad_secrets(CLIENT_KEY);
    let encrypter = encrypter(CLIENT_KEY);
    for len in [16, 32, 40, 48] {
        let wrapped = encrypter.encrypt_data(&vec![8; len], false).unwrap();
        causes.push((format!("another secret of {len} bytes"), wrapped));
    }
    if protocol == Protocol::Gcm {
        for (at, point) in low_order_points().iter().enumerate() {
            let secret = gcm::secret(&[7; 32], point);
            let wrapped = encrypter.encrypt_data(&secret, false).unwrap();
            causes.push((format!("a point of small order, {at}"), wrapped));
        }
    }
    let faces = causes.into_iter().map(|(name, wrapped)| {
        let (sent, error) = hear_secret(&mut initiator(protocol).0, &wrapped);
        (name, Face::new(sent, error.expect("it fails")))
    });
    faces.collect()
}

/// Lengths of v4 that are none.
fn bad_lengths(role: Role) -> Failures {
    let act = Act::receive(role);
    let mut causes: Vec<(String, Vec<u8>)> = Vec::new();
    for text in [
        "", "-1", "+1", " 1", "1 ", "1=", "0x1", "1.0", "1e3", "a", "\u{661}", "1\0", "1_0",
    ] {
        causes.push((format!("the length {text:?}"), padded(text.as_bytes())));
    }
    for (name, last) in [
        ("0", 0),
        ("17", 17),
        ("255", 255),
        ("2, of which one is missing", 2),
    ] {
        let mut block = *b"1234567890123456";
        block[15] = last;
        causes.push((format!("a length whose padding is {name}"), block.to_vec()));
    }
    let mut block = padded(b"48");
    block[2] ^= 1;
    causes.push((
        "a length whose padding is wrong at its first byte".into(),
        block,
    ));
    let faces = causes.into_iter().map(|(name, block)| {
        let bytes = encrypt_blocks(&block);
        let played = play(
            session(role, Protocol::V4),
            std::slice::from_ref(&act),
            &bytes,
        );
        (name, Face::of(played))
    });
    faces.collect()
}

/// Texts that are no JSON, by what is wrong with them.
fn bad_texts(place: &Place) -> Vec<(String, Vec<u8>)> {
    let right = String::from_utf8(place.text(0)).unwrap();
    let open = &right[..right.len() - 1];
    let texts: Vec<(&str, Vec<u8>)> = vec![
        ("no text", vec![]),
        ("a text without end", open.into()),
        ("a text with a byte more", format!("{right}x").into()),
        ("a NUL behind the text", format!("{right}\0").into()),
        ("a byte-order mark", format!("\u{feff}{right}").into()),
        (
            "a raw control character",
            format!("{open}, \"x\": \"\n\"}}").into(),
        ),
        (
            "a byte that is no UTF-8",
            [right.as_bytes(), &[0xff]].concat(),
        ),
        (
            "a surrogate in UTF-8",
            [right.as_bytes(), &[0xed, 0xa0, 0x80]].concat(),
        ),
        (
            "an overlong NUL",
            [right.as_bytes(), &[0xc0, 0x80]].concat(),
        ),
        ("no JSON at all", b"hello".to_vec()),
        ("a NaN with a sign", format!("{open}, \"x\": -NaN}}").into()),
        (
            "a text that is too deep, without end",
            format!("{open}, \"x\": {}", "[".repeat(100)).into(),
        ),
    ];
    let texts = texts.into_iter();
    texts.map(|(name, text)| (name.to_owned(), text)).collect()
}

/// Texts that Python reads and that are not strict JSON.
fn python_texts(place: &Place) -> Vec<Vec<u8>> {
    let right = String::from_utf8(place.text(0)).unwrap();
    let open = &right[..right.len() - 1];
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let values = ["NaN", "-Infinity", r#""\ud800""#, r#"0, "x": 0"#, &deep];
    let texts = values.map(|value| format!("{open}, \"x\": {value}}}").into());
    texts.into()
}

/// Packets of v2, v3 and v4 that cannot be decrypted, or hold no JSON.
fn bad_packets(place: Place) -> Failures {
    let mut causes: Vec<(String, Vec<u8>)> = Vec::new();
    let right = packet_of_blocks(place.protocol, &padded(&place.text(0)));
    for (name, len) in [
        ("a byte alone", 1),
        ("less than a block", BLOCK_SIZE - 1),
        ("an IV alone, or a block", BLOCK_SIZE),
        ("a byte less", right.len() - 1),
        ("a byte more", right.len() + 1),
        ("two blocks less", right.len() - 2 * BLOCK_SIZE),
    ] {
        let mut packet = right.clone();
        packet.resize(len, 0);
        causes.push((name.into(), packet));
    }
    // Some of them are blanks, behind which a text could end.
    for last in [0, 2, 9, 10, 13, 15, 16, 17, 32, 0x80, 255] {
        let blanks = 2 * BLOCK_SIZE - place.text(0).len() % BLOCK_SIZE - 1;
        let blocks = [place.text(blanks), vec![last]].concat();
        let name = format!("a padding of {last} without its other bytes");
        causes.push((name, packet_of_blocks(place.protocol, &blocks)));
    }
    for inner in [2, 8, 16] {
        let mut blocks = padded(&place.text(BLOCK_SIZE - place.text(0).len() % BLOCK_SIZE));
        let at = blocks.len() - inner;
        blocks[at] ^= 0x10;
        let name = format!("a padding that is wrong {inner} bytes before the end");
        causes.push((name, packet_of_blocks(place.protocol, &blocks)));
    }
    for (name, text) in bad_texts(&place) {
        causes.push((name, packet_of_blocks(place.protocol, &padded(&text))));
    }
    // What Python reads has its own reason behind a right padding only.
    for (at, text) in python_texts(&place).into_iter().enumerate() {
        let right = padded(&text);
        let played = place.receive(&packet_of_blocks(place.protocol, &right));
        assert_eq!(played.reason(), Some(place.malformed()));
        let padding = right.len() - text.len();
        for changed in [1, padding] {
            let mut blocks = right.clone();
            let place_of = blocks.len() - changed;
            blocks[place_of] ^= 0x40;
            let name = format!("a padding that is wrong {changed} bytes before the end, of {at}");
            causes.push((name, packet_of_blocks(place.protocol, &blocks)));
        }
    }
    for (name, at) in [("first", 0), ("second", BLOCK_SIZE)] {
        let mut packet = right.clone();
        packet[at] ^= 0x80;
        causes.push((format!("an altered bit in the {name} block"), packet));
    }
    let faces = causes.into_iter();
    faces
        .map(|(name, packet)| (name, Face::of(place.receive(&packet))))
        .collect()
}

/// Records of gcm that do not authenticate, or hold no JSON.
fn bad_records(role: Role) -> Failures {
    let place = Place {
        protocol: Protocol::Gcm,
        role,
        is_detected: false,
    };
    let from = other(role);
    let text = place.text(0);
    let right_len = text.len() + 16;
    type Make<'a> = Box<dyn Fn(&SessionKeys) -> Vec<u8> + 'a>;
    let mut causes: Vec<(String, Make)> = Vec::new();
    let text = &text;
    for (name, at) in [
        ("text", 0),
        ("tag", right_len - 16),
        ("end of the tag", right_len - 1),
    ] {
        let make = move |keys: &SessionKeys| {
            let mut altered = keys.record(from, 0, text);
            altered[at] ^= 1;
            altered
        };
        causes.push((format!("an altered {name}"), Box::new(make)));
    }
    let mut add = |name: &str, make: Make<'static>| causes.push((name.into(), make));
    let text = text.clone();
    let other_number = text.clone();
    add(
        "another number",
        Box::new(move |keys| keys.record(from, 1, &other_number)),
    );
    let reflected = text.clone();
    add(
        "another direction",
        Box::new(move |keys| keys.record(role, 0, &reflected)),
    );
    for (name, len) in [
        ("a byte less", right_len - 1),
        ("a byte more", right_len + 1),
    ] {
        let text = text.clone();
        let make = move |keys: &SessionKeys| {
            let mut record = keys.record(from, 0, &text);
            record.resize(len, 0);
            record
        };
        add(name, Box::new(make));
    }
    add(
        "a tag of zeros",
        Box::new(move |keys| {
            let record = keys.record(from, 0, &text);
            [&record[..record.len() - 16], &[0; 16]].concat()
        }),
    );
    add("a record of zeros", Box::new(move |_| vec![0; right_len]));
    add("the shortest record", Box::new(|_| vec![0; 17]));
    for (name, text) in bad_texts(&place) {
        // A record without a text breaks the protocol, which anybody can see.
        if !text.is_empty() {
            let make = move |keys: &SessionKeys| keys.record(from, 0, &text);
            causes.push((name, Box::new(make)));
        }
    }
    let faces = causes.into_iter().map(|(name, make)| {
        let (session, keys) = gcm_session(role);
        let bytes = message(Protocol::Gcm, &make(&keys));
        let played = play(session, &[place.act()], &bytes);
        (name, Face::of(played))
    });
    faces.collect()
}

#[test]
fn causes_cannot_be_told_apart() {
    let mut steps: Vec<(String, Failures)> = Vec::new();
    for protocol in [Protocol::Auto, Protocol::V4, Protocol::Gcm] {
        let name = format!("a secret for a server that takes {protocol:?}");
        steps.push((name, heard_by_responder(protocol)));
    }
    for protocol in [Protocol::V4, Protocol::Gcm] {
        let name = format!("the secret that comes back to a client of {protocol:?}");
        steps.push((name, heard_by_initiator(protocol)));
    }
    for place in places() {
        steps.push((format!("a packet: {place:?}"), bad_packets(place)));
    }
    for role in [Role::Server, Role::Client] {
        steps.push((format!("a length of v4: {role:?}"), bad_lengths(role)));
        steps.push((format!("a record: {role:?}"), bad_records(role)));
    }

    let mut causes = BTreeSet::new();
    let mut cases = 0;
    let mut error_of_all: Option<Error> = None;
    for (step, failures) in &steps {
        let (first_cause, face) = &failures[0];
        assert_eq!(face.error.reason(), Some(Reason::DecryptionFailed));
        assert!(matches!(face.error, Error::Value(_)));
        // The error is the same in every step.
        let error = error_of_all.get_or_insert_with(|| face.error.clone());
        for (cause, other) in failures {
            assert_eq!(other, face, "{step}: {cause}, unlike {first_cause}");
            assert_eq!(other.error, *error, "{step}: {cause}");
            causes.insert(cause.clone());
            cases += 1;
        }
    }
    assert!(causes.len() >= 40);
    for cause in &causes {
        println!("  {cause}");
    }
    println!(
        "\nfigure: {} causes by their names, in {} steps",
        causes.len(),
        steps.len()
    );
    tell(cases, "failures to decrypt that look alike");
}
