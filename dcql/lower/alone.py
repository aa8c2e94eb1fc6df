"""What each clause does by itself, as a statement beside a program: how many samples pass it, and what it alone drops.

The last query of a program counts clauses one after the other, as the funnel shows them, and tests none that does not
matter. This tests all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from dcql.lower import sql
from dcql.lower.lower import Lowering
from dcql.lower.program import Program
from dcql.lower.statement import Statement
from dcql.plan import nodes
from dcql.plan.demand import has_feature
from dcql.plan.places import in_turn, own_features, selects
from dcql.plan.statistics import unused_name


@dataclass(frozen=True, slots=True)
class AloneBlock:
    """A SELECT with several clauses: for each the column that counts what it passes, and what it alone drops.

    None where that is not known of every sample that the SELECT reads: where a feature is not asked of all of them.
    """

    name: str
    passes: tuple[str | None, ...]
    drops: tuple[str | None, ...]


@dataclass(frozen=True)
class Alone:
    """A program, and one row of counts beside it; `counts` is None where there is nothing to count."""

    program: Program
    counts: Statement | None
    blocks: tuple[AloneBlock, ...]


def alone(plan: nodes.Plan) -> Alone:
    """Lower an optimized plan, and the counts of its clauses by themselves."""
    lowering = Lowering(plan)
    chain = lowering.chain()
    items: list[tuple[sql.Sql, str]] = []
    blocks: list[AloneBlock] = []
    for one in selects(plan, unused_name(plan, "query")):
        if not isinstance(one.rel, nodes.Filter) or len(one.rel.clauses) < 2:
            continue
        number = len(blocks)
        source = chain.relation(one.rel.input, unused_name(plan, f"alone{number}"))
        holds = [
            chain.column(sql.is_true(chain.expression(clause.expr, f"alone{number}")), f"@/alone{number}/{i}")
            for i, clause in enumerate(one.rel.clauses)
        ]
        failing: sql.Sql = sql.integer(0)
        for value in holds:
            missed = sql.case([(value.copy(), sql.integer(0))], sql.integer(1))
            failing = exp.Paren(this=exp.Add(this=failing, expression=missed))
        failing = chain.column(failing, f"@/alone{number}/failing")
        once = sql.compare("=", failing, sql.integer(1))
        passes, drops = _known(one.rel, lowering.stages)
        block = AloneBlock(
            one.name,
            tuple(f"passes{number}_{i}" if known else None for i, known in enumerate(passes)),
            tuple(f"drops{number}_{i}" if known else None for i, known in enumerate(drops)),
        )
        blocks.append(block)
        for value, passing, dropping in zip(holds, block.passes, block.drops, strict=True):
            if passing is not None:
                items.append((_count([source.present, value]), passing))
            if dropping is not None:
                items.append((_count([source.present, once, sql.opposite(value.copy())]), dropping))
    counts = sql.render(sql.select(items, chain.source())) if items else None
    return Alone(lowering.program(), counts, tuple(blocks))


def _count(conditions: Sequence[sql.Sql]) -> sql.Sql:
    met = sql.both([condition.copy() for condition in conditions])
    return sql.call("count", sql.case([(met, sql.integer(1))], exp.Null()))


def _known(rel: nodes.Filter, stages: Mapping[str, nodes.Rel]) -> tuple[list[bool], list[bool]]:
    """Return for each clause whether all samples that pass it are known, and all those that it alone drops.

    A sample that only this clause drops passes all that come before it, and was asked there; those that come after are
    not asked of it, so that they must be known of every sample.
    """

    def of_all(feature: nodes.Feature) -> bool:
        demand = feature.demand
        here = stages[demand.name] if isinstance(demand, nodes.Ref) else demand
        return demand in (rel.input, nodes.PoolScan()) or here == rel.input

    everywhere = [all(map(of_all, _looked_at(clause.expr))) for clause in rel.clauses]
    drops = [False] * len(rel.clauses)
    later = True
    for number, clause in reversed(in_turn(rel.clauses)):
        drops[number] = later
        later = later and (everywhere[number] or not has_feature(clause.expr))
    return everywhere, drops


def _looked_at(expr: nodes.Expr) -> Iterator[nodes.Feature]:
    """Yield the features that a clause reads of a sample: its own, and those by which its threshold is looked up."""
    yield from own_features(expr)
    for node in nodes.walk(expr):
        if isinstance(node, nodes.Quantile):
            for key in node.by:
                yield from own_features(key)
