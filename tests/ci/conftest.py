"""The tests of CI share one store with a small pool, and each has a git repository of its own."""

import os
import subprocess
from pathlib import Path

import pytest
from pools import ADVERSARIAL, Layout, write

from dcql.engine.add import add


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with the pool `small`: 300 samples, whose scores are about a dozen values."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(folder / "home"))
        write(ADVERSARIAL["fp16_ties"](), folder / "small", layout=Layout(permutation=7))
        add("small", folder / "small")
    return folder


class Scratch:
    """A git repository, in which the tests stand; texts end with a line end that git and fmt expect."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str, fails: bool = False) -> str:
        """Run git and return what it says."""
        ended = subprocess.run(["git", "-C", str(self.top), *words], capture_output=True, text=True, check=False)
        assert (ended.returncode != 0) == fails, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def write(self, path: str, text: str) -> Path:
        """Write a file of the repository."""
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
        return file

    def commit(self, message: str = "a change") -> None:
        """Commit all files."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)


@pytest.fixture
def scratch(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Scratch:
    """Return an empty repository in the working folder; who commits, and what the machine sets, is of no matter."""
    monkeypatch.setenv("DCQL_HOME", str(store / "home"))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "me")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "me@example.org")
    top = tmp_path / "repository"
    top.mkdir()
    monkeypatch.chdir(top)
    return Scratch(top)


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are rewritten."""
    return bool(request.config.getoption("--update", default=False))
