"""The statements of a run, spread over a cluster file by file, and their sum."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dcql.catalog.features import features_folder
from dcql.catalog.pool import Pool, PoolFile
from dcql.digest import sha256_of
from dcql.engine.cluster import statements
from dcql.engine.cluster.doing import Cluster, done_of
from dcql.engine.cluster.results import key_of
from dcql.engine.cluster.several import run_over_several
from dcql.engine.cluster.statements import FORM, Buckets, Fold, OneFile, Query, Values, run_statement
from dcql.engine.cluster.work import Content, Item, Work
from dcql.engine.distribution import Distribution, Inside
from dcql.engine.draws import Near
from dcql.engine.duck import VERSION, Resources, Session, Source
from dcql.engine.sources import Sources, every_path
from dcql.engine.statistics import DTYPES, Ranked, Statistics
from dcql.lower.program import GroupedThreshold, Program
from dcql.lower.statement import Statement
from dcql.lower.tails import Draw, Numbers

_MOST = 1 << 20  # values of small buckets that are held at a time
_TOGETHER = 1 << 22  # rows that may go as one task: seconds, which is what a node that is lost costs


@dataclass(frozen=True)
class Spread:
    """A run's session and its cluster. `memory` is what DuckDB may use in each worker, in bytes."""

    cluster: Cluster
    program: Program
    pool: Pool
    session: Session
    tell: Any
    memory: int | None

    def each(
        self,
        name: str,
        statement: Statement,
        sources: Iterable[tuple[PoolFile, Source]],
        fold: Fold,
        of: Any,
        parameters: Mapping[str, Any],
    ) -> Iterator[tuple[PoolFile, Content]]:
        """Run a statement over each of `sources`, one file each, and fold its rows there; yield them as they are done.

        `name` is for progress.
        """
        yield from self._each(name, statement, sources, fold, of, parameters, None)

    def each_in_order(
        self,
        name: str,
        statement: Statement,
        sources: Iterable[tuple[PoolFile, Source]],
        fold: Fold,
        of: Any,
        parameters: Mapping[str, Any],
    ) -> Iterator[tuple[PoolFile, Content]]:
        """Do what `each` does for a statement of one row a sample; those of a task are read by one statement.

        A join could change the order of rows, so a statement that reads a table is run file by file.
        """
        several = run_over_several if not self._read(statement) else None
        yield from self._each(name, statement, sources, fold, of, parameters, several)

    def _each(
        self,
        name: str,
        statement: Statement,
        sources: Iterable[tuple[PoolFile, Source]],
        fold: Fold,
        of: Any,
        parameters: Mapping[str, Any],
        several: Callable[[Any, Sequence[Item]], Iterator[bytes]] | None,
    ) -> Iterator[tuple[PoolFile, Content]]:
        ready = [(file, source) for file, source in sources if file.rows]
        if not ready:
            return
        samples = ready[0][1].samples
        named = (*samples.parameters, *statement.parameters)
        read = {name: self.session.stored(name) for name in self._read(statement)}
        # Not by their bytes: what stands in the place of a NULL is anything.
        values = {
            name: [str(table.schema), *self.session.checksum_of_rows(name, table.schema.names)]
            for name, table in read.items()
        }
        query = Query(
            statement,
            samples,
            {name: value for name, value in parameters.items() if name in named},
            fold,
            of,
            {name: _stream(table) for name, table in read.items()},
            every_path(self.pool),
            (features_folder(),),
            Resources(self.cluster.executor.threads, self.memory),
        )
        made_of = [
            "statement", FORM, VERSION, fold.__qualname__, repr(of), statement.text, samples.text,
            repr(sorted(query.parameters.items())), values,
        ]  # fmt: skip
        everything = sha256_of(made_of)
        by_name = {file.name: file for file, _ in ready}
        items = (self._item(everything, file, source, named) for file, source in ready)
        work = Work(name, run_statement, query, statements.Ready, together=_TOGETHER, do_several=several)
        for item, content in done_of(self.cluster, work, items, self.tell):
            yield by_name[item.file], content

    def _read(self, statement: Statement) -> list[str]:
        """Return the names of the stored tables that a statement reads."""
        return [name for name in self.session.tables() if f'"{name}"' in statement.text]

    def _item(self, everything: str, file: PoolFile, source: Source, named: tuple[str, ...]) -> Item:
        beside = {name: paths[0] for name, paths in source.beside.items() if name in named}
        attached = {name: Path(path) for name, path in self.session.beside(source.files[0]).items() if name in named}
        joined = [
            [read.table.sha256, read.table.key, repr(read.columns), read.loaded.text, read.aligned.text]
            for read in self.program.tables
            if read.name in attached
        ]
        tables = {read.name for read in self.program.tables}
        joined += [[name, _content(path)] for name, path in attached.items() if name not in tables]
        identity = [file.content, file.footer, file.size, file.rows]
        key = key_of(everything, identity, {name: _version(path) for name, path in beside.items()}, joined)
        return Item(file.name, file.rows, OneFile(file, source.files[0], beside), key, attached)


