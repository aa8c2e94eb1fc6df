"""Reports in a real browser, with the network off: both themes, paper, a phone, the keyboard, and nothing that runs.

Needs Debian's chromium and chromium-driver, and selenium; without them the tests are skipped. The check of
accessibility needs axe.min.js of the npm package axe-core: its path in AXE, or npm and a registry.
`pytest -m slow tests/report --screenshots FOLDER` keeps pictures of all pages.
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

from dcql.cli import main

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("chromium") is None or shutil.which("chromedriver") is None, reason="there is no chromium"
    ),
]
AXE = "axe-core@4.12.1"
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


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Return a browser without a window and without a network, that logs what pages say and ask for."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield browser
    browser.quit()


@pytest.fixture
def page(driver: Any, made: Path) -> Iterator[Open]:
    """Return a function that opens a page at a size; at the end no page may have complained or asked for more."""

    def open_(name: str, size: str = "desktop", dark: bool = False, media: str = "") -> Any:
        width, height = SIZES[size]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
        driver.get("about:blank")
        driver.get(f"{made.as_uri()}/{name}")
        return driver

    yield open_
    assert [entry for entry in driver.get_log("browser") if "axe" not in entry["message"]] == []
    allowed = (f"{made.as_uri()}/", "about:", "data:image/webp;base64,")
    assert [url for url in asked(driver) if not url.startswith(allowed)] == []


def asked(driver: Any) -> Iterator[str]:
    """Yield the addresses that were asked for."""
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            yield message["params"]["request"]["url"]


def paper(driver: Any) -> str:
    """Return the colour behind the text."""
    return str(driver.execute_script("return getComputedStyle(document.body).backgroundColor"))


LIGHT, DARK, WHITE = "rgb(253, 252, 250)", "rgb(21, 22, 26)", "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size", SIZES)
def test_no_page_is_wider_than_its_window(page: Open, name: str, size: str) -> None:
    driver = page(name, size)
    for _ in range(2):
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert driver.execute_script(wide) <= 0
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
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible(page: Open, axe: str, name: str, size: str, dark: bool) -> None:
    driver = page(name, size, dark)
    driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    # The page's own policy forbids scripts: this one comes from the test.
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
    found = driver.execute_async_script("axe.run({preload: false}).then(arguments[arguments.length - 1])")
    told = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found["violations"]]
    assert told == []
    assert len(found["passes"]) > 15


@pytest.mark.parametrize("media", ["light", "dark", "print"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_screenshots(page: Open, name: str, size: str, media: str, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Take the pictures that a person looks at; here they only have to be more than one colour."""
    kept = pytestconfig.getoption("--screenshots")
    folder = Path(kept) if kept else tmp_path
    folder.mkdir(exist_ok=True)
    driver = page(name, size, media == "dark", "print" if media == "print" else "")
    width = SIZES[size][0]
    height = driver.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, 8000), "scale": 1}
    options = {"captureBeyondViewport": True, "clip": clip}
    taken = base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"])
    (folder / f"report-{name.removesuffix('.html')}-{size}-{media}.png").write_bytes(taken)
    assert len(taken) > 20_000
