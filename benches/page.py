"""Writes the figures of one run into `docs/performance.md`, between the marks that the page has for them.

Nothing else of the page is touched, so that its text must not repeat what is measured here.
"""

import re
import statistics
from pathlib import Path
from typing import Any

from comparison import Row, size
from comparison import time as shown_time
from measurement import Results, machine

REASONS = (
    ("wall time", "It waits for something: on a busy machine for a processor, on a quiet one for what should not be."),
    (
        "p99 ",
        "The loop and the worker share one processor: a request waits for the scheduler to take it from the private key operation. "
        "With `SCHED_IDLE` for the worker of `epoll_server`, it was 2.2 to 4.2; but then a loop that is never idle would leave new "
        "clients hardly any time.",
    ),
    (
        "key exchange",
        "Beside the floor there are reading the peer's PEM, preparing a public key that is new each time (the note has the ratio "
        "without that), and processor caches that the peer's work has emptied between two calls.",
    ),
    ("request, v", "Encryption and decryption of header and packet, one pass over the JSON, and wiping what was secret."),
    (
        "request, gcm",
        "What TLS does not do: the JSON is checked in one pass, the text is handed over as a message of its own, and what was secret is wiped.",
    ),
    ("request with", "The memory of a session, which has left the processor's caches by the time of its next request."),
    ("heap of", "Keys, counters and buffers of an idle session."),
    (
        "exchange, 2 threads",
        "The bare rows beside it show what the machine itself gives. Threads share the reference count of the key pair and AWS-LC's pool of "
        "blinding factors, one lock for each private operation.",
    ),
    ("request, 2 threads", "The bare rows beside it show what the machine itself gives."),
    (
        "epoll_server",
        "The floor neither decrypts, checks, answers nor encrypts. TLS, which does not look at the JSON either, stands below for comparison.",
    ),
    ("uv_server", "As for `epoll_server`; and libuv reads and writes by callbacks, between which bytes are copied once more."),
)
"""Why a target is missed, by what the title of its row contains; the first that fits."""
UNKNOWN = "No reason is known."


def write_page(page: Path, results: Results, rounds: int, facts: dict[str, Any], tables: dict[str, list[Row]]) -> None:
    """Raises ValueError if a mark is missing, or marks something else."""
    blocks = {
        "run": _run(rounds),
        "targets": _table(tables["targets"]),
        "missed": _missed(tables["targets"], results),
        "competitors": _table(tables["competitors"]),
        "sizes": _sizes(results, facts),
    }
    text = page.read_text(encoding="utf-8")
    for name, block in blocks.items():
        marked = re.compile(rf"(<!-- make bench: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = marked.subn(lambda found, block=block: f"{found[1]}\n{block}\n\n{found[2]}", text)
        if count != 1:
            raise ValueError(f"{page}: there are {count} places for {name!r}")
    page.write_text(text, encoding="utf-8")


def _run(rounds: int) -> str:
    here = machine()
    return (
        f"Measured on {here['processors']} processors ({here['processor']}), Linux {here['kernel']}, {rounds} rounds. Ratios are taken round by round; "
        "the median and the spread are given."
    )


def _grouped(rows: list[Row]) -> list[list[Row]]:
    """Rows of one group stand in one line."""
    groups: list[list[Row]] = []
    for row in rows:
        if row.group and groups and groups[-1][0].group == row.group:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _line(rows: list[Row]) -> str:
    row = rows[0]
    sign = "≥" if row.at_least else "≤"
    target = f"{sign} {row.limit:g}" if row.limit is not None else ""
    met = "" if row.limit is None else "met" if all(each.met for each in rows) else "**missed**"
    if len(rows) == 1:
        ratio = f"{row.ratio_text} ({row.least:.2f} to {row.most:.2f})"
        title = f"{row.title} ({row.note})" if row.note else row.title
        cells = [title, row.measured, f"{row.reference_title}, {row.reference}", ratio, target, met]
    else:
        ratios = [each.ratio for each in rows]
        titles = " or ".join(sorted({each.reference_title for each in rows}))
        cells = [row.group, "", titles, f"{min(ratios):.2f} to {max(ratios):.2f}", target, met]
    return "| " + " | ".join(cells) + " |"


def _table(rows: list[Row]) -> str:
    return "\n".join(["| | measured | against | ratio (spread) | target | |", "|---|---|---|---|---|---|", *map(_line, _grouped(rows))])


def _reason(row: Row) -> str:
    return next((reason for part, reason in REASONS if part in row.title), UNKNOWN)


def _missed(rows: list[Row], results: Results) -> str:
    lines = []
    for row in rows:
        if row.limit is not None and not row.met:
            sign = "at least" if row.at_least else "at most"
            note = f" ({row.note})" if row.note else ""
            busy = "" if row.least > row.limit or row.most < row.limit else " The spread reaches across the target."
            lines.append(f"- **{row.title}, against {row.reference_title}**: {row.ratio_text}, {sign} {row.limit:g} wanted{note}. {_reason(row)}{busy}")
    lines += [f"- Not measured: {name}. {reason}." for name, reason in results.not_allowed.items()]
    lines += [f"- Failed: {name}." for name in results.failed]
    return "\n".join(lines) or "Nothing."


def _sizes(results: Results, facts: dict[str, Any]) -> str:
    lines = ["| | |", "|---|---|"]
    for name, title in (("as_built_bytes", "`libanwdl.so` as built, with its symbol table"), ("stripped_bytes", "`libanwdl.so` stripped")):
        lines.append(f"| {title} | {size(facts[name])} |")
    for value, title in (("dlopen_ns", "`dlopen`"), ("key_ready_ns", "`dlopen` until a private key is read and ready")):
        if series := results.series("start", value):
            lines.append(f"| {title} | {shown_time(statistics.median(series))} |")
    if "build_seconds" in facts:
        lines.append(f"| first build of the release library | {facts['build_seconds']:.0f} s |")
    return "\n".join(lines)
