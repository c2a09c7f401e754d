//! `anwdl_value_t`: reading the parameters of requests and the data of responses.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::data::anwdl_data_t;
use super::error::anwdl_status_t;
use super::memory::set_string;
use super::request::{anwdl_request_t, string_and_length};
use super::response::anwdl_response_t;
use super::{borrow, borrow_mut, output, status, text, value_or};
use crate::error::{Error, Reason};
use crate::message::{DataValue, Value, ValueType, Values, no_value};

/// The type of a value.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_value_type_t {
    /// There is no value.
    ANWDL_VALUE_NONE = 0,
    /// null.
    ANWDL_VALUE_NULL = 1,
    /// true or false.
    ANWDL_VALUE_BOOLEAN = 2,
    /// A number without fraction and exponent, of any length.
    ANWDL_VALUE_INTEGER = 3,
    /// Any other number: 1.0 and 1e3 are floats.
    ANWDL_VALUE_FLOAT = 4,
    /// A string.
    ANWDL_VALUE_STRING = 5,
    /// An array.
    ANWDL_VALUE_ARRAY = 6,
    /// An object.
    ANWDL_VALUE_OBJECT = 7,
}

use anwdl_value_type_t::*;

/// A value in the parameters of a request, in the data of a response, or in an anwdl_data_t. Copy it like a
/// number; it is never freed. It is valid until the object that it came from is freed or changed, and so are
/// the values and strings that are read from it. Many threads may read it at once. Its fields are private.
///
/// An anwdl_value_t of zeros is "no value". Functions return it where there is nothing, which is not a failure
/// and leaves the last error alone. All functions accept it, and find nothing in it.
///
/// A value is a place in the JSON text, and needs no memory. Reading it takes at most as long as to read the
/// text once, and so does walking through a whole array with anwdl_value_get_next(). Only strings and names are
/// decoded, all of them when the first one is read; together they are no longer than the text, and are wiped
/// with it. They are UTF-8 and end with NUL, but can contain NULs too: only their length shows where they end.
///
/// A parameter named pointer is a JSON Pointer (RFC 6901) that begins at the value: "/disks/0/size" is the
/// member "size" of the first element of the member "disks", and "" is the value itself. In a name, write "~1"
/// for a slash and "~0" for a tilde. What is not a JSON Pointer is ANWDL_REASON_INVALID_ARGUMENT. For names
/// that others have chosen use anwdl_value_get_member(), and for long arrays anwdl_value_get_next(), as a
/// pointer counts the elements from the first one each time.
///
/// Each disk of {"disks": [{"name": "sda", "size": 10}]}:
///
/// @code{.c}
/// #include <stdio.h>
///
/// #include <anwdl.h>
///
/// anwdl_status_t print_disks(const anwdl_request_t *request)
/// {
///     anwdl_value_t parameters = anwdl_request_get_parameters(request);
///     anwdl_value_t disk = anwdl_value_get_first(anwdl_value_find(parameters, "/disks"));
///     for (; anwdl_value_get_type(disk) != ANWDL_VALUE_NONE; disk = anwdl_value_get_next(disk)) {
///         const char *name;
///         double size;
///         anwdl_status_t status = anwdl_value_get_string(disk, "/name", &name, NULL);
///         if (status == ANWDL_OK)
///             status = anwdl_value_get_float(disk, "/size", &size);
///         if (status != ANWDL_OK)
///             return status;
///         printf("%s: %g\n", name, size);
///     }
///     return ANWDL_OK;
/// }
/// @endcode
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct anwdl_value_t {
    /// The object that it belongs to; NULL for no value.
    pub owner: *const c_void,
    /// Its place there.
    pub place: u32,
    /// How deep it is nested.
    pub level: u32,
}

const NONE: anwdl_value_t = anwdl_value_t {
    owner: ptr::null(),
    place: 0,
    level: 0,
};

/// A value for C.
fn to_c(value: Option<Value<'_>>) -> Result<anwdl_value_t, Error> {
    let Some((values, place, level)) = value.map(Value::place) else {
        return Ok(NONE);
    };
    let to_u32 = |number: usize| {
        u32::try_from(number).map_err(|_| {
            Error::new(
                Reason::OutOfRange,
                "the data is longer than 4 GiB, the limit for reading values",
            )
        })
    };
    Ok(anwdl_value_t {
        owner: ptr::from_ref(values).cast(),
        place: to_u32(place)?,
        level: to_u32(level)?,
    })
}

