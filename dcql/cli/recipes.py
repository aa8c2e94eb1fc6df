"""`dcql check`, `dcql plan`, `dcql sql` and `dcql recipes`."""

import itertools
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.options import FormatOption, LimitsOption, PoolOption, Recipe, Recipes, SetOption, settings
from dcql.cli.shell import Format, for_each, plural, print_json, shown, stdout

if TYPE_CHECKING:
    from dcql.catalog.types import Schema
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


def sql(recipe: Recipe, pool: PoolOption = None, set_: SetOption = None) -> None:
    """Print every SQL statement of a recipe, in the order in which they run.

    All read `samples`, which comes first; $files are the pool's, $q1, $q2, .. the values that earlier statements gave.
    """
    from dcql.compiler import compile

    program = compile(recipe, _schema(pool), settings(set_)).program
    statements = [("samples: what the others read", program.samples.raw), *program.statements()]
    text = "\n".join(f"-- {_comment(title)}\n{statement.text};\n" for title, statement in statements)
    console = stdout()
    if not console.is_terminal:
        print(text, end="")
        return
    from rich.syntax import Syntax

    highlighted = Syntax("", "sql", theme="ansi_dark", background_color="default").highlight(text)
    highlighted.rstrip()
    console.print(highlighted)


def recipes(format_: FormatOption = Format.TEXT) -> None:
    """List the recipes that ship with dcql."""
    from dcql.catalog.recipes import shipped_recipes

    rows: dict[Any, tuple[str, str]] = {}
    for name, path in shipped_recipes().items():
        # A recipe has a short name and its path: the short one is shown.
        if path not in rows or len(name) < len(rows[path][0]):
            rows[path] = name, _first_comment(path.read_text(encoding="utf-8"))
    ordered = sorted(rows.values())
    if format_ is Format.JSON:
        print_json([{"name": name, "summary": summary} for name, summary in ordered])
        return
    from rich.text import Text

    console = stdout()
    width = max((len(name) for name, _ in ordered), default=0)
    for name, summary in ordered:
        line = Text.assemble((name.ljust(width), "bold"), f"  {summary}")
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line)


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


def _first_comment(text: str) -> str:
    """Return the first sentence of the comment that a recipe begins with."""
    lines = itertools.takewhile(lambda line: line.startswith("--"), text.lstrip().split("\n"))
    comment = " ".join(line.removeprefix("--").strip() for line in lines)
    return shown(comment.split(". ", 1)[0].rstrip("."))
