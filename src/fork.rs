//! The locks that the whole process shares, for the time of a fork.

use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::crypto::process_wide;
use crate::log;

/// How many forks lie between this process and the one that loaded the library.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Another number than before in a child that was forked: what other threads were using in that
/// moment may be half-way through something for ever.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// All of them: nobody is half-way through anything.
pub(crate) struct Held {
    key_pair: MutexGuard<'static, process_wide::State>,
    log: MutexGuard<'static, log::State>,
}

impl Held {
    pub(crate) fn take() -> Self {
        Self {
            key_pair: process_wide::lock(),
            log: log::lock(),
        }
    }

    /// In the child: what other threads were doing is done by nobody.
    pub(crate) fn forget_other_threads(mut self) {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        self.key_pair.forget_other_threads();
        self.log.forget_other_threads();
    }
}
