"""`dcql reshard`."""

import enum
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dcql.cli.options import FormatOption, TarsOption, out_option
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, shown, stdout

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool

RunFolderArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder, as `dcql run --out RUN` writes it.", show_default=False)
]


class Blur(enum.StrEnum):
    """What is done to faces."""

    NONE = "none"
    APPLY = "apply"


def reshard(
    run: RunFolderArgument,
    shards: TarsOption = None,
    out: Annotated[str | None, out_option("OUT", "Folder or URL to write to; RUN/shards without it.")] = None,
    shard_size: Annotated[
        int, typer.Option("--shard-size", min=1, metavar="N", help="Samples a shard, at most.")
    ] = 10_000,
    blur: Annotated[
        Blur, typer.Option("--blur", help="Blur faces, where the pool's images were not blurred.")
    ] = Blur.NONE,
    boxes: Annotated[
        str | None,
        typer.Option("--boxes", metavar="PARQUET", help="The pool's parquet files, for faces that no .json gives."),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Go on without uids that no tar holds, and record how many.")
    ] = False,
    no_copy: Annotated[
        bool, typer.Option("--no-copy", help="Write the plan alone; training reads the pool's own tars.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, metavar="N", help="Processes; one a processor without it.")
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Write the training shards of a run from the tars of its pool.

    The same subset, tars and options give the same bytes, whatever the number of workers. A reshard that was stopped
    goes on where it was when the same command is given again. docs/reshard.md says what is in the shards.
    """
    if no_copy and blur is Blur.APPLY:
        raise typer.BadParameter("blurred images have to be written: leave out --no-copy, or take --blur none")
    if boxes is not None and blur is Blur.NONE:
        raise typer.BadParameter("--boxes says where faces are, and --blur none leaves them: take --blur apply")
    from dcql.runtime.reshard import Settings
    from dcql.runtime.reshard import reshard as make
    from dcql.runtime.run_folder import shards_of

    with progress() as tell:
        settings = Settings(
            shard_size=shard_size,
            blur=blur is Blur.APPLY,
            boxes=boxes,
            allow_missing=allow_missing,
            copy=not no_copy,
            workers=workers if workers is not None else os.cpu_count() or 1,
            tell=tell,
        )
        made = make(run, _tars(run, shards), out, settings)
    if format_ is Format.JSON:
        from dcql.runtime.shards import to_json

        print_json({**to_json(made), "out": made.folder})
        return
    repeats = made.samples - made.distinct
    copies = f" (further copies: {repeats:,})" if repeats else ""
    console = stdout()
    console.print(
        f"{made.samples:,} samples{copies} in {len(made.sizes):,} shard{'s' * (len(made.sizes) > 1)}", highlight=False
    )
    for count, what in (
        (made.missing, "uids of the subset that no tar holds"),
        (made.duplicates, "samples left out, since their uid came before"),
        (made.unnamed, "images without a .json that gives a uid"),
    ):
        if count:
            console.print(f"{what}: {count:,}", style="yellow", highlight=False)
    console.print(made.digest, style="bold")
    console.print(f"wrote {shown(out if out is not None else str(shards_of(run)))}", style="dim")


def _tars(run: Path, named: str | None) -> str:
    """Return where the tars are: of a pool's name where it is one, of the run's pool without."""
    from dcql import run_folder
    from dcql.compare.operands import refuse_other_pool

    if named is not None and not is_added(named):
        return named
    stated = run_folder.read(run).manifest["pool"]
    pool = with_images(named if named is not None else str(stated["name"]))
    refuse_other_pool(pool, stated)
    return pool.source


def is_added(named: str) -> bool:
    """Return whether a pool was added under a name, or is on first use."""
    from dcql.catalog.pool import list_pools
    from dcql.demo_pool import is_to_be_made

    return named in list_pools() or is_to_be_made(named)


def with_images(named: str) -> "Pool":
    """Open a pool whose images are to be read."""
    from dcql.demo_pool import open_or_make, unpack_images

    pool = open_or_make(named)
    unpack_images(pool)
    return pool
