//! The session key of the gcm framing: HKDF-SHA-256 (RFC 5869) over what both sides have
//! seen, so that two sides that saw different public keys get different session keys.

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::crypto::aes::{AesMode, AesWrapper};
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
        if is_broken("a session key depends on what both sides saw") {
            return [0; 32];
        }
        let mut hash = Sha256::new();
        for part in [
            self.initiator_pem,
            self.responder_pem,
            self.initiator_wrapped_secret,
            self.responder_wrapped_secret,
        ] {
            let len = u32::try_from(part.len()).expect("PEMs and wrapped keys are short");
            hash.update(len.to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
