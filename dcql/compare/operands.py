"""What can be compared: recipes, also those of a git revision, locks, run folders, and .npy files of uids."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcql import run_folder
from dcql.catalog.pool import Pool
from dcql.catalog.recipes import find_recipe
from dcql.catalog.types import DATACOMP, Schema
from dcql.compare.revisions import is_revision, open_revision
from dcql.compiler import Compiled, check, compile
from dcql.errors import Diagnostic, RunError
from dcql.records.recorded import find_recorded, settings_for
from dcql.source import Source
from dcql.subset import Subset

if TYPE_CHECKING:
    from dcql.locks.lock import Lock
    from dcql.plan import nodes


@dataclass(frozen=True)
class Written:
    """A recipe as it is written: its text, the file that it reads others beside (None: it may read none).

    `parameters` are the values that PARAMs had when it was recorded, as text; `settings` those of `--set`.
    """

    source: Source
    path: Path | None
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def plan(self, schema: Schema = DATACOMP) -> "nodes.Plan":
        """Return what it means over a pool of this schema. Raises RecipeError for a recipe that is wrong."""
        return check(self.source, schema, self._settings(schema), self.path)

    def compiled(self, schema: Schema) -> Compiled:
        """Return it compiled for a pool of this schema. Raises RecipeError for a recipe that is wrong."""
        return compile(self.source, schema, self._settings(schema), self.path)

    def _settings(self, schema: Schema) -> dict[str, str]:
        if not self.parameters:
            return dict(self.settings)
        defaults = dict(check(self.source, schema, path=self.path).parameters)
        return {**settings_for(self.parameters, defaults), **self.settings}


@dataclass(frozen=True)
class Operand:
    """One side of a comparison, by the name that it was given.

    `subset` is what is stored of it, None where it has to be computed; `written` its recipe, None for a .npy file.
    `pool` and `fingerprint` say which pool it was computed from, where that is recorded. `takes_settings` is whether
    `--set` is for its PARAMs: those of a run or a lock are recorded.
    """

    name: str
    subset: Subset | None = None
    written: Written | None = None
    pool: str | None = None
    fingerprint: str | None = None
    manifest: Mapping[str, Any] | None = None
    lock: "Lock | None" = None
    takes_settings: bool = False


def find_operand(named: str, opened: ExitStack) -> Operand:
    """Return what a name means; files of a git revision are kept in a folder that `opened` removes.

    Raises RunError for a folder that is no run and a .npy that holds no uids, RecipeError where there is no such recipe
    or revision, LockError for a lock that cannot be read.
    """
    path = Path(named)
    if path.is_dir():
        return _of_run(named, path)
    if path.suffix == ".npy":
        return Operand(named, Subset.load(path))
    if path.suffix == ".lock" and not is_revision(named):
        return _of_lock(named, path)
    if is_revision(named):
        source, file = open_revision(named, opened)
    else:
        source, file = find_recipe(named)
    return Operand(named, written=Written(source, file), takes_settings=True)


def _of_run(named: str, folder: Path) -> Operand:
    read = run_folder.read(folder)
    manifest = read.manifest
    pool, fingerprint = str(manifest["pool"]["name"]), manifest["pool"]["fingerprint"]
    if not isinstance(manifest["recipe"].get("text"), str) or "parameters" not in manifest:
        return Operand(named, read.subset, None, pool, fingerprint, manifest)
    recorded = find_recorded(folder)
    if isinstance(recorded.recipe, Source):
        written = Written(recorded.recipe, None, recorded.parameters)
    else:
        written = Written(
            Source(str(manifest["recipe"]["name"]), str(manifest["recipe"]["text"])),
            recorded.recipe,
            recorded.parameters,
        )
    return Operand(named, read.subset, written, pool, fingerprint, manifest)


def _of_lock(named: str, path: Path) -> Operand:
    recorded = find_recorded(path)
    assert recorded.lock is not None
    source, file = find_recipe(recorded.recipe) if not isinstance(recorded.recipe, Source) else (recorded.recipe, None)
    written = Written(source, file, recorded.parameters)
    return Operand(named, None, written, recorded.pool, recorded.lock.key.pool, lock=recorded.lock)


def refuse_other_pool(opened: Pool, stated: Mapping[str, Any]) -> None:
    """Raise RunError where a pool is not the one that a run's manifest states."""
    if opened.fingerprint == stated["fingerprint"] or stated["fingerprint"] is None:
        return
    what = f"its fingerprint is {opened.fingerprint}" if opened.added else "it was not added, so it has no fingerprint"
    raise RunError(
        Diagnostic(
            "E0761",
            f"pool `{opened.name}` is not the one of the run",
            None,
            f"{what}; the run was over `{stated['name']}`, {stated['fingerprint']}",
            ("name that pool with `--pool`, or run the recipe again on this one",),
        )
    )
