"""The tests of reports share a store with adversarial pools, and one whose captions, names and images are hostile."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from features.tars import write_tar
from PIL import Image
from pools import ADVERSARIAL, LAYOUTS, base, write

from dcql.cli import main
from dcql.engine.add import add

# What a page must show as text: markup, escapes, characters that turn or hide what stands beside them, half characters.
HOSTILE = (
    '<script>document.title = "owned"</script>',
    "<img src=x onerror=alert(1)>",
    "\"><svg onload='alert(1)'>",
    "{{ 7 * 7 }} {% raw %}",
    "\u202egnp.exe\u202c \u2066isolated\u2069 \u200fright",
    "a\x00b\x1b[31mred\x07 \x85 \u2028",
    "&lt;b&gt; &amp; javascript:alert(1)",
    "👩\u200d👩\u200d👧 مرحبا",
)


def hostile_pool() -> Any:
    """Return 240 rows whose captions are HOSTILE, one after the other."""
    pool = base(240, 77)
    return pool.with_columns(text=[HOSTILE[row % len(HOSTILE)] for row in range(240)])


def picture(number: int) -> bytes:
    """Return an image in one of the formats that pools have."""
    made = Image.new("RGB", (40 + number % 300, 30 + number % 200), (number % 256, 90, 160))
    written = io.BytesIO()
    made.save(written, ("WEBP", "JPEG", "PNG")[number % 3])
    return written.getvalue()


def write_images(folder: Path, uids: list[str]) -> None:
    """Write a tar of images: every tenth is damaged, every eleventh is not there."""
    files = []
    for number, uid in enumerate(uids):
        extension = ("webp", "jpg", "png")[number % 3]
        if number % 11:
            content = b"<svg onload=alert(1)>" if number % 10 == 0 else picture(number)
            files.append((f"{number:05d}.{extension}", content))
        files.append((f"{number:05d}.json", json.dumps({"uid": uid}).encode()))
    write_tar(folder / "00000000.tar", files)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the pools `mixed`, `not_a_number`, `huge_sizes` and `hostile`, and beside it their files."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(folder / "home"))
        for name in ("mixed", "not_a_number", "huge_sizes"):
            write(ADVERSARIAL[name](), folder / name, layout=LAYOUTS["split"])
            add(name, folder / name)
        pool = hostile_pool()
        write(pool, folder / "hostile")
        write_images(folder / "hostile", pool.columns["uid"])
        add("hostile", folder / "hostile")
    return folder


@pytest.fixture(autouse=True)
def here(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh working folder over the shared store."""
    monkeypatch.setenv("DCQL_HOME", str(store / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass(frozen=True)
class Told:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Dcql = Callable[..., Told]


@pytest.fixture
def dcql(capsys: pytest.CaptureFixture[str]) -> Dcql:
    """Run `dcql` with arguments."""

    def run(*arguments: object) -> Told:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Told(int(end.value.code or 0), captured.out, captured.err)

    return run


class Page(HTMLParser):
    """What a page has: its elements with their attributes, its text, and the text of its style sheet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def text(self) -> str:
        """The words of the page, with single blanks."""
        return re.sub(r"\s+", " ", "".join(self.parts))
