"""DEFINEs that nothing uses: their faults are found with the others."""

from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

from dcql.catalog.functions import FUNCTIONS
from dcql.plan import nodes
from dcql.plan.expressions import Expressions
from dcql.plan.faults import WrongError
from dcql.plan.features import check_declared
from dcql.plan.lookup import Bound
from dcql.plan.scope import AssetEntry, RelationEntry, Scope, SetEntry
from dcql.syntax import ast


def check_unused(recipe: ast.Recipe, scope: Scope, expressions: Expressions) -> None:
    """Resolve the DEFINEs of a recipe that nothing used, over the pool; record what is wrong with them.

    A body with parameters, and a bare q, get their types where they are used: of these only the names are looked up.
    """
    outside = expressions.population
    expressions.population = nodes.PoolScan()
    try:
        for statement in recipe.definitions:
            if not isinstance(statement, ast.Define) or id(statement) in expressions.used:
                continue
            is_bare = isinstance(statement.body, ast.Quantile) and statement.body.expr is None
            if statement.parameters is None and not is_bare:
                _resolve(statement.body, scope, expressions)
            else:
                _check_names(statement, scope, expressions)
        check_declared(expressions, recipe, scope)
    finally:
        expressions.population = outside


def _resolve(expr: ast.Expr, scope: Scope, expressions: Expressions) -> None:
    with suppress(WrongError):
        expressions.resolve(Bound(expr, scope, {}))


def _check_names(define: ast.Define, scope: Scope, expressions: Expressions) -> None:
    """Look up every name in a body, its parameters left out. A name that is wrong is resolved, for its message."""
    parameters = define.parameters or ()
    waiting: list[Any] = [define.body]
    while waiting:
        node = waiting.pop()
        match node:
            case tuple():
                waiting += node
            case ast.Name():
                if node.text not in parameters and expressions.define(node.text, scope) is None:
                    _resolve(node, scope, expressions)
            case ast.Call():
                if node.name not in FUNCTIONS and expressions.define(node.name, scope) is None:
                    _resolve(node, scope, expressions)
                waiting.append(node.arguments)
            case ast.InName():
                name = node.name.text
                entry = scope.entries.get(name) or scope.library.get(name)
                if not isinstance(entry, SetEntry | RelationEntry | AssetEntry) and name != "pool":
                    _resolve(replace(node, subject=ast.Null(span=node.subject.span)), scope, expressions)
                waiting.append(node.subject)
            case ast.InQuery():
                with suppress(WrongError):
                    expressions.queries.inner(node.query, scope)
                waiting.append(node.subject)
            case ast.Quantile():
                _check_population(node.of, scope, expressions)
                waiting += (node.p, node.by, *([node.expr] if node.expr is not None else []))
            case ast.Node():
                waiting += [getattr(node, part.name) for part in fields(node)]


def _check_population(of: ast.Name | None, scope: Scope, expressions: Expressions) -> None:
    if of is None or of.text == "pool" or isinstance(scope.entries.get(of.text), RelationEntry):
        return
    label = "OF names `pool`, a stage above, or an imported recipe"
    helps = scope.relation_help(of.text, "OF pool")
    expressions.diagnostics.add("E0201", f"unknown population `{of.text}`", of.span, label, helps)
