"""Where a sample stands in an order."""

from collections.abc import Sequence

from dcql.lower import sql
from dcql.lower.sql import Sql
from dcql.plan import nodes


def before(keys: Sequence[Sql], at: Sequence[Sql], order: Sequence[nodes.SortKey]) -> Sql:
    """Write whether `keys` come strictly before `at` in an order; NULLs last unless the key says FIRST."""
    cases: list[Sql] = []
    for i, key in enumerate(order):
        k, c = keys[i], at[i]
        ahead = sql.compare(">" if key.descending else "<", k.copy(), c.copy())
        if key.nulls_first:
            null = sql.both([sql.is_null(k.copy()), sql.opposite(sql.is_null(c.copy()))])
        else:
            null = sql.both([sql.opposite(sql.is_null(k.copy())), sql.is_null(c.copy())])
        same_so_far = [sql.same(keys[j].copy(), at[j].copy()) for j in range(i)]
        cases.append(sql.both([*same_so_far, sql.is_true(sql.either([ahead, null]))]))
    return sql.either(cases)
