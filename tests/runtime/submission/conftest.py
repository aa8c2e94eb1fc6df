"""The tests of submissions share one store with the demo pool, and an honest submission over it."""

import shutil
from pathlib import Path

import pytest
import submissions
from submissions import AUTHOR, ran

from dcql.submission.pack import pack


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store, in which the demo pool is made on first use."""
    return tmp_path_factory.mktemp("store") / "home"


@pytest.fixture(autouse=True)
def _home(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(store))


@pytest.fixture(scope="session")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder of clip30 that was resharded, trained and evaluated."""
    folder = tmp_path_factory.mktemp("runs") / "clip30"
    ran("clip30", folder, store)
    submissions.complete(folder)
    return folder


@pytest.fixture(scope="session")
def packed(run: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the submission of that run; not to be written to."""
    folder = tmp_path_factory.mktemp("packed") / "clip30"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(store))
        pack(run, folder, AUTHOR)
    return folder


@pytest.fixture
def honest(packed: Path, tmp_path: Path) -> Path:
    """Return a copy of the submission, to be tampered with."""
    folder = tmp_path / "submission"
    shutil.copytree(packed, folder)
    return folder
