"""`dcql submit`: a run folder with its training and results becomes a submission, whole or not at all."""

import json
import shutil
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dcql import run_folder
from dcql.catalog.recipes import find_recipe, shipped_recipes
from dcql.catalog.types import DATACOMP, Schema
from dcql.compiler import Compiled, compile
from dcql.demo_pool import open_or_make
from dcql.digest import sha256_file
from dcql.engine import folder as folders
from dcql.errors import DcqlError, Diagnostic, RunError
from dcql.locks.lock import Lock
from dcql.locks.lock_file import read_lock, write_lock
from dcql.records.locking import find_lock, lock_of
from dcql.records.recorded import Recorded, run_again, settings_for
from dcql.source import Source
from dcql.submission import layout
from dcql.submission.check import check_documents
from dcql.submission.documents import read_submission
from dcql.submission.entry import Entry, check_entry, faults_of, read_entry
from dcql.submission.recipe_files import named_files

if TYPE_CHECKING:
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing
    from dcql.engine.run import Progress

_ENVIRONMENTS = "environments.json"
# An asset above this is left out, for its digest stands in the recipe.
MAX_ASSET_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class Author:
    """What the author says on the command line; what is None is kept from an earlier entry.toml, or left to fill in."""

    name: str | None = None
    authors: tuple[str, ...] | None = None
    track: str | None = None
    url: str | None = None
    writeup: str | None = None
    sources: tuple[str, ...] | None = None
    created: date | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """A submission that was written: its entry, and what the entry still lacks."""

    folder: Path
    entry: Entry
    to_fill_in: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """The folders that the runtime wrote for a run: `dcql reshard`, `dcql train` and `dcql eval`."""

    shards: Path
    training: Path

    @property
    def evaluation(self) -> Path:
        """Where `dcql eval` wrote."""
        return self.training / "eval"


def pack(
    run: Path,
    out: Path,
    author: Author,
    *,
    scale: str | None = None,
    seed: int | None = None,
    recipe: Path | None = None,
    shards: Path | None = None,
    subset: bool = True,
    resources: "Resources | None" = None,
    tell: "Progress | None" = None,
    computing: "Computing | None" = None,
) -> Packed:
    """Write the submission of a run folder to `out`, over an earlier submission, whose author fields it keeps.

    `scale` and `seed` name one of several trainings; `recipe` is the recipe's file where it is not where it ran;
    `shards` the folder of the training shards where that is not RUN/shards. Without `subset` the uids are left out.
    The lock beside the recipe is taken where it records this run, and else the recipe runs again.

    Raises RunError: E1301 where the run has not all that a submission needs, E1302 for an author's field, E1303 where
    `out` is something else, E1304 for a file of the recipe, and what `check_documents` finds.
    """
    before = _earlier(out)
    ran = run_folder.read(run)
    if ran.manifest["pool"].get("fingerprint") is None:
        help_ = "`dcql pool add NAME PATH`, then `dcql run` with `--pool NAME`"
        _refuse(run, "it ran over a raw directory, which nobody can be held to", help_)
    trained = _trained(run, scale, seed, shards)
    evaluation = _json(trained.evaluation / layout.EVALUATION)
    run_record = _json(trained.training / layout.RUN)
    compiled = _compiled(ran.manifest, recipe)
    files = _files(compiled)
    _refuse_strangers(out, frozenset(files))
    lock = _lock(compiled, ran, resources, tell, computing)
    results = sha256_file(trained.evaluation / layout.RESULTS)
    entry = _entry(before, author, _scale_of(trained.training), str(evaluation.get("eval_hash", "")), results)
    copied = {
        trained.training / layout.RUN: layout.RUN,
        trained.training / layout.WEIGHTS: layout.WEIGHTS,
        trained.evaluation / layout.RESULTS: layout.RESULTS,
        trained.evaluation / layout.EVALUATION: layout.EVALUATION,
    }
    left_out: list[str] = []
    with folders.whole(out) as unfinished:
        _write(unfinished / layout.ENTRY, entry.text())
        _write(unfinished / layout.RECIPE, compiled.source.text)
        for name, path in files.items():
            if name in _assets(compiled) and path.stat().st_size > MAX_ASSET_BYTES:
                left_out.append(name)
                continue
            (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, unfinished / name)
        write_lock(lock, unfinished / layout.LOCK)
        _write_json(unfinished / layout.MANIFEST, without_paths(ran.manifest))
        _write_json(unfinished / layout.SHARDS, shards_without_paths(_json(trained.shards / layout.SHARDS)))
        for path, name in copied.items():
            shutil.copyfile(path, unfinished / name)
        environment = {
            "schema": layout.SCHEMA,
            "train": run_record.get("environment", {}),
            "evaluate": _evaluated_in(trained.evaluation),
        }
        _write_json(unfinished / layout.ENVIRONMENT, environment)
        if subset:
            ran.subset.save(unfinished / layout.SUBSET)
        _refuse_broken(unfinished)
    return Packed(out, entry, faults_of(entry), tuple(left_out))


