"""The files that a recipe names: imported recipes, sets and tables, read once and checked before anything is resolved.

A recipe may be a stranger's. A file is opened once, without following links that came in between, and what was read is
what was hashed; nothing but a plain file in the recipe's folder is opened at all.
"""

import hashlib
import os
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path, PurePosixPath

from dcql.catalog.plain_files import open_plain
from dcql.catalog.tables import TableInput, read_table
from dcql.errors import Diagnostics, RecipeError, RunError, did_you_mean
from dcql.source import Span
from dcql.syntax import ast
from dcql.syntax.parser import parse
from dcql.syntax.texts import MAX_BYTES, source_of

MAX_SET_BYTES = 1 << 30
# Of all files that are named, each as often as it is.
MAX_SETS_BYTES = 4 << 30
MAX_FILES_BYTES = 16 << 30
MAX_IMPORT_DEPTH = 32
MAX_IMPORTS = 200
NPY_MAGIC = b"\x93NUMPY"


@dataclass(frozen=True, slots=True)
class SetInput:
    """A set's file: where it is and what is in it.

    `values` are the lines of a text file; a .npy file of uids has none, and `is_subset` is true.
    """

    path: Path
    sha256: str
    is_subset: bool
    values: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Inputs:
    """Everything that a recipe and its imports read, by the span of the statement that names it.

    `files` are the assets, by the span of their statement, and the code of models, by the span of its FROM.
    """

    recipes: dict[Span, ast.Recipe]
    sets: dict[Span, SetInput]
    files: dict[Span, Path] = field(default_factory=dict)
    tables: dict[Span, TableInput] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is read at all."""
        return bool(self.recipes or self.sets or self.files or self.tables)


def load(recipe: ast.Recipe, path: Path | None) -> Inputs:
    """Read every file that `recipe` names, and those that its imports name.

    `path` is the recipe's own file: nothing outside of its folder is read. It is None for a recipe that came as text,
    which may name no file. Raises RecipeError with every file that is missing, has another digest, or lies outside.
    """
    own = path.resolve() if path is not None else None
    loader = _Loader(own.parent if own is not None else None)
    loader.load(recipe, loader.root, (own,) if own is not None else ())
    loader.diagnostics.raise_any()
    return loader.inputs


@dataclass
class _Loader:
    """Reads the files of a recipe; `root` is the folder that they lie in, None where there is none."""

    root: Path | None
    inputs: Inputs = field(default_factory=lambda: Inputs({}, {}))
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    imports: int = 0
    set_bytes: int = 0
    file_bytes: int = 0

    def load(self, recipe: ast.Recipe, here: Path | None, above: tuple[Path, ...]) -> None:
        """Read what a recipe in the folder `here` names; `above` are the files that import it, and its own."""
        for statement in recipe.definitions:
            match statement:
                case ast.SetFile():
                    if (path := self._inside(statement.path, here)) is not None:
                        self._read_set(statement, path)
                case ast.TableFile():
                    self._read_table(statement, here)
                case ast.AssetFile():
                    self._add_file(statement.span, statement.path, statement.sha256, here)
                case ast.Model(code=ast.Code() as code):
                    self._add_file(code.span, code.path, code.sha256, here)
                case ast.Import():
                    if (path := self._inside(statement.path, here)) is not None:
                        self._import(statement, path, above)
                case _:
                    pass

    def _import(self, statement: ast.Import, path: Path, above: tuple[Path, ...]) -> None:
        named = statement.path
        if path in above:
            circle = " -> ".join(one.name for one in (*above[above.index(path) :], path))
            help_ = "leave the import out, or move what the recipes share into one that imports none of them"
            self.diagnostics.add("E0207", f"`{named.value}` imports itself", named.span, circle, (help_,))
            return
        # A file imported twice counts twice: ten that each import the next one twice are a thousand.
        self.imports += 1
        deep = len(above) > MAX_IMPORT_DEPTH
        if deep or self.imports > MAX_IMPORTS:
            limit = f"more than {MAX_IMPORT_DEPTH} deep" if deep else f"more than {MAX_IMPORTS} in all"
            if deep or self.imports == MAX_IMPORTS + 1:
                help_ = "write some of them as one recipe"
                self.diagnostics.add("E0503", "too many imports", named.span, limit, (help_,))
            return
        if (file := self._open(path, named)) is None:
            return
        assert self.root is not None
        try:
            with file:
                imported = parse(source_of(file.read(MAX_BYTES + 1), str(path.relative_to(self.root))))
        except RecipeError as error:
            self.diagnostics.found.extend(error.diagnostics)
            return
        self.inputs.recipes[statement.span] = imported
        self.load(imported, path.parent, (*above, path))

    def _add_file(self, span: Span, named: ast.Text, sha256: ast.Text, here: Path | None) -> None:
        """Find a file that is read when the recipe runs, and compare its digest."""
        path = self._inside(named, here)
        if path is None or (file := self._open(path, named)) is None:
            return
        with file:
            self.file_bytes += os.fstat(file.fileno()).st_size
            if self.file_bytes > MAX_FILES_BYTES:
                self._too_large(named, "tables, assets and code", MAX_FILES_BYTES)
                return
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != sha256.value.lower():
            self._refuse_digest(named, sha256, digest)
        else:
            self.inputs.files[span] = path

    def _read_table(self, statement: ast.TableFile, here: Path | None) -> None:
        """Read the footer of a table, and compare the digest of all of it: its values are read when the recipe runs."""
        named = statement.path
        path = self._inside(named, here)
        if path is None or (file := self._open(path, named)) is None:
            return
        with file:
            self.file_bytes += os.fstat(file.fileno()).st_size
            if self.file_bytes > MAX_FILES_BYTES:
                self._too_large(named, "tables, assets and code", MAX_FILES_BYTES)
                return
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != statement.sha256.value.lower():
                self._refuse_digest(named, statement.sha256, digest)
                return
            try:
                self.inputs.tables[statement.span] = read_table(file, path, digest)
            except ValueError as error:
                self.diagnostics.add(
                    "E0771",
                    f"`{named.value}` is no table",
                    named.span,
                    str(error),
                    ("a TABLE is a parquet file; pandas writes one: frame.to_parquet('scores.parquet')",),
                )

    def _read_set(self, statement: ast.SetFile, path: Path) -> None:
        named = statement.path
        if (file := self._open(path, named)) is None:
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_SET_BYTES:
                help_ = "uids fit as a .npy file of dtype u8,u8: 16 bytes each"
                self._refuse_set(named, f"`{named.value}` is larger than 1 GiB", "too large for a set", (help_,))
                return
            self.set_bytes += size
            if self.set_bytes > MAX_SETS_BYTES:
                self._too_large(named, "sets", MAX_SETS_BYTES)
                return
            # A file that grows meanwhile is another one, and so is its digest.
            content = file.read(size)
        digest = hashlib.sha256(content).hexdigest()
        if digest != statement.sha256.value.lower():
            self._refuse_digest(named, statement.sha256, digest)
            return
        if content.startswith(NPY_MAGIC):
            from dcql.subset import Subset  # few recipes read one, and it brings in numpy

            try:
                Subset.parse(content, named.value)
            except RunError as error:
                fault = error.diagnostics[0]
                self._refuse_set(named, fault.message, fault.label, fault.helps)
                return
            self.inputs.sets[statement.span] = SetInput(path, digest, True, ())
            return
        try:
            lines = content.decode("utf-8-sig").split("\n")
        except UnicodeDecodeError:
            label = "a set is a text file with one value a line, or a .npy of uids"
            helps = ("save it as UTF-8, one value on each line",)
            self._refuse_set(named, f"`{named.value}` is neither UTF-8 text nor a .npy file", label, helps)
            return
        values = tuple(filter(None, (line.strip(" \t\r") for line in lines)))
        self.inputs.sets[statement.span] = SetInput(path, digest, False, values)

    def _inside(self, text: ast.Text, here: Path | None) -> Path | None:
        """Return the file that `text` names, or None with a diagnostic where it is not a file inside `root`."""
        if here is None or self.root is None:
            label = "a recipe that is not a file has no folder to read from"
            helps = ("save the recipe as a file",)
            self.diagnostics.add("E0209", f"`{text.value}` cannot be read", text.span, label, helps)
            return None
        if PurePosixPath(text.value).is_absolute() or "\0" in text.value or "://" in text.value:
            self._outside(text)
            return None
        try:
            path = (here / text.value).resolve()
            inside, is_file = path.is_relative_to(self.root), path.is_file()
        except (OSError, RuntimeError, ValueError):  # too long a name, links in a circle, a text that no name can be
            self.diagnostics.add("E0208", f"no file `{text.value}`", text.span, "no file can have this name")
            return None
        if not inside:
            self._outside(text)
            return None
        if not is_file:
            label = "a folder" if path.is_dir() else "no plain file" if path.exists() else _NOT_FOUND
            self.diagnostics.add("E0208", f"no file `{text.value}`", text.span, label, _similar_file(path))
            return None
        return path

    def _open(self, path: Path, named: ast.Text) -> BufferedReader | None:
        assert self.root is not None
        try:
            return open_plain(path, self.root)
        except OSError as error:
            label = error.strerror or str(error)
            self.diagnostics.add("E0208", f"no file `{named.value}` that can be read", named.span, label.lower())
            return None

    def _outside(self, text: ast.Text) -> None:
        self.diagnostics.add(
            "E0209",
            f"`{text.value}` lies outside the recipe's folder",
            text.span,
            "a recipe reads only files in its own folder",
            ("copy the file beside the recipe and name it by a relative path",),
        )

    def _refuse_digest(self, named: ast.Text, sha256: ast.Text, digest: str) -> None:
        self.diagnostics.add(
            "E0210",
            f"`{named.value}` has another SHA-256",
            sha256.span,
            "the file is not the one that this recipe was written for",
            (f"if the file is right, write SHA256 '{digest}'",),
        )

    def _refuse_set(self, named: ast.Text, message: str, label: str, helps: tuple[str, ...]) -> None:
        self.diagnostics.add("E0211", message, named.span, label, helps)

    def _too_large(self, named: ast.Text, what: str, most: int) -> None:
        label = f"with this one the {what} that the recipe names have more than {most >> 30} GiB"
        help_ = "leave out what it does not need"
        self.diagnostics.add("E1465", "the recipe's files are too large", named.span, label, (help_,))


_NOT_FOUND = "not found in the recipe's folder"


def _similar_file(path: Path) -> tuple[str, ...]:
    beside = [file.name for file in path.parent.iterdir() if file.is_file()] if path.parent.is_dir() else []
    near = did_you_mean(path.name, beside)
    return (f"a similar file exists: `{near}`",) if near else ("a path starts at the folder of the file that names it",)
