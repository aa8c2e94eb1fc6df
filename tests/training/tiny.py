"""A training of seconds: a hundred drawn images in memory, a tiny scale, and shards that say what they hold."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from dcql.runtime.scales import SCALES, BagOfWords, Convolutions, ModelConfig, Pixels, Scale, TextTransformer, Vit
from dcql.runtime.shards import ShardSet
from dcql.runtime.train.loop import train
from dcql.runtime.train.settings import Settings
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 30), "blue": (40, 40, 220), "yellow": (220, 220, 40)}
WORDS = BagOfWords(words=8, table=256, width=16)
TINY_MODEL = ModelConfig(
    "tiny", 16, Convolutions(8, (8, 16)), WORDS, Pixels((0.5, 0.5, 0.5), (0.25, 0.25, 0.25), margin=2), word_dropout=0.2
)
TINY = replace(SCALES["demo"], name="tiny", model=TINY_MODEL, batch=16, samples=16 * 12, warmup=3, learning_rate=5e-3)
# open_clip's towers, as small as they get.
TINY_VIT = replace(
    TINY,
    model=ModelConfig(
        "tiny-vit",
        16,
        Vit(size=16, patch=8, layers=1, width=64),
        TextTransformer(width=32, heads=2, layers=1, context=8),
        SCALES["small"].model.pixels,
    ),
    gradient_checkpointing=True,
)


@dataclass(frozen=True)
class Sample:
    key: str
    image: bytes
    image_format: str
    caption: str


class Memory:
    """Samples in memory; `read` may be told to fail."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    def read(self, position: int) -> Sample:
        return self.samples[position]


def drawn(count: int = 100, seed: int = 0) -> list[Sample]:
    """Return images of one colour with some noise, 16 pixels wide and high, and captions that name the colour."""
    random = np.random.default_rng(seed)
    samples = []
    for number in range(count):
        name = list(COLOURS)[number % len(COLOURS)]
        noise = random.integers(-20, 20, (16, 16, 3))
        pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        samples.append(Sample(f"{number:032x}-0", file.getvalue(), "png", f"a {name} thing number {number}"))
    return samples


def shard_set(sizes: Sequence[int] = (40, 40, 20), digest: str = "dcshards1:" + "0" * 64) -> ShardSet:
    """Return what shards.json of such shards would state."""
    total = sum(sizes)
    return ShardSet(
        folder="shards",
        subset="dcql1:" + "1" * 64,
        pool="dcpool1:" + "2" * 64,
        digest=digest,
        samples=total,
        distinct=total,
        missing=0,
        duplicates=0,
        unnamed=0,
        policy={"blur": "none", "shard_size": 40},
        copied=True,
        sizes=tuple(sizes),
        sha256=("",) * len(sizes),
        tars=(),
        index_sha256="",
    )


def scale(**changes: object) -> Scale:
    """Return the tiny scale with some of its settings changed."""
    return replace(TINY, **changes)  # type: ignore[arg-type]


def trained(out: Path, changed: Scale = TINY, source: Memory | None = None, **settings: Any) -> str:
    """Train in a folder and return the digest of the weights."""
    found = train(shard_set(), source or Memory(drawn()), out, changed, Settings.of(changed, **settings))
    return str(found.summary["weights_sha256"])
