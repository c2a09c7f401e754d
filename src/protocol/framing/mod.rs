//! How messages are delimited and encrypted: one file per framing, listed in [`of`].

mod clear_length;
mod detection;
mod gcm;
mod packet;
mod v2;
mod v3;
mod v4;

use super::config::Protocol;

pub use clear_length::{CLEAR_HEADER_SIZE, clear_header, is_clear_header, read_clear_header};
pub use detection::{Detected, detect};
pub use packet::{Direction, Framing, Keys, MAX_TRAILER_SIZE, Opened};

/// The framing of a protocol; `None` for [`Protocol::Auto`].
pub fn of(protocol: Protocol) -> Option<&'static dyn Framing> {
    match protocol {
        Protocol::Auto => None,
        Protocol::V2 => Some(&v2::V2),
        Protocol::V3 => Some(&v3::V3),
        Protocol::V4 => Some(&v4::V4),
        Protocol::Gcm => Some(&gcm::Gcm),
    }
}

#[cfg(test)]
mod tests {
    use super::packet::checked_size;
    use super::*;
    use crate::crypto::aes::{BLOCK_SIZE, padded_len};
    use crate::crypto::record_key::RecordKey;
    use crate::crypto::{AesMode, AesWrapper};
    use crate::error::{Reason, Result};
    use crate::secret::SecretBytes;

    fn reason(size: Result<usize>) -> Option<Reason> {
        size.unwrap_err().reason()
    }

    #[test]
    fn a_packet_is_as_long_as_the_longest_text_makes_it_and_no_longer() {
        let longest = padded_len(100) + BLOCK_SIZE;
        let size = |announced| checked_size(announced, BLOCK_SIZE, 100);
        assert_eq!(size(longest as u64), Ok(longest));
        assert_eq!(size(1), Ok(1));
        assert_eq!(
            reason(size(longest as u64 + 1)),
            Some(Reason::MessageTooLarge)
        );
        assert_eq!(reason(size(0)), Some(Reason::ProtocolViolation));
    }

    fn keys(protocol: Protocol) -> Keys {
        match protocol {
            Protocol::Gcm => {
                let key = || RecordKey::new(&[1; 32], &[2; 12]);
                Keys::Gcm(Box::new(packet::RecordKeys {
                    sent: key(),
                    received: key(),
                }))
            }
            _ => Keys::Cbc(AesWrapper::new(256, AesMode::Cbc).unwrap()),
        }
    }

    #[test]
    fn a_message_that_is_sealed_stays_where_it_is_and_holds_what_was_drawn() {
        for protocol in [Protocol::V2, Protocol::V3, Protocol::V4, Protocol::Gcm] {
            let keys = keys(protocol);
            let framing = of(protocol).unwrap();
            for len in 0..=BLOCK_SIZE {
                let written = framing.header_size() + len;
                let mut message = SecretBytes::try_copy(&[], written + MAX_TRAILER_SIZE).unwrap();
                message.resize(written, b'x');
                let place = message.as_ptr();
                let fill = |bytes: &mut [u8]| {
                    bytes.fill(7);
                    Ok(())
                };
                framing.seal(&keys, &mut message, fill).unwrap();
                assert_eq!(message.as_ptr(), place, "{protocol:?}, {len}");
                match protocol {
                    Protocol::V3 | Protocol::V4 => assert!(message.ends_with(&[7; 16])),
                    Protocol::Gcm => assert_eq!(message.len(), written + 16),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_record_is_as_long_as_the_longest_text_makes_it_and_no_longer() {
        const TAG: u32 = 16;
        let keys = keys(Protocol::Gcm);
        let gcm = of(Protocol::Gcm).unwrap();
        let size = |announced: u32| gcm.packet_size(&keys, &mut announced.to_be_bytes(), 100);
        assert_eq!(size(TAG + 100), Ok(116));
        assert_eq!(size(TAG + 1), Ok(17));
        assert_eq!(reason(size(TAG + 101)), Some(Reason::MessageTooLarge));
        assert_eq!(reason(size(TAG)), Some(Reason::ProtocolViolation));
        assert_eq!(reason(size(0)), Some(Reason::ProtocolViolation));
    }
}
