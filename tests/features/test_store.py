"""The feature store: whatever the order, the size of pieces and the kills, the same subset and the same content."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pools
import pyarrow.parquet as pq
import pytest
from conformance import ONE_THREAD
from features.counting import QUERY, ROWS, feature, newest, right, run, same, versions, written
from features.dcfeat import dcfeat2
from features.own import OwnModel, own_model, recipe_file, stored_files
from pools.featured import write_named

import dcql
from dcql.catalog.features import stored_features
from dcql.catalog.pool import open_pool
from dcql.engine.add import add
from dcql.engine.features.report import Computing
from dcql.engine.run import Result
from dcql.errors import RunError
from dcql.source import Source

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


@pytest.mark.slow
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


VALUES: dict[str, tuple[str, str, list[Any], list[int | str | None]]] = {
    "INT": ("INT", "INT", [3, -1, None, 253, 0], [3, -1, None, 253, 0]),
    "INT in a byte": ("INT", "INT", [3, 0, None, 253, 0], [3, 0, None, 253, 0]),
    "INT beyond a byte": ("INT", "INT", [3, 0, None, 254, 0], [3, 0, None, 254, 0]),
    "INT of 4 bytes": ("INT", "INT", [2**31 - 3, -(2**31), None, 0, 9], [2**31 - 3, -(2**31), None, 0, 9]),
    "INT of 8 bytes": ("INT", "INT", [2**31 - 2, -(2**63), None, 2**62, 9], [2**31 - 2, -(2**63), None, 2**62, 9]),
    "INT to its ends": (
        "INT",
        "INT",
        [2**63 - 1, -(2**63), None, 2**63 - 3, 2**63 - 2],
        [2**63 - 1, -(2**63), None, 2**63 - 3, 2**63 - 2],
    ),
    "BOOL": ("BOOL", "BOOL", [True, False, None, True, False], [1, 0, None, 1, 0]),
    "TEXT": ("TEXT", "TEXT", ["en", "", None, "日本", "en"], ["en", "", None, "日本", "en"]),
    "FIXED(14)": (
        "FLOAT",
        "FIXED(14)",
        [0.5, -2.0, None, 2**-15, 3 * 2**-15],
        [8192, -32768, None, 0, 2],  # halves to even
    ),
    "FIXED(0)": ("FLOAT", "FIXED(0)", [0.5, 1.5, None, 2.5, -0.5], [0, 2, None, 2, 0]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_the_content_digest_is_the_one_that_the_rules_give(kind: str, tmp_path: Path, here: None) -> None:
    returns, output, values, wanted = VALUES[kind]
    # The files hold the uids in another order.
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
    assert result.result.features.digests == {"made": dcfeat2(uids, dict(zip(uids, wanted, strict=True)))}


def test_the_content_digest_is_over_what_was_asked(words: OwnModel, tmp_path: Path, here: None) -> None:
    pool = pools.base(ROWS, 5)
    made = run(words, add("small", written(tmp_path)), f"{QUERY} AND safe")
    asked = {
        uid: len(text.split())
        for uid, text, safe in zip(*(pool.columns[name] for name in ("uid", "text", "safe")), strict=True)
        if safe
    }
    assert made.features is not None
    assert made.features.digests == {"words": dcfeat2(pool.columns["uid"], asked)}


def test_the_digest_of_no_sample(words: OwnModel, tmp_path: Path, here: None) -> None:
    made = run(words, add("small", written(tmp_path)), f"{QUERY} AND original_width < 0")
    assert made.features is not None
    assert made.features.digests == {"words": dcfeat2(pools.base(ROWS, 5).columns["uid"], {})}


def test_texts_of_samples_that_were_not_asked_do_not_count(tmp_path: Path, here: None) -> None:
    """The store may hold more, also in the files that are read."""
    pool = pools.base(9, 5)
    pools.write(pool, tmp_path / "pool", layout=pools.Layout(files=2))
    code = "def load(weights, assets, options):\n    return lambda uids: [uid[:2] for uid in uids]\n"
    model = own_model(tmp_path, "given", code, "uid TEXT", "TEXT")
    text = f"{model.statement}FEATURE made TEXT USING given(uid); SELECT uid FROM pool WHERE "
    added, few = add("small", tmp_path / "pool"), sorted(pool.columns["uid"])[4:]
    for query in ("made IS NOT NULL", f"uid >= '{few[0]}' AND made IS NOT NULL"):
        made = dcql.run(recipe_file(tmp_path, f"{text}{query};"), added, computing=Computing(own_code=True))
    assert made.result.features is not None
    assert made.result.features.digests == {"made": dcfeat2(pool.columns["uid"], {uid: uid[:2] for uid in few})}


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
    """Beside them may lie values in which nothing is known."""
    run(words, add("small", written(tmp_path)), f"{QUERY} AND clip_l14 + 0 >= q(0.5)")
    (tmp_path / "home" / "features" / "nothing").mkdir(exist_ok=True)
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
