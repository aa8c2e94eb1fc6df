"""The model of a scale, with what turns images and captions into its inputs. The only module that imports open_clip.

Models are built from the settings of `scales.py`, written out whole; that they are those which open_clip builds by name
is tested, not assumed. Nothing is downloaded.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from dcql.runtime.scales import BagOfWords, ModelConfig, Pixels, TextTransformer, Vit
from numpy.typing import NDArray

from dcql import torchvision_remedy
from dcql.digest import sha256_file
from dcql.errors import Diagnostic, RunError
from dcql.extras import missing

if TYPE_CHECKING:
    import PIL.Image
    import torch

_TRIES = 10  # at a crop of the wanted shape, as torchvision makes


@dataclass(frozen=True)
class ClipModel:
    """A dual encoder and its preprocessing.

    `module` has encode_image(float32 (n, 3, s, s)) -> (n, d), encode_text(int64 (n, context)) -> (n, d) and
    logit_scale, the logarithm of the inverse temperature. Embeddings are not normalised.
    """

    config: ModelConfig
    module: "torch.nn.Module"
    eval_image: Callable[["PIL.Image.Image"], "torch.Tensor"]  # float32 (3, s, s)
    tokenize: Callable[[Sequence[str]], "torch.Tensor"]  # int64 (n, context)

    def train_image(self, image: "PIL.Image.Image", seed: int) -> "torch.Tensor":
        """Return an image for training, float32 (3, s, s); its random part is a function of the seed alone."""
        import torch

        return self.scale(torch.from_numpy(augment(prepare(image, self.config), self.config, seed))[None])[0]

    def scale(self, images: "torch.Tensor") -> "torch.Tensor":
        """Return (n, 3, s, s) uint8 as float32, on its device, shifted and scaled as the model takes it."""
        import torch

        pixels = self.config.pixels
        mean = torch.tensor(pixels.mean, device=images.device).view(1, 3, 1, 1)
        std = torch.tensor(pixels.std, device=images.device).view(1, 3, 1, 1)
        return (images.float() / 255 - mean) / std

    def tokenize_for_training(self, captions: Sequence[str], seeds: Sequence[int]) -> "torch.Tensor":
        """Return the tokens of captions, int64 (n, context), each without the words that its seed drops."""
        import torch

        tokens = self.tokenize(captions)
        if self.config.word_dropout:
            for row, seed in zip(tokens, seeds, strict=True):
                chance = random.Random(seed ^ 1)
                row[torch.tensor([chance.random() < self.config.word_dropout for _ in range(len(row))])] = 0
        return tokens


def create(config: ModelConfig, seed: int) -> ClipModel:
    """Return an untrained model on the CPU, a function of settings and seed: open_clip_train's own for its models.

    Raises RunError where the packages of the extra `runtime` are missing or are not what the settings were made for.
    """
    try:
        import torch
    except ImportError as error:
        raise missing(f"the model {config.name}", "runtime", error) from error
    before = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        module = _open_clip_module(config) if isinstance(config.image, Vit) else _small_module(config)
    finally:
        torch.set_rng_state(before)
    return ClipModel(config, module, _eval_image(config), _tokenizer(config))


def contrastive_loss(rank: int, world_size: int) -> Callable[..., Any]:
    """Return CLIP's loss of (images, texts, scale): of the batch of all processes, by the rows of this one.

    That is DataComp's --local-loss with --gather-with-grad: its mean over the processes is the loss of the whole batch.
    """
    return _open_clip().loss.ClipLoss(  # type: ignore[no-any-return]
        local_loss=True, gather_with_grad=True, cache_labels=True, rank=rank, world_size=world_size
    )


# Images.


def prepare(image: "PIL.Image.Image", config: ModelConfig) -> NDArray[np.uint8]:
    """Return the part of preprocessing that no chance enters, (height, width, 3) uint8: RGB, squashed with a margin."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    if config.pixels.margin:
        from PIL.Image import Resampling

        side = config.image.size + config.pixels.margin
        rgb = rgb.resize((side, side), Resampling.BICUBIC)
    return np.asarray(rgb, np.uint8)


def augment(pixels: NDArray[np.uint8], config: ModelConfig, seed: int) -> NDArray[np.uint8]:
    """Return what training sees of a prepared image, (3, size, size) uint8: a part of it that the seed chooses."""
    size = config.image.size
    chance = random.Random(seed)
    if config.pixels.margin:
        left, top = (int(chance.random() * (config.pixels.margin + 1)) for _ in range(2))
        cut = pixels[top : top + size, left : left + size]
    else:
        from PIL.Image import Resampling, fromarray

        height, width, _ = pixels.shape
        left, top, right, bottom = crop_box(width, height, config.pixels, chance)
        cut = np.asarray(fromarray(pixels[top:bottom, left:right]).resize((size, size), Resampling.BICUBIC), np.uint8)
    return np.ascontiguousarray(cut.transpose(2, 0, 1))