def _earlier(out: Path) -> Entry | None:
    """Return the entry of a submission that is at `out`. Raises RunError (E1303) where something else is."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    path = out / layout.ENTRY
    if not path.is_file() or not (out / layout.RECIPE).is_file():
        label = "it is a file" if not out.is_dir() else f"it holds no {layout.ENTRY} and {layout.RECIPE}"
        help_ = "name a new folder, or a submission to write over"
        raise RunError(Diagnostic("E1303", f"`{out}` is no submission", None, label, (help_,)))
    return read_entry(path.read_text(encoding="utf-8"))


def _refuse_strangers(out: Path, named: frozenset[str]) -> None:
    """Raise RunError (E1303) where a submission that is at `out` holds what would be lost."""
    there = layout.list_folder(out).files if out.is_dir() else frozenset()
    stranger = min(there - layout.OWN - named, default=None)
    if stranger is not None:
        label = f"it holds `{stranger}`, which would be lost"
        raise RunError(Diagnostic("E1303", f"`{out}` cannot be written over", None, label, ("move it elsewhere",)))


def _entry(before: Entry | None, author: Author, scale: str, evaluation: str, results: str) -> Entry:
    """Put the author's fields together, and refuse what is given and cannot be."""
    if before is None:
        before = Entry("", (), "", scale, None, evaluation, results)
    entry = replace(before, scale=scale, evaluation=evaluation, results=results)
    given = {
        name: value
        for name in ("name", "authors", "track", "url", "writeup", "sources", "created")
        if (value := getattr(author, name)) is not None
    }
    entry = replace(entry, **given)
    if entry.created is None and entry.name:
        entry = replace(entry, created=date.today())
    # A template may be empty; what was written may not be wrong.
    if not [fault for fault in faults_of(entry) if " is empty" not in fault]:
        return entry
    check_entry(entry)
    raise AssertionError("an entry with faults passed")


