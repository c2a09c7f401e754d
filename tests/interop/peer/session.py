"""A session: a connected socket, a role, and the settings, joined into requests and responses."""

import json
import os
import socket
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from .errors import ProtocolError
from .framing import CBC_FRAMINGS, CbcState, Framing, Gcm, ProtocolName, receive_first_request
from .json_text import parse_strictly
from .key_exchange import CbcSecret, RandomBytes, initiate, respond
from .keys import KeyPair
from .stream import Stream


@dataclass(frozen=True)
class Settings:
    """How a session is held; the defaults are those of a usual client or server."""

    key_pair: KeyPair = field(default_factory=KeyPair.generate)
    protocol: ProtocolName = ProtocolName.AUTO
    """A client names one; a server may leave it open, or name the one that it accepts."""
    client_speaks_first: bool = True
    """Whether the client sends its public key first, which is the usual order."""
    aes_key_size: int = 32
    """Bytes of the AES key, where this side chooses it: 16, 24 or 32."""
    max_message_size: int = 1 << 20
    """The longest JSON text, in bytes, that is received."""
    timeout: float = 10.0
    """Seconds that any one send or receive may wait."""
    as_released: bool = False
    """Uses its socket as the Python releases do: each message of a flight leaves by itself, under Nagle's algorithm, and each is read
    with a single recv()."""
    derives_step_11: bool = False
    """Answers an AES key with one that is derived from it, and takes no other. The Python releases send what they got back, and take
    whatever they get."""
    random_bytes: RandomBytes = os.urandom
    """The source of AES keys, IVs and randoms (not of RSA padding and ephemeral keys)."""


class Session:
    """Both roles in one: `connect` makes a client of it, `accept` a server. Keys are exchanged before either returns."""

    def __init__(self, connection: socket.socket, settings: Settings, *, is_client: bool) -> None:
        """Takes `connection` over and closes it if the key exchange fails."""
        if is_client and settings.protocol is ProtocolName.AUTO:
            raise ValueError("a client must name its framing")
        self._is_client = is_client
        self._settings = settings
        self._stream = Stream(connection, settings.timeout, as_released=settings.as_released)
        self._framing: Framing | None = None
        try:
            self._exchange_keys()
        except BaseException:
            self.close()
            raise

    @classmethod
    def connect(cls, connection: socket.socket, settings: Settings) -> Self:
        """The session of the side that connected."""
        return cls(connection, settings, is_client=True)

    @classmethod
    def accept(cls, connection: socket.socket, settings: Settings) -> Self:
        """The session of the side that accepted."""
        return cls(connection, settings, is_client=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def protocol(self) -> ProtocolName:
        """The framing in use: AUTO until it is known."""
        return self._framing.name if self._framing else ProtocolName.AUTO

    @property
    def remote_public_pem(self) -> bytes:
        """The other side's public key, as it was received."""
        return self._remote_public_pem

    def request(self, verb: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Sends a request and waits for its response."""
        self.send_text(json.dumps({"verb": verb, "parameters": parameters}))
        response = parse_strictly(self.receive_text())
        if not isinstance(response, dict):
            raise ProtocolError("the response is no JSON object")
        return response

    def send_text(self, text: str) -> None:
        """Sends any text as a message, be it JSON or not."""
        if self._framing is None:
            # A server that must speak before it could tell the client's framing takes the newest.
            self._framing = CBC_FRAMINGS[ProtocolName.V4](self._cbc_state)
        self._framing.send(self._stream, text.encode("utf-8"))

    def receive_text(self) -> str:
        """Receives a message and gives its JSON text to the letter; what is not acceptable JSON is a MessageError."""
        if self._framing is None:
            framing, message = receive_first_request(self._stream, self._cbc_state)
            if self._settings.protocol not in (ProtocolName.AUTO, framing.name):
                raise ProtocolError(f"the client speaks {framing.name.value}, not {self._settings.protocol.value}")
            self._framing = framing
        else:
            message = self._framing.receive(self._stream)
        parse_strictly(message)
        return message.decode("utf-8")

    def close(self) -> None:
        """Closes the connection; a second time does nothing."""
        self._stream.close()

    def _exchange_keys(self) -> None:
        settings = self._settings
        if self._is_client == settings.client_speaks_first:
            keys = initiate(
                self._stream,
                settings.key_pair,
                is_client=self._is_client,
                use_gcm=settings.protocol is ProtocolName.GCM,
                aes_key_size=settings.aes_key_size,
                derives_step_11=settings.derives_step_11,
                random_bytes=settings.random_bytes,
            )
        else:
            keys = respond(
                self._stream,
                settings.key_pair,
                is_client=self._is_client,
                accept_cbc=settings.protocol is not ProtocolName.GCM,
                accept_gcm=settings.protocol in (ProtocolName.GCM, ProtocolName.AUTO),
                derives_step_11=settings.derives_step_11,
                random_bytes=settings.random_bytes,
            )
        self._remote_public_pem = keys.remote_public_key.pem
        if isinstance(keys.secret, CbcSecret):
            self._cbc_state = CbcState(keys.secret, settings.random_bytes, settings.max_message_size)
            if self._is_client:
                self._framing = CBC_FRAMINGS[settings.protocol](self._cbc_state)
        else:
            self._framing = Gcm(keys.secret, settings.max_message_size, is_client=self._is_client)
