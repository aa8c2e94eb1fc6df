"""Plans whose SQL would nest deeper than the engine takes, or than a command's limits allow, or be endlessly long."""

from dcql.errors import Diagnostics
from dcql.limits import held
from dcql.plan import nodes
from dcql.plan.statistics import statistics

MAX_LEVELS = 120
MAX_STATISTICS = 60  # each is SQL over all before it, so that the SQL grows with their square


def refuse_depth(plan: nodes.Plan, diagnostics: Diagnostics) -> None:
    """Record a diagnostic where expressions, relations, stages or statistics go too deep, without recursion."""
    if _levels(plan, diagnostics) or _stages(plan, diagnostics):
        return
    if statistics(plan).stages > MAX_STATISTICS:
        label = f"more than {MAX_STATISTICS} statistics in a row, each of which needs the one before"
        diagnostics.add("E0504", "too deep for the engine", None, label, ("keep what more than one of them can say",))


def _levels(plan: nodes.Plan, diagnostics: Diagnostics) -> bool:
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
            return True
        clause = node if isinstance(node, nodes.Clause) else clause
        todo += [(child, level + 1, clause) for child in nodes.children(node)]
    return False


def _stages(plan: nodes.Plan, diagnostics: Diagnostics) -> bool:
    """Look at stages in their order: each sees those above it alone."""
    level: dict[str, int] = {}
    for stage in plan.stages:
        needed = (level.get(node.name, 0) for node in nodes.walk(stage.relation) if isinstance(node, nodes.Ref))
        level[stage.name] = 1 + max(needed, default=0)
        if level[stage.name] > MAX_LEVELS:
            label = f"stage `{stage.name}`: more than {MAX_LEVELS} stages in a row, each FROM the one before"
            help_ = "write some of them as one: `WHERE a AND b`"
            diagnostics.add("E0504", "too deep for the engine", None, label, (help_,))
            return True
    return False
