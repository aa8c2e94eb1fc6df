"""Expressions -> DuckDB SQL, as sqlglot trees built from nodes, never from strings.

No expression raises on a row, whatever DuckDB does with it: every operation that can fail has a form that gives NULL.
"""

import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeAlias

from sqlglot import exp

from dcql.catalog.types import Type
from dcql.lower.statement import Statement, length_column, table_column
from dcql.plan import nodes

Sql: TypeAlias = exp.Expression

_TYPES = {
    Type.INT: exp.DataType.Type.BIGINT,
    Type.FLOAT: exp.DataType.Type.FLOAT,
    Type.DOUBLE: exp.DataType.Type.DOUBLE,
    Type.TEXT: exp.DataType.Type.VARCHAR,
    Type.BOOL: exp.DataType.Type.BOOLEAN,
}

_COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "<>": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}

_ARITHMETIC: dict[str, type[exp.Binary]] = {
    "+": exp.Add,
    "-": exp.Sub,
    "*": exp.Mul,
    "/": exp.Div,
    "%": exp.Mod,
}

# What Python's str.split() takes for white space; RE2's \s is ASCII only.
_SPACES = r"\t\n\v\f\r\x1c-\x1f \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_ODD_SPACES = _SPACES.replace(r"\x1f \x{85}", r"\x1f\x{85}")

_TIE_DOMAIN = "dcql.tie.v1\0"
_SAMPLE_DOMAIN = "dcql.sample.v1\0"


# --- building blocks --------------------------------------------------------------------------------------------------


def column(name: str) -> Sql:
    """Name a column."""
    return exp.Column(this=exp.Identifier(this=name, quoted=True))


def parameter(name: str, type_: Type) -> Sql:
    """Name a parameter of the statement, in its type."""
    return cast(exp.Parameter(this=exp.Var(this=name)), type_)


def cast(value: Sql, type_: Type) -> Sql:
    """Convert; the value must have a form in the type."""
    return exp.Cast(this=value, to=exp.DataType(this=_TYPES[type_]))


def call(name: str, *arguments: Sql) -> Sql:
    """Call a DuckDB function by its own name."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def integer(value: int) -> Sql:
    """Write a whole number."""
    return (
        exp.Literal.number(str(value)) if value >= 0 else exp.Paren(this=exp.Neg(this=exp.Literal.number(str(-value))))
    )


def text(value: str) -> Sql:
    """Write a text; control characters are spelled by chr(), so that the SQL stays printable."""
    parts: list[Sql] = []
    run = ""
    for character in value:
        if character.isprintable():
            run += character
        else:
            if run:
                parts.append(exp.Literal.string(run))
            parts.append(call("chr", integer(ord(character))))
            run = ""
    if run or not parts:
        parts.append(exp.Literal.string(run))
    return parts[0] if len(parts) == 1 else call("concat", *parts)


def both(operands: Sequence[Sql]) -> Sql:
    """AND of any number of operands; TRUE of none."""
    return _chain(exp.And, operands, exp.true())


def either(operands: Sequence[Sql]) -> Sql:
    """OR of any number of operands; FALSE of none."""
    return _chain(exp.Or, operands, exp.false())


def _chain(kind: type[exp.Connector], operands: Sequence[Sql], none: Sql) -> Sql:
    # A balanced tree: DuckDB and sqlglot recurse, and a recipe may hold thousands of operands.
    if not operands:
        return none
    if len(operands) == 1:
        return operands[0]
    middle = len(operands) // 2
    left, right = _chain(kind, operands[:middle], none), _chain(kind, operands[middle:], none)
    return exp.Paren(this=kind(this=left, expression=right))


def opposite(value: Sql) -> Sql:
    """NOT."""
    return exp.Paren(this=exp.Not(this=value))


def is_null(value: Sql) -> Sql:
    """IS NULL."""
    return exp.Paren(this=exp.Is(this=value, expression=exp.Null()))


def is_true(value: Sql) -> Sql:
    """IS TRUE: never NULL."""
    return call("coalesce", value, exp.false())


def same(left: Sql, right: Sql) -> Sql:
    """Equal, NULL with NULL included."""
    return exp.Paren(this=exp.NullSafeEQ(this=left, expression=right))


def compare(op: str, left: Sql, right: Sql) -> Sql:
    """Compare two values of one type."""
    return exp.Paren(this=_COMPARISONS[op](this=left, expression=right))


def case(branches: Sequence[tuple[Sql, Sql]], default: Sql) -> Sql:
    """CASE WHEN .. THEN .. ELSE .. END."""
    return exp.Case(ifs=[exp.If(this=condition, true=value) for condition, value in branches], default=default)


def tie_hash(uid: Sql) -> Sql:
    """Return the tie hash of a uid as a BLOB's hex text: sha256("dcql.tie.v1\\0" and the uid's 16 bytes)."""
    return _uid_hash(_TIE_DOMAIN.encode(), uid)


def sample_hash(seed: str, uid: Sql) -> Sql:
    """Return, in hex, the hash that SAMPLE draws by: sha256("dcql.sample.v1\\0", seed, "\\0", the uid in 16 bytes)."""
    return _uid_hash(f"{_SAMPLE_DOMAIN}{seed}\0".encode(), uid)


def _uid_hash(prefix: bytes, uid: Sql) -> Sql:
    before = call("unhex", exp.Literal.string(prefix.hex()))
    return call("sha256", exp.Paren(this=exp.DPipe(this=before, expression=call("unhex", uid))))


def uniform(hashed: Sql) -> Sql:
    """Return u, a DOUBLE in (0, 1], of a hash in hex: DOUBLE(h64 + 1) / 2^64, h64 its first 8 bytes, big-endian.

    128 bits hold h64 + 1, whose DOUBLE is the nearest, ties to even; dividing by 2^64 is exact.
    """
    digits = call("concat", exp.Literal.string("0x"), call("left", hashed, integer(16)))
    h64 = exp.Cast(this=unsigned(digits), to=exp.DataType(this=exp.DataType.Type.INT128))
    after = exp.Paren(this=exp.Add(this=h64, expression=integer(1)))
    whole = cast(exp.Literal.number("18446744073709551616e0"), Type.DOUBLE)
    return exp.Paren(this=exp.Div(this=cast(after, Type.DOUBLE), expression=whole))


def priority(seed: str, weight: Sql, uid: Sql) -> Sql:
    """Return weight / u of a uid's hash, a DOUBLE; NULL where the weight is NULL or not above 0."""

    def of(w: Sql) -> Sql:
        quotient = exp.Div(this=w.copy(), expression=uniform(sample_hash(seed, uid)))
        return case([(compare(">", w.copy(), cast(integer(0), Type.DOUBLE)), quotient)], exp.Null())

    return once(weight, of)


