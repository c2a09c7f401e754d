//! `anwdl_session_t`: a session without a descriptor.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::time::Duration;

use super::aes_wrapper::anwdl_aes_wrapper_t;
use super::client_options::{anwdl_client_options_t, anwdl_protocol_t, options_or_defaults};
use super::error::{anwdl_event_t, anwdl_status_t};
use super::event::next_event;
use super::handle::{
    End, PoisonOnPanic, get_malformed_request, get_protocol, get_stored_request, get_time_left,
    get_user_data, get_wants, get_wrapper, has_failed, is_idle, operate, query, recv_request,
    recv_response, send_request, send_response, set_user_data, set_wrapper,
};
use super::request::anwdl_request_t;
use super::response::anwdl_response_t;
use super::rsa_wrapper::anwdl_rsa_wrapper_t;
use super::{
    BooleanByte, Handle, borrow, borrow_mut, change, create, free, optional_text, output, status,
    value_or, wiping_keys,
};
use crate::endpoint::sans_io::SansIoSession;
use crate::error::Error;
use crate::message::MalformedRequest;
use crate::protocol::Role;

/// A side of a connection.
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
        .ok_or_else(|| Error::invalid_argument(format!("role is {number}, which is not a role")))
}

/// A session without a descriptor: one side of one connection, for programs that move the bytes themselves,
/// through libuv, Asio, io_uring, TLS or a tunnel. It never waits, and its only system calls are those for
/// random bytes. Each operation returns one of these until it is done; then call it again, with the same
/// arguments:
/// - ANWDL_WANT_READ: pass on bytes from the peer with anwdl_session_feed(), in pieces of any size, or receive
///   them into anwdl_session_get_receive_buffer() and report them with anwdl_session_received();
/// - ANWDL_WANT_WRITE: send what anwdl_session_get_pending() returns, and report it with
///   anwdl_session_sent();
/// - ANWDL_WANT_COMPUTATION, only with a separate computation: call anwdl_session_compute() on any thread.
///
/// A function for one role fails in the other with ANWDL_VALUE_ERROR and ANWDL_REASON_WRONG_ROLE. A session has no
/// clock: its timeouts need anwdl_session_set_time(). To give up on a peer, call anwdl_session_end() or free the
/// session. anwdl_session_next_event() runs all operations. Here is one by itself: to receive a request, call this
/// whenever bytes have come and the last request has its response.
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
/// The caller owns the socket and its options. Set TCP_NODELAY on a TCP socket. The released peers leave
/// Nagle's algorithm on and write small pieces, so each waits for the acknowledgement of the last, which
/// systems delay by about 40 ms. On Linux, set TCP_QUICKACK to 1 whenever anwdl_session_exchange_keys() or
/// one of its steps returns ANWDL_OK or ANWDL_WANT_READ, and in a loop of events at ANWDL_EVENT_EXCHANGED and
/// each ANWDL_EVENT_WANT_READ before it. The option does not last. Requests do not need it.
pub enum anwdl_session_t {}

impl Handle for anwdl_session_t {
    type Inner = PoisonOnPanic<SansIoSession>;
    const NAME: &'static str = "session";
}

impl End for SansIoSession {
    fn end(&mut self) {
        SansIoSession::end(self);
    }
}

/// Makes a session. It begins to exchange the keys when anwdl_session_exchange_keys() or a step is called. If
/// the options say that keys are not exchanged, it is ready at once under their AES wrapper. Python: none;
/// ClientInstance() needs a socket.
/// @param role Which side of the connection it is.
/// @param options The options; NULL for the defaults. The non-blocking option is ignored; for the timeouts see
///   anwdl_session_set_time().
/// @param out_session Where to write the session, to be freed with anwdl_session_free().
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_PROTOCOL_MISMATCH: the AES wrapper does not fit the
///   framing of the options.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_new(
    role: RoleNumber,
    options: *const anwdl_client_options_t,
    out_session: *mut *mut anwdl_session_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        create((out_session, "out_session"), || {
            let role = role_of(role)?;
            let options = options_or_defaults(options)?;
            Ok(PoisonOnPanic::new(SansIoSession::new(role, &options)?))
        })
    })
}

