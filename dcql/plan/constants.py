"""Constants: exact and untyped until they meet a column (SEMANTICS §7)."""

import math
import re
import struct
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation, localcontext
from fractions import Fraction

from dcql.catalog.types import Type
from dcql.plan.nodes import Literal

# Beyond these a constant is a mistake or an attack: no double needs more.
MAX_EXPONENT = 400
MAX_BITS = 14_000  # 4,214 digits: within what Python turns into text

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Exact:
    """An untyped number, exact; None is the untyped NULL."""

    value: Fraction | None

    @property
    def integral(self) -> bool:
        """Whether it is a whole number, however it was written: `2.0` is."""
        return self.value is not None and self.value.denominator == 1


class DoesNotFitError(ValueError):
    """The constant has no value of the type; the message says why."""


def shown(value: Fraction) -> str:
    """Write an exact number of any size for a message, with six digits."""
    with localcontext(prec=6):
        return f"{Decimal(value.numerator) / Decimal(value.denominator):g}"


def read_number(text: str) -> Exact:
    """Return the number that `text` holds, written as in a recipe, with a sign before it if need be.

    Raises ValueError for other text, and for a number beyond MAX_EXPONENT, which would take long to write out.
    """
    if len(text) > MAX_EXPONENT or not NUMBER.fullmatch(text):
        raise ValueError("not a number")
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent of more digits than Decimal has
        raise ValueError("out of range") from None
    if number and abs(number.adjusted()) > MAX_EXPONENT:
        raise ValueError("out of range")
    return Exact(Fraction(number))


def literal(exact: Exact, type_: Type) -> Literal:
    """Return the constant as a literal of a numeric type: the nearest value, ties to even.

    Raises DoesNotFitError where the type has no such value: too large, or a fraction for INT.
    """
    value = exact.value
    if value is None:
        return Literal(None, type_)
    match type_:
        case Type.INT:
            if value.denominator != 1 or not INT_MIN <= value.numerator <= INT_MAX:
                raise DoesNotFitError("not a whole number of 64 bits")
            return Literal(value.numerator, Type.INT)
        case Type.DOUBLE:
            return Literal(_nearest_double(value), Type.DOUBLE)
        case Type.FLOAT:
            return Literal(_nearest_float(value), Type.FLOAT)
        case _:
            raise DoesNotFitError(f"a number is no {type_.value}")


def _nearest_double(value: Fraction) -> float:
    try:
        return value.numerator / value.denominator  # correctly rounded for integers of any size
    except OverflowError:
        raise DoesNotFitError("too large") from None


def _nearest_float(value: Fraction) -> float:
    """Return the nearest binary32, ties to even, never rounding to binary64 first."""
    near = _nearest_double(value)
    try:
        guess = _unpack(_bits(near))
    except OverflowError:
        guess = math.copysign(_unpack(0x7F7FFFFF), near)
    # Rounding twice can miss by one step, so the neighbours are compared exactly.
    bits = _bits(guess)
    sign, magnitude = bits & 0x80000000, bits & 0x7FFFFFFF
    steps = [step for step in (magnitude - 1, magnitude, magnitude + 1) if 0 <= step <= 0x7F7FFFFF]

    def distance(step: int) -> tuple[Fraction, int]:
        return abs(Fraction(_unpack(sign | step)) - value), step & 1

    best = min(steps, key=distance)
    half_step_beyond_largest = Fraction(2**128 - 2**103)
    if abs(value) >= half_step_beyond_largest:
        raise DoesNotFitError("too large")
    return _unpack(sign | best)


def _bits(value: float) -> int:
    return int(struct.unpack("<I", struct.pack("<f", value))[0])


def _unpack(bits: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])


def combine(op: str, left: Exact, right: Exact) -> Exact:
    """Return `left op right` exactly; NULL where an operand is NULL or the divisor is 0; % has the dividend's sign.

    Raises DoesNotFitError where the result needs more than MAX_BITS.
    """
    a, b = left.value, right.value
    if a is None or b is None:
        return Exact(None)
    match op:
        case "+":
            result = a + b
        case "-":
            result = a - b
        case "*":
            result = a * b
        case "/" | "%" if b == 0:
            return Exact(None)
        case "/":
            result = a / b
        case "%":
            quotient = abs(a) // abs(b)
            result = a - b * (quotient if (a < 0) == (b < 0) else -quotient)
        case _:
            raise AssertionError(op)
    if max(result.numerator.bit_length(), result.denominator.bit_length()) > MAX_BITS:
        raise DoesNotFitError("it needs thousands of digits")
    return Exact(result)
