"""Temporary folders and files of processes that take each other's for those of killed ones."""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from dcql import scratch


def test_a_folder_that_is_removed_before_it_is_held_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tempfile.mkdtemp
    removed: list[str] = []

    def at_once_removed(**given: Any) -> str:
        path = made(**given)
        if not removed:
            removed.append(path)
            os.rmdir(path)
        return path

    monkeypatch.setattr(tempfile, "mkdtemp", at_once_removed)
    with scratch.scratch() as folder:
        assert removed
        assert folder.is_dir()
        assert str(folder) not in removed
    assert not folder.exists()


@pytest.mark.parametrize("moment", ["before it is held", "while the other holds it"])
def test_a_file_that_is_removed_while_it_is_made_is_made_again(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    removed: list[Path] = []

    def in_between(descriptor: int, operation: int) -> None:
        if not removed:
            (place,) = tmp_path.glob(".*.unfinished")
            place.unlink()
            removed.append(place)
            if moment == "while the other holds it":
                raise BlockingIOError
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", in_between)
    with scratch.unfinished(tmp_path / "it") as place:
        assert removed
        assert place.exists()
        os.replace(place, tmp_path / "it")
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_what_a_living_process_holds_stays(tmp_path: Path) -> None:
    with scratch.unfinished(tmp_path / "it") as place, scratch.scratch() as folder:
        other = place.with_name(".it.0.unfinished")
        other.touch()
        scratch._sweep()
        with scratch.scratch():
            assert folder.is_dir()
        assert place.exists()
        for left in tmp_path.glob(".it.*.unfinished"):
            scratch._remove_unheld(left)
        assert place.exists()
        assert not other.exists()
