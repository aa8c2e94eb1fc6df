"""Expressions: names to columns, literals to types, one node a meaning.

Every expression resolves to a typed node, or to an untyped constant (`Exact`) that takes the type of what it meets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NoReturn, Protocol

from dcql.catalog.functions import DENIED, FUNCTIONS, Function, Kind
from dcql.catalog.models import MODEL_COLUMNS, MODEL_SETS
from dcql.catalog.types import Type
from dcql.errors import Diagnostics, did_you_mean
from dcql.plan import constants, nodes
from dcql.plan.coerce import HOLDS, Value, convert, mix_help, mixes, negated, numeric_type, type_name
from dcql.plan.constants import DoesNotFitError, Exact
from dcql.plan.faults import WrongError, all_faults
from dcql.plan.patterns import check_pattern
from dcql.plan.scope import DefineEntry, ParamEntry, RelationEntry, Scope, SetEntry, kind_of, listed, suggestion
from dcql.plan.sets import named_set
from dcql.source import Span
from dcql.syntax import ast

_LARGEST: dict[Type, tuple[str, ...]] = {
    Type.INT: (f"the largest INT is {constants.INT_MAX}",),
    Type.FLOAT: ("the largest FLOAT is 3.4028235e38",),
    Type.DOUBLE: ("the largest DOUBLE is 1.7976931348623157e308",),
}

MAX_NODES = 50_000
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


class QueryResolver(Protocol):
    """What expressions need of queries."""

    def inner(self, query: ast.Query, scope: Scope) -> nodes.Rel:
        """Resolve the query of an `IN (SELECT ..)`. Raises WrongError."""
        ...

    def reference(self, ref: nodes.Ref) -> nodes.Rel:
        """Return the relation that stands for a stage or an imported recipe."""
        ...


@dataclass
class Expressions:
    """Resolves the expressions of one recipe.

    `population` is what a bare q ranges over: the relation of the SELECT that it stands in, None where q needs an OF,
    with `population_reason` saying why. `queries` resolves a query inside IN.
    """

    diagnostics: Diagnostics
    queries: QueryResolver
    population: nodes.Rel | None = None
    population_reason: str = ""
    quantiles_allowed: bool = True
    count: int = 0
    depth: int = 0
    top: Span | None = None  # the outermost expression that is being resolved
    place: Span | None = None  # the innermost one that the recipe holds, rather than the library
    used: set[int] = field(default_factory=set)

    # --- entry points -------------------------------------------------------------------------------------------------

    def predicate(self, bound: Bound, place: str) -> nodes.Expr:
        """Resolve an expression that must be BOOL. Raises WrongError."""
        return self._of_type(bound, Type.BOOL, place)

    def key(self, bound: Bound, place: str) -> nodes.Expr:
        """Resolve an expression that may have any type but must not be a constant. Raises WrongError."""
        value = self.resolve(bound)
        if isinstance(value, Exact | nodes.Literal):
            quoted = isinstance(bound.expr, ast.Text) and bound.expr.value in bound.scope.values()
            help_ = f"a name takes no quotes: `{bound.expr.span.text[1:-1]}`" if quoted else "name a column"
            self._wrong("E0304", f"{place} is a constant", bound, "the same for every sample", help_)
        return value

    def constant(self, bound: Bound, place: str) -> Exact:
        """Resolve an expression over literals and PARAMs to an exact number. Raises WrongError."""
        value = self.resolve(bound)
        if isinstance(value, Exact) and value.value is not None:
            return value
        if isinstance(value, nodes.Literal):
            help_ = "a number is written without quotes" if value.type is Type.TEXT else "write a number"
            self._wrong("E0301", f"{place} is {value.type.value}", bound, "must be a number", help_)
        self._wrong(
            "E0305",
            f"{place} is NULL" if isinstance(value, Exact) else f"{place} is not a constant",
            bound,
            "must be a number made of literals and PARAMs",
            "write a number, or `PARAM keep DEFAULT 0.3;` and `keep`",
        )

    def conjuncts(self, bound: Bound) -> list[Bound]:
        """Return the operands of a top-level AND, or the expression itself; a DEFINE stays whole."""
        if isinstance(bound.expr, ast.And):
            return [self._in(bound, operand) for operand in bound.expr.operands]
        return [bound]

    # --- the walk -----------------------------------------------------------------------------------------------------

    def resolve(self, bound: Bound) -> Value:
        """Resolve any expression but a bare q. Raises WrongError after recording every fault inside."""
        outside = self.place
        if not bound.scope.is_library:
            self.place = bound.expr.span
        if self.depth == 0:
            self.top = bound.expr.span
        self.count += 1
        self.depth += 1
        try:
            self._check_size()
            return self._resolve(bound)
        finally:
            self.depth -= 1
            self.place = outside

    def _check_size(self) -> None:
        """Raise WrongError where a recipe has grown too large; what is said once holds for all that follows."""
        assert self.top is not None
        if self.count == MAX_NODES + 1:
            self._wrong_at(
                "E0501",
                f"the recipe has more than {MAX_NODES:,} terms once every DEFINE is written out",
                self.top,
                "the limit is passed here",
                "name a part of it as a stage: `WITH part AS (SELECT uid FROM pool WHERE ..)`",
                "a long list of values belongs in a file: `SET s FROM 'values.txt' SHA256 '..';`",
            )
        if self.count > MAX_NODES:
            raise WrongError
        if self.depth > MAX_DEPTH:
            self._wrong_at(
                "E0502",
                f"nested more than {MAX_DEPTH} deep once every DEFINE is written out",
                self.top,
                "this expression",
                "name a part of it as a stage: `WITH part AS (SELECT uid FROM pool WHERE ..)`",
            )

    def _resolve(self, bound: Bound) -> Value:
        expr = bound.expr
        match expr:
            case ast.Number():
                return self._number(expr, bound)
            case ast.Text():
                return nodes.Literal(expr.value, Type.TEXT)
            case ast.Boolean():
                return nodes.TRUE if expr.value else nodes.FALSE
            case ast.Null():
                return Exact(None)
            case ast.Name():
                return self._name(expr, bound)
            case ast.Call():
                return self._call(expr, bound)
            case ast.Negate():
                return self._arithmetic("-", Exact(Fraction(0)), self._numeric(self._in(bound, expr.operand)), bound)
            case ast.Arithmetic():
                result = self._numeric(self._in(bound, expr.first))
                for op, operand in expr.rest:
                    result = self._arithmetic(op, result, self._numeric(self._in(bound, operand)), bound)
                return result
            case ast.Compare():
                return self._compare(expr.op, self._in(bound, expr.left), self._in(bound, expr.right), expr.span)
            case ast.Between():
                subject = self._in(bound, expr.subject)
                self._refuse_quantile(subject)
                with all_faults() as attempt:
                    low = attempt(self._compare, ">=", subject, self._in(bound, expr.low), expr.span)
                    high = attempt(self._compare, "<=", subject, self._in(bound, expr.high), expr.span)
                return negated(nodes.And((low(), high())), expr.negated)
            case ast.Like():
                with all_faults() as attempt:
                    text = attempt(self._of_type, self._in(bound, expr.subject), Type.TEXT, "LIKE")
                    like = attempt(self._of_type, self._in(bound, expr.pattern), Type.TEXT, "LIKE")
                return negated(nodes.Like(text(), like()), expr.negated)
            case ast.IsNull():
                value = self.resolve(self._in(bound, expr.subject))
                if isinstance(value, Exact):
                    return nodes.Literal((value.value is None) != expr.negated, Type.BOOL)
                return negated(nodes.IsNull(value), expr.negated)
            case ast.InList():
                subject = self._in(bound, expr.subject)
                self._refuse_quantile(subject)
                with all_faults() as attempt:
                    tests = [attempt(self._equal, subject, self._in(bound, item), expr.span) for item in expr.items]
                found = tuple(test() for test in tests)
                return negated(nodes.Or(found) if len(found) > 1 else found[0], expr.negated)
            case ast.InName():
                return negated(self._in_name(expr, bound), expr.negated)
            case ast.InQuery():
                self._require_uid(self._in(bound, expr.subject), "a SELECT")
                return negated(nodes.InRelation(self.queries.inner(expr.query, bound.scope)), expr.negated)
            case ast.Not():
                return nodes.Not(self._of_type(self._in(bound, expr.operand), Type.BOOL, "NOT"))
            case ast.And() | ast.Or():
                word = "AND" if isinstance(expr, ast.And) else "OR"
                with all_faults() as attempt:
                    parts = [attempt(self._of_type, self._in(bound, part), Type.BOOL, word) for part in expr.operands]
                operands = tuple(part() for part in parts)
                return nodes.And(operands) if word == "AND" else nodes.Or(operands)
            case ast.Case():
                return self._case(expr, bound)
            case ast.Quantile():
                return self._misplaced_quantile(bound)

    def _placed(self, bound: Bound) -> tuple[Bound, Value]:
        return bound, self.resolve(bound)

    def _number(self, expr: ast.Number, bound: Bound) -> Exact:
        if expr.value and abs(expr.value.adjusted()) > constants.MAX_EXPONENT:
            self._wrong(
                "E0303", "the number fits no type", bound, "its exponent is beyond any DOUBLE", "write another number"
            )
        return Exact(Fraction(expr.value))

    def _in(self, bound: Bound, expr: ast.Expr) -> Bound:
        return replace(bound, expr=expr)

    def _expand(self, bound: Bound) -> Bound:
        """Follow a DEFINE's parameter or an argument-less DEFINE to the expression that it stands for."""
        seen = 0
        while isinstance(bound.expr, ast.Name | ast.Call) and seen <= MAX_DEPTH:
            seen += 1
            following = self._body(bound)
            if following is None:
                break
            bound = following
        return bound

    def _body(self, bound: Bound) -> Bound | None:
        """Return what a parameter, a DEFINE's name or a DEFINE's call stands for, or None for anything else."""
        expr = bound.expr
        if isinstance(expr, ast.Name):
            if len(expr.parts) != 1:
                return None
            if expr.text in bound.arguments:
                return bound.arguments[expr.text]
            entry = self._define(expr.text, bound.scope)
            if entry is None or entry.define.parameters is not None:
                return None
            self.used.add(id(entry.define))
            return Bound(entry.define.body, entry.scope, {}, (*bound.within, entry.define), bound.use or expr.span)
        if isinstance(expr, ast.Call):
            entry = self._define(expr.name, bound.scope)
            if entry is None or entry.define.parameters is None or len(entry.define.parameters) != len(expr.arguments):
                return None
            self.used.add(id(entry.define))
            given = [self._in(bound, argument) for argument in expr.arguments]
            arguments = dict(zip(entry.define.parameters, given, strict=True))
            return Bound(
                entry.define.body, entry.scope, arguments, (*bound.within, entry.define), bound.use or expr.span
            )
        return None

    def _define(self, name: str, scope: Scope) -> DefineEntry | None:
        entry = scope.entries.get(name)
        if entry is None and scope.schema.get(name) is None:
            entry = scope.library.get(name)
        return entry if isinstance(entry, DefineEntry) else None

    # --- names and calls ----------------------------------------------------------------------------------------------

    def _name(self, expr: ast.Name, bound: Bound) -> Value:
        body = self._body(bound)
        if body is not None:
            return self._inline(expr, body, bound)
        scope, name = bound.scope, expr.text
        if len(expr.parts) == 2 and expr.parts[0] == "pool":
            return self._column(expr.parts[1], bound, scope)
        entry = scope.entries.get(name)
        if name in scope.failed:
            raise WrongError
        if isinstance(entry, ParamEntry):
            return entry.value
        if isinstance(entry, DefineEntry) and entry.define.parameters is not None:
            given = ", ".join(entry.define.parameters)
            self._wrong(
                "E0302", f"`{name}` needs arguments", bound, "defined with parameters", f"write `{name}({given})`"
            )
        if entry is not None or name == "pool":
            subject = "x" if isinstance(entry, SetEntry) else "uid"
            kind = kind_of(entry) if entry is not None else "the relation of all samples"
            self._wrong(
                "E0203", f"`{name}` is no value", bound, f"it is {kind}", f"test membership: `{subject} IN {name}`"
            )
        library = scope.library.get(name)
        column = scope.schema.get(name)
        if column is not None and (library is not None or name in MODEL_COLUMNS):
            self._wrong(
                "E0206",
                f"`{name}` has two meanings",
                bound,
                "a column of this pool, and a name of the library",
                f"for the column, write `pool.{name}`",
            )
        if column is not None:
            return self._column(name, bound, scope)
        if name in MODEL_COLUMNS:
            return nodes.Feature(name, MODEL_COLUMNS[name].type)
        if library is not None:
            given = ", ".join(library.define.parameters or ())
            self._wrong(
                "E0302", f"`{name}` needs arguments", bound, "defined with parameters", f"write `{name}({given})`"
            )
        if name in FUNCTIONS:
            usage = FUNCTIONS[name].usage
            self._wrong("E0302", f"`{name}` needs arguments", bound, "it is a function", f"write `{usage}`")
        if name.lower() in DENIED:
            self._denied(name, bound, bound.expr.span)
        if name in MODEL_SETS:
            self._wrong("E0203", f"`{name}` is no value", bound, "it is a set", f"test membership: `x IN {name}`")
        helps = suggestion(name, scope.values(), f"the columns are {listed(_usable(scope))}")
        if len(expr.parts) == 1 and not scope.is_library and did_you_mean(name, scope.values()) is None:
            helps = (*helps, f"text is written in quotes: `'{name}'`")
        self._wrong("E0201", f"unknown name `{name}`", bound, "not a column of the pool, a DEFINE or a PARAM", *helps)

    def _column(self, name: str, bound: Bound, scope: Scope) -> nodes.Column:
        column = scope.schema.get(name)
        if column is None:
            self._wrong(
                "E0201",
                f"unknown column `{name}`",
                bound,
                "the pool has no such column",
                *suggestion(name, _usable(scope), f"the columns are {listed(_usable(scope))}"),
            )
        if column.type is Type.NESTED:
            self._wrong(
                "E0301",
                f"`{name}` cannot be used in an expression",
                bound,
                "its values are lists or structures",
                "use a column of numbers, text or truth values",
            )
        return nodes.Column(column.name, column.type)

    def _inline(self, expr: ast.Name | ast.Call, body: Bound, bound: Bound) -> Value:
        """Resolve the body that a DEFINE's name or call, or a parameter, stands for."""
        is_parameter = isinstance(expr, ast.Name) and expr.text in bound.arguments
        if not is_parameter and any(body.within[-1] is outer for outer in bound.within):
            circle = body.within[[outer is body.within[-1] for outer in body.within].index(True) :]
            names = " -> ".join(define.name for define in circle)
            self._wrong(
                "E0205",
                f"`{circle[-1].name}` is defined by itself",
                bound,
                names,
                "write one of them without the other" if len(circle) > 2 else "leave its own name out of it",
            )
        return self.resolve(body)

    def _call(self, expr: ast.Call, bound: Bound) -> Value:
        body = self._body(bound)
        if body is not None:
            return self._inline(expr, body, bound)
        entry = self._define(expr.name, bound.scope)
        if entry is not None:
            self._wrong_arguments(entry.define, expr)
        function = FUNCTIONS.get(expr.name)
        if function is None:
            self._unknown_function(expr, bound)
        fewest = len(function.parameters)
        given = len(expr.arguments)
        if given < fewest or (given > fewest and not function.variadic):
            count = f"at least {fewest}" if function.variadic else str(fewest)
            self._wrong_at(
                "E0302",
                f"`{function.name}` takes {count} argument{'s' if fewest != 1 else ''}, {given} given",
                expr.span,
                function.summary,
                f"write `{function.usage}`",
            )
        return self._apply(function, expr, bound)

    def _wrong_arguments(self, define: ast.Define, expr: ast.Call) -> NoReturn:
        name, parameters, given = define.name, define.parameters, len(expr.arguments)
        if parameters is None:
            self._wrong_at(
                "E0302", f"`{name}` takes no arguments", expr.span, "defined without parameters", f"write `{name}`"
            )
        count = f"{len(parameters)} argument{'s' if len(parameters) != 1 else ''}"
        usage = f"{name}({', '.join(parameters)})"
        self._wrong_at(
            "E0302", f"`{name}` takes {count}, {given} given", expr.span, f"defined as `{usage}`", f"write `{usage}`"
        )

    def _unknown_function(self, expr: ast.Call, bound: Bound) -> NoReturn:
        if expr.name.lower() in FUNCTIONS:
            self._wrong_at(
                "E0204",
                f"unknown function `{expr.name}`",
                expr.name_span,
                "names are case-sensitive",
                f"write `{expr.name.lower()}`",
            )
        if expr.name.lower() in DENIED:
            self._denied(expr.name, bound, expr.name_span)
        known = [*FUNCTIONS, *(name for name, e in bound.scope.library.items() if e.define.parameters is not None)]
        known += [
            n for n, e in bound.scope.entries.items() if isinstance(e, DefineEntry) and e.define.parameters is not None
        ]
        denied = did_you_mean(expr.name, DENIED)
        if denied is not None and did_you_mean(expr.name, known) is None:
            helps: tuple[str, ...] = (f"if `{denied}` is meant: {DENIED[denied].instead}",)
        else:
            helps = suggestion(expr.name, known, f"the functions are {listed(FUNCTIONS)}")
        label = "not in the table of functions, and what has no row there is denied"
        self._wrong_at("E0204", f"unknown function `{expr.name}`", expr.name_span, label, *helps)

    def _denied(self, name: str, bound: Bound, span: Span) -> NoReturn:
        row = DENIED[name.lower()]
        reasons = {
            "EXACT": "it is not part of the language",
            "VERSION": "it is not part of the language: its meaning differs between engines and versions",
            "HARDWARE": "its last digits differ between processors",
            "ORDER": "it depends on the order of rows, or on all samples at once",
            "VOLATILE": "it gives another value at every run",
        }
        self._wrong_at("E0401", f"`{name}` is not allowed", span, reasons[row.effect.name], row.instead)

    def _apply(self, function: Function, expr: ast.Call, bound: Bound) -> Value:
        with all_faults() as attempt:
            parts = [attempt(self._placed, self._in(bound, a)) for a in expr.arguments]
        given = [part() for part in parts]
        if Kind.COMMON in function.parameters:
            type_, values = self._common(given, function.name)
            if function.name in ("least", "greatest") and not type_.numeric:
                label = f"`{function.name}` takes numbers"
                self._wrong_at("E0301", f"{type_.value} where a number belongs", expr.span, label)
            return nodes.Call(function.name, values, type_)
        arguments: list[nodes.Expr] = []
        for parameter, (place, value) in zip(function.parameters, given, strict=True):
            match parameter:
                case Kind.NUMERIC:
                    if isinstance(value, Exact):
                        return Exact(None if value.value is None else abs(value.value))
                    if not value.type.numeric:
                        label = f"`{function.name}` takes a number"
                        self._wrong("E0301", f"{value.type.value} where a number belongs", place, label)
                    arguments.append(value)
                case Kind.PATTERN:
                    if not (isinstance(value, nodes.Literal) and isinstance(value.value, str)):
                        self._wrong(
                            "E0306",
                            "the pattern is not a text literal",
                            place,
                            "must be written out",
                            "for a text that differs from sample to sample, write `contains(text, part)`",
                        )
                    problem = check_pattern(value.value)
                    if problem is not None:
                        help_ = "RE2 has no look-around and no back-references: github.com/google/re2/wiki/Syntax"
                        self._wrong("E0307", "not a pattern that RE2 reads", place, problem, help_)
                    arguments.append(value)
                case Type():
                    arguments.append(self._as_type(value, parameter, place, f"`{function.name}`"))
        result = arguments[0].type if isinstance(function.result, Kind) else function.result
        return nodes.Call(function.name, tuple(arguments), result)

    # --- membership ---------------------------------------------------------------------------------------------------

    def _in_name(self, expr: ast.InName, bound: Bound) -> nodes.Expr:
        subject = self._in(bound, expr.subject)
        name = expr.name.text
        entry = bound.scope.entries.get(name)
        if name == "pool":
            self._require_uid(subject, "`pool`")
            return nodes.InRelation(nodes.PoolScan())
        if isinstance(entry, RelationEntry):
            self._require_uid(subject, f"the {entry.kind} `{name}`")
            return nodes.InRelation(self.queries.reference(entry.ref))
        if isinstance(entry, SetEntry):
            self._refuse_quantile(subject)
            value = self.key(subject, "the left side of IN")
            is_uid = value == nodes.Column("uid", Type.TEXT)
            return nodes.InSet(value, named_set(name, entry.set, value.type, is_uid, expr.name.span, self.diagnostics))
        if entry is None and name in MODEL_SETS:
            value = self._of_type(subject, MODEL_SETS[name].type, f"`IN {name}`")
            return nodes.InSet(value, nodes.ModelSet(name, MODEL_SETS[name].type))
        if entry is not None or name in bound.scope.values():
            self._wrong_at(
                "E0203",
                f"`{name}` is no set",
                expr.name.span,
                "IN needs a set, a stage or a recipe",
                f"to compare with one value, write `= {name}`",
            )
        self._wrong_at(
            "E0201",
            f"unknown set `{name}`",
            expr.name.span,
            "not a SET, a stage or an imported recipe",
            *suggestion(name, bound.scope.sets(), f"declare it: `SET {name} FROM '{name}.txt' SHA256 '..';`"),
        )

    def _require_uid(self, subject: Bound, what: str) -> None:
        if self.resolve(subject) != nodes.Column("uid", Type.TEXT):
            self._wrong(
                "E0308",
                f"only `uid` can be tested against {what}",
                subject,
                "a relation holds uids, nothing else",
                "write `uid IN ..`; for values, name a SET",
            )

    # --- comparison and order statistics ------------------------------------------------------------------------------

    def _compare(self, op: str, left: Bound, right: Bound, span: Span) -> nodes.Expr:
        left_q, right_q = self._quantile(left), self._quantile(right)
        if left_q is not None and right_q is not None:
            self._wrong_at(
                "E0309",
                "q on both sides",
                span,
                "one side must be the expression that q ranks",
                f"name the expression: `x >= {' '.join(right_q.expr.span.text.split())}`",
            )
        if right_q is not None:
            value = self._ranked(left)
            return nodes.Compare(op, value, self._order_statistic(right_q, value))
        if left_q is not None:
            value = self._ranked(right)
            return nodes.Compare(op, self._order_statistic(left_q, value), value)
        with all_faults() as attempt:
            a = attempt(self.resolve, left)
            b = attempt(self.resolve, right)
        return self._typed_compare(op, left, a(), right, b(), span)

    def _typed_compare(self, op: str, left: Bound, a: Value, right: Bound, b: Value, span: Span) -> nodes.Expr:
        if isinstance(a, Exact) and isinstance(b, Exact):
            if a.value is None or b.value is None:
                return nodes.Literal(None, Type.BOOL)
            return nodes.Literal(HOLDS[op](a.value, b.value), Type.BOOL)
        type_, (a, b) = self._common([(left, a), (right, b)], op)
        if type_ is Type.BOOL and op not in ("=", "<>"):
            self._wrong_at(
                "E0301", f"BOOL has no order for `{op}`", span, "TRUE and FALSE are not ranked", "use `=` or `<>`"
            )
        for place, value, other in ((right, b, a), (left, a, b)):
            if other == nodes.Column("uid", Type.TEXT) and isinstance(value, nodes.Literal):
                self._check_uid(value, place)
        return nodes.Compare(op, a, b)

    def _check_uid(self, value: nodes.Literal, place: Bound) -> None:
        text = value.value
        if isinstance(text, str) and not (len(text) == 32 and set(text) <= set("0123456789abcdef")):
            digits = text.strip().lower().replace("-", "")
            meant = 0 < len(digits) <= 32 and set(digits) <= set("0123456789abcdef")
            self._wrong(
                "E0310",
                "not a uid",
                place,
                "a uid is 32 lower-case hex digits",
                f"write '{digits.zfill(32)}'" if meant else "write it as it stands in the pool's column `uid`",
            )

    def _quantile(self, bound: Bound) -> Bound | None:
        expanded = self._expand(bound)
        return expanded if isinstance(expanded.expr, ast.Quantile) else None

    def _ranked(self, bound: Bound) -> nodes.Expr:
        value = self._numeric(bound, "q ranks numbers")
        if isinstance(value, Exact):
            self._wrong("E0304", "q of a constant", bound, "the same for every sample", "compare a column with q")
        if any(isinstance(node, nodes.Quantile) for node in nodes.walk(value)):
            help_ = "select by the inner q in a stage: `WITH part AS (SELECT uid FROM pool WHERE ..)`"
            self._wrong("E0309", "q inside q's expression", bound, "what q ranks must not hold a q", help_)
        return value

    def _order_statistic(self, bound: Bound, value: nodes.Expr) -> nodes.Quantile:
        written = bound.expr
        assert isinstance(written, ast.Quantile)
        if not self.quantiles_allowed:
            help_ = "select by the inner q in a stage: `WITH part AS (SELECT uid FROM pool WHERE ..)`"
            self._wrong("E0309", "q inside q", bound, "neither p nor BY may hold a q", help_)
        with all_faults() as attempt:
            rank = attempt(self._rank, self._in(bound, written.p))
            population = attempt(self._population, written, bound)
            keys = [attempt(self._by, self._in(bound, key)) for key in written.by]
        by = tuple(key() for key in keys)
        return nodes.Quantile(value, population(), rank(), by, written.nulls_first, value.type, written.span.text)

    def _by(self, bound: Bound) -> nodes.Expr:
        allowed, self.quantiles_allowed = self.quantiles_allowed, False
        try:
            return self.key(bound, "a BY key")
        finally:
            self.quantiles_allowed = allowed

    def _rank(self, bound: Bound) -> nodes.Rank:
        """Resolve p: a constant, or `1 - datacomp_fraction(f)`."""
        expanded = self._expand(bound)
        expr = expanded.expr
        if isinstance(expr, ast.Arithmetic) and len(expr.rest) == 1 and expr.rest[0][0] == "-":
            inner = self._expand(self._in(expanded, expr.rest[0][1]))
            if (
                isinstance(inner.expr, ast.Call)
                and inner.expr.name == "datacomp_fraction"
                and len(inner.expr.arguments) == 1
            ):
                one = self.constant(self._in(expanded, expr.first), "the p of q")
                given = self._expand(self._in(inner, inner.expr.arguments[0]))
                fraction = self.constant(given, "the fraction").value
                assert fraction is not None
                if one.value != 1:
                    self._wrong("E0311", "`datacomp_fraction` stands after `1 -`", bound, "DataComp's rank is no other")
                self._check_share(fraction, "the fraction", "datacomp_q", given)
                return nodes.Rank(fraction, datacomp=True)
        value = self.constant(bound, "the p of q").value
        assert value is not None
        self._check_share(value, "the p of q", "q", bound)
        return nodes.Rank(value)

    def _check_share(self, value: Fraction, what: str, function: str, bound: Bound) -> None:
        """Raise WrongError where a share is not between 0 and 1."""
        if 0 <= value <= 1:
            return
        percent = constants.shown(value)
        if 1 < value <= 100:
            help_ = f"for {percent} percent, write `{function}({constants.shown(value / 100)})`"
        else:
            help_ = "a share of 0.7 is 70 percent: `x >= q(0.7)` keeps the top 30 percent"
        self._wrong("E0311", f"{what} is not between 0 and 1", bound, f"it is {percent}", help_)

    def _population(self, written: ast.Quantile, bound: Bound) -> nodes.Rel:
        if written.of is None:
            if self.population is None:
                label = self.population_reason
                if bound.use is not None:
                    line, _ = bound.use.source.position(bound.use.start)
                    label = f"used on line {line}; {label}"
                self._wrong_at("E0402", "q does not say over which samples", written.span, label, *_of_help(written))
            return self.population
        name = written.of.text
        if name == "pool":
            return nodes.PoolScan()
        entry = bound.scope.entries.get(name)
        if isinstance(entry, RelationEntry):
            return self.queries.reference(entry.ref)
        label = "OF names `pool`, a stage above, or an imported recipe"
        if entry is not None or name in bound.scope.values():
            self._wrong_at("E0203", f"`{name}` is no relation", written.of.span, label)
        self._wrong_at(
            "E0201", f"unknown population `{name}`", written.of.span, label, *bound.scope.relation_help(name, "OF pool")
        )

    def _equal(self, subject: Bound, item: Bound, span: Span) -> nodes.Expr:
        """Resolve one item of an IN list."""
        self._refuse_quantile(item)
        return self._compare("=", subject, item, span)

    def _refuse_quantile(self, bound: Bound) -> None:
        """Raise WrongError where a bare q stands as BETWEEN's subject or with IN (SEMANTICS §7)."""
        quantile = self._quantile(bound)
        if quantile is not None:
            self._misplaced_quantile(quantile)

    def _misplaced_quantile(self, bound: Bound) -> NoReturn:
        written = " ".join(bound.expr.span.text.split())
        self._wrong_at(
            "E0309",
            "q stands where no order statistic can",
            bound.use or bound.expr.span,
            "q is a whole side of a comparison; the other side is what it ranks",
            f"let it stand alone, `x >= {written}`; arithmetic goes to the other side",
        )

    # --- arithmetic and types -----------------------------------------------------------------------------------------

    def _arithmetic(self, op: str, left: Value, right: Value, bound: Bound) -> Value:
        try:
            if isinstance(left, Exact) and isinstance(right, Exact):
                return constants.combine(op, left, right)
            type_ = numeric_type([left, right])
            computed = Type.DOUBLE if op == "/" and type_ is Type.INT else type_
            return nodes.Arithmetic(op, convert(left, computed), convert(right, computed), computed)
        except DoesNotFitError as reason:
            self._wrong("E0303", "the constant does not fit", bound, str(reason), "write the result, rounded")

    def _numeric(self, bound: Bound, label: str = "arithmetic takes numbers") -> Value:
        value = self.resolve(bound)
        if isinstance(value, Exact) or value.type.numeric:
            return value
        helps = ("a number is written without quotes",) if isinstance(value, nodes.Literal) else ()
        self._wrong("E0301", f"{value.type.value} where a number belongs", bound, label, *helps)

    def _case(self, expr: ast.Case, bound: Bound) -> nodes.Expr:
        with all_faults() as attempt:
            conditions = [attempt(self._of_type, self._in(bound, c), Type.BOOL, "WHEN") for c, _ in expr.branches]
            written = [v for _, v in expr.branches] + ([expr.default] if expr.default is not None else [])
            values = [attempt(self._placed, self._in(bound, v)) for v in written]
        given = [value() for value in values]
        if expr.default is None:
            given.append((bound, Exact(None)))
        type_, typed = self._common(given, "CASE")
        branches = tuple((condition(), value) for condition, value in zip(conditions, typed, strict=False))
        return nodes.Case(branches, typed[-1], type_)

    def _common(self, given: list[tuple[Bound, Value]], what: str) -> tuple[Type, tuple[nodes.Expr, ...]]:
        """Bring values to one type: that of the typed ones; constants follow by the literal rules."""
        types = {value.type for _, value in given if not isinstance(value, Exact)}
        numbers = any(isinstance(value, Exact) and value.value is not None for _, value in given)
        others = {type_ for type_ in types if not type_.numeric}
        if len(others) > 1 or (others and (numbers or len(types) > 1)):
            first_place, first = given[0]
            for place, value in given[1:]:
                a, b = type_name(first), type_name(value)
                if not mixes(a, b):
                    self._wrong(
                        "E0301", f"{a} and {b} do not mix", place, f"this is {b}, the other {a}", *mix_help(a, b)
                    )
            self._wrong("E0301", f"the values of {what} have several types", first_place, "they must share one")
        try:
            type_ = others.pop() if others else numeric_type([value for _, value in given])
        except DoesNotFitError as reason:
            self._wrong("E0303", "the constant does not fit", given[0][0], str(reason))
        typed: list[nodes.Expr] = []
        for place, value in given:
            try:
                typed.append(convert(value, type_))
            except DoesNotFitError as reason:
                self._wrong("E0303", f"the constant does not fit {type_.value}", place, str(reason), *_LARGEST[type_])
        return type_, tuple(typed)

    def _of_type(self, bound: Bound, type_: Type, what: str) -> nodes.Expr:
        return self._as_type(self.resolve(bound), type_, bound, what)

    def _as_type(self, value: Value, type_: Type, bound: Bound, what: str) -> nodes.Expr:
        if isinstance(value, Exact) and value.value is None:
            return nodes.Literal(None, type_)
        if isinstance(value, Exact) or value.type is not type_:
            found = type_name(value)
            helps = self._type_help(type_, found, bound)
            if type_ is Type.INT and isinstance(value, Exact) and value.integral:
                return nodes.Literal(int(value.value or 0), Type.INT)
            self._wrong("E0301", f"{found} where {type_.value} belongs", bound, f"{what} takes {type_.value}", *helps)
        return value

    def _type_help(self, wanted: Type, found: str, bound: Bound) -> tuple[str, ...]:
        written = " ".join(bound.expr.span.text.split())
        short = "x" if len(written) > 40 or (isinstance(bound.expr, ast.Number) and wanted is Type.BOOL) else written
        if wanted is Type.BOOL and found == "TEXT":
            return (f"write a comparison, such as `{short} = 'photo'`",) if short[0] != "'" else ("write a comparison",)
        if wanted is Type.BOOL:
            return (f"write a comparison, such as `{short} > 0`",)
        if wanted is Type.TEXT and isinstance(bound.expr, ast.Number):
            return (f"text is written in quotes: `'{short}'`",)
        return ()

    # --- faults -------------------------------------------------------------------------------------------------------

    def _wrong(self, code: str, message: str, bound: Bound, label: str = "", *helps: str) -> NoReturn:
        self._wrong_at(code, message, bound.expr.span, label, *helps)

    def _wrong_at(self, code: str, message: str, span: Span, label: str = "", *helps: str) -> NoReturn:
        if self.place is not None and span.source is not self.place.source:
            # The fault shows inside the library; what the recipe can change is what it named or gave.
            line, _ = span.source.position(span.start)
            span, label = self.place, f"in {span.source.name}, line {line}: {label}"
        self.diagnostics.add(code, message, span, label, tuple(helps))
        raise WrongError


def _usable(scope: Scope) -> list[str]:
    """Return the columns that an expression may name."""
    return [column.name for column in scope.schema.columns if column.type is not Type.NESTED]


def _of_help(written: ast.Quantile) -> tuple[str, ...]:
    """Return a q with its population written out, for the pool and for a stage."""
    text, end = written.span.text, written.p.span.end - written.span.start
    pool, stage = (" ".join(f"{text[:end]} OF {name}{text[end:]}".split()) for name in ("pool", "stage"))
    return (f"for all samples, write `{pool}`", f"for those of a stage, write `{stage}`")
