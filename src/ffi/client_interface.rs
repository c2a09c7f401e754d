//! `anwdl_client_interface_t`: the side that connects.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use super::aes_wrapper::anwdl_aes_wrapper_t;
use super::client_options::{anwdl_client_options_t, anwdl_protocol_t, options_or_defaults};
use super::error::{anwdl_event_t, anwdl_status_t};
use super::event::next_event;
use super::handle::{
    End, PoisonOnPanic, detach, exchange_or_leave_open, get_protocol, get_time_left, get_user_data,
    get_wants, get_wrapper, has_failed, is_idle, operate, query, recv_response, send_request,
    set_user_data, set_wrapper,
};
use super::memory::get_string;
use super::response::anwdl_response_t;
use super::rsa_wrapper::anwdl_rsa_wrapper_t;
use super::{
    BooleanByte, Handle, borrow_mut, change, create, free, optional_text, status_wiping_keys, text,
    wiping_keys,
};
use crate::client_interface::ClientInterface;
use crate::endpoint::transport::socket::check_descriptor;

/// A client of a server. It has one connection at a time, and can make another after closing it.
/// Python: ClientInterface.
pub enum anwdl_client_interface_t {}

impl Handle for anwdl_client_interface_t {
    type Inner = PoisonOnPanic<ClientInterface>;
    const NAME: &'static str = "client_interface";
}

impl End for ClientInterface {
    fn end(&mut self) {
        ClientInterface::end(self);
    }
}

/// Makes a client interface, not connected yet. Python: ClientInterface(server_ip, server_listen_port,
/// timeout, rsa_wrapper, aes_wrapper); here the address is passed when connecting.
/// @param options The options; NULL for the defaults. ANWDL_PROTOCOL_AUTO means ANWDL_PROTOCOL_V4, as the
///   released servers speak, unless the server chooses the authenticated framing. The peer's IP address is
///   ignored.
/// @param out_interface Where to write the interface, to be freed with anwdl_client_interface_free().
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_PROTOCOL_MISMATCH: the AES wrapper does not fit
///   the framing of the options.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_new(
    options: *const anwdl_client_options_t,
    out_interface: *mut *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        create((out_interface, "out_interface"), || {
            let options = options_or_defaults(options)?;
            Ok(PoisonOnPanic::new(ClientInterface::new(&options)?))
        })
    })
}

/// Closes the connection if there is one, wipes the keys and frees the interface. Everything borrowed from it
/// becomes invalid; responses stay valid. Python: del.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_free(
    client_interface: *mut anwdl_client_interface_t,
) {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { free(client_interface) }
}

/// Connects to a server and, unless the options say otherwise, exchanges the keys, this side speaking first.
/// In the authenticated framing, ANWDL_OK does not show that the server owns its key: its first response does.
/// It tries the addresses of a name as RFC 8305 says: IPv6 and IPv4 in turn; the next one at once if one fails,
/// and beside it if it has not answered for 250 ms; the first that answers stays. At most 16 are tried at a time,
/// so an interface that connects without waiting takes up to 18 descriptors.
///
/// A non-blocking interface does not wait. Until it is connected, the call returns ANWDL_WANT_READ: wait until
/// anwdl_client_interface_get_socket_descriptor() is readable, no longer than
/// anwdl_client_interface_get_time_left() tells, then call again with the same arguments, or
/// anwdl_client_interface_next_event(). That descriptor is for connecting only, and then closed: the connection
/// has another one. To give up, call anwdl_client_interface_close_connection() or
/// anwdl_client_interface_free(). A non-blocking interface, or one with a separate computation, exchanges its
/// keys only in anwdl_client_interface_exchange_keys() or anwdl_client_interface_next_event(). To let the server
/// speak first, turn off anwdl_client_options_set_exchange_keys() and call the first of the two.
///
/// Unless the call blocks and has no timeout, a name is looked up on a thread of the library's own, on which all
/// signals are blocked. There are at most 16 such threads; further names wait for one. A thread whose answer
/// nobody waits for ends when the system's resolver gives up. After fork(), a child that goes on looks the name up
/// again, and waits for a descriptor of its own.
///
/// After a failure there is no connection, and the call can be repeated. After
/// ANWDL_REASON_FINGERPRINT_MISMATCH, anwdl_client_interface_get_server_fingerprint() still has the server's
/// fingerprint. Python: ClientInterface.connectServer(receive_first), which takes the address from the
/// constructor.
///
/// @param host An IPv4 or IPv6 address or a name, UTF-8, 1 to 1024 bytes.
/// @param port The port, 1 to 65535; servers listen on 6150 by default.
/// @retval ANWDL_OK Connected; the keys are exchanged too, but for the cases named above.
/// @retval ANWDL_WANT_READ Non-blocking only.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_ALREADY_CONNECTED; if keys are exchanged, also those of
///   anwdl_client_interface_exchange_keys().
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_CONNECT_FAILED, ANWDL_REASON_TIMEOUT; ANWDL_REASON_OPERATION_PENDING:
///   another host is being connected to; likewise.
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

