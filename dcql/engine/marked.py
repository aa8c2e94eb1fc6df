"""A subset of an added pool as marks on the pool's sorted uids, by rank: a bit or a byte a sample, whatever is kept.

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
# For so many samples what is told of each may be bytes, beyond it bits, which take longer to set.
ROWS_IN_BYTES = 1 << 24


# What a run takes whatever DuckDB does: the interpreter with its libraries, batches on their way, uids that are held.
_BESIDE = 320_000_000


def for_duckdb(memory: int, rows: int, has_copies: bool) -> int:
    """Return what DuckDB may take of `memory` bytes, at least half, where a run marks so many samples beside it."""
    marks = rows if has_copies or rows <= ROWS_IN_BYTES else rows // 8
    return max(memory // 2, memory - _BESIDE - marks)


class Bytes:
    """Which samples of a pool are taken, by rank, or how many copies of each, as narrow as they go."""

    def __init__(self, rows: int, dtype: Any) -> None:
        self.rows = rows
        self._taken: NDArray[Any] = np.zeros(rows, dtype)

    def add(self, ranks: NDArray[Any], copies: NDArray[Any] | None) -> None:
        """Take the samples of these ranks, (n,), `copies` of each, (n,), or one; IndexError for one beyond the pool."""
        if copies is not None and self._taken.dtype == np.uint8 and int(copies.max(initial=0)) > 255:
            self._taken = self._taken.astype(np.uint32)
        # As wide as pointers, indices come several times faster; put takes two thirds of what [..] = takes.
        np.put(self._taken, ranks.astype(np.intp), True if copies is None else copies)

    @property
    def has_copies(self) -> bool:
        """Whether copies are counted."""
        return bool(self._taken.dtype != np.bool_)

    def pieces(self) -> Iterator[NDArray[Any]]:
        """Yield truths or copies of all samples in order, PIECE of them at a time."""
        for start in range(0, self.rows, PIECE):
            yield self._taken[start : start + PIECE]


class Bits:
    """Which samples of a pool are taken, by rank: an eighth of the memory, for twice the time."""

    has_copies = False

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._taken = np.zeros((rows + 7) // 8, np.uint8)

    def add(self, ranks: NDArray[Any], copies: None) -> None:
        """Take the samples of these ranks, (n,), each rank once; IndexError for one beyond the pool."""
        if len(ranks) and int(ranks.max()) >= self.rows:
            raise IndexError
        bits = (ranks & ranks.dtype.type(7)).astype(np.uint8)
        # All samples of one bit together, so that no byte comes twice in what is set at once.
        order = np.argsort(bits, kind="stable")
        places = (ranks >> ranks.dtype.type(3)).astype(np.intp)[order]
        ends = np.cumsum(np.bincount(bits, minlength=8)).tolist()
        for bit, start, end in zip(range(8), [0, *ends], ends, strict=False):
            self._taken[places[start:end]] |= np.uint8(1 << bit)

    def pieces(self) -> Iterator[NDArray[Any]]:
        """Yield truths of all samples in order, PIECE of them at a time."""
        for start in range(0, self.rows, PIECE):
            part = self._taken[start // 8 : (start + PIECE) // 8]
            yield np.unpackbits(part, count=min(PIECE, self.rows - start), bitorder="little").view(np.bool_)


def marks_of(rows: int, has_copies: bool) -> Bytes | Bits:
    """Return empty marks for a pool of so many samples."""
    if has_copies:
        return Bytes(rows, np.uint8)
    return Bytes(rows, np.bool_) if rows <= ROWS_IN_BYTES else Bits(rows)


class Marked(Subset):
    """A subset that reads its uids from the sorted uids of its pool, in a .npy, whenever it is asked for them.

    The file stays open, so that a pool that is added again or removed meanwhile takes nothing away. Raises RunError
    where it holds other uids than the pool has samples.
    """

    _marks: Bytes | Bits
    _file: BinaryIO
    _first: int

    def __init__(self, marks: Bytes | Bits, path: Path) -> None:
        file = path.open("rb", buffering=0)
        weakref.finalize(self, file.close)
        vars(self).update(_marks=marks, _file=file, _first=_first_of(file, marks.rows))

    def __reduce__(self) -> Any:
        return Subset, (self.uids, self.copies)

    @cached_property
    def distinct(self) -> int:
        return sum(int(np.count_nonzero(taken)) for taken in self._marks.pieces())

    @cached_property
    def total(self) -> int:
        if not self._marks.has_copies:
            return self.distinct
        return sum(int(taken.sum(dtype=np.uint64)) for taken in self._marks.pieces())

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
        if self.total == self.distinct:
            return None
        return np.concatenate([taken[taken > 0].astype(np.uint32) for taken in self._marks.pieces()])

    def pieces(self) -> Iterator[tuple[Uids, NDArray[np.uint32] | None]]:
        """Yield what Subset.pieces does; a piece is good until the next is asked for."""
        if "uids" in vars(self):
            yield from super().pieces()
            return
        once = self.total == self.distinct
        part = np.empty(PIECE, _ITEM)
        last: Any = None
        pieces = _pieces(self._file, self._first, self._marks.rows)
        for piece, taken in zip(pieces, self._marks.pieces(), strict=True):
            here = np.flatnonzero(taken)
            if not len(here):
                continue
            # Taken as 16-byte items, uids come several times faster than as pairs. No place lies outside: to be told so
            # saves a second pass over them.
            uids = piece.take(here, out=part[: len(here)], mode="clip").view(UID)
            if first_descent(uids, strict=True) is not None or (last is not None and not last < uids[0].item()):
                raise ValueError("the pool's uids ascend strictly")
            last = uids[-1].item()
            yield uids, None if once else taken[here].astype(np.uint32)


def read_uids(path: Path, rows: int) -> Iterator[NDArray[np.void]]:
    """Yield the sorted uids of a pool of so many samples, (PIECE,) of 16 bytes at a time, good until the next piece.

    Raises RunError where the file holds others.
    """
    with path.open("rb", buffering=0) as file:
        yield from _pieces(file, _first_of(file, rows), rows)


def _first_of(file: BinaryIO, rows: int) -> int:
    """Return where the uids of a pool begin in its .npy."""
    try:
        shape, _, dtype = read_header(file)
    except ValueError:
        raise uneven() from None
    if shape != (rows,) or dtype != UID:
        raise uneven()
    return file.tell()


def _pieces(file: BinaryIO, first: int, rows: int) -> Iterator[NDArray[np.void]]:
    """Yield uids that begin at a byte of a file, PIECE of them at a time."""
    # One piece of memory, used again and again: new ones cost more than the reading.
    memory = np.empty(min(rows, PIECE), _ITEM)
    for start in range(0, rows, PIECE):
        piece = memory[: rows - start]
        # From a place of its own, for somebody else may be reading the same subset.
        if os.preadv(file.fileno(), [piece.data.cast("B")], first + UID.itemsize * start) != piece.nbytes:
            raise uneven()
        yield piece


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
