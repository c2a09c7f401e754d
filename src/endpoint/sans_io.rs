//! [`SansIoSession`]: an endpoint without a socket.

use std::time::Duration;

use super::Endpoint;
use super::deadline::{Deadline, Time};
use super::identity::Identity;
use super::options::ClientOptions;
use super::transport::{TransferError, Transport};
use crate::error::{Error, Interest, Reason, Result};
use crate::protocol::Role;
use crate::protocol::session::Session;

/// A transport that moves no bytes itself: the program passes them in and out between the calls.
#[derive(Debug, Default)]
pub struct SansIo {
    /// Whether the peer will send no more.
    has_ended: bool,
    /// Only with a timeout: most sessions have none.
    clock: Option<Box<Clock>>,
}

/// The time as set by the program, and the deadline.
#[derive(Debug)]
struct Clock {
    /// The time since a point that the program chooses; `None` until it has set the time.
    now: Option<Duration>,
    deadline: Deadline<Duration>,
}

impl Transport for SansIo {
    fn check_open(&self) -> Result<()> {
        Ok(())
    }

    fn can_satisfy(&self, interest: Interest) -> bool {
        interest != Interest::Read || !self.has_ended
    }

    fn start_deadline(&mut self, is_idle: bool) {
        if let Some(clock) = &mut self.clock {
            clock.deadline.start(is_idle, || clock.now);
        }
    }

    fn check_deadline(&self) -> std::result::Result<(), TransferError> {
        match self.time_left() {
            Some(Duration::ZERO) => Err(TransferError::TimedOut),
            _ => Ok(()),
        }
    }

    fn time_left(&self) -> Option<Duration> {
        let clock = self.clock.as_ref()?;
        Some(clock.deadline.end()?.since(clock.now?))
    }

    fn send(&mut self, _bytes: &[u8]) -> std::result::Result<usize, TransferError> {
        Err(TransferError::Lent)
    }

    fn receive(&mut self, _buffer: &mut [u8]) -> std::result::Result<usize, TransferError> {
        match self.has_ended {
            true => Ok(0),
            false => Err(TransferError::WouldBlock),
        }
    }

    fn peek(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, TransferError> {
        self.receive(buffer)
    }
}

/// A session without a socket, for programs that move the bytes themselves: through an event
/// loop's own sockets, TLS, or a tunnel. No call waits or calls the kernel, except for
/// random bytes.
///
/// Each operation returns [`Error::WouldBlock`] until it is done. For [`Interest::Read`], `feed`
/// what you received; for [`Interest::Write`], send `pending` and report it with `sent`; for
/// [`Interest::Computation`], call `compute`. Then call the operation again. A session has no
/// clock: the program sets the time with `set_time`. A timeout that passes while bytes are pending
/// ends the session: they may have left. To give up, call `end`. On a TCP socket, set
/// `TCP_NODELAY`, and on Linux `TCP_QUICKACK` whenever the key exchange is done or waits for bytes:
/// released peers wait for acknowledgements between the small pieces that they write.
///
/// ```
/// use anwdl::error::Interest;
/// use anwdl::protocol::Role;
/// use anwdl::{ClientOptions, Error, SansIoSession};
///
/// let mut session = SansIoSession::new(Role::Server, &ClientOptions::default())?;
/// // An operation says what it waits for.
/// let waiting = session.exchange_keys(true);
/// assert_eq!(waiting, Err(Error::WouldBlock(Interest::Read)));
/// // The peer's public key has 800 bytes; no more than this is wanted now.
/// let taken = session.feed(b"800=====-----BEGIN")?;
/// assert_eq!(taken, 8);
/// let waiting = session.exchange_keys(true);
/// assert_eq!(waiting, Err(Error::WouldBlock(Interest::Write)));
/// assert_eq!(session.pending(), b"1");
/// session.sent(1)?;
/// # Ok::<(), Error>(())
/// ```
pub type SansIoSession = Endpoint<SansIo>;

impl Endpoint<SansIo> {
    /// A session before its first operation. It ignores the non-blocking option, and exchanges keys
    /// only when asked to. Its timeouts need [`set_time`](Self::set_time).
    pub fn new(role: Role, options: &ClientOptions) -> Result<Self> {
        let identity = match options.peer_ip() {
            None => Identity::unknown(),
            ip => Identity::new(ip),
        };
        let limits = options.limits();
        let has_timeout = limits.timeout.is_some() || limits.idle_timeout.flatten().is_some();
        let transport = SansIo {
            has_ended: false,
            clock: has_timeout.then(|| {
                Box::new(Clock {
                    now: None,
                    deadline: Deadline::new(limits),
                })
            }),
        };
        Self::with_transport(role, options, transport, identity)
    }

