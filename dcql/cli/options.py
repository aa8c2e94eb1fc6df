"""Options that several commands share, and how their text is read."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import typer

from dcql.cli.shell import Format
from dcql.errors import did_you_mean
from dcql.limits import STRANGERS, Limits

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {f"{unit[0]}iB": 1024**power for power, unit in enumerate(("KB", "MB", "GB", "TB"), start=1)}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]+)")
_SMALLEST = 10**6
_COMMENT = re.compile(r"--[^\n]*")
_PARAM = re.compile(r"\bPARAM\s+([A-Za-z_]\w*)", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,3})?", re.ASCII)


def complete_recipe(incomplete: str) -> list[str]:
    """Return the recipes that may be meant: those that ship, .dcql files, and folders on the way to some."""
    from dcql.catalog.recipes import shipped_recipes

    return [*(name for name in shipped_recipes() if name.startswith(incomplete)), *complete_recipe_file(incomplete)]


def complete_recipe_file(incomplete: str) -> list[str]:
    """Return .dcql files, and folders, that may be meant."""
    return _below(incomplete, (".dcql",))


def complete_target(incomplete: str) -> list[str]:
    """Return recipes, locks, subsets and folders that may be meant."""
    return [*complete_recipe(incomplete), *_below(incomplete, (".lock", ".npy"), folders=False)]


def complete_pool(incomplete: str) -> list[str]:
    """Return the pools that may be meant: those that were added, and folders and files of parquet."""
    from dcql.catalog.pool import list_pools

    return [*(name for name in list_pools() if name.startswith(incomplete)), *_below(incomplete, (".parquet",))]


def complete_setting(context: typer.Context, incomplete: str) -> list[str]:
    """Return `name=` for each PARAM of the recipes on the line, whose words are the context's `obj`."""
    from dcql.catalog.recipes import find_recipe, shipped_recipes
    from dcql.errors import DcqlError

    shipped = shipped_recipes()
    names: dict[str, None] = {}
    for word in context.obj or ():
        if not (word in shipped or word.endswith(".dcql")):
            continue
        try:
            # A recipe that is being written may not parse.
            names |= dict.fromkeys(_PARAM.findall(_COMMENT.sub("", find_recipe(word)[0].text)))
        except DcqlError:
            continue
    return [f"{name}=" for name in names if name.startswith(incomplete)]


def _below(incomplete: str, suffixes: tuple[str, ...], *, folders: bool = True) -> list[str]:
    """Return files with one of the suffixes, and folders with a / at the end, whose paths begin so."""
    folder, slash, begun = incomplete.rpartition("/")
    found = []
    try:
        for entry in sorted(
            os.scandir(os.path.expanduser(folder) or ("/" if slash else ".")), key=lambda one: one.name
        ):
            if not entry.name.startswith(begun) or (not begun and entry.name.startswith(".")):
                continue
            if entry.is_dir():
                found += [f"{folder}{slash}{entry.name}/"] if folders else []
            elif entry.name.endswith(suffixes):
                found.append(f"{folder}{slash}{entry.name}")
    except OSError:
        return []
    return found


def memory_size(text: str) -> int:
    """Read a size such as 512MB, 1GB, 2GiB or 1.5GB as bytes."""
    match = _SIZE.fullmatch(text.strip())
    units = {unit.lower(): size for unit, size in _UNITS.items()}
    if match is None or match[2].lower() not in units:
        raise typer.BadParameter(f"{text!r} is no size: write a number and a unit, as in 512MB, 1.5GB or 2GiB")
    whole = round(float(match[1]) * units[match[2].lower()])
    if whole < _SMALLEST:
        raise typer.BadParameter(f"{text!r} is too little: give 1MB or more")
    return whole


def limits(text: str) -> Limits:
    """Read limits such as `time=600,memory=4GB`, or `strangers`, which may be followed by others in its place."""
    first, _, rest = text.partition(",")
    result = STRANGERS if first.strip() == "strangers" else Limits()
    parts = (rest if result is STRANGERS else text).split(",")
    seen: set[str] = set()
    for part in filter(None, parts) if result is STRANGERS else parts:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in _LIMITS or not equals:
            raise typer.BadParameter(
                f"{part!r} is no limit: write strangers, or some of time=SECONDS,memory=SIZE,output=SIZE,nesting=LEVELS"
            )
        if name in seen:
            raise typer.BadParameter(f"{name!r} is limited twice")
        seen.add(name)
        result = replace(result, **{name: _LIMITS[name](value)})
    return result


