"""`dcql show`."""

from contextlib import ExitStack
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
    columns_option,
    complete_target,
    settings,
)
from dcql.cli.pictures import SIDE, Pictures, protocol
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, stderr, stdout

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool
    from dcql.compare.operands import Operand
    from dcql.showing import Showing

_MOST = 10_000


def show(
    target: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A recipe, a lock, the folder of a run, or a subset's .npy file with --pool.",
            autocompletion=complete_target,
        ),
    ],
    pool: PoolOption = None,
    number: Annotated[
        int, typer.Option("--n", "-n", min=1, max=_MOST, metavar="N", help="Samples to show, of each clause.")
    ] = 20,
    dropped: Annotated[
        bool, typer.Option("--dropped", help="Show what is dropped, clause by clause: those that just fail it.")
    ] = False,
    order: Annotated[
        str | None,
        typer.Option("--order", metavar="COLUMN", help='The first in the order of a column, as in "clip_l14 DESC".'),
    ] = None,
    seed: Annotated[
        str, typer.Option("--seed", metavar="TEXT", help="Show other samples: those of another seed.")
    ] = "0",
    columns: Annotated[str | None, columns_option("without it, those that the recipe names")] = None,
    pictures: Annotated[
        Pictures, typer.Option("--pictures", help="Pictures of the samples, by what the terminal takes.")
    ] = Pictures.AUTO,
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
    """Show samples of a subset: captions, addresses, and the scores that the recipe names.

    Which ones depends on their uids alone, so that an edited recipe shows those again that it still keeps. --dropped
    shows what each clause drops, nearest to its cut first; with --order, or of a .npy file, all that is dropped is one.
    """
    from dcql.cli.diff import with_settings
    from dcql.compare.operands import find_operand
    from dcql.engine.duck import Resources
    from dcql.showing import Wanted, read_order
    from dcql.showing import show as showing

    names = tuple(name.strip() for name in columns.split(",") if name.strip()) if columns is not None else None
    wanted = Wanted(number, dropped, read_order(order) if order is not None else None, seed, names)
    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    with ExitStack() as opened:
        (operand,) = with_settings([find_operand(target, opened)], settings(set_))
        at = _pool(operand, pool, target)
        with progress() as tell:
            told = showing(operand, at, wanted, Resources(threads, memory), tell, allowed)
    if format_ is Format.JSON:
        from dcql.cli.render_show import to_json

        print_json(to_json(told))
        return
    from dcql.cli.render_show import draw_showing

    console = stdout()
    by = pictures
    if pictures is Pictures.AUTO:
        by = protocol() if console.is_terminal else Pictures.NONE
    draw_showing(console, told, _pictures(told, at, by), by)


def _pool(operand: "Operand", named: str | None, target: str) -> "Pool":
    from dcql.cli.demo import pool_or_demo

    if operand.written is None and operand.pool is None and named is None:
        raise typer.BadParameter(f"{target!r} is a subset without a manifest: name its pool with --pool")
    if operand.written is not None and operand.subset is None and named is None and operand.pool is None:
        operand.written.plan()  # a recipe that is wrong needs no demo pool to say so
    return pool_or_demo(named if named is not None else operand.pool)


def _pictures(told: "Showing", pool: "Pool", by: Pictures) -> dict[str, Any]:
    """Return the pixels of each sample's image, or why there are none, by uid; nothing where none can be shown."""
    if by is Pictures.NONE:
        return {}
    import numpy as np

    from dcql.demo_pool import unpack_images
    from dcql.engine.values import read_images
    from dcql.errors import RunError, printable
    from dcql.images import pixels
    from dcql.subset import UID

    uids = list(dict.fromkeys(one.uid for group in told.groups for one in group.samples))
    if not uids:
        return {}
    try:
        unpack_images(pool)
        images = read_images(pool, np.array([(int(uid[:16], 16), int(uid[16:], 16)) for uid in uids], UID))
        return {uid: pixels(image, SIDE) for uid, image in zip(uids, images, strict=True)}
    except RunError as error:
        first = error.diagnostics[0]
        stderr().print(f"note: no pictures: {printable(first.message)}", style="dim")
        return {}
