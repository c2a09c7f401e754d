//! The recordings of real sessions, and sessions that stand where one side of a recording stood.

use std::cell::RefCell;
use std::collections::VecDeque;

use anwdl::protocol::session::{Config, Operation, Session};
use anwdl::protocol::{Protocol, Role};
use anwdl::{AesMode, AesWrapper, Error, RsaWrapper};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

pub const IV_SIZE: usize = 16;

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
pub struct Recording {
    pub name: String,
    pub protocol: Protocol,
    pub receive_first: bool,
    pub server_key: RsaWrapper,
    pub client_key: RsaWrapper,
    pub session_key: AesWrapper,
    pub handshake: [Vec<u8>; 2],
    pub turns: Vec<Turn>,
}

pub struct Turn {
    pub request: Value,
    pub response: Value,
    /// What both sides sent for the request, then for the response.
    pub flights: [[Vec<u8>; 2]; 2],
}

pub fn side(role: Role) -> usize {
    match role {
        Role::Client => 0,
        Role::Server => 1,
    }
}

pub fn other(role: Role) -> Role {
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
    crate::pair::rsa(pem.as_str().expect("a PEM is text"))
}

pub fn recordings() -> Vec<Recording> {
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
    pub fn session(&self, role: Role, exchange_keys: bool) -> Session {
        let mut config = Config::new(role);
        if role == Role::Client {
            config.protocol = self.protocol;
        }
        config.exchange_keys = exchange_keys;
        config.key_echo = true; // as the released peers do
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

    pub fn exchange(&self, role: Role) -> Operation {
        Operation::ExchangeKeys {
            receive_first: self.receive_first == (role == Role::Server),
        }
    }

    /// The IVs that this side's messages carry.
    pub fn queue_ivs(&self, role: Role) {
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
}

/// JSON text as Python's `json.dumps` writes it.
pub fn python_style(value: &Value) -> String {
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
