#!/usr/bin/env python3
"""Drives a server with the independent Python client of `tests/interop/` and prints what both sides took, as one line of JSON.

The server is a process of its own, so that the kernel's account of its processor time holds nothing else. `run.py` calls this
under the Python environment of `tests/interop/`, with that folder in PYTHONPATH.
"""

import argparse
import fcntl
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from peer import KeyPair, ProtocolName, Session, Settings

READY = re.compile(r"listening on 127\.0\.0\.1:([0-9]+)")
PIPE_SIZE = 1 << 20
"""Bytes. Nobody reads what the server prints later on, so that no reader takes part in the measurement; it has to fit in here."""
LINES_PER_OPERATION = 4
LONGEST_LINE = 100
WARM_UP = 3
SETTLE_TIMEOUT = 10.0


class ServerFailed(Exception):
    """The server did not start, or did not come to rest."""


@contextmanager
def running_server(program: Path, key: Path, speaks_first: bool) -> Iterator[tuple[int, int]]:
    """Runs a server that listens on a free port; gives its process and its port."""
    interpreter = [sys.executable] if program.suffix == ".py" else []
    command = [*interpreter, str(program), "--port", "0", "--private-key", str(key)]
    if speaks_first:
        command += ["--receive-first", "no"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stdout
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
            line = process.stdout.readline().rstrip("\n")
            ready = READY.fullmatch(line)
            if not ready:
                raise ServerFailed(f"{program} did not say where it listens, but {line!r}")
            yield process.pid, int(ready[1])
        finally:
            process.kill()


def cpu_when_settled(pid: int) -> int:
    """Nanoseconds of processor time that a process has used once it waits for its client.

    Its last work is then done, and its account is exact: the kernel brings it up to date when a thread stops running.
    """
    deadline = time.monotonic() + SETTLE_TIMEOUT
    while time.monotonic() < deadline:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        if state == "S":
            tasks = Path(f"/proc/{pid}/task").iterdir()
            return sum(int((task / "schedstat").read_text(encoding="utf-8").split()[0]) for task in tasks)
        os.sched_yield()
    raise ServerFailed(f"the server still works {SETTLE_TIMEOUT:.0f} seconds after its last answer")


def measured(pid: int, count: int, operation: Callable[[], None]) -> dict[str, int]:
    """Nanoseconds per operation: the server's processor, this client's processor, and the wall clock's."""
    for _ in range(WARM_UP):
        operation()
    server_cpu = cpu_when_settled(pid)
    client_cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    for _ in range(count):
        operation()
    client_cpu, wall = time.process_time_ns() - client_cpu, time.perf_counter_ns() - wall
    server_cpu = cpu_when_settled(pid) - server_cpu
    return {
        "count": count,
        "server_cpu_ns": server_cpu // count,
        "client_cpu_ns": client_cpu // count,
        "wall_ns": wall // count,
    }


def stay_on_one_processor() -> None:
    """Keeps this process, and the server that it will start, on one processor.

    To wake a thread on another one costs the sender several times as much as everything else that a request needs, and whether it
    happens is the scheduler's choice. Nothing is lost: the two take turns.
    """
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def connect(port: int, settings: Settings) -> Session:
    """A new session, keys exchanged."""
    return Session.connect(socket.create_connection(("127.0.0.1", port), settings.timeout), settings)


def measure_exchanges(pid: int, port: int, count: int, settings: Settings) -> dict[str, int]:
    """A new connection and a key exchange each time."""
    return measured(pid, count, lambda: connect(port, settings).close())


def ask(session: Session) -> None:
    """One STAT."""
    if session.request("STAT", {}).get("success") is not True:
        raise ServerFailed("STAT was not answered with success")


def measure_first_requests(pid: int, port: int, count: int, settings: Settings) -> dict[str, int]:
    """A new connection, a key exchange and one STAT each time."""

    def begin() -> None:
        with connect(port, settings) as session:
            ask(session)

    return measured(pid, count, begin)


def measure_requests(pid: int, port: int, count: int, settings: Settings) -> dict[str, int]:
    """STAT, again and again in one session."""
    with connect(port, settings) as session:
        return measured(pid, count, lambda: ask(session))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("exchange", "first-request", "request"))
    parser.add_argument("--server", type=Path, required=True, help="anwdl_server or python_server.py")
    parser.add_argument("--protocol", choices=("v2", "v3", "v4", "gcm"), default="v4")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--keys", type=Path, required=True, help="the folder of server.pem and client.pem")
    parser.add_argument("--server-first", action="store_true", help="the server speaks first")
    parser.add_argument("--as-released", action="store_true", help="the client uses its socket as the Python releases do")
    options = parser.parse_args()
    most = PIPE_SIZE // (LINES_PER_OPERATION * LONGEST_LINE)
    if not 0 < options.count <= most:
        parser.error(f"--count is not 1 to {most}")
    return options


def main() -> None:
    """One line of JSON."""
    options = arguments()
    settings = Settings(
        key_pair=KeyPair.from_pem((options.keys / "client.pem").read_bytes()),
        protocol=ProtocolName(options.protocol),
        client_speaks_first=not options.server_first,
        as_released=options.as_released,
    )
    measures = {"exchange": measure_exchanges, "first-request": measure_first_requests, "request": measure_requests}
    if options.what == "request":
        stay_on_one_processor()
    measure = measures[options.what]
    with running_server(options.server, options.keys / "server.pem", options.server_first) as (pid, port):
        print(json.dumps(measure(pid, port, options.count, settings)))


if __name__ == "__main__":
    main()
