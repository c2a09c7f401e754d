"""What only this package has: options, non-blocking calls, the log, key files; and the side that connects."""

import contextlib
import dataclasses
import errno
import logging
import re
import select
import signal
import socket
import sys
import tempfile
import unittest
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import anwdl
from anwdl import (
    AESMode,
    AESWrapper,
    ClientInstance,
    ClientInterface,
    LibraryRuntimeError,
    LibraryValueError,
    Options,
    Protocol,
    RSAWrapper,
    WantComputation,
    WantRead,
    WantWrite,
)
from ends import (
    OWN_KEY_PAIR,
    PEER_KEY_PAIR,
    STAT,
    TIMEOUT,
    Token,
    answer_arrives,
    exchanged,
    fails,
    fresh,
    own_keys,
    peer_settings,
    request_arrives,
    server,
    silent_server,
    together,
    two_ends,
)
from peer import PeerRefused, ProtocolName, Session, fingerprint

HEADER = Path(__file__).resolve().parents[3] / "include" / "anwdl.h"

T = TypeVar("T")


def peer_keys() -> RSAWrapper:
    """The peer's key pair, for a client interface."""
    wrapper = RSAWrapper(generate_key_pair=False)
    wrapper.setPrivateKey(PEER_KEY_PAIR.private_pem, derivate_public_key=True)
    return wrapper


