"""`dcql why`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.computing import Device, DeviceOption, FailuresOption, NoComputeOption, OwnCodeOption, computing
from dcql.cli.options import (
    FormatOption,
    LimitsOption,
    MemoryOption,
    PoolOption,
    SetOption,
    ThreadsOption,
    complete_target,
)
from dcql.cli.shell import Format, print_json, stdout

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool
    from dcql.compiler import Compiled
    from dcql.inspect.why import Why
    from dcql.records.recorded import Recorded

Uid = Annotated[
    str,
    typer.Argument(metavar="UID", help="The sample's uid, or its first digits: at least 6, and of no other sample."),
]
Target = Annotated[
    str | None,
    typer.Argument(
        metavar="[RECIPE]",
        help="A recipe, a lock, or the folder of a run; without it, what is known of the sample.",
        autocompletion=complete_target,
    ),
]


def why(
    uid: Uid,
    recipe: Target = None,
    pool: PoolOption = None,
    set_: SetOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    limits: LimitsOption = None,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Say why a recipe keeps a sample or drops it: each clause's value and cut, and what would turn the verdict.

    Without RECIPE, print what the pool and the feature store hold of the sample. With the folder of a run, its recipe,
    pool and PARAMs are taken from there.
    """
    from dcql.cli.demo import pool_or_demo
    from dcql.cli.progress import progress
    from dcql.engine.duck import Resources
    from dcql.engine.locate import locate

    resources = Resources(threads, memory)
    if recipe is None:
        opened = pool_or_demo(pool)
        _known(opened, uid, resources, format_)
        return
    from dcql.catalog.library import library
    from dcql.inspect.sample import why as explained
    from dcql.inspect.why import why_to_json
    from dcql.plan.written import short_names

    compiled, opened, recorded = _compiled(recipe, pool, set_)
    place = locate(opened, uid, resources)
    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    names = short_names(compiled.recipe, library(), opened.schema)
    with progress() as tell:
        told = explained(compiled.plan, opened, place, names, resources, tell, allowed)
    if recorded is not None:
        _hold_to(recorded, Path(recipe), told)
    if format_ is Format.JSON:
        print_json({"recipe": compiled.source.name, **why_to_json(told)})
        return
    from dcql.cli.render_why import draw_why

    draw_why(stdout(), Path(compiled.source.name).stem, told)


def _compiled(recipe: str, pool: str | None, set_: list[str] | None) -> "tuple[Compiled, Pool, Recorded | None]":
    """Compile a recipe, or what a lock or a run folder records, for its pool; return the record too."""
    from dcql.cli.demo import pool_or_demo
    from dcql.cli.run import compile_for

    if not Path(recipe).is_dir() and Path(recipe).suffix != ".lock":
        compiled, opened = compile_for(recipe, pool, set_)
        return compiled, opened, None
    from dcql.records.recorded import compile_again, find_recorded

    if set_:
        raise typer.BadParameter(f"{recipe!r} records what its PARAMs were; --set is for a recipe")
    recorded = find_recorded(recipe)
    opened = pool_or_demo(pool if pool is not None else recorded.pool)
    return compile_again(recorded, opened), opened, recorded


def _hold_to(recorded: "Recorded", folder: Path, told: "Why") -> None:
    """Raise RunError where the subset of a run folder has another verdict."""
    import numpy as np

    from dcql import run_folder
    from dcql.engine.export import find
    from dcql.errors import Diagnostic, RunError

    if recorded.manifest is None:
        return
    number = int(told.uid, 16)
    high, low = (np.array([part], np.uint64) for part in (number >> 64, number & (2**64 - 1)))
    was_kept = bool(find(run_folder.read(folder).subset.uids, high, low)[0] >= 0)
    if was_kept != told.kept:
        was, now = (("kept" if kept else "dropped") for kept in (was_kept, told.kept))
        raise RunError(
            Diagnostic(
                "E1434",
                f"the run in `{folder.name}` {was} {told.uid}, and its recipe now has it {now}",
                None,
                "what is stored there is not what its recipe selects from this pool",
                (f"`dcql verify {folder}` says where they differ",),
            )
        )


def _known(pool: "Pool", uid: str, resources: Any, format_: Format) -> None:
    from dcql.engine.features.sample import stored_of
    from dcql.engine.locate import locate, values_of

    place = locate(pool, uid, resources)
    values, stored = values_of(pool, place), stored_of(pool, place)
    if format_ is Format.JSON:
        from dcql.inspect.features import known_to_json

        print_json(known_to_json(pool, place, values, stored))
        return
    from dcql.cli.render_why import draw_known

    draw_known(stdout(), pool, place, values, stored)
