"""The rules: what a scale fixes, and what a track allows (DataComp's, Gadre et al. 2023, appendix A)."""

from collections.abc import Iterator
from dataclasses import dataclass

from dcql.errors import Diagnostic
from dcql.plain_data import differences
from dcql.runtime.identity import scale_key
from dcql.runtime.reshard import Settings
from dcql.runtime.scales import PRECISIONS, SCALES, Scale
from dcql.submission import layout
from dcql.submission.documents import Submission
from dcql.submission.entry import TRACKS
from dcql.submission.report import Check, checked, not_made

# DataComp's pools by the samples that they are said to have. The parquet files hold a few per cent more or fewer.
POOLS = {"small": 12_800_000, "medium": 128_000_000, "large": 1_280_000_000, "xlarge": 12_800_000_000}
POOL_TOLERANCE = 0.1
# The one thing that reshard may do to a sample or not; what else a policy says of it begins with the same word.
_BLUR = "blur"


@dataclass(frozen=True, slots=True)
class _Broken:
    message: str
    label: str

    def diagnostic(self) -> Diagnostic:
        return Diagnostic("E1313", self.message, None, self.label)


def check_scale(submission: Submission) -> Check:
    """Compare what was trained with what the scale fixes."""
    entry, run, weights = submission.entry, submission.run, submission.weights
    if entry is None or run is None:
        return not_made("scale", f"{layout.ENTRY} or {layout.RUN} cannot be read")
    scale = SCALES.get(entry.scale)
    if scale is None:
        label = f"{layout.ENTRY} names `{entry.scale}`; the scales are {', '.join(SCALES)}"
        return checked("scale", "the scale", [_Broken(f"no scale `{entry.scale}`", label).diagnostic()])
    faults = [broken.diagnostic() for broken in _training(submission, scale)]
    if weights is not None:
        stated = {"steps": weights.steps, "samples_seen": weights.samples_seen}
        fixed = {"steps": scale.steps, "samples_seen": scale.steps * scale.batch}
        if lines := list(differences(stated, fixed)):
            message = f"{layout.WEIGHTS} is not of a whole training at `{scale.name}` (stated -> the scale's)"
            faults.append(_Broken(message, "\n".join(lines)).diagnostic())
    return checked("scale", f"model, schedule and samples seen are those of `{scale.name}`", faults)


def _training(submission: Submission, scale: Scale) -> Iterator[_Broken]:
    assert submission.run is not None
    key = submission.run.key
    stated = key.get("scale")
    lines = list(differences(stated, scale_key(scale), "scale"))
    if lines:
        shown = [*lines[:12], *([f"and {len(lines) - 12} more"] if len(lines) > 12 else [])]
        yield _Broken(f"{layout.RUN} is not a training at `{scale.name}` (stated -> the scale's)", "\n".join(shown))
    if key.get("sampling") != scale.sampling:
        label = f"sampling: {key.get('sampling')} -> {scale.sampling}"
        yield _Broken(f"{layout.RUN} draws samples otherwise than `{scale.name}` does", label)
    if key.get("precision") not in PRECISIONS:
        label = f"precision: {key.get('precision')}; it is one of {', '.join(PRECISIONS)}"
        yield _Broken(f"{layout.RUN} has a precision that the runtime does not train with", label)
    if type(key.get("seed")) is not int:
        yield _Broken(f"{layout.RUN} has no seed", f"seed: {key.get('seed')!r}")


def check_track(submission: Submission, fingerprint: str | None) -> Check:
    """Compare a submission with the rules of its track.

    `fingerprint` is that of the pool of the scale, None where that pool is not at hand.
    """
    entry = submission.entry
    if entry is None:
        return not_made("track", f"{layout.ENTRY} cannot be read")
    if entry.track not in TRACKS:
        return not_made("track", f"{layout.ENTRY} names no track")
    if entry.track == "byod":
        return checked("track", "byod: data of any source, which the entry names", [])
    faults = [broken.diagnostic() for broken in (*_pool(submission, fingerprint), *_samples(submission))]
    return checked("track", "filtering: samples of the scale's pool, captions as they are", faults)


def _pool(submission: Submission, fingerprint: str | None) -> Iterator[_Broken]:
    lock, entry = submission.lock, submission.entry
    assert entry is not None
    if lock is None:
        return
    nominal = POOLS.get(entry.scale)
    if nominal is not None and abs(lock.samples - nominal) > POOL_TOLERANCE * nominal:
        label = f"it has {lock.samples:,} samples, and that of `{entry.scale}` about {nominal:,}"
        yield _Broken(f"`{lock.pool_name}` is not the pool of `{entry.scale}`", label)
    if fingerprint is not None and lock.key.pool != fingerprint:
        label = f"fingerprint: {lock.key.pool} in {layout.LOCK}, {fingerprint} here"
        yield _Broken(f"`{lock.pool_name}` is not the pool of `{entry.scale}`", label)


def _samples(submission: Submission) -> Iterator[_Broken]:
    """See that what was trained on are the pool's samples, as many as the subset has, with their own captions."""
    lock, shards = submission.lock, submission.shards
    if lock is None or shards is None:
        return
    wanted = dict(Settings().policy)
    stated = {name: value for name, value in shards.policy.items() if not name.startswith(_BLUR)}
    lines = list(differences(stated, {name: value for name, value in wanted.items() if name != _BLUR}, "policy"))
    if shards.policy.get(_BLUR) not in ("none", "apply"):
        lines.append(f"policy.{_BLUR}: {shards.policy.get(_BLUR)} -> none or apply")
    if lines:
        label = "\n".join(lines) + "\na sample is trained on as the pool has it: its image, blurred or not, its caption"
        yield _Broken(f"{layout.SHARDS} was made otherwise than `dcql reshard` makes it (stated -> the rule)", label)
