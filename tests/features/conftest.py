"""Every test of features has a store of its own."""

from pathlib import Path

import pytest
from features.counting import LENGTH
from features.own import Here, OwnModel, logging_model


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point $DCQL_HOME at an empty folder."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DCQL_HOME", str(folder))
    return folder


@pytest.fixture
def words(tmp_path: Path) -> OwnModel:
    """Return a model that counts words, beside the pool."""
    return logging_model(tmp_path, "words_of", LENGTH, "INT")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let models answer in this process."""
    monkeypatch.setattr("dcql.engine.features.running.Workers", Here)
