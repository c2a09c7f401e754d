//! Packets that are no ciphertext: of wrong sizes, with wrong paddings, without a text; and
//! records of gcm that were altered, or that belong to another place, direction or session.

use anwdl::protocol::{Protocol, Role};
use anwdl::{Reason, SansIoSession};

use super::forger::{
    BLOCK_SIZE, encrypt_blocks, gcm_session, message, message_of, other, packet_of_blocks, padded,
    session,
};
use super::play::{Act, Played, play, receiving};
use super::{is_exhaustive, stride, tell};
use crate::pair::gcm::SessionKeys;

const CBC: [Protocol; 3] = [Protocol::V2, Protocol::V3, Protocol::V4];

/// Where a packet of v2, v3 or v4 can be received.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub protocol: Protocol,
    pub role: Role,
    /// Whether a server has to find out the framing by it.
    pub is_detected: bool,
}

pub fn places() -> Vec<Place> {
    let place = |protocol, role, is_detected| Place {
        protocol,
        role,
        is_detected,
    };
    let places = CBC.map(|protocol| {
        [
            place(protocol, Role::Server, true),
            place(protocol, Role::Server, false),
            place(protocol, Role::Client, false),
        ]
    });
    places.concat()
}

impl Place {
    pub fn act(&self) -> Act {
        Act::receive(self.role)
    }

    /// The reason of a text that is decrypted here and does not fit.
    pub fn malformed(&self) -> Reason {
        match self.role {
            Role::Server => Reason::MalformedRequest,
            Role::Client => Reason::MalformedResponse,
        }
    }

    /// A text that is received here, with so many blanks at its end.
    pub fn text(&self, blanks: usize) -> Vec<u8> {
        let mut text = match self.role {
            Role::Server => br#"{"verb": "STAT", "parameters": {}}"#.to_vec(),
            Role::Client => br#"{"success": true, "message": "OK", "data": {}}"#.to_vec(),
        };
        text.extend(vec![b' '; blanks]);
        text
    }

    /// A session that has its framing, and under it the IV of the forger.
    fn prepared(&self) -> SansIoSession {
        match (self.role, self.is_detected) {
            (Role::Client, _) => session(Role::Client, self.protocol),
            (Role::Server, true) => session(Role::Server, Protocol::Auto),
            (Role::Server, false) => session(Role::Server, self.protocol),
        }
    }

    /// Receives a packet of any bytes.
    pub fn receive(&self, packet: &[u8]) -> Played {
        if self.role == Role::Client || self.is_detected || self.protocol == Protocol::V4 {
            return play(
                self.prepared(),
                &[self.act()],
                &message(self.protocol, packet),
            );
        }
        // A server knows v2 or v3 only behind a first request.
        let messages = [
            message_of(self.protocol, &self.text(0)),
            message(self.protocol, packet),
        ];
        let (acts, bytes) = receiving(self.role, self.protocol, &messages);
        let mut played = play(self.prepared(), &acts, &bytes);
        played.messages.remove(0);
        played.sent.drain(..played.sent_before);
        played
    }
}

#[track_caller]
fn assert_undecrypted(played: &Played, what: &dyn std::fmt::Debug) {
    assert_eq!(played.reason(), Some(Reason::DecryptionFailed), "{what:?}");
    assert!(played.messages.is_empty());
    assert_eq!(
        played.sent.last(),
        (!played.sent.is_empty()).then_some(&b'1')
    );
}

#[test]
fn packets_of_every_size() {
    let mut cases = 0;
    let mut as_v2 = 0;
    for place in places() {
        let text = place.text(0);
        let right = packet_of_blocks(place.protocol, &padded(&text));
        for len in 1..=right.len() + 2 * BLOCK_SIZE + 1 {
            let mut packet = right.clone();
            packet.resize(len, 0);
            let played = place.receive(&packet);
            cases += 1;
            // What v2 and v3 have in common: a whole ciphertext, with and without an IV.
            let ciphertext = padded(&text).len();
            let is_open = place.is_detected && place.protocol != Protocol::V4;
            let is_v2 = is_open && len == ciphertext;
            let is_v3 = is_open && len == ciphertext + BLOCK_SIZE;
            if len == right.len() || is_v2 || is_v3 {
                as_v2 += usize::from(is_v2);
                assert_eq!(
                    played.messages,
                    [String::from_utf8_lossy(&text)],
                    "{place:?}"
                );
            } else {
                assert_undecrypted(&played, &(place, len));
            }
        }
        // An IV alone, and blocks of padding alone.
        for blocks in [&[][..], &[16; BLOCK_SIZE], &[16; 2 * BLOCK_SIZE]] {
            let packet = packet_of_blocks(place.protocol, blocks);
            if !packet.is_empty() {
                assert_undecrypted(&place.receive(&packet), &(place, blocks.len()));
                cases += 1;
            }
        }
    }
    assert_eq!(as_v2, 2);
    tell(cases, "packets of wrong sizes");
}

