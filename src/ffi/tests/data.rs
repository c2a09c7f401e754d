//! Data.

use super::*;

fn object() -> *mut anwdl_data_t {
    let mut data = null_mut();
    ok!(anwdl_data_new(&mut data));
    data
}

fn array() -> *mut anwdl_data_t {
    let mut data = null_mut();
    ok!(anwdl_data_new_array(&mut data));
    data
}

fn json_of(data: *const anwdl_data_t) -> String {
    let mut json = null_mut();
    ok!(anwdl_data_to_json(data, &mut json));
    // SAFETY: the string is there until it is freed.
    unsafe {
        let copy = CStr::from_ptr(json).to_str().unwrap().to_owned();
        anwdl_string_free(json);
        copy
    }
}

fn free(all: &[*mut anwdl_data_t]) {
    for &data in all {
        // SAFETY: it is not used any more; NULL is fine.
        unsafe { anwdl_data_free(data) };
    }
}

#[test]
fn everything_that_is_set_is_there() {
    let (data, list, inner) = (object(), array(), object());
    let (name, text) = (c"name".as_ptr(), c"x".as_ptr());
    ok!(anwdl_data_add_string(list, text));
    ok!(anwdl_data_add_string_with_length(
        list,
        b"a\0b".as_ptr().cast(),
        3
    ));
    ok!(anwdl_data_add_string_with_length(list, null(), 0));
    ok!(anwdl_data_add_integer(list, i64::MAX));
    ok!(anwdl_data_add_boolean(list, 1));
    ok!(anwdl_data_add_null(list));
    ok!(anwdl_data_add_object(list, inner));
    ok!(anwdl_data_add_array(list, list));
    let list_json = r#"["x", "a\u0000b", "", 9223372036854775807, true, null, {}, ["x", "a\u0000b", "", 9223372036854775807, true, null, {}]]"#;
    assert_eq!(json_of(list), list_json);

    ok!(anwdl_data_set_string(data, name, text));
    ok!(anwdl_data_set_string_with_length(
        data,
        c"cut".as_ptr(),
        b"a\0b".as_ptr().cast(),
        3
    ));
    ok!(anwdl_data_set_integer(data, c"integer".as_ptr(), -5));
    ok!(anwdl_data_set_boolean(data, c"boolean".as_ptr(), 0));
    ok!(anwdl_data_set_null(data, c"null".as_ptr()));
    ok!(anwdl_data_set_array(data, c"list".as_ptr(), list));
    ok!(anwdl_data_set_integer(data, name, 1));
    ok!(anwdl_data_set_object(data, c"itself".as_ptr(), data));
    let members = format!(
        r#""name": 1, "cut": "a\u0000b", "integer": -5, "boolean": false, "null": null, "list": {list_json}"#
    );
    assert_eq!(
        json_of(data),
        format!("{{{members}, \"itself\": {{{members}}}}}")
    );
    free(&[data, list, inner, null_mut()]);
}

#[test]
fn json_is_taken_as_it_is_written() {
    let mut data = null_mut();
    let json = cr#"{"n":123456789012345678901234567890, "s":"\u00e9"}"#;
    ok!(anwdl_data_from_json(json.as_ptr(), &mut data));
    assert_eq!(
        json_of(data),
        r#"{"n": 123456789012345678901234567890, "s": "\u00e9"}"#
    );
    free(&[data]);
}

