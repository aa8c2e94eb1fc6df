"""Rewrites of plans that keep the subset, each in a file of its own.

The order: constants first, so that later passes see fewer shapes; negations, so that comparisons come bare; filters
over filters, so that a SELECT of a SELECT is one; then the stages that nothing reads any more.
"""

from collections.abc import Callable

from dcql.plan.nodes import Plan
from dcql.plan.passes.fold_constants import fold_constants
from dcql.plan.passes.merge_filters import merge_filters
from dcql.plan.passes.prune_stages import prune_stages
from dcql.plan.passes.push_negations import push_negations

Pass = Callable[[Plan], Plan]

PASSES: tuple[Pass, ...] = (fold_constants, push_negations, merge_filters, prune_stages)


def optimize(plan: Plan) -> Plan:
    """Apply every pass in order."""
    for rewrite in PASSES:
        plan = rewrite(plan)
    return plan


__all__ = ["PASSES", "optimize"]
