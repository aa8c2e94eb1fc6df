"""Whether a value is in a set, as SQL."""

from sqlglot import exp

from dcql.lower import sql
from dcql.lower.sql import Sql
from dcql.plan import nodes


def in_table(named: nodes.NamedSet | nodes.AssetSet, subject: Sql, name: str) -> Sql:
    """Return whether a value is in a set, whose values are the table `name`; NULL where it is."""
    values = sql.column_of(name, "value")
    if isinstance(named, nodes.AssetSet) or (named.count == 0 and not named.is_subset):
        # SQL's NULL IN (nothing) is FALSE; here it is NULL, as for every other set.
        none = exp.false() if isinstance(named, nodes.NamedSet) else exp.In(this=subject, query=values.subquery())
        return _where_present(subject, none)
    return exp.Paren(this=exp.In(this=subject, query=exp.Subquery(this=values)))


def in_flags(subject: Sql, name: str) -> Sql:
    """Return whether an INT is in a set of whole numbers from 0 on, of which `$name` lists whether it is.

    NULL where the number is. The same as `in_table`, without a join. In a list, places count from 1.
    """
    truths = exp.DataType(
        this=exp.DataType.Type.ARRAY, expressions=[exp.DataType(this=exp.DataType.Type.BOOLEAN)], nested=True
    )
    flags = exp.Cast(this=exp.Parameter(this=exp.Var(this=name)), to=truths)
    place = exp.Add(this=subject.copy(), expression=sql.integer(1))
    inside = [
        sql.compare(">=", subject.copy(), sql.integer(0)),
        sql.compare("<", subject.copy(), sql.call("len", flags)),
    ]
    listed = sql.call("list_extract", flags.copy(), place)
    return sql.case([(sql.both(inside), listed), (sql.is_null(subject.copy()), exp.Null())], exp.false())


def _where_present(subject: Sql, value: Sql) -> Sql:
    return sql.case([(exp.Paren(this=exp.Not(this=sql.is_null(subject.copy()))), value)], exp.Null())
