//! `anwdl_session_t`: a session without a descriptor.

use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::Arc;

use super::aes_wrapper::anwdl_aes_wrapper_t;
use super::client_options::{anwdl_client_options_t, anwdl_protocol_t, options_or_defaults};
use super::error::anwdl_status_t;
use super::request::{anwdl_request_t, share};
use super::response::anwdl_response_t;
use super::rsa_wrapper::anwdl_rsa_wrapper_t;
use super::{
    BooleanByte, Guarded, Handle, borrow, borrow_mut, give, lend, optional_text, output, status,
    status_of_secrets, take_back, text, try_give, value_or,
};
use crate::endpoint::sans_io::SansIoSession;
use crate::error::Error;
use crate::protocol::Role;

/// Which side of a connection this is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_role_t {
    /// The side that accepted the connection: it receives requests and sends responses.
    ANWDL_ROLE_SERVER = 0,
    /// The side that connected: it sends requests and receives responses.
    ANWDL_ROLE_CLIENT = 1,
}

/// An [`anwdl_role_t`] as C passes it: any number.
pub type RoleNumber = c_int;

impl From<Role> for anwdl_role_t {
    fn from(role: Role) -> Self {
        match role {
            Role::Server => Self::ANWDL_ROLE_SERVER,
            Role::Client => Self::ANWDL_ROLE_CLIENT,
        }
    }
}

fn role_of(number: RoleNumber) -> Result<Role, Error> {
    [Role::Server, Role::Client]
        .into_iter()
        .find(|&role| anwdl_role_t::from(role) as RoleNumber == number)
        .ok_or_else(|| Error::invalid_argument(format!("role is {number}, which is no role")))
}

/// A session without a descriptor: one side of one connection, for programs that move the bytes
/// themselves, through libuv, Asio, io_uring, TLS or a tunnel.
///
/// No call waits, and none calls the kernel, except for random bytes. It is the same machine that
/// works behind anwdl_client_t.
///
/// Each operation (exchange_keys and its steps, send and recv of requests and responses) returns
/// one of these until it is done:
/// - ANWDL_WANT_READ: bring bytes from the peer with anwdl_session_feed(), as they come, in pieces
///   of any size;
/// - ANWDL_WANT_WRITE: send what anwdl_session_get_pending() lends, and count it with
///   anwdl_session_sent();
/// - ANWDL_WANT_COMPUTATION, only with a separate computation: call anwdl_session_compute(), on any
///   thread.
///
/// Then call the same operation again, with the same arguments. One operation is under way at a
/// time. A session has no clock: when the patience with a peer ends, call anwdl_session_end() or
/// free the session. One way to receive a request, called whenever bytes have
/// come from the peer and the last request has its response:
///
/// @code{.c}
/// #include <anwdl.h>
///
/// // The program's own: copies the bytes, and sends them when it can.
/// void send_later(void *connection, const uint8_t *bytes, size_t len);
///
/// anwdl_status_t on_bytes(anwdl_session_t *session, void *connection, const uint8_t **bytes,
///                         size_t *len, anwdl_request_t **out_request)
/// {
///     for (;;) {
///         anwdl_status_t status = anwdl_session_recv_request(session, false, out_request);
///         const uint8_t *pending;
///         size_t count;
///         if (status == ANWDL_WANT_WRITE) {
///             status = anwdl_session_get_pending(session, &pending, &count);
///             if (status != ANWDL_OK)
///                 return status;
///             send_later(connection, pending, count);
///             status = anwdl_session_sent(session, count);
///             if (status != ANWDL_OK)
///                 return status;
///         } else if (status == ANWDL_WANT_READ && *len > 0) {
///             status = anwdl_session_feed(session, *bytes, *len, &count);
///             if (status != ANWDL_OK)
///                 return status;
///             *bytes += count;
///             *len -= count;
///         } else {
///             return status; // what is left of the bytes belongs to the next message
///         }
///     }
/// }
/// @endcode
///
/// The caller owns the socket, and what is to be set on it. On a TCP socket set TCP_NODELAY. The
/// released peers leave Nagle's algorithm on, write small pieces by themselves, and wait for the
/// acknowledgement of one before the next leaves, which a system delays by about 40 ms: on Linux, set
/// TCP_QUICKACK to 1 whenever anwdl_session_exchange_keys() or one of its steps returns ANWDL_OK or
/// ANWDL_WANT_READ. The option does not last, and once is not enough. Requests need none of it.
///
/// It may be used by one thread at a time, whichever that is.
pub enum anwdl_session_t {}

