//! `anwdl_client_options_t`: what a client is made with.

use std::borrow::Cow;
use std::ffi::{c_char, c_int};
use std::time::Duration;

use super::aes_wrapper::anwdl_aes_wrapper_t;
use super::error::anwdl_status_t;
use super::rsa_wrapper::anwdl_rsa_wrapper_t;
use super::{
    BooleanByte, Handle, borrow, borrow_mut, give, optional_text, status, status_of_secrets,
    take_back, text, value_or,
};
use crate::endpoint::options::ClientOptions;
use crate::endpoint::proxy_header::ProxyProtocol;
use crate::error::Error;
use crate::protocol::Protocol;

/// How requests and responses are framed on the wire.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_protocol_t {
    /// As an option: whatever the peer speaks (the default). As the state of a client: not known
    /// yet; releases 2 to 4 first show themselves in the first request.
    ANWDL_PROTOCOL_AUTO = 0,
    /// Releases 2.0 and 2.1: AES-CBC with one IV for the whole session.
    ANWDL_PROTOCOL_V2 = 1,
    /// Release 3.1: AES-CBC; each message carries the next IV.
    ANWDL_PROTOCOL_V3 = 2,
    /// Release 4.1: as release 3.1, with an encrypted length.
    ANWDL_PROTOCOL_V4 = 3,
    /// The authenticated framing, AES-256-GCM. No Python release speaks it. Only here is a message
    /// that was changed on its way, and a key exchange that was meddled with, noticed; and only here
    /// does a recording stay secret if the RSA keys become known later.
    ANWDL_PROTOCOL_GCM = 4,
}

/// An [`anwdl_protocol_t`] as C passes it: any number.
pub type ProtocolNumber = c_int;

/// Whether connections begin with a PROXY protocol header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_proxy_protocol_t {
    /// They do not (the default).
    ANWDL_PROXY_PROTOCOL_OFF = 0,
    /// They do, of version 1 or 2. One that does not is refused.
    ANWDL_PROXY_PROTOCOL_REQUIRED = 1,
}

/// An [`anwdl_proxy_protocol_t`] as C passes it: any number.
pub type ProxyProtocolNumber = c_int;

/// Options: a set of values that anwdl_client_new(), anwdl_session_new() and
/// anwdl_client_interface_new() copy.
///
/// What is said of a client here holds for a session and for a client interface as well, and what is
/// said of anwdl_client_X() for the functions of that name of the other two, unless it says
/// otherwise.
///
/// One set can serve for any number of clients. It may be read by many threads at once (by those
/// three functions) as long as none changes it.
pub enum anwdl_client_options_t {}

impl Handle for anwdl_client_options_t {
    type Inner = ClientOptions;
}

impl From<Protocol> for anwdl_protocol_t {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Auto => Self::ANWDL_PROTOCOL_AUTO,
            Protocol::V2 => Self::ANWDL_PROTOCOL_V2,
            Protocol::V3 => Self::ANWDL_PROTOCOL_V3,
            Protocol::V4 => Self::ANWDL_PROTOCOL_V4,
            Protocol::Gcm => Self::ANWDL_PROTOCOL_GCM,
        }
    }
}

/// The options behind `pointer`, or the defaults for NULL.
///
/// # Safety
/// As for [`borrow`].
pub(super) unsafe fn options_or_defaults<'a>(
    pointer: *const anwdl_client_options_t,
) -> Result<Cow<'a, ClientOptions>, Error> {
    if pointer.is_null() {
        return Ok(Cow::Owned(ClientOptions::default()));
    }
    // SAFETY: the caller vouches for it.
    unsafe { borrow(pointer, "options") }.map(Cow::Borrowed)
}

fn protocol_of(number: ProtocolNumber) -> Result<Protocol, Error> {
    [
        Protocol::Auto,
        Protocol::V2,
        Protocol::V3,
        Protocol::V4,
        Protocol::Gcm,
    ]
    .into_iter()
    .find(|&protocol| anwdl_protocol_t::from(protocol) as ProtocolNumber == number)
    .ok_or_else(|| Error::invalid_argument(format!("protocol is {number}, which no framing has")))
}

impl From<ProxyProtocol> for anwdl_proxy_protocol_t {
    fn from(proxy_protocol: ProxyProtocol) -> Self {
        match proxy_protocol {
            ProxyProtocol::Off => Self::ANWDL_PROXY_PROTOCOL_OFF,
            ProxyProtocol::Required => Self::ANWDL_PROXY_PROTOCOL_REQUIRED,
        }
    }
}

