"""Counts with callgrind what the first conversation of a process costs, and that of a forked child: not much more than the next.

    test_first_use_cost.py VALGRIND PROGRAM
"""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

LONGEST_RUN = 100
"""Seconds, fewer than CTest's own."""

MOST = 1.5
"""Times the next one: tables, lazily bound symbols, a generator that gets its seed."""


def instructions_of(valgrind: str, *command: str) -> int:
    """Of the process and its children."""
    run = subprocess.run(
        [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
        check=True,
        capture_output=True,
        text=True,
        timeout=LONGEST_RUN,
    )
    return sum(map(int, re.findall(r"^==\d+== Collected : (\d+)$", run.stderr, re.MULTILINE)))


def main() -> int:
    valgrind, program = sys.argv[1:]
    failed = False
    for where in ("process", "child"):
        with ThreadPoolExecutor() as pool:
            none, one, two = pool.map(lambda count: instructions_of(valgrind, program, where, str(count)), range(3))
        first, next_one = one - none, two - one
        print(f"{where}: the first conversation takes {first:,} instructions, the next {next_one:,}")
        failed |= first > MOST * next_one
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