/// Uses a socket that the program has connected to a server, in place of
/// anwdl_client_interface_connect_server(), and exchanges the keys in the same way. It can be of TCP, a Unix
/// socket, or from socketpair(). Its options are set as anwdl_client_new() sets them. Python: none.
/// @param fd A connected stream socket. With ANWDL_OK it belongs to the interface, which closes it: do not use
///   or close it afterwards. After a failure it still belongs to the caller and is open.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_DESCRIPTOR, ANWDL_REASON_ALREADY_CONNECTED; if keys are
///   exchanged, also those of anwdl_client_interface_exchange_keys().
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_OPERATION_PENDING: it is connecting; likewise.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_attach(
    client_interface: *mut anwdl_client_interface_t,
    fd: c_int,
) -> anwdl_status_t {
    status_wiping_keys(|| {
        // SAFETY: the caller passes NULL or an interface that it owns.
        let client_interface = unsafe { borrow_mut(client_interface, "client_interface") }?;
        let is_tcp = check_descriptor(fd)?.is_some();
        client_interface.operate(ClientInterface::reset_session)?;
        // SAFETY: the descriptor is open, and the caller hands it over.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        client_interface.get_mut().open(socket, is_tcp);
        exchange_or_leave_open(
            client_interface,
            ClientInterface::exchange_keys_after_attaching,
            ClientInterface::take_socket,
        )
    })
}

/// Gives the open descriptor back to the caller. The interface can connect again, and must still be freed.
/// Python: socket.detach().
/// @return As anwdl_client_detach(); -1 also while it connects (ANWDL_REASON_OPERATION_PENDING).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_detach(
    client_interface: *mut anwdl_client_interface_t,
) -> c_int {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { detach(client_interface, ClientInterface::detach) }
}

/// Closes the connection and wipes the keys of the session, or stops connecting. The interface can connect
/// again, and must still be freed. Python: ClientInterface.closeConnection().
/// @return ANWDL_OK, or ANWDL_RUNTIME_ERROR with ANWDL_REASON_CLOSED: there is no connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_close_connection(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        change(client_interface, |client_interface| {
            client_interface.get_mut().close_connection()
        })
    })
}

/// Whether there is no connection, and none is being made: it was never begun, failed, or was closed or
/// detached on this side. If the server has closed the connection, the next operation reports that. Python:
/// ClientInterface.isClosed().
/// @return true if there is no connection and none is being made, otherwise false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_is_closed(
    client_interface: *const anwdl_client_interface_t,
) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { query(client_interface, false, ClientInterface::is_closed) }
}

/// Whether the session has ended, as anwdl_client_has_failed(): false before there was a connection, and if
/// connecting failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_has_failed(
    client_interface: *const anwdl_client_interface_t,
) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { has_failed(client_interface, ClientInterface::has_failed) }
}

/// Changes the timeout, as anwdl_client_set_timeout(), of this connection and later ones. Python:
/// ClientInterface.getSocketDescriptor().settimeout(), in seconds, and for each recv().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_set_timeout(
    client_interface: *mut anwdl_client_interface_t,
    milliseconds: u32,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(client_interface, |client_interface| {
            let timeout = Duration::from_millis(milliseconds.into());
            client_interface.get_mut().set_timeout(Some(timeout));
            Ok(())
        })
    }
}

/// The descriptor of the connection, as anwdl_client_get_socket_descriptor(); -1 without one. While a
/// non-blocking interface connects, it is another one, which becomes readable when there is more to do. Python:
/// ClientInterface.getSocketDescriptor().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_socket_descriptor(
    client_interface: *const anwdl_client_interface_t,
) -> c_int {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        query(client_interface, -1, |session| {
            session.socket_descriptor().unwrap_or(-1)
        })
    }
}

/// The fingerprint of the server's RSA public key, once received; see anwdl_rsa_wrapper_get_fingerprint().
/// Python: none; its client computes it.
/// @param out_hex Where to write 64 hexadecimal digits in lower case, to be freed with anwdl_string_free().
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_KEY_MISSING: no key of the server was received
///   yet.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_server_fingerprint(
    client_interface: *const anwdl_client_interface_t,
    out_hex: *mut *mut c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_string(client_interface, (out_hex, "out_hex"), |client_interface| {
            Ok(Some(client_interface.get_ref().server_fingerprint()?))
        })
    }
}

