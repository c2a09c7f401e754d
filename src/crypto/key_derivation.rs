//! Session keys by HKDF-SHA-256 (RFC 5869) over what both sides have seen, so that two sides
//! that saw different public keys get different session keys.

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::crypto::aes::{AesMode, AesWrapper, BLOCK_SIZE};
use crate::error::Result;
use crate::negative_control::is_broken;

/// The random half of a gcm session secret, in bytes.
pub const RANDOM_SIZE: usize = 32;

/// What was said in a key exchange. The initiator is the side that sent its wrapped
/// secret first.
pub struct Transcript<'a> {
    pub initiator_pem: &'a [u8],
    pub responder_pem: &'a [u8],
    pub initiator_wrapped_secret: &'a [u8],
    pub responder_wrapped_secret: &'a [u8],
}

impl Transcript<'_> {
    /// The AES-256-GCM key of the session.
    pub fn session_key(
        &self,
        initiator_random: &[u8; RANDOM_SIZE],
        responder_random: &[u8; RANDOM_SIZE],
    ) -> Result<AesWrapper> {
        let mut input = Zeroizing::new([0; 2 * RANDOM_SIZE]);
        input[..RANDOM_SIZE].copy_from_slice(initiator_random);
        input[RANDOM_SIZE..].copy_from_slice(responder_random);
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(&self.digest()), input.as_slice())
            .expand(b"anwdl gcm v1", key.as_mut_slice())
            .expect("HKDF gives far more than 32 bytes");
        AesWrapper::from_key(key.as_slice(), &[], AesMode::Gcm)
    }

    fn digest(&self) -> [u8; 32] {
        digest(&[
            self.initiator_pem,
            self.responder_pem,
            self.initiator_wrapped_secret,
            self.responder_wrapped_secret,
        ])
    }
}

/// What was said before step 11 of a key exchange for v2, v3 or v4.
pub struct AesKeyTranscript<'a> {
    pub initiator_pem: &'a [u8],
    pub responder_pem: &'a [u8],
    pub initiator_wrapped_secret: &'a [u8],
}

impl AesKeyTranscript<'_> {
    /// The key, as long as the initiator's, with which the responder answers it in place of
    /// the initiator's own, and `iv`, which the responder drew. A replayed step 9 gives
    /// another key each time, and nothing of what it carried.
    pub fn answer(&self, initiator: &AesWrapper, iv: &[u8; BLOCK_SIZE]) -> Result<AesWrapper> {
        let mut secret = Zeroizing::new(Vec::with_capacity(initiator.key().len() + BLOCK_SIZE));
        secret.extend_from_slice(initiator.key());
        secret.extend_from_slice(initiator.iv());
        let salt = digest(&[
            self.initiator_pem,
            self.responder_pem,
            self.initiator_wrapped_secret,
            iv,
        ]);
        let mut key = Zeroizing::new([0; 32]);
        let key = &mut key[..initiator.key().len()];
        Hkdf::<Sha256>::new(Some(&salt), &secret)
            .expand(b"anwdl step 11 v1", key)
            .expect("HKDF gives far more than 32 bytes");
        AesWrapper::from_key(key, iv, AesMode::Cbc)
    }
}

/// SHA-256 over the parts, each behind its length, so that the boundaries between them count.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    if is_broken("a session key depends on what both sides saw") {
        return [0; 32];
    }
    let mut hash = Sha256::new();
    for part in parts {
        let len = u32::try_from(part.len()).expect("PEMs and wrapped keys are short");
        hash.update(len.to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(parts: [&[u8]; 3], key: &[u8], secret_iv: u8, iv: u8) -> AesWrapper {
        let initiator = AesWrapper::from_key(key, &[secret_iv; BLOCK_SIZE], AesMode::Cbc).unwrap();
        AesKeyTranscript {
            initiator_pem: parts[0],
            responder_pem: parts[1],
            initiator_wrapped_secret: parts[2],
        }
        .answer(&initiator, &[iv; BLOCK_SIZE])
        .unwrap()
    }

    #[test]
    fn all_that_was_said_before_step_11_changes_its_key() {
        let parts: [&[u8]; 3] = [b"one", b"two", b"three"];
        let key = [7; 32];
        let original = answer(parts, &key, 1, 2);
        assert_eq!(original.iv(), [2; BLOCK_SIZE]);
        assert_eq!(original.key(), answer(parts, &key, 1, 2).key());
        for at in 0..parts.len() {
            let mut changed = parts;
            changed[at] = b"other";
            assert_ne!(original.key(), answer(changed, &key, 1, 2).key());
        }
        assert_ne!(original.key(), answer(parts, &[8; 32], 1, 2).key());
        assert_ne!(original.key(), answer(parts, &key, 3, 2).key());
        assert_ne!(original.key(), answer(parts, &key, 1, 3).key());
        for len in [16, 24, 32] {
            assert_eq!(answer(parts, &key[..len], 1, 2).key().len(), len);
        }
    }

    /// Computed with Python's `hashlib` and `hmac` alone.
    #[test]
    fn the_key_of_step_11_is_the_documented_one() {
        let found = answer([b"one", b"two", b"three"], &[7; 16], 1, 2);
        assert_eq!(
            crate::crypto::rsa::hex(found.key()),
            "54bc959837ce38f2e9accf5f186ea150"
        );
    }

    #[test]
    fn every_part_of_the_transcript_changes_the_key() {
        let parts: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];
        let key = |parts: [&[u8]; 4], first, second| {
            let transcript = Transcript {
                initiator_pem: parts[0],
                responder_pem: parts[1],
                initiator_wrapped_secret: parts[2],
                responder_wrapped_secret: parts[3],
            };
            transcript
                .session_key(&[first; 32], &[second; 32])
                .unwrap()
                .key()
                .to_vec()
        };
        let original = key(parts, 1, 2);
        assert_eq!(original, key(parts, 1, 2));
        for at in 0..4 {
            let mut changed = parts;
            changed[at] = b"other";
            assert_ne!(original, key(changed, 1, 2));
        }
        assert_ne!(original, key(parts, 2, 1));
        // The boundary between two parts counts, not only their bytes.
        assert_ne!(
            key([b"ab", b"c", b"", b""], 1, 2),
            key([b"a", b"bc", b"", b""], 1, 2)
        );
    }
}
