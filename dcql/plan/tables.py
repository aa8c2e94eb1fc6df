"""TABLE and JOIN: which tables a recipe joins and by which key, and what a name stands for in one (SEMANTICS §3.15).

A joined column is a function of the sample, so it is readable in every stage of a recipe in which some FROM joins its
table. A JOIN narrows a relation as a conjunct would; a LEFT JOIN leaves it as it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NoReturn

from dcql.catalog.tables import TableInput
from dcql.catalog.types import Type
from dcql.errors import Diagnostics
from dcql.plan import nodes
from dcql.plan.faults import WrongError, all_faults
from dcql.plan.scope import Scope, TableEntry, kind_of, listed, suggestion
from dcql.source import Span
from dcql.syntax import ast
from dcql.syntax.phrases import phrase

if TYPE_CHECKING:
    from dcql.plan.lookup import Bound, Lookup

KEYS = (Type.TEXT, Type.INT)


# --- which tables, by which key ---------------------------------------------------------------------------------------


def declare_tables(
    recipe: ast.Recipe, scope: Scope, found: Mapping[Span, TableInput], diagnostics: Diagnostics
) -> None:
    """Declare the TABLEs of a recipe before its other names, each with the key of the first JOIN that names it."""
    keys: dict[str, str] = {}
    for join in _joins(recipe):
        keys.setdefault(join.table.text, join.key.text)
    for statement in recipe.definitions:
        if isinstance(statement, ast.TableFile):
            joined = _joined(statement.name, found[statement.span], keys.get(statement.name), scope)
            entry = TableEntry(found[statement.span], joined)
            scope.declare(statement.name, entry, statement.name_span, diagnostics)


def _joins(recipe: ast.Recipe) -> Iterator[ast.Join]:
    """Yield every JOIN of a recipe, in text order, those of DEFINEs first."""
    # A stack of its own: chains of set operations are as deep as they are long.
    waiting: list[Any] = [recipe.query, recipe.stages, recipe.definitions]
    while waiting:
        value = waiting.pop()
        if isinstance(value, ast.Join):
            yield value
        elif isinstance(value, tuple):
            waiting += reversed(value)
        elif isinstance(value, ast.Node):
            waiting += [getattr(value, one.name) for one in reversed(fields(value))]


def _joined(name: str, found: TableInput, key: str | None, scope: Scope) -> nodes.NamedTable | None:
    """Return a table with its key, None without a JOIN or where it cannot be joined so: the JOIN says why."""
    if key is None:
        return None
    here, there = scope.schema.get(key), found.schema.get(key)
    if here is None or there is None or here.type is not there.type or here.type not in KEYS:
        return None
    columns = tuple((one.name, one.type) for one in found.schema.columns)
    return nodes.NamedTable(scope.prefix + name, str(found.path), found.sha256, columns, key, here.type)


# --- FROM .. JOIN -----------------------------------------------------------------------------------------------------


def join_clauses(select: ast.Select, scope: Scope, diagnostics: Diagnostics) -> tuple[nodes.Clause, ...]:
    """Return the clauses that the JOINs of a SELECT are. Raises WrongError after recording every fault."""
    seen: set[str] = set()
    with all_faults() as attempt:
        found = [attempt(_join_clause, join, scope, seen, diagnostics) for join in select.joins]
    return tuple(clause for one in found if (clause := one()) is not None)


def _join_clause(join: ast.Join, scope: Scope, seen: set[str], diagnostics: Diagnostics) -> nodes.Clause | None:
    entry = _table_of(join, scope, diagnostics)
    name, key = join.table.text, join.key.text
    if name in seen:
        help_ = ("one JOIN makes all of its columns readable",)
        diagnostics.add("E0217", f"`{name}` is joined twice", join.span, "a second time in one FROM", help_)
        raise WrongError
    seen.add(name)
    if entry.joined is None:
        _refuse_key(join, entry, scope, diagnostics)
    if entry.joined.key != key:
        diagnostics.add(
            "E0217",
            f"`{name}` is joined by two keys",
            join.key.span,
            f"elsewhere the recipe joins it USING ({entry.joined.key})",
            ("a sample has one row of a table: declare the file as a second TABLE, under another name",),
        )
        raise WrongError
    if join.left:
        return None
    return nodes.Clause(nodes.InTable(entry.joined), phrase(join.span), join.span)


def _table_of(join: ast.Join, scope: Scope, diagnostics: Diagnostics) -> TableEntry:
    name = join.table.text
    entry = scope.entries.get(name)
    if isinstance(entry, TableEntry):
        return entry
    if entry is not None or name == "pool" or name in scope.values() or name in scope.below:
        kind = kind_of(entry) if entry is not None else "the pool" if name == "pool" else "no TABLE"
        kind = "a stage" if name in scope.below else kind
        is_relation = name in scope.relations() or name in scope.below
        help_ = f"the samples that it has: WHERE uid IN {name}" if is_relation else "TABLE name FROM 'file.parquet' .."
        diagnostics.add(
            "E0218", f"`{name}` cannot be joined", join.table.span, f"it is {kind}; JOIN takes a TABLE", (help_,)
        )
        raise WrongError
    declare = f"declare it: `TABLE {name} FROM '{name}.parquet' SHA256 '..';`"
    helps = suggestion(name, list(scope.tables()), declare)
    diagnostics.add("E0219", f"unknown table `{name}`", join.table.span, "no TABLE of this recipe", helps)
    raise WrongError


def _refuse_key(join: ast.Join, entry: TableEntry, scope: Scope, diagnostics: Diagnostics) -> NoReturn:
    """Say why a table cannot be joined by a key. Raises WrongError."""
    name, key = join.table.text, join.key.text
    here, there = scope.schema.get(key), entry.table.schema.get(key)
    span = join.key.span
    if here is None:
        helps = suggestion(key, [one.name for one in scope.schema.columns if one.type in KEYS], "a sample's key: `uid`")
        label = "USING names a column that the pool and the table share"
        diagnostics.add("E0220", f"the pool has no column `{key}`", span, label, helps)
    elif there is None:
        columns = entry.table.schema.names()
        helps = suggestion(key, list(columns), f"its columns are {listed(columns)}; rename the one that is the key")
        diagnostics.add("E0220", f"the table `{name}` has no column `{key}`", span, "by which to find its rows", helps)
    elif here.type is not there.type:
        label = f"it is {here.type.value} in the pool and {there.type.value} in the table"
        help_ = "write the key of the table in the type of the pool's column"
        diagnostics.add("E0323", f"`{key}` has two types", span, label, (help_,))
    else:
        label = f"it is {here.type.value}; rows are told apart by TEXT or INT"
        diagnostics.add("E0324", f"`{key}` cannot be a key", span, label, ("join by `uid`",))
    raise WrongError


# --- names ------------------------------------------------------------------------------------------------------------


def qualified(lookup: "Lookup", expr: ast.Name, entry: TableEntry, bound: "Bound") -> nodes.TableColumn:
    """Return what `table.column` stands for. Raises WrongError."""
    table, name = expr.parts
    scope = bound.scope
    columns = entry.table.schema
    if entry.joined is None:
        key = next((one.name for one in columns.columns if scope.schema.get(one.name) is not None), "uid")
        lookup.wrong(
            "E0215",
            f"no FROM joins `{table}`",
            bound,
            "its columns are readable once a FROM of the recipe joins it",
            f"write `FROM pool JOIN {table} USING ({key})`, or LEFT JOIN to keep the samples that it lacks",
        )
    if name == entry.joined.key:
        label = "the key is the pool's own column"
        lookup.wrong("E0216", f"`{table}` has no `{name}` of its own", bound, label, f"write `pool.{name}`")
    column = columns.get(name)
    if column is None:
        known = [one.name for one in columns.columns if one.name != entry.joined.key]
        otherwise = f"its columns are {listed(known)}" if known else "it has no column but its key"
        lookup.wrong(
            "E0216",
            f"the table `{table}` has no column `{name}`",
            bound,
            "not in the file",
            *suggestion(name, known, otherwise),
        )
    return _usable(lookup, entry.joined, name, column.type, bound)


def unqualified(lookup: "Lookup", name: str, holders: list[str], bound: "Bound") -> nodes.TableColumn:
    """Return the column of the one joined table that has a name. Raises WrongError where several have it."""
    scope = bound.scope
    places = ["pool"] if scope.schema.get(name) is not None else []
    places += holders
    if len(places) > 1:
        where = " and ".join(f"`{one}`" for one in places) if len(places) == 2 else listed(places)
        forms = " or ".join(f"`{one}.{name}`" for one in places[:3])
        lookup.wrong("E0214", f"`{name}` is held more than once", bound, f"{where} have it", f"say which: {forms}")
    entry = scope.tables()[holders[0]]
    column = entry.column(name)
    assert column is not None
    assert entry.joined is not None
    return _usable(lookup, entry.joined, name, column.type, bound)


def _usable(lookup: "Lookup", table: nodes.NamedTable, name: str, type_: Type, bound: "Bound") -> nodes.TableColumn:
    if type_ is Type.NESTED:
        lookup.wrong(
            "E0301",
            f"`{bound.expr.span.text}` cannot be used in an expression",
            bound,
            "recipes do not know its type: a list, a structure, a time, a decimal",
            "write it into the table as a number, text or truth value",
        )
    return nodes.TableColumn(table, name, type_)
