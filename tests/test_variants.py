"""Several plans in one run keep what each of them keeps alone."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from conformance import ONE_THREAD, RECIPES, adversarial, shared_sessions
from generate import NUMBERS, recipes
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import COUNT, small

import dcql
from dcql.catalog.pool import Pool
from dcql.compiler import check
from dcql.engine.run import Result, run
from dcql.errors import DcqlError
from dcql.lower.lower import lower
from dcql.plan.nodes import Plan
from dcql.plan.passes import optimize
from dcql.source import Source
from dcql.variants import run_variants


def alone(plan: Plan, pool: Pool) -> Result:
    """Run a plan as the only one, its promises left out."""
    return run(lower(optimize(Plan(plan.stages, plan.query, (), plan.parameters))), pool, ONE_THREAD)


def differences(plans: Sequence[Plan], pool: Pool) -> Iterator[str]:
    """Yield in what plans that run together differ from each alone."""
    with shared_sessions():
        results = [alone(plan, pool) for plan in plans]
        every = alone(Plan((), check(Source("all", "SELECT uid FROM pool"), pool.schema).query, (), ()), pool)
        together = run_variants(plans, pool, ONE_THREAD)
    if not np.array_equal(together.uids, every.subset.uids):
        yield "other uids"
    assert len(together.kept) == len(together.copies) == len(together.statistics) == len(plans)
    hashes = together.hashes()
    for number, result in enumerate(results):
        if together.subset(number) != result.subset:
            yield f"{number}: {together.subset(number)!r}, alone {result.subset!r}"
        if hashes[number] != result.subset.hash:
            yield f"{number}: another hash"
        if (copies := together.copies[number]) is not None and np.any((copies > 0) != together.kept[number]):
            yield f"{number}: copies of samples that are left out"
        found = tuple(one for stage in result.stages for one in stage)
        if together.statistics[number] != found:
            yield f"{number}: {together.statistics[number]}, alone {found}"


def planned(text: str, pool: Pool) -> Plan | None:
    """Check a recipe; return None where dcql refuses it."""
    try:
        return check(Source("generated.dcql", text), pool.schema)
    except DcqlError:
        return None


@st.composite
def families(draw: st.DrawFn) -> list[str]:
    """Recipes that have much in common: some, and the same with other numbers or one clause less."""
    found: list[str] = []
    for text in draw(st.lists(recipes(depth=2), min_size=1, max_size=3)):
        found.append(text)
        for _ in range(draw(st.integers(0, 3))):
            places = list(re.finditer(r"(?<![\w.'])\d+(\.\d+)?(?![\w.'])", text))
            if not places:
                break
            at = places[draw(st.integers(0, len(places) - 1))]
            found.append(text[: at.start()] + draw(st.sampled_from(NUMBERS)) + text[at.end() :])
    return found


numbers = st.integers(0, COUNT - 1)
forms = st.sampled_from(["raw", "added"])


@settings(max_examples=settings().max_examples // 2)
@given(families(), numbers, forms)
def test_plans_together_keep_what_each_keeps_alone(texts: list[str], number: int, form: str) -> None:
    pool = dict(small(number).opened)[form]
    plans = [plan for text in texts if (plan := planned(text, pool)) is not None]
    if plans:
        assert list(differences(plans, pool)) == []


@settings(max_examples=settings().max_examples // 30)
@given(st.lists(recipes(depth=2), min_size=32, max_size=32), numbers, forms)
def test_thirty_two_plans_together(texts: list[str], number: int, form: str) -> None:
    pool = dict(small(number).opened)[form]
    plans = [plan for text in texts if (plan := planned(text, pool)) is not None]
    assert list(differences(plans, pool)) == []


@pytest.mark.parametrize("form", ["raw", "added"])
@pytest.mark.parametrize("name", ["not_a_number", "odd_uids", "tiny_files"])
def test_every_recipe_of_the_conformance_tests_together(name: str, form: str) -> None:
    pool = dict(adversarial(name).opened)[form]
    plans = [dcql.compile(path, pool.schema).plan for path in RECIPES.values()]
    assert list(differences(plans, pool)) == []
