"""Histograms over nice, equal steps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.engine.buckets import Bucket, Number, value_of
from dcql.engine.distribution import Distribution

_BINS = 80  # at most, but for whole numbers
_SMALLEST = 1e-290
_TAIL = 0.005  # of the values at each end that may lie outside, where they lie far from the others


@dataclass(frozen=True, slots=True)
class Bins:
    """Equal steps from `start` times `step` on, `count` of them; whole numbers for a step of whole numbers.

    What lies below counts in the first, what lies above in the last: `open_below` and `open_above` say whether
    anything does.
    """

    start: int
    step: float
    count: int
    open_below: bool
    open_above: bool

    def edge(self, number: int) -> float:
        """Return where the n-th bin begins, and the last one ends."""
        # A step below 1 is one over a whole number: dividing gives the float nearest to the decimal.
        place = self.start + number
        return place * self.step if self.step >= 1 else place / round(1 / self.step, 9)

    def place(self, value: float) -> float:
        """Return where a value lies: 0 at the left, 1 at the right."""
        low, high = self.edge(0), self.edge(self.count)
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5

    def counted(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Count values in each bin."""
        inner = np.array([self.edge(number) for number in range(1, self.count)], np.float64)
        # A float32 is compared as it is, and lies in the bin whose decimal edges it lies between.
        if values.dtype == np.float32:
            inner = inner.astype(np.float32)
        places = np.searchsorted(inner, values, "right")
        return np.bincount(places, minlength=self.count).astype(np.int64, copy=False)


def bins_for(found: Distribution, cuts: Sequence[Number]) -> Bins | None:
    """Return bins for values, which hold the numbers in `cuts` too; None for no value, or values beyond any scale."""
    if found.minimum is None or found.maximum is None:
        return None
    low, high = float(found.minimum), float(found.maximum)
    near_low, near_high = _at(found, _TAIL), _at(found, 1 - _TAIL)
    if near_high > near_low:
        reach = near_high - near_low
        low, high = max(low, near_low - reach), min(high, near_high + reach)
    finite = [float(cut) for cut in cuts if math.isfinite(cut)]
    low, high = min([low, *finite]), max([high, *finite])
    if not math.isfinite(2 * (high - low)):
        return None
    whole = found.dtype.kind == "i"
    step = _nice((high - low) / _BINS)
    if whole:
        step = max(1.0, math.ceil(step))
    elif high == low:
        step = _nice(abs(low) / _BINS or 1.0)
    # A number just below 0 may be as good as none of a large step, and still lies in the bin below.
    start = math.floor(low / step) if low >= 0 or low / step else -1
    count = math.floor(high / step) - start + 1
    bins = Bins(start, step, count, False, False)
    return Bins(start, step, count, float(found.minimum) < bins.edge(0), float(found.maximum) >= bins.edge(count))


def ticks(bins: Bins, most: int = 5) -> tuple[float, ...]:
    """Return a few round numbers inside of the bins."""
    low, high = bins.edge(0), bins.edge(bins.count)
    step = _nice((high - low) / most)
    if bins.step >= 1:
        step = max(step, 1.0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first > 2 * most:
        return ()  # the numbers are so large that floats between them are few
    return tuple(Bins(first, step, 1, False, False).edge(place) for place in range(last - first + 1))


def _nice(step: float) -> float:
    """Return the next number of the form 1, 2 or 5 times a power of ten; 1 for what is too small."""
    if step < _SMALLEST or not math.isfinite(step):
        return 1.0
    power = math.floor(math.log10(step))
    for factor in (1, 2, 5, 10):
        # Powers of ten below 1 are divided by, for they are no floats.
        nice = factor * 10.0**power if power >= 0 else factor / 10.0**-power
        if nice >= step * (1 - 1e-12):
            return nice
    raise AssertionError("10 times its power of ten is not less")


def _at(found: Distribution, share: float) -> float:
    """Return about which value has this share of the values below it."""
    k = min(found.present, max(1, math.ceil(share * found.present)))
    at = found.kth(k)
    return float(value_of(at.low, found.dtype) if isinstance(at, Bucket) else at.value)
