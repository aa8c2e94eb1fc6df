"""The files that a recipe names: what a submission has to hold beside the recipe itself."""

import posixpath
from collections.abc import Iterator
from pathlib import Path

from dcql.catalog.inputs import Inputs
from dcql.errors import Diagnostic, RunError
from dcql.submission.layout import OWN
from dcql.syntax import ast


def named_files(recipe: ast.Recipe, inputs: Inputs, folder: Path) -> dict[str, Path]:
    """Return the file of each path that a recipe in `folder` and its imports name, by the path below the folder.

    Raises RunError (E1304) where one has the name of a file of the submission itself.
    """
    found = dict(sorted(_named(recipe, inputs, folder, "")))
    for name in found:
        top = name.split("/", 1)[0]
        if name in OWN or top in OWN:
            raise RunError(
                Diagnostic(
                    "E1304",
                    f"`{name}` cannot be submitted under its name",
                    None,
                    f"a submission has a file `{top}` of its own",
                    (f"move it, as to `files/{name}`, and name it so in the recipe",),
                )
            )
    return found


def named_paths(recipe: ast.Recipe, inputs: Inputs) -> frozenset[str]:
    """Return the paths below the recipe's folder that a recipe and its imports name."""
    return frozenset(name for name, _ in _named(recipe, inputs, Path(), ""))


def named_assets(recipe: ast.Recipe) -> frozenset[str]:
    """Return the paths of the assets that a recipe itself names, without its imports."""
    return frozenset(posixpath.normpath(one.path.value) for one in recipe.definitions if isinstance(one, ast.AssetFile))


def _named(recipe: ast.Recipe, inputs: Inputs, folder: Path, here: str) -> Iterator[tuple[str, Path]]:
    """Yield paths and files; `here` is the folder of the file that names them, below the recipe's own."""
    for statement in recipe.definitions:
        match statement:
            case ast.SetFile() if statement.span in inputs.sets:
                yield _below(here, statement.path.value), inputs.sets[statement.span].path
            case ast.TableFile() if statement.span in inputs.tables:
                yield _below(here, statement.path.value), inputs.tables[statement.span].path
            case ast.AssetFile() if statement.span in inputs.files:
                yield _below(here, statement.path.value), inputs.files[statement.span]
            case ast.Model() if statement.code is not None and statement.code.span in inputs.files:
                yield _below(here, statement.code.path.value), inputs.files[statement.code.span]
            case ast.Import() if statement.span in inputs.recipes:
                path = _below(here, statement.path.value)
                yield path, folder / path
                yield from _named(inputs.recipes[statement.span], inputs, folder, posixpath.dirname(path))


def _below(here: str, named: str) -> str:
    return posixpath.normpath(posixpath.join(here, named))
