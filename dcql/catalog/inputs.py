"""The files that a recipe names: imported recipes and sets, read once and checked before anything is resolved."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dcql.errors import Diagnostics, RecipeError, RunError, did_you_mean
from dcql.source import Source, Span
from dcql.syntax import ast
from dcql.syntax.parser import parse, read

MAX_SET_BYTES = 1 << 30
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


def load(recipe: ast.Recipe, path: Path | None) -> Inputs:
    """Read every file that `recipe` names, and those that its imports name.

    `path` is the recipe's own file: nothing outside of its folder is read. It is None for a recipe that came as text,
    which may name no file. Raises RecipeError with every file that is missing, has another digest, or lies outside.
    """
    diagnostics = Diagnostics()
    inputs = Inputs({}, {})
    loaded: list[Path] = []
    own = path.resolve() if path is not None else None
    root = own.parent if own is not None else None
    _load(recipe, root, root, inputs, (own,) if own is not None else (), loaded, diagnostics)
    diagnostics.raise_any()
    return inputs


def _load(
    recipe: ast.Recipe,
    here: Path | None,
    root: Path | None,
    inputs: Inputs,
    above: tuple[Path, ...],
    loaded: list[Path],
    diagnostics: Diagnostics,
) -> None:
    for statement in recipe.definitions:
        if isinstance(statement, ast.SetFile):
            path = _inside(statement.path, here, root, diagnostics)
            if path is not None and (found := _read_set(statement, path, diagnostics)) is not None:
                inputs.sets[statement.span] = found
        elif isinstance(statement, ast.AssetFile):
            _add_file(statement.span, statement.path, statement.sha256, here, root, inputs, diagnostics)
        elif isinstance(statement, ast.Model) and statement.code is not None:
            code = statement.code
            _add_file(code.span, code.path, code.sha256, here, root, inputs, diagnostics)
        elif isinstance(statement, ast.Import):
            path = _inside(statement.path, here, root, diagnostics)
            if path is None:
                continue
            if path in above:
                circle = " -> ".join(one.name for one in (*above[above.index(path) :], path))
                diagnostics.add(
                    "E0207",
                    f"`{statement.path.value}` imports itself",
                    statement.path.span,
                    circle,
                    ("leave the import out, or move what the recipes share into one that imports none of them",),
                )
                continue
            # A file imported twice counts twice: ten that each import the next one twice are a thousand.
            loaded.append(path)
            if len(above) > MAX_IMPORT_DEPTH or len(loaded) > MAX_IMPORTS:
                deep = len(above) > MAX_IMPORT_DEPTH
                limit = f"more than {MAX_IMPORT_DEPTH} deep" if deep else f"more than {MAX_IMPORTS} in all"
                if deep or len(loaded) == MAX_IMPORTS + 1:
                    diagnostics.add(
                        "E0503", "too many imports", statement.path.span, limit, ("write some of them as one recipe",)
                    )
                continue
            try:
                imported = parse(Source(_shown(path, root), read(path).text))
            except RecipeError as error:
                diagnostics.found.extend(error.diagnostics)
                continue
            inputs.recipes[statement.span] = imported
            _load(imported, path.parent, root, inputs, (*above, path), loaded, diagnostics)


def _add_file(
    span: Span,
    named: ast.Text,
    sha256: ast.Text,
    here: Path | None,
    root: Path | None,
    inputs: Inputs,
    diagnostics: Diagnostics,
) -> None:
    """Find a file that is read when the recipe runs, and compare its digest."""
    path = _inside(named, here, root, diagnostics)
    if path is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256.value.lower():
        _refuse_digest(named, sha256, digest, diagnostics)
    else:
        inputs.files[span] = path


def _shown(path: Path, root: Path | None) -> str:
    return str(path.relative_to(root)) if root is not None else path.name


def _inside(text: ast.Text, here: Path | None, root: Path | None, diagnostics: Diagnostics) -> Path | None:
    """Return the file that `text` names, or None with a diagnostic where it is not a file inside `root`."""
    if here is None or root is None:
        diagnostics.add(
            "E0209",
            f"`{text.value}` cannot be read",
            text.span,
            "a recipe that is not a file has no folder to read from",
            ("save the recipe as a file",),
        )
        return None
    if PurePosixPath(text.value).is_absolute() or "\0" in text.value or "://" in text.value:
        _outside(text, diagnostics)
        return None
    try:
        path = (here / text.value).resolve()
        inside, is_file = path.is_relative_to(root), path.is_file()
    except (OSError, RuntimeError, ValueError):  # too long a name, links in a circle, a text that no name can be
        diagnostics.add("E0208", f"no file `{text.value}`", text.span, "no file can have this name")
        return None
    if not inside:
        _outside(text, diagnostics)
        return None
    if not is_file:
        label = "a folder" if path.is_dir() else "not found in the recipe's folder"
        diagnostics.add("E0208", f"no file `{text.value}`", text.span, label, _similar_file(path))
        return None
    return path


def _similar_file(path: Path) -> tuple[str, ...]:
    beside = [file.name for file in path.parent.iterdir() if file.is_file()] if path.parent.is_dir() else []
    near = did_you_mean(path.name, beside)
    return (f"a similar file exists: `{near}`",) if near else ("a path starts at the folder of the file that names it",)


def _outside(text: ast.Text, diagnostics: Diagnostics) -> None:
    diagnostics.add(
        "E0209",
        f"`{text.value}` lies outside the recipe's folder",
        text.span,
        "a recipe reads only files in its own folder",
        ("copy the file beside the recipe and name it by a relative path",),
    )


def _refuse_digest(named: ast.Text, sha256: ast.Text, digest: str, diagnostics: Diagnostics) -> None:
    diagnostics.add(
        "E0210",
        f"`{named.value}` has another SHA-256",
        sha256.span,
        "the file is not the one that this recipe was written for",
        (f"if the file is right, write SHA256 '{digest}'",),
    )


def _read_set(statement: ast.SetFile, path: Path, diagnostics: Diagnostics) -> SetInput | None:
    if path.stat().st_size > MAX_SET_BYTES:
        diagnostics.add(
            "E0211",
            f"`{statement.path.value}` is larger than 1 GiB",
            statement.path.span,
            "too large for a set",
            ("uids fit as a .npy file of dtype u8,u8: 16 bytes each",),
        )
        return None
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != statement.sha256.value.lower():
        _refuse_digest(statement.path, statement.sha256, digest, diagnostics)
        return None
    if content.startswith(NPY_MAGIC):
        from dcql.subset import Subset  # few recipes read one, and it brings in numpy

        try:
            Subset.load(path)
        except RunError as error:
            fault = error.diagnostics[0]
            message = fault.message.replace(str(path), statement.path.value)
            diagnostics.add("E0211", message, statement.path.span, fault.label, fault.helps)
            return None
        return SetInput(path, digest, True, ())
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        diagnostics.add(
            "E0211",
            f"`{statement.path.value}` is neither UTF-8 text nor a .npy file",
            statement.path.span,
            "a set is a text file with one value a line, or a .npy of uids",
            ("save it as UTF-8, one value on each line",),
        )
        return None
    return SetInput(path, digest, False, tuple(filter(None, (line.strip(" \t\r") for line in lines))))
