"""Numbers and texts as pages show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dcql.leaderboard.gather import Accepted
from dcql.pages.text import percent
from dcql.runtime.evaluate.tasks import Task, tasks
from dcql.submission.documents import Line
from dcql.submission.results import suite_of


def figure(value: float | None, places: int = 3) -> str:
    """Return a metric, as DataComp writes them: 0.297."""
    return "–" if value is None else f"{value:.{places}f}"


def authors(names: tuple[str, ...], most: int = 3) -> str:
    """Return the first authors, and how many more there are."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the funnel: a clause and what it leaves. `head` is true for the FROM of a SELECT."""

    text: str
    left: int
    share: float
    kept: str
    note: str
    head: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A SELECT of the funnel."""

    title: str
    steps: tuple[Step, ...]


def funnel(one: Accepted) -> tuple[Part, ...]:
    """Return the funnel of an entry, as its manifest has it, over the pool's samples."""
    whole = max(1, one.manifest.samples)
    thresholds = {row.name: row for row in one.manifest.thresholds if not row.grouped}
    parts = []
    for section in one.manifest.funnel:
        if section.samples is None:
            continue
        steps = [_step(f"FROM {section.source}", section.samples, whole, "", head=True)]
        for clause in section.clauses:
            notes = [
                f"{row.name} = {_value(row.value)}, {row.counts['ties']:,} tied"
                for name in clause.thresholds
                if (row := thresholds.get(name)) is not None
            ]
            steps.append(_step(" ".join(clause.text.split()), clause.left, whole, "; ".join(notes), head=False))
        parts.append(Part("" if section.name == "query" else section.name, tuple(steps)))
    kept = Part("", (_step("kept", one.lock.distinct, whole, "", head=True),))
    return (*parts, kept)


def _step(text: str, left: int, whole: int, note: str, *, head: bool) -> Step:
    return Step(text, left, min(1.0, max(0.0, left / whole)), percent(left, whole), note, head)


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Result:
    """A task's line beside the task: `low` and `high` are the ends of its interval, `guess` what chance gives."""

    task: Task
    line: Line
    low: float | None
    high: float | None
    guess: float | None


def results(one: Accepted) -> tuple[Result, ...]:
    """Return the tasks of an entry in the order of their list."""
    lines = {line.key: line for line in one.results}
    found = []
    for task in tasks(suite_of(one.entry.scale)):
        line = lines.get(task.key)
        if line is not None:
            low, high = line.interval if line.interval is not None else (None, None)
            found.append(Result(task, line, low, high, task.chance))
    return tuple(found)


def flat(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested plain data as rows of dotted names and texts, in their order."""
    rows: list[tuple[str, str]] = []
    for name, value in data.items():
        if isinstance(value, Mapping):
            rows += flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", hexed(value)))
    return rows


def hexed(value: Any) -> str:
    """Return a setting of a run key for people: floats from their hex."""
    if isinstance(value, str) and value.lstrip("-").startswith("0x"):
        try:
            return f"{float.fromhex(value):.6g}"
        except ValueError:
            return value
    if isinstance(value, list):
        return ", ".join(hexed(one) for one in value)
    return str(value)
