//! Reads keys as people have them, in any PEM text that OpenSSL and Python's `cryptography` accept,
//! or in DER, and describes what is not an acceptable key.
//!
//! The result is the one form that the rest of this library knows. Keys from peers are not read
//! here.

use rsa::pkcs1::pem::{self, LineEnding};
use rsa::pkcs1::{ALGORITHM_ID, ALGORITHM_OID, RsaPrivateKeyRef, RsaPublicKeyRef};
use rsa::pkcs8::PrivateKeyInfoRef;
use rsa::pkcs8::der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef};
use rsa::pkcs8::der::{Decode, Encode};
use rsa::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use crate::error::{Error, Reason, Result};
use crate::secret::{try_with_capacity, try_zeros};

/// The longest PEM text that is read, in bytes.
pub(crate) const MAX_PEM_SIZE: usize = 16 * 1024;

/// How to make a key that is accepted.
pub(super) const NEW_KEY: &str =
    "`openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out key.pem`";

/// The algorithm of an RSA key that is restricted to one kind of signature (RFC 4055). Its numbers
/// are those of any RSA key.
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// Other common algorithms, which a message can name.
const OTHER_ALGORITHMS: [(&str, &str); 6] = [
    ("1.2.840.10045.2.1", "an EC key"),
    ("1.2.840.10040.4.1", "a DSA key"),
    ("1.2.840.113549.1.3.1", "a Diffie-Hellman key"),
    ("1.3.101.110", "an X25519 key"),
    ("1.3.101.112", "an Ed25519 key"),
    ("1.3.101.113", "an Ed448 key"),
];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// The line width that the decoder requires.
const LINE_WIDTH: usize = 64;

/// The text between a BEGIN line and its END line.
struct Block<'a> {
    label: &'a str,
    is_encrypted: bool,
    /// The lines that are neither empty nor a header.
    lines: Vec<&'a [u8]>,
}

/// The one private key in a text, as PKCS #8 without optional fields.
pub(super) fn private_key(text: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let blocks = blocks(text)?;
    let is_private = |block: &&Block<'_>| block.label.ends_with("PRIVATE KEY");
    let block = match &blocks.iter().filter(is_private).collect::<Vec<_>>()[..] {
        [block] => *block,
        [] => return Err(no_private_key(&blocks)),
        several => return Err(too_many(several.len(), "private")),
    };
    if block.is_encrypted || block.label == "ENCRYPTED PRIVATE KEY" {
        return Err(invalid_key(
            "the private key is encrypted; decrypt it with `openssl pkey -in key.pem -out new.pem`",
        ));
    }
    match block.label {
        "PRIVATE KEY" => {
            let der = block.decode()?;
            let unreadable =
                |_| invalid_key("the PEM text contains no private key, despite its label");
            normalized_pkcs8(PrivateKeyInfoRef::from_der(&der).map_err(unreadable)?)
        }
        "RSA PRIVATE KEY" => pkcs8_from_pkcs1(&block.decode()?),
        "OPENSSH PRIVATE KEY" => Err(invalid_key(
            "the private key is in OpenSSH's own form; if it is an RSA key, rewrite a copy of it \
             with `ssh-keygen -p -m PEM -f key.pem`",
        )),
        "EC PRIVATE KEY" => Err(not_rsa("an EC key")),
        "DSA PRIVATE KEY" => Err(not_rsa("a DSA key")),
        other => Err(unknown(other)),
    }
}

/// The one public key in a text, as SubjectPublicKeyInfo.
pub(super) fn public_key(text: &[u8]) -> Result<Vec<u8>> {
    let blocks = blocks(text)?;
    let is_public = |block: &&Block<'_>| ["PUBLIC KEY", "RSA PUBLIC KEY"].contains(&block.label);
    let block = match &blocks.iter().filter(is_public).collect::<Vec<_>>()[..] {
        [block] => *block,
        [] => return Err(no_public_key(&blocks)),
        several => return Err(too_many(several.len(), "public")),
    };
    let der = block.decode()?;
    if block.label == "RSA PUBLIC KEY" {
        return subject_public_key_info(&der);
    }
    let unreadable = |_| invalid_key("the PEM text contains no public key, despite its label");
    normalized_public_key(SubjectPublicKeyInfoRef::from_der(&der).map_err(unreadable)?)
}

