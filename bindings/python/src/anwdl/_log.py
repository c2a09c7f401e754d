"""The library's log messages, in Python's `logging`."""

import atexit
import logging
from functools import lru_cache
from typing import Any, Optional

from anwdl._library import call_back, check, ffi, lib, on_callback_error, string

LEVELS = {
    lib.ANWDL_LOG_DEBUG: logging.DEBUG,
    lib.ANWDL_LOG_INFO: logging.INFO,
    lib.ANWDL_LOG_WARNING: logging.WARNING,
    lib.ANWDL_LOG_ERROR: logging.ERROR,
}

_logger: Optional[logging.Logger] = None


def _record(level: int, client_id: Any, message: Any, _user_data: Any) -> None:
    call_back(_log, level, client_id, message)


def _log(level: int, client_id: Any, message: Any) -> None:
    logger = _logger
    if logger is None:
        return
    known = string(client_id) if client_id != ffi.NULL else ""
    text = string(message)
    logger.log(LEVELS[level], "%s", f"client {known}: {text}" if known else text, extra={"client_id": known})


@lru_cache(maxsize=None)
def _callback() -> Any:
    """The handler, made once and never freed, because the library may be calling it."""
    # A thread that enters an interpreter that is shutting down would end inside the library.
    atexit.register(set_logger, None)
    return ffi.callback("anwdl_log_function_t", _record, onerror=on_callback_error)


def set_logger(logger: Optional[logging.Logger], level: Optional[int] = None) -> None:
    """Passes the library's messages from a level on to a logger; None, the default, stops it.

    The level is the logger's own unless it is given. Each record has the client's ID as `client_id`, which is "" where there is none.
    """
    global _logger
    if logger is None:
        check(lib.anwdl_set_log_callback, lib.ANWDL_LOG_ERROR, ffi.NULL, ffi.NULL)
        _logger = None
        return
    wanted = logger.getEffectiveLevel() if level is None else level
    least = min((number for number, known in LEVELS.items() if known >= wanted), default=lib.ANWDL_LOG_ERROR)
    _logger = logger
    check(lib.anwdl_set_log_callback, least, _callback(), ffi.NULL)