def _trained(run: Path, scale: str | None, seed: int | None, shards: Path | None) -> Trained:
    """Find the training that is meant, and see that all of it is there."""
    place = run / "train"
    found = sorted(path.name for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
    found = [name for name in found if not name.startswith(".")]
    wanted = [
        name
        for name in found
        if (scale is None or name.rpartition("-seed")[0] == scale)
        and (seed is None or name.rpartition("-seed")[2] == str(seed))
    ]
    if not found:
        _refuse(run, "nothing was trained on it", "`dcql reshard`, `dcql train` and `dcql eval` come first")
    if not wanted:
        label = f"it holds {', '.join(f'`train/{name}`' for name in found)}"
        _refuse(run, label, "name one of these: `--scale SCALE --seed N`")
    if len(wanted) > 1:
        label = f"several trainings: {', '.join(f'`{name}`' for name in wanted)}"
        _refuse(run, label, "name one: `--scale SCALE --seed N`")
    trained = Trained(shards if shards is not None else run / "shards", place / wanted[0])
    needed = {
        trained.shards / layout.SHARDS: "dcql reshard",
        trained.training / layout.RUN: "dcql train",
        trained.training / layout.WEIGHTS: "dcql train",
        trained.evaluation / layout.RESULTS: "dcql eval",
        trained.evaluation / layout.EVALUATION: "dcql eval",
        trained.evaluation / _ENVIRONMENTS: "dcql eval",
    }
    for path, command in needed.items():
        if not path.is_file():
            _refuse(run, f"`{path}` is not there", f"`{command}` writes it")
    return trained


def _scale_of(training: Path) -> str:
    return training.name.rpartition("-seed")[0] or training.name


def _compiled(manifest: dict[str, Any], recipe: Path | None) -> Compiled:
    """Compile the recipe that ran, from its file, for the files that it names lie beside it."""
    text, name = str(manifest["recipe"]["text"]), str(manifest["recipe"]["name"])
    path = recipe if recipe is not None else Path(name)
    shipped = shipped_recipes().get(Path(name).with_suffix("").as_posix().removeprefix("recipes/"))
    if recipe is None and not path.is_file() and shipped is not None:
        path = shipped
    schema = _schema(str(manifest["pool"]["name"]))
    if not path.is_file() or find_recipe(path)[0].text != text:
        if recipe is not None:
            _refuse(path, "its text is not that of the recipe which ran", "name the file that `dcql run` was given")
        named: str | Path | Source = Source(layout.RECIPE, text)
    else:
        named = path
    try:
        compiled = compile(named, schema)
        if settings := settings_for(manifest["parameters"], dict(compiled.plan.parameters)):
            compiled = compile(named, schema, settings)
    except DcqlError as error:
        if isinstance(named, Source):
            label = f"`{name}` is not there any more as it ran, and it names files: {error.diagnostics[0].message}"
            _refuse(Path(name), label, "name its file: `--recipe FILE`")
        raise
    return compiled


def _schema(pool: str) -> Schema:
    """Return the columns of a pool, DataComp's where it is not at hand: then the lock has to be."""
    try:
        return open_or_make(pool).schema
    except RunError:
        return DATACOMP


def _lock(
    compiled: Compiled,
    ran: run_folder.RunFolder,
    resources: "Resources | None",
    tell: "Progress | None",
    computing: "Computing | None",
) -> Lock:
    """Return the lock beside the recipe where it records this run, and else make it."""
    manifest = ran.manifest
    if compiled.path is not None:
        try:
            lock = read_lock(find_lock(compiled.path)[1])
        except DcqlError:
            pass
        else:
            if (
                lock.subset == manifest["hash"]
                and lock.key.pool == manifest["pool"]["fingerprint"]
                and dict(lock.key.parameters) == manifest["parameters"]
                and lock.pool_name == manifest["pool"]["name"]
            ):
                return lock
    recipe: Path | Source = compiled.path if compiled.path is not None else compiled.source
    recorded = Recorded(layout.MANIFEST, recipe, None, manifest["parameters"], None, manifest)
    run = run_again(recorded, open_or_make(str(manifest["pool"]["name"])), resources, tell, computing)
    if run.hash != manifest["hash"]:
        label = f"run again, the recipe gives {run.hash}, and the run folder states {manifest['hash']}"
        _refuse(ran.path, label, "`dcql verify RUN` says what differs")
    return lock_of(run)


def _files(compiled: Compiled) -> dict[str, Path]:
    if compiled.path is None:
        return {}
    return named_files(compiled.recipe, compiled.inputs, compiled.path.resolve().parent)


def _assets(compiled: Compiled) -> frozenset[str]:
    from dcql.submission.recipe_files import named_assets

    return named_assets(compiled.recipe)


def without_paths(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a run's manifest without the place of its recipe on the author's machine."""
    return {**manifest, "recipe": {**manifest["recipe"], "name": layout.RECIPE}}


def shards_without_paths(shards: dict[str, Any]) -> dict[str, Any]:
    """Return shards.json without the places of tars, which are on the author's machine and decide nothing."""
    return {name: value for name, value in shards.items() if name not in ("tars", "index_sha256")}


def _evaluated_in(folder: Path) -> dict[str, Any]:
    """Return the environments that results state, by hash; those of results that are there no more are left out."""
    known = _json(folder / _ENVIRONMENTS)
    try:
        lines = layout.read_lines(folder, layout.RESULTS)
    except layout.Unreadable as error:
        raise RunError(error.diagnostic) from error
    used = {line.get("environment_hash") for line in lines}
    return {name: value for name, value in known.items() if name in used}


def _refuse_broken(folder: Path) -> None:
    """Raise what a check of the written documents finds, but for what the author has to fill in."""
    report = check_documents(read_submission(folder))
    faults = [fault for fault in report.faults if fault.code != "E1302"]
    if faults:
        raise RunError(*faults)


def _json(path: Path) -> dict[str, Any]:
    try:
        return layout.as_object(path.name, path.read_text(encoding="utf-8"), versioned=False)
    except (layout.Unreadable, OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        _refuse(path, f"it cannot be read: {reason}", "write it again")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_json(path: Path, data: dict[str, Any]) -> None:
    _write(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _refuse(path: Path, label: str, help_: str) -> NoReturn:
    raise RunError(Diagnostic("E1301", f"`{path}` cannot be submitted", None, label, (help_,)))
