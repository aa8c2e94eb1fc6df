"""What the table `samples` is: files of the pool, normalised, with features and joined columns beside them."""

from collections.abc import Sequence

from sqlglot import exp

from dcql.catalog.lengths import length_name
from dcql.catalog.models import INT16_BITS, FeatureSpec
from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.program import TableRead
from dcql.lower.sql import Sql
from dcql.lower.statement import ID, LENGTHS, Statement, feature_column, first_column, length_column, table_column
from dcql.plan import nodes

_POOL = "@pool"
_LENGTHS = "@lengths"
UID = nodes.Column("uid", Type.TEXT)


def samples(
    columns: Sequence[nodes.Column],
    id_: Sql,
    features: Sequence[FeatureSpec] = (),
    tables: Sequence[TableRead] = (),
    lengths: Sequence[nodes.Length] = (),
    firsts: Sequence[str] = (),
    *,
    normalised: bool = False,
    rows: bool = False,
    needed: Sequence[Sql] = (),
) -> Statement:
    """Print what `samples` is: the columns of the files `$files`, NaN as NULL and -0.0 as 0, and `@id`.

    `normalised` files hold neither NaN nor -0.0. With `rows`, `file_row_number` is there for `id_`. Samples that fail a
    condition of `needed` are left out; it reads the columns as they are, so that parquet scans can skip by it.

    Features, joined columns, lengths of texts, and who is first in each of `firsts` stand beside the files row for row:
    a positional join, whose sides DuckDB reads in step and in order, as long as both are bare files.
    """
    items: list[tuple[Sql, str]] = []
    beside = bool(features or tables or lengths or firsts)
    for one in columns:
        value = sql.column_in(_POOL, one.name) if beside else sql.column(one.name)
        if one.name == "uid":
            value = padded(value)
        elif not normalised:
            value = normal(value, one.type)
        items.append((value if normalised else sql.cast(value, one.type), one.name))
    options: list[Sql] = [_option("can_have_nan", exp.true())]
    if rows:
        options.append(_option("file_row_number", exp.true()))
    source: Sql = _files("files", options)
    if not beside:
        return sql.render(sql.where(sql.select([*items, (id_, ID)], source), sql.both(list(needed))))
    source = sql.alias(source, _POOL)
    for named in id_.find_all(exp.Column):
        named.set("table", exp.Identifier(this=_POOL, quoted=True))
    for number, spec in enumerate(features, start=1):
        name = f"@{number}"
        other = sql.alias(_files(f"feature{number}", []), name)
        source.append("joins", exp.Join(this=other, method="POSITIONAL"))
        items.append((_stored_value(spec, sql.column_in(name, "value")), feature_column(spec.name)))
    for table in tables:
        name = f"@{table.name}"
        other = sql.alias(_files(table.name, []), name)
        source.append("joins", exp.Join(this=other, method="POSITIONAL"))
        items.append((sql.column_in(name, "in"), table_column(table.name)))
        for number, (column, _) in enumerate(table.columns):
            items.append((sql.column_in(name, f"c{number}"), table_column(table.name, column)))
    if lengths:
        source.append("joins", exp.Join(this=sql.alias(_files(LENGTHS, []), _LENGTHS), method="POSITIONAL"))
    for length in lengths:
        kept = sql.column_in(_LENGTHS, length_name(length.function, length.column))
        items.append((sql.cast(kept, length.type), length_column(length.function, length.column)))
    for first in firsts:
        name = f"@{first}"
        other = sql.alias(_files(first, []), name)
        source.append("joins", exp.Join(this=other, method="POSITIONAL"))
        items.append((sql.column_in(name, "first"), first_column(first)))
    return sql.render(sql.select([*items, (id_, ID)], source))


def with_uid(columns: Sequence[nodes.Column]) -> tuple[nodes.Column, ...]:
    """Return columns and the uid, in the order of their names."""
    return tuple(sorted({*columns, UID}, key=lambda column: column.name))


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


def normal(value: Sql, type_: Type) -> Sql:
    """Read NaN as NULL and -0.0 as 0."""
    if type_ not in (Type.FLOAT, Type.DOUBLE):
        return value
    zeroed = exp.Add(this=value, expression=sql.cast(sql.integer(0), type_))
    return sql.case([(sql.call("isnan", value.copy()), exp.Null())], zeroed)


def key_of(value: Sql, key: str, type_: Type) -> Sql:
    """Read a value of the column `key` as the key of a join: in its type, a uid with all its digits."""
    return sql.cast(padded(value) if key == "uid" else value, type_)


def padded(uid: Sql) -> Sql:
    """Pad a short uid with zeros on the left, as DataComp does."""
    short = sql.compare("<", sql.call("strlen", uid.copy()), sql.integer(32))
    return sql.case([(short, sql.call("lpad", uid.copy(), sql.integer(32), exp.Literal.string("0")))], uid)


def place() -> Sql:
    """Name the position in the file, and 2^32 times how many files come before it."""
    before = exp.Mul(this=sql.cast(sql.column("file_index"), Type.INT), expression=sql.integer(2**32))
    return exp.Paren(this=exp.Add(this=before, expression=sql.column("file_row_number")))


def _option(name: str, value: Sql) -> Sql:
    return exp.EQ(this=exp.Column(this=exp.Identifier(this=name)), expression=value)