# --- expressions ------------------------------------------------------------------------------------------------------


class ExpressionLowering:
    """Writes expressions; what is not a function of one sample alone is asked for.

    `relation` gives membership in a relation, `feature` the value of a feature, `quantile` that of an order statistic,
    `in_set` whether a value is in a set, `joined` the name of a joined table.
    """

    def __init__(
        self,
        relation: Callable[[nodes.Rel], Sql],
        feature: Callable[[nodes.Feature], Sql],
        quantile: Callable[[nodes.Quantile], Sql],
        in_set: Callable[[nodes.InSet, Sql], Sql],
        joined: Callable[[nodes.NamedTable], str],
    ) -> None:
        self._relation = relation
        self._feature = feature
        self._quantile = quantile
        self._in_set = in_set
        self._joined = joined

    def __call__(self, expr: nodes.Expr) -> Sql:
        """Write one expression."""
        match expr:
            case nodes.Column():
                return column(expr.name)
            case nodes.Length():
                return column(length_column(expr.function, expr.column))
            case nodes.TableColumn():
                return column(table_column(self._joined(expr.table), expr.name))
            case nodes.Feature():
                return self._feature(expr)
            case nodes.Literal():
                return literal(expr)
            case nodes.Convert():
                return cast(self(expr.operand), expr.type)
            case nodes.Arithmetic():
                return self._arithmetic(expr)
            case nodes.Compare():
                return compare(expr.op, self(expr.left), self(expr.right))
            case nodes.Call():
                return self._call(expr)
            case nodes.Like():
                return exp.Paren(this=exp.Like(this=self(expr.subject), expression=self(expr.pattern)))
            case nodes.IsNull():
                return is_null(self(expr.operand))
            case nodes.Not():
                return opposite(self(expr.operand))
            case nodes.And():
                return both([self(operand) for operand in expr.operands])
            case nodes.Or():
                return either([self(operand) for operand in expr.operands])
            case nodes.Case():
                branches = [(self(condition), self(value)) for condition, value in expr.branches]
                return case(branches, self(expr.default))
            case nodes.InSet():
                return self._in_set(expr, self(expr.subject))
            case nodes.InTable():
                return column(table_column(self._joined(expr.table)))
            case nodes.InRelation():
                return self._relation(expr.relation)
            case nodes.Quantile():
                return self._quantile(expr)
            case nodes.SampleHash():
                return sample_hash(expr.seed, column("uid"))
            case nodes.Priority():
                return priority(expr.seed, self(expr.weight), column("uid"))

    def _arithmetic(self, expr: nodes.Arithmetic) -> Sql:
        left, right = self(expr.left), self(expr.right)
        operation = _ARITHMETIC[expr.op]
        if expr.type is Type.INT:
            # 128 bits hold every sum, difference and product of two 64-bit numbers.
            wide = exp.Cast(this=left, to=exp.DataType(this=exp.DataType.Type.INT128))
            result: Sql = exp.Paren(this=operation(this=wide, expression=right))
            if expr.op == "%":
                result = call("try", result)
            return exp.TryCast(this=result, to=exp.DataType(this=_TYPES[Type.INT]))
        # A division by zero is infinite or not a number, so one test serves for all four.
        return finite(exp.Paren(this=operation(this=left, expression=right)))

    def _call(self, expr: nodes.Call) -> Sql:
        arguments = [self(argument) for argument in expr.arguments]
        match expr.name:
            case "coalesce":
                return call("coalesce", *arguments)
            case "least" | "greatest":
                return extreme(expr.name, arguments)
            case "abs" if expr.type is Type.INT:
                wide = exp.Cast(this=arguments[0], to=exp.DataType(this=exp.DataType.Type.INT128))
                return exp.TryCast(this=call("abs", wide), to=exp.DataType(this=_TYPES[Type.INT]))
            case "abs":
                return finite(call("abs", *arguments))
            case "code_points":
                return call("length", *arguments)
            case "python_words":
                return python_words(arguments[0])
            case "fasttext_words":
                return fasttext_words(arguments[0])
            case "regexp_matches" | "contains" | "starts_with":
                return call(expr.name, *arguments)
            case "ends_with":
                return call("suffix", *arguments)
            case _:
                raise AssertionError(f"no SQL for {expr.name}")


