"""What a measurement is, how it is run, and where its results are kept."""

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT = 120.0
"""Seconds for one run of one measurement; the longest takes a few on a slow machine."""
NOT_ALLOWED = 77
"""The exit status of a program that the limits of the machine do not allow to run."""

Values = dict[str, Any]


class MeasurementFailed(Exception):
    """A program failed, or did not print what it should."""


class NotAllowed(Exception):
    """The machine's limits leave no room for this measurement."""


def last_line_of_json(output: str) -> Values:
    """The result of the programs that are written for this."""
    try:
        values = json.loads(output)
    except ValueError as error:
        raise MeasurementFailed(f"it printed no line of JSON: {output!r}") from error
    if not isinstance(values, dict):
        raise MeasurementFailed(f"it printed no JSON object: {output!r}")
    return values


def openssl_speed(output: str) -> Values:
    """What `openssl speed -mr rsa4096` prints: seconds per operation, or operations per second, by version."""
    found = re.search(r"^\+F2:\d+:4096:([0-9.eE+-]+):([0-9.eE+-]+)", output, re.MULTILINE)
    if not found:
        raise MeasurementFailed(f"it printed no line +F2 for 4096 bits: {output!r}")
    seconds = [1 / number if number > 1 else number for number in map(float, found.groups())]
    return {"private_ns": round(seconds[0] * 1e9), "public_ns": round(seconds[1] * 1e9)}


@dataclass(frozen=True)
class Measurement:
    """A program that is run once in every round, or in the first round only where chance has no part in the result."""

    name: str
    command: list[str]
    only_once: bool = False
    read: Callable[[str], Values] = last_line_of_json
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> Values:
        """Raises MeasurementFailed or NotAllowed."""
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as messages:
            try:
                status, output = self._run(messages.fileno())
            except OSError as error:
                raise MeasurementFailed(str(error)) from error
            messages.seek(0)
            said = messages.read().strip()
        if status == NOT_ALLOWED:
            raise NotAllowed(said or "the machine's limits")
        if status != 0:
            raise MeasurementFailed(f"exit status {status}: {said}")
        return self.read(output)

    def _run(self, messages: int) -> tuple[int, str]:
        # A session of its own, so that what it started ends with it when it hangs.
        with subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            encoding="utf-8",
            env={**os.environ, **self.environment},
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=TIMEOUT)
            except subprocess.TimeoutExpired as error:
                os.killpg(process.pid, signal.SIGKILL)
                raise MeasurementFailed(f"it did not end within {TIMEOUT:.0f} seconds") from error
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode, output


@dataclass
class Results:
    """All raw values: for each measurement, one entry for each round in which it ran."""

    raw: dict[str, list[Values]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    not_allowed: dict[str, str] = field(default_factory=dict)

    def run(self, measurement: Measurement, first_round: bool) -> None:
        """Runs a measurement, unless it has failed before or is not to be repeated."""
        name = measurement.name
        if name in self.failed or name in self.not_allowed or (measurement.only_once and not first_round):
            return
        try:
            values = measurement.run()
        except MeasurementFailed as error:
            self.failed[name] = str(error)
        except NotAllowed as reason:
            self.not_allowed[name] = str(reason)
        else:
            self.raw.setdefault(name, []).append(values)

    def series(self, name: str, value: str) -> list[float]:
        """One value of a measurement, round by round; empty if it was not measured, which a missing value is as well."""
        rounds = [] if name in self.failed else self.raw.get(name, [])
        try:
            return [float(values[value]) for values in rounds]
        except (KeyError, TypeError, ValueError) as error:
            self.failed[name] = f"it printed no number {value!r}: {error!r}: {rounds[0]}"
            return []


def machine() -> Values:
    """What a reader has to know of where this ran."""
    names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    system = os.uname()
    return {"processor": names[0] if names else system.machine, "processors": os.cpu_count(), "kernel": system.release}
