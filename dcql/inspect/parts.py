"""What a sample is told about a plan: which expressions are observed, and how a condition is taken apart."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dcql.catalog.types import Type
from dcql.engine.observe import Observed, Standing
from dcql.engine.statistics import Found
from dcql.inspect.verdict import Verdict
from dcql.inspect.why import Cut, Part, Rank, Value
from dcql.lower.observe import Observation, Ranking, as_stored
from dcql.plan import nodes
from dcql.plan.comparison import Comparison, comparison
from dcql.plan.places import Path, Select, inner, own_features
from dcql.plan.written import Writer, literal

# A recipe may hold thousands of terms: beyond these, conditions are told whole.
_MOST_PARTS = 2_000
_MOST_RANKINGS = 100


@dataclass
class Survey:
    """What is asked about a sample: `exprs`, and `rankings` of what it compares."""

    exprs: dict[nodes.Expr, None] = field(default_factory=dict)
    rankings: dict[Ranking, int] = field(default_factory=dict)

    def add(self, told: list[Select]) -> None:
        """Ask for the clauses of all SELECTs, then for their parts as far as there is room."""
        clauses = [clause.expr for one in told if isinstance(one.rel, nodes.Filter) for clause in one.rel.clauses]
        for expr in clauses:
            self._ask(expr)
        for one in told:
            if isinstance(one.rel, nodes.Copies) and not isinstance(one.rel.expr, nodes.Literal):
                self.exprs.setdefault(one.rel.expr)
            if isinstance(one.rel, nodes.SampleShare | nodes.SampleRows):
                self._ask(nodes.SampleHash(one.rel.seed))
            if isinstance(one.rel, nodes.SampleRows) and one.rel.weight is not None:
                self._ask(one.rel.weight)
        for expr in clauses:
            self._take_apart(expr)

    def _ask(self, expr: nodes.Expr) -> None:
        if not isinstance(expr, nodes.Literal | nodes.InRelation):
            self.exprs.setdefault(as_stored(expr))

    def _take_apart(self, expr: nodes.Expr) -> None:
        if len(self.exprs) > _MOST_PARTS:
            return
        self._ask(expr)
        within = inner(expr, ("",)) if expr.type is Type.BOOL else []
        for one, _ in within:
            self._take_apart(one)
        if within:
            return
        for one in subjects(expr):
            self._ask(one)
        found = comparison(expr)
        if found is not None:
            self._ask(found.cut)
            if isinstance(found.cut, nodes.Quantile):
                self.exprs |= dict.fromkeys(found.cut.by)
            if found.value.type.numeric and len(self.rankings) < _MOST_RANKINGS:
                self.rankings.setdefault(ranking_of(found), len(self.rankings))


def ranking_of(found: Comparison) -> Ranking:
    """Return where a compared value is ranked: in the population of its order statistic, or in the pool."""
    value = as_stored(found.value)
    if isinstance(found.cut, nodes.Quantile):
        return Ranking(value, found.cut.expr, found.cut.population, found.cut.by, found.cut)
    return Ranking(value, found.value, nodes.PoolScan(), (), found.cut)


def subjects(expr: nodes.Expr) -> list[nodes.Expr]:
    """Return the values that a condition looks at: the sides of a comparison, the arguments of a test, no constants."""
    match expr:
        case nodes.Compare():
            found: tuple[nodes.Expr, ...] = (expr.left, expr.right)
        case nodes.Like():
            found = (expr.subject, expr.pattern)
        case nodes.IsNull():
            found = (expr.operand,)
        case nodes.InSet():
            found = (expr.subject,)
        case nodes.Call():
            found = expr.arguments
        case _:
            found = ()
    return [one for one in found if not isinstance(one, nodes.Literal | nodes.Quantile)]


@dataclass(frozen=True)
class Parts:
    """Takes conditions apart, with what was observed."""

    verdict: Verdict
    writer: Writer
    names: Mapping[Any, str]
    rankings: Mapping[Ranking, int]

    @property
    def observation(self) -> Observation:
        """What was asked."""
        return self.verdict.observation

    @property
    def observed(self) -> Observed:
        """What was found."""
        return self.verdict.observed

    def part(self, expr: nodes.Expr, path: Path) -> Part:
        """Tell a condition that stands at `path`. Raises UnsureError where a feature in it is not stored."""
        text = self.writer.expression(expr)
        truth = self.verdict.truth(expr, path)
        if isinstance(expr, nodes.Not) and isinstance(expr.operand, nodes.IsNull | nodes.InSet | nodes.InRelation):
            return replace(self.part(expr.operand, inner(expr, path)[0][1]), text=text, truth=truth)
        within = inner(expr, path) if expr.type is Type.BOOL else []
        if within and all(self._knows(one) for one, _ in within):
            return Part(text, type(expr).__name__.lower(), truth, parts=tuple(self.part(*one) for one in within))
        if isinstance(expr, nodes.InRelation | nodes.InTable):
            return Part(text, "relation" if isinstance(expr, nodes.InRelation) else "table", truth)
        if isinstance(expr, nodes.Literal):
            return Part(text, "constant", truth)
        values = tuple(self.value(one) for one in subjects(expr) if as_stored(one) in self.observation.exprs)
        found = comparison(expr)
        if found is None or not values:
            return Part(text, "comparison" if isinstance(expr, nodes.Compare) else "test", truth, values)
        return self._compared(text, truth, found, values)

    def _knows(self, expr: nodes.Expr) -> bool:
        return isinstance(expr, nodes.Literal | nodes.InRelation) or as_stored(expr) in self.observation.exprs

    def raw(self, expr: nodes.Expr) -> Any:
        """Return the sample's value of an expression."""
        if isinstance(expr, nodes.Literal):
            return expr.value
        return self.observation.value_of(as_stored(expr), self.observed.values)

    def value(self, expr: nodes.Expr) -> Value:
        """Tell the sample's value of an expression."""
        return Value(self.writer.expression(expr), self.raw(expr), expr.type)

    def standing(self, found: Comparison) -> Standing | None:
        """Return where a compared value stands, None where it was not ranked."""
        number = self.rankings.get(ranking_of(found))
        return self.observed.standings[number] if number is not None else None

    def statistic(self, cut: nodes.Quantile) -> Found | None:
        """Return the statistic that the sample is compared with: that of its group under BY."""
        # A threshold is looked up by what its keys are asked to be, not by what is stored.
        group = tuple(self.observation.value_of(key, self.observed.values) for key in cut.by)
        return next((one for one in self.observed.found.get(self.names[cut], ()) if one.group == group), None)

    def _compared(self, text: str, truth: bool | None, found: Comparison, values: tuple[Value, ...]) -> Part:
        value, cut = values[0], self._cut(found.cut)
        margin = steps = None
        numbers = value.type.numeric and value.value is not None and cut.value is not None
        if numbers and math.isfinite(value.value) and math.isfinite(cut.value):
            margin = value.value - cut.value
            grid = grid_of(found.value)
            steps = margin / grid if grid is not None else None
        return Part(text, "comparison", truth, values, cut, margin, steps, self._rank(found))

    def _cut(self, cut: "nodes.Literal | nodes.Quantile") -> Cut:
        if isinstance(cut, nodes.Literal):
            return Cut(literal(cut), cut.value, cut.type, None)
        return Cut(cut.text, self.raw(cut), cut.type, self.statistic(cut))

    def _rank(self, found: Comparison) -> Rank | None:
        standing = self.standing(found)
        if standing is None or self.raw(found.value) is None or not standing.known:
            return None
        place = standing.known - standing.below - standing.same + 1
        if isinstance(found.cut, nodes.Quantile):
            among = _among(found.cut)
            ranked = self.writer.expression(found.cut.expr)
            if ranked != self.writer.expression(found.value):
                among = f"{among} by {ranked}"
        else:
            features = list(own_features(found.value))
            among = f"those that {features[0].name} is asked of" if features else "pool"
        return Rank(place, standing.known, standing.same, among)


def grid_of(value: nodes.Expr) -> float | None:
    """Return the step of the grid that a value lies on: that of a feature, None for any other value."""
    value = value.operand if isinstance(value, nodes.Convert) else value
    if isinstance(value, nodes.Feature) and value.spec.output.bits is not None:
        return float(2.0**-value.spec.output.bits)
    return None


def _among(cut: nodes.Quantile) -> str:
    population = cut.population.name if isinstance(cut.population, nodes.Ref) else "pool"
    return f"its group of {population}" if cut.by else population
