//! The same parts over real connections, of which the kernel tells the end in its own way:
//! the peer closes, closes one half, resets, or says nothing until the deadline.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

use anwdl::error::Interest;
use anwdl::protocol::Role;
use anwdl::{ClientInstance, ClientInterface, Error, Reason};

use super::ends::{OFFSETS, Passage, passages};
use super::play::{Act, Player, check_ended, play};
use super::{is_exhaustive, stride, tell};
use crate::patience;
use crate::recording::recordings;

/// How long a peer may say nothing. Far more than a call takes that does not wait.
const DEADLINE: Duration = Duration::from_millis(60);
/// How many stalled peers wait for their deadlines together.
const BATCH: usize = 200;

/// Ends a test that would never end.
fn patience() -> Duration {
    patience::patience(60)
}

/// One side, over a connection.
enum Side {
    Server(Box<ClientInstance>),
    Client(Box<ClientInterface>),
}

impl Side {
    fn descriptor(&self) -> RawFd {
        match self {
            Side::Server(client) => client.socket_descriptor(),
            Side::Client(interface) => interface.socket_descriptor(),
        }
        .unwrap()
    }

    /// Waits until an operation has something to do, or for so many milliseconds.
    fn wait(&self, interest: Interest, milliseconds: libc::c_int) -> bool {
        let events = match interest {
            Interest::Read => libc::POLLIN,
            Interest::Write => libc::POLLOUT,
            Interest::Computation => unreachable!("the computation is not separate"),
        };
        let mut entry = libc::pollfd {
            fd: self.descriptor(),
            events,
            revents: 0,
        };
        // SAFETY: there is one entry, and it outlives the call.
        let ready = unsafe { libc::poll(&raw mut entry, 1, milliseconds) };
        assert!(ready >= 0);
        ready > 0
    }

    /// Does an act to its end, however long that takes.
    fn finish(&mut self, act: &Act) -> Result<Option<String>, Error> {
        loop {
            match self.perform(act) {
                Err(Error::WouldBlock(interest)) => {
                    assert!(self.wait(interest, patience().as_millis() as libc::c_int));
                }
                other => return other,
            }
        }
    }
}

impl Player for Side {
    fn perform(&mut self, act: &Act) -> Result<Option<String>, Error> {
        match self {
            Side::Server(client) => client.perform(act),
            Side::Client(interface) => interface.perform(act),
        }
    }

    fn has_key(&self) -> bool {
        match self {
            Side::Server(client) => client.has_key(),
            Side::Client(interface) => interface.has_key(),
        }
    }
}

/// Where connections come from.
struct Meeting {
    listener: TcpListener,
    address: SocketAddr,
}

impl Meeting {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// Hears out whoever called and did not wait.
    fn forget_callers(&self) {
        self.listener.set_nonblocking(true).unwrap();
        while self.listener.accept().is_ok() {}
        self.listener.set_nonblocking(false).unwrap();
    }

