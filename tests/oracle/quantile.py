"""Order statistics: one q of a recipe and its value (SEMANTICS §2)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from .types import Sample, Typed, Value


@dataclass(frozen=True, slots=True)
class Statistic:
    """The k-th smallest of n values, 1 <= k; nulls are the samples whose expression is NULL."""

    value: Value
    n: int
    nulls: int
    k: int


def order_statistic(values: list[Value], p: Fraction, *, nulls_first: bool, datacomp: bool = False) -> Statistic:
    """Take the k-th smallest, k = max(1, ceil(p n)), over the values that are not NULL.

    With nulls_first NULLs count, as the lowest. For datacomp p is DataComp's fraction f and k = n - int(n f),
    the product in IEEE double, as its get_threshold computes it.
    """
    known = sorted(value for value in values if value is not None)
    nulls = len(values) - len(known)
    ranked: list[Value] = [None] * nulls + known if nulls_first else list(known)
    n = len(ranked)
    k = max(1, n - int(n * (p.numerator / p.denominator)) if datacomp else math.ceil(p * n))
    return Statistic(ranked[k - 1] if n else None, n, nulls, k)


@dataclass
class Threshold:
    """One q: a constant of its population, expression, BY and p; computed before any WHERE that uses it."""

    population: Callable[[], list[Sample]]
    expression: Typed
    by: tuple[Typed, ...]
    p: Fraction
    nulls_first: bool
    datacomp: bool
    computed: dict[tuple[Value, ...], Statistic] | None = field(default=None)

    def groups(self) -> dict[tuple[Value, ...], Statistic]:
        """Return the statistic of each BY group (NULL is a group of its own); without BY the one group ()."""
        if self.computed is None:
            values: dict[tuple[Value, ...], list[Value]] = {} if self.by else {(): []}
            for sample in self.population():
                values.setdefault(self.group_of(sample), []).append(self.expression.of(sample))
            self.computed = {
                group: order_statistic(found, self.p, nulls_first=self.nulls_first, datacomp=self.datacomp)
                for group, found in values.items()
            }
        return self.computed

    def group_of(self, sample: Sample) -> tuple[Value, ...]:
        return tuple(key.of(sample) for key in self.by)

    def value_for(self, sample: Sample) -> Value:
        """The cut that applies to a sample; NULL when its group is absent or empty."""
        statistic = self.groups().get(self.group_of(sample))
        return None if statistic is None else statistic.value
