"""Reports in a real browser, with the network off: both themes, paper, a phone, the keyboard, and nothing that runs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import pytest

from dcql.cli import main

pytestmark = browser.MARKS
SIZES = {"desktop": (1280, 900), "phone": (360, 780)}
PAGES = ("run.html", "diff.html", "hostile.html")
HOSTILE = "SELECT uid FROM pool WHERE clip_l14 >= q(0.5) AND url <> '<script>document.title = \"owned\"</script>'\n"

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def made(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with reports: of the demo pool's best recipe, of how two differ, and of a hostile pool."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(store / "home"))
        patch.chdir(folder)
        Path("hostile.dcql").write_text(HOSTILE)
        for arguments in (
            "run datacomp_1b --pool demo --out run",
            "report run -o run.html",
            "report clip30 datacomp_1b --pool demo -o diff.html",
            "run hostile.dcql --pool hostile --out hostile",
            "report hostile -o hostile.html --samples 40",
        ):
            with pytest.raises(SystemExit) as end:
                main(arguments.split())
            assert not end.value.code, arguments
    return folder


@pytest.fixture
def page(driver: Any, made: Path) -> Iterator[Open]:
    """Return a function that opens a page at a size; at the end no page may have complained or asked for more."""

    def open_(name: str, size: str = "desktop", dark: bool = False, media: str = "") -> Any:
        browser.visit(driver, f"{made.as_uri()}/{name}", SIZES[size], phone=size == "phone", dark=dark, media=media)
        return driver

    yield open_
    assert browser.said(driver) == []
    allowed = (f"{made.as_uri()}/", "about:", "data:image/webp;base64,")
    assert [url for url in browser.asked(driver) if not url.startswith(allowed)] == []


def paper(driver: Any) -> str:
    """Return the colour behind the text."""
    return str(driver.execute_script("return getComputedStyle(document.body).backgroundColor"))


LIGHT, DARK, WHITE = "rgb(253, 252, 250)", "rgb(21, 22, 26)", "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size", SIZES)
def test_no_page_is_wider_than_its_window(page: Open, name: str, size: str) -> None:
    driver = page(name, size)
    for _ in range(2):
        assert browser.width_beyond(driver) <= 0
        driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")


def test_the_theme_is_the_readers_until_it_is_switched(page: Open) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    assert paper(page("run.html", dark=True)) == DARK
    driver = page("run.html")
    assert paper(driver) == LIGHT

    def press(*keys: str) -> None:
        for key in keys:
            ActionChains(driver).send_keys(getattr(Keys, key)).perform()

    # By keyboard alone: past the link to the content, to the switch, and through it.
    press("TAB", "TAB")
    assert driver.execute_script("return document.activeElement.id") == "theme-auto"
    press("ARROW_RIGHT")
    assert (driver.execute_script("return document.activeElement.id"), paper(driver)) == ("theme-light", LIGHT)
    press("ARROW_RIGHT")
    assert (driver.execute_script("return document.activeElement.id"), paper(driver)) == ("theme-dark", DARK)
    # Paper is white whatever the switch says, and whatever the reader's setting is.
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    assert paper(driver) == WHITE
    assert paper(page("run.html", dark=True, media="print")) == WHITE
    driver = page("run.html", dark=True)
    driver.find_element("id", "theme-light").click()
    assert paper(driver) == LIGHT


def test_the_keyboard_reaches_everything_that_opens_or_scrolls(page: Open) -> None:
    driver = page("run.html", "phone")
    unreached = driver.execute_script(
        "return [...document.querySelectorAll('.scroll, pre, summary, a, input')].filter(e => e.tabIndex < 0).length"
    )
    assert unreached == 0
    summary = driver.find_element("css selector", "summary")
    driver.execute_script("arguments[0].focus()", summary)
    summary.send_keys(" ")
    assert driver.execute_script("return arguments[0].parentElement.open", summary)


@pytest.mark.parametrize("name", PAGES)
def test_pictures_are_shown_and_nothing_runs(page: Open, name: str) -> None:
    driver = page(name)
    assert driver.title != "owned"
    assert driver.execute_script("return document.scripts.length") == 0
    broken = "return [...document.images].filter(one => !one.complete || one.naturalWidth === 0).length"
    assert driver.execute_script("return document.images.length") > 3
    assert driver.execute_script(broken) == 0
    # What a report could be made to hold would not run: the page's policy forbids it.
    driver.execute_script(
        "const one = document.createElement('img'); one.setAttribute('onerror', 'document.title = \"owned\"');"
        "one.src = 'data:image/png;base64,AA=='; document.body.append(one);"
    )
    driver.execute_script("document.body.offsetWidth")
    assert driver.title != "owned"
    driver.get_log("browser")  # which says that it was refused


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible(page: Open, axe: str, name: str, size: str, dark: bool) -> None:
    driver = page(name, size, dark)
    driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert browser.faults(driver, axe) == []


@pytest.mark.parametrize("media", ["light", "dark", "print"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_screenshots(page: Open, name: str, size: str, media: str, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Take the pictures that a person looks at; here they only have to be more than one colour."""
    kept = pytestconfig.getoption("--screenshots")
    folder = Path(kept) if kept else tmp_path
    driver = page(name, size, media == "dark", "print" if media == "print" else "")
    called = f"report-{name.removesuffix('.html')}-{size}-{media}"
    assert browser.picture(driver, folder, called, SIZES[size][0]) > 20_000
