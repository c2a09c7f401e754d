//! Makes the refusal of a message take as long as the longest reading of one of its size.

use std::hint::black_box;

use super::json::{Origin, observe};
use super::work::Count;

/// A byte that is no ASCII, where it is checked that it is UTF-8.
const UTF8_BYTE: usize = 10;

/// The most for a byte of a text, as a message can come near it that is nothing but short keys.
const MOST: usize = 88;

/// The most for a byte where keys are not compared: when a text is read to detect its framing.
const MOST_WITHOUT_KEYS: usize = 70;

/// What is read to make up for work. It is short, as the last one may be one too many.
const SAMPLE: &str = r#"{"name":"an everyday value","list":[1,true]}"#;

/// Reads until as much was done as the bytes of the packet can take whose text this is the `work`
/// of, where that is counted.
pub(crate) fn equalize_work(work: impl Count, packet: &[u8]) {
    let Some(mut work) = work.counted() else {
        return;
    };
    // Those that are checked one by one.
    let others = packet[..work.checked]
        .iter()
        .filter(|byte| !byte.is_ascii());
    work.add(UTF8_BYTE * others.count() * work.times);
    let most = (MOST + MOST_WITHOUT_KEYS * (work.times - 1)).saturating_mul(packet.len());
    while work.done < most {
        let sample = black_box(SAMPLE);
        let read = observe(sample, 0, Origin::Peer, &mut (), &mut work);
        black_box(read.is_ok());
    }
}
