"""`dcql plan` and `dcql sql`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dcql.cli.options import PoolOption, Recipe, SetOption, settings
from dcql.cli.shell import shown, stdout

if TYPE_CHECKING:
    from dcql.catalog.types import Schema
    from dcql.lower.program import Program
    from dcql.plan.nodes import Plan
    from dcql.source import Source


def plan(
    recipe: Recipe,
    pool: PoolOption = None,
    set_: SetOption = None,
    raw: Annotated[bool, typer.Option("--raw", help="Show the plan before the passes too.")] = False,
) -> None:
    """Print what a recipe means: its stages, clauses and statistics, as a tree.

    With --pool, then which lengths of texts a run on it takes from what was added, and what it would ask of models: of
    how many samples, for how many of these the answer is not stored, and how long computing it takes. Nothing is
    computed or stored.
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
    if pool is not None:
        _print_lengths(optimized, pool)
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


def _print_lengths(plan: "Plan", pool: str) -> None:
    from dcql.catalog.lengths import length_name
    from dcql.cli.demo import pool_or_demo
    from dcql.plan.lengths import kept_lengths, lengths_of

    lengths = lengths_of(kept_lengths(plan))
    if not lengths:
        return
    opened = pool_or_demo(pool)
    print(f"\nlengths of texts on {shown(opened.name)}")
    for one in lengths:
        name = shown(length_name(one.function, one.column))
        kept = one.column in opened.lengths
        print(f"  {name}: {'kept, so that no text is read for it' if kept else 'counted in each text'}")
    if opened.added and not {one.column for one in lengths} <= set(opened.lengths):
        print(f"  `dcql pool add {shown(opened.name)} {shown(opened.source)}` counts them once")


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


def _comment(title: str) -> str:
    """Keep a title on the line of its comment."""
    return shown(" ".join(title.split()))
