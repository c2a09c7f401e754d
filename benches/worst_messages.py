#!/usr/bin/env python3
"""Searches for the messages that cost the most instructions for each of their bytes.

It climbs: of a population of messages, each described by its genes, the most expensive ones are
changed at random, over and over. The genes choose keys, escapes, numbers, nesting, blanks, order,
duplicates and where in a message all that stands. Callgrind counts what receiving one takes, and
asking for all that is in it. The best finds are written to tests/worst_messages, which
tests/message_costs.rs compares with plain messages."""

import argparse
import copy
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
SIZE = 8 * 1024
POPULATION, KEPT = 60, 12

ATOMS = ["x", " ", "é", "中", "😀", "\\n", "\\\\", "\\/", '\\"', "\\u0041", "\\u00e9", "\\u4e2d",
         "\\ud83d\\ude00", "\\u0000", "\x7f", "container_"]
BLANKS = ["", "", "", " ", "\n", "\t\r"]
SCALARS = ["0", "-1", "7.5", "1e9", "-0.0E-0", "123456789", "null", "true", "false", '""', "[]", "{}"]
PLACES = ["inner", "root before", "root behind", "nested"]


def new_text(rng):
    return {"atoms": [rng.choice(ATOMS) for _ in range(rng.randint(1, 3))],
            "count": rng.choice([0, 1, 2, 3, 7, 8, 15, 16, 62, 64, 65, 200, 1500])}


def new_value(rng, depth=0):
    kind = rng.choice(["scalar", "scalar", "text", "number", "list", "object", "deep"])
    if depth > 2 and kind in ("list", "object"):
        kind = "scalar"
    value = {"kind": kind}
    if kind == "scalar":
        value["text"] = rng.choice(SCALARS)
    elif kind == "text":
        value["text"] = new_text(rng)
    elif kind == "number":
        value["digits"] = rng.choice([1, 2, 8, 19, 40, 1000])
        value["form"] = rng.choice(["{}", "-{}", "0.{}", "1e{}", "-1.{}E+1"])
    elif kind == "deep":
        value["depth"] = rng.choice([1, 2, 10, 55])
        value["form"] = rng.choice(["list", "object"])
    else:
        value["items"] = [new_value(rng, depth + 1) for _ in range(rng.randint(1, 3))]
        value["times"] = rng.choice([1, 2, 5, 23, 24, 25, 30, 100])
        value["keys"] = new_key(rng)
    return value


def new_key(rng):
    return {"front": new_text(rng), "back": new_text(rng),
            "base": rng.choice([10, 16, 90]), "escaped": rng.random() < 0.3}


def new_genes(rng):
    return {"members": [{"key": new_key(rng), "value": new_value(rng)}
                        for _ in range(rng.randint(1, 3))],
            "place": rng.choice(PLACES), "blank": rng.choice(BLANKS),
            "order": rng.choice(["as made", "reversed", "shuffled"]),
            "ending": rng.choice(["good"] * 6 + ["duplicate", "cut"])}


def write_text(genes):
    return "".join(genes["atoms"]) * genes["count"]


def write_number(number, base):
    signs = [chr(c) for c in range(33, 127) if chr(c) not in '"\\'][:base]
    text = ""
    while True:
        number, sign = divmod(number, base)
        text = signs[sign] + text
        if number == 0:
            return text


def write_key(genes, number):
    middle = write_number(number, genes["base"])
    if genes["escaped"]:
        middle = "".join(f"\\u{ord(c):04x}" for c in middle)
    return '"' + write_text(genes["front"]) + middle + write_text(genes["back"]) + '"'


def write_value(genes, blank):
    kind = genes["kind"]
    if kind == "scalar":
        return genes["text"]
    if kind == "text":
        return '"' + write_text(genes["text"]) + '"'
    if kind == "number":
        return genes["form"].format("9" * genes["digits"])
    if kind == "deep":
        front, back = ("[", "]") if genes["form"] == "list" else ('{"a":', "}")
        return front * genes["depth"] + "0" + back * genes["depth"]
    items = [write_value(item, blank) for item in genes["items"]] * genes["times"]
    if kind == "list":
        return "[" + ("," + blank).join(items) + "]"
    members = [write_key(genes["keys"], number) + ":" + item for number, item in enumerate(items)]
    return "{" + ("," + blank).join(members) + "}"


