"""The edits between two recipes in words, and that undoing all of them gives the plan of A."""

import hashlib
from pathlib import Path

import pytest

from dcql.catalog.types import DATACOMP, Column, Schema, Type
from dcql.compiler import check
from dcql.plan import nodes
from dcql.plan.definitions import without_demand
from dcql.plan.edits import Edits, edits_between
from dcql.plan.explain import explain
from dcql.plan.passes.prune_stages import prune_stages
from dcql.plan.written import Writer
from dcql.source import Source

SCHEMA = Schema((*DATACOMP.columns, Column("grp", Type.INT)))
SELECT = "SELECT uid FROM pool WHERE"


def plan(text: str, folder: Path | None = None, settings: dict[str, str] | None = None) -> nodes.Plan:
    """Resolve a recipe."""
    path = None
    if folder is not None:
        path = folder / "recipe.dcql"
        path.write_text(text)
    return check(Source("recipe.dcql", text), SCHEMA, settings, path)


def between(a: str, b: str, folder: Path | None = None) -> Edits:
    """Return the edits between two recipes; undoing none of them is B, and undoing all is A but for the order."""
    old, new = plan(a, folder), plan(b, folder)
    found = edits_between(old, new)
    for undone, expected in ((frozenset[int](), new), (found.all, old)):
        assert in_order(found.mix(undone)) == in_order(expected)
    return found


def in_order(one: nodes.Plan) -> tuple[object, ...]:
    """Return a plan's relations with the clauses of each SELECT in one order, which says the same as any other."""

    def rule(node: nodes.Node) -> nodes.Node:
        if isinstance(node, nodes.Filter):
            clauses = sorted(node.clauses, key=lambda clause: Writer().expression(clause.expr))
            return nodes.Filter(node.input, tuple(clauses))
        return node

    ordered = nodes.transform_plan(prune_stages(without_demand(one)), rule)
    return {stage.name: stage.relation for stage in ordered.stages}, ordered.query


def words(a: str, b: str, folder: Path | None = None) -> list[str]:
    """Return the words of the edits."""
    return [edit.words for edit in between(a, b, folder).edits]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("width > 1 AND height > 2", "height > 2  AND\n width > 1", []),
        ("width > 1", "original_width > 1", []),
        ("width > 1", "width > 1 AND width > 1", ["clause added: width > 1"]),
        ("width > 1", "width > 2", ["clause changed: width > 1 -> width > 2"]),
        ("width > 1", "height > 1", ["clause removed: width > 1", "clause added: height > 1"]),
        (
            "width > 1 AND clip_l14 > 0 AND clip_b32 > 0",
            "clip_b32 > 0 AND clip_l14 > 0.1",
            ["clause removed: width > 1", "clause changed: clip_l14 > 0 -> clip_l14 > 0.1"],
        ),
        (
            "width > 1 AND width < 9 AND clip_l14 > 0",
            "clip_l14 > 0 AND width > 2 AND width < 8",
            [
                "clause removed: width > 1",
                "clause removed: width < 9",
                "clause added: width > 2",
                "clause added: width < 8",
            ],
        ),
        ("clip_l14 >= q(0.7)", "clip_l14 >= q(0.8)", ["clause changed: clip_l14 >= q(0.7) -> clip_l14 >= q(0.8)"]),
        ("clip_l14 >= q(0.5)", "clip_l14 >= q(0.50 OF pool)", []),
        (
            "width > 1 OR height > 1",
            "height > 1",
            ["clause removed: width > 1 OR height > 1", "clause added: height > 1"],
        ),
    ],
)
def test_clauses(a: str, b: str, expected: list[str]) -> None:
    assert sorted(words(f"{SELECT} {a}", f"{SELECT} {b}")) == sorted(expected)


def test_a_param_is_told_by_its_values() -> None:
    a, b = (f"PARAM keep DEFAULT {keep}; {SELECT} clip_l14 >= q(1 - keep)" for keep in ("0.3", "0.25"))
    assert words(a, b) == ["clause changed: clip_l14 >= q(1 - keep) (keep 0.3 -> 0.25)"]


def test_what_words_stand_for_is_told_where_they_are_the_same() -> None:
    a, b = (f"DEFINE good AS width > {width}; {SELECT} good OR height > 1" for width in (1, 2))
    assert words(a, b) == [
        "clause changed: good OR height > 1 (original_width > 1 OR original_height > 1 -> "
        "original_width > 2 OR original_height > 1)"
    ]


def test_stages_that_only_one_recipe_has_are_no_edit() -> None:
    a = f"{SELECT} width > 1"
    b = "WITH large AS (SELECT uid FROM pool WHERE width > 9) SELECT uid FROM large WHERE width > 1"
    assert words(a, b) == ["FROM changed: pool -> large"]
    assert words(b, a) == ["FROM changed: large -> pool"]
    unused = "WITH s AS (SELECT uid FROM pool WHERE width > {}), t AS (SELECT uid FROM s) SELECT uid FROM {}"
    assert words(unused.format(1, "s"), unused.format(2, "t")) == [
        "clause changed in s: width > 1 -> width > 2",
        "FROM changed: s -> t",
    ]
    assert words(unused.format(1, "pool"), unused.format(2, "pool")) == []


