//! [`Connection`]: a socket, while there is one, and how long an operation may use it.

use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::socket::{Socket, WaitLimit};
use super::{TransferError, Transport};
use crate::endpoint::deadline::{Deadline, Limits, Time};
use crate::error::{Error, Reason, Result};

/// After so many operations that never had to wait, a non-blocking connection says that it has to: a
/// peer that does not pause would keep the caller from its other peers for ever. Half of them are
/// requests, the others responses.
const OPERATIONS_AT_ONCE: u32 = 32;

/// A socket, while there is one, and the time limit of each operation.
pub struct Connection {
    socket: Option<Socket>,
    deadline: Deadline<Instant>,
    non_blocking: bool,
    /// How many operations have begun since one had to wait.
    unpaused: u32,
}

impl Connection {
    /// A connection without a socket yet.
    pub fn new(limits: Limits, non_blocking: bool) -> Self {
        Self {
            socket: None,
            deadline: Deadline::new(limits),
            non_blocking,
            unpaused: 0,
        }
    }

    /// Takes a socket.
    pub fn open(&mut self, socket: Socket) {
        self.socket = Some(socket);
    }

    /// Returns the socket, still open. The connection is closed from here on.
    pub fn detach(&mut self) -> Option<OwnedFd> {
        self.socket.take().map(Socket::into_fd)
    }

    /// Whether there is no socket.
    pub fn is_closed(&self) -> bool {
        self.socket.is_none()
    }

    /// The descriptor of the socket.
    pub fn descriptor(&self) -> Option<RawFd> {
        self.socket.as_ref().map(Socket::descriptor)
    }

    /// How long each operation that begins from here on may take.
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
        self.socket
            .as_ref()
            .expect("the connection was checked to be open")
    }
}

impl Transport for Connection {
    fn check_open(&self) -> Result<()> {
        match self.socket {
            Some(_) => Ok(()),
            None => Err(closed()),
        }
    }

    fn start_deadline(&mut self, is_idle: bool) {
        self.deadline.start(is_idle, || Some(Instant::now()));
        self.unpaused += u32::from(self.non_blocking);
    }

    fn check_deadline(&self) -> std::result::Result<(), TransferError> {
        match self.deadline.end() {
            // A blocking call looks at the clock before it waits.
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
            self.unpaused = 0;
        }
        sent
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, TransferError> {
        if self.unpaused >= OPERATIONS_AT_ONCE {
            self.unpaused = 0;
            return Err(TransferError::WouldBlock);
        }
        let received = self.socket().receive(buffer, self.wait_limit());
        match received {
            Ok(_) => self.deadline.received(|| Some(Instant::now())),
            Err(_) => self.unpaused = 0,
        }
        received
    }

    fn peek(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, TransferError> {
        self.socket().peek(buffer, self.wait_limit())
    }

    fn acknowledge(&self) {
        if let Some(socket) = &self.socket {
            socket.acknowledge();
        }
    }
}

/// The error of everything that needs a connection.
pub fn closed() -> Error {
    Error::new(Reason::Closed, "the connection is closed on this side")
}
