"""tests/golden/NAME.dcql with what each phase makes of it beside it: .plan, .sql, and .hash, which is the oracle's.

`pytest --update` writes them; a changed plan or SQL is reviewed like code, and a changed hash means another subset.
What ships, recipes/ and stdlib/, is compiled and run as well.
"""

from functools import cache
from pathlib import Path

import pools
import pytest
from conformance import ONE_THREAD, STDLIB, Ready, adversarial, make_ready, ran, shared_sessions, with_library
from oracle import dcql1, select

import dcql
from dcql.catalog.recipes import shipped_recipes
from dcql.compiler import check
from dcql.engine.run import run
from dcql.errors import DcqlError, RunError
from dcql.lower.lower import lower
from dcql.plan.explain import explain
from dcql.plan.passes import optimize
from dcql.source import Source
from dcql.syntax.parser import read

FOLDER = Path(__file__).parent / "golden"
RECIPES = {path.stem: path for path in sorted(FOLDER.glob("*.dcql"))}
SHIPPED = {name: path for name, path in shipped_recipes().items() if path.stem == name or "/" in name}
SEED, ROWS = 2304, 500


@cache
def ready() -> Ready:
    return make_ready("golden", pools.base(ROWS, SEED))


def plan_text(name: str) -> str:
    plan = check(read(RECIPES[name], f"{name}.dcql"), ready().raw.schema)
    return f"-- resolved\n{explain(plan)}\n-- optimised\n{explain(optimize(plan))}"


def sql_text(name: str) -> str:
    program = dcql.compile(read(RECIPES[name], f"{name}.dcql"), ready().raw.schema).program
    return "\n\n".join(f"-- {title}\n{statement.text};" for title, statement in program.statements()) + "\n"


def hash_text(name: str) -> str:
    bag = select(with_library(RECIPES[name].read_text(encoding="utf-8")), ready().rows)
    return (
        f"{dcql1(bag)}\n"
        f"{len(bag)} samples, {sum(bag.values())} with copies, of {ROWS}\n"
        f"by the oracle (tests/oracle), on pools.base({ROWS}, {SEED})\n"
    )


@pytest.mark.parametrize("kind", ["plan", "sql", "hash"])
@pytest.mark.parametrize("name", RECIPES)
def test_golden(name: str, kind: str, update: bool) -> None:
    text = {"plan": plan_text, "sql": sql_text, "hash": hash_text}[kind](name)
    path = RECIPES[name].with_suffix(f".{kind}")
    if update:
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", RECIPES)
def test_golden_runs_to_its_hash_before_and_after_the_passes(name: str) -> None:
    wanted = RECIPES[name].with_suffix(".hash").read_text(encoding="utf-8").split("\n")[0]
    plan = check(read(RECIPES[name], f"{name}.dcql"), ready().raw.schema)
    for each in (plan, optimize(plan)):
        for form, pool in ready().opened:
            with shared_sessions():
                assert run(lower(each), pool, ONE_THREAD).subset.hash == wanted, form


def test_nothing_lies_about() -> None:
    kinds = {path.suffix for path in FOLDER.iterdir()}
    assert kinds == {".dcql", ".plan", ".sql", ".hash"}
    assert len(list(FOLDER.iterdir())) == 4 * len(RECIPES)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_compiles_and_runs(name: str) -> None:
    path = SHIPPED[name]
    text = path.read_text(encoding="utf-8")
    plan = check(read(path), path=path)
    assert explain(plan)
    if needs_a_model(path):
        return
    for pool in ("mixed", "fp16_ties"):
        # A pool made to be adversarial keeps no promise about shares.
        unpromised = text.split("EXPECT")[0]
        wanted = dcql1(select(with_library(unpromised), adversarial(pool).rows))
        assert ran(unpromised, adversarial(pool).raw).subset.hash == wanted


def needs_a_model(path: Path) -> bool:
    try:
        dcql.compile(path)
    except RunError as error:
        return {diagnostic.code for diagnostic in error.diagnostics} == {"E0601"}
    return False


@pytest.mark.parametrize("path", sorted(STDLIB.glob("*.dcql")), ids=lambda p: p.stem)
def test_every_definition_of_the_library_is_usable(path: Path) -> None:
    from dcql.syntax import ast
    from dcql.syntax.parser import parse_library

    for statement in parse_library(read(path)).definitions:
        assert isinstance(statement, ast.Define)
        given = f"({', '.join('0.5' for _ in statement.parameters)})" if statement.parameters else ""
        uses = (f"{statement.name}{given}", f"{statement.name}{given} IS NULL", f"clip_l14 >= {statement.name}{given}")
        assert any(_compiles(f"SELECT uid FROM pool WHERE {use}") for use in uses), statement.name


def _compiles(text: str) -> bool:
    try:
        dcql.compile(Source("library use", text))
    except DcqlError as error:
        return {diagnostic.code for diagnostic in error.diagnostics} == {"E0601"}
    return True


# --- the example that the language is for -----------------------------------------------------------------------------

EXAMPLE = "SELECT uid FROM pool WHERE clip_l14 > q(0.7) AND lang='en' AND image_cluster IN imagenet_centroids"


def test_the_example_checks_and_says_what_it_needs() -> None:
    assert check(Source("example.dcql", EXAMPLE))
    with pytest.raises(RunError) as caught:
        dcql.compile(Source("example.dcql", EXAMPLE))
    found = {(diagnostic.code, diagnostic.span.text) for diagnostic in caught.value.diagnostics if diagnostic.span}
    assert found == {("E0601", name) for name in ("lang", "image_cluster", "imagenet_centroids")}


def test_the_example_runs_without_its_models() -> None:
    text = EXAMPLE.split(" AND lang")[0]
    subset = ran(text, ready().raw).subset
    assert subset.hash == dcql1(select(text, ready().rows))
    assert 0.2 * ROWS < subset.distinct <= 0.3 * ROWS
