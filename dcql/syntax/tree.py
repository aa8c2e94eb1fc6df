"""Grammar rules -> syntax tree: one method for each rule or alias of grammar.lark, of the same name.

The parser calls a method as soon as its rule is complete, with everything the rule holds in order: tokens (punctuation
and keywords too), nodes, tuples of them, and None for an optional part that was left out.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from dcql.errors import Diagnostic
from dcql.source import LANGUAGE, Source, Span
from dcql.syntax import ast

MAX_OPERANDS = 10_000
MAX_DIGITS = 400

Children = list[Any]


@dataclass(frozen=True)
class FinalQuery:
    """The last statement of a recipe: WITH stages, the query, and its promises."""

    stages: tuple[ast.Stage, ...]
    query: ast.Query
    expects: tuple[ast.Expect, ...]
    span: Span


class TreeBuilder:
    """Builds the nodes of one statement; `start` is where its text begins in the source."""

    def __init__(self) -> None:
        self.begin(Source("", ""), 0)

    def begin(self, source: Source, start: int) -> None:
        """Take `source` and `start` for the spans of the nodes to come."""
        self.source = source
        self.start = start
        self.found: list[Diagnostic] = []

    # --- definitions ---

    def language(self, c: Children) -> ast.Language:
        _, written = c
        if str(written) != str(LANGUAGE):
            self.found.append(
                Diagnostic(
                    "E0144",
                    f"DCQL {written} is not spoken here",
                    self.span(written),
                    f"this dcql speaks DCQL {LANGUAGE}",
                    (f"for a recipe of this version, write `DCQL {LANGUAGE};`",),
                )
            )
        return ast.Language(LANGUAGE, span=self.span(*c))

    def define(self, c: Children) -> ast.Define:
        _, name, parameters, _, body = c
        if name in ("q", "Q"):
            self.found.append(
                Diagnostic(
                    "E0137",
                    f"`{name}` cannot be defined",
                    self.span(name),
                    "`q(..)` is always the order statistic",
                    ("write another name",),
                )
            )
        return ast.Define(str(name), parameters, body, span=self.span(*c), name_span=self.span(name))

    def param(self, c: Children) -> ast.Param:
        _, name, _, default = c
        return ast.Param(str(name), default, span=self.span(*c), name_span=self.span(name))

    def set_file(self, c: Children) -> ast.SetFile:
        _, name, _, path, _, sha256 = c
        return ast.SetFile(
            str(name), self.text([path]), self.text([sha256]), span=self.span(*c), name_span=self.span(name)
        )

    def import_recipe(self, c: Children) -> ast.Import:
        _, path, _, name, _, arguments = c
        return ast.Import(self.text([path]), str(name), arguments or (), span=self.span(*c), name_span=self.span(name))

    def parameters(self, c: Children) -> tuple[str, ...]:
        return tuple(str(name) for name in c[1] or ())

    def names(self, c: Children) -> tuple[Any, ...]:
        return tuple(c[::2])

    def arguments(self, c: Children) -> tuple[tuple[str, ast.Expr], ...]:
        return tuple(c[::2])

    def argument(self, c: Children) -> tuple[str, ast.Expr]:
        return str(c[0]), c[2]

    # --- models ---

    def model(self, c: Children) -> ast.Model:
        _, name, _, parameters, _, _, returns, _, version, code, weights, _, tolerance, _, licence, _, cite = c
        return ast.Model(
            str(name),
            parameters or (),
            returns,
            self.number([version]),
            code,
            weights or (),
            tolerance,
            self.text([licence]) if licence is not None else None,
            self.text([cite]) if cite is not None else None,
            span=self.span(*c),
            name_span=self.span(name),
        )

    def model_parameters(self, c: Children) -> tuple[ast.Parameter, ...]:
        return tuple(c[::2])

    def model_parameter(self, c: Children) -> ast.Parameter:
        name, type_, _, default = c
        return ast.Parameter(str(name), type_, default, span=self.span(*c))

    def type_name(self, c: Children) -> ast.TypeName:
        name, _, argument, _ = c
        return ast.TypeName(
            str(name), self.number([argument]).value if argument is not None else None, span=self.span(*c)
        )

    def code(self, c: Children) -> ast.Code:
        _, path, _, sha256 = c
        return ast.Code(self.text([path]), self.text([sha256]), span=self.span(*c))

    def weights(self, c: Children) -> tuple[ast.Weights, ...]:
        return tuple(c[1::2])

    def weights_file(self, c: Children) -> ast.Weights:
        file, _, sha256 = c
        return ast.Weights(self.text([file]), self.text([sha256]), span=self.span(*c))

    def feature(self, c: Children) -> ast.Feature:
        _, name, type_, _, using = c
        return ast.Feature(str(name), type_, using, span=self.span(*c), name_span=self.span(name))

    def pool_asset(self, c: Children) -> ast.PoolAsset:
        _, name, _, source = c
        return ast.PoolAsset(str(name), source, span=self.span(*c), name_span=self.span(name))

    def asset_file(self, c: Children) -> ast.AssetFile:
        _, name, _, path, _, sha256 = c
        return ast.AssetFile(
            str(name), self.text([path]), self.text([sha256]), span=self.span(*c), name_span=self.span(name)
        )

    def made_asset(self, c: Children) -> ast.MadeAsset:
        _, name, _, using = c
        return ast.MadeAsset(str(name), using, span=self.span(*c), name_span=self.span(name))

    def fit_asset(self, c: Children) -> ast.FitAsset:
        _, name, _, _, using, _, on, _, seed = c
        return ast.FitAsset(str(name), using, on, seed, span=self.span(*c), name_span=self.span(name))

    def model_call(self, c: Children) -> ast.ModelCall:
        name, _, arguments, _ = c
        return ast.ModelCall(self.name([name]), arguments or (), span=self.span(*c))

    def model_arguments(self, c: Children) -> tuple[ast.Argument, ...]:
        return tuple(c[::2])

    def model_argument(self, c: Children) -> ast.Argument:
        name, _, value = c
        return ast.Argument(str(name) if name is not None else None, value, span=self.span(*c))

    # --- queries ---

    def final_query(self, c: Children) -> FinalQuery:
        stages, query, *expects = c
        return FinalQuery(stages or (), query, tuple(expects), self.span(*c))

    def stages(self, c: Children) -> tuple[ast.Stage, ...]:
        return tuple(c[1::2])

    def stage(self, c: Children) -> ast.Stage:
        return ast.Stage(str(c[0]), c[3], span=self.span(*c), name_span=self.span(c[0]))

    def expect(self, c: Children) -> ast.Expect:
        return ast.Expect(c[3], c[5], span=self.span(*c))

    def bound(self, c: Children) -> ast.Bound:
        return ast.Bound(c[0], c[1] is not None, span=self.span(*c))

    def query(self, c: Children) -> ast.Query:
        body, _, _, order, limit = c
        return ast.Query(body, order or (), limit, span=self.span(*c))

    def set_operation(self, c: Children) -> ast.SetOperation:
        left, *words, right = c
        return ast.SetOperation(" ".join(word.upper() for word in words if word), left, right, span=self.span(*c))

    def select(self, c: Children) -> ast.Select:
        _, distinct_on, _, _, relation, _, where = c
        return ast.Select(relation, where, distinct_on or (), span=self.span(*c))

    def distinct_on(self, c: Children) -> tuple[ast.Expr, ...]:
        keys: tuple[ast.Expr, ...] = c[3]
        return keys

    def order_keys(self, c: Children) -> tuple[ast.OrderKey, ...]:
        return tuple(c[::2])

    def order_key(self, c: Children) -> ast.OrderKey:
        expr, direction, _, nulls = c
        return ast.OrderKey(expr, _is(direction, "DESC"), _is(nulls, "FIRST"), span=self.span(*c))

    def limit(self, c: Children) -> ast.Limit:
        return ast.Limit(c[1], c[2] is not None, span=self.span(*c))

    # --- expressions ---

    def disjunction(self, c: Children) -> ast.Or:
        return ast.Or(self.operands(c), span=self.span(*c))

    def conjunction(self, c: Children) -> ast.And:
        return ast.And(self.operands(c), span=self.span(*c))

    def negation(self, c: Children) -> ast.Not:
        return ast.Not(c[1], span=self.span(*c))

    def compare(self, c: Children) -> ast.Compare:
        left, op, right = c
        return ast.Compare("<>" if op == "!=" else str(op), left, right, span=self.span(*c))

    def between(self, c: Children) -> ast.Between:
        subject, negated, _, low, _, high = c
        return ast.Between(subject, low, high, negated is not None, span=self.span(*c))

    def like(self, c: Children) -> ast.Like:
        return ast.Like(c[0], c[3], c[1] is not None, span=self.span(*c))

    def is_null(self, c: Children) -> ast.IsNull:
        return ast.IsNull(c[0], c[2] is not None, span=self.span(*c))

    def in_name(self, c: Children) -> ast.InName:
        return ast.InName(c[0], c[3], c[1] is not None, span=self.span(*c))

    def in_list(self, c: Children) -> ast.InList:
        return ast.InList(c[0], c[4], c[1] is not None, span=self.span(*c))

    def in_query(self, c: Children) -> ast.InQuery:
        return ast.InQuery(c[0], c[4], c[1] is not None, span=self.span(*c))

    def arithmetic(self, c: Children) -> ast.Arithmetic:
        first, *others = self.operands(c)
        return ast.Arithmetic(first, tuple(zip(map(str, c[1::2]), others, strict=True)), span=self.span(*c))

    def sign(self, c: Children) -> ast.Node:
        return ast.Negate(c[1], span=self.span(*c)) if c[0] == "-" else self.widened(c[1], c)

    def group(self, c: Children) -> ast.Node:
        return self.widened(c[1], c)

    def number(self, c: Children) -> ast.Number:
        digits, _, exponent = c[0].lower().partition("e")
        if len(digits) > MAX_DIGITS or len(exponent) > 4 or abs(int(exponent or "0")) > MAX_DIGITS:
            self.found.append(
                Diagnostic(
                    "E0108",
                    "number out of range",
                    self.span(*c),
                    f"a number has at most {MAX_DIGITS} digits, and an exponent of at most {MAX_DIGITS}",
                )
            )
            return ast.Number(Decimal(0), span=self.span(*c))
        return ast.Number(Decimal(c[0]), span=self.span(*c))

    def text(self, c: Children) -> ast.Text:
        return ast.Text(c[0][1:-1].replace("''", "'"), span=self.span(*c))

    def true(self, c: Children) -> ast.Boolean:
        return ast.Boolean(True, span=self.span(*c))

    def false(self, c: Children) -> ast.Boolean:
        return ast.Boolean(False, span=self.span(*c))

    def null(self, c: Children) -> ast.Null:
        return ast.Null(span=self.span(*c))

    def name(self, c: Children) -> ast.Name:
        return ast.Name(tuple(str(part) for part in c[::2]), span=self.span(*c))

    def call(self, c: Children) -> ast.Call:
        return ast.Call(str(c[0]), c[2] or (), span=self.span(*c), name_span=self.span(c[0]))

    def quantile(self, c: Children) -> ast.Quantile:
        _, _, p, _, expr, _, of, _, by, nulls, _, _ = c
        return ast.Quantile(p, expr, of, by or (), nulls is not None, span=self.span(*c))

    def case(self, c: Children) -> ast.Case:
        _, *branches, _, default, _ = c
        return ast.Case(tuple(branches), default, span=self.span(*c))

    def branch(self, c: Children) -> tuple[ast.Expr, ast.Expr]:
        return c[1], c[3]

    def expressions(self, c: Children) -> tuple[ast.Expr, ...]:
        return tuple(c[::2])

    # --- what the methods above share ---

    def span(self, *children: Any) -> Span:
        """Return the span from the first to the last of `children` that is there."""
        first = next(child for child in children if child is not None)
        last = next(child for child in reversed(children) if child is not None)
        return Span(self.source, self._start_of(first), self._end_of(last))

    def widened(self, node: ast.Node, children: Children) -> ast.Node:
        """Return `node` with the parentheses or the sign around it in its span."""
        return replace(node, span=self.span(*children))

    def operands(self, c: Children) -> tuple[ast.Expr, ...]:
        """Return every other child, and record an error when there are too many."""
        if len(c) > 2 * MAX_OPERANDS:
            self.found.append(
                Diagnostic(
                    "E0152",
                    f"more than {MAX_OPERANDS:,} operands in one chain of `{c[1]}`",
                    self.span(c[2 * MAX_OPERANDS]),
                    f"operand {MAX_OPERANDS + 1:,}",
                    ("values belong in a file: SET s FROM 'values.txt' SHA256 '..'; then `x IN s`",),
                )
            )
        return tuple(c[::2])

    def _start_of(self, item: Any) -> int:
        while isinstance(item, tuple):
            item = item[0]
        start: int = item.span.start if isinstance(item, ast.Node) else item.start_pos + self.start
        return start

    def _end_of(self, item: Any) -> int:
        while isinstance(item, tuple):
            item = item[-1]
        end: int = item.span.end if isinstance(item, ast.Node) else item.end_pos + self.start
        return end


def _is(word: str | None, keyword: str) -> bool:
    return word is not None and word.upper() == keyword
