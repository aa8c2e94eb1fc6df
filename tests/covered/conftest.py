"""Every test of coverage has a store of its own, and most a pool of 40 samples with its shards."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pools
import pytest
from features.tars import uid, write_tar

from dcql.catalog.coverage import Coverage
from dcql.catalog.pool import Pool, open_pool
from dcql.engine.add import add
from dcql.engine.coverage.run import cover


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point $DCQL_HOME at an empty folder."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DCQL_HOME", str(folder))
    return folder


@dataclass(frozen=True)
class Covered:
    """A pool of samples 0 to 39, the i-th with SHA-256 `sha256(i)`, ten in each of four tars."""

    folder: Path

    @property
    def shards(self) -> Path:
        return self.folder / "shards"

    @property
    def pool(self) -> Pool:
        return open_pool("covered")

    def write_metadata(self, *, rows: int = 40, hashes: bool = True) -> None:
        columns: dict[str, list[Any]] = {"uid": [uid(i) for i in range(rows)], "text": ["a"] * rows}
        columns["score"] = [i / rows for i in range(rows)]
        types = {"uid": "string", "text": "string", "score": "float64"}
        if hashes:
            columns["sha256"], types["sha256"] = [sha256(i) for i in range(rows)], "string"
        pools.write(pools.Pool(columns, types), self.folder / "metadata", layout=pools.Layout(files=2, permutation=1))
        add("covered", self.folder)

    def write_tar(self, number: int, samples: "range | list[int]", **described: Any) -> Path:
        files = [file for i in samples for file in whole(i, **described)]
        return write_tar(self.shards / f"{number:08d}.tar", files)

    def cover(self, shards: Path | None = None, *, check_bytes: bool = False) -> Coverage:
        return cover(self.pool, str(shards) if shards is not None else None, silent, check_bytes=check_bytes)


@pytest.fixture
def covered(tmp_path: Path) -> Covered:
    """Return the pool, added; every sample of it is intact."""
    found = Covered(tmp_path / "pool")
    found.write_metadata()
    for number in range(4):
        found.write_tar(number, range(10 * number, 10 * number + 10))
    return found


def sha256(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def whole(number: int, image: bytes | None = None, **described: Any) -> list[tuple[str, bytes]]:
    """Return the members of a sample."""
    key = f"{number:09d}"
    about = {"uid": uid(number), "key": key, "sha256": sha256(number), **described}
    content = image if image is not None else str(number).encode()
    return [(f"{key}.jpg", content), (f"{key}.txt", b"a"), (f"{key}.json", json.dumps(about).encode())]


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
