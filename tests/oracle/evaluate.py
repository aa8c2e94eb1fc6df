"""Syntax tree -> typed expressions: names, types, DEFINE, three-valued logic (SEMANTICS §§1, 2, 7)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Protocol

from . import tree
from .errors import OracleError
from .functions import fasttext_words, like, python_words, re2
from .numeric import exactly, float_arithmetic, int_arithmetic
from .quantile import Threshold
from .types import (
    NUMERIC,
    Sample,
    Typed,
    Value,
    both,
    common_type,
    compare,
    constant,
    converted,
    either,
    negation,
)

BUILT_IN_NAMES = {
    "clip_l14": "clip_l14_similarity_score",
    "clip_b32": "clip_b32_similarity_score",
    "width": "original_width",
    "height": "original_height",
    "caption": "text",
}
MODEL_COLUMNS = {"lang": "TEXT", "image_cluster": "INT"}
MODEL_SETS = {"imagenet_centroids": "INT"}
FUNCTIONS = {
    "coalesce", "least", "greatest", "abs", "code_points", "python_words", "fasttext_words",
    "regexp_matches", "contains", "starts_with", "ends_with", "datacomp_q",
}  # fmt: skip
TEXT_COUNTS: dict[str, Callable[[str], int]] = {
    "code_points": len,
    "python_words": python_words,
    "fasttext_words": fasttext_words,
}
TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}
UID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Bound:
    """An argument of a DEFINE: what the caller wrote, with the names of the place where it was written."""

    expr: tree.Expr
    scope: "Scope"


Scope = Mapping[str, Bound]  # the arguments of the DEFINE whose body this is; empty outside one
NO_ARGUMENTS: Scope = {}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression is used, which decides what q may mean there."""

    stages: tuple[str, ...] = ()  # the stages above
    bare_q: bool = False  # whether q may omit OF
    q: bool = True  # False inside q's own expression and BY, where none may stand


class Names(Protocol):
    """What expressions need of the recipe around them."""

    columns: dict[str, str]  # type of each column, '' for one that no expression may name
    params: dict[str, Typed]
    defines: dict[str, tree.Define]
    not_values: set[str]  # sets, imported recipes and stages
    needs_model: bool

    def population(self, name: str, place: Place) -> Callable[[], list[Sample]]: ...
    def members(self, name: str, place: Place, subject: Typed) -> Callable[[], set[Value]]: ...
    def subquery(self, query: tree.Query, place: Place) -> Callable[[], set[bytes]]: ...
    def record(self, threshold: Threshold) -> None: ...


