"""An evaluation as a whole: what is written, what is done again and what is not, what is missing, and the averages."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from dcql.runtime.evaluate import tasks as tasks_module
from dcql.runtime.evaluate.averages import averages, members
from dcql.runtime.evaluate.evaluate import Report, Settings, evaluate
from dcql.runtime.evaluate.kinds import KINDS
from dcql.runtime.evaluate.results import read
from dcql.runtime.evaluate.tasks import Suite, Task, choose, tasks
from toy_sets import ToyModel, labelled, toy_model, with_captions, with_cues

pytest.importorskip("torch")

WEIGHTS, RUN = "sha256:" + "a" * 64, "dcrun1:" + "b" * 64


class Loads:
    """Gives the model, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> ToyModel:
        self.count += 1
        return toy_model()


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Return a function that puts tasks in the place of a suite's."""
    real = tasks

    def use(*replaced: Task, suite: Suite = Suite.DATACOMP) -> None:
        def listed_tasks(asked: Suite) -> tuple[Task, ...]:
            return replaced if asked is suite else real(asked) if suite is Suite.DATACOMP else ()

        for module in ("tasks", "results", "averages"):
            monkeypatch.setattr(f"dcql.runtime.evaluate.{module}.tasks", listed_tasks)

    return (yield use)


def three(root: Path) -> tuple[Task, ...]:
    return (labelled(root).task, with_captions(root).task, with_cues(root).task)


def go(root: Path, out: Path, asked: tuple[Task, ...], load: Loads | None = None, **changed: Any) -> Report:
    given = {"weights": WEIGHTS, "run_hash": RUN, **changed}
    settings = given.pop("settings", Settings())
    return evaluate(
        load or Loads(),
        given["weights"],
        given["run_hash"],
        out,
        str(root),
        Suite.DATACOMP,
        asked,
        settings=settings,
    )


def timeless(out: Path) -> list[dict[str, Any]]:
    return [{**line, "seconds": None} for line in read(out).values()]


def test_a_line_a_task_as_datacomp_writes_it_and_more(tmp_path: Path, listed: Any) -> None:
    asked = three(tmp_path)
    listed(*asked)
    load = Loads()
    report = go(tmp_path, tmp_path / "out", asked, load)
    assert load.count == 1
    lines = [json.loads(text) for text in (tmp_path / "out" / "eval_results.jsonl").read_text().splitlines()]
    assert [line["key"] for line in lines] == [task.key for task in asked] == list(report.done)
    for line, task in zip(lines, asked, strict=True):
        assert list(line)[:3] == ["key", "dataset", "metrics"]
        assert line["metrics"]["main_metric"] == line["metrics"][task.main]
        assert line["dataset"] == task.name
        assert (line["run_hash"], line["weights_sha256"]) == (RUN, WEIGHTS)
        assert line["eval_hash"].startswith("dceval1:")
        assert line["dataset_sha256"].startswith("sha256:")
        assert (line["n"], line["split"], line["schema"]) == (task.n, "test", 1)
        assert line["complete"]
        assert line["damaged"] == 0
    summary = json.loads((tmp_path / "out" / "eval.json").read_text())
    assert summary == report.summary
    assert summary["tasks"] == 3
    assert summary["missing"] == []
    assert len({line["eval_hash"] for line in lines}) == 3


def test_what_is_done_is_not_done_again(tmp_path: Path, listed: Any) -> None:
    asked = three(tmp_path)
    listed(*asked)
    load = Loads()
    first = go(tmp_path, tmp_path / "out", asked[:2], load)
    again = go(tmp_path, tmp_path / "out", asked, load)
    assert again.done == (asked[2].key,)
    third = go(tmp_path, tmp_path / "out", asked, load)
    assert third.done == ()
    assert third.summary == again.summary
    assert load.count == 2  # the third one needed no model
    assert {key: third.lines[key] for key in first.lines} == first.lines
    # Done at once, elsewhere: the same but for the seconds.
    go(tmp_path, tmp_path / "other", asked)
    assert timeless(tmp_path / "out") == timeless(tmp_path / "other")


@pytest.mark.parametrize("changed", [{"weights": "sha256:" + "c" * 64}, {"run_hash": "dcrun1:" + "d" * 64}])
def test_other_weights_and_other_runs_are_done_again(changed: dict[str, str], tmp_path: Path, listed: Any) -> None:
    asked = three(tmp_path)[:1]
    listed(*asked)
    first = go(tmp_path, tmp_path / "out", asked)
    second = go(tmp_path, tmp_path / "out", asked, **changed)
    assert second.done == (asked[0].key,)
    assert second.lines[asked[0].key]["eval_hash"] != first.lines[asked[0].key]["eval_hash"]
    assert len(read(tmp_path / "out")) == 1


