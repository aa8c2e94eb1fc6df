"""Program, pool -> subset: statistics stage by stage, then every sample once."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dcql.arrays import numbers, present
from dcql.catalog.coverage import Counted, known_coverage
from dcql.catalog.pool import Pool
from dcql.dataclass import dataclass
from dcql.engine.copies import check_copies
from dcql.engine.counts import BlockCounts, Counts
from dcql.engine.duck import Resources, Session, session
from dcql.engine.light import paths_of, resources_of
from dcql.engine.marked import Marked, for_duckdb, marks_of, uneven
from dcql.engine.ranks import ByPlace, InOrder
from dcql.engine.sources import Sources
from dcql.engine.statistics import Found, Statistics
from dcql.engine.uids import Gathered, parse_items
from dcql.errors import Diagnostic, RunError
from dcql.lower.program import Block, Demand, Marks, Program, Told
from dcql.lower.statement import Statement
from dcql.plan.values import NamedSet, Promise
from dcql.subset import PIECE, Subset

if TYPE_CHECKING:
    from dcql.engine.features.asking import Asking
    from dcql.engine.features.report import BeforeModels, Computing, FeaturesReport

Progress = Callable[[str, int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """What a run found: the subset, its statistics stage by stage, the funnel, and what became of its features.

    `coverage` is what is known of the pool's shards, None where nothing was recorded.
    """

    subset: Subset
    samples: int
    stages: tuple[tuple[Found, ...], ...]
    funnel: tuple[BlockCounts, ...]
    features: "FeaturesReport | None" = None
    coverage: Counted | None = None


class BrokenPromiseError(RunError):
    """An EXPECT of the recipe does not hold; `result` is what the run found all the same."""

    def __init__(self, result: Result, diagnostic: Diagnostic) -> None:
        self.result = result
        super().__init__(diagnostic)


def run(
    program: Program,
    pool: Pool,
    resources: Resources,
    progress: Progress | None = None,
    frozen: Mapping[str, Found] | None = None,
    computing: "Computing | None" = None,
    before_models: "BeforeModels | None" = None,
) -> Result:
    """Run a program on a pool. `progress(what, done, total)` is called as stages and files are done.

    `frozen` gives statistics that are not computed again, by name; `computing` says what of features may be computed.
    `before_models` is called before a model computes anything, and may raise RunError.
    Raises RunError where the pool cannot be read, memory runs out, or a promise of the recipe does not hold.
    """
    tell, program = progress or silent, program.over(pool)
    with opened(program, pool, resources, tell, computing, before_models) as ready:

        def last(parameters: dict[str, Any]) -> tuple[_Output, Subset | Gathered]:
            output = _Output(ready, parameters)
            return output, output.of_added(tell) if pool.added else output.of_raw(tell)

        statistics, (output, found) = ready.compute(last, frozen or {})
        report = ready.features.report() if ready.features is not None else None
    return result_of(program, pool, statistics, found, output.counts.funnel(), report)


def result_of(
    program: Program,
    pool: Pool,
    statistics: Statistics,
    found: Subset | Gathered,
    funnel: tuple[BlockCounts, ...],
    report: "FeaturesReport | None",
) -> Result:
    """Return a run's result, once DuckDB has given its memory back. Raises RunError for a promise that is broken."""
    subset = found if isinstance(found, Subset) else _sorted(found)
    covered = known_coverage(pool)
    counted = covered.counted if covered is not None else None
    found_stages = tuple(tuple(stage) for stage in statistics.found)
    result = Result(subset, pool.rows, found_stages, funnel, report, counted)
    _keep_promises(program.promises, result)
    return result


