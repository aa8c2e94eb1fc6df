"""Bad input: each says what it means, and nothing is half-written. `errors/` has the rendered messages."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

Dcql = Any
ERRORS = Path(__file__).parent / "errors"
CLIP = "SELECT uid FROM pool WHERE clip_l14 >= q(0.7)\n"


@pytest.fixture
def run(dcql: Dcql, here: Path) -> Path:
    """Return the folder of a run of clip.dcql on the pool `mixed`."""
    (here / "clip.dcql").write_text(CLIP)
    assert dcql("run", "clip.dcql", "--pool", "mixed", "--out", "run").code == 0
    return here / "run"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def change(run: Path, **values: Any) -> None:
    """Change a run's manifest; None takes a value out."""
    manifest = json.loads(read(run / "manifest.json")) | values
    manifest = {name: value for name, value in manifest.items() if value is not None}
    (run / "manifest.json").write_text(json.dumps(manifest))


# --- refused ----------------------------------------------------------------------------------------------------------


def refused(name: str, told: Any, update: bool) -> None:
    """Compare what a command said with a file, and make sure that nothing was written."""
    path = ERRORS / f"{name}.txt"
    if update:
        path.write_text(told.err, encoding="utf-8", newline="\n")
    assert told.err == read(path)
    assert told.code == 1
    assert told.out == ""
    assert not [left for left in Path().iterdir() if left.suffix == ".html" or left.name.startswith(".")]


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("E1441_a_recipe", "clip.dcql"),
        ("E1441_a_recipe_that_ships", "clip30"),
        ("E1441_a_file", "notes.txt"),
        ("E1441_nothing_there", "runs/mine\x1b[31m"),
    ],
)
def test_nothing_to_report(name: str, named: str, dcql: Dcql, here: Path, update: bool) -> None:
    (here / "clip.dcql").write_text(CLIP)
    (here / "notes.txt").write_text("notes")
    refused(name, dcql("report", named, "-o", "report.html"), update)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("E1443_no_json", "{"),
        ("E1443_a_manifest", '{"hash": "dcql1:", "distinct": 1}'),
        ("E1443_a_list", "[]"),
        ("E1443_deep", "[" * 100_000),
        ("E1443_uids_that_are_none", None),
    ],
)
def test_no_comparison(name: str, content: str | None, dcql: Dcql, run: Path, here: Path, update: bool) -> None:
    if content is None:
        document = json.loads(dcql("diff", "run", "run", "--format", "json").out)
        document["a"]["first"] = ["<script>"]
        content = json.dumps(document)
    (here / "diff.json").write_text(content)
    refused(name, dcql("report", "diff.json", "-o", "report.html"), update)


def test_no_such_comparison(dcql: Dcql, update: bool) -> None:
    refused("E1443_not_there", dcql("report", "diff.json", "-o", "report.html"), update)


@pytest.mark.parametrize("name", ["subset.npy", "manifest.json"])
def test_a_half_written_run(name: str, dcql: Dcql, run: Path, here: Path) -> None:
    (run / name).unlink()
    told = dcql("report", "run", "-o", "report.html")
    assert told.code == 1
    assert "error[E0759]" in told.err
    assert not (here / "report.html").exists()


@pytest.mark.parametrize("values", [{"counts": None}, {"counts": [{"name": 1}]}, {"thresholds": 3}, {"features": [1]}])
def test_a_garbled_manifest(values: dict[str, Any], dcql: Dcql, run: Path, here: Path) -> None:
    change(run, **values)
    told = dcql("report", "run", "-o", "report.html")
    assert told.code in (1, 3)
    assert "error[E0760]" in told.err or "error[E0802]" in told.err
    assert not (here / "report.html").exists()


def test_a_subset_that_is_not_the_manifests(dcql: Dcql, run: Path, here: Path) -> None:
    change(run, hash="dcql1:" + "0" * 64)
    assert "error[E0760]" in dcql("report", "run", "-o", "report.html").err
    assert not (here / "report.html").exists()


