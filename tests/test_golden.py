"""tests/golden/NAME.dcql with what each phase makes of it beside it: .plan, .sql, and .hash, which is the oracle's.

Recipes with features run on a pool with embeddings and assets. The oracle knows no models: there it is told what these
say, by fastText itself and by a plain argmax.

`pytest --update` writes them; a changed plan or SQL is reviewed like code, and a changed hash means another subset.
What ships, recipes/ and stdlib/, is compiled and run as well.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pools
import pytest
from conformance import ONE_THREAD, STDLIB, Ready, adversarial, make_ready, ran, shared_sessions, with_library
from conformance.models import ROWS, SEED, ready_for_models, told
from oracle import dcql1, select

import dcql
from dcql.catalog.recipes import shipped_recipes
from dcql.compiler import check
from dcql.engine.run import run
from dcql.engine.udfs import table
from dcql.errors import DcqlError
from dcql.lower import stored
from dcql.lower.lower import lower
from dcql.plan.explain import explain
from dcql.plan.passes import optimize
from dcql.source import Source
from dcql.syntax import ast
from dcql.syntax.parser import parse_library, read

FOLDER = Path(__file__).parent / "golden"
RECIPES = {path.stem: path for path in sorted(FOLDER.glob("*.dcql"))}
SHIPPED = {name: path for name, path in shipped_recipes().items() if path.stem == name or "/" in name}


@pytest.fixture(scope="module", autouse=True)
def home() -> Iterator[Path]:
    """Keep what is added and computed in a store of these tests' own."""
    with TemporaryDirectory(prefix="dcql-golden-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", folder)
        yield Path(folder)


@cache
def ready() -> Ready:
    return make_ready("golden", pools.base(ROWS, SEED))


def ready_for(name: str, home: Path) -> Ready:
    return ready_for_models(home) if uses_models(RECIPES[name]) else ready()


def uses_models(path: Path) -> bool:
    program = dcql.compile(path, ready().raw.schema).program
    return bool(program.features or program.asset_sets)


def plan_text(name: str) -> str:
    plan = check(read(RECIPES[name], f"{name}.dcql"), ready().raw.schema)
    return f"-- resolved\n{explain(plan)}\n-- optimised\n{explain(optimize(plan))}"


def sql_text(name: str) -> str:
    program = dcql.compile(read(RECIPES[name], f"{name}.dcql"), ready().raw.schema).program
    return "\n\n".join(f"-- {title}\n{statement.text};" for title, statement in program.statements()) + "\n"


def hash_text(name: str) -> str:
    text, on = RECIPES[name].read_text(encoding="utf-8"), f"pools.base({ROWS}, {SEED})"
    if uses_models(RECIPES[name]):
        bag, on = select(*told(text)), f"pools.featured.featured({on}, {SEED})"
    else:
        bag = select(with_library(text), ready().rows)
    return (
        f"{dcql1(bag)}\n"
        f"{len(bag)} samples, {sum(bag.values())} with copies, of {ROWS}\n"
        f"by the oracle (tests/oracle), on {on}\n"
    )


@pytest.mark.parametrize("kind", ["plan", "sql", "hash"])
@pytest.mark.parametrize("name", RECIPES)
def test_golden(name: str, kind: str, update: bool) -> None:
    text = {"plan": plan_text, "sql": sql_text, "hash": hash_text}[kind](name)
    path = RECIPES[name].with_suffix(f".{kind}")
    if update:
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.thinned(3)
@pytest.mark.parametrize("name", RECIPES)
def test_golden_runs_to_its_hash_before_and_after_the_passes(name: str, home: Path) -> None:
    wanted = RECIPES[name].with_suffix(".hash").read_text(encoding="utf-8").split("\n")[0]
    source = read(RECIPES[name], f"{name}.dcql")
    plan = check(source, ready().raw.schema)
    for each in (plan, optimize(plan)):
        program = lower(each)
        for form, pool in ready_for(name, home).opened:
            with shared_sessions():
                assert run(program, pool, ONE_THREAD).subset.hash == wanted, form
        assert stored.decode(stored.encode(program), source) == program


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
    if uses_models(path):
        return  # tests/test_baselines.py runs these
    for pool in ("mixed", "fp16_ties"):
        # A pool made to be adversarial keeps no promise about shares.
        unpromised = text.split("EXPECT")[0]
        wanted = dcql1(select(with_library(unpromised), adversarial(pool).rows))
        assert ran(unpromised, adversarial(pool).raw).subset.hash == wanted


@pytest.mark.parametrize("path", sorted(STDLIB.glob("*.dcql")), ids=lambda p: p.stem)
def test_every_definition_of_the_library_is_usable(path: Path) -> None:
    for statement in parse_library(read(path)).definitions:
        match statement:
            case ast.Define():
                given = f"({', '.join('0.5' for _ in statement.parameters)})" if statement.parameters else ""
                called = f"{statement.name}{given}"
                uses = [called, f"{called} IS NULL", f"clip_l14 >= {called}"]
            case ast.Feature() if statement.type.name == "EMBEDDING":
                scored = f"FEATURE s FIXED(14) USING similarity({statement.name}, {statement.name});"
                assert _compiles(f"{scored} SELECT uid FROM pool WHERE s IS NULL"), statement.name
                continue
            case ast.Feature():
                uses = [f"{statement.name} IS NULL"]
            case ast.Model():
                assert statement.name == "kmeans" or statement.name in table.LOADERS
                continue
            case _:
                uses = [f"original_width IN {statement.name}", f"text IN {statement.name}"]
        assert any(_compiles(f"SELECT uid FROM pool WHERE {use}") for use in uses), statement.name


def test_every_model_that_is_loaded_is_declared() -> None:
    declared = {
        statement.name
        for path in STDLIB.glob("*.dcql")
        for statement in parse_library(read(path)).definitions
        if isinstance(statement, ast.Model)
    }
    assert set(table.LOADERS) <= declared


def _compiles(text: str) -> bool:
    try:
        dcql.compile(Source("library use", text))
    except DcqlError:
        return False
    return True


# --- the example that the language is for -----------------------------------------------------------------------------

EXAMPLE = "SELECT uid FROM pool WHERE clip_l14 > q(0.7) AND lang='en' AND image_cluster IN imagenet_centroids"


def test_the_example_asks_its_models_last() -> None:
    program = dcql.compile(Source("example.dcql", EXAMPLE)).program
    assert [(one.feature, one.why) for one in program.demands] == [
        ("lang", "clip_l14 > q(0.7)"),
        ("image_cluster", "clip_l14 > q(0.7) AND lang = 'en'"),
    ]
    assert [one.asset.name for one in program.asset_sets] == ["imagenet_centroids"]


def test_the_example_without_its_models() -> None:
    text = EXAMPLE.split(" AND lang")[0]
    subset = ran(text, ready().raw).subset
    assert subset.hash == dcql1(select(text, ready().rows))
    assert 0.2 * ROWS < subset.distinct <= 0.3 * ROWS
