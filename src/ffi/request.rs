//! `anwdl_request_t`: a request that was received and found to fit the request format.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use super::{Handle, output, read, text, value_or};
use crate::error::Error;
use crate::message::Request;

/// A request from a client, checked against the request format.
///
/// It never changes and does not depend on the client that it came from. It may be read by many
/// threads at once. All strings and numbers read from it are what was received, to the last digit.
pub enum anwdl_request_t {}

impl Handle for anwdl_request_t {
    type Inner = Request;
    const NAME: &'static str = "request";
}

/// Hands C one of the references to the request.
pub(super) fn request_into_raw(request: Arc<Request>) -> *mut anwdl_request_t {
    Arc::into_raw(request).cast_mut().cast()
}

/// A pointer for C to read through, valid as long as that reference; NULL for `None`.
pub(super) fn request_as_ptr(request: Option<&Arc<Request>>) -> *const anwdl_request_t {
    request.map_or(ptr::null(), |request| Arc::as_ptr(request).cast())
}

/// A string value as C gets it, its length in `out_len` unless that is NULL; NULL for `None`.
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
        // SAFETY: the caller vouches for it.
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
    // SAFETY: the caller vouches for it.
    unsafe {
        read(object, false, |object| {
            let name = text(name, parameter)?;
            let out_value = output(out_value, "out_value")?;
            let value = get(object, name);
            Ok(value.map(|value| out_value.set(value)).is_some())
        })
    }
}

/// The verb of a request: what the peer wants.
///
/// Every server knows "CREATE", "DESTROY" and "STAT"; others are up to the server.
///
/// @param request The request; not NULL.
///
/// @return One or more of the letters A to Z, ending with NUL, borrowed until the request is freed;
///   NULL if request is NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: the "verb" of the dictionary that ClientInstance.recvRequest() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_verb(request: *const anwdl_request_t) -> *const c_char {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        read(request, ptr::null(), |request| {
            Ok(request.verb_with_nul().as_ptr().cast())
        })
    }
}

/// The whole request as JSON text.
///
/// It is the very text that was received and checked: no duplicate keys, no NaN, no invalid UTF-8,
/// at most 64 levels deep, integers with every digit. Keys that the format does not know are in it.
///
/// @param request The request; not NULL.
///
/// @return JSON in UTF-8, ending with NUL, borrowed until the request is freed; NULL if request is
///   NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: the dictionary that ClientInstance.recvRequest() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_json(request: *const anwdl_request_t) -> *const c_char {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        read(request, ptr::null(), |request| {
            Ok(request.json_with_nul().as_ptr().cast())
        })
    }
}

/// The parameters of a request as the text of a JSON object.
///
/// @param request The request; not NULL.
///
/// @return JSON in UTF-8, ending with NUL ("{}" if there are none), borrowed until the request is
///   freed; NULL if request is NULL (ANWDL_REASON_INVALID_ARGUMENT), or there is no memory for a
///   copy (ANWDL_REASON_INTERNAL).
///
/// Python: the "parameters" of the dictionary that ClientInstance.recvRequest() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_parameters_json(
    request: *const anwdl_request_t,
) -> *const c_char {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        read(request, ptr::null(), |request| {
            Ok(request.parameters_json_with_nul()?.as_ptr().cast())
        })
    }
}

/// A parameter of a request that is a string.
///
/// "container_uuid" and "client_token", where present, fit their formats.
///
/// @param request The request; not NULL.
/// @param parameter The name of the parameter, UTF-8; not NULL.
/// @param out_len Where to write the length of the value in bytes, without the NUL at its end; may
///   be NULL. A value can have NULs of its own, which only the length tells from its end. Written
///   only if a string is returned.
///
/// @return The value in UTF-8, JSON escapes resolved, ending with NUL, borrowed until the request
///   is freed. NULL if there is no such parameter or it is no string, which is no failure: the last
///   error stays as it was. NULL as well, with ANWDL_REASON_INVALID_ARGUMENT, if request or
///   parameter is NULL or parameter is not UTF-8; with ANWDL_REASON_INTERNAL, if there is no memory
///   to decode the strings.
///
/// Python: request["parameters"].get(parameter).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_string(
    request: *const anwdl_request_t,
    parameter: *const c_char,
    out_len: *mut usize,
) -> *const c_char {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        read(request, ptr::null(), |request| {
            string_and_length(
                request.string_with_nul(text(parameter, "parameter")?)?,
                out_len,
            )
        })
    }
}

/// A parameter of a request that is an integer.
///
/// @param request The request; not NULL.
/// @param parameter The name of the parameter, UTF-8; not NULL.
/// @param out_value Where to write the value; not NULL. Written only if true is returned.
///
/// @return true if the parameter is an integer and fits 64 bits with a sign. false if there is no
///   such parameter, or it is something else (1.0, 1e3 and true are no integers), or it is larger,
///   which is no failure: the last error stays as it was, and anwdl_request_get_parameters_json()
///   has every digit. false as well, with ANWDL_REASON_INVALID_ARGUMENT, if an argument is NULL or
///   parameter is not UTF-8.
///
/// Python: request["parameters"].get(parameter).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_integer(
    request: *const anwdl_request_t,
    parameter: *const c_char,
    out_value: *mut i64,
) -> bool {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        get_scalar(
            request,
            (parameter, "parameter"),
            out_value,
            Request::integer,
        )
    }
}

/// A parameter of a request that is true or false.
///
/// @param request The request; not NULL.
/// @param parameter The name of the parameter, UTF-8; not NULL.
/// @param out_value Where to write the value; not NULL. Written only if true is returned.
///
/// @return true if the parameter is a boolean. false if there is no such parameter or it is
///   something else (1 and "true" are no booleans), which is no failure: the last error stays as it
///   was. false as well, with ANWDL_REASON_INVALID_ARGUMENT, if an argument is NULL or parameter is
///   not UTF-8.
///
/// Python: request["parameters"].get(parameter).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_boolean(
    request: *const anwdl_request_t,
    parameter: *const c_char,
    out_value: *mut bool,
) -> bool {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        get_scalar(
            request,
            (parameter, "parameter"),
            out_value,
            Request::boolean,
        )
    }
}

/// Frees a request that anwdl_client_recv_request() returned.
///
/// Not for the one that anwdl_client_get_stored_request() lends.
///
/// @param request The request; NULL is fine and does nothing.
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
