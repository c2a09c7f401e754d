//! The side that connects, and responses.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;

use super::*;
use crate::client::ClientInstance;
use crate::crypto::RsaWrapper;
use crate::endpoint::options::ClientOptions;
use crate::ffi::{borrow_mut, into_raw, status};
use crate::message;

const CLIENT_KEY: &str = include_str!("../../../examples-c/tests/keys/peer-1.pem");
const SERVER_KEY: &str = include_str!("../../../examples-c/tests/keys/server.pem");

fn interface(options: *const anwdl_client_options_t) -> *mut anwdl_client_interface_t {
    let mut interface = null_mut();
    ok!(anwdl_client_interface_new(options, &mut interface));
    interface
}

fn key(pem: &str) -> RsaWrapper {
    let mut wrapper = RsaWrapper::new(false).unwrap();
    wrapper.set_private_key(pem, true).unwrap();
    wrapper
}

#[test]
fn an_interface_refuses_wrong_arguments() {
    let interface = interface(null());
    let (none, constant) = (null_mut(), null());
    let (rsa, aes) = (rsa_wrapper(), aes_wrapper(anwdl_aes_mode_t::ANWDL_AES_CBC));
    let (host, verb, wrong) = (c"127.0.0.1".as_ptr(), c"STAT".as_ptr(), NOT_UTF_8.as_ptr());
    let (mut hex, mut response) = (null_mut(), null_mut());

    value_error!(
        "out_interface",
        anwdl_client_interface_new(null(), null_mut())
    );
    value_error!(
        "client_interface",
        anwdl_client_interface_connect_server(none, host, 6150)
    );
    value_error!(
        "host",
        anwdl_client_interface_connect_server(interface, null(), 6150)
    );
    value_error!(
        "host",
        anwdl_client_interface_connect_server(interface, wrong, 6150)
    );
    value_error!(
        "host",
        anwdl_client_interface_connect_server(interface, c"".as_ptr(), 6150)
    );
    value_error!(
        "port",
        anwdl_client_interface_connect_server(interface, host, 0)
    );
    value_error!(
        "client_interface",
        anwdl_client_interface_close_connection(none)
    );
    value_error!("client_interface", anwdl_client_interface_attach(none, 0));
    gives!(-1, "client_interface", anwdl_client_interface_detach(none));
    gives!(
        false,
        "client_interface",
        anwdl_client_interface_is_closed(constant)
    );
    gives!(
        false,
        "client_interface",
        anwdl_client_interface_has_failed(constant)
    );
    gives!(
        false,
        "client_interface",
        anwdl_client_interface_is_idle(constant)
    );
    value_error!(
        "client_interface",
        anwdl_client_interface_set_timeout(none, 1)
    );
    gives!(
        -1,
        "client_interface",
        anwdl_client_interface_get_socket_descriptor(constant)
    );
    gives!(
        anwdl_protocol_t::ANWDL_PROTOCOL_AUTO,
        "client_interface",
        anwdl_client_interface_get_protocol(constant)
    );
    gives!(
        null(),
        "client_interface",
        anwdl_client_interface_get_rsa_wrapper(constant)
    );
    gives!(
        null(),
        "client_interface",
        anwdl_client_interface_get_aes_wrapper(constant)
    );
    value_error!(
        "client_interface",
        anwdl_client_interface_get_server_fingerprint(constant, &mut hex)
    );
    value_error!(
        "out_hex",
        anwdl_client_interface_get_server_fingerprint(interface, null_mut())
    );
    value_error!(
        "client_interface",
        anwdl_client_interface_set_rsa_wrapper(none, rsa)
    );
    value_error!(
        "wrapper",
        anwdl_client_interface_set_rsa_wrapper(interface, null())
    );
    value_error!(
        "client_interface",
        anwdl_client_interface_set_aes_wrapper(none, aes)
    );
    value_error!(
        "wrapper",
        anwdl_client_interface_set_aes_wrapper(interface, null())
    );
    value_error!(
        "client_interface",
        anwdl_client_interface_exchange_keys(none, 0)
    );
    for step in [
        anwdl_client_interface_send_public_rsa_key,
        anwdl_client_interface_recv_public_rsa_key,
        anwdl_client_interface_send_aes_key,
        anwdl_client_interface_recv_aes_key,
        anwdl_client_interface_compute,
    ] {
        value_error!("client_interface", step(none));
    }
    value_error!(
        "client_interface",
        anwdl_client_interface_send_request(none, verb, null())
    );
    value_error!(
        "verb",
        anwdl_client_interface_send_request(interface, null(), null())
    );
    value_error!(
        "verb",
        anwdl_client_interface_send_request(interface, wrong, null())
    );
    value_error!(
        "parameters_json",
        anwdl_client_interface_send_request(interface, verb, wrong)
    );
    value_error!(
        "client_interface",
        anwdl_client_interface_recv_response(none, &mut response)
    );
    value_error!(
        "out_response",
        anwdl_client_interface_recv_response(interface, null_mut())
    );
    assert!(hex.is_null() && response.is_null());
    // SAFETY: none of them is used any more; NULL is fine.
    unsafe {
        anwdl_client_interface_free(interface);
        anwdl_client_interface_free(null_mut());
        anwdl_rsa_wrapper_free(rsa);
        anwdl_aes_wrapper_free(aes);
    }
}

