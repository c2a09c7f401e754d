//! `anwdl_client_t`: a connected client.

use std::ffi::{c_char, c_int};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use super::aes_wrapper::anwdl_aes_wrapper_t;
use super::client_options::{anwdl_client_options_t, anwdl_protocol_t, options_or_defaults};
use super::error::anwdl_status_t;
use super::request::{anwdl_request_t, share};
use super::rsa_wrapper::anwdl_rsa_wrapper_t;
use super::{
    BooleanByte, Guarded, Handle, borrow, borrow_mut, give, lend, optional_text, output, status,
    status_of_secrets, take_back, text, value_or,
};
use crate::client::ClientInstance;
use crate::endpoint::transport::socket::check_descriptor;
use crate::error::{Error, Reason};

/// A connected client: the Python ClientInstance.
///
/// It may be used by one thread at a time, whichever that is.
pub enum anwdl_client_t {}

impl Handle for anwdl_client_t {
    type Inner = Client;
}

/// A client that refuses to go on after a panic.
pub(super) struct Client {
    guarded: Guarded<ClientInstance>,
}

impl Client {
    fn new(instance: ClientInstance) -> Self {
        Self {
            guarded: Guarded::new(instance),
        }
    }

    fn instance(&self) -> &ClientInstance {
        &self.guarded.inner
    }

    /// Runs an operation that moves the session.
    pub(super) fn operate<T>(
        &mut self,
        operation: impl FnOnce(&mut ClientInstance) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.guarded.operate(operation)
    }
}

/// Makes a client from a connected socket, as accept() returns it.
///
/// Unless the options say otherwise, the call exchanges the keys before it returns, the peer
/// speaking first. It never does so for a non-blocking client or one with a separate computation,
/// and so never returns ANWDL_WANT_READ, ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION.
///
/// The flags of the descriptor are not changed. Of its options, SO_RCVLOWAT becomes 1 and, on a TCP
/// socket, TCP_NODELAY is set and TCP_CORK (Linux) cleared, so that no piece of the protocol waits for
/// the next. TCP_QUICKACK (Linux) is set twice while the keys are exchanged. All others hold as the
/// caller set them.
///
/// @param fd A connected stream socket. With ANWDL_OK it belongs to the client, which closes it; do
///   not use or close it otherwise from then on. After every failure it still belongs to the caller
///   and is open.
/// @param options The options, copied; NULL for the defaults.
/// @param out_client Where to write the client, to be freed with anwdl_client_free(); not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_client is NULL.
///   ANWDL_REASON_INVALID_DESCRIPTOR. If keys are exchanged, also those of
///   anwdl_client_exchange_keys().
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED, ANWDL_REASON_RANDOM_FAILED. If keys are
///   exchanged, also those of anwdl_client_exchange_keys().
///
/// Python: ClientInstance(socket, timeout, rsa_wrapper, aes_wrapper, exchange_keys).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_new(
    fd: c_int,
    options: *const anwdl_client_options_t,
    out_client: *mut *mut anwdl_client_t,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a place for the client.
        let out_client = unsafe { output(out_client, "out_client") }?;
        // SAFETY: the caller passes NULL or live options.
        let options = unsafe { options_or_defaults(options) }?;
        let peer_ip = check_descriptor(fd)?;
        // SAFETY: the descriptor is open, and the caller hands it over.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let instance = match ClientInstance::from_checked(socket, peer_ip, &options) {
            Ok(instance) => instance,
            Err(refusal) => {
                leave_open(Some(refusal.socket));
                return Err(refusal.error);
            }
        };
        let mut client = Client::new(instance);
        if options.exchanges_at_once() {
            // A panic would close the descriptor on its way out, and the caller once more.
            let exchange = AssertUnwindSafe(|| client.operate(|inner| inner.exchange_keys(true)));
            let exchanged = catch_unwind(exchange);
            if !matches!(exchanged, Ok(Ok(()))) {
                leave_open(client.guarded.inner.detach());
            }
            exchanged.unwrap_or_else(|panic| resume_unwind(panic))?;
        }
        out_client.set(give(client));
        Ok(())
    })
}

