//! The operating system's random generator. A forked child never repeats its parent's numbers.

use rand::rngs::{StdRng, SysError, SysRng};
use rand::{SeedableRng, TryRng};

use crate::error::{Error, Reason, Result};

/// A function that fills a buffer with random bytes: [`fill`], or the replay of a recording in a
/// test.
pub type FillRandom = fn(&mut [u8]) -> Result<()>;

/// Fills `bytes` with random bytes.
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    SysRng.try_fill_bytes(bytes).map_err(failed)
}

/// A generator for one operation, seeded by the system, for code that cannot report that the
/// generator has failed half-way.
pub(super) fn rng() -> Result<StdRng> {
    StdRng::try_from_rng(&mut SysRng).map_err(failed)
}

fn failed(error: SysError) -> Error {
    Error::with_errno(
        Reason::RandomFailed,
        format!("the system's random generator failed: {error}"),
        error.raw_os_error().unwrap_or(0),
    )
}
