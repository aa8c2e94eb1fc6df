"""What DuckDB is told for a run that compares one number of each sample, and that it answers the same."""

from pathlib import Path

import pytest
from sqlglot import expressions as exp

from dcql.catalog.pool import Pool
from dcql.compiler import compile
from dcql.demo_pool import open_or_make
from dcql.engine.duck import Resources, Source, session
from dcql.engine.light import paths_of, resources_of
from dcql.lower import sql
from dcql.lower.marks import without_case
from dcql.lower.program import Program
from dcql.lower.statement import Statement
from dcql.source import Source as Text

TWO = Resources(threads=2, memory=10**9)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return open_or_make("demo")


def program(pool: Pool, text: str) -> Program:
    return compile(Text("recipe", text), pool.schema).program


@pytest.mark.parametrize(
    "where",
    ["clip_l14 >= 0.2", "clip_l14 >= q(0.7)", "NOT clip_b32 < q(0.5)", "clip_l14 IS NULL"],
)
def test_one_thread_for_one_clause(where: str, pool: Pool) -> None:
    light = program(pool, f"SELECT uid FROM pool WHERE {where}")
    assert resources_of(light, pool, TWO) == Resources(threads=1, memory=10**9)
    assert paths_of(light, pool) == tuple(str(file.sidecar) for file in pool.files)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT uid FROM pool WHERE clip_l14 >= q(0.7) AND clip_l14 < 0.9",  # two clauses
        "SELECT uid FROM pool WHERE least(original_width, original_height) > 200",  # two columns
        "SELECT uid FROM pool WHERE clip_l14 + clip_b32 >= q(0.7 OF pool)",  # a statistic that is not stored
        "SELECT uid FROM pool WHERE clip_l14 >= 0.2 ORDER BY clip_l14 DESC LIMIT 10",  # sorts
    ],
)
def test_all_threads_where_there_is_more_to_do(text: str, pool: Pool) -> None:
    more = program(pool, text)
    assert more.samples.sidecar is None or paths_of(more, pool) == tuple(str(file.sidecar) for file in pool.files)
    assert resources_of(more, pool, TWO) is TWO


@pytest.mark.parametrize(
    "where",
    ["english_caption", "clip_l14 >= q(0.7) AND lang = 'en'", "clip_l14 > 0.2 AND image_cluster IN imagenet_centroids"],
)
def test_one_thread_for_files_beside_one_another(where: str, pool: Pool) -> None:
    beside = program(pool, f"SELECT uid FROM pool WHERE {where}").over(pool)
    assert resources_of(beside, pool, TWO) == Resources(threads=1, memory=10**9)
    assert set(paths_of(beside, pool)) > {file.path for file in pool.files}


def test_all_threads_where_they_are_scanned_for_a_statistic(pool: Pool) -> None:
    en = "WITH en AS (SELECT uid FROM pool WHERE english_caption)"
    scanned = program(pool, f"{en} SELECT uid FROM en WHERE clip_l14 > q(0.7 OF en)")
    assert resources_of(scanned, pool, TWO) is TWO


def test_what_sidecars_do_not_hold_is_read_from_the_files(pool: Pool) -> None:
    more = program(pool, "SELECT uid FROM pool WHERE python_words(text) > 5")
    assert resources_of(more, pool, TWO) is TWO
    assert set(paths_of(more, pool)) > {file.path for file in pool.files}


def test_a_raw_pool_has_no_sidecars(pool: Pool) -> None:
    from dcql.catalog.pool import open_pool

    raw = open_pool(pool.source)
    light = program(raw, "SELECT uid FROM pool WHERE clip_l14 >= 0.2")
    assert resources_of(light, raw, TWO) is TWO
    assert paths_of(light, raw) == tuple(file.path for file in raw.files)


def flag(then: int, otherwise: int) -> sql.Sql:
    return sql.small(sql.case([(sql.column("c"), sql.integer(then))], sql.integer(otherwise)))


def test_a_flag_is_written_by_is_true() -> None:
    assert without_case(flag(1, 0)).sql("duckdb") == 'CAST("c" IS TRUE AS USMALLINT)'


@pytest.mark.parametrize(
    "other",
    [
        flag(2, 0),
        flag(1, 1),
        sql.unsigned(sql.case([(sql.column("c"), sql.integer(1))], sql.integer(0))),
        sql.small(sql.case([(sql.column("c"), sql.integer(1)), (sql.column("d"), sql.integer(1))], sql.integer(0))),
    ],
)
def test_nothing_else_is(other: exp.Expression) -> None:
    before = other.sql("duckdb")
    assert without_case(other).sql("duckdb") == before


def test_both_forms_are_the_same_for_true_false_and_null(tmp_path: Path) -> None:
    rows = "(VALUES (TRUE), (FALSE), (NULL)) AS t(c)"
    written = [form.sql("duckdb") for form in (flag(1, 0), without_case(flag(1, 0)))]
    with session((), Resources(1)) as opened:
        statement = Statement(f"SELECT {', '.join(written)} FROM {rows}", ())
        assert opened.rows(statement, Source(Statement("SELECT 1", ()), ()), {}) == [(1, 1), (0, 0), (0, 0)]
