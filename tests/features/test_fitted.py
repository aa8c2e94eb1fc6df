"""Assets that are fitted to samples, from the recipe to the subset."""

import re
from pathlib import Path

import numpy as np
import pools
import pytest
from conformance import ONE_THREAD
from numpy.typing import NDArray
from pools.featured import Featured, featured, write_featured

import dcql
from dcql.catalog.pool import Pool, open_pool
from dcql.engine.add import add
from dcql.engine.features.report import Computing
from dcql.engine.fit import kmeans
from dcql.engine.run import Result
from dcql.errors import DcqlError, RunError
from dcql.source import Source

pytest.importorskip("faiss")

ROWS = 240
PLACES = "ASSET places AS FIT kmeans(l14_img, k = {k}{more}) ON {on} SEED {seed};\n"
NEAR = "FEATURE near INT USING nearest(l14_img, places);\n"


@pytest.fixture
def made(tmp_path: Path) -> Featured:
    made = featured(pools.base(ROWS, 41), 42)
    write_featured(made, tmp_path / "pool", layout=pools.Layout(files=3, renamed=True, empty_file=True))
    return made


@pytest.fixture
def pool(made: Featured, tmp_path: Path) -> Pool:
    return add("small", tmp_path / "pool")


def run(pool: Pool, query: str, *, on: str = "pool", seed: str = "7", more: str = "", k: int = 5) -> Result:
    text = PLACES.format(on=on, seed=seed, more=more, k=k) + NEAR + query
    return dcql.run(Source("recipe.dcql", text), pool, resources=ONE_THREAD, computing=Computing()).result


