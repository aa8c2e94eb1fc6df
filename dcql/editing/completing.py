"""What may be written at a place of a recipe: the words that the grammar accepts there, and the names that fit."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from dcql.catalog.functions import FUNCTIONS
from dcql.catalog.plain_files import open_plain
from dcql.catalog.types import Schema, Type
from dcql.editing.document import Document, library_documents, text_of
from dcql.editing.places import POOL
from dcql.editing.symbols import IMPORT, STAGE, Symbol, symbols_of
from dcql.source import Source
from dcql.syntax.reading import reading
from dcql.syntax.scan import TOKEN, Word
from dcql.syntax.vocabulary import KEYWORDS

# A file whose digest is offered is read for it, while somebody waits.
MAX_DIGESTED = 256 << 20
MAX_FILES = 500
_FRAGMENT = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")
_LOWER = {"UID": "uid", "KEPT": "kept", "COPIES": "copies"}
_VALUES = frozenset({"DEFINE", "PARAM", "FEATURE"})
_FILES = {IMPORT: (".dcql",), "MODEL": (".py",), "TABLE": (".parquet",), "SET": (), "ASSET": ()}


class Sort(Enum):
    """What a candidate is, for its picture in the editor and its place in the list."""

    COLUMN = "column"
    NAME = "name"
    RELATION = "relation"
    LIBRARY = "library"
    FUNCTION = "function"
    KEYWORD = "keyword"
    TYPE = "type"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that may be written: `text` goes in place of the code points from `start` up to `end`."""

    label: str
    sort: Sort
    start: int
    end: int
    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Role:
    """What a name at a place may be, beside the keywords there."""

    columns: bool = False
    functions: bool = False
    relations: bool = False
    kinds: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    types: bool = False


_NOTHING = Role()
_EXPRESSION = Role(columns=True, functions=True, kinds=_VALUES)
_CONSTANT = Role(kinds=frozenset({"PARAM"}))
_RELATIONS = Role(relations=True)


def completions(document: Document, offset: int, schema: Schema) -> tuple[Candidate, ...]:
    """Return what may be written at an offset, best first. Never raises, whatever the text is."""
    text = document.source.text[:offset]
    tokens = list(TOKEN.finditer(text))
    last = tokens[-1] if tokens else None
    if last is not None and last.lastgroup == "comment":
        return ()
    if last is not None and last.lastgroup == "open":
        return tuple(_in_text(document, _since_semicolon(tokens[:-1]), last.group(), last.start(), offset))
    if last is not None and last.lastgroup == "text":
        return ()
    fragment = _FRAGMENT.search(text)
    start = fragment.start() if fragment else offset
    if not fragment and last is not None and last.lastgroup in ("number", "digits"):
        return ()
    words = _since_semicolon([token for token in tokens if token.start() < start])
    first = words[0].start if words else start
    accepted = reading(text[first:start]).accepted
    role = _role(document, words, accepted)
    end = offset + len(re.match(r"[A-Za-z_0-9]*", document.source.text[offset:]).group())  # type: ignore[union-attr]
    found = [
        *_names(document, words, role, schema, start),
        *_keywords(accepted),
    ]
    unique = {label: (label, sort, detail) for label, sort, detail in reversed(found)}
    order = {sort: place for place, sort in enumerate(Sort)}
    return tuple(
        Candidate(label, sort, start, end, label, detail)
        for label, sort, detail in sorted(unique.values(), key=lambda one: (order[one[1]], one[0]))
    )


Row = tuple[str, Sort, str]


def _keywords(accepted: frozenset[str] | None) -> Iterator[Row]:
    """Yield the words of the language that the grammar accepts."""
    for terminal in accepted or ():
        if terminal == "Q":
            yield "q", Sort.FUNCTION, "q(p): an exact order statistic"
        elif terminal == "UID" or terminal in KEYWORDS:
            yield _LOWER.get(terminal, terminal), Sort.KEYWORD, ""


