"""Results: whether all tasks of a scale are there, and whether their numbers can be what they say."""

import math
from collections.abc import Iterator, Mapping

from dcql.digest import sha256_file
from dcql.errors import Diagnostic
from dcql.plain_data import differences
from dcql.runtime.evaluate.identity import evaluation_hash, task_hash
from dcql.runtime.evaluate.results import summary
from dcql.runtime.evaluate.tasks import Suite, Task, tasks
from dcql.submission import layout
from dcql.submission.documents import Line, Submission
from dcql.submission.report import Check, checked, not_made

_MAX_LINES = 12


def suite_of(scale: str) -> Suite:
    """Return the tasks that a scale is evaluated on."""
    return Suite.DEMO if scale == "demo" else Suite.DATACOMP


def check_results(submission: Submission) -> Check:
    """Compare the lines with the tasks of the scale, and the averages with the lines."""
    results, evaluation, entry = submission.results, submission.evaluation, submission.entry
    if results is None or entry is None:
        return not_made("results", f"{layout.RESULTS} or {layout.ENTRY} cannot be read")
    listed = {task.key: task for task in tasks(suite_of(entry.scale))}
    faults = [*_keys(results, listed), *_missing(results, listed, entry.scale)]
    for line in results:
        if line.key in listed:
            faults += _numbers(line, listed[line.key])
    if evaluation is not None:
        faults += _averages(submission, entry.scale)
    counted = sum(task.main is not None for task in listed.values())
    return checked("results", f"{counted} tasks of `{entry.scale}`, and the averages of them", faults)


def unmeasured(submission: Submission) -> tuple[str, ...]:
    """Return the tasks of the scale that are in no average and were left out."""
    if submission.results is None or submission.entry is None:
        return ()
    there = {line.key for line in submission.results}
    listed = tasks(suite_of(submission.entry.scale))
    return tuple(task.key for task in listed if task.main is None and task.key not in there)


def _keys(results: tuple[Line, ...], listed: Mapping[str, Task]) -> Iterator[Diagnostic]:
    seen: dict[str, int] = {}
    for line in results:
        if line.key in seen:
            yield _contradicts(f"task `{line.key}` stands twice", f"in lines {seen[line.key]} and {line.number}")
        elif line.key not in listed:
            yield _contradicts(f"`{line.key}` is no task of the scale", f"in line {line.number}")
        seen.setdefault(line.key, line.number)


def _missing(results: tuple[Line, ...], listed: Mapping[str, Task], scale: str) -> Iterator[Diagnostic]:
    there = {line.key for line in results if line.main is not None and line.complete}
    absent = [key for key, task in listed.items() if task.main is not None and key not in there]
    if absent:
        counted = sum(task.main is not None for task in listed.values())
        message = f"{len(absent)} of the {counted} tasks of `{scale}` are missing"
        label = "\n".join(f"`{key}`" for key in absent[:8])
        label += f"\nand {len(absent) - 8} more" if len(absent) > 8 else ""
        yield Diagnostic("E1314", message, None, label, ("`dcql eval RUN` goes on with what is missing",))


def _numbers(line: Line, task: Task) -> Iterator[Diagnostic]:
    where = f"task `{line.key}`, line {line.number}"
    if line.dataset != task.name:
        yield _contradicts(f"{where}: another name", f"`{line.dataset}` -> `{task.name}`")
    if task.dataset is not None and line.dataset_sha256 != task.dataset:
        yield _contradicts(f"{where}: another set", f"dataset_sha256: {line.dataset_sha256} -> {task.dataset}")
    if line.n != task.n:
        yield _contradicts(f"{where}: another number of samples", f"n: {line.n:,} -> {task.n:,}")
    for name, value in line.metrics.items():
        if type(value) in (int, float) and not (math.isfinite(value) and -1 <= value <= 1):
            yield _contradicts(f"{where}: a metric outside of what it can be", f"{name}: {value!r}")
    if task.main is None:
        if line.main is not None:
            yield _contradicts(f"{where}: a main metric", "the task has none, and is in no average")
        return
    if line.main is None:
        return
    metric = line.metrics.get(task.main)
    if not isinstance(metric, int | float) or float(metric) != line.main:
        label = f"main_metric: {line.main!r} -> {task.main}: {metric!r}"
        yield _contradicts(f"{where}: the main metric is not the task's", label)
    if not 0 <= line.main <= 1:
        yield _contradicts(f"{where}: a main metric outside of 0 to 1", f"main_metric: {line.main!r}")
    elif line.interval is not None and not (0 <= line.interval[0] <= line.main <= line.interval[1] <= 1):
        low, high = line.interval
        label = f"{line.main!r} is not between {low!r} and {high!r}, or these not between 0 and 1"
        yield _contradicts(f"{where}: a metric outside of its interval", label)