def test_stages_in_a_circle_are_one_edit() -> None:
    a = "WITH s AS (SELECT uid FROM pool WHERE width > 1), t AS (SELECT uid FROM s WHERE height > 1) SELECT uid FROM t"
    b = (
        "WITH t AS (SELECT uid FROM pool WHERE width > 1), s AS (SELECT uid FROM t WHERE height > 1) "
        "SELECT uid FROM s WHERE uid IN t"
    )
    first, *others = between(a, b).edits
    assert (first.kind, first.stage) == ("stages changed", "s, t")
    assert [edit.words for edit in others] == ["FROM changed: t -> s", "clause added: uid IN t"]


def test_a_stage_called_query_is_told_apart() -> None:
    a, b = (f"WITH query AS ({SELECT} width > {n}) SELECT uid FROM query WHERE height > {n}" for n in (1, 2))
    assert words(a, b) == [
        "clause changed in stage query: width > 1 -> width > 2",
        "clause changed: height > 1 -> height > 2",
    ]


def test_tails_and_set_operations() -> None:
    a = f"{SELECT} width > 1 ORDER BY clip_l14 DESC LIMIT 10"
    assert words(a, f"{SELECT} width > 1 ORDER BY clip_b32 LIMIT 20 PERCENT") == [
        "ORDER BY changed: clip_l14_similarity_score DESC -> clip_b32_similarity_score",
        "LIMIT changed: 10 -> 20 PERCENT",
    ]
    assert words(a, f"{SELECT} width > 1") == ["LIMIT removed: 10"]
    distinct = "SELECT DISTINCT ON (sha256) uid FROM pool WHERE width > 1 ORDER BY clip_l14 DESC"
    assert words(a, distinct) == ["DISTINCT ON added: sha256", "LIMIT removed: 10"]
    union = f"{SELECT} width > 1 UNION {SELECT} height > 1"
    assert words(f"{SELECT} width > 1", union) == ["operand added: UNION SELECT uid FROM pool WHERE height > 1"]
    assert words(union, union.replace("UNION", "EXCEPT")) == ["set operation changed: UNION -> EXCEPT"]
    assert words(union, union.replace("height > 1", "height > 2")) == [
        "clause changed in query, operand 2: height > 1 -> height > 2"
    ]
    assert words(f"{union} ORDER BY width LIMIT 5", union) == ["LIMIT removed: 5"]


def test_samples() -> None:
    a = f"{SELECT} width > 1 SAMPLE 10 PERCENT SEED 7"
    assert words(a, f"{SELECT} width > 1 SAMPLE 10 PERCENT SEED '7'") == []
    assert words(a, f"{SELECT} width > 1 SAMPLE 10 PERCENT SEED 8") == [
        "SAMPLE changed: 10 PERCENT SEED 7 -> 10 PERCENT SEED 8"
    ]
    assert words(a, f"{SELECT} width > 2 SAMPLE 12.5 PERCENT SEED 7") == [
        "clause changed: width > 1 -> width > 2",
        "SAMPLE changed: 10 PERCENT SEED 7 -> 12.5 PERCENT SEED 7",
    ]
    assert words(a, f"{SELECT} width > 1") == ["SAMPLE removed: 10 PERCENT SEED 7"]
    assert words(f"{SELECT} width > 1", a) == ["SAMPLE added: 10 PERCENT SEED 7"]
    rows = f"{SELECT} width > 1 SAMPLE 5 ROWS SEED 'it''s' WEIGHT BY height"
    assert words(a, rows) == ["SAMPLE changed: 10 PERCENT SEED 7 -> 5 ROWS SEED 'it''s' WEIGHT BY original_height"]
    assert words(rows, rows.replace("height", "width")) == [
        "SAMPLE changed: 5 ROWS SEED 'it''s' WEIGHT BY original_height -> 5 ROWS SEED 'it''s' WEIGHT BY original_width"
    ]
    limit = f"{SELECT} width > 1 ORDER BY height LIMIT 5"
    assert words(limit, a) == ["LIMIT removed: 5", "SAMPLE added: 10 PERCENT SEED 7"]
    a, b = (f"PARAM seed DEFAULT {seed}; {SELECT} width > 1 SAMPLE 1 ROWS SEED seed" for seed in (1, 2))
    assert words(a, b) == ["SAMPLE changed: 1 ROWS SEED 1 -> 1 ROWS SEED 2"]
    # A query in FROM with a SAMPLE stays what it was below another one.
    inner = f"SELECT uid FROM ({a.partition('; ')[2].replace('SEED seed', 'SEED 1')})"
    assert words(f"{inner} SAMPLE 50 PERCENT SEED 2", f"{inner} SAMPLE 60 PERCENT SEED 2") == [
        "SAMPLE changed: 50 PERCENT SEED 2 -> 60 PERCENT SEED 2"
    ]


