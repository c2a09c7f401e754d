//! Errors and their reasons.
//!
//! [`Error`] mirrors the two exceptions of the Python server, `ValueError` and `RuntimeError`. The
//! [`Reason`] inside is for programs, the message for people.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call did not return a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Python's `ValueError`: a bad argument, or bad content from the peer.
    Value(Failure),
    /// Python's `RuntimeError`: closed, refused by the peer, timed out, failed in the system.
    Runtime(Failure),
    /// Not a failure: the call would have to wait. Call the same function again, with the same
    /// arguments, when it need not wait.
    WouldBlock(Interest),
}

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Bytes from the peer: a readable socket.
    Read,
    /// Room for bytes to the peer: a writable socket.
    Write,
    /// The private key operation, if it was asked to be separate.
    Computation,
}

/// The details of an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    reason: Reason,
    message: Cow<'static, str>,
    errno: i32,
}

/// Which of Python's two exceptions a [`Reason`] belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ValueError`.
    Value,
    /// `RuntimeError`.
    Runtime,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $kind:ident, $name:literal;)*) => {
        /// What happened, as a number that never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Reason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// The name in capital letters, as in C after `ANWDL_REASON_`.
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// The exception of the Python server that this reason belongs to.
            pub const fn kind(self) -> Kind {
                match self { $(Reason::$variant => Kind::$kind,)* }
            }
        }
    };
}

reasons! {
    /// An argument is missing, out of range or of the wrong form; the message names it.
    InvalidArgument = 1, Value, "INVALID_ARGUMENT";
    /// The descriptor is closed, not a stream socket, not connected, or listening.
    InvalidDescriptor = 2, Value, "INVALID_DESCRIPTOR";
    /// A key is not acceptable: the caller's, or the peer's.
    InvalidKey = 3, Value, "INVALID_KEY";
    /// The request was decrypted but does not fit the request format. The session continues.
    MalformedRequest = 4, Value, "MALFORMED_REQUEST";
    /// The response does not fit the response format; nothing was sent.
    MalformedResponse = 5, Value, "MALFORMED_RESPONSE";
    /// A message is larger than the limit, or than the framing can carry.
    MessageTooLarge = 6, Value, "MESSAGE_TOO_LARGE";
    /// The peer sent bytes that the protocol does not allow.
    ProtocolViolation = 7, Value, "PROTOCOL_VIOLATION";
    /// What the peer sent could not be decrypted, or is not a text.
    DecryptionFailed = 8, Value, "DECRYPTION_FAILED";
    /// The peer speaks a framing other than the configured one.
    ProtocolMismatch = 9, Value, "PROTOCOL_MISMATCH";
    /// The call belongs to the other side of the connection.
    WrongRole = 10, Value, "WRONG_ROLE";
    /// It is not this side's turn to send or receive a message, or no computation is due.
    OutOfTurn = 11, Value, "OUT_OF_TURN";
    /// There is a connection already.
    AlreadyConnected = 12, Value, "ALREADY_CONNECTED";
    /// The connection does not begin with the PROXY protocol header that was asked for.
    BadProxyHeader = 13, Value, "BAD_PROXY_HEADER";
    /// There is no such value in the parameters or data.
    NotFound = 14, Value, "NOT_FOUND";
    /// A value in the parameters or data is of another type.
    WrongType = 15, Value, "WRONG_TYPE";
    /// A number in the parameters or data does not fit the result.
    OutOfRange = 16, Value, "OUT_OF_RANGE";
    /// The connection was closed or detached on this side.
    Closed = 20, Runtime, "CLOSED";
    /// The peer closed the connection.
    PeerClosed = 21, Runtime, "PEER_CLOSED";
    /// The peer answered that it does not accept what was sent.
    PeerRefused = 22, Runtime, "PEER_REFUSED";
    /// The timeout passed before the work was done.
    Timeout = 23, Runtime, "TIMEOUT";
    /// A system call failed; the error carries its errno.
    IoFailed = 24, Runtime, "IO_FAILED";
    /// An earlier failure ended this session.
    SessionFailed = 25, Runtime, "SESSION_FAILED";
    /// A key that is needed is not set.
    KeyMissing = 26, Value, "KEY_MISSING";
    /// The keys are not exchanged yet.
    KeysNotExchanged = 27, Runtime, "KEYS_NOT_EXCHANGED";
    /// The keys, or this part of them, are exchanged already.
    KeysAlreadyExchanged = 28, Runtime, "KEYS_ALREADY_EXCHANGED";
    /// Another operation must be finished first.
    OperationPending = 29, Runtime, "OPERATION_PENDING";
    /// A key has protected as many messages as it may. Nothing fails with it: gcm replaces its keys
    /// in time.
    SessionSpent = 30, Runtime, "SESSION_SPENT";
    /// The system's random generator failed.
    RandomFailed = 31, Runtime, "RANDOM_FAILED";
    /// A defect of this library.
    Internal = 32, Runtime, "INTERNAL";
    /// The peer's public key does not have the expected fingerprint.
    FingerprintMismatch = 33, Runtime, "FINGERPRINT_MISMATCH";
    /// The name could not be resolved, or none of its addresses accepts a connection.
    ConnectFailed = 34, Runtime, "CONNECT_FAILED";
    /// The program's function for the private key operation failed, or its result is wrong.
    PrivateOperationFailed = 35, Runtime, "PRIVATE_OPERATION_FAILED";
}

