"""Files -> the text of recipes.

What reads text and knows nothing of the language: a recipe whose program is stored is not looked into.
"""

import os
from pathlib import Path

from dcql.errors import Diagnostic, RecipeError, did_you_mean
from dcql.source import Source

MAX_BYTES = 1_000_000


def read(path: Path, name: str | None = None) -> Source:
    """Read a recipe file, to be shown as `name` (by default its path).

    Raises RecipeError when it is missing, not a file, too large, or not UTF-8.
    """
    name = name or str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RecipeError(
            Diagnostic("E0155", f"cannot read `{name}`", None, why.lower(), _advice(path, error))
        ) from None
    return source_of(data, name)


def _advice(path: Path, error: OSError | ValueError) -> tuple[str, ...]:
    """Say what to do about a file that cannot be read."""
    if isinstance(error, PermissionError):
        return ("check the permissions of the file and of its folder",)
    if isinstance(error, IsADirectoryError):
        return ("name the file of a recipe",)
    try:
        others = [Path(name) for name in sorted(os.listdir(path.parent))]
    except (OSError, ValueError):
        others = []
    # Without what they end with, which makes all names alike.
    near = did_you_mean(path.stem, [other.stem for other in others if other.suffix == path.suffix])
    return (f"a similar file is there: `{path.with_stem(near)}`" if near else "check the path",)


def source_of(data: bytes, name: str) -> Source:
    """Return the bytes of a recipe's file, or the first MAX_BYTES + 1 of them, as a source called `name`.

    Raises RecipeError when they are too many, or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise RecipeError(_too_large(name))
    try:
        return Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"`{name}` is not UTF-8"
        label = f"byte {data[error.start]:#04x} in line {line}"
        raise RecipeError(Diagnostic("E0154", message, label=label, helps=("save the file as UTF-8",))) from None


def check_size(source: Source) -> None:
    """Raise RecipeError when `source` is larger than a recipe may be."""
    if len(source.text) > MAX_BYTES or len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise RecipeError(_too_large(source.name))


def _too_large(name: str) -> Diagnostic:
    help_ = "values belong in a file: SET s FROM 'values.txt' SHA256 '..'; then `x IN s`"
    return Diagnostic("E0150", f"`{name}` is larger than {MAX_BYTES:,} bytes", helps=(help_,))
