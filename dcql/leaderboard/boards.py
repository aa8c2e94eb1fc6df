"""Boards: the rows of each track and scale, ranked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dcql.leaderboard.baselines import Baseline, baselines
from dcql.leaderboard.gather import Accepted
from dcql.runtime.scales import SCALES
from dcql.submission.entry import TRACKS

TITLES = {"filtering": "Filtering", "byod": "Bring your own data"}
DEMO = "demo"
_HELD_OUT = "demo/held_out"

Figure = Callable[[Accepted], float | None]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of figures; `meaning` is its tooltip."""

    title: str
    meaning: str
    of: Figure


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a board: of an entry, or quoted and without a rank."""

    rank: int | None
    name: str
    created: str
    authors: tuple[str, ...]
    figures: tuple[float | None, ...]
    size: int | None
    entry: Accepted | None = None
    quoted: Baseline | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """The rows of a track and a scale: entries, the best first, then what is quoted.

    The last column ranks the entries. Of most baselines the first alone is known, so that they go by it.
    """

    track: str
    scale: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def id(self) -> str:
        """Its name in addresses."""
        return f"{self.track}-{self.scale}"

    @property
    def title(self) -> str:
        """Its name for people."""
        return f"{TITLES[self.track]}, {self.scale}"

    @property
    def entries(self) -> int:
        """How many of its rows are entries."""
        return sum(row.entry is not None for row in self.rows)

    @property
    def best(self) -> tuple[float, ...]:
        """The largest figure of each column, for bars."""
        return tuple(
            max((row.figures[place] or 0.0 for row in self.rows), default=0.0) for place in range(len(self.columns))
        )


def columns_of(scale: str) -> tuple[Column, ...]:
    """Return the figures of a scale: DataComp's, or those of the demo pool's own evaluation."""
    if scale == DEMO:
        return (
            Column("Top-1", "held-out drawings, zero-shot, 1,607 classes", lambda one: one.metric(_HELD_OUT, "acc1")),
            Column("Top-5", "held-out drawings, zero-shot, 1,607 classes", lambda one: one.metric(_HELD_OUT, "acc5")),
            Column("Average", "of the demo pool's tasks", lambda one: one.average("demo")),
        )
    return (
        Column("ImageNet accuracy", "zero-shot top-1 on ImageNet 1k", lambda one: one.average("imagenet")),
        Column("Average performance", "of DataComp's 38 tasks", lambda one: one.average("average")),
    )


def boards(entries: Iterable[Accepted]) -> tuple[Board, ...]:
    """Return the boards that have rows: tracks in order, scales from the smallest."""
    found = []
    entries = tuple(entries)
    for track in TRACKS:
        for scale in SCALES:
            columns = columns_of(scale)
            rows = _ranked([one for one in entries if (one.entry.track, one.entry.scale) == (track, scale)], columns)
            if track == "filtering":
                rows += _quoted(scale)
            if rows:
                found.append(Board(track, scale, columns, tuple(rows)))
    return tuple(found)


def _ranked(entries: list[Accepted], columns: tuple[Column, ...]) -> list[Row]:
    """Rank by the last column; equal figures share a rank."""
    rows = []
    for one in entries:
        assert one.entry.created is not None
        figures = tuple(column.of(one) for column in columns)
        rows.append(
            Row(None, one.entry.name, one.entry.created.isoformat(), one.entry.authors, figures, one.lock.total, one)
        )
    rows.sort(key=_order)
    ranked: list[Row] = []
    for place, row in enumerate(rows, start=1):
        same = ranked and ranked[-1].figures[-1] == row.figures[-1]
        rank = ranked[-1].rank if same else place
        ranked.append(Row(rank, row.name, row.created, row.authors, row.figures, row.size, row.entry))
    return ranked


def _quoted(scale: str) -> list[Row]:
    found = sorted((one for one in baselines() if one.scale == scale), key=lambda one: (-one.imagenet, one.name))
    return [Row(None, one.name, "", (), (one.imagenet, one.average), one.size, None, one) for one in found]


def _order(row: Row) -> tuple[float, float, str, str]:
    """Order entries by the last figure, then the first, then date and digest."""
    assert row.entry is not None
    return (-(row.figures[-1] or 0.0), -(row.figures[0] or 0.0), row.created, row.entry.entry.digest)
