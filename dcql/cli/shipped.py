"""`dcql recipes`."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dcql.cli.options import FormatOption, complete_recipe, similar
from dcql.cli.shell import Format, guarded, print_json, shown, stdout

app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)


@dataclass(frozen=True, slots=True)
class _Shipped:
    """A recipe that ships: its short name, and what its lock says that it keeps of the demo pool."""

    name: str
    path: Path
    text: str
    kept: int | None
    samples: int | None

    @property
    def summary(self) -> str:
        """The first sentence of the comment that it begins with, its first line without one."""
        lines = itertools.takewhile(lambda line: line.startswith("--"), self.text.lstrip().split("\n"))
        comment = " ".join(line.removeprefix("--").strip() for line in lines)
        return shown(comment.split(". ", 1)[0].rstrip(".") or self.text.strip().split("\n", 1)[0])


@guarded
def list_(context: typer.Context, format_: FormatOption = Format.TEXT) -> None:
    """List the recipes that ship with dcql, each with its rule and the share of the demo pool that it keeps.

    `dcql new mine.dcql --from NAME` begins a recipe with a copy of one.
    """
    if context.invoked_subcommand is not None:
        return
    every = _every()
    if format_ is Format.JSON:
        print_json(
            [{"name": one.name, "summary": one.summary, "kept": one.kept, "samples": one.samples} for one in every]
        )
        return
    from rich.text import Text

    from dcql.cli.render import share

    console = stdout()
    width = max((len(one.name) for one in every), default=0)
    for one in every:
        kept = share(one.kept, one.samples) if one.kept is not None and one.samples is not None else ""
        line = Text.assemble((one.name.ljust(width), "bold"), (f" {kept:>8}", "cyan"), f"  {one.summary}")
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line)


@guarded
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A recipe that ships.", autocompletion=complete_recipe)],
    format_: FormatOption = Format.TEXT,
) -> None:
    """Print a recipe that ships: its text, and what it keeps of the demo pool."""
    one = _named(name)
    if format_ is Format.JSON:
        print_json(
            {"name": one.name, "path": str(one.path), "text": one.text, "kept": one.kept, "samples": one.samples}
        )
        return
    console = stdout()
    if console.is_terminal:
        from rich.syntax import Syntax

        highlighted = Syntax("", "sql", theme="ansi_dark", background_color="default").highlight(one.text)
        highlighted.rstrip()
        console.print(highlighted)
    else:
        print(one.text, end="")
    if one.kept is not None and one.samples is not None:
        from dcql.cli.render import share

        print(f"\nkeeps {one.kept:,} of the {one.samples:,} samples of demo ({share(one.kept, one.samples).strip()})")


def _every() -> list[_Shipped]:
    from dcql.catalog.recipes import shipped_recipes

    names: dict[Path, str] = {}
    for name, path in shipped_recipes().items():
        # A recipe has a short name and its path: the short one is shown.
        if path not in names or len(name) < len(names[path]):
            names[path] = name
    return sorted((_read(name, path) for path, name in names.items()), key=lambda one: one.name)


def _named(name: str) -> _Shipped:
    from dcql.catalog.recipes import shipped_recipes

    known = shipped_recipes()
    if name not in known:
        raise typer.BadParameter(f"no recipe {name!r} ships{similar(name, list(known))}; `dcql recipes` lists all")
    return _read(name, known[name])


def _read(name: str, path: Path) -> _Shipped:
    from dcql.locks.lock_file import read_lock

    lock = path.with_suffix(".lock")
    text = path.read_text(encoding="utf-8")
    if not lock.exists():
        return _Shipped(name, path, text, None, None)
    recorded = read_lock(lock)
    return _Shipped(name, path, text, recorded.distinct, recorded.samples)


app.callback()(list_)
app.command("show", short_help="Print a recipe that ships")(show)
