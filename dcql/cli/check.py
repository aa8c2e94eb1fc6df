"""`dcql check`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.options import FormatOption, LimitsOption, PoolOption, Recipe, SetOption, settings
from dcql.cli.rewriting import Rewritten, print_diff, write
from dcql.cli.shell import Format, coloured, plural, print_json, shown, stderr, stdout
from dcql.errors import Diagnostic, LintError, render

if TYPE_CHECKING:
    from rich.text import Text

    from dcql.catalog.pool import Pool
    from dcql.plan.nodes import Plan

_MARK = "\ufeff"


def check(
    recipe: Recipe,
    pool: PoolOption = None,
    set_: SetOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where the recipe has lints: exit with 1.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write the fixes of lints that have one into the recipe's file.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what --fix would change.")] = False,
    limits: LimitsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Check a recipe without running it: print `ok` and a summary, or everything that is wrong.

    Lints are told too: what a recipe likely does not mean. With --pool, the pool's samples are looked at for some of
    them; no model computes anything. Without it, the recipe is checked against the columns of DataComp's metadata.
    """
    from dcql.catalog.recipes import find_recipe, shipped_recipes
    from dcql.catalog.types import DATACOMP
    from dcql.compiler import check
    from dcql.lints import fixed, lint

    if diff and format_ is Format.JSON:
        raise typer.BadParameter("--diff prints lines of text: leave --format json out")
    source, path = find_recipe(recipe)
    if fix and path in shipped_recipes().values():
        raise typer.BadParameter(f"{recipe!r} ships with dcql: copy it to a file of your own to change it")
    given, opened = settings(set_), _opened(pool)
    schema = opened.schema if opened is not None else DATACOMP
    plan = check(source, schema, given, path)
    done: tuple[Diagnostic, ...] = ()
    if fix or diff:
        # No fix needs a pool.
        after, done = fixed(source, lambda text: lint(text, schema, given, path))
        if diff:
            print_diff(Rewritten(source.name, path, source.text, after.text))
            return
        write(_rewritten(source.name, path, after.text))
        source = after
    found = lint(source, schema, given, path, opened)
    if strict and found:
        raise LintError(*(replace(one, severity="error") for one in found))
    if format_ is Format.JSON:
        _print_json(source.name, plan, found, done)
    else:
        _tell(source.name, plan, found, done)


def _opened(pool: str | None) -> "Pool | None":
    if pool is None:
        return None
    from dcql.cli.demo import pool_or_demo

    return pool_or_demo(pool)


def _rewritten(name: str, path: Path, after: str) -> Rewritten:
    """Return a file with another text; a byte order mark stays."""
    before = path.read_bytes().decode("utf-8")
    return Rewritten(name, path, before, (_MARK if before.startswith(_MARK) else "") + after)


def _print_json(name: str, plan: "Plan", found: Sequence[Diagnostic], done: Sequence[Diagnostic]) -> None:
    warnings = [one.to_json() for one in found]
    print_json(
        {"ok": True, "recipe": name, **_summary(plan), "warnings": warnings, "fixed": [one.to_json() for one in done]}
    )


def _tell(name: str, plan: "Plan", found: Sequence[Diagnostic], done: Sequence[Diagnostic]) -> None:
    from rich.text import Text

    for one in done:
        line = Text.assemble(
            ("fixed", "bold green"), f"  {shown(name)}: ", (one.code, "bold"), f" {shown(one.message)}"
        )
        stdout().print(line)
    stdout().print(_ok(name, plan))
    if not found:
        return
    console = stderr()
    for one in found:
        console.print(coloured(render((one,))))
        console.print()
    fixes = sum(one.fix is not None for one in found)
    console.print(f"{plural(len(found), 'warning')}{f', {fixes} of them for `dcql check --fix`' if fixes else ''}")


def _ok(name: str, plan: "Plan") -> "Text":
    from rich.text import Text

    summary = _summary(plan)
    reads = ", ".join(summary["columns"]) or "no column"
    words = [
        plural(len(summary["stages"]), "stage") if summary["stages"] else "",
        plural(summary["statistics"], "statistic"),
        summary["effect"],
        f"reads {reads}",
        f"asks models for {', '.join(summary['features'])}" if summary["features"] else "",
    ]
    line = Text.assemble(("ok", "bold green"), f"  {shown(name)}: ")
    return line.append(", ".join(shown(word) for word in words if word))


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