/// As [`private_key`], from DER.
pub(super) fn private_key_from_der(der: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    check_der(der)?;
    match PrivateKeyInfoRef::from_der(der) {
        Ok(info) => normalized_pkcs8(info),
        Err(_) if RsaPrivateKeyRef::from_der(der).is_ok() => pkcs8_from_pkcs1(der),
        Err(_) => Err(invalid_key(
            "the bytes are not an RSA private key in DER (PKCS #8 or PKCS #1, not encrypted)",
        )),
    }
}

/// As [`public_key`], from DER.
pub(super) fn public_key_from_der(der: &[u8]) -> Result<Vec<u8>> {
    check_der(der)?;
    match SubjectPublicKeyInfoRef::from_der(der) {
        Ok(info) => normalized_public_key(info),
        Err(_) if RsaPublicKeyRef::from_der(der).is_ok() => subject_public_key_info(der),
        Err(_) => Err(invalid_key(
            "the bytes are not an RSA public key in DER (SubjectPublicKeyInfo or PKCS #1)",
        )),
    }
}

/// Refuses what cannot be DER.
fn check_der(bytes: &[u8]) -> Result<()> {
    check_length(bytes, "the key")?;
    if bytes.starts_with(b"-----BEGIN ") {
        return Err(invalid_key("the key is PEM; DER is needed here"));
    }
    Ok(())
}

fn check_length(bytes: &[u8], what: &str) -> Result<()> {
    if bytes.len() > MAX_PEM_SIZE {
        return Err(invalid_key(format!(
            "{what} has {} bytes; at most {MAX_PEM_SIZE} are read",
            bytes.len()
        )));
    }
    Ok(())
}

fn normalized_pkcs8(info: PrivateKeyInfoRef<'_>) -> Result<Zeroizing<Vec<u8>>> {
    check_algorithm(&info.algorithm)?;
    pkcs8(info.private_key)
}

fn pkcs8_from_pkcs1(pkcs1: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let too_long = |_| invalid_key("the RSA private key is too long");
    pkcs8(OctetStringRef::new(pkcs1).map_err(too_long)?)
}

fn normalized_public_key(info: SubjectPublicKeyInfoRef<'_>) -> Result<Vec<u8>> {
    check_algorithm(&info.algorithm)?;
    let uneven = || invalid_key("the public key is not a whole number of bytes");
    subject_public_key_info(info.subject_public_key.as_bytes().ok_or_else(uneven)?)
}

fn pkcs8(key: &OctetStringRef) -> Result<Zeroizing<Vec<u8>>> {
    PrivateKeyInfoRef::new(ALGORITHM_ID, key)
        .to_der()
        .map(Zeroizing::new)
        .map_err(|_| invalid_key("the RSA private key is too long"))
}

/// The DER of SubjectPublicKeyInfo, of a PKCS #1 key.
pub(super) fn subject_public_key_info(key: &[u8]) -> Result<Vec<u8>> {
    BitStringRef::from_bytes(key)
        .and_then(|subject_public_key| {
            SubjectPublicKeyInfoRef {
                algorithm: ALGORITHM_ID,
                subject_public_key,
            }
            .to_der()
        })
        .map_err(|_| invalid_key("the RSA public key is too long"))
}