def test_a_definition_is_one_edit_however_often_it_is_used() -> None:
    def recipe(k: int) -> str:
        feature = f"FEATURE near FIXED(14) USING knn(dedup, evaluation_images, k = {k});"
        return f"{feature} {SELECT} near < 0.5 AND near > 0.1 AND near <= q(0.9)"

    [told] = words(recipe(1), recipe(2))
    assert told == (
        "feature changed: near: FIXED(14) by knn(dedup, asset evaluation_images, k = 1) -> "
        "FIXED(14) by knn(dedup, asset evaluation_images, k = 2)"
    )


def test_an_asset_of_several_features_is_one_edit() -> None:
    def recipe(seed: int) -> str:
        fit = f"ASSET c AS FIT kmeans(l14_img, k = 5) ON large SEED {seed};"
        made = "FEATURE cluster INT USING nearest(l14_img, c); FEATURE other INT USING nearest(b32_img, c);"
        stage = "WITH large AS (SELECT uid FROM pool WHERE width > 9)"
        return f"{fit} {made} {stage} {SELECT} cluster = 1 AND other = 2"

    assert words(recipe(0), recipe(1)) == [
        "asset changed: c: FIT kmeans(l14_img, k = 5, iterations = 20) ON large SEED 0 -> "
        "FIT kmeans(l14_img, k = 5, iterations = 20) ON large SEED 1"
    ]
    # What it is fitted on decides as well: the stage is not read by any clause.
    moved = recipe(0).replace("width > 9", "width > 8")
    assert words(recipe(0), moved) == ["clause changed in large: width > 9 -> width > 8"]
    query = plan(moved).query
    assert isinstance(query, nodes.Filter)
    assert between(recipe(0), moved).reach(query.clauses[0]) == {1}


def test_an_asset_that_is_fitted_on_a_stage_of_its_own() -> None:
    def recipe(on: str) -> str:
        fit = f"ASSET c AS FIT kmeans(l14_img, k = 5) ON {on} SEED 0; FEATURE cluster INT USING nearest(l14_img, c);"
        return f"{fit} WITH {on} AS (SELECT uid FROM pool WHERE width > 9) {SELECT} cluster = 1"

    found = between(recipe("s"), recipe("t"))
    assert [edit.kind for edit in found.edits] == ["asset changed"]
    assert [stage.name for stage in found.mix(found.all).stages if not stage.demand] == ["s"]


def test_a_set_is_one_edit(tmp_path: Path) -> None:
    texts = []
    for name, content in (("a", "1\n2\n"), ("b", "1\n3\n")):
        (tmp_path / f"{name}.txt").write_text(content)
        digest = hashlib.sha256(content.encode()).hexdigest()
        texts.append(f"SET s FROM '{name}.txt' SHA256 '{digest}'; {SELECT} width IN s OR height IN s")
    [told] = words(*texts, tmp_path)
    assert told.startswith("set changed: s: sha256 ")


def test_a_model_is_one_edit(tmp_path: Path) -> None:
    texts = []
    for version, code in ((1, "a = 1\n"), (2, "a = 2\n")):
        (tmp_path / f"m{version}.py").write_text(code)
        digest = hashlib.sha256(code.encode()).hexdigest()
        model = f"MODEL m(caption TEXT) RETURNS INT VERSION {version} FROM 'm{version}.py' SHA256 '{digest}';"
        texts.append(f"{model} FEATURE f INT USING m(text); FEATURE g INT USING m(url); {SELECT} f > 1 AND g > 1")
    [told] = words(*texts, tmp_path)
    assert told.startswith("model changed: m: version 1, code ")


def test_an_import_with_another_parameter(tmp_path: Path) -> None:
    (tmp_path / "base.dcql").write_text(f"PARAM keep DEFAULT 0.3; {SELECT} clip_l14 >= q(1 - keep);")
    a, b = (f"IMPORT './base.dcql' AS base WITH keep = {keep}; SELECT uid FROM base" for keep in ("0.1", "0.2"))
    assert words(a, b, tmp_path) == [
        "clause changed in base: clip_l14 >= q(1 - keep) (clip_l14_similarity_score >= q(0.9) -> "
        "clip_l14_similarity_score >= q(0.8))"
    ]


def test_mixes_are_plans_that_explain() -> None:
    a = "WITH s AS (SELECT uid FROM pool WHERE lang = 'en') SELECT uid FROM s WHERE clip_l14 >= q(0.5 OF s)"
    b = "WITH t AS (SELECT uid FROM pool WHERE lang = 'de') SELECT uid FROM t WHERE clip_l14 >= q(0.5 OF t)"
    found = edits_between(plan(a), plan(b))
    for number in found.all:
        told = explain(found.mix(frozenset({number})))
        assert "stage s\n" in told
        assert "stage t\n" in told
