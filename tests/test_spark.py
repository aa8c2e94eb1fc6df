"""`dcql sql --dialect spark`: Spark keeps what the oracle keeps, or the recipe is refused.

tests/spark/NAME.sql is what is printed for tests/conformance/NAME.dcql. Where pyspark and Java are installed, Spark
runs it, and is held to the oracle; and it is asked whether it would really answer otherwise where a recipe is refused.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pools
import pytest
import sqlglot
from conformance import FILES, RECIPES, adversarial, compiled
from oracle import OracleError, select

import dcql
from dcql.catalog.types import DATACOMP
from dcql.errors import RecipeError
from dcql.lower.spark import spark
from dcql.source import Source

if TYPE_CHECKING:
    import pyspark.sql

SQL = Path(__file__).parent / "spark"
# Recipes whose SQL is kept to be read: every kind of statement there is.
PRINTED = ("bare_comparisons", "distinct_on", "limit_percent", "q_by", "q_nulls_first", "sets_of_values", "text_order")
# What Spark is not known to compute alike, by the recipes of tests/conformance/ that hold it.
REFUSED = {
    "least_and_greatest": "a value that is used several times",
    "library_names_are_hidden": "128 bits",
    "minus_zero_is_zero": "Spark divides FLOATs",
    "no_sample_raises": "128 bits",
    "numbers_meet": "Spark divides FLOATs",
    "parentheses_and_precedence": "128 bits",
    "q_by_of_a_stage": "regular expressions",
    "q_of_a_stage": "regular expressions",
    "q_of_an_expression": "128 bits",
    "text_functions": "regular expressions",
    "text_patterns": "backslash",
    "whole_numbers": "128 bits",
    "words_and_lengths": "not known to mean the same",
}


NOT_REFUSED = sorted(RECIPES.keys() - REFUSED.keys())  # by a reason that is asked for here


def program_of(name: str) -> Any:
    """Compile a recipe of tests/conformance/."""
    return compiled(RECIPES[name], adversarial("mixed").raw.schema)


@cache
def printed(name: str) -> tuple[Any, ...]:
    """Return the Spark SQL of a recipe, statement by statement; none where it is refused."""
    try:
        return tuple(spark(program_of(name)))
    except RecipeError:
        return ()


def program(text: str) -> Any:
    """Compile a text over DataComp's columns."""
    return dcql.compile(Source("mine.dcql", text), DATACOMP).program


def refused(text: str) -> list[str]:
    """Return why a recipe has no Spark SQL, one reason a fault."""
    with pytest.raises(RecipeError) as caught:
        spark(program(text))
    assert {one.code for one in caught.value.diagnostics} == {"E1541"}
    return [one.label for one in caught.value.diagnostics]


@pytest.mark.parametrize("name", PRINTED)
def test_printed(name: str, update: bool) -> None:
    text = "\n\n".join(f"-- {one.title}\n{one.text};" for one in printed(name)) + "\n"
    path = SQL / f"{name}.sql"
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8")


def test_most_recipes_are_taken() -> None:
    assert sum(printed(name) != () for name in NOT_REFUSED) > 40


@pytest.mark.parametrize("name", NOT_REFUSED)
def test_what_is_printed_is_spark_sql(name: str) -> None:
    for statement in printed(name):
        parsed = sqlglot.parse_one(statement.text, read="spark")
        assert not list(parsed.find_all(sqlglot.exp.Command)), statement.text
        assert parsed.sql(dialect="spark", pretty=True).upper() == statement.text.upper()


@pytest.mark.parametrize("name", REFUSED)
def test_recipes_that_are_refused(name: str) -> None:
    with pytest.raises(RecipeError) as caught:
        spark(program_of(name))
    assert any(REFUSED[name] in one.label for one in caught.value.diagnostics)


