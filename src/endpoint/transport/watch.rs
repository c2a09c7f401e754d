//! [`Watch`]: one descriptor to poll instead of several and a timer.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use libc::c_int;

/// Becomes readable when one of its descriptors is ready or the timer expires. It does not say
/// which.
pub struct Watch {
    queue: OwnedFd,
    timer: Timer,
}

/// What a descriptor is watched for.
#[derive(Clone, Copy)]
pub enum Readiness {
    Readable,
    Writable,
}

/// Takes ownership of a descriptor that the system has just made.
///
/// # Safety
/// `fd` is negative, with the error in errno, or open and nobody else's.
unsafe fn owned_fd(fd: c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller vouches for it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(result: c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

impl Watch {
    /// The descriptor to poll.
    pub fn descriptor(&self) -> RawFd {
        self.queue.as_raw_fd()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
type Timer = Option<OwnedFd>;

/// With epoll and timerfd.
#[cfg(any(target_os = "linux", target_os = "android"))]
impl Watch {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            // SAFETY: a number is passed, and the descriptor is new.
            queue: unsafe { owned_fd(libc::epoll_create1(libc::EPOLL_CLOEXEC)) }?,
            timer: None,
        })
    }

    pub fn add(&mut self, fd: RawFd, readiness: Readiness) -> io::Result<()> {
        add_to(&self.queue, fd, readiness)
    }

    /// For a forked child, whose descriptor refers to the parent's queue.
    pub fn abandon_in_child(self) {}

    /// Must be called before the descriptor is closed: if a forked child keeps it open, it would
    /// stay in the queue.
    pub fn remove(&mut self, fd: RawFd) {
        // SAFETY: numbers are passed; nothing is read through the pointer.
        unsafe {
            let none = std::ptr::null_mut();
            libc::epoll_ctl(self.descriptor(), libc::EPOLL_CTL_DEL, fd, none);
        }
    }

    /// Sets the timer, or stops it.
    pub fn set_timer(&mut self, span: Option<Duration>) -> io::Result<()> {
        if self.timer.is_none() {
            if span.is_none() {
                return Ok(());
            }
            let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
            // SAFETY: numbers are passed, and the descriptor is new.
            let timer = unsafe { owned_fd(libc::timerfd_create(libc::CLOCK_MONOTONIC, flags)) }?;
            add_to(&self.queue, timer.as_raw_fd(), Readiness::Readable)?;
            self.timer = Some(timer);
        }
        let timer = self.timer.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        // Zero would stop the timer.
        let span = span.map_or(Duration::ZERO, |span| span.max(Duration::from_nanos(1)));
        // SAFETY: all bytes zero is a valid time, which outlives the call.
        check(unsafe {
            let mut time: libc::itimerspec = std::mem::zeroed();
            time.it_value.tv_sec = span.as_secs() as _;
            time.it_value.tv_nsec = span.subsec_nanos() as _;
            libc::timerfd_settime(timer, 0, &raw const time, std::ptr::null_mut())
        })
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn add_to(queue: &OwnedFd, fd: RawFd, readiness: Readiness) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events: match readiness {
            Readiness::Readable => libc::EPOLLIN,
            Readiness::Writable => libc::EPOLLOUT,
        } as u32,
        u64: 0,
    };
    // SAFETY: the event outlives the call.
    check(unsafe { libc::epoll_ctl(queue.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
type Timer = bool;

/// With kqueue, which has timers.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Watch {
    pub fn new() -> io::Result<Self> {
        // SAFETY: the descriptor is new; no forked child inherits it.
        let queue = unsafe { owned_fd(libc::kqueue()) }?;
        // SAFETY: numbers are passed.
        if unsafe { libc::fcntl(queue.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            queue,
            timer: false,
        })
    }

    pub fn add(&mut self, fd: RawFd, readiness: Readiness) -> io::Result<()> {
        let filter = match readiness {
            Readiness::Readable => libc::EVFILT_READ,
            Readiness::Writable => libc::EVFILT_WRITE,
        };
        self.change(fd as usize, filter as _, libc::EV_ADD as _, 0)
    }

    /// For a forked child, which does not inherit the queue: its number may belong to another
    /// descriptor.
    pub fn abandon_in_child(self) {
        std::mem::forget(self.queue);
    }

    /// Closing a descriptor takes it out of the queue.
    pub fn remove(&mut self, _fd: RawFd) {}

    /// Sets the timer, or stops it.
    pub fn set_timer(&mut self, span: Option<Duration>) -> io::Result<()> {
        let timer = libc::EVFILT_TIMER as _;
        if std::mem::take(&mut self.timer) {
            // It fails if the timer has expired.
            let _ = self.change(0, timer, libc::EV_DELETE as _, 0);
        }
        if let Some(span) = span {
            let milliseconds = span.as_millis().max(1) as _;
            self.change(
                0,
                timer,
                (libc::EV_ADD | libc::EV_ONESHOT) as _,
                milliseconds,
            )?;
            self.timer = true;
        }
        Ok(())
    }

    fn change(&self, ident: usize, filter: i32, flags: u32, data: i64) -> io::Result<()> {
        // SAFETY: all bytes zero is a valid change, which outlives the call; nothing is written.
        check(unsafe {
            let mut change: libc::kevent = std::mem::zeroed();
            change.ident = ident as _;
            change.filter = filter as _;
            change.flags = flags as _;
            change.data = data as _;
            let (none, no_time) = (std::ptr::null_mut(), std::ptr::null());
            libc::kevent(self.descriptor(), &raw const change, 1, none, 0, no_time)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn is_readable(watch: &Watch, milliseconds: c_int) -> bool {
        let mut entry = libc::pollfd {
            fd: watch.descriptor(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: the entry outlives the call, and there is one.
        unsafe { libc::poll(&raw mut entry, 1, milliseconds) == 1 }
    }

    #[test]
    fn it_is_readable_while_one_of_its_descriptors_is_ready() {
        let mut watch = Watch::new().unwrap();
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        watch.add(ours.as_raw_fd(), Readiness::Readable).unwrap();
        assert!(!is_readable(&watch, 0));
        theirs.write_all(b"x").unwrap();
        assert!(is_readable(&watch, -1));
        ours.read_exact(&mut [0]).unwrap();
        assert!(!is_readable(&watch, 0));
        watch.add(theirs.as_raw_fd(), Readiness::Writable).unwrap();
        assert!(is_readable(&watch, 0));
        watch.remove(theirs.as_raw_fd());
        drop(theirs);
        assert!(is_readable(&watch, -1), "the end can be read");
    }

    #[test]
    fn the_time_makes_it_readable_until_it_is_set_anew() {
        let mut watch = Watch::new().unwrap();
        watch.set_timer(None).unwrap();
        assert!(!is_readable(&watch, 0));
        watch.set_timer(Some(Duration::ZERO)).unwrap();
        assert!(is_readable(&watch, -1));
        watch.set_timer(Some(Duration::from_secs(3600))).unwrap();
        assert!(!is_readable(&watch, 0));
        watch.set_timer(Some(Duration::from_millis(2))).unwrap();
        assert!(is_readable(&watch, -1));
        watch.set_timer(None).unwrap();
        assert!(!is_readable(&watch, 0));
    }
}
