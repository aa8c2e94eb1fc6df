"""The distribution of a column: every value with its count where they are few, else a histogram; exact k-th values.

A histogram says in which of 65,536 buckets (buckets.py) the k-th smallest lies and how many lie before it; a second
scan looks into that bucket alone. So any order statistic of values of w bits is exact in at most w / 16 scans and
bounded memory, whatever the data, and both kinds of scan add up over files in any order.

NaN counts as NULL and -0.0 as 0 (SEMANTICS §1).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.pool import Pool
from dcql.dataclass import dataclass
from dcql.engine.buckets import (
    BUCKETS,
    WIDTHS,
    Bucket,
    Number,
    around,
    histogram,
    histogram_inside,
    keys_of,
    narrow,
    normalise,
    number_of,
    value_of,
    values_inside,
    whole,
)
from dcql.engine.unsorted import LOW_BITS, Waiting, patterns_of, sum_of
from dcql.errors import Diagnostic, RunError

MAX_DISTINCT = 65_536


@dataclass(frozen=True)
class OrderStatistic:
    """The k-th smallest value, how many values equal it, and how many are smaller."""

    value: Number
    ties: int
    before: int


class Distribution:
    """The distribution of one column of dtype float32, float64 or int64.

    While at most 65,536 values are distinct it holds `values` and `counts`; from then on None and `histogram` of
    (65,536,) int64 instead. `rows` counts NULLs too. What it holds depends on the values alone, not on their order or
    how they came.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        if self.dtype not in WIDTHS:
            raise ValueError(f"a distribution is of float32, float64 or int64, not {self.dtype}")
        self.rows = 0
        self._nulls = 0
        self._minimum: Number | None = None
        self._maximum: Number | None = None
        self._values: NDArray[Any] | None = np.empty(0, self.dtype)
        self._counts: NDArray[np.int64] | None = np.empty(0, np.int64)
        self._histogram: NDArray[np.int64] | None = None
        # Counts of float32 by their top 19 bits, of values that have no other; not yet part of the above.
        self._patterns = np.empty(0, np.int64)
        self._waiting = Waiting(MAX_DISTINCT)  # nor these

    @property
    def nulls(self) -> int:
        """The number of NULLs, NaN among them."""
        self._settle()
        return self._nulls

    @property
    def minimum(self) -> Number | None:
        """The smallest value, None where there is none."""
        self._settle()
        return self._minimum

    @property
    def maximum(self) -> Number | None:
        """The largest value, None where there is none."""
        self._settle()
        return self._maximum

    @property
    def values(self) -> NDArray[Any] | None:
        """The distinct values, ascending, None where over 65,536 are."""
        self._settle()
        return self._values

    @property
    def counts(self) -> NDArray[np.int64] | None:
        """How often each of `values` occurs."""
        self._settle()
        return self._counts

    @property
    def present(self) -> int:
        """The number of values that are not NULL."""
        return self.rows - self.nulls

    @property
    def histogram(self) -> NDArray[np.int64]:
        """How many values lie in each of the 65,536 buckets."""
        self._settle()
        if self._histogram is not None:
            return self._histogram
        return histogram(*self.value_counts())

    def value_counts(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return every distinct value, ascending, and its count; raise ValueError where there are over 65,536."""
        self._settle()
        if self._values is None or self._counts is None:
            raise ValueError(f"more than {MAX_DISTINCT} values are distinct: only the histogram is kept")
        return self._values, self._counts

    def add(self, values: NDArray[Any], nulls: int = 0) -> None:
        """Count `values`, (n,) of the distribution's dtype, and `nulls` NULLs beside them."""
        if values.dtype != self.dtype:
            raise ValueError(f"values are {values.dtype}, the distribution is of {self.dtype}")
        self.rows += len(values) + nulls
        self._nulls += nulls
        if not len(values):
            return
        if self._histogram is None:
            patterns = patterns_of(values)
            if patterns is not None:
                self._patterns = sum_of(self._patterns, patterns)
                return
            self._wait(values)
            return
        self._count(values)

    def _wait(self, values: NDArray[Any]) -> None:
        if self._waiting.add(values):
            waiting, self._waiting = self._waiting.taken(), Waiting(MAX_DISTINCT)
            self._histogram = self.histogram
            self._values = self._counts = None
            for each in waiting:
                self._count(each)
        elif self._waiting.full:
            self._settle()

    def _count(self, values: NDArray[Any]) -> None:
        """Count values by their buckets."""
        if self.dtype.kind == "f":
            values, absent = normalise(values, np.zeros(len(values), np.bool_))
            values = values[~absent] if absent.any() else values
            self._nulls += int(absent.sum())
        if len(values):
            self._widen(values.min().item(), values.max().item())
        assert self._histogram is not None
        self._histogram += histogram(values)

    def merge(self, other: "Distribution") -> None:
        """Count everything that `other` counted."""
        if other.dtype != self.dtype:
            raise ValueError(f"{other.dtype} does not merge with {self.dtype}")
        self._settle()
        self.rows += other.rows
        self._nulls += other.nulls
        if other.minimum is None or other.maximum is None:
            return
        self._widen(other.minimum, other.maximum)
        if self._histogram is None and other._histogram is None:
            self._add_counts(*other.value_counts())
        else:
            self._histogram = self.histogram + other.histogram
            self._values = self._counts = None

    def kth(self, k: int) -> OrderStatistic | Bucket:
        """Return the k-th smallest value, 1 <= k <= present; where only a histogram is kept, the bucket it lies in."""
        if not 1 <= k <= self.present:
            raise ValueError(f"k = {k} of {self.present} values")
        if self.counts is not None and self.values is not None:
            ends = np.cumsum(self.counts)
            place = np.searchsorted(ends, k)
            ties = int(self.counts[place])
            return OrderStatistic(number_of(self.values[place]), ties, int(ends[place]) - ties)
        assert self.minimum is not None
        assert self.maximum is not None
        low, high = keys_of(np.array([self.minimum, self.maximum], self.dtype)).tolist()
        return around(narrow(whole(self.dtype, self.present), self.histogram, k), low, high)

    def save(self, path: Path) -> None:
        """Write the distribution as .npz; buckets that hold nothing are left out."""
        with path.open("wb") as file:
            self.write(file)

    def write(self, file: BinaryIO) -> None:
        """Write what `save` does to an open file."""
        np.savez(file, **self.arrays())

    def arrays(self) -> dict[str, Any]:
        """Return all that is counted as arrays by name, in one dimension each."""
        summary = np.array([self.rows, self.nulls], np.int64)
        seen = [] if self.minimum is None or self.maximum is None else [self.minimum, self.maximum]
        held: dict[str, Any] = {"summary": summary, "range": np.array(seen, self.dtype)}
        self._settle()
        if self._histogram is None:
            held["values"], held["counts"] = self.value_counts()
        else:
            held["buckets"] = np.flatnonzero(self._histogram).astype(np.uint16)
            held["counts"] = self._histogram[held["buckets"]]
        return held

    @classmethod
    def load(cls, path: Path) -> "Distribution":
        """Read what `save` wrote; raise OSError or ValueError for anything else."""
        try:
            with path.open("rb") as file:
                return cls.read(file)
        except (OSError, ValueError):
            raise
        except Exception as error:  # a damaged file can fail in zipfile or in numpy
            raise ValueError(f"{type(error).__name__}: {error}") from error

    @classmethod
    def read(cls, file: BinaryIO) -> "Distribution":
        """Read what `write` wrote, with what numpy raises for anything else."""
        with np.load(file, allow_pickle=False) as held:
            return cls.of(held)

    @classmethod
    def of(cls, held: Mapping[str, NDArray[Any]]) -> "Distribution":
        """Return the distribution whose `arrays` these are."""
        self = cls(held["range"].dtype)
        self.rows, self._nulls = (int(number) for number in held["summary"])
        if len(held["range"]):
            self._minimum, self._maximum = (number_of(value) for value in held["range"])
        if "buckets" in held:
            self._values = self._counts = None
            self._histogram = np.zeros(BUCKETS, np.int64)
            self._histogram[held["buckets"]] = held["counts"]
        else:
            self._values, self._counts = held["values"], held["counts"]
        return self

    def _settle(self) -> None:
        """Take in what was counted by patterns, and what waits."""
        if len(self._patterns):
            patterns, self._patterns = self._patterns, self._patterns[:0]
            used = np.flatnonzero(patterns)
            values = (used.astype(np.uint32) << np.uint32(LOW_BITS)).view(np.float32)
            order = np.argsort(values)
            self._add_distinct(values[order], patterns[used][order])
        if waiting := self._waiting.taken():
            self._add_distinct(*np.unique(np.concatenate(waiting), return_counts=True))

    def _add_distinct(self, values: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Count distinct values, ascending with NaN last, each `counts` times."""
        if self.dtype.kind == "f":
            # Far fewer than the values, so that this costs nothing.
            missing = np.isnan(values)
            self._nulls += int(counts[missing].sum())
            values, counts = values[~missing] + self.dtype.type(0), counts[~missing]
        if len(values):
            self._widen(values[0].item(), values[-1].item())
            self._add_counts(values, counts)

    def _widen(self, low: Number, high: Number) -> None:
        self._minimum = low if self._minimum is None else min(self._minimum, low)
        self._maximum = high if self._maximum is None else max(self._maximum, high)

    def _add_counts(self, values: NDArray[Any], counts: NDArray[np.int64]) -> None:
        if self._values is None or self._counts is None:
            self._histogram = self.histogram + histogram(values, counts)
            return
        both = np.concatenate([self._values, values])
        distinct, places = np.unique(both, return_inverse=True)
        if len(distinct) > MAX_DISTINCT:
            self._histogram = histogram(self._values, self._counts) + histogram(values, counts)
            self._values = self._counts = None
            return
        total = np.zeros(len(distinct), np.int64)
        np.add.at(total, places, np.concatenate([self._counts, counts]))  # 0.0 and -0.0 are one
        self._values, self._counts = distinct, total


def distribution_file(folder: Path, column: str) -> Path:
    """Return where a folder keeps the distribution of a column, whose name may not suit a file."""
    return folder / f"{hashlib.sha256(column.encode()).hexdigest()[:16]}.npz"


def load_distribution(pool: Pool, column: str) -> Distribution:
    """Return the distribution of a numeric column of an added pool; raise RunError where it cannot be read."""
    assert pool.distributions is not None
    try:
        return Distribution.load(distribution_file(pool.distributions, column))
    except (OSError, ValueError) as error:
        raise RunError(
            Diagnostic(
                "E0710",
                f"the record of pool `{pool.name}` is damaged",
                None,
                f"the distribution of `{column}` cannot be read",
                (f"run `dcql pool add {pool.name} {pool.source}` again",),
            )
        ) from error


def order_statistics(
    start: Distribution,
    ranks: Sequence[int],
    scan: Callable[[], Iterable[NDArray[Any]]],
    *,
    most: int = 1 << 20,
) -> list[OrderStatistic]:
    """Return the k-th smallest value for each k of `ranks`, 1-based and exact.

    `start` counted the same values that each call of `scan` yields, in any pieces and order, NULLs left out. It is
    called not at all where `start` knows every value, else 1 to 3 times; at most `most` values are held at a time.
    """

    def look(inside: Inside) -> Inside:
        for values in scan():
            inside.add(values)
        return inside

    return order_statistics_by(start, ranks, look, most=most)


def order_statistics_by(
    start: Distribution, ranks: Sequence[int], look: Callable[["Inside"], "Inside"], *, most: int = 1 << 20
) -> list[OrderStatistic]:
    """Return what `order_statistics` does, where `look` adds all values to an empty `Inside` and returns it."""
    found: dict[int, OrderStatistic] = {}
    open_ranks: dict[int, Bucket] = {}
    for k in ranks:
        place = start.kth(k)
        if isinstance(place, Bucket):
            open_ranks[k] = place
        else:
            found[k] = place
    while open_ranks:
        open_ranks = look(Inside(tuple(open_ranks.values()), most)).settle(open_ranks, start.dtype, found)
    return [found[k] for k in ranks]


class Inside:
    """What is looked for in the buckets of a distribution: the values of small ones, finer counts of the others.

    At most `most` values are held in all.
    """

    def __init__(self, buckets: Sequence[Bucket], most: int) -> None:
        self.values: dict[Bucket, list[NDArray[Any]]] = {}
        self.counts: dict[Bucket, NDArray[np.int64]] = {}
        room = most
        for bucket in sorted(set(buckets), key=lambda bucket: (bucket.count, bucket.low)):
            if bucket.count <= room:
                self.values[bucket] = []
                room -= bucket.count
            else:
                self.counts[bucket] = np.zeros(BUCKETS, np.int64)

    def add(self, values: NDArray[Any]) -> None:
        """Look at values, NULLs left out."""
        if values.dtype.kind == "f":
            values, absent = normalise(values, np.zeros(len(values), np.bool_))
            values = values[~absent] if absent.any() else values
        for bucket, parts in self.values.items():
            parts.append(values_inside(values, bucket))
        for bucket in self.counts:
            self.counts[bucket] += histogram_inside(values, bucket)

    def settle(self, open_ranks: dict[int, Bucket], dtype: Any, found: dict[int, OrderStatistic]) -> dict[int, Bucket]:
        """Add to `found` the ranks that are known now; return those that stay open, with their narrower buckets."""
        ordered = {bucket: np.sort(np.concatenate(parts)) for bucket, parts in self.values.items()}
        remaining: dict[int, Bucket] = {}
        for k, bucket in open_ranks.items():
            if bucket in ordered:
                inside = ordered[bucket]
                value = inside[k - bucket.before - 1]
                start, end = np.searchsorted(inside, value), np.searchsorted(inside, value, "right")
                found[k] = OrderStatistic(number_of(value), int(end - start), bucket.before + int(start))
                continue
            inner = narrow(bucket, self.counts[bucket], k)
            if inner.low == inner.high:
                found[k] = OrderStatistic(value_of(inner.low, dtype), inner.count, inner.before)
            else:
                remaining[k] = inner
        return remaining
