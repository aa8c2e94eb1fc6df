"""What goes wrong with a reshard is told, with a code; what was whole before stays, and the same command goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dcql.runtime import shards
from dcql.runtime.reshard import Settings, reshard
from dcql.runtime.reshard.work import Work, held
from dcql.runtime.shard_reader import ShardReader
from features.tars import sample, write_tar
from small_pools import by_tarfile, expected, make_run, make_tars, without_json

from dcql.errors import DcqlError, RunError
from dcql.subset import UID, Subset

ERRORS = Path(__file__).parent / "reshard_errors"


def made(tmp: Path, **settings: object) -> shards.ShardSet:
    """Return small training shards, in tmp/out."""
    make_tars(tmp / "tars", 2, 10)
    run = make_run(tmp / "run", range(0, 20, 2))
    return reshard(run, tmp / "tars", tmp / "out", Settings(shard_size=4, **settings))  # type: ignore[arg-type]


def edit(path: Path, **changed: object) -> None:
    """Change what a JSON file states."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def flip(path: Path, at: int) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def cut(path: Path, size: int) -> Path:
    """Cut a file off."""
    os.truncate(path, size)
    return path


# What reading meets.


def no_shards(tmp: Path) -> None:
    shards.read(tmp)


def garbled_manifest(tmp: Path) -> None:
    made(tmp)
    cut(tmp / "out" / "shards.json", 100)
    shards.read(tmp / "out")


def other_schema(tmp: Path) -> None:
    made(tmp)
    edit(tmp / "out" / "shards.json", schema=2)
    shards.read(tmp / "out")


def counts_that_do_not_add_up(tmp: Path) -> None:
    made(tmp)
    edit(tmp / "out" / "shards.json", samples=11)
    shards.read(tmp / "out")


def text_for_a_count(tmp: Path) -> None:
    made(tmp)
    edit(tmp / "out" / "shards.json", missing="none")
    shards.read(tmp / "out")


def other_policy(tmp: Path) -> None:
    found = made(tmp)
    edit(tmp / "out" / "shards.json", policy={**found.policy, "blur": "apply"})
    shards.read(tmp / "out")


def other_index(tmp: Path) -> None:
    made(tmp)
    flip(tmp / "out" / "index.parquet", 100)
    shards.read(tmp / "out")


def other_bytes(tmp: Path) -> None:
    found = made(tmp)
    flip(tmp / "out" / "00000001.tar", 5000)
    shards.verify(found)


def tar_gone(tmp: Path) -> None:
    made(tmp)
    (tmp / "out" / "00000001.tar").unlink()
    shards.read(tmp / "out")


def tar_cut_off(tmp: Path) -> None:
    made(tmp, copy=False)
    cut(tmp / "tars" / "00000001.tar", 10_240)
    shards.read(tmp / "out")


def other_sample(tmp: Path) -> None:
    found = made(tmp)
    reader = ShardReader(found)
    flip(tmp / "out" / "00000000.tar", 2600)
    reader.read(0)


# What resharding meets.


def damaged_tar(tmp: Path) -> None:
    make_tars(tmp / "tars", 2, 10)
    cut(tmp / "tars" / "00000001.tar", 20_000)
    reshard(make_run(tmp / "run", range(4)), tmp / "tars")


def no_tar(tmp: Path) -> None:
    make_tars(tmp / "tars", 2, 10)
    (tmp / "tars" / "00000000.tar").write_bytes(b"<html>404</html>" * 100)
    reshard(make_run(tmp / "run", range(4)), tmp / "tars", settings=Settings(workers=2))


def into_the_pool(tmp: Path) -> None:
    make_tars(tmp / "tars", 1, 10)
    reshard(make_run(tmp / "run", range(4)), tmp / "tars", tmp / "tars")


def into_other_shards(tmp: Path) -> None:
    made(tmp)
    reshard(make_run(tmp / "other", range(4)), tmp / "tars", tmp / "out", Settings(shard_size=4))


def other_policy_into_shards(tmp: Path) -> None:
    made(tmp)
    reshard(tmp / "run", tmp / "tars", tmp / "out", Settings(shard_size=5))


