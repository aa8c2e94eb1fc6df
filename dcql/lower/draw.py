"""SAMPLE .. ROWS: which samples it draws (SEMANTICS §3.12, 13).

To hash a uid takes longer than all else that is asked of a sample, so every sample is hashed once. Hashes are spread
evenly, so what is known without them, how many samples there are or which weights they have, tells within narrow bounds
where the order by hash is cut. What is drawn stands beside the pool's files, row for row (`first_column`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.sql import Sql
from dcql.lower.statement import ID, Statement
from dcql.lower.tails import Draw, Weights, bounded
from dcql.plan import nodes
from dcql.plan.written import Writer

if TYPE_CHECKING:
    from dcql.lower.chain import Chain

_A_DOUBLING = 64  # classes of weights between a weight and its double


def draw(
    new_chain: "Callable[[], Chain]",
    node: nodes.SampleRows,
    name: str,
    here: str,
    named: Callable[[Statement], Statement],
) -> Draw:
    """Return the statistic of a SAMPLE .. ROWS.

    `new_chain` gives a query yet to be built; `here` names its input; `named` gives the `samples` table of a statement
    that reads uids and places.
    """
    near = _near(new_chain(), node, here)
    count = bounded(node.count)
    assert count is not None
    return Draw(
        name,
        count,
        _weights(new_chain, node.weight, node.input, here) if node.weight is not None else None,
        _samples(new_chain(), node.input, here) if node.weight is None else None,
        named(near),
        near,
        _first(new_chain(), node, here),
        Writer().cut(node),
    )


def above_zero(weight: Sql) -> Sql:
    """Write whether a sample with this weight can be drawn; never NULL."""
    return sql.is_true(sql.compare(">", weight.copy(), sql.cast(sql.integer(0), Type.DOUBLE)))


def _samples(chain: "Chain", input_: nodes.Rel, here: str) -> Statement:
    present = chain.relation(input_, here).present
    count = sql.select([(sql.call("count", exp.Star()), "samples")], chain.source())
    return sql.render(sql.where(count, present.copy()))


def _weights(new_chain: "Callable[[], Chain]", weight: nodes.Expr, input_: nodes.Rel, here: str) -> Weights:
    chain = new_chain()
    source, value = chain.relation(input_, here), chain.column(chain.expression(weight, here), "@/weight")
    usable = sql.both([above_zero(value), sql.opposite(sql.call("isinf", value.copy()))])
    used = chain.column(sql.case([(usable, value.copy())], exp.Null()), "@/used")
    # NULL for what is no weight, so that there is a logarithm of all others.
    step = exp.Mul(this=sql.call("log2", used.copy()), expression=sql.integer(_A_DOUBLING))
    items = [
        (sql.call("count", exp.Star()), "samples"),
        (sql.call("count", sql.case([(_wrong(value), sql.integer(1))], exp.Null())), "wrong"),
        (sql.call("min", used.copy()), "least"),
        (sql.call("max", used.copy()), "most"),
        (sql.call("sum", used.copy()), "total"),
    ]
    classes = sql.where(sql.select(items, chain.source()), source.present.copy())
    chain = new_chain()
    source, value = chain.relation(input_, here), chain.column(chain.expression(weight, here), "@/weight")
    first = sql.select([(sql.call("min", sql.column("uid")), "uid")], chain.source())
    first = sql.where(first, sql.both([source.present.copy(), _wrong(value)]))
    return Weights(sql.render(sql.group_by(classes, [sql.call("floor", step)])), sql.render(first))


def _wrong(weight: Sql) -> Sql:
    """Write whether a weight is negative or infinite; never NULL. DOUBLEs compare: there is no NaN."""
    negative = sql.compare("<", weight.copy(), sql.cast(sql.integer(0), Type.DOUBLE))
    return sql.is_true(sql.either([negative, sql.call("isinf", weight.copy())]))


def _keyed(chain: "Chain", node: nodes.SampleRows, here: str) -> Sql:
    """Add the key of each sample that can be drawn; it is NULL for all others, whose uids are not hashed."""
    (key,) = node.order
    present = chain.relation(node.input, here).present
    return chain.column(sql.case([(present.copy(), chain.expression(key.expr, here))], exp.Null()), "@/key")


def _near(chain: "Chain", node: nodes.SampleRows, here: str) -> Statement:
    # No WHERE looks at the key: DuckDB would compute it there, and once more for what is asked of it.
    key = _keyed(chain, node, here)
    low, high = (sql.parameter(bound, node.order[0].expr.type) for bound in ("low", "high"))
    ahead = sql.compare(">", key.copy(), high) if node.order[0].descending else sql.compare("<", key.copy(), low)
    between = sql.both([sql.compare(">=", key.copy(), low.copy()), sql.compare("<=", key.copy(), high.copy())])
    items: list[tuple[Sql, str]] = [
        (sql.column(ID), "id"),
        (sql.is_true(ahead), "sure"),
        (sql.case([(between, key.copy())], exp.Null()), "key"),
        (sql.case([(between.copy(), sql.tie_hash(sql.column("uid")))], exp.Null()), "tie"),
    ]
    return sql.render(sql.select(items, chain.source()))


def _first(chain: "Chain", node: nodes.SampleRows, here: str) -> Statement:
    key = _keyed(chain, node, here)
    items = [(sql.column(ID), "id"), (key.copy(), "key"), (sql.tie_hash(sql.column("uid")), "tie")]
    query = sql.where(sql.select(items, chain.source()), sql.opposite(sql.is_null(key.copy())))
    query = sql.order_by(
        query, [(sql.column("key"), node.order[0].descending, False), (sql.column("tie"), False, False)]
    )
    query.set("limit", exp.Limit(expression=exp.Parameter(this=exp.Var(this="kept"))))
    return sql.render(query)