fn proxy_protocol_of(number: ProxyProtocolNumber) -> Result<ProxyProtocol, Error> {
    [ProxyProtocol::Off, ProxyProtocol::Required]
        .into_iter()
        .find(|&known| anwdl_proxy_protocol_t::from(known) as ProxyProtocolNumber == number)
        .ok_or_else(|| {
            Error::invalid_argument(format!("proxy_protocol is {number}, which means nothing"))
        })
}

/// Frees a set of options. Clients that were made with it are not affected.
///
/// @param options The options; NULL is fine and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_free(options: *mut anwdl_client_options_t) {
    value_or((), || {
        // SAFETY: the caller passes NULL or options that it owns.
        unsafe { take_back(options) };
        Ok(())
    });
}

/// Makes a set of options, all at their defaults.
///
/// @return The options, to be freed with anwdl_client_options_free(); NULL only after an internal
///   failure (ANWDL_REASON_INTERNAL).
///
/// Python: the default arguments of ClientInstance().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_new() -> *mut anwdl_client_options_t {
    value_or(std::ptr::null_mut(), || Ok(give(ClientOptions::default())))
}

/// Sets how long an operation on the connection may take.
///
/// It is a deadline for the whole operation, counted from the call that begins it, however slowly
/// the peer drips its bytes. A blocking call returns when it has passed; a non-blocking client
/// looks at it each time the operation is called again. anwdl_client_new() with the automatic key
/// exchange counts as one operation, and so does anwdl_client_interface_connect_server(). A session
/// has no clock: to it, the timeout means nothing.
///
/// @param options The options; not NULL.
/// @param milliseconds The timeout in milliseconds; 0 (the default) for none.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL.
///
/// Python: ClientInstance(timeout=...), which is in seconds there, and for each recv() by itself.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_timeout(
    options: *mut anwdl_client_options_t,
    milliseconds: u32,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        let timeout = Duration::from_millis(milliseconds.into());
        options.set_timeout((!timeout.is_zero()).then_some(timeout));
        Ok(())
    })
}

/// Sets the RSA key pair of the clients.
///
/// Without it, all clients of the process share one key pair of 4096 bits, which is made when the
/// first of them needs it; that call then takes seconds.
///
/// @param options The options; not NULL.
/// @param wrapper The wrapper; not NULL. It is copied cheaply: the copies share its local key pair,
///   and the peer's public key is not copied. The caller may change or free it at once. One key
///   pair can serve any number of clients on any number of threads; each client keeps its own
///   peer's key.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options or wrapper is NULL.
///
/// Python: ClientInstance(rsa_wrapper=...).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_rsa_wrapper(
    options: *mut anwdl_client_options_t,
    wrapper: *const anwdl_rsa_wrapper_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        options.set_rsa_wrapper(wrapper);
        Ok(())
    })
}

/// Sets the AES key that the clients begin with.
///
/// Where keys are exchanged, it is the key that this side offers if it sends its AES key first
/// (receive_first is false); if the peer sends first, the peer's key takes its place. Where keys
/// are not exchanged (anwdl_client_options_set_exchange_keys() with false), the session is ready at
/// once under this key, which the peer must have got in some other way.
///
/// The key is for the framings v2 to v4, and in CBC mode. The authenticated framing, which
/// anwdl_client_options_set_protocol() chooses, always exchanges its keys: what was recorded under a
/// key that is used again could be replayed. So a wrapper in GCM mode is refused.
///
/// Without it, each client draws a fresh key if it is the one to decide. Leave it so for peers that may
/// be released ones: they send the key back, so that sessions that share one can be replayed to each other.
///
/// @param options The options; not NULL.
/// @param wrapper The wrapper; not NULL. Key, IV and mode are copied; the caller may change or free
///   it at once.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options or wrapper is NULL, or the
///   wrapper is in GCM mode.
///
/// Python: ClientInstance(aes_wrapper=...).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_aes_wrapper(
    options: *mut anwdl_client_options_t,
    wrapper: *const anwdl_aes_wrapper_t,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        options.set_aes_wrapper(wrapper)
    })
}

