"""Every baseline that ships keeps, on every pool with features, what DataComp's rules keep: the .npy byte for byte."""

import io
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from conformance import ONE_THREAD, npy_of
from oracle.baselines import BASELINES, open_pool
from oracle.models import models
from pools.featured import FEATURED, write_named

import dcql
from dcql.engine.add import add
from dcql.engine.features.report import Computing
from dcql.engine.run import BrokenPromiseError, Result


@pytest.fixture(scope="module", autouse=True)
def home() -> Iterator[Path]:
    """Keep what is added and computed in a store of these tests' own."""
    with TemporaryDirectory(prefix="dcql-baselines-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", folder)
        yield Path(folder)
        folder_of.cache_clear()
        name_of.cache_clear()


@cache
def folder_of(home: Path, pool: str) -> Path:
    """Write a pool, once."""
    folder = home / "written" / pool
    folder.mkdir(parents=True)
    write_named(pool, folder)
    return folder


@cache
def name_of(home: Path, pool: str) -> str:
    """Add a pool to the store, once, and return its name there."""
    return add(pool, folder_of(home, pool)).name


# A pool made to be adversarial has more samples without an embedding than a run takes without being told.
ANY_FAILURES = Computing(max_failures=Fraction(1))


def kept(recipe: str, pool: str) -> Result:
    """Run a recipe; a pool made to be adversarial breaks its promises about shares."""
    try:
        return dcql.run(recipe, pool, resources=ONE_THREAD, computing=ANY_FAILURES).result
    except BrokenPromiseError as broken:
        return broken.result


@cache
def wanted(recipe: str, folder: Path) -> bytes:
    return BASELINES[recipe](open_pool(folder), models())


@pytest.mark.thinned(3)
@pytest.mark.parametrize("form", ["raw", "added"])
@pytest.mark.parametrize("pool", FEATURED)
@pytest.mark.parametrize("recipe", BASELINES)
def test_baseline_is_datacomps_own(recipe: str, pool: str, form: str, home: Path) -> None:
    folder = folder_of(home, pool)
    result = kept(recipe, name_of(home, pool) if form == "added" else str(folder))
    assert npy_of(result) == wanted(recipe, folder), differing(result, wanted(recipe, folder))


def differing(result: Result, right: bytes) -> str:
    """Say which uids one side keeps and the other does not."""
    ours = {tuple(uid) for uid in np.load(io.BytesIO(npy_of(result))).tolist()}
    theirs = {tuple(uid) for uid in np.load(io.BytesIO(right)).tolist()}
    listed = [
        f"{who}: {', '.join(f'{high:016x}{low:016x}' for high, low in sorted(uids)[:5])}"
        for who, uids in {"dcql alone": ours - theirs, "DataComp alone": theirs - ours}.items()
        if uids
    ]
    return "; ".join(listed) or "the same samples, another file"
