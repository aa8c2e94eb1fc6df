"""What the tars hold, by the files of the pool, row for row.

The tars come in any order and hold samples of any file, so what they say goes through runs on disk, each sorted by the
file that its samples belong to. Then the pool is read a file at a time. Memory holds a run, what is said of one file's
samples, and up to four bytes for each sample of the pool.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dcql.catalog.coverage import State
from dcql.catalog.pool import Pool, PoolFile
from dcql.catalog.types import Type
from dcql.engine.coverage.scan import DAMAGED, SAMPLE, UNSTATED
from dcql.engine.scalars import decoded
from dcql.errors import Diagnostic, RunError
from dcql.files import locate
from dcql.subset import Uids, find, sort_order

HASHES = "sha256"  # the column of the pool

# What is said of a sample of the pool: its rank among the pool's uids, the file that holds it, and what its tar says.
_SAID = np.dtype([("rank", "<u8"), ("file", "<u4"), ("sha256", "u1", (32,)), ("state", "u1")])
_ROWS_OF_RUN = 1 << 20
_ROWS_READ = 1 << 16
_UIDS_AT_ONCE = 1 << 20
_DIGITS = np.full(256, 255, np.uint8)
_DIGITS[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
_DIGITS[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16)


@dataclass
class Join:
    """Samples of tars, gathered by the file of the pool that holds them; `folder` takes the runs.

    Samples are added in the order of the tars: of several with one uid, the first counts. `strangers` counts samples
    whose uid the pool lacks, and `stranger` is the first one's uid and tar.
    """

    pool: Pool
    folder: Path
    strangers: int = 0
    stranger: tuple[str, str] | None = None
    _waiting: list[tuple[str, NDArray[np.void]]] = field(default_factory=list)
    _runs: list[tuple[Path, NDArray[np.int64]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._owner = np.zeros(self.pool.rows, np.min_scalar_type(len(self.pool.files)))
        for number, file in enumerate(self.pool.files):
            self._owner[ranks_of(file)] = number

    def add(self, tar: str, samples: NDArray[np.void]) -> None:
        """Take in what a tar holds, (n,) of dtype SAMPLE."""
        self._waiting.append((tar, samples))
        if sum(len(each) for _, each in self._waiting) >= _ROWS_OF_RUN:
            self._spill()

    def _spill(self) -> None:
        waiting, self._waiting = self._waiting, []
        samples = np.concatenate([np.zeros(0, SAMPLE), *(each for _, each in waiting)])
        ranks = _ranks(self.pool, samples["uid"])
        outside = np.flatnonzero(ranks < 0)
        if len(outside) and self.stranger is None:
            ends = np.cumsum([len(each) for _, each in waiting])
            uid = samples["uid"][outside[0]]
            tar = waiting[int(np.searchsorted(ends, outside[0], "right"))][0]
            self.stranger = f"{int(uid['f0']):016x}{int(uid['f1']):016x}", tar
        self.strangers += len(outside)
        there = ranks >= 0
        said = np.empty(int(there.sum()), _SAID)
        said["rank"], said["file"] = ranks[there], self._owner[ranks[there]]
        said["sha256"], said["state"] = samples["sha256"][there], samples["state"][there]
        said = said[np.argsort(said["file"], kind="stable")]
        starts = np.searchsorted(said["file"], np.arange(len(self.pool.files) + 1))
        path = self.folder / f"{len(self._runs):06d}.npy"
        np.save(path, said, allow_pickle=False)
        self._runs.append((path, starts.astype(np.int64)))

    def states(self) -> Iterator[tuple[PoolFile, NDArray[np.uint8], int]]:
        """Yield each file of the pool, the State of its rows, (rows,) uint8, and how many samples came again.

        Raises RunError where a file of the pool cannot be read.
        """
        self._spill()
        for number, file in enumerate(self.pool.files):
            said = np.concatenate([np.zeros(0, _SAID), *(self._of(run, number) for run in self._runs)])
            yield file, *_states(file, said, has_hashes=has_hashes(self.pool))

    def _of(self, run: tuple[Path, NDArray[np.int64]], number: int) -> NDArray[np.void]:
        path, starts = run
        mapped = np.load(path, mmap_mode="r")
        return np.array(mapped[starts[number] : starts[number + 1]])


def _ranks(pool: Pool, asked: Uids) -> NDArray[np.int64]:
    """Return the rank of uids, (n,) in any order, among those of an added pool, -1 for one that it lacks.

    The pool's uids are gone through once, a piece at a time.
    """
    assert pool.uids is not None
    found = np.full(len(asked), -1, np.int64)
    order = sort_order(np.ascontiguousarray(asked["f0"]), np.ascontiguousarray(asked["f1"]))
    ordered = asked[order]
    high = np.ascontiguousarray(ordered["f0"])
    uids: Uids = np.load(pool.uids, mmap_mode="r")
    for start in range(0, len(uids), _UIDS_AT_ONCE):
        piece = np.array(uids[start : start + _UIDS_AT_ONCE])
        # A uid that shares its first half with one of another piece is looked for in both.
        low = np.searchsorted(high, piece["f0"][0], "left")
        end = np.searchsorted(high, piece["f0"][-1], "right")
        places = find(piece, ordered[low:end])
        there = places >= 0
        found[order[low:end][there]] = places[there] + start
    return found


def has_hashes(pool: Pool) -> bool:
    """Return whether a pool has recorded the SHA-256 of its images."""
    column = pool.schema.get(HASHES)
    return column is not None and column.type is Type.TEXT


def ranks_of(file: PoolFile) -> NDArray[np.intp]:
    """Return the rank of each row of an added pool's file."""
    assert file.rank is not None
    ranks: NDArray[np.intp] = np.load(file.rank).astype(np.intp)
    return ranks


