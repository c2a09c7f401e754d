//! [`Event`]: one method that runs all operations of an endpoint.

use std::sync::Arc;

use super::transport::Transport;
use super::{Endpoint, PendingEvent};
use crate::error::{Error, Result};
use crate::message::{Request, Response};
use crate::protocol::Role;
use crate::protocol::session::{Message, Operation};

/// What has happened.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "the caller matches it at once, and a box would allocate"
)]
pub enum Event {
    /// A client has a connection.
    Connected,
    /// The keys are exchanged.
    Exchanged,
    /// A server has received a request, and must answer it.
    Request(Arc<Request>),
    /// A request that does not fit the format: `request_errors` has the errors.
    MalformedRequest,
    /// The response of a server has been sent.
    ResponseSent,
    /// A client's request has been sent.
    RequestSent,
    /// A client has received the response to its request.
    Response(Response),
    /// It is the program's turn: a server must send the response to the last request, a client may
    /// send a request, or a key exchange that was begun step by step needs its next step.
    YourTurn,
}

impl<T: Transport> Endpoint<T> {
    /// Runs the session until something has happened: continues the current operation, exchanges
    /// the keys if that was not done (the client speaks first), and receives when it is the peer's
    /// turn. To send, or to exchange the keys in another way, begin that operation once; this
    /// method finishes it.
    ///
    /// Fails with [`Error::WouldBlock`] if it has to wait. Every other failure ends the session.
    pub fn next_event(&mut self) -> Result<Event> {
        self.transport.check_open()?;
        self.run_to_event().inspect_err(|error| {
            if !matches!(error, Error::WouldBlock(_)) {
                self.session.end();
            }
        })
    }

    fn run_to_event(&mut self) -> Result<Event> {
        self.session.check_alive()?;
        loop {
            if let Some(pending_event) = self.pending_event.take() {
                return Ok(match (pending_event, self.role()) {
                    (PendingEvent::Connected, _) => Event::Connected,
                    (PendingEvent::Exchanged, _) => Event::Exchanged,
                    (PendingEvent::Sent, Role::Server) => Event::ResponseSent,
                    (PendingEvent::Sent, Role::Client) => Event::RequestSent,
                });
            }
            match self.session.operation().or_else(|| self.next_operation()) {
                None => return Ok(Event::YourTurn),
                Some(Operation::Receive) => return self.receive_event(),
                Some(Operation::Send) => {
                    self.send(|_| unreachable!("it has begun"))?;
                }
                Some(step) => self.run_exchange(step)?,
            }
        }
    }

    /// The next operation, or `None` if the program must choose it.
    fn next_operation(&self) -> Option<Operation> {
        if self.session.needs_exchange() {
            return Some(Operation::ExchangeKeys {
                receive_first: self.role() == Role::Server,
            });
        }
        let is_turn_of_peer = match self.role() {
            Role::Server => self.turns.may_receive(Role::Server),
            Role::Client => !self.turns.may_send,
        };
        (self.session.is_ready() && is_turn_of_peer).then_some(Operation::Receive)
    }

    fn receive_event(&mut self) -> Result<Event> {
        // A client has sent a request, and its timeout counts from then on.
        let is_idle = self.role() == Role::Server;
        let mut message = None;
        self.run_receive(is_idle, &mut message)?;
        Ok(match message {
            Some(Message::Request(request)) => Event::Request(request),
            Some(Message::MalformedRequest(request)) => {
                self.keep_malformed_request(request);
                Event::MalformedRequest
            }
            Some(Message::Response(response)) => Event::Response(response),
            None => unreachable!("a message was received"),
        })
    }
}
