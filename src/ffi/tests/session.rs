//! Sessions without a descriptor.

use std::cell::RefCell;
use std::collections::VecDeque;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::*;
use crate::crypto::{AesMode, AesWrapper, RsaWrapper};
use crate::endpoint::sans_io::SansIoSession;
use crate::ffi::handle::PoisonOnPanic;
use crate::ffi::{borrow_mut, into_raw, status};
use crate::protocol::session::{Config, Session};
use crate::protocol::{Protocol, Role};

const SERVER: RoleNumber = anwdl_role_t::ANWDL_ROLE_SERVER as RoleNumber;
const CLIENT: RoleNumber = anwdl_role_t::ANWDL_ROLE_CLIENT as RoleNumber;

fn free(sessions: &[*mut anwdl_session_t]) {
    for &session in sessions {
        // SAFETY: it is not used any more.
        unsafe { anwdl_session_free(session) };
    }
}

/// The bytes that a session wants to send; they count as sent.
fn take_pending(session: *mut anwdl_session_t, most: usize) -> Vec<u8> {
    let (mut bytes, mut len) = (null(), 0);
    ok!(anwdl_session_get_pending(session, &mut bytes, &mut len));
    let count = len.min(most);
    // SAFETY: the library says that so many bytes are there.
    let taken = unsafe { std::slice::from_raw_parts(bytes, count) }.to_vec();
    ok!(anwdl_session_sent(session, count));
    taken
}

fn feed(session: *mut anwdl_session_t, bytes: &[u8]) -> usize {
    let mut taken = usize::MAX;
    ok!(anwdl_session_feed(
        session,
        bytes.as_ptr(),
        bytes.len(),
        &mut taken
    ));
    taken
}

fn wants(session: *mut anwdl_session_t) -> anwdl_status_t {
    // SAFETY: the session is live.
    unsafe { anwdl_session_get_wants(session) }
}

/// Drives an operation with all of `incoming`, in pieces of so many bytes; gives what the
/// session sent.
fn drive(
    session: *mut anwdl_session_t,
    mut incoming: &[u8],
    piece: usize,
    mut operation: impl FnMut() -> anwdl_status_t,
) -> Vec<u8> {
    let mut sent = Vec::new();
    loop {
        forget_last_error();
        let status = operation();
        assert_untouched();
        match status {
            ANWDL_OK => {
                assert!(incoming.is_empty(), "not all bytes were taken");
                assert_eq!(wants(session), ANWDL_OK);
                return sent;
            }
            ANWDL_WANT_READ => {
                assert_eq!(wants(session), ANWDL_WANT_READ);
                let taken = feed(session, &incoming[..piece.min(incoming.len())]);
                assert!(taken > 0, "it waits for more than there is");
                incoming = &incoming[taken..];
            }
            ANWDL_WANT_WRITE => {
                assert_eq!(wants(session), ANWDL_WANT_WRITE);
                sent.extend(take_pending(session, piece));
            }
            ANWDL_WANT_COMPUTATION => {
                assert_eq!(wants(session), ANWDL_WANT_COMPUTATION);
                ok!(anwdl_session_compute(session));
            }
            other => panic!("{other:?}: {}", last_message()),
        }
    }
}

/// Asserts what a call fails with.
macro_rules! fails {
    ($status:ident, $reason:ident, $call:expr) => {{
        forget_last_error();
        // SAFETY: every pointer points to what its type says.
        assert_eq!(unsafe { $call }, $status);
        assert_eq!(last_reason(), $reason);
    }};
}

