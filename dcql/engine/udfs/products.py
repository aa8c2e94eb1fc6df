"""Inner products that do not depend on the machine: float64 in a fixed order, and exact where that cannot decide.

A sum in float32 or float64 depends on the order of its terms, so on the BLAS, the number of threads, the size of the
batch and the device. Here a product is computed three ways, each only where the one before leaves a doubt:

    float32   `search`, by matrix multiplication: which rows come into question, with a bound on the error
    float64   `in_double`: pair by pair, in one order, so that batches cannot matter, with a bound on the error
    exact     `sign_of_difference`, `rounded`: products of float16 and float32 are float64 without error, and math.fsum
              rounds their sum correctly; float64 goes through fractions
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.engine.embeddings import to_float32
from dcql.engine.udfs.scratch import scratch

SINGLE = 2.0**-24  # the unit roundoff of float32
DOUBLE = 2.0**-53  # and of float64
HALF_STEP = 2.0**-15  # half a step of the grid that scores are stored on
_MILD = 30  # rows with a largest value from 2^-30 to 2^30 need no scaling
_BLOCK = 128  # pairs in work at a time, so that they stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Rows:
    """Vectors made ready for all three kinds of product; n rows of d values.

    `stored` is as given, with zeros in the rows that are not finite. `narrow` (n, d) float32 goes into matrix
    multiplication: rows too large or small for float32 are scaled by powers of two. `wide` (n, d) is what `in_double`
    reads: float32 as stored, or float64 scaled by 2^-`shift`. `lengths` (n,) float64 bounds the Euclidean norm of
    `narrow`'s rows from above, for the longest of rows that are scaled together and for each of the others; `reach`
    (n,) bounds that of `wide`'s. `finite` (n,) says which rows hold neither NaN nor infinity.
    """

    stored: NDArray[Any]
    narrow: NDArray[np.float32]
    wide: NDArray[Any]
    shift: NDArray[np.int64]
    lengths: NDArray[np.float64]
    reach: NDArray[np.float64]
    finite: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.stored)


def prepare(vectors: NDArray[Any], together: bool = False, out: NDArray[np.float32] | None = None) -> Rows:
    """Return vectors (n, d) of float16, float32 or float64 as Rows; `together` scales all rows by one power of two.

    `out` (n, d) is memory for them as float32.
    """
    double = vectors.dtype == np.float64
    work = vectors if double else to_float32(vectors, out)
    none = np.zeros(len(vectors), np.int64)
    if vectors.dtype == np.float16:
        # Squares and sums of float16 are well inside of float32's range: the lengths say all there is to know.
        lengths = _lengths(work)
        finite = np.isfinite(lengths)
        if not finite.all():
            vectors = vectors.copy()
            vectors[~finite], work[~finite], lengths[~finite] = 0, 0, 0
        return Rows(vectors, work, work, none, lengths, lengths, finite)
    largest = np.maximum(work.max(1, initial=0), -work.min(1, initial=0)).astype(np.float64)
    finite = np.isfinite(largest)
    if not finite.all():
        vectors, work = vectors.copy(), work.copy()
        vectors[~finite], work[~finite], largest[~finite] = 0, 0, 0
    # Not by the sum of squares, which would be zero where small values' squares are.
    reach = largest * (math.sqrt(work.shape[1]) * (1 + 4 * DOUBLE))
    if together:
        largest = np.full(len(work), largest.max(initial=0))
    exponent = np.frexp(largest)[1].astype(np.int64)
    shift = np.where((largest > 0) & (abs(exponent) > _MILD), exponent, 0)
    scaled = work
    if shift.any():
        # In two steps, since a power of two that undoes the smallest values is itself too large.
        half = shift // 2
        scaled = work * np.ldexp(work.dtype.type(1), -half)[:, None]
        scaled *= np.ldexp(work.dtype.type(1), half - shift)[:, None]
    narrow = to_float32(scaled) if double else scaled
    if not double:
        return Rows(vectors, narrow, work, none, _lengths(narrow), reach, finite)
    return Rows(vectors, narrow, scaled, shift, _lengths(narrow), np.ldexp(reach, -shift), finite)


def _lengths(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    squares = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
    return np.asarray(np.sqrt(squares) * (1 + _gamma(rows.shape[1], SINGLE)))


def single_bound(d: int) -> float:
    """Return b with |float32 product of `narrow` rows - the exact one| <= b * (length of one) * (length of the other).

    A sum of d products in any order, with or without fused operations, is off by at most gamma(d) times the sum of
    their sizes, which the lengths bound. Eight more roundings cover the values' own and results below float32's range:
    a row that is not all zero has a length of at least 2^-31, beside which those are nothing.
    """
    return _gamma(d + 8, SINGLE) * 1.01


def in_double(
    a: Rows, at: NDArray[np.int64], b: Rows, first: NDArray[np.int64], second: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Return <a[at], b[first]>, or with `second` <a[at], b[first] - b[second]>, as (pairs,) float64 of the wide rows.

    Each pair is summed by itself, along memory, in an order that depends on d alone.
    """
    out = np.empty(len(at))
    shape = min(_BLOCK, len(at)), a.wide.shape[1]
    left_of, right_of = scratch("left", shape, np.float64), scratch("right", shape, np.float64)
    for start in range(0, len(at), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(at)))
        left, right = left_of[: part.stop - start], right_of[: part.stop - start]
        _copy_rows(b.wide, first[part], left)
        if second is not None:
            _copy_rows(b.wide, second[part], right)
            left -= right
        _copy_rows(a.wide, at[part], right)
        left *= right
        left.sum(1, out=out[part])
    return out


