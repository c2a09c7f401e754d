//! The socket. The only module that calls the kernel.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
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

/// A connected stream socket. Its flags are never changed; of its options, those that would keep
/// small pieces waiting.
#[derive(Debug)]
pub struct Transport {
    socket: OwnedFd,
    peer_ip: Option<IpAddr>,
    limits: Limits,
}

/// Checks that a descriptor is a connected stream socket, and tells its peer's IP address;
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
        Ok(address) => Ok(ip_of(&address)),
        Err(error) => refused("is not connected", Some(error)),
    }
}

/// The user whose rights this process has.
pub fn effective_user() -> u32 {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Connects to a host, which is an address or a name. All addresses of a name are tried in
/// turn.
pub fn connect(host: &str, port: u16, deadline: Option<Instant>) -> Result<Transport> {
    if host.is_empty() || host.contains('\0') {
        return Err(Error::invalid_argument("host is no name and no address"));
    }
    if port == 0 {
        return Err(Error::invalid_argument("port is 0; it is 1 to 65535"));
    }
    match connect_to_any(&resolve(host, port, deadline)?, deadline) {
        Ok(stream) => {
            let peer_ip = stream.peer_addr().ok().map(|address| address.ip());
            Ok(Transport::new(stream.into(), peer_ip))
        }
        Err(_) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => Err(late(host)),
        Err(error) => Err(connect_failed(host, port, &error)),
    }
}

/// Connects to the first of the addresses that answers. Each has its share of the time that
/// is left, so that one that does not answer leaves some to the others.
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
        // An address needs no looking up.
        _ if host.parse::<IpAddr>().is_ok() => look_up(host),
        None => look_up(host),
        Some(deadline) => {
            let name = host.to_owned();
            match LOOKUPS.within(deadline, move || look_up(&name)) {
                Ok(Some(addresses)) => Ok(addresses),
                Ok(None) => return Err(late(host)),
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

/// Lookups of names with a deadline. The system's resolver knows none and cannot be interrupted:
/// each runs on a thread of its own, which is left behind when the time is over, and ends when the
/// resolver gives up.
struct Lookups {
    under_way: AtomicUsize,
}

impl Lookups {
    /// A resolver that never answers would take one thread for each try.
    const MOST: usize = 16;

    /// What `look_up` finds, or `None` if it takes longer than until `deadline`.
    fn within<T: Send + 'static>(
        &'static self,
        deadline: Instant,
        look_up: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<Option<T>> {
        let place = self.take_place()?;
        let answer = Arc::new((Mutex::new(None), Condvar::new()));
        let sink = Arc::clone(&answer);
        spawn_without_signals(move || {
            let found = look_up();
            drop(place);
            // Nobody may be waiting for it any more.
            *sink.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            sink.1.notify_one();
        })?;
        let (found, heard) = &*answer;
        let found = found.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        let (mut found, _) = heard
            .wait_timeout_while(found, left, |found| found.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        found.take().transpose()
    }

    fn take_place(&'static self) -> io::Result<PlaceOfLookup> {
        let place = PlaceOfLookup(self);
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= Self::MOST {
            return Err(io::Error::other(format!(
                "{} names are being looked up already, and the system's resolver does not answer",
                Self::MOST
            )));
        }
        Ok(place)
    }
}

/// Counts as long as it lives.
struct PlaceOfLookup(&'static Lookups);

impl Drop for PlaceOfLookup {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a thread that takes none of the signals that the program's own threads wait for.
fn spawn_without_signals(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // SAFETY: all bytes zero is a valid set, which is filled and then only read; both sets
    // outlive the calls.
    let earlier = unsafe {
        let (mut all, mut earlier): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut earlier);
        earlier
    };
    // A thread begins with the mask of the one that starts it.
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

fn late(host: &str) -> Error {
    Error::new(
        Reason::Timeout,
        format!("the timeout passed before there was a connection to {host}"),
    )
}

impl Transport {
    /// Takes a socket, with what [`check_descriptor`] tells of it, and undoes what keeps the
    /// protocol's small pieces waiting: Nagle's algorithm, a cork, and a low-water mark.
    pub fn new(socket: OwnedFd, peer_ip: Option<IpAddr>) -> Self {
        let limits = Limits {
            receive: time_limit(socket.as_raw_fd(), option_of(libc::POLLIN)),
            send: time_limit(socket.as_raw_fd(), option_of(libc::POLLOUT)),
        };
        let transport = Self {
            socket,
            peer_ip,
            limits,
        };
        transport.set_option(libc::SOL_SOCKET, libc::SO_RCVLOWAT, 1);
        if peer_ip.is_some() {
            transport.set_option(libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
            #[cfg(any(target_os = "linux", target_os = "android"))]
            transport.set_option(libc::IPPROTO_TCP, libc::TCP_CORK, 0);
        }
        transport
    }

    /// Has the system acknowledge at once what was received, where it can be told to, in
    /// place of waiting for something to send along.
    pub fn acknowledge(&self) {
        // The option does not last: it sends the acknowledgement that is due.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.peer_ip.is_some() {
            self.set_option(libc::IPPROTO_TCP, libc::TCP_QUICKACK, 1);
        }
    }

    /// Sets an option. A socket that refuses works all the same, only slower.
    fn set_option(&self, level: libc::c_int, option: libc::c_int, value: libc::c_int) {
        // SAFETY: the option's value is an int that outlives the call.
        unsafe {
            libc::setsockopt(
                self.descriptor(),
                level,
                option,
                (&raw const value).cast(),
                size_of_val(&value) as libc::socklen_t,
            );
        }
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
        self.receive_with(0, space, patience)
    }

    /// As [`receive`](Self::receive), and leaves the bytes where they are.
    pub fn peek(
        &self,
        space: &mut [u8],
        patience: Patience,
    ) -> std::result::Result<usize, Failure> {
        self.receive_with(libc::MSG_PEEK, space, patience)
    }

    fn receive_with(
        &self,
        more_flags: libc::c_int,
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
                    flags | more_flags,
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
                    // The kernel waited for as long as the caller's own option says.
                    Patience::Unlimited
                        if !is_non_blocking(self.descriptor())
                            && time_limit(self.descriptor(), option_of(event)).is_some() =>
                    {
                        return Err(Failure::TimedOut);
                    }
                    Patience::Until(_) | Patience::Unlimited => self.wait(event, patience)?,
                },
                _ => return Err(Failure::Os(name, error)),
            }
        }
    }

    /// Waits for the socket to be ready, or for the deadline or the limit of the socket's own,
    /// whichever comes first.
    fn wait(&self, event: libc::c_short, patience: Patience) -> std::result::Result<(), Failure> {
        let mut entry = libc::pollfd {
            fd: self.descriptor(),
            events: event,
            revents: 0,
        };
        let limit = match event {
            libc::POLLIN => self.limits.receive,
            _ => self.limits.send,
        };
        let left = match patience {
            Patience::Until(deadline) => {
                // Rounded up, so as not to wake before the deadline and wait again.
                let left = deadline.saturating_duration_since(Instant::now())
                    + Duration::from_nanos(999_999);
                Some(left.as_millis().min(i32::MAX as u128) as libc::c_int)
            }
            _ => None,
        };
        let milliseconds = match (left, limit) {
            (Some(left), Some(limit)) => left.min(limit),
            (left, limit) => left.or(limit).unwrap_or(-1),
        };
        // SAFETY: the entry outlives the call, and there is one.
        let result = unsafe { libc::poll(&raw mut entry, 1, milliseconds) };
        if result < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(Failure::Os("poll", error));
            }
        }
        if result == 0 && Some(milliseconds) == limit {
            return Err(Failure::TimedOut);
        }
        Ok(())
    }
}

/// How long one wait may last, in milliseconds, as the caller set it by SO_RCVTIMEO and
/// SO_SNDTIMEO.
#[derive(Debug)]
struct Limits {
    receive: Option<libc::c_int>,
    send: Option<libc::c_int>,
}

/// The option that limits the wait for an event.
fn option_of(event: libc::c_short) -> libc::c_int {
    match event {
        libc::POLLIN => libc::SO_RCVTIMEO,
        _ => libc::SO_SNDTIMEO,
    }
}

/// SO_RCVTIMEO or SO_SNDTIMEO in milliseconds, rounded up; `None` where there is no limit.
fn time_limit(fd: RawFd, name: libc::c_int) -> Option<libc::c_int> {
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
    (result == 0 && milliseconds > 0).then(|| milliseconds.min(i32::MAX as u64) as libc::c_int)
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

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
        for _ in 0..Lookups::MOST {
            let ended = ended.clone();
            let hanging = move || {
                let _ = ended.lock().unwrap().recv();
                Ok(())
            };
            assert!(LOOKUPS.within(Instant::now(), hanging).unwrap().is_none());
        }
        let later = || Instant::now() + Duration::from_secs(60);
        let error = LOOKUPS.within(later(), || Ok(())).unwrap_err();
        assert!(error.to_string().contains("16 names"), "{error}");
        drop(end);
        while LOOKUPS.under_way.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(LOOKUPS.within(later(), || Ok(7)).unwrap(), Some(7));
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