class OptionsCount(unittest.TestCase):
    def test_a_framing_can_be_asked_for(self) -> None:
        with fresh(options=Options(protocol=Protocol.GCM)) as (client, far), fails(LibraryValueError, "PROTOCOL_MISMATCH"):
            connect = partial(self.assertRaises, PeerRefused, Session.connect, far, peer_settings())
            together(connect, client.exchangeKeys)

    def test_the_framing_is_told(self) -> None:
        with exchanged(ProtocolName.V3) as pair:
            self.assertIs(pair.client.getProtocol(), Protocol.AUTO)
            request_arrives(pair)
            self.assertIs(pair.client.getProtocol(), Protocol.V3)

    def test_what_is_idle_is_told(self) -> None:
        with exchanged() as pair:
            self.assertTrue(pair.client.isIdle())
            request_arrives(pair)
            self.assertFalse(pair.client.isIdle())
            answer_arrives(pair, True, "OK")
            self.assertTrue(pair.client.isIdle())

    def test_a_message_can_be_too_long(self) -> None:
        with fresh(options=Options(max_message_size=100)) as (client, far):
            session, _ = together(partial(Session.connect, far, peer_settings()), client.exchangeKeys)
            with fails(LibraryValueError, "MESSAGE_TOO_LARGE"):
                send = partial(self.assertRaises, PeerRefused, session.request, "ECHO", {"p": "x" * 200})
                together(send, client.recvRequest)
            self.assertTrue(client.hasFailed())

    def test_a_key_can_be_pinned(self) -> None:
        for pinned, key in (("own", PEER_KEY_PAIR), ("another", OWN_KEY_PAIR)):
            options = Options(expected_fingerprint=fingerprint(key.public_pem))
            with self.subTest(pinned=pinned), fresh(options=options) as (client, far):
                if pinned == "own":
                    together(partial(Session.connect, far, peer_settings()), client.exchangeKeys)
                else:
                    with fails(LibraryRuntimeError, "FINGERPRINT_MISMATCH"):
                        connect = partial(self.assertRaises, PeerRefused, Session.connect, far, peer_settings())
                        together(connect, client.exchangeKeys)

    def test_an_address_can_be_given(self) -> None:
        with fresh(options=Options(peer_ip="192.0.2.7")) as (client, _):
            self.assertEqual(client.getIP(), "192.0.2.7")

    def test_a_proxy_tells_the_address(self) -> None:
        with fresh(options=Options(proxy_protocol=True)) as (client, far):
            far.sendall(b"PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\n")
            together(partial(Session.connect, far, peer_settings()), client.exchangeKeys)
            self.assertEqual(client.getIP(), "192.0.2.9")

    def test_a_key_can_be_sent_back(self) -> None:
        with fresh(options=Options(key_echo=True)) as (client, far):
            settings = peer_settings(random_bytes=lambda size: bytes(range(size)))
            together(partial(Session.connect, far, settings), client.exchangeKeys)
            wrapper = client.getAESWrapper()
            assert wrapper is not None
            self.assertEqual(wrapper.getKey()[0], bytes(range(32)))

    def test_a_timeout_of_the_socket_counts(self) -> None:
        with fresh(timeout=None) as (client, _):
            client.getSocketDescriptor().settimeout(0.01)
            with fails(LibraryRuntimeError, "TIMEOUT"):
                client.recvPublicRSAKey()

    def test_a_timeout_may_be_very_long(self) -> None:
        with fresh(timeout=1e8) as (client, far):
            together(partial(Session.connect, far, peer_settings()), client.exchangeKeys)

    def test_what_cannot_be_handed_on_is_refused(self) -> None:
        with exchanged() as pair:
            request_arrives(pair)
            refused: tuple[Callable[[], object], ...] = (
                partial(pair.client.sendResponse, True, "O\0K"),
                partial(pair.client.sendResponse, True, "OK", reason="\0"),
                partial(pair.client.sendResponse, True, "\ud800"),
                partial(AESWrapper, -1),
                partial(AESWrapper, 1 << 40),
                partial(RSAWrapper, key_size=-1),
                partial(RSAWrapper, public_exponent=1 << 64),
                partial(ClientInterface, "127.0.0.1", 1 << 16),
                partial(RSAWrapper(generate_key_pair=False).setPublicKey, "a\0b"),
                partial(fresh(options=Options(max_message_size=-1)).__enter__),
                partial(fresh(options=Options(separate_computation=True)).__enter__),
                partial(fresh(options=Options(peer_ip="no address")).__enter__),
                partial(fresh(options=Options(expected_fingerprint="00")).__enter__),
            )
            for refuse in refused:
                with fails(LibraryValueError, "INVALID_ARGUMENT"):
                    refuse()
            not_boolean: Any = "yes"
            with fails(LibraryValueError, "MALFORMED_RESPONSE"):
                pair.client.sendResponse(not_boolean, "OK")

    def test_numbers_that_python_does_not_read(self) -> None:
        with exchanged() as pair:
            text = '{"verb": "ECHO", "parameters": {"n": ' + "1" * 5000 + "}}"
            with fails(LibraryValueError, "MALFORMED_REQUEST"):
                request_arrives(pair, text)
            answer_arrives(pair, False, "Bad request")

    def test_the_numbers_are_those_of_the_header(self) -> None:
        numbers = dict(re.findall(r"(ANWDL_\w+) = (-?\d+)", HEADER.read_text(encoding="utf-8")))
        for protocol in Protocol:
            self.assertEqual(int(numbers[f"ANWDL_PROTOCOL_{protocol.name}"]), protocol)
        self.assertEqual(len(Protocol), sum(name.startswith("ANWDL_PROTOCOL_") for name in numbers))
        for mode in AESMode:
            self.assertEqual(int(numbers[f"ANWDL_AES_{mode.name}"]), mode)

    def test_the_options_are_those_of_the_header(self) -> None:
        settable = set(re.findall(r"\banwdl_client_options_set_(\w+)\(anwdl", HEADER.read_text(encoding="utf-8")))
        arguments = {"timeout", "rsa_wrapper", "aes_wrapper", "exchange_keys"}
        unused = {"idle_timeout"}  # of anwdl_client_next_event(), which the package does not call
        self.assertEqual(settable - arguments - unused, {field.name for field in dataclasses.fields(Options)})

    def test_an_exception_has_what_failed(self) -> None:
        with self.assertRaises(RuntimeError) as raised:
            RSAWrapper(generate_key_pair=False).load("/nowhere/key.pem")
        failure = raised.exception
        assert isinstance(failure, LibraryRuntimeError)
        self.assertEqual((failure.reason, failure.errno), ("IO_FAILED", 2))
        self.assertIn("/nowhere/key.pem", str(failure))

    def test_an_aes_wrapper_can_be_authenticated(self) -> None:
        wrapper = AESWrapper(mode=AESMode.GCM)
        sealed = wrapper.encryptData("text")
        self.assertEqual((wrapper.decryptData(sealed), wrapper.getKey()[1]), ("text", b""))
        with fails(LibraryValueError, "DECRYPTION_FAILED"):
            wrapper.decryptData(sealed[:-1] + bytes([sealed[-1] ^ 1]))


