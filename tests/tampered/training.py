"""Rows that tamper with what a submission says of shards, the run and the weights."""

from pathlib import Path

from dcql.runtime.scales import scale_named
from dcql.runtime.shards import digest_of
from submissions import read, reseal

from tampered.rows import change, row

DEMO = scale_named("demo")


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
