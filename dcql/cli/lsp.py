"""`dcql lsp`."""

import sys

import typer

from dcql.cli.options import PoolOption
from dcql.cli.shell import stderr


def lsp(pool: PoolOption = None) -> None:
    """Serve an editor: the language server protocol on standard input and output.

    An editor starts it; docs/editors.md says how. Recipes are checked against the pool of --pool, or that of the
    editor's setting `dcql.pool`, or the columns of DataComp's metadata.
    """
    try:
        from dcql.lsp.server import serve
    except ImportError as error:
        from dcql.editing.missing import missing

        raise missing(error) from error
    if sys.stdin.isatty():
        stderr().print("An editor starts this and speaks with it; Ctrl-C ends it.", style="dim")
    raise typer.Exit(serve(pool))
