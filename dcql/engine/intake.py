"""Taking in one file of a pool: its sidecar, its uids and row digests as sorted runs, its distributions.

What comes out is a folder, made under a temporary name and renamed when it is whole, so that it is kept for good:

    sidecar.parquet   the INT, FLOAT, DOUBLE and BOOL columns, row for row (absent where there is none)
    lengths.parquet   the lengths of texts, row for row (absent where there is no column that they are kept of)
    high.bin low.bin  the uids' halves, uint64, in sorted runs one after the other
    row.bin           the row of each in the file, uint32 (uint64 from 2^32 rows on)
    digest.bin        its row's digest, 32 bytes
    marks.bin         every 256th uid of each run (dtype u8,u8), by which the runs of all files are cut for merging
    <hash>.npz        the distribution of each numeric column, by the hash of its name
    done.json         rows, the runs' lengths, the number of NULLs of each column, which texts' lengths are kept, the
                      sizes of the files above

An earlier dcql kept no lengths of texts: `take_lengths` makes what is to be added to such a folder.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dcql.catalog.files import damaged
from dcql.catalog.lengths import LENGTHS_FILE, LENGTHS_VERSION, counted_columns
from dcql.catalog.parquet import Footer, type_of
from dcql.catalog.types import Column, Type
from dcql.engine.distribution import Distribution, distribution_file
from dcql.engine.fingerprint import row_digests
from dcql.engine.lengths import lengths, lengths_schema
from dcql.engine.ranks import row_dtype
from dcql.engine.scalars import DTYPES, arrow_type, read_scalars
from dcql.engine.uids import parse_uids
from dcql.errors import Diagnostic, RunError
from dcql.files import first_line, locate
from dcql.json_text import parse_json
from dcql.limits import held
from dcql.subset import UID, join_words, sort_order

MARK_EVERY = 256
_GROUP = 122_880  # rows of a sidecar's row group: DuckDB's own, so that its threads take one each
_BATCH = 65_536
_WORDS = np.dtype("<u8")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Work:
    """What one file gave: `rows` in sorted runs of the lengths `runs`, and the number of NULLs by column.

    `lengths` are the columns of whose texts there are lengths as this dcql keeps them, None where there are none.
    """

    folder: Path
    rows: int
    runs: tuple[int, ...]
    nulls: dict[str, int]
    lengths: tuple[str, ...] | None = None

    @property
    def row_dtype(self) -> Any:
        """The dtype of row.bin."""
        return row_dtype(self.rows)

    @property
    def lengths_size(self) -> int:
        """The size of lengths.parquet, which is there where some are kept."""
        return (self.folder / LENGTHS_FILE).stat().st_size


def read_work(folder: Path) -> Work | None:
    """Return the finished work of a folder, or None where there is none or a file of it is gone."""
    try:
        done = parse_json((folder / "done.json").read_bytes())
        if any((folder / name).stat().st_size != size for name, size in done["files"].items()):
            return None
        counted = done.get("lengths", {})
        lengths = tuple(counted["columns"]) if counted.get("version") == LENGTHS_VERSION else None
        return Work(folder, done["rows"], tuple(done["runs"]), done["nulls"], lengths)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def work_key(footer: Footer) -> str:
    """Return the key of a file's work: of its size, footer and first 64 KiB, whatever its name."""
    try:
        filesystem, path = locate(footer.file.path)
        head = filesystem.cat_file(path, start=0, end=min(footer.file.size, 1 << 16))
    except OSError as error:
        raise damaged(footer.file.name, first_line(error)) from error
    text = f"dcql.work.v1 {footer.file.size} {footer.digest} ".encode("ascii")
    return hashlib.sha256(text + hashlib.sha256(head).digest()).hexdigest()[:32]


