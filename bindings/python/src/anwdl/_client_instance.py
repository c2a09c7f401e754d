"""A connected client, seen from the server."""

import socket as sockets
from concurrent.futures import Executor
from typing import Any, Dict, Optional

from anwdl._awaiting import Awaiting
from anwdl._connection import BlockingSteps, Call, Connection, RequestReceipt, closed, functions_of, json_object, parsed
from anwdl._library import LibraryValueError, ffi, given_text, lent_string, lib
from anwdl._options import Options, handle_of, milliseconds
from anwdl._wrappers import AESWrapper, RSAWrapper


class Instance(Connection):
    """A client on a socket object that it shares with the caller."""

    _functions = functions_of("anwdl_client_")
    _seen = {**Connection._seen, "get_ip": str, "get_id": str, "get_creation_timestamp": int}
    _descriptor = -1
    _is_made = False
    """Whether the constructor has returned. Until then, the socket is the caller's."""

    def __init__(
        self,
        socket: sockets.socket,
        timeout: Optional[float],
        rsa_wrapper: Optional[RSAWrapper],
        aes_wrapper: Optional[AESWrapper],
        options: Options,
    ) -> None:
        super().__init__(socket)
        self._shared_socket = socket
        self._options = options
        self._stored_request: Optional[Dict[str, Any]] = None
        self._milliseconds = milliseconds(timeout)
        self._descriptor = socket.fileno()
        given = handle_of(options, timeout, rsa_wrapper, aes_wrapper, self._keeps)
        self._create("anwdl_client_t", self._descriptor, given)

    def __del__(self) -> None:
        if self._descriptor != -1 and self._out is not None:
            self._handle = self._out[0]
            self._let_go()
            if self._is_made:
                self._shared_socket.close()
        self._free()

    def getSocketDescriptor(self) -> sockets.socket:
        """The socket."""
        return self._shared_socket

    def getIP(self) -> str:
        """The IPv4 or IPv6 address of the client; "" if it has none."""
        return str(self._see("get_ip"))

    def getID(self) -> str:
        """The first 7 digits of the address's SHA-256."""
        return str(self._see("get_id"))

    def getCreationTimestamp(self) -> int:
        """The time when this object was made, in seconds since 1970."""
        return int(self._see("get_creation_timestamp"))

    def getStoredRequest(self) -> Optional[Dict[str, Any]]:
        """The last stored request, or None."""
        return self._stored_request

    def getRequestErrors(self) -> Optional[Dict[str, Any]]:
        """The errors of the last request, or None if it was well-formed."""
        errors = self._guard.run(lambda: lent_string(lib.anwdl_client_get_request_errors, (self._handle,)))
        return None if errors is None else parsed(errors, "INTERNAL")

    def getMalformedRequest(self) -> Optional[str]:
        """The text of the last request if it was malformed, or None."""
        return self._guard.run(lambda: lent_string(lib.anwdl_client_get_malformed_request_json, (self._handle,)))

    def _let_go(self) -> None:
        if self._descriptor != -1:
            # The first call may refuse because the start of a message was read, which is lost here.
            if lib.anwdl_client_detach(self._handle) == -1:
                lib.anwdl_client_detach(self._handle)
            self._descriptor = -1

    def _give_back(self) -> None:
        """Leaves the socket to the caller, open."""
        self._guard.run(self._let_go)

    def _check_open(self) -> None:
        # Other code may have closed the socket, and another one may have its number.
        if self._descriptor == -1 or self._shared_socket.fileno() != self._descriptor:
            self._let_go()
            raise closed()

    def _receive(self) -> Call[Dict[str, Any]]:
        return RequestReceipt(lib.anwdl_client_recv_request, self._handle, False)

    def _send(self, success: bool, message: str, data: Optional[Dict[str, Any]], reason: Optional[str]) -> Call[None]:
        if not isinstance(success, bool):
            raise LibraryValueError('the response is malformed: {"success": ["must be of boolean type"]}', "MALFORMED_RESPONSE")
        texts = given_text("message", message), json_object("data", data)
        why = ffi.NULL if reason is None else given_text("reason", reason)
        return Call(lib.anwdl_client_send_response, self._handle, success, *texts, why)


class ClientInstance(BlockingSteps, Instance):
    """The ClientInstance of the Python server. docs/python.md of libanwdl lists the differences."""

    def __init__(
        self,
        socket: sockets.socket,
        timeout: Optional[float] = None,
        rsa_wrapper: Optional[RSAWrapper] = None,
        aes_wrapper: Optional[AESWrapper] = None,
        exchange_keys: bool = True,
        *,
        options: Options = Options(),
    ) -> None:
        if timeout:
            socket.settimeout(timeout)
        super().__init__(socket, socket.gettimeout(), rsa_wrapper, aes_wrapper, options)
        if exchange_keys and not options.non_blocking:
            try:
                self.exchangeKeys()
            except BaseException:
                self._give_back()
                raise
        self._is_made = True

    def recvRequest(self, store_request: bool = True) -> Dict[str, Any]:
        """Receives a request."""
        request = self._perform(self._receive())
        if store_request:
            self._stored_request = request
        return request

    def sendResponse(self, success: bool, message: str, data: Optional[Dict[str, Any]] = None, reason: Optional[str] = None) -> None:
        """Sends the response to the last request. Without data, it sends an empty dictionary."""
        self._perform(self._send(success, message, data, reason))


class AsyncClientInstance(Awaiting, Instance):
    """A ClientInstance for asyncio: methods that wait are coroutines, and the private key operation runs on a thread of the executor."""

    def __init__(
        self,
        socket: sockets.socket,
        rsa_wrapper: RSAWrapper,
        timeout: Optional[float] = None,
        aes_wrapper: Optional[AESWrapper] = None,
        *,
        options: Options = Options(),
        executor: Optional[Executor] = None,
    ) -> None:
        own = self._begin(timeout, executor, options)
        super().__init__(socket, timeout, rsa_wrapper, aes_wrapper, own)
        self._is_made = True

    async def exchangeKeys(self, receive_first: bool = True) -> None:
        """Exchanges the keys. By default the peer speaks first."""
        await self._perform(self._exchange(receive_first))

    async def recvRequest(self, store_request: bool = True) -> Dict[str, Any]:
        """Receives a request."""
        request = await self._perform(self._receive())
        if store_request:
            self._stored_request = request
        return request

    async def sendResponse(self, success: bool, message: str, data: Optional[Dict[str, Any]] = None, reason: Optional[str] = None) -> None:
        """Sends the response to the last request. Without data, it sends an empty dictionary."""
        await self._perform(self._send(success, message, data, reason))
