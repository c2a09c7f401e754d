//! Statuses, events, reasons and the last error of each thread.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};
use std::fmt::{self, Write as _};

use super::value_or;
use crate::error::{Error, MAX_MESSAGE_LEN, Reason, floor_char_boundary, one_line};

/// What a function that can fail returns: 0 for success, a positive number for "not yet", a negative one for
/// a failure. See "Errors" at the top.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_status_t {
    /// Done. All results are written.
    ANWDL_OK = 0,
    /// Not a failure. Call the same function again, with the same arguments, when the descriptor is readable; for
    /// a session, after anwdl_session_feed(), anwdl_session_received() or anwdl_session_feed_end(). Only from
    /// non-blocking clients and interfaces, and from sessions.
    ANWDL_WANT_READ = 1,
    /// Not a failure. The same, when the descriptor is writable; for a session, after anwdl_session_sent().
    ANWDL_WANT_WRITE = 2,
    /// Not a failure. Call anwdl_client_compute(), anwdl_session_compute() or anwdl_client_interface_compute() on
    /// any thread, then the same function again with the same arguments. Only with
    /// anwdl_client_options_set_separate_computation().
    ANWDL_WANT_COMPUTATION = 3,
    /// Python's ValueError: a bad argument, or bad content from the peer. Its reasons have the numbers 1 to 19,
    /// and 26 (ANWDL_REASON_KEY_MISSING).
    ANWDL_VALUE_ERROR = -1,
    /// Python's RuntimeError: closed, refused by the peer, timed out, a failed system call, or a call that does
    /// not fit the state of the session. Its reasons are all others from 20 to 99.
    ANWDL_RUNTIME_ERROR = -2,
}

/// What anwdl_client_next_event(), anwdl_session_next_event() and anwdl_client_interface_next_event() return:
/// what has happened, or what they need to go on. Later versions return new ones only to programs that ask for
/// them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_event_t {
    /// The session is over: free the handle. anwdl_last_error_reason() says why; ANWDL_REASON_PEER_CLOSED is the
    /// usual end. Also if an argument is NULL.
    ANWDL_EVENT_ENDED = 0,
    /// Call again when the descriptor is readable; for a session, after anwdl_session_feed(),
    /// anwdl_session_received() or anwdl_session_feed_end().
    ANWDL_EVENT_WANT_READ = 1,
    /// Call again when the descriptor is writable; for a session, after anwdl_session_sent().
    ANWDL_EVENT_WANT_WRITE = 2,
    /// Call anwdl_client_compute(), anwdl_session_compute() or anwdl_client_interface_compute() on any thread, then
    /// call again. Only with anwdl_client_options_set_separate_computation().
    ANWDL_EVENT_WANT_COMPUTATION = 3,
    /// It is the program's turn: a server must send the response to the last request, a client may send a request,
    /// and a key exchange that was begun step by step needs its next step. Calling again changes nothing,
    /// whatever the peer sends: do not wait for the descriptor meanwhile.
    ANWDL_EVENT_YOUR_TURN = 4,
    /// The keys are exchanged.
    ANWDL_EVENT_EXCHANGED = 5,
    /// A server has received a request. Answer it, then call again.
    ANWDL_EVENT_REQUEST = 6,
    /// A server has received a request that does not fit the request format: see ANWDL_REASON_MALFORMED_REQUEST.
    /// Answer it with ANWDL_RESPONSE_MSG_BAD_REQ, then call again.
    ANWDL_EVENT_MALFORMED_REQUEST = 7,
    /// The response is sent.
    ANWDL_EVENT_RESPONSE_SENT = 8,
    /// The request is sent.
    ANWDL_EVENT_REQUEST_SENT = 9,
    /// A client has received the response to its request.
    ANWDL_EVENT_RESPONSE = 10,
    /// A non-blocking client has a connection: wait for its descriptor in place of the earlier one, which is closed.
    ANWDL_EVENT_CONNECTED = 11,
}

