//! One side of a conversation, which plays its part against bytes that may be anything.

use anwdl::error::Interest;
use anwdl::protocol::{Protocol, Role};
#[cfg(unix)]
use anwdl::{ClientInstance, ClientInterface};
use anwdl::{Error, Reason, SansIoSession};

/// What one side does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Exchange {
        receive_first: bool,
    },
    ReceiveRequest,
    SendResponse {
        success: bool,
        message: String,
        data: String,
    },
    SendRequest {
        verb: String,
        parameters: String,
    },
    ReceiveResponse,
}

impl Act {
    /// What a side does to hear a message.
    pub fn receive(role: Role) -> Self {
        match role {
            Role::Server => Self::ReceiveRequest,
            Role::Client => Self::ReceiveResponse,
        }
    }
}

/// What a side does that receives these messages, and all that its peer sends. A server responds
/// to each before it receives the next, and the peer takes the response.
pub fn receiving(role: Role, protocol: Protocol, messages: &[Vec<u8>]) -> (Vec<Act>, Vec<u8>) {
    let (mut acts, mut incoming) = (Vec::new(), Vec::new());
    for message in messages {
        if role == Role::Server && !acts.is_empty() {
            acts.push(Act::SendResponse {
                success: true,
                message: "OK".into(),
                data: "{}".into(),
            });
            // To the response's length.
            if protocol != Protocol::Gcm {
                incoming.push(b'1');
            }
        }
        acts.push(Act::receive(role));
        incoming.extend_from_slice(message);
    }
    (acts, incoming)
}

/// Whoever can play a part.
pub trait Player {
    /// Does an act, or goes on with it; gives the JSON text of a message that was received.
    fn perform(&mut self, act: &Act) -> Result<Option<String>, Error>;

    /// Whether the keys are there.
    fn has_key(&self) -> bool;
}

impl Player for SansIoSession {
    fn perform(&mut self, act: &Act) -> Result<Option<String>, Error> {
        match act {
            Act::Exchange { receive_first } => self.exchange_keys(*receive_first).map(|()| None),
            Act::ReceiveRequest => self
                .recv_request(false)
                .map(|request| Some(request.json().to_owned())),
            Act::SendResponse {
                success,
                message,
                data,
            } => self
                .send_response(*success, message, Some(data), None)
                .map(|()| None),
            Act::SendRequest { verb, parameters } => {
                self.send_request(verb, Some(parameters)).map(|()| None)
            }
            Act::ReceiveResponse => self
                .recv_response()
                .map(|response| Some(response.json().to_owned())),
        }
    }

    fn has_key(&self) -> bool {
        self.aes_wrapper().is_some()
    }
}

#[cfg(unix)]
impl Player for ClientInstance {
    fn perform(&mut self, act: &Act) -> Result<Option<String>, Error> {
        match act {
            Act::Exchange { receive_first } => self.exchange_keys(*receive_first).map(|()| None),
            Act::ReceiveRequest => self
                .recv_request(false)
                .map(|request| Some(request.json().to_owned())),
            Act::SendResponse {
                success,
                message,
                data,
            } => self
                .send_response(*success, message, Some(data), None)
                .map(|()| None),
            Act::SendRequest { .. } | Act::ReceiveResponse => unreachable!("a client's act"),
        }
    }

    fn has_key(&self) -> bool {
        self.aes_wrapper().is_some()
    }
}

#[cfg(unix)]
impl Player for ClientInterface {
    fn perform(&mut self, act: &Act) -> Result<Option<String>, Error> {
        match act {
            Act::Exchange { receive_first } => self.exchange_keys(*receive_first).map(|()| None),
            Act::SendRequest { verb, parameters } => {
                self.send_request(verb, Some(parameters)).map(|()| None)
            }
            Act::ReceiveResponse => self
                .recv_response()
                .map(|response| Some(response.json().to_owned())),
            Act::ReceiveRequest | Act::SendResponse { .. } => unreachable!("a server's act"),
        }
    }

    fn has_key(&self) -> bool {
        self.aes_wrapper().is_some()
    }
}

/// How a part went.
pub struct Played {
    /// The JSON texts of the messages that were received.
    pub messages: Vec<String>,
    /// All that was sent.
    pub sent: Vec<u8>,
    /// How much of it was sent before the last act.
    pub sent_before: usize,
    /// How the act ended that was the last; `None` if all acts were done.
    pub failure: Option<Error>,
    pub session: SansIoSession,
}

