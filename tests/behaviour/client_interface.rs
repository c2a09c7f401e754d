//! The side that connects, against this library's own server side, over real connections.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anwdl::error::Interest;
use anwdl::message::RESPONSE_MSG_OK;
use anwdl::{
    AesMode, AesWrapper, ClientInstance, ClientInterface, ClientOptions, Error, Event, Protocol,
    Reason,
};

use crate::pair::{CLIENT_KEY, FRAMINGS, SERVER_KEY, rsa};
use crate::patience;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Far longer than anything takes: it ends a test that would never end.
fn patience() -> Duration {
    patience::patience(20)
}

fn options(pem: &str) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.set_rsa_wrapper(&rsa(pem));
    options.set_timeout(Some(patience()));
    options
}

fn client_options(protocol: Protocol) -> ClientOptions {
    let mut options = options(CLIENT_KEY);
    options.set_protocol(protocol);
    options
}

/// A server for one connection, which answers requests with their parameters until the
/// client closes. Gives the framing that the client spoke.
fn serve(
    ip: IpAddr,
    options: ClientOptions,
    receive_first: bool,
) -> (SocketAddr, JoinHandle<Result<Protocol, Error>>) {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut options = options;
        options.set_exchange_keys(false);
        let (stream, _) = listener.accept().unwrap();
        let mut client = ClientInstance::new(stream, &options)?;
        client.exchange_keys(receive_first)?;
        loop {
            let request = match client.recv_request(false) {
                Err(error) if error.reason() == Some(Reason::PeerClosed) => {
                    return Ok(client.protocol());
                }
                other => other?,
            };
            let data = request.parameters_json();
            client.send_response(true, RESPONSE_MSG_OK, Some(data), Some(request.verb()))?;
        }
    });
    (address, server)
}

fn connect(interface: &mut ClientInterface, address: SocketAddr) -> Result<(), Error> {
    interface.connect_server(&address.ip().to_string(), address.port())
}

fn ask(interface: &mut ClientInterface) {
    let parameters = r#"{"number": 12345678901234567890}"#;
    interface.send_request("STAT", Some(parameters)).unwrap();
    let response = interface.recv_response().unwrap();
    assert!(response.success());
    assert_eq!(response.message(), "OK (reason : STAT)");
    assert_eq!(response.data_json(), parameters);
}

#[track_caller]
fn assert_reason<T: std::fmt::Debug>(result: Result<T, Error>, reason: Reason) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.reason(), Some(reason), "{error}");
    error
}

/// Sets that the exchange is begun by hand, where the server speaks first.
fn for_order(options: &mut ClientOptions, receive_first: bool) {
    options.set_exchange_keys(receive_first);
}

#[test]
fn every_framing_in_both_orders() {
    for protocol in FRAMINGS {
        for receive_first in [true, false] {
            let mut server_options = options(SERVER_KEY);
            if protocol == Protocol::Gcm {
                server_options.set_protocol(protocol);
            }
            let (address, server) = serve(LOOPBACK, server_options, receive_first);
            let mut options = client_options(protocol);
            for_order(&mut options, receive_first);
            let mut interface = ClientInterface::new(&options).unwrap();
            assert!(interface.is_closed());
            connect(&mut interface, address).unwrap();
            if !receive_first {
                interface.exchange_keys(true).unwrap();
            }
            assert!(!interface.is_closed());
            assert!(interface.socket_descriptor().is_some());
            for _ in 0..3 {
                ask(&mut interface);
            }
            assert_eq!(interface.protocol(), protocol);
            let fingerprint = rsa(SERVER_KEY).fingerprint(false).unwrap();
            assert_eq!(interface.server_fingerprint().unwrap(), fingerprint);
            interface.close_connection().unwrap();
            assert_eq!(server.join().unwrap(), Ok(protocol));
            assert!(interface.is_closed());
            assert!(interface.aes_wrapper().is_none(), "the key is wiped");
            assert_reason(interface.close_connection(), Reason::Closed);
            assert_reason(interface.recv_response(), Reason::Closed);
        }
    }
}

