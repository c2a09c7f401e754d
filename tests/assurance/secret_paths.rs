//! Shows that no jump and no address depends on a secret before its verdict: under valgrind,
//! which follows each bit that it takes for undefined, secrets are undefined.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::crypto::aes::{BLOCK_SIZE, Unpadded, padding, unpad};
use crate::crypto::ephemeral::CIPHERTEXT_SIZE;
use crate::crypto::rsa::operation_of;
use crate::crypto::{AesMode, AesWrapper, RsaWrapper};
use crate::error::{Reason, Result};
use crate::protocol::framing::clear_header;
use crate::protocol::key_exchange::KeyExchange;
use crate::protocol::session::{Config, Progress, Session};
use crate::protocol::{Protocol, Role};
use crate::secret::{declassify, declassify_choice};

/// Valgrind's client requests, as `valgrind.h` and `memcheck.h` define them. Without valgrind
/// they do nothing.
pub(crate) mod valgrind {
    const MEMCHECK: usize = (b'M' as usize) << 24 | (b'C' as usize) << 16;
    const MAKE_MEM_UNDEFINED: usize = MEMCHECK + 1;
    const MAKE_MEM_DEFINED: usize = MEMCHECK + 2;
    const RUNNING_ON_VALGRIND: usize = 0x1001;
    const COUNT_ERRORS: usize = 0x1201;

    #[cfg(target_arch = "x86_64")]
    fn request(number: usize, address: *const u8, len: usize) -> usize {
        let arguments = [number, address.addr(), len, 0, 0, 0];
        let mut result = 0;
        // SAFETY: these instructions change nothing but rdx, and rdx only under valgrind,
        // which reads the arguments and writes down what it thinks of the memory.
        unsafe {
            std::arch::asm!(
                "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
                in("rax") arguments.as_ptr(),
                inout("rdx") result,
                options(nostack),
            );
        }
        result
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn request(_number: usize, _address: *const u8, _len: usize) -> usize {
        0
    }

    pub fn is_running() -> bool {
        request(RUNNING_ON_VALGRIND, std::ptr::null(), 0) > 0
    }

    /// How many errors valgrind has found so far.
    pub fn count_errors() -> usize {
        request(COUNT_ERRORS, std::ptr::null(), 0)
    }

    pub fn undefine(bytes: &mut [u8]) {
        request(MAKE_MEM_UNDEFINED, bytes.as_mut_ptr(), bytes.len());
    }

    pub fn define(bytes: &[u8]) {
        request(MAKE_MEM_DEFINED, bytes.as_ptr(), bytes.len());
    }

    pub fn defined<T: Copy>(mut value: T) -> T {
        let place = (&raw mut value).cast();
        request(MAKE_MEM_DEFINED, place, size_of::<T>());
        value
    }
}

const SERVER_KEY: &str = include_str!("../../examples-c/tests/keys/server.pem");
const KEY: [u8; 32] = [1; 32];
const IV: [u8; BLOCK_SIZE] = [2; BLOCK_SIZE];
const REQUEST: &[u8] = br#"{"verb": "STAT", "parameters": {"token": "hunter2"}}"#;
const RESPONSE: &[u8] = br#"{"success": true, "message": "OK", "data": {}}"#;

fn undefined(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    valgrind::undefine(&mut bytes);
    bytes
}

/// Counts cases of one kind, and the errors that valgrind finds in them.
#[derive(Default)]
struct Cases {
    count: usize,
    errors: usize,
}

impl Cases {
    fn run<T>(&mut self, case: impl FnOnce() -> T) -> T {
        let before = valgrind::count_errors();
        let result = case();
        self.errors += valgrind::count_errors() - before;
        self.count += 1;
        result
    }

