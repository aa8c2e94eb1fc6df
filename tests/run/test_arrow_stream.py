"""Marks that are read through Arrow's C interface are those that pyarrow reads."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcql.arrays import count_true, numbers, present, truths
from dcql.engine.arrow_stream import batches_of
from dcql.engine.duck import Resources, Source, session
from dcql.errors import RunError
from dcql.lower.statement import Statement

TYPES = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]
FLOATS = [pa.float32(), pa.float64()]


def stream(table: pa.Table, rows: int) -> object:
    """Return a capsule of a table's stream, in batches of so many rows."""
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=rows))
    return reader.__arrow_c_stream__()


@pytest.mark.parametrize("type_", [*TYPES, *FLOATS], ids=str)
def test_numbers_of_every_type(type_: pa.DataType) -> None:
    values = pa.array([0, 1, 2, 3, 100, 7], pa.int8()).cast(type_)
    table = pa.table({"other": pa.array([True] * 6), "a": values})
    # The second batch of three begins in the middle of the same memory.
    found = [numbers(batch.column("a")).copy() for batch in batches_of(stream(table, 4))]
    assert [len(part) for part in found] == [4, 2]
    assert np.concatenate(found).tolist() == values.to_pylist()


@settings(deadline=None)
@given(st.lists(st.sampled_from([True, False, None]), max_size=40), st.integers(1, 9))
def test_truths_with_an_offset_and_nulls(values: list[bool | None], rows: int) -> None:
    array = pa.array(values, pa.bool_())
    known: list[bool] = []
    told: list[bool] = []
    counted = 0
    for batch in batches_of(stream(pa.table({"a": array}), rows)):
        column = batch.column("a")
        known += present(column).tolist()
        told += (truths(column) & present(column)).tolist()
        counted += count_true(column)
        assert len(column) == batch.num_rows
    assert known == [value is not None for value in values]
    assert told == [value is True for value in values]
    assert counted == sum(value is True for value in values)


def test_a_stream_that_fails_says_why() -> None:
    def batches():  # type: ignore[no-untyped-def]
        yield pa.record_batch({"a": pa.array([1])})
        raise ValueError("the disk is gone")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), batches())
    read = batches_of(reader.__arrow_c_stream__())
    assert numbers(next(read).column("a")).tolist() == [1]
    with pytest.raises(OSError, match="the disk is gone"):
        next(read)


def test_a_session_gives_the_same_marks_as_batches(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"a": pa.array(range(300_000), pa.int64())}), path)
    source = Source(Statement("SELECT a FROM read_parquet($files)", ("files",)), (str(path),))
    marks = Statement('SELECT (a % $n)::USMALLINT AS m, a % 2 = 0 AS even FROM "samples"', ("n",))
    with session([str(path)], Resources(2)) as opened:
        found = [
            (numbers(batch.column("m")).copy(), truths(batch.column("even")))
            for batch in opened.marks(marks, source, {"n": 7})
        ]
        wanted = list(opened.batches(marks, source, {"n": 7}))
    rows = np.arange(300_000)
    assert np.array_equal(np.concatenate([m for m, _ in found]), rows % 7)
    assert np.array_equal(np.concatenate([even for _, even in found]), rows % 2 == 0)
    assert sum(batch.num_rows for batch in wanted) == 300_000


def test_an_error_in_the_middle_of_marks_is_a_diagnostic(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"a": pa.array(range(300_000), pa.int64())}), path)
    source = Source(Statement("SELECT a FROM read_parquet($files)", ("files",)), (str(path),))
    fails = Statement("SELECT CASE WHEN a > 299990 THEN error('no more') ELSE a END AS m FROM \"samples\"", ())
    with session([str(path)], Resources(1)) as opened, pytest.raises(RunError, match="E0751"):
        for _ in opened.marks(fails, source, {}):
            pass
