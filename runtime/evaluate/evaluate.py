"""All tasks with one model: each is evaluated once, and what is done is not done again."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcql.runtime.evaluate import layout, results
from dcql.runtime.evaluate.encode import BATCH, Encoder, Model
from dcql.runtime.evaluate.identity import task_hash
from dcql.runtime.evaluate.kinds import evaluate_set
from dcql.runtime.evaluate.layout import EvalSet
from dcql.runtime.evaluate.places import address_of
from dcql.runtime.evaluate.results import Line
from dcql.runtime.evaluate.tasks import Suite, Task
from dcql.runtime.identity import environment, environment_hash

from dcql.errors import Diagnostic, RunError

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to evaluate: nothing here is in a hash, but for `allow_incomplete`, which keeps a result out of averages."""

    device: str = "cpu"
    batch: int = BATCH
    threads: int = 4
    allow_incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What there is after an evaluation: `lines` by task key, those that were `done` now, and eval.json."""

    lines: dict[str, Line]
    done: tuple[str, ...]
    summary: dict[str, Any]


def evaluate(
    load: Callable[[], Model],
    weights: str,
    run_hash: str,
    out: Path,
    data: str,
    suite: Suite,
    asked: Sequence[Task],
    *,
    settings: Settings = Settings(),
    tell: Tell = lambda what, done, total: None,
) -> Report:
    """Evaluate the tasks `asked` of a list on their sets among those at `data`, and write what came out to `out`.

    `load` gives the model with the digest `weights` that `run_hash` made, and is called at most once. A task is not
    evaluated again where `out` has its result under the same hash. One whose set is not at `data` is missing. Results
    are written after each task, so that a process that is stopped goes on there. Raises RunError.
    """
    with results.held(out):
        lines = results.current(results.read(out), weights, run_hash)
        stamps = results.read_stamps(out)
        here = environment(settings.device, settings.threads)
        environments = {**results.read_environments(out), environment_hash(here): here}
        open_ = [found for task in asked if (found := _to_do(data, task, lines, stamps, weights, run_hash, tell))]
        if not open_ and not any(task.key in lines for task in asked):
            raise RunError(_nothing(data, asked))
        done = []
        if open_:
            with Encoder(load(), settings.device, batch=settings.batch, threads=settings.threads) as encoder:
                for found in open_:
                    stamp = found.stamp()
                    line = _evaluate(found, encoder, weights, run_hash, here, settings, tell)
                    done.append(found.task.key)
                    _remember(stamps, found.task.key, stamp, line["dataset_sha256"])
                    lines = results.current({**lines, found.task.key: line}, weights, run_hash)
                    described = results.summary(lines, suite, weights, run_hash)
                    results.write(out, lines, described, stamps, environments)
        described = results.summary(lines, suite, weights, run_hash)
        results.write(out, lines, described, stamps, environments)
    return Report(lines, tuple(done), described)


def _to_do(
    data: str,
    task: Task,
    lines: dict[str, Line],
    stamps: dict[str, dict[str, str]],
    weights: str,
    run_hash: str,
    tell: Tell,
) -> EvalSet | None:
    """Return the set of a task that is to be evaluated; None where there is none, or its result is there."""
    found = layout.find(data, task)
    if found is None or task.key not in lines:
        return found
    known, stamp = stamps.get(task.key), found.stamp()
    if known is not None and stamp is not None and known["stamp"] == stamp:
        dataset = known["dataset_sha256"]
    else:
        # Reading is cheap beside encoding.
        dataset = layout.digest(found, lambda read: tell(f"checking {task.name}", read, task.n))
        _remember(stamps, task.key, stamp, dataset)
    return None if lines[task.key]["eval_hash"] == task_hash(task, weights, run_hash, dataset) else found


def _evaluate(
    found: EvalSet,
    encoder: Encoder,
    weights: str,
    run_hash: str,
    here: dict[str, Any],
    settings: Settings,
    tell: Tell,
) -> Line:
    task = found.task
    start = time.monotonic()
    outcome = evaluate_set(
        found, encoder, lambda read: tell(task.name, read, task.n), allow_incomplete=settings.allow_incomplete
    )
    seconds = time.monotonic() - start
    return results.line_of(task, outcome, weights, run_hash, environment=here, seconds=seconds)


def _nothing(data: str, asked: Sequence[Task]) -> Diagnostic:
    first = address_of(data, asked[0].folder)
    helps = ("name the folder or URL that holds the sets: `--data PATH`",)
    return Diagnostic("E1212", f"no evaluation set in `{data}`", None, f"there is no `{first}`, for instance", helps)


def _remember(stamps: dict[str, dict[str, str]], key: str, stamp: str | None, dataset: str) -> None:
    if stamp is None:
        stamps.pop(key, None)
    else:
        stamps[key] = {"stamp": stamp, "dataset_sha256": dataset}