impl Error {
    /// An error with this reason; the reason decides between the variants.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_errno(reason, message, 0)
    }

    /// Like [`Error::new`], with the errno of the failed system call.
    pub fn with_errno(reason: Reason, message: impl Into<Cow<'static, str>>, errno: i32) -> Self {
        let failure = Failure {
            reason,
            message: one_line(message.into()),
            errno,
        };
        match reason.kind() {
            Kind::Value => Error::Value(failure),
            Kind::Runtime => Error::Runtime(failure),
        }
    }

    /// [`Reason::InvalidArgument`] with a message that should name the argument.
    pub fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::InvalidArgument, message)
    }

    /// The reason, or `None` for [`Error::WouldBlock`].
    pub fn reason(&self) -> Option<Reason> {
        self.failure().map(|failure| failure.reason)
    }

    /// The errno of the system call that failed, or 0.
    pub fn errno(&self) -> i32 {
        self.failure().map_or(0, |failure| failure.errno)
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Error::Value(failure) | Error::Runtime(failure) => Some(failure),
            Error::WouldBlock(_) => None,
        }
    }
}

/// The longest message, in bytes.
pub(crate) const MAX_MESSAGE_LEN: usize = 1000;
/// How many bytes to keep of the start of a message that is too long, and of its end, which has the
/// cause.
const KEPT: (usize, usize) = (600, 300);

/// Makes a message one line that is safe for logs and terminals. Foreign text in it (a host, a
/// verb, a path) could end the line and forge another one, control the terminal or reverse the
/// reading direction.
pub(crate) fn one_line(message: Cow<'static, str>) -> Cow<'static, str> {
    let is_plain = |c: char| !c.is_control() && !is_invisible(c);
    if message.len() <= MAX_MESSAGE_LEN && message.chars().all(is_plain) {
        return message;
    }
    // Cut before it is escaped too, so that the line needs little memory however long the text is.
    let message = excerpt(&message);
    let mut line = String::with_capacity(message.len());
    for c in message.chars() {
        match is_plain(c) {
            true => line.push(c),
            false => line.extend(c.escape_default()),
        }
    }
    excerpt(&line).into_owned().into()
}

/// The start and the end of a text that is longer than a message. Whatever a message quotes of a
/// caller or a peer goes through this, unless it has a limit: a failed allocation for the message
/// would abort the process.
pub(crate) fn excerpt(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_MESSAGE_LEN {
        return text.into();
    }
    let head = floor_char_boundary(text, KEPT.0);
    let tail = floor_char_boundary(text, text.len() - KEPT.1);
    [&text[..head], "…", &text[tail..]].concat().into()
}

/// The last place up to `at` where `text` can be cut.
pub(crate) fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Line separators, direction marks and the byte-order mark.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Value(failure) | Error::Runtime(failure) => f.write_str(&failure.message),
            Error::WouldBlock(Interest::Read) => f.write_str("waiting for bytes from the peer"),
            Error::WouldBlock(Interest::Write) => f.write_str("waiting to send bytes to the peer"),
            Error::WouldBlock(Interest::Computation) => {
                f.write_str("waiting for the private key operation")
            }
        }
    }
}

impl std::error::Error for Error {}

/// For conversions that cannot fail.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_decides_the_variant() {
        for &reason in Reason::ALL {
            let error = Error::new(reason, "text");
            assert_eq!(error.reason(), Some(reason));
            assert_eq!(
                matches!(error, Error::Value(_)),
                (reason as i32) < 20 || reason == Reason::KeyMissing,
                "{reason:?}"
            );
        }
    }

    #[test]
    fn a_message_is_one_line_that_does_nothing_to_a_log() {
        for (foreign, expected) in [
            (
                "plain — ünïcode, 中文, \\ and \"",
                "plain — ünïcode, 中文, \\ and \"",
            ),
            ("a\nERROR forged", "a\\nERROR forged"),
            ("a\r\tb\0", "a\\r\\tb\\u{0}"),
            ("\x1b[2J\x7f", "\\u{1b}[2J\\u{7f}"),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            (
                "\u{2028}\u{202e}txt\u{2066}",
                "\\u{2028}\\u{202e}txt\\u{2066}",
            ),
        ] {
            let error = Error::new(Reason::ConnectFailed, foreign.to_owned());
            assert_eq!(error.to_string(), expected);
        }
        for foreign in ["x", "ü", "\n", "😀"] {
            let error = Error::new(
                Reason::ConnectFailed,
                format!("cannot connect to {}: the cause", foreign.repeat(100_000)),
            );
            let message = error.to_string();
            assert!(message.len() <= MAX_MESSAGE_LEN, "{}", message.len());
            assert!(message.starts_with("cannot connect to ") && message.ends_with(": the cause"));
        }
        let longest = "y".repeat(MAX_MESSAGE_LEN);
        assert_eq!(one_line(longest.clone().into()), longest);
        assert_eq!(excerpt(&longest), longest);
        let quoted = excerpt(&"😀".repeat(100_000)).into_owned();
        assert!(quoted.len() <= MAX_MESSAGE_LEN && quoted.contains("😀…😀"));
    }

    #[test]
    fn an_error_reads_as_its_message() {
        let error = Error::with_errno(Reason::IoFailed, "recv: connection reset", 104);
        assert_eq!(error.to_string(), "recv: connection reset");
        assert_eq!(error.errno(), 104);
        assert_eq!(Error::WouldBlock(Interest::Read).reason(), None);
    }
}