#[test]
fn an_interface_without_a_connection_says_so() {
    let interface = interface(null());
    let (mut hex, mut response) = (null_mut(), null_mut());
    // SAFETY: the interface is live until it is freed.
    unsafe {
        forget_last_error();
        assert!(anwdl_client_interface_is_closed(interface));
        assert_eq!(anwdl_client_interface_get_socket_descriptor(interface), -1);
        assert!(anwdl_client_interface_get_rsa_wrapper(interface).is_null());
        assert!(anwdl_client_interface_get_aes_wrapper(interface).is_null());
        assert_eq!(
            anwdl_client_interface_get_protocol(interface),
            anwdl_protocol_t::ANWDL_PROTOCOL_V4
        );
        assert_untouched();
        for status in [
            anwdl_client_interface_close_connection(interface),
            anwdl_client_interface_exchange_keys(interface, 0),
            anwdl_client_interface_send_public_rsa_key(interface),
            anwdl_client_interface_compute(interface),
            anwdl_client_interface_send_request(interface, c"STAT".as_ptr(), null()),
            anwdl_client_interface_recv_response(interface, &mut response),
        ] {
            assert_eq!(status, ANWDL_RUNTIME_ERROR);
            assert_eq!(last_reason(), ANWDL_REASON_CLOSED);
        }
        let status = anwdl_client_interface_get_server_fingerprint(interface, &mut hex);
        assert_eq!(status, ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_KEY_MISSING);
        anwdl_client_interface_free(interface);
    }
}

#[test]
fn an_interface_refuses_a_descriptor_and_leaves_it_open() {
    let interface = interface(null());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = listener.as_raw_fd();
    for fd in [-1, number] {
        // SAFETY: the interface is live.
        let status = unsafe { anwdl_client_interface_attach(interface, fd) };
        assert_eq!(status, ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_INVALID_DESCRIPTOR);
    }
    assert!(listener.local_addr().is_ok(), "it is still open");
    // The peer refuses.
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"0").unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    let options = options();
    // SAFETY: the options are live; a wrapper of Rust's is what the pointer is to.
    unsafe { borrow_mut(options, "options") }
        .unwrap()
        .set_rsa_wrapper(&key(CLIENT_KEY));
    let other = self::interface(options);
    // SAFETY: all of them are live until they are freed.
    unsafe {
        let status = anwdl_client_interface_attach(other, ours.as_raw_fd());
        assert_eq!(status, ANWDL_RUNTIME_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_PEER_REFUSED);
        assert!(anwdl_client_interface_is_closed(other));
        anwdl_client_interface_free(other);
        anwdl_client_interface_free(interface);
        anwdl_client_options_free(options);
    }
    assert!(ours.local_addr().is_ok(), "it is still open");
}

