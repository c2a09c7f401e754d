"""What sessions leave behind: nothing that grows with their number."""

import gc
import os
import socket
import unittest
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import anwdl
from ends import STAT, TIMEOUT, fails, own_keys

SESSIONS = int(os.environ.get("ANWDL_TEST_SESSIONS", "1000"))
"""How many; 10,000 take longer."""
ALLOWED = 256 << 10
"""Bytes that the process may have grown by, whatever the number."""
PAGE = os.sysconf("SC_PAGE_SIZE")
PROTOCOLS = [protocol for protocol in anwdl.Protocol if protocol is not anwdl.Protocol.AUTO]


def resident() -> int:
    """Bytes of memory that are this process's own."""
    gc.collect()
    _, pages, shared, *_ = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return (int(pages) - int(shared)) * PAGE


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def ask(port: int, keys: anwdl.RSAWrapper, protocol: anwdl.Protocol) -> None:
    """The side that connects: one request, and one that is refused before it leaves."""
    options = anwdl.Options(protocol=protocol)
    with anwdl.ClientInterface("127.0.0.1", port, TIMEOUT, keys, options=options) as client:
        client.connectServer()
        with fails(anwdl.LibraryValueError, "MALFORMED_REQUEST"):
            client.sendRequest("lower case")
        client.sendRequest("STAT", {})
        assert client.recvResponse()["success"] is True


def session(number: int, listener: socket.socket, keys: anwdl.RSAWrapper, pool: Executor) -> None:
    """One, with all that a program can ask of a client."""
    asked = pool.submit(ask, listener.getsockname()[1], keys, PROTOCOLS[number % len(PROTOCOLS)])
    connection, _ = listener.accept()
    client = anwdl.ClientInstance(connection, TIMEOUT, keys)
    assert client.recvRequest() == STAT == client.getStoredRequest()
    with fails(anwdl.LibraryValueError, "MALFORMED_RESPONSE"):
        client.sendResponse(True, "OK", {"uptime": -1, "version": "1"})
    client.sendResponse(True, "OK", {"id": client.getID(), "ip": client.getIP()})
    asked.result(TIMEOUT)
    for wrapper in (client.getRSAWrapper(), client.getAESWrapper()):
        if wrapper is not None:
            wrapper.decryptData(wrapper.encryptData("text")) if isinstance(wrapper, anwdl.AESWrapper) else wrapper.getPublicKey()
    if number % 2:
        # The others end by themselves.
        client.closeConnection()


class Memory(unittest.TestCase):
    def test_it_stays_flat(self) -> None:
        keys = own_keys()
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
            for number in range(SESSIONS // 2):
                session(number, listener, keys, pool)
            before = resident(), descriptors()
            for number in range(SESSIONS):
                session(number, listener, keys, pool)
            after = resident(), descriptors()
        self.assertLess(after[0] - before[0], ALLOWED, f"bytes after {SESSIONS} sessions")
        self.assertEqual(after[1], before[1])


if __name__ == "__main__":
    unittest.main()
