"""A recipe that is looked at: as it was written, what it means, and questions that several lints ask of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import get_args

from dcql.plan import nodes
from dcql.plan.meanings import Meanings
from dcql.source import Source, Span
from dcql.syntax import ast
from dcql.syntax.scan import TOKEN, clipped, words
from dcql.syntax.walk import parts, walk

_EXPRESSIONS = get_args(nodes.Expr)
_DECLARATIONS = (*get_args(ast.Definition), ast.Stage)
# Nodes whose text is no name of the recipe.
_NO_NAMES = (ast.Text, ast.Argument, ast.Parameter, ast.TypeName)


@dataclass(frozen=True)
class Linted:
    """A recipe without faults: its text and tree, its plan, and what each part of the tree means."""

    source: Source
    recipe: ast.Recipe
    plan: nodes.Plan
    meanings: Meanings
    _mentioned: dict[int, frozenset[str]] = field(default_factory=dict, repr=False)
    _reads: dict[int, bool] = field(default_factory=dict, repr=False)

    # --- meanings -----------------------------------------------------------------------------------------------------

    def meaning(self, node: ast.Node) -> nodes.Expr | None:
        """Return the expression that a node stands for; None where it stands for none, or for several."""
        found = self.meanings.of(node)
        if not found and isinstance(node, ast.And):
            # The conditions of a WHERE are resolved one by one.
            operands = [self.meaning(operand) for operand in node.operands]
            return nodes.And(tuple(one for one in operands if one is not None)) if None not in operands else None
        return found[0] if len(found) == 1 and isinstance(found[0], _EXPRESSIONS) else None

    @cached_property
    def stages(self) -> dict[str, nodes.Rel]:
        """The relations that stages and imports stand for, by name."""
        found = {stage.name: stage.relation for stage in self.plan.stages}
        for stage in self.recipe.stages:
            # As it was before its features were told of which samples they are asked.
            found.update((stage.name, rel) for rel in self.meanings.of(stage.query) if not is_expression(rel))  # type: ignore[misc]
        return found

    def relation(self, rel: nodes.Rel) -> nodes.Rel:
        """Return what a relation is, rather than its name."""
        while isinstance(rel, nodes.Ref):
            rel = self.stages[rel.name]
        return rel

    def above(self, rel: nodes.Rel) -> Iterator[nodes.Rel]:
        """Yield a relation and those that it narrows: each holds all samples of the one before."""
        here: nodes.Rel | None = rel
        while here is not None:
            here = self.relation(here)
            yield here
            here = getattr(here, "input", None)

    # --- names --------------------------------------------------------------------------------------------------------

    @cached_property
    def declared(self) -> dict[str, ast.Definition | ast.Stage]:
        """What the recipe gives names to, in the order of the text."""
        return {one.name: one for one in (*self.recipe.definitions, *self.recipe.stages)}

    def reach(self, *roots: ast.Node) -> frozenset[str]:
        """Return the names of the recipe that nodes use, directly or through other names."""
        found: set[str] = set()
        waiting = list(roots)
        while waiting:
            for name in self.mentioned(waiting.pop()):
                if name in self.declared and name not in found:
                    found.add(name)
                    waiting.append(self.declared[name])
        return frozenset(found)

    def reads_param(self, node: ast.Node) -> bool:
        """Return whether a value that `--set` can change decides what a node means."""
        if id(node) not in self._reads:
            self._reads[id(node)] = not self._params.isdisjoint(self.reach(node))
        return self._reads[id(node)]

    @cached_property
    def _params(self) -> frozenset[str]:
        return frozenset(name for name, one in self.declared.items() if isinstance(one, ast.Param))

    def mentioned(self, node: ast.Node) -> frozenset[str]:
        """Return the names that stand in a node, but for its own and those of its parameters."""
        if id(node) not in self._mentioned:
            self._mentioned[id(node)] = _mentioned(node)
        return self._mentioned[id(node)]

    # --- text ---------------------------------------------------------------------------------------------------------

    def nodes(self) -> Iterator[ast.Node]:
        """Yield every node of the recipe, in the order of the text."""
        for part in parts(self.recipe):
            yield from walk(part)

    @cached_property
    def places(self) -> dict[tuple[int, int], list[ast.Node]]:
        """The nodes by where they begin and end."""
        found: dict[tuple[int, int], list[ast.Node]] = {}
        for node in self.nodes():
            found.setdefault((node.span.start, node.span.end), []).append(node)
        return found

    def between(self, start: int, end: int) -> tuple[Span, ...]:
        """Return the places of the words between two places."""
        return tuple(self.source.span(word.start, word.end) for word in words(self.source, start, end))

    def has_comment(self, span: Span) -> bool:
        """Return whether a comment stands within a span."""
        tokens = TOKEN.finditer(self.source.text, span.start, span.end)
        return any(match.lastgroup == "comment" for match in tokens)


def is_expression(meaning: object) -> bool:
    """Return whether a meaning is an expression of the plan, rather than a relation or a constant without a type."""
    return isinstance(meaning, _EXPRESSIONS)


def _mentioned(node: ast.Node) -> frozenset[str]:
    found: set[str] = set()
    for one in walk(node):
        if isinstance(one, ast.Name):
            found.add(one.parts[0])
        elif not isinstance(one, _NO_NAMES):
            own = isinstance(one, _DECLARATIONS)
            texts = (getattr(one, item.name) for item in fields(one) if not (own and item.name == "name"))
            found |= {text for text in texts if isinstance(text, str)}
    parameters = (node.parameters or ()) if isinstance(node, ast.Define) else ()
    return frozenset(found.difference(parameters))


def told(node: ast.Node) -> str:
    """Return a node's words for a message: on one line, and not too many."""
    return clipped(" ".join(node.span.text.split()))