#[test]
fn data_refuse_wrong_arguments() {
    let (data, list, none) = (object(), array(), null_mut());
    let (constant, nothing, wrong) = (null(), null(), NOT_UTF_8.as_ptr());
    let (name, text) = (c"name".as_ptr(), c"x".as_ptr());
    let (mut out, mut json) = (null_mut(), null_mut());

    value_error!("out_data", anwdl_data_new(null_mut()));
    value_error!("out_data", anwdl_data_new_array(null_mut()));
    value_error!("json", anwdl_data_from_json(nothing, &mut out));
    value_error!("json", anwdl_data_from_json(wrong, &mut out));
    value_error!("json", anwdl_data_from_json(c"{".as_ptr(), &mut out));
    value_error!("json", anwdl_data_from_json(c"[]".as_ptr(), &mut out));
    value_error!("out_data", anwdl_data_from_json(c"{}".as_ptr(), null_mut()));
    assert!(out.is_null());
    value_error!("data", anwdl_data_to_json(constant, &mut json));
    value_error!("out_json", anwdl_data_to_json(data, null_mut()));
    assert!(json.is_null());

    // Every function, with each argument wrong in turn; an array where an object is due, and the
    // other way round.
    value_error!("data", anwdl_data_set_string(none, name, text));
    value_error!("data", anwdl_data_set_string(list, name, text));
    value_error!("name", anwdl_data_set_string(data, nothing, text));
    value_error!("name", anwdl_data_set_string(data, wrong, text));
    value_error!("value", anwdl_data_set_string(data, name, nothing));
    value_error!("value", anwdl_data_set_string(data, name, wrong));
    value_error!(
        "data",
        anwdl_data_set_string_with_length(none, name, text, 1)
    );
    value_error!(
        "data",
        anwdl_data_set_string_with_length(list, name, text, 1)
    );
    value_error!(
        "name",
        anwdl_data_set_string_with_length(data, nothing, text, 1)
    );
    value_error!(
        "value",
        anwdl_data_set_string_with_length(data, name, nothing, 1)
    );
    value_error!(
        "value",
        anwdl_data_set_string_with_length(data, name, wrong, 1)
    );
    value_error!(
        "value",
        anwdl_data_set_string_with_length(data, name, text, usize::MAX)
    );
    value_error!("data", anwdl_data_set_integer(none, name, 1));
    value_error!("data", anwdl_data_set_integer(list, name, 1));
    value_error!("name", anwdl_data_set_integer(data, nothing, 1));
    value_error!("data", anwdl_data_set_boolean(none, name, 1));
    value_error!("data", anwdl_data_set_boolean(list, name, 1));
    value_error!("name", anwdl_data_set_boolean(data, wrong, 1));
    value_error!("data", anwdl_data_set_null(none, name));
    value_error!("data", anwdl_data_set_null(list, name));
    value_error!("name", anwdl_data_set_null(data, nothing));
    value_error!("data", anwdl_data_set_object(none, name, data));
    value_error!("data", anwdl_data_set_object(list, name, data));
    value_error!("name", anwdl_data_set_object(data, nothing, data));
    value_error!("value", anwdl_data_set_object(data, name, null()));
    value_error!("value", anwdl_data_set_object(data, name, list));
    value_error!("data", anwdl_data_set_array(none, name, list));
    value_error!("data", anwdl_data_set_array(list, name, list));
    value_error!("name", anwdl_data_set_array(data, wrong, list));
    value_error!("array", anwdl_data_set_array(data, name, null()));
    value_error!("array", anwdl_data_set_array(data, name, data));

    value_error!("data", anwdl_data_add_string(none, text));
    value_error!("data", anwdl_data_add_string(data, text));
    value_error!("value", anwdl_data_add_string(list, nothing));
    value_error!("value", anwdl_data_add_string(list, wrong));
    value_error!("data", anwdl_data_add_string_with_length(none, text, 1));
    value_error!("data", anwdl_data_add_string_with_length(data, text, 1));
    value_error!("value", anwdl_data_add_string_with_length(list, nothing, 1));
    value_error!("value", anwdl_data_add_string_with_length(list, wrong, 1));
    value_error!("data", anwdl_data_add_integer(none, 1));
    value_error!("data", anwdl_data_add_integer(data, 1));
    value_error!("data", anwdl_data_add_boolean(none, 1));
    value_error!("data", anwdl_data_add_boolean(data, 1));
    value_error!("data", anwdl_data_add_null(none));
    value_error!("data", anwdl_data_add_null(data));
    value_error!("data", anwdl_data_add_object(none, data));
    value_error!("data", anwdl_data_add_object(data, data));
    value_error!("value", anwdl_data_add_object(list, null()));
    value_error!("value", anwdl_data_add_object(list, list));
    value_error!("data", anwdl_data_add_array(none, list));
    value_error!("data", anwdl_data_add_array(data, list));
    value_error!("array", anwdl_data_add_array(list, null()));
    value_error!("array", anwdl_data_add_array(list, data));

    // Nothing of it was done.
    assert_eq!((json_of(data), json_of(list)), ("{}".into(), "[]".into()));
    free(&[data, list]);
}

