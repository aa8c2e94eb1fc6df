"""Features whose value is a vector: how they are stored, what a kill leaves, and what commands say of them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conformance import ONE_THREAD
from features.dcfeat import dcfeat2
from features.own import Here
from features.vectors import (
    ROWS,
    WIDTH,
    World,
    cli,
    cluster,
    damaged,
    half,
    status,
    store_content,
    stored,
    use,
)

import dcql
from dcql.engine.add import add
from dcql.engine.features import files
from dcql.engine.features.counting import count_demands
from dcql.engine.features.gc import collect
from dcql.engine.features.vectors import open_vectors, vectors_file
from dcql.engine.udfs.answers import Answers
from dcql.errors import RunError
from dcql.plan.passes import optimize


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("dcql.engine.features.running.Workers", Here)
    return World(tmp_path)


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_vectors_are_stored_as_float16_row_for_row(world: World) -> None:
    world.where("cluster = 1 AND grp > 0")
    feature = stored("mine")
    seen = 0
    for path in feature.newest_versions():
        rows = files.read_footer(path).rows
        values = files.read_values(path, rows)
        assert str(values.value.type) == "bool"
        if not values.known.any():
            continue
        vectors = np.load(vectors_file(path), allow_pickle=False)
        assert (vectors.dtype, vectors.shape) == (np.float16, (rows, WIDTH))
        seen += int(values.known.sum())
    assert seen == len(world.vector.asked())


def test_a_known_vector_keeps_its_value(world: World) -> None:
    world.where("cluster = 1 AND grp > 0")
    feature = stored("mine")
    spec = next(s for s in dcql.compile(world.recipe("SELECT uid FROM pool WHERE cluster = 1")).program.every_feature)
    (key,) = feature.keys()[:1]
    before = feature.newest(key)
    assert before is not None
    rows = files.read_footer(before).rows
    known = files.read_values(before, rows).known
    old = np.array(open_vectors(before, rows))
    every = np.arange(rows)
    given = pa.FixedSizeListArray.from_arrays(pa.array(np.full(rows * WIDTH, 9, np.float16)), WIDTH)
    after = files.merge(feature, key, rows, spec, every, Answers(given))
    new = open_vectors(after, rows)
    assert known.any()
    assert not known.all()
    assert np.array_equal(new[known], old[known])
    assert (new[~known] == 9).all()
    assert files.read_values(after, rows).value.null_count == 0


def test_vectors_of_another_length_are_refused(world: World) -> None:
    world.where("cluster = 1 AND grp > 0")
    feature = stored("mine")
    spec = next(s for s in dcql.compile(world.recipe("SELECT uid FROM pool WHERE cluster = 1")).program.every_feature)
    key = feature.keys()[0]
    before = feature.newest(key)
    assert before is not None
    rows = files.read_footer(before).rows
    given = pa.FixedSizeListArray.from_arrays(pa.array(np.full(rows * 3, 9, np.float16)), 3)
    with pytest.raises(RunError) as caught:
        files.merge(feature, key, rows, spec, np.arange(rows), Answers(given))
    assert caught.value.diagnostics[0].code == "E0606"
    assert feature.newest(key) == before


def test_pieces_and_processes_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    found = []
    for number, (rows, fewest) in enumerate([(4096, 0), (7, 0), (1, 0)]):
        with monkeypatch.context() as patch:
            patch.setenv("DCQL_HOME", str(tmp_path / f"home{number}"))
            patch.setattr("dcql.engine.features.running._TEXT_ROWS", rows)
            patch.setattr("dcql.engine.features.running._ROWS_AT_ONCE", {"EMBEDDING": rows})
            patch.setattr("dcql.engine.features.running._FEWEST_FOR_PROCESSES", fewest)
            patch.setattr("dcql.engine.features.answering._SECONDS_BETWEEN_MERGES", 0.0 if number == 1 else 30.0)
            if number != 0:
                patch.setattr("dcql.engine.features.running.Workers", Here)
            pool = add("small", tmp_path / "pool")
            result = world.run("SELECT uid FROM pool WHERE cluster IN (1, 2) AND total > 0", "none = 9", pool=pool)
            contents = []
            for path in stored("mine").newest_versions():
                count = files.read_footer(path).rows
                contents.append(np.array(open_vectors(path, count)) if count else None)
        assert result.features is not None
        found.append((result.subset.hash, dict(result.features.digests), repr(contents)))
    assert found[1] == found[0]
    assert found[2] == found[0]


def test_a_warm_store_gives_the_same(world: World, tmp_path: Path) -> None:
    query = "SELECT uid FROM pool WHERE cluster = 1 AND grp > 0"
    cold = world.run(query)
    before = store_content(tmp_path / "home")
    world.vector.forget()
    warm = world.run(query, compute=False)
    assert warm.subset.hash == cold.subset.hash
    assert warm.features is not None
    assert cold.features is not None
    assert warm.features.digests == cold.features.digests
    assert world.vector.asked() == []
    assert store_content(tmp_path / "home") == before


def test_what_else_is_stored_changes_no_digest(world: World) -> None:
    query = "SELECT uid FROM pool WHERE grp > 0 AND cluster = 1"
    first = world.run(query)
    world.run("SELECT uid FROM pool WHERE cluster = 1")
    again = world.run(query)
    assert first.features is not None
    assert again.features is not None
    assert again.features.digests == first.features.digests
    assert use(again, "mine").asked == use(first, "mine").asked


def test_an_embedding_that_is_gone_is_computed_again(world: World) -> None:
    """It is part of the lock, whatever the store holds of its readers."""
    query = "SELECT uid FROM pool WHERE cluster = 1"
    first = world.run(query)
    shutil.rmtree(stored("mine").folder)
    with pytest.raises(RunError) as caught:
        world.run(query, compute=False)
    assert caught.value.diagnostics[0].code == "E0607"
    again = world.run(query)
    assert use(again, "mine").computed == ROWS
    assert use(again, "cluster").computed == 0
    assert first.features is not None
    assert again.features is not None
    assert again.features.digests == first.features.digests


def test_the_content_digest(world: World) -> None:
    result = world.run("SELECT uid FROM pool WHERE cluster IS NOT NULL", "none = 5")
    assert result.features is not None
    values = {uid: None if n % 5 == 0 else half(n).astype("<f2").tobytes() for n, uid in enumerate(world.uids)}
    assert result.features.digests["mine"] == dcfeat2(world.uids, values)


# --- kills and damage -------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path

import dcql
from dcql.engine.duck import Resources
from dcql.engine.features import files
from dcql.engine.features.report import Computing

sys.path.insert(0, {tests!r})
from features.own import Here
import dcql.engine.features.running as running
import dcql.engine.features.answering as answering

running.Workers = Here
running._TEXT_ROWS = 8
answering._SECONDS_BETWEEN_MERGES = 0.0
written = 0
before = files.{function}


def die(*given, **named):
    global written
    written += 1
    if {after}:
        result = before(*given, **named)
    if written == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return result if {after} else before(*given, **named)


files.{function} = die
dcql.run(Path({recipe!r}), "small", resources=Resources(threads=1), computing=Computing(own_code=True, workers=1))
"""


