"""The plots of `docs/bench/`, by matplotlib. The same results give the same bytes."""

import statistics
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from catalogue import CONNECTIONS, DIRECTIONS, FRAMINGS, LARGE_FRAMINGS, SESSIONS, SIZES, WHOLE_SERVERS
from comparison import EXCHANGE_LIMIT, LARGE_LIMIT, PERCENTILES, REQUEST_LIMIT, Series, exchange_floor, paired, slower
from measurement import Results

OWN, FLOOR, OTHER, LIMIT = "#1f6fb4", "#9aa5b1", "#d97a28", "#b3262b"
BARE = "slower of bare AES and bare JSON parsing (serde_json::Value)"
LOWEST_RATIO = 0.4
HIDDEN = "_"
"""A label that the legend leaves out, so that each kind of bar stands there once."""

matplotlib.rcParams.update(
    {"svg.hashsalt": "libanwdl", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True}
)


def save(figure: Figure, path: Path, bottom: float = 0) -> None:
    """Without a date, so that an unchanged plot is an unchanged file. `bottom` is the part of the height that a legend needs."""
    figure.tight_layout(rect=(0, bottom, 1, 1))
    figure.savefig(path, metadata={"Date": None})


def spread(ratios: Series) -> tuple[float, tuple[float, float]]:
    """The median, and how far the rounds lie below and above it."""
    middle = statistics.median(ratios)
    return middle, (middle - min(ratios), max(ratios) - middle)


