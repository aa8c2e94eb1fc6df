"""Encoded images to pixels: what is decoded, and the reason for what is not."""

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from dcql import images
from dcql.images import MAX_PIXELS, NO_IMAGE, Decoder, decode

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def encoded(array: Any, format: str, mode: str | None = None, **options: Any) -> bytes:
    """Encode pixels as a file."""
    buffer = io.BytesIO()
    made = Image.fromarray(array)
    (made.convert(mode) if mode else made).save(buffer, format, **options)
    return buffer.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG that declares a size, and holds only the chunks given."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in ((b"IHDR", header), *chunks, (b"IEND", b"")))


@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_files_give_their_pixels(format: str, options: dict[str, Any]) -> None:
    found = decode(encoded(PIXELS, format, **options))
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.uint8
    assert np.array_equal(found, PIXELS)


def test_a_jpeg_gives_nearly_its_pixels() -> None:
    smooth = np.broadcast_to(np.arange(60, dtype=np.uint8)[None, :, None] * 4, (40, 60, 3))
    found = decode(encoded(smooth, "JPEG", quality=95))
    assert isinstance(found, np.ndarray)
    assert np.abs(found.astype(int) - smooth).max() < 16


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        ("PNG", "L"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("PNG", "RGBA"),
        ("PNG", "LA"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGBA"),
    ],
)
def test_every_mode_becomes_rgb(format: str, mode: str) -> None:
    found = decode(encoded(PIXELS, format, mode))
    assert isinstance(found, np.ndarray)
    assert (found.shape, found.dtype) == (PIXELS.shape, np.uint8)


def test_the_first_picture_of_an_animation_counts() -> None:
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    buffer = io.BytesIO()
    first.save(buffer, "WEBP", save_all=True, append_images=[second], lossless=True)
    found = decode(buffer.getvalue())
    assert isinstance(found, np.ndarray)
    assert found[0, 0].tolist() == [255, 0, 0]


def test_a_missing_image() -> None:
    assert decode(None) == NO_IMAGE


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"<html>404</html>", b"\x89PNG", b"RIFF\0\0\0\0WEBP", b"\xff\xd8\xff"]
)
def test_what_is_no_image(content: bytes) -> None:
    assert isinstance(decode(content), str)


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_not_opened(format: str) -> None:
    assert decode(encoded(PIXELS, format)) == "neither WebP, JPEG nor PNG"


@pytest.mark.parametrize("size", [(100_000, 100_000), (1 << 30, 1 << 30), (MAX_PIXELS + 1, 1)])
def test_a_png_that_declares_too_many_pixels(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("it was decoded"))
    found = decode(png(*size, (b"IDAT", zlib.compress(bytes(100)))))
    assert isinstance(found, str)
    assert found.startswith("too large")


def test_a_webp_that_declares_too_many_pixels() -> None:
    canvas = (
        b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16_777_215).to_bytes(3, "little") + (200).to_bytes(3, "little")
    )
    content = b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas
    assert isinstance(decode(content), str)


def test_the_most_pixels_that_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 60)
    assert isinstance(decode(encoded(PIXELS, "PNG")), np.ndarray)
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 60 - 1)
    assert decode(encoded(PIXELS, "PNG")) == "too large: 60 x 40 pixels"


def test_an_image_too_narrow_to_be_enlarged() -> None:
    assert isinstance(decode(encoded(np.zeros((1, 512, 3), np.uint8), "PNG")), np.ndarray)
    assert decode(encoded(np.zeros((1, 513, 3), np.uint8), "PNG")) == "too narrow: 513 x 1 pixels"
    assert decode(encoded(np.zeros((5000, 2, 3), np.uint8), "PNG")) == "too narrow: 2 x 5000 pixels"


def test_a_png_whose_text_unpacks_to_much() -> None:
    bomb = b"key\0\0" + zlib.compress(bytes(200 << 20))
    assert isinstance(decode(png(8, 8, (b"zTXt", bomb))), str)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_file_is_a_reason(format: str) -> None:
    whole = encoded(PIXELS, format)
    for part in (0.2, 0.5, 0.9):
        found = decode(whole[: int(len(whole) * part)])
        assert isinstance(found, str)
        assert 0 < len(found) < 120


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_damaged_file_never_raises(format: str) -> None:
    whole = encoded(PIXELS, format)
    chance = random.Random(format)
    for _ in range(300):
        mutated = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            mutated[chance.randrange(min(len(mutated), 400))] = chance.randrange(256)
        found = decode(bytes(mutated))
        assert isinstance(found, str) or (found.ndim == 3 and found.shape[2] == 3)


def test_many_images_keep_their_places() -> None:
    files = [encoded(np.full((4, 4, 3), value, np.uint8), "PNG") for value in range(50)]
    mixed: list[bytes | None] = [*files[:20], None, b"nonsense", *files[20:]]
    arrays, failures = Decoder(lambda image: np.asarray(image), threads=4)(mixed)
    assert failures == {20: NO_IMAGE, 21: "neither WebP, JPEG nor PNG"}
    assert [array is None for array in arrays] == [at in failures for at in range(len(mixed))]
    assert [int(array[0, 0, 0]) for array in arrays if array is not None] == list(range(50))


def test_an_image_that_cannot_be_prepared_stops_no_other() -> None:
    def prepare(image: Any) -> Any:
        if image.size[0] == 1:
            raise ZeroDivisionError
        return np.asarray(image)

    narrow = encoded(np.zeros((9, 1, 3), np.uint8), "PNG")
    arrays, failures = Decoder(prepare)([narrow, encoded(PIXELS, "PNG")])
    assert failures == {0: "cannot be prepared: ZeroDivisionError"}
    assert arrays[0] is None
    assert np.array_equal(arrays[1], PIXELS)  # type: ignore[arg-type]