    /// Prints how many there were. Each may have had so many errors.
    fn finish(self, what: &str, errors_each: usize) {
        println!("\ncases: {} {what}", self.count);
        assert_eq!(self.errors, errors_each * self.count, "{what}");
    }
}

/// Runs the tests below under valgrind, each by itself.
#[test]
fn no_path_depends_on_a_secret() {
    let program = std::env::current_exe().unwrap();
    let version = Command::new("valgrind").arg("--version").output();
    if !cfg!(target_arch = "x86_64") || version.is_err() {
        println!("skipped: it takes valgrind, and a processor of the x86-64 family");
        return;
    }
    let output = Command::new("valgrind")
        .args(["--quiet", "--track-origins=no"])
        .arg(program)
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .arg("secret_paths::under_valgrind::")
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{found}\n{told}");
    let cases: Vec<&str> = found
        .lines()
        .filter(|line| line.starts_with("cases: "))
        .collect();
    assert_eq!(cases.len(), 10, "{found}");
    println!("{}", cases.join("\n"));
}

/// A check of a padding as somebody writes it who thinks of its result alone.
fn leaky_unpad(text: &[u8]) -> Unpadded {
    let padding = text[text.len() - 1];
    let len = text.len() - usize::from(padding.min(BLOCK_SIZE as u8));
    let valid = (1..=BLOCK_SIZE as u8).contains(&padding)
        && text[len..].iter().all(|byte| *byte == padding);
    Unpadded {
        len,
        valid: u8::from(valid).into(),
    }
}

/// Every last byte, with a byte changed at every place before it.
fn blocks() -> impl Iterator<Item = [u8; BLOCK_SIZE]> {
    (0..=255u8).flat_map(|last| {
        (0..BLOCK_SIZE).map(move |changed| {
            let mut block = [last; BLOCK_SIZE];
            if changed < BLOCK_SIZE - 1 {
                block[changed] ^= 0x40;
            }
            block
        })
    })
}

/// A text and a padding that may be wrong, encrypted under the key of the tests.
fn encrypted(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = parts.concat();
    AesWrapper::from_key(&KEY, &IV, AesMode::Cbc)
        .unwrap()
        .encrypt_cbc([&mut bytes]);
    bytes
}

fn right_padding(text: &[u8]) -> Vec<u8> {
    let padding = padding(text.len());
    vec![padding; padding.into()]
}

/// Right paddings and wrong ones: another last byte, another byte at each place.
fn paddings(text: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let right = right_padding(text);
    let last = right.len() - 1;
    let wrong_last = [0, 17, 0x80, 0xff].map(|byte| (last, byte));
    let wrong_elsewhere = (0..last).map(|at| (at, 0x40));
    let wrong = wrong_last
        .into_iter()
        .chain(wrong_elsewhere)
        .map(|(at, byte)| {
            let mut padding = right.clone();
            padding[at] = byte;
            (padding, false)
        });
    [(right.clone(), true)].into_iter().chain(wrong).collect()
}

/// A session whose key is a secret.
fn session(role: Role, protocol: Protocol) -> Session {
    let mut config = Config::new(role);
    config.exchange_keys = false;
    config.protocol = protocol;
    let mut session = Session::new(config);
    let key = AesWrapper::from_key(&undefined(&KEY), &undefined(&IV), AesMode::Cbc).unwrap();
    session.set_aes_wrapper(&key).unwrap();
    session
}

/// Lets a session receive a message of these bytes.
fn receive(session: &mut Session, mut bytes: &[u8]) -> Result<()> {
    session.begin_receive()?;
    loop {
        match session.advance()? {
            Progress::Done(message) => {
                assert!(message.is_some());
                return Ok(());
            }
            Progress::Read => {
                let space = session.receive_buffer();
                let count = space.len().min(bytes.len());
                assert!(count > 0, "the session waits for more");
                let (now, later) = bytes.split_at(count);
                space[..count].copy_from_slice(now);
                bytes = later;
                session.received(count);
            }
            Progress::Write => {
                let count = session.pending().len();
                session.sent(count);
            }
            Progress::Compute => unreachable!("no keys are exchanged"),
        }
    }
}

/// First bytes of a secret: 6 chooses gcm.
const FIRST_BYTES: [u8; 5] = [0, 5, 6, 0x86, 0xff];
/// What stands behind a secret that answers one of gcm: to ML-KEM each ciphertext is one.
const CIPHERTEXT: [u8; CIPHERTEXT_SIZE] = [1; CIPHERTEXT_SIZE];

/// A secret of this length and first byte.
fn secret(len: usize, first: u8) -> Vec<u8> {
    let mut plain = vec![7; len];
    if let Some(byte) = plain.first_mut() {
        *byte = first;
    }
    undefined(&plain)
}

fn reason<T>(result: &Result<T>) -> Option<Reason> {
    result.as_ref().err().and_then(|error| error.reason())
}

/// What messages are received as, and a text that fits.
const ROLES: [(Role, &[u8]); 2] = [(Role::Server, REQUEST), (Role::Client, RESPONSE)];

mod under_valgrind {
    use super::*;

