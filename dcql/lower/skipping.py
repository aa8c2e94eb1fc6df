"""What a scan of raw files may skip samples by: comparisons of a column with one value."""

from collections.abc import Iterable, Mapping, Sequence

from dcql.lower import sql
from dcql.lower.sql import Sql
from dcql.plan import nodes
from dcql.plan.statistics import StatisticNode

_LOW, _HIGH = (">", ">="), ("<", "<=")


def bare_comparisons(clauses: Iterable[nodes.Clause]) -> list[nodes.Compare]:
    """Return those clauses of a WHERE that compare a column with one value."""
    return [clause.expr for clause in clauses if isinstance(clause.expr, nodes.Compare) and _is_bare(clause.expr)]


def needed(comparison: nodes.Compare, names: Mapping[StatisticNode, str]) -> Sql:
    """Write a bare comparison over the column as it is in the file; `names` are those of the statistics.

    NaN, which is larger than any number there, may pass it: it can only be asked before a WHERE that is exact.
    """
    assert isinstance(comparison.left, nodes.Column)
    return sql.compare(comparison.op, sql.column(comparison.left.name), _value(comparison, names))


def needed_by_some(filters: Sequence[nodes.Filter], names: Mapping[StatisticNode, str]) -> list[Sql]:
    """Write what must hold of a sample that passes any of several WHEREs: for a column, the loosest of their bounds.

    A column is bounded where each of the WHEREs bounds it, from the same side.
    """
    bounds: dict[tuple[str, bool], dict[int, nodes.Compare]] = {}
    for number, one in enumerate(filters):
        for comparison in bare_comparisons(one.clauses):
            if comparison.op in (*_LOW, *_HIGH) and isinstance(comparison.left, nodes.Column):
                # Of several bounds in one WHERE any will do.
                bounds.setdefault((comparison.left.name, comparison.op in _LOW), {})[number] = comparison
    return [
        # Both functions leave NULL out, as a WHERE does that compares with it.
        sql.compare(
            ">=" if low else "<=",
            sql.column(column),
            sql.call("least" if low else "greatest", *(_value(one, names) for one in each.values())),
        )
        for (column, low), each in bounds.items()
        if len(each) == len(filters)
    ]


def _is_bare(expr: nodes.Compare) -> bool:
    if expr.op == "<>" or not isinstance(expr.left, nodes.Column):
        return False
    return isinstance(expr.right, nodes.Literal | nodes.Quantile)


def _value(comparison: nodes.Compare, names: Mapping[StatisticNode, str]) -> Sql:
    if isinstance(comparison.right, nodes.Literal):
        return sql.literal(comparison.right)
    assert isinstance(comparison.right, nodes.Quantile)
    return sql.parameter(names[comparison.right], comparison.right.type)
