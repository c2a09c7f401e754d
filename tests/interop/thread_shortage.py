"""Has a program get no thread."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

SOURCE = Path(__file__).with_suffix(".c")


@contextmanager
def thread_shortage(number: int) -> Iterator[None]:
    """A program that is started meanwhile gets none at its try with this number, counted from 1."""
    with TemporaryDirectory() as folder:
        library = Path(folder) / "thread_shortage.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        with mock.patch.dict(os.environ, {"LD_PRELOAD": str(library), "ANWDL_TEST_THREAD": str(number)}):
            yield
