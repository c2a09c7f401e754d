"""A blocking socket that reads exactly what is asked for and writes each flight with one send, or does both as the releases do."""

import socket
from typing import NoReturn

from .errors import PeerClosed, PeerRefused, PeerTimedOut, ProtocolError

ACCEPTED = b"1"
REFUSED = b"0"


class Stream:
    """Owns `connection`.

    What is written is held back until this side needs to read, or says `flush`, so that neighbouring messages of one side leave
    in one send. With `as_released` it does as the Python releases: each message leaves by itself, Nagle's algorithm stays on, and
    what is read has to come with a single recv().
    """

    def __init__(self, connection: socket.socket, timeout: float, *, as_released: bool = False) -> None:
        self._connection = connection
        self._outgoing = bytearray()
        self._as_released = as_released
        connection.settimeout(timeout)
        if not as_released and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        """Adds `data` to the flight that is being built."""
        self._outgoing += data
        if self._as_released:
            self.flush()

    def flush(self) -> None:
        """Sends the flight that was built."""
        if not self._outgoing:
            return
        flight = bytes(self._outgoing)
        self._outgoing.clear()
        try:
            self._connection.sendall(flight)
        except TimeoutError as error:
            raise PeerTimedOut("the peer does not read") from error
        except OSError as error:
            raise PeerClosed(f"sending failed: {error}") from error

    def read(self, size: int) -> bytes:
        """Reads exactly `size` bytes, however many pieces they come in, unless it is done as the releases do it."""
        self.flush()
        received = bytearray()
        while len(received) < size:
            try:
                piece = self._connection.recv(min(size - len(received), 1 << 20))
            except TimeoutError as error:
                raise PeerTimedOut(f"{len(received)} of {size} bytes came in time") from error
            except OSError as error:
                raise PeerClosed(f"receiving failed: {error}") from error
            if not piece:
                raise PeerClosed(f"the peer closed after {len(received)} of {size} bytes")
            received += piece
            if self._as_released and len(received) < size:
                raise ProtocolError(f"a release takes {len(received)} of {size} bytes for all of them")
        return bytes(received)

    def accept(self) -> None:
        """Tells the peer that its last message is accepted."""
        self.write(ACCEPTED)

    def refuse(self, reason: str) -> NoReturn:
        """Tells the peer that its last message is refused, and gives up."""
        self.write(REFUSED)
        self.flush()
        raise ProtocolError(reason)

    def expect_acceptance(self, of_what: str) -> None:
        """Waits for the peer's answer byte to `of_what`."""
        answer = self.read(1)
        if answer != ACCEPTED:
            raise PeerRefused(f"the peer answered {answer!r} to {of_what}")

    def close(self) -> None:
        """Closes the socket; a second time does nothing."""
        self._connection.close()
