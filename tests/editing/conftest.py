"""A folder with a recipe's files; `marked` reads a text with its cursor."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dcql.editing.document import Document
from dcql.source import Source

FILES = {
    "base.dcql": "PARAM keep DEFAULT 0.3;\nPARAM side DEFAULT 200;\n"
    "SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep) AND basic_size(side);\n",
    "sub/deep.dcql": "SELECT uid FROM pool;\n",
    "values.txt": "a",
    "model.py": "",
}


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with nothing stored."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with FILES, inside of one with a file that no recipe of it may read."""
    (tmp_path / "outside.dcql").write_text("SELECT uid FROM pool;\n", encoding="utf-8")
    inside = tmp_path / "inside"
    for name, text in FILES.items():
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).write_text(text, encoding="utf-8")
    return inside


@pytest.fixture
def marked(folder: Path) -> Callable[[str], tuple[Document, int]]:
    """Return a text without its `|` as the recipe of the folder, and the offset where it stood."""

    def read(text: str) -> tuple[Document, int]:
        offset = text.index("|")
        return Document(Source("recipe.dcql", text.replace("|", "", 1)), folder / "recipe.dcql"), offset

    return read