#[test]
fn nesting_has_an_end() {
    let mut data = object();
    for _ in 1..64 {
        let outer = object();
        ok!(anwdl_data_set_object(outer, c"a".as_ptr(), data));
        free(&[data]);
        data = outer;
    }
    let deepest = json_of(data);
    value_error!("data", anwdl_data_set_object(data, c"a".as_ptr(), data));
    let list = array();
    value_error!("data", anwdl_data_add_object(list, data));
    assert_eq!((json_of(data), json_of(list)), (deepest, "[]".into()));
    free(&[data, list]);
}

#[test]
fn normalized_data_are_checked_as_they_are_set() {
    let (data, list, none, nothing) = (object(), array(), null_mut(), null());
    let token = std::ffi::CString::new("t".repeat(255)).unwrap();
    let sum = std::ffi::CString::new("a".repeat(64)).unwrap();
    let (token, sum, wrong) = (token.as_ptr(), sum.as_ptr(), NOT_UTF_8.as_ptr());
    let uuid = c"01234567-89ab-cdef-0123-456789abcdef".as_ptr();
    let (user, password) = (c"user_12345".as_ptr(), c"abc".as_ptr());
    let set = |data, uuid, token, sum, user, password, port| {
        // SAFETY: every pointer is NULL or points to what its type says.
        unsafe { anwdl_data_set_container(data, uuid, token, sum, user, password, port) }
    };

    refused("data", ANWDL_VALUE_ERROR, || {
        set(none, uuid, token, sum, user, password, 1)
    });
    refused("data", ANWDL_VALUE_ERROR, || {
        set(list, uuid, token, sum, user, password, 1)
    });
    refused("uuid", ANWDL_VALUE_ERROR, || {
        set(data, nothing, token, sum, user, password, 1)
    });
    refused("token", ANWDL_VALUE_ERROR, || {
        set(data, uuid, wrong, sum, user, password, 1)
    });
    refused("iso_sha256", ANWDL_VALUE_ERROR, || {
        set(data, uuid, token, nothing, user, password, 1)
    });
    refused("user_name", ANWDL_VALUE_ERROR, || {
        set(data, uuid, token, sum, nothing, password, 1)
    });
    refused("password", ANWDL_VALUE_ERROR, || {
        set(data, uuid, token, sum, user, nothing, 1)
    });
    value_error!("data", anwdl_data_set_statistics(none, 1, user));
    value_error!("data", anwdl_data_set_statistics(list, 1, user));
    value_error!("version", anwdl_data_set_statistics(data, 1, nothing));
    value_error!("version", anwdl_data_set_statistics(data, 1, wrong));

    for (field, status) in [
        (
            "container_uuid",
            set(data, user, token, sum, user, password, 1),
        ),
        (
            "client_token",
            set(data, uuid, user, sum, user, password, 1),
        ),
        (
            "container_iso_sha256",
            set(data, uuid, token, user, user, password, 1),
        ),
        (
            "container_username",
            set(data, uuid, token, sum, uuid, password, 1),
        ),
        (
            "container_password",
            set(data, uuid, token, sum, user, uuid, 1),
        ),
        (
            "container_listen_port",
            set(data, uuid, token, sum, user, password, 0),
        ),
    ] {
        assert_eq!(status, ANWDL_VALUE_ERROR, "{field}");
    }
    assert_eq!(last_reason(), ANWDL_REASON_MALFORMED_RESPONSE);
    assert!(last_message().contains("container_listen_port"));
    assert_eq!(json_of(data), "{}");

    ok!(set(data, uuid, token, sum, user, password, 65535));
    ok!(anwdl_data_set_statistics(data, u64::MAX, c"".as_ptr()));
    let json = json_of(data);
    assert!(json.contains("\"container_listen_port\": 65535, \"uptime\": 18446744073709551615"));
    free(&[data, list]);
}

