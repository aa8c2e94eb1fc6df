"""What is asked about one sample, as SQL over the program of its recipe.

A program says of every sample whether it is kept. An observation says of one sample why: the value of any expression,
and where it stands among others. Its statements share the program's parameters; what they ask of the sample itself
comes back as more parameters: `$v3` is the value of the third expression.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlglot import exp

from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.chain import Chain
from dcql.lower.grouped_cut import group_columns
from dcql.lower.lower import Lowering
from dcql.lower.order import before
from dcql.lower.program import Program
from dcql.lower.samples import UID, place, samples, with_uid
from dcql.lower.statement import ID, Samples, Statement, first_column
from dcql.plan import nodes
from dcql.plan.lengths import like, over
from dcql.plan.statistics import statistics, unused_name

Tail = nodes.Limit | nodes.SampleRows | nodes.DistinctOn

ROW_PARAMETER = "row"
_AT_ONCE = 200  # columns of one statement


@dataclass(frozen=True, slots=True)
class Ranking:
    """Where the sample's `value` stands among the values of `expr` in a population, or in its group by `by` there.

    `cut` is what it is compared with. `value` and `expr` differ where a feature is not asked of the sample.
    """

    value: nodes.Expr
    expr: nodes.Expr
    population: nodes.Rel
    by: tuple[nodes.Expr, ...]
    cut: nodes.Expr


@dataclass(frozen=True)
class Observation:
    """Statements about one sample.

    `sample`, over one file, gives `kept` and `copies` of the sample at `$row`. `values` together give its columns v0,
    v1, .. in the order of `exprs`. `counts` gives for the n-th ranking the columns `known`, `below`, `same`,
    `cut_below` and `cut_same` with n after them: how many samples have a value, one below and one equal to the
    sample's, one below and one equal to the cut. `places` gives for each LIMIT how many samples reach it (`samples`)
    and how many of these come before the sample (`ahead`), with BY those of its group. `firsts` gives for each DISTINCT
    ON the `uid` that is first in the sample's group and how many share it (`samples`).
    """

    program: Program
    exprs: Mapping[nodes.Expr, int]
    sample: Statement
    values: tuple[Statement, ...]
    rankings: tuple[Ranking, ...]
    counts: Statement | None
    places: tuple[tuple[str, Statement], ...]
    firsts: tuple[tuple[str, Statement], ...]

    def value_of(self, expr: nodes.Expr, values: Sequence[Any]) -> Any:
        """Return an expression's value among the sample's `values`."""
        return values[self.exprs[expr]]


def observe_verdict(plan: nodes.Plan, pool: Pool) -> Observation:
    """Lower a plan for a pool, and the one question whether it keeps a sample."""
    lowering = Lowering(over(plan, pool))
    return Observation(lowering.program(), {}, _verdict(lowering), (), (), None, (), ())


def observe(plan: nodes.Plan, asked: Sequence[nodes.Expr], rankings: Sequence[Ranking], pool: Pool) -> Observation:
    """Lower a plan for a pool, and what is asked about a sample.

    That is the values of `asked`, which get numbers in this order, `rankings`, and its place in every LIMIT and
    DISTINCT ON.
    """
    tails = [node for node in statistics(plan).names if isinstance(node, Tail)]
    told = {expr: number for number, expr in enumerate(dict.fromkeys(_asked(asked, rankings, tails)))}
    # What is told is called as the recipe has it; from here on lengths may stand in the place of texts.
    plan = over(plan, pool)
    exprs = {like(plan, expr): number for expr, number in told.items()}
    read = [like(plan, one) for one in rankings]
    lowering = Lowering(plan)
    values = []
    everything = list(exprs)
    for start in range(0, len(everything), _AT_ONCE):
        chain = lowering.chain()
        part = everything[start : start + _AT_ONCE]
        written = [(chain.expression(expr, "why"), f"v{number}") for number, expr in enumerate(part, start)]
        values.append(_of_sample(written, chain))
    program = lowering.program()
    if tails:
        # Whose places are asked for are told by their uids.
        program = replace(program, samples=lowering.samples(with_uid(lowering.columns()), ()))
    return Observation(
        program,
        told,
        _verdict(lowering),
        tuple(values),
        tuple(rankings),
        _counts(lowering, read, exprs) if rankings else None,
        tuple(
            (name, _place(lowering, node, name, exprs))
            for node, name in lowering.names.items()
            if isinstance(node, nodes.Limit | nodes.SampleRows)
        ),
        tuple(
            (name, _group(lowering, node, name, exprs))
            for node, name in lowering.names.items()
            if isinstance(node, nodes.DistinctOn)
        ),
    )


def _asked(asked: Sequence[nodes.Expr], rankings: Sequence[Ranking], tails: Sequence[Tail]) -> Iterator[nodes.Expr]:
    """Yield every expression whose value for the sample is needed."""
    yield from asked
    for ranking in rankings:
        yield from (ranking.value, ranking.cut, *ranking.by)
    for node in tails:
        yield from (key.expr for key in node.order)
        yield from node.keys if isinstance(node, nodes.DistinctOn) else node.by
        yield UID


def _verdict(lowering: Lowering) -> Statement:
    chain = lowering.chain()
    member = chain.relation(lowering.plan.query, unused_name(lowering.plan, "query"))
    copies = member.copies if member.copies is not None else sql.integer(1)
    return _of_sample([(member.present.copy(), "kept"), (sql.unsigned(copies.copy()), "copies")], chain)


def finding() -> tuple[Samples, Statement]:
    """Return what finds samples of a raw pool: its uids, and a statement that gives `uid` and `row`, at most `$most`.

    They are those whose uid begins with `$prefix`.
    """
    rows = samples((UID,), place(), rows=True)
    query = sql.select([(sql.column("uid"), "uid"), (sql.column(ID), "row")], sql.table("samples"))
    query = sql.where(query, sql.call("starts_with", sql.column("uid"), sql.parameter("prefix", Type.TEXT)))
    query.set("limit", exp.Limit(expression=exp.Parameter(this=exp.Var(this="most"))))
    return Samples(rows, rows, rows, None, None, None), sql.render(query)


def as_stored(expr: nodes.Expr) -> nodes.Expr:
    """Return an expression with its features as they are stored, whether or not they are asked of the sample."""
    match expr:
        case nodes.Feature():
            return replace(expr, demand=nodes.PoolScan())
        case nodes.Quantile() | nodes.InRelation():
            return expr
        case _:
            changed = {one.name: _as_stored(getattr(expr, one.name)) for one in fields(expr) if one.init}
            return replace(expr, **changed)


def _as_stored(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_as_stored(item) for item in value)
    return as_stored(value) if isinstance(value, nodes.Expr) else value


def _of_sample(items: Sequence[tuple[sql.Sql, str]], chain: Chain) -> Statement:
    here = sql.compare("=", sql.column(ID), sql.parameter(ROW_PARAMETER, Type.INT))
    return sql.render(sql.where(sql.select(items, chain.source()), here))


def _mine(expr: nodes.Expr, exprs: Mapping[nodes.Expr, int]) -> sql.Sql:
    """Name the sample's value of an expression."""
    return sql.parameter(f"v{exprs[expr]}", expr.type)


