"""Threads, forks, the end of the interpreter, the garbage collector and subinterpreters."""

import gc
import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from unittest import mock

from anwdl import AESWrapper, ClientInstance, ClientInterface, LibraryRuntimeError, LibraryValueError, RSAWrapper
from ends import (
    OWN_KEY_PAIR,
    STAT,
    TIMEOUT,
    Token,
    answer_arrives,
    exchanged,
    fails,
    fresh,
    is_at_end,
    need,
    own_keys,
    peer_settings,
    request_arrives,
    server,
    silent_server,
    together,
    two_ends,
)
from peer import ProtocolName, Session

THREADS = 8
SESSIONS = 5


class Threads(unittest.TestCase):
    def test_many_clients_on_many_threads_with_one_key_pair(self) -> None:
        keys = own_keys()

        def session(number: int) -> None:
            for framing in (ProtocolName.V2, ProtocolName.V3, ProtocolName.V4, ProtocolName.GCM):
                with two_ends() as (near, far):
                    connect = partial(Session.connect, far, peer_settings(protocol=framing))
                    peer, client = together(connect, partial(ClientInstance, near, TIMEOUT, keys))
                    ask = partial(peer.request, "ECHO", {"number": number})
                    answer, _ = together(ask, lambda: client.sendResponse(True, "OK", client.recvRequest()["parameters"]))
                    self.assertEqual(answer["data"], {"number": number})

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(session, range(THREADS)))

    def while_another_thread_waits(self, client: ClientInstance, act: Callable[[], None]) -> BaseException | None:
        """Has another thread in recvRequest() when `act` is called; gives what that call ended with."""
        waits, wait = threading.Event(), client._wait

        def tell_and_wait(*arguments: Any) -> None:
            waits.set()
            wait(*arguments)

        client._wait = tell_and_wait  # type: ignore[assignment,method-assign]
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(client.recvRequest)
            self.assertTrue(waits.wait(TIMEOUT))
            try:
                act()
            finally:
                error = ended.exception(TIMEOUT)
        return error

    def test_closing_ends_what_waits_on_another_thread(self) -> None:
        with exchanged() as (client, _):
            error = self.while_another_thread_waits(client, client.closeConnection)
            self.assertIsInstance(error, LibraryRuntimeError)
            self.assertEqual(getattr(error, "reason", None), "CLOSED")

    def test_a_closed_client_is_not_taken_for_the_next_one(self) -> None:
        """Which can have its descriptor's number."""
        others: list[socket.socket] = []
        poll = select.poll

        with exchanged() as (client, _), ThreadPoolExecutor(1) as pool:

            class Poll:
                def __init__(self) -> None:
                    self._real = poll()
                    self.register = self._real.register

                def poll(self, *_: Any) -> None:
                    pool.submit(client.closeConnection).result(TIMEOUT)
                    self.assert_closed()
                    others.extend(socket.socketpair())
                    need(bool(self._real.poll(TIMEOUT * 1000)), "nothing ended the wait")

                def assert_closed(self) -> None:
                    need(client.isClosed())
                    with fails(LibraryRuntimeError, "CLOSED"):
                        client.closeConnection()

            with mock.patch("select.poll", Poll), fails(LibraryRuntimeError, "CLOSED"):
                client.recvRequest()
            for other in others:
                other.close()
            self.assertEqual((client.isClosed(), client.getSocketDescriptor().fileno()), (True, -1))

    def test_an_operation_on_a_second_thread_is_refused(self) -> None:
        with exchanged() as (client, peer):

            def act() -> None:
                for operation in (client.recvRequest, client.exchangeKeys, partial(client.sendResponse, True, "OK")):
                    with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                        operation()
                # What only looks may look.
                self.assertEqual(client.getIP(), "127.0.0.1")
                peer.send_text('{"verb": "STAT", "parameters": {}}')

            self.assertIsNone(self.while_another_thread_waits(client, act))

    def test_closing_ends_connecting_on_another_thread(self) -> None:
        with silent_server() as (host, port), ThreadPoolExecutor(1) as pool:
            # So that it cannot be the timeout that ends it.
            client = ClientInterface(host, port, 2 * TIMEOUT, own_keys())
            waits, wait = threading.Event(), client._wait

            def tell_and_wait(*arguments: Any) -> None:
                waits.set()
                wait(*arguments)

            client._wait = tell_and_wait  # type: ignore[assignment,method-assign]
            connected = pool.submit(client.connectServer)
            self.assertTrue(waits.wait(TIMEOUT))
            client.closeConnection()
            with fails(LibraryRuntimeError, "CLOSED"):
                connected.result(TIMEOUT)

    def test_nothing_waits_for_a_computation(self) -> None:
        token = Token()
        with server(2) as (port, _), ThreadPoolExecutor(1) as pool:
            client = ClientInterface("127.0.0.1", port, TIMEOUT, token.wrapper)
            connected = pool.submit(client.connectServer)
            self.assertTrue(token.begun.wait(TIMEOUT))
            self.assertFalse(client.hasFailed())
            with fails(LibraryRuntimeError, "OPERATION_PENDING"):
                client.getRSAWrapper()
            client.closeConnection()
            self.assertTrue(client.isClosed())
            with ClientInterface("127.0.0.1", port, TIMEOUT, own_keys()) as other:
                other.connectServer()
            self.assertFalse(connected.done())
            token.goes_on.set()
            with fails(LibraryRuntimeError, "CLOSED"):
                connected.result(TIMEOUT)

    def test_an_operation_ends_with_its_connection(self) -> None:
        waits, goes_on = threading.Event(), threading.Event()
        with server(2) as (port, seen), ClientInterface("127.0.0.1", port, TIMEOUT, own_keys()) as client:
            client.connectServer()
            wait, own_thread = client._wait, threading.get_ident()

            def wait_longer(*arguments: Any) -> None:
                if threading.get_ident() == own_thread:
                    return wait(*arguments)
                waits.set()
                goes_on.wait(TIMEOUT)

            client._wait = wait_longer  # type: ignore[assignment,method-assign]
            with ThreadPoolExecutor(1) as pool:
                received = pool.submit(client.recvResponse)
                self.assertTrue(waits.wait(TIMEOUT))
                client.closeConnection()
                client.connectServer()
                goes_on.set()
                with fails(LibraryRuntimeError, "CLOSED"):
                    received.result(TIMEOUT)
            client.sendRequest("STAT")
            self.assertEqual(client.recvResponse()["data"], {"answer": 42})
            self.assertEqual(seen, [STAT])

    def test_a_signal_ends_what_waits_and_it_goes_on(self) -> None:
        class Interrupt(Exception):
            pass

        def interrupt(*_: Any) -> None:
            raise Interrupt

        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, interrupt))
        with exchanged() as pair:
            pair.client.getSocketDescriptor().settimeout(None)
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            self.assertRaises(Interrupt, pair.client.recvRequest)
            self.assertEqual(request_arrives(pair), STAT)

    def test_one_wrapper_on_many_threads(self) -> None:
        wrapper, other = own_keys(), RSAWrapper(key_size=2048).getPrivateKey()
        assert other is not None
        barrier = threading.Barrier(THREADS)

        def use(number: int) -> None:
            barrier.wait(TIMEOUT)
            for _ in range(SESSIONS):
                if number % 2:
                    wrapper.setPrivateKey(other if number % 4 == 1 else OWN_KEY_PAIR.private_pem, derivate_public_key=True)
                else:
                    self.assertEqual(len(wrapper.encryptData("text", use_local_public_key=True)), 256)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(use, range(THREADS)))

    def test_the_interpreter_lock_is_released_in_what_computes_and_what_waits(self) -> None:
        if not getattr(sys, "_is_gil_enabled", lambda: True)():
            self.skipTest("this interpreter has no such lock")
        interval = sys.getswitchinterval()
        # No thread gives the lock away by itself from here on.
        sys.setswitchinterval(1000)
        try:
            self.assertEqual(self.counted_while(partial(sum, range(1000))), 0, "somebody else gave it away")
            for act in (partial(RSAWrapper, key_size=2048), self.wait_a_moment):
                self.assertEqual(self.counted_while(act), 1)
        finally:
            sys.setswitchinterval(interval)

    def wait_a_moment(self) -> None:
        with fresh(timeout=0.01) as (client, _), fails(LibraryRuntimeError, "TIMEOUT"):
            client.recvPublicRSAKey()

    def counted_while(self, act: Callable[[], object]) -> int:
        """How often another thread got its turn."""
        go, turns = threading.Semaphore(0), [0]

        def count() -> None:
            go.acquire()
            turns[0] += 1

        counter = threading.Thread(target=count)
        counter.start()
        # Woken, the other thread needs the lock, which only the call can give it.
        go.release()
        before = turns[0]
        act()
        after = turns[0]
        counter.join()
        return after - before


