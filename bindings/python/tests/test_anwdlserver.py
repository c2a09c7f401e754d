"""What stands in for the classes of a released server: what it is used like there, and how it comes and goes."""

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from functools import partial
from pathlib import Path

from anwdl import LibraryRuntimeError
from anwdl.anwdlserver import ServerClientInstance
from ends import STAT, TIMEOUT, fails, is_at_end, own_keys, peer_settings, together, two_ends
from peer import Session

# The modules of a released server that matter, with what they import from one another.
MODULES = {
    "__init__": "",
    "core/__init__": "",
    "core/crypto": "class RSAWrapper: pass\nclass AESWrapper: pass\n",
    "core/client": "from .crypto import RSAWrapper, AESWrapper\nclass ClientInstance: pass\n",
    "core/server": "from .client import ClientInstance\nfrom .crypto import RSAWrapper\nclass ServerInterface: pass\n",
    "process": "from .core.server import ServerInterface\nfrom .core.crypto import RSAWrapper\n",
    "cli": """
        import sys
        from . import process
        from .core import client, server
        class MainAnweddolServerCLI:
            def __init__(self):
                print(sys.argv[1:], server.ClientInstance.__module__, process.RSAWrapper.__module__, client.AESWrapper.__module__)
    """,
}

SWITCH = """
    import anwdl, anwdl.anwdlserver
    {before}
    for _ in range(2):
        anwdl.install_into_anwdlserver()
    import anwdlserver.core.server as server, anwdlserver.core.client as client, anwdlserver.process as process
    def report():
        found = (server.ClientInstance, client.ClientInstance, client.AESWrapper, server.RSAWrapper, process.RSAWrapper,
                 process.ServerInterface)
        print(*(kind.__module__ for kind in found))
    report()
    for _ in range(2):
        anwdl.anwdlserver.remove_from_anwdlserver()
    report()
"""

AFTER_A_FAILURE = """
    import sys, anwdl, anwdlserver.core.client
    crypto, sys.modules["anwdlserver.core.crypto"] = sys.modules["anwdlserver.core.crypto"], None
    try:
        anwdl.install_into_anwdlserver()
    except ImportError:
        sys.modules["anwdlserver.core.crypto"] = crypto
"""
"""The second of the imports fails."""


class Session41(unittest.TestCase):
    """A session as the released server has it."""

    def test_a_request_is_a_tuple(self) -> None:
        with two_ends() as (near, far):
            near.settimeout(TIMEOUT)
            connect = partial(Session.connect, far, peer_settings())
            peer, client = together(connect, partial(ServerClientInstance, near, rsa_wrapper=own_keys()))
            wrong = '{"verb": "STAT", "parameters": []}'
            cases = (
                ('{"verb": "STAT", "parameters": {}}', (True, STAT, None)),
                (wrong, (False, {"verb": "STAT", "parameters": []}, {"parameters": ["must be of dict type"]})),
            )
            for text, expected in cases:
                _, found = together(partial(peer.send_text, text), client.recvRequest)
                self.assertEqual(found, expected)
                together(peer.receive_text, partial(client.sendResponse, expected[0], "OK"))
            self.assertEqual(client.getStoredRequest(), STAT)

    def test_a_session_that_has_failed_is_closed(self) -> None:
        with two_ends() as (near, far):
            connect = partial(Session.connect, far, peer_settings())
            peer, client = together(connect, partial(ServerClientInstance, near, rsa_wrapper=own_keys()))
            peer._stream.write(b"0=======")
            peer._stream.flush()
            with self.assertRaises(ValueError):
                client.recvRequest()
            self.assertTrue(client.isClosed())
            self.assertEqual((len(client.getID()), peer._stream.read(1)), (7, b"0"))
            self.assertTrue(is_at_end(far))

    def test_a_session_that_was_never_made_leaves_its_socket(self) -> None:
        with two_ends() as (near, far):
            far.close()
            with fails(LibraryRuntimeError, "PEER_CLOSED", "IO_FAILED"):
                ServerClientInstance(near, rsa_wrapper=own_keys())
            self.assertGreaterEqual(near.fileno(), 0)


class Switch(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name, text in MODULES.items():
            path = Path(folder.name) / "anwdlserver" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join([folder.name, *sys.path])}

    def output(self, *arguments: str) -> str:
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=self.environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_there_and_back(self) -> None:
        for before in ("", "import anwdlserver.process", textwrap.dedent(AFTER_A_FAILURE)):
            with self.subTest(before):
                there, back = self.output("-c", textwrap.dedent(SWITCH).format(before=before)).splitlines()
                ours = ["anwdl.anwdlserver"] * 2 + ["anwdl._wrappers"] * 3 + ["anwdlserver.core.server"]
                self.assertEqual(there.split(), ours)
                self.assertEqual(set(back.split()), {f"anwdlserver.core.{name}" for name in ("client", "crypto", "server")})

    def test_the_command(self) -> None:
        printed = self.output("-m", "anwdl.anwdlserver", "start", "--json")
        self.assertEqual(printed, "['start', '--json'] anwdl.anwdlserver anwdl._wrappers anwdl._wrappers\n")


if __name__ == "__main__":
    unittest.main()