def _averages(submission: Submission, scale: str) -> Iterator[Diagnostic]:
    """Compute eval.json again from the lines, by what `dcql eval` itself computes it with."""
    assert submission.results is not None
    assert submission.evaluation is not None
    stated = submission.evaluation
    lines = {line.key: dict(line.data) for line in submission.results}
    found = summary(lines, suite_of(scale), "", "")
    # Its hashes are compared with the chain.
    apart = list(differences(stated.data, found, apart=frozenset({"eval_hash", "run_hash", "weights_sha256"})))
    if apart:
        yield _contradicts(f"{layout.EVALUATION} is not what the tasks give (stated -> recomputed)", "\n".join(apart))


def check_evaluation(submission: Submission) -> Check:
    """Compare the evaluation with the weights and the run that it was made of, and its hash with its tasks."""
    results, evaluation, entry = submission.results, submission.evaluation, submission.entry
    if results is None or evaluation is None:
        return not_made("evaluation", f"{layout.RESULTS} or {layout.EVALUATION} cannot be read")
    lines = [line for result in results for line in _of(result, submission)]
    whole = evaluation_hash({line.key: line.eval_hash for line in results})
    if evaluation.eval_hash != whole:
        lines.append(f"{layout.EVALUATION}: states {evaluation.eval_hash}, and its tasks have {whole}")
    for name, link in (("weights_sha256", submission.weights), ("run_hash", submission.run)):
        stated = evaluation.data.get(name)
        if link is not None and stated != getattr(link, name):
            lines.append(f"{layout.EVALUATION}: {name} is {stated}, trained was {getattr(link, name)}")
    if entry is not None and entry.evaluation != evaluation.eval_hash:
        lines.append(f"{layout.ENTRY}: stands for {entry.evaluation or 'nothing'}, here is {evaluation.eval_hash}")
    faults = []
    digest = sha256_file(submission.folder / layout.RESULTS)
    if entry is not None and entry.results != digest:
        label = f"results: {entry.results or 'nothing'} -> {digest}"
        message = f"{layout.RESULTS} was changed since it was submitted ({layout.ENTRY} -> file)"
        faults.append(Diagnostic("E1312", message, None, label))
    if lines:
        more = len(lines) - _MAX_LINES
        shown = [*lines[:_MAX_LINES], *([f"and {more} more"] if more > 0 else [])]
        faults.append(Diagnostic("E1312", "the evaluation is not one of these weights", None, "\n".join(shown)))
    return checked("evaluation", f"weights and run of {len(results)} tasks: {evaluation.eval_hash}", faults)


def _of(line: Line, submission: Submission) -> Iterator[str]:
    """Yield where a line is not of the weights and the run of its submission, or has another hash than it says."""
    run, weights = submission.run, submission.weights
    where = f"line {line.number}, `{line.key}`"
    if weights is not None and line.weights_sha256 != weights.weights_sha256:
        yield f"{where}: evaluates weights {line.weights_sha256}, trained were {weights.weights_sha256}"
    if run is not None and line.run_hash != run.run_hash:
        yield f"{where}: of run {line.run_hash}, trained was {run.run_hash}"
    task = next((task for suite in Suite for task in tasks(suite) if task.key == line.key), None)
    if task is not None:
        found = task_hash(task, line.weights_sha256, line.run_hash, line.dataset_sha256)
        if line.eval_hash != found:
            yield f"{where}: states {line.eval_hash}, and what it says has {found}"


def _contradicts(message: str, label: str) -> Diagnostic:
    return Diagnostic("E1315", message, None, label)
