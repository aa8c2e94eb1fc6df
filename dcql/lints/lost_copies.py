"""L008: copies that a set operation takes away."""

from collections.abc import Iterator

from dcql.errors import Diagnostic
from dcql.lints.measure import Measured
from dcql.lints.recipe import Linted, is_expression
from dcql.plan import nodes
from dcql.plan.implied import excludes
from dcql.source import Span
from dcql.syntax import ast

_KEEPS = "UNION ALL"


def lost_copies(linted: Linted, measured: Measured | None) -> Iterator[Diagnostic]:
    """Find UNION, INTERSECT and EXCEPT of samples that have several copies each."""
    for node in linted.nodes():
        if not isinstance(node, ast.SetOperation) or node.op == _KEEPS:
            continue
        # What EXCEPT takes away may have any number of copies.
        operands = (node.left,) if node.op == "EXCEPT" else (node.left, node.right)
        if not any(_written_repeats(linted, operand) for operand in operands):
            continue
        helps: tuple[str, ...] = ("if one copy of each is meant, say so: `-- dcql: allow L008`",)
        if node.op == "UNION":
            helps = ("UNION ALL adds the copies of both sides", *helps)
        label = "a side has more than one copy of some samples"
        yield Diagnostic(
            "L008", f"{node.op} leaves one copy of each sample", _operator(linted, node), label, helps, "warning"
        )


def _operator(linted: Linted, node: ast.SetOperation) -> Span:
    [word] = (
        span for span in linted.between(node.left.span.end, node.right.span.start) if span.text.upper() == node.op
    )
    return word


def _written_repeats(linted: Linted, body: ast.Node) -> bool:
    if isinstance(body, ast.SetOperation):
        # The links of a chain have no meaning of their own.
        return body.op == _KEEPS and _adds(linted, body)
    return any(repeats(linted, rel) for rel in linted.meanings.of(body) if not is_expression(rel))  # type: ignore[arg-type]


def _adds(linted: Linted, body: ast.SetOperation) -> bool:
    sides = [linted.meanings.of(side) for side in (body.left, body.right)]
    if not all(sides):
        return True
    return _may_share(linted, sides[0][0], sides[1][0])  # type: ignore[arg-type]


def repeats(linted: Linted, rel: nodes.Rel) -> bool:
    """Return whether a relation may have several copies of a sample."""
    rel = linted.relation(rel)
    if isinstance(rel, nodes.SetOperation):
        if rel.op != _KEEPS:
            return False
        either = repeats(linted, rel.left) or repeats(linted, rel.right)
        return either or _may_share(linted, rel.left, rel.right)
    if isinstance(rel, nodes.Copies) and not _at_most_one(rel.expr):
        return True
    inner = getattr(rel, "input", None)
    return inner is not None and repeats(linted, inner)


def _at_most_one(number: nodes.Expr) -> bool:
    return isinstance(number, nodes.Literal) and isinstance(number.value, int | float) and number.value <= 1


def _may_share(linted: Linted, left: nodes.Rel, right: nodes.Rel) -> bool:
    """Return whether two relations may have a sample in common: not where a condition of one excludes the other's."""
    ones, others = (
        [clause.expr for rel in linted.above(side) for clause in getattr(rel, "clauses", ())] for side in (left, right)
    )
    return not any(excludes(one, other) for one in ones for other in others)
