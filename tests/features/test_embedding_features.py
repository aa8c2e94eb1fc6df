"""Features whose value is a vector: what reads them, what they are asked of, and how they are stored."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pools
import pytest
from conformance import ONE_THREAD
from features.own import Here, OwnModel, own_model, recipe_file
from numpy.typing import NDArray

import dcql
from dcql.catalog.features import StoredFeature, stored_features
from dcql.catalog.pool import Pool, open_pool
from dcql.cli import main
from dcql.engine.add import add
from dcql.engine.features import files
from dcql.engine.features.counting import count_demands
from dcql.engine.features.gc import collect
from dcql.engine.features.report import Computing, Use
from dcql.engine.features.vectors import open_vectors, vectors_file
from dcql.engine.run import Result
from dcql.errors import DcqlError, RecipeError, RunError
from dcql.plan.passes import optimize
from dcql.subset import MerkleTree

ROWS = 120
WIDTH = 4
ERRORS = Path(__file__).parent / "errors"
CENTROIDS = np.random.default_rng(5).normal(size=(6, WIDTH)).astype(np.float32)

# A vector of a caption from the digest of the caption; NULL for captions in `none`, a failure for those in `fails`.
VECTORS = """
import hashlib
from pathlib import Path

LOG = Path(__file__).with_suffix(".log")


def load(weights, assets, options):
    salt, none, fails = options["salt"], options["none"], options["fails"]

    def one(text):
        number = int(text)
        if fails and number % fails == 1:
            raise ValueError("no vector")
        if none and number % none == 0:
            return None
        digest = hashlib.sha256(f"{salt}{text}".encode()).digest()
        return [(byte - 128) / 97 for byte in digest[:4]]

    def answer(uids, texts):
        with LOG.open("a") as log:
            log.write("".join(f"{uid}\\n" for uid in uids))
        return [one(text) for text in texts]

    return answer
"""
PARAMETERS = "uid TEXT, caption TEXT, salt INT DEFAULT 0, none INT DEFAULT 0, fails INT DEFAULT 0"
# What reads a vector, by a file of the tests' own.
SUMS = """
from pathlib import Path

LOG = Path(__file__).with_suffix(".log")


def load(weights, assets, options):
    def answer(uids, vectors):
        assert vectors.dtype == "float16"
        with LOG.open("a") as log:
            log.write("".join(f"{uid}\\n" for uid in uids))
        return [float(row.astype("f8").sum()) for row in vectors]

    return answer
