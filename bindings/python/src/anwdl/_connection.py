"""The common base of ClientInstance, AsyncClientInstance and ClientInterface: operations on a socket."""

import contextlib
import json
import select
import socket as sockets
import time
from types import SimpleNamespace, TracebackType
from typing import Any, Callable, ClassVar, Dict, Generator, Iterator, Optional, Tuple, Type, TypeVar

from anwdl._library import (
    OK,
    WANT_COMPUTATION,
    WANT_READ,
    WANTS,
    Guard,
    LibraryRuntimeError,
    LibraryValueError,
    NotCopied,
    Process,
    check,
    failure,
    ffi,
    given_text,
    lib,
    string,
)
from anwdl._options import Options, Protocol, milliseconds
from anwdl._wrappers import AESWrapper, RSAWrapper

T = TypeVar("T")
C = TypeVar("C", bound="Connection")
W = TypeVar("W", RSAWrapper, AESWrapper)

LONGEST_POLL = (1 << 31) - 1
"""Milliseconds."""

to_json = json.JSONEncoder(ensure_ascii=False).encode


def functions_of(prefix: str) -> SimpleNamespace:
    """The functions whose names begin with this prefix, by the rest of their names."""
    return SimpleNamespace(**{name[len(prefix) :]: getattr(lib, name) for name in dir(lib) if name.startswith(prefix)})


def closed() -> LibraryRuntimeError:
    return LibraryRuntimeError("the connection is closed", "CLOSED")


def json_object(name: str, value: Any) -> bytes:
    """A dictionary argument as JSON. For anything else, the library raises the error."""
    return given_text(name, to_json({} if value is None else value))


def parsed(text: str, reason: str) -> Dict[str, Any]:
    """A message that the library has checked."""
    try:
        message: Dict[str, Any] = json.loads(text)
    except ValueError as error:  # Python has a limit to the digits of a number
        raise LibraryValueError(f"Python does not read the message: {error}", reason) from error
    return message


class Operation:
    """What is under way on a thread or a task of this process."""

    def __init__(self) -> None:
        self.process = Process.number


class Link:
    """One connection. After it, there is another one of these, on which its operations do not go on."""

    operation: Optional[Operation] = None
    waker: Optional[sockets.socket] = None
    """Wakes the thread that makes it, when there is no socket yet to shut down."""

    def is_in_use(self) -> bool:
        """Whether an operation is under way. One of the parent's is not, in a child."""
        return self.operation is not None and self.operation.process == Process.number


Steps = Generator[Tuple[int, int, Link], None, T]
"""An operation: yields the status of each call that would have to wait, the descriptor to wait for, and the connection; finally returns
its result."""


