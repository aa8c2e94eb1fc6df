"""What every command shares: consoles, how errors are told, and exit codes.

| exit code | means |
|---|---|
| 0 | done |
| 1 | the pool, a model or the run failed |
| 2 | the recipe is wrong, or the command line is |
| 3 | a lock would change, or does not hold |
| 130, 143 | stopped by Ctrl-C, asked to end |
"""

import functools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, ParamSpec, TypeVar, cast

import typer

from dcql.cli.plain import Plain, console_of, may_be_terminal
from dcql.errors import DcqlError, Diagnostic, RunError, printable, raise_all, render
from dcql.limits import Limits, hold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

P = ParamSpec("P")
T = TypeVar("T")

# The signal that stops the process; DuckDB turns what a handler raises into an error of its own.
stopped_by = signal.SIGINT


class Format(StrEnum):
    """What a command prints: lines for people, or one JSON document."""

    TEXT = "text"
    JSON = "json"


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command so that whatever it raises becomes a few lines and an exit code; its `limits` are held."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        limits = kwargs.get("limits")
        try:
            with hold(limits if isinstance(limits, Limits) else None):
                command(*args, **kwargs)
            sys.stdout.flush()
        except DcqlError as error:
            _tell(error, as_json=kwargs.get("format_") is Format.JSON)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(128 + stopped_by) from None
        except BrokenPipeError:
            _drop_output()  # the reader has what it wants
            raise typer.Exit(0) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if isinstance(error, OSError) and _is_of_printing(error):
                _drop_output()
                _tell(_unprinted(error), as_json=False)
                raise typer.Exit(1) from None
            _tell(internal(error), as_json=kwargs.get("format_") is Format.JSON)
            if os.environ.get("DCQL_DEBUG"):
                traceback.print_exc()
            raise typer.Exit(1) from None

    return run


def _tell(error: DcqlError, *, as_json: bool) -> None:
    if as_json:
        print_json({"errors": [diagnostic.to_json() for diagnostic in error.diagnostics]})
        return
    draw_diagnostics(stderr(), error.diagnostics)


def _drop_output() -> None:
    """Let what is still in the buffer of standard output go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_of_printing(error: OSError) -> bool:
    """Return whether the disk refused what a command prints: files are written elsewhere, and have a name."""
    drawing = f"{os.sep}rich{os.sep}"
    by = [one.filename for one in traceback.extract_tb(error.__traceback__) if drawing not in one.filename]
    return error.filename is None and os.path.dirname(by[-1]) == os.path.dirname(__file__)


def _unprinted(error: OSError) -> RunError:
    """Return what is told where standard output takes no more."""
    helps = ("free some space on the disk, or send the output elsewhere",)
    return RunError(Diagnostic("E0758", "cannot write standard output", None, error.strerror or str(error), helps))


def internal(error: Exception) -> RunError:
    """Return what is told of an error that is dcql's own fault."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(last.filename)}:{last.lineno}"
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    return RunError(
        Diagnostic(
            "E0901",
            "internal error",
            label=f"{said} ({where})",
            helps=(
                "this is a bug in dcql: please report it with the recipe and the output of `dcql --version`",
                "`dcql --traceback ..` shows where it happened",
            ),
        )
    )


def draw_diagnostics(console: "Console", diagnostics: Iterable[Diagnostic]) -> None:
    """Print diagnostics in colour, their words in lines that fit the terminal; lines of a recipe stay as they are."""
    import re

    from dcql.cli.fitting import fitted

    for line in _coloured(render(diagnostics)).split("\n", allow_blank=True):
        advice = re.match(" *= (help|fix): ", line.plain)
        of_recipe = re.match(r"(\d+ | *)(\||-->)", line.plain)
        console.print(line if of_recipe else fitted(console, line, advice.end() if advice else 4))


def _coloured(rendered: str) -> "Text":
    """Colour drawn diagnostics; the text stays what it is."""
    from rich.text import Text

    text = Text(rendered)
    colour = "yellow" if rendered.startswith("warning") else "red"
    text.highlight_regex(r"(?m)^(error|warning)\[[EL]\d+\]: .*$", "bold")
    text.highlight_regex(r"(?m)^error\[[EL]\d+\]", "red")
    text.highlight_regex(r"(?m)^warning\[L\d+\]", "yellow")
    text.highlight_regex(r"(?m)^ *(-->|\d* *\|)", "blue")
    text.highlight_regex(r"(?m)(?<=\|) *\^+.*$", colour)
    text.highlight_regex(r"(?m)^ *= (help|fix):", "cyan")
    return text


def stdout() -> "Console":
    """Return a console on standard output; markup and guesses at colour are off."""
    return _console(sys.stdout)


def stderr() -> "Console":
    """Return a console on standard error."""
    return _console(sys.stderr)


def _console(stream: Any) -> "Console":
    return console_of(stream) if may_be_terminal(stream) else cast("Console", Plain(stream))


def print_json(value: Any) -> None:
    """Print one JSON document on standard output; in its texts, what could steer a terminal is escaped."""
    for line in json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).split("\n"):
        print(line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line))


def for_each(names: Iterable[T], do: Callable[[T], None]) -> None:
    """Call `do` with each name; one that fails keeps no other from its turn. Raises what failed, at the end."""
    faults: list[DcqlError] = []
    for name in dict.fromkeys(names):
        try:
            do(name)
        except DcqlError as error:
            faults.append(error)
    raise_all(faults)


def plural(count: int, noun: str) -> str:
    """Return `1 file`, `2 files`."""
    ending = "es" if noun.endswith(("s", "x")) else "s"
    many = noun[:-1] + "ies" if noun.endswith("y") else noun + ending
    return f"{count:,} {noun if count == 1 else many}"


def size(count: float) -> str:
    """Return a number of bytes as `12 bytes`, `1.5 kB`, `3.0 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def shown(text: str) -> str:
    """Return text out of a pool or recipe as it may go to a terminal."""
    return printable(text)