def test_a_run_that_is_not_what_its_recipe_gives(dcql: Dcql, run: Path, here: Path) -> None:
    # Another subset, with a manifest that states its hash: only running it again tells.
    (here / "other.dcql").write_text("SELECT uid FROM pool WHERE clip_l14 >= q(0.8)\n")
    dcql("run", "other.dcql", "--pool", "mixed", "--out", "other")
    shutil.copy(here / "other" / "subset.npy", run / "subset.npy")
    other = json.loads(read(here / "other" / "manifest.json"))
    change(run, hash=other["hash"], distinct=other["distinct"], total=other["total"])
    told = dcql("report", "run", "-o", "report.html")
    assert "error[E0803]" in told.err
    assert told.code == 3
    assert not (here / "report.html").exists()


@pytest.mark.parametrize("there", ["file", "folder"])
def test_what_no_report_wrote_is_not_written_over(there: str, dcql: Dcql, run: Path, here: Path, update: bool) -> None:
    target = here / "notes"
    if there == "file":
        target.write_text("<html>mine</html>")
    else:
        target.mkdir()
    told = dcql("report", "run", "-o", "notes")
    refused(f"E1442_a_{there}", told, update)
    assert target.is_dir() or target.read_text() == "<html>mine</html>"


def test_a_place_that_cannot_be_written(dcql: Dcql, run: Path, here: Path) -> None:
    (here / "file").write_text("")
    told = dcql("report", "run", "-o", "file/report.html")
    assert told.code == 1
    assert "error[E0758]" in told.err


def test_settings_are_for_recipes(dcql: Dcql, run: Path) -> None:
    told = dcql("report", "run", "-o", "report.html", "--set", "keep=0.1")
    assert told.code == 2
    assert "--set is for two recipes" in told.err


# --- made, with what there is -----------------------------------------------------------------------------------------


def lacks(dcql: Dcql, *arguments: object) -> str:
    """Return what a report says that it lacks, and check that the page says so too."""
    told = dcql("report", *arguments, "-o", "report.html", "--format", "json")
    assert told.code == 0, told.err
    (lacking,) = json.loads(told.out)["lacks"]
    assert "What this report lacks" in read(Path("report.html"))
    assert "Histogram" not in read(Path("report.html"))
    return str(lacking)


def test_the_pool_is_gone(dcql: Dcql, store: Path, here: Path) -> None:
    (here / "clip.dcql").write_text(CLIP)
    dcql("pool", "add", "leaving", store / "not_a_number")
    dcql("run", "clip.dcql", "--pool", "leaving", "--out", "run")
    dcql("pool", "rm", "leaving")
    assert lacks(dcql, "run").startswith("The samples could not be looked at: no pool `leaving`")
    assert "Funnel" in read(here / "report.html")


def test_another_pool(dcql: Dcql, run: Path) -> None:
    assert "was run over another pool" in lacks(dcql, "run", "--pool", "not_a_number")


def test_the_recipe_names_a_file_that_is_gone(dcql: Dcql, here: Path) -> None:
    (here / "words.txt").write_text("dog\n")
    import hashlib

    digest = hashlib.sha256(b"dog\n").hexdigest()
    (here / "set.dcql").write_text(
        f"SET words FROM 'words.txt' SHA256 '{digest}';\nSELECT uid FROM pool WHERE text IN words\n"
    )
    assert dcql("run", "set.dcql", "--pool", "mixed", "--out", "run").code == 0
    (here / "words.txt").unlink()
    assert "words" in lacks(dcql, "run")


def test_a_feature_is_no_longer_stored(dcql: Dcql, store: Path, here: Path) -> None:
    (here / "lang.dcql").write_text("SELECT uid FROM pool WHERE clip_l14 >= q(0.9) AND lang = 'de'\n")
    assert dcql("run", "lang.dcql", "--pool", "huge_sizes", "--out", "run").code == 0
    shutil.rmtree(store / "home" / "features")
    assert "`lang` is not stored for" in lacks(dcql, "run")


