"""`dcql export`."""

from pathlib import Path
from typing import Annotated

import typer

from dcql.cli.options import FormatOption, PoolOption, columns_option, out_option
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, shown


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or a subset's .npy file with --pool.")],
    columns: Annotated[str | None, columns_option("all without it")] = None,
    pool: PoolOption = None,
    out: Annotated[Path | None, out_option("FILE", "The parquet file to write; RUN.parquet without it.")] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Write a subset's samples with columns of their pool to a parquet file.

    The manifest names the pool; --pool overrides where it lies. Rows come in the pool's order; `copies` is there when
    any sample has more than one.
    """
    from dcql import run_folder
    from dcql.catalog.pool import open_pool
    from dcql.compare.operands import refuse_other_pool
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