#[test]
fn an_interface_takes_a_descriptor_and_gives_it_back() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let number = ours.into_raw_fd();
    let options = options();
    ok!(anwdl_client_options_set_non_blocking(options, 1));
    let interface = interface(options);
    // SAFETY: all of them are live until they are freed.
    unsafe {
        ok!(anwdl_client_interface_attach(interface, number));
        assert_eq!(
            anwdl_client_interface_get_socket_descriptor(interface),
            number
        );
        let again = anwdl_client_interface_attach(interface, theirs.as_raw_fd());
        assert_eq!(again, ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_ALREADY_CONNECTED);
        assert_eq!(anwdl_client_interface_detach(interface), number);
        assert_eq!(anwdl_client_interface_detach(interface), -1);
        assert_eq!(last_reason(), ANWDL_REASON_CLOSED);
        ok!(anwdl_client_interface_attach(interface, number));
        anwdl_client_interface_free(interface);
        anwdl_client_options_free(options);
    }
    let mut theirs = theirs;
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "it was closed");
}

#[test]
fn an_interface_asks_and_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let mut options = ClientOptions::default();
        options.set_rsa_wrapper(&key(SERVER_KEY));
        let (stream, _) = listener.accept().unwrap();
        let mut client = ClientInstance::new(stream, &options).unwrap();
        let request = client.recv_request(false).unwrap();
        client
            .send_response(true, "OK", Some(request.parameters_json()), None)
            .unwrap();
    });
    let options = options();
    // SAFETY: the options are live; a wrapper of Rust's is what the pointer is to.
    unsafe { borrow_mut(options, "options") }
        .unwrap()
        .set_rsa_wrapper(&key(CLIENT_KEY));
    ok!(anwdl_client_options_set_separate_computation(options, 1));
    let interface = interface(options);
    ok!(anwdl_client_interface_connect_server(
        interface,
        c"127.0.0.1".as_ptr(),
        port
    ));
    // SAFETY: all of them are live until they are freed.
    unsafe {
        let again = anwdl_client_interface_connect_server(interface, c"::1".as_ptr(), port);
        assert_eq!(again, ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_ALREADY_CONNECTED);
        forget_last_error();
        let exchange = anwdl_client_interface_exchange_keys(interface, 0);
        assert_eq!(exchange, ANWDL_WANT_COMPUTATION);
        assert_untouched();
        ok!(anwdl_client_interface_compute(interface));
        ok!(anwdl_client_interface_exchange_keys(interface, 0));
        let mut hex = null_mut();
        ok!(anwdl_client_interface_get_server_fingerprint(
            interface, &mut hex
        ));
        let expected = key(SERVER_KEY).fingerprint(false).unwrap();
        assert_eq!(CStr::from_ptr(hex).to_str().unwrap(), expected);
        anwdl_string_free(hex);
        ok!(anwdl_client_interface_send_request(
            interface,
            c"STAT".as_ptr(),
            c"{\"n\": 1}".as_ptr()
        ));
        let early = anwdl_client_interface_send_request(interface, c"STAT".as_ptr(), null());
        assert_eq!(early, ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_OUT_OF_TURN);
        let mut response = null_mut();
        ok!(anwdl_client_interface_recv_response(
            interface,
            &mut response
        ));
        assert!(anwdl_client_interface_get_socket_descriptor(interface) >= 0);
        ok!(anwdl_client_interface_close_connection(interface));
        anwdl_client_interface_free(interface);
        let data = anwdl_response_get_data_json(response);
        assert_eq!(CStr::from_ptr(data), c"{\"n\": 1}");
        anwdl_response_free(response);
        anwdl_client_options_free(options);
    }
    server.join().unwrap();
}

#[test]
fn an_interface_that_panicked_goes_no_further() {
    let interface = interface(null());
    // SAFETY: the interface is live and nobody else's.
    let inner = unsafe { borrow_mut(interface, "client_interface") }.unwrap();
    let panicked = status(|| inner.operate(|_| panic!("half-way")));
    assert_eq!(panicked, ANWDL_RUNTIME_ERROR);
    // SAFETY: the interface is live until it is freed.
    unsafe {
        let status = anwdl_client_interface_connect_server(interface, c"::1".as_ptr(), 1);
        assert_eq!(status, ANWDL_RUNTIME_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_SESSION_FAILED);
        anwdl_client_interface_free(interface);
    }
}

