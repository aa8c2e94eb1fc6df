"""Features that are computed elsewhere: what travels, and that the store holds the same as when they are computed here.

Here that elsewhere is another process without a cluster: everything goes there and back as a cluster would send it.
"""

import pickle
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pools
import pyarrow.parquet as pq
import pytest
from conformance import ONE_THREAD
from features.own import own_model, recipe_file, stored_files
from features.vectors import World, use
from pools.featured import write_named

import dcql
from dcql.compiler import run_compiled
from dcql.engine.add import add
from dcql.engine.features.by_file import Loading, Share
from dcql.engine.features.report import Computing
from dcql.source import Source

MODELS = "SELECT uid FROM pool WHERE lang = 'en' AND image_cluster < 3"


def elsewhere(loading: Loading, shares: Iterable[Share]) -> Iterator[int]:
    """Compute shares one after the other, the last one first, each twice: a task may be done again."""
    model = pickle.loads(pickle.dumps(loading)).load()
    for share in reversed([pickle.loads(pickle.dumps(share)) for share in shares]):
        assert share.compute(model) == share.compute(model)
        yield len(share.positions)


def stored_values(home: Path) -> dict[str, Any]:
    """Return every file of values in a store, and every vector that counts."""
    found: dict[str, Any] = {}
    for path in stored_files(home):
        found[path] = pq.read_table(home / "features" / path)
    for path in (home / "features").rglob("*.npy"):
        found[str(path.relative_to(home))] = np.load(path).tobytes()
    return found


def test_columns_and_embeddings_of_the_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_named("many_scripts", tmp_path / "pool")
    found = []
    for name, spread in (("here", None), ("elsewhere", elsewhere)):
        monkeypatch.setenv("DCQL_HOME", str(tmp_path / name))
        computing = Computing(max_failures=Fraction(1), spread=spread)
        pool = add("scripts", tmp_path / "pool")
        result = dcql.run(Source("models", MODELS), pool, resources=ONE_THREAD, computing=computing).result
        assert result.features is not None
        uses = [(one.asked, one.computed, one.failed, one.reasons) for one in result.features.uses]
        found.append((result.subset.hash, result.features.digests, uses, stored_values(tmp_path / name)))
    assert found[1] == found[0]


@pytest.mark.usefixtures("here")
def test_vectors_that_others_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "SELECT uid FROM pool WHERE cluster IN (1, 2) AND pair > 0 AND total > 0"
    found = []
    for name, spread in (("here", None), ("elsewhere", elsewhere)):
        monkeypatch.setenv("DCQL_HOME", str(tmp_path / name / "home"))
        (tmp_path / name).mkdir()
        world = World(tmp_path / name)
        result = world.run(query, "none = 9, fails = 7", spread=spread, max_failures=Fraction(1))
        assert result.features is not None
        counted = [(use(result, one).asked, use(result, one).failed) for one in ("mine", "other", "cluster", "total")]
        found.append((result.subset.hash, result.features.digests, counted, stored_values(tmp_path / name / "home")))
    assert found[1] == found[0]


def test_a_users_code_travels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe may lie on a disk that no other machine has."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    pools.write(pools.base(50, 3), tmp_path / "pool")
    code = "def load(weights, assets, options):\n    return lambda texts: [len(text or '') for text in texts]\n"
    model = own_model(tmp_path, "length", code, "caption TEXT", "INT")
    recipe = f"{model.statement}FEATURE long INT USING length(text);\nSELECT uid FROM pool WHERE long > 9;\n"
    path = recipe_file(tmp_path, recipe)

    def without_the_file(loading: Loading, shares: Iterable[Share]) -> Iterator[int]:
        model.path.unlink()
        return elsewhere(loading, shares)

    pool = add("small", tmp_path / "pool")
    compiled = dcql.compile(path, pool.schema)
    result = run_compiled(compiled, pool, computing=Computing(own_code=True, spread=without_the_file)).result
    texts = pq.read_table(tmp_path / "pool", columns=["uid", "text"]).to_pydict()
    want = {uid for uid, text in zip(texts["uid"], texts["text"], strict=True) if len(text or "") > 9}
    assert set(result.subset.hex()) == want