@dataclass(frozen=True)
class Opened:
    """A program and a pool with an open session; `features` is None where the program needs no model."""

    program: Program
    pool: Pool
    session: Session
    sources: Sources
    features: "Asking | None"
    tell: Progress
    statistics: Callable[..., Statistics] = Statistics

    def observe(self, batch: Any, told: Mapping[str, Told] = MappingProxyType({})) -> None:
        """Note what a batch of the last query says of features: its rows go on in order."""
        if self.features is not None:
            self.features.observe(batch, told)

    def scan_of(self, form: Marks) -> tuple[Statement, dict[str, Any]]:
        """Return the last query in a form, with the values of features if they are noted, and parameters of its own."""
        return (form.statement, {}) if self.features is None else self.features.scan_of(form)

    def observe_ranks(self, here: slice, ranks: Any) -> None:
        """Note the ranks, (n,), of some rows of the batch that was observed last."""
        if self.features is not None:
            self.features.observe_ranks(here, ranks)

    def observe_places(self, batch: Any) -> None:
        """Note what a batch of the last query says of features: its rows are told by their places."""
        if self.features is not None:
            self.features.observe_places(batch)

    def compute(
        self, last: Callable[[dict[str, Any]], T], frozen: Mapping[str, Found] = MappingProxyType({})
    ) -> tuple[Statistics, T]:
        """Compute every statistic, then what `last` makes of their values; both again where a feature was missing."""
        done = self._attempt(last, frozen)
        if self.features is not None and not self.features.confirmed():
            done = self._attempt(last, frozen)
        known = done[0].parameters
        check_copies(self.program.checks, self.pool, self.session, self.sources, known, done[0].worst)
        return done

    def _attempt(self, last: Callable[[dict[str, Any]], T], frozen: Mapping[str, Found]) -> tuple[Statistics, T]:
        features = self.features
        satisfy = features.satisfy if features is not None else _nobody
        statistics = self.statistics(self.program, self.pool, self.session, self.sources, satisfy, frozen)

        def advance() -> None:
            done = len(statistics.found)
            if features is not None:
                features.advance(done, statistics.parameters)
            if self.program.stages:
                self.tell("statistics", done, len(self.program.stages))

        statistics.compute(advance)
        return statistics, last(statistics.parameters)


@contextmanager
def opened(
    program: Program,
    pool: Pool,
    resources: Resources,
    tell: Progress,
    computing: "Computing | None",
    before_models: "BeforeModels | None" = None,
) -> Iterator[Opened]:
    """Open a session for a program on a pool, with the program's sets and what is stored of its features."""
    needs_models = bool(program.features or program.asset_sets)
    with ExitStack() as stack:
        folders: tuple[Path, ...] = ()
        if needs_models:
            from dcql.catalog.features import features_folder  # few recipes have features

            folders = (features_folder(),)
        if resources.memory is not None and pool.added:
            share = for_duckdb(resources.memory, pool.rows, program.has_copies)
            resources = Resources(resources.threads, share)
        duck = resources_of(program, pool, resources)
        open_session = stack.enter_context(session(paths_of(program, pool), duck, folders))
        store_inputs(program, pool, open_session)
        features = None
        sources = Sources(program, pool)
        if needs_models:
            from dcql.engine.features.asking import Asking  # few recipes have features, and they bring in Arrow

            features = stack.enter_context(
                Asking(program, pool, open_session, computing, resources, tell, before_models)
            )
            features.begin()
            sources = features.sources
        yield Opened(program, pool, open_session, sources, features, tell)


def _sorted(gathered: Gathered) -> Subset:
    """Sort the uids of a raw pool. Raises RunError where two of them are the same."""
    kept = gathered.count
    subset = gathered.subset()
    if more := kept - subset.distinct:
        raise repeated(more)
    return subset


def repeated(more: int) -> RunError:
    """Return the error of a raw pool in which `more` uids come again."""
    return RunError(
        Diagnostic(
            "E0754",
            f"{more:,} uids come more than once" if more > 1 else "a uid comes more than once",
            label="two samples of the pool share a uid",
            helps=("`dcql pool add NAME PATH` says which ones, by file and row",),
        )
    )


