"""Recipe files that a command writes anew: what would change, and the writing."""

import difflib
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from dcql.cli.shell import shown, stdout

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A file's text as it is and as it is to be, line endings and all; without a path it is standard output."""

    name: str
    path: Path | None
    before: str
    after: str


def write(one: Rewritten) -> None:
    """Put a text where it belongs, as a whole or not at all; a file that would stay the same is not written."""
    from dcql.engine.folder import replaced

    if one.path is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(one.after.encode("utf-8"))
    elif one.before != one.after:
        with replaced(one.path) as unfinished:
            unfinished.write_bytes(one.after.encode("utf-8"))
            shutil.copymode(one.path, unfinished)


def print_diff(one: Rewritten) -> None:
    """Print a unified diff, which `patch` takes; on a terminal, control characters are escaped."""
    from rich.text import Text

    console = stdout()
    before, after = (_LINE.findall(text) for text in (one.before, one.after))
    for line in difflib.unified_diff(before, after, one.name, one.name):
        text, end = line.removesuffix("\n"), line.endswith("\n")
        if console.is_terminal:
            colour = {"+": "green", "-": "red", "@": "cyan"}.get(text[:1], "")
            console.print(Text(shown(text), "bold" if text[:3] in ("+++", "---") else colour))
        else:
            print(text)
        if not end:
            print("\\ No newline at end of file")