/// Wipes the keys and frees the session. Everything borrowed from it becomes invalid; requests and responses
/// that the caller owns stay valid. Python: del.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_free(session: *mut anwdl_session_t) {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { free(session) }
}

/// Exchanges the keys, as anwdl_client_exchange_keys(). Usually the side in the role of a client speaks first.
/// Python: ClientInstance.exchangeKeys(receive_first).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_exchange_keys(
    session: *mut anwdl_session_t,
    receive_first: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(session, |session| session.exchange_keys(receive_first != 0)) }
}

/// One step of the key exchange, as anwdl_client_send_public_rsa_key(). Python:
/// ClientInstance.sendPublicRSAKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_public_rsa_key(
    session: *mut anwdl_session_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(session, SansIoSession::send_public_rsa_key) }
}

/// One step of the key exchange, as anwdl_client_recv_public_rsa_key(). Python:
/// ClientInstance.recvPublicRSAKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_recv_public_rsa_key(
    session: *mut anwdl_session_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(session, SansIoSession::recv_public_rsa_key) }
}

/// One step of the key exchange, as anwdl_client_send_aes_key(). Python: ClientInstance.sendAESKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_aes_key(
    session: *mut anwdl_session_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(session, SansIoSession::send_aes_key) }
}

/// One step of the key exchange, as anwdl_client_recv_aes_key(). Python: ClientInstance.recvAESKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_recv_aes_key(
    session: *mut anwdl_session_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(session, SansIoSession::recv_aes_key) }
}

/// Does the long part of the key exchange, as anwdl_client_compute(). Python: none; it is part of
/// ClientInstance.recvAESKey().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_compute(session: *mut anwdl_session_t) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(session, SansIoSession::compute) }
}

/// ANWDL_ROLE_SERVER only: receives a request, as anwdl_client_recv_request(). Python:
/// ClientInstance.recvRequest(store_request).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_recv_request(
    session: *mut anwdl_session_t,
    store_request: BooleanByte,
    out_request: *mut *mut anwdl_request_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        recv_request(
            session,
            store_request,
            out_request,
            SansIoSession::recv_request,
        )
    }
}

/// ANWDL_ROLE_SERVER only: sends a response, as anwdl_client_send_response(). Python:
/// ClientInstance.sendResponse(success, message, data, reason).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_response(
    session: *mut anwdl_session_t,
    success: BooleanByte,
    message: *const c_char,
    data_json: *const c_char,
    reason: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        send_response(
            session,
            success,
            message,
            move || optional_text(data_json, "data_json"),
            reason,
            SansIoSession::send_response,
        )
    }
}

/// ANWDL_ROLE_CLIENT only: sends a request, as anwdl_client_interface_send_request(). Python:
/// ClientInterface.sendRequest(verb, parameters).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_request(
    session: *mut anwdl_session_t,
    verb: *const c_char,
    parameters_json: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        send_request(
            session,
            verb,
            move || optional_text(parameters_json, "parameters_json"),
            SansIoSession::send_request,
        )
    }
}

/// ANWDL_ROLE_CLIENT only: receives a response, as anwdl_client_interface_recv_response(). Python:
/// ClientInterface.recvResponse().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_recv_response(
    session: *mut anwdl_session_t,
    out_response: *mut *mut anwdl_response_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { recv_response(session, out_response, SansIoSession::recv_response) }
}

