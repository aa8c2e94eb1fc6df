"""Stage 4: the pixels of a row; every row is a rendering of its own."""

import colorsys
import io

import numpy as np
from faults import REENCODED_QUALITY, SIDE, WEBP_QUALITY
from PIL import Image, ImageDraw


def tint(rng: np.random.Generator) -> tuple[int, int, int]:
    """Choose a light background colour."""
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.02, 0.35), rng.uniform(0.75, 1.0))
    return round(red * 255), round(green * 255), round(blue * 255)


def place(drawing: Image.Image, rng: np.random.Generator, width: int = SIDE, height: int = SIDE) -> Image.Image:
    """Draw on a tinted background, scaled by .72 to 1, tilted by up to 12 degrees, shifted."""
    side = max(4, round(min(width, height) * rng.uniform(0.72, 1.0)))
    tilted = drawing.resize((side, side), Image.Resampling.BICUBIC).rotate(
        rng.uniform(-12, 12), Image.Resampling.BICUBIC
    )
    canvas = Image.new("RGB", (width, height), tint(rng))
    at = (int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1)))
    canvas.paste(tilted, at, tilted)
    return canvas


def pattern(rng: np.random.Generator) -> Image.Image:
    """Draw an RGBA square of random bars, discs or lines that shows no concept."""
    image = Image.new("RGBA", (SIDE, SIDE), (*tint(rng), 255))
    draw = ImageDraw.Draw(image)
    kind = rng.integers(3)
    for _ in range(int(rng.integers(3, 9))):
        left, top, right, bottom = (int(v) for v in rng.integers(0, SIDE, 4))
        left, right = sorted((left, right))
        top, bottom = sorted((top, bottom))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        if kind == 0:
            draw.rectangle((left, top, right, bottom), fill=colour)
        elif kind == 1:
            draw.ellipse((left, top, right, bottom), fill=colour)
        else:
            draw.line((left, bottom, right, top), fill=colour, width=int(rng.integers(1, 6)))
    return image


def webp(image: Image.Image, quality: int = WEBP_QUALITY) -> bytes:
    """Encode as lossy WebP."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=6)
    return buffer.getvalue()


def reencode(image: bytes, rng: np.random.Generator) -> bytes:
    """Decode and encode again at a lower quality, as a copy of a copy would be."""
    with Image.open(io.BytesIO(image)) as opened:
        return webp(opened.convert("RGB"), int(rng.integers(REENCODED_QUALITY[0], REENCODED_QUALITY[1] + 1)))
