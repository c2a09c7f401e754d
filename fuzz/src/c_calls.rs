//! Sequences of C calls, mixed with bytes of peers: sessions without a descriptor, and clients and
//! client interfaces on sockets, whose peers are each other or the input itself.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use anwdl::ffi::client::*;
use anwdl::ffi::client_interface::*;
use anwdl::ffi::data::{
    anwdl_client_interface_send_request_data, anwdl_client_send_response_data,
    anwdl_session_send_request_data, anwdl_session_send_response_data,
};
use anwdl::ffi::error::{anwdl_event_t, anwdl_status_t};
use anwdl::ffi::session::*;

use super::c_check::{
    CLOSED, INVALID_ARGUMENT, OK, OPERATION_PENDING, OUT_OF_TURN, Out, OutSize, SESSION_FAILED,
    Text, WANT_COMPUTATION, WANT_READ, WANT_WRITE, WRONG_ROLE, call, check_lent, next_descriptor,
    reason,
};
use super::c_objects::{GCM, JSON, Objects, or_null, take_string};
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
    /// The same.
    Interface(*mut anwdl_client_interface_t, UnixStream),
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
            // It would wait for a peer that is on the same thread.
            let set = call(|| {
                anwdl::ffi::client_options::anwdl_client_options_set_non_blocking(options, 1)
            });
            assert_eq!(set == OK, !options.is_null());
            let (socket, peer) = pair();
            if is_client {
                let mut out = Out::new();
                let status = call(|| anwdl_client_interface_new(options, out.place()));
                if let Some(interface) = out.take(status) {
                    let mut end = End::new(Handle::Interface(interface, peer), true);
                    end.attach(socket);
                    self.ends.push(end);
                }
                return;
            }
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
            17 if flag => return self.ends[at].connect(input),
            17 => return self.ends[at].look(),
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
                (Handle::Interface(interface, _), Exchange(first)) => {
                    call(|| anwdl_client_interface_exchange_keys(*interface, u8::from(first)))
                }
                (handle, Receive) if self.is_client => {
                    let mut out = Out::new();
                    let status = call(|| match *handle {
                        Handle::Session(session) => {
                            anwdl_session_recv_response(session, out.place())
                        }
                        Handle::Interface(interface, _) => {
                            anwdl_client_interface_recv_response(interface, out.place())
                        }
                        Handle::Client(..) => unreachable!("it is a server's"),
                    });
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
                        Handle::Interface(..) => unreachable!("it is a client's"),
                    });
                    objects.requests.extend(out.take(status));
                    status
                }
                (handle, Send) if self.is_client => {
                    let verb = text(input, &VERBS);
                    let parameters = text(input, &JSON);
                    let (verb, json) = (verb.pointer(), parameters.pointer());
                    call(|| match (handle, flag) {
                        (&Handle::Session(session), false) => {
                            anwdl_session_send_request(session, verb, json)
                        }
                        (&Handle::Session(session), true) => {
                            anwdl_session_send_request_data(session, verb, data)
                        }
                        (Handle::Interface(interface, _), false) => {
                            anwdl_client_interface_send_request(*interface, verb, json)
                        }
                        (Handle::Interface(interface, _), true) => {
                            anwdl_client_interface_send_request_data(*interface, verb, data)
                        }
                        (Handle::Client(..), _) => unreachable!("it is a server's"),
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
                        (Handle::Interface(..), _) => unreachable!("it is a client's"),
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
                    (Handle::Interface(interface, _), SendPublicKey) => {
                        anwdl_client_interface_send_public_rsa_key(*interface)
                    }
                    (Handle::Interface(interface, _), ReceivePublicKey) => {
                        anwdl_client_interface_recv_public_rsa_key(*interface)
                    }
                    (Handle::Interface(interface, _), SendAesKey) => {
                        anwdl_client_interface_send_aes_key(*interface)
                    }
                    (Handle::Interface(interface, _), _) => {
                        anwdl_client_interface_recv_aes_key(*interface)
                    }
                }),
            }
        }
    }

    /// After an operation: what has failed stays so, and refuses everything.
    fn check_failed(&mut self, status: i32) {
        if self.has_failed {
            // An interface may be connecting anew.
            let refusals = [
                SESSION_FAILED,
                CLOSED,
                WRONG_ROLE,
                INVALID_ARGUMENT,
                OPERATION_PENDING,
            ];
            assert!(
                status < 0 && refusals.contains(&reason()),
                "status {status} of a failed session, reason {}",
                reason()
            );
        }
        let has_failed = match self.handle {
            // SAFETY: the session is live.
            Handle::Session(session) => unsafe { anwdl_session_has_failed(session) },
            // SAFETY: the interface is live.
            Handle::Interface(interface, _) => unsafe {
                self.has_failed || anwdl_client_interface_has_failed(interface)
            },
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

    /// Another connection, of an interface that has none: of a socket, or to nobody.
    fn connect(&mut self, input: &mut Input<'_>) {
        let Handle::Interface(interface, _) = self.handle else {
            return;
        };
        let choice = input.below(6);
        if choice < 3 {
            let (socket, peer) = pair();
            if self.attach(socket) {
                self.handle = Handle::Interface(interface, peer);
                self.inbox.clear();
            }
            return;
        }
        // No name: the system's resolver is not what is looked at here.
        let host = Text::new(input.pick(&["127.0.0.1", "::1", ""]).as_bytes());
        let port = input.pick(&[1, 0]);
        // SAFETY: the interface is live.
        unsafe {
            let was_closed = anwdl_client_interface_is_closed(interface);
            let connect = || anwdl_client_interface_connect_server(interface, host.pointer(), port);
            let status = call(connect);
            assert_ne!(status, OK, "nobody listens there");
            let is_closed = anwdl_client_interface_is_closed(interface);
            assert_eq!(is_closed, was_closed && status < 0);
            if was_closed {
                self.has_failed = anwdl_client_interface_has_failed(interface);
            }
        }
    }

    /// Gives an interface a socket; whether it has taken it.
    fn attach(&mut self, socket: UnixStream) -> bool {
        let Handle::Interface(interface, _) = self.handle else {
            unreachable!("it is an interface");
        };
        let fd = socket.into_raw_fd();
        // SAFETY: the interface is live, and the descriptor open.
        unsafe {
            let was_closed = anwdl_client_interface_is_closed(interface);
            let status = call(|| anwdl_client_interface_attach(interface, fd));
            assert_eq!(status == OK, was_closed);
            if status == OK {
                assert_eq!(anwdl_client_interface_get_socket_descriptor(interface), fd);
                self.has_failed = false;
            } else {
                // It is still the caller's.
                drop(OwnedFd::from_raw_fd(fd));
            }
            status == OK
        }
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
                Handle::Interface(interface, _) => {
                    anwdl_client_interface_next_event(interface, &mut response)
                }
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
                Handle::Interface(interface, _) => anwdl_client_interface_compute(interface),
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
            Handle::Client(_, peer) | Handle::Interface(_, peer) => {
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
            // In memory that it lends; what that refuses, it is fed.
            &mut Handle::Session(session) if self.inbox.len() % 2 == 1 => {
                // SAFETY: the session is live.
                match unsafe { receive_into(session, &self.inbox[..count]) } {
                    0 => feed(session, &self.inbox[..count]),
                    taken => taken,
                }
            }
            &mut Handle::Session(session) => feed(session, &self.inbox[..count]),
            Handle::Client(_, peer) | Handle::Interface(_, peer) => {
                peer.write(&self.inbox[..count]).unwrap_or(0)
            }
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
                &mut Handle::Interface(interface, _) if choice == 0 => {
                    let was_closed = anwdl_client_interface_is_closed(interface);
                    let status = call(|| anwdl_client_interface_close_connection(interface));
                    assert_eq!(status == OK, !was_closed);
                    assert!(anwdl_client_interface_is_closed(interface));
                    self.has_failed = anwdl_client_interface_has_failed(interface);
                }
                &mut Handle::Interface(interface, _) if choice == 1 => {
                    let fd = anwdl_client_interface_get_socket_descriptor(interface);
                    let detached = anwdl_client_interface_detach(interface);
                    if detached >= 0 {
                        assert_eq!(detached, fd);
                        assert!(anwdl_client_interface_is_closed(interface));
                        drop(OwnedFd::from_raw_fd(fd));
                    } else {
                        assert!([OUT_OF_TURN, CLOSED, OPERATION_PENDING].contains(&reason()));
                    }
                    self.has_failed = anwdl_client_interface_has_failed(interface);
                }
                Handle::Client(_, peer) | Handle::Interface(_, peer) => {
                    let _ = peer.shutdown(std::net::Shutdown::Both);
                }
            }
        }
    }

    /// Everything that only looks.
    fn look(&mut self) {
        // SAFETY: the handle is live, and what it lends is looked at at once.
        unsafe {
            match self.handle {
                Handle::Session(session) => {
                    assert!(anwdl_session_get_time_left(session) >= -1);
                    let status = call(|| anwdl_session_get_wants(session));
                    assert!(status >= 0);
                    assert!(!(anwdl_session_is_idle(session) && self.has_failed));
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
                    assert!(!(anwdl_client_is_idle(client) && fd < 0));
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
                Handle::Interface(interface, ref peer) => {
                    let fd = anwdl_client_interface_get_socket_descriptor(interface);
                    assert_eq!(fd < 0, anwdl_client_interface_is_closed(interface));
                    assert_ne!(fd, peer.as_raw_fd());
                    assert!(call(|| anwdl_client_interface_get_wants(interface)) >= 0);
                    assert!(!(anwdl_client_interface_is_idle(interface) && fd < 0));
                    let own = ptr::from_ref(self).cast_mut().cast();
                    let set = call(|| anwdl_client_interface_set_user_data(interface, own));
                    assert_eq!(set, OK);
                    assert_eq!(anwdl_client_interface_get_user_data(interface), own);
                    assert!(anwdl_client_interface_get_time_left(interface) >= -1);
                    let set = call(|| anwdl_client_interface_set_timeout(interface, 0));
                    assert_eq!(set, OK);
                    take_string(|out| {
                        anwdl_client_interface_get_server_fingerprint(interface, out)
                    });
                    anwdl_client_interface_get_protocol(interface);
                    check_wrappers(
                        anwdl_client_interface_get_rsa_wrapper(interface),
                        anwdl_client_interface_get_aes_wrapper(interface),
                        self.has_failed && fd >= 0,
                    );
                }
            }
        }
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
                (Handle::Interface(interface, _), true) => {
                    anwdl_client_interface_set_rsa_wrapper(*interface, rsa)
                }
                (Handle::Interface(interface, _), false) => {
                    anwdl_client_interface_set_aes_wrapper(*interface, aes)
                }
            }
        });
        // They are for the next connection, where there is none.
        if let Handle::Interface(interface, _) = self.handle
            // SAFETY: the interface is live.
            && unsafe { anwdl_client_interface_is_closed(interface) }
        {
            // SAFETY: as above.
            self.has_failed = unsafe { anwdl_client_interface_has_failed(interface) };
            return status;
        }
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
                (Handle::Interface(interface, _), 2) => {
                    anwdl_client_interface_recv_response(*interface, ptr::null_mut())
                }
                (Handle::Interface(interface, _), 3) => {
                    anwdl_client_interface_connect_server(*interface, ptr::null(), 1)
                }
                (Handle::Interface(interface, _), _) => {
                    anwdl_client_interface_send_request(*interface, ptr::null(), json.pointer())
                }
            }
        });
        assert_eq!(status, anwdl_status_t::ANWDL_VALUE_ERROR as i32);
        assert_eq!(reason(), INVALID_ARGUMENT);
    }
}

