//! Lengths that are none: in clear, encrypted, and in 32 bits.

use anwdl::Reason;
use anwdl::protocol::{Protocol, Role};

use super::forger::{encrypt_blocks, message_of, padded, session, session_and_message};
use super::play::{Act, play, receiving};
use super::tell;
use crate::pair;

/// The longest message that is accepted unless another is set.
const MAX_MESSAGE_SIZE: u64 = 1024 * 1024;
const MAX_PEM_SIZE: u64 = 16 * 1024;
const REQUEST: &[u8] = br#"{"verb": "STAT", "parameters": {}}"#;
const RESPONSE: &[u8] = br#"{"success": true, "message": "OK", "data": {}}"#;

/// Texts of 8 bytes, most of them no length.
fn clear_texts() -> Vec<Vec<u8>> {
    let texts = [
        // zero
        "0=======",
        "00======",
        "00000000",
        "-0======",
        "+0======",
        // negative and signed
        "-1======",
        "-16=====",
        "-9999999",
        "+1======",
        "+16=====",
        "--1=====",
        "1-======",
        // padded in other ways, left, right and between
        "=====16=",
        "======16",
        " 16=====",
        "      16",
        "16      ",
        "16\0\0\0\0\0\0",
        "16\n=====",
        "16-----=",
        "1=6=====",
        "16===0==",
        "\u{a0}16====",
        "\t16=====",
        // huge
        "99999999",
        "9999999=",
        "16385===",
        "1048593=",
        "1048609=",
        "10000000",
        // other scripts: Arabic-Indic, Devanagari, fullwidth, superscript, Roman, mathematical
        "\u{661}\u{662}====",
        "\u{967}\u{968}==",
        "\u{ff11}\u{ff12}==",
        "\u{b2}======",
        "\u{2160}=====",
        "\u{1d7cf}====",
        "1\u{662}=====",
        // no digits
        "========",
        "abcdefgh",
        "=======a",
        "\0\0\0\0\0\0\0\0",
        "        ",
        "None====",
        "NaN=====",
        "inf=====",
        // numbers as other programs write them
        "0x10====",
        "0o20====",
        "0b1=====",
        "1.0=====",
        "1e3=====",
        "1_000===",
        "1,000===",
        "16L=====",
        "(16)====",
        "\"16\"====",
        // numbers
        "16======",
        "00000016",
        "800=====",
    ];
    let texts = texts.iter().map(|text| text.as_bytes().to_vec());
    let mut texts: Vec<_> = texts.collect();
    assert!(texts.iter().all(|text| text.len() == 8));
    // Every byte at every place of a number.
    for at in 0..8 {
        for byte in 0..=u8::MAX {
            let mut text = b"16======".to_vec();
            text[at] = byte;
            texts.push(text);
        }
    }
    texts
}

/// What a length in clear stands for, as somebody would read it who knows the rule only.
fn number_of(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim_end_matches('=');
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| text.parse().unwrap())
}

/// Whether a length is refused, and why, where so much is accepted.
fn expected(number: Option<u64>, largest: u64) -> Option<Reason> {
    match number {
        None | Some(0) => Some(Reason::ProtocolViolation),
        Some(number) if number > largest => Some(Reason::MessageTooLarge),
        Some(_) => None,
    }
}

/// A length in clear is digits and padding; all else is refused before anything follows.
#[test]
fn lengths_in_clear() {
    let mut cases = 0;
    for text in clear_texts() {
        let shown = String::from_utf8_lossy(&text).into_owned();
        let number = number_of(&text);

        // Of a public key, in both roles.
        for role in [Role::Server, Role::Client] {
            let pem = match role {
                Role::Server => pair::SERVER_KEY,
                Role::Client => pair::CLIENT_KEY,
            };
            let session = pair::session(role, Protocol::Auto, pem);
            let session = anwdl::SansIoSession::from_session(session);
            let act = Act::Exchange {
                receive_first: true,
            };
            let played = play(session, &[act], &text);
            match expected(number, MAX_PEM_SIZE) {
                Some(reason) => {
                    assert_eq!(played.reason(), Some(reason), "{shown:?}");
                    assert_eq!(played.sent, b"0", "{shown:?}");
                }
                None => {
                    assert_eq!(played.reason(), Some(Reason::PeerClosed), "{shown:?}");
                    assert_eq!(played.sent, b"1", "{shown:?}");
                }
            }
            cases += 1;
        }

        // Of a message: the first to a server, a later one to it, and one to a client.
        for protocol in [Protocol::V2, Protocol::V3] {
            let behind = if protocol == Protocol::V2 { 0 } else { 16 };
            for (role, is_later) in [
                (Role::Server, false),
                (Role::Server, true),
                (Role::Client, false),
            ] {
                let pinned = match (role, is_later) {
                    (Role::Server, false) => Protocol::Auto,
                    _ => protocol,
                };
                let earlier = is_later.then(|| message_of(protocol, REQUEST));
                let messages: Vec<_> = earlier.into_iter().chain([text.clone()]).collect();
                let (acts, incoming) = receiving(role, protocol, &messages);
                let played = play(session(role, pinned), &acts, &incoming);
                let sent = &played.sent[played.sent_before..];
                let largest = match (role, is_later) {
                    // Both framings are possible still.
                    (Role::Server, false) => MAX_MESSAGE_SIZE + 32,
                    _ => MAX_MESSAGE_SIZE + 16 + behind,
                };
                let is_number = number.is_some();
                match expected(number, largest) {
                    // It may be half of a length of v4, and the other half does not come.
                    Some(_) if !is_number && !is_later && role == Role::Server => {
                        assert_eq!(played.reason(), Some(Reason::PeerClosed), "{shown:?}");
                        assert_eq!(sent, b"", "{shown:?}");
                    }
                    Some(reason) => {
                        assert_eq!(played.reason(), Some(reason), "{shown:?}");
                        assert_eq!(sent, b"0", "{shown:?}");
                    }
                    None => {
                        assert_eq!(played.reason(), Some(Reason::PeerClosed), "{shown:?}");
                        assert_eq!(sent, b"1", "{shown:?}");
                    }
                }
                cases += 1;
            }
        }
    }
    tell(cases, "lengths in clear");
}

