//! Every recording of a real session, replayed through the protocol in both roles: the
//! bytes arrive whole, cut in two at every byte, and one by one, with the same result.

use std::cell::RefCell;
use std::collections::VecDeque;

use anwdl::protocol::session::{Config, Message, Operation, Progress, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper, Error, RsaWrapper};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

const IV_SIZE: usize = 16;

thread_local! {
    /// The IVs that the recorded side drew, in their order.
    static RECORDED_IVS: RefCell<VecDeque<[u8; IV_SIZE]>> = const { RefCell::new(VecDeque::new()) };
}

fn draw_recorded(bytes: &mut [u8]) -> Result<(), Error> {
    let iv = RECORDED_IVS
        .with_borrow_mut(VecDeque::pop_front)
        .expect("an IV was recorded");
    bytes.copy_from_slice(&iv);
    Ok(())
}

/// One recorded session.
struct Recording {
    name: String,
    protocol: Protocol,
    receive_first: bool,
    server_key: RsaWrapper,
    client_key: RsaWrapper,
    session_key: AesWrapper,
    handshake: [Vec<u8>; 2],
    turns: Vec<Turn>,
}

struct Turn {
    request: Value,
    response: Value,
    /// What both sides sent for the request, then for the response.
    flights: [[Vec<u8>; 2]; 2],
}

fn side(role: Role) -> usize {
    match role {
        Role::Client => 0,
        Role::Server => 1,
    }
}

fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

fn bytes(text: &Value) -> Vec<u8> {
    BASE64_STANDARD
        .decode(text.as_str().expect("bytes are text"))
        .expect("bytes are base64")
}

/// What the client and the server sent, each in one piece.
fn joined(flights: &Value) -> [Vec<u8>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    for flight in flights.as_array().expect("flights are a list") {
        let role = if flight["from"] == "client" {
            Role::Client
        } else {
            Role::Server
        };
        sides[side(role)].extend(bytes(&flight["bytes"]));
    }
    sides
}

fn rsa(pem: &Value) -> RsaWrapper {
    let mut wrapper = RsaWrapper::new(false).unwrap();
    wrapper
        .set_private_key(pem.as_str().expect("a PEM is text"), true)
        .unwrap();
    wrapper
}

fn recordings() -> Vec<Recording> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect(folder)
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let recordings: Vec<_> = paths.iter().map(|path| read(path)).collect();
    assert_eq!(recordings.len(), 12);
    recordings
}

fn read(path: &std::path::Path) -> Recording {
    let text = std::fs::read_to_string(path).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let mut session_key = AesWrapper::new(256, AesMode::Cbc).unwrap();
    session_key
        .set_key(
            &bytes(&value["session_aes_key"]),
            &bytes(&value["initial_iv"]),
        )
        .unwrap();
    let turns = value["turns"].as_array().unwrap().iter().map(|turn| Turn {
        request: turn["request"].clone(),
        response: turn["response"].clone(),
        flights: [
            joined(&turn["request_flights"]),
            joined(&turn["response_flights"]),
        ],
    });
    Recording {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        protocol: match value["label"].as_str().unwrap() {
            "v2.1" => Protocol::V2,
            "v3.1" => Protocol::V3,
            "v4.1" => Protocol::V4,
            other => panic!("{other} is no known release"),
        },
        receive_first: value["receive_first"].as_bool().unwrap(),
        server_key: rsa(&value["server_rsa_private_pem"]),
        client_key: rsa(&value["client_rsa_private_pem"]),
        session_key,
        handshake: joined(&value["handshake_flights"]),
        turns: turns.collect(),
    }
}

impl Recording {
    /// A session in a role of this recording. Without the key exchange it starts from the
    /// recorded session key.
    fn session(&self, role: Role, exchange_keys: bool) -> Session {
        let mut config = Config::new(role);
        if role == Role::Client {
            config.protocol = self.protocol;
        }
        config.exchange_keys = exchange_keys;
        config.random = draw_recorded;
        let mut session = Session::new(config);
        let key = match role {
            Role::Server => &self.server_key,
            Role::Client => &self.client_key,
        };
        session.set_rsa_wrapper(key).unwrap();
        session.set_aes_wrapper(&self.session_key).unwrap();
        session
    }

