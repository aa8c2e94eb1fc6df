"""Demand where some features are not known yet: which samples each is asked of at most."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dcql.plan.nodes import (
    AssetSet,
    Clause,
    Copies,
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
        something unknown counts as TRUE, and copies, LIMIT, DISTINCT ON and EXCEPT of it leave nothing out.
        """
        clauses = tuple(Clause(IsNull(feature), feature.name) for feature in demanded(self.plan))
        return self.plan_of(Filter(PoolScan(), clauses))

    def plan_of(self, query: Rel) -> Plan:
        """Return a plan that asks `query` of the plan's stages, those with something unknown widened."""
        stages = tuple(replace(stage, relation=self.widened(stage.relation)) for stage in self.plan.stages)
        return prune_stages(replace(self.plan, stages=stages, query=query, promises=()))

    def is_exact(self, feature: Feature) -> bool:
        """Return whether `asking` asks for a feature of the same samples as the plan."""
        assert feature.demand is not None
        return not self.depends(feature.demand)

    def widened(self, rel: Rel) -> Rel:
        """Return a relation that holds what `rel` does, or more, where the stages that it names are widened too."""
        if not self.depends(rel):
            return rel
        match rel:
            case Filter():
                clauses = tuple(clause for clause in rel.clauses if not self.depends(clause))
                source = self.widened(rel.input)
                return Filter(source, clauses) if clauses else source
            case SetOperation():
                return self._wider_operation(rel)
            case Copies() | Limit() | DistinctOn():
                return self.widened(rel.input)
            case PoolScan() | Ref():
                return rel

    def _wider_operation(self, rel: SetOperation) -> Rel:
        # Left-deep chains are as long as the recipe.
        operands: list[tuple[str, Rel]] = []
        first: Rel = rel
        while isinstance(first, SetOperation):
            operands.append((first.op, first.right))
            first = first.left
        result = self.widened(first)
        for op, right in reversed(operands):
            if op != "EXCEPT":
                result = SetOperation(op, result, self.widened(right))
            elif not self.depends(right):
                result = SetOperation(op, result, right)
        return result

    def depends(self, node: Node) -> bool:
        """Return whether something unknown decides a node."""
        waiting: list[Node] = [node]
        while waiting:
            here = waiting.pop()
            if here in self.unknown or (isinstance(here, InSet) and here.set in self.unknown):
                return True
            if isinstance(here, Ref):
                if here.name not in self._reads:
                    self._reads[here.name] = self.depends(self.relation(here.name))
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

    def relation(self, name: str) -> Rel:
        """Return a stage of the plan by its name."""
        return next(stage.relation for stage in self.plan.stages if stage.name == name)
