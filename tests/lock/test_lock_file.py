"""The lock as a file: goldens, the same bytes again, and everything that is not a lock."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pools import ADVERSARIAL, LAYOUTS, write

from dcql.catalog.pool import Pool
from dcql.compiler import run
from dcql.engine.add import add
from dcql.engine.duck import Resources
from dcql.errors import LockError
from dcql.locks.lock import Lock, read_scalar, scalar_text
from dcql.locks.lock_file import read_lock, write_lock
from dcql.records.locking import lock_of

GOLDEN = Path(__file__).parent / "golden"
RECIPES = sorted(GOLDEN.glob("*.dcql"))
# The SQL has tests of its own, and may improve without a change here.
PROGRAM = "sha256:" + "0" * 64


def pinned(lock: Lock) -> Lock:
    """Replace what another version of DuckDB or another way to lower changes."""
    key = replace(lock.key, engine="2.0.0") if lock.key.engine else lock.key
    return replace(lock, key=key, duckdb="2.0.0", program=PROGRAM)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_golden(recipe: Path, mixed: Pool, update: bool) -> None:
    lock = pinned(lock_of(run(recipe, mixed)))
    expected = recipe.with_suffix(".lock")
    if update:
        write_lock(lock, expected)
    assert lock.text() == expected.read_text(encoding="utf-8")
    assert read_lock(expected) == lock


def test_other_layouts_and_machines_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {recipe: set[str]() for recipe in RECIPES}
    for layout, threads in (("merged", 1), ("row_groups_17", 3)):
        monkeypatch.setenv("DCQL_HOME", str(tmp_path / layout / "home"))
        monkeypatch.setenv("TZ", "Asia/Kolkata" if threads == 3 else "UTC")
        write(ADVERSARIAL["mixed"](), tmp_path / layout / "pool", layout=LAYOUTS[layout])
        pool = add("mixed", tmp_path / layout / "pool")
        for recipe, seen in texts.items():
            seen.add(pinned(lock_of(run(recipe, pool, resources=Resources(threads)))).text())
            seen.add(recipe.with_suffix(".lock").read_text(encoding="utf-8"))
    assert {recipe.stem for recipe, seen in texts.items() if len(seen) != 1} == set()


def test_a_lock_says_nothing_of_the_machine(mixed: Pool) -> None:
    text = "".join(recipe.with_suffix(".lock").read_text(encoding="utf-8") for recipe in RECIPES)
    assert mixed.source not in text
    assert "/home" not in text
    assert "grades.txt" not in text


def test_rows_keep_one_form_however_long(mixed: Pool) -> None:
    lock = read_lock(GOLDEN / "stages.lock")
    long = replace(lock, clauses=tuple(replace(row, text=row.text * 50) for row in lock.clauses))
    assert long.text().count("\n") == lock.text().count("\n")


def test_text_out_of_a_pool_comes_back(tmp_path: Path) -> None:
    lock = read_lock(GOLDEN / "groups.lock")
    odd = "'it''s\n\u2028\x1c \x00\x7f \\\" ]] # 日本'"
    statistic = replace(lock.statistics[0], by=tuple(replace(g, keys=odd) for g in lock.statistics[0].by))
    lock = replace(lock, statistics=(statistic,), pool_name="\u2029")
    write_lock(lock, tmp_path / "x.lock")
    assert read_lock(tmp_path / "x.lock") == lock


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -(2**63), 0.1, -(2.0**-149), 5e-324, float("inf"), float("-inf"), "", "'", "0x1", "NULL"],
)
def test_values_come_back_exactly(value: bool | int | float | str | None) -> None:
    again = read_scalar(scalar_text(value))
    assert again == value
    assert type(again) is type(value)


def edited(old: str, new: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return edit


NOT_LOCKS: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "not TOML": lambda text: "{",
    "merge": edited("[pool]", "<<<<<<< ours\n[pool]\n=======\n[pool]\n>>>>>>> theirs"),
    "merge at the start": lambda text: "<<<<<<< ours\n" + text,
    "no version": edited("lock_version = 1", ""),
    "later version": edited("lock_version = 1", "lock_version = 2"),
    "no key": lambda text: text.replace("key = ", "hey = ", 1),
    "edited recipe": edited('[recipe]\ndigest = "sha256:', '[recipe]\ndigest = "sha256:0'),
    "edited pool": edited("dcpool1:", "dcpool1:0"),
    "edited parameter": edited('keep = "3/10"', 'keep = "1/5"'),
    "no subset": edited("[subset]", "[sub]"),
    "no hash": edited("hash = ", "hush = "),
    "count as text": edited("distinct = ", 'distinct = "1"\nother = '),
    "count as truth": edited("total = ", "total = true\nother = "),
    "table as a number": lambda text: text.split("[pool]")[0] + "pool = 1\n",
    "rows as a table": lambda text: text.split("[[clause]]")[0] + "[clause]\nblock = 1\n",
    "a row that is a number": lambda text: text.split("[[clause]]")[0].replace("[recipe]", "clause = [1]\n[recipe]", 1),
    "value that is no value": edited('value = "0x', 'value = "zero 0x'),
    "library that holds a number": edited("[functions]", "[library]\nx = 1\n[functions]"),
    "nested too deep": lambda text: "a = " + "[" * 100_000,
}


@pytest.mark.parametrize("edit", NOT_LOCKS.values(), ids=NOT_LOCKS)
def test_what_is_no_lock_is_refused(edit: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "groups.lock"
    path.write_text(edit((GOLDEN / "groups.lock").read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(LockError) as caught:
        read_lock(path)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E0802"]


def test_bytes_that_are_no_text_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with pytest.raises(LockError, match="the recipe was not locked"):
        read_lock(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LockError, match="E0802"):
        read_lock(path)
    with pytest.raises(LockError, match="E0802"):
        read_lock(tmp_path)


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    lock = GOLDEN / "groups.lock"
    (tmp_path / "x.lock").write_bytes(lock.read_bytes().replace(b"\n", b"\r\n"))
    assert read_lock(tmp_path / "x.lock") == read_lock(lock)


def test_a_lock_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = read_lock(GOLDEN / "groups.lock")
    path = tmp_path / "x.lock"
    path.write_text("before")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(LockError, match="E0806"):
        write_lock(lock, path)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.lock"]


def test_goldens_hold_what_they_are_there_for() -> None:
    locks = {recipe.stem: tomllib.loads(recipe.with_suffix(".lock").read_text(encoding="utf-8")) for recipe in RECIPES}
    assert len(locks["groups"]["threshold"][0]["group"]) == 7
    assert locks["many_groups"]["threshold"][0]["groups"] > 64
    assert "group" not in locks["many_groups"]["threshold"][0]
    assert len(locks["cut"]["cut"][0]["at"]) == 3
    assert [row["stage"] for row in locks["stages"]["threshold"]] == [1, 1, 3]
    assert locks["stages"]["first"][0]["n"] > 0
    assert locks["bag"]["subset"]["total"] > locks["bag"]["subset"]["distinct"]
    assert locks["bag"]["set"][0]["count"] == 3
    assert set(locks["bag"]["imports"]) == {"stages"}
    assert locks["groups"]["engine"]["decides"]
    assert not locks["cut"]["engine"]["decides"]
