"""The package as it was installed: its types, its metadata, what it needs of a system, and the code in its manual page."""

import ast
import importlib.metadata
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import unittest
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anwdl
from ends import need_equal, own_keys, peer_settings
from peer import PeerClosed, ProtocolName, Session
from server_process import ServerProcess

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
PAGE = REPOSITORY / "docs" / "python.md"
PACKAGE = Path(anwdl.__file__).parent
OLDEST_PYTHON = (3, 11)


def blocks(language: str) -> list[str]:
    """The blocks of code of the manual page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def program_of_the_page() -> str:
    """The first server."""
    (program,) = (code for code in blocks("python") if "create_server" in code)
    return program


def fragment(code: str) -> str:
    """A block that is a part of a program, as one: names that it is given are arguments, and it may wait."""
    return "async def fragment():\n" + "".join(f"    {line}\n" for line in code.splitlines())


class Types(unittest.TestCase):
    def mypy(self, *arguments: str) -> None:
        found = os.pathsep.join(str(folder) for folder in (REPOSITORY / "tests" / "interop", HERE, HERE.parent / "examples"))
        command = [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            str(HERE.parent / "pyproject.toml"),
            "--cache-dir",
            os.devnull,
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MYPYPATH": found}, cwd=HERE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_of_the_package_the_examples_and_the_tests(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            first_server = Path(folder) / "first_server.py"
            first_server.write_text(program_of_the_page(), encoding="utf-8")
            # A copy, as mypy checks no files where packages are installed.
            copied = Path(shutil.copytree(PACKAGE, Path(folder) / "anwdl", ignore=shutil.ignore_patterns("*.so")))
            files = [first_server]
            for source in (copied, HERE, HERE.parent / "examples"):
                files += sorted(source.glob("*.py"))
            self.mypy(*map(str, files))


class Installed(unittest.TestCase):
    def test_the_version_is_that_of_the_library(self) -> None:
        manifest = (REPOSITORY / "Cargo.toml").read_text(encoding="utf-8")
        found = re.search(r'^version = "(.+)"$', manifest, re.MULTILINE)
        assert found is not None
        self.assertEqual((importlib.metadata.version("anwdl"), anwdl.__version__), (found[1], found[1]))

    def test_it_is_typed_and_licensed_and_carries_the_library(self) -> None:
        for name in ("py.typed", "libanwdl.so", "LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.md"):
            self.assertTrue((PACKAGE / name).exists(), name)

    def test_it_is_syntax_of_the_oldest_python(self) -> None:
        for path in [*PACKAGE.glob("*.py"), *(HERE.parent / "examples").glob("*.py")]:
            with self.subTest(path.name):
                ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST_PYTHON)


CALL_THE_HOOK = """
import hatch_build
hatch_build.CustomBuildHook("", {}, None, None, "", "").initialize("standard", {"force_include": {}})
"""
"""What hatchling does with it."""

E_MACHINE = 18
"""Where an ELF file says which machine it is for."""

BUILT_LIBRARY = "import subprocess, hatch_build; subprocess.run = lambda *_, **__: None; print(hatch_build.library())"
"""Tells it without building it."""


class Wheel(unittest.TestCase):
    def test_it_carries_the_library_that_make_builds(self) -> None:
        given = ("ANWDL_LIBRARY", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")
        usual = {name: value for name, value in os.environ.items() if name not in given}
        system, folder = {"CARGO_BUILD_TARGET": "x86_64-unknown-linux-gnu"}, {"CARGO_TARGET_DIR": "elsewhere"}
        ask_make = ["make", "--no-print-directory", "--eval=told: ; @echo $(call absolute,$(LIBRARY))", "told"]
        for variables in ({}, system, folder, system | folder, dict.fromkeys(system | folder, "")):
            with self.subTest(variables):
                made, taken = (
                    subprocess.run(command, cwd=at, env=usual | variables, capture_output=True, text=True, check=True).stdout
                    for command, at in ((ask_make, REPOSITORY), ([sys.executable, "-c", BUILT_LIBRARY], HERE.parent))
                )
                self.assertEqual(taken, made)

    def test_it_refuses_a_library_of_another_machine(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            altered = Path(shutil.copy(PACKAGE / "libanwdl.so", folder))
            environment = {**os.environ, "ANWDL_LIBRARY": str(altered), "CARGO_TARGET_DIR": folder}
            for machine, expected in ((None, 0), (0xFFFF, 1)):
                if machine is not None:
                    with altered.open("r+b") as file:
                        file.seek(E_MACHINE)
                        file.write(machine.to_bytes(2, sys.byteorder))
                command = [sys.executable, "-c", CALL_THE_HOOK]
                done = subprocess.run(command, cwd=HERE.parent, env=environment, capture_output=True, text=True)
                self.assertEqual(done.returncode, expected, done.stderr)
            self.assertIn("build the wheel on a machine like the one that it is for", done.stderr)


SHORT_OF_EVERYTHING = """
    import errno, socket, threading
    failures = [OSError(errno.EMFILE, "no descriptor"), OSError(errno.ECONNABORTED, "has left"), RuntimeError("no thread")]
    accept, start = socket.socket.accept, threading.Thread.start
    def accept_or_fail(self):
        if len(failures) > 1:
            raise failures.pop(0)
        return accept(self)
    def start_or_fail(self):
        if failures:
            raise failures.pop(0)
        start(self)
    socket.socket.accept, threading.Thread.start = accept_or_fail, start_or_fail
