"""What stands at a place of a recipe: which word it is, and what the word means there."""

from dataclasses import dataclass
from pathlib import Path

from dcql.catalog.functions import FUNCTIONS, Function
from dcql.catalog.types import Column, Schema
from dcql.editing.document import Document, Statement, library_symbol, text_of
from dcql.editing.symbols import IMPORT, STAGE, Symbol, is_name
from dcql.source import Span
from dcql.syntax.scan import Word
from dcql.syntax.vocabulary import KEYWORDS

RELATIONS = frozenset({STAGE, IMPORT})
POOL = "pool"


@dataclass(frozen=True, slots=True)
class Keyword:
    """A word of the language, in capitals."""

    word: str


@dataclass(frozen=True, slots=True)
class Named:
    """A name that a statement gives, and the document that the statement is in."""

    symbol: Symbol
    document: Document


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a DEFINE, within it; `span` is where it is named first."""

    define: Symbol
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a statement names; `path` is None where there is none inside of the recipe's folder."""

    text: str
    path: Path | None


@dataclass(frozen=True, slots=True)
class AllSamples:
    """`pool`: the relation of all samples."""


Meaning = Keyword | Named | Parameter | NamedFile | AllSamples | Column | Function


@dataclass(frozen=True, slots=True)
class At:
    """A word at a place; `meaning` is None for a number, a symbol, and a name that nothing gives."""

    statement: Statement
    index: int
    meaning: Meaning | None

    @property
    def word(self) -> Word:
        """The word."""
        return self.statement.words[self.index]

    @property
    def span(self) -> Span:
        """Where the word stands."""
        return self.statement.source.span(self.word.start, self.word.end)


def at(document: Document, offset: int, schema: Schema) -> At | None:
    """Return the word that an offset lies in, or ends; None between words and in comments."""
    statement = document.statement_at(offset)
    if statement is None:
        return None
    touching = [i for i, word in enumerate(statement.words) if word.start <= offset <= word.end]
    if not touching:
        return None
    # Between two words that touch, as in `q(`, the one that is a name is meant.
    index = next((i for i in reversed(touching) if statement.words[i].kind in ("word", "text")), touching[-1])
    return At(statement, index, meaning(document, statement, index, schema))


def meaning(document: Document, statement: Statement, index: int, schema: Schema) -> Meaning | None:
    """Return what a word of a statement means: by the grammar where it is read so far, else by the words around it."""
    word = statement.words[index]
    if word.kind == "text":
        return _file(document, statement, index)
    if word.kind != "word":
        return None
    before = statement.words[index - 1].text if index else ""
    if before == ".":
        return _qualified(statement, index, schema)
    kind = statement.kind(word)
    if kind and kind != "NAME":
        return Keyword(word.upper)
    if not kind and (not is_name(word) or (word.text in KEYWORDS)):
        return Keyword(word.upper)
    if (argument := _import_argument(document, statement, index)) is not None:
        return argument
    return named(document, statement, word, schema)


def named(document: Document, statement: Statement, word: Word, schema: Schema) -> Meaning | None:
    """Return what a name means: a parameter, a name of the recipe, a column, a name of the library, a function."""
    name = word.text
    for symbol in statement.symbols:
        for parameter in symbol.parameters or ():
            if parameter.text == name and symbol.name_span.start != word.start:
                return Parameter(symbol, name, parameter)
    if (own := document.visible(name, word.start)) is not None:
        return Named(own, document)
    if name == POOL:
        return AllSamples()
    if (column := schema.get(name)) is not None:
        return column
    if (found := library_symbol(name)) is not None:
        return Named(found[1], found[0])
    return FUNCTIONS.get(name)


def _qualified(statement: Statement, index: int, schema: Schema) -> Column | None:
    """Return the column of `pool.name`."""
    if index < 2 or statement.words[index - 2].text != POOL:
        return None
    return schema.get(statement.words[index].text)


def _file(document: Document, statement: Statement, index: int) -> NamedFile | None:
    """Return the file that a text names, where it stands for one."""
    before = statement.words[index - 1].upper if index else ""
    first = statement.words[0].upper
    if before == IMPORT or (before == "FROM" and first in ("SET", "ASSET", "MODEL", "TABLE")):
        text = text_of(statement.words[index].text)
        return NamedFile(text, document.file(text))
    return None


def _import_argument(document: Document, statement: Statement, index: int) -> Named | None:
    """Return the PARAM of the imported recipe that `WITH name = ..` sets."""
    words = statement.words
    if words[0].upper != IMPORT or index + 1 >= len(words) or words[index + 1].text != "=" or not statement.symbols:
        return None
    imported = document.imported(statement.symbols[0])
    symbol = imported.named(words[index].text, frozenset({"PARAM"})) if imported is not None else None
    return Named(symbol, imported) if symbol is not None and imported is not None else None


def references(document: Document, symbol: Symbol, schema: Schema) -> tuple[Span, ...]:
    """Return every place in a document where one of its own names stands, the one that gives it among them."""
    found = []
    for statement in document.statements:
        for index, word in enumerate(statement.words):
            if word.text != symbol.name or word.kind != "word":
                continue
            meant = meaning(document, statement, index, schema)
            if isinstance(meant, Named) and meant.symbol == symbol and meant.document is document:
                found.append(document.source.span(word.start, word.end))
    return tuple(found)


def parameter_references(parameter: Parameter, statement: Statement) -> tuple[Span, ...]:
    """Return every place where a parameter of a DEFINE stands, in the statement of the DEFINE."""
    return tuple(
        statement.source.span(word.start, word.end)
        for index, word in enumerate(statement.words)
        if word.kind == "word"
        and word.text == parameter.name
        and word.start != parameter.define.name_span.start
        and statement.words[index - 1].text != "."
    )


def definition(found: At) -> tuple[Path | None, Span | None] | None:
    """Return where the word at a place is defined: a file and a span in it, the file's start without a span.

    The file is None for the text itself where that lies in none. None for what no recipe defines.
    """
    match found.meaning:
        case Named(symbol, document):
            if symbol.kind == IMPORT and symbol.name_span == found.span:
                imported = document.imported(symbol)
                return (imported.path, None) if imported is not None else None
            return document.path, symbol.name_span
        case Parameter(span=span):
            return None, span
        case NamedFile(path=Path() as path):
            return path, None
        case _:
            return None
