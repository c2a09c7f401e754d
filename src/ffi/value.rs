//! `anwdl_value_t`: reading the parameters of requests and the data of responses.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::data::anwdl_data_t;
use super::error::anwdl_status_t;
use super::memory::set_string;
use super::request::anwdl_request_t;
use super::response::anwdl_response_t;
use super::{borrow, borrow_mut, output, status, text, value_or};
use crate::error::{Error, Reason};
use crate::message::{DataValue, Value, ValueType, Values, not_given};

/// What a value is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum anwdl_value_type_t {
    /// There is no value: what was looked for is not there.
    ANWDL_VALUE_NONE = 0,
    /// null.
    ANWDL_VALUE_NULL = 1,
    /// true or false.
    ANWDL_VALUE_BOOLEAN = 2,
    /// A number without fraction and exponent, of however many digits.
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

/// A value among the parameters of a request, the data of a response, or data that were put together.
///
/// It is copied like a number and never freed. It belongs to the request, response or data that it was
/// asked of, and is valid until that is freed or changed. Many threads may read it at once. Its fields
/// are the library's. An anwdl_value_t of zeros is no value, and so is what is returned where there is
/// none; all functions take that, and find nothing in it.
///
/// A value is a place in the text that was received. What is asked of it is read from there: a call
/// takes no longer than to read that text once, to pass all elements of an array takes no longer
/// either, and nothing is allocated for a value. Only strings are decoded, all of them when the first
/// one is asked for. They are wiped with the request, and take no more memory than its text.
///
/// The functions that take a pointer take a JSON Pointer (RFC 6901), from the value on: "/disks/0/size"
/// is the member "size" of the first element of the member "disks", and "" is the value itself. In a
/// name, "~1" stands for a slash and "~0" for a tilde. A name that others have chosen is
/// looked for by anwdl_value_get_member(), which takes it as it is. Pass the elements of a long array with
/// anwdl_value_get_next(): a pointer with a number counts from the first one each time.
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
    /// What it belongs to; NULL if there is no value.
    pub owner: *const c_void,
    /// Where it is there.
    pub place: u32,
    /// How many objects and arrays it is in.
    pub level: u32,
}

const NONE: anwdl_value_t = anwdl_value_t {
    owner: ptr::null(),
    place: 0,
    level: 0,
};

/// A value for C.
fn lend(value: Option<Value<'_>>) -> Result<anwdl_value_t, Error> {
    let Some((values, place, level)) = value.map(Value::place) else {
        return Ok(NONE);
    };
    let narrow = |number: usize| {
        u32::try_from(number).map_err(|_| {
            Error::new(
                Reason::OutOfRange,
                "the data are longer than 4 GiB, beyond what a value can tell",
            )
        })
    };
    Ok(anwdl_value_t {
        owner: ptr::from_ref(values).cast(),
        place: narrow(place)?,
        level: narrow(level)?,
    })
}

/// The value that [`lend`] told C of.
///
/// # Safety
/// What it belongs to is alive, and is not changed meanwhile.
unsafe fn optional<'a>(value: anwdl_value_t) -> Result<Option<Value<'a>>, Error> {
    // SAFETY: it is NULL, or `lend` made it; the caller vouches for the rest.
    let Some(values) = (unsafe { value.owner.cast::<Values>().as_ref() }) else {
        return Ok(None);
    };
    let found = values.value_at(value.place as usize, value.level as usize);
    found.map(Some).ok_or_else(not_given)
}

/// The same where there has to be one.
///
/// # Safety
/// As for [`optional`].
unsafe fn required<'a>(value: anwdl_value_t) -> Result<Value<'a>, Error> {
    // SAFETY: the caller vouches for it.
    let value = unsafe { optional(value) }?;
    value.ok_or_else(|| Error::new(Reason::NotFound, "there is no value"))
}

/// The parameters of a request, for reading.
///
/// @param request The request; not NULL.
///
/// @return The parameters, an object, valid until the request is freed. No value if request is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: request["parameters"].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_request_get_parameters(
    request: *const anwdl_request_t,
) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes NULL or a live request.
        let request = unsafe { borrow(request, "request") }?;
        lend(Some(request.parameters()))
    })
}

/// The data of a response, for reading.
///
/// @param response The response; not NULL.
///
/// @return The data, an object, valid until the response is freed. No value if response is NULL
///   (ANWDL_REASON_INVALID_ARGUMENT).
///
/// Python: response["data"].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_response_get_data(
    response: *const anwdl_response_t,
) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes NULL or a live response.
        let response = unsafe { borrow(response, "response") }?;
        lend(Some(response.data()))
    })
}

/// Data that were put together, for reading.
///
/// They are written as one text for it, which is kept until they are changed.
///
/// @param data The data; not NULL.
///
/// @return The data, an object or an array, valid until they are changed or freed. No value if data is
///   NULL (ANWDL_REASON_INVALID_ARGUMENT), longer than 4 GiB (ANWDL_REASON_OUT_OF_RANGE), or there is no
///   memory for the text (ANWDL_REASON_INTERNAL).
///
/// Python: data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_data_get_value(data: *const anwdl_data_t) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes NULL or live data.
        let data = unsafe { borrow(data, "data") }?;
        lend(Some(data.value()?))
    })
}

