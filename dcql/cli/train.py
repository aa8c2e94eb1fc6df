"""`dcql train`."""

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dcql.cli.options import FormatOption, RunShardsOption, out_option
from dcql.cli.progress import progress
from dcql.cli.reshard import RunFolderArgument
from dcql.cli.shell import Format, print_json, shown, stdout

if TYPE_CHECKING:
    from dcql.runtime.scales import Scale
    from dcql.runtime.train.loop import Trained
    from dcql.runtime.train.settings import Settings


class Sampling(StrEnum):
    """How shards follow one another: drawn with replacement, or each once a pass."""

    RESAMPLED = "resampled"
    PERMUTE = "permute"


class Precision(StrEnum):
    """What is computed in: float32, or float16 or bfloat16 where that is safe."""

    FP32 = "fp32"
    AMP = "amp"
    AMP_BF16 = "amp_bf16"


def train(
    run: RunFolderArgument,
    scale: Annotated[
        str, typer.Option("--scale", metavar="SCALE", help="demo, or debug, small, medium, large, xlarge of DataComp.")
    ],
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Decides weights at first, and order.")] = 0,
    shards: RunShardsOption = None,
    out: Annotated[Path | None, out_option("DIR", "Folder to train in; RUN/train/SCALE-seedN without it.")] = None,
    sampling: Annotated[
        Sampling | None, typer.Option("--sampling", help="Another order of shards than the scale's: another run.")
    ] = None,
    precision: Annotated[
        Precision | None, typer.Option("--precision", help="Another precision than the scale's: another run.")
    ] = None,
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", "-w", min=0, metavar="N", help="Processes that decode; 4, none at the demo scale, without it."
        ),
    ] = None,
    accum: Annotated[
        int, typer.Option("--accum", min=1, metavar="N", help="Take a batch in N parts, to need less memory.")
    ] = 1,
    threads: Annotated[int, typer.Option("--threads", "-t", min=1, metavar="N", help="Threads of the processor.")] = 1,
    checkpoint_every: Annotated[
        int | None,
        typer.Option("--checkpoint-every", min=1, metavar="STEPS", help="A tenth of the training without it."),
    ] = None,
    print_open_clip_command: Annotated[
        bool,
        typer.Option("--print-open-clip-command", help="Train nothing; print how open_clip's own training would."),
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Train a scale on the shards of a run.

    A training that was stopped goes on from its last checkpoint when the same command is given again, and gives the
    same weights. For several GPUs: torchrun --nproc-per-node 8 -m dcql train RUN --scale S.
    """
    from dcql.runtime.scales import scale_named

    chosen = scale_named(scale)
    settings = _settings(chosen, seed, sampling, precision, device, workers, accum, threads, checkpoint_every)
    if print_open_clip_command:
        _print_command(run, shards, chosen, settings)
        return
    from dcql.runtime.train.run import train_run
    from dcql.runtime.train.settings import is_first_process

    with progress() as tell:
        trained = train_run(run, chosen, settings, shards_folder=shards, out=out, tell=tell)
    if not is_first_process():
        return
    if format_ is Format.JSON:
        print_json({**trained.summary, "out": str(trained.folder)})
        return
    _draw(trained)


def _settings(
    scale: "Scale",
    seed: int,
    sampling: Sampling | None,
    precision: Precision | None,
    device: str,
    workers: int | None,
    accum: int,
    threads: int,
    checkpoint_every: int | None,
) -> "Settings":
    from dcql.runtime.train.settings import Settings

    return Settings(
        seed=seed,
        sampling=sampling.value if sampling is not None else scale.sampling,
        precision=precision.value if precision is not None else scale.precision,
        device=device,
        workers=workers if workers is not None else _workers(scale),
        accumulate=accum,
        threads=threads,
        checkpoint_every=checkpoint_every,
    )


def _workers(scale: "Scale") -> int:
    """Return how many processes decode, for each that trains: the demo pool is decoded once, by the trainer itself."""
    return 0 if scale.name == "demo" else min(4, len(os.sched_getaffinity(0)))


def _print_command(run: Path, shards: str | None, scale: "Scale", settings: "Settings") -> None:
    from dcql.runtime.train.open_clip_command import open_clip_command
    from dcql.runtime.train.run import shards_of_run
    from dcql.runtime.train.settings import processes_of_environment

    processes = processes_of_environment()
    arguments = open_clip_command(shards_of_run(run, shards), scale, settings, processes=processes)
    start = ["python"] if processes == 1 else ["torchrun", "--nproc-per-node", str(processes)]
    print(shlex.join([*start, "-m", "open_clip_train.main", *arguments]))


def _draw(trained: "Trained") -> None:
    from rich.text import Text

    console, summary = stdout(), trained.summary
    console.print(f"{summary['steps']:,} steps, {summary['samples_seen']:,} samples seen, loss {summary['loss']:.3f}")
    if summary["replaced"]:
        many = (
            f"{summary['damaged']:,} samples cannot be decoded; others stood in for them {summary['replaced']:,} times"
        )
        console.print(Text(many, "yellow"))
    console.print(Text(trained.record.run_hash, "bold"))
    console.print(summary["weights_sha256"], highlight=False)
    done = "was done before, in" if trained.resumed is None else "wrote"
    console.print(f"{done} {shown(str(trained.folder))}", style="dim")
