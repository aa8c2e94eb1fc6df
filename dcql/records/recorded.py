"""What is recorded about a run, in a lock or in a run folder, and whether running it again gives the same."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from dcql import __version__
from dcql.catalog.functions import Effect
from dcql.catalog.pool import Pool
from dcql.catalog.recipes import shipped_recipes
from dcql.compiler import Compiled, Run, compile, run_compiled
from dcql.engine.duck import VERSION, Resources
from dcql.engine.features.report import Computing
from dcql.engine.run import Progress
from dcql.engine.statistics import Found
from dcql.errors import Diagnostic, LockError, RecipeError
from dcql.json_text import parse_json
from dcql.locks.changes import short, shown
from dcql.locks.lock import SEMANTICS, Lock, scalar_text
from dcql.locks.lock_file import MAX_BYTES, read_lock
from dcql.records.locking import check_inputs, check_lock, find_lock
from dcql.source import Source
from dcql.syntax.texts import read

MANIFEST = "manifest.json"
_COUNTS = ("n", "nulls", "k", "ties")


@dataclass(frozen=True)
class Recorded:
    """A recipe, and what was recorded when it ran: a lock, or the manifest of a run folder, or neither.

    `pool` and `parameters` are those of that run; `name` is what messages call the record.
    """

    name: str
    recipe: Path | Source
    pool: str | None
    parameters: Mapping[str, str]
    lock: Lock | None = None
    manifest: Mapping[str, Any] | None = None


def find_recorded(target: str | Path, *, optional: bool = False) -> Recorded:
    """Return what is recorded about a recipe, by the recipe's path or name, its lock, or a run folder.

    With `optional` a recipe without a lock will do. Raises RecipeError for an unknown recipe, and LockError (E0802)
    where nothing is recorded, or nothing that can be read.
    """
    path = Path(target)
    if path.is_dir():
        return _of_folder(path)
    if path.suffix == ".lock":
        lock = read_lock(path)
        recipe = path.with_suffix(".dcql")
        if not recipe.exists():
            # The lock of a recipe that ships lies where it was made.
            recipe = shipped_recipes().get(path.stem, recipe)
        return Recorded(path.name, recipe, lock.pool_name, lock.key.parameters, lock)
    recipe, path = find_lock(target)
    if optional and not path.exists():
        return Recorded(recipe.name, recipe, None, {})
    lock = read_lock(path)
    return Recorded(path.name, recipe, lock.pool_name, lock.key.parameters, lock)


def run_again(
    recorded: Recorded,
    pool: Pool,
    resources: Resources | None = None,
    progress: Progress | None = None,
    computing: Computing | None = None,
) -> Run:
    """Run a recorded recipe again over a pool, with the parameters that it had; nothing recorded is taken as given.

    Features are those of the store; what is not stored is computed as `computing` says.

    Raises LockError, before anything runs, where what decides the subset is no longer what was recorded.
    """
    compiled = compile_again(recorded, pool)
    return run_compiled(compiled, pool, resources, progress, computing=computing)


def compile_again(recorded: Recorded, pool: Pool) -> Compiled:
    """Compile a recorded recipe for a pool, with the parameters that it had.

    Raises LockError where what decides the subset is no longer what was recorded.
    """
    compiled = compile(recorded.recipe, pool.schema)
    settings = settings_for(recorded.parameters, dict(compiled.plan.parameters))
    if settings:
        compiled = compile(recorded.recipe, pool.schema, settings)
    if recorded.lock is not None:
        check_inputs(compiled, pool, recorded.lock, recorded.name)
    if recorded.manifest is not None:
        _check_manifest_inputs(recorded, recorded.manifest, compiled, pool)
    return compiled


def check_recorded(recorded: Recorded, run: Run) -> tuple[str, ...]:
    """Compare a run with what is recorded; return what differs and only describes the subset.

    Raises LockError where the subset or a statistic is another one.
    """
    if recorded.lock is not None:
        return check_lock(run, recorded.lock, recorded.name).described
    if recorded.manifest is not None:
        _check_manifest(recorded, recorded.manifest, run)
    return ()


def settings_for(parameters: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    """Return the `--set` values that give PARAMs their recorded values, where the defaults do not."""
    return {
        name: text
        for name, value in parameters.items()
        if name in defaults and defaults[name] != value and (text := _setting(value)) is not None
    }


def _setting(value: str) -> str | None:
    """Write a PARAM's value as `--set` takes it; None for a fraction that no decimal equals."""
    if "/" not in value or value.startswith("'"):
        return value
    try:
        exact = Fraction(value)
    except (ValueError, ZeroDivisionError):
        return None  # no value that a PARAM was ever given
    places = 0
    while (exact * 10**places).denominator != 1:
        places += 1
        if places > 400:
            return None
    return f"{(exact * 10**places).numerator}e-{places}"


