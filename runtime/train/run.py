"""`dcql train`: a run folder and its shards to a training."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dcql.runtime import shards
from dcql.runtime.run_folder import read, shards_of, training_of
from dcql.runtime.scales import Scale
from dcql.runtime.shard_reader import ShardReader
from dcql.runtime.train.settings import Settings

from dcql.errors import Diagnostic, RunError
from dcql.extras import missing

if TYPE_CHECKING:
    from dcql.runtime.train.loop import Trained

Tell = Callable[[str, int, int], None]


def train_run(
    run: Path,
    scale: Scale,
    settings: Settings,
    *,
    shards_folder: str | None = None,
    out: Path | None = None,
    tell: Tell | None = None,
) -> "Trained":
    """Train a scale on the subset of a run folder, from the shards made of it; go on where a training was stopped.

    Without `shards_folder` and `out`, shards are read from RUN/shards, and weights written to RUN/train/SCALE-seedN.
    Raises RunError: a folder is none of these, the shards are of another subset, packages are missing, or as
    `dcql.runtime.train.loop.train`.
    """
    try:
        from dcql.runtime.train.loop import train
    except ImportError as error:
        raise missing("dcql train", "runtime", error) from error
    found = shards_of_run(run, shards_folder)
    return train(found, ShardReader(found), out or training_of(run, scale.name, settings.seed), scale, settings, tell)


def shards_of_run(run: Path, folder: str | None = None) -> shards.ShardSet:
    """Return the shards of a run, in RUN/shards without `folder`. Raises RunError where they are of another subset."""
    subset = read(run).hash
    found = shards.read(folder if folder is not None else shards_of(run))
    if found.subset != subset:
        raise RunError(
            Diagnostic(
                "E1114",
                f"the shards in `{found.folder}` are not of `{run}`",
                None,
                f"they hold {found.subset}, the run is {subset}",
                (f"reshard the run: `dcql reshard {run} --shards TARS`",),
            )
        )
    return found
