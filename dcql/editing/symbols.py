"""The names that a recipe gives, found in its words: a statement that is half written gives its name too."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from dcql.source import Source, Span
from dcql.syntax.scan import TOKEN, Word
from dcql.syntax.vocabulary import RESERVED

# The statements that begin with a word and the name that they give.
NAMING = frozenset({"DEFINE", "PARAM", "SET", "MODEL", "FEATURE", "ASSET", "TABLE"})
STAGE = "stage"
IMPORT = "IMPORT"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name that a recipe gives: `kind` is the statement's first word, or "stage".

    `span` is the statement or the stage, `parameters` those of a DEFINE with parentheses, each with its place, and
    `file` the text that an IMPORT names its file by, with its quotes.
    """

    kind: str
    name: str
    name_span: Span
    span: Span
    parameters: tuple[Span, ...] | None = None
    file: Span | None = field(default=None)


def statements(source: Source) -> Iterator[list[Word]]:
    """Yield the words of each statement that is not empty, without its `;`, layout and comments."""
    words: list[Word] = []
    for match in TOKEN.finditer(source.text):
        kind = match.lastgroup or ""
        if kind in ("space", "comment"):
            continue
        if match.group() == ";":
            if words:
                yield words
            words = []
        else:
            words.append(Word(kind, match.group(), match.start(), match.end()))
    if words:
        yield words


def symbols_of(source: Source, words: list[Word]) -> Iterator[Symbol]:
    """Yield the names that a statement gives."""
    first, span = words[0].upper, source.span(words[0].start, words[-1].end)
    if first in NAMING and len(words) > 1 and is_name(words[1]):
        parameters = _parameters(source, words) if first == "DEFINE" else None
        yield Symbol(first, words[1].text, _span(source, words[1]), span, parameters)
    elif first == IMPORT and len(words) > 3 and words[2].upper == "AS" and is_name(words[3]):
        yield Symbol(first, words[3].text, _span(source, words[3]), span, None, _span(source, words[1]))
    elif first == "WITH":
        yield from _stages(source, words)


def is_name(word: Word) -> bool:
    """Return whether a word may be a name: a keyword that is not reserved may be one."""
    return word.kind == "word" and word.upper not in RESERVED


def _parameters(source: Source, words: list[Word]) -> tuple[Span, ...] | None:
    """Return the parameters of a DEFINE, None for one without parentheses."""
    if len(words) < 3 or words[2].text != "(":
        return None
    found = []
    for word in words[3:]:
        if is_name(word):
            found.append(_span(source, word))
        elif word.text != ",":
            break
    return tuple(found)


def _stages(source: Source, words: list[Word]) -> Iterator[Symbol]:
    """Yield the stages of a WITH: `name AS (..)`, with commas between."""
    place = 1
    while place + 2 < len(words) and is_name(words[place]) and words[place + 1].upper == "AS":
        if words[place + 2].text != "(":
            return
        depth, end = 0, place + 2
        for end in range(place + 2, len(words)):
            depth += {"(": 1, ")": -1}.get(words[end].text, 0)
            if depth == 0:
                break
        yield Symbol(
            STAGE, words[place].text, _span(source, words[place]), source.span(words[place].start, words[end].end)
        )
        if end + 1 >= len(words) or words[end + 1].text != ",":
            return
        place = end + 2


def _span(source: Source, word: Word) -> Span:
    return source.span(word.start, word.end)
