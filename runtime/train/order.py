"""Which sample stands at which position of a training: a pure function of seed, position and the sizes of the shards.

A training is a row of positions 0, 1, 2, ..; a batch is the next `batch` of them. Nothing that varies between machines
is asked: not processes, not workers, not what was read before. So a training resumes anywhere.

1. Shards follow one another. `resampled`: each is drawn from all shards alike, with replacement, as DataComp draws.
   `permute`: every pass takes each shard once, in an order of its own.
2. Windows of TOGETHER shards that follow one another are laid out and their samples shuffled, all of a window. A pass
   of `permute` ends its last window. Within 32 shards of 10,000 samples, that mixes what DataComp's shuffle buffers of
   5,000 do in 64 worker processes, and needs 32 shards at hand.

Random numbers are Philox4x64-10, keyed by SHA-256 of seed, purpose and number; as raw 64-bit words, which are the same
in every version of numpy.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from dcql.runtime.scales import Sampling
from numpy.typing import NDArray

TOGETHER = 32  # shards of a window

Ints = NDArray[np.int64]


class Order:
    """The order of a training's samples. Samples are numbered shard by shard, as in the index of the shards.

    `sizes` are the numbers of samples of each shard, and `length` the number of positions that are asked for.
    Raises ValueError where there are no samples.
    """

    def __init__(self, sizes: Sequence[int], seed: int, sampling: Sampling, length: int) -> None:
        self._sizes = np.asarray(sizes, np.int64)
        if not len(self._sizes) or int(self._sizes.sum()) == 0:
            raise ValueError("an order needs samples")
        self._first = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        self._seed = seed
        self.length = length
        self._drawn, self._edges = self._windows(sampling, length)
        # Position at which each window begins, and at the end where the last one ends.
        sizes_drawn = np.concatenate([[0], np.cumsum(self._sizes[self._drawn])])
        self._starts = sizes_drawn[self._edges]
        self._window = lru_cache(maxsize=3)(self._lay_out)

    def samples(self, positions: Ints) -> Ints:
        """Return the number of the sample at each of `positions`, (n,) in 0 .. length - 1."""
        found = np.empty(len(positions), np.int64)
        windows = np.searchsorted(self._starts, positions, "right") - 1
        for window in np.unique(windows).tolist():
            here = windows == window
            found[here] = self._window(window)[positions[here] - self._starts[window]]
        return found

    def _windows(self, sampling: Sampling, length: int) -> tuple[Ints, Ints]:
        """Return the shards in the order in which they are drawn, and the edges of the windows in it."""
        shards, total = len(self._sizes), int(self._sizes.sum())
        if sampling == "permute":
            passes = -(-length // total)
            order = [np.argsort(_words(self._seed, "pass", number, shards), kind="stable") for number in range(passes)]
            begins = np.arange(0, shards, TOGETHER)
            edges = [number * shards + begins for number in range(passes)]
            return np.concatenate(order), np.concatenate([*edges, [passes * shards]])
        count = TOGETHER
        while True:
            drawn = (_words(self._seed, "shards", 0, count) % np.uint64(shards)).astype(np.int64)
            if int(self._sizes[drawn].sum()) >= length:
                break
            count *= 2
        needed = int(np.searchsorted(np.cumsum(self._sizes[drawn]), length, "left")) + 1
        whole = -(-needed // TOGETHER) * TOGETHER
        return drawn[:whole], np.arange(0, whole + 1, TOGETHER)

    def _lay_out(self, window: int) -> Ints:
        """Return the samples of a window in their shuffled order."""
        shards = self._drawn[self._edges[window] : self._edges[window + 1]]
        laid = np.concatenate(
            [np.arange(self._first[shard], self._first[shard] + self._sizes[shard]) for shard in shards]
        )
        shuffled: Ints = laid[np.argsort(_words(self._seed, "window", window, len(laid)), kind="stable")]
        return shuffled


def augmentation_seed(seed: int, position: int) -> int:
    """Return the 64-bit seed of what is random about the sample at a position: its crop, the words left out."""
    text = f"dcql.augment.v1\0{seed}\0{position}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _words(seed: int, purpose: str, number: int, count: int) -> NDArray[np.uint64]:
    """Return (count,) random words; fewer of the same seed, purpose and number are their beginning."""
    key = hashlib.sha256(f"dcql.order.v1\0{seed}\0{purpose}\0{number}".encode()).digest()[:16]
    words: NDArray[np.uint64] = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(count)
    return words
