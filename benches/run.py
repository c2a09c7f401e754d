#!/usr/bin/env python3
"""Measures libanwdl beside its floors and its competitors, in several rounds, and says which targets are met.

Builds nothing: `make bench` does, and calls this with where everything is. Prints a table, writes the results as JSON and draws
the plots. A target that is missed does not change the exit status; a measurement that fails does.
"""

import argparse
import fnmatch
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from catalogue import SIZES, Paths, catalogue
from comparison import Row, competitors, size, targets
from comparison import time as shown_time
from measurement import Results, machine
from page import write_page
from plots import draw_all

FEWEST_ROUNDS = 3


def say(text: str = "") -> None:
    """At once, so that whoever waits sees how far it is."""
    print(text, flush=True)


def write_documents(paths: Paths) -> None:
    """The JSON documents that the large messages carry, by the one generator."""
    paths.work.mkdir(parents=True, exist_ok=True)
    for bytes_wanted in SIZES.values():
        document = subprocess.run(
            [str(paths.bare), "document", "--size", str(bytes_wanted)], check=True, stdout=subprocess.PIPE
        ).stdout
        paths.document(bytes_wanted).write_bytes(document)


def run_rounds(paths: Paths, options: argparse.Namespace) -> tuple[Results, int]:
    """All measurements in turn, so that whatever drifts hits all alike. Fewer rounds if the time does not suffice for more."""
    results = Results()
    wanted = [entry for entry in catalogue(paths) if any(fnmatch.fnmatch(entry.name, only) for only in options.only or ["*"])]
    if not wanted:
        raise SystemExit("run.py: no measurement has such a name")
    started = time.monotonic()
    longest = 0.0
    for number in range(options.rounds):
        round_started = time.monotonic()
        if number >= min(FEWEST_ROUNDS, options.rounds) and round_started - started + longest > options.budget:
            say(f"no time for more rounds within {options.budget:.0f} s")
            return results, number
        for measurement in wanted:
            results.run(measurement, first_round=number == 0)
        took = time.monotonic() - round_started
        # The first round also runs what is run only once.
        longest = took if number == 1 else max(longest, took)
        say(f"round {number + 1} of {options.rounds}: {took:.0f} s")
    return results, options.rounds


def library_sizes(library: Path) -> dict[str, int]:
    """Bytes of the shared library as it was built, and without its symbols."""
    with tempfile.TemporaryDirectory() as folder:
        stripped = Path(folder) / "stripped.so"
        subprocess.run(["strip", "-o", str(stripped), str(library)], check=True)
        return {"as_built_bytes": library.stat().st_size, "stripped_bytes": stripped.stat().st_size}


def verdict(row: Row) -> tuple[str, str]:
    """The target, and whether it is met."""
    if row.limit is None:
        return "", ""
    return f"{'>=' if row.at_least else '<='} {row.limit:g}", ("met" if row.met else "MISSED")


def print_table(title: str, rows: list[Row]) -> None:
    """In columns as wide as they have to be."""
    if not rows:
        return
    header = (title, "measured", "against", "", "ratio", "spread", "target", "", "")
    lines = [header]
    for row in rows:
        lines.append(
            (row.title, row.measured, row.reference, row.reference_title, row.ratio_text, f"{row.least:.2f}..{row.most:.2f}")
            + verdict(row)
            + (row.note,)
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    say()
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_facts(results: Results, facts: dict[str, Any]) -> None:
    """What has a size or a time, but nothing to be compared with."""
    say()
    for operation in ("private", "public"):
        for library in ("aws-lc", "rsa-crate"):
            if series := results.series(f"rsa/{library}/{operation}", "cpu_ns"):
                say(f"RSA-4096 {operation}, {library}: {shown_time(statistics.median(series))}")
    for value, title in (("dlopen_ns", "loading the library"), ("key_ready_ns", "loading it and reading a key")):
        if series := results.series("start", value):
            say(f"{title}: {shown_time(statistics.median(series))}")
    for name, title in (("as_built_bytes", "libanwdl.so as built"), ("stripped_bytes", "libanwdl.so stripped")):
        say(f"{title}: {size(facts[name])}")
    if "build_seconds" in facts:
        say(f"first build of the release library: {facts['build_seconds']:.0f} s")


def write_results(path: Path, results: Results, rounds: int, facts: dict[str, Any], tables: dict[str, list[Row]]) -> None:
    """Everything, raw values included."""
    content = {
        "machine": machine(),
        "rounds": rounds,
        "facts": facts,
        **{name: [{**asdict(row), "met": row.met} for row in rows] for name, rows in tables.items()},
        "not_allowed": results.not_allowed,
        "failed": results.failed,
        "raw": results.raw,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bare", type=Path, required=True, help="the program of benches/bare")
    parser.add_argument("--sessions", type=Path, required=True, help="the folder of the programs of benches/sessions")
    parser.add_argument("--library", type=Path, required=True, help="libanwdl.so")
    parser.add_argument("--servers", type=Path, required=True, help="the folder of the servers of examples-c")
    parser.add_argument("--peer-python", type=Path, required=True, help="a Python with the packages of tests/interop")
    parser.add_argument("--results", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--plots", type=Path, required=True, help="the folder for the plots")
    parser.add_argument("--write-page", action="store_true", help="write the figures into docs/performance.md, too")
    parser.add_argument("--build-seconds", type=Path, help="a file with how long the library's first build took")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=300, metavar="SECONDS", help="no round is begun that would end later")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="measures what has such a name, as in request/*")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds is less than 1")
    return options


def main() -> int:
    """The exit status."""
    options = arguments()
    paths = Paths(
        source=Path(__file__).resolve().parent.parent,
        bare=options.bare,
        sessions=options.sessions,
        library=options.library,
        servers=options.servers,
        # Not resolved: the interpreter of a virtual environment is a link whose place matters.
        peer_python=options.peer_python,
        work=options.results.parent,
    )
    write_documents(paths)
    results, rounds = run_rounds(paths, options)
    facts: dict[str, Any] = library_sizes(options.library)
    if options.build_seconds and options.build_seconds.exists():
        facts["build_seconds"] = float(options.build_seconds.read_text(encoding="utf-8"))
    tables = {"targets": targets(results), "competitors": competitors(results)}
    print_table("TARGETS", tables["targets"])
    print_table("COMPETITORS", tables["competitors"])
    print_facts(results, facts)
    drawn = draw_all(results, options.plots)
    write_results(options.results, results, rounds, facts, tables)
    if options.write_page:
        write_page(paths.source / "docs" / "performance.md", results, rounds, facts, tables)
    say(f"\n{options.results}")
    for path in drawn:
        say(str(path))
    for name, reason in results.not_allowed.items():
        say(f"not measured, the machine's limits do not allow it: {name}: {reason}")
    for name, reason in results.failed.items():
        say(f"FAILED: {name}: {reason}")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