impl Played {
    pub fn reason(&self) -> Option<Reason> {
        self.failure
            .as_ref()
            .map(|failure| failure.reason().unwrap())
    }
}

/// Plays a part against a peer that sends `incoming` and then closes, and checks that what
/// came of it is documented.
#[track_caller]
pub fn play(mut session: SansIoSession, acts: &[Act], incoming: &[u8]) -> Played {
    let mut rest = incoming;
    let (mut messages, mut sent) = (Vec::new(), Vec::new());
    let mut sent_before = 0;
    let mut has_ended = false;
    for act in acts {
        let taken_before = rest.len();
        sent_before = sent.len();
        let failure = loop {
            match session.perform(act) {
                Ok(message) => {
                    messages.extend(message);
                    break None;
                }
                Err(Error::WouldBlock(Interest::Read)) if rest.is_empty() => {
                    assert!(!has_ended, "it waits for more than the end");
                    session.feed_end().unwrap();
                    has_ended = true;
                }
                Err(Error::WouldBlock(Interest::Read)) => {
                    let taken = session.feed(rest).unwrap();
                    assert!(taken > 0, "it waits for bytes and takes none");
                    rest = &rest[taken..];
                }
                Err(Error::WouldBlock(Interest::Write)) => {
                    let pending = session.pending();
                    assert!(!pending.is_empty(), "it waits to send, and has nothing");
                    sent.extend_from_slice(pending);
                    let count = pending.len();
                    session.sent(count).unwrap();
                }
                Err(Error::WouldBlock(Interest::Computation)) => {
                    unreachable!("the computation is not separate")
                }
                Err(failure) => break Some(failure),
            }
        };
        if failure.is_some() {
            let has_transferred = rest.len() < taken_before || sent.len() > sent_before;
            let played = Played {
                messages,
                sent,
                sent_before,
                failure,
                session,
            };
            check_failure(
                played.failure.as_ref().unwrap(),
                act,
                has_transferred,
                &played,
            );
            return played;
        }
    }
    assert!(!session.has_failed());
    Played {
        messages,
        sent,
        sent_before,
        failure: None,
        session,
    }
}

/// What the header promises of a failure: which reasons an act can have, and whether the
/// session goes on.
#[track_caller]
fn check_failure(failure: &Error, act: &Act, has_transferred: bool, played: &Played) {
    use Reason::{
        DecryptionFailed, InvalidKey, MalformedRequest, MalformedResponse, MessageTooLarge,
        PeerClosed, PeerRefused, ProtocolMismatch, ProtocolViolation,
    };
    let reason = failure.reason().unwrap();
    let documented: &[Reason] = match act {
        Act::Exchange { .. } => &[
            DecryptionFailed,
            InvalidKey,
            MessageTooLarge,
            PeerClosed,
            PeerRefused,
            ProtocolMismatch,
            ProtocolViolation,
        ],
        Act::ReceiveRequest => &[
            DecryptionFailed,
            MalformedRequest,
            MessageTooLarge,
            PeerClosed,
            ProtocolMismatch,
            ProtocolViolation,
        ],
        Act::ReceiveResponse => &[
            DecryptionFailed,
            MalformedResponse,
            MessageTooLarge,
            PeerClosed,
            ProtocolMismatch,
            ProtocolViolation,
        ],
        Act::SendRequest { .. } | Act::SendResponse { .. } => &[PeerClosed, PeerRefused],
    };
    assert!(documented.contains(&reason), "{act:?} ended in {reason:?}");
    let goes_on = match reason {
        MalformedRequest | PeerRefused => true,
        PeerClosed => !has_transferred,
        _ => false,
    };
    assert_eq!(!played.session.has_failed(), goes_on, "{act:?}: {reason:?}");
    if goes_on {
        return;
    }
    assert!(!played.session.has_key(), "the key is wiped");
    assert!(played.session.pending().is_empty());
    assert_eq!(played.session.wants(), None);
}

/// An ended session does nothing any more.
#[track_caller]
pub fn check_ended(player: &mut impl Player, act: &Act) {
    let again = player.perform(act).unwrap_err();
    assert_eq!(again.reason(), Some(Reason::SessionFailed));
    assert!(!player.has_key(), "the key is wiped");
}
