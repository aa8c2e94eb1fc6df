"""The samples that a recipe drops, by the clause that drops them: those nearest to passing it first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.engine.inside import Inside
from dcql.engine.run import Progress
from dcql.engine.values import FileValues, Observed
from dcql.inspect.report.cuts import Cut, cuts
from dcql.lower.values import lower_values
from dcql.plan import nodes
from dcql.plan.written import Writer
from dcql.subset import Subset, Uids

# Gives a number to each uid, by which samples are taken where none is nearer than another.
Order = Callable[[Uids], NDArray[np.uint64]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A sample that was chosen: its uid as two numbers, the number of the pool's file, and the row in it."""

    uid: tuple[int, int]
    file: int
    row: int


@dataclass(frozen=True, slots=True)
class Group:
    """Samples that are not in the subset, and come to a clause, or to copies or the tail of a query, and end there.

    `count` of them there are; `samples` are some of these. `near` says whether they are those nearest to the cut.
    """

    stage: str
    text: str
    count: int
    near: bool
    samples: tuple[Chosen, ...]


@dataclass
class Nearest:
    """Of the samples of any number of files, the first `most` in the order of their keys, then of their uids."""

    most: int
    count: int = 0
    _found: list[tuple[Any, Chosen]] = field(default_factory=list)

    def add(self, keys: NDArray[Any], uids: Uids, rows: NDArray[np.int64], file: int) -> None:
        """Look among some rows of a file: `keys` and `uids` are theirs."""
        self.count += len(rows)
        if len(rows) > self.most:
            near = keys <= np.partition(keys, self.most - 1)[self.most - 1]
            keys, uids, rows = keys[near], uids[near], rows[near]
        for at in np.lexsort((uids["f1"], uids["f0"], keys))[: self.most]:
            uid = int(uids["f0"][at]), int(uids["f1"][at])
            self._found.append((keys[at].item(), Chosen(uid, file, int(rows[at]))))
        self._found.sort(key=lambda one: (one[0], one[1].uid))
        del self._found[self.most :]

    @property
    def samples(self) -> tuple[Chosen, ...]:
        """What was found, in order."""
        return tuple(chosen for _, chosen in self._found)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where samples end: a clause of a filter, or a relation that takes some of what it reads."""

    stage: str
    text: str
    rel: nodes.Filter | nodes.Copies | nodes.Limit | nodes.SampleShare | nodes.SampleRows | nodes.DistinctOn
    clause: int | None = None
    cut: Cut | None = None


def dropped(
    plan: nodes.Plan, writer: Writer, subset: Subset, observed: Observed, most: int, order: Order, tell: Progress
) -> tuple[Group, ...]:
    """Return a group for each place in an optimized plan where samples end, in text order; none that is empty.

    Samples with a number that a clause compares with a cut come by their distance from it, others in the `order` of
    their uids. `most` are taken of each group. Raises RunError where the pool cannot be read.
    """
    places = tuple(_places(plan, writer))
    read = _Read(plan, places, observed.pool)
    found = [Nearest(most) for _ in places]
    values = _cut_values(places, observed)
    done = 0
    inside = Inside(subset, observed.pool)
    for number, file in enumerate(observed.pool.files):
        uids = observed.uids(file)
        outside = ~inside.of(file)
        rows = observed.values(read.lowered, file)
        for place, nearest, value in zip(places, found, values, strict=True):
            ended, away = read.ended(place, rows, value)
            here = np.flatnonzero(ended & outside).astype(np.int64)
            keys = away[here] if away is not None else order(uids[here]) if len(here) else np.empty(0, np.uint64)
            nearest.add(keys, uids[here], here, number)
        done += file.rows
        tell("looking at what is dropped", done, observed.pool.rows)
    return tuple(
        Group(place.stage, place.text, nearest.count, value is not None, nearest.samples)
        for place, nearest, value in zip(places, found, values, strict=True)
        if nearest.count
    )


def _places(plan: nodes.Plan, writer: Writer) -> Iterator[_Place]:
    known = cuts(plan, writer)
    for stage in plan.stages:
        if not stage.demand:
            yield from _of_relation(stage.relation, stage.name, known, writer)
    yield from _of_relation(plan.query, "query", known, writer)


def _of_relation(rel: nodes.Rel, stage: str, known: Sequence[Cut], writer: Writer) -> Iterator[_Place]:
    match rel:
        case nodes.Filter():
            yield from _of_relation(rel.input, stage, known, writer)
            for number, clause in enumerate(rel.clauses):
                # Of a clause with more than one comparison, none alone decides.
                own = [one for one in known if one.filter == rel and one.clause == number]
                one_cut = own[0] if isinstance(clause.expr, nodes.Compare) and len(own) == 1 else None
                yield _Place(stage, " ".join(clause.text.split()), rel, number, one_cut)
        case nodes.SetOperation():
            yield from _of_relation(rel.left, stage, known, writer)
            yield from _of_relation(rel.right, stage, known, writer)
        case nodes.DistinctOn():
            yield from _of_relation(rel.input, stage, known, writer)
            yield _Place(stage, "DISTINCT ON", rel)
        case nodes.Limit():
            yield from _of_relation(rel.input, stage, known, writer)
            own = [one for one in known if one.filter is None and one.population == rel.input and one.stage == stage]
            yield _Place(stage, writer.limit(rel), rel, None, own[0] if len(own) == 1 else None)
        case nodes.Copies():
            yield from _of_relation(rel.input, stage, known, writer)
            yield _Place(stage, writer.copies(rel), rel)
        case nodes.SampleShare() | nodes.SampleRows():
            yield from _of_relation(rel.input, stage, known, writer)
            yield _Place(stage, writer.sample(rel), rel)


def _cut_values(places: Sequence[_Place], observed: Observed) -> list[float | None]:
    """Return the number that each place compares with, None where there is none, or one a group."""
    found = {one.name: one for stage in observed.statistics.found for one in stage if not one.group}
    values: list[float | None] = []
    for place in places:
        cut = place.cut
        value: Any = None
        if cut is not None and not cut.by:
            statistic = found.get(cut.statistic)
            if place.clause is not None:
                value = statistic.value if statistic is not None else cut.value
            elif statistic is not None and statistic.at:
                value = statistic.at[0]  # the first sort key of the last sample that is kept
        values.append(float(value) if isinstance(value, int | float) else None)
    return values


class _Read:
    """What is read of each file for the places, and where in it each of them finds its part."""

    def __init__(self, plan: nodes.Plan, places: Sequence[_Place], pool: Pool) -> None:
        every = nodes.Literal(0, Type.INT)
        self._scores: dict[tuple[nodes.Expr, nodes.Rel], int] = {}
        self._filters: dict[nodes.Filter, int] = {}
        for place in places:
            if isinstance(place.rel, nodes.Filter):
                self._filters.setdefault(place.rel, len(self._filters))
            else:
                for rel in (place.rel.input, place.rel):
                    self._scores.setdefault((every, rel), len(self._scores))
            if place.cut is not None:
                self._scores.setdefault((place.cut.expr, place.cut.population), len(self._scores))
        self._every = every
        self.lowered = lower_values(plan, tuple(self._scores), tuple(self._filters), pool)

    def ended(
        self, place: _Place, rows: FileValues, value: float | None
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
        """Return which samples of a file end at a place, and how far each is from its cut; infinitely without one."""
        if isinstance(place.rel, nodes.Filter):
            ended = rows.depths[self._filters[place.rel]] == place.clause
        else:
            reached, passed = (rows.members[self._scores[self._every, rel]] for rel in (place.rel.input, place.rel))
            ended = reached & ~passed
        if place.cut is None or value is None:
            return ended, None
        score = self._scores[place.cut.expr, place.cut.population]
        away = np.abs(rows.values[score].astype(np.float64) - value)
        return ended, np.where(rows.known[score], away, np.inf)
