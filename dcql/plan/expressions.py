"""Expressions: names to columns, literals to types, one node a meaning.

Every expression resolves to a typed node, or to an untyped constant (`Exact`, or `Choice` where conditions choose it)
that takes the type of what it meets.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ParamSpec, Protocol, TypeVar

from dcql.catalog.functions import FUNCTIONS, Function, Kind
from dcql.catalog.types import Type
from dcql.plan import constants, nodes
from dcql.plan.coerce import (
    Choice,
    Untyped,
    Value,
    choose,
    choose_both,
    combine_constants,
    convert,
    is_null,
    mix_help,
    mixes,
    negated,
    numeric_type,
    test,
    type_name,
)
from dcql.plan.comparisons import compare, equal_to, refuse_bare
from dcql.plan.constants import DoesNotFitError, Exact
from dcql.plan.faults import WrongError, all_faults
from dcql.plan.features import feature_node, usable_feature
from dcql.plan.lookup import MAX_DEPTH, Bound, Lookup
from dcql.plan.membership import in_name, require_uid
from dcql.plan.order_statistics import misplaced_quantile, named_statistic
from dcql.plan.patterns import MAX_PATTERN, TOO_LONG, check_pattern
from dcql.plan.scope import FeatureEntry, Scope
from dcql.source import Span
from dcql.syntax import ast

P = ParamSpec("P")
T = TypeVar("T")

_LARGEST: dict[Type, tuple[str, ...]] = {
    Type.INT: (f"the largest INT is {constants.INT_MAX}",),
    Type.FLOAT: ("the largest FLOAT is 3.4028235e38",),
    Type.DOUBLE: ("the largest DOUBLE is 1.7976931348623157e308",),
}

MAX_NODES = 50_000


class QueryResolver(Protocol):
    """What expressions need of queries."""

    def inner(self, query: ast.Query, scope: Scope) -> nodes.Rel:
        """Resolve the query of an `IN (SELECT ..)`. Raises WrongError."""
        ...

    def reference(self, ref: nodes.Ref) -> nodes.Rel:
        """Return the relation that stands for a stage or an imported recipe."""
        ...


@dataclass(kw_only=True)
class Expressions(Lookup):
    """Resolves the expressions of one recipe.

    `population` is what a bare q ranges over: the relation of the SELECT that it stands in, None where q needs an OF,
    with `population_reason` saying why. `queries` resolves a query inside IN. `embeddings` lets a command ask whether a
    sample has a vector.
    """

    queries: QueryResolver
    population: nodes.Rel | None = None
    population_reason: str = ""
    quantiles_allowed: bool = True
    count: int = 0
    depth: int = 0
    embeddings: bool = False
    _features: dict[str, nodes.Feature | None] = field(default_factory=dict)
    sides: tuple[ast.Expr, ...] = ()  # of the innermost comparison that is being resolved
    top: Span | None = None  # the outermost expression that is being resolved

    # --- entry points -------------------------------------------------------------------------------------------------

    def predicate(self, bound: Bound, place: str) -> nodes.Expr:
        """Resolve an expression that must be BOOL. Raises WrongError."""
        return self.of_type(bound, Type.BOOL, place)

    def key(self, bound: Bound, place: str) -> nodes.Expr:
        """Resolve an expression that may have any type but must not be a constant. Raises WrongError."""
        value = self.resolve(bound)
        if isinstance(value, Choice):
            return self._settled(bound, value)
        if isinstance(value, Exact | nodes.Literal):
            quoted = isinstance(bound.expr, ast.Text) and bound.expr.value in bound.scope.values()
            help_ = f"a name takes no quotes: `{bound.expr.span.text[1:-1]}`" if quoted else "name a column"
            self.wrong("E0304", f"{place} is a constant", bound, "the same for every sample", help_)
        return value

    def constant(self, bound: Bound, place: str) -> Exact:
        """Resolve an expression over literals and PARAMs to an exact number. Raises WrongError."""
        value = self.resolve(bound)
        if isinstance(value, Exact) and value.value is not None:
            return value
        if isinstance(value, nodes.Literal):
            help_ = "a number is written without quotes" if value.type is Type.TEXT else "write a number"
            self.wrong("E0301", f"{place} is {value.type.value}", bound, "must be a number", help_)
        self.wrong(
            "E0305",
            f"{place} is NULL" if isinstance(value, Exact) else f"{place} is not a constant",
            bound,
            "must be a number made of literals and PARAMs",
            "write a number, or `PARAM keep DEFAULT 0.3;` and `keep`",
        )

    def conjuncts(self, bound: Bound) -> list[Bound]:
        """Return the operands of a top-level AND, or the expression itself; a DEFINE stays whole."""
        if isinstance(bound.expr, ast.And):
            return [self.inside(bound, operand) for operand in bound.expr.operands]
        return [bound]

    @contextmanager
    def without_quantiles(self) -> Iterator[None]:
        """Allow no q for as long as something is resolved."""
        allowed, self.quantiles_allowed = self.quantiles_allowed, False
        try:
            yield
        finally:
            self.quantiles_allowed = allowed

    # --- the walk -----------------------------------------------------------------------------------------------------

    def resolve(self, bound: Bound) -> Value:
        """Resolve any expression but a bare q. Raises WrongError after recording every fault inside."""
        outside = self.place
        if not bound.scope.is_library:
            self.place = bound.expr.span
        if self.depth == 0:
            self.top = bound.expr.span
        self.count += 1
        self.depth += 1
        try:
            self._check_size()
            return self._resolve(bound)
        finally:
            self.depth -= 1
            self.place = outside

    def _check_size(self) -> None:
        """Raise WrongError where a recipe has grown too large; what is said once holds for all that follows."""
        assert self.top is not None
        if self.count == MAX_NODES + 1:
            self.wrong_at(
                "E0501",
                f"the recipe has more than {MAX_NODES:,} terms once every DEFINE is written out",
                self.top,
                "the limit is passed here",
                "name a part of it as a stage: `WITH part AS (SELECT uid FROM pool WHERE ..)`",
                "a long list of values belongs in a file: `SET s FROM 'values.txt' SHA256 '..';`",
            )
        if self.count > MAX_NODES:
            raise WrongError
        if self.depth > MAX_DEPTH:
            self.wrong_at(
                "E0502",
                f"nested more than {MAX_DEPTH} deep once every DEFINE is written out",
                self.top,
                "this expression",
                "name a part of it as a stage: `WITH part AS (SELECT uid FROM pool WHERE ..)`",
            )

    def _resolve(self, bound: Bound) -> Value:
        expr = bound.expr
        match expr:
            case ast.Number():
                return self._number(expr, bound)
            case ast.Text():
                return nodes.Literal(expr.value, Type.TEXT)
            case ast.Boolean():
                return nodes.TRUE if expr.value else nodes.FALSE
            case ast.Null():
                return Exact(None)
            case ast.Name():
                if (feature := self.feature_named(bound)) is not None:
                    return usable_feature(self, self.feature(*feature), bound)
                body = self.body(bound)
                if body is None:
                    return self.named(expr, bound)
                self.refuse_circle(expr, body, bound)
                return self.resolve(body)
            case ast.Call():
                return self._call(expr, bound)
            case ast.Negate():
                return self._arithmetic("-", Exact(Fraction(0)), self.numeric(self.inside(bound, expr.operand)), bound)
            case ast.Arithmetic():
                result = self.numeric(self.inside(bound, expr.first))
                for op, operand in expr.rest:
                    result = self._arithmetic(op, result, self.numeric(self.inside(bound, operand)), bound)
                return result
            case ast.Compare():
                return compare(self, expr.op, self.inside(bound, expr.left), self.inside(bound, expr.right), expr.span)
            case ast.Between():
                subject = self.inside(bound, expr.subject)
                refuse_bare(self, subject)
                with all_faults() as attempt:
                    low = attempt(compare, self, ">=", subject, self.inside(bound, expr.low), expr.span)
                    high = attempt(compare, self, "<=", subject, self.inside(bound, expr.high), expr.span)
                return negated(nodes.And((low(), high())), expr.negated)
            case ast.Like():
                with all_faults() as attempt:
                    text = attempt(self.of_type, self.inside(bound, expr.subject), Type.TEXT, "LIKE")
                    like = attempt(self.of_type, self.inside(bound, expr.pattern), Type.TEXT, "LIKE")
                pattern = like()
                if isinstance(pattern, nodes.Literal) and len(str(pattern.value)) > MAX_PATTERN:
                    where = self.inside(bound, expr.pattern)
                    self.wrong("E0307", "a pattern that is too long", where, TOO_LONG, "test its parts")
                return negated(nodes.Like(text(), pattern), expr.negated)
            case ast.IsNull():
                value = self.resolve(self.inside(bound, expr.subject))
                if isinstance(value, Untyped):
                    return test(value, lambda one: (one.value is None) != expr.negated)
                return negated(nodes.IsNull(value), expr.negated)
            case ast.InList():
                subject = self.inside(bound, expr.subject)
                refuse_bare(self, subject)
                with all_faults() as attempt:
                    tests = [
                        attempt(equal_to, self, subject, self.inside(bound, item), expr.span) for item in expr.items
                    ]
                found = tuple(test() for test in tests)
                return negated(nodes.Or(found) if len(found) > 1 else found[0], expr.negated)
            case ast.InName():
                return negated(in_name(self, expr, bound), expr.negated)
            case ast.InQuery():
                require_uid(self, self.inside(bound, expr.subject), "a SELECT")
                return negated(nodes.InRelation(self.queries.inner(expr.query, bound.scope)), expr.negated)
            case ast.Not():
                return nodes.Not(self.of_type(self.inside(bound, expr.operand), Type.BOOL, "NOT"))
            case ast.And() | ast.Or():
                word = "AND" if isinstance(expr, ast.And) else "OR"
                with all_faults() as attempt:
                    parts = [attempt(self.of_type, self.inside(bound, part), Type.BOOL, word) for part in expr.operands]
                operands = tuple(part() for part in parts)
                return nodes.And(operands) if word == "AND" else nodes.Or(operands)
            case ast.Case():
                return self._case(expr, bound)
            case ast.Quantile(expr=None):
                return misplaced_quantile(self, bound)
            case ast.Quantile():
                return named_statistic(self, bound)

    def feature(self, entry: FeatureEntry, name: str) -> nodes.Feature:
        """Return the column that a FEATURE stands for, which may be a vector. Raises WrongError."""
        if name not in self._features:
            self._features[name] = None  # where it is wrong, that is said once
            self._features[name] = feature_node(self, entry, name)
        known = self._features[name]
        if known is None:
            raise WrongError
        return known

    def _placed(self, bound: Bound) -> tuple[Bound, Value]:
        return bound, self.resolve(bound)

    def _number(self, expr: ast.Number, bound: Bound) -> Exact:
        if expr.value and abs(expr.value.adjusted()) > constants.MAX_EXPONENT:
            self.wrong(
                "E0303", "the number fits no type", bound, "its exponent is beyond any DOUBLE", "write another number"
            )
        return Exact(Fraction(expr.value))

    # --- names and calls ----------------------------------------------------------------------------------------------

    def _call(self, expr: ast.Call, bound: Bound) -> Value:
        body = self.body(bound)
        if body is not None:
            self.refuse_circle(expr, body, bound)
            return self.resolve(body)
        entry = self.define(expr.name, bound.scope)
        if entry is not None:
            self.wrong_arguments(entry.define, expr)
        function = FUNCTIONS.get(expr.name)
        if function is None:
            self.unknown_function(expr, bound)
        fewest = len(function.parameters)
        given = len(expr.arguments)
        if given < fewest or (given > fewest and not function.variadic):
            count = f"at least {fewest}" if function.variadic else str(fewest)
            self.wrong_at(
                "E0302",
                f"`{function.name}` takes {count} argument{'s' if fewest != 1 else ''}, {given} given",
                expr.span,
                function.summary,
                f"write `{function.usage}`",
            )
        return self._apply(function, expr, bound)

    def _apply(self, function: Function, expr: ast.Call, bound: Bound) -> Value:
        with all_faults() as attempt:
            parts = [attempt(self._placed, self.inside(bound, a)) for a in expr.arguments]
        given = [part() for part in parts]
        if Kind.COMMON in function.parameters:
            untyped = [value for _, value in given if isinstance(value, Untyped)]
            if len(untyped) == len(given):
                return self.fitting(bound, combine_constants, function.name, untyped)
            type_, values = self.common(given, function.name)
            if function.name in ("least", "greatest") and not type_.numeric:
                label = f"`{function.name}` takes numbers"
                self.wrong_at("E0301", f"{type_.value} where a number belongs", expr.span, label)
            return nodes.Call(function.name, values, type_)
        arguments: list[nodes.Expr] = []
        for parameter, (place, value) in zip(function.parameters, given, strict=True):
            match parameter:
                case Kind.NUMERIC:
                    if isinstance(value, Untyped):
                        return self.fitting(bound, choose, value, _absolute)
                    if not value.type.numeric:
                        label = f"`{function.name}` takes a number"
                        self.wrong("E0301", f"{value.type.value} where a number belongs", place, label)
                    arguments.append(value)
                case Kind.PATTERN:
                    if not (isinstance(value, nodes.Literal) and isinstance(value.value, str)):
                        self.wrong(
                            "E0306",
                            "the pattern is not a text literal",
                            place,
                            "must be written out",
                            "for a text that differs from sample to sample, write `contains(text, part)`",
                        )
                    problem = check_pattern(value.value)
                    if problem is not None:
                        help_ = "RE2 has no look-around and no back-references: github.com/google/re2/wiki/Syntax"
                        self.wrong("E0307", "not a pattern that RE2 reads", place, problem, help_)
                    arguments.append(value)
                case Type():
                    arguments.append(self._as_type(value, parameter, place, f"`{function.name}`"))
        result = arguments[0].type if isinstance(function.result, Kind) else function.result
        return nodes.Call(function.name, tuple(arguments), result)

    # --- arithmetic and types -----------------------------------------------------------------------------------------

    def _arithmetic(self, op: str, left: Value, right: Value, bound: Bound) -> Value:
        try:
            if isinstance(left, Untyped) and isinstance(right, Untyped):
                return choose_both(left, right, lambda a, b: constants.combine(op, a, b))
            type_ = numeric_type([left, right])
            computed = Type.DOUBLE if op == "/" and type_ is Type.INT else type_
            return nodes.Arithmetic(op, convert(left, computed), convert(right, computed), computed)
        except DoesNotFitError as reason:
            self.wrong("E0303", "the constant does not fit", bound, str(reason), "write the result, rounded")

    def numeric(self, bound: Bound, label: str = "arithmetic takes numbers") -> Value:
        value = self.resolve(bound)
        if isinstance(value, Untyped) or value.type.numeric:
            return value
        helps = ("a number is written without quotes",) if isinstance(value, nodes.Literal) else ()
        self.wrong("E0301", f"{value.type.value} where a number belongs", bound, label, *helps)

    def _case(self, expr: ast.Case, bound: Bound) -> Value:
        with all_faults() as attempt:
            conditions = [attempt(self.of_type, self.inside(bound, c), Type.BOOL, "WHEN") for c, _ in expr.branches]
            written = [v for _, v in expr.branches] + ([expr.default] if expr.default is not None else [])
            values = [attempt(self._placed, self.inside(bound, v)) for v in written]
        given = [value() for value in values]
        if expr.default is None:
            given.append((bound, Exact(None)))
        untyped = [value for _, value in given if isinstance(value, Untyped)]
        if len(untyped) == len(given) and not all(is_null(value) for value in untyped):
            return Choice(tuple((c(), value) for c, value in zip(conditions, untyped, strict=False)), untyped[-1])
        type_, typed = self.common(given, "CASE")
        branches = tuple((condition(), value) for condition, value in zip(conditions, typed, strict=False))
        return nodes.Case(branches, typed[-1], type_)

    def common(self, given: list[tuple[Bound, Value]], what: str) -> tuple[Type, tuple[nodes.Expr, ...]]:
        """Bring values to one type: that of the typed ones; constants follow by the literal rules."""
        types = {value.type for _, value in given if not isinstance(value, Untyped)}
        numbers = any(isinstance(value, Untyped) and not is_null(value) for _, value in given)
        others = {type_ for type_ in types if not type_.numeric}
        if len(others) > 1 or (others and (numbers or len(types) > 1)):
            first_place, first = given[0]
            for place, value in given[1:]:
                a, b = type_name(first), type_name(value)
                if not mixes(a, b):
                    self.wrong(
                        "E0301", f"{a} and {b} do not mix", place, f"this is {b}, the other {a}", *mix_help(a, b)
                    )
            self.wrong("E0301", f"the values of {what} have several types", first_place, "they must share one")
        try:
            type_ = others.pop() if others else numeric_type([value for _, value in given])
        except DoesNotFitError as reason:
            self.wrong("E0303", "the constant does not fit", given[0][0], str(reason))
        typed: list[nodes.Expr] = []
        for place, value in given:
            try:
                typed.append(convert(value, type_))
            except DoesNotFitError as reason:
                self.wrong("E0303", f"the constant does not fit {type_.value}", place, str(reason), *_LARGEST[type_])
        return type_, tuple(typed)

    def _settled(self, bound: Bound, value: Choice) -> nodes.Expr:
        """Return a chosen constant that meets nothing: INT where all its constants are whole, else DOUBLE."""
        return self.fitting(bound, convert, value, numeric_type([value]))

    def fitting(self, bound: Bound, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function of constants. Raises WrongError where a constant does not fit."""
        try:
            return function(*args, **kwargs)
        except DoesNotFitError as reason:
            self.wrong("E0303", "the constant does not fit", bound, str(reason), "write the result, rounded")

    def of_type(self, bound: Bound, type_: Type, what: str) -> nodes.Expr:
        """Resolve an expression that must have a type; `what` takes it. Raises WrongError."""
        return self._as_type(self.resolve(bound), type_, bound, what)

    def _as_type(self, value: Value, type_: Type, bound: Bound, what: str) -> nodes.Expr:
        if is_null(value):
            return convert(value, type_)
        if type_.numeric and isinstance(value, Untyped):
            return self.fitting(bound, convert, value, type_)
        if isinstance(value, Untyped) or value.type is not type_:
            found = type_name(value)
            helps = self._type_help(type_, found, bound)
            self.wrong("E0301", f"{found} where {type_.value} belongs", bound, f"{what} takes {type_.value}", *helps)
        return value

    def _type_help(self, wanted: Type, found: str, bound: Bound) -> tuple[str, ...]:
        written = " ".join(bound.expr.span.text.split())
        short = "x" if len(written) > 40 or (isinstance(bound.expr, ast.Number) and wanted is Type.BOOL) else written
        if wanted is Type.BOOL and found == "TEXT":
            return (f"write a comparison, such as `{short} = 'photo'`",) if short[0] != "'" else ("write a comparison",)
        if wanted is Type.BOOL:
            return (f"write a comparison, such as `{short} > 0`",)
        if wanted is Type.TEXT and isinstance(bound.expr, ast.Number):
            return (f"text is written in quotes: `'{short}'`",)
        return ()

    # --- faults -------------------------------------------------------------------------------------------------------


def _absolute(one: Exact) -> Exact:
    return Exact(None if one.value is None else abs(one.value))
