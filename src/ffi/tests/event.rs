//! All operations as one loop.

use std::ffi::c_int;

use super::*;
use crate::endpoint::sans_io::SansIoSession;
use crate::ffi::error::anwdl_event_t::*;
use crate::ffi::handle::PoisonOnPanic;
use crate::ffi::{borrow_mut, into_raw, status};

const KEY: &str = include_str!("../../../examples-c/tests/keys/server.pem");

fn keyed_options() -> *mut anwdl_client_options_t {
    let key = CString::new(KEY).unwrap();
    let (options, rsa) = (options(), rsa_wrapper());
    ok!(anwdl_rsa_wrapper_set_private_key(rsa, key.as_ptr(), 1));
    ok!(anwdl_client_options_set_rsa_wrapper(options, rsa));
    // SAFETY: it is not used any more.
    unsafe { anwdl_rsa_wrapper_free(rsa) };
    options
}

/// One side of a conversation, and what has happened to it.
struct Side {
    session: *mut anwdl_session_t,
    events: Vec<anwdl_event_t>,
    /// What the other side has sent, and this one has not taken yet.
    inbox: Vec<u8>,
    /// Whether it takes them in memory that it lends.
    lends: bool,
    request: *mut anwdl_request_t,
    response: *mut anwdl_response_t,
}

impl Side {
    fn new(role: anwdl_role_t, options: *const anwdl_client_options_t) -> Self {
        let mut session = null_mut();
        ok!(anwdl_session_new(role as RoleNumber, options, &mut session));
        Self {
            session,
            events: Vec::new(),
            inbox: Vec::new(),
            lends: false,
            request: null_mut(),
            response: null_mut(),
        }
    }

    fn next(&mut self) -> anwdl_event_t {
        // SAFETY: the session is live, and the places are.
        unsafe { anwdl_session_next_event(self.session, &mut self.request, &mut self.response) }
    }

    /// Goes on until it waits or has to speak, and keeps what has happened until then.
    fn advance(&mut self) -> anwdl_event_t {
        loop {
            forget_last_error();
            let event = self.next();
            match event {
                ANWDL_EVENT_WANT_READ | ANWDL_EVENT_WANT_WRITE | ANWDL_EVENT_YOUR_TURN => {
                    assert_untouched();
                    return event;
                }
                ANWDL_EVENT_WANT_COMPUTATION => ok!(anwdl_session_compute(self.session)),
                _ => self.events.push(event),
            }
            if event == ANWDL_EVENT_ENDED {
                return event;
            }
        }
    }

    fn take_events(&mut self) -> Vec<anwdl_event_t> {
        std::mem::take(&mut self.events)
    }

    /// What is pending is on its way to the other side, which takes so many bytes at most; says whether it took any.
    fn send_to(&mut self, other: &mut Side, piece: usize) -> bool {
        let (mut bytes, mut len) = (null(), 0);
        ok!(anwdl_session_get_pending(
            self.session,
            &mut bytes,
            &mut len
        ));
        // SAFETY: the library says that so many bytes are there.
        let pending = unsafe { std::slice::from_raw_parts(bytes, len) };
        other.inbox.extend_from_slice(pending);
        ok!(anwdl_session_sent(self.session, len));
        other.take_inbox(piece) > 0 || len > 0
    }

    /// Takes so many bytes at most; gives how many.
    fn take_inbox(&mut self, piece: usize) -> usize {
        let (piece, inbox) = (self.inbox.len().min(piece), self.inbox.as_ptr());
        let mut taken = 0;
        if self.lends {
            taken = self.receive(piece);
        } else {
            ok!(anwdl_session_feed(self.session, inbox, piece, &mut taken));
        }
        self.inbox.drain(..taken);
        taken
    }

