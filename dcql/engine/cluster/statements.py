"""A statement of a program over one file of the pool: the same SQL as over all of them, and what is kept of its rows.

What is kept is a *fold*: a function of the rows, `fold(batches, of)`, that gives bytes which add up over files. `of` is
plain data that says what is wanted.
"""

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dcql.catalog.pool import PoolFile
from dcql.engine.buckets import Bucket
from dcql.engine.cluster.work import Content, Item
from dcql.engine.distribution import Distribution, Inside
from dcql.engine.draws import Near, near_of
from dcql.engine.duck import Resources, Session, Source, session
from dcql.engine.shared_pool import refuse_unlike
from dcql.engine.statistics import values_of
from dcql.errors import Diagnostic, RunError
from dcql.files import Listed
from dcql.lower.statement import Statement

FORM = 2  # of what folds give; another number makes all kept results others

Fold = Callable[[Iterator[Any], Any], bytes]


@dataclass(frozen=True)
class Query:
    """A statement, as it travels: with the `tables` that it reads, as Arrow streams, and the files it may read.

    `samples` is what the table of that name is; `resources` are for DuckDB, of whose memory None is an even part of the
    node's.
    """

    statement: Statement
    samples: Statement
    parameters: Mapping[str, Any]
    fold: Fold
    of: Any
    tables: Mapping[str, bytes]
    files: tuple[str, ...]
    folders: tuple[Path, ...]
    resources: Resources


@dataclass(frozen=True, slots=True)
class OneFile:
    """A file of the pool for a query: what it opens, and which files stand beside it, by parameter."""

    file: PoolFile
    path: str
    beside: Mapping[str, str] = field(default_factory=dict)


class Ready:
    """A query with an open session, in the process that runs it."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.session = _session_for(query)
        for name, content in query.tables.items():
            table = pa.ipc.open_stream(content).read_all()
            self.session.store_batches(name, EVERYTHING, table.schema, iter(table.to_batches()))


# The session of this process. To open one takes as long as a small file, and the queries of a run read the same files.
_open: tuple[Any, Session, ExitStack] | None = None


def _session_for(query: Query) -> Session:
    global _open
    asked = (query.files, query.resources, query.folders)
    if _open is None or _open[0] != asked:
        close_session()
        held = ExitStack()
        resources = replace(query.resources, memory=query.resources.memory or _even_part())
        _open = asked, held.enter_context(session(query.files, resources, query.folders)), held
    return _open[1]


def close_session() -> None:
    """Close the session of this process, if there is one."""
    global _open
    before, _open = _open, None
    if before is not None:
        before[2].close()


EVERYTHING = Statement('SELECT * FROM "@values"', ())


def run_statement(ready: Ready, item: Item) -> bytes:
    """Run a query over one file and fold its rows. Raises RunError where the file is not what it was."""
    one: OneFile = item.given
    query = ready.query
    try:
        with source_of(ready, (item,)) as source:
            content = query.fold(ready.session.batches(query.statement, source, query.parameters), query.of)
    except RunError as error:
        if one.path == one.file.path:
            refuse_change(one.file)
        raise RunError(*(_naming(each, one.file) for each in error.diagnostics)) from error
    if one.path == one.file.path:
        refuse_change(one.file)
    return content


@contextmanager
def source_of(ready: Ready, items: Sequence[Item]) -> Iterator[Source]:
    """Give the samples of items that were packed, in their order, with what stands beside each."""
    beside: dict[str, list[str]] = {}
    with ExitStack() as stack:
        for item in items:
            for name, content in item.contents.items():
                # Under a name of its own: DuckDB keeps what it knows of a file by its path.
                place = ready.session.folder / f"{os.urandom(8).hex()}.parquet"
                stack.callback(place.unlink, missing_ok=True)
                place.write_bytes(content)
                beside.setdefault(name, []).append(str(place))
            for name, path in item.given.beside.items():
                if name not in item.contents:
                    beside.setdefault(name, []).append(path)
        paths = tuple(item.given.path for item in items)
        yield Source(ready.query.samples, paths, {name: tuple(each) for name, each in beside.items()})


def refuse_change(file: PoolFile) -> None:
    """Raise RunError where a file of the pool is gone or is no longer the one that it was at the start."""
    refuse_unlike(Listed(file.name, file.path, file.size), file.footer)


def _naming(diagnostic: Diagnostic, file: PoolFile) -> Diagnostic:
    if file.name in diagnostic.message + diagnostic.label:
        return diagnostic
    return replace(diagnostic, helps=(f"it is in the file `{file.name}`", *diagnostic.helps))


def _even_part() -> int:
    """Return the memory that a core of this machine may take for DuckDB: with all cores at work, half of it in all."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (2 * (os.cpu_count() or 1))


