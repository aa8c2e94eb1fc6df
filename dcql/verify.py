"""Verification: a subset is computed again, under other conditions too, and has to be the same one."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest

import numpy as np

from dcql.catalog.pool import Pool
from dcql.compiler import Run, run_compiled
from dcql.engine.duck import Resources
from dcql.engine.features.report import Computing, FeaturesReport
from dcql.engine.run import BlockCounts, Progress, Result
from dcql.engine.statistics import Found
from dcql.errors import Diagnostic, LockError, RunError
from dcql.lock import scalar_text
from dcql.lock_changes import shown
from dcql.lower.program import Program
from dcql.lower.stored import decode, encode
from dcql.subset import Subset

_SHUFFLE_SEED = 20_240_229
_SMALL_MEMORY = 512 << 20
_COUNTS = ("n", "nulls", "k", "ties")


@dataclass(frozen=True, slots=True)
class Condition:
    """One way to run a recipe that must not matter: what a run may use, how the pool lies, which query is asked."""

    name: str
    resources: Resources = field(default_factory=Resources)
    arrange: Callable[[Pool], Pool] = lambda pool: pool
    rewrite: Callable[[Program], Program] = lambda program: program


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run under a condition gave: its hash and the first difference from the reference, or why it failed."""

    condition: Condition
    hash: str
    difference: str | None = None
    failure: RunError | None = None


def perturb(
    run: Run,
    conditions: tuple[Condition, ...],
    progress: Progress | None = None,
    computing: Computing | None = None,
) -> Iterator[Outcome]:
    """Run a recipe again under each condition, and compare each result with that of `run`, stage by stage."""
    for condition in conditions:
        try:
            compiled = replace(run.compiled, program=condition.rewrite(run.compiled.program))
            pool = condition.arrange(run.pool)
            again = run_compiled(compiled, pool, condition.resources, progress, computing=computing)
        except RunError as error:
            yield Outcome(condition, "", failure=error)
            continue
        yield Outcome(condition, again.hash, first_difference(run.result, again.result))


def conditions_for(run: Run) -> tuple[Condition, ...]:
    """Return the conditions under which to run again; one that changes nothing for this run is left out."""
    pool, source = run.pool, run.compiled.source
    conditions = [Condition(f"threads: {count}", Resources(threads=count)) for count in (1, 2, 8)]
    conditions.append(Condition("memory: 512 MB", Resources(memory=_SMALL_MEMORY)))
    if len(pool.files) > 1:
        conditions.append(Condition("files reversed", arrange=_reversed))
        conditions.append(Condition("files shuffled", arrange=_shuffled))
    if pool.added:
        if run.compiled.program.marks is not None:
            conditions.append(Condition("file by file", rewrite=_without_marks))
        conditions.append(Condition("raw files", arrange=raw))
    inputs = run.compiled.inputs
    if not (inputs.recipes or inputs.sets or inputs.files):
        conditions.append(Condition("stored program", rewrite=lambda program: decode(encode(program), source)))
    return tuple(conditions)


def refuse(outcomes: list[Outcome]) -> None:
    """Raise LockError where an outcome differs, and else the RunError of the first run that failed."""
    different = [outcome for outcome in outcomes if outcome.difference is not None]
    if different:
        first = different[0]
        more = f"\n{len(different)} of {len(outcomes)} conditions differ" if len(different) > 1 else ""
        raise LockError(
            Diagnostic(
                "E0803",
                f"one key, two values: the result depends on a condition that must not matter ({first.condition.name})",
                label=f"first: {first.difference}{more}",
                helps=("this is a bug in dcql or in the engine: please report it with the recipe and this message",),
            )
        )
    for outcome in outcomes:
        if outcome.failure is not None:
            raise outcome.failure


def raw(pool: Pool) -> Pool:
    """Return an added pool as the raw files that it was made of: nothing of what was recorded is read."""
    files = tuple(replace(file, sidecar=None, rank=None) for file in pool.files)
    return replace(pool, files=files, fingerprint=None, uids=None, distributions=None)


def _without_marks(program: Program) -> Program:
    return replace(program, marks=None, kept=None)


def _reversed(pool: Pool) -> Pool:
    return replace(pool, files=pool.files[::-1])


def _shuffled(pool: Pool) -> Pool:
    files = list(pool.files)
    random.Random(_SHUFFLE_SEED).shuffle(files)
    return replace(pool, files=tuple(files))


# --- comparing two results --------------------------------------------------------------------------------------------


