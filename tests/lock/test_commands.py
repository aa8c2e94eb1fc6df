"""`dcql lock` and `dcql verify`, over recipes, locks and run folders."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

import dcql
from dcql.catalog.pool import Pool
from dcql.cli import locks
from dcql.compiler import Run, run
from dcql.engine.duck import VERSION
from dcql.errors import DcqlError
from dcql.locks.lock_file import read_lock
from dcql.records.recorded import settings_for

RECIPE = "PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 >= q(1 - keep) AND score >= q(0.2 BY grp);\n"

app = typer.Typer()
app.command("lock")(locks.lock)
app.command("verify")(locks.verify)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def told(*arguments: str | Path) -> str:
    result = call(*arguments)
    assert result.exception is None, result.exception
    return result.output


def refused(*arguments: str | Path) -> tuple[int, str]:
    """Return the exit code and the code of the diagnostic."""
    error = call(*arguments).exception
    assert isinstance(error, DcqlError), error
    return error.exit_code, error.diagnostics[0].code


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "clip.dcql"
    path.write_text(RECIPE)
    return path


def test_lock_check_verify(recipe: Path) -> None:
    first = told("lock", recipe, "--pool", "mixed")
    lock = recipe.with_suffix(".lock")
    content = lock.read_bytes()
    assert read_lock(lock).subset in first
    assert told("lock", recipe) == first
    assert lock.read_bytes() == content
    assert "clip.lock is current" in told("lock", recipe, "--check")
    for target in (recipe, lock):
        assert "clip.lock holds over mixed" in told("verify", target)
    recipe.write_text(RECIPE.replace("0.2", "0.1"))
    assert refused("lock", recipe, "--check") == (3, "E0801")
    assert refused("verify", recipe) == (3, "E0801")
    assert lock.read_bytes() == content
    assert "stage 1: q2 = q(0.1 BY grp) over pool: group (" in told("lock", recipe)
    assert "holds" in told("verify", recipe)


def test_several_recipes(recipe: Path, tmp_path: Path) -> None:
    """What is wrong with one keeps no other from its turn."""
    other, wrong = tmp_path / "other.dcql", tmp_path / "wrong.dcql"
    other.write_text(RECIPE.replace("0.2", "0.3"))
    wrong.write_text(RECIPE.replace("score", "skore"))
    result = call("lock", recipe, wrong, other, tmp_path / "none.dcql", "--pool", "mixed")
    assert isinstance(result.exception, DcqlError)
    assert (result.exception.exit_code, [one.code for one in result.exception.diagnostics]) == (2, ["E0201", "E0155"])
    assert result.output.count(" of 3,000 samples of mixed") == 2
    documents = json.loads(told("lock", "--check", other, recipe, other, "--format", "json"))
    assert [Path(one["lock"]).name for one in documents] == ["other.lock", "clip.lock"]
    assert json.loads(told("lock", "--check", other, "--format", "json")) == documents[0]
    assert call("lock", recipe, other, "-o", tmp_path / "one.lock").exit_code == 2


def test_settings_are_locked_and_verified(recipe: Path) -> None:
    told("lock", recipe, "-p", "mixed", "--set", "keep=0.125")
    lock = read_lock(recipe.with_suffix(".lock"))
    assert lock.key.parameters == {"keep": "1/8"}
    assert lock.subset in told("verify", recipe)
    assert "is current" in told("lock", recipe, "--check")
    assert "is current" in told("lock", recipe, "--check", "--set", "keep=0.125")
    assert refused("lock", recipe, "--check", "--set", "keep=0.3") == (3, "E0801")
    # The values stay those of the lock, until they are given anew, or the recipe is another one.
    told("lock", recipe)
    assert read_lock(recipe.with_suffix(".lock")) == lock
    recipe.write_text(RECIPE.replace("0.2", "0.1"))
    told("lock", recipe)
    assert read_lock(recipe.with_suffix(".lock")).key.parameters == {"keep": "3/10"}
    assert refused("lock", recipe, "--check", "--set", "keep=0.125") == (3, "E0801")
    for wrong in ("keep", "=1"):
        assert call("lock", recipe, "-s", wrong).exit_code == 2


def test_settings_come_back_from_their_values() -> None:
    defaults = {"a": "3/10", "b": "1/3", "c": "'x'", "d": "TRUE", "e": "2"}
    recorded = {"a": "1/8", "b": "2/3", "c": "'it''s'", "d": "FALSE", "e": "7", "gone": "1"}
    assert settings_for(recorded, defaults) == {"a": "125e-3", "c": "'it''s'", "d": "FALSE", "e": "7"}
    assert settings_for(defaults, defaults) == {}
    assert settings_for({"a": "-3/4"}, {"a": "1"}) == {"a": "-75e-2"}


def test_other_pools(recipe: Path, store: Path) -> None:
    told("lock", recipe, "-p", "mixed")
    assert refused("verify", recipe, "-p", "fp16_ties") == (3, "E0805")
    assert refused("lock", recipe, "-p", "fp16_ties", "--check") == (3, "E0801")
    assert refused("lock", recipe, "-p", str(store / "mixed")) == (3, "E0804")
    assert refused("verify", recipe, "-p", str(store / "mixed")) == (3, "E0804")
    assert refused("verify", recipe, "-p", "nowhere") == (1, "E0701")


def test_without_a_lock(recipe: Path, tmp_path: Path) -> None:
    assert refused("verify", recipe) == (3, "E0802")
    assert refused("lock", recipe, "--check") == (3, "E0802")
    assert refused("verify", tmp_path) == (3, "E0802")
    assert refused("verify", tmp_path / "no.dcql")[0] == 2
    assert refused("verify", "no_such_recipe")[0] == 2
    lines = told("verify", recipe, "--perturb", "-p", "mixed").splitlines()
    assert len({line.split()[-1] for line in lines}) == 1
    assert len(lines) == 15


def test_json(recipe: Path) -> None:
    written = json.loads(told("lock", recipe, "-p", "mixed", "-f", "json"))
    assert written["written"]
    assert written["changes"] == []
    checked = json.loads(told("lock", recipe, "--check", "-f", "json"))
    assert checked == {**written, "written": False}
    verified = json.loads(told("verify", recipe, "--perturb", "-t", "1", "-f", "json"))
    assert verified["recorded"]
    assert {condition["hash"] for condition in verified["conditions"]} == {written["hash"]} == {verified["hash"]}


def test_another_file_for_the_lock(recipe: Path, tmp_path: Path) -> None:
    told("lock", recipe, "-p", "mixed", "-o", tmp_path / "other.lock")
    assert not recipe.with_suffix(".lock").exists()
    assert "is current" in told("lock", recipe, "--check", "-o", tmp_path / "other.lock")
    assert refused("lock", recipe, "-p", "mixed", "-o", tmp_path / "no" / "x.lock") == (3, "E0806")


def test_a_recipe_that_ships_is_locked_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told("lock", "clip_score_l14_30", "-p", "mixed")
    assert [path.name for path in tmp_path.iterdir()] == ["clip_score_l14_30.lock"]
    for target in ("clip_score_l14_30", "clip_score_l14_30.lock", "baselines/clip_score_l14_30"):
        assert "clip_score_l14_30.lock holds" in told("verify", target)
    Path("nothing.lock").write_bytes(Path("clip_score_l14_30.lock").read_bytes())
    assert refused("verify", "nothing.lock")[0] == 2


def test_a_lock_that_cannot_be_read_is_replaced(recipe: Path) -> None:
    recipe.with_suffix(".lock").write_text("<<<<<<< ours\n")
    assert refused("lock", recipe, "--check") == (3, "E0802")
    told("lock", recipe, "-p", "mixed")
    told("verify", recipe)


def test_two_values_are_never_written_over(recipe: Path) -> None:
    told("lock", recipe, "-p", "mixed")
    lock = recipe.with_suffix(".lock")
    text = lock.read_text()
    other = text.replace(read_lock(lock).subset, "dcql1:" + "0" * 64)
    lock.write_text(other)
    assert refused("lock", recipe) == (3, "E0803")
    assert refused("lock", recipe, "--check") == (3, "E0803")
    assert refused("verify", recipe) == (3, "E0803")
    assert lock.read_text() == other


def test_a_planted_fault_is_named(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dcql.engine.statistics import Statistics

    told("lock", recipe, "-p", "mixed")
    compute = Statistics._thresholds

    def planted(self: Statistics, *args: Any) -> None:
        compute(self, *args)
        if self.pool.files[0].name > self.pool.files[-1].name:
            self.parameters["q1"] = 0.3

    monkeypatch.setattr(Statistics, "_thresholds", planted)
    assert "holds" in told("verify", recipe)
    result = call("verify", recipe, "--perturb")
    different = [line.split("  ")[0] for line in result.output.splitlines() if line.endswith("DIFFERS")]
    assert different == ["files reversed", "files shuffled"]
    assert isinstance(result.exception, DcqlError)
    assert result.exception.exit_code == 3
    assert result.exception.diagnostics[0].label.startswith("first: output: query: after clip_l14 >= q(1 - keep)")


# --- run folders ------------------------------------------------------------------------------------------------------


def written(done: Run, folder: Path) -> dict[str, Any]:
    """Write the manifest of a run as `dcql run --out` does."""
    program, result = done.compiled.program, done.result
    text = done.compiled.source.text
    manifest = {
        "hash": done.hash,
        "distinct": done.subset.distinct,
        "total": done.subset.total,
        "pool": {"name": done.pool.name, "fingerprint": done.pool.fingerprint, "samples": done.pool.rows},
        "recipe": {
            "name": done.compiled.source.name,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "text": text,
        },
        "parameters": dict(program.parameters),
        "effect": program.effect,
        "thresholds": [
            {
                "name": found.name,
                "value": found.value,
                "hex": float(found.value).hex() if isinstance(found.value, float) else None,
                **{name: getattr(found, name) for name in ("n", "nulls", "k", "ties")},
                "group": list(found.group),
            }
            for stage in result.stages
            for found in stage
        ],
        "versions": {"dcql": dcql.__version__, "semantics": 1, "duckdb": VERSION},
    }
    save(folder, manifest)
    return manifest


def save(folder: Path, manifest: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_run_folders(recipe: Path, tmp_path: Path, mixed: Pool) -> None:
    folder = tmp_path / "out"
    manifest = written(run(recipe, mixed, {"keep": "0.4"}), folder)
    assert told("verify", folder).splitlines() == ["out holds over mixed", manifest["hash"]]
    recipe.unlink()
    assert "holds" in told("verify", folder)
    assert refused("verify", folder, "-p", "fp16_ties") == (3, "E0805")
    save(folder, {**manifest, "hash": "dcql1:" + "0" * 64})
    assert refused("verify", folder) == (3, "E0803")
    first = {**manifest["thresholds"][0], "hex": "0x1p-2"}
    save(folder, {**manifest, "thresholds": [first, *manifest["thresholds"][1:]]})
    assert refused("verify", folder) == (3, "E0803")
    save(folder, {**manifest, "thresholds": manifest["thresholds"][1:]})
    assert refused("verify", folder) == (3, "E0803")
    save(folder, {**manifest, "total": 1, "versions": {**manifest["versions"], "dcql": "0.0.1"}})
    assert refused("verify", folder) == (3, "E0801")
    save(folder, {**manifest, "versions": {**manifest["versions"], "semantics": 2}})
    assert refused("verify", folder) == (3, "E0801")
    save(folder, {**manifest, "parameters": {"kept": "1"}})
    assert refused("verify", folder) == (3, "E0801")
    for key in ("hash", "recipe", "pool", "thresholds", "parameters", "versions"):
        save(folder, {name: value for name, value in manifest.items() if name != key})
        assert refused("verify", folder) == (3, "E0802")
    save(folder, {**manifest, "recipe": 1})
    assert refused("verify", folder) == (3, "E0802")


def test_a_run_over_a_raw_directory(recipe: Path, tmp_path: Path, store: Path) -> None:
    folder = tmp_path / "out"
    manifest = written(run(recipe, str(store / "mixed")), folder)
    assert "holds" in told("verify", folder)
    assert "holds" in told("verify", folder, "-p", "mixed")
    save(folder, {**manifest, "hash": "dcql1:" + "0" * 64})
    assert refused("verify", folder) == (3, "E0801")


def test_a_run_of_a_recipe_with_imports(tmp_path: Path, mixed: Pool) -> None:
    (tmp_path / "inner.dcql").write_text(RECIPE)
    outer = tmp_path / "outer.dcql"
    outer.write_text("IMPORT './inner.dcql' AS inner WITH keep = 0.2; SELECT uid FROM inner WHERE rating > 1")
    written(run(outer, mixed), tmp_path / "out")
    assert "holds" in told("verify", tmp_path / "out")
    outer.unlink()
    assert refused("verify", tmp_path / "out") == (2, "E0209")
