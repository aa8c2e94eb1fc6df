"""Locks in real merges of git, which calls `dcql ci merge-lock`; and the rule of `merged`, case by case."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ci.conftest import Scratch

from dcql.catalog.pool import open_pool
from dcql.ci.changed import find_repository
from dcql.ci.merging import set_up
from dcql.cli import locks
from dcql.compiler import run
from dcql.errors import LockError
from dcql.locks.lock import Lock
from dcql.locks.lock_file import read_any_lock, read_lock
from dcql.locks.merging import merged
from dcql.records.locking import lock_of
from dcql.source import Source

RECIPE = "SELECT uid FROM pool\nWHERE clip_l14 >= q(0.3)\n  AND width > 1\n  AND height > 1\n  AND width < 9999;\n"


@pytest.fixture(autouse=True)
def _dcql_for_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let git find the `dcql` of this Python."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def repository(scratch: Scratch) -> Scratch:
    """A repository with a locked recipe, in a clone that merges locks."""
    set_up(find_repository(scratch.top))
    edited(scratch, "mine", ("", ""))
    return scratch


def edited(scratch: Scratch, name: str, *edits: tuple[str, str], branch: str | None = None) -> None:
    """Edit a recipe, on a new branch from main if one is named; lock and commit it."""
    if branch is not None:
        scratch.git("switch", "-q", "-c", branch, "main")
    path = scratch.top / f"{name}.dcql"
    text = path.read_text() if path.exists() else RECIPE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    scratch.write(path.name, text)
    locks.lock([path.name], "small")
    scratch.commit()


def test_two_clauses_in_two_branches(repository: Scratch, capsys: pytest.CaptureFixture[str]) -> None:
    edited(repository, "mine", ("0.3", "0.4"), branch="a")
    edited(repository, "mine", ("9999", "999"), branch="b")
    told = repository.git("merge", "-q", "-m", "both", "a")
    assert "write it anew: dcql lock mine.dcql" in told
    assert repository.git("status", "--porcelain") == ""
    text = (repository.top / "mine.dcql").read_text()
    assert "0.4" in text
    assert "999;" in text

    lock = repository.top / "mine.lock"
    for refused in (lambda: locks.lock(["mine.dcql"], check=True), lambda: locks.verify("mine.dcql")):
        with pytest.raises(LockError) as caught:
            refused()
        assert [one.code for one in caught.value.diagnostics] == ["E1581"]
    # The pool is still that of both: nobody has to name it again.
    locks.lock(["mine.dcql"])
    assert "of 300 samples of small" in capsys.readouterr().out
    locks.lock(["mine.dcql"], check=True)
    found = run(repository.top / "mine.dcql", open_pool("small"))
    assert read_lock(lock) == lock_of(found)
    assert b"merged" not in lock.read_bytes()


def test_two_recipes_in_two_branches(repository: Scratch) -> None:
    edited(repository, "first", ("0.3", "0.4"), branch="a")
    edited(repository, "second", ("0.3", "0.5"), branch="b")
    repository.git("merge", "-q", "-m", "both", "a")
    locks.lock(["mine.dcql", "first.dcql", "second.dcql"], check=True)


def test_one_recipe_added_by_both(repository: Scratch) -> None:
    """The recipes conflict, the locks do not."""
    edited(repository, "new", ("0.3", "0.4"), branch="a")
    edited(repository, "new", ("0.3", "0.5"), branch="b")
    repository.git("merge", "-q", "-m", "both", "a", fails=True)
    assert repository.git("diff", "--name-only", "--diff-filter=U").split() == ["new.dcql"]
    assert read_any_lock(repository.top / "new.lock").merged


def test_a_merge_of_what_was_merged(repository: Scratch) -> None:
    for branch, edit in (("a", ("0.3", "0.4")), ("b", ("9999", "999")), ("c", ("height > 1", "height > 2"))):
        edited(repository, "mine", edit, branch=branch)
    repository.git("switch", "-q", "a")
    repository.git("merge", "-q", "-m", "a and b", "b")
    # c's lines lie beside b's, so that the recipe conflicts; its lock never does.
    repository.git("merge", "-q", "-m", "all", "c", fails=True)
    assert repository.git("diff", "--name-only", "--diff-filter=U").split() == ["mine.dcql"]
    lines = read_any_lock(repository.top / "mine.lock").merged
    assert len([line for line in lines if line.startswith("recipe: ")]) == 2


def test_a_recipe_that_is_formatted_on_one_side(repository: Scratch) -> None:
    """Its lock does not change, so that git takes the other one."""
    edited(repository, "mine", ("WHERE", "where"), branch="a")
    edited(repository, "mine", ("9999", "999"), branch="b")
    repository.git("merge", "-q", "-m", "both", "a")
    locks.lock(["mine.dcql"], check=True)


def test_locks_of_other_programs_merge_line_by_line(repository: Scratch) -> None:
    lines = [f"package {i}" for i in range(20)]
    repository.write("uv.lock", "\n".join(lines))
    repository.commit()
    for branch, place in (("a", 2), ("b", 17)):
        repository.git("switch", "-q", "-c", branch, "main")
        repository.write("uv.lock", "\n".join([*lines[:place], "changed", *lines[place + 1 :]]))
        repository.commit()
    repository.git("merge", "-q", "-m", "both", "a")
    assert (repository.top / "uv.lock").read_text().count("changed") == 2
    repository.git("switch", "-q", "-c", "c", "main")
    repository.write("uv.lock", "\n".join([*lines[:2], "otherwise", *lines[3:]]))
    repository.commit()
    told = repository.git("merge", "-q", "-m", "all", "a", fails=True)
    assert "E0802" in told
    assert "<<<<<<< " in (repository.top / "uv.lock").read_text()


def test_setting_up_twice_changes_nothing(repository: Scratch) -> None:
    (repository.top / ".gitattributes").write_text("*.png binary\n*.lock merge=dcql-lock")
    assert set_up(find_repository(repository.top)) == [".gitattributes: *.dcql text eol=lf"]
    assert set_up(find_repository(repository.top)) == []
    assert (repository.top / ".gitattributes").read_text().split("\n")[0] == "*.png binary"


# --- the rule ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three(store: Path) -> tuple[Lock, Lock, Lock]:
    """Return the locks of three recipes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(store / "home"))
        pool = open_pool("small")
        texts = (f"SELECT uid FROM pool WHERE clip_l14 >= q(0.{i})" for i in (3, 4, 5))
        one, two, other = (lock_of(run(Source("a.dcql", text), pool)) for text in texts)
        return one, two, other


