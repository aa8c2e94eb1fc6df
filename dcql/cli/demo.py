"""The demo pool on the command line: what a recipe runs on where no pool is named."""

from dcql.catalog.pool import Pool
from dcql.cli.progress import progress
from dcql.cli.shell import stderr
from dcql.demo_pool import NAME, is_to_be_made, open_or_make


def pool_or_demo(named: str | None) -> Pool:
    """Return the pool called `named`; without a name the demo pool, with a note that it is that."""
    wanted = named if named is not None else NAME
    with progress(wanted=is_to_be_made(wanted)) as tell:
        pool = open_or_make(wanted, tell)
    if named is None:
        _note(pool)
    return pool


def _note(pool: Pool) -> None:
    """Say on standard error, so that nobody misses it, that this is the demo pool."""
    from rich.panel import Panel
    from rich.text import Text

    first = f"no --pool was given, so this is the demo pool: {pool.rows:,} emoji drawings."
    second = "Its counts say nothing about a real pool; name yours with --pool."
    console = stderr()
    if not console.is_terminal:
        console.print(f"note: {first}\n      {second}\n")
        return
    width = min(len(first) + 4, console.width)
    panel = Panel(Text(f"{first}\n{second}"), title="demo pool", border_style="bold yellow", width=width)
    console.print(panel, soft_wrap=False)
    console.print()
