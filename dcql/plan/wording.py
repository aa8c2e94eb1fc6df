"""Expressions of a plan in words close to those of a recipe, with names and constants as they were resolved."""

from dcql.plan import nodes
from dcql.plan.explain import literal


def wording(node: nodes.Expr) -> str:
    """Write an expression in one line; what it holds is told by its meaning, so DEFINEs and PARAMs do not show."""
    match node:
        case nodes.Column() | nodes.Feature():
            return node.name
        case nodes.Literal():
            return literal(node).removeprefix("FLOAT ").removeprefix("DOUBLE ")
        case nodes.Convert():
            return wording(node.operand)
        case nodes.Arithmetic():
            return f"{_inner(node.left)} {node.op} {_inner(node.right)}"
        case nodes.Compare():
            left, right = _beside(node.left, node.right), _beside(node.right, node.left)
            return f"{left} {node.op} {right}"
        case nodes.Call():
            return f"{node.name}({', '.join(map(wording, node.arguments))})"
        case nodes.Like():
            return f"{_inner(node.subject)} LIKE {_inner(node.pattern)}"
        case nodes.IsNull():
            return f"{_inner(node.operand)} IS NULL"
        case nodes.Not():
            return f"NOT {_inner(node.operand)}"
        case nodes.And():
            return " AND ".join(map(_inner, node.operands))
        case nodes.Or():
            return " OR ".join(map(_inner, node.operands))
        case nodes.Case():
            branches = "".join(f" WHEN {wording(a)} THEN {wording(b)}" for a, b in node.branches)
            return f"CASE{branches} ELSE {wording(node.default)} END"
        case nodes.InSet():
            return f"{_inner(node.subject)} IN {node.set.name}"
        case nodes.InRelation():
            return f"uid IN {relation_wording(node.relation)}"
        case nodes.Quantile():
            return quantile_wording(node)


def quantile_wording(node: nodes.Quantile, beside: nodes.Expr | None = None) -> str:
    """Write an order statistic with its exact fraction and its population; what it ranks only where it is not `beside`.

    A threshold over a pool is one value, whatever a feature in it is asked of: what reads the same is the same.
    """
    ranked = wording(node.expr)
    value = "" if beside is not None and wording(beside) == ranked else f", {ranked}"
    by = f" BY {', '.join(map(wording, node.by))}" if node.by else ""
    nulls = " NULLS FIRST" if node.nulls_first else ""
    name = "datacomp_q" if node.rank.datacomp else "q"
    return f"{name}({fraction(node.rank.p)}{value} OF {relation_wording(node.population)}{by}{nulls})"


def relation_wording(rel: nodes.Rel) -> str:
    """Name a relation: a larger one than a stage is only called so."""
    match rel:
        case nodes.PoolScan():
            return "pool"
        case nodes.Ref():
            return rel.name
        case _:
            return "(query)"


def order_wording(order: tuple[nodes.SortKey, ...]) -> str:
    """Write an ORDER BY without its keyword."""
    return ", ".join(
        f"{wording(key.expr)}{' DESC' if key.descending else ''}{' NULLS FIRST' if key.nulls_first else ''}"
        for key in order
    )


def limit_words(node: nodes.Limit) -> str:
    """Write a LIMIT with its BY, as statistics are called by it."""
    amount = f"LIMIT {node.count}" if node.count is not None else f"LIMIT {node.percent} PERCENT"
    return f"{amount} BY {', '.join(map(wording, node.by))}" if node.by else amount


def fraction(value: object) -> str:
    """Write an exact fraction as a decimal where it is a short one."""
    from fractions import Fraction

    assert isinstance(value, Fraction)
    for digits in range(10):
        scaled = value * 10**digits
        if scaled.denominator == 1:
            return f"{float(value):.{digits}f}"
    return str(value)


def _beside(node: nodes.Expr, other: nodes.Expr) -> str:
    """Write a side of a comparison: a q beside what it ranks is bare."""
    return quantile_wording(node, other) if isinstance(node, nodes.Quantile) else _inner(node)


def _inner(node: nodes.Expr) -> str:
    compound = isinstance(node, nodes.Arithmetic | nodes.Compare | nodes.And | nodes.Or | nodes.Not | nodes.Like)
    return f"({wording(node)})" if compound else wording(node)
