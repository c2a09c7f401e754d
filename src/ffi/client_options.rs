//! `anwdl_client_options_t`: the options of a client.

use std::borrow::Cow;
use std::ffi::{c_char, c_int};
use std::time::Duration;

use super::aes_wrapper::anwdl_aes_wrapper_t;
use super::error::anwdl_status_t;
use super::rsa_wrapper::anwdl_rsa_wrapper_t;
use super::{
    BooleanByte, Handle, borrow, change, create, free, into_raw, optional_text, value_or,
    wiping_keys,
};
use crate::endpoint::options::ClientOptions;
use crate::endpoint::proxy_header::ProxyProtocol;
use crate::error::Error;
use crate::protocol::Protocol;

/// How requests and responses are framed on the wire.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_protocol_t {
    /// As an option: whatever the peer speaks (the default). As a result: not known yet; releases 2 to 4 can
    /// first be told apart by the first request.
    ANWDL_PROTOCOL_AUTO = 0,
    /// Releases 2.0 and 2.1: AES-CBC with one IV for the whole session.
    ANWDL_PROTOCOL_V2 = 1,
    /// Release 3.1: AES-CBC; each message carries the next IV.
    ANWDL_PROTOCOL_V3 = 2,
    /// Release 4.1: as release 3.1, with an encrypted length.
    ANWDL_PROTOCOL_V4 = 3,
    /// The authenticated framing, AES-256-GCM, which no Python release speaks. Only this one detects changed
    /// messages and a tampered key exchange, and keeps recordings secret if the RSA keys become known later.
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
    /// They do, in version 1 or 2. Connections without one are refused.
    ANWDL_PROXY_PROTOCOL_REQUIRED = 1,
}

/// An [`anwdl_proxy_protocol_t`] as C passes it: any number.
pub type ProxyProtocolNumber = c_int;

/// Options, which anwdl_client_new(), anwdl_session_new() and anwdl_client_interface_new() copy. One set can
/// serve any number of clients. In their documentation, "client" also means sessions and client interfaces, and
/// anwdl_client_X() also means their functions of that name, unless it says otherwise.
pub enum anwdl_client_options_t {}

impl Handle for anwdl_client_options_t {
    type Inner = ClientOptions;
    const NAME: &'static str = "options";
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
    // SAFETY: the caller guarantees it.
    unsafe { borrow(pointer, "options") }.map(Cow::Borrowed)
}

/// The body of a setter that cannot fail.
///
/// # Safety
/// As for [`change`].
unsafe fn set(
    options: *mut anwdl_client_options_t,
    set: impl FnOnce(&mut ClientOptions),
) -> anwdl_status_t {
    // SAFETY: the caller guarantees it.
    unsafe {
        change(options, |options| {
            set(options);
            Ok(())
        })
    }
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
    .ok_or_else(|| Error::invalid_argument(format!("protocol is {number}, which is not a framing")))
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

/// Frees options. Clients that were made with them are not affected.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_free(options: *mut anwdl_client_options_t) {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { free(options) }
}

/// Makes a set of options, all at their defaults. Python: the default arguments of ClientInstance().
/// @return The options, to be freed with anwdl_client_options_free(); NULL only with ANWDL_REASON_INTERNAL.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_new() -> *mut anwdl_client_options_t {
    value_or(std::ptr::null_mut(), || {
        Ok(into_raw(ClientOptions::default()))
    })
}

/// Copies a set of options. The copy shares the RSA key pair, and nothing else. Python: copy.copy().
/// @param out_options Where to write the copy, to be freed with anwdl_client_options_free().
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_copy(
    options: *const anwdl_client_options_t,
    out_options: *mut *mut anwdl_client_options_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        create((out_options, "out_options"), || {
            Ok(borrow(options, "options")?.clone())
        })
    })
}

/// Sets how long an operation may take: a deadline for the whole operation, counted from the call that begins
/// it, however slowly the peer sends its bytes. A blocking call returns when it has passed; a non-blocking
/// client checks it whenever the operation is called again. anwdl_client_new() with the automatic key exchange
/// is one operation, and so is anwdl_client_interface_connect_server(). A session takes the time from
/// anwdl_session_set_time(). Python: ClientInstance(timeout=...), in seconds, and for each recv().
/// @param milliseconds The timeout in milliseconds; 0 (the default) for none.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_timeout(
    options: *mut anwdl_client_options_t,
    milliseconds: u32,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        set(options, |options| {
            options.set_timeout(Some(Duration::from_millis(milliseconds.into())))
        })
    }
}

/// Sets how long anwdl_client_next_event() and anwdl_session_next_event() wait for the first byte of a request.
/// From then on the timeout counts. All other functions ignore the idle timeout, and so does an operation that
/// anwdl_client_recv_request() or anwdl_session_recv_request() began. Python: none.
/// @param milliseconds The idle timeout in milliseconds; 0 for none. By default it is as long as the timeout.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_idle_timeout(
    options: *mut anwdl_client_options_t,
    milliseconds: u32,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        set(options, |options| {
            options.set_idle_timeout(Some(Duration::from_millis(milliseconds.into())))
        })
    }
}

