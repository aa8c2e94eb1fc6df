"""How results are drawn: the same words on a terminal and in a pipe; bars, colours and cuts on a terminal alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dcql.catalog.types import Type
from dcql.cli.plain import text_of
from dcql.cli.shell import plural, shown
from dcql.inspect.funnel import Funnel, Section, is_threshold

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from dcql.engine.describe import ColumnSummary
    from dcql.engine.statistics import Found, Groups
    from dcql.inspect.alone import AloneTold, ByItself

_BAR = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_GROUPS = 4  # groups of a threshold with BY that are shown one by one


def share(count: int, whole: int) -> str:
    """Return a count's share of a whole as text, 8 characters wide."""
    if not whole:
        return "       -"
    percent = f"{100 * count / whole:.1f}"
    # A share that is not all, or not nothing, does not look so.
    if percent == "100.0" and count < whole:
        percent = "99.9"
    if percent == "0.0" and count > 0:
        percent = "<0.1"
    return f"{percent:>6} %"


def number(value: Any, type_: Type) -> str:
    """Return a value as the shortest text that reads back as the same value of its type."""
    if value is None:
        return "NULL"
    if type_ is Type.FLOAT:
        import numpy as np

        return str(np.float32(value))
    return f"{value:,}" if isinstance(value, int) else repr(value)


def draw_funnel(console: "Console", told: Funnel, alone: "AloneTold | None" = None) -> None:
    """Print a funnel: a section a SELECT, a line a clause, the thresholds under the clauses that use them.

    With `alone`, what each clause does by itself stands there too.
    """
    text = text_of(console)
    on_terminal = console.is_terminal
    texts = ["  " + shown(line.text) for section in told.sections for line in section.lines]
    texts += [f"{shown(section.name)} from {shown(section.source)}" for section in told.sections if section.samples]
    tails = (found for section in told.sections for found in section.tail)
    texts += ["  " + shown(found.text) for found in tails if found.name.startswith("cut")]
    width = max([24, *map(len, texts)]) + 2
    if on_terminal:
        width = min(width, console.width - 28 - _BAR)
    draw = _Lines(console, told.samples, width, alone.clauses if alone is not None else {})
    draw.line(text("pool", "bold"), told.samples)
    if told.coverage is not None:
        draw.line(text("  available", "dim"), told.coverage.available)
        draw.line(text("  intact", "dim"), told.coverage.intact)
    for section in told.sections:
        draw.section(section)
    console.print()
    draw.line(text("kept", "bold green"), told.kept, style="bold")
    if told.total != told.kept:
        console.print(text(f"{'with copies':<{width}}  {told.total:>13,}"))
    for note in alone.notes if alone is not None else ():
        console.print(text(f"note: {shown(note)}", "yellow"))


class _Lines:
    def __init__(
        self, console: "Console", samples: int, width: int, alone: "Mapping[str, tuple[ByItself, ...]]"
    ) -> None:
        self._console = console
        self._text = text_of(console)
        self._samples = samples
        self._width = width
        self._alone = alone

    def line(self, text: "Text", count: int, style: str = "") -> None:
        """Print a clause or total with its count, share and, on a terminal, bar."""
        if self._console.is_terminal:
            text.truncate(self._width, overflow="ellipsis")
        line = self._text()
        line.append_text(text)
        line.pad_right(self._width - len(text.plain))
        line.append(f"  {count:>13,}", style)
        line.append(f"  {share(count, self._samples)}", "cyan" if self._samples else "")
        if self._console.is_terminal and self._samples:
            line.append("  ")
            line.append(_bar(count / self._samples), "green")
        self._console.print(line)

    def section(self, section: Section) -> None:
        """Print a SELECT."""
        name, source = shown(section.name), shown(section.source)
        self._console.print()
        heading = self._text(name, "bold")
        heading.append(f" from {source}", "dim")
        if section.source == "pool" or section.samples is None:
            self._console.print(heading)
        else:
            self.line(heading, section.samples)
        by_itself = self._alone.get(section.name, ())
        for place, line in enumerate(section.lines):
            self.line(self._text("  " + shown(line.text)), line.left)
            if place < len(by_itself):
                self.note(self._by_itself(by_itself[place]), indent=4)
            for feature, asked in line.asked:
                self.note(f"{shown(feature)} asked of {plural(asked, 'sample')}", indent=4)
            for found in _first_groups(line.thresholds):
                self.statistic(found, indent=4)
        for found in _first_groups(section.tail):
            if not isinstance(found, str) and found.name.startswith("cut"):
                self.line(self._text("  " + shown(found.text)), found.k)
                if found.groups is not None:
                    self.note(_groups(found.groups), 4)
                if found.nulls:
                    self.note(f"{plural(found.nulls, 'sample')} without a weight (NULL or 0), never drawn", indent=4)
            else:
                self.statistic(found, indent=2)
        if section.undefined:
            self.note(f"{section.undefined:,} samples where an operation has no value: x / 0, overflow, empty group", 2)

    def _by_itself(self, one: "ByItself") -> str:
        if one.passes is None:
            return "alone: not known, for it is not asked of every sample"
        passes = f"alone {one.passes:,} ({share(one.passes, self._samples).strip()})"
        return passes if one.drops is None else f"{passes}, and it alone drops {one.drops:,}"

    def statistic(self, found: "Found | str", indent: int) -> None:
        """Print a threshold or cut under the clause that uses it."""
        if isinstance(found, str):
            self.note(found, indent)
            return
        if not is_threshold(found):
            self.note(
                f"{shown(found.text)}: the first of each of {found.n:,} groups; samples without a key stay", indent
            )
            return
        words = [f"{found.name} = {number(found.value, found.type)}"]
        if found.group:
            words[0] += f"  for {', '.join('NULL' if key is None else shown(str(key)) for key in found.group)}"
        words += [f"n {found.n:,}", f"k {found.k:,}", f"ties {found.ties:,}"]
        if found.nulls:
            words.append(f"NULL {found.nulls:,}")
        if found.population != "pool":
            words.append(f"of {shown(found.population)}")
        self.note("  ".join(words), indent)

    def note(self, text: str, indent: int) -> None:
        """Print a dim line."""
        line = self._text(" " * indent + text, "dim")
        if self._console.is_terminal:
            line.truncate(self._console.width, overflow="ellipsis")
        self._console.print(line)


