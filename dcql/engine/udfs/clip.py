"""CLIP: the similarity of image and caption, and the embedding of either.

Options of the three loaders:

    model        'demo_l14' or 'demo_b32', the tiny CLIPs that scored the demo pool, or the name of an architecture of
                 open_clip, as 'ViT-B-32'
    pretrained   for open_clip: the tag whose preprocessing and activation the weights were trained with, as 'openai';
                 only open_clip's table is looked up, nothing is downloaded. Without it, open_clip's defaults
    device       'auto' (a CUDA device where there is one), 'cpu', 'cuda' or 'cuda:1'

Weights of open_clip models are a local file that holds tensors only; no code in it is run. The arithmetic is float32
without TF32, on deterministic algorithms, in batches of one size, the last one padded.
"""

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql import torchvision_remedy
from dcql.engine.udfs.answers import Answers
from dcql.errors import Diagnostic, RunError, did_you_mean
from dcql.extras import missing
from dcql.images import Decoder

Options = Mapping[str, int | float | str]

DEMO = {"demo_b32": "b32", "demo_l14": "l14"}
DEMO_BATCH = 256
BATCH = 64  # part of what an open_clip model answers: another one can change the last bits
DEVICE_TOLERANCE = 1e-4  # how far a cosine on one device may be from that on another
NOT_A_NUMBER = "the model gave no number"

_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True, slots=True)
class Encoder:
    """A dual encoder with its weights.

    `prepare` makes an array of one shape out of a PIL.Image of mode RGB, `tokenize` (n, length) int64 out of n texts.
    `encode_image` and `encode_text` take a tensor of `batch` of these and give (batch, dimension), L2-normalised.
    """

    prepare: Callable[[Any], NDArray[Any]]
    tokenize: Callable[[list[str]], NDArray[np.int64]]
    encode_image: Callable[[Any], Any]
    encode_text: Callable[[Any], Any]
    dimension: int
    batch: int
    device: str

    def images(self, images: Sequence[bytes | None], decode: Decoder) -> tuple[NDArray[np.float32], dict[int, str]]:
        """Return (n, dimension) float32, 0 for images that give nothing, and the reasons for these by position."""
        rows = np.zeros((len(images), self.dimension), np.float32)
        failures: dict[int, str] = {}
        for start in range(0, len(images), self.batch):
            arrays, reasons = decode(images[start : start + self.batch])
            failures |= {start + position: reason for position, reason in reasons.items()}
            shown = [start + position for position, array in enumerate(arrays) if array is not None]
            if shown:
                stacked = np.stack([array for array in arrays if array is not None])
                rows[shown] = self._encode(self.encode_image, stacked)
        return rows, failures

    def texts(self, texts: Sequence[str | None]) -> NDArray[np.float32]:
        """Return (n, dimension) float32, 0 for NULL."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        written = [position for position, text in enumerate(texts) if text is not None]
        for start in range(0, len(written), self.batch):
            part = written[start : start + self.batch]
            rows[part] = self._encode(self.encode_text, self.tokenize([str(texts[position]) for position in part]))
        return rows

    def _encode(self, encode: Callable[[Any], Any], rows: NDArray[Any]) -> NDArray[np.float32]:
        """Encode up to `batch` rows as a whole batch: with fewer, other kernels would give other last bits."""
        import torch

        padded = np.zeros((self.batch, *rows.shape[1:]), rows.dtype)
        padded[: len(rows)] = rows
        with _exact(), torch.inference_mode():
            encoded = encode(torch.from_numpy(padded).to(self.device))
        found: NDArray[np.float32] = encoded.float().cpu().numpy()[: len(rows)]
        return found


class ClipScore:
    """The cosine of image and caption, float32."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._decode = Decoder(encoder.prepare)

    def __call__(self, images: Sequence[bytes | None], texts: Any) -> Answers:
        """Score n images against n captions, a pyarrow array; NULL where either is missing."""
        seen, failures = self._encoder.images(images, self._decode)
        written = texts.to_pylist()
        read = self._encoder.texts(written)
        cosines = np.einsum("nd,nd->n", seen.astype(np.float64), read.astype(np.float64)).astype(np.float32)
        absent = {position for position, text in enumerate(written) if text is None}
        return _answers(cosines[:, None], failures, absent, scalar=True)


