"""The messages about coverage; a file of errors/ is one, <tmp> for the test's folder."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from covered.conftest import Covered, silent

import dcql
from dcql.catalog.coverage import coverage_folder
from dcql.catalog.pool import open_pool
from dcql.codes.coverage import CODES
from dcql.engine.coverage.run import cover
from dcql.errors import RunError
from dcql.source import Source

ERRORS = Path(__file__).parent / "errors"
RECIPE = Source("recipe.dcql", "SELECT uid FROM pool WHERE available;")


def nothing_recorded(covered: Covered) -> None:
    dcql.run(RECIPE, covered.pool)


def nothing_recorded_of_a_folder(covered: Covered) -> None:
    dcql.run(RECIPE, covered.folder)


def a_new_file(covered: Covered) -> None:
    covered.cover()
    covered.write_metadata(rows=41)
    dcql.run(RECIPE, covered.pool)


def a_garbled_record(covered: Covered) -> None:
    covered.cover()
    (coverage_folder(covered.pool) / "coverage.json").write_text('{"version": 1}')
    dcql.run(RECIPE, covered.pool)


def states_cut_off(covered: Covered) -> None:
    covered.cover()
    for path in (coverage_folder(covered.pool) / "states").iterdir():
        path.write_bytes(path.read_bytes()[:130])
    dcql.run(RECIPE, covered.pool)


def states_of_others(covered: Covered) -> None:
    covered.cover()
    for path in (coverage_folder(covered.pool) / "states").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"\1")
    dcql.run(RECIPE, covered.pool)


def a_raw_pool(covered: Covered) -> None:
    cover(open_pool(covered.folder), None, silent)


def shards_of_another_pool(covered: Covered) -> None:
    covered.cover()
    for number in range(4):
        covered.write_tar(number, range(100 + number, 103 + number))
    try:
        covered.cover()
    finally:
        assert dcql.run(RECIPE, covered.pool).subset.distinct == 40


CASES: dict[str, Callable[[Covered], None]] = {
    "E0680_nothing_recorded": nothing_recorded,
    "E0680_nothing_recorded_of_a_folder": nothing_recorded_of_a_folder,
    "E0681_a_new_file": a_new_file,
    "E0682_a_garbled_record": a_garbled_record,
    "E0682_states_cut_off": states_cut_off,
    "E0683_a_raw_pool": a_raw_pool,
    "E0684_shards_of_another_pool": shards_of_another_pool,
    "E0682_states_of_others": states_of_others,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, covered: Covered, update: bool) -> None:
    with pytest.raises(RunError) as caught:
        CASES[name](covered)
    said = (
        re.sub(
            r"(?<=<tmp>/home/coverage/)[0-9a-f]{32}|[0-9a-f]{32}(?=\.(npy|parquet))",
            "DIGEST",
            str(caught.value).replace(str(covered.folder.parent), "<tmp>"),
        )
        + "\n"
    )
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")
    assert caught.value.diagnostics[0].code == name[:5]
    assert re.search(r"= help: \S", said)


def test_every_code_has_a_message() -> None:
    assert {row.code for row in CODES} == {name[:5] for name in CASES}
