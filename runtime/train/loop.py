"""The training itself, from top to bottom: CLIP's loss, AdamW, a cosine schedule, and nothing that is not in the scale.

What a step does depends on the weights before it, its number and the shards alone. So a training that was stopped goes
on bit for bit as if it had not been, and workers, or how often it is stopped, change nothing.
"""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from dcql.runtime.clip_model import create
from dcql.runtime.identity import SCHEMA, RunRecord, record, run_key
from dcql.runtime.scales import Precision, Scale
from dcql.runtime.shards import ShardSet
from dcql.runtime.train import checkpoint, folder
from dcql.runtime.train.counts import SHOWN, Counts
from dcql.runtime.train.feed import Feed, Readable, Slices, batches
from dcql.runtime.train.gradients import Gradients
from dcql.runtime.train.order import Order
from dcql.runtime.train.processes import Processes, describe, joined
from dcql.runtime.train.settings import Settings
from dcql.runtime.train.weights import check
from torch import distributed

from dcql.errors import Diagnostic, RunError

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Trained:
    """A training that is done. `resumed` is the step that it went on from, None where it was done before."""

    folder: Path
    record: RunRecord
    summary: dict[str, Any]
    resumed: int | None


def train(
    shards: ShardSet, source: Readable, out: Path, scale: Scale, settings: Settings, tell: Tell | None = None
) -> Trained:
    """Train a scale on shards in the folder `out`, from its last checkpoint if it has one, and return what came out.

    `source` reads the samples of `shards`. `tell(what, done, total)` is called after each step, in the first process.
    Raises RunError: another training lies in the folder, a device or precision is not to be had, the batch cannot be
    divided, the loss is not a number, too many samples are damaged, or the disk or a shard fails.
    """
    with joined(settings.device, settings.threads) as processes:
        _refuse_division(scale, processes.size, settings.accumulate)
        _refuse_precision(settings.precision, processes.device)
        key = run_key(shards, scale, settings.seed, settings.sampling, settings.precision)
        about = record(key, describe(processes.device), settings.threads)
        with folder.held(out) if processes.first else contextlib.nullcontext():
            if processes.first:
                folder.begin(out, about)
            _wait(processes)
            done = folder.read_summary(out)
            if done is not None:
                check(out, about, done, *checkpoint.load(out / folder.WEIGHTS))
                return Trained(out, about, done, None)
            order = Order(shards.sizes, settings.seed, settings.sampling, scale.steps * scale.batch)
            trained = _train(source, sum(shards.sizes), order, out, scale, settings, about, processes, tell)
            _wait(processes)
            return trained


def _train(
    source: Readable,
    samples: int,
    order: Order,
    out: Path,
    scale: Scale,
    settings: Settings,
    about: RunRecord,
    processes: Processes,
    tell: Tell | None,
) -> Trained:
    device = processes.device

    # The model, equal in every process, what learns it, and what was learnt before.
    model = create(scale.model, settings.seed)
    module = model.module.to(device).train()
    if scale.gradient_checkpointing:
        module.set_grad_checkpointing()
    gradients = Gradients.of(model, processes, settings.precision)
    optimizer = _optimizer(module, scale)
    counts = Counts([about.environment_hash])
    start = _resume(out, about, module, optimizer, gradients.scaler, counts)

    # The batches that are left.
    feed = Feed(source, samples, order, model, settings.seed)
    slices = Slices(
        batch=scale.batch,
        start=start,
        steps=scale.steps,
        rank=processes.rank,
        processes=processes.size,
        parts=settings.accumulate,
    )
    parts = batches(feed, slices, settings.workers, pinned=device.type == "cuda")

    log = folder.Log(out, start) if processes.first else None
    log_every = settings.log_every or max(1, min(100, scale.steps // 100))
    checkpoint_every = settings.checkpoint_every or max(1, scale.steps // 10)
    healthy = torch.ones((), dtype=torch.bool, device=device)
    since, done_since = time.perf_counter(), start

    for step in range(start, scale.steps):
        for group in optimizer.param_groups:
            group["lr"] = scale.rate(step)
        given = [next(parts).to(device) for _ in range(settings.accumulate)]
        optimizer.zero_grad()
        loss = gradients.add(given)
        gradients.scaler.step(optimizer)
        gradients.scaler.update()
        with torch.no_grad():
            module.logit_scale.clamp_(0, scale.model.max_logit_scale)
        counts.add(given)
        healthy &= torch.isfinite(loss)

        done = step + 1
        saves, last = done % checkpoint_every == 0, done == scale.steps
        logs = done % log_every == 0 or last
        # A GPU is asked now and then only: an answer at every step would let it wait.
        if logs or saves or device.type == "cpu":
            total_loss, ill = processes.sums(torch.stack([loss.double(), (~healthy).double()]))
            replaced = counts.total(processes)
            _refuse_no_number(ill, done, scale)
            counts.refuse_many(replaced, scale.steps * scale.batch)
        if logs and log is not None:
            now = time.perf_counter()
            log.append(
                {
                    "step": done,
                    "loss": total_loss / processes.size,
                    "lr": scale.rate(step),
                    "logit_scale": float(module.logit_scale.detach().exp()),
                    "samples_seen": done * scale.batch,
                    "samples_per_second": round((done - done_since) * scale.batch / (now - since), 1),
                    "replaced": replaced,
                }
            )
            since, done_since = now, done
        if saves and not last:
            counts.share(processes)
            if processes.first:
                _save(out, about, module, optimizer, gradients.scaler, counts.to_json(replaced), done)
        if tell is not None and processes.first:
            tell(f"training {scale.name}", done, scale.steps)

    # What came out.
    counts.share(processes)
    weights = module.state_dict()
    summary = {
        "schema": SCHEMA,
        "weights_sha256": checkpoint.digest(weights),
        "run_hash": about.run_hash,
        "steps": scale.steps,
        "samples_seen": scale.steps * scale.batch,
        "loss": total_loss / processes.size,
        "replaced": replaced,
        "damaged": len(counts.damaged),
        "damaged_samples": dict(sorted(counts.damaged.items())[:SHOWN]),
        "processes": processes.size,
        "environments": counts.environments,
    }
    if processes.first:
        checkpoint.save(out / folder.WEIGHTS, weights, {"run_hash": about.run_hash})
        folder.write_json(out / folder.SUMMARY, summary)
        checkpoint.remove(out)
    return Trained(out, about, summary, start)


def _optimizer(module: Any, scale: Scale) -> torch.optim.AdamW:
    """Return AdamW that lets matrices decay, and nothing of fewer dimensions: open_clip_train's own groups."""
    parameters = list(module.parameters())
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim < 2], "weight_decay": 0.0},
        {"params": [parameter for parameter in parameters if parameter.ndim >= 2], "weight_decay": scale.weight_decay},
    ]
    return torch.optim.AdamW(groups, lr=scale.learning_rate, betas=(scale.beta1, scale.beta2), eps=scale.eps)


