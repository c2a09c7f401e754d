//! Makes a refusal take as long as the slowest message of the same size.

use std::hint::black_box;

use super::json::{Origin, observe};
use super::work::Count;

/// The work for a byte that is not ASCII, in the UTF-8 check.
const UTF8_BYTE: usize = 10;

/// The most work for a byte of a text. A message of nothing but short keys comes close.
const MAX_PER_BYTE: usize = 88;

/// The most work for a byte if keys are not compared: when a text is read to detect its framing.
const MAX_PER_BYTE_WITHOUT_KEYS: usize = 64;

/// The text that is read to fill the time. It is short, so that the last read exceeds it by little.
const SAMPLE: &str = r#"{"name":"an everyday value","list":[1,true]}"#;

/// The most work for a packet of this size that is read this many `times`.
fn most_work(len: usize, times: usize) -> u64 {
    (MAX_PER_BYTE + MAX_PER_BYTE_WITHOUT_KEYS * (times - 1)) as u64 * len as u64
}

/// Reads until the work reaches the most that a packet of this size can take; `work` is what its
/// text has taken. Does nothing if work is not counted.
pub(crate) fn equalize_work(work: impl Count, packet: &[u8]) {
    let Some(mut work) = work.counted() else {
        return;
    };
    // The bytes that are checked one by one.
    let others = packet[..work.checked]
        .iter()
        .filter(|byte| !byte.is_ascii());
    work.add(UTF8_BYTE * others.count() * work.times);
    let most = most_work(packet.len(), work.times);
    while work.done < most {
        let sample = black_box(SAMPLE);
        let read = observe(sample, 0, Origin::Peer, &mut (), &mut work);
        black_box(read.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_work_of_the_longest_message_fits_on_32_bits_too() {
        assert_eq!(most_work(99_999_999, 2), 15_199_999_848);
    }
}
