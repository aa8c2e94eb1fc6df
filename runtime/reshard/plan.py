"""Which sample lies where in the training shards, decided before a byte of them is written.

Samples come in the order in which they lie in the pool's tars, so that each shard is written from a stretch of them.
Further copies of a sample are scattered: copies side by side share a batch, where each is a false negative of the other
(DataComp #92). Of c copies, each is about 1/c of the set away from the one before, moved by up to a quarter of that by
a hash of its uid, so that its neighbours are others each time. Shards are equal to within one sample: whoever draws
shards at random draws samples evenly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from dcql.runtime.reshard.scan import FOUND
from dcql.runtime.reshard.ustar import BLOCK
from numpy.typing import NDArray

from dcql.merkle import Words
from dcql.subset import Subset

# A sample that is taken, in the order of the tars: what was FOUND, its uid and the tar that holds it.
TAKEN = np.dtype([("uid_high", "<u8"), ("uid_low", "<u8"), ("tar", "<u4"), *FOUND.descr[1:]])
# A sample copy: the position of its sample among those taken, and its number among the copies, from 0.
COPY = np.dtype([("sample", "<u4"), ("copy", "<u4")])

_RING = np.uint64(1 << 32)


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """`taken` is (n,) of dtype TAKEN; `copies` (m,) of dtype COPY in the order of the shards; shard s holds the copies
    from starts[s] up to starts[s + 1]. `missing` is (k,) positions among the subset's uids; `duplicates` counts samples
    that were left out since their uid came before.
    """

    taken: NDArray[np.void]
    copies: NDArray[np.void]
    starts: NDArray[np.int64]
    missing: NDArray[np.int64]
    duplicates: int


def plan(subset: Subset, found: Sequence[NDArray[np.void]], shard_size: int, shard_bytes: int) -> Plan:
    """Plan the shards of a subset of which each tar, in order, holds `found`, (n,) of dtype FOUND."""
    taken, ranks, duplicates = _take(subset, found)
    copies = _order(taken, None if subset.copies is None else subset.copies[ranks])
    held = np.zeros(subset.distinct, np.bool_)
    held[ranks] = True
    starts = _cut(_sizes(taken, copies), shard_size, shard_bytes)
    return Plan(taken, copies, starts, np.flatnonzero(~held), duplicates)


def _take(subset: Subset, found: Sequence[NDArray[np.void]]) -> tuple[NDArray[np.void], NDArray[np.int64], int]:
    """Return the first sample of each uid in the order of the tars, with its rank, and how many others there are."""
    everything = np.concatenate([np.zeros(0, FOUND), *found])
    tars = np.repeat(np.arange(len(found), dtype=np.uint32), [len(rows) for rows in found])
    _, first = np.unique(everything["rank"], return_index=True)
    first.sort()
    chosen = everything[first]
    ranks = chosen["rank"].astype(np.int64)
    taken = np.empty(len(chosen), TAKEN)
    taken["uid_high"], taken["uid_low"] = subset.uids["f0"][ranks], subset.uids["f1"][ranks]
    taken["tar"] = tars[first]
    for name in FOUND.names[1:]:  # type: ignore[index]
        taken[name] = chosen[name]
    return taken, ranks, len(everything) - len(chosen)


def _order(taken: NDArray[np.void], times: NDArray[np.uint32] | None) -> NDArray[np.void]:
    count = len(taken)
    if times is None:
        copies = np.zeros(count, COPY)
        copies["sample"] = np.arange(count)
        return copies
    copies = np.empty(int(times.sum(dtype=np.uint64)), COPY)
    copies["sample"] = np.repeat(np.arange(count, dtype=np.uint32), times)
    ends = np.cumsum(times, dtype=np.int64)
    copies["copy"] = np.arange(len(copies)) - np.repeat(ends - times, times)
    sample, number = copies["sample"].astype(np.uint64), copies["copy"].astype(np.uint64)
    # A place on a ring of 2^32, in whole numbers, so that every machine has the same.
    place = (sample << np.uint64(32)) // np.uint64(max(1, count))
    total = np.repeat(times, times).astype(np.uint64)
    moved = _mix(taken["uid_high"][sample], taken["uid_low"][sample], number) >> np.uint64(33)
    step = ((number << np.uint64(32)) + moved - np.uint64(1 << 30)) // total
    place = np.where(number > 0, (place + step) % _RING, place)
    return copies[np.lexsort((copies["copy"], copies["sample"], place))]


def _mix(high: Words, low: Words, number: Words) -> Words:
    """Return 64 bits that look random for each uid and number: the finaliser of splitmix64, over the three in turn."""
    state = np.zeros(len(high), np.uint64)
    for word in (high, low, number):
        state = (state ^ word) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return state


def _sizes(taken: NDArray[np.void], copies: NDArray[np.void]) -> NDArray[np.int64]:
    """Return the bytes that each copy takes in a tar, its headers included."""
    sizes = np.full(len(taken), 3 * BLOCK, np.int64)
    for name in ("json_size", "caption_size", "image_size"):
        sizes += -(-taken[name].astype(np.int64) // BLOCK) * BLOCK
    found: NDArray[np.int64] = sizes[copies["sample"]]
    return found


def _cut(sizes: NDArray[np.int64], shard_size: int, shard_bytes: int) -> NDArray[np.int64]:
    """Return where shards begin, and the end; few shards, of equally many samples, and within both limits."""
    total = len(sizes)
    if total == 0:
        return np.zeros(1, np.int64)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    shards = max(-(-total // shard_size), -(-int(ends[-1]) // shard_bytes))
    while True:
        starts = np.arange(shards + 1, dtype=np.int64) * total // shards
        # A sample that is larger than a shard may be has one of its own.
        if shards >= total or int(np.diff(ends[starts]).max()) <= shard_bytes:
            return starts
        shards += max(1, shards // 64)
