//! Memory that the caller owns: strings and bytes that the library made for it.
//!
//! It comes from the C allocator, because C programmers shorten strings (a NUL over the last
//! newline, `strtok`), and Rust's allocators need the original size to free them. Also, C's
//! allocator can report that there is no memory.

use std::ffi::c_char;
use std::ptr;

use zeroize::Zeroize;

use super::error::anwdl_status_t;
use super::{Handle, Output, borrow, bytes, output, status, value_or};
use crate::error::{Error, Reason};

/// A copy of `bytes` for the caller, followed by a zero byte, so that an empty copy has an address
/// and a text is a C string.
fn copy(bytes: &[u8]) -> Result<*mut u8, Error> {
    // No slice is longer than isize::MAX, so this cannot overflow.
    let size = bytes.len() + 1;
    // SAFETY: the size is not zero.
    let start = unsafe { libc::malloc(size) }.cast::<u8>();
    if start.is_null() {
        return Err(Error::new(
            Reason::Internal,
            "there is no memory for the result",
        ));
    }
    // SAFETY: `start` has room for the bytes and one more, and nobody else has it.
    unsafe {
        ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len());
        start.add(bytes.len()).write(0);
    }
    Ok(start)
}

/// A place of the caller's for bytes that it will own.
struct BytesOutput<'a> {
    start: Output<'a, *mut u8>,
    len: Output<'a, usize>,
}

/// Checks the pointers for the address and the number of bytes.
///
/// # Safety
/// As for [`output`].
unsafe fn bytes_output<'a>(
    out: *mut *mut u8,
    out_len: *mut usize,
) -> Result<BytesOutput<'a>, Error> {
    // SAFETY: the caller guarantees both.
    let (start, len) = unsafe { (output(out, "out_bytes")?, output(out_len, "out_len")?) };
    Ok(BytesOutput { start, len })
}

impl BytesOutput<'_> {
    /// Writes a copy of `bytes` for the caller.
    fn set(self, bytes: &[u8]) -> Result<(), Error> {
        self.start.set(copy(bytes)?);
        self.len.set(bytes.len());
        Ok(())
    }

    /// Like [`set`](Self::set), or NULL and 0 for `None`.
    fn set_optional(self, bytes: Option<&[u8]>) -> Result<(), Error> {
        match bytes {
            Some(bytes) => self.set(bytes),
            None => {
                self.start.set(ptr::null_mut());
                self.len.set(0);
                Ok(())
            }
        }
    }
}

/// Writes a copy of `text`, which has no NUL inside, for the caller; NULL for `None`.
pub(super) fn set_string(
    out: Output<'_, *mut c_char>,
    text: Option<impl AsRef<str>>,
) -> Result<(), Error> {
    out.set(match text {
        Some(text) => copy(text.as_ref().as_bytes())?.cast(),
        None => ptr::null_mut(),
    });
    Ok(())
}

/// The body of a function that returns a copy of a text, which has no NUL inside, or NULL.
///
/// # Safety
/// As for [`borrow`] and [`output`].
pub(super) unsafe fn get_string<'a, H: Handle<Inner: 'a>, T: AsRef<str>>(
    object: *const H,
    (out, name): (*mut *mut c_char, &str),
    get: impl FnOnce(&'a H::Inner) -> Result<Option<T>, Error>,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller guarantees it.
        let object = unsafe { borrow(object, H::NAME) }?;
        // SAFETY: the caller guarantees it.
        let out = unsafe { output(out, name) }?;
        set_string(out, get(object)?)
    })
}

/// The body of a function that returns a copy of bytes, or NULL.
///
/// # Safety
/// As for [`borrow`] and [`output`].
pub(super) unsafe fn get_bytes<H: Handle>(
    object: *const H,
    out: *mut *mut u8,
    out_len: *mut usize,
    get: impl FnOnce(&H::Inner) -> Result<Option<&[u8]>, Error>,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller guarantees it.
        let object = unsafe { borrow(object, H::NAME) }?;
        // SAFETY: the caller guarantees it.
        let out = unsafe { bytes_output(out, out_len) }?;
        out.set_optional(get(object)?)
    })
}

/// The body of a function that encrypts, decrypts or signs data with the key of a wrapper.
///
/// # Safety
/// As for [`borrow`], [`bytes`] and [`output`].
pub(super) unsafe fn transform<H: Handle, T: AsRef<[u8]>>(
    wrapper: *const H,
    (data, len): (*const u8, usize),
    out: *mut *mut u8,
    out_len: *mut usize,
    transform: impl FnOnce(&H::Inner, &[u8]) -> Result<T, Error>,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller guarantees it.
        let wrapper = unsafe { borrow(wrapper, H::NAME) }?;
        // SAFETY: the caller guarantees it.
        let data = unsafe { bytes(data, len, "data") }?;
        // SAFETY: the caller guarantees it.
        let out = unsafe { bytes_output(out, out_len) }?;
        out.set(transform(wrapper, data)?.as_ref())
    })
}

/// # Safety
/// `start` came from `copy` of at least `len` bytes, and nobody uses it afterwards.
unsafe fn wipe_and_free(start: *mut u8, len: usize) {
    // SAFETY: the caller guarantees it.
    unsafe {
        wipe(start, len);
        libc::free(start.cast());
    }
}

/// # Safety
/// There are `len` bytes at `start`, and nobody else uses them.
pub(super) unsafe fn wipe(start: *mut u8, len: usize) {
    // SAFETY: the caller guarantees it.
    unsafe { std::slice::from_raw_parts_mut(start, len) }.zeroize();
}

/// Wipes and frees a string that the library returned through a `char **`. It is wiped up to its first NUL,
/// so a string that the caller has cut short is wiped only in part.
/// @param string The string, not freed yet; NULL is fine. A `const char *` is borrowed: never free it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_string_free(string: *mut c_char) {
    value_or((), || {
        if !string.is_null() {
            // SAFETY: the caller passes a string that `copy` made, so it ends with NUL.
            unsafe { wipe_and_free(string.cast(), libc::strlen(string)) };
        }
        Ok(())
    });
}

/// Wipes and frees bytes that the library returned through a `uint8_t **`.
/// @param bytes The bytes, not freed yet; NULL is fine. A `const uint8_t *` is borrowed: never free it.
/// @param len Their number, exactly as it came with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_bytes_free(bytes: *mut u8, len: usize) {
    value_or((), || {
        if !bytes.is_null() {
            // SAFETY: the caller passes bytes that `copy` made, with their number.
            unsafe { wipe_and_free(bytes, len) };
        }
        Ok(())
    });
}
