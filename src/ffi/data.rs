//! `anwdl_data_t`: response data, or the parameters of a request, put together value by value.

use std::ffi::c_char;

use zeroize::Zeroizing;

use super::client::anwdl_client_t;
use super::client_interface::anwdl_client_interface_t;
use super::error::anwdl_status_t;
use super::handle::{send_request, send_response};
use super::memory::get_string;
use super::session::anwdl_session_t;
use super::{BooleanByte, Handle, borrow, borrow_mut, bytes, change, create, free, status, text};
use crate::client::ClientInstance;
use crate::client_interface::ClientInterface;
use crate::endpoint::sans_io::SansIoSession;
use crate::error::Error;
use crate::message::{ContainerData, Data, DataValue};

/// A JSON object, or an array, that is put together value by value: the data of a response, or the
/// parameters of a request.
///
/// An object's members are set by name and stand in the order in which they were first set; to set
/// a name again replaces its value. What is put in is copied. At most 64 levels of objects and
/// arrays lie in one another; in the parameters of a request, 63.
///
/// It may be read by many threads at once (by the functions that take it as const) as long as none
/// changes it. Names and values are wiped when they are replaced, or freed.
pub enum anwdl_data_t {}

impl Handle for anwdl_data_t {
    type Inner = Data;
    const NAME: &'static str = "data";
}

/// A text that has a length, and so may have NULs inside.
///
/// # Safety
/// As for [`bytes`].
unsafe fn text_of<'a>(value: *const c_char, len: usize) -> Result<&'a str, Error> {
    // SAFETY: the caller vouches for it.
    let value = unsafe { bytes(value.cast(), len, "value") }?;
    std::str::from_utf8(value).map_err(|_| Error::invalid_argument("value is not UTF-8"))
}

/// A copy of other data, which may be the very data that it is put into.
///
/// # Safety
/// As for [`borrow`].
unsafe fn copy_of(
    value: *const anwdl_data_t,
    name: &str,
    is_array: bool,
) -> Result<DataValue, Error> {
    // SAFETY: the caller vouches for it.
    let value = unsafe { borrow(value, name) }?;
    match (value.is_array(), is_array) {
        (true, false) => Err(Error::invalid_argument(format!("{name} is an array"))),
        (false, true) => Err(Error::invalid_argument(format!("{name} is an object"))),
        _ => Ok(value.into()),
    }
}

/// The JSON text of an object, or of none.
///
/// # Safety
/// As for [`borrow`].
unsafe fn json_of(
    data: *const anwdl_data_t,
    name: &str,
) -> Result<Option<Zeroizing<String>>, Error> {
    if data.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller vouches for it.
    let data = unsafe { borrow(data, name) }?;
    if data.is_array() {
        return Err(Error::invalid_argument(format!("{name} is an array")));
    }
    Ok(Some(data.to_json()))
}

/// Makes an empty object.
///
/// @param out_data Where to write the object, to be freed with anwdl_data_free(); not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_data is NULL.
///
/// Python: {}.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_new(out_data: *mut *mut anwdl_data_t) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { create((out_data, "out_data"), || Ok(Data::new())) }
}

/// Makes an empty array, to be filled by the functions whose names have "add" in them.
///
/// @param out_data Where to write the array, to be freed with anwdl_data_free(); not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: out_data is NULL.
///
/// Python: [].
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_new_array(out_data: *mut *mut anwdl_data_t) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { create((out_data, "out_data"), || Ok(Data::new_array())) }
}

/// The body of a function that copies an object or an array into data, which may be the same data.
///
/// # Safety
/// As for [`borrow_mut`] and [`borrow`].
unsafe fn change_with_copy(
    data: *mut anwdl_data_t,
    (value, name): (*const anwdl_data_t, &str),
    is_array: bool,
    change: impl FnOnce(&mut Data, DataValue) -> Result<(), Error>,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller vouches for it, and nothing else is borrowed while data changes.
        unsafe {
            borrow(data.cast_const(), "data")?;
            let value = copy_of(value, name, is_array)?;
            change(borrow_mut(data, "data")?, value)
        }
    })
}

