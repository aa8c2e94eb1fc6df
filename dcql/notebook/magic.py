"""`%%dcql`: a cell that is a recipe, checked or run where it stands. IPython is imported here alone."""

import shlex
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from html import escape
from pathlib import Path
from typing import Any, NoReturn

from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import HTML, display

from dcql.compiler import Compiled, Run, compile, run_compiled
from dcql.demo_pool import open_or_make
from dcql.engine.duck import Resources
from dcql.engine.features.report import Computing
from dcql.errors import DcqlError
from dcql.notebook.views import html
from dcql.source import Source

CELL = "cell.dcql"  # what a recipe is called that has no file
_MOMENT = 0.5  # seconds


class _Parser(ArgumentParser):
    """An ArgumentParser that raises ValueError, where others end the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}\n\n{self.format_help()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise ValueError(message or self.format_help())


def _parser() -> _Parser:
    parser = _Parser(
        prog="%%dcql", description="Run the recipe of this cell, or as %dcql one that has a name or a file."
    )
    parser.add_argument("recipe", nargs="?", help="a .dcql file, or a recipe that ships; %%%%dcql has it in its cell")
    parser.add_argument(
        "-p", "--pool", help="a pool's name, folder or URL; without it the last one, the demo pool at first"
    )
    parser.add_argument(
        "-s",
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="give a PARAM another value",
    )
    parser.add_argument("--as", dest="name", metavar="NAME", help="keep the run under this name too")
    parser.add_argument("--check", action="store_true", help="check the recipe and run nothing")
    parser.add_argument("--no-compute", action="store_true", help="fail where a feature is not stored")
    parser.add_argument("--threads", type=int, help="how many to use; without it, as many as there are cores")
    return parser


@magics_class
class DcqlMagics(Magics):  # type: ignore[misc]
    """The magics of dcql; the pool that was named last is kept for the cells that follow."""

    pool = "demo"

    @line_cell_magic  # type: ignore[untyped-decorator]
    def dcql(self, line: str, cell: str | None = None) -> Run | Compiled | None:
        """Run the recipe of a cell, or one that has a name; return the run, or the compiled recipe with --check.

        An error of the recipe or of the run is shown, and nothing is returned.
        """
        try:
            given = _given(line, cell)
        except ValueError as error:
            print(error)
            return None
        self.pool = given.pool or self.pool
        try:
            done = _done(given, cell, self.pool)
        except DcqlError as error:
            display(HTML(html(error)))
            return None
        if given.name:
            self.shell.user_ns[given.name] = done
        return done


def _given(line: str, cell: str | None) -> Namespace:
    """Read the options of a line. Raises ValueError, whose text says what they are."""
    parser = _parser()
    given = parser.parse_args(shlex.split(line))
    if (given.recipe is None) == (cell is None):
        parser.error("%%dcql takes the recipe from its cell" if given.recipe else "%dcql needs a recipe's name or file")
    if given.name and not given.name.isidentifier():
        parser.error(f"--as {given.name}: not a name of Python")
    return given


def _done(given: Namespace, cell: str | None, pool: str) -> Run | Compiled:
    settings = dict(given.set)
    opened = open_or_make(pool)
    # Paths in the cell are those of the notebook's folder.
    recipe = given.recipe if cell is None else Source(CELL, cell)
    compiled = compile(recipe, opened.schema, settings, path=Path(CELL).absolute() if cell is not None else None)
    if given.check:
        return compiled
    progress = _Progress()
    try:
        allowed = Computing(compute=not given.no_compute)
        return run_compiled(compiled, opened, Resources(threads=given.threads), progress, computing=allowed)
    finally:
        progress.close()


def _setting(text: str) -> tuple[str, str]:
    """Read NAME=VALUE; for argparse, which tells of a ValueError."""
    name, equals, value = text.partition("=")
    if not (name.strip() and equals):
        raise ArgumentTypeError(f"{text!r} is no setting: write NAME=VALUE, as in --set keep=0.2")
    return name.strip(), value.strip()


class _Progress:
    """Shows how far a run is, in one line that is there only while it takes longer than a moment."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._next = time.monotonic() + _MOMENT

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say that `done` of `total` are done."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _MOMENT
        words = HTML(f"<small>{escape(what)}: {done:,} of {total:,}</small>")
        if self._handle is None:
            self._handle = display(words, display_id=True)
        else:
            self._handle.update(words)

    def close(self) -> None:
        """Take the line away."""
        if self._handle is not None:
            self._handle.update(HTML(""))


def load(shell: Any) -> None:
    """Add the magics to a running IPython: what `%load_ext dcql` does."""
    shell.register_magics(DcqlMagics)
