"""How many: LIMIT, SAMPLE and EXPECT, as counts or as percents."""

from fractions import Fraction
from math import floor
from typing import NoReturn

from dcql.plan import nodes
from dcql.plan.constants import shown
from dcql.plan.expressions import Expressions
from dcql.plan.faults import WrongError, all_faults
from dcql.plan.lookup import Bound
from dcql.plan.scope import Scope
from dcql.source import Span
from dcql.syntax import ast
from dcql.syntax.phrases import phrase


def limit_amount(expressions: Expressions, query: ast.Query, scope: Scope) -> tuple[int | None, Fraction | None] | None:
    """Return the count or the percent of a query's LIMIT, or None without one. Raises WrongError."""
    limit = query.limit
    if limit is None:
        return None
    if not query.order:
        expressions.diagnostics.add(
            "E0403",
            "LIMIT without ORDER BY",
            limit.span,
            "which samples come first is left open",
            (f"say which ones: `ORDER BY clip_l14 DESC {limit.span.text}`",),
        )
    value = amount(expressions, Bound(limit.count, scope, {}), limit.percent, "LIMIT")
    if not query.order:
        raise WrongError
    return (None, value) if limit.percent else (value.numerator, None)


def amount(expressions: Expressions, bound: Bound, percent: bool, word: str, unit: str = "") -> Fraction:
    """Return the percentage (0 to 100) or the count (whole, 0 or more) that follows `word`. Raises WrongError.

    `unit` is what follows a count.
    """
    value = expressions.constant(bound, word).value
    assert value is not None
    if percent and not 0 <= value <= 100:
        _wrong(
            expressions,
            "E0312",
            f"{word} is not between 0 and 100 PERCENT",
            bound.expr.span,
            f"it is {shown(value)}",
            "100 PERCENT keeps every sample",
        )
    if not percent and (value.denominator != 1 or value < 0):
        _wrong(
            expressions,
            "E0312",
            f"{word} is not a count",
            bound.expr.span,
            "must be a whole number, 0 or more",
            _count_help(value, f"{word} ", unit),
        )
    return value


def promise(expressions: Expressions, expect: ast.Expect, scope: Scope) -> nodes.Promise | None:
    """Return what an EXPECT promises, or None where it is wrong."""
    try:
        with all_faults() as attempt:
            low = attempt(_expected, expressions, expect.low, scope)
            high = attempt(_expected, expressions, expect.high, scope)
    except WrongError:
        return None
    if expect.low.percent == expect.high.percent and low() > high():
        expressions.diagnostics.add(
            "E0312", "EXPECT can never hold", expect.span, "the lower bound is above the upper one", ("swap them",)
        )
        return None
    text = phrase(expect.span)
    return nodes.Promise(low(), expect.low.percent, high(), expect.high.percent, text, expect.span)


def _expected(expressions: Expressions, bound: ast.Bound, scope: Scope) -> Fraction:
    value = expressions.constant(Bound(bound.value, scope, {}), "a bound of EXPECT").value
    assert value is not None
    if bound.percent and not 0 <= value <= 100:
        _wrong(
            expressions,
            "E0312",
            "EXPECT is not between 0 and 100 PERCENT",
            bound.span,
            f"it is {shown(value)}",
            "100 PERCENT is the whole pool",
        )
    if not bound.percent and (value.denominator != 1 or value < 0):
        _wrong(
            expressions,
            "E0312",
            "a bound of EXPECT is not a count",
            bound.span,
            "must be a whole number, 0 or more",
            _count_help(value, ""),
        )
    return value


def _wrong(expressions: Expressions, code: str, message: str, span: Span, label: str, *helps: str) -> NoReturn:
    expressions.diagnostics.add(code, message, span, label, helps)
    raise WrongError


def _count_help(value: Fraction, before: str, unit: str = "") -> str:
    """Return what to write for a number that is no count."""
    if 0 < value < 1:
        return f"for a share, write `{before}{shown(value * 100)} PERCENT`"
    return f"write `{before}{floor(value)}{unit}`" if value > 0 else "0 is the smallest count"
