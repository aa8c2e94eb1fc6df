"""Every way to tamper with a submission is found, and what differs is named.

A row says what is tampered with, the code, and words that the message must hold; tests/runtime/submission/messages/ has
the message as it is drawn. Where a forger would go on, writing every later hash anew, the row does so too: what is
found is then found by computing it again, not by comparing two files.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import submissions
from dcql.runtime.scales import scale_named
from dcql.runtime.shards import digest_of
from submissions import read, reseal, seal_entry, write_json, write_results

from dcql.locks.lock_file import read_lock, write_lock
from dcql.subset import UID, Subset

DEMO = scale_named("demo")
Tamper = Callable[[Path], None]


@dataclass(frozen=True)
class Row:
    """A tampered submission, and what the check must say of it."""

    tamper: Tamper
    code: str
    names: tuple[str, ...]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return self.tamper.__name__


ROWS: list[Row] = []


def row(code: str, *names: str, **options: Any) -> Callable[[Tamper], Tamper]:
    """Note a function as a row: it tampers; the check must give `code` and say `names`."""

    def note(tamper: Tamper) -> Tamper:
        ROWS.append(Row(tamper, code, names, options))
        return tamper

    return note


def edit(path: Path, old: str, new: str) -> None:
    """Change words of a file, which must be there."""
    text = path.read_text()
    assert old in text, (path.name, old)
    path.write_text(text.replace(old, new, 1))


def change(path: Path, *changes: tuple[str, Any]) -> None:
    """Change values of a JSON document, by their dotted paths; a number is a place in a list."""
    data = read(path)
    for where, value in changes:
        place: Any = data
        *above, last = [int(part) if part.isdecimal() else part for part in where.split(".")]
        for part in above:
            place = place[part]
        place[last] = value
    write_json(path, data)


def change_line(folder: Path, *changes: tuple[str, Any]) -> None:
    """Change values of the first line of eval_results.jsonl, and write eval.json and entry.toml anew for it."""
    lines = results_of(folder)
    for where, value in changes:
        place = lines[0]
        *above, last = where.split(".")
        for part in above:
            place = place[part]
        place[last] = value
    write_results(folder, lines)
    seal_entry(folder)


def results_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (folder / "eval_results.jsonl").read_text().splitlines()]


# --- the recipe -------------------------------------------------------------------------------------------------------


@row("E1311", "recipe: ", "manifest.json holds another text")
def recipe_changed(folder: Path) -> None:
    edit(folder / "recipe.dcql", "q(0.7)", "q(0.6)")


@row("E1311", "the recipe is not the one of its lock", "recipe: ")
def recipe_changed_in_the_manifest_too(folder: Path) -> None:
    edit(folder / "recipe.dcql", "q(0.7)", "q(0.6)")
    change(folder / "manifest.json", ("recipe.text", (folder / "recipe.dcql").read_text()))


@row("E1311", "the recipe cannot be compiled", "lies outside the recipe's folder")
def recipe_that_reads_files_of_the_machine(folder: Path) -> None:
    text = "SET s FROM '../../../etc/passwd' SHA256 '" + "0" * 64 + "';\nSELECT uid FROM pool WHERE sha256 IN s;\n"
    (folder / "recipe.dcql").write_text(text)


@row("E1311", "manifest.json -> recipe.lock", "f: 0.3 -> nothing")
def parameter_of_another_run(folder: Path) -> None:
    change(folder / "manifest.json", ("parameters", {"f": "0.3"}))


# --- the lock ---------------------------------------------------------------------------------------------------------


@row("E1310", "recipe.lock", "is not the digest of what it says")
def lock_edited_by_hand(folder: Path) -> None:
    edit(folder / "recipe.lock", 'fingerprint = "dcpool1:1', 'fingerprint = "dcpool1:0')


@row("E1312", "manifest.json does not agree with recipe.lock", "total: 6,433 -> 6,434")
def lock_counts_another_sample(folder: Path) -> None:
    lock = read_lock(folder / "recipe.lock")
    write_lock(replace(lock, total=lock.total + 1), folder / "recipe.lock")


@row("E1311", "states another result than the recipe gives", "first: subset: dcql1:000000000000 -> ")
def lock_of_another_subset(folder: Path) -> None:
    lock = replace(read_lock(folder / "recipe.lock"), subset="dcql1:" + "0" * 64)
    write_lock(lock, folder / "recipe.lock")


@row("E1311", "states another result than the recipe gives", "value")
def lock_with_another_threshold(folder: Path) -> None:
    lock = read_lock(folder / "recipe.lock")
    first = replace(lock.statistics[0], value=(0.25).hex())
    write_lock(replace(lock, statistics=(first, *lock.statistics[1:])), folder / "recipe.lock")


@row("E1311", "the recipe is not the one of its lock", "recipe: ")
def lock_of_another_recipe(folder: Path) -> None:
    lock = read_lock(folder / "recipe.lock")
    write_lock(replace(lock, key=replace(lock.key, recipe="sha256:" + "0" * 64)), folder / "recipe.lock")


# --- the uids ---------------------------------------------------------------------------------------------------------


@row("E1312", "subset.npy has another hash than the lock")
def uid_left_out(folder: Path) -> None:
    subset = Subset.load(folder / "subset.npy")
    Subset(subset.uids[1:]).save(folder / "subset.npy")


@row("E1311", "states another result than the recipe gives", "subset.npy is not what the recipe selects", "such as f")
def uid_added_and_every_hash_written_anew(folder: Path) -> None:
    foreign = np.array([(2**64 - 1, 2**64 - 1)], UID)
    forge_subset(folder, Subset.from_uids(np.concatenate([Subset.load(folder / "subset.npy").uids, foreign])))


@row("E1311", "another number of copies")
def uid_taken_twice_and_every_hash_written_anew(folder: Path) -> None:
    uids = Subset.load(folder / "subset.npy").uids
    forge_subset(folder, Subset.from_uids(np.concatenate([uids, uids[:1]])))


@row("E1310", "subset.npy", "bytes follow")
def uids_cut_off(folder: Path) -> None:
    path = folder / "subset.npy"
    path.write_bytes(path.read_bytes()[:-8])


def forge_subset(folder: Path, subset: Subset) -> None:
    """Put another subset into a submission, with every hash that states it."""
    subset.save(folder / "subset.npy")
    counts = {"distinct": subset.distinct, "total": subset.total}
    lock = replace(read_lock(folder / "recipe.lock"), subset=subset.hash, **counts)
    write_lock(lock, folder / "recipe.lock")
    change(folder / "manifest.json", ("hash", subset.hash), *counts.items())
    shards = read(folder / "shards.json")
    sha256 = tuple(one["sha256"] for one in shards["shards"])
    digest = digest_of(subset.hash, shards["policy"], sha256)
    told = [("subset", subset.hash), ("samples", subset.total), ("distinct", subset.distinct), ("digest", digest)]
    change(folder / "shards.json", *told, ("shards.0.samples", subset.total))
    change(folder / "run.json", ("key.subset", subset.hash), ("key.shards", digest))
    reseal(folder)


# --- the manifest -----------------------------------------------------------------------------------------------------


@row("E1312", "manifest.json does not agree with recipe.lock", "counts, clip_l14 >= q(0.7)", "9,000")
def manifest_with_another_count(folder: Path) -> None:
    change(folder / "manifest.json", ("counts.0.clauses.0.left", 9000))


@row("E1312", "thresholds.q1.ties: 0 -> 14")
def manifest_with_other_ties(folder: Path) -> None:
    change(folder / "manifest.json", ("thresholds.0.ties", 0))


@row("E1311", "states what the run does not give", "effect: version -> exact")
def manifest_of_another_effect(folder: Path) -> None:
    change(folder / "manifest.json", ("effect", "version"))


@row("E1310", "manifest.json", "cannot be read")
def manifest_cut_off(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:400])


@row("E1311", "the submission is over another pool", "`other`")
def another_pool(folder: Path) -> None:
    lock = read_lock(folder / "recipe.lock")
    fingerprint = "dcpool1:" + "0" * 64
    write_lock(replace(lock, pool_name="other", key=replace(lock.key, pool=fingerprint)), folder / "recipe.lock")
    change(folder / "manifest.json", ("pool.fingerprint", fingerprint), ("pool.name", "other"))


# --- the shards -------------------------------------------------------------------------------------------------------


@row("E1312", "shards.json is not of the subset", "subset: dcql1:")
def shards_of_another_subset(folder: Path) -> None:
    change(folder / "shards.json", ("subset", "dcql1:" + "0" * 64))


@row("E1312", "another digest than its parts")
def shard_replaced(folder: Path) -> None:
    change(folder / "shards.json", ("shards.0.sha256", "0" * 64))


@row("E1312", "distinct: 6,400 -> 6,433")
def samples_left_out_in_silence(folder: Path) -> None:
    change(folder / "shards.json", ("distinct", 6400), ("samples", 6400), ("shards.0.samples", 6400))


@row("E1313", "made otherwise than `dcql reshard` makes it", "policy.captions: rewritten -> nothing")
def captions_rewritten_as_the_policy_says(folder: Path) -> None:
    shards = read(folder / "shards.json")
    policy = {**shards["policy"], "captions": "rewritten"}
    digest = digest_of(shards["subset"], policy, tuple(one["sha256"] for one in shards["shards"]))
    change(folder / "shards.json", ("policy", policy), ("digest", digest))
    change(folder / "run.json", ("key.policy", policy), ("key.shards", digest))
    reseal(folder)


# --- the run ----------------------------------------------------------------------------------------------------------


@row("E1312", "run.json has another key than its hash says")
def key_of_the_run_changed(folder: Path) -> None:
    change(folder / "run.json", ("key.scale.learning_rate", (0.01).hex()))


@row("E1313", "is not a training at `demo`", "scale.learning_rate: 0x1.47ae147ae147bp-7")
def key_of_the_run_changed_and_every_hash_written_anew(folder: Path) -> None:
    change(folder / "run.json", ("key.scale.learning_rate", (0.01).hex()))
    reseal(folder)


@row("E1313", "draws samples otherwise", "sampling: resampled -> permute")
def sampled_otherwise(folder: Path) -> None:
    change(folder / "run.json", ("key.sampling", "resampled"))
    reseal(folder)


@row("E1312", "run.json has another key than its hash says")
def seed_changed(folder: Path) -> None:
    change(folder / "run.json", ("key.seed", 7))


@row("E1312", "run.json was not trained on shards.json", "shards: dcshards1:")
def run_on_other_shards(folder: Path) -> None:
    change(folder / "run.json", ("key.shards", "dcshards1:" + "0" * 64))
    reseal(folder)


@row("E1312", "of another version of the runtime", "runtime: 2 -> 1")
def run_of_another_runtime(folder: Path) -> None:
    change(folder / "run.json", ("key.runtime", 2))
    reseal(folder)


@row("E1312", "environment.json is not that of the run", "train.threads: 8 -> 1")
def environment_changed(folder: Path) -> None:
    change(folder / "environment.json", ("train.threads", 8))


@row("E1310", "run.json", "schema 2", "update dcql")
def run_of_a_future_schema(folder: Path) -> None:
    change(folder / "run.json", ("schema", 2))


# --- the weights ------------------------------------------------------------------------------------------------------


@row("E1312", "weights.json is of another run")
def weights_of_another_run(folder: Path) -> None:
    change(folder / "weights.json", ("run_hash", "dcrun1:" + "0" * 64))


@row("E1313", "not of a whole training", f"steps: 1 -> {DEMO.steps:,}")
def weights_of_one_step(folder: Path) -> None:
    change(folder / "weights.json", ("steps", 1))


@row("E1312", "evaluates weights sha256:", "trained were sha256:")
def weights_replaced(folder: Path) -> None:
    change(folder / "weights.json", ("weights_sha256", "sha256:" + "0" * 64))


# --- the results ------------------------------------------------------------------------------------------------------


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


# --- the entry --------------------------------------------------------------------------------------------------------


@row("E1313", "is not a training at `small`", "`demo` is not the pool of `small`", "about 12,800,000")
def scale_claimed_to_be_another(folder: Path) -> None:
    edit(folder / "entry.toml", 'scale = "demo"', 'scale = "small"')


@row("E1313", "no scale `gigantic`")
def scale_that_there_is_not(folder: Path) -> None:
    edit(folder / "entry.toml", 'scale = "demo"', 'scale = "gigantic"')


@row("E1302", "`sources` is empty")
def track_changed(folder: Path) -> None:
    edit(folder / "entry.toml", 'track = "filtering"', 'track = "byod"')


@row("E1312", "entry.toml: stands for dceval1:")
def entry_of_another_evaluation(folder: Path) -> None:
    path = folder / "entry.toml"
    path.write_text(re.sub(r'evaluation = "dceval1:.', 'evaluation = "dceval1:0', path.read_text()))


@row("E1302", "`url` is no address", "`name` holds U+202E")
def entry_with_traps(folder: Path) -> None:
    edit(folder / "entry.toml", 'url = ""', 'url = "javascript:alert(1)"')
    edit(folder / "entry.toml", "CLIP score", "\\u202ECLIP score")


# --- the folder -------------------------------------------------------------------------------------------------------


@row("E1310", "`recipe.lock` does not belong here", "it is a link")
def file_that_is_a_link(folder: Path) -> None:
    (folder / "recipe.lock").unlink()
    (folder / "recipe.lock").symlink_to("/etc/passwd")


@row("E1310", "`sets` does not belong here", "it is a link")
def folder_that_is_a_link(folder: Path) -> None:
    (folder / "sets").symlink_to("/etc")


@row("E1310", "`weights.json` does not belong here", "no plain file")
def file_that_never_ends(folder: Path) -> None:
    (folder / "weights.json").unlink()
    os.mkfifo(folder / "weights.json")


@row("E1310", "`run.sh` does not belong here", "nothing names this file")
def file_that_nothing_names(folder: Path) -> None:
    (folder / "run.sh").write_text("echo hello")


@row("E1310", "`weights.json` cannot be read", "it is missing")
def file_missing(folder: Path) -> None:
    (folder / "weights.json").unlink()


@row("E1310", "`run_hash` stands twice")
def name_twice_in_a_document(folder: Path) -> None:
    edit(folder / "weights.json", '"run_hash":', '"run_hash": "dcrun1:0", "run_hash":')


@row("E1310", "nested too deep")
def document_nested_too_deep(folder: Path) -> None:
    (folder / "weights.json").write_text("[" * 200_000)


@row("E1310", "nested too deep")
def document_nested_deeper_than_any(folder: Path) -> None:
    change(folder / "environment.json", ("train", json.loads("[" * 40 + "]" * 40)))


@row("E1310", "it holds half a character")
def document_with_half_a_character(folder: Path) -> None:
    edit(folder / "environment.json", "Linux", "\\ud800")


@row("E1310", "`steps` is text, not a whole number")
def document_with_another_kind_of_value(folder: Path) -> None:
    change(folder / "weights.json", ("steps", "600"))


@row("E1310", "it is not UTF-8")
def document_of_other_bytes(folder: Path) -> None:
    (folder / "run.json").write_bytes(b"\xff\xfe{}")
