"""The funnel: how many samples each clause of a recipe leaves, and the thresholds behind them."""

from dataclasses import dataclass
from typing import Any

from dcql.catalog.types import Type
from dcql.engine.run import BlockCounts, Result
from dcql.engine.statistics import Found
from dcql.lower.program import Program


@dataclass(frozen=True, slots=True)
class Line:
    """One clause: the distinct samples that it leaves, and the thresholds first used in it."""

    text: str
    left: int
    thresholds: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One SELECT: where it stands, what it reads, the samples that it reads, and its clauses in text order.

    `undefined` counts the samples for which an operation gave NULL for values that are not.
    """

    name: str
    source: str
    samples: int
    lines: tuple[Line, ...]
    undefined: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """What became of a pool's samples: sections in the order of the text, then cuts, then what was kept.

    `others` are the statistics that no clause compares with: those of ORDER BY, and where LIMIT cuts.
    """

    samples: int
    sections: tuple[Section, ...]
    others: tuple[Found, ...]
    kept: int
    total: int

    def share(self, count: int) -> float | None:
        """Return a count's share of the pool, None for an empty pool."""
        return count / self.samples if self.samples else None


def funnel(program: Program, result: Result) -> Funnel:
    """Put together what a run counted."""
    found: dict[str, list[Found]] = {}
    for stage in result.stages:
        for one in stage:
            found.setdefault(one.name, []).append(one)
    sections = tuple(_section(block, found) for block in result.funnel)
    others = tuple(one for group in found.values() for one in group)
    return Funnel(result.samples, sections, others, result.subset.distinct, result.subset.total)


def _section(counted: BlockCounts, found: dict[str, list[Found]]) -> Section:
    block = counted.block
    lines = []
    for text, left, names in zip(block.clauses, counted.counts[1:], block.statistics, strict=True):
        # A threshold is told where it is met first.
        thresholds = tuple(one for name in names for one in found.pop(name, []))
        lines.append(Line(text, left, thresholds))
    return Section(_title(block.name), block.source, counted.counts[0], tuple(lines), counted.undefined)


def _title(name: str) -> str:
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
            "clauses": [
                {"text": line.text, "left": line.left, "thresholds": sorted({found.name for found in line.thresholds})}
                for line in section.lines
            ],
            "undefined": section.undefined,
        }
        for section in told.sections
    ]


def threshold_to_json(found: Found) -> dict[str, Any]:
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
    }


def plain(value: Any) -> Any:
    """Return a value that JSON has; an infinity is text there."""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    return value
