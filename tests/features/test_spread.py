"""Features that are computed elsewhere: what travels, and that the store is the same as when they are computed here."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pools
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster.posted import Posted, posted
from conformance import ONE_THREAD
from features.own import own_model, recipe_file, stored_files
from features.tars import sample, uid, write_tar
from features.vectors import World, use
from pools.featured import write_named

import dcql
from dcql.compiler import run_compiled
from dcql.engine.add import add
from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.features import spread_over
from dcql.engine.cluster.work import Attempt, Item, Work
from dcql.engine.features.by_file import Loading, Share
from dcql.engine.features.report import Computing
from dcql.source import Source

MODELS = "SELECT uid FROM pool WHERE lang = 'en' AND image_cluster < 3"


def elsewhere(loading: Loading, shares: Iterable[Share]) -> Iterator[int]:
    """Compute shares in a cluster without processes, the last one first and each twice."""
    return spread_over(posted())(loading, shares)


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


def test_images_are_found_without_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What travels of the index is the part for the file's samples."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    for name, numbers in (("b", range(5)), ("a", range(5, 12))):
        (tmp_path / "pool").mkdir(exist_ok=True)
        pq.write_table(pa.table({"uid": [uid(number) for number in numbers]}), tmp_path / "pool" / f"{name}.parquet")
    for tar, numbers in ((0, (1, 3, 11)), (1, (99,)), (2, (4, 6, 7))):
        members = [member for number in numbers for member in sample(str(number), number)]
        write_tar(tmp_path / "pool" / "shards" / f"{tar}.tar", members)
    code = "def load(weights, assets, options):\n    return lambda them: [one and len(one) for one in them]\n"
    model = own_model(tmp_path, "size", code, "image IMAGE", "INT")
    recipe = f"{model.statement}FEATURE bytes INT USING size(image);\nSELECT uid FROM pool WHERE bytes > 0;\n"
    tars = []

    def counted(loading: Loading, shares: Iterable[Share]) -> Iterator[int]:
        read = list(shares)
        tars.extend([tar.name for tar in share.images.tars] for share in read)
        monkeypatch.setattr("dcql.engine.shards.index", lambda *_: pytest.fail("the tars were walked"))
        return elsewhere(loading, read)

    computing = Computing(own_code=True, spread=counted, max_failures=Fraction(1))
    result = dcql.run(recipe_file(tmp_path, recipe), add("p", tmp_path / "pool"), computing=computing).result
    assert set(result.subset.hex()) == {uid(number) for number in (1, 3, 4, 6, 7, 11)}
    assert tars == [["0.tar", "2.tar"], ["0.tar", "2.tar"]]


@pytest.mark.parametrize(("gpus", "device", "on"), [(2, "auto", "cuda"), (2, "cpu", "cpu"), (0, "auto", "cpu")])
def test_a_model_gets_a_gpu_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, device: str, on: str
) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    write_named("many_scripts", tmp_path / "pool")
    asked = []

    class Noting(Posted):
        def attempts(self, work: Work, items: Iterable[Item]) -> Iterator[tuple[Item, Attempt]]:
            loading = work.given[1]
            asked.append((work.name, work.needs.gpus, loading.options.get("device")))
            there = replace(work, given=(work.given[0], loading.on("cpu")))
            return super().attempts(there, items)

    spread = spread_over(Cluster(Noting(gpus=gpus)))
    computing = Computing(device=device, spread=spread, max_failures=Fraction(1))
    dcql.run(Source("models", MODELS), add("p", tmp_path / "pool"), computing=computing)
    assert asked == [("lang", 0, None), ("image_cluster", 1 if on == "cuda" else 0, on)]
