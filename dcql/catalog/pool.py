"""A pool as dcql knows it: files of samples, their schema, and what `dcql pool add` recorded about them."""

from dataclasses import dataclass
from pathlib import Path

from dcql.catalog.types import Schema


@dataclass(frozen=True, slots=True)
class PoolFile:
    """One parquet file of a pool.

    `sidecar` is a parquet file with the pool's INT, FLOAT, DOUBLE and BOOL columns, row for row, NaN as NULL and
    -0.0 as 0; `rank` is a .npy of uint32 (uint64 from 2^32 samples on), the position of each row's uid in the pool's sorted uids.
    Both are None in a raw pool.
    """

    name: str
    path: str
    rows: int
    sidecar: Path | None = None
    rank: Path | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool, bound once per run: `files` sorted by name.

    `fingerprint` is the logical fingerprint "dcpool1:<hex>", None for a raw directory, which was never added. `uids` is
    the .npy of all uids (dtype u8,u8, sorted), None when raw. `distributions` is the folder of exact column distributions.
    """

    name: str
    source: str
    schema: Schema
    files: tuple[PoolFile, ...]
    fingerprint: str | None = None
    uids: Path | None = None
    distributions: Path | None = None

    @property
    def rows(self) -> int:
        """The number of samples."""
        return sum(file.rows for file in self.files)

    @property
    def added(self) -> bool:
        """Whether the pool was added, rather than named by a raw directory."""
        return self.fingerprint is not None