def _count(condition: sql.Sql) -> sql.Sql:
    return sql.call("count", sql.case([(condition, sql.integer(1))], exp.Null()))


def _counts(lowering: Lowering, rankings: Sequence[Ranking], exprs: Mapping[nodes.Expr, int]) -> Statement:
    chain = lowering.chain()
    items: list[tuple[sql.Sql, str]] = []
    for number, ranking in enumerate(rankings):
        # A name of its own for each, for two populations may have the same inside.
        population = chain.relation(ranking.population, unused_name(lowering.plan, f"among{number}"))
        keys = [chain.expression(key, f"rank{number}") for key in ranking.by]
        alike = [sql.same(key, _mine(one, exprs)) for key, one in zip(keys, ranking.by, strict=True)]
        value = chain.expression(ranking.expr, f"rank{number}")
        if alike or not population.everything:
            value = sql.case([(sql.both([population.present.copy(), *alike]), value)], exp.Null())
        value = chain.column(value, f"@/rank{number}")
        items.append((sql.call("count", value.copy()), f"known{number}"))
        for title, other in (("", ranking.value), ("cut_", ranking.cut)):
            for word, op in (("below", "<"), ("same", "=")):
                items.append((_count(sql.compare(op, value.copy(), _mine(other, exprs))), f"{title}{word}{number}"))
    return sql.render(sql.select(items, chain.source()))


def _place(
    lowering: Lowering, node: nodes.Limit | nodes.SampleRows, name: str, exprs: Mapping[nodes.Expr, int]
) -> Statement:
    chain = lowering.chain()
    here = unused_name(lowering.plan, "input")
    source, keys = chain.ordered(node, here)
    mine = [_mine(key.expr, exprs) for key in node.order]
    same = sql.both([sql.same(key.copy(), one.copy()) for key, one in zip(keys, mine, strict=True)])
    groups = group_columns(chain, node, name, here)
    alike = [sql.same(key, _mine(one, exprs)) for key, one in zip(groups, node.by, strict=True)]
    earlier = sql.compare("<", sql.tie_hash(sql.column("uid")), sql.tie_hash(_mine(UID, exprs)))
    # The tie hash is computed only where the keys are the same.
    ahead = sql.case([(before(keys, mine, node.order), exp.true()), (same, earlier)], exp.false())
    items = [(sql.call("count", exp.Star()), "samples"), (_count(ahead), "ahead")]
    return sql.render(sql.where(sql.select(items, chain.source()), sql.both([source.present.copy(), *alike])))


def _group(lowering: Lowering, node: nodes.DistinctOn, name: str, exprs: Mapping[nodes.Expr, int]) -> Statement:
    chain = lowering.chain()
    here = unused_name(lowering.plan, "input")
    source = chain.relation(node.input, here)
    keys = [chain.column(chain.expression(key, here), f"@/key{i}") for i, key in enumerate(node.keys)]
    alike = [sql.same(key, _mine(one, exprs)) for key, one in zip(keys, node.keys, strict=True)]
    first = sql.column(first_column(name))
    is_first = sql.case([(first, sql.column("uid"))], exp.Null())
    items = [(sql.call("max", is_first), "uid"), (sql.call("count", exp.Star()), "samples")]
    return sql.render(sql.where(sql.select(items, chain.source()), sql.both([source.present.copy(), *alike])))
