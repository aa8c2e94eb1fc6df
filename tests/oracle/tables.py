"""TABLE and JOIN: a file of rows, found by a key that every sample has at most once (SEMANTICS §3.15, §7)."""

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache

import pyarrow.parquet as pq

from . import tree
from .errors import OracleError
from .samples import expression_type, normal
from .types import Sample, Typed, Value

Row = dict[str, Value]


@dataclass(frozen=True)
class Table:
    """A table of a recipe: the type of each column, the key that the recipe joins it by ('' for none), its rows."""

    name: str
    types: dict[str, str]
    key: str
    rows: list[Row]

    @property
    def columns(self) -> dict[str, str]:
        """The columns that can be read: none where no FROM joins it, and not the key, which is the pool's."""
        return {name: type_ for name, type_ in self.types.items() if self.key and name != self.key}

    def checked(self) -> dict[Value, Row]:
        """Find the rows by their keys; raises E07 where two have the same."""
        found: dict[Value, Row] = {}
        for row in self.rows:
            key = row[self.key]
            if key is None:
                continue
            if self.key == "uid":
                if not re.fullmatch("[0-9a-f]{1,32}", str(key)):
                    raise OracleError("E07", f"{key!r} in the table {self.name} is not a uid")
                key = str(key).zfill(32)
            if key in found:
                raise OracleError("E07", f"the table {self.name} has the key {key!r} twice")
            found[key] = row
        return found


def tables_of(recipe: tree.Recipe, pool: Mapping[str, str], read: Callable[[str], bytes]) -> dict[str, Table]:
    """Read the tables of a recipe, and check its JOINs against them and the pool's columns; raises E02, E03, E07."""
    keys: dict[str, str] = {}
    for join in joins(recipe):
        if keys.setdefault(join.table, join.key) != join.key:
            raise OracleError("E02", f"{join.table} is joined by two keys")
    found: dict[str, Table] = {}
    for file in recipe.tables:
        data = read(file.path)
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise OracleError("E07", f"{file.path} has another SHA256")
        types, rows = read_rows(data)
        key = keys.get(file.name, "")
        if key and (key not in pool or key not in types):
            raise OracleError("E02", f"{key} is no column of both the pool and {file.name}")
        if key and (pool[key] != types[key] or pool[key] not in ("TEXT", "INT")):
            raise OracleError("E03", f"{file.name} cannot be joined by {key}")
        found[file.name] = Table(file.name, types, key, rows)
    for name in keys:
        if name not in found:
            raise OracleError("E02", f"no TABLE is named {name}")
    return found


@lru_cache(maxsize=64)  # the same few tables are joined by many recipes
def read_rows(data: bytes) -> tuple[dict[str, str], list[Row]]:
    """Return the type of each column of a table, and its rows; nobody writes to them."""
    arrow = pq.read_table(io.BytesIO(data))
    types = {field.name: expression_type(_spelled(str(field.type))) for field in arrow.schema}
    return types, [{name: normal(value, types[name]) for name, value in row.items()} for row in arrow.to_pylist()]


def joins(node: object) -> Iterator[tree.Join]:
    """Yield every JOIN below a syntax node."""
    if isinstance(node, tree.Join):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from joins(part)
    elif is_dataclass(node):
        for part in fields(node):
            yield from joins(getattr(node, part.name))


@dataclass
class Joined:
    """The tables of a recipe as columns: a sample has the row of its key, or NULL in every column."""

    tables: dict[str, Table]

    def __post_init__(self) -> None:
        self._rows: dict[str, dict[Value, Row]] = {}

    def holders(self, name: str) -> list[str]:
        """Return the tables that have a column which a bare name could mean."""
        return [table.name for table in self.tables.values() if name in table.columns]

    def row(self, table: str, sample: Sample) -> Row | None:
        """Return the row of a sample."""
        key = sample.values[self.tables[table].key]
        return None if key is None else self.by_key(table).get(key)

    def by_key(self, table: str) -> dict[Value, Row]:
        """Return the rows of a table by their keys; raises E07 where two have the same."""
        if table not in self._rows:
            self._rows[table] = self.tables[table].checked()
        return self._rows[table]

    def check(self) -> None:
        """Raise E07 for a table that is joined and has a key twice, whether anything is read of it or not."""
        for name, table in self.tables.items():
            if table.key:
                self.by_key(name)

    def column(self, table: str, name: str) -> Typed:
        """Return a column; raises E02, E03."""
        columns = self.tables[table].columns
        if name not in columns:
            raise OracleError("E02", f"{table} has no column {name} that can be read")
        if not columns[name]:
            raise OracleError("E03", f"the column {table}.{name} is nested: no expression may name it")

        def value(sample: Sample) -> Value:
            row = self.row(table, sample)
            return None if row is None else row[name]

        return Typed(columns[name], value)


def _spelled(arrow: str) -> str:
    """Say Arrow's short names of types as the pools of the tests do."""
    if arrow.startswith("dictionary<values="):
        arrow = arrow.removeprefix("dictionary<values=").split(",")[0]
    return {"halffloat": "float16", "float": "float32", "double": "float64", "large_string": "string"}.get(arrow, arrow)