/// Passes on bytes from the peer, in pieces of any size. It takes only what the operation under way can use:
/// nothing if no operation is under way, or if it has all it waited for and must be called again. Bytes after a
/// message stay with the caller. Python: none; socket.recv() is called inside.
/// @param bytes The bytes; NULL is fine if len is 0.
/// @param len Their number.
/// @param out_taken Where to write how many bytes were taken, from the first on. Feed the rest again after
///   calling the operation.
/// @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_SESSION_FAILED (also after anwdl_session_end())
///   or ANWDL_REASON_PEER_CLOSED (after anwdl_session_feed_end()).
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
        // SAFETY: the caller passes that many bytes.
        let bytes = unsafe { super::bytes(bytes, len, "bytes") }?;
        // SAFETY: the caller passes NULL or a place for the number.
        let out_taken = unsafe { output(out_taken, "out_taken") }?;
        let taken = session.operate(|inner| inner.feed(bytes))?;
        out_taken.set(taken);
        Ok(())
    })
}

/// Lends memory to receive bytes from the peer into, in place of anwdl_session_feed(): pass it to recv(),
/// SSL_read() or an io_uring, and report what has come with anwdl_session_received(). It has room for what the
/// operation under way waits for and for the start of the next message, so that nothing is left for the caller to
/// keep. Python: none; socket.recv() is called inside.
/// @param out_len Where to write its length in bytes. Written only if there is one.
/// @return The address, lent until the next call that changes the session; NULL if the session waits for no bytes:
///   after ANWDL_WANT_READ it does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_receive_buffer(
    session: *mut anwdl_session_t,
    out_len: *mut usize,
) -> *mut u8 {
    value_or(ptr::null_mut(), || {
        // SAFETY: the caller passes NULL or a session that it owns.
        let session = unsafe { borrow_mut(session, "session") }?;
        // SAFETY: the caller passes NULL or a place for the number.
        let out_len = unsafe { output(out_len, "out_len") }?;
        let buffer = session.get_mut().receive_buffer();
        if buffer.is_empty() {
            return Ok(ptr::null_mut());
        }
        out_len.set(buffer.len());
        Ok(buffer.as_mut_ptr())
    })
}

/// Reports that bytes from the peer were received into what anwdl_session_get_receive_buffer() lent. Python: none;
/// socket.recv() is called inside.
/// @param count How many, from the first on; more than its length is ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_SESSION_FAILED (also after anwdl_session_end()).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_received(
    session: *mut anwdl_session_t,
    count: usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(session, |session| session.received(count)) }
}

/// Says that the peer has closed its side. An operation that waits for bytes then fails with
/// ANWDL_REASON_PEER_CLOSED when it is called again, and so does every later one. Python: none; socket.recv()
/// is called inside.
/// @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_SESSION_FAILED (also after
///   anwdl_session_end()).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_feed_end(session: *mut anwdl_session_t) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(session, SansIoSession::feed_end) }
}

/// The bytes to be sent to the peer; after ANWDL_WANT_WRITE there are some. Send them in order, at once or in
/// pieces, and report what is on its way with anwdl_session_sent(). To report bytes before they are sent, keep
/// a copy: no timeout counts for these, and the program must limit how many wait. A timeout that passes while
/// some are pending ends the session: they may have left. Python: none; socket.sendall() is called inside.
/// @param bytes Where to write the address of the bytes, borrowed until the next call that changes the
///   session.
/// @param len Where to write their number, which may be 0.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
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
        let pending = session.get_ref().pending();
        bytes.set(pending.as_ptr());
        len.set(pending.len());
        Ok(())
    })
}

/// Reports that bytes of anwdl_session_get_pending() are on their way to the peer. Python: none;
/// socket.sendall() is called inside.
/// @param count How many of them, from the first on; more than are pending is ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_SESSION_FAILED, only after a defect of the
///   library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_sent(
    session: *mut anwdl_session_t,
    count: usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(session, |session| session.sent(count)) }
}

/// What the operation under way waits for, as anwdl_client_get_wants().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_wants(
    session: *const anwdl_session_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_wants(session, SansIoSession::wants) }
}

