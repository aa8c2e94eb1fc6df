"""The last query in the form of marks, whose text is in no digest: written as DuckDB computes it fastest."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from sqlglot import expressions as exp

from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.chain import Chain
from dcql.lower.program import Told
from dcql.lower.sets import in_flags
from dcql.lower.sql import Sql
from dcql.plan import nodes
from dcql.plan.statistics import StatisticNode

_SMALL = exp.DataType.Type.USMALLINT


class MarksChain(Chain):
    """A chain in which sets of INT are lists of flags, and a WHERE that tests what a feature is asked by says so.

    `flagged` are the tables of the sets, whose names are those of the parameters. `told` gives, by the stage of a
    demand, where the funnel says of which samples it asks: there no test comes twice, and none becomes a column.
    """

    def __init__(
        self,
        stages: Mapping[str, nodes.Rel],
        names: Mapping[StatisticNode, str],
        sets: Mapping[nodes.NamedSet | nodes.AssetSet, str],
        demands: Collection[str] = (),
        tables: Mapping[tuple[str, str], str] = MappingProxyType({}),
    ) -> None:
        super().__init__(stages, names, sets, demands, tables)
        self.flagged: dict[str, None] = {}
        self.told: dict[str, Told] = {}

    def _in_set(self, expr: nodes.InSet, subject: Sql) -> Sql:
        if expr.set.type is not Type.INT or expr.subject.type is not Type.INT:
            return super()._in_set(expr, subject)
        name = self._sets[expr.set]
        self.flagged[name] = None
        return in_flags(subject, name)

    def _tested(self, rel: nodes.Filter, name: str) -> tuple[list[Sql], list[tuple[str, int]]]:
        """Test all clauses here; what tests the first of them, for the sake of a feature, is told by their number."""
        tests = self._shared(rel)
        if name.split("/")[0] not in self._asking:
            every = len(rel.clauses)
            self.told |= {stage: Told(f"@{name}/clauses", upto, every) for stage, upto in tests}
        holds: list[Sql] = []
        for number, clause in enumerate(rel.clauses):
            # Whoever comes to this clause passed all before it.
            passed = [stage for stage, upto in tests if upto <= number]
            holds.append(self.expression(clause.expr, name, passed))
        return holds, []


def without_case(query: Sql) -> Sql:
    """Write 1 where a condition holds and else 0, as USMALLINT, by IS TRUE in place of CASE: it takes two thirds.

    The values are the same. It is for queries whose text is in no digest.
    """
    for cast in query.find_all(exp.Cast):
        case = cast.this
        if not isinstance(case, exp.Case) or not cast.to.is_type(_SMALL):
            continue
        first, *more = case.args["ifs"]
        if not more and first.args["true"] == sql.integer(1) and case.args["default"] == sql.integer(0):
            cast.set("this", exp.Is(this=first.this, expression=exp.true()))
    return query
