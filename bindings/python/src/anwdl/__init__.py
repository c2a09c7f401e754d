"""Talk to Anweddol clients and servers through libanwdl. docs/python.md in its repository is the manual."""

from anwdl._client_instance import AsyncClientInstance, ClientInstance
from anwdl._client_interface import AsyncClientInterface, ClientInterface
from anwdl._library import (
    Failure,
    LibraryRuntimeError,
    LibraryValueError,
    Want,
    WantComputation,
    WantRead,
    WantWrite,
    lib as _lib,
    string as _string,
)
from anwdl._log import set_logger
from anwdl._macros import (
    RESPONSE_MSG_BAD_AUTH,
    RESPONSE_MSG_BAD_REQ,
    RESPONSE_MSG_INTERNAL_ERROR,
    RESPONSE_MSG_OK,
    RESPONSE_MSG_REFUSED_REQ,
    RESPONSE_MSG_UNAVAILABLE,
)
from anwdl._options import Options, Protocol
from anwdl._wrappers import AESMode, AESWrapper, RSAWrapper

__version__ = _string(_lib.anwdl_version())


def install_into_anwdlserver() -> None:
    """Makes the installed Anweddol server use the classes of this library instead of its own."""
    from anwdl.anwdlserver import install_into_anwdlserver as install

    install()


__all__ = [
    "AESMode",
    "AESWrapper",
    "AsyncClientInstance",
    "AsyncClientInterface",
    "ClientInstance",
    "ClientInterface",
    "Failure",
    "LibraryRuntimeError",
    "LibraryValueError",
    "Options",
    "Protocol",
    "RESPONSE_MSG_BAD_AUTH",
    "RESPONSE_MSG_BAD_REQ",
    "RESPONSE_MSG_INTERNAL_ERROR",
    "RESPONSE_MSG_OK",
    "RESPONSE_MSG_REFUSED_REQ",
    "RESPONSE_MSG_UNAVAILABLE",
    "RSAWrapper",
    "Want",
    "WantComputation",
    "WantRead",
    "WantWrite",
    "install_into_anwdlserver",
    "set_logger",
]
