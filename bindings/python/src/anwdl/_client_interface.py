"""The side that connects."""

import contextlib
import os
import socket as sockets
from concurrent.futures import Executor
from typing import Any, Dict, Iterator, Optional

from anwdl._awaiting import Awaiting
from anwdl._connection import BlockingSteps, Connection, Link, Steps, closed, functions_of, json_object, parsed
from anwdl._library import (
    OK,
    Want,
    check,
    ffi,
    given_number,
    given_text,
    lib,
    string,
    taken_string,
)
from anwdl._options import Options, handle_of, milliseconds
from anwdl._wrappers import AESWrapper, RSAWrapper

DEFAULT_SERVER_LISTEN_PORT = 6150
MOST_PORT = (1 << 16) - 1


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
        out = ffi.new("anwdl_client_interface_t **")
        check(lib.anwdl_client_interface_new(handle_of(options, timeout, rsa_wrapper, aes_wrapper), out))
        self._handle = out[0]

    def __del__(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self._free()

    def fileno(self) -> int:
        """The descriptor to wait for, of the connection or of one that is being made; -1 if there is none."""
        if self.socket is not None:
            return self.socket.fileno()
        with self._guard:
            return int(lib.anwdl_client_interface_get_socket_descriptor(self._handle))

    def isClosed(self) -> bool:
        """Whether there is no connection, also as other code closed its socket, and none is being made."""
        if self.socket is not None:
            return super().isClosed()
        with self._guard:
            return bool(lib.anwdl_client_interface_is_closed(self._handle))

    def getSocketDescriptor(self) -> Optional[sockets.socket]:
        """A socket of the connection, or None before there is one."""
        return self.socket

    def getServerFingerprint(self) -> str:
        """The fingerprint of the server's public key: 64 hexadecimal digits."""
        with self._guard:
            fingerprint = taken_string(lib.anwdl_client_interface_get_server_fingerprint, self._handle)
        assert fingerprint is not None
        return fingerprint.decode()

    def _waiting_descriptor(self) -> int:
        return self.fileno()

    @contextlib.contextmanager
    def _connecting(self) -> Iterator[Link]:
        """The connection that the block makes, and has to itself. If the block fails, it is closed."""
        with self._turn(self._make_way) as link:
            try:
                yield link
            except Want:
                raise
            except BaseException:
                self._end(link)
                raise

    def _make_way(self) -> None:
        if self.socket is None:
            return
        if self.isClosed():
            self._end()
            self.socket = None
        elif not self._link.is_in_use():
            check(self._connect())  # the library refuses

    def _connect(self) -> int:
        status = int(lib.anwdl_client_interface_connect_server(self._handle, *self._server))
        if status == OK:
            # Of one's own, as the other one is the library's: of the same connection.
            self.socket = sockets.socket(fileno=os.dup(lib.anwdl_client_interface_get_socket_descriptor(self._handle)))
            self.socket.settimeout(self._seconds)
        return status

    def _timeout(self) -> Optional[float]:
        return self._seconds if self.socket is None else super()._timeout()

    def _send(self, verb: str, parameters: Optional[Dict[str, Any]]) -> Steps[None]:
        texts = given_text("verb", verb), json_object("parameters", parameters)
        return self._operation(lambda: int(lib.anwdl_client_interface_send_request(self._handle, *texts)))

    def _receive(self) -> Steps[Dict[str, Any]]:
        out = ffi.new("anwdl_response_t **")
        yield from self._operation(lambda: int(lib.anwdl_client_interface_recv_response(self._handle, out)))
        try:
            return parsed(string(lib.anwdl_response_get_json(out[0])), "MALFORMED_RESPONSE")
        finally:
            lib.anwdl_response_free(out[0])

    def _let_go(self) -> None:
        if not lib.anwdl_client_interface_is_closed(self._handle):
            check(lib.anwdl_client_interface_close_connection(self._handle))

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
        with self._connecting() as link:
            if self._options.non_blocking:
                return self._drive(self._steps(link, self._connect))
            link.waker, other = sockets.socketpair()
            with link.waker, other:
                self._drive(self._steps(link, self._connect))
            link.waker = None
            self._drive(self._steps(link, self._exchanging(receive_first)))

    def sendRequest(self, verb: str, parameters: Optional[Dict[str, Any]] = None) -> None:
        """Sends a request. Without parameters, it sends an empty dictionary."""
        self._drive(self._send(verb, parameters))

    def recvResponse(self) -> Dict[str, Any]:
        """Receives the response to the last request."""
        return self._drive(self._receive())


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
        with self._connecting() as link:
            await self._await(self._steps(link, self._connect))
            await self._await(self._steps(link, self._exchanging(receive_first)))

    async def sendRequest(self, verb: str, parameters: Optional[Dict[str, Any]] = None) -> None:
        """Sends a request. Without parameters, it sends an empty dictionary."""
        await self._await(self._send(verb, parameters))

    async def recvResponse(self) -> Dict[str, Any]:
        """Receives the response to the last request."""
        return await self._await(self._receive())
