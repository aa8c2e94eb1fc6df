"""The values of a feature for one file of a pool: a parquet file that stands beside it, row for row.

value     what the model gave, in the feature's type; NULL where it gave nothing
known     whether the model was asked
failure   why it gave nothing, where it failed
margin    how far the answer was ahead of the next one, for models that know it

Of an EMBEDDING, `value` is TRUE where there is a vector, and the vectors lie beside it: see `vectors`. What the file
says of its values as a whole is in its footer: see `footer`.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dcql.arrays import indices, numbers, present, truths
from dcql.catalog.features import NOTHING, StoredFeature
from dcql.catalog.models import INT16_BITS, FeatureSpec, Output
from dcql.catalog.pool import unwritable
from dcql.catalog.types import Type
from dcql.dataclass import dataclass
from dcql.engine.features.footer import KEY, Footer, footer_of, listed, written
from dcql.engine.features.vectors import (
    as_halves,
    has_vector,
    matrix,
    open_vectors,
    other_width,
    width_of,
    write_vectors,
)
from dcql.engine.udfs.answers import Answers
from dcql.errors import Diagnostic, RunError
from dcql.scratch import unfinished

_ARROW = {Type.TEXT: pa.string(), Type.INT: pa.int64(), Type.BOOL: pa.bool_(), Type.EMBEDDING: pa.bool_()}


@dataclass(frozen=True)
class Values:
    """A file's values in memory, row for row: arrow arrays, `known` as (rows,) bool."""

    value: Any
    known: NDArray[np.bool_]
    failure: Any
    margin: Any

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.known)


def value_type(output: Output) -> Any:
    """Return the arrow type that a feature is kept in: its own, or the integer type of its grid.

    Of an EMBEDDING it is that of whether there is a vector.
    """
    if output.bits is None:
        return _ARROW[output.type]
    return pa.int16() if output.bits == INT16_BITS else pa.int32()


def as_stored(answers: Answers, output: Output, feature: str) -> Answers:
    """Return a model's answers as they are stored: numbers on their grid, vectors as arrow lists of float16.

    Raises RunError for a number that does not fit.
    """
    if output.type is Type.EMBEDDING:
        return as_halves(answers, feature)
    return Answers(on_grid(answers.values, output, feature), answers.failures, answers.margin)


def on_grid(values: Any, output: Output, feature: str) -> Any:
    """Return a model's numbers as whole steps of 2^-bits, halves to even, NaN as NULL; other values as they are.

    Raises RunError for one that does not fit.
    """
    target = value_type(output)
    if output.bits is None:
        return values.cast(target)
    numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    steps = np.rint(numbers * 2.0**output.bits)
    grid = np.int16 if target == pa.int16() else np.int32
    limit = np.iinfo(grid).max
    wrong = np.flatnonzero((steps > limit) | (steps < -limit - 1))
    if len(wrong):
        raise RunError(
            Diagnostic(
                "E0606",
                f"{float(numbers[wrong[0]])!r} does not fit `{feature}`",
                None,
                f"{output.text} holds numbers from {-(limit + 1) / 2**output.bits:.10g}"
                f" to {limit / 2**output.bits:.10g}",
                (_where_it_fits(float(numbers[wrong[0]]), output.bits),),
            )
        )
    missing = np.isnan(steps)
    return pa.array(np.where(missing, 0, steps).astype(grid), target, mask=missing)


def _where_it_fits(number: float, bits: int) -> str:
    for coarser in (8, 0):
        if coarser < bits and abs(number) * 2**coarser <= np.iinfo(np.int32).max:
            return f"declare the feature on a coarser grid, such as FIXED({coarser})"
    return "no grid holds it: let the model give a smaller number, or none"


def read_values(path: Path, rows: int) -> Values:
    """Read a version of a file's values. Raises RunError where it is damaged or of another length."""
    value, known, failure, margin = _columns(path, rows, ["value", "known", "failure", "margin"])
    return Values(value, truths(known), failure, margin)


def read_value(path: Path, rows: int) -> Any:
    """Read a version's values alone, (rows,) as an arrow array, texts by dictionary. Raises as `read_values` does."""
    (value,) = _columns(path, rows, ["value"], by_dictionary=("value",))
    return value


def read_known(path: Path, rows: int) -> NDArray[np.bool_]:
    """Return for which rows a version of a file's values knows an answer, (rows,) bool."""
    footer = read_footer(path)
    if footer.known in (0, rows) and footer.rows == rows:
        return np.full(rows, footer.known == rows and rows > 0)
    (known,) = _columns(path, rows, ["known"])
    return truths(known)


def _columns(path: Path, rows: int, names: list[str], by_dictionary: Sequence[str] = ()) -> list[Any]:
    try:
        # A column or two: to hand them out to threads takes as long again.
        table = pq.ParquetFile(path, read_dictionary=by_dictionary).read(names, use_threads=False)
        found = [_whole(table.column(name)) for name in names]
    except (OSError, ValueError, pa.ArrowException, KeyError) as error:
        raise RunError(_damaged(path, str(error))) from error
    if table.num_rows != rows:
        raise RunError(_damaged(path, f"it has {table.num_rows:,} rows, and the pool's file {rows:,}"))
    return found


def read_footer(path: Path) -> Footer:
    """Return what the footer of a version says. Raises RunError where it is damaged."""
    try:
        return footer_of((pq.read_schema(path).metadata or {})[KEY.encode()])
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise RunError(_damaged(path, str(error))) from error