/// Sets the RSA key pair of the clients. Without it, all clients of the process share one key pair of 4096
/// bits, which is made when the first of them needs it; that call takes seconds.
/// Python: ClientInstance(rsa_wrapper=...).
/// @param wrapper The wrapper. Its local key pair is shared, not copied; its peer's key is ignored, as each
///   client receives its own.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_rsa_wrapper(
    options: *mut anwdl_client_options_t,
    wrapper: *const anwdl_rsa_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(options, |options| {
            options.set_rsa_wrapper(borrow(wrapper, "wrapper")?);
            Ok(())
        })
    }
}

/// Sets the AES key that the clients begin with, for the framings v2 to v4. Where keys are exchanged, this
/// side offers it if it sends its AES key first (receive_first is false); if the peer sends first, the peer's
/// key takes its place. Where keys are not exchanged (anwdl_client_options_set_exchange_keys()), the session
/// is ready at once under this key, which the peer must have received in some other way.
///
/// Without it, a client that sends its key first draws a fresh one. Leave it so for peers that may be
/// released ones: they send the key back, and sessions that share a key can be replayed to each other. The
/// authenticated framing takes no key: recordings under a key that is used again could be replayed.
/// Python: ClientInstance(aes_wrapper=...).
///
/// @param wrapper The wrapper, in CBC mode; GCM is ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_aes_wrapper(
    options: *mut anwdl_client_options_t,
    wrapper: *const anwdl_aes_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        change(options, |options| {
            options.set_aes_wrapper(borrow(wrapper, "wrapper")?)
        })
    })
}

/// Sets whether anwdl_client_new() exchanges the keys, the peer speaking first, and
/// anwdl_client_interface_connect_server(), this side speaking first. Neither does so for a non-blocking
/// client or with a separate computation, and a session never does it by itself: call
/// anwdl_client_exchange_keys() or its four steps. Python: ClientInstance(exchange_keys=...).
/// @param exchange_keys true (the default) to exchange them there.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_exchange_keys(
    options: *mut anwdl_client_options_t,
    exchange_keys: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        set(options, |options| {
            options.set_exchange_keys(exchange_keys != 0)
        })
    }
}

/// Sets whether a received AES key is sent back unchanged, as the released Python peers do. By default this
/// side answers with a new key that is derived from it (HKDF-SHA-256, RFC 5869), which every released peer
/// accepts. The authenticated framing never sends a key back.
///
/// With true, someone who recorded a session can connect later with a key pair of their own, replay the
/// recorded key, get it back under their own key, and read the recording; someone who holds only the public
/// key of a pinned peer that speaks first can pass for that peer; and recorded requests can be replayed. Set
/// it only to replay recordings, or for a peer that insists on its own key.
///
/// @param key_echo true to send received keys back; false (the default) to answer with a new one.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_key_echo(
    options: *mut anwdl_client_options_t,
    key_echo: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { set(options, |options| options.set_key_echo(key_echo != 0)) }
}

/// Sets whether operations return ANWDL_WANT_READ or ANWDL_WANT_WRITE instead of waiting, to connect included.
/// The flags of the descriptor do not matter and are never changed. A session never waits.
/// @param non_blocking true to return; false (the default) to wait.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_non_blocking(
    options: *mut anwdl_client_options_t,
    non_blocking: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        set(options, |options| {
            options.set_non_blocking(non_blocking != 0)
        })
    }
}

/// Sets the only framing that the clients accept. A peer that speaks another one is refused with
/// ANWDL_REASON_PROTOCOL_MISMATCH: in the key exchange if its secret shows the framing (the authenticated one
/// against all others), otherwise at its first request. With ANWDL_PROTOCOL_GCM nobody on the path can read
/// or change a message unnoticed, provided that the peer knows this side's fingerprint.
///
/// The side that connects speaks this framing; to it, ANWDL_PROTOCOL_AUTO means ANWDL_PROTOCOL_V4, unless the
/// server sends its secret first and chooses the authenticated framing.
///
/// @param protocol ANWDL_PROTOCOL_AUTO (the default) to accept all, or one of the others.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_protocol(
    options: *mut anwdl_client_options_t,
    protocol: ProtocolNumber,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(options, |options| {
            options.set_protocol(protocol_of(protocol)?);
            Ok(())
        })
    }
}

/// Sets how long a received request or response may be. A peer that announces more is refused with
/// ANWDL_REASON_MESSAGE_TOO_LARGE, before anything is received or allocated for it.
/// @param bytes The limit in bytes of JSON text (rounded up to whole cipher blocks), 1 to 99999999; 1048576
///   (1 MiB) by default. Others are ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_max_message_size(
    options: *mut anwdl_client_options_t,
    bytes: usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { change(options, |options| options.set_max_message_size(bytes)) }
}

