"""Tokens -> syntax tree, by recursive descent.

file     = [DCQL 1 ;] [statement] {";" [statement]}
final    = [WITH name AS (query) {, name AS (query)}] query {EXPECT kept BETWEEN amount AND amount}
query    = setexpr [ORDER BY keys] [LIMIT amount [BY exprs] | SAMPLE ..]
setexpr  = setterm {(UNION [ALL] | EXCEPT) setterm}          left to right
setterm  = operand {INTERSECT operand}                       binds tighter
operand  = select | "(" query ")"
expr     = and {OR and};  and = not {AND not};  not = NOT not | test
test     = sum [(= <> < <= > >=) sum | [NOT] (BETWEEN sum AND sum | IN .. | LIKE sum) | IS [NOT] NULL]
"""

import sys
from fractions import Fraction

from . import tree
from .errors import OracleError
from .lexer import Token, tokens

COMPARISONS = {"=", "<>", "!=", "<", "<=", ">", ">="}
# Words that can never be the name of a thing; every other keyword is one only where the grammar asks for it.
RESERVED = {
    "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "IS", "NULL", "TRUE", "FALSE", "BETWEEN", "LIKE",
    "CASE", "WHEN", "THEN", "ELSE", "END", "UNION", "INTERSECT", "EXCEPT", "ORDER", "BY", "LIMIT", "DISTINCT",
    "ON", "WITH", "AS", "OF", "NULLS", "SAMPLE", "EXPECT", "JOIN", "USING",
}  # fmt: skip
LATER = {"TABLE", "FEATURE", "ASSET"}


def parse(text: str) -> tree.Recipe:
    """Parse one recipe file; raises E01."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 20_000))
    return Parser(tokens(text)).file()


def parse_constant(text: str) -> tree.Expr:
    """Parse the value of a parameter given from outside: `0.2`, `'text'`, `TRUE`."""
    parser = Parser(tokens(text))
    result = parser.sum()
    if parser.here.kind != "end":
        raise OracleError("E01", f"a parameter's value is a number, a 'text' or TRUE or FALSE, not {text!r}")
    return result


def conjuncts(expr: tree.Expr | None) -> list[tree.Expr]:
    """The top-level AND operands in text order; parentheses do not hide them, a DEFINE's name does."""
    if expr is None:
        return []
    if isinstance(expr, tree.And):
        return [part for operand in expr.operands for part in conjuncts(operand)]
    return [expr]


