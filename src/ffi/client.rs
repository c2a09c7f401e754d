//! `anwdl_client_t`: a connected client.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use super::aes_wrapper::anwdl_aes_wrapper_t;
use super::client_options::{anwdl_client_options_t, anwdl_protocol_t, options_or_defaults};
use super::error::{anwdl_event_t, anwdl_status_t};
use super::event::next_event;
use super::handle::{
    End, PoisonOnPanic, detach, exchange_or_leave_open, get_malformed_request, get_protocol,
    get_stored_request, get_time_left, get_user_data, get_wants, get_wrapper, has_failed, is_idle,
    leave_open, operate, query, recv_request, send_response, set_user_data, set_wrapper,
};
use super::request::anwdl_request_t;
use super::rsa_wrapper::anwdl_rsa_wrapper_t;
use super::{
    BooleanByte, Handle, change, free, into_raw, optional_text, output, status_wiping_keys,
    wiping_keys,
};
use crate::client::ClientInstance;
use crate::endpoint::transport::socket::check_descriptor;
use crate::message::MalformedRequest;

/// A connected client, as the server sees it. Python: ClientInstance.
pub enum anwdl_client_t {}

impl Handle for anwdl_client_t {
    type Inner = PoisonOnPanic<ClientInstance>;
    const NAME: &'static str = "client";
}

impl End for ClientInstance {
    fn end(&mut self) {
        ClientInstance::end(self);
    }
}

/// Makes a client from a connected socket, as accept() returns it, and exchanges the keys, the peer speaking
/// first, unless the options say otherwise. It does not exchange them for a non-blocking client or one with a
/// separate computation, so it never returns ANWDL_WANT_READ, ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION.
///
/// It sets SO_RCVLOWAT to 1 and, on a TCP socket, sets TCP_NODELAY and clears TCP_CORK (Linux), so that no
/// piece of the protocol waits for the next. TCP_QUICKACK (Linux) is set twice during the key exchange. All
/// other options, and the flags of the descriptor, stay as they are. Python: ClientInstance(socket, timeout,
/// rsa_wrapper, aes_wrapper, exchange_keys).
///
/// @param fd A connected stream socket. With ANWDL_OK it belongs to the client, which closes it: do not use
///   or close it afterwards. After a failure it still belongs to the caller and is open.
/// @param options The options; NULL for the defaults.
/// @param out_client Where to write the client, to be freed with anwdl_client_free().
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_DESCRIPTOR; if keys are exchanged, also those of
///   anwdl_client_exchange_keys().
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_IO_FAILED, ANWDL_REASON_RANDOM_FAILED; likewise.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_new(
    fd: c_int,
    options: *const anwdl_client_options_t,
    out_client: *mut *mut anwdl_client_t,
) -> anwdl_status_t {
    status_wiping_keys(|| {
        // SAFETY: the caller passes NULL or a place for the client.
        let out_client = unsafe { output(out_client, "out_client") }?;
        // SAFETY: the caller passes NULL or live options.
        let options = unsafe { options_or_defaults(options) }?;
        let peer_ip = check_descriptor(fd)?;
        // SAFETY: the descriptor is open, and the caller hands it over.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let instance = match ClientInstance::from_checked_socket(socket, peer_ip, &options) {
            Ok(instance) => instance,
            Err(refusal) => {
                leave_open(Some(refusal.socket));
                return Err(refusal.error);
            }
        };
        let mut client = PoisonOnPanic::new(instance);
        if options.exchanges_keys_at_creation() {
            exchange_or_leave_open(
                &mut client,
                |inner| inner.exchange_keys(true),
                ClientInstance::take_socket,
            )?;
        }
        out_client.set(into_raw(client));
        Ok(())
    })
}

/// Closes the connection if it is open, wipes the keys and frees the client. Everything borrowed from it
/// becomes invalid; requests that the caller owns stay valid. Python: del.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_free(client: *mut anwdl_client_t) {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { free(client) }
}

/// Closes the connection and wipes the keys. The client must still be freed. If bytes have come that were not
/// received, TCP also throws away what the peer has not fetched of the last response (RFC 2525, 2.17): to close
/// then, use anwdl_client_detach() and receive them first. Python: ClientInstance.closeConnection().
/// @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_close_connection(
    client: *mut anwdl_client_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe { change(client, |client| client.get_mut().close_connection()) })
}

