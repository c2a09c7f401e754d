//! [`Lookup`]: looks up a name on another thread, while the caller waits with `poll()`.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::crypto::fork_generation;

/// The lookups of this process. The system's resolver has no deadline and cannot be interrupted, so
/// each lookup runs on a thread. An abandoned one ends when the resolver gives up.
static LOOKUPS: Lookups = Lookups::new();

struct Lookups(Mutex<State>);

/// What is protected by [`lock`].
pub(crate) struct State {
    threads: usize,
    /// Jobs that no thread has begun.
    waiting: VecDeque<Job>,
}

impl State {
    /// Without a limit, a resolver that never answers would cost a thread for each attempt.
    const MAX_THREADS: usize = 16;

    /// For a forked child, where the threads do not exist. Frees nothing, because not every
    /// allocator survives a fork beside other threads; each [`Lookup`] closes its pipe.
    pub(crate) fn reset_in_child(&mut self) {
        self.threads = 0;
        std::mem::forget(std::mem::take(&mut self.waiting));
    }
}

impl Lookups {
    const fn new() -> Self {
        Self(Mutex::new(State {
            threads: 0,
            waiting: VecDeque::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a job, and after it those that wait for a thread.
    fn work(&self, mut job: Job) {
        loop {
            job.run();
            let mut state = self.lock();
            match state.waiting.pop_front() {
                Some(next) => job = next,
                None => {
                    state.threads -= 1;
                    return;
                }
            }
        }
    }
}

/// Locks the lookups of this process.
pub(crate) fn lock() -> MutexGuard<'static, State> {
    LOOKUPS.lock()
}

type Found = io::Result<Vec<SocketAddr>>;

/// A name that is being looked up. Dropping it abandons the lookup.
pub struct Lookup {
    among: &'static Lookups,
    answer: Arc<Answer>,
    /// Readable once there is an answer.
    ready: PipeReader,
    generation: u32,
}

struct Answer {
    found: Mutex<Option<Found>>,
    /// A byte signals the answer, not the end of the pipe: a forked process may keep it open.
    waker: PipeWriter,
}

struct Job {
    look_up: Box<dyn FnOnce() -> Found + Send>,
    answer: Arc<Answer>,
}

impl Job {
    fn run(self) {
        let found = (self.look_up)();
        *lock_found(&self.answer) = Some(found);
        // If this fails, the lookup was abandoned. SIGPIPE is blocked on this thread.
        let _ = (&self.answer.waker).write(&[0]);
    }
}

impl Lookup {
    /// Starts looking up a name, as soon as there is a thread for it.
    pub fn begin(host: &str, port: u16) -> io::Result<Self> {
        let name = host.to_owned();
        Self::begin_among(&LOOKUPS, move || addresses_of(&name, port))
    }

    fn begin_among(
        among: &'static Lookups,
        look_up: impl FnOnce() -> Found + Send + 'static,
    ) -> io::Result<Self> {
        let (ready, waker) = io::pipe()?;
        let answer = Arc::new(Answer {
            found: Mutex::new(None),
            waker,
        });
        let job = Job {
            look_up: Box::new(look_up),
            answer: Arc::clone(&answer),
        };
        let mut state = among.lock();
        if state.threads == State::MAX_THREADS {
            state.waiting.push_back(job);
        } else {
            state.threads += 1;
            drop(state);
            spawn_without_signals(|| among.work(job)).inspect_err(|_| among.lock().threads -= 1)?;
        }
        Ok(Self {
            among,
            answer,
            ready,
            generation: fork_generation::current(),
        })
    }

    /// What to poll: it is readable once there is an answer.
    pub fn descriptor(&self) -> RawFd {
        self.ready.as_raw_fd()
    }

    /// The answer, once the descriptor is readable.
    pub fn take(&mut self) -> Found {
        let found = lock_found(&self.answer).take();
        found.unwrap_or_else(|| Err(io::Error::other("the resolver has no answer")))
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if self.generation == fork_generation::current() {
            let is_other = |job: &Job| !Arc::ptr_eq(&job.answer, &self.answer);
            self.among.lock().waiting.retain(is_other);
        } else if Arc::strong_count(&self.answer) > 1 {
            // SAFETY: in this forked child the thread that shares the pipe does not exist, so nobody
            // closes it after this.
            drop(unsafe { OwnedFd::from_raw_fd(self.answer.waker.as_raw_fd()) });
        }
    }
}

/// The addresses of a host, on this thread.
pub fn addresses_of(host: &str, port: u16) -> Found {
    Ok((host, port).to_socket_addrs()?.collect())
}

fn lock_found(answer: &Answer) -> MutexGuard<'_, Option<Found>> {
    answer.found.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::Ipv4Addr;
    use std::sync::mpsc;

    use super::*;

    fn found(port: u16) -> Found {
        Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
    }

    /// Waits until there is an answer.
    fn wait(lookup: &mut Lookup) -> Vec<SocketAddr> {
        lookup.ready.read_exact(&mut [0]).unwrap();
        lookup.take().unwrap()
    }

    #[test]
    fn lookups_beyond_the_most_wait_for_a_thread_and_can_be_given_up() {
        static LOOKUPS: Lookups = Lookups::new();
        let (end, ended) = mpsc::channel::<()>();
        let ended = Arc::new(Mutex::new(ended));
        let mut hanging: Vec<_> = (0..State::MAX_THREADS)
            .map(|_| {
                let ended = ended.clone();
                Lookup::begin_among(&LOOKUPS, move || {
                    let _ = ended.lock().unwrap().recv();
                    found(1)
                })
                .unwrap()
            })
            .collect();
        let (began, begun) = mpsc::channel();
        let given_up = Lookup::begin_among(&LOOKUPS, move || {
            began.send(()).unwrap();
            found(2)
        });
        let mut waiting = Lookup::begin_among(&LOOKUPS, || found(3)).unwrap();
        assert_eq!(LOOKUPS.lock().waiting.len(), 2);
        assert_eq!(LOOKUPS.lock().threads, State::MAX_THREADS);
        drop(given_up);
        assert_eq!(LOOKUPS.lock().waiting.len(), 1);
        // One that has begun cannot be stopped, but nobody needs to wait for it.
        drop(hanging.pop());
        drop(end);
        assert_eq!(wait(&mut waiting), found(3).unwrap());
        for lookup in &mut hanging {
            assert_eq!(wait(lookup), found(1).unwrap());
        }
        assert!(begun.recv().is_err(), "it was begun, though given up");
        while LOOKUPS.lock().threads > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_thread_that_looks_up_takes_no_signals() {
        let (sender, receiver) = mpsc::channel();
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
