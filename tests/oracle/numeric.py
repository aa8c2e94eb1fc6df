"""Exact constants, the nearest float32 and float64, and arithmetic that gives NULL and never raises."""

import math
from fractions import Fraction
from functools import lru_cache

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


@lru_cache(maxsize=100_000)
def nearest_float32(exact: Fraction) -> float | None:
    """Round to the nearest float32, ties to even, by no way of float64; None when it would be infinite.

    The result is a Python float that holds the float32 exactly.
    """
    if exact == 0:
        return 0.0
    size = abs(exact)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    # Here 2^exponent <= size < 2^(exponent + 1). Below 2^-126 the step no longer shrinks (subnormal numbers).
    step = Fraction(2) ** (max(exponent, -126) - 23)
    rounded = round(exact / step) * step  # round() of a Fraction takes ties to even
    return None if abs(rounded) >= Fraction(2) ** 128 else float(rounded)


def nearest_float64(exact: Fraction) -> float | None:
    """Round to the nearest float64, ties to even; None when it would be infinite."""
    try:
        return exact.numerator / exact.denominator + 0.0  # int / int is correctly rounded; -0.0 becomes 0
    except OverflowError:
        return None


def in_int64(value: int) -> bool:
    return INT_MIN <= value <= INT_MAX


def exactly(operator: str, left: Fraction, right: Fraction) -> Fraction | None:
    """Compute without rounding; division by zero is None; % takes the sign of the dividend."""
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if right == 0:
        return None
    if operator == "/":
        return left / right
    return left - right * math.trunc(left / right)


# An expression is asked of a sample by each clause, threshold and order that it stands in.
@lru_cache(maxsize=100_000)
def int_arithmetic(operator: str, left: int, right: int) -> int | None:
    """INT with INT for + - * %; overflow is None."""
    exact = exactly(operator, Fraction(left), Fraction(right))
    return None if exact is None or not in_int64(int(exact)) else int(exact)


@lru_cache(maxsize=100_000)
def float_arithmetic(operator: str, left: float, right: float, type_: str) -> float | None:
    """FLOAT with FLOAT or DOUBLE with DOUBLE; an infinite or NaN result and division by zero are None."""
    if math.isinf(left) or math.isinf(right):
        # A pool may hold infinity. Only two operations on it are finite.
        if operator == "/" and not math.isinf(left):
            return 0.0
        if operator == "%" and not math.isinf(left):
            return left
        return None
    exact = exactly(operator, Fraction(left), Fraction(right))
    if exact is None:
        return None
    return nearest_float32(exact) if type_ == "FLOAT" else nearest_float64(exact)
