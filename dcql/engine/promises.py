"""EXPECT before a model runs: what is known already may rule out that a promise holds."""

from dcql.catalog.pool import Pool
from dcql.engine.duck import Resources
from dcql.engine.features.report import Computing
from dcql.engine.run import run
from dcql.errors import Diagnostic, RunError
from dcql.lower.lower import lower
from dcql.plan.bound import Bound, demanded
from dcql.plan.nodes import AssetSet, Feature, InSet, Plan, walk
from dcql.plan.promised import limits_of
from dcql.plan.statistics import statistics
from dcql.plan.values import Promise


def refuse_early(plan: Plan, unmet: frozenset[str], pool: Pool, resources: Resources) -> None:
    """Raise RunError (E0752) where an optimized plan cannot keep what it promises, whatever some features are.

    `unmet` are the demands whose values are not known, by name. All clauses that do not depend on them are counted; a
    bound that cannot be counted without a model refuses nothing.
    """
    names = statistics(plan).names
    unknown: set[Feature | AssetSet] = {feature for feature in demanded(plan) if names[feature] in unmet}
    for relation in (*(stage.relation for stage in plan.stages), plan.query):
        for node in walk(relation):
            # What is fitted to samples may be yet to be fitted.
            if isinstance(node, InSet) and isinstance(node.set, AssetSet) and node.needs:
                unknown.add(node.set)
    limits = limits_of(Bound(plan, frozenset(unknown)))
    asked = sorted({one.name for one in unknown})
    most = _counted(limits.most, pool, resources)
    least = _counted(limits.least, pool, resources) if limits.least is not None else None
    for promise in plan.promises:
        low, high = promise.bounds(pool.rows)
        if most is not None and (upper := limits.upper(most)) < low:
            raise _broken(promise, f"can keep {upper:,} of {pool.rows:,} samples at most", "more", asked)
        if least is not None and (fewest := limits.lower(least)) > high:
            raise _broken(promise, f"keeps {fewest:,} of {pool.rows:,} samples at least", "fewer", asked)


def _counted(plan: Plan, pool: Pool, resources: Resources) -> int | None:
    """Count what a plan keeps, with stored features alone; None where it cannot be counted so."""
    try:
        return run(lower(plan), pool, resources, computing=Computing(compute=False)).subset.distinct
    except RunError:
        return None


def _broken(promise: Promise, keeps: str, promised: str, asked: list[str]) -> RunError:
    """Return the error that a promise cannot hold."""
    return RunError(
        Diagnostic(
            "E0752",
            f"the recipe {keeps}",
            promise.span,
            f"it promises {promised}, and {', '.join(asked)} cannot change that: no model was run",
            ("correct the recipe, or the promise if it is wrong",),
        )
    )
