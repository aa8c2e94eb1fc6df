"""The funnel: how many samples each clause of a recipe leaves, and the statistics behind them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dcql.catalog.coverage import Counted
from dcql.catalog.types import Type
from dcql.dataclass import dataclass
from dcql.engine.counts import BlockCounts
from dcql.engine.run import Result
from dcql.engine.statistics import Found, Groups
from dcql.lower.program import Program


@dataclass(frozen=True)
class Line:
    """One clause: the distinct samples that it leaves, and the thresholds first used in it.

    `asked` are the features that it reads, each with the number of samples that it was asked of: a clause that is
    written before others may ask only of the samples that pass them.
    """

    text: str
    left: int
    thresholds: tuple[Found, ...]
    asked: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Section:
    """One SELECT: where it stands, what it reads, the samples that it reads, and its clauses in text order.

    `samples` is None for a SELECT without WHERE, which is not counted. `undefined` counts the samples for which an
    operation gave NULL for values that are not. `tail` holds the statistics that no clause compares with: those of
    ORDER BY, DISTINCT ON and LIMIT.
    """

    name: str
    source: str
    samples: int | None
    lines: tuple[Line, ...] = ()
    undefined: int = 0
    tail: tuple[Found, ...] = ()


@dataclass(frozen=True)
class Funnel:
    """What became of a pool's samples: stages and the query in the order of the text, then what was kept.

    `coverage` is what is known of the pool's shards, whether the recipe asks for it or not.
    """

    samples: int
    sections: tuple[Section, ...]
    kept: int
    total: int
    coverage: Counted | None = None


def funnel(program: Program, result: Result) -> Funnel:
    """Put together what a run counted."""
    found: dict[str, list[Found]] = {}
    for stage in result.stages:
        for one in stage:
            found.setdefault(one.name, []).append(one)
    owned = _by_owner(result.funnel, [part.name for part in program.parts])
    asked: dict[str, tuple[str, int]] = {}
    if result.features is not None:
        asked = {one.name: (one.feature, result.features.asked[one.name]) for one in program.demands}
    read = {part.name: _sections(owned.get(part.name, []), found, asked) for part in program.parts}
    sections: list[Section] = []
    for part in program.parts:
        own = read[part.name]
        sections += own
        # What is left of the statistics is told where it stands first.
        tail = tuple(one for name in part.statistics for one in found.pop(name, []))
        last = next((at for at in reversed(range(len(sections))) if sections[at].name == part.name), None)
        if tail and last is not None:
            sections[last] = replace(sections[last], tail=tail)
        elif tail:
            sections.append(Section(part.name, part.source, None, tail=tail))
    return Funnel(result.samples, tuple(sections), result.subset.distinct, result.subset.total, result.coverage)


def _by_owner(blocks: tuple[BlockCounts, ...], parts: list[str]) -> dict[str, list[BlockCounts]]:
    """Return the blocks by the stage that they stand in: the longest that their name begins with."""
    owned: dict[str, list[BlockCounts]] = {}
    for counted in blocks:
        name = counted.block.name
        owners = [owner for owner in parts if name == owner or name.startswith(f"{owner}.")]
        owned.setdefault(max(owners, key=len), []).append(counted)
    return owned


def _sections(
    blocks: list[BlockCounts], found: dict[str, list[Found]], asked: Mapping[str, tuple[str, int]]
) -> list[Section]:
    """Return a section for each SELECT: its copies are a line after those of its WHERE."""
    sections: list[Section] = []
    for counted in blocks:
        section = _section(counted, found, asked)
        if counted.block.of_copies and sections and sections[-1].name == section.name:
            last = sections[-1]
            sections[-1] = replace(last, lines=(*last.lines, *section.lines))
        else:
            sections.append(section)
    return sections


def _section(counted: BlockCounts, found: dict[str, list[Found]], asked: Mapping[str, tuple[str, int]]) -> Section:
    block = counted.block
    lines = []
    clauses = zip(block.clauses, counted.counts[1:], block.statistics, block.demands, strict=True)
    for text, left, names, demands in clauses:
        # A threshold is told where it is met first.
        thresholds = tuple(one for name in names for one in found.pop(name, []))
        lines.append(Line(text, left, thresholds, tuple(asked[name] for name in demands)))
    return Section(section_title(block.name), block.source, counted.counts[0], tuple(lines), counted.undefined)


def section_title(name: str) -> str:
    """Say in words where a SELECT stands, from its name in the program, such as `query.2.in1`."""
    parts = name.split(".")
    words: list[str] = []
    while len(parts) > 1 and (word := _place(parts[-1])):
        words.insert(0, word)
        parts.pop()
    return ", ".join((".".join(parts), *words))


def _place(part: str) -> str:
    if part == "from":
        return "FROM (query)"
    if part.isdecimal():
        return f"operand {part}"
    if part.startswith("sample'"):
        return "SAMPLE"
    if part.startswith("in") and part[2:].isdecimal():
        return f"IN (query) {part[2:]}"
    return ""


def counts_to_json(told: Funnel) -> list[dict[str, Any]]:
    """Return the sections as plain data."""
    return [
        {
            "name": section.name,
            "from": section.source,
            "samples": section.samples,
            "clauses": [_line_to_json(line) for line in section.lines],
            "undefined": section.undefined,
            "tail": sorted({found.name for found in section.tail}),
        }
        for section in told.sections
    ]


def _line_to_json(line: Line) -> dict[str, Any]:
    told = {"text": line.text, "left": line.left, "thresholds": sorted({found.name for found in line.thresholds})}
    return {**told, "asked": dict(line.asked)} if line.asked else told


def statistic_to_json(found: Found) -> dict[str, Any]:
    """Return a statistic as plain data: its value as a number, and as hex where it is a float."""
    hexadecimal = float(found.value).hex() if found.value is not None and found.type is not Type.INT else None
    return {
        "name": found.name,
        "text": found.text,
        "population": found.population,
        "type": found.type.value,
        "value": plain(found.value),
        "hex": hexadecimal,
        "n": found.n,
        "nulls": found.nulls,
        "k": found.k,
        "ties": found.ties,
        "group": [plain(key) for key in found.group],
        **({"groups": _groups_to_json(found.groups)} if found.groups is not None else {}),
    }


def _groups_to_json(groups: Groups) -> dict[str, Any]:
    told = [{"group": [plain(key) for key in one.group], "n": one.n, "k": one.k} for one in groups.told]
    return {"count": groups.count, "empty": groups.empty, "told": told}


def is_threshold(found: Found) -> bool:
    """Return whether a statistic is an order statistic, rather than a cut or the firsts of a DISTINCT ON."""
    return found.name.startswith("q")


def plain(value: Any) -> Any:
    """Return a value that JSON has; an infinity is text there."""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    return value
