//! Keys as people have them: PEM texts, as freely written as OpenSSL and Python's
//! `cryptography` take them, and for what is no such key the words that say what it is.
//!
//! What comes out is the one form that the rest of this library knows. What a peer sends is
//! not read here.

use rsa::pkcs1::pem::{self, LineEnding};
use rsa::pkcs1::{ALGORITHM_ID, ALGORITHM_OID};
use rsa::pkcs8::PrivateKeyInfoRef;
use rsa::pkcs8::der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef};
use rsa::pkcs8::der::{Decode, Encode};
use rsa::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::key::{LARGEST_PEM, invalid_key};
use crate::error::{Error, Result};

/// How to make a key that is accepted.
pub(super) const NEW_KEY: &str =
    "`openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out key.pem`";

/// An RSA key that its owner meant for signatures of one kind (RFC 4055). Its numbers are those
/// of any RSA key.
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// Other algorithms that keys are often made for.
const OTHERS: [(&str, &str); 6] = [
    ("1.2.840.10045.2.1", "an EC key"),
    ("1.2.840.10040.4.1", "a DSA key"),
    ("1.2.840.113549.1.3.1", "a Diffie-Hellman key"),
    ("1.3.101.110", "an X25519 key"),
    ("1.3.101.112", "an Ed25519 key"),
    ("1.3.101.113", "an Ed448 key"),
];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The width that the decoder wants.
const WIDTH: usize = 64;

/// What stands between one BEGIN line and its END line.
struct Block<'a> {
    label: &'a str,
    is_encrypted: bool,
    base64: Zeroizing<Vec<u8>>,
}

/// The one private key in a text, as PKCS #8 that says no more than it must.
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
            let unreadable = |_| invalid_key("the PEM text holds no private key, whatever it says");
            let info = PrivateKeyInfoRef::from_der(&der).map_err(unreadable)?;
            check_algorithm(&info.algorithm)?;
            pkcs8(info.private_key)
        }
        "RSA PRIVATE KEY" => {
            let der = block.decode()?;
            let too_long = |_| invalid_key("the RSA private key is too long");
            pkcs8(OctetStringRef::new(&der).map_err(too_long)?)
        }
        "OPENSSH PRIVATE KEY" => Err(invalid_key(
            "the private key is in OpenSSH's own form; if it is an RSA key, rewrite a copy of it \
             with `ssh-keygen -p -m PEM -f key.pem`",
        )),
        "EC PRIVATE KEY" => Err(no_rsa_key("an EC key")),
        "DSA PRIVATE KEY" => Err(no_rsa_key("a DSA key")),
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
    let unreadable = || invalid_key("the PEM text holds no public key, whatever it says");
    let info = SubjectPublicKeyInfoRef::from_der(&der).map_err(|_| unreadable())?;
    check_algorithm(&info.algorithm)?;
    subject_public_key_info(info.subject_public_key.as_bytes().ok_or_else(unreadable)?)
}

fn pkcs8(key: &OctetStringRef) -> Result<Zeroizing<Vec<u8>>> {
    PrivateKeyInfoRef::new(ALGORITHM_ID, key)
        .to_der()
        .map(Zeroizing::new)
        .map_err(|_| invalid_key("the RSA private key is too long"))
}

fn subject_public_key_info(key: &[u8]) -> Result<Vec<u8>> {
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
    match OTHERS.iter().find(|(oid, _)| *oid == name) {
        Some((_, kind)) => Err(no_rsa_key(kind)),
        None => Err(no_rsa_key(&format!("a key for the algorithm {name}"))),
    }
}

fn blocks(text: &[u8]) -> Result<Vec<Block<'_>>> {
    if text.len() > LARGEST_PEM {
        return Err(invalid_key(format!(
            "the PEM text has {} bytes; at most {LARGEST_PEM} are read",
            text.len()
        )));
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in text.split(|byte| b"\r\n".contains(byte)) {
        let line = line.trim_ascii();
        match (
            boundary(line, "-----BEGIN "),
            boundary(line, "-----END "),
            &mut open,
        ) {
            (Some(label), _, None) => {
                open = Some(Block {
                    label,
                    is_encrypted: false,
                    // With room for all of it, so that no copy is left behind when it grows.
                    base64: Zeroizing::new(Vec::with_capacity(text.len())),
                });
            }
            (Some(_), _, Some(block)) => return Err(cut_off(block.label)),
            (_, Some(label), Some(block)) if label == block.label => blocks.extend(open.take()),
            (_, Some(_), Some(block)) => return Err(cut_off(block.label)),
            // Encapsulated headers (RFC 1421): of an encrypted key, or of no weight.
            (_, _, Some(block)) if line.contains(&b':') => {
                block.is_encrypted |=
                    line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED");
            }
            (_, _, Some(block)) => {
                let digits = line.iter().filter(|byte| !byte.is_ascii_whitespace());
                block.base64.extend(digits);
            }
            (_, _, None) => {}
        }
    }
    match open {
        Some(block) => Err(cut_off(block.label)),
        None if blocks.is_empty() => Err(no_pem(text)),
        None => Ok(blocks),
    }
}

/// The label of a line that begins or ends a block.
fn boundary<'a>(line: &'a [u8], start: &str) -> Option<&'a str> {
    let label = line
        .strip_prefix(start.as_bytes())?
        .strip_suffix(b"-----")?;
    let is_label = |label: &&str| label.len() <= 64 && !label.contains(|c: char| c.is_control());
    std::str::from_utf8(label).ok().filter(is_label)
}

impl Block<'_> {
    fn decode(&self) -> Result<Zeroizing<Vec<u8>>> {
        let ending = LineEnding::LF;
        let lines = self.base64.len().div_ceil(WIDTH);
        let size = self.base64.len() + lines + 2 * (self.label.len() + 20);
        let mut text = Zeroizing::new(Vec::with_capacity(size));
        let label = self.label.as_bytes();
        text.extend([b"-----BEGIN ", label, b"-----\n"].concat());
        for line in self.base64.chunks(WIDTH) {
            text.extend(line);
            text.extend(ending.as_bytes());
        }
        text.extend([b"-----END ", label, b"-----\n"].concat());
        pem::decode_vec(&text)
            .map(|(_, der)| Zeroizing::new(der))
            .map_err(|_| {
                invalid_key(format!(
                    "what stands between the lines BEGIN and END {:?} is no base64, or not all of it",
                    self.label
                ))
            })
    }
}

fn cut_off(label: &str) -> Error {
    invalid_key(format!(
        "the PEM text is cut off or mixed up: the line BEGIN {label:?} has no END line of its own"
    ))
}

fn too_many(count: usize, kind: &str) -> Error {
    invalid_key(format!(
        "the text has {count} {kind} keys; leave the one that is meant"
    ))
}

fn no_rsa_key(kind: &str) -> Error {
    invalid_key(format!(
        "the key is {kind}; an RSA key is needed, as made with {NEW_KEY}"
    ))
}

fn unknown(label: &str) -> Error {
    invalid_key(format!("the PEM text is a {label:?}, and no RSA key"))
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

/// What a text without PEM is, as far as its beginning tells.
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
            "the key is one of PuTTY; PEM is written by `puttygen key.ppk -O private-openssh`",
        );
    }
    if starts(&[b"MI"]) {
        return invalid_key(
            "the key is base64 alone; PEM is needed, with its lines BEGIN and END: \
             `openssl base64 -d -A` makes DER of it, and `openssl pkey -inform DER` PEM",
        );
    }
    invalid_key("the text is no key: it has no line `-----BEGIN ...-----`; a key as PEM is needed")
}
