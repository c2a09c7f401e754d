//! [`Endpoint`]: one side of one connection. All three kinds of handles contain one, so they begin,
//! continue and end their operations in the same way.
//!
//! - [`options`] and [`identity`]: how an endpoint is made, and who its peer is;
//! - [`transport`]: the socket, its deadline, and connecting;
//! - [`proxy_header`]: the PROXY protocol header before a session;
//! - [`events`]: one method that runs all operations;
//! - [`deadline`]: how long an operation may take;
//! - [`sans_io`]: the endpoint without a socket.

mod deadline;
pub(crate) mod events;
pub(crate) mod identity;
pub(crate) mod options;
pub(crate) mod proxy_header;
pub(crate) mod sans_io;
pub(crate) mod transport;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::identity::Identity;
use self::options::ClientOptions;
use self::proxy_header::{IncomingHeader, ReceiveError, Source};
#[cfg(unix)]
use self::transport::connection::{Connection, closed};
use self::transport::{TransferError, Transport};
use crate::crypto::{AesWrapper, RsaWrapper};
use crate::error::{Error, Interest, Reason, Result};
use crate::log::{self, Level};
use crate::message::{MalformedRequest, Request, Response};
use crate::protocol::session::{Message, Operation, Session, operation_pending};
use crate::protocol::{Protocol, Role};

/// One side of one connection: a session, the transport of its bytes, and what is kept between
/// calls. The transport of a [`SansIoSession`](sans_io::SansIoSession) moves no bytes itself.
pub struct Endpoint<T> {
    session: Session,
    transport: T,
    /// The PROXY protocol header, while one is expected.
    proxy_header: Option<Box<ProxyHeader>>,
    /// The peer's identity; without an address if that is unknown.
    identity: Identity,
    /// The identity from before the PROXY protocol header: C may still hold its texts.
    #[allow(dead_code, reason = "it is only kept")]
    previous_identity: Option<Box<Identity>>,
    stored_request: Option<Arc<Request>>,
    malformed_request: Option<MalformedRequest>,
    turns: Turns,
    creation_timestamp: i64,
    /// Whether `detach` has failed since the last operation, because it would lose bytes that were
    /// read ahead.
    was_detach_refused: bool,
    /// What the message that is being sent was made of: the call that goes on with it must pass the
    /// same.
    sent_arguments: ArgumentsHash,
    /// What has happened that [`next_event`](Self::next_event) has not returned yet.
    pending_event: Option<PendingEvent>,
}

/// An event that comes from an operation without a result.
#[derive(Clone, Copy)]
enum PendingEvent {
    Connected,
    Exchanged,
    Sent,
}

struct ProxyHeader {
    incoming: IncomingHeader,
    /// Whether the program has set the peer's address, which overrides the one in the header.
    is_overridden: bool,
}

/// Whose turn it is: the protocol is half-duplex.
struct Turns {
    may_send: bool,
    has_received: bool,
}

impl Turns {
    /// A server must answer before it receives again. In v3 and v4 a message carries the IV of the
    /// next: an attacker on the path who can have two decrypted in a row chooses how the second
    /// begins, and learns from the reaction to it.
    fn may_receive(&self, role: Role) -> bool {
        role == Role::Client || !self.has_received || !self.may_send
    }

    fn received(&mut self) {
        self.may_send = true;
        self.has_received = true;
    }

    fn sent(&mut self) {
        self.may_send = false;
    }
}

impl Default for Turns {
    /// A client may send. So may a server, once, before any request, to say that it is unavailable.
    fn default() -> Self {
        Self {
            may_send: true,
            has_received: false,
        }
    }
}

impl<T: Transport> Endpoint<T> {
    /// An endpoint before its first operation.
    pub(crate) fn with_transport(
        role: Role,
        options: &ClientOptions,
        transport: T,
        identity: Identity,
    ) -> Result<Self> {
        let mut session = Session::new(options.session_config(role));
        if let Some(wrapper) = options.rsa_wrapper() {
            session.set_rsa_wrapper(wrapper)?;
        }
        if let Some(wrapper) = options.aes_wrapper() {
            session.set_aes_wrapper(wrapper)?;
        }
        Ok(Self::from_parts(session, transport, identity))
    }

