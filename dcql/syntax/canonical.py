"""The identity of what was written: digests of recipes and definitions that layout and comments do not change."""

from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any, get_args

from dcql.digest import sha256_of
from dcql.syntax import ast

# A file is known by the digest of what is in it, so where it lies is no part of a recipe's meaning. Nor is what is said
# about a model and computes nothing. The version of the language is a field of the lock's own, said or not.
_LEFT_OUT: dict[type, tuple[str, ...]] = {
    ast.Recipe: ("language",),
    ast.Import: ("path",),
    ast.SetFile: ("path",),
    ast.AssetFile: ("path",),
    ast.Code: ("path",),
    ast.Weights: ("file",),
    ast.Model: ("licence", "cite"),
}


def recipe_digest(node: ast.Recipe | ast.Node) -> str:
    """Return the digest of a recipe, or of a part of one, over its `tokens`."""
    return sha256_of(list(tokens(node)))


def tokens(node: ast.Recipe | ast.Node) -> Iterator[str]:
    """Yield a recipe as a flat list of words that reads back in one way only.

    A node is `<Class`, its fields as `.name` and value, and `>`; a tuple is `[length` and its items; text begins with
    ', a number with =, what is TRUE is `TRUE`. Spans take no part. A field that holds nothing (NULL, FALSE, no items)
    is left out, so that a field which the language gains later changes no recipe without it.
    """
    # A stack of its own: chains of set operations are as deep as they are long.
    waiting: list[Any] = [node]
    while waiting:
        value = waiting.pop()
        match value:
            case _Word():
                yield value.text
            case None:
                yield "NULL"
            case bool():
                yield "TRUE" if value else "FALSE"
            case str():
                yield "'" + value
            case Decimal():
                yield "=" + _number(value)
            case tuple():
                yield f"[{len(value)}"
                waiting.extend(reversed(value))
            case _:
                yield f"<{type(value).__name__}"
                waiting.append(_Word(">"))
                for name, item in reversed(list(_fields(value))):
                    waiting += [item, _Word(f".{name}")]


def names(node: ast.Recipe | ast.Node) -> frozenset[str]:
    """Return every undotted name that is read or called anywhere in a recipe, or in a part of one."""
    found: set[str] = set()
    waiting: list[Any] = [node]
    while waiting:
        value = waiting.pop()
        match value:
            case ast.Name(parts=(name,)) | ast.Call(name=name):
                found.add(name)
        if isinstance(value, tuple):
            waiting += value
        elif isinstance(value, ast.Node | ast.Recipe):
            waiting += [item for _, item in _fields(value)]
    return frozenset(found)


class _Word:
    """A word of the output that waits for its place."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _fields(node: Any) -> Iterator[tuple[str, Any]]:
    for item in fields(node):
        value = getattr(node, item.name)
        if not item.compare or item.name in _LEFT_OUT.get(type(node), ()):
            continue
        if isinstance(node, ast.SetFile | ast.AssetFile | ast.Code | ast.Weights) and item.name == "sha256":
            value = node.sha256.value.lower()
        # `DEFINE f() AS ..` is called and `DEFINE f AS ..` is not: no items are not the same as no list.
        optional = type(None) in get_args(item.type)
        if value is not None and value is not False and (value != () or optional):
            yield item.name, value


def _number(value: Decimal) -> str:
    """Write a number so that equal ones have equal text: 0.70 as 7e-1."""
    _, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    return f"{kept}e{int(exponent) + len(text) - len(kept)}" if kept else "0"