/// The framing of the session, as anwdl_client_get_protocol(): the one that the options name (ANWDL_PROTOCOL_V4
/// for ANWDL_PROTOCOL_AUTO), or the authenticated one once it is agreed on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_protocol(
    client_interface: *const anwdl_client_interface_t,
) -> anwdl_protocol_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_protocol(client_interface, ClientInterface::protocol) }
}

/// The RSA wrapper, as anwdl_client_get_rsa_wrapper(); its peer's key is the server's. Python:
/// ClientInterface.getRSAWrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_rsa_wrapper(
    client_interface: *const anwdl_client_interface_t,
) -> *const anwdl_rsa_wrapper_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_wrapper(client_interface, ClientInterface::rsa_wrapper) }
}

/// The AES wrapper, as anwdl_client_get_aes_wrapper(). Python: ClientInterface.getAESWrapper().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_aes_wrapper(
    client_interface: *const anwdl_client_interface_t,
) -> *const anwdl_aes_wrapper_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_wrapper(client_interface, ClientInterface::aes_wrapper) }
}

/// Replaces the RSA key pair, as anwdl_client_set_rsa_wrapper(), of this connection and later ones. Python:
/// ClientInterface.setRSAWrapper(rsa_wrapper).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_set_rsa_wrapper(
    client_interface: *mut anwdl_client_interface_t,
    wrapper: *const anwdl_rsa_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { set_wrapper(client_interface, wrapper, ClientInterface::set_rsa_wrapper) }
}

/// Replaces the AES key, as anwdl_client_set_aes_wrapper(), of this connection and later ones. Python:
/// ClientInterface.setAESWrapper(aes_wrapper).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_set_aes_wrapper(
    client_interface: *mut anwdl_client_interface_t,
    wrapper: *const anwdl_aes_wrapper_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    wiping_keys(|| unsafe {
        set_wrapper(client_interface, wrapper, ClientInterface::set_aes_wrapper)
    })
}

/// Exchanges the keys with the server, as anwdl_client_exchange_keys(). The released clients speak first: for
/// them, receive_first is false. Python: ClientInterface.connectServer(receive_first), of which it is a part.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_exchange_keys(
    client_interface: *mut anwdl_client_interface_t,
    receive_first: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        operate(client_interface, |session| {
            session.exchange_keys(receive_first != 0)
        })
    }
}

/// One step of the key exchange, as anwdl_client_send_public_rsa_key(). Python:
/// ClientInterface.sendPublicRSAKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_send_public_rsa_key(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client_interface, ClientInterface::send_public_rsa_key) }
}

/// One step of the key exchange, as anwdl_client_recv_public_rsa_key(). Python:
/// ClientInterface.recvPublicRSAKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_recv_public_rsa_key(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client_interface, ClientInterface::recv_public_rsa_key) }
}

/// One step of the key exchange, as anwdl_client_send_aes_key(). Python: ClientInterface.sendAESKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_send_aes_key(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client_interface, ClientInterface::send_aes_key) }
}

/// One step of the key exchange, as anwdl_client_recv_aes_key(). Python: ClientInterface.recvAESKey().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_recv_aes_key(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client_interface, ClientInterface::recv_aes_key) }
}

/// Does the long part of the key exchange, as anwdl_client_compute(). Python: none; it is part of
/// ClientInterface.recvAESKey().
/// @return As anwdl_client_compute(), or ANWDL_RUNTIME_ERROR with ANWDL_REASON_OPERATION_PENDING: it is
///   connecting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_compute(
    client_interface: *mut anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { operate(client_interface, ClientInterface::compute) }
}

