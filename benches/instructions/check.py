"""Counts the instructions of a server's operations under callgrind and compares them with the baseline.

The figure of an operation is the difference between a run of 2 N operations and one of N, divided by N, so that neither the
start of the program nor the first operation of a session counts. Only the library's functions that a server calls are counted,
with all that they call; the peer is not.

The exit status is 1 if a count grew by more than the tolerance, or if what is counted is not what the baseline counts. Counts
are compared only where the compilers, the C library, valgrind and the processor's features are those of the baseline.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASELINE = HERE / "baseline.json"
RENEW = "make bench-instructions-baseline"

TOLERANCE = 0.03
LONGEST_RUN = 60
"""Seconds."""

RSA_OPERATIONS = ("_EVP_PKEY_decrypt", "_EVP_PKEY_encrypt")
"""The private and the public operation of AWS-LC, padding included; a prefix tells its version."""


class Failed(Exception):
    """Nothing could be counted, for a reason that the message tells."""


@dataclass(frozen=True)
class Operation:
    """What is counted."""

    kind: str
    """As the program `operations` names it."""
    framing: str
    count: int
    """N. Twice as many exchanges stay below the 32 after which AWS-LC draws new blinding for a key, at an uneven price."""
    functions: tuple[str, ...]
    """What a server calls for it."""
    has_rsa: bool


EXCHANGE = ("anwdl_client_new", "anwdl_client_free")
REQUEST = ("anwdl_client_recv_request", "anwdl_request_get_verb", "anwdl_client_send_response", "anwdl_request_free")
OPERATIONS = (
    Operation("exchange", "v4", 8, EXCHANGE, True),
    Operation("exchange", "gcm", 8, EXCHANGE, True),
    *(Operation("request", framing, 100, REQUEST, False) for framing in ("v2", "v3", "v4", "gcm")),
)

Counts = dict[str, int]
Environment = dict[str, str]


def output_of(*command: str, directory: Path = HERE) -> str:
    """What a command prints."""
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=LONGEST_RUN)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def under_valgrind(program: Path, *arguments: str, options: tuple[str, ...]) -> str:
    """Runs the program under valgrind, in the same surroundings wherever it lies: the size of the environment and of the
    program's name move the stack, on whose alignment some instructions of the C library depend."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Failed("valgrind is missing")
    own = [f"{name}={value}" for name, value in os.environ.items() if name == "VALGRIND_LIB"]
    command = ["env", "-i", *own, valgrind, "--quiet", *options, f"./{program.name}", *arguments]
    return output_of(*command, directory=program.parent)


def find_environment(program: Path) -> Environment:
    """What must be the same for counts to be comparable."""
    return {
        "architecture": platform.machine(),
        "processor features, as valgrind presents them": under_valgrind(
            program, "features", options=("--tool=none",)
        ).strip(),
        "valgrind": output_of("valgrind", "--version").strip(),
        "rustc": output_of("rustc", "--version").strip(),
        "C compiler": output_of("cc", "--version").splitlines()[0],
        "C library": " ".join(platform.libc_ver()),
    }


def inclusive_cost(profile: str, endings: tuple[str, ...]) -> int | None:
    """The instructions of all calls to functions with such names, and of what they call. None if there were no calls."""
    names: dict[str, str] = {}
    callee = ""
    is_cost_of_call = False
    total = None
    for line in profile.splitlines():
        if function := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?$", line):
            is_callee, number, name = function.groups()
            # A name is written out where it occurs first.
            names.setdefault(number, name or "")
            callee = names[number] if is_callee else callee
        elif line.startswith("calls="):
            is_cost_of_call = True
        elif is_cost_of_call:
            is_cost_of_call = False
            if callee.endswith(endings):
                total = (total or 0) + int(line.split()[-1])
    return total


def count_run(program: Path, operation: Operation, count: int, profiles: Path) -> tuple[int, int]:
    """The instructions of a run, and those of them that are RSA's."""
    path = profiles / f"{operation.kind}-{operation.framing}-{count}.callgrind"
    under_valgrind(
        program,
        operation.kind,
        operation.framing,
        str(count),
        options=(
            "--tool=callgrind",
            f"--callgrind-out-file={path}",
            *(f"--toggle-collect={function}" for function in operation.functions),
        ),
    )
    profile = path.read_text()
    found = re.search(r"^totals: (\d+)$", profile, re.MULTILINE)
    total = int(found.group(1)) if found else 0
    if total == 0:
        raise Failed(f"{path.name}: callgrind counted nothing; does the library still have {operation.functions[0]}?")
    rsa = inclusive_cost(profile, RSA_OPERATIONS) if operation.has_rsa else 0
    if rsa is None:
        raise Failed(f"{path.name}: no calls of {' or '.join(RSA_OPERATIONS)}; which operations of AWS-LC are RSA's now?")
    return total, rsa