def _save(
    out: Path, about: RunRecord, module: Any, optimizer: Any, scaler: Any, counted: dict[str, Any], done: int
) -> None:
    """Write the checkpoint after so many steps."""
    tensors = {f"model.{name}": tensor for name, tensor in module.state_dict().items()}
    tensors |= checkpoint.optimizer_tensors(optimizer, _names(module))
    header = {"run_hash": about.run_hash, "step": done, "scaler": json.dumps(scaler.state_dict()), **counted}
    checkpoint.put(out, done, tensors, header)


def _resume(out: Path, about: RunRecord, module: Any, optimizer: Any, scaler: Any, counts: Counts) -> int:
    """Put the state of the newest checkpoint in place; return how many steps are done, 0 without one."""
    path = checkpoint.newest(out)
    if path is None:
        return 0
    tensors, header = checkpoint.load(path)
    if header.get("run_hash") != about.run_hash:
        _refuse_checkpoint(path, f"its run hash is {header.get('run_hash')}, that of this training {about.run_hash}")
    try:
        module.load_state_dict({name: tensors[f"model.{name}"] for name in module.state_dict()})
        checkpoint.restore_optimizer(optimizer, _names(module), tensors)
        scaler.load_state_dict(json.loads(header["scaler"]))
        counts.restore(header)
        return int(header["step"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        _refuse_checkpoint(path, str(error).splitlines()[0])


def _names(module: Any) -> dict[Any, str]:
    return {parameter: name for name, parameter in module.named_parameters()}


def _wait(processes: Processes) -> None:
    """Wait for the other processes."""
    if processes.size > 1:
        distributed.barrier()


def _refuse_division(scale: Scale, processes: int, parts: int) -> None:
    if parts < 1 or scale.batch % (processes * parts):
        fitting = [count for count in range(1, 513) if scale.batch % count == 0]
        raise RunError(
            Diagnostic(
                "E1102",
                f"{processes} x {parts} does not divide the batch of {scale.batch:,}",
                None,
                f"{processes} process{'' if processes == 1 else 'es'} would take it in {parts} part"
                f"{'' if parts == 1 else 's'} each, and a scale's batch is fixed",
                (f"processes times parts may be {', '.join(map(str, fitting[:12]))}, ..",),
            )
        )


def _refuse_precision(precision: Precision, device: torch.device) -> None:
    if precision == "amp" and device.type == "cpu":
        raise RunError(
            Diagnostic(
                "E1110",
                "no precision `amp` on a processor",
                None,
                "float16 is for GPUs",
                ("train in another precision, which is another run: `--precision fp32` or `--precision amp_bf16`",),
            )
        )


def _refuse_no_number(ill: float, done: int, scale: Scale) -> None:
    if ill:
        raise RunError(
            Diagnostic(
                "E1111",
                "the loss is not a number",
                None,
                f"at step {done:,} of {scale.steps:,} or before",
                ("in another precision, which is another run, numbers overflow less: `--precision amp_bf16`",),
            )
        )


def _refuse_checkpoint(path: Path, label: str) -> NoReturn:
    help_ = "remove it, and training begins anew"
    raise RunError(Diagnostic("E1105", f"`{path}` is no checkpoint of this training", None, label, (help_,)))
