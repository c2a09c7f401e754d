//! [`Endpoint`]: a session, what was stored of it, and what carries its bytes. Every handle
//! of this library is one of these, so that all of them begin, go on with and end their
//! operations in the same way.

use std::fmt;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::ClientOptions;
use crate::crypto::{AesWrapper, RsaWrapper};
use crate::error::{Error, Interest, Reason, Result};
use crate::identity::Identity;
use crate::log::{self, Level};
use crate::message::{MalformedRequest, Request, Response};
use crate::protocol::session::{Message, Operation, Progress, Session};
use crate::protocol::{Protocol, Role};
use crate::proxy_header::{self, LONGEST_LINE, Source};
use crate::transport::{Failure, Patience, Transport};

/// What carries the bytes of a session.
pub trait Carrier {
    /// Fails if nothing can be carried.
    fn check_open(&self) -> Result<()>;

    /// An operation begins now.
    fn begin(&mut self);

    /// Fails if the operation under way may not go on.
    fn check_time(&self) -> std::result::Result<(), Failure>;

    /// Takes at least one byte of `bytes` along; gives their number.
    fn send(&mut self, bytes: &[u8]) -> std::result::Result<usize, Failure>;

    /// Brings at least one byte, or none if the peer has closed its side.
    fn receive(&mut self, space: &mut [u8]) -> std::result::Result<usize, Failure>;

    /// Tells the peer's system at once that what was received has arrived, where that can
    /// be told.
    fn acknowledge(&self) {}

    /// Brings the PROXY protocol header where one comes before the session's own bytes, and
    /// tells what it says, once.
    fn receive_proxy_header(&mut self) -> std::result::Result<Option<Source>, HeaderFailure> {
        Ok(None)
    }

    /// Whether only a part of that header has come.
    fn is_within_proxy_header(&self) -> bool {
        false
    }
}

/// Why there is no PROXY protocol header.
#[derive(Debug)]
pub enum HeaderFailure {
    /// What is missing of it did not come.
    Transfer(Failure),
    /// The peer has closed its side.
    PeerClosed,
    /// What came is none.
    Bad(Error),
}

impl From<Failure> for HeaderFailure {
    fn from(failure: Failure) -> Self {
        Self::Transfer(failure)
    }
}

impl From<Error> for HeaderFailure {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}

/// One side of one connection: a session and what carries its bytes. [`FedSession`] is the
/// one that carries none itself.
pub struct Endpoint<C> {
    session: Session,
    carrier: C,
    /// Of the peer; without an address where it is not known.
    identity: Identity,
    /// What it was before a PROXY protocol header told better: C may have borrowed it.
    #[allow(dead_code, reason = "it is only kept")]
    earlier_identity: Option<Box<Identity>>,
    stored_request: Option<Arc<Request>>,
    malformed_request: Option<MalformedRequest>,
    turns: Turns,
}

/// Whose turn it is to send: the protocol is half-duplex.
struct Turns {
    may_send: bool,
    has_received: bool,
}

impl Turns {
    /// A server answers before it receives again. In v3 and v4 a message brings the IV of the
    /// next: who is on the path and could have two decrypted in a row would choose what the
    /// second begins with, and learn from how it is taken.
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
    /// A client may ask. A server may speak first, once: to say that it is unavailable.
    fn default() -> Self {
        Self {
            may_send: true,
            has_received: false,
        }
    }
}

impl<C: Carrier> Endpoint<C> {
    /// An endpoint before its first operation.
    pub(crate) fn join(
        role: Role,
        options: &ClientOptions,
        carrier: C,
        identity: Identity,
    ) -> Result<Self> {
        let mut session = Session::new(options.config(role));
        if let Some(wrapper) = options.rsa_wrapper() {
            session.set_rsa_wrapper(wrapper)?;
        }
        if let Some(wrapper) = options.aes_wrapper() {
            session.set_aes_wrapper(wrapper)?;
        }
        Ok(Self::around(session, carrier, identity))
    }

