"""A stored program is found by all that made it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import dcql
from dcql.catalog.types import DATACOMP
from dcql.lower import stored
from dcql.source import Source

ROOT = Path(dcql.__file__).parent
COMPILED = """\
import sys
from dcql.compiler import compile
for recipe in ("clip30", "datacomp_1b", "basic_filter"):
    compile(recipe)
print(*(module.__file__ for name, module in sys.modules.items() if name.startswith("dcql.")), sep="\\n")
"""


def test_every_module_that_compiles_is_looked_at() -> None:
    found = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, check=True)
    files = [Path(line) for line in found.stdout.splitlines()]
    folders = {file.parent.relative_to(ROOT).as_posix() for file in files if ROOT in file.parents}
    assert folders <= {folder.rstrip("/") or "." for folder in stored._COMPILING}


@pytest.mark.parametrize("changed", ["compiler.py", "plan/resolve.py", "plan/passes/__init__.py", "lower/chain.py"])
def test_a_module_that_changed_makes_another_program(changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("recipe", "SELECT uid FROM pool")
    stored._made_by.cache_clear()
    before = stored.key(source, DATACOMP, {})
    scan = os.scandir

    class Touched:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name, self._entry = entry.name, entry

        def __getattr__(self, name: str) -> object:
            return getattr(self._entry, name)

        def stat(self) -> SimpleNamespace:
            known = self._entry.stat()
            longer = self._entry.path == str(ROOT / changed)
            return SimpleNamespace(st_size=known.st_size + longer, st_mtime_ns=known.st_mtime_ns)

    class Folder:
        def __init__(self, path: str) -> None:
            self._entries = scan(path)

        def __enter__(self):  # type: ignore[no-untyped-def]
            return (Touched(entry) for entry in self._entries)

        def __exit__(self, *error: object) -> None:
            self._entries.close()

    monkeypatch.setattr(stored.os, "scandir", Folder)
    stored._made_by.cache_clear()
    try:
        assert stored.key(source, DATACOMP, {}) != before
    finally:
        stored._made_by.cache_clear()
