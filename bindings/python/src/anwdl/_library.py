"""The library that the package carries: its functions, what their statuses become, and who may call them when."""

import importlib
import os
import sys
import threading
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Optional, Type, Union


def _refuse_subinterpreters() -> None:
    """cffi, and the one log handler of a process, belong to the main interpreter."""
    refusal = "anwdl works in the main interpreter only, and this is a subinterpreter: run it in a process of its own"
    if sys.implementation.name != "cpython":
        return
    try:
        from ctypes import c_void_p, pythonapi

        current, main = pythonapi.PyInterpreterState_Get, pythonapi.PyInterpreterState_Main
    except ImportError as error:
        # An interpreter with a GIL of its own may not even have ctypes.
        raise ImportError(refusal) from error
    current.restype = main.restype = c_void_p
    if current() != main():
        raise ImportError(refusal)


_refuse_subinterpreters()

# Made by the build; cffi's objects have the types that the header gives them, which Python's types cannot say.
ffi: Any = importlib.import_module("anwdl._declarations").ffi
lib: Any = ffi.dlopen(str(Path(__file__).with_name("libanwdl.so")))

OK: int = lib.ANWDL_OK
WANT_READ: int = lib.ANWDL_WANT_READ
WANT_WRITE: int = lib.ANWDL_WANT_WRITE
WANT_COMPUTATION: int = lib.ANWDL_WANT_COMPUTATION


class Failure(Exception):
    """What both exceptions of the package carry."""

    def __init__(self, message: str, reason: str, errno: int = 0) -> None:
        super().__init__(message, reason, errno)
        self.reason = reason
        """The name of the reason, such as "TIMEOUT"; the manual's page on errors has them all."""
        self.errno = errno
        """The error number of the system call that failed, or 0."""

    def __str__(self) -> str:
        return str(self.args[0])


class LibraryValueError(Failure, ValueError):
    """A value, the caller's or the peer's, is not acceptable."""


class LibraryRuntimeError(Failure, RuntimeError):
    """Something else failed: the connection, the system, the order of the calls."""


class Want(Exception):
    """A non-blocking call would have to wait: call it again, with the same arguments, when what it wants has come."""


class WantRead(Want):
    """Call again when the socket can be read."""


class WantWrite(Want):
    """Call again when the socket can be written to."""


class WantComputation(Want):
    """Call again after compute()."""


WANTS = {WANT_READ: WantRead, WANT_WRITE: WantWrite, WANT_COMPUTATION: WantComputation}

FAILURES: Dict[int, Type[Union[LibraryValueError, LibraryRuntimeError]]] = {
    lib.ANWDL_VALUE_ERROR: LibraryValueError,
    lib.ANWDL_RUNTIME_ERROR: LibraryRuntimeError,
}


@lru_cache(maxsize=None)
def reason_name(number: int) -> str:
    """As the header has it, without what all have in common."""
    return string(lib.anwdl_error_reason_name(number))


def failure(status: int) -> Failure:
    """The exception for a call of this thread that failed just before."""
    message = string(lib.anwdl_last_error_message())
    return FAILURES[status](message, reason_name(lib.anwdl_last_error_reason()), lib.anwdl_last_error_errno())


def check(status: int) -> None:
    """Raises what a status stands for, if it is no success."""
    if status != OK:
        raise failure(status)


def invalid(message: str) -> LibraryValueError:
    """For an argument that cannot even be handed on."""
    return LibraryValueError(message, "INVALID_ARGUMENT")


def string(borrowed: Any) -> str:
    """A text of the library's."""
    return str(ffi.string(borrowed), "utf-8")


class NotCopied:
    """Has an object of the library, which a copy would free a second time."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"{type(self).__name__} cannot be copied or pickled: make another one")


def given_text(name: str, value: Union[str, bytes]) -> bytes:
    """A text for the library, to which a zero byte is its end."""
    # Half a surrogate pair becomes bytes that are no UTF-8, which the library refuses in its own words.
    encoded = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else given_bytes(value)
    if b"\0" in encoded:
        raise invalid(f"{name} has a zero byte")
    return encoded


def given_bytes(data: Union[str, bytes]) -> bytes:
    """Bytes for the library; a text is UTF-8, as in the Python server."""
    # Of a number, bytes() would make as many zeros.
    return data.encode() if isinstance(data, str) else bytes(memoryview(data))


def given_number(name: str, value: int, most: int) -> int:
    """A number that fits into the library's type."""
    if not 0 <= value <= most:
        raise invalid(f"{name} is {value}; 0 to {most} can be handed on")
    return value


def taken_bytes(function: Any, *arguments: Any) -> Optional[bytes]:
    """What a function gives to its caller as bytes, or None for NULL."""
    out, length = ffi.new("uint8_t **"), ffi.new("size_t *")
    check(function(*arguments, out, length))
    if out[0] == ffi.NULL:
        return None
    try:
        return bytes(ffi.buffer(out[0], length[0]))
    finally:
        lib.anwdl_bytes_free(out[0], length[0])


def some_bytes(function: Any, *arguments: Any) -> bytes:
    """The same of a function that never gives NULL."""
    taken = taken_bytes(function, *arguments)
    assert taken is not None
    return taken


def taken_string(function: Any, *arguments: Any) -> Optional[bytes]:
    """What a function gives to its caller as a text, or None for NULL."""
    out = ffi.new("char **")
    check(function(*arguments, out))
    if out[0] == ffi.NULL:
        return None
    try:
        return bytes(ffi.string(out[0]))
    finally:
        lib.anwdl_string_free(out[0])


class _Handling(threading.local):
    log_record = False


handling = _Handling()
"""Whether this thread is in a log handler, and so within a call of the library."""


class _Process:
    """Which process this is, seen from the first: a forked child of it is another one."""

    number = 0
    renewing = threading.Lock()

    @classmethod
    def is_forked(cls) -> None:
        cls.number += 1
        cls.renewing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Process.is_forked)


class Guard:
    """Has one thread at a time in calls with an object."""

    __slots__ = ("_lock", "_depth", "_process")

    def __init__(self) -> None:
        # A handler of a signal runs between two lines of the thread that has the lock, and may go on.
        self._lock = threading.RLock()
        self._depth = 0
        self._process = _Process.number

    def __enter__(self) -> None:
        if self._process != _Process.number:
            self._renew()
        self._lock.acquire()
        if self._depth and handling.log_record:
            self._lock.release()
            raise LibraryRuntimeError("a log handler must not use the object whose call it is told of", "OPERATION_PENDING")
        self._depth += 1

    def _renew(self) -> None:
        """Takes the lock from a thread that had it when the process was forked, and is not in the child."""
        with _Process.renewing:
            if self._process == _Process.number:
                return
            if self._lock.acquire(blocking=False):
                self._lock.release()
            else:
                self._lock, self._depth = threading.RLock(), 0
            self._process = _Process.number

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]) -> None:
        self._depth -= 1
        self._lock.release()
