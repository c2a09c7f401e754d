"""The example servers, driven by the independent peer of tests/interop/ with what it drives the C server with, in all four framings."""

import os
import unittest
from pathlib import Path
from unittest import mock

import test_server

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def driven(name: str, tests: type[test_server.WithServer]) -> type[test_server.WithServer]:
    """Those tests of a server, of this one."""

    class Driven(tests):  # type: ignore[valid-type,misc]
        def setUp(self) -> None:
            variable = mock.patch.dict(os.environ, {test_server.VARIABLE: str(EXAMPLES / f"{name}.py")})
            variable.start()
            self.addCleanup(variable.stop)

    return Driven


class Threads(driven("server", test_server.Framings)):  # type: ignore[misc]
    """Each kind of client gets its answers."""


class ThreadsBadClients(driven("server", test_server.BadClients)):  # type: ignore[misc]
    """What a client does wrong harms nobody else."""


class Asyncio(driven("asyncio_server", test_server.FramingsAsReleased)):  # type: ignore[misc]
    """Each kind of client gets its answers, also one that uses its socket as the releases do."""


class AsyncioBadClients(driven("asyncio_server", test_server.BadClients)):  # type: ignore[misc]
    """What a client does wrong harms nobody else."""


if __name__ == "__main__":
    unittest.main()
