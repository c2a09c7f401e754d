//! Statuses, reasons and the last error of each thread.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};
use std::fmt::{self, Write as _};

use super::value_or;
use crate::error::{Error, LONGEST_MESSAGE, Reason, boundary_before, one_line};

/// What every function that can fail returns.
///
/// Zero is success, positive is "not yet" (only where the call does not wait itself), negative is a
/// failure, which anwdl_last_error_reason() and anwdl_last_error_message() explain.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_status_t {
    /// Done. All outputs are written.
    ANWDL_OK = 0,
    /// Not an error; only with the non-blocking option, and from sessions without a descriptor. Call
    /// the same function again, with the same arguments, when the descriptor is readable; after
    /// anwdl_session_feed().
    ANWDL_WANT_READ = 1,
    /// Not an error; only with the non-blocking option, and from sessions without a descriptor. Call
    /// the same function again, with the same arguments, when the descriptor is writable; after
    /// anwdl_session_sent().
    ANWDL_WANT_WRITE = 2,
    /// Not an error; only where anwdl_client_options_set_separate_computation() asked for it: a
    /// computation is due, the private key operation or, second, the answer to the peer's ephemeral keys
    /// in the authenticated framing. Call anwdl_client_compute(), anwdl_session_compute() or
    /// anwdl_client_interface_compute(), on any thread, then the same function again, with the same
    /// arguments.
    ANWDL_WANT_COMPUTATION = 3,
    /// Python's ValueError: a bad argument, or bad content from the peer. The reasons that belong
    /// to it have the numbers 1 to 19, and 26 (ANWDL_REASON_KEY_MISSING).
    ANWDL_VALUE_ERROR = -1,
    /// Python's RuntimeError: closed, refused by the peer, timed out, a system call failed, or the
    /// call does not fit the state of the session. All other reasons from 20 to 99 belong to it; from
    /// 100 on they are warnings, which come with ANWDL_OK.
    ANWDL_RUNTIME_ERROR = -2,
}

