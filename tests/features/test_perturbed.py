"""Features under the conditions of `verify --perturb`: carried to other layouts, or computed anew."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pools
import pytest
from conformance import ONE_THREAD
from features.vectors import ROWS, World
from pools.featured import featured, write_featured

import dcql
from dcql.compiler import Run
from dcql.engine.add import add
from dcql.engine.features.report import Computing
from dcql.source import Source
from dcql.verify import Outcome, conditions_for, perturb

ANEW = {"cold store", "half a store"}
COMPUTING = Computing(own_code=True, workers=1)


@pytest.fixture(autouse=True)
def _here(here: None) -> None:
    """Let models answer in this process."""


def outcomes(run: Run, tried: set[str] | None = None) -> list[Outcome]:
    """Try the conditions of this process, or those of them that are `tried`."""
    every = [one for one in conditions_for(run, COMPUTING) if not one.name.startswith("new process")]
    chosen = tuple(one for one in every if tried is None or one.name in tried)
    return list(perturb(run, chosen, computing=COMPUTING))


def differences(found: list[Outcome]) -> dict[str, str]:
    return {one.name: str(one.difference or one.failure) for one in found if one.difference or one.failure}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def run(world: World) -> Run:
    """Return a run with vectors, what reads them, samples without any, and failures of the model."""
    query = "SELECT uid FROM pool WHERE cluster <> 2 AND total > q(0.4)"
    path = world.recipe(query, "none = 5, fails = 40")
    return dcql.run(path, world.pool, resources=ONE_THREAD, computing=allowing_failures())


def allowing_failures() -> Computing:
    return replace(COMPUTING, max_failures=Fraction(1, 10))


def test_vectors_and_what_reads_them(run: Run) -> None:
    computing = allowing_failures()
    chosen = tuple(one for one in conditions_for(run, computing) if not one.name.startswith("new process"))
    assert {one.name for one in chosen} > ANEW
    assert differences(list(perturb(run, chosen, computing=computing))) == {}


def test_other_layouts_call_no_model(run: Run, world: World) -> None:
    even = sum(int(uid, 16) % 2 == 0 for uid in world.uids)
    for one in conditions_for(run, allowing_failures()):
        if one.name.startswith("new process"):
            continue
        world.vector.forget()
        world.sums.forget()
        list(perturb(run, (one,), computing=allowing_failures()))
        asked = world.vector.asked(), world.sums.asked()
        assert any(asked) == (one.name in ANEW), one.name
        # A model that fails on a sample is asked again one by one.
        assert len(set(asked[0])) == {"cold store": ROWS, "half a store": even}.get(one.name, 0)


def test_embeddings_of_the_pool_come_along(tmp_path: Path) -> None:
    made = featured(pools.base(240, 41), 42)
    write_featured(made, tmp_path / "pool", layout=pools.Layout(files=3, renamed=True, empty_file=True))
    text = "SELECT uid FROM pool WHERE image_cluster > 3 AND clip_l14 >= q(0.2)"
    reference = dcql.run(Source("recipe.dcql", text), add("small", tmp_path / "pool"), resources=ONE_THREAD)
    assert differences(outcomes(reference)) == {}


def test_assets_that_are_fitted(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    made = featured(pools.base(240, 41), 42)
    write_featured(made, tmp_path / "pool", layout=pools.Layout(files=3, renamed=True))
    text = (
        "ASSET places AS FIT kmeans(l14_img, k = 5) ON pool SEED 7;\nFEATURE near INT USING nearest(l14_img, places);\n"
        "SELECT uid FROM pool WHERE near = 2"
    )
    reference = dcql.run(Source("recipe.dcql", text), add("small", tmp_path / "pool"), resources=ONE_THREAD)
    found = outcomes(reference, {"files reversed", "files merged", "files split", "row groups", "cold store"})
    assert differences(found) == {}
