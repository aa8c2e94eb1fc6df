"""Why a plan keeps one sample of a pool or drops it: the phases of `dcql why` after a recipe is compiled."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dcql.catalog.pool import Pool
from dcql.engine.duck import Resources
from dcql.engine.features.report import Computing
from dcql.engine.locate import Place
from dcql.engine.observe import observe as observe_sample
from dcql.engine.run import Progress
from dcql.errors import RunError
from dcql.inspect.flips import Finder
from dcql.inspect.funnel import section_title
from dcql.inspect.parts import Parts, Survey
from dcql.inspect.verdict import UnsureError, Verdict
from dcql.inspect.why import (
    ClauseTold,
    CopiesTold,
    FirstTold,
    LimitTold,
    OperationTold,
    SampleTold,
    SectionTold,
    Tail,
    Value,
    Why,
)
from dcql.lower.observe import observe, observe_verdict
from dcql.plan import nodes
from dcql.plan.demand import assign_demand
from dcql.plan.passes.prune_stages import prune_stages
from dcql.plan.places import Path, Select, clause_path, in_turn, operands, own_features, selects
from dcql.plan.statistics import statistics, unused_name
from dcql.plan.written import Writer


def why(
    plan: nodes.Plan,
    pool: Pool,
    place: Place,
    names: Mapping[str, str],
    resources: Resources,
    tell: Progress,
    computing: Computing | None = None,
) -> Why:
    """Say why a resolved plan keeps the sample at `place`, or drops it.

    `names` gives the name that recipes have for a column of the pool, where it is another. Features that the recipe
    asks for are computed, as `computing` says. Raises what a run of the recipe does.
    """
    bare = without_demand(prune_stages(plan))
    asking = assign_demand(bare)
    told = selects(asking, unused_name(asking, "query"))
    survey = Survey()
    survey.add(told)
    observation = observe(asking, tuple(survey.exprs), tuple(survey.rankings), pool)
    observed = observe_sample(observation, pool, place, resources, tell, computing)
    verdict = Verdict(asking, observation, observed)
    writer = Writer(names)
    parts = Parts(verdict, writer, statistics(asking).names, survey.rankings)
    assert verdict.kept() == observed.kept, "what was observed does not add up to the verdict"
    sections = _Sections(parts).all(told)

    def run_changed(changed: nodes.Plan) -> bool | None:
        """Run a changed plan; return whether it keeps the sample, None where it cannot be run as things are."""
        stored_alone = replace(computing or Computing(), compute=False)
        lowered = observe_verdict(assign_demand(changed), pool)
        try:
            return observe_sample(lowered, pool, place, resources, tell, stored_alone).kept
        except RunError:
            return None

    finder = Finder(bare, parts, told, run_changed)
    flips = finder.flips()
    return Why(
        place.uid,
        pool.name,
        place.file.name,
        place.row,
        observed.samples,
        observed.kept,
        observed.copies,
        tuple(sections),
        flips,
        finder.untried,
        finder.unsought,
    )


def without_demand(plan: nodes.Plan) -> nodes.Plan:
    """Return a plan as it was before its features were told what they are asked of."""

    def rule(node: nodes.Node) -> nodes.Node:
        return replace(node, demand=None) if isinstance(node, nodes.Feature) else node

    if not any(stage.demand for stage in plan.stages) and not _reads_features(plan):
        return plan
    kept = tuple(stage for stage in plan.stages if not stage.demand)
    return nodes.transform_plan(replace(plan, stages=kept), rule)


def _reads_features(plan: nodes.Plan) -> bool:
    relations = (*(stage.relation for stage in plan.stages), plan.query)
    return any(isinstance(node, nodes.Feature) for relation in relations for node in nodes.walk(relation))


@dataclass
class _Sections:
    """Tells the SELECTs of a plan, in order."""

    parts: Parts

    def all(self, told: list[Select]) -> list[SectionTold]:
        """Return a section for each SELECT; what follows its clauses is told with them."""
        sections: list[SectionTold] = []
        for one in told:
            title = section_title(one.name)
            if isinstance(one.rel, nodes.Filter):
                sections.append(self._filter(one.rel, one.path, title))
                continue
            tail = self._tail(one.rel, one.path)
            reads = one.rel.input if isinstance(one.rel, _TAILS) else None
            if reads is not None and sections and sections[-1].name == title:
                last = sections[-1]
                sections[-1] = replace(last, tail=(*last.tail, tail), kept=tail.kept)
                continue
            reached = True
            if reads is not None:
                reached = self.parts.verdict.member(reads, (*one.path, ("input", ())))
            sections.append(SectionTold(title, _source(reads), reached, (), (), (tail,), tail.kept))
        return sections

    def _filter(self, rel: nodes.Filter, path: Path, title: str) -> SectionTold:
        verdict = self.parts.verdict
        reached = verdict.member(rel.input, (*path, ("input", ())))
        clauses: dict[int, ClauseTold] = {}
        waiting: list[int] = []
        for number, clause in in_turn(rel.clauses):
            where = clause_path(path, number)
            features = tuple(dict.fromkeys(own_features(clause.expr)))
            asked = not features or (reached and not waiting)
            failures = self._failures(features)
            if not asked:
                known = self._stored(clause, where)
                clauses[number] = ClauseTold(clause.text, None, False, known, tuple(waiting), failures)
                continue
            part = replace(self.parts.part(clause.expr, where), text=clause.text)
            clauses[number] = ClauseTold(clause.text, part.truth, True, part, (), failures)
            if part.truth is not True:
                waiting.append(number)
                waiting.sort()
        kept = reached and not waiting
        return SectionTold(
            title, _source(rel.input), reached, tuple(clauses[i] for i in range(len(clauses))), tuple(waiting), (), kept
        )

    def _stored(self, clause: nodes.Clause, path: Path) -> Any:
        """Return what the store knows of a clause that is not asked of the sample, None where that is not all of it."""
        try:
            return replace(self.parts.part(clause.expr, path), text=clause.text)
        except UnsureError:
            return None

    def _failures(self, features: tuple[nodes.Feature, ...]) -> tuple[tuple[str, str], ...]:
        stored = self.parts.observed.stored
        found = ((one.name, stored[one.name].failure) for one in features)
        return tuple((name, failure) for name, failure in found if failure is not None)

    def _tail(self, rel: nodes.Rel, path: Path) -> Tail:
        verdict, observed = self.parts.verdict, self.parts.observed
        match rel:
            case nodes.SetOperation():
                held = [
                    (op, _source(operand), verdict.member(operand, where)) for op, operand, where in operands(rel, path)
                ]
                return OperationTold(tuple(held), verdict.member(rel, path))
            case nodes.Copies():
                reached = verdict.member(rel.input, (*path, ("input", ())))
                count = int(verdict.count(rel, path)) if reached else None
                return CopiesTold(rel.text, count, bool(count))
            case nodes.Limit():
                ahead, samples = observed.places[self.parts.names[rel]]
                reached = verdict.member(rel.input, (*path, ("input", ())))
                return LimitTold(
                    self.parts.writer.limit(rel),
                    ahead + 1 if reached else None,
                    samples,
                    rel.keeps(samples),
                    verdict.member(rel, path),
                    self._order(rel.order),
                    tuple(self._asked(key) for key in rel.by),
                )
            case nodes.SampleShare() | nodes.SampleRows():
                return self._sample(rel, path)
            case nodes.DistinctOn():
                first, size = observed.firsts[self.parts.names[rel]]
                reached = verdict.member(rel.input, (*path, ("input", ())))
                keys = tuple(self._asked(key) for key in rel.keys)
                grouped = reached and all(key.value is not None for key in keys)
                return FirstTold(
                    first if grouped else None,
                    size if grouped else 0,
                    verdict.member(rel, path),
                    keys,
                    self._order(rel.order),
                )
            case _:
                raise AssertionError(f"no tail: {type(rel).__name__}")

    def _sample(self, rel: nodes.SampleShare | nodes.SampleRows, path: Path) -> SampleTold:
        verdict, observed = self.parts.verdict, self.parts.observed
        text = self.parts.writer.sample(rel)
        reached = verdict.member(rel.input, (*path, ("input", ())))
        at, kept = 100 * verdict.h64(rel) / 2**64, verdict.member(rel, path)
        if isinstance(rel, nodes.SampleShare):
            return SampleTold(text, reached, at, float(rel.percent), None, 0, 0, None, kept)
        (cut,) = observed.found[self.parts.names[rel]]
        ahead, samples = observed.places[self.parts.names[rel]]
        assert isinstance(cut.value, int)
        weight = self._asked(rel.weight) if rel.weight is not None else None
        has_place = reached and (weight is None or (weight.value is not None and weight.value > 0))
        return SampleTold(text, reached, at, None, ahead + 1 if has_place else None, samples, cut.value, weight, kept)

    def _order(self, order: tuple[nodes.SortKey, ...]) -> tuple[Value, ...]:
        told = (self._asked(key.expr) for key in order)
        return tuple(
            replace(value, text=value.text + (" DESC" if key.descending else ""))
            for value, key in zip(told, order, strict=True)
        )

    def _asked(self, expr: nodes.Expr) -> Value:
        """Tell a value of the sample as the recipe asks for it."""
        value = self.parts.observation.value_of(expr, self.parts.observed.values)
        return Value(self.parts.writer.expression(expr), value, expr.type)


_TAILS = nodes.Limit | nodes.SampleShare | nodes.SampleRows | nodes.DistinctOn


def _source(rel: nodes.Rel | None) -> str:
    match rel:
        case nodes.PoolScan():
            return "pool"
        case nodes.Ref():
            return rel.name
        case _:
            return "query"