impl Handle for anwdl_session_t {
    type Inner = Session;
}

/// A session that refuses to go on after a panic.
pub(super) struct Session {
    guarded: Guarded<SansIoSession>,
}

impl Session {
    pub(super) fn new(session: SansIoSession) -> Self {
        Self {
            guarded: Guarded::new(session),
        }
    }

    /// Runs an operation that moves the session.
    pub(super) fn operate<T>(
        &mut self,
        operation: impl FnOnce(&mut SansIoSession) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.guarded.operate(operation)
    }
}

/// Makes a session. It begins to exchange the keys only when it is told to.
///
/// @param role Which side of the connection it is.
/// @param options The options, copied; NULL for the defaults. The timeout and the non-blocking
///   option mean nothing to a session. If keys are not to be exchanged, it is ready at once under
///   the AES wrapper of the options.
/// @param out_session Where to write the session, to be freed with anwdl_session_free(); not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: role is an unknown number, or
///   out_session is NULL. ANWDL_REASON_PROTOCOL_MISMATCH: the mode of the AES wrapper does not fit
///   the framing that the options name.
///
/// Python: none; ClientInstance() needs a socket.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_new(
    role: RoleNumber,
    options: *const anwdl_client_options_t,
    out_session: *mut *mut anwdl_session_t,
) -> anwdl_status_t {
    status_of_secrets(|| {
        let role = role_of(role)?;
        // SAFETY: the caller passes NULL or live options.
        let options = unsafe { options_or_defaults(options) }?;
        // SAFETY: the caller passes NULL or a place for the session.
        let out_session = unsafe { output(out_session, "out_session") }?;
        out_session.set(give(Session::new(SansIoSession::new(role, &options)?)));
        Ok(())
    })
}

/// Wipes the keys and frees the session.
///
/// Everything borrowed from the session ends with it. Requests and responses that were received do
/// not.
///
/// @param session The session; NULL is fine and does nothing.
///
/// Python: del.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_free(session: *mut anwdl_session_t) {
    value_or((), || {
        // SAFETY: the caller passes NULL or a session that it owns.
        unsafe { take_back(session) };
        Ok(())
    });
}

/// Exchanges public RSA keys and the AES key with the peer: all four steps.
///
/// With receive_first: anwdl_session_recv_public_rsa_key(), anwdl_session_send_public_rsa_key(),
/// anwdl_session_recv_aes_key(), anwdl_session_send_aes_key(). Without it, each "recv" and "send"
/// change places. The side that sends its AES key first decides the key of the session.
///
/// It returns ANWDL_WANT_READ, ANWDL_WANT_WRITE and, with a separate computation,
/// ANWDL_WANT_COMPUTATION until it is done.
///
/// @param session The session; not NULL.
/// @param receive_first true if the peer speaks first, as the released clients do: usual for
///   ANWDL_ROLE_SERVER; false if this side does.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ
/// @retval ANWDL_WANT_WRITE
/// @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
///   ANWDL_REASON_INVALID_KEY: the peer's. ANWDL_REASON_MESSAGE_TOO_LARGE: the peer announced a
///   PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
///   ANWDL_REASON_PROTOCOL_MISMATCH. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
///   key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_PEER_REFUSED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED,
///   ANWDL_REASON_FINGERPRINT_MISMATCH.
///
/// Python: ClientInstance.exchangeKeys(receive_first).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_exchange_keys(
    session: *mut anwdl_session_t,
    receive_first: BooleanByte,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        session.operate(|inner| inner.exchange_keys(receive_first != 0))
    })
}

