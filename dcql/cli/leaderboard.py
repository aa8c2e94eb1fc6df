"""`dcql leaderboard build`."""

from pathlib import Path
from typing import Annotated

import typer

from dcql.cli.options import FormatOption, out_option
from dcql.cli.shell import Format, guarded, plural, print_json, shown

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def root() -> None:
    """Build the site of a leaderboard."""


def build(
    submissions: Annotated[
        Path, typer.Argument(metavar="SUBMISSIONS", help="A folder of submissions, a folder each, at any depth.")
    ],
    out: Annotated[Path, out_option("SITE", "The site's folder, written whole.")],
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="The title of the site.")] = "Leaderboard",
    format_: FormatOption = Format.TEXT,
) -> None:
    """Build a static site of all submissions: a board for each track and scale, a page for each entry.

    Every submission is checked by its own documents; one that fails is listed as rejected, with the reason, and stops
    nothing. `dcql submit check` runs the recipes too, and comes before.
    """
    from dcql.leaderboard.build import build_site

    built = build_site(submissions, out, title)
    if format_ is Format.JSON:
        print_json(built.to_json())
        return
    on = plural(sum(board.entries > 0 for board in built.boards), "board")
    print(f"{plural(len(built.entries), 'entry')} on {on}, {len(built.rejected)} rejected")
    for one in built.rejected:
        print(f"rejected {shown(one.place)}: {shown(one.reason)}")
    for conflict in built.conflicts:
        print(f"conflict: {shown(conflict.text)}")
    print(f"wrote {shown(str(out))}")


app.command("build", short_help="Build the site")(guarded(build))
