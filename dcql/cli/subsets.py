"""`dcql diff` and `dcql export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.demo import pool_or_demo
from dcql.cli.options import FormatOption, MemoryOption, PoolOption, SetOption, ThreadsOption, settings
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, shown, stdout
from dcql.errors import Diagnostic, RecipeError, RunError, did_you_mean

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool
    from dcql.inspect.diff import Difference
    from dcql.subset import Subset, Uids

_FIRST = 5  # uids of each side that are shown

_OPERAND = "A recipe, a run folder or a subset's .npy file."


@dataclass(frozen=True)
class _Operand:
    """One side of a comparison."""

    name: str
    subset: "Subset"


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=_OPERAND)],
    b: Annotated[str, typer.Argument(metavar="B", help=_OPERAND)],
    pool: PoolOption = None,
    set_: SetOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write uid and side (a or b) of all to parquet.")
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when the subsets differ.")] = False,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Compare two subsets: what both hold, what only one does, and whether the hashes agree.

    Recipes are run on --pool; --set gives its value to each recipe that has the PARAM.
    """
    from dcql.engine.duck import Resources
    from dcql.inspect.diff import difference

    opened: list[Pool] = []
    given, resources = settings(set_), Resources(threads, memory)
    own = _settings_of((a, b), given)
    sides = [_operand(named, pool, opened, own.get(named, {}), resources) for named in (a, b)]
    found = difference(sides[0].subset, sides[1].subset)
    if out is not None:
        _write_sides(found, out)
    if format_ is Format.JSON:
        print_json(_diff_to_json(sides, found))
    else:
        _draw_diff(sides, found)
    if exit_code and not found.equal:
        raise typer.Exit(1)


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or a subset's .npy file with --pool.")],
    columns: Annotated[
        str | None,
        typer.Option("--columns", "-c", metavar="NAMES", help="Columns of the pool, as in url,text; all without it."),
    ] = None,
    pool: PoolOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The parquet file to write; RUN.parquet without it."),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Write a subset's samples with columns of their pool to a parquet file.

    The manifest names the pool; --pool overrides where it lies. Rows come in the pool's order; `copies` is there when
    any sample has more than one.
    """
    from dcql import run_folder
    from dcql.catalog.pool import open_pool
    from dcql.engine.export import export as write
    from dcql.subset import Subset

    path = Path(run)
    if path.is_file() or path.suffix == ".npy":
        if pool is None:
            raise typer.BadParameter(f"{run!r} is a subset without a manifest: name its pool with --pool")
        subset, opened = Subset.load(path), open_pool(pool)
    else:
        read = run_folder.read(path)
        subset, opened = read.subset, open_pool(pool if pool is not None else str(read.manifest["pool"]["name"]))
        refuse_other_pool(opened, read.manifest["pool"])
    names = [name.strip() for name in columns.split(",") if name.strip()] if columns is not None else None
    target = out if out is not None else path.with_name(f"{path.resolve().name.removesuffix('.npy')}.parquet")
    with progress() as tell:
        rows = write(subset, opened, names if names is not None else opened.schema.names(), target, tell)
    if format_ is Format.JSON:
        print_json({"out": str(target), "rows": rows, "hash": subset.hash})
        return
    print(f"wrote {rows:,} samples to {shown(str(target))}")


def _operand(named: str, pool: str | None, opened: "list[Pool]", given: dict[str, str], resources: Any) -> _Operand:
    from dcql import run_folder
    from dcql.catalog.pool import Pool
    from dcql.catalog.recipes import find_recipe
    from dcql.compiler import check, run
    from dcql.subset import Subset

    path = Path(named)
    if path.is_dir():
        return _Operand(named, run_folder.read(path).subset)
    if path.suffix == ".npy":
        return _Operand(named, Subset.load(path))
    source, file = find_recipe(named)
    if not opened:
        if pool is None:
            check(source, settings=given, path=file)
        opened.append(pool_or_demo(pool))
    assert isinstance(opened[0], Pool)
    with progress() as tell:
        return _Operand(named, run(named, opened[0], given, resources, tell).subset)


def _settings_of(operands: tuple[str, ...], given: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the settings of each recipe: those of its own PARAMs. Raises RecipeError for one that no recipe has."""
    from dcql.catalog.recipes import find_recipe
    from dcql.plan.scope import listed
    from dcql.syntax import ast
    from dcql.syntax.parser import parse

    if not given:
        return {}
    named = [operand for operand in operands if not Path(operand).is_dir() and Path(operand).suffix != ".npy"]
    recipes = {one: parse(find_recipe(one)[0]) for one in named}
    params = {
        one: {statement.name for statement in recipe.definitions if isinstance(statement, ast.Param)}
        for one, recipe in recipes.items()
    }
    unknown = [name for name in given if not any(name in known for known in params.values())]
    if unknown:
        raise RecipeError(*(_no_param(name, params, listed(params)) for name in unknown))
    return {one: {name: given[name] for name in given if name in known} for one, known in params.items()}


