//! [`ClientInterface`]: the side that connects, like the class of that name in the Python client.

use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use crate::crypto::{AesWrapper, RsaWrapper};
use crate::endpoint::Endpoint;
use crate::endpoint::events::Event;
use crate::endpoint::identity::Identity;
use crate::endpoint::options::ClientOptions;
use crate::endpoint::transport::Transport;
use crate::endpoint::transport::connection::Connection;
use crate::endpoint::transport::socket::{self, CreationError, Socket};
use crate::error::{Error, Interest, Reason, Result};
use crate::message::Response;
use crate::protocol::session::operation_pending;
use crate::protocol::{Protocol, Role};

/// A client of an Anweddol server. Mirrors the Python client's `ClientInterface`.
///
/// The connection is closed when the interface is dropped.
///
/// ```no_run
/// use anwdl::{ClientInterface, ClientOptions};
///
/// let mut options = ClientOptions::default();
/// options.set_expected_fingerprint(Some(
///     "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
/// ))?;
/// let mut server = ClientInterface::new(&options)?;
/// // Exchanges the keys; this side speaks first.
/// server.connect_server("anweddol.example", 6150)?;
/// server.send_request("STAT", None)?;
/// println!("{}", server.recv_response()?.data_json());
/// # Ok::<(), anwdl::Error>(())
/// ```
pub struct ClientInterface {
    /// The options of the next connection.
    options: ClientOptions,
    endpoint: Endpoint<Connection>,
}

impl ClientInterface {
    /// An interface that is not connected. In its options, [`Protocol::Auto`] means
    /// [`Protocol::V4`], unless the server chooses gcm, and the peer's IP address is ignored.
    /// Mirrors `ClientInterface.__init__`.
    pub fn new(options: &ClientOptions) -> Result<Self> {
        Ok(Self {
            options: options.clone(),
            endpoint: unconnected(options)?,
        })
    }

