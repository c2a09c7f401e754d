//! Log messages, passed to a hook that the program sets.
//!
//! There is one hook for the whole process. Without one, a message costs one atomic load. With one,
//! the message is formatted and passed to the hook on the thread that does the work.
//!
//! No lock is held while the hook runs, so it may call this library, even [`set_hook`]. Those calls
//! log nothing; otherwise the hook would call itself without end.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::one_line;

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// No message has this level so far.
    Debug = 0,
    /// Normal events, once or twice in a session.
    Info = 1,
    /// Something that the library or the peer refused; the session may continue.
    Warning = 2,
    /// Something that ended a session early.
    Error = 3,
}

/// Takes a message: its level, the ID of the client that it is about (empty if there is
/// none), and the text. Neither ever holds a secret.
pub type Hook = Arc<dyn Fn(Level, &str, &str) + Send + Sync>;

/// Above every level: nothing is logged.
const OFF: u8 = u8::MAX;

/// The lowest level that the hook takes. Only a hint: [`STATE`] decides.
static MIN_LEVEL: AtomicU8 = AtomicU8::new(OFF);

static STATE: Mutex<State> = Mutex::new(State {
    hook: None,
    generation: 0,
    running: BTreeMap::new(),
});

/// Notified when the last call of one generation of the hook has ended.
static CALL_ENDED: Condvar = Condvar::new();

pub(crate) struct State {
    hook: Option<(Level, Hook)>,
    /// How many times the hook was set.
    generation: u64,
    /// How many calls are running, by the generation of the hook.
    running: BTreeMap<u64, usize>,
}

impl State {
    /// For a forked child, which has only the thread that forked: no other call will end. Frees and
    /// allocates nothing, because not every allocator survives a fork beside other threads.
    pub(crate) fn reset_in_child(&mut self) {
        for (generation, calls) in &mut self.running {
            *calls = usize::from(IN_HOOK.get() == Some(*generation));
        }
    }

    /// Whether a call of an earlier generation is running.
    fn runs_before(&self, generation: u64) -> bool {
        let mut earlier = self.running.range(..generation);
        earlier.any(|(_, calls)| *calls > 0)
    }
}

