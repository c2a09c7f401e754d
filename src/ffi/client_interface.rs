//! `anwdl_client_interface_t`: the side that connects.

use std::ffi::{c_char, c_int};
use std::time::Duration;

use super::aes_wrapper::anwdl_aes_wrapper_t;
use super::client_options::{anwdl_client_options_t, anwdl_protocol_t, options_or_defaults};
use super::error::anwdl_status_t;
use super::handle::{
    PoisonOnPanic, get_protocol, get_wrapper, has_failed, operate, query, recv_response,
    send_request, set_wrapper,
};
use super::memory::get_string;
use super::response::anwdl_response_t;
use super::rsa_wrapper::anwdl_rsa_wrapper_t;
use super::{
    BooleanByte, Handle, borrow_mut, change, create, free, optional_text, status_wiping_keys, text,
    wiping_keys,
};
use crate::client_interface::ClientInterface;

/// A client of a server: the Python ClientInterface.
///
/// One interface has one connection at a time, and can make another after it was closed. It may be
/// used by one thread at a time, whichever that is.
pub enum anwdl_client_interface_t {}

impl Handle for anwdl_client_interface_t {
    type Inner = PoisonOnPanic<ClientInterface>;
    const NAME: &'static str = "client_interface";
}

/// Makes a client interface that is not connected yet.
///
/// @param options The options, copied; NULL for the defaults. ANWDL_PROTOCOL_AUTO means
///   ANWDL_PROTOCOL_V4, as the released servers speak, unless the server chooses the authenticated
///   framing. The peer's IP address means nothing here.
/// @param out_interface Where to write the interface, to be freed with
///   anwdl_client_interface_free(); not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_interface is NULL.
///   ANWDL_REASON_PROTOCOL_MISMATCH: the mode of the AES wrapper does not fit the framing that the
///   options name.
///
/// Python: ClientInterface(server_ip, server_listen_port, timeout, rsa_wrapper, aes_wrapper); here the
/// address comes with the call that connects.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_new(
    options: *const anwdl_client_options_t,
    out_interface: *mut *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    wiping_keys(|| unsafe {
        create((out_interface, "out_interface"), || {
            let options = options_or_defaults(options)?;
            Ok(PoisonOnPanic::new(ClientInterface::new(&options)?))
        })
    })
}

/// Closes the connection if there is one, wipes the keys and frees the interface.
///
/// Everything borrowed from the interface ends with it. Responses that were received do not.
///
/// @param client_interface The interface; NULL is fine and does nothing.
///
/// Python: del.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_free(
    client_interface: *mut anwdl_client_interface_t,
) {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { free(client_interface) }
}

/// Connects to a server and, unless the options say otherwise, exchanges the keys, this side
/// speaking first.
///
/// All addresses of a name are tried in turn, each with its share of the time that is left. The
/// call waits until all is done or the timeout of the options has passed, in a non-blocking
/// interface too; that one, and one with a separate computation, exchanges its keys only in
/// anwdl_client_interface_exchange_keys(), and so the call never returns ANWDL_WANT_READ,
/// ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION. To let the server speak first, set
/// anwdl_client_options_set_exchange_keys() to false and call that function as well.
///
/// With a timeout, a name is looked up on a thread of the library's own, on which all signals are
/// blocked, and which is left behind if the timeout passes first.
///
/// After a failure there is no connection, and the call can be repeated. If it was the server's key
/// that was not the expected one, anwdl_client_interface_get_server_fingerprint() still has its
/// fingerprint.
///
/// @param client_interface The interface; not NULL.
/// @param host An IPv4 or IPv6 address or a name, UTF-8; not NULL.
/// @param port The port, 1 to 65535; servers listen at 6150 by default.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface or host is NULL, host is
///   empty or not UTF-8, or port is 0. ANWDL_REASON_ALREADY_CONNECTED: close the connection first.
///   If keys are exchanged, also those of anwdl_client_interface_exchange_keys().
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CONNECT_FAILED, ANWDL_REASON_TIMEOUT. If keys are
///   exchanged, also those of anwdl_client_interface_exchange_keys().
///
/// Python: ClientInterface.connectServer(receive_first), which exchanges the keys as well and takes the
/// address from the constructor.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_connect_server(
    client_interface: *mut anwdl_client_interface_t,
    host: *const c_char,
    port: u16,
) -> anwdl_status_t {
    status_wiping_keys(|| {
        // SAFETY: the caller passes NULL or a interface that it owns.
        let client_interface = unsafe { borrow_mut(client_interface, "client_interface") }?;
        // SAFETY: the caller passes NULL or a string.
        let host = unsafe { text(host, "host") }?;
        client_interface.operate(|inner| inner.connect_server(host, port))
    })
}

