#!/usr/bin/env python3
"""Compares what becomes of a request with what Python's json.loads() makes of its text.

A text that Python reads is a request, or ANWDL_REASON_MALFORMED_REQUEST, and is given as it came. Every other one is
ANWDL_REASON_DECRYPTION_FAILED. The texts are right ones that were altered in a few places.
"""

import ctypes
import json
import random
import re
import sys
from pathlib import Path

CASES = 20_000
BLANKS = b" \t\r\n"
KEY = bytes(range(32))
IV = bytes(range(16))

SEEDS = (
    '{"verb": "STAT", "parameters": {"x": NaN, "y": [-Infinity, 1.5e3, -0]}}',
    '{"verb": "STAT", "parameters": {"x": "\\u00e9\\ud83d\\ude00\\n", "y": [1.5e3, -0, 1E400]}}',
    '{"a": "\\ud800\\udc00\\ud800", "a": [{"b":{}},[],"é\\n"], "\\u0061": Infinity}',
    '[true,false,null,"\\u00e9",0,-1,1e5,{"k":{"k":1,"k":2}}]',
    "[" * 70 + '{"a":[NaN]}' + "]" * 70,
    '{"p":' * 66 + '[1, "x"]' + "}" * 66,
)
PIECES = (
    *'{}[],:"\\/0123456789-+.eEnultrfaNIi \t\n\r\0\x1f\x7fé\u2028\ufeff',
    *("NaN", "Infinity", "-Infinity", "\\ud800", "\\udc00", "\\u12", "true", "null", '"a":', '"a"', ", ", "[]", "{}"),
)


class Library:
    def __init__(self, path: str, header: Path) -> None:
        self.functions = ctypes.CDLL(path)
        self.functions.anwdl_client_options_new.restype = ctypes.c_void_p
        self.functions.anwdl_session_get_malformed_request_json.restype = ctypes.c_char_p
        text = header.read_text(encoding="utf-8")
        self.numbers = {name: int(number) for name, number in re.findall(r"(ANWDL_\w+) = (\d+)", text)}
        self.aes = ctypes.c_void_p()
        self.done("anwdl_aes_wrapper_new", 256, self.numbers["ANWDL_AES_CBC"], ctypes.byref(self.aes))
        lengths = [ctypes.c_size_t(len(KEY)), ctypes.c_size_t(len(IV))]
        self.done("anwdl_aes_wrapper_set_key", self.aes, KEY, lengths[0], IV, lengths[1])
        self.options = ctypes.c_void_p(self.functions.anwdl_client_options_new())
        self.done("anwdl_client_options_set_exchange_keys", self.options, 0)
        self.done("anwdl_client_options_set_aes_wrapper", self.options, self.aes)

    def done(self, name: str, *arguments: object) -> None:
        status = getattr(self.functions, name)(*arguments)
        if status != self.numbers["ANWDL_OK"]:
            sys.exit(f"{name}: {status}")

    def encrypt(self, text: bytes) -> bytes:
        out, length = ctypes.c_void_p(), ctypes.c_size_t()
        outputs = [ctypes.byref(out), ctypes.byref(length)]
        self.done("anwdl_aes_wrapper_encrypt_data", self.aes, text, ctypes.c_size_t(len(text)), *outputs)
        encrypted = ctypes.string_at(out.value, length.value)
        self.functions.anwdl_bytes_free(out, length)
        return encrypted

    def feed(self, session: ctypes.c_void_p, data: bytes) -> None:
        taken = ctypes.c_size_t()
        self.done("anwdl_session_feed", session, data, ctypes.c_size_t(len(data)), ctypes.byref(taken))

    def receive(self, text: bytes) -> tuple[int, bytes | None]:
        """The reason of a failure, or 0, and the text of a malformed request."""
        session, request = ctypes.c_void_p(), ctypes.c_void_p()
        self.done("anwdl_session_new", self.numbers["ANWDL_ROLE_SERVER"], self.options, ctypes.byref(session))
        packet = self.encrypt(text)

        def go_on() -> int:
            return self.functions.anwdl_session_recv_request(session, 0, ctypes.byref(request))

        # The framing of v2: a length in digits, the answer to it, the ciphertext.
        go_on()
        self.feed(session, str(len(packet)).ljust(8, "=").encode())
        go_on()
        self.done("anwdl_session_sent", session, ctypes.c_size_t(1))
        go_on()
        self.feed(session, packet)
        reason = 0 if go_on() == self.numbers["ANWDL_OK"] else self.functions.anwdl_last_error_reason()
        malformed = self.functions.anwdl_session_get_malformed_request_json(session)
        self.functions.anwdl_request_free(request)
        self.functions.anwdl_session_free(session)
        return reason, malformed


def alter(text: str, chance: random.Random) -> str:
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3])):
        at = chance.randrange(len(text) + 1)
        piece = chance.choice(["", *[chance.choice(PIECES)] * 3])
        text = text[:at] + piece + text[at + chance.choice([0, 0, 1, 1, 2, 6]) :]
    return text


def python_reads(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def main() -> None:
    library = Library(sys.argv[1], Path(sys.argv[2]))
    malformed = library.numbers["ANWDL_REASON_MALFORMED_REQUEST"]
    undecrypted = library.numbers["ANWDL_REASON_DECRYPTION_FAILED"]
    chance = random.Random(1)
    seen: dict[int, int] = {}
    for _ in range(CASES):
        text = alter(chance.choice(SEEDS), chance)
        data = text.encode()
        reason, given = library.receive(data)
        allowed = (0, malformed) if python_reads(text) else (undecrypted,)
        if reason not in allowed:
            sys.exit(f"{text!r}: the reason is {reason}, not one of {allowed}")
        expected = data.strip(BLANKS) if reason == malformed else None
        if given != expected:
            sys.exit(f"{text!r} is given as {given!r}")
        seen[reason] = seen.get(reason, 0) + 1
    if any(seen.get(reason, 0) < CASES // 100 for reason in (0, malformed, undecrypted)):
        sys.exit(f"some kinds are too rare: {seen}")
    print(f"cases: {CASES} texts that are read as Python reads them: {seen}")


if __name__ == "__main__":
    main()