/// Lets go of a descriptor that is the caller's.
fn leave_open(socket: Option<OwnedFd>) {
    if let Some(socket) = socket {
        let _ = socket.into_raw_fd();
    }
}

/// Closes the connection if it is open, wipes the keys and frees the client.
///
/// Everything borrowed from the client ends with it. Requests that anwdl_client_recv_request()
/// returned through out_request do not.
///
/// @param client The client; NULL is fine and does nothing.
///
/// Python: del.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_free(client: *mut anwdl_client_t) {
    value_or((), || {
        // SAFETY: the caller passes NULL or a client that it owns.
        unsafe { take_back(client) };
        Ok(())
    });
}

/// Closes the connection. The client stays, and must still be freed.
///
/// @param client The client; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED: it is closed, or detached, already.
///
/// Python: ClientInstance.closeConnection().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_close_connection(
    client: *mut anwdl_client_t,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        client.guarded.inner.close_connection()
    })
}

/// Gives the descriptor back to the caller, unclosed. From then on the client counts as closed; it
/// must still be freed.
///
/// Nothing that the peer has sent is lost if no operation is under way: the library does not read
/// beyond the message that it receives.
///
/// @param client The client; not NULL.
///
/// @return The descriptor, which the caller closes from now on. -1 if the client is closed or
///   detached already (ANWDL_REASON_CLOSED), or client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: socket.detach().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_detach(client: *mut anwdl_client_t) -> c_int {
    value_or(-1, || {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        match client.guarded.inner.detach() {
            Some(socket) => Ok(socket.into_raw_fd()),
            None => Err(Error::new(
                Reason::Closed,
                "the client is closed: it has no descriptor to give back",
            )),
        }
    })
}

/// Tells whether the client was closed or detached on this side.
///
/// It does not notice that the peer has closed: the next operation does.
///
/// @param client The client; not NULL.
///
/// @return true after anwdl_client_close_connection() or anwdl_client_detach(), else false; false
///   as well if client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.isClosed().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_is_closed(client: *const anwdl_client_t) -> bool {
    value_or(false, || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        Ok(client.instance().is_closed())
    })
}

/// Tells whether the session has ended, by a failure or because the connection was closed or
/// detached.
///
/// Asked after a failure, it tells whether the client is still of use: after ANWDL_REASON_TIMEOUT
/// before any byte has moved, say, the same call can be repeated; after one in the midst of a message
/// the session has ended.
///
/// @param client The client; not NULL.
///
/// @return true if nothing is left but to close and free the client, else false; false as well if
///   client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: none; there, a socket that failed is told from a sound one by trying again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_has_failed(client: *const anwdl_client_t) -> bool {
    value_or(false, || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        Ok(client.guarded.broken || client.instance().has_failed())
    })
}

/// Changes how long an operation on the connection may take.
///
/// It holds for the operations that begin after the call; one that is under way in a non-blocking
/// client keeps its deadline. What a timeout is, is said at anwdl_client_options_set_timeout().
///
/// @param client The client; not NULL.
/// @param milliseconds The timeout in milliseconds; 0 for none.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
///
/// Python: ClientInstance.getSocketDescriptor().settimeout(), in seconds there, and for each
/// recv() by itself.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_set_timeout(
    client: *mut anwdl_client_t,
    milliseconds: u32,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        let timeout = Duration::from_millis(milliseconds.into());
        client.guarded.inner.set_timeout(Some(timeout));
        Ok(())
    })
}

/// The descriptor of the connection, for poll(), epoll and the like.
///
/// It stays the client's: do not close it, and do not read from it or write to it.
///
/// @param client The client; not NULL.
///
/// @return The descriptor; -1 if the client is closed, which is no failure: the last error stays as
///   it was. -1 as well if client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.getSocketDescriptor().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_socket_descriptor(
    client: *const anwdl_client_t,
) -> c_int {
    value_or(-1, || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        Ok(client.instance().socket_descriptor().unwrap_or(-1))
    })
}

