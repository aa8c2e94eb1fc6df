"""The messages of training; a file of errors/ is one, with <tmp> for the test's folder."""

import json
import re
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

import torch
from dcql.runtime import clip_model, shards
from dcql.runtime.scales import SCALES, TextTransformer, scale_named
from dcql.runtime.train import checkpoint, folder, weights
from dcql.runtime.train.feed import Feed
from dcql.runtime.train.gradients import Gradients
from dcql.runtime.train.loop import train
from dcql.runtime.train.open_clip_command import open_clip_command
from dcql.runtime.train.run import shards_of_run
from dcql.runtime.train.settings import Settings
from training.tiny import TINY, TINY_VIT, Memory, drawn, scale, shard_set, trained

from dcql.engine import folder as run_folder
from dcql.errors import DcqlError
from dcql.subset import Subset

ERRORS = Path(__file__).parent / "errors"


def stopped(out: Path, at: int = 8) -> None:
    """Leave a training after so many steps, with a checkpoint each four."""

    def tell(what: str, done: int, total: int) -> None:
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(shard_set(), Memory(drawn()), out, TINY, Settings.of(TINY, checkpoint_every=4), tell)


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def unknown_scale(tmp: Path) -> None:
    scale_named("larg")


def three_processes(tmp: Path) -> None:
    trained(tmp / "out", accumulate=3)


def another_seed(tmp: Path) -> None:
    trained(tmp / "out")
    trained(tmp / "out", seed=1)


def another_learning_rate(tmp: Path) -> None:
    trained(tmp / "out")
    trained(tmp / "out", scale(learning_rate=1e-3))


def a_stranger(tmp: Path) -> None:
    (tmp / "out").mkdir()
    (tmp / "out" / "notes.txt").touch()
    trained(tmp / "out")


def edited_run(tmp: Path) -> None:
    trained(tmp / "out")
    edit(tmp / "out" / "run.json", run_hash="dcrun1:0")
    trained(tmp / "out")


def held(tmp: Path) -> None:
    with folder.held(tmp / "out"):
        trained(tmp / "out")


def checkpoint_of_another_run(tmp: Path) -> None:
    stopped(tmp / "out")
    (path,) = (tmp / "out" / "checkpoints").iterdir()
    tensors, header = checkpoint.load(path)
    checkpoint.save(path, tensors, {**header, "run_hash": "dcrun1:" + "0" * 64})
    trained(tmp / "out")


def checkpoint_cut_off(tmp: Path) -> None:
    stopped(tmp / "out")
    (path,) = (tmp / "out" / "checkpoints").iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    trained(tmp / "out")


def checkpoint_without_a_tensor(tmp: Path) -> None:
    stopped(tmp / "out")
    (path,) = (tmp / "out" / "checkpoints").iterdir()
    tensors, header = checkpoint.load(path)
    del tensors["optimizer.logit_scale.exp_avg"]
    checkpoint.save(path, tensors, header)
    trained(tmp / "out")


def other_weights(tmp: Path) -> None:
    trained(tmp / "out")
    tensors, header = checkpoint.load(tmp / "out" / folder.WEIGHTS)
    tensors["logit_scale"] += 1
    checkpoint.save(tmp / "out" / folder.WEIGHTS, tensors, header)
    weights.load(tmp / "out")


def weights_of_another_run(tmp: Path) -> None:
    trained(tmp / "one")
    trained(tmp / "two", seed=1)
    for name in (folder.WEIGHTS, folder.SUMMARY):
        shutil.copy(tmp / "two" / name, tmp / "one" / name)
    weights.load(tmp / "one")


def not_done(tmp: Path) -> None:
    stopped(tmp / "out")
    weights.load(tmp / "out")


def no_image_at_all(tmp: Path) -> None:
    trained(tmp / "out", source=Memory([replace(sample, image=b"") for sample in drawn()]))


def too_many_damaged(tmp: Path) -> None:
    samples = drawn()
    trained(tmp / "out", source=Memory([*(replace(each, image=b"GIF89a") for each in samples[:3]), *samples[3:]]))


