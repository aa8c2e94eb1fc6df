"""Progress on a terminal; nothing anywhere else."""

import contextlib
from collections.abc import Callable, Iterator

from dcql.cli.shell import shown, stderr

Progress = Callable[[str, int, int], None]


@contextlib.contextmanager
def progress(*, wanted: bool = True) -> Iterator[Progress]:
    """Give a function of (what, done, total) that draws a bar on standard error, gone at the end."""
    console = stderr()
    if not wanted or not console.is_terminal:
        yield lambda what, done, total: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=_cut(shown(what)), completed=done, total=total or None)

        yield tell


def _cut(text: str) -> str:
    return text if len(text) <= 32 else "…" + text[-31:]
