"""The cuts of a recipe: every place where a number of a sample is compared with one value, in text order."""

from collections.abc import Iterator
from dataclasses import dataclass

from dcql.catalog.types import Type
from dcql.plan import nodes
from dcql.plan.statistics import statistics
from dcql.plan.written import Writer

_ORDER = ("<", "<=", ">", ">=")
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Cut:
    """A comparison `expr op value` of a clause, or the place where a LIMIT cuts its first sort key.

    `stage` is the stage it stands in, "query" for the query; `text` are the clause's words, `label` those of the number
    alone. `population` is what the
    number is shown over: that of an order statistic, else what the SELECT reads. `statistic` names the statistic that
    is compared with; it is "" where `value` says the number. `by` is true for one with a value a group.
    `clause` is the position of the clause in `filter`; both are None for a LIMIT.
    """

    stage: str
    text: str
    label: str
    expr: nodes.Expr
    op: str
    population: nodes.Rel
    statistic: str = ""
    value: int | float | None = None
    by: bool = False
    filter: nodes.Filter | None = None
    clause: int | None = None

    @property
    def whole(self) -> bool:
        """Whether the numbers are whole."""
        inner = self.expr.operand if isinstance(self.expr, nodes.Convert) else self.expr
        return inner.type is Type.INT

    @property
    def above(self) -> bool:
        """Whether what is larger passes."""
        return self.op.startswith(">")

    @property
    def called(self) -> str:
        """The name of the population."""
        match self.population:
            case nodes.PoolScan():
                return "pool"
            case nodes.Ref():
                return self.population.name
            case _:
                return "what the SELECT reads"


def cuts(plan: nodes.Plan, writer: Writer) -> tuple[Cut, ...]:
    """Return the cuts of an optimized plan; a comparison that stands twice is one cut."""
    return tuple(dict.fromkeys(_Cuts(plan, writer).all()))


class _Cuts:
    def __init__(self, plan: nodes.Plan, writer: Writer) -> None:
        self._plan = plan
        self._writer = writer
        self._write = writer.expression
        self._names = statistics(plan).names
        self._stage = ""

    def all(self) -> Iterator[Cut]:
        for stage in self._plan.stages:
            if not stage.demand:
                self._stage = stage.name
                yield from self._relation(stage.relation)
        self._stage = "query"
        yield from self._relation(self._plan.query)

    def _relation(self, rel: nodes.Rel) -> Iterator[Cut]:
        match rel:
            case nodes.Filter():
                yield from self._relation(rel.input)
                for number, clause in enumerate(rel.clauses):
                    yield from self._inside(clause.expr, rel, number)
            case nodes.SetOperation():
                yield from self._relation(rel.left)
                yield from self._relation(rel.right)
            case nodes.Copies() | nodes.DistinctOn():
                yield from self._relation(rel.input)
            case nodes.Limit():
                yield from self._relation(rel.input)
                yield from self._limit(rel)

    def _limit(self, rel: nodes.Limit) -> Iterator[Cut]:
        key = rel.order[0]
        if not key.expr.type.numeric:
            return
        op = ">=" if key.descending else "<="
        yield Cut(
            self._stage,
            self._writer.limit(rel),
            self._write(key.expr),
            key.expr,
            op,
            rel.input,
            self._names[rel],
            by=bool(rel.by),
        )

    def _inside(self, node: nodes.Node, filter_: nodes.Filter, clause: int) -> Iterator[Cut]:
        if isinstance(node, nodes.InRelation):
            yield from self._relation(node.relation)
        elif isinstance(node, nodes.Compare) and node.op in _ORDER and node.left.type.numeric:
            yield from self._compare(node, filter_, clause)
        elif not isinstance(node, nodes.Quantile | nodes.Feature):
            for child in nodes.children(node):
                yield from self._inside(child, filter_, clause)

    def _compare(self, node: nodes.Compare, filter_: nodes.Filter, clause: int) -> Iterator[Cut]:
        for expr, other, op in ((node.left, node.right, node.op), (node.right, node.left, _TURNED[node.op])):
            value = other.operand if isinstance(other, nodes.Convert) else other
            if not _is_of_the_sample(expr):
                continue
            text = filter_.clauses[clause].text
            match value:
                case nodes.Literal(value=int() | float() as number) if not isinstance(number, bool):
                    yield Cut(
                        self._stage,
                        text,
                        self._write(expr),
                        expr,
                        op,
                        filter_.input,
                        value=number,
                        filter=filter_,
                        clause=clause,
                    )
                case nodes.Quantile():
                    yield Cut(
                        self._stage,
                        text,
                        self._write(expr),
                        expr,
                        op,
                        value.population,
                        self._names[value],
                        by=bool(value.by),
                        filter=filter_,
                        clause=clause,
                    )


def _is_of_the_sample(node: nodes.Node) -> bool:
    """Return whether an expression reads anything of a sample itself."""
    if isinstance(node, nodes.Quantile | nodes.InRelation):
        return False
    return isinstance(node, nodes.Column | nodes.Feature) or any(map(_is_of_the_sample, nodes.children(node)))
