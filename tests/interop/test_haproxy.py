"""A real HAProxy between the Python peer and the server that ANWDL_TEST_SERVER names, which must have `--proxy-protocol`."""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import recordings
from peer import PeerError, ProtocolName, Session, Settings
from server_process import ServerProcess

VARIABLE = "ANWDL_TEST_SERVER"
CLIENT_KEY_PAIR, SERVER_KEY_PAIR = recordings.fixed_key_pairs()
FRAMINGS = [name for name in ProtocolName if name is not ProtocolName.AUTO]

CLIENT_IP = "127.0.0.2"
"""Every address of 127.0.0.0/8 is this machine's; the proxy itself connects from 127.0.0.1."""
PATIENCE = 15.0
"""Seconds that a step may take on a busy machine."""
SERVER_TIMEOUT = 10_000
"""Milliseconds; the server serves one client at a time, and waits for each no longer than this."""

CONFIGURATION = """\
global
    maxconn 100
    {user}
defaults
    mode tcp
    retries 0
    timeout connect 30s
    timeout client 60s
    timeout server 60s
{listens}
"""
LISTEN = """\
listen {name}
    bind fd@{descriptor}
    server anwdl 127.0.0.1:{port} {options}
"""

SENDS = {"v1": "send-proxy", "v2": "send-proxy-v2", "v2_with_additions": "send-proxy-v2 proxy-v2-options unique-id,crc32c"}
"""How HAProxy is told to send a header, by what these tests call it."""


sessions = 0
"""How many have gone through HAProxy, to their last response."""


def tearDownModule() -> None:
    print(f"\ncases: {sessions} sessions through HAProxy", flush=True)


def client_id(ip: str) -> str:
    return hashlib.sha256(ip.encode()).hexdigest()[:7]


def find_haproxy() -> str:
    """Debian keeps it where not every user looks."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    program = shutil.which("haproxy", path=path)
    if not program:
        raise AssertionError("HAProxy is missing: scripts/ensure-tools haproxy installs it, as `make test` does")
    return program


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class Haproxy:
    """HAProxy with one listening socket for each of `listeners`, in front of the server at `port`.

    It inherits the sockets, so that no port has to be guessed and a connection waits where HAProxy is not ready yet.
    """

    def __init__(self, port: int, listeners: dict[str, tuple[socket.socket, str]]) -> None:
        listens = [
            LISTEN.format(name=name, descriptor=listener.fileno(), port=port, options=options)
            for name, (listener, options) in listeners.items()
        ]
        # As root, HAProxy warns unless it is told whose rights to take on.
        user = "" if os.getuid() else "user nobody"
        self._configuration = tempfile.NamedTemporaryFile("w", suffix=".cfg")
        self._configuration.write(CONFIGURATION.format(user=user, listens="\n".join(listens)))
        self._configuration.flush()
        self._process = subprocess.Popen(
            [find_haproxy(), "-db", "-f", self._configuration.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            pass_fds=[listener.fileno() for listener, _ in listeners.values()],
        )
        self._lines: list[str] = []
        # Read all the time: a program whose pipe is full would stand still.
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """What HAProxy has printed so far."""
        return "\n".join(self._lines)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Ends it at once, with what it still carries."""
        if self.is_running():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join()
        assert self._process.stdout
        self._process.stdout.close()
        self._configuration.close()

    def _read_output(self) -> None:
        assert self._process.stdout
        self._lines.extend(line.rstrip("\n") for line in self._process.stdout)


