"""Ranks: where each sample of an added pool stands in the pool's sorted uids.

They are read into memory that is used again and again: to map a file, or to take new memory for each piece, costs more
than what is done with it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.pool import PoolFile
from dcql.engine.marked import uneven
from dcql.npy import read_header
from dcql.subset import PIECE


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
                self._file, self._left = next(self._files, None) or _refuse()
            piece = taken[filled : filled + self._left]
            _fill(self._file, piece)
            filled += len(piece)
            self._left -= len(piece)
        self.done += count
        return taken

    def finish(self) -> None:
        """Raise RunError where samples are left."""
        if self._left or next(self._files, None) is not None:
            _refuse()


class ByPlace:
    """The ranks of a pool's samples by their place (`Samples`), in any order."""

    def __init__(self, files: Sequence[PoolFile]) -> None:
        self._files = files
        self._open: dict[int, NDArray[Any]] = {}

    def take(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """Return the ranks of samples, (n,) uint32 or uint64. Raises RunError where a file has fewer."""
        if not len(places):
            return np.empty(0, np.uint32)
        files, rows = np.divmod(places, _FILE)
        first = int(files[0])
        if (files == first).all():
            return self._of(first, rows)
        taken: NDArray[Any] | None = None
        for number in np.unique(files).tolist():
            here = files == number
            ranks = self._of(number, rows[here])
            taken = np.empty(len(places), ranks.dtype) if taken is None else taken
            taken[here] = ranks
        assert taken is not None
        return taken

    def _of(self, number: int, rows: NDArray[np.int64]) -> NDArray[Any]:
        if number not in self._open:
            if len(self._open) >= _OPEN:
                # Samples come nearly in order, so the one that was opened first is done with.
                del self._open[next(iter(self._open))]
            self._open[number] = np.load(self._files[number].rank, mmap_mode="r")  # type: ignore[arg-type]
        ranks = self._open[number]
        if int(rows.max()) >= len(ranks):
            _refuse()
        found: NDArray[Any] = ranks[rows]
        return found


_FILE = 1 << 32  # places of one file
_OPEN = 4


def starts_of(files: Sequence[PoolFile]) -> NDArray[np.int64]:
    """Return how many samples lie before each file, (files,)."""
    return np.cumsum([0, *(file.rows for file in files)])[:-1].astype(np.int64)


def positions_of(places: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which samples of the pool these are, counted from 0 in the order of its files, by their places, (n,)."""
    files, rows = np.divmod(places, _FILE)
    return starts[files] + rows


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
                _refuse()
            if len(shape) != 1 or found != dtype:
                _refuse()
            if shape[0]:
                yield stream, shape[0]


def _fill(stream: BinaryIO, array: NDArray[Any]) -> None:
    """Read all of an array from a stream. Raises RunError where the stream ends before."""
    rest = array.view(np.uint8).data
    while len(rest):
        more = stream.readinto(rest)  # type: ignore[attr-defined]
        if not more:
            _refuse()
        rest = rest[more:]


def _refuse() -> NoReturn:
    raise uneven()
