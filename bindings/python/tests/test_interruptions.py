"""What signal handlers raise: at every place where Python could run one, nothing is lost and nothing stays locked."""

import dis
import itertools
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

import anwdl
from anwdl import AESWrapper, AsyncClientInstance, ClientInstance, ClientInterface, Failure, LibraryValueError, RSAWrapper
from anwdl._connection import RequestReceipt
from anwdl._library import ffi, lib
from ends import OWN_KEY_PAIR, PEER_KEY_PAIR, TIMEOUT, exchanged, fails, fresh, own_keys, peer_settings, together
from peer import PeerError, ProtocolName, Session

PACKAGE = f"{Path(anwdl.__file__).parent}{os.sep}"

T = TypeVar("T")


class Interrupt(Exception):
    """What a handler raises."""


class Interruption:
    """Runs code of the package, and calls the handler of a signal in the n-th place of it where Python would do so."""

    def __init__(self, number: int, handler: Callable[[], None]) -> None:
        self._left, self._handler = number, handler
        self._previous: dict[int, int] = {}
        self.happened = False

    def run(self, function: Callable[[], T]) -> T:
        before = sys.gettrace()
        # Python 3.12 looks for this once, and here.
        sys._getframe().f_trace_opcodes = True
        sys.settrace(self._enter)
        try:
            return function()
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        caller = frame.f_back
        if caller is not None and is_of_package(caller) and not is_of_package(caller.f_back):
            # Nothing runs between the return to a method that the program has called, and that to the program.
            self._previous.pop(id(caller), None)
        if self.happened or not is_of_package(frame):
            return None
        self._previous.pop(id(frame), None)
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "exception":
            # Python does not look before it continues where the exception is caught.
            self._previous.pop(id(frame), None)
        if event == "opcode" and not self.happened:
            previous = self._previous.get(id(frame))
            self._previous[id(frame)] = frame.f_lasti
            # Python looks for signals after calls, where a function begins and where a loop goes on.
            if previous is not None and dis.opname[frame.f_code.co_code[previous]].startswith(("CALL", "RESUME", "JUMP_BACKWARD")):
                self._left -= 1
            if self._left < 0:
                self.happened = True
                self._handler()
        return self._step


