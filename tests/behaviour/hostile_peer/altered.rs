//! Recorded sessions in which somebody alters the peer's bytes: a bit, a byte more, a byte
//! less, at every place, and every byte where an answer is heard.

use std::collections::BTreeMap;

use anwdl::protocol::{Protocol, Role};
use anwdl::{Error, Reason, SansIoSession};

use super::ends::{acts, passages};
use super::forger::{session, session_and_message};
use super::play::{Act, Played, play};
use super::{is_exhaustive, stride, tell};
use crate::recording::{Recording, other, recordings, side};

/// The bytes of one side of an exchange, by what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Region {
    Answer,
    Length,
    PublicKey,
    Secret,
}

/// How one byte can be altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Flipped(u8),
    Inserted(u8),
    Missing,
}

/// Every change of one byte of a message.
fn changes() -> Vec<Change> {
    let bits = (0..u8::BITS).map(|bit| Change::Flipped(1 << bit));
    let inserted = [b'1', b'=', 0x00, 0xff].map(Change::Inserted);
    bits.chain(inserted).chain([Change::Missing]).collect()
}

fn altered(bytes: &[u8], at: usize, change: Change) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match change {
        Change::Flipped(bits) => bytes[at] ^= bits,
        Change::Inserted(byte) => bytes.insert(at, byte),
        Change::Missing => {
            bytes.remove(at);
        }
    }
    bytes
}

/// How often each thing came of an alteration.
#[derive(Debug, Default)]
struct Tally {
    refused: BTreeMap<&'static str, usize>,
    /// The part was played to its end with the messages of the recording.
    unnoticed: usize,
    /// A message was taken for the peer's that nobody had sent.
    wrong: usize,
}

impl Tally {
    fn count(&mut self, played: &Played, original: &[String]) {
        let genuine = original.starts_with(&played.messages);
        self.wrong += usize::from(!genuine);
        match played.reason() {
            Some(reason) => *self.refused.entry(reason.name()).or_default() += 1,
            None => self.unnoticed += usize::from(genuine),
        }
    }
}

/// Plays all turns of one side of a recording under its session key.
fn play_turns(recording: &Recording, role: Role, incoming: &[u8]) -> Played {
    recording.queue_ivs(role);
    let session = SansIoSession::from_session(recording.session(role, false));
    let acts: Vec<Act> = recording
        .turns
        .iter()
        .flat_map(|turn| acts(turn)[side(role)].clone())
        .collect();
    play(session, &acts, incoming)
}

/// v2, v3 and v4 have no integrity: what is altered is refused, or is taken for a message. How
/// often is known, as the recordings never change.
#[test]
fn messages_are_altered_at_every_byte_of_every_recording() {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut cases = 0;
    for recording in recordings() {
        let tally = tallies.entry(format!("{:?}", recording.protocol));
        let tally = tally.or_default();
        for role in [Role::Client, Role::Server] {
            let flights = recording.turns.iter().flat_map(|turn| &turn.flights);
            let incoming = flights.flat_map(|sides| sides[side(other(role))].clone());
            let incoming: Vec<u8> = incoming.collect();
            let original = play_turns(&recording, role, &incoming);
            assert!(original.failure.is_none() && original.messages.len() == 1);
            for at in 0..incoming.len() {
                for change in changes() {
                    let bytes = altered(&incoming, at, change);
                    if bytes.starts_with(&incoming) {
                        // Nothing is altered but what is behind the end.
                        continue;
                    }
                    tally.count(&play_turns(&recording, role, &bytes), &original.messages);
                    cases += 1;
                }
            }
        }
    }
    tell(cases, "altered bytes of recorded messages");
    for (protocol, tally) in &tallies {
        println!("{protocol}: {tally:?}");
    }
    // An IV that a message of v3 or v4 carries for the next one can be anything, and what it
    // alters is the next one: `swapped_keys` shows that.
    let found = tallies.values().map(|tally| (tally.unnoticed, tally.wrong));
    assert_eq!(found.collect::<Vec<_>>(), [(0, 0), (1280, 0), (1280, 0)]);
    println!("figure: v3 and v4 do not notice 2,560 of them, all in the IV of the next message");
}