"""
"""What a crowd can do to a program."""


@contextmanager
def first_server(before: str = "") -> Iterator[ServerProcess]:
    """The program of the page, after other lines of Python."""
    program = program_of_the_page()
    with tempfile.TemporaryDirectory() as folder:
        server = Path(folder) / "server.py"
        need_equal(program.count("6150"), 1)
        # A free port, which is told as the other servers tell theirs.
        listen = re.search(r"^with socket\.create_server\(.*\) as (\w+):$", program, re.MULTILINE)
        assert listen is not None
        told = f'{listen[0]}\n    print("listening on 127.0.0.1:%d" % {listen[1]}.getsockname()[1], flush=True)'
        server.write_text(before + program.replace(listen[0], told).replace("6150", "0"), encoding="utf-8")
        # As after its first run: making one takes seconds.
        own_keys().save(Path(folder) / "server.pem")
        at = os.getcwd()
        os.chdir(folder)
        try:
            process = ServerProcess(server)
        finally:
            os.chdir(at)
        with process:
            yield process


class Page(unittest.TestCase):
    def test_the_first_server_serves_every_kind_of_client(self) -> None:
        with first_server() as process:
            for framing in ProtocolName:
                if framing is not ProtocolName.AUTO:
                    with self.subTest(framing.value):
                        self.assert_served(process, framing)

    def test_the_first_server_outlives_a_crowd(self) -> None:
        with first_server(textwrap.dedent(SHORT_OF_EVERYTHING)) as process:
            for framing in (ProtocolName.V4, ProtocolName.GCM):
                # The first one got no thread.
                with suppress(PeerClosed), socket.create_connection(("127.0.0.1", process.port)) as connection:
                    Session.connect(connection, peer_settings())
                self.assert_served(process, framing)

    def assert_served(self, process: ServerProcess, framing: ProtocolName) -> None:
        connection = socket.create_connection(("127.0.0.1", process.port))
        with Session.connect(connection, peer_settings(protocol=framing)) as session:
            self.assertTrue(session.request("STAT", {})["success"])
            self.assertFalse(session.request("OTHER", {})["success"])

    def test_its_code_is_python_and_its_names_exist(self) -> None:
        for code in blocks("python"):
            with self.subTest(code):
                ast.parse(fragment(code))
                for name in re.findall(r"\banwdl\.(\w+)", code):
                    self.assertTrue(hasattr(anwdl, name) or (PACKAGE / f"{name}.py").exists(), name)

    def test_it_names_everything_that_only_this_package_has(self) -> None:
        text = PAGE.read_text(encoding="utf-8")
        for name in [*anwdl.__all__, *(field for field in anwdl.Options.__dataclass_fields__)]:
            if not name.startswith("RESPONSE_"):
                self.assertRegex(text, rf"\b{name}\b")


if __name__ == "__main__":
    unittest.main()
