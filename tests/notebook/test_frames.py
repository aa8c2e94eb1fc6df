"""Subsets as tables of Arrow, pandas, Polars and DuckDB."""

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcql import frames
from dcql.subset import UID, Subset

BAGS = st.dictionaries(st.integers(0, 2**128 - 1), st.integers(1, 2**32 - 1), max_size=20)


def bag(copies: dict[int, int]) -> Subset:
    uids = np.array([(uid >> 64, uid & (2**64 - 1)) for uid in copies], UID)
    return Subset.from_uids(uids, np.array(list(copies.values()), np.uint64))


@given(BAGS)
def test_every_form_has_the_same_rows(copies: dict[int, int]) -> None:
    subset = bag(copies)
    expected = [(f"{uid:032x}", copies[uid]) for uid in sorted(copies)]
    arrow = subset.to_arrow()
    arrow.validate(full=True)
    assert arrow.schema == pa.schema({"uid": pa.large_string(), "copies": pa.uint32()})
    assert [tuple(row.values()) for row in arrow.to_pylist()] == expected
    assert subset.to_polars().rows() == expected
    assert list(subset.to_pandas().itertuples(index=False, name=None)) == expected
    assert polars.DataFrame(subset).rows() == expected  # type: ignore[arg-type]
    assert pa.table(subset).equals(arrow)


def test_duckdb_reads_what_arrow_has() -> None:
    connection = duckdb.connect()
    connection.register("kept", bag({1: 2, 2**128 - 1: 1}).to_arrow())
    assert connection.execute("SELECT sum(copies), max(uid) FROM kept").fetchall() == [(3, "f" * 32)]


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(package: str) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}")

    monkeypatch.setattr(frames, "import_module", absent)
    with pytest.raises(ImportError, match="polars is not installed: pip install polars"):
        bag({}).to_polars()
