"""session.txt: commands after `$` over shards with every fault, and under each what it prints.

`# lost` and the like say what becomes of the shards before the commands that follow. `pytest --update` writes it.
"""

import contextlib
import io
import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from covered.conftest import Covered, sha256, whole
from features.tars import write_tar

from dcql.cli import main

SESSION = Path(__file__).parent / "session.txt"


def faults(covered: Covered) -> None:
    """A tar that is lost, one that is cut off, and one with everything else."""
    (covered.shards / "00000002.tar").unlink()
    cut = covered.shards / "00000001.tar"
    cut.write_bytes(cut.read_bytes()[:7000])
    files = [file for i in range(30, 38) for file in whole(i, **({"sha256": sha256(0)} if i < 33 else {}))]
    files += whole(33) + whole(5) + whole(1000) + whole(38)[1:] + whole(39)[:2]
    files += whole(37, sha256=None, key="again")
    write_tar(covered.shards / "00000003.tar", files)


def repaired(covered: Covered) -> None:
    """All that is lost comes back, but for a few."""
    for number in range(1, 4):
        covered.write_tar(number, range(10 * number, 10 * number + 9))


STEPS: dict[str, Callable[[Covered], None]] = {"faults": faults, "repaired": repaired}


def test_session(covered: Covered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    Path("usable.dcql").write_text("SELECT uid FROM pool WHERE available AND intact AND score >= q(0.3);\n")
    Path("all.dcql").write_text("SELECT uid FROM pool WHERE score >= q(0.5);\n")
    written = SESSION.read_text(encoding="utf-8")
    lines: list[str] = []
    for line in written.splitlines():
        if line.startswith("# "):
            STEPS[line[2:]](covered)
            lines.append(f"{line}\n\n")
        elif line.startswith("$ "):
            lines.append(f"{line}\n{call(line[2:]).replace(str(tmp_path), 'DIR')}\n")
    told = "".join(lines)
    if update:
        SESSION.write_text(told, encoding="utf-8", newline="\n")
    assert told == written


def call(command: str) -> str:
    """Return what a command prints, and its exit code where it is not 0."""
    program, *arguments = shlex.split(command)
    assert program == "dcql"
    terminated = signal.getsignal(signal.SIGTERM)
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), pytest.raises(SystemExit) as ended:
            main(arguments)
    finally:
        signal.signal(signal.SIGTERM, terminated)
    printed = re.sub(r"[0-9.]+ (bytes|kB)", "SIZE", out.getvalue())
    return printed + (f"exit code {ended.value.code}\n" if ended.value.code else "")
