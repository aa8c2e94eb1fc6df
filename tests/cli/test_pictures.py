"""Pictures in a terminal, read back from what is sent to it; and tables as wide as the terminal."""

import base64
import io
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from dcql.catalog.pool import open_pool
from dcql.catalog.types import Type
from dcql.cli.pictures import ROWS, Pictures, drawn, png, protocol, sixel
from dcql.cli.render_show import draw_showing
from dcql.showing import Showing, ShownColumn, ShownGroup, ShownSample


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"TERM": "xterm-256color"}, "none"),
        ({}, "none"),
        ({"TERM": "dumb", "KITTY_WINDOW_ID": "1"}, "none"),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "220401"}, "kitty"),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "211201"}, "none"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "foot-extra"}, "sixel"),
        ({"TERM": "xterm-sixel"}, "sixel"),
        ({"TERM": "tmux-256color", "TMUX": "x", "TERM_PROGRAM": "iTerm.app"}, "none"),
        ({"TERM": "screen", "KITTY_WINDOW_ID": "1"}, "none"),
    ],
)
def test_the_terminal_is_known_by_its_environment(environment: dict[str, str], found: str) -> None:
    assert protocol(environment) == found


@pytest.fixture(params=[(1, 1), (6, 4), (13, 30), (120, 90)], ids=str)
def pixels(request: pytest.FixtureRequest) -> NDArray[np.uint8]:
    """A picture with areas of one colour and noise."""
    height, width = request.param
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (255, 0, 51)
    return picture


def opened(content: bytes) -> NDArray[Any]:
    image = pytest.importorskip("PIL.Image")
    return np.array(image.open(io.BytesIO(content)))


def test_png(pixels: NDArray[np.uint8]) -> None:
    assert (opened(png(pixels)) == pixels).all()


def test_kitty(pixels: NDArray[np.uint8]) -> None:
    parts = re.findall(r"\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\", text := drawn(pixels, Pictures.KITTY))
    assert "".join(f"\x1b_G{head};{body}\x1b\\" for head, body in parts) + "\n" == text
    first, *others = (dict(pair.split("=") for pair in head.split(",")) for head, _ in parts)
    assert (first["a"], first["f"], first["r"]) == ("T", "100", str(ROWS))
    assert [one["m"] for one in (first, *others)] == ["1"] * len(others) + ["0"]
    assert all(len(body) <= 4096 and (len(body) % 4 == 0) for _, body in parts)
    assert (opened(base64.b64decode("".join(body for _, body in parts))) == pixels).all()


def test_iterm(pixels: NDArray[np.uint8]) -> None:
    found = re.fullmatch(
        r"\x1b\]1337;File=inline=1;height=\d+;preserveAspectRatio=1:(.*)\x07\n", drawn(pixels, Pictures.ITERM)
    )
    assert found is not None
    assert (opened(base64.b64decode(found[1])) == pixels).all()


def decoded(text: str) -> NDArray[np.int64]:
    """Draw a sixel sequence, in percent of each colour; -1 where nothing is drawn."""
    found = re.fullmatch(r'\x1bP0;1;0q"1;1;(\d+);(\d+)(.*)\x1b\\', text)
    assert found is not None
    width, height = int(found[1]), int(found[2])
    picture = np.full((height + 6, width, 3), -1, np.int64)
    palette: dict[int, tuple[int, ...]] = {}
    colour = column = top = 0
    for token in re.findall(r"#\d+(?:;2;\d+;\d+;\d+)?|!\d+[?-~]|[?-~]|[$-]", found[3]):
        if token[0] == "#":
            colour, *values = (int(part) for part in token[1:].split(";"))
            if values:
                palette[colour] = tuple(values[1:])
        elif token == "$":
            column = 0
        elif token == "-":
            column, top = 0, top + 6
        else:
            bits, count = ord(token[-1]) - 63, int(token[1:-1] or 1) if token[0] == "!" else 1
            for line in range(6):
                if bits >> line & 1:
                    picture[top + line, column : column + count] = palette[colour]
            column += count
            assert column <= width
    assert (picture[height:] == -1).all()
    return picture[:height]


def test_sixel(pixels: NDArray[np.uint8]) -> None:
    # Six levels of each colour: off by half a step at most.
    off = np.abs(decoded(sixel(pixels)) - pixels.astype(np.int64) * 100 / 255)
    assert off.max() <= 10.5


# --- tables -----------------------------------------------------------------------------------------------------------

CAPTIONS = ["short", "建物 宗教 神社 " * 12, "a long caption of many words, " * 9, "e\u0301\u200d\U0001f600" * 40, ""]


def table(width: int, columns: int, tmp_path: Any, *, caption: bool = True) -> list[str]:
    """Return the lines of a table on a terminal."""
    from rich.console import Console

    pq.write_table(pa.table({"uid": ["0" * 32]}), tmp_path / "p.parquet")
    shown = tuple(ShownColumn(f"column{number}", f"column{number}", Type.FLOAT) for number in range(columns))
    samples = tuple(
        ShownSample(
            f"{number:032x}",
            1,
            text if caption else None,
            "https://images.example.org/a/very/long/path/of/an/image.webp" if caption else None,
            tuple(0.45141602 for _ in shown),
        )
        for number, text in enumerate(CAPTIONS)
    )
    group = ShownGroup("clip_l14 >= q(0.7) AND " * 9, "query", 9, True, samples)
    told = Showing("mine.dcql", open_pool(tmp_path / "p.parquet"), "", 1, shown, (group,))
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None, soft_wrap=True)
    draw_showing(console, told, {}, Pictures.NONE)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("caption", [True, False])
@pytest.mark.parametrize("columns", [0, 1, 3, 9])
@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_table_is_no_wider_than_the_terminal(width: int, columns: int, caption: bool, tmp_path: Any) -> None:
    from rich.cells import cell_len

    lines = table(width, columns, tmp_path, caption=caption)
    assert max(map(cell_len, lines[1:])) <= width
    heading = lines[3].split()
    assert heading[0] == "uid"
    if caption:
        assert heading[-1] == "caption"
        assert any("a long caption" in line for line in lines)
    if width >= 80 and columns <= 3:
        assert len(heading) == 1 + columns + 2 * caption
