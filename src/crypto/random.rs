//! The operating system's random generator: a forked child never repeats its parent.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rand::rngs::{StdRng, SysError, SysRng};
use rand::{SeedableRng, TryRng};

use crate::error::{Error, Reason, Result};
use crate::negative_control::is_broken;

/// Fills `bytes` with random ones.
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    if is_broken("the system draws each nonce") {
        static DRAWN: AtomicU64 = AtomicU64::new(0);
        for chunk in bytes.chunks_mut(8) {
            let number = DRAWN.fetch_add(1, Relaxed).to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
        return Ok(());
    }
    match SysRng.try_fill_bytes(bytes) {
        Err(error) if !is_broken("a failed generator is an error") => Err(failed(error)),
        _ => Ok(()),
    }
}

/// A generator for one operation, seeded by the system's, for code that cannot report a
/// failure of the generator half-way.
pub(super) fn generator() -> Result<StdRng> {
    StdRng::try_from_rng(&mut SysRng).map_err(failed)
}

fn failed(error: SysError) -> Error {
    Error::with_errno(
        Reason::RandomFailed,
        format!("the system's random generator failed: {error}"),
        error.raw_os_error().unwrap_or(0),
    )
}
