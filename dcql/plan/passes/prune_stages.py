"""Drop the stages that nothing reads."""

from dataclasses import replace

from dcql.plan.nodes import Plan, Ref, Rel, walk


def prune_stages(plan: Plan) -> Plan:
    """WITH a AS (..), b AS (..) SELECT uid FROM b -> WITH b AS (..) SELECT uid FROM b, where b does not read a."""
    relations = {stage.name: stage.relation for stage in plan.stages}
    needed: set[str] = set()
    pending: list[Rel] = [plan.query]
    while pending:
        for node in walk(pending.pop()):
            if isinstance(node, Ref) and node.name not in needed:
                needed.add(node.name)
                pending.append(relations[node.name])
    kept = tuple(stage for stage in plan.stages if stage.name in needed)
    return replace(plan, stages=kept) if len(kept) < len(plan.stages) else plan