def _seconds(text: str) -> float:
    if _NUMBER.fullmatch(text) is None or float(text) == 0:
        raise typer.BadParameter(f"{text!r} is no time: write a number of seconds, as in time=600")
    return float(text)


def _levels(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and int(text) > 0):
        raise typer.BadParameter(f"{text!r} is no number of levels: write one as in nesting=100")
    return int(text)


_LIMITS: dict[str, Callable[[str], Any]] = {
    "time": _seconds,
    "memory": memory_size,
    "output": memory_size,
    "nesting": _levels,
}


def settings(given: list[str] | None) -> dict[str, str]:
    """Read `name=value` pairs of --set."""
    result: dict[str, str] = {}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{pair!r} is no setting: write NAME=VALUE, as in --set keep=0.2")
        if name.strip() in result:
            raise typer.BadParameter(f"{name.strip()!r} is set twice")
        result[name.strip()] = value.strip()
    return result


def similar(word: str, known: list[str]) -> str:
    """Return `; a similar .. exists` for a message, or nothing."""
    near = did_you_mean(word, known)
    return f"; did you mean {near}?" if near else ""


Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A .dcql file, or the name of a recipe that ships (`dcql recipes` lists them).",
        autocompletion=complete_recipe,
    ),
]
Recipes = Annotated[
    list[str],
    typer.Argument(
        metavar="RECIPE..",
        help="One or more .dcql files, or names of recipes that ship (`dcql recipes` lists them).",
        autocompletion=complete_recipe,
    ),
]
_POOL = typer.Option(
    "--pool",
    "-p",
    metavar="POOL",
    help="An added pool's name, or a folder, file or URL of parquet files.",
    autocompletion=complete_pool,
)
PoolOption = Annotated[str | None, _POOL]
PoolNeeded = Annotated[str, _POOL]
PoolName = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of an added pool.", autocompletion=complete_pool)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="NAME=VALUE",
        help="Give a PARAM of the recipe another value; may repeat.",
        autocompletion=complete_setting,
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", "-t", min=1, metavar="N", help="Threads to use; all processors without it.")
]
MemoryOption = Annotated[
    int | None,
    typer.Option("--memory", "-m", metavar="SIZE", parser=memory_size, help="Memory to use, as in 512MB, 1GB, 2GiB."),
]
LimitsOption = Annotated[
    Limits | None,
    typer.Option(
        "--limits",
        metavar="LIMITS",
        parser=limits,
        help="Stop beyond time=SECONDS, memory=SIZE, output=SIZE, nesting=LEVELS, some or all, with commas; strangers "
        "is time=3600, memory=8GB, output=4GB, nesting=100.",
    ),
]
DiffOption = Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")]
TarsOption = Annotated[
    str | None,
    typer.Option(
        "--shards",
        metavar="IN",
        help="Folder, file or URL of tars, or an added pool's name; those of the pool without it.",
        autocompletion=complete_pool,
    ),
]
RunShardsOption = Annotated[
    str | None, typer.Option("--shards", metavar="DIR", help="The run's training shards; RUN/shards without it.")
]
# Which training is meant, by commands that come after it.
ScaleOption = Annotated[
    str | None, typer.Option("--scale", metavar="SCALE", help="The scale that was trained, where there are several.")
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", metavar="N", help="The seed of the training, where there are several.")
]


def out_option(metavar: str, what: str) -> Any:
    """Return --out of a command: `what` says what it writes there."""
    return typer.Option("--out", "-o", metavar=metavar, help=what)


def columns_option(otherwise: str) -> Any:
    """Return --columns of a command: `otherwise` says which are taken without it."""
    return typer.Option("--columns", "-c", metavar="NAMES", help=f"Columns of the pool, as in url,text; {otherwise}.")


FormatOption = Annotated[
    Format, typer.Option("--format", "-f", help="Lines for people, or one JSON document on standard output.")
]