class Connection(NotCopied):
    """A connection whose socket is a Python object. Its calls never wait in the library: signal handlers can run, another thread can
    close the connection, and an operation continues where an exception interrupted it."""

    _functions: ClassVar[SimpleNamespace]
    _seen: ClassVar[Dict[str, Callable[[Any], Any]]] = {"get_protocol": Protocol, "has_failed": bool}
    """The functions that only look, and what makes a value of Python of what they return."""
    socket: Optional[sockets.socket] = None
    _handle: Any = ffi.NULL
    _options: Options

    def __init__(self) -> None:
        self._guard = Guard()
        self._link = Link()
        self._milliseconds = 0

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]) -> None:
        self._end()

    def isClosed(self) -> bool:
        """Whether the socket is closed, by this object or by other code."""
        return self.socket is None or self.socket.fileno() == -1

    def closeConnection(self) -> None:
        """Closes the connection and wipes the keys of the session. Calls that wait on other threads fail."""
        if not self._end():
            raise closed()

    def getRSAWrapper(self) -> Optional[RSAWrapper]:
        """The RSA keys of the session, or None before there are any."""
        return self._wrapper(RSAWrapper, self._functions.get_rsa_wrapper)

    def getAESWrapper(self) -> Optional[AESWrapper]:
        """The AES key of the session, or None: before the exchange, and in the framing GCM."""
        return self._wrapper(AESWrapper, self._functions.get_aes_wrapper)

    def setRSAWrapper(self, rsa_wrapper: RSAWrapper) -> None:
        """Sets the RSA keys. The connection copies them."""
        first, second = sorted((self._guard, rsa_wrapper._guard), key=id)
        with first, second:
            check(self._functions.set_rsa_wrapper(self._handle, rsa_wrapper._read()))

    def setAESWrapper(self, aes_wrapper: AESWrapper) -> None:
        """Sets the AES key. The connection copies it."""
        first, second = sorted((self._guard, aes_wrapper._guard), key=id)
        with first, second:
            check(self._functions.set_aes_wrapper(self._handle, aes_wrapper._read()))

    def getProtocol(self) -> Protocol:
        """The framing, or AUTO until it is known."""
        protocol: Protocol = self._see("get_protocol")
        return protocol

    def hasFailed(self) -> bool:
        """Whether a failure has ended the session."""
        return bool(self._see("has_failed"))

    def compute(self) -> None:
        """Does the computation that WantComputation asks for. Call it on any thread. Meanwhile, the connection can be closed."""
        self._compute(self._link)

    # -- building blocks for the operations ----------------------------------------------------------------------------------------

    def _free(self) -> None:
        """Frees the library's object. The garbage collector may finalize objects that refer to this one later, and they may use it: they
        find NULL, which every function of the library refuses. `ffi.gc()` would leave them a dangling pointer."""
        handle, self._handle = self._handle, ffi.NULL
        self._functions.free(handle)

    def _compute(self, link: Link) -> None:
        computation = object()
        try:
            with self._using(link):
                self._seen_last = {name: self._see(name) for name in self._seen}
                self._guard.computation = computation
            check(self._functions.compute(self._handle))
        finally:
            with self._guard.also_while_computing():
                if self._guard.computation is computation:
                    self._guard.computation = None
                    if self._link is not link:
                        self._let_go()

    def _end(self, link: Optional[Link] = None) -> bool:
        """Closes the connection, or only this one, and returns whether it was open. A computation that is under way ends the session."""
        with self._guard.also_while_computing():
            if link not in (None, self._link):
                return False
            was_open = not self.isClosed()
            self._wake()
            self._link = Link()
            if self._guard.computation is None:
                self._let_go()
            if self.socket is not None:
                self.socket.close()
        return was_open

    def _wake(self) -> None:
        """Ends what waits for the connection. The peer notices its end before that of a computation."""
        if self._link.is_in_use() or self._guard.computation is not None:
            for socket in filter(None, (self._link.waker, self.socket)):
                with contextlib.suppress(OSError):
                    socket.shutdown(sockets.SHUT_RDWR)

    def _let_go(self) -> None:
        """Ends the session. After that, the library has no descriptor."""
        raise NotImplementedError

    def _check_open(self) -> None:
        """Raises if the socket does not have the library's descriptor."""
        raise NotImplementedError

    def _check_open_still(self, link: Link) -> None:
        """The same for an operation of this connection, which may be the one that makes it."""
        if self._link is not link:
            raise closed()
        if self.socket is not None:
            self._check_open()

    def _timeout(self) -> Optional[float]:
        """The timeout for the next operation, in seconds."""
        return self.socket.gettimeout() if self.socket is not None else None

    @contextlib.contextmanager
    def _using(self, link: Link) -> Iterator[None]:
        """For calls of the library on this connection. It is CLOSED, too, while there is a computation of another one."""
        with self._guard.also_while_computing():
            self._check_open_still(link)
            with self._guard:
                yield

    def _see(self, name: str) -> Any:
        """What a function that only looks returns, or returned before the computation that is under way."""
        with self._guard.also_while_computing():
            if self._guard.computation is not None:
                return self._seen_last[name]
            return self._seen[name](getattr(self._functions, name)(self._handle))

    def _wrapper(self, kind: Type[W], look_up: Any) -> Optional[W]:
        with self._guard:
            has_one = look_up(self._handle) != ffi.NULL
        return kind._lent_by(self._guard, lambda: look_up(self._handle)) if has_one else None

    @contextlib.contextmanager
    def _turn(self, prepare: Callable[[], None]) -> Iterator[Link]:
        """The connection, for one operation at a time."""
        link, operation = self._link, Operation()
        try:
            with self._guard:
                prepare()
                link = self._link
                if link.is_in_use():
                    raise LibraryRuntimeError("another thread or task is in an operation of this connection", "OPERATION_PENDING")
                timeout = milliseconds(self._timeout())
                if timeout != self._milliseconds:
                    check(self._functions.set_timeout(self._handle, timeout))
                    self._milliseconds = timeout
                link.operation = operation
            yield link
        finally:
            if link.operation is operation:
                link.operation = None

    def _operation(self, call: Callable[[], int]) -> Steps[None]:
        """The operation that calls the library's function `call`."""
        with self._turn(self._check_open) as link:
            yield from self._steps(link, call)

    def _steps(self, link: Link, call: Callable[[], int]) -> Steps[None]:
        while True:
            with self._using(link):
                status = call()
                if status < OK:
                    raise failure(status)
                descriptor = self._waiting_descriptor()
            if status == OK:
                return
            yield status, descriptor, link

    def _exchange(self, receive_first: bool) -> Steps[None]:
        return self._operation(self._exchanging(receive_first))

    def _exchanging(self, receive_first: bool) -> Callable[[], int]:
        return lambda: int(self._functions.exchange_keys(self._handle, bool(receive_first)))

    def _step(self, name: str) -> Steps[None]:
        function = getattr(self._functions, name)
        return self._operation(lambda: int(function(self._handle)))

    def _drive(self, steps: Steps[T]) -> T:
        """Waits for an operation as the options say, and returns its result."""
        timeout = self._timeout()
        deadline = time.monotonic() + timeout if timeout else None
        try:
            while True:
                want, descriptor, link = next(steps)
                if want == WANT_COMPUTATION and not self._options.separate_computation:
                    self._compute(link)
                elif self._options.non_blocking:
                    raise WANTS[want]
                else:
                    self._wait(want, descriptor, link.waker, deadline)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()

    def _waiting_descriptor(self) -> int:
        """What an operation waits for; -1 if there is nothing."""
        return self.socket.fileno() if self.socket is not None else -1

    def _wait(self, want: int, descriptor: int, waker: Optional[sockets.socket], deadline: Optional[float]) -> None:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN if want == WANT_READ else select.POLLOUT)
        if waker is not None:
            poller.register(waker, select.POLLIN)
        if deadline is None:
            poller.poll()
        else:
            # The library decides whether the time is up. One more millisecond avoids a call that is too early.
            poller.poll(min(max((deadline - time.monotonic()) * 1000 + 1, 0), LONGEST_POLL))


class BlockingSteps(Connection):
    """The key exchange of the classes that block their thread."""

    def exchangeKeys(self, receive_first: bool = True) -> None:
        """Exchanges the keys. By default the peer speaks first."""
        self._drive(self._exchange(receive_first))

    def sendPublicRSAKey(self) -> None:
        """Sends the local public key."""
        self._drive(self._step("send_public_rsa_key"))

    def recvPublicRSAKey(self) -> None:
        """Receives the peer's public key."""
        self._drive(self._step("recv_public_rsa_key"))

    def sendAESKey(self) -> None:
        """Sends the AES key."""
        self._drive(self._step("send_aes_key"))

    def recvAESKey(self) -> None:
        """Receives the peer's AES key."""
        self._drive(self._step("recv_aes_key"))


def text_or_none(borrowed: Any) -> Optional[str]:
    """A string of the library, or None for NULL."""
    return None if borrowed == ffi.NULL else string(borrowed)