/// Gives the open descriptor back to the caller. The client counts as closed from then on, and must still be
/// freed. Unless an operation is under way, no byte of the peer is lost: if the start of another message was
/// read already, the call refuses once. This happens only in the authenticated framing, and only if the peer
/// sent out of turn. Python: socket.detach().
/// @return The descriptor, which the caller must close; -1 if the client is closed or detached
///   (ANWDL_REASON_CLOSED), or the start of another message was read (ANWDL_REASON_OUT_OF_TURN: receive it
///   first, or call again to do without it).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_detach(client: *mut anwdl_client_t) -> c_int {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { detach(client, ClientInstance::detach) }
}

/// Whether the client was closed or detached on this side. If the peer has closed the connection, the
/// next operation reports that. Python: ClientInstance.isClosed().
/// @return true after anwdl_client_close_connection() or anwdl_client_detach(), otherwise false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_is_closed(client: *const anwdl_client_t) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { query(client, false, ClientInstance::is_closed) }
}

/// Whether the session has ended, by a failure or because it was closed or detached. After a failure it tells
/// whether the client is still usable: after ANWDL_REASON_TIMEOUT, for example, the call can be repeated if
/// no byte had moved.
/// @return true if the client can only be closed and freed, otherwise false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_has_failed(client: *const anwdl_client_t) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { has_failed(client, ClientInstance::has_failed) }
}

/// Changes the timeout of operations that begin after this call; see anwdl_client_options_set_timeout().
/// Python: ClientInstance.getSocketDescriptor().settimeout(), in seconds, and for each recv().
/// @param milliseconds The timeout in milliseconds; 0 for none.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_set_timeout(
    client: *mut anwdl_client_t,
    milliseconds: u32,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(client, |client| {
            let timeout = Duration::from_millis(milliseconds.into());
            client.get_mut().set_timeout(Some(timeout));
            Ok(())
        })
    }
}

/// The descriptor of the connection, for poll(), epoll and the like. It belongs to the client: do not close
/// it, read from it or write to it. Python: ClientInstance.getSocketDescriptor().
/// @return The descriptor; -1 if the client is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_socket_descriptor(
    client: *const anwdl_client_t,
) -> c_int {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        query(client, -1, |session| {
            session.socket_descriptor().unwrap_or(-1)
        })
    }
}

/// The IP address of the peer: dotted IPv4 ("192.0.2.1"), also if it came mapped into IPv6, or IPv6 as in RFC
/// 5952 ("2001:db8::1") without a zone; "" for sockets of other families. anwdl_client_options_set_peer_ip()
/// replaces it. If a PROXY protocol header is expected, this is the proxy's address until the first operation
/// has received the header; ask again then. Python: ClientInstance.getIP().
/// @return The text, valid and unchanged until the client is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_ip(client: *const anwdl_client_t) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        query(client, ptr::null(), |client| {
            client.identity().ip_with_nul().as_ptr().cast()
        })
    }
}

/// The ID of the client: the first 7 hexadecimal digits of the SHA-256 of its IP text. Connections from one
/// address have one ID. It changes when the text does; see anwdl_client_get_ip().
/// Python: ClientInstance.getID().
/// @return The text, valid and unchanged until the client is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_id(client: *const anwdl_client_t) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        query(client, ptr::null(), |client| {
            client.identity().id_with_nul().as_ptr().cast()
        })
    }
}

/// When the client was made. Python: ClientInstance.getCreationTimestamp().
/// @return Seconds since 1970-01-01 00:00 UTC, negative before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_creation_timestamp(client: *const anwdl_client_t) -> i64 {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { query(client, 0, ClientInstance::creation_timestamp) }
}

/// The framing that the session uses. It is known at once if the options name it, after the key exchange if
/// it is the authenticated one, otherwise after the first request (or response).
/// @return The framing; ANWDL_PROTOCOL_AUTO until it is known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_protocol(
    client: *const anwdl_client_t,
) -> anwdl_protocol_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_protocol(client, ClientInstance::protocol) }
}