/// What a value is.
///
/// @param value The value.
///
/// @return Its type; ANWDL_VALUE_NONE if there is no value.
///
/// Python: type(value).
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

/// The value that a JSON Pointer leads to.
///
/// @param value The value where it begins.
/// @param pointer The JSON Pointer, UTF-8; not NULL.
///
/// @return The value, valid as long as the one it was asked of. No value if there is none there, which
///   is no failure: the last error stays as it was. No value as well, with
///   ANWDL_REASON_INVALID_ARGUMENT, if pointer is NULL, not UTF-8 or no JSON Pointer.
///
/// Python: value["disks"][0] for "/disks/0".
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
            Some(value) => lend(value.at(pointer)?),
            None => Ok(NONE),
        }
    })
}

/// The member of an object that has a name, taken as it is.
///
/// @param value The object.
/// @param name The name of the member, UTF-8; not NULL.
///
/// @return The value of the member, valid as long as the object. No value if there is no such member,
///   or value is no object, which is no failure: the last error stays as it was. No value as well, with
///   ANWDL_REASON_INVALID_ARGUMENT, if name is NULL or not UTF-8.
///
/// Python: value.get(name).
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
        lend(value.and_then(|value| value.member(name)))
    })
}

/// The first element of an array, or the value of the first member of an object.
///
/// @param value The array or object.
///
/// @return The element, valid as long as the array or object. No value if there is none, or value is
///   neither.
///
/// Python: next(iter(value)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_first(value: anwdl_value_t) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes no value or a live one.
        let value = unsafe { optional(value) }?;
        lend(value.and_then(Value::first))
    })
}

/// The next element of the array that a value is in, or the value of the next member of the object.
///
/// The order is that of the text. To pass all elements takes as long as to read the array once.
///
/// @param value The element, or the value of a member.
///
/// @return The next one, valid as long as value. No value if value was the last one, or is in no array
///   or object.
///
/// Python: next() of the iterator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_next(value: anwdl_value_t) -> anwdl_value_t {
    value_or(NONE, || {
        // SAFETY: the caller passes no value or a live one.
        let value = unsafe { optional(value) }?;
        lend(value.and_then(Value::next))
    })
}

/// How many elements an array has, or how many members an object.
///
/// @param value The array or object. They are counted each time.
///
/// @return Their number; 0 if there is no value, or value is neither.
///
/// Python: len(value).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn anwdl_value_get_count(value: anwdl_value_t) -> usize {
    value_or(0, || {
        // SAFETY: the caller passes no value or a live one.
        let value = unsafe { optional(value) }?;
        Ok(value.map_or(0, Value::count))
    })
}

/// The name of a member of an object.
///
/// @param value The value of the member.
/// @param out_len Where to write the length of the name in bytes, without the NUL at its end; may be
///   NULL. A name can have NULs of its own, which only the length tells from its end; do not look for such
///   a name with anwdl_value_get_member(), which takes it for what comes before the NUL. Written only if
///   a name is returned.
///
/// @return The name in UTF-8, JSON escapes resolved, ending with NUL, valid as long as value. NULL if
///   value is no member of an object, which is no failure: the last error stays as it was. NULL as
///   well, with ANWDL_REASON_INTERNAL, if there is no memory to decode the names.
///
/// Python: the key in value.items().
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
        let Some(name) = value.name_with_nul()? else {
            return Ok(ptr::null());
        };
        if !out_len.is_null() {
            // SAFETY: the caller passes NULL or a place for a length.
            unsafe { output(out_len, "out_len") }?.set(name.len() - 1);
        }
        Ok(name.as_ptr().cast())
    })
}

/// Reads true or false.
///
/// @param value The value where pointer begins.
/// @param pointer A JSON Pointer, such as "/is_shared"; "" for value itself; UTF-8; not NULL.
/// @param out_value Where to write it; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_NOT_FOUND: there is no such value. ANWDL_REASON_WRONG_TYPE:
///   it is something else (1 and "true" are no booleans). ANWDL_REASON_INVALID_ARGUMENT: pointer or
///   out_value is NULL, or pointer is not UTF-8 or no JSON Pointer.
///
/// Python: value[name].
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

/// Reads an integer of 64 bits with a sign.
///
/// @param value The value where pointer begins.
/// @param pointer A JSON Pointer, such as "/size"; "" for value itself; UTF-8; not NULL.
/// @param out_value Where to write it; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_NOT_FOUND: there is no such value. ANWDL_REASON_WRONG_TYPE:
///   it is something else (1.0, 1e3 and true are no integers). ANWDL_REASON_OUT_OF_RANGE: it does not
///   fit 64 bits; anwdl_value_to_json() has every digit. ANWDL_REASON_INVALID_ARGUMENT: pointer or
///   out_value is NULL, or pointer is not UTF-8 or no JSON Pointer.
///
/// Python: value[name].
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

