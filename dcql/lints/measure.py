"""What a pool says of a recipe's lints: thresholds with their ties, and what a change would keep more."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from dcql.errors import RunError
from dcql.plan import nodes
from dcql.plan.demand import has_feature
from dcql.source import Source

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool
    from dcql.engine.statistics import Found
    from dcql.engine.variants import Variants

_NOT_STORED = "E06"  # a feature that is not stored, or cannot be


@dataclass
class Measured:
    """A recipe's plan over a pool; `check` gives the plan of the recipe's text with a change in it.

    Nothing is run before a lint asks, and no model computes anything: what needs features that are not stored is not
    known.
    """

    plan: nodes.Plan
    pool: "Pool"
    check: Callable[[Source], nodes.Plan]

    def gained(self, changed: Sequence[Source]) -> list[int | None]:
        """Return how many samples more each changed text of the recipe keeps, None for each where it is not known.

        Raises RunError where the pool cannot be read.
        """
        found = self._run([self.plan, *map(self.check, changed)])
        if found is None:
            return [None] * len(changed)
        before, *after = (int(kept.sum()) for kept in found.kept)
        return [count - before for count in after]

    def thresholds(self, wanted: Sequence[nodes.Quantile]) -> "list[tuple[Found, ...]]":
        """Return what was found of order statistics, one for each group of BY, and nothing of those not known.

        Raises RunError where the pool cannot be read.
        """
        simple = [one for one in dict.fromkeys(wanted) if _is_simple(one)]
        known = {**self._simple(simple)} if simple else {}
        if any(one not in known for one in wanted):
            known = {**self._own, **known}
        return [known.get(one) or self._own_of(one, known) for one in wanted]

    def _own_of(self, wanted: nodes.Quantile, known: "dict[nodes.Quantile, tuple[Found, ...]]") -> "tuple[Found, ...]":
        return known.get(_normal(wanted), ())

    def _simple(self, wanted: list[nodes.Quantile]) -> "dict[nodes.Quantile, tuple[Found, ...]]":
        """Compute order statistics over the whole pool; one over a column of an added pool takes no scan."""
        from dcql.engine.duck import Resources
        from dcql.engine.run import opened, silent
        from dcql.lower.lower import lower
        from dcql.plan.passes import optimize

        # One clause each, so that they stay in order.
        clauses = tuple(nodes.Clause(nodes.Compare("=", one.expr, one), "") for one in wanted)
        plan = optimize(nodes.Plan((), nodes.Filter(nodes.PoolScan(), clauses), (), ()))
        with opened(lower(plan), self.pool, Resources(), silent, None) as ready:
            statistics, _ = ready.compute(lambda parameters: None)
        found = _by_name(one for stage in statistics.found for one in stage)
        names = _names(plan)
        return {one: found.get(names.get(_normal(one), ""), ()) for one in wanted}

    @cached_property
    def _own(self) -> "dict[nodes.Quantile, tuple[Found, ...]]":
        """The order statistics of the recipe itself."""
        from dcql.plan.passes import optimize

        run = self._run([self.plan])
        if run is None:
            return {}
        found = _by_name(run.statistics[0])
        return {one: found.get(name, ()) for one, name in _names(optimize(self.plan)).items()}

    def _run(self, plans: list[nodes.Plan]) -> "Variants | None":
        from dcql.engine.values import STORED
        from dcql.variants import run_variants

        try:
            return run_variants(plans, self.pool, computing=STORED)
        except RunError as error:
            if all(one.code.startswith(_NOT_STORED) for one in error.diagnostics):
                return None
            raise


def _is_simple(wanted: nodes.Quantile) -> bool:
    return isinstance(wanted.population, nodes.PoolScan) and not wanted.by and not has_feature(wanted)


def _by_name(found: "Iterable[Found]") -> "dict[str, tuple[Found, ...]]":
    named: dict[str, list[Found]] = {}
    for one in found:
        named.setdefault(one.name, []).append(one)
    return {name: tuple(ones) for name, ones in named.items()}


def _names(plan: nodes.Plan) -> dict[nodes.Quantile, str]:
    """Return the names of a plan's order statistics, as they are before features are told what they are asked of."""
    from dcql.plan.statistics import statistics

    names = statistics(plan).names
    return {_undemanded(one): name for one, name in names.items() if isinstance(one, nodes.Quantile)}


def _normal(wanted: nodes.Quantile) -> nodes.Quantile:
    """Return an order statistic as the passes leave it."""
    from dcql.plan.passes import optimize

    clause = nodes.Clause(nodes.Compare("=", wanted.expr, wanted), "")
    found = optimize(nodes.Plan((), nodes.Filter(nodes.PoolScan(), (clause,)), (), ()))
    return next((one for one in nodes.walk(found.query) if isinstance(one, nodes.Quantile)), wanted)


def _undemanded(node: nodes.Quantile) -> nodes.Quantile:
    def without(one: nodes.Node) -> nodes.Node:
        return replace(one, demand=None) if isinstance(one, nodes.Feature) else one

    return nodes.transform(node, without)
