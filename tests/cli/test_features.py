"""Features on the command line, where a session file cannot show it: what is stored, changed, removed or in use."""

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from dcql.catalog.features import StoredFeature, stored_features
from dcql.catalog.pool import open_pool
from dcql.cli.computing import computing, percent
from dcql.cli.render_features import duration, margin_text
from dcql.compiler import compile, run, run_compiled
from dcql.engine.add import add
from dcql.engine.duck import Resources
from dcql.engine.features import rates
from dcql.engine.features.again import is_chosen
from dcql.engine.features.counting import Counted, count_demands
from dcql.engine.features.report import Computing, MarginFound
from dcql.errors import render
from dcql.plan.passes import optimize
from dcql.source import Source
from dcql.subset import UID

Dcql = Callable[..., Any]
ERRORS = Path(__file__).parents[1] / "features" / "errors"


@pytest.fixture
def home(here: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of its own with the pool `many`, and no feature in it."""
    monkeypatch.setenv("DCQL_HOME", str(here / "home"))
    add("many", store / "many")
    return here / "home"


def snapshot(folder: Path) -> dict[str, str]:
    """Return every file of a folder, locks aside, with its digest."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("lock", "users"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def the_feature(name: str) -> StoredFeature:
    return next(one for one in stored_features() if one.described()["name"] == name)


def changed(path: Path, column: str, row: int, value: Any) -> None:
    """Write another value into a file of values."""
    table = pq.read_table(path)
    values = table.column(column).to_pylist()
    values[row] = value
    place = table.schema.get_field_index(column)
    made = table.set_column(place, column, pa.array(values, table.schema.field(column).type))
    pq.write_table(made.replace_schema_metadata(table.schema.metadata), path)


# --- running ----------------------------------------------------------------------------------------------------------


def test_the_same_run_gives_the_same_manifest(home: Path, dcql: Dcql) -> None:
    for out in ("one", "other"):
        assert dcql("run", "english.dcql", "--pool", "many", "--out", out).code == 0
    one, other = (Path(out, "manifest.json").read_bytes() for out in ("one", "other"))
    assert one == other
    assert [row["name"] for row in json.loads(one)["features"]] == ["lang", "image_cluster"]


def test_a_recipe_without_features_tells_of_none(home: Path, dcql: Dcql) -> None:
    told = json.loads(dcql("run", "clip.dcql", "--pool", "many", "--format", "json").out)
    assert not {"features", "assets", "margins"} & set(told)
    assert "features" not in dcql("run", "clip.dcql", "--pool", "many").out


def test_what_the_options_allow() -> None:
    assert computing(3, compute=False, own_code=True, max_failures=percent("0.5%")) == Computing(
        False, True, Fraction(1, 200), 3, "auto"
    )
    assert computing(None).max_failures == Fraction(1, 100)
    assert [percent(text) for text in ("0", "100 %", " 12.5")] == [0, 1, Fraction(1, 8)]
    for wrong in ("", "%", "-1", "100.1", "1e1", "١", "nan", "1,5"):
        with pytest.raises(typer.BadParameter, match="percentage"):
            percent(wrong)


def test_progress_names_the_feature(home: Path) -> None:
    told: list[tuple[str, int, int]] = []
    run("english.dcql", "many", progress=lambda what, done, total: told.append((what, done, total)))
    assert ("lang", 0, 246) in told
    assert ("lang", 246, 246) in told


def test_dcql_run_takes_what_may_be_computed(home: Path) -> None:
    import dcql

    with pytest.raises(dcql.DcqlError, match="is not stored"):
        dcql.run("english.dcql", "many", computing=dcql.Computing(compute=False))
    assert dcql.run("english.dcql", "many").result.features is not None


def test_words_of_margins_and_durations() -> None:
    found = MarginFound("again >= 0.3", "again", 2.0**-14, 12, 6433)
    assert margin_text(found) == "12 of 6,433 samples within 2^-14 of again >= 0.3"
    assert margin_text(MarginFound("n > 1", "n", 1.0, 0, 1)) == "0 of 1 sample within 1 of n > 1"
    told = [duration(seconds) for seconds in (0.2, 12.4, 240, 12_600)]
    assert told == ["less than a second", "about 12 s", "about 4 min", "about 3.5 h"]


# --- plan -------------------------------------------------------------------------------------------------------------

WHERE = "SELECT uid FROM pool WHERE "
RECIPES = [
    WHERE + "lang = 'en' AND width >= 300 AND image_cluster IN imagenet_centroids AND obscene_words",
    WHERE + "lang = 'en' OR image_cluster > 3",
    WHERE + "image_cluster >= q(0.5) AND lang = 'en'",
    WHERE + "clip_l14 >= q(0.5 BY lang) AND image_cluster > 1",
    "WITH en AS (SELECT uid FROM pool WHERE lang = 'en') SELECT uid FROM en WHERE image_cluster > 3 AND width > 200",
    "WITH en AS (SELECT uid FROM pool WHERE lang = 'en' ORDER BY clip_l14 LIMIT 10 PERCENT), "
    "of AS (SELECT uid FROM pool EXCEPT SELECT uid FROM en) SELECT uid FROM of WHERE image_cluster > 3",
    "WITH en AS (SELECT uid FROM pool WHERE lang = 'en' AND width > 200) "
    "SELECT uid FROM pool WHERE clip_l14 >= q(0.5 OF en) AND image_cluster > 3",
    f"WITH a AS ({WHERE}lang = 'en' UNION {WHERE}lang = 'fr' INTERSECT {WHERE}width > 300) "
    "SELECT uid FROM a WHERE image_cluster > 3",
    WHERE + "uid NOT IN (SELECT uid FROM pool WHERE lang = 'en') AND image_cluster > 3",
    WHERE + "NOT (lang = 'en' AND width > 200) AND image_cluster IN imagenet_centroids AND lang <> 'fr' AND other > 1",
    "WITH en AS (SELECT uid FROM pool WHERE lang = 'en'), top AS (SELECT uid FROM en ORDER BY width DESC LIMIT 150) "
    "SELECT uid FROM top WHERE width < 600 AND image_cluster > 3",
    "WITH en AS (SELECT uid FROM pool WHERE lang = 'en'), one AS (SELECT DISTINCT ON (width) uid FROM en ORDER BY uid) "
    "SELECT uid FROM one WHERE width >= 300 AND image_cluster > 3",
]  # fmt: skip
OWN = "FEATURE other INT USING nearest(l14_txt, centroids_l14);\n"


def counted(recipe: str) -> dict[tuple[str, str], Counted]:
    pool = open_pool("many")
    plan = compile(Source("r", recipe), pool.schema).plan
    found = count_demands(optimize(plan), pool, Resources(), lambda what, done, total: None)
    return {(one.spec.name, str(number)): one for number, one in enumerate(found)}


def asked(recipe: str) -> dict[tuple[str, str], int]:
    """Run a recipe; return how many samples each demand asked of."""
    pool = open_pool("many")
    compiled = compile(Source("r", recipe), pool.schema)
    report = run_compiled(compiled, pool).result.features
    assert report is not None
    return {(one.feature, str(n)): report.asked[one.name] for n, one in enumerate(compiled.program.demands)}


@pytest.mark.thinned(3)
@pytest.mark.parametrize("recipe", RECIPES)
def test_plan_counts_what_a_run_asks(recipe: str, home: Path) -> None:
    recipe = OWN + recipe if "other" in recipe else recipe
    before = counted(recipe)
    assert not (home / "features").exists()
    assert not list((home / "assets").glob("*.npy"))
    truth = asked(recipe)
    assert list(before) == list(truth)
    for one, told in before.items():
        assert told.missing == told.asked
        assert told.asked == truth[one] if told.exact else told.asked >= truth[one]
    assert any(told.exact for told in before.values())
    stored = snapshot(home / "features")
    after = counted(recipe)
    assert {one: told.asked for one, told in after.items()} == truth
    assert all(told.exact and not told.missing and not told.problem for told in after.values())
    assert snapshot(home / "features") == stored


def test_plan_bounds_what_depends_on_a_feature_that_is_not_stored(home: Path) -> None:
    recipe = RECIPES[0]
    assert [told.exact for told in counted(recipe).values()] == [True, False, False]
    asked(WHERE + "lang = 'en' AND width >= 300")
    told = list(counted(recipe).values())
    assert [one.exact for one in told] == [True, True, False]
    assert told[1].asked == told[2].asked == 204
    # The clusters are stored, but not which of them hold an ImageNet image.
    asked(WHERE + "lang = 'en' AND width >= 300 AND image_cluster > 0")
    assert [one.exact for one in counted(recipe).values()] == [True, True, False]
    asked(recipe)
    assert [one.exact for one in counted(recipe).values()] == [True, True, True]


def test_plan_says_what_it_takes(home: Path, dcql: Dcql) -> None:
    (home / "rates.json").write_text(json.dumps({"fasttext_lid": {"samples": 2000, "seconds": 1000.0, "lanes": 1}}))
    assert rates.rate("fasttext_lid") == 2.0
    told = dcql("plan", "english.dcql", "--pool", "many").out
    assert "    asked of 246 samples, 246 not stored, about 2 min\n" in told
    assert "features on" not in dcql("plan", "english.dcql").out
    assert "features on" not in dcql("plan", "clip.dcql", "--pool", "many").out


def test_plan_says_what_stands_in_the_way(home: Path, store: Path, dcql: Dcql) -> None:
    shutil.copytree(store / "many", "bare")
    Path("bare/assets.toml").unlink()
    told = dcql("plan", "english.dcql", "--pool", "./bare")
    assert told.code == 0
    assert told.out.endswith("\n    the pool binds no asset `centroids_l14`\n")
    fitted = "ASSET own AS FIT kmeans(l14_img, k = 4) ON pool SEED 0;\nFEATURE near INT USING nearest(l14_img, own);\n"
    (told,) = counted(fitted + WHERE + "near = 1").values()
    assert (told.asked, told.missing, told.problem) == (357, 357, "`own` is fitted first")
    assert not (home / "features").exists()


# --- verify -----------------------------------------------------------------------------------------------------------


def test_a_share_is_chosen_by_the_uids_alone() -> None:
    r = np.random.default_rng(0)
    uids = np.empty(4000, UID)
    uids["f0"], uids["f1"] = r.integers(0, 1 << 63, (2, 4000), np.uint64)
    chosen = is_chosen(uids, Fraction(1, 10))
    assert 320 < chosen.sum() < 480
    order = r.permutation(4000)
    assert (is_chosen(uids[order], Fraction(1, 10)) == chosen[order]).all()
    assert is_chosen(uids, Fraction(1)).all()
    assert not is_chosen(uids, Fraction(0)).any()
    assert (is_chosen(uids, Fraction(1, 5)) >= chosen).all()
    text = b"dcql.feature.verify.v1\0" + bytes.fromhex(f"{int(uids[7]['f0']):016x}{int(uids[7]['f1']):016x}")
    assert chosen[7] == (hashlib.sha256(text).hexdigest() < "199999999999999a")


def test_verify_finds_a_value_that_was_changed(home: Path, dcql: Dcql, update: bool) -> None:
    dcql("feature", "compute", "lang", "--pool", "many")
    newest = the_feature("lang").newest_versions()[0]
    assert dcql("feature", "verify", "lang", "--pool", "many", "--sample", "100").code == 0
    changed(newest, "value", 3, "xx")
    before = snapshot(home / "features")
    told = dcql("feature", "verify", "lang", "--pool", "many", "--sample", "100")
    assert told.code == 1
    assert told.out == "lang on many: 357 samples of 357 stored compared, 356 equal, 1 differing\n"
    path = ERRORS / "E0614_one_value.txt"
    if update:
        path.write_text(told.err, encoding="utf-8")
    assert told.err == path.read_text(encoding="utf-8")
    assert snapshot(home / "features") == before
    told = dcql("feature", "verify", "lang", "--pool", "many", "--sample", "100", "--format", "json")
    assert [error["code"] for error in json.loads(told.out)["errors"]] == ["E0614"]


@pytest.mark.parametrize(("steps", "code"), [(1, 0), (3, 1), (None, 1)])
def test_verify_allows_what_tolerance_says(steps: int | None, code: int, home: Path, dcql: Dcql) -> None:
    recipe = Path("again.dcql").read_text(encoding="utf-8")
    model = "MODEL sum(a EMBEDDING, b EMBEDDING) RETURNS DOUBLE VERSION 1 FROM 'sum.py' SHA256 '{}' TOLERANCE 0.01;\n"
    Path("sum.py").write_text(
        "def load(weights, assets, options):\n"
        "    return lambda a, b: [float(x[0]) + float(y[0]) for x, y in zip(a, b)]\n"
    )
    digest = hashlib.sha256(Path("sum.py").read_bytes()).hexdigest()
    Path("sum.dcql").write_text(model.format(digest) + recipe.replace("similarity(", "sum("))
    common = ("again", "--pool", "many", "--recipe", "sum.dcql", "--own-code")
    assert dcql("feature", "compute", *common).code == 0
    newest = the_feature("again").newest_versions()[0]
    value = pq.read_table(newest).column("value").to_pylist()[0]
    changed(newest, "value", 0, value + steps if steps is not None else None)
    told = dcql("feature", "verify", *common, "--sample", "100")
    assert told.code == code
    assert "356 equal, 1 differing" in told.out
    assert ("largest difference" in told.out) == (steps is not None)
    if steps is not None:
        assert f"largest difference {steps / 256:.6g}, TOLERANCE 0.01" in told.out


def test_verify_takes_a_raw_pool_too(home: Path, store: Path, dcql: Dcql) -> None:
    raw = str(store / "many")
    dcql("feature", "compute", "lang", "--pool", "many")
    assert dcql("feature", "verify", "lang", "--pool", raw).code == 1
    dcql("feature", "compute", "lang", "--pool", raw)
    of_raw = dcql("feature", "verify", "lang", "--pool", raw, "--sample", "30").out
    assert of_raw.replace(raw, "many") == dcql("feature", "verify", "lang", "--pool", "many", "--sample", "30").out


# --- gc ---------------------------------------------------------------------------------------------------------------


def test_gc_leaves_what_runs_need(home: Path, dcql: Dcql) -> None:
    dcql("run", "english.dcql", "--pool", "many")
    before = snapshot(home / "features")
    assert dcql("feature", "gc", "--all").out == "freed 0 bytes: there was nothing to remove\n"
    assert snapshot(home / "features") == before


def test_gc_removes_old_versions_and_unfinished_files(home: Path, dcql: Dcql) -> None:
    dcql("run", "english.dcql", "--pool", "many")
    before = snapshot(home / "features")
    newest = the_feature("lang").newest_versions()[0]
    shutil.copy(newest, newest.with_name("1.parquet"))
    newest.with_name(".9.parquet.77.unfinished").write_bytes(b"cut o")
    (newest.parents[1] / ".feature.json.77.unfinished").write_bytes(b"{")
    assert json.loads(dcql("feature", "gc", "--format", "json").out)["old"] == 3
    assert snapshot(home / "features") == before


def test_gc_removes_what_cannot_be_read(home: Path, dcql: Dcql) -> None:
    dcql("run", "english.dcql", "--pool", "many")
    newest = the_feature("lang").newest_versions()[0]
    content = bytearray(newest.read_bytes())
    content[4:40] = bytes(36)
    newest.write_bytes(content)
    foreign = the_feature("image_cluster").folder / "feature.json"
    foreign.write_text(foreign.read_text().replace('"store_version": 1', '"store_version": 2'))
    rows = json.loads(dcql("feature", "ls", "--format", "json").out)
    assert [row["name"] for row in rows] == ["", "lang"]
    assert rows[0]["damaged"] == "it is of version 2, not 1"
    told = dcql("run", "english.dcql", "--pool", "many")
    assert told.code == 1
    assert "dcql feature gc" in told.err
    freed = json.loads(dcql("feature", "gc", "--format", "json").out)
    assert (freed["features"], freed["damaged"], freed["values"]) == (1, 1, 0)
    assert dcql("run", "english.dcql", "--pool", "many").code == 0


def test_gc_keeps_values_of_raw_pools_without_all(home: Path, store: Path, dcql: Dcql) -> None:
    dcql("run", "english.dcql", "--pool", str(store / "many"))
    before = snapshot(home / "features")
    dcql("run", "english.dcql", "--pool", "many")
    dcql("pool", "rm", "many")
    freed = json.loads(dcql("feature", "gc", "--format", "json").out)
    assert (freed["features"], freed["values"]) == (0, 8)
    assert snapshot(home / "features") == before
    freed = json.loads(dcql("feature", "gc", "--all", "--format", "json").out)
    assert (freed["features"], freed["values"]) == (2, 8)
    assert not stored_features()


def test_gc_keeps_what_a_pool_out_of_reach_may_need(home: Path, store: Path, dcql: Dcql) -> None:
    shutil.copytree(store / "many", "mine")
    add("mine", "mine")
    dcql("pool", "rm", "many")
    dcql("run", "english.dcql", "--pool", "mine")
    before = snapshot(home / "features")
    Path("mine").rename("elsewhere")
    told = dcql("feature", "gc")
    assert told.out.endswith("left what mine may need: it cannot be read now\n")
    assert snapshot(home / "features") == before


def test_gc_touches_nothing_that_a_run_reads(home: Path, dcql: Dcql) -> None:
    dcql("run", "english.dcql", "--pool", "many")
    dcql("pool", "rm", "many")
    before = snapshot(home / "features")
    lang = the_feature("lang")
    with lang.reading():
        told = json.loads(dcql("feature", "gc", "--format", "json").out)
        assert (told["busy"], told["features"]) == (["lang"], 1)
        kept = {name: digest for name, digest in before.items() if name.startswith(lang.folder.name)}
        now = {name: digest for name, digest in snapshot(home / "features").items() if "nothing" not in name}
        assert now == kept
    assert json.loads(dcql("feature", "gc", "--format", "json").out)["features"] == 1


def test_a_run_that_waited_for_a_feature_to_be_removed_still_keeps_gc_out(home: Path, dcql: Dcql) -> None:
    dcql("run", "english.dcql", "--pool", "many")
    lang = the_feature("lang")
    waits, reads, ends = threading.Event(), threading.Event(), threading.Event()

    def read() -> None:
        waits.set()
        with lang.reading():
            reads.set()
            ends.wait(20)

    reader = threading.Thread(target=read)
    with lang.alone() as alone:
        assert alone
        reader.start()
        assert waits.wait(20)
        time.sleep(0.2)  # until it waits for the lock that is about to go
        shutil.rmtree(lang.folder)
    assert reads.wait(20)
    with lang.alone() as alone:
        assert not alone
    ends.set()
    reader.join(20)


def test_errors_name_the_pool(home: Path) -> None:
    with pytest.raises(Exception, match="is not stored") as error:
        run("english.dcql", "many", computing=Computing(compute=False))
    assert "dcql feature compute lang --pool many" in render(error.value.diagnostics)  # type: ignore[attr-defined]
