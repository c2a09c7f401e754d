//! Options, clients and requests.

use super::*;
use crate::ffi::{borrow_mut, status};

#[test]
fn options_refuse_wrong_arguments() {
    let (options, none) = (options(), null_mut());
    let (rsa, aes) = (rsa_wrapper(), aes_wrapper(anwdl_aes_mode_t::ANWDL_AES_CBC));
    value_error!("options", anwdl_client_options_set_timeout(none, 1));
    value_error!("options", anwdl_client_options_set_rsa_wrapper(none, rsa));
    value_error!(
        "wrapper",
        anwdl_client_options_set_rsa_wrapper(options, null())
    );
    value_error!("options", anwdl_client_options_set_aes_wrapper(none, aes));
    value_error!(
        "wrapper",
        anwdl_client_options_set_aes_wrapper(options, null())
    );
    value_error!("options", anwdl_client_options_set_exchange_keys(none, 1));
    value_error!("options", anwdl_client_options_set_key_echo(none, 1));
    value_error!("options", anwdl_client_options_set_non_blocking(none, 1));
    value_error!("options", anwdl_client_options_set_protocol(none, 0));
    for number in [-1, 5, i32::MIN, i32::MAX] {
        value_error!(
            "protocol",
            anwdl_client_options_set_protocol(options, number)
        );
    }
    value_error!("options", anwdl_client_options_set_proxy_protocol(none, 0));
    for number in [-1, 2, i32::MIN, i32::MAX] {
        value_error!(
            "proxy_protocol",
            anwdl_client_options_set_proxy_protocol(options, number)
        );
    }
    value_error!(
        "options",
        anwdl_client_options_set_max_message_size(none, 1)
    );
    value_error!(
        "bytes",
        anwdl_client_options_set_max_message_size(options, 0)
    );
    value_error!(
        "options",
        anwdl_client_options_set_peer_ip(none, c"192.0.2.1".as_ptr())
    );
    value_error!(
        "options",
        anwdl_client_options_set_separate_computation(none, 1)
    );
    value_error!(
        "options",
        anwdl_client_options_set_expected_fingerprint(none, null())
    );
    let short = c"0123456789abcdef";
    let long = c"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0";
    let other = c"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg";
    for wrong in [c"", short, long, other, NOT_UTF_8] {
        value_error!(
            "hex",
            anwdl_client_options_set_expected_fingerprint(options, wrong.as_ptr())
        );
    }
    value_error!(
        "options",
        anwdl_client_options_set_peer_ip(null_mut(), null())
    );
    value_error!(
        "ip",
        anwdl_client_options_set_peer_ip(options, NOT_UTF_8.as_ptr())
    );

    for number in 0..=4 {
        ok!(anwdl_client_options_set_protocol(options, number));
    }
    for number in 0..=1 {
        ok!(anwdl_client_options_set_proxy_protocol(options, number));
    }
    ok!(anwdl_client_options_set_timeout(options, 0));
    ok!(anwdl_client_options_set_timeout(options, u32::MAX));
    ok!(anwdl_client_options_set_rsa_wrapper(options, rsa));
    ok!(anwdl_client_options_set_aes_wrapper(options, aes));
    ok!(anwdl_client_options_set_exchange_keys(options, 1));
    ok!(anwdl_client_options_set_key_echo(options, 1));
    ok!(anwdl_client_options_set_non_blocking(options, 1));
    ok!(anwdl_client_options_set_separate_computation(options, 1));
    let fingerprint = c"0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";
    ok!(anwdl_client_options_set_expected_fingerprint(
        options,
        fingerprint.as_ptr()
    ));
    ok!(anwdl_client_options_set_expected_fingerprint(
        options,
        null()
    ));
    ok!(anwdl_client_options_set_max_message_size(options, 1 << 20));
    ok!(anwdl_client_options_set_peer_ip(
        options,
        c"192.0.2.1".as_ptr()
    ));
    // SAFETY: none of them is used any more; NULL is fine.
    unsafe {
        anwdl_client_options_free(options);
        anwdl_client_options_free(null_mut());
        anwdl_rsa_wrapper_free(rsa);
        anwdl_aes_wrapper_free(aes);
    }
}