fn check_algorithm(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<()> {
    let is_empty = algorithm.parameters.is_none_or(|any| any.is_null());
    if algorithm.oid == RSASSA_PSS || algorithm.oid == ALGORITHM_OID && is_empty {
        return Ok(());
    }
    let name = algorithm.oid.to_string();
    match OTHER_ALGORITHMS.iter().find(|(oid, _)| *oid == name) {
        Some((_, kind)) => Err(not_rsa(kind)),
        None => Err(not_rsa(&format!("a key for the algorithm {name}"))),
    }
}

fn blocks(text: &[u8]) -> Result<Vec<Block<'_>>> {
    check_length(text, "the PEM text")?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let by_lines = parse_blocks(lines(text));
    if matches!(&by_lines, Ok(blocks) if !blocks.is_empty()) {
        return by_lines;
    }
    // Without line ends, as in an environment variable, a configuration file or a shell command.
    let by_boundaries = parse_blocks(split_at_boundaries(text));
    match (by_lines, by_boundaries) {
        (_, Ok(blocks)) if !blocks.is_empty() => Ok(blocks),
        (Err(error), _) | (_, Err(error)) => Err(error),
        _ => Err(no_pem(text)),
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| b"\r\n".contains(byte))
}

/// The lines of a text in which BEGIN and END lines may have other text beside them.
fn split_at_boundaries(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((start, end)) = next_boundary(rest) {
        pieces.extend([&rest[..start], &rest[start..end]]);
        rest = &rest[end..];
    }
    pieces.push(rest);
    pieces.into_iter().flat_map(lines)
}

fn next_boundary(text: &[u8]) -> Option<(usize, usize)> {
    let is_start = |at: &usize| {
        [BEGIN, END]
            .iter()
            .any(|word| text[*at..].starts_with(word))
    };
    let start = (0..text.len()).find(is_start)?;
    let label = start + DASHES.len();
    let mut rest = text[label..].windows(DASHES.len());
    let end = label + rest.position(|part| part == DASHES)? + DASHES.len();
    Some((start, end))
}

fn parse_blocks<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Block<'a>>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in lines {
        let line = line.trim_ascii();
        match (boundary(line, BEGIN), boundary(line, END), &mut open) {
            (Some(label), _, None) => {
                open = Some(Block {
                    label,
                    is_encrypted: false,
                    lines: Vec::new(),
                });
            }
            (Some(_), _, Some(block)) => return Err(truncated(block.label)),
            (_, Some(label), Some(block)) if label == block.label => blocks.extend(open.take()),
            (_, Some(_), Some(block)) => return Err(truncated(block.label)),
            // Encapsulated headers (RFC 1421): they mark an encrypted key, or do not matter.
            (_, _, Some(block)) if line.contains(&b':') => {
                block.is_encrypted |=
                    line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED");
            }
            (_, _, Some(block)) if !line.is_empty() => block.lines.push(line),
            _ => {}
        }
    }
    match open {
        Some(block) => Err(truncated(block.label)),
        None => Ok(blocks),
    }
}

/// The label of a line that begins or ends a block.
fn boundary<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a str> {
    let label = line.strip_prefix(start)?.strip_suffix(DASHES)?;
    let is_label = |label: &&str| label.len() <= 64 && !label.contains(|c: char| c.is_control());
    std::str::from_utf8(label).ok().filter(is_label)
}

impl Block<'_> {
    fn decode(&self) -> Result<Zeroizing<Vec<u8>>> {
        let ending = LineEnding::LF;
        let most_digits = self.lines.iter().map(|line| line.len()).sum();
        // Large enough from the start, because growing would leave a copy behind.
        let mut base64 = Zeroizing::new(try_with_capacity(most_digits)?);
        let bytes = self.lines.iter().copied().flatten();
        base64.extend(bytes.filter(|byte| !byte.is_ascii_whitespace()));
        let size = base64.len() + base64.len().div_ceil(LINE_WIDTH) + 2 * (self.label.len() + 20);
        let mut text = Zeroizing::new(try_with_capacity(size)?);
        let label = self.label.as_bytes();
        text.extend([b"-----BEGIN ", label, b"-----\n"].concat());
        for line in base64.chunks(LINE_WIDTH) {
            text.extend(line);
            text.extend(ending.as_bytes());
        }
        text.extend([b"-----END ", label, b"-----\n"].concat());
        // Into a buffer that is wiped, because the part before an invalid character may be most of
        // a key.
        let mut der = Zeroizing::new(try_zeros(base64.len())?);
        let decoded = pem::decode(&text, &mut der).map(|(_, der)| der.len());
        der.truncate(decoded.map_err(|_| self.not_base64())?);
        Ok(der)
    }

    fn not_base64(&self) -> Error {
        if self.lines.iter().any(|line| line.contains(&b'\\')) {
            return invalid_key(
                "the line ends of the key are written as \\n, as in JSON; real ones are needed, as \
                 `printf %b` writes them",
            );
        }
        invalid_key(format!(
            "the text between BEGIN {:?} and its END is not base64",
            self.label
        ))
    }
}

