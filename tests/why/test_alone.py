"""What clauses do by themselves, and clauses that follow from others: against the oracle, sample by sample."""

from unittest.mock import patch

import conformance
import oracle
import pytest
from conformance import ONE_THREAD
from generate import recipes
from hypothesis import given
from hypothesis import strategies as st
from properties import COUNT, for_the_oracle, random_pool, small

from dcql.catalog.types import DATACOMP
from dcql.compiler import check
from dcql.engine.observe import count_alone
from dcql.errors import DcqlError
from dcql.lower.alone import alone
from dcql.plan import nodes
from dcql.plan.implied import implied
from dcql.plan.lengths import over
from dcql.source import Source
from why.test_verdict import silent, without_promise

NUMBERS = [number for number in range(COUNT) if random_pool(number).rows]
Counts = tuple[tuple[int, ...], tuple[int, ...]]


def by_the_oracle(text: str, number: int) -> set[Counts]:
    """Return for each SELECT of several conjuncts how many samples pass each, and how many each alone drops."""
    program = oracle.program(for_the_oracle(text), small(number).rows, None, None)
    program.run()
    found: set[Counts] = set()
    for block in program.blocks:
        if len(block.tests) > 1:
            truths = [[test.of(program.samples[uid]) is True for test in block.tests] for uid in block.entered]
            passes = tuple(sum(one[i] for one in truths) for i in range(len(block.tests)))
            drops = tuple(
                sum(not one[i] and sum(one) == len(one) - 1 for one in truths) for i in range(len(block.tests))
            )
            found.add((passes, drops))
    return found


@pytest.mark.slow
@given(recipes(), st.sampled_from(NUMBERS), st.sampled_from(["raw", "added"]))
def test_counts_are_the_oracles(text: str, number: int, form: str) -> None:
    text = without_promise(text)
    try:
        plan = check(Source("generated", text), small(number).raw.schema)
        wanted = by_the_oracle(text, number)
    except (DcqlError, oracle.OracleError):
        return
    pool = dict(small(number).opened)[form]
    lowered = alone(over(plan, pool))
    with patch("dcql.engine.observe.session", conformance._shared):
        counts = count_alone(lowered, pool, ONE_THREAD, silent)
    found = {
        (tuple(counts[name or ""] for name in block.passes), tuple(counts[name or ""] for name in block.drops))
        for block in lowered.blocks
    }
    # A stage that nothing reads is not run by the oracle.
    assert wanted <= found


def clauses(where: str) -> list[nodes.Expr]:
    plan = check(Source("r", f"SELECT uid FROM pool WHERE {where}"), DATACOMP)
    assert isinstance(plan.query, nodes.Filter)
    return [clause.expr for clause in plan.query.clauses]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("clip_l14 >= 0.3 AND clip_l14 >= 0.2", [(1, 0)]),
        ("clip_l14 >= 0.2 AND clip_l14 >= 0.3", [(0, 1)]),
        ("clip_l14 > 0.2 AND clip_l14 >= 0.2", [(1, 0)]),
        ("clip_l14 >= 0.2 AND clip_l14 > 0.2", [(0, 1)]),
        ("0.3 <= clip_l14 AND clip_l14 > 0.2", [(1, 0)]),
        ("width < 200 AND width <= 300", [(1, 0)]),
        ("width = 200 AND width <= 300 AND width <> 7", [(1, 0), (2, 0)]),
        ("clip_l14 >= q(0.7) AND clip_l14 >= q(0.5)", [(1, 0)]),
        ("clip_l14 >= q(0.7) AND clip_l14 IS NOT NULL", [(1, 0)]),
        ("caption LIKE '%a%' AND caption LIKE '%a%'", [(1, 0)]),
        ("width BETWEEN 200 AND 300 AND width >= 100", [(1, 0)]),
        ("width >= 100 AND width BETWEEN 50 AND 300", []),
        # What looks alike and does not follow.
        ("clip_l14 >= 0.3 AND clip_b32 >= 0.2", []),
        ("clip_l14 >= 0.3 AND clip_l14 <= 0.5", []),
        ("clip_l14 >= q(0.7) AND clip_l14 > q(0.5)", []),  # both may have one value
        ("clip_l14 >= q(0.7) AND clip_l14 >= 0.1", []),
        ("clip_l14 >= q(0.7 NULLS FIRST) AND clip_l14 >= q(0.5 NULLS FIRST)", []),  # the lower may be NULL
        ("clip_l14 >= q(0.7 BY width) AND clip_l14 >= q(0.5)", []),
        ("clip_l14 >= 0.3 AND caption IS NOT NULL", []),
    ],
)
def test_clauses_that_follow_on_any_pool(where: str, wanted: list[tuple[int, int]]) -> None:
    assert sorted(implied(clauses(where))) == wanted


COMPARED = st.builds(
    "clip_l14 {} {}".format,
    st.sampled_from([">=", ">", "<", "<=", "=", "<>"]),
    st.sampled_from(["0.25", "0.28", "0.2505", "q(0.5)", "q(0.7)", "q(0.7 NULLS FIRST)", "q(0.4 BY grp)", "0.3"]),
)


@given(st.lists(st.one_of(COMPARED, st.just("clip_l14 IS NOT NULL")), min_size=2, max_size=4), st.sampled_from(NUMBERS))
def test_what_follows_does_so_on_every_pool(written: list[str], number: int) -> None:
    where = " AND ".join(written)
    plan = check(Source("r", f"SELECT uid FROM pool WHERE {where}"), small(number).raw.schema)
    assert isinstance(plan.query, nodes.Filter)
    for clause, other in implied([one.expr for one in plan.query.clauses]):
        assert oracle.select(f"SELECT uid FROM pool WHERE {written[other]}", small(number).rows).keys() <= (
            oracle.select(f"SELECT uid FROM pool WHERE {written[clause]}", small(number).rows).keys()
        )