#[test]
fn a_server_that_speaks_first_chooses_gcm() {
    let mut server_options = options(SERVER_KEY);
    server_options.set_protocol(Protocol::Gcm);
    let (address, server) = serve(LOOPBACK, server_options, false);
    let mut options = client_options(Protocol::Auto);
    options.set_exchange_keys(false);
    let mut interface = ClientInterface::new(&options).unwrap();
    assert_eq!(interface.protocol(), Protocol::V4);
    connect(&mut interface, address).unwrap();
    interface.exchange_keys(true).unwrap();
    ask(&mut interface);
    assert_eq!(interface.protocol(), Protocol::Gcm);
    drop(interface);
    assert_eq!(server.join().unwrap(), Ok(Protocol::Gcm));
}

#[test]
fn the_four_steps_by_themselves() {
    let (address, server) = serve(LOOPBACK, options(SERVER_KEY), true);
    let mut options = client_options(Protocol::V3);
    options.set_exchange_keys(false);
    let mut interface = ClientInterface::new(&options).unwrap();
    connect(&mut interface, address).unwrap();
    assert_reason(interface.server_fingerprint(), Reason::KeyMissing);
    assert_reason(interface.send_aes_key(), Reason::KeyMissing);
    interface.send_public_rsa_key().unwrap();
    interface.recv_public_rsa_key().unwrap();
    interface.send_aes_key().unwrap();
    interface.recv_aes_key().unwrap();
    assert_reason(interface.exchange_keys(false), Reason::KeysAlreadyExchanged);
    ask(&mut interface);
    drop(interface);
    assert_eq!(server.join().unwrap(), Ok(Protocol::V3));
}

#[test]
fn ipv6_and_a_name_with_several_addresses() {
    let ipv6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let (address, server) = serve(ipv6, options(SERVER_KEY), true);
    let mut interface = ClientInterface::new(&client_options(Protocol::V4)).unwrap();
    connect(&mut interface, address).unwrap();
    ask(&mut interface);
    drop(interface);
    assert_eq!(server.join().unwrap(), Ok(Protocol::V4));

    // With and without a timeout, a name is looked up in different ways.
    for timeout in [None, Some(patience())] {
        let (address, server) = serve(LOOPBACK, options(SERVER_KEY), true);
        let mut options = client_options(Protocol::V4);
        options.set_timeout(timeout);
        let mut interface = ClientInterface::new(&options).unwrap();
        interface
            .connect_server("localhost", address.port())
            .unwrap();
        ask(&mut interface);
        drop(interface);
        assert_eq!(server.join().unwrap(), Ok(Protocol::V4));
    }
}

#[test]
fn one_connection_at_a_time_and_another_after_it() {
    let mut interface = ClientInterface::new(&client_options(Protocol::V2)).unwrap();
    for _ in 0..2 {
        let (address, server) = serve(LOOPBACK, options(SERVER_KEY), true);
        connect(&mut interface, address).unwrap();
        assert_reason(connect(&mut interface, address), Reason::AlreadyConnected);
        ask(&mut interface);
        interface.close_connection().unwrap();
        assert_eq!(server.join().unwrap(), Ok(Protocol::V2));
    }
}

#[test]
fn wrappers_can_be_set_before_and_between_connections() {
    let mut interface = ClientInterface::new(&ClientOptions::default()).unwrap();
    for pem in [CLIENT_KEY, SERVER_KEY] {
        interface.set_rsa_wrapper(&rsa(pem)).unwrap();
        let key = AesWrapper::new(256, AesMode::Cbc).unwrap();
        interface.set_aes_wrapper(&key).unwrap();
        let (address, server) = serve(LOOPBACK, options(SERVER_KEY), true);
        connect(&mut interface, address).unwrap();
        let used = interface.rsa_wrapper().unwrap().public_key();
        assert_eq!(used, rsa(pem).public_key());
        // The server answers the key with one that is derived from it.
        let agreed = interface.aes_wrapper().unwrap();
        assert_eq!(agreed.key_size(), key.key_size());
        assert_ne!(agreed.key(), key.key());
        let late = interface.set_rsa_wrapper(&rsa(pem));
        assert_reason(late, Reason::KeysAlreadyExchanged);
        ask(&mut interface);
        interface.close_connection().unwrap();
        server.join().unwrap().unwrap();
    }
}