/// The RSA wrapper of the client: its local key pair and, once received, the peer's public key. A client
/// without one takes the key pair of the process when it first needs it.
/// Python: ClientInstance.getRSAWrapper().
/// @return The wrapper, borrowed until the next call that changes the client; NULL if there is none yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_rsa_wrapper(
    client: *const anwdl_client_t,
) -> *const anwdl_rsa_wrapper_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_wrapper(client, ClientInstance::rsa_wrapper) }
}

/// The AES wrapper of the client: the session key and the current IV. The authenticated framing has none: its
/// keys, one for each direction, stay inside the library. Python: ClientInstance.getAESWrapper().
/// @return The wrapper, borrowed until the next call that changes the client; NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_aes_wrapper(
    client: *const anwdl_client_t,
) -> *const anwdl_aes_wrapper_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_wrapper(client, ClientInstance::aes_wrapper) }
}

/// Replaces the RSA key pair before keys are exchanged. Python: ClientInstance.setRSAWrapper(rsa_wrapper).
/// @param wrapper The wrapper, as for anwdl_client_options_set_rsa_wrapper().
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_set_rsa_wrapper(
    client: *mut anwdl_client_t,
    wrapper: *const anwdl_rsa_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { set_wrapper(client, wrapper, ClientInstance::set_rsa_wrapper) }
}

/// Replaces the AES key before keys are exchanged, or in a session that does not exchange any.
/// Python: ClientInstance.setAESWrapper(aes_wrapper).
/// @param wrapper The wrapper, as for anwdl_client_options_set_aes_wrapper().
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_PROTOCOL_MISMATCH: the options name the authenticated framing.
/// @retval ANWDL_RUNTIME_ERROR As anwdl_client_set_rsa_wrapper().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_set_aes_wrapper(
    client: *mut anwdl_client_t,
    wrapper: *const anwdl_aes_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe { set_wrapper(client, wrapper, ClientInstance::set_aes_wrapper) })
}

/// Exchanges RSA public keys and the AES key with the peer. With receive_first the four steps are
/// anwdl_client_recv_public_rsa_key(), anwdl_client_send_public_rsa_key(), anwdl_client_recv_aes_key() and
/// anwdl_client_send_aes_key(); without it, "recv" and "send" change places. The side that sends its AES key
/// first decides the key of the session.
///
/// With a separate computation it returns ANWDL_WANT_COMPUTATION once, or twice in the authenticated framing.
/// Python: ClientInstance.exchangeKeys(receive_first).
///
/// @param receive_first true if the peer speaks first, as the released clients do; false if this side does.
/// @retval ANWDL_WANT_READ Non-blocking only, as is ANWDL_WANT_WRITE.
/// @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_KEY: the peer's key. ANWDL_REASON_MESSAGE_TOO_LARGE: the
///   peer's PEM has more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
///   ANWDL_REASON_PROTOCOL_MISMATCH. ANWDL_REASON_KEY_MISSING: the local wrapper lacks a key, or its two keys
///   do not belong together, or the AES key is to be sent before the peer's public key has come.
/// @retval ANWDL_RUNTIME_ERROR Those of every operation, and ANWDL_REASON_PEER_REFUSED,
///   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_RANDOM_FAILED, ANWDL_REASON_FINGERPRINT_MISMATCH.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_exchange_keys(
    client: *mut anwdl_client_t,
    receive_first: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client, |session| session.exchange_keys(receive_first != 0)) }
}

/// One step of the key exchange: sends the local RSA public key. Python: ClientInstance.sendPublicRSAKey().
/// @return As anwdl_client_exchange_keys().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_send_public_rsa_key(
    client: *mut anwdl_client_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client, ClientInstance::send_public_rsa_key) }
}

/// One step of the key exchange: receives the peer's RSA public key.
/// Python: ClientInstance.recvPublicRSAKey().
/// @return As anwdl_client_exchange_keys().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_recv_public_rsa_key(
    client: *mut anwdl_client_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client, ClientInstance::recv_public_rsa_key) }
}