def count_all(program: Path, profiles: Path) -> Counts:
    """The instructions of each operation."""
    runs = [(operation, count) for operation in OPERATIONS for count in (operation.count, 2 * operation.count)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = dict(zip(runs, pool.map(lambda run: count_run(program, *run, profiles), runs)))
    counts: Counts = {}
    for operation in OPERATIONS:
        total, rsa = (
            (twice - once) / operation.count
            for once, twice in zip(results[operation, operation.count], results[operation, 2 * operation.count])
        )
        name = f"{operation.kind} {operation.framing}"
        counts[name] = round(total)
        if operation.has_rsa:
            counts[f"{name}, without RSA"] = round(total - rsa)
    return counts


def print_counts(counts: Counts) -> None:
    """The table where there is nothing to compare with."""
    print(f"{'instructions of one':<28}{'now':>14}")
    for name, count in counts.items():
        print(f"{name:<28}{count:>14,}")


def compare(counts: Counts, baseline: Counts) -> bool:
    """Prints the table; whether nothing grew beyond the tolerance."""
    print(f"{'instructions of one':<28}{'baseline':>14}{'now':>14}{'change':>10}")
    grown, shrunk = [], []
    for name in baseline.keys() & counts.keys():
        change = counts[name] / baseline[name] - 1
        if change > TOLERANCE:
            grown.append(name)
        elif change < -TOLERANCE:
            shrunk.append(name)
    for name, count in counts.items():
        if name in baseline:
            change = count / baseline[name] - 1
            verdict = "  GREW" if name in grown else "  shrank" if name in shrunk else ""
            print(f"{name:<28}{baseline[name]:>14,}{count:>14,}{change:>+10.2%}{verdict}")
        else:
            print(f"{name:<28}{'-':>14}{count:>14,}")
    if shrunk:
        print(f"\nSome shrank by more than {TOLERANCE:.0%}: hold on to that with `{RENEW}`.")
    if grown:
        print(f"\nFAILED: some grew by more than {TOLERANCE:.0%}. Where that is intended: `{RENEW}`, and say why in the commit.")
    others = sorted(baseline.keys() ^ counts.keys())
    if others:
        print(f"\nFAILED: counted now or in the baseline, not in both: {'; '.join(others)}. Renew it: `{RENEW}`.")
    return not grown and not others


def report_differences(environment: Environment, expected: Environment) -> None:
    """Says why nothing is compared."""
    print("\nNOT COMPARED with the baseline, which was counted in another environment:")
    for part in [*expected, *(environment.keys() - expected.keys())]:
        if environment.get(part) != expected.get(part):
            print(f"  {part}:\n    baseline  {expected.get(part, '-')}\n    here      {environment.get(part, '-')}")
    print(f"To guard this environment in place of that one: `{RENEW}`.")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("program", type=Path, help="the program `operations`")
    parser.add_argument("--baseline", type=Path, default=BASELINE, help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="write the baseline instead of comparing with it")
    parser.add_argument("--profiles", type=Path, help="leave callgrind's files in this folder, for callgrind_annotate")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> bool:
    program = arguments.program.resolve()
    environment = find_environment(program)
    with tempfile.TemporaryDirectory() as temporary:
        profiles = arguments.profiles or Path(temporary)
        profiles.mkdir(parents=True, exist_ok=True)
        counts = count_all(program, profiles.resolve())
    if arguments.write:
        text = json.dumps({"environment": environment, "instructions": counts}, indent=2)
        arguments.baseline.write_text(text + "\n")
        print_counts(counts)
        return True
    baseline = json.loads(arguments.baseline.read_text())
    if environment == baseline["environment"]:
        return compare(counts, baseline["instructions"])
    print_counts(counts)
    report_differences(environment, baseline["environment"])
    return True


def main() -> int:
    try:
        return 0 if run(parse_arguments()) else 1
    except Failed as failure:
        print(f"check.py: {failure}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
