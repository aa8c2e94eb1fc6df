"""SAMPLE: how many, with which seed and weight, and of what it may be drawn (SEMANTICS 12, 13)."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NoReturn

from dcql.catalog.types import Type
from dcql.errors import Diagnostics
from dcql.plan import nodes
from dcql.plan.amounts import amount
from dcql.plan.coerce import Untyped, convert, is_null, type_name
from dcql.plan.constants import DoesNotFitError, Exact
from dcql.plan.expressions import Expressions
from dcql.plan.faults import WrongError, all_faults
from dcql.plan.lookup import Bound
from dcql.plan.scope import Scope
from dcql.plan.written import seed_text
from dcql.source import Span
from dcql.syntax import ast


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a SAMPLE says: a count or a percentage, the seed as text, and a weight of type DOUBLE."""

    count: int | None
    percent: Fraction | None
    seed: str
    weight: nodes.Expr | None


def drawing(expressions: Expressions, query: ast.Query, scope: Scope) -> Drawing | None:
    """Return what a query's SAMPLE says, or None without one. Raises WrongError.

    A bare q in its weight ranges over the population of `expressions`.
    """
    sample = query.sample
    if sample is None:
        return None
    with all_faults() as attempt:
        attempt(_alone, expressions.diagnostics, query, sample)
        value = attempt(amount, expressions, Bound(sample.amount, scope, {}), sample.percent, "SAMPLE", " ROWS")
        seed = attempt(_seed, expressions, sample.seed, scope)
        weight = attempt(_weight, expressions, sample, scope)
    if sample.percent:
        return Drawing(None, value(), seed(), None)
    return Drawing(value().numerator, None, seed(), weight())


def _alone(diagnostics: Diagnostics, query: ast.Query, sample: ast.Sample) -> None:
    if query.limit is None:
        return
    diagnostics.add(
        "E0405",
        "SAMPLE together with LIMIT",
        sample.span,
        "a LIMIT of the same query stands before it",
        (f"say which comes first: `SELECT uid FROM (SELECT .. {query.limit.span.text}) {sample.span.text}`",),
    )
    raise WrongError


def _seed(expressions: Expressions, seed: ast.Number | ast.Text | ast.Name, scope: Scope) -> str:
    """Return a seed as text: that of a whole number is its digits."""
    value = expressions.resolve(Bound(seed, scope, {}))
    match value:
        case Exact(value=Fraction() as number) if number.denominator == 1 and number >= 0:
            return str(number.numerator)
        case nodes.Literal(value=str(text), type=Type.TEXT):
            try:
                text.encode()
            except UnicodeEncodeError:
                _wrong_seed(expressions, seed.span, "text that UTF-8 does not have")
            return text
        case Exact(value=None):
            _wrong_seed(expressions, seed.span, "NULL")
        case Exact():
            _wrong_seed(expressions, seed.span, "not a whole number, 0 or more")
        case nodes.Literal():
            _wrong_seed(expressions, seed.span, value.type.value)
        case _:
            _wrong_seed(expressions, seed.span, "not a constant")


def _wrong_seed(expressions: Expressions, span: Span, label: str) -> NoReturn:
    helps = ("write `SEED 7`, `SEED 'name'`, or a PARAM that is one of these",)
    expressions.diagnostics.add("E0313", "a seed is a whole number or text", span, label, helps)
    raise WrongError


def _weight(expressions: Expressions, sample: ast.Sample, scope: Scope) -> nodes.Expr | None:
    if sample.weight is None:
        return None
    bound = Bound(sample.weight, scope, {})
    if sample.percent:
        helps = ("say how many: `SAMPLE 1000 ROWS SEED 7 WEIGHT BY ..`",)
        label = "a percentage takes each sample by its own hash"
        expressions.diagnostics.add("E0315", "WEIGHT BY with PERCENT", sample.weight.span, label, helps)
        raise WrongError
    value = expressions.resolve(bound)
    if is_null(value) or not (isinstance(value, Untyped) or value.type.numeric):
        label = f"this is {type_name(value)}"
        words = " ".join(sample.weight.span.text.split())
        by_case = (f"say how heavy: `CASE WHEN {words} THEN 2 ELSE 1 END`",) if type_name(value) == "BOOL" else ()
        expressions.diagnostics.add("E0314", "a weight is a number", sample.weight.span, label, by_case)
        raise WrongError
    try:
        return convert(value, Type.DOUBLE)
    except DoesNotFitError as reason:
        expressions.wrong("E0303", "the constant does not fit", bound, str(reason), "write a smaller weight")


@dataclass
class Sampled:
    """The seeds with which the relations of a recipe were sampled, those that FROM and set operations read included."""

    diagnostics: Diagnostics
    _named: dict[str, frozenset[str]] = field(default_factory=dict)

    def name(self, name: str, relation: nodes.Rel) -> None:
        """Note the relation of a stage or an imported recipe."""
        self._named[name] = frozenset(self._seeds(relation))

    def drawn(self, relation: nodes.Rel, what: Drawing, sample: ast.Sample) -> nodes.Rel:
        """Return a SAMPLE of a relation. Raises WrongError where that was already sampled with the seed."""
        if what.seed in self._seeds(relation):
            self._refuse(what.seed, sample)
        if what.percent is not None:
            return nodes.SampleShare(relation, what.percent, what.seed)
        assert what.count is not None
        return nodes.SampleRows(relation, what.count, what.seed, what.weight)

    def _seeds(self, relation: nodes.Rel) -> set[str]:
        # Left-deep chains of set operations are as long as the recipe.
        found: set[str] = set()
        waiting: list[nodes.Rel] = [relation]
        while waiting:
            rel = waiting.pop()
            if isinstance(rel, nodes.SampleShare | nodes.SampleRows):
                found.add(rel.seed)
            match rel:
                case nodes.PoolScan():
                    pass
                case nodes.Ref():
                    found |= self._named.get(rel.name, frozenset())
                case nodes.SetOperation():
                    waiting += (rel.left, rel.right)
                case _:
                    waiting.append(rel.input)
        return found

    def _refuse(self, seed: str, sample: ast.Sample) -> NoReturn:
        other = str(int(seed) + 1) if seed.isdecimal() and len(seed) < 19 else f"{seed} again"
        self.diagnostics.add(
            "E0406",
            f"already sampled with SEED {seed_text(seed)}",
            sample.span,
            "the hashes that this seed gives have chosen these samples already",
            (f"another seed draws anew: `SEED {seed_text(other)}`",),
        )
        raise WrongError