class BehindHaproxy(unittest.TestCase):
    """The server knows the client, not the proxy."""

    as_released = False
    """Whether the clients use their sockets as the released ones do."""

    @contextmanager
    def server(self, *options: str) -> Iterator[ServerProcess]:
        """A server with a fixed key; its exit status is checked at the end."""
        program = os.environ.get(VARIABLE)
        if not program:
            self.fail(f"set {VARIABLE} to the path of the server to test, as `make test` does")
        with tempfile.NamedTemporaryFile(suffix=".pem") as key_file:
            key_file.write(SERVER_KEY_PAIR.private_pem)
            key_file.flush()
            fixed = ("--key-file", key_file.name, "--timeout", str(SERVER_TIMEOUT))
            with ServerProcess(Path(program), *fixed, *options) as server:
                yield server
                self.assertEqual(server.stop(), 0, f"exit status of the server, which printed:\n{server.output}")

    @contextmanager
    def proxies(self, server: ServerProcess, sends: dict[str, str], host: str = "127.0.0.1") -> Iterator[dict[str, int]]:
        """HAProxy in front of the server: the port of each of the ways in which it sends."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with ExitStack() as stack:
            listeners = {
                name: (stack.enter_context(socket.create_server((host, 0), family=family)), options)
                for name, options in sends.items()
            }
            ports = {name: listener.getsockname()[1] for name, (listener, _) in listeners.items()}
            haproxy = Haproxy(server.port, listeners)
            stack.callback(haproxy.stop)
            try:
                yield ports
                self.assertTrue(haproxy.is_running(), "HAProxy has ended")
            except Exception as error:
                error.add_note(f"HAProxy printed:\n{haproxy.output}\nthe server printed:\n{server.output}")
                raise

    def session(self, connection: socket.socket, framing: ProtocolName, **changes: bool) -> Session:
        connection.settimeout(PATIENCE)
        settings = Settings(key_pair=CLIENT_KEY_PAIR, protocol=framing, as_released=self.as_released)
        return Session.connect(connection, replace(settings, **changes))

    def connect(self, host: str, port: int, source: str | None = None) -> socket.socket:
        return socket.create_connection((host, port), PATIENCE, source_address=(source, 0) if source else None)

    def converse(self, session: Session) -> None:
        for _ in range(3):
            self.assertTrue(session.request("STAT", {})["success"])
        global sessions
        sessions += 1

    def assert_connected_from(self, server: ServerProcess, *ips: str) -> None:
        """The clients of the server so far, in turn, as it has printed them."""
        expected = [(client_id(ip), ip) for ip in ips]

        def found() -> list[tuple[str, str]]:
            return re.findall(r"^client (\S+): connected from (\S*)$", server.output, re.MULTILINE)

        self.wait_until(lambda: len(found()) >= len(expected))
        self.assertEqual(found(), expected)

    def assert_printed(self, server: ServerProcess, text: str, count: int = 1) -> None:
        self.wait_until(lambda: server.output.count(text) >= count)
        self.assertEqual(server.output.count(text), count, f"{text} in:\n{server.output}")

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """What the server prints gets here later than what it sends; the caller checks what came of the wait."""
        deadline = time.monotonic() + PATIENCE
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)

    def test_every_framing_through_both_versions(self) -> None:
        with self.server("--proxy-protocol") as server, self.proxies(server, SENDS) as ports:
            for port in ports.values():
                for framing in FRAMINGS:
                    with self.session(self.connect("127.0.0.1", port, CLIENT_IP), framing) as session:
                        self.assertEqual(session.remote_public_pem, SERVER_KEY_PAIR.public_pem)
                        self.converse(session)
            self.assert_connected_from(server, *[CLIENT_IP] * len(SENDS) * len(FRAMINGS))

    def test_server_that_speaks_first(self) -> None:
        with self.server("--proxy-protocol", "--receive-first", "no") as server, self.proxies(server, SENDS) as ports:
            for port in ports.values():
                connection = self.connect("127.0.0.1", port, CLIENT_IP)
                with self.session(connection, ProtocolName.V4, client_speaks_first=False) as session:
                    self.converse(session)
            self.assert_connected_from(server, *[CLIENT_IP] * len(SENDS))

    @unittest.skipUnless(has_ipv6(), "there is no IPv6 on this machine")
    def test_client_of_ipv6(self) -> None:
        with self.server("--proxy-protocol") as server, self.proxies(server, SENDS, "::1") as ports:
            for port in ports.values():
                with self.session(self.connect("::1", port), ProtocolName.V3) as session:
                    self.converse(session)
            self.assert_connected_from(server, *["::1"] * len(SENDS))

    def test_client_that_comes_past_the_proxy(self) -> None:
        with self.server("--proxy-protocol") as server, self.proxies(server, SENDS) as ports:
            for source in ("127.0.0.1", CLIENT_IP):
                with self.assertRaises((PeerError, OSError)):
                    self.session(self.connect("127.0.0.1", server.port, source), ProtocolName.V4)
            # It has harmed nobody.
            with self.session(self.connect("127.0.0.1", ports["v2"], CLIENT_IP), ProtocolName.V4) as session:
                self.converse(session)
            self.assert_printed(server, "BAD_PROXY_HEADER", 2)
            self.assert_connected_from(server, CLIENT_IP)

    def test_proxy_without_a_header(self) -> None:
        with self.server("--proxy-protocol") as server, self.proxies(server, {"none": ""}) as ports:
            with self.assertRaises((PeerError, OSError)):
                self.session(self.connect("127.0.0.1", ports["none"], CLIENT_IP), ProtocolName.V4)
            self.assert_printed(server, "BAD_PROXY_HEADER")

    def test_header_that_was_not_asked_for(self) -> None:
        with self.server() as server, self.proxies(server, {"v1": "send-proxy"}) as ports:
            with self.assertRaises((PeerError, OSError)):
                self.session(self.connect("127.0.0.1", ports["v1"], CLIENT_IP), ProtocolName.V4)
            self.assert_printed(server, "PROTOCOL_VIOLATION")

    def test_checks_of_the_proxy_itself(self) -> None:
        # HAProxy connects by itself from time to time, sends a header that says so (LOCAL), and leaves.
        checked = {"v2": "send-proxy-v2 check check-send-proxy inter 100ms"}
        with self.server("--proxy-protocol") as server, self.proxies(server, checked) as ports:
            self.wait_until(lambda: "client unknown: not served" in server.output)
            self.assertIn("client unknown: not served", server.output)
            for _ in range(3):
                with self.session(self.connect("127.0.0.1", ports["v2"], CLIENT_IP), ProtocolName.V4) as session:
                    self.converse(session)
            self.assertNotIn("BAD_PROXY_HEADER", server.output)
            self.assert_connected_from(server, *[CLIENT_IP] * 3)


class BehindHaproxyAsReleased(BehindHaproxy):
    """The same with clients that use their sockets as the released ones do."""

    as_released = True


if __name__ == "__main__":
    unittest.main()
