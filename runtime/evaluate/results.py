"""What an evaluation writes: a line a task, and what they come to.

EVAL/
  eval_results.jsonl   a line a task, in the order of the lists; the first three keys are DataComp's own
  eval.json            hash, what is missing, averages
  sets.json            the digest of each set that was read, so that an unchanged one is not read again
  environments.json    where tasks were evaluated: packages, processor, device; by the hash that lines have
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from dcql.runtime.evaluate.averages import averages, counts
from dcql.runtime.evaluate.identity import evaluation_hash, task_hash
from dcql.runtime.evaluate.kinds import Outcome
from dcql.runtime.evaluate.layout import SPLIT
from dcql.runtime.evaluate.tasks import Suite, Task, tasks
from dcql.runtime.identity import environment_hash

from dcql.errors import Diagnostic, RunError
from dcql.json_text import parse_json

RESULTS, SUMMARY, STAMPS, ENVIRONMENTS = "eval_results.jsonl", "eval.json", "sets.json", "environments.json"
SCHEMA = 1

Line = dict[str, Any]


def line_of(
    task: Task, outcome: Outcome, weights: str, run_hash: str, *, environment: Mapping[str, Any], seconds: float
) -> Line:
    """Return the line of a task that was evaluated."""
    return {
        "key": task.key,
        "dataset": task.name,
        "metrics": outcome.metrics,
        "run_hash": run_hash,
        "eval_hash": task_hash(task, weights, run_hash, outcome.dataset),
        "weights_sha256": weights,
        "n": outcome.n,
        "interval": None if outcome.interval is None else list(outcome.interval),
        "interval_method": outcome.method,
        "complete": outcome.complete(task),
        "damaged": outcome.damaged,
        **outcome.notes,
        "dataset_sha256": outcome.dataset,
        "environment_hash": environment_hash(environment),
        "split": SPLIT,
        "seconds": round(seconds, 3),
        "schema": SCHEMA,
    }


def summary(lines: Mapping[str, Line], asked: Suite, weights: str, run_hash: str) -> dict[str, Any]:
    """Return what lines by key come to; `missing` is over the list that was asked for and those that have lines.

    A set that was not complete counts for no average.
    """
    suites = [suite for suite in Suite if suite is asked or any(task.key in lines for task in tasks(suite))]
    listed = [task for suite in suites for task in tasks(suite)]
    mains = {key: line["metrics"]["main_metric"] for key, line in lines.items() if line["complete"]}
    return {
        "schema": SCHEMA,
        "eval_hash": evaluation_hash({key: line["eval_hash"] for key, line in lines.items()}),
        "run_hash": run_hash,
        "weights_sha256": weights,
        "suites": [suite.value for suite in suites],
        "tasks": len(lines),
        "missing": [task.key for task in listed if task.key not in lines],
        "incomplete": [key for key, line in lines.items() if not line["complete"]],
        "averages": averages(mains),
        "n_tasks": counts(mains),
    }


def current(lines: Mapping[str, Line], weights: str, run_hash: str) -> dict[str, Line]:
    """Return the lines that these weights gave to the tasks as they are now, in the order of the lists."""
    kept = {}
    for suite in Suite:
        for task in tasks(suite):
            line = lines.get(task.key)
            if line is not None and line["eval_hash"] == task_hash(task, weights, run_hash, line["dataset_sha256"]):
                kept[task.key] = line
    return kept


def read(folder: Path) -> dict[str, Line]:
    """Return the lines of a folder by key, none without a file. Raises RunError where it holds something else."""
    path = folder / RESULTS
    try:
        rows = [parse_json(text) for text in path.read_text(encoding="utf-8").splitlines()]
        found = {row["key"]: row for row in rows}
        for row in rows:
            texts = (row["key"], row["eval_hash"], row["dataset_sha256"], row["environment_hash"])
            main = row["metrics"]["main_metric"]
            if not (all(isinstance(text, str) for text in texts) and isinstance(main, int | float | None)):
                raise TypeError
            row["complete"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error) if isinstance(error, OSError) else "it holds other than a result a line"
        advice = "remove it, and evaluate again"
        raise RunError(Diagnostic("E1208", f"`{path}` cannot be read", None, reason, (advice,))) from error
    return found


def read_environments(folder: Path) -> dict[str, Any]:
    """Return the environments that are described in a folder, by hash; none where that cannot be read."""
    return _read_object(folder / ENVIRONMENTS)


def read_stamps(folder: Path) -> dict[str, dict[str, str]]:
    """Return what is known of sets, by key; nothing where the file is not there, or damaged: it only saves time."""
    found = _read_object(folder / STAMPS)
    known = {
        key for key, value in found.items() if isinstance(value, dict) and {"stamp", "dataset_sha256"} <= set(value)
    }
    return {key: found[key] for key in known}


def write(
    folder: Path,
    lines: Mapping[str, Line],
    described: Mapping[str, Any],
    stamps: Mapping[str, dict[str, str]],
    environments: Mapping[str, Any],
) -> None:
    """Write all files of a folder, each whole or as it was. Raises RunError where that fails."""
    text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines.values())
    used = {line["environment_hash"] for line in lines.values()}
    kept = {name: found for name, found in environments.items() if name in used}
    with _unwritable(folder):
        for name, content in (
            (RESULTS, text),
            (SUMMARY, json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False) + "\n"),
            (STAMPS, json.dumps(stamps, indent=2, sort_keys=True) + "\n"),
            (ENVIRONMENTS, json.dumps(kept, indent=2, sort_keys=True) + "\n"),
        ):
            unfinished = folder / f".{name}.{os.getpid()}.unfinished"
            try:
                with unfinished.open("w", encoding="utf-8") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(unfinished, folder / name)
            finally:
                unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make a folder and hold its lock. Raises RunError where another process does."""
    with _unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _refuse(folder, "another process evaluates into it", "wait until it ends")
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _unwritable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _refuse(folder, error.strerror or str(error), "free some space, or check the path and its permissions")


def _refuse(folder: Path, reason: str, advice: str) -> NoReturn:
    raise RunError(Diagnostic("E1209", f"cannot write to `{folder}`", None, reason, (advice,)))


def _read_object(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
