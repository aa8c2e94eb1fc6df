"""A recipe as an editor holds it: a text that may be wrong, its names, and the files that it names."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path, PurePosixPath

from dcql.catalog.library import library
from dcql.catalog.plain_files import open_plain
from dcql.editing.symbols import IMPORT, STAGE, Symbol, statements, symbols_of
from dcql.errors import RecipeError
from dcql.source import Source
from dcql.syntax.reading import Reading, reading
from dcql.syntax.scan import TOKEN, Word
from dcql.syntax.texts import MAX_BYTES, source_of


@dataclass(frozen=True)
class Statement:
    """The words of a statement, without its `;`, layout and comments: one at least."""

    source: Source = field(repr=False)
    words: tuple[Word, ...]
    symbols: tuple[Symbol, ...]

    @property
    def start(self) -> int:
        """Where its first word starts."""
        return self.words[0].start

    @property
    def end(self) -> int:
        """Where its last word ends."""
        return self.words[-1].end

    @cached_property
    def reading(self) -> Reading:
        """How far the grammar goes; its offsets count from `start`."""
        return reading(self.source.text[self.start : self.end])

    def kind(self, word: Word) -> str:
        """Return the terminal of grammar.lark that a word is, or "" behind the first that does not fit."""
        return self.reading.kinds.get(word.start - self.start, "")


@dataclass(frozen=True)
class Document:
    """The text of a recipe and its file, which is None for a text that lies in no file.

    `root` is the folder that its files may lie in: that of the recipe that is run. None is the file's own.
    """

    source: Source
    path: Path | None = None
    root: Path | None = None

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The statements that are not empty, in order."""
        return tuple(
            Statement(self.source, tuple(words), tuple(symbols_of(self.source, words)))
            for words in statements(self.source)
        )

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """The names that it gives, in order."""
        return tuple(symbol for statement in self.statements for symbol in statement.symbols)

    def named(self, name: str, kinds: frozenset[str] | None = None) -> Symbol | None:
        """Return the first symbol of a name, of certain kinds where they are given."""
        return next((one for one in self.symbols if one.name == name and (not kinds or one.kind in kinds)), None)

    def visible(self, name: str, offset: int) -> Symbol | None:
        """Return what a name at an offset stands for: a definition anywhere, or a stage above, or the place itself."""
        return next(
            (
                one
                for one in self.symbols
                if one.name == name and (one.kind != STAGE or one.span.end <= offset or one.name_span.start == offset)
            ),
            None,
        )

    def statement_at(self, offset: int) -> Statement | None:
        """Return the statement that an offset lies in, its end included."""
        return next((one for one in self.statements if one.start <= offset <= one.end), None)

    def comment_above(self, symbol: Symbol) -> str:
        """Return the comment lines right above a symbol's statement, without their dashes."""
        lines = self.source.text[: symbol.span.start].split("\n")
        if lines[-1].strip():
            return ""
        found: list[str] = []
        for line in reversed(lines[:-1]):
            if not line.strip().startswith("--"):
                break
            found.append(line.strip().lstrip("-").strip())
        return "\n".join(reversed(found))

    def folders(self) -> tuple[Path, Path] | None:
        """Return the folder that names of files start at, and the one that they may not leave; None without a file."""
        if self.path is None:
            return None
        here = self.path.parent.resolve()
        return here, self.root.resolve() if self.root is not None else here

    def file(self, text: str) -> Path | None:
        """Return the plain file that a path in the recipe names, None for none inside of its folder."""
        folders = self.folders()
        if folders is None or PurePosixPath(text).is_absolute() or "\0" in text or "://" in text:
            return None
        try:
            path = (folders[0] / text).resolve()
            return path if path.is_relative_to(folders[1]) and path.is_file() else None
        except (OSError, RuntimeError, ValueError):
            return None

    def imported(self, symbol: Symbol) -> "Document | None":
        """Return the recipe that an IMPORT names, as it lies on the disk; None where it cannot be read."""
        if symbol.kind != IMPORT or symbol.file is None:
            return None
        path, folders = self.file(text_of(symbol.file.text)), self.folders()
        if path is None or folders is None:
            return None
        try:
            with open_plain(path, folders[1]) as file:
                source = source_of(file.read(MAX_BYTES + 1), path.relative_to(folders[1]).as_posix())
        except (OSError, RecipeError):
            return None
        return Document(source, path, folders[1])

    def needed(self, text: str, before: int) -> tuple[Symbol, ...]:
        """Return the symbols that a piece of text at an offset needs, and those that these need, in order.

        A stage is known to what stands below it alone.
        """
        known = {one.name: one for one in self.symbols if one.kind != STAGE or one.name_span.start < before}
        found: dict[str, Symbol] = {}
        waiting = [text]
        while waiting:
            for name in words_in(waiting.pop()):
                if name in known and name not in found:
                    found[name] = known[name]
                    waiting.append(known[name].span.text)
        return tuple(one for one in self.symbols if found.get(one.name) is one)

    def query_over(self, needs: str, before: int, query: str) -> str:
        """Return a recipe of what `needs`, at an offset, uses of the names of this one, and of a query of its own."""
        symbols = self.needed(needs, before)
        definitions = [f"{one.span.text};" for one in symbols if one.kind != STAGE]
        stages = [one.span.text for one in symbols if one.kind == STAGE]
        with_ = f"WITH {', '.join(stages)}\n" if stages else ""
        return "\n".join([*definitions, f"{with_}{query}"])


def words_in(text: str) -> Iterator[str]:
    """Yield the words of a text that could be names; what is quoted or a comment is none."""
    return (match.group() for match in TOKEN.finditer(text) if match.lastgroup == "word")


def text_of(written: str) -> str:
    """Return what a text literal says."""
    closed = len(written) > 1 and written.endswith("'")
    return written[1 : -1 if closed else None].replace("''", "'")


@cache
def library_documents() -> tuple[Document, ...]:
    """Return the files of the library, each with the file that it was read from."""
    folder = Path(str(files("dcql.stdlib")))
    return tuple(Document(one.source, folder / PurePosixPath(one.source.name).name) for one in library())


def library_symbol(name: str) -> tuple[Document, Symbol] | None:
    """Return a name of the library and the file that gives it, or None."""
    for document in library_documents():
        if (symbol := document.named(name)) is not None:
            return document, symbol
    return None


def is_library(path: Path | None) -> bool:
    """Return whether a file is one of the library's."""
    return path is not None and any(path == one.path for one in library_documents())
