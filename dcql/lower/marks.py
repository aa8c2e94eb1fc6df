"""The last query in the form of marks, whose text is in no digest: written as DuckDB computes it fastest."""

from collections.abc import Sequence
from functools import cached_property

from sqlglot import expressions as exp

from dcql.catalog.models import FeatureSpec
from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.chain import Chain
from dcql.lower.program import Told
from dcql.lower.sets import in_flags
from dcql.lower.sql import Sql
from dcql.lower.statement import feature_column, texts_parameter
from dcql.plan import nodes

_SMALL, _TINY = exp.DataType.Type.USMALLINT, exp.DataType.Type.UTINYINT


class MarksChain(Chain):
    """A chain in which sets of INT are lists of flags, and the funnel tells of which samples a feature is asked.

    Flags are parameters of the names of the sets' tables. Where a WHERE tests what a feature is asked by, no test comes
    twice, and none becomes a column.
    """

    @cached_property
    def flagged(self) -> dict[str, None]:
        """The tables of sets that are flags, in the order in which they came."""
        return {}

    @cached_property
    def told(self) -> dict[str, Told]:
        """Where the funnel tells of which samples a feature is asked, by the stage of the demand."""
        return {}

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
            self.told.update({stage: Told(f"@{name}/clauses", upto, every) for stage, upto in tests})
        holds: list[Sql] = []
        for number, clause in enumerate(rel.clauses):
            # Whoever comes to this clause passed all before it.
            passed = [stage for stage, upto in tests if upto <= number]
            holds.append(self.expression(clause.expr, name, passed))
        return holds, []


def values_of(features: Sequence[FeatureSpec]) -> list[tuple[Sql, str]]:
    """Return the columns of `Marks.with_values`. Numbers on a grid have none, nor have vectors."""
    values: list[tuple[Sql, str]] = []
    for number, spec in enumerate(features, start=1):
        if spec.is_embedding or spec.output.bits is not None:
            continue
        value = sql.column(feature_column(spec.name))
        if spec.output.type is Type.TEXT:
            texts = exp.DataType(
                this=exp.DataType.Type.ARRAY, expressions=[exp.DataType(this=exp.DataType.Type.TEXT)], nested=True
            )
            listed = exp.Cast(this=exp.Parameter(this=exp.Var(this=texts_parameter(number))), to=texts)
            value = sql.call("list_position", listed, value)
        elif spec.output.type is Type.INT:
            value = exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type.UINT))
        values.append((value, feature_column(spec.name)))
    return values


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


def narrowed(query: Sql, most: int) -> Sql:
    """Write numbers of at most `most`, which are USMALLINT, as narrow as they go; for queries that are in no digest."""
    if most < 256:
        for cast in query.find_all(exp.Cast):
            if cast.to.is_type(_SMALL):
                cast.set("to", exp.DataType(this=_TINY))
    return query