def _copy_rows(rows: NDArray[Any], at: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    """Write rows[at] to `out`, (len(at), d), without memory of its own."""
    taken = out if rows.dtype == np.float64 else scratch("taken", out.shape, rows.dtype)
    rows.take(at, 0, out=taken, mode="clip")  # "raise" makes a copy, in case that a place is wrong
    if taken is not out:
        np.copyto(out, taken)


def double_error(a: Rows, at: NDArray[np.int64], b: Rows, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (pairs,) float64, what `in_double` of the pairs is off by at most; zero where a vector is all zero.

    The bound holds for sums in any order. Only products of float64 can fall below its range; the last term is far more
    than they lose.
    """
    size = a.reach[at] * b.reach[ids]
    lost = 2.0**-1000 if np.float64 in (a.wide.dtype, b.wide.dtype) else 0.0
    error = size * (_gamma(int(a.wide.shape[1]) + 8, DOUBLE) * 1.01) + lost
    return np.where((a.reach[at] > 0) & (b.reach[ids] > 0), error, 0.0)


def sign_of_difference(x: NDArray[Any], a: NDArray[Any], b: NDArray[Any]) -> int:
    """Return the sign of <x, a> - <x, b>, exactly; the vectors are (d,), as stored."""
    if np.array_equal(a, b):
        return 0
    if np.float64 in (x.dtype, a.dtype):
        difference: Fraction | float = _fraction(x, a) - _fraction(x, b)
    else:
        difference = math.fsum([*_products(x, a), *(-_products(x, b))])
    return (difference > 0) - (difference < 0)


def rounded(x: NDArray[Any], a: NDArray[Any]) -> float:
    """Return <x, a> as float64, so that rounding it to a grid of 2^-14 or coarser gives what the exact value gives.

    It is the nearest float64; where that lies half-way between two points of a grid and the exact value beside it, the
    next float64 on that side. Infinite where the value is too large.
    """
    if np.float64 in (x.dtype, a.dtype):
        exact = _fraction(x, a)
        try:
            nearest = float(exact)
        except OverflowError:
            return math.inf if exact > 0 else -math.inf
        rest: Fraction | float = exact - Fraction(nearest)
    else:
        products = _products(x, a)
        nearest = math.fsum(products)
        rest = math.fsum([*products, -nearest])
    if rest and (nearest / HALF_STEP).is_integer():
        nearest = math.nextafter(nearest, math.inf if rest > 0 else -math.inf)
    return nearest + 0.0  # no -0.0


def values(a: Rows, at: NDArray[np.int64], b: Rows, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return <a[at], b[ids]> as (pairs,) float64, each a function of its two vectors alone.

    Off by at most `double_error`, and on the same side as the exact value of every multiple of 2^-15, so that rounding
    to a grid of 2^-14 or coarser, half to even, gives what the exact value gives.
    """
    shift = a.shift[at] + b.shift[ids]
    with np.errstate(over="ignore"):
        found: NDArray[np.float64] = np.ldexp(in_double(a, at, b, ids), shift) + 0.0
        error = np.ldexp(double_error(a, at, b, ids), shift) / HALF_STEP
        steps = found / HALF_STEP
    with np.errstate(invalid="ignore"):
        doubtful = ~(abs(steps - np.rint(steps)) > error) & (error > 0)
    for place in np.flatnonzero(doubtful):
        found[place] = rounded(a.stored[at[place]], b.stored[ids[place]])
    return found


def _gamma(n: int, unit: float) -> float:
    # The usual bound on n roundings in a row.
    if n * unit >= 0.5:
        raise ValueError(f"{n} values are too many for a bound on the error of their sum")
    return n * unit / (1 - n * unit)


def _products(x: NDArray[Any], a: NDArray[Any]) -> NDArray[np.float64]:
    return x.astype(np.float64) * a.astype(np.float64)


def _fraction(x: NDArray[Any], a: NDArray[Any]) -> Fraction:
    return sum((Fraction(p) * Fraction(q) for p, q in zip(x.tolist(), a.tolist(), strict=True)), Fraction(0))
