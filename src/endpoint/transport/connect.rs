//! Connects to a host within a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::socket::Socket;
use crate::error::{Error, Reason, Result};

/// Connects to a host, given by address or name. All addresses of a name are tried in turn.
pub fn connect(host: &str, port: u16, deadline: Option<Instant>) -> Result<Socket> {
    if host.is_empty() || host.contains('\0') {
        return Err(Error::invalid_argument("host is no name and no address"));
    }
    if port == 0 {
        return Err(Error::invalid_argument("port is 0; it is 1 to 65535"));
    }
    match connect_to_any(&resolve(host, port, deadline)?, deadline) {
        Ok(stream) => Ok(Socket::new(stream.into(), true)),
        Err(_) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
            Err(timed_out(host))
        }
        Err(error) => Err(connect_failed(host, port, &error)),
    }
}

/// Connects to the first address that answers. Each gets its share of the time left, so that one
/// that does not answer leaves some for the others.
fn connect_to_any(addresses: &[SocketAddr], deadline: Option<Instant>) -> io::Result<TcpStream> {
    let mut last_error = io::Error::from(io::ErrorKind::NotFound);
    for (at, address) in addresses.iter().enumerate() {
        let connected = match deadline {
            None => TcpStream::connect(address),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let share = left / (addresses.len() - at) as u32;
                if share.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                TcpStream::connect_timeout(address, share)
            }
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// The addresses of a host, of which there is at least one.
fn resolve(host: &str, port: u16, deadline: Option<Instant>) -> Result<Vec<SocketAddr>> {
    let look_up = move |host: &str| {
        let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
        Ok(addresses)
    };
    let found = match deadline {
        // An address needs no lookup.
        _ if host.parse::<IpAddr>().is_ok() => look_up(host),
        None => look_up(host),
        Some(deadline) => {
            let name = host.to_owned();
            match LOOKUPS.run_until(deadline, move || look_up(&name)) {
                Ok(Some(addresses)) => Ok(addresses),
                Ok(None) => return Err(timed_out(host)),
                Err(error) => Err(error),
            }
        }
    };
    match found {
        Ok(addresses) if addresses.is_empty() => {
            let error = io::Error::from(io::ErrorKind::NotFound);
            Err(connect_failed(host, port, &error))
        }
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(connect_failed(host, port, &error)),
    }
}

static LOOKUPS: Lookups = Lookups {
    under_way: AtomicUsize::new(0),
};

/// Name lookups with a deadline. The system's resolver has none and cannot be interrupted, so each
/// lookup runs on its own thread. After the deadline the thread is abandoned; it ends when the
/// resolver gives up.
struct Lookups {
    under_way: AtomicUsize,
}

impl Lookups {
    /// Without a limit, a resolver that never answers would cost one thread for each attempt.
    const MAX: usize = 16;

    /// The result of `look_up`, or `None` if there is none by `deadline`.
    fn run_until<T: Send + 'static>(
        &'static self,
        deadline: Instant,
        look_up: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<Option<T>> {
        let permit = self.acquire()?;
        let answer = Arc::new((Mutex::new(None), Condvar::new()));
        let sink = Arc::clone(&answer);
        spawn_without_signals(move || {
            let found = look_up();
            drop(permit);
            // Perhaps nobody waits for it any more.
            *sink.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            sink.1.notify_one();
        })?;
        let (found, answered) = &*answer;
        let found = found.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        let (mut found, _) = answered
            .wait_timeout_while(found, left, |found| found.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        found.take().transpose()
    }

    fn acquire(&'static self) -> io::Result<LookupPermit> {
        let permit = LookupPermit(self);
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= Self::MAX {
            return Err(io::Error::other(format!(
                "{} names are being looked up already, and the system's resolver does not answer",
                Self::MAX
            )));
        }
        Ok(permit)
    }
}

/// Counts as one lookup until it is dropped.
struct LookupPermit(&'static Lookups);

impl Drop for LookupPermit {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a thread that blocks all signals, so that they go to the program's own threads.
fn spawn_without_signals(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // SAFETY: all bytes zero is a valid set, which is filled and then only read; both sets
    // outlive the calls.
    let earlier = unsafe {
        let (mut all, mut earlier): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut earlier);
        earlier
    };
    // A thread inherits the signal mask of its parent.
    let spawned = std::thread::Builder::new().spawn(work);
    // SAFETY: the set is what the system gave, and outlives the call.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const earlier, std::ptr::null_mut());
    }
    spawned.map(drop)
}

fn connect_failed(host: &str, port: u16, error: &io::Error) -> Error {
    Error::with_errno(
        Reason::ConnectFailed,
        format!("cannot connect to {host}, port {port}: {error}"),
        error.raw_os_error().unwrap_or(0),
    )
}

fn timed_out(host: &str) -> Error {
    Error::new(
        Reason::Timeout,
        format!("the timeout passed before there was a connection to {host}"),
    )
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(200);

    /// A listener whose queue is full, so that nobody else gets an answer. It lasts as long
    /// as what it comes with.
    fn silent_listener() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // SAFETY: a descriptor and a number are passed.
        let result = unsafe { libc::listen(listener.as_raw_fd(), 0) };
        assert_eq!(result, 0);
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, TIMEOUT) {
            queued.push(stream);
            assert!(queued.len() < 100, "the queue has no end");
        }
        (address, listener, queued)
    }

    #[test]
    fn lookups_that_do_not_end_are_bounded() {
        static LOOKUPS: Lookups = Lookups {
            under_way: AtomicUsize::new(0),
        };
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let ended = Arc::new(Mutex::new(ended));
        for _ in 0..Lookups::MAX {
            let ended = ended.clone();
            let hanging = move || {
                let _ = ended.lock().unwrap().recv();
                Ok(())
            };
            assert!(
                LOOKUPS
                    .run_until(Instant::now(), hanging)
                    .unwrap()
                    .is_none()
            );
        }
        let later = || Instant::now() + Duration::from_secs(60);
        let error = LOOKUPS.run_until(later(), || Ok(())).unwrap_err();
        assert!(error.to_string().contains("16 names"), "{error}");
        drop(end);
        while LOOKUPS.under_way.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(LOOKUPS.run_until(later(), || Ok(7)).unwrap(), Some(7));
    }

    #[test]
    fn a_host_that_does_not_answer_costs_the_timeout() {
        let (address, _listener, _queued) = silent_listener();
        let port = address.port();
        let deadline = Instant::now() + TIMEOUT;
        let error = connect("127.0.0.1", port, Some(deadline)).unwrap_err();
        assert_eq!(error.reason(), Some(Reason::Timeout));
        assert!(Instant::now() >= deadline);
        // A time that is over already is enough for nothing.
        for host in ["127.0.0.1", "localhost"] {
            let error = connect(host, port, Some(Instant::now())).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::Timeout));
        }
    }

    #[test]
    fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        let (silent, _listener, _queued) = silent_listener();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addresses = [silent, listener.local_addr().unwrap()];
        let deadline = Instant::now() + 10 * TIMEOUT;
        let stream = connect_to_any(&addresses, Some(deadline)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
    }

    #[test]
    fn an_address_that_refuses_is_left_for_the_next_without_a_deadline_too() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        // The port of a connected socket is taken, and nobody listens at it.
        let taken = TcpStream::connect(address).unwrap();
        let addresses = [taken.local_addr().unwrap(), address];
        let stream = connect_to_any(&addresses, None).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        let error = connect_to_any(&addresses[..1], None).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
    }

    #[test]
    fn the_thread_that_looks_up_takes_no_signals() {
        let (sender, receiver) = std::sync::mpsc::channel();
        spawn_without_signals(move || sender.send(is_blocked(libc::SIGTERM)).unwrap()).unwrap();
        assert!(receiver.recv().unwrap());
        assert!(!is_blocked(libc::SIGTERM), "its starter still takes them");
    }

    fn is_blocked(signal: libc::c_int) -> bool {
        // SAFETY: all bytes zero is a valid set, which outlives the calls; without a new
        // set, the mask is only read.
        unsafe {
            let mut mask: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut mask);
            libc::sigismember(&raw const mask, signal) == 1
        }
    }
}
