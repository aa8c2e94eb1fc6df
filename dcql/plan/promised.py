"""How many samples a plan can keep, at most and at least, where the values of some features are not known yet."""

from dataclasses import dataclass, replace

from dcql.plan.bound import Bound
from dcql.plan.nodes import Copies, DistinctOn, Filter, Limit, Plan, PoolScan, Ref, Rel, SetOperation


@dataclass(frozen=True)
class Limits:
    """Bounds on what a plan keeps, once two plans were counted.

    `most` keeps what the plan keeps before its last LIMITs, or more; `least` keeps that or less, None where nothing is
    known to be kept. Neither reads what is not known. `tail` are the LIMITs and DISTINCT ONs that follow, innermost
    first.
    """

    most: Plan
    least: Plan | None
    tail: tuple[Limit | DistinctOn, ...]

    def upper(self, counted: int) -> int:
        """Return the most that can be kept, where `most` keeps so many."""
        for one in self.tail:
            # Of a count for each group, how many groups there are is not known; no share of them is more than of all.
            if isinstance(one, Limit) and not (one.by and one.count is not None):
                counted = one.keeps(counted)
        return counted

    def lower(self, counted: int) -> int:
        """Return the least that is kept, where `least` keeps so many."""
        for one in self.tail:
            if isinstance(one, DistinctOn):
                counted = min(1, counted)
            else:
                # The shares of small groups may all be rounded down to none.
                counted = 0 if one.by and one.percent is not None else one.keeps(counted)
        return counted


def limits_of(bound: Bound) -> Limits:
    """Return the bounds of a plan with something unknown."""
    tail: list[Limit | DistinctOn] = []
    core = bound.plan.query
    while isinstance(core, Limit | DistinctOn):
        tail.insert(0, core)
        core = core.input
    least = _narrower(bound, core)
    return Limits(bound.plan_of(bound.widened(core)), bound.plan_of(least) if least is not None else None, tuple(tail))


def _narrower(bound: Bound, rel: Rel) -> Rel | None:
    """Return a relation that holds nothing but what `rel` does, and reads nothing unknown; None for none at all."""
    if not bound.depends(rel):
        return rel
    match rel:
        case Ref():
            return _narrower(bound, bound.relation(rel.name))
        case Filter():
            source = _narrower(bound, rel.input)
            if source is None or any(bound.depends(clause) for clause in rel.clauses):
                return None
            return Filter(source, rel.clauses)
        case Copies():
            source = _narrower(bound, rel.input)
            return replace(rel, input=source) if source is not None and not bound.depends(rel.expr) else None
        case SetOperation():
            return _narrower_operation(bound, rel)
        case Limit() | DistinctOn() | PoolScan():
            return None


def _narrower_operation(bound: Bound, rel: SetOperation) -> Rel | None:
    left, right = _narrower(bound, rel.left), _narrower(bound, rel.right)
    match rel.op:
        case "INTERSECT":
            return SetOperation(rel.op, left, right) if left is not None and right is not None else None
        case "EXCEPT":
            return SetOperation(rel.op, left, bound.widened(rel.right)) if left is not None else None
        case _ if left is None or right is None:
            return right if left is None else left
        case _:
            return SetOperation(rel.op, left, right)