/// Why a call failed.
///
/// The numbers from 100 are warnings: the call has done its work and returned ANWDL_OK, and says at
/// itself that it can leave one. The numbers never change their meaning. Later versions may add
/// some, so give a `switch` over
/// them a default case.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_error_reason_t {
    /// No call has failed on this thread yet.
    ANWDL_REASON_NONE = 0,

    /// (VALUE_ERROR) An argument is NULL, out of range, of a wrong size, an unknown enum number or
    /// not UTF-8. The message names the argument. Nothing was done.
    ANWDL_REASON_INVALID_ARGUMENT = 1,
    /// (VALUE_ERROR) The descriptor is closed, is no stream socket, is not connected, or is
    /// listening. It is still the caller's.
    ANWDL_REASON_INVALID_DESCRIPTOR = 2,
    /// (VALUE_ERROR) A key is not acceptable, the caller's or the peer's: it is no RSA key
    /// in PEM or DER, or its modulus or exponent is out of bounds.
    ANWDL_REASON_INVALID_KEY = 3,
    /// (VALUE_ERROR) The request was received and decrypted, but does not fit the request format, or
    /// is no strict JSON though Python's json.loads() reads it; anwdl_client_get_request_errors()
    /// tells how. The session goes on: answer it with ANWDL_RESPONSE_MSG_BAD_REQ. Or the request to
    /// send does not fit the format: nothing was sent, and the session goes on.
    ANWDL_REASON_MALFORMED_REQUEST = 4,
    /// (VALUE_ERROR) The response to send does not fit the response format. Nothing was sent, and
    /// the session goes on. Or the response that was received does not fit it: the session has
    /// ended.
    ANWDL_REASON_MALFORMED_RESPONSE = 5,
    /// (VALUE_ERROR) The peer announced a message beyond the limit: it was refused, and the session
    /// has ended. Or a message to send is longer than the framing can carry: nothing was sent, and
    /// the session goes on.
    ANWDL_REASON_MESSAGE_TOO_LARGE = 6,
    /// (VALUE_ERROR) The peer sent bytes that the protocol does not allow, such as a length that is
    /// no number. The session has ended.
    ANWDL_REASON_PROTOCOL_VIOLATION = 7,
    /// (VALUE_ERROR) What was to be decrypted does not decrypt to anything that a released peer could
    /// read. On purpose, nothing tells whether the key, the padding, the tag or the text was wrong.
    /// In a session, it has ended.
    ANWDL_REASON_DECRYPTION_FAILED = 8,
    /// (VALUE_ERROR) The peer speaks another framing than the one that
    /// anwdl_client_options_set_protocol() asked for. The session has ended.
    ANWDL_REASON_PROTOCOL_MISMATCH = 9,
    /// (VALUE_ERROR) The call belongs to the other side of the connection: a response asked of a
    /// session in the role of a client, for example. Nothing was done.
    ANWDL_REASON_WRONG_ROLE = 10,
    /// (VALUE_ERROR) It is not this side's turn: a second response to one request, a request before
    /// the response to the last one, another request received before the last one was answered, a
    /// computation while none is due, or a descriptor asked for while the beginning of a message is
    /// no longer in it. Nothing was done, and the session goes on.
    ANWDL_REASON_OUT_OF_TURN = 11,
    /// (VALUE_ERROR) There is a connection already. It goes on.
    ANWDL_REASON_ALREADY_CONNECTED = 12,
    /// (VALUE_ERROR) The connection does not begin with the PROXY protocol header that
    /// anwdl_client_options_set_proxy_protocol() asked for: it is missing, malformed or too long.
    /// Nothing was sent, and the session has ended.
    ANWDL_REASON_BAD_PROXY_HEADER = 13,

    /// (RUNTIME_ERROR) The client was closed by anwdl_client_close_connection(), or its descriptor
    /// was given back by anwdl_client_detach(). A client interface: it is not connected.
    ANWDL_REASON_CLOSED = 20,
    /// (RUNTIME_ERROR) The peer closed the connection. Between two messages this is the usual end
    /// of a session; in the middle of one, the session has ended as well.
    ANWDL_REASON_PEER_CLOSED = 21,
    /// (RUNTIME_ERROR) The peer answered that it does not accept what was offered (any answer byte
    /// but '1'). The session is where it was before the step.
    ANWDL_REASON_PEER_REFUSED = 22,
    /// (RUNTIME_ERROR) The timeout passed before the work was done. If no byte of the operation had
    /// moved, the session is unharmed and the call can be repeated; otherwise the session has
    /// ended, and the next call says ANWDL_REASON_SESSION_FAILED.
    ANWDL_REASON_TIMEOUT = 23,
    /// (RUNTIME_ERROR) A system call failed; anwdl_last_error_errno() tells how. A session has ended
    /// with it.
    ANWDL_REASON_IO_FAILED = 24,
    /// (RUNTIME_ERROR) An earlier failure ended this session, and its keys are wiped. All that is
    /// left is to close, detach or free the client.
    ANWDL_REASON_SESSION_FAILED = 25,
    /// (VALUE_ERROR) A key that the call needs is not set; the message names it.
    ANWDL_REASON_KEY_MISSING = 26,
    /// (RUNTIME_ERROR) The keys must be exchanged before this call.
    ANWDL_REASON_KEYS_NOT_EXCHANGED = 27,
    /// (RUNTIME_ERROR) The keys, or the part of them that this step exchanges, are exchanged
    /// already.
    ANWDL_REASON_KEYS_ALREADY_EXCHANGED = 28,
    /// (RUNTIME_ERROR) Another operation of this client or session returned ANWDL_WANT_READ,
    /// ANWDL_WANT_WRITE or ANWDL_WANT_COMPUTATION and is to be finished first.
    ANWDL_REASON_OPERATION_PENDING = 29,
    /// (RUNTIME_ERROR) As many messages as one key may protect have passed in one direction. No call
    /// fails with it: the authenticated framing replaces its keys before they have protected too much.
    ANWDL_REASON_SESSION_SPENT = 30,
    /// (RUNTIME_ERROR) The system's random generator failed; anwdl_last_error_errno() tells how. A
    /// message to send was not begun, and the session goes on: the call can be repeated. In the
    /// middle of a key exchange, the session has ended.
    ANWDL_REASON_RANDOM_FAILED = 31,
    /// (RUNTIME_ERROR) A defect of this library, caught before it could reach the caller, or no
    /// memory for a result. Any function can return it, and it is not listed at each. Free the
    /// objects of the call; a client refuses further work with ANWDL_REASON_SESSION_FAILED.
    ANWDL_REASON_INTERNAL = 32,
    /// (RUNTIME_ERROR) The peer's public key has another fingerprint than the one that
    /// anwdl_client_options_set_expected_fingerprint() asked for; the message has both. It was
    /// refused before this side sent any secret, and the session has ended.
    ANWDL_REASON_FINGERPRINT_MISMATCH = 33,
    /// (RUNTIME_ERROR) The name of the server could not be resolved, or none of its addresses could
    /// be connected to; anwdl_last_error_errno() has the errno of the last attempt, if there was one.
    ANWDL_REASON_CONNECT_FAILED = 34,

    /// (OK, a warning) anwdl_rsa_wrapper_load() has loaded the key, but others than the owner of the
    /// file have rights to it, or its owner is neither this user nor root: they may know the key.
    ANWDL_REASON_KEY_FILE_EXPOSED = 100,
}

use anwdl_error_reason_t::*;

/// An [`anwdl_error_reason_t`] as C passes it: any number.
pub type ErrorReasonNumber = c_int;

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

