"""Clauses by themselves where features decide: what is told is the oracle's count, and the rest is not told."""

import oracle
import pytest
from conformance import ONE_THREAD, with_library
from features.own import recipe_file
from features.test_demand import CASES, OWN_CODE, World, with_columns, world

import dcql
from dcql.engine.observe import count_alone
from dcql.lower.alone import alone
from dcql.plan.passes.prune_stages import prune_stages

__all__ = ["world"]


def silent(what: str, done: int, total: int) -> None:
    pass


@pytest.mark.thinned(3)
@pytest.mark.parametrize("case", CASES)
def test_what_is_told_is_the_oracles_count(case: str, world: World) -> None:
    query, _ = CASES[case]
    compiled = dcql.compile(recipe_file(world.folder, world.declared + query), world.pool.schema)
    lowered = alone(prune_stages(compiled.plan))
    counts = count_alone(lowered, world.pool, ONE_THREAD, silent, OWN_CODE)
    program = oracle.program(with_library(query), with_columns(), None, None)
    program.run()
    wanted = []
    for block in program.blocks:
        if len(block.tests) > 1:
            truths = [[test.of(program.samples[uid]) is True for test in block.tests] for uid in block.entered]
            passes = [sum(one[i] for one in truths) for i in range(len(block.tests))]
            drops = [sum(not one[i] and sum(one) == len(one) - 1 for one in truths) for i in range(len(block.tests))]
            wanted.append((passes, drops))
    for told in lowered.blocks:
        found = [[counts[name] if name else None for name in names] for names in (told.passes, told.drops)]
        assert any(agrees(found[0], passes) and agrees(found[1], drops) for passes, drops in wanted), (found, wanted)


def agrees(found: list[int | None], wanted: list[int]) -> bool:
    return len(found) == len(wanted) and all(a is None or a == b for a, b in zip(found, wanted, strict=True))
