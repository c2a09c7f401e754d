//! What becomes of a session whose peer breaks off, stalls, or sends bytes that no honest peer
//! sends. The outcome is always a documented one: never a panic, a wait without an end, or a
//! message that nobody sent, where the framing can tell.
//!
//! With `ANWDL_EXHAUSTIVE` in the environment every case is run; else each kind of them.

mod altered;
mod ciphertexts;
mod ends;
mod forger;
mod json_texts;
mod keys;
mod lengths;
mod one_face;
mod play;
mod public_keys;
#[cfg(unix)]
mod sockets;
mod swapped_keys;

/// Whether every case is to be run, which takes minutes.
fn is_exhaustive() -> bool {
    std::env::var_os("ANWDL_EXHAUSTIVE").is_some()
}

/// One in so many cases is run.
fn stride(of_quick_run: usize) -> usize {
    if is_exhaustive() { 1 } else { of_quick_run }
}

/// Tells how many cases were run, for `scripts/assure`.
fn tell(count: usize, what: &str) {
    // The test harness may have left a line without its end.
    println!("\ncases: {count} {what}");
}
