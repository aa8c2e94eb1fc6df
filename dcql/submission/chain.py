"""The chain of hashes: each document of a submission states the hash of the one before."""

from collections import Counter
from collections.abc import Iterator

from dcql.errors import Diagnostic
from dcql.locks.lock import Lock, scalar_text
from dcql.plain_data import differences
from dcql.runtime.identity import RUNTIME, environment_hash, run_hash
from dcql.runtime.shards import digest_of
from dcql.submission import layout
from dcql.submission.documents import Manifest, RunRecord, Submission, Threshold
from dcql.submission.report import Check, checked, not_made


def check_manifest(submission: Submission) -> Check:
    """Compare lock, manifest and uids with each other: what can be said without the pool."""
    lock, stated = submission.lock, submission.manifest
    if lock is None or stated is None:
        return not_made("manifest", f"{layout.LOCK} or {layout.MANIFEST} cannot be read")
    pairs = [
        ("hash", stated.hash, lock.subset),
        ("distinct", stated.distinct, lock.distinct),
        ("total", stated.total, lock.total),
        ("pool.fingerprint", stated.fingerprint, lock.key.pool),
        ("pool.samples", stated.samples, lock.samples),
    ]
    lines = [line for name, one, other in pairs for line in differences(one, other, name)]
    lines += [*_statistics(stated, lock), *_counts(stated, lock)]
    faults = []
    if lines:
        message = f"{layout.MANIFEST} does not agree with {layout.LOCK} (manifest -> lock)"
        faults.append(_fault(message, "\n".join(lines)))
    if submission.subset is not None and submission.subset.hash != lock.subset:
        label = f"{submission.subset.hash} in {layout.SUBSET}, {lock.subset} in {layout.LOCK}"
        faults.append(_fault(f"{layout.SUBSET} has another hash than the lock", label))
    told = "manifest and uids with the lock" if submission.has_subset else "manifest with the lock; uids are left out"
    return checked("manifest", told, faults)


def _statistics(stated: Manifest, lock: Lock) -> Iterator[str]:
    """Compare the thresholds of a manifest with those of a lock that has them one by one."""
    rows = {row.name: row for row in stated.thresholds if not row.grouped}
    for locked in lock.statistics:
        if locked.groups is not None:
            continue
        row = rows.get(locked.name)
        if row is None:
            yield f"thresholds: nothing -> {locked.title}"
            continue
        value = _recorded_value(row)
        if value != locked.value:
            yield f"thresholds.{locked.name}.value: {value} -> {locked.value}"
        found = {name: getattr(locked, name) for name in row.counts}
        yield from differences(dict(row.counts), found, f"thresholds.{locked.name}")


def _recorded_value(row: Threshold) -> str:
    """Return a manifest's value as a lock writes it: floats from their hex."""
    try:
        return scalar_text(row.value if row.hexadecimal is None else float.fromhex(row.hexadecimal))
    except (ValueError, OverflowError):
        return "nothing that a lock writes"


def _counts(stated: Manifest, lock: Lock) -> Iterator[str]:
    """Compare what each clause leaves; sections are titled otherwise than blocks, so they are matched by their text."""
    told: Counter[tuple[str, int]] = Counter()
    for section in stated.funnel:
        if section.samples is None:
            continue
        told[f"FROM {section.source}", section.samples] += 1
        told.update((clause.text, clause.left) for clause in section.clauses)
    locked = Counter((clause.text, clause.count) for clause in lock.clauses)
    here, there = told - locked, locked - told
    for text, count in sorted(here):
        after = next((f"{other:,}" for same, other in sorted(there) if same == text), "nothing")
        yield f"counts, {text}: {count:,} -> {after}"
    for text, count in sorted(there):
        if all(same != text for same, _ in here):
            yield f"counts, {text}: nothing -> {count:,}"


def _fault(message: str, label: str) -> Diagnostic:
    return Diagnostic("E1312", message, None, label)


# --- shards, run, weights ---------------------------------------------------------------------------------------------


