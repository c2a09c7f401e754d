//! [`ClientInstance`]: one connected client, like the class of that name in the Python server.

use std::fmt;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use crate::crypto::{AesWrapper, RsaWrapper};
use crate::endpoint::Endpoint;
use crate::endpoint::events::Event;
use crate::endpoint::identity::Identity;
use crate::endpoint::options::ClientOptions;
use crate::endpoint::proxy_header::ProxyProtocol;
use crate::endpoint::transport::connection::Connection;
use crate::endpoint::transport::socket::{self, CreationError, Socket};
use crate::error::{Interest, Result};
use crate::message::{MalformedRequest, Request};
use crate::protocol::{Protocol, Role};

/// Checks that a descriptor is a connected stream socket.
pub fn check_descriptor(fd: RawFd) -> Result<()> {
    socket::check_descriptor(fd).map(drop)
}

/// One connected client, seen from the server. Mirrors the Python server's
/// `ClientInstance`.
///
/// The connection is closed when the instance is dropped.
pub struct ClientInstance {
    endpoint: Endpoint<Connection>,
}

impl ClientInstance {
    /// Takes a connected socket and, unless the options say otherwise, exchanges the keys; the
    /// client speaks first. Mirrors `ClientInstance.__init__`.
    pub fn new(
        socket: impl Into<OwnedFd>,
        options: &ClientOptions,
    ) -> std::result::Result<Self, CreationError> {
        let socket = socket.into();
        let mut client = match socket::check_descriptor(socket.as_raw_fd()) {
            Ok(peer_ip) => Self::from_checked_socket(socket, peer_ip, options)?,
            Err(error) => return Err(CreationError { error, socket }),
        };
        if options.exchanges_keys_at_creation()
            && let Err(error) = client.exchange_keys(true)
        {
            let socket = client.take_socket().expect("it was just made");
            return Err(CreationError { error, socket });
        }
        Ok(client)
    }

    /// A client before its key exchange, from a socket that [`socket::check_descriptor`] accepted
    /// and the address that it returned.
    pub(crate) fn from_checked_socket(
        socket: OwnedFd,
        peer_ip: Option<IpAddr>,
        options: &ClientOptions,
    ) -> std::result::Result<Self, CreationError> {
        let identity = Identity::new(options.peer_ip().or(peer_ip));
        let connection = Connection::new(options.limits(), options.non_blocking());
        let mut endpoint =
            match Endpoint::with_transport(Role::Server, options, connection, identity) {
                Ok(endpoint) => endpoint,
                Err(error) => return Err(CreationError { error, socket }),
            };
        endpoint
            .transport_mut()
            .open(Socket::new(socket, peer_ip.is_some()));
        if options.proxy_protocol() == ProxyProtocol::Required {
            endpoint.expect_proxy_header(options.peer_ip().is_some());
        }
        Ok(Self { endpoint })
    }

    /// Whether the connection is closed on this side. Mirrors `ClientInstance.isClosed`.
    pub fn is_closed(&self) -> bool {
        self.endpoint.transport().is_closed()
    }

    /// Whether the session has ended, by a failure or because the connection was closed. If not, an
    /// operation that failed with [`Reason::Timeout`](crate::Reason::Timeout) can be repeated.
    pub fn has_failed(&self) -> bool {
        self.endpoint.has_failed()
    }

    /// Whether no request is under way, from its first byte to the last one of its response: then
    /// closing loses none.
    pub fn is_idle(&self) -> bool {
        self.endpoint.is_idle()
    }

    /// What the current operation waits for; `None` if there is none, or if it can continue at
    /// once.
    pub fn wants(&self) -> Option<Interest> {
        self.endpoint.wants()
    }