@pytest.mark.thinned(3)
@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize(("function", "after"), [("write_vectors", False), ("write_vectors", True), ("_write", True)])
def test_a_kill_between_the_two_files(world: World, tmp_path: Path, number: int, function: str, after: bool) -> None:
    query = "SELECT uid FROM pool WHERE cluster IN (1, 2)"
    path = world.recipe(query)
    code = KILLED.format(
        tests=str(Path(__file__).parents[1]), recipe=str(path), number=number, function=function, after=after
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ}, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    for each in stored("mine").newest_versions():
        rows = files.read_footer(each).rows
        values = files.read_values(each, rows)
        if values.value.null_count < rows:
            assert open_vectors(each, rows).shape == (rows, WIDTH)
    assert world.where("cluster IN (1, 2)") == {n for n in range(ROWS) if cluster(n) in (1, 2)}
    left = [p for p in stored("mine").folder.rglob("*") if p.suffix in (".npy", ".unfinished", ".parquet")]
    newest = stored("mine").newest_versions()
    assert sorted(left) == sorted([*newest, *(vectors_file(p) for p in newest if vectors_file(p).exists())])


@pytest.mark.parametrize("change", ["cut off", "gone", "shorter", "pickled"])
def test_damaged_vectors_are_found_and_removed(world: World, change: str) -> None:
    damaged(world, change)
    with pytest.raises(RunError) as caught:
        world.where("cluster = 1 AND total > 0")
    assert caught.value.diagnostics[0].code == "E0605"
    freed = collect()
    assert (freed.damaged, freed.features) == (1, 0)
    assert world.where("cluster = 1") == {n for n in range(ROWS) if cluster(n) == 1}
    assert collect().damaged == 0


