//! [`Connecting`]: connects to a host, blocking or not.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use super::lookup::{Lookup, addresses_of};
use super::socket::Socket;
use super::system;
use super::watch::{Readiness, Watch};
use crate::crypto::fork_generation;
use crate::error::{Error, Interest, Reason, Result};

/// How long to wait for an address before the next one is tried too (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// The most addresses that are tried at once: the owner of a name chooses how many it has.
const MAX_ATTEMPTS: usize = 16;
/// The longest host, in bytes: as `getnameinfo()` needs for any (`NI_MAXHOST`), without the NUL. The
/// standard library copies it, and a failed allocation there would abort the process.
const MAX_HOST_LEN: usize = 1024;

/// A connection that is being made. A name is looked up and its addresses are tried as RFC 8305
/// says, IPv6 and IPv4 in turn. If one fails, the next is tried at once; if one is slow, the next
/// is tried beside it. The first that answers is used.
pub struct Connecting {
    host: String,
    port: u16,
    deadline: Option<Instant>,
    waits: bool,
    lookup: Option<Watched<Lookup>>,
    /// The addresses not tried yet, in order.
    untried: VecDeque<SocketAddr>,
    attempts: Vec<Watched<TcpStream>>,
    /// When to try the next address, if there is one.
    next_attempt: Instant,
    /// The error of the last address that failed.
    last_error: io::Error,
    /// Made when the program first has to wait.
    watch: Option<Watch>,
    generation: u32,
}

/// Something with a descriptor, and whether it is in the watch.
struct Watched<T> {
    inner: T,
    is_watched: bool,
}

impl<T> Watched<T> {
    fn new(inner: T) -> Self {
        Self {
            inner,
            is_watched: false,
        }
    }

    fn add_to(&mut self, watch: &mut Watch, fd: RawFd, readiness: Readiness) -> io::Result<()> {
        if !self.is_watched {
            watch.add(fd, readiness)?;
            self.is_watched = true;
        }
        Ok(())
    }
}

impl Connecting {
    /// Starts connecting to a host, given by address or name. Unless `waits`,
    /// [`advance`](Self::advance) returns instead of waiting.
    pub fn begin(host: &str, port: u16, deadline: Option<Instant>, waits: bool) -> Result<Self> {
        if host.is_empty() || host.len() > MAX_HOST_LEN || host.contains('\0') {
            return Err(Error::invalid_argument(
                "host is neither a name nor an address",
            ));
        }
        if port == 0 {
            return Err(Error::invalid_argument("port is 0; it is 1 to 65535"));
        }
        let mut connecting = Self {
            host: host.to_owned(),
            port,
            deadline,
            waits,
            lookup: None,
            untried: VecDeque::new(),
            attempts: Vec::new(),
            next_attempt: Instant::now(),
            last_error: io::ErrorKind::NotFound.into(),
            watch: None,
            generation: fork_generation::current(),
        };
        // An address needs no lookup, and a call without a deadline can look up a name itself.
        if host.parse::<IpAddr>().is_ok() || (waits && deadline.is_none()) {
            let found = addresses_of(host, port);
            connecting.untried = interleave(found.map_err(|error| connecting.failed(&error))?);
        } else {
            connecting.look_up()?;
        }
        Ok(connecting)
    }

    /// Whether it connects to this host and port.
    pub fn is_to(&self, host: &str, port: u16) -> bool {
        self.host == host && self.port == port
    }

    /// What to poll while [`advance`](Self::advance) would have to wait.
    pub fn descriptor(&self) -> Option<RawFd> {
        self.watch.as_ref().map(Watch::descriptor)
    }

    /// Continues until there is a connection. Must not be called after that, or after a failure.
    pub fn advance(&mut self) -> Result<Socket> {
        self.restart_in_child()?;
        // Hundreds of addresses that refuse must not hold up the other clients of a loop.
        let mut attempts_left = match self.waits {
            true => usize::MAX,
            false => MAX_ATTEMPTS,
        };
        loop {
            if self.has_run_out_of_time() {
                return Err(timed_out(&self.host));
            }
            if let Some(stream) = self.try_addresses(&mut attempts_left) {
                return self.finish(stream);
            }
            if self.lookup.is_none() && self.attempts.is_empty() && self.untried.is_empty() {
                return Err(self.failed(&self.last_error));
            }
            match self.poll_once() {
                Err(error) => return Err(self.failed(&error)),
                Ok(Progress::Connected(stream)) => return self.finish(stream),
                Ok(Progress::Something) => {}
                Ok(Progress::Nothing)
                    if self.waits || (attempts_left > 0 && self.is_next_due()) => {}
                Ok(Progress::Nothing) => {
                    self.update_watch().map_err(|error| self.failed(&error))?;
                    return Err(Error::WouldBlock(Interest::Read));
                }
            }
        }
    }

