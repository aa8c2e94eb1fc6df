"""`dcql sql --dialect spark`: Spark keeps what the oracle keeps, or the recipe is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pools
import pytest
from conformance import FILES, RECIPES, adversarial
from oracle import select

import dcql

if TYPE_CHECKING:
    import pyspark.sql

SQL = Path(__file__).parent / "spark"
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
TAKEN = sorted(set(RECIPES) - set(REFUSED))


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
@pytest.mark.parametrize("name", TAKEN)
def test_spark_keeps_what_the_oracle_keeps(
    name: str, pool: str, session: "pyspark.sql.SparkSession", folders: dict[str, Path]
) -> None:
    from spark_engine import SparkRun

    text = RECIPES[name].read_text(encoding="utf-8")
    ready = adversarial(pool)
    program = dcql.compile(RECIPES[name], ready.raw.schema).program
    assert SparkRun(session, program).bag(folders[pool]) == dict(select(text, ready.rows, files=FILES))