/// Why a call failed. Numbers from 100 are warnings, which come with ANWDL_OK. A number never changes its
/// meaning. Later versions may add some, so give a `switch` over them a default case.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_error_reason_t {
    /// No call has failed on this thread yet.
    ANWDL_REASON_NONE = 0,

    /// (VALUE_ERROR) An argument is NULL, out of range, of a wrong size, an unknown enum number or not UTF-8. The
    /// message names it. Nothing was done.
    ANWDL_REASON_INVALID_ARGUMENT = 1,
    /// (VALUE_ERROR) The descriptor is closed, not a stream socket, not connected, or listening. It still belongs
    /// to the caller.
    ANWDL_REASON_INVALID_DESCRIPTOR = 2,
    /// (VALUE_ERROR) A key, the caller's or the peer's, is not an RSA key in PEM or DER, or its modulus or
    /// exponent is out of bounds.
    ANWDL_REASON_INVALID_KEY = 3,
    /// (VALUE_ERROR) A received request decrypts but does not fit the request format, or is not strict JSON
    /// although Python's json.loads() reads it; anwdl_client_get_request_errors() has the details. The session
    /// continues: answer with ANWDL_RESPONSE_MSG_BAD_REQ. Or a request to send does not fit the format: nothing
    /// was sent, and the session continues.
    ANWDL_REASON_MALFORMED_REQUEST = 4,
    /// (VALUE_ERROR) A response to send does not fit the response format: nothing was sent, and the session
    /// continues. Or a received response does not fit it: the session has ended.
    ANWDL_REASON_MALFORMED_RESPONSE = 5,
    /// (VALUE_ERROR) The peer announced a message above the limit, or a PEM of more than 16 KiB: the session has
    /// ended. Or a message to send is longer than the framing can carry: nothing was sent, and the session
    /// continues.
    ANWDL_REASON_MESSAGE_TOO_LARGE = 6,
    /// (VALUE_ERROR) The peer sent bytes that the protocol does not allow, such as a length that is not a number.
    /// The session has ended.
    ANWDL_REASON_PROTOCOL_VIOLATION = 7,
    /// (VALUE_ERROR) The data does not decrypt to anything that a released peer could read. Whether the key, the
    /// padding, the tag or the text was wrong is kept secret on purpose. A session has ended with it.
    ANWDL_REASON_DECRYPTION_FAILED = 8,
    /// (VALUE_ERROR) The peer speaks another framing than anwdl_client_options_set_protocol() asked for: the
    /// session has ended. Or an AES wrapper was given for the authenticated framing, which takes none.
    ANWDL_REASON_PROTOCOL_MISMATCH = 9,
    /// (VALUE_ERROR) The call belongs to the other side of the connection, such as sending a response in the role
    /// of a client. Nothing was done.
    ANWDL_REASON_WRONG_ROLE = 10,
    /// (VALUE_ERROR) It is not this side's turn (see "Turns"), no computation is due, or anwdl_client_detach()
    /// would lose the start of a message. Nothing was done, and the session continues.
    ANWDL_REASON_OUT_OF_TURN = 11,
    /// (VALUE_ERROR) There is a connection already. It continues.
    ANWDL_REASON_ALREADY_CONNECTED = 12,
    /// (VALUE_ERROR) The PROXY protocol header that anwdl_client_options_set_proxy_protocol() asked for is
    /// missing, malformed or too long. Nothing was sent, and the session has ended.
    ANWDL_REASON_BAD_PROXY_HEADER = 13,
    /// (VALUE_ERROR) The parameters or data have no value at this place.
    ANWDL_REASON_NOT_FOUND = 14,
    /// (VALUE_ERROR) A value in the parameters or data is not of the type that the call reads; the message names
    /// both types.
    ANWDL_REASON_WRONG_TYPE = 15,
    /// (VALUE_ERROR) A number in the parameters or data does not fit the result; anwdl_value_to_json() has every
    /// digit.
    ANWDL_REASON_OUT_OF_RANGE = 16,

    /// (RUNTIME_ERROR) The client was closed or detached on this side, or the interface is not connected.
    ANWDL_REASON_CLOSED = 20,
    /// (RUNTIME_ERROR) The peer closed the connection. Between two messages this is the usual end of a session;
    /// in the middle of one, the session has ended too.
    ANWDL_REASON_PEER_CLOSED = 21,
    /// (RUNTIME_ERROR) The peer does not accept what was sent (it answered with a byte other than '1'). The
    /// session is where it was before the step.
    ANWDL_REASON_PEER_REFUSED = 22,
    /// (RUNTIME_ERROR) The timeout passed before the work was done. If no byte of the operation had moved (a
    /// whole PROXY header does not count), the call can be repeated; otherwise the session has ended.
    ANWDL_REASON_TIMEOUT = 23,
    /// (RUNTIME_ERROR) A system call failed; see anwdl_last_error_errno(). A session has ended with it.
    ANWDL_REASON_IO_FAILED = 24,
    /// (RUNTIME_ERROR) An earlier failure ended this session, and its keys are wiped. It can only be closed,
    /// detached or freed.
    ANWDL_REASON_SESSION_FAILED = 25,
    /// (VALUE_ERROR) A key that the call needs is not set, or not in memory, or the local private key does not
    /// belong to the local public one; the message says which.
    ANWDL_REASON_KEY_MISSING = 26,
    /// (RUNTIME_ERROR) The keys must be exchanged before this call.
    ANWDL_REASON_KEYS_NOT_EXCHANGED = 27,
    /// (RUNTIME_ERROR) The keys are exchanged already, or the part of them that this step exchanges.
    ANWDL_REASON_KEYS_ALREADY_EXCHANGED = 28,
    /// (RUNTIME_ERROR) Another operation is under way, or this one with another message: it returned
    /// ANWDL_WANT_READ, ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION and must be finished first.
    ANWDL_REASON_OPERATION_PENDING = 29,
    /// (RUNTIME_ERROR) One key has protected as many messages as it may. No call fails with it: the authenticated
    /// framing replaces its keys in time.
    ANWDL_REASON_SESSION_SPENT = 30,
    /// (RUNTIME_ERROR) The system's random generator failed; see anwdl_last_error_errno(). In the middle of a key
    /// exchange the session has ended; otherwise nothing was sent and the call can be repeated.
    ANWDL_REASON_RANDOM_FAILED = 31,
    /// (RUNTIME_ERROR) A defect of this library, or no memory: for a result, a copy, a message or a key exchange.
    /// Any function can return it. Free the objects of the call; a session refuses further work with
    /// ANWDL_REASON_SESSION_FAILED.
    ANWDL_REASON_INTERNAL = 32,
    /// (RUNTIME_ERROR) The peer's public key does not have the fingerprint that
    /// anwdl_client_options_set_expected_fingerprint() asked for; the message has both. The session has ended,
    /// and this side had sent no secret.
    ANWDL_REASON_FINGERPRINT_MISMATCH = 33,
    /// (RUNTIME_ERROR) The name of the server could not be resolved, or none of its addresses accepts a
    /// connection; anwdl_last_error_errno() has the errno of the last attempt, if there was one.
    ANWDL_REASON_CONNECT_FAILED = 34,
    /// (RUNTIME_ERROR) The function that anwdl_rsa_wrapper_set_private_operation() was given has failed, or its
    /// result does not belong to the public key. A session has ended with it. The peer sees what it sees with
    /// ANWDL_REASON_DECRYPTION_FAILED.
    ANWDL_REASON_PRIVATE_OPERATION_FAILED = 35,

    /// (OK, a warning) anwdl_rsa_wrapper_load() has loaded the key, but users other than its owner have rights to
    /// the file, or its owner is neither this user nor root: others may know the key.
    ANWDL_REASON_KEY_FILE_EXPOSED = 100,
}

