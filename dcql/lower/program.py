"""The program: DuckDB SQL over a table `samples`, in stages.

`samples` holds the pool's columns that the program reads, normalised, its features as `@feature/NAME`, NULL where they
are not known, and `@id`, what the last query tells a sample by. Whoever runs a program chooses among its `Samples` and
names the files; all other SQL is the same for all of them.
Statistics of earlier stages enter later SQL as parameters `$q1`, and those with many values as tables `"f1"`.
"""

from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING

from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.dataclass import dataclass
from dcql.digest import sha256_of
from dcql.lower.statement import Samples, Statement
from dcql.lower.tails import Cut, Draw, Firsts, GroupedCut
from dcql.plan.values import NamedSet, NamedTable, Promise, Rank
from dcql.source import Span

if TYPE_CHECKING:
    # Few programs have features, and what they are takes a while to import.
    from dcql.catalog.models import Asset, FeatureSpec


@dataclass(frozen=True)
class Threshold:
    """One order statistic of a scan: parameter `$name` becomes the k-th smallest of the scan's column `value`.

    `member` is the scan's BOOL column that says which samples belong to the population, None where all do. `column` is
    the pool column whose stored distribution answers it without a scan, None where there is none.
    """

    name: str
    type: Type
    rank: Rank
    nulls_first: bool
    value: str
    member: str | None
    column: str | None
    text: str
    population: str


@dataclass(frozen=True)
class Scan:
    """All thresholds of a stage, from one pass over the samples."""

    statement: Statement
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True)
class GroupedThreshold:
    """An order statistic a group: the table `name`, with columns `k0`, `k1`, .. and `value`.

    `counts` gives each group's keys, its samples and its values that are not NULL, in key order; `values` gives keys,
    value and how many samples have it, in key order, then value order, NULLs left out.
    """

    name: str
    type: Type
    rank: Rank
    nulls_first: bool
    key_types: tuple[Type, ...]
    counts: Statement
    values: Statement
    text: str
    population: str


@dataclass(frozen=True)
class Demand:
    """Samples that a feature must be known for before the next stage.

    `statement` gives the `@id` of each of them; None where it is every sample. `why` is the text that asks.
    """

    name: str
    feature: str
    statement: Statement | None
    why: str


Statistic = Scan | GroupedThreshold | Cut | GroupedCut | Firsts | Draw | Demand


class Fault(IntEnum):
    """What can be wrong with the copies of a sample."""

    NONE = 0
    NULL = 1
    NEGATIVE = 2
    FRACTION = 3
    TOO_MANY = 4
    PRODUCT = 5


@dataclass(frozen=True)
class Check:
    """One place where copies can be wrong: the words `text`, at `span` where they are words of the recipe.

    `which` gives the `id` of each sample with wrong ones, the `fault`, and the number as text in `value`. `name` is the
    column of `Checks.worst`.
    """

    name: str
    text: str
    span: Span | None
    which: Statement


@dataclass(frozen=True)
class Checks:
    """What must hold before copies are taken, once all statistics are known.

    `worst` gives one row: for each check the worst fault of any sample, 0 where all are well, NULL without samples.
    """

    worst: Statement
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Margin:
    """A clause that compares a feature on a grid with a value: that of `statistic`, or `value` where it names none.

    `demand` names the samples that the feature is asked of there.
    """

    text: str
    feature: str
    demand: str
    statistic: str
    value: float | None


@dataclass(frozen=True)
class AssetTable:
    """The table of an asset's values, which can be made once `after` stages are done."""

    table: str
    asset: "Asset"
    after: int


@dataclass(frozen=True)
class TableRead:
    """A joined table, by its name in the SQL: the columns that are read of it, and how they come beside the pool.

    `loaded` gives the table `name`, with columns `key`, `c0`, `c1`, .., out of what was read of the file. `aligned`
    joins it to `keys`, what `samples` is over the pool's own files for that, and gives `in` and `c0`, `c1`, .. for each
    sample, in the order of the files and of their rows.
    """

    name: str
    table: NamedTable
    columns: tuple[tuple[str, Type], ...]
    loaded: Statement
    keys: Statement
    aligned: Statement


@dataclass(frozen=True)
class FitOn:
    """The samples that assets are fitted on, by the relation's name in the plan.

    `statement` gives the `@id` of each of them; None where it is every sample.
    """

    on: str
    statement: Statement | None


@dataclass(frozen=True)
class Stage:
    """Statistics that depend on earlier stages only."""

    statistics: tuple[Statistic, ...]


