"""How sure a metric is: 95 % intervals over the samples of a set, the model held fixed."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054  # the normal distribution has 95 % between -Z and Z
RESAMPLES = 1000
_SEED = 20230427


def wilson(right: int, n: int) -> tuple[float, float]:
    """Return Wilson's interval of a proportion, `right` of n (1927; Brown, Cai and DasGupta 2001, section 3.1)."""
    share, square = right / n, Z * Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    # Where all or none are right, rounding could put the share itself outside.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def bootstrap(metric: Callable[[NDArray[np.int64]], float], n: int) -> tuple[float, float]:
    """Return the percentile bootstrap of a metric that is no proportion: from 2.5 % to 97.5 % of its resamples.

    `metric` takes positions of samples, (n,), some twice and some not at all. The metric of a worst group or of small
    classes is biased under resampling, towards worse: its interval says how far chance alone moves the metric, need
    not lie around it evenly, and is widened to hold it where it does not.
    """
    draws = np.random.default_rng(_SEED)
    values = [metric(draws.integers(0, n, n)) for _ in range(RESAMPLES)]
    low, high = np.quantile(values, [0.025, 0.975])
    value = metric(np.arange(n))
    return min(float(low), value), max(float(high), value)
