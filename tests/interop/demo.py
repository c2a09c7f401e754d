"""Starts a server, lets one client of each framing talk to it, and prints a short account of each session.

The exit status is 0 only if every session went as it should and the server ended as it should.
"""

import argparse
import json
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import recordings
from formats import CONTAINER_FIELDS, validate_response
from peer import KeyPair, PeerError, ProtocolName, Session, Settings, client_id, fingerprint
from peer.json_text import parse_strictly
from server_process import ServerFailed, ServerProcess

FRAMINGS = {
    ProtocolName.V2: "as the releases 2.0 and 2.1 speak",
    ProtocolName.V3: "as the release 3.1 speaks",
    ProtocolName.V4: "as the release 4.1 speaks",
    ProtocolName.GCM: "authenticated, new",
}
SECRETS = ("client_token", "container_password")
LONGEST_SHOWN = 40
LONGEST_DEMO = 120
"""Seconds."""


class WrongAnswer(Exception):
    """The server answered, but not what it should have."""


def shown(value: Any, name: str = "") -> Any:
    """`value` for a reader: long texts shortened, secrets too short to be of use."""
    if isinstance(value, dict):
        return {key: shown(member, key) for key, member in value.items()}
    if isinstance(value, str) and (name in SECRETS or len(value) > LONGEST_SHOWN):
        return f"{value[: min(6, len(value) // 3)]}… ({len(value)} characters)"
    return value


def say(*lines: str) -> None:
    """Prints at once, so that the account appears while it happens."""
    print(*lines, sep="\n", flush=True)


def ask(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Sends a request, prints it and its response, and checks the response's format."""
    say(f"  -> {json.dumps(shown(request), ensure_ascii=False)}")
    session.send_text(json.dumps(request))
    response = parse_strictly(session.receive_text())
    say(f"  <- {json.dumps(shown(response), ensure_ascii=False)}")
    if not isinstance(response, dict):
        raise WrongAnswer("the response is no JSON object")
    valid, errors = validate_response(response)
    if not valid:
        raise WrongAnswer(f"the response does not fit the format: {errors}")
    return response


def expect(response: dict[str, Any], success: bool, message: str, fields: tuple[str, ...] = ()) -> None:
    """Checks what the response says and which data it has."""
    if (response["success"], response["message"]) != (success, message):
        raise WrongAnswer(f"expected success {success} and the message {message!r}")
    if set(response["data"]) != set(fields):
        raise WrongAnswer(f"expected the data {sorted(fields)}")


def converse(session: Session) -> None:
    """One request of each kind."""
    expect(ask(session, {"verb": "STAT", "parameters": {}}), True, "OK", ("uptime", "version"))
    created = ask(session, {"verb": "CREATE", "parameters": {}})
    expect(created, True, "OK", CONTAINER_FIELDS)
    identity = {name: created["data"][name] for name in ("container_uuid", "client_token")}
    expect(ask(session, {"verb": "DESTROY", "parameters": identity}), True, "OK")
    unknown = ask(session, {"verb": "UNHEARDOF", "parameters": {}})
    expect(unknown, False, "Refused request (reason : unknown verb)")
    malformed = ask(session, {"verb": "lower case", "parameters": {}})
    expect(malformed, False, "Bad request (reason : malformed request)")


def run_client(port: int, framing: ProtocolName, server_key_pair: KeyPair | None) -> None:
    """One session from connecting to closing."""
    # A fixed key: to make one of 4096 bits for each client would be most of the demo's time.
    settings = Settings(key_pair=recordings.large_fixed_key_pair(), protocol=framing)
    connection = socket.create_connection(("127.0.0.1", port), settings.timeout)
    own_id = client_id(connection.getsockname()[0])
    with Session.connect(connection, settings) as session:
        server_fingerprint = fingerprint(session.remote_public_pem)
        say(f"client {own_id}, framing {framing.value} ({FRAMINGS[framing]})", f"  server fingerprint {server_fingerprint}")
        if server_key_pair and session.remote_public_pem != server_key_pair.public_pem:
            raise WrongAnswer("the server does not use the key that it was given")
        converse(session)
    say("")


def run(program: Path, private_key: Path | None) -> None:
    """The whole demo; raises what went wrong."""
    server_key_pair = KeyPair.from_pem(private_key.read_bytes()) if private_key else None
    options = ("--private-key", str(private_key)) if private_key else ()
    with ServerProcess(program, *options) as server:
        say(f"{program.name} listens on 127.0.0.1:{server.port}", "")
        try:
            for framing in FRAMINGS:
                run_client(server.port, framing, server_key_pair)
            status = server.stop()
            if status != 0:
                raise ServerFailed(f"the server ended with status {status} instead of 0")
        except Exception:
            say("", "the server printed:", server.output)
            raise
    say(f"the server ended with status 0; {len(FRAMINGS)} sessions went as they should")


def end(number: int, _frame: FrameType | None) -> None:
    """Leaves through the stack, so that the server is stopped on the way."""
    raise SystemExit(f"demo: ended by {signal.Signals(number).name}")


def main() -> None:
    """Runs the demo and makes its outcome the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", type=Path, help="the server's program")
    parser.add_argument("--private-key", type=Path, metavar="FILE.pem", help="the server's key; without it the server makes one")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGALRM, end)
    signal.alarm(LONGEST_DEMO)
    try:
        run(options.server, options.private_key)
    except (PeerError, ServerFailed, WrongAnswer, OSError, ValueError) as error:
        sys.exit(f"demo: FAILED: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted")


if __name__ == "__main__":
    main()