def take_in(footer: Footer, folder: Path, memory: int, progress: Callable[[int], None]) -> None:
    """Read one file once and write its work into the new `folder`; `progress` is told the rows done.

    Raises RunError for what is wrong with the file, OSError for what is wrong with the folder.
    """
    folder.mkdir(parents=True)
    name = footer.file.name
    scalars = [field.name for field in footer.schema if type_of(field.type) in DTYPES]
    numeric = [name for name in scalars if type_of(footer.schema.field(name).type).numeric]
    distributions = {column: Distribution(DTYPES[type_of(footer.schema.field(column).type)]) for column in numeric}
    kinds = pa.schema([(column, arrow_type(type_of(footer.schema.field(column).type))) for column in scalars])
    nulls = dict.fromkeys(footer.schema.names, 0)
    counted = counted_of(footer)
    done = 0
    with (
        _Runs(folder, row_dtype(footer.rows), max(_BATCH, memory // 1024)) as runs,
        _Columns(folder / "sidecar.parquet", kinds) as sidecar,
        _lengths_file(folder, counted) as counting,
    ):
        for batch in _batches(footer, memory):
            _check_text(batch, name)
            high, low = parse_uids(batch.column("uid"), file=name, first_row=done)
            runs.add(high, low, row_digests(batch, file=name))
            columns: dict[str, Any] = {}
            for column, array in zip(batch.schema.names, batch.columns, strict=True):
                if column not in scalars:
                    nulls[column] += array.null_count
                    continue
                values, absent = read_scalars(array, column=column, file=name)
                missing = int(absent.sum())
                nulls[column] += missing
                if column in distributions:
                    distributions[column].add(values[~absent] if missing else values, missing)
                columns[column] = pa.array(values, kinds.field(column).type, mask=absent if missing else None)
            sidecar.add(columns)
            counting.add(_lengths_in(batch, counted))
            done += batch.num_rows
            progress(done)
    if done != footer.rows:
        raise damaged(name, f"it holds {done} rows where its footer says {footer.rows}")
    for column, distribution in distributions.items():
        distribution.save(distribution_file(folder, column))
    files = {entry.name: entry.stat().st_size for entry in folder.iterdir()}
    record = {"rows": done, "runs": runs.lengths, "nulls": nulls, "lengths": _told(counted), "files": files}
    (folder / "done.json").write_text(json.dumps(record), encoding="utf-8")


def counted_of(footer: Footer) -> tuple[str, ...]:
    """Return the columns of a file of whose texts lengths are kept."""
    return counted_columns(Column(field.name, type_of(field.type)) for field in footer.schema)


def take_lengths(footer: Footer, work: Work, made: Path, memory: int, progress: Callable[[int], None]) -> None:
    """Count the lengths of one file's texts, whose `work` is done but for that; write into the new folder `made`.

    Its files take their place in the folder of the work, done.json last. Raises as `take_in` does.
    """
    made.mkdir(parents=True)
    counted = counted_of(footer)
    done = 0
    with _lengths_file(made, counted) as counting:
        for batch in _batches(footer, memory, counted) if counted else ():
            _check_text(batch, footer.file.name)
            counting.add(_lengths_in(batch, counted))
            done += batch.num_rows
            progress(done)
    if counted and done != footer.rows:
        raise damaged(footer.file.name, f"it holds {done} rows where its footer says {footer.rows}")
    record = parse_json((work.folder / "done.json").read_bytes())
    record["lengths"] = _told(counted)
    record["files"] |= {entry.name: entry.stat().st_size for entry in made.iterdir()}
    (made / "done.json").write_text(json.dumps(record), encoding="utf-8")


def _told(counted: tuple[str, ...]) -> dict[str, Any]:
    return {"version": LENGTHS_VERSION, "columns": list(counted)}


def _lengths_file(folder: Path, counted: tuple[str, ...]) -> "_Columns":
    return _Columns(folder / LENGTHS_FILE, lengths_schema(counted))


def _lengths_in(batch: Any, counted: tuple[str, ...]) -> dict[str, Any]:
    """Return the lengths of the texts of a record batch's columns `counted`, by name."""
    return {name: array for column in counted for name, array in lengths(batch.column(column), column).items()}


class _Runs:
    """Collects uids with their rows' digests, and writes them out sorted whenever `most` have come together."""

    def __init__(self, folder: Path, rows: Any, most: int) -> None:
        self.lengths: list[int] = []
        self._folder = folder
        self._row_dtype = rows
        self._most = most
        self._held: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        self._waiting = 0
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> "_Runs":
        for part in ("high", "low", "row", "digest", "marks"):
            self._files[part] = (self._folder / f"{part}.bin").open("wb")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None and self._waiting:
                self._flush()
        finally:
            for file in self._files.values():
                file.close()

    def add(self, high: NDArray[Any], low: NDArray[Any], digests: NDArray[Any]) -> None:
        self._held.append((high, low, digests))
        self._waiting += len(high)
        if self._waiting >= self._most:
            self._flush()

    def _flush(self) -> None:
        high, low, digests = (np.concatenate(parts) for parts in zip(*self._held, strict=True))
        self._held = []
        order = sort_order(high, low)
        high, low = high[order], low[order]
        marks = slice(MARK_EVERY - 1, None, MARK_EVERY)
        self._files["high"].write(high.astype(_WORDS, copy=False).data)
        self._files["low"].write(low.astype(_WORDS, copy=False).data)
        self._files["row"].write((order + sum(self.lengths)).astype(self._row_dtype).data)
        self._files["digest"].write(digests[order].view(np.uint8).data)
        self._files["marks"].write(join_words(high[marks], low[marks]).view(np.uint8).data)
        self.lengths.append(self._waiting)
        self._waiting = 0


class _Columns:
    """Writes a file in row groups of one size, whatever the size of the batches; none where there is no column.

    Numbers lie as they are: by dictionary lengths of texts would take 1 byte in place of 4, and twice as long to read.
    """

    def __init__(self, path: Path, schema: Any) -> None:
        self._writer: Any = None
        if len(schema):
            self._writer = pq.ParquetWriter(
                path, schema, compression="NONE", use_dictionary=False, write_statistics=True
            )
        self._held: list[Any] = []
        self._waiting = 0

    def __enter__(self) -> "_Columns":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None and self._waiting:
                self._write(pa.concat_tables(self._held))
        finally:
            if self._writer is not None:
                self._writer.close()

    def add(self, columns: dict[str, Any]) -> None:
        if not columns:
            return
        table = pa.table(columns)
        self._held.append(table)
        self._waiting += table.num_rows
        if self._waiting >= _GROUP:
            table = pa.concat_tables(self._held)
            while table.num_rows >= _GROUP:
                self._write(table.slice(0, _GROUP))
                table = table.slice(_GROUP)
            self._held, self._waiting = [table], table.num_rows

    def _write(self, table: Any) -> None:
        self._writer.write_table(table.combine_chunks(), row_group_size=_GROUP)


def _batches(footer: Footer, memory: int, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """Yield the file's record batches, of fewer rows where rows are large; of all columns but where some are named."""
    row = max(1, footer.byte_size // max(1, footer.rows))
    size = max(256, min(_BATCH, memory // 16 // row))
    try:
        # Column chunks are read a piece at a time, so that memory does not grow with the file's row groups.
        filesystem, path = locate(footer.file.path)
        with filesystem.open(path, "rb") as handle:
            file = pq.ParquetFile(handle, pre_buffer=False, buffer_size=1 << 20)
            yield from (batch for batch in file.iter_batches(size, columns=columns) if batch.num_rows)
    except MemoryError as error:  # Arrow's is one of its own exceptions too
        raise _too_large(footer, error) from error
    except (OSError, pa.ArrowException) as error:
        raise damaged(footer.file.name, f"reading it fails: {first_line(error)}") from error


def _too_large(footer: Footer, error: Exception) -> RunError:
    """Return the error of a file that takes more memory than there is."""
    helps = ["check the file, or fetch it again: a page that states a wrong size asks for memory that it does not need"]
    if held().memory is not None:
        helps.append("if the file is right, allow more: `--limits memory=16GB`")
    return RunError(
        Diagnostic("E0750", f"not enough memory to read `{footer.file.name}`", None, first_line(error), tuple(helps))
    )


def _check_text(batch: Any, name: str) -> None:
    for column, array in zip(batch.schema.names, batch.columns, strict=True):
        if type_of(array.type) not in (Type.TEXT, Type.NESTED):
            continue
        try:
            array.validate(full=True)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise RunError(
                Diagnostic(
                    "E0718",
                    f"a text of `{column}` is not UTF-8",
                    None,
                    f"in `{name}`: {first_line(error)}",
                    ("write the column anew as UTF-8, or as binary",),
                )
            ) from error


def open_words(folder: Path, part: str) -> NDArray[np.uint64]:
    """Return high.bin or low.bin of a work folder, mapped."""
    path = folder / f"{part}.bin"
    if path.stat().st_size == 0:
        return np.empty(0, _WORDS)
    return np.memmap(path, _WORDS, "r")


def read_marks(folder: Path) -> NDArray[np.void]:
    """Return marks.bin of a work folder."""
    return np.fromfile(folder / "marks.bin", UID)