fn response() -> *mut anwdl_response_t {
    let text = r#"{"success": true, "message": "a\u0000b", "data": {"text": "a\u0000b", "number": -5, "flag": true}}"#;
    let response = message::Response::from_text(text);
    into_raw(response)
}

#[test]
fn a_response_refuses_wrong_arguments() {
    let response = response();
    let (none, name, wrong) = (null(), c"text".as_ptr(), NOT_UTF_8.as_ptr());
    let (mut length, mut integer, mut boolean) = (7, 7, true);
    gives!(false, "response", anwdl_response_get_success(none));
    gives!(null(), "response", anwdl_response_get_message(none));
    gives!(null(), "response", anwdl_response_get_json(none));
    gives!(null(), "response", anwdl_response_get_data_json(none));
    gives!(
        null(),
        "response",
        anwdl_response_get_string(none, name, &mut length)
    );
    gives!(
        false,
        "response",
        anwdl_response_get_integer(none, name, &mut integer)
    );
    gives!(
        false,
        "response",
        anwdl_response_get_boolean(none, name, &mut boolean)
    );
    for name in [null(), wrong] {
        gives!(
            null(),
            "name",
            anwdl_response_get_string(response, name, &mut length)
        );
        gives!(
            false,
            "name",
            anwdl_response_get_integer(response, name, &mut integer)
        );
        gives!(
            false,
            "name",
            anwdl_response_get_boolean(response, name, &mut boolean)
        );
    }
    gives!(
        false,
        "out_value",
        anwdl_response_get_integer(response, name, null_mut())
    );
    gives!(
        false,
        "out_value",
        anwdl_response_get_boolean(response, name, null_mut())
    );
    assert_eq!((length, integer, boolean), (7, 7, true));
    // SAFETY: the response is not used any more; NULL is fine.
    unsafe {
        anwdl_response_free(response);
        anwdl_response_free(null_mut());
    }
}

#[test]
fn a_response_lends_what_was_received() {
    let response = response();
    // SAFETY: the response is live until it is freed, and its strings with it.
    unsafe {
        forget_last_error();
        assert!(anwdl_response_get_success(response));
        let message = anwdl_response_get_message(response);
        assert_eq!(CStr::from_ptr(message), c"a?b");
        let json = CStr::from_ptr(anwdl_response_get_json(response));
        assert!(json.to_str().unwrap().starts_with("{\"success\": true"));
        let data = CStr::from_ptr(anwdl_response_get_data_json(response));
        let expected = c"{\"text\": \"a\\u0000b\", \"number\": -5, \"flag\": true}";
        assert_eq!(data, expected);

        let (mut length, mut integer, mut boolean) = (0, 0, false);
        let text = anwdl_response_get_string(response, c"text".as_ptr(), &mut length);
        let bytes = std::slice::from_raw_parts(text.cast::<u8>(), 4);
        assert_eq!((bytes, length), (&b"a\0b\0"[..], 3));
        let again = anwdl_response_get_string(response, c"text".as_ptr(), null_mut());
        assert_eq!(again, text, "the length is not needed");
        let (number, flag) = (c"number".as_ptr(), c"flag".as_ptr());
        assert!(anwdl_response_get_integer(response, number, &mut integer));
        assert!(anwdl_response_get_boolean(response, flag, &mut boolean));
        assert_eq!((integer, boolean), (-5, true));
        for name in [c"absent", c"number", c"success"] {
            let none = anwdl_response_get_string(response, name.as_ptr(), null_mut());
            assert!(none.is_null());
        }
        assert!(!anwdl_response_get_integer(response, flag, &mut integer));
        assert!(!anwdl_response_get_boolean(response, number, &mut boolean));
        assert_untouched();
        anwdl_response_free(response);
    }
}
