"""Accuracy by group and in the worst group, as WILDS' standard_group_eval and DataComp's evaluators of it.

WILDS names a group by its fields, `region:3`; a group that no sample is in has no metric here, and is never the worst.
"""

import numpy as np
from dcql.runtime.evaluate.metrics import Metrics
from numpy.typing import NDArray

# Ids of regions in WILDS' FMoW: Asia, Europe, Africa, Americas, Oceania, Other.
FMOW_OTHER = 5


def by_group(name: str, correct: NDArray[np.bool_], fields: dict[str, NDArray[np.int64]]) -> Metrics:
    """Return the share of `correct` in all, `NAME_avg`; in each group with its count; and in the worst, `NAME_wg`.

    `correct` is (n,), as is each of `fields`; a group is a combination of their values.
    """
    metrics: Metrics = {f"{name}_avg": float(correct.mean())}
    shares = shares_of(correct, fields)
    for group, (share, count) in shares.items():
        metrics[f"{name}_{group}"] = share
        metrics[f"count_{group}"] = count
    metrics[f"{name}_wg"] = min(share for share, _ in shares.values())
    return metrics


def shares_of(correct: NDArray[np.bool_], fields: dict[str, NDArray[np.int64]]) -> dict[str, tuple[float, int]]:
    """Return the share of `correct` and the count of each group that has samples, by the group's name."""
    names = list(fields)
    values = np.stack([fields[name] for name in names], axis=1)
    groups, place, counts = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    right = np.bincount(place.reshape(-1), weights=correct, minlength=len(groups))
    named = ["_".join(f"{name}:{value}" for name, value in zip(names, group, strict=True)) for group in groups]
    return {name: (float(found / count), int(count)) for name, found, count in zip(named, right, counts, strict=True)}


def worst(correct: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """Return the share of `correct` in the group where it is least."""
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return float((np.bincount(place, weights=correct) / counts).min())


def fmow(correct: NDArray[np.bool_], regions: NDArray[np.int64], years: NDArray[np.int64]) -> Metrics:
    """Return accuracy by year and by region, and in the worst of each.

    WILDS leaves the region "Other" out of the worst. DataComp's program means to, but names regions by number, so that
    its test for "Other" never holds: with 4 images in it, published accuracies of exactly 0 are that region. So
    `acc_worst_region`, the main metric, is over every region, to compare with what was published;
    `acc_worst_region_named` is WILDS' own. It is None where all images are of "Other".
    """
    metrics = by_group("acc", correct, {"year": years})
    metrics["acc_worst_year"] = metrics.pop("acc_wg")
    for group, (share, count) in shares_of(correct, {"region": regions}).items():
        metrics[f"acc_{group}"] = share
        metrics[f"count_{group}"] = count
    named = regions != FMOW_OTHER
    metrics["acc_worst_region"] = worst(correct, regions)
    metrics["acc_worst_region_named"] = worst(correct[named], regions[named]) if named.any() else None
    return metrics
