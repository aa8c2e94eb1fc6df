"""Comparisons of a value with a cut: a constant, or an order statistic."""

from dataclasses import dataclass

from dcql.plan import nodes

_MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`value op cut`, whichever way it is written; `on_right` says on which side the cut stands."""

    value: nodes.Expr
    op: str
    cut: "nodes.Literal | nodes.Quantile"
    on_right: bool


def comparison(expr: nodes.Expr) -> Comparison | None:
    """Return a comparison with a constant or an order statistic, None for any other expression."""
    if not isinstance(expr, nodes.Compare):
        return None
    if isinstance(expr.right, nodes.Literal | nodes.Quantile) and not isinstance(expr.left, nodes.Literal):
        return Comparison(expr.left, expr.op, expr.right, on_right=True)
    if isinstance(expr.left, nodes.Literal | nodes.Quantile) and not isinstance(expr.right, nodes.Literal):
        return Comparison(expr.right, _MIRRORED[expr.op], expr.left, on_right=False)
    return None
