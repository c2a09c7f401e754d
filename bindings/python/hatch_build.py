"""Puts libanwdl.so and what cffi makes of its header into the wheel.

The library is the one that ANWDL_LIBRARY names, or the one that `make library` builds of this repository.
cffi's ABI mode is what is best kept: nothing is compiled for a version of Python, so that one wheel serves all of them, free-threaded
ones among them, and the declarations are those of the header that the library was built with.
"""

import ctypes
import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import cffi
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

REPOSITORY = Path(__file__).resolve().parents[2]
HEADER = REPOSITORY / "include" / "anwdl.h"
MADE = REPOSITORY / (os.environ.get("CARGO_TARGET_DIR") or "target")


def library() -> Path:
    """The shared library."""
    named = os.environ.get("ANWDL_LIBRARY")
    if named:
        return Path(named)
    if not HEADER.exists():
        raise FileNotFoundError("build this package within the repository of libanwdl, or set ANWDL_LIBRARY")
    # Always, as the declarations are those of today's header.
    subprocess.run(["make", "-C", str(REPOSITORY), "library"], check=True)
    return MADE / os.environ.get("CARGO_BUILD_TARGET", "") / "lib" / "libanwdl.so"


def check_it_loads(path: Path) -> None:
    """The wheel is named after this machine, so a library of another one does not belong in it."""
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        raise OSError(f"cannot load the library here: {error}; build the wheel on a machine like the one that it is for") from error


def declarations(header: str) -> str:
    """The parts of the header that cffi can read, without comments, attributes and preprocessor lines."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    text = re.sub(r"^ *#(?:.*\\\n)*.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r'^extern "C" \{|^\}\s*$', "", text, flags=re.MULTILINE)
    return re.sub(r"\bANWDL_(?:MUST_USE|INT_ENUM|(?:DEALLOC|DEPRECATED)\([^)]*\))", "", text)


def text_macros(header: str) -> dict[str, str]:
    """The macros that are strings."""
    return dict(re.findall(r'^#define ANWDL_(\w+) "(.*)"$', header, re.MULTILINE))


class CustomBuildHook(BuildHookInterface[Any]):
    """The hook that hatchling calls."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        shared_library = library()
        check_it_loads(shared_library)
        folder = MADE / "python" / "made"
        folder.mkdir(parents=True, exist_ok=True)
        header = HEADER.read_text(encoding="utf-8")
        ffi = cffi.FFI()
        ffi.cdef(declarations(header))
        ffi.set_source("_declarations", None)
        ffi.emit_python_code(str(folder / "_declarations.py"))
        macros = "".join(f"{name} = {value!r}\n" for name, value in text_macros(header).items())
        (folder / "_macros.py").write_text(macros, encoding="utf-8")
        platform = re.sub(r"[^A-Za-z0-9]", "_", sysconfig.get_platform())
        build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"].update(
            {
                str(shared_library): "anwdl/libanwdl.so",
                str(folder / "_declarations.py"): "anwdl/_declarations.py",
                str(folder / "_macros.py"): "anwdl/_macros.py",
                **{str(REPOSITORY / name): f"anwdl/{name}" for name in ("LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY.md")},
            }
        )
