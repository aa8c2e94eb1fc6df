"""What changes while a training goes on, and its way to a checkpoint and back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from dcql.runtime.scales import Scale
from dcql.runtime.train import checkpoint
from dcql.runtime.train.counts import Counts

from dcql.errors import Diagnostic, RunError


@dataclass(frozen=True)
class State:
    """Weights, the optimizer's moments, the scaler of float16 and the counts: all that a step depends on."""

    module: Any  # the model's torch.nn.Module
    optimizer: torch.optim.AdamW
    scaler: Any
    counts: Counts

    def save(self, out: Path, run_hash: str, done: int, replaced: int) -> None:
        """Write the checkpoint after so many steps. Raises RunError where the disk does."""
        tensors = {f"model.{name}": tensor for name, tensor in self.module.state_dict().items()}
        tensors |= checkpoint.optimizer_tensors(self.optimizer, self._names())
        header = {"run_hash": run_hash, "step": done, "scaler": json.dumps(self.scaler.state_dict())}
        checkpoint.put(out, done, tensors, header | self.counts.to_json(replaced))

    def resume(self, out: Path, run_hash: str) -> int:
        """Put the newest checkpoint in place; return how many steps are done, 0 without one.

        Raises RunError for a checkpoint that is damaged or of another run.
        """
        path = checkpoint.newest(out)
        if path is None:
            return 0
        tensors, header = checkpoint.load(path)
        if header.get("run_hash") != run_hash:
            _refuse(path, f"its run hash is {header.get('run_hash')}, that of this training {run_hash}")
        try:
            self.module.load_state_dict({name: tensors[f"model.{name}"] for name in self.module.state_dict()})
            checkpoint.restore_optimizer(self.optimizer, self._names(), tensors)
            self.scaler.load_state_dict(json.loads(header["scaler"]))
            self.counts.restore(header)
            return int(header["step"])
        except KeyError as error:
            _refuse(path, f"it lacks {error}")
        except (TypeError, ValueError, RuntimeError) as error:
            _refuse(path, str(error).splitlines()[0])

    def _names(self) -> dict[Any, str]:
        return {parameter: name for name, parameter in self.module.named_parameters()}


def optimizer_of(module: Any, scale: Scale) -> torch.optim.AdamW:
    """Return AdamW that lets matrices decay, and nothing of fewer dimensions: open_clip_train's own groups."""
    parameters = list(module.parameters())
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim < 2], "weight_decay": 0.0},
        {"params": [parameter for parameter in parameters if parameter.ndim >= 2], "weight_decay": scale.weight_decay},
    ]
    betas = (scale.beta1, scale.beta2)
    # Fused: one pass over the weights instead of ten.
    return torch.optim.AdamW(groups, lr=scale.learning_rate, betas=betas, eps=scale.eps, fused=True)


def _refuse(path: Path, label: str) -> NoReturn:
    help_ = "remove it, and training begins anew"
    raise RunError(Diagnostic("E1105", f"`{path}` is no checkpoint of this training", None, label, (help_,)))
