"""JSON as both ends of a session must read it: strictly, and where it is passed on, to the letter."""

import json
from typing import Any, NoReturn

from .errors import MessageError

_WHITESPACE = " \t\n\r"


def parse_strictly(text: str | bytes) -> Any:
    """Parses JSON; raises MessageError for what Python's own parser would let through or mend.

    That is: duplicate keys, NaN and infinities, lone surrogates, invalid UTF-8, a byte order mark.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MessageError(f"no acceptable JSON: {error}") from error
    return value


def member_text(text: str, name: str) -> str:
    """The value of the root object's member `name`, as it is written in `text`: every blank, escape and digit."""
    decoder = json.JSONDecoder()
    position = text.index("{") + 1
    while True:
        position = _skip(text, position, "," + _WHITESPACE)
        if text[position] == "}":
            raise KeyError(name)
        key, position = decoder.raw_decode(text, position)
        start = _skip(text, position, ":" + _WHITESPACE)
        _, position = decoder.raw_decode(text, start)
        if key == name:
            return text[start:position]


def _skip(text: str, position: int, characters: str) -> int:
    while text[position] in characters:
        position += 1
    return position


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate keys")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