#[test]
fn a_session_refuses_wrong_arguments() {
    let [client, server] = ready_pair();
    let (none, constant) = (null_mut(), null());
    let (rsa, aes) = (rsa_wrapper(), aes_wrapper(anwdl_aes_mode_t::ANWDL_AES_CBC));
    let (text, nothing, wrong) = (c"STAT".as_ptr(), null(), NOT_UTF_8.as_ptr());
    let (mut made, mut request, mut response) = (null_mut(), null_mut(), null_mut());
    let (mut bytes, mut len) = (null(), 7);

    for number in [-1, 2, i32::MIN, i32::MAX] {
        value_error!("role", anwdl_session_new(number, null(), &mut made));
    }
    value_error!("out_session", anwdl_session_new(SERVER, null(), null_mut()));
    value_error!("session", anwdl_session_exchange_keys(none, 1));
    for step in [
        anwdl_session_send_public_rsa_key,
        anwdl_session_recv_public_rsa_key,
        anwdl_session_send_aes_key,
        anwdl_session_recv_aes_key,
        anwdl_session_compute,
        anwdl_session_feed_end,
        anwdl_session_end,
    ] {
        value_error!("session", step(none));
    }
    value_error!("session", anwdl_session_recv_request(none, 0, &mut request));
    value_error!(
        "out_request",
        anwdl_session_recv_request(server, 0, null_mut())
    );
    value_error!(
        "session",
        anwdl_session_send_response(none, 1, text, nothing, nothing)
    );
    for message in [nothing, wrong] {
        value_error!(
            "message",
            anwdl_session_send_response(server, 1, message, nothing, nothing)
        );
    }
    value_error!(
        "data_json",
        anwdl_session_send_response(server, 1, text, wrong, nothing)
    );
    value_error!(
        "reason",
        anwdl_session_send_response(server, 1, text, nothing, wrong)
    );
    value_error!("session", anwdl_session_send_request(none, text, nothing));
    for verb in [nothing, wrong] {
        value_error!("verb", anwdl_session_send_request(client, verb, nothing));
    }
    value_error!(
        "parameters_json",
        anwdl_session_send_request(client, text, wrong)
    );
    value_error!("session", anwdl_session_recv_response(none, &mut response));
    value_error!(
        "out_response",
        anwdl_session_recv_response(client, null_mut())
    );
    let data = b"data".as_ptr();
    value_error!("session", anwdl_session_feed(none, data, 4, &mut len));
    value_error!("bytes", anwdl_session_feed(server, null(), 4, &mut len));
    value_error!("out_taken", anwdl_session_feed(server, data, 4, null_mut()));
    value_error!(
        "session",
        anwdl_session_get_pending(constant, &mut bytes, &mut len)
    );
    value_error!(
        "bytes",
        anwdl_session_get_pending(server, null_mut(), &mut len)
    );
    value_error!(
        "len",
        anwdl_session_get_pending(server, &mut bytes, null_mut())
    );
    value_error!("session", anwdl_session_sent(none, 0));
    value_error!("count", anwdl_session_sent(server, 1));
    value_error!("count", anwdl_session_sent(server, usize::MAX));
    value_error!("session", anwdl_session_get_wants(constant));
    gives!(false, "session", anwdl_session_has_failed(constant));
    gives!(false, "session", anwdl_session_is_idle(constant));
    let mut room = 7;
    gives!(
        null_mut(),
        "session",
        anwdl_session_get_receive_buffer(none, &mut room)
    );
    gives!(
        null_mut(),
        "out_len",
        anwdl_session_get_receive_buffer(server, null_mut())
    );
    assert_eq!(room, 7);
    value_error!("session", anwdl_session_received(none, 0));
    value_error!("count", anwdl_session_received(server, usize::MAX));
    gives!(
        anwdl_role_t::ANWDL_ROLE_SERVER,
        "session",
        anwdl_session_get_role(constant)
    );
    gives!(
        anwdl_protocol_t::ANWDL_PROTOCOL_AUTO,
        "session",
        anwdl_session_get_protocol(constant)
    );
    gives!(null(), "session", anwdl_session_get_rsa_wrapper(constant));
    gives!(null(), "session", anwdl_session_get_aes_wrapper(constant));
    gives!(
        null(),
        "session",
        anwdl_session_get_stored_request(constant)
    );
    gives!(
        null(),
        "session",
        anwdl_session_get_request_errors(constant)
    );
    gives!(
        null(),
        "session",
        anwdl_session_get_malformed_request_json(constant)
    );
    value_error!("session", anwdl_session_set_rsa_wrapper(none, rsa));
    value_error!("wrapper", anwdl_session_set_rsa_wrapper(server, null()));
    value_error!("session", anwdl_session_set_aes_wrapper(none, aes));
    value_error!("wrapper", anwdl_session_set_aes_wrapper(server, null()));
    fails!(
        ANWDL_RUNTIME_ERROR,
        ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
        anwdl_session_set_rsa_wrapper(server, rsa)
    );
    fails!(
        ANWDL_RUNTIME_ERROR,
        ANWDL_REASON_KEYS_ALREADY_EXCHANGED,
        anwdl_session_set_aes_wrapper(server, aes)
    );

    assert!(made.is_null() && request.is_null() && response.is_null());
    assert_eq!((bytes, len), (null(), 7));
    let mut fresh = null_mut();
    ok!(anwdl_session_new(SERVER, null(), &mut fresh));
    ok!(anwdl_session_set_rsa_wrapper(fresh, rsa));
    ok!(anwdl_session_set_aes_wrapper(fresh, aes));
    free(&[client, server, fresh, null_mut()]);
    // SAFETY: neither is used any more.
    unsafe {
        anwdl_rsa_wrapper_free(rsa);
        anwdl_aes_wrapper_free(aes);
    }
}

