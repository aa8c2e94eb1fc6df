"""What the names of one recipe stand for."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from dcql.catalog.inputs import SetInput
from dcql.catalog.tables import TableInput
from dcql.catalog.types import Column, Schema
from dcql.errors import Diagnostics, did_you_mean
from dcql.plan import nodes
from dcql.plan.constants import Exact
from dcql.source import Span
from dcql.syntax import ast

Constant = Exact | nodes.Literal

MAX_LISTED = 12


@dataclass(frozen=True, slots=True)
class DefineEntry:
    """A DEFINE and the scope in which its body's names are looked up."""

    define: ast.Define
    scope: "Scope"


@dataclass(frozen=True, slots=True)
class ParamEntry:
    """A PARAM's value for this run."""

    value: Constant


@dataclass(frozen=True, slots=True)
class SetEntry:
    """A SET and its file."""

    set: SetInput


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A TABLE and its file; `joined` is None where no FROM of the recipe joins it, or it has no such key."""

    table: TableInput
    joined: nodes.NamedTable | None

    def column(self, name: str) -> Column | None:
        """Return a column that can be read by its name: the key is the pool's."""
        if self.joined is None or name == self.joined.key:
            return None
        return self.table.schema.get(name)


@dataclass(frozen=True, slots=True)
class RelationEntry:
    """A stage or an imported recipe: the name of its relation in the plan."""

    ref: nodes.Ref
    kind: str  # "stage" or "recipe"


@dataclass(frozen=True, slots=True)
class FeatureEntry:
    """A FEATURE and the scope in which its names are looked up."""

    feature: ast.Feature
    scope: "Scope"


@dataclass(frozen=True, slots=True)
class AssetEntry:
    """An ASSET and the scope in which its names are looked up."""

    asset: ast.PoolAsset | ast.AssetFile | ast.MadeAsset | ast.FitAsset
    scope: "Scope"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A MODEL and the scope in which its names are looked up."""

    model: ast.Model
    scope: "Scope"


LibraryEntry = DefineEntry | FeatureEntry | AssetEntry | ModelEntry
Entry = LibraryEntry | ParamEntry | SetEntry | TableEntry | RelationEntry

KINDS = {
    DefineEntry: "a DEFINE",
    ParamEntry: "a PARAM",
    SetEntry: "a SET",
    TableEntry: "a TABLE",
    FeatureEntry: "a FEATURE",
    AssetEntry: "an ASSET",
    ModelEntry: "a MODEL",
}


def declared(statement: ast.Definition, scope: "Scope") -> LibraryEntry | None:
    """Return the entry of a statement that needs no value of its own yet, or None for another one."""
    match statement:
        case ast.Define():
            return DefineEntry(statement, scope)
        case ast.Feature():
            return FeatureEntry(statement, scope)
        case ast.Model():
            return ModelEntry(statement, scope)
        case ast.PoolAsset() | ast.AssetFile() | ast.MadeAsset() | ast.FitAsset():
            return AssetEntry(statement, scope)
        case _:
            return None


def kind_of(entry: Entry) -> str:
    """Name an entry's kind as messages do."""
    return f"a {entry.kind}" if isinstance(entry, RelationEntry) else KINDS[type(entry)]


@dataclass
class Scope:
    """The names of one recipe file, with the library behind it and the pool's columns beside it.

    `prefix` goes before the recipe's stage names in the plan; it is empty for the recipe that is run.
    """

    schema: Schema
    library: dict[str, LibraryEntry]
    prefix: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)  # PARAMs without a value; their fault is told once
    is_library: bool = False
    below: set[str] = field(default_factory=set)  # the stages that are not above what is being resolved

    def declare(self, name: str, entry: Entry, span: Span, diagnostics: Diagnostics) -> None:
        """Add a name; it must be new among the recipe's names, the pool's columns and `pool`."""
        if name == "pool":
            diagnostics.add(
                "E0202", "`pool` cannot be defined", span, "it always names all samples", ("choose another name",)
            )
        elif name in self.entries:
            line, _ = self.spans[name].source.position(self.spans[name].start)
            diagnostics.add(
                "E0202",
                f"`{name}` is defined twice",
                span,
                f"already {kind_of(self.entries[name])}, on line {line}",
                ("choose another name",),
            )
        elif self.schema.get(name) is not None:
            diagnostics.add(
                "E0202",
                f"`{name}` is already a column",
                span,
                "the pool has a column of this name",
                ("choose another name",),
            )
        elif holders := self.holders(name):
            diagnostics.add(
                "E0202",
                f"`{name}` is already a column",
                span,
                f"the table `{holders[0]}` has a column of this name",
                ("choose another name",),
            )
        else:
            self.entries[name] = entry
            self.spans[name] = span

    def tables(self) -> dict[str, TableEntry]:
        """Return the TABLEs of the recipe."""
        return {name: entry for name, entry in self.entries.items() if isinstance(entry, TableEntry)}

    def holders(self, name: str) -> list[str]:
        """Return the joined tables that have a column of a name."""
        return [table for table, entry in self.tables().items() if entry.column(name) is not None]

    def is_column(self, name: str) -> bool:
        """Return whether the pool or a joined table has a column of a name."""
        return self.schema.get(name) is not None or bool(self.holders(name))

    def values(self) -> list[str]:
        """Return every name that can stand for a value."""
        kinds = (DefineEntry, FeatureEntry, ParamEntry)
        own = [name for name, entry in self.entries.items() if isinstance(entry, kinds)]
        return [
            *self.schema.names(),
            *self.joined_columns(),
            *own,
            *(name for name, entry in self.library.items() if isinstance(entry, kinds)),
        ]

    def joined_columns(self) -> list[str]:
        """Return the columns of joined tables that a recipe can name alone."""
        every = [c.name for entry in self.tables().values() for c in entry.table.schema.columns if entry.column(c.name)]
        return [name for name in every if every.count(name) == 1 and self.schema.get(name) is None]

    def relations(self) -> list[str]:
        """Return every name that can follow FROM."""
        return ["pool", *(name for name, entry in self.entries.items() if isinstance(entry, RelationEntry))]

    def relation_help(self, word: str, otherwise: str) -> tuple[str, ...]:
        """Return a help line for a word that is no relation: what was likely meant, or to write `otherwise`."""
        if word in self.below:
            return ("a stage sees only the stages above it",)
        return suggestion(word, self.relations(), f"write `{otherwise}`")

    def sets(self) -> list[str]:
        """Return every name that can follow IN."""
        own = [name for name, entry in self.entries.items() if isinstance(entry, SetEntry | RelationEntry | AssetEntry)]
        return [*own, *(name for name, entry in self.library.items() if isinstance(entry, AssetEntry)), "pool"]


def listed(names: Iterable[str]) -> str:
    """Write names as messages do, and only as many as can be read."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) > MAX_LISTED:
        return f"{', '.join(quoted[:MAX_LISTED])} and {len(quoted) - MAX_LISTED} more"
    return ", ".join(quoted)


def suggestion(word: str, known: list[str], otherwise: str) -> tuple[str, ...]:
    """Return a help line: the name that was likely meant, or what there is."""
    near = did_you_mean(word, known)
    if near is not None:
        return (f"a similar name exists: `{near}`",)
    return (otherwise,)
