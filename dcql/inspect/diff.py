"""What two subsets share and what they do not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcql.subset import Subset, Uids, sort_order


@dataclass(frozen=True)
class Difference:
    """Two subsets side by side: `only_a` and `only_b` are (n,) uids in order, copies left out.

    `common` counts the distinct uids of both, `copies` those of them that are taken another number of times.
    """

    a: Subset
    b: Subset
    only_a: Uids
    only_b: Uids
    common: int
    copies: int

    @property
    def equal(self) -> bool:
        """Whether both are the same bag."""
        return not (len(self.only_a) or len(self.only_b) or self.copies)

    @property
    def jaccard(self) -> float:
        """The common uids' share of the uids of either; 1 where both are empty."""
        either = self.common + len(self.only_a) + len(self.only_b)
        return self.common / either if either else 1.0


def difference(a: Subset, b: Subset) -> Difference:
    """Compare two subsets."""
    both = np.concatenate([a.uids, b.uids])
    order = sort_order(np.ascontiguousarray(both["f0"]), np.ascontiguousarray(both["f1"]))
    ordered = both[order]
    # The uids of a subset are distinct, so that equal neighbours are one of each.
    paired = np.zeros(len(both) + 1, np.bool_)
    paired[1:-1] = ordered[1:] == ordered[:-1]
    single = ~(paired[1:] | paired[:-1])
    ours = order < a.distinct
    first = np.flatnonzero(paired[1:])
    one, other = order[first], order[first + 1]
    in_a, in_b = np.minimum(one, other), np.maximum(one, other) - a.distinct
    differing = int((_copies(a)[in_a] != _copies(b)[in_b]).sum()) if a.copies is not None or b.copies is not None else 0
    return Difference(a, b, ordered[single & ours], ordered[single & ~ours], len(first), differing)


def copied(a: Subset, b: Subset) -> Uids:
    """Return the uids of both, (n,) in order, that they do not take equally often."""
    if a.copies is None and b.copies is None:
        return a.uids[:0]
    _, in_a, in_b = np.intersect1d(_texts(a), _texts(b), assume_unique=True, return_indices=True)
    taken: Uids = a.uids[in_a[_copies(a)[in_a] != _copies(b)[in_b]]]
    return taken


def _texts(subset: Subset) -> NDArray[np.bytes_]:
    """Return uids as texts of 16 bytes, in the same order."""
    words = np.empty((subset.distinct, 2), ">u8")
    words[:, 0], words[:, 1] = subset.uids["f0"], subset.uids["f1"]
    return words.view("S16").reshape(-1)


def _copies(subset: Subset) -> NDArray[np.uint32]:
    return subset.copies if subset.copies is not None else np.ones(subset.distinct, np.uint32)