class Parser:
    def __init__(self, stream: list[Token]) -> None:
        self.stream = stream
        self.place = 0

    # ------------------------------------------------------------ reading tokens

    @property
    def here(self) -> Token:
        return self.stream[self.place]

    def ahead(self, count: int = 1) -> Token:
        return self.stream[min(self.place + count, len(self.stream) - 1)]

    def fail(self, wanted: str) -> OracleError:
        return OracleError("E01", f"expected {wanted}, found {self.here.text or 'the end'!r}")

    def at(self, *words: str) -> bool:
        """Whether the next tokens are these keywords."""
        return all(self.ahead(i).word == word for i, word in enumerate(words))

    def take(self, *words: str) -> bool:
        if self.at(*words):
            self.place += len(words)
            return True
        return False

    def need(self, *words: str) -> None:
        if not self.take(*words):
            raise self.fail(" ".join(words))

    def sign(self, *signs: str) -> str:
        """Take one of these signs, or return the empty string."""
        if self.here.kind == "operator" and self.here.text in signs:
            self.place += 1
            return self.stream[self.place - 1].text
        return ""

    def need_sign(self, sign: str) -> None:
        if not self.sign(sign):
            raise self.fail(repr(sign))

    def of_kind(self, kind: str) -> str:
        if self.here.kind != kind:
            raise self.fail(f"a {kind}")
        self.place += 1
        return self.stream[self.place - 1].text

    def name(self) -> str:
        if self.here.word in RESERVED:
            raise self.fail("a name")
        return self.of_kind("name")

    # ------------------------------------------------------------ statements

    def file(self) -> tree.Recipe:
        defines: list[tree.Define] = []
        params: list[tree.Param] = []
        imports: list[tree.Import] = []
        sets: list[tree.SetFile] = []
        finals: list[tree.Final] = []
        if self.take("DCQL"):
            if self.of_kind("number") != "1":
                raise OracleError("E01", "this is version 1 of the language")
            if self.here.kind != "end":
                self.need_sign(";")
        while self.here.kind != "end":
            if self.sign(";"):
                continue
            if self.here.word in LATER:
                raise OracleError("E01", f"{self.here.word} is reserved for a later version of the language")
            if self.take("DEFINE"):
                defines.append(self.define())
            elif self.take("PARAM"):
                name = self.name()
                self.need("DEFAULT")
                params.append(tree.Param(name, self.expr()))
            elif self.take("IMPORT"):
                imports.append(self.import_())
            elif self.take("SET"):
                name = self.name()
                self.need("FROM")
                path = self.of_kind("string")
                self.need("SHA256")
                sets.append(tree.SetFile(name, path, self.of_kind("string")))
            else:
                finals.append(self.final())
            if self.here.kind != "end":
                self.need_sign(";")
        if len(finals) != 1:
            raise OracleError("E01", f"a recipe has one final query, not {len(finals)}")
        return tree.Recipe(tuple(defines), tuple(params), tuple(imports), tuple(sets), finals[0])

    def define(self) -> tree.Define:
        name = self.name()
        arguments: tuple[str, ...] | None = None
        if self.sign("("):
            names: list[str] = []
            while not self.sign(")"):
                if names:
                    self.need_sign(",")
                names.append(self.name())
            arguments = tuple(names)
        self.need("AS")
        return tree.Define(name, arguments, self.expr())

    def import_(self) -> tree.Import:
        path = self.of_kind("string")
        self.need("AS")
        name = self.name()
        values: list[tuple[str, tree.Expr]] = []
        if self.take("WITH"):
            while True:
                key = self.name()
                self.need_sign("=")
                values.append((key, self.sum()))
                if not self.sign(","):
                    break
        return tree.Import(path, name, tuple(values))

    def final(self) -> tree.Final:
        stages: list[tuple[str, tree.Query]] = []
        if self.take("WITH"):
            while True:
                name = self.name()
                self.need("AS")
                stages.append((name, self.parenthesised_query()))
                if not self.sign(","):
                    break
        query = self.query()
        expects: list[tree.Expect] = []
        while self.take("EXPECT"):
            self.need("KEPT")
            self.need("BETWEEN")
            low = self.amount()
            self.need("AND")
            expects.append(tree.Expect(low, self.amount()))
        return tree.Final(tuple(stages), query, tuple(expects))

    # ------------------------------------------------------------ queries

    def parenthesised_query(self) -> tree.Query:
        self.need_sign("(")
        query = self.query()
        self.need_sign(")")
        return query

    def query(self) -> tree.Query:
        body = self.set_expression()
        order: list[tree.OrderKey] = []
        if self.take("ORDER", "BY"):
            while True:
                order.append(self.order_key())
                if not self.sign(","):
                    break
        limit, sampling = None, None
        if self.take("LIMIT"):
            amount = self.amount()
            limit = tree.Limit(amount, self.expressions() if self.take("BY") else ())
        elif self.take("SAMPLE"):
            sampling = self.sampling()
        return tree.Query(body, tuple(order), limit, sampling)

    def order_key(self) -> tree.OrderKey:
        key = self.expr()
        descending = self.take("DESC")
        if not descending:
            self.take("ASC")
        nulls_first = self.take("NULLS", "FIRST")
        if not nulls_first:
            self.take("NULLS", "LAST")
        return tree.OrderKey(key, descending, nulls_first)

    def amount(self) -> tree.Amount:
        value: tree.Expr = self.number() if self.here.kind == "number" else tree.Name(self.name())
        return tree.Amount(value, self.take("PERCENT"))

    def sampling(self) -> tree.Sampling:
        amount = self.amount()
        if not amount.percent:
            self.need("ROWS")
        self.need("SEED")
        seed = self.of_kind("string" if self.here.kind == "string" else "number")
        weight = self.expr() if self.take("WEIGHT", "BY") else None
        if weight is not None and amount.percent:
            raise OracleError("E01", "WEIGHT BY goes with SAMPLE n ROWS only")
        return tree.Sampling(amount, seed, weight)

    def set_expression(self) -> tree.Body:
        left = self.set_term()
        while True:
            if self.take("UNION", "ALL"):
                left = tree.SetOperation("UNION ALL", left, self.set_term())
            elif self.take("UNION"):
                left = tree.SetOperation("UNION", left, self.set_term())
            elif self.take("EXCEPT"):
                left = tree.SetOperation("EXCEPT", left, self.set_term())
            else:
                return left

    def set_term(self) -> tree.Body:
        left = self.operand()
        while self.take("INTERSECT"):
            left = tree.SetOperation("INTERSECT", left, self.operand())
        return left

    def operand(self) -> tree.Body:
        if self.here.text == "(" and self.here.kind == "operator":
            return self.parenthesised_query()
        self.need("SELECT")
        distinct_on: tuple[tree.Expr, ...] = ()
        if self.take("DISTINCT"):
            self.need("ON")
            self.need_sign("(")
            distinct_on = self.expressions()
            self.need_sign(")")
        if self.name() != "uid":
            raise OracleError("E01", "a SELECT list is uid, and optionally n AS copies")
        copies = None
        if self.sign(","):
            copies = self.expr()
            self.need("AS")
            if self.name() != "copies":
                raise OracleError("E01", "a SELECT list is uid, and optionally n AS copies")
        self.need("FROM")
        source: str | tree.Query
        if self.here.text == "(" and self.here.kind == "operator":
            source = self.parenthesised_query()
        else:
            source = self.name()
        if self.at("JOIN") or self.at("LEFT", "JOIN"):
            raise OracleError("E01", "JOIN is reserved for a later version of the language")
        where = self.expr() if self.take("WHERE") else None
        return tree.Select(distinct_on, copies, source, where)

    # ------------------------------------------------------------ expressions

    def expressions(self) -> tuple[tree.Expr, ...]:
        result = [self.expr()]
        while self.sign(","):
            result.append(self.expr())
        return tuple(result)

    def expr(self) -> tree.Expr:
        operands = [self.and_()]
        while self.take("OR"):
            operands.append(self.and_())
        return operands[0] if len(operands) == 1 else tree.Or(tuple(operands))

    def and_(self) -> tree.Expr:
        operands = [self.not_()]
        while self.take("AND"):
            operands.append(self.not_())
        return operands[0] if len(operands) == 1 else tree.And(tuple(operands))

    def not_(self) -> tree.Expr:
        return tree.Not(self.not_()) if self.take("NOT") else self.test()

    def test(self) -> tree.Expr:
        left = self.sum()
        sign = self.sign(*COMPARISONS)
        if sign:
            return tree.Compare("<>" if sign == "!=" else sign, left, self.sum())
        if self.take("IS"):
            negated = self.take("NOT")
            self.need("NULL")
            return tree.Not(tree.IsNull(left)) if negated else tree.IsNull(left)
        negated = self.take("NOT")
        result: tree.Expr
        if self.take("BETWEEN"):
            low = self.sum()
            self.need("AND")
            result = tree.Between(left, low, self.sum())
        elif self.take("IN"):
            result = self.membership(left)
        elif self.take("LIKE"):
            result = tree.Like(left, self.sum())
        elif negated:
            raise self.fail("BETWEEN, IN or LIKE")
        else:
            return left
        return tree.Not(result) if negated else result

    def membership(self, subject: tree.Expr) -> tree.Expr:
        """Read what follows IN: a name, a list of expressions, or a query."""
        if self.here.kind == "name":
            return tree.InName(subject, self.name())
        count = 0
        while self.ahead(count).kind == "operator" and self.ahead(count).text == "(":
            count += 1
        if self.ahead(count).word == "SELECT":
            return tree.InQuery(subject, self.parenthesised_query())
        self.need_sign("(")
        members = self.expressions()
        self.need_sign(")")
        return tree.InList(subject, members)

    def sum(self) -> tree.Expr:
        left = self.product()
        while sign := self.sign("+", "-"):
            left = tree.Arithmetic(sign, left, self.product())
        return left

    def product(self) -> tree.Expr:
        left = self.unary()
        while sign := self.sign("*", "/", "%"):
            left = tree.Arithmetic(sign, left, self.unary())
        return left

    def unary(self) -> tree.Expr:
        if self.sign("-"):
            return tree.Negate(self.unary())
        if self.sign("+"):
            return tree.Arithmetic("+", tree.Number(Fraction(0)), self.unary())
        return self.atom()

    def number(self) -> tree.Number:
        text = self.of_kind("number")
        exponent = text.lower().partition("e")[2]
        if exponent and abs(int(exponent)) > 5000:
            raise OracleError("E03", f"the number {text} fits no type")
        return tree.Number(Fraction(text.replace(".e", "e").replace(".E", "E").rstrip(".")))

    def atom(self) -> tree.Expr:
        if self.here.kind == "number":
            return self.number()
        if self.here.kind == "string":
            return tree.Text(self.of_kind("string"))
        if self.sign("("):
            inner = self.expr()
            self.need_sign(")")
            return inner
        if self.take("TRUE"):
            return tree.Truth(True)
        if self.take("FALSE"):
            return tree.Truth(False)
        if self.take("NULL"):
            return tree.Truth(None)
        if self.take("CASE"):
            return self.case()
        name = self.name()
        if name == "pool" and self.sign("."):
            return tree.Name(f"pool.{self.name()}")
        if not self.sign("("):
            return tree.Name(name)
        if name.upper() == "Q":
            return self.quantile()
        arguments = () if self.sign(")") else self.expressions()
        if arguments:
            self.need_sign(")")
        return tree.Call(name, arguments)

    def quantile(self) -> tree.Quantile:
        p = self.expr()
        expr = self.expr() if self.sign(",") else None
        of = self.name() if self.take("OF") else None
        by = self.expressions() if self.take("BY") else ()
        nulls_first = self.take("NULLS", "FIRST")
        self.need_sign(")")
        return tree.Quantile(p, expr, of, by, nulls_first)

    def case(self) -> tree.Case:
        branches: list[tuple[tree.Expr, tree.Expr]] = []
        while self.take("WHEN"):
            condition = self.expr()
            self.need("THEN")
            branches.append((condition, self.expr()))
        if not branches:
            raise self.fail("WHEN")
        otherwise = self.expr() if self.take("ELSE") else None
        self.need("END")
        return tree.Case(tuple(branches), otherwise)