#[test]
fn a_connection_takes_no_key_for_gcm() {
    let mut options = client_options(Protocol::Auto);
    let key = AesWrapper::new(256, AesMode::Gcm).unwrap();
    assert_reason(options.set_aes_wrapper(&key), Reason::InvalidArgument);
    let mut interface = ClientInterface::new(&options).unwrap();
    assert_reason(interface.set_aes_wrapper(&key), Reason::InvalidArgument);
    // Of the other mode it is, and then it is the framing that does not fit.
    options.set_protocol(Protocol::Gcm);
    let key = AesWrapper::new(256, AesMode::Cbc).unwrap();
    options.set_aes_wrapper(&key).unwrap();
    assert_reason(ClientInterface::new(&options), Reason::ProtocolMismatch);
}

#[test]
fn requests_and_responses_take_turns() {
    let (address, server) = serve(LOOPBACK, options(SERVER_KEY), true);
    let mut interface = ClientInterface::new(&client_options(Protocol::V4)).unwrap();
    assert_reason(interface.send_request("STAT", None), Reason::Closed);
    connect(&mut interface, address).unwrap();
    let malformed = interface.send_request("stat", None);
    assert_reason(malformed, Reason::MalformedRequest);
    let malformed = interface.send_request("STAT", Some("[]"));
    assert_reason(malformed, Reason::MalformedRequest);
    interface.send_request("STAT", None).unwrap();
    assert_reason(interface.send_request("STAT", None), Reason::OutOfTurn);
    assert_eq!(interface.recv_response().unwrap().data_json(), "{}");
    ask(&mut interface);
    drop(interface);
    server.join().unwrap().unwrap();
}

#[test]
fn the_expected_fingerprint_is_accepted_and_another_refused() {
    let fingerprint = |pem| rsa(pem).fingerprint(false).unwrap();
    let mut options = client_options(Protocol::Gcm);
    let pinned = fingerprint(SERVER_KEY);
    options.set_expected_fingerprint(Some(&pinned)).unwrap();
    let (address, server) = serve(LOOPBACK, self::options(SERVER_KEY), true);
    let mut interface = ClientInterface::new(&options).unwrap();
    connect(&mut interface, address).unwrap();
    ask(&mut interface);
    interface.close_connection().unwrap();
    assert_eq!(server.join().unwrap(), Ok(Protocol::Gcm));

    let (address, server) = serve(LOOPBACK, self::options(CLIENT_KEY), true);
    let refused = connect(&mut interface, address);
    assert_reason(refused, Reason::FingerprintMismatch);
    assert!(interface.is_closed());
    let found = interface.server_fingerprint().unwrap();
    assert_eq!(found, fingerprint(CLIENT_KEY));
    // The server hears a refusal of its key and nothing more.
    assert_reason(server.join().unwrap(), Reason::PeerRefused);
}

/// A server of bytes: what the client sends to somebody with the wrong key.
#[test]
fn a_wrong_server_gets_no_secret() {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let stranger = rsa(CLIENT_KEY);
    let pem = stranger.public_key().unwrap().to_owned();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(patience())).unwrap();
        let mut received = Vec::new();
        let mut take = |stream: &mut TcpStream, count: usize| {
            let mut bytes = vec![0; count];
            stream.read_exact(&mut bytes).unwrap();
            received.extend_from_slice(&bytes);
            bytes
        };
        let header = take(&mut stream, 8);
        let digits = String::from_utf8(header).unwrap();
        let len = digits.trim_end_matches('=').parse().unwrap();
        stream.write_all(b"1").unwrap();
        take(&mut stream, len);
        stream
            .write_all(format!("1{}=====", pem.len()).as_bytes())
            .unwrap();
        take(&mut stream, 1);
        stream.write_all(pem.as_bytes()).unwrap();
        stream.read_to_end(&mut received).unwrap();
        received
    });
    let mut options = client_options(Protocol::V4);
    let expected = rsa(SERVER_KEY).fingerprint(false).unwrap();
    options.set_expected_fingerprint(Some(&expected)).unwrap();
    let mut interface = ClientInterface::new(&options).unwrap();
    let refused = connect(&mut interface, address);
    assert_reason(refused, Reason::FingerprintMismatch);
    let own = stranger.public_key().unwrap();
    let received = String::from_utf8(server.join().unwrap()).unwrap();
    assert_eq!(received, format!("{}====={own}10", own.len()));
}

