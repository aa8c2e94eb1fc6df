"""Order statistics in expressions: what q ranks, over which samples, and at which rank (SEMANTICS §2)."""

from collections.abc import Iterator
from dataclasses import fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NoReturn

from dcql.plan import constants, nodes
from dcql.plan.coerce import Untyped, convert, numeric_type
from dcql.plan.constants import Exact
from dcql.plan.faults import all_faults
from dcql.plan.lookup import Bound
from dcql.plan.scope import ParamEntry, RelationEntry
from dcql.source import Span
from dcql.syntax import ast
from dcql.syntax.phrases import phrase

if TYPE_CHECKING:
    from dcql.plan.expressions import Expressions

_STAGE = "select by the inner q in a stage: `WITH part AS (SELECT uid FROM pool WHERE ..)`"


def ranked(expressions: "Expressions", bound: Bound) -> nodes.Expr:
    """Resolve the expression that a q ranks. Raises WrongError."""
    value = expressions.numeric(bound, "q ranks numbers")
    if isinstance(value, Exact):
        expressions.wrong("E0304", "q of a constant", bound, "the same for every sample", "rank a column")
    if isinstance(value, Untyped):
        # A constant that conditions choose is ranked as the number that it is.
        value = convert(value, numeric_type([value]))
    if any(isinstance(node, nodes.Quantile) for node in nodes.walk(value)):
        help_ = "two order statistics are compared where each names what it ranks: `q(0.7, clip_l14)`"
        expressions.wrong("E0309", "q inside q's expression", bound, "what q ranks must not hold a q", help_, _STAGE)
    return value


def named_statistic(expressions: "Expressions", bound: Bound) -> nodes.Quantile:
    """Resolve a q that names what it ranks: a number like any other. Raises WrongError."""
    written = bound.expr
    assert isinstance(written, ast.Quantile)
    assert written.expr is not None
    _refuse_nested(expressions, bound)
    with all_faults() as attempt, expressions.without_quantiles():
        value = attempt(ranked, expressions, expressions.inside(bound, written.expr))
    return order_statistic(expressions, bound, value())


def order_statistic(expressions: "Expressions", bound: Bound, value: nodes.Expr) -> nodes.Quantile:
    """Resolve a q that ranks `value`. Raises WrongError."""
    written = bound.expr
    assert isinstance(written, ast.Quantile)
    _refuse_nested(expressions, bound)
    with all_faults() as attempt, expressions.without_quantiles():
        rank = attempt(_rank, expressions, expressions.inside(bound, written.p))
        population = attempt(_population, expressions, written, bound)
        keys = [attempt(expressions.key, expressions.inside(bound, key), "a BY key") for key in written.by]
    by = tuple(key() for key in keys)
    return nodes.Quantile(value, population(), rank(), by, written.nulls_first, value.type, phrase(written.span))


def _refuse_nested(expressions: "Expressions", bound: Bound) -> None:
    if not expressions.quantiles_allowed:
        label = "what q ranks, its p and its BY hold no q"
        expressions.wrong("E0309", "q inside q", bound, label, _STAGE)


def _rank(expressions: "Expressions", bound: Bound) -> nodes.Rank:
    """Resolve p: a constant, or `1 - datacomp_fraction(f)`."""
    expanded = expressions.expand(bound)
    expr = expanded.expr
    if isinstance(expr, ast.Arithmetic) and len(expr.rest) == 1 and expr.rest[0][0] == "-":
        inner = expressions.expand(expressions.inside(expanded, expr.rest[0][1]))
        if (
            isinstance(inner.expr, ast.Call)
            and inner.expr.name == "datacomp_fraction"
            and len(inner.expr.arguments) == 1
        ):
            one = expressions.constant(expressions.inside(expanded, expr.first), "the p of q")
            given = expressions.expand(expressions.inside(inner, inner.expr.arguments[0]))
            fraction = expressions.constant(given, "the fraction").value
            assert fraction is not None
            if one.value != 1:
                expressions.wrong(
                    "E0311", "`datacomp_fraction` stands after `1 -`", bound, "DataComp's rank is no other"
                )
            _check_share(expressions, fraction, "the fraction", "datacomp_q", given)
            return nodes.Rank(fraction, datacomp=True)
    value = expressions.constant(bound, "the p of q").value
    assert value is not None
    _check_share(expressions, value, "the p of q", "q", bound)
    return nodes.Rank(value)


