"""Recipe text and places in it.

A `Source` is one recipe file as it was read; a `Span` is a stretch of it. Everything that can be wrong in a recipe
keeps the span of the words that are wrong.
"""

from bisect import bisect_right
from dataclasses import field
from functools import cached_property

from dcql.dataclass import dataclass

# The version of the language, which is that of its rules.
LANGUAGE = 1


@dataclass(frozen=True)
class Source:
    """The text of one recipe and the name to show for it."""

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, character in enumerate(self.text) if character == "\n")]

    def position(self, offset: int) -> tuple[int, int]:
        """Return the 1-based line and column of `offset`, both in code points."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return line `number` (1-based) without its line break."""
        start = self._line_starts[number - 1]
        end = self._line_starts[number] - 1 if number < len(self._line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r")

    def span(self, start: int, end: int) -> "Span":
        """Return the span from `start` up to, not including, `end`."""
        return Span(self, start, end)


@dataclass(frozen=True)
class Span:
    """The code points `start` (included) to `end` (excluded) of a source."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def text(self) -> str:
        """The words under the span."""
        return self.source.text[self.start : self.end]

    def to(self, other: "Span") -> "Span":
        """Return the span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, other.end)