#[test]
fn a_closed_port_and_an_unknown_name_are_told() {
    for timeout in [None, Some(patience())] {
        // The port of a connected socket is taken, and nobody listens at it.
        let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let taken = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let address = taken.local_addr().unwrap();
        let mut options = client_options(Protocol::V4);
        options.set_timeout(timeout);
        let mut interface = ClientInterface::new(&options).unwrap();
        let refused = connect(&mut interface, address);
        let error = assert_reason(refused, Reason::ConnectFailed);
        let errno = std::io::Error::from_raw_os_error(error.errno());
        assert_eq!(errno.kind(), std::io::ErrorKind::ConnectionRefused);

        // A label of a name has at most 63 letters, so no server has to be asked.
        let unknown = "a".repeat(64) + ".invalid";
        let error = assert_reason(
            interface.connect_server(&unknown, 6150),
            Reason::ConnectFailed,
        );
        assert!(error.to_string().contains(&unknown), "{error}");
        assert_eq!(error.errno(), 0);

        for (host, port) in [("", 6150), ("a\0b", 6150), ("127.0.0.1", 0)] {
            let wrong = interface.connect_server(host, port);
            assert_reason(wrong, Reason::InvalidArgument);
        }
        assert!(interface.is_closed());
    }
}

#[test]
fn the_timeout_counts_for_the_exchange_too() {
    // It accepts connections in the kernel, and says nothing.
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut options = client_options(Protocol::V4);
    options.set_timeout(Some(Duration::from_millis(50)));
    let mut interface = ClientInterface::new(&options).unwrap();
    assert_reason(connect(&mut interface, address), Reason::Timeout);
    assert!(interface.is_closed());
}

#[test]
fn a_changed_timeout_holds_for_this_connection_and_later_ones() {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut options = client_options(Protocol::V4);
    options.set_exchange_keys(false);
    let mut interface = ClientInterface::new(&options).unwrap();
    assert!(!interface.has_failed());
    connect(&mut interface, address).unwrap();
    let soon = Some(Duration::from_millis(50));
    interface.set_timeout(soon);
    assert_reason(interface.recv_public_rsa_key(), Reason::Timeout);
    assert!(!interface.has_failed(), "not a byte has moved");
    interface.close_connection().unwrap();
    assert!(interface.has_failed());

    connect(&mut interface, address).unwrap();
    assert!(!interface.has_failed());
    assert_reason(interface.recv_public_rsa_key(), Reason::Timeout);
    // Zero is for ever, and not at once.
    interface.set_timeout(Some(Duration::ZERO));
    listener.set_nonblocking(true).unwrap();
    while listener.accept().is_ok() {}
    assert_reason(interface.recv_public_rsa_key(), Reason::PeerClosed);
}

#[test]
fn a_server_that_closes_is_noticed() {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || drop(listener.accept().unwrap()));
    let mut options = client_options(Protocol::V4);
    options.set_exchange_keys(false);
    let mut interface = ClientInterface::new(&options).unwrap();
    connect(&mut interface, address).unwrap();
    server.join().unwrap();
    assert_reason(interface.recv_public_rsa_key(), Reason::PeerClosed);
}

/// Calls an operation again and again, as an event loop that is always awake.
fn insist<T>(
    interface: &mut ClientInterface,
    mut operation: impl FnMut(&mut ClientInterface) -> Result<T, Error>,
) -> Result<T, Error> {
    loop {
        match operation(interface) {
            Err(Error::WouldBlock(Interest::Computation)) => interface.compute()?,
            Err(Error::WouldBlock(_)) => thread::yield_now(),
            other => return other,
        }
    }
}

#[test]
fn without_blocking_and_with_a_separate_computation() {
    for (non_blocking, separate) in [(true, false), (false, true), (true, true)] {
        let (address, server) = serve(LOOPBACK, options(SERVER_KEY), true);
        let mut options = client_options(Protocol::Gcm);
        options.set_non_blocking(non_blocking);
        options.set_separate_computation(separate);
        let mut interface = ClientInterface::new(&options).unwrap();
        insist(&mut interface, |interface| connect(interface, address)).unwrap();
        assert_reason(interface.compute(), Reason::OutOfTurn);
        assert_reason(
            interface.send_request("STAT", None),
            Reason::KeysNotExchanged,
        );
        insist(&mut interface, |interface| interface.exchange_keys(false)).unwrap();
        insist(&mut interface, |interface| {
            interface.send_request("STAT", None)
        })
        .unwrap();
        let response = insist(&mut interface, ClientInterface::recv_response).unwrap();
        assert_eq!(response.message(), "OK (reason : STAT)");
        drop(interface);
        assert_eq!(server.join().unwrap(), Ok(Protocol::Gcm));
    }
}

