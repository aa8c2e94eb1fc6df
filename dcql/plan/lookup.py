"""Names: what each one in an expression stands for, and what to say of one that stands for nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from dcql.catalog.functions import DENIED, FUNCTIONS
from dcql.catalog.types import Type
from dcql.errors import Diagnostics, did_you_mean
from dcql.plan import nodes
from dcql.plan.coerce import Value
from dcql.plan.faults import WrongError
from dcql.plan.meanings import M, Meanings
from dcql.plan.scope import (
    AssetEntry,
    DefineEntry,
    FeatureEntry,
    ParamEntry,
    Scope,
    SetEntry,
    kind_of,
    listed,
    suggestion,
)
from dcql.source import Span
from dcql.syntax import ast

MAX_DEPTH = 240


@dataclass(frozen=True, slots=True)
class Bound:
    """An expression as written, and what the names in it stand for: a DEFINE's body has its own.

    `within` are the DEFINEs whose bodies it was written out of, outermost first, and `use` is where the first of them
    was named. An argument keeps those of its caller.
    """

    expr: ast.Expr
    scope: Scope
    arguments: Mapping[str, "Bound"]
    within: tuple[ast.Define, ...] = ()
    use: Span | None = None


@dataclass(kw_only=True)
class Lookup:
    """Finds what names stand for, and records the faults of a recipe.

    `place` is the innermost expression of the recipe, rather than the library, that is being resolved; `used` are the
    DEFINEs, FEATUREs, ASSETs and MODELs that something named, by id; `open` the ASSETs and FEATUREs that are
    being looked into.
    `files` are those that the statements at these spans name, and `meanings` is told what each node means.
    """

    diagnostics: Diagnostics
    place: Span | None = None
    used: set[int] = field(default_factory=set)
    open: set[int] = field(default_factory=set)
    files: Mapping[Span, Path] = field(default_factory=dict)
    meanings: Meanings | None = None

    def noted(self, written: ast.Node, meaning: M) -> M:
        """Return what a node means, and note it for those who look at the text."""
        if self.meanings is not None:
            self.meanings.note(written, meaning)
        return meaning

    def inside(self, bound: Bound, expr: ast.Expr) -> Bound:
        """Return a part of an expression, its names standing for the same."""
        return replace(bound, expr=expr)

    def expand(self, bound: Bound) -> Bound:
        """Follow a DEFINE's parameter or an argument-less DEFINE to the expression that it stands for."""
        seen = 0
        while isinstance(bound.expr, ast.Name | ast.Call) and seen <= MAX_DEPTH:
            seen += 1
            following = self.body(bound)
            if following is None:
                break
            bound = following
        return bound

    def body(self, bound: Bound) -> Bound | None:
        """Return what a parameter, a DEFINE's name or a DEFINE's call stands for, or None for anything else."""
        expr = bound.expr
        if isinstance(expr, ast.Name):
            if len(expr.parts) != 1:
                return None
            if expr.text in bound.arguments:
                return bound.arguments[expr.text]
            entry = self.define(expr.text, bound.scope)
            if entry is None or entry.define.parameters is not None:
                return None
            self.used.add(id(entry.define))
            return Bound(entry.define.body, entry.scope, {}, (*bound.within, entry.define), bound.use or expr.span)
        if isinstance(expr, ast.Call):
            entry = self.define(expr.name, bound.scope)
            if entry is None or entry.define.parameters is None or len(entry.define.parameters) != len(expr.arguments):
                return None
            self.used.add(id(entry.define))
            given = [self.inside(bound, argument) for argument in expr.arguments]
            arguments = dict(zip(entry.define.parameters, given, strict=True))
            return Bound(
                entry.define.body, entry.scope, arguments, (*bound.within, entry.define), bound.use or expr.span
            )
        return None

    def define(self, name: str, scope: Scope) -> DefineEntry | None:
        """Return the DEFINE of a name, or None."""
        entry = scope.entries.get(name)
        if entry is None and scope.schema.get(name) is None:
            entry = scope.library.get(name)
        return entry if isinstance(entry, DefineEntry) else None

    def feature_named(self, bound: Bound) -> tuple[FeatureEntry, str] | None:
        """Return the FEATURE of a name and what the plan calls it, or None for a name of something else."""
        expr, scope = bound.expr, bound.scope
        if not isinstance(expr, ast.Name) or len(expr.parts) != 1:
            return None
        found = self.feature_called(expr.text, scope)
        hides = isinstance(scope.entries.get(expr.text), FeatureEntry) and not scope.is_library
        if scope.schema.get(expr.text) is not None and not (hides and expr.text in scope.library):
            return None
        return found

    def feature_called(self, name: str, scope: Scope) -> tuple[FeatureEntry, str] | None:
        """Return the FEATURE of a name and what the plan calls it, where no column can be meant, or None."""
        entry, library = scope.entries.get(name), scope.library.get(name)
        if isinstance(entry, FeatureEntry):
            # A recipe may use a name of the library for something of its own, and the library's own beside it.
            own = name in scope.library and not scope.is_library
            return entry, f"{scope.prefix}{name}'" if own else scope.prefix + name
        if entry is None and isinstance(library, FeatureEntry):
            return library, name
        return None

    def column(self, name: str, bound: Bound, scope: Scope) -> nodes.Column:
        """Return a column of the pool. Raises WrongError."""
        column = scope.schema.get(name)
        if column is None:
            self.wrong(
                "E0201",
                f"unknown column `{name}`",
                bound,
                "the pool has no such column",
                *suggestion(name, _usable(scope), f"the columns are {listed(_usable(scope))}"),
            )
        if column.type is Type.NESTED:
            self.wrong(
                "E0301",
                f"`{name}` cannot be used in an expression",
                bound,
                "recipes do not know its type: a list, a structure, a time, a decimal",
                "use a column of numbers, text or truth values",
            )
        return nodes.Column(column.name, column.type)

    def wrong_arguments(self, define: ast.Define, expr: ast.Call) -> NoReturn:
        """Refuse a call of a DEFINE with another number of arguments."""
        name, parameters, given = define.name, define.parameters, len(expr.arguments)
        if parameters is None:
            self.wrong_at(
                "E0302", f"`{name}` takes no arguments", expr.span, "defined without parameters", f"write `{name}`"
            )
        count = f"{len(parameters)} argument{'s' if len(parameters) != 1 else ''}"
        usage = f"{name}({', '.join(parameters)})"
        self.wrong_at(
            "E0302", f"`{name}` takes {count}, {given} given", expr.span, f"defined as `{usage}`", f"write `{usage}`"
        )

    def unknown_function(self, expr: ast.Call, bound: Bound) -> NoReturn:
        """Refuse a call of a function that has no row."""
        if expr.name.lower() in FUNCTIONS:
            self.wrong_at(
                "E0204",
                f"unknown function `{expr.name}`",
                expr.name_span,
                "names are case-sensitive",
                f"write `{expr.name.lower()}`",
            )
        if expr.name.lower() in DENIED:
            self.denied(expr.name, bound, expr.name_span)
        named = (*bound.scope.library.items(), *bound.scope.entries.items())
        callable_ = [n for n, e in named if isinstance(e, DefineEntry) and e.define.parameters is not None]
        known = [*FUNCTIONS, *callable_]
        denied = did_you_mean(expr.name, DENIED)
        if denied is not None and did_you_mean(expr.name, known) is None:
            helps: tuple[str, ...] = (f"if `{denied}` is meant: {DENIED[denied].instead}",)
        else:
            helps = suggestion(expr.name, known, f"the functions are {listed(FUNCTIONS)}")
        label = "not in the table of functions, and what has no row there is denied"
        self.wrong_at("E0204", f"unknown function `{expr.name}`", expr.name_span, label, *helps)

    def denied(self, name: str, bound: Bound, span: Span) -> NoReturn:
        """Refuse a function or name that is denied, with what to write instead."""
        row = DENIED[name.lower()]
        reasons = {
            "EXACT": "it is not part of the language",
            "VERSION": "it is not part of the language: its meaning differs between engines and versions",
            "HARDWARE": "its last digits differ between processors",
            "ORDER": "it depends on the order of rows, or on all samples at once",
            "VOLATILE": "it gives another value at every run",
        }
        self.wrong_at("E0401", f"`{name}` is not allowed", span, reasons[row.effect.name], row.instead)

    def refuse_circle(self, expr: ast.Name | ast.Call, body: Bound, bound: Bound) -> None:
        """Raise WrongError where a DEFINE's name or call stands in its own body."""
        is_parameter = isinstance(expr, ast.Name) and expr.text in bound.arguments
        if not is_parameter and any(body.within[-1] is outer for outer in bound.within):
            circle = body.within[[outer is body.within[-1] for outer in body.within].index(True) :]
            names = " -> ".join(define.name for define in circle)
            self.wrong(
                "E0205",
                f"`{circle[-1].name}` is defined by itself",
                bound,
                names,
                "write one of them without the other" if len(circle) > 2 else "leave its own name out of it",
            )

    def wrong(self, code: str, message: str, bound: Bound, label: str = "", *helps: str) -> NoReturn:
        """Record a fault of an expression."""
        self.wrong_at(code, message, bound.expr.span, label, *helps)

    def wrong_at(self, code: str, message: str, span: Span, label: str = "", *helps: str) -> NoReturn:
        """Record a fault at a place."""
        if self.place is not None and span.source is not self.place.source:
            # The fault shows inside the library; what the recipe can change is what it named or gave.
            line, _ = span.source.position(span.start)
            span, label = self.place, f"in {span.source.name}, line {line}: {label}"
        self.diagnostics.add(code, message, span, label, tuple(helps))
        raise WrongError

    def named(self, expr: ast.Name, bound: Bound) -> Value:
        """Return what a name that is no DEFINE stands for. Raises WrongError."""
        scope, name = bound.scope, expr.text
        if len(expr.parts) == 2 and expr.parts[0] == "pool":
            return self.column(expr.parts[1], bound, scope)
        entry = scope.entries.get(name)
        if name in scope.failed:
            raise WrongError
        if isinstance(entry, ParamEntry):
            return entry.value
        if isinstance(entry, DefineEntry) and entry.define.parameters is not None:
            given = ", ".join(entry.define.parameters)
            self.wrong(
                "E0302", f"`{name}` needs arguments", bound, "defined with parameters", f"write `{name}({given})`"
            )
        if scope.is_library and isinstance(entry, FeatureEntry):
            entry = None  # the pool has a column of this name
        if entry is not None or name == "pool":
            subject = "x" if isinstance(entry, SetEntry | AssetEntry) else "uid"
            kind = kind_of(entry) if entry is not None else "the relation of all samples"
            self.wrong(
                "E0203", f"`{name}` is no value", bound, f"it is {kind}", f"test membership: `{subject} IN {name}`"
            )
        library = scope.library.get(name)
        column = scope.schema.get(name)
        if column is not None and library is not None:
            self.wrong(
                "E0206",
                f"`{name}` has two meanings",
                bound,
                "a column of this pool, and a name of the library",
                f"for the column, write `pool.{name}`",
            )
        if column is not None:
            return self.column(name, bound, scope)
        if isinstance(library, DefineEntry):
            given = ", ".join(library.define.parameters or ())
            self.wrong(
                "E0302", f"`{name}` needs arguments", bound, "defined with parameters", f"write `{name}({given})`"
            )
        if name in FUNCTIONS:
            usage = FUNCTIONS[name].usage
            self.wrong("E0302", f"`{name}` needs arguments", bound, "it is a function", f"write `{usage}`")
        if name.lower() in DENIED:
            self.denied(name, bound, bound.expr.span)
        if isinstance(library, AssetEntry):
            self.wrong("E0203", f"`{name}` is no value", bound, "it is an asset", f"test membership: `x IN {name}`")
        otherwise = f"the columns are {listed(_usable(scope))}"
        helps = suggestion(name, scope.values(), otherwise)
        if len(expr.parts) == 1 and not scope.is_library and helps == (otherwise,):
            helps = (*helps, f"text is written in quotes: `'{name}'`")
        self.wrong("E0201", f"unknown name `{name}`", bound, "not a column of the pool, a DEFINE or a PARAM", *helps)


def _usable(scope: Scope) -> list[str]:
    """Return the columns that an expression may name."""
    return [column.name for column in scope.schema.columns if column.type is not Type.NESTED]