def into_unfinished_work(tmp: Path) -> None:
    make_tars(tmp / "tars", 1, 10)
    run = make_run(tmp / "run", range(10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dcql.runtime.reshard.run.finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            reshard(run, tmp / "tars", tmp / "out")
    reshard(run, tmp / "tars", tmp / "out", Settings(shard_size=4))


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def two_at_once(tmp: Path) -> None:
    make_tars(tmp / "tars", 1, 10)
    (tmp / "out" / ".unfinished").mkdir(parents=True)
    with held(tmp / "out" / ".unfinished"):
        reshard(make_run(tmp / "run", range(4)), tmp / "tars", tmp / "out")


def below_a_file(tmp: Path) -> None:
    make_tars(tmp / "tars", 1, 10)
    (tmp / "notes").write_text("mine")
    reshard(make_run(tmp / "run", range(4)), tmp / "tars", tmp / "notes" / "out")


def replaced_in_between(tmp: Path) -> None:
    make_tars(tmp / "tars", 1, 10)
    run, write = make_run(tmp / "run", range(4)), Work.write

    def replace(work: Work, number: int) -> None:
        write_tar(tmp / "tars" / "00000000.tar", [file for at in range(20, 30) for file in sample(f"{at:09d}", at)])
        write(work, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Work, "write", replace)
        reshard(run, tmp / "tars")


def empty_subset(tmp: Path) -> None:
    make_tars(tmp / "tars", 1, 10)
    reshard(make_run(tmp / "run", []), tmp / "tars")


def another_pool(tmp: Path) -> None:
    make_tars(tmp / "tars", 1, 10)
    reshard(make_run(tmp / "run", range(20, 30)), tmp / "tars", settings=Settings(allow_missing=True))


def missing_uids(tmp: Path) -> None:
    make_tars(tmp / "tars", 1, 10)
    reshard(make_run(tmp / "run", range(5, 15)), tmp / "tars")


def killed_process(tmp: Path) -> None:
    make_tars(tmp / "tars", 3, 10)
    run = make_run(tmp / "run", range(4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dcql.runtime.reshard.workers.sys.executable", shutil.which("false"))
        reshard(run, tmp / "tars", settings=Settings(workers=2))


def unsorted_subset(tmp: Path) -> None:
    make_tars(tmp / "tars", 1, 10)
    run = make_run(tmp / "run", range(5))
    uids = np.load(run / "subset.npy")
    np.save(run / "subset.npy", uids[::-1])
    reshard(run, tmp / "tars")


def subset_of_another_run(tmp: Path) -> None:
    make_tars(tmp / "tars", 1, 10)
    run = make_run(tmp / "run", range(5))
    Subset(np.array([(0, 2)], UID)).save(run / "subset.npy")
    reshard(run, tmp / "tars")


CASES: dict[str, Callable[[Path], None]] = {
    "E0733_unsorted_subset": unsorted_subset,
    "E0760_subset_of_another_run": subset_of_another_run,
    "E1001_no_shards": no_shards,
    "E1002_garbled_manifest": garbled_manifest,
    "E1002_other_schema": other_schema,
    "E1002_counts_that_do_not_add_up": counts_that_do_not_add_up,
    "E1002_text_for_a_count": text_for_a_count,
    "E1003_other_policy": other_policy,
    "E1003_other_index": other_index,
    "E1003_other_bytes": other_bytes,
    "E1004_tar_gone": tar_gone,
    "E1004_tar_cut_off": tar_cut_off,
    "E1005_other_sample": other_sample,
    "E1006_damaged_tar": damaged_tar,
    "E1006_no_tar": no_tar,
    "E1007_into_the_pool": into_the_pool,
    "E1007_into_other_shards": into_other_shards,
    "E1007_other_policy": other_policy_into_shards,
    "E1007_into_unfinished_work": into_unfinished_work,
    "E1008_two_at_once": two_at_once,
    "E1009_below_a_file": below_a_file,
    "E1010_replaced_in_between": replaced_in_between,
    "E1011_empty_subset": empty_subset,
    "E1011_another_pool": another_pool,
    "E1012_missing_uids": missing_uids,
    "E1013_killed_process": killed_process,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, update: bool) -> None:
    with pytest.raises(DcqlError) as caught:
        CASES[name](tmp_path)
    assert caught.value.diagnostics[0].code == name[:5]
    said = (
        re.sub(r"\b(dc\w+1:)?[0-9a-f]{64}\b", r"\1<digest>", str(caught.value).replace(str(tmp_path), "<tmp>")) + "\n"
    )
    expected_file = ERRORS / f"{name}.txt"
    if update:
        expected_file.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected_file.read_text(encoding="utf-8")


def test_every_message_has_its_case() -> None:
    # Those of blurring are made in test_reshard_blur.py.
    assert {path.stem for path in ERRORS.glob("*.txt") if path.stem < "E1014"} == set(CASES)


def test_shards_of_an_unknown_form_are_no_shards() -> None:
    for stated in (None, [], {}, {"schema": 1}, {"schema": 1, "subset": 3}):
        with pytest.raises(RunError, match="E1002"):
            shards.from_json(stated, "out")


def test_an_output_of_strangers_is_left_alone(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 1, 10)
    run = make_run(tmp_path / "run", range(4))
    (tmp_path / "out").mkdir()
    for name in ("notes.txt", "00000000.tar", "sizes.json"):
        (tmp_path / "out" / name).write_text("mine")
        with pytest.raises(RunError, match="E1007"):
            reshard(run, tmp_path / "tars", tmp_path / "out")
        assert os.listdir(tmp_path / "out") == [name]
        (tmp_path / "out" / name).unlink()


def test_where_no_shard_was_written_other_options_start_anew(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 1, 10)
    run = make_run(tmp_path / "run", range(12))
    with pytest.raises(RunError, match="E1012"):
        reshard(run, tmp_path / "tars")
    assert reshard(run, tmp_path / "tars", settings=Settings(shard_size=4, allow_missing=True)).sizes == (3, 3, 4)


def test_a_pool_at_a_url_is_not_written_over(tmp_path: Path) -> None:
    import fsspec

    make_tars(tmp_path / "tars", 1, 10)
    run = make_run(tmp_path / "run", range(4))
    fsspec.filesystem("memory").put(str(tmp_path / "tars"), "/kept/pool", recursive=True)
    with pytest.raises(RunError, match="E1007"):
        reshard(run, tmp_path / "tars", "memory://kept/pool")


# Stopped, and going on.

RESHARD = """
import resource, signal, sys
from pathlib import Path
from dcql.runtime.reshard import Settings, reshard
run, tars, out, workers, limit = sys.argv[1:]
if int(limit):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
reshard(Path(run), tars, out, Settings(shard_size=10, workers=int(workers)))
"""


def start(tmp: Path, out: str, workers: int = 1, limit: int = 0) -> subprocess.Popen[bytes]:
    """Start a reshard in processes of their own, which may write files of up to `limit` bytes."""
    command = [sys.executable, "-c", RESHARD, *map(str, (tmp / "run", tmp / "tars", tmp / out, workers, limit))]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)


def same_files(one: Path, other: Path) -> bool:
    """Return whether two folders hold the same files, with nothing left unfinished."""
    return {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in other.iterdir()
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(tmp_path: Path, workers: int) -> None:
    make_tars(tmp_path / "tars", 6, 100)
    run = make_run(tmp_path / "run", range(0, 600, 2), [1 + at % 2 for at in range(300)])
    settings = Settings(shard_size=10)
    reshard(run, tmp_path / "tars", tmp_path / "whole", settings)
    seen = set()
    for moment in (0.0, 0.05, 0.15, 0.3):
        child = start(tmp_path, "out", workers)
        place = tmp_path / "out"
        # Once the work has begun, for the rest is the start of Python.
        while child.poll() is None and not (place / ".unfinished" / "task.json").exists():
            time.sleep(0.001)
        time.sleep(moment)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        seen.add(len(list(place.glob("*.tar"))))
        if not (place / "shards.json").exists():
            with pytest.raises(RunError, match="E1001"):
                shards.read(place)
    reshard(run, tmp_path / "tars", tmp_path / "out", settings)
    assert same_files(tmp_path / "whole", tmp_path / "out")


def test_shards_that_are_whole_are_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tars(tmp_path / "tars", 2, 20)
    run = make_run(tmp_path / "run", range(40))
    written: list[int] = []
    write, walked = Work.write, Work.scan

    def stopping(work: Work, number: int) -> None:
        if number == 2 and 2 not in written:
            written.append(number)
            raise KeyboardInterrupt
        written.append(number)
        write(work, number)

    monkeypatch.setattr(Work, "write", stopping)
    with pytest.raises(KeyboardInterrupt):
        reshard(run, tmp_path / "tars", settings=Settings(shard_size=10))
    monkeypatch.setattr(Work, "scan", lambda work, number: pytest.fail("scanned again"))
    reshard(run, tmp_path / "tars", settings=Settings(shard_size=10))
    monkeypatch.setattr(Work, "scan", walked)
    assert written == [0, 1, 2, 2, 3]
    assert without_json(by_tarfile(run / "shards")) == [expected(number) for number in range(40)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_told_and_leaves_whole_shards(tmp_path: Path, workers: int) -> None:
    # The first three tars have small images and fit, the others do not.
    for number in range(6):
        files = [file for at in range(number * 10, number * 10 + 10) for file in sample(f"{at:09d}", at)]
        if number >= 3:
            files = [(name, content * 9 if name.endswith("jpg") else content) for name, content in files]
        write_tar(tmp_path / "tars" / f"{number}.tar", files)
    make_run(tmp_path / "run", range(60))
    child = start(tmp_path, "out", workers, limit=100_000)
    _, told = child.communicate()
    assert child.returncode == 1
    assert b"E1009" in told
    assert b"File too large" in told
    out = tmp_path / "out"
    assert sorted(path.name for path in out.glob("*.tar")) == [f"{number:08d}.tar" for number in range(3)]
    assert not list(out.glob(".*.tar.*"))
    reshard(tmp_path / "run", tmp_path / "tars", out, Settings(shard_size=10))
    reshard(tmp_path / "run", tmp_path / "tars", tmp_path / "whole", Settings(shard_size=10))
    assert same_files(out, tmp_path / "whole")
