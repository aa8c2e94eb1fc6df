"""`dcql new`."""

from pathlib import Path
from typing import Annotated

import typer

from dcql.cli.options import PoolOption, complete_recipe
from dcql.cli.shell import shown


def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recipe to write, such as mine.dcql.")],
    pool: PoolOption = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RECIPE",
            help="Begin with a copy of a recipe, a file or one that ships.",
            autocompletion=complete_recipe,
        ),
    ] = None,
) -> None:
    """Write a new recipe to begin with: one with comments that names the columns of a pool, or a copy of another.

    It checks and runs as it is. Nothing is written over.
    """
    from dcql.catalog.pool import Pool
    from dcql.cli.demo import pool_or_demo
    from dcql.starting import copied, refuse_target, template, write

    if pool is not None and from_ is not None:
        raise typer.BadParameter("--pool is for the columns of a new recipe; a copy of another one names its own")
    refuse_target(file)
    opened: Pool | None = pool_or_demo(pool) if pool is not None else None
    text = copied(from_, file) if from_ is not None else template(file.stem, opened)
    write(file, text)
    print(f"wrote {shown(str(file))}")
