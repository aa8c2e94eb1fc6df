"""Say what the recipes of benchmarks/scaled keep, and its hash, from the pool's files with numpy alone.

    python benchmarks/by_hand/scaled.py POOL [RECIPE ..]      # a line a recipe: name, distinct samples, hash

It shares no code with dcql: thresholds by numpy.partition, ties and samples by hashlib, the tree of docs/semantics.md
written again. It trusts a pool of benchmarks/pool.py: no NULL, no NaN, uids of 32 digits that come once, sides below
65,536. Columns are held whole (12 bytes a row) and the kept uids in 16 parts, one of which is sorted at a time: 128M
samples take some 3 GB.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

TAG = b"dcql.subset.v1\0"
PARTS = 16


class Pool:
    """The columns of a pool, row for row over its files in the order of their names."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("*.parquet"))
        self.rows = [pq.ParquetFile(file).metadata.num_rows for file in self.files]
        self.l14 = self._column("clip_l14_similarity_score", np.float32)
        self.b32 = self._column("clip_b32_similarity_score", np.float32)
        self.width = self._column("original_width", np.uint16)
        self.height = self._column("original_height", np.uint16)

    def _column(self, name: str, dtype: Any) -> NDArray[Any]:
        whole = np.empty(sum(self.rows), dtype)
        done = 0
        for file, rows in zip(self.files, self.rows, strict=True):
            whole[done : done + rows] = pq.read_table(file, columns=[name]).column(0).to_numpy()
            done += rows
        return whole

    def uids(self, kept: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """Yield places in the pool where `kept` is true and their uids, (n, 16) bytes, file by file."""
        done = 0
        for file, rows in zip(self.files, self.rows, strict=True):
            here = np.flatnonzero(kept[done : done + rows])
            if len(here):
                text = pq.read_table(file, columns=["uid"]).column(0).combine_chunks()
                digits = np.frombuffer(text.buffers()[2], "S32", rows)[here]
                yield done + here, np.frombuffer(bytes.fromhex(digits.tobytes().decode()), np.uint8).reshape(-1, 16)
            done += rows


# --- what SEMANTICS says of the parts of a recipe ---------------------------------------------------------------------


def q(share: str, values: NDArray[Any]) -> Any:
    """Return the k-th smallest of the values, k = max(1, ceil(share * n))."""
    k = max(1, -(-Fraction(share) * len(values) // 1))
    return np.partition(values, int(k) - 1)[int(k) - 1]


def tie(uid: bytes) -> bytes:
    """Return what tells samples with equal keys apart."""
    return hashlib.sha256(b"dcql.tie.v1\0" + uid).digest() + uid


def limit(pool: Pool, reaching: NDArray[np.bool_], key: NDArray[Any], percent: int) -> NDArray[np.bool_]:
    """Keep so many percent of `reaching`, the largest keys first, ties by their hash."""
    count = int(np.count_nonzero(reaching)) * percent // 100
    values = key[reaching]
    if not count:
        return np.zeros_like(reaching)
    cut = np.partition(values, len(values) - count)[len(values) - count]
    kept = reaching & (key > cut)
    ties = [
        (tie(uid.tobytes()), place)
        for places, uids in pool.uids(reaching & (key == cut))
        for place, uid in zip(places.tolist(), uids, strict=True)
    ]
    ties.sort()
    kept[[place for _, place in ties[: count - int(np.count_nonzero(kept))]]] = True
    return kept


def sample(pool: Pool, reaching: NDArray[np.bool_], percent: int, seed: str) -> NDArray[np.bool_]:
    """Keep the samples whose hash with the seed lies below the share of all hashes."""
    below = (percent * 2**64 // 100).to_bytes(8, "big")
    kept = np.zeros_like(reaching)
    head = hashlib.sha256(b"dcql.sample.v1\0" + seed.encode() + b"\0")
    for places, uids in pool.uids(reaching):
        data = uids.tobytes()
        for number, place in enumerate(places.tolist()):
            one = head.copy()
            one.update(data[16 * number : 16 * number + 16])
            kept[place] = one.digest()[:8] < below
    return kept


def first_of_each(pool: Pool, group: NDArray[np.uint32], key: NDArray[Any]) -> NDArray[np.bool_]:
    """Keep of each group the sample with the largest key, of several the one with the least tie hash."""
    kept = np.zeros(len(group), np.bool_)
    rivals = np.zeros(len(group), np.bool_)
    # Part by part, for a permutation of all rows would take 8 bytes each.
    for part in range(PARTS):
        rows = np.flatnonzero(group % PARTS == part)
        rows = rows[np.lexsort((-key[rows], group[rows]))]
        starts = np.flatnonzero(np.diff(group[rows], prepend=~group[rows[:1]]))
        best = np.repeat(key[rows[starts]], np.diff(starts, append=len(rows)))
        largest = rows[key[rows] == best]
        alone = np.diff(group[largest], prepend=~group[largest[:1]], append=~group[largest[-1:]]) != 0
        alone = alone[1:] & alone[:-1]
        kept[largest[alone]] = True
        rivals[largest[~alone]] = True
    first: dict[int, tuple[bytes, int]] = {}
    for places, uids in pool.uids(rivals):
        for place, uid in zip(places.tolist(), uids, strict=True):
            rival = (tie(uid.tobytes()), place)
            first[int(group[place])] = min(first.get(int(group[place]), rival), rival)
    kept[[place for _, place in first.values()]] = True
    return kept


def hash_of(pool: Pool, copies: NDArray[np.uint8]) -> str:
    """Return the hash dcql1 of the samples, each taken so many times."""
    parts: list[list[tuple[Any, Any]]] = [[] for _ in range(PARTS)]
    for places, uids in pool.uids(copies > 0):
        part = uids[:, 0] >> 4
        for number in range(PARTS):
            here = part == number
            parts[number].append((uids[here], copies[places[here]]))
    leaves = []
    width = 4096 // PARTS
    for number in range(PARTS):
        uids = np.concatenate([uids for uids, _ in parts[number]] or [np.empty((0, 16), np.uint8)])
        taken = np.concatenate([taken for _, taken in parts[number]] or [np.empty(0, np.uint8)])
        parts[number] = []
        halves = uids.view(">u8").reshape(-1, 2)
        order = np.lexsort((halves[:, 1], halves[:, 0]))
        records = np.empty((len(order), 20), np.uint8)
        records[:, :16] = uids[order]
        records[:, 16:] = taken[order].astype(">u4")[:, None].view(np.uint8).reshape(-1, 4)
        leaf = (records[:, 0].astype(np.int64) << 4) | (records[:, 1] >> 4)
        edges = np.searchsorted(leaf, np.arange(number * width, (number + 1) * width + 1))
        leaves += [
            hashlib.sha256(TAG + b"\0" + records[start:end].tobytes()).digest() for start, end in pairwise(edges)
        ]
    while len(leaves) > 1:
        leaves = [
            hashlib.sha256(TAG + b"\1" + left + right).digest()
            for left, right in zip(leaves[::2], leaves[1::2], strict=True)
        ]
    counts = int(np.count_nonzero(copies)).to_bytes(8, "big") + int(copies.sum(dtype=np.int64)).to_bytes(8, "big")
    return "dcql1:" + hashlib.sha256(TAG + b"\2" + bytes([12]) + counts + leaves[0]).hexdigest()


# --- the recipes ------------------------------------------------------------------------------------------------------


def clip30(pool: Pool) -> NDArray[Any]:
    return pool.l14 >= q("0.7", pool.l14)


def stages(pool: Pool) -> NDArray[Any]:
    shown = (np.minimum(pool.width, pool.height) >= 200) & (pool.width <= 3 * pool.height.astype(np.int32))
    half = shown & (pool.b32 >= q("0.5", pool.b32[shown]))
    return limit(pool, half, pool.l14, 10)


def _sharp(pool: Pool) -> NDArray[np.bool_]:
    return np.asarray(pool.l14 >= q("0.8", pool.l14))


def _wide(pool: Pool) -> NDArray[np.bool_]:
    return np.asarray((pool.width > pool.height) & (pool.b32 >= q("0.7", pool.b32)))


def algebra(pool: Pool) -> NDArray[Any]:
    return sample(pool, _sharp(pool) & _wide(pool) & (pool.width >= 200), 30, "7")


def bag(pool: Pool) -> NDArray[Any]:
    return _sharp(pool).astype(np.uint8) + _wide(pool)


def distinct(pool: Pool) -> NDArray[Any]:
    return first_of_each(pool, pool.width.astype(np.uint32) << 16 | pool.height, pool.l14)


RECIPES: dict[str, Callable[[Pool], NDArray[Any]]] = {
    recipe.__name__: recipe for recipe in (clip30, stages, algebra, bag, distinct)
}


def main() -> int:
    folder, *names = sys.argv[1:]
    pool = Pool(Path(folder))
    for name in names or RECIPES:
        copies = RECIPES[name](pool).astype(np.uint8)
        print(name, int(np.count_nonzero(copies)), hash_of(pool, copies), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