#[test]
fn a_session_is_used_in_its_role_and_its_turn() {
    let [client, server] = ready_pair();
    let (ok, nothing) = (c"OK".as_ptr(), null());
    let (mut request, mut response) = (null_mut(), null_mut());
    // SAFETY: the sessions are live.
    unsafe {
        assert_eq!(anwdl_session_get_role(client) as RoleNumber, CLIENT);
        assert_eq!(anwdl_session_get_role(server) as RoleNumber, SERVER);
    }
    fails!(
        ANWDL_VALUE_ERROR,
        ANWDL_REASON_WRONG_ROLE,
        anwdl_session_recv_request(client, 0, &mut request)
    );
    fails!(
        ANWDL_VALUE_ERROR,
        ANWDL_REASON_WRONG_ROLE,
        anwdl_session_send_response(client, 1, ok, nothing, nothing)
    );
    fails!(
        ANWDL_VALUE_ERROR,
        ANWDL_REASON_WRONG_ROLE,
        anwdl_session_send_request(server, ok, nothing)
    );
    fails!(
        ANWDL_VALUE_ERROR,
        ANWDL_REASON_WRONG_ROLE,
        anwdl_session_recv_response(server, &mut response)
    );
    fails!(
        ANWDL_VALUE_ERROR,
        ANWDL_REASON_OUT_OF_TURN,
        anwdl_session_compute(server)
    );

    let verb = c"STAT".as_ptr();
    // SAFETY: in this test, all pointers are to what their types say.
    let sent = drive(client, &[], 5, || unsafe {
        anwdl_session_send_request(client, verb, nothing)
    });
    fails!(
        ANWDL_VALUE_ERROR,
        ANWDL_REASON_OUT_OF_TURN,
        anwdl_session_send_request(client, verb, nothing)
    );
    // SAFETY: as above.
    drive(server, &sent, 5, || unsafe {
        anwdl_session_recv_request(server, 1, null_mut())
    });
    // SAFETY: as above.
    let sent = drive(server, &[], 5, || unsafe {
        anwdl_session_send_response(server, 1, ok, nothing, nothing)
    });
    fails!(
        ANWDL_VALUE_ERROR,
        ANWDL_REASON_OUT_OF_TURN,
        anwdl_session_send_response(server, 1, ok, nothing, nothing)
    );
    // SAFETY: as above.
    drive(client, &sent, 5, || unsafe {
        anwdl_session_recv_response(client, &mut response)
    });
    // SAFETY: the response and the session are live.
    unsafe {
        anwdl_response_free(response);
        let stored = anwdl_session_get_stored_request(server);
        assert_eq!(CStr::from_ptr(anwdl_request_get_verb(stored)), c"STAT");
        assert!(anwdl_session_get_request_errors(server).is_null());
        assert!(anwdl_session_get_malformed_request_json(server).is_null());
    }
    free(&[client, server]);
}

#[test]
fn a_session_takes_nothing_after_its_end() {
    let [client, server] = ready_pair();
    let mut taken = 7;
    ok!(anwdl_session_feed_end(client));
    assert_eq!(feed(client, b""), 0);
    fails!(
        ANWDL_RUNTIME_ERROR,
        ANWDL_REASON_PEER_CLOSED,
        anwdl_session_feed(client, b"1".as_ptr(), 1, &mut taken)
    );
    ok!(anwdl_session_end(server));
    ok!(anwdl_session_end(server));
    // SAFETY: the session is live.
    assert!(unsafe { anwdl_session_has_failed(server) });
    assert_eq!(wants(server), ANWDL_OK);
    fails!(
        ANWDL_RUNTIME_ERROR,
        ANWDL_REASON_SESSION_FAILED,
        anwdl_session_feed(server, b"1".as_ptr(), 1, &mut taken)
    );
    fails!(
        ANWDL_RUNTIME_ERROR,
        ANWDL_REASON_SESSION_FAILED,
        anwdl_session_feed_end(server)
    );
    fails!(
        ANWDL_RUNTIME_ERROR,
        ANWDL_REASON_SESSION_FAILED,
        anwdl_session_recv_request(server, 1, null_mut())
    );
    fails!(
        ANWDL_RUNTIME_ERROR,
        ANWDL_REASON_SESSION_FAILED,
        anwdl_session_exchange_keys(server, 1)
    );
    assert_eq!(taken, 7);
    free(&[client, server]);
}