/// A listener whose queue is full, so that nobody else gets an answer. It lasts as long as what it
/// comes with.
fn silent() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queued.push(stream);
        assert!(queued.len() < 900, "the queue has no end");
    }
    (address, listener, queued)
}

#[test]
fn while_it_connects_nothing_else_is_done() {
    let (address, _listener, _queued) = silent();
    let mut options = client_options(Protocol::V4);
    options.set_non_blocking(true);
    let mut interface = ClientInterface::new(&options).unwrap();
    assert_eq!((interface.wants(), interface.time_left()), (None, None));
    let (host, port) = ("127.0.0.1", address.port());
    let begun = interface.connect_server(host, port);
    assert_eq!(begun, Err(Error::WouldBlock(Interest::Read)));
    assert_eq!(interface.wants(), Some(Interest::Read));
    assert!(interface.time_left().unwrap() <= patience());
    assert!(!interface.is_closed() && !interface.has_failed());
    assert!(interface.socket_descriptor().is_some());
    for (host, port) in [("::1", port), (host, port ^ 1)] {
        let other = assert_reason(
            interface.connect_server(host, port),
            Reason::OperationPending,
        );
        assert!(other.to_string().starts_with("connect_server "), "{other}");
    }
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let number = ours.as_raw_fd();
    let refused = interface.attach(ours).unwrap_err();
    assert_eq!(refused.error.reason(), Some(Reason::OperationPending));
    assert_eq!(refused.socket.as_raw_fd(), number);
    assert_reason(interface.detach(), Reason::OperationPending);
    assert_reason(interface.exchange_keys(false), Reason::OperationPending);
    assert_reason(interface.recv_response(), Reason::OperationPending);
    let late = interface.set_rsa_wrapper(&rsa(SERVER_KEY));
    assert_reason(late, Reason::OperationPending);
    // Given up, it can begin anew.
    interface.close_connection().unwrap();
    assert!(interface.is_closed() && !interface.has_failed());
    assert_eq!((interface.wants(), interface.time_left()), (None, None));
    assert_reason(interface.close_connection(), Reason::Closed);
    let begun = interface.connect_server(host, port);
    assert_eq!(begun, Err(Error::WouldBlock(Interest::Read)));
}

/// What a loop does that waits for one descriptor and one time.
fn next(interface: &mut ClientInterface) -> Result<Event, Error> {
    insist(interface, ClientInterface::next_event)
}

#[test]
fn events_tell_of_the_connection_once() {
    for host in ["127.0.0.1", "localhost"] {
        let (address, server) = serve(LOOPBACK, options(SERVER_KEY), true);
        let mut options = client_options(Protocol::Gcm);
        options.set_non_blocking(true);
        let mut interface = ClientInterface::new(&options).unwrap();
        assert_reason(next(&mut interface), Reason::Closed);
        let begun = interface.connect_server(host, address.port());
        assert!(matches!(begun, Ok(()) | Err(Error::WouldBlock(_))));
        let descriptor = interface.socket_descriptor();
        assert!(matches!(next(&mut interface), Ok(Event::Connected)));
        if begun.is_ok() {
            assert_eq!(interface.socket_descriptor(), descriptor);
        }
        assert!(matches!(next(&mut interface), Ok(Event::Exchanged)));
        assert!(matches!(next(&mut interface), Ok(Event::YourTurn)));
        interface.close_connection().unwrap();
        server.join().unwrap().unwrap();
    }
    // Nobody connects to the port of a connected socket.
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let taken = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut options = client_options(Protocol::V4);
    options.set_non_blocking(true);
    let mut interface = ClientInterface::new(&options).unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = match interface.connect_server("localhost", port) {
        Err(Error::WouldBlock(_)) => next(&mut interface).map(drop),
        other => other,
    };
    assert_reason(refused, Reason::ConnectFailed);
    assert!(interface.is_closed() && !interface.has_failed());
}

/// A server as above, over a socket that is connected already.
fn serve_stream(stream: impl Into<OwnedFd> + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut client = ClientInstance::new(stream, &options(SERVER_KEY)).unwrap();
        let verb = client.recv_request(false).unwrap().verb().to_owned();
        let data = r#"{"number": 12345678901234567890}"#;
        client
            .send_response(true, RESPONSE_MSG_OK, Some(data), Some(&verb))
            .unwrap();
        verb
    })
}

