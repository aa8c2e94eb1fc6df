"""Which samples of a pool's files a subset holds.

An added pool knows each sample's rank in its sorted uids: the subset is laid beside these once, both in order, and each
file's samples are then looked up by their ranks. To look for them by their uids takes a hundred times longer.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.features.inputs import Inputs
from dcql.engine.marked import read_uids
from dcql.subset import UID, Subset, Uids, find


@dataclass(frozen=True)
class Inside:
    """A subset beside a pool. What it holds that the pool lacks is left out."""

    subset: Subset
    pool: Pool

    def of(self, file: PoolFile) -> NDArray[np.bool_]:
        """Return which samples of a file the subset holds, (rows,).

        Raises RunError where it cannot be read, or holds other samples than were added.
        """
        if file.rank is None:
            return find(self.subset.uids, Inputs(self.pool).uids(file)) >= 0
        found: NDArray[np.bool_] = self._by_rank.take(np.load(file.rank))
        return found

    @cached_property
    def _by_rank(self) -> NDArray[np.bool_]:
        """Which of the pool's sorted uids the subset holds, (samples of the pool,)."""
        assert self.pool.uids is not None
        ours = self.subset.uids
        taken = np.zeros(self.pool.rows, np.bool_)
        done = 0
        for items in read_uids(self.pool.uids, self.pool.rows):
            piece: Uids = items.view(UID)
            # What shares its first half with an end of the piece may lie in it.
            low = bisect_left(ours, int(piece["f0"][0]), key=_high)
            high = bisect_right(ours, int(piece["f0"][-1]), lo=low, key=_high)
            places = find(piece, ours[low:high])
            taken[done + places[places >= 0]] = True
            done += len(piece)
        return taken


def _high(uid: Any) -> int:
    return int(uid["f0"])
