"""Bins: every value lies in one, their edges are round numbers, and the cut lies among them."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dcql.engine.distribution import Distribution
from dcql.inspect.report.bins import Bins, bins_for, ticks

FLOATS = st.lists(st.one_of(st.floats(-1e30, 1e30), st.floats(-2, 2)), min_size=1, max_size=60)
INTS = st.lists(st.one_of(st.integers(-(2**62), 2**62), st.integers(-5, 300)), min_size=1, max_size=60)


def distribution(values: np.ndarray) -> Distribution:
    found = Distribution(values.dtype)
    found.add(values)
    return found


def brute(bins: Bins, values: list[float]) -> list[int]:
    """Count values bin by bin, the outer ones open."""
    counts = [0] * bins.count
    for value in values:
        place = 0
        while place + 1 < bins.count and value >= bins.edge(place + 1):
            place += 1
        counts[place] += 1
    return counts


@given(FLOATS)
def test_every_float_is_counted_once(values: list[float]) -> None:
    array = np.array(values, np.float64)
    bins = bins_for(distribution(array), ())
    assert bins is not None
    assert bins.counted(array).tolist() == brute(bins, values)
    assert bins.open_below == (min(values) < bins.edge(0))
    assert bins.open_above == (max(values) >= bins.edge(bins.count))


@given(INTS)
def test_every_whole_number_is_counted_once(values: list[int]) -> None:
    array = np.array(values, np.int64)
    bins = bins_for(distribution(array), ())
    assert bins is not None
    assert bins.counted(array).sum() == len(values)
    assert bins.step >= 1
    assert bins.step == int(bins.step)


@given(FLOATS, st.floats(-1e30, 1e30))
@example([4.000000000004001e16], -2.225073858507203e-309)
def test_the_cut_is_inside(values: list[float], cut: float) -> None:
    bins = bins_for(distribution(np.array(values, np.float64)), (cut,))
    assert bins is not None
    assert bins.edge(0) <= cut <= bins.edge(bins.count)
    assert 0 <= bins.place(cut) <= 1
    assert bins.count <= 90


def test_edges_are_the_floats_nearest_to_round_decimals() -> None:
    values = np.linspace(-0.29, 0.9, 500).astype(np.float32)
    bins = bins_for(distribution(values), (np.float32(0.28).item(),))
    assert bins is not None
    assert bins.step == 0.02
    assert [bins.edge(place) for place in range(bins.count + 1)] == [
        float(Fraction(place, 50)) for place in range(-15, bins.count - 14)
    ]


def test_a_score_that_is_a_decimal_lies_in_the_bin_that_begins_with_it() -> None:
    values = np.array([0.1, 0.2, 0.28, 0.3, 1.0], np.float32)
    bins = bins_for(distribution(values), ())
    assert bins is not None
    for value, text in zip(values, ("0.1", "0.2", "0.28", "0.3", "1"), strict=True):
        counted = bins.counted(values[values == value])
        assert bins.edge(int(counted.argmax())) == float(text)


def test_a_far_value_does_not_squeeze_the_others() -> None:
    values = np.append(np.arange(1000, dtype=np.float64), 1e9)
    bins = bins_for(distribution(values), ())
    assert bins is not None
    assert bins.edge(bins.count) < 3000
    assert bins.open_above
    assert bins.counted(values).sum() == 1001


@pytest.mark.parametrize("values", [[], [float("inf"), 0.0], [-1.7e308, 1.7e308]])
def test_what_no_scale_holds_has_no_bins(values: list[float]) -> None:
    found = Distribution(np.float64)
    found.add(np.array(values, np.float64))
    assert bins_for(found, ()) is None


@given(FLOATS)
def test_ticks_are_few_and_inside(values: list[float]) -> None:
    bins = bins_for(distribution(np.array(values, np.float64)), ())
    assert bins is not None
    at = ticks(bins)
    assert 0 <= len(at) <= 8
    assert all(math.isfinite(one) for one in at)
    assert list(at) == sorted(set(at))