def _check_share(expressions: "Expressions", value: Fraction, what: str, function: str, bound: Bound) -> None:
    """Raise WrongError where a share is not between 0 and 1."""
    if 0 <= value <= 1:
        return
    percent = constants.shown(value)
    if 1 < value <= 100:
        help_ = f"for {percent} percent, write `{function}({constants.shown(value / 100)})`"
    else:
        help_ = "a share of 0.7 is 70 percent: `x >= q(0.7)` keeps the top 30 percent"
    expressions.wrong("E0311", f"{what} is not between 0 and 1", bound, f"it is {percent}", help_)


def _population(expressions: "Expressions", written: ast.Quantile, bound: Bound) -> nodes.Rel:
    if written.of is None:
        if expressions.population is None:
            label = expressions.population_reason
            if bound.use is not None:
                line, _ = bound.use.source.position(bound.use.start)
                label = f"used on line {line}; {label}"
            expressions.wrong_at("E0402", "q does not say over which samples", written.span, label, *_of_help(written))
        return expressions.population
    name = written.of.text
    if name == "pool":
        return nodes.PoolScan()
    entry = bound.scope.entries.get(name)
    if isinstance(entry, RelationEntry):
        return expressions.queries.reference(entry.ref)
    label = "OF names `pool`, a stage above, or an imported recipe"
    if entry is not None or name in bound.scope.values():
        expressions.wrong_at("E0203", f"`{name}` is no relation", written.of.span, label)
    expressions.wrong_at(
        "E0201", f"unknown population `{name}`", written.of.span, label, *bound.scope.relation_help(name, "OF pool")
    )


def misplaced_quantile(expressions: "Expressions", bound: Bound) -> NoReturn:
    """Refuse a bare q that is no side of a comparison."""
    _refuse_nested(expressions, bound)
    written = bound.expr
    assert isinstance(written, ast.Quantile)
    expressions.wrong_at(
        "E0309",
        "q does not say what it ranks",
        bound.use or written.span,
        "only as a whole side of a comparison does it rank the other side",
        f"name what it ranks: `{_inserted(written, f', {_likely(expressions, bound)}')}`",
    )


def both_bare(expressions: "Expressions", quantile: Bound, span: Span) -> NoReturn:
    """Refuse a comparison of two bare q."""
    written = quantile.expr
    assert isinstance(written, ast.Quantile)
    expressions.wrong_at(
        "E0309",
        "q on both sides",
        span,
        "neither says what it ranks",
        f"name what they rank: `{_inserted(written, ', x')}`",
    )


def _likely(expressions: "Expressions", bound: Bound) -> str:
    """Return what a misplaced q may be meant to rank: the first name of its comparison."""
    if bound.use is None:
        for name in (name for side in expressions.sides for name in _names(side)):
            if not isinstance(bound.scope.entries.get(name.text), ParamEntry):
                return name.text
    return "x"


def _names(item: Any) -> Iterator[ast.Name]:
    """Yield the names in an expression as it is written, but for those inside of a q or a query."""
    match item:
        case ast.Name():
            yield item
        case tuple():
            for part in item:
                yield from _names(part)
        case ast.Quantile() | ast.InQuery():
            return
        case ast.Node():
            yield from _names(tuple(getattr(item, one.name) for one in fields(item)))


def _of_help(written: ast.Quantile) -> tuple[str, ...]:
    """Say how a q is written with its population, for the pool and for a stage."""
    pool, stage = (_inserted(written, f" OF {name}") for name in ("pool", "stage"))
    return (f"for all samples, write `{pool}`", f"for those of a stage, write `{stage}`")


def _inserted(written: ast.Quantile, words: str) -> str:
    """Return a q with words behind its expression, or its p."""
    text, end = written.span.text, (written.expr or written.p).span.end - written.span.start
    return " ".join(f"{text[:end]}{words}{text[end:]}".split())
