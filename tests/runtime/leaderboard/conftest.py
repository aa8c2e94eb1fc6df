"""The tests of the leaderboard share a store and a few submissions over the demo pool."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import submissions
from submissions import AUTHOR, ran

from dcql.submission.pack import Author, pack

HOSTILE = '<script>document.title = "owned"</script> & "quoted" \'name\''
ENTRIES: dict[str, tuple[str, float, Author]] = {
    "none": ("no_filter", 0.2, replace(AUTHOR, name="No filtering", created=date(2026, 1, 1))),
    "clip": ("clip30", 0.5, AUTHOR),
    "group/image": ("datacomp_1b", 0.7, replace(AUTHOR, name="DataComp-1B", url="https://example.org/?a=1&b='2'")),
    "hostile": ("text_based", 0.4, replace(AUTHOR, name=HOSTILE, authors=("<img src=x onerror=alert(1)>",))),
    "own-data": (
        "example",
        0.6,
        replace(AUTHOR, name="English", track="byod", sources=("our crawl <b>",), writeup="https://example.org/w"),
    ),
}


@pytest.fixture(scope="session")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of submissions; not to be written to."""
    store = tmp_path_factory.mktemp("store") / "home"
    folder = tmp_path_factory.mktemp("submissions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(store))
        for place, (recipe, quality, author) in ENTRIES.items():
            run = ran(recipe, tmp_path_factory.mktemp("runs") / "run", store)
            submissions.complete(run, quality=quality)
            pack(run, folder / place, author, subset=place != "own-data")
    return folder


@pytest.fixture
def folder(submitted: Path, tmp_path: Path) -> Path:
    """Return a copy of the submissions."""
    copy = tmp_path / "submissions"
    shutil.copytree(submitted, copy)
    return copy
