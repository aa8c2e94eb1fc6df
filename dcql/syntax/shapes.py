"""Grammar rules -> layouts: one method for each rule or alias of grammar.lark, of the same name.

As in tree.py, the parser calls a method as soon as its rule is complete. All tokens come through here and each is
printed, but for parentheses and a sign `+` that change nothing.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Any

from dcql.syntax._standalone import Token
from dcql.syntax.layout import EDGE, END, SPACE, Group, Layout, Nest, Word, words
from dcql.syntax.tree import MAX_DIGITS

INDENT = 4

# How tightly an expression binds, loosest first; for queries the set operations.
OR, AND, NOT, COMPARISON, SUM, PRODUCT, SIGN, ATOM = range(8)
UNION, INTERSECT, OPERAND = range(3)

# Tokens that are not printed in capitals, as keywords are.
AS_WRITTEN = frozenset({"NAME", "TEXT", "SIGN", "FACTOR", "LPAR", "RPAR", "COMMA", "DOT", "EQUAL"})

Children = list[Any]


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression, how tightly it binds, and whether it is one in parentheses: then `inner` is what they hold."""

    layout: Layout
    level: int
    inner: "Expression | None" = None


@dataclass(frozen=True, slots=True)
class Body:
    """A query without its tail, and how tightly it binds."""

    layout: Layout
    level: int


@dataclass(frozen=True, slots=True)
class Query:
    """A query with its tail."""

    layout: Layout


@dataclass(frozen=True, slots=True)
class Items:
    """What stands in a list, each with the comma after it."""

    layouts: tuple[Layout, ...]


