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
    SIDES,
    SIZES,
    TARGET_SESSIONS,
    TLS_LIBRARIES,
    WHOLE_SERVERS,
)
from measurement import Results

Series = list[float]
Format = Callable[[float], str]

EXCHANGE_LIMIT = 1.03
TLS_EXCHANGE_LIMIT = 0.6
WALL_LIMIT = 1.3
REQUEST_LIMIT = 1.1
TLS_REQUEST_LIMIT = 1.0
LARGE_LIMIT = 0.7
MEMORY_LIMIT = 3.0
HEAP_LIMIT = 2048.0
GROWTH_LIMIT = 1.05
PARALLEL_LIMIT = 1.9
ECHO_LIMIT = 0.8
STORM_LIMIT = 3.0
STORM_REACHED = 0.95
"""The part of the key exchanges asked for that has to be done for a storm to have been one."""


OWN_SERVERS = ("epoll_server/v4", "epoll_server/gcm", "uv_server/gcm")
PERCENTILES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}


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
    """What a reader of the verdict has to know."""
    group: str = ""
    """What stands for this row and others in a short table."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.limit is None:
            return None
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit

    @property
    def ratio_text(self) -> str:
        """The ratio with two decimals, or with as many more as it takes to tell a missed target from the target."""
        digits = 2
        while self.met is False and round(self.ratio, digits) == self.limit:
            digits += 1
        return f"{self.ratio:.{digits}f}"


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


def times(number: float) -> str:
    """A ratio."""
    return f"{number:.2f} ×"


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
        self.results = results
        self.rows: list[Row] = []

    def series(self, name: str, value: str) -> Series:
        """Round by round; empty where it was not measured."""
        return self.results.series(name, value)

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
        group: str = "",
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
                group,
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
    _whole_servers(table)
    return table.rows


def _exchange(table: Table) -> None:
    for bits in KEY_SIZES:
        for side, operations in zip(SIDES, ("respond", "initiate"), strict=True):
            for framing in EXCHANGED_FRAMINGS:
                _exchange_of(table, framing, bits, side, operations)
    for framing in EXCHANGED_FRAMINGS:
        cpu = table.series(f"exchange/{framing}", "cpu_ns")
        for library, title in TLS_LIBRARIES.items():
            limit = TLS_EXCHANGE_LIMIT if library == "openssl" else None
            tls = table.series(f"tls/{library}/exchange", "server_cpu_ns")
            table.add(f"key exchange, {framing}, server", cpu, f"TLS 1.3 handshake by {title}, RSA-4096", tls, limit=limit)
    _wall_time(table, "key exchange, wall time, real peers", "peers/libanwdl/exchange")
    for what, title in zip(RELEASED, ("key exchange", "key exchange and first request"), strict=True):
        for order in ORDERS:
            _wall_time(table, f"{title}, wall time, client as released, {order} first", f"released/{what}/{order}-first")


def exchange_floor(results: Results, framing: str, bits: str = "", side: str = "", operations: str = "respond", public: str = "public") -> Series:
    """The least that an exchange can cost: its RSA operations, its calls on a bare socket and, for gcm, its ephemeral operations."""
    parts = [results.series(f"rsa/aws-lc/{operation}{bits}", "cpu_ns") for operation in ("private", public)]
    parts.append(results.series(f"exchange/{framing}{bits}{side}/floor", "cpu_ns"))
    if framing == "gcm":
        parts.append(results.series(f"ephemeral/{operations}", "cpu_ns"))
    return added(*parts)


def _exchange_of(table: Table, framing: str, bits: str, side: str, operations: str) -> None:
    cpu = table.series(f"exchange/{framing}{bits}{side}", "cpu_ns")
    floor, new_key = (
        exchange_floor(table.results, framing, bits, side, operations, public) for public in ("public", "public-new-key")
    )
    who = "connecting side" if side else "server"
    title = f"key exchange, {framing}, {who}{bits.replace('/', ', RSA-')}"
    reference = "RSA, bare calls" + (", ephemeral operations" if framing == "gcm" else "")
    # The target is set for the keys that the peers make by themselves, which have 4096 bits.
    limit = None if bits else EXCHANGE_LIMIT
    table.add(title, cpu, reference, floor, limit=limit, note=growth(cpu, new_key, "with a public key that is new each time:"))


def _wall_time(table: Table, title: str, name: str) -> None:
    server, client, wall = (table.series(name, f"{of}_ns") for of in ("server_cpu", "client_cpu", "wall"))
    both = [sum(pair) for pair in zip(server, client, strict=True)]
    table.add(title, wall, "CPU of both sides", both, limit=WALL_LIMIT)


def _requests(table: Table) -> None:
    for framing in FRAMINGS:
        cpu, floor = (table.series(f"request/{framing}{of}", "server_cpu_ns") for of in ("", "/floor"))
        if framing == "gcm":
            table.add("request, gcm, server", cpu, "its bare calls and AES-GCM of OpenSSL", floor)
        else:
            table.add(f"request, {framing}, server", cpu, "bare six calls", floor, limit=REQUEST_LIMIT)
    gcm = table.series("request/gcm", "server_cpu_ns")
    for library, title in TLS_LIBRARIES.items():
        limit = TLS_REQUEST_LIMIT if library == "openssl" else None
        tls = table.series(f"tls/{library}/request", "server_cpu_ns")
        table.add("request, gcm, server", gcm, f"TLS 1.3 by {title}, the same JSON", tls, limit=limit)


def _large_messages(table: Table) -> None:
    for direction, operation in DIRECTIONS.items():
        for framing, mode in LARGE_FRAMINGS.items():
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
                title = f"{direction} of {label}, {framing}, speed"
                table.add(
                    title,
                    cpu,
                    slower_title,
                    floor,
                    limit=LARGE_LIMIT,
                    at_least=True,
                    inverse=True,
                    group=f"{direction}s of {next(iter(SIZES))} to {next(reversed(SIZES))}, v4 and gcm, speed",
                )
    for direction, operation in DIRECTIONS.items():
        for framing, mode in LARGE_FRAMINGS.items():
            for label in SIZES:
                cpu = table.series(f"large/{framing}/{direction}/{label}", "server_cpu_ns")
                aes = table.series(f"aes/{mode}-{operation}/{label}", "cpu_ns")
                ignored = table.series(f"json/ignored/{label}", "cpu_ns")
                title = f"{direction} of {label}, {framing}, speed, strict floor"
                group = f"such {direction}s, strict floor"
                if aes and ignored:
                    table.add(title, cpu, "bare AES or checking JSON", slower(aes, ignored), inverse=True, group=group)
    for direction in DIRECTIONS:
        for framing in LARGE_FRAMINGS:
            for label in SIZES:
                name = f"large/{framing}/{direction}/{label}/memory"
                peak, message = (table.series(name, f"{of}_bytes") for of in ("peak_heap", "message"))
                title = f"{direction} of {label}, {framing}, peak heap"
                group = f"peak heap of such {direction}s"
                table.add(title, peak, "the message", message, shown_as=size, limit=MEMORY_LIMIT, group=group)


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
        own, bare = paired(cpu, base), paired(floor, base_floor)
        limit_here = GROWTH_LIMIT if sessions == TARGET_SESSIONS else None
        title = f"request with {sessions:,} sessions, times that with {BASE_SESSIONS}"
        table.add(title, own, "of bare calls", bare, shown_as=times, limit=limit_here)


def _parallel(table: Table) -> None:
    for what in PARALLEL:
        one, two = (table.series(f"parallel/{what}/{threads}", "operations_per_second") for threads in (1, 2))
        is_floor = what.startswith("floor-")
        title = f"{what.replace('floor-', 'bare ')}, 2 threads"
        limit = None if is_floor else PARALLEL_LIMIT
        table.add(title, two, "1 thread", one, shown_as=rate, limit=limit, at_least=True)


def _whole_servers(table: Table) -> None:
    """Those of the library; beside them stand others, in the other table."""
    for name in OWN_SERVERS:
        title, framing = WHOLE_SERVERS[name]
        requests, echoed = (table.series(f"load/{of}", "requests_per_second") for of in (name, f"echo/{framing}"))
        table.add(
            f"{title}, {framing}, requests a second of a core",
            requests,
            "bare epoll echo, the same calls",
            echoed,
            shown_as=rate,
            limit=ECHO_LIMIT,
            at_least=True,
        )
        _storm(table, name, limit=STORM_LIMIT)


def _storm(table: Table, name: str, limit: float | None) -> None:
    """How much longer requests take while others exchange keys at 80 % of what the server can do."""
    title, framing = WHOLE_SERVERS[name]
    asked, done = (table.series(f"load/{name}", f"storm{of}_per_second") for of in ("_asked", ""))
    reached = paired(done, asked)
    falls_short = bool(reached) and statistics.median(reached) < STORM_REACHED
    note = f"only {statistics.median(reached):.2f} of these exchanges were done" if falls_short else ""
    for percentile, shown in PERCENTILES.items():
        storm, quiet = (table.series(f"load/{name}", f"{when}_{percentile}_ns") for when in ("storm", "quiet"))
        limit_here = limit if percentile == "p99" else None
        server = ", ".join(filter(None, (title, framing)))
        table.add(f"{server}, {shown} of a request, exchanges at 80 %", storm, "quiet", quiet, limit=limit_here, note=note)


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
    for name, (title, framing) in WHOLE_SERVERS.items():
        # What has no framing has records, as gcm does.
        requests, echoed = (table.series(f"load/{of}", "requests_per_second") for of in (name, f"echo/{framing or 'gcm'}"))
        exchanges, tls = (table.series(f"load/{of}", "exchanges_per_second") for of in (name, "tls_server"))
        server = ", ".join(filter(None, (title, framing)))
        if name not in OWN_SERVERS:
            table.add(f"{server}, requests a second of a core", requests, "bare epoll echo, the same calls", echoed, shown_as=rate)
        if name != "tls_server":
            table.add(f"{server}, exchanges a second of a core", exchanges, "TLS 1.3 by OpenSSL", tls, shown_as=rate)
        if name not in OWN_SERVERS:
            _storm(table, name, limit=None)
    python_package.add_rows(table)
    return table.rows
