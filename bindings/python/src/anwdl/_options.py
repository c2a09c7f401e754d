"""Options that only this library has."""

import enum
from dataclasses import dataclass
from typing import Any, Dict, Optional

from anwdl._library import check, given_number, given_text, invalid, lib
from anwdl._wrappers import AESWrapper, RSAWrapper, new_options

MOST_MILLISECONDS = (1 << 32) - 1
MOST_BYTES = (1 << 63) - 1


class Protocol(enum.IntEnum):
    """The framings."""

    AUTO = lib.ANWDL_PROTOCOL_AUTO
    V2 = lib.ANWDL_PROTOCOL_V2
    V3 = lib.ANWDL_PROTOCOL_V3
    V4 = lib.ANWDL_PROTOCOL_V4
    GCM = lib.ANWDL_PROTOCOL_GCM


@dataclass(frozen=True)
class Options:
    """The options of anwdl_client_options_set_...() in anwdl.h, with their defaults. The header describes them in full."""

    protocol: Protocol = Protocol.AUTO
    """The only framing to accept; for a ClientInterface, the framing to speak."""
    max_message_size: int = 1 << 20
    """The longest JSON text that the peer may send in one message, in bytes."""
    expected_fingerprint: Optional[str] = None
    """The fingerprint of the only public key to accept from the peer: 64 hexadecimal digits."""
    peer_ip: Optional[str] = None
    """The client's IP address, in place of that of the socket."""
    proxy_protocol: bool = False
    """Whether connections begin with a PROXY protocol header."""
    key_echo: bool = False
    """Whether to send a received AES key back unchanged, which lets others open recorded sessions: see the header."""
    non_blocking: bool = False
    """Whether calls raise WantRead or WantWrite instead of waiting. If so, the constructor does not exchange the keys."""
    separate_computation: bool = False
    """Whether a non-blocking key exchange raises WantComputation, and leaves the private key operation to compute()."""


def milliseconds(timeout: Optional[float]) -> int:
    """The timeout of a socket for the library. A socket that never waits has none, because this package does the waiting."""
    return min(max(int(timeout * 1000), 1), MOST_MILLISECONDS) if timeout else 0


def handle_of(
    options: Options,
    timeout: Optional[float],
    rsa_wrapper: Optional[RSAWrapper],
    aes_wrapper: Optional[AESWrapper],
    keeps: Dict[int, Any],
) -> Any:
    """The library's object, whose users must keep what is added to `keeps`.

    It is non-blocking with a separate computation: this package waits, so signal handlers can run, and other threads can close the client
    during the private key operation."""
    if options.separate_computation and not options.non_blocking:
        raise invalid("separate_computation is for non-blocking clients")
    handle = new_options()
    check(lib.anwdl_client_options_set_non_blocking, handle, True)
    check(lib.anwdl_client_options_set_exchange_keys, handle, False)
    check(lib.anwdl_client_options_set_timeout, handle, milliseconds(timeout))
    check(lib.anwdl_client_options_set_protocol, handle, options.protocol)
    size = given_number("max_message_size", options.max_message_size, MOST_BYTES)
    check(lib.anwdl_client_options_set_max_message_size, handle, size)
    check(lib.anwdl_client_options_set_key_echo, handle, bool(options.key_echo))
    check(lib.anwdl_client_options_set_proxy_protocol, handle, int(bool(options.proxy_protocol)))
    check(lib.anwdl_client_options_set_separate_computation, handle, True)
    if options.expected_fingerprint is not None:
        fingerprint = given_text("expected_fingerprint", options.expected_fingerprint)
        check(lib.anwdl_client_options_set_expected_fingerprint, handle, fingerprint)
    if options.peer_ip is not None:
        check(lib.anwdl_client_options_set_peer_ip, handle, given_text("peer_ip", options.peer_ip))
    if rsa_wrapper is not None:
        rsa_wrapper._share(handle, keeps)
    if aes_wrapper is not None:
        aes_wrapper._share(handle, keeps)
    return handle
