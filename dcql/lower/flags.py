"""Sets of small whole numbers as lists of flags: a query that looks up nothing else keeps the order of the samples."""

from collections.abc import Collection, Mapping

from dcql.catalog.types import Type
from dcql.lower.chain import Chain
from dcql.lower.sets import in_flags
from dcql.lower.sql import Sql
from dcql.plan import nodes
from dcql.plan.statistics import StatisticNode


class FlagChain(Chain):
    """A chain that reads sets of INT as flags; `flagged` are their tables, whose names are those of the parameters."""

    def __init__(
        self,
        stages: Mapping[str, nodes.Rel],
        names: Mapping[StatisticNode, str],
        sets: Mapping[nodes.NamedSet | nodes.AssetSet, str],
        demands: Collection[str],
        tables: Mapping[tuple[str, str], str],
    ) -> None:
        super().__init__(stages, names, sets, demands, tables)
        self.flagged: dict[str, None] = {}

    def _in_set(self, expr: nodes.InSet, subject: Sql) -> Sql:
        if expr.set.type is not Type.INT or expr.subject.type is not Type.INT:
            return super()._in_set(expr, subject)
        name = self._sets[expr.set]
        self.flagged[name] = None
        return in_flags(subject, name)
