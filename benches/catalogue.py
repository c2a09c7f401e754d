"""Every measurement of `make bench`, in the order in which a round takes them: what is compared stands side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import python_package
from measurement import Measurement, openssl_speed

FRAMINGS = ("v2", "v3", "v4", "gcm")
LARGE_FRAMINGS = {"v4": "cbc", "gcm": "gcm"}
"""The framings of the large messages, with the mode in which each uses AES."""
DIRECTIONS = {"request": "decrypt", "response": "encrypt"}
"""What the server does with a message of each direction."""
SIZES = {"64 KiB": 1 << 16, "1 MiB": 1 << 20, "16 MiB": 1 << 24}
SESSIONS = (10, 1000, 10_000, 50_000)
BASE_SESSIONS = 10
TARGET_SESSIONS = 10_000
MOST_REPEATED_SESSIONS = 10_000
"""More sessions than this take so long to open that they are opened in the first round only."""
EXCHANGED_SESSIONS = 100
EXCHANGED_FRAMINGS = ("v4", "gcm")
"""The framings whose key exchanges are measured: the others exchange keys as v4 does."""
KEY_SIZES = {"": [], "/2048": ["--bits", "2048"]}
"""The RSA keys of benches/keys, of 4096 bits, and smaller ones, with what names them."""
SIDES = {"": [], "/connecting": ["--connecting"]}
"""Which side of a key exchange is measured: the server, or the side that connects."""
TLS_LIBRARIES = {"openssl": "OpenSSL", "gnutls": "GnuTLS"}
CONNECTIONS = 200
WHOLE_SERVERS = {
    "epoll_server/v4": ("epoll_server", "v4"),
    "epoll_server/gcm": ("epoll_server", "gcm"),
    "uv_server/gcm": ("uv_server", "gcm"),
    "tls_server": ("TLS 1.3 by OpenSSL", ""),
    "python/v4": ("Python server", "v4"),
}
"""Those that are put under load, each with its title and what is spoken."""
PARALLEL = ("exchange", "floor-rsa", "request", "floor-calls")
THREADS = (1, 2)
SERVERS = ("libanwdl", "python")
ORDERS = {"client": [], "server": ["--server-first"]}
"""Who speaks first in a key exchange."""
RELEASED = ("exchange", "first-request")
"""What a client that uses its socket as the Python releases do waits for."""

REQUESTS = 10_000
MEASURED_BYTES = 1 << 26
"""Large messages: how many bytes one run handles, so that few large ones take about as long as many small ones."""


@dataclass(frozen=True)
class Paths:
    """What the Makefile has built, and where."""

    source: Path
    """The top of the repository."""
    bare: Path
    sessions: Path
    library: Path
    servers: Path
    """The folder of the example servers."""
    peer_python: Path
    work: Path

    @property
    def keys(self) -> Path:
        """The folder of the two RSA-4096 keys."""
        return self.source / "benches" / "keys"

    @property
    def interop(self) -> Path:
        """The folder of the Python peer."""
        return self.source / "tests" / "interop"

    def document(self, size: int) -> Path:
        """The file with the JSON document of about so many bytes."""
        return self.work / f"document-{size}.json"


def catalogue(paths: Paths) -> list[Measurement]:
    """All of them."""
    return [
        *rsa(paths),
        *exchanges(paths),
        *requests(paths),
        *python_package.measurements(paths, real_peers),
        *large_messages(paths),
        *many_sessions(paths),
        *parallel(paths),
        *whole_servers(paths),
        Measurement("start", [str(paths.sessions / "bench_start"), "--library", str(paths.library)]),
    ]


def rsa(paths: Paths) -> Iterator[Measurement]:
    """The bare operations; those that the key exchange is compared with stand last, next to it."""
    yield Measurement("openssl", ["openssl", "speed", "-mr", "-seconds", "1", "rsa4096"], read=openssl_speed)
    for library, operation, count in (
        ("rsa-crate", "public", 300),
        ("rsa-crate", "private", 25),
        ("aws-lc", "public", 2000),
        ("aws-lc", "private", 100),
    ):
        command = [str(paths.bare), "rsa", library, operation, "--count", str(count)]
        yield Measurement(f"rsa/{library}/{operation}", command)
    for bits, options in KEY_SIZES.items():
        command = [str(paths.bare), "rsa", "aws-lc", "public-new-key", "--count", "2000", *options]
        yield Measurement(f"rsa/aws-lc/public-new-key{bits}", command)
    for operation, count in (("public", 2000), ("private", 300)):
        command = [str(paths.bare), "rsa", "aws-lc", operation, "--count", str(count), *KEY_SIZES["/2048"]]
        yield Measurement(f"rsa/aws-lc/{operation}/2048", command)
    for side in ("respond", "initiate"):
        yield Measurement(f"ephemeral/{side}", [str(paths.bare), "ephemeral", side, "--count", "1000"])


def exchanges(paths: Paths) -> Iterator[Measurement]:
    """Key exchanges: the library alone, then both servers against the Python client."""
    program = str(paths.sessions / "bench_exchange")
    for bits, options in KEY_SIZES.items():
        for side, side_options in SIDES.items():
            for framing in EXCHANGED_FRAMINGS:
                command = [program, "--protocol", framing, "--count", "60", *options, *side_options]
                yield Measurement(f"exchange/{framing}{bits}{side}", command)
                yield Measurement(f"exchange/{framing}{bits}{side}/floor", [*command, "--floor"])
    for library in TLS_LIBRARIES:
        yield tls(paths, library, "exchange", 40)
    for server in SERVERS:
        yield real_peers(paths, server, "exchange", "v4", 25)
    for what in RELEASED:
        for order, options in ORDERS.items():
            name = f"released/{what}/{order}-first"
            yield real_peers(paths, "libanwdl", what, "v4", 25, name, "--as-released", *options)


def requests(paths: Paths) -> Iterator[Measurement]:
    """STAT requests in each framing: the library and its floor, then both servers against the Python client."""
    program = str(paths.sessions / "bench_requests")
    for framing in FRAMINGS:
        command = [program, "--protocol", framing, "--count", str(REQUESTS)]
        yield Measurement(f"request/{framing}", command)
        yield Measurement(f"request/{framing}/floor", [*command, "--floor"])
    for library in TLS_LIBRARIES:
        yield tls(paths, library, "request", REQUESTS)
    for server in SERVERS:
        for framing in FRAMINGS:
            yield real_peers(paths, server, "request", framing, 300)


def tls(paths: Paths, library: str, what: str, count: int) -> Measurement:
    """TLS 1.3 in place of an exchange or a request."""
    command = [str(paths.sessions / "bench_tls"), "--library", library, "--what", what, "--count", str(count)]
    return Measurement(f"tls/{library}/{what}", command)


def real_peers(paths: Paths, server: str, what: str, framing: str, count: int, name: str = "", *options: str) -> Measurement:
    """A server process against the independent Python client."""
    program = paths.servers / "anwdl_server" if server == "libanwdl" else paths.interop / "python_server.py"
    name = name or f"peers/{server}/{what}" + ("" if what == "exchange" else f"/{framing}")
    script = str(paths.source / "benches" / "python_peer.py")
    command = [str(paths.peer_python), script, what, "--server", str(program), "--protocol", framing]
    command += ["--count", str(count), "--keys", str(paths.keys), *options]
    return Measurement(name, command, environment={"PYTHONPATH": str(paths.interop)})


def large_messages(paths: Paths) -> Iterator[Measurement]:
    """Large messages in both directions, and the bare work on the same bytes."""
    for label, size in SIZES.items():
        count = str(max(4, MEASURED_BYTES // 2 // size if size > 1 << 20 else MEASURED_BYTES // 4 // size))
        bare = ["--size", str(size), "--count", count]
        for into in ("value", "ignored"):
            yield Measurement(f"json/{into}/{label}", [str(paths.bare), "json", into, *bare])
        for framing, mode in LARGE_FRAMINGS.items():
            for direction, operation in DIRECTIONS.items():
                aes = f"{mode}-{operation}"
                yield Measurement(f"aes/{aes}/{label}", [str(paths.bare), "aes", aes, *bare])
                command = [str(paths.sessions / "bench_large"), "--protocol", framing, "--direction", direction]
                command += ["--document", str(paths.document(size))]
                name = f"large/{framing}/{direction}/{label}"
                yield Measurement(name, [*command, "--count", count])
                yield Measurement(f"{name}/memory", [*command, "--count", "2", "--memory"], only_once=True)
    for operation in ("cbc-encrypt", "cbc-decrypt", "gcm-encrypt", "gcm-decrypt"):
        command = [str(paths.bare), "aes", operation, "--library", "aws-lc", "--size", str(1 << 20), "--count", "16"]
        yield Measurement(f"aes/aws-lc/{operation}/1 MiB", command)


def many_sessions(paths: Paths) -> Iterator[Measurement]:
    """Requests over many open sessions, and what a session keeps in memory."""
    program = [str(paths.sessions / "bench_many")]
    for sessions in SESSIONS:
        command = [*program, "--protocol", "v4", "--sessions", str(sessions), "--requests", str(max(REQUESTS, 2 * sessions))]
        only_once = sessions > MOST_REPEATED_SESSIONS
        yield Measurement(f"many/{sessions}", command, only_once)
        yield Measurement(f"many/{sessions}/floor", [*command, "--floor"], only_once)
    for framing in EXCHANGED_FRAMINGS:
        command = [*program, "--protocol", framing, "--sessions", str(EXCHANGED_SESSIONS), "--exchange"]
        command += ["--requests", str(EXCHANGED_SESSIONS)]
        yield Measurement(f"many/exchanged/{framing}", command, only_once=True)


def parallel(paths: Paths) -> Iterator[Measurement]:
    """Operations per second on one thread and on two."""
    program = str(paths.sessions / "bench_parallel")
    for what in PARALLEL:
        for threads in THREADS:
            command = [program, "--what", what, "--threads", str(threads), "--seconds", "1"]
            yield Measurement(f"parallel/{what}/{threads}", command)


def whole_servers(paths: Paths) -> Iterator[Measurement]:
    """Servers under load from many connections, each beside the floor that makes the same calls."""
    # A busy machine may keep a client waiting for long.
    key = f"--private-key {paths.keys / 'server.pem'} --timeout 100000"
    # One loop and one worker, which share a processor; all clients have the same address.
    limits = ("clients", "clients-per-address", "exchanges-per-address", "computations", "computations-per-address")
    options = " ".join([key, "--workers 1", *(f"--max-{limit} 4000" for limit in limits)])
    for framing in EXCHANGED_FRAMINGS:
        yield load(paths, f"echo/{framing}", "bare", framing, f"{paths.sessions / 'echo_server'} --protocol {framing}")
        server = f"{paths.servers / 'epoll_server'} --threads 1 {options}"
        yield load(paths, f"epoll_server/{framing}", "library", framing, server)
    yield load(paths, "uv_server/gcm", "library", "gcm", f"{paths.servers / 'uv_server'} {options}")
    yield load(paths, "tls_server", "tls", "gcm", f"{paths.sessions / 'tls_server'} --workers 1")
    python_server = f"{paths.peer_python} {paths.interop / 'python_server.py'} {key} --threads"
    yield load(paths, "python/v4", "library", "v4", python_server)


def load(paths: Paths, name: str, kind: str, framing: str, server: str) -> Measurement:
    """One server under load; `kind` is what its clients are."""
    command = [str(paths.sessions / "bench_load"), "--kind", kind, "--protocol", framing, "--server", server]
    command += ["--connections", str(CONNECTIONS)]
    return Measurement(f"load/{name}", command, environment={"PYTHONPATH": str(paths.interop)})
