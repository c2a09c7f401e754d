//! `fork()`: the child has only the thread that forked. A lock that another thread holds at that
//! moment would never be released in the child.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "aws-lc")]
use crate::crypto::drawing;
use crate::crypto::{default_key_pair, fork_generation};
use crate::endpoint::transport::lookup;
use crate::log;

/// All locks of the library. While they are held, no other thread is in the middle of changing what
/// they protect.
struct AllLocks {
    #[cfg(feature = "aws-lc")]
    drawing: MutexGuard<'static, drawing::State>,
    key_pair: MutexGuard<'static, default_key_pair::State>,
    lookups: MutexGuard<'static, lookup::State>,
    log: MutexGuard<'static, log::State>,
}

impl AllLocks {
    fn take() -> Self {
        Self {
            // The first: who has another lock draws nothing, but who draws may take one.
            #[cfg(feature = "aws-lc")]
            drawing: drawing::stop(),
            key_pair: default_key_pair::lock(),
            lookups: lookup::lock(),
            log: log::lock(),
        }
    }

    fn release_in_parent(self) {
        #[cfg(feature = "aws-lc")]
        drawing::go_on(self.drawing);
    }

    /// In the child, what other threads were doing will never be finished.
    fn reset_in_child(mut self) {
        fork_generation::advance_in_child();
        #[cfg(feature = "aws-lc")]
        self.drawing.reset_in_child();
        self.key_pair.reset_in_child();
        self.lookups.reset_in_child();
        self.log.reset_in_child();
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
    static LOCKS: Cell<Option<AllLocks>> = const { Cell::new(None) };
}

/// Registers the fork handlers, once.
pub(super) fn register_handlers_once() {
    static IS_REGISTERED: AtomicBool = AtomicBool::new(false);
    if !IS_REGISTERED.load(Ordering::Relaxed) && !IS_REGISTERED.swap(true, Ordering::Relaxed) {
        // SAFETY: the three functions have the right type. If there is no memory to register them,
        // forks behave as without this module.
        unsafe { pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) };
    }
}

unsafe extern "C" fn before() {
    let _ = LOCKS.try_with(|held| held.set(Some(AllLocks::take())));
}

unsafe extern "C" fn after_in_parent() {
    if let Ok(Some(held)) = LOCKS.try_with(Cell::take) {
        held.release_in_parent();
    }
}

unsafe extern "C" fn after_in_child() {
    if let Ok(Some(held)) = LOCKS.try_with(Cell::take) {
        held.reset_in_child();
    }
}
