"""What people do while they write a recipe: `dcql new`, `recipes`, `show` and `watch`."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dcql.catalog.recipes import shipped_recipes
from dcql.catalog.types import DATACOMP
from dcql.subset import Subset

Dcql = Callable[..., Any]
MESSAGES = Path(__file__).parent / "loop_errors"

# --- new --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", [(), ("--pool", "mixed")], ids=["no pool", "pool"])
def test_a_new_recipe_is_formatted_and_runs_as_it_is(dcql: Dcql, here: Path, pool: tuple[str, ...]) -> None:
    assert dcql("new", "fresh.dcql", *pool).out == "wrote fresh.dcql\n"
    assert dcql("fmt", "--check", "fresh.dcql").code == 0
    assert dcql("check", "fresh.dcql").code == 0
    counted = json.loads(dcql("count", "fresh.dcql", "--pool", "mixed", "--format", "json").out)
    assert 0 < counted["distinct"] < counted["samples"]
    text = (here / "fresh.dcql").read_text()
    names = {"clip_l14_similarity_score": "clip_l14", "clip_b32_similarity_score": "clip_b32", "text": "caption"}
    names |= {"original_width": "width", "original_height": "height"}
    for column in DATACOMP.columns:
        assert (f"--   {names.get(column.name, column.name)} " in text) == (column.name != "face_bboxes")
    assert ("median" in text) == bool(pool)


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ({"uid": "string", "quality": "float32"}, "WHERE quality >= q(1 - keep)"),
        ({"uid": "string", "select": "float64", "q2": "float64"}, "WHERE q2 >= q(1 - keep)"),
        ({"uid": "string", "text": "string"}, "code_points(text) > 5"),
        ({"uid": "string", "odd \x1b name": "float32"}, "SELECT uid FROM pool;"),
        ({"uid": "string"}, "SELECT uid FROM pool;"),
    ],
)
def test_a_new_recipe_for_any_pool(dcql: Dcql, here: Path, columns: dict[str, str], wanted: str) -> None:
    table = pa.table({name: pa.array([], type_) for name, type_ in columns.items()})
    pq.write_table(table, here / "odd pool.parquet")
    assert dcql("new", "fresh.dcql", "--pool", "odd pool.parquet").code == 0
    text = (here / "fresh.dcql").read_text()
    assert wanted in text
    assert all(line.isprintable() for line in text.splitlines())
    assert "--pool 'odd pool.parquet'" in text
    assert dcql("check", "fresh.dcql", "--pool", "odd pool.parquet").code == 0
    assert dcql("fmt", "--check", "fresh.dcql").code == 0


def test_a_copy_of_a_recipe_is_its_text(dcql: Dcql, here: Path) -> None:
    assert dcql("new", "below/copy.dcql", "--from", "clip30").code == 0
    assert (here / "below/copy.dcql").read_bytes() == shipped_recipes()["clip30"].read_bytes()
    assert dcql("new", "again.dcql", "--from", "clip30").code == 1  # a recipe of this folder
    assert dcql("new", "two.dcql", "--from", "clip30", "--pool", "mixed").code == 2
    assert dcql("new", "two.dcql", "--from", "absent").code == 2
    assert not (here / "two.dcql").exists()


def test_a_recipe_that_names_files_is_copied_beside_itself(dcql: Dcql, here: Path) -> None:
    (here / "imports.dcql").write_text("IMPORT 'clip.dcql' AS clip;\nSELECT uid FROM clip;\n")
    assert dcql("new", "beside.dcql", "--from", "imports.dcql").code == 0
    assert dcql("check", "beside.dcql").code == 0
    assert dcql("new", "below/copy.dcql", "--from", "imports.dcql").code == 1
    assert not (here / "below").exists()


def test_nothing_is_written_over(dcql: Dcql, here: Path) -> None:
    before = (here / "clip.dcql").read_bytes()
    (here / "gone.dcql").symlink_to("nowhere.dcql")
    for name in ("clip.dcql", "gone.dcql"):
        assert dcql("new", name).code == 1
    assert (here / "clip.dcql").read_bytes() == before
    assert not (here / "nowhere.dcql").exists()


# --- recipes ----------------------------------------------------------------------------------------------------------


def test_every_recipe_that_ships_is_listed_with_its_share(dcql: Dcql) -> None:
    listed = json.loads(dcql("recipes", "--format", "json").out)
    assert {one["name"] for one in listed} == {path.stem for path in shipped_recipes().values()}
    for one in listed:
        assert one["summary"]
        assert 0 < one["kept"] <= one["samples"] == 21427


def test_a_recipe_is_shown_as_it_is(dcql: Dcql) -> None:
    text = shipped_recipes()["clip30"].read_text(encoding="utf-8")
    told = dcql("recipes", "show", "clip30").out
    assert told == text + "\nkeeps 6,433 of the 21,427 samples of demo (30.0 %)\n"
    assert json.loads(dcql("recipes", "show", "clip30", "--format", "json").out)["text"] == text
    assert "did you mean clip30?" in dcql("recipes", "show", "clip3").err


# --- show -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows(store: Path) -> dict[str, dict[str, Any]]:
    """The rows of the pool `mixed` by uid, read with pyarrow alone; NaN as None."""
    found = pq.read_table(store / "mixed").to_pylist()
    for row in found:
        for name, value in row.items():
            if isinstance(value, float) and value != value:
                row[name] = None
    return {row["uid"]: row for row in found}


def shown(dcql: Dcql, *arguments: str) -> dict[str, Any]:
    """Return what `dcql show` says as JSON."""
    told = dcql("show", *arguments, "--format", "json")
    assert told.code == 0, told.out
    return dict(json.loads(told.out))


def kept_uids(dcql: Dcql, here: Path, recipe: str) -> set[str]:
    """Return what a recipe keeps."""
    assert dcql("run", recipe, "--pool", "mixed", "--out", "kept").code == 0
    return set(Subset.load(here / "kept/subset.npy").hex())


def test_samples_are_kept_ones_with_what_the_pool_says(dcql: Dcql, here: Path, rows: dict[str, Any]) -> None:
    kept = kept_uids(dcql, here, "clip.dcql")
    told = shown(dcql, "clip.dcql", "--pool", "mixed", "-n", "30")
    assert (told["kept"], told["samples"], told["columns"]) == (len(kept), 3000, ["clip_l14", "width"])
    (group,) = told["groups"]
    samples = group["samples"]
    assert len({one["uid"] for one in samples}) == 30
    for one in samples:
        row = rows[one["uid"]]
        assert one["uid"] in kept
        assert (one["caption"], one["url"]) == (row["text"], row["url"])
        assert one["values"]["clip_l14"] == row["clip_l14_similarity_score"]


def test_samples_are_those_that_sampling_by_the_seed_takes(dcql: Dcql, here: Path) -> None:
    from hashlib import sha256

    kept = kept_uids(dcql, here, "clip.dcql")
    for seed in ("0", "another"):
        head = b"dcql.sample.v1\0" + seed.encode() + b"\0"
        wanted = sorted(kept, key=lambda uid: sha256(head + bytes.fromhex(uid)).digest())[:10]
        for target in (("clip.dcql", "--pool", "mixed"), ("kept",), ("kept/subset.npy", "--pool", "mixed")):
            told = shown(dcql, *target, "-n", "10", "--seed", seed)
            assert [one["uid"] for one in told["groups"][0]["samples"]] == wanted


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("order", ["clip_l14", "clip_l14 desc", "original_width", "text DESC", "safe"])
def test_order(dcql: Dcql, here: Path, rows: dict[str, Any], order: str, dropped: bool) -> None:
    kept = kept_uids(dcql, here, "clip.dcql")
    name, *falls = order.split()
    column = {"clip_l14": "clip_l14_similarity_score"}.get(name, name)
    mine = sorted(uid for uid in rows if (uid in kept) != dropped)
    known = [uid for uid in mine if rows[uid][column] is not None]
    known.sort(key=lambda uid: rows[uid][column], reverse=bool(falls))
    wanted = [*known, *(uid for uid in mine if rows[uid][column] is None)][:25]
    told = shown(
        dcql, "clip.dcql", "--pool", "mixed", "-n", "25", "--order", order, *(["--dropped"] if dropped else [])
    )
    assert [one["uid"] for one in told["groups"][0]["samples"]] == wanted
    assert told["groups"][0]["count"] == len(mine)


def test_dropped_are_told_by_the_clause_that_drops_them_nearest_first(dcql: Dcql, rows: dict[str, Any]) -> None:
    Path("two.dcql").write_text(
        "SELECT uid FROM pool WHERE clip_l14 >= 0.22 AND text LIKE '%a%' AND (width > 500 OR height > 500)"
    )
    first, second, third = shown(dcql, "two.dcql", "--pool", "mixed", "-n", "12", "--dropped")["groups"]

    def score(row: dict[str, Any]) -> Any:
        return row["clip_l14_similarity_score"]

    cut = float(np.float32(0.22))
    failed = {uid for uid, row in rows.items() if score(row) is None or score(row) < cut}
    assert (first["clause"], first["count"], first["nearest"]) == ("clip_l14 >= 0.22", len(failed), True)
    below = sorted(
        (uid for uid in failed if score(rows[uid]) is not None), key=lambda uid: (cut - score(rows[uid]), uid)
    )
    assert [one["uid"] for one in first["samples"]] == below[:12]
    left = {uid: row for uid, row in rows.items() if uid not in failed}
    without = {uid for uid, row in left.items() if row["text"] is None or "a" not in row["text"]}
    assert (second["clause"], second["count"], second["nearest"]) == ("text LIKE '%a%'", len(without), False)
    assert {one["uid"] for one in second["samples"]} <= without
    assert len(second["samples"]) == 12
    small = {
        uid
        for uid, row in left.items()
        if uid not in without and not any((row[side] or 0) > 500 for side in ("original_width", "original_height"))
    }
    assert (third["count"], third["nearest"]) == (len(small), False)
    assert {one["uid"] for one in third["samples"]} <= small


def test_dropped_by_a_limit_and_by_a_distinct_on(dcql: Dcql, rows: dict[str, Any]) -> None:
    Path("one.dcql").write_text(
        "WITH once AS (SELECT DISTINCT ON (grp) uid FROM pool ORDER BY clip_l14 DESC)\n"
        "SELECT uid FROM once WHERE clip_l14 IS NOT NULL ORDER BY clip_l14 DESC LIMIT 3"
    )
    told = shown(dcql, "one.dcql", "--pool", "mixed", "--dropped", "-n", "3000")
    groups = {(one["stage"], one["clause"]): one for one in told["groups"]}
    groups_of = {row["grp"] for row in rows.values() if row["grp"] is not None}
    grouped = [row for row in rows.values() if row["grp"] is not None]
    assert groups["once", "DISTINCT ON"]["count"] == len(grouped) - len(groups_of)
    limit = groups["query", "LIMIT 3"]
    scores = [one["values"]["clip_l14"] for one in limit["samples"]]
    assert limit["nearest"]
    assert scores == sorted(scores, reverse=True)
    assert limit["count"] == len(scores)
    assert told["kept"] == 3


def test_every_dropped_sample_is_told_once_of_a_chain(dcql: Dcql, here: Path, rows: dict[str, Any]) -> None:
    told = shown(dcql, "clip.dcql", "--pool", "mixed", "--dropped", "-n", "3000")
    kept = kept_uids(dcql, here, "clip.dcql")
    found = [one["uid"] for group in told["groups"] for one in group["samples"]]
    assert sorted(found) == sorted(set(rows) - kept)


def test_features_are_shown_where_they_were_asked(dcql: Dcql, store: Path) -> None:
    shutil.rmtree(store / "home" / "features", ignore_errors=True)
    Path("lang.dcql").write_text("SELECT uid FROM pool WHERE clip_l14 >= q(0.9) AND lang = 'en'")
    told = shown(dcql, "lang.dcql", "--pool", "mixed", "--dropped", "-n", "5")
    assert told["columns"] == ["clip_l14", "lang"]
    first, second = told["groups"]
    assert {one["values"]["lang"] for one in first["samples"]} == {None}
    assert "en" not in {one["values"]["lang"] for one in second["samples"]}
    kept = shown(dcql, "lang.dcql", "--pool", "mixed", "-n", "5")
    assert {one["values"]["lang"] for one in kept["groups"][0]["samples"]} == {"en"}


def test_columns_of_ones_own(dcql: Dcql, rows: dict[str, Any]) -> None:
    told = shown(dcql, "clip.dcql", "--pool", "mixed", "-c", "rating, width,sha256", "-n", "3")
    assert told["columns"] == ["rating", "width", "sha256"]
    for one in told["groups"][0]["samples"]:
        row = rows[one["uid"]]
        assert list(one["values"].values()) == [row["rating"], row["original_width"], row["sha256"]]
    assert dcql("show", "clip.dcql", "--pool", "mixed", "-c", "widht").code == 1


def test_copies(dcql: Dcql) -> None:
    samples = shown(dcql, "bag.dcql", "--pool", "mixed")["groups"][0]["samples"]
    assert {one["copies"] for one in samples} > {1}
    assert "copies" in dcql("show", "bag.dcql", "--pool", "mixed").out


def test_a_pool_with_neither_caption_nor_address(dcql: Dcql, here: Path) -> None:
    uids = [f"{number:032x}" for number in range(5)]
    pq.write_table(pa.table({"uid": uids, "score": pa.array([1.5, None, 3, 4, 5], "float32")}), here / "bare.parquet")
    Path("bare.dcql").write_text("SELECT uid FROM pool WHERE score > 1")
    told = dcql("show", "bare.dcql", "--pool", "bare.parquet", "--order", "score DESC")
    assert told.out.splitlines()[2:] == [
        "uid                               score",
        *(f"{number:032x}  {score}" for number, score in ((4, "5.0"), (3, "4.0"), (2, "3.0"), (0, "1.5"))),
    ]


def test_what_captions_hold_cannot_steer_a_terminal(dcql: Dcql, here: Path) -> None:
    table = pa.table({"uid": ["0" * 32], "text": ["a\x1b[31m\nb\u202e"], "url": ["\x1b]0;x\x07"]})
    pq.write_table(table, here / "bad.parquet")
    Path("all.dcql").write_text("SELECT uid FROM pool")
    for options in ((), ("--format", "json")):
        out = dcql("show", "all.dcql", "--pool", "bad.parquet", *options).out
        assert all(character == "\n" or character.isprintable() for character in out)


def test_an_empty_subset(dcql: Dcql) -> None:
    Path("none.dcql").write_text("SELECT uid FROM pool WHERE width < 0")
    assert "no sample" in dcql("show", "none.dcql", "--pool", "mixed").out
    assert dcql("show", "none.dcql", "--pool", "mixed", "--dropped").code == 0


def test_a_subset_of_another_pool(dcql: Dcql, here: Path) -> None:
    kept_uids(dcql, here, "clip.dcql")
    for options in ((), ("--dropped",), ("--order", "width")):
        told = dcql("show", "kept/subset.npy", "--pool", str(here.parent), *options)
        assert told.code != 0
    assert dcql("show", "kept/subset.npy").code == 2


# --- watch ------------------------------------------------------------------------------------------------------------


class Watching:
    """A `dcql watch` in a process of its own."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        self.said = ""

    def until(self, words: str) -> str:
        """Read until it says something; return what it said since the last time."""
        assert self._process.stdout is not None
        said = ""
        while words not in said:
            line = self._process.stdout.readline()
            assert line, f"it ended without {words!r}: {self.said}{said}"
            said += line
        self.said += said
        return said

    def end(self, how: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        self._process.send_signal(how)
        self.said += self._process.communicate(timeout=60)[0]
        return self._process.returncode


@pytest.fixture
def watching(child: list[str]) -> Iterator[Callable[..., Watching]]:
    started: list[Watching] = []

    def start(*arguments: str) -> Watching:
        started.append(Watching([*child, "watch", *arguments]))
        return started[-1]

    yield start
    for one in started:
        if one._process.poll() is None:
            one._process.kill()
            one._process.communicate()


def test_watching(watching: Callable[..., Watching], dcql: Dcql, here: Path) -> None:
    path = here / "mine.dcql"
    path.write_text("PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);\n")
    other = here / "other.dcql"
    other.write_text("PARAM keep DEFAULT 0.2;\nSELECT uid FROM pool WHERE clip_l14 >= q(1 - keep) AND width > 300;\n")
    first, second = (
        json.loads(dcql("count", name, "--pool", "mixed", "--format", "json").out)["distinct"]
        for name in ("mine.dcql", "other.dcql")
    )
    watched = watching("mine.dcql", "--pool", "mixed")
    assert f" {first:,} " in watched.until("kept")
    path.write_text("SELECT uid FROM pool WHERE clip_l14 >=")
    assert "error[E0102]" in watched.until("expected")
    os.replace(other, path)
    said = watched.until("kept  ")
    assert "keep = 0.2, was 0.3" in said
    assert "+ width > 300" in said
    assert f"{second:,} " in said
    assert f"was {first:,}, {second - first:+,}" in said
    path.unlink()
    assert "error[E0155]: cannot read `mine.dcql`" in watched.until("no such file")
    assert watched.end(signal.SIGINT) == 0
    assert "Traceback" not in watched.said
    assert "interrupted" not in watched.said


def test_being_asked_to_end_is_no_end_of_ones_own(watching: Callable[..., Watching]) -> None:
    watched = watching("clip.dcql", "--pool", "mixed")
    watched.until("kept")
    time.sleep(random.random() / 4)
    assert watched.end(signal.SIGTERM) == 143


# --- messages ---------------------------------------------------------------------------------------------------------


def named_files() -> list[str]:
    Path("imports.dcql").write_text("IMPORT 'clip.dcql' AS clip;\nSELECT uid FROM clip;\n")
    return ["new", "below/mine.dcql", "--from", "imports.dcql"]


def divided() -> list[str]:
    Path("ratio.dcql").write_text(
        "SELECT uid FROM pool WHERE width / height < 3 AND regexp_matches(text, '(?i)photo') AND width * 2 > 5"
    )
    return ["sql", "ratio.dcql", "--dialect", "spark"]


CASES: dict[str, tuple[Callable[[], list[str]], int]] = {
    "E1501_no_order": (lambda: ["show", "clip.dcql", "--pool", "mixed", "--order", "clip_l14 DOWN"], 1),
    "E1501_nested": (lambda: ["show", "clip.dcql", "--pool", "mixed", "--order", "face_bboxes"], 1),
    "E1521_exists": (lambda: ["new", "clip.dcql"], 1),
    "E1522_not_a_recipe": (lambda: ["new", "mine.sql"], 1),
    "E1523_names_files": (named_files, 1),
    "E1541_features": (lambda: ["sql", "english.dcql", "--dialect", "spark"], 2),
    "E1541_means_something_else": (divided, 2),
}


@pytest.mark.parametrize("name", CASES)
def test_messages(dcql: Dcql, name: str, update: bool) -> None:
    make, code = CASES[name]
    told = dcql(*make())
    path = MESSAGES / f"{name}.txt"
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(told.err, encoding="utf-8", newline="\n")
    assert (told.code, told.err) == (code, path.read_text(encoding="utf-8"))
