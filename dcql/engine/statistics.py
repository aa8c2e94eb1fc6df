"""Statistic stages: thresholds, group thresholds, cuts and firsts, in bounded memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from dcql.arrays import numbers
from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.dataclass import dataclass
from dcql.engine.buckets import Number
from dcql.engine.distribution import Distribution, Inside, OrderStatistic, load_distribution, order_statistics_by
from dcql.engine.duck import Session, Source
from dcql.engine.sources import Sources
from dcql.lower.program import Demand, GroupedThreshold, Program, Scan, Statistic, Threshold
from dcql.lower.statement import Statement
from dcql.lower.tails import Cut, Draw, Firsts, GroupedCut, Numbers

if TYPE_CHECKING:
    from dcql.engine.draws import Near

MOST_TOLD = 1_000  # groups of a LIMIT .. BY that are told one by one

Ranked = Threshold | Numbers  # a column of a scan whose order statistics are asked for
DTYPES = {Type.INT: np.int64, Type.FLOAT: np.float32, Type.DOUBLE: np.float64}


@dataclass(frozen=True)
class Found:
    """One statistic's value, as it goes into the manifest and the lock.

    `n` counts what was ranked, `nulls` the samples of the population without a value, or without a weight for a SAMPLE,
    `k` the 1-based position, `ties` the samples that share the value. `group` is empty but for a threshold with BY.
    `at` says what a count does not: where a LIMIT or a SAMPLE cuts, the sort keys and the tie hash of the last sample
    kept (empty where it keeps all or nothing); for DISTINCT ON, a checksum of the samples that are first; for LIMIT ..
    BY, one of all its cuts, and `groups` tells of them: its `value` counts what is kept of all groups together, and `n`
    what reaches it.
    """

    name: str
    text: str
    population: str
    type: Type
    value: Number | None
    n: int
    nulls: int
    k: int
    ties: int
    group: tuple[Any, ...] = ()
    at: tuple[Any, ...] = ()
    groups: "Groups | None" = None


@dataclass(frozen=True)
class Groups:
    """The groups of a LIMIT .. BY: how many there are, and how many of them get no sample.

    `told` has one statistic for each, in the order of the keys, where they are few.
    """

    count: int
    empty: int
    told: tuple[Found, ...]


@dataclass
class Statistics:
    """The statistics of a run so far: `parameters` for SQL, `found` for people and locks, by stage.

    `sources` are where samples come from, and `satisfy` makes a feature known where it is asked for. `frozen` are
    statistics that are taken as given, by name; thresholds with BY and the samples that are first in a DISTINCT ON are
    many values and always computed.
    """

    program: Program
    pool: Pool
    session: Session
    sources: Sources
    satisfy: Callable[[Demand], None]
    frozen: Mapping[str, Found] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    found: list[list[Found]] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """All samples, with the features as they are known so far."""
        return self.sources.every_file()

    def compute(self, advance: Callable[[], None]) -> None:
        """Compute every stage in order; call `advance` before the first and after each."""
        if any(isinstance(one, Firsts | Draw) for stage in self.program.stages for one in stage.statistics):
            from dcql.engine.beside import mark_nobody  # few recipes mark samples, and it brings in Arrow

            mark_nobody(self.program, self.session)
        advance()
        for stage in self.program.stages:
            self.found.append([])
            for statistic in stage.statistics:
                self._compute(statistic)
            advance()

    def _compute(self, statistic: Statistic) -> None:
        match statistic:
            case Scan() if all(threshold.name in self.frozen for threshold in statistic.thresholds):
                for threshold in statistic.thresholds:
                    self.parameters[threshold.name] = self.frozen[threshold.name].value
                    self.found[-1].append(self.frozen[threshold.name])
            case Scan():
                self._scan(statistic)
            case Demand():
                self.satisfy(statistic)
            case GroupedThreshold():
                self._grouped(statistic)
            case Cut():
                self._cut(statistic)
            case GroupedCut():
                self._grouped_cut(statistic)
            case Draw():
                from dcql.engine.draws import draw_samples  # few recipes have a SAMPLE, and it brings in Arrow

                found = draw_samples(statistic, self)
                self.parameters[f"{statistic.name}_keep"] = _mode(found)
                self.found[-1].append(found)
            case Firsts():
                from dcql.engine.firsts import find_firsts  # few recipes have a DISTINCT ON, and it brings in Arrow

                count, checksum = find_firsts(statistic, self.pool, self.session, self.sources, self.parameters)
                self.found[-1].append(
                    Found(statistic.name, statistic.text, "", Type.INT, count, count, 0, 0, 0, at=(checksum,))
                )

    # --- thresholds ---------------------------------------------------------------------------------------------------

    def _scan(self, scan: Scan) -> None:
        by_value: dict[str, list[Threshold]] = {}
        for threshold in scan.thresholds:
            by_value.setdefault(threshold.value, []).append(threshold)
        distributions = {value: self._stored(group[0]) for value, group in by_value.items()}
        missing = {value: group[0] for value, group in by_value.items() if distributions[value] is None}
        if missing:
            distributions.update(self._distributions(scan.statement, missing))
        for value, thresholds in by_value.items():
            distribution = distributions[value]
            assert distribution is not None
            self._thresholds(scan, distribution, thresholds)

    def _stored(self, ranked: Ranked) -> Distribution | None:
        if ranked.column is None or not self.pool.added:
            return None
        return load_distribution(self.pool, ranked.column)

    def _distributions(self, scan: Statement, missing: Mapping[str, Ranked]) -> dict[str, Distribution]:
        """Count all columns of a scan in one pass."""
        result = {value: Distribution(DTYPES[ranked.type]) for value, ranked in missing.items()}
        for batch in self.session.batches(scan, self.source, self.parameters):
            for value, ranked in missing.items():
                result[value].add(*values_of(batch, ranked.value, ranked.member))
        return result

    def _thresholds(self, scan: Scan, distribution: Distribution, thresholds: list[Threshold]) -> None:
        present, nulls = distribution.present, distribution.nulls
        ranks = {threshold: _position(threshold, present, nulls) for threshold in thresholds}
        wanted = sorted({rank for _, _, rank in ranks.values() if rank > 0})
        found = order_statistics_by(
            distribution, wanted, lambda inside: self._look_inside(scan.statement, thresholds[0], inside)
        )
        values_at = dict(zip(wanted, found, strict=True))
        for threshold, (n, k, rank) in ranks.items():
            at = values_at.get(rank)
            self.parameters[threshold.name] = at.value if at is not None else None
            self.found[-1].append(_found(threshold, at, n, nulls, k))

    def _look_inside(self, scan: Statement, ranked: Ranked, inside: Inside) -> Inside:
        """Look into buckets of a column of a scan once more."""
        for batch in self.session.batches(scan, self.source, self.parameters):
            inside.add(values_of(batch, ranked.value, ranked.member)[0])
        return inside

    def _grouped(self, statistic: GroupedThreshold) -> None:
        """Find each group's value from its values in order: one pass over (group, value, count)."""
        width = len(statistic.key_types)
        counted: dict[tuple[Any, ...], tuple[int, int, int]] = {}
        nulls: dict[tuple[Any, ...], int] = {}
        for row in self._counts(statistic):
            key, samples, known = row[:width], row[width], row[width + 1]
            counted[key] = _position(statistic, known, samples - known)
            nulls[key] = samples - known
        at: dict[tuple[Any, ...], OrderStatistic] = {}
        passed: dict[tuple[Any, ...], int] = {}
        for key, value, count in self._ordered(statistic, width):
            if key in at:
                continue
            before = passed.get(key, 0)
            if before < counted[key][2] <= before + count:
                at[key] = OrderStatistic(value, count, before)
            passed = {key: before + count}
        columns = [*((f"k{i}", type_) for i, type_ in enumerate(statistic.key_types)), ("value", statistic.type)]
        table = [(*key, found.value) for key, found in at.items()]
        self.session.store(statistic.name, columns, table)
        for key, (n, k, _) in counted.items():
            self.found[-1].append(_found(statistic, at.get(key), n, nulls[key], k, key))

    def _counts(self, statistic: GroupedThreshold) -> Iterable[tuple[Any, ...]]:
        return self.session.rows(statistic.counts, self.source, self.parameters)

    def _ordered(self, statistic: GroupedThreshold, width: int) -> Iterable[tuple[tuple[Any, ...], Number, int]]:
        for batch in self._values(statistic):
            columns = [column.to_pylist() for column in batch.columns]
            for row in zip(*columns, strict=True):
                yield row[:width], row[width], row[width + 1]

    def _values(self, statistic: GroupedThreshold) -> Iterator[Any]:
        return self.session.batches(statistic.values, self.source, self.parameters)

    # --- cuts ---------------------------------------------------------------------------------------------------------

    def _cut(self, cut: Cut) -> None:
        found = self.frozen.get(cut.name) or self._find_cut(cut)
        self.parameters[f"{cut.name}_keep"] = _mode(found)
        *keys, tie = found.at or (None,) * (len(cut.key_types) + 1)
        self.parameters |= {f"{cut.name}_{i}": key for i, key in enumerate(keys)}
        self.parameters[f"{cut.name}_tie"] = tie
        self.found[-1].append(found)

    def _find_cut(self, cut: Cut) -> Found:
        """Find where LIMIT cuts: the keys of the last sample kept, and its tie hash among those with the same keys."""
        at: tuple[Any, ...] = ()
        if cut.numbers is not None:
            distribution = self._distribution(cut.numbers)
            samples = distribution.rows
            kept = _kept(cut, samples)
            if kept not in (0, samples):
                number, ahead = self._number_at(cut.numbers, distribution, kept)
                at = self._with_tie(cut, (number,), kept - ahead)
        else:
            assert cut.samples is not None
            samples = self._number(cut.samples)
            kept = _kept(cut, samples)
            if kept not in (0, samples):
                at = self._among_keys(cut, kept)
        return Found(cut.name, cut.text, "", Type.INT, kept, samples, 0, kept, 0, at=at)

    def _distribution(self, numbers: Numbers) -> Distribution:
        stored = self._stored(numbers)
        if stored is not None:
            return stored
        (distribution,) = self._distributions(numbers.statement, {numbers.value: numbers}).values()
        return distribution

    def _number_at(self, numbers: Numbers, distribution: Distribution, kept: int) -> tuple[Number | None, int]:
        """Return the number of the last sample that is kept, None for NULL, and how many samples come before it."""
        present, nulls = distribution.present, distribution.nulls
        first = nulls if numbers.nulls_first else 0
        if not first < kept <= first + present:
            return None, 0 if numbers.nulls_first else present
        place = kept - first
        rank = present - place + 1 if numbers.descending else place
        (at,) = order_statistics_by(
            distribution, [rank], lambda inside: self._look_inside(numbers.statement, numbers, inside)
        )
        return at.value, first + (present - at.before - at.ties if numbers.descending else at.before)

    def _among_keys(self, cut: Cut, kept: int) -> tuple[Any, ...]:
        assert cut.keys is not None
        assert cut.ahead is not None
        keys = self._at(cut.keys, kept - 1)
        self._at_cut(cut, keys)
        return self._with_tie(cut, keys, kept - self._number(cut.ahead))

    def _with_tie(self, cut: Cut, keys: tuple[Any, ...], place: int) -> tuple[Any, ...]:
        """Return keys at a cut with the tie hash at this place, counted from 1, among the samples with these keys."""
        self._at_cut(cut, keys)
        return (*keys, *self._at(cut.tie, place - 1))

    def _at_cut(self, cut: Cut, keys: tuple[Any, ...]) -> None:
        self.parameters |= {f"{cut.name}_{i}": key for i, key in enumerate(keys)}

    # --- what a SAMPLE draws -----------------------------------------------------------------------------------------

    def rows_of(self, statement: Statement) -> Iterable[tuple[Any, ...]]:
        """Return the rows of a statement over all samples; there may be some for each file, which add up."""
        return self.session.rows(statement, self.source, self.parameters)

    def near(self, draw: Draw, bounds: Mapping[str, Any]) -> "Iterator[Near]":
        """Yield what `Draw.near` says of all samples, told by their places in the pool."""
        from dcql.engine.draws import near_of

        source, parameters = self.sources.named(draw.named), {**self.parameters, **bounds}
        return near_of(self.session.batches(draw.near, source, parameters))

    # --- groups -------------------------------------------------------------------------------------------------------

    def _grouped_cut(self, cut: GroupedCut) -> None:
        """Find where LIMIT .. BY cuts each group. What is held here does not grow with samples or groups."""
        sizes, keep, at = f"{cut.name}/sizes", f"{cut.name}/keep", f"{cut.name}/at"
        self.session.store_result(sizes, cut.sizes, self.source, self.parameters)
        # However many groups there are, they have few sizes: together these are no more than the samples.
        each = [int(size) for (size,) in self.session.rows(cut.each, self.source, {})]
        columns = [("samples", Type.INT), ("kept", Type.INT)]
        self.session.store(keep, columns, [(size, _kept(cut, size)) for size in each])
        self.session.store_result(at, cut.at, self.source, self.parameters)
        self.session.store_result(cut.name, cut.cuts, self.source, self.parameters)
        for table in (at, keep, sizes):
            self.session.drop(table)
        self.found[-1].append(self._told(cut))

    def _told(self, cut: GroupedCut) -> Found:
        width = len(cut.by_types)
        names = [*(f"k{i}" for i in range(width)), "kept", *(f"s{i}" for i in range(len(cut.key_types))), "tie"]
        count, checksum = self.session.checksum_of_rows(cut.name, names)
        samples, kept, empty = self.session.sums(cut.name, ("samples", "kept"), "kept")
        told: list[Found] = []
        if count <= MOST_TOLD:
            for row in self.session.table(cut.name, [*names, "samples"]):
                at = row[width + 1 : -1] if row[width] not in (0, row[-1]) else ()
                one = Found(cut.name, cut.text, "", Type.INT, row[width], row[-1], 0, row[width], 0, row[:width], at)
                told.append(one)
        groups = Groups(count, empty, tuple(told))
        return Found(cut.name, cut.text, "", Type.INT, kept, samples, 0, kept, 0, at=(checksum,), groups=groups)

    def worst(self, statement: Statement) -> tuple[Any, ...]:
        """Return the row of `Checks.worst`."""
        return self.session.rows(statement, self.source, self.parameters)[0]

    def _number(self, statement: Statement) -> int:
        """Return what a statement counts."""
        return int(self.session.rows(statement, self.source, self.parameters)[0][0])

    def _at(self, statement: Statement, offset: int) -> tuple[Any, ...]:
        return self.session.rows(statement, self.source, {**self.parameters, "offset": offset})[0]


