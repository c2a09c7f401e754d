"""Prints messages with the verdict and the errors that `cerberus` gives them: the cases that the library's validator must match.

One JSON object on each line: `kind` ("request" or "response"), `text` (the message's JSON), `valid`, `errors` (null if valid).
Every case is a JSON object; a root of another type is no case for cerberus, which raises an exception instead of judging.
"""

import argparse
import json
import random
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from formats import CONTAINER_FIELDS, REQUEST_SCHEMA, RESPONSE_SCHEMA, Schema, validate_request, validate_response

DEFAULT_SEED = 6150
DEFAULT_COUNT = 3000
MAXIMUM_DEPTH = 48


@dataclass(frozen=True)
class Number:
    """A number as it is written: Python's own would lose how."""

    text: str


Message = dict[str, Any]

INTEGERS_AT_LIMITS = [
    Number(text)
    for text in (
        "-1", "-0", "0", "1", "2", "65534", "65535", "65536", "2147483648", "4294967296",
        "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
        "18446744073709551615", "18446744073709551616", "-18446744073709551616",
        "340282366920938463463374607431768211456", "1" + "0" * 299, "-" + "9" * 40,
    )
]  # fmt: skip
NO_INTEGERS = [Number(text) for text in ("1.0", "0.0", "-0.0", "1e2", "1E+2", "80.5", "1e-3", "65535.0", "1e400", "0e0")]
ODD_CHARACTERS = "é٣A１ß🙂\u2028\u00a0\u0000 \t\n_-.$^'\"\\/"


