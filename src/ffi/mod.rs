//! The C face of the library: one file per C type, and from it `include/anwdl.h`.
//!
//! Each function checks its arguments, calls the Rust API, and translates the answer;
//! nothing is decided here. These conventions hold for all of them:
//!
//! - **Written out.** Every exported function stands in the source as
//!   `#[unsafe(no_mangle)] pub unsafe extern "C" fn`, never made by a macro: cbindgen reads
//!   the source and would miss it. Its documentation is the C programmer's manual.
//! - **Boundary.** The whole body runs inside `status` or `value_or`. Both catch panics
//!   (which become `RUNTIME_ERROR` with the reason `INTERNAL`), record the last error of the
//!   thread, and give what the function returns. A panic while another one unwinds, and a
//!   failed allocation of Rust's, abort the process: the language offers nothing else. A
//!   program that links the crate with `panic = "abort"` gives up the catching.
//!   `guard` below both also delays the cancellation of the thread, and sees to forks.
//! - **Self.** The object comes first, as a pointer that `borrow` or `borrow_mut` checks.
//!   C sees an empty type; behind the pointer lies the Rust type that `Handle` names. So a
//!   pointer to a part of a client, a wrapper for example, can be lent to C as it is.
//! - **Inputs.** `text`, `optional_text` and `bytes` turn C arguments into Rust ones. An
//!   argument that is NULL, no UTF-8 or out of range is `INVALID_ARGUMENT`, and the message
//!   begins with the name of the argument. A Rust `enum` is never a parameter, since an
//!   unknown number in one is undefined behaviour: such a parameter is an integer with a type
//!   name of its own (`ProtocolNumber`, `RoleNumber`, ...), which
//!   cbindgen.toml renames to the C `enum`. Nor is a Rust `bool`, for the same reason:
//!   `BooleanByte` is C's.
//! - **Outputs.** Pointers to results come last, are checked before the work begins
//!   (`output`), and are written only when all of it has succeeded.
//! - **Ownership.** What leaves through a `**` was made by `give`, by `Arc::into_raw`
//!   (requests) or by `memory`, and has exactly one function that takes it back.

// The types carry their C names, and what a pointer must be is said once, above and at the
// top of the header, instead of in a "Safety" section of every function.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]
// Comments here are those of the header, where a word in brackets is no link.
#![allow(rustdoc::broken_intra_doc_links)]

pub mod aes_wrapper;
mod cancellation;
pub mod client;
pub mod client_interface;
pub mod client_options;
pub mod data;
pub mod error;
mod fork;
pub mod log;
pub mod memory;
mod registers;
pub mod request;
pub mod response;
pub mod rsa_wrapper;
pub mod session;
pub mod value;

#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use crate::error::{Error, Interest, Reason};
use crate::secret::{KEYS_STACK, NoMemory, wiping_stack};
use error::anwdl_status_t;

/// A C `bool` as a parameter: 0 is false, and every other byte is true. Callers through other
/// languages, or with an uninitialized variable, pass bytes that would be undefined behaviour in a
/// Rust `bool`.
pub type BooleanByte = u8;

/// Ties an empty C type to the Rust type that its pointers really point to.
trait Handle {
    /// What lies behind the pointer.
    type Inner;
}

/// Runs `body` so that nothing but a value leaves it, and records what failed.
fn guard<T>(body: impl FnOnce() -> Result<T, Error>) -> Result<T, anwdl_status_t> {
    // What a panic leaves half-changed is a client, which then refuses to go on (see
    // `Guarded::operate`), or an object that the caller still holds and frees.
    let body = AssertUnwindSafe(body);
    let _wiped = registers::WipedAtTheEnd;
    let _delayed = cancellation::Delayed::new();
    fork::prepare_once();
    let error = match catch_unwind(body) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(payload) => {
            // Its text could hold what must stay secret, so it is not passed on; and what is no
            // text could panic again when it is dropped.
            if !payload.is::<&'static str>() && !payload.is::<String>() {
                std::mem::forget(payload);
            }
            Error::new(
                Reason::Internal,
                "a defect of the library was caught (a panic); standard error has the details",
            )
        }
    };
    let status = match &error {
        Error::Value(_) => anwdl_status_t::ANWDL_VALUE_ERROR,
        Error::Runtime(_) => anwdl_status_t::ANWDL_RUNTIME_ERROR,
        Error::WouldBlock(interest) => return Err(wants(*interest)),
    };
    error::record(&error);
    Err(status)
}

/// What a call that is not done waits for, as a status.
fn wants(interest: Interest) -> anwdl_status_t {
    match interest {
        Interest::Read => anwdl_status_t::ANWDL_WANT_READ,
        Interest::Write => anwdl_status_t::ANWDL_WANT_WRITE,
        Interest::Computation => anwdl_status_t::ANWDL_WANT_COMPUTATION,
    }
}

/// The boundary of a function that returns a status.
fn status(body: impl FnOnce() -> Result<(), Error>) -> anwdl_status_t {
    match guard(body) {
        Ok(()) => anwdl_status_t::ANWDL_OK,
        Err(status) => status,
    }
}

/// As [`status`], for a function that makes or moves keys, or uses a private one. A session wipes
/// what its key exchange leaves by itself: it is called once for every few bytes.
fn status_of_secrets(body: impl FnOnce() -> Result<(), Error>) -> anwdl_status_t {
    wiping_stack::<KEYS_STACK, _>(|| status(body))
}

/// The boundary of a function that returns a value, or `fallback` if it fails.
fn value_or<T>(fallback: T, body: impl FnOnce() -> Result<T, Error>) -> T {
    guard(body).unwrap_or(fallback)
}

