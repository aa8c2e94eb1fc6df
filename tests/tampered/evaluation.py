"""Rows that tamper with the results of a submission."""

from pathlib import Path

import submissions
from submissions import read, seal_entry, write_results

from tampered.rows import change, change_line, edit, results_of, row


@row("E1312", "the evaluation is not one of these weights", "evaluates weights")
def metrics_of_other_weights(folder: Path) -> None:
    run = read(folder / "run.json")["run_hash"]
    other = submissions.sha("other weights")
    known = {task.key: task for task in submissions.tasks(submissions.Suite.DEMO)}
    write_results(folder, [submissions.line(known[one["key"]], run, other, 0.9) for one in results_of(folder)])
    seal_entry(folder)


@row("E1312", "was changed since it was submitted")
def metric_raised_after_it_was_submitted(folder: Path) -> None:
    lines = results_of(folder)
    lines[0]["metrics"]["acc1"] = 0.9
    write_results(folder, lines)


@row("E1315", "a metric outside of its interval")
def metric_raised(folder: Path) -> None:
    change_line(folder, ("metrics.acc5", 0.9), ("metrics.main_metric", 0.9))


@row("E1315", "the main metric is not the task's", "acc5")
def main_metric_is_another_one(folder: Path) -> None:
    change_line(folder, ("metrics.main_metric", results_of(folder)[0]["metrics"]["acc1"]))


@row("E1315", "outside of 0 to 1", "1.5")
def metric_above_one(folder: Path) -> None:
    change_line(folder, ("metrics.acc5", 1.5), ("metrics.main_metric", 1.5))


@row("E1310", "eval_results.jsonl", "NaN is no number of JSON")
def metric_is_nan(folder: Path) -> None:
    edit(folder / "eval_results.jsonl", '"acc1": ', '"acc1": NaN, "acc2": ')


@row("E1315", "another number of samples", "n: 100 -> 1,607")
def fewer_samples_evaluated(folder: Path) -> None:
    change_line(folder, ("n", 100))


@row("E1315", "another set", "dataset_sha256: ")
def easier_set(folder: Path) -> None:
    change_line(folder, ("dataset_sha256", submissions.sha("an easier set")))


@row("E1312", "is not that of the evaluation", "evaluate: nothing -> ")
def environment_of_the_evaluation_left_out(folder: Path) -> None:
    change(folder / "environment.json", ("evaluate", {}))


@row("E1314", "1 of the 2 tasks of `demo` are missing", "demo/held_out")
def set_that_was_not_complete(folder: Path) -> None:
    change_line(folder, ("complete", False))


@row("E1314", "1 of the 2 tasks of `demo` are missing", "`demo/held_out_retrieval`")
def task_left_out(folder: Path) -> None:
    write_results(folder, results_of(folder)[:1])
    seal_entry(folder)


@row("E1315", "task `demo/held_out` stands twice", "lines 1 and 3")
def line_twice(folder: Path) -> None:
    lines = results_of(folder)
    write_results(folder, [*lines, lines[0]])
    seal_entry(folder)


@row("E1315", "`demo/easy` is no task of the scale")
def task_of_ones_own(folder: Path) -> None:
    lines = results_of(folder)
    write_results(folder, [*lines, {**lines[0], "key": "demo/easy"}])
    seal_entry(folder)


@row("E1315", "eval.json is not what the tasks give", "averages.demo: 0.9 -> ")
def average_swapped(folder: Path) -> None:
    change(folder / "eval.json", ("averages.demo", 0.9))


@row("E1312", "states dceval1:")
def evaluation_of_another_hash(folder: Path) -> None:
    change(folder / "eval.json", ("eval_hash", "dceval1:" + "0" * 64))


@row("E1310", "eval_results.jsonl", "its last line is cut off")
def results_cut_off(folder: Path) -> None:
    path = folder / "eval_results.jsonl"
    path.write_text(path.read_text()[:-20])
