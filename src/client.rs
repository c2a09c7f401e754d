//! [`ClientInstance`]: one connected client, as the Python server's class of that name.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::crypto::{AesWrapper, RsaWrapper};
use crate::endpoint::{Connection, Endpoint};
use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::message::{MalformedRequest, Request};
use crate::protocol::session::{Config, check_session_key};
use crate::protocol::{LARGEST_MESSAGE, Protocol, Role};
use crate::proxy_header::ProxyProtocol;
use crate::transport::{self, Transport};

/// The size of a fingerprint in bytes.
const FINGERPRINT_SIZE: usize = 32;

/// How a [`ClientInstance`] is made. The defaults are those of the Python server.
#[derive(Clone)]
pub struct ClientOptions {
    timeout: Option<Duration>,
    rsa_wrapper: Option<RsaWrapper>,
    aes_wrapper: Option<AesWrapper>,
    exchange_keys: bool,
    key_echo: bool,
    non_blocking: bool,
    protocol: Protocol,
    max_message_size: usize,
    peer_ip: Option<IpAddr>,
    proxy_protocol: ProxyProtocol,
    separate_computation: bool,
    expected_fingerprint: Option<[u8; FINGERPRINT_SIZE]>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        let config = Config::new(Role::Server);
        Self {
            timeout: None,
            rsa_wrapper: None,
            aes_wrapper: None,
            exchange_keys: config.exchange_keys,
            key_echo: config.key_echo,
            non_blocking: false,
            protocol: config.protocol,
            max_message_size: config.max_message_size,
            peer_ip: None,
            proxy_protocol: ProxyProtocol::Off,
            separate_computation: config.separate_computation,
            expected_fingerprint: config.expected_fingerprint,
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
    /// exchanged, the key of the session: of v2, v3 or v4, and in CBC mode. One in GCM mode is
    /// [`Reason::InvalidArgument`](crate::Reason::InvalidArgument): a session of gcm always
    /// exchanges its keys, as what was
    /// recorded under a key that is used again could be replayed.
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

    /// Whether this side sends an AES key that it received back as it came, as the released
    /// peers do; default false: it answers with a new key that is derived from it, which all
    /// released peers take.
    ///
    /// With it, who has recorded a session of v2, v3 or v4 can connect with a key pair of
    /// his own, replay the recorded key, have it sent back under his own key, and read the
    /// recording; who holds only the public key of a pinned peer that speaks first passes
    /// for that peer; and recorded requests can be replayed. It is for replaying recordings,
    /// and for peers that insist on their own key.
    pub fn set_key_echo(&mut self, key_echo: bool) {
        self.key_echo = key_echo;
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

    /// The client's IP address where the socket is a proxy's. The zone of an IPv6 address, as
    /// in `fe80::1%eth0`, is left out.
    pub fn set_peer_ip(&mut self, ip: &str) -> Result<()> {
        let address = read_ip(ip).ok_or_else(|| {
            Error::invalid_argument(format!("ip is {ip:?}, which is no IPv4 or IPv6 address"))
        })?;
        self.peer_ip = Some(address.to_canonical());
        Ok(())
    }

    /// Whether the connection of a [`ClientInstance`] begins with a PROXY protocol header.
    /// It is received at the beginning of the first operation and within its timeout. From
    /// then on the client's address is the one that the header tells; a header without one
    /// (`LOCAL`, `UNKNOWN`) leaves that of the socket. [`set_peer_ip`](Self::set_peer_ip)
    /// has precedence. What begins in another way is refused with
    /// [`Reason::BadProxyHeader`](crate::Reason::BadProxyHeader), and nothing is sent.
    ///
    /// Nothing proves what a header tells: only a proxy may be able to connect.
    pub fn set_proxy_protocol(&mut self, proxy_protocol: ProxyProtocol) {
        self.proxy_protocol = proxy_protocol;
    }

    /// Whether the private key operation of a key exchange, which takes milliseconds, is
    /// left to [`ClientInstance::compute`], so that it can be done on another thread;
    /// default false. Keys are then exchanged only when told to.
    pub fn set_separate_computation(&mut self, separate_computation: bool) {
        self.separate_computation = separate_computation;
    }

    /// The fingerprint of the only public key that is accepted from the peer: 64 hexadecimal
    /// digits, as [`RsaWrapper::fingerprint`] gives them. Another key is refused with
    /// [`Reason::FingerprintMismatch`](crate::Reason::FingerprintMismatch) before this side sends
    /// any secret. `None`, the
    /// default: every key is accepted. A peer that speaks first has shown that it owns the key
    /// only once a message of it was received, not when the exchange is done.
    pub fn set_expected_fingerprint(&mut self, hex: Option<&str>) -> Result<()> {
        self.expected_fingerprint = match hex {
            None => None,
            Some(hex) => Some(read_fingerprint(hex).ok_or_else(|| {
                Error::invalid_argument("hex is no fingerprint: that has 64 hexadecimal digits")
            })?),
        };
        Ok(())
    }

    pub(crate) fn config(&self, role: Role) -> Config {
        Config {
            protocol: self.protocol,
            max_message_size: self.max_message_size,
            exchange_keys: self.exchange_keys,
            key_echo: self.key_echo,
            separate_computation: self.separate_computation,
            expected_fingerprint: self.expected_fingerprint,
            ..Config::new(role)
        }
    }

    pub(crate) fn rsa_wrapper(&self) -> Option<&RsaWrapper> {
        self.rsa_wrapper.as_ref()
    }

    pub(crate) fn aes_wrapper(&self) -> Option<&AesWrapper> {
        self.aes_wrapper.as_ref()
    }

    pub(crate) fn peer_ip(&self) -> Option<IpAddr> {
        self.peer_ip
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn non_blocking(&self) -> bool {
        self.non_blocking
    }

    /// Whether a connection exchanges its keys as it is made: only where nothing has to be
    /// called in between.
    pub(crate) fn exchanges_at_once(&self) -> bool {
        self.exchange_keys && !self.non_blocking && !self.separate_computation
    }
}

/// Reads an address as `getnameinfo()` writes it, which puts the zone behind a link-local one.
fn read_ip(text: &str) -> Option<IpAddr> {
    match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => {
            address.parse::<Ipv6Addr>().ok().map(IpAddr::from)
        }
        _ => text.parse().ok(),
    }
}

fn read_fingerprint(hex: &str) -> Option<[u8; FINGERPRINT_SIZE]> {
    let mut fingerprint = [0; FINGERPRINT_SIZE];
    if hex.len() != 2 * FINGERPRINT_SIZE {
        return None;
    }
    for (byte, digits) in fingerprint.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        *byte = (16 * digit(0)? + digit(1)?) as u8;
    }
    Some(fingerprint)
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("timeout", &self.timeout)
            .field("rsa_wrapper", &self.rsa_wrapper)
            .field("aes_wrapper", &self.aes_wrapper)
            .field("exchange_keys", &self.exchange_keys)
            .field("key_echo", &self.key_echo)
            .field("non_blocking", &self.non_blocking)
            .field("protocol", &self.protocol)
            .field("max_message_size", &self.max_message_size)
            .field("peer_ip", &self.peer_ip)
            .field("proxy_protocol", &self.proxy_protocol)
            .field("separate_computation", &self.separate_computation)
            .field("expected_fingerprint", &self.expected_fingerprint)
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
    transport::check_descriptor(fd).map(drop)
}

/// One connected client, seen from the server. Mirrors the Python server's
/// `ClientInstance`.
///
/// The connection is closed when the instance is dropped.
pub struct ClientInstance {
    endpoint: Endpoint<Connection>,
    creation_timestamp: i64,
}

impl ClientInstance {
    /// Takes a connected socket and, unless the options say otherwise, exchanges the keys,
    /// the client speaking first. Mirrors `ClientInstance.__init__`.
    pub fn new(
        socket: impl Into<OwnedFd>,
        options: &ClientOptions,
    ) -> std::result::Result<Self, CreationError> {
        let socket = socket.into();
        let mut client = match transport::check_descriptor(socket.as_raw_fd()) {
            Ok(peer_ip) => Self::from_checked(socket, peer_ip, options)?,
            Err(error) => return Err(CreationError { error, socket }),
        };
        if options.exchanges_at_once()
            && let Err(error) = client.exchange_keys(true)
        {
            let socket = client.detach().expect("it was just made");
            return Err(CreationError { error, socket });
        }
        Ok(client)
    }

