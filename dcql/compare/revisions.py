"""Recipes of a git revision, `REV:path`: read from git's objects into a folder, with the files that they name.

git is asked for commits and blobs alone, and never through a shell; nothing is checked out, and no filter, hook or
pager of the repository runs.
"""

import os
import posixpath
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NoReturn

from dcql.errors import Diagnostic, RecipeError
from dcql.git import git
from dcql.source import Source
from dcql.syntax import ast

MOST_FILES = 400


def is_revision(named: str) -> bool:
    """Return whether a name is `REV:path` rather than a file of that name."""
    return ":" in named and not Path(named).exists()


def open_revision(named: str, opened: ExitStack) -> tuple[Source, Path]:
    """Return the text and a file of a recipe at a revision, in a folder that `opened` removes.

    As git has it, the path starts at the top of the repository, or in the working folder where it begins with `./`.
    Raises RecipeError (E1411, E1412) where git, the revision or the path is not there.
    """
    revision, _, path = named.partition(":")
    commit, path = _commit(revision, named), _from_top(path, named)
    content = _blob(commit, path)
    if content is None:
        _refuse_path(named, revision, path)
    folder = Path(opened.enter_context(TemporaryDirectory(prefix="dcql-revision-")))
    root = posixpath.dirname(path)
    file = _write(folder, posixpath.basename(path), content)
    _fetch_named(commit, root, posixpath.basename(path), content, folder)
    from dcql.syntax.texts import read

    return Source(named, read(file).text), file


def _fetch_named(commit: str, root: str, path: str, content: bytes, folder: Path) -> None:
    """Write the files that a recipe names, and those that its imports name, as far as they lie in its folder.

    What is missing is left out: reading the recipe says so.
    """
    from dcql.syntax.parser import parse

    waiting, known = [(path, content)], {path}
    while waiting:
        here, content = waiting.pop()
        try:
            recipe = parse(Source(here, content.decode("utf-8")))
        except (RecipeError, UnicodeDecodeError):
            continue
        for name, is_recipe in named_files(recipe):
            inside = posixpath.normpath(posixpath.join(posixpath.dirname(here), name))
            if inside in known or _leaves(inside) or "\0" in name or len(known) > MOST_FILES:
                continue
            known.add(inside)
            blob = _blob(commit, posixpath.join(root, inside))
            if blob is None:
                continue
            _write(folder, inside, blob)
            if is_recipe:
                waiting.append((inside, blob))


def named_files(recipe: ast.Recipe) -> Iterator[tuple[str, bool]]:
    """Yield the paths that a recipe names, and whether each is a recipe."""
    for statement in recipe.definitions:
        match statement:
            case ast.Import():
                yield statement.path.value, True
            case ast.SetFile() | ast.TableFile() | ast.AssetFile():
                yield statement.path.value, False
            case ast.Model() if statement.code is not None:
                yield statement.code.path.value, False


def _leaves(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts


def _write(folder: Path, path: str, content: bytes) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


# --- git --------------------------------------------------------------------------------------------------------------


def _commit(revision: str, named: str) -> str:
    if not revision or revision.startswith("-") or "\0" in named:
        label = (
            "a revision does not begin with `-`" if revision.startswith("-") else "no revision stands before the `:`"
        )
        _refuse_revision(named, revision, label)
    asked = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if asked is None:
        _refuse_revision(named, revision, "the program `git` was not found")
    if asked.returncode:
        inside = git("rev-parse", "--git-dir")
        outside = inside is None or inside.returncode != 0
        _refuse_revision(
            named, revision, "this folder is in no git repository" if outside else "git knows no such commit"
        )
    return asked.stdout.decode("ascii").strip()


def _from_top(path: str, named: str) -> str:
    if path.startswith(("./", "../")):
        asked = git("rev-parse", "--show-prefix")
        prefix = os.fsdecode(asked.stdout).removesuffix("\n") if asked is not None else ""
        path = posixpath.join(prefix, path)
    path = posixpath.normpath(path) if path else ""
    if not path or _leaves(path):
        raise RecipeError(
            Diagnostic(
                "E1412",
                f"`{named}` names no file of a revision",
                label="after the `:` stands a path inside the repository",
                helps=("as in `HEAD~1:recipes/mine.dcql`",),
            )
        )
    return path


def _blob(commit: str, path: str) -> bytes | None:
    asked = git("cat-file", "blob", f"{commit}:{path}")
    return asked.stdout if asked is not None and asked.returncode == 0 else None


def _refuse_revision(named: str, revision: str, label: str) -> NoReturn:
    raise RecipeError(
        Diagnostic(
            "E1411",
            f"no revision `{revision}`",
            label=label,
            helps=(
                "name a commit, branch or tag, then a path: `HEAD~1:recipes/mine.dcql`",
                f"for a file of this name, write `./{named}`",
            ),
        )
    )


def _refuse_path(named: str, revision: str, path: str) -> NoReturn:
    raise RecipeError(
        Diagnostic(
            "E1412",
            f"no file `{path}` in `{revision}`",
            label="the revision has no file of this path, from the top of the repository",
            helps=("for a path from the working folder write `./`: `HEAD~1:./mine.dcql`",),
        )
    )
