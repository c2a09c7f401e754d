#!/usr/bin/env python3
"""An Anweddol server with a thread for each client, for trying things out."""

import argparse
import resource
import select
import signal
import socket
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Semaphore, Thread, current_thread
from typing import Any, Dict, Iterable, Iterator, Optional, Set, Tuple, Union

import anwdl

STARTED_AT = time.monotonic()
MOST_CLIENTS = 100
"""Threads. A crowd waits in the queue of the system, and takes neither memory nor descriptors."""
OTHER_DESCRIPTORS = 32
"""What a process has open besides its clients."""

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
"""They are blocked, and one thread waits for them. A handler could run just before accept(), which would then go on waiting."""

PAUSE_SECONDS = 0.1
"""The system is short of descriptors, memory or threads."""
LONGEST_REQUEST = 16 << 10
"""Bytes. Those of a server like this one are short, and a longer one keeps it busy for nothing."""

Client = Union[anwdl.ClientInstance, anwdl.AsyncClientInstance]
Answer = Tuple[bool, str, Dict[str, Any], Optional[str]]

CREATED_CONTAINER = {
    "container_uuid": "0b7f9c1e-52d4-4a86-9e3b-7d1c5f20a948",
    "client_token": "Tok3n-_" * 36 + "end",
    "container_iso_sha256": "5e" * 32,
    "container_username": "user_40961",
    "container_password": "correctHorse7",
    "container_listen_port": 2222,
}


def answer(request: Dict[str, Any]) -> Answer:
    """The arguments for sendResponse()."""
    verb, parameters = request["verb"], request["parameters"]
    if verb == "STAT":
        return True, anwdl.RESPONSE_MSG_OK, {"uptime": int(time.monotonic() - STARTED_AT), "version": anwdl.__version__}, None
    if verb == "CREATE":
        return True, anwdl.RESPONSE_MSG_OK, CREATED_CONTAINER, None
    if verb == "DESTROY":
        if "container_uuid" in parameters:
            return True, anwdl.RESPONSE_MSG_OK, {}, None
        return False, anwdl.RESPONSE_MSG_BAD_REQ, {}, None
    if verb == "ECHO":
        return True, anwdl.RESPONSE_MSG_OK, {"echo": parameters}, None
    return False, anwdl.RESPONSE_MSG_REFUSED_REQ, {}, "unknown verb"


MALFORMED: Answer = (False, anwdl.RESPONSE_MSG_BAD_REQ, {}, "malformed request")


def say(line: str) -> None:
    """Prints one line for an event, at once."""
    print(line, flush=True)


def tell_the_end(name: str, failure: anwdl.Failure) -> None:
    """Reports why a session is over, unless the client just left, or the server stops."""
    say(f"{name}: closed" if failure.reason in ("PEER_CLOSED", "CLOSED") else f"{name}: session failed: {failure}")


class Stopping:
    """The sessions, and whether they are to end."""

    def __init__(self) -> None:
        self.begun = Event()
        self.clients: Set[Client] = set()

    @contextmanager
    def session(self, client: Client) -> Iterator[None]:
        """Keeps the client in the set while the block runs."""
        self.clients.add(client)
        try:
            yield
        finally:
            self.clients.discard(client)

    def begin(self) -> None:
        """Ends sessions without a request at once. The others end by themselves when they have sent the response."""
        self.begun.set()
        self.close(client for client in list(self.clients) if not owes(client))

    def close(self, clients: Iterable[Client]) -> None:
        """Ends sessions, whatever they do."""
        for client in clients:
            with suppress(anwdl.Failure):
                client.closeConnection()


def owes(client: Client) -> bool:
    """Whether a request is under way, or has come."""
    return not client.isIdle() or has_arrived(client.getSocketDescriptor())


def has_arrived(connection: socket.socket) -> bool:
    """Whether the socket holds something that was not received yet."""
    poller = select.poll()
    with suppress(ValueError):  # it was closed
        poller.register(connection, select.POLLIN)
    return bool(poller.poll(0))


