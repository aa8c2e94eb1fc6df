"""Clauses that follow from another one, or that exclude it, whatever the pool: `x >= 0.2` and `x >= 0.3`."""

from collections.abc import Iterator, Sequence
from typing import Any

from dcql.plan import nodes
from dcql.plan.comparison import comparison

_ABOVE, _BELOW = (">", ">="), ("<", "<=")


def implied(clauses: Sequence[nodes.Expr]) -> Iterator[tuple[int, int]]:
    """Yield (clause, other) where every sample for which `other` is TRUE has `clause` TRUE; of equal ones the later.

    It sees comparisons of one value with constants, or with order statistics of one population, and `IS NOT NULL`.
    """
    found: set[int] = set()
    for one in range(len(clauses)):
        for other in range(len(clauses)):
            if one == other or other in found or one in found:
                continue
            same = clauses[one] == clauses[other]
            if (same and one > other) or (not same and follows(clauses[one], clauses[other])):
                found.add(one)
                yield one, other


def follows(clause: nodes.Expr, other: nodes.Expr) -> bool:
    """Return whether a condition is TRUE wherever another is, as far as their form says."""
    parts = other.operands if isinstance(other, nodes.And) else (other,)
    wanted = clause.operands if isinstance(clause, nodes.And) else (clause,)
    return all(any(_follows(one, part) for part in parts) for one in wanted)


def excludes(clause: nodes.Expr, other: nodes.Expr) -> bool:
    """Return whether two conditions are TRUE for no sample both, as far as their form says."""
    ones = clause.operands if isinstance(clause, nodes.And) else (clause,)
    others = other.operands if isinstance(other, nodes.And) else (other,)
    return any(_excludes(a, b) or _excludes(b, a) for a in ones for b in others)


def _excludes(one: nodes.Expr, other: nodes.Expr) -> bool:
    if isinstance(one, nodes.Not) and one.operand == other:
        return True
    compared, with_ = comparison(one), comparison(other)
    if isinstance(other, nodes.IsNull):
        return compared is not None and compared.value == other.operand
    if compared is None or with_ is None or compared.value != with_.value:
        return False
    order = _order(compared.cut, with_.cut)
    if order is None:
        return False
    if compared.op == "=" and with_.op == "<>":
        return order == 0
    # Below one cut and above another: nothing lies between where the lower end is at or above the upper one.
    strict = ">" in (compared.op, with_.op) or "<" in (compared.op, with_.op)
    if compared.op in (*_ABOVE, "=") and with_.op in (*_BELOW, "="):
        # Of two order statistics the higher may have the value of the lower.
        return order == 0 and strict if order <= 0 else strict or isinstance(compared.cut, nodes.Literal)
    return False


def _follows(clause: nodes.Expr, other: nodes.Expr) -> bool:
    if clause == other:
        return True
    weak, strong = comparison(clause), comparison(other)
    if isinstance(clause, nodes.Not) and isinstance(clause.operand, nodes.IsNull):
        return strong is not None and strong.value == clause.operand.operand
    if weak is None or strong is None or weak.value != strong.value:
        return False
    order = _order(strong.cut, weak.cut)
    if order is None:
        return False
    # Two order statistics may have one value, and then a strict comparison does not follow from one that is not.
    strict = isinstance(weak.cut, nodes.Literal)
    if strong.op == "=":
        return weak.op in _at(order) if strict or order == 0 else weak.op == (">=" if order > 0 else "<=")
    for side, sign in ((_ABOVE, 1), (_BELOW, -1)):
        if weak.op in side and strong.op in side:
            weaker = weak.op == strong.op or len(weak.op) > len(strong.op)
            return weaker if order == 0 else order * sign > 0 and (strict or weaker)
    return False


def _at(order: int) -> tuple[str, ...]:
    """Return the comparisons that are TRUE for a value that stands so to the cut."""
    return {-1: ("<>", *_BELOW), 0: ("=", ">=", "<="), 1: ("<>", *_ABOVE)}[order]


def _order(one: "nodes.Literal | nodes.Quantile", other: "nodes.Literal | nodes.Quantile") -> int | None:
    """Return -1, 0 or 1 as a cut is below, at or above another, None where that differs from pool to pool.

    Of two order statistics, the lower may still have the value of the higher.
    """
    if one == other:
        return 0
    if isinstance(one, nodes.Literal) and isinstance(other, nodes.Literal):
        return None if one.value is None or other.value is None else _sign(one.value, other.value)
    if not (isinstance(one, nodes.Quantile) and isinstance(other, nodes.Quantile)):
        return None
    if (one.expr, one.population, one.by) != (other.expr, other.population, other.by):
        return None
    if one.nulls_first or other.nulls_first or one.rank.datacomp or other.rank.datacomp:
        return None  # the lower of two may be NULL, and then nothing passes it
    return _sign(one.rank.p, other.rank.p)


def _sign(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)
