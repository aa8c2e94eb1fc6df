"""How values come to one type (SEMANTICS §1 and §7)."""

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from dcql.catalog.types import Type
from dcql.plan import constants, nodes
from dcql.plan.constants import DoesNotFitError, Exact

MAX_CHOICES = 1_000


@dataclass(frozen=True, slots=True)
class Choice:
    """A constant chosen sample by sample: `CASE WHEN lang = 'en' THEN 0.28 ELSE 0.26 END`.

    As untyped and exact as the constants in it: against a FLOAT column it is a FLOAT.
    """

    branches: tuple[tuple[nodes.Expr, "Untyped"], ...]
    default: "Untyped"


Untyped: TypeAlias = Exact | Choice
Value: TypeAlias = nodes.Expr | Exact | Choice

HOLDS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def numeric_type(values: Iterable[Value]) -> Type:
    """Return the type in which numbers meet.

    INT with INT, and with whole constants, is INT; FLOAT with FLOAT, and with any constant, is FLOAT; everything else
    is DOUBLE. Constants alone are INT when all are whole, else DOUBLE.
    """
    values = list(values)
    types = {value.type for value in values if not isinstance(value, Untyped)}
    constants_ = [one for value in values if isinstance(value, Untyped) for one in each_constant(value)]
    whole = all(one.integral for one in constants_ if one.value is not None)
    if types == {Type.FLOAT}:
        return Type.FLOAT
    if types <= {Type.INT} and whole:
        return Type.INT
    return Type.DOUBLE


def convert(value: Value, type_: Type) -> nodes.Expr:
    """Return the value in `type_`, which it has or widens to.

    Raises DoesNotFitError for a constant that has no such value.
    """
    match value:
        case Exact():
            return nodes.Literal(None, type_) if value.value is None else constants.literal(value, type_)
        case Choice():
            branches = tuple((condition, convert(one, type_)) for condition, one in value.branches)
            return nodes.Case(branches, convert(value.default, type_), type_)
        case _:
            return value if value.type is type_ else nodes.Convert(value, type_)


def each_constant(value: Untyped) -> Iterator[Exact]:
    """Yield the constants in an untyped value."""
    if isinstance(value, Exact):
        yield value
        return
    for _, one in value.branches:
        yield from each_constant(one)
    yield from each_constant(value.default)


def is_null(value: Value) -> bool:
    """Return whether a value is NULL whatever the sample."""
    return isinstance(value, Untyped) and all(one.value is None for one in each_constant(value))


def choose(value: Untyped, function: Callable[[Exact], Untyped]) -> Untyped:
    """Replace each constant in a value. Raises DoesNotFitError where there are more than MAX_CHOICES."""
    if sum(1 for _ in each_constant(value)) > MAX_CHOICES:
        raise DoesNotFitError(f"it chooses among more than {MAX_CHOICES:,} constants")
    if isinstance(value, Exact):
        return function(value)
    branches = tuple((condition, choose(one, function)) for condition, one in value.branches)
    return Choice(branches, choose(value.default, function))


def choose_both(left: Untyped, right: Untyped, function: Callable[[Exact, Exact], Untyped]) -> Untyped:
    """Combine each constant of one value with each of another. Raises DoesNotFitError where there are too many."""
    return choose(left, lambda a: choose(right, lambda b: function(a, b)))


def test(value: Untyped, function: Callable[[Exact], bool | None]) -> nodes.Expr:
    """Return whether a constant passes a test, as BOOL."""
    if isinstance(value, Exact):
        return nodes.Literal(function(value), Type.BOOL)
    branches = tuple((condition, test(one, function)) for condition, one in value.branches)
    return nodes.Case(branches, test(value.default, function), Type.BOOL)


def compare_constants(op: str, left: Untyped, right: Untyped) -> nodes.Expr:
    """Compare two untyped values exactly. Raises DoesNotFitError where they choose among too many constants."""

    def holds(a: Exact, b: Exact) -> Exact:
        if a.value is None or b.value is None:
            return Exact(None)
        return Exact(Fraction(HOLDS[op](a.value, b.value)))

    return test(choose_both(left, right, holds), lambda one: None if one.value is None else bool(one.value))


def combine_constants(name: str, values: list[Untyped]) -> Untyped:
    """Return coalesce, least or greatest of untyped values. Raises DoesNotFitError for too many constants."""

    def both(a: Exact, b: Exact) -> Exact:
        if name == "coalesce":
            return b if a.value is None else a
        if a.value is None or b.value is None:
            return Exact(None)
        return Exact(min(a.value, b.value) if name == "least" else max(a.value, b.value))

    result = values[0]
    for value in values[1:]:
        result = choose_both(result, value, both)
    return result


def type_name(value: Value) -> str:
    """Name a value's type as messages do."""
    if isinstance(value, Untyped):
        return "NULL" if is_null(value) else "a number"
    return value.type.value


def mixes(a: str, b: str) -> bool:
    """Return whether values of two types, as `type_name` names them, can meet."""
    numbers = ("a number", "INT", "FLOAT", "DOUBLE")
    return a == b or "NULL" in (a, b) or (a in numbers and b in numbers)


def mix_help(a: str, b: str) -> tuple[str, ...]:
    """Return a help line for two types that do not mix."""
    if "TEXT" in (a, b) and "BOOL" not in (a, b):
        return ("nothing is converted: text is written in quotes, `'2'`, a number without, `2`",)
    if "BOOL" in (a, b):
        return ("compare truth values with TRUE or FALSE",)
    return ()


def negated(expr: nodes.Expr, negate: bool) -> nodes.Expr:
    """Return `expr`, or NOT of it."""
    return nodes.Not(expr) if negate else expr