"""
FEATURES = """
FEATURE mine EMBEDDING USING vector_of(uid, text{options});
FEATURE other EMBEDDING USING vector_of(uid, text, salt = 1);
ASSET places FROM 'places.npy' SHA256 '{places}';
FEATURE cluster INT USING nearest(mine, places);
FEATURE pair FIXED(14) USING similarity(mine, other);
FEATURE total FIXED(10) USING sum_of(uid, mine);
"""


def half(number: int, salt: int = 0) -> NDArray[np.float16]:
    """Return the vector of a caption as it is stored, made here anew."""
    digest = hashlib.sha256(f"{salt}{number}".encode()).digest()
    return np.array([(byte - 128) / 97 for byte in digest[:4]], np.float64).astype(np.float16)


def cluster(number: int) -> int:
    return int((CENTROIDS.astype("f8") @ half(number).astype("f8")).argmax())


class World:
    """A pool of captions "0", "1", .. in a folder, beside two models and an asset."""

    def __init__(self, folder: Path, rows: int = ROWS, file_count: int = 3) -> None:
        self.folder = folder
        made = pools.base(rows, 5)
        self.uids = list(made.columns["uid"])
        made = made.with_columns(text=[str(number) for number in range(rows)])
        pools.write(made, folder / "pool", layout=pools.Layout(files=file_count, renamed=True, empty_file=True))
        np.save(folder / "places.npy", CENTROIDS)
        self.places = hashlib.sha256((folder / "places.npy").read_bytes()).hexdigest()
        self.vector = own_model(folder, "vector_of", VECTORS, PARAMETERS, "EMBEDDING")
        self.sums = own_model(folder, "sum_of", SUMS, "uid TEXT, vectors EMBEDDING", "FLOAT")
        self.pool = add("small", folder / "pool")

    def recipe(self, query: str, options: str = "") -> Path:
        declared = FEATURES.format(options=f", {options}" if options else "", places=self.places)
        return recipe_file(self.folder, f"{self.vector.statement}{self.sums.statement}{declared}{query};")

    def run(self, query: str, options: str = "", pool: Pool | Path | None = None, **computing: Any) -> Result:
        settings = Computing(own_code=True, workers=1, **computing)
        path = self.recipe(query, options)
        return dcql.run(path, pool or self.pool, resources=ONE_THREAD, computing=settings).result

    def where(self, condition: str, options: str = "", **computing: Any) -> set[int]:
        """Return the numbers of the samples that a condition keeps."""
        kept = set(self.run(f"SELECT uid FROM pool WHERE {condition}", options, **computing).subset.hex())
        return {number for number, uid in enumerate(self.uids) if uid in kept}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("dcql.engine.features.running.Workers", Here)
    return World(tmp_path)


def use(result: Result, name: str) -> Use:
    assert result.features is not None
    return next(one for one in result.features.uses if one.spec.name == name)


def stored(name: str) -> StoredFeature:
    return next(one for one in stored_features() if one.described()["name"] == name)


def store_content(home: Path) -> dict[str, bytes]:
    """Return every file of vectors in the store by its path."""
    features = home / "features"
    return {path.relative_to(features).as_posix(): path.read_bytes() for path in sorted(features.rglob("*.npy"))}


# --- what it means ----------------------------------------------------------------------------------------------------


def test_a_feature_reads_the_vectors_of_another(world: World) -> None:
    assert world.where("cluster = 2") == {n for n in range(ROWS) if cluster(n) == 2}


def test_two_embeddings_of_a_sample(world: World) -> None:
    products = [float(half(n).astype("f8") @ half(n, 1).astype("f8")) for n in range(ROWS)]
    kept = {n for n, product in enumerate(products) if round(product * 2**14) > 2**14 // 2}
    assert kept
    in_range = {n for n, product in enumerate(products) if -2 <= product < 2}
    if len(in_range) == ROWS:
        assert world.where("pair > 0.5") == kept
    else:
        with pytest.raises(RunError, match="does not fit `pair`"):
            world.where("pair > 0.5")


def test_vectors_are_rounded_to_float16_before_they_are_read(world: World) -> None:
    sums = [float(half(n).astype("f8").sum()) for n in range(ROWS)]
    assert world.where("total > 0.25") == {n for n, total in enumerate(sums) if round(total * 1024) > 256}
    exact = [sum((byte - 128) / 97 for byte in hashlib.sha256(f"0{n}".encode()).digest()[:4]) for n in range(ROWS)]
    assert any(round(a * 1024) != round(b * 1024) for a, b in zip(sums, exact, strict=True))


def test_it_is_asked_of_the_samples_of_its_readers(world: World) -> None:
    result = world.run("SELECT uid FROM pool WHERE cluster IN (1, 2) AND grp > 0")
    asked = set(world.run("SELECT uid FROM pool WHERE grp > 0").subset.hex())
    assert 0 < len(asked) < ROWS
    assert sorted(world.vector.asked()) == sorted(asked)
    assert [use(result, name).asked for name in ("mine", "cluster")] == [len(asked)] * 2
    assert result.features is not None
    assert [one.spec.name for one in result.features.uses] == ["mine", "cluster"]


def test_it_is_computed_once_for_several_readers(world: World) -> None:
    result = world.run("SELECT uid FROM pool WHERE grp > 0 AND cluster = 1 OR total > 0.5 AND grp > 1")
    assert sorted(world.vector.asked()) == sorted(world.uids)
    assert use(result, "mine").asked == ROWS
    world.vector.forget()
    world.where("total > 0.25 AND cluster < 3")
    assert world.vector.asked() == []


def test_readers_of_different_samples_ask_for_both(world: World) -> None:
    result = world.run("SELECT uid FROM pool WHERE grp > 0 AND cluster = 1 UNION SELECT uid FROM pool WHERE grp = 0 AND"
                       " total > 0.5")  # fmt: skip
    first = set(world.run("SELECT uid FROM pool WHERE grp > 0").subset.hex())
    second = set(world.run("SELECT uid FROM pool WHERE grp = 0").subset.hex())
    assert sorted(world.vector.asked()) == sorted(first | second)
    assert use(result, "mine").asked == len(first | second)
    assert (use(result, "cluster").asked, use(result, "total").asked) == (len(first), len(second))


def test_null_stays_null_and_a_failure_carries_its_reason(world: World) -> None:
    options = "none = 5, fails = 7"
    result = world.run("SELECT uid FROM pool WHERE total IS NULL", options, max_failures=Fraction(1))
    failing = {n for n in range(ROWS) if n % 7 == 1}
    empty = {n for n in range(ROWS) if n % 5 == 0} - failing
    kept = set(result.subset.hex())
    assert {n for n, uid in enumerate(world.uids) if uid in kept} == failing | empty
    for name in ("mine", "total"):
        assert (use(result, name).failed, use(result, name).reasons) == (
            len(failing),
            {"ValueError: no vector": len(failing)},
        )
    there = {world.uids[n] for n in range(ROWS)} - kept
    assert sorted(world.sums.asked()) == sorted(there)


def test_where_no_sample_has_a_vector(world: World, tmp_path: Path) -> None:
    assert world.where("cluster IS NULL", "none = 1") == set(range(ROWS))
    assert store_content(tmp_path / "home") == {}
    assert world.where("cluster IS NULL", "none = 1", compute=False) == set(range(ROWS))


def test_too_many_failures_of_a_vector_fail_the_run(world: World) -> None:
    with pytest.raises(RunError) as caught:
        world.where("cluster = 1", "fails = 7")
    assert caught.value.diagnostics[0].code == "E0612"
    assert "`mine`" in caught.value.diagnostics[0].message


def test_another_embedding_is_another_feature(world: World) -> None:
    first = world.run("SELECT uid FROM pool WHERE cluster = 1")
    second = world.run("SELECT uid FROM pool WHERE cluster = 1", "salt = 3")
    assert use(first, "cluster").id != use(second, "cluster").id
    assert use(first, "mine").id != use(second, "mine").id
    assert use(second, "cluster").computed == ROWS


def test_an_embedding_of_an_embedding(world: World, tmp_path: Path) -> None:
    code = VECTORS.replace("uids, texts", "vectors").replace("[one(text) for text in texts]", "-vectors[:, :3]")
    code = code.replace('log.write("".join(f"{uid}\\n" for uid in uids))', 'log.write(f"{len(vectors)}\\n")')
    code = code.replace('salt, none, fails = options["salt"], options["none"], options["fails"]', "")
    turned = own_model(tmp_path, "turned_of", code, "vectors EMBEDDING", "EMBEDDING")
    query = "SELECT uid FROM pool WHERE product > 0"
    declared = (
        f"{turned.statement}FEATURE turned EMBEDDING USING turned_of(mine);\n"
        "FEATURE product FIXED(10) USING similarity(turned, turned);\n"
    )
    path = world.recipe(f"{declared}{query}")
    result = dcql.run(path, world.pool, resources=ONE_THREAD, computing=Computing(own_code=True, workers=1)).result
    assert result.subset.distinct == ROWS
    assert result.features is not None
    assert [one.spec.name for one in result.features.uses] == ["mine", "turned", "product"]
    (turned_values,) = [v for v in stored("turned").newest_versions() if files.read_counts(v)["rows"] == ROWS // 3][:1]
    assert open_vectors(turned_values, ROWS // 3).shape == (ROWS // 3, 3)


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_vectors_are_stored_as_float16_row_for_row(world: World) -> None:
    world.where("cluster = 1 AND grp > 0")
    feature = stored("mine")
    seen = 0
    for path in feature.newest_versions():
        rows = files.read_counts(path)["rows"]
        values = files.read_values(path, rows)
        assert str(values.value.type) == "bool"
        if not values.known.any():
            continue
        vectors = np.load(vectors_file(path), allow_pickle=False)
        assert (vectors.dtype, vectors.shape) == (np.float16, (rows, WIDTH))
        seen += int(values.known.sum())
    assert seen == len(world.vector.asked())


def test_a_known_vector_keeps_its_value(world: World) -> None:
    import pyarrow as pa

    world.where("cluster = 1 AND grp > 0")
    feature = stored("mine")
    spec = next(s for s in dcql.compile(world.recipe("SELECT uid FROM pool WHERE cluster = 1")).program.every_feature)
    (key,) = feature.keys()[:1]
    before = feature.newest(key)
    assert before is not None
    rows = files.read_counts(before)["rows"]
    known = files.read_values(before, rows).known
    old = np.array(open_vectors(before, rows))
    every = np.arange(rows)
    given = pa.FixedSizeListArray.from_arrays(pa.array(np.full(rows * WIDTH, 9, np.float16)), WIDTH)
    after = files.merge(feature, key, rows, spec, every, files.Answers(given))
    new = open_vectors(after, rows)
    assert known.any()
    assert not known.all()
    assert np.array_equal(new[known], old[known])
    assert (new[~known] == 9).all()
    assert files.read_values(after, rows).value.null_count == 0


def test_vectors_of_another_length_are_refused(world: World) -> None:
    import pyarrow as pa

    world.where("cluster = 1 AND grp > 0")
    feature = stored("mine")
    spec = next(s for s in dcql.compile(world.recipe("SELECT uid FROM pool WHERE cluster = 1")).program.every_feature)
    key = feature.keys()[0]
    before = feature.newest(key)
    assert before is not None
    rows = files.read_counts(before)["rows"]
    given = pa.FixedSizeListArray.from_arrays(pa.array(np.full(rows * 3, 9, np.float16)), 3)
    with pytest.raises(RunError) as caught:
        files.merge(feature, key, rows, spec, np.arange(rows), files.Answers(given))
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
            patch.setattr("dcql.engine.features.columns._SECONDS_BETWEEN_MERGES", 0.0 if number == 1 else 30.0)
            if number != 0:
                patch.setattr("dcql.engine.features.running.Workers", Here)
            pool = add("small", tmp_path / "pool")
            result = world.run("SELECT uid FROM pool WHERE cluster IN (1, 2) AND total > 0", "none = 9", pool=pool)
            contents = []
            for path in stored("mine").newest_versions():
                count = files.read_counts(path)["rows"]
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
    import shutil

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
    """Recomputed from SEMANTICS 4.7, with the tree of the subset's hash."""
    result = world.run("SELECT uid FROM pool WHERE cluster IS NOT NULL", "none = 5")
    assert result.features is not None
    rows = sorted((bytes.fromhex(uid), n) for n, uid in enumerate(world.uids))
    records = bytearray()
    for uid, n in rows:
        value = hashlib.sha256(half(n).astype("<f2").tobytes()).digest()[:16]
        records += uid + (b"\x00" + bytes(16) if n % 5 == 0 else b"\x01" + value)
    array = np.frombuffer(bytes(records), np.dtype([("high", ">u8"), ("rest", "V25")]))
    tree = MerkleTree(b"dcql.feature.v1")
    tree.update(array["high"].astype(np.uint64), array)
    assert result.features.digests["mine"] == "dcfeat1:" + tree.seal(len(rows).to_bytes(8, "big")).hex()


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
import dcql.engine.features.columns as columns

