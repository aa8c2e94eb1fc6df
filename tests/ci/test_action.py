"""action.yml and .pre-commit-hooks.yaml: their commands are run here as GitHub and pre-commit would, in real shells."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ci.conftest import Scratch
from ci.volatile import volatile

import dcql

ROOT = Path(dcql.__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
CHECK = next(step for step in STEPS if step.get("id") == "check")
GOOD = "SELECT uid FROM pool WHERE clip_l14 >= q(0.7);\n"

# What GitHub would put in for the expressions of the step that checks; each stands as it is in action.yml.
BASE = "${{ inputs.base || github.base_ref && format('origin/{0}', github.base_ref) || '' }}"
EXPRESSIONS = {
    "BASE": BASE,
    "POOL": "${{ inputs.pool }}",
    "OPTIONS": "${{ inputs.options }}",
    "SUMMARY": "${{ runner.temp }}/dcql-summary.md",
}


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a step; its files lie in `folder`, and it finds the `dcql` of this Python."""
    files = {f"GITHUB_{name}": str(folder / name.lower()) for name in ("OUTPUT", "STEP_SUMMARY")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "GITHUB_ACTION_PATH": str(ROOT), **files, **more}


def run_check(folder: Path, base: str = "main", options: str = "") -> tuple[int, str, str]:
    """Run the step of action.yml as a runner does; return its exit code, what it prints and the workflow's summary."""
    assert CHECK["env"] == EXPRESSIONS
    summary, output = folder / "dcql-summary.md", folder / "output"
    output.unlink(missing_ok=True)
    given = environment(folder, BASE=base, POOL="", OPTIONS=options, SUMMARY=str(summary))
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", CHECK["run"]]
    ended = subprocess.run(shell, env=given, capture_output=True, text=True, check=False)
    assert output.read_text() == f"summary={summary}\n"
    shown = folder / "step_summary"
    return ended.returncode, ended.stdout + ended.stderr, shown.read_text() if shown.exists() else ""


def lock(*paths: str) -> None:
    """Lock recipes as a user does."""
    words = [sys.executable, "-m", "dcql", "lock", "--own-code", "--pool", "small", *paths]
    subprocess.run(words, check=True, capture_output=True)


def test_a_good_recipe_passes(scratch: Scratch, tmp_path: Path) -> None:
    scratch.write("other.dcql", GOOD)
    scratch.commit()
    scratch.write("mine.dcql", GOOD)
    lock("mine.dcql")
    code, told, summary = run_check(tmp_path)
    assert code == 0, told
    assert re.findall(r"^  (\w+) +(ok|failed|left out)", told, re.MULTILINE) == [
        *((name, "ok") for name in ("format", "check", "lock", "perturb")),
        ("diff", "left out"),  # it is new
    ]
    assert "other" not in told
    assert "`clip_l14 >= q(0.7)` |" in summary
    scratch.commit()
    assert run_check(tmp_path, "HEAD")[:2] == (0, "no recipe changed since HEAD\n")


def test_what_is_wrong_is_told_all_at_once(scratch: Scratch, tmp_path: Path) -> None:
    """A recipe that is not formatted and one whose lock is stale, of which one is imported."""
    scratch.write("first.txt", "")
    scratch.commit()
    scratch.write("importing.dcql", "IMPORT './stale.dcql' AS stale;\nSELECT uid FROM stale;\n")
    for name in ("unformatted", "stale"):
        scratch.write(f"{name}.dcql", GOOD)
    lock("unformatted.dcql", "stale.dcql", "importing.dcql")
    scratch.commit()
    scratch.write("unformatted.dcql", GOOD.replace("SELECT", "select"))
    scratch.write("stale.dcql", GOOD.replace("0.7", "0.8"))
    code, told, summary = run_check(tmp_path, "HEAD", "--no-perturb")
    assert code == 1
    for text in (told, summary):
        assert re.findall(r"error\[(E\d{4})\]", text) == ["E0801", "E0801", "E1491"]
        assert "import `stale`: sha256:" in text
        for help_ in (
            "write the lock anew: `dcql lock importing.dcql`",
            "write the lock anew: `dcql lock stale.dcql`",
            "`dcql fmt unformatted.dcql` formats it",
        ):
            assert help_ in text
    assert "3 of 3 recipes failed" in told
    assert re.search(r"Compared with `HEAD:stale.dcql`: [1-9]\d* samples removed, 0 added", summary)


@pytest.mark.slow
def test_a_recipe_that_is_not_deterministic_fails(scratch: Scratch, tmp_path: Path) -> None:
    scratch.write("first.txt", "")
    scratch.commit()
    volatile(scratch, "volatile.dcql")
    lock("volatile.dcql")
    code, told, summary = run_check(tmp_path, options="--own-code")
    assert code == 1
    for text in (told, summary):
        assert re.findall(r"error\[(E\d{4})\]", text) == ["E1585"]
        assert "look at `moment`: a model gives each sample one answer" in text