def test_gc_removes_vectors_of_no_version(world: World) -> None:
    world.where("cluster = 1")
    path = next(p for p in stored("mine").newest_versions() if vectors_file(p).exists())
    stray = path.with_name("99.npy")
    stray.write_bytes(b"what a kill left")
    assert collect().old == 1
    assert not stray.exists()
    assert vectors_file(path).exists()


# --- commands ---------------------------------------------------------------------------------------------------------


def test_commands_know_it(world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = world.run("SELECT uid FROM pool WHERE grp > 0").subset.distinct
    path = world.recipe("SELECT uid FROM pool WHERE grp > 0 AND cluster = 1")
    plan = cli(capsys, "plan", path, "--pool", "small")
    assert f"mine: read by cluster\n    asked of {asked} samples, {asked} not stored" in plan
    assert "    which reads mine EMBEDDING = vector_of(uid, text" in plan
    described = json.loads(cli(capsys, "run", path, "--pool", "small", "--own-code", "--format", "json"))
    assert [(one["name"], one["type"], one["asked"]) for one in described["features"]] == [
        ("mine", "EMBEDDING", asked),
        ("cluster", "INT", asked),
    ]
    assert all(one["digest"].startswith("dcfeat2:") for one in described["features"])
    plan = cli(capsys, "plan", path, "--pool", "small")
    assert f"mine: read by cluster\n    asked of {asked} samples, all stored" in plan
    rows = json.loads(cli(capsys, "feature", "ls", "--format", "json"))
    assert {row["name"]: row["samples"] for row in rows} == {"mine": asked, "cluster": asked}
    shown = json.loads(cli(capsys, "feature", "show", "cluster", "--recipe", path, "--format", "json"))
    assert shown["inputs"] == [["vectors", "feature", "mine"]]
    assert [row["samples"] for row in shown["stored"]] == [asked]
    shown = cli(capsys, "feature", "show", "mine", "--recipe", path)
    assert "EMBEDDING" in shown
    made = json.loads(
        cli(capsys, "feature", "compute", "mine", "-r", path, "--pool", "small", "--own-code", "--format", "json")
    )
    assert (made["asked"], made["computed"]) == (ROWS, ROWS - asked)
    for name, count in (("mine", ROWS), ("cluster", asked)):
        verify = ("feature", "verify", name, "-r", path, "-p", "small", "--sample", "100%", "--own-code")
        told = json.loads(cli(capsys, *verify, "--format", "json"))
        assert (told["compared"], told["equal"], told["largest"]) == (count, count, 0)
    assert cli(capsys, "feature", "gc").startswith("freed")
    assert [stored(name).described()["name"] for name in ("mine", "cluster")] == ["mine", "cluster"]


def test_verify_finds_a_changed_vector(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.where("cluster = 1")
    path = next(p for p in stored("mine").newest_versions() if vectors_file(p).exists())
    vectors = np.load(vectors_file(path))
    vectors[0, 0] += np.float16(0.25)
    np.save(vectors_file(path), vectors)
    recipe = world.recipe("SELECT uid FROM pool")
    assert status("feature", "verify", "mine", "-r", recipe, "-p", "small", "--sample", "100%", "--own-code") == 1
    out = capsys.readouterr()
    assert "1 differing" in out.out
    assert "largest difference 0.25" in out.out
    assert "E0614" in out.err


def test_a_lock_pins_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    path = world.recipe("SELECT uid FROM pool WHERE cluster = 1")
    cli(capsys, "run", path, "--pool", "small", "--own-code")
    cli(capsys, "lock", path, "--pool", "small")
    text = path.with_suffix(".lock").read_text()
    assert 'name = "mine"' in text
    assert 'name = "cluster"' in text
    cli(capsys, "run", path, "--locked", "--own-code")
    path.write_text(path.read_text().replace("vector_of(uid, text);", "vector_of(uid, text, salt = 4);"))
    assert status("run", path, "--locked", "--own-code") != 0


def test_counting_tells_of_a_reader_that_is_not_exact(world: World) -> None:
    path = world.recipe("SELECT uid FROM pool WHERE cluster = 1 AND total > 0")
    plan = optimize(dcql.compile(path).plan)
    counted = count_demands(plan, world.pool, ONE_THREAD, lambda what, done, total: None)
    assert [(one.spec.name, one.asked, one.missing, one.exact) for one in counted] == [
        ("mine", ROWS, ROWS, False),
        ("cluster", ROWS, ROWS, True),
        ("total", ROWS, ROWS, False),
    ]
