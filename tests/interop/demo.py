"""Starts a server, lets one client of each framing talk to it, and prints a short account of each session.

With `--client`, the C client then talks to the server too: gcm, with the server's fingerprint pinned, and with a wrong one.

The exit status is 0 only if every session went as it should and the server ended as it should.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import FrameType
from typing import Any

import recordings
from formats import CONTAINER_FIELDS, validate_response
from peer import KeyPair, PeerError, ProtocolName, Session, Settings, client_id, fingerprint
from peer.json_text import parse_strictly
from server_process import PATIENCE, ServerFailed, ServerProcess

FRAMINGS = {
    ProtocolName.V2: "as the releases 2.0 and 2.1 speak",
    ProtocolName.V3: "as the release 3.1 speaks",
    ProtocolName.V4: "as the release 4.1 speaks",
    ProtocolName.GCM: "authenticated, new",
}
SECRETS = ("client_token", "container_password")
LONGEST_SHOWN = 40
LONGEST_DEMO = 120 * PATIENCE
"""Seconds."""
C_CLIENT_FAILED = 3
"""The exit status of the C client when there is no session."""


class WrongAnswer(Exception):
    """The server answered, but not what it should have."""


class ClientFailed(Exception):
    """The C client did something else than it should have."""


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


def run_client(port: int, framing: ProtocolName, server_key_pair: KeyPair | None) -> str:
    """One session from connecting to closing; gives the server's fingerprint."""
    # A fixed key: to make one of 4096 bits for each client would be most of the demo's time.
    settings = Settings(key_pair=recordings.large_fixed_key_pair(), protocol=framing, timeout=10.0 * PATIENCE)
    connection = socket.create_connection(("127.0.0.1", port), settings.timeout)
    own_id = client_id(connection.getsockname()[0])
    with Session.connect(connection, settings) as session:
        server_fingerprint = fingerprint(session.remote_public_pem)
        say(f"client {own_id}, framing {framing.value} ({FRAMINGS[framing]})", f"  server fingerprint {server_fingerprint}")
        if server_key_pair and session.remote_public_pem != server_key_pair.public_pem:
            raise WrongAnswer("the server does not use the key that it was given")
        converse(session)
    say("")
    return server_fingerprint


def call_c_client(client: Path, options: list[str], requests: str) -> subprocess.CompletedProcess[str]:
    """One run of the C client, which takes its requests from standard input; prints how it is called."""
    say(f"  $ {' '.join([client.name, *options])}")
    return subprocess.run([client, *options], input=requests, capture_output=True, text=True, timeout=LONGEST_DEMO, check=False)


def run_pinned_c_client(client: Path, options: list[str], server_fingerprint: str) -> None:
    """Two requests to the server that has the fingerprint."""
    verbs = ("STAT", "CREATE")
    ended = call_c_client(client, ["--fingerprint", server_fingerprint, *options], "\n".join(verbs))
    say(*(f"  ! {line}" for line in ended.stderr.splitlines()))
    if ended.returncode != 0:
        raise ClientFailed(f"its exit status is {ended.returncode} instead of 0")
    responses = [parse_strictly(line) for line in ended.stdout.splitlines()]
    for verb, response in zip(verbs, responses, strict=True):
        say(f"  {verb}: {json.dumps(shown(response), ensure_ascii=False)}")
        valid, errors = validate_response(response)
        if not valid:
            raise WrongAnswer(f"the response does not fit the format: {errors}")
    expect(responses[0], True, "OK", ("uptime", "version"))
    expect(responses[1], True, "OK", CONTAINER_FIELDS)


def run_misled_c_client(client: Path, options: list[str], wrong_fingerprint: str) -> None:
    """The server is not the one that was meant: the client must tell it nothing."""
    ended = call_c_client(client, ["--fingerprint", wrong_fingerprint, *options], "CREATE")
    say(*(f"  ! {line}" for line in ended.stderr.splitlines()))
    if ended.returncode != C_CLIENT_FAILED or "FINGERPRINT_MISMATCH" not in ended.stderr or ended.stdout:
        raise ClientFailed(f"its exit status is {ended.returncode}; it should have refused the server's key")


def run_c_client(client: Path, port: int, server_fingerprint: str) -> None:
    """The C client with the right fingerprint and with a wrong one."""
    say(f"the C client, framing gcm ({FRAMINGS[ProtocolName.GCM]})")
    with NamedTemporaryFile(suffix=".pem") as private_key:
        private_key.write(recordings.large_fixed_key_pair().private_pem)
        private_key.flush()
        options = ["--protocol", "gcm", "--port", str(port), "--private-key", private_key.name, "--json", "127.0.0.1", "-"]
        run_pinned_c_client(client, options, server_fingerprint)
        run_misled_c_client(client, options, fingerprint(recordings.large_fixed_key_pair().public_pem))
    say("")


def run(program: Path, private_key: Path | None, c_client: Path | None) -> None:
    """The whole demo; raises what went wrong."""
    server_key_pair = KeyPair.from_pem(private_key.read_bytes()) if private_key else None
    options = ("--private-key", str(private_key)) if private_key else ()
    with ServerProcess(program, *options) as server:
        say(f"{program.name} listens on 127.0.0.1:{server.port}", "")
        try:
            fingerprints = {run_client(server.port, framing, server_key_pair) for framing in FRAMINGS}
            if len(fingerprints) != 1:
                raise WrongAnswer(f"the server has several keys: {sorted(fingerprints)}")
            if c_client:
                run_c_client(c_client, server.port, fingerprints.pop())
            status = server.stop()
            if status != 0:
                raise ServerFailed(f"the server ended with status {status} instead of 0")
        except Exception:
            say("", "the server printed:", server.output)
            raise
    count = len(FRAMINGS) + (1 if c_client else 0)
    say(f"the server ended with status 0; {count} sessions went as they should")


def end(number: int, _frame: FrameType | None) -> None:
    """Leaves through the stack, so that the server is stopped on the way."""
    raise SystemExit(f"demo: ended by {signal.Signals(number).name}")


def main() -> None:
    """Runs the demo and makes its outcome the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", type=Path, help="the server's program")
    parser.add_argument("--private-key", type=Path, metavar="FILE.pem", help="the server's key; without it the server makes one")
    parser.add_argument("--client", type=Path, help="the C client's program; without it the C client is left out")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGALRM, end)
    signal.alarm(LONGEST_DEMO)
    try:
        run(options.server, options.private_key, options.client)
    except (PeerError, ClientFailed, ServerFailed, WrongAnswer, OSError, ValueError, subprocess.TimeoutExpired) as error:
        sys.exit(f"demo: FAILED: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted")


if __name__ == "__main__":
    main()
