"""A stage may have any name, the names that dcql gives its own parts included."""

from pathlib import Path

import pytest
from pools import ADVERSARIAL, write

from dcql.catalog.pool import Pool, open_pool
from dcql.compiler import compile, run_compiled
from dcql.source import Source

RECIPE = """
WITH {a} AS (SELECT uid FROM pool WHERE clip_l14 > q(0.1 BY rating)),
    {b} AS (SELECT uid FROM {a} ORDER BY width LIMIT 2000),
    {c} AS (SELECT DISTINCT ON (sha256) uid FROM {b} ORDER BY width),
    {d} AS (SELECT uid FROM {c} WHERE height / width > 0.1 AND uid IN (SELECT uid FROM pool WHERE width > 1)),
    {e} AS (SELECT DISTINCT ON (grp, rating) uid FROM {d} ORDER BY clip_l14)
SELECT uid FROM {e} WHERE clip_b32 > q(0.3 OF {d}) AND clip_l14 > q(0.1 OF {a} BY grp) ORDER BY height LIMIT 100
UNION ALL SELECT uid FROM {b}
"""
RECIPE = RECIPE.replace("SELECT uid FROM {e}", "(SELECT uid FROM {e}").replace("LIMIT 100\n", "LIMIT 100)\n")
NAMES = (
    ("query", "population", "input", "samples", "s"),
    ("q1", "cut1", "first1", "key0", "set1"),
    ("q3", "cut2", "first2", "q2", "uid2"),
    ("id", "copies", "value", "k0", "value1"),
    ("in1", "clauses", "undefined", "upto2", "member1"),
)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("names") / "pool"
    write(ADVERSARIAL["mixed"](), folder)
    return open_pool(str(folder))


def subset_hash(recipe: Source | Path, pool: Pool) -> str:
    return run_compiled(compile(recipe, pool.schema), pool).hash


@pytest.mark.parametrize("names", NAMES, ids="-".join)
def test_names_of_stages_do_not_matter(pool: Pool, names: tuple[str, ...]) -> None:
    plain, odd = (RECIPE.format(**dict(zip("abcde", chosen, strict=True))) for chosen in (list("vwxyz"), names))
    assert subset_hash(Source("odd", odd), pool) == subset_hash(Source("plain", plain), pool)


@pytest.mark.parametrize("stage", ["in1", "clauses", "copies", "upto2", "cut1", "first1", "undefined", "s"])
def test_a_stage_of_an_import_may_be_called_as_its_parts_are(pool: Pool, tmp_path: Path, stage: str) -> None:
    body = "SELECT uid FROM {s} WHERE width / height > 1 AND uid IN (SELECT uid FROM pool WHERE width > 300)"
    inner = (
        "WITH {s} AS (SELECT uid FROM pool WHERE width > 1) "
        + body
        + " UNION ALL (SELECT uid FROM {s} ORDER BY width LIMIT 9)"
    )
    hashes = []
    for name in (stage, "plain"):
        (tmp_path / f"{name}.dcql").write_text(inner.replace("{s}", name))
        root = tmp_path / "root.dcql"
        root.write_text(f"IMPORT './{name}.dcql' AS base; SELECT uid FROM base WHERE height > 1")
        hashes.append(subset_hash(root, pool))
    assert hashes[0] == hashes[1]