@dataclass
class Evaluator:
    names: Names
    inlining: list[str] = field(default_factory=list)

    # ------------------------------------------------------------ DEFINE

    def inline(self, expr: tree.Expr, scope: Scope) -> tuple[tree.Expr, Scope]:
        """Replace a DEFINE's name, a call of one, or an argument by what it stands for, all the way."""
        for _ in range(10_000):
            if isinstance(expr, tree.Name) and expr.name in scope:
                bound = scope[expr.name]
                expr, scope = bound.expr, bound.scope
            elif isinstance(expr, tree.Name) and expr.name in self.names.defines:
                define = self.names.defines[expr.name]
                if define.arguments is not None:
                    raise OracleError("E03", f"{expr.name} takes arguments")
                expr, scope = define.body, NO_ARGUMENTS
            elif isinstance(expr, tree.Call) and expr.name in self.names.defines:
                define = self.names.defines[expr.name]
                if define.arguments is None or len(define.arguments) != len(expr.arguments):
                    raise OracleError("E03", f"{expr.name} does not take {len(expr.arguments)} arguments")
                values = [Bound(argument, scope) for argument in expr.arguments]
                expr, scope = define.body, dict(zip(define.arguments, values, strict=True))
            else:
                return expr, scope
        raise OracleError("E02", "DEFINEs refer to each other in a circle")

    # ------------------------------------------------------------ expressions

    def boolean(self, expr: tree.Expr, scope: Scope, place: Place) -> Typed:
        result = self.typed(expr, scope, place)
        if result.type not in ("BOOL", "NULL"):
            raise OracleError("E03", f"a condition is BOOL, not {result.type}")
        return result

    def typed(self, expr: tree.Expr, scope: Scope, place: Place) -> Typed:
        """Resolve and type one expression; raises E02, E03."""
        expr, scope = self.inline(expr, scope)
        if isinstance(expr, tree.Quantile) and expr.expr is not None:
            return self.named_quantile(expr, scope, place)
        if self.is_bare(expr):
            raise OracleError("E03", "q is a whole operand of a comparison, or a bound of BETWEEN")
        match expr:
            case tree.Number(value):
                return constant("NUMBER", value)
            case tree.Text(value):
                return constant("TEXT", value)
            case tree.Truth(value):
                return constant("NULL" if value is None else "BOOL", value)
            case tree.Name(name):
                return self.name(name)
            case tree.Negate(operand):
                return self.arithmetic("-", constant("NUMBER", Fraction(0)), self.typed(operand, scope, place))
            case tree.Arithmetic(sign, left, right):
                return self.arithmetic(sign, self.typed(left, scope, place), self.typed(right, scope, place))
            case tree.Compare(sign, left, right):
                return self.comparison(sign, left, right, scope, place)
            case tree.Between(subject, low, high):
                return self.between(subject, low, high, scope, place)
            case tree.InList(subject, members):
                tests = [self.comparison("=", subject, member, scope, place, bare=False) for member in members]
                return self.logic(either, tests)
            case tree.InName(subject, name):
                return self.in_name(subject, name, scope, place)
            case tree.InQuery(subject, query):
                return self.in_query(subject, query, scope, place)
            case tree.Like(subject, pattern):
                return self.text_function("LIKE", like, [subject, pattern], scope, place)
            case tree.IsNull(subject):
                of = self.typed(subject, scope, place)
                return Typed("BOOL", lambda sample: of.of(sample) is None, constant=of.constant)
            case tree.Not(operand):
                of = self.boolean(operand, scope, place)
                return Typed("BOOL", lambda sample: negation(of.of(sample)), constant=of.constant)
            case tree.And(operands):
                return self.logic(both, [self.boolean(operand, scope, place) for operand in operands])
            case tree.Or(operands):
                return self.logic(either, [self.boolean(operand, scope, place) for operand in operands])
            case tree.Case():
                return self.case(expr, scope, place)
            case tree.Call(name, arguments):
                return self.call(name, arguments, scope, place)
        raise AssertionError(expr)

    def key(self, expr: tree.Expr, scope: Scope, place: Place) -> Typed:
        """Type what sorts or groups samples; raises E03 for a literal, a PARAM and arithmetic on them."""
        typed = self.typed(expr, scope, place)
        if self.is_constant(expr, scope):
            raise OracleError("E03", "a key is the same for every sample")
        return typed

    def is_constant(self, expr: tree.Expr, scope: Scope) -> bool:
        expr, scope = self.inline(expr, scope)
        match expr:
            case tree.Number() | tree.Text() | tree.Truth():
                return True
            case tree.Name(name):
                return name in self.names.params
            case tree.Negate(operand) | tree.Call("abs", (operand,)):
                return self.is_constant(operand, scope)
            case tree.Arithmetic(_, left, right):
                return self.is_constant(left, scope) and self.is_constant(right, scope)
        return False

    def name(self, name: str) -> Typed:
        if name in self.names.params:
            return self.names.params[name]
        if name in self.names.not_values:
            raise OracleError("E02", f"{name} is a set or a relation")
        if name in self.names.columns and name in {*BUILT_IN_NAMES, *MODEL_COLUMNS, "datacomp_q"}:
            raise OracleError("E02", f"{name} is a column of the pool and a name of the library")
        if name in MODEL_COLUMNS:
            self.names.needs_model = True
            return Typed(MODEL_COLUMNS[name], lambda _: None)
        column = name.removeprefix("pool.") if name.startswith("pool.") else BUILT_IN_NAMES.get(name, name)
        if column not in self.names.columns:
            raise OracleError("E02", f"no column, DEFINE or PARAM is named {name}")
        type_ = self.names.columns[column]
        if not type_:
            raise OracleError("E03", f"the column {column} is nested: no expression may name it")
        return Typed(type_, lambda sample: sample.values[column], is_uid=column == "uid")

    @staticmethod
    def logic(combine: Callable[[list[Value]], bool | None], operands: list[Typed]) -> Typed:
        return Typed(
            "BOOL",
            lambda sample: combine([operand.of(sample) for operand in operands]),
            constant=all(operand.constant for operand in operands),
        )

    # ------------------------------------------------------------ numbers

    @staticmethod
    def arithmetic(sign: str, left: Typed, right: Typed) -> Typed:
        type_ = common_type([left, right], sign)
        if type_ not in NUMERIC | {"NULL"}:
            raise OracleError("E03", f"{sign} takes numbers, not {type_}")
        a, b = converted(left, type_), converted(right, type_)
        is_constant = left.constant and right.constant

        def value(sample: Sample) -> Value:
            x, y = a(sample), b(sample)
            if x is None or y is None:
                return None
            if isinstance(x, Fraction) and isinstance(y, Fraction):
                return exactly(sign, x, y)
            if isinstance(x, int) and isinstance(y, int):
                # INT / INT is DOUBLE: both become DOUBLE first.
                return (
                    float_arithmetic(sign, float(x), float(y), "DOUBLE") if sign == "/" else int_arithmetic(sign, x, y)
                )
            assert isinstance(x, float)
            assert isinstance(y, float)
            return float_arithmetic(sign, x, y, type_)

        numbers = {exactly(sign, x, y) for x in left.numbers for y in right.numbers} if type_ == "NUMBER" else set()
        result = "DOUBLE" if (type_, sign) == ("INT", "/") else type_
        return Typed(result, value, is_constant, frozenset(number for number in numbers if number is not None))

    # ------------------------------------------------------------ comparisons and q

    def is_bare(self, expr: tree.Expr) -> bool:
        """Whether it is a q that does not name its expression."""
        if isinstance(expr, tree.Quantile):
            return expr.expr is None
        return isinstance(expr, tree.Call) and expr.name == "datacomp_q"

    def named_quantile(self, expr: tree.Quantile, scope: Scope, place: Place) -> Typed:
        """A q that names its expression is a number of that one's type; constants that a CASE chooses have none yet."""
        assert expr.expr is not None
        if not place.q:
            raise OracleError("E03", "the expression of q holds no q")
        threshold = self.threshold(expr, scope, expr.expr, scope, place)
        of = threshold.expression
        if of.type != "NUMBER":
            return Typed(of.type, threshold.value_for)
        whole = all(number.denominator == 1 for number in of.numbers)
        type_ = "INT" if whole else "DOUBLE"
        threshold.expression = Typed(type_, converted(of, type_))
        return Typed(type_, threshold.value_for)

    def comparison(
        self, sign: str, left: tree.Expr, right: tree.Expr, scope: Scope, place: Place, *, bare: bool = True
    ) -> Typed:
        """Type `left sign right`; bare says whether q may be an operand (not in an IN list)."""
        left_head, left_scope = self.inline(left, scope)
        right_head, right_scope = self.inline(right, scope)
        if self.is_bare(left_head) or self.is_bare(right_head):
            if not bare:
                raise OracleError("E03", "q may not stand in an IN list")
            if not place.q or (self.is_bare(left_head) and self.is_bare(right_head)):
                raise OracleError("E03", "the expression of q holds no q")
            if self.is_bare(left_head):
                threshold = self.threshold(left_head, left_scope, right, scope, place)
                return self.cut(threshold, lambda x, t: compare(sign, t, x))
            threshold = self.threshold(right_head, right_scope, left, scope, place)
            return self.cut(threshold, lambda x, t: compare(sign, x, t))
        x, y = self.typed(left, scope, place), self.typed(right, scope, place)
        for one, other in ((x, y), (y, x)):
            if one.is_uid and other.constant and isinstance(other.value, str) and not UID.fullmatch(other.value):
                raise OracleError("E03", "a uid literal is 32 lower-case hex digits")
        type_ = common_type([x, y], sign)
        if type_ == "BOOL" and sign not in ("=", "<>"):
            raise OracleError("E03", "BOOL is compared only by = and <>")
        a, b = converted(x, type_), converted(y, type_)
        return Typed("BOOL", lambda sample: compare(sign, a(sample), b(sample)), constant=x.constant and y.constant)

    @staticmethod
    def cut(threshold: Threshold, test: Callable[[Value, Value], bool | None]) -> Typed:
        of = threshold.expression.of
        return Typed("BOOL", lambda sample: test(of(sample), threshold.value_for(sample)))

    def threshold(
        self, head: tree.Expr, head_scope: Scope, other: tree.Expr, other_scope: Scope, place: Place
    ) -> Threshold:
        """Type one q, whose expression is the other operand of its comparison."""
        inner = replace(place, q=False)
        by: list[Typed] = []
        if isinstance(head, tree.Quantile):
            of, nulls_first, datacomp = head.of, head.nulls_first, False
            p_typed = self.typed(head.p, head_scope, inner)
            by = [self.key(key, head_scope, inner) for key in head.by]
        else:
            assert isinstance(head, tree.Call)
            if len(head.arguments) != 1:
                raise OracleError("E03", "datacomp_q takes one fraction")
            of, nulls_first, datacomp = None, True, True
            p_typed = self.typed(head.arguments[0], head_scope, inner)
        if of is None and not place.bare_q:
            raise OracleError("E03", "q over anything but FROM pool says OF pool or OF a stage")
        p = p_typed.value if p_typed.constant else None
        if not isinstance(p, Fraction) or not 0 <= p <= 1:
            raise OracleError("E03", "q takes a constant from 0 to 1")
        expression = self.key(other, other_scope, inner)
        if expression.type not in NUMERIC | {"NULL"}:
            raise OracleError("E03", f"the expression of q is numeric, not {expression.type}")
        population = self.names.population(of or "pool", place)
        threshold = Threshold(population, expression, tuple(by), p, nulls_first, datacomp)
        self.names.record(threshold)
        return threshold

    def between(self, subject: tree.Expr, low: tree.Expr, high: tree.Expr, scope: Scope, place: Place) -> Typed:
        """`x BETWEEN a AND b` is `x >= a AND x <= b`, each typed by itself."""
        if self.is_bare(self.inline(subject, scope)[0]):
            raise OracleError("E03", "q may not be the subject of BETWEEN")
        tests = [
            self.comparison(">=", subject, low, scope, place),
            self.comparison("<=", subject, high, scope, place),
        ]
        return self.logic(both, tests)

    # ------------------------------------------------------------ IN

    def in_name(self, subject: tree.Expr, name: str, scope: Scope, place: Place) -> Typed:
        x = self.typed(subject, scope, place)
        if name in MODEL_SETS and name not in self.names.not_values:
            common_type([x, Typed(MODEL_SETS[name], lambda _: None)], "IN")
            self.names.needs_model = True
            return Typed("BOOL", lambda _: None)
        return self.member(x, self.names.members(name, place, x))

    def in_query(self, subject: tree.Expr, query: tree.Query, scope: Scope, place: Place) -> Typed:
        x = self.typed(subject, scope, place)
        if not x.is_uid:
            raise OracleError("E03", "only uid may be tested against a SELECT")
        uids = self.names.subquery(query, place)
        return self.member(x, lambda: {uid.hex() for uid in uids()})

    @staticmethod
    def member(x: Typed, members: Callable[[], set[Value]]) -> Typed:
        """Test membership: a NULL x gives NULL, even of an empty set; members is asked once, when needed."""
        known: list[set[Value]] = []

        def value(sample: Sample) -> Value:
            if not known:
                known.append(members())
            element = x.of(sample)
            return None if element is None else element in known[0]

        return Typed("BOOL", value)

    # ------------------------------------------------------------ CASE and functions

    def case(self, expr: tree.Case, scope: Scope, place: Place) -> Typed:
        conditions: list[Typed] = []
        results: list[Typed] = []
        for condition, result in expr.branches:
            conditions.append(self.boolean(condition, scope, place))
            results.append(self.typed(result, scope, place))
        results.append(constant("NULL", None) if expr.otherwise is None else self.typed(expr.otherwise, scope, place))
        type_ = common_type(results, "CASE")
        values = [converted(result, type_) for result in results]

        def value(sample: Sample) -> Value:
            for condition, branch in zip(conditions, values[:-1], strict=True):
                if condition.of(sample) is True:
                    return branch(sample)
            return values[-1](sample)

        return self.chosen(type_, value, results, conditions)

    @staticmethod
    def chosen(type_: str, value: Callable[[Sample], Value], options: list[Typed], others: list[Typed]) -> Typed:
        """Wrap an expression whose value is one of its options."""
        numbers = frozenset(number for option in options for number in option.numbers)
        is_constant = all(part.constant for part in options + others)
        return Typed(type_, value, is_constant, numbers if type_ == "NUMBER" else frozenset())

    def call(self, name: str, arguments: tuple[tree.Expr, ...], scope: Scope, place: Place) -> Typed:
        if name not in FUNCTIONS:
            raise OracleError("E02", f"no function or DEFINE is named {name}")
        if name in TEXT_COUNTS:
            return self.text_function(name, TEXT_COUNTS[name], arguments, scope, place)
        if name in TEXT_TESTS:
            return self.text_function(name, TEXT_TESTS[name], arguments, scope, place)
        if name == "regexp_matches":
            return self.regexp_matches(arguments, scope, place)
        operands = [self.typed(argument, scope, place) for argument in arguments]
        if name == "abs":
            return self.absolute(operands)
        if not operands:
            raise OracleError("E03", f"{name} takes at least one argument")
        type_ = common_type(operands, name)
        if type_ == "BOOL" and name != "coalesce":
            raise OracleError("E03", f"{name} takes numbers or text: BOOL has no order")
        values = [converted(operand, type_) for operand in operands]

        def value(sample: Sample) -> Value:
            found = [of(sample) for of in values]
            if name == "coalesce":
                return next((one for one in found if one is not None), None)
            if any(one is None for one in found):
                return None
            return min(found) if name == "least" else max(found)  # type: ignore[type-var]

        return self.chosen(type_, value, operands, [])

    def absolute(self, operands: list[Typed]) -> Typed:
        """abs(x) is x or 0 - x, so that the least INT and infinity give NULL."""
        if len(operands) != 1:
            raise OracleError("E03", "abs takes one number")
        x = operands[0]
        same = self.arithmetic("+", constant("NUMBER", Fraction(0)), x)
        negative = self.arithmetic("-", constant("NUMBER", Fraction(0)), x)

        def value(sample: Sample) -> Value:
            found = x.of(sample)
            if found is None:
                return None
            return negative.of(sample) if found < 0 else same.of(sample)  # type: ignore[operator]

        return Typed(x.type, value, x.constant, frozenset(abs(number) for number in x.numbers))

    def text_function(
        self,
        name: str,
        function: Callable[..., int | bool],
        arguments: "list[tree.Expr] | tuple[tree.Expr, ...]",
        scope: Scope,
        place: Place,
    ) -> Typed:
        operands = [self.typed(argument, scope, place) for argument in arguments]
        if len(operands) != (1 if name in TEXT_COUNTS else 2):
            raise OracleError("E03", f"{name} does not take {len(operands)} arguments")
        for operand in operands:
            if operand.type not in ("TEXT", "NULL"):
                raise OracleError("E03", f"{name} takes TEXT, not {operand.type}")

        def value(sample: Sample) -> Value:
            found = [operand.of(sample) for operand in operands]
            return None if None in found else function(*found)

        return Typed("INT" if name in TEXT_COUNTS else "BOOL", value)

    def regexp_matches(self, arguments: tuple[tree.Expr, ...], scope: Scope, place: Place) -> Typed:
        if len(arguments) != 2:
            raise OracleError("E03", "regexp_matches takes a text and a pattern")
        pattern, _ = self.inline(arguments[1], scope)
        if not isinstance(pattern, tree.Text):
            raise OracleError("E03", "the pattern of regexp_matches is a string literal")
        matches = re2(pattern.value)
        return self.text_function("regexp_matches", lambda text, _: matches(text), arguments, scope, place)