    /// An endpoint for a session with its own configuration.
    pub fn from_session(session: Session) -> Self {
        Self::from_parts(session, SansIo::default(), Identity::unknown())
    }

    /// Takes bytes from the peer, but no more than the current operation can use; returns how many
    /// were taken. Feed the rest again later.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize> {
        self.session.check_alive()?;
        if self.transport.has_ended && !bytes.is_empty() {
            return Err(Error::new(
                Reason::PeerClosed,
                "bytes came after the end of the connection, which was fed before",
            ));
        }
        let mut rest = bytes;
        loop {
            let space = self.session.receive_buffer();
            let count = space.len().min(rest.len());
            if count == 0 {
                return Ok(bytes.len() - rest.len());
            }
            let (taken, left) = rest.split_at(count);
            space[..count].copy_from_slice(taken);
            self.count_received(count);
            rest = left;
        }
    }

    /// Where bytes from the peer can be received, in place of [`feed`](Self::feed): only as many as
    /// the operation under way waits for, and a few of the next message. Empty unless it waits for
    /// bytes. Count what was written there with [`received`](Self::received).
    pub fn receive_buffer(&mut self) -> &mut [u8] {
        match self.wants() {
            Some(Interest::Read) => self.session.receive_buffer_ahead(),
            _ => &mut [],
        }
    }

    /// Counts bytes that were written to the [`receive_buffer`](Self::receive_buffer).
    pub fn received(&mut self, count: usize) -> Result<()> {
        self.session.check_alive()?;
        let len = self.receive_buffer().len();
        if count > len {
            return Err(Error::invalid_argument(format!(
                "count is {count}; the receive buffer has {len} bytes"
            )));
        }
        self.count_received(count);
        Ok(())
    }

    fn count_received(&mut self, count: usize) {
        self.session.received(count);
        if let Some(clock) = &mut self.transport.clock
            && count > 0
        {
            clock.deadline.received(|| clock.now);
        }
    }

    /// Says that the peer has closed its side. An operation that waits for bytes then fails when it
    /// is called again, as on a socket.
    pub fn feed_end(&mut self) -> Result<()> {
        self.session.check_alive()?;
        self.transport.has_ended = true;
        Ok(())
    }

    /// Sets the time, as the time since a point that the program chooses. A time before the last
    /// one is ignored. Operations that begin after the first call have the timeout of the options:
    /// called after it has passed, they fail with [`Reason::Timeout`].
    pub fn set_time(&mut self, now: Duration) {
        if let Some(clock) = &mut self.transport.clock {
            clock.now = clock.now.max(Some(now));
        }
    }

    /// The bytes to send to the peer.
    pub fn pending(&self) -> &[u8] {
        self.session.pending()
    }

    /// Marks `count` of the [`pending`](Self::pending) bytes as sent.
    pub fn sent(&mut self, count: usize) -> Result<()> {
        let pending = self.session.pending().len();
        if count > pending {
            return Err(Error::invalid_argument(format!(
                "count is {count}; only {pending} bytes are pending"
            )));
        }
        self.session.sent(count);
        Ok(())
    }
}
