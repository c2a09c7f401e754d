"""The side that connects."""

import os
import socket as sockets
from concurrent.futures import Executor
from functools import partial
from typing import Any, Dict, List, Optional

from anwdl._awaiting import Awaiting
from anwdl._connection import BlockingSteps, Call, Connection, Link, ResponseReceipt, Turn, closed, functions_of, json_object
from anwdl._library import (
    OK,
    LibraryRuntimeError,
    Want,
    check,
    ffi,
    given_number,
    given_text,
    lib,
    taken_string,
)
from anwdl._options import Options, handle_of, milliseconds
from anwdl._wrappers import AESWrapper, RSAWrapper

DEFAULT_SERVER_LISTEN_PORT = 6150
MOST_PORT = (1 << 16) - 1


def io_failed(error: OSError) -> LibraryRuntimeError:
    return LibraryRuntimeError(f"no descriptor for the connection: {error}", "IO_FAILED", error.errno or 0)


def share_socket(descriptor: int, link: Link) -> sockets.socket:
    """Gives the link a socket of its own for the library's connection. A descriptor that stayed behind when a signal handler raises would
    keep that open."""
    made = sockets.socket.__new__(sockets.socket)
    duplicate: List[int] = []
    try:
        duplicate[:] = map(os.dup, (descriptor,))  # in one step
        sockets.socket.__init__(made, fileno=duplicate[0])
        link.socket = made
    except BaseException:
        for not_taken in {*duplicate} - {made.fileno()}:
            os.close(not_taken)
        sockets.SocketType.close(made)  # which need not be complete
        raise
    return made


class Interface(Connection):
    """A connection that this side makes, and can make again."""

    _functions = functions_of("anwdl_client_interface_")

    def __init__(
        self,
        server_ip: str,
        server_listen_port: int,
        timeout: Optional[float],
        rsa_wrapper: Optional[RSAWrapper],
        aes_wrapper: Optional[AESWrapper],
        options: Options,
    ) -> None:
        super().__init__()
        self._server = given_text("server_ip", server_ip), given_number("server_listen_port", server_listen_port, MOST_PORT)
        self._options = options
        self._seconds = timeout or None
        self._milliseconds = milliseconds(timeout)
        given = handle_of(options, timeout, rsa_wrapper, aes_wrapper, self._keeps)
        self._create("anwdl_client_interface_t", given)

    def __del__(self) -> None:
        if self._handle != ffi.NULL and self.socket is not None:
            self.socket.close()
        self._free()

    def fileno(self) -> int:
        """The descriptor to wait for, of the connection or of one that is being made; -1 if there is none."""
        socket = self.socket
        if socket is not None:
            return -1 if self._link.is_ended else socket.fileno()
        return self._guard.run(lambda: int(lib.anwdl_client_interface_get_socket_descriptor(self._handle)))

    def isClosed(self) -> bool:
        """Whether there is no connection, also as other code closed its socket, and none is being made."""
        if self._link.is_ended or self.socket is not None:
            return super().isClosed()
        return self._guard.run(lambda: bool(lib.anwdl_client_interface_is_closed(self._handle)))

    def getSocketDescriptor(self) -> Optional[sockets.socket]:
        """A socket of the connection, or None before there is one."""
        return self.socket

    def getServerFingerprint(self) -> str:
        """The fingerprint of the server's public key: 64 hexadecimal digits."""
        fingerprint = self._guard.run(lambda: taken_string(lib.anwdl_client_interface_get_server_fingerprint, self._handle))
        assert fingerprint is not None
        return fingerprint.decode()

    def _waiting_descriptor(self) -> int:
        return self.fileno()

    def _make_way(self) -> None:
        if self.isClosed():
            if self.socket is not None:
                self._end()
                self._link = Link()
        elif self.socket is not None and not self._link.is_in_use():
            check(self._connect, self._link)  # the library refuses

    def _connect(self, link: Link) -> int:
        status = int(lib.anwdl_client_interface_connect_server(self._handle, *self._server))
        if status == OK:
            try:
                share_socket(lib.anwdl_client_interface_get_socket_descriptor(self._handle), link).settimeout(self._seconds)
            except OSError as error:
                self._check_open_still(link)
                raise io_failed(error) from error
        return status

    def _connecting(self, link: Link) -> Call[None]:
        return Call(self._connect, link)

    def _timeout(self) -> Optional[float]:
        return self._seconds if self.socket is None else super()._timeout()

    def _send(self, verb: str, parameters: Optional[Dict[str, Any]]) -> Call[None]:
        texts = given_text("verb", verb), json_object("parameters", parameters)
        return Call(lib.anwdl_client_interface_send_request, self._handle, *texts)

    def _receive(self) -> Call[Dict[str, Any]]:
        return ResponseReceipt(lib.anwdl_client_interface_recv_response, self._handle)

    def _let_go(self) -> None:
        if not lib.anwdl_client_interface_is_closed(self._handle):
            check(lib.anwdl_client_interface_close_connection, self._handle)

    def _check_open(self) -> None:
        if self.isClosed():
            self._let_go()
            raise closed()


