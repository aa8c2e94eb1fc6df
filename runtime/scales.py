"""The scales of the benchmark: everything that a participant cannot change, and no default of a library in between.

DataComp's five are exact: batch, learning rate, samples and warm-up as in its table of scales, the models as open_clip
names them, and what its training takes from open_clip's defaults written out. `demo` is ours: minutes on a processor.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from dcql.errors import Diagnostic, RunError, did_you_mean

Sampling = Literal["resampled", "permute"]
Precision = Literal["fp32", "amp", "amp_bf16"]
SAMPLINGS: tuple[Sampling, ...] = ("resampled", "permute")
PRECISIONS: tuple[Precision, ...] = ("fp32", "amp", "amp_bf16")

# The byte-pair encoding that open_clip ships, by the digest of its file.
CLIP_VOCABULARY = "sha256:924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"


@dataclass(frozen=True, slots=True)
class Vit:
    """open_clip's vision transformer; an image of size x size becomes (size / patch)^2 patches."""

    size: int  # pixels
    patch: int
    layers: int
    width: int
    head_width: int = 64
    mlp_ratio: float = 4.0


@dataclass(frozen=True, slots=True)
class TextTransformer:
    """open_clip's text transformer over byte-pair tokens, causal, read at the end of the text."""

    width: int
    heads: int
    layers: int
    context: int = 77  # tokens
    vocabulary: str = CLIP_VOCABULARY
    vocabulary_size: int = 49408


@dataclass(frozen=True, slots=True)
class Convolutions:
    """Convolutions of 3 x 3, each of stride 2, with group normalisation; for images of a few pixels."""

    size: int
    channels: tuple[int, ...]
    groups: int = 8


@dataclass(frozen=True, slots=True)
class BagOfWords:
    """The mean of learned vectors of a text's words, found by a hash in a table; no order, no tokens."""

    words: int  # of a text that count, the first ones
    table: int  # rows, the one for "no word" included
    width: int


@dataclass(frozen=True, slots=True)
class Pixels:
    """From an image to numbers: how it is made square, cropped at random in training, and scaled.

    With `margin` 0, DataComp's way: training takes a random part of the image (torchvision's RandomResizedCrop), and
    evaluation its middle, the shorter side resized. Otherwise the image is squashed to `size + margin` pixels, from
    which training cuts `size` x `size` at a random place, and evaluation squashes to `size`.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    crop_area: tuple[float, float] = (0.9, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    margin: int = 0  # pixels
    interpolation: str = "bicubic"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A dual encoder with all that fixes it but its weights. `name` is open_clip's, where open_clip knows the model."""

    name: str
    dimension: int  # of the space that images and texts share
    image: Vit | Convolutions
    text: TextTransformer | BagOfWords
    pixels: Pixels
    word_dropout: float = 0.0  # the share of a caption's words that training leaves out at random
    logit_scale: float = math.log(1 / 0.07)  # at the beginning
    max_logit_scale: float = math.log(100)

    def __post_init__(self) -> None:
        if isinstance(self.image, Vit) != isinstance(self.text, TextTransformer):
            raise ValueError("open_clip's towers come together, and so do the small ones")
        if self.word_dropout and not isinstance(self.text, BagOfWords):
            raise ValueError("words are left out of bags of words alone")


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale: the model, the optimizer (AdamW) and its schedule (linear warm-up, cosine to 0), and the sampling.

    Weights decay but for those of fewer than two dimensions: biases, norms, the logit scale.
    """

    name: str
    model: ModelConfig
    batch: int  # pairs a step, over all processes
    samples: int  # to be seen; the last batch is filled up
    learning_rate: float
    warmup: int  # steps
    precision: Precision
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-6
    weight_decay: float = 0.2
    sampling: Sampling = "resampled"
    gradient_checkpointing: bool = True  # changes memory and speed, not what is learnt

    @property
    def steps(self) -> int:
        """The number of steps, whole batches."""
        return -(-self.samples // self.batch)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0, as open_clip's cosine schedule has it."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        return 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / (self.steps - self.warmup))) * self.learning_rate


_CLIP_PIXELS = Pixels(mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711))
_VIT_B_32 = ModelConfig(
    "ViT-B-32", 512, Vit(224, 32, 12, 768), TextTransformer(width=512, heads=8, layers=12), _CLIP_PIXELS
)
_VIT_B_16 = dataclasses.replace(_VIT_B_32, name="ViT-B-16", image=Vit(224, 16, 12, 768))
_VIT_L_14 = ModelConfig(
    "ViT-L-14", 768, Vit(224, 14, 24, 1024), TextTransformer(width=768, heads=12, layers=12), _CLIP_PIXELS
)

_DEMO_MODEL = ModelConfig(
    "demo",
    128,
    Convolutions(32, (24, 48, 96, 160)),
    BagOfWords(words=16, table=16384, width=128),
    Pixels(mean=(0.75, 0.75, 0.75), std=(0.25, 0.25, 0.25), margin=4),
    word_dropout=0.3,
)

SCALES: dict[str, Scale] = {
    scale.name: scale
    for scale in (
        Scale(
            "demo",
            _DEMO_MODEL,
            batch=256,
            samples=102_400,
            learning_rate=2e-3,
            warmup=20,
            precision="fp32",
            weight_decay=0.1,
            sampling="permute",
            gradient_checkpointing=False,
        ),
        # DataComp's `debug` ends within its warm-up: its learning rate never reaches 1e-4.
        Scale("debug", _VIT_B_32, 1024, 128_000, 1e-4, 500, "amp"),
        Scale("small", _VIT_B_32, 4096, 12_800_000, 5e-4, 500, "amp"),
        Scale("medium", _VIT_B_32, 4096, 128_000_000, 5e-4, 500, "amp"),
        Scale("large", _VIT_B_16, 8192, 1_280_000_000, 5e-4, 500, "amp"),
        Scale("xlarge", _VIT_L_14, 90112, 12_800_000_000, 1e-3, 10_000, "amp_bf16", beta2=0.95),
    )
}


def scale_named(name: str) -> Scale:
    """Return a scale. Raises RunError for a name that is none."""
    if name in SCALES:
        return SCALES[name]
    near = did_you_mean(name, SCALES)
    raise RunError(
        Diagnostic(
            "E1101",
            f"no scale `{name}`",
            None,
            f"the scales are {', '.join(SCALES)}",
            (f"did you mean `{near}`?",) if near else (),
        )
    )


def plain(value: Any) -> Any:
    """Return settings as plain data for a digest or JSON: dataclasses as dicts with their kind, floats as hex text."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    match value:
        case float():
            return value.hex()
        case tuple() | list():
            return [plain(item) for item in value]
        case _:
            return value


_KINDS = {kind.__name__: kind for kind in (Vit, TextTransformer, Convolutions, BagOfWords, Pixels, ModelConfig)}


def model_of(data: Any) -> ModelConfig:
    """Return the settings of a model from what `plain` made of them. Raises ValueError for anything else."""
    try:
        model = _from_plain(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no settings of a model: {error}") from error
    if not isinstance(model, ModelConfig):
        raise ValueError("no settings of a model")
    return model


def _from_plain(value: Any) -> Any:
    match value:
        case dict():
            return _KINDS[value["kind"]](**{name: _from_plain(item) for name, item in value.items() if name != "kind"})
        case list():
            return tuple(_from_plain(item) for item in value)
        case str() if value.startswith(("0x", "-0x")):
            return float.fromhex(value)
        case _:
            return value