thread_local! {
    /// The generation of the hook that this thread is running.
    static IN_HOOK: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Replaces the hook; it gets messages of `min_level` and above. `None` removes it.
///
/// When this returns, no call of an earlier hook is running, and none will start. So a hook must
/// not wait for a thread that is about to set it, nor for a lock that this thread holds. Called
/// from within a hook, `set_hook` does not wait: only a later call from outside guarantees that
/// the calls have ended.
pub fn set_hook(min_level: Level, hook: Option<Hook>) {
    let min_level_number = hook.as_ref().map_or(OFF, |_| min_level as u8);
    let mut state = lock();
    let earlier = std::mem::replace(&mut state.hook, hook.map(|hook| (min_level, hook)));
    MIN_LEVEL.store(min_level_number, Ordering::Relaxed);
    state.generation += 1;
    let generation = state.generation;
    if IN_HOOK.get().is_none() {
        while state.runs_before(generation) {
            state = CALL_ENDED
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
    // Dropping a hook may run code that uses the library.
    drop(state);
    drop(earlier);
}

/// Passes a message to the hook if it takes this level. Only then is the message formatted.
pub(crate) fn emit<M: AsRef<str>>(level: Level, client_id: &str, message: impl FnOnce() -> M) {
    if level as u8 >= MIN_LEVEL.load(Ordering::Relaxed) {
        call_hook(level, client_id, message);
    }
}

#[cold]
fn call_hook<M: AsRef<str>>(level: Level, client_id: &str, message: impl FnOnce() -> M) {
    if IN_HOOK.get().is_some() {
        return;
    }
    if let Some(call) = Call::begin(level) {
        let message = one_line(message().as_ref().to_owned().into());
        (call.hook)(level, client_id, &message);
    }
}

/// A running call of the hook.
struct Call {
    hook: Hook,
    /// Dropped after the hook, because others wait for it.
    _running: Running,
}

struct Running {
    generation: u64,
}

impl Call {
    fn begin(level: Level) -> Option<Self> {
        let mut state = lock();
        let (min_level, hook) = state.hook.as_ref()?;
        if level < *min_level {
            return None;
        }
        let hook = hook.clone();
        let generation = state.generation;
        *state.running.entry(generation).or_default() += 1;
        IN_HOOK.set(Some(generation));
        Some(Self {
            hook,
            _running: Running { generation },
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        IN_HOOK.set(None);
        let mut state = lock();
        let count = state.running.entry(self.generation).or_default();
        *count -= 1;
        if *count == 0 {
            state.running.remove(&self.generation);
            CALL_ENDED.notify_all();
        }
    }
}

/// A panic cannot leave the state half-changed: no code of the caller runs under the lock.
pub(crate) fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// There is one hook: tests that set it take turns, and know their messages by the ID.
#[cfg(test)]
pub(crate) static TESTS: Mutex<()> = Mutex::new(());

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use std::thread;

    use super::*;

    /// Whether the hook was taken off, as a call of it can see while it lasts.
    fn is_off() -> bool {
        MIN_LEVEL.load(Ordering::Relaxed) == OFF
    }

    fn wait_until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    fn begin() -> MutexGuard<'static, ()> {
        TESTS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A hook for the messages about one client.
    fn hook(id: &'static str, take: impl Fn(Level, &str) + Send + Sync + 'static) -> Option<Hook> {
        Some(Arc::new(move |level, client_id: &str, message: &str| {
            if client_id == id {
                take(level, message);
            }
        }))
    }

    #[test]
    fn a_hook_takes_its_level_and_above() {
        let _one = begin();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = taken.clone();
        set_hook(
            Level::Warning,
            hook("levels", move |level, message| {
                kept.lock().unwrap().push((level, message.to_owned()));
            }),
        );
        emit(Level::Debug, "levels", || -> &str {
            panic!("not asked for")
        });
        emit(Level::Info, "levels", || -> &str {
            panic!("not asked for")
        });
        emit(Level::Warning, "levels", || "one");
        emit(Level::Error, "levels", || String::from("two"));
        set_hook(Level::Debug, None);
        emit(Level::Error, "levels", || -> &str {
            panic!("not asked for")
        });
        assert_eq!(
            *taken.lock().unwrap(),
            [
                (Level::Warning, "one".to_owned()),
                (Level::Error, "two".to_owned())
            ]
        );
        assert_eq!(Arc::strong_count(&taken), 1, "the hook is gone");
    }

    #[test]
    fn a_message_is_one_line() {
        let _one = begin();
        let taken = Arc::new(Mutex::new(String::new()));
        let kept = taken.clone();
        set_hook(
            Level::Debug,
            hook("line", move |_, message| {
                *kept.lock().unwrap() = message.to_owned();
            }),
        );
        emit(Level::Info, "line", || "host\nERROR \x1b[2J");
        set_hook(Level::Debug, None);
        assert_eq!(*taken.lock().unwrap(), "host\\nERROR \\u{1b}[2J");
    }

    #[test]
    fn no_call_is_under_way_once_the_hook_is_off() {
        let _one = begin();
        let (began, ended) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let (begins, ends) = (began.clone(), ended.clone());
        set_hook(
            Level::Debug,
            hook("slow", move |_, _| {
                begins.store(true, Ordering::SeqCst);
                wait_until(is_off);
                // Time for whoever does not wait to be seen.
                for _ in 0..10_000 {
                    thread::yield_now();
                }
                ends.store(true, Ordering::SeqCst);
            }),
        );
        thread::scope(|scope| {
            scope.spawn(|| emit(Level::Info, "slow", || "a message"));
            wait_until(|| began.load(Ordering::SeqCst));
            set_hook(Level::Debug, None);
            assert!(ended.load(Ordering::SeqCst));
        });
    }

    #[test]
    fn a_hook_may_take_itself_off_and_others_still_wait_for_it() {
        let _one = begin();
        let (is_set, ended) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let (sets, ends) = (is_set.clone(), ended.clone());
        set_hook(
            Level::Debug,
            hook("itself", move |_, _| {
                set_hook(Level::Debug, None);
                let generation = lock().generation;
                sets.store(true, Ordering::SeqCst);
                wait_until(|| lock().generation > generation);
                for _ in 0..10_000 {
                    thread::yield_now();
                }
                ends.store(true, Ordering::SeqCst);
            }),
        );
        thread::scope(|scope| {
            scope.spawn(|| emit(Level::Info, "itself", || "a message"));
            wait_until(|| is_set.load(Ordering::SeqCst));
            // The hook that it finds is none; the call of the one before is still under way.
            set_hook(Level::Debug, None);
            assert!(ended.load(Ordering::SeqCst));
        });
    }

    #[test]
    fn a_hook_that_calls_the_library_is_not_called_by_itself() {
        let _one = begin();
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        set_hook(
            Level::Debug,
            hook("again", move |_, _| {
                count.fetch_add(1, Ordering::SeqCst);
                emit(Level::Error, "again", || "from within");
            }),
        );
        emit(Level::Info, "again", || "one");
        emit(Level::Info, "again", || "two");
        set_hook(Level::Debug, None);
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_hook_that_panics_leaves_nothing_to_wait_for() {
        let _one = begin();
        set_hook(
            Level::Debug,
            hook("panic", |_, _| panic!("a hook's own failure")),
        );
        let call = thread::spawn(|| emit(Level::Info, "panic", || "a message"));
        assert!(call.join().is_err());
        set_hook(Level::Debug, None);
        assert!(lock().running.is_empty());
    }

    #[test]
    fn hooks_change_while_others_emit() {
        let _one = begin();
        let (done, calls) = (AtomicBool::new(false), Arc::new(AtomicUsize::new(0)));
        let late_calls = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        emit(Level::Info, "many", || "a message");
                    }
                });
            }
            for round in 0..300 {
                let is_set = Arc::new(AtomicBool::new(true));
                let (sees, count, late) = (is_set.clone(), calls.clone(), late_calls.clone());
                let before = calls.load(Ordering::SeqCst);
                set_hook(
                    Level::Debug,
                    hook("many", move |_, _| {
                        thread::yield_now();
                        count.fetch_add(1, Ordering::SeqCst);
                        late.fetch_add(usize::from(!sees.load(Ordering::SeqCst)), Ordering::SeqCst);
                    }),
                );
                if round % 3 == 0 {
                    wait_until(|| calls.load(Ordering::SeqCst) > before);
                }
                set_hook(Level::Debug, None);
                is_set.store(false, Ordering::SeqCst);
            }
            done.store(true, Ordering::SeqCst);
        });
        assert_eq!(late_calls.load(Ordering::SeqCst), 0);
        assert!(lock().running.is_empty());
    }
}