def _names(document: Document, words: list[Word], role: Role, schema: Schema, start: int) -> Iterator[Row]:
    above = [symbol for symbol in document.symbols if symbol.span.end <= start]
    if role.types:
        yield from ((one.value, Sort.TYPE, "") for one in Type if one is not Type.NESTED)
    for name in role.names:
        yield name, Sort.NAME, ""
    if role.columns:
        for column in schema.columns:
            if column.type is not Type.NESTED:
                yield column.name, Sort.COLUMN, column.type.value
        yield from _parameters(document.source, words)
    for symbol in above:
        if symbol.kind in role.kinds:
            yield symbol.name, Sort.NAME, _described(symbol)
        elif role.relations and symbol.kind in (STAGE, IMPORT):
            yield symbol.name, Sort.RELATION, _described(symbol)
    if role.relations:
        yield from ((name, Sort.RELATION, "a stage") for name in _open_stages(document.source, words))
        yield POOL, Sort.RELATION, "all samples"
    for library in library_documents():
        for symbol in library.symbols:
            if symbol.kind in role.kinds:
                yield symbol.name, Sort.LIBRARY, _described(symbol)
    if role.functions:
        yield from ((one.name, Sort.FUNCTION, f"{one.usage}: {one.summary}") for one in FUNCTIONS.values())


def _role(document: Document, words: list[Word], accepted: frozenset[str] | None) -> Role:
    """Return what a name behind these words may be."""
    if not words or (accepted is not None and "NAME" not in accepted):
        return _NOTHING
    before, first = words[-1].upper, words[0].upper
    if before == ".":
        columns = len(words) > 1 and words[-2].text == POOL
        return Role(columns=columns) if columns else _NOTHING
    if before == "JOIN":
        return Role(kinds=frozenset({"TABLE"}))
    if before == "(" and len(words) > 1 and words[-2].upper == "USING" and first not in ("FEATURE", "ASSET"):
        return Role(columns=True, names=("uid",))
    if before in ("FROM", "OF") or (before == "ON" and first == "ASSET"):
        return _RELATIONS if first != "ASSET" or before == "ON" else Role(names=(POOL,))
    if before == "IN":
        return Role(relations=True, kinds=frozenset({"SET", "ASSET"}))
    if first == IMPORT:
        return _import_role(document, words)
    if first in ("MODEL", "FEATURE", "ASSET"):
        return _model_role(words, accepted)
    if accepted is not None and "NUMBER" not in accepted:
        return _NOTHING  # a name of the recipe's own
    if first == "PARAM" or before in ("LIMIT", "SAMPLE", "SEED") or any(word.upper == "EXPECT" for word in words):
        return _CONSTANT
    return _EXPRESSION


def _import_role(document: Document, words: list[Word]) -> Role:
    """Return the PARAMs of an imported recipe behind WITH and commas, and this recipe's behind `=`."""
    if words[-1].text == "=":
        return _CONSTANT
    if words[-1].upper not in ("WITH", ","):
        return _NOTHING
    symbol = next(symbols_of(document.source, words), None)
    imported = document.imported(symbol) if symbol is not None else None
    if imported is None:
        return _NOTHING
    return Role(names=tuple(one.name for one in imported.symbols if one.kind == "PARAM"))


def _model_role(words: list[Word], accepted: frozenset[str] | None) -> Role:
    before, first = words[-1].upper, words[0].upper
    if before in ("USING", "FIT") or (first == "ASSET" and before == "AS"):
        return Role(kinds=frozenset({"MODEL"}))
    if before == "RETURNS" or (first == "FEATURE" and len(words) == 2):
        return Role(types=True)
    if first == "MODEL":
        in_list = len(words) > 3 and words[-1].kind == "word" and words[-2].text in ("(", ",")
        return Role(types=True) if in_list else _NOTHING
    if accepted is None or "NUMBER" in accepted:
        return Role(columns=True, kinds=frozenset({"PARAM", "FEATURE", "ASSET"}))
    return _NOTHING


