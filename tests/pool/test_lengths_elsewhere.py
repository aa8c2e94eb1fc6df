"""Lengths of texts where no run is: sweeps, diffs, `why`, clauses by themselves, what is dropped, reports.

Each is held to what a pool without lengths gives, from the texts themselves, and subsets to the oracle. No text can be
read of the pool that has lengths: its own files hold zeros.
"""

from pathlib import Path
from typing import Any

import oracle
import pools
import pyarrow.parquet as pq
import pytest
from oracle.hash import dcql1
from pool.nasty import NASTY, RECIPES, nasty_pool, older, without_content

from dcql.catalog.library import library
from dcql.catalog.pool import Pool
from dcql.compiler import check, run
from dcql.engine.add import add
from dcql.engine.duck import Resources
from dcql.engine.locate import locate
from dcql.engine.observe import count_alone
from dcql.engine.values import observing
from dcql.inspect.attribution import Side, attribute
from dcql.inspect.dropped import dropped
from dcql.inspect.report.cuts import cuts
from dcql.inspect.report.findings import look
from dcql.inspect.sample import why
from dcql.inspect.why import why_to_json
from dcql.lower.alone import alone
from dcql.plan import nodes
from dcql.plan.edits import edits_between
from dcql.plan.lengths import over
from dcql.plan.passes import optimize
from dcql.plan.written import Writer, short_names
from dcql.source import Source
from dcql.sweep import plans, sweep
from dcql.syntax.parser import parse
from dcql.variants import run_variants

ONE = Resources(1)
SWEPT = (
    ("least", "0 1 2", "SELECT uid FROM pool WHERE python_words(text) > least AND code_points(text) > 2"),
    ("least", "0.01 0.5 0.99", "SELECT uid FROM pool WHERE fasttext_words(text) >= q(least)"),
    (
        "least",
        "0.01 0.99",
        "WITH s AS (SELECT uid FROM pool WHERE python_words(text) > 0) "
        "SELECT uid FROM s WHERE code_points(text) >= q(least OF s BY fasttext_words(text))",
    ),
    ("least", "3 5", "SELECT uid, code_points(text) % least AS copies FROM pool WHERE code_points(text) IS NOT NULL"),
    ("least", "4 40", "SELECT uid FROM pool WHERE text IS NOT NULL ORDER BY code_points(text) LIMIT least"),
)
# All that they read of a sample is lengths and numbers.
OF_LENGTHS = (RECIPES[0], RECIPES[1], RECIPES[5], RECIPES[6])
EDITED = (
    (
        "SELECT uid FROM pool WHERE python_words(text) > 1 AND code_points(text) > 2",
        "SELECT uid FROM pool WHERE python_words(text) > 2 AND code_points(text) > 4 AND original_width > 900",
    ),
    (
        "SELECT uid FROM pool WHERE fasttext_words(text) >= q(0.5)",
        "SELECT uid FROM pool WHERE fasttext_words(text) >= q(0.8) OR python_words(text) = 1",
    ),
)