    #[test]
    #[ignore = "another test runs it under valgrind"]
    fn paddings_are_checked() {
        assert!(valgrind::is_running());
        let mut cases = Cases::default();
        for block in blocks() {
            let secret = undefined(&block);
            let expected = leaky_unpad(&block);
            let found = cases.run(|| unpad(&secret));
            assert_eq!(declassify_choice(found.valid), bool::from(expected.valid));
            let padding = usize::from(block[BLOCK_SIZE - 1]);
            let len = BLOCK_SIZE - if padding > BLOCK_SIZE { 0 } else { padding };
            assert_eq!(declassify(found.len), len);
        }
        cases.finish("paddings checked while secret", 0);

        let mut twin = Cases::default();
        for block in blocks().step_by(61) {
            let secret = undefined(&block);
            twin.run(|| declassify_choice(leaky_unpad(&secret).valid));
        }
        assert!(twin.errors >= twin.count, "valgrind overlooks a leak");
        println!(
            "\ncases: {} paddings of which a leaky check is noticed",
            twin.count
        );
    }

    #[test]
    #[ignore = "another test runs it under valgrind"]
    fn wrappers_encrypt_and_decrypt() {
        let mut cases = Cases::default();
        let mut tags = Cases::default();
        for key_size in [16, 24, 32] {
            let key = undefined(&KEY[..key_size]);
            let cbc = cases.run(|| AesWrapper::from_key(&key, &undefined(&IV), AesMode::Cbc));
            let cbc = cbc.unwrap();
            let gcm = cases
                .run(|| AesWrapper::from_key(&key, &[], AesMode::Gcm))
                .unwrap();
            for len in [0, 1, 15, 16, 17, 300] {
                let text = undefined(&vec![b'a'; len]);
                let ciphertext = cases.run(|| cbc.encrypt_data(&text)).unwrap();
                let opened = cases.run(|| cbc.decrypt_data(&ciphertext)).unwrap();
                assert_eq!(opened.len(), len);
                for at in 0..BLOCK_SIZE {
                    // The last block before the padding, or the IV.
                    let mut changed = ciphertext.clone();
                    if changed.len() == BLOCK_SIZE {
                        break;
                    }
                    let at = changed.len() - 2 * BLOCK_SIZE + at;
                    changed[at] ^= 0x40;
                    let opened = cases.run(|| cbc.decrypt_data(&changed));
                    assert!(opened.is_ok() || reason(&opened) == Some(Reason::DecryptionFailed));
                }

                let record = cases.run(|| gcm.encrypt_data(&text)).unwrap();
                assert_eq!(tags.run(|| gcm.decrypt_data(&record)).unwrap().len(), len);
                for at in record.len() - 16..record.len() {
                    let mut changed = record.clone();
                    changed[at] ^= 1;
                    let opened = tags.run(|| gcm.decrypt_data(&changed));
                    assert_eq!(reason(&opened), Some(Reason::DecryptionFailed));
                }
            }
        }
        cases.finish("calls of an AES wrapper with a secret key", 0);
        // `aes-gcm` branches on its verdict itself, once.
        tags.finish("GCM tags compared while secret", 1);
    }

