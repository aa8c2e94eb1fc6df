"""What a plan's subset depends on besides the samples: the worst effect of any function in it."""

from dcql.catalog.functions import FUNCTIONS, Effect
from dcql.plan import nodes


def effect(plan: nodes.Plan) -> Effect:
    """Return the plan's effect: EXACT, or VERSION where a function's result may change with the engine's version."""
    relations = [*(stage.relation for stage in plan.stages), plan.query]
    calls = (node for relation in relations for node in nodes.walk(relation) if isinstance(node, nodes.Call))
    return max((FUNCTIONS[call.name].effect for call in calls), default=Effect.EXACT)
