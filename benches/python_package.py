"""The example servers of the Python package beside the Python server, each driven by the same client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from measurement import Measurement

if TYPE_CHECKING:
    from catalogue import Paths
    from comparison import Table

SERVERS = {"server": "Python package, threads", "asyncio_server": "Python package, asyncio"}
MEASURED = (("exchange", "v4", 25), ("request", "v4", 300), ("request", "gcm", 300))
"""What, in which framing, and how often."""


def measurements(paths: Paths, real_peers: Callable[[Paths, str, str, str, int], Measurement]) -> Iterator[Measurement]:
    """None, where `make python` has not made the environment of the package."""
    interpreter = paths.work.parent / "python" / "venv" / "bin" / "python"
    if not interpreter.exists():
        return
    for server in SERVERS:
        for what, framing, count in MEASURED:
            of_python = real_peers(paths, "python", what, framing, count)
            program = paths.source / "bindings" / "python" / "examples" / f"{server}.py"
            command = [str(interpreter), *of_python.command[1:]]
            command[command.index("--server") + 1] = str(program)
            yield replace(of_python, name=of_python.name.replace("/python/", f"/{server}/"), command=command)


def add_rows(table: Table) -> None:
    """Each as a part of what the Python server takes."""
    for what, framing, _ in MEASURED:
        operation = what if what == "exchange" else f"{what}/{framing}"
        python = table.series(f"peers/python/{operation}", "server_cpu_ns")
        for server, title in SERVERS.items():
            own = table.series(f"peers/{server}/{operation}", "server_cpu_ns")
            table.add(f"{operation.replace('/', ', ')}, {title}", own, "Python server", python)
