//! Sequences of C calls, mixed with bytes of peers: sessions without a descriptor and clients on
//! sockets, whose peers are each other or the input itself.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use anwdl::ffi::client::*;
use anwdl::ffi::data::{
    anwdl_client_send_response_data, anwdl_session_send_request_data,
    anwdl_session_send_response_data,
};
use anwdl::ffi::error::{anwdl_event_t, anwdl_status_t};
use anwdl::ffi::session::*;

use super::c_check::{
    CLOSED, INVALID_ARGUMENT, OK, OUT_OF_TURN, Out, OutSize, SESSION_FAILED, Text,
    WANT_COMPUTATION, WANT_READ, WANT_WRITE, WRONG_ROLE, call, check_lent, next_descriptor, reason,
};
use super::c_objects::{GCM, JSON, Objects, or_null};
use super::input::Input;

const MOST_CALLS: usize = 200;
const VERBS: [&str; 3] = ["STAT", "CREATE", "stat"];
const MESSAGES: [&str; 2] = ["OK", "Refused request"];

pub fn run(data: &[u8]) {
    let descriptor = next_descriptor();
    {
        let mut input = Input::new(data);
        let mut world = World {
            objects: Objects::new(),
            ends: Vec::new(),
        };
        world.open(&mut input, false);
        world.open(&mut input, true);
        for _ in 0..MOST_CALLS {
            if input.is_empty() {
                break;
            }
            world.step(&mut input);
        }
    }
    assert_eq!(next_descriptor(), descriptor, "a descriptor was left open");
}

struct World {
    objects: Objects,
    ends: Vec<End>,
}

/// One side of a connection.
struct End {
    handle: Handle,
    is_client: bool,
    /// What the peer has sent and nobody has brought yet.
    inbox: Vec<u8>,
    has_failed: bool,
}

