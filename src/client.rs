//! [`ClientInstance`]: one connected client, as the Python server's class of that name.

use std::fmt;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::crypto::{AesWrapper, RsaWrapper};
use crate::error::{Error, Interest, Reason, Result};
use crate::identity::Identity;
use crate::message::Request;
use crate::protocol::session::{Config, Message, Operation, Progress, Session, check_session_key};
use crate::protocol::{LARGEST_MESSAGE, Protocol, Role};
use crate::transport::{self, Failure, Patience, Transport};

/// How a [`ClientInstance`] is made. The defaults are those of the Python server.
#[derive(Clone)]
pub struct ClientOptions {
    timeout: Option<Duration>,
    rsa_wrapper: Option<RsaWrapper>,
    aes_wrapper: Option<AesWrapper>,
    exchange_keys: bool,
    non_blocking: bool,
    protocol: Protocol,
    max_message_size: usize,
    peer_ip: Option<IpAddr>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        let config = Config::new(Role::Server);
        Self {
            timeout: None,
            rsa_wrapper: None,
            aes_wrapper: None,
            exchange_keys: config.exchange_keys,
            non_blocking: false,
            protocol: config.protocol,
            max_message_size: config.max_message_size,
            peer_ip: None,
        }
    }
}

impl ClientOptions {
    /// How long each call may take, from its beginning to its end. `None`, the default, and
    /// zero: as long as it takes.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout.filter(|timeout| !timeout.is_zero());
    }

    /// This side's RSA keys, which are shared, not copied. By default all clients of the
    /// process share a key pair of 4096 bits, made on first need.
    pub fn set_rsa_wrapper(&mut self, wrapper: &RsaWrapper) {
        self.rsa_wrapper = Some(wrapper.local_keys());
    }

    /// The AES key that this side sends if it sends its own first, or, where no keys are
    /// exchanged, the key of the session: of v2, v3 and v4 in CBC mode, of gcm in GCM mode.
    /// A key in GCM mode has 256 bits.
    pub fn set_aes_wrapper(&mut self, wrapper: &AesWrapper) -> Result<()> {
        check_session_key(wrapper)?;
        self.aes_wrapper = Some(wrapper.clone());
        Ok(())
    }

    /// Whether creation exchanges the keys, the client speaking first; default true. A
    /// non-blocking client exchanges them only when told to.
    pub fn set_exchange_keys(&mut self, exchange_keys: bool) {
        self.exchange_keys = exchange_keys;
    }

    /// Whether calls return [`Error::WouldBlock`] in place of waiting; default false.
    pub fn set_non_blocking(&mut self, non_blocking: bool) {
        self.non_blocking = non_blocking;
    }

    /// The framing to insist on; by default the one that the client turns out to speak.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// The longest request that is accepted, in bytes of JSON text: 1 to 99,999,999;
    /// default 1 MiB. AES-CBC hides up to 15 bytes of the length of a text, so that up to
    /// that many more may pass.
    pub fn set_max_message_size(&mut self, bytes: usize) -> Result<()> {
        if !(1..=LARGEST_MESSAGE).contains(&bytes) {
            return Err(Error::invalid_argument(format!(
                "bytes is {bytes}; it is 1 to {LARGEST_MESSAGE}"
            )));
        }
        self.max_message_size = bytes;
        Ok(())
    }

    /// The client's IP address where the socket is a proxy's.
    pub fn set_peer_ip(&mut self, ip: &str) -> Result<()> {
        let address: IpAddr = ip.parse().map_err(|_| {
            Error::invalid_argument(format!("ip is {ip:?}, which is no IPv4 or IPv6 address"))
        })?;
        self.peer_ip = Some(address.to_canonical());
        Ok(())
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("timeout", &self.timeout)
            .field("rsa_wrapper", &self.rsa_wrapper)
            .field("aes_wrapper", &self.aes_wrapper)
            .field("exchange_keys", &self.exchange_keys)
            .field("non_blocking", &self.non_blocking)
            .field("protocol", &self.protocol)
            .field("max_message_size", &self.max_message_size)
            .field("peer_ip", &self.peer_ip)
            .finish()
    }
}