def _nobody(demand: Demand) -> None:
    raise AssertionError(f"a program without features asks for {demand.feature}")


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody of progress."""


def store_inputs(program: Program, pool: Pool, open_session: Session) -> None:
    """Make the tables of a program's sets, and the columns of the tables that it joins.

    Raises RunError where a file changed since the recipe was checked, or a table cannot be joined.
    """
    _store_sets(program, open_session)
    if program.tables:
        from dcql.engine.tables import join_tables  # few recipes join one

        join_tables(program, pool, open_session)


def _store_sets(program: Program, open_session: Session) -> None:
    if not program.sets:
        return
    from dcql.plan.sets import set_values  # few recipes have sets, and it brings in the resolver

    for table, named in program.sets:
        content = _read(named)
        values = list(Subset.parse(content, named.path).hex() if named.is_subset else set_values(named, content))
        open_session.store_set(table, named.type, values)


def _read(named: NamedSet) -> bytes:
    """Return the content of a set's file. Raises RunError where it is not what was checked with the recipe."""
    try:
        content = Path(named.path).read_bytes()
    except OSError:
        content = None
    if content is None or hashlib.sha256(content).hexdigest() != named.sha256:
        raise RunError(
            Diagnostic(
                "E0210",
                f"the file of the set `{named.name}` changed while the recipe ran",
                label="it is gone, or its SHA-256 is no longer what the recipe says",
                helps=("run the recipe again when nothing writes to the file any more",),
            )
        )
    return content