enum Handle {
    Session(*mut anwdl_session_t),
    /// With the peer's end of its socket.
    Client(*mut anwdl_client_t, UnixStream),
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0 => self.objects.step(input),
            1 if self.ends.len() < 4 => {
                let is_client = input.flag();
                self.open(input, is_client);
            }
            2 if self.ends.len() > 1 => {
                let at = input.below(self.ends.len());
                drop(self.ends.swap_remove(at));
            }
            3..7 if self.ends.len() > 1 => self.converse(input),
            _ => {
                let at = input.below(self.ends.len());
                self.operate(at, input);
            }
        }
    }

    /// A new session, or a new client on a socket.
    fn open(&mut self, input: &mut Input<'_>, is_client: bool) {
        let options = self.objects.options[usize::from(input.flag())];
        let kind = input.byte();
        // SAFETY: the options are live, and each place takes what the function writes.
        unsafe {
            if kind & 1 == 0 || self.ends.is_empty() {
                let role = match kind >> 1 & 7 {
                    7 => 2,
                    _ => i32::from(is_client),
                };
                let mut out = Out::new();
                let status = call(|| anwdl_session_new(role, options, out.place()));
                if let Some(session) = out.take(status) {
                    self.ends
                        .push(End::new(Handle::Session(session), is_client));
                } else if self.ends.is_empty() {
                    self.open_plain();
                }
                return;
            }
            let (socket, peer) = UnixStream::pair().expect("a pair of sockets");
            peer.set_nonblocking(true).expect("it is a socket");
            // It would wait for a peer that is on the same thread.
            let set = call(|| {
                anwdl::ffi::client_options::anwdl_client_options_set_non_blocking(options, 1)
            });
            assert_eq!(set == OK, !options.is_null());
            let fd = socket.into_raw_fd();
            let mut out = Out::new();
            let status = call(|| anwdl_client_new(fd, options, out.place()));
            match out.take(status) {
                Some(client) => self
                    .ends
                    .push(End::new(Handle::Client(client, peer), false)),
                // It is still the caller's.
                None => drop(OwnedFd::from_raw_fd(fd)),
            }
        }
    }

    fn open_plain(&mut self) {
        let mut out = Out::new();
        // SAFETY: the place takes what the function writes.
        let status = call(|| unsafe { anwdl_session_new(0, ptr::null(), out.place()) });
        let session = out.take(status).expect("the defaults are good");
        let end = End::new(Handle::Session(session), false);
        let rsa = self.objects.rsa[0];
        if let Handle::Session(session) = end.handle {
            // SAFETY: both are live.
            let set = call(|| unsafe { anwdl_session_set_rsa_wrapper(session, rsa) });
            assert_eq!(set, OK);
        }
        self.ends.push(end);
    }

    /// Two ends do what belongs together until neither gets further.
    fn converse(&mut self, input: &mut Input<'_>) {
        let one = input.below(self.ends.len());
        let other = (one + 1 + input.below(self.ends.len() - 1)) % self.ends.len();
        let topic = input.byte();
        let flag = topic & 0x80 != 0;
        let is_server = !self.ends[one].is_client;
        let operations = match topic % 8 {
            0..3 => [
                Operation::Exchange(is_server != flag),
                Operation::Exchange(is_server == flag),
            ],
            3 => [Operation::SendPublicKey, Operation::ReceivePublicKey],
            4 => [Operation::SendAesKey, Operation::ReceiveAesKey],
            _ => [Operation::Send, Operation::Receive],
        };
        let damages = input.below(8) == 7;
        let mut done = [false; 2];
        for round in 0..40 {
            let mut moved = false;
            for (side, at) in [one, other].into_iter().enumerate() {
                if !done[side] {
                    let status = self.run(at, operations[side], &mut Input::new(&[]));
                    done[side] = !matches!(status, WANT_READ | WANT_WRITE | WANT_COMPUTATION);
                    if status == WANT_COMPUTATION {
                        self.ends[at].compute();
                        moved = true;
                    }
                }
                let mut bytes = self.ends[at].collect();
                if damages && round == 2 {
                    input.damage(&mut bytes);
                }
                moved |= !bytes.is_empty();
                self.ends[if side == 0 { other } else { one }]
                    .inbox
                    .extend(bytes);
                let peer = &mut self.ends[if side == 0 { other } else { one }];
                moved |= peer.bring(usize::MAX);
            }
            if !moved {
                break;
            }
        }
    }

    /// One operation of one end. With an empty input it is a plain one.
    fn run(&mut self, at: usize, operation: Operation, input: &mut Input<'_>) -> i32 {
        let data = or_null(input, &self.objects.data);
        let status = self.ends[at].run(operation, data, input, &mut self.objects);
        self.ends[at].check_failed(status);
        status
    }

    fn operate(&mut self, at: usize, input: &mut Input<'_>) {
        let flag = input.flag();
        let operation = match input.below(20) {
            0 => Operation::Exchange(flag),
            1 => Operation::SendPublicKey,
            2 => Operation::ReceivePublicKey,
            3 => Operation::SendAesKey,
            4 => Operation::ReceiveAesKey,
            5..8 => Operation::Send,
            8..11 => Operation::Receive,
            11 => return self.ends[at].compute(),
            12..14 => {
                let bytes = self.ends[at].collect();
                let to = input.below(self.ends.len());
                self.ends[to].inbox.extend(bytes);
                return;
            }
            14 => {
                let bytes = input.chunk();
                self.ends[at].inbox.extend(bytes);
                self.ends[at].bring(usize::MAX);
                return;
            }
            15 => {
                let most = usize::from(input.byte());
                self.ends[at].bring(most);
                return;
            }
            16 => return self.ends[at].end(input),
            17 => return self.ends[at].look(input),
            18 => {
                let rsa = or_null(input, &self.objects.rsa);
                let aes = or_null(input, &self.objects.aes);
                let status = self.ends[at].set_keys(flag, rsa, aes);
                assert!(flag || aes != self.objects.aes[GCM] || status != OK);
                return;
            }
            _ if flag => return self.ends[at].next_event(input, &mut self.objects),
            _ => return self.ends[at].misuse(input),
        };
        self.run(at, operation, input);
    }
}

