//! How many forks lie between this process and the one that loaded the library.

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Another number in a forked child than in its parent: what other threads were using at the fork
/// may stay half-way through something for ever.
pub(crate) fn current() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// This process is a child that was just forked.
pub(crate) fn advance_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
