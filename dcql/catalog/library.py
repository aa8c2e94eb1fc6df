"""The library: stdlib/*.dcql, known to every recipe without an import."""

from functools import cache
from importlib.resources import files

from dcql.digest import sha256_of
from dcql.source import Source
from dcql.syntax import ast
from dcql.syntax.parser import parse_library


@cache
def library() -> tuple[ast.Recipe, ...]:
    """Return the library's files, parsed, in name order."""
    return tuple(parse_library(source) for source in _sources())


@cache
def library_digest() -> str:
    """Return the digest of the library's text."""
    return sha256_of({source.name: source.text for source in _sources()})


@cache
def _sources() -> tuple[Source, ...]:
    folder = files("dcql.stdlib")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".dcql"))
    return tuple(Source(f"stdlib/{name}", (folder / name).read_text(encoding="utf-8")) for name in names)
