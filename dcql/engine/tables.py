"""Joined tables in a run: each is read once, checked, and laid beside the files of the pool, row for row.

What DuckDB reads of a table are values that were read here, none of what its file says about them: a file may lie about
its smallest and largest values, by which rows would be skipped. The file itself is copied first, and the copy is what
was hashed, whatever happens to the file meanwhile.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dcql.catalog.plain_files import open_plain
from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.engine.duck import Session, Source
from dcql.engine.scalars import arrow_type, decoded
from dcql.engine.uids import parse_items
from dcql.errors import Diagnostic, RunError
from dcql.files import first_line
from dcql.limits import held, refuse_output
from dcql.lower.program import Program, TableRead
from dcql.plan.values import NamedTable

_COPIED_AT_ONCE = 1 << 20
_BATCH = 16_384
_GROUP = 122_880  # DuckDB's own, so that its threads take one each


def join_tables(program: Program, pool: Pool, session: Session) -> None:
    """Make the columns of a program's tables known to a session, beside those of the pool.

    Raises RunError where a table changed since the recipe was checked, cannot be read, or has a key twice.
    """
    for read in program.tables:
        _load(read, session)
        session.stand_beside(read.name, _align(read, pool, session))
        session.drop(read.name)


# --- reading ----------------------------------------------------------------------------------------------------------


def _load(read: TableRead, session: Session) -> None:
    """Make the table `read.name` in the session, of the rows with a key. Raises RunError where two have the same."""
    copy = _copied(read, session.folder)
    kinds = [("key", arrow_of(read.table.key_type))]
    kinds += [(f"c{number}", arrow_of(type_)) for number, (_, type_) in enumerate(read.columns)]
    session.store_batches(read.name, read.loaded, pa.schema(kinds), _batches(copy, read, pa.schema(kinds)))
    copy.unlink()
    repeated = session.repeated(read.name, "key")
    if repeated is not None:
        key, times = repeated
        shown = f"'{key}'" if read.table.key_type is Type.TEXT else str(key)
        raise RunError(
            Diagnostic(
                "E0770",
                f"the table `{read.table.name}` has a key {times:,} times",
                None,
                f"`{read.table.key}` is {shown} in {times:,} of its rows",
                ("a sample has one row of a table: keep one of each key, or join by a column that is unique",),
            )
        )


def _copied(read: TableRead, folder: Path) -> Path:
    """Copy a table's file. Raises RunError where it is not what was checked with the recipe."""
    digest = hashlib.sha256()
    path, copy = Path(read.table.path), folder / f"{read.name}.copy"
    try:
        with open_plain(path, path.parent) as file, copy.open("wb") as other:
            done = 0
            while piece := file.read(_COPIED_AT_ONCE):
                digest.update(piece)
                other.write(piece)
                done += len(piece)
                refuse_output(done, f"a copy of the table `{read.table.name}`")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unreadable(read.table, error) from error
    if digest.hexdigest() != read.table.sha256:
        raise RunError(
            Diagnostic(
                "E0210",
                f"the file of the table `{read.table.name}` changed while the recipe ran",
                label="it is gone, or its SHA-256 is no longer what the recipe says",
                helps=("run the recipe again when nothing writes to the file any more",),
            )
        )
    return copy


def _batches(copy: Path, read: TableRead, schema: Any) -> Iterator[Any]:
    """Yield the rows of a table as they are: `key`, then the columns that are read as c0, c1, .."""
    table = read.table
    names = [table.key, *(name for name, _ in read.columns)]
    types = [table.key_type, *(type_ for _, type_ in read.columns)]
    try:
        with copy.open("rb") as handle:
            # Column chunks are read a piece at a time, so that memory does not grow with the file's row groups.
            file = pq.ParquetFile(handle, pre_buffer=False, buffer_size=1 << 20)
            rows = 0
            for batch in file.iter_batches(batch_size=_BATCH, columns=names):
                taken = [
                    _values(batch.column(name), name, type_, table) for name, type_ in zip(names, types, strict=True)
                ]
                if table.key == "uid":
                    _check_uids(taken[0], table)
                yield pa.record_batch(taken, schema=schema)
                rows += batch.num_rows
            if rows != file.metadata.num_rows:
                raise pa.ArrowInvalid(f"its footer states {file.metadata.num_rows:,} rows, and it has {rows:,}")
    except MemoryError as error:  # Arrow's is one of its own exceptions too
        if held().memory is not None:
            raise  # `limits` says how much was allowed
        raise _too_large(table, error) from error
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(table, error) from error


