"""The example servers, driven by the independent peer of tests/interop/ with what it drives the C server with, in all four framings."""

import json
import os
import signal
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import test_server
from ends import STAT, TIMEOUT
from peer import PeerError, ProtocolName, Session
from peer.framing import CbcFraming
from server_process import ServerProcess
from thread_shortage import thread_shortage

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SIGNAL_BEFORE_ACCEPT = Path(__file__).with_name("signal_before_accept.c")


def driven(name: str, tests: type[test_server.WithServer]) -> type[test_server.WithServer]:
    """Those tests of a server, of this one."""

    class Driven(tests):  # type: ignore[valid-type,misc]
        def setUp(self) -> None:
            variable = mock.patch.dict(os.environ, {test_server.VARIABLE: str(EXAMPLES / f"{name}.py")})
            variable.start()
            self.addCleanup(variable.stop)

    return Driven


class Threads(driven("server", test_server.Framings)):  # type: ignore[misc]
    """Each kind of client gets its answers."""


class ThreadsBadClients(driven("server", test_server.BadClients)):  # type: ignore[misc]
    """What a client does wrong harms nobody else."""


class Asyncio(driven("asyncio_server", test_server.FramingsAsReleased)):  # type: ignore[misc]
    """Each kind of client gets its answers, also one that uses its socket as the releases do."""


class AsyncioBadClients(driven("asyncio_server", test_server.BadClients)):  # type: ignore[misc]
    """What a client does wrong harms nobody else."""


class Stopping(test_server.WithServer):
    """SIGTERM."""

    def test_what_is_under_way_is_answered(self) -> None:
        with self.server() as server, ThreadPoolExecutor(1) as pool:
            with self.client(server, ProtocolName.V4) as idle, self.client(server, ProtocolName.V4) as busy:
                framing = busy._framing
                for session in (idle, busy):
                    self.assertTrue(session.request("STAT", {})["success"])
                assert isinstance(framing, CbcFraming)
                packet, next_iv = framing._seal(json.dumps(STAT).encode())
                busy._stream.write(framing._make_header(len(packet)))
                busy._stream.expect_acceptance("the length of a message")
                stopped = pool.submit(server.stop)
                # The others are closed, and nobody can come.
                self.assertRaises(PeerError, idle.receive_text)
                with self.assertRaises(ConnectionRefusedError), self.client(server, ProtocolName.V4):
                    pass
                busy._stream.write(packet)
                framing._state.iv = next_iv
                self.assertTrue(json.loads(busy.receive_text())["success"])
                self.assertRaises(PeerError, busy.request, "STAT", {})
                self.assertEqual(stopped.result(TIMEOUT), 0)

    def test_a_client_that_goes_on_asking_does_not_keep_it(self) -> None:
        with self.server() as server, ThreadPoolExecutor(1) as pool, self.client(server, ProtocolName.GCM) as session:
            self.assertTrue(session.request("STAT", {})["success"])
            asking = pool.submit(self.ask_for_ever, session)
            self.assertEqual(server.stop(), 0)
            self.assertIsInstance(asking.exception(TIMEOUT), PeerError)

    def ask_for_ever(self, session: Session) -> None:
        while True:
            session.request("STAT", {})

    def test_a_client_that_stops_in_the_middle_does_not_keep_it(self) -> None:
        with self.server("--drain-timeout", "100") as server, self.client(server, ProtocolName.GCM) as session:
            self.assertTrue(session.request("STAT", {})["success"])
            session._stream.write(b"\0")
            session._stream.flush()
            self.assertEqual(server.stop(), 0)

    def test_a_second_signal_ends_what_is_under_way(self) -> None:
        with self.server("--drain-timeout", "600000", "--timeout", "600000") as server:
            with self.client(server, ProtocolName.GCM) as idle, self.client(server, ProtocolName.GCM) as busy:
                for session in (idle, busy):
                    self.assertTrue(session.request("STAT", {})["success"])
                busy._stream.write(b"\0")
                busy._stream.flush()
                os.kill(server.pid, signal.SIGTERM)
                self.assertRaises(PeerError, idle.receive_text)
                os.kill(server.pid, signal.SIGINT)
                self.assertRaises(PeerError, busy.receive_text)
                self.assertEqual(server.wait(), 0)

    def test_a_request_right_behind_the_key_exchange_is_answered(self) -> None:
        with self.server() as server, self.client(server, ProtocolName.GCM) as session:
            os.kill(server.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, server.pid, os.WSTOPPED)
            session.send_text(json.dumps(STAT))  # with the last step, which was held back
            session._stream.flush()
            os.kill(server.pid, signal.SIGTERM)
            os.kill(server.pid, signal.SIGCONT)
            self.assertTrue(json.loads(session.receive_text())["success"])
            self.assertEqual(server.wait(), 0)

    def test_a_signal_just_before_it_waits_is_not_lost(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "signal_before_accept.so"
            subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SIGNAL_BEFORE_ACCEPT], check=True)
            with mock.patch.dict(os.environ, {"LD_PRELOAD": str(library)}), self.server() as server:
                self.assertEqual(server.wait(), 0)

    def test_a_request_has_a_limit(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            key_file = Path(folder) / "server.pem"
            key_file.write_bytes(test_server.SERVER_KEY_PAIR.private_pem)
            with ServerProcess(Path(os.environ[test_server.VARIABLE]), "--private-key", str(key_file)) as server:
                with self.client(server, ProtocolName.V4) as session, self.assertRaises(PeerError):
                    session.request("ECHO", {"text": "x" * (1 << 14)})


class ThreadShortage(test_server.WithServer):
    """No thread for a client."""

    own_threads = 0
    """How many the server begins with."""

    def test_it_is_left_alone_and_others_are_served(self) -> None:
        with thread_shortage(self.own_threads + 1), self.server() as server:
            with self.assertRaises(PeerError), self.client(server, ProtocolName.GCM):
                pass
            for framing in (ProtocolName.V4, ProtocolName.GCM):
                with self.client(server, framing) as session:
                    self.converse(session)


class ThreadsShortage(driven("server", ThreadShortage)):  # type: ignore[misc]
    """It loses the client, and nothing else."""

    own_threads = 1


class AsyncioShortage(driven("asyncio_server", ThreadShortage)):  # type: ignore[misc]
    """It loses the client, and nothing else."""


class ThreadsStopping(driven("server", Stopping)):  # type: ignore[misc]
    """It ends in time, and nobody loses an answer."""


class AsyncioStopping(driven("asyncio_server", Stopping)):  # type: ignore[misc]
    """It ends in time, and nobody loses an answer."""


del Stopping, ThreadShortage


if __name__ == "__main__":
    unittest.main()