/// The IP address of the peer as text.
///
/// IPv4 is dotted ("192.0.2.1"), also where it came mapped into IPv6; IPv6 is in the form of RFC
/// 5952 ("2001:db8::1"), without a zone. What anwdl_client_options_set_peer_ip() gave takes its
/// place. For sockets
/// of another family, a Unix socket for example, it is "" otherwise.
///
/// Where a PROXY protocol header is to come (anwdl_client_options_set_proxy_protocol()), it is the
/// address of the socket's peer, the proxy, until the first operation has received the header; ask
/// again then. A text from before stays valid, and as it was.
///
/// @param client The client; not NULL.
///
/// @return The text, borrowed until the client is freed, also while it is closed; NULL if client is
///   NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.getIP().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_ip(client: *const anwdl_client_t) -> *const c_char {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        Ok(client
            .guarded
            .inner
            .identity()
            .ip_with_nul()
            .as_ptr()
            .cast())
    })
}

/// The ID of the client: the first 7 hexadecimal digits of the SHA-256 of its IP text.
///
/// So two connections from one address have one ID. It changes when the text does: see
/// anwdl_client_get_ip().
///
/// @param client The client; not NULL.
///
/// @return The text, borrowed until the client is freed, also while it is closed; NULL if client is
///   NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.getID().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_id(client: *const anwdl_client_t) -> *const c_char {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        Ok(client
            .guarded
            .inner
            .identity()
            .id_with_nul()
            .as_ptr()
            .cast())
    })
}

/// When the client was made.
///
/// @param client The client; not NULL.
///
/// @return Seconds since 1970-01-01 00:00 UTC, negative before; 0 if client is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.getCreationTimestamp().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_creation_timestamp(client: *const anwdl_client_t) -> i64 {
    value_or(0, || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        Ok(client.instance().creation_timestamp())
    })
}

/// The framing that the session uses.
///
/// @param client The client; not NULL.
///
/// @return The framing, once it is known: at once where the options name it, after the key exchange
///   for the authenticated one, after the first request (or response) for the others. Until then,
///   ANWDL_PROTOCOL_AUTO; also if client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: none; each release speaks one framing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_protocol(
    client: *const anwdl_client_t,
) -> anwdl_protocol_t {
    value_or(anwdl_protocol_t::ANWDL_PROTOCOL_AUTO, || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        Ok(client.instance().protocol().into())
    })
}

/// The RSA wrapper of the client: its local key pair and, once received, the peer's public key.
///
/// @param client The client; not NULL.
///
/// @return The wrapper, borrowed until the next call that takes the client without const, or its
///   end: do not free it. NULL while the client has none, which is no failure: one that was given
///   none takes the process's key pair when it first needs it. NULL as well if client is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.getRSAWrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_rsa_wrapper(
    client: *const anwdl_client_t,
) -> *const anwdl_rsa_wrapper_t {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        Ok(client.instance().rsa_wrapper().map_or(ptr::null(), lend))
    })
}

/// The AES wrapper of the client: the key of the session and its present IV.
///
/// @param client The client; not NULL.
///
/// @return The wrapper, borrowed until the next call that takes the client without const, or its
///   end: do not free it. NULL while the client has none, which is no failure, and in a session of the
///   authenticated framing, whose keys, one for each
///   direction, the library keeps to itself. NULL as well if
///   client is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.getAESWrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_aes_wrapper(
    client: *const anwdl_client_t,
) -> *const anwdl_aes_wrapper_t {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        Ok(client.instance().aes_wrapper().map_or(ptr::null(), lend))
    })
}

/// Replaces the RSA key pair of the client, before keys are exchanged.
///
/// @param client The client; not NULL.
/// @param wrapper The wrapper; not NULL. As with anwdl_client_options_set_rsa_wrapper(), its local
///   key pair is shared, its peer's key is not copied, and the caller may change or free it at
///   once.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client or wrapper is NULL.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING.
///
/// Python: ClientInstance.setRSAWrapper(rsa_wrapper).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_set_rsa_wrapper(
    client: *mut anwdl_client_t,
    wrapper: *const anwdl_rsa_wrapper_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        client.operate(|instance| instance.set_rsa_wrapper(wrapper))
    })
}

