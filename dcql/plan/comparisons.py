"""Comparisons: both sides in one type, or a bare q beside what it ranks (SEMANTICS §2.1 and §7)."""

from typing import TYPE_CHECKING

from dcql.catalog.types import Type
from dcql.plan import nodes
from dcql.plan.coerce import Untyped, Value, compare_constants
from dcql.plan.faults import all_faults
from dcql.plan.lookup import Bound
from dcql.plan.order_statistics import both_bare, misplaced_quantile, order_statistic, ranked
from dcql.source import Span
from dcql.syntax import ast

if TYPE_CHECKING:
    from dcql.plan.expressions import Expressions


def compare(expressions: "Expressions", op: str, left: Bound, right: Bound, span: Span) -> nodes.Expr:
    """Resolve `left op right`. Raises WrongError."""
    left_q, right_q = _bare(expressions, left), _bare(expressions, right)
    if left_q is not None and right_q is not None:
        both_bare(expressions, right_q, span)
    if right_q is not None:
        value = ranked(expressions, left)
        return nodes.Compare(op, value, order_statistic(expressions, right_q, value))
    if left_q is not None:
        value = ranked(expressions, right)
        return nodes.Compare(op, order_statistic(expressions, left_q, value), value)
    outside, expressions.sides = expressions.sides, (left.expr, right.expr)
    try:
        with all_faults() as attempt:
            a = attempt(expressions.resolve, left)
            b = attempt(expressions.resolve, right)
    finally:
        expressions.sides = outside
    return _typed(expressions, op, left, a(), right, b(), span)


def equal_to(expressions: "Expressions", subject: Bound, item: Bound, span: Span) -> nodes.Expr:
    """Resolve one item of an IN list. Raises WrongError."""
    refuse_bare(expressions, item)
    return compare(expressions, "=", subject, item, span)


def refuse_bare(expressions: "Expressions", bound: Bound) -> None:
    """Raise WrongError where a bare q stands as BETWEEN's subject or with IN (SEMANTICS §2.1)."""
    quantile = _bare(expressions, bound)
    if quantile is not None:
        misplaced_quantile(expressions, quantile)


def _bare(expressions: "Expressions", bound: Bound) -> Bound | None:
    """Return a bare q, None for any other expression."""
    expanded = expressions.expand(bound)
    return expanded if isinstance(expanded.expr, ast.Quantile) and expanded.expr.expr is None else None


def _typed(
    expressions: "Expressions", op: str, left: Bound, a: Value, right: Bound, b: Value, span: Span
) -> nodes.Expr:
    if isinstance(a, Untyped) and isinstance(b, Untyped):
        return expressions.fitting(left, compare_constants, op, a, b)
    type_, (a, b) = expressions.common([(left, a), (right, b)], op)
    if type_ is Type.BOOL and op not in ("=", "<>"):
        help_ = "use `=` or `<>`"
        expressions.wrong_at("E0301", f"BOOL has no order for `{op}`", span, "TRUE and FALSE are not ranked", help_)
    for place, value, other in ((right, b, a), (left, a, b)):
        if other == nodes.Column("uid", Type.TEXT) and isinstance(value, nodes.Literal):
            _check_uid(expressions, value, place)
    return nodes.Compare(op, a, b)


def _check_uid(expressions: "Expressions", value: nodes.Literal, place: Bound) -> None:
    text = value.value
    if isinstance(text, str) and not (len(text) == 32 and set(text) <= set("0123456789abcdef")):
        digits = text.strip().lower().replace("-", "")
        meant = 0 < len(digits) <= 32 and set(digits) <= set("0123456789abcdef")
        expressions.wrong(
            "E0310",
            "not a uid",
            place,
            "a uid is 32 lower-case hex digits",
            f"write '{digits.zfill(32)}'" if meant else "write it as it stands in the pool's column `uid`",
        )
