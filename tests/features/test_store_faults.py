"""The feature store after kills, damage and a full disk."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pools
import pyarrow.parquet as pq
import pytest
from features.counting import LENGTH, PLAIN, QUERY, ROWS, feature, known, newest, right, run, same, versions, written
from features.own import OwnModel, logging_model, own_model, recipe_file, stored_files

import dcql
from dcql.catalog.features import StoredFeature
from dcql.engine.add import add
from dcql.engine.features.gc import collect
from dcql.engine.run import Result
from dcql.errors import RunError

# --- kills ------------------------------------------------------------------------------------------------------------

# Waits where it comes to a caption, as long as there is a file `gate`; says so in a file `waiting`.
GATED = """
import os, signal, time
from pathlib import Path

FOLDER = Path(__file__).parent


def load(weights, assets, options):
    def answer(uids, texts):
        if "stop here" in texts and (FOLDER / "gate").exists():
            if (FOLDER / "gate").read_text() == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            (FOLDER / "waiting").touch()
            while (FOLDER / "gate").exists():
                time.sleep(0.02)
        with (FOLDER / "words_of.log").open("a") as log:
            log.write("".join(f"{uid}\\n" for uid in uids))
        return [len(text.split()) for text in texts]

    return answer
"""


@pytest.fixture
def gated(tmp_path: Path) -> OwnModel:
    """Return a model that stops at the 50th of 120 samples, in the second of three files."""
    pool = pools.base(ROWS, 5)
    captions = [*pool.columns["text"][:50], "stop here", *pool.columns["text"][51:]]
    pools.write(pool.with_columns(text=captions), tmp_path / "pool", layout=PLAIN)
    return own_model(tmp_path, "words_of", GATED, "uid TEXT, caption TEXT", "INT")


def clean(gated: OwnModel, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Return what a run gives that nothing disturbs, in a store of its own."""
    with monkeypatch.context() as patch:
        patch.setenv("DCQL_HOME", str(gated.path.parent / "clean"))
        result = run(gated, add("small", gated.path.parent / "pool"))
    gated.forget()
    return result


PROGRAM = """
import dcql, sys
from dcql.engine.features.report import Computing
print(dcql.run(sys.argv[1], sys.argv[2], computing=Computing(own_code=True, workers=2)).hash)
"""


