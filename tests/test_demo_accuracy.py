"""The measurement of recipes on the demo pool: the commands that it runs, and the table that it lays out."""

import json
from pathlib import Path

import pytest
from dcql.demo import accuracy
from dcql.demo.accuracy import PROGRAM, RECIPES, Accuracy, Line, lines, table
from dcql.demo.page import between

BEGIN, END = between(PROGRAM)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return the commands that are run, each of which answers at once."""
    found: list[tuple[str, ...]] = []

    def dcql(*arguments: str) -> str:
        found.append(arguments)
        folder = arguments[1]
        match arguments[0]:
            case "run":
                return json.dumps({"total": 50 if folder == "no_filter" else 5, "pool": {"samples": 50}})
            case "eval":
                seed = int(arguments[arguments.index("--seed") + 1])
                metrics = {"acc1": 0.01 * (1 + seed), "acc5": 0.05}
                other = {"key": "demo/held_out_retrieval", "metrics": {}}
                return json.dumps({"results": [{"key": "demo/held_out", "metrics": metrics}, other]})
            case _:
                return ""

    monkeypatch.setattr(accuracy, "dcql", dcql)
    return found


def test_each_recipe_is_run_once_and_trained_with_each_seed(commands: list[tuple[str, ...]], tmp_path: Path) -> None:
    measured = lines(tmp_path, seeds=3, jobs=1)
    assert [line.recipe for line in measured] == [recipe for recipe, _ in RECIPES]
    assert measured[0] == Line("no_filter", 50, 1.0, tuple(Accuracy(0.01 * seed, 0.05) for seed in (1, 2, 3)))
    steps = [command[0] for command in commands]
    assert (steps.count("run"), steps.count("reshard")) == (len(RECIPES), len(RECIPES))
    trained = [command for command in commands if command[0] == "train"]
    assert len(trained) == len(set(trained)) == 3 * len(RECIPES)
    assert {command[2:4] for command in trained} == {("--scale", "demo")}


def test_the_readme_is_written_between_its_marks(
    commands: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    command = ["accuracy", "--folder", str(tmp_path), "--seeds", "2", "--write", str(readme)]
    monkeypatch.setattr("sys.argv", command)
    assert accuracy.main() == 0
    written = readme.read_text()
    assert written.startswith(f"before\n{BEGIN}\n| recipe |")
    assert written.endswith(f"|\n{END}\nafter\n")
    assert "| no_filter | 50 (100 %) | 2 | 5.0 (5.0 to 5.0) | 1.5 (1.0 to 2.0) |" in written
    readme.write_text("no marks")
    assert accuracy.main() == 1


def test_one_seed_has_no_spread() -> None:
    assert table([Line("a", 5, 0.1, (Accuracy(0.01, 0.05),))]).splitlines()[-1] == "| a | 5 (10 %) | 1 | 5.0 | 1.0 |"


def test_the_readme_shows_what_is_measured() -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    shown = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    assert [row.split("|")[1].strip() for row in shown[2:]] == [recipe for recipe, _ in RECIPES]