def nearest(vectors: NDArray[np.float16], places: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the row of the largest inner product, in double precision."""
    return (vectors.astype("f8") @ places.astype("f8").T).argmax(1)  # type: ignore[no-any-return]


def by_uid(made: Featured, which: NDArray[np.bool_] | None = None) -> NDArray[np.float16]:
    """Return the vectors of some samples as they are fitted: in the order of the uids."""
    order = np.argsort([uid.zfill(32) for uid in made.rows.columns["uid"]])
    kept = order if which is None else order[which[order]]
    return made.embeddings["l14_img"][kept]


def uids(made: Featured, which: NDArray[np.bool_]) -> set[str]:
    return {uid for uid, taken in zip(made.rows.columns["uid"], which, strict=True) if taken}


def digest(result: Result) -> str:
    assert result.features is not None
    return result.features.assets["places"]


def forget_assets(home: Path) -> None:
    for path in (home / "assets").glob("*.npy"):
        path.unlink()


def test_a_feature_over_what_was_fitted_to_the_pool(made: Featured, pool: Pool) -> None:
    vectors = made.embeddings["l14_img"]
    near = nearest(vectors, kmeans([by_uid(made)], 5, niter=20, seed=7))
    for place in range(5):
        result = run(pool, f"SELECT uid FROM pool WHERE near = {place};")
        assert set(result.subset.hex()) == uids(made, near == place)


def test_it_is_fitted_to_the_samples_of_a_stage(made: Featured, pool: Pool) -> None:
    vectors = made.embeddings["l14_img"]
    safe = np.array([one is True for one in made.rows.columns["safe"]])
    query = "WITH some AS (SELECT uid FROM pool WHERE safe) SELECT uid FROM pool WHERE near = 2;"
    result = run(pool, query, on="some")
    near = nearest(vectors, kmeans([by_uid(made, safe)], 5, niter=20, seed=7))
    assert set(result.subset.hex()) == uids(made, near == 2)
    assert digest(result) != digest(run(pool, "SELECT uid FROM pool WHERE near = 2;"))


def test_a_stage_with_a_threshold_and_a_feature(made: Featured, pool: Pool) -> None:
    """What it is fitted on has to be known first, though the asset is declared before it."""
    vectors = made.embeddings["l14_img"]
    scores = np.array(made.rows.columns["clip_l14_similarity_score"], np.float32)
    threshold = np.sort(scores)[int(np.ceil(0.5 * ROWS)) - 1]
    best = scores >= threshold
    clusters = nearest(vectors, made.assets["centroids_l14"])
    pinned = int(np.bincount(clusters[best]).argmax())
    query = (
        f"WITH some AS (SELECT uid FROM pool WHERE clip_l14 >= q(0.5) AND image_cluster <> {pinned})\n"
        "SELECT uid FROM pool WHERE near = 1;"
    )
    result = run(pool, query, on="some")
    near = nearest(vectors, kmeans([by_uid(made, best & (clusters != pinned))], 5, niter=20, seed=7))
    assert set(result.subset.hex()) == uids(made, near == 1)


def test_a_set_of_what_is_nearest_to_it(made: Featured, pool: Pool) -> None:
    query = "ASSET seen AS nearest(imagenet_l14, places);\nSELECT uid FROM pool WHERE near IN seen;"
    result = run(pool, query, k=40)
    vectors = made.embeddings["l14_img"]
    places = kmeans([by_uid(made)], 40, niter=20, seed=7)
    seen = np.unique(nearest(made.assets["imagenet_l14"], places))
    assert 5 < len(seen) < 35
    assert set(result.subset.hex()) == uids(made, np.isin(nearest(vectors, places), seen))
    assert result.features is not None
    assert set(result.features.assets) == {"places", "seen"}


def test_it_is_the_same_bits_again(pool: Pool, home: Path) -> None:
    query = "SELECT uid FROM pool WHERE near = 2;"
    first = run(pool, query)
    kept = {path.name: path.read_bytes() for path in (home / "assets").glob("*.npy")}
    assert len(kept) == 1
    forget_assets(home)
    again = run(pool, query)
    assert {path.name: path.read_bytes() for path in (home / "assets").glob("*.npy")} == kept
    assert digest(again) == digest(first)
    assert again.subset.hash == first.subset.hash


def test_what_was_fitted_is_not_fitted_again(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(pool, "SELECT uid FROM pool WHERE near = 2;")
    monkeypatch.setattr("dcql.engine.fit.kmeans", lambda *given, **named: pytest.fail("fitted again"))
    again = run(pool, "SELECT uid FROM pool WHERE near = 2 AND clip_l14 >= q(0.5);")
    assert digest(again) == digest(first)


@pytest.mark.parametrize(
    "other", [{"seed": "8"}, {"seed": "'seven'"}, {"more": ", iterations = 3"}], ids=["seed", "text", "iterations"]
)
def test_other_settings_give_another_asset(other: dict[str, str], made: Featured, pool: Pool) -> None:
    query = "SELECT uid FROM pool WHERE near = 2;"
    one, another = run(pool, query), run(pool, query, **other)
    assert one.features is not None
    assert another.features is not None
    assert digest(one) != digest(another)
    assert [use.id for use in one.features.uses] != [use.id for use in another.features.uses]
    if "more" in other:
        vectors = made.embeddings["l14_img"]
        near = nearest(vectors, kmeans([by_uid(made)], 5, niter=3, seed=7))
        assert set(another.subset.hex()) == uids(made, near == 2)


def test_raw_and_added_pools_agree(pool: Pool, tmp_path: Path) -> None:
    query = "WITH some AS (SELECT uid FROM pool WHERE safe) SELECT uid FROM pool WHERE near = 2;"
    added, raw = run(pool, query, on="some"), run(open_pool(tmp_path / "pool"), query, on="some")
    assert digest(added) == digest(raw)
    assert added.subset.hash == raw.subset.hash


def test_too_few_samples(pool: Pool) -> None:
    query = "WITH few AS (SELECT uid FROM pool ORDER BY clip_l14 LIMIT 4) SELECT uid FROM pool WHERE near = 2;"
    with pytest.raises(RunError) as caught:
        run(pool, query, on="few")
    assert caught.value.diagnostics[0].code == "E0670"
    assert "5 centroids of 4 points" in str(caught.value)


def test_no_sample_at_all(pool: Pool) -> None:
    query = "WITH few AS (SELECT uid FROM pool WHERE original_width < 0) SELECT uid FROM pool WHERE near = 2;"
    with pytest.raises(RunError) as caught:
        run(pool, query, on="few")
    assert caught.value.diagnostics[0].code == "E0670"


def test_no_embeddings(tmp_path: Path) -> None:
    pools.write(pools.base(ROWS, 41), tmp_path / "plain")
    with pytest.raises(RunError) as caught:
        run(open_pool(tmp_path / "plain"), "SELECT uid FROM pool WHERE near = 2;")
    assert caught.value.diagnostics[0].code == "E0660"


@pytest.mark.parametrize(
    ("query", "on"),
    [
        ("WITH a AS (SELECT uid FROM pool WHERE near = 1) SELECT uid FROM a;", "a"),
        ("WITH a AS (SELECT uid FROM pool WHERE near = 1), b AS (SELECT uid FROM a) SELECT uid FROM b;", "b"),
    ],
)
def test_it_is_not_fitted_on_what_reads_it(query: str, on: str, pool: Pool) -> None:
    with pytest.raises(DcqlError) as caught:
        run(pool, query, on=on)
    assert caught.value.diagnostics[0].code == "E0201"
    assert re.search("a stage sees only the stages above it", str(caught.value))