/// The value behind one that C passes back.
///
/// # Safety
/// Its owner is alive, and does not change during the borrow.
unsafe fn optional<'a>(value: anwdl_value_t) -> Result<Option<Value<'a>>, Error> {
    // SAFETY: it is NULL, or `to_c` made it; the caller guarantees the rest.
    let Some(values) = (unsafe { value.owner.cast::<Values>().as_ref() }) else {
        return Ok(None);
    };
    let found = values.value_at(value.place as usize, value.level as usize);
    found.map(Some).ok_or_else(no_value)
}

/// Like [`optional`], but "no value" is an error.
///
/// # Safety
/// As for [`optional`].
unsafe fn required<'a>(value: anwdl_value_t) -> Result<Value<'a>, Error> {
    // SAFETY: the caller guarantees it.
    let value = unsafe { optional(value) }?;
    value.ok_or_else(|| Error::new(Reason::NotFound, "there is no value"))
}

/// The parameters of a request, for reading. Python: request["parameters"].
/// @return The parameters, an object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_parameters(
    request: *const anwdl_request_t,
) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes NULL or a live request.
        let request = unsafe { borrow(request, "request") }?;
        to_c(Some(request.parameters()))
    })
}

/// The data of a response, for reading. Python: response["data"].
/// @return The data, an object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_data(
    response: *const anwdl_response_t,
) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes NULL or a live response.
        let response = unsafe { borrow(response, "response") }?;
        to_c(Some(response.data()))
    })
}

/// The content of an anwdl_data_t, for reading. It is written as JSON for this, and the text is kept until the
/// data is changed. Python: data.
/// @return The object or array; no value also if its text is longer than 4 GiB (ANWDL_REASON_OUT_OF_RANGE) or
///   finds no memory (ANWDL_REASON_INTERNAL).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_get_value(data: *const anwdl_data_t) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes NULL or live data.
        let data = unsafe { borrow(data, "data") }?;
        to_c(Some(data.value()?))
    })
}

/// The type of a value. Python: type(value).
/// @return The type; ANWDL_VALUE_NONE for no value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_type(value: anwdl_value_t) -> anwdl_value_type_t {
    value_or(ANWDL_VALUE_NONE, || {
        // SAFETY: the caller passes no value or a live one.
        let value = unsafe { optional(value) }?;
        Ok(
            value.map_or(ANWDL_VALUE_NONE, |value| match value.value_type() {
                ValueType::Null => ANWDL_VALUE_NULL,
                ValueType::Boolean => ANWDL_VALUE_BOOLEAN,
                ValueType::Integer => ANWDL_VALUE_INTEGER,
                ValueType::Float => ANWDL_VALUE_FLOAT,
                ValueType::String => ANWDL_VALUE_STRING,
                ValueType::Array => ANWDL_VALUE_ARRAY,
                ValueType::Object => ANWDL_VALUE_OBJECT,
            }),
        )
    })
}

/// Finds a value by a JSON Pointer. Python: value["disks"][0] for "/disks/0".
/// @param value The value where the pointer begins.
/// @param pointer The JSON Pointer, UTF-8.
/// @return The value; no value if there is none at that place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_find(
    value: anwdl_value_t,
    pointer: *const c_char,
) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes no value or a live one.
        let value = unsafe { optional(value) }?;
        // SAFETY: the caller passes NULL or a string.
        let pointer = unsafe { text(pointer, "pointer") }?;
        match value {
            Some(value) => to_c(value.at(pointer)?),
            None => Ok(NONE),
        }
    })
}

/// Finds a member of an object by its name, in which "/" and "~" mean nothing special. Python: value.get(name).
/// @param name The name of the member, UTF-8.
/// @return The value of the member; no value if the object has no such member, or value is not an object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_member(
    value: anwdl_value_t,
    name: *const c_char,
) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes no value or a live one.
        let value = unsafe { optional(value) }?;
        // SAFETY: the caller passes NULL or a string.
        let name = unsafe { text(name, "name") }?;
        to_c(value.and_then(|value| value.member(name)))
    })
}

/// The first element of an array, or the value of the first member of an object. Python: next(iter(value)).
/// @param value The array or object.
/// @return The element; no value if there is none, or value is neither.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_first(value: anwdl_value_t) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes no value or a live one.
        let value = unsafe { optional(value) }?;
        to_c(value.and_then(Value::first))
    })
}

/// The next element of the same array, or the value of the next member of the same object, in the order of the
/// text. Python: next() of the iterator.
/// @param value The element, or the value of a member.
/// @return The next one; no value after the last one, or if value is not in an array or object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_next(value: anwdl_value_t) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes no value or a live one.
        let value = unsafe { optional(value) }?;
        to_c(value.and_then(Value::next))
    })
}