/// Closes the connection and wipes the keys of the session. The interface stays, can connect again,
/// and must still be freed.
///
/// @param client_interface The interface; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED: there is no connection.
///
/// Python: ClientInterface.closeConnection().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_close_connection(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    wiping_keys(|| unsafe {
        change(client_interface, |client_interface| {
            client_interface.get_mut().close_connection()
        })
    })
}

/// Tells whether there is no connection: none was made yet, or it was closed on this side.
///
/// It does not notice that the server has closed: the next operation does.
///
/// @param client_interface The interface; not NULL.
///
/// @return true if there is no connection, else false; false as well if client_interface is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInterface.isClosed().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_is_closed(
    client_interface: *const anwdl_client_interface_t,
) -> bool {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { query(client_interface, false, ClientInterface::is_closed) }
}

/// Tells whether the session has ended, by a failure or because the connection was closed.
///
/// What it is asked for is said at anwdl_client_has_failed(). It has not ended before there was a
/// connection, nor where connecting failed.
///
/// @param client_interface The interface; not NULL.
///
/// @return true if nothing is left but to close the connection, else false; false as well if
///   client_interface is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: none; there, a socket that failed is told from a sound one by trying again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_has_failed(
    client_interface: *const anwdl_client_interface_t,
) -> bool {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { has_failed(client_interface, ClientInterface::has_failed) }
}

/// Changes how long an operation may take, in this connection and in those that are made later.
///
/// It holds for the operations that begin after the call; one that is under way in a non-blocking
/// interface keeps its deadline. What a timeout is, is said at anwdl_client_options_set_timeout().
///
/// @param client_interface The interface; not NULL.
/// @param milliseconds The timeout in milliseconds; 0 for none.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
///
/// Python: ClientInterface.getSocketDescriptor().settimeout(), in seconds there, and for each
/// recv() by itself.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_set_timeout(
    client_interface: *mut anwdl_client_interface_t,
    milliseconds: u32,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        change(client_interface, |client_interface| {
            let timeout = Duration::from_millis(milliseconds.into());
            client_interface.get_mut().set_timeout(Some(timeout));
            Ok(())
        })
    }
}

/// The descriptor of the connection, for poll(), epoll and the like.
///
/// It stays the interface's: do not close it, and do not read from it or write to it.
///
/// @param client_interface The interface; not NULL.
///
/// @return The descriptor; -1 if there is no connection, which is no failure: the last error stays
///   as it was. -1 as well if client_interface is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInterface.getSocketDescriptor().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_socket_descriptor(
    client_interface: *const anwdl_client_interface_t,
) -> c_int {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        query(client_interface, -1, |session| {
            session.socket_descriptor().unwrap_or(-1)
        })
    }
}

/// The fingerprint of the server's public RSA key, once it was received.
///
/// @param client_interface The interface; not NULL.
/// @param out_hex Where to write the fingerprint, 64 hexadecimal digits in lower case, to be freed
///   with anwdl_string_free(); not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///   ANWDL_REASON_KEY_MISSING: no key of the server was received yet.
///
/// Python: none; its client computes it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_server_fingerprint(
    client_interface: *const anwdl_client_interface_t,
    out_hex: *mut *mut c_char,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        get_string(client_interface, (out_hex, "out_hex"), |client_interface| {
            Ok(Some(client_interface.get_ref().server_fingerprint()?))
        })
    }
}

/// The framing that the session uses.
///
/// @param client_interface The interface; not NULL.
///
/// @return The framing that the options name, ANWDL_PROTOCOL_V4 for ANWDL_PROTOCOL_AUTO; the
///   authenticated one once it is agreed on. ANWDL_PROTOCOL_AUTO as well if client_interface is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: none; each release speaks one framing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_protocol(
    client_interface: *const anwdl_client_interface_t,
) -> anwdl_protocol_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { get_protocol(client_interface, ClientInterface::protocol) }
}

/// The RSA wrapper of the interface: its local key pair and, once received, the peer's public key.
///
/// @param client_interface The interface; not NULL.
///
/// @return The wrapper, borrowed until the next call that takes the interface without const, or its
///   end: do not free it. NULL while the interface has none, which is no failure: one that was
///   given none takes the process's key pair when it first needs it. NULL as well if client_interface is
///   NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInterface.getRSAWrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_rsa_wrapper(
    client_interface: *const anwdl_client_interface_t,
) -> *const anwdl_rsa_wrapper_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { get_wrapper(client_interface, ClientInterface::rsa_wrapper) }
}

