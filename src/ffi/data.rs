//! `anwdl_data_t`: response data, or the parameters of a request, put together value by value.

use std::ffi::c_char;

use zeroize::Zeroizing;

#[cfg(unix)]
use super::client::anwdl_client_t;
#[cfg(unix)]
use super::client_interface::anwdl_client_interface_t;
use super::error::anwdl_status_t;
use super::handle::{send_request, send_response};
use super::memory::get_string;
use super::session::anwdl_session_t;
use super::{BooleanByte, Handle, borrow, borrow_mut, bytes, change, create, free, status, text};
#[cfg(unix)]
use crate::client::ClientInstance;
#[cfg(unix)]
use crate::client_interface::ClientInterface;
use crate::endpoint::sans_io::SansIoSession;
use crate::error::Error;
use crate::message::{ContainerData, Data, DataValue};

/// A JSON object or array that is built value by value: the data of a response, or the parameters of a request.
/// The functions anwdl_data_set_... set a member of an object, and anwdl_data_add_... append to an array; with
/// the other of the two they fail with ANWDL_REASON_INVALID_ARGUMENT. Members keep the order in which they were
/// first set; setting a name again replaces its value. Values are copied in. Objects and arrays nest at most 64
/// levels deep, in the parameters of a request and the data of a response 63; more is
/// ANWDL_REASON_INVALID_ARGUMENT. Names and values are wiped when they are replaced or freed.
pub enum anwdl_data_t {}

impl Handle for anwdl_data_t {
    type Inner = Data;
    const NAME: &'static str = "data";
}

/// A text with a given length, which may contain NULs.
///
/// # Safety
/// As for [`bytes`].
unsafe fn text_of<'a>(value: *const c_char, len: usize) -> Result<&'a str, Error> {
    // SAFETY: the caller guarantees it.
    let value = unsafe { bytes(value.cast(), len, "value") }?;
    std::str::from_utf8(value).map_err(|_| Error::invalid_argument("value is not UTF-8"))
}

/// A copy of an object or an array.
///
/// # Safety
/// As for [`borrow`].
unsafe fn copy_of(
    value: *const anwdl_data_t,
    name: &str,
    is_array: bool,
) -> Result<DataValue, Error> {
    // SAFETY: the caller guarantees it.
    let value = unsafe { borrow(value, name) }?;
    match (value.is_array(), is_array) {
        (true, false) => Err(Error::invalid_argument(format!("{name} is an array"))),
        (false, true) => Err(Error::invalid_argument(format!("{name} is an object"))),
        _ => value.try_into(),
    }
}

/// The JSON text of an object; `None` for NULL.
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
    // SAFETY: the caller guarantees it.
    let data = unsafe { borrow(data, name) }?;
    if data.is_array() {
        return Err(Error::invalid_argument(format!("{name} is an array")));
    }
    data.to_json().map(Some)
}

/// Makes an empty object. Python: {}.
/// @param out_data Where to write the object, to be freed with anwdl_data_free().
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_new(out_data: *mut *mut anwdl_data_t) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { create((out_data, "out_data"), || Ok(Data::new())) }
}

/// Makes an empty array, to be filled with the anwdl_data_add_ functions. Python: [].
/// @param out_data Where to write the array, to be freed with anwdl_data_free().
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_new_array(out_data: *mut *mut anwdl_data_t) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
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
        // SAFETY: the caller guarantees it, and nothing else is borrowed while data changes.
        unsafe {
            borrow(data.cast_const(), "data")?;
            let value = copy_of(value, name, is_array)?;
            change(borrow_mut(data, "data")?, value)
        }
    })
}

/// Makes an object from JSON. Numbers and strings stay as written, to the last digit.
/// Python: json.loads(text).
/// @param json A JSON object, UTF-8. Anything else is ANWDL_REASON_INVALID_ARGUMENT, and so is JSON that not
///   every released peer reads: NaN, duplicate keys, half a surrogate pair, more than 64 levels, an integer
///   of more than 4300 digits. The error message says where, and what to write.
/// @param out_data Where to write the object, to be freed with anwdl_data_free().
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_from_json(
    json: *const c_char,
    out_data: *mut *mut anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        create((out_data, "out_data"), || {
            Data::from_json(text(json, "json")?)
        })
    }
}

