//! The locks that the whole process shares, for the time of a fork.

use std::sync::MutexGuard;

use crate::crypto::process_wide;
use crate::log;

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
        self.key_pair.forget_other_threads();
        self.log.forget_other_threads();
    }
}
