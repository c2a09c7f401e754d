//! The socket. The only module that calls the kernel.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use crate::error::{Error, Reason, Result};

/// How long a call may wait for the socket.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// Not at all.
    None,
    /// Until this moment.
    Until(Instant),
    /// As long as it takes.
    Unlimited,
}

/// Why no bytes moved.
#[derive(Debug)]
pub enum Failure {
    /// The socket is not ready and the call may not wait.
    WouldBlock,
    /// The moment has come until which the call was to wait.
    TimedOut,
    /// The named system call failed.
    Os(&'static str, io::Error),
}

/// A connected stream socket. Its flags are never changed.
#[derive(Debug)]
pub struct Transport {
    socket: OwnedFd,
    peer_ip: Option<IpAddr>,
}

/// Checks that a descriptor is a connected stream socket.
pub fn check_descriptor(fd: RawFd) -> Result<()> {
    let refused = |problem: &str, error: Option<io::Error>| {
        Err(Error::with_errno(
            Reason::InvalidDescriptor,
            format!("fd {fd} {problem}"),
            error.and_then(|error| error.raw_os_error()).unwrap_or(0),
        ))
    };
    match socket_option(fd, libc::SOL_SOCKET, libc::SO_TYPE) {
        Ok(libc::SOCK_STREAM) => {}
        Ok(_) => return refused("is no stream socket", None),
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
            return refused("is not open", Some(error));
        }
        Err(error) => return refused("is no socket", Some(error)),
    }
    if matches!(socket_option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN), Ok(accepts) if accepts != 0)
    {
        return refused("is listening: pass what accept() returns for it", None);
    }
    match peer_address(fd) {
        Ok(_) => Ok(()),
        Err(error) => refused("is not connected", Some(error)),
    }
}

impl Transport {
    /// Takes a socket that [`check_descriptor`] accepts, and switches Nagle's algorithm off
    /// where there is one.
    pub fn new(socket: OwnedFd) -> Self {
        let peer_ip = peer_address(socket.as_raw_fd())
            .ok()
            .and_then(|address| ip_of(&address));
        let transport = Self { socket, peer_ip };
        if peer_ip.is_some() {
            let on: libc::c_int = 1;
            // A socket that refuses this works all the same, only slower.
            // SAFETY: the option's value is an int that outlives the call.
            unsafe {
                libc::setsockopt(
                    transport.descriptor(),
                    libc::IPPROTO_TCP,
                    libc::TCP_NODELAY,
                    (&raw const on).cast(),
                    size_of_val(&on) as libc::socklen_t,
                );
            }
        }
        transport
    }

    /// The descriptor.
    pub fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Gives the socket back.
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// The peer's IP address; `None` for other families of sockets.
    pub fn peer_ip(&self) -> Option<IpAddr> {
        self.peer_ip
    }

    /// Receives at least one byte, or none if the peer closed its side.
    pub fn receive(
        &self,
        space: &mut [u8],
        patience: Patience,
    ) -> std::result::Result<usize, Failure> {
        self.transfer("recv", libc::POLLIN, patience, |flags| {
            // SAFETY: the pointer and the length are those of a slice.
            unsafe {
                libc::recv(
                    self.descriptor(),
                    space.as_mut_ptr().cast(),
                    space.len(),
                    flags,
                )
            }
        })
    }

    /// Sends at least one byte.
    pub fn send(&self, bytes: &[u8], patience: Patience) -> std::result::Result<usize, Failure> {
        self.transfer("send", libc::POLLOUT, patience, |flags| {
            let flags = flags | libc::MSG_NOSIGNAL;
            // SAFETY: the pointer and the length are those of a slice.
            unsafe { libc::send(self.descriptor(), bytes.as_ptr().cast(), bytes.len(), flags) }
        })
    }

    fn transfer(
        &self,
        name: &'static str,
        event: libc::c_short,
        patience: Patience,
        mut call: impl FnMut(libc::c_int) -> libc::ssize_t,
    ) -> std::result::Result<usize, Failure> {
        // Without a deadline the kernel may wait; with one, only poll() knows when to stop.
        let flags = match patience {
            Patience::Unlimited => 0,
            Patience::None | Patience::Until(_) => libc::MSG_DONTWAIT,
        };
        loop {
            if let Patience::Until(deadline) = patience
                && Instant::now() >= deadline
            {
                return Err(Failure::TimedOut);
            }
            let count = call(flags);
            if count >= 0 {
                return Ok(count as usize);
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                // A blocking call gets here too, where the caller made the descriptor
                // non-blocking or set SO_RCVTIMEO.
                io::ErrorKind::WouldBlock => match patience {
                    Patience::None => return Err(Failure::WouldBlock),
                    Patience::Until(_) | Patience::Unlimited => self.wait(event, patience)?,
                },
                _ => return Err(Failure::Os(name, error)),
            }
        }
    }

    /// Waits for the socket to be ready, or for the deadline, whichever comes first.
    fn wait(&self, event: libc::c_short, patience: Patience) -> std::result::Result<(), Failure> {
        let mut entry = libc::pollfd {
            fd: self.descriptor(),
            events: event,
            revents: 0,
        };
        let milliseconds = match patience {
            Patience::Until(deadline) => {
                // Rounded up, so as not to wake before the deadline and wait again.
                let left = deadline.saturating_duration_since(Instant::now())
                    + Duration::from_nanos(999_999);
                left.as_millis().min(i32::MAX as u128) as libc::c_int
            }
            _ => -1,
        };
        // SAFETY: the entry outlives the call, and there is one.
        let result = unsafe { libc::poll(&raw mut entry, 1, milliseconds) };
        if result < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(Failure::Os("poll", error));
            }
        }
        Ok(())
    }
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
