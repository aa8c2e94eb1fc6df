"""What was done of a pool's files, kept by what it was done of.

$DCQL_HOME/tasks/
  AB/KEY      the bytes, below 32 bytes that tell damage; KEY begins with AB
  runs/KEY    empty: a run of this program on this pool was spread over a cluster, so that something is here

A result is written under another name and renamed, so that it is whole or not there. Results of the last two weeks of
use are kept.
"""

import contextlib
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dcql.catalog import store
from dcql.catalog.pool import unwritable
from dcql.digest import sha256_of
from dcql.errors import RunError
from dcql.scratch import unfinished

_CHECK = hashlib.sha256().digest_size
_PAGE = 512  # numbers of 64 bits
_WEIGHTS = np.arange(_PAGE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_KEPT = 14 * 24 * 3600.0  # seconds


def key_of(*made_of: Any) -> str:
    """Return the key of a result: the hex digest of plain data that decides it, floats as their hex."""
    return sha256_of(list(made_of)).removeprefix("sha256:")


@dataclass(frozen=True, slots=True)
class Results:
    """Results in a folder, which need not exist."""

    folder: Path

    def find(self, key: str) -> memoryview | None:
        """Return a result, None where there is none that is whole."""
        place = self._place(key)
        try:
            written = place.read_bytes()
        except OSError:
            return None
        content = memoryview(written)[_CHECK:]
        if check_of(content) != written[:_CHECK]:
            place.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(place)
        return content

    def keep(self, key: str, content: bytes | memoryview) -> None:
        """Keep a result. Raises RunError where the store cannot be written."""
        place = self._place(key)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with unfinished(place) as written:
                with written.open("wb") as file:
                    file.write(check_of(content))
                    file.write(content)
                written.replace(place)
        except OSError as error:
            raise RunError(unwritable(error)) from error

    def note_run(self, key: str) -> None:
        """Note that a run was spread, by its key. Raises RunError where the store cannot be written."""
        try:
            (self.folder / "runs").mkdir(parents=True, exist_ok=True)
            (self.folder / "runs" / key).touch()
        except OSError as error:
            raise RunError(unwritable(error)) from error

    def has_run(self, key: str) -> bool:
        """Return whether a run was spread, by its key."""
        return (self.folder / "runs" / key).exists()

    def tidy(self) -> None:
        """Remove what was not used for two weeks."""
        before = time.time() - _KEPT
        for place in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):
                if place.stat().st_mtime < before:
                    place.unlink()

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / key


def check_of(content: bytes | memoryview) -> bytes:
    """Return what tells whether bytes are still those that were written: 32 bytes.

    It is against accidents, so most bytes are added up, and not hashed, which took as long as all else that is done to
    keep a result. In the sum of a page each number counts an odd number of times, its own: no change of one number, and
    hardly one of several, leaves it the same. The sums are hashed, so that pages cannot change places.
    """
    whole = len(content) // (8 * _PAGE)
    pages = np.frombuffer(content, "<u8", whole * _PAGE).reshape(whole, _PAGE)
    found = hashlib.sha256(len(content).to_bytes(8, "little"))
    found.update(np.einsum("ij,j->i", pages, _WEIGHTS).astype("<u8", copy=False).tobytes())
    found.update(memoryview(content)[whole * 8 * _PAGE :])
    return found.digest()


def results() -> Results:
    """Return the results of the store."""
    return Results(store.home() / "tasks")