def crop_box(width: int, height: int, pixels: Pixels, chance: random.Random) -> tuple[int, int, int, int]:
    """Return a random part of an image as (left, top, right, bottom), in pixels.

    As torchvision's RandomResizedCrop: a share of the area and a ratio of the sides (on a logarithmic scale) are drawn
    until the part lies within the image; after ten tries it is the largest one in the middle with an allowed ratio.
    """
    lowest, highest = pixels.crop_ratio
    for _ in range(_TRIES):
        area = width * height * _between(chance, *pixels.crop_area)
        ratio = math.exp(_between(chance, math.log(lowest), math.log(highest)))
        cut_width, cut_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < cut_width <= width and 0 < cut_height <= height:
            top = int(chance.random() * (height - cut_height + 1))
            left = int(chance.random() * (width - cut_width + 1))
            return left, top, left + cut_width, top + cut_height
    cut_width = min(width, round(height * highest))
    cut_height = min(height, round(width / lowest))
    left, top = (width - cut_width) // 2, (height - cut_height) // 2
    return left, top, left + cut_width, top + cut_height


def _between(chance: random.Random, low: float, high: float) -> float:
    # Random.random() gives the same numbers in every version of Python, which Random.uniform() does not promise.
    return low + (high - low) * chance.random()


def _eval_image(config: ModelConfig) -> Callable[["PIL.Image.Image"], "torch.Tensor"]:
    """Return what makes a float32 (3, size, size) tensor of an image, without chance."""
    pixels = config.pixels
    if not pixels.margin:
        transform: Callable[[PIL.Image.Image], torch.Tensor] = _open_clip().transform.image_transform(
            config.image.size,
            is_train=False,
            mean=pixels.mean,
            std=pixels.std,
            resize_mode="shortest",
            interpolation=pixels.interpolation,
        )
        return transform

    def squash(image: "PIL.Image.Image") -> "torch.Tensor":
        import torch
        from PIL.Image import Resampling

        side = config.image.size
        shown = np.asarray(image.convert("RGB").resize((side, side), Resampling.BICUBIC), np.float32) / 255
        scaled = (shown - np.array(pixels.mean, np.float32)) / np.array(pixels.std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))

    return squash


# Towers and texts.


def _open_clip() -> Any:
    """Import open_clip, which has torchvision imported."""
    try:
        torchvision_remedy.apply()
        import open_clip
    except ImportError as error:
        raise missing("training", "runtime", error) from error
    return open_clip


def open_clip_config(config: ModelConfig) -> dict[str, Any]:
    """Return the settings of one of open_clip's models in the form of its own files."""
    image, text = config.image, config.text
    assert isinstance(image, Vit)
    assert isinstance(text, TextTransformer)
    return {
        "embed_dim": config.dimension,
        "vision_cfg": {
            "image_size": image.size,
            "patch_size": image.patch,
            "layers": image.layers,
            "width": image.width,
            "head_width": image.head_width,
            "mlp_ratio": image.mlp_ratio,
        },
        "text_cfg": {
            "context_length": text.context,
            "vocab_size": text.vocabulary_size,
            "width": text.width,
            "heads": text.heads,
            "layers": text.layers,
        },
    }


def _open_clip_module(config: ModelConfig) -> "torch.nn.Module":
    settings = open_clip_config(config)
    model = _open_clip().model
    return model.CLIP(
        settings["embed_dim"],
        model.CLIPVisionCfg(**settings["vision_cfg"]),
        model.CLIPTextCfg(**settings["text_cfg"]),
        init_logit_scale=config.logit_scale,
        output_dict=False,
    )


def _small_module(config: ModelConfig) -> "torch.nn.Module":
    from dcql.runtime.small_model import SmallClip

    return SmallClip(config)


def _tokenizer(config: ModelConfig) -> Callable[[Sequence[str]], "torch.Tensor"]:
    text = config.text
    if isinstance(text, BagOfWords):
        import torch
        from dcql.runtime.small_model import word_ids

        return lambda captions: torch.from_numpy(word_ids(text, captions))
    tokenizer = _open_clip().tokenizer
    found = sha256_file(Path(tokenizer.default_bpe()))
    if found != text.vocabulary:
        raise RunError(
            Diagnostic(
                "E1109",
                "open_clip's vocabulary is another one",
                None,
                f"its digest is {found}, the scale's is {text.vocabulary}",
                ("install the open_clip that dcql was made for: `pip install -c constraints.txt 'dcql[runtime]'`",),
            )
        )
    encode = tokenizer.SimpleTokenizer(context_length=text.context)
    return lambda captions: encode(list(captions))