def _no_param(name: str, params: dict[str, set[str]], recipes: str) -> Diagnostic:
    every = sorted(set().union(*params.values()))
    near = did_you_mean(name, every)
    help_ = f"a similar PARAM exists: `{near}`" if near else "a recipe declares it: `PARAM name DEFAULT ..;`"
    what = f"no PARAM `{name}` in {recipes}" if recipes else "what is compared is no recipe"
    return Diagnostic("E0212", f"`--set {name}`: {what}", helps=(help_,))


def refuse_other_pool(opened: "Pool", stated: dict[str, Any]) -> None:
    """Raise RunError where a pool is not the one that a run's manifest states."""
    if opened.fingerprint == stated["fingerprint"] or stated["fingerprint"] is None:
        return
    what = f"its fingerprint is {opened.fingerprint}" if opened.added else "it was not added, so it has no fingerprint"
    raise RunError(
        Diagnostic(
            "E0761",
            f"pool `{opened.name}` is not the one of the run",
            None,
            f"{what}; the run was over `{stated['name']}`, {stated['fingerprint']}",
            ("name that pool with `--pool`, or run the recipe again on this one",),
        )
    )


def _write_sides(found: "Difference", path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dcql.engine.folder import replaced

    schema = pa.schema([("uid", pa.string()), ("side", pa.string())])
    with replaced(path) as unfinished, pq.ParquetWriter(unfinished, schema) as writer:
        for side, uids in (("a", found.only_a), ("b", found.only_b)):
            for start in range(0, len(uids), 1 << 18):
                texts = _hex(uids[start : start + (1 << 18)])
                writer.write_table(pa.table([pa.array(texts), pa.array([side] * len(texts))], schema=schema))


def _hex(uids: "Uids") -> list[str]:
    return [f"{high:016x}{low:016x}" for high, low in uids.tolist()]


def _diff_to_json(sides: list[_Operand], found: "Difference") -> dict[str, Any]:
    def side(one: _Operand, only: "Uids") -> dict[str, Any]:
        counts = {"distinct": one.subset.distinct, "total": one.subset.total, "only": len(only)}
        return {"name": one.name, "hash": one.subset.hash, **counts, "first": _hex(only[:_FIRST])}

    return {
        "equal": found.equal,
        "a": side(sides[0], found.only_a),
        "b": side(sides[1], found.only_b),
        "common": found.common,
        "copies_differ": found.copies,
        "jaccard": found.jaccard,
    }


def _draw_diff(sides: list[_Operand], found: "Difference") -> None:
    from rich.text import Text

    console = stdout()
    for letter, one, style in zip("ab", sides, ("red", "green"), strict=True):
        line = Text.assemble((letter, f"bold {style}"), f"  {shown(one.name)}")
        console.print(line)
        counts = f"{one.subset.distinct:,} samples"
        if one.subset.total != one.subset.distinct:
            counts += f", {one.subset.total:,} with copies"
        console.print(Text(f"   {counts}"))
        console.print(Text(f"   {one.subset.hash}", "dim"))
    console.print()
    if found.equal:
        console.print(Text("equal", "bold green"))
        return
    only = (("only in a", len(found.only_a), "red"), ("only in b", len(found.only_b), "green"))
    for title, count, style in (("in both", found.common, ""), *only):
        console.print(Text(f"{title:<14}{count:>13,}", style))
    if found.copies:
        console.print(Text(f"{'copies differ':<14}{found.copies:>13,}", "yellow"))
    console.print(Text(f"{'Jaccard':<14}{found.jaccard:>13.6f}"))
    for sign, uids, style in (("-", found.only_a, "red"), ("+", found.only_b, "green")):
        if len(uids):
            console.print()
        for uid in _hex(uids[:_FIRST]):
            console.print(Text(f"{sign} {uid}", style))
        if len(uids) > _FIRST:
            console.print(Text(f"{sign} {len(uids) - _FIRST:,} more", f"dim {style}"))
