"""Demand where some features are not known yet: which samples each is asked of at most."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dcql.plan.nodes import (
    AssetSet,
    Clause,
    DistinctOn,
    Feature,
    Filter,
    InSet,
    IsNull,
    Limit,
    Node,
    Plan,
    PoolScan,
    Ref,
    Rel,
    SetOperation,
    children,
)
from dcql.plan.passes.prune_stages import prune_stages
from dcql.plan.statistics import statistics


def demanded(plan: Plan) -> tuple[Feature, ...]:
    """Return the features of a plan, once for each relation that they are asked of."""
    return tuple(node for node in statistics(plan).names if isinstance(node, Feature))


@dataclass
class Bound:
    """A plan of which the values of some features, and of some assets, are not known."""

    plan: Plan
    unknown: frozenset[Feature | AssetSet]
    _reads: dict[str, bool] = field(default_factory=dict)

    def asking(self) -> Plan:
        """Return a plan that asks for every feature of the plan, and for nothing else.

        It asks of the same samples where that depends on what is known, else of these and others: a clause with
        something unknown counts as TRUE, and LIMIT, DISTINCT ON and EXCEPT of it leave nothing out.
        """
        stages = tuple(replace(stage, relation=self._wider(stage.relation)) for stage in self.plan.stages)
        clauses = tuple(Clause(IsNull(feature), feature.name) for feature in demanded(self.plan))
        return prune_stages(replace(self.plan, stages=stages, query=Filter(PoolScan(), clauses), promises=()))

    def is_exact(self, feature: Feature) -> bool:
        """Return whether `asking` asks for a feature of the same samples as the plan."""
        assert feature.demand is not None
        return not self._depends(feature.demand)

    def _wider(self, rel: Rel) -> Rel:
        if not self._depends(rel):
            return rel
        match rel:
            case Filter():
                clauses = tuple(clause for clause in rel.clauses if not self._depends(clause))
                source = self._wider(rel.input)
                return Filter(source, clauses) if clauses else source
            case SetOperation():
                return self._wider_operation(rel)
            case Limit() | DistinctOn():
                return self._wider(rel.input)
            case PoolScan() | Ref():
                return rel

    def _wider_operation(self, rel: SetOperation) -> Rel:
        # Left-deep chains are as long as the recipe.
        operands: list[tuple[str, Rel]] = []
        first: Rel = rel
        while isinstance(first, SetOperation):
            operands.append((first.op, first.right))
            first = first.left
        result = self._wider(first)
        for op, right in reversed(operands):
            if op != "EXCEPT":
                result = SetOperation(op, result, self._wider(right))
            elif not self._depends(right):
                result = SetOperation(op, result, right)
        return result

    def _depends(self, node: Node) -> bool:
        """Return whether something unknown decides a node."""
        waiting: list[Node] = [node]
        while waiting:
            here = waiting.pop()
            if here in self.unknown or (isinstance(here, InSet) and here.set in self.unknown):
                return True
            if isinstance(here, Ref):
                if here.name not in self._reads:
                    self._reads[here.name] = self._depends(self._relation(here.name))
                if self._reads[here.name]:
                    return True
            waiting += self._inside(here)
        return False

    def _inside(self, node: Node) -> Iterator[Node]:
        match node:
            case Feature():
                return  # its values are known, whatever it is asked of
            case InSet():
                yield node.subject
            case _:
                yield from children(node)

    def _relation(self, name: str) -> Rel:
        return next(stage.relation for stage in self.plan.stages if stage.name == name)