/// The data as JSON, formatted as Python does, but with characters beyond ASCII unescaped: {"a": 1, "b":
/// [true]}. Python: json.dumps(data, ensure_ascii=False).
/// @param out_json Where to write the text, UTF-8 with no NUL inside, to be freed with anwdl_string_free().
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_to_json(
    data: *const anwdl_data_t,
    out_json: *mut *mut c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        get_string(data, (out_json, "out_json"), |data| {
            data.to_json().map(Some)
        })
    }
}

/// Wipes and frees data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_free(data: *mut anwdl_data_t) {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { free(data) }
}

/// Sets a member to a string. Python: data[name] = value.
/// @param name The name of the member, UTF-8.
/// @param value The string, UTF-8.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_string(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(data, |data| {
            data.set(text(name, "name")?, text(value, "value")?)
        })
    }
}

/// Sets a member to a string that may contain NULs. Python: data[name] = value.
/// @param name The name of the member, UTF-8.
/// @param value The string, UTF-8; NULL is fine if len is 0.
/// @param len Its length in bytes.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_string_with_length(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: *const c_char,
    len: usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(data, |data| {
            data.set(text(name, "name")?, text_of(value, len)?)
        })
    }
}

/// Sets a member to an integer. Python: data[name] = value.
/// @param name The name of the member, UTF-8.
/// @param value The integer.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_integer(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: i64,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { change(data, |data| data.set(text(name, "name")?, value)) }
}

/// Sets a member to true or false. Python: data[name] = value.
/// @param name The name of the member, UTF-8.
/// @param value true or false.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_boolean(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { change(data, |data| data.set(text(name, "name")?, value != 0)) }
}

/// Sets a member to null. Python: data[name] = None.
/// @param name The name of the member, UTF-8.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_null(
    data: *mut anwdl_data_t,
    name: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(data, |data| {
            data.set(text(name, "name")?, DataValue::null())
        })
    }
}

/// Sets a member to a copy of an object. Python: data[name] = dict(value).
/// @param name The name of the member, UTF-8.
/// @param value The object to copy, which may be data itself; an array is ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_object(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change_with_copy(data, (value, "value"), false, |data, value| {
            data.set(text(name, "name")?, value)
        })
    }
}

/// Sets a member to a copy of an array. Python: data[name] = list(array).
/// @param name The name of the member, UTF-8.
/// @param array The array to copy; an object is ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_array(
    data: *mut anwdl_data_t,
    name: *const c_char,
    array: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change_with_copy(data, (array, "array"), true, |data, value| {
            data.set(text(name, "name")?, value)
        })
    }
}

/// Appends a string. Python: data.append(value).
/// @param value The string, UTF-8.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_string(
    data: *mut anwdl_data_t,
    value: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { change(data, |data| data.add(text(value, "value")?)) }
}

/// Appends a string that may contain NULs. Python: data.append(value).
/// @param value The string, UTF-8; NULL is fine if len is 0.
/// @param len Its length in bytes.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_string_with_length(
    data: *mut anwdl_data_t,
    value: *const c_char,
    len: usize,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { change(data, |data| data.add(text_of(value, len)?)) }
}

/// Appends an integer. Python: data.append(value).
/// @param value The integer.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_integer(
    data: *mut anwdl_data_t,
    value: i64,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { change(data, |data| data.add(value)) }
}

/// Appends true or false. Python: data.append(value).
/// @param value true or false.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_boolean(
    data: *mut anwdl_data_t,
    value: BooleanByte,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { change(data, |data| data.add(value != 0)) }
}

/// Appends null. Python: data.append(None).
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_null(data: *mut anwdl_data_t) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { change(data, |data| data.add(DataValue::null())) }
}