    fn look_up(&mut self) -> Result<()> {
        let begun = Lookup::begin(&self.host, self.port);
        let lookup = begun.map_err(|error| self.failed(&error))?;
        self.lookup = Some(Watched::new(lookup));
        Ok(())
    }

    /// In a forked child the thread that looks up the name does not exist, and the descriptors that
    /// it waits for are shared with the parent.
    fn restart_in_child(&mut self) -> Result<()> {
        if self.generation == fork_generation::current() {
            return Ok(());
        }
        self.abandon_watch_in_child();
        self.generation = fork_generation::current();
        for attempt in &mut self.attempts {
            attempt.is_watched = false;
        }
        match self.lookup {
            Some(_) => self.look_up(),
            None => Ok(()),
        }
    }

    fn abandon_watch_in_child(&mut self) {
        if self.generation != fork_generation::current()
            && let Some(watch) = self.watch.take()
        {
            watch.abandon_in_child();
        }
    }

    fn has_run_out_of_time(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn is_next_due(&self) -> bool {
        !self.untried.is_empty()
            && (self.attempts.is_empty() || Instant::now() >= self.next_attempt)
    }

    /// Tries the addresses that are due, at most `attempts_left`. Returns a connection if one is made at
    /// once.
    fn try_addresses(&mut self, attempts_left: &mut usize) -> Option<TcpStream> {
        while *attempts_left > 0 && self.is_next_due() {
            *attempts_left -= 1;
            let address = self.untried.pop_front()?;
            match system::start_connecting(&address) {
                Ok((stream, true)) => return Some(stream),
                Ok((stream, false)) => {
                    if self.attempts.len() == MAX_ATTEMPTS {
                        self.end_attempt(0);
                    }
                    self.attempts.push(Watched::new(stream));
                    self.next_attempt = Instant::now() + ATTEMPT_DELAY;
                }
                Err(error) => self.last_error = error,
            }
        }
        None
    }

    /// Polls once; a blocking call waits here.
    fn poll_once(&mut self) -> io::Result<Progress> {
        match self.lookup.take() {
            Some(lookup) => self.poll_lookup(lookup),
            None => self.poll_attempts(),
        }
    }

    fn poll_lookup(&mut self, mut lookup: Watched<Lookup>) -> io::Result<Progress> {
        let mut entry = [entry_for(lookup.inner.descriptor(), libc::POLLIN)];
        system::poll(&mut entry, self.time_to_wait())?;
        if entry[0].revents == 0 {
            self.lookup = Some(lookup);
            return Ok(Progress::Nothing);
        }
        self.unwatch(lookup.is_watched, lookup.inner.descriptor());
        self.untried = interleave(lookup.inner.take()?);
        Ok(Progress::Something)
    }

    fn poll_attempts(&mut self) -> io::Result<Progress> {
        let mut entries = [entry_for(-1, 0); MAX_ATTEMPTS];
        // The system refuses more entries than a process may have descriptors.
        let entries = &mut entries[..self.attempts.len()];
        for (entry, attempt) in entries.iter_mut().zip(&self.attempts) {
            *entry = entry_for(attempt.inner.as_raw_fd(), libc::POLLOUT);
        }
        system::poll(entries, self.time_to_wait())?;
        let mut happened = Progress::Nothing;
        let mut at = 0;
        for entry in entries {
            if entry.revents == 0 {
                at += 1;
                continue;
            }
            let error = self.attempts[at].inner.take_error()?;
            let stream = self.end_attempt(at);
            self.last_error = match error {
                None if entry.revents & libc::POLLHUP == 0 => {
                    return Ok(Progress::Connected(stream));
                }
                None => io::ErrorKind::NotConnected.into(),
                Some(error) => error,
            };
            self.next_attempt = Instant::now();
            happened = Progress::Something;
        }
        Ok(happened)
    }

    /// How long a blocking call may wait until something is due; `None` for no limit.
    fn time_to_wait(&self) -> Option<Duration> {
        if !self.waits {
            return Some(Duration::ZERO);
        }
        let next = (!self.untried.is_empty()).then_some(self.next_attempt);
        let end = [next, self.deadline].into_iter().flatten().min()?;
        Some(end.saturating_duration_since(Instant::now()))
    }

    /// Removes an attempt.
    fn end_attempt(&mut self, at: usize) -> TcpStream {
        let attempt = self.attempts.remove(at);
        self.unwatch(attempt.is_watched, attempt.inner.as_raw_fd());
        attempt.inner
    }

    fn unwatch(&mut self, is_watched: bool, fd: RawFd) {
        if let Some(watch) = &mut self.watch
            && is_watched
        {
            watch.remove(fd);
        }
    }

    /// Updates the watch, so that its descriptor becomes readable when there is more to do.
    fn update_watch(&mut self) -> io::Result<()> {
        let watch = match &mut self.watch {
            Some(watch) => watch,
            none => none.insert(Watch::new()?),
        };
        if let Some(lookup) = &mut self.lookup {
            let fd = lookup.inner.descriptor();
            lookup.add_to(watch, fd, Readiness::Readable)?;
        }
        for attempt in &mut self.attempts {
            let fd = attempt.inner.as_raw_fd();
            attempt.add_to(watch, fd, Readiness::Writable)?;
        }
        let is_more_to_try = !self.untried.is_empty();
        watch.set_timer(
            is_more_to_try.then(|| self.next_attempt.saturating_duration_since(Instant::now())),
        )
    }

    fn finish(&self, stream: TcpStream) -> Result<Socket> {
        match stream.set_nonblocking(false) {
            Ok(()) => Ok(Socket::new(stream.into(), true)),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::with_errno(
            Reason::ConnectFailed,
            format!(
                "cannot connect to {}, port {}: {error}",
                self.host, self.port
            ),
            error.raw_os_error().unwrap_or(0),
        )
    }
}

impl Drop for Connecting {
    /// A forked child may keep the watch open, and with it its place in an epoll of the program: so
    /// nothing that could make it readable stays in it.
    fn drop(&mut self) {
        self.abandon_watch_in_child();
        while !self.attempts.is_empty() {
            self.end_attempt(0);
        }
        if let Some(lookup) = self.lookup.take() {
            self.unwatch(lookup.is_watched, lookup.inner.descriptor());
        }
        if let Some(watch) = &mut self.watch {
            let _ = watch.set_timer(None);
        }
    }
}

enum Progress {
    Nothing,
    Something,
    Connected(TcpStream),
}

fn entry_for(fd: RawFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}

/// The addresses with both families in turn, beginning with the family that the system prefers
/// (RFC 8305, section 4).
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let prefers_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (preferred, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == prefers_ipv4);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut ordered = VecDeque::new();
    loop {
        let earlier = ordered.len();
        ordered.extend(preferred.next());
        ordered.extend(others.next());
        if ordered.len() == earlier {
            return ordered;
        }
    }
}

fn timed_out(host: &str) -> Error {
    Error::new(
        Reason::Timeout,
        format!("the timeout passed before there was a connection to {host}"),
    )
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
    use std::os::fd::BorrowedFd;

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(200);
    const AMPLE_TIME: Duration = Duration::from_secs(20);

    /// A listener whose queue is full, so that nobody else gets an answer. It lasts as long
    /// as what it comes with.
    struct Silent {
        address: SocketAddr,
        _listener: TcpListener,
        _queued: Vec<TcpStream>,
    }

    impl Silent {
        fn new() -> Self {
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
            Self {
                address,
                _listener: listener,
                _queued: queued,
            }
        }
    }

    fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// A port that is taken, and at which nobody listens.
    fn refusing() -> (TcpStream, SocketAddr) {
        let (_listener, address) = listen();
        let taken = TcpStream::connect(address).unwrap();
        let address = taken.local_addr().unwrap();
        (taken, address)
    }

    fn later(span: Duration) -> Option<Instant> {
        Some(Instant::now() + span)
    }

    /// The way to a name that has these addresses.
    fn to(addresses: &[SocketAddr], deadline: Option<Instant>, waits: bool) -> Connecting {
        let mut connecting = Connecting::begin("127.0.0.1", 1, deadline, waits).unwrap();
        connecting.untried = interleave(addresses.to_vec());
        connecting
    }

    /// Goes on as a loop does, which waits for the descriptor alone.
    fn finish(connecting: &mut Connecting) -> Result<Socket> {
        loop {
            match connecting.advance() {
                Err(Error::WouldBlock(Interest::Read)) if !connecting.waits => {
                    let mut entry = [libc::pollfd {
                        fd: connecting.descriptor().unwrap(),
                        events: libc::POLLIN,
                        revents: 0,
                    }];
                    let wait = connecting.deadline.map_or(AMPLE_TIME, |deadline| {
                        deadline.saturating_duration_since(Instant::now())
                    });
                    system::poll(&mut entry, Some(wait)).unwrap();
                    assert!(entry[0].revents != 0 || connecting.deadline.is_some());
                }
                other => return other,
            }
        }
    }

    /// Whether it is the listener that was connected to.
    fn has_reached(socket: Socket, listener: &TcpListener) -> bool {
        let stream = TcpStream::from(socket.into_fd());
        let (_, peer) = listener.accept().unwrap();
        peer == stream.local_addr().unwrap()
    }

    #[test]
    fn families_take_turns_in_the_order_of_each() {
        let v4 = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 1));
        let v6 = |last| SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last), 1));
        for (given, expected) in [
            (vec![], vec![]),
            (vec![v4(1)], vec![v4(1)]),
            (
                vec![v6(1), v6(2), v6(3), v4(1), v4(2)],
                vec![v6(1), v4(1), v6(2), v4(2), v6(3)],
            ),
            (
                vec![v4(1), v6(1), v6(2), v6(3)],
                vec![v4(1), v6(1), v6(2), v6(3)],
            ),
        ] {
            assert_eq!(interleave(given), expected);
        }
    }

    #[test]
    fn a_host_that_does_not_answer_costs_the_timeout() {
        let silent = Silent::new();
        for waits in [true, false] {
            let deadline = later(TIMEOUT);
            let port = silent.address.port();
            let mut connecting = Connecting::begin("127.0.0.1", port, deadline, waits).unwrap();
            let error = finish(&mut connecting).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::Timeout));
            assert!(Instant::now() >= deadline.unwrap());
            // A time that is over already is enough for nothing.
            for host in ["127.0.0.1", "localhost"] {
                let mut connecting =
                    Connecting::begin(host, port, later(Duration::ZERO), waits).unwrap();
                let error = connecting.advance().unwrap_err();
                assert_eq!(error.reason(), Some(Reason::Timeout));
            }
        }
    }

    #[test]
    fn a_slow_address_gets_company_and_the_first_to_answer_wins() {
        let silent = Silent::new();
        let (listener, address) = listen();
        for (waits, deadline) in [(true, None), (true, later(AMPLE_TIME)), (false, None)] {
            let mut connecting = to(&[silent.address, silent.address, address], deadline, waits);
            let began = Instant::now();
            let socket = finish(&mut connecting).unwrap();
            assert!(has_reached(socket, &listener));
            assert!(began.elapsed() >= 2 * ATTEMPT_DELAY);
            assert_eq!(
                connecting.attempts.len(),
                2,
                "both slow ones had their chance"
            );
        }
    }

    #[test]
    fn an_address_that_fails_is_left_for_the_next_at_once() {
        let (_taken, refusing) = refusing();
        let (listener, address) = listen();
        for (waits, deadline) in [(true, None), (true, later(AMPLE_TIME)), (false, None)] {
            let addresses = [refusing, refusing, address];
            let mut connecting = to(&addresses, deadline, waits);
            // Nothing that is due waits for the time of the next.
            connecting.next_attempt = Instant::now() + AMPLE_TIME;
            let socket = finish(&mut connecting).unwrap();
            assert!(has_reached(socket, &listener));
            let error = finish(&mut to(&addresses[..2], deadline, waits)).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::ConnectFailed));
            assert_eq!(error.errno(), libc::ECONNREFUSED);
        }
    }

    /// Nobody gets there: the address is for nobody, in a network that has no such thing.
    #[test]
    fn an_address_without_a_way_to_it_is_left_for_the_next() {
        let (listener, address) = listen();
        let nowhere = SocketAddr::from((Ipv4Addr::BROADCAST, 1));
        for waits in [true, false] {
            let socket = finish(&mut to(&[nowhere, address], None, waits)).unwrap();
            assert!(has_reached(socket, &listener));
            let error = finish(&mut to(&[nowhere], None, waits)).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::ConnectFailed));
            assert_ne!(error.errno(), 0);
        }
    }

    #[test]
    fn no_more_than_the_most_are_tried_at_once() {
        let silent = Silent::new();
        let mut connecting = to(&[silent.address; MAX_ATTEMPTS + 2], None, false);
        let mut first = None;
        while !connecting.untried.is_empty() {
            connecting.next_attempt = Instant::now();
            let waiting = connecting.advance().unwrap_err();
            assert_eq!(waiting, Error::WouldBlock(Interest::Read));
            first.get_or_insert(connecting.attempts[0].inner.local_addr().unwrap());
        }
        assert_eq!(connecting.attempts.len(), MAX_ATTEMPTS);
        let oldest = connecting.attempts[0].inner.local_addr().unwrap();
        assert_ne!(Some(oldest), first, "the oldest made room");
    }

    #[test]
    fn a_name_is_looked_up_beside_the_program() {
        let (listener, address) = listen();
        for (waits, deadline) in [(true, None), (true, later(AMPLE_TIME)), (false, None)] {
            let port = address.port();
            let mut connecting = Connecting::begin("localhost", port, deadline, waits).unwrap();
            assert_eq!(connecting.lookup.is_none(), waits && deadline.is_none());
            let socket = finish(&mut connecting).unwrap();
            assert!(has_reached(socket, &listener));
            // A label of a name has at most 63 letters, so no server has to be asked.
            let unknown = "a".repeat(64);
            let ended = Connecting::begin(&unknown, port, deadline, waits)
                .and_then(|mut connecting| finish(&mut connecting));
            assert_eq!(ended.unwrap_err().reason(), Some(Reason::ConnectFailed));
        }
    }

    #[test]
    fn no_name_is_longer_than_the_longest() {
        for (len, reason) in [
            (MAX_HOST_LEN, Reason::ConnectFailed),
            (MAX_HOST_LEN + 1, Reason::InvalidArgument),
        ] {
            let error = Connecting::begin(&"a".repeat(len), 1, None, true).err();
            assert_eq!(error.unwrap().reason(), Some(reason), "{len}");
        }
    }

    fn is_ready(fd: RawFd, wait: Option<Duration>) -> bool {
        let mut entry = [entry_for(fd, libc::POLLIN)];
        system::poll(&mut entry, wait).unwrap();
        entry[0].revents != 0
    }

    #[test]
    fn many_addresses_that_refuse_are_tried_in_several_calls() {
        let nobody = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut connecting = Connecting::begin("127.0.0.1", nobody.port(), None, false).unwrap();
        connecting.untried = vec![nobody; 2 * MAX_ATTEMPTS + 1].into();
        let mut calls = 0;
        loop {
            calls += 1;
            match connecting.advance() {
                Err(Error::WouldBlock(_)) => {}
                Err(error) => {
                    assert_eq!(error.reason(), Some(Reason::ConnectFailed));
                    break;
                }
                Ok(_) => panic!("nobody listens there"),
            }
            assert_eq!(
                connecting.untried.len(),
                2 * MAX_ATTEMPTS + 1 - calls * MAX_ATTEMPTS
            );
            // There is more to do at once.
            let watch = connecting.watch.as_ref().unwrap();
            assert!(is_ready(watch.descriptor(), None));
        }
        assert_eq!(calls, 3);
    }

    #[test]
    fn what_a_forked_child_keeps_open_does_not_make_the_descriptor_readable() {
        let mut connecting = Connecting::begin("localhost", 1, None, false).unwrap();
        let lookup = connecting.lookup.as_ref().unwrap().inner.descriptor();
        connecting.update_watch().unwrap();
        let copies = [connecting.descriptor().unwrap(), lookup].map(|fd| {
            // SAFETY: both descriptors are open.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            fd.try_clone_to_owned().unwrap()
        });
        drop(connecting);
        let [watch, lookup] = copies;
        assert!(is_ready(lookup.as_raw_fd(), None));
        assert!(!is_ready(watch.as_raw_fd(), Some(Duration::ZERO)));
    }
}