/// Two ends of a connection, the second for a peer that does not wait.
fn pair() -> (UnixStream, UnixStream) {
    let (socket, peer) = UnixStream::pair().expect("a pair of sockets");
    peer.set_nonblocking(true).expect("it is a socket");
    (socket, peer)
}

/// Feeds a session; gives how many bytes it took.
fn feed(session: *mut anwdl_session_t, bytes: &[u8]) -> usize {
    let mut taken = OutSize::new();
    // SAFETY: the session is live, and there are so many bytes.
    let status =
        call(|| unsafe { anwdl_session_feed(session, bytes.as_ptr(), bytes.len(), taken.place()) });
    let taken = taken.take(status).unwrap_or(0);
    assert!(taken <= bytes.len() && (status == OK || status < 0));
    taken
}

/// The same in memory that the session lends.
///
/// # Safety
/// The session is live.
unsafe fn receive_into(session: *mut anwdl_session_t, bytes: &[u8]) -> usize {
    let mut len = 0;
    // SAFETY: the caller vouches for the session; what it lends has so many bytes.
    unsafe {
        let buffer = anwdl_session_get_receive_buffer(session, &mut len);
        if buffer.is_null() {
            assert_eq!(len, 0);
            assert!(call(|| anwdl_session_received(session, 1)) < 0);
            return 0;
        }
        assert!(len > 0);
        let count = len.min(bytes.len());
        buffer.copy_from_nonoverlapping(bytes.as_ptr(), count);
        assert!(call(|| anwdl_session_received(session, len + 1)) < 0);
        assert_eq!(call(|| anwdl_session_received(session, count)), OK);
        count
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
                Handle::Interface(interface, _) => anwdl_client_interface_free(interface),
            }
        }
    }
}
