"""The site in a real browser: it sorts, its tabs work, it can be used by keyboard and on a phone, and asks nobody.

Needs Debian's chromium and chromium-driver, and selenium; without them the tests are skipped. The check of
accessibility needs axe.min.js of the npm package axe-core: its path in AXE, or npm and a registry.
`pytest -m slow tests/runtime/leaderboard --screenshots FOLDER` keeps pictures of all pages.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import submissions
from submissions import read, write_json

from dcql.leaderboard.build import build_site

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("chromium") is None or shutil.which("chromedriver") is None, reason="there is no chromium"
    ),
]
AXE = "axe-core@4.10.3"
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


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Return a browser without a window that logs what pages say and ask for."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield browser
    browser.quit()


@pytest.fixture
def page(driver: Any, site: Path) -> Iterator[Open]:
    """Return a function that opens a page at a size; at the end no page may have complained or asked for more."""

    def open_(path: str = "index.html", size: str = "desktop", dark: bool = False, media: str = "") -> Any:
        width, height = SIZES[size]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
        driver.get("about:blank")
        driver.get(f"{site.as_uri()}/{path}")
        return driver

    yield open_
    said = [entry for entry in driver.get_log("browser") if "axe" not in entry["message"]]
    assert said == []
    assert [url for url in asked(driver) if not url.startswith((site.as_uri(), "about:", "data:"))] == []


def asked(driver: Any) -> Iterator[str]:
    """Yield the addresses that were asked for."""
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            yield message["params"]["request"]["url"]


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
        wide = driver.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, path


def test_nothing_of_a_submission_runs(page: Open, site: Path) -> None:
    for path in ("index.html", *entry_pages(site)):
        driver = page(path)
        assert driver.title != "owned"
        assert driver.execute_script("return document.querySelectorAll('main script, img').length") == 0


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the text of axe.min.js."""
    if "AXE" in os.environ:
        return Path(os.environ["AXE"]).read_text()
    if shutil.which("npm") is None:
        pytest.skip("axe-core is not at hand: no AXE, no npm")
    folder = tmp_path_factory.mktemp("axe")
    fetched = subprocess.run(["npm", "pack", AXE], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    if fetched.returncode != 0:
        pytest.skip("axe-core is not at hand: npm found no registry")
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder)
    return (folder / "package" / "axe.min.js").read_text()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_pages_are_accessible(page: Open, site: Path, axe: str, size: str, dark: bool) -> None:
    for path in ("index.html", "index.html#filtering-large", *entry_pages(site)):
        driver = page(path, size, dark)
        driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        # The page's own policy forbids scripts that are not its own: this one comes from the test.
        driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
        found = driver.execute_async_script("axe.run({preload: false}).then(arguments[arguments.length - 1])")
        told = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found["violations"]]
        assert told == [], path
        assert len(found["passes"]) > 15


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
    folder.mkdir(exist_ok=True)
    image = next(path for path in entry_pages(site) if "datacomp" in path)
    for name, path in {"index": "index.html", "large": "index.html#filtering-large", "entry": image}.items():
        driver = page(path, size, dark, media)
        width = SIZES[size][0]
        height = driver.execute_script("return document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 6000), "scale": 1}
        options = {"captureBeyondViewport": True, "clip": clip}
        taken = base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"])
        (folder / f"{name}-{size}-{media or ('dark' if dark else 'light')}.png").write_bytes(taken)
        assert len(taken) > 20_000
