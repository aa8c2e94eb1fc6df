"""One run hash, one weights digest: repeated, with workers, killed and resumed; and what stops a training.

Needs the extra `runtime`; about 30 seconds on one core.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

import torch
from dcql.runtime.scales import Scale
from dcql.runtime.train import checkpoint, weights
from dcql.runtime.train.gradients import Gradients
from dcql.runtime.train.loop import train
from dcql.runtime.train.settings import Settings
from training.tiny import TINY, TINY_VIT, Memory, Sample, drawn, scale, shard_set, trained

from dcql.errors import RunError

SCALES = pytest.mark.parametrize("which", [TINY, TINY_VIT], ids=lambda which: str(which.name))


class StoppedError(Exception):
    """Stands for what ends a process."""


def stopping(at: int) -> Callable[[str, int, int], None]:
    def tell(what: str, done: int, total: int) -> None:
        if done == at:
            raise StoppedError

    return tell


def stopped(out: Path, which: Scale, at: int, **settings: Any) -> None:
    """Train up to a step and stop there."""
    with pytest.raises(StoppedError):
        train(shard_set(), Memory(drawn()), out, which, Settings.of(which, **settings), stopping(at))


def lines(out: Path) -> list[dict[str, Any]]:
    """Return the log without its speeds."""
    found = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "samples_per_second"} for line in found]


@pytest.mark.thinned(2)
@SCALES
def test_one_run_hash_gives_one_weights_digest(which: Scale, tmp_path: Path) -> None:
    first = trained(tmp_path / "first", which)
    assert trained(tmp_path / "again", which) == first
    assert trained(tmp_path / "workers", which, workers=2) == first
    # Stopped twice, once between two checkpoints.
    stopped(tmp_path / "resumed", which, 5, checkpoint_every=4)
    stopped(tmp_path / "resumed", which, 9, checkpoint_every=4, workers=1)
    assert trained(tmp_path / "resumed", which, checkpoint_every=3) == first
    assert lines(tmp_path / "resumed") == lines(tmp_path / "first")
    assert trained(tmp_path / "seed", which, seed=1) != first
    assert trained(tmp_path / "sampling", which, sampling="resampled") != first


def test_resampled_resumes_too(tmp_path: Path) -> None:
    first = trained(tmp_path / "first", sampling="resampled")
    stopped(tmp_path / "resumed", TINY, 7, checkpoint_every=4, sampling="resampled")
    assert trained(tmp_path / "resumed", sampling="resampled", workers=2) == first


def test_what_a_training_leaves(tmp_path: Path) -> None:
    digest = trained(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "log.jsonl",
        "run.json",
        "weights.json",
        "weights.safetensors",
    ]
    log = lines(tmp_path / "out")
    assert [line["step"] for line in log] == list(range(1, 13))
    assert [line["samples_seen"] for line in log] == [16 * step for step in range(1, 13)]
    assert [line["lr"] for line in log] == [TINY.rate(step) for step in range(12)]
    summary = json.loads((tmp_path / "out" / "weights.json").read_text())
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (summary["steps"], summary["samples_seen"], summary["replaced"]) == (12, 192, 0)
    assert summary["weights_sha256"] == digest
    assert summary["run_hash"] == run["run_hash"]
    assert summary["environments"] == [run["environment_hash"]]


def test_it_learns(tmp_path: Path) -> None:
    longer = scale(samples=16 * 300)
    trained(tmp_path / "out", longer)
    model, _ = weights.load(tmp_path / "out")
    from PIL import Image
    from training.tiny import COLOURS

    with torch.inference_mode():
        images = torch.stack([model.eval_image(Image.new("RGB", (16, 16), colour)) for colour in COLOURS.values()])
        seen = torch.nn.functional.normalize(model.module.encode_image(images), dim=-1)
        texts = model.module.encode_text(model.tokenize([f"a {name} thing" for name in COLOURS]))
        read = torch.nn.functional.normalize(texts, dim=-1)
    assert (seen @ read.T).argmax(1).tolist() == [0, 1, 2, 3]


def test_a_training_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    digest = trained(tmp_path / "out")
    told: list[int] = []
    again = train(
        shard_set(), Memory([]), tmp_path / "out", TINY, Settings.of(TINY), lambda what, done, total: told.append(done)
    )
    assert (again.summary["weights_sha256"], again.resumed, told) == (digest, None, [])


def test_only_one_checkpoint_is_kept_and_it_holds_tensors_alone(tmp_path: Path) -> None:
    stopped(tmp_path / "out", TINY, 10, checkpoint_every=3)
    (path,) = (tmp_path / "out" / "checkpoints").iterdir()
    assert path.name == "step-0000000009.safetensors"
    tensors, header = checkpoint.load(path)
    assert header["step"] == 9
    assert {name.partition(".")[0] for name in tensors} == {"model", "optimizer"}


@SCALES
@pytest.mark.parametrize("parts", [2, 4])
def test_accumulation_gives_the_gradients_of_the_whole_batch(which: Scale, parts: int) -> None:
    from dcql.runtime.clip_model import create
    from dcql.runtime.train.feed import Feed
    from dcql.runtime.train.order import Order
    from dcql.runtime.train.processes import Processes

    found = []
    for count in (1, parts):
        model = create(which.model, 0)
        feed = Feed(Memory(drawn()), 100, Order([100], 0, "permute", 100), model, 0)
        size = 16 // count
        given = [feed.batch(range(at, at + size)) for at in range(0, 16, size)]
        loss = Gradients.of(model, Processes(0, 1, torch.device("cpu")), "fp32").add(given)
        found.append((loss, {name: part.grad for name, part in model.module.named_parameters()}))
    (whole_loss, whole), (loss, accumulated) = found
    torch.testing.assert_close(loss, whole_loss)
    torch.testing.assert_close(accumulated, whole, rtol=1e-3, atol=1e-6)


def test_open_clip_counts_the_gradient_of_the_temperature_for_each_part() -> None:
    # Why our accumulation is not open_clip's to the letter: its sum over the parts, as its training computes it.
    from dcql.runtime.clip_model import contrastive_loss

    torch.manual_seed(0)
    normalize = torch.nn.functional.normalize
    images, texts = (normalize(torch.randn(8, 4, dtype=torch.float64), dim=-1) for _ in range(2))
    scale = torch.tensor(14.0, dtype=torch.float64, requires_grad=True)
    loss = contrastive_loss(0, 1)
    loss(images, texts, scale).backward()
    whole = scale.grad.clone()
    scale.grad = None
    for _ in range(4):
        loss(images, texts, scale).backward()
    torch.testing.assert_close(scale.grad, 4 * whole)


def test_checkpointing_of_gradients_changes_no_bit(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", replace(TINY_VIT, gradient_checkpointing=False))
    assert trained(tmp_path / "checkpointed", TINY_VIT) == plain


def test_bfloat16(tmp_path: Path) -> None:
    digest = trained(tmp_path / "first", TINY_VIT, precision="amp_bf16")
    stopped(tmp_path / "resumed", TINY_VIT, 6, checkpoint_every=4, precision="amp_bf16")
    assert trained(tmp_path / "resumed", TINY_VIT, precision="amp_bf16") == digest
    assert digest != trained(tmp_path / "fp32", TINY_VIT)


# Damage.


def damaged(*numbers: int) -> Memory:
    samples = drawn()
    for number in numbers:
        samples[number] = replace(samples[number], image=samples[number].image[:40])
    return Memory(samples)


def test_a_damaged_sample_is_replaced_by_the_next_and_counted(tmp_path: Path) -> None:
    # 12 batches of 16 are 1 or 2 times each of 100 samples; one of them may stand at 1 % of the positions.
    longer = scale(samples=16 * 50)
    samples = drawn()
    samples[99] = samples[0]
    instead = trained(tmp_path / "instead", longer, Memory(samples))
    found = train(shard_set(), damaged(99), tmp_path / "out", longer, Settings.of(longer, workers=1))
    assert found.summary["weights_sha256"] == instead
    assert found.summary["replaced"] == 8
    assert found.summary["damaged"] == 1
    ((key, reason),) = found.summary["damaged_samples"].items()
    assert key == drawn()[99].key
    assert reason == "neither WebP, JPEG nor PNG"
    assert lines(tmp_path / "out")[-1]["replaced"] == 8


def test_counts_survive_a_resume(tmp_path: Path) -> None:
    longer = scale(samples=16 * 50)
    once = train(shard_set(), damaged(17), tmp_path / "once", longer, Settings.of(longer))
    with pytest.raises(StoppedError):
        train(shard_set(), damaged(17), tmp_path / "out", longer, Settings.of(longer, checkpoint_every=7), stopping(40))
    resumed = train(shard_set(), damaged(17), tmp_path / "out", longer, Settings.of(longer))
    assert resumed.summary == once.summary


# Whatever stops the process.


PROGRAM = """
import sys
from pathlib import Path
from training.tiny import TINY, Memory, drawn, scale, shard_set
from dcql.runtime.train.loop import train
from dcql.runtime.train.settings import Settings
longer = scale(samples=16 * 150)
done = train(shard_set(), Memory(drawn()), Path(sys.argv[1]), longer, Settings.of(longer, checkpoint_every=2))
# One write, so that the lines of two processes stay apart.
print(f'{done.resumed} {done.summary["weights_sha256"]}\\n', end="", flush=True)
"""


def start(out: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(out)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    straight = start(tmp_path / "straight").communicate()[0].split()
    assert straight[0] == "0"
    kills = 0
    for wait in (0.0, 0.05, 0.1, 0.2, 0.3):
        process = start(tmp_path / "killed")
        while not list(tmp_path.glob("killed/checkpoints/step-*")) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.communicate()
    resumed = start(tmp_path / "killed").communicate()[0].split()
    assert kills
    assert resumed[0] != "0"
    assert resumed[1] == straight[1]


# Processes.


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2])
def test_two_processes_repeat_bit_by_bit(parts: int, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    # The process ends as dcql's own do: now and then gloo's threads abort it where Python ends in its usual way.
    program.write_text(
        PROGRAM.replace("16 * 150", "16 * 20").replace("checkpoint_every=2", f"checkpoint_every=7, accumulate={parts}")
        + "import os\nos._exit(0)\n"
    )

    def run(out: Path, processes: int) -> str:
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, str(program), str(out)], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert len(set(done.stdout.split("\n"))) == 2
        return done.stdout.split()[1]

    first = run(tmp_path / "first", 2)
    assert run(tmp_path / "again", 2) == first
    # Alone, sums are taken in another order: equal to rounding, step by step.
    run(tmp_path / "alone", 1)
    one, two = ([line["loss"] for line in lines(tmp_path / out)] for out in ("alone", "first"))
    assert one == pytest.approx(two, rel=1e-3)
    assert one[0] == pytest.approx(two[0], rel=1e-6)
    processes = json.loads((tmp_path / "first" / "weights.json").read_text())["processes"]
    assert processes == 2


@pytest.mark.gpu
def test_on_a_gpu_with_float16(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    stopped(tmp_path / "out", TINY_VIT, 6, checkpoint_every=4, precision="amp", device="cuda", workers=2)
    trained(tmp_path / "out", TINY_VIT, precision="amp", device="cuda", workers=2, accumulate=2)
    model, _ = weights.load(tmp_path / "out")
    assert all(torch.isfinite(parameter).all() for parameter in model.module.parameters())


def test_samples_that_cannot_be_read_stop_it(tmp_path: Path) -> None:
    class Broken(Memory):
        def __init__(self) -> None:
            super().__init__(drawn())

        def read(self, position: int) -> Sample:
            from dcql.errors import Diagnostic

            raise RunError(Diagnostic("E1005", f"sample {position} is damaged"))

    for workers in (0, 1):
        with pytest.raises(RunError, match="E1005"):
            trained(tmp_path / str(workers), TINY, Broken(), workers=workers)