    /// Connects to a server, given by IPv4 or IPv6 address or by name, and, unless the options say
    /// otherwise, exchanges the keys; this side speaks first. The addresses of a name are tried as
    /// RFC 8305 says. The timeout is for all of this.
    ///
    /// A non-blocking interface fails with [`Error::WouldBlock`] until it is connected: when
    /// [`socket_descriptor`](Self::socket_descriptor) is readable, call this again with the same
    /// arguments, or [`next_event`](Self::next_event). Once connected, it has another descriptor.
    /// It exchanges its keys only when asked to.
    ///
    /// After a failure there is no connection. Mirrors `ClientInterface.connectServer`.
    pub fn connect_server(&mut self, host: &str, port: u16) -> Result<()> {
        // Continue, if it is connecting to this host already.
        let connection = self.endpoint.transport();
        if !connection.is_connecting_to(host, port) {
            self.reset_session()?;
        }
        let timeout = self.options.timeout();
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.endpoint.connect(host, port)?;
        if !self.options.exchanges_keys_at_creation() {
            return Ok(());
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        self.endpoint.transport_mut().set_timeout(left);
        let exchanged = self.endpoint.exchange_keys(false);
        self.endpoint.transport_mut().set_timeout(timeout);
        if exchanged.is_err() {
            self.endpoint.detach();
        }
        exchanged
    }

    /// Uses a socket that is connected to a server, of any family, in place of
    /// [`connect_server`](Self::connect_server), and exchanges the keys in the same way. After a
    /// failure there is no connection.
    pub fn attach(&mut self, socket: impl Into<OwnedFd>) -> std::result::Result<(), CreationError> {
        let socket = socket.into();
        let checked = socket::check_descriptor(socket.as_raw_fd());
        match checked.and_then(|peer_ip| self.reset_session().map(|()| peer_ip)) {
            Ok(peer_ip) => self.open(socket, peer_ip.is_some()),
            Err(error) => return Err(CreationError { error, socket }),
        }
        self.exchange_keys_after_attaching()
            .map_err(|error| CreationError {
                error,
                socket: self.take_socket().expect("it was just attached"),
            })
    }

    /// Prepares a new session for the next connection.
    pub(crate) fn reset_session(&mut self) -> Result<()> {
        if self.is_connecting() {
            return Err(operation_pending("connect_server"));
        }
        if !self.is_closed() {
            return Err(Error::new(
                Reason::AlreadyConnected,
                "there is a connection already",
            ));
        }
        self.endpoint = unconnected(&self.options)?;
        Ok(())
    }

    /// Takes a socket that [`socket::check_descriptor`] accepted, after [`reset_session`](Self::reset_session).
    pub(crate) fn open(&mut self, socket: OwnedFd, is_tcp: bool) {
        let connection = self.endpoint.transport_mut();
        connection.open(Socket::new(socket, is_tcp));
    }

    /// Exchanges the keys after `attach`, unless the options say otherwise.
    pub(crate) fn exchange_keys_after_attaching(&mut self) -> Result<()> {
        match self.options.exchanges_keys_at_creation() {
            true => self.endpoint.exchange_keys(false),
            false => Ok(()),
        }
    }

    /// Returns the socket, still open, as [`ClientInstance::detach`](crate::ClientInstance::detach)
    /// does. Another connection can be made.
    pub fn detach(&mut self) -> Result<OwnedFd> {
        self.endpoint.check_detachable()?;
        Ok(self.take_socket().expect("it was found open"))
    }

    /// Returns the socket even if bytes were read ahead.
    pub(crate) fn take_socket(&mut self) -> Option<OwnedFd> {
        self.endpoint.detach()
    }

    fn is_connecting(&self) -> bool {
        self.endpoint.transport().is_connecting()
    }

    /// Whether there is no connection and none is being made: it was never begun, failed, or was
    /// closed on this side. Mirrors `ClientInterface.isClosed`.
    pub fn is_closed(&self) -> bool {
        self.endpoint.transport().is_closed()
    }

    /// Whether the session has ended, by a failure or because the connection was closed; false
    /// before there was a connection, and if connecting failed. If it has not ended, an operation
    /// that failed with [`Reason::Timeout`] can be repeated.
    pub fn has_failed(&self) -> bool {
        self.endpoint.has_failed()
    }

    /// Whether there is a connection that is between a response and the next request.
    pub fn is_idle(&self) -> bool {
        !self.is_closed() && !self.is_connecting() && self.endpoint.is_idle()
    }

    /// What the current operation waits for; `None` if there is none, or if it can continue at
    /// once.
    pub fn wants(&self) -> Option<Interest> {
        match self.is_connecting() {
            true => Some(Interest::Read),
            false => self.endpoint.wants(),
        }
    }

    /// Sets how long each later operation may take, in this connection and later ones; `None` or
    /// zero for no limit. Mirrors `settimeout` of the socket that
    /// `ClientInterface.getSocketDescriptor` returns.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.options.set_timeout(timeout);
        let timeout = self.options.timeout();
        self.endpoint.transport_mut().set_timeout(timeout);
    }

    /// The descriptor, which still belongs to the interface: while it connects, one to wait for,
    /// and then that of the connection. Mirrors `ClientInterface.getSocketDescriptor`.
    pub fn socket_descriptor(&self) -> Option<RawFd> {
        self.endpoint.transport().descriptor()
    }

    /// The framing of the session.
    pub fn protocol(&self) -> Protocol {
        self.endpoint.protocol()
    }

    /// This side's RSA keys and the server's public one. Mirrors
    /// `ClientInterface.getRSAWrapper`.
    pub fn rsa_wrapper(&self) -> Option<&RsaWrapper> {
        self.endpoint.rsa_wrapper()
    }

    /// The AES key of the session; `None` in a session of gcm, which has no single one. Mirrors
    /// `ClientInterface.getAESWrapper`.
    pub fn aes_wrapper(&self) -> Option<&AesWrapper> {
        self.endpoint.aes_wrapper()
    }

    /// Sets this side's RSA keys, before they are exchanged, for this connection and later
    /// ones. Mirrors `ClientInterface.setRSAWrapper`.
    pub fn set_rsa_wrapper(&mut self, wrapper: &RsaWrapper) -> Result<()> {
        if !self.is_closed() {
            self.endpoint.set_rsa_wrapper(wrapper)?;
            self.options.set_rsa_wrapper(wrapper);
            return Ok(());
        }
        let mut options = self.options.clone();
        options.set_rsa_wrapper(wrapper);
        *self = Self::new(&options)?;
        Ok(())
    }

