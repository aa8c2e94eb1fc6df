"""Hashes of runs and weights: what is in them, what is not, and that they never change quietly."""

import dataclasses
import json

import numpy as np
import pytest
from dcql.runtime.identity import RunRecord, record, run_hash, run_key, weights_sha256
from dcql.runtime.scales import SCALES
from training.tiny import TINY, shard_set


def test_the_run_hash_is_what_it_was() -> None:
    key = run_key(shard_set(), SCALES["small"], 0, "resampled", "amp")
    assert run_hash(key) == "dcrun1:0c327cb78e3fc8ac0fca00268dc95711659d1f79bc2fd47522c2ea99f1fb567f"
    json.dumps(key)


def test_whatever_decides_a_training_is_in_its_run_hash() -> None:
    shards, small = shard_set(), SCALES["small"]
    keys = [
        run_key(shards, small, 0, "resampled", "amp"),
        run_key(shards, small, 1, "resampled", "amp"),
        run_key(shards, small, 0, "permute", "amp"),
        run_key(shards, small, 0, "resampled", "amp_bf16"),
        run_key(dataclasses.replace(shards, digest="dcshards1:1"), small, 0, "resampled", "amp"),
        run_key(dataclasses.replace(shards, subset="dcql1:2"), small, 0, "resampled", "amp"),
        run_key(dataclasses.replace(shards, policy={"blur": "faces"}), small, 0, "resampled", "amp"),
        run_key(shards, SCALES["medium"], 0, "resampled", "amp"),
        *(
            run_key(shards, dataclasses.replace(small, **{name: value}), 0, "resampled", "amp")
            for name, value in {"batch": 2048, "learning_rate": 1e-4, "warmup": 1, "beta2": 0.9, "eps": 0.1}.items()
        ),
    ]
    assert len({run_hash(key) for key in keys}) == len(keys)


def test_what_decides_speed_alone_is_not() -> None:
    shards, small = shard_set(), SCALES["small"]
    other = dataclasses.replace(shards, copied=False, folder="elsewhere")
    unchecked = dataclasses.replace(small, gradient_checkpointing=False)
    hashes = {
        run_hash(run_key(*given, 0, "resampled", "amp"))
        for given in ((shards, small), (other, small), (shards, unchecked))
    }
    assert len(hashes) == 1


def test_a_record_is_read_back() -> None:
    made = record(run_key(shard_set(), TINY, 0, "permute", "fp32"), "cpu", 1)
    read = json.loads(json.dumps(made.to_json()))
    assert RunRecord.from_json(read) == made


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"run_hash": "dcrun1:0"}, "run hash is not"),
        ({"environment": {}}, "environment_hash is not"),
        ({"key": None}, "not what a training writes"),
        ({"schema": 2}, "schema is 2"),
    ],
)
def test_a_record_that_was_edited_is_refused(change: dict[str, object], reason: str) -> None:
    made = record(run_key(shard_set(), TINY, 0, "permute", "fp32"), "cpu", 1)
    with pytest.raises(ValueError, match=reason):
        RunRecord.from_json({**made.to_json(), **change})


def row(name: str, array: np.ndarray) -> tuple[str, str, tuple[int, ...], bytes]:
    return name, str(array.dtype), array.shape, array.tobytes()


def test_the_digest_of_weights_is_of_the_tensors() -> None:
    one, two = np.arange(6, dtype=np.float32), np.zeros((2, 3), np.float32)
    digest = weights_sha256([row("a", one), row("b", two)])
    assert digest == "sha256:54dae93a0fac266505cec7ff6e6b32f097fd8fbb36401b0f8217ae40e4902520"
    assert weights_sha256([row("b", two), row("a", one)]) == digest
    others = [
        [row("a", one)],
        [row("a", one), row("c", two)],
        [row("a", one.reshape(2, 3)), row("b", two)],
        [row("a", one.view(np.int32)), row("b", two)],
        [row("a", one + 1), row("b", two)],
    ]
    assert len({digest, *map(weights_sha256, others)}) == 1 + len(others)
