//! How long a test waits before it counts as hung.

use std::time::Duration;

/// So many seconds, or so many times as long where ANWDL_PATIENCE says that programs run slowly, as in an emulator.
pub fn patience(seconds: u64) -> Duration {
    let factor = std::env::var("ANWDL_PATIENCE").map_or(1, |factor| factor.parse().unwrap());
    Duration::from_secs(seconds * factor)
}
