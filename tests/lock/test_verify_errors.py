"""What `verify --perturb` says of a condition that could not be tried, and what it leaves out."""

import errno
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dcql.catalog.pool import Pool
from dcql.compiler import run
from dcql.errors import RunError, render
from dcql.source import Source
from dcql.verify import LeftOut, conditions_for, layouts, perturb, refuse

ERRORS = Path(__file__).parent / "verify_errors"
THRESHOLD = Source("threshold.dcql", "SELECT uid FROM pool WHERE clip_l14 >= q(0.7)")

Patch = pytest.MonkeyPatch


def no_room(tmp_path: Path, patch: Patch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr("dcql.verify.layouts.pq.ParquetWriter", full)


def killed(tmp_path: Path, patch: Patch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    patch.setenv("PYTHONPATH", str(tmp_path))


CASES: dict[str, tuple[Callable[[Path, Patch], None], str]] = {
    "E1452_killed": (killed, "new process: 1"),
    "E1453_no_room": (no_room, "files split"),
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, mixed: Pool, tmp_path: Path, monkeypatch: Patch, update: bool) -> None:
    plant, condition = CASES[name]
    reference = run(THRESHOLD, mixed)
    plant(tmp_path, monkeypatch)
    outcomes = list(perturb(reference, tuple(one for one in conditions_for(reference) if one.name == condition)))
    with pytest.raises(RunError) as caught:
        refuse(outcomes)
    drawn = render(caught.value.diagnostics) + "\n"
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(drawn, encoding="utf-8", newline="\n")
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [name[:5]]
    assert drawn == expected.read_text(encoding="utf-8")


# --- left out ---------------------------------------------------------------------------------------------------------


def left_out(pool: Pool, *, full: bool = False) -> dict[str, str]:
    found = conditions_for(run(THRESHOLD, pool), full=full)
    return {one.name: one.why for one in found if isinstance(one, LeftOut)}


def test_a_large_pool_is_not_written_anew(mixed: Pool, monkeypatch: Patch) -> None:
    assert left_out(mixed) == {}
    monkeypatch.setattr(layouts, "MAX_ROWS", 1000)
    why = "3,000 samples are more than 1,000: --full"
    assert left_out(mixed) == dict.fromkeys(["row groups", "files merged", "files split", "cold store"], why)
    assert left_out(mixed, full=True) == {}


def test_bytes_and_room_count_too(mixed: Pool, monkeypatch: Patch) -> None:
    monkeypatch.setattr(layouts, "MAX_BYTES", 1)
    assert layouts.why_not(mixed, (), full=False) == "0.0 GB are more than 0.0 GB: --full"
    # Without room nothing helps.
    large = replace(mixed, files=tuple(replace(file, size=1 << 60) for file in mixed.files))
    assert "are needed in" in str(layouts.why_not(large, (), full=True))


def test_what_was_written_is_removed(mixed: Pool, tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reference = run(THRESHOLD, mixed)
    chosen = tuple(one for one in conditions_for(reference) if one.name in ("row groups", "files merged", "cold store"))
    for _ in perturb(reference, chosen):
        assert list(tmp_path.iterdir()) == []