    /// A client that has exchanged no keys yet, over a socket that
    /// [`transport::check_descriptor`] has accepted and told the peer's address of.
    pub(crate) fn from_checked(
        socket: OwnedFd,
        peer_ip: Option<IpAddr>,
        options: &ClientOptions,
    ) -> std::result::Result<Self, CreationError> {
        let transport = Transport::new(socket, peer_ip);
        let identity = Identity::new(options.peer_ip.or(transport.peer_ip()));
        let mut connection = Connection::new(options);
        if options.proxy_protocol == ProxyProtocol::Required {
            connection.expect_proxy_header();
        }
        let endpoint = match Endpoint::join(Role::Server, options, connection, identity) {
            Ok(mut endpoint) => {
                endpoint.carrier_mut().open(transport);
                endpoint
            }
            Err(error) => {
                let socket = transport.into_socket();
                return Err(CreationError { error, socket });
            }
        };
        Ok(Self {
            endpoint,
            creation_timestamp: unix_seconds(SystemTime::now()),
        })
    }

    /// Whether the connection is closed on this side. Mirrors `ClientInstance.isClosed`.
    pub fn is_closed(&self) -> bool {
        self.endpoint.carrier().is_closed()
    }

    /// Whether the session has ended, by a failure or because the connection was closed. A
    /// [`Reason::Timeout`](crate::Reason::Timeout) after which it has not can be followed by the
    /// same call again.
    pub fn has_failed(&self) -> bool {
        self.endpoint.has_failed()
    }

