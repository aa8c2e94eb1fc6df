"""Every recipe of tests/conformance/ keeps on every adversarial pool what the oracle keeps, byte for byte."""

import hashlib
import re
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pools
import pytest
from conformance import FOLDER, ONE_THREAD, RECIPES, adversarial, differences, expected, npy_of, ran
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


@pytest.mark.thinned(3)
@pytest.mark.parametrize("pool", pools.ADVERSARIAL)
@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name: str, pool: str) -> None:
    path = RECIPES[name]
    answer = expected(path.read_text(encoding="utf-8"), pool)
    assert not isinstance(answer, str), answer
    assert differences(path, adversarial(pool), answer) == []


# Rules of constructs that are still to come, without a recipe.
MISSING: set[str] = set()


def covered() -> dict[str, tuple[list[str], list[str]]]:
    """Read rules.txt: for the number of each rule its recipes, and the messages of what it refuses."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for line in (FOLDER / "rules.txt").read_text(encoding="utf-8").splitlines():
        if line and line[0].isdigit():
            rule, _, _ = line.partition("  ")
            assert rule not in found
            found[rule] = [], []
        elif line.startswith("     refused: "):
            found[rule][1].extend(line.split()[1:])
        elif line.startswith("     "):
            found[rule][0].extend(line.split())
    return found


def opening(name: str) -> str:
    """Return the comment that a recipe begins with."""
    lines = RECIPES[name].read_text(encoding="utf-8").splitlines()
    return " ".join(takewhile(lambda line: line.startswith("--"), lines))


def names(comment: str, rule: str) -> bool:
    """Whether a comment names a rule: "Rule 7" is 3.7, and of the other sections it names the section."""
    section, number, *_ = re.split("[. ]", rule)
    if section in "23":
        return re.search(rf"\bRules? (\d+ and )?{number}\b", comment) is not None
    # Of names and files each recipe is there for another rule as well.
    return section == "8" or f"§{section}" in comment


def test_every_rule_has_a_recipe() -> None:
    written = re.findall(r"^\*\*([1237]\.\d+)\*\*", (FOLDER / "../../docs/semantics.md").read_text("utf-8"), re.M)
    table = covered()
    assert set(written) <= set(table)
    assert {rule for rule in table if rule[0] in "1237"} <= {*written, *MISSING}
    assert {rule for rule, (recipes, _) in table.items() if not recipes} == MISSING
    for rule, (recipes, refused) in table.items():
        assert set(recipes) <= set(RECIPES), rule
        assert {name for name in refused if not (FOLDER / f"../errors/{name}.txt").exists()} == set(), rule
        assert not recipes or any(names(opening(name), rule) for name in recipes), rule


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_which_rule_it_covers(name: str) -> None:
    assert any(name in recipes and names(opening(name), rule) for rule, (recipes, _) in covered().items())


def test_there_are_recipes_enough() -> None:
    assert len(RECIPES) >= 60


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