#[test]
fn a_session_that_panicked_goes_no_further() {
    let [client, server] = ready_pair();
    // SAFETY: the session is live and nobody else's.
    let inner = unsafe { borrow_mut(server, "session") }.unwrap();
    let panicked = status(|| inner.operate(|_| panic!("half-way")));
    assert_eq!(panicked, ANWDL_RUNTIME_ERROR);
    // SAFETY: the session is live.
    assert!(unsafe { anwdl_session_has_failed(server) });
    fails!(
        ANWDL_RUNTIME_ERROR,
        ANWDL_REASON_SESSION_FAILED,
        anwdl_session_recv_request(server, 1, null_mut())
    );
    free(&[client, server]);
}

// -- recordings ------------------------------------------------------------------------------

const IV_SIZE: usize = 16;

thread_local! {
    /// The IVs that the recorded side drew, in their order.
    static RECORDED_IVS: RefCell<VecDeque<Vec<u8>>> = const { RefCell::new(VecDeque::new()) };
}

fn draw_recorded(bytes: &mut [u8]) -> Result<(), Error> {
    let iv = RECORDED_IVS.with_borrow_mut(VecDeque::pop_front);
    bytes.copy_from_slice(&iv.expect("an IV was recorded"));
    Ok(())
}

fn decoded(text: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap()
}

/// What one side sent, and what the other.
fn flights(value: &Value, role: Role) -> (Vec<u8>, Vec<u8>) {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for flight in value.as_array().unwrap() {
        let is_own = (flight["from"] == "client") == (role == Role::Client);
        let side = if is_own { &mut own } else { &mut others };
        side.extend(decoded(&flight["bytes"]));
    }
    (own, others)
}

fn recorded_session(recording: &Value, role: Role) -> *mut anwdl_session_t {
    let mut config = Config::new(role);
    config.key_echo = true; // as the released peers do
    config.random = draw_recorded;
    config.separate_computation = true;
    if role == Role::Client {
        config.protocol = match recording["label"].as_str().unwrap() {
            "v2.1" => Protocol::V2,
            "v3.1" => Protocol::V3,
            _ => Protocol::V4,
        };
    }
    let (key, iv) = (&recording["session_aes_key"], &recording["initial_iv"]);
    let aes = AesWrapper::from_key(&decoded(key), &decoded(iv), AesMode::Cbc).unwrap();
    let pem = match role {
        Role::Server => &recording["server_rsa_private_pem"],
        Role::Client => &recording["client_rsa_private_pem"],
    };
    let mut rsa = RsaWrapper::new(false).unwrap();
    rsa.set_private_key(pem.as_str().unwrap(), true).unwrap();
    let mut session = Session::new(config);
    session.set_rsa_wrapper(&rsa).unwrap();
    session.set_aes_wrapper(&aes).unwrap();
    into_raw(PoisonOnPanic::new(SansIoSession::from_session(session)))
}

fn c_string(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).unwrap()
}

