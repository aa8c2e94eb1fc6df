"""How deep a plan nests: what an engine takes, and what the limits of a command allow."""

from dcql.errors import Diagnostics
from dcql.limits import held
from dcql.plan import nodes

MAX_LEVELS = 120


def refuse_depth(plan: nodes.Plan, diagnostics: Diagnostics) -> None:
    """Record a diagnostic where the SQL of a plan would nest deeper than it may, without recursion."""
    allowed = held().nesting
    most = MAX_LEVELS if allowed is None else min(allowed, MAX_LEVELS)
    relations = (*(stage.relation for stage in plan.stages), plan.query)
    todo: list[tuple[nodes.Node, int, nodes.Clause | None]] = [(relation, 1, None) for relation in relations]
    while todo:
        node, level, clause = todo.pop()
        if level > most:
            span = clause.span if clause else None
            label = f"more than {most} levels: each operand of `+`, and each UNION, is one"
            if most == MAX_LEVELS:
                help_ = "name a part of it as a stage: `WITH part AS (SELECT uid FROM pool WHERE ..)`"
                diagnostics.add("E0504", "too deep for the engine", span, label, (help_,))
            else:
                help_ = f"allow more, if the recipe is worth it: `--limits nesting={MAX_LEVELS}`"
                diagnostics.add("E1464", "nested deeper than it may", span, label, (help_,))
            return
        clause = node if isinstance(node, nodes.Clause) else clause
        todo += [(child, level + 1, clause) for child in nodes.children(node)]