class Forks(unittest.TestCase):
    def test_a_child_serves_what_its_parent_accepted(self) -> None:
        for framing in (ProtocolName.V4, ProtocolName.GCM):
            with self.subTest(framing=framing.value), two_ends() as (near, far):
                client = ClientInstance(near, TIMEOUT, own_keys(), exchange_keys=False)
                child = os.fork()
                if child == 0:
                    try:
                        client.exchangeKeys()
                        client.sendResponse(True, "OK", {"process": os.getpid(), "request": client.recvRequest()})
                        status = 0
                    except BaseException as error:
                        print(error, file=sys.stderr)
                        status = 1
                    os._exit(status)
                # The connection stays open: it is the child's.
                client.closeConnection()
                with Session.connect(far, peer_settings(protocol=framing)) as session:
                    self.assertEqual(session.request("STAT", {})["data"], {"process": child, "request": STAT})
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def test_a_child_closes_what_another_thread_was_waiting_for(self) -> None:
        with exchanged() as (client, peer):
            waits, wait = threading.Event(), client._wait

            def tell_and_wait(*arguments: Any) -> None:
                waits.set()
                wait(*arguments)

            client._wait = tell_and_wait  # type: ignore[assignment,method-assign]
            with ThreadPoolExecutor(1) as pool:
                received = pool.submit(client.recvRequest)
                self.assertTrue(waits.wait(TIMEOUT))
                child = os.fork()
                if child == 0:
                    # Ends a child that waits for ever.
                    signal.alarm(TIMEOUT)
                    client.closeConnection()
                    os._exit(0)
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
                peer.send_text('{"verb": "STAT", "parameters": {}}')
                self.assertEqual(received.result(TIMEOUT), STAT)

    def test_a_child_has_the_key_pair_that_another_thread_was_using(self) -> None:
        keys, uses, used = own_keys(), threading.Event(), threading.Event()

        def use() -> None:
            uses.set()
            used.wait(TIMEOUT)

        user = threading.Thread(target=keys._guard.run, args=(use,))
        user.start()
        self.assertTrue(uses.wait(TIMEOUT))
        child = os.fork()
        if child == 0:
            # Ends a child that waits for ever.
            signal.alarm(TIMEOUT)
            os._exit(0 if keys.getKeySize() == 2048 == keys.getKeySize() else 1)
        used.set()
        user.join()
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(keys.getKeySize(), 2048)

    def test_a_child_has_other_random_numbers(self) -> None:
        receiving, sending = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(sending, AESWrapper().getKey()[0])
            os._exit(0)
        os.close(sending)
        with os.fdopen(receiving, "rb") as pipe:
            self.assertNotEqual(pipe.read(), AESWrapper().getKey()[0])
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program by itself, with `connected()` for a client with keys, and its peer."""
    begin = """
        import gc, logging, socket, sys, threading
        import anwdl
        from functools import partial
        from peer import Session
        from ends import TIMEOUT, exchanged, own_keys, peer_settings, together, two_ends

        ends = two_ends()
        near, far = ends.__enter__()
        def connected():
            return together(partial(Session.connect, far, peer_settings()), partial(anwdl.ClientInstance, near, TIMEOUT, own_keys()))
    """
    text = textwrap.dedent(begin) + textwrap.dedent(program)
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::ResourceWarning", "-c", text, *arguments], capture_output=True, text=True
    )


class Shutdown(unittest.TestCase):
    def assert_silent(self, program: str) -> None:
        done = run(program)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_with_everything_alive(self) -> None:
        self.assert_silent(
            """
            anwdl.set_logger(logging.getLogger("anwdl"), logging.DEBUG)
            logging.getLogger("anwdl").addHandler(logging.NullHandler())
            peer, client = connected()
            wrappers = client.getRSAWrapper(), client.getAESWrapper(), anwdl.AESWrapper()
            interface = anwdl.ClientInterface("127.0.0.1", 1, rsa_wrapper=own_keys())
            """
        )

    def test_with_a_thread_that_waits(self) -> None:
        self.assert_silent(
            """
            anwdl.set_logger(logging.getLogger("anwdl"), logging.DEBUG)
            logging.getLogger("anwdl").addHandler(logging.NullHandler())
            peer, client = connected()
            waits, wait = threading.Event(), client._wait
            client._wait = lambda *arguments: (waits.set(), wait(*arguments))
            threading.Thread(target=client.recvRequest, daemon=True).start()
            waits.wait(TIMEOUT)
            """
        )

    def test_with_threads_that_log(self) -> None:
        self.assert_silent(
            """
            anwdl.set_logger(logging.getLogger("anwdl"), logging.DEBUG)
            logging.getLogger("anwdl").addHandler(logging.NullHandler())
            keys, logged = own_keys(), threading.Semaphore(0)
            def log():
                while True:
                    near, far = socket.socketpair()
                    far.sendall(b"0=======")
                    try:
                        anwdl.ClientInstance(near, TIMEOUT, keys)
                    except ValueError:
                        logged.release()
            for _ in range(8):
                threading.Thread(target=log, daemon=True).start()
            for _ in range(100):
                logged.acquire()
            """
        )

    def test_with_a_log_that_begins_at_the_end(self) -> None:
        self.assert_silent(
            """
            import atexit
            logger, keys = logging.getLogger("anwdl"), own_keys()
            @atexit.register
            def log_late():
                logger.addHandler(logging.StreamHandler())
                anwdl.set_logger(logger, logging.DEBUG)
                far.sendall(b"0=======")
                try:
                    anwdl.ClientInstance(near, TIMEOUT, keys)
                except ValueError:
                    pass
            anwdl.set_logger(logger, logging.ERROR)
            """
        )

    def test_with_a_thread_that_computes(self) -> None:
        self.assert_silent(
            """
            begins = threading.Event()
            def compute():
                begins.set()
                while True:
                    anwdl.RSAWrapper(key_size=2048)
            threading.Thread(target=compute, daemon=True).start()
            begins.wait(TIMEOUT)
            """
        )

    def test_with_threads_in_private_operations(self) -> None:
        done = run(
            """
            import atexit, os
            from ends import OWN_KEY_PAIR
            numbers = OWN_KEY_PAIR.private_key.private_numbers()
            ends, begun = threading.Event(), threading.Semaphore(0)
            is_set, write = False, os.write
            def operate(number):
                begun.release()
                if is_set:
                    ends.wait(TIMEOUT)
                    # The interpreter would shut down meanwhile.
                    for _ in range(20):
                        result = pow(int.from_bytes(number, "big"), numbers.d, numbers.public_numbers.n)
                    write(1, b"done ")
                else:
                    result = pow(int.from_bytes(number, "big"), numbers.d, numbers.public_numbers.n)
                return result.to_bytes(len(number), "big")
            keys = anwdl.RSAWrapper(generate_key_pair=False)
            keys.setPublicKey(OWN_KEY_PAIR.public_pem)
            keys.setPrivateOperation(operate)
            begun.acquire()
            is_set = True
            def use():
                while True:
                    try:
                        keys.signData("text")
                    except anwdl.LibraryRuntimeError as error:
                        if error.reason == "PRIVATE_OPERATION_FAILED":
                            break
            for _ in range(2):
                threading.Thread(target=use, daemon=True).start()
                begun.acquire()
            atexit.register(ends.set)
            """
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertGreaterEqual(done.stdout.count("done"), 2)

    def test_from_a_finalizer_that_runs_last(self) -> None:
        self.assert_silent(
            """
            peer, client = connected()
            class Last:
                def __init__(self, client):
                    self.client, self.wrapper = client, client.getAESWrapper()
                def __del__(self):
                    assert len(self.wrapper.getKey()[0]) == 32
            sys.last = Last(client)
            """
        )


class Garbage(unittest.TestCase):
    def test_in_any_order(self) -> None:
        """Objects that refer to each other end in the order that the collector likes, and are used once more while they do."""
        seen: list[object] = []

        class User:
            """Uses what it refers to when it ends."""

            def __init__(self, use: Callable[[], object]) -> None:
                self.use = use
                self.ring: object = None

            def __del__(self) -> None:
                seen.append(self.use())

        for order in itertools.permutations(range(4)):
            with two_ends() as (near, far):
                session, client = together(
                    partial(Session.connect, far, peer_settings()), partial(ClientInstance, near, TIMEOUT, own_keys())
                )
                rsa, aes = client.getRSAWrapper(), client.getAESWrapper()
                assert rsa is not None and aes is not None
                # None of these raises: a client that has ended has no keys, and says so.
                users = [
                    User(client.isClosed),
                    User(partial(self.outcome, rsa.getKeySize)),
                    User(partial(self.outcome, aes.getKeySize)),
                    User(partial(self.outcome, client.recvRequest)),
                ]
                ring = [users[number] for number in order]
                for one, next_one in zip(ring, ring[1:] + ring[:1], strict=True):
                    one.ring = (next_one, client)
                client.__dict__["ring"] = ring
                seen.clear()
                del client, rsa, aes, users, ring, one, next_one
                gc.collect()
                self.assertEqual(len(seen), 4)
                self.assertTrue(is_at_end(far))
                session.close()

    def outcome(self, use: Callable[[], object]) -> object:
        try:
            return use()
        except LibraryRuntimeError as error:
            return error.reason

    def test_what_a_client_lends_outlives_it(self) -> None:
        with exchanged() as (client, _):
            wrapper = client.getAESWrapper()
            assert wrapper is not None
            client.closeConnection()
            with fails(LibraryRuntimeError, "KEY_MISSING"):
                wrapper.getKey()

    def test_what_a_client_lends_follows_it(self) -> None:
        with exchanged() as pair:
            wrapper = pair.client.getAESWrapper()
            assert wrapper is not None
            _, before = wrapper.getKey()
            request_arrives(pair)
            answer_arrives(pair, True, "OK")
            self.assertNotEqual(wrapper.getKey()[1], before)

    def test_what_a_client_lends_cannot_be_changed(self) -> None:
        with exchanged() as (client, _):
            aes, rsa = client.getAESWrapper(), client.getRSAWrapper()
            assert aes is not None and rsa is not None
            for change in (partial(aes.setKey, bytes(32)), rsa.generateKeyPair, partial(rsa.setPublicKey, OWN_KEY_PAIR.public_pem)):
                with fails(LibraryValueError, "INVALID_ARGUMENT"):
                    change()

    def test_a_socket_of_a_client_that_was_not_made_stays_open(self) -> None:
        with two_ends() as (near, far):
            far.sendall(b"0=======")
            with fails(LibraryValueError, "PROTOCOL_VIOLATION"):
                ClientInstance(near, TIMEOUT, own_keys())
            gc.collect()
            self.assertGreaterEqual(near.fileno(), 0)
            near.sendall(b"x")
            self.assertEqual(far.recv(2), b"0x")


SUBINTERPRETERS = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
created = interpreters.create({kind})
try:
    print(interpreters.run_string(created, "import anwdl"), file=sys.stderr)
except Exception as error:
    print(error, file=sys.stderr)
"""


class Subinterpreters(unittest.TestCase):
    def test_are_refused(self) -> None:
        kinds = ["isolated=False", "isolated=True"] if sys.version_info < (3, 13) else ["'legacy'", "'isolated'"]
        for kind in kinds:
            with self.subTest(kind):
                done = run(SUBINTERPRETERS.replace("{kind}", kind))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("a subinterpreter", done.stderr)


if __name__ == "__main__":
    unittest.main()
