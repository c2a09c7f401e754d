//! What differs between systems for sockets.
//!
//! [`watch`](super::watch) has the rest. Addresses need nothing: the `libc` crate gives their
//! fields the same names everywhere, only with other sizes.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use libc::c_int;

/// The flag that makes `send()` fail with EPIPE instead of raising SIGPIPE.
#[cfg(not(target_os = "macos"))]
pub fn flags_without_signal(_fd: RawFd) -> io::Result<c_int> {
    Ok(libc::MSG_NOSIGNAL)
}

/// macOS has a socket option instead of a flag. It is set each time, because the owner of the
/// socket may change it. If it cannot be set, nothing may be sent.
#[cfg(target_os = "macos")]
pub fn flags_without_signal(fd: RawFd) -> io::Result<c_int> {
    match set_option(fd, libc::SOL_SOCKET, libc::SO_NOSIGPIPE, 1) {
        Ok(()) => Ok(0),
        // It cannot be set once the connection has ended.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            Err(io::Error::from_raw_os_error(libc::EPIPE))
        }
        Err(error) => Err(error),
    }
}

/// The option of TCP that holds back what does not fill a packet.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub const CORK: Option<c_int> = Some(libc::TCP_CORK);
/// The option of TCP that holds back what does not fill a packet.
#[cfg(any(target_os = "macos", target_os = "freebsd", target_os = "openbsd"))]
pub const CORK: Option<c_int> = Some(libc::TCP_NOPUSH);
/// NetBSD has no such option.
#[cfg(target_os = "netbsd")]
pub const CORK: Option<c_int> = None;

/// The TCP option that sends a pending acknowledgement. It does not last.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub const ACKNOWLEDGE_NOW: Option<c_int> = Some(libc::TCP_QUICKACK);
/// Other systems have no such option: the acknowledgement waits as long as the system likes.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub const ACKNOWLEDGE_NOW: Option<c_int> = None;

/// Sets an option of a socket.
pub fn set_option(fd: RawFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the option's value is an int that outlives the call.
    let result = unsafe {
        libc::setsockopt(
            fd,
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Starts connecting a non-blocking socket, and returns whether that is done already. The socket is
/// close-on-exec.
pub fn start_connecting(address: &SocketAddr) -> io::Result<(TcpStream, bool)> {
    let stream = TcpStream::from(socket_without_waiting(address)?);
    let is_connected = match address {
        SocketAddr::V4(address) => {
            // SAFETY: all bytes zero is a valid address, and so is what is filled in.
            let mut to: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            to.sin_family = libc::AF_INET as _;
            to.sin_port = address.port().to_be();
            to.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
            connect_to(&stream, &to)?
        }
        SocketAddr::V6(address) => {
            // SAFETY: all bytes zero is a valid address, and so is what is filled in.
            let mut to: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            to.sin6_family = libc::AF_INET6 as _;
            to.sin6_port = address.port().to_be();
            to.sin6_addr.s6_addr = address.ip().octets();
            to.sin6_flowinfo = address.flowinfo();
            to.sin6_scope_id = address.scope_id();
            connect_to(&stream, &to)?
        }
    };
    Ok((stream, is_connected))
}

/// `A` is a socket address of the system.
fn connect_to<A>(stream: &TcpStream, address: &A) -> io::Result<bool> {
    loop {
        // SAFETY: the address outlives the call, and the length is its own.
        let result = unsafe {
            libc::connect(
                stream.as_raw_fd(),
                std::ptr::from_ref(address).cast(),
                size_of::<A>() as libc::socklen_t,
            )
        };
        if result == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            // EALREADY after an interruption.
            Some(libc::EINPROGRESS | libc::EALREADY) => return Ok(false),
            Some(libc::EISCONN) => return Ok(true),
            _ => return Err(error),
        }
    }
}

fn socket_without_waiting(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    #[cfg(not(target_os = "macos"))]
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    #[cfg(target_os = "macos")]
    let flags = 0;
    // SAFETY: numbers are passed.
    let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | flags, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    #[cfg(target_os = "macos")]
    {
        let both = [
            (libc::F_SETFD, libc::FD_CLOEXEC),
            (libc::F_SETFL, libc::O_NONBLOCK),
        ];
        for (command, flag) in both {
            // SAFETY: numbers are passed.
            if unsafe { libc::fcntl(fd, command, flag) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(socket)
}

/// Waits until one of the entries is ready, or for at most `wait`; `None` for no limit. After a
/// signal it returns with no entry ready.
pub fn poll(entries: &mut [libc::pollfd], wait: Option<Duration>) -> io::Result<()> {
    // Rounded up, so that it does not wake just before the time and wait again.
    let milliseconds = wait.map_or(-1, |wait| {
        let wait = wait.as_nanos().div_ceil(1_000_000);
        c_int::try_from(wait).unwrap_or(c_int::MAX)
    });
    // SAFETY: the pointer and the length are those of a slice.
    let result = unsafe {
        libc::poll(
            entries.as_mut_ptr(),
            entries.len() as libc::nfds_t,
            milliseconds,
        )
    };
    let error = io::Error::last_os_error();
    if result < 0 && error.kind() != io::ErrorKind::Interrupted {
        return Err(error);
    }
    if result <= 0 {
        entries.iter_mut().for_each(|entry| entry.revents = 0);
    }
    Ok(())
}