#[test]
fn every_error_of_a_padding() {
    let mut cases = 0;
    let changes = if is_exhaustive() {
        1..=255
    } else {
        254..=255u8
    };
    for place in places() {
        // Every last byte, behind a text that leaves room for one.
        for last in 0..=u8::MAX {
            let blanks = 2 * BLOCK_SIZE - place.text(0).len() % BLOCK_SIZE - 1;
            let mut blocks = place.text(blanks);
            blocks.push(last);
            assert!(blocks.len().is_multiple_of(BLOCK_SIZE));
            let played = place.receive(&packet_of_blocks(place.protocol, &blocks));
            cases += 1;
            if last == 1 {
                assert_eq!(played.messages.len(), 1, "{place:?}");
            } else {
                assert_undecrypted(&played, &(place, last));
            }
        }
        // Each byte of each padding.
        for padding in 1..=BLOCK_SIZE {
            let blanks = (2 * BLOCK_SIZE - place.text(0).len() % BLOCK_SIZE - padding) % BLOCK_SIZE;
            let right = padded(&place.text(blanks));
            assert_eq!(usize::from(*right.last().unwrap()), padding);
            let played = place.receive(&packet_of_blocks(place.protocol, &right));
            assert_eq!(played.messages.len(), 1, "{place:?} {padding}");
            for inner in 2..=padding {
                for change in changes.clone() {
                    let mut blocks = right.clone();
                    let at = blocks.len() - inner;
                    blocks[at] ^= change;
                    let played = place.receive(&packet_of_blocks(place.protocol, &blocks));
                    assert_undecrypted(&played, &(place, padding, inner, change));
                    cases += 1;
                }
            }
        }
    }
    tell(cases, "paddings");
}

/// Receives records one after the other, which are made under the keys of the session.
fn receive_records(role: Role, make: impl FnOnce(&SessionKeys) -> Vec<Vec<u8>>) -> Played {
    let (session, keys) = gcm_session(role);
    let records = make(&keys).into_iter();
    let messages: Vec<_> = records
        .map(|record| message(Protocol::Gcm, &record))
        .collect();
    let (acts, bytes) = receiving(role, Protocol::Gcm, &messages);
    play(session, &acts, &bytes)
}

#[test]
fn records_at_the_wrong_place() {
    const COUNT: u64 = 12;
    let mut cases = 0;
    for role in [Role::Server, Role::Client] {
        let from = other(role);
        let place = Place {
            protocol: Protocol::Gcm,
            role,
            is_detected: false,
        };
        let text = place.text(0);
        let all = |keys: &SessionKeys, count| -> Vec<_> {
            (0..count)
                .map(|number| keys.record(from, number, &text))
                .collect()
        };
        let heard = receive_records(role, |keys| all(keys, COUNT));
        assert_eq!(heard.messages.len(), COUNT as usize);
        // So many that are right, and then one that is not.
        let mut check =
            |heard: u64, wrong: &dyn Fn(&SessionKeys) -> Vec<u8>, what: &dyn std::fmt::Debug| {
                let played = receive_records(role, |keys| {
                    let mut records = all(keys, heard);
                    records.push(wrong(keys));
                    records
                });
                let reason = played.reason();
                assert_eq!(reason, Some(Reason::DecryptionFailed), "{what:?}");
                assert_eq!(played.messages.len() as u64, heard, "{what:?}");
                cases += 1;
            };
        for heard in (0..COUNT).step_by(stride(3)) {
            // Repeated, and ahead of its turn.
            for wrong in (0..COUNT).filter(|wrong| *wrong != heard) {
                let record = |keys: &SessionKeys| keys.record(from, wrong, &text);
                check(heard, &record, &(role, "number", heard, wrong));
            }
            // Sent back to whoever made it.
            let reflected = |keys: &SessionKeys| keys.record(role, heard, &text);
            check(heard, &reflected, &(role, "direction", heard));
            // A number that differs in one of its 64 bits.
            for bit in (0..u64::BITS).step_by(stride(5)) {
                let record = |keys: &SessionKeys| keys.record(from, heard ^ (1 << bit), &text);
                check(heard, &record, &(role, "bit of the number", heard, bit));
            }
        }
        // Ciphertext and tag, in every bit; and cut at every length that has a text.
        let right_len = text.len() + 16;
        for at in 0..right_len {
            for bit in (0..8).step_by(stride(3)) {
                let altered = |keys: &SessionKeys| {
                    let mut record = keys.record(from, 0, &text);
                    record[at] ^= 1 << bit;
                    record
                };
                check(0, &altered, &(role, "bit", at, bit));
            }
        }
        for len in (17..right_len + 16).filter(|len| *len != right_len) {
            let resized = |keys: &SessionKeys| {
                let mut record = keys.record(from, 0, &text);
                record.resize(len, 0);
                record
            };
            check(0, &resized, &(role, "length", len));
        }
    }
    tell(cases, "records altered or at the wrong place");
}

/// The same place, direction and number in two sessions that exchanged their own keys.
#[test]
fn records_of_another_session() {
    use crate::pair::{assert_ended, exchange, pair, reason, receive, sent_request};
    let sessions = || {
        let (mut client, mut server) = pair(Protocol::Gcm, Protocol::Auto);
        exchange(&mut client, &mut server, true);
        (client, server)
    };
    let (mut client, mut server) = sessions();
    let (mut other_client, mut other_server) = sessions();
    let record = sent_request(&mut client, "STAT");
    let other_record = sent_request(&mut other_client, "STAT");
    for (server, record) in [(&mut server, &other_record), (&mut other_server, &record)] {
        let found = reason(receive(server, record));
        assert_eq!(found, Reason::DecryptionFailed);
        assert_ended(server);
    }
    tell(2, "records swapped between sessions");
}

/// Without padding or key there is no text, whatever the blocks are.
#[test]
fn random_packets_are_no_messages() {
    let mut cases = 0;
    for place in places() {
        for seed in 0..=u8::MAX {
            let packet = encrypt_blocks(&[seed; 4 * BLOCK_SIZE]);
            let packet: Vec<u8> = packet.iter().map(|byte| byte ^ 0x5a).collect();
            assert_undecrypted(&place.receive(&packet), &(place, seed));
            cases += 1;
        }
    }
    let bytes = message_of(Protocol::V4, b"");
    let empty = play(
        session(Role::Server, Protocol::Auto),
        &[Act::ReceiveRequest],
        &bytes,
    );
    assert_undecrypted(&empty, &"no text");
    tell(cases + 1, "packets of no text");
}
