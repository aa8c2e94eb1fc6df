"""A run, looked at sample by sample: the scores at each cut, what is near it, and mixes before and after."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.arrays import indices, numbers, present
from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import Pool, PoolFile
from dcql.catalog.types import Type
from dcql.engine.buckets import Number
from dcql.engine.distribution import Distribution
from dcql.engine.features.rows import rows_of
from dcql.engine.inside import Inside
from dcql.engine.run import Progress
from dcql.engine.statistics import Found
from dcql.engine.values import FileValues, Observed
from dcql.inspect.report.bins import Bins, bins_for
from dcql.inspect.report.cuts import Cut
from dcql.lower.values import lower_values
from dcql.plan import nodes
from dcql.subset import Subset, Uids

MAX_CUTS = 24
MAX_COLUMNS = 6
_COMPARE: dict[str, Callable[[NDArray[Any], Number], NDArray[np.bool_]]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_DTYPES = {Type.INT: np.int64, Type.FLOAT: np.float32, Type.DOUBLE: np.float64}


@dataclass(frozen=True, slots=True)
class Near:
    """A sample near a cut: its uid as two numbers, the pool's file and the row in it, and what is compared."""

    uid: tuple[int, int]
    file: int
    row: int
    value: Number


@dataclass(frozen=True, slots=True)
class Counts:
    """A histogram: samples in each bin, of all and of those that are kept."""

    bins: Bins
    every: NDArray[np.int64]
    kept: NDArray[np.int64]


