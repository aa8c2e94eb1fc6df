"""The DuckDB session: one connection, its settings, and how SQL goes in and columns come out.

The only module that imports duckdb. The settings here are part of what a recipe means: they hold whatever the user's
own configuration says.

It imports the engine itself, `_duckdb`, and the package around it only where Arrow is scanned: the package's relations
take four times as long to import as the engine. `_submit` is what they run on; pyproject.toml holds duckdb to one minor
release.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import _duckdb as duckdb

from dcql.catalog.types import Type
from dcql.dataclass import dataclass
from dcql.engine.arrow_stream import Batch, batches_of
from dcql.errors import Diagnostic, RunError
from dcql.limits import held, stopped_by
from dcql.lower.statement import FLAGS, READ, SAMPLES, Statement
from dcql.scratch import scratch

VERSION: str = duckdb.__version__

_BATCH_ROWS = 1 << 18
_FEW = 10_000  # rows that go in one by one
# Samples are written on the left of every join, for they are to stream past the table on the right. DuckDB takes files
# that stand beside others for empty, and would hold all samples instead. And of a row_number() that is to be 1 it makes
# an aggregate over texts, which it cannot write to disk.
_DISABLED = ("join_order", "build_side_probe_side", "top_n_window_elimination")
_DUCK_TYPES = {
    Type.INT: "BIGINT",
    Type.FLOAT: "FLOAT",
    Type.DOUBLE: "DOUBLE",
    Type.TEXT: "VARCHAR",
    Type.BOOL: "BOOLEAN",
}

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Resources:
    """What a run may use: threads, and bytes of memory, most of which are DuckDB's; None lets DuckDB choose."""

    threads: int | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Source:
    """What `samples` is for a statement: a query over parquet files, and files of features beside them."""

    samples: Statement
    files: tuple[str, ...]
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Session:
    """An open DuckDB connection with dcql's settings."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._connection = connection
        # A folder of the session's own, which it may read and which is gone with it.
        self.folder = folder
        self._beside: dict[str, Mapping[str, str]] = {}
        self._flags: dict[str, list[bool]] = {}
        self._nothing: dict[str, str] = {}

    def stand_beside(self, name: str, files: Mapping[str, str]) -> None:
        """From now on let `$name` be, beside each file that a statement reads, the file that `files` gives for it."""
        self._beside[name] = files

    def stand_nothing_beside(self, name: str, file: str) -> None:
        """Let `$name` be `file`, which has columns and no rows, until something stands beside: its columns are NULL."""
        self._beside.pop(name, None)
        self._nothing[name] = file

    def rows(self, statement: Statement, source: Source, parameters: Parameters) -> list[tuple[Any, ...]]:
        """Run a statement over `source`; return its rows."""
        with _run_errors():
            rows: list[tuple[Any, ...]] = self._submit(statement, source, parameters, "rows").fetchall()
            return rows

    def batches(self, statement: Statement, source: Source, parameters: Parameters) -> Iterator[Any]:
        """Run a statement over `source`; yield Arrow record batches, so that memory stays bounded."""
        with _run_errors():
            yield from self._submit(statement, source, parameters, "stream").arrow_reader()

    def marks(self, statement: Statement, source: Source, parameters: Parameters) -> Iterator[Batch]:
        """Run a statement whose columns are numbers and truth values; yield batches, each good until the next.

        The same as `batches`, without pyarrow.
        """
        with _run_errors():
            yield from batches_of(self._submit(statement, source, parameters, "stream").arrow_capsule())

    def footers(self, files: Sequence[str], key: str) -> dict[str, tuple[int, bytes]]:
        """Return how many rows parquet files have, and what their footers hold under a key; without those that lack it.

        Raises RunError where one cannot be read.
        """
        with _run_errors():
            found = self._connection.execute(
                "SELECT file_name, num_rows, value FROM parquet_kv_metadata($files)"
                " JOIN parquet_file_metadata($files) USING (file_name) WHERE key = encode($key)",
                {"files": [_literally(file) for file in files], "key": key},
            ).fetchall()
        return {file: (int(rows), bytes(value)) for file, rows, value in found}

    def store(self, name: str, columns: Sequence[tuple[str, Type]], rows: Sequence[Sequence[Any]]) -> None:
        """Make a table of values."""
        # Names and types here are dcql's own; values go in as parameters.
        declared = ", ".join(f'"{column}" {_DUCK_TYPES[type_]}' for column, type_ in columns)
        self._connection.execute(f'CREATE OR REPLACE TABLE "{name}" ({declared})')
        if 0 < len(rows) <= _FEW:
            # Without Arrow, and the package around the engine, and whatever these import.
            lists = ", ".join(f"unnest(?::{_DUCK_TYPES[type_]}[])" for _, type_ in columns)
            self._connection.execute(
                f'INSERT INTO "{name}" SELECT {lists}', [list(each) for each in zip(*rows, strict=True)]
            )
        elif rows:
            import pyarrow

            _let_scan_arrow()
            arrays = [
                pyarrow.array([row[i] for row in rows], _arrow_type(type_)) for i, (_, type_) in enumerate(columns)
            ]
            table = pyarrow.table(dict(zip([column for column, _ in columns], arrays, strict=True)))
            self._connection.register("@values", table)
            self._connection.execute(f'INSERT INTO "{name}" SELECT * FROM "@values"')
            self._connection.unregister("@values")

    def store_set(self, name: str, type_: Type, values: Sequence[Any]) -> None:
        """Make the table of a set's values, and its flags where it has them."""
        self.store(name, [("value", type_)], [(value,) for value in values])
        if type_ is Type.INT and min(values, default=0) >= 0 and max(values, default=0) < FLAGS:
            flags = [False] * (max(values, default=0) + 1)
            for value in values:
                flags[value] = True
            self._flags[name] = flags

    def has_flags(self, names: Sequence[str]) -> bool:
        """Return whether all these sets can be asked for by flags, which are parameters of their names."""
        return self._flags.keys() >= set(names)

    def store_batches(self, name: str, statement: Statement, schema: Any, batches: Iterator[Any]) -> None:
        """Make a table of a statement over Arrow record batches. What reading them raises comes out as it is."""
        import pyarrow

        _let_scan_arrow()

        failed: list[Exception] = []

        def read() -> Iterator[Any]:
            try:
                yield from batches
            except Exception as error:  # DuckDB would make a text of it
                failed.append(error)
                raise

        reader = pyarrow.RecordBatchReader.from_batches(schema, read())
        try:
            self._connection.register(READ, reader)
            with _run_errors():
                self._connection.execute(f'CREATE OR REPLACE TABLE "{name}" AS {statement.text}')
        except Exception:
            if failed:
                raise failed[0] from None
            raise
        finally:
            self._connection.unregister(READ)

    def repeated(self, name: str, column: str) -> tuple[Any, int] | None:
        """Return the smallest value that a column of a table has more than once, and how often; None without one."""
        with _run_errors():
            found = self._connection.execute(
                f'SELECT "{column}", count(*) FROM "{name}" GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1'
            ).fetchone()
        return None if found is None else (found[0], int(found[1]))

    def store_result(self, name: str, statement: Statement, source: Source, parameters: Parameters) -> None:
        """Make a table of a statement's result."""
        with _run_errors():
            self._connection.execute(
                f'CREATE OR REPLACE TABLE "{name}" AS {_with_samples(statement, source)}',
                self._given(statement, source, parameters),
            )

    def checksum_of_rows(self, name: str, columns: Sequence[str]) -> tuple[int, str]:
        """Return the rows of a stored table, and the XOR of the MD5 of their values: 32 hex digits in any order.

        The values are told apart: NULL from every text, and where one ends.
        """
        texts = [f'"{column}"::VARCHAR' for column in columns]
        values = ", ".join(f"coalesce(strlen({text}) || ':' || {text}, '-')" for text in texts)
        rows, folded = self._connection.execute(
            f'SELECT count(*), bit_xor(md5_number(concat({values}))) FROM "{name}"'
        ).fetchall()[0]
        return int(rows), f"{int(folded or 0):032x}"

    def sums(self, name: str, columns: Sequence[str], zero: str) -> tuple[int, ...]:
        """Return the sums of whole numbers in columns of a stored table, then how many rows have 0 in `zero`."""
        sums = ", ".join(f'coalesce(sum("{column}"), 0)' for column in columns)
        row = self._connection.execute(f'SELECT {sums}, count(*) FILTER ("{zero}" = 0) FROM "{name}"').fetchall()[0]
        return tuple(int(value) for value in row)

    def table(self, name: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return columns of a stored table, in their order, NULL first."""
        listed = ", ".join(f'"{column}"' for column in columns)
        return self._connection.execute(f'SELECT {listed} FROM "{name}" ORDER BY ALL ASC NULLS FIRST').fetchall()

    def tables(self) -> tuple[str, ...]:
        """Return the names of the stored tables."""
        return tuple(name for (name,) in self._connection.execute("SELECT table_name FROM duckdb_tables()").fetchall())

    def stored(self, name: str) -> Any:
        """Return a stored table as an Arrow one, its rows in any order."""
        return self._connection._submit(f'SELECT * FROM "{name}"', {}, "stream", _BATCH_ROWS).arrow_reader().read_all()

    def beside(self, file: str) -> dict[str, str]:
        """Return what `stand_beside` has beside a file, by name."""
        return {**self._nothing, **{name: files[file] for name, files in self._beside.items()}}

    def drop(self, name: str) -> None:
        """Give the memory of a stored table back."""
        self._connection.execute(f'DROP TABLE "{name}"')

    def _submit(
        self, statement: Statement, source: Source, parameters: Parameters, how: Literal["rows", "stream"]
    ) -> Any:
        given = self._given(statement, source, parameters)
        return self._connection._submit(_with_samples(statement, source), given, how, _BATCH_ROWS)

    def _given(self, statement: Statement, source: Source, parameters: Parameters) -> dict[str, Any]:
        named = (*source.samples.parameters, *statement.parameters)
        given = {**self._flags, **parameters, "files": [_literally(file) for file in source.files]}
        given |= {name: [_literally(file) for file in files] for name, files in source.beside.items()}
        given |= {name: [_literally(file)] for name, file in self._nothing.items()}
        given |= {
            name: [_literally(files[file]) for file in source.files]
            for name, files in self._beside.items()
            if name in named
        }
        return {name: given[name] for name in named}


def _let_scan_arrow() -> None:
    """Import the package around the engine, which brings in what scans Arrow."""
    import_module("duckdb")


def _with_samples(statement: Statement, source: Source) -> str:
    return f'WITH "{SAMPLES}" AS ({source.samples.text}) {statement.text}'


def _literally(file: str) -> str:
    """Write a path so that DuckDB takes no character of it for a pattern."""
    return re.sub(r"[*?\[]", r"[\g<0>]", file)


@contextmanager
def session(files: Sequence[str], resources: Resources, folders: Sequence[Path] = ()) -> Iterator[Session]:
    """Open a session that may read `files`, what lies in `folders`, and nothing else."""
    with scratch() as spill, duckdb.connect(":memory:", config=_settings(spill, resources, files)) as connection:
        # In a notebook without ipywidgets it is off, and setting it at all is refused.
        with suppress(duckdb.InvalidInputException):
            connection.execute("SET enable_progress_bar = false")
        far = _register_far(connection, files)
        # Nothing but the pool's files from here on, local or remote, whatever the SQL says.
        # It compares paths both as they are written and as they are found.
        connection.execute("SET allowed_paths = ?", [list({*files, *map(_literally, files)})])
        connection.execute("SET allowed_directories = ?", [[str(spill), *map(str, folders)]])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        try:
            with stopped_by(connection.interrupt):
                yield Session(connection, spill)
        except Exception as error:
            fault = next((one.fault for one in far if one.fault is not None), None)
            if fault is None:
                raise
            raise fault from error


def _register_far(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> list[Any]:
    """Let DuckDB read those of `files` that are URLs; return the filesystems, one a protocol."""
    protocols = {protocol for file in files if (protocol := _protocol(file))}
    if not protocols:
        return []
    from dcql.engine.far_files import FarFiles  # few pools are remote, and fsspec is slow to import

    far = [FarFiles(each, [file for file in files if _protocol(file) == each]) for each in sorted(protocols)]
    for filesystem in far:
        connection.register_filesystem(filesystem)
    return far


def _settings(spill: Path, resources: Resources, files: Sequence[str]) -> dict[str, Any]:
    """Return what a session starts with; set later, its threads would have been started already."""
    threads = resources.threads or os.cpu_count() or 1
    settings: dict[str, Any] = {
        "threads": threads,
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # Marks are matched to samples by their order (Program.marks).
        "preserve_insertion_order": True,
        "disabled_optimizers": ",".join(_DISABLED),
    }
    if not any(map(_protocol, files)):
        # It keeps nothing of local files, and takes a while to say so.
        settings["enable_external_file_cache"] = False
        if threads == 1:
            # Otherwise eight more threads read ahead.
            settings["async_threads"] = 0
    limits = held()
    memory = resources.memory
    if memory is None and limits.memory is not None:
        # The other half is for what is not DuckDB's: uids, features, models.
        memory = limits.memory // 2
    if memory is not None:
        settings["memory_limit"] = f"{memory}B"
    if limits.output is not None:
        settings["max_temp_directory_size"] = f"{limits.output}B"
    return settings


def _protocol(file: str) -> str | None:
    return file.split("://", 1)[0] if "://" in file else None


def _arrow_type(type_: Type) -> Any:
    import pyarrow

    return {
        Type.INT: pyarrow.int64(),
        Type.FLOAT: pyarrow.float32(),
        Type.DOUBLE: pyarrow.float64(),
        Type.TEXT: pyarrow.string(),
        Type.BOOL: pyarrow.bool_(),
    }[type_]


@contextmanager
def _run_errors() -> Iterator[None]:
    """Turn DuckDB's errors into diagnostics."""
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        # After a signal DuckDB ends its query with an error of its own.
        if "interrupt" not in str(error).lower():
            raise
        raise KeyboardInterrupt from error
    except OSError as error:
        # Once a result streams, Arrow passes on DuckDB's errors as text.
        if str(error).startswith("INTERRUPT Error:"):
            raise KeyboardInterrupt from error
        kind = next((kind for prefix, kind in _KINDS.items() if str(error).startswith(prefix)), None)
        if kind is None:
            raise
        raise _explained(kind, error) from error
    except duckdb.Error as error:
        raise _explained(type(error), error) from error


_KINDS: dict[str, type[duckdb.Error]] = {
    "Out of Memory Error:": duckdb.OutOfMemoryException,
    "IO Error:": duckdb.IOException,
    "Invalid Input Error:": duckdb.InvalidInputException,
    "HTTP Error:": duckdb.HTTPException,
    "Conversion Error:": duckdb.ConversionException,
    "INTERNAL Error:": duckdb.InternalException,
}


def _explained(kind: type[duckdb.Error], error: Exception) -> RunError:
    """Return the error of a run for an error of DuckDB's of this kind."""
    if issubclass(kind, duckdb.OutOfMemoryException):
        return RunError(
            Diagnostic(
                "E0750",
                "not enough memory",
                label=_first(error),
                helps=(
                    "allow more: `--limits memory=16GB`, or use fewer `--threads`"
                    if held().memory is not None
                    else "give more: `--memory 4GB`, or use fewer `--threads`",
                    *_full_spill(error),
                ),
            )
        )
    # What is of no kind of DuckDB's own: the parquet reader met bytes that are no page.
    if kind is duckdb.Error or issubclass(
        kind, duckdb.IOException | duckdb.InvalidInputException | duckdb.HTTPException
    ):
        return _unreadable(error)
    if issubclass(kind, duckdb.InternalException):
        return _unreadable(error, "if the file is whole, this is a bug of DuckDB, and it helps to report it there")
    if issubclass(kind, duckdb.ConversionException) and _UNSIGNED in str(error):
        return _too_large(error)
    return _refused(error)


def _full_spill(error: Exception) -> tuple[str, ...]:
    """Say what else helps where what does not fit into memory did not fit on the disk either."""
    if "failed to offload" not in str(error):
        return ()
    if held().output is not None:
        return ("or allow more on disk: `--limits output=16GB`",)
    return ("or name a disk with room for what does not fit into memory: set TMPDIR to a folder there",)


def _refused(error: Exception) -> RunError:
    return RunError(
        Diagnostic("E0901", "internal error: the engine refused dcql's SQL", label=_first(error), helps=_REPORT)
    )


# The one cast of a pool's values that can fail: `dcql pool add` refuses the same column.
_UNSIGNED = "Type UINT64 with value"
_OF_COLUMN = re.compile(r'cast column "(?P<read>.+?)" from|source column (?P<cast>.+)')


def _too_large(error: Exception) -> RunError:
    """Return the error of a raw pool with a number that no INT holds, naming the column as DuckDB's message does."""
    found = _OF_COLUMN.search(_first(error))
    column = f"`{found['read'] or found['cast']}`" if found else "a column"
    return RunError(
        Diagnostic(
            "E0715",
            f"a value of {column} is too large for INT",
            None,
            "the pool has it as uint64, with a value above 9223372036854775807",
            ("store such a column as text",),
        )
    )


def _unreadable(error: Exception, *more: str) -> RunError:
    helps = ("check the file, or fetch it again", *more)
    return RunError(Diagnostic("E0751", "a file of the pool could not be read", label=_first(error), helps=helps))


_REPORT = ("this is a bug in dcql: please report it with the recipe and the output of `dcql sql`",)


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
