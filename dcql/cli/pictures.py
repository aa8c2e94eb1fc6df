"""Pictures in a terminal: which protocol it takes, and small images in it.

| protocol | terminals |
|---|---|
| kitty | kitty, Ghostty, Konsole |
| iterm | iTerm2, WezTerm, mintty |
| sixel | foot, mlterm, contour, yaft, and what has sixel in its TERM |
"""

import base64
import os
import struct
import zlib
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 120  # pixels of a picture's longer side
ROWS = 5  # lines of text that it takes where the terminal scales it
_CHUNK = 4096  # bytes of base64 in one escape sequence of kitty's
_LEVELS = 6  # of each of red, green and blue in a sixel image


class Pictures(StrEnum):
    """How pictures go to the terminal: as its environment suggests, not at all, or by one protocol."""

    AUTO = "auto"
    NONE = "none"
    KITTY = "kitty"
    ITERM = "iterm"
    SIXEL = "sixel"


def protocol(environment: Mapping[str, str] | None = None) -> Pictures:
    """Return what a terminal takes by its environment variables; NONE where they do not say."""
    given = os.environ if environment is None else environment
    term, program = given.get("TERM", ""), given.get("TERM_PROGRAM", "")
    if "TMUX" in given or "STY" in given or term.startswith(("screen", "tmux", "dumb")) or not term:
        return Pictures.NONE  # what sits between would swallow them
    if "KITTY_WINDOW_ID" in given or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return Pictures.KITTY
    if given.get("KONSOLE_VERSION", "").isdecimal() and int(given["KONSOLE_VERSION"]) >= 220400:
        return Pictures.KITTY
    if program in ("iTerm.app", "WezTerm", "mintty") or given.get("LC_TERMINAL") == "iTerm2":
        return Pictures.ITERM
    if term.split("-")[0] in ("foot", "mlterm", "contour", "yaft") or "sixel" in term:
        return Pictures.SIXEL
    return Pictures.NONE


def drawn(pixels: "NDArray[Any]", by: Pictures) -> str:
    """Return the escape sequences that draw an image, (height, width, 3) uint8, with a line break after it."""
    match by:
        case Pictures.KITTY:
            return _kitty(pixels) + "\n"
        case Pictures.ITERM:
            content = base64.b64encode(png(pixels)).decode("ascii")
            return f"\x1b]1337;File=inline=1;height={ROWS};preserveAspectRatio=1:{content}\x07\n"
        case Pictures.SIXEL:
            return sixel(pixels) + "\n"
        case _:
            return ""


def _kitty(pixels: "NDArray[Any]") -> str:
    content = base64.b64encode(png(pixels)).decode("ascii")
    parts = [content[at : at + _CHUNK] for at in range(0, len(content), _CHUNK)]
    result = []
    for number, part in enumerate(parts):
        head = f"a=T,f=100,r={ROWS}," if number == 0 else ""
        result.append(f"\x1b_G{head}q=2,m={int(number < len(parts) - 1)};{part}\x1b\\")
    return "".join(result)


def png(pixels: "NDArray[Any]") -> bytes:
    """Return an image, (height, width, 3) uint8, as a PNG file."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + pixels[line].tobytes() for line in range(height))

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def sixel(pixels: "NDArray[Any]") -> str:
    """Return an image, (height, width, 3) uint8, as a sixel sequence, in 216 colours."""
    import numpy as np

    height, width, _ = pixels.shape
    levels = (pixels.astype(np.int32) * (_LEVELS - 1) + 127) // 255
    colours = (levels[..., 0] * _LEVELS + levels[..., 1]) * _LEVELS + levels[..., 2]
    used = np.unique(colours).tolist()
    palette = []
    for colour in used:
        red, green, blue = (colour // _LEVELS**2, colour // _LEVELS % _LEVELS, colour % _LEVELS)
        palette.append(f"#{colour};2;{red * 100 // 5};{green * 100 // 5};{blue * 100 // 5}")
    bands = []
    for top in range(0, height, 6):
        band = colours[top : top + 6]
        weights = (1 << np.arange(len(band)))[:, None]
        lines = []
        for colour in np.unique(band).tolist():
            bits = ((band == colour) * weights).sum(axis=0)
            lines.append(f"#{colour}" + _runs([chr(63 + int(one)) for one in bits]))
        bands.append("$".join(lines))
    return f'\x1bP0;1;0q"1;1;{width};{height}' + "".join(palette) + "-".join(bands) + "\x1b\\"


def _runs(characters: list[str]) -> str:
    """Write repeated characters by their number."""
    result: list[str] = []
    start = 0
    for at in range(1, len(characters) + 1):
        if at == len(characters) or characters[at] != characters[start]:
            count = at - start
            result.append(f"!{count}{characters[start]}" if count > 3 else characters[start] * count)
            start = at
    return "".join(result)
