"""What can go wrong between two peers."""


class PeerError(Exception):
    """The session cannot go on."""


class PeerRefused(PeerError):
    """The other side answered something else than `1`."""


class PeerClosed(PeerError):
    """The other side closed the connection, or reset it."""


class PeerTimedOut(PeerError):
    """The other side sent nothing, or took nothing, for the time allowed."""


class ProtocolError(PeerError):
    """The other side sent bytes that the protocol does not allow."""


class MessageError(ProtocolError):
    """A message could not be decrypted, or is not acceptable JSON once decrypted."""