use anwdl_error_reason_t::*;

/// An [`anwdl_error_reason_t`] as C passes it: any number.
pub type ErrorReasonNumber = c_int;

/// An [`anwdl_status_t`] as C passes it: any number.
pub type StatusNumber = c_int;

/// Every status with its name.
const STATUS_NAMES: &[(anwdl_status_t, &CStr)] = &[
    (anwdl_status_t::ANWDL_OK, c"OK"),
    (anwdl_status_t::ANWDL_WANT_READ, c"WANT_READ"),
    (anwdl_status_t::ANWDL_WANT_WRITE, c"WANT_WRITE"),
    (anwdl_status_t::ANWDL_WANT_COMPUTATION, c"WANT_COMPUTATION"),
    (anwdl_status_t::ANWDL_VALUE_ERROR, c"VALUE_ERROR"),
    (anwdl_status_t::ANWDL_RUNTIME_ERROR, c"RUNTIME_ERROR"),
];

/// Every reason with its name.
const NAMES: &[(anwdl_error_reason_t, &CStr)] = &[
    (ANWDL_REASON_NONE, c"NONE"),
    (ANWDL_REASON_INVALID_ARGUMENT, c"INVALID_ARGUMENT"),
    (ANWDL_REASON_INVALID_DESCRIPTOR, c"INVALID_DESCRIPTOR"),
    (ANWDL_REASON_INVALID_KEY, c"INVALID_KEY"),
    (ANWDL_REASON_MALFORMED_REQUEST, c"MALFORMED_REQUEST"),
    (ANWDL_REASON_MALFORMED_RESPONSE, c"MALFORMED_RESPONSE"),
    (ANWDL_REASON_MESSAGE_TOO_LARGE, c"MESSAGE_TOO_LARGE"),
    (ANWDL_REASON_PROTOCOL_VIOLATION, c"PROTOCOL_VIOLATION"),
    (ANWDL_REASON_DECRYPTION_FAILED, c"DECRYPTION_FAILED"),
    (ANWDL_REASON_PROTOCOL_MISMATCH, c"PROTOCOL_MISMATCH"),
    (ANWDL_REASON_WRONG_ROLE, c"WRONG_ROLE"),
    (ANWDL_REASON_OUT_OF_TURN, c"OUT_OF_TURN"),
    (ANWDL_REASON_ALREADY_CONNECTED, c"ALREADY_CONNECTED"),
    (ANWDL_REASON_BAD_PROXY_HEADER, c"BAD_PROXY_HEADER"),
    (ANWDL_REASON_NOT_FOUND, c"NOT_FOUND"),
    (ANWDL_REASON_WRONG_TYPE, c"WRONG_TYPE"),
    (ANWDL_REASON_OUT_OF_RANGE, c"OUT_OF_RANGE"),
    (ANWDL_REASON_CLOSED, c"CLOSED"),
    (ANWDL_REASON_PEER_CLOSED, c"PEER_CLOSED"),
    (ANWDL_REASON_PEER_REFUSED, c"PEER_REFUSED"),
    (ANWDL_REASON_TIMEOUT, c"TIMEOUT"),
    (ANWDL_REASON_IO_FAILED, c"IO_FAILED"),
    (ANWDL_REASON_SESSION_FAILED, c"SESSION_FAILED"),
    (ANWDL_REASON_KEY_MISSING, c"KEY_MISSING"),
    (ANWDL_REASON_KEYS_NOT_EXCHANGED, c"KEYS_NOT_EXCHANGED"),
    (
        ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
        c"KEYS_ALREADY_EXCHANGED",
    ),
    (ANWDL_REASON_OPERATION_PENDING, c"OPERATION_PENDING"),
    (ANWDL_REASON_SESSION_SPENT, c"SESSION_SPENT"),
    (ANWDL_REASON_RANDOM_FAILED, c"RANDOM_FAILED"),
    (ANWDL_REASON_INTERNAL, c"INTERNAL"),
    (ANWDL_REASON_FINGERPRINT_MISMATCH, c"FINGERPRINT_MISMATCH"),
    (ANWDL_REASON_CONNECT_FAILED, c"CONNECT_FAILED"),
    (
        ANWDL_REASON_PRIVATE_OPERATION_FAILED,
        c"PRIVATE_OPERATION_FAILED",
    ),
    (ANWDL_REASON_KEY_FILE_EXPOSED, c"KEY_FILE_EXPOSED"),
];