/// One step of the key exchange: sends the AES key, encrypted under the peer's RSA public key. If the peer's
/// AES key came first, this sends a new key derived from it; see anwdl_client_options_set_key_echo().
/// Python: ClientInstance.sendAESKey().
/// @return As anwdl_client_exchange_keys().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_send_aes_key(client: *mut anwdl_client_t) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client, ClientInstance::send_aes_key) }
}

/// One step of the key exchange: receives the peer's AES key, encrypted under the local RSA public key.
/// Python: ClientInstance.recvAESKey().
/// @return As anwdl_client_exchange_keys().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_recv_aes_key(client: *mut anwdl_client_t) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client, ClientInstance::recv_aes_key) }
}

/// Does the long part of the key exchange, after ANWDL_WANT_COMPUTATION: the private key operation or, the
/// second time, the answer to the peer's ephemeral keys in the authenticated framing. It takes milliseconds
/// and may run on any thread, while no other call uses the client. Then call the exchange again: that reports
/// whether the peer's secret could be decrypted. Python: none; it is part of ClientInstance.recvAESKey().
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_OUT_OF_TURN: no computation is due.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_compute(client: *mut anwdl_client_t) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client, ClientInstance::compute) }
}

/// Receives a request. Python: ClientInstance.recvRequest(store_request).
/// @param store_request true to keep the request in the client, in place of an earlier one, for
///   anwdl_client_get_stored_request(); false to leave the stored one as it is.
/// @param out_request Where to write the request, to be freed with anwdl_request_free(); it outlives the
///   client. NULL is fine if store_request is true.
/// @retval ANWDL_WANT_READ Non-blocking only, as is ANWDL_WANT_WRITE.
/// @retval ANWDL_VALUE_ERROR The session continues after ANWDL_REASON_MALFORMED_REQUEST (see
///   anwdl_client_get_request_errors() and anwdl_client_get_malformed_request_json()) and
///   ANWDL_REASON_OUT_OF_TURN (the last request has no response yet; nothing was received). It has ended
///   after ANWDL_REASON_MESSAGE_TOO_LARGE, ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED
///   and ANWDL_REASON_PROTOCOL_MISMATCH.
/// @retval ANWDL_RUNTIME_ERROR Those of every operation, and ANWDL_REASON_KEYS_NOT_EXCHANGED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_recv_request(
    client: *mut anwdl_client_t,
    store_request: BooleanByte,
    out_request: *mut *mut anwdl_request_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        recv_request(
            client,
            store_request,
            out_request,
            ClientInstance::recv_request,
        )
    }
}

/// The last request that anwdl_client_recv_request() received with store_request.
/// Python: ClientInstance.getStoredRequest().
/// @return The request, borrowed until the client stores another one or is freed; NULL if none is stored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_stored_request(
    client: *const anwdl_client_t,
) -> *const anwdl_request_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_stored_request(client, ClientInstance::stored_request) }
}

/// What is wrong with the last request, if it was malformed (ANWDL_REASON_MALFORMED_REQUEST). The errors have
/// the form that the Python peers' validator gives, for example {"verb": ["required field"], "parameters":
/// [{"client_token": ["must be of string type"]}]}. For text that Python's json.loads() reads but that is not
/// strict JSON, they say what and where: {"request": ["not strict JSON at line 1 column 37 (byte 36): not a JSON
/// number: write null or a string"]}. Python: the errors in the tuple that ClientInstance.recvRequest() returns.
/// @return A JSON object in UTF-8, borrowed until the client begins to receive the next request, also in
///   anwdl_client_next_event(); NULL if the last request was not malformed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_request_errors(
    client: *const anwdl_client_t,
) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_malformed_request(
            client,
            ClientInstance::malformed_request,
            MalformedRequest::errors_with_nul,
        )
    }
}

/// The text of the last request, if it was malformed (ANWDL_REASON_MALFORMED_REQUEST), exactly as received
/// but without the blanks around it: for a log, or for a server that accepts more than the format allows.
/// Python's json.loads() reads it, but other parsers may not: it can contain NaN, Infinity, half surrogate
/// pairs, duplicate keys and more than 64 levels of nesting, and need not be an object. It may hold client
/// tokens, and is wiped when it is freed. Python: the request in the tuple that ClientInstance.recvRequest()
/// returns.
/// @return The text in UTF-8 with no NUL inside, borrowed until the client begins to receive the next
///   request, also in anwdl_client_next_event(); NULL if the last request was not malformed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_malformed_request_json(
    client: *const anwdl_client_t,
) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_malformed_request(
            client,
            ClientInstance::malformed_request,
            MalformedRequest::json_with_nul,
        )
    }
}