#[derive(Clone, Copy)]
enum Operation {
    Exchange(bool),
    SendPublicKey,
    ReceivePublicKey,
    SendAesKey,
    ReceiveAesKey,
    Send,
    Receive,
}

impl End {
    fn new(handle: Handle, is_client: bool) -> Self {
        Self {
            handle,
            is_client,
            inbox: Vec::new(),
            has_failed: false,
        }
    }

    fn run(
        &mut self,
        operation: Operation,
        data: *mut anwdl::ffi::data::anwdl_data_t,
        input: &mut Input<'_>,
        objects: &mut Objects,
    ) -> i32 {
        use Operation::*;

        let is_plain = input.is_empty();
        let flag = input.flag();
        let text = |input: &mut Input<'_>, choices: &[&str]| match is_plain {
            true => Text::new(choices[0].as_bytes()),
            false => Text::choose(input, choices),
        };
        // SAFETY: every object is live or NULL, and each place takes what the function writes.
        unsafe {
            match (&self.handle, operation) {
                (&Handle::Session(session), Exchange(first)) => {
                    call(|| anwdl_session_exchange_keys(session, u8::from(first)))
                }
                (Handle::Client(client, _), Exchange(first)) => {
                    call(|| anwdl_client_exchange_keys(*client, u8::from(first)))
                }
                (&Handle::Session(session), Receive) if self.is_client => {
                    let mut out = Out::new();
                    let status = call(|| anwdl_session_recv_response(session, out.place()));
                    objects.responses.extend(out.take(status));
                    status
                }
                (handle, Receive) => {
                    let mut out = Out::new();
                    let status = call(|| match *handle {
                        Handle::Session(session) => {
                            anwdl_session_recv_request(session, u8::from(flag), out.place())
                        }
                        Handle::Client(client, _) => {
                            anwdl_client_recv_request(client, u8::from(flag), out.place())
                        }
                    });
                    objects.requests.extend(out.take(status));
                    status
                }
                (&Handle::Session(session), Send) if self.is_client => {
                    let verb = text(input, &VERBS);
                    let parameters = text(input, &JSON);
                    call(|| match flag {
                        false => anwdl_session_send_request(
                            session,
                            verb.pointer(),
                            parameters.pointer(),
                        ),
                        true => anwdl_session_send_request_data(session, verb.pointer(), data),
                    })
                }
                (handle, Send) => {
                    let message = text(input, &MESSAGES);
                    let json = text(input, &JSON);
                    let reason = Text::choose(input, &["a reason"]);
                    let (message, json, reason) =
                        (message.pointer(), json.pointer(), reason.pointer());
                    call(|| match (handle, flag) {
                        (&Handle::Session(session), false) => {
                            anwdl_session_send_response(session, 1, message, json, reason)
                        }
                        (&Handle::Session(session), true) => {
                            anwdl_session_send_response_data(session, 1, message, data, reason)
                        }
                        (Handle::Client(client, _), false) => {
                            anwdl_client_send_response(*client, 1, message, json, reason)
                        }
                        (Handle::Client(client, _), true) => {
                            anwdl_client_send_response_data(*client, 1, message, data, reason)
                        }
                    })
                }
                (handle, step) => call(|| match (handle, step) {
                    (&Handle::Session(session), SendPublicKey) => {
                        anwdl_session_send_public_rsa_key(session)
                    }
                    (&Handle::Session(session), ReceivePublicKey) => {
                        anwdl_session_recv_public_rsa_key(session)
                    }
                    (&Handle::Session(session), SendAesKey) => anwdl_session_send_aes_key(session),
                    (&Handle::Session(session), _) => anwdl_session_recv_aes_key(session),
                    (Handle::Client(client, _), SendPublicKey) => {
                        anwdl_client_send_public_rsa_key(*client)
                    }
                    (Handle::Client(client, _), ReceivePublicKey) => {
                        anwdl_client_recv_public_rsa_key(*client)
                    }
                    (Handle::Client(client, _), SendAesKey) => anwdl_client_send_aes_key(*client),
                    (Handle::Client(client, _), _) => anwdl_client_recv_aes_key(*client),
                }),
            }
        }
    }

    /// After an operation: what has failed stays so, and refuses everything.
    fn check_failed(&mut self, status: i32) {
        if self.has_failed {
            let refusals = [SESSION_FAILED, CLOSED, WRONG_ROLE, INVALID_ARGUMENT];
            assert!(
                status < 0 && refusals.contains(&reason()),
                "status {status} of a failed session, reason {}",
                reason()
            );
        }
        let has_failed = match self.handle {
            // SAFETY: the session is live.
            Handle::Session(session) => unsafe { anwdl_session_has_failed(session) },
            Handle::Client(..) => {
                self.has_failed || status < 0 && [SESSION_FAILED, CLOSED].contains(&reason())
            }
        };
        assert!(
            has_failed || !self.has_failed,
            "a failed session has recovered"
        );
        if status < 0 && reason() == SESSION_FAILED {
            assert!(has_failed);
        }
        self.has_failed = has_failed;
    }

    /// Whatever comes next, at some time.
    fn next_event(&mut self, input: &mut Input<'_>, objects: &mut Objects) {
        let (mut request, mut response) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the handle is live, and each place takes what the function writes.
        let event = unsafe {
            match self.handle {
                Handle::Session(session) => {
                    let set = call(|| anwdl_session_set_time(session, input.byte().into()));
                    assert_eq!(set, OK);
                    anwdl_session_next_event(session, &mut request, &mut response)
                }
                Handle::Client(client, _) => anwdl_client_next_event(client, &mut request),
            }
        };
        assert_eq!(
            !request.is_null(),
            event == anwdl_event_t::ANWDL_EVENT_REQUEST
        );
        assert_eq!(
            !response.is_null(),
            event == anwdl_event_t::ANWDL_EVENT_RESPONSE
        );
        objects
            .requests
            .extend((!request.is_null()).then_some(request));
        objects
            .responses
            .extend((!response.is_null()).then_some(response));
        if self.has_failed {
            assert_eq!(event, anwdl_event_t::ANWDL_EVENT_ENDED);
        }
        self.has_failed |= event == anwdl_event_t::ANWDL_EVENT_ENDED;
    }

    fn compute(&mut self) {
        // SAFETY: the handle is live.
        let status = call(|| unsafe {
            match self.handle {
                Handle::Session(session) => anwdl_session_compute(session),
                Handle::Client(client, _) => anwdl_client_compute(client),
            }
        });
        if self.has_failed {
            assert!(status < 0);
        }
    }

    /// What this end has to send.
    fn collect(&mut self) -> Vec<u8> {
        match &mut self.handle {
            &mut Handle::Session(session) => {
                let (mut bytes, mut len) = (ptr::null(), 0);
                // SAFETY: the session is live, and what it lends is copied at once.
                unsafe {
                    let status = call(|| anwdl_session_get_pending(session, &mut bytes, &mut len));
                    assert_eq!(status, OK);
                    let pending = match len {
                        0 => Vec::new(),
                        _ => std::slice::from_raw_parts(bytes, len).to_vec(),
                    };
                    assert_ne!(call(|| anwdl_session_sent(session, len + 1)), OK);
                    assert_eq!(call(|| anwdl_session_sent(session, len)), OK);
                    pending
                }
            }
            Handle::Client(_, peer) => {
                let mut bytes = vec![0; 0x10000];
                let count = peer.read(&mut bytes).unwrap_or(0);
                bytes.truncate(count);
                bytes
            }
        }
    }

    /// Brings at most so many bytes of the peer's; whether any were taken.
    fn bring(&mut self, most: usize) -> bool {
        let count = self.inbox.len().min(most);
        let taken = match &mut self.handle {
            &mut Handle::Session(session) => {
                let mut taken = OutSize::new();
                // SAFETY: the session is live, and there are so many bytes.
                let status = call(|| unsafe {
                    anwdl_session_feed(session, self.inbox.as_ptr(), count, taken.place())
                });
                let taken = taken.take(status).unwrap_or(0);
                assert!(taken <= count && (status == OK || status < 0));
                taken
            }
            Handle::Client(_, peer) => peer.write(&self.inbox[..count]).unwrap_or(0),
        };
        self.inbox.drain(..taken);
        taken > 0
    }

    /// One of the ways to end.
    fn end(&mut self, input: &mut Input<'_>) {
        let choice = input.below(4);
        // SAFETY: the handle is live.
        unsafe {
            match &mut self.handle {
                &mut Handle::Session(session) if choice == 0 => {
                    assert_eq!(call(|| anwdl_session_end(session)), OK);
                    assert!(anwdl_session_has_failed(session));
                    self.has_failed = true;
                }
                &mut Handle::Session(session) => {
                    let status = call(|| anwdl_session_feed_end(session));
                    assert_eq!(status == OK, !self.has_failed);
                }
                &mut Handle::Client(client, _) if choice == 0 => {
                    let was_closed = anwdl_client_is_closed(client);
                    let status = call(|| anwdl_client_close_connection(client));
                    assert_eq!(status == OK, !was_closed);
                    assert!(anwdl_client_is_closed(client));
                    self.has_failed = true;
                }
                &mut Handle::Client(client, _) if choice == 1 => {
                    let fd = anwdl_client_get_socket_descriptor(client);
                    let detached = anwdl_client_detach(client);
                    // A part of the next message may be here already.
                    if detached < 0 && fd >= 0 {
                        assert_eq!(reason(), OUT_OF_TURN);
                        assert_eq!(call(|| anwdl_client_close_connection(client)), OK);
                    } else {
                        assert_eq!(detached, fd);
                    }
                    if detached >= 0 {
                        drop(OwnedFd::from_raw_fd(fd));
                    }
                    self.has_failed = true;
                }
                Handle::Client(_, peer) => {
                    let _ = peer.shutdown(std::net::Shutdown::Both);
                }
            }
        }
    }

    /// Everything that only looks.
    fn look(&mut self, input: &mut Input<'_>) {
        // SAFETY: the handle is live, and what it lends is looked at at once.
        unsafe {
            match self.handle {
                Handle::Session(session) => {
                    assert!(anwdl_session_get_time_left(session) >= -1);
                    let status = call(|| anwdl_session_get_wants(session));
                    assert!(status >= 0);
                    check_lent(anwdl_session_get_ip(session));
                    check_lent(anwdl_session_get_id(session));
                    assert!(anwdl_session_get_creation_timestamp(session) > 0);
                    let own = ptr::from_ref(self).cast_mut().cast();
                    assert_eq!(call(|| anwdl_session_set_user_data(session, own)), OK);
                    assert_eq!(anwdl_session_get_user_data(session), own);
                    assert_eq!(
                        anwdl_session_get_role(session) as i32,
                        i32::from(self.is_client)
                    );
                    check_lent(anwdl_session_get_request_errors(session));
                    check_lent(anwdl_session_get_malformed_request_json(session));
                    let stored = anwdl_session_get_stored_request(session);
                    check_stored(stored);
                    anwdl_session_get_protocol(session);
                    check_wrappers(
                        anwdl_session_get_rsa_wrapper(session),
                        anwdl_session_get_aes_wrapper(session),
                        self.has_failed,
                    );
                }
                Handle::Client(client, ref peer) => {
                    let fd = anwdl_client_get_socket_descriptor(client);
                    assert_eq!(fd < 0, anwdl_client_is_closed(client));
                    assert!(fd >= 0 || anwdl_client_has_failed(client));
                    assert_ne!(fd, peer.as_raw_fd());
                    assert!(call(|| anwdl_client_get_wants(client)) >= 0);
                    let own = ptr::from_ref(self).cast_mut().cast();
                    assert_eq!(call(|| anwdl_client_set_user_data(client, own)), OK);
                    assert_eq!(anwdl_client_get_user_data(client), own);
                    assert!(anwdl_client_get_time_left(client) >= -1);
                    check_lent(anwdl_client_get_ip(client));
                    check_lent(anwdl_client_get_id(client));
                    check_lent(anwdl_client_get_request_errors(client));
                    check_lent(anwdl_client_get_malformed_request_json(client));
                    check_stored(anwdl_client_get_stored_request(client));
                    anwdl_client_get_protocol(client);
                    assert!(anwdl_client_get_creation_timestamp(client) > 0);
                    check_wrappers(
                        anwdl_client_get_rsa_wrapper(client),
                        anwdl_client_get_aes_wrapper(client),
                        self.has_failed,
                    );
                }
            }
        }
        let _ = input;
    }

    fn set_keys(
        &mut self,
        is_rsa: bool,
        rsa: *const anwdl::ffi::rsa_wrapper::anwdl_rsa_wrapper_t,
        aes: *const anwdl::ffi::aes_wrapper::anwdl_aes_wrapper_t,
    ) -> i32 {
        // SAFETY: every object is live or NULL.
        let status = call(|| unsafe {
            match (&self.handle, is_rsa) {
                (&Handle::Session(session), true) => anwdl_session_set_rsa_wrapper(session, rsa),
                (&Handle::Session(session), false) => anwdl_session_set_aes_wrapper(session, aes),
                (Handle::Client(client, _), true) => anwdl_client_set_rsa_wrapper(*client, rsa),
                (Handle::Client(client, _), false) => anwdl_client_set_aes_wrapper(*client, aes),
            }
        });
        self.check_failed(status);
        status
    }

    /// Calls that are wrong whatever the state is: no output for a result, NULL for `self`, no
    /// text where one is needed.
    fn misuse(&mut self, input: &mut Input<'_>) {
        let json = Text::choose(input, &JSON);
        let choice = input.below(5);
        // SAFETY: the handle is live; the rest is NULL.
        let status = call(|| unsafe {
            match (&self.handle, choice) {
                (_, 0) => anwdl_session_exchange_keys(ptr::null_mut(), 1),
                (_, 1) => anwdl_client_new(-1, ptr::null(), ptr::null_mut()),
                (&Handle::Session(session), 2) => {
                    anwdl_session_recv_request(session, 0, ptr::null_mut())
                }
                (&Handle::Session(session), 3) => {
                    anwdl_session_feed(session, ptr::null(), 1, ptr::null_mut())
                }
                (&Handle::Session(session), _) => {
                    anwdl_session_send_request(session, ptr::null(), json.pointer())
                }
                (Handle::Client(client, _), 2 | 3) => {
                    anwdl_client_recv_request(*client, 0, ptr::null_mut())
                }
                (Handle::Client(client, _), _) => {
                    anwdl_client_send_response(*client, 1, ptr::null(), json.pointer(), ptr::null())
                }
            }
        });
        assert_eq!(status, anwdl_status_t::ANWDL_VALUE_ERROR as i32);
        assert_eq!(reason(), INVALID_ARGUMENT);
    }
}

