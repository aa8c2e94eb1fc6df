"""What a training counts: samples that had to be replaced, and the environments that it ran in."""

import json
from dataclasses import dataclass, field
from typing import Any

import torch
from dcql.runtime.train.feed import Batch
from dcql.runtime.train.processes import Processes

from dcql.errors import Diagnostic, RunError

MAX_REPLACED = 0.01  # the share of a training's positions at which a damaged sample may stand
SHOWN = 20


@dataclass
class Counts:
    """Counts of this process, and with `share` and `total` of all of them."""

    environments: list[str]  # hashes; more than one where a training was resumed elsewhere
    replaced: int = 0  # positions at which a damaged sample stood, in this process
    before: int = 0  # in all processes, before the checkpoint that was resumed from
    damaged: dict[str, str] = field(default_factory=dict)  # reasons by key

    def add(self, batches: list[Batch]) -> None:
        """Count what was replaced in some batches."""
        for batch in batches:
            self.replaced += batch.replaced
            self.damaged |= batch.damaged

    def share(self, processes: Processes) -> None:
        """Let every process know all damaged samples."""
        for text in processes.texts(json.dumps(self.damaged)):
            self.damaged |= json.loads(text)

    def total(self, processes: Processes) -> int:
        """Return how many positions were replaced in all processes since the training began."""
        return self.before + int(processes.sums(torch.tensor([self.replaced]))[0])

    def refuse_many(self, total: int, positions: int) -> None:
        """Raise RunError where too many of a training's positions had to be replaced."""
        if total <= MAX_REPLACED * positions:
            return
        key, reason = next(iter(self.damaged.items()), ("", "seen by another process"))
        raise RunError(
            Diagnostic(
                "E1107",
                "too many samples are damaged",
                None,
                f"more than {MAX_REPLACED:.0%} of the positions would show other samples; `{key}`: {reason}",
                ("leave damaged samples out of the subset, or make the shards again",),
            )
        )

    def to_json(self, total: int) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"replaced": total, "damaged": dict(sorted(self.damaged.items())), "environments": self.environments}

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from what a checkpoint kept. Raises KeyError where it kept something else."""
        self.before = int(kept["replaced"])
        self.damaged = dict(kept["damaged"])
        self.environments = list(dict.fromkeys([*kept["environments"], *self.environments]))
