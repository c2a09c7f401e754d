//! What the three handles have alike, and names.

use std::ffi::{c_int, c_void};
use std::sync::PoisonError;

use super::*;
use crate::log::TESTS;

/// Pointers that nothing is behind.
fn pointer(number: usize) -> *mut c_void {
    std::ptr::without_provenance_mut(number)
}

fn session(role: anwdl_role_t, options: *const anwdl_client_options_t) -> *mut anwdl_session_t {
    let mut session = null_mut();
    ok!(anwdl_session_new(role as RoleNumber, options, &mut session));
    session
}

#[test]
fn a_handle_keeps_a_pointer_of_the_caller_s() {
    let (client, _peer) = client();
    let [session, other] = ready_pair();
    let mut interface = null_mut();
    ok!(anwdl_client_interface_new(null(), &mut interface));
    // SAFETY: all are live, and not used any more at the end.
    unsafe {
        assert!(anwdl_client_get_user_data(client).is_null());
        ok!(anwdl_client_set_user_data(client, pointer(1)));
        ok!(anwdl_session_set_user_data(session, pointer(2)));
        ok!(anwdl_client_interface_set_user_data(interface, pointer(3)));
        assert_eq!(anwdl_client_get_user_data(client), pointer(1));
        assert_eq!(anwdl_session_get_user_data(session), pointer(2));
        assert_eq!(anwdl_client_interface_get_user_data(interface), pointer(3));
        assert!(anwdl_session_get_user_data(other).is_null());
        ok!(anwdl_client_set_user_data(client, null_mut()));
        assert!(anwdl_client_get_user_data(client).is_null());
        anwdl_client_free(client);
        anwdl_session_free(session);
        anwdl_session_free(other);
        anwdl_client_interface_free(interface);
    }
    value_error!("client", anwdl_client_set_user_data(null_mut(), null_mut()));
    value_error!(
        "session",
        anwdl_session_set_user_data(null_mut(), null_mut())
    );
    value_error!(
        "client_interface",
        anwdl_client_interface_set_user_data(null_mut(), null_mut())
    );
    gives!(null_mut(), "client", anwdl_client_get_user_data(null()));
    gives!(null_mut(), "session", anwdl_session_get_user_data(null()));
    gives!(
        null_mut(),
        "client_interface",
        anwdl_client_interface_get_user_data(null())
    );
}

