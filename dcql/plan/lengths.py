"""Lengths of texts that a pool keeps, in the place of calls that would count them again."""

from collections.abc import Iterator

from dcql.catalog.lengths import LENGTHS
from dcql.catalog.pool import Pool
from dcql.plan import nodes


def kept_lengths(plan: nodes.Plan) -> nodes.Plan:
    """python_words(text) -> the length of that name, where its argument is a column of the pool.

    The subset is the same, for a pool keeps what the function says of each text. It is no pass: not every pool does.
    """
    return nodes.transform_plan(plan, _kept)


def over(plan: nodes.Plan, pool: Pool) -> nodes.Plan:
    """Return the form of a plan that reads least of a pool, for one that is lowered for that pool (`Program.over`)."""
    kept = kept_lengths(plan)
    return kept if {one.column for one in lengths_of(kept)} <= set(pool.lengths) else plan


def like(plan: nodes.Plan, node: nodes.N) -> nodes.N:
    """Return a node of the plan that `over` was given as it is in `plan`, what came out: with lengths if it has any."""
    return nodes.transform(node, _kept) if lengths_of(plan) else node


def lengths_of(plan: nodes.Plan) -> tuple[nodes.Length, ...]:
    """Return the lengths that a plan reads, each once, in the order of their names."""
    return tuple(sorted(set(_lengths(plan)), key=lambda one: (one.column, one.function)))


def _kept(node: nodes.Node) -> nodes.Node:
    match node:
        case nodes.Call(name=name, arguments=(nodes.Column(name=column),)) if name in LENGTHS:
            return nodes.Length(name, column)
        case _:
            return node


def _lengths(plan: nodes.Plan) -> Iterator[nodes.Length]:
    for relation in (*(stage.relation for stage in plan.stages), plan.query):
        yield from (node for node in nodes.walk(relation) if isinstance(node, nodes.Length))
