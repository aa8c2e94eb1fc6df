"""A small pool, a model of the tests' own that counts the words of its captions, and what the store holds of that."""

from pathlib import Path
from typing import Any

import pools
from conformance import ONE_THREAD

import dcql
from dcql.catalog.features import StoredFeature, stored_features
from dcql.catalog.pool import Pool
from dcql.engine.features import files
from dcql.engine.features.report import Computing
from dcql.engine.run import Result

from .own import OwnModel, recipe_file

ROWS = 120
PLAIN = pools.Layout(files=3, renamed=True)
QUERY = "SELECT uid FROM pool WHERE words >= 4"
LENGTH = "return len(text.split())"


def written(folder: Path, rows: int = ROWS, layout: pools.Layout = PLAIN, seed: int = 5) -> Path:
    pools.write(pools.base(rows, seed), folder / "pool", layout=layout)
    return folder / "pool"


def run(model: OwnModel, pool: Pool | str | Path, query: str = QUERY, **computing: Any) -> Result:
    text = f"{model.statement}FEATURE words INT USING words_of(uid, text);\n{query};"
    path = recipe_file(model.path.parent, text)
    settings = Computing(own_code=True, **computing)
    return dcql.run(path, pool, resources=ONE_THREAD, computing=settings).result


def feature(name: str = "words") -> StoredFeature:
    return next(one for one in stored_features() if one.described()["name"] == name)


def versions(stored: StoredFeature) -> list[list[Path]]:
    """Return the versions of each file's values."""
    return [stored.versions(key) for key in stored.keys()]  # noqa: SIM118


def known(stored: StoredFeature) -> int:
    """Return for how many samples something is known."""
    return sum(files.read_footer(each[-1]).known for each in versions(stored))


def right(rows: int = ROWS, seed: int = 5) -> set[str]:
    pool = pools.base(rows, seed)
    return {uid for uid, text in zip(pool.columns["uid"], pool.columns["text"], strict=True) if len(text.split()) >= 4}


def newest(stored: StoredFeature, file: int = 1) -> Path:
    return versions(stored)[file][-1]


def same(one: Result, other: Result) -> bool:
    assert one.features is not None
    assert other.features is not None
    return one.subset.hash == other.subset.hash and one.features.digests == other.features.digests
