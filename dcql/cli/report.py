"""`dcql report`."""

from pathlib import Path
from typing import Annotated

import typer

from dcql.cli.options import FormatOption, MemoryOption, PoolOption, ThreadsOption
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, shown, size


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A folder that `dcql run --out` wrote.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The HTML file to write, over an earlier report.")
    ],
    pool: PoolOption = None,
    samples: Annotated[
        int, typer.Option("--samples", min=0, max=60, metavar="N", help="Samples on each side of a cut; 0 for none.")
    ] = 6,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Write what a run is and what it cuts as one HTML file that needs nothing beside it.

    The recipe is run again with the features that are stored, and must come to the same subset. Where its pool is not
    at hand, the report holds what the folder does, and says so.
    """
    from dcql.engine.duck import Resources
    from dcql.inspect.report.page import render_run
    from dcql.reporting import refuse_other, run_report, write

    # Before the work, not after it.
    refuse_other(out)
    with progress() as tell:
        made = run_report(Path(run), pool, samples, Resources(threads, memory), tell)
    page = render_run(made)
    write(out, page)
    if format_ is Format.JSON:
        told = {"out": str(out), "bytes": len(page.encode()), "hash": made.told.hash, "lacks": list(made.notices)}
        print_json(told)
        return
    for notice in made.notices:
        print(f"note: {shown(notice)}")
    print(f"wrote {shown(str(out))}, {size(len(page.encode()))}")
