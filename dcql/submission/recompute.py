"""The subset again, from the recipe and the pool alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcql.catalog.pool import Pool
from dcql.catalog.types import DATACOMP
from dcql.compiler import Compiled, compile
from dcql.engine.run import BrokenPromiseError
from dcql.errors import DcqlError, Diagnostic, LockError, RecipeError, RunError
from dcql.inspect.manifest import manifest
from dcql.limits import Limits, hold
from dcql.plain_data import differences
from dcql.records.locking import check_inputs
from dcql.records.recorded import Recorded, check_recorded, run_again, settings_for
from dcql.submission import layout
from dcql.submission.documents import Submission
from dcql.submission.recipe_files import named_paths
from dcql.submission.report import Check, checked, not_made
from dcql.subset import Subset
from dcql.syntax import ast

if TYPE_CHECKING:
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing
    from dcql.engine.run import Progress

MAX_DIFFERENCES = 12
# What a manifest says of the machine that wrote it, rather than of the run.
_APART = frozenset({"locked", "recipe.name", "recipe.sha256", "pool.name", "versions.dcql"})


@dataclass(frozen=True, slots=True)
class Read:
    """A submission's recipe, compiled, and the paths that it names; `absent` are assets that were left out."""

    compiled: Compiled | None
    named: frozenset[str]
    absent: tuple[str, ...] = ()


def check_recipe(submission: Submission, pool: Pool | None) -> tuple[Check, Read]:
    """Compare the recipe, and every file that it names, with its lock; nothing runs.

    `pool` gives the columns; without it they are DataComp's.
    """
    nothing = Read(None, frozenset())
    lock, stated = submission.lock, submission.manifest
    if lock is None or submission.recipe is None:
        return not_made("recipe", "recipe or lock cannot be read"), nothing
    schema = pool.schema if pool is not None else DATACOMP
    path = submission.folder / layout.RECIPE
    try:
        compiled = compile(path, schema)
        if settings := settings_for(lock.key.parameters, dict(compiled.plan.parameters)):
            compiled = compile(path, schema, settings)
    except RecipeError as error:
        absent = _absent_assets(submission, error)
        if absent:
            names = ", ".join(f"`{name}`" for name in absent)
            return not_made("recipe", f"{names} is named by the recipe and was left out of the submission"), Read(
                None, frozenset(absent), absent
            )
        faults = [_fault("the recipe cannot be compiled", _relative(one, submission)) for one in error.diagnostics]
        return checked("recipe", "the recipe", faults), nothing
    faults = []
    # The pool is compared when the subset is computed: here it counts as the one that the lock states.
    as_locked = Pool(lock.pool_name, "", schema, (), fingerprint=lock.key.pool)
    try:
        check_inputs(compiled, as_locked, lock, layout.LOCK)
    except LockError as error:
        faults += [_fault("the recipe is not the one of its lock", one.label) for one in error.diagnostics]
    if stated is not None and stated.text != submission.recipe.removeprefix("\ufeff"):
        faults.append(_fault("the recipe is not the one that ran", f"{layout.MANIFEST} holds another text of it"))
    if stated is not None and dict(stated.parameters) != dict(lock.key.parameters):
        label = "; ".join(differences(dict(stated.parameters), dict(lock.key.parameters)))
        message = f"the parameters are not those of the lock ({layout.MANIFEST} -> {layout.LOCK})"
        faults.append(_fault(message, label))
    named = named_paths(compiled.recipe, compiled.inputs)
    return checked("recipe", "recipe, imports, sets and assets with the lock", faults), Read(compiled, named)


def _absent_assets(submission: Submission, error: RecipeError) -> tuple[str, ...]:
    """Return the assets that a recipe names and the submission lacks; () where anything else is wrong."""
    from dcql.source import Source
    from dcql.syntax.parser import parse

    if any(one.code != "E0208" or one.span is None for one in error.diagnostics):
        return ()
    try:
        recipe = parse(Source(layout.RECIPE, submission.recipe or ""))
    except RecipeError:
        return ()
    assets = {(one.path.span.start, one.path.value) for one in recipe.definitions if isinstance(one, ast.AssetFile)}
    found = []
    for one in error.diagnostics:
        assert one.span is not None
        name = next((value for start, value in assets if start == one.span.start), None)
        if name is None:
            return ()
        found.append(name)
    return tuple(found)


