"""Recipe -> plan: what every name stands for, what every clause means, and everything that is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from dcql.catalog.inputs import Inputs
from dcql.catalog.types import Schema, Type
from dcql.errors import Diagnostics, did_you_mean
from dcql.plan import nodes
from dcql.plan.constants import Exact, shown
from dcql.plan.demand import assign_demand
from dcql.plan.depth import refuse_depth
from dcql.plan.expressions import Expressions
from dcql.plan.faults import WrongError, all_faults
from dcql.plan.lookup import Bound
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
from dcql.syntax.phrases import phrase

NO_POPULATION = "a bare q is allowed over `FROM pool` only"


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
        files, allowed = self.catalog.inputs.files, self.catalog.embeddings
        self.expressions = Expressions(diagnostics=self.diagnostics, queries=self, files=files, embeddings=allowed)

    # --- a recipe -----------------------------------------------------------------------------------------------------

    def root(self, recipe: ast.Recipe, settings: Mapping[str, str]) -> nodes.Plan | None:
        """Resolve the recipe that is run; None when something is wrong."""
        scope = Scope(self.catalog.schema, self.library)
        values = {name: read_setting(name, text, self.diagnostics) for name, text in settings.items()}
        query = self._recipe(recipe, scope, {name: value for name, value in values.items() if value is not None})
        declared = {s.name for s in recipe.definitions if isinstance(s, ast.Param)}
        for name in settings:
            if name not in declared:
                self.diagnostics.add(
                    "E0212",
                    f"`--set {name}`: the recipe has no PARAM `{name}`",
                    helps=self._setting_help(name, declared, recipe),
                )
        promises = tuple(p for p in (self._promise(expect, scope) for expect in recipe.expects) if p is not None)
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

    def _recipe(self, recipe: ast.Recipe, scope: Scope, given: Mapping[str, Constant]) -> nodes.Rel | None:
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
            return self._query(query, scope)
        except WrongError:
            return None

    def _declare(self, statement: ast.Definition, scope: Scope, given: Mapping[str, Constant]) -> None:
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
                value = given.get(statement.name)
                default = self._param_default(statement, scope)
                if value is None:
                    value = default
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

    def _import(self, statement: ast.Import, scope: Scope) -> None:
        imported = self.catalog.inputs.recipes[statement.span]
        prefix = f"{scope.prefix}{statement.name}."
        inner = Scope(self.catalog.schema, self.library, prefix)
        given: dict[str, Constant] = {}
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
            try:
                value = self.expressions.resolve(Bound(expr, scope, {}))
            except WrongError:
                continue
            if isinstance(value, Exact | nodes.Literal):
                given[name] = value
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
            self._promise(expect, inner)  # checked for faults; what the recipe promises, WITH may have changed
        name = scope.prefix + statement.name
        scope.declare(statement.name, RelationEntry(nodes.Ref(name), "recipe"), statement.name_span, self.diagnostics)
        if query is not None:
            self.stages.append(nodes.Stage(name, query))

    # --- queries ------------------------------------------------------------------------------------------------------

    def inner(self, query: ast.Query, scope: Scope) -> nodes.Rel:
        """Resolve the query of an `IN (SELECT ..)`. Raises WrongError."""
        with self._population(None, NO_POPULATION):
            return self._query(query, scope)

    def reference(self, ref: nodes.Ref) -> nodes.Rel:
        """Return the relation that stands for a stage or an imported recipe."""
        return ref

    def _query(self, query: ast.Query, scope: Scope) -> nodes.Rel:
        single = query.body if isinstance(query.body, ast.Select) else None
        with all_faults() as attempt:
            body = attempt(self._body, query.body, scope, under_tail=single)
            order = attempt(self._order, query, single, scope)
            limit = attempt(self._limit, query, scope)
        relation = body()
        if single is not None and single.distinct_on:
            keys = self._distinct_keys(single, scope)
            if not query.order:
                self.diagnostics.add(
                    "E0404",
                    "DISTINCT ON without ORDER BY",
                    single.span,
                    "which sample of a group is first is left open",
                    ("say which one stays: `ORDER BY clip_l14 DESC`",),
                )
                raise WrongError
            relation = nodes.DistinctOn(relation, keys, order())
        counted = limit()
        if counted is not None:
            count, percent = counted
            relation = nodes.Limit(relation, order(), count, percent)
        return relation

    def _body(self, body: ast.QueryBody, scope: Scope, under_tail: ast.Select | None) -> nodes.Rel:
        match body:
            case ast.Select():
                if body.distinct_on and body is not under_tail:
                    self.diagnostics.add(
                        "E0404",
                        "DISTINCT ON without an ORDER BY of its own",
                        body.span,
                        "the ORDER BY after a set operation orders its result",
                        ("put the SELECT and its ORDER BY in parentheses",),
                    )
                    raise WrongError
                return self._select(body, scope)
            case ast.SetOperation():
                return self._set_operation(body, scope)
            case ast.Query():
                return self._query(body, scope)

    def _set_operation(self, body: ast.SetOperation, scope: Scope) -> nodes.Rel:
        # Left-deep chains are as long as the recipe; they are taken from the left without recursion.
        operands: list[tuple[str, ast.QueryBody]] = []
        first: ast.QueryBody = body
        while isinstance(first, ast.SetOperation):
            operands.append((first.op, first.right))
            first = first.left
        with all_faults() as attempt:
            left = attempt(self._body, first, scope, None)
            rights = [(op, attempt(self._body, right, scope, None)) for op, right in reversed(operands)]
        relation = left()
        for op, right in rights:
            relation = nodes.SetOperation(op, relation, right())
        return relation

    def _select(self, select: ast.Select, scope: Scope) -> nodes.Rel:
        with all_faults() as attempt:
            source = attempt(self._from, select.relation, scope)
            clauses = attempt(self._where, select, scope)
        return nodes.Filter(source(), clauses()) if select.where is not None else source()

    def _from(self, relation: ast.Name | ast.Query, scope: Scope) -> nodes.Rel:
        if isinstance(relation, ast.Query):
            with self._population(None, NO_POPULATION):
                return self._query(relation, scope)
        name = relation.text
        if name == "pool":
            return nodes.PoolScan()
        entry = scope.entries.get(name)
        if isinstance(entry, RelationEntry):
            return entry.ref
        if entry is not None or name in scope.values():
            where = f"uid IN {name}" if isinstance(entry, SetEntry) else ".."
            self.diagnostics.add(
                "E0203",
                f"`{name}` is no relation",
                relation.span,
                "FROM needs `pool`, a stage or a recipe",
                (f"write `FROM pool WHERE {where}`",),
            )
        else:
            self.diagnostics.add(
                "E0201",
                f"unknown relation `{name}`",
                relation.span,
                "not `pool`, a stage above, or an imported recipe",
                scope.relation_help(name, "FROM pool"),
            )
        raise WrongError

    def _where(self, select: ast.Select, scope: Scope) -> tuple[nodes.Clause, ...]:
        if select.where is None:
            return ()
        with self._select_population(select), all_faults() as attempt:
            written = self.expressions.conjuncts(Bound(select.where, scope, {}))
            clauses = [attempt(self._clause, part) for part in written]
        return tuple(clause() for clause in clauses)

    def _clause(self, bound: Bound) -> nodes.Clause:
        expr = self.expressions.predicate(bound, "WHERE")
        return nodes.Clause(expr, phrase(bound.expr.span), bound.expr.span)

    def _distinct_keys(self, select: ast.Select, scope: Scope) -> tuple[nodes.Expr, ...]:
        with self._select_population(select), all_faults() as attempt:
            keys = [
                attempt(self.expressions.key, Bound(key, scope, {}), "a DISTINCT ON key") for key in select.distinct_on
            ]
        return tuple(key() for key in keys)

    def _order(self, query: ast.Query, single: ast.Select | None, scope: Scope) -> tuple[nodes.SortKey, ...]:
        population = self._select_population(single) if single is not None else self._population(None, NO_POPULATION)
        with population, all_faults() as attempt:
            keys = [attempt(self._order_key, Bound(key.expr, scope, {})) for key in query.order]
        return tuple(
            nodes.SortKey(expr(), key.descending, key.nulls_first) for expr, key in zip(keys, query.order, strict=True)
        )

    def _order_key(self, bound: Bound) -> nodes.Expr:
        key = self.expressions.key(bound, "an ORDER BY key")
        if key.type is Type.BOOL:
            words = bound.expr.span.text
            help_ = f"say which come first: `CASE WHEN {words} THEN 0 ELSE 1 END`"
            self._wrong(
                "E0301", "BOOL has no order for ORDER BY", bound.expr.span, "TRUE and FALSE are not ranked", help_
            )
        return key

    def _limit(self, query: ast.Query, scope: Scope) -> tuple[int | None, Fraction | None] | None:
        limit = query.limit
        if limit is None:
            return None
        if not query.order:
            amount = limit.span.text
            self.diagnostics.add(
                "E0403",
                "LIMIT without ORDER BY",
                limit.span,
                "which samples come first is left open",
                (f"say which ones: `ORDER BY clip_l14 DESC {amount}`",),
            )
        value = self.expressions.constant(Bound(limit.count, scope, {}), "LIMIT").value
        assert value is not None
        if limit.percent:
            if not 0 <= value <= 100:
                self._wrong(
                    "E0312",
                    "LIMIT is not between 0 and 100 PERCENT",
                    limit.count.span,
                    f"it is {shown(value)}",
                    "100 PERCENT keeps every sample",
                )
            count, percent = None, value
        else:
            if value.denominator != 1 or value < 0:
                self._wrong(
                    "E0312",
                    "LIMIT is not a count",
                    limit.count.span,
                    "must be a whole number, 0 or more",
                    _count_help(value, "LIMIT "),
                )
            count, percent = value.numerator, None
        if not query.order:
            raise WrongError
        return count, percent

    def _promise(self, expect: ast.Expect, scope: Scope) -> nodes.Promise | None:
        try:
            with all_faults() as attempt:
                low = attempt(self._expected, expect.low, scope)
                high = attempt(self._expected, expect.high, scope)
        except WrongError:
            return None
        if expect.low.percent == expect.high.percent and low() > high():
            self.diagnostics.add(
                "E0312", "EXPECT can never hold", expect.span, "the lower bound is above the upper one", ("swap them",)
            )
            return None
        text = phrase(expect.span)
        return nodes.Promise(low(), expect.low.percent, high(), expect.high.percent, text, expect.span)

    def _expected(self, bound: ast.Bound, scope: Scope) -> Fraction:
        value = self.expressions.constant(Bound(bound.value, scope, {}), "a bound of EXPECT").value
        assert value is not None
        if bound.percent and not 0 <= value <= 100:
            self._wrong(
                "E0312",
                "EXPECT is not between 0 and 100 PERCENT",
                bound.span,
                f"it is {shown(value)}",
                "100 PERCENT is the whole pool",
            )
        if not bound.percent and (value.denominator != 1 or value < 0):
            self._wrong(
                "E0312",
                "a bound of EXPECT is not a count",
                bound.span,
                "must be a whole number, 0 or more",
                _count_help(value, ""),
            )
        return value

    # --- context ------------------------------------------------------------------------------------------------------

    def _select_population(self, select: ast.Select) -> "_Population":
        if isinstance(select.relation, ast.Name) and select.relation.text == "pool":
            return self._population(nodes.PoolScan(), "")
        return self._population(None, NO_POPULATION)

    def _population(self, relation: nodes.Rel | None, reason: str) -> "_Population":
        return _Population(self.expressions, relation, reason)

    def _wrong(self, code: str, message: str, span: Span, label: str, *helps: str) -> None:
        self.diagnostics.add(code, message, span, label, helps)
        raise WrongError


@dataclass
class _Population:
    """Sets what a bare q ranges over, for as long as a clause is resolved."""

    expressions: Expressions
    relation: nodes.Rel | None
    reason: str

    def __enter__(self) -> None:
        self.outer = self.expressions.population, self.expressions.population_reason
        self.expressions.population, self.expressions.population_reason = self.relation, self.reason

    def __exit__(self, *_: object) -> None:
        self.expressions.population, self.expressions.population_reason = self.outer


def _argument_span(name: str, expr: ast.Expr) -> Span:
    """Return the span of `name = expr` in an IMPORT."""
    start = expr.span.source.text.rfind(name, 0, expr.span.start)
    return Span(expr.span.source, start, expr.span.end)


def _count_help(value: Fraction, before: str) -> str:
    """Return what to write for a number that is no count."""
    if 0 < value < 1:
        return f"for a share, write `{before}{shown(value * 100)} PERCENT`"
    return f"write `{before}{floor(value)}`" if value > 0 else "0 is the smallest count"