/// Has no destructor and no memory besides: so it can be read and written for as long as its
/// thread runs, also in destructors of other thread-local values, and when memory is short.
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

/// A text with a NUL behind it.
struct Message {
    bytes: [u8; LONGEST_MESSAGE + 1],
    len: usize,
}

impl Message {
    const EMPTY: Self = Self {
        bytes: [0; LONGEST_MESSAGE + 1],
        len: 0,
    };

    fn set(&mut self, text: impl fmt::Display) {
        self.len = 0;
        // What does not fit is left out.
        let _ = write!(self, "{text}");
        self.bytes[self.len] = 0;
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST_MESSAGE - self.len;
        let text = &text.as_bytes()[..boundary_before(text, room)];
        self.bytes[self.len..][..text.len()].copy_from_slice(text);
        self.len += text.len();
        Ok(())
    }
}

/// Keeps `error` as the last one of this thread.
pub(super) fn record(error: &Error) {
    change(|last| {
        last.reason = error.reason().map_or(ANWDL_REASON_NONE, Into::into);
        last.errno = error.errno();
        last.message.set(error);
    });
}

/// Keeps a warning in place of the last error, or nothing: the call itself has succeeded.
pub(super) fn record_warning(warning: Option<(anwdl_error_reason_t, String)>) {
    let (reason, message) = warning.unwrap_or((ANWDL_REASON_NONE, String::new()));
    change(|last| {
        last.reason = reason;
        last.errno = 0;
        last.message.set(one_line(message.into()));
    });
}

/// Never panics: what cannot be reached stays as it is.
fn change(change: impl FnOnce(&mut LastError)) {
    let _ = LAST_ERROR.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            change(&mut last);
        }
    });
}

/// What `read` finds in the last error of this thread, or `none`.
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
        }
    }
}

/// Why the last failing call on this thread failed.
///
/// Each thread has its own last error, for as long as it runs: also in destructors of thread-specific
/// data and in atexit() handlers. It stays until another call fails on the same thread: a call
/// that succeeds, or returns ANWDL_WANT_READ or ANWDL_WANT_WRITE, does not touch it. So ask only
/// after a call has failed; or after anwdl_rsa_wrapper_load(), the one call that leaves a warning or
/// ANWDL_REASON_NONE here when it succeeds.
///
/// @return The reason; ANWDL_REASON_NONE if no call has failed on this thread yet.
///
/// Python: the class of the exception, in more detail.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_last_error_reason() -> anwdl_error_reason_t {
    value_or(ANWDL_REASON_NONE, || {
        Ok(last_error(ANWDL_REASON_NONE, |last| last.reason))
    })
}

/// What the last failing call on this thread has to say, as one line of English for a person.
///
/// It holds no secret and needs no freeing, and has at most 1000 bytes. What others named in it, such
/// as a host or a path, has its control characters escaped (`\n`, `\u{1b}`), so that it cannot forge
/// a line of a log. The text may change between versions: let programs decide by the reason.
///
/// @return The message, UTF-8, never NULL ("no error" if no call has failed on this thread yet). It
///   is valid until the next call that fails on this thread, or until the thread ends.
///
/// Python: str() of the exception.
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

/// The errno of the system call behind the last failing call on this thread.
///
/// @return A number as in errno.h (ECONNRESET, EPIPE, ...) with ANWDL_REASON_IO_FAILED, and where
///   another reason comes from a system call; 0 if no system call had failed.
///
/// Python: errno of the OSError.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_last_error_errno() -> c_int {
    value_or(0, || Ok(last_error(0, |last| last.errno)))
}

/// The name of a reason, for logs.
///
/// @param reason Any number.
///
/// @return The name without its prefix, such as "TIMEOUT" for ANWDL_REASON_TIMEOUT; "UNKNOWN" for a
///   number that is no reason. Never NULL, valid for ever, not to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_error_reason_name(reason: ErrorReasonNumber) -> *const c_char {
    value_or(c"UNKNOWN".as_ptr(), || {
        let found = NAMES.iter().find(|(known, _)| *known as c_int == reason);
        Ok(found.map_or(c"UNKNOWN", |(_, name)| name).as_ptr())
    })
}

/// The version of the library that the program runs with.
///
/// Compare it with ANWDL_VERSION, the version of the header that the program was compiled with.
///
/// @return "MAJOR.MINOR.PATCH". Never NULL, valid for ever, not to be freed.
///
/// Python: anwdlserver.__version__.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The version of the library that the program runs with, and how it was built: for logs and for
/// reports of defects.
///
/// @return "libanwdl MAJOR.MINOR.PATCH (AWS-LC)", or "(pure Rust)" in place of "(AWS-LC)" if the
///   library was built without it. Never NULL, valid for ever, not to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_build_info() -> *const c_char {
    BUILD_INFO.as_ptr()
}
