"""Joins measurements into the rows of the table: the targets, and what stands beside them."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import python_package
from catalogue import (
    BASE_SESSIONS,
    DIRECTIONS,
    EXCHANGED_FRAMINGS,
    FRAMINGS,
    KEY_SIZES,
    LARGE_FRAMINGS,
    ORDERS,
    PARALLEL,
    RELEASED,
    SESSIONS,
    SIZES,
    TARGET_SESSIONS,
)
from measurement import Results

Series = list[float]
Format = Callable[[float], str]

EXCHANGE_LIMIT = 1.05
GCM_EXCHANGE_LIMIT = 1.08
WALL_LIMIT = 1.3
REQUEST_LIMITS = {"v2": 1.25, "v3": 1.25, "v4": 1.25, "gcm": 1.0}
LARGE_LIMIT = 0.7
MEMORY_LIMIT = 3.0
HEAP_LIMIT = 2048.0
GROWTH_LIMIT = 1.1
PARALLEL_LIMIT = 1.9


@dataclass(frozen=True)
class Row:
    """One line of the table. The ratio is taken round by round: `ratio` is the median, the other two are the spread."""

    title: str
    measured: str
    reference: str
    reference_title: str
    ratio: float
    least: float
    most: float
    limit: float | None = None
    at_least: bool = False
    note: str = ""
    """Whether the verdict cannot stand by itself: the table says below why."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.limit is None:
            return None
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


def time(nanoseconds: float) -> str:
    """In the unit that suits it."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}" if nanoseconds < 1000 * size else f"{nanoseconds / size:.0f} {unit}"
    return f"{nanoseconds:.0f} ns"


def size(number: float) -> str:
    """Bytes in the unit that suits them."""
    for unit, bytes_of_unit in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= bytes_of_unit:
            return f"{number / bytes_of_unit:.2f} {unit}"
    return f"{number:.0f} B"


def rate(number: float) -> str:
    """Operations per second."""
    return f"{number:,.0f}/s"


def paired(numerators: Series, denominators: Series) -> Series:
    """The ratio of each round. What was measured in the first round only is compared with that round."""
    return [above / below for above, below in zip(numerators, denominators, strict=False)]


def slower(first: Series, second: Series) -> Series:
    """The longer time of each round."""
    return [max(both) for both in zip(first, second, strict=True)]


def added(*all_series: Series) -> Series:
    """The sum of each round."""
    return [sum(values) for values in zip(*all_series, strict=False)]


class Table:
    """Collects the rows for which everything was measured."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self.rows: list[Row] = []

    def series(self, name: str, value: str) -> Series:
        """Round by round; empty where it was not measured."""
        return self._results.series(name, value)

    def add(
        self,
        title: str,
        measured: Series,
        reference_title: str,
        reference: Series,
        *,
        shown_as: Format = time,
        limit: float | None = None,
        at_least: bool = False,
        inverse: bool = False,
        note: str = "",
    ) -> None:
        """A row, unless something of it is missing.

        `inverse` divides the reference by what was measured: that compares speeds where times were measured.
        """
        if not measured or not reference:
            return
        ratios = paired(reference, measured) if inverse else paired(measured, reference)
        self.rows.append(
            Row(
                title,
                shown_as(statistics.median(measured)),
                shown_as(statistics.median(reference)),
                reference_title,
                statistics.median(ratios),
                min(ratios),
                max(ratios),
                limit,
                at_least,
                note,
            )
        )


def growth(above: Series, below: Series, title: str) -> str:
    """A note with the ratio of two series."""
    ratios = paired(above, below)
    return f"{title} {statistics.median(ratios):.2f}" if ratios else ""


def targets(results: Results) -> list[Row]:
    """A row for each target."""
    table = Table(results)
    _exchange(table)
    _requests(table)
    _large_messages(table)
    _many_sessions(table)
    _parallel(table)
    return table.rows


def _exchange(table: Table) -> None:
    private = table.series("rsa/aws-lc/private", "cpu_ns")
    cpu = table.series("exchange/v4", "server_cpu_ns")
    table.add("key exchange, server CPU", cpu, "bare aws-lc private", private, limit=EXCHANGE_LIMIT)
    for bits in KEY_SIZES:
        title = f"key exchange for gcm{bits.replace('/', ', RSA-')}, server CPU"
        v4, gcm = (table.series(f"exchange/{framing}{bits}", "server_cpu_ns") for framing in EXCHANGED_FRAMINGS)
        rsa = added(*(table.series(f"rsa/aws-lc/{operation}{bits}", "cpu_ns") for operation in ("private", "public")))
        # The target is set for the keys that the peers make by themselves, which have 4096 bits.
        limit = None if bits else GCM_EXCHANGE_LIMIT
        table.add(title, gcm, "its bare RSA operations", rsa, limit=limit)
        table.add(title, gcm, "those and its ephemeral ones", added(rsa, table.series("ephemeral", "cpu_ns")))
        table.add(title, gcm, "that for v4", v4)
    _wall_time(table, "key exchange, wall time, real peers", "peers/libanwdl/exchange")
    for what, title in zip(RELEASED, ("key exchange", "key exchange and first request"), strict=True):
        for order in ORDERS:
            _wall_time(table, f"{title}, wall time, client as released, {order} first", f"released/{what}/{order}-first")


def _wall_time(table: Table, title: str, name: str) -> None:
    server, client, wall = (table.series(name, f"{of}_ns") for of in ("server_cpu", "client_cpu", "wall"))
    both = [sum(pair) for pair in zip(server, client, strict=True)]
    table.add(title, wall, "CPU of both sides", both, limit=WALL_LIMIT)