def _unreadable(table: NamedTable, error: Exception) -> RunError:
    helps = ("write the file anew; the SHA-256 in the recipe changes with it",)
    return RunError(Diagnostic("E0772", f"the table `{table.name}` cannot be read", None, first_line(error), helps))


def _too_large(table: NamedTable, error: Exception) -> RunError:
    helps = ("check the file: few bytes can state that they unpack to many",)
    return RunError(
        Diagnostic("E0750", f"not enough memory to read the table `{table.name}`", None, first_line(error), helps)
    )


def _check_uids(keys: Any, table: NamedTable) -> None:
    """Raise RunError for a uid that no pool could have."""
    try:
        parse_items(keys.drop_null() if keys.null_count else keys, file=table.name, first_row=None)
    except RunError as error:
        helps = ("write uids as 32 lower-case hex digits, as the pool has them",)
        message = error.diagnostics[0].message
        raise RunError(Diagnostic("E0774", message, None, f"in the table `{table.name}`", helps)) from error


def _values(array: Any, name: str, type_: Type, table: NamedTable) -> Any:
    """Return a column in the type that recipes know it by."""
    array = decoded(array)
    try:
        array = array.cast(arrow_of(type_))
        if type_ is Type.TEXT:
            array.validate(full=True)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise RunError(_misfit(name, type_, table, error)) from error
    return array


def _misfit(name: str, type_: Type, table: NamedTable, error: Exception) -> Diagnostic:
    """Return why a value is none of its type: it is no UTF-8, or larger than an INT."""
    if type_ is Type.TEXT:
        label, helps = first_line(error), ("write the column anew as UTF-8",)
        return Diagnostic("E0773", f"a text of `{table.name}.{name}` is not UTF-8", None, label, helps)
    label, helps = "the table has a value above 9223372036854775807", ("store such a column as text",)
    return Diagnostic("E0715", f"a value of `{table.name}.{name}` is too large for INT", None, label, helps)


def arrow_of(type_: Type) -> Any:
    """Return the arrow type of a column of a table."""
    return pa.large_string() if type_ is Type.TEXT else arrow_type(type_)


# --- laying beside ----------------------------------------------------------------------------------------------------


def _align(read: TableRead, pool: Pool, session: Session) -> dict[str, str]:
    """Write the table's columns for each file of the pool; return the file of each, by path and by sidecar's path."""
    # A folder of its own: DuckDB keeps what it knows of a file by its path.
    folder = Path(tempfile.mkdtemp(prefix=f"{read.name}.", dir=session.folder))
    files = tuple(file.path for file in pool.files if file.rows)
    source = Source(read.keys, files)
    rows = _Rows(session.batches(read.aligned, source, {}) if files else iter(()))
    schema = pa.schema([("in", pa.bool_()), *((f"c{i}", arrow_of(type_)) for i, (_, type_) in enumerate(read.columns))])
    found: dict[str, str] = {}
    written = 0
    for number, file in enumerate(pool.files):
        place = folder / f"{number}.parquet"
        with pq.ParquetWriter(place, schema, compression="NONE") as writer:
            for batch in rows.take(file.rows):
                writer.write_batch(batch.cast(schema), row_group_size=_GROUP)
        written += place.stat().st_size
        refuse_output(written, f"the columns of the table `{read.table.name}` beside the pool")
        found[file.path] = str(place)
        if file.sidecar is not None:
            found[str(file.sidecar)] = str(place)
    return found


class _Rows:
    """Batches, taken in other pieces than those they come in."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self._batches = batches
        self._left: Any = None

    def take(self, rows: int) -> Iterator[Any]:
        """Yield the next `rows` rows."""
        while rows:
            if self._left is None or not self._left.num_rows:
                self._left = next(self._batches)
            piece = self._left.slice(0, rows)
            self._left = self._left.slice(piece.num_rows)
            rows -= piece.num_rows
            yield piece
