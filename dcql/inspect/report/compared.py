"""What `dcql diff --format json` tells, as a report shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dcql.inspect.report.drawing import HEIGHT, TOP, Mark, mark, number, percentage
from dcql.pages.text import percent

MAX_CAUSES = 24  # that are shown with samples
_LETTERS = ("a", "b")
_ROOM = 0.3  # of the width, for the words of a cut


@dataclass(frozen=True, slots=True)
class Operand:
    """One side: `only` is None where just its lock is known."""

    name: str
    hash: str
    distinct: int
    total: int
    only: int | None
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit that leads from A to B."""

    number: int
    words: str
    kind: str
    stage: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Samples that differ for one reason; `width` is its share of all that differ on its side, of a bar."""

    side: str
    words: tuple[str, ...]
    count: int
    share: str
    width: str
    examples: tuple[str, ...]
    smallest: bool


@dataclass(frozen=True, slots=True)
class Failing:
    """A clause that samples of one side fail."""

    side: str
    stage: str
    text: str
    first: int
    only: int


@dataclass(frozen=True, slots=True)
class Span:
    """A bar between two places: of the samples only in A the lower part, of those only in B the upper one."""

    x: str
    width: str
    removed_y: str
    removed_height: str
    added_y: str
    added_height: str


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of the samples that differ, at a cut: bars, marks and figures.

    `nulls` have no score, only in A and only in B; `outside` lie below and above what is drawn.
    """

    stage: str
    clause: str
    score: str
    bars: tuple[Span, ...]
    ticks: tuple[Mark, ...]
    cuts: tuple[Mark, ...]
    rows: tuple[tuple[str, int, int], ...]
    nulls: tuple[int, int]
    tallest: str
    summary: str
    outside: tuple[int, int]


@dataclass(frozen=True)
class Told:
    """A comparison as its JSON tells it. `common` is None where only two locks were compared."""

    equal: bool
    a: Operand
    b: Operand
    common: int | None
    copies: int
    jaccard: float
    edits: tuple[Edit, ...]
    causes: tuple[Cause, ...]
    failing: tuple[Failing, ...]
    moved: tuple[str, ...]
    scores: tuple[Scores, ...]
    explained: bool
    locks: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def examples(self) -> tuple[str, ...]:
        """The uids that are shown as samples, 32 hex digits each, ascending."""
        shown = [uid for cause in self.causes[:MAX_CAUSES] for uid in cause.examples]
        if not self.explained:
            shown = [*self.a.first, *self.b.first]
        return tuple(sorted(set(shown)))

    def of(self, side: str) -> tuple[Cause, ...]:
        """The causes of one side, the largest first."""
        return tuple(cause for cause in self.causes if cause.side == side)


def told(document: Mapping[str, Any]) -> Told:
    """Read a comparison. Raises KeyError, TypeError, ValueError or AttributeError for what no `dcql diff` printed."""
    attribution = document["attribution"] or {}
    causes = tuple(_causes(attribution.get("causes", ())))
    edits = tuple(
        Edit(
            int(row["number"]),
            _line(row["words"]),
            str(row["kind"]),
            str(row["stage"]),
            _line(row["old"]),
            _line(row["new"]),
        )
        for row in attribution.get("edits", ())
    )
    return Told(
        equal=bool(document["equal"]),
        a=_operand(document["a"]),
        b=_operand(document["b"]),
        common=int(document["common"]) if "common" in document else None,
        copies=int(document.get("copies_differ", 0)),
        jaccard=float(document.get("jaccard", 0)),
        edits=edits,
        causes=causes,
        failing=tuple(
            Failing(str(row["side"]), str(row["stage"]), _line(row["text"]), int(row["first"]), int(row["only"]))
            for row in attribution.get("failing", ())
        ),
        moved=tuple(_moved(row, edits) for row in attribution.get("moved", ())),
        scores=tuple(_scores(row) for row in attribution.get("histograms", ())),
        explained=document["attribution"] is not None,
        locks=tuple(str(line) for line in document["locks"]),
        notes=tuple(str(note) for note in (*document["notes"], *attribution.get("notes", ()))),
    )


def _operand(row: Mapping[str, Any]) -> Operand:
    only = int(row["only"]) if "only" in row else None
    first = tuple(_uid(uid) for uid in row.get("first", ()))
    return Operand(str(row["name"]), str(row["hash"]), int(row["distinct"]), int(row["total"]), only, first)


