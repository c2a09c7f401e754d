//! `anwdl_response_t`: a received response that fits the response format.

use std::ffi::c_char;
use std::ptr;

use super::request::{get_scalar, string_and_length};
use super::{Handle, free, read, text};
use crate::message::Response;

/// A received response that fits the response format. It never changes, and does not depend on the session
/// that it came from. Strings and numbers are exactly as received, to the last digit.
pub enum anwdl_response_t {}

impl Handle for anwdl_response_t {
    type Inner = Response;
    const NAME: &'static str = "response";
}

/// Whether the request was carried out. Python: the "success" of the dictionary that
/// ClientInterface.recvResponse() returns.
/// @return What the server said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_success(response: *const anwdl_response_t) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { read(response, false, |response| Ok(response.success())) }
}

/// The message of a response, with the reason in it if the server gave one. Python: the "message" of the
/// dictionary that ClientInterface.recvResponse() returns.
/// @return The text in UTF-8, for example one of the ANWDL_RESPONSE_MSG_ strings, borrowed until the response
///   is freed. A NUL in it reads as '?'.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_message(
    response: *const anwdl_response_t,
) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        read(response, ptr::null(), |response| {
            Ok(response.message_with_nul().as_ptr().cast())
        })
    }
}

/// The whole response as JSON, exactly as received; see anwdl_request_get_json(). Python: the dictionary that
/// ClientInterface.recvResponse() returns.
/// @return JSON in UTF-8, borrowed until the response is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_json(
    response: *const anwdl_response_t,
) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        read(response, ptr::null(), |response| {
            Ok(response.json_with_nul().as_ptr().cast())
        })
    }
}

/// The data of a response as JSON. Python: the "data" of the dictionary that ClientInterface.recvResponse()
/// returns.
/// @return A JSON object in UTF-8 ("{}" if there are none), borrowed until the response is freed; NULL also
///   without memory for a copy (ANWDL_REASON_INTERNAL).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_data_json(
    response: *const anwdl_response_t,
) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        read(response, ptr::null(), |response| {
            Ok(response.data_json_with_nul()?.as_ptr().cast())
        })
    }
}

/// A string in the data of a response. "container_uuid", "client_token", "container_iso_sha256",
/// "container_username", "container_password" and "version", if present, fit their formats.
/// Python: response["data"].get(name).
/// @param name The name in the data, UTF-8.
/// @param out_len Where to write the length in bytes; may be NULL. See anwdl_request_get_string().
/// @return The value in UTF-8 with its JSON escapes decoded, borrowed until the response is freed; NULL if
///   there is no such string, or no memory to decode it (ANWDL_REASON_INTERNAL).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_string(
    response: *const anwdl_response_t,
    name: *const c_char,
    out_len: *mut usize,
) -> *const c_char {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        read(response, ptr::null(), |response| {
            string_and_length(response.string_with_nul(text(name, "name")?)?, out_len)
        })
    }
}

/// An integer in the data of a response. Python: response["data"].get(name).
/// @param name The name in the data, UTF-8.
/// @param out_value Where to write the value. Written only if true is returned.
/// @return true if it is an integer that fits 64 bits with a sign; otherwise false. See
///   anwdl_request_get_integer().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_integer(
    response: *const anwdl_response_t,
    name: *const c_char,
    out_value: *mut i64,
) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_scalar(response, (name, "name"), out_value, Response::integer) }
}

/// A boolean in the data of a response. Python: response["data"].get(name).
/// @param name The name in the data, UTF-8.
/// @param out_value Where to write the value. Written only if true is returned.
/// @return true if it is true or false; otherwise false. See anwdl_request_get_boolean().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_boolean(
    response: *const anwdl_response_t,
    name: *const c_char,
    out_value: *mut bool,
) -> bool {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { get_scalar(response, (name, "name"), out_value, Response::boolean) }
}

/// Wipes and frees a response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_free(response: *mut anwdl_response_t) {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { free(response) }
}