# --- run folders ------------------------------------------------------------------------------------------------------


def _of_folder(folder: Path) -> Recorded:
    path = folder / MANIFEST
    try:
        if path.exists() and not (path.is_file() and path.stat().st_size <= MAX_BYTES):
            raise ValueError("it is no plain file, or too large")
        manifest = parse_json(path.read_bytes())
        recipe, parameters = manifest["recipe"], dict(manifest["parameters"])
        source = Source(str(recipe["name"]), str(recipe["text"]))
        pool = str(manifest["pool"]["name"])
        _check_form(manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        _refuse(folder, error)
    # A recipe that imports or reads sets does so beside its own file.
    file = Path(source.name)
    same = file.suffix == ".dcql" and file.is_file() and _holds(file, source.text)
    return Recorded(folder.name, file if same else source, pool, parameters, None, manifest)


def _holds(file: Path, text: str) -> bool:
    """Return whether a file, which a stranger's manifest may have named, is a recipe of this text."""
    try:
        return read(file).text == text
    except RecipeError:
        return False


def _check_form(manifest: Mapping[str, Any]) -> None:
    """Raise an error that names what of a manifest is not as a run writes it, of all that is compared with a run."""
    typed: list[tuple[str, Any, type]] = [("hash", manifest["hash"], str)]
    typed += [(name, manifest[name], dict) for name in ("versions", "pool")]
    typed += [(name, manifest[name], int) for name in ("distinct", "total")]
    typed += [("parameters", value, str) for value in manifest["parameters"].values()]
    manifest["effect"]
    for row in manifest["thresholds"]:
        typed += [("thresholds.name", row["name"], str), ("thresholds.group", row["group"], list)]
        typed += [(f"thresholds.{name}", row[name], int) for name in _COUNTS]
        if not isinstance(row["value"], bool | int | float | str | None):
            raise TypeError("`thresholds.value`")
        _value(row)
    for name, value, type_ in typed:
        if type(value) is not type_:
            raise TypeError(f"`{name}`")


def _refuse(folder: Path, error: Exception) -> NoReturn:
    reason = f"its {MANIFEST} lacks or garbles {error}"
    if isinstance(error, OSError):
        reason = f"{MANIFEST}: {error.strerror or error}"
    elif isinstance(error, ValueError):
        reason = f"its {MANIFEST} cannot be read: {error}"
    raise LockError(
        Diagnostic(
            "E0802",
            f"no run recorded in `{folder}`",
            label=reason,
            helps=("name a recipe, its lock, or a folder that `dcql run --out` wrote",),
        )
    ) from error


def _check_manifest_inputs(recorded: Recorded, manifest: Mapping[str, Any], compiled: Compiled, pool: Pool) -> None:
    was = manifest["pool"].get("fingerprint")
    if was is not None and was != pool.fingerprint:
        now = pool.fingerprint or "raw, without a fingerprint"
        raise LockError(
            Diagnostic(
                "E0805",
                f"{recorded.name} was run over another pool",
                label=f"pool: `{recorded.pool}` {was} -> `{pool.name}` {now}",
                helps=(f"run it over `{recorded.pool}`",),
            )
        )
    versions = manifest["versions"]
    lines: list[str] = []
    if versions.get("semantics") != SEMANTICS:
        lines.append(f"semantics: {versions.get('semantics')} -> {SEMANTICS}")
    decides = compiled.program.effect == Effect.VERSION.name.lower()
    if decides and versions.get("duckdb") != VERSION:
        lines.append(f"engine, which decides: {versions.get('duckdb')} -> {VERSION}")
    recorded_parameters, parameters = dict(recorded.parameters), dict(compiled.plan.parameters)
    for name in sorted({*recorded_parameters, *parameters}):
        if recorded_parameters.get(name) != parameters.get(name):
            lines.append(f"parameter `{name}`: {recorded_parameters.get(name)} -> {parameters.get(name)}")
    if lines:
        raise LockError(
            Diagnostic(
                "E0801",
                f"{recorded.name} cannot be run again as it was",
                label="\n".join(lines),
                helps=("run the recipe anew: `dcql run`",),
            )
        )


def _check_manifest(recorded: Recorded, manifest: Mapping[str, Any], run: Run) -> None:
    lines = tuple(manifest_differences(manifest, run))
    if not lines:
        return
    label = "\n".join([f"first: {lines[0]}", *lines[1:]])
    version = manifest["versions"].get("dcql")
    if run.pool.fingerprint is None or manifest["pool"].get("fingerprint") is None:
        message = f"{recorded.name} records another result, over a raw directory that may have changed since"
        help_ = "only an added pool can be held to its result: `dcql pool add NAME PATH`"
        raise LockError(Diagnostic("E0801", message, label=label, helps=(help_,)))
    if version != __version__:
        message = f"{recorded.name} records another result, of dcql {version}, whose library may be another"
        helps = (f"install dcql {version} to verify it, or run the recipe anew: `dcql run`",)
        raise LockError(Diagnostic("E0801", message, label=label, helps=helps))
    if given := tuple(_feature_differences(manifest, run)):
        label = "\n".join([*given, *lines])
        message = f"{recorded.name} records another result, of features that gave other values"
        raise LockError(Diagnostic("E0801", message, label=label, helps=("run the recipe anew: `dcql run`",)))
    message = f"one key, two values: the recipe and the pool are the same, and {recorded.name} records another result"
    helps = ("`dcql verify --perturb` runs it under other conditions and says which one matters",)
    raise LockError(Diagnostic("E0803", message, label=label, helps=helps))


def _feature_differences(manifest: Mapping[str, Any], run: Run) -> Iterator[str]:
    """Compare what came out of the features: another coverage, or another model, is another input."""
    report, rows = run.result.features, manifest.get("features")
    recorded = {row.get("name"): row.get("digest") for row in rows if isinstance(row, dict)} if rows else {}
    for name, digest in report.digests.items() if report is not None else ():
        was = recorded.get(name)
        if isinstance(was, str) and was != digest:
            yield f"what came out of feature `{name}`: {short(was)} -> {short(digest)}"


def manifest_differences(manifest: Mapping[str, Any], run: Run) -> Iterator[str]:
    """Compare statistics as the manifest has them, in order, then the subset."""
    before = {(row["name"], json.dumps(row["group"])): row for row in manifest["thresholds"]}
    for number, stage in enumerate(run.result.stages, start=1):
        for found in stage:
            group = [str(key) if key in (float("inf"), float("-inf")) else key for key in found.group]
            row = before.get((found.name, json.dumps(group)))
            title = f"stage {number}: {found.name} = {found.text}"
            if row is None:
                yield f"{title}: is not recorded"
                continue
            was = _value(row)
            if was != scalar_text(found.value):
                yield f"{title}: value {shown(was)} -> {shown(scalar_text(found.value))}"
            yield from (f"{title}: {change}" for change in _counts(row, found))
    subset = run.subset
    for name, now in (("hash", subset.hash), ("distinct", subset.distinct), ("total", subset.total)):
        if manifest[name] != now:
            yield f"subset: {name} {manifest[name]} -> {now}"


def _value(row: Mapping[str, Any]) -> str:
    """Return a recorded value as a lock writes it: floats from their hex."""
    if row.get("hex") is not None:
        return scalar_text(float.fromhex(row["hex"]))
    return scalar_text(row["value"])


def _counts(row: Mapping[str, Any], found: Found) -> Iterator[str]:
    for name in _COUNTS:
        if row[name] != getattr(found, name):
            yield f"{name} {row[name]:,} -> {getattr(found, name):,}"
