//! [`Connection`]: a socket, if there is one, and the deadline of the operation that uses it.

use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::connect::Connecting;
use super::socket::{Socket, WaitLimit};
use super::{TransferError, Transport};
use crate::endpoint::deadline::{Deadline, Limits, Time};
use crate::error::{Error, Reason, Result};
use crate::protocol::session::operation_pending;

/// After this many messages without a wait, a non-blocking connection says that it has to wait:
/// otherwise a peer that never pauses would keep the caller from its other peers.
const MAX_MESSAGES_WITHOUT_WAIT: u32 = 16;

/// A socket, if there is one, and the time limit of each operation.
pub struct Connection {
    link: Link,
    deadline: Deadline<Instant>,
    non_blocking: bool,
    /// How many messages were begun since an operation last had to wait.
    messages_since_wait: u32,
    yielding: Yielding,
}

/// Whether a receive says that it has to wait, even if it need not.
#[derive(Clone, Copy, PartialEq)]
enum Yielding {
    No,
    /// The next one does.
    Next,
    /// The last one did, so there may be bytes.
    Last,
}

enum Link {
    None,
    Connecting(Box<Connecting>),
    Open(Socket),
}

impl Connection {
    /// A connection without a socket yet.
    pub fn new(limits: Limits, non_blocking: bool) -> Self {
        Self {
            link: Link::None,
            deadline: Deadline::new(limits),
            non_blocking,
            messages_since_wait: 0,
            yielding: Yielding::No,
        }
    }

    /// Takes a socket.
    pub fn open(&mut self, socket: Socket) {
        self.link = Link::Open(socket);
    }

    /// Starts connecting to a host, given by address or name, within the timeout.
    pub fn start_connecting(&mut self, host: &str, port: u16) -> Result<()> {
        self.start_deadline(false);
        let waits = !self.non_blocking;
        let connecting = Connecting::begin(host, port, self.deadline.end(), waits)?;
        self.link = Link::Connecting(Box::new(connecting));
        Ok(())
    }

    /// Continues connecting. After a failure there is no connection.
    pub fn continue_connecting(&mut self) -> Result<()> {
        let Link::Connecting(connecting) = &mut self.link else {
            return Err(closed());
        };
        match connecting.advance() {
            Ok(socket) => self.open(socket),
            Err(error) => {
                if !matches!(error, Error::WouldBlock(_)) {
                    self.link = Link::None;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Stops connecting.
    pub fn stop_connecting(&mut self) {
        self.link = Link::None;
    }

    /// Whether calls return instead of waiting.
    pub fn is_non_blocking(&self) -> bool {
        self.non_blocking
    }

    /// Whether a connection is being made.
    pub fn is_connecting(&self) -> bool {
        matches!(self.link, Link::Connecting(_))
    }

    /// Whether a connection is being made to this host.
    pub fn is_connecting_to(&self, host: &str, port: u16) -> bool {
        matches!(&self.link, Link::Connecting(connecting) if connecting.is_to(host, port))
    }

    /// Returns the socket, still open. The connection is closed from then on.
    pub fn detach(&mut self) -> Option<OwnedFd> {
        match std::mem::replace(&mut self.link, Link::None) {
            Link::Open(socket) => Some(socket.into_fd()),
            _ => None,
        }
    }

    /// Whether there is no socket, and none is being connected.
    pub fn is_closed(&self) -> bool {
        matches!(self.link, Link::None)
    }

    /// The descriptor to wait for.
    pub fn descriptor(&self) -> Option<RawFd> {
        match &self.link {
            Link::None => None,
            Link::Connecting(connecting) => connecting.descriptor(),
            Link::Open(socket) => Some(socket.descriptor()),
        }
    }

    /// Sets how long each later operation may take.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.deadline.set_timeout(timeout);
    }

    fn wait_limit(&self) -> WaitLimit {
        match (self.non_blocking, self.deadline.end()) {
            (true, _) => WaitLimit::NonBlocking,
            (false, Some(deadline)) => WaitLimit::Until(deadline),
            (false, None) => WaitLimit::Unlimited,
        }
    }

    fn socket(&self) -> &Socket {
        match &self.link {
            Link::Open(socket) => socket,
            _ => unreachable!("the connection was checked to be open"),
        }
    }
}

impl Transport for Connection {
    fn check_open(&self) -> Result<()> {
        match self.link {
            Link::Open(_) => Ok(()),
            Link::None => Err(closed()),
            Link::Connecting(_) => Err(operation_pending("connect_server")),
        }
    }

    fn start_deadline(&mut self, is_idle: bool) {
        self.deadline.start(is_idle, || Some(Instant::now()));
        if self.yielding == Yielding::Next {
            self.yielding = Yielding::No;
        }
    }

    fn resume_idle(&mut self) {
        self.deadline.resume_idle();
    }

    fn begin_message(&mut self) {
        if self.non_blocking {
            self.messages_since_wait += 1;
            if self.messages_since_wait > MAX_MESSAGES_WITHOUT_WAIT {
                self.yielding = Yielding::Next;
            }
        }
    }

    fn has_yielded(&self) -> bool {
        self.yielding == Yielding::Last
    }

    fn check_deadline(&self) -> std::result::Result<(), TransferError> {
        match self.deadline.end() {
            // A blocking call checks the clock before it waits.
            Some(deadline) if self.non_blocking && Instant::now() >= deadline => {
                Err(TransferError::TimedOut)
            }
            _ => Ok(()),
        }
    }

    fn time_left(&self) -> Option<Duration> {
        self.deadline.end().map(|end| end.since(Instant::now()))
    }

    fn send(&mut self, bytes: &[u8]) -> std::result::Result<usize, TransferError> {
        let sent = self.socket().send(bytes, self.wait_limit());
        if sent.is_err() {
            self.messages_since_wait = 0;
        }
        sent
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, TransferError> {
        if self.yielding == Yielding::Next {
            self.yielding = Yielding::Last;
            self.messages_since_wait = 1;
            return Err(TransferError::WouldBlock);
        }
        self.yielding = Yielding::No;
        let received = self.socket().receive(buffer, self.wait_limit());
        match received {
            Ok(_) => self.deadline.received(|| Some(Instant::now())),
            Err(_) => self.messages_since_wait = 0,
        }
        received
    }

    fn peek(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, TransferError> {
        self.socket().peek(buffer, self.wait_limit())
    }

    fn acknowledge(&self) {
        if let Link::Open(socket) = &self.link {
            socket.acknowledge();
        }
    }
}

/// The error of everything that needs a connection.
pub fn closed() -> Error {
    Error::new(Reason::Closed, "the connection is closed on this side")
}
