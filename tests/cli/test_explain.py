"""The plan as text: one plan, one text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dcql.compiler import check
from dcql.plan.explain import explain
from dcql.plan.passes import optimize
from dcql.source import Source

Dcql = Callable[..., Any]

WHERE = "SELECT uid FROM pool WHERE "

# Each differs from each other one in what it selects, if only a little.
DIFFERENT = [
    WHERE + "width > 200",
    WHERE + "width >= 200",
    WHERE + "width > 200.0 + 0 * height",
    WHERE + "width > 200.5",
    WHERE + "clip_l14 > 0.1",
    WHERE + "clip_l14 > 0.10000001",
    WHERE + "clip_l14 > q(0.1)",
    WHERE + "clip_l14 > q(0.1 NULLS FIRST)",
    WHERE + "clip_l14 > q(0.1 BY width)",
    WHERE + "clip_l14 > datacomp_q(0.1)",
    WHERE + "clip_l14 > datacomp_q(0.9)",
    WHERE + "clip_b32 > q(0.1)",
    WHERE + "caption = 'a'",
    WHERE + "caption = 'A'",
    WHERE + "caption = '\ue000'",
    WHERE + "caption = '\\ue000'",
    WHERE + "caption = ''''",
    WHERE + "caption LIKE 'a'",
    WHERE + "NOT caption LIKE 'a'",
    WHERE + "caption IS NULL",
    WHERE + "width > 1 AND height > 1",
    WHERE + "width > 1 OR height > 1",
    WHERE + "width > 1 AND (height > 1 OR width > 2)",
    WHERE + "(width > 1 AND height > 1) OR width > 2",
    WHERE + "CASE WHEN width > 1 THEN height > 1 ELSE width > 2 END",
    WHERE + "CASE WHEN width > 1 THEN width > 2 ELSE height > 1 END",
    WHERE + "width - height - 1 > 0",
    WHERE + "width - (height - 1) > 0",
    WHERE + "uid IN (SELECT uid FROM pool WHERE width > 1)",
    WHERE + "uid IN (SELECT uid FROM pool WHERE width > 2)",
    WHERE + "uid NOT IN (SELECT uid FROM pool WHERE width > 1)",
    "SELECT uid FROM pool ORDER BY width LIMIT 1",
    "SELECT uid FROM pool ORDER BY width DESC LIMIT 1",
    "SELECT uid FROM pool ORDER BY width NULLS FIRST LIMIT 1",
    "SELECT uid FROM pool ORDER BY width LIMIT 1 PERCENT",
    "SELECT uid FROM pool ORDER BY width, height LIMIT 1",
    "SELECT DISTINCT ON (width) uid FROM pool ORDER BY height",
    "SELECT DISTINCT ON (width) uid FROM pool ORDER BY height LIMIT 1",
    "WITH a AS (SELECT uid FROM pool WHERE width > 1) SELECT uid FROM a WHERE clip_l14 > q(0.5 OF a)",
    "WITH a AS (SELECT uid FROM pool WHERE width > 1) SELECT uid FROM a WHERE clip_l14 > q(0.5 OF pool)",
    *(
        f"{WHERE}width > 1 {one} {WHERE}width > 2 {other} {WHERE}width > 3"
        for one in ("UNION", "UNION ALL", "EXCEPT", "INTERSECT")
        for other in ("UNION", "UNION ALL", "EXCEPT")
    ),
    f"{WHERE}width > 1 EXCEPT ({WHERE}width > 2 EXCEPT {WHERE}width > 3)",
    f"{WHERE}width > 1 UNION ALL ({WHERE}width > 2 EXCEPT {WHERE}width > 3)",
    WHERE + "lang = 'en'",
    WHERE + "width > 200 EXPECT kept BETWEEN 1 AND 2",
    WHERE + "width > 200 EXPECT kept BETWEEN 1 PERCENT AND 2 PERCENT",
]  # fmt: skip


@pytest.mark.parametrize("passes", [lambda plan: plan, optimize], ids=["raw", "optimized"])
def test_different_plans_have_different_texts(passes: Callable[[Any], Any]) -> None:
    texts = [explain(passes(check(Source("r.dcql", text)))) for text in DIFFERENT]
    by_text: dict[str, str] = {}
    for recipe, text in zip(DIFFERENT, texts, strict=True):
        assert by_text.setdefault(text, recipe) == recipe


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select  uid from pool where width>200", WHERE + "width > 200 -- large"),
        (WHERE + "caption = 'a'", "DEFINE a AS 'a'; " + WHERE + "text = a"),
        (WHERE + "NOT width <= 200", WHERE + "width > 200"),
    ],
)
def test_equal_plans_have_equal_texts(one: str, other: str) -> None:
    assert explain(optimize(check(Source("a", one)))) == explain(optimize(check(Source("b", other))))


def test_every_line_is_printable_and_ends_once() -> None:
    text = explain(check(Source("r", WHERE + "caption = '\ue000\u3000'")))
    assert text.endswith("\n") and not text.endswith("\n\n")  # noqa: PT018
    assert all(line.isprintable() and line == line.rstrip() for line in text.splitlines())


def test_plan_of_each_recipe_that_ships(dcql: Dcql, here: Path) -> None:
    for line in dcql("recipes").out.splitlines():
        name = line.split()[0]
        assert dcql("plan", name).code == 0
        assert dcql("check", name).out.startswith("ok")