/// The AES wrapper of the interface: the key of the session and its present IV.
///
/// @param client_interface The interface; not NULL.
///
/// @return The wrapper, borrowed until the next call that takes the interface without const, or its
///   end: do not free it. NULL while the interface has none, which is no failure, and in a session of the
///   authenticated framing, whose keys, one for each
///   direction, the library keeps to itself. NULL as well if
///   client_interface is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: ClientInterface.getAESWrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_aes_wrapper(
    client_interface: *const anwdl_client_interface_t,
) -> *const anwdl_aes_wrapper_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { get_wrapper(client_interface, ClientInterface::aes_wrapper) }
}

/// Replaces the RSA key pair of the interface, before keys are exchanged. What is set is kept for
/// later connections.
///
/// @param client_interface The interface; not NULL.
/// @param wrapper The wrapper; not NULL. As with anwdl_client_options_set_rsa_wrapper(), its local
///   key pair is shared, its peer's key is not copied, and the caller may change or free it at
///   once.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface or wrapper is NULL.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING.
///
/// Python: ClientInterface.setRSAWrapper(rsa_wrapper).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_set_rsa_wrapper(
    client_interface: *mut anwdl_client_interface_t,
    wrapper: *const anwdl_rsa_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { set_wrapper(client_interface, wrapper, ClientInterface::set_rsa_wrapper) }
}

/// Replaces the AES key of the interface, before keys are exchanged or where none are. What is set
/// is kept for later connections.
///
/// What it then means is said at anwdl_client_options_set_aes_wrapper().
///
/// @param client_interface The interface; not NULL.
/// @param wrapper The wrapper; not NULL. Key, IV and mode are copied; the caller may change or free
///   it at once.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface or wrapper is NULL, or the
///   wrapper is in GCM mode.
///   ANWDL_REASON_PROTOCOL_MISMATCH: the options name the authenticated framing, which takes no key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING.
///
/// Python: ClientInterface.setAESWrapper(aes_wrapper).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_set_aes_wrapper(
    client_interface: *mut anwdl_client_interface_t,
    wrapper: *const anwdl_aes_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    wiping_keys(|| unsafe {
        set_wrapper(client_interface, wrapper, ClientInterface::set_aes_wrapper)
    })
}

/// Exchanges public RSA keys and the AES key with the peer: all four steps.
///
/// With receive_first: anwdl_client_interface_recv_public_rsa_key(),
/// anwdl_client_interface_send_public_rsa_key(), anwdl_client_interface_recv_aes_key(),
/// anwdl_client_interface_send_aes_key(). Without it, each "recv" and "send" change places. The
/// side that sends its AES key first decides the key of the session.
///
/// Blocking: the call returns when the keys are exchanged or the timeout has passed. Non-blocking:
/// it returns ANWDL_WANT_READ or ANWDL_WANT_WRITE until it is done. With a separate computation, it
/// returns ANWDL_WANT_COMPUTATION once, in the authenticated framing twice if the peer chose that, also
/// where it blocks otherwise.
///
/// @param client_interface The interface; not NULL.
/// @param receive_first true if the server speaks first; false if this side does, as the released
///   clients do.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
///   ANWDL_REASON_INVALID_KEY: the peer's. ANWDL_REASON_MESSAGE_TOO_LARGE: the peer announced a
///   PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
///   ANWDL_REASON_PROTOCOL_MISMATCH. ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local
///   key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED,
///   ANWDL_REASON_FINGERPRINT_MISMATCH.
///
/// Python: ClientInterface.connectServer(receive_first), of which it is a part.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_exchange_keys(
    client_interface: *mut anwdl_client_interface_t,
    receive_first: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        operate(client_interface, |session| {
            session.exchange_keys(receive_first != 0)
        })
    }
}

/// One step of the key exchange: sends the local public RSA key.
///
/// @param client_interface The interface; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
///   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInterface.sendPublicRSAKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_send_public_rsa_key(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { operate(client_interface, ClientInterface::send_public_rsa_key) }
}

/// One step of the key exchange: receives the peer's public RSA key.
///
/// @param client_interface The interface; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
///   ANWDL_REASON_INVALID_KEY: the peer's, which is refused. ANWDL_REASON_MESSAGE_TOO_LARGE: the
///   peer announced a PEM of more than 16 KiB. ANWDL_REASON_PROTOCOL_VIOLATION.
///   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
///   ANWDL_REASON_RANDOM_FAILED, ANWDL_REASON_FINGERPRINT_MISMATCH.
///
/// Python: ClientInterface.recvPublicRSAKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_recv_public_rsa_key(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { operate(client_interface, ClientInterface::recv_public_rsa_key) }
}

