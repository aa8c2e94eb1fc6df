"""Every test of pools has a store of its own."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point $DCQL_HOME at an empty folder."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DCQL_HOME", str(folder))
    return folder


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are rewritten: `pytest --update` where that option exists, or UPDATE_GOLDENS=1."""
    return bool(request.config.getoption("--update", default=False)) or os.environ.get("UPDATE_GOLDENS") == "1"
