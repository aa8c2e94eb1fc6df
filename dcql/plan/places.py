"""Places in a plan: where each SELECT and each condition stands, and another node put there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

from dcql.catalog.types import Type
from dcql.plan import nodes
from dcql.plan.demand import has_feature

# Where a node stands: its stage ("" for the query), then a field and the places in it for each step inwards.
Step: TypeAlias = tuple[str, tuple[int, ...]]
Path: TypeAlias = tuple[str, *tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT or set operation of a plan: where it stands, and what its blocks are called."""

    name: str
    rel: nodes.Rel
    path: Path


def selects(plan: nodes.Plan, query_name: str) -> list[Select]:
    """Return the relations of a plan in the order of the funnel: what a SELECT reads comes before it."""
    found: list[Select] = []
    inside: dict[nodes.Rel, str] = {}

    def visit(rel: nodes.Rel, name: str, path: Path) -> None:
        match rel:
            case nodes.PoolScan() | nodes.Ref():
                return
            case nodes.Filter():
                visit(rel.input, f"{name}.from", (*path, ("input", ())))
                for number, clause in enumerate(rel.clauses):
                    within(clause.expr, name, clause_path(path, number))
            case nodes.Copies():
                # A WHERE is of the same SELECT; anything else is a query in its FROM.
                inside_of = name if isinstance(rel.input, nodes.Filter) else f"{name}.from"
                visit(rel.input, inside_of, (*path, ("input", ())))
                within(rel.expr, name, (*path, ("expr", ())))
            case nodes.SetOperation():
                for number, (_, operand, where) in enumerate(operands(rel, path), start=1):
                    visit(operand, f"{name}.{number}", where)
            case nodes.DistinctOn() | nodes.Limit():
                visit(rel.input, name, (*path, ("input", ())))
                for step, node in _children(rel):
                    if step[0] != "input":
                        within(node, name, (*path, step))
        found.append(Select(name, rel, path))

    def within(node: nodes.Node, name: str, path: Path) -> None:
        if isinstance(node, nodes.InRelation):
            rel = node.relation
            if not isinstance(rel, nodes.Ref | nodes.PoolScan) and rel not in inside:
                inside[rel] = f"{name}.in{len(inside) + 1}"
                visit(rel, inside[rel], (*path, ("relation", ())))
        elif not isinstance(node, nodes.Quantile | nodes.Feature):
            for step, child in _children(node):
                within(child, name, (*path, step))

    for stage in plan.stages:
        if not stage.demand:
            visit(stage.relation, stage.name, (stage.name,))
    visit(plan.query, query_name, ("",))
    return found


def _children(node: nodes.Node) -> Iterator[tuple[Step, nodes.Node]]:
    """Yield the nodes directly inside of one, in text order, and the step to each."""
    for one in fields(node):
        for places, value in _spread(getattr(node, one.name), ()):
            if isinstance(value, nodes.Node):
                yield (one.name, places), value


def _spread(value: Any, places: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    if not isinstance(value, tuple):
        yield places, value
        return
    for number, item in enumerate(value):
        yield from _spread(item, (*places, number))


def in_turn(clauses: Sequence[nodes.Clause]) -> list[tuple[int, nodes.Clause]]:
    """Return clauses with their numbers in the order in which a sample comes to them: those without features first.

    A feature is asked of a sample when all clauses before its own, in this order, are TRUE.
    """
    return sorted(enumerate(clauses), key=lambda one: has_feature(one[1].expr))


def clause_path(path: Path, number: int) -> Path:
    """Return where the expression of a filter's clause stands."""
    return (*path, ("clauses", (number,)), ("expr", ()))


def operands(rel: nodes.SetOperation, path: Path) -> list[tuple[str, nodes.Rel, Path]]:
    """Return the operands of a chain of set operations from left to right, with the operation before each."""
    found: list[tuple[str, nodes.Rel, Path]] = []
    here: nodes.Rel = rel
    while isinstance(here, nodes.SetOperation):
        found.append((here.op, here.right, (*path, ("right", ()))))
        path, here = (*path, ("left", ())), here.left
    return [("", here, path), *reversed(found)]


def inner(expr: nodes.Expr, path: Path) -> list[tuple[nodes.Expr, Path]]:
    """Return the conditions that a connective or a CASE is made of, in text order, and where they stand."""
    match expr:
        case nodes.And() | nodes.Or():
            return [(one, (*path, ("operands", (i,)))) for i, one in enumerate(expr.operands)]
        case nodes.Not():
            return [(expr.operand, (*path, ("operand", ())))]
        case nodes.Case():
            found: list[tuple[nodes.Expr, Path]] = []
            for i, (condition, value) in enumerate(expr.branches):
                found.append((condition, (*path, ("branches", (i, 0)))))
                found.append((value, (*path, ("branches", (i, 1)))))
            return [*found, (expr.default, (*path, ("default", ())))]
        case _:
            return []


def comparisons(expr: nodes.Expr, path: Path) -> Iterator[tuple[nodes.Expr, Path]]:
    """Yield the conditions in a condition that hold no others, and where they stand, in text order."""
    within = inner(expr, path) if expr.type is Type.BOOL else []
    if not within:
        yield expr, path
    for one, where in within:
        yield from comparisons(one, where)


def own_features(expr: nodes.Node) -> Iterator[nodes.Feature]:
    """Yield the features that an expression reads of the sample itself, not those of a population or another SELECT."""
    if isinstance(expr, nodes.Feature):
        yield expr
    elif not isinstance(expr, nodes.Quantile | nodes.InRelation):
        for child in nodes.children(expr):
            yield from own_features(child)


def put(plan: nodes.Plan, path: Path, new: nodes.Node) -> nodes.Plan:
    """Return a plan with another node at a place."""
    name, *steps = path
    if not name:
        return replace(plan, query=put_at(plan.query, steps, new))
    stages = tuple(
        replace(stage, relation=put_at(stage.relation, steps, new)) if stage.name == name else stage
        for stage in plan.stages
    )
    return replace(plan, stages=stages)


def put_at(node: Any, steps: Sequence[Step], new: nodes.Node) -> Any:
    """Return a node with another one at some steps inside."""
    if not steps:
        return new
    (name, places), *rest = steps
    return replace(node, **{name: _put_in(getattr(node, name), places, rest, new)})


def _put_in(value: Any, places: Sequence[int], rest: Sequence[Any], new: nodes.Node) -> Any:
    if not places:
        return put_at(value, rest, new)
    at, *deeper = places
    return (*value[:at], _put_in(value[at], deeper, rest, new), *value[at + 1 :])
