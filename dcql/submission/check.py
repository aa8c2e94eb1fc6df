"""`dcql submit check`: every link of a submission again, the rules of its track, and what cannot be checked here."""

from pathlib import Path
from typing import TYPE_CHECKING

from dcql.catalog.pool import Pool, list_pools
from dcql.demo_pool import NAME as DEMO
from dcql.demo_pool import open_or_make
from dcql.errors import Diagnostic, RunError
from dcql.limits import STRANGERS, Limits, hold
from dcql.submission import layout
from dcql.submission.chain import check_manifest, check_run, check_shards, check_weights
from dcql.submission.digests import check_shards_digest, check_weights_digest
from dcql.submission.documents import Submission, read_submission
from dcql.submission.entry import faults_of
from dcql.submission.recompute import Read, check_recipe, check_subset
from dcql.submission.report import Check, Report, State, checked, not_made
from dcql.submission.results import check_evaluation, check_results, unmeasured
from dcql.submission.rules import check_scale, check_track

if TYPE_CHECKING:
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing
    from dcql.engine.run import Progress


def check_documents(submission: Submission) -> Report:
    """Check what can be said of a submission from its own documents: no pool is opened and nothing runs."""
    subset = not_made("subset", "the documents alone are compared", declined=True)
    return _report(submission, None, (*check_recipe(submission, None), subset))


def check_submission(
    folder: Path,
    pool: Pool | str | None = None,
    *,
    recompute: bool = True,
    shards: str | None = None,
    weights: Path | None = None,
    resources: "Resources | None" = None,
    tell: "Progress | None" = None,
    computing: "Computing | None" = None,
    limits: Limits | None = STRANGERS,
) -> Report:
    """Check a submission as the maintainers of a board do.

    `pool` is the pool of the scale; without it, it is the demo pool for the scale `demo`, and else the added pool that
    has the name of the scale or the name that the lock states. Without `recompute` the recipe does not run. `shards`
    are the pool's own shards, a folder or URL, from which the shards digest is computed again; `weights` is the file
    of the weights. Reading the submission is held to `limits`, and so is running its recipe.

    Raises RunError where there is no submission, or `pool` is named and is none, or reading it exceeds the limits.
    """
    with hold(limits):
        submission = read_submission(folder)
    opened, reason = _pool(submission, pool)
    with hold(limits):
        recipe, read = check_recipe(submission, opened)
    notes: tuple[str, ...] = ()
    if not recompute:
        subset = not_made("subset", "the recipe did not run: --no-recompute", declined=True)
    elif recipe.state is State.NOT_MADE:
        subset = not_made("subset", recipe.told)
    elif recipe.state is State.DIFFERS:
        subset = not_made("subset", "the recipe is not the one of its lock: there is nothing to compare it with")
    elif opened is None:
        subset = not_made("subset", reason)
    else:
        subset, notes = check_subset(submission, opened, resources, tell, computing, limits)
    extra = [check_shards_digest(submission, shards, tell), check_weights_digest(submission, weights)]
    return _report(submission, opened, (recipe, read, subset), notes, extra)


def _report(
    submission: Submission,
    pool: Pool | None,
    selected: tuple[Check, Read, Check],
    notes: tuple[str, ...] = (),
    extra: list[Check] | None = None,
) -> Report:
    recipe, read, subset = selected
    checks = [
        _files(submission, read),
        recipe,
        subset,
        check_manifest(submission),
        check_shards(submission),
        check_run(submission),
        check_weights(submission),
        check_evaluation(submission),
        check_results(submission),
        _entry(submission),
        check_scale(submission),
        check_track(submission, pool.fingerprint if pool is not None else None),
        *(extra or ()),
    ]
    left_out = unmeasured(submission)
    if left_out:
        notes = (*notes, f"not evaluated, and in no average: {', '.join(left_out)}")
    name = submission.entry.name if submission.entry is not None and submission.entry.name else submission.folder.name
    return Report(name, tuple(checks), notes, pool.fingerprint if pool is not None else None)


def _files(submission: Submission, read: Read) -> Check:
    faults = list(submission.faults)
    # What a recipe that cannot be read names is not known, so that nothing can be said of what lies beside it.
    if read.compiled is not None:
        listing = layout.Listing(submission.files, ())
        faults += layout.strangers(listing, read.named)
    return checked("files", f"{len(submission.files)} plain files that can be read", faults)


def _entry(submission: Submission) -> Check:
    entry = submission.entry
    if entry is None:
        if submission.entry_faults:
            return checked("entry", "the author's file", submission.entry_faults)
        return not_made("entry", f"{layout.ENTRY} cannot be read")
    lines = faults_of(entry)
    help_ = "fill it in by hand, or by `dcql submit RUN -o DIR --name .. --author .. --track ..`"
    faults = []
    if lines:
        message = f"`{layout.ENTRY}` is not filled in as it has to be"
        faults.append(Diagnostic("E1302", message, None, "\n".join(lines), (help_,)))
    return checked("entry", f"the author's file: {entry.digest}", faults)


def _pool(submission: Submission, named: Pool | str | None) -> tuple[Pool | None, str]:
    """Return the pool of the scale, or why it is not at hand."""
    if isinstance(named, Pool):
        return named, ""
    if named is not None:
        return open_or_make(named), ""
    entry, lock = submission.entry, submission.lock
    byod = entry is not None and entry.track == "byod"
    # Whoever brings data brings a pool: only the one that the lock states will do.
    wanted = [entry.scale] if entry is not None and not byod else []
    wanted += [lock.pool_name] if lock is not None else []
    for name in dict.fromkeys(wanted):
        if name != DEMO and name not in list_pools():
            continue
        try:
            found = open_or_make(name)
        except RunError as error:
            return None, f"pool `{name}` cannot be opened: {error.diagnostics[0].message}"
        if byod and lock is not None and found.fingerprint != lock.key.pool:
            return None, f"pool `{name}` is another one here: name the submission's by --pool"
        return found, ""
    names = " or ".join(f"`{name}`" for name in dict.fromkeys(wanted)) or "of the submission"
    return None, f"no pool {names} is at hand: name it by --pool"