def started(model: OwnModel, pool: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(model.path.parent / "recipe.dcql"), pool]
    root = str(Path(dcql.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(1500):
        if happened():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def test_killed_half_way_and_run_again(gated: OwnModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = clean(gated, monkeypatch)
    add("small", tmp_path / "pool")
    (tmp_path / "gate").write_text("wait")
    process = started(gated, "small")
    until((tmp_path / "waiting").exists, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert known(feature()) == ROWS // 3  # the first file was done
    (tmp_path / "gate").unlink()
    process.communicate()  # ends with the process of the model, which finds that nobody listens
    gated.forget()
    again = run(gated, "small")
    assert same(again, undisturbed)
    assert sorted(gated.asked()) == sorted(pools.base(ROWS, 5).columns["uid"][ROWS // 3 :])
    assert list((tmp_path / "home").rglob("*.unfinished")) == []


def test_a_killed_process_of_a_model(gated: OwnModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = clean(gated, monkeypatch)
    pool = add("small", tmp_path / "pool")
    monkeypatch.setattr("dcql.engine.features.running._TEXT_ROWS", 4)
    (tmp_path / "gate").write_text("kill")
    with pytest.raises(RunError) as caught:
        run(gated, pool, workers=1)
    assert caught.value.diagnostics[0].code == "E0610"
    assert caught.value.diagnostics[0].label == "it was ended by SIGKILL"
    assert known(feature()) == 48  # whole pieces of 4 before the 51st sample: "what was computed is kept"
    (tmp_path / "gate").unlink()
    gated.forget()
    assert same(run(gated, pool), undisturbed)
    assert len(gated.asked()) == ROWS - 48


def test_two_processes_at_once(words: OwnModel, tmp_path: Path) -> None:
    slow = f"import time; time.sleep(0.003)\n{LENGTH}"
    model = logging_model(tmp_path, "words_of", slow, "INT")
    folder = written(tmp_path)
    recipe_file(tmp_path, f"{model.statement}FEATURE words INT USING words_of(uid, text);\n{QUERY};")
    add("small", folder)
    both = [started(model, "small") for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len({out for out, _ in said}) == 1
    stored = feature()
    assert known(stored) == ROWS
    assert [len(each) for each in versions(stored)] == [1, 1, 1]
    assert list((tmp_path / "home").rglob("*.unfinished")) == []
    model.forget()
    assert set(run(model, "small").subset.hex()) == right()
    assert model.asked() == []


# --- damage -----------------------------------------------------------------------------------------------------------


def cut_off(stored: StoredFeature) -> None:
    content = newest(stored).read_bytes()
    newest(stored).write_bytes(content[: len(content) // 2])


def of_other_rows(stored: StoredFeature) -> None:
    path = newest(stored)
    table = pq.read_table(path)
    counts = {"rows": 39, "known": 39, "failed": 0}
    pq.write_table(table.slice(1).replace_schema_metadata({"dcql": json.dumps(counts)}), path)


def without_counts(stored: StoredFeature) -> None:
    pq.write_table(pq.read_table(newest(stored)).replace_schema_metadata(None), newest(stored))


def of_another_version(stored: StoredFeature) -> None:
    path = stored.folder / "feature.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"store_version": 99}))


def garbage(stored: StoredFeature) -> None:
    (stored.folder / "feature.json").write_text("{")


def of_another_feature(stored: StoredFeature) -> None:
    path = stored.folder / "feature.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id": "sha256:" + "0" * 64}))


@pytest.mark.parametrize(
    "damage", [cut_off, of_other_rows, without_counts, of_another_version, garbage, of_another_feature]
)
def test_a_damaged_store_is_refused_and_can_be_removed(
    damage: Callable[[StoredFeature], None], words: OwnModel, tmp_path: Path, here: None
) -> None:
    pool = add("small", written(tmp_path))
    first = run(words, pool)
    stored = feature()
    damage(stored)
    with pytest.raises(RunError) as caught:
        run(words, pool)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0605"
    assert str(stored.folder) in diagnostic.message
    assert "the next run computes" in diagnostic.helps[0]
    assert "`dcql feature gc`" in diagnostic.helps[0]
    words.forget()
    collect()  # which is what that command does
    assert same(run(words, pool), first)
    assert words.asked()


def test_a_full_disk_leaves_nothing_half_written(
    words: OwnModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: None
) -> None:
    pool = add("small", written(tmp_path))
    written_before = 0

    def full(table: Any, file: Any, **options: Any) -> None:
        nonlocal written_before
        written_before += 1
        if written_before > 1:
            file.write(b"PAR1 and no more")
            raise OSError(errno.ENOSPC, "No space left on device")
        original(table, file, **options)

    original = pq.write_table
    with monkeypatch.context() as patch:
        patch.setattr("dcql.engine.features.files.pq.write_table", full)
        with pytest.raises(RunError) as caught:
            run(words, pool)
    assert "No space left on device" in str(caught.value)
    assert list((tmp_path / "home").rglob(".*.unfinished")) == []
    for path in stored_files(tmp_path / "home"):
        pq.read_table(tmp_path / "home" / "features" / path)
    assert set(run(words, pool).subset.hex()) == right()


def test_what_a_kill_left_unfinished_is_removed(words: OwnModel, tmp_path: Path, here: None) -> None:
    pool = add("small", written(tmp_path))
    run(words, pool)
    left = newest(feature()).with_name(".2.parquet.12345.unfinished")
    left.write_bytes(b"PAR1")
    run(words, pool)
    assert not left.exists()
