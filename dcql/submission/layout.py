"""The files of a submission, and how they are read: as data of strangers.

DIR/
  entry.toml           who submits what: the author's file
  recipe.dcql          the recipe, and beside it the files that it names
  recipe.lock          what the recipe selects, and what decides that
  manifest.json        the run: hash, counts, thresholds
  subset.npy           the uids; left out for a huge pool
  shards.json          what was trained on
  run.json             what was trained
  weights.json         what came out
  eval_results.jsonl   what it is worth, one line a task
  eval.json            the averages
  environment.json     the machine and the versions that made it
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from dcql.errors import Diagnostic, RunError
from dcql.json_text import parse_json

ENTRY = "entry.toml"
RECIPE = "recipe.dcql"
LOCK = "recipe.lock"
MANIFEST = "manifest.json"
SUBSET = "subset.npy"
SHARDS = "shards.json"
RUN = "run.json"
WEIGHTS = "weights.json"
RESULTS = "eval_results.jsonl"
EVALUATION = "eval.json"
ENVIRONMENT = "environment.json"

REQUIRED = (
    ENTRY,
    RECIPE,
    LOCK,
    MANIFEST,
    SHARDS,
    RUN,
    WEIGHTS,
    RESULTS,
    EVALUATION,
    ENVIRONMENT,
)
OWN = frozenset({*REQUIRED, SUBSET})

# More than any of these documents needs; a lock and a subset have limits of their own.
MAX_BYTES = 1 << 26
MAX_FILES = 1000
MAX_DEPTH = 32
SCHEMA = 1


class Unreadable(Exception):  # noqa: N818
    """A file of a submission is not what it has to be; carries the diagnostic."""

    def __init__(self, name: str, why: str, help_: str = "") -> None:
        self.name = name
        helps = (help_,) if help_ else ("pack it anew: `dcql submit RUN -o DIR`",)
        self.diagnostic = Diagnostic("E1310", f"`{name}` cannot be read", None, why, helps)
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in a submission folder: regular files by their path below it, and what is wrong with the others."""

    files: frozenset[str]
    faults: tuple[Diagnostic, ...]


def list_folder(folder: Path) -> Listing:
    """List a submission folder; what is neither a plain file nor a folder is a fault.

    Raises RunError (E1310) where `folder` is no folder.
    """
    if not folder.is_dir():
        label = "it is a file" if folder.exists() else "there is no such folder"
        raise RunError(
            Diagnostic("E1310", f"no submission `{folder}`", None, label, ("name what `dcql submit` wrote",))
        )
    found: set[str] = set()
    faults: list[Diagnostic] = []
    for name, kind in _walk(folder):
        if kind is None:
            found.add(name)
        else:
            faults.append(_stranger(name, kind))
        if len(found) + len(faults) > MAX_FILES:
            faults.append(_stranger(name, f"the folder holds more than {MAX_FILES:,} files"))
            break
    faults += [Unreadable(name, "it is missing").diagnostic for name in REQUIRED if name not in found]
    return Listing(frozenset(found), tuple(faults))


def _walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """Yield the paths below a folder in order, with None for a plain file, else what is there instead."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = prefix + entry.name
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            if name.count("/") > 16:
                yield name, "folders lie more than 16 deep"
            else:
                yield from _walk(Path(entry.path), f"{name}/")
        elif stat.S_ISLNK(mode):
            yield name, "it is a link, and a submission holds plain files alone"
        elif not stat.S_ISREG(mode):
            yield name, "it is no plain file"
        else:
            yield name, None


def _stranger(name: str, why: str) -> Diagnostic:
    helps = ("remove it: a submission holds what `dcql submit` wrote, and nothing else",)
    return Diagnostic("E1310", f"`{name}` does not belong here", None, why, helps)


def strangers(listing: Listing, named: frozenset[str]) -> tuple[Diagnostic, ...]:
    """Return a fault for each file that is neither of a submission nor one of `named`, which the recipe names."""
    return tuple(_stranger(name, "nothing names this file") for name in sorted(listing.files - OWN - named))


def read_bytes(folder: Path, name: str, limit: int = MAX_BYTES) -> bytes:
    """Read a file of a submission, links not followed. Raises Unreadable."""
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        _refuse(name, "it is missing")
    except OSError as error:
        _refuse(name, error.strerror or str(error))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            _refuse(name, "it is no plain file")
        content = file.read(limit + 1)
    if len(content) > limit:
        _refuse(name, f"it is larger than {limit:,} bytes")
    return content


def read_text(folder: Path, name: str, limit: int = MAX_BYTES) -> str:
    """Read a text file of a submission. Raises Unreadable."""
    try:
        return read_bytes(folder, name, limit).decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(name, f"it is not UTF-8: byte {error.start}")


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON object of a submission, with a `schema` that this version knows. Raises Unreadable."""
    return as_object(name, read_text(folder, name))


def read_lines(folder: Path, name: str) -> tuple[dict[str, Any], ...]:
    """Read a file of one JSON object a line. Raises Unreadable, naming the line."""
    text = read_text(folder, name)
    if text and not text.endswith("\n"):
        _refuse(name, "its last line is cut off")
    lines = text.split("\n")[:-1]
    return tuple(as_object(name, line, f"line {number}: ") for number, line in enumerate(lines, start=1))


def as_object(name: str, text: str, where: str = "", *, versioned: bool = True) -> dict[str, Any]:
    """Parse one JSON object: no name twice, no NaN. Raises Unreadable, with `where` before the reason."""
    try:
        data = parse_json(text)
    except ValueError as error:
        _refuse(name, f"{where}{error}")
    if not isinstance(data, dict):
        _refuse(name, f"{where}it is no JSON object")
    if _deeper(data, MAX_DEPTH):
        _refuse(name, f"{where}it is nested too deep")
    if versioned:
        check_schema(name, data, where)
    return data


def _deeper(data: Any, most: int) -> bool:
    """Return whether plain data is nested more than `most` deep."""
    level = [data]
    for _ in range(most):
        level = [below for value in level for below in _below(value)]
        if not level:
            return False
    return True


def _below(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def check_schema(name: str, data: Mapping[str, Any], where: str = "") -> None:
    """Raise Unreadable where a document is of another version."""
    version = data.get("schema")
    if type(version) is not int:
        _refuse(name, f"{where}it has no `schema`")
    if version != SCHEMA:
        later = "a later dcql wrote it" if version > SCHEMA else "no dcql writes it"
        _refuse(name, f"{where}it is of schema {version}, and this dcql reads {SCHEMA}: {later}", "update dcql")


def field(name: str, data: Any, path: str, kind: type | tuple[type, ...], where: str = "") -> Any:
    """Return the value at a dotted path of a document. Raises Unreadable where it is missing or of another kind."""
    value = data
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            _refuse(name, f"{where}`{path}` is missing")
        value = value[part]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if type(value) not in kinds:
        wanted = " or ".join(_KINDS[one] for one in kinds)
        _refuse(name, f"{where}`{path}` is {_KINDS.get(type(value), 'nothing of JSON')}, not {wanted}")
    return value


_KINDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def _refuse(name: str, why: str, help_: str = "") -> NoReturn:
    raise Unreadable(name, why, help_)
