"""Each file of tests/cli/sessions/ is a session: commands after `$`, and under each what it prints.

Standard output comes first, then standard error, then the exit code where it is not 0; DIR stands for the folder with
the pools. `pytest --update` writes what the commands print.
"""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SESSIONS = sorted((Path(__file__).parent / "sessions").glob("*.txt"))


@pytest.mark.parametrize("path", SESSIONS, ids=lambda path: path.stem)
def test_session(path: Path, dcql: Callable[..., Any], store: Path, update: bool) -> None:
    # Each begins with nothing stored, and with one pool: other tests of this process may have run before.
    shutil.rmtree(store / "home" / "features", ignore_errors=True)
    for other in (store / "home" / "pools").iterdir():
        if other.name != "mixed":
            shutil.rmtree(other)
    written = path.read_text(encoding="utf-8")
    commands = [line[2:] for line in written.splitlines() if line.startswith("$ ")]
    lines: list[str] = []
    for command in commands:
        program, *arguments = shlex.split(command.replace("DIR", str(store)))
        assert program == "dcql"
        told = dcql(*arguments)
        printed = (told.out + _without_usage(told.err)).replace(str(store), "DIR")
        # How large a parquet file is depends on who wrote it.
        printed = re.sub(r'(?<="bytes": )[0-9]+|[0-9.]+ (bytes|kB)', "SIZE", printed)
        # Where packages with weights are installed.
        printed = re.sub(r"(?<=: )/\S*/(?=[^/\s]+( \(used\))?$)", "PACKAGE/", printed, flags=re.MULTILINE)
        assert "Traceback" not in printed
        assert all(character == "\n" or character.isprintable() for character in printed)
        lines += [f"$ {command}\n", printed]
        if told.code:
            lines.append(f"[exit {told.code}]\n")
        lines.append("\n")
    found = "".join(lines).rstrip("\n") + "\n"
    if update:
        path.write_text(found, encoding="utf-8", newline="\n")
    assert found == written or update


def _without_usage(text: str) -> str:
    """Leave out what typer words anew from version to version."""
    return text[text.index("Error: ") :] if text.startswith("Usage: ") else text
