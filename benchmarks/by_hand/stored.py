"""What the scripts over a store of dcql's share: its files, read by hand, and a subset written and hashed by hand.

Only numpy and pyarrow are used. A pool lies in $DCQL_HOME/pools/NAME: pool.toml lists its files; for each of them there
are a sidecar, whose columns are uncompressed and plain, the lengths of its texts, and the ranks of its samples in the
sorted uids of the pool.
"""

import hashlib
import os
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# As many samples as stay in the cache between one step and the next. Tried: 2^13 to 2^18; half and twice cost the same.
PIECE = 1 << 16
LEAF_BITS = 12
DOMAIN = b"dcql.subset.v1\0"


class Stored:
    """An added pool."""

    def __init__(self, name: str) -> None:
        self.folder = Path(os.environ["DCQL_HOME"]) / "pools" / name
        record = tomllib.loads((self.folder / "pool.toml").read_text())
        self.version = self.folder / "versions" / record["data"]
        self.rows: int = record["rows"]
        self.works: list[str] = [file["work"] for file in record["files"]]

    def threshold(self, column: str, k: int) -> Any:
        """Return the k-th smallest value of a column, from its distribution: all values with their counts."""
        name = hashlib.sha256(column.encode()).hexdigest()[:16]
        with np.load(self.version / "distributions" / f"{name}.npz") as held:
            return held["values"][np.searchsorted(np.cumsum(held["counts"]), k)]

    def sidecar(self, work: str) -> Path:
        """Return the sidecar of a file."""
        return self.folder / "work" / work / "sidecar.parquet"

    def lengths(self, work: str) -> Path:
        """Return the lengths of the texts of a file, which have dictionaries."""
        return self.folder / "work" / work / "lengths.parquet"

    def mark(self, work: str, passes: NDArray[np.bool_], kept: NDArray[np.bool_]) -> None:
        """Set `kept`, by rank, for the samples of a file that pass, (n,) in its order.

        Tried, CPU seconds for all ranks of 12.8M samples, of which 0.3 pass: this 0.033; ranks mapped 0.045; a file at
        once 0.05 to 0.09, for its memory is new each time; ranks as they are, 32 bits wide, for indices 0.044.
        """
        with open(self.version / "ranks" / f"{work}.npy", "rb", buffering=0) as stream:
            stream.seek(128)
            for start in range(0, len(passes), PIECE):
                ranks = _RANKS[: len(passes) - start]
                stream.readinto(ranks.data.cast("B"))  # type: ignore[attr-defined]
                kept[np.compress(passes[start : start + PIECE], ranks).astype(np.intp)] = True

    def write(self, kept: NDArray[np.bool_], out: str) -> str:
        """Write the uids that are kept, by rank, as .npy; return their hash `dcql1`."""
        count = int(np.count_nonzero(kept))
        empty = hashlib.sha256(DOMAIN + b"\0")
        leaves = [empty.copy() for _ in range(1 << LEAF_BITS)]
        memory, taken = np.empty(PIECE, "V16"), np.empty(PIECE, "V16")
        records = np.ones(PIECE, [("high", ">u8"), ("low", ">u8"), ("copies", ">u4")])
        form = {"descr": [("f0", "<u8"), ("f1", "<u8")], "fortran_order": False, "shape": (count,)}
        with open(self.version / "uids.npy", "rb", buffering=0) as uids, open(out, "wb", buffering=0) as file:
            uids.seek(128)
            np.lib.format.write_array_header_1_0(file, form)
            for start in range(0, len(kept), PIECE):
                here = np.flatnonzero(kept[start : start + PIECE])
                piece = memory[: len(kept) - start]
                uids.readinto(piece.data.cast("B"))  # type: ignore[attr-defined]
                # Taken as 16-byte items, uids come several times faster than as pairs.
                part = piece.take(here, out=taken[: len(here)], mode="clip")
                _hash(part.view(np.uint64).reshape(-1, 2), records[: len(part)], leaves)
                file.write(part.view(np.uint8).data)
        return _root(leaves, count)


_RANKS = np.empty(PIECE, np.uint32)


def _hash(uids: NDArray[np.uint64], records: NDArray[Any], leaves: list[Any]) -> None:
    """Add uids, (n, 2) ascending, to the leaves that they belong to."""
    if not len(uids):
        return
    records["high"], records["low"] = uids[:, 0], uids[:, 1]
    shift = np.uint64(64 - LEAF_BITS)
    first, last = int(uids[0, 0] >> shift), int(uids[-1, 0] >> shift)
    edges = np.searchsorted(uids[:, 0], np.arange(first + 1, last + 1, dtype=np.uint64) << shift) * records.itemsize
    data = records.view(np.uint8).data
    ends = [*edges.tolist(), len(data)]
    for leaf, start, end in zip(range(first, last + 1), [0, *ends], ends, strict=False):
        leaves[leaf].update(data[start:end])


def _root(leaves: list[Any], count: int) -> str:
    level = [leaf.digest() for leaf in leaves]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [hashlib.sha256(DOMAIN + b"\1" + left + right).digest() for left, right in pairs]
    counts = count.to_bytes(8, "big") * 2  # distinct and total: no sample has copies
    return "dcql1:" + hashlib.sha256(DOMAIN + b"\2" + bytes([LEAF_BITS]) + counts + level[0]).hexdigest()
