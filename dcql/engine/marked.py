"""A subset of an added pool as marks on the pool's sorted uids: a byte a sample of the pool, whatever is kept.

The uids themselves are read when somebody asks for them, a piece at a time where all are wanted once: to hash a subset
and to write it takes no memory that grows with it.
"""

import os
import weakref
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError
from dcql.npy import read_header
from dcql.subset import PIECE, UID, Subset, Uids, first_descent

_ITEM = "V16"


class Marks:
    """How many copies are taken of each sample of a pool, by rank; as narrow as they go."""

    def __init__(self, rows: int, has_copies: bool) -> None:
        self.taken: NDArray[Any] = np.zeros(rows, np.uint8 if has_copies else np.bool_)

    def add(self, ranks: NDArray[Any], copies: NDArray[Any] | None) -> None:
        """Take the samples of these ranks, (n,), `copies` times each, (n,), or once; IndexError beyond the pool."""
        if copies is not None and self.taken.dtype == np.uint8 and len(copies) and copies.max() > 255:
            self.taken = self.taken.astype(np.uint32)
        # As wide as pointers, indices come several times faster.
        self.taken[ranks.astype(np.intp)] = True if copies is None else copies


class Marked(Subset):
    """A subset that reads its uids from the sorted uids of its pool, in a .npy, whenever it is asked for them.

    It holds `taken`, (samples of the pool,) of dtype bool, or of a whole number of copies; 0 is not in the subset.
    The file stays open, so that a pool that is added again or removed meanwhile takes nothing away. Raises RunError
    where it holds other uids than the pool has samples.
    """

    _taken: NDArray[Any]
    _file: BinaryIO
    _first: int

    def __init__(self, taken: NDArray[Any], path: Path) -> None:
        file = path.open("rb", buffering=0)
        weakref.finalize(self, file.close)
        shape, _, dtype = read_header(file)
        if shape != taken.shape or dtype != UID:
            raise uneven()
        vars(self).update(_taken=taken, _file=file, _first=file.tell())

    def __reduce__(self) -> Any:
        return Subset, (self.uids, self.copies)

    @cached_property
    def distinct(self) -> int:
        return int(np.count_nonzero(self._taken))

    @cached_property
    def total(self) -> int:
        return self.distinct if self._once else int(self._taken.sum(dtype=np.uint64))

    @cached_property
    def uids(self) -> Uids:  # type: ignore[override]
        uids = np.empty(self.distinct, UID)
        done = 0
        for part, _ in self.pieces():
            uids[done : done + len(part)] = part
            done += len(part)
        uids.flags.writeable = False
        return uids

    @cached_property
    def copies(self) -> NDArray[np.uint32] | None:  # type: ignore[override]
        return None if self._once else self._taken[self._taken > 0].astype(np.uint32)

    def pieces(self) -> Iterator[tuple[Uids, NDArray[np.uint32] | None]]:
        """Yield what Subset.pieces does; a piece is good until the next is asked for."""
        part = np.empty(PIECE, _ITEM)
        last: Any = None
        for start, here, piece in self._read():
            if not len(here):
                continue
            # Taken as 16-byte items, uids come several times faster than as pairs. No place lies outside: to be told
            # so saves a second pass over them.
            uids = piece.take(here, out=part[: len(here)], mode="clip").view(UID)
            if first_descent(uids, strict=True) is not None or (last is not None and not last < uids[0].item()):
                raise ValueError("the pool's uids ascend strictly")
            last = uids[-1].item()
            yield uids, None if self._once else self._taken[start : start + PIECE][here].astype(np.uint32)

    @cached_property
    def _once(self) -> bool:
        return bool(self._taken.dtype == np.bool_) or int(self._taken.max(initial=0)) <= 1

    def _read(self) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.void]]]:
        """Yield the pool's uids piece by piece, the rank of each first one, and the places of those that are taken."""
        rows = len(self._taken)
        # One piece of memory, used again and again: new ones cost more than the reading.
        memory = np.empty(min(rows, PIECE), _ITEM)
        for start in range(0, rows, PIECE):
            piece = memory[: rows - start]
            # From a place of its own, for somebody else may be reading the same subset.
            if (
                os.preadv(self._file.fileno(), [piece.data.cast("B")], self._first + UID.itemsize * start)
                != piece.nbytes
            ):
                raise uneven()
            yield start, np.flatnonzero(self._taken[start : start + PIECE]), piece


def uneven() -> RunError:
    """Return the error of a pool whose files hold other samples than were added."""
    return RunError(
        Diagnostic(
            "E0756",
            "the pool's files do not hold the samples that were added",
            label="more or fewer rows than ranks",
            helps=("run `dcql pool add` again",),
        )
    )
