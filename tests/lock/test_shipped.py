"""Every recipe that ships has a lock on the demo pool, and it holds."""

from pathlib import Path

import pytest
from dcql.demo.expand import expand

from dcql.catalog.pool import Pool
from dcql.catalog.recipes import shipped_recipes
from dcql.engine.add import add
from dcql.engine.duck import Resources
from dcql.records.recorded import check_recorded, find_recorded, run_again
from dcql.verify import conditions_for, perturb

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = sorted(path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.dcql"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(home))
        yield add("demo", expand(home / "demo", tars=False))


def test_every_recipe_ships():
    assert set(NAMES) <= set(shipped_recipes())


@pytest.mark.parametrize("name", NAMES)
def test_the_lock_holds(name: str, demo: Pool):
    recorded = find_recorded(name)
    run = run_again(recorded, demo, Resources(threads=2))
    assert recorded.lock is not None
    assert check_recorded(recorded, run) == ()
    assert run.hash == recorded.lock.subset
    assert run.result.subset.distinct > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_condition_matters(name: str, demo: Pool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DCQL_HOME", str(Path(demo.source).parent))
    run = run_again(find_recorded(name), demo, Resources(threads=2))
    for outcome in perturb(run, conditions_for(run)):
        assert (outcome.name, outcome.difference, outcome.failure, outcome.left_out) == (outcome.name, None, None, None)
        assert outcome.hash == run.hash, outcome.name
