"""Order statistics in expressions: what q ranks, over which samples, and at which rank (SEMANTICS §2)."""

from fractions import Fraction
from typing import TYPE_CHECKING, NoReturn

from dcql.plan import constants, nodes
from dcql.plan.coerce import Untyped, convert, numeric_type
from dcql.plan.constants import Exact
from dcql.plan.faults import all_faults
from dcql.plan.lookup import Bound
from dcql.plan.scope import RelationEntry
from dcql.syntax import ast
from dcql.syntax.phrases import phrase

if TYPE_CHECKING:
    from dcql.plan.expressions import Expressions


def ranked(expressions: "Expressions", bound: Bound) -> nodes.Expr:
    """Resolve the expression that a q ranks. Raises WrongError."""
    value = expressions.numeric(bound, "q ranks numbers")
    if isinstance(value, Exact):
        expressions.wrong("E0304", "q of a constant", bound, "the same for every sample", "compare a column with q")
    if isinstance(value, Untyped):
        # A constant that conditions choose is ranked as the number that it is.
        value = convert(value, numeric_type([value]))
    if any(isinstance(node, nodes.Quantile) for node in nodes.walk(value)):
        help_ = "select by the inner q in a stage: `WITH part AS (SELECT uid FROM pool WHERE ..)`"
        expressions.wrong("E0309", "q inside q's expression", bound, "what q ranks must not hold a q", help_)
    return value


def order_statistic(expressions: "Expressions", bound: Bound, value: nodes.Expr) -> nodes.Quantile:
    """Resolve a q that ranks `value`. Raises WrongError."""
    written = bound.expr
    assert isinstance(written, ast.Quantile)
    if not expressions.quantiles_allowed:
        help_ = "select by the inner q in a stage: `WITH part AS (SELECT uid FROM pool WHERE ..)`"
        expressions.wrong("E0309", "q inside q", bound, "neither p nor BY may hold a q", help_)
    with all_faults() as attempt:
        rank = attempt(_rank, expressions, expressions.inside(bound, written.p))
        population = attempt(_population, expressions, written, bound)
        keys = [attempt(_by, expressions, expressions.inside(bound, key)) for key in written.by]
    by = tuple(key() for key in keys)
    return nodes.Quantile(value, population(), rank(), by, written.nulls_first, value.type, phrase(written.span))


def _by(expressions: "Expressions", bound: Bound) -> nodes.Expr:
    allowed, expressions.quantiles_allowed = expressions.quantiles_allowed, False
    try:
        return expressions.key(bound, "a BY key")
    finally:
        expressions.quantiles_allowed = allowed


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
    """Refuse a q that is no side of a comparison."""
    written = " ".join(bound.expr.span.text.split())
    expressions.wrong_at(
        "E0309",
        "q stands where no order statistic can",
        bound.use or bound.expr.span,
        "q is a whole side of a comparison; the other side is what it ranks",
        f"let it stand alone, `x >= {written}`; arithmetic goes to the other side",
    )


def _of_help(written: ast.Quantile) -> tuple[str, ...]:
    """Return a q with its population written out, for the pool and for a stage."""
    text, end = written.span.text, written.p.span.end - written.span.start
    pool, stage = (" ".join(f"{text[:end]} OF {name}{text[end:]}".split()) for name in ("pool", "stage"))
    return (f"for all samples, write `{pool}`", f"for those of a stage, write `{stage}`")