/// Ends the session and wipes its keys: to give up on a slow peer, or after the last message. Every later
/// operation fails with ANWDL_REASON_SESSION_FAILED. The session must still be freed. Ending it twice does
/// nothing. Python: ClientInstance.closeConnection().
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_end(session: *mut anwdl_session_t) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        change(session, |session| {
            session.get_mut().end();
            Ok(())
        })
    })
}

/// Whether a failure or anwdl_session_end() has ended the session. Nothing is pending then.
/// @return true if the session can only be freed, otherwise false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_has_failed(session: *const anwdl_session_t) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { has_failed(session, SansIoSession::has_failed) }
}

/// Which side of the connection the session is. Python: the class, ClientInstance or ClientInterface.
/// @return The role that it was made with; ANWDL_ROLE_SERVER for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_role(session: *const anwdl_session_t) -> anwdl_role_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        query(session, anwdl_role_t::ANWDL_ROLE_SERVER, |session| {
            session.role().into()
        })
    }
}

/// The framing of the session, as anwdl_client_get_protocol(). In the role of a client it is known at once if
/// the options name it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_protocol(
    session: *const anwdl_session_t,
) -> anwdl_protocol_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_protocol(session, SansIoSession::protocol) }
}

/// The RSA wrapper, as anwdl_client_get_rsa_wrapper(). Python: ClientInstance.getRSAWrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_rsa_wrapper(
    session: *const anwdl_session_t,
) -> *const anwdl_rsa_wrapper_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_wrapper(session, SansIoSession::rsa_wrapper) }
}

/// The AES wrapper, as anwdl_client_get_aes_wrapper(). Python: ClientInstance.getAESWrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_aes_wrapper(
    session: *const anwdl_session_t,
) -> *const anwdl_aes_wrapper_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_wrapper(session, SansIoSession::aes_wrapper) }
}

/// Replaces the RSA key pair, as anwdl_client_set_rsa_wrapper(). Python:
/// ClientInstance.setRSAWrapper(rsa_wrapper).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_set_rsa_wrapper(
    session: *mut anwdl_session_t,
    wrapper: *const anwdl_rsa_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { set_wrapper(session, wrapper, SansIoSession::set_rsa_wrapper) }
}

/// Replaces the AES key, as anwdl_client_set_aes_wrapper(). Python:
/// ClientInstance.setAESWrapper(aes_wrapper).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_set_aes_wrapper(
    session: *mut anwdl_session_t,
    wrapper: *const anwdl_aes_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe { set_wrapper(session, wrapper, SansIoSession::set_aes_wrapper) })
}

/// The stored request, as anwdl_client_get_stored_request(). Python: ClientInstance.getStoredRequest().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_stored_request(
    session: *const anwdl_session_t,
) -> *const anwdl_request_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_stored_request(session, SansIoSession::stored_request) }
}

/// What is wrong with a malformed request, as anwdl_client_get_request_errors(). Python: the errors in the
/// tuple that ClientInstance.recvRequest() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_request_errors(
    session: *const anwdl_session_t,
) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_malformed_request(
            session,
            SansIoSession::malformed_request,
            MalformedRequest::errors_with_nul,
        )
    }
}

/// The text of a malformed request, as anwdl_client_get_malformed_request_json(). Python: the request in the
/// tuple that ClientInstance.recvRequest() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_malformed_request_json(
    session: *const anwdl_session_t,
) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_malformed_request(
            session,
            SansIoSession::malformed_request,
            MalformedRequest::json_with_nul,
        )
    }
}

/// Whether no request is under way, as anwdl_client_is_idle() or, in the role of a client,
/// anwdl_client_interface_is_idle(). It knows nothing of bytes that the program has not passed on yet. Python: none.
/// @return As theirs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_is_idle(session: *const anwdl_session_t) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { is_idle(session, SansIoSession::is_idle) }
}

