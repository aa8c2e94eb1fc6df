"""q: the values among which it finds one (SEMANTICS §2), for all of a stage in one scan; with BY, in each group."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from dcql.lower import sql
from dcql.lower.program import GroupedThreshold, Scan, Threshold
from dcql.plan import nodes
from dcql.plan.statistics import StatisticNode, called

if TYPE_CHECKING:
    from dcql.lower.chain import Chain


def scan(chain: "Chain", quantiles: Sequence[nodes.Quantile], names: Mapping[StatisticNode, str], here: str) -> Scan:
    """Return the statistic of all `quantiles` of a stage that have no BY.

    `chain` is a query yet to be built; `here` names their input.
    """
    columns: dict[tuple[nodes.Rel, nodes.Expr], tuple[str, str | None]] = {}
    items: list[tuple[exp.Expression, str]] = []
    thresholds: list[Threshold] = []
    for q in quantiles:
        key = (q.population, q.expr)
        if key not in columns:
            number = len(columns) + 1
            population = chain.relation(q.population, here)
            value = chain.expression(q.expr, f"q{number}")
            member = None
            if not population.everything:
                value = sql.case([(population.present.copy(), value)], exp.Null())
                member = f"member{number}"
            items.append((value, f"value{number}"))
            if member is not None:
                items.append((population.present.copy(), member))
            columns[key] = f"value{number}", member
        value_name, member_name = columns[key]
        stored = q.expr.name if isinstance(q.expr, nodes.Column) and isinstance(q.population, nodes.PoolScan) else None
        thresholds.append(
            Threshold(
                names[q], q.type, q.rank, q.nulls_first, value_name, member_name, stored, q.text, called(q.population)
            )
        )
    return Scan(sql.render(sql.select(items, chain.source())), tuple(thresholds))


def grouped_threshold(chain: "Chain", q: nodes.Quantile, name: str, here: str) -> GroupedThreshold:
    """Return the statistic of a `q(..) BY`. `chain` is a query yet to be built; `here` names its input."""
    population = chain.relation(q.population, here)
    names = [f"k{i}" for i in range(len(q.by))]
    keys = [chain.expression(key, column) for key, column in zip(q.by, names, strict=True)]
    value = chain.expression(q.expr, "value")
    items = [*zip(keys, names, strict=True), (value, "value")]
    inner = sql.where(sql.select(items, chain.source()), population.present.copy())
    by_key = [(sql.column(column), False, True) for column in names]
    grouped = [sql.column(column) for column in names]
    out = [(sql.column(column), column) for column in names]
    everyone, known = (sql.call("count", exp.Star()), "samples"), (sql.call("count", sql.column("value")), "known")
    counts = sql.group_by(sql.select([*out, everyone, known], sql.subquery(inner)), grouped)
    values = sql.select([*out, (sql.column("value"), "value"), everyone], sql.subquery(inner.copy()))
    values = sql.where(values, sql.opposite(sql.is_null(sql.column("value"))))
    values = sql.group_by(values, [*(g.copy() for g in grouped), sql.column("value")])
    return GroupedThreshold(
        name=name,
        type=q.type,
        rank=q.rank,
        nulls_first=q.nulls_first,
        key_types=tuple(key.type for key in q.by),
        counts=sql.render(sql.order_by(counts, by_key)),
        values=sql.render(sql.order_by(values, [*by_key, (sql.column("value"), False, True)])),
        text=q.text,
        population=called(q.population),
    )
