"""The library's log messages, in Python's `logging`."""

import atexit
import logging
import threading
from functools import lru_cache, partial
from typing import Any, Optional

from anwdl._library import check, ffi, lib, on_interruption, queue_message, string

LEVELS = {
    lib.ANWDL_LOG_DEBUG: logging.DEBUG,
    lib.ANWDL_LOG_INFO: logging.INFO,
    lib.ANWDL_LOG_WARNING: logging.WARNING,
    lib.ANWDL_LOG_ERROR: logging.ERROR,
}

_logger: Optional[logging.Logger] = None
_changing = threading.RLock()
_interpreter_ends = False


def _record(level: int, client_id: Any, message: Any, _user_data: Any) -> None:
    queue_message(partial(_log, level, string(client_id), string(message)))


def _log(level: int, client_id: str, message: str) -> None:
    logger = _logger
    if logger is not None:
        logger.log(LEVELS[level], "%s", f"client {client_id}: {message}" if client_id else message, extra={"client_id": client_id})


@lru_cache(maxsize=None)
def _callback() -> Any:
    """The handler, made once and never freed, because the library may be calling it."""
    atexit.register(_end)
    return ffi.callback("anwdl_log_function_t", _record, onerror=on_interruption)


def _end() -> None:
    """A thread that enters an interpreter that is shutting down would end inside the library."""
    global _interpreter_ends
    with _changing:
        _interpreter_ends = True
        _set(lib.ANWDL_LOG_ERROR, None)


def _set(level: int, logger: Optional[logging.Logger]) -> None:
    global _logger
    check(lib.anwdl_set_log_callback, level, ffi.NULL if logger is None else _callback(), ffi.NULL)
    _logger = logger


def set_logger(logger: Optional[logging.Logger], level: Optional[int] = None) -> None:
    """Passes the library's messages from a level on to a logger; None, the default, stops it.

    The level is the logger's own unless it is given. Each record has the client's ID as `client_id`, which is "" where there is none.
    """
    wanted = logger.getEffectiveLevel() if level is None and logger is not None else level or logging.NOTSET
    least = min((number for number, known in LEVELS.items() if known >= wanted), default=lib.ANWDL_LOG_ERROR)
    with _changing:
        if not _interpreter_ends:
            _set(least, logger)
