"""Runs a released Anweddol server on this library: `python3 -m anwdl.anwdlserver start` instead of `anwdlserver start`."""

import importlib
import json
import sys
from types import ModuleType
from typing import Any, Dict, Iterator, Optional, Tuple

import anwdl
from anwdl._library import Failure, LibraryValueError

SERVER = "anwdlserver"


def malformed(client: anwdl.ClientInstance) -> Any:
    """The value of a malformed request's text, if Python can read it."""
    try:
        return json.loads(client.getMalformedRequest() or "null")
    except (ValueError, RecursionError):
        return None


class ServerClientInstance(anwdl.ClientInstance):
    """A ClientInstance for the released servers: recvRequest() returns a tuple, and a failed session is closed."""

    def recvRequest(  # type: ignore[override]
        self, store_request: bool = True
    ) -> Tuple[bool, Any, Optional[Dict[str, Any]]]:
        """Whether the request is well-formed, the request, and its errors."""
        try:
            return True, super().recvRequest(store_request), None
        except LibraryValueError as error:
            if error.reason != "MALFORMED_REQUEST":
                raise
            return False, malformed(self), self.getRequestErrors()

    def _drive(self, steps: Any) -> Any:
        try:
            return super()._drive(steps)
        except Failure:
            # The servers answer every exception with a response, which a session that has ended cannot send.
            if self._is_made and self.hasFailed() and not self.isClosed():
                self.closeConnection()
            raise


CLASSES: Dict[str, Dict[str, type]] = {
    "core.client": {"ClientInstance": ServerClientInstance},
    "core.crypto": {"RSAWrapper": anwdl.RSAWrapper, "AESWrapper": anwdl.AESWrapper},
}
"""The modules that define the classes, and their replacements."""

_originals: Dict[type, type] = {}
"""The original classes, by their replacements."""


def _modules() -> Iterator[ModuleType]:
    """The loaded modules of the server."""
    for name, module in list(sys.modules.items()):
        if module is not None and (name == SERVER or name.startswith(f"{SERVER}.")):
            yield module


def _replace(replacements: Dict[type, type]) -> None:
    for module in _modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and value in replacements:
                setattr(module, name, replacements[value])


def install_into_anwdlserver() -> None:
    """Makes the installed Anweddol server use the classes of this library instead of its own.

    Call it before the server makes objects of them. A second call does nothing.
    """
    if _originals:
        return
    originals: Dict[type, type] = {}  # kept when all were found
    for module, classes in CLASSES.items():
        found = importlib.import_module(f"{SERVER}.{module}")
        for name, own in classes.items():
            originals[own] = getattr(found, name)
    _originals.update(originals)
    _replace({original: own for own, original in originals.items()})


def remove_from_anwdlserver() -> None:
    """Makes the server use its own classes again, for objects that it creates from then on."""
    _replace(_originals)
    _originals.clear()


if __name__ == "__main__":
    # This file runs as __main__, which is not the module that others import.
    importlib.import_module("anwdl.anwdlserver").install_into_anwdlserver()
    importlib.import_module(f"{SERVER}.cli").MainAnweddolServerCLI()
