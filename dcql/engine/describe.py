"""What an added pool's columns hold: counts of NULLs, and exact order statistics out of the kept distributions."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dcql.catalog.pool import Pool, read_record
from dcql.catalog.types import Column, Type
from dcql.engine.buckets import Number
from dcql.engine.distribution import load_distribution, order_statistics
from dcql.errors import Diagnostic, RunError

QUANTILES = tuple(Fraction(percent, 100) for percent in (1, 5, 25, 50, 75, 95, 99))


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """What a column of a pool holds.

    `share` is the fraction of NULLs, 0 in an empty pool. For a numeric column that is not all NULL, `quantiles` pairs
    each p of QUANTILES with its exact value, the k-th smallest, k = max(1, ceil(p·n)) over the n that are not NULL.
    `distinct` and `tie`, the value that most samples share and how many do, are None where more than 65,536 values are
    distinct.
    """

    name: str
    type: Type
    rows: int
    nulls: int
    share: float
    distinct: int | None = None
    minimum: Number | None = None
    quantiles: tuple[tuple[Fraction, Number], ...] = ()
    maximum: Number | None = None
    tie: tuple[Number, int] | None = None


def describe(pool: Pool) -> tuple[ColumnSummary, ...]:
    """Return a summary of each column of an added pool, in order; raise RunError for a raw pool.

    Scans the sidecars where a column has more than 65,536 distinct values, else nothing.
    """
    _added(pool)
    nulls = _nulls(pool)
    return tuple(_summary(pool, column, nulls[column.name]) for column in pool.schema.columns)


def describe_column(pool: Pool, column: Column) -> ColumnSummary:
    """Return the summary of one column of an added pool, as `describe` does."""
    _added(pool)
    return _summary(pool, column, _nulls(pool)[column.name])


def _nulls(pool: Pool) -> dict[str, int]:
    return {column["name"]: column["nulls"] for column in read_record(pool.name)["columns"]}


def _summary(pool: Pool, column: Column, nulls: int) -> ColumnSummary:
    share = nulls / pool.rows if pool.rows else 0.0
    summary = ColumnSummary(column.name, column.type, pool.rows, nulls, share)
    return _numeric(pool, summary) if column.type.numeric else summary


def _numeric(pool: Pool, summary: ColumnSummary) -> ColumnSummary:
    distribution = load_distribution(pool, summary.name)
    count = distribution.present
    ranks = [max(1, math.ceil(p * count)) for p in QUANTILES] if count else []
    found = order_statistics(distribution, ranks, lambda: _scan(pool, summary.name))
    distinct, tie = None, None
    if distribution.values is not None and distribution.counts is not None:
        distinct = len(distribution.values)
        if distinct:
            most = int(distribution.counts.argmax())
            tie = (distribution.values[most].item(), int(distribution.counts[most]))
    return ColumnSummary(
        summary.name,
        summary.type,
        summary.rows,
        distribution.nulls,
        summary.share,
        distinct,
        distribution.minimum,
        tuple(zip(QUANTILES, (at.value for at in found), strict=False)),
        distribution.maximum,
        tie,
    )


def _scan(pool: Pool, column: str) -> Iterable[NDArray[Any]]:
    for file in pool.files:
        if file.sidecar is not None:
            for batch in pq.ParquetFile(file.sidecar).iter_batches(columns=[column]):
                yield pc.drop_null(batch.column(0)).to_numpy()


def _added(pool: Pool) -> Path:
    if pool.distributions is None:
        raise RunError(
            Diagnostic(
                "E0717",
                f"`{pool.name}` was not added",
                None,
                "a raw folder has no recorded distributions",
                (f"add it first: `dcql pool add NAME {pool.source}`",),
            )
        )
    return pool.distributions