def full_disk(tmp: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        trained(tmp / "out", checkpoint_every=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def another_vocabulary(tmp: Path) -> None:
    text = replace(TINY_VIT.model.text, vocabulary="sha256:" + "0" * 64)
    assert isinstance(text, TextTransformer)
    clip_model.create(replace(TINY_VIT.model, text=text), 0)


def no_such_device(tmp: Path) -> None:
    trained(tmp / "out", device="cuda:7")


def a_device_of_another_kind(tmp: Path) -> None:
    trained(tmp / "out", device="mps")


def float16_on_a_processor(tmp: Path) -> None:
    trained(tmp / "out", precision="amp", device="cpu")


def no_number(tmp: Path) -> None:
    trained(tmp / "out", scale(learning_rate=1e30, warmup=1))


def out_of_memory(tmp: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:

        def whole(self: Gradients, batch: object) -> None:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

        patch.setattr(Gradients, "_whole", whole)
        trained(tmp / "out")


def open_clip_and_demo(tmp: Path) -> None:
    open_clip_command(shard_set(), SCALES["demo"], Settings.of(SCALES["demo"]))


def killed_worker(tmp: Path) -> None:
    import os
    import signal

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Feed, "batch", lambda self, positions: os.kill(os.getpid(), signal.SIGKILL))
        trained(tmp / "out", workers=1)


def shards_of_another_subset(tmp: Path) -> None:
    subset = Subset(np.array([(0, 1)], "u8,u8"))
    manifest = {"hash": subset.hash, "pool": {"name": "small", "fingerprint": "dcpool1:0"}, "recipe": {"name": "all"}}
    run_folder.write(tmp / "run", subset, lambda: manifest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "read", lambda named: replace(shard_set(), folder=str(named)))
        shards_of_run(tmp / "run")


CASES: dict[str, tuple[Callable[[Path], None], ...]] = {
    "E1101": (unknown_scale,),
    "E1102": (three_processes,),
    "E1103": (another_seed, another_learning_rate, a_stranger, edited_run),
    "E1104": (held,),
    "E1105": (
        checkpoint_of_another_run,
        checkpoint_cut_off,
        checkpoint_without_a_tensor,
        other_weights,
        weights_of_another_run,
    ),
    "E1106": (not_done,),
    "E1107": (no_image_at_all, too_many_damaged),
    "E1108": (full_disk,),
    "E1109": (another_vocabulary,),
    "E1110": (no_such_device, a_device_of_another_kind, float16_on_a_processor),
    "E1111": (no_number,),
    "E1112": (out_of_memory,),
    "E1113": (open_clip_and_demo,),
    "E1114": (shards_of_another_subset,),
    "E1115": (killed_worker,),
}


@pytest.mark.parametrize(
    ("code", "case"),
    [(code, case) for code, cases in CASES.items() for case in cases],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_message(code: str, case: Callable[[Path], None], tmp_path: Path, update: bool) -> None:
    with pytest.raises(DcqlError) as caught:
        case(tmp_path)
    shown = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    # What depends on the process, or on the last bits of its arithmetic.
    shown = re.sub(r"\(pid\(?s?\)? [\d, ]+\)", "(pid N)", shown)
    shown = re.sub(r"\b(dcrun1|sha256):[0-9a-f]{64}", r"\1:<hex>", shown)
    assert shown.startswith(f"error[{code}]: ")
    path = ERRORS / f"{code}_{case.__name__}.txt"
    if update:
        path.write_text(shown, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == shown


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    stopped(tmp_path / "out")
    with pytest.raises(DcqlError, match="E1108"):
        full_disk(tmp_path)
    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == ["step-0000000008.safetensors"]
    assert trained(tmp_path / "out") == trained(tmp_path / "straight")


def test_a_loss_that_is_no_number_leaves_no_checkpoint_of_it(tmp_path: Path) -> None:
    with pytest.raises(DcqlError, match="E1111"):
        trained(tmp_path / "out", scale(learning_rate=1e30, warmup=1), checkpoint_every=1)
    for path in tmp_path.glob("out/checkpoints/*.safetensors"):
        tensors, _ = checkpoint.load(path)
        assert all(torch.isfinite(tensor).all() for name, tensor in tensors.items() if name.startswith("model."))
