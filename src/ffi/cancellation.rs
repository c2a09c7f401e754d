//! `pthread_cancel()`: a thread that is cancelled in a call would be unwound through Rust's frames,
//! which ends the process, and would leave a session half-way between two states.

#[cfg(target_os = "linux")]
use std::ffi::c_int;

#[cfg(target_os = "linux")]
const DISABLE: c_int = 1;
#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old_state: *mut c_int) -> c_int;
}

/// While it lives, this thread is not cancelled; what asks for it is kept for later.
pub(super) struct Delayed {
    #[cfg(target_os = "linux")]
    earlier: c_int,
}

impl Delayed {
    #[cfg(target_os = "linux")]
    pub(super) fn new() -> Self {
        let mut earlier = DISABLE;
        // SAFETY: the state is one of the two that there are, and the place can be written.
        unsafe { pthread_setcancelstate(DISABLE, &raw mut earlier) };
        Self { earlier }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn new() -> Self {
        Self {}
    }
}

#[cfg(target_os = "linux")]
impl Drop for Delayed {
    fn drop(&mut self) {
        // SAFETY: the state is one that the system gave; NULL is fine for a place.
        unsafe { pthread_setcancelstate(self.earlier, std::ptr::null_mut()) };
    }
}