/// What the recordings said, said in gcm: nothing that is altered passes.
#[test]
fn records_are_altered_at_every_byte() {
    let mut tally = Tally::default();
    let mut cases = 0;
    // Each case takes an exchange of keys, so that only an exhaustive run has them all.
    for recording in recordings().iter().step_by(stride(12)) {
        let turn = &recording.turns[0];
        for (role, act, text) in [
            (Role::Server, Act::ReceiveRequest, turn.request.to_string()),
            (
                Role::Client,
                Act::ReceiveResponse,
                turn.response.to_string(),
            ),
        ] {
            let acts = [act];
            let text = text.into_bytes();
            let (session, record) = session_and_message(role, Protocol::Gcm, &text);
            let original = play(session, &acts, &record);
            assert_eq!(original.messages.len(), 1);
            for at in (0..record.len()).step_by(stride(3)) {
                for change in changes().into_iter().step_by(stride(4)) {
                    let (session, record) = session_and_message(role, Protocol::Gcm, &text);
                    let bytes = altered(&record, at, change);
                    if bytes.starts_with(&record) {
                        continue;
                    }
                    let played = play(session, &acts, &bytes);
                    tally.count(&played, &original.messages);
                    cases += 1;
                }
            }
        }
    }
    println!("{tally:?}");
    assert_eq!((tally.unnoticed, tally.wrong), (0, 0));
    tell(cases, "altered bytes of gcm records, none of which passes");
}

/// What the bytes of an exchange are that one side hears.
fn regions(receive_first: bool, pem_len: usize, secret_len: usize) -> Vec<Region> {
    use Region::{Answer, Length, PublicKey, Secret};
    let key = [(Length, 8), (PublicKey, pem_len)];
    let parts: Vec<(Region, usize)> = match receive_first {
        true => [&key[..], &[(Answer, 2), (Secret, secret_len), (Answer, 1)]].concat(),
        false => [
            &[(Answer, 2)],
            &key[..],
            &[(Answer, 1), (Secret, secret_len)],
        ]
        .concat(),
    };
    let bytes = parts.into_iter();
    bytes
        .flat_map(|(region, len)| std::iter::repeat_n(region, len))
        .collect()
}

#[test]
fn exchanges_are_altered_at_every_byte_of_every_recording() {
    let mut tallies: BTreeMap<Region, BTreeMap<&'static str, usize>> = BTreeMap::new();
    let mut cases = 0;
    for recording in recordings() {
        for passage in passages(&recording) {
            let Act::Exchange { receive_first } = passage.act else {
                continue;
            };
            let peer = &recording.handshake[side(other(passage.role))];
            let modulus_size = match recording.server_key.key_size() {
                4096 => 512,
                _ => 256,
            };
            let pem_len = peer.len() - 8 - 3 - modulus_size;
            let regions = regions(receive_first, pem_len, modulus_size);
            assert_eq!(regions.len(), peer.len());
            let end_of_key = regions
                .iter()
                .rposition(|region| *region == Region::PublicKey);
            for (at, &region) in regions.iter().enumerate() {
                // A private key operation takes milliseconds, and to it every wrong ciphertext
                // is like another: those of 4096 bits are altered in one way.
                let (incoming, changes) = match region {
                    Region::Secret if modulus_size == 512 && at % stride(64) == 0 => {
                        (&peer[..], vec![Change::Flipped(1 << (at % 8))])
                    }
                    Region::Secret if modulus_size == 256 && at % stride(16) == 0 => {
                        let bit = Change::Flipped(1 << (at % 8));
                        (&peer[..], vec![bit, Change::Inserted(0), Change::Missing])
                    }
                    Region::Secret => continue,
                    Region::Answer => (&peer[..], changes()),
                    // What is done with another public key is not at stake here.
                    Region::Length | Region::PublicKey if at % stride(5) == 0 => {
                        (&peer[..=end_of_key.unwrap()], changes())
                    }
                    Region::Length | Region::PublicKey => continue,
                };
                for change in changes {
                    let bytes = altered(incoming, at, change);
                    if bytes.starts_with(incoming) {
                        continue;
                    }
                    let played = play(
                        passage.session(),
                        std::slice::from_ref(&passage.act),
                        &bytes,
                    );
                    let outcome = judge(region, change, &played, &passage.name);
                    *tallies
                        .entry(region)
                        .or_default()
                        .entry(outcome)
                        .or_default() += 1;
                    cases += 1;
                }
            }
        }
    }
    tell(cases, "altered bytes of recorded key exchanges");
    println!("{tallies:?}");
}