def _groups(groups: "Groups") -> str:
    """Say how many groups a LIMIT .. BY has, and how many of them get no sample."""
    empty = f"; {groups.empty:,} of them get{'s' if groups.empty == 1 else ''} none" if groups.empty else ""
    return f"{groups.count:,} {'group' if groups.count == 1 else 'groups'}{empty}"


def _first_groups(found: "tuple[Found, ...]") -> "list[Found | str]":
    """Return statistics, with the many groups of one cut to the first few."""
    result: list[Found | str] = []
    by_name: dict[str, int] = {}
    for one in found:
        by_name[one.name] = by_name.get(one.name, 0) + 1
        if by_name[one.name] <= _GROUPS or not one.group:
            result.append(one)
    for name, count in by_name.items():
        if count > _GROUPS and any(not isinstance(one, str) and one.name == name and one.group for one in result):
            result.append(f"{name}: {count - _GROUPS:,} more groups, in the manifest")
    return result


def _bar(part: float) -> str:
    eighths = round(part * _BAR * 8)
    if part > 0:
        eighths = max(1, eighths)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def draw_columns(console: "Console", summaries: "tuple[ColumnSummary, ...]") -> None:
    """Print what the columns of a pool hold: a line a column, and a table of quantiles for a numeric one."""
    from rich.text import Text

    spaced = False
    for one in summaries:
        # A column with a table stands by itself.
        if spaced or (one.minimum is not None and one is not summaries[0]):
            console.print()
        spaced = one.minimum is not None
        heading = Text.assemble((shown(one.name), "bold"), (f"  {one.type.value}", "cyan"))
        heading.append(f"  NULL {one.nulls:,} ({share(one.nulls, one.rows).strip()})")
        if one.distinct is not None:
            heading.append(f"  distinct {one.distinct:,}")
        elif one.type.numeric:
            heading.append("  distinct more than 65,536")
        console.print(heading)
        if one.minimum is None:
            continue
        points = [("min", one.minimum), *((f"{float(100 * p):g} %", value) for p, value in one.quantiles)]
        cells = [(title, short(value, one.type)) for title, value in [*points, ("max", one.maximum)]]
        widths = [max(len(title), len(value)) for title, value in cells]
        # Two rows of a table; where a terminal is narrower, two such tables.
        for part in _fitting(widths, console.width - 2 if console.is_terminal else 10**6):
            for row, style in ((0, "dim"), (1, "")):
                columns = ("  " + cells[i][row].rjust(widths[i]) for i in part)
                console.print(Text("".join(columns), style))
        if one.tie is not None and one.tie[1] > 1:
            console.print(Text(f"  most shared: {number(one.tie[0], one.type)} by {one.tie[1]:,} samples", "dim"))


def short(value: Any, type_: Type) -> str:
    """Return a number in at most about 9 characters."""
    if isinstance(value, int) and abs(value) < 10**9:
        return f"{value:,}"
    return f"{value:.4g}" if value is not None else "NULL"


def _fitting(widths: list[int], width: int) -> list[list[int]]:
    """Split columns, given by their widths, into runs that fit on a line."""
    parts: list[list[int]] = [[]]
    used = 0
    for place, one in enumerate(widths):
        if parts[-1] and used + one + 2 > width:
            parts.append([])
            used = 0
        parts[-1].append(place)
        used += one + 2
    return parts
