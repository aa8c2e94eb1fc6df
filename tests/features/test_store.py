"""The feature store: whatever the order, the size of pieces and the kills, the same subset and the same content."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pools
import pyarrow.parquet as pq
import pytest
from conformance import ONE_THREAD
from features.own import Here, OwnModel, logging_model, own_model, recipe_file, stored_files
from pools.featured import write_named

import dcql
from dcql.catalog.features import StoredFeature, stored_features
from dcql.catalog.pool import Pool, open_pool
from dcql.engine.add import add
from dcql.engine.features import files
from dcql.engine.features.gc import collect
from dcql.engine.features.report import Computing
from dcql.engine.run import Result
from dcql.errors import RunError
from dcql.source import Source

ROWS = 120
PLAIN = pools.Layout(files=3, renamed=True)
QUERY = "SELECT uid FROM pool WHERE words >= 4"
LENGTH = "return len(text.split())"


@pytest.fixture
def words(tmp_path: Path) -> OwnModel:
    """Return a model that counts words, beside the pool."""
    return logging_model(tmp_path, "words_of", LENGTH, "INT")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let models answer in this process."""
    monkeypatch.setattr("dcql.engine.features.running.Workers", Here)


def written(folder: Path, rows: int = ROWS, layout: pools.Layout = PLAIN, seed: int = 5) -> Path:
    pools.write(pools.base(rows, seed), folder / "pool", layout=layout)
    return folder / "pool"


def run(model: OwnModel, pool: Pool | str | Path, query: str = QUERY, **computing: Any) -> Result:
    text = f"{model.statement}FEATURE words INT USING words_of(uid, text);\n{query};"
    path = recipe_file(model.path.parent, text)
    settings = Computing(own_code=True, **computing)
    return dcql.run(path, pool, resources=ONE_THREAD, computing=settings).result


def feature(name: str = "words") -> StoredFeature:
    return next(one for one in stored_features() if one.described()["name"] == name)


def versions(stored: StoredFeature) -> list[list[Path]]:
    """Return the versions of each file's values."""
    return [stored.versions(key) for key in stored.keys()]  # noqa: SIM118


def known(stored: StoredFeature) -> int:
    """Return for how many samples something is known."""
    return sum(files.read_counts(each[-1])["known"] for each in versions(stored))


def right(rows: int = ROWS, seed: int = 5) -> set[str]:
    pool = pools.base(rows, seed)
    return {uid for uid, text in zip(pool.columns["uid"], pool.columns["text"], strict=True) if len(text.split()) >= 4}


# --- one subset, one content ------------------------------------------------------------------------------------------

