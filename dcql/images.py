"""Encoded images to pixels. A file that cannot be decoded is a reason, never an exception."""

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.extras import missing

MAX_PIXELS = 1 << 25  # 100 MB as RGB; DataComp's images are 512 pixels wide or high at most
# A narrow image becomes huge where its short side is enlarged, as CLIP does. DataComp's images are 512 x 1 at most.
MAX_ASPECT = 512
FORMATS = ("WEBP", "JPEG", "PNG")
_QUALITY = 72  # of a thumbnail

NO_IMAGE = "no image"


def decode(image: bytes | None) -> NDArray[np.uint8] | str:
    """Return an image as RGB, (height, width, 3) uint8, or the reason why it cannot be decoded.

    Transparency is dropped, an orientation in EXIF is not applied, and of an animation the first picture is taken:
    what open_clip does with an image. Raises RunError where PIL is missing.
    """
    opened = open_rgb(image)
    return opened if isinstance(opened, str) else np.array(opened, np.uint8)


def open_rgb(image: bytes | None) -> Any:
    """Return an image as a decoded PIL.Image of mode RGB, or the reason, a text, why it cannot be decoded.

    The size that a file declares is looked at before anything is decoded. Raises RunError where PIL is missing.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise missing("images", "clip", error) from error
    if image is None:
        return NO_IMAGE
    try:
        with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                return f"too large: {width} x {height} pixels"
            if max(width, height) > MAX_ASPECT * min(width, height):
                return f"too narrow: {width} x {height} pixels"
            return opened.convert("RGB")
    except UnidentifiedImageError:
        return "neither WebP, JPEG nor PNG"
    except Image.DecompressionBombError:
        return "too large"
    except MemoryError:
        return "not enough memory"
    except Exception as error:  # what a damaged file raises depends on its decoder
        text = (str(error) or type(error).__name__).splitlines()[0]
        return f"damaged: {text[:100]}"


def thumbnail(image: bytes | None, side: int) -> tuple[bytes, int, int] | str:
    """Return a small copy of an image as WebP with its width and height, or the reason why there is none.

    Neither side is longer than `side`; nothing is enlarged, and nothing but the picture is taken over. Raises RunError
    where PIL is missing.
    """
    opened = open_rgb(image)
    if isinstance(opened, str):
        return opened
    opened.thumbnail((side, side))
    written = io.BytesIO()
    opened.save(written, "WEBP", quality=_QUALITY, method=4)
    return written.getvalue(), opened.width, opened.height


def pixels(image: bytes | None, side: int) -> NDArray[np.uint8] | str:
    """Return a small copy of an image as RGB, (height, width, 3) uint8, or the reason why there is none.

    Neither side is longer than `side`; nothing is enlarged. Raises RunError where PIL is missing.
    """
    opened = open_rgb(image)
    if isinstance(opened, str):
        return opened
    opened.thumbnail((side, side))
    return np.array(opened, np.uint8)


class Decoder:
    """Decodes many images on several threads, each into an array of one shape."""

    def __init__(self, prepare: Callable[[Any], NDArray[Any]], threads: int | None = None) -> None:
        """Take what makes an array out of a PIL.Image of mode RGB, for every image alike."""
        self._prepare = prepare
        self._threads = ThreadPoolExecutor(threads or min(16, os.cpu_count() or 1))

    def __call__(self, images: Sequence[bytes | None]) -> tuple[list[NDArray[Any] | None], dict[int, str]]:
        """Return an array for each image, None for those that cannot be decoded, and the reasons by position."""
        arrays: list[NDArray[Any] | None] = []
        failures: dict[int, str] = {}
        for position, found in enumerate(self._threads.map(self._one, images)):
            arrays.append(None if isinstance(found, str) else found)
            if isinstance(found, str):
                failures[position] = found
        return arrays, failures

    def _one(self, image: bytes | None) -> NDArray[Any] | str:
        opened = open_rgb(image)
        if isinstance(opened, str):
            return opened
        try:
            return self._prepare(opened)
        except Exception as error:  # one image never stops the others
            return f"cannot be prepared: {type(error).__name__}"