class ShapeBuilder:
    """Builds the layout of one statement."""

    # --- definitions ---

    def language(self, c: Children) -> Layout:
        return phrase(c)

    def define(self, c: Children) -> Layout:
        keyword, name, parameters, as_, body = c
        head = (word(keyword), " ", word(name), parameters or "", " ", word(as_))
        return Group((head, Nest(INDENT, (SPACE, alone(body)))))

    def param(self, c: Children) -> Layout:
        return Group((phrase(c[:2]), Nest(INDENT, (SPACE, phrase(c[2:])))))

    def set_file(self, c: Children) -> Layout:
        return Nest(INDENT, phrase(c))

    def import_recipe(self, c: Children) -> Layout:
        *head, with_, arguments = c
        if with_ is None:
            return Nest(INDENT, phrase(head))
        return Group((phrase(head), Nest(INDENT, (SPACE, word(with_), " ", Nest(INDENT, filled(arguments))))))

    def parameters(self, c: Children) -> Layout:
        return block(c[0], filled(c[1]), c[2])

    def names(self, c: Children) -> Items:
        return items(c)

    def arguments(self, c: Children) -> Items:
        return items(c)

    def argument(self, c: Children) -> Layout:
        return phrase(c)

    # --- models ---

    def model(self, c: Children) -> Layout:
        keyword, name, opening, parameters, closing, returns, type_, version, number, code, weights, *rest = c
        head = (word(keyword), " ", word(name), block(opening, filled(parameters), closing))
        parts: list[Layout] = [head, Group((SPACE, phrase([returns, type_, version, number])))]
        # A file stands on a line of its own: its hash nearly fills one.
        files = [part for part in (code, weights) if part is not None]
        for part in files:
            parts += [END, part]
        tolerance, licence, cite = (phrase(rest[i : i + 2]) if rest[i] is not None else None for i in (0, 2, 4))
        about = [part for part in (licence, cite) if part is not None]
        others = [part for part in (tolerance, Group(spaced(about)) if about else None) if part is not None]
        for i, part in enumerate(others):
            parts += [END, part] if files and i == 0 else [Group((SPACE, part))]
        return Nest(INDENT, tuple(parts))

    def model_parameters(self, c: Children) -> Items:
        return items(c)

    def model_parameter(self, c: Children) -> Layout:
        return phrase(c)

    def type_name(self, c: Children) -> Layout:
        name, opening, argument, closing = c
        return word(name) if argument is None else (word(name), word(opening), word(argument), word(closing))

    def code(self, c: Children) -> Layout:
        return phrase(c)

    def weights(self, c: Children) -> Layout:
        first, *others = zip(c[::2], c[1::2], strict=True)
        return phrase(first), tuple((END, phrase(other)) for other in others)

    def weights_file(self, c: Children) -> Layout:
        return phrase(c)

    def feature(self, c: Children) -> Layout:
        return Group((phrase(c[:3]), Nest(INDENT, (SPACE, phrase(c[3:])))))

    def pool_asset(self, c: Children) -> Layout:
        return Nest(INDENT, phrase(c))

    def asset_file(self, c: Children) -> Layout:
        return Nest(INDENT, phrase(c))

    def made_asset(self, c: Children) -> Layout:
        return Group((phrase(c[:2]), Nest(INDENT, (SPACE, phrase(c[2:])))))

    def fit_asset(self, c: Children) -> Layout:
        return Group((phrase(c[:2]), Nest(INDENT, (SPACE, phrase(c[2:5]), SPACE, phrase(c[5:])))))

    def model_call(self, c: Children) -> Layout:
        name, opening, arguments, closing = c
        return word(name), block(opening, listed(arguments), closing)

    def model_arguments(self, c: Children) -> Items:
        return items(c)

    def model_argument(self, c: Children) -> Layout:
        name, _, value = c
        if name is not None:
            return phrase(c)
        layout = alone(value)
        first, second, *_ = *islice(words(layout), 2), None
        if second is None or second.text != "=":
            return layout
        # `a = b` would be an argument by name.
        *_, last = words(layout)
        return Word("(", first.start, first.start), layout, Word(")", last.end, last.end)

    # --- queries ---

    def final_query(self, c: Children) -> Layout:
        stages, query, *expects = c
        return (stages, END) if stages is not None else "", query.layout, tuple((END, expect) for expect in expects)

    def stages(self, c: Children) -> Layout:
        stages = items(c[1:]).layouts
        if len(stages) == 1:
            return word(c[0]), " ", stages[0]
        return word(c[0]), Nest(INDENT, tuple((END, stage) for stage in stages))

    def stage(self, c: Children) -> Layout:
        name, as_, opening, query, closing = c
        return phrase([name, as_]), " ", block(opening, query.layout, closing)

    def expect(self, c: Children) -> Layout:
        return phrase(c)

    def bound(self, c: Children) -> Layout:
        value, percent = c
        return phrase([operand(value, SUM), percent])

    def query(self, c: Children) -> Query:
        body, order, by, keys, limit = c
        tail: list[Layout] = []
        if order is not None:
            tail.append((word(order), " ", word(by), " ", Nest(INDENT, filled(keys))))
        if limit is not None:
            tail.append(limit)
        return Query(Group((body.layout, (SPACE, Group(spaced(tail))) if tail else ""), open=True))

    def set_operation(self, c: Children) -> Body:
        left, *operators, right = c
        level = INTERSECT if operators[0].type == "INTERSECT" else UNION
        before = left.layout if left.level == level else Group(left.layout)
        return Body((before, SPACE, phrase(operators), SPACE, Group(right.layout)), level)

    def select(self, c: Children) -> Body:
        select, distinct_on, uid, from_, relation, where, condition = c
        relation = relation.layout if isinstance(relation, Body | Expression) else relation
        head = phrase([select, distinct_on, uid, from_, relation])
        if where is None:
            return Body(head, OPERAND)
        # The conditions belong to the query: they are on one line with it, or each on a line of its own.
        bare = bare_of(condition)
        parts = bare.layout if bare.level <= AND else Group(bare.layout)
        indent = 3 if bare.level == OR else 2  # AND and OR end where WHERE does
        return Body(Group((head, SPACE, word(where), " ", Nest(indent, parts)), open=True), OPERAND)

    def distinct_on(self, c: Children) -> Layout:
        distinct, on, opening, keys, closing = c
        return phrase([distinct, on]), " ", block(opening, filled(keys), closing)

    def order_keys(self, c: Children) -> Items:
        return items(c)

    def order_key(self, c: Children) -> Layout:
        return phrase(c)

    def limit(self, c: Children) -> Layout:
        limit, count, percent = c
        return phrase([limit, operand(count, SUM), percent])

    # --- expressions ---

    def disjunction(self, c: Children) -> Expression:
        # What breaks inside an operand is below the operand, not below OR.
        return Expression(chain(c, AND, inside=3), OR)

    def conjunction(self, c: Children) -> Expression:
        return Expression(chain(c, NOT, inside=0), AND)

    def negation(self, c: Children) -> Expression:
        return Expression((word(c[0]), " ", operand(c[1], NOT)), NOT)

    def compare(self, c: Children) -> Expression:
        left, operator, right = c
        return infix(left, (word(operator), " ", operand(right, SUM)))

    def between(self, c: Children) -> Expression:
        subject, not_, between, low, and_, high = c
        return infix(
            subject,
            (phrase([not_, between]), " ", operand(low, SUM)),
            (word(and_), " ", operand(high, SUM)),
        )

    def like(self, c: Children) -> Expression:
        *operator, pattern = c[1:]
        return infix(c[0], (phrase(operator), " ", operand(pattern, SUM)))

    def is_null(self, c: Children) -> Expression:
        return infix(c[0], phrase(c[1:]))

    def in_name(self, c: Children) -> Expression:
        return infix(c[0], phrase(c[1:]))

    def in_list(self, c: Children) -> Expression:
        subject, not_, in_, opening, values, closing = c
        layout = (operand(subject, SUM), " ", phrase([not_, in_]), " ", block(opening, filled(values), closing))
        return Expression(layout, COMPARISON)

    def in_query(self, c: Children) -> Expression:
        subject, not_, in_, opening, query, closing = c
        layout = (operand(subject, SUM), " ", phrase([not_, in_]), " ", block(opening, query.layout, closing))
        return Expression(layout, COMPARISON)

    def arithmetic(self, c: Children) -> Expression:
        level = SUM if c[1].type == "SIGN" else PRODUCT
        rest = tuple(
            (SPACE, word(sign), " ", operand(right, level + 1)) for sign, right in zip(c[1::2], c[2::2], strict=True)
        )
        return Expression(Group((operand(c[0], level + 1), Nest(INDENT, rest))), level)

    def sign(self, c: Children) -> Expression:
        if c[0] == "+":  # like parentheses, it changes nothing
            found: Expression = c[1]
            return found
        inner = operand(c[1], SIGN)
        # `--` would begin a comment.
        space = " " if next(words(inner)).text == "-" else ""
        return Expression((word(c[0]), space, inner), SIGN)

    def group(self, c: Children) -> Expression | Body:
        opening, inner, closing = c
        if isinstance(inner, Query):
            return Body(block(opening, inner.layout, closing), OPERAND)
        bare = bare_of(inner)
        return Expression(block(opening, bare.layout, closing), ATOM, bare)

    def number(self, c: Children) -> Expression:
        return Expression(word(c[0]), ATOM)

    def text(self, c: Children) -> Expression:
        return Expression(word(c[0]), ATOM)

    def true(self, c: Children) -> Expression:
        return Expression(word(c[0]), ATOM)

    def false(self, c: Children) -> Expression:
        return Expression(word(c[0]), ATOM)

    def null(self, c: Children) -> Expression:
        return Expression(word(c[0]), ATOM)

    def name(self, c: Children) -> Expression:
        return Expression(tuple(word(part) for part in c), ATOM)

    def call(self, c: Children) -> Expression:
        name, opening, arguments, closing = c
        return Expression((word(name), block(opening, listed(arguments), closing)), ATOM)

    def quantile(self, c: Children) -> Expression:
        q, opening, p, comma, expr, of, population, by, keys, nulls, first, closing = c
        parts: list[Layout] = [alone(p) if comma is None else (alone(p), word(comma))]
        if expr is not None:
            parts.append(alone(expr))
        if of is not None:
            parts.append(phrase([of, population]))
        if by is not None:
            parts.append((word(by), " ", Nest(INDENT, filled(keys))))
        if nulls is not None:
            parts.append(phrase([nulls, first]))
        return Expression((word(q), block(opening, spaced(parts), closing)), ATOM)

    def case(self, c: Children) -> Expression:
        case, *branches, else_, default, end = c
        parts = branches if else_ is None else [*branches, phrase([else_, default])]
        inner = tuple((SPACE, part) for part in parts)
        return Expression(Group((word(case), Nest(INDENT, inner), SPACE, word(end))), ATOM)

    def branch(self, c: Children) -> Layout:
        return Group((phrase(c[:2]), Nest(INDENT, (SPACE, phrase(c[2:])))))

    def expressions(self, c: Children) -> Items:
        return items(c)


