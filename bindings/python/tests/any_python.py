#!/usr/bin/env python3
"""The package with nothing but itself, on any Python that it is for: sessions of every framing, threads, asyncio and garbage."""

import asyncio
import gc
import logging
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict

import anwdl

TIMEOUT = 30
CLIENTS = 8
KEYS = anwdl.RSAWrapper(key_size=2048)
PROTOCOLS = [protocol for protocol in anwdl.Protocol if protocol is not anwdl.Protocol.AUTO]


def need(condition: object) -> None:
    """As `assert`, in every mode of Python."""
    if not condition:
        raise AssertionError


def ask(port: int, number: int) -> Dict[str, Any]:
    """A client's session, with the server's key pinned."""
    options = anwdl.Options(protocol=PROTOCOLS[number % len(PROTOCOLS)], expected_fingerprint=KEYS.getFingerprint())
    with anwdl.ClientInterface("127.0.0.1", port, TIMEOUT, KEYS, options=options) as client:
        client.connectServer()
        client.sendRequest("ECHO", {"number": number})
        return client.recvResponse()


def serve(connection: socket.socket) -> None:
    """A server's session."""
    with anwdl.ClientInstance(connection, TIMEOUT, KEYS) as client:
        client.sendResponse(True, anwdl.RESPONSE_MSG_OK, client.recvRequest()["parameters"])


async def serve_in_loop(connection: socket.socket) -> None:
    """The same in a loop."""
    with anwdl.AsyncClientInstance(connection, KEYS, TIMEOUT) as client:
        await client.exchangeKeys()
        request = await client.recvRequest()
        await client.sendResponse(True, anwdl.RESPONSE_MSG_OK, request["parameters"])


def with_threads(listener: socket.socket, clients: ThreadPoolExecutor) -> None:
    asked = [clients.submit(ask, listener.getsockname()[1], number) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as servers:
        for served in [servers.submit(serve, listener.accept()[0]) for _ in asked]:
            served.result(TIMEOUT)
    for number, session in enumerate(asked):
        need(session.result(TIMEOUT) == {"success": True, "message": "OK", "data": {"number": number}})


async def with_loop(listener: socket.socket, clients: ThreadPoolExecutor) -> None:
    loop = asyncio.get_running_loop()
    asked = [loop.run_in_executor(clients, ask, listener.getsockname()[1], number) for number in range(CLIENTS)]
    listener.setblocking(False)
    served = [asyncio.ensure_future(serve_in_loop((await loop.sock_accept(listener))[0])) for _ in asked]
    await asyncio.gather(*served)
    for number, response in enumerate(await asyncio.gather(*asked)):
        need(response["data"] == {"number": number})


def main() -> None:
    """Fails with a traceback."""
    anwdl.set_logger(logging.getLogger("anwdl"), logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(CLIENTS) as clients:
        with_threads(listener, clients)
        asyncio.run(with_loop(listener, clients))
    try:
        KEYS.setPublicKey("no key")
    except ValueError as error:
        need(isinstance(error, anwdl.Failure) and error.reason == "INVALID_KEY")
    gc.collect()
    lock = "with" if getattr(sys, "_is_gil_enabled", lambda: True)() else "without"
    print(f"anwdl {anwdl.__version__} works with Python {sys.version.split()[0]}, {lock} a global interpreter lock")


if __name__ == "__main__":
    main()
