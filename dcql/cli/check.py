"""`dcql check`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.options import DiffOption, FormatOption, LimitsOption, PoolOption, Recipes, SetOption, settings
from dcql.cli.rewriting import Rewritten, print_diff, write
from dcql.cli.shell import Format, draw_diagnostics, for_each, plural, print_json, shown, stderr, stdout
from dcql.errors import Diagnostic, LintError

if TYPE_CHECKING:
    from rich.text import Text

    from dcql.catalog.pool import Pool
    from dcql.plan.nodes import Plan
    from dcql.source import Source

_MARK = "\ufeff"


def check(
    recipes: Recipes,
    pool: PoolOption = None,
    set_: SetOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where the recipe has lints: exit with 1.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write the fixes of lints that have one into the recipe's file.")
    ] = False,
    diff: DiffOption = False,
    limits: LimitsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Check recipes without running them: print `ok` and a summary of each, or everything that is wrong.

    Lints are told too: what a recipe likely does not mean. With --pool, the pool's samples are looked at for some of
    them; no model computes anything. Without it, recipes are checked against the columns of DataComp's metadata. With
    --format json several recipes print a list.
    """
    from dcql.catalog.recipes import find_recipe, shipped_recipes

    if diff and format_ is Format.JSON:
        raise typer.BadParameter("--diff prints lines of text: leave --format json out")
    shipped = set(shipped_recipes().values()) if fix else set()
    for named in recipes if fix else ():
        if find_recipe(named)[1] in shipped:
            raise typer.BadParameter(f"{named!r} ships with dcql: copy it to a file of your own to change it")
    given, opened = settings(set_), _opened(pool)
    told: list[dict[str, Any]] = []

    def check_one(named: str) -> None:
        found = _Recipe(named, opened, given)
        if diff:
            found.print_fixes()
            return
        done = found.write_fixes() if fix else ()
        lints = found.lints()
        if strict and lints:
            raise LintError(*(replace(one, severity="error") for one in lints))
        if format_ is Format.JSON:
            told.append(_to_json(found.source.name, found.plan, lints, done))
        else:
            _tell(found.source.name, found.plan, lints, done)

    for_each(recipes, check_one)
    if format_ is Format.JSON:
        print_json(told if len(recipes) > 1 else told[0])


def _opened(pool: str | None) -> "Pool | None":
    if pool is None:
        return None
    from dcql.cli.demo import pool_or_demo

    return pool_or_demo(pool)


class _Recipe:
    """A recipe, checked against a pool or DataComp's columns. Raises RecipeError for one with errors."""

    def __init__(self, named: str, pool: "Pool | None", settings: dict[str, str]) -> None:
        from dcql.catalog.recipes import find_recipe
        from dcql.catalog.types import DATACOMP
        from dcql.compiler import check

        self.source, self._path = find_recipe(named)
        self._pool, self._settings = pool, settings
        self._schema = pool.schema if pool is not None else DATACOMP
        self.plan = check(self.source, self._schema, settings, self._path)

    def lints(self) -> tuple[Diagnostic, ...]:
        """Return what the recipe likely does not mean."""
        from dcql.lints import lint

        return lint(self.source, self._schema, self._settings, self._path, self._pool)

    def print_fixes(self) -> None:
        """Print what the fixes of lints change."""
        print_diff(Rewritten(self.source.name, self._path, self.source.text, self._fixed()[0].text))

    def write_fixes(self) -> tuple[Diagnostic, ...]:
        """Write the fixes of lints into the file; return the lints that were fixed."""
        after, done = self._fixed()
        write(_rewritten(self.source.name, self._path, after.text))
        self.source = after
        return done

    def _fixed(self) -> "tuple[Source, tuple[Diagnostic, ...]]":
        from dcql.lints import fixed, lint

        # No fix needs a pool.
        return fixed(self.source, lambda text: lint(text, self._schema, self._settings, self._path))


def _rewritten(name: str, path: Path, after: str) -> Rewritten:
    """Return a file with another text; a byte order mark stays."""
    before = path.read_bytes().decode("utf-8")
    return Rewritten(name, path, before, (_MARK if before.startswith(_MARK) else "") + after)


def _to_json(name: str, plan: "Plan", found: Sequence[Diagnostic], done: Sequence[Diagnostic]) -> dict[str, Any]:
    warnings = [one.to_json() for one in found]
    return {
        "ok": True,
        "recipe": name,
        **_summary(plan),
        "warnings": warnings,
        "fixed": [one.to_json() for one in done],
    }


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
        draw_diagnostics(console, (one,))
        console.print()
    fixes = sum(one.fix is not None for one in found)
    console.print(f"{plural(len(found), 'warning')}{f', {fixes} of them for `dcql check --fix`' if fixes else ''}")


def _ok(name: str, plan: "Plan") -> "Text":
    from rich.text import Text

    summary = _summary(plan)
    joined = [f"{table}.{column}" for table, columns in summary["tables"].items() for column in columns]
    reads = ", ".join([*summary["columns"], *joined]) or "no column"
    words = [
        plural(len(summary["stages"]), "stage") if summary["stages"] else "",
        plural(summary["statistics"], "statistic"),
        summary["effect"],
        f"reads {reads}",
        f"joins {', '.join(summary['tables'])}" if summary["tables"] else "",
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
    tables: dict[str, list[str]] = {}
    for node in found:
        if isinstance(node, nodes.TableColumn | nodes.InTable):
            columns = tables.setdefault(node.table.name, [])
            if isinstance(node, nodes.TableColumn) and node.name not in columns:
                columns.append(node.name)
    return {
        "stages": [stage.name for stage in plan.stages if not stage.demand],
        "statistics": sum(not isinstance(node, nodes.Feature) for node in statistics(plan).names),
        "effect": effect(plan).name.lower(),
        "columns": sorted({node.name for node in found if isinstance(node, nodes.Column)}),
        "tables": tables,
        "features": sorted(features),
        "assets": sorted(assets),
    }
