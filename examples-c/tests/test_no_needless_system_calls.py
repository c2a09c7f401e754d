"""Looks with strace at the system calls of a server, test_no_needless_system_calls.c: there are those that the protocol needs, and no others.

The exit status is 77, which skips the test, where there is no strace or it may not trace.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SKIPPED = 77
LONGEST_RUN = 100
"""Seconds, fewer than CTest's own."""

SESSIONS = 4
REQUESTS = 20
"""Of each session."""

RECEIVE = "recvfrom"
SEND = "sendto"
ACKNOWLEDGE = "setsockopt"
"""At once, where the peer speaks twice in a row: one that has left Nagle's algorithm on would wait for it."""
RANDOM = "getrandom"

NEXT_IV = [RANDOM]
"""A response of v3 and v4 carries the IV of the next message."""

NEW_FRAMING = {"v2": [], "v3": [], "v4": [RECEIVE]}
"""The first 8 bytes of the first message tell the framings apart. The header of v4 is longer: the rest is received by itself."""

CREATION = ["getsockopt", "getsockopt", "getpeername", "getsockopt", "getsockopt", "setsockopt", "setsockopt", "setsockopt"]
"""Is it a stream socket, does it listen, is it connected, and to whom; its limits of time; and the low-water mark at 1, Nagle's
algorithm off, and a cork pulled."""

FLIGHTS = [
    RECEIVE,  # the length of the peer's public key
    SEND,  # the answer
    RECEIVE,  # the key
    SEND,  # the answer, with the length of this side's
    RECEIVE,  # the answer
    SEND,  # the key
    RECEIVE,  # the answer
    ACKNOWLEDGE,
    RECEIVE,  # the peer's secret
    SEND,  # the answer, with this side's secret
    RECEIVE,  # the answer
    ACKNOWLEDGE,  # the first request follows
]
"""A key exchange, the peer speaking first. Nothing is received beyond what a step needs."""

SECRET = FLIGHTS.index(ACKNOWLEDGE) + 1
GCM_FLIGHTS = [*FLIGHTS[:SECRET], RECEIVE, *FLIGHTS[SECRET:]]
"""Only what RSA protects of the peer's secret tells that an ephemeral key stands in clear behind it."""

WAITING = re.compile(r"accept4?|fcntl|ioctl|p?poll|_?newselect|p?select6?|epoll_.*|clock_gettime|nanosleep")
"""What a library that is given a connected socket and no timeout never needs, not even the first time."""

Operation = tuple[str, list[str]]


class Unexpected(Exception):
    """The server made other calls than it should."""


def find_strace() -> str:
    """strace, if it is there and may trace."""
    strace = shutil.which("strace")
    if strace is None:
        print("skipped: strace is missing")
        sys.exit(SKIPPED)
    attempt = subprocess.run([strace, "-o", "/dev/null", sys.executable, "-c", ""], capture_output=True, text=True)
    if attempt.returncode != 0:
        print(f"skipped: strace may not trace here: {attempt.stderr.strip()}")
        sys.exit(SKIPPED)
    return strace


def trace(strace: str, program: str, framing: str) -> str:
    """What strace has to say of the server's process; the peer's is not traced."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "trace"
        command = [strace, "-o", str(output), "-s", "16", program, framing, str(SESSIONS), str(REQUESTS)]
        subprocess.run(command, check=True, timeout=LONGEST_RUN)
        return output.read_text()


def operations_in(text: str) -> Iterator[Operation]:
    """The calls of each operation, which lies between two marks."""
    mark, calls = "-", []
    for line in text.splitlines():
        if found := re.match(r'write\(-1, "(.*?)", ', line):
            if mark != "-":
                yield mark, calls
            mark, calls = found.group(1), []
        elif found := re.match(r"(\w+)\(", line):
            calls.append(found.group(1))


def sessions_in(text: str) -> list[list[Operation]]:
    """The operations of each session."""
    sessions: list[list[Operation]] = []
    for operation in operations_in(text):
        if operation[0] == "create":
            sessions.append([])
        sessions[-1].append(operation)
    return sessions


def expected_session(framing: str) -> list[Operation]:
    """What each session does from the second on: the first finds a process in which nothing is set up yet."""
    if framing == "gcm":
        first = receive = [RECEIVE]  # the length, and the rest with it
        send = [SEND]
    else:
        receive = [RECEIVE, SEND, RECEIVE]  # the header, the answer, the packet
        first = [*NEW_FRAMING[framing], *receive]
        send = [*(NEXT_IV if framing != "v2" else []), SEND, RECEIVE, SEND]
    return [
        ("create", CREATION),
        ("exchange", GCM_FLIGHTS if framing == "gcm" else FLIGHTS),
        ("receive", first),
        ("send", send),
        *[("receive", receive), ("send", send)] * (REQUESTS - 1),
        ("free", ["close"]),
    ]


def without_entropy(operation: Operation) -> Operation:
    """How often RSA asks the system for entropy is up to the cryptographic library and the processor."""
    name, calls = operation
    return (name, [call for call in calls if call != RANDOM]) if name == "exchange" else operation


def check_framing(framing: str, sessions: list[list[Operation]]) -> None:
    if len(sessions) != SESSIONS:
        raise Unexpected(f"{framing}: {SESSIONS} sessions expected, {len(sessions)} found")
    for number, session in enumerate(sessions, start=1):
        for name, calls in session:
            waits = [call for call in calls if WAITING.fullmatch(call)]
            if waits:
                raise Unexpected(f"{framing}, session {number}, {name}: {', '.join(waits)}")
    expected = expected_session(framing)
    for number, session in enumerate(sessions[1:], start=2):
        if len(session) != len(expected):
            raise Unexpected(f"{framing}, session {number}: {len(expected)} operations expected, {len(session)} found")
        for at, (found, wanted) in enumerate(zip(map(without_entropy, session), expected), start=1):
            if found != wanted:
                raise Unexpected(
                    f"{framing}, session {number}, operation {at}\n  expected {' '.join([wanted[0], *wanted[1]])}\n"
                    f"  found    {' '.join([found[0], *found[1]])}"
                )


def main() -> int:
    program = sys.argv[1]
    strace = find_strace()
    failed = False
    for framing in ("v2", "v3", "v4", "gcm"):
        try:
            check_framing(framing, sessions_in(trace(strace, program, framing)))
        except Unexpected as problem:
            print(f"failed: {problem}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
