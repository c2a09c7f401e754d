//! The C API of the library: one file per C type. `include/anwdl.h` is generated from it.
//!
//! Each function checks its arguments, calls the Rust API and translates the result. Conventions:
//!
//! - **Written out.** Every exported function is written as `#[unsafe(no_mangle)] pub unsafe extern
//!   "C" fn`, and not made by a macro, which cbindgen would miss. Its documentation is for C
//!   programmers.
//! - **Boundary.** The whole body runs inside `boundary`, through `status`, `value_or` or one of
//!   the shared bodies below and in `handle` and `memory`. It catches panics (they become
//!   `RUNTIME_ERROR` with the reason `INTERNAL`), stores the last error of the thread, wipes the
//!   vector registers, delays the cancellation of the thread and prepares for forks. A panic while
//!   another one unwinds aborts the process, and so does a failed allocation inside Rust. A program
//!   that builds the crate with `panic = "abort"` catches nothing.
//! - **Self.** The object is the first parameter. C sees an empty type; the pointer points to the
//!   Rust type that `Handle` names, so a pointer to a part of a client, such as its wrapper, can be
//!   given to C as it is.
//! - **Inputs.** `text`, `optional_text` and `bytes` convert C arguments. An argument that is NULL,
//!   not UTF-8 or out of range is `INVALID_ARGUMENT`, and the message begins with its name. No
//!   parameter is a Rust `enum` or `bool`, because an unknown number in one is undefined behaviour:
//!   an enum is an integer type of its own (`ProtocolNumber`, `RoleNumber`, ...), which
//!   cbindgen.toml renames to the C enum, and a boolean is a `BooleanByte`.
//! - **Outputs.** Pointers to results come last. `output` checks them before the work begins, and
//!   they are written only on success.
//! - **Ownership.** What C owns comes from `into_raw`, from `Arc::into_raw` (requests) or from
//!   `memory`, and exactly one function frees it.

// Types have their C names. The rules for pointers are documented once, at the top of the header,
// and not in a "Safety" section of every function.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]
// These comments also go into the header, where a word in brackets is not a link.
#![allow(rustdoc::broken_intra_doc_links)]

pub mod aes_wrapper;
mod cancellation;
#[cfg(unix)]
pub mod client;
#[cfg(unix)]
pub mod client_interface;
pub mod client_options;
pub mod data;
pub mod error;
pub mod event;
#[cfg(unix)]
mod fork;
mod handle;
pub mod log;
pub mod memory;
mod registers;
pub mod request;
pub mod response;
pub mod rsa_wrapper;
pub mod session;
pub mod value;

#[cfg(all(test, unix))]
mod tests;

use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use crate::error::{Error, Interest, Reason};
use crate::secret::{KEYS_STACK, NoMemory, wiping_stack};
use error::anwdl_status_t;

/// A C `bool` as a parameter: 0 is false, any other byte is true. Callers in other languages, or with
/// an uninitialized variable, pass bytes that are undefined behaviour in a Rust `bool`.
pub type BooleanByte = u8;

/// Ties an opaque C type to the Rust type that its pointers point to.
trait Handle {
    /// What the pointer points to.
    type Inner;
    /// The name of the parameter in the functions of this type.
    const NAME: &'static str;
}

/// The body of every exported function runs in here: it catches panics and stores errors.
fn boundary<T>(body: impl FnOnce() -> Result<T, Error>) -> Result<T, anwdl_status_t> {
    // A panic can leave an object half-changed. A session is poisoned then (see
    // `PoisonOnPanic::operate`); any other object can still be freed by the caller.
    let body = AssertUnwindSafe(body);
    let _wiped = registers::WipeOnDrop;
    let _disabled = cancellation::Disabled::new();
    #[cfg(unix)]
    fork::register_handlers_once();
    let error = match catch_unwind(body) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(payload) => {
            // The text could contain a secret, so it is not passed on. A payload of another type
            // could panic again when it is dropped.
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

/// The status of a call that would have to wait.
fn wants(interest: Interest) -> anwdl_status_t {
    match interest {
        Interest::Read => anwdl_status_t::ANWDL_WANT_READ,
        Interest::Write => anwdl_status_t::ANWDL_WANT_WRITE,
        Interest::Computation => anwdl_status_t::ANWDL_WANT_COMPUTATION,
    }
}

/// The body of a function that returns a status.
fn status(body: impl FnOnce() -> Result<(), Error>) -> anwdl_status_t {
    match boundary(body) {
        Ok(()) => anwdl_status_t::ANWDL_OK,
        Err(status) => status,
    }
}

/// Wipes the stack after a function that makes or moves keys, or uses a private key. Sessions do
/// that themselves, and only where a key exchange needs it, because they are called for every few
/// bytes.
fn wiping_keys<T>(function: impl FnOnce() -> T) -> T {
    wiping_stack::<KEYS_STACK, _>(function)
}

/// As [`status`], wiping the stack.
fn status_wiping_keys(body: impl FnOnce() -> Result<(), Error>) -> anwdl_status_t {
    wiping_keys(|| status(body))
}

/// The body of a function that returns a value, or `fallback` if it fails.
fn value_or<T>(fallback: T, body: impl FnOnce() -> Result<T, Error>) -> T {
    boundary(body).unwrap_or(fallback)
}

/// Borrows the object behind `pointer`.
///
/// # Safety
/// `pointer` is NULL or points to a live object of its type, which nobody changes during the borrow.
unsafe fn borrow<'a, H: Handle>(pointer: *const H, name: &str) -> Result<&'a H::Inner, Error> {
    // SAFETY: every pointer to `H` that C has was made from a pointer to `H::Inner`; the
    // caller guarantees the rest.
    unsafe { pointer.cast::<H::Inner>().as_ref() }.ok_or_else(|| null(name))
}

/// Borrows the object behind `pointer` mutably.
///
/// # Safety
/// `pointer` is NULL or points to a live object of its type, which nobody else uses during the borrow.
unsafe fn borrow_mut<'a, H: Handle>(
    pointer: *mut H,
    name: &str,
) -> Result<&'a mut H::Inner, Error> {
    // SAFETY: as in `borrow`.
    unsafe { pointer.cast::<H::Inner>().as_mut() }.ok_or_else(|| null(name))
}

