"""Every test of runs has a store of its own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point $DCQL_HOME at an empty folder."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DCQL_HOME", str(folder))
    return folder
