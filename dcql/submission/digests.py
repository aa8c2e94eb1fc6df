"""The digests that need more than the submission: those of the shards, from the pool's tars, and of the weights."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from dcql.errors import Diagnostic, RunError
from dcql.extras import missing
from dcql.runtime.reshard import Settings, reshard
from dcql.runtime.shards import silent
from dcql.scratch import scratch
from dcql.submission import layout
from dcql.submission.documents import Shards, Submission
from dcql.submission.report import Check, checked, not_made

if TYPE_CHECKING:
    from dcql.engine.run import Progress

_NAME = "shards digest"
_MAX_SHARDS_TOLD = 5


def check_shards_digest(submission: Submission, tars: str | None, tell: "Progress | None" = None) -> Check:
    """Reshard the subset again, from the tars of the pool, without writing a shard unless faces were blurred."""
    shards = submission.shards
    if tars is None:
        return not_made(_NAME, "no shards were given: --shards", declined=True)
    if shards is None or submission.manifest is None:
        return not_made(_NAME, f"{layout.SHARDS} or {layout.MANIFEST} cannot be read")
    if submission.subset is None:
        return not_made(_NAME, f"the submission has no {layout.SUBSET} to reshard")
    try:
        found = _again(submission, shards, tars, tell)
    except RunError as error:
        first = error.diagnostics[0]
        return not_made(_NAME, f"`{tars}` could not be resharded: {first.message}: {first.label}")
    told = f"the subset, from `{tars}`: {found.digest}"
    if found.digest == shards.digest:
        return checked(_NAME, told, [])
    lines = [f"digest: {shards.digest} -> {found.digest}"]
    if len(found.sha256) != len(shards.sha256) or found.samples != shards.samples:
        lines.append(f"samples: {shards.samples:,} in {len(shards.sha256)} shards -> {found.samples:,}")
    else:
        pairs = enumerate(zip(shards.sha256, found.sha256, strict=True))
        apart = [number for number, (one, other) in pairs if one != other]
        lines += [f"shard {number}: SHA-256 {shards.sha256[number]} -> {found.sha256[number]}" for number in apart][
            :_MAX_SHARDS_TOLD
        ]
        lines.append(f"{len(apart)} of {len(found.sha256)} shards hold other images or captions than the pool")
    message = f"{layout.SHARDS} is not of the pool's images and captions (stated -> recomputed)"
    return checked(_NAME, told, [Diagnostic("E1312", message, None, "\n".join(lines))])


def _again(submission: Submission, shards: Shards, tars: str, tell: "Progress | None") -> Shards:
    """Reshard with the policy that the submission states, as far as reshard has it."""
    policy = shards.policy
    blur = policy.get("blur") == "apply"
    size, weight = policy.get("shard_size"), policy.get("shard_bytes")
    if type(size) is not int or type(weight) is not int or size < 1 or weight < 1:
        raise RunError(Diagnostic("E1310", f"`{layout.SHARDS}` states no policy", None, "its sizes are no numbers"))
    settings = Settings(
        shard_size=size,
        shard_bytes=weight,
        blur=blur,
        allow_missing=shards.missing > 0,
        copy=blur,
        tell=tell or silent,
    )
    assert submission.subset is not None
    assert submission.manifest is not None
    with scratch() as folder:
        run = folder / "run"
        run.mkdir()
        submission.subset.save(run / layout.SUBSET)
        stated = {**submission.manifest.data, "hash": submission.subset.hash}
        (run / layout.MANIFEST).write_text(json.dumps(stated), encoding="utf-8")
        made = reshard(run, tars, folder / "shards", settings)
        return Shards(
            made.subset,
            made.pool,
            made.digest,
            made.samples,
            made.distinct,
            made.missing,
            made.policy,
            made.sizes,
            made.sha256,
            {},
        )


def check_weights_digest(submission: Submission, path: Path | None) -> Check:
    """Read the weights and compare their digest with the stated one."""
    name, weights = "weights digest", submission.weights
    if path is None:
        return not_made(name, "no weights were given: --weights", declined=True)
    if weights is None:
        return not_made(name, f"{layout.WEIGHTS} cannot be read")
    try:
        from dcql.runtime.train import checkpoint
    except ImportError as error:
        raise missing("dcql submit check --weights", "clip", error) from error
    try:
        tensors, header = checkpoint.load(path)
    except RunError as error:
        first = error.diagnostics[0]
        return not_made(name, f"{first.message}: {first.label}")
    found = checkpoint.digest(tensors)
    lines = []
    if found != weights.weights_sha256:
        lines.append(f"weights_sha256: {weights.weights_sha256} -> {found}")
    if header.get("run_hash") != weights.run_hash:
        lines.append(f"run_hash: {weights.run_hash} -> {header.get('run_hash')}")
    faults = []
    if lines:
        message = f"`{path.name}` are not the weights of {layout.WEIGHTS} (stated -> file)"
        faults.append(Diagnostic("E1312", message, None, "\n".join(lines)))
    return checked(name, f"`{path.name}`: {found}", faults)