/// One step of the key exchange: sends the local public RSA key.
///
/// @param session The session; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ
/// @retval ANWDL_WANT_WRITE
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
///   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_PEER_REFUSED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInstance.sendPublicRSAKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_public_rsa_key(
    session: *mut anwdl_session_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        session.operate(SansIoSession::send_public_rsa_key)
    })
}

/// One step of the key exchange: receives the peer's public RSA key.
///
/// @param session The session; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ
/// @retval ANWDL_WANT_WRITE
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
///   ANWDL_REASON_INVALID_KEY: the peer's, which is refused. ANWDL_REASON_MESSAGE_TOO_LARGE: the
///   peer announced a PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION.
///   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
///   ANWDL_REASON_RANDOM_FAILED, ANWDL_REASON_FINGERPRINT_MISMATCH.
///
/// Python: ClientInstance.recvPublicRSAKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_recv_public_rsa_key(
    session: *mut anwdl_session_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        session.operate(SansIoSession::recv_public_rsa_key)
    })
}

/// One step of the key exchange: sends the AES key, encrypted under the peer's public RSA key.
///
/// If the peer's AES key was received before, a new key that is derived from it is sent, see
/// anwdl_client_options_set_key_echo().
///
/// @param session The session; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ
/// @retval ANWDL_WANT_WRITE
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
///   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key, or the peer's public key was
///   not received yet.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_PEER_REFUSED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInstance.sendAESKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_aes_key(
    session: *mut anwdl_session_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        session.operate(SansIoSession::send_aes_key)
    })
}

/// One step of the key exchange: receives the peer's AES key, encrypted under the local public RSA
/// key.
///
/// @param session The session; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ
/// @retval ANWDL_WANT_WRITE
/// @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
///   ANWDL_REASON_DECRYPTION_FAILED: it is refused. ANWDL_REASON_PROTOCOL_MISMATCH.
///   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
///   ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInstance.recvAESKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_recv_aes_key(
    session: *mut anwdl_session_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        session.operate(SansIoSession::recv_aes_key)
    })
}

/// Does what takes long in the key exchange, after ANWDL_WANT_COMPUTATION: the private key operation
/// or, second, the answer to the peer's ephemeral keys in the authenticated framing.
///
/// It takes milliseconds, and may be called on any thread; no other call may use the session
/// meanwhile. Whether the peer's secret could be decrypted is told by the exchange when it is
/// called again, which is due in any case.
///
/// @param session The session; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
///   ANWDL_REASON_OUT_OF_TURN: no computation is due.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED.
///
/// Python: none; it is a part of ClientInstance.recvAESKey().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_compute(session: *mut anwdl_session_t) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        session.operate(SansIoSession::compute)
    })
}

/// ANWDL_ROLE_SERVER only. Receives a request.
///
/// @param session The session; not NULL.
/// @param store_request true to keep the request in the session, in place of an earlier one, for
///   anwdl_session_get_stored_request(); false to leave the stored one as it is.
/// @param out_request Where to write the request, to be freed with anwdl_request_free(); it stays
///   valid whatever happens to the session. NULL is fine if store_request is true.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ
/// @retval ANWDL_WANT_WRITE
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL, or out_request is NULL
///   and store_request false. ANWDL_REASON_WRONG_ROLE. ANWDL_REASON_MALFORMED_REQUEST: the session
///   goes on, anwdl_session_get_request_errors() tells what is wrong, and
///   anwdl_session_get_malformed_request_json() what was received. ANWDL_REASON_OUT_OF_TURN: the
///   last request, well-formed or not, has no response yet; nothing was received, and the session
///   goes on. ANWDL_REASON_MESSAGE_TOO_LARGE, ANWDL_REASON_PROTOCOL_VIOLATION,
///   ANWDL_REASON_DECRYPTION_FAILED, ANWDL_REASON_PROTOCOL_MISMATCH: the session has ended.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING.
///
/// Python: ClientInstance.recvRequest(store_request).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_recv_request(
    session: *mut anwdl_session_t,
    store_request: BooleanByte,
    out_request: *mut *mut anwdl_request_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        let out_request = if out_request.is_null() && store_request != 0 {
            None
        } else {
            // SAFETY: the caller passes NULL or a place for the request.
            Some(unsafe { output(out_request, "out_request") }?)
        };
        let request = session.operate(|inner| inner.recv_request(store_request != 0))?;
        if let Some(out_request) = out_request {
            out_request.set(share(request));
        }
        Ok(())
    })
}

