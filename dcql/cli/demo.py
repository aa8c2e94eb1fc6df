"""The demo pool: what a recipe runs on where no pool is named."""

from pathlib import Path

from dcql.catalog import store
from dcql.catalog.pool import Pool, list_pools, open_pool
from dcql.cli.progress import progress
from dcql.cli.shell import stderr
from dcql.errors import Diagnostic, RunError

NAME = "demo"


def pool_or_demo(named: str | None) -> Pool:
    """Return the pool called `named`; without a name the demo pool, made on first use, with a note that it is that."""
    if named is not None:
        return open_pool(named)
    pool = _demo_pool()
    _note(pool)
    return pool


def _demo_pool() -> Pool:
    if NAME not in list_pools():
        from dcql.engine.add import add

        folder = store.home() / NAME
        with progress() as tell:
            _expand(folder, lambda done, total: tell("unpacking the demo pool", done, total))
        with progress() as tell:
            add(NAME, folder, progress=lambda _, done, total: tell("adding the demo pool", done, total))
    return open_pool(NAME)


def _expand(folder: Path, tell: object) -> None:
    if (folder / "metadata").is_dir():
        return
    try:
        # mypy does not know where package-dir maps dcql.demo to.
        from dcql.demo.expand import DemoPoolError, expand  # type: ignore[import-not-found]
    except ImportError as error:
        raise RunError(_missing("it is not installed with this dcql")) from error
    try:
        expand(folder, tars=False, progress=tell)
    except DemoPoolError as error:
        # Another process may have been first.
        if not (folder / "metadata").is_dir():
            raise RunError(_missing(str(error))) from error


def _missing(label: str) -> Diagnostic:
    return Diagnostic("E0764", "no demo pool", None, label, ("name a pool of yours: `--pool PATH`",))


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
