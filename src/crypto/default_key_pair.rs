//! The RSA key pair that a process makes on first need and shares between all clients that were
//! given no other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::RsaWrapper;
use crate::error::Result;

static STATE: Mutex<State> = Mutex::new(State {
    made: None,
    is_being_made: false,
});

/// A thread has made it, or has failed to.
static ENDED: Condvar = Condvar::new();

pub(crate) struct State {
    made: Option<RsaWrapper>,
    is_being_made: bool,
}

impl State {
    /// In a child, where there is only the thread that forked.
    pub(crate) fn forget_other_threads(&mut self) {
        self.is_being_made = false;
    }
}

/// The key pair. Making it takes seconds: threads that need it meanwhile wait for the one that
/// makes it, which holds no lock.
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
    let _making = Making;
    let made = RsaWrapper::new(true)?;
    Ok(lock().made.get_or_insert(made).clone())
}

/// No panic leaves the state half-changed: only values are moved under the lock.
pub(crate) fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Making;

impl Drop for Making {
    fn drop(&mut self) {
        lock().is_being_made = false;
        ENDED.notify_all();
    }
}