    #[test]
    #[ignore = "another test runs it under valgrind"]
    fn secrets_are_read() {
        let mut rsa = RsaWrapper::default();
        rsa.set_private_key(SERVER_KEY, true).unwrap();
        let pem = rsa.public_key().unwrap().to_owned();
        rsa.set_remote_public_key(&pem).unwrap();
        let protocols = [Protocol::Auto, Protocol::V2, Protocol::V4, Protocol::Gcm];

        let mut cases = Cases::default();
        for len in [0, 1, 15, 16, 31, 32, 33, 40, 47, 48, 49, 64, 65, 66, 190] {
            for first in FIRST_BYTES {
                let plain = secret(len, first);
                for protocol in protocols {
                    let mut exchange = KeyExchange::new(Role::Server);
                    let accepted =
                        cases.run(|| exchange.accept_plain_secret(&rsa, &plain, &[], protocol));
                    let expected = match (len, protocol) {
                        (65, Protocol::Auto | Protocol::Gcm) if first == 6 => None,
                        (65, _) if first == 6 => Some(Reason::ProtocolMismatch),
                        (32 | 40 | 48, Protocol::Gcm) => Some(Reason::ProtocolMismatch),
                        (32 | 40 | 48, _) => None,
                        _ => Some(Reason::DecryptionFailed),
                    };
                    assert_eq!(reason(&accepted), expected, "{len} {first} {protocol:?}");
                }
            }
        }
        cases.finish("secrets of a peer read behind OAEP", 0);

        let mut cases = Cases::default();
        let own = AesWrapper::from_key(&KEY, &IV, AesMode::Cbc).unwrap();
        let right = [&KEY[..], &IV].concat();
        let changed = (0..right.len()).map(|at| {
            let mut secret = right.clone();
            secret[at] ^= 0x40;
            secret
        });
        let lengths = (0..right.len()).map(|len| right[..len].to_vec());
        let mut exchange = KeyExchange::new(Role::Server);
        let no_random: fn(&mut [u8]) -> Result<()> = |_| Ok(());
        exchange
            .wrap_secret(&rsa, Some(&own), Protocol::Auto, false, no_random)
            .unwrap();
        for secret in [right.clone()].into_iter().chain(changed).chain(lengths) {
            let plain = undefined(&secret);
            let accepted =
                cases.run(|| exchange.accept_plain_secret(&rsa, &plain, &[], Protocol::Auto));
            assert_eq!(accepted.is_ok(), secret == right);
        }
        // Those that choose gcm.
        let mut exchange = KeyExchange::new(Role::Server);
        exchange
            .wrap_secret(&rsa, None, Protocol::Gcm, false, no_random)
            .unwrap();
        for len in 0..=70 {
            for first in FIRST_BYTES {
                let plain = secret(len, first);
                let accepted = cases
                    .run(|| exchange.accept_plain_secret(&rsa, &plain, &CIPHERTEXT, Protocol::Gcm));
                assert_eq!(accepted.is_ok(), len == 65 && first == 6);
            }
        }
        cases.finish("secrets that came back compared with this side's own", 0);
    }

    #[test]
    #[ignore = "another test runs it under valgrind"]
    fn what_a_private_operation_gives_is_judged() {
        let mut key = RsaWrapper::default();
        key.set_private_key(SERVER_KEY, true).unwrap();
        let operation = operation_of(&key);
        let is_wrong = Arc::new(AtomicBool::new(false));
        let makes_wrong = is_wrong.clone();
        let mut external = key.clone();
        external
            .set_private_operation(Box::new(move |input, output| {
                let done = operation(input, output);
                output[100] ^= u8::from(makes_wrong.load(Ordering::SeqCst));
                valgrind::undefine(output);
                done
            }))
            .unwrap();
        let lengths = [0, 1, 48, 65, 190];
        let right = lengths.map(|len| key.encrypt_data(&vec![7; len], true).unwrap());
        let none = [3, 7, 99].map(|byte| vec![byte; 256]);

        let mut cases = Cases::default();
        for wrong in [false, true] {
            is_wrong.store(wrong, Ordering::SeqCst);
            for (ciphertext, len) in right.iter().zip(lengths) {
                let text = cases.run(|| external.decrypt_data(ciphertext));
                assert_eq!(text.map(|text| text.len()).ok(), (!wrong).then_some(len));
            }
            for ciphertext in &none {
                let text = cases.run(|| external.decrypt_data(ciphertext));
                let expected = match wrong {
                    false => Reason::DecryptionFailed,
                    true => Reason::PrivateOperationFailed,
                };
                assert_eq!(reason(&text), Some(expected));
            }
        }
        cases.finish("results of a private operation judged while secret", 0);
    }