const VERSION: &CStr = c_text(concat!(env!("CARGO_PKG_VERSION"), "\0"));

const fn c_text(text: &str) -> &CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("the text has a NUL inside"),
    }
}

const BUILD_INFO: &CStr = if cfg!(feature = "aws-lc") {
    const INFO: &str = concat!("libanwdl ", env!("CARGO_PKG_VERSION"), " (AWS-LC)\0");
    c_text(INFO)
} else {
    const INFO: &str = concat!("libanwdl ", env!("CARGO_PKG_VERSION"), " (pure Rust)\0");
    c_text(INFO)
};

/// It has no destructor and does not allocate, so it can be used as long as its thread runs, even
/// in destructors of other thread-local values, and when memory is short.
struct LastError {
    reason: anwdl_error_reason_t,
    errno: c_int,
    message: Message,
}

thread_local! {
    static LAST_ERROR: RefCell<LastError> = const {
        RefCell::new(LastError {
            reason: ANWDL_REASON_NONE,
            errno: 0,
            message: Message::EMPTY,
        })
    };
}

/// A text followed by a NUL.
struct Message {
    bytes: [u8; MAX_MESSAGE_LEN + 1],
    len: usize,
}

impl Message {
    const EMPTY: Self = Self {
        bytes: [0; MAX_MESSAGE_LEN + 1],
        len: 0,
    };