#[test]
fn a_client_refuses_wrong_arguments() {
    let (client, _peer) = client();
    let (none, constant) = (null_mut(), null());
    let (rsa, aes) = (rsa_wrapper(), aes_wrapper(anwdl_aes_mode_t::ANWDL_AES_CBC));
    let mut request = null_mut();

    value_error!("client", anwdl_client_close_connection(none));
    gives!(-1, "client", anwdl_client_detach(none));
    gives!(false, "client", anwdl_client_is_closed(constant));
    gives!(false, "client", anwdl_client_has_failed(constant));
    gives!(false, "client", anwdl_client_is_idle(constant));
    value_error!("client", anwdl_client_set_timeout(none, 1));
    gives!(-1, "client", anwdl_client_get_socket_descriptor(constant));
    gives!(null(), "client", anwdl_client_get_ip(constant));
    gives!(null(), "client", anwdl_client_get_id(constant));
    gives!(0, "client", anwdl_client_get_creation_timestamp(constant));
    gives!(
        anwdl_protocol_t::ANWDL_PROTOCOL_AUTO,
        "client",
        anwdl_client_get_protocol(constant)
    );
    gives!(null(), "client", anwdl_client_get_rsa_wrapper(constant));
    gives!(null(), "client", anwdl_client_get_aes_wrapper(constant));
    gives!(null(), "client", anwdl_client_get_stored_request(constant));
    gives!(null(), "client", anwdl_client_get_request_errors(constant));
    gives!(
        null(),
        "client",
        anwdl_client_get_malformed_request_json(constant)
    );
    value_error!("client", anwdl_client_set_rsa_wrapper(none, rsa));
    value_error!("wrapper", anwdl_client_set_rsa_wrapper(client, null()));
    value_error!("client", anwdl_client_set_aes_wrapper(none, aes));
    value_error!("wrapper", anwdl_client_set_aes_wrapper(client, null()));
    value_error!("client", anwdl_client_exchange_keys(none, 1));
    value_error!("client", anwdl_client_send_public_rsa_key(none));
    value_error!("client", anwdl_client_recv_public_rsa_key(none));
    value_error!("client", anwdl_client_send_aes_key(none));
    value_error!("client", anwdl_client_recv_aes_key(none));
    value_error!("client", anwdl_client_compute(none));
    forget_last_error();
    // SAFETY: the client is live.
    assert_eq!(unsafe { anwdl_client_compute(client) }, ANWDL_VALUE_ERROR);
    assert_eq!(last_reason(), ANWDL_REASON_OUT_OF_TURN);
    value_error!("client", anwdl_client_recv_request(none, 0, &mut request));
    value_error!("client", anwdl_client_recv_request(none, 1, null_mut()));
    value_error!(
        "out_request",
        anwdl_client_recv_request(client, 0, null_mut())
    );
    assert!(request.is_null());

    let (text, nothing) = (c"OK".as_ptr(), null());
    let wrong = NOT_UTF_8.as_ptr();
    value_error!(
        "client",
        anwdl_client_send_response(none, 1, text, nothing, nothing)
    );
    value_error!(
        "message",
        anwdl_client_send_response(client, 1, nothing, nothing, nothing)
    );
    value_error!(
        "message",
        anwdl_client_send_response(client, 1, wrong, nothing, nothing)
    );
    value_error!(
        "data_json",
        anwdl_client_send_response(client, 1, text, wrong, nothing)
    );
    value_error!(
        "reason",
        anwdl_client_send_response(client, 1, text, nothing, wrong)
    );

    // SAFETY: none of them is used any more; NULL is fine.
    unsafe {
        anwdl_client_free(client);
        anwdl_client_free(null_mut());
        anwdl_rsa_wrapper_free(rsa);
        anwdl_aes_wrapper_free(aes);
    }
}

