//! What holds for each call of C, whatever it is.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use anwdl::ffi::error::{
    anwdl_error_reason_name, anwdl_last_error_errno, anwdl_last_error_message,
    anwdl_last_error_reason, anwdl_status_t,
};

use super::input::Input;

pub const OK: i32 = 0;
pub const WANT_READ: i32 = 1;
pub const WANT_WRITE: i32 = 2;
pub const WANT_COMPUTATION: i32 = 3;
pub const INVALID_ARGUMENT: i32 = 1;
pub const WRONG_ROLE: i32 = 10;
pub const OUT_OF_TURN: i32 = 11;
pub const CLOSED: i32 = 20;
pub const OPERATION_PENDING: i32 = 29;
pub const SESSION_FAILED: i32 = 25;
const KEY_MISSING: i32 = 26;
const VALUE_ERROR: i32 = -1;
const RUNTIME_ERROR: i32 = -2;
const INTERNAL: i32 = 32;

/// The last error of this thread: its reason, its message and its errno.
type LastError = (i32, CString, i32);

fn last_error() -> LastError {
    // SAFETY: the message is a string that no call has replaced yet.
    unsafe {
        let message = CStr::from_ptr(anwdl_last_error_message());
        (reason(), message.to_owned(), anwdl_last_error_errno())
    }
}

/// The reason of the last call that failed.
pub fn reason() -> i32 {
    // SAFETY: the function has no arguments.
    unsafe { anwdl_last_error_reason() as i32 }
}

/// Makes a call and checks what it says.
pub fn call(body: impl FnOnce() -> anwdl_status_t) -> i32 {
    let before = last_error();
    let status = body() as i32;
    let (reason, message, errno) = last_error();
    match status {
        OK | WANT_READ | WANT_WRITE | WANT_COMPUTATION => {
            assert_eq!((reason, message, errno), before, "status {status}");
            return status;
        }
        VALUE_ERROR => assert!(
            matches!(reason, 1..20 | KEY_MISSING),
            "{reason}: {message:?}"
        ),
        RUNTIME_ERROR => assert!((20..100).contains(&reason), "{reason}: {message:?}"),
        _ => panic!("{status} is no status"),
    }
    assert_ne!(reason, INTERNAL, "{message:?}");
    // SAFETY: any number is fine, and the name is a string for ever.
    let name = unsafe { CStr::from_ptr(anwdl_error_reason_name(reason)) };
    assert_ne!(name, c"UNKNOWN", "{reason}");
    let message = message.to_str().expect("a message is UTF-8");
    assert!(!message.is_empty() && !message.contains('\n'), "{message}");
    status
}

/// A place for an output, filled with what no output is.
pub struct Out<T>(T);

impl<T> Out<*mut T> {
    pub fn new() -> Self {
        Self(sentinel())
    }

    pub fn place(&mut self) -> *mut *mut T {
        &mut self.0
    }

    /// What was written, which is nothing unless the call has succeeded.
    pub fn take(self, status: i32) -> Option<*mut T> {
        if status == OK {
            assert_ne!(self.0, sentinel(), "the output was not written");
            return Some(self.0);
        }
        assert_eq!(
            self.0,
            sentinel(),
            "the output was written, status {status}"
        );
        None
    }
}

fn sentinel<T>() -> *mut T {
    ptr::without_provenance_mut(0x5a5a_5a58)
}

const NO_SIZE: usize = 0xdead_beef;

/// A place for a size.
pub struct OutSize(usize);

impl OutSize {
    pub fn new() -> Self {
        Self(NO_SIZE)
    }

    pub fn place(&mut self) -> *mut usize {
        &mut self.0
    }

    pub fn take(self, status: i32) -> Option<usize> {
        assert_eq!(self.0 != NO_SIZE, status == OK);
        (status == OK).then_some(self.0)
    }
}

/// A string as C passes it, or NULL.
pub struct Text(Option<CString>);

impl Text {
    pub fn new(bytes: &[u8]) -> Self {
        let end = bytes.iter().position(|&byte| byte == 0);
        let bytes = &bytes[..end.unwrap_or(bytes.len())];
        Self(Some(CString::new(bytes).expect("it was cut before a NUL")))
    }

    /// One of `choices`, NULL, or whatever the input has.
    pub fn choose(input: &mut Input<'_>, choices: &[&str]) -> Self {
        match input.below(8) {
            0 => Self(None),
            7 => Self::new(input.chunk()),
            at => Self::new(choices[at % choices.len()].as_bytes()),
        }
    }

    pub fn pointer(&self) -> *const c_char {
        self.0.as_ref().map_or(ptr::null(), |text| text.as_ptr())
    }
}

/// The text behind a pointer that the library lends, which is UTF-8 or NULL.
///
/// # Safety
/// The pointer is NULL or points to a string.
pub unsafe fn check_lent(text: *const c_char) {
    if !text.is_null() {
        // SAFETY: the caller vouches for it.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_str().expect("the library lends UTF-8");
    }
}

/// The next descriptor that would be given out: it tells whether others were left open.
pub fn next_descriptor() -> i32 {
    use std::os::fd::AsRawFd;

    let file = std::fs::File::open("/dev/null").expect("a descriptor is free");
    file.as_raw_fd()
}