def _states(file: PoolFile, said: NDArray[np.void], *, has_hashes: bool) -> tuple[NDArray[np.uint8], int]:
    states = np.full(file.rows, State.ABSENT, np.uint8)
    ranks = ranks_of(file)
    by_rank = np.argsort(ranks)
    places = np.searchsorted(ranks, said["rank"].astype(np.intp), sorter=by_rank)
    rows, first = np.unique(by_rank[places], return_index=True)
    kept = said[first]
    recorded = np.zeros((len(rows), 32), np.uint8)
    known = np.zeros(len(rows), np.bool_)
    if has_hashes and len(rows):
        start = 0
        for texts in _hashes(file):
            low, high = np.searchsorted(rows, [start, start + len(texts)])
            wanted = rows[low:high] - start
            start += len(texts)
            if len(wanted):
                recorded[low:high], known[low:high] = hash_bytes(texts.take(pa.array(wanted)))
    same = (recorded == kept["sha256"]).all(axis=1)
    found = np.where(same, State.INTACT, State.CHANGED)
    found[kept["state"] == UNSTATED] = State.UNSTATED
    found[~known] = State.UNRECORDED
    found[kept["state"] == DAMAGED] = State.DAMAGED
    states[rows] = found
    return states, len(said) - len(kept)


def _hashes(file: PoolFile) -> Iterator[pa.Array]:
    """Yield the column of hashes of a file, a part at a time."""
    filesystem, path = locate(file.path)
    try:
        with filesystem.open(path, "rb") as stream:
            for batch in pq.ParquetFile(stream).iter_batches(_ROWS_READ, columns=[HASHES]):
                yield decoded(batch.column(HASHES)).cast(pa.string())
    except (OSError, pa.ArrowException) as error:
        raise RunError(
            Diagnostic("E0714", f"`{file.name}` cannot be read", None, str(error), ("check the file, and try again",))
        ) from error


def hash_bytes(texts: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return hashes in hex, (n,), as bytes, (n, 32) uint8, and which of them are 64 digits; others mean nothing."""
    found = np.zeros((len(texts), 32), np.uint8)
    fits = pc.fill_null(pc.equal(pc.binary_length(texts), 64), False).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(fits)
    if not len(places):
        return found, fits
    chosen = pa.concat_arrays([texts.take(pa.array(places))])
    content = chosen.buffers()[2]
    digits = _DIGITS[np.frombuffer(content, np.uint8)[: 64 * len(places)].reshape(-1, 64)]
    whole = (digits < 16).all(axis=1)
    found[places] = digits[:, ::2] << 4 | digits[:, 1::2] & 15
    known = np.zeros(len(texts), np.bool_)
    known[places[whole]] = True
    return found, known
