"""The library's clients and wrappers under the names that they have in the Python server, over ctypes.

Only what the server's documentation names is here: what a Python program would call, and nothing that makes the library look more
like Python than it is.
"""

import ctypes
import json
import os
import re
import socket as sockets
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

VARIABLE = "ANWDL_TEST_LIBRARY"
HEADER = Path(__file__).resolve().parents[2] / "include" / "anwdl.h"

RESULTS = {
    "anwdl_client_options_new": ctypes.c_void_p,
    "anwdl_client_is_closed": ctypes.c_bool,
    "anwdl_client_get_ip": ctypes.c_char_p,
    "anwdl_client_get_id": ctypes.c_char_p,
    "anwdl_client_get_creation_timestamp": ctypes.c_int64,
    "anwdl_client_get_rsa_wrapper": ctypes.c_void_p,
    "anwdl_client_get_aes_wrapper": ctypes.c_void_p,
    "anwdl_client_get_stored_request": ctypes.c_void_p,
    "anwdl_request_get_json": ctypes.c_char_p,
    "anwdl_last_error_message": ctypes.c_char_p,
    "anwdl_error_reason_name": ctypes.c_char_p,
}
"""Of the functions that return something else than a number that an int holds."""


class Failure(Exception):
    """What both exceptions carry."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        """The name of the reason, such as "TIMEOUT"."""


class LibraryValueError(Failure, ValueError):
    """ANWDL_VALUE_ERROR."""


class LibraryRuntimeError(Failure, RuntimeError):
    """ANWDL_RUNTIME_ERROR."""


FAILURES = {-1: LibraryValueError, -2: LibraryRuntimeError}


@cache
def library() -> ctypes.CDLL:
    """The library that the environment names."""
    path = os.environ.get(VARIABLE)
    if not path:
        raise RuntimeError(f"set {VARIABLE} to the path of the library to test, as `make test` does")
    loaded = ctypes.CDLL(path)
    for name, result in RESULTS.items():
        getattr(loaded, name).restype = result
    return loaded


@cache
def text_macro(name: str) -> str:
    """The text that a macro of the header stands for."""
    found = re.search(rf'^#define {name} "(.*)"$', HEADER.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise KeyError(name)
    return found[1]


RESPONSE_MSG_OK = text_macro("ANWDL_RESPONSE_MSG_OK")
RESPONSE_MSG_BAD_AUTH = text_macro("ANWDL_RESPONSE_MSG_BAD_AUTH")
RESPONSE_MSG_BAD_REQ = text_macro("ANWDL_RESPONSE_MSG_BAD_REQ")
RESPONSE_MSG_REFUSED_REQ = text_macro("ANWDL_RESPONSE_MSG_REFUSED_REQ")
RESPONSE_MSG_UNAVAILABLE = text_macro("ANWDL_RESPONSE_MSG_UNAVAILABLE")
RESPONSE_MSG_INTERNAL_ERROR = text_macro("ANWDL_RESPONSE_MSG_INTERNAL_ERROR")


def call(name: str, *arguments: Any) -> None:
    """Calls a function that returns a status, and raises what Python would."""
    status = getattr(library(), name)(*arguments)
    if status != 0:
        reason = library().anwdl_error_reason_name(library().anwdl_last_error_reason()).decode()
        raise FAILURES[status](library().anwdl_last_error_message().decode(), reason)


def get(name: str, handle: ctypes.c_void_p) -> Any:
    """Calls a function that returns what it is asked for."""
    return getattr(library(), name)(handle)


def text_of(name: str, handle: ctypes.c_void_p) -> str:
    """The same for a text."""
    borrowed: bytes = get(name, handle)
    return borrowed.decode()


def data_and_length(data: str | bytes) -> tuple[bytes, ctypes.c_size_t]:
    """Two arguments; a text is UTF-8, as in Python."""
    encoded = data.encode() if isinstance(data, str) else data
    return encoded, ctypes.c_size_t(len(encoded))


def bytes_of(name: str, *arguments: Any) -> bytes | None:
    """What a function gives to the caller as bytes, or None for NULL."""
    out, length = ctypes.c_void_p(), ctypes.c_size_t()
    call(name, *arguments, ctypes.byref(out), ctypes.byref(length))
    if out.value is None:
        return None
    taken = ctypes.string_at(out.value, length.value)
    library().anwdl_bytes_free(out, length)
    return taken


def some_bytes_of(name: str, *arguments: Any) -> bytes:
    """The same where NULL is none of the results."""
    taken = bytes_of(name, *arguments)
    assert taken is not None
    return taken


def string_of(name: str, *arguments: Any) -> bytes | None:
    """What a function gives to the caller as a string, or None for NULL."""
    out = ctypes.c_void_p()
    call(name, *arguments, ctypes.byref(out))
    if out.value is None:
        return None
    taken = ctypes.string_at(out.value)
    library().anwdl_string_free(out)
    return taken


def request_of(request: ctypes.c_void_p) -> dict[str, Any]:
    """A request as Python's dictionary."""
    parsed: dict[str, Any] = json.loads(text_of("anwdl_request_get_json", request))
    return parsed