def check_subset(
    submission: Submission,
    pool: Pool,
    resources: "Resources | None" = None,
    tell: "Progress | None" = None,
    computing: "Computing | None" = None,
    limits: Limits | None = None,
) -> tuple[Check, tuple[str, ...]]:
    """Run the recipe over the pool and compare what comes out with lock, manifest and uids; return notes too.

    The run is held to `limits`; one that exceeds them is a check that was not made.
    """
    lock, stated = submission.lock, submission.manifest
    assert lock is not None
    recorded = Recorded(layout.LOCK, submission.folder / layout.RECIPE, lock.pool_name, lock.key.parameters, lock, None)
    told = f"the recipe over `{pool.name}`"
    try:
        with hold(limits):
            run = run_again(recorded, pool, resources, tell, computing)
    except LockError as error:
        return checked("subset", told, [_recomputed(one, lock.pool_name, pool.name) for one in error.diagnostics]), ()
    except RunError as error:
        first = error.diagnostics[0]
        reason = f"{first.message}: {first.label}" if first.label else first.message
        if isinstance(error, BrokenPromiseError):
            return checked("subset", told, [_fault("the recipe does not keep its promise", reason)]), ()
        return not_made("subset", f"the recipe could not be run: {reason}"), ()
    except DcqlError as error:
        return checked("subset", told, [_fault("the recipe cannot be run", error.diagnostics[0].message)]), ()
    faults: list[Diagnostic] = []
    notes: tuple[str, ...] = ()
    try:
        notes = check_recorded(recorded, run)
    except LockError as error:
        faults += [_recomputed(one, lock.pool_name, pool.name) for one in error.diagnostics]
    if stated is not None:
        again = manifest(run.compiled.source, run.compiled.program, pool, run.result)
        lines = list(differences(stated.data, again, apart=_APART))
        if lines:
            shown = lines[:MAX_DIFFERENCES]
            if len(lines) > MAX_DIFFERENCES:
                shown.append(f"and {len(lines) - MAX_DIFFERENCES} more")
            label = "\n".join(shown)
            faults.append(_fault(f"{layout.MANIFEST} states what the run does not give (stated -> recomputed)", label))
    if submission.subset is not None and submission.subset.hash != run.hash:
        faults.append(_fault(f"{layout.SUBSET} is not what the recipe selects", _apart(submission, run.subset)))
    return checked("subset", f"{told}: {run.hash}", faults), notes


def _apart(submission: Submission, found: Subset) -> str:
    assert submission.subset is not None
    more, less = submission.subset - found, found - submission.subset
    if not more.distinct and not less.distinct:
        return "the same samples, in another number of copies"
    parts = []
    if more.distinct:
        parts.append(f"{_samples(more.distinct)} that the recipe does not select, such as {next(more.hex())}")
    if less.distinct:
        parts.append(f"without {_samples(less.distinct)} that it selects, such as {next(less.hex())}")
    return "\n".join(parts)


def _samples(count: int) -> str:
    return f"{count:,} sample" if count == 1 else f"{count:,} samples"


def _recomputed(diagnostic: Diagnostic, stated_pool: str, pool: str) -> Diagnostic:
    if diagnostic.code == "E0805":
        message = f"the submission is over another pool: `{stated_pool}` in {layout.LOCK}, `{pool}` here"
    elif diagnostic.code == "E0803":
        message = f"{layout.LOCK} states another result than the recipe gives (lock -> recomputed)"
    else:
        message = f"the recipe is not the one of its lock, or dcql reads it otherwise: {diagnostic.message}"
    return _fault(message, diagnostic.label)


def _relative(diagnostic: Diagnostic, submission: Submission) -> str:
    place = ""
    if diagnostic.span is not None:
        place = f"line {diagnostic.span.source.position(diagnostic.span.start)[0]}: "
    text = f"{diagnostic.message}: {diagnostic.label}" if diagnostic.label else diagnostic.message
    return place + text.replace(str(submission.folder) + "/", "")


def _fault(message: str, label: str) -> Diagnostic:
    return Diagnostic("E1311", message, None, label)
