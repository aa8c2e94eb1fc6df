"""Sets of small whole numbers asked by flags: the subset of the second implementation, and of the other form."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pools
import pytest
from oracle import dcql1, select

from dcql.catalog.pool import Pool
from dcql.compiler import Compiled, compile, run_compiled
from dcql.engine.add import add
from dcql.engine.duck import Session
from dcql.lower.statement import FLAGS

LEAST, MOST = -(2**63), 2**63 - 1
# On both sides of all that a list of flags may have, and of what a number can be.
NUMBERS = [None, LEAST, -FLAGS, -2, -1, 0, 1, 2, 7, FLAGS - 1, FLAGS, FLAGS + 1, 2 * FLAGS, 2**32 + 1, MOST - 1, MOST]
BY_FLAGS = {
    "nothing": [],
    "zero": [0],
    "a few": [0, 1, 7],
    "the last that has a flag": [2, FLAGS - 1],
    "what no sample has": [5, 6],
}
BY_TABLES = {"below zero": [-1, 0, 7], "beyond the flags": [1, FLAGS], "far beyond": [7, MOST], "the least": [LEAST]}
SETS = BY_FLAGS | BY_TABLES
# One copy where it is TRUE, two where it is FALSE, three where it is NULL.
ALL_THREE = "SELECT uid, CASE WHEN {0} THEN 1 WHEN NOT {0} THEN 2 ELSE 3 END AS copies FROM pool"


@pytest.fixture(scope="module")
def rows() -> pools.Pool:
    """Every number beside every other, twice."""
    pairs = [(one, other) for one in NUMBERS for other in NUMBERS] * 2
    columns = {"original_width": [one for one, _ in pairs], "original_height": [other for _, other in pairs]}
    return pools.base(len(pairs), 3).with_columns(**columns)


@pytest.fixture(scope="module")
def pool(rows: pools.Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    here = tmp_path_factory.mktemp("numbers")
    pools.write(rows, here / "pool", layout=pools.Layout(files=3, permutation=5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(here / "home"))
        yield add("numbers", here / "pool")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The statements whose marks are read."""
    found: list[Any] = []
    marks = Session.marks

    def told(self: Session, statement: Any, *rest: Any) -> Any:
        found.append(statement)
        return marks(self, statement, *rest)

    monkeypatch.setattr(Session, "marks", told)
    return found


Compiling = Callable[[str, str], tuple[Compiled, str]]


@pytest.fixture
def compiling(rows: pools.Pool, pool: Pool, tmp_path: Path) -> Compiling:
    """Compile a query over sets; return it with the hash that the second implementation gives it."""

    def compiled(named: str, query: str) -> tuple[Compiled, str]:
        files = {"s.txt": text(SETS[named]), "zero.txt": text([0])}
        statements = []
        for path, content in files.items():
            (tmp_path / path).write_bytes(content)
            sha256 = hashlib.sha256(content).hexdigest()
            statements.append(f"SET {path.partition('.')[0]} FROM '{path}' SHA256 '{sha256}';")
        recipe = "\n".join([*statements, f"{query};"])
        (tmp_path / "recipe.dcql").write_text(recipe)
        expected = dcql1(select(recipe, rows, files=files))
        return compile(tmp_path / "recipe.dcql", pool.schema), expected

    return compiled


def text(values: list[int]) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()


@pytest.mark.parametrize(
    "query", [ALL_THREE.format("original_width IN s"), "SELECT uid FROM pool WHERE original_width NOT IN s"]
)
@pytest.mark.parametrize("named", SETS)
def test_membership(named: str, query: str, compiling: Compiling, pool: Pool, asked: list[Any]) -> None:
    compiled, expected = compiling(named, query)
    marks = compiled.program.marks
    assert marks is not None
    assert marks.flagged
    assert run_compiled(compiled, pool).subset.hash == expected
    assert (marks.statement in asked) == (named in BY_FLAGS)
    asked.clear()
    plain = replace(compiled, program=replace(compiled.program, marks=None))
    assert run_compiled(plain, pool).subset.hash == expected
    assert asked == []


@pytest.mark.parametrize("named", ["nothing", "a few", "beyond the flags"])
def test_beside_other_sets(named: str, compiling: Compiling, pool: Pool, asked: list[Any]) -> None:
    """All of them are asked by flags, or none."""
    where = "(original_width IN s OR original_height + 1 NOT IN zero) AND original_height % 3 NOT IN s"
    compiled, expected = compiling(named, ALL_THREE.format(f"({where})"))
    assert run_compiled(compiled, pool).subset.hash == expected
    assert bool(asked) == (named in BY_FLAGS)


def test_a_query_that_looks_up_anything_else_has_no_flags(compiling: Compiling, pool: Pool, asked: list[Any]) -> None:
    query = "SELECT uid FROM pool WHERE original_width IN s AND grp >= q(0.5 BY rating)"
    compiled, expected = compiling("a few", query)
    assert compiled.program.marks is None
    assert run_compiled(compiled, pool).subset.hash == expected
    assert asked == []
