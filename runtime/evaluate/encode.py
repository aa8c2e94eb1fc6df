"""Images and texts to embeddings, and class names to a zero-shot classifier."""

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError
from dcql.extras import missing
from dcql.images import FORMATS

Floats = NDArray[np.float32]
Tagged = TypeVar("Tagged")

# Some sets hold images of another format than their names say.
_FORMATS = (*FORMATS, "GIF", "BMP")
BATCH = 64  # as DataComp's; another size may change the last bits of an embedding
_CHUNK = 256  # texts that are encoded together, at least


class Model(Protocol):
    """What is asked of a model: dcql.runtime.clip_model.ClipModel has it."""

    @property
    def module(self) -> Any:
        """A torch.nn.Module with encode_image and encode_text."""

    @property
    def eval_image(self) -> Callable[[Any], Any]:
        """A function of a PIL.Image that gives float32 (3, side, side)."""

    @property
    def tokenize(self) -> Callable[[Sequence[str]], Any]:
        """A function of n texts that gives int64 (n, context)."""


class Encoder:
    """A model that encodes: in float32, in batches of one size, on one device. Close it, or use it as a context."""

    def __init__(self, model: Model, device: str = "cpu", *, batch: int = BATCH, threads: int = 4) -> None:
        """Move the model to `device`; decode images on `threads` threads. Raises RunError where torch is missing."""
        try:
            import torch
        except ImportError as error:
            raise missing("dcql eval", "runtime", error) from error
        self._torch = torch
        self._model = model
        self._module = model.module.to(device)
        self._device = device
        self._batch = batch
        self._threads = ThreadPoolExecutor(threads)
        self._ahead = 1 + -(-threads // batch)  # batches that are decoded before they are asked for
        self._was = (model.module.training, torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
        self._module.eval()
        # TF32 keeps 10 bits of a float32: enough to turn near ties on one card and not on another.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False

    def __enter__(self) -> "Encoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads and leave torch and the model as they were."""
        self._threads.shutdown(cancel_futures=True)
        training, self._torch.backends.cudnn.allow_tf32, self._torch.backends.cuda.matmul.allow_tf32 = self._was
        self._module.train(training)

    def texts(self, texts: Sequence[str]) -> Floats:
        """Return the embeddings of texts, (len(texts), d), of length 1."""
        with self._torch.inference_mode():
            found = [
                self._unit(self._module.encode_text(self._model.tokenize(texts[at : at + _CHUNK]).to(self._device)))
                for at in range(0, len(texts), _CHUNK)
            ]
        return np.concatenate(found)

    def classifier(self, classnames: Sequence[str], templates: Sequence[str]) -> Floats:
        """Return a row of length 1 for each class, (classes, d): the mean of its texts' embeddings.

        A class's texts are its name in each template (CLIP, section 3.1.4).
        """
        rows = []
        together = max(1, _CHUNK // len(templates))
        for at in range(0, len(classnames), together):
            names = classnames[at : at + together]
            texts = [template.replace("{c}", name) for name in names for template in templates]
            means = self.texts(texts).reshape(len(names), len(templates), -1).mean(axis=1)
            rows.append(means / np.linalg.norm(means, axis=1, keepdims=True))
        return np.concatenate(rows).astype(np.float32)

    def images(
        self, images: Iterable[tuple[Tagged, bytes]], failed: Callable[[Tagged, str], None]
    ) -> Iterator[tuple[list[Tagged], Floats]]:
        """Yield tags and embeddings, (up to a batch, d) of length 1, in order; decoding runs ahead on the threads.

        An image that cannot be decoded is told to `failed` with the reason, and left out.
        """
        ahead: deque[list[tuple[Tagged, Future[Any]]]] = deque()
        for batch in _batches(images, self._batch):
            ahead.append([(tag, self._threads.submit(self._prepare, content)) for tag, content in batch])
            if len(ahead) > self._ahead:
                yield from self._encode(ahead.popleft(), failed)
        while ahead:
            yield from self._encode(ahead.popleft(), failed)

    def _encode(
        self, batch: list[tuple[Tagged, Future[Any]]], failed: Callable[[Tagged, str], None]
    ) -> Iterator[tuple[list[Tagged], Floats]]:
        tags, tensors = [], []
        for tag, future in batch:
            found = future.result()
            if isinstance(found, str):
                failed(tag, found)
                continue
            tags.append(tag)
            tensors.append(found)
        if tags:
            with self._torch.inference_mode():
                yield tags, self._unit(self._module.encode_image(self._torch.stack(tensors).to(self._device)))

    def _prepare(self, content: bytes) -> Any:
        image = open_image(content)
        return image if isinstance(image, str) else self._model.eval_image(image)

    def _unit(self, embeddings: Any) -> Floats:
        unit = self._torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy()
        if not np.isfinite(unit).all():
            raise RunError(
                Diagnostic(
                    "E1206",
                    "the model gives numbers that are not finite",
                    None,
                    "an embedding holds NaN or infinity",
                    ("look at the loss in log.jsonl, and train again",),
                )
            )
        found: Floats = unit.astype(np.float32, copy=False)
        return found


def open_image(content: bytes) -> Any:
    """Return an image as a decoded PIL.Image of mode RGB, or the reason, a text, why it cannot be decoded.

    Sets of an evaluation are chosen by whoever evaluates, and some of their images are large: the limit is PIL's own,
    179 million pixels. Raises RunError where PIL is missing.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise missing("dcql eval", "runtime", error) from error
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
            return opened.convert("RGB")
    except Exception as error:  # what a damaged file raises depends on its decoder
        return (str(error) or type(error).__name__).splitlines()[0][:100]


def choose_device(named: str) -> str:
    """Return the device that `auto`, `cpu` or `cuda` means here. Raises RunError for `cuda` where there is none."""
    try:
        import torch
    except ImportError as error:
        raise missing("dcql eval", "runtime", error) from error
    if named == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if named == "cuda" and not torch.cuda.is_available():
        reason = "torch finds no CUDA device"
        raise RunError(Diagnostic("E1211", "no device `cuda`", None, reason, ("use `--device cpu`",)))
    return named


def _batches(items: Iterable[Tagged], size: int) -> Iterator[list[Tagged]]:
    batch: list[Tagged] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
