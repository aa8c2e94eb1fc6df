"""DataComp's averages: of ImageNet, its shifts, VTAB, retrieval, and of all 38 tasks that have a main metric."""

from collections.abc import Iterable, Mapping
from typing import Any

from dcql.runtime.evaluate.tasks import GROUPS, Suite, Task, tasks

AVERAGES = (*GROUPS, "average", "demo")


def members(name: str) -> tuple[Task, ...]:
    """Return the tasks of an average: those of DataComp's list, but for `demo`, which has none of them."""
    if name == "demo":
        return tuple(task for task in tasks(Suite.DEMO) if task.main is not None)
    counted = tuple(task for task in tasks(Suite.DATACOMP) if task.main is not None)
    return counted if name == "average" else tuple(task for task in counted if task.group == name)


def averages(results: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return each average of main metrics by task key; None unless every task of it is there.

    An average over fewer tasks would be another number under the same name.
    """
    return {name: mean_of(members(name), results) for name in AVERAGES}


def mean_of(over: Iterable[Task], results: Mapping[str, float | None]) -> float | None:
    """Return the mean main metric of tasks, None where one has none."""
    values = [results.get(task.key) for task in over]
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there and len(there) == len(values) else None


def counts(results: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return for each average how many tasks it is over, and how many of them are there."""
    return {
        name: {
            "tasks": len(members(name)),
            "there": sum(results.get(task.key) is not None for task in members(name)),
        }
        for name in AVERAGES
    }
