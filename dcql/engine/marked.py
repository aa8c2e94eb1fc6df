"""A subset of an added pool as marks on the pool's sorted uids: a byte a sample of the pool, whatever is kept.

The uids themselves are read when somebody asks for them, a piece at a time where all are wanted once: to hash a subset
and to write it takes no memory that grows with it.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError
from dcql.npy import read_header
from dcql.subset import UID, Subset, Uids

_PIECE = 1 << 16  # uids that are read at a time
_ITEM = "V16"
# Up to here uids are read once and held, for to read them a second time takes longer.
_HELD = 1 << 23


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


def subset_of(marks: Marks, uids: Path) -> Subset:
    """Return what is marked of the sorted uids in a .npy."""
    marked = Marked(marks.taken, uids)
    return Subset(marked.uids, marked.copies) if marked.distinct <= _HELD else marked


class Marked(Subset):
    """A subset that reads its uids from the sorted uids of its pool, in a .npy, whenever it is asked for them.

    It holds `taken`, (samples of the pool,) of dtype bool, or of a whole number of copies; 0 is not in the subset.
    """

    _taken: NDArray[Any]
    _path: Path

    def __init__(self, taken: NDArray[Any], path: Path) -> None:
        vars(self).update(_taken=taken, _path=path)

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
        for _, here, piece in self._read():
            # Taken as 16-byte items, uids come several times faster than as pairs.
            piece.take(here, out=uids.view(_ITEM)[done : done + len(here)])
            done += len(here)
        return uids

    @cached_property
    def copies(self) -> NDArray[np.uint32] | None:  # type: ignore[override]
        return None if self._once else self._taken[self._taken > 0].astype(np.uint32)

    def pieces(self) -> Iterator[tuple[Uids, NDArray[np.uint32] | None]]:
        """Yield what Subset.pieces does, in smaller pieces; a piece is good until the next is asked for."""
        for start, here, piece in self._read():
            if len(here):
                taken = None if self._once else self._taken[start : start + _PIECE][here].astype(np.uint32)
                yield piece.take(here).view(UID), taken

    @cached_property
    def _once(self) -> bool:
        return bool(self._taken.dtype == np.bool_) or int(self._taken.max(initial=0)) <= 1

    def _read(self) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.void]]]:
        """Yield the pool's uids piece by piece, the rank of each first one, and the places of those that are taken.

        Raises RunError where the file holds other uids than the pool has samples.
        """
        rows = len(self._taken)
        # One piece of memory, used again and again: new ones cost more than the reading.
        memory = np.empty(min(rows, _PIECE), _ITEM)
        with self._path.open("rb", buffering=0) as file:
            shape, _, dtype = read_header(file)
            if shape != (rows,) or dtype != UID:
                raise uneven()
            for start in range(0, rows, _PIECE):
                piece = memory[: rows - start]
                if file.readinto(piece.data.cast("B")) != piece.nbytes:
                    raise uneven()
                yield start, np.flatnonzero(self._taken[start : start + _PIECE]), piece


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
