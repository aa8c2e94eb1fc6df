"""How a comparison is drawn: the two subsets, what only one of them holds, and why."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dcql.cli.render import share
from dcql.cli.shell import plural, shown
from dcql.inspect.causes import Attribution, Cause, Failing, Histogram, number
from dcql.inspect.telling import hexadecimal
from dcql.locks.lock import Lock
from dcql.plan.edits import QUERY

if TYPE_CHECKING:
    from rich.console import Console

    from dcql.compare.comparing import Compared
    from dcql.inspect.diff import Difference

FIRST = 5  # uids of each side that are shown
_MOST = 12  # causes of each side that are shown
_TITLES = {"a": "only in a", "b": "only in b", "copies": "copies differ"}
_STYLES = {"a": "red", "b": "green", "copies": "yellow"}
_COUNT = 24  # columns before the words of a cause


def draw_sides(console: "Console", compared: "Compared") -> None:
    """Print the two subsets."""
    from rich.text import Text

    found = compared.difference
    for letter, operand, style in zip("ab", (compared.a, compared.b), ("red", "green"), strict=True):
        console.print(Text.assemble((letter, f"bold {style}"), f"  {shown(operand.name)}"))
        known = operand.lock if found is None else found.a if letter == "a" else found.b
        assert known is not None
        counts = f"{known.distinct:,} samples"
        if known.total != known.distinct:
            counts += f", {known.total:,} with copies"
        console.print(Text(f"   {counts}"))
        console.print(Text(f"   {known.subset if isinstance(known, Lock) else known.hash}", "dim"))
    console.print()


def draw_locks(console: "Console", lines: Sequence[str]) -> None:
    """Print what changed between two locks."""
    from rich.text import Text

    console.print(Text("from lock to lock", "bold"))
    for line in lines:
        console.print(Text(f"  {shown(line)}"))
    console.print()


def draw_notes(console: "Console", notes: Sequence[str]) -> None:
    """Print what could not be taken into account."""
    from rich.text import Text

    width = max(60, min(console.width, 100))
    for note in notes:
        console.print()
        console.print(Text(textwrap.fill(f"note: {shown(note)}", width, subsequent_indent="      "), "yellow"))


def draw_difference(console: "Console", found: "Difference") -> None:
    """Print how many samples both hold and how many only one, and the first of these."""
    from rich.text import Text

    if found.equal:
        console.print(Text("equal", "bold green"))
        return
    only = (("only in a", len(found.only_a), "red"), ("only in b", len(found.only_b), "green"))
    for title, count, style in (("in both", found.common, ""), *only):
        console.print(Text(f"{title:<14}{count:>13,}", style))
    if found.copies:
        console.print(Text(f"{'copies differ':<14}{found.copies:>13,}", "yellow"))
    console.print(Text(f"{'Jaccard':<14}{found.jaccard:>13.6f}"))
    for sign, uids, style in (("-", found.only_a, "red"), ("+", found.only_b, "green")):
        if len(uids):
            console.print()
        for uid in hexadecimal(uids[:FIRST]):
            console.print(Text(f"{sign} {uid}", style))
        if len(uids) > FIRST:
            console.print(Text(f"{sign} {len(uids) - FIRST:,} more", f"dim {style}"))


def draw_attribution(console: "Console", found: Attribution) -> None:
    """Print why samples differ: causes by side, then the clauses that they fail."""
    from rich.text import Text

    width = max(60, min(console.width, 100))
    for side, title in _TITLES.items():
        causes = found.of(side)
        if not causes:
            continue
        whole = sum(cause.count for cause in causes)
        console.print()
        console.print(Text(f"{title}, because of", f"bold {_STYLES[side]}"))
        for cause in causes[:_MOST]:
            _draw_cause(console, cause, whole, width)
        if len(causes) > _MOST:
            rest = sum(cause.count for cause in causes[_MOST:])
            console.print(
                Text(f"  {rest:>11,}  {share(rest, whole)}  {plural(len(causes) - _MOST, 'more cause')}", "dim")
            )
    for side, title in (
        ("a", "clauses of b that those only in a fail"),
        ("b", "clauses of a that those only in b fail"),
    ):
        failing = [one for one in found.failing if one.side == side]
        # Of set operations alone there is nothing more to say.
        if any(one.is_clause for one in failing):
            _draw_failing(console, title, failing, width)
    for histogram in found.histograms:
        _draw_histogram(console, histogram, width)
    draw_notes(console, found.notes)


def _draw_cause(console: "Console", cause: Cause, whole: int, width: int) -> None:
    from rich.text import Text

    head = f"  {cause.count:>11,}  {share(cause.count, whole)}  "
    for place, words in enumerate(cause.words):
        first = head if place == 0 else " " * (len(head) - 2) + "+ "
        lines = textwrap.wrap(
            shown(words), width, initial_indent=first, subsequent_indent=" " * len(head), break_on_hyphens=False
        )
        for line in lines:
            console.print(Text(line))
    if not cause.smallest:
        console.print(Text(" " * len(head) + "(not every smaller set of edits was tried)", "dim"))
    console.print(Text(" " * len(head) + f"as {cause.examples[0]}", "dim"))


def _draw_failing(console: "Console", title: str, failing: Sequence[Failing], width: int) -> None:
    from rich.text import Text

    console.print()
    wide = width - 28
    console.print(Text.assemble((f"{title:<{wide}}", "bold"), f"{'first':>13}{'only':>13}"))
    for one in failing:
        where = "" if one.stage == QUERY else f"  ({one.stage})"
        lines = textwrap.wrap(shown(one.text + where), wide - 4, break_on_hyphens=False) or [""]
        console.print(Text(f"  {lines[0]:<{wide - 2}}{one.first:>13,}{one.only:>13,}"))
        for line in lines[1:]:
            console.print(Text(f"    {line}"))


def _draw_histogram(console: "Console", one: Histogram, width: int) -> None:
    """Print a line a bin: the scores of the samples of each side, with the thresholds between them."""
    from rich.text import Text

    where = "" if one.stage == QUERY else f" in {one.stage}"
    cuts = ", ".join(f"{side}'s cut at {number(cut)}" for side, cut in (("a", one.a), ("b", one.b)) if cut is not None)
    console.print()
    for line in textwrap.wrap(shown(f"{one.score}{where}, {cuts}"), width, break_on_hyphens=False):
        console.print(Text(line, "bold"))
    ends = [number(edge) for edge in one.edges]
    wide = max(map(len, ends))
    names = [f"  below {ends[0]:>{wide}}"]
    names += [f"{_cut_at(place, one)}from {end:>{wide}}" for place, end in enumerate(ends, start=1)]
    left = max(map(len, names))
    most = max([1, *one.removed, *one.added])
    room = (width - left - 32) // 2
    console.print(
        Text.assemble(" " * left, (f"{'only in a':>13}  {'':<{room}}", "red"), (f"{'only in b':>13}", "green"))
    )
    for name, removed, added in _without_ends(list(zip(names, one.removed, one.added, strict=True))):
        bars = [("#" * max(1, round(room * count / most)) if count else "").ljust(room) for count in (removed, added)]
        console.print(Text(f"{name:>{left}}{removed:>13,}  {bars[0]}{added:>13,}  {bars[1]}".rstrip()))
    if any(one.nulls):
        console.print(Text(f"{'NULL':>{left}}{one.nulls[0]:>13,}  {'':<{room}}{one.nulls[1]:>13,}"))


def _cut_at(place: int, one: Histogram) -> str:
    """Mark a bin that begins at a threshold by the recipe that it is of."""
    marks = [side for side, first in (("a", one.a_bin), ("b", one.b_bin)) if first == place]
    return f"{'='.join(marks)} " if marks else ""


def _without_ends(bins: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Leave out the bins without samples at both ends, up to the thresholds."""
    told = [place for place, (name, removed, added) in enumerate(bins) if removed or added or name[0] in "ab"]
    return bins[min(told) : max(told) + 1] if told else bins
