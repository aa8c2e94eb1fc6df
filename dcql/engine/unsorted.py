"""Values of a column that need not be sorted to be counted, or not yet."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOW_BITS = 13  # of a float32's fraction, which no float16 has
_HELD = 1 << 20  # values that wait at most, a batch more
_PLACES_BITS = 20
_SCATTER = np.uint64(0x9E3779B97F4A7C15)  # odd and without a pattern: by its top bits, near numbers lie far apart


class Waiting:
    """Values of one column that are put aside: sorted together, or never, where more than `few` are distinct."""

    def __init__(self, few: int) -> None:
        self._few = few
        self._parts: list[NDArray[Any]] = []
        self._held = 0
        # Where the bits of all values so far are scattered to: no more places than there are values.
        self._places: NDArray[np.bool_] | None = None

    @property
    def full(self) -> bool:
        """Whether no more values may wait."""
        return self._held > _HELD

    def add(self, values: NDArray[Any]) -> bool:
        """Put a copy of values aside, (n,); return True only where over `few` are distinct, and not always then."""
        self._parts.append(values.copy())
        self._held += len(values)
        if self._held <= self._few:
            return False
        if self._places is None:
            self._places = np.zeros(1 << _PLACES_BITS, np.bool_)
        if values.dtype.kind == "f":
            values = values[~np.isnan(values)] + values.dtype.type(0)  # -0.0 is 0
        scattered = values.view(f"u{values.itemsize}").astype(np.uint64) * _SCATTER
        self._places[scattered >> np.uint64(64 - _PLACES_BITS)] = True
        return int(np.count_nonzero(self._places)) > self._few

    def taken(self) -> list[NDArray[Any]]:
        """Return what waits, and forget it."""
        parts, self._parts, self._held = self._parts, [], 0
        return parts


def patterns_of(values: NDArray[Any]) -> NDArray[np.int64] | None:
    """Count float32 by their top 19 bits, or return None where some has a bit below them, and for other dtypes.

    Scores are often float16 values in float32, which leaves few patterns: to count those is ten times faster than to
    sort.
    """
    if values.dtype != np.float32:
        return None
    bits = np.ascontiguousarray(values).view(np.uint32)
    if int(np.bitwise_or.reduce(bits)) & ((1 << LOW_BITS) - 1):
        return None
    return np.bincount(bits >> np.uint32(LOW_BITS)).astype(np.int64, copy=False)


def sum_of(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add two arrays of counts, the shorter as if zeros followed; one of them is changed."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    longer[: len(shorter)] += shorter
    return longer