/// A length of v4 that is no number looks like a wrong key.
#[test]
fn encrypted_lengths() {
    let mut cases = 0;
    let texts = clear_texts().into_iter().map(|text| padded(&text));
    let unpadded = [
        "0",
        "1",
        "16",
        "000000000000016",
        "999999999999999",
        "1048608",
        "1048609",
        "",
    ];
    let unpadded = unpadded.iter().map(|text| padded(text.as_bytes()));
    // Sixteen digits leave no room for a padding, and two blocks are no header.
    let raw = [
        b"1234567890123456".to_vec(),
        vec![0; 16],
        vec![16; 16],
        vec![17; 16],
    ];
    for block in texts.chain(unpadded).chain(raw) {
        let padding = usize::from(block[15]);
        let is_padded = (1..=16).contains(&padding)
            && block[16 - padding.min(16)..]
                .iter()
                .all(|byte| usize::from(*byte) == padding);
        let digits = &block[..16 - if is_padded { padding } else { 0 }];
        let number = match is_padded && !digits.contains(&b'=') {
            true => number_of(digits),
            false => None,
        };
        for role in [Role::Server, Role::Client] {
            let act = Act::receive(role);
            let played = play(session(role, Protocol::V4), &[act], &encrypt_blocks(&block));
            let expected = match number {
                None => Some(Reason::DecryptionFailed),
                some => expected(some, MAX_MESSAGE_SIZE + 32),
            };
            let shown = String::from_utf8_lossy(&block);
            let found = played.reason();
            assert_eq!(
                found,
                Some(expected.unwrap_or(Reason::PeerClosed)),
                "{shown:?}"
            );
            let answer = if expected.is_some() { b"0" } else { b"1" };
            assert_eq!(played.sent, answer, "{shown:?}");
            cases += 1;
        }
    }
    tell(cases, "encrypted lengths");
}

/// The length of a record, to which there is no answer.
#[test]
fn lengths_of_records() {
    let mut cases = 0;
    let limit = MAX_MESSAGE_SIZE as u32 + 16;
    let numbers = (0..=64).chain([limit - 1, limit, limit + 1, limit + 16, 99_999_999]);
    let bits = (0..32).map(|bit| 1 << bit);
    let ends = [0x7fff_ffff, 0x8000_0000, 0xffff_fff0, u32::MAX];
    for number in numbers.chain(bits).chain(ends) {
        for (role, act) in [
            (Role::Server, Act::ReceiveRequest),
            (Role::Client, Act::ReceiveResponse),
        ] {
            let played = play(session(role, Protocol::Gcm), &[act], &number.to_be_bytes());
            let expected = match number {
                0..=16 => Reason::ProtocolViolation,
                _ if number > limit => Reason::MessageTooLarge,
                _ => Reason::PeerClosed,
            };
            assert_eq!(played.reason(), Some(expected), "{number}");
            assert_eq!(played.sent, b"");
            cases += 1;
        }
    }
    tell(cases, "lengths of records");
}

/// What the tests above cut and alter is what an honest peer sends.
#[test]
fn the_forger_can_tell_the_truth() {
    for protocol in pair::FRAMINGS {
        let (mut server, bytes) = session_and_message(Role::Server, protocol, REQUEST);
        if protocol != Protocol::Gcm {
            server = session(Role::Server, Protocol::Auto);
        }
        let played = play(server, &[Act::ReceiveRequest], &bytes);
        assert_eq!(played.messages, [String::from_utf8_lossy(REQUEST)]);
        assert_eq!(played.session.protocol(), protocol);
        let (client, bytes) = session_and_message(Role::Client, protocol, RESPONSE);
        let played = play(client, &[Act::ReceiveResponse], &bytes);
        assert_eq!(played.messages, [String::from_utf8_lossy(RESPONSE)]);
    }
}