/// Makes an object from JSON text. Numbers and strings stay as they are written, to the last digit.
///
/// @param json The text of a JSON object, UTF-8; not NULL.
/// @param out_data Where to write the object, to be freed with anwdl_data_free(); not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, or json is not
///   UTF-8, no object, or no strict JSON that every released peer reads: NaN, a key twice, half a
///   surrogate pair, more than 64 levels and an integer of more than 4300 digits are refused too. The
///   message names line, column and cure.
///
/// Python: json.loads(text).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_from_json(
    json: *const c_char,
    out_data: *mut *mut anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        create((out_data, "out_data"), || {
            Data::from_json(text(json, "json")?)
        })
    }
}

/// The data as JSON text, written as Python writes it, but with characters beyond ASCII as they
/// are: {"a": 1, "b": [true]}.
///
/// @param data The data; not NULL.
/// @param out_json Where to write the text, UTF-8, ending with NUL and with no NUL inside, to be
///   freed with anwdl_string_free(), which wipes it; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL.
///
/// Python: json.dumps(data, ensure_ascii=False).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_to_json(
    data: *const anwdl_data_t,
    out_json: *mut *mut c_char,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        get_string(data, (out_json, "out_json"), |data| {
            Ok(Some(data.to_json()))
        })
    }
}

/// Wipes and frees data.
///
/// @param data The data; NULL is fine and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_free(data: *mut anwdl_data_t) {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { free(data) }
}

/// Sets a member of an object to a string.
///
/// @param data The object; not NULL.
/// @param name The name of the member, UTF-8; not NULL.
/// @param value The string, UTF-8, ending with NUL; copied; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, name or value is
///   not UTF-8, or data is an array.
///
/// Python: data[name] = value.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_string(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        change(data, |data| {
            data.set(text(name, "name")?, text(value, "value")?)
        })
    }
}

/// Sets a member of an object to a string of a given length, which may have NULs inside.
///
/// @param data The object; not NULL.
/// @param name The name of the member, UTF-8; not NULL.
/// @param value The string, UTF-8; copied; NULL is fine if len is 0.
/// @param len Its length in bytes.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or name is NULL, value is NULL
///   with a length, name or value is not UTF-8, or data is an array.
///
/// Python: data[name] = value.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_string_with_length(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: *const c_char,
    len: usize,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        change(data, |data| {
            data.set(text(name, "name")?, text_of(value, len)?)
        })
    }
}

/// Sets a member of an object to an integer.
///
/// @param data The object; not NULL.
/// @param name The name of the member, UTF-8; not NULL.
/// @param value The integer.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or name is NULL, name is not
///   UTF-8, or data is an array.
///
/// Python: data[name] = value.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_integer(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: i64,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { change(data, |data| data.set(text(name, "name")?, value)) }
}

/// Sets a member of an object to true or false.
///
/// @param data The object; not NULL.
/// @param name The name of the member, UTF-8; not NULL.
/// @param value true or false.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or name is NULL, name is not
///   UTF-8, or data is an array.
///
/// Python: data[name] = value.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_boolean(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { change(data, |data| data.set(text(name, "name")?, value != 0)) }
}

/// Sets a member of an object to null.
///
/// @param data The object; not NULL.
/// @param name The name of the member, UTF-8; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or name is NULL, name is not
///   UTF-8, or data is an array.
///
/// Python: data[name] = None.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_null(
    data: *mut anwdl_data_t,
    name: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        change(data, |data| {
            data.set(text(name, "name")?, DataValue::null())
        })
    }
}

/// Sets a member of an object to a copy of an object.
///
/// @param data The object; not NULL.
/// @param name The name of the member, UTF-8; not NULL.
/// @param value The object, as it is now; copied; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, name is not
///   UTF-8, data is an array, value is an array, or data would have more than 64 levels.
///
/// Python: data[name] = dict(value).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_object(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        change_with_copy(data, (value, "value"), false, |data, value| {
            data.set(text(name, "name")?, value)
        })
    }
}