/// Replaces the AES key of the client, before keys are exchanged or where none are.
///
/// What it then means is said at anwdl_client_options_set_aes_wrapper().
///
/// @param client The client; not NULL.
/// @param wrapper The wrapper; not NULL. Key, IV and mode are copied; the caller may change or free
///   it at once.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client or wrapper is NULL, or the
///   wrapper is in GCM mode.
///   ANWDL_REASON_PROTOCOL_MISMATCH: the options name the authenticated framing, which takes no key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING.
///
/// Python: ClientInstance.setAESWrapper(aes_wrapper).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_set_aes_wrapper(
    client: *mut anwdl_client_t,
    wrapper: *const anwdl_aes_wrapper_t,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        client.operate(|instance| instance.set_aes_wrapper(wrapper))
    })
}

/// Exchanges public RSA keys and the AES key with the peer: all four steps.
///
/// With receive_first: anwdl_client_recv_public_rsa_key(), anwdl_client_send_public_rsa_key(),
/// anwdl_client_recv_aes_key(), anwdl_client_send_aes_key(). Without it, each "recv" and "send"
/// change places. The side that sends its AES key first decides the key of the session.
///
/// Blocking: the call returns when the keys are exchanged or the timeout has passed. Non-blocking:
/// it returns ANWDL_WANT_READ or ANWDL_WANT_WRITE until it is done. With a separate computation, it
/// returns ANWDL_WANT_COMPUTATION once, in the authenticated framing twice if the peer chose that, also
/// where it blocks otherwise.
///
/// @param client The client; not NULL.
/// @param receive_first true if the peer speaks first, as the released clients do.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
///   ANWDL_REASON_INVALID_KEY: the peer's. ANWDL_REASON_MESSAGE_TOO_LARGE: the peer announced a
///   PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
///   ANWDL_REASON_PROTOCOL_MISMATCH, ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_KEY_MISSING: the
///   wrapper given lacks a local key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED,
///   ANWDL_REASON_FINGERPRINT_MISMATCH.
///
/// Python: ClientInstance.exchangeKeys(receive_first).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_exchange_keys(
    client: *mut anwdl_client_t,
    receive_first: BooleanByte,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        client.operate(|instance| instance.exchange_keys(receive_first != 0))
    })
}

/// One step of the key exchange: sends the local public RSA key.
///
/// @param client The client; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
///   ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
///   key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInstance.sendPublicRSAKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_send_public_rsa_key(
    client: *mut anwdl_client_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        client.operate(ClientInstance::send_public_rsa_key)
    })
}

/// One step of the key exchange: receives the peer's public RSA key.
///
/// @param client The client; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
///   ANWDL_REASON_INVALID_KEY: the peer's, which is refused. ANWDL_REASON_MESSAGE_TOO_LARGE: the
///   peer announced a PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION,
///   ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
///   key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
///   ANWDL_REASON_RANDOM_FAILED, ANWDL_REASON_FINGERPRINT_MISMATCH.
///
/// Python: ClientInstance.recvPublicRSAKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_recv_public_rsa_key(
    client: *mut anwdl_client_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        client.operate(ClientInstance::recv_public_rsa_key)
    })
}

/// One step of the key exchange: sends the AES key, encrypted under the peer's public RSA key.
///
/// If the peer's AES key was received before, a new key that is derived from it is sent, see
/// anwdl_client_options_set_key_echo().
///
/// @param client The client; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
///   ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
///   key, or the peer's public key was not received yet.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInstance.sendAESKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_send_aes_key(client: *mut anwdl_client_t) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        client.operate(ClientInstance::send_aes_key)
    })
}

/// One step of the key exchange: receives the peer's AES key, encrypted under the local public RSA
/// key.
///
/// @param client The client; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
///   ANWDL_REASON_DECRYPTION_FAILED: it is refused. ANWDL_REASON_PROTOCOL_MISMATCH,
///   ANWDL_REASON_BAD_PROXY_HEADER. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
///   key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
///   ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInstance.recvAESKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_recv_aes_key(client: *mut anwdl_client_t) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        client.operate(ClientInstance::recv_aes_key)
    })
}

