"""One hash in every cell: threads, layouts of files, row groups, raw or added, and memory never change a subset.

Every layout runs with one setting and every setting with one layout; the full product is marked slow. No session is
shared here: each cell is a run as a user has it.
"""

import itertools
import os
from functools import cache
from pathlib import Path
from unittest.mock import patch

import oracle
import pools
import pytest
from conformance import make_ready
from pools import Layout

import dcql
from dcql.catalog.pool import Pool
from dcql.engine.duck import Resources
from dcql.source import Source

# Together they use every statistic: q, q BY, q OF, cuts with ties at them, firsts, copies, membership, words.
RECIPES = {
    "thresholds": """
        SELECT uid FROM pool WHERE clip_l14 >= q(0.6) AND score <= q(0.9 NULLS FIRST) AND original_width >= q(0.1)
    """,
    "groups": "SELECT uid FROM pool WHERE clip_b32 >= q(0.5 BY grp) OR score > q(0.9 BY safe, rating)",
    "cut_in_a_tie": """
        SELECT uid FROM pool WHERE python_words(caption) > 1 ORDER BY rating DESC LIMIT 45 PERCENT
    """,
    "first_of_each": "SELECT DISTINCT ON (grp, safe, rating) uid FROM pool ORDER BY clip_l14 DESC LIMIT 150",
    "sets": """
        WITH good AS (SELECT uid FROM pool WHERE clip_l14 >= datacomp_q(0.3)),
             wide AS (SELECT uid FROM good WHERE original_width >= q(0.5 OF good) ORDER BY clip_b32 LIMIT 70 PERCENT)
        SELECT uid FROM wide UNION SELECT uid FROM pool WHERE rating = 5 EXCEPT SELECT uid FROM pool WHERE NOT safe
    """,
    "copies": """
        WITH bag AS (SELECT uid FROM pool WHERE safe UNION ALL SELECT uid FROM pool WHERE clip_b32 > q(0.5))
        SELECT uid FROM bag WHERE score > q(0.2 OF bag)
        UNION ALL SELECT uid FROM bag WHERE uid IN (SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 1000)
    """,
}
LAYOUTS = {
    "plain": Layout(),
    "renamed": Layout(renamed=True),
    "permuted": Layout(permutation=7),
    "merged": Layout(files=1, permutation=11),
    "split": Layout(files=12, permutation=3, empty_file=True),
    "row_groups_7": Layout(row_group=7),
    "row_groups_250": Layout(row_group=250, files=3),
    "row_groups_all": Layout(row_group=1_000_000, empty_file=True),
}
SETTINGS = {
    f"{threads}-{'unbounded' if memory is None else '512MB'}": Resources(threads, memory)
    for threads, memory in itertools.product((1, 2, 8), (None, 512_000_000))
}
FORMS = ("raw", "added")
# With the most files the plain setting has the most to do; with eight threads the plain layout.
MATRIX = [
    *((layout, "2-unbounded", form) for layout, form in itertools.product(LAYOUTS, FORMS)),
    *(("split", setting, form) for setting, form in itertools.product(SETTINGS, FORMS)),
]
FULL = [cell for cell in itertools.product(LAYOUTS, SETTINGS, FORMS) if cell not in MATRIX]


@cache
def mixed() -> pools.Pool:
    return pools.mixed()


@cache
def laid_out(layout: str) -> dict[str, Pool]:
    return dict(make_ready(f"determinism.{layout}", mixed(), LAYOUTS[layout]).opened)


@cache
def wanted(recipe: str) -> str:
    """Return the oracle's hash."""
    return oracle.dcql1(oracle.select(RECIPES[recipe], mixed()))


@pytest.fixture(autouse=True)
def _store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep programs in a store of the tests: all cells but the first run what the first one compiled."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path_factory.getbasetemp() / "store"))


def one_hash_in_every_cell(recipe: str, cells: list[tuple[str, str, str]]) -> None:
    source = Source(recipe, RECIPES[recipe])
    hashes = {cell: dcql.run(source, laid_out(cell[0])[cell[2]], resources=SETTINGS[cell[1]]).hash for cell in cells}
    assert {cell: found for cell, found in hashes.items() if found != wanted(recipe)} == {}


@pytest.mark.parametrize("recipe", RECIPES)
def test_one_hash_in_every_cell(recipe: str) -> None:
    one_hash_in_every_cell(recipe, MATRIX)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_one_hash_in_every_other_cell(recipe: str) -> None:
    one_hash_in_every_cell(recipe, FULL)


@pytest.mark.parametrize("recipe", RECIPES)
def test_one_hash_where_a_pool_is_large(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From some size on marks are bits."""
    monkeypatch.setattr("dcql.engine.marked.ROWS_IN_BYTES", 0)
    one_hash_in_every_cell(recipe, [("split", "2-unbounded", "added")])


def test_a_tie_spans_the_cut() -> None:
    """Without a tie at its cut, the recipe about cuts would pass whatever breaks ties."""
    kept = oracle.select(RECIPES["cut_in_a_tie"], mixed())
    ratings = dict(zip(mixed().uids, mixed().columns["rating"], strict=True))
    last = min(ratings[uid] for uid in kept)
    everyone = oracle.select(RECIPES["cut_in_a_tie"].split("ORDER")[0], mixed())
    assert {ratings[uid] for uid in kept} > {last}
    assert any(ratings[uid] == last for uid in everyone if uid not in kept)


def test_adding_a_pool_from_other_files_gives_one_fingerprint() -> None:
    assert len({laid_out(layout)["added"].fingerprint for layout in LAYOUTS}) == 1


def test_a_run_does_not_depend_on_the_locale_or_the_time_zone(tmp_path: Path) -> None:
    pool = laid_out("plain")["raw"]
    for change in ({"TZ": "Asia/Tokyo"}, {"LC_ALL": "tr_TR.UTF-8"}, {"PYTHONHASHSEED": "7"}):
        with patch.dict(os.environ, change):
            assert dcql.run(Source("sets", RECIPES["sets"]), pool).hash == wanted("sets")
