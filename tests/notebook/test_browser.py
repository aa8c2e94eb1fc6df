"""What notebooks show, in a real browser: in JupyterLab's own style, light and dark, wide and narrow."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
from conformance import adversarial

from dcql.compiler import compile, run
from dcql.errors import RecipeError
from dcql.notebook.views import html
from dcql.source import Source

pytestmark = browser.MARKS

SIZES = {"wide": (1100, 900), "narrow": (420, 800)}
# What JupyterLab says of itself and of all output, in the places that ours could collide with.
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Notebook</title><style>
body {{ margin: 1rem; background: {paper}; color: {ink}; font: 14px system-ui; }}
.jp-RenderedHTMLCommon :is(td, th, tr) {{ text-align: right; vertical-align: middle; padding: .5em; }}
.jp-RenderedHTMLCommon tbody tr:nth-child(odd) {{ background: {stripe}; }}
.jp-RenderedHTMLCommon :not(pre) > code {{ background-color: {stripe}; padding: 1px 5px; }}
</style></head><body data-jp-theme-light="{light}"><main class="jp-RenderedHTMLCommon"><h1>Notebook</h1>
{outputs}</main></body></html>"""
THEMES = {
    False: {"paper": "#ffffff", "ink": "#000000d9", "stripe": "#f5f5f5", "light": "true"},
    True: {"paper": "#111111", "ink": "#ffffffd9", "stripe": "#212121", "light": "false"},
}
RECIPE = (
    "PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool\nWHERE clip_l14 >= q(1 - keep) -- <b>\n  AND contains(text, 'dog')"
)
WRONG = "SELECT uid\nFROM pool WHERE clip_l4 > '</style><script>document.title = \"owned\"</script>' AND wdth > 3"

Open = Callable[[str, bool], Any]


@pytest.fixture(scope="module")
def outputs() -> str:
    """Return everything that a notebook can show, as one stretch of HTML."""
    pool = adversarial("mixed").raw
    done = run(Source("cell.dcql", RECIPE), pool)
    with pytest.raises(RecipeError) as wrong:
        compile(Source("wrong.dcql", WRONG), pool.schema)
    shown = (done, done.subset, done.compiled, done.compiled.plan, wrong.value)
    return "\n".join(html(one) for one in shown)


@pytest.fixture
def page(driver: Any, outputs: str, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens the outputs at a size and in a theme."""

    def open_(size: str, dark: bool) -> Any:
        place = tmp_path / "page.html"
        place.write_text(PAGE.format(outputs=outputs, **THEMES[dark]))
        # The notebook's theme decides, and not the system's.
        browser.visit(driver, place.as_uri(), SIZES[size], phone=False, dark=not dark)
        return driver

    yield open_
    assert browser.said(driver) == []
    assert [url for url in browser.asked(driver) if not url.startswith(("file:", "about:"))] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_outputs_are_read_in_every_theme(page: Open, axe: str, size: str, dark: bool) -> None:
    driver = page(size, dark)
    assert browser.faults(driver, axe) == []
    assert browser.width_beyond(driver) <= 0
    assert driver.title == "Notebook"
    assert driver.execute_script("return document.scripts.length") == 0


def test_the_notebooks_own_style_does_not_get_in(page: Open) -> None:
    driver = page("wide", True)
    style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    assert driver.execute_script(style, ".dcql tbody th", "textAlign") == "left"
    assert driver.execute_script(style, ".dcql tbody td", "textAlign") == "right"
    assert driver.execute_script(style, ".dcql tbody code", "backgroundColor") == "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_screenshots(page: Open, size: str, dark: bool, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Take the pictures that a person looks at; here they only have to be more than one colour."""
    kept = pytestconfig.getoption("--screenshots")
    driver = page(size, dark)
    called = f"notebook-{size}-{'dark' if dark else 'light'}"
    assert browser.picture(driver, Path(kept) if kept else tmp_path, called, SIZES[size][0]) > 20_000
