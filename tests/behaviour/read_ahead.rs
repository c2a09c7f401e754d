//! Where bytes are taken off a socket, the beginning of a second message may come along with the
//! first, and stays in the session. Whoever waits for the socket never waits while a message is
//! here already.

use anwdl::protocol::Role;
use anwdl::protocol::session::{Message, Progress, Session};
use anwdl::{Error, Reason};

use crate::pair::gcm::{SessionKeys, exchanged};
use crate::pair::{Outcome, assert_ended, reason};

const SHORTEST_REQUEST: &str = r#"{"verb":"A","parameters":{}}"#;
const SHORTEST_RESPONSE: &str = r#"{"success":true,"message":"","data":{}}"#;

/// A session and what lies in its socket.
struct Receiver {
    session: Session,
    role: Role,
    keys: SessionKeys,
    sent: u64,
    socket: Vec<u8>,
}

impl Receiver {
    fn new(role: Role) -> Self {
        let (session, keys) = exchanged(role);
        Self {
            session,
            role,
            keys,
            sent: 0,
            socket: Vec::new(),
        }
    }

    fn record(&mut self, text: &str) -> Vec<u8> {
        let from = match self.role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        let packet = self.keys.record(from, self.sent, text.as_bytes());
        self.sent += 1;
        [&(packet.len() as u32).to_be_bytes(), &packet[..]].concat()
    }

    fn send(&mut self, text: &str) {
        let record = self.record(text);
        self.socket.extend(record);
    }

    /// As over a socket, of which one call takes all that there is room for.
    fn receive(&mut self) -> Outcome {
        self.session.begin_receive().unwrap();
        self.go_on()
    }

    fn go_on(&mut self) -> Outcome {
        loop {
            match self.session.advance() {
                Err(error) => return Some(Err(error)),
                Ok(Progress::Done(message)) => return Some(Ok(message)),
                Ok(Progress::Read) if self.socket.is_empty() => return None,
                Ok(Progress::Read) => {
                    let space = self.session.receive_buffer_ahead();
                    let count = space.len().min(self.socket.len());
                    space[..count].copy_from_slice(&self.socket[..count]);
                    self.socket.drain(..count);
                    self.session.received(count);
                }
                Ok(other) => panic!("{other:?}"),
            }
        }
    }

    /// One that fits the format is received.
    fn hear(&mut self, text: &str) {
        match self.receive() {
            Some(Ok(Some(Message::Request(request)))) => assert_eq!(request.json(), text),
            Some(Ok(Some(Message::Response(response)))) => assert_eq!(response.json(), text),
            other => panic!("{text}: {other:?}"),
        }
    }
}