#[test]
fn data_are_sent_as_text_is() {
    let ([client, server], data, list) = (ready_pair(), object(), array());
    let (none, wrong, nothing) = (null_mut::<anwdl_session_t>(), NOT_UTF_8.as_ptr(), null());
    let (text, no_data) = (c"OK".as_ptr(), null::<anwdl_data_t>());
    ok!(anwdl_data_set_string(
        data,
        c"a".as_ptr(),
        c"caf\u{e9}".as_ptr()
    ));

    value_error!("session", anwdl_session_send_request_data(none, text, data));
    value_error!("verb", anwdl_session_send_request_data(client, wrong, data));
    value_error!(
        "parameters",
        anwdl_session_send_request_data(client, text, list)
    );
    value_error!(
        "session",
        anwdl_session_send_response_data(none, 1, text, data, nothing)
    );
    value_error!(
        "message",
        anwdl_session_send_response_data(server, 1, nothing, data, nothing)
    );
    value_error!(
        "data",
        anwdl_session_send_response_data(server, 1, text, list, nothing)
    );
    value_error!(
        "reason",
        anwdl_session_send_response_data(server, 1, text, data, wrong)
    );
    value_error!(
        "client",
        anwdl_client_send_response_data(null_mut(), 1, text, data, nothing)
    );
    let (instance, _peer) = super::client();
    value_error!(
        "data",
        anwdl_client_send_response_data(instance, 1, text, list, nothing)
    );
    value_error!(
        "client_interface",
        anwdl_client_interface_send_request_data(null_mut(), text, data)
    );
    let mut interface = null_mut();
    ok!(anwdl_client_interface_new(null(), &mut interface));
    value_error!(
        "parameters",
        anwdl_client_interface_send_request_data(interface, text, list)
    );

    for (given, expected) in [
        (data.cast_const(), "{\"a\": \"caf\u{e9}\"}"),
        (no_data, "{}"),
    ] {
        let (mut request, mut response) = (null_mut(), null_mut());
        let send = || {
            // SAFETY: every pointer is NULL or points to what its type says.
            unsafe { anwdl_session_send_request_data(client, c"TELL".as_ptr(), given) }
        };
        let receive = || {
            // SAFETY: as above.
            unsafe { anwdl_session_recv_request(server, 0, &mut request) }
        };
        move_all((client, send), (server, receive));
        let send = || {
            // SAFETY: as above.
            unsafe { anwdl_session_send_response_data(server, 1, text, given, nothing) }
        };
        let receive = || {
            // SAFETY: as above.
            unsafe { anwdl_session_recv_response(client, &mut response) }
        };
        move_all((server, send), (client, receive));
        // SAFETY: both were received, and live until they are freed.
        unsafe {
            let text_of = |text| CStr::from_ptr(text).to_str().unwrap();
            assert_eq!(
                text_of(anwdl_request_get_parameters_json(request)),
                expected
            );
            assert_eq!(text_of(anwdl_response_get_data_json(response)), expected);
            anwdl_request_free(request);
            anwdl_response_free(response);
        }
    }
    free(&[data, list]);
    // SAFETY: none of them is used any more.
    unsafe {
        anwdl_session_free(server);
        anwdl_session_free(client);
        anwdl_client_free(instance);
        anwdl_client_interface_free(interface);
    }
}

/// Calls both until both are done; what the first has to send, the second is fed with.
fn move_all(
    (from, mut send): (*mut anwdl_session_t, impl FnMut() -> anwdl_status_t),
    (to, mut receive): (*mut anwdl_session_t, impl FnMut() -> anwdl_status_t),
) {
    let mut sent = ANWDL_WANT_WRITE;
    let mut received = ANWDL_WANT_READ;
    while sent != ANWDL_OK || received != ANWDL_OK {
        if sent != ANWDL_OK {
            sent = send();
        }
        if received != ANWDL_OK {
            received = receive();
        }
        let (mut bytes, mut len, mut taken) = (null(), 0, 0);
        ok!(anwdl_session_get_pending(from, &mut bytes, &mut len));
        ok!(anwdl_session_feed(to, bytes, len, &mut taken));
        ok!(anwdl_session_sent(from, taken));
        assert!(
            sent as i32 >= 0 && received as i32 >= 0,
            "{}",
            last_message()
        );
    }
}

#[test]
fn every_byte_but_0_is_true() {
    for byte in 0..=u8::MAX {
        let data = object();
        let list = array();
        ok!(anwdl_data_set_boolean(data, c"set".as_ptr(), byte));
        ok!(anwdl_data_add_boolean(list, byte));
        ok!(anwdl_data_set_array(data, c"list".as_ptr(), list));
        let expected = byte != 0;
        let expected = format!(r#"{{"set": {expected}, "list": [{expected}]}}"#);
        assert_eq!(json_of(data), expected, "{byte}");
        // SAFETY: neither is used any more.
        unsafe {
            anwdl_data_free(list);
            anwdl_data_free(data);
        }
    }
}
