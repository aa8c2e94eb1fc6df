"""Programs as JSON: a recipe that was compiled need not be compiled again.

Compiling takes longer than running a small recipe: most of it is importing the parser and the SQL printer. A stored
program is found by everything that it was made of (`key`), so it can only be the one that compiling would give.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from enum import Enum
from fractions import Fraction
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dcql.catalog.types import Schema, Type
from dcql.digest import sha256_of
from dcql.json_text import parse_json
from dcql.lower import program as data
from dcql.source import Source, Span

# The folders of dcql up to the SQL; what comes after them makes no program.
_COMPILING = ("", "syntax/", "catalog/", "plan/", "plan/passes/", "lower/")


@cache
def _class_of(kind: str) -> Any:
    """Return the class of a program's values that has this name. Raises KeyError where there is none."""
    for module in ("lower.statement", "lower.program", "lower.tails", "plan.values", "catalog.models"):
        # Asked for last, for few programs have features.
        found = getattr(import_module(f"dcql.{module}"), kind, None)
        if isinstance(found, type) and found.__module__ == f"dcql.{module}":
            return found
    raise KeyError(kind)


def key(source: Source, schema: Schema, settings: Mapping[str, str]) -> str:
    """Return what tells a recipe's program apart: its text, the pool's columns, PARAMs, what compiled it."""
    columns = [[column.name, column.type.value] for column in schema.columns]
    made_of = {"recipe": source.text, "columns": columns, "settings": dict(settings), "made_by": _made_by()}
    return sha256_of(made_of).removeprefix("sha256:")


@cache
def _made_by() -> str:
    """Name what compiles, and sqlglot, a line a module, by size and time of change: others may make another program."""
    # Found without being imported: importing sqlglot is what a stored program saves.
    roots = {name: find_spec(name) for name in ("dcql", "dcql.stdlib", "sqlglot")}
    found: list[str] = []
    for name, spec in roots.items():
        assert spec is not None
        assert spec.origin is not None
        root = os.path.dirname(spec.origin)
        folders = _COMPILING if name == "dcql" else ("",)
        found += sorted(line for folder in folders for line in _listed(root, folder, below=name == "dcql.stdlib"))
    return "\n".join(found)


def _listed(root: str, folder: str, *, below: bool) -> Iterator[str]:
    """Yield path, size and time of change of each module and recipe in a folder, and in those below it if asked."""
    with os.scandir(os.path.join(root, folder)) as entries:
        for entry in entries:
            if entry.name.endswith((".py", ".dcql")):
                known = entry.stat()
                yield f"{folder}{entry.name} {known.st_size} {known.st_mtime_ns}"
            elif below and entry.is_dir():
                yield from _listed(root, f"{folder}{entry.name}/", below=True)


def encode(program: data.Program) -> str:
    """Return a program as JSON, below its digest."""
    return sealed(json.dumps(_plain(program), ensure_ascii=False, separators=(",", ":")))


def sealed(text: str) -> str:
    """Return a program's JSON below its digest, by which a file that was damaged is known."""
    return f"{hashlib.sha256(text.encode('utf-8')).hexdigest()}\n{text}"


def decode(text: str, source: Source) -> data.Program:
    """Return the program that `encode` wrote; its spans are places in `source`.

    Raises ValueError for any other text.
    """
    _, _, plain = text.partition("\n")
    if sealed(plain) != text:
        raise ValueError("damaged")
    try:
        program = _value(parse_json(plain), source)
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError("not a program") from error
    if not isinstance(program, data.Program):
        raise ValueError("not a program")
    return program


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return {"is": "float", "hex": value.hex()}
        case Fraction():
            return {"is": "Fraction", "value": str(value)}
        case Type():
            return {"is": "Type", "name": value.name}
        case Span():
            return {"is": "Span", "start": value.start, "end": value.end}
        case tuple():
            return [_plain(item) for item in value]
        case Enum():
            raise TypeError(f"no form for {value!r}")
        case _:
            names = [field.name for field in dataclasses.fields(value)]
            return {"is": type(value).__name__, **{name: _plain(getattr(value, name)) for name in names}}


def _value(plain: Any, source: Source) -> Any:
    if isinstance(plain, list):
        return tuple(_value(item, source) for item in plain)
    if not isinstance(plain, dict):
        return plain
    kind = plain.pop("is")
    match kind:
        case "float":
            return float.fromhex(plain["hex"])
        case "Fraction":
            return Fraction(plain["value"])
        case "Type":
            return Type[plain["name"]]
        case "Span":
            return source.span(plain["start"], plain["end"])
        case _:
            return _class_of(kind)(**{name: _value(item, source) for name, item in plain.items()})
