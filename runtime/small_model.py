"""The model of the `demo` scale: strided convolutions and a bag of words, which learn in minutes on a processor.

Nothing in it depends on the rest of a batch, so that processes and accumulation change no more than rounding. That is
why the convolutions are followed by group normalisation.
"""

# Where torch is not installed, this file is checked all the same.
# mypy: disable-error-code="misc"

import re
from collections.abc import Sequence

import numpy as np
import torch
from dcql.runtime.scales import BagOfWords, Convolutions, ModelConfig
from numpy.typing import NDArray
from torch import nn

from dcql.checksum import crc32

NO_WORD = 0
_WORD = re.compile(r"[^\W_]+")


class SmallClip(nn.Module):
    """A dual encoder with the interface of open_clip's: encode_image, encode_text, logit_scale."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        image, text = config.image, config.text
        assert isinstance(image, Convolutions)
        assert isinstance(text, BagOfWords)
        layers: list[nn.Module] = []
        before = 3
        for after in image.channels:
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.GroupNorm(image.groups, after),
                nn.ReLU(),
            ]
            before = after
        side = image.size >> len(image.channels)
        self.visual = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * side * side, config.dimension))
        self.words = nn.EmbeddingBag(text.table, text.width, mode="mean", padding_idx=NO_WORD)
        # Zero, so that a word that training never showed says nothing.
        nn.init.zeros_(self.words.weight)
        self.text_projection = nn.Linear(text.width, config.dimension)
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale))

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, dimension) of float32 images (n, 3, size, size)."""
        return self.visual(images)

    def encode_text(self, words: torch.Tensor) -> torch.Tensor:
        """Return (n, dimension) of int64 words (n, words) as `word_ids` gives them."""
        return self.text_projection(self.words(words))


def word_ids(text: BagOfWords, captions: Sequence[str]) -> NDArray[np.int64]:
    """Return the first words of each caption as rows of the table, (n, words), the rest NO_WORD.

    A word is a run of letters and digits, in lower case; its row is its CRC-32, so that two words may share one.
    """
    ids = np.full((len(captions), text.words), NO_WORD, np.int64)
    for row, caption in zip(ids, captions, strict=True):
        words = _WORD.findall(caption.lower())[: text.words]
        row[: len(words)] = [1 + crc32(word.encode()) % (text.table - 1) for word in words]
    return ids