/// Sets whether anwdl_client_new() exchanges the keys itself, the peer speaking first, and
/// anwdl_client_interface_connect_server(), this side speaking first.
///
/// Neither does for a non-blocking client or one with a separate computation, and nothing does for a
/// session: call anwdl_client_exchange_keys(), or its four steps.
///
/// @param options The options; not NULL.
/// @param exchange_keys true (the default) to exchange them there.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL.
///
/// Python: ClientInstance(exchange_keys=...).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_exchange_keys(
    options: *mut anwdl_client_options_t,
    exchange_keys: BooleanByte,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        options.set_exchange_keys(exchange_keys != 0);
        Ok(())
    })
}

/// Sets whether an AES key that was received is sent back as it came, as the released Python peers
/// do.
///
/// By default this side answers it with a new key that is derived from it (HKDF-SHA-256, RFC 5869),
/// which every released peer takes. The authenticated framing never sends anything back.
///
/// With true, whoever recorded a session can connect later with a key pair of his own, replay the
/// recorded key, get it back under his own key, and read the recording; whoever holds only the public
/// key of a pinned peer that speaks first passes for that peer; and recorded requests can be replayed.
/// Set it only to replay recordings, or for a peer that insists on its own key.
///
/// @param options The options; not NULL.
/// @param key_echo true to send received keys back; false (the default) to answer with a new one.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_key_echo(
    options: *mut anwdl_client_options_t,
    key_echo: BooleanByte,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        options.set_key_echo(key_echo != 0);
        Ok(())
    })
}

/// Sets whether calls that would have to wait for the peer return ANWDL_WANT_READ or
/// ANWDL_WANT_WRITE instead.
///
/// The flags of the descriptor are never changed and do not matter: a blocking client works on a
/// descriptor with O_NONBLOCK set, and a non-blocking one without it. A session never waits, whatever
/// is set here.
///
/// @param options The options; not NULL.
/// @param non_blocking true to return instead of waiting; false (the default) to wait.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL.
///
/// Python: none; its sockets always block.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_non_blocking(
    options: *mut anwdl_client_options_t,
    non_blocking: BooleanByte,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        options.set_non_blocking(non_blocking != 0);
        Ok(())
    })
}

/// Sets the only framing that the clients accept.
///
/// A peer that speaks another one is refused, with ANWDL_REASON_PROTOCOL_MISMATCH: in the key
/// exchange where its secret already shows it (the authenticated framing against all others), else
/// at its first request. With ANWDL_PROTOCOL_GCM, nobody on the path can read or alter a message
/// unnoticed, provided the peer knows this side's fingerprint.
///
/// To the side that connects, this is the framing that it speaks, and ANWDL_PROTOCOL_AUTO means
/// ANWDL_PROTOCOL_V4, unless the server sends its secret first and chooses the authenticated framing.
///
/// @param options The options; not NULL.
/// @param protocol ANWDL_PROTOCOL_AUTO (the default) to accept all, or one of the others.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL, or protocol is an
///   unknown number.
///
/// Python: none; each release speaks one framing.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_protocol(
    options: *mut anwdl_client_options_t,
    protocol: ProtocolNumber,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        options.set_protocol(protocol_of(protocol)?);
        Ok(())
    })
}

/// Sets how long a request, or a response to this side, may be.
///
/// A peer that announces a longer one is refused before anything is received or allocated for it,
/// with ANWDL_REASON_MESSAGE_TOO_LARGE.
///
/// @param options The options; not NULL.
/// @param bytes The limit in bytes of JSON text (rounded up to whole cipher blocks), from 1 to
///   99999999. The default is 1048576 (1 MiB).
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL, or bytes is out of
///   range.
///
/// Python: none; there is no limit.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_max_message_size(
    options: *mut anwdl_client_options_t,
    bytes: usize,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        options.set_max_message_size(bytes)
    })
}

/// Sets the IP address that the clients are said to have, in place of the address of the socket's
/// peer.
///
/// It is what anwdl_client_get_ip() returns and what anwdl_client_get_id() is computed from: for a
/// server behind a proxy that reports the true address in some way of its own (for the usual one see
/// anwdl_client_options_set_proxy_protocol()), or on a Unix socket. It belongs to one
/// peer, so such options serve for one client.
///
/// @param options The options; not NULL.
/// @param ip An IPv4 or IPv6 address as text, the latter with or without a zone
///   ("fe80::1%eth0"); not NULL. It is copied, in the form that anwdl_client_get_ip() describes.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options or ip is NULL, or ip is not
///   UTF-8 or no IP address.
///
/// Python: none.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_peer_ip(
    options: *mut anwdl_client_options_t,
    ip: *const c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        // SAFETY: the caller passes NULL or a string.
        let ip = unsafe { text(ip, "ip") }?;
        options.set_peer_ip(ip)
    })
}