def word(token: Any) -> Word:
    """Return a token as it is printed."""
    match token.type:
        case "NUMBER":
            text = _number(token)
        case "COMPARISON":
            text = "<>" if token == "!=" else str(token)
        case "UID" | "KEPT" | "Q":
            text = token.lower()
        case kind:
            text = str(token) if kind in AS_WRITTEN else token.upper()
    return Word(text, token.start_pos, token.end_pos)


def phrase(parts: Any) -> Layout:
    """Return tokens, expressions and layouts with one space between; what is None is left out."""
    found: list[Layout] = []
    for part in parts:
        if part is None:
            continue
        if found:
            found.append(" ")
        found.append(alone(part) if isinstance(part, Expression) else word(part) if isinstance(part, Token) else part)
    return tuple(found)


def spaced(parts: list[Layout]) -> Layout:
    """Return layouts with places between them where lines end, or spaces."""
    return tuple(part if i == 0 else (SPACE, part) for i, part in enumerate(parts))


def items(c: Children) -> Items:
    """Return the items of a list out of items and the commas between them."""
    layouts = [alone(item) if isinstance(item, Expression) else phrase([item]) for item in c[::2]]
    commas: list[Layout] = [*map(word, c[1::2]), ""]
    return Items(tuple((item, comma) for item, comma in zip(layouts, commas, strict=True)))