    /// Sets how long each later operation may take; `None` or zero for no limit. Mirrors
    /// `settimeout` of the socket that `ClientInstance.getSocketDescriptor` returns.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        let timeout = timeout.filter(|timeout| !timeout.is_zero());
        self.endpoint.transport_mut().set_timeout(timeout);
    }

    /// The descriptor, which still belongs to the client. Mirrors
    /// `ClientInstance.getSocketDescriptor`.
    pub fn socket_descriptor(&self) -> Option<RawFd> {
        self.endpoint.transport().descriptor()
    }

    /// The client's IP address as text: IPv4 dotted, IPv6 as in RFC 5952; empty for sockets of
    /// other families. Until an expected PROXY protocol header has come, it is that of the socket.
    /// Mirrors `ClientInstance.getIP`.
    pub fn ip(&self) -> &str {
        self.identity().ip()
    }

    /// The first 7 hexadecimal digits of the SHA-256 of the IP text. Mirrors
    /// `ClientInstance.getID`.
    pub fn id(&self) -> &str {
        self.identity().id()
    }

    pub(crate) fn identity(&self) -> &Identity {
        self.endpoint.identity()
    }

    /// When the instance was made, in seconds since 1970. Mirrors
    /// `ClientInstance.getCreationTimestamp`.
    pub fn creation_timestamp(&self) -> i64 {
        self.endpoint.creation_timestamp()
    }

    /// The framing that the client speaks; [`Protocol::Auto`] until it is known.
    pub fn protocol(&self) -> Protocol {
        self.endpoint.protocol()
    }

    /// This side's RSA keys and the client's public one. Mirrors
    /// `ClientInstance.getRSAWrapper`.
    pub fn rsa_wrapper(&self) -> Option<&RsaWrapper> {
        self.endpoint.rsa_wrapper()
    }

    /// The AES key of the session; `None` in a session of gcm, which has no single one. Mirrors
    /// `ClientInstance.getAESWrapper`.
    pub fn aes_wrapper(&self) -> Option<&AesWrapper> {
        self.endpoint.aes_wrapper()
    }

    /// Sets this side's RSA keys, before they are exchanged. Mirrors
    /// `ClientInstance.setRSAWrapper`.
    pub fn set_rsa_wrapper(&mut self, wrapper: &RsaWrapper) -> Result<()> {
        self.endpoint.set_rsa_wrapper(wrapper)
    }

    /// Sets the AES key, as [`ClientOptions::set_aes_wrapper`] does. Mirrors
    /// `ClientInstance.setAESWrapper`.
    pub fn set_aes_wrapper(&mut self, wrapper: &AesWrapper) -> Result<()> {
        self.endpoint.set_aes_wrapper(wrapper)
    }

    /// The last stored request. Mirrors `ClientInstance.getStoredRequest`.
    pub fn stored_request(&self) -> Option<&Arc<Request>> {
        self.endpoint.stored_request()
    }

    /// The errors of the last request, as JSON text, if it was malformed.
    pub fn request_errors(&self) -> Option<&str> {
        self.endpoint.request_errors()
    }

    /// The text of the last request if it was malformed, until the next one is received. Python's
    /// `json` reads it, but it need not be strict JSON.
    pub fn malformed_request_json(&self) -> Option<&str> {
        self.endpoint.malformed_request_json()
    }

    pub(crate) fn malformed_request(&self) -> Option<&MalformedRequest> {
        self.endpoint.malformed_request()
    }

    /// Exchanges the keys; either side may speak first. Mirrors `ClientInstance.exchangeKeys`.
    pub fn exchange_keys(&mut self, receive_first: bool) -> Result<()> {
        self.endpoint.exchange_keys(receive_first)
    }

    /// Sends the public RSA key. Mirrors `ClientInstance.sendPublicRSAKey`.
    pub fn send_public_rsa_key(&mut self) -> Result<()> {
        self.endpoint.send_public_rsa_key()
    }

    /// Receives the client's public RSA key. Mirrors `ClientInstance.recvPublicRSAKey`.
    pub fn recv_public_rsa_key(&mut self) -> Result<()> {
        self.endpoint.recv_public_rsa_key()
    }

    /// Sends the AES key. Mirrors `ClientInstance.sendAESKey`.
    pub fn send_aes_key(&mut self) -> Result<()> {
        self.endpoint.send_aes_key()
    }

    /// Receives the client's AES key. Mirrors `ClientInstance.recvAESKey`.
    pub fn recv_aes_key(&mut self) -> Result<()> {
        self.endpoint.recv_aes_key()
    }

    /// Does the private key operation of the key exchange, after an operation has asked for it
    /// ([`Interest::Computation`]). Then call the operation again: it returns the result.
    pub fn compute(&mut self) -> Result<()> {
        self.endpoint.compute()
    }

    /// Receives a request and, with `store_request`, also keeps it. If it does not fit the format,
    /// fails with [`Reason::MalformedRequest`](crate::Reason::MalformedRequest) and the session
    /// continues; [`request_errors`](Self::request_errors) has the errors and
    /// [`malformed_request_json`](Self::malformed_request_json) the text. Mirrors
    /// `ClientInstance.recvRequest`.
    pub fn recv_request(&mut self, store_request: bool) -> Result<Arc<Request>> {
        self.endpoint.recv_request(store_request)
    }

    /// Sends a response. `data_json` is a JSON object; without it the data is empty. A reason is
    /// added to the message. If the data breaks the response format, fails with
    /// [`Reason::MalformedResponse`](crate::Reason::MalformedResponse) and sends nothing. Each
    /// request gets one response, and one may be sent before the first request, as v4 unless the
    /// options name a framing; another one is [`Reason::OutOfTurn`](crate::Reason::OutOfTurn).
    /// Mirrors `ClientInstance.sendResponse`.
    pub fn send_response(
        &mut self,
        success: bool,
        message: &str,
        data_json: Option<&str>,
        reason: Option<&str>,
    ) -> Result<()> {
        self.endpoint
            .send_response(success, message, data_json, reason)
    }

    /// Runs the session until something has happened: continues the current operation, exchanges
    /// the keys if that was not done, and receives when it is the peer's turn. If it has to wait,
    /// it fails with [`Error::WouldBlock`](crate::Error::WouldBlock); every other failure ends the
    /// session.
    pub fn next_event(&mut self) -> Result<Event> {
        self.endpoint.next_event()
    }

    /// How long until the current operation times out; `None` if it does not, or there is none.
    pub fn time_left(&self) -> Option<Duration> {
        self.endpoint.time_left()
    }

    /// Ends the session and wipes its keys. The connection stays open.
    pub(crate) fn end(&mut self) {
        self.endpoint.end();
    }

    /// Closes the connection and wipes the keys of the session. Mirrors
    /// `ClientInstance.closeConnection`.
    pub fn close_connection(&mut self) -> Result<()> {
        self.endpoint.close_connection()
    }

    /// Returns the socket, still open. The instance is closed from then on. Unless an operation is
    /// under way, no received byte is lost: if the start of another message was read ahead, this
    /// fails with [`Reason::OutOfTurn`](crate::Reason::OutOfTurn): receive that message first, or
    /// detach again to do without it.
    pub fn detach(&mut self) -> Result<OwnedFd> {
        self.endpoint.check_detachable()?;
        Ok(self.take_socket().expect("it was found open"))
    }

    /// Returns the socket even if bytes were read ahead.
    pub(crate) fn take_socket(&mut self) -> Option<OwnedFd> {
        self.endpoint.detach()
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