def write_message(genes, role, rng):
    """Up to SIZE bytes; what would be longer is left out."""
    members, size, number = [], 0, 0
    blank = genes["blank"]
    while size < SIZE - 200:
        gene = genes["members"][number % len(genes["members"])]
        member = write_key(gene["key"], number) + blank + ":" + blank + write_value(gene["value"], blank)
        size += len(member.encode()) + 1 + len(blank)
        if size > SIZE - 100 and members:
            break
        if size > 4 * SIZE:
            return None
        members.append(member)
        number += 1
    if genes["order"] == "reversed":
        members.reverse()
    elif genes["order"] == "shuffled":
        random.Random(1).shuffle(members)
    if genes["ending"] == "duplicate":
        members.append(members[0])
    body = ("," + blank).join(members)
    rest = ('"verb":"ECHO"', "parameters") if role == "Server" else ('"success":true,"message":"OK"', "data")
    inner = f'"{rest[1]}":'
    text = {"inner": f"{{{rest[0]},{inner}{{{body}}}}}",
            "root before": f"{{{body},{rest[0]},{inner}{{}}}}",
            "root behind": f"{{{rest[0]},{inner}{{}},{body}}}",
            "nested": f'{{{rest[0]},{inner}{{"o":{{{body}}}}}}}'}[genes["place"]]
    if genes["ending"] == "cut":
        text = text[:-1]
    return text


def change(genes, rng):
    """A copy with a few of its genes made anew."""
    genes = copy.deepcopy(genes)
    for _ in range(rng.choice([1, 1, 2, 3])):
        member = rng.choice(genes["members"])
        choice = rng.randrange(9)
        if choice == 0:
            member["key"] = new_key(rng)
        elif choice == 1:
            member["key"][rng.choice(["front", "back"])] = new_text(rng)
        elif choice in (2, 3):
            member["value"] = new_value(rng)
        elif choice == 4 and "items" in member["value"]:
            member["value"]["items"][0] = new_value(rng, 1)
            member["value"]["times"] = rng.choice([1, 2, 3, 5, 8, 23, 24, 25, 30, 100])
        elif choice == 5 and "items" in member["value"]:
            member["value"]["keys"] = new_key(rng)
        elif choice == 6:
            if len(genes["members"]) > 1 and rng.random() < 0.5:
                genes["members"].pop()
            else:
                genes["members"].append({"key": new_key(rng), "value": new_value(rng)})
        elif choice == 7:
            genes[rng.choice(["place", "blank", "order", "ending"])] = None
            fresh = new_genes(rng)
            for name in ("place", "blank", "order", "ending"):
                if genes[name] is None:
                    genes[name] = fresh[name]
        else:
            member["key"]["base"] = rng.choice([10, 16, 90])
            member["key"]["escaped"] = rng.random() < 0.3
    return genes


def costs(texts, role, binary):
    """Instructions for each byte, of each text."""
    with tempfile.TemporaryDirectory() as folder:
        files, out = pathlib.Path(folder, "files"), pathlib.Path(folder, "out")
        files.mkdir()
        for number, text in enumerate(texts):
            (files / f"{number:04}").write_text(text, encoding="utf-8")
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
             "--toggle-collect=*counted_*", "--dump-after=*counted_receive*", binary, "--ignored",
             "--nocapture", "--test-threads=1", "--exact", "files_under_callgrind"],
            env={**os.environ, "ROLE": role, "FILES": str(files)}, capture_output=True, text=True, check=True)
        sizes = [int(size) for size in re.findall(r"bytes: (\d+)", done.stdout)]
        instructions = []
        for number in range(1, len(texts) + 1):
            dump = pathlib.Path(f"{out}.{number}").read_text(encoding="utf-8", errors="replace")
            instructions.append(int(re.search(r"^(?:totals|summary): (\d+)", dump, re.M).group(1)))
    assert len(sizes) == len(texts), done.stdout
    return [count / size for count, size in zip(instructions, sizes)]


def search(role, minutes, binary, rng):
    population = [new_genes(rng) for _ in range(POPULATION)]
    best, known, end = [], set(), time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        made = []
        for genes in population:
            text = write_message(genes, role, rng)
            if text is not None and text not in known and len(text.encode()) <= 2 * SIZE:
                known.add(text)
                made.append((genes, text))
        if made:
            found = costs([text for _, text in made], role, binary)
            best += [(cost, *one) for cost, one in zip(found, made)]
            best.sort(key=lambda one: -one[0])
            best = best[:KEPT]
            print(f"{role}: {best[0][0]:.1f} instructions a byte, of {len(known)} messages", flush=True)
        population = [change(rng.choice(best)[1], rng) for _ in range(POPULATION - 6)]
        population += [new_genes(rng) for _ in range(6)]
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="the program of tests/message_costs.rs that cargo built")
    parser.add_argument("--minutes", type=float, default=5, help="for each side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--finds", type=int, default=3, help="how many of each side are kept")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    for role, name in (("Server", "requests"), ("Client", "responses")):
        best = search(role, arguments.minutes, arguments.binary, rng)
        folder = TOP / "tests" / "worst_messages" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for number, (cost, genes, text) in enumerate(best[:arguments.finds], 1):
            (folder / f"{number}.json").write_text(text, encoding="utf-8")
            print(f"{name} {number}: {cost:.1f}: {json.dumps(genes)}")


if __name__ == "__main__":
    main()
