//! What sockets need from each system that there is: whatever differs is said here for all of them.
//!
//! Nothing has to be done about two things. A descriptor stays open in a program that is started
//! if its owner wants that, and those that [`connect`](super::connect) makes do not, as the standard
//! library sees to that. And the `libc` crate gives the addresses of peers the same names, though
//! their fields have other sizes.

use std::io;
use std::os::fd::RawFd;

use libc::c_int;

/// The flag with which `send()` reports that nobody receives, in place of raising SIGPIPE.
#[cfg(not(target_os = "macos"))]
pub fn flags_without_signal(_fd: RawFd) -> io::Result<c_int> {
    Ok(libc::MSG_NOSIGNAL)
}

/// On macOS no flag does that, but an option of the socket. It is set each time, since the socket is
/// its owner's, who may change it; and where it cannot be set, nothing may be sent.
#[cfg(target_os = "macos")]
pub fn flags_without_signal(fd: RawFd) -> io::Result<c_int> {
    match set_option(fd, libc::SOL_SOCKET, libc::SO_NOSIGPIPE, 1) {
        Ok(()) => Ok(0),
        // It takes no option for a connection that has ended.
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

/// The option of TCP that sends an acknowledgement that is due. It does not last.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub const ACKNOWLEDGE_NOW: Option<c_int> = Some(libc::TCP_QUICKACK);
/// The others cannot be told to: there, an acknowledgement waits as long as the system likes.
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