    /// A side, before its operation, and the socket of its peer.
    fn connect(&self, passage: &Passage, blocks: bool, timeout: Duration) -> (Side, TcpStream) {
        let mut options = passage.options();
        options.set_timeout(Some(timeout));
        options.set_non_blocking(!blocks);
        // So that a blocking one does not begin by itself either.
        options.set_separate_computation(blocks && passage.is_exchange());
        match passage.role {
            Role::Server => {
                let peer = TcpStream::connect(self.address).unwrap();
                let (socket, _) = self.listener.accept().unwrap();
                peer.set_nodelay(true).unwrap();
                let client = ClientInstance::new(socket, &options).unwrap();
                (Side::Server(Box::new(client)), peer)
            }
            Role::Client => {
                let mut interface = ClientInterface::new(&options).unwrap();
                let ip = self.address.ip().to_string();
                while let Err(error) = interface.connect_server(&ip, self.address.port()) {
                    // This machine is so busy that connecting itself came to its deadline.
                    assert_eq!(error.reason(), Some(Reason::Timeout), "{error}");
                    self.forget_callers();
                }
                let (peer, _) = self.listener.accept().unwrap();
                peer.set_nodelay(true).unwrap();
                (Side::Client(Box::new(interface)), peer)
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Both directions are closed, with a FIN.
    Close,
    /// The peer sends no more, and would still read.
    HalfClose,
    /// A RST.
    Reset,
}

fn make_end(peer: TcpStream, end: End) -> Option<TcpStream> {
    match end {
        End::Close => None,
        End::HalfClose => {
            peer.shutdown(Shutdown::Write).unwrap();
            Some(peer)
        }
        End::Reset => {
            let at_once = libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            // SAFETY: the option's value outlives the call, and the length is its own.
            let result = unsafe {
                libc::setsockopt(
                    peer.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_LINGER,
                    (&raw const at_once).cast(),
                    size_of_val(&at_once) as libc::socklen_t,
                )
            };
            assert_eq!(result, 0);
            None
        }
    }
}

/// One part against a peer that ends after so many bytes.
fn end_at(meeting: &Meeting, passage: &Passage, offset: usize, end: End) {
    let name = &passage.name;
    let is_whole = offset == passage.incoming.len();
    let (acts, incoming) = passage.until(offset);
    let sent = play(passage.session(), &acts, &incoming).sent;
    let mut acts = &acts[..];
    let (mut side, mut peer) = meeting.connect(passage, false, patience());
    peer.write_all(&incoming).unwrap();

    // The peer ends when it has heard all that it will hear, so that the kernel has no
    // reason of its own to reset the connection.
    let mut heard = vec![0; sent.len()];
    let mut count = 0;
    peer.set_nonblocking(true).unwrap();
    let begun = Instant::now();
    loop {
        assert!(
            begun.elapsed() < patience(),
            "{name} {offset}: nothing is heard"
        );
        match side.perform(&acts[0]) {
            Ok(_) => acts = &acts[1..],
            Err(Error::WouldBlock(_)) => {}
            Err(error) => panic!("{name} {offset} {end:?}: {error}"),
        }
        if count == heard.len() {
            break;
        }
        match peer.read(&mut heard[count..]) {
            Ok(more) => count += more,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    let (act, earlier) = acts.split_last().expect("it waits for more");
    for act in earlier {
        side.finish(act).unwrap();
    }
    let _still_reads = make_end(peer, end);

    let failure = side.finish(act).unwrap_err();
    let is_recoverable = is_whole || passage.goes_on(offset);
    let goes_on = match end {
        End::Close | End::HalfClose => {
            let reason = failure.reason();
            assert_eq!(reason, Some(Reason::PeerClosed), "{name} {offset} {end:?}");
            is_recoverable
        }
        End::Reset => {
            let reason = failure.reason();
            assert_eq!(reason, Some(Reason::IoFailed), "{name} {offset} {end:?}");
            assert_eq!(failure.errno(), libc::ECONNRESET);
            false
        }
    };
    if !goes_on {
        check_ended(&mut side, act);
        return;
    }
    // It can be tried again, and tells the same.
    let again = side.finish(act).unwrap_err();
    assert_eq!(again.reason(), Some(Reason::PeerClosed));
}

/// Runs a case at each of the offsets that belong to a run of this size.
fn at_offsets(passage: &Passage, of_quick_run: usize, mut case: impl FnMut(usize)) -> usize {
    let len = passage.incoming.len();
    // A quick run has the first bytes of everything, and the last.
    let is_chosen = |offset: usize| {
        offset.is_multiple_of(stride(of_quick_run)) || offset < 2 || offset + 2 > len
    };
    let offsets: Vec<_> = (0..=len).filter(|offset| is_chosen(*offset)).collect();
    for offset in &offsets {
        case(*offset);
    }
    offsets.len()
}

fn ends_of(end: End) -> usize {
    let meeting = Meeting::new();
    let mut cases = 0;
    for recording in recordings() {
        for passage in passages(&recording) {
            let step = if passage.is_exchange() { 331 } else { 19 };
            cases += at_offsets(&passage, step, |offset| {
                end_at(&meeting, &passage, offset, end);
            });
        }
    }
    assert!(cases == OFFSETS || !is_exhaustive());
    cases
}

#[test]
fn the_peer_closes_at_every_byte() {
    tell(ends_of(End::Close), "closed connections");
}

#[test]
fn the_peer_closes_one_half_at_every_byte() {
    tell(ends_of(End::HalfClose), "half-closed connections");
}

#[test]
fn the_peer_resets_at_every_byte() {
    tell(ends_of(End::Reset), "reset connections");
}

/// One that has heard so many bytes of its peer, and will hear no more in time.
struct Stalled<'a> {
    side: Side,
    peer: TcpStream,
    passage: &'a Passage,
    offset: usize,
}

impl<'a> Stalled<'a> {
    fn begin(meeting: &Meeting, passage: &'a Passage, offset: usize) -> Self {
        loop {
            let (mut side, mut peer) = meeting.connect(passage, false, DEADLINE);
            peer.write_all(&passage.incoming[..offset]).unwrap();
            if offset > 0 {
                assert!(side.wait(Interest::Read, patience().as_millis() as libc::c_int));
            }
            let begun = Instant::now();
            match side.perform(&passage.act) {
                Err(Error::WouldBlock(_)) => {
                    return Self {
                        side,
                        peer,
                        passage,
                        offset,
                    };
                }
                // This machine is so busy that the call itself came to its deadline.
                Err(error) if error.reason() == Some(Reason::Timeout) => {
                    assert!(begun.elapsed() >= DEADLINE);
                }
                other => panic!("{}: {other:?}", passage.name),
            }
        }
    }

    fn end(mut self) {
        let Passage { act, name, .. } = self.passage;
        let begun = Instant::now();
        let failure = loop {
            assert!(begun.elapsed() < patience(), "{name}: no deadline");
            match self.side.perform(act) {
                Err(Error::WouldBlock(_)) => {
                    self.side.wait(Interest::Read, 1);
                }
                other => break other.unwrap_err(),
            }
        };
        assert_eq!(failure.reason(), Some(Reason::Timeout), "{name}");
        if !self.passage.goes_on(self.offset) {
            check_ended(&mut self.side, act);
            return;
        }
        // Nothing had moved: the same call goes well once the peer says something.
        self.peer.write_all(&self.passage.incoming).unwrap();
        loop {
            match self.side.perform(act) {
                Ok(_) => return,
                Err(Error::WouldBlock(interest)) => {
                    self.side.wait(interest, 1);
                }
                // As above: too busy.
                Err(error) => {
                    assert_eq!(error.reason(), Some(Reason::Timeout), "{name}");
                    return;
                }
            }
        }
    }
}

#[test]
fn the_peer_stalls_at_every_byte() {
    let meeting = Meeting::new();
    let recordings = recordings();
    let passages: Vec<_> = recordings.iter().flat_map(passages).collect();
    let mut waiting = Vec::new();
    let mut cases = 0;
    for passage in &passages {
        let step = if passage.is_exchange() { 331 } else { 19 };
        at_offsets(passage, step, |offset| {
            if offset == passage.incoming.len() {
                return;
            }
            waiting.push(Stalled::begin(&meeting, passage, offset));
            cases += 1;
            if waiting.len() == BATCH {
                waiting.drain(..).for_each(Stalled::end);
            }
        });
    }
    waiting.drain(..).for_each(Stalled::end);
    tell(cases, "stalls past the deadline");
}

/// A call that waits by itself ends no earlier than its deadline.
#[test]
fn a_blocking_call_ends_at_its_deadline() {
    let meeting = Meeting::new();
    let recordings = recordings();
    let count = if is_exhaustive() { recordings.len() } else { 1 };
    let mut cases = 0;
    for passage in recordings[..count].iter().flat_map(passages) {
        let offset = passage.incoming.len() / 2;
        let (mut side, mut peer) = meeting.connect(&passage, true, DEADLINE);
        peer.write_all(&passage.incoming[..offset]).unwrap();
        let begun = Instant::now();
        let failure = side.perform(&passage.act).unwrap_err();
        assert_eq!(failure.reason(), Some(Reason::Timeout), "{}", passage.name);
        assert!(begun.elapsed() >= DEADLINE);
        cases += 1;
    }
    tell(cases, "stalls of a blocking call");
}
