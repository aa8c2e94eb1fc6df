"""A table in a page, between two lines that say which program printed it."""

import sys
from pathlib import Path


def between(program: str) -> tuple[str, str]:
    """Return the two lines, for the program `python -m PROGRAM`."""
    return f"<!-- begin: printed by {program} -->", f"<!-- end: printed by {program} -->"


def put(page: Path, program: str, table: str) -> int:
    """Write a table into a page; return the exit code, 1 with a message where the lines are missing."""
    begin, end = between(program)
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        print(f"{page} has no lines {begin} and {end}", file=sys.stderr)
        return 1
    page.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
    return 0