def values_of(batch: Any, value: str, member: str | None) -> tuple[np.ndarray[Any, Any], int]:
    """Return a scan's values in the population out of a batch, and how many of the population have none."""
    column = batch.column(value)
    present = numbers(column.drop_null() if column.null_count else column)
    population = batch.num_rows if member is None else batch.column(member).true_count
    return present, population - len(present)


def _mode(found: Found) -> int:
    """Return what of a tail is kept: 0 for nothing, 2 for all, 1 for what is found out."""
    return 0 if found.value == 0 else 2 if found.value == found.n else 1


def _kept(cut: Cut | GroupedCut, samples: int) -> int:
    """Return how many of so many samples a LIMIT keeps, exactly."""
    if cut.percent is not None:
        numerator, denominator = cut.percent
        return numerator * samples // (denominator * 100)
    assert cut.count is not None
    return min(cut.count, samples)


def _found(
    threshold: Threshold | GroupedThreshold,
    at: OrderStatistic | None,
    n: int,
    nulls: int,
    k: int,
    group: tuple[Any, ...] = (),
) -> Found:
    value, ties = (at.value, at.ties) if at is not None else (None, 0)
    return Found(threshold.name, threshold.text, threshold.population, threshold.type, value, n, nulls, k, ties, group)


def _position(threshold: Threshold | GroupedThreshold, present: int, nulls: int) -> tuple[int, int, int]:
    """Return n, k, and the position among the values that are not NULL: 0 where the statistic is NULL."""
    n = present + (nulls if threshold.nulls_first else 0)
    k = threshold.rank.k(n)
    if n == 0:
        return n, k, 0
    return n, k, max(0, k - nulls) if threshold.nulls_first else k
