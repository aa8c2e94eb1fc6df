"""`dcql explain-error`."""

from typing import Annotated

import typer

from dcql.cli.options import FormatOption, similar
from dcql.cli.shell import Format, print_json, stdout
from dcql.codes import CODES, PHASES, RETIRED


def explain_error(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="A code, such as E0402 or L001; without one all codes are listed.",
            autocompletion=lambda incomplete: [known for known in CODES if known.startswith(incomplete.upper())],
        ),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Explain the code of an error or a lint: what it means, what gives it, and what to write instead."""
    if code is None:
        _list(format_)
        return
    asked = code.upper().strip("[]")
    row = CODES.get(RETIRED.get(asked, asked))
    if row is None:
        raise typer.BadParameter(f"there is no code {code!r}{_near(code.upper())}")
    if format_ is Format.JSON:
        print_json({name: getattr(row, name) for name in ("code", "title", "meaning", "example", "instead")})
        return
    from rich.text import Text

    console = stdout()
    if asked in RETIRED:
        console.print(f"{asked} is not given any more. The same is said by:")
        console.print()
    console.print(Text.assemble((row.code, f"bold {_colour(row.code)}"), ": ", (row.title, "bold")))
    console.print()
    width = min(console.width, 80) if console.is_terminal else 80
    for line in Text(row.meaning).wrap(console, width):
        line.rstrip()
        console.print(line)
    for heading, text, style in (("Example", row.example, _colour(row.code)), ("Use instead", row.instead, "green")):
        console.print()
        console.print(Text(heading, "bold"))
        for written in text.splitlines():
            console.print(Text("  " + written, style))


def _colour(code: str) -> str:
    """Return the colour of an error or a lint."""
    return "yellow" if code.startswith("L") else "red"


def _near(code: str) -> str:
    """Say which codes there are instead: those of the phase, nearest first."""
    digits = 2 if code.startswith("L") else 3
    family = [known for known in CODES if known.startswith(code[:digits]) and len(code) >= digits]
    if not family or not code[1:].isdecimal():
        return similar(code, list(CODES)) or "; `dcql explain-error` lists all"
    nearest = sorted(family, key=lambda known: abs(int(known[1:]) - int(code[1:])))[:3]
    return f"; there are {', '.join(sorted(nearest))}"


def _list(format_: Format) -> None:
    if format_ is Format.JSON:
        print_json([{"code": row.code, "title": row.title} for row in CODES.values()])
        return
    from rich.text import Text

    console = stdout()
    for start, phase in PHASES.items():
        rows = [row for row in CODES.values() if row.code.startswith(start)]
        if rows:
            console.print(Text(phase, "bold"))
            for row in rows:
                console.print(Text.assemble("  ", (row.code.ljust(5), _colour(row.code)), "  ", row.title))
