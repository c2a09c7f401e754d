//! Reading values.

use super::anwdl_value_type_t::*;
use super::*;

const PARAMETERS: &str = r#"{"verb": "READ", "parameters": {"disks": [{"name": "sd\u0061", "size": 10},
    {"size": 123456789012345678901234567890, "\u00e9\u0000": null}], "load": -2.5e1, "on": true, "a/b~": "x",
    "huge": 1e400, "": []}}"#;

struct Read {
    request: *mut anwdl_request_t,
    parameters: anwdl_value_t,
}

impl Drop for Read {
    fn drop(&mut self) {
        // SAFETY: it is not used any more.
        unsafe { anwdl_request_free(self.request) }
    }
}

fn read(text: &str) -> Read {
    let request = request_into_raw(Arc::new(Request::from_text(text)));
    // SAFETY: the request is live.
    let parameters = unsafe { anwdl_request_get_parameters(request) };
    Read {
        request,
        parameters,
    }
}

const NONE: anwdl_value_t = anwdl_value_t {
    owner: null(),
    place: 0,
    level: 0,
};

fn find(value: anwdl_value_t, pointer: &CStr) -> anwdl_value_t {
    // SAFETY: the value is live.
    unsafe { anwdl_value_find(value, pointer.as_ptr()) }
}

fn kind(value: anwdl_value_t) -> anwdl_value_type_t {
    // SAFETY: the value is live.
    unsafe { anwdl_value_get_type(value) }
}

fn string(value: anwdl_value_t, pointer: &CStr) -> Result<String, anwdl_error_reason_t> {
    let (mut string, mut len) = (null(), 0);
    // SAFETY: the value is live, and the string ends with NUL.
    unsafe {
        match anwdl_value_get_string(value, pointer.as_ptr(), &mut string, &mut len) {
            ANWDL_OK => {
                let bytes = std::slice::from_raw_parts(string.cast::<u8>(), len + 1);
                let (nul, bytes) = bytes.split_last().unwrap();
                assert_eq!(*nul, 0);
                Ok(String::from_utf8(bytes.to_vec()).unwrap())
            }
            status => {
                assert_eq!(status, ANWDL_VALUE_ERROR);
                assert!(string.is_null() && len == 0);
                Err(last_reason())
            }
        }
    }
}

fn name(value: anwdl_value_t) -> Option<Vec<u8>> {
    let mut len = 0;
    // SAFETY: the value is live, and the name ends with NUL.
    unsafe {
        let name = anwdl_value_get_name(value, &mut len);
        (!name.is_null()).then(|| std::slice::from_raw_parts(name.cast(), len).to_vec())
    }
}

fn json_of(value: anwdl_value_t) -> String {
    let mut json = null_mut();
    ok!(anwdl_value_to_json(value, &mut json));
    // SAFETY: it is a string of the library's.
    unsafe {
        let text = CStr::from_ptr(json).to_str().unwrap().to_owned();
        anwdl_string_free(json);
        text
    }
}

#[test]
fn every_value_is_read_by_its_place() {
    let Read { parameters, .. } = &read(PARAMETERS);
    let (mut integer, mut float, mut boolean) = (0, 0.0, false);
    let value = *parameters;
    ok!(anwdl_value_get_integer(
        value,
        c"/disks/0/size".as_ptr(),
        &mut integer
    ));
    ok!(anwdl_value_get_float(value, c"/load".as_ptr(), &mut float));
    ok!(anwdl_value_get_boolean(
        value,
        c"/on".as_ptr(),
        &mut boolean
    ));
    assert_eq!((integer, float, boolean), (10, -25.0, true));
    ok!(anwdl_value_get_float(
        value,
        c"/disks/0/size".as_ptr(),
        &mut float
    ));
    assert_eq!(float, 10.0);
    assert_eq!(string(value, c"/disks/0/name").as_deref(), Ok("sda"));
    assert_eq!(string(value, c"/a~1b~0").as_deref(), Ok("x"));
    assert_eq!(
        json_of(find(value, c"/disks/1/size")),
        "123456789012345678901234567890"
    );
    let types = [
        (c"", ANWDL_VALUE_OBJECT),
        (c"/", ANWDL_VALUE_ARRAY),
        (c"/disks", ANWDL_VALUE_ARRAY),
        (c"/load", ANWDL_VALUE_FLOAT),
        (c"/on", ANWDL_VALUE_BOOLEAN),
        (c"/a~1b~0", ANWDL_VALUE_STRING),
        (c"/disks/1/size", ANWDL_VALUE_INTEGER),
        (c"/disks/2", ANWDL_VALUE_NONE),
        (c"/disks/00", ANWDL_VALUE_NONE),
        (c"/disks/-", ANWDL_VALUE_NONE),
        (c"/load/x", ANWDL_VALUE_NONE),
    ];
    for (pointer, expected) in types {
        assert_eq!(kind(find(value, pointer)), expected, "{pointer:?}");
    }
    // SAFETY: the value is live.
    let member = unsafe { anwdl_value_get_member(value, c"a/b~".as_ptr()) };
    assert_eq!(string(member, c"").as_deref(), Ok("x"));
}