/// Texts of every length from the shortest on that fit the format.
fn texts(role: Role) -> impl Iterator<Item = String> {
    (0..150).map(move |more| match role {
        Role::Server => SHORTEST_REQUEST.replace("A", &"A".repeat(1 + more)),
        Role::Client => SHORTEST_RESPONSE.replace(r#""""#, &format!(r#""{}""#, "m".repeat(more))),
    })
}

#[test]
fn no_message_that_came_with_another_is_waited_for() {
    for role in [Role::Server, Role::Client] {
        let mut receiver = Receiver::new(role);
        let mut read_ahead = 0;
        for first in texts(role).take(100) {
            for second in texts(role).step_by(7) {
                receiver.send(&first);
                receiver.send(&second);
                receiver.hear(&first);
                assert!(!receiver.socket.is_empty(), "{first} and {second}");
                read_ahead += usize::from(receiver.session.has_read_ahead());
                receiver.hear(&second);
                assert!(receiver.socket.is_empty() && !receiver.session.has_read_ahead());
            }
        }
        assert!(read_ahead > 100, "{role:?}");
    }
}

#[test]
fn a_short_message_takes_one_call() {
    for (role, len) in [(Role::Server, 75), (Role::Client, 97)] {
        let mut receiver = Receiver::new(role);
        let text = texts(role).find(|text| text.len() == len).unwrap();
        let record = receiver.record(&text);
        receiver.session.begin_receive().unwrap();
        assert!(matches!(receiver.session.advance(), Ok(Progress::Read)));
        // One more would be room for two of the shortest messages.
        let space = receiver.session.receive_buffer_ahead();
        assert_eq!(space.len(), record.len());
        space.copy_from_slice(&record);
        receiver.session.received(record.len());
        assert!(matches!(
            receiver.session.advance(),
            Ok(Progress::Done(Some(_)))
        ));
    }
}

#[test]
fn the_shortest_messages_are_the_shortest() {
    for (role, shortest) in [
        (Role::Server, SHORTEST_REQUEST),
        (Role::Client, SHORTEST_RESPONSE),
    ] {
        for cut in 0..shortest.len() {
            let mut receiver = Receiver::new(role);
            let mut text = shortest.to_owned();
            text.remove(cut);
            receiver.send(&text);
            match receiver.receive() {
                Some(Ok(Some(Message::MalformedRequest(_)))) | Some(Err(_)) => {}
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}

#[test]
fn messages_come_through_whatever_pieces_they_arrive_in() {
    for piece in 1..120 {
        let mut receiver = Receiver::new(Role::Server);
        let texts: Vec<_> = texts(Role::Server).step_by(13).collect();
        let mut stream: Vec<u8> = texts
            .iter()
            .flat_map(|text| receiver.record(text))
            .collect();
        for text in &texts {
            let mut outcome = receiver.receive();
            while outcome.is_none() {
                let count = piece.min(stream.len());
                receiver.socket.extend(stream.drain(..count));
                outcome = receiver.go_on();
            }
            match outcome {
                Some(Ok(Some(Message::Request(request)))) => assert_eq!(request.json(), text),
                other => panic!("pieces of {piece}: {text}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_long_message_leaves_nothing_behind() {
    let mut receiver = Receiver::new(Role::Server);
    for len in [75, 76, 200, 300, 5000, 100_000] {
        let text = SHORTEST_REQUEST.replace("A", &"A".repeat(len - SHORTEST_REQUEST.len()));
        receiver.send(&text);
        receiver.send(SHORTEST_REQUEST);
        receiver.hear(&text);
        receiver.hear(SHORTEST_REQUEST);
    }
}

#[test]
fn a_message_too_short_for_a_request_that_came_along_ends_the_session() {
    for behind in ["{}", "x", "[]", r#"{"verb":"A"}"#] {
        let mut receiver = Receiver::new(Role::Server);
        receiver.send(SHORTEST_REQUEST);
        receiver.send(behind);
        assert_eq!(reason(receiver.receive()), Reason::ProtocolViolation);
        assert_ended(&mut receiver.session);
        // By itself it is malformed, or none.
        let mut receiver = Receiver::new(Role::Server);
        receiver.send(SHORTEST_REQUEST);
        receiver.hear(SHORTEST_REQUEST);
        receiver.send(behind);
        assert_ne!(
            receiver
                .receive()
                .unwrap()
                .err()
                .and_then(|error| error.reason()),
            Some(Reason::ProtocolViolation)
        );
    }
}

#[test]
fn a_header_that_nobody_would_send_ends_the_session_where_it_came_along() {
    for header in [[0; 4], [0, 0, 0, 16], [255; 4]] {
        let mut receiver = Receiver::new(Role::Server);
        receiver.send(SHORTEST_REQUEST);
        receiver.socket.extend(header);
        assert_eq!(reason(receiver.receive()), Reason::ProtocolViolation);
        assert_ended(&mut receiver.session);
    }
}

/// With half of a second message here, no time without a byte can be survived.
#[test]
fn the_second_message_has_begun() {
    for len in 1..SHORTEST_REQUEST.len() {
        let mut receiver = Receiver::new(Role::Server);
        receiver.send(SHORTEST_REQUEST);
        let second = receiver.record(SHORTEST_REQUEST);
        receiver.socket.extend(&second[..len]);
        receiver.hear(SHORTEST_REQUEST);
        assert!(receiver.session.has_read_ahead());
        assert!(receiver.receive().is_none());
        let late = Error::new(Reason::Timeout, "the timeout passed");
        assert_eq!(
            receiver.session.interrupt(late, true).reason(),
            Some(Reason::Timeout)
        );
        assert_ended(&mut receiver.session);
    }
}

#[test]
fn the_end_of_a_session_is_the_end_of_what_was_read_ahead() {
    let mut receiver = Receiver::new(Role::Server);
    receiver.send(SHORTEST_REQUEST);
    let second = receiver.record(SHORTEST_REQUEST);
    receiver.socket.extend(&second[..20]);
    receiver.hear(SHORTEST_REQUEST);
    receiver.session.end();
    assert!(!receiver.session.has_read_ahead());
}