class Wrapper:
    """What both wrappers have in common: each is this side's own, or lent by a client."""

    free: ClassVar[str]
    """The function that frees one."""

    def __init__(self) -> None:
        self.handle = ctypes.c_void_p()
        self._client: ClientInstance | None = None

    @classmethod
    def lent(cls, handle: int, client: "ClientInstance") -> Self:
        """The one that belongs to a client, which lives for as long."""
        wrapper = cls.__new__(cls)
        wrapper.handle = ctypes.c_void_p(handle)
        wrapper._client = client
        return wrapper

    def __del__(self) -> None:
        if self._client is None:
            getattr(library(), self.free)(self.handle)


class RSAWrapper(Wrapper):
    """RSAWrapper of the Python server."""

    free = "anwdl_rsa_wrapper_free"

    def __init__(self, public_exponent: int = 65537, key_size: int = 4096, generate_key_pair: bool = True) -> None:
        super().__init__()
        call("anwdl_rsa_wrapper_new", False, ctypes.byref(self.handle))
        if generate_key_pair:
            self.generateKeyPair(public_exponent, key_size)

    def generateKeyPair(self, public_exponent: int = 65537, key_size: int = 4096) -> None:
        call("anwdl_rsa_wrapper_generate_key_pair", self.handle, ctypes.c_uint64(public_exponent), ctypes.c_uint32(key_size))

    def getKeySize(self) -> int | None:
        return get("anwdl_rsa_wrapper_get_key_size", self.handle) or None

    def getPublicKey(self, pem_format: bool = True) -> bytes | None:
        return self._get("public_key", pem_format)

    def getPrivateKey(self, pem_format: bool = True) -> bytes | None:
        return self._get("private_key", pem_format)

    def getRemotePublicKey(self, pem_format: bool = True) -> bytes | None:
        return self._get("remote_public_key", pem_format)

    def setPublicKey(self, public_key: str | bytes, pem_format: bool = True) -> None:
        self._set("public_key", public_key, pem_format)

    def setPrivateKey(self, private_key: str | bytes, pem_format: bool = True, derivate_public_key: bool = False) -> None:
        self._set("private_key", private_key, pem_format, derivate_public_key)

    def setRemotePublicKey(self, remote_public_key: str | bytes, pem_format: bool = True) -> None:
        self._set("remote_public_key", remote_public_key, pem_format)

    def encryptData(self, data: str | bytes, use_local_public_key: bool = False) -> bytes:
        return some_bytes_of("anwdl_rsa_wrapper_encrypt_data", self.handle, *data_and_length(data), use_local_public_key)

    def decryptData(self, cipher: bytes, decode: bool = True) -> str | bytes:
        plain = some_bytes_of("anwdl_rsa_wrapper_decrypt_data", self.handle, *data_and_length(cipher))
        return plain.decode() if decode else plain

    def signData(self, data: str | bytes) -> bytes:
        return some_bytes_of("anwdl_rsa_wrapper_sign_data", self.handle, *data_and_length(data))

    def verifyDataSignature(self, signature: bytes, data: str | bytes) -> bool:
        valid = ctypes.c_bool()
        arguments = (*data_and_length(signature), *data_and_length(data), True, ctypes.byref(valid))
        call("anwdl_rsa_wrapper_verify_data_signature_with_key", self.handle, *arguments)
        return valid.value

    def _get(self, key: str, pem_format: bool) -> bytes | None:
        if pem_format:
            return string_of(f"anwdl_rsa_wrapper_get_{key}", self.handle)
        return bytes_of(f"anwdl_rsa_wrapper_get_{key}_der", self.handle)

    def _set(self, key: str, given: str | bytes, pem_format: bool, *more: bool) -> None:
        encoded, length = data_and_length(given)
        if pem_format:
            call(f"anwdl_rsa_wrapper_set_{key}", self.handle, encoded, *more)
        else:
            call(f"anwdl_rsa_wrapper_set_{key}_der", self.handle, encoded, length, *more)


