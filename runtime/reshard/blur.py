"""Faces made unrecognisable, as img2dataset does it where DataComp's pools are downloaded.

Each box is widened on all sides by a tenth of its longer side and cut off at the image. The image and a mask of the
boxes are blurred with one Gaussian, whose deviation is a tenth of the longest side of the boxes as given; the blurred
image shows where the blurred mask does. What was blurred is WebP at quality 100.
"""

import functools
import io
import math
from collections.abc import Sequence
from pathlib import Path

from dcql.digest import sha256_file
from dcql.extras import missing
from dcql.images import open_rgb

Box = tuple[float, float, float, float]  # left, top, right, bottom, relative to the image

_WIDER = 0.1
_DEVIATION = 0.1
_QUALITY = 100


@functools.cache
def identity() -> dict[str, str | int]:
    """Return what decides the bytes of a blurred image: this file, and the versions that decode and encode.

    Raises RunError where PIL is missing.
    """
    try:
        import PIL
        from PIL import features
    except ImportError as error:
        raise missing("--blur apply", "runtime", error) from error
    versions = {f"blur_{name}": str(features.version(name)) for name in ("webp", "jpg", "zlib")}
    return {
        "blur_sha256": sha256_file(Path(__file__)),
        "blur_quality": _QUALITY,
        "blur_pillow": PIL.__version__,
    } | versions


def blur(image: bytes, boxes: Sequence[Box]) -> bytes | str:
    """Return an encoded image with its boxes blurred, as WebP, or the reason, a text, why it cannot be decoded.

    The pixels of transparent images are shown as they are, and an orientation in EXIF is not applied: boxes belong to
    the pixels as they are stored.
    """
    from PIL import Image, ImageDraw, ImageFilter

    opened = open_rgb(image)
    if isinstance(opened, str):
        return opened
    width, height = opened.size
    mask = Image.new("L", opened.size)
    longest = 0
    for left, top, right, bottom in boxes:
        x0, y0, x1, y1 = int(left * width), int(top * height), int(right * width), int(bottom * height)
        side = max(x1 - x0, y1 - y0)
        longest = max(longest, side)
        more = _WIDER * side
        x0, y0 = max(0, int(x0 - more)), max(0, int(y0 - more))
        x1, y1 = min(width, int(x1 + more)), min(height, int(y1 + more))
        if x0 < x1 and y0 < y1:
            # PIL's rectangles hold their last row and column.
            ImageDraw.Draw(mask).rectangle((x0, y0, x1 - 1, y1 - 1), fill=255)
    gaussian = ImageFilter.GaussianBlur(_DEVIATION * longest)
    shown = Image.composite(opened.filter(gaussian), opened, mask.filter(gaussian))
    encoded = io.BytesIO()
    shown.save(encoded, "WEBP", quality=_QUALITY)
    return encoded.getvalue()


def boxes_of(stated: object) -> list[Box] | None:
    """Return the boxes of a `face_bboxes`, a list of lists of four numbers; None where it is something else.

    Coordinates beyond the image are cut to it: they are 0 to 1.
    """
    if not isinstance(stated, list):
        return None
    found: list[Box] = []
    for box in stated:
        if not isinstance(box, list) or len(box) != 4:
            return None
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in box):
            return None
        left, top, right, bottom = (min(1.0, max(0.0, float(number))) for number in box)
        found.append((left, top, right, bottom))
    return found