/// Sends a response: {"success": success, "message": message, "data": data}, with the data as given. With a
/// reason, the message becomes "message (reason : reason)".
///
/// The data is checked against the response format first: container_uuid, client_token, container_iso_sha256,
/// container_username, container_password and container_listen_port come together or not at all, so do uptime
/// and version, and each has its own format. Other keys are allowed.
///
/// Each request gets one response, in order (see "Turns"). A response before the first request uses the
/// framing of anwdl_client_options_set_protocol(), or ANWDL_PROTOCOL_V4 without it, which clients of releases
/// 2 and 3 cannot read; to answer those, receive their request first. In non-blocking use, repeated calls
/// finish the response of the first. Python: ClientInstance.sendResponse(success, message, data, reason).
///
/// @param success Whether the request was carried out.
/// @param message What the peer shows, UTF-8: one of the ANWDL_RESPONSE_MSG_ strings.
/// @param data_json A JSON object, UTF-8; NULL for {}. It must be strict JSON that every released peer reads:
///   no NaN, no duplicate keys, no half surrogate pairs, at most 63 levels, no integer of more than 4300
///   digits. Numbers stay as written, 1e400 and -0 too.
/// @param reason Why the request was refused or failed, UTF-8; may be NULL or "" for none.
/// @retval ANWDL_WANT_READ Non-blocking only, as is ANWDL_WANT_WRITE.
/// @retval ANWDL_VALUE_ERROR Nothing was sent and the session continues after ANWDL_REASON_MALFORMED_RESPONSE
///   (data_json is not acceptable JSON: the error message says where, and what to write; or it breaks the format),
///   ANWDL_REASON_MESSAGE_TOO_LARGE (more than the framing can carry) and ANWDL_REASON_OUT_OF_TURN (each
///   request has its response).
/// @retval ANWDL_RUNTIME_ERROR Those of every operation, and ANWDL_REASON_PEER_REFUSED,
///   ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_RANDOM_FAILED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_send_response(
    client: *mut anwdl_client_t,
    success: BooleanByte,
    message: *const c_char,
    data_json: *const c_char,
    reason: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        send_response(
            client,
            success,
            message,
            move || optional_text(data_json, "data_json"),
            reason,
            ClientInstance::send_response,
        )
    }
}

/// What the operation under way waits for. Python: none.
/// @return ANWDL_WANT_READ, ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION; ANWDL_OK if no operation is under way,
///   or if it can continue at once: call it again; ANWDL_VALUE_ERROR for NULL.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_wants(client: *const anwdl_client_t) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_wants(client, ClientInstance::wants) }
}

/// Whether no request is under way, from its first byte to the last one of its response. A server that stops can
/// close the client then, and no request is lost. First call anwdl_client_next_event() until it returns
/// ANWDL_EVENT_WANT_READ: a request may wait in the socket. Python: none.
/// @return true before the first request, in the key exchange too, and between two requests; otherwise false, also
///   after a failure, and after an ANWDL_EVENT_WANT_READ that only gave other clients their turn: it did not look
///   into the socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_is_idle(client: *const anwdl_client_t) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { is_idle(client, ClientInstance::is_idle) }
}

/// Attaches a pointer of the program to the client, for anwdl_client_get_user_data() and for the function of
/// anwdl_set_log_handler(). The library neither reads nor frees what it points to.
/// Python: an attribute of the object.
/// @param user_data The pointer; NULL is fine.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_set_user_data(
    client: *mut anwdl_client_t,
    user_data: *mut c_void,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { set_user_data(client, user_data) }
}

/// The pointer that anwdl_client_set_user_data() attached. Python: an attribute of the object.
/// @return The pointer; NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_user_data(client: *const anwdl_client_t) -> *mut c_void {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_user_data(client) }
}

