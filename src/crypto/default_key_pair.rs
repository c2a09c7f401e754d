//! The RSA key pair of all clients without one of their own: one per process, generated when it is
//! first needed.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::RsaWrapper;
use crate::error::Result;

static STATE: Mutex<State> = Mutex::new(State {
    made: None,
    is_being_made: false,
});

/// Notified when a thread has generated it, or failed to.
static ENDED: Condvar = Condvar::new();

pub(crate) struct State {
    made: Option<RsaWrapper>,
    is_being_made: bool,
}

impl State {
    /// For a forked child, which has only the thread that forked.
    pub(crate) fn reset_in_child(&mut self) {
        self.is_being_made = false;
    }
}

/// The key pair. Generating it takes seconds: other threads that need it wait for the thread that
/// generates it, which holds no lock.
pub(crate) fn get() -> Result<RsaWrapper> {
    let mut state = lock();
    loop {
        if let Some(made) = &state.made {
            return Ok(made.clone());
        }
        if !state.is_being_made {
            break;
        }
        state = ENDED.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    state.is_being_made = true;
    drop(state);
    let _making = Generating;
    let made = RsaWrapper::new(true)?;
    Ok(lock().made.get_or_insert(made).clone())
}

/// A panic cannot leave the state half-changed: the lock is held only to move values.
pub(crate) fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Generating;

impl Drop for Generating {
    fn drop(&mut self) {
        lock().is_being_made = false;
        ENDED.notify_all();
    }
}
