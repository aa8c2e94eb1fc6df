"""Whether a plan keeps one sample, from what was observed about it: three-valued logic, and no values.

The same logic answers what would be if one comparison of the recipe came out otherwise. Where that could move something
that was not observed, such as a threshold over a stage, it says so in place of an answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from dcql.catalog.types import Type
from dcql.engine.observe import Observed
from dcql.lower.observe import Observation, as_stored
from dcql.plan import nodes
from dcql.plan.demand import has_feature
from dcql.plan.places import Path, clause_path, in_turn, inner, operands, own_features
from dcql.plan.statistics import statistics


class UnsureError(Exception):
    """What was observed does not decide it."""


@dataclass(frozen=True)
class Change:
    """One place of a plan that comes out otherwise.

    `outcome` is what a comparison there gives, or how many samples a LIMIT there keeps.
    """

    path: Path
    outcome: bool | int


@dataclass(frozen=True)
class Verdict:
    """A plan with its demands, what was observed about a sample, and possibly one change."""

    plan: nodes.Plan
    observation: Observation
    observed: Observed
    change: Change | None = None
    _members: dict[str, bool] = field(default_factory=dict, compare=False)
    _truths: dict[Path, bool | None] = field(default_factory=dict, compare=False)

    def changed(self, change: Change) -> "Verdict":
        """Return the verdict with one change."""
        return replace(self, change=change, _members={})

    def kept(self) -> bool:
        """Return whether the query keeps the sample. Raises UnsureError."""
        return self.member(self.plan.query, ("",))

    # --- relations ----------------------------------------------------------------------------------------------------

    def member(self, rel: nodes.Rel, path: Path) -> bool:
        """Return whether a relation holds the sample. Raises UnsureError."""
        match rel:
            case nodes.PoolScan():
                return True
            case nodes.Ref():
                if rel.name not in self._members:
                    self._members[rel.name] = self.member(self._relations[rel.name], (rel.name,))
                return self._members[rel.name]
            case nodes.Filter():
                return self.member(rel.input, (*path, ("input", ()))) and all(
                    self.truth(clause.expr, clause_path(path, number)) for number, clause in in_turn(rel.clauses)
                )
            case nodes.Copies():
                return self.member(rel.input, (*path, ("input", ()))) and self.count(rel, path) != 0
            case nodes.SetOperation():
                present = False
                for op, operand, where in operands(rel, path):
                    here = self.member(operand, where)
                    present = _combine(op, present, here) if op else here
                return present
            case nodes.DistinctOn():
                return self.member(rel.input, (*path, ("input", ()))) and self._first(rel, path)
            case nodes.Limit():
                return self.member(rel.input, (*path, ("input", ()))) and self._within(rel, path)

    def count(self, rel: nodes.Copies, path: Path) -> int | float:
        """Return the number of copies that a SELECT gives the sample. Raises UnsureError."""
        where = (*path, ("expr", ()))
        if self.change is not None and (self.change.path[: len(where)] == where or self._reads_changed(rel.expr)):
            raise UnsureError
        value = self._value(rel.expr)
        if value is None:
            raise UnsureError  # of a sample that does not come to it
        return value  # type: ignore[no-any-return]

    def _first(self, rel: nodes.DistinctOn, path: Path) -> bool:
        self._refuse_moved(rel, path)
        if any(self._value(key) is None for key in rel.keys):
            return True
        first, _ = self.observed.firsts[self._names[rel]]
        if first is None:
            raise UnsureError
        return bool(first == self._value(_UID))

    def _within(self, rel: nodes.Limit, path: Path) -> bool:
        ahead, samples = self.observed.places[self._names[rel]]
        if self.change is not None and self.change.path == path:
            return ahead < int(self.change.outcome)
        self._refuse_moved(rel, path)
        return ahead < rel.keeps(samples)

    def _refuse_moved(self, node: nodes.Node, path: Path) -> None:
        """Raise UnsureError where the change may move a statistic."""
        if self.change is None:
            return
        inside = self.change.path[: len(path)] == path
        if inside or self._reads_changed(node):
            raise UnsureError

    # --- conditions ---------------------------------------------------------------------------------------------------

    def truth(self, expr: nodes.Expr, path: Path) -> bool | None:
        """Return what a condition gives for the sample, None for NULL. Raises UnsureError."""
        change = self.change
        if change is None or (change.path[: len(path)] != path and not self._reads_changed(expr)):
            return self._known(expr, path)
        if change.path == path:
            return bool(change.outcome)
        match expr:
            case nodes.And() | nodes.Or():
                truths = [self.truth(one, where) for one, where in inner(expr, path)]
                return conjunction(truths) if isinstance(expr, nodes.And) else disjunction(truths)
            case nodes.Not():
                value = self.truth(expr.operand, (*path, ("operand", ())))
                return None if value is None else not value
            case nodes.Case():
                *branches, (default, where) = inner(expr, path)
                for condition, chosen in zip(branches[::2], branches[1::2], strict=True):
                    if self.truth(*condition):
                        return self.truth(*chosen)
                return self.truth(default, where)
            case nodes.InRelation():
                return self.member(expr.relation, (*path, ("relation", ())))
            case _:
                # The change is inside of a value, or moves what it is compared with.
                raise UnsureError

    def _known(self, expr: nodes.Expr, path: Path) -> bool | None:
        """Return what was observed of a condition that the change does not touch."""
        if isinstance(expr, nodes.InRelation):
            return self.member(expr.relation, (*path, ("relation", ())))
        if (
            self.change is not None
            and self._looks_up_features
            and any(has_feature(key) for q in _quantiles(expr) for key in q.by)
        ):
            raise UnsureError
        # What is observed is so in every changed verdict too, and there may be thousands of either.
        if path not in self._truths:
            self._truths[path] = self._observed(expr)
        return self._truths[path]

    def _observed(self, expr: nodes.Expr) -> bool | None:
        if isinstance(expr, nodes.Literal):
            return None if expr.value is None else bool(expr.value)
        for feature in own_features(expr):
            if not self.observed.stored[feature.name].known:
                raise UnsureError
        value = self._value(as_stored(expr))
        return None if value is None else bool(value)

    def _value(self, expr: nodes.Expr) -> Any:
        if isinstance(expr, nodes.Literal):
            return expr.value
        if expr not in self.observation.exprs:
            raise UnsureError  # beyond what was asked about
        return self.observation.value_of(expr, self.observed.values)

    # --- what a change reaches ----------------------------------------------------------------------------------------

    @cached_property
    def _looks_up_features(self) -> bool:
        """Whether a threshold is looked up by a feature, which a change may ask of the sample."""
        return any(isinstance(q, nodes.Quantile) and any(map(has_feature, q.by)) for q in self._names)

    @cached_property
    def _relations(self) -> Mapping[str, nodes.Rel]:
        return {stage.name: stage.relation for stage in self.plan.stages}

    @cached_property
    def _names(self) -> Mapping[Any, str]:
        return statistics(self.plan).names

    @cached_property
    def _reached(self) -> frozenset[str]:
        """The stages that the change may change: its own and those that read one of them."""
        assert self.change is not None
        reached = {self.change.path[0]}
        for stage in self.plan.stages:
            if not stage.demand and any(isinstance(n, nodes.Ref) and n.name in reached for n in _read(stage.relation)):
                reached.add(stage.name)
        return frozenset(reached)

    def _reads_changed(self, node: nodes.Node) -> bool:
        return any(isinstance(one, nodes.Ref) and one.name in self._reached for one in _read(node))


_UID = nodes.Column("uid", Type.TEXT)


def _read(node: nodes.Node) -> Iterator[nodes.Node]:
    """Yield the nodes of `node` but for what features are asked of: their values are known, whatever it is."""
    yield node
    if isinstance(node, nodes.Feature):
        yield from node.needs
        return
    for child in nodes.children(node):
        yield from _read(child)


def _combine(op: str, left: bool, right: bool) -> bool:
    match op:
        case "INTERSECT":
            return left and right
        case "EXCEPT":
            return left and not right
        case _:
            return left or right


def conjunction(truths: Sequence[bool | None]) -> bool | None:
    """AND in three-valued logic."""
    if False in truths:
        return False
    return None if None in truths else True


def disjunction(truths: Sequence[bool | None]) -> bool | None:
    """OR in three-valued logic."""
    if True in truths:
        return True
    return None if None in truths else False


def _quantiles(expr: nodes.Expr) -> Iterator[nodes.Quantile]:
    return (node for node in nodes.walk(expr) if isinstance(node, nodes.Quantile))