@dataclass(frozen=True)
class CutFound:
    """What was found at a cut.

    `value` is the number compared with, None where it is NULL, or there is one a group: then `groups` are their
    statistics. Of the `members` of the population `known` have a value; `counts` is None where none has. `kept` and
    `dropped` are the samples nearest to the cut: of the subset those that pass it, and of the others those that pass
    all clauses before this one, and fail it here.
    """

    cut: Cut
    value: Number | None
    found: tuple[Found, ...]
    members: int
    known: int
    counts: Counts | None
    kept: tuple[Near, ...]
    dropped: tuple[Near, ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each value of a feature comes, in order of the value: before, and among the kept.

    `known` samples of the pool and `known_kept` of the subset have a value or are known to have none. `whole` says
    whether the feature is stored for the whole pool, rather than for the samples that the recipe asks of.
    """

    name: str
    text: bool
    whole: bool
    known: int
    known_kept: int
    values: tuple[tuple[Any, int, int], ...]


@dataclass(frozen=True, slots=True)
class ColumnFound:
    """The numbers of a column, before and among the kept."""

    name: str
    known: int
    known_kept: int
    counts: Counts


@dataclass(frozen=True)
class Findings:
    """Everything that looking at the samples gave. `left_out` counts the cuts beyond the first MAX_CUTS."""

    cuts: tuple[CutFound, ...]
    left_out: int
    mixes: tuple[Mix, ...]
    columns: tuple[ColumnFound, ...]


def look(
    plan: nodes.Plan,
    every_cut: Sequence[Cut],
    specs: Sequence[FeatureSpec],
    subset: Subset,
    observed: Observed,
    near: int,
    tell: Progress,
) -> Findings:
    """Look at every sample of a pool, twice: for the scales, then for the counts and the samples near the cuts.

    `plan` is optimized, `every_cut` its cuts; `specs` are features whose mix is wanted, and `near` is the number of
    samples on each side of a cut. Raises RunError where the pool cannot be read.
    """
    return _Looking(plan, tuple(every_cut[:MAX_CUTS]), specs, subset, observed, near, tell).findings(len(every_cut))


@dataclass
class _Looking:
    plan: nodes.Plan
    cuts: tuple[Cut, ...]
    specs: Sequence[FeatureSpec]
    subset: Subset
    observed: Observed
    near: int
    tell: Progress
    _scores: dict[tuple[nodes.Expr, nodes.Rel], int] = field(default_factory=dict)
    _filters: dict[nodes.Filter, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for cut in self.cuts:
            self._scores.setdefault((cut.expr, cut.population), len(self._scores))
            if cut.filter is not None:
                self._filters.setdefault(cut.filter, len(self._filters))
        self._read = lower_values(self.plan, tuple(self._scores), tuple(self._filters), self.observed.pool)
        self._found = _by_name(self.observed.statistics.found)
        self._values = [self._value(cut) for cut in self.cuts]
        self._columns = _chosen(self.observed.pool, self.cuts)
        self._kept_of: dict[int, NDArray[np.bool_]] = {}

    def findings(self, cuts: int) -> Findings:
        files, rows = self.observed.pool.files, self.observed.pool.rows
        scores = [Distribution(_DTYPES[expr.type]) for expr, _ in self._scores]
        members = [0] * len(scores)
        columns = {name: Distribution(_DTYPES[type_]) for name, type_ in self._columns.items()}
        done = 0
        inside = Inside(self.subset, self.observed.pool)
        for number, file in enumerate(files):
            self._kept_of[number] = inside.of(file)
            for at, (values, belongs, known) in enumerate(self._scored(self.observed.values(self._read, file))):
                scores[at].add(values[belongs & known])
                members[at] += int(np.count_nonzero(belongs))
            for name, (values, known) in self._columns_of(file).items():
                columns[name].add(values[known])
            done += file.rows
            self.tell("looking at scores", done, 2 * rows)
        bins = [self._bins(at, scores[at]) for at in range(len(scores))]
        of_columns = {name: bins_for(found, ()) for name, found in columns.items()}
        counts = [_Counting(one) for one in bins]
        counted = {name: _Counting(one) for name, one in of_columns.items()}
        kept, dropped = ([_Nearest(self.near) for _ in self.cuts] for _ in range(2))
        for number, file in enumerate(files):
            in_subset, uids = self._kept_of[number], self.observed.uids(file)
            read = self.observed.values(self._read, file)
            scored = list(self._scored(read))
            for at, (values, belongs, known) in enumerate(scored):
                counts[at].add(values, belongs & known, in_subset)
            for name, (values, known) in self._columns_of(file).items():
                counted[name].add(values, known, in_subset)
            for at, cut in enumerate(self.cuts):
                value = self._values[at]
                if value is None or not self.near:
                    continue
                values, belongs, known = scored[self._scores[cut.expr, cut.population]]
                here = known & belongs
                passed, failed = self._sides(cut, value, read, values)
                kept[at].add(value, values, here & passed & in_subset, uids, number)
                dropped[at].add(value, values, here & failed & ~in_subset, uids, number)
            done += file.rows
            self.tell("looking at scores", done, 2 * rows)
        found = []
        for at, cut in enumerate(self.cuts):
            score = self._scores[cut.expr, cut.population]
            found.append(
                CutFound(
                    cut,
                    self._values[at],
                    self._found.get(cut.statistic, ()),
                    members[score],
                    scores[score].present,
                    counts[score].counts(),
                    kept[at].nearest(),
                    dropped[at].nearest(),
                )
            )
        return Findings(
            tuple(found),
            cuts - len(self.cuts),
            tuple(self._mixes()),
            tuple(
                ColumnFound(name, int(one.every.sum()), int(one.kept.sum()), one)
                for name, each in counted.items()
                if (one := each.counts()) is not None
            ),
        )

    # --- cuts ---------------------------------------------------------------------------------------------------------

    def _value(self, cut: Cut) -> Number | None:
        if not cut.statistic:
            return cut.value
        found = self._found.get(cut.statistic, ())
        if cut.by or not found:
            return None
        if cut.filter is not None:
            return found[0].value
        # Of a LIMIT: the first sort key of the last sample that is kept.
        key = found[0].at[0] if found[0].at else None
        return key if isinstance(key, int | float) else None

    def _scored(self, read: FileValues) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]]:
        """Yield each score's values in its own dtype, which samples belong to its population, and which have one."""
        for (expr, _), values, belongs, known in zip(self._scores, read.values, read.members, read.known, strict=True):
            yield values.astype(_DTYPES[expr.type], copy=False), belongs, known

    def _bins(self, score: int, found: Distribution) -> Bins | None:
        own = zip(self.cuts, self._values, strict=True)
        return bins_for(found, [value for cut, value in own if self._is_of(cut, score) and value is not None])

    def _is_of(self, cut: Cut, score: int) -> bool:
        return self._scores[cut.expr, cut.population] == score

    def _sides(
        self, cut: Cut, value: Number, read: FileValues, values: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which samples pass a cut and its clause, and which come to it and fail both."""
        passed = _COMPARE[cut.op](values, value)
        if cut.filter is None or cut.clause is None:
            # Of those with the sort key of the last sample kept, some are left out, by the tie hash.
            return passed, ~passed | (values == value)
        depth = read.depths[self._filters[cut.filter]]
        return passed & (depth > cut.clause) & (depth <= len(cut.filter.clauses)), ~passed & (depth == cut.clause)

    # --- columns and mixes --------------------------------------------------------------------------------------------

    def _columns_of(self, file: PoolFile) -> dict[str, tuple[NDArray[Any], NDArray[np.bool_]]]:
        if not self._columns or not file.rows:
            return {}
        every = np.arange(file.rows, dtype=np.int64)
        numbers_alone = file if file.sidecar is None else replace(file, path=str(file.sidecar))
        (table,) = rows_of(numbers_alone, self._columns, every, file.rows)
        read = {name: table.column(name).combine_chunks() for name in self._columns}
        return {name: (numbers(column), present(column)) for name, column in read.items()}

    def _mixes(self) -> Iterator[Mix]:
        for spec in self.specs:
            if spec.output.type not in (Type.TEXT, Type.INT, Type.BOOL):
                continue
            mix = self._mix(spec)
            if mix is not None:
                yield mix

    def _mix(self, spec: FeatureSpec) -> Mix | None:
        """Count the values of a feature: where it is known for the whole pool there, else where the recipe asks."""
        files = self.observed.pool.files
        stored = [self.observed.feature(spec, file) for file in files]
        whole = all(
            not file.rows or (one is not None and one.known.all()) for file, one in zip(files, stored, strict=True)
        )
        own = any(one.name == spec.name for one in self.observed.statistics.program.every_feature)
        if not whole and not own:
            return None
        every: dict[Any, list[int]] = {}
        known = known_kept = 0
        for number, (file, values) in enumerate(zip(files, stored, strict=True)):
            if values is None:
                continue
            rows = np.arange(file.rows) if whole else self.observed.asking.features.asked_of(spec, number)
            kept = self._kept_of[number][rows]
            known += len(rows)
            known_kept += int(np.count_nonzero(kept))
            for column, of in ((0, rows), (1, rows[kept])):
                for entry in values.value.take(indices(of)).value_counts().to_pylist():
                    every.setdefault(entry["values"], [0, 0])[column] += entry["counts"]
        ordered = sorted(every.items(), key=lambda item: (item[0] is None, item[0]))
        text = spec.output.type is Type.TEXT
        return Mix(spec.name, text, whole, known, known_kept, tuple((value, *counts) for value, counts in ordered))


class _Counting:
    """Counts values into bins, piece by piece."""

    def __init__(self, bins: Bins | None) -> None:
        self._bins = bins
        count = bins.count if bins is not None else 0
        self._every, self._kept = np.zeros(count, np.int64), np.zeros(count, np.int64)

    def add(self, values: NDArray[Any], known: NDArray[np.bool_], kept: NDArray[np.bool_]) -> None:
        if self._bins is not None:
            self._every += self._bins.counted(values[known])
            self._kept += self._bins.counted(values[known & kept])

    def counts(self) -> Counts | None:
        return Counts(self._bins, self._every, self._kept) if self._bins is not None else None


class _Nearest:
    """The samples nearest to a value, ties by uid, from any number of files."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: list[tuple[float, Near]] = []

    def add(self, value: Number, values: NDArray[Any], among: NDArray[np.bool_], uids: Uids, file: int) -> None:
        """Look among some samples of a file."""
        rows = np.flatnonzero(among)
        if not len(rows):
            return
        away = np.abs(values[rows].astype(np.float64) - float(value))
        if len(rows) > self._most:
            close = away <= np.partition(away, self._most - 1)[self._most - 1]
            rows, away = rows[close], away[close]
        order = np.lexsort((uids["f1"][rows], uids["f0"][rows], away))[: self._most]
        for at in order:
            row = int(rows[at])
            uid = int(uids["f0"][row]), int(uids["f1"][row])
            self._found.append((float(away[at]), Near(uid, file, row, values[row].item())))
        self._found.sort(key=lambda one: (one[0], one[1].uid))
        del self._found[self._most :]

    def nearest(self) -> tuple[Near, ...]:
        return tuple(near for _, near in self._found)


def _chosen(pool: Pool, cuts: Sequence[Cut]) -> dict[str, Type]:
    """Return the pool's columns of numbers, but for those that a cut shows over the whole pool already."""
    shown = {cut.expr.name for cut in cuts if isinstance(cut.expr, nodes.Column) and cut.called == "pool"}
    numeric = {one.name: one.type for one in pool.schema.columns if one.type.numeric and one.name not in shown}
    return dict(list(numeric.items())[:MAX_COLUMNS])


def _by_name(stages: Sequence[Sequence[Found]]) -> Mapping[str, tuple[Found, ...]]:
    found: dict[str, list[Found]] = {}
    for one in (one for stage in stages for one in stage):
        found.setdefault(one.name, []).append(one)
    return {name: tuple(ones) for name, ones in found.items()}
