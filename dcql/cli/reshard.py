"""`dcql reshard`."""

import enum
import os
from pathlib import Path
from typing import Annotated

import typer

from dcql.cli.options import FormatOption
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, shown, stdout

RunFolderArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder, as `dcql run --out RUN` writes it.", show_default=False)
]


class Blur(enum.StrEnum):
    """What is done to faces."""

    NONE = "none"
    APPLY = "apply"


def reshard(
    run: RunFolderArgument,
    shards: Annotated[
        str,
        typer.Option("--shards", metavar="IN", help="Folder, file or URL of the pool's tars, or a pool with shards/."),
    ],
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="OUT", help="Folder or URL to write to; RUN/shards without it.")
    ] = None,
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
    goes on where it was when the same command is given again.
    """
    from dcql.runtime.reshard import Settings
    from dcql.runtime.reshard import reshard as make

    with progress() as tell:
        settings = Settings(
            shard_size=shard_size,
            blur=blur is Blur.APPLY,
            boxes=boxes,
            allow_missing=allow_missing,
            copy=not no_copy,
            workers=workers if workers is not None else len(os.sched_getaffinity(0)),
            tell=tell,
        )
        made = make(run, shards, out, settings)
    if format_ is Format.JSON:
        from dcql.runtime.shards import to_json

        print_json({**to_json(made), "out": made.folder})
        return
    repeats = made.samples - made.distinct
    copies = f", {repeats:,} of them further copies" if repeats else ""
    console = stdout()
    console.print(f"{made.samples:,} samples{copies} in {len(made.sizes):,} shards", highlight=False)
    for count, what in (
        (made.missing, "uids of the subset are in no tar"),
        (made.duplicates, "samples of the tars left out, since their uid came before"),
        (made.unnamed, "images of the tars without a .json that gives a uid"),
    ):
        if count:
            console.print(f"{count:,} {what}", style="yellow", highlight=False)
    console.print(made.digest, style="bold")
    console.print(f"wrote {shown(made.folder)}", style="dim")
