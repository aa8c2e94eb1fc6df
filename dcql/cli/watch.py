"""`dcql watch`."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dcql.cli import shell
from dcql.cli.computing import Device, DeviceOption, FailuresOption, NoComputeOption, OwnCodeOption, computing
from dcql.cli.options import LimitsOption, MemoryOption, PoolOption, Recipe, SetOption, ThreadsOption, settings
from dcql.cli.shell import draw_diagnostics, shown, stdout
from dcql.limits import Limits, hold

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing
    from dcql.watching import Counted, Event, State

_EVERY = 0.2  # seconds between two looks at the files


def watch(
    recipe: Recipe,
    pool: PoolOption = None,
    set_: SetOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    limits_: LimitsOption = None,
) -> None:
    """Check and count a recipe now, and again whenever it or a file that it names is saved; Ctrl-C ends.

    Says what each save changed: the count before and now, and which clauses. Errors are told as `dcql check` tells
    them. --limits hold for each count by itself.
    """
    from dcql.catalog.recipes import find_recipe
    from dcql.cli.demo import pool_or_demo
    from dcql.engine.duck import Resources
    from dcql.watching import watch as watched

    _, path = find_recipe(recipe)
    given = settings(set_)
    opened = pool_or_demo(pool)
    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    look = _looking(recipe, opened, given, Resources(threads, memory), allowed, limits_)
    try:
        for event in watched(path, look, lambda: time.sleep(_EVERY)):
            _draw(path, opened.name, event)
            sys.stdout.flush()
    except KeyboardInterrupt:
        if shell.stopped_by is not signal.SIGINT:
            raise
        # This is how a person ends it.


def _looking(
    recipe: str,
    pool: "Pool",
    given: dict[str, str],
    resources: "Resources",
    allowed: "Computing",
    limits: Limits | None,
) -> "Callable[[], State]":
    """Return what compiles and counts the recipe as it is; whatever is wrong with it is told, and raises nothing."""
    from dcql.cli.progress import progress
    from dcql.compiler import compile_once, run_compiled
    from dcql.engine.run import BrokenPromiseError
    from dcql.errors import DcqlError
    from dcql.inspect.funnel import funnel
    from dcql.watching import Failed, counted

    def look() -> "State":
        try:
            with hold(limits), progress() as tell:
                compiled = compile_once(recipe, pool.schema, given)
                broken = None
                try:
                    result = run_compiled(compiled, pool, resources, tell, computing=allowed).result
                except BrokenPromiseError as error:
                    result, broken = error.result, error
                told = funnel(compiled.program, result)
                return counted(told, result.subset.hash, compiled.program.parameters, broken)
        except DcqlError as error:
            return Failed(error)
        except Exception as error:
            return Failed(shell.internal(error))

    return look


def _draw(path: Path, pool: str, event: "Event") -> None:
    """Print what an event says."""
    from rich.text import Text

    from dcql.watching import Counted, Failed

    console = stdout()
    if event.before is None:
        console.print(Text.assemble((shown(path.name), "bold"), (f" on {shown(pool)}, until Ctrl-C", "dim")))
    else:
        names = ", ".join(shown(one.name) for one in event.files)
        console.print()
        console.print(Text.assemble((time.strftime("%H:%M:%S"), "dim"), "  ", (names, "bold")))
    match event.after:
        case Failed(error):
            draw_diagnostics(console, error.diagnostics)
            if event.counted is not None and isinstance(event.before, Counted):
                console.print(Text(f"kept {event.counted.kept:,} before", "dim"))
        case Counted() as now:
            _draw_counted(event.counted, now, isinstance(event.before, Failed))
            if now.broken is not None:
                draw_diagnostics(console, now.broken.diagnostics)


def _draw_counted(before: "Counted | None", now: "Counted", was_wrong: bool) -> None:
    from rich.text import Text

    from dcql.cli.render import share
    from dcql.pages.text import decimal
    from dcql.watching import lines, parameter_changes

    console = stdout()
    if before is not None and before.hash == now.hash and before.clauses == now.clauses:
        again = "right again, " if was_wrong else ""
        console.print(Text(f"{again}{now.kept:,} samples, the same as before", "dim"))
        return
    for name, then, value in parameter_changes(before, now) if before is not None else ():
        words = [decimal(one) if one is not None else "none" for one in (then, value)]
        console.print(Text(f"  {shown(name)} = {shown(words[1])}, was {shown(words[0])}", "yellow"))
    told = lines(before, now)
    sections = {line.section for line in told}
    texts = [shown(f"{line.section}: {line.text}" if len(sections) > 1 else line.text) for line in told]
    width = max([20, *map(len, texts)])
    if console.is_terminal:
        width = max(20, min(width, console.width - 52))
    for text, line in zip(texts, told, strict=True):
        sign, style = (" ", "") if before is None or line.then == line.now else ("~", "yellow")
        if before is not None and (line.then is None or line.now is None):
            sign, style = ("+", "green") if line.then is None else ("-", "red")
        cells = Text(text, style)
        if console.is_terminal:
            cells.truncate(width, overflow="ellipsis")
        cells.pad_right(width - cells.cell_len)
        counts = f"{line.now:>13,}  {share(line.now, now.samples)}" if line.now is not None else f"{'':>23}"
        was = f"  was {line.then:,}" if line.then is not None and line.then != line.now else ""
        console.print(Text.assemble((f"{sign} ", style), cells, counts, (was, "dim")))
    moved = f"  was {before.kept:,}, {now.kept - before.kept:+,}" if before is not None else ""
    total = Text.assemble("  ", ("kept".ljust(width), "bold green"), (f"{now.kept:>13,}", "bold"))
    total.append(f"  {share(now.kept, now.samples)}")
    console.print(total.append(moved, "bold"))
