//! Makes the refusal of a message take as long as the longest reading of one of its size.

use std::hint::black_box;

use super::json::{Origin, observe_counted};
use super::work::Work;

/// A byte that is no ASCII, where it is checked that it is UTF-8.
const UTF8_BYTE: usize = 10;

/// The most for a byte of a text, as a message can come near it that is nothing but short keys.
const MOST: usize = 100;

/// What is read to make up for work. It is short, as the last one may be one too many.
const SAMPLE: &str = r#"{"name":"an everyday value","list":[1,true]}"#;

/// Reads until as much was done as the bytes of a packet can take whose text was read so many
/// `times`.
pub(crate) fn equalize_work(mut work: Work, packet: &[u8], times: usize) {
    // Those that are checked one by one.
    let others = packet[..work.checked]
        .iter()
        .filter(|byte| !byte.is_ascii());
    work.add(UTF8_BYTE * others.count() * times);
    let most = MOST.saturating_mul(packet.len()).saturating_mul(times);
    while work.done < most {
        let sample = black_box(SAMPLE);
        let read = observe_counted(sample, 0, Origin::Peer, &mut (), &mut work);
        black_box(read.is_ok());
    }
}