    fn from_parts(session: Session, transport: T, identity: Identity) -> Self {
        Self {
            session,
            transport,
            proxy_header: None,
            identity,
            previous_identity: None,
            stored_request: None,
            malformed_request: None,
            turns: Turns::default(),
            pending_event: None,
            was_detach_refused: false,
            sent_arguments: 0,
            creation_timestamp: unix_seconds(SystemTime::now()),
        }
    }

    /// The peer's IP address as text: IPv4 dotted, IPv6 as in RFC 5952; empty if it is unknown.
    pub fn ip(&self) -> &str {
        self.identity.ip()
    }

    /// The first 7 hexadecimal digits of the SHA-256 of the IP text; empty in a session without an
    /// address.
    pub fn id(&self) -> &str {
        self.identity.id()
    }

    /// When the endpoint was made, in seconds since 1970.
    pub fn creation_timestamp(&self) -> i64 {
        self.creation_timestamp
    }

    /// What the current operation waits for; `None` if there is none, or if it can continue at
    /// once.
    pub fn wants(&self) -> Option<Interest> {
        let wanted = self.session.wants();
        match self.proxy_header {
            // The header comes before anything the session does.
            Some(_) if self.session.operation().is_some() => Some(Interest::Read),
            _ => wanted.filter(|&interest| self.transport.can_satisfy(interest)),
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Which side of the connection this is.
    pub fn role(&self) -> Role {
        self.session.role()
    }

    /// The framing of the session; [`Protocol::Auto`] until it is known.
    pub fn protocol(&self) -> Protocol {
        self.session.protocol()
    }

    /// This side's RSA keys and the peer's public one.
    pub fn rsa_wrapper(&self) -> Option<&RsaWrapper> {
        self.session.rsa_wrapper()
    }

    /// The AES key of the session; `None` in a session of gcm, which has no single one.
    pub fn aes_wrapper(&self) -> Option<&AesWrapper> {
        self.session.aes_wrapper()
    }

    /// Sets this side's RSA keys, before they are exchanged.
    pub fn set_rsa_wrapper(&mut self, wrapper: &RsaWrapper) -> Result<()> {
        self.transport.check_open()?;
        self.session.set_rsa_wrapper(wrapper)
    }

    /// Sets the AES key, as [`ClientOptions::set_aes_wrapper`] does.
    pub fn set_aes_wrapper(&mut self, wrapper: &AesWrapper) -> Result<()> {
        self.transport.check_open()?;
        self.session.set_aes_wrapper(wrapper)
    }

    /// The last stored request.
    pub fn stored_request(&self) -> Option<&Arc<Request>> {
        self.stored_request.as_ref()
    }

    /// The errors of the last request, as JSON text, if it was malformed.
    pub fn request_errors(&self) -> Option<&str> {
        self.malformed_request().map(MalformedRequest::errors)
    }

    /// The text of the last request if it was malformed, until the next one is received. Python's
    /// `json` reads it, but it need not be strict JSON.
    pub fn malformed_request_json(&self) -> Option<&str> {
        self.malformed_request().map(MalformedRequest::json)
    }

    pub(crate) fn malformed_request(&self) -> Option<&MalformedRequest> {
        self.malformed_request.as_ref()
    }

    /// Whether an earlier failure, or [`end`](Self::end), ended the session.
    pub fn has_failed(&self) -> bool {
        self.session.has_failed()
    }

    /// Whether no request is under way, from its first byte to the last one of its response. A
    /// server is not idle if its last receive only let other peers have their turn; a client is
    /// idle only if it could send a request.
    pub fn is_idle(&self) -> bool {
        let may_begin = match self.role() {
            Role::Server => self.turns.may_receive(Role::Server) && !self.transport.has_yielded(),
            Role::Client => {
                self.turns.may_send && self.session.is_ready() && self.session.operation().is_none()
            }
        };
        may_begin && !self.session.has_failed() && !self.session.is_message_under_way()
    }

    /// Exchanges the keys; either side may speak first.
    pub fn exchange_keys(&mut self, receive_first: bool) -> Result<()> {
        self.run_exchange(Operation::ExchangeKeys { receive_first })
    }

    /// Sends the public RSA key.
    pub fn send_public_rsa_key(&mut self) -> Result<()> {
        self.run_exchange(Operation::SendPublicKey)
    }

    /// Receives the peer's public RSA key.
    pub fn recv_public_rsa_key(&mut self) -> Result<()> {
        self.run_exchange(Operation::ReceivePublicKey)
    }

    /// Sends the AES key.
    pub fn send_aes_key(&mut self) -> Result<()> {
        self.run_exchange(Operation::SendAesKey)
    }

    /// Receives the peer's AES key.
    pub fn recv_aes_key(&mut self) -> Result<()> {
        self.run_exchange(Operation::ReceiveAesKey)
    }

    /// Does the private key operation that an operation waits for ([`Interest::Computation`]), on
    /// any thread. Then call the operation again: it returns the result.
    pub fn compute(&mut self) -> Result<()> {
        self.transport.check_open()?;
        self.session.compute()
    }

    /// As a server, receives a request and, with `store_request`, also keeps it. Fails with
    /// [`Reason::OutOfTurn`] while the last request has no response. If the request does not fit
    /// the format, fails with [`Reason::MalformedRequest`] and the session continues;
    /// [`request_errors`](Self::request_errors) has the errors and
    /// [`malformed_request_json`](Self::malformed_request_json) the text.
    pub fn recv_request(&mut self, store_request: bool) -> Result<Arc<Request>> {
        self.check_role(Role::Server)?;
        let mut message = None;
        self.run_receive(false, &mut message)?;
        match message {
            Some(Message::Request(request)) => {
                if store_request {
                    self.stored_request = Some(Arc::clone(&request));
                }
                Ok(request)
            }
            Some(Message::MalformedRequest(request)) => {
                let errors = request.errors();
                let message = format!("the request does not fit the request format: {errors}");
                self.keep_malformed_request(request);
                Err(Error::new(Reason::MalformedRequest, message))
            }
            Some(Message::Response(_)) | None => unreachable!("servers receive requests"),
        }
    }

    /// As a server, sends a response. `data_json` is a JSON object; without it the data is empty. A
    /// reason is added to the message. If the data breaks the response format, fails with
    /// [`Reason::MalformedResponse`] and sends nothing. Each request gets one response, and one may
    /// be sent before the first request; another one is [`Reason::OutOfTurn`].
    pub fn send_response(
        &mut self,
        success: bool,
        message: &str,
        data_json: Option<&str>,
        reason: Option<&str>,
    ) -> Result<()> {
        self.check_role(Role::Server)?;
        let arguments = (success, message, data_json, reason);
        self.run_send(arguments, |session| {
            session.begin_response(success, message, data_json, reason)
        })
    }

    /// As a client, sends a request. `parameters_json` is a JSON object; without it there are none.
    /// If it breaks the request format, fails with [`Reason::MalformedRequest`] and sends nothing.
    /// A second request before the response to the first is [`Reason::OutOfTurn`].
    pub fn send_request(&mut self, verb: &str, parameters_json: Option<&str>) -> Result<()> {
        self.check_role(Role::Client)?;
        self.run_send((verb, parameters_json), |session| {
            session.begin_request(verb, parameters_json)
        })
    }

    /// As a client, receives a response. If it does not fit the response format, fails with
    /// [`Reason::MalformedResponse`] and ends the session.
    pub fn recv_response(&mut self) -> Result<Response> {
        self.check_role(Role::Client)?;
        let mut message = None;
        self.run_receive(false, &mut message)?;
        match message {
            Some(Message::Response(response)) => Ok(response),
            _ => unreachable!("clients receive responses"),
        }
    }

    /// How long until the current operation times out; `None` if it does not, or there is none.
    pub fn time_left(&self) -> Option<Duration> {
        self.session.operation()?;
        self.transport.time_left()
    }

    /// Ends the session and wipes its keys.
    pub fn end(&mut self) {
        self.session.end();
    }

    pub(crate) fn transport(&self) -> &T {
        &self.transport
    }

    pub(crate) fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    fn check_role(&self, role: Role) -> Result<()> {
        if self.role() == role {
            return Ok(());
        }
        Err(Error::new(
            Reason::WrongRole,
            match role {
                Role::Server => "only a server receives requests and sends responses",
                Role::Client => "only a client sends requests and receives responses",
            },
        ))
    }

    fn keep_malformed_request(&mut self, request: MalformedRequest) {
        log::emit(
            Level::Warning,
            self.identity.id(),
            || "a request does not fit the request format",
        );
        self.malformed_request = Some(request);
    }

    fn run_exchange(&mut self, operation: Operation) -> Result<()> {
        self.run(operation, false, &mut None, |session| {
            session.begin_exchange(operation)
        })
    }

    /// Sends a message, or continues to send it if the arguments are the same.
    fn run_send(
        &mut self,
        arguments: impl Hash,
        begin: impl FnOnce(&mut Session) -> Result<()>,
    ) -> Result<()> {
        let is_begun = self.session.operation() == Some(Operation::Send);
        if is_begun && self.sent_arguments != hash_arguments(&arguments) {
            self.transport.check_open()?;
            let sending = Operation::Send.name(self.role());
            return Err(operation_pending(&format!(
                "a {sending} with other arguments"
            )));
        }
        let result = self.send(begin);
        if !is_begun && self.session.operation() == Some(Operation::Send) {
            self.sent_arguments = hash_arguments(&arguments);
        }
        result
    }

    fn send(&mut self, begin: impl FnOnce(&mut Session) -> Result<()>) -> Result<()> {
        let may_send = self.turns.may_send;
        self.run(Operation::Send, false, &mut None, |session| {
            if !may_send {
                session.check_ready_to_begin()?;
                return Err(out_of_turn(match session.role() {
                    Role::Server => "each received request has its response already",
                    Role::Client => "the last request has no response yet",
                }));
            }
            begin(session)
        })
    }

    /// With `is_idle`, the idle timeout counts until the first byte.
    fn run_receive(&mut self, is_idle: bool, message: &mut Option<Message>) -> Result<()> {
        let may_receive = self.turns.may_receive(self.role());
        if may_receive {
            self.malformed_request = None;
        }
        self.run(Operation::Receive, is_idle, message, |session| {
            if !may_receive {
                session.check_ready_to_begin()?;
                return Err(out_of_turn(
                    "the last request has no response yet: answer it before receiving the next",
                ));
            }
            session.begin_receive()
        })
    }

    /// Begins an operation, or continues it if it is the current one. What it receives is put in
    /// `message`.
    fn run(
        &mut self,
        operation: Operation,
        is_idle: bool,
        message: &mut Option<Message>,
        begin: impl FnOnce(&mut Session) -> Result<()>,
    ) -> Result<()> {
        self.transport.check_open()?;
        if self.session.operation() != Some(operation) {
            // The message may have begun already, with bytes that came with the last one.
            let is_idle = is_idle && !self.session.has_read_ahead();
            // Generating a key pair can take seconds, so the deadline starts after it.
            begin(&mut self.session).inspect_err(|error| self.log_failure(error))?;
            self.transport.start_deadline(is_idle);
            if operation == Operation::Receive {
                self.transport.begin_message();
            }
            self.pending_event = None;
        }
        self.was_detach_refused = false;
        let earlier_protocol = self.session.protocol();
        let result = match self.transport.check_deadline() {
            Ok(()) => self
                .receive_proxy_header()
                .and_then(|()| drive(&mut self.session, &mut self.transport, message)),
            Err(failure) => Err(self.fail_before_session(failure)),
        };
        match (&result, operation) {
            (Ok(()), Operation::Receive) => self.turns.received(),
            (Ok(()), Operation::Send) => {
                self.turns.sent();
                self.pending_event = Some(PendingEvent::Sent);
            }
            (Ok(()), _) if self.session.is_exchanged() => {
                self.pending_event = Some(PendingEvent::Exchanged);
                log::emit(Level::Info, self.identity.id(), || "the keys are exchanged");
            }
            (Ok(()), _) => {}
            (Err(error), _) => self.log_failure(error),
        }
        let protocol = self.session.protocol();
        if protocol != earlier_protocol {
            log::emit(Level::Info, self.identity.id(), || {
                format!("the framing is {}", protocol_name(protocol))
            });
        }
        result
    }

    /// Receives the PROXY protocol header, if one is expected.
    fn receive_proxy_header(&mut self) -> Result<()> {
        let Some(header) = &mut self.proxy_header else {
            return Ok(());
        };
        match header.incoming.receive(&mut self.transport) {
            Ok(source) => {
                let is_overridden = header.is_overridden;
                self.proxy_header = None;
                if let Source::Client(address) = source
                    && !is_overridden
                {
                    self.change_identity(Identity::new(address));
                }
                self.transport.resume_idle();
                // The header may have taken longer than the idle timeout.
                self.transport
                    .check_deadline()
                    .map_err(|failure| self.fail_before_session(failure))
            }
            Err(ReceiveError::Transfer(error)) => Err(self.fail_before_session(error)),
            Err(ReceiveError::PeerClosed) => {
                let is_recoverable = !self.is_within_proxy_header();
                Err(self.session.interrupt(peer_closed(), is_recoverable))
            }
            Err(ReceiveError::Bad(error)) => Err(self.session.interrupt(error, false)),
        }
    }

    fn change_identity(&mut self, identity: Identity) {
        let previous = std::mem::replace(&mut self.identity, identity);
        log::emit(Level::Info, self.identity.id(), || {
            format!("came through a proxy at {:?}", previous.ip())
        });
        self.previous_identity = Some(Box::new(previous));
    }

    /// Whether a part of the PROXY protocol header has been received.
    fn is_within_proxy_header(&self) -> bool {
        self.proxy_header
            .as_ref()
            .is_some_and(|header| header.incoming.has_begun())
    }

    /// Like [`fail`], for the PROXY protocol header, which the session does not know about.
    fn fail_before_session(&mut self, error: TransferError) -> Error {
        match error {
            TransferError::TimedOut if self.is_within_proxy_header() => {
                self.session.interrupt(timed_out(), false)
            }
            error => fail(&mut self.session, error, Interest::Read),
        }
    }

    fn log_failure(&self, error: &Error) {
        let level = match error {
            Error::WouldBlock(_) => return,
            _ if self.session.has_failed() => Level::Error,
            // The usual end of a session.
            _ if error.reason() == Some(Reason::PeerClosed) => Level::Info,
            _ => Level::Warning,
        };
        log::emit(level, self.identity.id(), || error.to_string());
    }
}

/// Moves bytes between a session and its transport until the operation is done.
fn drive(
    session: &mut Session,
    transport: &mut impl Transport,
    message: &mut Option<Message>,
) -> Result<()> {
    loop {
        let interest = session.advance_to(message)?;
        if session.take_ack_due() {
            transport.acknowledge();
        }
        match interest {
            None => return Ok(()),
            Some(Interest::Write) => match transport.send(session.pending()) {
                Ok(count) => session.sent(count),
                Err(failure) => return Err(fail(session, failure, Interest::Write)),
            },
            Some(Interest::Read) => match transport.receive(session.receive_buffer_ahead()) {
                Ok(0) => return Err(session.interrupt(peer_closed(), true)),
                Ok(count) => session.received(count),
                Err(failure) => return Err(fail(session, failure, Interest::Read)),
            },
            Some(Interest::Computation) => return Err(Error::WouldBlock(Interest::Computation)),
        }
    }
}

/// Turns an error of the transport into that of the operation.
fn fail(session: &mut Session, error: TransferError, interest: Interest) -> Error {
    match error {
        TransferError::WouldBlock => Error::WouldBlock(interest),
        TransferError::Lent => {
            session.lent();
            Error::WouldBlock(interest)
        }
        TransferError::TimedOut => session.interrupt(timed_out(), true),
        TransferError::Os(call, error) => {
            let errno = error.raw_os_error().unwrap_or(0);
            let error =
                Error::with_errno(Reason::IoFailed, format!("{call} failed: {error}"), errno);
            session.interrupt(error, false)
        }
    }
}

#[cfg(unix)]
impl Endpoint<Connection> {
    /// Makes the first operation receive a PROXY protocol header. Its address is used unless
    /// `is_overridden`.
    pub(crate) fn expect_proxy_header(&mut self, is_overridden: bool) {
        self.proxy_header = Some(Box::new(ProxyHeader {
            incoming: IncomingHeader::default(),
            is_overridden,
        }));
    }

    /// Fails once if the start of another message was read ahead and is no longer in the socket.
    pub(crate) fn check_detachable(&mut self) -> Result<()> {
        self.transport.check_open()?;
        if self.was_detach_refused || !self.session.has_read_ahead() {
            return Ok(());
        }
        self.was_detach_refused = true;
        Err(out_of_turn(
            "the start of another message was already read from the socket: receive it first, or detach again to do without it",
        ))
    }

    /// Returns the socket, still open, and ends the session.
    pub(crate) fn detach(&mut self) -> Option<OwnedFd> {
        let socket = self.transport.detach()?;
        self.session.end();
        Some(socket)
    }

    /// Starts connecting to a host, or continues. A non-blocking connection is reported as an
    /// event.
    pub(crate) fn connect(&mut self, host: &str, port: u16) -> Result<()> {
        if !self.transport.is_connecting_to(host, port) {
            self.transport.start_connecting(host, port)?;
        }
        self.continue_connecting()
    }

    /// Continues connecting.
    pub(crate) fn continue_connecting(&mut self) -> Result<()> {
        self.transport
            .continue_connecting()
            .inspect_err(|error| self.log_failure(error))?;
        if self.transport.is_non_blocking() {
            self.pending_event = Some(PendingEvent::Connected);
        }
        Ok(())
    }

    /// Closes the connection and ends the session, or stops connecting.
    pub(crate) fn close_connection(&mut self) -> Result<()> {
        if self.transport.is_connecting() {
            self.transport.stop_connecting();
            return Ok(());
        }
        self.detach().map(drop).ok_or_else(closed)
    }
}

impl<T: Transport> fmt::Debug for Endpoint<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("role", &self.role())
            .field("protocol", &self.protocol())
            .field("has_failed", &self.has_failed())
            .finish_non_exhaustive()
    }
}

/// 32 bits are enough to notice a caller's mistake, and reveal less of the message than all 64.
type ArgumentsHash = u32;

#[cold]
fn hash_arguments(arguments: &impl Hash) -> ArgumentsHash {
    let mut hasher = DefaultHasher::new();
    arguments.hash(&mut hasher);
    hasher.finish() as ArgumentsHash
}

fn unix_seconds(time: SystemTime) -> i64 {
    let seconds = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => seconds(since),
        // A machine whose clock is not set may be before 1970.
        Err(error) => -seconds(error.duration()),
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Auto => "not known",
        Protocol::V2 => "v2",
        Protocol::V3 => "v3",
        Protocol::V4 => "v4",
        Protocol::Gcm => "gcm",
    }
}

fn timed_out() -> Error {
    Error::new(
        Reason::Timeout,
        "the timeout passed before the work was done",
    )
}

fn peer_closed() -> Error {
    Error::new(Reason::PeerClosed, "the peer closed the connection")
}

fn out_of_turn(message: &'static str) -> Error {
    Error::new(Reason::OutOfTurn, message)
}
