"""One clause's part of the marks, as DuckDB computes it faster."""

from sqlglot import expressions as exp

from dcql.lower import sql
from dcql.lower.sql import Sql

_SMALL = exp.DataType.Type.USMALLINT


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