class ClientInterface(BlockingSteps, Interface):
    """The ClientInterface of the Python client. docs/python.md of libanwdl lists the differences."""

    def __init__(
        self,
        server_ip: str,
        server_listen_port: int = DEFAULT_SERVER_LISTEN_PORT,
        timeout: Optional[float] = None,
        rsa_wrapper: Optional[RSAWrapper] = None,
        aes_wrapper: Optional[AESWrapper] = None,
        *,
        options: Options = Options(),
    ) -> None:
        Interface.__init__(self, server_ip, server_listen_port, timeout, rsa_wrapper, aes_wrapper, options)

    def connectServer(self, receive_first: bool = False) -> None:
        """Connects and exchanges the keys. A non-blocking interface leaves the keys to exchangeKeys()."""
        turn = Turn()
        with turn.lock:
            link = self._guard.run(partial(self._take_turn, turn, self._make_way_for_thread))
            try:
                if self._options.non_blocking:
                    self._drive(self._steps(link, self._connecting(link)))
                    return
                try:
                    link.waker, other = sockets.socketpair()
                except OSError as error:
                    raise io_failed(error) from error
                with link.waker, other:
                    self._drive(self._steps(link, self._connecting(link)))
                link.waker = None
                self._drive(self._steps(link, self._exchange(receive_first)))
            except Want:
                raise
            except BaseException:
                self._end(link)
                raise

    def _make_way_for_thread(self) -> None:
        # The interrupted call would go on with the new connection.
        if any(turn.is_interrupted() for turn in self._turns):
            raise LibraryRuntimeError("a signal handler cannot connect while it interrupts a call of this object", "OPERATION_PENDING")
        self._make_way()

    def sendRequest(self, verb: str, parameters: Optional[Dict[str, Any]] = None) -> None:
        """Sends a request. Without parameters, it sends an empty dictionary."""
        self._perform(self._send(verb, parameters))

    def recvResponse(self) -> Dict[str, Any]:
        """Receives the response to the last request."""
        return self._perform(self._receive())


class AsyncClientInterface(Awaiting, Interface):
    """A ClientInterface for asyncio: methods that wait are coroutines, and the private key operation runs on a thread of the executor."""

    def __init__(
        self,
        server_ip: str,
        rsa_wrapper: RSAWrapper,
        server_listen_port: int = DEFAULT_SERVER_LISTEN_PORT,
        timeout: Optional[float] = None,
        aes_wrapper: Optional[AESWrapper] = None,
        *,
        options: Options = Options(),
        executor: Optional[Executor] = None,
    ) -> None:
        own = self._begin(timeout, executor, options)
        super().__init__(server_ip, server_listen_port, timeout, rsa_wrapper, aes_wrapper, own)

    async def connectServer(self, receive_first: bool = False) -> None:
        """Connects and exchanges the keys."""
        turn = Turn()
        with turn.lock:
            link = self._guard.run(partial(self._take_turn, turn, self._make_way))
            try:
                await self._await(self._steps(link, self._connecting(link)))
                await self._await(self._steps(link, self._exchange(receive_first)))
            except BaseException:
                self._end(link)
                raise

    async def sendRequest(self, verb: str, parameters: Optional[Dict[str, Any]] = None) -> None:
        """Sends a request. Without parameters, it sends an empty dictionary."""
        await self._perform(self._send(verb, parameters))

    async def recvResponse(self) -> Dict[str, Any]:
        """Receives the response to the last request."""
        return await self._perform(self._receive())
