"""What every node of a recipe is, and the smallest of them: literals and names."""

from dataclasses import dataclass, field
from decimal import Decimal

from dcql.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Anything that was written, and where."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A numeric literal, exact: `0.7`, `30`, `1e3`. Never negative."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A text literal; doubled quotes are already single."""

    value: str


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class Null(Node):
    """NULL."""


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name, dotted where it is qualified: `lang`, `pool.lang`."""

    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """The name as written, without spaces."""
        return ".".join(self.parts)
