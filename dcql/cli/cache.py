"""`dcql cache`: what is kept of remote files."""

from typing import TYPE_CHECKING

import typer

from dcql.cli.options import FormatOption
from dcql.cli.shell import Format, guarded, plural, print_json, shown, size, stdout

if TYPE_CHECKING:
    from dcql.remote.kept import Kept

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show and clear what is kept of files behind URLs.",
)


def show(format_: FormatOption = Format.TEXT) -> None:
    """Show where the cache of remote files lies, what it holds and how much it may."""
    cache = _cache()
    usage = cache.usage()
    if format_ is Format.JSON:
        held = {"bytes": usage.bytes, "blocks": usage.blocks, "limit": cache.limit}
        print_json({"folder": str(cache.folder), **held})
        return
    from rich.text import Text

    from dcql.remote.settings import LIMIT

    limit = f"{size(cache.limit)}; {LIMIT} sets another" if cache.limit else f"nothing is kept: {LIMIT} is 0"
    for title, value in (
        ("cache", shown(str(cache.folder))),
        ("holds", f"{size(usage.bytes)} in {plural(usage.blocks, 'block')}"),
        ("limit", limit),
    ):
        stdout().print(Text.assemble((title.ljust(7), "dim"), value))


def clear(format_: FormatOption = Format.TEXT) -> None:
    """Remove what is kept of remote files; it is fetched again when it is needed."""
    from dcql.catalog.pool import unwritable
    from dcql.errors import RunError

    try:
        removed = _cache().clear()
    except OSError as error:
        raise RunError(unwritable(error)) from error
    if format_ is Format.JSON:
        print_json({"bytes": removed.bytes, "blocks": removed.blocks})
        return
    print(f"removed {size(removed.bytes)} in {plural(removed.blocks, 'block')}")


def _cache() -> "Kept":
    from dcql.remote.kept import Kept
    from dcql.remote.settings import cache_folder, cache_limit

    return Kept(cache_folder(), cache_limit())


for _name, _short, _command in (
    ("show", "Show what the cache holds and may hold", show),
    ("clear", "Remove what is kept of remote files", clear),
):
    app.command(_name, short_help=_short)(guarded(_command))
