"""Why a sample is kept or dropped where features decide: the cases of demand, against the oracle.

To the oracle features are ordinary columns, so that it knows what each would be, asked or not.
"""

import oracle
import pytest
from conformance import ONE_THREAD, with_library
from features.own import recipe_file
from features.test_demand import CASES, EVERY, MODELS, OWN_CODE, World, rows, selected, with_columns, world

import dcql
from dcql.engine.locate import locate
from dcql.inspect.sample import why
from dcql.inspect.why import Flip, SectionTold, Why

__all__ = ["world"]

UIDS = [rows().columns["uid"][number] for number in (3, 128, 399)]


def silent(what: str, done: int, total: int) -> None:
    pass


def explained(world: World, query: str, uid: str) -> Why:
    compiled = dcql.compile(recipe_file(world.folder, world.declared + query), world.pool.schema)
    place = locate(world.pool, uid, ONE_THREAD)
    return why(compiled.plan, world.pool, place, {}, ONE_THREAD, silent, OWN_CODE)


def truths(query: str, uid: str) -> set[tuple[bool | None, ...]]:
    """Return what the conjuncts of each SELECT give for a sample, by the oracle."""
    program = oracle.program(with_library(query), with_columns(), None, None)
    program.run()
    sample = program.samples[bytes.fromhex(uid)]
    return {tuple(test.of(sample) for test in block.tests) for block in program.blocks if block.tests}


def known(section: SectionTold) -> list[bool | None]:
    """Return what each clause gives as far as it is told: asked, or stored all the same."""
    return [clause.part.truth if clause.part is not None else None for clause in section.clauses]


def after(world: World, query: str, flip: Flip) -> str | None:
    """Return the query with a told change, None for one of no text."""
    whole = world.declared + query
    if flip.span is None:
        return None
    start, end = flip.span
    changed = whole[:start] + flip.clause + whole[end:]
    # A DEFINE stands in the query's text too.
    return changed[len(world.declared) :]


@pytest.mark.thinned(3)
@pytest.mark.parametrize("case", CASES)
def test_the_verdict_and_the_changes_are_the_oracles(case: str, world: World) -> None:
    query, _ = CASES[case]
    kept = selected(query)
    for uid in UIDS:
        told = explained(world, query, uid.zfill(32))
        assert told.kept == (uid.zfill(32) in kept)
        for section in told.sections:
            for clause in section.clauses:
                assert clause.asked or clause.truth is None
                if clause.asked:
                    assert clause.part is not None
                if not clause.asked and section.reached:
                    assert clause.waits_for
        for flip in told.flips:
            if (changed := after(world, query, flip)) is not None:
                assert (uid.zfill(32) in selected(changed)) != told.kept, (flip, changed)


@pytest.mark.parametrize("case", ["three in a row", "the second after the first", "a stage narrows"])
def test_a_clause_that_is_not_asked_is_told_where_the_store_knows_it(case: str, world: World) -> None:
    query, _ = CASES[case]
    unasked = 0
    before = [explained(world, query, uid.zfill(32)) for uid in UIDS]
    for name in MODELS:
        world.run(f"{EVERY} WHERE {name} IS NULL")
    for uid, was in zip(UIDS, before, strict=True):
        told = explained(world, query, uid.zfill(32))
        assert told.kept == was.kept
        wanted = truths(query, uid.zfill(32))
        for section, old in zip(told.sections, was.sections, strict=True):
            assert tuple(known(section)) in wanted
            assert section.failing == old.failing
            for clause, one in zip(section.clauses, old.clauses, strict=True):
                assert clause.asked == one.asked
                unasked += not clause.asked and one.part is None
    assert unasked  # or nothing was tested


def test_nothing_is_computed_that_the_recipe_does_not_ask_for(world: World) -> None:
    query, asked = CASES["three in a row"]
    wanted = {name: set().union(*map(selected, asked[name])) for name in asked}
    explained(world, query, UIDS[0].zfill(32))
    for name, uids in wanted.items():
        assert set(world.models[name].asked()) == uids
    world.forget()
    explained(world, query, UIDS[1].zfill(32))
    assert all(model.asked() == [] for model in world.models.values())


def test_a_model_that_failed_says_why(world: World) -> None:
    uid = next(u for u, text in zip(rows().columns["uid"], rows().columns["text"], strict=True) if text is None)
    told = explained(world, f"{EVERY} WHERE words > 3", uid.zfill(32))
    (section,) = told.sections
    assert not told.kept
    assert section.clauses[0].truth is None


def test_margins_are_in_steps_of_the_grid(world: World) -> None:
    told = explained(world, f"{EVERY} WHERE share >= 0.25", UIDS[0].zfill(32))
    part = told.sections[0].clauses[0].part
    assert part is not None
    assert part.margin is not None
    assert part.steps == part.margin * 2**14
