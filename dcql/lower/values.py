"""Expressions of a plan, sample by sample: what a clause compares, and how far each sample came."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from dcql.catalog.pool import Pool
from dcql.lower import sql
from dcql.lower.chain import Member
from dcql.lower.lower import Lowering
from dcql.lower.statement import ID, ROW, Statement
from dcql.plan import nodes
from dcql.plan.lengths import like, over
from dcql.plan.statistics import unused_name


@dataclass(frozen=True, slots=True)
class ValueColumns:
    """The columns of one expression: its `value`, and `member`, TRUE for the samples of its population.

    `member` is None where every sample belongs to it.
    """

    value: str
    member: str | None


@dataclass(frozen=True, slots=True)
class ReadValues:
    """A query over the samples of one file, told by their position in it, the column `row`.

    `values` are the columns of each expression that was asked for. `depths` are those of each filter: the number of
    clauses that a sample passes, one more than there are where the filter does not read it.
    """

    statement: Statement
    values: tuple[ValueColumns, ...]
    depths: tuple[str, ...]


def lower_values(
    plan: nodes.Plan, wanted: Sequence[tuple[nodes.Expr, nodes.Rel]], filters: Sequence[nodes.Filter], pool: Pool
) -> ReadValues:
    """Write the query that gives the values of expressions, each over the samples of a relation, and of filters.

    `plan` is optimized, expressions and relations are out of it. Parameters and tables are those of the program that
    the plan is lowered to, in the form that is for the pool.
    """
    plan = over(plan, pool)
    wanted = [(like(plan, expr), like(plan, rel)) for expr, rel in wanted]
    filters = [like(plan, one) for one in filters]
    lowering = Lowering(plan)
    chain = lowering.chain()
    columns: list[tuple[exp.Expression, str]] = [(sql.column(ID), ROW)]
    members: dict[nodes.Rel, Member] = {}
    values: list[ValueColumns] = []
    for number, (expr, rel) in enumerate(wanted):
        if rel not in members:
            members[rel] = chain.relation(rel, unused_name(plan, f"values{number}"))
        columns.append((chain.expression(expr, unused_name(plan, f"value{number}")), f"value{number}"))
        member = None
        if not members[rel].everything:
            member = f"member{number}"
            columns.append((members[rel].present.copy(), member))
        values.append(ValueColumns(f"value{number}", member))
    depths: list[str] = []
    for number, filter_ in enumerate(filters):
        chain.relation(filter_, unused_name(plan, f"filter{number}"))
        depths.append(f"depth{number}")
        # A filter's own block comes after those of what it reads.
        columns.append((sql.column(chain.blocks[-1].depth), depths[-1]))
    return ReadValues(sql.render(sql.select(columns, chain.source())), tuple(values), tuple(depths))