/// # Safety
/// The request is live or NULL.
unsafe fn check_stored(request: *const anwdl::ffi::request::anwdl_request_t) {
    if !request.is_null() {
        // SAFETY: the caller vouches for it.
        unsafe { check_lent(anwdl::ffi::request::anwdl_request_get_json(request)) };
    }
}

/// # Safety
/// The wrappers are live or NULL.
unsafe fn check_wrappers(
    rsa: *const anwdl::ffi::rsa_wrapper::anwdl_rsa_wrapper_t,
    aes: *const anwdl::ffi::aes_wrapper::anwdl_aes_wrapper_t,
    has_failed: bool,
) {
    // SAFETY: the caller vouches for them.
    unsafe {
        if !rsa.is_null() {
            anwdl::ffi::rsa_wrapper::anwdl_rsa_wrapper_get_key_size(rsa);
        }
        assert!(
            !has_failed || aes.is_null(),
            "a failed session has kept its key"
        );
        if !aes.is_null() {
            let size = anwdl::ffi::aes_wrapper::anwdl_aes_wrapper_get_key_size(aes);
            assert!([128, 192, 256].contains(&size));
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // SAFETY: the handle is live, and used no more.
        unsafe {
            match self.handle {
                Handle::Session(session) => anwdl_session_free(session),
                Handle::Client(client, _) => anwdl_client_free(client),
            }
        }
    }
}
