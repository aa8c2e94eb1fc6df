"""`dcql verify --submission`: the chain of hashes again from metadata and stored features, signed off by its last."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dcql.catalog.pool import Pool
from dcql.engine.features.report import Computing
from dcql.errors import Diagnostic, RunError
from dcql.submission.check import check_submission
from dcql.submission.documents import Submission, read_submission
from dcql.submission.report import Report, State

if TYPE_CHECKING:
    from dcql.engine.duck import Resources
    from dcql.engine.run import Progress


class Verdict(StrEnum):
    """What became of a link. NOT_CHECKED: its documents agree, and what it is the hash of is in no submission."""

    OK = "ok"
    DIFFERS = "differs"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Link:
    """A hash of the chain, by its name; `told` says of what it was computed again, or why it was not."""

    name: str
    hash: str
    verdict: Verdict
    told: str


@dataclass(frozen=True, slots=True)
class SignOff:
    """The links of a submission from the pool to the entry, and the report that they follow from."""

    links: tuple[Link, ...]
    report: Report

    @property
    def signed(self) -> str | None:
        """The hash of the entry, where everything agrees; None where it does not."""
        return self.links[-1].hash if self.report.passed else None


def sign_off(
    folder: Path, pool: Pool | str | None = None, resources: "Resources | None" = None, tell: "Progress | None" = None
) -> SignOff:
    """Compute everything of a submission again that follows from the pool's metadata and from stored features.

    It is `check_submission`, with no model called: what a feature lacks is not computed. Raises RunError (E1451) where
    the pool or a feature is missing, so that the subset cannot be computed, unless something differs all the same.
    """
    report = check_submission(folder, pool, resources=resources, tell=tell, computing=Computing(compute=False))
    if not report.faults and report.open:
        raise RunError(_impossible(folder, report))
    return SignOff(tuple(_links(read_submission(folder), report)), report)


@dataclass(frozen=True, slots=True)
class _Rests:
    """The checks that a hash rests on, and what it was computed again of; `reads` would read the thing itself."""

    checks: tuple[str, ...]
    told: str
    reads: str | None = None


_RESTS: dict[str, _Rests] = {
    "recipe": _Rests(("files", "recipe"), "of the recipe, and all that it names"),
    "subset": _Rests(("subset", "manifest"), "from the recipe and the pool"),
    "shards": _Rests(("shards",), "no shards are read: `dcql submit check --shards`", "shards digest"),
    "run": _Rests(("run",), "of the shards and of what the scale fixes"),
    "weights": _Rests(("weights",), "no weights are read: `dcql submit check --weights`", "weights digest"),
    "evaluation": _Rests(("evaluation", "results"), "of the results of its tasks"),
    "entry": _Rests(("entry", "scale", "track"), "of the evaluation and of what the author says"),
}


def _links(submission: Submission, report: Report) -> Iterator[Link]:
    states = {check.name: check.state for check in report.checks}
    for name, hash_ in _hashes(submission):
        if name == "pool":
            verdict = Verdict.NOT_CHECKED if report.pool is None else Verdict.OK
            if report.pool not in (None, hash_):
                verdict = Verdict.DIFFERS
            yield Link(name, hash_, verdict, "of the pool that is here")
            continue
        if name not in _RESTS:
            # Which feature differs is said by the subset's faults.
            verdict = Verdict.OK if states["subset"] is State.HOLDS else Verdict.NOT_CHECKED
            yield Link(name, hash_, verdict, "of the values that are stored, where the subset is what is stated")
            continue
        rests = _RESTS[name]
        found = {states[one] for one in rests.checks} | ({states[rests.reads]} if rests.reads is not None else set())
        verdict = Verdict.NOT_CHECKED if State.NOT_MADE in found else Verdict.OK
        yield Link(name, hash_, Verdict.DIFFERS if State.DIFFERS in found else verdict, rests.told)


def _hashes(submission: Submission) -> Iterator[tuple[str, str]]:
    """Yield the hashes that the documents state, in the order of the chain; of one that cannot be read, none."""
    if (lock := submission.lock) is not None:
        yield "pool", lock.key.pool
        yield "recipe", lock.key.recipe
        yield from ((f"feature {name}", content) for name, _, content in lock.key.features)
        yield "subset", lock.subset
    if submission.shards is not None:
        yield "shards", submission.shards.digest
    if submission.run is not None:
        yield "run", submission.run.run_hash
    if submission.weights is not None:
        yield "weights", submission.weights.weights_sha256
    if submission.evaluation is not None:
        yield "evaluation", submission.evaluation.eval_hash
    if submission.entry is not None:
        yield "entry", submission.entry.digest


def _impossible(folder: Path, report: Report) -> Diagnostic:
    first = report.open[0]
    return Diagnostic(
        "E1451",
        f"`{folder}` cannot be computed again here",
        None,
        f"{first.name}: {first.told}",
        (
            "add the pool under its name, or name it by --pool; compute a feature by `dcql feature compute`",
            "`dcql submit check` computes features that are missing",
        ),
    )
