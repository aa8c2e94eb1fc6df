"""`dcql diff` over every kind of operand, and its messages: the .txt files of tests/cli/diff_errors/."""

import hashlib
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dcql.engine.add import add
from dcql.locks.lock_file import read_lock, write_lock
from dcql.run_folder import read
from dcql.subset import UID, Subset

Dcql = Callable[..., Any]
ERRORS = Path(__file__).parent / "diff_errors"

BEFORE = "SELECT uid FROM pool WHERE clip_l14 >= q(0.5) AND width >= 200;\n"
AFTER = "SELECT uid FROM pool WHERE clip_l14 >= q(0.6) AND width >= 200 AND caption IS NOT NULL;\n"


def git(folder: Path, *words: str) -> str:
    """Run git in a folder, with nobody's settings."""
    own = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run([*own, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(here: Path) -> Path:
    """A repository of two commits: a recipe with an import and a set, then the recipe after edits."""
    folder = here / "recipes"
    folder.mkdir()
    git(here, "init", "-q")
    (folder / "large.txt").write_text("300\n640\n")
    digest = hashlib.sha256((folder / "large.txt").read_bytes()).hexdigest()
    (folder / "base.dcql").write_text(BEFORE)
    (folder / "x.dcql").write_text(
        f"IMPORT './base.dcql' AS base;\nSET large FROM 'large.txt' SHA256 '{digest}';\n"
        "SELECT uid FROM base WHERE height IN large OR height >= 100;\n"
    )
    git(here, "add", "recipes")
    git(here, "commit", "-qm", "first")
    (folder / "base.dcql").write_text(AFTER)
    (folder / "large.txt").unlink()
    (folder / "x.dcql").write_text("IMPORT './base.dcql' AS base;\nSELECT uid FROM base WHERE height >= 100;\n")
    git(here, "add", "-A", "recipes")
    git(here, "commit", "-qm", "second")
    return here


def attributed(dcql: Dcql, *arguments: str) -> dict[str, Any]:
    """Run `dcql diff .. --format json`."""
    told = dcql("diff", *arguments, "--format", "json")
    assert told.code == 0, told.err
    found: dict[str, Any] = json.loads(told.out)
    return found


def causes(found: dict[str, Any]) -> dict[tuple[str, ...], int]:
    """Return the counts of an attribution by side and words."""
    return {(one["side"], *one["words"]): one["count"] for one in found["attribution"]["causes"]}


# --- revisions --------------------------------------------------------------------------------------------------------


def test_a_revision_is_read_with_the_files_that_it_names(dcql: Dcql, repository: Path) -> None:
    found = attributed(dcql, "HEAD~1:recipes/x.dcql", "recipes/x.dcql", "--pool", "mixed")
    words = [edit["words"] for edit in found["attribution"]["edits"]]
    assert words == [
        "clause changed in base: clip_l14 >= q(0.5) -> clip_l14 >= q(0.6)",
        "clause added in base: caption IS NOT NULL",
        "clause changed: height IN large OR height >= 100 -> height >= 100",
    ]
    again = attributed(dcql, "HEAD~1:recipes/x.dcql", "HEAD:recipes/x.dcql", "--pool", "mixed")
    assert again["attribution"] == found["attribution"]
    assert found["a"]["only"] + found["b"]["only"] == sum(one["count"] for one in found["attribution"]["causes"]) > 0


def test_a_revision_from_a_folder_below_the_top(dcql: Dcql, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = attributed(dcql, "HEAD~1:recipes/x.dcql", "recipes/x.dcql", "--pool", "mixed")
    monkeypatch.chdir(repository / "recipes")
    below = attributed(dcql, "HEAD~1:./x.dcql", "x.dcql", "--pool", "mixed")
    assert below["attribution"] == top["attribution"]
    assert dcql("diff", "HEAD~1:../../x.dcql", "x.dcql", "--pool", "mixed").code == 2


def test_no_shell_reads_a_revision(dcql: Dcql, repository: Path) -> None:
    for revision in ("$(touch hacked)", "`touch hacked`", "HEAD; touch hacked", "--output=hacked", "-x"):
        assert dcql("diff", f"{revision}:recipes/x.dcql", "recipes/x.dcql", "--pool", "mixed").code == 2
    for path in ("recipes/$(touch hacked)", "recipes/x.dcql; touch hacked", "../x.dcql", "/etc/passwd"):
        assert dcql("diff", f"HEAD:{path}", "recipes/x.dcql", "--pool", "mixed").code == 2
    assert not list(repository.rglob("hacked"))


def test_what_a_revision_lacks_is_told_as_of_any_recipe(dcql: Dcql, repository: Path) -> None:
    git(repository, "rm", "-q", "recipes/base.dcql")
    git(repository, "commit", "-qm", "third")
    told = dcql("diff", "HEAD:recipes/x.dcql", "HEAD~1:recipes/x.dcql", "--pool", "mixed")
    assert (told.code, told.err.splitlines()[0]) == (2, "error[E0208]: no file `./base.dcql`")


def test_a_file_goes_before_a_revision(dcql: Dcql, here: Path) -> None:
    (here / "a:b.dcql").write_text(BEFORE)
    assert dcql("diff", "a:b.dcql", "a:b.dcql", "--pool", "mixed", "--exit-code").code == 0


# --- runs -------------------------------------------------------------------------------------------------------------


def test_every_row_of_a_file_has_the_causes_of_the_output(dcql: Dcql, here: Path) -> None:
    (here / "a.dcql").write_text(BEFORE)
    (here / "b.dcql").write_text(AFTER)
    found = attributed(dcql, "a.dcql", "b.dcql", "--pool", "mixed", "--out", "out.parquet")
    rows = pq.read_table(here / "out.parquet").to_pylist()
    assert Counter((row["side"], *row["causes"]) for row in rows) == causes(found)
    assert found["a"]["only"] == len(rows) > 0
    assert {row["uid"] for row in rows} >= set(found["attribution"]["causes"][0]["examples"])


def test_runs_and_locks_give_the_causes_of_their_recipes(dcql: Dcql, here: Path) -> None:
    (here / "a.dcql").write_text(BEFORE)
    (here / "b.dcql").write_text(AFTER)
    recipes = attributed(dcql, "a.dcql", "b.dcql", "--pool", "mixed")
    for name in "ab":
        dcql("run", f"{name}.dcql", "--pool", "mixed", "--out", name)
        dcql("lock", f"{name}.dcql", "--pool", "mixed")
    assert attributed(dcql, "a", "b")["attribution"] is None
    for pair in (("a", "b", "--causes"), ("a.lock", "b.lock"), ("a", "b.dcql"), ("a.dcql", "b")):
        assert attributed(dcql, *pair)["attribution"] == recipes["attribution"], pair
    lines = attributed(dcql, "a.lock", "b.lock")["locks"]
    assert any(line.startswith("subset: ") for line in lines)
    assert any("value" in line and line.startswith("stage 1") for line in lines)


def test_the_parameters_of_a_run_count(dcql: Dcql, here: Path) -> None:
    dcql("run", "clip.dcql", "--pool", "mixed", "--out", "clip", "--set", "keep=0.25")
    found = attributed(dcql, "clip", "clip.dcql")
    [edit] = found["attribution"]["edits"]
    assert edit["words"] == "clause changed: clip_l14 >= q(1 - keep) (keep 0.25 -> 0.5)"
    assert causes(found) == {("b", edit["words"]): found["b"]["only"]}


def test_a_run_whose_recipe_cannot_be_read_again_is_a_set_of_uids(dcql: Dcql, here: Path) -> None:
    (here / "base.dcql").write_text(BEFORE)
    (here / "a.dcql").write_text("IMPORT './base.dcql' AS base;\nSELECT uid FROM base;\n")
    (here / "b.dcql").write_text(AFTER)
    dcql("run", "a.dcql", "--pool", "mixed", "--out", "a")
    (here / "a.dcql").unlink()
    found = attributed(dcql, "a", "b.dcql", "--pool", "mixed")
    [note] = found["notes"]
    assert note.startswith("the recipe of `a` cannot be run again (E0209: ")
    assert set(causes(found)) == {
        ("a", "fails first: clip_l14 >= q(0.6)"),
        ("a", "fails first: caption IS NOT NULL"),
    }


def test_a_run_over_a_pool_that_is_gone(dcql: Dcql, here: Path, store: Path) -> None:
    add("gone", store / "tiny_files")
    (here / "b.dcql").write_text(AFTER)
    dcql("run", "clip.dcql", "--pool", "gone", "--out", "clip")
    dcql("pool", "rm", "gone")
    found = attributed(dcql, "clip", "b.dcql", "--pool", "mixed")
    assert found["notes"][0].startswith("the recipe of `clip` cannot be run again (E0761: ")
    assert ("a", "pool: not in the pool of the recipe") in causes(found)
    assert dcql("diff", "clip", "b.dcql", "--causes").code == 1


def test_a_feature_that_holds_something_else_now(dcql: Dcql, here: Path, store: Path) -> None:
    add("many", store / "many")
    dcql("run", "again.dcql", "--pool", "many", "--out", "again")
    manifest = json.loads((here / "again" / "manifest.json").read_text())
    subset = read(here / "again").subset
    # As if the model had given other values then.
    other = Subset(subset.uids[5:])
    other.save(here / "again" / "subset.npy")
    manifest["hash"], manifest["features"][0]["digest"] = other.hash, "dcfeat2:" + "0" * 64
    (here / "again" / "manifest.json").write_text(json.dumps(manifest))
    found = attributed(dcql, "again", "again.dcql")
    assert causes(found) == {("b", "what was recorded is not what the recipe keeps now"): 5}
    assert found["notes"][0] == "the recipe of `again` keeps other samples now than it recorded"
    assert found["notes"][1].startswith(
        "feature `again` of `again`: what came out of it changed, dcfeat2:000000000000 -> dcfeat2:"
    )


def test_features_are_asked_only_of_the_samples_that_differ(dcql: Dcql, here: Path, store: Path) -> None:
    add("many", store / "many")
    shutil.rmtree(store / "home" / "features", ignore_errors=True)
    (here / "a.dcql").write_text("SELECT uid FROM pool WHERE width >= 640 AND lang = 'en';\n")
    (here / "b.dcql").write_text("SELECT uid FROM pool WHERE width >= 300 AND height >= 300;\n")
    found = attributed(dcql, "a.dcql", "b.dcql", "--pool", "many")
    assert [edit["words"] for edit in found["attribution"]["edits"]] == [
        "clause changed: width >= 640 -> width >= 300",
        "clause removed: lang = 'en'",
        "clause added: height >= 300",
    ]
    assert sum(one["count"] for one in found["attribution"]["causes"]) == found["a"]["only"] + found["b"]["only"]
    [stored] = json.loads(dcql("feature", "ls", "--format", "json").out)
    asked = re.search(r"asked of ([0-9]+) samples", dcql("run", "a.dcql", "--pool", "many").out)
    assert asked is not None
    assert int(asked[1]) < stored["samples"] <= int(asked[1]) + found["a"]["only"] + found["b"]["only"] < 357


def test_a_half_written_run_says_so(dcql: Dcql, here: Path) -> None:
    dcql("run", "clip.dcql", "--pool", "mixed", "--out", "clip")
    (here / "clip" / "subset.npy").unlink()
    assert dcql("diff", "clip", "clip.dcql", "--pool", "mixed").err.startswith("error[E0759]")
    dcql("run", "clip.dcql", "--pool", "mixed", "--out", "other")
    (here / "other" / "manifest.json").write_text("{")
    assert dcql("diff", "other", "clip.dcql", "--pool", "mixed").err.startswith("error[E0760]")


# --- subsets ----------------------------------------------------------------------------------------------------------


def test_nothing_and_everything(dcql: Dcql, here: Path) -> None:
    (here / "none.dcql").write_text("SELECT uid FROM pool WHERE width < -10 AND width > 10;\n")
    (here / "all.dcql").write_text("SELECT uid FROM pool;\n")
    assert attributed(dcql, "none.dcql", "none.dcql", "--pool", "mixed")["equal"]
    found = attributed(dcql, "all.dcql", "none.dcql", "--pool", "mixed")
    small, large = "clause added: width < -10", "clause added: width > 10"
    assert set(causes(found)) == {("a", small), ("a", small, large)}  # no width is below -10
    assert sum(causes(found).values()) == 3000
    back = attributed(dcql, "none.dcql", "all.dcql", "--pool", "mixed")
    assert sum(causes(back).values()) == 3000
    Subset(np.empty(0, UID)).save(here / "empty.npy")
    nothing = attributed(dcql, "empty.npy", "all.dcql", "--pool", "mixed")
    assert causes(nothing) == {("b", "the other side has no recipe to say why it lacks them"): 3000}


def test_a_subset_without_a_recipe_is_told_by_the_clauses_of_the_other_one(dcql: Dcql, here: Path) -> None:
    (here / "a.dcql").write_text(BEFORE)
    (here / "b.dcql").write_text(AFTER)
    dcql("run", "a.dcql", "--pool", "mixed", "--out", "a")
    stranger = np.array([(1, 2)], UID)
    Subset.from_uids(np.concatenate([read(here / "a").subset.uids, stranger])).save(here / "a.npy")
    found, recipes = (attributed(dcql, one, "b.dcql", "--pool", "mixed") for one in ("a.npy", "a.dcql"))
    told = causes(found)
    assert told.pop(("a", "pool: not in the pool of the recipe")) == 1
    assert sum(told.values()) == recipes["a"]["only"]
    clauses = [{**one, "edit": None} for one in recipes["attribution"]["failing"]]
    assert [{**one, "edit": None} for one in found["attribution"]["failing"]] == clauses
    turned = attributed(dcql, "b.dcql", "a.npy", "--pool", "mixed")
    assert {words[1:]: count for words, count in causes(turned).items()} == {
        words[1:]: count for words, count in causes(found).items()
    }


def test_two_pools(dcql: Dcql, here: Path, store: Path) -> None:
    add("tiny", store / "tiny_files")
    (here / "a.dcql").write_text(BEFORE)
    found = attributed(dcql, "a.dcql", "a.dcql", "--pool-a", "mixed", "--pool-b", "tiny")
    assert [edit["words"] for edit in found["attribution"]["edits"]] == ["pool changed: mixed -> tiny"]
    assert {words[1] for words in causes(found)} == {"pool: not in A's pool", "pool: not in B's pool"}
    dcql("run", "a.dcql", "--pool", "mixed", "--out", "mixed")
    dcql("run", "a.dcql", "--pool", "tiny", "--out", "tiny")
    assert attributed(dcql, "mixed", "tiny", "--causes")["attribution"] == found["attribution"]


# --- messages ---------------------------------------------------------------------------------------------------------


def _no_git(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PATH", str(here))
    return dcql("diff", "HEAD:clip.dcql", "clip.dcql", "--pool", "mixed")


def _no_repository(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(here.parent))
    return dcql("diff", "HEAD:clip.dcql", "clip.dcql", "--pool", "mixed")


def _no_commit(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    git(here, "init", "-q")
    return dcql("diff", "nowhere:clip.dcql", "clip.dcql", "--pool", "mixed")


def _option(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return dcql("diff", "--pool", "mixed", "--", "--help:clip.dcql", "clip.dcql")


def _no_file(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    git(here, "init", "-q")
    git(here, "commit", "-qm", "empty", "--allow-empty")
    return dcql("diff", "HEAD:clip.dcql", "clip.dcql", "--pool", "mixed")


def _outside(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    git(here, "init", "-q")
    git(here, "commit", "-qm", "empty", "--allow-empty")
    return dcql("diff", "HEAD:../clip.dcql", "clip.dcql", "--pool", "mixed")


def _edited_lock(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    dcql("lock", "clip.dcql", "--pool", "mixed")
    (here / "clip.dcql").write_text(AFTER)
    return dcql("diff", "clip.lock", "clip.dcql")


def _other_semantics(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    dcql("lock", "clip.dcql", "--pool", "mixed")
    lock = read_lock(here / "clip.lock")
    write_lock(replace(lock, key=replace(lock.key, semantics=2)), here / "clip.lock")
    return dcql("diff", "clip.lock", "clip.dcql")


def _no_recipe(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    Subset(np.zeros(1, UID)).save(here / "one.npy")
    return dcql("diff", "one.npy", "one.npy", "--causes")


CASES = {
    "E1411_no_git": _no_git,
    "E1411_no_repository": _no_repository,
    "E1411_no_commit": _no_commit,
    "E1411_option": _option,
    "E1412_no_file": _no_file,
    "E1412_outside": _outside,
    "E1413_edited_recipe": _edited_lock,
    "E1413_other_semantics": _other_semantics,
    "E1414_no_recipe": _no_recipe,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    told = CASES[name](dcql, here, monkeypatch)
    assert told.code != 0
    path = ERRORS / f"{name}.txt"
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(told.err, encoding="utf-8", newline="\n")
    assert told.err == path.read_text(encoding="utf-8")
    assert told.err.startswith(f"error[{name[:5]}]: ")


def test_every_message_has_its_case() -> None:
    assert {path.stem for path in ERRORS.glob("*.txt")} == set(CASES)


def test_two_locks_are_compared_by_what_they_record(dcql: Dcql, here: Path) -> None:
    shutil.copy(here / "clip.dcql", here / "other.dcql")
    for name in ("clip", "other"):
        dcql("lock", f"{name}.dcql", "--pool", "mixed")
    (here / "other.dcql").write_text(AFTER)
    dcql("lock", "other.dcql", "--pool", "mixed")
    (here / "clip.dcql").write_text(AFTER)
    found = attributed(dcql, "clip.lock", "other.lock")
    lock = read_lock(here / "clip.lock")
    assert found["a"] == {"name": "clip.lock", "hash": lock.subset, "distinct": lock.distinct, "total": lock.total}
    assert found["attribution"] is None
    assert not found["equal"]
    assert found["notes"] == [
        "only what the locks record is compared: what `clip.lock` records cannot be computed any more"
    ]
    assert dcql("diff", "clip.lock", "other.lock", "--exit-code").code == 1