/// Sets a member of an object to a copy of an array.
///
/// @param data The object; not NULL.
/// @param name The name of the member, UTF-8; not NULL.
/// @param array The array, as it is now; copied; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, name is not
///   UTF-8, data is an array, array is an object, or data would have more than 64 levels.
///
/// Python: data[name] = list(array).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_array(
    data: *mut anwdl_data_t,
    name: *const c_char,
    array: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        change_with_copy(data, (array, "array"), true, |data, value| {
            data.set(text(name, "name")?, value)
        })
    }
}

/// Adds a string at the end of an array.
///
/// @param data The array; not NULL.
/// @param value The string, UTF-8, ending with NUL; copied; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, value is not
///   UTF-8, or data is an object.
///
/// Python: data.append(value).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_string(
    data: *mut anwdl_data_t,
    value: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { change(data, |data| data.add(text(value, "value")?)) }
}

/// Adds a string of a given length, which may have NULs inside, at the end of an array.
///
/// @param data The array; not NULL.
/// @param value The string, UTF-8; copied; NULL is fine if len is 0.
/// @param len Its length in bytes.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data is NULL, value is NULL with a
///   length, value is not UTF-8, or data is an object.
///
/// Python: data.append(value).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_string_with_length(
    data: *mut anwdl_data_t,
    value: *const c_char,
    len: usize,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { change(data, |data| data.add(text_of(value, len)?)) }
}

/// Adds an integer at the end of an array.
///
/// @param data The array; not NULL.
/// @param value The integer.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data is NULL, or data is an object.
///
/// Python: data.append(value).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_integer(
    data: *mut anwdl_data_t,
    value: i64,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { change(data, |data| data.add(value)) }
}

/// Adds true or false at the end of an array.
///
/// @param data The array; not NULL.
/// @param value true or false.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data is NULL, or data is an object.
///
/// Python: data.append(value).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_boolean(
    data: *mut anwdl_data_t,
    value: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { change(data, |data| data.add(value != 0)) }
}

/// Adds null at the end of an array.
///
/// @param data The array; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data is NULL, or data is an object.
///
/// Python: data.append(None).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_null(data: *mut anwdl_data_t) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { change(data, |data| data.add(DataValue::null())) }
}

/// Adds a copy of an object at the end of an array.
///
/// @param data The array; not NULL.
/// @param value The object, as it is now; copied; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, data is an
///   object, value is an array, or data would have more than 64 levels.
///
/// Python: data.append(dict(value)).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_object(
    data: *mut anwdl_data_t,
    value: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { change_with_copy(data, (value, "value"), false, Data::add) }
}

/// Adds a copy of an array at the end of an array.
///
/// @param data The array; not NULL.
/// @param array The array, as it is now; copied; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, data is an
///   object, array is an object, or data would have more than 64 levels.
///
/// Python: data.append(list(array)).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_array(
    data: *mut anwdl_data_t,
    array: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe { change_with_copy(data, (array, "array"), true, Data::add) }
}

/// Sets the six members that describe a new container: container_uuid, client_token,
/// container_iso_sha256, container_username, container_password and container_listen_port.
///
/// They are checked against the response format first; if one does not fit, none is set.
///
/// @param data The object; not NULL.
/// @param uuid The container's UUID: lower case hexadecimal digits in groups of 8, 4, 4, 4 and 12,
///   with hyphens between them; not NULL.
/// @param token What the client must show to have the container destroyed: 255 letters, digits,
///   hyphens and underscores; not NULL.
/// @param iso_sha256 The SHA-256 of the container's ISO image: 64 lower case hexadecimal digits; not
///   NULL.
/// @param user_name Whom to log in as: "user_" and five digits; not NULL.
/// @param password The password of that user: letters and digits; not NULL.
/// @param port The port on which the container listens; not 0.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL or not UTF-8, or
///   data is an array. ANWDL_REASON_MALFORMED_RESPONSE: a value does not fit its format; the message
///   names the member.
///
/// Python: the data of the response to CREATE.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_container(
    data: *mut anwdl_data_t,
    uuid: *const c_char,
    token: *const c_char,
    iso_sha256: *const c_char,
    user_name: *const c_char,
    password: *const c_char,
    port: u16,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        change(data, |data| {
            data.set_container(&ContainerData {
                uuid: text(uuid, "uuid")?,
                client_token: text(token, "token")?,
                iso_sha256: text(iso_sha256, "iso_sha256")?,
                user_name: text(user_name, "user_name")?,
                password: text(password, "password")?,
                listen_port: port,
            })
        })
    }
}

