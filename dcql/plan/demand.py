"""Which samples each feature is asked of (SEMANTICS §4.19).

Demand is defined by the text, so that it does not depend on an optimizer: a feature in a conjunct of a WHERE is asked
of the samples for which every conjunct without a feature is TRUE, and every one with a feature that is written before
it. Inside of q, ORDER BY and DISTINCT ON it is asked of all samples that these range over. The BY of a q is asked
of the samples whose group is looked up as well.
"""

from dataclasses import dataclass, field, replace

from dcql.plan.nodes import (
    Clause,
    Copies,
    DistinctOn,
    Expr,
    Feature,
    Filter,
    InRelation,
    Limit,
    Node,
    Plan,
    PoolScan,
    Quantile,
    Ref,
    Rel,
    SetOperation,
    Stage,
    children,
    walk,
)


def assign_demand(plan: Plan) -> Plan:
    """Give every feature in a plan the relation that it is asked of; the relations become stages of their own."""
    relations = (*(stage.relation for stage in plan.stages), plan.query)
    if not any(isinstance(node, Feature) for relation in relations for node in walk(relation)):
        return plan
    demands = _Demands()
    for stage in plan.stages:
        relation = demands.relation(stage.relation)
        demands.stages.append(replace(stage, relation=relation))
    query = demands.relation(plan.query)
    return replace(plan, stages=tuple(demands.stages), query=query)


def has_feature(expr: Expr) -> bool:
    """Return whether a feature stands in an expression, inside of q or IN (SELECT ..) too."""
    return any(isinstance(node, Feature) for node in walk(expr))


@dataclass
class _Demands:
    stages: list[Stage] = field(default_factory=list)
    _named: dict[Rel, Ref] = field(default_factory=dict)

    def relation(self, rel: Rel) -> Rel:
        """Give the features in a relation what they are asked of."""
        match rel:
            case PoolScan() | Ref():
                return rel
            case Filter():
                return self._filter(rel)
            case Copies():
                source = self.relation(rel.input)
                return replace(rel, input=source, expr=self._asked(rel.expr, source))
            case SetOperation():
                # Left-deep chains are as long as the recipe.
                operands: list[tuple[str, Rel]] = []
                first: Rel = rel
                while isinstance(first, SetOperation):
                    operands.append((first.op, first.right))
                    first = first.left
                result = self.relation(first)
                for op, right in reversed(operands):
                    result = SetOperation(op, result, self.relation(right))
                return result
            case DistinctOn():
                source = self.relation(rel.input)
                keys = tuple(self._asked(key, source) for key in rel.keys)
                order = tuple(replace(key, expr=self._asked(key.expr, source)) for key in rel.order)
                return DistinctOn(source, keys, order)
            case Limit():
                source = self.relation(rel.input)
                order = tuple(replace(key, expr=self._asked(key.expr, source)) for key in rel.order)
                by = tuple(self._asked(key, source) for key in rel.by)
                return replace(rel, input=source, order=order, by=by)

    def _filter(self, rel: Filter) -> Rel:
        source = self.relation(rel.input)
        with_feature = [has_feature(clause.expr) for clause in rel.clauses]
        if not any(with_feature):
            return Filter(source, rel.clauses)
        free = tuple(clause for clause, asks in zip(rel.clauses, with_feature, strict=True) if not asks)
        asked: Rel = Filter(source, free) if free else source
        clauses: list[Clause] = []
        for clause, asks in zip(rel.clauses, with_feature, strict=True):
            if not asks:
                clauses.append(clause)
                continue
            clauses.append(replace(clause, expr=self._asked(clause.expr, asked)))
            asked = Filter(self._name(asked), (clauses[-1],))
        return Filter(source, tuple(clauses))

    def _asked(self, expr: Expr, of: Rel) -> Expr:
        """Say that the features of an expression are asked of the samples of a relation."""
        match expr:
            case Feature():
                return replace(expr, demand=self._name(of))
            case Quantile():
                population = self.relation(expr.population)
                value = self._asked(expr.expr, population)
                both = population if self._covers(population, of) else SetOperation("UNION", population, of)
                by = tuple(self._asked(key, both) for key in expr.by)
                return replace(expr, expr=value, population=population, by=by)
            case InRelation():
                return InRelation(self.relation(expr.relation))
            case _ if has_feature(expr):
                return self._inside(expr, of)
            case _:
                return expr

    def _covers(self, whole: Rel, part: Rel) -> bool:
        """Return whether a relation is a part of another one by its form."""
        relations = {stage.name: stage.relation for stage in self.stages}
        while part != whole and not isinstance(whole, PoolScan):
            match part:
                case Filter() | Copies() | Limit() | DistinctOn():
                    part = part.input
                case Ref():
                    part = relations[part.name]
                case _:
                    return False
        return True

    def _inside(self, expr: Expr, of: Rel) -> Expr:
        parts = {id(child): self._asked(child, of) for child in children(expr)}  # type: ignore[arg-type]

        def rebuilt(value: object) -> object:
            if isinstance(value, tuple):
                return tuple(rebuilt(item) for item in value)
            return parts.get(id(value), value)

        changed = {name: rebuilt(getattr(expr, name)) for name in _fields(expr)}
        return replace(expr, **changed)  # type: ignore[arg-type]

    def _name(self, rel: Rel) -> PoolScan | Ref:
        """Make a stage of a relation, so that a feature does not contain what it is asked of."""
        if isinstance(rel, PoolScan | Ref):
            return rel
        if rel not in self._named:
            # A stroke is in no name of a recipe.
            name = f"asked'{len(self._named) + 1}"
            self.stages.append(Stage(name, rel, demand=True))
            self._named[rel] = Ref(name)
        return self._named[rel]


def _fields(node: Node) -> list[str]:
    return [name for name in node.__dataclass_fields__ if node.__dataclass_fields__[name].init]