/// One step of the key exchange: sends the AES key, encrypted under the peer's public RSA key.
///
/// If the peer's AES key was received before, a new key that is derived from it is sent, see
/// anwdl_client_options_set_key_echo().
///
/// @param client_interface The interface; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
///   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key, or the peer's public key was
///   not received yet.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING, ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInterface.sendAESKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_send_aes_key(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { operate(client_interface, ClientInterface::send_aes_key) }
}

/// One step of the key exchange: receives the peer's AES key, encrypted under the local public RSA
/// key.
///
/// @param client_interface The interface; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_WANT_COMPUTATION Only with a separate computation.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
///   ANWDL_REASON_DECRYPTION_FAILED: it is refused. ANWDL_REASON_PROTOCOL_MISMATCH.
///   ANWDL_REASON_KEY_MISSING: the wrapper given lacks a local key.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED,
///   ANWDL_REASON_KEYS_ALREADY_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
///   ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInterface.recvAESKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_recv_aes_key(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { operate(client_interface, ClientInterface::recv_aes_key) }
}

/// Does what takes long in the key exchange, after ANWDL_WANT_COMPUTATION: the private key operation
/// or, second, the answer to the peer's ephemeral keys in the authenticated framing.
///
/// It takes milliseconds, and may be called on any thread; no other call may use the interface
/// meanwhile. Whether the peer's secret could be decrypted is told by the exchange when it is
/// called again, which is due in any case.
///
/// @param client_interface The interface; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface is NULL.
///   ANWDL_REASON_OUT_OF_TURN: no computation is due.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_SESSION_FAILED.
///
/// Python: none; it is a part of ClientInterface.recvAESKey().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_compute(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { operate(client_interface, ClientInterface::compute) }
}

/// Sends a request.
///
/// What goes out is {"verb": verb, "parameters": parameters}, with the parameters as they were
/// given. Both are checked against the request format before anything is sent: the verb has letters
/// A to Z only, and container_uuid and client_token come together or not at all, and each fits its
/// own format. Other parameters are allowed.
///
/// There is one response to each request, and it is received before the next request is sent.
///
/// @param client_interface The interface; not NULL.
/// @param verb What is asked for, UTF-8; not NULL. Every server knows "CREATE", "DESTROY" and
///   "STAT".
/// @param parameters_json The text of a JSON object, UTF-8; NULL for {}. What is accepted is said of
///   the data_json of anwdl_client_send_response().
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface or verb is NULL, or a text is
///   not UTF-8. ANWDL_REASON_MALFORMED_REQUEST: verb or parameters_json breaks the format.
///   ANWDL_REASON_MESSAGE_TOO_LARGE: longer than the framing can carry. ANWDL_REASON_OUT_OF_TURN:
///   the last request has no response yet. In all these cases nothing was sent and the session goes
///   on.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED,
///   ANWDL_REASON_PEER_REFUSED, ANWDL_REASON_TIMEOUT, ANWDL_REASON_IO_FAILED,
///   ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_OPERATION_PENDING,
///   ANWDL_REASON_RANDOM_FAILED.
///
/// Python: ClientInterface.sendRequest(verb, parameters).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_send_request(
    client_interface: *mut anwdl_client_interface_t,
    verb: *const c_char,
    parameters_json: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        send_request(
            client_interface,
            verb,
            || optional_text(parameters_json, "parameters_json"),
            ClientInterface::send_request,
        )
    }
}

/// Receives a response.
///
/// @param client_interface The interface; not NULL.
/// @param out_response Where to write the response, to be freed with anwdl_response_free(); it
///   stays valid whatever happens to the interface; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_WANT_WRITE Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: client_interface or out_response is NULL.
///   ANWDL_REASON_MALFORMED_RESPONSE, ANWDL_REASON_MESSAGE_TOO_LARGE,
///   ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED,
///   ANWDL_REASON_PROTOCOL_MISMATCH: the session has ended.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CLOSED, ANWDL_REASON_PEER_CLOSED, ANWDL_REASON_TIMEOUT,
///   ANWDL_REASON_IO_FAILED, ANWDL_REASON_SESSION_FAILED, ANWDL_REASON_KEYS_NOT_EXCHANGED,
///   ANWDL_REASON_OPERATION_PENDING.
///
/// Python: ClientInterface.recvResponse().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_recv_response(
    client_interface: *mut anwdl_client_interface_t,
    out_response: *mut *mut anwdl_response_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        recv_response(
            client_interface,
            out_response,
            ClientInterface::recv_response,
        )
    }
}
