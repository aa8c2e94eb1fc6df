"""Recipes that ask for `available` and `intact` keep what the oracle keeps, which is told of both as columns."""

import random
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pools
import pytest
from conformance import ONE_THREAD, Ready, asked, npy_of, with_library
from covered.made import write_shards
from oracle.coverage import answers, held

import dcql
from dcql.catalog.pool import open_pool
from dcql.engine.add import add
from dcql.engine.coverage.run import cover
from dcql.engine.features.report import Computing
from dcql.engine.run import run
from dcql.source import Source

RECIPES = {path.stem: path for path in sorted((Path(__file__).parent / "recipes").glob("*.dcql"))}
SEEDS = (11, 12)


@pytest.fixture(scope="module", autouse=True)
def home() -> Iterator[Path]:
    """Keep what is added and recorded in a store of these tests' own."""
    with TemporaryDirectory(prefix="dcql-covered-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", folder)
        yield Path(folder)
        covered.cache_clear()


@cache
def covered(home: Path, seed: int) -> Ready:
    """Return a pool that was covered; the oracle has what it found by its own reading of the tars."""
    rows = pools.base(300, seed)
    folder = home / f"pool{seed}"
    pools.write(rows, folder / "metadata", layout=pools.Layout(files=3, permutation=seed))
    write_shards(random.Random(seed), folder / "shards", rows.columns["uid"], rows.columns["sha256"])
    added = add(f"pool{seed}", folder)
    cover(added, None, lambda what, done, total: None)
    available, intact = answers(held(folder / "shards"), rows.columns["uid"], rows.columns["sha256"])
    columns = {"known_available": available, "known_intact": intact}
    types = {"known_available": "bool", "known_intact": "bool"}
    told = pools.Pool(rows.columns | columns, rows.types | types)
    return Ready(f"pool{seed}", told, open_pool(str(folder)), added)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", RECIPES)
def test_as_the_oracle(name: str, seed: int, home: Path) -> None:
    text, ready = RECIPES[name].read_text(encoding="utf-8"), covered(home, seed)
    known = re.sub(r"\b(available|intact)\b", r"known_\1", with_library(text))
    answer = asked(known, ready.rows)
    assert not isinstance(answer, str), answer
    for form, pool in ready.opened:
        program = dcql.compile(Source("recipe.dcql", text), pool.schema).program
        result = run(program, pool, ONE_THREAD, computing=Computing(max_failures=Fraction(1)))
        assert npy_of(result) == answer.npy, form
        assert result.subset.hash == answer.hash, form
        assert result.coverage is not None
        assert result.coverage.available == sum(ready.rows.columns["known_available"])
        assert result.coverage.intact == ready.rows.columns["known_intact"].count(True)
    assert 0 < result.subset.distinct < ready.rows.rows