/// Reads a number as a double, the nearest one.
///
/// @param value The value where pointer begins.
/// @param pointer A JSON Pointer, such as "/load"; "" for value itself; UTF-8; not NULL.
/// @param out_value Where to write it; not NULL. Never infinite.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_NOT_FOUND: there is no such value. ANWDL_REASON_WRONG_TYPE:
///   it is no number. ANWDL_REASON_OUT_OF_RANGE: it is larger than every double;
///   anwdl_value_to_json() has every digit. ANWDL_REASON_INVALID_ARGUMENT: pointer or out_value is
///   NULL, or pointer is not UTF-8 or no JSON Pointer.
///
/// Python: float(value[name]).
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

/// Reads a string.
///
/// @param value The value where pointer begins.
/// @param pointer A JSON Pointer, such as "/name"; "" for value itself; UTF-8; not NULL.
/// @param out_string Where to write the string: UTF-8, JSON escapes resolved, ending with NUL, borrowed,
///   valid as long as value; not NULL.
/// @param out_len Where to write the length of the string in bytes, without the NUL at its end; may be
///   NULL. A string can have NULs of its own, which only the length tells from its end.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_NOT_FOUND: there is no such value. ANWDL_REASON_WRONG_TYPE:
///   it is no string. ANWDL_REASON_INVALID_ARGUMENT: pointer or out_string is NULL, or pointer is not
///   UTF-8 or no JSON Pointer.
/// @retval ANWDL_RUNTIME_ERROR ANWDL_REASON_INTERNAL: there is no memory to decode the strings.
///
/// Python: value[name].
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

/// A value as JSON text: an integer with all its digits, for example, or an array with all that is in
/// it. It is written as anwdl_data_to_json() writes, and can be half as long again as what was received;
/// while the call runs, it takes twice the length of the text.
///
/// @param value The value.
/// @param out_json Where to write the text, UTF-8, ending with NUL and with no NUL inside, to be
///   freed with anwdl_string_free(), which wipes it; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_NOT_FOUND: there is no value. ANWDL_REASON_INVALID_ARGUMENT:
///   out_json is NULL.
///
/// Python: json.dumps(value, ensure_ascii=False).
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

/// Sets a member of an object to a copy of a value.
///
/// @param data The object; not NULL.
/// @param name The name of the member, UTF-8; not NULL.
/// @param value The value, of whatever type; copied. It may be one of data's own.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_NOT_FOUND: there is no value. ANWDL_REASON_INVALID_ARGUMENT:
///   data or name is NULL, name is not UTF-8, data is an array, or data would have more than 64 levels.
///
/// Python: data[name] = copy.deepcopy(value).
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

/// Adds a copy of a value at the end of an array.
///
/// @param data The array; not NULL.
/// @param value The value, of whatever type; copied. It may be one of data's own.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_NOT_FOUND: there is no value. ANWDL_REASON_INVALID_ARGUMENT:
///   data is NULL, data is an object, or data would have more than 64 levels.
///
/// Python: data.append(copy.deepcopy(value)).
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

/// Sets a member of an object to a float.
///
/// @param data The object; not NULL.
/// @param name The name of the member, UTF-8; not NULL.
/// @param value The float; it is written so that the same one is read again, 1 as 1.0.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data or name is NULL, name is not
///   UTF-8, data is an array, or value is infinite or NaN, which JSON cannot say.
///
/// Python: data[name] = value.
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

/// Adds a float at the end of an array.
///
/// @param data The array; not NULL.
/// @param value The float; it is written so that the same one is read again, 1 as 1.0.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: data is NULL, data is an object, or value
///   is infinite or NaN, which JSON cannot say.
///
/// Python: data.append(value).
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

/// Sets a member of an object to a value that is written as JSON: an integer of more than 64 bits, for
/// example. Numbers and strings stay as they are written, to the last digit.
///
/// @param data The object; not NULL.
/// @param name The name of the member, UTF-8; not NULL.
/// @param json The text of any JSON value, UTF-8; copied; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, name or json is not
///   UTF-8, json is no JSON as anwdl_data_from_json() takes it, data is an array, or data would have
///   more than 64 levels.
///
/// Python: data[name] = json.loads(text).
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

/// Adds a value that is written as JSON at the end of an array.
///
/// @param data The array; not NULL.
/// @param json The text of any JSON value, UTF-8; copied; not NULL.
///
/// @retval ANWDL_OK
/// @retval ANWDL_VALUE_ERROR ANWDL_REASON_INVALID_ARGUMENT: an argument is NULL, json is not UTF-8 or
///   no JSON as anwdl_data_from_json() takes it, data is an object, or data would have more than 64
///   levels.
///
/// Python: data.append(json.loads(text)).
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
