"""Two results of one program, and the first thing in which they differ."""

from itertools import zip_longest

import numpy as np

from dcql.engine.counts import BlockCounts
from dcql.engine.features.report import FeaturesReport
from dcql.engine.run import Result
from dcql.engine.statistics import Found
from dcql.locks.changes import shown
from dcql.locks.lock import scalar_text
from dcql.subset import Subset

_COUNTS = ("n", "nulls", "k", "ties")


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
        if found.groups is not None and other.groups is not None and found.groups != other.groups:
            counts = f"{found.groups.count:,} groups, {found.groups.empty:,} without any sample"
            others = f"{other.groups.count:,}, {other.groups.empty:,}"
            pairs = zip(found.groups.told, other.groups.told, strict=False)
            if apart := next((one for one, two in pairs if one != two), None):
                return f"{_title(apart)}: cut otherwise"
            return f"{_title(found)}: {counts} and {others}"
        if found.at != other.at:
            return f"{_title(found)}: at {_tuple(found.at)} and {_tuple(other.at)}"
    for found in after.values():
        return f"{_title(found)} is in one result only"
    return None


def _title(found: Found) -> str:
    group = f" in group {_tuple(found.group)}" if found.group else ""
    return f"{found.name} = {found.text}{f' over {found.population}' if found.population else ''}{group}"


def _value(found: Found) -> str:
    return scalar_text(found.value)


def _tuple(values: tuple[object, ...]) -> str:
    return "(" + ", ".join(shown(scalar_text(value)) for value in values) + ")"  # type: ignore[arg-type]


def _of_block(ours: BlockCounts, theirs: BlockCounts) -> str | None:
    name = ours.block.name
    steps = (f"FROM {ours.block.source}", *ours.block.clauses)
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
