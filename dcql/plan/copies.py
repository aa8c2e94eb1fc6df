"""Copies: `n AS copies`, and how many copies a sample can have at most (SEMANTICS §3.11)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, NoReturn

from dcql.catalog.types import Type
from dcql.plan import nodes
from dcql.plan.coerce import Choice, Untyped, convert, each_constant
from dcql.plan.constants import shown
from dcql.plan.faults import WrongError
from dcql.plan.lookup import Bound
from dcql.plan.scope import Scope
from dcql.syntax import ast

if TYPE_CHECKING:
    from dcql.plan.expressions import Expressions

MAX_COPIES = 4_294_967_295

# --- resolving --------------------------------------------------------------------------------------------------------


def counted(expressions: "Expressions", select: ast.Select, scope: Scope) -> nodes.Expr:
    """Resolve the copies of a SELECT that has them: a number. Raises WrongError."""
    assert select.copies is not None
    bound = Bound(select.copies, scope, {})
    value = expressions.resolve(bound)
    if isinstance(value, Untyped):
        for constant in each_constant(value):
            _refuse(expressions, constant.value, bound, chosen=isinstance(value, Choice))
        return convert(value, Type.INT)
    if not value.type.numeric:
        words = " ".join(select.copies.span.text.split())
        helps = {
            Type.BOOL: f"say how many: `CASE WHEN {words} THEN 2 ELSE 1 END AS copies`",
            Type.TEXT: "write a number, or a column of numbers: `2 AS copies`",
        }
        label = "copies are a number: how many times a sample is taken"
        _wrong(expressions, "E0317", f"{value.type.value} where copies belong", bound, label, helps[value.type])
    return value


def _refuse(expressions: "Expressions", value: Fraction | None, bound: Bound, *, chosen: bool) -> None:
    """Raise WrongError for a constant that can be no number of copies; NULL may be where a CASE never ends up."""
    if value is None:
        if not chosen:
            help_ = "write a whole number, 0 or more; without `AS copies` each sample keeps its copies"
            _wrong(expressions, "E0318", "copies are NULL", bound, "every sample needs a number of copies", help_)
    elif value.denominator != 1:
        help_ = f"a share of the samples is a query of its own; copies are whole: `{round(value) or 1} AS copies`"
        label = f"{shown(value)} is no whole number"
        _wrong(expressions, "E0318", "copies that are not whole", bound, label, help_)
    elif value < 0:
        help_ = "0 copies drop a sample: `0 AS copies`"
        _wrong(expressions, "E0318", "copies below 0", bound, f"{shown(value)} is below 0", help_)
    elif value > MAX_COPIES:
        label = f"{shown(value)} is above {MAX_COPIES:,}"
        _wrong(expressions, "E0318", "too many copies", bound, label, f"at most `{MAX_COPIES} AS copies`")


def _wrong(expressions: "Expressions", code: str, message: str, bound: Bound, label: str, help_: str) -> NoReturn:
    expressions.diagnostics.add(code, message, bound.expr.span, label, (help_,))
    raise WrongError


# --- bounds -----------------------------------------------------------------------------------------------------------


def most_counted(expr: nodes.Expr) -> int | None:
    """Return the largest value of an expression that is a number of copies whatever the sample, None for any other.

    Such an expression is a constant, or a CASE that chooses among some.
    """
    match expr:
        case nodes.Literal(value=int() as value) if not isinstance(value, bool) and 0 <= value <= MAX_COPIES:
            return value
        case nodes.Case():
            values = [most_counted(value) for _, value in expr.branches]
            values.append(most_counted(expr.default))
            known = [value for value in values if value is not None]
            return max(known) if len(known) == len(values) else None
        case _:
            return None


@dataclass
class Most:
    """How many copies a sample can have at most in relations over `stages`, once all checks before it hold."""

    stages: Mapping[str, nodes.Rel]
    _of: dict[str, int] = field(default_factory=dict)

    def __call__(self, rel: nodes.Rel) -> int:
        """Return the bound of a relation."""
        return min(self.unchecked(rel), MAX_COPIES)

    def unchecked(self, rel: nodes.Rel) -> int:
        """Return what a relation makes of what it reads, before its own check."""
        match rel:
            case nodes.PoolScan():
                return 1
            case nodes.Ref():
                if rel.name not in self._of:
                    self._of[rel.name] = self(self.stages[rel.name])
                return self._of[rel.name]
            case nodes.Filter() | nodes.DistinctOn() | nodes.Limit():
                return self(rel.input)
            case nodes.Copies():
                most = most_counted(rel.expr)
                return self(rel.input) * (MAX_COPIES if most is None else most)
            case nodes.SetOperation(op="UNION ALL"):
                # Left-deep chains are as long as the recipe.
                total, first = 0, rel
                while isinstance(first, nodes.SetOperation) and first.op == "UNION ALL":
                    total += self(first.right)
                    first = first.left  # type: ignore[assignment]
                return total + self(first)
            case nodes.SetOperation():
                return 1

    def is_checked(self, rel: nodes.Rel) -> bool:
        """Return whether only the samples can say if a relation's copies are what they may be."""
        match rel:
            case nodes.Copies():
                return rel.checked and (most_counted(rel.expr) is None or self.unchecked(rel) > MAX_COPIES)
            case nodes.SetOperation(op="UNION ALL"):
                return self.unchecked(rel) > MAX_COPIES
            case _:
                return False


def checked(plan: nodes.Plan) -> Iterator[nodes.Copies | nodes.SetOperation]:
    """Yield the relations whose copies have to be checked, each once: stages in order, what is read before its reader.

    Everything that a run reads is checked, a population and what stands after IN too.
    """
    most = Most({stage.name: stage.relation for stage in plan.stages})
    found: dict[nodes.Copies | nodes.SetOperation, None] = {}
    for relation in (*(stage.relation for stage in plan.stages if not stage.demand), plan.query):
        for node in reversed(list(nodes.walk(relation))):
            if isinstance(node, nodes.Copies | nodes.SetOperation) and most.is_checked(node):
                found.setdefault(node)
    yield from found