/// Sets the two members that describe the server: uptime and version.
///
/// @param data The object; not NULL.
/// @param uptime For how many seconds the server has been running.
/// @param version Its version; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or version is NULL, version is not
///   UTF-8, or data is an array.
///
/// Python: the data of the response to STAT.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_statistics(
    data: *mut anwdl_data_t,
    uptime: u64,
    version: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        change(data, |data| {
            data.set_statistics(uptime, text(version, "version")?)
        })
    }
}

/// Sends a response whose data were put together value by value.
///
/// Else it is anwdl_client_send_response().
///
/// @param client The client; not NULL.
/// @param success Whether the request was carried out.
/// @param message What the peer shows, UTF-8; not NULL. Use one of the ANWDL_RESPONSE_MSG_ strings.
/// @param data An object; NULL for {}. It is copied.
/// @param reason Why the request was refused or failed, UTF-8; NULL for none; "" is none, too.
///
/// @return As anwdl_client_send_response(). ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_ARGUMENT also if
///   data is an array.
///
/// Python: ClientInstance.sendResponse(success, message, data, reason).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_send_response_data(
    client: *mut anwdl_client_t,
    success: BooleanByte,
    message: *const c_char,
    data: *const anwdl_data_t,
    reason: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        send_response(
            client,
            success,
            message,
            || json_of(data, "data"),
            reason,
            ClientInstance::send_response,
        )
    }
}

/// Sends a response whose data were put together value by value.
///
/// Else it is anwdl_session_send_response().
///
/// @param session The session; not NULL.
/// @param success Whether the request was carried out.
/// @param message What the peer shows, UTF-8; not NULL. Use one of the ANWDL_RESPONSE_MSG_ strings.
/// @param data An object; NULL for {}. It is copied.
/// @param reason Why the request was refused or failed, UTF-8; NULL for none; "" is none, too.
///
/// @return As anwdl_session_send_response(). ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_ARGUMENT also if
///   data is an array.
///
/// Python: ClientInstance.sendResponse(success, message, data, reason).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_response_data(
    session: *mut anwdl_session_t,
    success: BooleanByte,
    message: *const c_char,
    data: *const anwdl_data_t,
    reason: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        send_response(
            session,
            success,
            message,
            || json_of(data, "data"),
            reason,
            SansIoSession::send_response,
        )
    }
}

/// Sends a request whose parameters were put together value by value.
///
/// Else it is anwdl_session_send_request().
///
/// @param session The session; not NULL.
/// @param verb What is asked for, UTF-8; not NULL.
/// @param parameters An object; NULL for {}. It is copied.
///
/// @return As anwdl_session_send_request(). ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_ARGUMENT also if
///   parameters is an array.
///
/// Python: ClientInterface.sendRequest(verb, parameters).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_request_data(
    session: *mut anwdl_session_t,
    verb: *const c_char,
    parameters: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        send_request(
            session,
            verb,
            || json_of(parameters, "parameters"),
            SansIoSession::send_request,
        )
    }
}

/// Sends a request whose parameters were put together value by value.
///
/// Else it is anwdl_client_interface_send_request().
///
/// @param client_interface The interface; not NULL.
/// @param verb What is asked for, UTF-8; not NULL.
/// @param parameters An object; NULL for {}. It is copied.
///
/// @return As anwdl_client_interface_send_request(). ANWDL_VALUE_ERROR with ANWDL_REASON_INVALID_ARGUMENT also if
///   parameters is an array.
///
/// Python: ClientInterface.sendRequest(verb, parameters).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_send_request_data(
    client_interface: *mut anwdl_client_interface_t,
    verb: *const c_char,
    parameters: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the caller passes what the types say, or NULL.
    unsafe {
        send_request(
            client_interface,
            verb,
            || json_of(parameters, "parameters"),
            ClientInterface::send_request,
        )
    }
}
