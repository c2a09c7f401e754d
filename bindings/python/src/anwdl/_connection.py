"""The common base of ClientInstance, AsyncClientInstance and ClientInterface: operations on a socket."""

import contextlib
import json
import select
import socket as sockets
import threading
import time
from functools import partial
from types import SimpleNamespace, TracebackType
from typing import Any, Callable, ClassVar, Dict, Generator, Generic, List, Optional, Tuple, Type, TypeVar, Union

from anwdl._library import (
    OK,
    WANT_COMPUTATION,
    WANT_READ,
    WANTS,
    Failure,
    Guard,
    Lent,
    LibraryRuntimeError,
    LibraryValueError,
    NotCopied,
    Process,
    check,
    compute,
    deliver_messages,
    ffi,
    given_text,
    lent_string,
    lib,
    outcome,
    returned,
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


class Turn:
    """What a thread or a task of this process does while it has this lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._process = Process.number
        self._thread = threading.get_ident()

    def is_interrupted(self) -> bool:
        """Whether this thread is in it, and runs a signal handler."""
        return self._thread == threading.get_ident() and self.is_under_way()

    def is_under_way(self) -> bool:
        """Whether something has it. In a child, nothing of the parent counts."""
        return self._process == Process.number and self.lock.locked()


class Link:
    """One connection. The next one has a Link of its own, so that an operation of an earlier one cannot go on with it."""

    turn: Optional[Turn] = None
    waker: Optional[sockets.socket] = None
    """Wakes the thread that makes it, when there is no socket yet to shut down."""
    is_ended = False
    """Whether it counts as closed, although another thread must do something before it can be."""

    def __init__(self, socket: Optional[sockets.socket] = None, wait: Optional[Turn] = None) -> None:
        self.socket = socket
        self.wait = wait
        """What a thread has that waits for the descriptor of the socket."""

    def is_in_use(self) -> bool:
        """Whether an operation is under way."""
        return self.turn is not None and self.turn.is_under_way()

    def is_waited_for(self) -> bool:
        return self.wait is not None and self.wait.is_under_way()

    def close(self) -> None:
        """Closes the socket, unless a thread waits for it. That thread then closes it: earlier, the next connection could get the number
        of the descriptor, and the thread would wait for that."""
        if self.socket is not None and not self.is_waited_for():
            self.socket.close()


class Call(Generic[T]):
    """An operation: a function of the library, called until it has succeeded or failed. What it returned stays here until the caller has
    it, because a signal handler can raise at any moment in between; the same operation then finds it here."""

    link: Optional[Link] = None

    def __init__(self, function: Callable[..., int], *arguments: Any) -> None:
        self._function, self._arguments = function, arguments
        self._thread = threading.get_ident()
        self._outcome: List[Any] = []

    def repeats(self, earlier: "Call[Any]") -> bool:
        """Whether this is the same operation as one that has its result already."""
        same = self._thread, self._function, self._arguments
        return earlier.is_finished() and same == (earlier._thread, earlier._function, earlier._arguments)

    def is_finished(self) -> bool:
        return bool(self._outcome) and self._outcome[0] <= OK

    def status(self) -> int:
        """What the library returns, or has returned."""
        if not self.is_finished():
            # In one step, of which a signal handler sees all or nothing.
            self._outcome[:] = outcome(self._function, (self._given(),))
        return returned(*self._outcome)

    def result(self) -> T:
        return None  # type: ignore[return-value]

    def drop(self) -> None:
        """Frees what the library returned."""

    def _given(self) -> Tuple[Any, ...]:
        return self._arguments


class Receipt(Call[Dict[str, Any]]):
    """An operation that receives a message."""

    _kind: ClassVar[str]
    _reason: ClassVar[str]
    _get_json: ClassVar[Any]
    _free: ClassVar[Any]
    _text = ""

    def __init__(self, function: Callable[..., int], *arguments: Any) -> None:
        super().__init__(function, *arguments)
        self._out = ffi.new(self._kind)

    def status(self) -> int:
        status = super().status()
        if status == OK and not self._text:
            text = lent_string(self._get_json, self._out)
            if text is None:
                raise closed()  # by a signal handler, which has used a later connection, too
            self._text = text
        self.drop()
        return status

    def result(self) -> Dict[str, Any]:
        return parsed(self._text, self._reason)

    # No __del__(): what a signal handler raises in one is lost.
    def drop(self) -> None:
        message, self._out[0] = self._out[0], ffi.NULL
        self._free(message)

    def _given(self) -> Tuple[Any, ...]:
        return (*self._arguments, self._out)


class RequestReceipt(Receipt):
    _kind, _reason = "anwdl_request_t *[1]", "MALFORMED_REQUEST"
    _get_json, _free = lib.anwdl_request_get_json, lib.anwdl_request_free


class ResponseReceipt(Receipt):
    _kind, _reason = "anwdl_response_t *[1]", "MALFORMED_RESPONSE"
    _get_json, _free = lib.anwdl_response_get_json, lib.anwdl_response_free


Steps = Generator[Tuple[int, int, Link], None, None]
"""What an operation does: yields the status of each call that would have to wait, the descriptor to wait for, and the connection."""


class Connection(NotCopied):
    """A connection whose socket is a Python object. Its calls never wait in the library: signal handlers can run, another thread can
    close the connection, and an operation continues where an exception interrupted it."""

    _functions: ClassVar[SimpleNamespace]
    _seen: ClassVar[Dict[str, Callable[[Any], Any]]] = {"get_protocol": Protocol, "has_failed": bool, "is_idle": bool}
    """The functions that only look, and what makes a value of Python of what they return."""
    _out: Any = None
    """Has the library's object already when a signal handler raises in _create()."""
    _handle: Any = ffi.NULL
    _options: Options
    _call: Optional[Call[Any]] = None
    """The last operation, until its caller has the result."""

    def __init__(self, socket: Optional[sockets.socket] = None) -> None:
        self._guard = Guard()
        self._link = Link(socket)
        self._milliseconds = 0
        self._keeps: Dict[int, Any] = {}
        """What the library's object points to, and must not end before it, by its identity."""
        self._turns: Tuple[Turn, ...] = ()
        """Those under way, also of connections that were closed meanwhile."""

    @property
    def socket(self) -> Optional[sockets.socket]:
        return self._link.socket

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]) -> None:
        self._end()

    def isClosed(self) -> bool:
        """Whether the socket is closed, by this object or by other code."""
        socket = self.socket
        return self._link.is_ended or socket is None or socket.fileno() == -1

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
        self._set_wrapper(self._functions.set_rsa_wrapper, rsa_wrapper)

    def setAESWrapper(self, aes_wrapper: AESWrapper) -> None:
        """Sets the AES key. The connection copies it."""
        self._set_wrapper(self._functions.set_aes_wrapper, aes_wrapper)

    def getProtocol(self) -> Protocol:
        """The framing, or AUTO until it is known."""
        protocol: Protocol = self._see("get_protocol")
        return protocol

    def hasFailed(self) -> bool:
        """Whether a failure has ended the session."""
        return bool(self._see("has_failed"))

    def isIdle(self) -> bool:
        """Whether no request is under way, from its first byte to the last one of its response. Bytes that the socket holds may be one."""
        return bool(self._see("is_idle"))

    def compute(self) -> None:
        """Does the computation that WantComputation asks for. Call it on any thread. Meanwhile, the connection can be closed."""
        self._compute(self._link)

    # -- building blocks for the operations ----------------------------------------------------------------------------------------

    def _create(self, kind: str, *arguments: Any) -> None:
        """Makes the library's object."""
        self._out = ffi.new(f"{kind} **")
        check(self._functions.new, *arguments, self._out)
        self._handle = self._out[0]

    def _free(self) -> None:
        """Frees the library's object. The garbage collector may finalize objects that refer to this one later, and they may use it: they
        find NULL, which every function of the library refuses. `ffi.gc()` would leave them a dangling pointer."""
        self._handle = ffi.NULL
        if self._out is not None:
            handle, self._out[0] = self._out[0], ffi.NULL
            self._functions.free(handle)
        self._drop_call()
        deliver_messages()

    def _set_wrapper(self, function: Callable[..., int], wrapper: Union[RSAWrapper, AESWrapper]) -> None:
        # The wrapper is not used within the guard of the connection: a thread that had one guard and waited for another would not get it
        # from a thread that waits for the first one in a signal handler.
        keys, keeps, _sharing = wrapper._shared()

        def share() -> None:
            self._keeps.update(keeps)  # first, as a signal handler may raise in between
            check(function, self._handle, keys)

        self._guard.run(share)

    def _compute(self, link: Link) -> None:
        computation = threading.Lock()
        try:
            with computation:
                self._use(link, partial(self._begin_computation, computation))
                compute(self._functions.compute, self._handle)
        finally:
            self._guard.run(partial(self._finish_computation, link, computation), also_while_computing=True)

    def _begin_computation(self, computation: threading.Lock) -> None:
        self._seen_last = {name: self._see(name) for name in self._seen}
        self._guard.computation = computation

    def _finish_computation(self, link: Link, computation: threading.Lock) -> None:
        if self._guard.computation is computation:
            self._guard.computation = None
            if self._link is not link:
                self._let_go()

    def _end(self, link: Optional[Link] = None) -> bool:
        """Closes the connection, or only this one, and returns whether it was open. A computation that is under way ends the session."""
        return self._guard.run(partial(self._end_now, link), also_while_computing=True)

    def _end_now(self, link: Optional[Link]) -> bool:
        ending = self._link
        if link is not None and link is not ending:
            link.close()
            return False
        was_open = not self.isClosed()
        self._wake()
        self._link = Link(ending.socket, ending.wait)
        self._link.is_ended = ending.is_waited_for()
        if not self._guard.is_computing():
            self._guard.computation = None
            self._let_go()
        ending.close()
        return was_open

    def _wake(self) -> None:
        """Ends what waits for the connection. The peer notices its end before that of a computation."""
        if self._link.is_in_use() or self._guard.is_computing():
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
        if self._link is not link or link.is_ended:
            raise closed()
        if link.socket is not None:
            self._check_open()

    def _timeout(self) -> Optional[float]:
        """The timeout for the next operation, in seconds."""
        return self.socket.gettimeout() if self.socket is not None else None

    def _use(self, link: Link, use: Callable[[], T]) -> T:
        """Calls a function that uses this connection. If that is closed, the failure says so, even while a later one computes."""

        def use_if_open() -> T:
            self._check_open_still(link)
            self._guard.refuse_while_computing()
            return use()

        return self._guard.run(use_if_open, also_while_computing=True)

    def _see(self, name: str) -> Any:
        """What a function that only looks returns, or returned before the computation that is under way."""

        def see() -> Any:
            if self._guard.is_computing():
                return self._seen_last[name]
            look, kind = getattr(self._functions, name), self._seen[name]
            return lent_string(look, (self._handle,)) if kind is str else kind(look(self._handle))

        return self._guard.run(see, also_while_computing=True)

    def _wrapper(self, kind: Type[W], look_up: Any) -> Optional[W]:
        lent = Lent(look_up, self)
        return kind._lent_by(self._guard, lent) if self._guard.run(lambda: any(lent)) else None

    def _take_turn(self, turn: Turn, prepare: Callable[[], None]) -> Link:
        """Begins an operation, which has locked its turn, and returns the connection. There is one at a time."""
        prepare()
        link = self._link
        if link.is_in_use():
            raise LibraryRuntimeError("another thread or task is in an operation of this connection", "OPERATION_PENDING")
        timeout = milliseconds(self._timeout())
        if timeout != self._milliseconds:
            check(self._functions.set_timeout, self._handle, timeout)
            self._milliseconds = timeout
        self._turns = (*filter(Turn.is_under_way, self._turns), turn)
        link.turn = turn
        return link

    def _operation(self, call: Call[Any]) -> Steps:
        turn = Turn()
        with turn.lock:
            link = self._guard.run(partial(self._take_turn, turn, self._check_open))
            call.link = call.link or link
            if self._call is not call:
                self._drop_call()
            self._call = call
            yield from self._steps(call.link, call)

    def _steps(self, link: Link, call: Call[Any]) -> Steps:
        while True:
            status, descriptor = self._use(link, partial(self._step, call))
            if status == OK:
                return
            yield status, descriptor, link

    def _step(self, call: Call[Any]) -> Tuple[int, int]:
        status = call.status()
        descriptor = self._waiting_descriptor() if status != OK else -1
        if status != OK and descriptor == -1:
            raise closed()  # by a signal handler
        return status, descriptor

    def _drop_call(self) -> None:
        if self._call is not None:
            self._call.drop()

    def _repeated(self, call: Call[T]) -> Call[T]:
        """The earlier operation whose result this call asks for again, or the call itself."""
        earlier = self._call
        return earlier if earlier is not None and earlier.link is self._link and call.repeats(earlier) else call

    def _exchange(self, receive_first: bool) -> Call[None]:
        return Call(self._functions.exchange_keys, self._handle, bool(receive_first))

    def _drive(self, steps: Steps) -> None:
        """Waits for an operation as the options say."""
        timeout = self._timeout()
        deadline = time.monotonic() + timeout if timeout else None
        try:
            for want, descriptor, link in steps:
                if want == WANT_COMPUTATION and not self._options.separate_computation:
                    self._compute(link)
                elif self._options.non_blocking:
                    raise WANTS[want]
                else:
                    self._wait(link, want, descriptor, deadline)
        finally:
            steps.close()

    def _waiting_descriptor(self) -> int:
        """What an operation waits for; -1 if there is nothing."""
        socket = self.socket
        return socket.fileno() if socket is not None else -1

    def _wait(self, link: Link, want: int, descriptor: int, deadline: Optional[float]) -> None:
        def begin() -> None:
            link.wait = wait  # first: from then on, a signal handler that closes the connection leaves the descriptor to this wait
            self._check_open_still(link)

        poller, wait = select.poll(), Turn()
        poller.register(descriptor, select.POLLIN if want == WANT_READ else select.POLLOUT)
        if link.waker is not None:
            poller.register(link.waker, select.POLLIN)
        try:
            with wait.lock:
                self._guard.run(begin, also_while_computing=True)
                if deadline is None:
                    poller.poll()
                else:
                    # The library decides whether the time is up. One more millisecond avoids a call that is too early.
                    poller.poll(min(max((deadline - time.monotonic()) * 1000 + 1, 0), LONGEST_POLL))
        finally:
            self._guard.run(partial(self._close_if_ended, link), also_while_computing=True)

    def _close_if_ended(self, link: Link) -> None:
        if self._link is not link:
            link.close()


class BlockingSteps(Connection):
    """The operations of the classes that block their thread."""

    def exchangeKeys(self, receive_first: bool = True) -> None:
        """Exchanges the keys. By default the peer speaks first."""
        self._perform(self._exchange(receive_first))

    def sendPublicRSAKey(self) -> None:
        """Sends the local public key."""
        self._perform(Call(self._functions.send_public_rsa_key, self._handle))

    def recvPublicRSAKey(self) -> None:
        """Receives the peer's public key."""
        self._perform(Call(self._functions.recv_public_rsa_key, self._handle))

    def sendAESKey(self) -> None:
        """Sends the AES key."""
        self._perform(Call(self._functions.send_aes_key, self._handle))

    def recvAESKey(self) -> None:
        """Receives the peer's AES key."""
        self._perform(Call(self._functions.recv_aes_key, self._handle))

    def _perform(self, call: Call[T]) -> T:
        call = self._repeated(call)
        try:
            self._drive(self._operation(call))
            result = call.result()
        except Failure:
            if self._call is call:
                self._call = None
            raise
        # No signal handler can run between here and the caller.
        if self._call is call:
            self._call = None
        return result
