"""tests/passes/NAME.txt: what each pass makes of plans, each case run before and after.

A case is a `# title`, a recipe, its plan before the pass and after it, parted by `---`; `pytest --update` writes the
plans.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conformance import ONE_THREAD, adversarial, asked, npy_of, shared_sessions
from conformance.models import ready_for_models, told

from dcql.compiler import check
from dcql.engine.run import run
from dcql.lower.lower import lower
from dcql.plan.explain import explain
from dcql.plan.nodes import Plan
from dcql.plan.passes import PASSES, Pass
from dcql.source import Source

FOLDER = Path(__file__).parent / "passes"
RULE = "\n---\n"
BY_NAME: dict[str, Pass] = {rewrite.__name__: rewrite for rewrite in PASSES}
POOLS = ("fp16_ties", "not_a_number")


@dataclass(frozen=True)
class Case:
    """One case of a file; `plans` is empty until they are written."""

    title: str
    recipe: str
    plans: tuple[str, ...]


@cache
def cases(name: str) -> dict[str, Case]:
    """Read the cases of a pass by their titles."""
    found: dict[str, Case] = {}
    for text in ("\n" + (FOLDER / f"{name}.txt").read_text(encoding="utf-8")).split("\n# ")[1:]:
        title, _, rest = text.partition("\n")
        recipe, *plans = rest.strip().split(RULE)
        assert title not in found, f"two cases are called `{title}`"
        found[title] = Case(title, recipe, tuple(plans))
    return found


def plans(name: str, case: Case) -> tuple[Plan, Plan]:
    """Return the plan of a case before and after the pass."""
    before = check(Source(case.title, case.recipe), adversarial(POOLS[0]).raw.schema)
    return before, BY_NAME[name](before)


def written(name: str) -> str:
    """Write a file's cases with the plans as they are."""
    parts = []
    for case in cases(name).values():
        before, after = plans(name, case)
        parts.append(f"# {case.title}\n{case.recipe}{RULE}{explain(before).strip()}{RULE}{explain(after).strip()}\n")
    return "\n".join(parts)


EVERY = [(name, title) for name in BY_NAME for title in cases(name)]


@pytest.fixture(scope="module", autouse=True)
def home() -> Iterator[Path]:
    """Keep what is added and computed in a store of these tests' own."""
    with TemporaryDirectory(prefix="dcql-passes-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", folder)
        yield Path(folder)


@pytest.mark.parametrize(("name", "title"), EVERY, ids=[f"{name}: {title}" for name, title in EVERY])
def test_case(name: str, title: str, home: Path) -> None:
    case = cases(name)[title]
    programs = [lower(plan) for plan in plans(name, case)]
    has_models = any(program.features or program.asset_sets for program in programs)
    for ready in [ready_for_models(home)] if has_models else map(adversarial, POOLS):
        answer = asked(*told(case.recipe)) if has_models else asked(case.recipe, ready.rows)
        assert not isinstance(answer, str), answer
        for program in programs:
            with shared_sessions():
                assert npy_of(run(program, ready.raw, ONE_THREAD)) == answer.npy


@pytest.mark.parametrize("name", BY_NAME)
def test_plans_are_as_written(name: str, update: bool) -> None:
    path = FOLDER / f"{name}.txt"
    if update:
        path.write_text(written(name), encoding="utf-8", newline="\n")
        cases.cache_clear()
    assert path.read_text(encoding="utf-8") == written(name)


def test_every_pass_has_a_file_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_some_case_changes(name: str) -> None:
    changed = {title: explain(before) != explain(after) for title, (before, after) in _all_plans(name).items()}
    assert any(changed.values())


def _all_plans(name: str) -> dict[str, tuple[Plan, Plan]]:
    return {title: plans(name, case) for title, case in cases(name).items()}