/// ANWDL_ROLE_SERVER only. Sends a response.
///
/// What goes out, what is checked before, and when a response may be sent, is said at
/// anwdl_client_send_response().
///
/// @param session The session; not NULL.
/// @param success Whether the request was carried out.
/// @param message What the peer shows, UTF-8; not NULL. Use one of the ANWDL_RESPONSE_MSG_ strings.
/// @param data_json The text of a JSON object, UTF-8; NULL for {}. What is accepted is said at
///   anwdl_client_send_response().
/// @param reason Why the request was refused or failed, UTF-8; NULL for none; "" is none, too.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ
/// @retval ANWDL_WANT_WRITE
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or message is NULL, or a text
///   is not UTF-8. ANWDL_REASON_WRONG_ROLE. ANWDL_REASON_MALFORMED_RESPONSE: data_json is no
///   acceptable JSON object or breaks the format. ANWDL_REASON_MESSAGE_TOO_LARGE: longer than the
///   framing can carry. ANWDL_REASON_OUT_OF_TURN: each request has its response already. In all
///   these cases nothing was sent and the session goes on.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_PEER_REFUSED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
///   ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInstance.sendResponse(success, message, data, reason).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_response(
    session: *mut anwdl_session_t,
    success: BooleanByte,
    message: *const c_char,
    data_json: *const c_char,
    reason: *const c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        // SAFETY: the caller passes NULL or a string.
        let message = unsafe { text(message, "message") }?;
        // SAFETY: the caller passes NULL or a string.
        let data_json = unsafe { optional_text(data_json, "data_json") }?;
        // SAFETY: the caller passes NULL or a string.
        let reason = unsafe { optional_text(reason, "reason") }?;
        session.operate(|inner| inner.send_response(success != 0, message, data_json, reason))
    })
}

/// ANWDL_ROLE_CLIENT only. Sends a request.
///
/// What goes out is {"verb": verb, "parameters": parameters}, with the parameters as they were
/// given. Both are checked against the request format before anything is sent: the verb has letters
/// A to Z only, and container_uuid and client_token come together or not at all, and each fits its
/// own format. Other parameters are allowed.
///
/// There is one response to each request, and it is received before the next request is sent.
///
/// @param session The session; not NULL.
/// @param verb What is asked for, UTF-8; not NULL. Every server knows "CREATE", "DESTROY" and
///   "STAT".
/// @param parameters_json The text of a JSON object, UTF-8; NULL for {}. What is accepted is said of
///   the data_json of anwdl_client_send_response().
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ
/// @retval ANWDL_WANT_WRITE
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or verb is NULL, or a text is
///   not UTF-8. ANWDL_REASON_WRONG_ROLE. ANWDL_REASON_MALFORMED_REQUEST: verb or parameters_json
///   breaks the format. ANWDL_REASON_MESSAGE_TOO_LARGE: longer than the framing can carry.
///   ANWDL_REASON_OUT_OF_TURN: the last request has no response yet. In all these cases nothing was
///   sent and the session goes on.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_PEER_REFUSED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
///   ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInterface.sendRequest(verb, parameters).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_request(
    session: *mut anwdl_session_t,
    verb: *const c_char,
    parameters_json: *const c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        // SAFETY: the caller passes NULL or a string.
        let verb = unsafe { text(verb, "verb") }?;
        // SAFETY: the caller passes NULL or a string.
        let parameters_json = unsafe { optional_text(parameters_json, "parameters_json") }?;
        session.operate(|inner| inner.send_request(verb, parameters_json))
    })
}

