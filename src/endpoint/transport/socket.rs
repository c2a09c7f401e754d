//! [`Socket`]: the system calls on a connected socket, with a limit for waiting.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::{TransferError, system};
use crate::error::{Error, Reason, Result};

/// How long a call may wait for the socket.
#[derive(Debug, Clone, Copy)]
pub enum WaitLimit {
    /// Not at all.
    NonBlocking,
    /// Until this deadline.
    Until(Instant),
    /// No limit.
    Unlimited,
}

/// A connected stream socket. Its flags are never changed, and only those options that would delay
/// small pieces.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    is_tcp: bool,
    timeouts: Timeouts,
}

/// Why no client could be made from a socket, and the socket, still open.
#[derive(Debug)]
pub struct CreationError {
    /// What went wrong.
    pub error: Error,
    /// The socket that was passed in.
    pub socket: OwnedFd,
}

impl fmt::Display for CreationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for CreationError {}

impl From<CreationError> for Error {
    fn from(creation: CreationError) -> Self {
        creation.error
    }
}

/// Checks that a descriptor is a connected stream socket, and returns its peer's IP address, or
/// `None` for other families of sockets.
pub fn check_descriptor(fd: RawFd) -> Result<Option<IpAddr>> {
    let refused = |problem: &str, error: Option<io::Error>| {
        Err(Error::with_errno(
            Reason::InvalidDescriptor,
            format!("fd {fd} {problem}"),
            error.and_then(|error| error.raw_os_error()).unwrap_or(0),
        ))
    };
    match socket_option(fd, libc::SOL_SOCKET, libc::SO_TYPE) {
        Ok(libc::SOCK_STREAM) => {}
        Ok(_) => return refused("is not a stream socket", None),
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
            return refused("is not open", Some(error));
        }
        Err(error) => return refused("is not a socket", Some(error)),
    }
    if matches!(socket_option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN), Ok(accepts) if accepts != 0)
    {
        return refused("is listening: pass what accept() returns for it", None);
    }
    match peer_address(fd) {
        Ok(address) => Ok(ip_of(&address)),
        Err(error) => refused("is not connected", Some(error)),
    }
}