    fn exchange(&self, role: Role) -> Operation {
        Operation::ExchangeKeys {
            receive_first: self.receive_first == (role == Role::Server),
        }
    }

    /// The IVs that this side's messages carry.
    fn queue_ivs(&self, role: Role) {
        let ivs = self.turns.iter().map(|turn| {
            let [request, response] = &turn.flights;
            let sent = if role == Role::Client {
                &request[0]
            } else {
                &response[1]
            };
            *sent
                .last_chunk::<IV_SIZE>()
                .expect("a message is longer than an IV")
        });
        RECORDED_IVS.set(ivs.collect());
    }

    /// Plays all turns of a role; gives the data texts of the responses that a client gets.
    fn play_turns(
        &self,
        role: Role,
        session: &mut Session,
        data: &[String],
        pieces: Pieces,
    ) -> Vec<String> {
        self.queue_ivs(role);
        let mut received = Vec::new();
        for (at, turn) in self.turns.iter().enumerate() {
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
                assert_eq!(sent, flights[side(role)], "{} as {role:?}", self.name);
                match message {
                    Some(Message::Request(request)) => {
                        let json: Value = serde_json::from_str(request.json()).unwrap();
                        assert_eq!(json, turn.request, "{}", self.name);
                    }
                    Some(Message::Response(response)) => {
                        let json: Value = serde_json::from_str(response.json()).unwrap();
                        assert_eq!(json, turn.response, "{}", self.name);
                        received.push(response.data_json().to_owned());
                    }
                    Some(Message::MalformedRequest(errors)) => panic!("{}: {errors}", self.name),
                    None => assert!(sends),
                }
            }
        }
        assert_eq!(session.protocol(), self.protocol, "{}", self.name);
        received
    }

    /// Plays the key exchange and checks all that this side sends but the one ciphertext,
    /// which is another each time.
    fn play_exchange(&self, role: Role, session: &mut Session, pieces: Pieces) {
        session.begin_exchange(self.exchange(role)).unwrap();
        let (sent, message) = play(session, &self.handshake[side(other(role))], pieces);
        assert!(message.is_none());
        let recorded = &self.handshake[side(role)];
        assert_eq!(sent.len(), recorded.len(), "{}", self.name);
        let differences: Vec<_> = (0..sent.len())
            .filter(|&at| sent[at] != recorded[at])
            .collect();
        let (first, last) = (differences[0], differences[differences.len() - 1]);
        assert!(
            last - first < 512,
            "{}: bytes {first} to {last} differ",
            self.name
        );
        let aes = session.aes_wrapper().unwrap();
        assert_eq!(
            (aes.key(), aes.iv()),
            (self.session_key.key(), self.session_key.iv())
        );
    }
}

/// JSON text as Python's `json.dumps` writes it.
fn python_style(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| {
                format!("{}: {}", Value::from(key.as_str()), python_style(value))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
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
                let space = session.space();
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
                recording.play_exchange(role, &mut session, pieces);
                let received = recording.play_turns(role, &mut session, &data, pieces);
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
                let received = recording.play_turns(role, &mut session, &data, Pieces::CutAt(cut));
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

/// The key exchange is the same in every release: one recording of each order has it all.
#[test]
fn both_key_exchanges_replay_cut_at_every_byte() {
    for name in ["v4.1-stat", "v4.1-server-first"] {
        let recordings = recordings();
        let recording = recordings
            .iter()
            .find(|recording| recording.name == name)
            .expect(name);
        for role in [Role::Client, Role::Server] {
            for cut in 1..recording.handshake[side(other(role))].len() {
                let mut session = recording.session(role, true);
                recording.play_exchange(role, &mut session, Pieces::CutAt(cut));
            }
        }
    }
}
