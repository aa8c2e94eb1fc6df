"""Words that know where they may be put on a line -> lines, no longer than a page is wide where that is possible.

A layout says of each place between two words whether a line may end there. A `Group` stays on one line if it fits, and
otherwise all places that are its own end a line; the groups in it are asked again. A comment is put where it was
written: after the word that it stands beside, or on a line of its own before the next word.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

WIDTH = 100
GAP = 3  # between the longest line and the comments beside it and its neighbours


@dataclass(frozen=True, slots=True)
class Word:
    """A token as it is printed; `start` and `end` say where its statement has it."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    """A place where a line may end, or must; where it does not, `flat` is printed."""

    flat: str = " "
    must: bool = False


@dataclass(frozen=True, slots=True)
class Nest:
    """What is indented by `by` more columns where it begins a line."""

    by: int
    inner: "Layout"


@dataclass(frozen=True, slots=True)
class Group:
    """What stays on one line if it fits.

    A comment below an `open` one that was indented deeper than what follows it belongs to it, and is a line too many.
    """

    inner: "Layout"
    open: bool = False


# A plain text is the space between two words that stay on one line.
Layout: TypeAlias = Word | Line | Nest | Group | str | tuple["Layout", ...]

SPACE = Line()
EDGE = Line("")
END = Line(must=True)


@dataclass(slots=True)
class Comments:
    """The comments of one word: lines above it, each with whether it was indented deeper, and the one beside it.

    `below` says whether such a deeper one stands above the next word.
    """

    above: list[tuple[str, bool]] = field(default_factory=list)
    beside: str | None = None
    below: bool = False


@dataclass(frozen=True, slots=True)
class Printed:
    """A line, and the comment that stands beside it."""

    text: str
    comment: str | None = None


def words(layout: Layout) -> Iterator[Word]:
    """Yield the words of a layout in order."""
    waiting = [layout]
    while waiting:
        match waiting.pop():
            case Word() as word:
                yield word
            case Nest(_, inner) | Group(inner, _):
                waiting.append(inner)
            case tuple() as parts:
                waiting += reversed(parts)


def flat(layout: Layout) -> Iterator[Word | str]:
    """Yield the words of a layout, and the spaces between them where all of it is on one line."""
    waiting = [layout]
    while waiting:
        match waiting.pop():
            case Word() | str() as part:
                yield part
            case Line(space):
                yield space
            case Nest(_, inner) | Group(inner, _):
                waiting.append(inner)
            case tuple() as parts:
                waiting += reversed(parts)


def printed(layout: Layout, comments: Mapping[Word, Comments]) -> list[Printed]:
    """Return the lines of a layout; `comments` has those of a word."""
    return _Printer(layout, comments).lines


def aligned(lines: list[Printed]) -> list[str]:
    """Return lines with the comments beside them; on neighbouring lines they begin in one column."""
    found: list[str] = []
    at = 0
    while at < len(lines):
        end = at
        while end < len(lines) and lines[end].comment is not None:
            end += 1
        column = max((len(line.text) for line in lines[at:end]), default=0) + GAP
        found += [f"{line.text:{column}}{line.comment}" for line in lines[at:end]]
        if end < len(lines):
            found.append(lines[end].text)
        at = end + 1
    return found


class _Printer:
    """Prints with a stack of its own: what is nested deep must not recurse.

    An entry is an indentation, whether lines end in it, and a layout.
    """

    def __init__(self, layout: Layout, comments: Mapping[Word, Comments]) -> None:
        self.lines: list[Printed] = []
        self._comments = comments
        self._line = ""
        self._indent = 0
        self._beside: str | None = None
        self._depth = 0  # the indentation of the line before this one
        self._stack: list[tuple[int, bool, Layout]] = [(0, True, layout)]
        while self._stack:
            self._print(*self._stack.pop())
        self._newline(0)

    def _print(self, indent: int, broken: bool, layout: Layout) -> None:
        match layout:
            case str():
                self._line += layout
            case Word():
                self._word(indent, layout)
            case Line(flat, must):
                if broken or must:
                    self._newline(indent)
                else:
                    self._line += flat
            case Nest(by, inner):
                self._stack.append((indent + by, broken, inner))
            case Group(inner):
                self._stack.append((indent, broken and not self._fits(layout), inner))
            case _:
                self._stack += [(indent, broken, part) for part in reversed(layout)]

    def _word(self, indent: int, word: Word) -> None:
        comments = self._comments.get(word)
        if self._beside is not None:
            self._newline(indent)
        if comments is not None and comments.above:
            self._newline(indent)
            for text, deeper in comments.above:
                # Deeper it stays, so that it is found to be so in the form itself.
                column = max(indent + 2, self._depth) if deeper else indent
                self.lines.append(Printed(" " * column + text))
        self._line += word.text
        if comments is not None:
            self._beside = comments.beside

    def _newline(self, indent: int) -> None:
        """End the line, if there is anything on it, and begin one with this indentation."""
        if text := self._line.strip():
            self.lines.append(Printed(" " * self._indent + text, self._beside))
            self._depth = self._indent
        self._line, self._beside, self._indent = "", None, indent

    def _fits(self, group: Group) -> bool:
        """Return whether a group fits on the rest of the line, with what follows up to where a line may end."""
        if group.open and any(comments.below for comments in self._of_last(group)):
            return False
        room = WIDTH - self._indent - len(self._line)
        blank = not self._line.strip()
        beside = past = False
        waiting: list[tuple[bool, Layout]] = [(False, group.inner)]
        after = len(self._stack)
        while room >= 0:
            if not waiting:
                if not after:
                    return True
                past, after = True, after - 1
                waiting.append(self._stack[after][1:])
            broken, layout = waiting.pop()
            match layout:
                case str():
                    room -= len(layout)
                case Word() as word:
                    comments = self._comments.get(word)
                    if beside or (comments is not None and comments.above and not blank):
                        return past
                    room -= len(word.text)
                    beside, blank = comments is not None and comments.beside is not None, False
                case Line(flat, must):
                    if broken or must:
                        return past
                    room -= len(flat)
                case Nest(_, content) | Group(content):
                    waiting.append((broken, content))
                case _:
                    waiting += [(broken, part) for part in reversed(layout)]
        return False

    def _of_last(self, layout: Layout) -> Iterator[Comments]:
        """Yield the comments of the last word of a layout, if it has any."""
        waiting = [layout]
        while waiting:
            match waiting.pop():
                case Word() as word:
                    if word in self._comments:
                        yield self._comments[word]
                    return
                case Nest(_, inner) | Group(inner, _):
                    waiting.append(inner)
                case tuple() as parts:
                    waiting += parts