thread_local! {
    static OWNERS: std::cell::RefCell<Vec<*mut c_void>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Keeps whose the messages of its own thread are.
unsafe extern "C" fn keep_owner(
    _level: anwdl_log_level_t,
    owner: *mut c_void,
    _client_id: *const c_char,
    _message: *const c_char,
    _user_data: *mut c_void,
) {
    OWNERS.with_borrow_mut(|owners| owners.push(owner));
}

#[test]
fn a_log_handler_is_told_whose_the_message_is() {
    let _one = TESTS.lock().unwrap_or_else(PoisonError::into_inner);
    let [session, other] = ready_pair();
    ok!(anwdl_session_set_user_data(session, pointer(7)));
    ok!(anwdl_set_log_handler(0, Some(keep_owner), null_mut()));
    // SAFETY: the sessions are live; the calls are wrong on purpose.
    unsafe {
        for session in [session, other, session] {
            anwdl_session_end(session);
            assert_ne!(anwdl_session_exchange_keys(session, 0), ANWDL_OK);
        }
    }
    value_error!("least_level", anwdl_set_log_handler(9, None, null_mut()));
    ok!(anwdl_set_log_handler(0, None, null_mut()));
    let owners = OWNERS.take();
    assert_eq!(owners, [pointer(7), null_mut(), pointer(7)]);
    // SAFETY: they are not used any more.
    unsafe {
        anwdl_session_free(session);
        anwdl_session_free(other);
    }
}

#[test]
fn a_session_has_an_address_an_id_and_a_time() {
    let options = options();
    let none = session(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    ok!(anwdl_client_options_set_peer_ip(
        options,
        c"127.0.0.1".as_ptr()
    ));
    let known = session(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    let mut copy = null_mut();
    ok!(anwdl_client_options_copy(options, &mut copy));
    ok!(anwdl_client_options_set_peer_ip(options, null()));
    let cleared = session(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    let copied = session(anwdl_role_t::ANWDL_ROLE_CLIENT, copy);
    // SAFETY: all are live, and not used any more at the end.
    unsafe {
        let text = |text| CStr::from_ptr(text);
        for (session, ip, id) in [
            (none, c"", c""),
            (known, c"127.0.0.1", c"12ca17b"),
            (cleared, c"", c""),
            (copied, c"127.0.0.1", c"12ca17b"),
        ] {
            assert_eq!(text(anwdl_session_get_ip(session)), ip);
            assert_eq!(text(anwdl_session_get_id(session)), id);
            assert!(anwdl_session_get_creation_timestamp(session) > 1_700_000_000);
            anwdl_session_free(session);
        }
        anwdl_client_options_free(options);
        anwdl_client_options_free(copy);
    }
    gives!(null(), "session", anwdl_session_get_ip(null()));
    gives!(null(), "session", anwdl_session_get_id(null()));
    gives!(0, "session", anwdl_session_get_creation_timestamp(null()));
    value_error!("options", anwdl_client_options_copy(null(), &mut copy));
}

#[test]
fn a_handle_says_what_it_waits_for() {
    let (here, _there) = UnixStream::pair().unwrap();
    let options = options();
    let mut client = null_mut();
    ok!(anwdl_client_options_set_non_blocking(options, 1));
    ok!(anwdl_client_new(here.into_raw_fd(), options, &mut client));
    let mut interface = null_mut();
    ok!(anwdl_client_interface_new(options, &mut interface));
    ok!(anwdl_client_get_wants(client));
    ok!(anwdl_client_interface_get_wants(interface));
    // SAFETY: all are live, and not used any more at the end.
    unsafe {
        assert_eq!(anwdl_client_recv_public_rsa_key(client), ANWDL_WANT_READ);
        assert_eq!(anwdl_client_get_wants(client), ANWDL_WANT_READ);
        let other = anwdl_client_exchange_keys(client, 1);
        assert_eq!(
            (other, last_reason()),
            (ANWDL_RUNTIME_ERROR, ANWDL_REASON_OPERATION_PENDING)
        );
        let told = "recv_public_rsa_key is under way and must be finished first";
        assert_eq!(last_message(), told);
        ok!(anwdl_client_close_connection(client));
        ok!(anwdl_client_get_wants(client));
        anwdl_client_free(client);
        anwdl_client_interface_free(interface);
        anwdl_client_options_free(options);
    }
    value_error!("client", anwdl_client_get_wants(null()));
    value_error!("client_interface", anwdl_client_interface_get_wants(null()));
}

#[test]
fn names_are_those_of_the_constants() {
    let names = |name: unsafe extern "C" fn(c_int) -> *const c_char, numbers: &[c_int]| {
        let name = |&number: &c_int| {
            // SAFETY: any number is fine, and the name is valid for ever.
            unsafe { CStr::from_ptr(name(number)) }
        };
        numbers.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(
        names(anwdl_status_name, &[0, 1, 2, 3, -1, -2, 4, -3]),
        [
            c"OK",
            c"WANT_READ",
            c"WANT_WRITE",
            c"WANT_COMPUTATION",
            c"VALUE_ERROR",
            c"RUNTIME_ERROR",
            c"UNKNOWN",
            c"UNKNOWN"
        ]
    );
    assert_eq!(
        names(anwdl_protocol_name, &[0, 1, 2, 3, 4, 5, -1]),
        [c"AUTO", c"V2", c"V3", c"V4", c"GCM", c"UNKNOWN", c"UNKNOWN"]
    );
    assert_eq!(
        names(anwdl_role_name, &[0, 1, 2]),
        [c"SERVER", c"CLIENT", c"UNKNOWN"]
    );
    assert_eq!(
        names(anwdl_log_level_name, &[0, 1, 2, 3, i32::MIN]),
        [c"DEBUG", c"INFO", c"WARNING", c"ERROR", c"UNKNOWN"]
    );
}

#[test]
fn the_last_error_can_be_forgotten() {
    forget_last_error();
    // SAFETY: it takes nothing.
    unsafe { anwdl_last_error_clear() };
    assert_eq!(last_reason(), ANWDL_REASON_NONE);
    assert_eq!(last_message(), "no error");
}