fn truncated(label: &str) -> Error {
    invalid_key(format!(
        "the PEM text is cut off or mixed up: the line BEGIN {label:?} has no END line"
    ))
}

fn too_many(count: usize, kind: &str) -> Error {
    invalid_key(format!("the text has {count} {kind} keys; keep only one"))
}

fn not_rsa(kind: &str) -> Error {
    invalid_key(format!(
        "the key is {kind}; an RSA key is needed, as made with {NEW_KEY}"
    ))
}

fn unknown(label: &str) -> Error {
    invalid_key(format!("the PEM text is a {label:?}, not an RSA key"))
}

fn no_private_key(blocks: &[Block<'_>]) -> Error {
    let label = blocks[0].label;
    if label.ends_with("CERTIFICATE") {
        return invalid_key(
            "the text is a certificate, without the private key; give the file that its private \
             key was written to, as by `openssl req -newkey rsa:4096 -keyout key.pem`",
        );
    }
    if label.ends_with("PUBLIC KEY") {
        return invalid_key(format!(
            "the text is a public key; the private key is needed, as made with {NEW_KEY}"
        ));
    }
    unknown(label)
}

fn no_public_key(blocks: &[Block<'_>]) -> Error {
    let label = blocks[0].label;
    if label == "OPENSSH PRIVATE KEY" {
        return invalid_key(
            "the text is a private key of OpenSSH; write its public key with \
             `ssh-keygen -e -m PKCS8 -f key.pem`",
        );
    }
    if label.ends_with("PRIVATE KEY") {
        return invalid_key(
            "the text is a private key; write its public key with `openssl pkey -in key.pem -pubout`",
        );
    }
    if label.ends_with("CERTIFICATE") {
        return invalid_key(
            "the text is a certificate; write its public key with \
             `openssl x509 -in certificate.pem -noout -pubkey`",
        );
    }
    unknown(label)
}

/// The error for a text without PEM. It says what the text is, judging by its beginning.
fn no_pem(text: &[u8]) -> Error {
    let start = text.trim_ascii_start();
    let starts = |with: &[&[u8]]| with.iter().any(|with| start.starts_with(with));
    if start.is_empty() {
        return invalid_key("the text is empty; a key as PEM is needed");
    }
    // A SEQUENCE whose length takes more than a byte.
    if starts(&[b"0\x81", b"0\x82"]) {
        return invalid_key(
            "the key is DER; PEM is needed, as written by `openssl pkey -inform DER -in key.der \
             -out key.pem` (with -pubin for a public key)",
        );
    }
    if starts(&[b"\xff\xfe", b"\xfe\xff"]) {
        return invalid_key(
            "the text is UTF-16; UTF-8 or ASCII is needed, as written by \
             `iconv -f UTF-16 -t UTF-8`",
        );
    }
    if starts(&[b"ssh-", b"ecdsa-sha2-", b"---- BEGIN SSH2"]) {
        return invalid_key(
            "the key is a public key of OpenSSH; if it is an RSA key, PEM is written by \
             `ssh-keygen -e -m PKCS8 -f key.pub`",
        );
    }
    if starts(&[b"PuTTY-User-Key-File"]) {
        return invalid_key(
            "the key is in PuTTY's format; convert it with `puttygen key.ppk -O private-openssh`",
        );
    }
    if starts(&[b"MI"]) {
        return invalid_key(
            "the key is base64 alone; PEM is needed, with its lines BEGIN and END: \
             `openssl base64 -d -A` makes DER of it, and `openssl pkey -inform DER` PEM",
        );
    }
    invalid_key(
        "the text is not a key: it has no line `-----BEGIN ...-----`; a key as PEM is needed",
    )
}

pub(super) fn invalid_key(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Reason::InvalidKey, message)
}

#[cfg(test)]
mod tests {
    use super::super::RsaWrapper;
    use super::*;
    use rsa::pkcs8::der::asn1::AnyRef;

    const PKCS8: &str = include_str!("../../../examples-c/tests/keys/server.pem");
    const OTHER: &str = include_str!("../../../examples-c/tests/keys/peer-1.pem");
    const UNEVEN: [&str; 2] = [
        include_str!("../../../examples-c/tests/keys/primes-1088-960.pem"),
        include_str!("../../../examples-c/tests/keys/primes-1025-1023.pem"),
    ];

    fn public_pem() -> String {
        let mut wrapper = RsaWrapper::default();
        wrapper.set_private_key(PKCS8, true).unwrap();
        wrapper.public_key().unwrap().to_owned()
    }

    fn encode(label: &str, der: &[u8]) -> String {
        pem::encode_string(label, LineEnding::LF, der).unwrap()
    }

    /// The key in each form, and whether it is the private one.
    fn forms() -> Vec<(bool, String)> {
        let (_, private) = pem::decode_vec(PKCS8.as_bytes()).unwrap();
        let (_, public) = pem::decode_vec(public_pem().as_bytes()).unwrap();
        let info = PrivateKeyInfoRef::from_der(&private).unwrap();
        let public_info = SubjectPublicKeyInfoRef::from_der(&public).unwrap();
        let pkcs1 = public_info.subject_public_key.as_bytes().unwrap();
        let mut forms = vec![
            (true, PKCS8.to_owned()),
            (true, encode("RSA PRIVATE KEY", info.private_key.as_bytes())),
            (false, public_pem()),
            (false, encode("RSA PUBLIC KEY", pkcs1)),
        ];
        for (oid, parameters) in [
            (ALGORITHM_OID, None),
            (RSASSA_PSS, None),
            (RSASSA_PSS, Some(AnyRef::from_der(&[0x30, 0]).unwrap())),
        ] {
            let algorithm = AlgorithmIdentifierRef { oid, parameters };
            let key = PrivateKeyInfoRef::new(algorithm, info.private_key);
            forms.push((true, encode("PRIVATE KEY", &key.to_der().unwrap())));
            let subject_public_key = public_info.subject_public_key;
            let key = SubjectPublicKeyInfoRef {
                algorithm,
                subject_public_key,
            };
            forms.push((false, encode("PUBLIC KEY", &key.to_der().unwrap())));
        }
        forms
    }

    /// The text in each way that people write it.
    fn ways(pem: &str) -> Vec<(&'static str, Vec<u8>)> {
        let lines = pem.lines().collect::<Vec<_>>();
        let (first, last) = (lines[0], lines[lines.len() - 1]);
        let base64 = lines[1..lines.len() - 1].concat();
        let each = |change: &dyn Fn(&str) -> String| {
            lines.iter().map(|line| change(line)).collect::<String>()
        };
        let wide = base64
            .as_bytes()
            .chunks(76)
            .map(|line| std::str::from_utf8(line).unwrap());
        let wide = wide.collect::<Vec<_>>().join("\n");
        let certificate = encode("CERTIFICATE", b"anything");
        let text = |text: String| text.into_bytes();
        vec![
            ("as it is", text(pem.to_owned())),
            ("text before", text(format!("subject=CN = x\n\n{pem}"))),
            (
                "text in Latin-1 before",
                [b"Schl\xfcssel\n", pem.as_bytes()].concat(),
            ),
            ("text behind", text(format!("{pem}and so on\n"))),
            ("empty lines behind", text(format!("{pem}\n\n\n"))),
            ("empty lines before", text(format!("\n\n{pem}"))),
            (
                "empty lines between",
                text(each(&|line| format!("{line}\n\n"))),
            ),
            ("a byte-order mark", text(format!("\u{feff}{pem}"))),
            ("indented", text(each(&|line| format!("    {line}\n")))),
            (
                "indented by tabs",
                text(each(&|line| format!("\t{line}\n"))),
            ),
            (
                "blanks at line ends",
                text(each(&|line| format!("{line}  \n"))),
            ),
            ("one line", text(format!("{first}\n{base64}\n{last}\n"))),
            ("76 characters", text(format!("{first}\n{wide}\n{last}\n"))),
            ("CRLF", text(each(&|line| format!("{line}\r\n")))),
            ("CR", text(each(&|line| format!("{line}\r")))),
            ("no line end", text(pem.trim_end().to_owned())),
            ("blanks in place of line ends", text(lines.join(" "))),
            ("a name before", text(format!("key = {pem}"))),
            ("in quotes", text(format!("KEY=\"{}\"\n", pem.trim_end()))),
            (
                "something behind the last line",
                text(format!("{} # mine\n", pem.trim_end())),
            ),
            (
                "a comment that names the first line",
                text(format!("# {first} and so on:\n{pem}")),
            ),
            (
                "a header",
                text(pem.replacen("-\n", "-\nComment: mine\n\n", 1)),
            ),
            ("a certificate before", text(format!("{certificate}{pem}"))),
            ("a certificate behind", text(format!("{pem}{certificate}"))),
        ]
    }

    #[test]
    fn keys_are_read_as_people_write_them() {
        for (form, (is_private, pem)) in forms().into_iter().enumerate() {
            for (way, text) in ways(&pem) {
                let mut wrapper = RsaWrapper::default();
                let result = match is_private {
                    true => wrapper.set_private_key(&text, true),
                    false => wrapper.set_public_key(&text),
                };
                assert_eq!(result, Ok(()), "form {form}, {way}");
                assert_eq!(
                    wrapper.public_key(),
                    Some(&*public_pem()),
                    "form {form}, {way}"
                );
                if is_private {
                    assert_eq!(*wrapper.private_key().unwrap(), PKCS8, "form {form}, {way}");
                } else {
                    wrapper.set_remote_public_key(&text).unwrap();
                }
            }
        }
    }

    #[test]
    fn the_public_key_may_stand_beside_the_private_one() {
        for text in [
            [PKCS8, &public_pem()].concat(),
            [&public_pem(), PKCS8].concat(),
        ] {
            assert!(private_key(text.as_bytes()).is_ok());
            assert!(public_key(text.as_bytes()).is_ok());
        }
    }

    #[test]
    fn what_a_peer_sends_is_read_in_one_form_only() {
        let mut wrapper = RsaWrapper::default();
        wrapper.set_received_public_key(&public_pem()).unwrap();
        for (_, pem) in forms().iter().filter(|(is_private, _)| !is_private).skip(1) {
            assert!(wrapper.set_received_public_key(pem).is_err(), "{pem}");
        }
        for text in [
            format!("\u{feff}{}", public_pem()),
            format!("{}x", public_pem()),
        ] {
            assert!(wrapper.set_received_public_key(&text).is_err());
        }
    }

    #[test]
    fn what_is_refused_is_named() {
        let block = |label: &str| encode(label, b"anything").into_bytes();
        let headers = "RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n";
        let legacy = block("RSA PRIVATE KEY");
        let legacy = String::from_utf8(legacy).unwrap();
        let legacy = legacy.replacen("RSA PRIVATE KEY-----\n", headers, 1);
        let ec = AlgorithmIdentifierRef {
            oid: ObjectIdentifier::new_unwrap("1.2.840.10045.2.1"),
            parameters: None,
        };
        let ec = PrivateKeyInfoRef::new(ec, OctetStringRef::new(b"anything").unwrap());
        let ec = encode("PRIVATE KEY", &ec.to_der().unwrap());
        let (_, der) = pem::decode_vec(PKCS8.as_bytes()).unwrap();
        let base64 = PKCS8.lines().nth(1).unwrap();
        let utf16 = PKCS8.encode_utf16().flat_map(u16::to_le_bytes);
        let utf16 = [0xff, 0xfe].into_iter().chain(utf16).collect();
        let public = public_pem().into_bytes();
        for (text, word, cure) in [
            (
                block("ENCRYPTED PRIVATE KEY"),
                "encrypted",
                "openssl pkey -in",
            ),
            (legacy.into_bytes(), "encrypted", "openssl pkey -in"),
            (block("CERTIFICATE"), "a certificate", "private key"),
            (
                block("OPENSSH PRIVATE KEY"),
                "OpenSSH",
                "ssh-keygen -p -m PEM",
            ),
            (block("EC PRIVATE KEY"), "an EC key", "openssl genpkey"),
            (ec.into_bytes(), "an EC key", "openssl genpkey"),
            (der, "DER", "openssl pkey -inform DER"),
            (public, "a public key", "openssl genpkey"),
            (
                [PKCS8, OTHER].concat().into(),
                "2 private keys",
                "keep only one",
            ),
            (base64.into(), "base64 alone", "BEGIN and END"),
            (utf16, "UTF-16", "iconv"),
            (
                b"ssh-rsa AAAA me".into(),
                "OpenSSH",
                "ssh-keygen -e -m PKCS8",
            ),
            (PKCS8[..600].into(), "cut off", "END"),
            (PKCS8.replace('M', "!").into(), "not base64", "BEGIN"),
            (PKCS8.replace('\n', r"\n").into(), "line ends", "printf"),
            (b"hello".into(), "not a key", "PEM"),
            (b"".into(), "empty", "PEM"),
        ] {
            let error = private_key(&text).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains(cure), "{error}");
            assert!(!error.contains("NUL"), "{error}");
        }
        for (text, word, cure) in [
            (
                PKCS8.into(),
                "a private key",
                "openssl pkey -in key.pem -pubout",
            ),
            (block("CERTIFICATE"), "a certificate", "openssl x509"),
            (block("OPENSSH PRIVATE KEY"), "OpenSSH", "ssh-keygen -e"),
            (
                public_pem().repeat(2).into(),
                "2 public keys",
                "keep only one",
            ),
        ] {
            let error = public_key(&text).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains(cure), "{error}");
        }
    }

    #[test]
    fn many_keys_take_no_more_memory_than_their_text() {
        let text = encode("CERTIFICATE", b"x").repeat(250);
        let blocks = blocks(text.as_bytes()).unwrap();
        assert_eq!(blocks.len(), 250);
        let held = |block: &Block<'_>| {
            size_of::<Block<'_>>() + block.lines.capacity() * size_of::<&[u8]>()
        };
        assert!(blocks.iter().map(held).sum::<usize>() <= 3 * text.len());
    }

    #[test]
    fn a_key_whose_prime_is_none_is_refused() {
        let pem = include_str!("../../../examples-c/tests/keys/composite-prime.pem");
        let error = RsaWrapper::default().set_private_key(pem, true);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("primes are not prime") && error.contains("genpkey"),
            "{error}"
        );
    }

    #[test]
    fn a_key_that_is_taken_also_works() {
        for pem in UNEVEN {
            let mut wrapper = RsaWrapper::default();
            match wrapper.set_private_key(pem, true) {
                Ok(()) => {
                    let signature = wrapper.sign_data(b"text").unwrap();
                    let verified = wrapper.verify_data_signature(&signature, b"text", true);
                    assert_eq!(verified, Ok(true));
                    let data = wrapper.encrypt_data(b"text", true).unwrap();
                    assert_eq!(*wrapper.decrypt_data(&data).unwrap(), b"text");
                }
                Err(error) => {
                    let error = error.to_string();
                    assert!(
                        error.contains("primes") && error.contains("genpkey"),
                        "{error}"
                    );
                }
            }
        }
    }
}
