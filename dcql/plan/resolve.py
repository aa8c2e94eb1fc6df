"""Recipe -> plan: what every name stands for, what every clause means, and everything that is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dcql.catalog.inputs import Inputs
from dcql.catalog.types import Schema
from dcql.errors import Diagnostics, did_you_mean
from dcql.plan import nodes
from dcql.plan.amounts import promise
from dcql.plan.constants import Exact
from dcql.plan.demand import assign_demand
from dcql.plan.depth import refuse_depth
from dcql.plan.faults import WrongError
from dcql.plan.lookup import Bound
from dcql.plan.queries import Queries
from dcql.plan.scope import (
    Constant,
    DefineEntry,
    LibraryEntry,
    ParamEntry,
    RelationEntry,
    Scope,
    SetEntry,
    declared,
    listed,
    suggestion,
)
from dcql.plan.settings import canonical_text, read_setting
from dcql.plan.unused import check_unused
from dcql.source import Span
from dcql.syntax import ast


@dataclass(frozen=True)
class Catalog:
    """Everything outside of a recipe that decides what it means: the pool's schema, the library, the files it names."""

    schema: Schema
    library: tuple[ast.Recipe, ...]
    inputs: Inputs
    embeddings: bool = False  # whether conditions may name an EMBEDDING feature, as those of commands do


def resolve(recipe: ast.Recipe, catalog: Catalog, settings: Mapping[str, str]) -> nodes.Plan:
    """Resolve a recipe against a catalog, with `settings` for its PARAMs as text.

    Raises RecipeError with every fault of the recipe and its imports.
    """
    diagnostics = Diagnostics()
    resolver = _Resolver(catalog, _library_scope(catalog), diagnostics)
    plan = resolver.root(recipe, settings)
    if plan is not None:
        refuse_depth(plan, diagnostics)
    diagnostics.raise_any()
    assert plan is not None
    return plan


def _library_scope(catalog: Catalog) -> dict[str, LibraryEntry]:
    entries: dict[str, LibraryEntry] = {}
    # The library's own names see each other and the pool's columns, and nothing of the recipe.
    scope = Scope(catalog.schema, entries, is_library=True)
    for file in catalog.library:
        for statement in file.definitions:
            if (entry := declared(statement, scope)) is not None:
                entries[statement.name] = entry
    return entries