    /// How long each operation that begins from now on may take; `None` or zero for as long as it
    /// takes. Mirrors `settimeout` of the socket that `ClientInstance.getSocketDescriptor` gives.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        let timeout = timeout.filter(|timeout| !timeout.is_zero());
        self.endpoint.carrier_mut().set_timeout(timeout);
    }

    /// The descriptor, which stays the client's. Mirrors
    /// `ClientInstance.getSocketDescriptor`.
    pub fn socket_descriptor(&self) -> Option<RawFd> {
        self.endpoint.carrier().descriptor()
    }

    /// The client's IP address as text: IPv4 dotted, IPv6 as in RFC 5952; empty for sockets
    /// of other families. Where a PROXY protocol header is to come, it is the socket's until
    /// then. Mirrors `ClientInstance.getIP`.
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
        self.creation_timestamp
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

    /// The request that was last stored. Mirrors `ClientInstance.getStoredRequest`.
    pub fn stored_request(&self) -> Option<&Arc<Request>> {
        self.endpoint.stored_request()
    }

    /// The errors of the last request, as JSON text, if it was malformed.
    pub fn request_errors(&self) -> Option<&str> {
        self.endpoint.request_errors()
    }

    /// The text of the last request if it was malformed, until the next one is received. Python's
    /// `json` reads it; it may be no strict JSON.
    pub fn malformed_request_json(&self) -> Option<&str> {
        self.endpoint.malformed_request_json()
    }

    pub(crate) fn malformed_request(&self) -> Option<&MalformedRequest> {
        self.endpoint.malformed_request()
    }

    /// Exchanges the keys, the client speaking first or this side. Mirrors
    /// `ClientInstance.exchangeKeys`.
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

    /// Does the private key operation of the key exchange, where that was asked to be
    /// separate and an operation waits for it ([`Interest::Computation`]). How it ended is
    /// told by the operation when it is called again.
    ///
    /// [`Interest::Computation`]: crate::error::Interest::Computation
    pub fn compute(&mut self) -> Result<()> {
        self.endpoint.compute()
    }

    /// Receives a request and, with `store_request`, keeps it too. One that does not fit the
    /// format is [`Reason::MalformedRequest`](crate::Reason::MalformedRequest), its errors are given by
    /// [`request_errors`](Self::request_errors), its text by
    /// [`malformed_request_json`](Self::malformed_request_json), and the session goes on. Mirrors
    /// `ClientInstance.recvRequest`.
    pub fn recv_request(&mut self, store_request: bool) -> Result<Arc<Request>> {
        self.endpoint.recv_request(store_request)
    }

    /// Sends a response. `data_json` is the text of a JSON object; without it the data are
    /// empty. A reason is added to the message. Data that break the response format are
    /// [`Reason::MalformedResponse`](crate::Reason::MalformedResponse), and nothing is sent. There
    /// is one response to each
    /// request that was received, and one may be sent before the first request, as v4 unless the
    /// options name a framing; [`Reason::OutOfTurn`](crate::Reason::OutOfTurn) else.
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

    /// Closes the connection and wipes the keys of the session. Mirrors
    /// `ClientInstance.closeConnection`.
    pub fn close_connection(&mut self) -> Result<()> {
        self.endpoint.close_connection()
    }

    /// Gives the socket back, open. To this instance the connection is closed then. Nothing
    /// that was received is lost: no more is ever read than the message under way.
    pub fn detach(&mut self) -> Option<OwnedFd> {
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

fn unix_seconds(time: SystemTime) -> i64 {
    let seconds = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => seconds(since),
        // A machine without a clock of its own may think that it is before 1970.
        Err(error) => -seconds(error.duration()),
    }
}
