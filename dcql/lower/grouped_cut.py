"""LIMIT .. BY: where it cuts each group, and which samples that keeps (SEMANTICS §3.7).

Where each group is cut is a table: one row a group, however many samples. A sample looks its group up, and compares
itself with the cut as LIMIT does. Windows find the cuts; the tie hash is computed only for the samples whose sort keys
are those at the cut of their group.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from dcql.lower import sql
from dcql.lower.order import before
from dcql.lower.sql import Sql
from dcql.lower.tails import GroupedCut, bounded
from dcql.plan import nodes
from dcql.plan.written import Writer

if TYPE_CHECKING:
    from dcql.lower.chain import Chain, Member


def grouped_limit(chain: "Chain", rel: nodes.Limit, source: "Member", cut: str, name: str) -> Sql:
    """Write whether a LIMIT with BY keeps a sample of `source`; `cut` is the table with the cuts."""
    keys = chain.sort_columns(rel.order, cut, name)
    by = group_columns(chain, rel, cut, name)
    keep, tie = f"@/{cut}/keep", f"@/{cut}/tie"
    at = [f"@/{cut}/at{i}" for i in range(len(rel.order))]
    if not chain.has_column(keep):
        wanted = [("keep", keep), *((f"s{i}", column) for i, column in enumerate(at)), ("tie", tie)]
        chain.look_up(cut, by, wanted)
    at_cut = [sql.column(column) for column in at]
    within = sql.compare("<=", sql.tie_hash(sql.column("uid")), sql.column(tie))
    same = sql.both([sql.same(k.copy(), c.copy()) for k, c in zip(keys, at_cut, strict=True)])
    return sql.case(
        [
            (sql.opposite(source.present), exp.false()),
            (sql.compare("<>", sql.column(keep), sql.integer(1)), sql.compare("=", sql.column(keep), sql.integer(2))),
            (before(keys, at_cut, rel.order), exp.true()),
            (same, within),
        ],
        exp.false(),
    )


def group_columns(chain: "Chain", rel: nodes.Limit | nodes.SampleRows, cut: str, name: str) -> list[Sql]:
    """Add the keys of a BY as columns, once where equal LIMITs share a cut; a SAMPLE has none."""
    named = [(f"@/{cut}/by{i}", key) for i, key in enumerate(rel.by)]
    return [
        sql.column(column) if chain.has_column(column) else chain.column(chain.expression(key, name), column)
        for column, key in named
    ]


def grouped_cut(chain: "Chain", rel: nodes.Limit, cut: str, here: str) -> GroupedCut:
    """Return the statistic of a LIMIT with BY. `chain` is a query that has yet to be built; `here` names its input."""
    present = chain.relation(rel.input, here).present
    keys = chain.sort_columns(rel.order, cut, here)
    by = group_columns(chain, rel, cut, here)
    members = chain.source()
    groups = [f"k{i}" for i in range(len(by))]
    sorts = [f"s{i}" for i in range(len(keys))]
    sizes_table, keep_table, at_table = f"{cut}/sizes", f"{cut}/keep", f"{cut}/at"

    def of_members(items: Sequence[tuple[Sql, str]]) -> exp.Select:
        grouped = [(one.copy(), column) for one, column in zip(by, groups, strict=True)]
        return sql.where(sql.select([*grouped, *items], members.copy()), present.copy())

    sizes = sql.group_by(of_members([(sql.call("count", exp.Star()), "samples")]), [one.copy() for one in by])
    each = sql.select([(sql.column("samples"), "samples")], sql.table(sizes_table))
    each = sql.group_by(each, [sql.column("samples")])

    # The k-th of a group by row number has the keys at its cut, whichever of those with the same keys that is.
    ordered = [(key.copy(), one.descending, one.nulls_first) for key, one in zip(keys, rel.order, strict=True)]
    places = [
        (sql.window(function, [one.copy() for one in by], [(k.copy(), d, f) for k, d, f in ordered]), column)
        for function, column in (("row_number", "place"), ("rank", "first"))
    ]
    sort_items = [(key.copy(), column) for key, column in zip(keys, sorts, strict=True)]
    placed = sql.alias(sql.subquery(of_members([*sort_items, *places])), "p")
    kept = _sized(sizes_table, keep_table, groups)
    cuts_at = [("g", "samples"), ("g", "kept"), ("p", "first"), *(("p", column) for column in sorts)]
    at = sql.select([_named("p", column) for column in groups] + [_named(t, column) for t, column in cuts_at], placed)
    at.append("joins", exp.Join(this=kept, on=_alike(groups, "p", "g")))
    reached = sql.compare("=", sql.column_in("p", "place"), sql.column_in("g", "kept"))
    at = sql.where(at, sql.both([reached, sql.compare("<", sql.column_in("g", "kept"), sql.column_in("g", "samples"))]))

    cuts = _cuts(of_members, (sizes_table, keep_table, at_table), groups, sort_items)
    return GroupedCut(
        name=cut,
        count=bounded(rel.count),
        percent=(rel.percent.numerator, rel.percent.denominator) if rel.percent is not None else None,
        key_types=tuple(key.expr.type for key in rel.order),
        by_types=tuple(key.type for key in rel.by),
        sizes=sql.render(sizes),
        each=sql.render(each),
        at=sql.render(at),
        cuts=sql.render(cuts),
        text=Writer().cut(rel),
    )


def _cuts(
    of_members: Callable[[Sequence[tuple[Sql, str]]], exp.Select],
    tables: tuple[str, str, str],
    groups: list[str],
    sort_items: list[tuple[Sql, str]],
) -> exp.Select:
    sizes_table, keep_table, at_table = tables
    sorts = [column for _, column in sort_items]
    uid = (sql.column("uid"), "uid")
    tied = sql.alias(sql.subquery(of_members([*((key.copy(), column) for key, column in sort_items), uid])), "p")
    tie = sql.tie_hash(sql.column_in("p", "uid"))
    place = sql.window("row_number", [sql.column_in("a", column) for column in groups], [(tie.copy(), False, False)])
    items = [*(_named("a", column) for column in groups), (tie, "tie"), (place, "place"), _named("a", "kept")]
    ties = sql.select([*items, _named("a", "first")], tied)
    at = sql.alias(sql.table(at_table), "a")
    ties.append("joins", exp.Join(this=at, on=_alike([*groups, *sorts], "p", "a")))
    last = exp.Add(this=sql.column("place"), expression=sql.column("first"))
    at_cut = sql.compare("=", last, exp.Add(this=sql.column("kept"), expression=sql.integer(1)))
    found = sql.select([*((sql.column(c), c) for c in groups), (sql.column("tie"), "tie")], sql.subquery(ties))
    found = sql.where(found, at_cut)

    everything = sql.compare("=", sql.column_in("g", "kept"), sql.column_in("g", "samples"))
    nothing = sql.compare("=", sql.column_in("g", "kept"), sql.integer(0))
    keep = sql.case([(nothing, sql.integer(0)), (everything, sql.integer(2))], sql.integer(1))
    items = [*(_named("g", column) for column in (*groups, "samples", "kept")), (keep, "keep")]
    items += [*(_named("a", column) for column in sorts), _named("t", "tie")]
    cuts = sql.select(items, _sized(sizes_table, keep_table, groups))
    for table, name in ((sql.table(at_table), "a"), (sql.subquery(found), "t")):
        cuts.append("joins", exp.Join(this=sql.alias(table, name), side="LEFT", on=_alike(groups, "g", name)))
    return cuts


def _sized(sizes_table: str, keep_table: str, groups: Sequence[str]) -> Sql:
    """Return the groups `g` with their samples, and how many of them are kept."""
    items = [_named("z", column) for column in (*groups, "samples")]
    query = sql.select([*items, _named("n", "kept")], sql.alias(sql.table(sizes_table), "z"))
    same = sql.compare("=", sql.column_in("z", "samples"), sql.column_in("n", "samples"))
    query.append("joins", exp.Join(this=sql.alias(sql.table(keep_table), "n"), on=same))
    return sql.alias(sql.subquery(query), "g")


def _named(table: str, column: str) -> tuple[Sql, str]:
    return sql.column_in(table, column), column


def _alike(columns: Sequence[str], left: str, right: str) -> Sql:
    return sql.both([sql.same(sql.column_in(left, column), sql.column_in(right, column)) for column in columns])
