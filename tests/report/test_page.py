"""Pages: whole by themselves, the same bytes each time, and whatever a pool or a recipe says is text."""

import base64
import hashlib
import html
import json
import re
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dcql.inspect.report.page import GENERATOR
from dcql.pages.text import visible

from .conftest import HOSTILE, Page, hostile_pool

Dcql = Any
RECIPE = '-- <script>alert(1)</script> "]]>\n' + (
    "SELECT uid FROM pool WHERE clip_l14 >= q(0.5) AND code_points(text) > 3 AND url <> '</pre><img src=x>'\n"
)
OTHER = "SELECT uid FROM pool WHERE clip_l14 >= q(0.6) AND url <> '</code><script>alert(2)</script>'\n"


@pytest.fixture(scope="module")
def made(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of the hostile pool, and reports of it and of how it differs from another recipe."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(store / "home"))
        patch.chdir(folder)
        from dcql.cli import main

        Path("<b>a&.dcql").write_text(RECIPE)
        Path("other.dcql").write_text(OTHER)
        for arguments in (
            ("run", "<b>a&.dcql", "--pool", "hostile", "--out", "run"),
            ("report", "run", "-o", "run.html", "--samples", "30"),
            ("report", "<b>a&.dcql", "other.dcql", "--pool", "hostile", "-o", "diff.html"),
        ):
            with pytest.raises(SystemExit) as end:
                main(list(arguments))
            assert not end.value.code, arguments
    return folder


@pytest.fixture(params=["run.html", "diff.html"])
def page(made: Path, request: pytest.FixtureRequest) -> tuple[str, Page]:
    """Return the text of a report, and what it has."""
    text = (made / request.param).read_text(encoding="utf-8")
    return text, Page(text)


def test_nothing_in_it_is_loaded_or_run(page: tuple[str, Page]) -> None:
    for tag, attributes in page[1].elements:
        assert tag not in ("script", "iframe", "object", "embed", "form", "base", "link", "foreignobject"), tag
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc")], attributes
        for name in ("src", "href", "xlink:href", "action", "background", "data", "poster", "srcset"):
            value = attributes.get(name)
            if tag == "img" and name == "src":
                assert value is not None
                assert re.fullmatch(r"data:image/webp;base64,[A-Za-z0-9+/=]+", value)
            else:
                assert value is None or re.fullmatch(r"#[a-z-]+", value), (tag, name, value)


def test_the_policy_allows_its_own_style_and_nothing_else(page: tuple[str, Page]) -> None:
    text, read = page
    (policy,) = (a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    (sheet,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in sheet
    assert "@import" not in sheet
    # The policy comes before anything that it is about.
    assert text.index("Content-Security-Policy") < text.index("<title>") < text.index("<style>")


def test_captions_are_shown_as_they_are(page: tuple[str, Page]) -> None:
    text, read = page
    assert sum(visible(one) in "".join(read.parts) for one in HOSTILE) >= 5
    for hidden in "\u202e\u202c\u2066\u2069\u200f\x00\x1b\x07\x85\u2028":
        assert hidden not in text, repr(hidden)
    # Of the run there are so many samples that every caption is among them.
    if "Just kept" in text:
        assert [one for one in HOSTILE if visible(one) not in "".join(read.parts)] == []


def test_the_recipe_is_shown_as_it_is(made: Path) -> None:
    assert RECIPE in "".join(Page((made / "run.html").read_text(encoding="utf-8")).parts)


def test_what_a_reader_of_the_structure_needs(page: tuple[str, Page]) -> None:
    _, read = page
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in read.elements:
        for name in ("aria-labelledby", "href"):
            assert (attributes.get(name) or "#").lstrip("#") in {*ids, ""}, attributes
    assert ("html", {"lang": "en"}) in read.elements
    assert [tag for tag, _ in read.elements].count("h1") == 1
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for tag, attributes in read.elements:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or (
                attributes.get("role"),
                bool(attributes["aria-label"]),
            ) == ("img", True)
        if tag == "img":
            assert attributes["alt"]


def test_pictures_are_small_and_made_anew(made: Path) -> None:
    read = Page((made / "run.html").read_text(encoding="utf-8"))
    pictures = [a for tag, a in read.elements if tag == "img"]
    assert len(pictures) > 10
    for one in pictures:
        content = base64.b64decode(str(one["src"]).partition(",")[2])
        opened = Image.open(BytesIO(content))
        assert opened.format == "WEBP"
        assert (str(opened.width), str(opened.height)) == (one["width"], one["height"])
        assert max(opened.size) <= 160


def test_images_that_cannot_be_shown_say_why(made: Path, dcql: Dcql, here: Path) -> None:
    # With more samples, the damaged and the missing ones are among them.
    assert dcql("report", made / "run", "-o", "more.html", "--samples", 60).code == 0
    text = (here / "more.html").read_text(encoding="utf-8")
    assert "no image" in text
    assert "neither WebP, JPEG nor PNG" in text


def test_the_same_run_gives_the_same_bytes(made: Path, dcql: Dcql, here: Path) -> None:
    assert dcql("report", made / "run", "-o", "again.html", "--samples", 30, "--threads", 1).code == 0
    assert dcql("report", made / "run", "-o", "again.html", "--samples", 30, "--threads", 2).code == 0  # over itself
    assert (here / "again.html").read_bytes() == (made / "run.html").read_bytes()
    text = (made / "run.html").read_text(encoding="utf-8")
    assert str(here) not in text
    assert str(made) not in text


def test_a_comparison_is_the_same_from_its_json(made: Path, dcql: Dcql, here: Path) -> None:
    for name in ("<b>a&.dcql", "other.dcql"):
        (here / name).write_bytes((made / name).read_bytes())
    told = dcql("diff", "<b>a&.dcql", "other.dcql", "--pool", "hostile", "--format", "json")
    (here / "diff.json").write_text(told.out)
    assert dcql("report", "diff.json", "--pool", "hostile", "-o", "json.html").code == 0
    by_json = Page((here / "json.html").read_text(encoding="utf-8"))
    by_recipes = Page((made / "diff.html").read_text(encoding="utf-8"))
    assert [e for e in by_json.elements if e[0] == "img"] == [e for e in by_recipes.elements if e[0] == "img"]
    document = json.loads(told.out)
    for count in (document["common"], document["a"]["only"], document["b"]["only"]):
        assert f"{count:,}" in by_json.text
    for cause in document["attribution"]["causes"]:
        assert html.unescape(" ".join(cause["words"][0].split())) in by_json.text


def test_the_figures_are_those_of_the_manifest(made: Path) -> None:
    manifest = json.loads((made / "run" / "manifest.json").read_text())
    text = Page((made / "run.html").read_text(encoding="utf-8")).text
    assert manifest["hash"] in text
    assert manifest["pool"]["fingerprint"] in text
    for section in manifest["counts"]:
        for clause in section["clauses"]:
            assert f"{clause['left']:,}" in text
    assert f"{manifest['distinct']:,} of {len(hostile_pool().columns['uid']):,} samples" in text
    assert 'key = "sha256:' in text


def test_a_report_is_known_again(made: Path) -> None:
    for name in ("run.html", "diff.html"):
        assert GENERATOR.encode() in (made / name).read_bytes()[:4096]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\u202eabc", "\\u202eabc"),
        ("a\nb\tc", "a\nb\tc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("a\u00a0b\u3000c", "a\u00a0b\u3000c"),
        ("\ud800", "\\ud800"),
        ("\ufeff", "\\ufeff"),
    ],
)
def test_what_is_hidden_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown
