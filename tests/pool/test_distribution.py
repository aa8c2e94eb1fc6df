"""Distributions and order statistics against a plain sort, on data made to break them."""

from pathlib import Path

import numpy as np
import pytest

from dcql.engine.buckets import Bucket, keys_of, value_of
from dcql.engine.distribution import Distribution, order_statistics

ROWS = 100_000


def adversaries(dtype):
    """Return named arrays of a dtype, without NaN."""
    rng = np.random.default_rng(3)
    cases = {"none": np.empty(0, dtype), "one": np.full(1, 5, dtype), "all ties": np.full(ROWS, 7, dtype)}
    if dtype is np.int64:
        return cases | {
            "random": rng.integers(-(2**63), 2**63 - 1, ROWS, dtype=dtype),
            "extremes": np.array([-(2**63), 2**63 - 1] * 100 + [-1, 0, 1], dtype),
            "near": rng.integers(0, 2 * ROWS, ROWS, dtype=dtype),
            "at the limit": np.repeat(np.arange(65_536, dtype=dtype), 2),
            "over the limit": np.arange(65_537, dtype=dtype),
        }
    unsigned = np.uint32 if dtype is np.float32 else np.uint64
    bits = rng.integers(0, np.iinfo(unsigned).max, ROWS, dtype=unsigned).view(dtype)
    tiny, large = np.finfo(dtype).tiny, np.finfo(dtype).max
    return cases | {
        "random": rng.normal(size=ROWS).astype(dtype),
        "any bits": bits[~np.isnan(bits)],
        "extremes": np.array([-np.inf, np.inf, 0.0, -0.0, large, -large, tiny, -tiny] * 9, dtype),
        "denormal": rng.integers(0, 2 * ROWS, ROWS).astype(unsigned).view(dtype),
        "half precision": rng.normal(size=ROWS).astype(np.float16).astype(dtype),
        "near": (1 + rng.random(ROWS) * 1e-5).astype(dtype),
    }


CASES = [(dtype, name) for dtype in (np.float32, np.float64, np.int64) for name in adversaries(dtype)]


