"""A real browser without a window and without a network: what the tests of pages share.

Needs Debian's chromium and chromium-driver, and selenium; without them such tests are skipped. The check of
accessibility needs axe.min.js of the npm package axe-core: its path in AXE, or npm and a registry.
`pytest -m slow TESTS --screenshots FOLDER` keeps pictures of pages.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("selenium") is None, reason="selenium is not installed"),
    pytest.mark.skipif(
        shutil.which("chromium") is None or shutil.which("chromedriver") is None, reason="there is no chromium"
    ),
]
_AXE = "axe-core@4.12.1"
_TALLEST = 8000  # pixels of a picture


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Return a browser that logs what pages say and ask for."""
    from selenium import webdriver

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


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the text of axe.min.js."""
    if "AXE" in os.environ:
        return Path(os.environ["AXE"]).read_text()
    if shutil.which("npm") is None:
        pytest.skip("axe-core is not at hand: no AXE, no npm")
    folder = tmp_path_factory.mktemp("axe")
    fetched = subprocess.run(
        ["npm", "pack", _AXE], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    if fetched.returncode != 0:
        pytest.skip("axe-core is not at hand: npm found no registry")
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder)
    return (folder / "package" / "axe.min.js").read_text()


def visit(driver: Any, address: str, size: tuple[int, int], *, phone: bool, dark: bool, media: str = "") -> None:
    """Open a page in a window of a size, as a reader who likes it light or dark sees it; `media` may be print."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
    driver.get("about:blank")
    driver.get(address)


def asked(driver: Any) -> Iterator[str]:
    """Yield the addresses that were asked for."""
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            yield message["params"]["request"]["url"]


def said(driver: Any) -> list[Any]:
    """Return what pages said to the console, but for what axe says."""
    return [entry for entry in driver.get_log("browser") if "axe" not in entry["message"]]


def width_beyond(driver: Any) -> int:
    """Return by how many pixels the page is wider than its window."""
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(driver.execute_script(wide))


def faults(driver: Any, axe: str) -> list[tuple[str, list[Any]]]:
    """Return what axe finds wrong with the page, and at which elements. Fails where axe looked at nothing."""
    # A page's own policy forbids scripts that are not its own: this one comes from the test.
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
    found = driver.execute_async_script("axe.run({preload: false}).then(arguments[arguments.length - 1])")
    assert len(found["passes"]) > 8
    return [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found["violations"]]


def picture(driver: Any, folder: Path, name: str, width: int) -> int:
    """Write a picture of the whole page to a folder; return its size in bytes."""
    folder.mkdir(exist_ok=True)
    height = driver.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, _TALLEST), "scale": 1}
    options = {"captureBeyondViewport": True, "clip": clip}
    taken = base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"])
    (folder / f"{name}.png").write_bytes(taken)
    return len(taken)