/// Sends a request: {"verb": verb, "parameters": parameters}, with the parameters as given. Both are checked
/// against the request format first: the verb consists of the letters A to Z; container_uuid and client_token
/// come together or not at all, and each has its own format. Other parameters are allowed. Receive the
/// response before sending the next request. Python: ClientInterface.sendRequest(verb, parameters).
/// @param verb What is asked for, UTF-8. Every server knows "CREATE", "DESTROY" and "STAT".
/// @param parameters_json A JSON object, UTF-8; NULL for {}. The rules for the data_json of
///   anwdl_client_send_response() apply.
/// @retval ANWDL_WANT_READ Non-blocking only, as is ANWDL_WANT_WRITE.
/// @retval ANWDL_VALUE_ERROR Nothing was sent and the session continues after ANWDL_REASON_MALFORMED_REQUEST
///   (verb or parameters_json breaks the format), ANWDL_REASON_MESSAGE_TOO_LARGE (more than the framing can
///   carry) and ANWDL_REASON_OUT_OF_TURN (the last request has no response yet).
/// @retval ANWDL_RUNTIME_ERROR Those of every operation, and ANWDL_REASON_PEER_REFUSED,
///   ANWDL_REASON_KEYS_NOT_EXCHANGED, ANWDL_REASON_RANDOM_FAILED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_send_request(
    client_interface: *mut anwdl_client_interface_t,
    verb: *const c_char,
    parameters_json: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        send_request(
            client_interface,
            verb,
            move || optional_text(parameters_json, "parameters_json"),
            ClientInterface::send_request,
        )
    }
}

/// Receives a response. Python: ClientInterface.recvResponse().
/// @param out_response Where to write the response, to be freed with anwdl_response_free(); it outlives the
///   interface.
/// @retval ANWDL_WANT_READ Non-blocking only, as is ANWDL_WANT_WRITE.
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_MALFORMED_RESPONSE, ANWDL_REASON_MESSAGE_TOO_LARGE,
///   ANWDL_REASON_PROTOCOL_VIOLATION, ANWDL_REASON_DECRYPTION_FAILED, ANWDL_REASON_PROTOCOL_MISMATCH: the
///   session has ended.
/// @retval ANWDL_RUNTIME_ERROR Those of every operation, and ANWDL_REASON_KEYS_NOT_EXCHANGED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_recv_response(
    client_interface: *mut anwdl_client_interface_t,
    out_response: *mut *mut anwdl_response_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        recv_response(
            client_interface,
            out_response,
            ClientInterface::recv_response,
        )
    }
}

/// What the operation under way waits for, as anwdl_client_get_wants(). Python: none.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_wants(
    client_interface: *const anwdl_client_interface_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_wants(client_interface, ClientInterface::wants) }
}

/// Whether the connection is between a response and the next request, and so can be kept for later, as a pool does.
/// That the server has closed it shows in the next operation. Python: none.
/// @return true if the keys are exchanged and no request or response is under way; otherwise false, also without a
///   connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_is_idle(
    client_interface: *const anwdl_client_interface_t,
) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { is_idle(client_interface, ClientInterface::is_idle) }
}

/// Attaches a pointer to the interface, as anwdl_client_set_user_data(). Python: an attribute of the object.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_set_user_data(
    client_interface: *mut anwdl_client_interface_t,
    user_data: *mut c_void,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { set_user_data(client_interface, user_data) }
}

/// The attached pointer, as anwdl_client_get_user_data(). Python: an attribute of the object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_user_data(
    client_interface: *const anwdl_client_interface_t,
) -> *mut c_void {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_user_data(client_interface) }
}

/// Runs the session, as anwdl_client_next_event(). It continues to connect if
/// anwdl_client_interface_connect_server() has begun, exchanges the keys (this side speaks first), sends the
/// rest of a request that anwdl_client_interface_send_request() began, and receives the response. After
/// ANWDL_EVENT_YOUR_TURN, send the next request. Python: none.
///
/// A non-blocking interface returns ANWDL_EVENT_CONNECTED once for each connection to a server, also if
/// anwdl_client_interface_connect_server() returned ANWDL_OK, unless an operation has begun since. An interface
/// that is not connected returns ANWDL_EVENT_ENDED with ANWDL_REASON_CLOSED. After ANWDL_EVENT_ENDED, close the
/// connection if there is one; then it can connect again.
///
/// @param out_response Where to write the response with ANWDL_EVENT_RESPONSE, to be freed with
///   anwdl_response_free(); it outlives the interface. Untouched otherwise.
/// @return The event. The reasons of ANWDL_EVENT_ENDED are those of anwdl_client_exchange_keys(),
///   anwdl_client_interface_connect_server(), anwdl_client_interface_send_request() and
///   anwdl_client_interface_recv_response().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_next_event(
    client_interface: *mut anwdl_client_interface_t,
    out_response: *mut *mut anwdl_response_t,
) -> anwdl_event_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        next_event(
            client_interface,
            ptr::null_mut(),
            out_response,
            |_| false,
            ClientInterface::next_event,
        )
    }
}

/// How long the operation under way may still take, as anwdl_client_get_time_left(). Python:
/// socket.gettimeout(), which is for each recv().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_get_time_left(
    client_interface: *const anwdl_client_interface_t,
) -> c_int {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_time_left(client_interface, ClientInterface::time_left) }
}