class ClipImage:
    """The embedding of an image: a list of floats of one length, L2-normalised."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._decode = Decoder(encoder.prepare)

    def __call__(self, images: Sequence[bytes | None]) -> Answers:
        """Embed n images; NULL where one is missing or cannot be decoded."""
        rows, failures = self._encoder.images(images, self._decode)
        return _answers(rows, failures, set(), scalar=False)


class ClipText:
    """The embedding of a caption: a list of floats of one length, L2-normalised."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def __call__(self, texts: Any) -> Answers:
        """Embed n captions, a pyarrow array; NULL for NULL."""
        written = texts.to_pylist()
        absent = {position for position, text in enumerate(written) if text is None}
        return _answers(self._encoder.texts(written), {}, absent, scalar=False)


def load_clip_score(*, weights: Path | None, assets: Mapping[str, NDArray[Any]], options: Options) -> ClipScore:
    """Return (IMAGE, TEXT) -> FLOAT, the cosine similarity, by the model that the options name.

    `weights` is None for the demo pool's models. Raises RunError for missing packages, options or weights.
    """
    return ClipScore(_encoder("clip_score", weights, options))


def load_clip_image(*, weights: Path | None, assets: Mapping[str, NDArray[Any]], options: Options) -> ClipImage:
    """Return IMAGE -> EMBEDDING by the model that the options name; see load_clip_score."""
    return ClipImage(_encoder("clip_image", weights, options))


def load_clip_text(*, weights: Path | None, assets: Mapping[str, NDArray[Any]], options: Options) -> ClipText:
    """Return TEXT -> EMBEDDING by the model that the options name; see load_clip_score."""
    return ClipText(_encoder("clip_text", weights, options))


def packaged_weights(name: str) -> Path | None:
    """Return the file of the demo pool's model called `name`, such as 'model_l14.npz'."""
    path = Path(str(files("dcql.demo") / "data" / name))
    return path if path.is_file() else None


def _encoder(model: str, weights: Path | None, options: Options) -> Encoder:
    unknown = sorted(set(options) - {"model", "pretrained", "device"})
    if unknown:
        raise _option(unknown[0], options[unknown[0]], "there is no such option", "model, pretrained and device are")
    name = str(options.get("model", ""))
    try:
        device = _device(str(options.get("device", "auto")))
        if name in DEMO:
            return _demo(DEMO[name], weights, device)
        return _open_clip(name, weights, str(options.get("pretrained", "")), device)
    except ImportError as error:
        raise missing(model, "clip", error) from error


