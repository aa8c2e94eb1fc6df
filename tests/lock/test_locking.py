"""Runs that are held to a lock: what is stale, what only describes, and one key with two values."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dcql.catalog.pool import Pool, open_pool
from dcql.catalog.types import Type
from dcql.compiler import compile, run
from dcql.engine import statistics
from dcql.engine.duck import VERSION
from dcql.engine.statistics import Found, Statistics
from dcql.errors import LockError
from dcql.locks.changes import changes
from dcql.locks.lock import Lock
from dcql.locks.lock_file import write_lock
from dcql.records import locking
from dcql.records.locking import check_lock, lock_of, run_locked, stale
from dcql.source import Source
from dcql.verify.conditions import raw

RECIPE = Source(
    "recipe.dcql",
    """PARAM keep DEFAULT 0.3;
WITH wide AS (SELECT uid FROM pool WHERE original_width >= 200 AND clip_l14 >= q(1 - keep))
SELECT uid FROM wide WHERE regexp_matches(text, '[a-z]') AND score >= q(0.2 OF wide BY grp)
ORDER BY clip_b32 DESC LIMIT 50 PERCENT;""",
)


@pytest.fixture(scope="module")
def lock(mixed: Pool) -> Lock:
    return lock_of(run(RECIPE, mixed))


def refused(code: str, held: Callable[[], object]) -> str:
    with pytest.raises(LockError) as caught:
        held()
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]
    return caught.value.diagnostics[0].label


def test_a_run_that_agrees(mixed: Pool, lock: Lock) -> None:
    assert check_lock(run_locked(RECIPE, mixed, lock), lock).lines == ()


def test_words_and_layout_do_not_matter(mixed: Pool, lock: Lock) -> None:
    shouted = Source(
        "other.dcql", "-- the same\n" + RECIPE.text.replace("SELECT", "select").replace(" AND ", "\n and ")
    )
    assert check_lock(run_locked(shouted, mixed, lock), lock).lines == ()


EDITS: dict[str, tuple[str, str, str]] = {
    "number": ("200", "201", "recipe: sha256:"),
    "default": ("0.3;", "0.4;", "parameter `keep`: 3/10 -> 2/5"),
    "clause dropped": ("regexp_matches(text, '[a-z]') AND ", "", "function `regexp_matches`: is used no more"),
    "library": ("original_width", "width", "library definition `width`: is used now"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_recipe_is_stale_before_it_runs(
    edit: tuple[str, str, str], mixed: Pool, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, line = edit
    edited = Source("recipe.dcql", RECIPE.text.replace(old, new, 1))
    monkeypatch.setattr(locking, "run_compiled", lambda *_: pytest.fail("it ran"))
    assert line in refused("E0801", lambda: run_locked(edited, mixed, lock))


def test_another_setting_is_stale(mixed: Pool, lock: Lock) -> None:
    label = refused("E0801", lambda: run_locked(RECIPE, mixed, lock, {"keep": "0.2"}))
    assert label == "parameter `keep`: 3/10 -> 1/5"


def test_another_pool_and_a_raw_one(mixed: Pool, ties: Pool, lock: Lock) -> None:
    assert "pool: `mixed` dcpool1:" in refused("E0805", lambda: run_locked(RECIPE, ties, lock))
    refused("E0804", lambda: run_locked(RECIPE, raw(mixed), lock))
    refused("E0804", lambda: lock_of(run(RECIPE, raw(mixed))))


def test_the_engine_decides_only_where_a_function_depends_on_it(mixed: Pool, lock: Lock) -> None:
    assert lock.key.engine == VERSION
    other = replace(lock, duckdb="1.9.9", key=replace(lock.key, engine="1.9.9"))
    assert "engine, which decides: 1.9.9 ->" in refused("E0801", lambda: run_locked(RECIPE, mixed, other))
    plain = Source("plain.dcql", "SELECT uid FROM pool WHERE clip_l14 >= q(0.7)")
    described = replace(lock_of(run(plain, mixed)), duckdb="1.9.9")
    assert described.key.engine == ""
    again = run_locked(plain, mixed, described)
    assert check_lock(again, described).described == (f"engine: duckdb 1.9.9 -> {VERSION}",)


def with_statistic(lock: Lock, name: str, **values: object) -> Lock:
    rows = tuple(replace(row, **values) if row.name == name else row for row in lock.statistics)  # type: ignore[arg-type]
    return replace(lock, statistics=rows)


def test_one_key_two_values_names_the_first_stage(mixed: Pool, lock: Lock) -> None:
    other = replace(lock, subset="dcql1:" + "0" * 64)
    assert refused("E0803", lambda: run_locked(RECIPE, mixed, other)).startswith("first: subset: dcql1:000000000000 ->")
    other = with_statistic(other, "cut1", at=("0x1p-2", "'0'"))
    assert refused("E0803", lambda: run_locked(RECIPE, mixed, other)).startswith(
        "first: stage 3: cut1 = LIMIT 50 PERCENT: at"
    )
    other = with_statistic(other, "q2", digest="sha256:" + "0" * 64, by=())
    assert refused("E0803", lambda: run_locked(RECIPE, mixed, other)).startswith("first: stage 2: q2 =")
    other = with_statistic(other, "q1", value="0x1p-2")
    label = refused("E0803", lambda: run_locked(RECIPE, mixed, other))
    assert label.startswith("first: stage 1: q1 = q(1 - keep) over pool: value 0.25 (0x1p-2) ->")
    assert len(label.split("\n")) == 4


def test_counts_of_another_program_only_describe(mixed: Pool, lock: Lock) -> None:
    other = with_statistic(replace(lock, program="sha256:" + "0" * 64), "q1", n=1)
    found = check_lock(run_locked(RECIPE, mixed, other), other)
    assert found.inputs == found.results == ()
    assert [line.split(":")[0] for line in found.described] == ["program", "stage 1"]


def test_a_current_lock_passes_and_a_stale_one_shows_everything(mixed: Pool, lock: Lock, tmp_path: Path) -> None:
    path = tmp_path / "recipe.lock"
    write_lock(lock, path)
    stale(lock, lock, path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    stale(lock, lock, path)
    path.write_text(path.read_text().replace("distinct =", "distinct  ="))
    assert refused("E0801", lambda: stale(lock, lock, path)) == "layout: the file is not as `dcql lock` writes it"
    found = lock_of(run(Source("r.dcql", RECIPE.text.replace("200", "400")), mixed))
    lines = refused("E0801", lambda: stale(lock, found, path)).split("\n")
    assert [line.split(":")[0] for line in lines] == [
        "recipe", "stage 2", "stage 3", "wide", "wide", "query", "query", "query", "subset", "distinct samples",
        "program", "wide",
    ]  # fmt: skip


def test_what_only_describes_is_said_to(mixed: Pool, lock: Lock, tmp_path: Path) -> None:
    path = tmp_path / "recipe.lock"
    other = replace(lock, pool_name="elsewhere")
    write_lock(other, path)
    with pytest.raises(LockError, match="only what describes the subset differs; the subset is the same"):
        stale(other, lock, path)
    assert other.key == lock.key
    assert other.description != lock.description


# --- frozen -----------------------------------------------------------------------------------------------------------


def test_a_frozen_run_computes_no_threshold_and_no_cut(
    mixed: Pool, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_distributions", "_stored", "_find_cut"):
        monkeypatch.setattr(Statistics, name, lambda *_, name=name: pytest.fail(f"{name} ran"))
    again = run_locked(RECIPE, mixed, lock, frozen=True)
    assert again.hash == lock.subset
    assert lock_of(again) == lock


def test_a_frozen_run_uses_the_locked_value(mixed: Pool, lock: Lock) -> None:
    other = with_statistic(lock, "q1", value="0x1p-2")
    assert "subset: " in refused("E0803", lambda: run_locked(RECIPE, mixed, other, frozen=True))


def test_a_frozen_run_needs_the_statistics_of_this_version(mixed: Pool, lock: Lock) -> None:
    other = replace(lock, program="sha256:" + "0" * 64)
    assert "program" in refused("E0801", lambda: run_locked(RECIPE, mixed, other, frozen=True))


@pytest.mark.parametrize("limit", ["0", "100 PERCENT", "7", "1 PERCENT"])
def test_frozen_cuts_at_the_edges(limit: str, mixed: Pool) -> None:
    recipe = Source(
        "r", f"SELECT uid FROM pool WHERE rating >= q(0.5) ORDER BY text DESC, grp NULLS FIRST LIMIT {limit}"
    )
    lock = lock_of(run(recipe, mixed))
    assert lock_of(run_locked(recipe, mixed, lock, frozen=True)) == lock


def test_a_null_threshold_is_locked_and_frozen(store: Path) -> None:
    pool = open_pool("tiny_files")
    recipe = Source("r", "SELECT uid FROM pool WHERE score / 0 >= q(0.5 NULLS FIRST)")
    lock = lock_of(run(recipe, pool))
    assert lock.statistics[0].value == "NULL"
    assert run_locked(recipe, pool, lock, frozen=True).subset.distinct == 0


def test_found_values_keep_their_types(mixed: Pool) -> None:
    recipe = Source("r", "SELECT uid FROM pool WHERE rating >= q(0.5) AND score >= q(0.5)")
    lock = lock_of(run(recipe, mixed))
    frozen = locking.frozen_statistics(compile(recipe, mixed.schema).program, lock)
    assert {name: (type(found.value), found.type) for name, found in frozen.items()} == {
        "q1": (int, Type.INT),
        "q2": (float, Type.DOUBLE),
    }
    assert all(isinstance(found, Found) for found in frozen.values())
    assert statistics.Found is Found


def test_many_groups_are_compared_by_their_digest(mixed: Pool) -> None:
    recipe = Source("r", "SELECT uid FROM pool WHERE clip_b32 >= q(0.5 BY text)")
    lock = lock_of(run(recipe, mixed))
    row = lock.statistics[0]
    assert row.groups is not None
    assert row.groups > 64
    assert row.by == ()
    other = replace(lock, statistics=(replace(row, digest="sha256:" + "0" * 64),))
    assert changes(other, lock).results[0].startswith("stage 1: q1 = q(0.5 BY text) over pool: groups sha256:0000")
