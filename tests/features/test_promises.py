"""EXPECT before a model runs: a promise that cannot hold is refused while no sample was asked of, any other is not."""

import re

import pytest
from features.test_demand import EVERY, World, selected, world

import dcql
from dcql.errors import RunError

__all__ = ["world"]

CHEAP = "clip_l14 >= q(0.9)"  # 40 of the 400 or, with ties, a few more
BROKEN = {
    "at most what the cheap clauses keep": f"{EVERY} WHERE kind = 'a' AND {CHEAP} EXPECT kept BETWEEN 80 AND 400",
    "in percent": f"{EVERY} WHERE {CHEAP} AND words > 3 EXPECT kept BETWEEN 20 PERCENT AND 100 PERCENT",
    "at most LIMIT": f"{EVERY} WHERE words > 3 ORDER BY clip_l14 LIMIT 10 EXPECT kept BETWEEN 11 AND 400",
    "at most LIMIT PERCENT": f"{EVERY} WHERE even ORDER BY clip_l14 LIMIT 5 PERCENT EXPECT kept BETWEEN 21 AND 400",
    "in a stage": f"WITH some AS ({EVERY} WHERE {CHEAP} AND even) SELECT uid FROM some EXPECT kept BETWEEN 99 AND 400",
    "INTERSECT": f"{EVERY} WHERE even INTERSECT {EVERY} WHERE {CHEAP} EXPECT kept BETWEEN 99 AND 400",
    "EXCEPT leaves no more": f"{EVERY} WHERE {CHEAP} EXCEPT {EVERY} WHERE even EXPECT kept BETWEEN 99 AND 400",
    "at least one side of UNION": f"{EVERY} WHERE even UNION {EVERY} WHERE {CHEAP} EXPECT kept BETWEEN 0 AND 30",
    "at least what is not in the other": (
        f"{EVERY} EXCEPT {EVERY} WHERE {CHEAP} AND kind = 'a' EXPECT kept BETWEEN 0 AND 200"
    ),
    "DISTINCT ON keeps no more": (
        f"SELECT DISTINCT ON (kind) uid FROM pool WHERE {CHEAP} ORDER BY clip_l14 EXPECT kept BETWEEN 99 AND 400"
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_refused_before_a_model_runs(case: str, world: World) -> None:
    with pytest.raises(RunError, match=r"E0752.*(at most|at least)[^|]*") as caught:
        world.run(BROKEN[case])
    assert all(model.asked() == [] for model in world.models.values())
    # What it says is true: the oracle knows what is kept.
    bound = int(re.search(r"(?:keep|keeps) ([0-9,]+) of", str(caught.value))[1].replace(",", ""))  # type: ignore[index]
    kept = len(selected(re.sub(r"EXPECT.*", "", BROKEN[case])))
    assert kept <= bound if "at most" in str(caught.value) else kept >= bound


def test_refused_between_two_models(world: World) -> None:
    """The first model is asked, and then its answers rule the promise out: the second is not."""
    first = f"{EVERY} WHERE kind = 'a'"
    few = len(selected(first))
    with pytest.raises(RunError, match=r"E0752.*at most"):
        world.run(f"{first} AND words > 3 EXPECT kept BETWEEN {few + 1} AND 400")
    assert len(world.models["kind"].asked()) == 400
    assert world.models["words"].asked() == []


@pytest.mark.parametrize(
    "query",
    [
        f"{EVERY} WHERE {CHEAP} AND words > 3 EXPECT kept BETWEEN 1 AND 40",
        f"{EVERY} WHERE even UNION {EVERY} WHERE {CHEAP} EXPECT kept BETWEEN 60 AND 400",
        f"{EVERY} EXCEPT {EVERY} WHERE even EXPECT kept BETWEEN 0 AND 399",
        f"{EVERY} WHERE even ORDER BY clip_l14 LIMIT 10 EXPECT kept BETWEEN 10 AND 10",
    ],
)
def test_a_promise_that_may_hold_is_kept_to_the_end(query: str, world: World) -> None:
    assert world.run(query).subset.distinct == len(selected(re.sub(r"EXPECT.*", "", query)))


def test_where_all_is_stored_the_run_decides(world: World) -> None:
    """A broken promise shows its funnel where nothing has to be computed for it."""
    broken = f"{EVERY} WHERE {CHEAP} AND words > 3"
    world.run(broken)
    with pytest.raises(dcql.engine.run.BrokenPromiseError):
        world.run(f"{broken} EXPECT kept BETWEEN 99 AND 400")
