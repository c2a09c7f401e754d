"""The Python peer as a client of the server whose program the environment variable ANWDL_TEST_SERVER names."""

import json
import os
import socket
import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import recordings
from formats import CONTAINER_FIELDS, validate_response
from peer import PeerClosed, PeerRefused, ProtocolError, ProtocolName, Session, Settings
from peer.json_text import member_text, parse_strictly
from server_process import ServerProcess

VARIABLE = "ANWDL_TEST_SERVER"
CLIENT_KEY_PAIR, SERVER_KEY_PAIR = recordings.fixed_key_pairs()
FRAMINGS = [name for name in ProtocolName if name is not ProtocolName.AUTO]
CBC_FRAMINGS = [name for name in FRAMINGS if name is not ProtocolName.GCM]
MAX_MESSAGE_SIZE = 4 << 20
MEBIBYTE = 1 << 20
LONGEST_PIECE = 4096
"""Bytes that come whole on any system."""

CONTAINER = {"container_uuid": "8f4c2f0a-6d5b-4d5e-9a55-0c5be1d5a6f7", "client_token": "aZ09-_" * 42 + "end"}


class WithServer(unittest.TestCase):
    """What the tests share: servers, clients, and what their answers must look like."""

    as_released = False
    """Whether the clients use their sockets as the released ones do."""

    @contextmanager
    def server(self, *options: str, max_message_size: int = MAX_MESSAGE_SIZE) -> Iterator[ServerProcess]:
        """A server with a fixed key; its exit status is checked at the end."""
        program = os.environ.get(VARIABLE)
        if not program:
            self.fail(f"set {VARIABLE} to the path of the server to test, as `make test` does")
        with tempfile.NamedTemporaryFile(suffix=".pem") as key_file:
            key_file.write(SERVER_KEY_PAIR.private_pem)
            key_file.flush()
            fixed = ("--private-key", key_file.name, "--max-message-size", str(max_message_size))
            with ServerProcess(Path(program), *fixed, *options) as server:
                yield server
                self.assertEqual(server.stop(), 0, f"exit status of the server, which printed:\n{server.output}")

    @contextmanager
    def client(self, server: ServerProcess, framing: ProtocolName, **changes: Any) -> Iterator[Session]:
        """A session with the server; a failure tells what the server printed."""
        settings = Settings(
            key_pair=CLIENT_KEY_PAIR, protocol=framing, max_message_size=MAX_MESSAGE_SIZE, as_released=self.as_released
        )
        settings = replace(settings, **changes)
        try:
            with Session.connect(socket.create_connection(("127.0.0.1", server.port), 10), settings) as session:
                self.assertEqual(session.remote_public_pem, SERVER_KEY_PAIR.public_pem)
                yield session
        except Exception as error:
            error.add_note(f"the server printed:\n{server.output}")
            raise

    def answer_to(self, session: Session, text: str) -> tuple[dict[str, Any], str]:
        """The response to a request's text, parsed and to the letter; it must fit the response format."""
        session.send_text(text)
        response_text = session.receive_text()
        response = parse_strictly(response_text)
        self.assertEqual(validate_response(response), (True, {}))
        return response, response_text

    def assert_echoed(self, session: Session, parameters: str) -> None:
        """The server must give `parameters` back to the letter."""
        response, text = self.answer_to(session, f'{{"verb": "ECHO", "parameters": {parameters}}}')
        self.assertTrue(response["success"])
        # Compared with == first: unittest's own account of two different texts of 1 MiB would take minutes.
        echoed = member_text(member_text(text, "data"), "echo")
        if echoed != parameters:
            self.fail(f"{len(parameters)} characters came back as {len(echoed)}: {parameters[:80]!r}, {echoed[:80]!r}")

    def assert_malformed(self, session: Session, text: str) -> None:
        """The server must say that the request is malformed."""
        response, _ = self.answer_to(session, text)
        expected = {"success": False, "message": "Bad request (reason : malformed request)", "data": {}}
        self.assertEqual(response, expected)

    def converse(self, session: Session) -> None:
        """Several requests, one of each kind."""
        stat = session.request("STAT", {})
        self.assertEqual(validate_response(stat), (True, {}))
        self.assertEqual((stat["success"], stat["message"]), (True, "OK"))
        self.assertEqual(stat["data"].keys(), {"uptime", "version"})

        created = session.request("CREATE", {})
        self.assertEqual(validate_response(created), (True, {}))
        self.assertEqual((created["success"], created["message"]), (True, "OK"))
        self.assertEqual(created["data"].keys(), set(CONTAINER_FIELDS))

        identity = {name: created["data"][name] for name in ("container_uuid", "client_token")}
        self.assertEqual(session.request("DESTROY", identity), {"success": True, "message": "OK", "data": {}})

        nothing = session.request("DESTROY", {})
        self.assertFalse(nothing["success"])
        self.assertRegex(nothing["message"], r"^Bad request\b")

        unknown = session.request("UNHEARDOF", {})
        refusal = {"success": False, "message": "Refused request (reason : unknown verb)", "data": {}}
        self.assertEqual(unknown, refusal)

        self.assert_echoed(session, '{"text": "é"}')


