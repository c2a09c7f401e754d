#!/usr/bin/env python3
"""The server of server.py on asyncio: one thread for all clients, others for the private key operations."""

import argparse
import asyncio
import socket
from contextlib import suppress
from typing import Set

import anwdl
from server import (
    MALFORMED,
    PAUSE_SECONDS,
    STOP_SIGNALS,
    Stopping,
    answer,
    check_descriptors,
    command_line,
    key_pair_of,
    options,
    owes,
    say,
    tell_the_end,
)

MOST_CLIENTS = 900


async def serve(connection: socket.socket, key_pair: anwdl.RSAWrapper, arguments: argparse.Namespace, stopping: Stopping) -> None:
    """One client, until it leaves."""
    name = "a client"
    try:
        with (
            connection,
            anwdl.AsyncClientInstance(connection, key_pair, arguments.timeout / 1000, options=options(arguments)) as client,
            stopping.session(client),
        ):
            await client.exchangeKeys(receive_first=arguments.receive_first == "yes")
            name = f"client {client.getID()}"
            say(f"{name}: keys exchanged")
            goes_on = not stopping.begun.is_set() or owes(client)
            while goes_on:
                try:
                    request = await client.recvRequest()
                except anwdl.LibraryValueError as error:
                    if error.reason != "MALFORMED_REQUEST":
                        raise
                    await client.sendResponse(*MALFORMED)
                    say(f"{name}: {client.getProtocol().name.lower()}: malformed request")
                else:
                    await client.sendResponse(*answer(request))
                    say(f"{name}: {client.getProtocol().name.lower()}: {request['verb']}")
                # What has arrived already is received without waiting: the other clients have their turns first.
                await asyncio.sleep(0)
                goes_on = not stopping.begun.is_set()
    except anwdl.Failure as failure:
        tell_the_end(name, failure)


Sessions = Set["asyncio.Task[None]"]


async def serve_all(
    listener: socket.socket, key_pair: anwdl.RSAWrapper, arguments: argparse.Namespace, stopping: Stopping, sessions: Sessions
) -> None:
    """Serves clients until it is cancelled."""
    loop = asyncio.get_running_loop()
    places = asyncio.Semaphore(MOST_CLIENTS)

    def done(session: "asyncio.Task[None]") -> None:
        sessions.discard(session)
        places.release()

    while True:
        await places.acquire()
        try:
            connection, _ = await loop.sock_accept(listener)
        except OSError as error:
            places.release()
            if not isinstance(error, ConnectionError):  # it has left already
                await asyncio.sleep(PAUSE_SECONDS)
            continue
        session = loop.create_task(serve(connection, key_pair, arguments, stopping))
        sessions.add(session)
        session.add_done_callback(done)


async def main() -> None:
    """Serves clients until SIGTERM or SIGINT."""
    arguments = command_line()
    check_descriptors(MOST_CLIENTS)
    key_pair = key_pair_of(arguments)
    stopping = Stopping()
    sessions: Sessions = set()
    with socket.create_server(("127.0.0.1", arguments.port)) as listener:
        listener.setblocking(False)
        say(f"listening on 127.0.0.1:{listener.getsockname()[1]}")
        loop = asyncio.get_running_loop()
        serving = loop.create_task(serve_all(listener, key_pair, arguments, stopping, sessions))

        def stop() -> None:
            if serving.done():  # a second signal ends the requests that are under way, too
                stopping.close(list(stopping.clients))
            serving.cancel()

        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, stop)
        with suppress(asyncio.CancelledError):
            await serving
    stopping.begin()
    if sessions:
        await asyncio.wait(sessions, timeout=arguments.drain_timeout / 1000)


if __name__ == "__main__":
    asyncio.run(main())