class Writer:
    """Writes JSON in one of the many ways that mean the same: blanks, escapes and the order of members are drawn."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._blanks = draw.choice([[""], [""], ["", " "], ["", " ", "\n", "\t", "\r\n  "]])
        self._escape_rate = draw.choice([0.0, 0.0, 0.0, 0.05])

    def write(self, value: Any) -> str:
        """The JSON text of `value`."""
        return self._blank() + self._value(value) + self._blank()

    def _blank(self) -> str:
        return self._draw.choice(self._blanks)

    def _value(self, value: Any) -> str:
        match value:
            case Number():
                return value.text
            case str():
                return self._string(value)
            case list():
                return "[" + ",".join(map(self.write, value)) + (self._blank() if not value else "") + "]"
            case dict():
                members = list(value.items())
                self._draw.shuffle(members)
                return "{" + ",".join(f"{self.write(name)}:{self.write(member)}" for name, member in members) + "}"
            case _:
                return json.dumps(value)

    def _string(self, text: str) -> str:
        return '"' + "".join(map(self._character, text)) + '"'

    def _character(self, character: str) -> str:
        shortest = json.dumps(character, ensure_ascii=False)[1:-1]
        if self._draw.random() >= self._escape_rate:
            return shortest
        if character == "/":
            return "\\/"
        escape = json.dumps(character)[1:-1]
        if len(escape) < 6:
            escape = f"\\u{ord(character):04x}"
        return escape.upper().replace("\\U", "\\u") if self._draw.random() < 0.5 else escape


class Values:
    """Draws values: those that fit a rule, those that nearly do, and any."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw

    def characters(self, alphabet: str, length: int) -> str:
        return "".join(self.draw.choices(alphabet, k=length))

    def uuid(self) -> str:
        return "-".join(self.characters("0123456789abcdef", length) for length in (8, 4, 4, 4, 12))

    def client_token(self) -> str:
        # Mostly of one character: 255 drawn ones, some thousand times, would only make the file hard to pack.
        token = list(self.draw.choice(string.ascii_letters) * 255)
        for _ in range(4):
            token[self.draw.randrange(255)] = self.draw.choice("09azAZ-_")
        return "".join(token)

    def fitting(self, field: str) -> Any:
        """A value that fits the rule of this field."""
        match field:
            case "container_uuid":
                return self.uuid()
            case "client_token":
                return self.client_token()
            case "container_iso_sha256":
                return self.characters("0123456789abcdef", 2) * 32
            case "container_username":
                return "user_" + self.characters(string.digits, 5)
            case "container_password":
                return self.characters(string.ascii_letters + string.digits, self.draw.randint(1, 12))
            case "container_listen_port":
                return Number(str(self.draw.choice([1, 22, 2222, 65535, self.draw.randint(1, 65535)])))
            case "uptime":
                return Number(self.draw.choice(["0", "-0", "1", "86400", "18446744073709551616", "9" * 60]))
            case "version":
                return self.draw.choice(["", "4.1.4", "0", "é🙂", " "])
            case "verb":
                return self.draw.choice(["STAT", "CREATE", "DESTROY", "ECHO", "A", self.characters(string.ascii_uppercase, 9)])
            case "message":
                return self.draw.choice(["OK", "", "Bad request", "Refused request (reason : no)", "naïve 🙂", "a\n"])
            case "success":
                return self.draw.random() < 0.5
        raise KeyError(field)

    def broken_text(self, text: str) -> str:
        """`text` with one small thing changed."""
        place = self.draw.randrange(len(text)) if text else 0
        odd = self.draw.choice(ODD_CHARACTERS)
        changes: list[Callable[[], str]] = [
            lambda: text.swapcase(),
            lambda: text[:-1],
            lambda: text[1:],
            lambda: text + text[-1:],
            lambda: text + odd,
            lambda: odd + text,
            lambda: text[:place] + odd + text[place + 1 :],
            lambda: text[:place] + text[place : place + 1].swapcase() + text[place + 1 :],
            lambda: text.replace("-", "").replace("_", ""),
            lambda: "",
        ]
        return self.draw.choice(changes)()

    def broken(self, field: str, rule: Schema) -> Any:
        """A value that nearly fits the rule of this field, or has another type."""
        if self.draw.random() < 0.15:
            return None
        if rule["type"] == "string" and self.draw.random() < 0.65:
            return self.broken_text(self.fitting(field))
        if rule["type"] == "integer":
            return self.draw.choice([*INTEGERS_AT_LIMITS, *NO_INTEGERS, True, False, "1", "", self.anything(2)])
        return self.draw.choice([True, False, Number("1"), Number("0"), "true", "", [], {}, [{}], self.anything(2)])

    def anything(self, depth: int) -> Any:
        """Any JSON value, nested no deeper than `depth`."""
        choice = self.draw.randrange(11 if depth > 0 else 8)
        match choice:
            case 0:
                return None
            case 1:
                return self.draw.random() < 0.5
            case 2 | 3:
                return self.draw.choice(INTEGERS_AT_LIMITS)
            case 4:
                return self.draw.choice(NO_INTEGERS)
            case 5:
                return self.characters(ODD_CHARACTERS, self.draw.randint(0, 4))
            case 6:
                return self.characters(string.printable.strip(), self.draw.randint(0, 8))
            case 7:
                return self.fitting(self.draw.choice(["container_uuid", "container_username", "verb", "version"]))
            case 8:
                return [self.anything(depth - 1) for _ in range(self.draw.randint(0, 3))]
            case 9:
                return {self.any_name(): self.anything(depth - 1) for _ in range(self.draw.randint(0, 3))}
            case _:
                return self.nested(self.draw.choice([3, 10, MAXIMUM_DEPTH - 6]))

    def nested(self, depth: int) -> Any:
        """A value at the bottom of `depth` arrays and objects."""
        value: Any = Number("1")
        for _ in range(depth):
            value = [value] if self.draw.random() < 0.7 else {"n": value}
        return value

    def any_name(self) -> str:
        """A member's name: sometimes one that has a rule elsewhere."""
        if self.draw.random() < 0.2:
            return self.draw.choice(["verb", "parameters", "data", "success", "uptime", "container_uuid", "client_token"])
        return self.draw.choice(
            ["", "x", "Verb", "verb ", "é", "🙂", "a.b", "^verb", "\u0000", self.characters(string.ascii_lowercase, 3)]
        )