/// A pointer for C to read through, valid as long as `inner`; NULL for `None`.
fn as_ptr<H: Handle>(inner: Option<&H::Inner>) -> *const H {
    inner.map_or(ptr::null(), ptr::from_ref).cast()
}

/// Moves an object to the heap and hands it to C; [`free`] drops it.
fn into_raw<H: Handle>(inner: H::Inner) -> *mut H {
    Box::into_raw(Box::new(inner)).cast()
}

/// Like [`into_raw`], for something from a peer: fails if there is no memory.
fn try_into_raw<H: Handle>(inner: H::Inner) -> Result<*mut H, NoMemory> {
    let mut place = Vec::new();
    place.try_reserve_exact(1)?;
    place.push(inner);
    // The capacity fits, so this does not allocate; and a slice of one element has the layout of
    // that element.
    Ok(Box::into_raw(place.into_boxed_slice()).cast())
}

/// The body of a function that makes an object.
///
/// # Safety
/// As for [`output`].
unsafe fn create<H: Handle>(
    (out, name): (*mut *mut H, &str),
    create: impl FnOnce() -> Result<H::Inner, Error>,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller guarantees it.
        let out = unsafe { output(out, name) }?;
        out.set(into_raw(create()?));
        Ok(())
    })
}

/// The body of a function that frees an object. NULL is fine.
///
/// # Safety
/// `pointer` is NULL or came from [`into_raw`], and nobody uses it afterwards.
unsafe fn free<H: Handle>(pointer: *mut H) {
    value_or((), || {
        if !pointer.is_null() {
            // SAFETY: `into_raw` made it from a box of this type; the caller guarantees the rest.
            drop(unsafe { Box::from_raw(pointer.cast::<H::Inner>()) });
        }
        Ok(())
    });
}

/// The body of a function that reads an object, and returns `fallback` if it fails.
///
/// # Safety
/// As for [`borrow`].
unsafe fn read<H: Handle, T>(
    object: *const H,
    fallback: T,
    read: impl FnOnce(&H::Inner) -> Result<T, Error>,
) -> T {
    // SAFETY: the caller guarantees it.
    value_or(fallback, || read(unsafe { borrow(object, H::NAME) }?))
}

/// The body of a function that changes an object.
///
/// # Safety
/// As for [`borrow_mut`].
unsafe fn change<H: Handle>(
    object: *mut H,
    change: impl FnOnce(&mut H::Inner) -> Result<(), Error>,
) -> anwdl_status_t {
    // SAFETY: the caller guarantees it.
    status(|| change(unsafe { borrow_mut(object, H::NAME) }?))
}

/// The text behind `pointer`.
///
/// # Safety
/// `pointer` is NULL or points to a string that ends with NUL and stays unchanged during the borrow.
unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Error> {
    // SAFETY: the caller guarantees it.
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
    // SAFETY: it is not NULL; the caller guarantees the rest.
    match unsafe { CStr::from_ptr(pointer) }.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(Error::invalid_argument(format!("{name} is not UTF-8"))),
    }
}

/// The `len` bytes behind `pointer`. NULL is fine for no bytes.
///
/// # Safety
/// `pointer` is NULL or points to `len` readable bytes that stay unchanged during the borrow.
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
    // SAFETY: it is not NULL and its length is possible; the caller guarantees the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// A place of the caller's for a result.
struct Output<'a, T>(NonNull<T>, PhantomData<&'a mut T>);

impl<T> Output<'_, T> {
    /// Writes the result. The old content is not a Rust value and is not dropped.
    fn set(self, value: T) {
        // SAFETY: the caller of `output` guaranteed that the place can be written.
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

/// A pointer of the caller's, which the library passes back and never dereferences.
struct UserData(*mut c_void);

// SAFETY: the library does not dereference it. The documentation says that the function runs on any
// thread, and on several at once.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    /// A method, so that a closure captures the whole struct, which is Send, and not the pointer.
    fn get(&self) -> *mut c_void {
        self.0
    }
}

fn null(name: &str) -> Error {
    Error::invalid_argument(format!("{name} is NULL"))
}

/// A C string that C will borrow. A NUL in the text becomes a question mark.
fn c_string(text: &str) -> CString {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend(text.bytes().map(|byte| if byte == 0 { b'?' } else { byte }));
    CString::new(bytes).unwrap_or_default()
}
