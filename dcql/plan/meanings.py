"""What each expression and query of a recipe means: from the words of a recipe to its plan."""

from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from dcql.plan import nodes
from dcql.plan.coerce import Value
from dcql.syntax import ast

Meaning: TypeAlias = Value | nodes.Rel
M = TypeVar("M", bound=Meaning)


@dataclass
class Meanings:
    """Filled while a recipe is resolved, for those who look at its text: lints, an editor.

    The body of a DEFINE has a meaning for each use of it. Features do not say yet of which samples they are asked.
    """

    _found: dict[int, tuple[ast.Node, list[Meaning]]] = field(default_factory=dict)

    def note(self, written: ast.Node, meaning: Meaning) -> None:
        """Add what a node was resolved to."""
        # The node is kept, so that its id stays its own.
        self._found.setdefault(id(written), (written, []))[1].append(meaning)

    def of(self, written: ast.Node) -> tuple[Meaning, ...]:
        """Return what a node means, each meaning once; nothing for one that was not resolved by itself."""
        found = self._found.get(id(written))
        return tuple(dict.fromkeys(found[1])) if found is not None else ()