/// ANWDL_ROLE_CLIENT only. Receives a response.
///
/// @param session The session; not NULL.
/// @param out_response Where to write the response, to be freed with anwdl_response_free(); it
///   stays valid whatever happens to the session; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ
/// @retval ANWDL_WANT_WRITE
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or out_response is NULL.
///   ANWDL_REASON_WRONG_ROLE. ANWDL_REASON_MALFORMED_RESPONSE, ANWDL_REASON_MESSAGE_TOO_LARGE,
///   ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
///   ANWDL_REASON_PROTOCOL_MISMATCH: the session has ended.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING.
///
/// Python: ClientInterface.recvResponse().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_recv_response(
    session: *mut anwdl_session_t,
    out_response: *mut *mut anwdl_response_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        // SAFETY: the caller passes NULL or a place for the response.
        let out_response = unsafe { output(out_response, "out_response") }?;
        let response = session.operate(SansIoSession::recv_response)?;
        out_response.set(try_give(response)?);
        Ok(())
    })
}

/// Takes bytes that came from the peer.
///
/// No more are taken than the operation under way can use now: none if there is none under way, or
/// if it has all that it waited for and is to be called again. So what follows a message stays with
/// the caller. Pieces of any size will do.
///
/// @param session The session; not NULL.
/// @param bytes The bytes, copied; NULL is fine if len is 0.
/// @param len Their number.
/// @param out_taken Where to write how many bytes were taken, counted from the first; the rest is
///   to be fed again, after the operation was called again; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or out_taken is NULL, or bytes
///   is NULL and len is not 0.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED: also after anwdl_session_end().
///   ANWDL_REASON_PEER_CLOSED: anwdl_session_feed_end() was called before.
///
/// Python: none; socket.recv() is called inside.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_feed(
    session: *mut anwdl_session_t,
    bytes: *const u8,
    len: usize,
    out_taken: *mut usize,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        // SAFETY: the caller passes so many bytes.
        let bytes = unsafe { super::bytes(bytes, len, "bytes") }?;
        // SAFETY: the caller passes NULL or a place for the number.
        let out_taken = unsafe { output(out_taken, "out_taken") }?;
        let taken = session.operate(|inner| inner.feed(bytes))?;
        out_taken.set(taken);
        Ok(())
    })
}

/// Tells the session that the peer has closed its side: no more bytes will be fed.
///
/// An operation that waits for bytes then fails with ANWDL_REASON_PEER_CLOSED when it is called
/// again, as on a socket, and so does every later one.
///
/// @param session The session; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED: also after anwdl_session_end().
///
/// Python: none; socket.recv() is called inside.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_feed_end(session: *mut anwdl_session_t) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        session.operate(SansIoSession::feed_end)
    })
}

/// The bytes that are to be sent to the peer.
///
/// After ANWDL_WANT_WRITE there are some. Send them in their order, all at once or in pieces of any
/// size, and count those that are on their way with anwdl_session_sent(). Whoever counts them
/// before they have left has to keep a copy.
///
/// @param session The session; not NULL.
/// @param bytes Where to write the address of the bytes, borrowed until the next call that takes
///   the session without const: do not free them; not NULL.
/// @param len Where to write their number, which may be 0; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///
/// Python: none; socket.sendall() is called inside.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_pending(
    session: *const anwdl_session_t,
    bytes: *mut *const u8,
    len: *mut usize,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a live session.
        let session = unsafe { borrow(session, "session") }?;
        // SAFETY: the caller passes NULL or a place for the address.
        let bytes = unsafe { output(bytes, "bytes") }?;
        // SAFETY: the caller passes NULL or a place for the number.
        let len = unsafe { output(len, "len") }?;
        let pending = session.guarded.inner.pending();
        bytes.set(pending.as_ptr());
        len.set(pending.len());
        Ok(())
    })
}

/// Counts bytes that anwdl_session_get_pending() lent and that are on their way to the peer.
///
/// @param session The session; not NULL.
/// @param count How many of them, counted from the first; 0 is fine.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL, or fewer bytes are
///   pending.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED, only after a defect of the library.
///
/// Python: none; socket.sendall() is called inside.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_sent(
    session: *mut anwdl_session_t,
    count: usize,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        session.operate(|inner| inner.sent(count))
    })
}