class AESWrapper(Wrapper):
    """AESWrapper of the Python server."""

    free = "anwdl_aes_wrapper_free"

    def __init__(self, key_size: int = 256) -> None:
        super().__init__()
        call("anwdl_aes_wrapper_new", ctypes.c_uint32(key_size), 0, ctypes.byref(self.handle))

    def getKeySize(self) -> int:
        return int(get("anwdl_aes_wrapper_get_key_size", self.handle))

    def getKey(self) -> tuple[bytes, bytes]:
        key, key_length, iv, iv_length = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_void_p(), ctypes.c_size_t()
        call("anwdl_aes_wrapper_get_key", self.handle, *map(ctypes.byref, (key, key_length, iv, iv_length)))
        return ctypes.string_at(key, key_length.value), ctypes.string_at(iv, iv_length.value)

    def setKey(self, key: bytes, iv: bytes | None = None) -> None:
        call("anwdl_aes_wrapper_set_key", self.handle, *data_and_length(key), *data_and_length(iv or b""))

    def encryptData(self, data: str | bytes) -> bytes:
        return some_bytes_of("anwdl_aes_wrapper_encrypt_data", self.handle, *data_and_length(data))

    def decryptData(self, cipher: bytes, decode: bool = True) -> str | bytes:
        plain = some_bytes_of("anwdl_aes_wrapper_decrypt_data", self.handle, *data_and_length(cipher))
        return plain.decode() if decode else plain


class ClientInstance:
    """ClientInstance of the Python server."""

    def __init__(
        self,
        socket: sockets.socket,
        timeout: float | None = None,
        rsa_wrapper: RSAWrapper | None = None,
        aes_wrapper: AESWrapper | None = None,
        exchange_keys: bool = True,
    ) -> None:
        self._handle = ctypes.c_void_p()
        options = ctypes.c_void_p(library().anwdl_client_options_new())
        try:
            if timeout is not None:
                call("anwdl_client_options_set_timeout", options, ctypes.c_uint32(int(timeout * 1000)))
            if rsa_wrapper is not None:
                call("anwdl_client_options_set_rsa_wrapper", options, rsa_wrapper.handle)
            if aes_wrapper is not None:
                call("anwdl_client_options_set_aes_wrapper", options, aes_wrapper.handle)
            call("anwdl_client_options_set_exchange_keys", options, exchange_keys)
            call("anwdl_client_new", socket.fileno(), options, ctypes.byref(self._handle))
        finally:
            library().anwdl_client_options_free(options)
        # The descriptor is the client's now.
        socket.detach()

    def __del__(self) -> None:
        library().anwdl_client_free(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if not self.isClosed():
            self.closeConnection()

    def isClosed(self) -> bool:
        return bool(get("anwdl_client_is_closed", self._handle))

    def getSocketDescriptor(self) -> int:
        return int(get("anwdl_client_get_socket_descriptor", self._handle))

    def getIP(self) -> str:
        return text_of("anwdl_client_get_ip", self._handle)

    def getID(self) -> str:
        return text_of("anwdl_client_get_id", self._handle)

    def getCreationTimestamp(self) -> int:
        return int(get("anwdl_client_get_creation_timestamp", self._handle))

    def getStoredRequest(self) -> dict[str, Any] | None:
        request = get("anwdl_client_get_stored_request", self._handle)
        return request_of(ctypes.c_void_p(request)) if request else None

    def getRSAWrapper(self) -> RSAWrapper | None:
        wrapper = get("anwdl_client_get_rsa_wrapper", self._handle)
        return RSAWrapper.lent(wrapper, self) if wrapper else None

    def getAESWrapper(self) -> AESWrapper | None:
        wrapper = get("anwdl_client_get_aes_wrapper", self._handle)
        return AESWrapper.lent(wrapper, self) if wrapper else None

    def setRSAWrapper(self, rsa_wrapper: RSAWrapper) -> None:
        call("anwdl_client_set_rsa_wrapper", self._handle, rsa_wrapper.handle)

    def setAESWrapper(self, aes_wrapper: AESWrapper) -> None:
        call("anwdl_client_set_aes_wrapper", self._handle, aes_wrapper.handle)

    def closeConnection(self) -> None:
        call("anwdl_client_close_connection", self._handle)

    def exchangeKeys(self, receive_first: bool = True) -> None:
        call("anwdl_client_exchange_keys", self._handle, receive_first)

    def sendPublicRSAKey(self) -> None:
        call("anwdl_client_send_public_rsa_key", self._handle)

    def recvPublicRSAKey(self) -> None:
        call("anwdl_client_recv_public_rsa_key", self._handle)

    def sendAESKey(self) -> None:
        call("anwdl_client_send_aes_key", self._handle)

    def recvAESKey(self) -> None:
        call("anwdl_client_recv_aes_key", self._handle)

    def sendResponse(self, success: bool, message: str, data: dict[str, Any] | None = None, reason: str | None = None) -> None:
        texts = (message, None if data is None else json.dumps(data), reason)
        encoded = (None if text is None else text.encode() for text in texts)
        call("anwdl_client_send_response", self._handle, success, *encoded)

    def recvRequest(self, store_request: bool = True) -> dict[str, Any]:
        request = ctypes.c_void_p()
        call("anwdl_client_recv_request", self._handle, store_request, ctypes.byref(request))
        try:
            return request_of(request)
        finally:
            library().anwdl_request_free(request)