class Framings(WithServer):
    """Each kind of client gets its answers."""

    def test_every_framing_when_the_client_speaks_first(self) -> None:
        with self.server("--receive-first", "yes") as server:
            for framing in FRAMINGS:
                with self.subTest(framing=framing.value), self.client(server, framing) as session:
                    self.converse(session)

    def test_v2_v3_v4_when_the_server_speaks_first(self) -> None:
        with self.server("--receive-first", "no") as server:
            for framing in CBC_FRAMINGS:
                with self.subTest(framing=framing.value):
                    with self.client(server, framing, client_speaks_first=False) as session:
                        self.converse(session)

    def test_gcm_when_the_server_speaks_first(self) -> None:
        # The side that speaks first chooses between gcm and the others, so this server must be told.
        with self.server("--receive-first", "no", "--protocol", "gcm") as server:
            with self.client(server, ProtocolName.GCM, client_speaks_first=False) as session:
                self.converse(session)

    def test_clients_of_all_framings_one_after_another(self) -> None:
        with self.server() as server:
            for framing in [*FRAMINGS, *reversed(FRAMINGS), *FRAMINGS]:
                with self.client(server, framing) as session:
                    self.converse(session)

    def test_aes_key_sizes(self) -> None:
        with self.server() as server:
            for framing, size in product(CBC_FRAMINGS, (16, 24, 32)):
                with self.subTest(framing=framing.value, bytes=size):
                    with self.client(server, framing, aes_key_size=size) as session:
                        self.converse(session)

    def test_an_aes_key_is_answered_with_one_that_is_derived_from_it(self) -> None:
        for order, size in product(("yes", "no"), (16, 24, 32)):
            with self.server("--receive-first", order) as server:
                for framing in CBC_FRAMINGS:
                    with self.subTest(framing=framing.value, receive_first=order, bytes=size):
                        changes = {"client_speaks_first": order == "yes", "derives_step_11": True, "aes_key_size": size}
                        with self.client(server, framing, **changes) as session:
                            self.converse(session)

    def test_a_server_that_sends_keys_back_is_no_server_for_a_client_that_derives(self) -> None:
        with self.server("--key-echo") as server:
            with self.client(server, ProtocolName.V4) as session:
                self.converse(session)
            with self.assertRaises(ProtocolError):
                with self.client(server, ProtocolName.V4, derives_step_11=True):
                    pass

    def test_client_with_a_larger_rsa_key(self) -> None:
        with self.server() as server:
            for framing in FRAMINGS:
                with self.subTest(framing=framing.value):
                    with self.client(server, framing, key_pair=recordings.large_fixed_key_pair()) as session:
                        self.converse(session)

    def test_pinned_server_serves_one_framing_and_refuses_the_rest(self) -> None:
        for pinned in FRAMINGS:
            with self.server("--protocol", pinned.value) as server:
                for spoken in FRAMINGS:
                    with self.subTest(pinned=pinned.value, spoken=spoken.value):
                        if spoken is pinned:
                            with self.client(server, spoken) as session:
                                self.converse(session)
                        else:
                            with self.assertRaises((PeerRefused, PeerClosed)), self.client(server, spoken) as session:
                                session.request("STAT", {})