def _device(named: str) -> str:
    import torch

    if re.fullmatch(r"auto|cpu|cuda(:\d+)?", named) is None:
        raise _option("device", named, "no such device", "'auto', 'cpu', 'cuda' and 'cuda:1' are devices")
    if named == "cpu" or (named == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available() or int(named.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise _option("device", named, "torch finds no such device here", "write device='auto'")
    # cuBLAS is deterministic only with a workspace of its own, which it reads once, before it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return "cuda" if named == "auto" else named


def _demo(name: str, weights: Path | None, device: str) -> Encoder:
    # mypy does not know where package-dir maps dcql.demo to.
    from dcql.demo import model as demo  # type: ignore[import-not-found]

    if weights is not None and weights.name != f"model_{name}.npz":
        raise _weights(weights, f"the demo pool's model is called model_{name}.npz", "leave WEIGHTS out")
    try:
        model = demo.load(name) if weights is None else demo.load(name, weights.parent)
    except ImportError:
        raise
    except Exception as error:  # a damaged file can fail in zipfile, in numpy or in torch
        raise _weights(weights or Path(f"model_{name}.npz"), _first_line(error), "install dcql again") from error
    model.to(device)
    table = demo.SETTINGS[name].table
    return Encoder(
        prepare=demo.squash,
        tokenize=lambda texts: demo.word_ids(texts, table),
        encode_image=model.encode_image,
        encode_text=model.encode_text,
        dimension=demo.SETTINGS[name].dimension,
        batch=DEMO_BATCH,
        device=device,
    )


def _open_clip(name: str, weights: Path | None, tag: str, device: str) -> Encoder:
    torchvision_remedy.apply()
    import open_clip
    from open_clip.transform import PreprocessCfg, image_transform_v2

    known = open_clip.list_models()
    if name not in known:
        meant = did_you_mean(name, [*known, *DEMO])
        advice = f"did you mean '{meant}'?" if meant else "name a model of `open_clip.list_models()`, as 'ViT-B-32'"
        raise _option("model", name, "open_clip has no such architecture", advice)
    described = open_clip.get_model_config(name)
    text = described["text_cfg"]
    if text.get("hf_tokenizer_name") or text.get("hf_model_name") or "siglip" in name.lower():
        advice = "name a model that reads text with CLIP's own vocabulary, as 'ViT-B-32'"
        raise _option("model", name, "its vocabulary is not part of open_clip and would be downloaded", advice)
    trained = open_clip.get_pretrained_cfg(name, tag) if tag else {}
    if tag and not trained:
        advice = f"tags of '{name}': {', '.join(open_clip.list_pretrained_tags_by_model(name)) or 'none'}"
        raise _option("pretrained", tag, f"open_clip has no such weights of '{name}'", advice)
    if weights is None:
        raise _weights(Path("clip"), "no file is named", f"name the file with the weights of '{name}': WEIGHTS '..'")
    with _quiet():
        model = open_clip.create_model(
            name,
            precision="fp32",
            device="cpu",
            pretrained_text=False,
            force_quick_gelu=bool(trained.get("quick_gelu", False)),
            force_preprocess_cfg={key: trained[key] for key in _PREPROCESSING if key in trained},
        )
    _fill(model, weights)
    model.eval().to(device)
    transform = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    tokenizer = open_clip.get_tokenizer(name)
    return Encoder(
        prepare=lambda image: np.asarray(transform(image).numpy(), np.float32),
        tokenize=lambda texts: np.asarray(tokenizer(texts).numpy(), np.int64),
        encode_image=lambda images: model.encode_image(images, normalize=True),
        encode_text=lambda tokens: model.encode_text(tokens, normalize=True),
        dimension=int(described["embed_dim"]),
        batch=BATCH,
        device=device,
    )


def _fill(model: Any, path: Path) -> None:
    """Load weights into an open_clip model, every one of them; raise RunError where they do not fit."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    try:
        # What open_clip does with older forms of its own and with other projects' weights.
        state = convert_state_dict(model, _tensors(path))
        if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
            state = convert_to_custom_text_state_dict(state)
        for name in ("logit_scale", "logit_bias"):
            if name in state and getattr(model, name, None) is not None:
                state[name] = state[name].reshape(getattr(model, name).shape)
        model.load_state_dict(state, strict=True)
    except RunError:
        raise
    except Exception as error:  # a file of another form can fail anywhere in torch
        raise _weights(path, _first_line(error), "name the weights of this very architecture") from error


def _tensors(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise _weights(path, "there is no such file", "check the path")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state: Any = load_file(path)
    elif path.suffix in (".pt", ".pth", ".bin"):
        import torch

        # weights_only: an unpickler that makes tensors and plain containers, and refuses everything else.
        state = torch.load(path, map_location="cpu", weights_only=True)
    else:
        raise _weights(path, f"`{path.suffix}` is not a form that is read", "convert it to .safetensors")
    state = state.get("state_dict", state)
    return {str(name).removeprefix("module."): value for name, value in state.items()}


@contextlib.contextmanager
def _exact() -> Iterator[None]:
    """Make torch exact for a while: deterministic algorithms, float32 as it is, no search for the fastest kernel."""
    import torch

    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
    )
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.set_float32_matmul_precision(before[2])
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before[3:]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip from warning that a model without weights is made: they come right after."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _answers(rows: NDArray[np.float32], failures: dict[int, str], absent: set[int], *, scalar: bool) -> Answers:
    """Return `rows`, (n, width), as numbers or as lists; NULL for samples that failed and for those without a text."""
    import pyarrow as pa

    unknown = np.zeros(len(rows), np.bool_)
    unknown[[*failures, *absent]] = True
    wrong = ~np.isfinite(rows).all(axis=1) & ~unknown
    failures |= dict.fromkeys(np.flatnonzero(wrong).tolist(), NOT_A_NUMBER)
    unknown |= wrong
    if scalar:
        return Answers(pa.array(rows[:, 0], pa.float32(), mask=unknown), failures)
    flat = pa.array(np.where(unknown[:, None], np.float32(0), rows).ravel(), pa.float32())
    return Answers(pa.FixedSizeListArray.from_arrays(flat, rows.shape[1], mask=pa.array(unknown)), failures)


def _option(option: str, value: object, reason: str, advice: str) -> RunError:
    return RunError(Diagnostic("E0644", f"a CLIP model cannot have {option}='{value}'", None, reason, (advice,)))


def _weights(path: Path, reason: str, advice: str) -> RunError:
    return RunError(Diagnostic("E0643", f"`{path}` cannot be loaded as weights", None, reason, (advice,)))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