/// Sets the IP address that anwdl_client_get_ip() returns and that anwdl_client_get_id() is computed from, in
/// place of the address of the socket's peer: for Unix sockets, and for proxies that pass the address on
/// without the PROXY protocol (for that, see anwdl_client_options_set_proxy_protocol()). Such options serve one
/// client.
/// @param ip An IPv4 or IPv6 address, the latter with or without a zone ("fe80::1%eth0"); NULL (the default)
///   for that of the socket. Anything else is ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_peer_ip(
    options: *mut anwdl_client_options_t,
    ip: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(options, |options| {
            options.set_peer_ip(optional_text(ip, "ip")?)
        })
    }
}

/// Sets whether connections begin with a PROXY protocol header, as HAProxy ("send-proxy", "send-proxy-v2")
/// and other proxies send it. Sessions and client interfaces ignore this.
///
/// The first operation of the client receives the header, within its timeout, and not one byte beyond it.
/// From then on anwdl_client_get_ip() and anwdl_client_get_id() report the address in the header ("" for a
/// Unix socket). Before, and after a header without a client (LOCAL in version 2, UNKNOWN in version 1), they
/// report the socket's. anwdl_client_options_set_peer_ip() takes precedence over both. Additions of version 2
/// (TLVs) are skipped.
///
/// Where anwdl_client_next_event() waits for a request, the timeout counts from the first byte of the header to
/// its last; before and after, the idle timeout counts, as if there were no header.
///
/// A connection that begins with anything else, or with a malformed or too long header (more than 107 bytes
/// in version 1, 4096 after the first 16 in version 2), is refused with ANWDL_REASON_BAD_PROXY_HEADER:
/// nothing is sent, and the session has ended.
///
/// Nothing proves what a header says: make sure that only the proxy can connect to the server, or anyone can
/// claim any address.
///
/// @param proxy_protocol ANWDL_PROXY_PROTOCOL_OFF (the default) or ANWDL_PROXY_PROTOCOL_REQUIRED.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_proxy_protocol(
    options: *mut anwdl_client_options_t,
    proxy_protocol: ProxyProtocolNumber,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(options, |options| {
            options.set_proxy_protocol(proxy_protocol_of(proxy_protocol)?);
            Ok(())
        })
    }
}

/// Sets whether the private key operation of the key exchange, which takes milliseconds, is left to the
/// caller. With true, an exchange returns ANWDL_WANT_COMPUTATION when it is due, from blocking clients too.
/// Then call anwdl_client_compute() on any thread, while no other call uses the client, and call the exchange
/// again. If the peer chose the authenticated framing, a second, shorter computation follows: do the same
/// again.
///
/// Set an RSA wrapper as well: without one, the client makes the key pair of the process, or waits for it,
/// when it begins the exchange.
///
/// @param separate_computation true to leave it to the caller; false (the default) to do it in the exchange.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_separate_computation(
    options: *mut anwdl_client_options_t,
    separate_computation: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        set(options, |options| {
            options.set_separate_computation(separate_computation != 0)
        })
    }
}

/// Sets the fingerprint of the only RSA public key that is accepted from the peer in a key exchange. Another
/// key is refused with ANWDL_REASON_FINGERPRINT_MISMATCH, before this side sends any secret. This keeps
/// others from passing for the server; a server can pin a client in the same way.
///
/// A successful exchange shows that the peer owns the key only in v2, v3 and v4, and only if this side spoke
/// first. In the authenticated framing, or if the peer spoke first (receive_first is true), only its first
/// message shows that. Do nothing on its behalf until then. Python: none; its client shows the fingerprint and
/// asks the user.
///
/// @param hex 64 hexadecimal digits of either case, as from anwdl_rsa_wrapper_get_fingerprint(); NULL (the
///   default) to accept every key. Anything else is ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_options_set_expected_fingerprint(
    options: *mut anwdl_client_options_t,
    hex: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(options, |options| {
            options.set_expected_fingerprint(optional_text(hex, "hex")?)
        })
    }
}

/// The name of a framing, for logs.
/// @param protocol Any number.
/// @return The name, such as "V4" for ANWDL_PROTOCOL_V4, as anwdl_error_reason_name(). Never NULL; a
///   constant.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_protocol_name(protocol: ProtocolNumber) -> *const c_char {
    value_or(c"UNKNOWN".as_ptr(), || {
        let name = protocol_of(protocol).map_or(c"UNKNOWN", |protocol| match protocol {
            Protocol::Auto => c"AUTO",
            Protocol::V2 => c"V2",
            Protocol::V3 => c"V3",
            Protocol::V4 => c"V4",
            Protocol::Gcm => c"GCM",
        });
        Ok(name.as_ptr())
    })
}