class Payloads(WithServer):
    """What goes through a session comes out unchanged."""

    def test_sizes(self) -> None:
        # Around the ends of cipher blocks and of powers of two; `{"p":""}` is the shortest that can be made longer.
        sizes = (2, 8, 9, 14, 15, 16, 17, 31, 32, 33, 255, 256, 1000, 4096, 65535, 65536, 65537, MEBIBYTE - 1, MEBIBYTE)
        if self.as_released:
            # Longer ones come in several pieces, of which a release takes the first for all.
            sizes = tuple(size for size in sizes if size <= LONGEST_PIECE)
        with self.server() as server:
            for framing in FRAMINGS:
                with self.client(server, framing) as session:
                    for size in sizes:
                        with self.subTest(framing=framing.value, size=size):
                            parameters = "{}" if size == 2 else '{"p":"' + "x" * (size - 8) + '"}'
                            self.assertEqual(len(parameters), size)
                            self.assert_echoed(session, parameters)

    def test_texts_and_numbers_to_the_letter(self) -> None:
        payloads = {
            "basic multilingual plane": '{"é": "naïve, Ünïcödé, 漢字, עברית, ٣"}',
            "beyond it": '{"🙂": "𝔸𝕟𝕨𝕖𝕕𝕕𝕠𝕝 🦀"}',
            "escapes": r'{"e": "\u00e9\ud83d\ude42\n\t\"\\\/\u0000"}',
            "blanks": '{ "a" :\t[ 1 ,2,\n3 ] , "b":{ } }',
            "order of members": '{"z": 1, "a": 2, "m": 3}',
            "integers past 64 bits": '{"n": [9223372036854775808, 18446744073709551616, -9223372036854775809]}',
            "an integer of 300 digits": '{"n": ' + "1234567890" * 30 + "}",
            "numbers as they are written": '{"n": [1.0, 1.50, 1e2, 1E+2, -0, -0.0, 0.1000000000000000055511151231257827]}',
            "values of every type": '{"v": [null, true, false, "", [], {}, [[]], {"": {"": 0}}]}',
            "a container's fields": json.dumps(CONTAINER),
        }
        with self.server() as server:
            for framing in FRAMINGS:
                with self.client(server, framing) as session:
                    for name, parameters in payloads.items():
                        with self.subTest(framing=framing.value, payload=name):
                            self.assert_echoed(session, parameters)


class BadClients(WithServer):
    """What a client does wrong harms nobody else, and where it can be answered it is."""

    def test_malformed_request_is_answered_and_the_session_goes_on(self) -> None:
        malformed = (
            "{}",
            '{"verb": "STAT"}',
            '{"parameters": {}}',
            '{"verb": "stat", "parameters": {}}',
            '{"verb": "", "parameters": {}}',
            '{"verb": 1, "parameters": {}}',
            '{"verb": null, "parameters": {}}',
            '{"verb": "STAT", "parameters": []}',
            json.dumps({"verb": "DESTROY", "parameters": {"container_uuid": CONTAINER["container_uuid"]}}),
            json.dumps({"verb": "DESTROY", "parameters": {**CONTAINER, "client_token": "short"}}),
            "[]",
            '"STAT"',
            "1",
            "null",
            # What Python's json reads, and strict JSON forbids.
            '{"verb": "STAT", "verb": "STAT", "parameters": {}}',
            '{"verb": "STAT", "parameters": {"p": NaN}}',
            '{"verb": "STAT", "parameters": {"p": -Infinity}}',
            '{"verb": "STAT", "parameters": {"p": "\\ud800"}}',
            '{"verb": "STAT", "parameters": {"p": ' + "[" * 200 + "]" * 200 + "}}",
        )
        with self.server() as server:
            for framing in FRAMINGS:
                with self.client(server, framing) as session:
                    for text in malformed:
                        with self.subTest(framing=framing.value, request=text):
                            self.assert_malformed(session, text)
                    self.converse(session)

    def test_what_is_no_json_ends_the_session_only(self) -> None:
        with self.server() as server:
            for framing, text in product(FRAMINGS, ("no JSON", "", '{"verb": "STAT", "parameters": {}} {}')):
                with self.subTest(framing=framing.value, text=text):
                    with self.client(server, framing) as session:
                        self.converse(session)
                        session.send_text(text)
                        self.assertRaises(PeerClosed, session.receive_text)
                    with self.client(server, framing) as session:
                        self.converse(session)

    def test_message_beyond_the_limit_is_refused(self) -> None:
        with self.server(max_message_size=1000) as server:
            for framing in FRAMINGS:
                with self.subTest(framing=framing.value):
                    with self.client(server, framing) as session:
                        self.converse(session)
                        with self.assertRaises(PeerClosed if framing is ProtocolName.GCM else PeerRefused):
                            session.request("ECHO", {"p": "x" * 1024})
                    with self.client(server, framing) as session:
                        self.converse(session)

    def test_client_that_leaves_in_the_middle(self) -> None:
        with self.server() as server:
            # In the middle of a length, of a public key, and before anything was said.
            for said in (b"", b"451", b"451=====", b"451=====-----BEGIN PUBLIC KEY-----\n"):
                with self.subTest(said=said):
                    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
                        connection.sendall(said)
                    with self.client(server, ProtocolName.V4) as session:
                        self.converse(session)


class FramingsAsReleased(Framings):
    """The same with clients that use their sockets as the released ones do."""

    as_released = True


class PayloadsAsReleased(Payloads):
    """The same with clients that use their sockets as the released ones do."""

    as_released = True


class BadClientsAsReleased(BadClients):
    """The same with clients that use their sockets as the released ones do."""

    as_released = True


if __name__ == "__main__":
    unittest.main()
