"""The two tiny CLIPs that scored the demo pool: preprocessing, architecture and weights.

Text is a hashed bag of words, images pass four strided convolutions. torch and PIL are imported where they
are used.
"""

# torch and PIL are needed only to score again, so they may be missing where this file is checked.
# mypy: disable-error-code="import-not-found, misc"

import io
import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

SIDE = 32  # pixels; every image is squashed to SIDE x SIDE, whatever its aspect
WORDS = 16  # words of a caption that count; the rest is ignored
PADDING = 0  # the word id that stands for "no word"
PIXEL_MEAN, PIXEL_STD = 0.75, 0.25  # of one channel in 0..1; drawings on light backgrounds are bright


@dataclass(frozen=True, slots=True)
class Settings:
    """What fixes the shape of one dual encoder."""

    channels: tuple[int, ...]  # one strided convolution each
    table: int  # rows of the hashed word table, the padding row included
    width: int  # numbers per row of that table
    dimension: int  # of the shared embedding space


SETTINGS = {
    "b32": Settings(channels=(16, 32, 64, 96), table=4096, width=48, dimension=32),
    "l14": Settings(channels=(32, 64, 128, 192), table=8192, width=96, dimension=64),
}


def word_ids(captions: "Iterable[str]", table: int) -> npt.NDArray[np.int64]:
    """Hash the words of each caption to ids 1..table-1, shape (captions, WORDS), padded with PADDING."""
    rows = []
    for caption in captions:
        words = re.findall(r"[^\W_]+", caption.lower())[:WORDS]
        ids = [1 + zlib.crc32(word.encode()) % (table - 1) for word in words]
        rows.append(ids + [PADDING] * (WORDS - len(ids)))
    return np.array(rows, dtype=np.int64).reshape(-1, WORDS)


def pixels(image: bytes) -> npt.NDArray[np.uint8]:
    """Decode one image file to RGB and squash it, shape (3, SIDE, SIDE)."""
    from PIL import Image

    with Image.open(io.BytesIO(image)) as opened:
        return squash(opened.convert("RGB"))


def squash(image: Any) -> npt.NDArray[np.uint8]:
    """Squash a PIL.Image of mode RGB, whatever its aspect, to shape (3, SIDE, SIDE)."""
    from PIL import Image

    squashed = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(squashed, dtype=np.uint8).transpose(2, 0, 1)


def build(settings: Settings) -> Any:
    """Make an untrained dual encoder, a torch.nn.Module with encode_image and encode_text.

    encode_image takes uint8 (n, 3, SIDE, SIDE), encode_text int64 (n, WORDS); both give float32
    (n, dimension), L2-normalised. `logit_scale` is the logarithm of the inverse temperature, as in CLIP.
    """
    import torch
    from torch import nn

    class DualEncoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            before = 3
            for after in settings.channels:
                layers += [
                    nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(),
                ]
                before = after
            self.image = nn.Sequential(*layers, nn.Flatten())
            cells = (SIDE >> len(settings.channels)) ** 2
            self.image_projection = nn.Linear(before * cells, settings.dimension)
            self.words = nn.EmbeddingBag(settings.table, settings.width, mode="mean", padding_idx=PADDING)
            # Zero, so that a word never seen in training stays zero and says nothing.
            nn.init.zeros_(self.words.weight)
            self.text_projection = nn.Linear(settings.width, settings.dimension)
            self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

        def encode_image(self, images: torch.Tensor) -> torch.Tensor:
            scaled = (images.float() / 255 - PIXEL_MEAN) / PIXEL_STD
            return nn.functional.normalize(self.image_projection(self.image(scaled)), dim=-1)

        def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
            return nn.functional.normalize(self.text_projection(self.words(ids)), dim=-1)

    return DualEncoder()


def save(model: Any, path: Path) -> None:
    """Write the weights as float16 arrays in an .npz, without the counters of batch normalisation."""
    weights = {
        name: value.detach().cpu().numpy().astype(np.float16)
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    np.savez_compressed(path, **weights)


def load(name: str, folder: Path = Path(__file__).parent / "data") -> Any:
    """Read the scorer `name` ("b32" or "l14") ready to encode; its weights are float16 widened to float32."""
    import torch

    model = build(SETTINGS[name])
    with np.load(folder / f"model_{name}.npz", allow_pickle=False) as stored:
        weights = {key: torch.from_numpy(stored[key].astype(np.float32)) for key in stored.files}
    model.load_state_dict(weights, strict=False)
    return model.eval()


def encode(
    model: Any, images: npt.NDArray[np.uint8], ids: npt.NDArray[np.int64], batch: int = 256
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Embed images and captions, which need not be equally many; float32, L2-normalised rows."""
    import torch

    with torch.inference_mode():
        seen = [
            model.encode_image(torch.from_numpy(images[at : at + batch])).numpy() for at in range(0, len(images), batch)
        ]
        read = [model.encode_text(torch.from_numpy(ids[at : at + batch])).numpy() for at in range(0, len(ids), batch)]
    return np.concatenate(seen), np.concatenate(read)


def similarity(image: npt.NDArray[np.float32], text: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Score pairs row by row: the cosine in float32, rounded to float16 as DataComp stores it."""
    cosine: npt.NDArray[np.float32] = np.einsum("nd,nd->n", image, text)
    return cosine.astype(np.float16)