/// Counts the elements of an array, or the members of an object, each time anew. Python: len(value).
/// @param value The array or object.
/// @return Their number; 0 if value is neither.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_count(value: anwdl_value_t) -> usize {
    value_or(0, || {
        // SAFETY: the caller passes no value or a live one.
        let value = unsafe { optional(value) }?;
        Ok(value.map_or(0, Value::count))
    })
}

/// The name of a member of an object. Python: the key in value.items().
/// @param value The value of the member.
/// @param out_len Where to write the length of the name in bytes; may be NULL. Written only if a name is
///   returned. anwdl_value_get_member() cannot find a name that contains NULs.
/// @return The name; NULL if value is not a member of an object, or without memory to decode names
///   (ANWDL_REASON_INTERNAL).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_name(
    value: anwdl_value_t,
    out_len: *mut usize,
) -> *const c_char {
    value_or(ptr::null(), || {
        // SAFETY: the caller passes no value or a live one.
        let Some(value) = (unsafe { optional(value) })? else {
            return Ok(ptr::null());
        };
        // SAFETY: the caller passes NULL or a place for a length.
        unsafe { string_and_length(value.name_with_nul()?, out_len) }
    })
}

/// Reads true or false. Python: value[name].
/// @param value The value where the pointer begins.
/// @param pointer The JSON Pointer, UTF-8, such as "/is_shared"; "" for value itself.
/// @param out_value Where to write true or false.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND or ANWDL_REASON_WRONG_TYPE (1 and "true"
///   are not booleans).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_boolean(
    value: anwdl_value_t,
    pointer: *const c_char,
    out_value: *mut bool,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a string.
        let pointer = unsafe { text(pointer, "pointer") }?;
        // SAFETY: the caller passes NULL or a place for the value.
        let out_value = unsafe { output(out_value, "out_value") }?;
        // SAFETY: the caller passes no value or a live one.
        out_value.set(unsafe { required(value) }?.boolean(pointer)?);
        Ok(())
    })
}

/// Reads an integer of 64 bits with a sign. Python: value[name].
/// @param value The value where the pointer begins.
/// @param pointer The JSON Pointer, UTF-8, such as "/size"; "" for value itself.
/// @param out_value Where to write the integer.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND, ANWDL_REASON_WRONG_TYPE (1.0, 1e3 and
///   true are not integers) or ANWDL_REASON_OUT_OF_RANGE (anwdl_value_to_json() has every digit).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_integer(
    value: anwdl_value_t,
    pointer: *const c_char,
    out_value: *mut i64,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a string.
        let pointer = unsafe { text(pointer, "pointer") }?;
        // SAFETY: the caller passes NULL or a place for the value.
        let out_value = unsafe { output(out_value, "out_value") }?;
        // SAFETY: the caller passes no value or a live one.
        out_value.set(unsafe { required(value) }?.integer(pointer)?);
        Ok(())
    })
}

/// Reads any number as the nearest double. Python: float(value[name]).
/// @param value The value where the pointer begins.
/// @param pointer The JSON Pointer, UTF-8, such as "/load"; "" for value itself.
/// @param out_value Where to write the number; never infinite.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND, ANWDL_REASON_WRONG_TYPE or
///   ANWDL_REASON_OUT_OF_RANGE (larger than every double).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_float(
    value: anwdl_value_t,
    pointer: *const c_char,
    out_value: *mut f64,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a string.
        let pointer = unsafe { text(pointer, "pointer") }?;
        // SAFETY: the caller passes NULL or a place for the value.
        let out_value = unsafe { output(out_value, "out_value") }?;
        // SAFETY: the caller passes no value or a live one.
        out_value.set(unsafe { required(value) }?.float(pointer)?);
        Ok(())
    })
}

/// Reads a string. Python: value[name].
/// @param value The value where the pointer begins.
/// @param pointer The JSON Pointer, UTF-8, such as "/name"; "" for value itself.
/// @param out_string Where to write the address of the string, borrowed and valid as long as value.
/// @param out_len Where to write its length in bytes; may be NULL.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND or ANWDL_REASON_WRONG_TYPE;
///   ANWDL_RUNTIME_ERROR with ANWDL_REASON_INTERNAL without memory to decode the strings.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_string(
    value: anwdl_value_t,
    pointer: *const c_char,
    out_string: *mut *const c_char,
    out_len: *mut usize,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a string.
        let pointer = unsafe { text(pointer, "pointer") }?;
        // SAFETY: the caller passes NULL or a place for the string.
        let out_string = unsafe { output(out_string, "out_string") }?;
        // SAFETY: the caller passes no value or a live one.
        let string = unsafe { required(value) }?.string_with_nul(pointer)?;
        out_string.set(string.as_ptr().cast());
        if !out_len.is_null() {
            // SAFETY: the caller passes NULL or a place for a length.
            unsafe { output(out_len, "out_len") }?.set(string.len() - 1);
        }
        Ok(())
    })
}

