"""What a template draws of histograms: places in per cent of the width and in pixels of the height, as text.

Widths are relative and heights are not, so that a drawing fits a phone and its letters keep their size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.inspect.report.bins import Bins, ticks
from dcql.inspect.report.findings import Counts

HEIGHT = 120  # of the bars, in pixels
TOP = 20  # for what stands above them


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: `x` and `width` in per cent, `y` and `height` in pixels; `inner` is the part of it that stands out."""

    x: str
    width: str
    y: str
    height: str
    inner_x: str
    inner_width: str
    inner_y: str
    inner_height: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the axis with its words; `side` says at which side of it they stand: start, middle or end."""

    x: str
    text: str
    side: str


@dataclass(frozen=True, slots=True)
class Row:
    """A bin in figures."""

    bin: str
    every: int
    kept: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """A histogram to be drawn, and the same in figures; `tallest` is what the highest bar stands for."""

    bars: tuple[Bar, ...]
    ticks: tuple[Mark, ...]
    cuts: tuple[Mark, ...]
    rows: tuple[Row, ...]
    tallest: str


def stacked(counts: Counts, cuts: Sequence[tuple[float, str]]) -> Drawing:
    """Draw counts, the kept as the lower part of each bar; `cuts` are marked, each with its words."""
    most = max(1, int(counts.every.max(initial=0)))
    tallest = f"{most:,} {'sample' if most == 1 else 'samples'}"
    return _drawing(counts, cuts, counts.every / most, counts.kept / most, tallest, inner=1.0)


def side_by_side(counts: Counts) -> Drawing:
    """Draw shares of all and of the kept, one bar within the other, for what was before and after."""
    every, kept = (one / max(1, int(one.sum())) for one in (counts.every, counts.kept))
    most = max(float(every.max(initial=0)), float(kept.max(initial=0))) or 1.0
    return _drawing(counts, (), every / most, kept / most, f"{100 * most:.3g} %", inner=0.5)


def number(value: Any) -> str:
    """Return a number in at most about nine characters; whole ones below a billion in full."""
    if value is None:
        return "NULL"
    if float(value).is_integer() and abs(value) < 10**9:
        return f"{int(value):,}"
    return f"{float(value):.6g}"


def _drawing(
    counts: Counts,
    cuts: Sequence[tuple[float, str]],
    heights: NDArray[np.float64],
    inner_heights: NDArray[np.float64],
    tallest: str,
    inner: float,
) -> Drawing:
    bins = counts.bins
    step = 1 / bins.count
    width = step * (0.9 if bins.count < 60 else 1.0)
    bars = []
    for place, (height, inside) in enumerate(zip(heights.tolist(), inner_heights.tolist(), strict=True)):
        if not height and not inside:
            continue
        x = place * step + (step - width) / 2
        bars.append(
            Bar(
                percentage(x),
                percentage(width),
                *_high(height),
                percentage(x + width * (1 - inner) / 2),
                percentage(width * inner),
                *_high(inside),
            )
        )
    return Drawing(
        tuple(bars),
        tuple(mark(bins.place(value), number(value), 0.04) for value in ticks(bins)),
        tuple(mark(bins.place(value), text, 0.5) for value, text in cuts),
        tuple(
            Row(_between(bins, place), int(every), int(kept))
            for place, (every, kept) in enumerate(zip(counts.every, counts.kept, strict=True))
        ),
        tallest,
    )


def _high(height: float) -> tuple[str, str]:
    """Return the upper end and the height of a bar; what is more than nothing can be seen."""
    pixels = max(1.0, height * HEIGHT) if height else 0.0
    return f"{TOP + HEIGHT - pixels:.1f}", f"{pixels:.1f}"


def mark(place: float, text: str, edge: float) -> Mark:
    """Mark a place; words near an end stand inside of it."""
    side = "start" if place < edge else "end" if place > 1 - edge else "middle"
    return Mark(percentage(place), text, side)


def percentage(share: float) -> str:
    """Return a share as SVG takes it."""
    return f"{100 * share:.3f}%"


def _between(bins: Bins, place: int) -> str:
    low, high = number(bins.edge(place)), number(bins.edge(place + 1))
    if place == 0 and bins.open_below:
        return f"below {high}"
    if place == bins.count - 1 and bins.open_above:
        return f"{low} and above"
    return low if bins.step == 1 else f"{low} to {high}"
