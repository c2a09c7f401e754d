"""Counts the instructions that it takes to refuse messages of v2, v3 and v4 under callgrind, whatever is wrong with them.

Messages of one size, framing and side are refused after the same count, but for a tolerance: so the time tells a peer nothing
of a text that he has put together of other messages. A refusal takes no more than so many times what a plain message takes.

The exit status is 1 if one takes more or less.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SIZES = (1024, 16 * 1024, 64 * 1024)
PLACES = tuple((side, framing) for side in ("server", "client") for framing in ("v2", "v3", "v4"))
BLOCK = 16

LARGEST_RATIO = 1.25
"""Of the most expensive refusal to the cheapest one."""
LARGEST_FACTOR = 3.0
"""Of the most expensive refusal to a plain message that is accepted."""
DEAREST = "escaped keys"
"""What nothing makes up for: a message of such keys alone takes more than is made up for, be it refused or accepted."""
LARGEST_RATIO_OF_DEAREST = 1.4
LARGEST_FACTOR_OF_DEAREST = 4.0
LONGEST_RUN = 600
"""Seconds."""

Texts = dict[str, bytes]

HEADS = {"server": b'{"verb":"ECHO","parameters":{', "client": b'{"success":true,"message":"OK","data":{'}


def message(side: str, size: int, member: str, between: str = ",") -> bytes:
    """A message of so many bytes, of many such members, behind which blanks fill it up."""
    text = HEADS[side]
    members: list[str] = []
    room = size - len(text) - 2
    for number in range(size):
        one = member.format(n=number, x=f"{number:x}")
        if room < len(one) + len(between):
            break
        members.append(one)
        room -= len(one) + len(between)
    return (text + between.join(members).encode() + b"}}").ljust(size)


def value(side: str, size: int, beginning: str, part: str, end: str) -> bytes:
    """A message of so many bytes with one long value."""
    head = HEADS[side] + b'"list":' + beginning.encode()
    tail = end.encode() + b"}}"
    part_bytes = part.encode()
    room = size - len(head) - len(tail)
    return (head + part_bytes * (room // len(part_bytes)) + tail).ljust(size)


def whole_texts(side: str, size: int) -> Texts:
    """Texts that are read to their end, of many kinds."""
    levels = size // 4
    return {
        "plain": message(side, size, '"name_{n:05}":"an everyday value"'),
        "plain, with blanks": message(side, size, '"name_{n:05}": "an everyday value"', ", "),
        "short keys": message(side, size, '"k{n}":{n}'),
        "shortest keys": message(side, size, '"{x}":0'),
        "empty strings": message(side, size, '"{x}":""'),
        "long keys": message(side, size, '"' + "k" * 90 + '{n:05}":1'),
        "escaped keys": message(side, size, '"\\u00e9{n:05}":1'),
        "objects": value(side, size, "[", '{"a":0,"b":1,"\\u0063":2},', "0]"),
        "one string": value(side, size, '"', "x", '"'),
        "other letters": value(side, size, '"', "\u4e2d", '"'),
        "escapes": value(side, size, '"', "\\u00e9", '"'),
        "short escapes": value(side, size, '"', "\\n", '"'),
        "escapes and letters": value(side, size, '"', "\\nabc", '"'),
        "one number": value(side, size, "1", "9", ""),
        "numbers": value(side, size, "[", "100,", "0]"),
        "fractions": value(side, size, "[", "1.5e1,", "0]"),
        "words": value(side, size, "[", "true,", "0]"),
        "strings": value(side, size, "[", '"strings!",', "0]"),
        "arrays": value(side, size, "[", "[],", "0]"),
        "nesting": value(side, size, "[", "[" * 50 + "]" * 50 + ",", "0]"),
        "deep nesting": value(side, size, "[" * levels, " ", "]" * levels),
        "deep objects": value(side, size, '{"a":' * (size // 12), " ", "0" + "}" * (size // 12)),
        "NaN": value(side, size, '[NaN,"', "x", '"]'),
        "blanks": value(side, size, "0", " ", ""),
    }


def at(text: bytes, place: int, other: bytes) -> bytes:
    return text[:place] + other + text[place + len(other) :]


def flipped(text: bytes, place: int) -> bytes:
    """The text with one more quote: what was in a string is out of one, and the other way round."""
    return at(text, place, b'"')


def refused_blocks(side: str, size: int) -> Texts:
    """Texts and paddings, all of the same size, that are refused."""
    text_size = size - BLOCK
    right = bytes([BLOCK]) * BLOCK
    wrong = bytes([BLOCK]) * (BLOCK - 1) + b"\x13"
    texts = whole_texts(side, text_size)
    found = {f"{name}, wrong padding": text + wrong for name, text in texts.items()}
    for name in ("plain", "short keys", "one string", "escapes", "objects", "nesting"):
        text = texts[name]
        end = len(text.rstrip()) - 1
        for where, place in (("first", 0), ("early", size // 16), ("middle", size // 2), ("last", end)):
            changed = {
                "no UTF-8": at(text, place, b"\xff"),
                "a control character": at(text, place, b"\x01"),
                "a quote more": flipped(text, place),
                "a letter": at(text, place, b"x"),
                "a backslash": at(text, place, b"\\"),
            }
            for what, changed_text in changed.items():
                found[f"{name}, {what}, {where}, wrong padding"] = changed_text + wrong
                # A letter in a string may leave a message that is one.
                if what in ("no UTF-8", "a control character") or (where in ("first", "last") and name != "one string"):
                    found[f"{name}, {what}, {where}"] = changed_text + right
    for name, padding in (
        ("0", bytes(BLOCK)),
        ("of which the first byte is wrong", b"\x11" + right[1:]),
        ("of letters", b"ABCDEFGHIJKLMNOP"),
        ("of letters, one of two bytes", b"ABCDE\xc3\xa8HIJKLMNOP"),
        ("of letters, no UTF-8", b"ABCDE\xc3\x28HIJKLMNOP"),
    ):
        found[f"plain, a padding {name}"] = texts["plain"] + padding
        found[f"short keys, a padding {name}"] = texts["short keys"] + padding
    generator = random.Random(1)
    found["random"] = bytes(generator.randrange(256) for _ in range(size - 1)) + b"\x13"
    found["random ASCII"] = bytes(generator.randrange(128) for _ in range(size - 1)) + b"\x13"
    found["random letters in a string"] = (b'{"' + bytes(generator.randrange(97, 123) for _ in range(size - 2)))
    return found


def count(program: Path, side: str, framing: str, blocks: Texts) -> dict[str, int]:
    """The instructions of each refusal."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        sys.exit("refusals.py: valgrind is missing")
    with tempfile.TemporaryDirectory() as folder:
        names = {}
        for number, (name, block) in enumerate(blocks.items()):
            path = Path(folder) / f"{number}{'.valid' if name == 'valid' else ''}"
            path.write_bytes(block)
            names[str(path)] = name
        # So that no call pays for being the first one of its kind.
        environment = {**os.environ, "LD_BIND_NOW": "1"}
        dumps = Path(folder) / "callgrind"
        command = [valgrind, "--quiet", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={dumps}"]
        done = subprocess.run([*command, str(program), side, framing, *names], capture_output=True, text=True, timeout=LONGEST_RUN, env=environment)
        if done.returncode != 0:
            sys.exit(f"refusals.py: {side} {framing}: {done.stdout}{done.stderr}")
        # Such as that a rule is broken on purpose.
        sys.stderr.write(done.stderr)
        counts = {}
        for dump in Path(folder).glob("callgrind.*"):
            profile = dump.read_text()
            trigger = re.search(r"^desc: Trigger: Client Request: (.*)$", profile, re.MULTILINE)
            total = re.search(r"^totals: (\d+)$", profile, re.MULTILINE)
            if trigger and total:
                counts[names[trigger.group(1)]] = int(total.group(1))
        if counts.keys() != set(names.values()):
            sys.exit(f"refusals.py: {side} {framing}: callgrind left {len(counts)} dumps of {len(names)}")
        return counts


def check(program: Path, side: str, framing: str, size: int) -> tuple[int, float]:
    """Prints what one place costs; how many refusals there were, and their ratio."""
    plain = whole_texts(side, size - BLOCK)["plain"] + bytes([BLOCK]) * BLOCK
    counts = count(program, side, framing, {"valid": plain, **refused_blocks(side, size)})
    valid = counts.pop("valid")
    dearest = max(count for name, count in counts.items() if name.startswith(DEAREST))
    others = {name: count for name, count in counts.items() if not name.startswith(DEAREST)}
    most = max(others, key=others.__getitem__)
    least = min(others, key=others.__getitem__)
    ratio, factor = others[most] / others[least], others[most] / valid
    print(
        f"{side} {framing} {size:>6}: {others[least]:,} ({least}) to {others[most]:,} ({most}): {ratio:.3f}; "
        f"{factor:.2f} of a plain message; {DEAREST}: {dearest / others[least]:.3f}; {dearest / valid:.2f}",
        flush=True,
    )
    holds = ratio <= LARGEST_RATIO and dearest / others[least] <= LARGEST_RATIO_OF_DEAREST
    if not holds:
        print("FAILED: refusals differ too much")
    is_cheap = factor <= LARGEST_FACTOR and dearest / valid <= LARGEST_FACTOR_OF_DEAREST
    if not is_cheap:
        print("FAILED: a refusal takes too much")
    check.failed |= not (holds and is_cheap)
    return len(counts), ratio


check.failed = False


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("program", type=Path, help="the program `refusals`")
    program = parser.parse_args().program.resolve()
    results = [check(program, *place, size) for place in PLACES for size in SIZES]
    print(f"\nfigure: the largest ratio is {max(ratio for _, ratio in results):.3f}")
    print(f"\ncases: {sum(cases for cases, _ in results)} refusals whose instructions were counted")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
