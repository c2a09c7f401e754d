//! `anwdl_request_t`: a received request that fits the request format.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use super::{Handle, output, read, text, value_or};
use crate::error::Error;
use crate::message::Request;

/// A received request that fits the request format. It never changes, and does not depend on the session that
/// it came from. Strings and numbers are exactly as received, to the last digit.
pub enum anwdl_request_t {}

impl Handle for anwdl_request_t {
    type Inner = Request;
    const NAME: &'static str = "request";
}

/// Passes a reference to the request to C, which owns it.
pub(super) fn request_into_raw(request: Arc<Request>) -> *mut anwdl_request_t {
    Arc::into_raw(request).cast_mut().cast()
}

/// A pointer for C to read through, valid as long as that reference; NULL for `None`.
pub(super) fn request_as_ptr(request: Option<&Arc<Request>>) -> *const anwdl_request_t {
    request.map_or(ptr::null(), |request| Arc::as_ptr(request).cast())
}

/// A string value for C, with its length in `out_len` unless that is NULL; NULL for `None`.
///
/// # Safety
/// As for [`output`].
pub(super) unsafe fn string_and_length(
    value_with_nul: Option<&str>,
    out_len: *mut usize,
) -> Result<*const c_char, Error> {
    let Some(value) = value_with_nul else {
        return Ok(ptr::null());
    };
    if !out_len.is_null() {
        // SAFETY: the caller guarantees it.
        unsafe { output(out_len, "out_len") }?.set(value.len() - 1);
    }
    Ok(value.as_ptr().cast())
}

/// The body of a function that reads an integer or a boolean by its name.
///
/// # Safety
/// As for [`read`], [`text`] and [`output`].
pub(super) unsafe fn get_scalar<H: Handle, T>(
    object: *const H,
    (name, parameter): (*const c_char, &str),
    out_value: *mut T,
    get: impl FnOnce(&H::Inner, &str) -> Option<T>,
) -> bool {
    // SAFETY: the caller guarantees it.
    unsafe {
        read(object, false, |object| {
            let name = text(name, parameter)?;
            let out_value = output(out_value, "out_value")?;
            let value = get(object, name);
            Ok(value.map(|value| out_value.set(value)).is_some())
        })
    }
}

/// The verb of a request: what the peer wants. Every server knows "CREATE", "DESTROY" and "STAT"; others are
/// up to the server. Python: the "verb" of the dictionary that ClientInstance.recvRequest() returns.
/// @return One or more of the letters A to Z, borrowed until the request is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_verb(request: *const anwdl_request_t) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        read(request, ptr::null(), |request| {
            Ok(request.verb_with_nul().as_ptr().cast())
        })
    }
}

/// The whole request as JSON, exactly as received: no duplicate keys, no NaN, no invalid UTF-8, at most 64
/// levels, integers with every digit. Keys that the format does not know are included. Python: the dictionary
/// that ClientInstance.recvRequest() returns.
/// @return JSON in UTF-8, borrowed until the request is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_json(request: *const anwdl_request_t) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        read(request, ptr::null(), |request| {
            Ok(request.json_with_nul().as_ptr().cast())
        })
    }
}

/// The parameters of a request as JSON. Python: the "parameters" of the dictionary that
/// ClientInstance.recvRequest() returns.
/// @return A JSON object in UTF-8 ("{}" if there are none), borrowed until the request is freed; NULL also
///   without memory for a copy (ANWDL_REASON_INTERNAL).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_parameters_json(
    request: *const anwdl_request_t,
) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        read(request, ptr::null(), |request| {
            Ok(request.parameters_json_with_nul()?.as_ptr().cast())
        })
    }
}

/// A string parameter of a request. "container_uuid" and "client_token", if present, fit their formats.
/// Python: request["parameters"].get(parameter).
/// @param parameter The name of the parameter, UTF-8.
/// @param out_len Where to write the length of the value in bytes; may be NULL. A value can contain NULs, so
///   only the length shows where it ends. Written only if a string is returned.
/// @return The value in UTF-8 with its JSON escapes decoded, borrowed until the request is freed; NULL if
///   there is no such string, or no memory to decode it (ANWDL_REASON_INTERNAL).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_string(
    request: *const anwdl_request_t,
    parameter: *const c_char,
    out_len: *mut usize,
) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        read(request, ptr::null(), |request| {
            string_and_length(
                request.string_with_nul(text(parameter, "parameter")?)?,
                out_len,
            )
        })
    }
}

/// An integer parameter of a request. Python: request["parameters"].get(parameter).
/// @param parameter The name of the parameter, UTF-8.
/// @param out_value Where to write the value. Written only if true is returned.
/// @return true if it is an integer that fits 64 bits with a sign; otherwise false (1.0, 1e3 and true are not
///   integers; anwdl_request_get_parameters_json() has larger ones with every digit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_integer(
    request: *const anwdl_request_t,
    parameter: *const c_char,
    out_value: *mut i64,
) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_scalar(
            request,
            (parameter, "parameter"),
            out_value,
            Request::integer,
        )
    }
}

/// A boolean parameter of a request. Python: request["parameters"].get(parameter).
/// @param parameter The name of the parameter, UTF-8.
/// @param out_value Where to write the value. Written only if true is returned.
/// @return true if it is true or false; otherwise false (1 and "true" are not booleans).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_boolean(
    request: *const anwdl_request_t,
    parameter: *const c_char,
    out_value: *mut bool,
) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_scalar(
            request,
            (parameter, "parameter"),
            out_value,
            Request::boolean,
        )
    }
}

/// Frees a request that the caller owns; not one from anwdl_client_get_stored_request().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_free(request: *mut anwdl_request_t) {
    value_or((), || {
        if !request.is_null() {
            // SAFETY: `request_into_raw` made it, and the caller gives up its reference.
            drop(unsafe { Arc::from_raw(request.cast::<Request>()) });
        }
        Ok(())
    });
}