/// Does what takes long in the key exchange, after ANWDL_WANT_COMPUTATION: the private key operation
/// or, second, the answer to the peer's ephemeral keys in the authenticated framing.
///
/// It takes milliseconds, and may be called on any thread; no other call may use the client
/// meanwhile. Whether the peer's secret could be decrypted is told by the exchange when it is called
/// again, which is due in any case.
///
/// @param client The client; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL.
///   ANWDL_REASON_OUT_OF_TURN: no computation is due.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED.
///
/// Python: none; it is a part of ClientInstance.recvAESKey().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_compute(client: *mut anwdl_client_t) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        client.operate(ClientInstance::compute)
    })
}

/// Receives a request.
///
/// Blocking: the call returns when a whole request is there or the timeout has passed.
/// Non-blocking: it returns ANWDL_WANT_READ or ANWDL_WANT_WRITE until it is.
///
/// @param client The client; not NULL.
/// @param store_request true to keep the request in the client, in place of an earlier one, for
///   anwdl_client_get_stored_request(); false to leave the stored one as it is.
/// @param out_request Where to write the request, to be freed with anwdl_request_free(); it stays
///   valid whatever happens to the client. NULL is fine if store_request is true.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client is NULL, or out_request is NULL
///   and store_request false. ANWDL_REASON_MALFORMED_REQUEST: the session goes on,
///   anwdl_client_get_request_errors() tells what is wrong, and
///   anwdl_client_get_malformed_request_json() what was received. ANWDL_REASON_OUT_OF_TURN: the last
///   request, well-formed or not, has no response yet; nothing was received, and the session goes
///   on. ANWDL_REASON_MESSAGE_TOO_LARGE,
///   ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
///   ANWDL_REASON_PROTOCOL_MISMATCH, ANWDL_REASON_BAD_PROXY_HEADER: the session has ended.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_TIMEOUT,
///   ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING.
///
/// Python: ClientInstance.recvRequest(store_request).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_recv_request(
    client: *mut anwdl_client_t,
    store_request: BooleanByte,
    out_request: *mut *mut anwdl_request_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        let out_request = if out_request.is_null() && store_request != 0 {
            None
        } else {
            // SAFETY: the caller passes NULL or a place for the request.
            Some(unsafe { output(out_request, "out_request") }?)
        };
        let request = client.operate(|instance| instance.recv_request(store_request != 0))?;
        if let Some(out_request) = out_request {
            out_request.set(share(request));
        }
        Ok(())
    })
}

/// The request that the client keeps: the last one that anwdl_client_recv_request() received with
/// store_request.
///
/// @param client The client; not NULL.
///
/// @return The request, borrowed until the client stores another one or is freed: do not free it.
///   NULL if none is stored, which is no failure. NULL as well if client is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.getStoredRequest().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_stored_request(
    client: *const anwdl_client_t,
) -> *const anwdl_request_t {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        Ok(client
            .instance()
            .stored_request()
            .map_or(ptr::null(), |request| Arc::as_ptr(request).cast()))
    })
}

/// What is wrong with the last request, if it did not fit the request format
/// (ANWDL_REASON_MALFORMED_REQUEST).
///
/// It has the shape that the Python peers' validator gives, for example {"verb": ["required
/// field"], "parameters": [{"client_token": ["must be of string type"]}]}. Of a text that Python's
/// json.loads() reads and that is no strict JSON, it tells what is not, and where: {"request": ["no
/// strict JSON at line 1 column 37 (byte 36): no number of JSON: write null, or a string"]}.
///
/// @param client The client; not NULL.
///
/// @return A JSON object in UTF-8, ending with NUL, borrowed until the next
///   anwdl_client_recv_request() or the end of the client. NULL if the last request was not
///   malformed, which is no failure. NULL as well if client is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: the errors in the tuple that ClientInstance.recvRequest() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_request_errors(
    client: *const anwdl_client_t,
) -> *const c_char {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        let request = client.instance().malformed_request();
        Ok(request.map_or(ptr::null(), |request| {
            request.errors_with_nul().as_ptr().cast()
        }))
    })
}

