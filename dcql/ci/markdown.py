"""What CI found as Markdown, for the comment of a pull request or the summary of a workflow.

Recipes, paths and messages are of strangers. They stand in code alone, where GitHub and its like know neither HTML,
links nor mentions, and in such a form that nothing in them can end the code.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dcql.ci.examine import STEPS, Examined, Step
from dcql.errors import printable, render
from dcql.inspect.funnel import Funnel
from dcql.pages.text import percent, short

if TYPE_CHECKING:
    from dcql.compare.comparing import Compared
    from dcql.inspect.causes import Attribution

# A comment of GitHub has at most 65,536 characters.
MOST = 60_000
_LONGEST = 200
_CAUSES = 8
_ROOM = "\n_The rest was left out: a comment has room for no more. `dcql ci run` shows all of it._\n"
# What may stand between two backticks in a cell of a table as it is.
_PLAIN = re.compile(r"[^`|\\\s](?:[^`|\\]*[^`|\\\s])?")
_MARKS = {"ok": "ok", "failed": "**failed**", "left out": "–"}
_SIDES = {"a": "removed", "b": "added", "copies": "other copies"}


def summary(examined: Sequence[Examined], base: str | None) -> str:
    """Return the whole summary; with no recipe to look at, it says so."""
    parts: list[str] = []
    room = MOST - len(_ROOM)
    for part in (_head(examined, base), *map(_recipe, examined)):
        if len(part.encode("utf-8")) > room:
            parts.append(_ROOM)
            break
        room -= len(part.encode("utf-8"))
        parts.append(part)
    return "".join(parts)


def code(text: str) -> str:
    """Return text in one line as code, for a line or a cell of a table; what is long is cut."""
    line = printable(text)
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST - 1]}…"
    if _PLAIN.fullmatch(line):
        return f"`{line}`"
    # Whatever is no letter, digit or space as a number: then Markdown sees nothing in it.
    return f"<code>{re.sub(r'[^A-Za-z0-9 ]', lambda match: f'&#{ord(match.group())};', line)}</code>"


def block(text: str) -> str:
    """Return lines as a block of code, which nothing in them ends."""
    lines = [printable(line) for line in text.split("\n")]
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join((f"{fence}text", *lines, fence, ""))


def _head(examined: Sequence[Examined], base: str | None) -> str:
    against = f", compared with {code(base)}" if base is not None else ""
    if not examined:
        return f"## Recipes\n\nNo recipe changed{against}.\n"
    failed = sum(not one.ok for one in examined)
    count = "1 recipe" if len(examined) == 1 else f"{len(examined)} recipes"
    verdict = f"**{failed} of {count} failed**" if failed else f"{count}: all hold"
    rows = [
        f"| {code(one.name)} | {' | '.join(_MARKS[step.outcome] for step in one.steps)} | {_kept(one)} |"
        for one in examined
    ]
    head = (f"| recipe | {' | '.join(STEPS)} | kept |", f"|---|{'---|' * len(STEPS)}---:|")
    return "\n".join(("## Recipes", "", f"{verdict}{against}.", "", *head, *rows, ""))


def _kept(one: Examined) -> str:
    told = one.funnel
    return f"{told.kept:,} ({percent(told.kept, told.samples)})" if told is not None else "–"


def _recipe(one: Examined) -> str:
    lines = ["", f"### {code(one.name)}", ""]
    for step in one.steps:
        if step.faults:
            lines += [f"**{step.name} failed**", "", block(render(step.faults))]
    told = one.funnel
    if told is not None and one.run is not None:
        lines += [f"{code(short(one.run.hash))} on pool {code(one.run.pool.name)}", "", *_funnel(told), ""]
    diff = next(step for step in one.steps if step.name == "diff")
    lines += _diff(one.compared, diff)
    return "\n".join(lines)


def _funnel(told: Funnel) -> Iterator[str]:
    yield "| | samples | of the pool |"
    yield "|---|---:|---:|"
    yield _row("**pool**", told.samples, told.samples)
    for section in told.sections:
        if section.samples is not None:
            yield _row(f"**{code(section.name)}** from {code(section.source)}", section.samples, told.samples)
        for line in section.lines:
            yield _row(code(line.text), line.left, told.samples)
    yield _row("**kept**", told.kept, told.samples)
    if told.total != told.kept:
        yield f"| with copies | {told.total:,} | |"


def _row(title: str, count: int, whole: int) -> str:
    return f"| {title} | {count:,} | {percent(count, whole)} |"


def _diff(compared: "Compared | None", step: Step) -> Iterator[str]:
    if compared is None or compared.difference is None:
        if step.note:
            yield f"Compared with nothing: {code(step.note)}"
            yield ""
        return
    found = compared.difference
    if found.equal:
        yield f"The same subset as {code(compared.a.name)}."
        yield ""
        return
    counts = f"{len(found.only_a):,} samples removed, {len(found.only_b):,} added, {found.common:,} in both"
    yield f"Compared with {code(compared.a.name)}: {counts} (Jaccard {found.jaccard:.4f})."
    yield ""
    if compared.attribution is not None:
        yield from _causes(compared.attribution)


def _causes(found: "Attribution") -> Iterator[str]:
    for side, verb in _SIDES.items():
        causes = found.of(side)
        for cause in causes[:_CAUSES]:
            yield f"- {cause.count:,} {verb}: {' and '.join(map(code, cause.words))}"
        if len(causes) > _CAUSES:
            rest = sum(cause.count for cause in causes[_CAUSES:])
            yield f"- {rest:,} {verb} for {len(causes) - _CAUSES} more causes"
    yield ""
