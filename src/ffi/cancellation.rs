//! `pthread_cancel()`: cancelling a thread during a call would unwind through Rust frames, which
//! aborts the process, or leave a session half-way between two states.

#[cfg(target_os = "linux")]
use std::ffi::c_int;

#[cfg(target_os = "linux")]
const DISABLE: c_int = 1;
#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old_state: *mut c_int) -> c_int;
}

/// While it exists, cancellation requests for this thread stay pending.
pub(super) struct Disabled {
    #[cfg(target_os = "linux")]
    earlier: c_int,
}

impl Disabled {
    #[cfg(target_os = "linux")]
    pub(super) fn new() -> Self {
        let mut earlier = DISABLE;
        // SAFETY: the state is valid, and the pointer can be written.
        unsafe { pthread_setcancelstate(DISABLE, &raw mut earlier) };
        Self { earlier }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn new() -> Self {
        Self {}
    }
}

#[cfg(target_os = "linux")]
impl Drop for Disabled {
    fn drop(&mut self) {
        // SAFETY: the state came from the system; the pointer may be NULL.
        unsafe { pthread_setcancelstate(self.earlier, std::ptr::null_mut()) };
    }
}
