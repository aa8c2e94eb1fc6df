"""Types, typed expressions, and the literal rules (SEMANTICS §1, §7).

INT is a Python int, FLOAT a Python float that holds a float32 exactly, DOUBLE a float, TEXT a str, BOOL
a bool, NULL is None. NUMBER is the type of constants that have met no column yet: an exact Fraction.
"""

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from .errors import OracleError
from .numeric import in_int64, nearest_float32, nearest_float64

Value = int | float | str | bool | Fraction | None
NUMERIC = {"INT", "FLOAT", "DOUBLE", "NUMBER"}


@dataclass(frozen=True, slots=True)
class Sample:
    uid: bytes
    values: dict[str, Value]


NO_SAMPLE = Sample(b"", {})


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression whose names are resolved: its type, and its value on a sample."""

    type: str  # INT FLOAT DOUBLE TEXT BOOL NUMBER NULL
    of: Callable[[Sample], Value]
    constant: bool = False
    numbers: frozenset[Fraction] = frozenset()  # of a NUMBER: every value it may take
    is_uid: bool = False

    @property
    def value(self) -> Value:
        """The value of a constant."""
        return self.of(NO_SAMPLE)


def constant(type_: str, value: Value) -> Typed:
    numbers = frozenset([value]) if isinstance(value, Fraction) else frozenset[Fraction]()
    return Typed(type_, lambda _: value, constant=True, numbers=numbers)


def common_type(operands: Iterable[Typed], what: str) -> str:
    """The type that operands meet in; raises E03.

    FLOAT with FLOAT is FLOAT; INT with FLOAT, and anything with DOUBLE, is DOUBLE. A constant takes the type
    of the others, but a constant that is not integral makes INT a DOUBLE. Constants alone stay exact.
    """
    operands = list(operands)
    types = {operand.type for operand in operands} - {"NULL"}
    if not types:
        return "NULL"
    if len(types) == 1:
        return types.pop()
    if not types <= NUMERIC:
        raise OracleError("E03", f"{what}: {' and '.join(sorted(types))} have no common type")
    types -= {"NUMBER"}
    if types == {"INT"}:
        whole = all(number.denominator == 1 for operand in operands for number in operand.numbers)
        return "INT" if whole else "DOUBLE"
    return "FLOAT" if types == {"FLOAT"} else "DOUBLE"


def convert_number(number: Fraction, type_: str) -> Value:
    """Give a constant a type: whole for INT, else the nearest; raises E03 when it does not fit."""
    result: Value
    if type_ == "INT":
        result = int(number) if in_int64(int(number)) else None
    elif type_ == "FLOAT":
        result = nearest_float32(number)
    else:
        result = nearest_float64(number)
    if result is None:
        raise OracleError("E03", f"the number {float_text(number)} does not fit {type_}")
    return result


def float_text(number: Fraction) -> str:
    return str(number) if len(str(number)) < 40 else str(number)[:40] + ".."


def converted(operand: Typed, type_: str) -> Callable[[Sample], Value]:
    """Return the operand's value function in a type that common_type gave for it."""
    of = operand.of
    if operand.type == type_ or operand.type == "NULL":
        return of
    if operand.type == "NUMBER":
        table = {number: convert_number(number, type_) for number in operand.numbers}
        if operand.constant:
            fixed = table[operand.value] if isinstance(operand.value, Fraction) else None
            return lambda _: fixed

        def from_number(sample: Sample) -> Value:
            number = of(sample)
            return table[number] if isinstance(number, Fraction) else None

        return from_number
    if operand.type == "INT" and type_ == "DOUBLE":

        def from_int(sample: Sample) -> Value:
            value = of(sample)
            return float(value) if isinstance(value, int) else None

        return from_int
    return of  # FLOAT to DOUBLE: the same Python float


COMPARE: dict[str, Callable[..., bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(sign: str, left: Value, right: Value) -> bool | None:
    """Compare two values of one type; NULL when either is. Text goes by code point, as in Python."""
    return None if left is None or right is None else COMPARE[sign](left, right)


def both(values: Iterable[Value]) -> bool | None:
    """AND of three-valued logic."""
    known = list(values)
    return False if False in known else None if None in known else True


def either(values: Iterable[Value]) -> bool | None:
    """OR of three-valued logic."""
    known = list(values)
    return True if True in known else None if None in known else False


def negation(value: Value) -> bool | None:
    return None if value is None else not value