def first_difference(ours: Result, theirs: Result) -> str | None:
    """Return the first thing in which two results of one program differ, with both values, or None.

    The order is that of the run: what was read, the statistics of each stage, the funnel of the last query, the subset.
    """
    if ours.samples != theirs.samples:
        return f"pool: {ours.samples:,} and {theirs.samples:,} samples"
    stages = zip_longest(ours.stages, theirs.stages, fillvalue=())
    for number, (our_stage, their_stage) in enumerate(stages, start=1):
        found = _of_stage(our_stage, their_stage)
        if found is not None:
            return f"stage {number}: {found}"
    if (found := _of_features(ours.features, theirs.features)) is not None:
        return found
    for our_block, their_block in zip(ours.funnel, theirs.funnel, strict=True):
        found = _of_block(our_block, their_block)
        if found is not None:
            return f"output: {found}"
    return _of_subset(ours.subset, theirs.subset)


def _of_features(ours: FeaturesReport | None, theirs: FeaturesReport | None) -> str | None:
    """Compare what features were asked of and what came out; a raw pool has no digests."""
    if ours is None or theirs is None:
        return None
    for mine, other in zip(ours.uses, theirs.uses, strict=True):
        for what in ("id", "asked", "failed"):
            if getattr(mine, what) != getattr(other, what):
                return f"feature {mine.spec.name}: {what} {getattr(mine, what)} and {getattr(other, what)}"
    for name in ours.digests.keys() & theirs.digests.keys():
        if ours.digests[name] != theirs.digests[name]:
            return f"feature {name}: {ours.digests[name]} and {theirs.digests[name]} came out"
    return None


def _of_stage(ours: tuple[Found, ...], theirs: tuple[Found, ...]) -> str | None:
    """Compare the statistics of a stage; groups of a BY are matched by their keys."""
    after = {(found.name, found.group): found for found in theirs}
    for found in ours:
        other = after.pop((found.name, found.group), None)
        if other is None:
            return f"{_title(found)} is in one result only"
        if _value(found) != _value(other):
            return f"{_title(found)}: value {shown(_value(found))} and {shown(_value(other))}"
        for name in _COUNTS:
            mine, other_count = getattr(found, name), getattr(other, name)
            if mine != other_count:
                return f"{_title(found)}: {name} {mine:,} and {other_count:,}"
        if found.at != other.at:
            return f"{_title(found)}: at {_tuple(found.at)} and {_tuple(other.at)}"
    for found in after.values():
        return f"{_title(found)} is in one result only"
    return None


def _title(found: Found) -> str:
    words = " ".join(found.text.split())
    group = f" in group {_tuple(found.group)}" if found.group else ""
    return f"{found.name} = {words}{f' over {found.population}' if found.population else ''}{group}"


def _value(found: Found) -> str:
    return scalar_text(found.value)


def _tuple(values: tuple[object, ...]) -> str:
    return "(" + ", ".join(shown(scalar_text(value)) for value in values) + ")"  # type: ignore[arg-type]


def _of_block(ours: BlockCounts, theirs: BlockCounts) -> str | None:
    name = ours.block.name
    steps = (f"FROM {ours.block.source}", *(" ".join(text.split()) for text in ours.block.clauses))
    for step, mine, other in zip(steps, ours.counts, theirs.counts, strict=True):
        if mine != other:
            return f"{name}: after {step}: {mine:,} and {other:,} samples"
    if ours.undefined != theirs.undefined:
        return f"{name}: {ours.undefined:,} and {theirs.undefined:,} samples with a result that is not defined"
    return None


def _of_subset(ours: Subset, theirs: Subset) -> str | None:
    """Compare two subsets; every count before agreed, so this is about which samples were kept."""
    if ours.hash == theirs.hash:
        return None
    only_ours, only_theirs = ours - theirs, theirs - ours
    apart = [next(side.hex()) for side in (only_ours, only_theirs) if len(side)]
    if apart:
        counts = f"{only_ours.distinct:,} samples only in the first and {only_theirs.distinct:,} only in the second"
        return f"subset: {counts}, such as {apart[0]}"
    ours_copies, theirs_copies = _copies(ours), _copies(theirs)
    place = int(np.argmax(ours_copies != theirs_copies))
    uid = next(Subset(ours.uids[place : place + 1]).hex())
    return f"subset: sample {uid} is there {ours_copies[place]} and {theirs_copies[place]} times"


def _copies(subset: Subset) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    return subset.copies if subset.copies is not None else np.ones(subset.distinct, np.uint32)