class Messages:
    """Draws messages of one kind. `inner` names the root's member that has rules of its own."""

    def __init__(self, values: Values, schema: Schema, inner: str, groups: list[tuple[str, ...]]) -> None:
        self._values = values
        self._draw = values.draw
        self._schema = schema
        self._inner = inner
        self._inner_schema: Schema = schema[inner]["schema"]
        self._groups = groups
        """Fields that come together or not at all."""

    def valid(self) -> Message:
        """A message that fits its format, with unknown members here and there."""
        message = {field: self._values.fitting(field) for field in self._schema if field != self._inner}
        message[self._inner] = self._inner_members()
        for place in (message, message[self._inner]):
            if self._draw.random() < 0.25:
                place.setdefault(self._unknown_name(), self._values.anything(3))
        return message

    def nearly_valid(self) -> Message:
        """A valid message with one thing changed, which mostly breaks one rule."""
        message = self.valid()
        inner = message[self._inner]
        present = [field for field in self._inner_schema if field in inner]
        if not present or self._draw.random() < 0.3:
            field = self._draw.choice(list(self._schema))
            if self._draw.random() < 0.35:
                del message[field]
            elif field == self._inner:
                message[field] = self._draw.choice([None, [], [{}], "", "{}", True, Number("1"), self._values.anything(0)])
            else:
                message[field] = self._values.broken(field, self._schema[field])
        elif self._draw.random() < 0.3:
            del inner[self._draw.choice(present)]
        else:
            field = self._draw.choice(present)
            inner[field] = self._values.broken(field, self._inner_schema[field])
        return message

    def wild(self) -> Message:
        """Anything that is an object, more or less in the shape of a message."""
        message: Message = {}
        for field in self._schema:
            if self._draw.random() < 0.75:
                message[field] = self._values.anything(3)
        if self._draw.random() < 0.7:
            message[self._inner] = {
                field: self._values.anything(2) if self._draw.random() < 0.8 else self._values.fitting(field)
                for field in self._inner_schema
                if self._draw.random() < 0.3
            }
        for place in (message, message.get(self._inner)):
            while isinstance(place, dict) and self._draw.random() < 0.4:
                place.setdefault(self._values.any_name(), self._values.anything(4))
        return message

    def _inner_members(self) -> Message:
        members: Message = {}
        for group in self._groups:
            if self._draw.random() < 0.35:
                members |= {field: self._values.fitting(field) for field in group}
        return members

    def _unknown_name(self) -> str:
        name = self._values.any_name()
        return f"unknown {name}" if name in self._schema or name in self._inner_schema else name


def slips_through_dollar(message: Any, schema: Schema) -> bool:
    """Whether Python's `$`, which also matches before a last line feed, makes cerberus accept a text that breaks its pattern.

    This is the one known difference between cerberus and the library, so such a message is no case.
    """
    for field, rule in schema.items():
        value = message.get(field)
        if isinstance(value, dict) and "schema" in rule and slips_through_dollar(value, rule["schema"]):
            return True
        if isinstance(value, str) and "regex" in rule and value.endswith("\n") and re.match(rule["regex"], value):
            return True
    return False


def cases(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """`count` cases, the same ones for the same seed."""
    draw = random.Random(seed)
    values = Values(draw)
    requests = Messages(values, REQUEST_SCHEMA, "parameters", [("container_uuid", "client_token")])
    responses = Messages(values, RESPONSE_SCHEMA, "data", [CONTAINER_FIELDS, ("uptime", "version")])
    kinds = (
        ("request", requests, REQUEST_SCHEMA, validate_request),
        ("response", responses, RESPONSE_SCHEMA, validate_response),
    )
    made = 0
    while made < count:
        kind, messages, schema, validate = kinds[made % len(kinds)]
        make = draw.choices((messages.valid, messages.nearly_valid, messages.wild), weights=(25, 45, 30))[0]
        text = Writer(draw).write(make())
        message = json.loads(text)
        if slips_through_dollar(message, schema):
            continue
        valid, errors = validate(message)
        yield {"kind": kind, "text": text, "valid": valid, "errors": None if valid else errors}
        made += 1


def main() -> None:
    """Prints the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--count", type=int, default=DEFAULT_COUNT)
    options = parser.parse_args()
    for case in cases(options.seed, options.count):
        print(json.dumps(case))


if __name__ == "__main__":
    main()