#[test]
fn a_refused_descriptor_stays_open_and_the_caller_s() {
    let (here, _there) = UnixStream::pair().unwrap();
    value_error!(
        "out_client",
        anwdl_client_new(here.as_raw_fd(), null(), null_mut())
    );

    let file = std::fs::File::open("/dev/null").unwrap();
    let untouched = std::ptr::dangling_mut();
    let mut client = untouched;
    for descriptor in [file.as_raw_fd(), -1, i32::MIN, i32::MAX] {
        forget_last_error();
        // SAFETY: a descriptor is only a number, and the place is there.
        let status = unsafe { anwdl_client_new(descriptor, null(), &mut client) };
        assert_eq!(status, ANWDL_VALUE_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_INVALID_DESCRIPTOR);
        assert_eq!(client, untouched, "outputs are written only on success");
    }
    file.metadata().expect("the file is still open");
}

#[test]
fn a_client_closes_once() {
    let (client, mut peer) = client();
    // SAFETY: the client is live until it is freed, and its strings with it.
    unsafe {
        assert!(!anwdl_client_is_closed(client));
        assert!(anwdl_client_get_socket_descriptor(client) >= 0);
        assert_eq!(anwdl_client_get_rsa_wrapper(client), null());
        assert_eq!(anwdl_client_get_aes_wrapper(client), null());
        assert_eq!(anwdl_client_get_stored_request(client), null());
        assert_eq!(anwdl_client_get_request_errors(client), null());
        assert_eq!(anwdl_client_get_malformed_request_json(client), null());
        ok!(anwdl_client_close_connection(client));
        assert!(anwdl_client_is_closed(client));
        forget_last_error();
        assert_eq!(anwdl_client_get_socket_descriptor(client), -1);
        assert_untouched();
        assert!(!anwdl_client_get_ip(client).is_null());
        assert!(!anwdl_client_get_id(client).is_null());
        assert_eq!(anwdl_client_close_connection(client), ANWDL_RUNTIME_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_CLOSED);
        forget_last_error();
        assert_eq!(anwdl_client_detach(client), -1);
        assert_eq!(last_reason(), ANWDL_REASON_CLOSED);
        anwdl_client_free(client);
    }
    let mut end = [0];
    assert_eq!(std::io::Read::read(&mut peer, &mut end).unwrap(), 0);
}

#[test]
fn a_request_refuses_wrong_arguments() {
    let request = request();
    let (none, name, wrong) = (null(), c"name".as_ptr(), NOT_UTF_8.as_ptr());
    let (mut length, mut integer, mut boolean) = (0, 0, false);
    gives!(null(), "request", anwdl_request_get_verb(none));
    gives!(null(), "request", anwdl_request_get_json(none));
    gives!(null(), "request", anwdl_request_get_parameters_json(none));
    gives!(
        null(),
        "request",
        anwdl_request_get_string(none, name, &mut length)
    );
    gives!(
        null(),
        "parameter",
        anwdl_request_get_string(request, null(), &mut length)
    );
    gives!(
        null(),
        "parameter",
        anwdl_request_get_string(request, wrong, &mut length)
    );
    gives!(
        false,
        "request",
        anwdl_request_get_integer(none, name, &mut integer)
    );
    gives!(
        false,
        "parameter",
        anwdl_request_get_integer(request, null(), &mut integer)
    );
    gives!(
        false,
        "parameter",
        anwdl_request_get_integer(request, wrong, &mut integer)
    );
    gives!(
        false,
        "out_value",
        anwdl_request_get_integer(request, name, null_mut())
    );
    gives!(
        false,
        "request",
        anwdl_request_get_boolean(none, name, &mut boolean)
    );
    gives!(
        false,
        "parameter",
        anwdl_request_get_boolean(request, null(), &mut boolean)
    );
    gives!(
        false,
        "parameter",
        anwdl_request_get_boolean(request, wrong, &mut boolean)
    );
    gives!(
        false,
        "out_value",
        anwdl_request_get_boolean(request, name, null_mut())
    );
    // SAFETY: the request is not used any more; NULL is fine.
    unsafe {
        anwdl_request_free(request);
        anwdl_request_free(null_mut());
    }
}

