"""A server as a child process: started, known to be ready, and never left behind."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Self

READY = re.compile(r"listening on 127\.0\.0\.1:([0-9]+)")
PATIENCE = int(os.environ.get("ANWDL_PATIENCE", "1"))
"""How many times as long everything may take, as in an emulator."""
START_TIMEOUT = 60.0 * PATIENCE
"""Seconds; a server that was given no key makes one of 4096 bits before it is ready."""
STOP_TIMEOUT = 10.0 * PATIENCE


class ServerFailed(Exception):
    """The server did not start, or did not stop, as it should."""


class ServerProcess:
    """Runs `program --port 0 ...`, or what takes its port otherwise; use it with `with`, which stops the server whatever happens."""

    def __init__(self, program: Path, *options: str, port: tuple[str, ...] = ("--port", "0")) -> None:
        # A program in Python runs under this interpreter, so that it finds the same packages.
        interpreter = [sys.executable] if program.suffix == ".py" else []
        try:
            self._process = subprocess.Popen(
                [*interpreter, str(program), *port, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise ServerFailed(f"{program} cannot be run: {error}") from error
        self._lines: list[str] = []
        self._port: Queue[int | None] = Queue()
        # The output is read all the time: a server whose pipe is full would stand still.
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()
        try:
            self.port = self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What the server has printed so far."""
        return "\n".join(self._lines)

    def stop(self) -> int:
        """Asks the server to end and gives its exit status."""
        self._process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Gives the exit status of a server that has been asked to end."""
        try:
            status = self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise ServerFailed(f"the server did not end within {STOP_TIMEOUT:.0f} seconds of SIGTERM") from error
        self._close()
        return status

    def kill(self) -> None:
        """Ends the server at once if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._close()

    def _close(self) -> None:
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()

    def _read_output(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.append(line.rstrip("\n"))
            if ready := READY.fullmatch(self._lines[-1]):
                self._port.put(int(ready[1]))
        self._port.put(None)

    def _wait_until_ready(self) -> int:
        try:
            port = self._port.get(timeout=START_TIMEOUT)
        except Empty:
            port = None
        if port is None:
            raise ServerFailed(f"the server did not say where it listens; it printed:\n{self.output}")
        return port