#[test]
fn a_connected_socket_is_attached_and_given_back() {
    let mut interface = ClientInterface::new(&client_options(Protocol::Gcm)).unwrap();
    for over_tcp in [true, false, true] {
        let (socket, server) = if over_tcp {
            let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
            let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let theirs = listener.accept().unwrap().0;
            (OwnedFd::from(ours), serve_stream(theirs))
        } else {
            let (ours, theirs) = UnixStream::pair().unwrap();
            (OwnedFd::from(ours), serve_stream(theirs))
        };
        let number = socket.as_raw_fd();
        interface.attach(socket).unwrap();
        assert_eq!(interface.socket_descriptor(), Some(number));
        let (another, _theirs) = UnixStream::pair().unwrap();
        let refused = interface.attach(another).unwrap_err();
        assert_eq!(refused.error.reason(), Some(Reason::AlreadyConnected));
        ask(&mut interface);
        assert_eq!(server.join().unwrap(), "STAT");
        let given_back = interface.detach().unwrap();
        assert_eq!(given_back.as_raw_fd(), number);
        assert!(interface.is_closed());
        assert_reason(interface.detach(), Reason::Closed);
    }
    // It exchanges keys only when it is told to, if the options say so.
    let mut options = client_options(Protocol::V4);
    options.set_exchange_keys(false);
    let mut interface = ClientInterface::new(&options).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = serve_stream(theirs);
    interface.attach(ours).unwrap();
    interface.exchange_keys(false).unwrap();
    ask(&mut interface);
    server.join().unwrap();
}

#[test]
fn a_socket_that_is_refused_is_given_back() {
    let mut interface = ClientInterface::new(&client_options(Protocol::V4)).unwrap();
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let number = listener.as_raw_fd();
    let refused = interface.attach(listener).unwrap_err();
    assert_eq!(refused.error.reason(), Some(Reason::InvalidDescriptor));
    assert_eq!(refused.socket.as_raw_fd(), number);
    let mut options = client_options(Protocol::V4);
    let expected = rsa(CLIENT_KEY).fingerprint(false).unwrap();
    options.set_expected_fingerprint(Some(&expected)).unwrap();
    let mut interface = ClientInterface::new(&options).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let number = ours.as_raw_fd();
    let server = thread::spawn(|| ClientInstance::new(theirs, &self::options(SERVER_KEY)));
    let refused = interface.attach(ours).unwrap_err();
    assert_eq!(refused.error.reason(), Some(Reason::FingerprintMismatch));
    assert_eq!(refused.socket.as_raw_fd(), number);
    assert!(interface.is_closed());
    let found = interface.server_fingerprint().unwrap();
    assert_eq!(found, rsa(SERVER_KEY).fingerprint(false).unwrap());
    let refused = server.join().unwrap().unwrap_err();
    assert_eq!(refused.error.reason(), Some(Reason::PeerRefused));
}

/// On the server's side of a socket: a blocking one stops for its computation only.
#[test]
fn a_client_instance_computes_separately() {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let mut interface = ClientInterface::new(&client_options(Protocol::V4)).unwrap();
        connect(&mut interface, address).unwrap();
        ask(&mut interface);
    });
    let (stream, _) = listener.accept().unwrap();
    let mut options = options(SERVER_KEY);
    options.set_separate_computation(true);
    let mut client = ClientInstance::new(stream, &options).unwrap();
    assert_reason(client.compute(), Reason::OutOfTurn);
    let waiting = client.exchange_keys(true);
    assert_eq!(waiting, Err(Error::WouldBlock(Interest::Computation)));
    let mut client = thread::spawn(move || {
        client.compute().unwrap();
        client
    })
    .join()
    .unwrap();
    client.exchange_keys(true).unwrap();
    let request = client.recv_request(false).unwrap();
    let data = request.parameters_json();
    client
        .send_response(true, RESPONSE_MSG_OK, Some(data), Some(request.verb()))
        .unwrap();
    let second = client.send_response(true, RESPONSE_MSG_OK, None, None);
    assert_reason(second, Reason::OutOfTurn);
    peer.join().unwrap();
}
