"""Runs the Spark SQL of a program in Spark, with nothing of dcql's engine: the oracle of `dcql sql --dialect spark`."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pyspark.sql
from pyspark.sql import types

from dcql.catalog.types import Type
from dcql.lower.program import GroupedThreshold, Program, Scan, Threshold
from dcql.lower.spark import SparkStatement, spark
from dcql.lower.tails import Cut, Draw, Firsts
from dcql.plan.sets import set_values
from dcql.subset import Subset

_TYPES: dict[Type, types.DataType] = {
    Type.INT: types.LongType(),
    Type.FLOAT: types.FloatType(),
    Type.DOUBLE: types.DoubleType(),
    Type.TEXT: types.StringType(),
    Type.BOOL: types.BooleanType(),
}


def start(*, ansi: bool) -> pyspark.sql.SparkSession:
    """Start Spark in this process's own Java machine; `ansi` is the setting that makes casts and overflows raise."""
    builder = pyspark.sql.SparkSession.builder.master("local[1]").appName("dcql")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.ansi.enabled": str(ansi).lower(),
    }.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


class SparkRun:
    """A program on its way through Spark: its parameters, and the views that it made."""

    def __init__(self, session: pyspark.sql.SparkSession, program: Program) -> None:
        self._session = session
        self._program = program
        self._given: dict[str, Any] = {}

    def bag(self, pool: Path) -> dict[bytes, int] | None:
        """Run over a folder of parquet files; return the copies of each uid, None where some cannot be taken."""
        self._session.read.parquet(str(pool)).createOrReplaceTempView("pool")
        statements = list(spark(self._program))
        self._session.sql(statements.pop(0).text)
        for table, named in self._program.sets:
            content = Path(named.path).read_bytes()
            values = Subset.parse(content, named.path).hex() if named.is_subset else set_values(named, content)
            self._table(table, [("value", named.type)], [(value,) for value in values])
        for stage in self._program.stages:
            for statistic in stage.statistics:
                match statistic:
                    case Scan():
                        rows = self._rows(statements.pop(0))
                        for one in statistic.thresholds:
                            member = one.member
                            among = [row for row in rows if member is None or row[member]]
                            self._given[one.name] = ranked(one, [row[one.value] for row in among])
                    case GroupedThreshold():
                        self._grouped(statistic, statements)
                    case Cut():
                        self._cut(
                            statistic, [statements.pop(0) for _ in range(2 if statistic.numbers is not None else 4)]
                        )
                    case Draw():
                        n = self._rows(statements.pop(0))[0]["samples"]
                        kept = min(statistic.count, n)
                        rows = self._rows(statements.pop(0), kept=kept)
                        self._table(statistic.name, [("id", Type.TEXT)], [(row["id"],) for row in rows])
                        self._given[f"{statistic.name}_keep"] = 0 if kept == 0 else 2 if kept == n else 1
                    case Firsts():
                        self._session.sql(statements.pop(0).text, args=self._given).createOrReplaceTempView(
                            f"`{statistic.name}/groups`"
                        )
                        rows = [row for _ in range(2) for row in self._rows(statements.pop(0))]
                        self._table(statistic.name, [("id", Type.TEXT)], [(row["id"],) for row in rows])
                    case _:
                        raise AssertionError(statistic)
        if self._program.checks is not None:
            (worst,) = self._rows(statements.pop(0))
            if any(worst):
                return None
        (output,) = statements
        kept = [row for row in self._rows(output) if row["id"] is not None]
        copies = ((bytes.fromhex(row["id"]), int(row["copies"]) if "copies" in row else 1) for row in kept)
        return dict(copies)

    def _rows(self, statement: SparkStatement, **more: Any) -> list[Any]:
        given = {name: value for name, value in {**self._given, **more}.items() if f":{name}" in statement.text}
        return self._session.sql(statement.text, args=given).collect()

    def _table(self, name: str, columns: list[tuple[str, Type]], rows: list[tuple[Any, ...]]) -> None:
        schema = types.StructType([types.StructField(column, _TYPES[type_]) for column, type_ in columns])
        self._session.createDataFrame(rows, schema).createOrReplaceTempView(name)

    def _grouped(self, statistic: GroupedThreshold, statements: list[SparkStatement]) -> None:
        keys = [f"k{i}" for i in range(len(statistic.key_types))]
        counted: dict[tuple[Any, ...], list[Any]] = {}
        for row in self._rows(statements.pop(0)):
            counted[tuple(row[key] for key in keys)] = [None] * (row["samples"] - row["known"])
        for row in self._rows(statements.pop(0)):
            counted[tuple(row[key] for key in keys)] += [row["value"]] * row["samples"]
        rows = [(*key, ranked(statistic, values)) for key, values in counted.items()]
        columns = [*zip(keys, statistic.key_types, strict=True), ("value", statistic.type)]
        self._table(statistic.name, columns, rows)

    def _cut(self, cut: Cut, statements: list[SparkStatement]) -> None:
        *others, tie = statements
        numbers = cut.numbers
        values: list[Any] = []
        if numbers is not None:
            values = [row["value"] for row in self._rows(others[0])]
            known = sorted((value for value in values if value is not None), reverse=numbers.descending)
            nulls = [None] * (len(values) - len(known))
            values = nulls + known if numbers.nulls_first else known + nulls
            n = len(values)
        else:
            n = self._rows(others[0])[0]["samples"]
        keep = cut.count if cut.count is not None else int(Fraction(*cut.percent) * n / 100)  # type: ignore[misc]
        at: dict[str, Any] = {f"{cut.name}_{i}": None for i in range(len(cut.key_types))}
        at |= {f"{cut.name}_keep": 0 if keep == 0 else 2 if keep >= n else 1, f"{cut.name}_tie": None}
        if 0 < keep < n:
            if numbers is not None:
                at[f"{cut.name}_0"] = values[keep - 1]
                before = values.index(values[keep - 1])
            else:
                row = self._rows(others[1], offset=keep - 1)[0]
                at |= {f"{cut.name}_{i}": row[f"key{i}"] for i in range(len(cut.key_types))}
                before = self._rows(others[2], **at)[0]["samples"]
            at[f"{cut.name}_tie"] = self._rows(tie, **at, offset=keep - before - 1)[0]["tie"]
        self._given |= at


def ranked(one: Threshold | GroupedThreshold, values: list[Any]) -> Any:
    """Return the k-th smallest."""
    present = sorted(value for value in values if value is not None)
    nulls = len(values) - len(present) if one.nulls_first else 0
    n = len(present) + nulls
    if n == 0:
        return None
    k = n - int(n * float(one.rank.p)) if one.rank.datacomp else -(-one.rank.p.numerator * n // one.rank.p.denominator)
    k = max(1, k)
    return None if k <= nulls else present[k - nulls - 1]