/// Plays one role of a recording, bytes coming and going in pieces of so many. Gives the
/// data texts of the responses that a client receives; a server sends those of `data`.
fn replay(recording: &Value, role: Role, piece: usize, data: &[String]) -> Vec<String> {
    let session = recorded_session(recording, role);
    let receive_first = recording["receive_first"] == (role == Role::Server);
    let (own, others) = flights(&recording["handshake_flights"], role);
    // SAFETY: in this function, all pointers are to what their types say.
    let sent = drive(session, &others, piece, || unsafe {
        anwdl_session_exchange_keys(session, u8::from(receive_first))
    });
    // The one ciphertext is another each time; all around it is the same.
    assert_eq!(sent.len(), own.len());
    let differs = |at: &usize| sent[*at] != own[*at];
    let first = (0..sent.len()).find(differs).unwrap();
    let last = (0..sent.len()).rfind(differs).unwrap();
    assert!(last - first < 512);

    let turns = recording["turns"].as_array().unwrap();
    let ends = turns.iter().map(|turn| {
        let sent = match role {
            Role::Client => flights(&turn["request_flights"], role).0,
            Role::Server => flights(&turn["response_flights"], role).0,
        };
        sent[sent.len() - IV_SIZE..].to_vec()
    });
    RECORDED_IVS.set(ends.collect());
    let mut received = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        let (request_own, request_others) = flights(&turn["request_flights"], role);
        let (response_own, response_others) = flights(&turn["response_flights"], role);
        let (sent_request, sent_response);
        if role == Role::Client {
            let verb = c_string(turn["request"]["verb"].as_str().unwrap());
            let parameters = c_string(&spaced(&turn["request"]["parameters"]));
            // SAFETY: as above.
            sent_request = drive(session, &request_others, piece, || unsafe {
                anwdl_session_send_request(session, verb.as_ptr(), parameters.as_ptr())
            });
            let mut response = null_mut();
            // SAFETY: as above.
            sent_response = drive(session, &response_others, piece, || unsafe {
                anwdl_session_recv_response(session, &mut response)
            });
            // SAFETY: the response is live until it is freed, and its strings with it.
            unsafe {
                let json = CStr::from_ptr(anwdl_response_get_json(response));
                let json: Value = serde_json::from_slice(json.to_bytes()).unwrap();
                assert_eq!(json, turn["response"]);
                let data = CStr::from_ptr(anwdl_response_get_data_json(response));
                received.push(data.to_str().unwrap().to_owned());
                anwdl_response_free(response);
            }
        } else {
            let mut request = null_mut();
            // SAFETY: as above.
            sent_request = drive(session, &request_others, piece, || unsafe {
                anwdl_session_recv_request(session, 0, &mut request)
            });
            // SAFETY: the request is live until it is freed, and its strings with it.
            unsafe {
                let json = CStr::from_ptr(anwdl_request_get_json(request));
                let json: Value = serde_json::from_slice(json.to_bytes()).unwrap();
                assert_eq!(json, turn["request"]);
                anwdl_request_free(request);
            }
            let success = turn["response"]["success"] == true;
            let message = c_string(turn["response"]["message"].as_str().unwrap());
            let data = c_string(&data[at]);
            // SAFETY: as above.
            sent_response = drive(session, &response_others, piece, || unsafe {
                let (message, data) = (message.as_ptr(), data.as_ptr());
                anwdl_session_send_response(session, u8::from(success), message, data, null())
            });
        }
        assert_eq!((sent_request, sent_response), (request_own, response_own));
    }
    free(&[session]);
    received
}

/// JSON text as Python's `json.dumps` writes it.
fn spaced(value: &Value) -> String {
    let members = value.as_object().unwrap().iter();
    let members = members.map(|(key, value)| format!("\"{key}\": {value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

#[test]
fn every_recording_replays_in_both_roles_and_pieces_of_every_size() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let recording: Value = serde_json::from_str(&text).unwrap();
        for piece in [1, 2, 3, usize::MAX] {
            let data = replay(&recording, Role::Client, piece, &[]);
            replay(&recording, Role::Server, piece, &data);
        }
        count += 1;
    }
    assert_eq!(count, 12);
}

#[test]
fn a_session_computes_on_another_thread() {
    /// A pointer on its way to another thread.
    struct Moved(*mut anwdl_session_t);
    // SAFETY: one thread at a time uses the session.
    unsafe impl Send for Moved {}

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings");
    let text = std::fs::read_to_string(format!("{folder}/v4.1-stat.json")).unwrap();
    let recording: Value = serde_json::from_str(&text).unwrap();
    let session = recorded_session(&recording, Role::Server);
    let (_, mut incoming) = flights(&recording["handshake_flights"], Role::Server);
    loop {
        // SAFETY: the session is live.
        match unsafe { anwdl_session_exchange_keys(session, 1) } {
            ANWDL_WANT_READ => drop(incoming.drain(..feed(session, &incoming))),
            ANWDL_WANT_WRITE => drop(take_pending(session, usize::MAX)),
            status => {
                assert_eq!(status, ANWDL_WANT_COMPUTATION);
                break;
            }
        }
    }
    assert_eq!(feed(session, &incoming), 0, "it does not wait for bytes");
    let moved = Moved(session);
    let computing = std::thread::spawn(move || {
        let moved = moved;
        ok!(anwdl_session_compute(moved.0));
        moved
    });
    let Moved(session) = computing.join().unwrap();
    // SAFETY: the session is live.
    drive(session, &incoming, 1, || unsafe {
        anwdl_session_exchange_keys(session, 1)
    });
    free(&[session]);
}
