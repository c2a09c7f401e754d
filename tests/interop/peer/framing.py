"""How one message is laid on the wire: one class for each framing, and the telling apart of the three in CBC mode.

A framing sends and receives whole messages as bytes; that they are JSON is the session's affair, except where only that tells
v2 and v3 apart.
"""

from enum import Enum
from typing import ClassVar, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from .errors import MessageError, ProtocolError
from .json_text import parse_strictly
from .key_exchange import (
    IV_SIZE,
    LENGTH_FIELD_SIZE,
    CbcSecret,
    GcmSecret,
    RandomBytes,
    RecordSecret,
    length_field,
    next_record_secret,
    parse_length_field,
)
from .stream import Stream

BLOCK_SIZE = 16


class ProtocolName(str, Enum):
    """The framings; AUTO is for a server that finds out by itself."""

    AUTO = "auto"
    V2 = "v2"
    V3 = "v3"
    V4 = "v4"
    GCM = "gcm"


class Framing(Protocol):
    """What a session needs of a framing."""

    name: ClassVar[ProtocolName]

    def send(self, stream: Stream, message: bytes) -> None:
        """Sends one message whole."""

    def receive(self, stream: Stream) -> bytes:
        """Receives one message whole."""


class CbcState:
    """The key and the IV of the next message: what the framings v2, v3 and v4 have in common."""

    def __init__(self, secret: CbcSecret, random_bytes: RandomBytes, max_message_size: int) -> None:
        self._key = secret.key
        self.iv = secret.iv
        self.random_bytes = random_bytes
        # The padding adds 1 to 16 bytes; the next IV, where there is one, 16 more.
        self.max_packet_size = (max_message_size // BLOCK_SIZE + 1) * BLOCK_SIZE + IV_SIZE

    def encrypt(self, data: bytes) -> bytes:
        """AES-CBC with PKCS#7 padding."""
        padder = PKCS7(AES.block_size).padder()
        encryptor = Cipher(AES(self._key), CBC(self.iv)).encryptor()
        return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Raises MessageError if the ciphertext is no whole number of blocks or its padding is wrong."""
        unpadder = PKCS7(AES.block_size).unpadder()
        decryptor = Cipher(AES(self._key), CBC(self.iv)).decryptor()
        try:
            padded = decryptor.update(ciphertext) + decryptor.finalize()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError as error:
            raise MessageError("a message does not decrypt") from error


class CbcFraming:
    """Header, answer byte, packet. The subclasses say what the header and the packet look like."""

    name: ClassVar[ProtocolName]
    header_size: ClassVar[int]

    def __init__(self, state: CbcState) -> None:
        self._state = state

    def send(self, stream: Stream, message: bytes) -> None:
        """Sends the header, waits for its acceptance, sends the packet."""
        packet, next_iv = self._seal(message)
        stream.write(self._make_header(len(packet)))
        stream.expect_acceptance("the length of a message")
        stream.write(packet)
        stream.flush()
        self._state.iv = next_iv

    def receive(self, stream: Stream) -> bytes:
        """Receives a header and the packet that it announces."""
        return self.open(self.read_packet(stream, stream.read(self.header_size)))

    def read_packet(self, stream: Stream, header: bytes) -> bytes:
        """Answers the header and reads the packet."""
        length = self._parse_header(header)
        if length is None or not 0 < length <= self._state.max_packet_size:
            stream.refuse("the length of a message is not acceptable")
        stream.accept()
        return stream.read(length)

    def open(self, packet: bytes) -> bytes:
        """Decrypts a packet; nothing has changed if that fails."""
        raise NotImplementedError

    def _seal(self, message: bytes) -> tuple[bytes, bytes]:
        """The packet, and the IV of the next message."""
        raise NotImplementedError

    def _make_header(self, length: int) -> bytes:
        return length_field(length)

    def _parse_header(self, header: bytes) -> int | None:
        return parse_length_field(header)


class V2(CbcFraming):
    """Releases 2.0 and 2.1: the length in clear, and one IV for the whole session."""

    name = ProtocolName.V2
    header_size = LENGTH_FIELD_SIZE

    def open(self, packet: bytes) -> bytes:
        return self._state.decrypt(packet)

    def _seal(self, message: bytes) -> tuple[bytes, bytes]:
        return self._state.encrypt(message), self._state.iv


class V3(CbcFraming):
    """Release 3.1: each packet carries the IV of the next message, whoever sends that one."""

    name = ProtocolName.V3
    header_size = LENGTH_FIELD_SIZE

    def open(self, packet: bytes) -> bytes:
        message = self._state.decrypt(packet[:-IV_SIZE])
        self._state.iv = packet[-IV_SIZE:]
        return message

    def _seal(self, message: bytes) -> tuple[bytes, bytes]:
        next_iv = self._state.random_bytes(IV_SIZE)
        return self._state.encrypt(message) + next_iv, next_iv


class V4(V3):
    """Release 4.1: as v3, with the length encrypted under the same IV as the message."""

    name = ProtocolName.V4
    header_size = BLOCK_SIZE

    def _make_header(self, length: int) -> bytes:
        return self._state.encrypt(str(length).encode("ascii"))

    def _parse_header(self, header: bytes) -> int | None:
        try:
            digits = self._state.decrypt(header)
        except MessageError:
            return None
        # bytes.isdigit knows ASCII digits only.
        return int(digits) if digits.isdigit() else None


CBC_FRAMINGS: dict[ProtocolName, type[CbcFraming]] = {framing.name: framing for framing in (V2, V3, V4)}


def receive_first_request(stream: Stream, state: CbcState) -> tuple[CbcFraming, bytes]:
    """Receives the first request of a session and tells from it which framing the client speaks."""
    start = stream.read(LENGTH_FIELD_SIZE)
    if parse_length_field(start) is None:
        v4 = V4(state)
        header = start + stream.read(v4.header_size - len(start))
        return v4, v4.open(v4.read_packet(stream, header))
    packet = V2(state).read_packet(stream, start)
    first_iv = state.iv
    for framing in (V3(state), V2(state)):
        try:
            message = framing.open(packet)
            parse_strictly(message)
            return framing, message
        except MessageError:
            state.iv = first_iv
    raise MessageError("the first request fits neither v2 nor v3")


class Direction:
    """The records that go one way: their key, how many there were and how many bytes."""

    def __init__(self, secret: RecordSecret, records_per_key: int, bytes_per_key: int) -> None:
        self._secret = secret
        self._records_per_key = records_per_key
        self._bytes_per_key = bytes_per_key
        self._number = 0
        self._records = 0
        self._bytes = 0

    def cipher_and_nonce(self) -> tuple[AESGCM, bytes]:
        """Those of the record that is next."""
        number = self._number.to_bytes(len(self._secret.iv), "big")
        return AESGCM(self._secret.key), bytes(one ^ other for one, other in zip(self._secret.iv, number, strict=True))

    def count(self, size: int) -> None:
        """A record of so many bytes behind its length has passed."""
        self._number += 1
        self._records += 1
        self._bytes += size
        if self._records >= self._records_per_key or self._bytes >= self._bytes_per_key:
            self._secret = next_record_secret(self._secret)
            self._records = self._bytes = 0


class Gcm:
    """The authenticated framing: one record for each message. Its direction is in the key, its number in the nonce, which is not sent."""

    name: ClassVar[ProtocolName] = ProtocolName.GCM
    length_size = 4
    tag_size = 16

    def __init__(
        self,
        secret: GcmSecret,
        max_message_size: int,
        *,
        is_client: bool,
        records_per_key: int = 1 << 20,
        bytes_per_key: int = 1 << 36,
    ) -> None:
        client, server = (Direction(one, records_per_key, bytes_per_key) for one in (secret.client, secret.server))
        self._sending, self._receiving = (client, server) if is_client else (server, client)
        self._max_record_size = max_message_size + self.tag_size

    def send(self, stream: Stream, message: bytes) -> None:
        """Sends one record."""
        size = len(message) + self.tag_size
        length = size.to_bytes(self.length_size, "big")
        cipher, nonce = self._sending.cipher_and_nonce()
        stream.write(length + cipher.encrypt(nonce, message, length))
        stream.flush()
        self._sending.count(size)

    def receive(self, stream: Stream) -> bytes:
        """Receives one record and authenticates it."""
        length = stream.read(self.length_size)
        size = int.from_bytes(length, "big")
        if not self.tag_size < size <= self._max_record_size:
            raise ProtocolError(f"a record of {size} bytes is not acceptable")
        record = stream.read(size)
        cipher, nonce = self._receiving.cipher_and_nonce()
        try:
            message = cipher.decrypt(nonce, record, length)
        except InvalidTag as error:
            raise MessageError("a message is not authentic") from error
        self._receiving.count(size)
        return message
