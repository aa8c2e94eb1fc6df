"""Make one filter of a filter over a filter."""

from dcql.plan.nodes import Filter, Node, Plan, transform_plan


def merge_filters(plan: Plan) -> Plan:
    """Filter(Filter(x, a), b) -> Filter(x, a, b): `FROM (SELECT uid FROM pool WHERE a) WHERE b` is one WHERE.

    The clauses keep their order, so the funnel keeps its lines.
    """
    return transform_plan(plan, _merge)


def _merge(node: Node) -> Node:
    match node:
        case Filter(input=Filter() as inner):
            return Filter(inner.input, inner.clauses + node.clauses)
        case _:
            return node
