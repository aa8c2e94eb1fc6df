"""Ranks: where each sample of an added pool stands in the pool's sorted uids, and the uids themselves.

Both are read into memory that is used again and again: to map a file, or to take new memory for each piece, costs more
than what is done with it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.pool import PoolFile
from dcql.errors import Diagnostic, RunError
from dcql.npy import read_header
from dcql.subset import UID, Uids

# So few samples that what lies between reading and the answer stays in the cache.
PIECE = 1 << 16


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


def uids_where(kept: NDArray[np.bool_], path: Path) -> Uids:
    """Return those of a pool's sorted uids that are kept, of which `kept`, (n,), says it of each by its rank.

    Raises RunError where the file holds fewer.
    """
    uids = np.empty(np.count_nonzero(kept), UID)
    # Taken as 16-byte items, uids come several times faster than as pairs.
    items = uids.view("V16")
    memory = np.empty(PIECE, "V16")
    done = 0
    with path.open("rb", buffering=0) as stream:
        read_header(stream)
        for start in range(0, len(kept), PIECE):
            here = np.flatnonzero(kept[start : start + PIECE])
            piece = memory[: len(kept) - start]
            _fill(stream, piece)
            # No place lies outside; to be told so saves a second pass over them.
            piece.take(here, out=items[done : done + len(here)], mode="clip")
            done += len(here)
    return uids


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
