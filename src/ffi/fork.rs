//! `fork()`: the child has only the thread that forked. A lock that another thread holds in that
//! moment would never be released in the child, and what that thread does would never be done.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::crypto::{fork_generation, process_wide};
use crate::log;

/// All locks of the library: while they are held, no other thread is half-way through anything
/// that they protect.
struct Held {
    key_pair: MutexGuard<'static, process_wide::State>,
    log: MutexGuard<'static, log::State>,
}

impl Held {
    fn take() -> Self {
        Self {
            key_pair: process_wide::lock(),
            log: log::lock(),
        }
    }

    /// In the child: what other threads were doing will never be finished.
    fn forget_other_threads(mut self) {
        fork_generation::advance_in_child();
        self.key_pair.forget_other_threads();
        self.log.forget_other_threads();
    }
}

unsafe extern "C" {
    fn pthread_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
    ) -> c_int;
}

thread_local! {
    /// The locks of the library, from before a fork of this thread until after it.
    static HELD: Cell<Option<Held>> = const { Cell::new(None) };
}

/// Tells the system, once, what to do around a fork.
pub(super) fn prepare_once() {
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    if !IS_DONE.load(Ordering::Relaxed) && !IS_DONE.swap(true, Ordering::Relaxed) {
        // SAFETY: three functions of this kind are passed. Without memory for them, forks are as they
        // would be without this module.
        unsafe { pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) };
    }
}

unsafe extern "C" fn before() {
    let _ = HELD.try_with(|held| held.set(Some(Held::take())));
}

unsafe extern "C" fn after_in_parent() {
    let _ = HELD.try_with(Cell::take);
}

unsafe extern "C" fn after_in_child() {
    if let Ok(Some(held)) = HELD.try_with(Cell::take) {
        held.forget_other_threads();
    }
}
