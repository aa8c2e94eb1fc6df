"""`dcql check`, `dcql plan` and `dcql sql`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.options import FormatOption, LimitsOption, PoolOption, Recipe, Recipes, SetOption, settings
from dcql.cli.shell import Format, for_each, plural, print_json, shown, stdout

if TYPE_CHECKING:
    from dcql.catalog.types import Schema
    from dcql.lower.program import Program
    from dcql.plan.nodes import Plan
    from dcql.source import Source


def check(
    recipes: Recipes,
    pool: PoolOption = None,
    set_: SetOption = None,
    limits: LimitsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Check recipes without running them: print `ok` and a summary of each, or everything that is wrong.

    Without --pool they are checked against the columns of DataComp's metadata. With --format json several recipes
    print a list.
    """
    told: list[dict[str, Any]] = []

    def check_one(named: str) -> None:
        source, plan = _checked(named, pool, set_)
        told.append({"ok": True, "recipe": source.name, **_summary(plan)})
        if format_ is Format.TEXT:
            _print_checked(source.name, told[-1])

    for_each(recipes, check_one)
    if format_ is Format.JSON:
        print_json(told if len(recipes) > 1 else told[0])


def _print_checked(name: str, summary: dict[str, Any]) -> None:
    from rich.text import Text

    reads = ", ".join(summary["columns"]) or "no column"
    words = [
        plural(len(summary["stages"]), "stage") if summary["stages"] else "",
        plural(summary["statistics"], "statistic"),
        summary["effect"],
        f"reads {reads}",
        f"asks models for {', '.join(summary['features'])}" if summary["features"] else "",
    ]
    line = Text.assemble(("ok", "bold green"), f"  {shown(name)}: ")
    line.append(", ".join(shown(word) for word in words if word))
    stdout().print(line)


def plan(
    recipe: Recipe,
    pool: PoolOption = None,
    set_: SetOption = None,
    raw: Annotated[bool, typer.Option("--raw", help="Show the plan before the passes too.")] = False,
) -> None:
    """Print what a recipe means: its stages, clauses and statistics, as a tree.

    With --pool, then what a run on it would ask of models: of how many samples, for how many of these the answer is not
    stored, and how long computing it takes. Nothing is computed or stored.
    """
    from dcql.plan import nodes
    from dcql.plan.explain import explain
    from dcql.plan.passes import optimize
    from dcql.plan.statistics import statistics

    _, resolved = _checked(recipe, pool, set_)
    if raw:
        print("-- before the passes")
        print(explain(resolved))
        print("-- after the passes")
    optimized = optimize(resolved)
    print(explain(optimized), end="")
    if pool is not None and any(isinstance(name, nodes.Feature) for name in statistics(optimized).names):
        _print_demands(optimized, pool)


class Dialect(StrEnum):
    """Whose SQL is printed: DuckDB's, which runs, or what means the same in Spark."""

    DUCKDB = "duckdb"
    SPARK = "spark"


def sql(
    recipe: Recipe,
    pool: PoolOption = None,
    set_: SetOption = None,
    dialect: Annotated[
        Dialect, typer.Option("--dialect", help="DuckDB's SQL, which runs; or a preview for Spark, where there is one.")
    ] = Dialect.DUCKDB,
) -> None:
    """Print every SQL statement of a recipe, in the order in which they run.

    All read `samples`, which comes first; $files are the pool's, $q1, $q2, .. the values that earlier statements gave.
    A recipe that would keep other samples in Spark, or is not known to keep the same there, is refused.
    """
    from dcql.compiler import compile

    program = compile(recipe, _schema(pool), settings(set_)).program
    text = _spark_text(program) if dialect is Dialect.SPARK else _sql_text(program)
    console = stdout()
    if not console.is_terminal:
        print(text, end="")
        return
    from rich.syntax import Syntax

    highlighted = Syntax("", "sql", theme="ansi_dark", background_color="default").highlight(text)
    highlighted.rstrip()
    console.print(highlighted)


def _sql_text(program: "Program") -> str:
    statements = [("samples: what the others read", program.samples.raw), *program.statements()]
    return "\n".join(f"-- {_comment(title)}\n{statement.text};\n" for title, statement in statements)


_SPARK_NOTE = """\
-- A preview: dcql runs recipes in DuckDB alone. For Spark 3.4 or later, with its binary collation.
-- `pool` is a table with the pool's columns; :q1 and the like are values that earlier statements give.
"""


def _spark_text(program: "Program") -> str:
    from dcql.lower.spark import ranks, spark

    statements = (f"-- {_comment(one.title)}\n{one.text};\n" for one in spark(program))
    told = "".join(f"-- {_comment(line)}\n" for line in ranks(program))
    return "\n".join([_SPARK_NOTE + told, *statements])


def _print_demands(plan: "Plan", pool: str) -> None:
    from dcql.cli.demo import pool_or_demo
    from dcql.cli.progress import progress
    from dcql.cli.render_features import draw_demands
    from dcql.engine.duck import Resources
    from dcql.engine.features.counting import count_demands
    from dcql.engine.features.rates import rate

    opened = pool_or_demo(pool)
    with progress() as tell:
        counted = count_demands(plan, opened, Resources(), tell)
    rates = {one.spec.model.name: rate(one.spec.model.name) for one in counted}
    draw_demands(stdout(), opened.name, counted, rates)


def _checked(recipe: str, pool: str | None, set_: list[str] | None) -> "tuple[Source, Plan]":
    from dcql.catalog.recipes import find_recipe
    from dcql.compiler import check

    source, path = find_recipe(recipe)
    return source, check(source, _schema(pool), settings(set_), path)


def _schema(pool: str | None) -> "Schema":
    from dcql.catalog.types import DATACOMP
    from dcql.cli.demo import pool_or_demo

    return pool_or_demo(pool).schema if pool is not None else DATACOMP


def _summary(checked: "Plan") -> dict[str, Any]:
    from dcql.plan import nodes
    from dcql.plan.effects import effect
    from dcql.plan.passes import optimize
    from dcql.plan.statistics import statistics

    plan = optimize(checked)
    relations = [*(stage.relation for stage in plan.stages), plan.query]
    found = [node for relation in relations for node in nodes.walk(relation)]
    features = {one.name for node in found if isinstance(node, nodes.Feature) for one in node.spec.chain}
    assets = {node.set.name for node in found if isinstance(node, nodes.InSet) and isinstance(node.set, nodes.AssetSet)}
    return {
        "stages": [stage.name for stage in plan.stages if not stage.demand],
        "statistics": sum(not isinstance(node, nodes.Feature) for node in statistics(plan).names),
        "effect": effect(plan).name.lower(),
        "columns": sorted({node.name for node in found if isinstance(node, nodes.Column)}),
        "features": sorted(features),
        "assets": sorted(assets),
    }


def _comment(title: str) -> str:
    """Keep a title on the line of its comment."""
    return shown(" ".join(title.split()))
