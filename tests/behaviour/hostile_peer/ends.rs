//! Parts of recorded sessions, of which the peer's half ends too early: in memory, at every
//! byte.

use anwdl::protocol::Role;
use anwdl::{AesMode, AesWrapper, ClientOptions, Reason, RsaWrapper, SansIoSession};
use serde_json::Value;

use super::play::{Act, check_ended, play, receiving};
use super::{is_exhaustive, stride, tell};
use crate::recording::{IV_SIZE, Recording, other, python_style, recordings, side};

/// At how many places the peer can end in all recordings, the ends of all parts among them.
pub const OFFSETS: usize = 29_516;

/// One operation of one side of a recording, which stands by itself: its key and the peer's
/// bytes are known.
pub struct Passage {
    pub name: String,
    pub role: Role,
    pub act: Act,
    pub incoming: Vec<u8>,
    /// Whether this side sends before it hears anything.
    pub speaks_first: bool,
    rsa: RsaWrapper,
    aes: AesWrapper,
    protocol: anwdl::Protocol,
}

impl Passage {
    pub fn is_exchange(&self) -> bool {
        matches!(self.act, Act::Exchange { .. })
    }

    pub fn options(&self) -> ClientOptions {
        let mut options = ClientOptions::default();
        if self.role == Role::Client {
            options.set_protocol(self.protocol);
        }
        options.set_exchange_keys(self.is_exchange());
        options.set_rsa_wrapper(&self.rsa);
        options.set_aes_wrapper(&self.aes).unwrap();
        options
    }

    pub fn session(&self) -> SansIoSession {
        SansIoSession::new(self.role, &self.options()).unwrap()
    }

    /// What this side does if the peer sends so many bytes and its answers, and all of what the
    /// peer sends. The last act is the one that waits for more.
    pub fn until(&self, offset: usize) -> (Vec<Act>, Vec<u8>) {
        let incoming = self.incoming[..offset].to_vec();
        let is_whole = offset == self.incoming.len();
        let receive = Act::receive(self.role);
        if self.act == receive {
            let next = is_whole.then(Vec::new);
            let messages: Vec<_> = [incoming].into_iter().chain(next).collect();
            return receiving(self.role, self.protocol, &messages);
        }
        let next = is_whole.then_some(receive);
        let acts = [self.act.clone()].into_iter().chain(next);
        (acts.collect(), incoming)
    }

    /// Whether the session goes on if the peer ends after `offset` bytes.
    pub fn goes_on(&self, offset: usize) -> bool {
        offset == 0 && !self.speaks_first
    }
}

/// What both sides do in a turn of a recording.
pub fn acts(turn: &crate::recording::Turn) -> [[Act; 2]; 2] {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    [
        [
            Act::SendRequest {
                verb: text(&turn.request["verb"]),
                parameters: python_style(&turn.request["parameters"]),
            },
            Act::ReceiveResponse,
        ],
        [
            Act::ReceiveRequest,
            Act::SendResponse {
                success: turn.response["success"].as_bool().unwrap(),
                message: text(&turn.response["message"]),
                data: python_style(&turn.response["data"]),
            },
        ],
    ]
}

/// All operations of both sides of a recording.
pub fn passages(recording: &Recording) -> Vec<Passage> {
    let mut passages = Vec::new();
    for role in [Role::Client, Role::Server] {
        let rsa = match role {
            Role::Client => &recording.client_key,
            Role::Server => &recording.server_key,
        };
        let mut add = |act: Act, aes: &AesWrapper, incoming: &[u8]| {
            let speaks_first = match &act {
                Act::Exchange { receive_first } => !receive_first,
                Act::SendRequest { .. } | Act::SendResponse { .. } => true,
                Act::ReceiveRequest | Act::ReceiveResponse => false,
            };
            passages.push(Passage {
                name: format!("{} as {role:?}: {act:?}", recording.name),
                role,
                act,
                incoming: incoming.to_vec(),
                speaks_first,
                rsa: rsa.clone(),
                aes: aes.clone(),
                protocol: recording.protocol,
            });
        };
        let receive_first = recording.receive_first == (role == Role::Server);
        let handshake = &recording.handshake[side(other(role))];
        let key = &recording.session_key;
        add(Act::Exchange { receive_first }, key, handshake);
        for turn in &recording.turns {
            let peer = side(other(role));
            let [first, second] = acts(turn)[side(role)].clone();
            let [request, response] = &turn.flights;
            add(first, key, &request[peer]);
            // The IV behind the request is the response's.
            let mut key = key.clone();
            if recording.protocol != anwdl::Protocol::V2 {
                let iv = *request[side(Role::Client)].last_chunk::<IV_SIZE>().unwrap();
                let bytes = key.key().to_vec();
                key.set_key(&bytes, &iv).unwrap();
            }
            assert_eq!(key.mode(), AesMode::Cbc);
            add(second, &key, &response[peer]);
        }
    }
    passages
}

#[test]
fn the_peer_ends_at_every_byte_of_every_recording() {
    let mut cases = 0;
    for recording in recordings() {
        for passage in passages(&recording) {
            let len = passage.incoming.len();
            let step = if passage.is_exchange() { stride(7) } else { 1 };
            for offset in (0..len).step_by(step).chain([len]) {
                let (acts, incoming) = passage.until(offset);
                let mut played = play(passage.session(), &acts, &incoming);
                let is_whole = offset == len;
                let name = &passage.name;
                assert_eq!(played.reason(), Some(Reason::PeerClosed), "{name} {offset}");
                let goes_on = is_whole || passage.goes_on(offset);
                assert_eq!(!played.session.has_failed(), goes_on, "{name} {offset}");
                if !goes_on {
                    check_ended(&mut played.session, &passage.act);
                }
                cases += 1;
            }
        }
    }
    tell(cases, "ends of the peer's bytes, in memory");
    assert!(cases == OFFSETS || !is_exhaustive());
}
