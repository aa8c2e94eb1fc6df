"""What the runtime puts into a run folder, beside the subset and its manifest."""

from pathlib import Path

from dcql.run_folder import RunFolder, read

__all__ = ["RunFolder", "read", "shards_of", "training_of"]


def shards_of(run: Path) -> Path:
    """Return the folder of the training shards that `dcql reshard` makes of a run without `--out`."""
    return run / "shards"


def training_of(run: Path, scale: str, seed: int) -> Path:
    """Return the folder of what `dcql train` makes of a run."""
    return run / "train" / f"{scale}-seed{seed}"
