"""The counts of the funnel, out of the columns that the last query has for it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.arrays import count_true, numbers, truths
from dcql.dataclass import dataclass
from dcql.lower.program import Block, Told


@dataclass(frozen=True)
class BlockCounts:
    """One SELECT's part of the funnel: distinct samples that it reads, then those left after each clause.

    `undefined` counts the samples for which an operation gave NULL for values that are not: a division by zero, an
    overflow, a threshold of an empty group.
    """

    block: Block
    counts: tuple[int, ...]
    undefined: int


class Counts:
    """What is counted so far. `depths` has, for each block, one count for each number of clauses passed.

    One more stands for samples that the SELECT does not read. `undefined` has one count a block.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self.depths: list[NDArray[np.int64]] = [np.zeros(len(block.clauses) + 2, np.int64) for block in blocks]
        self.undefined = np.zeros(len(blocks), np.int64)

    def add(self, batch: Any) -> None:
        """Count a batch of the last query."""
        for number, block in enumerate(self._blocks):
            depths = numbers(batch.column(block.depth))
            counted = self.depths[number]
            if len(counted) <= 8:
                # Faster than bincount, which widens every number to 64 bits first; the first count is what is left.
                found = [int(np.count_nonzero(depths == passed)) for passed in range(1, len(counted))]
                counted += [len(depths) - sum(found), *found]
            else:
                counted += np.bincount(depths, minlength=len(counted))
            if block.undefined is not None:
                self.undefined[number] += count_true(batch.column(block.undefined))

    def merge(self, depths: NDArray[np.int64], undefined: NDArray[np.int64]) -> None:
        """Count what others counted: `depths` of all blocks one after the other."""
        start = 0
        for counted in self.depths:
            counted += depths[start : start + len(counted)]
            start += len(counted)
        self.undefined += undefined

    def funnel(self) -> tuple[BlockCounts, ...]:
        """Return the counts of every SELECT, clauses in text order."""
        result: list[BlockCounts] = []
        for block, depths, undefined in zip(self._blocks, self.depths, self.undefined.tolist(), strict=True):
            left = np.cumsum(depths[:-1][::-1])[::-1]
            result.append(BlockCounts(block, tuple(int(count) for count in left), undefined))
        return tuple(result)


def asked_in(batch: Any, demand: str, told: Mapping[str, Told]) -> NDArray[np.bool_]:
    """Return of which samples of a batch of the last query a demand asks, (n,); `told` is that of the query's form."""
    where = told.get(demand)
    if where is None:
        return truths(batch.column(demand))
    depths = numbers(batch.column(where.depth))
    # Below `least` it wraps around to a large number: one comparison in the place of two.
    asked: NDArray[np.bool_] = depths - depths.dtype.type(where.least) <= where.most - where.least
    return asked