/// Writes a value as JSON, as anwdl_data_to_json() does: an integer with all its digits, or a whole array. The
/// text can be half as long again as what was received. The call needs twice its length.
/// Python: json.dumps(value, ensure_ascii=False).
/// @param out_json Where to write the text, UTF-8 with no NUL inside, to be freed with anwdl_string_free().
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND: there is no value.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_to_json(
    value: anwdl_value_t,
    out_json: *mut *mut c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or a place for the string.
        let out_json = unsafe { output(out_json, "out_json") }?;
        // SAFETY: the caller passes no value or a live one.
        let json = unsafe { required(value) }?.to_json()?;
        set_string(out_json, Some(&*json))
    })
}

/// Sets a member to a copy of a value. Python: data[name] = copy.deepcopy(value).
/// @param name The name of the member, UTF-8.
/// @param value The value to copy, of any type; it may be one of data's own.
/// @return ANWDL_OK, or ANWDL_VALUE_ERROR with ANWDL_REASON_NOT_FOUND: there is no value.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_value(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: anwdl_value_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or live data.
        unsafe { borrow(data.cast_const(), "data") }?;
        // SAFETY: the caller passes NULL or a string.
        let name = unsafe { text(name, "name") }?;
        // SAFETY: the caller passes no value or a live one.
        let copy = DataValue::try_from(unsafe { required(value) }?)?;
        // SAFETY: the caller passes NULL or data that it owns.
        unsafe { borrow_mut(data, "data") }?.set(name, copy)
    })
}

/// Appends a copy of a value. Python: data.append(copy.deepcopy(value)).
/// @param value The value to copy, of any type; it may be one of data's own.
/// @return As anwdl_data_set_value().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_value(
    data: *mut anwdl_data_t,
    value: anwdl_value_t,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or live data.
        unsafe { borrow(data.cast_const(), "data") }?;
        // SAFETY: the caller passes no value or a live one.
        let copy = DataValue::try_from(unsafe { required(value) }?)?;
        // SAFETY: the caller passes NULL or data that it owns.
        unsafe { borrow_mut(data, "data") }?.add(copy)
    })
}

/// Sets a member to a float. Python: data[name] = value.
/// @param name The name of the member, UTF-8.
/// @param value The float, written so that reading gives the same one; 1 as 1.0. Infinity and NaN, which JSON
///   does not have, are ANWDL_REASON_INVALID_ARGUMENT.
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_float(
    data: *mut anwdl_data_t,
    name: *const c_char,
    value: f64,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or data that it owns.
        let data = unsafe { borrow_mut(data, "data") }?;
        // SAFETY: the caller passes NULL or a string.
        let name = unsafe { text(name, "name") }?;
        data.set(name, DataValue::float(value)?)
    })
}

/// Appends a float. Python: data.append(value).
/// @param value The float, as for anwdl_data_set_float().
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_float(
    data: *mut anwdl_data_t,
    value: f64,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or data that it owns.
        let data = unsafe { borrow_mut(data, "data") }?;
        data.add(DataValue::float(value)?)
    })
}

/// Sets a member to JSON text, such as an integer of more than 64 bits. Numbers and strings stay
/// as written, to the last digit. Python: data[name] = json.loads(text).
/// @param name The name of the member, UTF-8.
/// @param json Any JSON value, UTF-8, with the limits of anwdl_data_from_json().
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_set_json(
    data: *mut anwdl_data_t,
    name: *const c_char,
    json: *const c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or data that it owns.
        let data = unsafe { borrow_mut(data, "data") }?;
        // SAFETY: the caller passes NULL or a string.
        let name = unsafe { text(name, "name") }?;
        // SAFETY: the caller passes NULL or a string.
        let json = unsafe { text(json, "json") }?;
        data.set(name, DataValue::from_json(json)?)
    })
}

/// Appends JSON text, as anwdl_data_set_json(). Python: data.append(json.loads(text)).
/// @param json Any JSON value, UTF-8, with the limits of anwdl_data_from_json().
/// @return ANWDL_OK or ANWDL_VALUE_ERROR.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_add_json(
    data: *mut anwdl_data_t,
    json: *const c_char,
) -> anwdl_status_t {
    status(|| {
        // SAFETY: the caller passes NULL or data that it owns.
        let data = unsafe { borrow_mut(data, "data") }?;
        // SAFETY: the caller passes NULL or a string.
        let json = unsafe { text(json, "json") }?;
        data.add(DataValue::from_json(json)?)
    })
}