def test_a_recipe_that_is_wrong_and_a_missing_lock(scratch: Scratch, tmp_path: Path) -> None:
    scratch.write("wrong.dcql", "SELECT uid FROM pool WHERE widht > 1;\n")
    scratch.write("no_lock.dcql", GOOD)
    scratch.commit()
    code, told, _ = run_check(tmp_path, base="", options="--no-perturb --pool small")
    assert code == 1
    assert "a similar name exists: `width`" in told
    assert "write it: `dcql lock no_lock.dcql --pool POOL`" in told


def test_a_base_that_was_not_fetched(scratch: Scratch, tmp_path: Path) -> None:
    scratch.write("mine.dcql", GOOD)
    scratch.commit()
    code, told, summary = run_check(tmp_path, base="origin/main")
    assert (code, summary) == (1, "")
    assert "`fetch-depth: 0` fetches all" in told


def test_what_prepares() -> None:
    step = next(step for step in STEPS if step["name"] == "Prepare")
    shell = ["bash", "-eo", "pipefail", "-c", step["run"]]
    for commands, code, printed in (("echo one\necho two", 0, "one\ntwo\n"), ("false\necho two", 1, "")):
        given = {**os.environ, "PREPARE": commands}
        ended = subprocess.run(shell, env=given, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout) == (code, printed)


def test_the_form_of_the_action() -> None:
    assert set(ACTION) == {"name", "description", "author", "inputs", "outputs", "runs"}
    assert ACTION["runs"]["using"] == "composite"
    for one in ACTION["inputs"].values():
        assert set(one) == {"description", "default"}
        assert isinstance(one["default"], str)
    whole = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([\w-]+)", whole)) == set(ACTION["inputs"])
    for step in STEPS:
        assert ("run" in step) == ("shell" in step) != ("uses" in step)
        # A script that is put together from what a stranger named would run it.
        assert "${{" not in step.get("run", "")
        if "run" in step:
            subprocess.run(["bash", "-n", "-c", step["run"]], check=True)


def test_what_the_action_installs() -> None:
    step = next(step for step in STEPS if step["name"] == "Install dcql")
    words = [re.sub(r"^\$GITHUB_ACTION_PATH", str(ROOT), word) for word in shlex.split(step["run"])]
    assert [Path(word).exists() for word in words if word.startswith(str(ROOT))] == [True, True]


def test_the_workflow_of_the_page() -> None:
    page = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    pre_commit, workflow = (yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S))
    [repo] = pre_commit["repos"]
    assert [hook["id"] for hook in repo["hooks"]] == [hook["id"] for hook in HOOKS]
    # YAML reads `on` as a truth value.
    assert set(workflow[True]) == {"pull_request"}
    steps: list[dict[str, Any]] = workflow["jobs"]["recipes"]["steps"]
    given = next(step for step in steps if "/dcql@" in step.get("uses", ""))
    assert set(given["with"]) <= set(ACTION["inputs"])
    assert f"steps.{given['id']}.outputs.summary" in str(steps)
    assert next(step for step in steps if "checkout" in step.get("uses", ""))["with"] == {"fetch-depth": 0}
    for step in steps:
        assert "${{" not in step.get("run", "")
        subprocess.run(["bash", "-n", "-c", step.get("run", "")], check=True)
    named = set(re.findall(r"^\| `([\w-]+)` \|", page, re.M))
    assert named == set(ACTION["inputs"])


# --- hooks ------------------------------------------------------------------------------------------------------------


def test_the_form_of_the_hooks() -> None:
    assert [hook["id"] for hook in HOOKS] == ["dcql-fmt", "dcql-check", "dcql-lock"]
    for hook in HOOKS:
        assert hook["language"] == "python"  # pre-commit installs dcql from this repository
        assert re.search(hook["files"], "recipes/mine.dcql")
        assert not re.search(hook["files"], "recipes/mine.lock")


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_takes_many_files(hook: dict[str, Any], scratch: Scratch, tmp_path: Path) -> None:
    """It passes where all do, and names each that does not."""
    names = ["a.dcql", "folder/b c.dcql", "d.dcql"]
    for name in names:
        scratch.write(name, GOOD)
    lock(*names)

    def call() -> tuple[int, str]:
        words = [*shlex.split(hook["entry"]), *names]
        ended = subprocess.run(words, env=environment(tmp_path), capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout + ended.stderr

    code, told = call()
    assert code == 0, told
    wrong = {
        "dcql-fmt": GOOD.replace(" ", "  "),
        "dcql-check": GOOD.replace("0.7", "7"),
        "dcql-lock": GOOD.replace("7", "8"),
    }
    for name in names[1:]:
        scratch.write(name, wrong[hook["id"]])
    code, told = call()
    assert code != 0
    assert "a.dcql" not in told.split("error[")[-1]
    assert all(Path(name).stem in told.partition("error[")[2] for name in names[1:])