def test_a_result_of_other_weights_never_stays(tmp_path: Path, listed: Any) -> None:
    asked = three(tmp_path)
    listed(*asked)
    go(tmp_path, tmp_path / "out", asked)
    report = go(tmp_path, tmp_path / "out", asked[:1], weights="sha256:" + "c" * 64)
    assert list(report.lines) == [asked[0].key]
    assert report.summary["missing"] == [task.key for task in asked[1:]]


def test_a_changed_set_is_evaluated_again(tmp_path: Path, listed: Any) -> None:
    asked = three(tmp_path)[:1]
    listed(*asked)
    first = go(tmp_path, tmp_path / "out", asked)
    classnames = tmp_path / asked[0].folder / "classnames.txt"
    classnames.write_text(classnames.read_text().replace("grey", "gray"))
    second = go(tmp_path, tmp_path / "out", asked)
    assert second.done == (asked[0].key,)
    assert second.lines[asked[0].key]["dataset_sha256"] != first.lines[asked[0].key]["dataset_sha256"]


def test_a_touched_set_is_read_again_and_not_evaluated(tmp_path: Path, listed: Any) -> None:
    asked = three(tmp_path)[:1]
    listed(*asked)
    go(tmp_path, tmp_path / "out", asked)
    tar = tmp_path / asked[0].folder / "test" / "0.tar"
    content = tar.read_bytes()
    tar.unlink()
    tar.write_bytes(content)
    (tmp_path / "out" / "sets.json").write_text("damaged")
    load = Loads()
    assert go(tmp_path, tmp_path / "out", asked, load).done == ()
    assert load.count == 0


def test_a_set_that_is_packed_otherwise_is_the_same_set(tmp_path: Path, listed: Any) -> None:
    one, other = labelled(tmp_path / "a"), labelled(tmp_path / "b")
    listed(one.task)
    from dcql.runtime.evaluate.layout import digest, find
    from dcql.runtime.evaluate.writing import write_set

    found = find(str(tmp_path / "a"), one.task)
    assert found is not None
    from dcql.runtime.evaluate.layout import Reader

    samples = [sample.files for sample in Reader(found)]
    write_set(tmp_path / "c" / one.task.folder, samples, classnames=found.classnames, templates=found.templates)
    repacked = find(str(tmp_path / "c"), one.task)
    assert repacked is not None
    assert repacked.shards != found.shards
    assert digest(repacked) == digest(found)
    again = find(str(tmp_path / "b"), other.task)
    assert again is not None
    assert digest(again) == digest(found)


def test_a_process_that_is_stopped_goes_on_where_it_was(tmp_path: Path, listed: Any) -> None:
    asked = three(tmp_path)
    listed(*asked)

    def stop(what: str, done: int, total: int) -> None:
        if what == asked[1].name and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(Loads(), WEIGHTS, RUN, tmp_path / "out", str(tmp_path), Suite.DATACOMP, asked, tell=stop)
    assert list(read(tmp_path / "out")) == [asked[0].key]
    report = go(tmp_path, tmp_path / "out", asked)
    assert report.done == (asked[1].key, asked[2].key)
    assert report.summary["missing"] == []


