"""Program, pool -> subset: statistics stage by stage, then every sample once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.duck import Resources, Session, session
from dcql.engine.sources import columns_of, every_path, rows_of_file, uids_of_every_file
from dcql.engine.statistics import Found, Statistics
from dcql.engine.uids import parse_uids
from dcql.errors import Diagnostic, RunError
from dcql.lower.program import Block, Program
from dcql.plan.nodes import NamedSet, Promise
from dcql.plan.sets import set_values
from dcql.subset import UID, Subset, join_words

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class BlockCounts:
    """One SELECT's part of the funnel: distinct samples that it reads, then those left after each clause.

    `undefined` counts the samples for which an operation gave NULL for values that are not: a division by zero, an overflow,
    a threshold of an empty group.
    """

    block: Block
    counts: tuple[int, ...]
    undefined: int


@dataclass(frozen=True)
class Result:
    """What a run found: the subset, its statistics stage by stage, and the funnel."""

    subset: Subset
    samples: int
    stages: tuple[tuple[Found, ...], ...]
    funnel: tuple[BlockCounts, ...]


def run(
    program: Program,
    pool: Pool,
    resources: Resources,
    progress: Progress | None = None,
    frozen: Mapping[str, Found] | None = None,
) -> Result:
    """Run a program on a pool. `progress(what, done, total)` is called as stages and files are done.

    `frozen` gives statistics that are not computed again, by name.
    Raises RunError where the pool cannot be read, memory runs out, or a promise of the recipe does not hold.
    """
    tell = progress or _silent
    with session(every_path(pool), resources) as open_session:
        _store_sets(program, open_session)
        statistics = Statistics(program, pool, open_session, frozen or {})
        statistics.compute(lambda: tell("statistics", len(statistics.found), len(program.stages)))
        output = _Output(program, pool, open_session, statistics.parameters)
        subset = output.of_added(tell) if pool.added else output.of_raw(tell)
    funnel = output.funnel()
    _keep_promises(program.promises, subset.distinct, pool.rows)
    return Result(subset, pool.rows, tuple(tuple(stage) for stage in statistics.found), funnel)


def _silent(what: str, done: int, total: int) -> None:
    pass


def _store_sets(program: Program, open_session: Session) -> None:
    for table, named in program.sets:
        rows: list[tuple[Any, ...]]
        if named.is_subset:
            rows = [(uid,) for uid in Subset.load(named.path).hex()]
        else:
            rows = [(value,) for value in set_values(named, _read(named))]
        open_session.store(table, [("value", named.type)], rows)


def _read(named: NamedSet) -> bytes:
    with open(named.path, "rb") as file:
        return file.read()


class _Output:
    """Runs the last query and gathers what it says of each sample."""

    def __init__(self, program: Program, pool: Pool, open_session: Session, parameters: dict[str, Any]) -> None:
        self._program = program
        self._pool = pool
        self._session = open_session
        self._parameters = parameters
        self._columns = columns_of(pool, program.columns)
        # One count for each number of clauses passed, and one more for samples that the SELECT does not read.
        self._depths = [np.zeros(len(block.clauses) + 2, np.int64) for block in program.blocks]
        self._undefined = [0] * len(program.blocks)

    def of_added(self, tell: Progress) -> Subset:
        """Mark the kept samples by their rank; ranks index the sorted uids, so nothing is sorted."""
        kept = np.zeros(self._pool.rows, np.bool_)
        copies = np.zeros(self._pool.rows, np.uint32) if self._program.has_copies else None
        for number, file in enumerate(self._pool.files):
            if file.rows:
                ranks = np.load(file.rank, mmap_mode="r")  # type: ignore[arg-type]
                for rows, taken in self._of_file(file):
                    places = ranks[rows]
                    kept[places] = True
                    if copies is not None:
                        copies[places] = taken
            tell("samples", number + 1, len(self._pool.files))
        assert self._pool.uids is not None
        uids = np.load(self._pool.uids, mmap_mode="r")[kept]
        return Subset(uids, copies[kept] if copies is not None else None)

    def _of_file(self, file: PoolFile) -> Iterator[tuple[Any, Any]]:
        source = rows_of_file(self._pool, file, self._columns)
        for batch in self._session.batches(self._program.output, source, self._parameters):
            self._count(batch)
            yield self._kept(batch, lambda ids: ids.to_numpy(zero_copy_only=False))

    def of_raw(self, tell: Progress) -> Subset:
        """Read and sort the uids of the kept samples. Raises RunError where two of them share a uid."""
        source = uids_of_every_file(self._pool, self._columns)
        uids: list[Any] = []
        copies: list[Any] = []
        done = 0
        for batch in self._session.batches(self._program.output, source, self._parameters):
            self._count(batch)
            found, taken = self._kept(batch, lambda ids: parse_uids(ids, file=self._pool.source))
            uids.append(join_words(*found))
            copies.append(taken)
            done += batch.num_rows
            tell("samples", done, self._pool.rows)
        every = np.concatenate(uids) if uids else np.empty(0, UID)
        subset = Subset.from_uids(every, np.concatenate(copies) if self._program.has_copies and copies else None)
        if subset.distinct != len(every):
            raise RunError(
                Diagnostic(
                    "E0754",
                    f"{len(every) - subset.distinct:,} uids come more than once",
                    label="two samples of the pool share a uid",
                    helps=("`dcql pool add NAME PATH` says which ones, by file and row",),
                )
            )
        return subset

    def _kept(self, batch: Any, read: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Return the ids of the kept samples of a batch, read by `read`, and their copies."""
        ids = batch.column("id")
        taken = None
        if self._program.has_copies:
            kept = ids.is_valid()
            taken = batch.column("copies").filter(kept).to_numpy(zero_copy_only=False)
            self._refuse_too_many(taken)
        return read(ids.drop_null()), taken

    def _refuse_too_many(self, taken: Any) -> None:
        if len(taken) and int(taken.max()) >= 1 << 32:
            raise RunError(
                Diagnostic(
                    "E0755", "a sample has more than 4,294,967,295 copies", helps=("use UNION: it takes each once",)
                )
            )

    def _count(self, batch: Any) -> None:
        for number, block in enumerate(self._program.blocks):
            depths = batch.column(block.depth)
            outside = depths.null_count
            counted = np.bincount(depths.drop_null().to_numpy(), minlength=len(block.clauses) + 1)
            self._depths[number][:-1] += counted
            self._depths[number][-1] += outside
            if block.undefined is not None:
                self._undefined[number] += batch.column(block.undefined).true_count

    def funnel(self) -> tuple[BlockCounts, ...]:
        """Return the counts of every SELECT, clauses in text order."""
        result: list[BlockCounts] = []
        for block, depths, undefined in zip(self._program.blocks, self._depths, self._undefined, strict=True):
            left = np.cumsum(depths[:-1][::-1])[::-1]
            result.append(BlockCounts(block, tuple(int(count) for count in left), undefined))
        return tuple(result)


def _keep_promises(promises: tuple[Promise, ...], kept: int, samples: int) -> None:
    """Raise RunError for the first EXPECT that does not hold."""
    for promise in promises:
        low = promise.low * samples / 100 if promise.low_percent else promise.low
        high = promise.high * samples / 100 if promise.high_percent else promise.high
        if not low <= kept <= high:
            share = f"{100 * kept / samples:.4g} PERCENT" if samples else "of none"
            raise RunError(
                Diagnostic(
                    "E0752",
                    f"the recipe keeps {kept:,} of {samples:,} samples",
                    promise.span,
                    f"that is {share}, outside of what it promises",
                    ("correct the recipe, or the promise if it is wrong",),
                )
            )
