"""Several plans over one pool: which samples each of them keeps, from one last query."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dcql.arrays import indices, numbers
from dcql.catalog.pool import Pool
from dcql.engine.duck import Resources
from dcql.engine.marked import uneven
from dcql.engine.ranks import ByPlace, InOrder
from dcql.engine.run import Opened, Progress, opened, repeated, silent
from dcql.engine.statistics import Found
from dcql.engine.uids import Gathered, parse_items
from dcql.lower.program import Program
from dcql.lower.variants import WORD_BITS, VariantsProgram
from dcql.plan.variants import Alone, Merged
from dcql.subset import UID, Subset, Uids, hashes

if TYPE_CHECKING:
    from dcql.engine.features.report import Computing

_PIECE = 1 << 16


@dataclass(frozen=True, eq=False)
class Variants:
    """What several plans keep of one pool.

    `uids` is (n,) of dtype u8,u8, in order: samples of the pool, all that any variant keeps among them. `kept` has an
    (n,) array for each variant, of which samples it keeps; `copies` an (n,) array of how many copies of each, 0 where
    it is left out, or None where each kept sample is taken once. `statistics` are what each variant compares with,
    named as in that variant alone. All are read-only.
    """

    uids: Uids
    kept: tuple[NDArray[np.bool_], ...]
    copies: tuple[NDArray[np.uint32] | None, ...]
    statistics: tuple[tuple[Found, ...], ...]

    def subset(self, number: int) -> Subset:
        """Return the subset of a variant, counted from 0."""
        kept, copies = self.kept[number], self.copies[number]
        # As 16-byte items, uids come several times faster than as pairs.
        uids = np.compress(kept, self.uids.view("V16")).view(UID)
        return Subset(uids, None if copies is None else copies[kept])

    def hashes(self) -> tuple[str, ...]:
        """Return the hash of each variant's subset, reading the uids once."""
        return hashes(self.uids, self.kept, self.copies)


def run_merged(
    merged: Merged,
    lowered: VariantsProgram,
    pool: Pool,
    resources: Resources,
    progress: Progress | None = None,
    computing: "Computing | None" = None,
) -> Variants:
    """Run merged plans, lowered, on a pool. Raises RunError as `run` does; no uid may be kept twice."""
    tell = progress or silent
    with opened(lowered.program, pool, resources, tell, computing) as ready:
        told: _Told
        gather = _of_added if pool.added else _of_raw
        statistics, told = ready.compute(lambda parameters: gather(lowered, ready, parameters))
    uids: Uids = told.uids if told.uids is not None else np.load(pool.uids, mmap_mode="r")  # type: ignore[arg-type]
    # Plans that mean the same have one query.
    queries = tuple(dict.fromkeys(merged.queries))
    kept = dict(zip(queries, _kept(told.words, len(queries)), strict=True))
    copies = dict(zip(queries, map(_several, told.copies), strict=True))
    found: dict[str, list[Found]] = {}
    for one in (one for stage in statistics.found for one in stage):
        found.setdefault(one.name, []).append(one)
    return Variants(
        uids,
        tuple(kept[name] for name in merged.queries),
        tuple(copies[name] for name in merged.queries),
        tuple(tuple(renamed for own in alone for renamed in _named(own, found)) for alone in merged.statistics),
    )


@dataclass(frozen=True)
class _Told:
    """What the last query says of samples in order: (n,) words of bits, (n,) copies for those queries that have them.

    `uids` are those of a raw pool that some query keeps, (n,); None where they are all of an added one.
    """

    words: tuple[NDArray[Any], ...]
    copies: tuple[NDArray[np.uint32] | None, ...]
    uids: Uids | None = None


def _of_added(lowered: VariantsProgram, ready: Opened, parameters: dict[str, Any]) -> _Told:
    rows = ready.pool.rows
    words = tuple(np.zeros(rows, dtype) for _, dtype in lowered.words)
    copies = tuple(None if column is None else np.zeros(rows, np.uint32) for column in lowered.copies)
    parts = _marked if lowered.program.in_order else _told_by_row
    try:
        for ranks, batch in parts(lowered.program, ready, parameters):
            # As wide as pointers, indices come several times faster.
            places = ranks.astype(np.intp)
            for (column, _), word in zip(lowered.words, words, strict=True):
                word[places] = numbers(batch.column(column))
            for name, count in zip(lowered.copies, copies, strict=True):
                if name is not None and count is not None:
                    count[places] = numbers(batch.column(name))
    except IndexError:
        raise uneven() from None  # a rank beyond the pool's uids
    return _Told(words, copies)


