"""Joined tables: what is read of each, and the SQL that lays its rows beside those of the pool's files.

A table is joined once for a run, before anything else: its columns become files of their own, one for each of the pool,
row for row, as those of features are. What reads them needs no join then, and keeps the order of samples.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlglot import exp

from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.program import TableRead
from dcql.lower.samples import key_of, normal
from dcql.lower.sql import Sql
from dcql.lower.statement import READ, SAMPLES, Statement
from dcql.plan import nodes

KEY, PRESENT = "key", "in"
_FILE, _ROW = "file", "row"
_JOINED = "@table"


def numbered(relations: Iterable[nodes.Rel]) -> dict[tuple[str, str], str]:
    """Name the tables that relations read, by what tells them apart: table1, table2, .. in text order."""
    identities = dict.fromkeys(node.table.identity for node in _read(relations))
    return {identity: f"table{number}" for number, identity in enumerate(identities, start=1)}


def table_reads(relations: Iterable[nodes.Rel], names: Mapping[tuple[str, str], str]) -> Iterator[TableRead]:
    """Yield what is read of each table."""
    tables: dict[str, nodes.NamedTable] = {}
    columns: dict[str, dict[str, Type]] = {}
    for node in _read(relations):
        name = names[node.table.identity]
        tables.setdefault(name, node.table)
        found = columns.setdefault(name, {})
        if isinstance(node, nodes.TableColumn):
            found[node.name] = node.type
    for name, table in tables.items():
        read = tuple(sorted(columns[name].items()))
        yield TableRead(name, table, read, _loaded(table, read), _keys(table), _aligned(name, len(read)))


def _read(relations: Iterable[nodes.Rel]) -> Iterator[nodes.TableColumn | nodes.InTable]:
    for relation in relations:
        for node in nodes.walk(relation):
            if isinstance(node, nodes.TableColumn | nodes.InTable):
                yield node


def _loaded(table: nodes.NamedTable, columns: Sequence[tuple[str, Type]]) -> Statement:
    """Print what is taken of the values of a file: rows with a key, normalised as the pool's are."""
    items = [(key_of(sql.column(KEY), table.key, table.key_type), KEY)]
    items += [(normal(sql.column(f"c{i}"), type_), f"c{i}") for i, (_, type_) in enumerate(columns)]
    query = sql.select(items, sql.table(READ))
    return sql.render(sql.where(query, sql.opposite(sql.is_null(sql.column(KEY)))))


def _keys(table: nodes.NamedTable) -> Statement:
    """Print what `samples` is for the join: the pool's key, and where each sample lies."""
    key = key_of(sql.column(table.key), table.key, table.key_type)
    options = [_option("can_have_nan", exp.true()), _option("file_row_number", exp.true())]
    source = exp.Table(this=sql.call("read_parquet", exp.Parameter(this=exp.Var(this="files")), *options))
    items = [(key, KEY), (sql.column("file_index"), _FILE), (sql.column("file_row_number"), _ROW)]
    return sql.render(sql.select(items, source))


def _aligned(name: str, columns: int) -> Statement:
    """Print the join: for each sample, file by file and row by row, whether the table has it, and its values."""
    here, there = sql.column_in(SAMPLES, KEY), sql.column_in(_JOINED, KEY)
    has: Sql = exp.Not(this=sql.is_null(there.copy()))
    items = [(has, PRESENT), *((sql.column_in(_JOINED, f"c{i}"), f"c{i}") for i in range(columns))]
    query = sql.select(items, sql.table(SAMPLES))
    other = sql.alias(sql.table(name), _JOINED)
    query.append("joins", exp.Join(this=other, side="LEFT", on=sql.compare("=", here, there)))
    order = [(sql.column_in(SAMPLES, part), False, False) for part in (_FILE, _ROW)]
    return sql.render(sql.order_by(query, order))


def _option(name: str, value: Sql) -> Sql:
    return exp.EQ(this=exp.Column(this=exp.Identifier(this=name)), expression=value)