KILLED = """
import os, signal, sys
from pathlib import Path
from dcql.runtime.evaluate.evaluate import evaluate
from dcql.runtime.evaluate.tasks import Suite, read
import dcql.runtime.evaluate.results as results
from toy_sets import toy_model

root = Path(sys.argv[1])
asked = read((root / "tasks.toml").read_text())
results.tasks = lambda suite: asked if suite is Suite.DATACOMP else ()


def kill(what, done, total):
    if what == asked[1].name and done == 3:
        os.kill(os.getpid(), signal.SIGKILL)


evaluate(toy_model, sys.argv[2], sys.argv[3], root / "out", str(root), Suite.DATACOMP, asked, tell=kill)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on_where_it_was(tmp_path: Path, listed: Any) -> None:
    asked = three(tmp_path)
    listed(*asked)
    rows = [{key: value for key, value in asdict(task).items() if value is not None} for task in asked]
    (tmp_path / "tasks.toml").write_text(tomli_w.dumps({"task": rows}))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", KILLED, str(tmp_path), WEIGHTS, RUN]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert list(read(tmp_path / "out")) == [asked[0].key]
    assert go(tmp_path, tmp_path / "out", asked).done == (asked[1].key, asked[2].key)
    go(tmp_path, tmp_path / "other", asked)
    assert timeless(tmp_path / "out") == timeless(tmp_path / "other")


def test_a_set_that_is_not_there_is_missing_and_never_zero(tmp_path: Path, listed: Any) -> None:
    asked = three(tmp_path)
    absent = replace(asked[0], key="toy/absent", name="Absent")
    listed(*asked, absent)
    report = go(tmp_path, tmp_path / "out", (*asked, absent))
    assert report.summary["missing"] == ["toy/absent"]
    assert "toy/absent" not in report.lines
    assert report.summary["averages"]["average"] is None
    assert report.summary["n_tasks"]["average"] == {"tasks": 4, "there": 3}
    # Results stay without the sets that they are of.
    load = Loads()
    later = go(tmp_path / "nowhere", tmp_path / "out", asked, load)
    assert later.summary == report.summary
    assert load.count == 0


def test_an_average_is_there_once_all_of_its_tasks_are(tmp_path: Path, listed: Any) -> None:
    asked = three(tmp_path)
    asked = (
        replace(asked[0], group="vtab"),
        replace(asked[1], group="retrieval"),
        replace(asked[2], group="retrieval"),
    )
    listed(*asked)
    first = go(tmp_path, tmp_path / "out", asked[:2])
    values = first.summary["averages"]
    assert values["vtab"] == first.lines[asked[0].key]["metrics"]["main_metric"]
    assert values["retrieval"] is values["average"] is values["imagenet"] is values["demo"] is None
    second = go(tmp_path, tmp_path / "out", asked)
    mains = [second.lines[task.key]["metrics"]["main_metric"] for task in asked]
    assert second.summary["averages"]["average"] == pytest.approx(sum(mains) / 3)
    assert second.summary["averages"]["retrieval"] == pytest.approx(sum(mains[1:]) / 2)


def test_an_incomplete_set_is_in_no_average(tmp_path: Path, listed: Any) -> None:
    task = labelled(tmp_path).task
    larger = replace(task, n=task.n + 1)
    listed(larger)
    report = go(tmp_path, tmp_path / "out", (larger,), settings=Settings(allow_incomplete=True))
    assert report.lines[task.key]["complete"] is False
    assert report.summary["incomplete"] == [task.key]
    assert report.summary["averages"]["average"] is None


def test_sets_at_a_url(tmp_path: Path, listed: Any) -> None:
    import fsspec

    asked = three(tmp_path / "sets")
    listed(*asked)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "sets"), "/sets", recursive=True)
    try:
        remote = evaluate(Loads(), WEIGHTS, RUN, tmp_path / "remote", "memory://sets", Suite.DATACOMP, asked)
        go(tmp_path / "sets", tmp_path / "local", asked)
        assert len(remote.done) == 3
        assert timeless(tmp_path / "remote") == timeless(tmp_path / "local")
    finally:
        memory.rm("/sets", recursive=True)


# The lists.


def test_datacomp_has_forty_tasks_of_which_38_count() -> None:
    listed_tasks = tasks(Suite.DATACOMP)
    assert len(listed_tasks) == 40
    assert sum(task.n for task in listed_tasks) == 732_026
    assert {task.name for task in listed_tasks if task.main is None} == {"FairFace", "UTKFace"}
    assert {name: len(members(name)) for name in ("imagenet", "shifts", "vtab", "retrieval", "average")} == {
        "imagenet": 1,
        "shifts": 6,
        "vtab": 13,
        "retrieval": 3,
        "average": 38,
    }
    assert {task.kind for suite in Suite for task in tasks(suite)} <= set(KINDS)
    by_key = {task.key: task for task in listed_tasks}
    assert by_key["fairness/dollar_street"].folder == "wds_dollar_street_test"
    assert by_key["vtab/caltech101"].folder == "wds_vtab-caltech101_test"
    assert by_key["wilds/fmow"].folder == "wds_wilds-fmow_test"
    assert by_key["imagenet-a"].folder == "wds_imagenet-a_test"


def test_no_task_of_the_demo_is_one_of_the_38() -> None:
    demo = {task.key for task in tasks(Suite.DEMO)}
    assert not demo & {task.key for task in tasks(Suite.DATACOMP)}
    assert all(key.startswith("demo/") for key in demo)
    everything = {task.key: 0.5 for task in tasks(Suite.DATACOMP) if task.main is not None}
    assert averages(everything | dict.fromkeys(demo, 1.0))["average"] == 0.5
    assert averages(dict.fromkeys(demo, 1.0)) == {
        "imagenet": None,
        "shifts": None,
        "vtab": None,
        "retrieval": None,
        "average": None,
        "demo": 1.0,
    }
    for key in everything:
        assert averages({other: value for other, value in everything.items() if other != key})["average"] is None


def test_tasks_by_key_or_name_in_the_order_of_the_list() -> None:
    found = choose(Suite.DATACOMP, ["ImageNet 1k", "vtab/dtd"])
    assert [task.key for task in found] == ["vtab/dtd", "imagenet1k"]
    assert choose(Suite.DEMO, None) == tasks(Suite.DEMO)


@pytest.mark.parametrize(
    "text",
    [
        '[[task]]\nkey = "a"\nname = "A"\nkind = "classification"\nn = 1\nsource = ""\nmian = "acc1"',
        '[[task]]\nkey = "a"\nname = "A"\nkind = "classification"\nn = 1\nsource = ""\ngroup = "vtub"',
        '[[task]]\nkey = "a"\nname = "A"\nkind = "x"\nn = 1\nsource = ""\n' * 2,
    ],
)
def test_a_list_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a"):
        tasks_module.read(text)