def ensure(stored: StoredFeature, key: str, rows: int, output: Output) -> Path:
    """Return a file's newest values; where there are none, make a version in which nothing is known."""
    if (newest := stored.newest(key)) is not None:
        return newest
    with stored.changing(key):
        return stored.newest(key) or _write(stored, key, _nothing(rows, output))


def nothing_file(folder: Path, rows: int, output: Output) -> Path:
    """Return a file of values in which nothing is known, for features that the run has yet to come to."""
    path = folder / NOTHING / f"{output.text}-{rows}.parquet"
    if not path.is_file():
        _write_file(path, _nothing(rows, output))
    return path


def merge(
    stored: StoredFeature, key: str, rows: int, spec: FeatureSpec, positions: NDArray[np.int64], answers: Answers
) -> Path:
    """Add answers for the rows at `positions` (ascending) to a file's values; return the new version.

    A row that is known already keeps its value, for it may be in a subset. Raises RunError where the store cannot be
    written.
    """
    with stored.changing(key):
        newest = stored.newest(key)
        old = read_values(newest, rows) if newest is not None else _nothing(rows, spec.output)
        fresh = ~old.known[positions]
        at = positions[fresh]
        # Each row takes from the old values, or from the answers that follow them.
        take = np.arange(rows, dtype=np.int64)
        take[at] = rows + np.flatnonzero(fresh)
        known = old.known.copy()
        known[at] = True
        failures = [answers.failures.get(place) for place in range(len(positions))]
        margin = answers.margin if answers.margin is not None else np.full(len(positions), np.nan, np.float32)
        margins = pa.array(margin, pa.float32(), from_pandas=True)
        given = answers.values
        if spec.is_embedding:
            given = pa.array(np.ones(len(given), np.bool_), mask=~has_vector(answers.values))
            _merge_vectors(_next(stored, key), newest, old, answers.values, take, spec.name)
        merged = Values(
            _taken(old.value, given, take),
            known,
            _taken(old.failure, pa.array(failures, pa.string()), take),
            _taken(old.margin, margins, take),
        )
        return _write(stored, key, merged)


def _merge_vectors(
    path: Path, newest: Path | None, old: Values, new: Any, take: NDArray[np.int64], feature: str
) -> None:
    """Write the vectors of the next version: those of the newest one and, where `take` points beyond it, new ones."""
    rows = old.rows
    before = np.flatnonzero(present(old.value))
    there = np.flatnonzero(take >= rows)
    there = there[has_vector(new)[take[there] - rows]]
    parts = []
    if len(before):
        assert newest is not None
        parts.append((before, before, open_vectors(newest, rows)))
    if len(there):
        if parts and parts[0][2].shape[1] != width_of(new):
            raise other_width(feature, parts[0][2].shape[1], width_of(new))
        parts.append((there, take[there] - rows, matrix(new)))
    if not parts:
        return
    try:
        write_vectors(path, rows, parts)
    except OSError as error:
        raise RunError(unwritable(error)) from error


def _taken(old: Any, new: Any, take: NDArray[np.int64]) -> Any:
    return pa.concat_arrays([old, new.cast(old.type)]).take(indices(take))


def _nothing(rows: int, output: Output) -> Values:
    return Values(
        pa.nulls(rows, value_type(output)),
        np.zeros(rows, np.bool_),
        pa.nulls(rows, pa.string()),
        pa.nulls(rows, pa.float32()),
    )


def _next(stored: StoredFeature, key: str) -> Path:
    """Return the file of the version that comes next."""
    versions = stored.versions(key)
    return stored.folder / key / f"{int(versions[-1].stem) + 1 if versions else 1}.parquet"


def _write(stored: StoredFeature, key: str, values: Values) -> Path:
    path = _next(stored, key)
    _write_file(path, values)
    return path


def _write_file(path: Path, values: Values) -> None:
    failed = len(values.failure) - values.failure.null_count
    texts, least, most = _bounds(values.value)
    footer = written(Footer(values.rows, int(values.known.sum()), failed, texts, least, most))
    known = pa.array(values.known)
    columns = {"value": values.value, "known": known, "failure": values.failure, "margin": values.margin}
    # A column that says of itself that nothing is NULL is read in half the time.
    fields = [pa.field(name, array.type, array.null_count > 0) for name, array in columns.items()]
    table = pa.table(list(columns.values()), pa.schema(fields, {KEY: footer}))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(path) as place:
            with place.open("wb") as file:
                pq.write_table(table, file, compression="none")
                file.flush()
                os.fsync(file.fileno())
            place.replace(path)
    except OSError as error:
        raise RunError(unwritable(error)) from error


def _bounds(values: Any) -> tuple[tuple[str, ...] | None, int | None, int | None]:
    """Return the distinct texts of an arrow array, if they are not too many, and the bounds of its whole numbers."""
    if pa.types.is_string(values.type):
        return listed(values.unique().drop_null().to_pylist()), None, None
    if pa.types.is_integer(values.type) and values.null_count < len(values):
        there = numbers(values)[present(values)]
        return None, int(there.min()), int(there.max())
    return None, None, None


def _whole(column: Any) -> Any:
    return (
        column.chunk(0)
        if column.num_chunks == 1
        else pa.concat_arrays(column.chunks)
        if column.num_chunks
        else (pa.nulls(0, column.type))
    )


def chunks(positions: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Cut positions into pieces of at most `size`."""
    for start in range(0, len(positions), size):
        yield positions[start : start + size]


def _damaged(path: Path, reason: str) -> Diagnostic:
    return Diagnostic(
        "E0605",
        f"the stored values in `{path}` cannot be read",
        None,
        reason,
        ("remove them: `dcql feature gc`, and the next run computes them again",),
    )