    fn set(&mut self, text: impl fmt::Display) {
        self.len = 0;
        // A text that is too long is truncated.
        let _ = write!(self, "{text}");
        self.bytes[self.len] = 0;
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_MESSAGE_LEN - self.len;
        let text = &text.as_bytes()[..floor_char_boundary(text, room)];
        self.bytes[self.len..][..text.len()].copy_from_slice(text);
        self.len += text.len();
        Ok(())
    }
}

/// Stores `error` as the last one of this thread.
pub(super) fn record(error: &Error) {
    change(|last| {
        last.reason = error.reason().map_or(ANWDL_REASON_NONE, Into::into);
        last.errno = error.errno();
        last.message.set(error);
    });
}

/// Stores a warning in place of the last error, or clears that. The call itself has succeeded.
pub(super) fn record_warning(warning: Option<(anwdl_error_reason_t, String)>) {
    let (reason, message) = warning.unwrap_or((ANWDL_REASON_NONE, String::new()));
    change(|last| {
        last.reason = reason;
        last.errno = 0;
        last.message.set(one_line(message.into()));
    });
}

/// Never panics: if the last error cannot be reached, it stays as it is.
fn change(change: impl FnOnce(&mut LastError)) {
    let _ = LAST_ERROR.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            change(&mut last);
        }
    });
}

/// Reads the last error of this thread; `none` if it cannot be reached.
fn last_error<T: Copy>(none: T, read: impl FnOnce(&LastError) -> T) -> T {
    LAST_ERROR
        .try_with(|last| match last.try_borrow() {
            Ok(last) => read(&last),
            Err(_) => none,
        })
        .unwrap_or(none)
}

impl From<Reason> for anwdl_error_reason_t {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::InvalidArgument => ANWDL_REASON_INVALID_ARGUMENT,
            Reason::InvalidDescriptor => ANWDL_REASON_INVALID_DESCRIPTOR,
            Reason::InvalidKey => ANWDL_REASON_INVALID_KEY,
            Reason::MalformedRequest => ANWDL_REASON_MALFORMED_REQUEST,
            Reason::MalformedResponse => ANWDL_REASON_MALFORMED_RESPONSE,
            Reason::MessageTooLarge => ANWDL_REASON_MESSAGE_TOO_LARGE,
            Reason::ProtocolViolation => ANWDL_REASON_PROTOCOL_VIOLATION,
            Reason::DecryptionFailed => ANWDL_REASON_DECRYPTION_FAILED,
            Reason::ProtocolMismatch => ANWDL_REASON_PROTOCOL_MISMATCH,
            Reason::WrongRole => ANWDL_REASON_WRONG_ROLE,
            Reason::OutOfTurn => ANWDL_REASON_OUT_OF_TURN,
            Reason::AlreadyConnected => ANWDL_REASON_ALREADY_CONNECTED,
            Reason::BadProxyHeader => ANWDL_REASON_BAD_PROXY_HEADER,
            Reason::NotFound => ANWDL_REASON_NOT_FOUND,
            Reason::WrongType => ANWDL_REASON_WRONG_TYPE,
            Reason::OutOfRange => ANWDL_REASON_OUT_OF_RANGE,
            Reason::Closed => ANWDL_REASON_CLOSED,
            Reason::PeerClosed => ANWDL_REASON_PEER_CLOSED,
            Reason::PeerRefused => ANWDL_REASON_PEER_REFUSED,
            Reason::Timeout => ANWDL_REASON_TIMEOUT,
            Reason::IoFailed => ANWDL_REASON_IO_FAILED,
            Reason::SessionFailed => ANWDL_REASON_SESSION_FAILED,
            Reason::KeyMissing => ANWDL_REASON_KEY_MISSING,
            Reason::KeysNotExchanged => ANWDL_REASON_KEYS_NOT_EXCHANGED,
            Reason::KeysAlreadyExchanged => ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
            Reason::OperationPending => ANWDL_REASON_OPERATION_PENDING,
            Reason::SessionSpent => ANWDL_REASON_SESSION_SPENT,
            Reason::RandomFailed => ANWDL_REASON_RANDOM_FAILED,
            Reason::Internal => ANWDL_REASON_INTERNAL,
            Reason::FingerprintMismatch => ANWDL_REASON_FINGERPRINT_MISMATCH,
            Reason::ConnectFailed => ANWDL_REASON_CONNECT_FAILED,
            Reason::PrivateOperationFailed => ANWDL_REASON_PRIVATE_OPERATION_FAILED,
        }
    }
}

