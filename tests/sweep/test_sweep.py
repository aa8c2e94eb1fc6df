"""Sweeps: which values there are, what each variant keeps, and how the variants lie to each other.

Each file of errors/ holds a message, under the `--set`s that give it.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conformance import ONE_THREAD, adversarial
from hypothesis import given
from hypothesis import strategies as st

import dcql
from dcql.engine.run import BrokenPromiseError, Result
from dcql.errors import RecipeError
from dcql.inspect.nesting import Nesting, nesting
from dcql.plan.ranges import MOST_VARIANTS, combinations
from dcql.source import Source
from dcql.subset import UID, Subset, hashes
from dcql.sweep import plans, sweep

ERRORS = sorted((Path(__file__).parent / "errors").glob("*.txt"))


def given_as(*settings: str) -> dict[str, str]:
    return dict(one.split("=", 1) for one in settings)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1..0.5:0.1", "0.1 0.2 0.3 0.4 0.5"),
        ("0.1..0.5:0.05", "0.1 0.15 0.2 0.25 0.3 0.35 0.4 0.45 0.5"),
        ("0.1..0.55:0.1", "0.1 0.2 0.3 0.4 0.5"),
        ("1..3:1", "1 2 3"),
        ("-0.5..0.5:.5", "-0.5 0 0.5"),
        ("1e-3..3e-3:1e-3", "0.001 0.002 0.003"),
        ("100..1e3:450", "100 550 1000"),
        ("0.1,0.3", "0.1 0.3"),
        (" 0.1 , 0.3 ", "0.1 0.3"),
        ("0.1..0.3:0.1,0.7", "0.1 0.2 0.3 0.7"),
        ("0.1..0.3:0.1,0.20,2e-1", "0.1 0.2 0.3"),
        ("7..7:1,8", "7 8"),
        ("TRUE,FALSE", "TRUE FALSE"),
        ("'a,b','..'", "'a,b' '..'"),
    ],
)
def test_values(text: str, values: str) -> None:
    assert [choice["keep"] for choice in combinations({"keep": text})] == values.split(" ")


@given(st.integers(-300, 300), st.integers(1, 40), st.integers(0, 9), st.integers(2, MOST_VARIANTS))
def test_a_range_is_exact(start: int, step: int, digits: int, count: int) -> None:
    """No step is rounded: the n-th value is from + n steps, as a fraction."""
    scale = Fraction(1, 10**digits)
    texts = [f"{number}e-{digits}" for number in (start, start + step * (count - 1), step)]
    found = [Fraction(choice["keep"]) for choice in combinations({"keep": "{}..{}:{}".format(*texts)})]
    assert found == [(start + step * number) * scale for number in range(count)]


def test_every_combination_the_first_slowest() -> None:
    found = combinations({"keep": "0.1,0.2", "least": "200", "most": "1..3:1"})
    assert [" ".join(choice.values()) for choice in found] == [
        "0.1 200 1", "0.1 200 2", "0.1 200 3", "0.2 200 1", "0.2 200 2", "0.2 200 3",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ERRORS, ids=lambda path: path.stem)
def test_message(path: Path, update: bool) -> None:
    first, _, written = path.read_text(encoding="utf-8").partition("\n")
    with pytest.raises(RecipeError) as raised:
        combinations(given_as(*first.split()))
    if update:
        path.write_text(f"{first}\n{raised.value}\n", encoding="utf-8", newline="\n")
    assert f"{raised.value}\n" == written or update
    assert path.name[:5] in {one.code for one in raised.value.diagnostics}


TEXT = """
PARAM keep DEFAULT 0.3;
PARAM least DEFAULT 0;
SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep) AND width >= least
EXPECT kept BETWEEN 400 AND 1000;
"""
SOURCE = Source("recipe.dcql", TEXT)


def alone(choice: dict[str, str], form: str) -> Result:
    """Run one choice as `dcql run --set` does."""
    try:
        return dcql.run(SOURCE, dict(adversarial("mixed").opened)[form], choice, ONE_THREAD).result
    except BrokenPromiseError as error:
        return error.result


@pytest.mark.parametrize("form", ["raw", "added"])
def test_each_variant_is_what_its_values_give_alone(form: str) -> None:
    pool = dict(adversarial("mixed").opened)[form]
    choices = combinations({"keep": "0.1..0.5:0.1", "least": "0,300"})
    found = sweep(plans(SOURCE, None, pool.schema, choices), choices, pool, ONE_THREAD)
    results = [alone(choice, form) for choice in choices]
    assert found.samples == pool.rows == 3000
    assert [one.hash for one in found.variants] == [one.subset.hash for one in results]
    assert [(one.distinct, one.total) for one in found.variants] == [
        (one.subset.distinct, one.subset.total) for one in results
    ]
    assert [one.promised for one in found.variants] == [400 <= one.subset.distinct <= 1000 for one in results]
    assert {one.promised for one in found.variants} == {True, False}
    assert [one.parameters["keep"] for one in found.variants][::2] == ["1/10", "1/5", "3/10", "2/5", "1/2"]
    assert [[each.value for each in one.statistics] for one in found.variants] == [
        [each.value for stage in one.stages for each in stage] for one in results
    ]
    uids = [set(one.subset.hex()) for one in results]
    assert [list(row) for row in found.nesting.overlaps] == [[len(a & b) for b in uids] for a in uids]


def test_a_value_that_is_wrong_is_named() -> None:
    choices = combinations({"keep": "0.8..1.2:0.2"})
    with pytest.raises(RecipeError, match=r"(?s)E0311.*this is with keep = 1\.2"):
        plans(SOURCE, None, adversarial("mixed").raw.schema, choices)
    with pytest.raises(RecipeError, match=r"E0212.*`kep`"):
        plans(SOURCE, None, adversarial("mixed").raw.schema, combinations({"kep": "1,2"}))


# --- nesting ----------------------------------------------------------------------------------------------------------

members = st.lists(st.lists(st.booleans(), min_size=11, max_size=11), min_size=2, max_size=6)


@given(members)
def test_nesting_is_what_sets_say(rows: list[list[bool]]) -> None:
    found = nesting([np.array(row) for row in rows])
    sets = [{place for place, kept in enumerate(row) if kept} for row in rows]
    assert found.overlaps == tuple(tuple(len(a & b) for b in sets) for a in sets)
    for i, a in enumerate(sets):
        for j, b in enumerate(sets):
            holds = {"=": a == b, "<": a < b, ">": a > b, "-": not a & b, "~": bool(a & b)}
            assert holds[found.relation(i, j)]
    nested = all(a <= b or b <= a for a in sets for b in sets)
    assert (found.chain is not None) == nested
    if found.chain is not None:
        assert [len(sets[i]) for i in found.chain] == sorted(map(len, sets))


def test_a_subset_that_is_empty_is_inside_every_other() -> None:
    assert Nesting(((0, 0), (0, 3))).relation(0, 1) == "<"


@given(members, st.booleans())
def test_hashes_at_once_are_those_of_each_subset(rows: list[list[bool]], repeated: bool) -> None:
    uids = np.array([(number * 0x1234567890ABCDE, number) for number in range(11)], UID)
    kept = [np.array(row) for row in rows]
    copies = [(np.arange(11, dtype=np.uint32) % 3 + 1) * one if repeated else None for one in kept]
    subsets = [Subset(uids[one], None if many is None else many[one]) for one, many in zip(kept, copies, strict=True)]
    assert hashes(uids, kept, copies) == tuple(one.hash for one in subsets)