def _requests(table: Table) -> None:
    for framing in FRAMINGS:
        cpu = table.series(f"request/{framing}", "server_cpu_ns")
        # The target of gcm is the six calls of the others; its own floor needs three, and opens and seals.
        floor_of = "v4" if framing == "gcm" else framing
        floor = table.series(f"request/{floor_of}/floor", "server_cpu_ns")
        table.add(f"request, {framing}, server CPU", cpu, "bare six calls", floor, limit=REQUEST_LIMITS[framing])
    gcm, own_floor = (table.series(f"request/gcm{of}", "server_cpu_ns") for of in ("", "/floor"))
    table.add("request, gcm, server CPU", gcm, "its bare calls and AES-GCM of OpenSSL", own_floor)


def _large_messages(table: Table) -> None:
    for framing, mode in LARGE_FRAMINGS.items():
        for direction, operation in DIRECTIONS.items():
            for label in SIZES:
                name = f"large/{framing}/{direction}/{label}"
                cpu = table.series(name, "server_cpu_ns")
                aes = table.series(f"aes/{mode}-{operation}/{label}", "cpu_ns")
                value, ignored = (table.series(f"json/{into}/{label}", "cpu_ns") for into in ("value", "ignored"))
                if not (aes and value and ignored):
                    continue
                floor = slower(aes, value)
                json_is_slower = statistics.median(value) > statistics.median(aes)
                slower_title = "bare JSON value" if json_is_slower else "bare AES"
                strict = growth(slower(aes, ignored), cpu, "JSON only checked:")
                title = f"{direction} of {label}, {framing}, speed"
                table.add(
                    title,
                    cpu,
                    slower_title,
                    floor,
                    limit=LARGE_LIMIT,
                    at_least=True,
                    inverse=True,
                    note=strict,
                )
    for framing in LARGE_FRAMINGS:
        for direction in DIRECTIONS:
            for label in SIZES:
                name = f"large/{framing}/{direction}/{label}/memory"
                peak, message = (table.series(name, f"{of}_bytes") for of in ("peak_heap", "message"))
                title = f"{direction} of {label}, {framing}, peak heap"
                table.add(title, peak, "the message", message, shown_as=size, limit=MEMORY_LIMIT)


def _many_sessions(table: Table) -> None:
    exchanged = [(f"exchanged/{framing}", f"{framing}, after a key exchange") for framing in EXCHANGED_FRAMINGS]
    for name, title in (*exchanged, (str(TARGET_SESSIONS), f"of {TARGET_SESSIONS:,}, preset key")):
        heap = table.series(f"many/{name}", "heap_bytes_per_session")
        limit = [HEAP_LIMIT] * len(heap)
        table.add(f"heap of an idle session, {title}", heap, "2 KiB", limit, shown_as=size, limit=1.0)
    base, base_floor = (table.series(f"many/{BASE_SESSIONS}{of}", "server_cpu_ns") for of in ("", "/floor"))
    for sessions in SESSIONS:
        if sessions == BASE_SESSIONS:
            continue
        cpu, floor = (table.series(f"many/{sessions}{of}", "server_cpu_ns") for of in ("", "/floor"))
        limit_here = GROWTH_LIMIT if sessions == TARGET_SESSIONS else None
        note = growth(floor, base_floor, "bare calls:")
        title = f"request with {sessions:,} sessions"
        table.add(title, cpu, f"with {BASE_SESSIONS}", base, limit=limit_here, note=note)


def _parallel(table: Table) -> None:
    for what in PARALLEL:
        one, two = (table.series(f"parallel/{what}/{threads}", "operations_per_second") for threads in (1, 2))
        is_floor = what.startswith("floor-")
        title = f"{what.replace('floor-', 'bare ')}, 2 threads"
        limit = None if is_floor else PARALLEL_LIMIT
        table.add(title, two, "1 thread", one, shown_as=rate, limit=limit, at_least=True)


def competitors(results: Results) -> list[Row]:
    """What others take for the same, as a multiple of what stands beside it."""
    table = Table(results)
    aws_lc = {operation: table.series(f"rsa/aws-lc/{operation}", "cpu_ns") for operation in ("private", "public")}
    for operation, floor in aws_lc.items():
        crate = table.series(f"rsa/rsa-crate/{operation}", "cpu_ns")
        table.add(f"RSA-4096 {operation}, rsa crate", crate, "aws-lc-rs", floor)
        table.add(f"RSA-4096 {operation}, OpenSSL", table.series("openssl", f"{operation}_ns"), "aws-lc-rs", floor)
    label = "1 MiB"
    for operation in ("cbc-encrypt", "cbc-decrypt", "gcm-encrypt", "gcm-decrypt"):
        bare, aws = (table.series(f"aes/{of}{operation}/{label}", "cpu_ns") for of in ("", "aws-lc/"))
        table.add(f"AES-256 {operation} of {label}, aes crates", bare, "aws-lc-rs", aws)
    server_cpu = "server_cpu_ns"
    for what in ("exchange", *(f"request/{framing}" for framing in FRAMINGS)):
        python, own = (table.series(f"peers/{server}/{what}", server_cpu) for server in ("python", "libanwdl"))
        table.add(f"{what.replace('/', ', ')}, Python server", python, "C server on libanwdl", own)
    python_package.add_rows(table)
    return table.rows
