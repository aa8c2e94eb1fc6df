"""What the table `samples` is: files of the pool, normalised, with features beside them."""

from collections.abc import Sequence

from sqlglot import exp

from dcql.catalog.models import INT16_BITS, FeatureSpec
from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.program import ID, Statement, feature_column
from dcql.lower.sql import Sql
from dcql.plan import nodes

_POOL = "@pool"


def samples(
    columns: Sequence[nodes.Column],
    id_: Sql,
    features: Sequence[FeatureSpec] = (),
    *,
    normalised: bool = False,
    rows: bool = False,
    needed: Sequence[Sql] = (),
) -> Statement:
    """Print what `samples` is: the columns of the files `$files`, NaN as NULL and -0.0 as 0, and `@id`.

    `normalised` files hold neither NaN nor -0.0. With `rows`, `file_row_number` is there for `id_`. Samples that fail a
    condition of `needed` are left out; it reads the columns as they are, so that parquet scans can skip by it.

    Features stand beside the files row for row: a positional join, whose sides DuckDB reads in step and in order, as
    long as both are bare files.
    """
    items: list[tuple[Sql, str]] = []
    for one in columns:
        value = sql.column_in(_POOL, one.name) if features else sql.column(one.name)
        if one.name == "uid":
            value = padded(value)
        elif one.type in (Type.FLOAT, Type.DOUBLE) and not normalised:
            zeroed = exp.Add(this=value, expression=sql.cast(sql.integer(0), one.type))
            value = sql.case([(sql.call("isnan", value.copy()), exp.Null())], zeroed)
        items.append((value if normalised else sql.cast(value, one.type), one.name))
    options: list[Sql] = [_option("can_have_nan", exp.true())]
    if rows:
        options.append(_option("file_row_number", exp.true()))
    source: Sql = _files("files", options)
    if not features:
        return sql.render(sql.where(sql.select([*items, (id_, ID)], source), sql.both(list(needed))))
    source = sql.alias(source, _POOL)
    for named in id_.find_all(exp.Column):
        named.set("table", exp.Identifier(this=_POOL, quoted=True))
    for number, spec in enumerate(features, start=1):
        beside = f"@{number}"
        other = sql.alias(_files(f"feature{number}", []), beside)
        source.append("joins", exp.Join(this=other, method="POSITIONAL"))
        items.append((_stored_value(spec, sql.column_in(beside, "value")), feature_column(spec.name)))
    return sql.render(sql.select([*items, (id_, ID)], source))


def _files(parameter_name: str, options: list[Sql]) -> exp.Table:
    return exp.Table(this=sql.call("read_parquet", exp.Parameter(this=exp.Var(this=parameter_name)), *options))


def _stored_value(spec: FeatureSpec, stored: Sql) -> Sql:
    """Read a feature as recipes see it: a number on a grid as the number that it is, exactly; of a vector, whether."""
    if spec.is_embedding:
        return stored
    if spec.output.bits is None:
        return sql.cast(stored, spec.output.type)
    type_ = Type.FLOAT if spec.output.bits == INT16_BITS else Type.DOUBLE
    step = sql.cast(exp.Literal.number(f"{2.0**-spec.output.bits:.17g}"), type_)
    return exp.Paren(this=exp.Mul(this=sql.cast(stored, type_), expression=step))


def padded(uid: Sql) -> Sql:
    """Pad a short uid with zeros on the left, as DataComp does."""
    short = sql.compare("<", sql.call("strlen", uid.copy()), sql.integer(32))
    return sql.case([(short, sql.call("lpad", uid.copy(), sql.integer(32), exp.Literal.string("0")))], uid)


def row_number() -> Sql:
    """Name the position in the file, in 32 bits."""
    return exp.Cast(this=sql.column("file_row_number"), to=exp.DataType(this=exp.DataType.Type.UINT))


def _option(name: str, value: Sql) -> Sql:
    return exp.EQ(this=exp.Column(this=exp.Identifier(this=name)), expression=value)
