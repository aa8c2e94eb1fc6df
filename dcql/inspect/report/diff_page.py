"""A report of a comparison -> one HTML file."""

from collections.abc import Mapping
from dataclasses import dataclass

from dcql.inspect.report.compared import MAX_CAUSES, Cause, Told
from dcql.inspect.report.drawing import percentage
from dcql.inspect.report.page import render
from dcql.inspect.report.samples import Sample
from dcql.pages.text import edits

_SIDES = (("a", "Removed: only in A"), ("b", "Added: only in B"), ("copies", "In both, with other copies"))


@dataclass(frozen=True)
class DiffReport:
    """Everything that a report of a comparison shows.

    `samples` are those of the examples that the pool has, by uid as 32 hex digits; `texts` the texts of both recipes,
    None where one of them is not at hand; `notices` say what is missing.
    """

    told: Told
    samples: Mapping[str, Sample]
    texts: tuple[str, str] | None
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the bar that shows what two subsets share: its class, name, count, and place."""

    kind: str
    name: str
    count: int
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class CauseView:
    """A cause with the samples that stand for it."""

    cause: Cause
    samples: tuple[tuple[Sample, str], ...]


def render_diff(report: DiffReport) -> str:
    """Return the page of a comparison."""
    told = report.told
    shown = {id(cause) for cause in told.causes[:MAX_CAUSES]}
    sides = [
        (title, [CauseView(one, _samples(one.examples, report) if id(one) in shown else ()) for one in told.of(side)])
        for side, title in _SIDES
        if told.of(side)
    ]
    first = (("Only in A", told.a.first), ("Only in B", told.b.first)) if not told.explained else ()
    return render(
        "diff.html",
        f"{told.a.name} and {told.b.name}",
        report=report,
        told=told,
        parts=_parts(told),
        sides=sides,
        unexplained=[(title, samples) for title, uids in first if (samples := _samples(uids, report))],
        lines=edits(*report.texts) if report.texts is not None else (),
    )


def _samples(uids: tuple[str, ...], report: DiffReport) -> tuple[tuple[Sample, str], ...]:
    return tuple((report.samples[uid], "") for uid in uids if uid in report.samples)


def _parts(told: Told) -> tuple[Part, ...]:
    """Return the bar: only in A, in both, only in B."""
    if told.common is None or told.a.only is None or told.b.only is None:
        return ()
    counts = (
        ("removed", "only in A", told.a.only),
        ("both", "in both", told.common),
        ("added", "only in B", told.b.only),
    )
    whole = max(1, sum(count for _, _, count in counts))
    parts, before = [], 0
    for kind, name, count in counts:
        parts.append(Part(kind, name, count, percentage(before / whole), percentage(count / whole)))
        before += count
    return tuple(parts)
