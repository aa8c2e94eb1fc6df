"""Every recipe of tests/conformance/ keeps on every adversarial pool what the oracle keeps, byte for byte."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pools
import pytest
from conformance import ONE_THREAD, RECIPES, adversarial, differences, expected, npy_of, ran
from oracle import datacomp

import dcql
from dcql.catalog.recipes import shipped_recipes
from dcql.engine.run import run
from dcql.errors import RunError

# DataComp's own rules, by the name of the baseline that states them.
BASELINES: dict[str, Callable[[pools.Pool], datacomp.Array]] = {
    "no_filter": datacomp.no_filter,
    "caption_and_size": datacomp.basic_filter_without_language,
    "clip_score_b32_25": lambda pool: datacomp.clip_score(pool, "b32", threshold=0.25),
    "clip_score_l14_30": lambda pool: datacomp.clip_score(pool, "l14", fraction=0.3),
}


@pytest.mark.parametrize("pool", pools.ADVERSARIAL)
@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name: str, pool: str) -> None:
    path = RECIPES[name]
    answer = expected(path.read_text(encoding="utf-8"), pool)
    assert not isinstance(answer, str), answer
    assert differences(path, adversarial(pool), answer) == []


def test_every_recipe_says_which_rule_it_covers() -> None:
    for path in RECIPES.values():
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith(("-- §", "-- Rule ", "-- Contract ")), path


@pytest.mark.parametrize("pool", pools.ADVERSARIAL)
@pytest.mark.parametrize("name", BASELINES)
def test_baseline_is_datacomps_own(name: str, pool: str) -> None:
    ready = adversarial(pool)
    # A pool made to be adversarial keeps no promise about shares.
    text = _shipped(name).read_text(encoding="utf-8").split("EXPECT")[0]
    wanted = datacomp.npy(BASELINES[name](ready.rows))
    for form, opened in ready.opened:
        assert npy_of(ran(text, opened)) == wanted, form


def _shipped(name: str) -> Path:
    return shipped_recipes()[f"baselines/{name}"]


@pytest.mark.parametrize("content", [b"2\n", None], ids=["another", "gone"])
def test_a_set_that_changes_after_the_check_is_refused(content: bytes | None, tmp_path: Path) -> None:
    listed = tmp_path / "listed.txt"
    listed.write_bytes(b"1\n")
    recipe = tmp_path / "recipe.dcql"
    digest = hashlib.sha256(b"1\n").hexdigest()
    recipe.write_text(f"SET listed FROM 'listed.txt' SHA256 '{digest}'; SELECT uid FROM pool WHERE grp IN listed")
    ready = adversarial("fp16_ties")
    program = dcql.compile(recipe, ready.raw.schema).program
    listed.unlink()
    if content is not None:
        listed.write_bytes(content)
    with pytest.raises(RunError, match="E0210"):
        run(program, ready.raw, ONE_THREAD)
