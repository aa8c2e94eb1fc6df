"""LIMIT: where the order is cut (SEMANTICS §3.7).

Ties at the cut are told apart by their hashes, which are computed for those alone.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from dcql.lower import sql
from dcql.lower.order import before
from dcql.lower.sql import Sql
from dcql.lower.tails import Cut, Numbers, bounded
from dcql.plan import nodes
from dcql.plan.written import Writer

if TYPE_CHECKING:
    from dcql.lower.chain import Chain


def cut(new_chain: "Callable[[], Chain]", node: nodes.Limit, name: str, here: str) -> Cut:
    """Return the statistic of a LIMIT.

    `new_chain` gives a query yet to be built; `here` names its input.
    """
    chain = new_chain()
    source, keys = chain.ordered(node, here)
    at_cut = [sql.parameter(f"{name}_{i}", key.expr.type) for i, key in enumerate(node.order)]
    members = chain.source()
    percent = node.percent

    def of_members(items: Sequence[tuple[Sql, str]], *conditions: Sql) -> exp.Select:
        query = sql.select([(one.copy(), named) for one, named in items], members.copy())
        return sql.where(query, sql.both([source.present.copy(), *conditions]))

    at = sql.both([sql.same(k.copy(), c.copy()) for k, c in zip(keys, at_cut, strict=True)])
    tie = of_members([(sql.tie_hash(sql.column("uid")), "tie")], at)
    count = [(sql.call("count", exp.Star()), "samples")]
    numbers = samples = found = ahead = None
    if _by_one_number(node):
        numbers = _numbers(node, of_members([(keys[0], "value")]))
    else:
        order = [(key.copy(), spec.descending, spec.nulls_first) for key, spec in zip(keys, node.order, strict=True)]
        cut_keys = of_members([(key, f"key{i}") for i, key in enumerate(keys)])
        samples = sql.render(of_members(count))
        found = sql.render(sql.one_at(sql.order_by(cut_keys, order), "offset"))
        ahead = sql.render(of_members(count, before(keys, at_cut, node.order)))
    return Cut(
        name=name,
        count=bounded(node.count),
        percent=(percent.numerator, percent.denominator) if percent is not None else None,
        key_types=tuple(key.expr.type for key in node.order),
        samples=samples,
        keys=found,
        ahead=ahead,
        tie=sql.render(sql.one_at(sql.order_by(tie, [(sql.column("tie"), False, False)]), "offset")),
        text=Writer().cut(node),
        numbers=numbers,
    )


def _numbers(node: nodes.Limit, values: exp.Select) -> Numbers:
    (key,) = node.order
    of_pool = isinstance(node.input, nodes.PoolScan)
    column = key.expr.name if of_pool and isinstance(key.expr, nodes.Column) else None
    return Numbers(sql.render(values), key.expr.type, key.descending, key.nulls_first, column)


def _by_one_number(node: nodes.Limit) -> bool:
    return len(node.order) == 1 and node.order[0].expr.type.numeric