/// What the operation under way waits for.
///
/// @param session The session; not NULL.
///
/// @return ANWDL_WANT_READ, ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION as the operation itself
///   would return it. ANWDL_OK if it waits for nothing: none is under way, or the one under way
///   gets further by being called again, as after the last byte that it waited for.
///   ANWDL_VALUE_ERROR if session is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: none.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_wants(
    session: *const anwdl_session_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a live session.
        let session = unsafe { borrow(session, "session") }?;
        match session.guarded.inner.wants() {
            None => Ok(()),
            Some(interest) => Err(Error::WouldBlock(interest)),
        }
    })
}

/// Ends the session and wipes its keys: for a peer that took too long, or after the last message.
/// The session must still be freed.
///
/// Every later operation fails with ANWDL_REASON_SESSION_FAILED. Ending it again does nothing.
///
/// @param session The session; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session is NULL.
///
/// Python: ClientInstance.closeConnection().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_end(session: *mut anwdl_session_t) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        session.guarded.inner.end();
        Ok(())
    })
}

/// Tells whether a failure, or anwdl_session_end(), ended the session. What is pending then is
/// nothing more.
///
/// @param session The session; not NULL.
///
/// @return true if nothing is left but to free it, else false; false as well if session is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_has_failed(session: *const anwdl_session_t) -> bool {
    value_or(false, || {
        // SAFETY: the caller passes NULL or a live session.
        let session = unsafe { borrow(session, "session") }?;
        Ok(session.guarded.broken || session.guarded.inner.has_failed())
    })
}

/// Which side of the connection the session is.
///
/// @param session The session; not NULL.
///
/// @return The role that it was made with; ANWDL_ROLE_SERVER as well if session is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: the class, ClientInstance or ClientInterface.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_role(session: *const anwdl_session_t) -> anwdl_role_t {
    value_or(anwdl_role_t::ANWDL_ROLE_SERVER, || {
        // SAFETY: the caller passes NULL or a live session.
        let session = unsafe { borrow(session, "session") }?;
        Ok(session.guarded.inner.role().into())
    })
}

/// The framing that the session uses.
///
/// @param session The session; not NULL.
///
/// @return The framing, once it is known: at once where the options name it and in the role of a
///   client, after the key exchange for the authenticated one, after the first request for the
///   others. Until then, ANWDL_PROTOCOL_AUTO. ANWDL_PROTOCOL_AUTO as well if session is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: none; each release speaks one framing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_protocol(
    session: *const anwdl_session_t,
) -> anwdl_protocol_t {
    value_or(anwdl_protocol_t::ANWDL_PROTOCOL_AUTO, || {
        // SAFETY: the caller passes NULL or a live session.
        let session = unsafe { borrow(session, "session") }?;
        Ok(session.guarded.inner.protocol().into())
    })
}

/// The RSA wrapper of the session: its local key pair and, once received, the peer's public key.
///
/// @param session The session; not NULL.
///
/// @return The wrapper, borrowed until the next call that takes the session without const, or its
///   end: do not free it. NULL while the session has none, which is no failure: one that was given
///   none takes the process's key pair when it first needs it. NULL as well if session is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.getRSAWrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_rsa_wrapper(
    session: *const anwdl_session_t,
) -> *const anwdl_rsa_wrapper_t {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live session.
        let session = unsafe { borrow(session, "session") }?;
        Ok(session
            .guarded
            .inner
            .rsa_wrapper()
            .map_or(ptr::null(), lend))
    })
}

/// The AES wrapper of the session: the key of the session and its present IV.
///
/// @param session The session; not NULL.
///
/// @return The wrapper, borrowed until the next call that takes the session without const, or its
///   end: do not free it. NULL while the session has none, which is no failure, and in a session of the
///   authenticated framing, whose keys, one for each
///   direction, the library keeps to itself. NULL as well if
///   session is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.getAESWrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_aes_wrapper(
    session: *const anwdl_session_t,
) -> *const anwdl_aes_wrapper_t {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live session.
        let session = unsafe { borrow(session, "session") }?;
        Ok(session
            .guarded
            .inner
            .aes_wrapper()
            .map_or(ptr::null(), lend))
    })
}