#[test]
fn elements_and_members_come_in_order() {
    let read = read(PARAMETERS);
    let mut seen = Vec::new();
    // SAFETY: all are live.
    unsafe {
        let mut member = anwdl_value_get_first(read.parameters);
        while kind(member) != ANWDL_VALUE_NONE {
            seen.push(String::from_utf8(name(member).unwrap()).unwrap());
            member = anwdl_value_get_next(member);
        }
        assert_eq!(seen, ["disks", "load", "on", "a/b~", "huge", ""]);
        assert_eq!(anwdl_value_get_count(read.parameters), 6);
        let disks = find(read.parameters, c"/disks");
        assert_eq!(anwdl_value_get_count(disks), 2);
        let second = anwdl_value_get_next(anwdl_value_get_first(disks));
        assert_eq!(name(second), None);
        let last = anwdl_value_get_next(anwdl_value_get_first(second));
        assert_eq!(kind(last), ANWDL_VALUE_NULL);
        assert_eq!(name(last).as_deref(), Some("\u{e9}\0".as_bytes()));
        assert_eq!(kind(anwdl_value_get_next(last)), ANWDL_VALUE_NONE);
        assert_eq!(
            kind(anwdl_value_get_next(read.parameters)),
            ANWDL_VALUE_NONE
        );
        assert_eq!(anwdl_value_get_first(last), NONE);
        assert_eq!(anwdl_value_get_count(last), 0);
    }
}

#[test]
fn what_is_not_there_has_a_reason() {
    let value = read(PARAMETERS);
    let value = &value.parameters;
    let (mut integer, mut float, mut boolean) = (7, 7.0, true);
    for (pointer, reason) in [
        (c"/nothing", ANWDL_REASON_NOT_FOUND),
        (c"/load", ANWDL_REASON_WRONG_TYPE),
        (c"/disks/1/size", ANWDL_REASON_OUT_OF_RANGE),
        (c"load", ANWDL_REASON_INVALID_ARGUMENT),
        (c"/~", ANWDL_REASON_INVALID_ARGUMENT),
        (c"/x/~2", ANWDL_REASON_INVALID_ARGUMENT),
    ] {
        // SAFETY: the value is live.
        let status = unsafe { anwdl_value_get_integer(*value, pointer.as_ptr(), &mut integer) };
        assert_eq!(
            (status, last_reason()),
            (ANWDL_VALUE_ERROR, reason),
            "{pointer:?}"
        );
    }
    // SAFETY: the value is live.
    unsafe {
        let status = anwdl_value_get_float(*value, c"/huge".as_ptr(), &mut float);
        assert_eq!(
            (status, last_reason()),
            (ANWDL_VALUE_ERROR, ANWDL_REASON_OUT_OF_RANGE)
        );
        let status = anwdl_value_get_boolean(*value, c"/load".as_ptr(), &mut boolean);
        assert_eq!(
            (status, last_reason()),
            (ANWDL_VALUE_ERROR, ANWDL_REASON_WRONG_TYPE)
        );
    }
    assert_eq!(
        last_message(),
        "the value at \"/load\" is a float, not a boolean"
    );
    assert_eq!(string(*value, c"/on"), Err(ANWDL_REASON_WRONG_TYPE));
    assert_eq!((integer, float, boolean), (7, 7.0, true));
}

#[test]
fn no_value_is_none_in_every_function() {
    let (mut integer, mut float, mut boolean, mut json) = (0, 0.0, false, null_mut());
    // SAFETY: every place can be written.
    unsafe {
        forget_last_error();
        assert_eq!(kind(NONE), ANWDL_VALUE_NONE);
        assert_eq!(find(NONE, c"/x"), NONE);
        assert_eq!(anwdl_value_get_member(NONE, c"x".as_ptr()), NONE);
        assert_eq!(anwdl_value_get_first(NONE), NONE);
        assert_eq!(anwdl_value_get_next(NONE), NONE);
        assert_eq!(anwdl_value_get_count(NONE), 0);
        assert!(anwdl_value_get_name(NONE, null_mut()).is_null());
        assert_untouched();
        let mut data = null_mut();
        ok!(anwdl_data_new(&mut data));
        for status in [
            anwdl_value_get_integer(NONE, c"".as_ptr(), &mut integer),
            anwdl_value_get_float(NONE, c"".as_ptr(), &mut float),
            anwdl_value_get_boolean(NONE, c"".as_ptr(), &mut boolean),
            anwdl_value_to_json(NONE, &mut json),
            anwdl_data_set_value(data, c"x".as_ptr(), NONE),
            anwdl_data_add_value(data, NONE),
        ] {
            assert_eq!(
                (status, last_reason()),
                (ANWDL_VALUE_ERROR, ANWDL_REASON_NOT_FOUND)
            );
        }
        assert_eq!(string(NONE, c""), Err(ANWDL_REASON_NOT_FOUND));
        anwdl_data_free(data);
    }
}

