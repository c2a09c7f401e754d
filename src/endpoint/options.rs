//! [`ClientOptions`]: how an endpoint is made.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::deadline::Limits;
use super::proxy_header::ProxyProtocol;
use crate::crypto::{AesWrapper, RsaWrapper};
use crate::error::{Error, Result, excerpt};
use crate::protocol::session::{Config, check_session_key};
use crate::protocol::{MAX_MESSAGE_SIZE, Protocol, Role};

/// The size of a fingerprint in bytes.
const FINGERPRINT_SIZE: usize = 32;

/// Options of a [`ClientInstance`](crate::ClientInstance). The defaults are those of the Python
/// server.
#[derive(Clone)]
pub struct ClientOptions {
    timeout: Option<Duration>,
    idle_timeout: Option<Option<Duration>>,
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
            idle_timeout: None,
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
    /// How long each operation may take in all; `None`, the default, or zero for no limit.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout.filter(|timeout| !timeout.is_zero());
    }

    /// How long `next_event` waits for the peer to begin its next message; `None` or zero for no
    /// limit. By default as long as the timeout.
    pub fn set_idle_timeout(&mut self, idle_timeout: Option<Duration>) {
        self.idle_timeout = Some(idle_timeout.filter(|timeout| !timeout.is_zero()));
    }

    /// This side's RSA keys, which are shared, not copied. By default all clients of the process
    /// share a key pair of 4096 bits, generated when it is first needed.
    pub fn set_rsa_wrapper(&mut self, wrapper: &RsaWrapper) {
        self.rsa_wrapper = Some(wrapper.local_keys());
    }

    /// The AES key that this side sends if it sends its own first or, if no keys are exchanged, the
    /// key of the session: for v2, v3 and v4, and in CBC mode. GCM mode is
    /// [`Reason::InvalidArgument`](crate::Reason::InvalidArgument): a gcm session always exchanges
    /// its keys, because recordings under a reused key could be replayed.
    pub fn set_aes_wrapper(&mut self, wrapper: &AesWrapper) -> Result<()> {
        check_session_key(wrapper)?;
        self.aes_wrapper = Some(wrapper.clone());
        Ok(())
    }

    /// Whether creation exchanges the keys, with the client speaking first; default true. A
    /// non-blocking client exchanges them only when asked to.
    pub fn set_exchange_keys(&mut self, exchange_keys: bool) {
        self.exchange_keys = exchange_keys;
    }

    /// Whether this side sends a received AES key back unchanged, as the released peers do; default
    /// false: it answers with a new key that is derived from it, which all released peers accept.
    ///
    /// If true, someone who recorded a session of v2, v3 or v4 can connect with a key pair of their
    /// own, replay the recorded key, get it back under their own key, and read the recording;
    /// someone who holds only the public key of a pinned peer that speaks first can pass for that
    /// peer; and recorded requests can be replayed. Set it only to replay recordings, or for a peer
    /// that insists on its own key.
    pub fn set_key_echo(&mut self, key_echo: bool) {
        self.key_echo = key_echo;
    }

    /// Whether calls return [`Error::WouldBlock`] instead of waiting; default false.
    pub fn set_non_blocking(&mut self, non_blocking: bool) {
        self.non_blocking = non_blocking;
    }

    /// The only framing to accept; by default any.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// The longest request to accept, in bytes of JSON text: 1 to 99,999,999; default 1 MiB.
    /// AES-CBC rounds lengths up to whole blocks, so up to 15 bytes more are accepted.
    pub fn set_max_message_size(&mut self, bytes: usize) -> Result<()> {
        if !(1..=MAX_MESSAGE_SIZE).contains(&bytes) {
            return Err(Error::invalid_argument(format!(
                "bytes is {bytes}; it is 1 to {MAX_MESSAGE_SIZE}"
            )));
        }
        self.max_message_size = bytes;
        Ok(())
    }

    /// The client's IP address if the socket is a proxy's. The zone of an IPv6 address, as in
    /// `fe80::1%eth0`, is dropped. `None`, the default, for that of the socket.
    pub fn set_peer_ip<'a>(&mut self, ip: impl Into<Option<&'a str>>) -> Result<()> {
        let Some(ip) = ip.into() else {
            self.peer_ip = None;
            return Ok(());
        };
        let address = parse_ip(ip).ok_or_else(|| {
            Error::invalid_argument(format!(
                "ip is {:?}, which is not an IPv4 or IPv6 address",
                excerpt(ip)
            ))
        })?;
        self.peer_ip = Some(address.to_canonical());
        Ok(())
    }

    /// Whether the connection of a [`ClientInstance`](crate::ClientInstance) begins with a PROXY
    /// protocol header. The first operation receives it, within its timeout. From then on the
    /// client's address is the one in the header; a header without one (`LOCAL`, `UNKNOWN`) leaves
    /// that of the socket. [`set_peer_ip`](Self::set_peer_ip) takes precedence. Anything else at
    /// the start of a connection is refused with
    /// [`Reason::BadProxyHeader`](crate::Reason::BadProxyHeader), and nothing is sent.
    ///
    /// Nothing proves what a header says: make sure that only the proxy can connect.
    pub fn set_proxy_protocol(&mut self, proxy_protocol: ProxyProtocol) {
        self.proxy_protocol = proxy_protocol;
    }

    /// Whether the private key operation of a key exchange, which takes milliseconds, is left to
    /// [`ClientInstance::compute`](crate::ClientInstance::compute), so that it can run on another
    /// thread; default false. Keys are then exchanged only when asked for.
    pub fn set_separate_computation(&mut self, separate_computation: bool) {
        self.separate_computation = separate_computation;
    }

    /// The fingerprint of the only public key to accept from the peer: 64 hexadecimal digits, as
    /// [`RsaWrapper::fingerprint`] returns them; `None`, the default, for any key. Another key is
    /// refused with [`Reason::FingerprintMismatch`](crate::Reason::FingerprintMismatch) before this
    /// side sends any secret. If the peer speaks first, only its first message shows that it owns
    /// the key, not the exchange.
    pub fn set_expected_fingerprint(&mut self, hex: Option<&str>) -> Result<()> {
        self.expected_fingerprint = match hex {
            None => None,
            Some(hex) => Some(parse_fingerprint(hex).ok_or_else(|| {
                Error::invalid_argument("hex is not a fingerprint, which has 64 hexadecimal digits")
            })?),
        };
        Ok(())
    }

    pub(crate) fn session_config(&self, role: Role) -> Config {
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

    pub(crate) fn proxy_protocol(&self) -> ProxyProtocol {
        self.proxy_protocol
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            timeout: self.timeout,
            idle_timeout: self.idle_timeout,
        }
    }

    pub(crate) fn non_blocking(&self) -> bool {
        self.non_blocking
    }

    /// Whether creation exchanges the keys: only if that needs no other call in between.
    pub(crate) fn exchanges_keys_at_creation(&self) -> bool {
        self.exchange_keys && !self.non_blocking && !self.separate_computation
    }
}

/// Parses an address as `getnameinfo()` writes it: a link-local one ends with its zone.
fn parse_ip(text: &str) -> Option<IpAddr> {
    match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => {
            address.parse::<Ipv6Addr>().ok().map(IpAddr::from)
        }
        _ => text.parse().ok(),
    }
}

fn parse_fingerprint(hex: &str) -> Option<[u8; FINGERPRINT_SIZE]> {
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
            .field("idle_timeout", &self.idle_timeout)
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
