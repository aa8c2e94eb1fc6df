"""What two entries' subsets share, for every pair of entries over one pool.

Up to EXACT distinct samples a subset is compared as it is. A larger one is compared by a sketch: the SKETCH smallest
of its uids under a fixed mixing of their bits, a uniform sample that is the same sample in every subset. Its Jaccard
index has a standard error below 0.5 / sqrt(SKETCH), which is 0.3 %. So a board of n entries takes n sketches of a
quarter of a megabyte and n^2 / 2 merges of them, a millisecond each, however large the pool is.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcql.inspect.diff import difference
from dcql.subset import Subset

EXACT = 1 << 18
SKETCH = 1 << 15

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Side:
    """What is kept of an entry's subset to compare it: the uids of a small one, the sketch of a large one."""

    hash: str
    distinct: int
    subset: Subset | None
    sketch: Words | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two subsets side by side, in distinct samples; None where no uids are at hand. `exact` is false for estimates."""

    both: int | None
    only_a: int | None
    only_b: int | None
    jaccard: float | None
    equal: bool
    exact: bool


def mirrored(found: Pair) -> Pair:
    """Return a comparison seen from the other side."""
    return replace(found, only_a=found.only_b, only_b=found.only_a)


def side(hash_: str, distinct: int, subset: Subset | None) -> Side:
    """Keep what a comparison needs of a subset."""
    if subset is None:
        return Side(hash_, distinct, None, None)
    if subset.distinct <= EXACT:
        return Side(hash_, distinct, subset, sketch(subset))
    return Side(hash_, distinct, None, sketch(subset))


def pair(a: Side, b: Side) -> Pair:
    """Compare two entries over one pool."""
    if a.hash == b.hash:
        return Pair(a.distinct, 0, 0, 1.0, equal=True, exact=True)
    if a.subset is not None and b.subset is not None:
        found = difference(a.subset, b.subset)
        return Pair(found.common, len(found.only_a), len(found.only_b), found.jaccard, equal=False, exact=True)
    if a.sketch is None or b.sketch is None:
        return Pair(None, None, None, None, equal=False, exact=False)
    jaccard = _jaccard(a.sketch, b.sketch)
    # Both sizes are known: the index says how much of them is shared.
    both = round(jaccard * (a.distinct + b.distinct) / (1 + jaccard))
    both = min(both, a.distinct, b.distinct)
    return Pair(both, a.distinct - both, b.distinct - both, jaccard, equal=False, exact=False)


def sketch(subset: Subset) -> Words:
    """Return the SKETCH smallest mixed uids of a subset, ascending; all of them where it has fewer."""
    mixed = _mix(subset.uids["f0"] ^ _mix(np.ascontiguousarray(subset.uids["f1"])))
    if len(mixed) > SKETCH:
        mixed = np.partition(mixed, SKETCH)[:SKETCH]
    return np.sort(mixed)


def _jaccard(a: Words, b: Words) -> float:
    """Return the shared part of the smallest SKETCH values of both together; a and b ascend."""
    both = np.concatenate([a, b])
    both.sort(kind="stable")  # two runs that are sorted already
    again = both[1:] == both[:-1]
    distinct = len(both) - int(again.sum())
    if not distinct:
        return 1.0
    taken = min(SKETCH, distinct)
    # What is taken ends where the next distinct value would begin; a value that comes again begins nothing.
    ends = np.flatnonzero(~again)[taken - 1] if taken < distinct else len(again)
    return float(again[:ends].sum()) / taken


def _mix(words: Words) -> Words:
    """Mix the bits of (n,) uint64, one to one (splitmix64's finalizer)."""
    mixed = words ^ (words >> np.uint64(30))
    mixed = mixed * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed = mixed * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