    /// The same in memory that the session lends.
    fn receive(&mut self, piece: usize) -> usize {
        let mut len = usize::MAX;
        forget_last_error();
        // SAFETY: the session is live, and the place is.
        let buffer = unsafe { anwdl_session_get_receive_buffer(self.session, &mut len) };
        assert_untouched();
        if buffer.is_null() {
            assert_eq!(len, usize::MAX);
            value_error!("count", anwdl_session_received(self.session, 1));
            return 0;
        }
        let count = piece.min(len);
        // SAFETY: the library says that there is room for so many bytes.
        unsafe { buffer.copy_from_nonoverlapping(self.inbox.as_ptr(), count) };
        value_error!("count", anwdl_session_received(self.session, len + 1));
        ok!(anwdl_session_received(self.session, count));
        count
    }

    fn is_idle(&self) -> bool {
        // SAFETY: the session is live.
        unsafe { anwdl_session_is_idle(self.session) }
    }

    fn respond(&mut self, message: &CStr) -> anwdl_status_t {
        // SAFETY: the session is live.
        unsafe { anwdl_session_send_response(self.session, 1, message.as_ptr(), null(), null()) }
    }

    fn ask(&mut self, verb: &CStr) -> anwdl_status_t {
        // SAFETY: the session is live.
        unsafe { anwdl_session_send_request(self.session, verb.as_ptr(), null()) }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // SAFETY: nothing of it is used any more.
        unsafe {
            anwdl_session_free(self.session);
            anwdl_request_free(self.request);
            anwdl_response_free(self.response);
        }
    }
}

/// Runs both sides until neither can go on by itself.
fn run(client: &mut Side, server: &mut Side, piece: usize) {
    loop {
        client.advance();
        server.advance();
        let has_sent = client.send_to(server, piece);
        if !server.send_to(client, piece) && !has_sent {
            return;
        }
    }
}

