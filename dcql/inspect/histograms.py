"""The scores of the samples that differ, around the thresholds that decide about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.types import Type
from dcql.inspect.causes import Histogram
from dcql.inspect.telling import value_of
from dcql.inspect.truths import NOTHING, Bools, Item, Leaf
from dcql.plan import nodes
from dcql.plan.alignment import Undone
from dcql.plan.written import Writer

if TYPE_CHECKING:
    from dcql.inspect.attribution import Search

MOST = 3  # histograms, of the clauses that most samples fail
BINS = 4  # between two thresholds, and as many on either side

Number = int | float


@dataclass
class _Cut:
    """A score that a clause of either recipe, or of both, compares with a threshold.

    `excludes` is whether a score that equals the threshold is on the side of the lower ones.
    """

    stage: str
    text: str
    score: nodes.Expr
    excludes: bool
    fails: int = 0
    a: Number | None = None
    b: Number | None = None


def histograms(search: "Search") -> tuple[Histogram, ...]:
    """Return the histograms of the clauses that most samples fail. It takes one more run over the pool.

    The bins are made of the thresholds alone, so that no run is needed to find out how far scores reach: the first and
    the last one are open.
    """
    cuts = sorted(_cuts(search), key=lambda cut: -cut.fails)[:MOST]
    if not cuts or not len(search.uids):
        return ()
    edges = [_edges(cut) for cut in cuts]
    clauses = [clause for cut, ends in zip(cuts, edges, strict=True) for clause in _clauses(cut, ends)]
    keys = [(Leaf((clause,), frozenset()), NOTHING) for clause in clauses]
    removed, added = np.flatnonzero(search.after == 0), np.flatnonzero(search.before == 0)
    of_a = search.truths_of(keys, search.edits.all)
    of_b = of_a if search.edits.pool is None else search.truths_of(keys, NOTHING)
    found: list[Histogram] = []
    at = 0
    for cut, ends in zip(cuts, edges, strict=True):
        until = at + len(ends) + 1
        below, above = (_counted(truths[at:until], of) for truths, of in ((of_a, removed), (of_b, added)))
        nulls = below[1], above[1]
        bins = [None if value is None else 1 + ends.index(_first(value, cut)) for value in (cut.a, cut.b)]
        score = Writer().expression(cut.score)
        found.append(Histogram(cut.stage, score, cut.text, cut.a, cut.b, ends, below[0], above[0], nulls, *bins))
        at = until
    return tuple(found)


def _counted(truths: list[Bools], samples: NDArray[np.intp]) -> tuple[tuple[int, ...], int]:
    """Count samples by bin, and those without a score: `truths` say who lies below each edge, then who has none."""
    *below, null = (truth[samples] for truth in truths)
    place = np.sum([~truth for truth in below], axis=0)
    counts = np.bincount(place[~null], minlength=len(below) + 1)
    return tuple(map(int, counts)), int(null.sum())


def _clauses(cut: _Cut, edges: tuple[Number, ...]) -> Iterator[nodes.Clause]:
    for edge in edges:
        yield nodes.Clause(nodes.Compare("<", cut.score, nodes.Literal(edge, cut.score.type)), cut.text)
    yield nodes.Clause(nodes.IsNull(cut.score), cut.text)


# --- which ------------------------------------------------------------------------------------------------------------


def _cuts(search: "Search") -> Iterator[_Cut]:
    """Yield the scores that decide about samples, a clause that both recipes have once."""
    found: dict[object, _Cut] = {}
    everything = np.arange(len(search.uids))
    for side, undone in (("b", NOTHING), ("a", search.edits.all)):
        samples = everything[((search.after if side == "b" else search.before) == 0) & search.in_pool(undone)]
        search.look_at(samples)
        for item in search.mixes.way(undone):
            if item.clause is None or (compared := _compared(item.clause.expr)) is None:
                continue
            fails = int(np.count_nonzero(~item.truth(search.mixes, search.lookup, undone)))
            score, threshold, op = compared
            value = _value(search, item, threshold, undone)
            if value is not None and not isfinite(value):
                continue  # a pool's infinity has no place among bins
            key = (item.stage, item.edits or item.text, score)
            cut = found.setdefault(key, _Cut(item.stage, item.text, score, op in (">", "<=")))
            cut.fails += fails
            if side == "a":
                cut.a = value
            else:
                cut.b = value
    yield from (cut for cut in found.values() if cut.fails and (cut.a is not None or cut.b is not None))


def _compared(expr: nodes.Expr) -> tuple[nodes.Expr, nodes.Literal | nodes.Quantile, str] | None:
    """Return score, threshold and operator of a clause that compares them in this order, None for any other clause."""
    if not isinstance(expr, nodes.Compare) or not expr.left.type.numeric:
        return None
    turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(expr.op, expr.op)
    for score, threshold, op in ((expr.left, expr.right, expr.op), (expr.right, expr.left, turned)):
        fixed = isinstance(threshold, nodes.Literal) or (isinstance(threshold, nodes.Quantile) and not threshold.by)
        if fixed and not any(isinstance(node, nodes.Quantile | nodes.InRelation) for node in nodes.walk(score)):
            assert isinstance(threshold, nodes.Literal | nodes.Quantile)
            return score, threshold, op
    return None


def _value(search: "Search", item: Item, threshold: nodes.Literal | nodes.Quantile, undone: Undone) -> Number | None:
    if isinstance(threshold, nodes.Literal):
        return threshold.value if isinstance(threshold.value, int | float) else None
    [key] = search.mixes.needed_by(item, undone)
    found = value_of(search.mixes.plan(key), search.found.get(key, ()))
    return found.value if found is not None else None


# --- bins -------------------------------------------------------------------------------------------------------------


def _edges(cut: _Cut) -> tuple[Number, ...]:
    """Return the ends of bins around one threshold or two, which are among them."""
    ends = sorted({_first(value, cut) for value in (cut.a, cut.b) if value is not None})
    low, high = float(ends[0]), float(ends[-1])
    step = (high - low) / BINS if high > low else _round(abs(low) / 10)
    if cut.score.type is Type.INT:
        step = max(1.0, floor(step))
    inner = [low + step * number for number in range(1, BINS)] if high > low else []
    outer = [low - step * number for number in range(BINS, 0, -1)]
    outer += [high + step * number for number in range(1, BINS + 1)]
    exact = {_as(value, cut.score.type) for value in (*(one for one in inner if one < high), *outer)}
    return tuple(sorted({*(edge for edge in exact if edge is not None), *ends}))


def _first(value: Number, cut: _Cut) -> Number:
    """Return where a bin begins at a threshold: at the next number where the threshold itself lies below."""
    if not cut.excludes:
        return value
    if cut.score.type is Type.INT:
        return int(value) + 1
    kind = np.float32 if cut.score.type is Type.FLOAT else np.float64
    return float(np.nextafter(kind(value), kind(np.inf)))


def _round(value: float) -> float:
    """Round to 1, 2 or 5 times a power of ten; 1 for 0."""
    if value == 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(digit * power for digit in (5, 2, 1) if digit * power <= value * 1.0000001)


def _as(value: float, type_: Type) -> Number | None:
    """Return a number as one of a type, None where it has none."""
    if not np.isfinite(value):
        return None
    if type_ is Type.INT:
        return round(value) if abs(value) < 2**62 else None
    if type_ is Type.FLOAT:
        with np.errstate(over="ignore"):
            near = float(np.float32(value))
        return near if np.isfinite(near) else None
    return float(value)