/// Why no client was made, and the socket, which is open still.
#[derive(Debug)]
pub struct CreationError {
    /// What went wrong.
    pub error: Error,
    /// The socket that was given.
    pub socket: OwnedFd,
}

impl fmt::Display for CreationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for CreationError {}

impl From<CreationError> for Error {
    fn from(creation: CreationError) -> Self {
        creation.error
    }
}

/// Checks that a descriptor is a connected stream socket.
pub fn check_descriptor(fd: RawFd) -> Result<()> {
    transport::check_descriptor(fd)
}

/// One connected client, seen from the server. Mirrors the Python server's
/// `ClientInstance`.
///
/// The connection is closed when the instance is dropped.
pub struct ClientInstance {
    session: Session,
    transport: Option<Transport>,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    non_blocking: bool,
    identity: Identity,
    creation_timestamp: i64,
    stored_request: Option<Arc<Request>>,
    request_errors: Option<String>,
}

impl ClientInstance {
    /// Takes a connected socket and, unless the options say otherwise, exchanges the keys,
    /// the client speaking first. Mirrors `ClientInstance.__init__`.
    pub fn new(
        socket: impl Into<OwnedFd>,
        options: &ClientOptions,
    ) -> std::result::Result<Self, CreationError> {
        let socket = socket.into();
        match check_descriptor(socket.as_raw_fd()) {
            Ok(()) => Self::from_checked(socket, options),
            Err(error) => Err(CreationError { error, socket }),
        }
    }

    /// As [`new`](Self::new), for a socket that [`check_descriptor`] has accepted.
    pub(crate) fn from_checked(
        socket: OwnedFd,
        options: &ClientOptions,
    ) -> std::result::Result<Self, CreationError> {
        let mut config = Config::new(Role::Server);
        config.protocol = options.protocol;
        config.max_message_size = options.max_message_size;
        config.exchange_keys = options.exchange_keys;
        let mut session = Session::new(config);
        if let Err(error) = set_wrappers(&mut session, options) {
            return Err(CreationError { error, socket });
        }
        let transport = Transport::new(socket);
        let identity = Identity::new(options.peer_ip.or(transport.peer_ip()));
        let mut client = Self {
            session,
            transport: Some(transport),
            timeout: options.timeout,
            deadline: None,
            non_blocking: options.non_blocking,
            identity,
            creation_timestamp: unix_seconds(SystemTime::now()),
            stored_request: None,
            request_errors: None,
        };
        if options.exchange_keys
            && !options.non_blocking
            && let Err(error) = client.exchange_keys(true)
        {
            let socket = client.detach().expect("it was just made");
            return Err(CreationError { error, socket });
        }
        Ok(client)
    }

    /// Whether the connection is closed on this side. Mirrors `ClientInstance.isClosed`.
    pub fn is_closed(&self) -> bool {
        self.transport.is_none()
    }

    /// The descriptor, which stays the client's. Mirrors
    /// `ClientInstance.getSocketDescriptor`.
    pub fn socket_descriptor(&self) -> Option<RawFd> {
        self.transport.as_ref().map(Transport::descriptor)
    }

    /// The client's IP address as text: IPv4 dotted, IPv6 as in RFC 5952; empty for sockets
    /// of other families. Mirrors `ClientInstance.getIP`.
    pub fn ip(&self) -> &str {
        self.identity.ip()
    }

