"""Recipes by name: files, and those that ship with dcql."""

from importlib import import_module
from pathlib import Path

from dcql.errors import Diagnostic, RecipeError, did_you_mean
from dcql.source import Source
from dcql.syntax.texts import read


def find_recipe(named: str | Path) -> tuple[Source, Path]:
    """Return the text and the file of a recipe: a path, or the name of one that ships, such as `clip30`.

    Raises RecipeError where there is none.
    """
    path = Path(named)
    if path.exists() or path.suffix == ".dcql":
        return read(path), path
    shipped = shipped_recipes()
    if str(named) in shipped:
        path = shipped[str(named)]
        # The same name on every machine, wherever dcql is installed.
        return Source(f"recipes/{path.relative_to(_shipped_folder()).as_posix()}", read(path).text), path
    near = did_you_mean(str(named), shipped)
    short = ", ".join(f"`{name}`" for name in shipped if "/" not in name)
    helps = (f"a similar recipe ships: `{near}`",) if near else (f"these ship: {short}",)
    raise RecipeError(
        Diagnostic("E0208", f"no recipe `{named}`", label="neither a file nor a recipe that ships", helps=helps)
    )


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that ship, by name: the path below recipes/ and its last part where that is unique."""
    root = _shipped_folder()
    paths = {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.dcql"))}
    last = [name.rsplit("/", 1)[-1] for name in paths]
    short = {name.rsplit("/", 1)[-1]: path for name, path in paths.items() if last.count(name.rsplit("/", 1)[-1]) == 1}
    return {**short, **paths}


def _shipped_folder() -> Path:
    return Path(import_module("dcql.recipes").__path__[0])
