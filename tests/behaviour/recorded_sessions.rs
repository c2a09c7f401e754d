//! Every recording of a real session, replayed through the protocol in both roles: the
//! bytes arrive whole, cut in two at every byte, and one by one, with the same result.

use anwdl::protocol::Role;
use anwdl::protocol::session::{Message, Progress, Session};
use serde_json::Value;

use crate::recording::{Recording, other, python_style, recordings, side};

/// Plays all turns of a role; gives the data texts of the responses that a client gets.
fn play_turns(
    recording: &Recording,
    role: Role,
    session: &mut Session,
    data: &[String],
    pieces: Pieces,
) -> Vec<String> {
    recording.queue_ivs(role);
    let mut received = Vec::new();
    for (at, turn) in recording.turns.iter().enumerate() {
        for (is_response, flights) in [(false, &turn.flights[0]), (true, &turn.flights[1])] {
            let sends = is_response == (role == Role::Server);
            if sends && is_response {
                let success = turn.response["success"].as_bool().unwrap();
                let message = turn.response["message"].as_str().unwrap();
                session
                    .begin_response(success, message, Some(&data[at]), None)
                    .unwrap();
            } else if sends {
                let verb = turn.request["verb"].as_str().unwrap();
                let parameters = python_style(&turn.request["parameters"]);
                session.begin_request(verb, Some(&parameters)).unwrap();
            } else {
                session.begin_receive().unwrap();
            }
            let (sent, message) = play(session, &flights[side(other(role))], pieces);
            assert_eq!(sent, flights[side(role)], "{} as {role:?}", recording.name);
            match message {
                Some(Message::Request(request)) => {
                    let json: Value = serde_json::from_str(request.json()).unwrap();
                    assert_eq!(json, turn.request, "{}", recording.name);
                }
                Some(Message::Response(response)) => {
                    let json: Value = serde_json::from_str(response.json()).unwrap();
                    assert_eq!(json, turn.response, "{}", recording.name);
                    received.push(response.data_json().to_owned());
                }
                Some(Message::MalformedRequest(request)) => {
                    panic!("{}: {request:?}", recording.name)
                }
                None => assert!(sends),
            }
        }
    }
    assert_eq!(session.protocol(), recording.protocol, "{}", recording.name);
    received
}

/// Plays the key exchange and checks all that this side sends but the one ciphertext,
/// which is another each time.
fn play_exchange(recording: &Recording, role: Role, session: &mut Session, pieces: Pieces) {
    session.begin_exchange(recording.exchange(role)).unwrap();
    let (sent, message) = play(session, &recording.handshake[side(other(role))], pieces);
    assert!(message.is_none());
    let recorded = &recording.handshake[side(role)];
    assert_eq!(sent.len(), recorded.len(), "{}", recording.name);
    let differences: Vec<_> = (0..sent.len())
        .filter(|&at| sent[at] != recorded[at])
        .collect();
    let (first, last) = (differences[0], differences[differences.len() - 1]);
    assert!(
        last - first < 512,
        "{}: bytes {first} to {last} differ",
        recording.name
    );
    let aes = session.aes_wrapper().unwrap();
    assert_eq!(
        (aes.key(), aes.iv()),
        (recording.session_key.key(), recording.session_key.iv())
    );
}

/// How the peer's bytes arrive.
#[derive(Clone, Copy)]
enum Pieces {
    Whole,
    /// In two, the first of so many bytes.
    CutAt(usize),
    SingleBytes,
}

impl Pieces {
    /// How many bytes arrive at once when so many have arrived before.
    fn next(self, arrived: usize, left: usize) -> usize {
        match self {
            Pieces::CutAt(cut) if arrived < cut => left.min(cut - arrived),
            Pieces::Whole | Pieces::CutAt(_) => left,
            Pieces::SingleBytes => left.min(1),
        }
    }
}

/// Drives one operation with all of `incoming`; gives what the session sent and received.
fn play(session: &mut Session, incoming: &[u8], pieces: Pieces) -> (Vec<u8>, Option<Message>) {
    let mut sent = Vec::new();
    let mut arrived = 0;
    loop {
        match session.advance().unwrap() {
            Progress::Done(message) => {
                assert_eq!(arrived, incoming.len(), "not all bytes were taken");
                return (sent, message);
            }
            Progress::Compute => unreachable!("the computation is not separate"),
            Progress::Write => {
                let pending = session.pending();
                let count = pieces.next(sent.len(), pending.len());
                sent.extend_from_slice(&pending[..count]);
                session.sent(count);
            }
            Progress::Read => {
                let space = session.receive_buffer();
                let count = pieces.next(arrived, space.len().min(incoming.len() - arrived));
                assert!(count > 0, "the session waits for more than was recorded");
                space[..count].copy_from_slice(&incoming[arrived..arrived + count]);
                session.received(count);
                arrived += count;
            }
        }
    }
}

#[test]
fn every_recording_replays_whole_and_byte_by_byte() {
    for recording in recordings() {
        for pieces in [Pieces::Whole, Pieces::SingleBytes] {
            let mut data = Vec::new();
            for role in [Role::Client, Role::Server] {
                let mut session = recording.session(role, true);
                play_exchange(&recording, role, &mut session, pieces);
                let received = play_turns(&recording, role, &mut session, &data, pieces);
                if role == Role::Client {
                    data = received;
                }
            }
        }
    }
}

#[test]
fn every_message_replays_cut_at_every_byte() {
    let mut cuts = 0;
    for recording in recordings() {
        let mut data = Vec::new();
        for role in [Role::Client, Role::Server] {
            let flights = recording.turns.iter().flat_map(|turn| &turn.flights);
            let longest = flights
                .map(|sides| sides[0].len().max(sides[1].len()))
                .max()
                .unwrap();
            for cut in 1..=longest {
                let mut session = recording.session(role, false);
                let received =
                    play_turns(&recording, role, &mut session, &data, Pieces::CutAt(cut));
                if role == Role::Client && cut == longest {
                    data = received;
                }
                cuts += 1;
            }
        }
    }
    println!("{cuts} cuts replayed");
    assert!(cuts > 1000);
}

/// The key exchange is the same in every release: one recording of each order has it all. Each cut takes a private key
/// operation, which is slow, in pure Rust above all, and none depends on who does that: a part is enough, but for those
/// who set `ANWDL_EXHAUSTIVE`.
#[test]
fn both_key_exchanges_replay_cut_at_many_bytes() {
    for name in ["v4.1-stat", "v4.1-server-first"] {
        let recordings = recordings();
        let recording = recordings
            .iter()
            .find(|recording| recording.name == name)
            .expect(name);
        for role in [Role::Client, Role::Server] {
            let step = match std::env::var_os("ANWDL_EXHAUSTIVE") {
                Some(_) => 1,
                None if cfg!(feature = "aws-lc") => 4,
                None => 16,
            };
            for cut in (1..recording.handshake[side(other(role))].len()).step_by(step) {
                let mut session = recording.session(role, true);
                play_exchange(recording, role, &mut session, Pieces::CutAt(cut));
            }
        }
    }
}