/// What an altered exchange came to, which has to be what its region allows.
fn judge(region: Region, change: Change, played: &Played, name: &str) -> &'static str {
    use Reason::{
        DecryptionFailed, InvalidKey, MessageTooLarge, PeerClosed, PeerRefused, ProtocolViolation,
    };
    let reason = played.reason();
    let is_key_heard = played
        .session
        .rsa_wrapper()
        .is_some_and(|rsa| rsa.remote_public_key().is_some());
    let allowed: &[Reason] = match (region, change) {
        (Region::Answer, Change::Flipped(_)) => &[PeerRefused],
        // One answer stands for another, and what follows is out of place.
        (Region::Answer, _) => &[
            PeerRefused,
            PeerClosed,
            ProtocolViolation,
            MessageTooLarge,
            InvalidKey,
            DecryptionFailed,
        ],
        // A key without its last line end is the same key, and the line end is then taken for
        // an answer.
        (Region::Length, _) => &[
            ProtocolViolation,
            MessageTooLarge,
            InvalidKey,
            PeerClosed,
            PeerRefused,
        ],
        (Region::PublicKey, _) => &[InvalidKey, PeerClosed, PeerRefused],
        (Region::Secret, Change::Missing) => &[DecryptionFailed, PeerClosed],
        (Region::Secret, _) => &[DecryptionFailed],
    };
    let reason = reason.unwrap_or_else(|| panic!("{name}: {region:?} {change:?} passed"));
    assert!(
        allowed.contains(&reason),
        "{name}: {region:?} {change:?} ended in {reason:?}"
    );
    let is_refused = matches!(
        reason,
        DecryptionFailed | InvalidKey | MessageTooLarge | ProtocolViolation
    );
    if is_refused {
        assert_eq!(played.sent.last(), Some(&b'0'), "{name}: the peer is told");
    }
    match (region, reason) {
        (Region::PublicKey | Region::Length, PeerClosed | PeerRefused) if is_key_heard => {
            "a key accepted"
        }
        _ => reason.name(),
    }
}

/// Every place of a recording where an answer is heard takes '1' and nothing else.
#[test]
fn every_byte_is_heard_at_every_answer() {
    let mut places = 0;
    let mut cases = 0;
    for recording in recordings() {
        if recording.server_key.key_size() != 2048 && !is_exhaustive() {
            continue;
        }
        for passage in passages(&recording) {
            let incoming = &passage.incoming;
            let answers: Vec<usize> = match passage.act {
                Act::Exchange { receive_first } => {
                    let secret = if incoming.len() > 1000 { 512 } else { 256 };
                    let pem = incoming.len() - 11 - secret;
                    let regions = regions(receive_first, pem, secret).into_iter().enumerate();
                    let answers = regions.filter(|(_, region)| *region == Region::Answer);
                    answers.map(|(at, _)| at).collect()
                }
                Act::SendRequest { .. } | Act::SendResponse { .. } => vec![0],
                Act::ReceiveRequest | Act::ReceiveResponse => vec![],
            };
            for at in answers {
                places += 1;
                let is_costly = passage.is_exchange() && at + 1 == incoming.len();
                for answer in 0..=u8::MAX {
                    let is_rare = is_costly && (incoming.len() > 1000 || !is_exhaustive());
                    if is_rare && answer % 16 != 1 && answer.abs_diff(b'1') > 1 {
                        // It comes behind a private key operation.
                        continue;
                    }
                    let mut bytes = incoming[..=at].to_vec();
                    bytes[at] = answer;
                    let mut played = play(
                        passage.session(),
                        std::slice::from_ref(&passage.act),
                        &bytes,
                    );
                    cases += 1;
                    if answer == b'1' {
                        let is_last = at + 1 == incoming.len();
                        assert_eq!(played.failure.is_none(), is_last, "{}", passage.name);
                        continue;
                    }
                    let reason = played.reason();
                    assert_eq!(reason, Some(Reason::PeerRefused), "{answer:#x}");
                    assert!(!played.session.has_failed());
                    if !passage.is_exchange() {
                        // The session is where it was: the message can be sent again.
                        let again = say_again(&mut played.session, &passage.act);
                        assert_eq!(again, Ok(None));
                    }
                }
            }
        }
    }
    tell(cases, "bytes as answers");
    println!("{places} places");
}

/// Sends a message once more, and hears that it is accepted.
fn say_again(session: &mut SansIoSession, act: &Act) -> Result<Option<String>, Error> {
    use super::play::Player;
    use anwdl::error::Interest;
    loop {
        match session.perform(act) {
            Err(Error::WouldBlock(Interest::Read)) => assert_eq!(session.feed(b"1"), Ok(1)),
            Err(Error::WouldBlock(_)) => {
                let count = session.pending().len();
                session.sent(count).unwrap();
            }
            other => return other,
        }
    }
}

/// gcm hears no answers that could be altered.
#[test]
fn records_need_no_answer() {
    let session = session(Role::Client, Protocol::Gcm);
    assert_eq!(session.protocol(), Protocol::Gcm);
    let act = Act::SendRequest {
        verb: "STAT".into(),
        parameters: "{}".into(),
    };
    assert!(play(session, &[act], &[]).failure.is_none());
}