/// Replaces the RSA key pair of the session, before keys are exchanged.
///
/// @param session The session; not NULL.
/// @param wrapper The wrapper; not NULL. As with anwdl_client_options_set_rsa_wrapper(), its local
///   key pair is shared, its peer's key is not copied, and the caller may change or free it at
///   once.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or wrapper is NULL.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING.
///
/// Python: ClientInstance.setRSAWrapper(rsa_wrapper).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_set_rsa_wrapper(
    session: *mut anwdl_session_t,
    wrapper: *const anwdl_rsa_wrapper_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        session.operate(|inner| inner.set_rsa_wrapper(wrapper))
    })
}

/// Replaces the AES key of the session, before keys are exchanged or where none are.
///
/// What it then means is said at anwdl_client_options_set_aes_wrapper().
///
/// @param session The session; not NULL.
/// @param wrapper The wrapper; not NULL. Key, IV and mode are copied; the caller may change or free
///   it at once.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: session or wrapper is NULL, or the
///   wrapper is in GCM mode.
///   ANWDL_REASON_PROTOCOL_MISMATCH: the options name the authenticated framing, which takes no key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING.
///
/// Python: ClientInstance.setAESWrapper(aes_wrapper).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_set_aes_wrapper(
    session: *mut anwdl_session_t,
    wrapper: *const anwdl_aes_wrapper_t,
) -> anwdl_status_t {
    status_of_secrets(|| {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        // SAFETY: the caller passes NULL or a live wrapper.
        let wrapper = unsafe { borrow(wrapper, "wrapper") }?;
        session.operate(|inner| inner.set_aes_wrapper(wrapper))
    })
}

/// The request that the session keeps: the last one that anwdl_session_recv_request() received with
/// store_request.
///
/// @param session The session; not NULL.
///
/// @return The request, borrowed until the session stores another one or is freed: do not free it.
///   NULL if none is stored, which is no failure. NULL as well if session is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInstance.getStoredRequest().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_stored_request(
    session: *const anwdl_session_t,
) -> *const anwdl_request_t {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live session.
        let session = unsafe { borrow(session, "session") }?;
        Ok(session
            .guarded
            .inner
            .stored_request()
            .map_or(ptr::null(), |request| Arc::as_ptr(request).cast()))
    })
}

/// What is wrong with the last request, if it did not fit the request format
/// (ANWDL_REASON_MALFORMED_REQUEST).
///
/// It has the shape that is shown at anwdl_client_get_request_errors().
///
/// @param session The session; not NULL.
///
/// @return A JSON object in UTF-8, ending with NUL, borrowed until the next
///   anwdl_session_recv_request() or the end of the session. NULL if the last request was not
///   malformed, which is no failure. NULL as well if session is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: the errors in the tuple that ClientInstance.recvRequest() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_request_errors(
    session: *const anwdl_session_t,
) -> *const c_char {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live session.
        let session = unsafe { borrow(session, "session") }?;
        let request = session.guarded.inner.malformed_request();
        Ok(request.map_or(ptr::null(), |request| {
            request.errors_with_nul().as_ptr().cast()
        }))
    })
}

/// The text of the last request, if it did not fit the request format
/// (ANWDL_REASON_MALFORMED_REQUEST).
///
/// What it may be is said at anwdl_client_get_malformed_request_json().
///
/// @param session The session; not NULL.
///
/// @return The text in UTF-8, ending with NUL and with no NUL inside, borrowed until the next
///   anwdl_session_recv_request() or the end of the session. NULL if the last request was not
///   malformed, which is no failure. NULL as well if session is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: the request in the tuple that ClientInstance.recvRequest() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_malformed_request_json(
    session: *const anwdl_session_t,
) -> *const c_char {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes NULL or a live session.
        let session = unsafe { borrow(session, "session") }?;
        let request = session.guarded.inner.malformed_request();
        Ok(request.map_or(ptr::null(), |request| {
            request.json_with_nul().as_ptr().cast()
        }))
    })
}