    /// The first 7 hexadecimal digits of the SHA-256 of the IP text. Mirrors
    /// `ClientInstance.getID`.
    pub fn id(&self) -> &str {
        self.identity.id()
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// When the instance was made, in seconds since 1970. Mirrors
    /// `ClientInstance.getCreationTimestamp`.
    pub fn creation_timestamp(&self) -> i64 {
        self.creation_timestamp
    }

    /// The framing that the client speaks; [`Protocol::Auto`] until it is known.
    pub fn protocol(&self) -> Protocol {
        self.session.protocol()
    }

    /// This side's RSA keys and the client's public one. Mirrors
    /// `ClientInstance.getRSAWrapper`.
    pub fn rsa_wrapper(&self) -> Option<&RsaWrapper> {
        self.session.rsa_wrapper()
    }

    /// The AES key of the session. Mirrors `ClientInstance.getAESWrapper`.
    pub fn aes_wrapper(&self) -> Option<&AesWrapper> {
        self.session.aes_wrapper()
    }

    /// Sets this side's RSA keys, before they are exchanged. Mirrors
    /// `ClientInstance.setRSAWrapper`.
    pub fn set_rsa_wrapper(&mut self, wrapper: &RsaWrapper) -> Result<()> {
        self.check_open()?;
        self.session.set_rsa_wrapper(wrapper)
    }

    /// Sets the AES key, as [`ClientOptions::set_aes_wrapper`] does. Mirrors
    /// `ClientInstance.setAESWrapper`.
    pub fn set_aes_wrapper(&mut self, wrapper: &AesWrapper) -> Result<()> {
        self.check_open()?;
        self.session.set_aes_wrapper(wrapper)
    }

    /// The request that was last stored. Mirrors `ClientInstance.getStoredRequest`.
    pub fn stored_request(&self) -> Option<&Arc<Request>> {
        self.stored_request.as_ref()
    }

    /// The errors of the last request, as JSON text, if it was malformed.
    pub fn request_errors(&self) -> Option<&str> {
        self.request_errors.as_deref()
    }

    /// Exchanges the keys, the client speaking first or this side. Mirrors
    /// `ClientInstance.exchangeKeys`.
    pub fn exchange_keys(&mut self, receive_first: bool) -> Result<()> {
        self.run_exchange(Operation::ExchangeKeys { receive_first })
    }

    /// Sends the public RSA key. Mirrors `ClientInstance.sendPublicRSAKey`.
    pub fn send_public_rsa_key(&mut self) -> Result<()> {
        self.run_exchange(Operation::SendPublicKey)
    }

    /// Receives the client's public RSA key. Mirrors `ClientInstance.recvPublicRSAKey`.
    pub fn recv_public_rsa_key(&mut self) -> Result<()> {
        self.run_exchange(Operation::ReceivePublicKey)
    }

    /// Sends the AES key. Mirrors `ClientInstance.sendAESKey`.
    pub fn send_aes_key(&mut self) -> Result<()> {
        self.run_exchange(Operation::SendAesKey)
    }

    /// Receives the client's AES key. Mirrors `ClientInstance.recvAESKey`.
    pub fn recv_aes_key(&mut self) -> Result<()> {
        self.run_exchange(Operation::ReceiveAesKey)
    }

    /// Receives a request and, with `store_request`, keeps it too. One that does not fit the
    /// format is [`Reason::MalformedRequest`], its errors are given by
    /// [`request_errors`](Self::request_errors), and the session goes on. Mirrors
    /// `ClientInstance.recvRequest`.
    pub fn recv_request(&mut self, store_request: bool) -> Result<Arc<Request>> {
        match self.run(Operation::Receive, Session::begin_receive)? {
            Some(Message::Request(request)) => {
                self.request_errors = None;
                if store_request {
                    self.stored_request = Some(Arc::clone(&request));
                }
                Ok(request)
            }
            Some(Message::MalformedRequest(errors)) => {
                let message = format!("the request does not fit the request format: {errors}");
                self.request_errors = Some(errors);
                Err(Error::new(Reason::MalformedRequest, message))
            }
            Some(Message::Response(_)) | None => unreachable!("servers receive requests"),
        }
    }

    /// Sends a response. `data_json` is the text of a JSON object; without it the data are
    /// empty. A reason is added to the message. Data that break the response format are
    /// [`Reason::MalformedResponse`], and nothing is sent. Mirrors
    /// `ClientInstance.sendResponse`.
    pub fn send_response(
        &mut self,
        success: bool,
        message: &str,
        data_json: Option<&str>,
        reason: Option<&str>,
    ) -> Result<()> {
        self.run(Operation::Send, |session| {
            session.begin_response(success, message, data_json, reason)
        })
        .map(drop)
    }

    /// Closes the connection and wipes the keys of the session. Mirrors
    /// `ClientInstance.closeConnection`.
    pub fn close_connection(&mut self) -> Result<()> {
        match self.detach() {
            Some(socket) => {
                drop(socket);
                Ok(())
            }
            None => Err(closed()),
        }
    }

    /// Gives the socket back, open. To this instance the connection is closed then. Nothing
    /// that was received is lost: no more is ever read than the message under way.
    pub fn detach(&mut self) -> Option<OwnedFd> {
        let transport = self.transport.take()?;
        self.session.end();
        Some(transport.into_socket())
    }

    fn run_exchange(&mut self, operation: Operation) -> Result<()> {
        self.run(operation, |session| session.begin_exchange(operation))
            .map(drop)
    }

    /// Begins an operation, or goes on with the one that is under way if it is the same.
    fn run(
        &mut self,
        operation: Operation,
        begin: impl FnOnce(&mut Session) -> Result<()>,
    ) -> Result<Option<Message>> {
        let transport = self.transport.as_ref().ok_or_else(closed)?;
        if self.session.operation() != Some(operation) {
            // Where keys have to be made first, that takes seconds and is no peer's fault.
            begin(&mut self.session)?;
            self.deadline = self
                .timeout
                .and_then(|timeout| Instant::now().checked_add(timeout));
        }
        let patience = match (self.non_blocking, self.deadline) {
            (true, _) => Patience::None,
            (false, Some(deadline)) => Patience::Until(deadline),
            (false, None) => Patience::Unlimited,
        };
        if self.non_blocking
            && self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Err(self.session.interrupt(timed_out(), true));
        }
        drive(&mut self.session, transport, patience)
    }