@dataclass
class _Resolver:
    catalog: Catalog
    library: dict[str, LibraryEntry]
    diagnostics: Diagnostics
    stages: list[nodes.Stage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queries = Queries(self.diagnostics, self.catalog.inputs, self.catalog.embeddings)
        self.expressions = self.queries.expressions

    # --- a recipe -----------------------------------------------------------------------------------------------------

    def root(self, recipe: ast.Recipe, settings: Mapping[str, str]) -> nodes.Plan | None:
        """Resolve the recipe that is run; None when something is wrong."""
        scope = Scope(self.catalog.schema, self.library)
        values = {name: read_setting(name, text, self.diagnostics) for name, text in settings.items()}
        given = {name: _Given(value, None) for name, value in values.items() if value is not None}
        query = self._recipe(recipe, scope, given)
        declared = {s.name for s in recipe.definitions if isinstance(s, ast.Param)}
        for name in settings:
            if name not in declared:
                self.diagnostics.add(
                    "E0212",
                    f"`--set {name}`: the recipe has no PARAM `{name}`",
                    helps=self._setting_help(name, declared, recipe),
                )
        promised = (promise(self.expressions, expect, scope) for expect in recipe.expects)
        promises = tuple(one for one in promised if one is not None)
        if query is None or self.diagnostics.found:
            return None
        parameters = tuple(
            (name, canonical_text(entry.value))
            for name, entry in sorted(scope.entries.items())
            if isinstance(entry, ParamEntry)
        )
        return assign_demand(nodes.Plan(tuple(self.stages), query, promises, parameters))

    def _setting_help(self, name: str, declared: set[str], recipe: ast.Recipe) -> tuple[str, ...]:
        for statement in recipe.definitions:
            if isinstance(statement, ast.Import):
                imported = self.catalog.inputs.recipes[statement.span]
                if any(isinstance(s, ast.Param) and s.name == name for s in imported.definitions):
                    return (f"`{statement.name}` has one: `IMPORT .. AS {statement.name} WITH {name} = ..`",)
        near = did_you_mean(name, declared)
        return (f"a similar PARAM exists: `{near}`",) if near else (f"declare it: `PARAM {name} DEFAULT ..;`",)

    def _recipe(self, recipe: ast.Recipe, scope: Scope, given: Mapping[str, "_Given"]) -> nodes.Rel | None:
        for statement in recipe.definitions:
            self._declare(statement, scope, given)
        scope.below = {stage.name for stage in recipe.stages}
        for stage in recipe.stages:
            relation = self._attempt(stage.query, scope)
            scope.below.discard(stage.name)
            name = scope.prefix + stage.name
            scope.declare(stage.name, RelationEntry(nodes.Ref(name), "stage"), stage.name_span, self.diagnostics)
            if relation is not None:
                self.stages.append(nodes.Stage(name, relation))
        query = self._attempt(recipe.query, scope) if recipe.query is not None else None
        check_unused(recipe, scope, self.expressions)
        return query

    def _attempt(self, query: ast.Query, scope: Scope) -> nodes.Rel | None:
        try:
            return self.queries.query(query, scope)
        except WrongError:
            return None

    def _declare(self, statement: ast.Definition, scope: Scope, given: Mapping[str, "_Given"]) -> None:
        match statement:
            case ast.Define():
                for name in statement.parameters or ():
                    if (statement.parameters or ()).count(name) > 1:
                        self.diagnostics.add(
                            "E0202",
                            f"`{name}` is a parameter twice",
                            statement.span,
                            "parameters need different names",
                            ("choose another name for one of them",),
                        )
                        break
                scope.declare(statement.name, DefineEntry(statement, scope), statement.name_span, self.diagnostics)
            case ast.Param():
                default = self._param_default(statement, scope)
                value = default
                if (one := given.get(statement.name)) is not None:
                    value = self._of_one_type(statement, default, one)
                if value is None:
                    scope.failed.add(statement.name)
                else:
                    scope.declare(statement.name, ParamEntry(value), statement.name_span, self.diagnostics)
            case ast.SetFile():
                found = self.catalog.inputs.sets[statement.span]
                scope.declare(statement.name, SetEntry(found), statement.name_span, self.diagnostics)
            case ast.Import():
                self._import(statement, scope)
            case _:
                entry = declared(statement, scope)
                assert entry is not None
                scope.declare(statement.name, entry, statement.name_span, self.diagnostics)

    def _param_default(self, statement: ast.Param, scope: Scope) -> Constant | None:
        try:
            value = self.expressions.resolve(Bound(statement.default, scope, {}))
        except WrongError:
            return None
        if isinstance(value, Exact | nodes.Literal):
            return value
        self.diagnostics.add(
            "E0305",
            f"the default of `{statement.name}` is not a constant",
            statement.default.span,
            "a PARAM is one value for the whole run",
            ("for an expression, write `DEFINE` instead",),
        )
        return None

    def _of_one_type(self, statement: ast.Param, default: Constant | None, given: "_Given") -> Constant | None:
        """Return the value that a PARAM is given, None where it has another type than the default."""
        wanted, found = (None if one is None else _kind(one) for one in (default, given.value))
        if wanted is None or wanted == found or (isinstance(default, Exact) and default.value is None):
            return given.value
        self.diagnostics.add(
            "E0327",
            f"`{statement.name}` is {wanted}, and is given {found or 'NULL'}",
            given.span or statement.span,
            f"its default is {wanted}" if given.span is not None else f"`--set {statement.name}` gives another type",
            (f"give it {_VALUES[wanted]}",),
        )
        return None

    def _import(self, statement: ast.Import, scope: Scope) -> None:
        imported = self.catalog.inputs.recipes[statement.span]
        prefix = f"{scope.prefix}{statement.name}."
        inner = Scope(self.catalog.schema, self.library, prefix)
        given: dict[str, _Given] = {}
        declared = {s.name for s in imported.definitions if isinstance(s, ast.Param)}
        for name, expr in statement.arguments:
            if name not in declared:
                known = f"it has {listed(sorted(declared))}" if declared else "it has none: leave WITH out"
                self.diagnostics.add(
                    "E0212",
                    f"`{statement.path.value}` has no PARAM `{name}`",
                    _argument_span(name, expr),
                    "WITH sets the imported recipe's PARAMs",
                    suggestion(name, sorted(declared), known),
                )
                continue
            if name in given:
                self.diagnostics.add(
                    "E0212",
                    f"`{name}` is given twice",
                    _argument_span(name, expr),
                    "WITH gives a PARAM one value",
                    ("leave one of them out",),
                )
                continue
            try:
                value = self.expressions.resolve(Bound(expr, scope, {}))
            except WrongError:
                continue
            if isinstance(value, Exact | nodes.Literal):
                given[name] = _Given(value, _argument_span(name, expr))
            else:
                self.diagnostics.add(
                    "E0305",
                    f"`{name}` is not a constant",
                    expr.span,
                    "a PARAM is one value for the whole run",
                    ("write a number, text in quotes, or a PARAM of this recipe",),
                )
        query = self._recipe(imported, inner, given)
        for expect in imported.expects:
            # Checked for faults; what the recipe promises, WITH may have changed.
            promise(self.expressions, expect, inner)
        name = scope.prefix + statement.name
        scope.declare(statement.name, RelationEntry(nodes.Ref(name), "recipe"), statement.name_span, self.diagnostics)
        if query is not None:
            self.stages.append(nodes.Stage(name, query))


@dataclass(frozen=True, slots=True)
class _Given:
    """A value for a PARAM, and where WITH gives it; None where `--set` does."""

    value: Constant
    span: Span | None


# What a PARAM may be, and how a value of it is written.
_VALUES = {"a number": "a number", "TEXT": "text in quotes", "BOOL": "TRUE or FALSE"}


def _kind(value: Constant) -> str | None:
    """Say what a constant is, None for NULL."""
    if isinstance(value, Exact):
        return None if value.value is None else "a number"
    return None if value.value is None else value.type.value


def _argument_span(name: str, expr: ast.Expr) -> Span:
    """Return the span of `name = expr` in an IMPORT."""
    start = expr.span.source.text.rfind(name, 0, expr.span.start)
    return Span(expr.span.source, start, expr.span.end)