/// Something that moves a session. If an operation of it panics, the session may be half-way
/// between two states, and no later one is let in.
struct Guarded<T> {
    inner: T,
    broken: bool,
}

impl<T> Guarded<T> {
    fn new(inner: T) -> Self {
        Self {
            inner,
            broken: false,
        }
    }

    /// Runs an operation that moves the session.
    fn operate<U>(
        &mut self,
        operation: impl FnOnce(&mut T) -> Result<U, Error>,
    ) -> Result<U, Error> {
        if self.broken {
            return Err(Error::new(
                Reason::SessionFailed,
                "a defect of the library ended this session earlier",
            ));
        }
        self.broken = true;
        let result = operation(&mut self.inner);
        self.broken = false;
        result
    }
}

/// Lends the object behind `pointer` for reading.
///
/// # Safety
/// `pointer` is NULL or points to a live object of its type, which nobody changes meanwhile.
unsafe fn borrow<'a, H: Handle>(pointer: *const H, name: &str) -> Result<&'a H::Inner, Error> {
    // SAFETY: every pointer to `H` that C has was made from a pointer to `H::Inner`; the
    // caller vouches for the rest.
    unsafe { pointer.cast::<H::Inner>().as_ref() }.ok_or_else(|| null(name))
}

/// Lends the object behind `pointer` for changing.
///
/// # Safety
/// `pointer` is NULL or points to a live object of its type, which nobody else uses meanwhile.
unsafe fn borrow_mut<'a, H: Handle>(
    pointer: *mut H,
    name: &str,
) -> Result<&'a mut H::Inner, Error> {
    // SAFETY: as in `borrow`.
    unsafe { pointer.cast::<H::Inner>().as_mut() }.ok_or_else(|| null(name))
}

/// A pointer for C to read through, valid as long as `inner`.
fn lend<H: Handle>(inner: &H::Inner) -> *const H {
    std::ptr::from_ref(inner).cast()
}

/// Hands an object over to C; [`take_back`] ends it.
fn give<H: Handle>(inner: H::Inner) -> *mut H {
    Box::into_raw(Box::new(inner)).cast()
}

/// As [`give`], for what a peer sent; fails if there is no memory for it.
fn try_give<H: Handle>(inner: H::Inner) -> Result<*mut H, NoMemory> {
    let mut place = Vec::new();
    place.try_reserve_exact(1)?;
    place.push(inner);
    // It has the size that it needs, so that nothing is allocated; and one object alone lies in
    // memory as it does in a box of its own.
    Ok(Box::into_raw(place.into_boxed_slice()).cast())
}

/// Ends an object that [`give`] handed out. NULL is fine.
///
/// # Safety
/// `pointer` is NULL or came from `give`, and nobody uses it any more.
unsafe fn take_back<H: Handle>(pointer: *mut H) {
    if !pointer.is_null() {
        // SAFETY: `give` made it from a box of this type; the caller vouches for the rest.
        drop(unsafe { Box::from_raw(pointer.cast::<H::Inner>()) });
    }
}

/// The text behind `pointer`.
///
/// # Safety
/// `pointer` is NULL or points to a string that ends with NUL and stays unchanged meanwhile.
unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Error> {
    // SAFETY: the caller vouches for it.
    unsafe { optional_text(pointer, name) }?.ok_or_else(|| null(name))
}

/// The text behind `pointer`, or `None` for NULL.
///
/// # Safety
/// As for [`text`].
unsafe fn optional_text<'a>(pointer: *const c_char, name: &str) -> Result<Option<&'a str>, Error> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: it is not NULL; the caller vouches for the rest.
    match unsafe { CStr::from_ptr(pointer) }.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(Error::invalid_argument(format!("{name} is not UTF-8"))),
    }
}

/// The `len` bytes behind `pointer`. NULL is fine for no bytes.
///
/// # Safety
/// `pointer` is NULL or points to `len` readable bytes that stay unchanged meanwhile.
unsafe fn bytes<'a>(pointer: *const u8, len: usize, name: &str) -> Result<&'a [u8], Error> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    if isize::try_from(len).is_err() {
        return Err(Error::invalid_argument(format!(
            "{name} cannot have {len} bytes: that is more than any object"
        )));
    }
    // SAFETY: it is not NULL and its length is possible; the caller vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// A place of the caller's that takes a result.
struct Output<'a, T>(NonNull<T>, PhantomData<&'a mut T>);

impl<T> Output<'_, T> {
    /// Writes the result. The old content is no value of Rust's and is not dropped.
    fn set(self, value: T) {
        // SAFETY: `output` was promised that the place can be written.
        unsafe { self.0.write(value) }
    }
}

/// Checks a pointer to a place for a result.
///
/// # Safety
/// `pointer` is NULL or points to a place for a `T` that can be written until the `Output` is
/// gone.
unsafe fn output<'a, T>(pointer: *mut T, name: &str) -> Result<Output<'a, T>, Error> {
    match NonNull::new(pointer) {
        Some(place) => Ok(Output(place, PhantomData)),
        None => Err(null(name)),
    }
}

fn null(name: &str) -> Error {
    Error::invalid_argument(format!("{name} is NULL"))
}

/// A C string for texts that the library keeps and lends. It never fails: a NUL inside, which
/// would cut the text short in C, becomes a question mark.
fn c_string(text: &str) -> CString {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend(text.bytes().map(|byte| if byte == 0 { b'?' } else { byte }));
    CString::new(bytes).unwrap_or_default()
}
