"""Places in a text as the language server protocol counts them: lines, and code units of UTF-16 (or UTF-8, UTF-32).

A line ends with \\n, \\r\\n or \\r, all of which the protocol takes for one. Offsets are code points of the text.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

_BREAK = re.compile(r"\r\n|\n|\r")
_BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


@dataclass(frozen=True)
class Positions:
    """The lines of a text, in units of `encoding`: utf-8, utf-16 or utf-32. Lines and columns count from 0."""

    text: str = field(repr=False)
    encoding: str = "utf-16"

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _BREAK.finditer(self.text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line and column of an offset; one outside of the text is its nearest end."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self._starts, offset) - 1
        return line, self._units(self.text[self._starts[line] : offset])

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line and column; a column beyond the line is its end, before the line break.

        A column inside of a character is the start of that character.
        """
        if line < 0:
            return 0
        if line >= len(self._starts):
            return len(self.text)
        start = self._starts[line]
        end = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        written = self.text[start:end].rstrip("\r\n")
        units = 0
        for place, character in enumerate(written):
            units += self._units(character)
            if units > column:
                return start + place
        return start + len(written)

    def _units(self, text: str) -> int:
        if text.isascii():
            return len(text)
        name = "utf-8" if self.encoding == "utf-8" else f"{self.encoding}-le"
        return len(text.encode(name, "surrogatepass")) // _BYTES[self.encoding]