/// Runs the session, and returns what has happened or what it needs to go on, so a server is a loop with one
/// `switch`. It continues the operation under way, exchanges the keys (the peer speaks first) unless that is
/// done or an AES wrapper takes their place, and then receives requests. Python: none.
///
/// The program only begins to send: call anwdl_client_send_response() once, and if it returns ANWDL_WANT_READ
/// or ANWDL_WANT_WRITE, leave the rest to this function. To speak first in the key exchange, begin it with
/// anwdl_client_exchange_keys() in the same way. ANWDL_EVENT_EXCHANGED and ANWDL_EVENT_RESPONSE_SENT come once
/// each, also if the function that began the operation has finished it, unless another operation has begun
/// since.
///
/// ANWDL_EVENT_ENDED is final, even with reasons after which other functions could be called again:
/// ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_TIMEOUT and ANWDL_REASON_PEER_REFUSED. The timeout of a request
/// counts from its first byte; until then the idle timeout counts, see anwdl_client_options_set_idle_timeout().
/// A blocking client waits, so it never returns ANWDL_EVENT_WANT_READ or ANWDL_EVENT_WANT_WRITE. You may call
/// too early: the call returns the same event again.
///
/// To answer later, take the descriptor out of the poll set until then: it can be readable all the time, and each
/// call returns ANWDL_EVENT_YOUR_TURN. You learn afterwards whether the peer has gone.
///
/// After 16 requests without a wait, a non-blocking client returns ANWDL_EVENT_WANT_READ once, so a peer that
/// sends without a pause does not keep your loop from its other clients. Polling reports at once that there is
/// more to read; if it is edge-triggered, call again. Other non-blocking functions return ANWDL_WANT_READ in the
/// same way. A server for one connection:
///
/// @code{.c}
/// #include <anwdl.h>
///
/// // The program's own: waits, or arranges to be called again; and sends a response.
/// void wait_for(anwdl_client_t *client, anwdl_event_t what);
/// anwdl_status_t answer(anwdl_client_t *client, const anwdl_request_t *request);
///
/// void serve(anwdl_client_t *client)
/// {
///     anwdl_request_t *request = NULL;
///     anwdl_status_t status = ANWDL_OK;
///     while (status >= ANWDL_OK) {
///         anwdl_event_t event = anwdl_client_next_event(client, &request);
///         switch (event) {
///         case ANWDL_EVENT_REQUEST:
///             status = answer(client, request);
///             anwdl_request_free(request);
///             break;
///         case ANWDL_EVENT_MALFORMED_REQUEST:
///             status = anwdl_client_send_response(client, false, ANWDL_RESPONSE_MSG_BAD_REQ,
///                                                 NULL, NULL);
///             break;
///         case ANWDL_EVENT_EXCHANGED:
///         case ANWDL_EVENT_RESPONSE_SENT:
///             break;
///         case ANWDL_EVENT_WANT_READ:
///         case ANWDL_EVENT_WANT_WRITE:
///             wait_for(client, event);
///             break;
///         case ANWDL_EVENT_WANT_COMPUTATION:
///             status = anwdl_client_compute(client);
///             break;
///         default:
///             return;
///         }
///     }
/// }
/// @endcode
///
/// @param out_request Where to write the request with ANWDL_EVENT_REQUEST, to be freed with
///   anwdl_request_free(); it outlives the client. Untouched otherwise.
/// @return The event. The reasons of ANWDL_EVENT_ENDED are those of anwdl_client_exchange_keys(),
///   anwdl_client_recv_request() and anwdl_client_send_response().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_next_event(
    client: *mut anwdl_client_t,
    out_request: *mut *mut anwdl_request_t,
) -> anwdl_event_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        next_event(
            client,
            out_request,
            ptr::null_mut(),
            |_| true,
            ClientInstance::next_event,
        )
    }
}

/// How long the operation under way may still take. Wait no longer, then call it again: that call fails with
/// ANWDL_REASON_TIMEOUT. Python: socket.gettimeout(), which is for each recv().
/// @return Milliseconds, rounded up, as poll() and epoll_wait() take them; 0 if the time is up; -1 if there is
///   no limit, or no operation is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_get_time_left(client: *const anwdl_client_t) -> c_int {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_time_left(client, ClientInstance::time_left) }
}