@dataclass(frozen=True)
class Told:
    """Where the funnel tells whom a feature is asked of: samples of depth `least` to `most` in the column `depth`."""

    depth: str
    least: int
    most: int


@dataclass(frozen=True)
class Marks:
    """The last query in the form of marks: rows are the samples in their order.

    `flagged` are tables of sets that it reads as flags, parameters of their names: it can be run where all values of
    these sets lie between 0 and FLAGS. `told` tells by name of demands that have no column of their own.

    `with_values` is the same with the values of features besides, in the columns `valued`, of the names that they have
    in `samples`: truth values, numbers as UINTEGER, so that it can be run where all of them fit, and of texts the
    places, counted from 1, in the list `$texts1` for the first feature of the program, and so on. None where no feature
    has such a column.
    """

    statement: Statement
    flagged: tuple[str, ...] = ()
    told: tuple[tuple[str, Told], ...] = ()
    with_values: Statement | None = None
    valued: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """One SELECT's part of the funnel: how many clauses, one after the other, each sample passes.

    `depth` is the output column with the number of clauses passed, one more than there are for samples that the SELECT
    does not read. `undefined` is the output column that is TRUE where an operation of the SELECT gave NULL for values
    that are not, None where none can. `statistics` names the thresholds that each clause compares with, `demands` what
    each asks of features.

    An `n AS copies` that differs from sample to sample is a block `of_copies`, after that of its WHERE: one clause,
    that samples with 0 copies fail.
    """

    name: str
    source: str
    clauses: tuple[str, ...]
    depth: str
    undefined: str | None
    statistics: tuple[tuple[str, ...], ...]
    demands: tuple[tuple[str, ...], ...]
    of_copies: bool = False


@dataclass(frozen=True)
class Part:
    """A stage of the recipe, or its query: what it reads, and the names of the statistics in it, innermost first."""

    name: str
    source: str
    statistics: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """An executable recipe.

    The last query says of every sample whether it is kept, and gives the funnel's columns; `copies` too, where a
    sample can have several. It comes in two forms: `output` with `id`, the sample's `@id`, NULL where it is left out;
    and `marks`: those are kept whose column `kept_where[0]` holds the number `kept_where[1]`. `marks` is None where
    DuckDB does not keep the order: where the query looks things up in tables, but for sets of INT. Both say of each
    demand that is not for every sample whether it asks of the sample, `output` in a column of its name; then it has
    `row` too, the `@id` of every sample.

    `kept` gives the `id` of the kept samples and nothing else, for raw files that can be read with skips; None where
    that is not faster than `output`.

    `checks` holds copies to what they may be; None where they cannot be wrong.

    `lengths` are those that it reads in the place of texts, by function and column. Its `by_lengths` is the same
    program that reads all it can; None where there are none to read. What tells a program apart, as its digest does,
    is the one that reads texts.

    `columns` are the pool columns that any of the SQL reads, `features` what models make beside them, `sets` and
    `asset_sets` the tables of values, `tables` what is joined, `fits` the samples that assets are fitted on, `parts`
    the stages in text order, then the query.
    """

    columns: tuple[str, ...]
    features: "tuple[FeatureSpec, ...]"
    sets: tuple[tuple[str, NamedSet], ...]
    asset_sets: tuple[AssetTable, ...]
    tables: tuple[TableRead, ...]
    fits: tuple[FitOn, ...]
    stages: tuple[Stage, ...]
    output: Statement
    marks: Marks | None
    kept: Statement | None
    kept_where: tuple[str, int]
    samples: Samples
    parts: tuple[Part, ...]
    blocks: tuple[Block, ...]
    margins: tuple[Margin, ...]
    promises: tuple[Promise, ...]
    parameters: tuple[tuple[str, str], ...]
    effect: str
    has_copies: bool
    checks: Checks | None = None
    lengths: tuple[tuple[str, str], ...] = ()
    by_lengths: "Program | None" = None

    @property
    def in_order(self) -> bool:
        """Whether the last query keeps the samples in their order in any form, whatever its sets hold."""
        return self.marks is not None and not self.marks.flagged

    def over(self, pool: Pool) -> "Program":
        """Return the form of this program that reads least of a pool; all forms give the same."""
        if self.by_lengths is None or not {column for _, column in self.by_lengths.lengths} <= set(pool.lengths):
            return self
        return self.by_lengths

    @cached_property
    def every_feature(self) -> "tuple[FeatureSpec, ...]":
        """The features and those that they read, each once and after what it reads."""
        return tuple(dict.fromkeys(one for spec in self.features for one in spec.chain))

    @property
    def demands(self) -> tuple[Demand, ...]:
        """What is asked of features, in the order in which it is."""
        return tuple(one for stage in self.stages for one in stage.statistics if isinstance(one, Demand))

    def statements(self) -> list[tuple[str, Statement]]:
        """Return every SQL statement with its title, in the order in which they run."""
        result: list[tuple[str, Statement]] = []
        for number, stage in enumerate(self.stages, start=1):
            for statistic in stage.statistics:
                result += [(f"stage {number}: {title}", statement) for title, statement in _titled(statistic)]
        if self.checks is not None:
            result.append(("check of copies", self.checks.worst))
        result.append(("output", self.output))
        return result

    @property
    def digest(self) -> str:
        """The digest of everything that decides the subset, given a pool."""
        return sha256_of(
            {
                "statements": [statement.text for _, statement in self.statements()],
                "ranks": [
                    [t.name, str(t.rank.p), t.rank.datacomp, t.nulls_first]
                    for stage in self.stages
                    for statistic in stage.statistics
                    for t in _order_statistics(statistic)
                ],
                "cuts": [
                    [s.name, s.count, list(s.percent) if not isinstance(s, Draw) and s.percent else None]
                    for stage in self.stages
                    for s in stage.statistics
                    if isinstance(s, Cut | GroupedCut | Draw)
                ],
                "sets": [[table, named.sha256] for table, named in self.sets],
                **({"tables": [_identity(one) for one in self.tables]} if self.tables else {}),
                **({"features": [repr(spec) for spec in self.features]} if self.features else {}),
                **({"assets": [[one.table, repr(one.asset)] for one in self.asset_sets]} if self.asset_sets else {}),
            }
        )