    /// Sets the AES key, as [`ClientOptions::set_aes_wrapper`] does, for this connection and
    /// later ones. Mirrors `ClientInterface.setAESWrapper`.
    pub fn set_aes_wrapper(&mut self, wrapper: &AesWrapper) -> Result<()> {
        if !self.is_closed() {
            self.endpoint.set_aes_wrapper(wrapper)?;
            return self.options.set_aes_wrapper(wrapper);
        }
        let mut options = self.options.clone();
        options.set_aes_wrapper(wrapper)?;
        *self = Self::new(&options)?;
        Ok(())
    }

    /// The fingerprint of the server's public key once received, even if it was not the expected
    /// one: 64 hexadecimal digits, as the Python client shows it.
    pub fn server_fingerprint(&self) -> Result<String> {
        match self.rsa_wrapper() {
            Some(wrapper) => wrapper.fingerprint(true),
            None => RsaWrapper::default().fingerprint(true),
        }
    }

    /// Exchanges the keys; either side may speak first. Mirrors `ClientInterface.exchangeKeys`.
    pub fn exchange_keys(&mut self, receive_first: bool) -> Result<()> {
        self.endpoint.exchange_keys(receive_first)
    }

    /// Sends the public RSA key. Mirrors `ClientInterface.sendPublicRSAKey`.
    pub fn send_public_rsa_key(&mut self) -> Result<()> {
        self.endpoint.send_public_rsa_key()
    }

    /// Receives the server's public RSA key. Mirrors `ClientInterface.recvPublicRSAKey`.
    pub fn recv_public_rsa_key(&mut self) -> Result<()> {
        self.endpoint.recv_public_rsa_key()
    }

    /// Sends the AES key. Mirrors `ClientInterface.sendAESKey`.
    pub fn send_aes_key(&mut self) -> Result<()> {
        self.endpoint.send_aes_key()
    }

    /// Receives the server's AES key. Mirrors `ClientInterface.recvAESKey`.
    pub fn recv_aes_key(&mut self) -> Result<()> {
        self.endpoint.recv_aes_key()
    }

    /// Does the private key operation of the key exchange, like
    /// [`ClientInstance::compute`](crate::ClientInstance::compute).
    pub fn compute(&mut self) -> Result<()> {
        self.endpoint.compute()
    }

    /// Sends a request. `parameters_json` is a JSON object; without it there are none. If it breaks
    /// the request format, fails with [`Reason::MalformedRequest`] and sends nothing. A second
    /// request before the response to the first is [`Reason::OutOfTurn`]. Mirrors
    /// `ClientInterface.sendRequest`.
    pub fn send_request(&mut self, verb: &str, parameters_json: Option<&str>) -> Result<()> {
        self.endpoint.send_request(verb, parameters_json)
    }

    /// Receives a response. If it does not fit the response format, fails with
    /// [`Reason::MalformedResponse`] and ends the session. Mirrors `ClientInterface.recvResponse`.
    pub fn recv_response(&mut self) -> Result<Response> {
        self.endpoint.recv_response()
    }

    /// Runs the session until something has happened: continues connecting or the current
    /// operation, exchanges the keys if that was not done, and receives when it is the peer's turn.
    /// If it has to wait, it fails with [`Error::WouldBlock`](crate::Error::WouldBlock); every
    /// other failure ends the session.
    pub fn next_event(&mut self) -> Result<Event> {
        if self.is_connecting() {
            self.endpoint.continue_connecting()?;
        }
        self.endpoint.next_event()
    }

    /// How long until the current operation times out; `None` if it does not, or there is none.
    pub fn time_left(&self) -> Option<Duration> {
        match self.is_connecting() {
            true => self.endpoint.transport().time_left(),
            false => self.endpoint.time_left(),
        }
    }

    /// Ends the session and wipes its keys. The connection stays open.
    pub(crate) fn end(&mut self) {
        self.endpoint.end();
    }

    /// Closes the connection and wipes the keys of the session, or stops connecting. It can connect
    /// again. Mirrors `ClientInterface.closeConnection`.
    pub fn close_connection(&mut self) -> Result<()> {
        self.endpoint.close_connection()
    }
}

/// An endpoint without a connection.
fn unconnected(options: &ClientOptions) -> Result<Endpoint<Connection>> {
    Endpoint::with_transport(
        Role::Client,
        options,
        Connection::new(options.limits(), options.non_blocking()),
        Identity::unknown(),
    )
}

impl fmt::Debug for ClientInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientInterface")
            .field("protocol", &self.protocol())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