running.Workers = Here
running._TEXT_ROWS = 8
columns._SECONDS_BETWEEN_MERGES = 0.0
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
        rows = files.read_counts(each)["rows"]
        values = files.read_values(each, rows)
        if values.value.null_count < rows:
            assert open_vectors(each, rows).shape == (rows, WIDTH)
    assert world.where("cluster IN (1, 2)") == {n for n in range(ROWS) if cluster(n) in (1, 2)}
    left = [p for p in stored("mine").folder.rglob("*") if p.suffix in (".npy", ".tmp", ".parquet")]
    newest = stored("mine").newest_versions()
    assert sorted(left) == sorted([*newest, *(vectors_file(p) for p in newest if vectors_file(p).exists())])


def damaged(world: World, change: str) -> Path:
    world.where("cluster = 1")
    path = next(p for p in stored("mine").newest_versions() if vectors_file(p).exists())
    file = vectors_file(path)
    match change:
        case "cut off":
            file.write_bytes(file.read_bytes()[:-10])
        case "gone":
            file.unlink()
        case "shorter":
            np.save(file, np.zeros((3, WIDTH), np.float16))
        case _:
            np.save(file, np.array([{}], object), allow_pickle=True)
    return file


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


def cli(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    capsys.readouterr()
    assert main([str(one) for one in arguments]) == 0
    return capsys.readouterr().out


def test_commands_know_it(world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = world.recipe("SELECT uid FROM pool WHERE grp > 0 AND cluster = 1")
    asked = len(world.run("SELECT uid FROM pool WHERE grp > 0").subset.hex())
    plan = cli(capsys, "plan", path, "--pool", "small")
    assert f"mine: read by cluster\n    asked of {asked} samples, {asked} not stored" in plan
    described = json.loads(cli(capsys, "run", path, "--pool", "small", "--own-code", "--format", "json"))
    assert [(one["name"], one["type"], one["asked"]) for one in described["features"]] == [
        ("mine", "EMBEDDING", asked),
        ("cluster", "INT", asked),
    ]
    assert all(one["digest"].startswith("dcfeat1:") for one in described["features"])
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
        told = json.loads(
            cli(
                capsys,
                "feature",
                "verify",
                name,
                "-r",
                path,
                "-p",
                "small",
                "--sample",
                "100%",
                "--own-code",
                "--format",
                "json",
            )  # fmt: skip
        )
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
    assert main(["feature", "verify", "mine", "-r", str(recipe), "-p", "small", "--sample", "100%", "--own-code"]) != 0
    out = capsys.readouterr()
    assert "1 differing" in out.out
    assert "largest difference 0.25" in out.out
    assert "E0614" in out.err


def test_a_lock_pins_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    path = world.recipe("SELECT uid FROM pool WHERE cluster = 1")
    cli(capsys, "run", path, "--pool", "small", "--own-code")
    cli(capsys, "lock", path, "--pool", "small", "--own-code")
    text = path.with_suffix(".lock").read_text()
    assert 'name = "mine"' in text
    assert 'name = "cluster"' in text
    cli(capsys, "run", path, "--locked", "--own-code")
    path.write_text(path.read_text().replace("vector_of(uid, text);", "vector_of(uid, text, salt = 4);"))
    assert main(["run", str(path), "--locked", "--own-code"]) != 0


def test_counting_tells_of_a_reader_that_is_not_exact(world: World) -> None:
    path = world.recipe("SELECT uid FROM pool WHERE cluster = 1 AND total > 0")
    plan = optimize(dcql.compile(path).plan)
    counted = count_demands(plan, world.pool, ONE_THREAD, lambda what, done, total: None)
    assert [(one.spec.name, one.asked, one.missing, one.exact) for one in counted] == [
        ("mine", ROWS, ROWS, False),
        ("cluster", ROWS, ROWS, True),
        ("total", ROWS, ROWS, False),
    ]


# --- what is refused --------------------------------------------------------------------------------------------------


def refused(world: World, text: str, options: str = "") -> DcqlError:
    with pytest.raises(DcqlError) as caught:
        world.run(text, options)
    return caught.value


USES = {
    "compared": "SELECT uid FROM pool WHERE mine = 1",
    "whether it is there": "SELECT uid FROM pool WHERE mine IS NOT NULL",
    "ordered by": "SELECT uid FROM pool ORDER BY mine LIMIT 3",
    "ranked": "SELECT uid FROM pool WHERE score > q(0.5) BY mine",
    "a condition": "SELECT uid FROM pool WHERE mine",
    "in a DEFINE": "DEFINE far AS mine > 2;\nSELECT uid FROM pool",
    "as a column": "FEATURE l TEXT USING fasttext_lid(mine);\nSELECT uid FROM pool WHERE l = 'en'",
}


@pytest.mark.parametrize("use", USES)
def test_it_stands_in_no_expression(world: World, use: str) -> None:
    error = refused(world, USES[use])
    assert isinstance(error, RecipeError)
    assert {one.code for one in error.diagnostics} <= {"E0301", "E0101"}


REFUSED = {
    "E0301_embedding_in_an_expression": ("SELECT uid FROM pool WHERE mine = 1", ""),
    "E0205_embedding_of_itself": (
        "FEATURE a EMBEDDING USING turn(b);\nFEATURE b EMBEDDING USING turn(a);\n"
        "FEATURE c INT USING nearest(a, places);\nSELECT uid FROM pool WHERE c = 1",
        "",
    ),
    "E0602_fitted_to_a_feature": (
        "ASSET k AS FIT kmeans(mine, k = 3) ON pool SEED 0;\nFEATURE near INT USING nearest(mine, k);\n"
        "SELECT uid FROM pool WHERE near = 1",
        "",
    ),
    "E0606_embedding_of_other_widths": ("SELECT uid FROM pool WHERE t > 0", "[1.0] * (1 + int(text) % 2)"),
    "E0606_embedding_too_large": ("SELECT uid FROM pool WHERE t > 0", "[1e6, 1.0]"),
    "E0605_embedding_cut_off": ("", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_message(name: str, world: World, tmp_path: Path, update: bool) -> None:
    import re

    text, answer = REFUSED[name]
    code = VECTORS.replace("[one(text) for text in texts]", f"[{answer or 'one(text)'} for text in texts]")
    bad = own_model(tmp_path, "bad_of", code, PARAMETERS, "EMBEDDING")
    turn = own_model(tmp_path, "turn", SUMS, "vectors EMBEDDING", "EMBEDDING")
    declared = f"{bad.statement}FEATURE bad EMBEDDING USING bad_of(uid, text);\n{turn.statement}"
    declared += "FEATURE t FIXED(4) USING similarity(bad, bad);\n"
    if not text:
        damaged(world, "cut off")
        text = "SELECT uid FROM pool WHERE total > 0"
    error = refused(world, declared + text)
    assert error.diagnostics[0].code == name[:5]
    said = str(error).replace(str(tmp_path), "<tmp>") + "\n"
    said = re.sub(r"(?<=features/)[0-9a-f]{32}/\w+(?=/)", "<id>/<key>", said)
    expected = ERRORS / f"embedding_{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")


def test_a_vector_with_nan_is_a_failure(world: World, tmp_path: Path) -> None:
    code = VECTORS.replace("[one(text) for text in texts]", "[[1.0, float('nan') if int(t) < 3 else 2] for t in texts]")
    odd = own_model(tmp_path, "odd_of", code, PARAMETERS, "EMBEDDING")
    declared = f"{odd.statement}FEATURE odd EMBEDDING USING odd_of(uid, text);\n"
    result = world.run(
        f"{declared}FEATURE s FIXED(4) USING similarity(odd, odd);\nSELECT uid FROM pool WHERE s IS NULL",
        max_failures=Fraction(1),
    )
    assert set(result.subset.hex()) == set(world.uids[:3])
    assert use(result, "odd").reasons == {"the vector holds NaN or infinity": 3}
    assert use(result, "s").reasons == {"the vector holds NaN or infinity": 3}


def test_an_array_of_the_same_name_is_not_read(world: World) -> None:
    """The pool has no .npz at all, and the feature is what its readers read; a feature of another type hides nothing."""
    assert world.where("cluster >= 0") == set(range(ROWS))
    error = refused(world, "FEATURE x INT USING nearest(cluster, places);\nSELECT uid FROM pool WHERE x = 1")
    assert error.diagnostics[0].code == "E0660"


# --- the demo pool's models -------------------------------------------------------------------------------------------


def test_the_demo_pool_s_embeddings(demo: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    assert open_pool  # the demo pool is added by the fixture
