"""Readers of text: recipes, the files of sets, locks, programs in the store."""

import contextlib
import hashlib
import tomllib
from functools import cache
from pathlib import Path

from dcql.catalog.types import DATACOMP, Column, Schema, Type
from dcql.compiler import check, compile
from dcql.errors import LockError
from dcql.locks import lock_file as locks
from dcql.lower import stored
from dcql.plan import nodes
from dcql.plan.sets import set_values
from dcql.records.recorded import settings_for
from dcql.source import Source
from dcql.syntax.canonical import recipe_digest
from dcql.syntax.formatter import formatted
from dcql.syntax.parser import parse, read
from dcql.syntax.scan import words
from fuzz.judging import promise
from fuzz.places import BASE, chosen, folder

# The columns that recipes of other tests read.
_COLUMNS = {"grp": Type.INT, "rating": Type.DOUBLE, "quality": Type.DOUBLE, "score": Type.FLOAT, "safe": Type.BOOL}
SCHEMA = Schema((*DATACOMP.columns, *(Column(name, type_) for name, type_ in _COLUMNS.items())))

_FORMATTED = 1 << 13  # bytes: each form takes three parses


# --- recipes ----------------------------------------------------------------------------------------------------------


def recipe(data: bytes) -> bool:
    """A recipe, from its bytes to its program; beside it lie the files of base/recipe/."""
    path = _with_inputs() / "recipe.dcql"
    path.write_bytes(data)
    source = read(path)
    written = parse(source)
    promise(recipe_digest(parse(_laid_out_anew(source))) == recipe_digest(written), "layout changes the recipe")
    if len(data) < _FORMATTED:
        form = formatted(source)  # compares the trees by itself
        promise(formatted(Source(source.name, form)) == form, "the form of a form is another one")
    compiled = compile(path, SCHEMA)
    again = stored.decode(stored.encode(compiled.program), source)
    promise(again == compiled.program, "a program is read back as another one")
    return True


def _laid_out_anew(source: Source) -> Source:
    """Return a recipe with a comment and a line break between all of its words."""
    every = words(source, 1 if source.text.startswith("\ufeff") else 0, len(source.text))
    return Source(source.name, " -- ;'(\n".join(word.text for word in every))


@cache
def _with_inputs() -> Path:
    place = folder("recipe")
    for file in sorted((BASE / "recipe").iterdir()):
        (place / file.name).write_bytes(file.read_bytes())
    return place


# --- sets -------------------------------------------------------------------------------------------------------------

_COMPARED = ("uid", "text", "grp", "quality", "clip_l14")


def set_file(data: bytes) -> bool:
    """A set's file, compared with a uid, text or numbers: whatever is taken is of the type that was asked for."""
    column, content = chosen(data, _COMPARED)
    place = folder("set")
    (place / "values").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    text = f"SET s FROM 'values' SHA256 '{digest}';\nSELECT uid FROM pool WHERE {column} IN s;\n"
    plan = check(Source("set.dcql", text), SCHEMA, {}, place / "set.dcql")
    (named,) = (found for found in _sets(plan) if isinstance(found, nodes.NamedSet))
    if named.is_subset:
        promise(column == "uid", "a .npy is a set of uids alone")
        return True
    values = set_values(named, content)
    promise(len(values) == len(set(values)) <= named.count, "a set holds each value once")
    kinds = {Type.INT: int, Type.FLOAT: float, Type.DOUBLE: float, Type.TEXT: str}
    promise(all(type(value) is kinds[named.type] for value in values), "a set holds values of its type")
    if column == "uid":
        promise(all(len(str(value)) == 32 and int(str(value), 16) >= 0 for value in values), "uids have 32 digits")
    return True


def _sets(plan: nodes.Plan) -> list[object]:
    """Return all that a plan is made of."""
    found: list[object] = []
    waiting: list[object] = [plan]
    while waiting:
        value = waiting.pop()
        found.append(value)
        if isinstance(value, tuple):
            waiting += value
        elif hasattr(value, "__match_args__"):
            waiting += [getattr(value, name) for name in value.__match_args__]
    return found


# --- locks ------------------------------------------------------------------------------------------------------------


def lock_file(data: bytes) -> bool:
    """A lock: one that is read is written and read again as the same.

    No mutation keeps the digest of the key, so that it is written anew where nothing else is wrong.
    """
    path = folder("lock") / "recipe.lock"
    path.write_bytes(data)
    try:
        found = locks.read_lock(path)
    except LockError as error:
        if "`key` is not the digest" not in error.diagnostics[0].label:
            raise
        found = locks._from_data(tomllib.loads(data.decode("utf-8")))
        locks.write_lock(found, path)
        promise(locks.read_lock(path).key.digest == found.key.digest, "the key is read back as another one")
    locks.write_lock(found, path)
    promise(locks.read_lock(path) == found, "a lock is read back as another one")
    text = path.read_bytes()
    locks.write_lock(locks.read_lock(path), path)
    promise(path.read_bytes() == text, "a lock is written as other bytes")
    # What a run that is held to the lock does with its parameters first.
    settings_for(found.key.parameters, dict.fromkeys(found.key.parameters, "0"))
    return True


# --- programs ---------------------------------------------------------------------------------------------------------

PROGRAM = "SELECT uid FROM pool WHERE clip_l14 >= q(0.7) AND grp IN (1, 2) ORDER BY quality LIMIT 30 PERCENT;\n"


def program(data: bytes) -> bool:
    """A program in the store: the JSON below its digest, and the file as a whole."""
    source = Source("program", PROGRAM)
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(ValueError):
        stored.decode(text, source)
    found = stored.decode(stored.sealed(text), source)
    promise(stored.decode(stored.encode(found), source) == found, "a program is read back as another one")
    return True
