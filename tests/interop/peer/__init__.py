"""An Anweddol peer in Python, written from the protocol's description alone.

It speaks both roles, every framing and both orders of the key exchange, and shares no code with the library that it tests.
`Session` is the way in; the other modules are one layer each:

    session       a socket, a role and the settings, joined
    key_exchange  the twelve steps that end in a session secret
    framing       how one message is laid on the wire: v2, v3, v4, gcm
    keys          RSA key pairs, fingerprints, client IDs
    stream        a blocking socket that writes each flight with one send
    json_text     strict JSON, and pieces of it verbatim
    errors        what can go wrong
"""

from .errors import MessageError, PeerClosed, PeerError, PeerRefused, PeerTimedOut, ProtocolError
from .framing import ProtocolName
from .keys import KeyPair, client_id, fingerprint
from .session import Session, Settings

__all__ = [
    "KeyPair",
    "MessageError",
    "PeerClosed",
    "PeerError",
    "PeerRefused",
    "PeerTimedOut",
    "ProtocolError",
    "ProtocolName",
    "Session",
    "Settings",
    "client_id",
    "fingerprint",
]
