//! The number of forks between the process that loaded the library and this one.

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Differs between a forked child and its parent. In the child, an object that another thread was
/// using at the fork may never become usable again.
pub(crate) fn current() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// To be called in a child that was just forked.
pub(crate) fn advance_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
