"""From one batch to gradients: the same loss of the whole batch in any number of parts and processes."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from dcql.runtime.clip_model import ClipModel, contrastive_loss
from dcql.runtime.scales import Precision
from dcql.runtime.train.feed import Batch
from dcql.runtime.train.processes import Processes
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from dcql.errors import Diagnostic, RunError


class Towers(torch.nn.Module):  # type: ignore[misc]
    """Both towers as one call, which is what DistributedDataParallel wraps."""

    def __init__(self, model: ClipModel) -> None:
        super().__init__()
        self.module = model.module
        self._scale = model.scale

    def forward(self, images: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return normalised embeddings of both, (n, d), of images (n, 3, s, s) uint8, and the inverse temperature."""
        seen = normalize(self.module.encode_image(self._scale(images)), dim=-1)
        read = normalize(self.module.encode_text(tokens), dim=-1)
        return seen, read, self.module.logit_scale.exp()


@dataclass(frozen=True)
class Gradients:
    """Computes the gradients of batches; `scaler` is that of float16, which does nothing in other precisions."""

    towers: Any
    loss: Callable[..., torch.Tensor]
    scaler: Any
    precision: Precision
    device: torch.device

    @classmethod
    def of(cls, model: ClipModel, processes: Processes, precision: Precision) -> "Gradients":
        """Return them for a model that lies on the device of its process."""
        device = processes.device
        towers: Any = Towers(model)
        if processes.size > 1:
            towers = DistributedDataParallel(towers, device_ids=[device] if device.type == "cuda" else None)
        scaler = torch.amp.GradScaler(device.type, enabled=precision == "amp")
        return cls(towers, contrastive_loss(processes.rank, processes.size), scaler, precision, device)

    def add(self, parts: list[Batch]) -> torch.Tensor:
        """Add the gradients of this process's slice of a batch to the parameters; return its loss, detached.

        In one part, it is one pass there and one back. In several, all embeddings are computed first, without
        gradients; the loss of the whole batch says how each embedding should move; and each part is computed once more
        to hand that on to the weights. So the loss always sees the whole batch. open_clip accumulates likewise, but
        counts the gradient of the temperature once for each part; here it is the same in any number of parts.
        """
        with _memory(len(parts)):
            return self._whole(parts[0]) if len(parts) == 1 else self._accumulated(parts)

    def _whole(self, batch: Batch) -> torch.Tensor:
        with self._autocast():
            loss = self.loss(*self.towers(batch.images, batch.tokens))
        self.scaler.scale(loss).backward()
        return loss.detach()

    def _accumulated(self, parts: list[Batch]) -> torch.Tensor:
        with torch.no_grad(), self._autocast():
            found = [self.towers(part.images, part.tokens) for part in parts]
        images = torch.cat([seen for seen, _, _ in found]).requires_grad_()
        texts = torch.cat([read for _, read, _ in found]).requires_grad_()
        temperature = found[0][2].clone().requires_grad_()
        with self._autocast():
            loss = self.loss(images, texts, temperature)
        self.scaler.scale(loss).backward()
        pulls = zip(images.grad.chunk(len(parts)), texts.grad.chunk(len(parts)), strict=True)
        for number, (part, (image_pull, text_pull)) in enumerate(zip(parts, pulls, strict=True), start=1):
            # Processes average their gradients once, with the last part.
            alone = number < len(parts) and isinstance(self.towers, DistributedDataParallel)
            with self.towers.no_sync() if alone else contextlib.nullcontext():
                with self._autocast():
                    outputs = self.towers(part.images, part.tokens)
                torch.autograd.backward(outputs, (image_pull, text_pull, temperature.grad / len(parts)))
        return loss.detach()

    def _autocast(self) -> Any:
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.float16 if self.precision == "amp" else torch.bfloat16)


@contextlib.contextmanager
def _memory(parts: int) -> Iterator[None]:
    """Say what to do where a GPU's memory does not hold a part."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise RunError(
            Diagnostic(
                "E1112",
                "the GPU's memory does not hold the batch",
                None,
                str(error).splitlines()[0],
                (f"take it in more parts, which learns the same: `--accum {2 * parts}`",),
            )
        ) from error
