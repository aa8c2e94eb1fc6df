"""What an evaluation is identified by: the weights, the tasks, the data, and how they were put together."""

from collections.abc import Mapping

from dcql.runtime.evaluate.tasks import Task

from dcql.digest import sha256_of

VERSION = 1  # of the evaluation: raised whenever the same inputs would give another result
PRECISION = "float32"


def task_hash(task: Task, weights: str, run_hash: str, dataset: str) -> str:
    """Return the hash of one task's evaluation, `dceval1:` and 64 hex digits: equal hashes mean equal metrics.

    `weights` and `dataset` are digests, `run_hash` says how the model that holds the weights is built and shown images.
    """
    return _hash(
        {
            "version": VERSION,
            "precision": PRECISION,
            "task": task.identity(),
            "weights": weights,
            "run": run_hash,
            "dataset": dataset,
        }
    )


def evaluation_hash(tasks: Mapping[str, str]) -> str:
    """Return the hash of a whole evaluation from those of its tasks, by key. What is missing is missing in it."""
    return _hash({"version": VERSION, "tasks": dict(tasks)})


def _hash(value: object) -> str:
    return "dceval1:" + sha256_of(value).removeprefix("sha256:")
