"""Ranks: where each sample of an added pool stands in the pool's sorted uids, and the uids themselves.

Both are read into memory that is used again and again: to map a file, or to take new memory for each piece, costs more
than what is done with it.
"""

import os
import weakref
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.pool import PoolFile
from dcql.errors import Diagnostic, RunError
from dcql.npy import read_header
from dcql.subset import PIECE, UID, Subset, Uids, checked_copies, first_descent


class InOrder:
    """The ranks of a pool's samples, taken from the front."""

    def __init__(self, files: Sequence[PoolFile]) -> None:
        self.done = 0
        self._dtype = row_dtype(sum(file.rows for file in files))
        self._files = _opened(files, self._dtype)
        self._left = 0  # of the file that is open
        self._file: BinaryIO
        self._memory = np.empty(PIECE, self._dtype)

    def take(self, count: int) -> NDArray[Any]:
        """Return the ranks of the next `count` samples, (count,) uint32 or uint64; they are good until the next call.

        Raises RunError where there are fewer.
        """
        if len(self._memory) < count:
            self._memory = np.empty(count, self._dtype)
        taken = self._memory[:count]
        filled = 0
        while filled < count:
            if not self._left:
                self._file, self._left = next(self._files, None) or _refuse_uneven()
            piece = taken[filled : filled + self._left]
            _fill(self._file, piece)
            filled += len(piece)
            self._left -= len(piece)
        self.done += count
        return taken

    def finish(self) -> None:
        """Raise RunError where samples are left."""
        if self._left or next(self._files, None) is not None:
            _refuse_uneven()


def row_dtype(rows: int) -> np.dtype[Any]:
    """Return the dtype that numbers this many rows."""
    return np.dtype("<u4" if rows < 2**32 else "<u8")


def _opened(files: Sequence[PoolFile], dtype: np.dtype[Any]) -> Iterator[tuple[BinaryIO, int]]:
    """Yield for each file a stream that stands at the first rank, and how many there are."""
    for file in files:
        assert file.rank is not None
        with file.rank.open("rb", buffering=0) as stream:
            try:
                shape, _, found = read_header(stream)
            except ValueError:
                _refuse_uneven()
            if len(shape) != 1 or found != dtype:
                _refuse_uneven()
            if shape[0]:
                yield stream, shape[0]


def _fill(stream: BinaryIO, array: NDArray[Any]) -> None:
    """Read all of an array from a stream. Raises RunError where the stream ends before."""
    rest = array.view(np.uint8).data
    while len(rest):
        more = stream.readinto(rest)  # type: ignore[attr-defined]
        if not more:
            _refuse_uneven()
        rest = rest[more:]


class RankedSubset(Subset):
    """A subset of an added pool: which of the pool's sorted uids it keeps. They are read when they are asked for.

    `kept` is (n,) bool, by rank; `path` is the pool's uids.npy, and is held open; `copies` is as in a Subset.
    Raises RunError where the file holds other than n uids.
    """

    _kept: NDArray[np.bool_]
    _distinct: int
    _file: int
    _start: int

    def __init__(self, kept: NDArray[np.bool_], path: Path, copies: NDArray[np.uint32] | None = None) -> None:
        distinct = int(np.count_nonzero(kept))
        # A pool that is added again or removed meanwhile takes nothing away.
        file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, file)
        with open(file, "rb", buffering=0, closefd=False) as stream:
            shape, _, dtype = read_header(cast(BinaryIO, stream))
            start = stream.tell()
        if shape != kept.shape or dtype != UID:
            _refuse_uneven()
        # As its base class, it is frozen.
        vars(self).update(_kept=kept, _distinct=distinct, _file=file, _start=start)
        vars(self)["copies"] = checked_copies(copies, distinct)

    @property
    def distinct(self) -> int:
        """The number of distinct uids."""
        return self._distinct

    @cached_property
    def uids(self) -> Uids:  # type: ignore[override]
        """The uids, (distinct,) of dtype u8,u8, strictly ascending; all of them in memory from then on."""
        found = np.empty(self.distinct, UID)
        done = 0
        for part, _ in self.pieces():
            found[done : done + len(part)] = part
            done += len(part)
        found.flags.writeable = False
        return found

    def pieces(self) -> Iterator[tuple[Uids, NDArray[np.uint32] | None]]:
        """Yield the uids as a Subset does, read from the file."""
        memory, taken = np.empty(PIECE, "V16"), np.empty(PIECE, "V16")
        last: Any = None
        done = 0
        for start in range(0, len(self._kept), PIECE):
            here = np.flatnonzero(self._kept[start : start + PIECE])
            if not len(here):
                continue
            first, end = int(here[0]), int(here[-1]) + 1
            read = memory[: end - first]
            if (
                os.preadv(self._file, [read.view(np.uint8).data], self._start + UID.itemsize * (start + first))
                < read.nbytes
            ):
                _refuse_uneven()
            # Taken as 16-byte items, uids come several times faster than as pairs. No place lies outside: to be told
            # so saves a second pass over them.
            part = read.take(here - first, out=taken[: len(here)], mode="clip").view(UID)
            if first_descent(part, strict=True) is not None or (last is not None and not last < part[0].item()):
                raise ValueError("the pool's uids ascend strictly")
            last = part[-1].item()
            yield part, None if self.copies is None else self.copies[done : done + len(part)]
            done += len(part)

    def __reduce__(self) -> Any:
        return Subset, (self.uids, self.copies)


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


def _refuse_uneven() -> NoReturn:
    raise uneven()