def serve(connection: socket.socket, key_pair: anwdl.RSAWrapper, arguments: argparse.Namespace, stopping: Stopping) -> None:
    """One client, until it leaves."""
    name = "a client"
    try:
        with (
            connection,
            anwdl.ClientInstance(connection, arguments.timeout / 1000, key_pair, exchange_keys=False, options=options(arguments)) as client,
            stopping.session(client),
        ):
            client.exchangeKeys(receive_first=arguments.receive_first == "yes")
            name = f"client {client.getID()}"
            say(f"{name}: keys exchanged")
            goes_on = not stopping.begun.is_set() or owes(client)
            while goes_on:
                try:
                    request = client.recvRequest()
                except anwdl.LibraryValueError as error:
                    if error.reason != "MALFORMED_REQUEST":
                        raise
                    client.sendResponse(*MALFORMED)
                    say(f"{name}: {client.getProtocol().name.lower()}: malformed request")
                else:
                    client.sendResponse(*answer(request))
                    say(f"{name}: {client.getProtocol().name.lower()}: {request['verb']}")
                goes_on = not stopping.begun.is_set()
    except anwdl.Failure as failure:
        tell_the_end(name, failure)


def options(arguments: argparse.Namespace) -> anwdl.Options:
    """Reads the command line."""
    return anwdl.Options(
        protocol=anwdl.Protocol[arguments.protocol.upper()],
        max_message_size=arguments.max_message_size,
        key_echo=arguments.key_echo,
    )


def command_line() -> argparse.Namespace:
    """Like that of the C server, examples-c/anwdl_server.c."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=6150, help="0 for any free port")
    parser.add_argument("--receive-first", choices=("yes", "no"), default="yes")
    parser.add_argument("--max-message-size", type=int, default=LONGEST_REQUEST, metavar="BYTES")
    parser.add_argument("--timeout", type=int, default=10_000, metavar="MS")
    parser.add_argument("--drain-timeout", type=int, default=5_000, metavar="MS", help="for the requests that are under way at SIGTERM")
    parser.add_argument("--private-key", type=Path, metavar="FILE.pem")
    parser.add_argument("--protocol", choices=[protocol.name.lower() for protocol in anwdl.Protocol], default="auto")
    parser.add_argument("--key-echo", action="store_true")
    return parser.parse_args()


def key_pair_of(arguments: argparse.Namespace) -> anwdl.RSAWrapper:
    """Loads the key pair from the file, or makes a new one."""
    key_pair = anwdl.RSAWrapper(generate_key_pair=arguments.private_key is None)
    if arguments.private_key is not None:
        key_pair.load(arguments.private_key)
    return key_pair


def check_descriptors(most_clients: int) -> None:
    """Without a descriptor for each client, accept() would fail while they are served."""
    needed, allowed = most_clients + OTHER_DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if needed > allowed:
        sys.exit(f"{most_clients} clients need {needed} descriptors, and {allowed} are allowed: raise ulimit -n")


def main() -> None:
    """Serves clients until SIGTERM or SIGINT."""
    arguments = command_line()
    check_descriptors(MOST_CLIENTS)
    key_pair = key_pair_of(arguments)
    places, stopping = Semaphore(MOST_CLIENTS), Stopping()
    sessions: Set[Thread] = set()

    def done(session: Thread) -> None:
        sessions.discard(session)
        places.release()

    def serve_then_leave(connection: socket.socket) -> None:
        try:
            serve(connection, key_pair, arguments, stopping)
        finally:
            done(current_thread())

    def stop_at_signal() -> None:
        signal.sigwait(STOP_SIGNALS)
        listener.shutdown(socket.SHUT_RDWR)  # accept() fails
        stopping.begun.set()
        places.release()  # acquire() returns
        signal.sigwait(STOP_SIGNALS)  # a second one ends the requests that are under way, too
        stopping.close(list(stopping.clients))

    with socket.create_server(("127.0.0.1", arguments.port)) as listener:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # in each thread: only sigwait() takes them
        say(f"listening on 127.0.0.1:{listener.getsockname()[1]}")
        Thread(target=stop_at_signal, daemon=True).start()
        while not stopping.begun.is_set():
            places.acquire()
            try:
                connection, _ = listener.accept()
            except OSError as error:
                places.release()
                if not isinstance(error, ConnectionError):  # it has left already
                    stopping.begun.wait(PAUSE_SECONDS)
                continue
            # No pool, which would keep in its queue what it got no thread for.
            session = Thread(target=serve_then_leave, args=(connection,))
            sessions.add(session)
            try:
                session.start()
            except RuntimeError:
                connection.close()
                done(session)
                stopping.begun.wait(PAUSE_SECONDS)
    stopping.begin()
    deadline = time.monotonic() + arguments.drain_timeout / 1000
    for session in list(sessions):
        session.join(max(0, deadline - time.monotonic()))
    stopping.close(list(stopping.clients))


if __name__ == "__main__":
    main()