class _Output:
    """Runs the last query and gathers what it says of each sample."""

    def __init__(self, ready: Opened, parameters: dict[str, Any]) -> None:
        self._ready = ready
        self._program = ready.program
        self._pool = ready.pool
        self._session = ready.session
        self._sources = ready.sources
        self._parameters = parameters
        self.counts = Counts(ready.program.blocks)

    def of_added(self, tell: Progress) -> Subset:
        """Mark the kept samples by their rank; ranks index the sorted uids, so nothing is sorted."""
        assert self._pool.uids is not None
        marks = marks_of(self._pool.rows, self._program.has_copies)
        form = self._marks()
        parts = self._marked(form, tell) if form is not None else self._told_by_row(tell)
        try:
            for ranks, taken in parts:
                marks.add(ranks, taken)
        except IndexError:
            raise uneven() from None  # a rank beyond the pool's uids
        marked = Marked(marks, self._pool.uids)
        if form is not None and self._one_clause:
            self._count_kept(marked.distinct)
        return marked

    def _marks(self) -> Marks | None:
        """Return the last query in the form of marks, None where it has none or a set is not to be had as flags."""
        marks = self._program.marks
        return marks if marks is not None and self._session.has_flags(marks.flagged) else None

    def _marked(self, form: Marks, tell: Progress) -> Iterator[tuple[Any, Any]]:
        """Yield the ranks of the kept samples, and their copies, from marks in the order of the samples."""
        ranks = InOrder([file for file in self._pool.files if file.rows])
        column, mark = self._program.kept_where
        source = self._sources.every_file()
        statement, parameters = self._ready.scan_of(form)
        for batch in self._session.marks(statement, source, {**self._parameters, **parameters}):
            if not self._one_clause:
                self._count(batch, form)
            marks = numbers(batch.column(column))
            copies = self._copies(batch) if self._program.has_copies else None
            for start in range(0, batch.num_rows, PIECE):
                here = slice(start, start + PIECE)
                kept = marks[here] == mark
                taken = ranks.take(len(kept))
                self._ready.observe_ranks(here, taken)
                # compress, for the same with [kept] takes twice as long.
                yield np.compress(kept, taken), None if copies is None else copies[here][kept]
            tell("samples", ranks.done, self._pool.rows)
        ranks.finish()

    def _told_by_row(self, tell: Progress) -> Iterator[tuple[Any, Any]]:
        """Yield the ranks of the kept samples, and their copies, told by their places."""
        ranks = ByPlace(self._pool.files)
        done = 0
        # All files together: what is looked up in tables is made ready for it once.
        for batch in self._session.batches(self._program.output, self._sources.every_place(), self._parameters):
            self._count_by_place(batch)
            ids, taken = self._kept(batch)
            yield ranks.take(numbers(ids)), taken
            done += batch.num_rows
            tell("samples", done, self._pool.rows)

    def of_raw(self, tell: Progress) -> Gathered:
        """Read the uids of the kept samples."""
        query = self._program.kept or self._program.output
        skipping = self._program.kept is not None
        if skipping and not self._one_clause:
            self._count_all(tell)
        gathered = Gathered(*(("<u8",) if self._program.has_copies else ()))
        done = 0
        batches = (
            batch
            for source in self._sources.uids_in_turn()
            for batch in self._session.batches(query, source, self._parameters)
        )
        for batch in batches:
            if not skipping:
                self._count(batch)
                done += batch.num_rows
                tell("samples", done, self._pool.rows)
            ids, taken = self._kept(batch)
            items = parse_items(ids, file=self._pool.name, first_row=None)
            gathered.add(items, *(() if taken is None else (taken,)))
        if skipping and self._one_clause:
            self._count_kept(gathered.count)
        return gathered

    @property
    def _one_clause(self) -> bool:
        """Whether what is kept is all that the funnel counts: the one clause of a query over the pool itself."""
        program = self._program
        match program.blocks:
            case (Block(source="pool", clauses=(_,), undefined=None) as block,):
                return len(program.parts) == 1 and program.kept_where == (block.depth, 1) and not program.features
        return False

    def _count_kept(self, kept: int) -> None:
        """Count the funnel of one clause."""
        self.counts.depths[0] += (self._pool.rows - kept, kept, 0)

    def _count_all(self, tell: Progress) -> None:
        """Count the funnel over all samples, for a scan that skips."""
        assert self._program.marks is not None
        done = 0
        source = self._sources.every_file()
        for batch in self._session.marks(self._program.marks.statement, source, self._parameters):
            self._count(batch)
            done += batch.num_rows
            tell("samples", done, self._pool.rows)

    def _kept(self, batch: Any) -> tuple[Any, Any]:
        """Return the ids of the kept samples of a batch, and their copies."""
        ids = batch.column("id")
        if not ids.null_count:
            return ids, self._copies(batch) if self._program.has_copies else None
        if not self._program.has_copies:
            return ids.drop_null(), None
        return ids.drop_null(), self._copies(batch)[present(ids)]

    def _copies(self, batch: Any) -> Any:
        return numbers(batch.column("copies"))

    def _count(self, batch: Any, form: Marks | None = None) -> None:
        """Add a batch of the last query, in this form, to the funnel: its rows go on in the order of the pool."""
        self._ready.observe(batch, dict(form.told) if form is not None else {})
        self.counts.add(batch)

    def _count_by_place(self, batch: Any) -> None:
        """Add a batch to the funnel, whose rows are told by their places."""
        self._ready.observe_places(batch)
        self.counts.add(batch)


def holds(promise: Promise, kept: int, samples: int) -> bool:
    """Return whether an EXPECT holds where a recipe keeps `kept` of `samples`."""
    low, high = promise.bounds(samples)
    return low <= kept <= high


def _keep_promises(promises: tuple[Promise, ...], result: Result) -> None:
    """Raise BrokenPromiseError for the first EXPECT that does not hold."""
    kept, samples = result.subset.distinct, result.samples
    for promise in promises:
        if not holds(promise, kept, samples):
            share = f"{100 * kept / samples:.4g} PERCENT" if samples else "of none"
            raise BrokenPromiseError(
                result,
                Diagnostic(
                    "E0752",
                    f"the recipe keeps {kept:,} of {samples:,} samples",
                    promise.span,
                    f"that is {share}, outside of what it promises",
                    ("correct the recipe, or the promise if it is wrong",),
                ),
            )