impl Socket {
    /// Takes a socket and turns off what would delay the protocol's small pieces: the low-water
    /// mark and, with TCP, Nagle's algorithm and the cork.
    pub fn new(fd: OwnedFd, is_tcp: bool) -> Self {
        let raw = fd.as_raw_fd();
        let timeouts = Timeouts {
            receive: socket_timeout(raw, timeout_option(libc::POLLIN)),
            send: socket_timeout(raw, timeout_option(libc::POLLOUT)),
        };
        // Without these it still works, only slower.
        let _ = system::set_option(raw, libc::SOL_SOCKET, libc::SO_RCVLOWAT, 1);
        if is_tcp {
            let _ = system::set_option(raw, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
            if let Some(cork) = system::CORK {
                let _ = system::set_option(raw, libc::IPPROTO_TCP, cork, 0);
            }
        }
        Self {
            fd,
            is_tcp,
            timeouts,
        }
    }

    /// Acknowledges received bytes at once, if the system can be told to, instead of waiting for
    /// data to send along.
    pub fn acknowledge(&self) {
        if self.is_tcp
            && let Some(option) = system::ACKNOWLEDGE_NOW
        {
            // If this fails, the acknowledgement only comes later.
            let _ = system::set_option(self.descriptor(), libc::IPPROTO_TCP, option, 1);
        }
    }

    /// The descriptor.
    pub fn descriptor(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Returns the descriptor, still open.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Receives at least one byte, or none if the peer closed its side.
    pub fn receive(
        &self,
        buffer: &mut [u8],
        wait_limit: WaitLimit,
    ) -> std::result::Result<usize, TransferError> {
        self.receive_with(0, buffer, wait_limit)
    }

    /// Like [`receive`](Self::receive), but the bytes stay in the socket.
    pub fn peek(
        &self,
        buffer: &mut [u8],
        wait_limit: WaitLimit,
    ) -> std::result::Result<usize, TransferError> {
        self.receive_with(libc::MSG_PEEK, buffer, wait_limit)
    }

    fn receive_with(
        &self,
        more_flags: libc::c_int,
        buffer: &mut [u8],
        wait_limit: WaitLimit,
    ) -> std::result::Result<usize, TransferError> {
        self.transfer("recv", libc::POLLIN, wait_limit, |flags| {
            // SAFETY: the pointer and the length are those of a slice.
            unsafe {
                libc::recv(
                    self.descriptor(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    flags | more_flags,
                )
            }
        })
    }

    /// Sends at least one byte.
    pub fn send(
        &self,
        bytes: &[u8],
        wait_limit: WaitLimit,
    ) -> std::result::Result<usize, TransferError> {
        let without_signal = system::flags_without_signal(self.descriptor())
            .map_err(|error| TransferError::Os("setsockopt", error))?;
        self.transfer("send", libc::POLLOUT, wait_limit, |flags| {
            let flags = flags | without_signal;
            // SAFETY: the pointer and the length are those of a slice.
            unsafe { libc::send(self.descriptor(), bytes.as_ptr().cast(), bytes.len(), flags) }
        })
    }

    fn transfer(
        &self,
        name: &'static str,
        event: libc::c_short,
        wait_limit: WaitLimit,
        mut call: impl FnMut(libc::c_int) -> libc::ssize_t,
    ) -> std::result::Result<usize, TransferError> {
        let own_limit = self.timeouts.get(event);
        // Without any limit the kernel may wait; with one, only poll() knows when to stop. The
        // kernel's wait would start anew after each signal.
        let flags = match (wait_limit, own_limit) {
            (WaitLimit::Unlimited, None) => 0,
            _ => libc::MSG_DONTWAIT,
        };
        let mut own_end = None;
        loop {
            if let WaitLimit::Until(deadline) = wait_limit
                && Instant::now() >= deadline
            {
                return Err(TransferError::TimedOut);
            }
            let count = call(flags);
            if count >= 0 {
                return Ok(count as usize);
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                // A call that may wait in the kernel also gets here if the caller made the
                // descriptor non-blocking, or has set SO_RCVTIMEO since the socket was taken.
                io::ErrorKind::WouldBlock => match wait_limit {
                    WaitLimit::NonBlocking => return Err(TransferError::WouldBlock),
                    // The kernel waited as long as the caller's own option allows.
                    WaitLimit::Unlimited
                        if own_limit.is_none()
                            && !is_non_blocking(self.descriptor())
                            && socket_timeout(self.descriptor(), timeout_option(event))
                                .is_some() =>
                    {
                        return Err(TransferError::TimedOut);
                    }
                    WaitLimit::Until(_) | WaitLimit::Unlimited => {
                        // The wait is one, however often it is interrupted.
                        own_end = own_end.or_else(|| Instant::now().checked_add(own_limit?));
                        self.wait(event, wait_limit, own_end)?;
                    }
                },
                _ => return Err(TransferError::Os(name, error)),
            }
        }
    }

    /// Waits until the socket is ready, or until the deadline or the end of the socket's own limit,
    /// whichever comes first. A signal ends it early.
    fn wait(
        &self,
        event: libc::c_short,
        wait_limit: WaitLimit,
        own_end: Option<Instant>,
    ) -> std::result::Result<(), TransferError> {
        let mut entries = [libc::pollfd {
            fd: self.descriptor(),
            events: event,
            revents: 0,
        }];
        let end = match (wait_limit, own_end) {
            (WaitLimit::Until(deadline), Some(own_end)) => Some(deadline.min(own_end)),
            (WaitLimit::Until(deadline), None) => Some(deadline),
            _ => own_end,
        };
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        system::poll(&mut entries, left).map_err(|error| TransferError::Os("poll", error))?;
        let is_ready = entries[0].revents != 0;
        if !is_ready && own_end.is_some_and(|end| Instant::now() >= end) {
            return Err(TransferError::TimedOut);
        }
        Ok(())
    }
}

/// The caller's own SO_RCVTIMEO and SO_SNDTIMEO, in milliseconds.
#[derive(Debug)]
struct Timeouts {
    receive: Option<u32>,
    send: Option<u32>,
}

impl Timeouts {
    /// The limit of a wait for an event.
    fn get(&self, event: libc::c_short) -> Option<Duration> {
        let milliseconds = match event {
            libc::POLLIN => self.receive,
            _ => self.send,
        };
        milliseconds.map(|milliseconds| Duration::from_millis(milliseconds.into()))
    }
}

/// The option that limits the wait for an event.
fn timeout_option(event: libc::c_short) -> libc::c_int {
    match event {
        libc::POLLIN => libc::SO_RCVTIMEO,
        _ => libc::SO_SNDTIMEO,
    }
}

/// SO_RCVTIMEO or SO_SNDTIMEO in milliseconds, rounded up; `None` for no limit.
fn socket_timeout(fd: RawFd, name: libc::c_int) -> Option<u32> {
    let mut value = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    let mut len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: value and length outlive the call, and the length is that of the value.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    let seconds = u64::try_from(value.tv_sec).unwrap_or(0);
    let microseconds = u64::try_from(value.tv_usec).unwrap_or(0);
    let milliseconds = seconds
        .saturating_mul(1000)
        .saturating_add(microseconds.div_ceil(1000));
    (result == 0 && milliseconds > 0).then(|| u32::try_from(milliseconds).unwrap_or(u32::MAX))
}

fn is_non_blocking(fd: RawFd) -> bool {
    // SAFETY: a descriptor and a number are passed.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}

fn socket_option(fd: RawFd, level: libc::c_int, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: value and length outlive the call, and the length is that of the value.
    let result =
        unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut len) };
    if result == 0 {
        Ok(value)
    } else {
        Err(io::Error::last_os_error())
    }
}

fn peer_address(fd: RawFd) -> io::Result<libc::sockaddr_storage> {
    // SAFETY: all bytes zero is a valid address of no family.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut len = size_of_val(&address) as libc::socklen_t;
    // SAFETY: address and length outlive the call, and the length is that of the address.
    let result = unsafe { libc::getpeername(fd, (&raw mut address).cast(), &raw mut len) };
    if result == 0 {
        Ok(address)
    } else {
        Err(io::Error::last_os_error())
    }
}

fn ip_of(address: &libc::sockaddr_storage) -> Option<IpAddr> {
    match libc::c_int::from(address.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which address this is, and the storage fits any.
            let address = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in>() };
            Some(IpAddr::from(address.sin_addr.s_addr.to_ne_bytes()))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says which address this is, and the storage fits any.
            let address = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in6>() };
            Some(IpAddr::from(address.sin6_addr.s6_addr).to_canonical())
        }
        _ => None,
    }
}
