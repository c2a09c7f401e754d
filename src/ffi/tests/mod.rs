//! What C callers do wrong, and what the boundary makes of it.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::ptr::{null, null_mut};
use std::sync::Arc;

use super::aes_wrapper::*;
use super::client::*;
use super::client_interface::*;
use super::client_options::*;
use super::data::*;
use super::error::anwdl_error_reason_t::*;
use super::error::anwdl_status_t::*;
use super::error::*;
use super::log::*;
use super::memory::*;
use super::request::*;
use super::response::*;
use super::rsa_wrapper::*;
use super::session::*;
use super::value::*;
use crate::error::{Error, Reason};
use crate::message::Request;

const NOT_UTF_8: &CStr = c"\xff";

fn last_reason() -> anwdl_error_reason_t {
    // SAFETY: it takes nothing.
    unsafe { anwdl_last_error_reason() }
}

fn last_message() -> String {
    // SAFETY: the message is never NULL, ends with NUL, and is copied at once.
    let message = unsafe { CStr::from_ptr(anwdl_last_error_message()) };
    message.to_str().unwrap().to_owned()
}

/// Makes the last error a known one, so that a test sees whether a call changes it.
fn forget_last_error() {
    record(&Error::new(Reason::KeyMissing, "untouched"));
}

fn assert_untouched() {
    assert_eq!(last_message(), "untouched");
}

/// Asserts that a call gave `expected` because of the argument `name`.
#[track_caller]
fn refused<T: PartialEq + std::fmt::Debug>(name: &str, expected: T, call: impl FnOnce() -> T) {
    forget_last_error();
    assert_eq!(call(), expected);
    assert_eq!(last_reason(), ANWDL_REASON_INVALID_ARGUMENT);
    let message = last_message();
    assert!(
        message.starts_with(&format!("{name} ")),
        "the message should name {name}: {message}"
    );
}

/// Asserts that a call is refused because of the argument `name`.
macro_rules! value_error {
    ($name:literal, $call:expr) => {
        // SAFETY: every pointer is NULL or points to what its type says.
        refused($name, ANWDL_VALUE_ERROR, || unsafe { $call })
    };
}

/// Asserts that a call without a status gives `$expected` because of the argument `name`.
macro_rules! gives {
    ($expected:expr, $name:literal, $call:expr) => {
        // SAFETY: every pointer is NULL or points to what its type says.
        refused($name, $expected, || unsafe { $call })
    };
}

/// Asserts that a call succeeds and leaves the last error alone.
macro_rules! ok {
    ($call:expr) => {{
        forget_last_error();
        // SAFETY: every pointer is NULL or points to what its type says.
        #[allow(unused_unsafe, reason = "some callers are in an unsafe block already")]
        let status = unsafe { $call };
        assert_eq!(status, ANWDL_OK);
        assert_untouched();
    }};
}

// They stand behind the macros that they use.
mod boundary;
mod client;
mod client_interface;
mod data;
mod event;
mod handle;
mod log;
mod session;
mod value;
mod wrappers;

fn options() -> *mut anwdl_client_options_t {
    // SAFETY: it takes nothing.
    unsafe { anwdl_client_options_new() }
}

fn rsa_wrapper() -> *mut anwdl_rsa_wrapper_t {
    let mut wrapper = null_mut();
    ok!(anwdl_rsa_wrapper_new(0, &mut wrapper));
    wrapper
}

fn aes_wrapper(mode: anwdl_aes_mode_t) -> *mut anwdl_aes_wrapper_t {
    let mut wrapper = null_mut();
    ok!(anwdl_aes_wrapper_new(
        256,
        mode as AesModeNumber,
        &mut wrapper
    ));
    wrapper
}

/// A session in the client's role and one in the server's, which have exchanged keys for gcm.
fn ready_pair() -> [*mut anwdl_session_t; 2] {
    let key = CString::new(include_str!("../../../examples-c/tests/keys/server.pem")).unwrap();
    let (options, rsa) = (options(), rsa_wrapper());
    ok!(anwdl_rsa_wrapper_set_private_key(rsa, key.as_ptr(), 1));
    ok!(anwdl_client_options_set_rsa_wrapper(options, rsa));
    let gcm = anwdl_protocol_t::ANWDL_PROTOCOL_GCM as ProtocolNumber;
    ok!(anwdl_client_options_set_protocol(options, gcm));
    let roles = [
        anwdl_role_t::ANWDL_ROLE_CLIENT,
        anwdl_role_t::ANWDL_ROLE_SERVER,
    ];
    let pair @ [client, server] = roles.map(|role| {
        let mut session = null_mut();
        ok!(anwdl_session_new(role as RoleNumber, options, &mut session));
        session
    });
    // SAFETY: the sessions are live, and the others are not used any more.
    unsafe {
        anwdl_client_options_free(options);
        anwdl_rsa_wrapper_free(rsa);
        let mut done = [false; 2];
        while done != [true; 2] {
            done[0] = done[0] || anwdl_session_exchange_keys(client, 0) == ANWDL_OK;
            done[1] = done[1] || anwdl_session_exchange_keys(server, 1) == ANWDL_OK;
            for (from, to) in [(client, server), (server, client)] {
                let (mut bytes, mut len, mut taken) = (null(), 0, 0);
                ok!(anwdl_session_get_pending(from, &mut bytes, &mut len));
                ok!(anwdl_session_feed(to, bytes, len, &mut taken));
                ok!(anwdl_session_sent(from, taken));
            }
        }
        assert!(anwdl_session_get_aes_wrapper(client).is_null());
    }
    pair
}

