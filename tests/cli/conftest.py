"""The tests of the command line run it in this process, in a folder with a pool and a few recipes."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pools import ADVERSARIAL, LAYOUTS, write
from pools.featured import write_named

from dcql.cli import main
from dcql.engine.add import add

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Told:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Dcql = Callable[..., Told]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the pool `mixed`, 3,000 samples in 13 files, and beside it the pools' own files.

    `many` has captions in many scripts, embeddings and assets.
    """
    folder = tmp_path_factory.mktemp("cli")
    for name in ("mixed", "tiny_files"):
        write(ADVERSARIAL[name](), folder / name, layout=LAYOUTS["split"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(folder / "home"))
        add("mixed", folder / "mixed")
    write_named("many_scripts", folder / "many")
    return folder


@pytest.fixture(autouse=True)
def here(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh working folder with the recipes, over the shared store."""
    monkeypatch.setenv("DCQL_HOME", str(store / "home"))
    monkeypatch.delenv("DCQL_DEBUG", raising=False)
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for recipe in RECIPES.glob("*"):
        shutil.copy(recipe, tmp_path)
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def dcql(capsys: pytest.CaptureFixture[str]) -> Dcql:
    """Run `dcql` with arguments."""

    def run(*arguments: str) -> Told:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Told(int(end.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def child() -> list[str]:
    """The command of `dcql` in a process of its own."""
    assert os.environ["DCQL_HOME"]
    return [sys.executable, "-m", "dcql"]