def literal(value: nodes.Literal) -> Sql:
    """Write a literal so that DuckDB reads back the same value in the same type."""
    if value.value is None:
        return cast(exp.Null(), value.type)
    match value.type:
        case Type.BOOL:
            return exp.true() if value.value else exp.false()
        case Type.TEXT:
            return text(str(value.value))
        case Type.INT:
            return cast(integer(int(value.value)), Type.INT)
        case _ if math.isinf(float(value.value)):
            return cast(exp.Literal.string(str(value.value)), value.type)  # a threshold that a pool's infinity gave
        case _:
            # With an exponent DuckDB reads the nearest DOUBLE; without one, a DECIMAL.
            written = repr(abs(float(value.value)))
            number: Sql = exp.Literal.number(written if "e" in written else written + "e0")
            if float(value.value) < 0:
                number = exp.Paren(this=exp.Neg(this=number))
            return cast(number, value.type)


def once(value: Sql, body: Callable[[Sql], Sql]) -> Sql:
    """Use a value several times: written out when it is short, else computed once and named.

    Without this, nested expressions would double at every level. DuckDB has no LET; a lambda over a list of one is
    one, at some 20 ns a sample.
    """
    if _is_short([value]):
        return body(value)
    name = exp.Identifier(this="@value", quoted=True)
    named = exp.Lambda(this=body(exp.Column(this=name)), expressions=[name.copy()])
    return call("list_extract", call("list_transform", exp.Array(expressions=[value]), named), integer(1))


def _is_short(values: Sequence[Sql]) -> bool:
    """Return whether SQL is short enough to be written out several times; looks at no more than it must."""
    parts = (part for value in values for part in value.walk())
    return next(islice(parts, 40, None), None) is None


def finite(value: Sql) -> Sql:
    """Return the value, or NULL where it is infinite or not a number."""
    return once(value, lambda v: case([(call("isfinite", v.copy()), v.copy())], exp.Null()))


def python_words(value: Sql) -> Sql:
    """Count as Python's len(text.split()) does.

    Captions almost always hold single plain spaces only: then words are spaces plus one, which is four times faster.
    """
    odd = exp.Literal.string(f"[{_ODD_SPACES}]|^ | $|  |^$")
    word = exp.Literal.string(f"[^{_SPACES}]+")

    def count(v: Sql) -> Sql:
        runs = call("len", call("regexp_extract_all", v.copy(), word))
        without = call("replace", v.copy(), exp.Literal.string(" "), exp.Literal.string(""))
        spaces = exp.Sub(this=call("strlen", v.copy()), expression=call("strlen", without))
        quick = exp.Add(this=spaces, expression=integer(1))
        return case([(call("regexp_matches", v.copy(), odd), runs)], quick)

    return once(value, count)


def fasttext_words(value: Sql) -> Sql:
    """Count as len(fasttext.tokenize(text)) does: runs between separators, and one `</s>` for every line break."""
    token = exp.Literal.string(r"[^ \t\v\f\r\x00\n]+|\n")
    return call("len", call("regexp_extract_all", value, token))


