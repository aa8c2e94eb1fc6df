"""How values come to one type (SEMANTICS §1 and §7)."""

import operator
from collections.abc import Callable, Iterable
from fractions import Fraction

from dcql.catalog.types import Type
from dcql.plan import constants, nodes
from dcql.plan.constants import Exact

Value = nodes.Expr | Exact

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
    types = {value.type for value in values if not isinstance(value, Exact)}
    whole = all(value.integral for value in values if isinstance(value, Exact) and value.value is not None)
    if types == {Type.FLOAT}:
        return Type.FLOAT
    if types <= {Type.INT} and whole:
        return Type.INT
    return Type.DOUBLE


def convert(value: Value, type_: Type) -> nodes.Expr:
    """Return the value in `type_`, which it has or widens to.

    Raises DoesNotFitError for a constant that has no such value.
    """
    if isinstance(value, Exact):
        return nodes.Literal(None, type_) if value.value is None else constants.literal(value, type_)
    return value if value.type is type_ else nodes.Convert(value, type_)


def type_name(value: Value) -> str:
    """Name a value's type as messages do."""
    if isinstance(value, Exact):
        return "NULL" if value.value is None else "a number"
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