def draw_all(results: Results, folder: Path) -> list[Path]:
    """Draws each plot for which everything was measured; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, draw in (("ratios", draw_ratios), ("large-messages", draw_large_messages), ("sessions", draw_sessions), ("servers", draw_servers)):
        path = folder / f"{name}.svg"
        if draw(results, path):
            drawn.append(path)
    return drawn


def draw_ratios(results: Results, path: Path) -> bool:
    """Exchange and requests as multiples of the floor; the Python server beside them, on a scale that has room for it."""
    exchange = [results.series("exchange/v4", "cpu_ns"), exchange_floor(results, "v4")]
    bars = [("key exchange, v4", *exchange, "peers/python/exchange", EXCHANGE_LIMIT)]
    for framing in FRAMINGS:
        own, floor = (results.series(f"request/{framing}{of}", "server_cpu_ns") for of in ("", "/floor"))
        limit = None if framing == "gcm" else REQUEST_LIMIT
        bars.append((f"request, {framing}", own, floor, f"peers/python/request/{framing}", limit))
    python = [results.series(name, "server_cpu_ns") for *_, name, _ in bars]
    if not all(own and floor and other for (_, own, floor, _, _), other in zip(bars, python, strict=True)):
        return False
    figure = Figure(figsize=(8, 4))
    axes = figure.subplots()
    for place, ((_, own, floor, _, limit), other) in enumerate(zip(bars, python, strict=True)):
        for offset, series, colour, label in (
            (-0.2, own, OWN, "libanwdl"),
            (0.2, other, OTHER, "Python server (its whole process)"),
        ):
            middle, (below, above) = spread(paired(series, floor))
            kept = label if place == 0 else HIDDEN
            axes.bar(place + offset, middle, 0.38, color=colour, label=kept, yerr=[[below], [above]], capsize=3)
            shown = f"{middle:.2f}" if middle < 10 else f"{middle:.0f}"
            axes.text(place + offset, LOWEST_RATIO * 1.05, shown, ha="center", va="bottom", color="white")
        if limit is not None:
            axes.hlines(limit, place - 0.42, place + 0.02, color=LIMIT, linewidth=2, label="target" if place == 0 else HIDDEN)
    axes.axhline(1, color=FLOOR, linestyle="--", linewidth=1, label="floor")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.set_ylim(bottom=LOWEST_RATIO)
    axes.set_xticks(range(len(bars)), [title for title, *_ in bars])
    axes.set_ylabel("server CPU, floor = 1")
    axes.set_title("Server CPU against the floor: bare RSA operations and socket calls (gcm: with AES-GCM of OpenSSL)")
    figure.legend(loc="lower center", ncols=4, frameon=False)
    save(figure, path, bottom=0.07)
    return True


def draw_large_messages(results: Results, path: Path) -> bool:
    """Bytes per second of server CPU, with the slower bare work and 0.7 of it."""
    groups = []
    for framing, mode in LARGE_FRAMINGS.items():
        for direction, operation in DIRECTIONS.items():
            for label, size in SIZES.items():
                cpu = results.series(f"large/{framing}/{direction}/{label}", "server_cpu_ns")
                aes = results.series(f"aes/{mode}-{operation}/{label}", "cpu_ns")
                value = results.series(f"json/value/{label}", "cpu_ns")
                if not (cpu and aes and value):
                    return False
                groups.append((f"{framing}\n{direction}", label, size, cpu, slower(aes, value)))
    figure = Figure(figsize=(10, 4))
    panels = figure.subplots(1, len(SIZES), sharey=True)
    for panel, label in zip(panels, SIZES, strict=True):
        here = [group for group in groups if group[1] == label]
        for place, (_, _, size, cpu, floor) in enumerate(here):
            speeds = [size / nanoseconds * 1000 for nanoseconds in cpu]
            bare = size / statistics.median(floor) * 1000
            middle, (below, above) = spread(speeds)
            first = place == 0 and panel is panels[0]
            own, bare_label, limit = ("libanwdl", BARE, "target") if first else (HIDDEN,) * 3
            panel.bar(place - 0.2, middle, 0.38, color=OWN, yerr=[[below], [above]], capsize=3, label=own)
            panel.bar(place + 0.2, bare, 0.38, color=FLOOR, label=bare_label)
            panel.hlines(LARGE_LIMIT * bare, place - 0.4, place, color=LIMIT, linewidth=2, label=limit)
        panel.set_xticks(range(len(here)), [title for title, *_ in here], fontsize=8)
        panel.set_title(label)
    panels[0].set_ylabel("MB per second of server CPU")
    figure.legend(loc="lower center", ncols=3, frameon=False)
    figure.suptitle("Large messages")
    save(figure, path, bottom=0.07)
    return True


def draw_sessions(results: Results, path: Path) -> bool:
    """Server CPU for one request over the number of open sessions."""
    figure = Figure(figsize=(8, 4))
    axes = figure.subplots()
    drawn = False
    for suffix, colour, label in (("", OWN, "libanwdl, v4"), ("/floor", FLOOR, "bare six calls")):
        points = [(count, results.series(f"many/{count}{suffix}", "server_cpu_ns")) for count in SESSIONS]
        measured = [(count, [ns / 1000 for ns in series]) for count, series in points if series]
        if len(measured) < 2:
            continue
        counts = [count for count, _ in measured]
        middles, errors = zip(*(spread(series) for _, series in measured), strict=True)
        axes.errorbar(counts, middles, yerr=list(zip(*errors, strict=True)), color=colour, marker="o", capsize=3, label=label)
        drawn = True
    if drawn:
        axes.set_xscale("log")
        axes.set_xticks(counts, [f"{count:,}" for count in counts])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel("open sessions")
        axes.set_ylabel("server CPU for one request, µs")
        axes.set_title("One request among many sessions")
        axes.legend(frameon=False)
        save(figure, path)
    return drawn


def draw_servers(results: Results, path: Path) -> bool:
    """What whole servers do in a second of one core, and how long a request takes with and without a storm of key exchanges."""
    names = [name for name in WHOLE_SERVERS if results.series(f"load/{name}", "requests_per_second")]
    if not names:
        return False
    titles = ["\n".join(filter(None, WHOLE_SERVERS[name])).replace(" by ", "\nby ") for name in names]
    figure = Figure(figsize=(10, 7))
    (requests, exchanges), (latencies, unused) = figure.subplots(2, 2, width_ratios=(3, 2))
    grid = latencies.get_gridspec()
    latencies.remove()
    unused.remove()
    latencies = figure.add_subplot(grid[1, :])
    for place, name in enumerate(names):
        framing = WHOLE_SERVERS[name][1] or "gcm"
        colour = OWN if "server/" in name else OTHER
        for axes, value in ((requests, "requests_per_second"), (exchanges, "exchanges_per_second")):
            middle, (below, above) = spread(results.series(f"load/{name}", value))
            axes.bar(place, middle, 0.6, color=colour, yerr=[[below], [above]], capsize=3)
            axes.text(place, middle, f" {middle:,.0f}", ha="center", va="bottom", fontsize=8)
        if echoed := results.series(f"load/echo/{framing}", "requests_per_second"):
            label = "bare epoll echo" if place == 0 else HIDDEN
            requests.hlines(statistics.median(echoed), place - 0.4, place + 0.4, color=FLOOR, linewidth=2, label=label)
        for offset, when, shade, label in ((-0.2, "quiet", FLOOR, "nothing else"), (0.2, "storm", LIMIT, "key exchanges at 80 %")):
            points = [statistics.median(results.series(f"load/{name}", f"{when}_{percentile}_ns")) / 1000 for percentile in PERCENTILES]
            at = place + offset
            latencies.plot([at] * len(points), points, color=shade, linewidth=1)
            for marker, point in zip("o_^", points, strict=True):
                latencies.plot(at, point, color=shade, marker=marker, markersize=9)
            latencies.bar(at, 0, color=shade, label=label if place == 0 else HIDDEN)
    latencies.set_yscale("log")
    latencies.set_ylabel("a request takes, µs")
    latencies.set_title("p50 (circle), p99 (line), p99.9 (triangle) of a request", fontsize=10)
    requests.set_title(f"requests a second of a core, {CONNECTIONS} connections", fontsize=10)
    exchanges.set_title("key exchanges a second of a core", fontsize=10)
    for axes in (requests, exchanges, latencies):
        axes.set_xticks(range(len(names)), titles, fontsize=8 if axes is not exchanges else 6)
    requests.legend(loc="upper left", frameon=False, fontsize=8)
    latencies.legend(frameon=False, fontsize=8)
    save(figure, path)
    return True