/// A client and a server that have exchanged their keys.
fn exchanged_pair(options: *const anwdl_client_options_t) -> (Side, Side) {
    let mut client = Side::new(anwdl_role_t::ANWDL_ROLE_CLIENT, options);
    let mut server = Side::new(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    run(&mut client, &mut server, 1000);
    assert_eq!(client.take_events(), [ANWDL_EVENT_EXCHANGED]);
    assert_eq!(server.take_events(), [ANWDL_EVENT_EXCHANGED]);
    (client, server)
}

#[test]
fn a_conversation_is_one_loop() {
    for protocol in [
        anwdl_protocol_t::ANWDL_PROTOCOL_V2,
        anwdl_protocol_t::ANWDL_PROTOCOL_V3,
        anwdl_protocol_t::ANWDL_PROTOCOL_V4,
        anwdl_protocol_t::ANWDL_PROTOCOL_GCM,
    ] {
        let options = keyed_options();
        ok!(anwdl_client_options_set_protocol(
            options,
            protocol as ProtocolNumber
        ));
        ok!(anwdl_client_options_set_separate_computation(options, 1));
        let (mut client, mut server) = exchanged_pair(options);
        for (piece, lends) in [(1, false), (1000, false), (1, true), (1000, true)] {
            (client.lends, server.lends) = (lends, lends);
            // Each waits for who has to begin.
            assert_eq!(client.advance(), ANWDL_EVENT_YOUR_TURN);
            assert_eq!(server.advance(), ANWDL_EVENT_WANT_READ);
            assert_eq!(client.ask(c"STAT"), ANWDL_WANT_WRITE);
            run(&mut client, &mut server, piece);
            assert_eq!(server.take_events(), [ANWDL_EVENT_REQUEST]);
            assert_eq!(client.take_events(), [ANWDL_EVENT_REQUEST_SENT]);
            assert_eq!(client.advance(), ANWDL_EVENT_WANT_READ);
            // A request is not followed by another one before its response.
            assert_eq!(server.advance(), ANWDL_EVENT_YOUR_TURN);
            assert_eq!(server.respond(c"OK"), ANWDL_WANT_WRITE);
            run(&mut client, &mut server, piece);
            assert_eq!(server.take_events(), [ANWDL_EVENT_RESPONSE_SENT]);
            assert_eq!(client.take_events(), [ANWDL_EVENT_RESPONSE]);
            // SAFETY: the response and the request belong to this test.
            unsafe {
                assert!(anwdl_response_get_success(client.response));
                assert_eq!(
                    CStr::from_ptr(anwdl_request_get_verb(server.request)),
                    c"STAT"
                );
                anwdl_request_free(server.request);
                anwdl_response_free(client.response);
            }
            server.request = null_mut();
            client.response = null_mut();
        }
        // The usual end.
        ok!(anwdl_session_feed_end(server.session));
        assert_eq!(server.next(), ANWDL_EVENT_ENDED);
        assert_eq!(last_reason(), ANWDL_REASON_PEER_CLOSED);
        assert_eq!(server.next(), ANWDL_EVENT_ENDED);
        assert_eq!(last_reason(), ANWDL_REASON_SESSION_FAILED);
        // SAFETY: the session is live, and the options are not used any more.
        unsafe {
            assert!(anwdl_session_has_failed(server.session));
            anwdl_client_options_free(options);
        }
    }
}

/// Whether both are between two requests.
fn are_idle(client: &Side, server: &Side) -> [bool; 2] {
    [client.is_idle(), server.is_idle()]
}

#[test]
fn a_session_is_idle_without_a_request() {
    for protocol in [
        anwdl_protocol_t::ANWDL_PROTOCOL_V2,
        anwdl_protocol_t::ANWDL_PROTOCOL_V3,
        anwdl_protocol_t::ANWDL_PROTOCOL_V4,
        anwdl_protocol_t::ANWDL_PROTOCOL_GCM,
    ] {
        let (options, number) = (keyed_options(), protocol as ProtocolNumber);
        ok!(anwdl_client_options_set_protocol(options, number));
        let mut fresh = [
            anwdl_role_t::ANWDL_ROLE_CLIENT,
            anwdl_role_t::ANWDL_ROLE_SERVER,
        ]
        .map(|role| Side::new(role, options));
        // Without keys, a client cannot ask, and a server has been asked nothing.
        assert_eq!(fresh.each_ref().map(Side::is_idle), [false, true]);
        let [client, server] = &mut fresh;
        client.advance();
        client.send_to(server, 1);
        assert_eq!(server.advance(), ANWDL_EVENT_WANT_READ);
        assert_eq!(are_idle(client, server), [false, true]);
        let (mut client, mut server) = exchanged_pair(options);
        client.lends = true;
        for lends in [false, true] {
            server.lends = lends;
            assert_eq!(are_idle(&client, &server), [true, true]);
            assert_eq!(client.ask(c"STAT"), ANWDL_WANT_WRITE);
            assert_eq!(are_idle(&client, &server), [false, true]);
            client.send_to(&mut server, 1);
            assert_eq!(server.advance(), ANWDL_EVENT_WANT_READ);
            assert!(!server.is_idle(), "a byte of the request is here");
            run(&mut client, &mut server, 1000);
            assert_eq!(server.take_events(), [ANWDL_EVENT_REQUEST]);
            assert_eq!(are_idle(&client, &server), [false, false]);
            assert_eq!(server.respond(c"OK"), ANWDL_WANT_WRITE);
            assert_eq!(are_idle(&client, &server), [false, false]);
            run(&mut client, &mut server, 1000);
            assert_eq!(are_idle(&client, &server), [true, true]);
            server.take_events();
            // SAFETY: the response and the request belong to this test.
            unsafe {
                anwdl_request_free(std::mem::replace(&mut server.request, null_mut()));
                anwdl_response_free(std::mem::replace(&mut client.response, null_mut()));
            }
        }
        ok!(anwdl_session_end(server.session));
        assert!(!server.is_idle(), "it has ended");
        // SAFETY: they are not used any more.
        unsafe { anwdl_client_options_free(options) };
    }
}

#[test]
fn a_client_is_not_idle_before_it_says_that_the_keys_are_exchanged() {
    let options = keyed_options();
    let mut client = Side::new(anwdl_role_t::ANWDL_ROLE_CLIENT, options);
    let mut server = Side::new(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    while client.events.is_empty() {
        client.send_to(&mut server, 1000);
        server.advance();
        server.send_to(&mut client, 1000);
        assert!(!client.is_idle());
        client.advance();
        // The last step is there to be sent.
        assert_eq!(client.is_idle(), !client.events.is_empty());
    }
    assert_eq!(client.take_events(), [ANWDL_EVENT_EXCHANGED]);
    // SAFETY: they are not used any more.
    unsafe { anwdl_client_options_free(options) };
}

/// Another message would never be sent, and its caller take the response to the first one for its own.
#[test]
fn a_message_under_way_is_continued_with_its_own_arguments_only() {
    let options = keyed_options();
    let (mut client, mut server) = exchanged_pair(options);
    assert_eq!(client.ask(c"DESTROY"), ANWDL_WANT_WRITE);
    assert_eq!(client.ask(c"STAT"), ANWDL_RUNTIME_ERROR);
    assert_eq!(last_reason(), ANWDL_REASON_OPERATION_PENDING);
    assert_eq!(
        last_message(),
        "a send_request with other arguments is under way and must be finished first"
    );
    // SAFETY: the session is live.
    let other = unsafe {
        anwdl_session_send_request(client.session, c"DESTROY".as_ptr(), c"{\"a\":1}".as_ptr())
    };
    assert_eq!(other, ANWDL_RUNTIME_ERROR);
    assert_eq!(client.ask(c"DESTROY"), ANWDL_WANT_WRITE);
    run(&mut client, &mut server, 1000);
    assert_eq!(server.take_events(), [ANWDL_EVENT_REQUEST]);
    assert_eq!(server.respond(c"OK"), ANWDL_WANT_WRITE);
    assert_eq!(server.respond(c"NO"), ANWDL_RUNTIME_ERROR);
    assert_eq!(last_reason(), ANWDL_REASON_OPERATION_PENDING);
    assert_eq!(server.respond(c"OK"), ANWDL_WANT_WRITE);
    run(&mut client, &mut server, 1000);
    assert_eq!(client.take_events().last(), Some(&ANWDL_EVENT_RESPONSE));
    // SAFETY: the response is this test's, and the options are not used any more.
    unsafe {
        let message = anwdl_response_get_message(client.response);
        assert_eq!(CStr::from_ptr(message), c"OK");
        anwdl_client_options_free(options);
    }
    // What comes after it is a message of its own.
    assert_eq!(client.ask(c"STAT"), ANWDL_WANT_WRITE);
}

/// The first bytes of the next request come with the last ones of this one.
#[test]
fn a_session_is_not_idle_with_the_start_of_the_next_request() {
    let options = keyed_options();
    let gcm = anwdl_protocol_t::ANWDL_PROTOCOL_GCM as ProtocolNumber;
    ok!(anwdl_client_options_set_protocol(options, gcm));
    let (mut client, mut server) = exchanged_pair(options);
    server.lends = true;
    assert_eq!(client.ask(c"STAT"), ANWDL_WANT_WRITE);
    client.send_to(&mut server, 0);
    // No released client asks twice; this is what one would send.
    server.inbox.extend_from_slice(&[0]);
    while server.advance() == ANWDL_EVENT_WANT_READ {
        server.take_inbox(usize::MAX);
    }
    assert!(server.inbox.is_empty(), "it has room for the next byte");
    assert_eq!(server.respond(c"OK"), ANWDL_WANT_WRITE);
    server.send_to(&mut client, 0);
    // SAFETY: the session is live, and the place is.
    let event =
        unsafe { anwdl_session_next_event(server.session, &mut server.request, null_mut()) };
    assert_eq!(event, ANWDL_EVENT_RESPONSE_SENT);
    assert!(!server.is_idle());
    assert_eq!(server.advance(), ANWDL_EVENT_WANT_READ);
    assert!(!server.is_idle());
    // SAFETY: they are not used any more.
    unsafe { anwdl_client_options_free(options) };
}

#[test]
fn what_another_function_has_finished_is_told_once() {
    let options = keyed_options();
    let mut client = Side::new(anwdl_role_t::ANWDL_ROLE_CLIENT, options);
    let mut server = Side::new(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    // SAFETY: the sessions are live, and the options are not used any more.
    unsafe {
        anwdl_client_options_free(options);
        // The server speaks first, by its own wish.
        let mut statuses = [ANWDL_WANT_READ; 2];
        while statuses != [ANWDL_OK; 2] {
            if statuses[0] != ANWDL_OK {
                statuses[0] = anwdl_session_exchange_keys(client.session, 1);
            }
            if statuses[1] != ANWDL_OK {
                statuses[1] = anwdl_session_exchange_keys(server.session, 0);
            }
            client.send_to(&mut server, 1000);
            server.send_to(&mut client, 1000);
        }
    }
    assert_eq!(client.advance(), ANWDL_EVENT_YOUR_TURN);
    assert_eq!(client.take_events(), [ANWDL_EVENT_EXCHANGED]);
    assert_eq!(client.advance(), ANWDL_EVENT_YOUR_TURN);
    assert_eq!(client.take_events(), []);
    // What another operation has followed is not told any more.
    assert_eq!(
        // SAFETY: the session is live, and the place is.
        unsafe { anwdl_session_recv_request(server.session, 0, &mut server.request) },
        ANWDL_WANT_READ
    );
    assert_eq!(server.advance(), ANWDL_EVENT_WANT_READ);
    assert_eq!(server.take_events(), []);
}

/// The steps of a key exchange, one by one: this side's turn comes after each of them.
#[test]
fn a_step_that_was_begun_is_continued() {
    let options = keyed_options();
    let mut client = Side::new(anwdl_role_t::ANWDL_ROLE_CLIENT, options);
    let mut server = Side::new(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    // SAFETY: the sessions are live, and the options are not used any more.
    unsafe {
        anwdl_client_options_free(options);
        assert_eq!(
            anwdl_session_recv_public_rsa_key(server.session),
            ANWDL_WANT_READ
        );
    }
    run(&mut client, &mut server, 1000);
    assert_eq!(server.advance(), ANWDL_EVENT_YOUR_TURN);
    assert_eq!(client.advance(), ANWDL_EVENT_WANT_READ);
    assert_eq!(server.take_events(), []);
}

#[test]
fn a_session_that_exchanges_nothing_begins_with_a_request() {
    let (options, aes) = (options(), aes_wrapper(anwdl_aes_mode_t::ANWDL_AES_CBC));
    ok!(anwdl_client_options_set_exchange_keys(options, 0));
    ok!(anwdl_client_options_set_aes_wrapper(options, aes));
    let mut client = Side::new(anwdl_role_t::ANWDL_ROLE_CLIENT, options);
    let mut server = Side::new(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    assert_eq!(client.ask(c"STAT"), ANWDL_WANT_WRITE);
    run(&mut client, &mut server, 1000);
    assert_eq!(server.take_events(), [ANWDL_EVENT_REQUEST]);
    // SAFETY: they are not used any more.
    unsafe {
        anwdl_client_options_free(options);
        anwdl_aes_wrapper_free(aes);
    }
}

fn set_time(session: *mut anwdl_session_t, milliseconds: u64) {
    ok!(anwdl_session_set_time(session, milliseconds));
}

fn time_left(session: *const anwdl_session_t) -> c_int {
    // SAFETY: the session is live.
    unsafe { anwdl_session_get_time_left(session) }
}

#[test]
fn a_session_that_is_told_the_time_times_out() {
    let options = keyed_options();
    ok!(anwdl_client_options_set_timeout(options, 1000));
    ok!(anwdl_client_options_set_idle_timeout(options, 5000));
    let mut server = Side::new(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    assert_eq!(server.advance(), ANWDL_EVENT_WANT_READ);
    // The exchange began at no time that the session knew.
    set_time(server.session, 7);
    assert_eq!(time_left(server.session), -1);

    let mut late = Side::new(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    set_time(late.session, 10_000);
    assert_eq!(time_left(late.session), -1);
    assert_eq!(late.advance(), ANWDL_EVENT_WANT_READ);
    assert_eq!(time_left(late.session), 1000);
    set_time(late.session, 10_999);
    assert_eq!(time_left(late.session), 1);
    // Time does not go back.
    set_time(late.session, 10_000);
    assert_eq!(time_left(late.session), 1);
    assert_eq!(late.advance(), ANWDL_EVENT_WANT_READ);
    set_time(late.session, 11_000);
    assert_eq!(time_left(late.session), 0);
    assert_eq!(late.advance(), ANWDL_EVENT_ENDED);
    assert_eq!(last_reason(), ANWDL_REASON_TIMEOUT);
    assert_eq!(time_left(late.session), -1);

    let (mut client, mut server) = exchanged_pair(options);
    // Its idle time began without a clock; a request and its response set that right.
    for side in [&mut client, &mut server] {
        set_time(side.session, 0);
    }
    assert_eq!(client.ask(c"STAT"), ANWDL_WANT_WRITE);
    run(&mut client, &mut server, 1000);
    assert_eq!(server.respond(c"OK"), ANWDL_WANT_WRITE);
    run(&mut client, &mut server, 1000);
    assert_eq!(time_left(server.session), 5000);
    set_time(server.session, 4000);
    assert_eq!(client.ask(c"STAT"), ANWDL_WANT_WRITE);
    // From the first byte on, the request has its own time.
    client.send_to(&mut server, 1);
    assert_eq!(server.advance(), ANWDL_EVENT_WANT_READ);
    assert_eq!(time_left(server.session), 1000);
    set_time(server.session, 5000);
    assert_eq!(server.advance(), ANWDL_EVENT_ENDED);
    assert_eq!(last_reason(), ANWDL_REASON_TIMEOUT);
    // SAFETY: they are not used any more.
    unsafe { anwdl_client_options_free(options) };
}

#[test]
fn without_a_timeout_nothing_is_due() {
    let options = keyed_options();
    let mut server = Side::new(anwdl_role_t::ANWDL_ROLE_SERVER, options);
    set_time(server.session, 1);
    assert_eq!(server.advance(), ANWDL_EVENT_WANT_READ);
    set_time(server.session, u64::MAX);
    assert_eq!(time_left(server.session), -1);
    assert_eq!(server.advance(), ANWDL_EVENT_WANT_READ);
    // SAFETY: they are not used any more.
    unsafe { anwdl_client_options_free(options) };
}

/// Over sockets: what is left is the system's time.
#[test]
fn clients_and_interfaces_tell_how_long_they_have() {
    let options = keyed_options();
    ok!(anwdl_client_options_set_non_blocking(options, 1));
    ok!(anwdl_client_options_set_timeout(options, 100_000));
    let (here, _there) = UnixStream::pair().unwrap();
    let (mut client, mut interface) = (null_mut(), null_mut());
    ok!(anwdl_client_new(here.into_raw_fd(), options, &mut client));
    ok!(anwdl_client_interface_new(options, &mut interface));
    let (mut request, mut response) = (null_mut(), null_mut());
    // SAFETY: the handles are live until they are freed.
    unsafe {
        assert_eq!(anwdl_client_get_time_left(client), -1);
        assert_eq!(
            anwdl_client_next_event(client, &mut request),
            ANWDL_EVENT_WANT_READ
        );
        assert!((90_000..=100_000).contains(&anwdl_client_get_time_left(client)));
        assert_eq!(anwdl_client_interface_get_time_left(interface), -1);
        // It has no connection, and gets over it.
        assert_eq!(
            anwdl_client_interface_next_event(interface, &mut response),
            ANWDL_EVENT_ENDED
        );
        assert_eq!(last_reason(), ANWDL_REASON_CLOSED);
        assert!(!anwdl_client_interface_has_failed(interface));
        anwdl_client_free(client);
        anwdl_client_interface_free(interface);
        anwdl_client_options_free(options);
    }
}

#[test]
fn the_loop_refuses_wrong_arguments() {
    let (client, _peer) = client();
    let [as_client, as_server] = ready_pair();
    let mut interface = null_mut();
    ok!(anwdl_client_interface_new(null(), &mut interface));
    let (mut request, mut response) = (null_mut(), null_mut());
    let over = ANWDL_EVENT_ENDED;
    gives!(
        over,
        "client",
        anwdl_client_next_event(null_mut(), &mut request)
    );
    gives!(
        over,
        "out_request",
        anwdl_client_next_event(client, null_mut())
    );
    gives!(
        over,
        "session",
        anwdl_session_next_event(null_mut(), &mut request, &mut response)
    );
    gives!(
        over,
        "out_request",
        anwdl_session_next_event(as_server, null_mut(), &mut response)
    );
    gives!(
        over,
        "out_response",
        anwdl_session_next_event(as_client, &mut request, null_mut())
    );
    gives!(
        over,
        "client_interface",
        anwdl_client_interface_next_event(null_mut(), &mut response)
    );
    gives!(
        over,
        "out_response",
        anwdl_client_interface_next_event(interface, null_mut())
    );
    gives!(-1, "client", anwdl_client_get_time_left(null()));
    gives!(-1, "session", anwdl_session_get_time_left(null()));
    gives!(
        -1,
        "client_interface",
        anwdl_client_interface_get_time_left(null())
    );
    value_error!("session", anwdl_session_set_time(null_mut(), 1));
    value_error!(
        "options",
        anwdl_client_options_set_idle_timeout(null_mut(), 1)
    );
    // Nothing of it has ended a session. The other role's place is not looked at.
    // SAFETY: the handles are live until they are freed.
    unsafe {
        assert_eq!(
            anwdl_session_next_event(as_server, &mut request, null_mut()),
            ANWDL_EVENT_EXCHANGED
        );
        assert_eq!(
            anwdl_session_next_event(as_client, null_mut(), &mut response),
            ANWDL_EVENT_EXCHANGED
        );
        assert!(!anwdl_client_has_failed(client));
        anwdl_client_free(client);
        anwdl_client_interface_free(interface);
        anwdl_session_free(as_client);
        anwdl_session_free(as_server);
    }
}

#[test]
fn a_loop_that_panicked_goes_no_further() {
    let options = crate::ClientOptions::default();
    let session = SansIoSession::new(crate::protocol::Role::Server, &options).unwrap();
    let session: *mut anwdl_session_t = into_raw(PoisonOnPanic::new(session));
    let mut request = null_mut();
    // SAFETY: the session is live until it is freed, and nobody else's.
    unsafe {
        let inner = borrow_mut(session, "session").unwrap();
        let panicked = status(|| inner.operate(|_| panic!("half-way")));
        assert_eq!(panicked, ANWDL_RUNTIME_ERROR);
        assert_eq!(
            anwdl_session_next_event(session, &mut request, null_mut()),
            ANWDL_EVENT_ENDED
        );
        assert_eq!(last_reason(), ANWDL_REASON_SESSION_FAILED);
        anwdl_session_free(session);
    }
}
