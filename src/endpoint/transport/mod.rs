//! [`Transport`]: what moves the bytes of a session. This folder has the one with a socket and a
//! deadline; [`SansIoSession`](crate::SansIoSession) has its own.

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

    /// Whether what an operation waits for can still happen.
    fn can_satisfy(&self, _interest: Interest) -> bool {
        true
    }

    /// Starts the deadline of an operation. With `is_idle`, the idle timeout counts until the first
    /// byte, and the timeout from then on.
    fn start_deadline(&mut self, is_idle: bool);

    /// To be called when the bytes that have come were none of a message: an idle timeout goes on as
    /// if they had not come.
    fn resume_idle(&mut self) {}

    /// To be called before a message is received: a good time to let the caller serve other peers.
    fn begin_message(&mut self) {}

    /// Whether the last receive let the caller serve other peers, and did not look for bytes.
    fn has_yielded(&self) -> bool {
        false
    }

    /// Fails if the deadline has passed and the operation would not notice by itself.
    fn check_deadline(&self) -> std::result::Result<(), TransferError>;

    /// How long until the current deadline; `None` if there is none.
    fn time_left(&self) -> Option<Duration>;

    /// Sends at least one byte of `bytes`; returns how many.
    fn send(&mut self, bytes: &[u8]) -> std::result::Result<usize, TransferError>;

    /// Receives at least one byte, or none if the peer has closed its side.
    fn receive(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, TransferError>;

    /// Like [`receive`](Self::receive), but the bytes stay to be received again.
    fn peek(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, TransferError>;

    /// Acknowledges received bytes at once, if the system can be told to.
    fn acknowledge(&self) {}
}

/// Why no bytes were transferred.
#[derive(Debug)]
pub enum TransferError {
    /// The call would have to wait, and may not.
    WouldBlock,
    /// The program sends the bytes, and may have done so before it reports that.
    Lent,
    /// The deadline has passed.
    TimedOut,
    /// The named system call failed.
    Os(&'static str, io::Error),
}
