"""The Python peer as a server of the C client whose program the environment variable ANWDL_TEST_CLIENT names."""

import json
import os
import subprocess
import tempfile
import unittest
from itertools import product
from pathlib import Path
from typing import Any

import recordings
from formats import CONTAINER_FIELDS, validate_response
from peer import ProtocolName, fingerprint
from server_process import ServerProcess

VARIABLE = "ANWDL_TEST_CLIENT"
PYTHON_SERVER = Path(__file__).with_name("python_server.py")
CLIENT_KEY_PAIR, SERVER_KEY_PAIR = recordings.fixed_key_pairs()
FRAMINGS = [name for name in ProtocolName if name is not ProtocolName.AUTO]
LONGEST_RUN = 60
"""Seconds."""
SUCCEEDED, REFUSED, FAILED = 0, 1, 3


class CClientAgainstPythonServer(unittest.TestCase):
    """One process of each, for every framing and both orders of the key exchange."""

    manner: tuple[str, ...] = ()
    """How the server uses its sockets."""

    def setUp(self) -> None:
        program = os.environ.get(VARIABLE)
        if not program:
            self.fail(f"set {VARIABLE} to the path of the client to test, as `make test` does")
        self.program = program
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.server_key = Path(folder, "server.pem")
        self.client_key = Path(folder, "client.pem")
        self.server_key.write_bytes(SERVER_KEY_PAIR.private_pem)
        self.client_key.write_bytes(CLIENT_KEY_PAIR.private_pem)

    def server(self, *options: str) -> ServerProcess:
        """The Python server with a fixed key."""
        return self.enterContext(ServerProcess(PYTHON_SERVER, "--private-key", str(self.server_key), *self.manner, *options))

    def ask(self, server: ServerProcess, *words: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Runs the client."""
        fixed = ("--port", str(server.port), "--private-key", str(self.client_key), "--json")
        return subprocess.run(
            [self.program, *fixed, *options, "127.0.0.1", *words], capture_output=True, text=True, timeout=LONGEST_RUN
        )

    def response(self, done: subprocess.CompletedProcess[str], status: int) -> dict[str, Any]:
        """What the client printed, checked against the response format."""
        self.assertEqual(done.returncode, status, done.stderr)
        response: dict[str, Any] = json.loads(done.stdout)
        valid, errors = validate_response(response)
        self.assertTrue(valid, errors)
        return response

    def test_every_framing_in_both_orders(self) -> None:
        cbc = [name for name in FRAMINGS if name is not ProtocolName.GCM]
        # Who speaks first chooses between gcm and the others.
        for receive_first, framings, options in (
            ("yes", FRAMINGS, ()),
            ("no", cbc, ("--receive-first", "no")),
            ("no", [ProtocolName.GCM], ("--receive-first", "no", "--protocol", "gcm")),
            ("yes", cbc, ("--derives-step-11",)),
            ("no", cbc, ("--receive-first", "no", "--derives-step-11")),
        ):
            server = self.server(*options)
            for framing in framings:
                with self.subTest(framing=framing.value, receive_first=receive_first, options=options):
                    self.converse(server, framing, () if receive_first == "yes" else ("--receive-first",))
            self.assertEqual(server.stop(), 0, server.output)
            spoken = [line.split(": ")[1] for line in server.output.splitlines() if line.endswith(": CREATE")]
            self.assertEqual(spoken, [framing.value for framing in framings])

    def converse(self, server: ServerProcess, framing: ProtocolName, order: tuple[str, ...]) -> None:
        """One request of each kind, each in a session of its own."""
        options = ("--protocol", framing.value, *order)
        created = self.response(self.ask(server, "CREATE", options=options), SUCCEEDED)
        self.assertEqual(set(created["data"]), set(CONTAINER_FIELDS))
        access = [f"{name}={created['data'][name]}" for name in ("container_uuid", "client_token")]
        self.assertTrue(self.response(self.ask(server, "DESTROY", *access, options=options), SUCCEEDED)["success"])
        refused = self.response(self.ask(server, "UNHEARDOF", options=options), REFUSED)
        self.assertIn("unknown verb", refused["message"])

    def test_parameters_arrive_to_the_letter(self) -> None:
        parameters = '{"n": 12345678901234567890, "list": [1, true, null, "é"], "nested": {"a": {}}}'
        server = self.server()
        for framing in FRAMINGS:
            with self.subTest(framing=framing.value):
                done = self.ask(server, "ECHO", parameters, options=("--protocol", framing.value))
                self.assertEqual(self.response(done, SUCCEEDED)["data"]["echo"], json.loads(parameters))

    def test_the_fingerprint_is_the_one_that_python_computes(self) -> None:
        own = fingerprint(SERVER_KEY_PAIR.public_pem)
        other = fingerprint(CLIENT_KEY_PAIR.public_pem)
        server = self.server()
        for framing, (expected, status) in product(FRAMINGS, ((own, SUCCEEDED), (other, FAILED))):
            with self.subTest(framing=framing.value, expected=expected):
                done = self.ask(server, "STAT", options=("--protocol", framing.value, "--fingerprint", expected))
                self.assertEqual(done.returncode, status, done.stderr)
                if status == FAILED:
                    self.assertIn(own, done.stderr)
                    self.assertIn(other, done.stderr)
        self.assertEqual(server.stop(), 0, server.output)
        # Who is told the wrong key says no to it, and never gets as far as the secret.
        self.assertEqual(server.output.count("keys exchanged"), len(FRAMINGS))


class CClientAgainstPythonServerAsReleased(CClientAgainstPythonServer):
    """The same with a server that uses its sockets as the released ones do."""

    manner = ("--as-released",)


if __name__ == "__main__":
    unittest.main()
