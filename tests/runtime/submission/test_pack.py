"""`dcql submit`: a run becomes a submission that holds, whole or not at all."""

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import submissions
from submissions import AUTHOR, ran, read, write_json

from dcql.errors import DcqlError, render
from dcql.locks.lock_file import read_lock
from dcql.submission import layout
from dcql.submission.check import check_submission
from dcql.submission.entry import Entry, faults_of, read_entry
from dcql.submission.pack import Author, pack

ERRORS = Path(__file__).parent / "errors"


def test_it_holds_what_a_stranger_needs(packed: Path) -> None:
    assert {path.name for path in packed.iterdir()} == set(layout.OWN)
    # Nothing of it says where it was made.
    for path in packed.iterdir():
        assert b"/tmp/" not in path.read_bytes(), path.name


def test_packing_twice_gives_the_same_bytes(run: Path, packed: Path, tmp_path: Path) -> None:
    pack(run, tmp_path / "again", AUTHOR)
    for path in packed.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_a_template_is_written_and_kept(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    first = pack(run, folder, Author())
    assert [fault.split(" ")[0] for fault in first.to_fill_in] == ["`name`", "`authors`", "`track`", "`created`"]
    assert not check_submission(folder, recompute=False).passed
    path = folder / "entry.toml"
    text = path.read_text().replace('name = ""', 'name = "By hand"').replace("authors = []", 'authors = ["A"]')
    path.write_text(text.replace('track = ""', 'track = "filtering"').replace('created = ""', "created = 2026-01-31"))
    assert check_submission(folder, recompute=False).passed
    # Packed again, the author's fields stay; those of the result are written anew.
    second = pack(run, folder, Author(writeup="https://example.org/paper"))
    assert (second.entry.name, second.entry.authors, second.entry.writeup) == (
        "By hand",
        ("A",),
        "https://example.org/paper",
    )
    assert second.to_fill_in == ()


def test_uids_may_be_left_out(run: Path, tmp_path: Path) -> None:
    pack(run, tmp_path / "mine", AUTHOR, subset=False)
    assert not (tmp_path / "mine" / "subset.npy").exists()
    report = check_submission(tmp_path / "mine")
    assert report.passed
    assert next(check for check in report.checks if check.name == "manifest").told.endswith("uids are left out")


def test_files_of_the_recipe_come_along(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = tmp_path / "recipes"
    (recipes / "parts").mkdir(parents=True)
    (recipes / "parts" / "words.txt").write_text("photo\nred\n")
    digest = hashlib.sha256((recipes / "parts" / "words.txt").read_bytes()).hexdigest()
    (recipes / "parts" / "base.dcql").write_text(
        f"SET words FROM 'words.txt' SHA256 '{digest}';\nPARAM least DEFAULT 0.1;\n"
        "SELECT uid FROM pool WHERE clip_l14 >= least AND text NOT IN words;\n"
    )
    (recipes / "mine.dcql").write_text(
        "IMPORT './parts/base.dcql' AS base WITH least = 0.4;\nSELECT uid FROM base WHERE clip_b32 >= q(0.5 OF pool);\n"
    )
    run = ran(str(recipes / "mine.dcql"), tmp_path / "run", store)
    submissions.complete(run)
    pack(run, tmp_path / "packed", AUTHOR)
    assert (tmp_path / "packed" / "parts" / "words.txt").is_file()
    # Elsewhere, and without the folder that it came from.
    shutil.rmtree(recipes)
    monkeypatch.chdir(tmp_path / "packed")
    report = check_submission(tmp_path / "packed")
    assert report.passed, render(report.faults)


def test_a_lock_is_made_where_there_is_none(store: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.dcql"
    recipe.write_text("PARAM share DEFAULT 0.5;\nSELECT uid FROM pool WHERE clip_l14 >= q(share);\n")
    run = ran(f"{recipe}", tmp_path / "run", store)
    submissions.complete(run)
    pack(run, tmp_path / "packed", AUTHOR)
    assert read_lock(tmp_path / "packed" / "recipe.lock").subset == read(run / "manifest.json")["hash"]


def test_one_of_several_trainings_is_named(store: Path, tmp_path: Path) -> None:
    run = ran("clip30", tmp_path / "run", store)
    submissions.complete(run, seed=0)
    submissions.complete(run, seed=1)
    pack(run, tmp_path / "mine", AUTHOR, seed=1)
    assert read(tmp_path / "mine" / "run.json")["key"]["seed"] == 1


# --- errors -----------------------------------------------------------------------------------------------------------

Case = Callable[[Path, Path], None]
CASES: dict[str, Case] = {}


def case(code: str) -> Callable[[Case], Case]:
    """Note a function that takes a run folder and a place, and fails with `code`."""

    def note(function: Case) -> Case:
        CASES[f"{code}_{function.__name__}"] = function
        return function

    return note


@case("E1301")
def not_trained(run: Path, out: Path) -> None:
    shutil.rmtree(run / "train")
    pack(run, out, AUTHOR)


@case("E1301")
def not_evaluated(run: Path, out: Path) -> None:
    shutil.rmtree(run / "train" / "demo-seed0" / "eval")
    pack(run, out, AUTHOR)


@case("E1301")
def another_scale(run: Path, out: Path) -> None:
    pack(run, out, AUTHOR, scale="small")


@case("E1301")
def several_seeds(run: Path, out: Path) -> None:
    submissions.complete(run, seed=1)
    pack(run, out, AUTHOR)


@case("E1301")
def another_recipe(run: Path, out: Path) -> None:
    other = out.parent / "other.dcql"
    other.write_text("SELECT uid FROM pool;\n")
    pack(run, out, AUTHOR, recipe=other)


@case("E1301")
def raw_pool(run: Path, out: Path) -> None:
    manifest = read(run / "manifest.json")
    write_json(run / "manifest.json", {**manifest, "pool": {**manifest["pool"], "fingerprint": None}})
    pack(run, out, AUTHOR)


@case("E1302")
def track_that_there_is_not(run: Path, out: Path) -> None:
    pack(run, out, replace(AUTHOR, track="filter"))


@case("E1303")
def folder_of_something_else(run: Path, out: Path) -> None:
    out.mkdir()
    (out / "thesis.tex").write_text("all of it")
    pack(run, out, AUTHOR)


@case("E1303")
def file_that_would_be_lost(run: Path, out: Path) -> None:
    out.mkdir()
    shutil.copy(run.parent / "packed.lock", out / "recipe.dcql")
    (out / "notes.md").write_text("all that I know")
    entry = Entry("", (), "", "demo", None, "", "")
    (out / "entry.toml").write_text(entry.text())
    try:
        pack(run, out, AUTHOR)
    finally:
        assert (out / "notes.md").exists()
        shutil.rmtree(out)


@case("E1303")
def file_in_the_way(run: Path, out: Path) -> None:
    out.write_text("a file")
    pack(run, out, AUTHOR)


@case("E1304")
def set_with_the_name_of_a_document(run: Path, out: Path) -> None:
    (out.parent / "run.json").write_text("a\n")
    digest = hashlib.sha256(b"a\n").hexdigest()
    recipe = out.parent / "mine.dcql"
    text = f"SET s FROM 'run.json' SHA256 '{digest}';\nSELECT uid FROM pool WHERE text NOT IN s;\n"
    recipe.write_text(text)
    manifest = read(run / "manifest.json")
    write_json(run / "manifest.json", {**manifest, "recipe": {**manifest["recipe"], "name": str(recipe), "text": text}})
    (run / "mine.lock").unlink(missing_ok=True)
    shutil.copy(run.parent / "packed.lock", recipe.with_suffix(".lock"))
    pack(run, out, AUTHOR)


@case("E1312")
def results_of_other_weights(run: Path, out: Path) -> None:
    weights = run / "train" / "demo-seed0" / "weights.json"
    write_json(weights, {**read(weights), "weights_sha256": "sha256:" + "0" * 64})
    pack(run, out, AUTHOR)


@pytest.mark.parametrize("name", CASES)
def test_error(name: str, run: Path, packed: Path, tmp_path: Path, update: bool) -> None:
    shutil.copytree(run, tmp_path / "run")
    shutil.copy(packed / "recipe.lock", tmp_path / "packed.lock")
    out = tmp_path / "mine"
    there = out.read_bytes() if out.is_file() else None
    with pytest.raises(DcqlError) as caught:
        CASES[name](tmp_path / "run", out)
    drawn = render(caught.value.diagnostics).replace(str(tmp_path), "~")
    drawn = re.sub(r"[0-9a-f]{64}", "<digest>", drawn) + "\n"
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(drawn, encoding="utf-8")
    assert caught.value.diagnostics[0].code == name[:5]
    assert drawn == expected.read_text(encoding="utf-8")
    # What is refused leaves nothing behind.
    assert there is None
    assert not (out / layout.ENTRY).exists()
    assert not list(tmp_path.glob(".*unfinished"))


def test_every_error_has_its_case() -> None:
    assert {path.stem for path in ERRORS.glob("E13[01]*.txt")} == set(CASES)


# --- the author's file ------------------------------------------------------------------------------------------------


def test_an_entry_is_written_and_read(packed: Path) -> None:
    entry = read_entry((packed / "entry.toml").read_text())
    assert read_entry(entry.text()) == entry
    assert entry.text() == (packed / "entry.toml").read_text()
    assert faults_of(entry) == ()
    assert entry.digest.startswith("dcentry1:")
    assert replace(entry, name="Another").digest != entry.digest


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": " "}, "`name` is empty"),
        ({"name": "a\nb"}, "`name` holds U+000A"),
        ({"name": "a" * 101}, "more than 100"),
        ({"authors": ("",)}, "`authors` holds an empty text"),
        ({"authors": tuple("a" for _ in range(201))}, "more than 200 names"),
        ({"writeup": "ftp://example.org"}, "`writeup` is no address"),
        ({"url": 'https://a"onclick="x'}, None),
        ({"url": "https://exa mple.org"}, "`url` is no address"),
        ({"track": "byod"}, "`sources` is empty"),
        ({"sources": ("a crawl",)}, "the filtering track does not take"),
    ],
)
def test_what_an_entry_may_not_say(change: dict[str, object], fault: str | None, packed: Path) -> None:
    entry: Entry = read_entry((packed / "entry.toml").read_text())
    found = faults_of(replace(entry, **change))  # type: ignore[arg-type]
    assert (found == ()) if fault is None else any(fault in line for line in found), found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema = 1",
        "schema = 2\n[result]",
        "schema = 1\nname = 3\n[result]",
        'schema = 1\nname = "a"\nauthors = "b"\n[result]',
        'schema = 1\nname = "a"\nauthors = []\ntrack = ""\ncreated = 2026-01-01T00:00:00\n[result]\nscale = ""',
        "schema = 1\nscript = 'x'\n[result]",
        "schema = [",
    ],
)
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(DcqlError) as caught:
        read_entry(text)
    assert caught.value.diagnostics[0].code == "E1302"