class KeyFiles(unittest.TestCase):
    def test_a_key_goes_into_a_file_and_comes_back(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path, wrapper = Path(folder) / "key.pem", RSAWrapper(generate_key_pair=False)
            own_keys().save(path)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                wrapper.load(path)
            self.assertEqual(wrapper.getFingerprint(), fingerprint(OWN_KEY_PAIR.public_pem))
            path.chmod(0o644)
            with self.assertWarns(RuntimeWarning):
                wrapper.load(path)


class NonBlocking(unittest.TestCase):
    """Any loop: what is wanted is waited for with select()."""

    options = Options(non_blocking=True, separate_computation=True)

    def finish(self, client: ClientInstance, call: Callable[[], T], seen: set[type]) -> T:
        descriptor = client.getSocketDescriptor()
        while True:
            try:
                return call()
            except WantRead:
                seen.add(WantRead)
                self.assertTrue(select.select([descriptor], [], [], TIMEOUT)[0])
            except WantWrite:
                seen.add(WantWrite)
                self.assertTrue(select.select([], [descriptor], [], TIMEOUT)[1])
            except WantComputation:
                seen.add(WantComputation)
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(client.compute).result(TIMEOUT)

    def test_a_session(self) -> None:
        seen: set[type] = set()
        with two_ends() as (near, far), ClientInstance(near, TIMEOUT, own_keys(), options=self.options) as client:
            with self.assertRaises(WantRead):
                client.exchangeKeys()
            settings = peer_settings(max_message_size=1 << 22)
            session, _ = together(partial(Session.connect, far, settings), lambda: self.finish(client, client.exchangeKeys, seen))
            self.assertIn(WantComputation, seen)
            with self.assertRaises(WantRead):
                client.recvRequest()
            with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                client.sendResponse(True, "OK")
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            data = {"text": "x" * (1 << 20)}

            def serve() -> None:
                self.assertEqual(self.finish(client, client.recvRequest, seen), STAT)
                self.finish(client, partial(client.sendResponse, True, "OK", data), seen)

            answer, _ = together(partial(session.request, "STAT", {}), serve)
            self.assertEqual(answer["data"], data)
            self.assertIn(WantWrite, seen)

    def test_closing_while_it_computes(self) -> None:
        token = Token()
        with server(2) as (port, _), ThreadPoolExecutor(1) as pool:
            client = ClientInterface("127.0.0.1", port, TIMEOUT, token.wrapper, options=self.options)
            with self.assertRaises(WantComputation):
                while True:
                    try:
                        client.exchangeKeys(False) if client.getSocketDescriptor() else client.connectServer()
                    except WantRead:
                        self.assertTrue(select.select([client], [], [], TIMEOUT)[0])
            computed = pool.submit(client.compute)
            self.assertTrue(token.begun.wait(TIMEOUT))
            client.closeConnection()
            # The server has heard of it, as it serves the next one.
            with ClientInterface("127.0.0.1", port, TIMEOUT / 2, own_keys()) as other:
                other.connectServer()
            self.assertFalse(computed.done())
            token.goes_on.set()
            computed.result(TIMEOUT)
            with fails(LibraryRuntimeError, "CLOSED"):
                client.exchangeKeys(False)


class Log(unittest.TestCase):
    def setUp(self) -> None:
        self.addCleanup(anwdl.set_logger, None)
        self.logger = logging.getLogger("tests.anwdl")
        self.logger.setLevel(logging.DEBUG)

    def test_messages_come_with_the_client(self) -> None:
        anwdl.set_logger(self.logger, logging.DEBUG)
        with self.assertLogs(self.logger, logging.DEBUG) as logs, exchanged() as (client, _):
            pass
        self.assertTrue(any(record.__dict__["client_id"] == client.getID() for record in logs.records))
        self.assertTrue(any(f"client {client.getID()}: " in record.getMessage() for record in logs.records))

    def test_a_level_leaves_out_what_is_below(self) -> None:
        anwdl.set_logger(self.logger, logging.ERROR)
        with self.assertNoLogs(self.logger, logging.DEBUG), exchanged():
            pass
        anwdl.set_logger(None)
        with self.assertNoLogs(self.logger, logging.DEBUG), exchanged():
            pass

    def test_a_handler_and_another_thread_may_use_the_client_that_it_is_told_of(self) -> None:
        seen: list[object] = []
        clients: list[ClientInstance] = []

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                # As if the handler waited for a lock which that thread has.
                seen.append((clients[0].getIP(), pool.submit(clients[0].isClosed).result(TIMEOUT)))

        handler = Handler()
        self.logger.addHandler(handler)
        self.addCleanup(self.logger.removeHandler, handler)
        with ThreadPoolExecutor(1) as pool, fresh() as (client, far):
            clients.append(client)
            anwdl.set_logger(self.logger, logging.DEBUG)
            together(partial(Session.connect, far, peer_settings()), client.exchangeKeys)
            anwdl.set_logger(None)
        self.assertEqual(set(seen), {("127.0.0.1", False)})

    def test_what_a_handler_raises_is_reported_and_ends_nothing(self) -> None:
        self.addCleanup(setattr, sys, "excepthook", sys.excepthook)
        reported: list[object] = []
        sys.excepthook = lambda kind, error, traceback: reported.append(kind)
        anwdl.set_logger(self.logger, logging.DEBUG)
        with mock.patch.object(self.logger, "log", side_effect=OSError), exchanged():
            pass
        self.assertEqual(set(reported), {OSError})


class Interface(unittest.TestCase):
    """ClientInterface, with the peer as the server."""

    def test_every_framing_and_order(self) -> None:
        for protocol, receive_first in ((Protocol.V2, False), (Protocol.V3, True), (Protocol.V4, True), (Protocol.GCM, False)):
            with self.subTest(protocol=protocol.name, receive_first=receive_first):
                with server(client_speaks_first=not receive_first) as (port, seen):
                    options = Options(protocol=protocol, expected_fingerprint=fingerprint(OWN_KEY_PAIR.public_pem))
                    with ClientInterface("127.0.0.1", port, TIMEOUT, peer_keys(), options=options) as client:
                        self.assertTrue(client.isClosed())
                        self.assertIsNone(client.getSocketDescriptor())
                        client.connectServer(receive_first)
                        descriptor = client.getSocketDescriptor()
                        assert descriptor is not None
                        self.assertEqual(descriptor.getpeername(), ("127.0.0.1", port))
                        client.sendRequest("ECHO", {"p": 1})
                        self.assertEqual(client.recvResponse(), {"success": True, "message": "OK", "data": {"answer": 42}})
                        self.assertEqual(client.getServerFingerprint(), fingerprint(OWN_KEY_PAIR.public_pem))
                        self.assertIs(client.getProtocol(), protocol)
                    self.assertTrue(client.isClosed())
                self.assertEqual(seen, [{"verb": "ECHO", "parameters": {"p": 1}}])

    def test_connecting_without_waiting(self) -> None:
        with server() as (port, seen):
            with ClientInterface("localhost", port, TIMEOUT, peer_keys(), options=Options(non_blocking=True)) as client:
                self.assertEqual(client.fileno(), -1)

                def finish(call: Callable[[], T]) -> T:
                    while True:
                        try:
                            return call()
                        except WantRead:
                            self.assertTrue(select.select([client], [], [], TIMEOUT)[0])

                finish(client.connectServer)
                finish(lambda: client.exchangeKeys(False))
                finish(lambda: client.sendRequest("ECHO"))
                self.assertEqual(finish(client.recvResponse)["data"], {"answer": 42})
            self.assertEqual(len(seen), 1)

    def test_giving_up_to_connect(self) -> None:
        with silent_server() as (host, port):
            client = ClientInterface(host, port, TIMEOUT, peer_keys(), options=Options(non_blocking=True))
            for _ in range(2):
                with self.assertRaises(WantRead):
                    client.connectServer()
                self.assertFalse(client.isClosed())
            self.assertFalse(select.select([client], [], [], 0)[0])
            with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                client.sendRequest("ECHO")
            client.closeConnection()
            self.assertEqual(client.fileno(), -1)
            with fails(LibraryRuntimeError, "CLOSED"):
                client.closeConnection()

    def test_a_handler_of_a_signal_runs_while_it_connects(self) -> None:
        def interrupt(number: int, frame: Any) -> None:
            raise InterruptedError

        earlier = signal.signal(signal.SIGALRM, interrupt)
        self.addCleanup(signal.signal, signal.SIGALRM, earlier)
        with silent_server() as (host, port):
            client = ClientInterface(host, port, TIMEOUT, peer_keys())
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with self.assertRaises(InterruptedError):
                client.connectServer()
            self.assertTrue(client.isClosed())
            self.assertEqual(client.fileno(), -1)

    def test_the_end_of_with_gives_up_to_connect(self) -> None:
        with silent_server() as (host, port):
            with ClientInterface(host, port, TIMEOUT, peer_keys(), options=Options(non_blocking=True)) as client:
                with self.assertRaises(WantRead):
                    client.connectServer()
            self.assertEqual((client.isClosed(), client.fileno()), (True, -1))

    def test_what_fails_at_the_last_step_of_connecting_leaves_no_connection(self) -> None:
        none_left = OSError(errno.EMFILE, "none left")
        for options in (Options(), Options(non_blocking=True)):
            with server() as (port, _):
                client = ClientInterface("127.0.0.1", port, TIMEOUT, peer_keys(), options=options)
                with mock.patch("os.dup", side_effect=none_left), fails(LibraryRuntimeError, "IO_FAILED"):
                    while True:
                        with contextlib.suppress(WantRead):
                            client.connectServer()
                self.assertEqual((client.isClosed(), client.fileno()), (True, -1))
        with mock.patch("socket.socketpair", side_effect=none_left), fails(LibraryRuntimeError, "IO_FAILED"):
            ClientInterface("127.0.0.1", 1, TIMEOUT, peer_keys()).connectServer()

    def test_a_timeout_ends_connecting(self) -> None:
        with silent_server() as (host, port), fails(LibraryRuntimeError, "TIMEOUT"):
            ClientInterface(host, port, 0.05, peer_keys()).connectServer()

    def test_what_fails(self) -> None:
        with server() as (port, _):
            client = ClientInterface("127.0.0.1", port, TIMEOUT, peer_keys(), options=Options(expected_fingerprint="0" * 64))
            with fails(LibraryRuntimeError, "FINGERPRINT_MISMATCH"):
                client.connectServer()
            self.assertTrue(client.isClosed())
            for call in (client.closeConnection, client.recvResponse, partial(client.sendRequest, "STAT")):
                with fails(LibraryRuntimeError, "CLOSED"):
                    call()
        with fails(LibraryRuntimeError, "CONNECT_FAILED"):
            client.connectServer()

    def test_a_connection_is_made_once_and_again_after_it_was_closed(self) -> None:
        client = ClientInterface("127.0.0.1", 1, TIMEOUT, peer_keys())
        for _ in range(2):
            with server() as (port, seen):
                client._server = (b"127.0.0.1", port)
                client.connectServer()
                with fails(LibraryValueError, "ALREADY_CONNECTED"):
                    client.connectServer()
                with fails(LibraryValueError, "MALFORMED_REQUEST"):
                    client.sendRequest("lower case")
                client.sendRequest("STAT")
                client.recvResponse()
                client.closeConnection()
            self.assertEqual(seen, [STAT])


if __name__ == "__main__":
    unittest.main()
