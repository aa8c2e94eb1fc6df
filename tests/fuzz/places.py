"""Folders for readers that read folders: one a process, each input written over the one before."""

import os
import tempfile
from functools import cache
from pathlib import Path

from fuzz.judging import FIRST

BASE = Path(__file__).parent / "base"


@cache
def folder(name: str) -> Path:
    """Return an empty folder, the same for the same name; removed with the process."""
    # In memory where there is such a place: some readers write, and wait for the disk.
    made = tempfile.TemporaryDirectory(prefix=f"dcql-fuzz-{name}-", dir=_MEMORY if os.path.isdir(_MEMORY) else None)
    _kept.append(made)
    return Path(made.name).resolve()


_MEMORY = "/dev/shm"
_kept: list[tempfile.TemporaryDirectory[str]] = []


def chosen(data: bytes, of: tuple[str, ...]) -> tuple[str, bytes]:
    """Return which of some an input is, by its first byte, and the rest of it: `0..` is the first."""
    return of[((data[0] if data else FIRST) - FIRST) % len(of)], data[1:]