/// The text of the last request, if it did not fit the request format
/// (ANWDL_REASON_MALFORMED_REQUEST).
///
/// It is the very text that was received, without the blanks around it: for a log of one's own, or
/// for a server that takes more than the format allows. Python's json.loads() reads it. Not every
/// other reader does: it may hold NaN, Infinity, half surrogate pairs, a key twice, and more than 64
/// levels of objects and arrays. Nothing says that it is an object.
///
/// It may hold client tokens, and is wiped when it ends.
///
/// @param client The client; not NULL.
///
/// @return The text in UTF-8, ending with NUL and with no NUL inside, borrowed until the next
///   anwdl_client_recv_request() or the end of the client. NULL if the last request was not
///   malformed, which is no failure. NULL as well if client is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: the request in the tuple that ClientInstance.recvRequest() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_malformed_request_json(
    client: *const anwdl_client_t,
) -> *const c_char {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live client.
        let client = unsafe { borrow(client, "client") }?;
        let request = client.instance().malformed_request();
        Ok(request.map_or(ptr::null(), |request| {
            request.json_with_nul().as_ptr().cast()
        }))
    })
}

/// Sends a response.
///
/// What goes out is {"success": success, "message": message, "data": data}, with the data as they
/// were given. With a reason, the message becomes "message (reason : reason)".
///
/// The data are checked against the response format before anything is sent: container_uuid,
/// client_token, container_iso_sha256, container_username, container_password and
/// container_listen_port come together or not at all, so do uptime and version, and each fits its
/// own format. Other keys are allowed.
///
/// There is one response to each request that was received, in their order. One may be sent before the
/// first request, to say that the server is unavailable. As no request has shown then what the client
/// speaks, it goes out in the framing that anwdl_client_options_set_protocol() names, and in that of
/// ANWDL_PROTOCOL_V4 without it, which clients of the releases 2 and 3 cannot read; to answer those,
/// receive their request first.
///
/// Blocking: the call returns when the response is sent or the timeout has passed. Non-blocking: it
/// returns ANWDL_WANT_READ or ANWDL_WANT_WRITE until it is; the repeated calls finish the response
/// of the first.
///
/// @param client The client; not NULL.
/// @param success Whether the request was carried out.
/// @param message What the peer shows, UTF-8; not NULL. Use one of the ANWDL_RESPONSE_MSG_ strings.
/// @param data_json The text of a JSON object, UTF-8; NULL for {}. It is strict JSON that every
///   released peer reads: no NaN, no key twice, no half surrogate pair, at most 63 levels, no integer
///   of more than 4300 digits. Numbers stay as they are written, 1e400 and -0 too.
/// @param reason Why the request was refused or failed, UTF-8; NULL for none; "" is none, too.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client or message is NULL, or a text is
///   not UTF-8. ANWDL_REASON_MALFORMED_RESPONSE: data_json is no acceptable JSON object, and the
///   message names line, column and cure, or it breaks the format. ANWDL_REASON_MESSAGE_TOO_LARGE:
///   longer than the framing can carry.
///   ANWDL_REASON_OUT_OF_TURN: each request has its response already. In all these cases
///   nothing was sent and the session goes on. ANWDL_REASON_BAD_PROXY_HEADER: it has ended.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
///   ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInstance.sendResponse(success, message, data, reason).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_send_response(
    client: *mut anwdl_client_t,
    success: BooleanByte,
    message: *const c_char,
    data_json: *const c_char,
    reason: *const c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a client that it owns.
        let client = unsafe { borrow_mut(client, "client") }?;
        // SAFETY: the caller passes NULL or a string.
        let message = unsafe { text(message, "message") }?;
        // SAFETY: the caller passes NULL or a string.
        let data_json = unsafe { optional_text(data_json, "data_json") }?;
        // SAFETY: the caller passes NULL or a string.
        let reason = unsafe { optional_text(reason, "reason") }?;
        client.operate(|instance| instance.send_response(success != 0, message, data_json, reason))
    })
}