def _identity(read: TableRead) -> list[object]:
    columns = [[name, type_.value] for name, type_ in read.columns]
    return [read.name, read.table.sha256, read.table.key, read.table.key_type.value, columns]


def _order_statistics(statistic: Statistic) -> tuple[Threshold | GroupedThreshold, ...]:
    match statistic:
        case Scan():
            return statistic.thresholds
        case GroupedThreshold():
            return (statistic,)
        case _:
            return ()


def _titled(statistic: Statistic) -> list[tuple[str, Statement]]:
    match statistic:
        case Scan():
            names = ", ".join(f"${t.name} = {t.text} over {t.population}" for t in statistic.thresholds)
            return [(names, statistic.statement)]
        case GroupedThreshold():
            title = f'"{statistic.name}" = {statistic.text} over {statistic.population}'
            return [(f"{title}: counts", statistic.counts), (f"{title}: values", statistic.values)]
        case Cut():
            title = f"${statistic.name}: {statistic.text}"
            every = (
                ("samples", statistic.samples),
                ("numbers to order by", statistic.numbers.statement if statistic.numbers is not None else None),
                ("keys at the cut", statistic.keys),
                ("samples before them", statistic.ahead),
                ("tie hash at the cut", statistic.tie),
            )
            return [(f"{title}: {which}", statement) for which, statement in every if statement is not None]
        case Draw():
            title = f'"{statistic.name}": {statistic.text}'
            weights = statistic.weights
            every = (
                ("samples", statistic.samples),
                ("weights", weights.classes if weights is not None else None),
                ("the first sample with a wrong weight", weights.wrong if weights is not None else None),
                ("what is drawn for certain, and keys near the cut", statistic.near),
                ("what is drawn, in order", statistic.first),
            )
            return [(f"{title}: {which}", statement) for which, statement in every if statement is not None]
        case GroupedCut():
            title = f'"{statistic.name}": {statistic.text}'
            return [
                (f"{title}: samples of each group", statistic.sizes),
                (f"{title}: sizes", statistic.each),
                (f"{title}: keys at each cut", statistic.at),
                (f"{title}: cuts", statistic.cuts),
            ]
        case Firsts():
            title = f'"{statistic.name}": {statistic.text}'
            return [
                (f"{title}: groups", statistic.groups),
                (f"{title}: samples that are alone", statistic.alone),
                (f"{title}: first samples of the others", statistic.statement),
            ]
        case Demand():
            title = f"{statistic.name}: the samples that {statistic.feature} is asked of"
            return [(title, statistic.statement)] if statistic.statement is not None else []
