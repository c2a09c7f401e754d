//! Calls of AWS-LC that may draw random numbers. AWS-LC has a lock for the numbers of each thread
//! and one for the list of threads, which nobody can release in a forked child: there, `exit()` and
//! whoever draws first would wait for ever. So no such call is under way while the process forks.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a fork waits for calls under way. Only generating a key takes as long, and it draws for
/// a tiny part of its time.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

static STATE: Mutex<State> = Mutex::new(State { calls: 0, forks: 0 });

/// Notified when the last call has ended, and when a fork is over.
static CHANGED: Condvar = Condvar::new();

pub(crate) struct State {
    /// Under way.
    calls: usize,
    /// That are under way or wait for calls to end. No call begins meanwhile.
    forks: usize,
}

/// A call under way, until it is dropped.
pub(super) struct Call(());

impl Call {
    pub(super) fn begin() -> Self {
        without_fork(lock()).calls += 1;
        Self(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = lock();
        // A signal handler may have forked in the middle of this call: the child counts from 0.
        state.calls = state.calls.saturating_sub(1);
        if state.calls == 0 && state.forks > 0 {
            CHANGED.notify_all();
        }
        // What comes next are allocations, whose locks not every allocator takes before a fork.
        drop(without_fork(state));
    }
}

/// Waits until no fork is under way.
fn without_fork(state: MutexGuard<'static, State>) -> MutexGuard<'static, State> {
    CHANGED
        .wait_while(state, |state| state.forks > 0)
        .unwrap_or_else(PoisonError::into_inner)
}

/// Lets no call begin, and waits for those under way, before a fork.
pub(crate) fn stop() -> MutexGuard<'static, State> {
    let mut state = lock();
    state.forks += 1;
    CHANGED
        .wait_timeout_while(state, LONGEST_WAIT, |state| state.calls > 0)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}

/// Lets calls begin again in the parent.
pub(crate) fn go_on(mut state: MutexGuard<'static, State>) {
    state.forks -= 1;
    drop(state);
    CHANGED.notify_all();
}

impl State {
    /// For a forked child, which has only the thread that forked.
    pub(crate) fn reset_in_child(&mut self) {
        (self.calls, self.forks) = (0, 0);
    }
}

/// A panic cannot leave the state half-changed.
fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
