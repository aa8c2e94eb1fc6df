"""Recipe text -> the same recipe in the one form that `dcql fmt` writes.

What decides the form is the words and the comments of a recipe, and the blank lines between its statements: how it was
laid out is forgotten. A comment stays between the two words that it stands between. Only a comma or a semicolon goes
before it, so that neither begins a line.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from dcql.errors import Diagnostic, RecipeError
from dcql.source import Source
from dcql.syntax.layout import Comments, Printed, Word, aligned, printed, words
from dcql.syntax.parser import parse_either
from dcql.syntax.phrases import layout_parser
from dcql.syntax.scan import TOKEN, scan
from dcql.syntax.texts import MAX_BYTES

_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")


@dataclass(frozen=True, slots=True)
class _Comment:
    """A comment as it is printed, and where it was."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A statement with its `;`, or a comment between statements: its lines, and where it was."""

    lines: list[Printed]
    start: int
    end: int


def formatted(source: Source) -> str:
    """Return a recipe, or a file of definitions, in its canonical form: lines end with \\n, and there is no mark first.

    The form of a form is itself, and its tree is that of `source`. Raises RecipeError with what is wrong in the text.
    """
    recipe = parse_either(source)
    parts = _parts(source)
    lines: list[Printed] = []
    for i, part in enumerate(parts):
        if i and _BLANK_LINE.search(source.text, parts[i - 1].end, part.start):
            lines.append(Printed(""))
        lines += part.lines
    text = "".join(f"{line}\n" for line in aligned(lines))
    if len(text.encode("utf-8")) > MAX_BYTES:
        help_ = "values belong in a file: SET s FROM 'values.txt' SHA256 '..'; then `x IN s`"
        message = f"`{source.name}` is too large to be formatted"
        label = f"its canonical form has {len(text.encode('utf-8')):,} bytes, and a recipe at most {MAX_BYTES:,}"
        raise RecipeError(Diagnostic("E1492", message, None, label, (help_,)))
    if parse_either(Source(source.name, text)) != recipe:
        raise AssertionError(f"the form of {source.name} is another recipe")
    return text


def _parts(source: Source) -> list[_Part]:
    """Return the statements and the comments between them in order."""
    text = source.text
    comments = [_comment(match) for match in TOKEN.finditer(text) if match.lastgroup == "comment"]
    statements = scan(source)[0]
    parts: list[_Part] = []
    at = 0
    for i, statement in enumerate(statements):
        layout = layout_parser().parse(text[statement.start : statement.end])
        found = list(words(layout))
        written = text.startswith(";", statement.end)
        end = statement.end - statement.start if written else found[-1].end
        semicolon = Word(";", end, end + written)
        while at < len(comments) and comments[at].start < statement.start:
            parts.append(_own_line(comments[at]))
            at += 1
        first = at
        following = statements[i + 1].start if i + 1 < len(statements) else len(text)
        while at < len(comments) and comments[at].start < statement.start + end:
            at += 1
        stop = statement.start + semicolon.end
        if at < len(comments) and comments[at].start < following and "\n" not in text[stop : comments[at].start]:
            at += 1
            stop = comments[at - 1].end
        notes = _attached(text, statement.start, [*found, semicolon], comments[first:at])
        parts.append(_Part(printed((layout, semicolon), notes), statement.start, stop))
    return parts + [_own_line(comment) for comment in comments[at:]]


def _attached(text: str, start: int, found: list[Word], comments: list[_Comment]) -> dict[Word, Comments]:
    """Give each comment of a statement that begins at `start` to one of its words."""
    attached: dict[Word, Comments] = defaultdict(Comments)
    if not comments:
        return attached
    at = 0
    for word, following in pairwise([*found, None]):
        assert word is not None
        while at < len(comments) and (following is None or comments[at].start < start + following.start):
            comment = comments[at]
            if "\n" not in text[start + word.end : comment.start]:
                attached[word].beside = comment.text
            elif following is not None:
                deeper = _column(text, comment.start) > _column(text, start + following.start)
                attached[following].above.append((comment.text, deeper))
                attached[word].below |= deeper
            at += 1
    for i, word in enumerate(found):
        if word.text == ",":
            _behind_comma(attached[found[i - 1]], attached[word], attached[found[i + 1]])
    last, semicolon = attached[found[-2]], attached[found[-1]]
    if not semicolon.above and semicolon.beside is None:
        last.beside, semicolon.beside = None, last.beside
    return attached


def _behind_comma(before: Comments, comma: Comments, after: Comments) -> None:
    """Move the comments before a comma behind it, in order."""
    if before.beside is None and not comma.above:
        return
    moved = [(text, False) for text, _ in comma.above]
    if comma.beside is not None:
        moved.append((comma.beside, False))
    after.above[:0] = moved
    comma.above.clear()
    before.beside, comma.beside = None, before.beside


def _comment(match: re.Match[str]) -> _Comment:
    return _Comment(match.group().rstrip(" \t\r"), match.start(), match.end())


def _own_line(comment: _Comment) -> _Part:
    return _Part([Printed(comment.text)], comment.start, comment.end)


def _column(text: str, place: int) -> int:
    return place - text.rfind("\n", 0, place)