/// Attaches a pointer to the session, as anwdl_client_set_user_data(). Python: an attribute of the object.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_set_user_data(
    session: *mut anwdl_session_t,
    user_data: *mut c_void,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { set_user_data(session, user_data) }
}

/// The attached pointer, as anwdl_client_get_user_data(). Python: an attribute of the object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_user_data(
    session: *const anwdl_session_t,
) -> *mut c_void {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_user_data(session) }
}

/// The address of anwdl_client_options_set_peer_ip(), as anwdl_client_get_ip(); "" without one. Python:
/// ClientInstance.getIP().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_ip(session: *const anwdl_session_t) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        query(session, ptr::null(), |session| {
            session.identity().ip_with_nul().as_ptr().cast()
        })
    }
}

/// The ID of the peer, as anwdl_client_get_id(); "" without an address. Python: ClientInstance.getID().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_id(session: *const anwdl_session_t) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        query(session, ptr::null(), |session| {
            session.identity().id_with_nul().as_ptr().cast()
        })
    }
}

/// When the session was made, as anwdl_client_get_creation_timestamp(). Python:
/// ClientInstance.getCreationTimestamp().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_creation_timestamp(
    session: *const anwdl_session_t,
) -> i64 {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { query(session, 0, SansIoSession::creation_timestamp) }
}

/// The name of a role, for logs.
/// @param role Any number.
/// @return The name, such as "SERVER" for ANWDL_ROLE_SERVER, as anwdl_error_reason_name(). Never NULL; a
///   constant.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_role_name(role: RoleNumber) -> *const c_char {
    value_or(c"UNKNOWN".as_ptr(), || {
        let name = role_of(role).map_or(c"UNKNOWN", |role| match role {
            Role::Server => c"SERVER",
            Role::Client => c"CLIENT",
        });
        Ok(name.as_ptr())
    })
}

/// Runs the session, as anwdl_client_next_event() or, in the role of a client,
/// anwdl_client_interface_next_event(). After ANWDL_EVENT_WANT_WRITE send what is pending; after
/// ANWDL_EVENT_WANT_READ feed it; then call again. Python: none.
/// @param out_request Where to write the request with ANWDL_EVENT_REQUEST, to be freed with
///   anwdl_request_free(); it outlives the session. Ignored in the role of a client.
/// @param out_response Where to write the response with ANWDL_EVENT_RESPONSE, to be freed with
///   anwdl_response_free(); it outlives the session. NULL is fine in the role of a server.
/// @return The event. The reasons of ANWDL_EVENT_ENDED are those of anwdl_client_next_event() and
///   anwdl_client_interface_next_event().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_next_event(
    session: *mut anwdl_session_t,
    out_request: *mut *mut anwdl_request_t,
    out_response: *mut *mut anwdl_response_t,
) -> anwdl_event_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        next_event(
            session,
            out_request,
            out_response,
            |session| session.role() == Role::Server,
            SansIoSession::next_event,
        )
    }
}

/// Tells the session the time, for the timeouts of its options. Call it after each wait, before any other
/// function: the timeout of a request counts from the time last told when its first byte came. An operation
/// that began before the first call has no timeout. Python: none; the socket has a clock.
/// @param milliseconds The time in milliseconds from any fixed point: that of clock_gettime(CLOCK_MONOTONIC),
///   uv_now() or std::chrono::steady_clock. A time before the last one is ignored; after one that is too large,
///   the clock stands still until that time.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_set_time(
    session: *mut anwdl_session_t,
    milliseconds: u64,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(session, |session| {
            let now = Duration::from_millis(milliseconds);
            session.get_mut().set_time(now);
            Ok(())
        })
    }
}

/// How long the operation under way may take after the last anwdl_session_set_time(), as
/// anwdl_client_get_time_left(); -1 also without anwdl_session_set_time(). Python: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_get_time_left(session: *const anwdl_session_t) -> c_int {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_time_left(session, SansIoSession::time_left) }
}