    #[test]
    #[ignore = "another test runs it under valgrind"]
    fn first_packets_are_told_apart() {
        let mut cases = Cases::default();
        for (role, text) in ROLES {
            // A client knows its framing; what a server does with its first packet, it does.
            if role == Role::Client {
                continue;
            }
            let broken_json = &text[..text.len() - 1];
            for text in [text, broken_json, b"[]", b"[NaN]", b"\xff\xfe"] {
                for (padding, is_right) in paddings(text) {
                    for trailer in [&[][..], &[9; BLOCK_SIZE]] {
                        let packet = [&encrypted(&[text, &padding]), trailer].concat();
                        let header = clear_header(packet.len()).unwrap();
                        let mut session = session(role, Protocol::Auto);
                        let bytes = [&header[..], &packet].concat();
                        let received = cases.run(|| receive(&mut session, &bytes));
                        let is_read = is_right && (text == REQUEST || text.starts_with(b"["));
                        let expected = (!is_read).then_some(Reason::DecryptionFailed);
                        assert_eq!(reason(&received), expected, "{text:?} {padding:?}");
                        let found = if trailer.is_empty() {
                            Protocol::V2
                        } else {
                            Protocol::V3
                        };
                        assert!(!is_read || session.protocol() == found);
                    }
                }
            }
        }
        cases.finish("first packets of v2 and v3 told apart while secret", 0);
    }

    #[test]
    #[ignore = "another test runs it under valgrind"]
    fn packets_are_opened() {
        let mut cases = Cases::default();
        for (role, text) in ROLES {
            for text in [text, &text[1..], b"{\"x\": NaN}"] {
                for (padding, is_right) in paddings(text) {
                    let packet = [encrypted(&[text, &padding]), vec![9; BLOCK_SIZE]].concat();
                    let digits = packet.len().to_string().into_bytes();
                    let header = encrypted(&[&digits, &right_padding(&digits)]);
                    let mut session = session(role, Protocol::V4);
                    let bytes = [header, packet].concat();
                    let received = cases.run(|| receive(&mut session, &bytes));
                    let expected = match (is_right && text[0] == b'{', text.ends_with(b"NaN}")) {
                        (false, _) => Some(Reason::DecryptionFailed),
                        (true, true) if role == Role::Client => Some(Reason::MalformedResponse),
                        (true, _) => None,
                    };
                    assert_eq!(reason(&received), expected, "{padding:?}");
                }
            }
        }
        cases.finish("packets of v4 opened while secret", 0);
    }

    #[test]
    #[ignore = "another test runs it under valgrind"]
    fn headers_of_v4_are_read() {
        let mut cases = Cases::default();
        let mut headers: Vec<Vec<u8>> = Vec::new();
        for digits in [
            &b"112"[..],
            b"",
            b"1",
            b"a",
            b"12a",
            b"+12",
            b"123456789012345",
        ] {
            for (padding, _) in paddings(digits) {
                headers.push([digits, &padding].concat());
            }
        }
        for block in blocks() {
            headers.push(block.to_vec());
        }
        for header in headers {
            let unpadded = leaky_unpad(&header);
            let text = &header[..unpadded.len];
            let number = std::str::from_utf8(text).ok().and_then(|text| {
                let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<u64>().ok().filter(|_| is_number)
            });
            let expected = match number.filter(|_| bool::from(unpadded.valid)) {
                None => Some(Reason::DecryptionFailed),
                Some(0) => Some(Reason::ProtocolViolation),
                Some(size) if size > 1 << 21 => Some(Reason::MessageTooLarge),
                // Its packet does not come.
                Some(_) => continue,
            };
            let mut session = session(Role::Client, Protocol::V4);
            let header = encrypted(&[&header]);
            let received = cases.run(|| receive(&mut session, &header));
            assert_eq!(reason(&received), expected, "{header:?}");
        }
        cases.finish("wrong headers of v4 read while secret", 0);
    }
}
