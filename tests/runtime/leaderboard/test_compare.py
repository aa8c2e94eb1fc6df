"""Subsets side by side: exactly where they are small, by a sketch where they are large."""

import numpy as np
import pytest

from dcql.leaderboard import compare
from dcql.leaderboard.compare import pair, side
from dcql.subset import UID, Subset


def subset(start: int, end: int) -> Subset:
    """Return a subset of uids that are numbered, and far apart as hashes are."""
    numbers = np.arange(start, end, dtype=np.uint64)
    uids = np.empty(len(numbers), UID)
    uids["f0"] = numbers * np.uint64(0x9E3779B97F4A7C15)
    uids["f1"] = numbers
    return Subset.from_uids(uids)


def test_small_subsets_are_compared_exactly() -> None:
    a, b = subset(0, 3000), subset(1000, 5000)
    found = pair(side(a.hash, a.distinct, a), side(b.hash, b.distinct, b))
    assert (found.both, found.only_a, found.only_b, found.exact) == (2000, 1000, 2000, True)
    assert found.jaccard == pytest.approx(0.4)


@pytest.mark.parametrize("shared", [0.0, 0.02, 0.5, 0.98])
def test_large_subsets_are_compared_within_the_stated_error(shared: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "EXACT", 1000)
    monkeypatch.setattr(compare, "SKETCH", 1 << 14)
    size = 200_000
    common = round(size * shared)
    a, b = subset(0, size), subset(size - common, 2 * size - common)
    found = pair(side(a.hash, a.distinct, a), side(b.hash, b.distinct, b))
    truth = common / (2 * size - common)
    assert found.jaccard == pytest.approx(truth, abs=4 * 0.5 / (1 << 14) ** 0.5)
    assert not found.exact
    assert found.both is not None
    assert found.only_a == size - found.both


def test_without_uids_only_equality_is_known() -> None:
    a, b = subset(0, 10), subset(0, 10)
    assert pair(side(a.hash, 10, None), side(b.hash, 10, b)).equal
    assert pair(side(a.hash, 10, None), side("dcql1:other", 12, b)).jaccard is None


def test_empty_subsets_are_alike() -> None:
    empty = Subset.from_uids(np.empty(0, UID))
    other = subset(0, 4)
    assert pair(side(empty.hash, 0, empty), side(other.hash, 4, other)).jaccard == 0.0