def _stream(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _content(path: Path) -> str:
    """Return what tells who is first in a file apart: the marks themselves, for bytes of a file may be anything."""
    marks = pq.read_table(path).column("first").to_numpy()
    return hashlib.sha256(np.packbits(marks).tobytes()).hexdigest()


def _version(path: str) -> list[Any]:
    """Return what tells a version of a feature's values apart: a file of the store is never changed."""
    known = Path(path).stat()
    return [*Path(path).parts[-3:], known.st_size, known.st_mtime_ns]


@dataclass
class SpreadStatistics(Statistics):
    """Statistics whose scans are spread.

    Who is first in a DISTINCT ON, and where LIMIT cuts but among numbers, is looked for here, over all files, by the
    statements as they are: no sum over files gives it.
    """

    spread: Spread | None = None

    def _each(
        self, statement: Statement, fold: Fold, of: Any, more: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[PoolFile, Content]]:
        assert self.spread is not None
        parameters = {**self.parameters, **(more or {})}
        yield from self.spread.each("statistics", statement, alone(self.sources), fold, of, parameters)

    def _scanned(self, scan: Statement, ranked: Ranked, fold: Fold, of: Any) -> Iterator[tuple[PoolFile, Content]]:
        """Fold a scan: of thresholds it has a row a sample; of numbers that a LIMIT cuts, one a sample that counts."""
        if isinstance(ranked, Numbers):
            return self._each(scan, fold, of)
        assert self.spread is not None
        return self.spread.each_in_order("statistics", scan, alone(self.sources), fold, of, self.parameters)

    def _rows(self, statement: Statement) -> Iterator[tuple[Any, ...]]:
        for batch in self._row_batches(statement):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _row_batches(self, statement: Statement) -> Iterator[Any]:
        for _, content in self._each(statement, statements.rows, None):
            yield from statements.read_rows(content)

    def _distributions(self, scan: Statement, missing: Mapping[str, Ranked]) -> dict[str, Distribution]:
        of = tuple(_values(ranked) for ranked in missing.values())
        total = {value: Distribution(DTYPES[ranked.type]) for value, ranked in missing.items()}
        ranked = next(iter(missing.values()))
        for _, content in self._scanned(scan, ranked, statements.distributions, of):
            for mine, theirs in zip(total.values(), statements.read_distributions(content, of), strict=True):
                mine.merge(theirs)
        return total

    def _look_inside(self, scan: Statement, ranked: Ranked, inside: Inside) -> Inside:
        of = Buckets(_values(ranked), (*inside.values, *inside.counts), _MOST)
        for _, content in self._scanned(scan, ranked, statements.inside, of):
            statements.add_inside(content, inside)
        return inside

    def _counts(self, statistic: GroupedThreshold) -> Iterator[tuple[Any, ...]]:
        width = len(statistic.key_types)
        total: dict[tuple[Any, ...], tuple[int, int]] = {}
        for row in self._rows(statistic.counts):
            samples, known = total.get(row[:width], (0, 0))
            total[row[:width]] = samples + row[width], known + row[width + 1]
        for key in sorted(total, key=_null_first):
            yield (*key, *total[key])

    def _values(self, statistic: GroupedThreshold) -> Iterator[Any]:
        """Yield keys, values and counts of all files in order. DuckDB adds them up, which may take more than memory."""
        batches = self._row_batches(statistic.values)
        first = next(batches, None)
        if first is None:
            return

        def every() -> Iterator[Any]:
            yield first
            yield from batches

        keys = [f'"{name}"' for name in first.schema.names[:-2]]
        value, count = (f'"{name}"' for name in first.schema.names[-2:])
        listed = ", ".join([*keys, value])
        order = ", ".join(f"{one} ASC NULLS FIRST" for one in [*keys, value])
        summed = Statement(f'SELECT {listed}, sum({count})::BIGINT AS {count} FROM "@values" GROUP BY {listed}', ())
        name = f"{statistic.name}/values"
        self.session.store_batches(name, summed, first.schema, every())
        ordered = Statement(f'SELECT {listed}, {count} FROM "{name}" ORDER BY {order}', ())
        yield from self.session.batches(ordered, self.source, self.parameters)
        self.session.drop(name)

    def _number(self, statement: Statement) -> int:
        return sum(int(row[0]) for row in self._rows(statement))

    def rows_of(self, statement: Statement) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement over each file."""
        return self._rows(statement)

    def near(self, draw: Draw, bounds: Mapping[str, Any]) -> Iterator[Near]:
        """Yield what `Draw.near` says of the samples of each file, told by their places in the pool."""
        assert self.spread is not None
        numbers = {file.name: number for number, file in enumerate(self.pool.files)}
        sources = ((file, one.named(draw.named)) for file, one in _sources_of_each(self.sources))
        parameters, dtype = {**self.parameters, **bounds}, "<f8" if draw.weights else "S64"
        for file, content in self.spread.each("statistics", draw.near, sources, statements.near, dtype, parameters):
            yield statements.read_near(content).of_file(numbers[file.name])

    def worst(self, statement: Statement) -> tuple[Any, ...]:
        """Return the row of `Checks.worst` over all files."""
        rows = list(self._rows(statement))
        return tuple(max((one or 0 for one in column), default=0) for column in zip(*rows, strict=True))


def alone(sources: Sources) -> Iterator[tuple[PoolFile, Source]]:
    """Yield each file with a source of its samples alone."""
    for file, one in _sources_of_each(sources):
        yield file, one.every_file()


def _sources_of_each(sources: Sources) -> Iterator[tuple[PoolFile, Sources]]:
    for file in sources.pool.files:
        yield file, replace(sources, pool=replace(sources.pool, files=(file,)))


def _values(ranked: Ranked) -> Values:
    return Values(ranked.value, ranked.member, DTYPES[ranked.type].__name__)


def _null_first(key: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is not None, value if value is not None else 0) for value in key)