def _marked(program: Program, ready: Opened, parameters: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield batches of the last query and the ranks of their samples, which come in order."""
    assert program.marks is not None
    ranks = InOrder([file for file in ready.pool.files if file.rows])
    for batch in ready.session.marks(program.marks.statement, ready.sources.every_file(), parameters):
        ready.observe(batch)
        yield ranks.take(batch.num_rows), batch
        ready.tell("samples", ranks.done, ready.pool.rows)
    ranks.finish()


def _told_by_row(program: Program, ready: Opened, parameters: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield batches of the last query and the ranks of their samples, told by their places."""
    ranks = ByPlace(ready.pool.files)
    done = 0
    for batch in ready.session.batches(program.output, ready.sources.every_place(), parameters):
        ready.observe_places(batch)
        yield ranks.take(numbers(batch.column("id"))), batch
        done += batch.num_rows
        ready.tell("samples", done, ready.pool.rows)


def _of_raw(lowered: VariantsProgram, ready: Opened, parameters: dict[str, Any]) -> _Told:
    several = [name for name in lowered.copies if name is not None]
    gathered = Gathered(*(dtype for _, dtype in lowered.words), *("<u4" for _ in several))
    rows = {file.path: file.rows for file in ready.pool.files}
    done = 0
    for source in ready.sources.uids_in_turn():
        for batch in ready.session.batches(lowered.program.output, source, parameters):
            ready.observe(batch)
            words = [numbers(batch.column(column)) for column, _ in lowered.words]
            # To parse and sort uids takes longer than all else: it is done for those that some variant keeps.
            kept = np.flatnonzero(np.logical_or.reduce([word != 0 for word in words]))
            items = parse_items(batch.column("id").take(indices(kept)), file=ready.pool.name, first_row=None)
            counts = [numbers(batch.column(name))[kept] for name in several]
            gathered.add(items, *(word[kept] for word in words), *counts)
        # The scan may skip samples, so they are counted by files.
        done += sum(rows[path] for path in source.files)
        ready.tell("samples", done, ready.pool.rows)
    uids, columns = gathered.sorted()
    if again := int(np.count_nonzero(uids[1:] == uids[:-1])):
        raise repeated(again)
    counted = dict(zip(several, columns[len(lowered.words) :], strict=True))
    copies = tuple(None if name is None else counted[name] for name in lowered.copies)
    return _Told(columns[: len(lowered.words)], copies, uids)


def _kept(words: tuple[NDArray[Any], ...], queries: int) -> list[NDArray[np.bool_]]:
    """Return which samples each query keeps, out of the bits of words."""
    kept = [np.empty(len(words[0]), np.bool_) for _ in range(queries)]
    # Piece by piece, so that what lies between the words and the answer stays in the cache.
    for start in range(0, len(words[0]), _PIECE):
        here = slice(start, start + _PIECE)
        for number, one in enumerate(kept):
            piece = words[number // WORD_BITS][here]
            np.not_equal(piece & piece.dtype.type(1 << number % WORD_BITS), 0, out=one[here])
    for one in kept:
        one.flags.writeable = False
    return kept


def _several(copies: NDArray[np.uint32] | None) -> NDArray[np.uint32] | None:
    """Return copies, or None where no sample has more than one."""
    if copies is None or copies.max(initial=0) <= 1:
        return None
    copies.flags.writeable = False
    return copies


def _named(own: Alone, found: dict[str, list[Found]]) -> Iterator[Found]:
    """Yield what was found of a statistic as it is called in one plan."""
    called = {"name": own.name}
    if own.text is not None and own.population is not None:
        called |= {"text": own.text, "population": own.population}
    for one in found.get(own.shared, ()):
        groups = one.groups
        if groups is not None:
            groups = replace(groups, told=tuple(replace(each, **called) for each in groups.told))  # type: ignore[arg-type]
        yield replace(one, **called, groups=groups)  # type: ignore[arg-type]