    fn check_open(&self) -> Result<()> {
        if self.is_closed() {
            Err(closed())
        } else {
            Ok(())
        }
    }

    #[cfg(test)]
    pub(crate) fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl fmt::Debug for ClientInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientInstance")
            .field("ip", &self.ip())
            .field("id", &self.id())
            .field("protocol", &self.protocol())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Moves bytes between a session and a socket until the operation is done.
fn drive(
    session: &mut Session,
    transport: &Transport,
    patience: Patience,
) -> Result<Option<Message>> {
    loop {
        match session.advance()? {
            Progress::Done(message) => return Ok(message),
            Progress::Write => match transport.send(session.pending(), patience) {
                Ok(count) => session.sent(count),
                Err(failure) => return Err(fail(session, failure, Interest::Write)),
            },
            Progress::Read => match transport.receive(session.space(), patience) {
                Ok(0) => {
                    let error = Error::new(Reason::PeerClosed, "the peer closed the connection");
                    return Err(session.interrupt(error, true));
                }
                Ok(count) => session.received(count),
                Err(failure) => return Err(fail(session, failure, Interest::Read)),
            },
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

fn set_wrappers(session: &mut Session, options: &ClientOptions) -> Result<()> {
    if let Some(wrapper) = &options.rsa_wrapper {
        session.set_rsa_wrapper(wrapper)?;
    }
    if let Some(wrapper) = &options.aes_wrapper {
        session.set_aes_wrapper(wrapper)?;
    }
    Ok(())
}

fn closed() -> Error {
    Error::new(Reason::Closed, "the connection is closed on this side")
}

fn timed_out() -> Error {
    Error::new(
        Reason::Timeout,
        "the timeout passed before the work was done",
    )
}

fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}
