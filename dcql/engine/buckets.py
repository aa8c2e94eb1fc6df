"""The keys of values, and buckets of keys: what a distribution counts by.

A value's *key* is an unsigned number in the value's own order and of w bits: 32 for float32, 64 for float64 and int64.

    float: its bits with the sign bit set where it is clear, and all bits flipped where it is set
    int64: its bits with the sign bit flipped, which adds 2^63

A histogram counts keys by their top 16 bits: in 65,536 buckets, each of which can be counted again by the next 16.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.dataclass import dataclass

BUCKETS = 65_536
WIDTHS = {np.dtype(np.float32): 32, np.dtype(np.float64): 64, np.dtype(np.int64): 64}

Keys = NDArray[Any]
Number = int | float


@dataclass(frozen=True)
class Bucket:
    """The keys from `low` to `high`, both inside: `before` values lie below them and `count` in them."""

    low: int
    high: int
    before: int
    count: int


def keys_of(values: NDArray[Any]) -> Keys:
    """Return the keys of float32, float64 or int64 values without NaN: uint32 or uint64 in the values' order."""
    width = WIDTHS[values.dtype]
    unsigned, signed = np.dtype(f"u{width // 8}"), np.dtype(f"i{width // 8}")
    sign = unsigned.type(1 << (width - 1))
    if values.dtype.kind == "i":
        return np.asarray(np.bitwise_xor(values.view(unsigned), sign))
    bits = (values + values.dtype.type(0)).view(unsigned)
    # An arithmetic shift of the sign over the whole word: all ones below zero, else none.
    flips = np.right_shift(bits.view(signed), signed.type(width - 1)).view(unsigned)
    return np.asarray(np.bitwise_xor(bits, np.bitwise_or(flips, sign)))


def value_of(key: int, dtype: Any) -> Number:
    """Return the value whose key this is."""
    dtype = np.dtype(dtype)
    width = WIDTHS[dtype]
    sign = 1 << (width - 1)
    if dtype.kind == "i":
        return key - sign
    bits = key ^ sign if key & sign else key ^ (2 * sign - 1)
    return number_of(np.array([bits], np.uint32 if width == 32 else np.uint64).view(dtype)[0])


def normalise(values: NDArray[Any], nulls: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return floats with -0.0 as 0 and NaN as a NULL whose value is 0."""
    values = values + values.dtype.type(0)  # -0.0 + 0.0 is 0.0
    absent = np.isnan(values)
    if absent.any():
        values[absent] = 0
        nulls = nulls | absent
    return values, nulls


def histogram(values: NDArray[Any], counts: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Count values (each `counts` times) by the top 16 bits of their keys: the first scan for an order statistic."""
    return histogram_inside(values, whole(values.dtype, 0), counts)


def whole(dtype: Any, count: int) -> Bucket:
    """Return the bucket of all keys of a dtype, which holds `count` values."""
    return Bucket(0, (1 << WIDTHS[np.dtype(dtype)]) - 1, 0, count)


def histogram_inside(
    values: NDArray[Any], bucket: Bucket, counts: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Count the values inside `bucket` by the next 16 bits of their keys: a further scan for an order statistic."""
    keys = keys_of(values)
    shift = keys.dtype.type(_shift(bucket))
    if bucket.before or bucket.low or bucket.high != np.iinfo(keys.dtype).max:
        inside = (keys >= keys.dtype.type(bucket.low)) & (keys <= keys.dtype.type(bucket.high))
        keys = keys[inside]
        counts = None if counts is None else counts[inside]
    places = ((keys - keys.dtype.type(bucket.low)) >> shift).astype(np.int64)
    if counts is None:
        return np.bincount(places, minlength=BUCKETS).astype(np.int64, copy=False)
    total = np.zeros(BUCKETS, np.int64)
    np.add.at(total, places, counts)
    return total


def narrow(bucket: Bucket, counts: NDArray[np.int64], k: int) -> Bucket:
    """Return the part of `bucket` that holds the k-th smallest of all values, given `histogram_inside` of all data."""
    ends = bucket.before + np.cumsum(counts)
    place = int(np.searchsorted(ends, k))
    width = 1 << _shift(bucket)
    low = bucket.low + place * width
    count = int(counts[place])
    return Bucket(low, low + width - 1, int(ends[place]) - count, count)


def around(bucket: Bucket, least: int, most: int) -> Bucket:
    """Return the smallest aligned part of `bucket`, a power of two wide, that holds its keys from `least` to `most`.

    Where no value lies outside of these the rest is empty, and not worth a scan.
    """
    low, high = max(bucket.low, least), min(bucket.high, most)
    bits = (low ^ high).bit_length()
    start = low >> bits << bits
    return Bucket(start, start + (1 << bits) - 1, bucket.before, bucket.count)


def values_inside(values: NDArray[Any], bucket: Bucket) -> NDArray[Any]:
    """Return the values inside `bucket`: a further scan for an order statistic where they are few."""
    keys = keys_of(values)
    inside: NDArray[Any] = values[(keys >= keys.dtype.type(bucket.low)) & (keys <= keys.dtype.type(bucket.high))]
    return inside


def _shift(bucket: Bucket) -> int:
    """Return how many bits of a key lie below the 16 that tell the parts of `bucket` apart."""
    return max(0, (bucket.high - bucket.low + 1).bit_length() - 17)


def number_of(value: Any) -> Number:
    """Return a value of numpy as one of Python."""
    number: Number = value.item()
    return number
