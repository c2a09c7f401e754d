//! Another Rust library with a C ABI, in its own static archive: with its own copy of Rust's standard library.

use std::collections::HashMap;
use std::panic::catch_unwind;
use std::thread;

/// How many different bytes there are in the text; counted on another thread, after a panic that was caught.
///
/// # Safety
///
/// The text ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn greeter_count(text: *const std::ffi::c_char) -> u32 {
    let bytes = unsafe { std::ffi::CStr::from_ptr(text) }.to_bytes().to_vec();
    let caught = catch_unwind(|| panic!("on purpose"));
    assert!(caught.is_err());
    let counting = thread::spawn(move || {
        let mut counts = HashMap::new();
        for byte in bytes {
            *counts.entry(byte).or_insert(0u32) += 1;
        }
        counts.len()
    });
    counting.join().map_or(0, |count| count as u32)
}
