"""What a training is asked, apart from what it does: no torch is needed to say it."""

import os
from dataclasses import dataclass

from dcql.runtime.scales import Precision, Sampling, Scale


@dataclass(frozen=True)
class Settings:
    """What a training is given beside its scale and its shards.

    `seed`, `sampling` and `precision` decide what is learnt, and are part of the run hash. The others decide how fast.
    """

    sampling: Sampling
    precision: Precision
    seed: int = 0
    device: str = "auto"
    workers: int = 0  # processes that read and decode, for each training process
    accumulate: int = 1  # parts that a process takes a batch in, one after another, to need less memory
    threads: int = 1  # of the processor; another number gives other last bits
    checkpoint_every: int | None = None  # steps; a tenth of the training without a value
    log_every: int | None = None  # steps; a hundredth of the training, at most 100, without a value

    @classmethod
    def of(cls, scale: Scale, **others: int | str | None) -> "Settings":
        """Return the settings that a scale states, with others beside them."""
        return cls(**{"sampling": scale.sampling, "precision": scale.precision, **others})  # type: ignore[arg-type]


def processes_of_environment() -> int:
    """Return how many processes torchrun started, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))