def is_of_package(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_filename.startswith(PACKAGE)


def lent_by(client: ClientInterface) -> RSAWrapper:
    wrapper = client.getRSAWrapper()
    assert wrapper is not None
    return wrapper


def interrupt() -> None:
    raise Interrupt


class Places:
    """The numbers of all places, one after the other."""

    def __init__(self) -> None:
        self.is_found = False
        self.number = 0

    def __iter__(self) -> Iterator[int]:
        for self.number in itertools.count():
            self.is_found = False
            yield self.number
            if not self.is_found:
                return

    def run(self, interruption: Interruption, function: Callable[[], T]) -> T:
        try:
            return interruption.run(function)
        finally:
            self.is_found |= interruption.happened

    def repeated(self, number: int, use: Callable[[], T], handler: Callable[[], None] = interrupt) -> T:
        """What `use` returns, which is interrupted in that place, and then called again."""
        try:
            return self.run(Interruption(number, handler), use)
        except Interrupt:
            return use()


@unittest.skipIf(sys.version_info >= (3, 13), "the tracing of this Python leaves instructions out")
class Everywhere(unittest.TestCase):
    """One place after the other."""

    def assert_free(self, use: Callable[[], object]) -> None:
        """Another thread does not wait for ever."""
        other = threading.Thread(target=use, daemon=True)
        other.start()
        other.join(TIMEOUT)
        self.assertFalse(other.is_alive())

    def test_no_message_is_lost_or_sent_twice(self) -> None:
        # In gcm, the peer need not wait for an answer while it sends.
        with exchanged(ProtocolName.GCM) as (client, peer):
            places = Places()
            for number in places:
                parameters = {"number": number}
                peer.send_text(json.dumps({"verb": "ECHO", "parameters": parameters}))
                request = places.repeated(number, client.recvRequest)
                self.assertEqual(request["parameters"], parameters)
                self.assertEqual(client.getStoredRequest(), request)
                self.assert_free(client.getRequestErrors)
                places.repeated(number, partial(client.sendResponse, True, "OK", parameters))
                self.assertEqual(json.loads(peer.receive_text())["data"], parameters)
            self.assertGreater(places.number, 40)

    def test_a_failure_is_that_of_its_operation(self) -> None:
        def fail_and_interrupt() -> None:
            with fails(LibraryValueError, "KEY_MISSING"):
                RSAWrapper(generate_key_pair=False).getFingerprint()
            interrupt()

        with exchanged(ProtocolName.GCM) as (client, peer):
            places = Places()
            for number in places:
                peer.send_text('{"verb": "lower case", "parameters": {}}')
                with fails(LibraryValueError, "MALFORMED_REQUEST"):
                    places.repeated(number, client.recvRequest, fail_and_interrupt)
                self.assertIsNotNone(client.getRequestErrors())
                client.sendResponse(False, "Bad request")
                peer.receive_text()
            self.assertGreater(places.number, 40)

    def test_what_is_not_asked_for_again_is_freed(self) -> None:
        freed: list[Any] = []
        free = RequestReceipt._free

        def count_and_free(_: RequestReceipt, message: Any) -> None:
            freed.append(message)
            free(message)

        patch = mock.patch.object(RequestReceipt, "_free", count_and_free)
        places = Places()
        for number in places:
            with exchanged(ProtocolName.GCM) as (client, peer), patch:
                interruption = Interruption(number, interrupt)
                peer.send_text('{"verb": "STAT", "parameters": {}}')
                with suppress(Interrupt):
                    places.run(interruption, client.recvRequest)
                is_received = not interruption.happened or client._call is not None and client._call.is_finished()
                client._drop_call()  # as another operation, and the end of the object, do
                self.assertEqual(sum(message != ffi.NULL for message in freed), is_received)
            freed.clear()
        self.assertGreater(places.number, 40)

    def test_what_is_not_made_leaves_its_socket_and_nothing_else(self) -> None:
        keys = own_keys()
        for kind, make in (
            (ClientInstance, lambda near: ClientInstance(near, TIMEOUT, keys, exchange_keys=False)),
            (AsyncClientInstance, lambda near: AsyncClientInstance(near, keys, TIMEOUT)),
            (ClientInterface, lambda near: ClientInterface("127.0.0.1", 1, TIMEOUT, keys)),
        ):
            functions, alive = kind._functions, set[Any]()
            create, free = functions.new, functions.free

            def create_and_note(*arguments: Any) -> int:
                status = int(create(*arguments))
                alive.add(arguments[-1][0])
                return status

            def note_and_free(handle: Any) -> None:
                alive.discard(handle)
                free(handle)

            patch = mock.patch.multiple(functions, new=create_and_note, free=note_and_free)
            places = Places()
            for number in places:
                interruption = Interruption(number, interrupt)
                near, far = socket.socketpair()
                with near, far, patch:
                    with suppress(Interrupt):
                        places.run(interruption, partial(make, near))
                    self.assertEqual(alive, set())
                    if interruption.happened or kind is ClientInterface:
                        far.sendall(b"x")
                        self.assertEqual(near.recv(1), b"x")
            self.assertGreater(places.number, 40)

    def test_what_a_call_needs_for_a_while_is_freed(self) -> None:
        keys, alive = own_keys(), set[Any]()

        def make_options() -> Any:
            made = lib.anwdl_client_options_new()
            alive.add(made)
            return made

        def make_interface(options: Any, out: Any) -> int:
            status = int(lib.anwdl_client_interface_new(options, out))
            alive.add(out[0])
            return status

        def freeing(free: Callable[[Any], None]) -> Callable[[Any], None]:
            def note_and_free(handle: Any) -> None:
                alive.discard(handle)
                free(handle)

            return note_and_free

        noting = {
            "anwdl_client_options_new": make_options,
            "anwdl_client_options_free": freeing(lib.anwdl_client_options_free),
            "anwdl_client_interface_new": make_interface,
            "anwdl_client_interface_free": freeing(lib.anwdl_client_interface_free),
        }
        patch = mock.patch("anwdl._wrappers.lib", SimpleNamespace(**{name: getattr(lib, name) for name in dir(lib)} | noting))
        for use in (lambda: ClientInterface("127.0.0.1", 1, TIMEOUT, keys), partial(keys.signData, "text")):
            places = Places()
            for number in places:
                with patch, suppress(Interrupt):
                    places.run(Interruption(number, interrupt), use)
                self.assertEqual(alive, set())
            self.assertGreater(places.number, 40)

    def test_a_handler_that_changes_a_key_pair(self) -> None:
        keys, other = own_keys(), RSAWrapper(generate_key_pair=False)
        other.setPrivateKey(PEER_KEY_PAIR.private_pem, derivate_public_key=True)
        with tempfile.TemporaryDirectory() as folder:
            for wrapper, name in ((other, "other"), (keys, "own")):
                wrapper.save(Path(folder) / name)

            def reload() -> None:
                for name in ("other", "own"):
                    keys.load(Path(folder) / name)

            for use in (
                keys.getPublicKey,
                keys.getKeySize,
                keys.getFingerprint,
                lambda: own_keys().verifyDataSignature(keys.signData("text"), "text"),
                lambda: len(keys.encryptData("text", use_local_public_key=True)),
                lambda: lent_by(ClientInterface("127.0.0.1", 1, TIMEOUT, keys)).getPublicKey(),
            ):
                expected, places = use(), Places()
                for number in places:
                    found = places.run(Interruption(number, reload), use)
                    # A signature may also be the other key's.
                    self.assertIn(found, (expected, False, other.getPublicKey(), other.getFingerprint()))
                self.assertGreater(places.number, 10)

    def test_a_handler_that_changes_an_aes_key(self) -> None:
        earlier, later = (bytes([1] * 32), bytes([2] * 16)), (bytes([3] * 16), bytes([4] * 16))
        wrapper, places = AESWrapper(), Places()
        for number in places:
            wrapper.setKey(*earlier)
            found = places.run(Interruption(number, partial(wrapper.setKey, *later)), wrapper.getKey)
            self.assertIn(found, (earlier, later))
        self.assertGreater(places.number, 20)

    def test_a_handler_that_closes_while_the_keys_are_used(self) -> None:
        places = Places()
        for number in places:
            with exchanged(ProtocolName.V4) as (client, peer):
                wrapper = client.getAESWrapper()
                assert wrapper is not None
                expected = wrapper.getKey()
                try:
                    self.assertEqual(places.run(Interruption(number, client.closeConnection), wrapper.getKey), expected)
                except Failure as failure:
                    self.assertEqual(failure.reason, "KEY_MISSING")
        self.assertGreater(places.number, 20)

    def test_a_handler_that_receives_while_a_text_is_read(self) -> None:
        with exchanged(ProtocolName.GCM) as (client, peer):

            def receive() -> None:
                client.sendResponse(False, "Bad request")
                client.recvRequest()

            places = Places()
            for number in places:
                peer.send_text('{"verb": "lower case", "parameters": {}}')
                peer.send_text('{"verb": "STAT", "parameters": {}}')
                with fails(LibraryValueError, "MALFORMED_REQUEST"):
                    client.recvRequest()
                found = places.run(Interruption(number, receive), client.getRequestErrors)
                self.assertIn(list(found or ["verb"]), (["verb"],))
                if not places.is_found:
                    receive()
                client.sendResponse(True, "OK")
                for _ in range(2):
                    peer.receive_text()
            self.assertGreater(places.number, 5)

    def test_a_key_pair_that_threads_share(self) -> None:
        wrapper = own_keys()
        for use in (
            wrapper.getKeySize,
            partial(wrapper.signData, "text"),
            partial(wrapper.setRemotePublicKey, PEER_KEY_PAIR.public_pem),
            partial(wrapper.setPrivateKey, OWN_KEY_PAIR.private_pem),
        ):
            places = Places()
            for number in places:
                places.repeated(number, use)
                self.assert_free(wrapper.getKeySize)
            self.assertGreater(places.number, 5)

    @contextmanager
    def listening(self) -> Iterator[int]:
        """The port of a server of the peer, until the block ends."""
        settings = peer_settings(key_pair=OWN_KEY_PAIR, protocol=ProtocolName.AUTO)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with suppress(PeerError), Session.accept(connection, settings) as session:
                    while True:
                        session.receive_text()
                        session.send_text('{"success": true, "message": "OK", "data": {}}')

        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = threading.Thread(target=serve)
            server.start()
            try:
                yield listener.getsockname()[1]
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                server.join()

    def test_an_interrupted_connection_ends(self) -> None:
        with self.listening() as port:
            places = Places()
            for number in places:
                with ClientInterface("127.0.0.1", port, TIMEOUT, own_keys()) as client:
                    with suppress(Interrupt):
                        places.run(Interruption(number, interrupt), client.connectServer)
                    with suppress(Failure):
                        client.closeConnection()
                    # The server serves one client after the other.
                    client.connectServer()
            self.assertGreater(places.number, 100)

    def test_a_handler_that_connects_again(self) -> None:
        with self.listening() as port, ClientInterface("127.0.0.1", port, TIMEOUT, own_keys()) as client:
            places = Places()
            for number in places:
                found: list[tuple[bool, bool]] = []

                def connect_again() -> None:
                    is_within = client._link.is_in_use()
                    client.closeConnection()
                    try:
                        client.connectServer()
                        client.sendRequest("STAT")
                    except Failure as failure:
                        self.assertEqual(failure.reason, "OPERATION_PENDING")
                    found.append((is_within, not client.isClosed()))

                client.connectServer()
                client.sendRequest("STAT")
                try:
                    places.run(Interruption(number, connect_again), client.recvResponse)
                except Failure as failure:
                    self.assertEqual(failure.reason, "CLOSED")
                # Before and after the operation, it is as if it came between two calls.
                self.assertNotIn((True, True), found)
                with suppress(Failure):
                    client.closeConnection()
            self.assertGreater(places.number, 50)

    def test_a_handler_that_closes(self) -> None:
        with self.listening() as port, ClientInterface("127.0.0.1", port, TIMEOUT, own_keys()) as client:
            places = Places()
            for number in places:

                def close() -> None:
                    with suppress(Failure):
                        client.closeConnection()

                def talk() -> None:
                    client.connectServer()
                    client.sendRequest("STAT")
                    client.recvResponse()

                try:
                    places.run(Interruption(number, close), talk)
                except Failure as failure:
                    self.assertEqual(failure.reason, "CLOSED")
                close()
                self.assertEqual((client.isClosed(), client.fileno()), (True, -1))
            self.assertGreater(places.number, 100)


class InCallbacks(unittest.TestCase):
    """Ctrl-C while the library calls the program."""

    is_pressed = True

    def press(self) -> None:
        if not self.is_pressed:
            self.is_pressed = True
            signal.raise_signal(signal.SIGINT)

    def setUp(self) -> None:
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

    def test_in_a_private_operation(self) -> None:
        numbers = OWN_KEY_PAIR.private_key.private_numbers()

        def operation(number: bytes) -> bytes:
            self.press()
            return pow(int.from_bytes(number, "big"), numbers.d, numbers.public_numbers.n).to_bytes(len(number), "big")

        wrapper = RSAWrapper(generate_key_pair=False)
        wrapper.setPublicKey(OWN_KEY_PAIR.public_pem)
        wrapper.setPrivateOperation(operation)
        self.is_pressed = False
        with self.assertRaises(KeyboardInterrupt):
            wrapper.signData("text")
        self.assertEqual(len(wrapper.signData("text")), 256)

    def test_in_a_handler_of_the_log(self) -> None:
        press = self.press

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                press()

        logger = logging.getLogger("tests.anwdl.interrupted")
        logger.addHandler(Handler())
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        self.addCleanup(anwdl.set_logger, None)
        anwdl.set_logger(logger, logging.DEBUG)
        with fresh() as (client, far):

            def exchange() -> None:
                self.is_pressed = False
                with self.assertRaises(KeyboardInterrupt):
                    client.exchangeKeys()
                client.exchangeKeys()

            session, _ = together(partial(Session.connect, far, peer_settings()), exchange)
            session.close()


if __name__ == "__main__":
    unittest.main()