def check_shards(submission: Submission) -> Check:
    """Compare the shards with the subset that they are of."""
    lock, shards = submission.lock, submission.shards
    if lock is None or shards is None:
        return not_made("shards", f"{layout.LOCK} or {layout.SHARDS} cannot be read")
    stated = {"subset": shards.subset, "pool": shards.pool, "distinct": shards.distinct + shards.missing}
    found = {"subset": lock.subset, "pool": lock.key.pool, "distinct": lock.distinct}
    lines = list(differences(stated, found))
    # With nothing missing all copies are there; what is missing takes its copies with it.
    if not shards.missing and shards.samples != lock.total:
        lines += differences(shards.samples, lock.total, "samples")
    if not shards.distinct <= shards.samples <= lock.total or shards.missing < 0:
        lines.append(f"samples: {shards.samples:,} of {shards.distinct:,} distinct cannot be")
    faults = []
    if lines:
        message = f"{layout.SHARDS} is not of the subset in {layout.LOCK} (shards -> lock)"
        faults.append(_fault(message, "\n".join(lines)))
    if sum(shards.sizes) != shards.samples:
        label = f"samples: {shards.samples:,} -> {sum(shards.sizes):,}"
        faults.append(_fault(f"{layout.SHARDS} counts other samples than its shards have together", label))
    digest = digest_of(shards.subset, shards.policy, shards.sha256)
    if digest != shards.digest:
        label = f"digest: {shards.digest} -> {digest}"
        faults.append(_fault(f"{layout.SHARDS} has another digest than its parts (stated -> recomputed)", label))
    return checked("shards", f"subset, pool and counts of {shards.digest}", faults)


def check_run(submission: Submission) -> Check:
    """Compare the run with the shards that it trained on, and its hash with its key."""
    shards, run = submission.shards, submission.run
    if run is None:
        return not_made("run", f"{layout.RUN} cannot be read")
    faults = []
    try:
        found = run_hash(run.key)
    except (TypeError, ValueError) as error:
        found = f"no hash: {error}"
    if found != run.run_hash:
        label = f"run_hash: {run.run_hash} -> {found}"
        faults.append(_fault(f"{layout.RUN} has another key than its hash says (stated -> recomputed)", label))
    if shards is not None:
        of = {"subset": shards.subset, "pool": shards.pool, "shards": shards.digest, "policy": dict(shards.policy)}
        lines = list(differences({name: run.key.get(name) for name in of}, of))
        if lines:
            message = f"{layout.RUN} was not trained on {layout.SHARDS} (run -> shards)"
            faults.append(_fault(message, "\n".join(lines)))
    if run.key.get("runtime") != RUNTIME:
        label = f"runtime: {run.key.get('runtime')} -> {RUNTIME}"
        faults.append(_fault("the run is of another version of the runtime, which gives other weights", label))
    faults += _environments(submission, run)
    return checked("run", f"key and environment of {run.run_hash}", faults)


def _environments(submission: Submission, run: RunRecord) -> Iterator[Diagnostic]:
    """Compare environment.json with the environments that run and results state, and each with its hash."""
    stated = submission.environments
    if stated is None:
        return
    if lines := list(differences(dict(stated.train), dict(run.environment), "train")):
        yield _fault(f"{layout.ENVIRONMENT} is not that of the run ({layout.ENVIRONMENT} -> run)", "\n".join(lines))
    used = {line.environment_hash for line in submission.results or ()}
    lines = [f"evaluate: nothing -> {hash_}" for hash_ in sorted(used - stated.evaluate.keys())]
    lines += [f"evaluate: {hash_} -> nothing" for hash_ in sorted(stated.evaluate.keys() - used)]
    if lines and submission.results is not None:
        message = f"{layout.ENVIRONMENT} is not that of the evaluation ({layout.ENVIRONMENT} -> {layout.RESULTS})"
        yield _fault(message, "\n".join(lines))
    pairs = [(layout.RUN, run.environment_hash, run.environment)]
    pairs += [(layout.ENVIRONMENT, hash_, environment) for hash_, environment in stated.evaluate.items()]
    for document, hash_, environment in pairs:
        try:
            found = environment_hash(environment)
        except (TypeError, ValueError) as error:
            found = f"no hash: {error}"
        if found != hash_:
            yield _fault(f"{document} has another environment than its hash says", f"{hash_} -> {found}")


def check_weights(submission: Submission) -> Check:
    """Compare the weights with the run that they came of."""
    run, weights = submission.run, submission.weights
    if run is None or weights is None:
        return not_made("weights", f"{layout.RUN} or {layout.WEIGHTS} cannot be read")
    faults = []
    if weights.run_hash != run.run_hash:
        label = f"run_hash: {weights.run_hash} -> {run.run_hash}"
        faults.append(_fault(f"{layout.WEIGHTS} is of another run ({layout.WEIGHTS} -> {layout.RUN})", label))
    return checked("weights", f"run of {weights.weights_sha256}", faults)
