"""A run folder is whole or not there, whatever stops the process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dcql import run_folder
from dcql.engine import folder
from dcql.errors import RunError
from dcql.subset import Subset

Dcql = Callable[..., Any]

# Stops where `stage` says, tells the test, and waits to be killed.
CHILD = """
import os, shutil, sys, time
import dcql.engine.folder as folder
def stop(function):
    def stopped(*arguments, **options):
        print("here", flush=True)
        time.sleep(60)
        return function(*arguments, **options)
    return stopped
stage = sys.argv.pop(1)
if stage == "subset":
    folder.Subset.save = stop(folder.Subset.save)
elif stage == "before":
    folder._put = stop(folder._put)
else:
    put = folder._put
    def then_stop(*arguments):
        put(*arguments)
        stop(lambda: None)()
    folder._put = then_stop
from dcql.cli import main
main()
"""
# Becomes the command that it is given, which can write no file of more than 8 KiB.
SMALL_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
os.execv(sys.argv[1], sys.argv[1:])
"""
RUN = ("run", "clip.dcql", "--pool", "mixed", "--format", "json", "--out", "out")


def start(stage: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a run in a process of its own that stops at a stage of writing its folder."""
    command = [sys.executable, "-c", CHILD, stage, *RUN, *arguments]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"here\n"
    return child


def hidden(here: Path) -> list[str]:
    return [name for name in os.listdir(here) if name.startswith(".out")]


def test_a_run_folder_holds_the_subset_and_where_it_is_from(dcql: Dcql, here: Path) -> None:
    told = json.loads(dcql(*RUN, "--set", "keep=0.25").out)
    assert sorted(os.listdir(here / "out")) == ["manifest.json", "subset.npy"]
    manifest = json.loads((here / "out" / "manifest.json").read_text())
    assert told == {**manifest, "out": "out"}
    subset = Subset.load(here / "out" / "subset.npy")
    assert (manifest["hash"], manifest["distinct"], manifest["total"]) == (subset.hash, subset.distinct, subset.total)
    assert manifest["parameters"] == {"keep": "1/4"}
    assert manifest["recipe"]["text"] == (here / "clip.dcql").read_text()
    (threshold,) = manifest["thresholds"]
    assert float.fromhex(threshold["hex"]) == threshold["value"]
    assert run_folder.read(here / "out").subset == subset


def test_a_run_replaces_an_earlier_run(dcql: Dcql, here: Path) -> None:
    first = json.loads(dcql(*RUN).out)["hash"]
    second = json.loads(dcql(*RUN, "--set", "keep=0.1").out)["hash"]
    assert run_folder.read(here / "out").subset.hash == second != first
    assert not hidden(here)


def test_a_run_replaces_an_earlier_run_without_an_exchange(
    dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "_exchange", lambda one, other: False)
    dcql(*RUN)
    second = json.loads(dcql(*RUN, "--set", "keep=0.1").out)["hash"]
    assert run_folder.read(here / "out").subset.hash == second
    assert not hidden(here)


def test_results_in_a_run_folder_stay_with_their_subset(dcql: Dcql, here: Path) -> None:
    dcql(*RUN)
    (here / "out" / "shards").mkdir()
    (here / "out" / "train" / "demo-seed0").mkdir(parents=True)
    (here / "out" / "train" / "demo-seed0" / "run.json").write_text("{}")
    before = run_folder.read(here / "out").hash
    (here / "out" / "manifest.json").write_text(json.dumps({**run_folder.read(here / "out").manifest, "locked": True}))
    assert dcql(*RUN).code == 0
    assert run_folder.read(here / "out").manifest["locked"] is False
    told = dcql(*RUN, "--set", "keep=0.1")
    assert (told.code, json.loads(told.out)["errors"][0]["code"]) == (1, "E0765")
    assert run_folder.read(here / "out").hash == before
    assert (here / "out" / "train" / "demo-seed0" / "run.json").read_text() == "{}"
    assert not hidden(here)


def test_a_link_to_a_run_folder_stays_a_link(dcql: Dcql, here: Path) -> None:
    dcql(*RUN)
    (here / "out").rename(here / "kept")
    (here / "out").symlink_to("kept")
    second = json.loads(dcql(*RUN, "--set", "keep=0.1").out)["hash"]
    assert (here / "out").is_symlink()
    assert run_folder.read(here / "kept").subset.hash == second


def test_an_empty_folder_is_taken(dcql: Dcql, here: Path) -> None:
    (here / "out").mkdir()
    assert dcql(*RUN).code == 0
    assert run_folder.read(here / "out")


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "subset.npy"])
def test_a_folder_with_other_files_is_left_alone(dcql: Dcql, here: Path, name: str) -> None:
    (here / "out").mkdir()
    (here / "out" / name).write_text("mine")
    told = dcql(*RUN)
    assert told.code == 1
    assert json.loads(told.out)["errors"][0]["code"] == "E0757"
    assert os.listdir(here / "out") == [name]


def test_nothing_is_written_without_out(dcql: Dcql, here: Path) -> None:
    before = set(os.listdir(here))
    assert dcql("run", "clip.dcql", "--pool", "mixed").code == 0
    assert set(os.listdir(here)) == before


@pytest.mark.parametrize("stage", ["subset", "before"])
def test_a_killed_run_leaves_the_earlier_one(dcql: Dcql, here: Path, stage: str) -> None:
    first = json.loads(dcql(*RUN).out)["hash"]
    child = start(stage, "--set", "keep=0.1")
    child.kill()
    child.communicate()
    assert run_folder.read(here / "out").subset.hash == first
    assert hidden(here)
    # The next run removes what the killed one could not.
    dcql(*RUN)
    assert not hidden(here)


def test_a_run_that_is_killed_after_the_exchange_left_the_new_one(dcql: Dcql, here: Path) -> None:
    first = json.loads(dcql(*RUN).out)["hash"]
    child = start("after", "--set", "keep=0.1")
    child.kill()
    child.communicate()
    assert run_folder.read(here / "out").subset.hash != first


def test_a_run_leaves_the_folder_of_another_that_still_writes(dcql: Dcql, here: Path) -> None:
    child = start("before", "--set", "keep=0.1")
    dcql(*RUN)
    assert len(hidden(here)) == 1
    child.kill()
    child.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_leaves_nothing(here: Path, number: signal.Signals, code: int) -> None:
    child = start("before")
    child.send_signal(number)
    _, told = child.communicate(timeout=30)
    assert (child.returncode, told) == (code, b"interrupted\n")
    assert not (here / "out").exists()
    assert not hidden(here)


def test_a_full_disk_leaves_the_earlier_run(dcql: Dcql, here: Path, child: list[str]) -> None:
    first = json.loads(dcql(*RUN).out)["hash"]

    # The limit is set by a process of its own: this one has threads, and what forks it must not run Python.
    small = [sys.executable, "-c", SMALL_FILES, *child, *RUN, "--set", "keep=0.9"]
    told = subprocess.run(small, capture_output=True, text=True)
    assert told.returncode == 1
    (error,) = json.loads(told.stdout)["errors"]
    assert (error["code"], error["message"]) == ("E0758", "cannot write `out`")
    assert run_folder.read(here / "out").subset.hash == first
    assert not hidden(here)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(dcql: Dcql, here: Path) -> None:
    (here / "closed").mkdir(mode=0o500)
    told = dcql(*RUN[:-1], "closed/out")
    assert json.loads(told.out)["errors"][0]["code"] == "E0758"


def test_a_folder_below_a_file_cannot_be_written(dcql: Dcql) -> None:
    told = dcql(*RUN[:-1], "clip.dcql/out")
    assert (told.code, json.loads(told.out)["errors"][0]["code"]) == (1, "E0758")


def test_a_subset_that_is_not_of_its_manifest_is_refused(dcql: Dcql, here: Path) -> None:
    dcql(*RUN)
    Subset.load(here / "out" / "subset.npy").__class__.from_uids(
        Subset.load(here / "out" / "subset.npy").uids[1:]
    ).save(here / "out" / "subset.npy")
    with pytest.raises(RunError, match="E0760"):
        run_folder.read(here / "out")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hash": 1}', '{"hash": "x", "pool": 3, "recipe": {}}'])
def test_a_damaged_manifest_is_refused(dcql: Dcql, here: Path, text: str) -> None:
    dcql(*RUN)
    (here / "out" / "manifest.json").write_text(text)
    with pytest.raises(RunError, match="E0760"):
        run_folder.read(here / "out")