/// Why the last failing call on this thread failed. The last error stays until another call fails on the same
/// thread: success, ANWDL_WANT_READ, ANWDL_WANT_WRITE and ANWDL_WANT_COMPUTATION leave it alone. So ask only
/// after a failure, or after anwdl_rsa_wrapper_load(), the one call that sets it on success. Python: the
/// class of the exception, in more detail.
/// @return The reason; ANWDL_REASON_NONE if no call has failed on this thread yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_last_error_reason() -> anwdl_error_reason_t {
    value_or(ANWDL_REASON_NONE, || {
        Ok(last_error(ANWDL_REASON_NONE, |last| last.reason))
    })
}

/// The last failure on this thread as one line of English for a person, at most 1000 bytes. It holds no secret.
/// Control characters in foreign text, such as a host or a path, are escaped (`\n`, `\u{1b}`), so it cannot
/// forge a line of a log. The text may change between versions. Python: str() of the exception.
/// @return The message, UTF-8, never NULL ("no error" if there was none); valid until the next call on
///   this thread that fails, warns (anwdl_rsa_wrapper_load()) or clears it, or until the thread ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_last_error_message() -> *const c_char {
    let none = c"no error".as_ptr();
    value_or(none, || {
        Ok(last_error(none, |last| match last.message.len {
            0 => none,
            _ => last.message.bytes.as_ptr().cast(),
        }))
    })
}

/// The errno of the system call behind the last failing call on this thread. Python: errno of the OSError.
/// @return A number from errno.h, with ANWDL_REASON_IO_FAILED and where another reason comes from a system
///   call; otherwise 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_last_error_errno() -> c_int {
    value_or(0, || Ok(last_error(0, |last| last.errno)))
}

/// The name of a reason, for logs.
/// @param reason Any number.
/// @return The name without its prefix, such as "TIMEOUT" for ANWDL_REASON_TIMEOUT; "UNKNOWN" for other
///   numbers. Never NULL; a constant.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_error_reason_name(reason: ErrorReasonNumber) -> *const c_char {
    value_or(c"UNKNOWN".as_ptr(), || {
        let found = NAMES.iter().find(|(known, _)| *known as c_int == reason);
        Ok(found.map_or(c"UNKNOWN", |(_, name)| name).as_ptr())
    })
}

/// Forgets the last error of this thread, as if no call had failed on it. Python: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_last_error_clear() {
    value_or((), || {
        record_warning(None);
        Ok(())
    });
}

/// The name of a status, for logs.
/// @param status Any number.
/// @return The name, such as "WANT_READ" for ANWDL_WANT_READ, as anwdl_error_reason_name(). Never NULL; a
///   constant.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_status_name(status: StatusNumber) -> *const c_char {
    value_or(c"UNKNOWN".as_ptr(), || {
        let found = STATUS_NAMES
            .iter()
            .find(|(known, _)| *known as StatusNumber == status);
        Ok(found.map_or(c"UNKNOWN", |(_, name)| name).as_ptr())
    })
}

/// The version of the library that the program runs with. ANWDL_VERSION is that of the header it was compiled
/// with. Python: anwdlserver.__version__.
/// @return "MAJOR.MINOR.PATCH". Never NULL; a constant.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The version of the library and how it was built, for logs and bug reports.
/// @return "libanwdl MAJOR.MINOR.PATCH (AWS-LC)", or "(pure Rust)" for a build without AWS-LC. Never NULL; a
///   constant.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_build_info() -> *const c_char {
    BUILD_INFO.as_ptr()
}
