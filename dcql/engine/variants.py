"""What several plans keep of one pool."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcql.engine.statistics import Found
from dcql.subset import Subset, Uids


@dataclass(frozen=True, eq=False)
class Variants:
    """What several plans keep of one pool.

    `uids` is (n,) of dtype u8,u8: every sample of the pool, in order. `kept` has an (n,) array for each variant that says
    which samples it keeps; `copies` an (n,) array with how many copies of each, 0 where it is left out, or None where
    each kept sample is taken once. `statistics` are what each variant compares with, named as in that variant alone.
    """

    uids: Uids
    kept: tuple[NDArray[np.bool_], ...]
    copies: tuple[NDArray[np.uint32] | None, ...]
    statistics: tuple[tuple[Found, ...], ...]

    def subset(self, number: int) -> Subset:
        """Return the subset of a variant, counted from 0."""
        kept, copies = self.kept[number], self.copies[number]
        return Subset(self.uids[kept], None if copies is None else copies[kept])
