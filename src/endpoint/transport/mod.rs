//! What moves the bytes of a session: [`Transport`]. A socket with a deadline is one, and the
//! rest of this folder; a [`SansIoSession`](crate::SansIoSession) has another.

#[cfg(unix)]
mod connect;
#[cfg(unix)]
pub(crate) mod connection;
#[cfg(unix)]
pub(crate) mod lookup;
#[cfg(unix)]
pub(crate) mod socket;
#[cfg(unix)]
mod system;
#[cfg(unix)]
mod watch;

use std::io;
use std::time::Duration;

use crate::error::{Interest, Result};

/// Moves the bytes of a session.
pub trait Transport {
    /// Fails if the transport is closed.
    fn check_open(&self) -> Result<()>;

    /// Whether what an operation waits for can still come.
    fn can_satisfy(&self, _interest: Interest) -> bool {
        true
    }

    /// An operation begins: its deadline is counted from here. With `is_idle`, the peer may take
    /// the idle timeout to begin, and the timeout is counted from its first byte on.
    fn start_deadline(&mut self, is_idle: bool);

    /// It is to receive a message: a good time to let the caller look after other peers.
    fn begin_message(&mut self) {}

    /// Fails if the operation has run out of time and would not notice by itself.
    fn check_deadline(&self) -> std::result::Result<(), TransferError>;

    /// How long it is until the deadline that was started last; `None` if there is none.
    fn time_left(&self) -> Option<Duration>;

    /// Sends at least one byte of `bytes`; returns how many.
    fn send(&mut self, bytes: &[u8]) -> std::result::Result<usize, TransferError>;

    /// Receives at least one byte, or none if the peer has closed its side.
    fn receive(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, TransferError>;

    /// As [`receive`](Self::receive), but leaves the bytes to be received again.
    fn peek(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, TransferError>;

    /// Acknowledges at once what was received, where the system can be told to.
    fn acknowledge(&self) {}
}

/// Why no bytes were transferred.
#[derive(Debug)]
pub enum TransferError {
    /// Not without waiting, and the call may not wait.
    WouldBlock,
    /// The deadline has passed.
    TimedOut,
    /// The named system call failed.
    Os(&'static str, io::Error),
}
