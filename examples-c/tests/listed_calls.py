"""Makes a table of the system calls that a page of the manual lists, for test_system_calls_are_listed.c.

    listed_calls.py PAGE TABLE

The list is the table of the page whose second column is called `system calls`. Calls that a system does not have are left out.
"""

import re
import sys
from pathlib import Path


def main() -> None:
    page, table = map(Path, sys.argv[1:])
    rows, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        inside = line.startswith("|") and (inside or cells[1:2] == ["system calls"])
        if inside and len(cells) > 1 and "`" in cells[1]:
            purpose = cells[0].split("**")[1]
            rows += [(purpose, name) for name in re.findall(r"`(\w+)`", cells[1])]
    lines = [f'#ifdef SYS_{name}\n{{"{purpose}", SYS_{name}, "{name}"}},\n#endif\n' for purpose, name in rows]
    table.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