def _parameters(source: Source, words: list[Word]) -> Iterator[Row]:
    """Yield the parameters of the DEFINE that is being written."""
    for symbol in symbols_of(source, words) if words else ():
        for parameter in symbol.parameters or ():
            yield parameter.text, Sort.NAME, f"a parameter of {symbol.name}"


def _open_stages(source: Source, words: list[Word]) -> Iterator[str]:
    """Yield the stages above a place in the statement that is being written, without the one that it lies in."""
    found = list(symbols_of(source, words)) if words and words[0].upper == "WITH" else []
    depth = sum({"(": 1, ")": -1}.get(word.text, 0) for word in words)
    yield from (symbol.name for symbol in (found[:-1] if depth > 0 and _is_open(found, words) else found))


def _is_open(found: list[Symbol], words: list[Word]) -> bool:
    """Return whether the last stage has no end yet."""
    if not found:
        return False
    inside = [word for word in words if word.start >= found[-1].span.start]
    return sum({"(": 1, ")": -1}.get(word.text, 0) for word in inside) > 0 and inside[-1].end == found[-1].span.end


def _described(symbol: Symbol) -> str:
    if symbol.kind == STAGE:
        return "a stage"
    written = " ".join(symbol.span.text.split())
    return written if len(written) <= 120 else written[:117] + "..."


def _since_semicolon(tokens: list[re.Match[str]]) -> list[Word]:
    """Return the words of the statement that is being written."""
    words: list[Word] = []
    for token in tokens:
        kind = token.lastgroup or ""
        if token.group() == ";":
            words = []
        elif kind not in ("space", "comment"):
            words.append(Word(kind, token.group(), token.start(), token.end()))
    return words


def _in_text(document: Document, words: list[Word], written: str, start: int, offset: int) -> Iterator[Candidate]:
    """Yield the files that a text may name, or the digest that it may state."""
    if not words:
        return
    before, first = words[-1].upper, words[0].upper
    rest = re.match(r"[^'\r\n;]*", document.source.text[offset:])
    end = offset + (len(rest.group()) if rest and document.source.text[offset + rest.end() :][:1] == "'" else 0)
    if (before == IMPORT or before == "FROM") and first in _FILES:
        typed = text_of(written)
        for name in _files(document, typed, _FILES[first]):
            yield Candidate(name, Sort.FILE, start + 1, end, name.replace("'", "''"))
    elif before == "SHA256" and len(words) > 1 and words[-2].kind == "text":
        digest = _digest(document, text_of(words[-2].text))
        if digest:
            yield Candidate(digest, Sort.FILE, start + 1, end, digest, f"the digest of {words[-2].text}")


def _files(document: Document, typed: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Yield the files and folders beside what is typed, inside of the recipe's folder; a folder ends with `/`."""
    folders = document.folders()
    if folders is None or "\0" in typed or PurePosixPath(typed).is_absolute():
        return
    prefix = typed.rpartition("/")[0] + "/" if "/" in typed else ""
    try:
        folder = (folders[0] / prefix).resolve()
        if not folder.is_relative_to(folders[1]) or not folder.is_dir():
            return
        entries = sorted(folder.iterdir())[:MAX_FILES]
    except (OSError, ValueError, RuntimeError):
        return
    for entry in entries:
        if entry.name.startswith(".") or entry == document.path:
            continue
        if entry.is_dir():
            yield f"{prefix}{entry.name}/"
        elif entry.is_file() and (not suffixes or entry.suffix in suffixes):
            yield f"{prefix}{entry.name}"


def _digest(document: Document, name: str) -> str:
    path, folders = document.file(name), document.folders()
    if path is None or folders is None:
        return ""
    try:
        with open_plain(path, folders[1]) as file:
            if path.stat().st_size > MAX_DIGESTED:
                return ""
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