#[test]
fn a_request_gives_what_is_in_it() {
    let request = request();
    // SAFETY: the request lives until it is freed, and what it lends with it.
    unsafe {
        let text = |pointer| CStr::from_ptr(pointer).to_str().unwrap();
        assert_eq!(text(anwdl_request_get_verb(request)), "STAT");
        assert!(text(anwdl_request_get_json(request)).ends_with("}}"));
        assert!(text(anwdl_request_get_parameters_json(request)).starts_with("{\"name\""));

        let mut length = 0;
        let string = anwdl_request_get_string(request, c"name".as_ptr(), &mut length);
        assert_eq!(
            std::slice::from_raw_parts(string.cast::<u8>(), 4),
            b"a\0b\0"
        );
        assert_eq!(length, 3);
        let again = anwdl_request_get_string(request, c"name".as_ptr(), null_mut());
        assert_eq!(again, string, "the length is not needed");

        let (mut integer, mut boolean) = (0, false);
        assert!(anwdl_request_get_integer(
            request,
            c"number".as_ptr(),
            &mut integer
        ));
        assert!(anwdl_request_get_boolean(
            request,
            c"flag".as_ptr(),
            &mut boolean
        ));
        assert_eq!((integer, boolean), (-5, true));

        forget_last_error();
        for name in [c"absent", c"number"] {
            length = 7;
            assert!(anwdl_request_get_string(request, name.as_ptr(), &mut length).is_null());
            assert_eq!(length, 7);
        }
        assert!(!anwdl_request_get_integer(
            request,
            c"flag".as_ptr(),
            &mut integer
        ));
        assert!(!anwdl_request_get_boolean(
            request,
            c"name".as_ptr(),
            &mut boolean
        ));
        assert_eq!((integer, boolean), (-5, true));
        assert_untouched();
        anwdl_request_free(request);
    }
}

#[test]
fn a_client_that_panicked_goes_no_further() {
    let (client, _peer) = client();
    // SAFETY: the client is live and nobody else's.
    let inner = unsafe { borrow_mut(client, "client") }.unwrap();
    let panicked = status(|| inner.operate(|_| panic!("half-way")));
    assert_eq!(panicked, ANWDL_RUNTIME_ERROR);
    assert_eq!(last_reason(), ANWDL_REASON_INTERNAL);
    // SAFETY: the client is live until it is freed.
    unsafe {
        assert_eq!(anwdl_client_exchange_keys(client, 1), ANWDL_RUNTIME_ERROR);
        assert_eq!(last_reason(), ANWDL_REASON_SESSION_FAILED);
        ok!(anwdl_client_close_connection(client));
        anwdl_client_free(client);
    }
}

#[test]
fn a_session_takes_no_key_for_gcm() {
    let options = options();
    let aes = aes_wrapper(anwdl_aes_mode_t::ANWDL_AES_GCM);
    value_error!(
        "wrapper",
        anwdl_client_options_set_aes_wrapper(options, aes)
    );
    ok!(anwdl_client_options_set_exchange_keys(options, 0));
    let (here, _peer) = UnixStream::pair().unwrap();
    let (mut client, mut session, mut interface) = (null_mut(), null_mut(), null_mut());
    ok!(anwdl_client_new(here.into_raw_fd(), options, &mut client));
    ok!(anwdl_session_new(
        anwdl_role_t::ANWDL_ROLE_SERVER as RoleNumber,
        options,
        &mut session
    ));
    ok!(anwdl_client_interface_new(options, &mut interface));
    value_error!("wrapper", anwdl_client_set_aes_wrapper(client, aes));
    value_error!("wrapper", anwdl_session_set_aes_wrapper(session, aes));
    value_error!(
        "wrapper",
        anwdl_client_interface_set_aes_wrapper(interface, aes)
    );
    // SAFETY: nothing of it is used any more.
    unsafe {
        anwdl_client_free(client);
        anwdl_session_free(session);
        anwdl_client_interface_free(interface);
        anwdl_client_options_free(options);
        anwdl_aes_wrapper_free(aes);
    }
}
