"""`dcql fmt`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from dcql.cli.options import DiffOption, complete_recipe_file
from dcql.cli.rewriting import Rewritten, print_diff, write
from dcql.cli.shell import plural, shown, stdout
from dcql.errors import DcqlError, Diagnostic, RunError, raise_all

STDIN = "-"
SUFFIX = ".dcql"


def fmt(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH..",
            help="Recipe files, folders with .dcql files, or - for standard input.",
            autocompletion=complete_recipe_file,
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; name the files that are not formatted, and exit with 1.")
    ] = False,
    diff: DiffOption = False,
) -> None:
    """Write recipes in the one form that all recipes have: layout changes, meaning and comments do not.

    A file that is formatted already is not touched, nor is one with errors. `-` reads standard input and prints the
    formatted recipe.
    """
    if STDIN in paths and len(paths) > 1:
        raise typer.BadParameter("- stands alone: standard input is one recipe")
    faults: list[DcqlError] = []
    seen: list[Rewritten] = []
    for path in _named(paths, faults):
        try:
            one = _formatted(path)
            if not (check or diff):
                write(one)
            seen.append(one)
        except DcqlError as error:
            faults.append(error)
    changed = [one for one in seen if one.before != one.after]
    if diff:
        for one in changed:
            print_diff(one)
    elif paths != [STDIN]:
        _tell([] if check else changed, len(seen) - len(changed))
    if check and changed:
        faults.append(RunError(_unformatted(changed)))
    raise_all(faults)


def _named(paths: list[str], faults: list[DcqlError]) -> Iterator[Path | None]:
    """Yield the files that paths name, each once; None is standard input. A folder without any is a fault."""
    seen: set[Path] = set()
    for named in paths:
        if named == STDIN:
            yield None
            continue
        path = Path(named)
        found = list(_below(path)) if path.is_dir() else [path]
        if not found:
            helps = (f"files to format end with {SUFFIX}; name one of another name itself",)
            faults.append(RunError(Diagnostic("E1493", f"no recipe in `{path}`", None, f"no {SUFFIX} file", helps)))
        for file in found:
            if file not in seen:
                seen.add(file)
                yield file


def _below(folder: Path) -> Iterator[Path]:
    """Yield the .dcql files of a folder in order, but not those below hidden folders."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(names) if name.endswith(SUFFIX))


def _formatted(path: Path | None) -> Rewritten:
    from dcql.syntax.formatter import formatted
    from dcql.syntax.texts import MAX_BYTES, read, source_of

    if path is None:
        name, data = "<stdin>", sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        name = str(path)
        read(path)  # says what is wrong with a file that cannot be read
        data = path.read_bytes()
    after = formatted(source_of(data, name))
    return Rewritten(name, path, data.decode("utf-8"), after)


def _tell(written: list[Rewritten], already: int) -> None:
    from rich.text import Text

    console = stdout()
    for one in written:
        console.print(Text.assemble(("formatted", "bold green"), f"  {shown(one.name)}"))
    if already:
        console.print(f"{plural(already, 'file')} {'is' if already == 1 else 'are'} formatted already")


def _unformatted(changed: list[Rewritten]) -> Diagnostic:
    names = [one.name for one in changed]
    message = f"{plural(len(names), 'file')} {'is' if len(names) == 1 else 'are'} not formatted"
    helps = ("`dcql fmt` with the same paths formats them, `dcql fmt --diff` shows how",)
    return Diagnostic("E1491", message, None, "\n".join(names), helps)
