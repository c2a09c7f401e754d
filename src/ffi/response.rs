//! `anwdl_response_t`: a response that was received and found to fit the response format.

use std::ffi::c_char;
use std::ptr;

use super::request::{get_scalar, string_and_length};
use super::{Handle, free, read, text};
use crate::message::Response;

/// A response from a server, checked against the response format.
///
/// It never changes and does not depend on the session that it came from. It may be read by many
/// threads at once. All strings and numbers read from it are what was received, to the last digit.
pub enum anwdl_response_t {}

impl Handle for anwdl_response_t {
    type Inner = Response;
    const NAME: &'static str = "response";
}

/// Whether the request was carried out.
///
/// @param response The response; not NULL.
///
/// @return What the server said; false as well if response is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: the "success" of the dictionary that ClientInterface.recvResponse() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_success(response: *const anwdl_response_t) -> bool {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { read(response, false, |response| Ok(response.success())) }
}

/// The message of a response, with the reason in it if the server gave one.
///
/// @param response The response; not NULL.
///
/// @return The text in UTF-8, one of the ANWDL_RESPONSE_MSG_ strings for example, ending with NUL,
///   borrowed until the response is freed. A NUL inside reads as '?'. NULL if response is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: the "message" of the dictionary that ClientInterface.recvResponse() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_message(
    response: *const anwdl_response_t,
) -> *const c_char {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        read(response, ptr::null(), |response| {
            Ok(response.message_with_nul().as_ptr().cast())
        })
    }
}

/// The whole response as JSON text.
///
/// It is the very text that was received and checked: no duplicate keys, no NaN, no invalid UTF-8,
/// at most 64 levels deep, integers with every digit. Keys that the format does not know are in it.
///
/// @param response The response; not NULL.
///
/// @return JSON in UTF-8, ending with NUL, borrowed until the response is freed; NULL if response is
///   NULL (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: the dictionary that ClientInterface.recvResponse() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_json(
    response: *const anwdl_response_t,
) -> *const c_char {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        read(response, ptr::null(), |response| {
            Ok(response.json_with_nul().as_ptr().cast())
        })
    }
}

/// The data of a response as the text of a JSON object.
///
/// @param response The response; not NULL.
///
/// @return JSON in UTF-8, ending with NUL ("{}" if there are none), borrowed until the response is
///   freed; NULL if response is NULL (ANWDL_REASON_INVALID_ARGUMENT), or there is no memory for a
///   copy (ANWDL_REASON_INTERNAL).
///
/// Python: the "data" of the dictionary that ClientInterface.recvResponse() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_data_json(
    response: *const anwdl_response_t,
) -> *const c_char {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        read(response, ptr::null(), |response| {
            Ok(response.data_json_with_nul()?.as_ptr().cast())
        })
    }
}

/// A string among the data of a response.
///
/// "container_uuid", "client_token", "container_iso_sha256", "container_username",
/// "container_password" and "version", where present, fit their formats.
///
/// @param response The response; not NULL.
/// @param name The name in the data, UTF-8; not NULL.
/// @param out_len Where to write the length of the value in bytes, without the NUL at its end; may
///   be NULL. A value can have NULs of its own, which only the length tells from its end. Written
///   only if a string is returned.
///
/// @return The value in UTF-8, JSON escapes resolved, ending with NUL, borrowed until the response
///   is freed. NULL if the data have no such name or it is no string, which is no failure: the last
///   error stays as it was. NULL as well, with ANWDL_REASON_INVALID_ARGUMENT, if response or name is
///   NULL or name is not UTF-8; with ANWDL_REASON_INTERNAL, if there is no memory to decode the
///   strings.
///
/// Python: response["data"].get(name).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_string(
    response: *const anwdl_response_t,
    name: *const c_char,
    out_len: *mut usize,
) -> *const c_char {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        read(response, ptr::null(), |response| {
            string_and_length(response.string_with_nul(text(name, "name")?)?, out_len)
        })
    }
}

/// An integer among the data of a response.
///
/// @param response The response; not NULL.
/// @param name The name in the data, UTF-8; not NULL.
/// @param out_value Where to write the value; not NULL. Written only if true is returned.
///
/// @return true if it is an integer and fits 64 bits with a sign. false if the data have no such
///   name, or it is something else (1.0, 1e3 and true are no integers), or it is larger, which is no
///   failure: the last error stays as it was, and anwdl_response_get_data_json() has every digit.
///   false as well, with ANWDL_REASON_INVALID_ARGUMENT, if an argument is NULL or name is not UTF-8.
///
/// Python: response["data"].get(name).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_integer(
    response: *const anwdl_response_t,
    name: *const c_char,
    out_value: *mut i64,
) -> bool {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { get_scalar(response, (name, "name"), out_value, Response::integer) }
}

/// A boolean among the data of a response.
///
/// @param response The response; not NULL.
/// @param name The name in the data, UTF-8; not NULL.
/// @param out_value Where to write the value; not NULL. Written only if true is returned.
///
/// @return true if it is a boolean. false if the data have no such name or it is something else (1
///   and "true" are no booleans), which is no failure: the last error stays as it was. false as
///   well, with ANWDL_REASON_INVALID_ARGUMENT, if an argument is NULL or name is not UTF-8.
///
/// Python: response["data"].get(name).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_boolean(
    response: *const anwdl_response_t,
    name: *const c_char,
    out_value: *mut bool,
) -> bool {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { get_scalar(response, (name, "name"), out_value, Response::boolean) }
}

/// Wipes and frees a response.
///
/// @param response The response; NULL is fine and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_free(response: *mut anwdl_response_t) {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { free(response) }
}