def test_the_side_that_changed_what_decides_stays(three: tuple[Lock, Lock, Lock]) -> None:
    base, ours, theirs = three
    described = replace(base, duckdb="0.0.0")
    assert described.key == base.key
    assert merged(base, ours, described) == ours
    assert merged(base, described, theirs) == theirs
    assert merged(base, ours, replace(ours, duckdb="0.0.0")) == ours


def test_where_both_changed_it_nothing_holds(three: tuple[Lock, Lock, Lock]) -> None:
    base, ours, theirs = three
    for origin in (base, None):
        found = merged(origin, ours, theirs)
        assert replace(found, merged=()) == ours
        assert [line.split(":")[0] for line in found.merged] == ["recipe"]
    again = merged(base, found, theirs)
    assert again.merged == found.merged
    assert merged(base, theirs, found).merged[0] == found.merged[0]


def test_one_key_and_two_subsets_are_told(three: tuple[Lock, Lock, Lock]) -> None:
    base, ours, _ = three
    other = replace(ours, subset=base.subset)
    assert [line.split(":")[0] for line in merged(base, ours, other).merged] == ["subset"]


def test_a_merged_lock_reads_back(three: tuple[Lock, Lock, Lock], tmp_path: Path) -> None:
    _, ours, theirs = three
    found = merged(None, ours, replace(theirs, pool_name='it\'s "é"\n'))
    path = tmp_path / "a.lock"
    path.write_text(found.text(), encoding="utf-8")
    assert read_any_lock(path) == found
    with pytest.raises(LockError):
        read_lock(path)
