"""The site in a real browser: it sorts, its tabs work, it can be used by keyboard and on a phone, and asks nobody."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
import submissions
from submissions import read, write_json

from dcql.leaderboard.build import build_site

pytestmark = browser.MARKS
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def site(submitted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site with everything on it: boards, quoted rows, a conflict, a rejected submission."""
    folder = tmp_path_factory.mktemp("all") / "submissions"
    shutil.copytree(submitted, folder)
    shutil.copytree(folder / "clip", folder / "again")
    again = folder / "again"
    write_json(again / "weights.json", {**read(again / "weights.json"), "weights_sha256": submissions.sha("others")})
    submissions.reseal(again, quality=0.51)
    entry = again / "entry.toml"
    entry.write_text(entry.read_text().replace("CLIP score, top 30 %", "CLIP score, trained again"))
    shutil.copytree(folder / "none", folder / "broken")
    (folder / "broken" / "run.json").write_text("{")
    build_site(folder, folder.parent / "site")
    return folder.parent / "site"


@pytest.fixture
def page(driver: Any, site: Path) -> Iterator[Open]:
    """Return a function that opens a page at a size; at the end no page may have complained or asked for more."""

    def open_(path: str = "index.html", size: str = "desktop", dark: bool = False, media: str = "") -> Any:
        browser.visit(driver, f"{site.as_uri()}/{path}", SIZES[size], phone=size == "phone", dark=dark, media=media)
        return driver

    yield open_
    assert browser.said(driver) == []
    assert [url for url in browser.asked(driver) if not url.startswith((site.as_uri(), "about:", "data:"))] == []


def entry_pages(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in (site / "entries").rglob("index.html"))


def column(driver: Any, number: int) -> list[str]:
    """Return a column of the board that is shown, from the top."""
    cells = "[...document.querySelectorAll('.board:not(.away) tbody tr')].map(row => row.cells[arguments[0]].innerText)"
    found: list[str] = driver.execute_script(f"return {cells}", number)
    return found


def press(driver: Any, *keys: str) -> None:
    """Press keys, one after the other, wherever the focus is."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    for key in keys:
        ActionChains(driver).send_keys(getattr(Keys, key)).perform()


def click(driver: Any, title: str) -> None:
    """Click the header of a column of the board that is shown."""
    driver.execute_script(
        "[...document.querySelectorAll('.board:not(.away) thead button')]"
        ".find(button => button.textContent === arguments[0]).click()",
        title,
    )


def test_columns_sort(page: Open) -> None:
    driver = page()
    size = column(driver, 6)
    assert size == ["2,784", "6,433", "6,433", "6,281", "21,427"]
    click(driver, "Dataset size")
    assert column(driver, 6) == ["21,427", "6,433", "6,433", "6,281", "2,784"]
    click(driver, "Dataset size")
    assert column(driver, 6) == ["2,784", "6,281", "6,433", "6,433", "21,427"]
    sorted_ = driver.execute_script(
        "return [...document.querySelectorAll('.board:not(.away) [aria-sort]')].map(h => [h.innerText, h.ariaSort])"
    )
    assert sorted_ == [["Dataset size", "ascending"]]
    click(driver, "Rank")
    assert column(driver, 0) == ["1", "2", "3", "4", "5"]


def test_what_has_no_value_stays_last(page: Open) -> None:
    driver = page("index.html#filtering-large")
    assert column(driver, 3)[0] == "0.631"
    click(driver, "Average performance")
    assert column(driver, 4)[:2] == ["0.529", "0.481"]
    click(driver, "Average performance")
    assert column(driver, 4)[:3] == ["0.481", "0.529", "–"]


def test_tabs_show_one_board(page: Open) -> None:
    driver = page()
    shown = "return [...document.querySelectorAll('.board')].filter(b => b.offsetParent !== null).map(b => b.id)"
    assert driver.execute_script(shown) == ["filtering-demo"]
    tab = driver.find_element("css selector", "[role=tab][aria-controls=byod-demo]")
    tab.click()
    assert driver.execute_script(shown) == ["byod-demo"]
    assert driver.current_url.endswith("#byod-demo")
    # A link to a board opens it.
    driver = page("index.html#filtering-medium")
    assert driver.execute_script(shown) == ["filtering-medium"]


def test_the_keyboard_is_enough(page: Open) -> None:
    driver = page()
    focus = "return document.activeElement.textContent.trim()"
    press(driver, "TAB")
    assert driver.execute_script(focus) == "Skip to content"
    driver.execute_script("document.querySelector('[role=tab][aria-selected=true]').focus()")
    press(driver, "ARROW_RIGHT")
    assert driver.execute_script(focus) == "Filtering, small"
    press(driver, "END")
    assert driver.execute_script(focus) == "Bring your own data, demo"
    press(driver, "ARROW_RIGHT")
    assert driver.execute_script(focus) == "Filtering, demo"
    press(driver, "TAB", "TAB")  # past the table, which scrolls by keyboard too, to its first header
    assert driver.execute_script(focus) == "Rank"
    press(driver, "ENTER")
    assert driver.execute_script("return document.activeElement.closest('th').ariaSort") == "ascending"


def test_without_scripts_all_boards_are_there(page: Open, site: Path) -> None:
    text = (site / "index.html").read_text()
    assert text.count("<table") == 6
    driver = page()
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(f"{site.as_uri()}/index.html?plain")
        assert len([one for one in driver.find_elements("css selector", ".board") if one.is_displayed()]) == 6
        assert driver.find_elements("css selector", "[role=tab]") == []
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("size", SIZES)
def test_no_page_is_wider_than_its_window(page: Open, site: Path, size: str) -> None:
    for path in ("index.html", *entry_pages(site)):
        driver = page(path, size)
        assert browser.width_beyond(driver) <= 0, path


def test_nothing_of_a_submission_runs(page: Open, site: Path) -> None:
    for path in ("index.html", *entry_pages(site)):
        driver = page(path)
        assert driver.title != "owned"
        assert driver.execute_script("return document.querySelectorAll('main script, img').length") == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_pages_are_accessible(page: Open, site: Path, axe: str, size: str, dark: bool) -> None:
    for path in ("index.html", "index.html#filtering-large", *entry_pages(site)):
        driver = page(path, size, dark)
        driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert browser.faults(driver, axe) == [], path


@pytest.mark.parametrize(
    ("size", "dark", "media"),
    [
        ("desktop", False, ""),
        ("desktop", True, ""),
        ("phone", False, ""),
        ("phone", True, ""),
        ("desktop", False, "print"),
    ],
)
def test_screenshots(
    page: Open, site: Path, size: str, dark: bool, media: str, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """Take the pictures that a person looks at; here they only have to be more than one colour."""
    kept = pytestconfig.getoption("--screenshots")
    folder = Path(kept) if kept else tmp_path
    image = next(path for path in entry_pages(site) if "datacomp" in path)
    for name, path in {"index": "index.html", "large": "index.html#filtering-large", "entry": image}.items():
        driver = page(path, size, dark, media)
        called = f"{name}-{size}-{media or ('dark' if dark else 'light')}"
        assert browser.picture(driver, folder, called, SIZES[size][0]) > 20_000
