#!/usr/bin/env python3
"""A server on the Python peer with the command line and the behaviour of the C server that `test_server.py` and `demo.py` drive.

It shows that those two test what the protocol says and not what the library does, and it stands beside the library in benchmarks.
"""

import argparse
import json
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from formats import validate_request
from peer import KeyPair, PeerClosed, PeerError, ProtocolName, Session, Settings, client_id
from peer.json_text import member_text, parse_strictly

VERSION = "python-peer"
STARTED_AT = time.monotonic()

OK = "OK"
BAD_REQUEST = "Bad request"
REFUSED_REQUEST = "Refused request"

CREATED_CONTAINER = json.dumps(
    {
        "container_uuid": "0b7f9c1e-52d4-4a86-9e3b-7d1c5f20a948",
        "client_token": "Tok3n-_" * 36 + "end",
        "container_iso_sha256": "5e" * 32,
        "container_username": "user_40961",
        "container_password": "correctHorse7",
        "container_listen_port": 2222,
    }
)


def response_text(success: bool, message: str, data: str = "{}", reason: str | None = None) -> str:
    """A response's JSON, with `data` put in to the letter."""
    if reason is not None:
        message = f"{message} (reason : {reason})"
    return f'{{"success": {"true" if success else "false"}, "message": "{message}", "data": {data}}}'


def answer(text: str) -> tuple[str, str]:
    """What to log about the request in `text`, and the response to it."""
    request: Any = parse_strictly(text)
    if not isinstance(request, dict) or not validate_request(request)[0]:
        return "malformed request", response_text(False, BAD_REQUEST, reason="malformed request")
    verb: str = request["verb"]
    match verb:
        case "STAT":
            uptime = int(time.monotonic() - STARTED_AT)
            response = response_text(True, OK, f'{{"uptime": {uptime}, "version": "{VERSION}"}}')
        case "CREATE":
            response = response_text(True, OK, CREATED_CONTAINER)
        case "DESTROY" if "container_uuid" in request["parameters"]:
            response = response_text(True, OK)
        case "DESTROY":
            response = response_text(False, BAD_REQUEST)
        case "ECHO":
            response = response_text(True, OK, f'{{"echo": {member_text(text, "parameters")}}}')
        case _:
            response = response_text(False, REFUSED_REQUEST, reason="unknown verb")
    return verb, response


def say(line: str) -> None:
    """One line for each event, at once."""
    print(line, flush=True)


def serve(connection: socket.socket, name: str, settings: Settings) -> None:
    """One client, from its key exchange until it leaves or breaks the protocol."""
    try:
        with Session.accept(connection, settings) as session:
            say(f"{name}: keys exchanged")
            while True:
                event, response = answer(session.receive_text())
                session.send_text(response)
                say(f"{name}: {session.protocol.value}: {event}")
    except PeerClosed:
        say(f"{name}: closed")
    except PeerError as error:
        say(f"{name}: session failed: {error}")


def arguments() -> argparse.Namespace:
    """The command line, as the C server has it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 for any free port")
    parser.add_argument("--receive-first", choices=("yes", "no"), default="yes")
    parser.add_argument("--max-message-size", type=int, default=1 << 20, metavar="BYTES")
    parser.add_argument("--timeout", type=int, default=10_000, metavar="MS")
    parser.add_argument("--private-key", type=Path, metavar="FILE.pem")
    parser.add_argument("--derives-step-11", action="store_true", help="answer AES keys as libanwdl does, not as the releases do")
    parser.add_argument("--as-released", action="store_true", help="use the sockets as the releases do")
    parser.add_argument("--threads", action="store_true", help="serve each client on a thread of its own, in place of one after another")
    parser.add_argument("--protocol", choices=[name.value for name in ProtocolName], default="auto")
    return parser.parse_args()


def main() -> None:
    """Serves clients until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    options = arguments()
    key_pair = KeyPair.from_pem(options.private_key.read_bytes()) if options.private_key else KeyPair.generate()
    settings = Settings(
        key_pair=key_pair,
        protocol=ProtocolName(options.protocol),
        client_speaks_first=options.receive_first == "yes",
        max_message_size=options.max_message_size,
        timeout=options.timeout / 1000,
        derives_step_11=options.derives_step_11,
        as_released=options.as_released,
    )
    with socket.create_server(("127.0.0.1", options.port), backlog=socket.SOMAXCONN) as listener:
        say(f"listening on 127.0.0.1:{listener.getsockname()[1]}")
        while True:
            connection, (ip, _) = listener.accept()
            client = (connection, f"client {client_id(ip)}", settings)
            if options.threads:
                threading.Thread(target=serve, args=client, daemon=True).start()
            else:
                serve(*client)


if __name__ == "__main__":
    main()
