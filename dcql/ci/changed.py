"""Which recipes of a git repository a branch changes: their text, their lock, or a file that they read."""

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from dcql.compare.revisions import named_files
from dcql.errors import DcqlError, Diagnostic, RunError
from dcql.git import git
from dcql.source import Source

SUFFIX = ".dcql"


@dataclass(frozen=True)
class Repository:
    """A git repository, by its top folder; paths in it are as git has them, from the top and with `/`."""

    top: Path

    def base(self, named: str) -> str:
        """Return the commit where this branch left `named`, or that of `named` where they have none in common.

        Raises RunError (E1583) where git knows no such commit.
        """
        found = (
            ""
            if named.startswith("-") or "\0" in named
            else self._asked("rev-parse", "--verify", "--quiet", f"{named}^{{commit}}")
        )
        if not found:
            helps = (
                "fetch it: `git fetch origin BRANCH`, then `--base origin/BRANCH`",
                "in a workflow, `fetch-depth: 0` fetches all",
            )
            raise RunError(
                Diagnostic("E1583", f"no commit `{named}` to compare with", None, "git knows none of that name", helps)
            )
        return self._asked("merge-base", found, "HEAD") or found

    def changed(self, commit: str) -> frozenset[str]:
        """Return the paths that differ between a commit and the files as they are, committed or not."""
        tracked = self._paths("diff", "--name-only", "--no-renames", "-z", commit, "--")
        return frozenset((*tracked, *self._paths("ls-files", "--others", "--exclude-standard", "-z")))

    def recipes(self) -> tuple[str, ...]:
        """Return the paths of all recipes that are there, committed or not, in order."""
        every = self._paths("ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", f"*{SUFFIX}")
        return tuple(sorted(path for path in set(every) if os.path.lexists(self.top / path)))

    def has(self, commit: str, path: str) -> bool:
        """Return whether a commit has a file of this path."""
        asked = git("cat-file", "-e", f"{commit}:{path}", folder=str(self.top))
        return asked is not None and asked.returncode == 0

    def _paths(self, *words: str) -> list[str]:
        asked = git(*words, folder=str(self.top))
        assert asked is not None
        if asked.returncode:
            _refuse(asked.stderr.decode("utf-8", "replace").strip())
        return [os.fsdecode(path) for path in asked.stdout.split(b"\0") if path]

    def _asked(self, *words: str) -> str:
        asked = git(*words, folder=str(self.top))
        return asked.stdout.decode("ascii").strip() if asked is not None and asked.returncode == 0 else ""


def find_repository(folder: Path) -> Repository:
    """Return the repository that a folder is in. Raises RunError (E1582) where it is in none."""
    asked = git("rev-parse", "--show-toplevel", folder=str(folder))
    if asked is None:
        _refuse("the program `git` was not found")
    if asked.returncode:
        reason = asked.stderr.decode("utf-8", "replace").strip().split("\n")[0]
        _refuse("no folder above it has a .git" if "not a git repository" in reason else reason)
    return Repository(Path(os.fsdecode(asked.stdout.removesuffix(b"\n"))))


def _refuse(reason: str) -> NoReturn:
    helps = ("call it in the repository that holds the recipes",)
    raise RunError(Diagnostic("E1582", "this folder is in no git repository", None, reason, helps))


def affected(repository: Repository, changed: frozenset[str]) -> tuple[str, ...]:
    """Return the recipes that a changed path belongs to: as text or lock, or as what they read, at any depth."""
    return tuple(path for path in repository.recipes() if changed & read_by(repository.top, path))


def read_by(top: Path, path: str) -> set[str]:
    """Return the paths of a recipe, its lock, and all files that it names, directly and through its imports.

    What cannot be read names nothing; checking the recipe says why.
    """
    found = {path, f"{path.removesuffix(SUFFIX)}.lock"}
    waiting = [path]
    while waiting:
        here = waiting.pop()
        for name, is_recipe in _named_in(top / here, here):
            inside = posixpath.normpath(posixpath.join(posixpath.dirname(here), name))
            if inside not in found:
                found.add(inside)
                waiting += [inside] * is_recipe
    return found


def _named_in(file: Path, name: str) -> list[tuple[str, bool]]:
    from dcql.syntax.parser import parse_either
    from dcql.syntax.texts import read

    if file.is_symlink() or not file.is_file():
        return []
    try:
        return [one for one in named_files(parse_either(Source(name, read(file, name).text))) if "\0" not in one[0]]
    except DcqlError:
        return []