/// Appends a copy of an object. Python: data.append(dict(value)).
/// @param value The object to copy; an array is ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_object(
    data: *mut anwdl_data_t,
    value: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { change_with_copy(data, (value, "value"), false, Data::add) }
}

/// Appends a copy of an array. Python: data.append(list(array)).
/// @param array The array to copy, which may be data itself; an object is ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_array(
    data: *mut anwdl_data_t,
    array: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe { change_with_copy(data, (array, "array"), true, Data::add) }
}

/// Sets the six members that describe a new container: container_uuid, client_token, container_iso_sha256,
/// container_username, container_password and container_listen_port. If one does not fit its format, none is
/// set. Python: the data of the response to CREATE.
/// @param uuid The container's UUID: lower case hexadecimal digits in groups of 8, 4, 4, 4 and 12, with
///   hyphens between.
/// @param token What the client must show to destroy the container: 255 letters, digits, hyphens and
///   underscores.
/// @param iso_sha256 The SHA-256 of the container's ISO image: 64 lower case hexadecimal digits.
/// @param user_name The user to log in as: "user_" and five digits.
/// @param password The password of that user: letters and digits.
/// @param port The port on which the container listens; not 0.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_MALFORMED_RESPONSE: a value does not fit its
///   format; the message names the member.
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
    // SAFETY: the header requires live objects, or NULL.
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

/// Sets the two members that describe the server: uptime and version. Python: the data of the response to
/// STAT.
/// @param uptime How many seconds the server has been running.
/// @param version Its version, UTF-8.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_statistics(
    data: *mut anwdl_data_t,
    uptime: u64,
    version: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        change(data, |data| {
            data.set_statistics(uptime, text(version, "version")?)
        })
    }
}

/// Sends a response, as anwdl_client_send_response(), with data from an anwdl_data_t. Python:
/// ClientInstance.sendResponse(success, message, data, reason).
/// @param data An object; NULL for {}. An array is ANWDL_REASON_INVALID_ARGUMENT.
#[cfg(unix)]
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_send_response_data(
    client: *mut anwdl_client_t,
    success: BooleanByte,
    message: *const c_char,
    data: *const anwdl_data_t,
    reason: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        send_response(
            client,
            success,
            message,
            move || json_of(data, "data"),
            reason,
            ClientInstance::send_response,
        )
    }
}

/// ANWDL_ROLE_SERVER only: sends a response, as anwdl_client_send_response_data(). Python:
/// ClientInstance.sendResponse(success, message, data, reason).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_response_data(
    session: *mut anwdl_session_t,
    success: BooleanByte,
    message: *const c_char,
    data: *const anwdl_data_t,
    reason: *const c_char,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        send_response(
            session,
            success,
            message,
            move || json_of(data, "data"),
            reason,
            SansIoSession::send_response,
        )
    }
}

/// ANWDL_ROLE_CLIENT only: sends a request, as anwdl_client_interface_send_request_data(). Python:
/// ClientInterface.sendRequest(verb, parameters).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_session_send_request_data(
    session: *mut anwdl_session_t,
    verb: *const c_char,
    parameters: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        send_request(
            session,
            verb,
            move || json_of(parameters, "parameters"),
            SansIoSession::send_request,
        )
    }
}

/// Sends a request, as anwdl_client_interface_send_request(), with parameters from an anwdl_data_t. Python:
/// ClientInterface.sendRequest(verb, parameters).
/// @param parameters An object; NULL for {}. An array is ANWDL_REASON_INVALID_ARGUMENT.
#[cfg(unix)]
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_client_interface_send_request_data(
    client_interface: *mut anwdl_client_interface_t,
    verb: *const c_char,
    parameters: *const anwdl_data_t,
) -> anwdl_status_t {
    // SAFETY: the header requires live objects, or NULL.
    unsafe {
        send_request(
            client_interface,
            verb,
            move || json_of(parameters, "parameters"),
            ClientInterface::send_request,
        )
    }
}
