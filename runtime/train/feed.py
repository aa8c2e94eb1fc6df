"""Positions to batches: what stands there is read, decoded and augmented, each sample a function of its position.

A sample whose image cannot be decoded is replaced by the next one of the shards that can, the first after the last: a
rule that every process, worker and resumed training follows alike. How often that was, and which samples they are, is
counted and told. (Bytes that changed since the shards were made are another matter: reading them is an error.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from dcql.runtime.clip_model import ClipModel, augment, prepare
from dcql.runtime.train.order import Order, augmentation_seed
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError
from dcql.images import open_rgb

# Prepared samples are kept where all of them take no more: pixels of a small pool are then decoded once.
KEPT_BYTES = 1 << 29


class Readable(Protocol):
    """What a training reads from: dcql.runtime.shards.ShardReader, or anything that reads like it."""

    def read(self, position: int, /) -> Any:
        """Return a sample with `key`, `image` (encoded) and `caption`. Raises RunError where the shard is damaged."""


@dataclass(frozen=True)
class Batch:
    """Images (n, 3, s, s) uint8 and tokens (n, context) int64, with what had to be replaced.

    `damaged` gives for each damaged sample that was asked for its key and what is wrong with it; `replaced` counts the
    positions at which one stood.
    """

    images: torch.Tensor
    tokens: torch.Tensor
    replaced: int = 0
    damaged: dict[str, str] = field(default_factory=dict)

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        images, tokens = (part.to(device, non_blocking=True) for part in (self.images, self.tokens))
        return Batch(images, tokens, self.replaced, self.damaged)

    def pin_memory(self) -> "Batch":
        """Return the batch in memory that a GPU reads from; the data loader asks for it."""
        return Batch(self.images.pin_memory(), self.tokens.pin_memory(), self.replaced, self.damaged)


@dataclass(frozen=True)
class Failure:
    """What is wrong, in place of a batch."""

    diagnostics: tuple[Diagnostic, ...]


_Prepared = tuple[NDArray[np.uint8], str]  # pixels (height, width, 3) and the caption


class Feed(torch.utils.data.Dataset):  # type: ignore[misc]
    """The training's samples by positions: `feed[range(0, 256)]` is the first batch of 256."""

    def __init__(self, source: Readable, samples: int, order: Order, model: ClipModel, seed: int) -> None:
        """Take where samples are read from, how many there are, and their order."""
        self._source, self._samples, self._order, self._model, self._seed = source, samples, order, model, seed
        pixels = model.config.pixels
        side = model.config.image.size + pixels.margin
        self._keeps = bool(pixels.margin) and samples * 3 * side * side <= KEPT_BYTES
        self._kept: dict[int, _Prepared | tuple[str, str]] = {}

    def __getitem__(self, positions: Sequence[int]) -> "Batch | Failure":
        """Return the batch of some positions, or what is wrong with the shards there."""
        try:
            return self.batch(positions)
        except RunError as error:
            # A worker process hands over data; an exception of ours would arrive as a text of torch's.
            return Failure(error.diagnostics)

    def batch(self, positions: Sequence[int]) -> Batch:
        """Return the batch of some positions. Raises RunError where a sample cannot be read, or none be decoded."""
        images: list[NDArray[np.uint8]] = []
        captions: list[str] = []
        seeds = [augmentation_seed(self._seed, position) for position in positions]
        damaged: dict[str, str] = {}
        replaced = 0
        for number, seed in zip(self._order.samples(np.asarray(positions)).tolist(), seeds, strict=True):
            pixels, caption, broken = self._sample(number)
            replaced += bool(broken)
            damaged |= broken
            images.append(augment(pixels, self._model.config, seed))
            captions.append(caption)
        tokens = self._model.tokenize_for_training(captions, seeds)
        return Batch(torch.from_numpy(np.stack(images)), tokens, replaced, damaged)

    def _sample(self, number: int) -> tuple[NDArray[np.uint8], str, dict[str, str]]:
        """Return pixels and caption of a sample or of the next one that can be decoded, and those that cannot."""
        damaged: dict[str, str] = {}
        for passed in range(self._samples):
            found, text = self._load((number + passed) % self._samples)
            if not isinstance(found, str):
                return found, text, damaged
            damaged[found] = text
        raise RunError(
            Diagnostic(
                "E1107",
                "no sample of the shards can be decoded",
                None,
                f"`{next(iter(damaged))}`: {next(iter(damaged.values()))}",
                ("check the shards, and what the pool's download said of its images",),
            )
        )

    def _load(self, number: int) -> "_Prepared | tuple[str, str]":
        """Return a sample's pixels and caption, or its key and the reason why it has none."""
        if number in self._kept:
            return self._kept[number]
        sample = self._source.read(number)
        found: _Prepared | tuple[str, str]
        opened = open_rgb(sample.image)
        if isinstance(opened, str):
            found = sample.key, opened
        else:
            found = prepare(opened, self._model.config), sample.caption
        if self._keeps:
            self._kept[number] = found
        return found


class Slices(torch.utils.data.Sampler):  # type: ignore[misc]
    """The positions of this process: of every batch its slice, in as many parts as gradients are accumulated over."""

    def __init__(self, *, batch: int, start: int, steps: int, rank: int, processes: int, parts: int) -> None:
        """Take the global batch, the steps from `start` up to `steps`, and how a batch is divided."""
        self._batch, self._start, self._steps, self._parts = batch, start, steps, parts
        self._size = batch // (processes * parts)
        self._offset = rank * parts * self._size

    def __iter__(self) -> Iterator[range]:
        for step in range(self._start, self._steps):
            first = step * self._batch + self._offset
            for part in range(self._parts):
                yield range(first + part * self._size, first + (part + 1) * self._size)

    def __len__(self) -> int:
        return (self._steps - self._start) * self._parts


def batches(feed: Feed, slices: Slices, workers: int, *, pinned: bool) -> Iterator[Batch]:
    """Yield the batches of `slices`, made by so many worker processes, or in this one without any.

    Raises RunError where a sample cannot be read, or a worker process ends.
    """
    # Forked, so that workers have the feed as it is: nothing of it is pickled.
    loader = torch.utils.data.DataLoader(
        feed,
        batch_size=None,
        sampler=slices,
        num_workers=workers,
        pin_memory=pinned,
        multiprocessing_context="fork" if workers else None,
    )
    try:
        for found in loader:
            if isinstance(found, Failure):
                raise RunError(*found.diagnostics)
            yield found
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise RunError(
            Diagnostic(
                "E1115",
                "a process that reads samples ended",
                None,
                str(error).splitlines()[0],
                ("it was killed, most often for want of memory: run the command again with fewer `--workers`",),
            )
        ) from error
