"""DISTINCT ON: which sample is first in its group (SEMANTICS §3.8).

A sample that is alone in its group needs no comparison, and where samples are ordered by one number the best number of
each group is found while the groups are: so nothing is sorted but those that share the first place, by their tie hash.
Other orders are ranked by a window. Who is first stands beside the pool's files, row for row (`first_column`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from dcql.lower import sql
from dcql.lower.sql import Sql
from dcql.lower.statement import ID
from dcql.lower.tails import Firsts
from dcql.plan import nodes

if TYPE_CHECKING:
    from dcql.lower.chain import Chain

_SAMPLES, _FIRST, _BEST = "samples", "id", "s0"


def firsts(new_chain: "Callable[[], Chain]", node: nodes.DistinctOn, name: str, here: str) -> Firsts:
    """Return the statistic of a DISTINCT ON. `new_chain` gives a query yet to be built; `here` names its input."""
    table = f"{name}/groups"
    alone = sql.select([(sql.column(_FIRST), _FIRST)], sql.table(table))
    alone = sql.where(alone, sql.compare("=", sql.column(_SAMPLES), sql.integer(1)))
    return Firsts(
        name,
        sql.render(_groups(new_chain(), node, name, here)),
        sql.render(alone),
        sql.render(_first_of_each(new_chain(), node, name, here)),
        "DISTINCT ON",
    )


def _by_one_number(node: nodes.DistinctOn) -> bool:
    return len(node.order) == 1 and node.order[0].expr.type.numeric


def _members(chain: "Chain", node: nodes.DistinctOn, name: str, here: str) -> tuple[list[Sql], list[Sql], Sql]:
    """Return the keys, what orders, and what is TRUE of the samples that are in a group."""
    source = chain.relation(node.input, here)
    keys = [chain.column(chain.expression(key, here), f"@/key{i}") for i, key in enumerate(node.keys)]
    order = chain.sort_columns(node.order, name, here)
    return keys, order, sql.both([source.present, *(sql.opposite(sql.is_null(key.copy())) for key in keys)])


def _groups(chain: "Chain", node: nodes.DistinctOn, name: str, here: str) -> exp.Select:
    keys, order, grouped = _members(chain, node, name, here)
    items = [(key.copy(), f"k{i}") for i, key in enumerate(keys)]
    items += [(sql.call("count", exp.Star()), _SAMPLES), (sql.call("min", sql.column(ID)), _FIRST)]
    if _by_one_number(node):
        items.append((_best(order[0], node.order[0]), _BEST))
    return sql.group_by(sql.where(sql.select(items, chain.source()), grouped), keys)


def _best(value: Sql, key: nodes.SortKey) -> Sql:
    """Write the number that comes first of a group's: NULL only where all are NULL, or where NULL comes first."""
    best = sql.call("max" if key.descending else "min", value.copy())
    if not key.nulls_first:
        return best
    some_null = sql.compare("<", sql.call("count", value.copy()), sql.call("count", exp.Star()))
    return sql.case([(some_null, exp.Null())], best)


def _first_of_each(chain: "Chain", node: nodes.DistinctOn, name: str, here: str) -> exp.Select:
    keys, order, grouped = _members(chain, node, name, here)
    items = [(sql.column(ID), "id"), (sql.column("uid"), "uid")]
    items += [(key.copy(), f"k{i}") for i, key in enumerate(keys)]
    items += [(value.copy(), f"s{i}") for i, value in enumerate(order)]
    members = sql.alias(sql.subquery(sql.where(sql.select(items, chain.source()), grouped)), "p")
    # No key is NULL, and of `=` DuckDB makes a filter for the scan as well.
    alike = [sql.compare("=", sql.column_in("p", f"k{i}"), sql.column_in("g", f"k{i}")) for i in range(len(keys))]
    alike.append(sql.compare(">", sql.column_in("g", _SAMPLES), sql.integer(1)))
    group = sql.column_in("g", _FIRST)
    leading = [(sql.column_in("p", "id"), "id"), (sql.column_in("p", "uid"), "uid"), (group, "group")]
    if _by_one_number(node):
        alike.append(sql.same(sql.column_in("p", _BEST), sql.column_in("g", _BEST)))
    else:
        sort = [(sql.column_in("p", f"s{i}"), one.descending, one.nulls_first) for i, one in enumerate(node.order)]
        leading.append((sql.window("rank", [group.copy()], sort), "place"))
    leaders = sql.select(leading, members)
    leaders.append("joins", exp.Join(this=sql.alias(sql.table(f"{name}/groups"), "g"), on=sql.both(alike)))
    if not _by_one_number(node):
        told = [(sql.column(column), column) for column in ("id", "uid", "group")]
        leaders = _in_first_place(sql.select(told, sql.subquery(leaders)))
    tie = sql.window("row_number", [sql.column("group")], [(sql.tie_hash(sql.column("uid")), False, False)])
    numbered = sql.select([(sql.column("id"), "id"), (tie, "place")], sql.subquery(leaders))
    return _in_first_place(sql.select([(sql.column("id"), "id")], sql.subquery(numbered)))


def _in_first_place(query: exp.Select) -> exp.Select:
    return sql.where(query, sql.compare("=", sql.column("place"), sql.integer(1)))
