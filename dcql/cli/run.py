"""`dcql run` and `dcql count`."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.cluster import AddressOption, Engine, EngineOption, Where, nowhere_else, spread
from dcql.cli.computing import Device, DeviceOption, FailuresOption, NoComputeOption, OwnCodeOption, computing
from dcql.cli.demo import pool_or_demo
from dcql.cli.options import (
    FormatOption,
    LimitsOption,
    MemoryOption,
    PoolOption,
    Recipe,
    SetOption,
    ThreadsOption,
    out_option,
    settings,
)
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, shown, stdout

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool
    from dcql.compiler import Compiled, Run
    from dcql.engine.features.report import Computing
    from dcql.engine.run import Result
    from dcql.inspect.alone import AloneTold
    from dcql.locks.lock import Lock

Out = Annotated[
    Path | None,
    out_option(
        "FOLDER", "Write subset.npy and manifest.json to this folder, over an earlier run; without it, write nothing."
    ),
]


def run(
    recipe: Recipe,
    pool: PoolOption = None,
    out: Out = None,
    set_: SetOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    locked: Annotated[bool, typer.Option("--locked", help="Fail unless all is as in the recipe's lock.")] = False,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="As --locked, with the lock's thresholds in place of computed ones.")
    ] = False,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    engine: EngineOption = Engine.LOCAL,
    address: AddressOption = None,
    limits: LimitsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Run a recipe on a pool; print the funnel and the hash, and write the subset.

    Without --pool it runs on the pool of its lock with --locked or --frozen, else on the demo pool, which is made on
    first use. The subset is written as DataComp's own .npy.
    """
    # First, and from here: further down, its import crosses the end of a piece of Python's stack a thousand times.
    import numpy  # noqa: F401

    from dcql.engine import folder
    from dcql.engine.run import BrokenPromiseError
    from dcql.inspect.manifest import manifest

    if out is not None:
        # Before the work, not after it.
        folder.refuse_other(out)
    where = spread(engine, address)
    lock = _lock_of(recipe) if locked or frozen else None
    if lock is not None and pool is None:
        pool = lock.pool_name
    compiled, opened = compile_for(recipe, pool, set_)
    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    try:
        done = run_on(compiled, opened, threads, memory, lock, frozen=frozen, allowed=allowed, where=where)
    except BrokenPromiseError as error:
        if format_ is Format.TEXT:
            _draw(compiled, opened, error.result)
        raise
    described = cache(lambda: manifest(compiled.source, compiled.program, opened, done.result, locked=lock is not None))
    if out is not None:
        folder.write(out, done.subset, described)
    if format_ is Format.JSON:
        told = described()
        if done.result.features is not None:
            for row, use in zip(told["features"], done.result.features.uses, strict=True):
                row["computed"] = use.computed
        print_json({**told, "out": str(out) if out is not None else None})
        return
    _draw(compiled, opened, done.result)
    console = stdout()
    console.print(done.hash, style="bold")
    if out is not None:
        console.print(f"wrote {shown(str(out))}", style="dim")


def count(
    recipe: Recipe,
    pool: PoolOption = None,
    set_: SetOption = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="Print the funnel, and what each clause keeps and drops by itself.")
    ] = False,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    engine: EngineOption = Engine.LOCAL,
    address: AddressOption = None,
    limits: LimitsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Count what a recipe keeps, and write nothing."""
    from dcql.inspect.alone import alone_to_json

    where = spread(engine, address)
    compiled, opened = compile_for(recipe, pool, set_)
    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    done = run_on(compiled, opened, threads, memory, allowed=allowed, where=where)
    subset, samples = done.subset, done.result.samples
    by_itself = _alone(done, threads, memory, allowed) if alone else None
    if format_ is Format.JSON:
        counts: dict[str, Any] = {"distinct": subset.distinct, "total": subset.total, "samples": samples}
        told = {**counts, "share": subset.distinct / samples if samples else None, "hash": done.hash}
        print_json({**told, **({"alone": alone_to_json(by_itself)} if by_itself is not None else {})})
        return
    if by_itself is not None:
        _draw(compiled, opened, done.result, by_itself)
        return
    from dcql.cli.render import share

    copies = f", {subset.total:,} with copies" if subset.total != subset.distinct else ""
    print(f"{subset.distinct:,} of {samples:,} samples ({share(subset.distinct, samples).strip()}){copies}")


def compile_for(recipe: str, pool: str | None, set_: list[str] | None) -> "tuple[Compiled, Pool]":
    """Compile a recipe for a pool, the demo pool without a name."""
    from dcql.catalog.recipes import find_recipe
    from dcql.compiler import check, compile_once

    given = settings(set_)
    if pool is None:
        # A recipe that is wrong for DataComp's columns is so for the demo pool, which takes a while to make.
        source, path = find_recipe(recipe)
        check(source, settings=given, path=path)
    opened = pool_or_demo(pool)
    return compile_once(recipe, opened.schema, given), opened


def run_on(
    compiled: "Compiled",
    pool: "Pool",
    threads: int | None,
    memory: int | None,
    lock: "Lock | None" = None,
    *,
    frozen: bool = False,
    allowed: "Computing | None" = None,
    where: Where = nowhere_else,
) -> "Run":
    """Run a compiled recipe, held to a lock if there is one, with a bar on a terminal.

    `allowed` says what of features may be computed, and `where` gives the cluster to run on.
    """
    from dcql.compiler import run_compiled
    from dcql.engine.duck import Resources

    given = None
    if lock is not None:
        from dcql.records.locking import check_inputs, frozen_statistics

        check_inputs(compiled, pool, lock)
        given = frozen_statistics(compiled.program, lock) if frozen else None
    with progress() as tell, where(threads, tell) as cluster:
        done = run_compiled(compiled, pool, Resources(threads, memory), tell, given, allowed, cluster)
    if lock is not None:
        from dcql.records.locking import check_lock

        check_lock(done, lock)
    return done


def _lock_of(recipe: str) -> "Lock":
    from dcql.locks.lock_file import read_lock
    from dcql.records.locking import find_lock

    return read_lock(find_lock(recipe)[1])


def _alone(done: "Run", threads: int | None, memory: int | None, allowed: "Computing") -> "AloneTold":
    """Count the clauses of a recipe that ran by themselves."""
    from dcql.engine.duck import Resources
    from dcql.engine.observe import count_alone
    from dcql.inspect.alone import alone_told
    from dcql.inspect.funnel import funnel
    from dcql.lower.alone import alone
    from dcql.plan.lengths import over
    from dcql.plan.passes import optimize

    plan = optimize(done.compiled.plan)
    lowered = alone(over(plan, done.pool))
    with progress() as tell:
        counts = count_alone(lowered, done.pool, Resources(threads, memory), tell, allowed)
    return alone_told(plan, lowered, counts, funnel(done.compiled.program, done.result))


def _draw(compiled: "Compiled", pool: "Pool", result: "Result", alone: "AloneTold | None" = None) -> None:
    from dcql.cli.plain import text_of
    from dcql.cli.render import draw_funnel
    from dcql.inspect.funnel import funnel

    console = stdout()
    heading = text_of(console)(shown(Path(compiled.source.name).stem), "bold")
    heading.append(f" on {shown(pool.name)}", "not bold dim")
    for name, value in compiled.program.parameters:
        from dcql.pages.text import decimal

        heading.append(f"  {name} = {shown(decimal(value))}", "not bold dim")
    console.print(heading)
    console.print()
    draw_funnel(console, funnel(compiled.program, result), alone)
    if result.features is not None:
        from dcql.cli.render_features import draw_features

        draw_features(console, result.features)