    fn around(session: Session, carrier: C, identity: Identity) -> Self {
        Self {
            session,
            carrier,
            identity,
            earlier_identity: None,
            stored_request: None,
            malformed_request: None,
            turns: Turns::default(),
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
        self.carrier.check_open()?;
        self.session.set_rsa_wrapper(wrapper)
    }

    /// Sets the AES key, as [`ClientOptions::set_aes_wrapper`] does.
    pub fn set_aes_wrapper(&mut self, wrapper: &AesWrapper) -> Result<()> {
        self.carrier.check_open()?;
        self.session.set_aes_wrapper(wrapper)
    }

    /// The request that was last stored.
    pub fn stored_request(&self) -> Option<&Arc<Request>> {
        self.stored_request.as_ref()
    }

    /// The errors of the last request, as JSON text, if it was malformed.
    pub fn request_errors(&self) -> Option<&str> {
        self.malformed_request().map(MalformedRequest::errors)
    }

    /// The text of the last request if it was malformed, until the next one is received. Python's
    /// `json` reads it; it may be no strict JSON.
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

    /// Exchanges the keys, the peer speaking first or this side.
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

    /// Does the private key operation that an operation waits for
    /// ([`Interest::Computation`]). It can be done on another thread than the rest. How it
    /// ended is told by the operation when it is called again.
    pub fn compute(&mut self) -> Result<()> {
        self.carrier.check_open()?;
        self.session.compute()
    }

    /// As a server, receives a request and, with `store_request`, keeps it too. Before the
    /// last one has its response this is [`Reason::OutOfTurn`]. One that
    /// does not fit the format is [`Reason::MalformedRequest`], its errors are given by
    /// [`request_errors`](Self::request_errors), its text by
    /// [`malformed_request_json`](Self::malformed_request_json), and the session goes on.
    pub fn recv_request(&mut self, store_request: bool) -> Result<Arc<Request>> {
        self.check_role(Role::Server)?;
        match self.run_receive()? {
            Some(Message::Request(request)) => {
                if store_request {
                    self.stored_request = Some(Arc::clone(&request));
                }
                Ok(request)
            }
            Some(Message::MalformedRequest(request)) => {
                log::emit(
                    Level::Warning,
                    self.identity.id(),
                    || "a request does not fit the request format",
                );
                let errors = request.errors();
                let message = format!("the request does not fit the request format: {errors}");
                self.malformed_request = Some(request);
                Err(Error::new(Reason::MalformedRequest, message))
            }
            Some(Message::Response(_)) | None => unreachable!("servers receive requests"),
        }
    }

    /// As a server, sends a response. `data_json` is the text of a JSON object; without it
    /// the data are empty. A reason is added to the message. Data that break the response
    /// format are [`Reason::MalformedResponse`], and nothing is sent. There is one response
    /// to each request, and one may be sent before the first request;
    /// [`Reason::OutOfTurn`] else.
    pub fn send_response(
        &mut self,
        success: bool,
        message: &str,
        data_json: Option<&str>,
        reason: Option<&str>,
    ) -> Result<()> {
        self.check_role(Role::Server)?;
        self.run_send(|session| session.begin_response(success, message, data_json, reason))
    }

    /// As a client, sends a request. `parameters_json` is the text of a JSON object; without
    /// it there are none. What breaks the request format is [`Reason::MalformedRequest`],
    /// and nothing is sent. A second request before the response to the first is
    /// [`Reason::OutOfTurn`].
    pub fn send_request(&mut self, verb: &str, parameters_json: Option<&str>) -> Result<()> {
        self.check_role(Role::Client)?;
        self.run_send(|session| session.begin_request(verb, parameters_json))
    }

    /// As a client, receives a response. One that does not fit the response format is
    /// [`Reason::MalformedResponse`] and ends the session.
    pub fn recv_response(&mut self) -> Result<Response> {
        self.check_role(Role::Client)?;
        match self.run_receive()? {
            Some(Message::Response(response)) => Ok(response),
            _ => unreachable!("clients receive responses"),
        }
    }

    /// Ends the session and wipes its keys.
    pub fn end(&mut self) {
        self.session.end();
    }

    pub(crate) fn carrier(&self) -> &C {
        &self.carrier
    }

    pub(crate) fn carrier_mut(&mut self) -> &mut C {
        &mut self.carrier
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

    fn run_exchange(&mut self, operation: Operation) -> Result<()> {
        self.run(operation, |session| session.begin_exchange(operation))
            .map(drop)
    }

    fn run_send(&mut self, begin: impl FnOnce(&mut Session) -> Result<()>) -> Result<()> {
        let may_send = self.turns.may_send;
        self.run(Operation::Send, |session| {
            if !may_send {
                session.check_ready_to_begin()?;
                return Err(out_of_turn(match session.role() {
                    Role::Server => "each request that was received has its response already",
                    Role::Client => "the last request has no response yet",
                }));
            }
            begin(session)
        })
        .map(drop)
    }

    fn run_receive(&mut self) -> Result<Option<Message>> {
        let may_receive = self.turns.may_receive(self.role());
        if may_receive {
            self.malformed_request = None;
        }
        self.run(Operation::Receive, |session| {
            if !may_receive {
                session.check_ready_to_begin()?;
                return Err(out_of_turn(
                    "the last request has no response yet: answer it before receiving the next",
                ));
            }
            session.begin_receive()
        })
    }

    /// Begins an operation, or goes on with the one that is under way if it is the same.
    fn run(
        &mut self,
        operation: Operation,
        begin: impl FnOnce(&mut Session) -> Result<()>,
    ) -> Result<Option<Message>> {
        self.carrier.check_open()?;
        if self.session.operation() != Some(operation) {
            // Where keys have to be made first, that takes seconds and is no peer's fault.
            begin(&mut self.session).inspect_err(|error| self.tell_failure(error))?;
            self.carrier.begin();
        }
        let was_exchanged = self.session.is_exchanged();
        let earlier_protocol = self.session.protocol();
        let result = match self.carrier.check_time() {
            Ok(()) => self
                .hear_proxy()
                .and_then(|()| drive(&mut self.session, &mut self.carrier)),
            Err(failure) => Err(self.fail_before_drive(failure)),
        };
        match (&result, operation) {
            (Ok(_), Operation::Receive) => self.turns.received(),
            (Ok(_), Operation::Send) => self.turns.sent(),
            (Ok(_), _) => {}
            (Err(error), _) => self.tell_failure(error),
        }
        if self.session.is_exchanged() && !was_exchanged {
            log::emit(Level::Info, self.identity.id(), || "the keys are exchanged");
        }
        let protocol = self.session.protocol();
        if protocol != earlier_protocol {
            log::emit(Level::Info, self.identity.id(), || {
                format!("the framing is {}", name_of(protocol))
            });
        }
        result
    }

    /// Hears whose connection it is, where a proxy is to say so before all else.
    fn hear_proxy(&mut self) -> Result<()> {
        match self.carrier.receive_proxy_header() {
            Ok(None) | Ok(Some(Source::Socket)) => Ok(()),
            Ok(Some(Source::Client(address))) => {
                let identity = Identity::new(address);
                let earlier = std::mem::replace(&mut self.identity, identity);
                log::emit(Level::Info, self.identity.id(), || {
                    format!("came through a proxy at {:?}", earlier.ip())
                });
                self.earlier_identity = Some(Box::new(earlier));
                Ok(())
            }
            Err(HeaderFailure::Transfer(failure)) => Err(self.fail_before_drive(failure)),
            Err(HeaderFailure::PeerClosed) => {
                let is_survivable = !self.carrier.is_within_proxy_header();
                Err(self.session.interrupt(peer_closed(), is_survivable))
            }
            Err(HeaderFailure::Bad(error)) => Err(self.session.interrupt(error, false)),
        }
    }

    /// As [`fail`]. The session, whose bytes have not moved, knows of no header.
    fn fail_before_drive(&mut self, failure: Failure) -> Error {
        match failure {
            Failure::TimedOut if self.carrier.is_within_proxy_header() => {
                self.session.interrupt(timed_out(), false)
            }
            failure => fail(&mut self.session, failure, Interest::Read),
        }
    }

    fn tell_failure(&self, error: &Error) {
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

/// Moves bytes between a session and what carries them until the operation is done.
fn drive(session: &mut Session, carrier: &mut impl Carrier) -> Result<Option<Message>> {
    loop {
        // Looked at where it lies: with a message in it, it is large.
        let progress = session.advance();
        if session.take_peer_goes_on() && progress.is_ok() {
            carrier.acknowledge();
        }
        match progress {
            Err(error) => return Err(error),
            Ok(Progress::Done(message)) => return Ok(message),
            Ok(Progress::Write) => match carrier.send(session.pending()) {
                Ok(count) => session.sent(count),
                Err(failure) => return Err(fail(session, failure, Interest::Write)),
            },
            Ok(Progress::Read) => match carrier.receive(session.space()) {
                Ok(0) => return Err(session.interrupt(peer_closed(), true)),
                Ok(count) => session.received(count),
                Err(failure) => return Err(fail(session, failure, Interest::Read)),
            },
            Ok(Progress::Compute) => return Err(Error::WouldBlock(Interest::Computation)),
        }
    }
}

fn fail(session: &mut Session, failure: Failure, interest: Interest) -> Error {
    match failure {
        Failure::WouldBlock => Error::WouldBlock(interest),
        Failure::TimedOut => session.interrupt(timed_out(), true),
        Failure::Os(call, error) => {
            let errno = error.raw_os_error().unwrap_or(0);
            let error =
                Error::with_errno(Reason::IoFailed, format!("{call} failed: {error}"), errno);
            session.interrupt(error, false)
        }
    }
}

/// A socket, while there is one, and how long an operation may use it.
pub struct Connection {
    transport: Option<Transport>,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    non_blocking: bool,
    /// What has come of the PROXY protocol header, while one is expected.
    proxy_header: Option<Vec<u8>>,
    /// Whether the program has told the peer's address, better than a header can.
    is_peer_told: bool,
}

impl Connection {
    /// Without a socket yet.
    pub fn new(options: &ClientOptions) -> Self {
        Self {
            transport: None,
            timeout: options.timeout(),
            deadline: None,
            non_blocking: options.non_blocking(),
            proxy_header: None,
            is_peer_told: options.peer_ip().is_some(),
        }
    }

    /// The first bytes to come are a PROXY protocol header.
    pub fn expect_proxy_header(&mut self) {
        self.proxy_header = Some(Vec::new());
    }

    /// Takes a socket.
    pub fn open(&mut self, transport: Transport) {
        self.transport = Some(transport);
    }

    /// Whether there is no connection.
    pub fn is_closed(&self) -> bool {
        self.transport.is_none()
    }

    /// The descriptor of the socket.
    pub fn descriptor(&self) -> Option<RawFd> {
        self.transport.as_ref().map(Transport::descriptor)
    }

    /// How long the operations that begin from now on may take.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    fn patience(&self) -> Patience {
        match (self.non_blocking, self.deadline) {
            (true, _) => Patience::None,
            (false, Some(deadline)) => Patience::Until(deadline),
            (false, None) => Patience::Unlimited,
        }
    }
}

impl Carrier for Connection {
    fn check_open(&self) -> Result<()> {
        match self.transport {
            Some(_) => Ok(()),
            None => Err(closed()),
        }
    }

    fn begin(&mut self) {
        self.deadline = self
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
    }

    fn check_time(&self) -> std::result::Result<(), Failure> {
        match self.deadline {
            // A blocking call looks at the clock whenever it is about to wait.
            Some(deadline) if self.non_blocking && Instant::now() >= deadline => {
                Err(Failure::TimedOut)
            }
            _ => Ok(()),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> std::result::Result<usize, Failure> {
        self.transport
            .as_ref()
            .expect("the connection was found open")
            .send(bytes, self.patience())
    }

    fn receive(&mut self, space: &mut [u8]) -> std::result::Result<usize, Failure> {
        self.transport
            .as_ref()
            .expect("the connection was found open")
            .receive(space, self.patience())
    }

    fn acknowledge(&self) {
        if let Some(transport) = &self.transport {
            transport.acknowledge();
        }
    }

    fn receive_proxy_header(&mut self) -> std::result::Result<Option<Source>, HeaderFailure> {
        let patience = self.patience();
        let (Some(taken), Some(transport)) = (&mut self.proxy_header, &self.transport) else {
            return Ok(None);
        };
        let source = take_proxy_header(transport, patience, taken)?;
        self.proxy_header = None;
        Ok((!self.is_peer_told).then_some(source))
    }

    fn is_within_proxy_header(&self) -> bool {
        self.proxy_header
            .as_ref()
            .is_some_and(|taken| !taken.is_empty())
    }
}

/// Takes a PROXY protocol header from the socket, and no byte of what follows it: how long
/// one of version 1 is can only be seen at its end, so it is looked at before it is taken.
/// `taken` are the bytes of it that were taken by earlier calls.
fn take_proxy_header(
    transport: &Transport,
    patience: Patience,
    taken: &mut Vec<u8>,
) -> std::result::Result<Source, HeaderFailure> {
    loop {
        let before = taken.len();
        let missing = match proxy_header::parse(taken)? {
            proxy_header::Progress::NeedMore(count) => count,
            proxy_header::Progress::Done(_, source) => return Ok(source),
        };
        let window = missing.max(LONGEST_LINE.saturating_sub(before));
        let mut seen = taken.clone();
        seen.resize(before + window, 0);
        let count = transport.peek(&mut seen[before..], patience)?;
        if count == 0 {
            return Err(HeaderFailure::PeerClosed);
        }
        let end = match proxy_header::parse(&seen[..before + count])? {
            proxy_header::Progress::Done(len, _) => len,
            // All of them are the header's.
            _ => before + count,
        };
        let count = transport.receive(&mut seen[before..end], patience)?;
        taken.extend_from_slice(&seen[before..before + count]);
    }
}

impl Endpoint<Connection> {
    /// Gives the socket back, open, and ends the session.
    pub(crate) fn detach(&mut self) -> Option<OwnedFd> {
        let transport = self.carrier.transport.take()?;
        self.session.end();
        Some(transport.into_socket())
    }

    /// Closes the connection and ends the session.
    pub(crate) fn close_connection(&mut self) -> Result<()> {
        self.detach().map(drop).ok_or_else(closed)
    }
}

/// Carries nothing itself: bytes are brought and taken between the calls.
#[derive(Debug, Default)]
pub struct Fed {
    /// Whether the peer will send no more.
    has_ended: bool,
}

impl Carrier for Fed {
    fn check_open(&self) -> Result<()> {
        Ok(())
    }

    fn begin(&mut self) {}

    fn check_time(&self) -> std::result::Result<(), Failure> {
        Ok(())
    }

    fn send(&mut self, _bytes: &[u8]) -> std::result::Result<usize, Failure> {
        Err(Failure::WouldBlock)
    }

    fn receive(&mut self, _space: &mut [u8]) -> std::result::Result<usize, Failure> {
        if self.has_ended {
            Ok(0)
        } else {
            Err(Failure::WouldBlock)
        }
    }
}

/// A session without a socket, for programs that move the bytes themselves: through an event
/// loop's own sockets, TLS, or a tunnel. No call waits or calls the kernel, except for
/// random bytes.
///
/// Each operation returns [`Error::WouldBlock`] until it is done: for [`Interest::Read`],
/// `feed` what came from the peer; for [`Interest::Write`], send
/// `pending` and say so with `sent`; for
/// [`Interest::Computation`], `compute`. Then call the operation again.
/// There is no clock: a program that loses its patience calls `end`. On a TCP
/// socket, set `TCP_NODELAY`, and on Linux `TCP_QUICKACK` whenever the key exchange is done or
/// waits for bytes: released peers wait for acknowledgements between the small pieces that
/// they write.
///
/// ```
/// use anwdl::error::Interest;
/// use anwdl::protocol::Role;
/// use anwdl::{ClientOptions, Error, FedSession};
///
/// let mut session = FedSession::new(Role::Server, &ClientOptions::default())?;
/// // An operation says what it waits for.
/// let waiting = session.exchange_keys(true);
/// assert_eq!(waiting, Err(Error::WouldBlock(Interest::Read)));
/// // The peer's public key has 800 bytes; no more than this is wanted now.
/// let taken = session.feed(b"800=====-----BEGIN")?;
/// assert_eq!(taken, 8);
/// let waiting = session.exchange_keys(true);
/// assert_eq!(waiting, Err(Error::WouldBlock(Interest::Write)));
/// assert_eq!(session.pending(), b"1");
/// session.sent(1)?;
/// # Ok::<(), Error>(())
/// ```
pub type FedSession = Endpoint<Fed>;

impl Endpoint<Fed> {
    /// A session before its first operation. The timeout and whether calls block mean
    /// nothing to it, and it never exchanges the keys by itself.
    pub fn new(role: Role, options: &ClientOptions) -> Result<Self> {
        let identity = match options.peer_ip() {
            None => Identity::none(),
            ip => Identity::new(ip),
        };
        Self::join(role, options, Fed::default(), identity)
    }

    /// Drives a session that was made with a configuration of its own.
    pub fn from_session(session: Session) -> Self {
        Self::around(session, Fed::default(), Identity::none())
    }

    /// Takes bytes that came from the peer, no more than the operation under way can use
    /// now; gives their number. The rest is to be fed again later.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize> {
        self.session.check_alive()?;
        if self.carrier.has_ended && !bytes.is_empty() {
            return Err(Error::new(
                Reason::PeerClosed,
                "bytes is what nobody can have sent: the peer's end was fed before",
            ));
        }
        let mut rest = bytes;
        loop {
            let space = self.session.space();
            let count = space.len().min(rest.len());
            if count == 0 {
                return Ok(bytes.len() - rest.len());
            }
            let (taken, left) = rest.split_at(count);
            space[..count].copy_from_slice(taken);
            self.session.received(count);
            rest = left;
        }
    }

    /// The peer has closed its side: nothing more will be fed. An operation that waits for
    /// bytes then fails when it is called again, as on a socket.
    pub fn feed_end(&mut self) -> Result<()> {
        self.session.check_alive()?;
        self.carrier.has_ended = true;
        Ok(())
    }

    /// The bytes to send to the peer.
    pub fn pending(&self) -> &[u8] {
        self.session.pending()
    }

    /// So many of the [`pending`](Self::pending) bytes are on their way.
    pub fn sent(&mut self, count: usize) -> Result<()> {
        let pending = self.session.pending().len();
        if count > pending {
            return Err(Error::invalid_argument(format!(
                "count is {count}; only {pending} bytes are pending"
            )));
        }
        self.session.sent(count);
        Ok(())
    }

    /// What the operation under way waits for; `None` if there is none, or if it gets
    /// further by being called again.
    pub fn wants(&self) -> Option<Interest> {
        match self.session.wants() {
            Some(Interest::Read) if self.carrier.has_ended => None,
            other => other,
        }
    }
}

impl<C: Carrier> fmt::Debug for Endpoint<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("role", &self.role())
            .field("protocol", &self.protocol())
            .field("has_failed", &self.has_failed())
            .finish_non_exhaustive()
    }
}

fn name_of(protocol: Protocol) -> &'static str {
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

fn closed() -> Error {
    Error::new(Reason::Closed, "the connection is closed on this side")
}

fn out_of_turn(message: &'static str) -> Error {
    Error::new(Reason::OutOfTurn, message)
}