def _causes(rows: Sequence[Mapping[str, Any]]) -> Sequence[Cause]:
    whole: dict[str, int] = {}
    for row in rows:
        whole[row["side"]] = whole.get(row["side"], 0) + int(row["count"])
    return [
        Cause(
            str(row["side"]),
            tuple(_line(words) for words in row["words"]),
            int(row["count"]),
            percent(int(row["count"]), whole[row["side"]]),
            percentage(int(row["count"]) / max(1, whole[row["side"]])),
            tuple(_uid(uid) for uid in row["examples"]),
            bool(row["smallest"]),
        )
        for row in rows
    ]


def _moved(row: Mapping[str, Any], edits: Sequence[Edit]) -> str:
    by = "; ".join(edit.words for edit in edits if edit.number in row["edits"])
    because = f" (by: {by})" if by else ""
    where = "" if row["stage"] == "query" else f" in {row['stage']}"
    text = _line(row["text"])
    if row["what"] == "threshold":
        values = f"{_value(row['a'])} to {_value(row['b'])}"
        return f"threshold {text}{where} moved from {values} because its population changed{because}"
    if row["what"] == "clause":
        return f"{text}{where} decides otherwise because what it reads changed{because}"
    return f"{text}{where} takes other samples because what it ranges over changed{because}"


def _scores(row: Mapping[str, Any]) -> Scores:
    """Draw a histogram: the bins between its edges, which are of one width; what lies outside is told in words."""
    edges = [number(float(edge)) for edge in row["edges"]]
    removed, added = ([int(count) for count in row[name]] for name in ("removed", "added"))
    if not edges or not len(removed) == len(added) == len(edges) + 1:
        raise ValueError("bins that do not fit their edges")
    names = [f"below {edges[0]}", *(f"{low} to {high}" for low, high in pairwise(edges)), f"{edges[-1]} and above"]
    width = 1 / max(1, len(edges) - 1)
    inside = list(zip(removed[1:-1], added[1:-1], strict=True))
    most = max([1, *(out + new for out, new in inside)])
    bars = []
    for place, (out, new) in enumerate(inside):
        below, above = out / most * HEIGHT, new / most * HEIGHT
        if out or new:
            bars.append(
                Span(
                    percentage((place + 0.05) * width),
                    percentage(0.9 * width),
                    f"{TOP + HEIGHT - below:.1f}",
                    f"{below:.1f}",
                    f"{TOP + HEIGHT - below - above:.1f}",
                    f"{above:.1f}",
                )
            )
    cuts = [(side.upper(), int(row[f"{side}_bin"]), _value(row[side])) for side in _LETTERS if _is_marked(row, side)]
    if len(cuts) == 2 and cuts[0][1:] == cuts[1][1:]:
        cuts = [("A and B", *cuts[0][1:])]
    said = ", ".join(f"the cut of {side} is {value}" for side, _, value in cuts) or "there is no cut"
    # Long words would touch each other on a phone.
    apart = max(1, (len(edges) - 1) // (2 if max(map(len, edges)) > 6 else 4))
    return Scores(
        str(row["stage"]),
        _line(row["clause"]),
        _line(row["score"]),
        tuple(bars),
        tuple(mark(place * width, edges[place], 0.04) for place in range(0, len(edges), apart)),
        _marks([(min(1.0, max(0.0, (place - 1) * width)), f"{side}: {value}") for side, place, value in cuts]),
        tuple(zip(names, removed, added, strict=True)),
        (int(row["nulls"]["removed"]), int(row["nulls"]["added"])),
        f"{most:,} {'sample' if most == 1 else 'samples'}",
        said,
        (removed[0] + added[0], removed[-1] + added[-1]),
    )


def _is_marked(row: Mapping[str, Any], side: str) -> bool:
    return row[side] is not None and row.get(f"{side}_bin") is not None


def _marks(cuts: Sequence[tuple[float, str]]) -> tuple[Mark, ...]:
    """Mark cuts; the words of two of them stand away from each other where there is room."""
    if len(cuts) < 2 or min(cuts)[0] < _ROOM or max(cuts)[0] > 1 - _ROOM:
        return tuple(mark(place, text, 0.5) for place, text in cuts)
    return tuple(
        Mark(percentage(place), text, "end" if (place, text) == min(cuts) else "start") for place, text in cuts
    )


def _value(value: Any) -> str:
    return number(float(value)) if value is not None else "NULL"


def _uid(text: Any) -> str:
    if not isinstance(text, str) or len(text) != 32:
        raise ValueError(f"{text!r} is no uid")
    int(text, 16)
    return text


def _line(text: Any) -> str:
    return " ".join(str(text).split())