#[test]
fn values_refuse_wrong_arguments() {
    let value = read(PARAMETERS);
    let value = value.parameters;
    let (mut integer, mut float, mut boolean, mut text) = (0, 0.0, false, null());
    let pointer = c"".as_ptr();
    gives!(NONE, "request", anwdl_request_get_parameters(null()));
    gives!(NONE, "response", anwdl_response_get_data(null()));
    gives!(NONE, "data", anwdl_data_get_value(null()));
    gives!(NONE, "pointer", anwdl_value_find(value, null()));
    gives!(NONE, "name", anwdl_value_get_member(value, null()));
    value_error!(
        "pointer",
        anwdl_value_get_integer(value, null(), &mut integer)
    );
    value_error!(
        "out_value",
        anwdl_value_get_integer(value, pointer, null_mut())
    );
    value_error!("pointer", anwdl_value_get_float(value, null(), &mut float));
    value_error!(
        "out_value",
        anwdl_value_get_float(value, pointer, null_mut())
    );
    value_error!(
        "pointer",
        anwdl_value_get_boolean(value, null(), &mut boolean)
    );
    value_error!(
        "out_value",
        anwdl_value_get_boolean(value, pointer, null_mut())
    );
    value_error!(
        "pointer",
        anwdl_value_get_string(value, null(), &mut text, null_mut())
    );
    value_error!(
        "out_string",
        anwdl_value_get_string(value, pointer, null_mut(), null_mut())
    );
    value_error!("out_json", anwdl_value_to_json(value, null_mut()));
    // One that the library never gave.
    for (place, level) in [(u32::MAX, 1), (2, 1), (5, 0)] {
        let forged = anwdl_value_t {
            place,
            level,
            ..value
        };
        gives!(ANWDL_VALUE_NONE, "value", anwdl_value_get_type(forged));
    }
}

#[test]
fn values_are_put_into_data_and_read_there() {
    let read = read(PARAMETERS);
    let mut data = null_mut();
    let mut list = null_mut();
    ok!(anwdl_data_new(&mut data));
    ok!(anwdl_data_new_array(&mut list));
    // SAFETY: all are live.
    unsafe {
        ok!(anwdl_data_set_value(
            data,
            c"echo".as_ptr(),
            find(read.parameters, c"/disks/1")
        ));
        ok!(anwdl_data_set_float(data, c"load".as_ptr(), 1.0));
        ok!(anwdl_data_set_json(
            data,
            c"big".as_ptr(),
            c"18446744073709551616".as_ptr()
        ));
        let own = anwdl_data_get_value(data);
        ok!(anwdl_data_set_value(data, c"own".as_ptr(), own));
        ok!(anwdl_data_add_value(
            list,
            find(anwdl_data_get_value(data), c"/own/big")
        ));
        ok!(anwdl_data_add_float(list, -0.1));
        ok!(anwdl_data_add_json(list, c" [1,\"\\u00e9\"] ".as_ptr()));
        assert_eq!(
            json_of(anwdl_data_get_value(list)),
            r#"[18446744073709551616, -0.1, [1, "\u00e9"]]"#
        );
        let echo = "{\"size\": 123456789012345678901234567890, \"\\u00e9\\u0000\": null}";
        let inner = format!("\"echo\": {echo}, \"load\": 1.0, \"big\": 18446744073709551616");
        assert_eq!(
            json_of(anwdl_data_get_value(data)),
            format!("{{{inner}, \"own\": {{{inner}}}}}")
        );
    }
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        value_error!("value", anwdl_data_set_float(data, c"x".as_ptr(), float));
        value_error!("value", anwdl_data_add_float(list, float));
    }
    value_error!(
        "json",
        anwdl_data_set_json(data, c"x".as_ptr(), c"nul".as_ptr())
    );
    value_error!("json", anwdl_data_add_json(list, c"".as_ptr()));
    value_error!(
        "data",
        anwdl_data_set_value(null_mut(), c"x".as_ptr(), read.parameters)
    );
    value_error!("data", anwdl_data_add_value(null_mut(), read.parameters));
    value_error!("data", anwdl_data_set_float(null_mut(), c"x".as_ptr(), 1.0));
    value_error!("data", anwdl_data_add_float(null_mut(), 1.0));
    value_error!(
        "data",
        anwdl_data_set_json(list, c"x".as_ptr(), c"1".as_ptr())
    );
    value_error!("data", anwdl_data_add_json(data, c"1".as_ptr()));
    // SAFETY: they are not used any more.
    unsafe {
        anwdl_data_free(data);
        anwdl_data_free(list);
    }
}