def listed(found: Items | None) -> Layout:
    """Return items that stand on one line, or each on its own."""
    return spaced(list(found.layouts)) if found is not None else ""


def filled(found: Items | None) -> Layout:
    """Return items, as many on each line as it has room for."""
    if found is None:
        return ""
    first, *others = found.layouts
    return first, tuple(Group((SPACE, item)) for item in others)


def block(opening: Any, inner: Layout, closing: Any) -> Layout:
    """Return what stands in parentheses: on one line with them, or on lines of its own, indented."""
    return Group((word(opening), Nest(INDENT, (EDGE, inner)), EDGE, word(closing)))


def bare_of(expression: Expression) -> Expression:
    """Return an expression without the parentheses around it."""
    return expression if expression.inner is None else expression.inner


def alone(expression: Expression) -> Layout:
    """Return an expression in a place where nothing binds it: it needs no parentheses."""
    return Group(bare_of(expression).layout)


def operand(expression: Expression, level: int) -> Layout:
    """Return an expression where only one that binds as tightly as `level` may stand without parentheses."""
    bare = bare_of(expression)
    return bare.layout if bare.level >= level else expression.layout


def chain(c: Children, level: int, inside: int) -> Layout:
    """Return operands with AND or OR before all but the first, each where a line may begin."""
    first, *others = (Nest(inside, Group(operand(part, level))) for part in c[::2])
    rest = zip(c[1::2], others, strict=True)
    return first, tuple((SPACE, word(operator), " ", other) for operator, other in rest)


def infix(left: Expression, *rest: Layout) -> Expression:
    """Return a comparison: `left`, then what follows it, each part where a line may begin."""
    inner = tuple((SPACE, part) for part in rest)
    return Expression(Group((operand(left, SUM), Nest(INDENT, inner))), COMPARISON)


def _number(text: str) -> str:
    """Return a number with digits before its point, and a point only before digits."""
    digits, exponent, power = text.lower().partition("e")
    whole, _, fraction = digits.partition(".")
    if not whole and len(digits) < MAX_DIGITS:
        whole = "0"
    return f"{whole}.{fraction}" * bool(fraction) + whole * (not fraction) + exponent + power.removeprefix("+")