# A condition over DataComp's columns, and why it is refused.
CONDITIONS = {
    "regexp_matches(text, '\\bcat\\b')": "regular expressions",
    "regexp_matches(text, 'cat.')": "regular expressions",
    "regexp_matches(text, '(?i)cat')": "regular expressions",
    "regexp_matches(text, 'cat$')": "regular expressions",
    "regexp_matches(text, '[a-z&&[aeiou]]')": "regular expressions",
    "text LIKE '50\\%'": "backslash",
    "text LIKE url": "backslash",
    "text = '${spark.app.name}'": "${..}",
    "text = 'a\u2028b'": "chr()",
    "clip_l14 / clip_b32 > 1": "divides FLOATs",
    "width * height > 100": "128 bits",
    "width % 7 = 0": "128 bits",
    "abs(width) > 5": "128 bits",
    "python_words(text) > 2": "regular expressions",
    "fasttext_words(text) > 2": "not known to mean the same",
    "lang = 'en'": "what models make",
    "image_cluster IN imagenet_centroids": "what models make",
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_that_are_refused(condition: str) -> None:
    reasons = refused(f"SELECT uid FROM pool WHERE {condition}")
    assert any(CONDITIONS[condition] in reason for reason in reasons), reasons


def test_names_that_differ_in_capitals_are_refused() -> None:
    reasons = refused(
        "WITH Best AS (SELECT uid FROM pool WHERE width > 1), best AS (SELECT uid FROM pool WHERE width > 2)\n"
        "SELECT uid FROM Best UNION SELECT uid FROM best"
    )
    assert any("does not tell capitals apart" in reason for reason in reasons)


def test_every_node_that_is_not_on_the_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from dcql.lower import spark as module

    monkeypatch.setattr(module, "_ALIKE", tuple(one for one in module._ALIKE if one is not sqlglot.exp.Abs))
    assert refused("SELECT uid FROM pool WHERE abs(clip_l14) > 0.2") == [module._UNKNOWN]


# --- Spark itself -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[True, False], ids=["ansi", "not_ansi"])
def session(request: pytest.FixtureRequest) -> "Iterator[pyspark.sql.SparkSession]":
    """Spark, with the two settings for what cannot be computed."""
    pytest.importorskip("pyspark", reason="needs pyspark and Java")
    from spark_engine import start

    spark_session = start(ansi=request.param)
    yield spark_session
    spark_session.stop()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The adversarial pools as parquet files."""
    folder = tmp_path_factory.mktemp("spark")
    for name, make in pools.ADVERSARIAL.items():
        pools.write(make(), folder / name)
    return {name: folder / name for name in pools.ADVERSARIAL}


@pytest.mark.slow
@pytest.mark.parametrize("pool", pools.ADVERSARIAL)
@pytest.mark.parametrize("name", NOT_REFUSED)
def test_spark_keeps_what_the_oracle_keeps(
    name: str, pool: str, session: "pyspark.sql.SparkSession", folders: dict[str, Path]
) -> None:
    from spark_engine import SparkRun

    if printed(name) == ():
        pytest.skip("has no Spark SQL")
    text = RECIPES[name].read_text(encoding="utf-8")
    ready = adversarial(pool)
    program = dcql.compile(RECIPES[name], ready.raw.schema).program
    try:
        wanted = dict(select(text, ready.rows, files=FILES))
    except OracleError:
        wanted = None
    assert SparkRun(session, program).bag(folders[pool]) == wanted


# What Spark says where DuckDB's answer, which is the recipe's, is the other one: the reason for a refusal.
OTHERWISE = {
    # A FLOAT divided by a FLOAT is a DOUBLE.
    "CAST(1 AS FLOAT) / CAST(3 AS FLOAT) = CAST(CAST(1 AS FLOAT) / CAST(3 AS FLOAT) AS FLOAT)": False,
    # The backslash is an escape: of what LIKE matches elsewhere, this matches nothing.
    r"'50\\x' LIKE '50\\%'": False,
    # An accented capital is no variant of its small letter without a further flag.
    "'\u00c9' RLIKE '(?i)\u00e9'": False,
    # `.` leaves out a carriage return too, and `$` stands before a last line break.
    "'a\r' RLIKE 'a.'": False,
    "'cat\n' RLIKE 'cat$'": True,
    # `&&` intersects classes.
    "'&]' RLIKE '[a-z&&[aeiou]]'": False,
    # chr() takes its argument modulo 256.
    "chr(8232) = '\u2028'": False,
}


@pytest.mark.slow
@pytest.mark.parametrize("expression", OTHERWISE)
def test_spark_answers_otherwise_where_a_recipe_is_refused(
    expression: str, session: "pyspark.sql.SparkSession"
) -> None:
    assert session.sql(f"SELECT {expression} AS answer").collect()[0]["answer"] is OTHERWISE[expression]


@pytest.mark.slow
def test_duckdb_answers_the_other_way() -> None:
    import duckdb

    one_third = "CAST(1 AS FLOAT) / CAST(3 AS FLOAT) = CAST(CAST(1 AS FLOAT) / CAST(3 AS FLOAT) AS FLOAT)"
    asked = (
        one_third,
        r"'50\x' LIKE '50\%'",
        "regexp_matches('\u00c9', '(?i)\u00e9')",
        "regexp_matches('a' || chr(13), 'a.')",
        "NOT regexp_matches('cat' || chr(10), 'cat$')",
        "regexp_matches('&]', '[a-z&&[aeiou]]')",
        "chr(8232) = '\u2028'",
    )
    assert duckdb.sql(f"SELECT {', '.join(asked)}").fetchall() == [(True,) * len(asked)]