/// A client that has not exchanged keys, and its peer.
fn client() -> (*mut anwdl_client_t, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    let options = options();
    let mut client = null_mut();
    ok!(anwdl_client_options_set_exchange_keys(options, 0));
    ok!(anwdl_client_new(here.into_raw_fd(), options, &mut client));
    // SAFETY: the options are not used any more.
    unsafe { anwdl_client_options_free(options) };
    (client, there)
}

fn request() -> *mut anwdl_request_t {
    let text =
        r#"{"verb": "STAT", "parameters": {"name": "a\u0000b", "number": -5, "flag": true}}"#;
    request_into_raw(Arc::new(Request::from_text(text)))
}

/// The files with exported functions.
const SOURCES: &[&str] = &[
    include_str!("../aes_wrapper.rs"),
    include_str!("../client.rs"),
    include_str!("../client_interface.rs"),
    include_str!("../client_options.rs"),
    include_str!("../data.rs"),
    include_str!("../error.rs"),
    include_str!("../log.rs"),
    include_str!("../memory.rs"),
    include_str!("../request.rs"),
    include_str!("../response.rs"),
    include_str!("../rsa_wrapper.rs"),
    include_str!("../session.rs"),
    include_str!("../value.rs"),
];

/// The type of each parameter of each exported function, with both their names.
fn parameters() -> Vec<(&'static str, &'static str, &'static str)> {
    let functions = SOURCES
        .iter()
        .flat_map(|source| source.split("extern \"C\" fn ").skip(1));
    functions
        .flat_map(|rest| {
            let (name, rest) = rest.split_once('(').unwrap();
            let (list, _) = rest.split_once(')').unwrap();
            list.split(',')
                .filter_map(|parameter| parameter.trim().split_once(": "))
                .map(move |(parameter, kind)| (name, parameter, kind.trim()))
        })
        .collect()
}

/// Numbers and pointers, of which C may pass any; pointers are checked for NULL. `bool`, `char` and Rust
/// enums have values that are undefined behaviour merely to receive.
#[test]
fn no_parameter_is_of_a_type_that_forbids_values() {
    let allowed = |kind: &str| {
        let is_number = kind.ends_with("Number") || kind == "BooleanByte";
        let is_callback = [
            "anwdl_log_function_t",
            "anwdl_log_handler_t",
            "anwdl_private_operation_t",
            "anwdl_free_function_t",
        ]
        .contains(&kind);
        is_number
            || is_callback
            || kind.starts_with("*const ")
            || kind.starts_with("*mut ")
            || [
                "anwdl_value_t",
                "c_int",
                "f64",
                "i64",
                "u16",
                "u32",
                "u64",
                "usize",
            ]
            .contains(&kind)
    };
    let parameters = parameters();
    assert!(parameters.len() > 200, "only {}", parameters.len());
    let forbidden: Vec<_> = parameters
        .into_iter()
        .filter(|(_, _, kind)| !allowed(kind))
        .collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}

#[test]
fn every_function_is_called_here() {
    let exported: BTreeSet<&str> = SOURCES
        .iter()
        .flat_map(|source| source.split("extern \"C\" fn ").skip(1))
        .map(|rest| rest.split('(').next().unwrap())
        .collect();
    assert!(exported.len() > 60, "only {} were found", exported.len());
    let tests = [
        include_str!("boundary.rs"),
        include_str!("client.rs"),
        include_str!("client_interface.rs"),
        include_str!("data.rs"),
        include_str!("event.rs"),
        include_str!("handle.rs"),
        include_str!("log.rs"),
        include_str!("mod.rs"),
        include_str!("session.rs"),
        include_str!("value.rs"),
        include_str!("wrappers.rs"),
    ]
    .concat();
    let used: BTreeSet<&str> = tests
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let missing: Vec<_> = exported.difference(&used).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