def silent(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def both(tmp_path: Path) -> tuple[Pool, Pool, pools.Pool]:
    """The same pool three times: with lengths and without texts, with texts and without lengths, for the oracle."""
    new = add("new", nasty_pool(tmp_path / "new"))
    columns: dict[str, list[Any]] = {}
    for file in new.files:
        for name, values in pq.read_table(file.path).to_pydict().items():
            columns.setdefault(name, []).extend(values)
    types = {str(field.name): str(field.type) for field in pq.read_schema(new.files[0].path)}
    types["face_bboxes"] = pools.TYPES["face_bboxes"]
    types = {name: {"float": "float32", "double": "float64"}.get(type_, type_) for name, type_ in types.items()}
    without_content(new)
    return new, older("old", nasty_pool(tmp_path / "old")), pools.Pool(columns, types)


def plan_of(text: str, pool: Pool) -> nodes.Plan:
    return check(Source("r", text), pool.schema)


def wanted(text: str, pool: pools.Pool, **params: str) -> str:
    return dcql1(oracle.select(text, pool, params=params))


@pytest.mark.parametrize(("name", "values", "query"), SWEPT, ids=[query for _, _, query in SWEPT])
def test_sweeps(name: str, values: str, query: str, both: tuple[Pool, Pool, pools.Pool]) -> None:
    new, old, rows = both
    text = f"PARAM {name} DEFAULT {values.split()[0]};\n{query}"
    choices = [{name: value} for value in values.split()]
    resolved = plans(Source("r", text), None, new.schema, choices)
    if "text IS NOT NULL" in query:
        found = [sweep(resolved, choices, old, ONE)]  # it reads the text besides
    else:
        found = [sweep(resolved, choices, pool, ONE) for pool in (new, old)]
        assert repr(found[0].variants) == repr(found[1].variants)
    oracles = [wanted(text, rows, **choice) for choice in choices]
    assert [variant.hash for variant in found[0].variants] == oracles
    assert len(set(oracles)) > 1


@pytest.mark.parametrize(("a", "b"), EDITED)
def test_differences(a: str, b: str, both: tuple[Pool, Pool, pools.Pool]) -> None:
    new, old, rows = both
    told = []
    for pool in (new, old):
        one, other = (plan_of(text, pool) for text in (a, b))

        def evaluate(several: Any, pool: Pool = pool) -> Any:
            return run_variants(several, pool, ONE)

        found = attribute(edits_between(one, other, None), Side(one, evaluate), Side(other, evaluate))
        assert (found.a.hash, found.b.hash) == (wanted(a, rows), wanted(b, rows))
        told.append(repr(found.attribution))
    assert told[0] == told[1]


@pytest.mark.parametrize("recipe", OF_LENGTHS)
def test_why(recipe: str, both: tuple[Pool, Pool, pools.Pool]) -> None:
    new, old, rows = both
    kept = oracle.select(recipe, rows)
    for row in (9, len(NASTY) - 1):
        uid = rows.columns["uid"][row]
        told = []
        for pool in (new, old):
            names = short_names(parse(Source("r", recipe)), library(), pool.schema)
            found = why(plan_of(recipe, pool), pool, locate(pool, uid, ONE), names, ONE, silent)
            assert found.copies == kept.get(bytes.fromhex(uid), 0)
            told.append({**why_to_json(found), "pool": None})
        assert told[0] == told[1]


@pytest.mark.parametrize("recipe", [RECIPES[0], *(b for _, b in EDITED)])
def test_clauses_by_themselves(recipe: str, both: tuple[Pool, Pool, pools.Pool]) -> None:
    new, old, _ = both
    counts = []
    for pool in (new, old):
        plan = over(optimize(plan_of(recipe, pool)), pool)
        counts.append(count_alone(alone(plan), pool, ONE, silent))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("recipe", OF_LENGTHS)
def test_what_is_dropped_and_what_a_report_says(recipe: str, both: tuple[Pool, Pool, pools.Pool]) -> None:
    new, old, rows = both
    groups, findings = [], []
    for pool in (new, old):
        done = run(Source("r", recipe), pool)
        plan = optimize(done.compiled.plan)
        frozen = {one.name: one for stage in done.result.stages for one in stage}
        writer = Writer(short_names(done.compiled.recipe, library(), pool.schema))

        with observing(done.compiled.program, pool, ONE, frozen, silent) as observed:
            groups.append(dropped(plan, writer, done.subset, observed, 5, lambda uids: uids["f0"], silent))
            findings.append(repr(look(plan, cuts(plan, writer), (), done.subset, observed, 5, silent)))
    assert groups[0] == groups[1]
    kept = oracle.select(recipe, rows)
    if "AS copies" not in recipe:
        assert sum(group.count for group in groups[0]) == rows.rows - len(kept)
    assert findings[0] == findings[1]