/// Sets whether the connections of the clients begin with a PROXY protocol header: for a server behind
/// a proxy that sends one (HAProxy's "send-proxy" and "send-proxy-v2", and many others).
///
/// The header is received at the beginning of the client's first operation, whichever that is, and
/// within its timeout; anwdl_client_new() with the automatic key exchange is such an operation. Not
/// one byte of what follows the header is taken with it. From then on anwdl_client_get_ip() and
/// anwdl_client_get_id() tell of the address in the header; "" if that is of a Unix socket. Before,
/// and after a header that names no client (LOCAL in version 2, as proxies send it for checks of
/// their own; UNKNOWN in version 1), they tell of the socket's. What
/// anwdl_client_options_set_peer_ip() gave has precedence over both. The additions of version 2
/// (TLVs) are skipped.
///
/// A connection that begins with anything else, or with a header that is malformed or too long
/// (more than 107 bytes in version 1, or 4096 behind the first 16 in version 2), is refused with
/// ANWDL_REASON_BAD_PROXY_HEADER: nothing is sent to it, and the session has ended. One that stays
/// silent, or ends, is a timeout or a closed connection as in any other operation.
///
/// Nothing proves what a header tells: with this option, nobody but the proxy may be able to connect
/// to the server, or everybody can claim any address.
///
/// To a session, which has no connection, and to a client interface this means nothing.
///
/// @param options The options; not NULL.
/// @param proxy_protocol ANWDL_PROXY_PROTOCOL_OFF (the default) or ANWDL_PROXY_PROTOCOL_REQUIRED.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL, or proxy_protocol is an
///   unknown number.
///
/// Python: none.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_proxy_protocol(
    options: *mut anwdl_client_options_t,
    proxy_protocol: ProxyProtocolNumber,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        options.set_proxy_protocol(proxy_protocol_of(proxy_protocol)?);
        Ok(())
    })
}

/// Sets whether the private key operation of the key exchange is left to the caller.
///
/// It takes milliseconds, for which an event loop would stand still. With true, an exchange returns
/// ANWDL_WANT_COMPUTATION when the operation is due. The caller then has anwdl_client_compute()
/// called on whatever thread it likes, while no other call uses the client, and calls the exchange
/// again afterwards. If the peer chose the authenticated framing, a second, shorter computation
/// follows: do the same again. This holds for blocking clients as well.
///
/// A client that was given no RSA wrapper makes its key pair, or waits for it, when it begins to
/// exchange the keys, and that takes longer still: give it one.
///
/// @param options The options; not NULL.
/// @param separate_computation true to leave it to the caller; false (the default) to do it within
///   the exchange.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL.
///
/// Python: none.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_separate_computation(
    options: *mut anwdl_client_options_t,
    separate_computation: BooleanByte,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        options.set_separate_computation(separate_computation != 0);
        Ok(())
    })
}

/// Sets the fingerprint of the only public RSA key that is accepted from the peer.
///
/// Another key is refused with ANWDL_REASON_FINGERPRINT_MISMATCH, before this side sends any secret.
/// It counts in a key exchange only. For the side that connects, this is what keeps others from
/// passing for the server; a server can pin a client in the same way.
///
/// If the peer speaks first (receive_first is true), the exchange succeeds before the peer has shown
/// that it owns the key: only its first message does. Do nothing on its behalf until one was received.
///
/// @param options The options; not NULL.
/// @param hex The fingerprint, 64 hexadecimal digits of either case, as
///   anwdl_rsa_wrapper_get_fingerprint() and the Python client show it. It is copied. NULL (the
///   default) to accept every key.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: options is NULL, or hex is something else
///   than 64 hexadecimal digits.
///
/// Python: none; its client shows the fingerprint and asks the user.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_expected_fingerprint(
    options: *mut anwdl_client_options_t,
    hex: *const c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or options that it owns.
        let options = unsafe { borrow_mut(options, "options") }?;
        // SAFETY: the caller passes NULL or a string.
        let hex = unsafe { optional_text(hex, "hex") }?;
        options.set_expected_fingerprint(hex)
    })
}
