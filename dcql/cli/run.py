"""`dcql run` and `dcql count`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.demo import pool_or_demo
from dcql.cli.options import FormatOption, MemoryOption, PoolOption, Recipe, SetOption, ThreadsOption, settings
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, shown, stdout

if TYPE_CHECKING:
    from dcql.compiler import Run

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="Write subset.npy and manifest.json to this folder, over an earlier run; without it, write nothing.",
    ),
]


def run(
    recipe: Recipe,
    pool: PoolOption = None,
    out: Out = None,
    set_: SetOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Run a recipe on a pool; print the funnel and the hash, and write the subset.

    Without --pool it runs on the demo pool, which is made on first use. The subset is written as DataComp's own .npy.
    """
    from dcql.engine import folder
    from dcql.inspect.funnel import funnel
    from dcql.inspect.manifest import manifest

    if out is not None:
        # Before the work, not after it.
        folder.refuse_other(out)
    done = _run(recipe, pool, set_, threads, memory)
    described = manifest(done.compiled.source, done.compiled.program, done.pool, done.result)
    if out is not None:
        folder.write(out, done.subset, described)
    if format_ is Format.JSON:
        print_json({**described, "out": str(out) if out is not None else None})
        return
    from rich.text import Text

    from dcql.cli.render import draw_funnel

    console = stdout()
    heading = Text(shown(Path(done.compiled.source.name).stem), "bold")
    heading.append(f" on {shown(done.pool.name)}", "dim")
    for name, value in done.compiled.program.parameters:
        heading.append(f"  {name} = {shown(value)}", "dim")
    console.print(heading)
    console.print()
    draw_funnel(console, funnel(done.compiled.program, done.result))
    console.print(Text(done.hash, "bold"))
    if out is not None:
        console.print(Text(f"wrote {shown(str(out))}", "dim"))


def count(
    recipe: Recipe,
    pool: PoolOption = None,
    set_: SetOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Count what a recipe keeps, and write nothing."""
    done = _run(recipe, pool, set_, threads, memory)
    subset, samples = done.subset, done.result.samples
    if format_ is Format.JSON:
        counts: dict[str, Any] = {"distinct": subset.distinct, "total": subset.total, "samples": samples}
        print_json({**counts, "share": subset.distinct / samples if samples else None, "hash": done.hash})
        return
    from dcql.cli.render import share

    copies = f", {subset.total:,} with copies" if subset.total != subset.distinct else ""
    print(f"{subset.distinct:,} of {samples:,} samples ({share(subset.distinct, samples).strip()}){copies}")


def _run(named: str, pool: str | None, set_: list[str] | None, threads: int | None, memory: int | None) -> "Run":
    from dcql.compiler import check, find_recipe
    from dcql.compiler import run as run_recipe

    given = settings(set_)
    source, path = find_recipe(named)
    if pool is None:
        # A recipe that is wrong for DataComp's columns is so for the demo pool, which takes a while to make.
        check(source, settings=given, path=path)
    opened = pool_or_demo(pool)

    from dcql.engine.duck import Resources

    with progress() as tell:
        return run_recipe(named, opened, given, Resources(threads, memory), tell)
