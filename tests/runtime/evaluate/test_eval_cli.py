"""`dcql eval`: what it prints, and what it leaves."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from dcql.runtime.evaluate.tasks import Suite, Task
from rich.console import Console
from toy_sets import labelled, toy, toy_model

from dcql.cli import main

pytest.importorskip("torch")
WEIGHTS = {"weights_sha256": "sha256:" + "a" * 64, "run_hash": "dcrun1:" + "b" * 64}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run folder whose weights are the toy model's; toy sets are DataComp's, and are in `sets`."""
    for name in ("demo-seed0", "small-seed0"):
        (tmp_path / "run" / "train" / name).mkdir(parents=True)
        (tmp_path / "run" / "train" / name / "weights.json").write_text(json.dumps(WEIGHTS))
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("dcql.cli.evaluate._load", lambda trained: toy_model())
    listed = [
        labelled(tmp_path / "sets", key="toy/colours", name="Colours", chance=0.143).task,
        labelled(tmp_path / "sets", key="toy/pets", name="Pets", n=50, main="mean_per_class_recall").task,
        toy(tmp_path / "sets", "faces").task,
        Task("toy/absent", "Absent", "classification", 7, "nowhere", 2, "acc1"),
    ]
    from dcql.runtime.evaluate import tasks as real

    demo = real.tasks(Suite.DEMO)
    for module in ("tasks", "results", "averages"):
        patched = f"dcql.runtime.evaluate.{module}.tasks"
        monkeypatch.setattr(patched, lambda suite: tuple(listed) if suite is Suite.DATACOMP else demo)
    return tmp_path / "run"


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str, int]:
    with pytest.raises(SystemExit) as ended:
        main(["eval", *map(str, arguments), "--device", "cpu"])
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return captured.out, captured.err, ended.value.code


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (folder / "eval" / "eval_results.jsonl").read_text().splitlines()]


def test_a_table(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = run.parent / "sets"
    out, _, code = call(capsys, run, "--scale", "small", "--data", sets)
    assert code == 0
    lines = out.splitlines()
    results = [
        json.loads(text) for text in (run / "train/small-seed0/eval/eval_results.jsonl").read_text().splitlines()
    ]
    low, high = results[0]["interval"]
    assert lines[0].split() == ["n", "metric", "95", "%", "chance"]
    value = f"{results[0]['metrics']['acc1']:.4f}"
    assert lines[1].split() == ["Colours", "140", "acc1", value, f"{low:.4f}", "-", f"{high:.4f}", "0.1430"]
    assert lines[2].split()[:3] == ["Pets", "50", "mean_per_class_recall"]
    assert lines[3].split() == ["acc1", f"{results[1]['metrics']['acc1']:.4f}"]
    assert lines[4].split() == ["Toy", "faces", "140", "reported", "only", "-"]
    assert "missing: 1 task, toy/absent" in out
    assert "Average                    -  2 of 3 tasks" in lines
    assert lines[-1].endswith("3 tasks evaluated now")
    again, _, _ = call(capsys, run, "--scale", "small", "--data", sets)
    assert again.splitlines()[:-1] == lines[:-1]
    assert again.splitlines()[-1].endswith("0 tasks evaluated now")


def test_a_table_on_a_narrow_terminal(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (run, "--scale", "small", "--data", run.parent / "sets", "--tasks", "toy/colours,toy/pets")
    call(capsys, *given)
    wide, _, _ = call(capsys, *given)
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=62, color_system=None, soft_wrap=True, markup=False)
    monkeypatch.setattr("dcql.cli.evaluate.stdout", lambda: console)
    call(capsys, *given)
    lines = file.getvalue().splitlines()
    assert file.getvalue().split() == wide.split()
    assert "Colours" in lines
    assert max(len(line) for line in lines[: lines.index("")]) <= 62


def test_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = run.parent / "sets"
    out, _, _ = call(capsys, run, "--scale", "small", "--data", sets, "--tasks", "toy/colours,Pets", "--format", "json")
    found: dict[str, Any] = json.loads(out)
    written = json.loads((run / "train/small-seed0/eval/eval.json").read_text())
    assert {key: found[key] for key in written} == written
    assert [line["key"] for line in found["results"]] == ["toy/colours", "toy/pets"]
    assert found["missing"] == ["toy/faces", "toy/absent"]
    assert found["averages"]["average"] is None


def test_the_scale_demo_is_evaluated_on_the_demo_pool(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _, code = call(capsys, run / "train" / "demo-seed0")
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()[1:4]] == [
        "Held-out drawings",
        "",
        "Held-out drawings by name",
    ]
    summary = json.loads((run / "train/demo-seed0/eval/eval.json").read_text())
    assert summary["suites"] == ["demo"]
    assert summary["missing"] == []
    assert summary["averages"]["average"] is None
    assert summary["averages"]["demo"] > 0
    environments = json.loads((run / "train/demo-seed0/eval/environments.json").read_text())
    assert set(environments) == {line["environment_hash"] for line in lines_of(run / "train" / "demo-seed0")}


def test_both_lists_of_one_model(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, run, "--scale", "demo")
    call(capsys, run, "--scale", "demo", "--suite", "datacomp", "--data", run.parent / "sets", "--tasks", "Colours")
    summary = json.loads((run / "train/demo-seed0/eval/eval.json").read_text())
    assert summary["suites"] == ["datacomp", "demo"]
    assert summary["averages"]["demo"] is not None
    assert summary["missing"] == ["toy/pets", "toy/faces", "toy/absent"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--scale", "large"), 1, "E1210"),
        ((), 1, "E1210"),
        (("--scale", "small"), 1, "E1212"),
        (("--scale", "small", "--tasks", "toy/colour"), 1, "did you mean|similar task exists: `toy/colours`"),
        (("--scale", "small", "--suite", "datacom"), 2, "no list of tasks"),
    ],
)
def test_what_is_refused(
    arguments: tuple[str, ...], code: int, told: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, error, ended = call(capsys, run, *arguments)
    assert ended == code
    assert any(word in error for word in told.split("|")), error
