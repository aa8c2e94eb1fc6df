"""A report of a run -> one HTML file, the same bytes for the same report.

The page runs no script and asks nobody: its own policy allows the one style sheet, by its hash, and pictures that the
page holds itself. The switch of the theme is a row of radio buttons that the style sheet looks at.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import dcql
from dcql.inspect.report.drawing import Drawing, number, side_by_side, stacked
from dcql.inspect.report.findings import CutFound, Findings, Mix
from dcql.inspect.report.samples import Sample
from dcql.inspect.report.told import Threshold, Told
from dcql.pages import environment, style
from dcql.syntax.highlight import pieces

# How a report is known again, before it is written over.
GENERATOR = '<meta name="generator" content="dcql report">'

MAX_VALUES = 12  # of a mix that are listed
MAX_GROUPS = 40  # of a threshold with BY that are listed
_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}
_PASSES = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}


@dataclass(frozen=True)
class RunReport:
    """Everything that a report of a run shows.

    `findings` is None where the samples could not be looked at; `notices` say why, and what else is missing. `samples`
    are those of the findings, by uid; `lock` is the text of the run's lock, "" for a raw pool.
    """

    told: Told
    findings: Findings | None
    samples: Mapping[tuple[int, int], Sample]
    lock: str
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CutView:
    """A cut as it is shown."""

    title: str
    stage: str
    compared: str
    population: str
    value: str
    about: str
    drawing: Drawing | None
    groups: tuple[Threshold, ...]
    more_groups: int
    kept: tuple[tuple[Sample, str], ...]
    dropped: tuple[tuple[Sample, str], ...]


@dataclass(frozen=True, slots=True)
class MixRow:
    """A value of a feature: how often it comes before and after, with the shares and the widths of their bars."""

    value: str
    every: int
    every_share: str
    every_width: str
    kept: int
    kept_share: str
    kept_width: str


@dataclass(frozen=True, slots=True)
class MixView:
    """A feature's values before and after; `summary` says in figures how even they are spread."""

    name: str
    about: str
    rows: tuple[MixRow, ...]
    more: int
    summary: str


def render_run(report: RunReport) -> str:
    """Return the page of a run."""
    told = report.told
    found = report.findings
    return render(
        "run.html",
        f"{PurePath(told.recipe).stem} on {told.pool}",
        report=report,
        told=told,
        pieces=pieces(told.text),
        cuts=[_cut(one, report) for one in found.cuts] if found is not None else [],
        mixes=[_mix(one, told) for one in found.mixes] if found is not None else [],
        columns=[(one, side_by_side(one.counts)) for one in found.columns] if found is not None else [],
        found=found,
    )


def render(template: str, title: str, **values: Any) -> str:
    """Return a page of a template with its own style sheet, and the policy that allows no other."""
    sheet = style("dcql.inspect.report", "report.css")
    hashed = base64.b64encode(hashlib.sha256(sheet.encode("utf-8")).digest()).decode("ascii")
    templates = environment("dcql.inspect.report", number=number)
    page: str = templates.get_template(template).render(
        title=title, style=sheet, style_hash=hashed, generator=GENERATOR, version=dcql.__version__, **values
    )
    # What no text can hold is told by its escape.
    return page.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


# --- cuts -------------------------------------------------------------------------------------------------------------


def _cut(one: CutFound, report: RunReport) -> CutView:
    cut = one.cut
    passes = _PASSES[cut.op]
    groups: Sequence[Threshold] = ()
    if cut.by and cut.filter is not None:
        groups = [row for row in report.told.thresholds if row.name == cut.statistic]
    marks = [(_mark(one, one.value), f"{_SIGNS[cut.op]} {number(one.value)}")] if one.value is not None else []
    about = f"{one.known:,} samples have a value"
    if one.known < one.members:
        about += f", {one.members - one.known:,} have none"
    value = f"the value of its group ({len(groups):,} groups)" if groups else ""
    if one.value is not None:
        value = number(one.value)
    elif one.found and (limited := one.found[0].groups) is not None:
        value = (
            f"the value where its group is cut ({limited.count:,} groups, {limited.empty:,} of them without a sample)"
        )
    return CutView(
        title=cut.text,
        stage=cut.stage if cut.stage != "query" else "",
        compared=cut.label,
        population=cut.called,
        value=f"{passes} {value}" if value else "everything",
        about=about,
        drawing=stacked(one.counts, marks) if one.counts is not None else None,
        groups=tuple(groups[:MAX_GROUPS]),
        more_groups=max(0, len(groups) - MAX_GROUPS),
        kept=tuple((report.samples[near.uid], number(near.value)) for near in one.kept),
        dropped=tuple((report.samples[near.uid], number(near.value)) for near in one.dropped),
    )


def _mark(one: CutFound, value: float) -> float:
    """Return where the line of a cut stands: between whole numbers that pass and those that do not."""
    return value + 1 if one.cut.whole and one.cut.op in (">", "<=") else value


# --- mixes ------------------------------------------------------------------------------------------------------------


def _mix(mix: Mix, told: Told) -> MixView:
    most = max((max(_part(every, mix.known), _part(kept, mix.known_kept)) for _, every, kept in mix.values), default=0)
    ordered = sorted(mix.values, key=lambda row: (-row[2], -row[1]))
    rows = tuple(
        MixRow(
            "NULL" if value is None else str(value) if not isinstance(value, str) or value else "(empty)",
            every,
            _share(every, mix.known),
            _width(_part(every, mix.known), most),
            kept,
            _share(kept, mix.known_kept),
            _width(_part(kept, mix.known_kept), most),
        )
        for value, every, kept in ordered[:MAX_VALUES]
    )
    before, after = (sum(bool(row[place]) for row in mix.values) for place in (1, 2))
    summary = (
        f"{before:,} values before, {after:,} after; as many as {_even([row[1] for row in mix.values]):.3g} equally"
        f" frequent ones before, {_even([row[2] for row in mix.values]):.3g} after."
    )
    where = "Known for the whole pool" if mix.whole else f"Before: the {mix.known:,} samples that the recipe asks it of"
    kept = f"known for {mix.known_kept:,} of the {told.distinct:,} kept" if mix.known_kept < told.distinct else ""
    return MixView(mix.name, f"{where}{'; ' + kept if kept else ''}.", rows, len(mix.values) - len(rows), summary)


def _part(count: int, whole: int) -> float:
    return count / whole if whole else 0.0


def _share(count: int, whole: int) -> str:
    return f"{100 * _part(count, whole):.1f} %"


def _width(part: float, most: float) -> str:
    return f"{100 * part / most if most else 0:.2f}%"


def _even(counts: Sequence[int]) -> float:
    """Return the effective number of values: the inverse of the chance that two samples have the same one."""
    total = sum(counts)
    return total**2 / sum(count**2 for count in counts) if total else 0.0