# --- folds --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Values:
    """A column of a scan: its name, that of the BOOL column that says who belongs to the population, and its dtype."""

    value: str
    member: str | None
    dtype: str


def distributions(batches: Iterator[Any], of: tuple[Values, ...]) -> bytes:
    """Count columns of a scan."""
    found = [Distribution(one.dtype) for one in of]
    for batch in batches:
        for one, distribution in zip(of, found, strict=True):
            distribution.add(*values_of(batch, one.value, one.member))
    return packed({f"{name}/{at}": each for at, one in enumerate(found) for name, each in one.arrays().items()})


def read_distributions(content: Content, of: tuple[Values, ...]) -> list[Distribution]:
    """Return what `distributions` counted."""
    held: list[dict[str, Any]] = [{} for _ in of]
    for name, array in unpacked(content).items():
        name, _, at = name.partition("/")
        held[int(at)][name] = array
    return [Distribution.of(each) for each in held]


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets of a column of a scan, and how many values may be held."""

    values: Values
    buckets: tuple[Bucket, ...]
    most: int


def inside(batches: Iterator[Any], of: Buckets) -> bytes:
    """Look into buckets of a column of a scan."""
    found = Inside(of.buckets, of.most)
    for batch in batches:
        found.add(values_of(batch, of.values.value, of.values.member)[0])
    none = np.empty(0, of.values.dtype)
    values = {f"v{number}": [none, *parts] for number, parts in enumerate(found.values.values())}
    return packed(values | {f"c{number}": counts for number, counts in enumerate(found.counts.values())})


def add_inside(content: Content, total: Inside) -> None:
    """Add what `inside` found to the same buckets."""
    arrays = unpacked(content)
    for number, parts in enumerate(total.values.values()):
        parts.append(arrays[f"v{number}"])
    for number, bucket in enumerate(total.counts):
        total.counts[bucket] += arrays[f"c{number}"]


def rows(batches: Iterator[Any], of: None) -> bytes:
    """Keep the rows as they are, as an Arrow stream."""
    sink = io.BytesIO()
    writer = None
    for batch in batches:
        writer = writer or pa.ipc.new_stream(sink, batch.schema)
        writer.write_batch(batch)
    if writer is not None:
        writer.close()
    return sink.getvalue()


def read_rows(content: Content) -> Iterator[Any]:
    """Yield the batches that `rows` kept."""
    if content:
        yield from pa.ipc.open_stream(content)


def near(batches: Iterator[Any], of: str) -> bytes:
    """Keep what `Draw.near` says of the samples that are drawn for certain or may be; `of` is the dtype of keys."""
    parts = list(near_of(batches))
    found: dict[str, Any] = {}
    # A position in a file fits into 32 bits.
    for name, dtype in (("sure", "<u4"), ("places", "<u4"), ("keys", of), ("ties", "S64")):
        found[name] = [np.empty(0, dtype), *(getattr(one, name).astype(dtype) for one in parts)]
    return packed(found)


def read_near(content: Content) -> Near:
    """Return what `near` kept."""
    found = unpacked(content)
    return Near(found["sure"].astype("<i8"), found["places"].astype("<i8"), found["keys"], found["ties"])


def packed(arrays: Mapping[str, Any]) -> bytes:
    """Return arrays of numbers, in one dimension, as bytes, the same for the same arrays.

    An array may be a list of its parts, which are of one dtype. A line of JSON says what follows it. An .npz would be
    copied and summed twice more on its way.
    """
    parts = {name: array if isinstance(array, list) else [array] for name, array in arrays.items()}
    head = json.dumps([[name, each[0].dtype.str, sum(map(len, each))] for name, each in parts.items()])
    flat = (np.ascontiguousarray(part) for each in parts.values() for part in each if len(part))
    return b"".join([head.encode(), b"\n", *(part.view(np.uint8).data for part in flat)])


def unpacked(content: Content) -> dict[str, Any]:
    """Return what `packed` wrote, without a copy."""
    line = _first_line(memoryview(content))
    start = len(line)
    found: dict[str, Any] = {}
    for name, dtype, count in json.loads(line):
        found[name] = np.frombuffer(content, dtype, count, start)
        start += found[name].nbytes
    return found


def _first_line(content: memoryview) -> bytes:
    size = 1 << 12
    while b"\n" not in (start := bytes(content[:size])):
        size *= 2
    return start[: start.index(b"\n") + 1]