MODELS = "SELECT uid FROM pool WHERE lang = 'en' AND NOT obscene_words AND image_cluster IN imagenet_centroids"
WAYS: dict[str, tuple[int | None, int, int | None]] = {
    # how many samples at once (None: as they are), from how many on in processes, and how many processes
    "as it is": (None, 20_000, None),
    "7 at once": (7, 20_000, None),
    "1024 at once": (1024, 20_000, None),
    "one process": (None, 0, 1),
    "one process, 7 at once": (7, 0, 1),
    "three processes, 7 at once": (7, 0, 3),
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pool with embeddings, and captions in many scripts."""
    folder = tmp_path_factory.mktemp("scripts")
    write_named("many_scripts", folder)
    return folder


def test_pieces_and_processes_do_not_matter(scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for way, (rows, fewest, workers) in WAYS.items():
        with monkeypatch.context() as patch:
            patch.setenv("DCQL_HOME", str(tmp_path / way))
            patch.setattr("dcql.engine.features.running._FEWEST_FOR_PROCESSES", fewest)
            if rows is not None:
                patch.setattr("dcql.engine.features.running._TEXT_ROWS", rows)
                patch.setattr("dcql.engine.features.running._ROWS_AT_ONCE", {"EMBEDDING": rows})
            computing = Computing(workers=workers, max_failures=Fraction(1))
            source = Source("models", MODELS)
            result = dcql.run(source, add("scripts", scripts), resources=ONE_THREAD, computing=computing).result
            values = {path: pq.read_table(tmp_path / way / "features" / path) for path in stored_files(tmp_path / way)}
        assert result.features is not None
        assert {use.spec.name for use in result.features.uses} == {"lang", "obscene_words", "image_cluster"}
        found[way] = (result.subset.hash, result.features.digests, result.features.assets, values)
    first = found["as it is"]
    assert first[3]
    for way, others in found.items():
        assert others == first, way


def test_a_warm_store_gives_the_same(words: OwnModel, tmp_path: Path, here: None) -> None:
    pool = add("small", written(tmp_path))
    cold = run(words, pool)
    words.forget()
    before = stored_files(tmp_path / "home")
    warm = run(words, pool)
    assert set(cold.subset.hex()) == right()
    assert warm.subset.hash == cold.subset.hash
    assert (warm.features and warm.features.digests) == (cold.features and cold.features.digests)
    assert words.asked() == []
    assert stored_files(tmp_path / "home") == before


@pytest.mark.parametrize("layout", ["permuted", "merged", "split", "row_groups_1", "row_groups_17", "plain"])
def test_files_and_row_groups_do_not_matter(layout: str, words: OwnModel, tmp_path: Path, here: None) -> None:
    plain = run(words, add("plain", written(tmp_path / "plain")))
    other = run(words, add("other", written(tmp_path / "other", layout=pools.LAYOUTS[layout])))
    assert plain.features is not None
    assert other.features is not None
    assert other.features.digests == plain.features.digests
    assert other.subset.hash == plain.subset.hash


def test_raw_and_added_pools_give_one_subset(words: OwnModel, tmp_path: Path, here: None) -> None:
    folder = written(tmp_path)
    raw = run(words, folder)
    added = run(words, add("small", folder))
    assert raw.subset.hash == added.subset.hash
    assert raw.features is not None
    assert raw.features.digests == {}  # its samples have no order of their own


# --- the content digest -----------------------------------------------------------------------------------------------


def hash_of(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def dcfeat1(records: dict[str, bytes | None]) -> str:
    """Return the content digest of values by uid, straight from semantics 4.7 and 5.2; None for NULL."""
    domain = b"dcql.feature.v1\0"
    leaves: list[list[bytes]] = [[] for _ in range(4096)]
    for uid, value in sorted(records.items()):
        leaves[int(uid[:3], 16)].append(bytes.fromhex(uid) + (b"\0" * 17 if value is None else b"\1" + value))
    level = [hash_of(domain, b"\0", *leaf) for leaf in leaves]
    while len(level) > 1:
        level = [hash_of(domain, b"\1", level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return "dcfeat1:" + hash_of(domain, b"\2", bytes([12]), len(records).to_bytes(8, "big"), level[0]).hex()


def whole(number: int) -> bytes:
    return b"\0" * 8 + number.to_bytes(8, "big", signed=True)


def text16(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


VALUES: dict[str, tuple[str, str, list[Any], list[bytes | None]]] = {
    "INT": ("INT", "INT", [3, -1, None, 2**62, 0], [whole(3), whole(-1), None, whole(2**62), whole(0)]),
    "BOOL": ("BOOL", "BOOL", [True, False, None, True, False], [whole(1), whole(0), None, whole(1), whole(0)]),
    "TEXT": (
        "TEXT",
        "TEXT",
        ["en", "", None, "日本", "en"],
        [*map(text16, ["en", ""]), None, *map(text16, ["日本", "en"])],
    ),
    "FIXED(14)": (
        "FLOAT",
        "FIXED(14)",
        [0.5, -2.0, None, 2**-15, 3 * 2**-15],
        [whole(8192), whole(-32768), None, whole(0), whole(2)],  # halves to even
    ),
    "FIXED(0)": ("FLOAT", "FIXED(0)", [0.5, 1.5, None, 2.5, -0.5], [whole(0), whole(2), None, whole(2), whole(0)]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_the_content_digest_is_the_one_that_the_rules_give(kind: str, tmp_path: Path, here: None) -> None:
    returns, output, values, wanted = VALUES[kind]
    # Two uids share their first 12 bits; the files hold them in another order.
    uids = [
        "00100000000000000000000000000002",
        "fff" + "0" * 29,
        "00100000000000000000000000000001",
        "8" * 32,
        "0" * 32,
    ]
    pool = pools.base(5, 9).with_columns(uid=uids)
    pools.write(pool, tmp_path / "pool", layout=pools.Layout(files=2))
    code = f"VALUES = {dict(zip(uids, values, strict=True))!r}\n"
    code += "def load(weights, assets, options):\n    return lambda uids: [VALUES[uid] for uid in uids]\n"
    model = own_model(tmp_path, "given", code, "uid TEXT", returns)
    text = f"{model.statement}FEATURE made {output} USING given(uid); SELECT uid FROM pool WHERE made IS NULL;"
    result = dcql.run(recipe_file(tmp_path, text), add("small", tmp_path / "pool"), computing=Computing(own_code=True))
    assert result.result.features is not None
    assert result.result.features.digests == {"made": dcfeat1(dict(zip(uids, wanted, strict=True)))}


def test_the_content_digest_is_over_what_was_asked(words: OwnModel, tmp_path: Path, here: None) -> None:
    pool = pools.base(ROWS, 5)
    made = run(words, add("small", written(tmp_path)), f"{QUERY} AND safe")
    asked = {
        uid: whole(len(text.split()))
        for uid, text, safe in zip(*(pool.columns[name] for name in ("uid", "text", "safe")), strict=True)
        if safe
    }
    assert made.features is not None
    assert made.features.digests == {"words": dcfeat1(asked)}


def test_the_digest_of_no_sample(words: OwnModel, tmp_path: Path, here: None) -> None:
    made = run(words, add("small", written(tmp_path)), f"{QUERY} AND original_width < 0")
    assert made.features is not None
    assert made.features.digests == {"words": dcfeat1({})}


# --- pools that grow --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["raw", "added"])
def test_of_a_pool_that_grew_only_the_new_file_is_computed(
    form: str, words: OwnModel, tmp_path: Path, here: None
) -> None:
    folder = written(tmp_path)
    run(words, add("small", folder) if form == "added" else folder)
    words.forget()
    more = pools.base(40, 77)
    pools.write(more, folder, layout=pools.Layout(files=1))
    result = run(words, add("small", folder) if form == "added" else folder)
    assert sorted(words.asked()) == sorted(more.columns["uid"])
    assert set(result.subset.hex()) == right() | right(40, 77)


def test_files_that_move_keep_their_values(words: OwnModel, tmp_path: Path, here: None) -> None:
    folder = written(tmp_path)
    first = run(words, add("small", folder))
    words.forget()
    for number, path in enumerate(sorted(folder.glob("*.parquet"), reverse=True)):
        path.rename(path.with_name(f"moved-{number}.parquet"))
    assert run(words, add("moved", folder)).subset.hash == first.subset.hash
    assert words.asked() == []


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


def same(one: Result, other: Result) -> bool:
    assert one.features is not None
    assert other.features is not None
    return one.subset.hash == other.subset.hash and one.features.digests == other.features.digests


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
    assert list((tmp_path / "home").rglob("*.tmp")) == []


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
    assert list((tmp_path / "home").rglob("*.tmp")) == []
    model.forget()
    assert set(run(model, "small").subset.hex()) == right()
    assert model.asked() == []


# --- damage -----------------------------------------------------------------------------------------------------------


def newest(stored: StoredFeature, file: int = 1) -> Path:
    return versions(stored)[file][-1]


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
    assert list((tmp_path / "home").rglob(".*.tmp")) == []
    for path in stored_files(tmp_path / "home"):
        pq.read_table(tmp_path / "home" / "features" / path)
    assert set(run(words, pool).subset.hex()) == right()


def test_what_a_kill_left_unfinished_is_removed(words: OwnModel, tmp_path: Path, here: None) -> None:
    pool = add("small", written(tmp_path))
    run(words, pool)
    left = newest(feature()).with_name(".2.parquet.12345.tmp")
    left.write_bytes(b"PAR1")
    run(words, pool)
    assert not left.exists()


# --- versions ---------------------------------------------------------------------------------------------------------


def test_old_versions_go_when_nobody_reads(words: OwnModel, tmp_path: Path, here: None) -> None:
    pool = add("small", written(tmp_path))
    run(words, pool, f"{QUERY} AND safe")
    stored = feature()
    old = [newest(stored, file) for file in range(3)]
    with stored.reading():
        run(words, pool)
        assert all(path.exists() for path in old)
        assert [len(each) for each in versions(stored)] == [2, 2, 2]
    assert not any(path.exists() for path in old)
    assert [len(each) for each in versions(stored)] == [1, 1, 1]


def test_a_known_sample_keeps_its_value(tmp_path: Path, here: None) -> None:
    """A subset may rest on it: what a model says the second time does not count."""
    code = "from random import random\ndef load(weights, assets, options):\n"
    code += "    return lambda uids: [random() for uid in uids]\n"
    model = own_model(tmp_path, "chance", code, "uid TEXT", "FLOAT")
    pool = add("small", written(tmp_path))
    declared = f"{model.statement}FEATURE luck FIXED(14) USING chance(uid);\n"

    def luck(condition: str) -> Result:
        path = recipe_file(tmp_path, f"{declared}SELECT uid FROM pool WHERE luck >= 0.5 AND {condition};")
        return dcql.run(path, pool, computing=Computing(own_code=True)).result

    first = luck("safe")
    luck("original_width > 0")
    again = luck("safe")
    assert same(first, again)


def test_the_store_lists_its_features_only(words: OwnModel, tmp_path: Path, here: None) -> None:
    """Beside them lie values in which nothing is known."""
    run(words, add("small", written(tmp_path)), f"{QUERY} AND clip_l14 + 0 >= q(0.5)")
    assert (tmp_path / "home" / "features" / "nothing").is_dir()
    (found,) = stored_features()
    described = found.described()
    assert described["name"] == "words"
    assert described["model"] == "words_of"
    assert described["id"].startswith(found.id)
    assert found.id == f"sha256:{found.folder.name}"


def test_what_is_not_stored_is_not_computed_unasked(words: OwnModel, tmp_path: Path, here: None) -> None:
    pool = add("small", written(tmp_path))
    with pytest.raises(RunError) as caught:
        run(words, pool, compute=False)
    assert caught.value.diagnostics[0].code == "E0607"
    assert words.asked() == []
    first = run(words, pool)
    assert same(run(words, pool, compute=False), first)


def test_values_stand_row_for_row(words: OwnModel, tmp_path: Path, here: None) -> None:
    folder = written(tmp_path)
    run(words, open_pool(folder), f"{QUERY} AND safe")
    stored = feature()
    tables = [pq.read_table(newest(stored, file)) for file in range(3)]
    found = sorted(str(table.select(["value", "known"]).to_pydict()) for table in tables)
    wanted = []
    for path in folder.glob("*.parquet"):
        rows = pq.read_table(path).to_pylist()
        values = [len(row["text"].split()) if row["safe"] else None for row in rows]
        wanted.append(str({"value": values, "known": [bool(row["safe"]) for row in rows]}))
    assert found == sorted(wanted)
    assert np.array_equal([table.num_rows for table in tables], [40, 40, 40])
