"""The tests of locks share one store with a few seeded pools."""

import os
from pathlib import Path

import pytest
from pools import ADVERSARIAL, Layout, write

from dcql.catalog.pool import Pool, open_pool
from dcql.engine.add import add

LAID_OUT = {
    "mixed": Layout(files=4, permutation=3, empty_file=True),
    "fp16_ties": Layout(permutation=7),
    "tiny_files": Layout(files=12, empty_file=True),
}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with the pools of LAID_OUT."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(folder / "home"))
        for name, layout in LAID_OUT.items():
            write(ADVERSARIAL[name](), folder / name, layout=layout)
            add(name, folder / name)
    return folder


@pytest.fixture(autouse=True)
def _home(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(store / "home"))
    assert os.environ["DCQL_HOME"]


@pytest.fixture(scope="session")
def pools(store: Path) -> dict[str, Pool]:
    """Return the pools of the store by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(store / "home"))
        return {name: open_pool(name) for name in LAID_OUT}


@pytest.fixture(scope="session")
def mixed(pools: dict[str, Pool]) -> Pool:
    """3,000 samples in 5 files, one of them empty."""
    return pools["mixed"]


@pytest.fixture(scope="session")
def ties(pools: dict[str, Pool]) -> Pool:
    """300 samples whose scores are about a dozen values."""
    return pools["fp16_ties"]


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are rewritten."""
    return bool(request.config.getoption("--update", default=False))