def extreme(name: str, arguments: list[Sql]) -> Sql:
    """Return the least or the greatest; NULL when any is.

    DuckDB skips NULLs; a sample of unknown height must not pass a size rule.
    """

    def of_all(values: Sql) -> Sql:
        complete = compare("=", call("list_count", values.copy()), integer(len(arguments)))
        return case([(complete, call("list_min" if name == "least" else "list_max", values.copy()))], exp.Null())

    if _is_short(arguments):
        missing = either([is_null(argument.copy()) for argument in arguments])
        return case([(missing, exp.Null())], call(name, *arguments))
    return once(exp.Array(expressions=arguments), of_all)


def select(items: Sequence[tuple[Sql, str]], source: Sql, *, star_of: str | None = None) -> exp.Select:
    """SELECT [table.*,] items FROM source."""
    written: list[Sql] = []
    if star_of is not None:
        written.append(exp.Column(this=exp.Star(), table=exp.Identifier(this=star_of, quoted=True)))
    written += [_named(value, name) for value, name in items]
    return exp.Select(expressions=written, from_=exp.From(this=source))


def also(query: exp.Select, items: Sequence[tuple[Sql, str]]) -> exp.Select:
    """Add columns to what a query selects."""
    for value, name in items:
        query.append("expressions", _named(value, name))
    return query


def _named(value: Sql, name: str) -> exp.Alias:
    return exp.Alias(this=value, alias=exp.Identifier(this=name, quoted=True))


def table(name: str) -> Sql:
    """Name a table."""
    return exp.Table(this=exp.Identifier(this=name, quoted=True))


def alias(source: Sql, name: str) -> Sql:
    """Give a source a name; it is not copied, for that would take longer the more it holds."""
    source.set("alias", exp.TableAlias(this=exp.Identifier(this=name, quoted=True)))
    return source


def left_join(name: str, condition: Sql) -> Sql:
    """LEFT JOIN a table."""
    return exp.Join(this=table(name), side="LEFT", on=condition)


def column_in(table_name: str, name: str) -> Sql:
    """Name a column of a table."""
    return exp.Column(this=exp.Identifier(this=name, quoted=True), table=exp.Identifier(this=table_name, quoted=True))


def column_of(table_name: str, name: str) -> exp.Select:
    """SELECT name FROM table."""
    return exp.Select(expressions=[column(name)], from_=exp.From(this=table(table_name)))


def where(query: exp.Select, condition: Sql) -> exp.Select:
    """Add WHERE; nothing where the condition is TRUE."""
    if not (isinstance(condition, exp.Boolean) and condition.this):
        query.set("where", exp.Where(this=condition))
    return query


def order_by(query: exp.Select, keys: Sequence[tuple[Sql, bool, bool]]) -> exp.Select:
    """Add ORDER BY key, descending, nulls_first."""
    ordered = [exp.Ordered(this=key, desc=descending, nulls_first=first) for key, descending, first in keys]
    query.set("order", exp.Order(expressions=ordered))
    return query


def one_at(query: exp.Select, offset: str) -> exp.Select:
    """Add LIMIT 1 OFFSET $offset."""
    query.set("limit", exp.Limit(expression=integer(1)))
    query.set("offset", exp.Offset(expression=exp.Parameter(this=exp.Var(this=offset))))
    return query


def group_by(query: exp.Select, keys: Sequence[Sql]) -> exp.Select:
    """Add GROUP BY."""
    query.set("group", exp.Group(expressions=list(keys)))
    return query


def small(value: Sql) -> Sql:
    """Convert to USMALLINT."""
    return exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type.USMALLINT))


def unsigned(value: Sql) -> Sql:
    """Convert to UBIGINT."""
    return exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type.UBIGINT))


def window(function: str, partition: Sequence[Sql], order: Sequence[tuple[Sql, bool, bool]]) -> Sql:
    """function() OVER (PARTITION BY .. ORDER BY ..)."""
    ordered = [exp.Ordered(this=key, desc=descending, nulls_first=first) for key, descending, first in order]
    return exp.Window(
        this=call(function), partition_by=list(partition), order=exp.Order(expressions=ordered) if ordered else None
    )


def subquery(query: Sql) -> Sql:
    """A query as a source."""
    return exp.Subquery(this=query)


def render(query: Sql) -> Statement:
    """Print SQL as DuckDB reads it, indented; the query is not to be used after it."""
    names = sorted({parameter.name for parameter in query.find_all(exp.Parameter)})
    return Statement(query.sql(dialect="duckdb", pretty=True, copy=False), tuple(names))
