"""A stretch of a recipe in one line: the words that `dcql fmt` prints, however they were laid out.

So a recipe and its form have the same phrases, and whatever quotes them does not change when a recipe is formatted.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock
from typing import Any

from dcql.source import Source, Span
from dcql.syntax._standalone import Lark_StandAlone
from dcql.syntax.layout import Word, flat
from dcql.syntax.scan import Statement, scan
from dcql.syntax.shapes import ShapeBuilder

# A parser is used by one thread at a time.
_lock = Lock()


@cache
def layout_parser() -> Any:
    """Return a parser that gives the layout of a statement."""
    return Lark_StandAlone(transformer=ShapeBuilder())  # type: ignore[no-untyped-call]


def phrase(span: Span) -> str:
    """Return an expression or a clause of a recipe that has no errors, in one line without its comments."""
    statements = _statements(span.source)
    at = bisect_right(statements, span.start, key=lambda statement: statement.start) - 1
    return _flat(span.source, statements[at]).between(span.start, span.end)


@dataclass(frozen=True, slots=True)
class _Flat:
    """A statement in one line. Word i was from `starts[i]` to `ends[i]`, and is from `places[i]` to `stops[i]` now."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    places: tuple[int, ...]
    stops: tuple[int, ...]

    def between(self, start: int, end: int) -> str:
        first = bisect_left(self.starts, start)
        after = bisect_right(self.ends, end)
        return self.text[self.places[first] : self.stops[after - 1]]


# A recipe reads few others besides the library, and asks for the phrases of one statement after another.
@lru_cache(maxsize=64)
def _statements(source: Source) -> list[Statement]:
    return scan(source)[0]


@lru_cache(maxsize=256)
def _flat(source: Source, statement: Statement) -> _Flat:
    with _lock:
        layout = layout_parser().parse(source.text[statement.start : statement.end])
    text: list[str] = []
    words: list[tuple[int, int, int, int]] = []
    length = 0
    for part in flat(layout):
        if isinstance(part, Word):
            words.append((statement.start + part.start, statement.start + part.end, length, length + len(part.text)))
            part = part.text
        text.append(part)
        length += len(part)
    return _Flat("".join(text), *zip(*words, strict=True))