@pytest.mark.parametrize(("dtype", "name"), CASES)
def test_order_statistics_are_those_of_a_sort(dtype, name):
    values = adversaries(dtype)[name]
    ordered = np.sort(values)
    distribution = Distribution(dtype)
    for part in np.array_split(values, 7):
        distribution.add(part, nulls=2)
    assert (distribution.rows, distribution.nulls) == (len(values) + 14, 14)
    ranks = sorted({1, 2, len(values) // 3, len(values) // 2, len(values)} - {0}) if len(values) > 1 else [1]
    ranks = ranks if len(values) else []
    for most in (1 << 20, 100, 0):
        scans = []

        def scan(scans=scans):
            scans.append(1)
            return np.array_split(values, 5)

        found = order_statistics(distribution, ranks, scan, most=most)
        assert [at.value for at in found] == [ordered[k - 1].item() + 0 for k in ranks]
        assert [at.ties for at in found] == [int((ordered == ordered[k - 1]).sum()) for k in ranks]
        assert len(scans) <= (0 if distribution.values is not None else 1 if dtype is np.float32 or most > ROWS else 3)
    if len(values):
        assert (distribution.minimum, distribution.maximum) == (ordered[0], ordered[-1])


@pytest.mark.parametrize(("dtype", "name"), CASES)
def test_merging_and_keeping_change_nothing(dtype, name, tmp_path: Path):
    values = adversaries(dtype)[name]
    whole, merged = Distribution(dtype), Distribution(dtype)
    whole.add(values, 3)
    for part in np.array_split(values, 4)[::-1]:
        one = Distribution(dtype)
        one.add(part)
        one.save(tmp_path / "one.npz")
        merged.merge(Distribution.load(tmp_path / "one.npz"))
    merged.add(np.empty(0, dtype), 3)
    assert (whole.rows, whole.nulls, whole.minimum) == (merged.rows, merged.nulls, merged.minimum)
    assert (whole.histogram == merged.histogram).all()
    distinct, counts = np.unique(values + dtype(0), return_counts=True)
    assert (whole.values is None) == (merged.values is None) == (len(distinct) > 65_536)
    if whole.values is not None:
        for one in (whole, merged):
            assert (one.value_counts()[0] == distinct).all()
            assert (one.value_counts()[1] == counts).all()


@pytest.mark.parametrize(("dtype", "name"), CASES)
def test_keys_keep_the_order_and_come_back(dtype, name):
    values = np.sort(adversaries(dtype)[name][:2000])
    keys = keys_of(values)
    assert (keys[1:] >= keys[:-1]).all()
    assert ((keys[1:] == keys[:-1]) == (values[1:] == values[:-1])).all()
    for key, value in zip(keys[:50].tolist(), values[:50], strict=True):
        assert value_of(key, dtype) == value


def test_nan_is_null_and_minus_zero_is_zero():
    distribution = Distribution(np.float32)
    distribution.add(np.array([np.nan, -0.0, 0.0, 1.0], np.float32), 1)
    values, counts = distribution.value_counts()
    assert (distribution.rows, distribution.nulls, distribution.present) == (5, 2, 3)
    assert values.tolist() == [0.0, 1.0]
    assert counts.tolist() == [2, 1]
    assert not np.signbit(values[0])
    assert [at.value for at in order_statistics(distribution, [1, 3], list)] == [0.0, 1.0]


def test_kth_names_the_bucket_where_values_are_many():
    values = np.random.default_rng(0).normal(size=ROWS)
    distribution = Distribution(np.float64)
    distribution.add(values)
    bucket = distribution.kth(ROWS // 2)
    assert isinstance(bucket, Bucket)
    keys = keys_of(np.sort(values))
    assert bucket.before == int((keys < np.uint64(bucket.low)).sum())
    assert bucket.low <= keys[ROWS // 2 - 1] <= bucket.high
    with pytest.raises(ValueError, match="k = 0"):
        distribution.kth(0)


@pytest.mark.parametrize("distinct", [65_536, 65_537, 90_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_what_is_held_does_not_depend_on_how_values_came(dtype, distinct):
    """Values that wait, come in pieces, are merged or repeat: it is the number of distinct ones that counts."""
    rng = np.random.default_rng(11)
    # Thirds have low bits, so that no float32 is a float16.
    some = (np.arange(distinct) / 3).astype(dtype) if dtype is not np.int64 else np.arange(distinct) * 1_000_003 - 7
    values = rng.permutation(np.concatenate([some] * 14))
    nan = 0 if dtype is np.int64 else 5
    if nan:
        values[values == 0] *= -1
        values = rng.permutation(np.concatenate([values, np.full(nan, np.nan, dtype)]))
    clean = np.sort(values[~np.isnan(values)]) + dtype(0)
    expected, times = np.unique(clean, return_counts=True)
    for pieces in (1, 3, 40):
        parts = np.array_split(values, pieces)
        found, halves = Distribution(dtype), [Distribution(dtype), Distribution(dtype)]
        for number, part in enumerate(parts):
            found.add(part)
            halves[number % 2].add(part)
        halves[0].merge(Distribution.of(halves[1].arrays()))
        for one in (found, halves[0]):
            assert (one.rows, one.nulls) == (len(values), nan)
            assert (one.minimum, one.maximum) == (expected[0], expected[-1])
            assert (one.values is None) == (distinct > 65_536)
            if one.values is not None:
                assert one.values.tobytes() == expected.tobytes()
                assert one.counts.tolist() == times.tolist()
            buckets = (keys_of(clean) >> (16 if dtype is np.float32 else 48)).astype(np.int64)
            assert one.histogram.tolist() == np.bincount(buckets, minlength=65_536).tolist()


def test_whole_numbers_of_a_narrow_range_need_two_scans():
    values = np.random.default_rng(2).integers(5_000, 8_000_000, 3_000_000)
    distribution, scans = Distribution(np.int64), []
    distribution.add(values)

    def scan():
        scans.append(1)
        return [values]

    [found] = order_statistics(distribution, [1_000_000], scan)
    assert found.value == np.partition(values, 999_999)[999_999]
    assert found.ties == (values == found.value).sum()
    assert len(scans) == 2
