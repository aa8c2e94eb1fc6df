"""The command by which open_clip's own training does what a scale states, for people who train with that.

It draws the same shards' samples by the same settings, in an order of its own that differs from run to run: its shuffle
buffer has no seed. So its weights are those of no run hash, and are not compared with ours.
"""

from typing import NoReturn

from dcql.runtime.scales import Scale, Vit
from dcql.runtime.shards import SHARD_FORMAT, ShardSet, place_of
from dcql.runtime.train.settings import Settings

from dcql.errors import Diagnostic, RunError

CHECKPOINTS = 5  # DataComp's default; its samples are divided by it
_PRECISIONS = {"fp32": "fp32", "amp": "amp", "amp_bf16": "amp_bfloat16"}


def open_clip_command(
    shards: ShardSet,
    scale: Scale,
    settings: Settings,
    *,
    processes: int = 1,
    logs: str = "logs",
) -> list[str]:
    """Return the arguments of `python -m open_clip_train.main` that train a scale as DataComp's train.py would.

    What DataComp leaves to open_clip's defaults is written out. Raises RunError for a model that open_clip does not
    know, for shards that were not copied, and where the batch cannot be divided.
    """
    if not isinstance(scale.model.image, Vit):
        _refuse(f"open_clip has no model `{scale.model.name}`", "name one of DataComp's scales")
    if not shards.copied:
        _refuse(
            f"the shards in `{shards.folder}` were not copied, and open_clip reads tars", "reshard without --no-copy"
        )
    if scale.batch % (processes * settings.accumulate):
        raise RunError(
            Diagnostic(
                "E1102",
                f"{processes} x {settings.accumulate} does not divide the batch of {scale.batch:,}",
                None,
                "open_clip would silently train with a smaller batch",
                ("name another number of processes",),
            )
        )
    last = len(shards.sizes) - 1
    urls = SHARD_FORMAT.format(0)
    if last:
        # As brace expansion has it: {00000000..00000012}.tar
        first, final = (SHARD_FORMAT.format(number).removesuffix(".tar") for number in (0, last))
        urls = f"{{{first}..{final}}}.tar"
    arguments = {
        "--train-data": place_of(shards.folder, urls),
        "--train-num-samples": scale.samples // CHECKPOINTS,
        "--epochs": CHECKPOINTS,
        "--dataset-type": "webdataset",
        "--model": scale.model.name,
        "--batch-size": scale.batch // (processes * settings.accumulate),
        "--accum-freq": settings.accumulate,
        "--lr": scale.learning_rate,
        "--warmup": scale.warmup,
        "--beta1": scale.beta1,
        "--beta2": scale.beta2,
        "--eps": scale.eps,
        "--wd": scale.weight_decay,
        "--lr-scheduler": "cosine",
        "--precision": _PRECISIONS[settings.precision],
        "--workers": settings.workers,
        "--seed": settings.seed,
        "--logs": logs,
        "--name": f"{scale.name}_scale",
        "--save-frequency": 0,
        "--log-every-n-steps": 100,
        "--resume": "latest",
    }
    flags = ["--save-most-recent", "--ddp-static-graph", "--local-loss", "--gather-with-grad"]
    if scale.gradient_checkpointing:
        flags.append("--grad-checkpointing")
    if settings.sampling == "resampled":
        flags.append("--dataset-resampled")
    return [*flags, *(text for name, value in arguments.items() for text in (name, str(value)))]


def _refuse(label: str, advice: str) -> NoReturn:
    raise RunError(Diagnostic("E1113", "open_clip's own training cannot do this", None, label, (advice,)))
