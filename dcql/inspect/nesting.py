"""How several subsets of one pool lie to each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Nesting:
    """How many samples each pair of subsets has in common: `overlaps[i][j]`, and the size of each at [i][i]."""

    overlaps: tuple[tuple[int, ...], ...]

    def relation(self, i: int, j: int) -> str:
        """Return how subset i lies to subset j.

        "=" the same, "<" inside it, ">" around it, "~" each has samples that the other lacks, "-" nothing in common.
        An empty subset is inside every other.
        """
        both, own, other = self.overlaps[i][j], self.overlaps[i][i], self.overlaps[j][j]
        if both == own:
            return "=" if own == other else "<"
        if both == other:
            return ">"
        return "~" if both else "-"

    @property
    def chain(self) -> tuple[int, ...] | None:
        """The subsets from the smallest to the largest where each is inside the next or the same; None otherwise."""
        order = sorted(range(len(self.overlaps)), key=lambda i: (self.overlaps[i][i], i))
        nested = all(self.relation(i, j) in "<=" for i, j in pairwise(order))
        return tuple(order) if nested else None


def nesting(kept: Sequence[NDArray[np.bool_]]) -> Nesting:
    """Compare subsets of the same samples, each an (n,) array of which it keeps."""
    bits = [int.from_bytes(np.packbits(each).tobytes(), "little") for each in kept]
    overlaps = [[0] * len(bits) for _ in bits]
    for i, one in enumerate(bits):
        for j, other in enumerate(bits[: i + 1]):
            overlaps[i][j] = overlaps[j][i] = (one & other).bit_count()
    return Nesting(tuple(tuple(row) for row in overlaps))
