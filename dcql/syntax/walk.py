"""Walking over a syntax tree, whatever nodes there are."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from dcql.syntax import ast


def children(node: ast.Node) -> Iterator[ast.Node]:
    """Yield the nodes directly under a node, in the order of its fields."""
    for item in fields(node):
        yield from _inside(getattr(node, item.name))


def walk(node: ast.Node) -> Iterator[ast.Node]:
    """Yield a node and every node under it, outermost first, without recursion."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        waiting += reversed(list(children(here)))


def parts(recipe: ast.Recipe) -> Iterator[ast.Node]:
    """Yield the outermost nodes of a recipe in the order of the text."""
    yield from recipe.definitions
    yield from recipe.stages
    if recipe.query is not None:
        yield recipe.query
    yield from recipe.expects


def _inside(value: Any) -> Iterator[ast.Node]:
    if isinstance(value, ast.Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _inside(item)