def test_a_raw_pool_has_no_lock(dcql: Dcql, store: Path, here: Path) -> None:
    (here / "clip.dcql").write_text(CLIP)
    assert dcql("run", "clip.dcql", "--pool", store / "mixed", "--out", "run").code == 0
    told = dcql("report", "run", "-o", "report.html", "--format", "json")
    said = json.loads(told.out)["lacks"]
    assert said[0].startswith("There is no lock")
    assert "Histogram of clip_l14" in read(here / "report.html")


def test_a_raw_pool_that_changed(dcql: Dcql, store: Path, here: Path) -> None:
    (here / "clip.dcql").write_text(CLIP)
    shutil.copytree(store / "mixed", here / "raw")
    dcql("run", "clip.dcql", "--pool", "raw", "--out", "run")
    max((here / "raw").glob("*.parquet"), key=lambda path: path.stat().st_size).unlink()
    assert "may have changed since" in lacks(dcql, "run")


def test_no_tars_no_pictures(dcql: Dcql, run: Path, here: Path) -> None:
    told = dcql("report", "run", "-o", "report.html")
    assert told.code == 0
    assert "There are no pictures" in told.out
    assert "<img" not in read(here / "report.html")
    assert "Just kept" in read(here / "report.html")


def test_without_samples(dcql: Dcql, run: Path, here: Path) -> None:
    assert dcql("report", "run", "-o", "report.html", "--samples", 0).out.startswith("wrote ")
    assert "Just kept" not in read(here / "report.html")
    assert "Histogram of clip_l14" in read(here / "report.html")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT uid FROM pool WHERE clip_l14 > 2",
        "SELECT uid FROM pool",
        "SELECT uid FROM pool WHERE original_width > q(0.5 OF none)",
    ],
)
def test_nothing_kept_and_everything_kept(text: str, dcql: Dcql, here: Path) -> None:
    (here / "r.dcql").write_text(f"WITH none AS (SELECT uid FROM pool WHERE clip_b32 > 2) {text}\n")
    assert dcql("run", "r.dcql", "--pool", "mixed", "--out", "run").code == 0
    assert dcql("report", "run", "-o", "report.html").code == 0


def test_two_subsets_without_recipes(dcql: Dcql, run: Path, here: Path) -> None:
    (here / "other.dcql").write_text("SELECT uid FROM pool WHERE clip_l14 >= q(0.8)\n")
    dcql("run", "other.dcql", "--pool", "mixed", "--out", "other")
    told = dcql("report", "run/subset.npy", "other/subset.npy", "-o", "report.html")
    assert told.code == 0, told.err
    assert "no pool was named" in told.out
    told = dcql("report", "run/subset.npy", "other/subset.npy", "--pool", "mixed", "-o", "report.html")
    assert "What differs" in read(here / "report.html")


def test_a_comparison_of_runs_whose_pool_is_gone(dcql: Dcql, store: Path, here: Path) -> None:
    dcql("pool", "add", "leaving", store / "not_a_number")
    for name, keep in (("a", 0.6), ("b", 0.7)):
        (here / f"{name}.dcql").write_text(f"SELECT uid FROM pool WHERE clip_l14 >= q({keep})\n")
        assert dcql("run", f"{name}.dcql", "--pool", "leaving", "--out", name).code == 0
    dcql("pool", "rm", "leaving")
    told = dcql("report", "a", "b", "-o", "report.html")
    assert told.code == 0, told.err
    assert "Nothing says why they differ: no pool `leaving`" in told.out


def test_equal_subsets(dcql: Dcql, run: Path, here: Path) -> None:
    assert dcql("report", "run", "run", "-o", "report.html").code == 0
    assert "Both are the same subset." in read(here / "report.html")
