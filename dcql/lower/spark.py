"""A program as Spark SQL: a preview, for people who have their pool in Spark.

DuckDB's SQL is taken apart and only what is known to mean the same in Spark is printed again. The list below says what
that is; whatever is not on it is refused, so that a construct that nobody thought of is refused too. Where a form of
Spark's own says the same, it is written instead.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from dcql.errors import Diagnostic, RecipeError
from dcql.lower import sql
from dcql.lower.program import GroupedThreshold, Program, Scan, Threshold
from dcql.lower.samples import padded
from dcql.lower.statement import ID, Statement, first_column
from dcql.lower.tails import Cut, Draw, Firsts

_POOL = "pool"
# What a regular expression may hold: characters that stand for themselves in RE2 and in Java, and `|`.
_PLAIN_PATTERN = re.compile(r"\^?[\w ,:;/@#%&=!'\"<>~|-]*", re.ASCII)
# Who is first in a DISTINCT ON or a SAMPLE stands beside the pool's files here, and in a table of uids there.
_FIRST = re.compile(rf"{first_column('((?:first|cut)[0-9]+)')}")
_SHOWN = 60  # characters of SQL in a message

# Nodes that only hold others together, and literals that are checked where they are used.
_PLAIN = (
    exp.Select,
    exp.From,
    exp.Subquery,
    exp.Table,
    exp.TableAlias,
    exp.Alias,
    exp.Identifier,
    exp.Column,
    exp.Where,
    exp.Group,
    exp.Paren,
    exp.DataType,
    exp.Null,
    exp.Boolean,
    exp.Placeholder,
)
# With three values of logic, and over numbers, BOOLs and texts by code point, alike. NaN, of which Spark says that it
# is the largest number and equal to itself, is NULL in `samples`, and -0.0 is 0.
_LOGIC = (exp.And, exp.Or, exp.Not, exp.Is, exp.Case, exp.If, exp.Coalesce, exp.NullSafeEQ)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
# IEEE 754 in both, on two operands of one type, as every operation here has them.
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Abs)
_TEXT = (exp.Length, exp.StartsWith, exp.Contains, exp.EndsWith, exp.ByteLength)
_ORDERING = (exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Rank, exp.RowNumber)
# Of numbers, and the smallest of `@id`, which is any one of a group.
_AGGREGATES = (exp.Count, exp.Max, exp.Min)
_ALIKE = (
    *_PLAIN,
    *_LOGIC,
    *_COMPARISONS,
    *_ARITHMETIC,
    *_TEXT,
    *_ORDERING,
    *_AGGREGATES,
    exp.IsNan,
    exp.Greatest,
    exp.Least,
)

_TYPES = {
    exp.DataType.Type.BIGINT: exp.DataType.Type.BIGINT,
    exp.DataType.Type.FLOAT: exp.DataType.Type.FLOAT,
    exp.DataType.Type.DOUBLE: exp.DataType.Type.DOUBLE,
    exp.DataType.Type.TEXT: exp.DataType.Type.TEXT,
    exp.DataType.Type.BOOLEAN: exp.DataType.Type.BOOLEAN,
    # How many clauses a sample passes, and copies: both fit a signed type that is wider.
    exp.DataType.Type.USMALLINT: exp.DataType.Type.INT,
    exp.DataType.Type.UBIGINT: exp.DataType.Type.BIGINT,
}


# What comes between statements follows from them by a rule that can be said.
_STATISTICS = (Scan, GroupedThreshold, Cut, Firsts, Draw)


@dataclass(frozen=True, slots=True)
class SparkStatement:
    """A statement of Spark SQL with a line that says what it is for."""

    title: str
    text: str


def spark(program: Program) -> tuple[SparkStatement, ...]:
    """Write a program as Spark SQL over a table or view `pool`, in the order in which it runs.

    Raises RecipeError (E1541) with everything that Spark would take in another meaning, or that is not known to mean
    the same there.
    """
    if program.features or program.asset_sets:
        raise RecipeError(_of_features(program))
    if program.tables:
        named = " and ".join(f"`{read.table.name}`" for read in program.tables)
        why = "a joined table is laid beside the pool's files, row for row, and a table in Spark has no such order"
        raise RecipeError(_refusal(named, why))
    faults: dict[str, Diagnostic] = {}
    for statistic in (one for stage in program.stages for one in stage.statistics):
        if not isinstance(statistic, _STATISTICS):
            fault = _refusal(f"`{statistic.name}`", _UNKNOWN)
            faults.setdefault(fault.label, fault)
    result: list[SparkStatement] = []
    statements = [("samples: what the others read", _samples(program)), *_titled(program)]
    for title, query in statements:
        try:
            result.append(SparkStatement(title, _Translation().text(query)))
        except RecipeError as error:
            for fault in error.diagnostics:
                faults.setdefault(fault.label, fault)  # one of a kind
    if faults:
        raise RecipeError(*faults.values())
    view = result[0]
    return (SparkStatement(view.title, f"CREATE OR REPLACE TEMPORARY VIEW samples AS\n{view.text}"), *result[1:])


def _titled(program: Program) -> Iterator[tuple[str, exp.Expression]]:
    """Yield the statements with what they give, in words that need no knowledge of the engine."""
    every = [statistic for stage in program.stages for statistic in stage.statistics]
    # Its bounds are expected from how hashes are spread, and it gives no more than the statement after it.
    guessed = [one.near for one in every if isinstance(one, Draw)]
    for title, statement in program.statements():
        if statement in guessed:
            continue
        yield title.replace("$", ":"), _parsed(statement)


def _parsed(statement: Statement) -> exp.Expression:
    tree = sqlglot.parse_one(statement.text, read="duckdb")
    assert isinstance(tree, exp.Expression)
    return tree


def ranks(program: Program) -> tuple[str, ...]:
    """Say of each parameter which value of its statement it is."""
    told = [
        f"set `{table}` is a table of the values of {named.name}, in a column `value`" for table, named in program.sets
    ]
    for statistic in (one for stage in program.stages for one in stage.statistics):
        if isinstance(statistic, Scan):
            for one in statistic.thresholds:
                among = f" among those with {one.member}" if one.member is not None else ""
                told.append(f":{one.name} is {_rank(one, one.value + among)}")
        elif isinstance(statistic, GroupedThreshold):
            keys = ", ".join(f"`k{i}`" for i in range(len(statistic.key_types)))
            told.append(
                f"`{statistic.name}` is a table of {keys} and `value`, {_rank(statistic, 'value of each group')}"
            )
        elif isinstance(statistic, Firsts):
            told.append(
                f"`{statistic.name}/groups` is a table of what the first statement of `{statistic.name}` gives, and "
                f"`{statistic.name}` one of what the other two give"
            )
        elif isinstance(statistic, Draw):
            told.append(
                f":{statistic.name}_keep is 0 where nothing is drawn, 2 where all is, else 1: then `{statistic.name}` "
                f"is a table of what the last statement of `{statistic.name}` gives, :kept the number that is drawn"
            )
        elif isinstance(statistic, Cut):
            names = ", ".join(f":{statistic.name}_{i}" for i in range(len(statistic.key_types)))
            where = f"{names} are the keys at :offset"
            if statistic.numbers is not None:
                down = "largest first" if statistic.numbers.descending else "smallest first"
                nulls = "first" if statistic.numbers.nulls_first else "last"
                where = f"{names} is the number of the last sample that fits, {down} and NULLs {nulls}"
            told.append(
                f":{statistic.name}_keep is 0 where nothing is kept, 2 where all is, else 1: then {where}, "
                f"and :{statistic.name}_tie the tie hash of the last sample with these keys that fits"
            )
    return tuple(told)


def _rank(one: Threshold | GroupedThreshold, what: str) -> str:
    k = f"max(1, ceil({one.rank.p} * n))"
    if one.rank.datacomp:
        k = f"max(1, n - int(n * {float(one.rank.p)!r})), DataComp's own rule"
    nulls = "NULLs included, as the smallest" if one.nulls_first else "NULLs left out"
    return f"the k-th smallest {what}, {nulls}, of n: k = {k}"


def _samples(program: Program) -> exp.Expression:
    """Write what `samples` is over a table `pool`: the columns as recipes see them, and the whole uid as the `@id`."""
    raw = _parsed(program.samples.raw_named or program.samples.raw)
    raw.set("joins", None)
    raw.set("expressions", [one for one in raw.expressions if not _FIRST.fullmatch(one.alias)])
    for column in raw.find_all(exp.Column):
        column.set("table", None)
    raw.set("from_", exp.From(this=exp.Table(this=exp.to_identifier(_POOL))))
    told = next(one for one in raw.expressions if one.alias == ID)
    told.set("this", _parsed(sql.render(padded(sql.column("uid")))))
    return raw


def _of_features(program: Program) -> Diagnostic:
    named = sorted({*(spec.name for spec in program.features), *(one.asset.name for one in program.asset_sets)})
    return _refusal(
        " and ".join(f"`{name}`" for name in named[:4]) + (" .." if len(named) > 4 else ""),
        "what models make is stored beside the pool's files, row for row, and a table in Spark has no such order",
    )


def _refusal(what: str, why: str) -> Diagnostic:
    helps = ("`dcql sql` prints the SQL that runs; `dcql run` gives the subset to load into Spark: `dcql export`",)
    return Diagnostic("E1541", f"no Spark SQL for {what}", None, why, helps)


class _Translation:
    """One statement on its way to Spark."""

    def __init__(self) -> None:
        self._faults: list[Diagnostic] = []
        self._names: dict[str, str] = {}

    def text(self, query: exp.Expression) -> str:
        """Print a statement. Raises RecipeError with what may not be printed."""
        # From the leaves up, so that what is rewritten holds what was.
        for node in reversed(list(query.walk())):
            if (written := _rewritten(node)) is not node:
                node.replace(written)
        refused: set[int] = set()
        # What stands in a node that is refused is not told too.
        for node in query.walk(prune=lambda node: id(node) in refused):
            if (why := self._why(node)) is not None:
                refused.add(id(node))
                self._faults.append(_refusal(f"`{_short(node)}`", why))
        if self._faults:
            raise RecipeError(*self._faults)
        return query.sql(dialect="spark", pretty=True)

    def _why(self, node: exp.Expr) -> str | None:
        """Return why a node may not be printed, None where it may."""
        if isinstance(node, exp.Identifier):
            return self._name(node.name)
        if (special := _CHECKS.get(type(node))) is not None:
            return special(node)
        return None if isinstance(node, _ALIKE) else _UNKNOWN

    def _name(self, name: str) -> str | None:
        known = self._names.setdefault(name.casefold(), name)
        if known != name:
            return f"Spark takes the names `{known}` and `{name}` for one: it does not tell capitals apart"
        return _substituted(name)


def _rewritten(node: exp.Expr) -> exp.Expr:
    """Write in Spark's own form what it has no word for, or another."""
    match node:
        case exp.DataType() if node.this in _TYPES:
            return exp.DataType(this=_TYPES[node.this])
        case exp.Anonymous() if node.name.upper() == "ISFINITE":
            # In Spark NaN is larger than infinity.
            (value,) = node.expressions
            infinity = exp.Cast(this=exp.Literal.string("Infinity"), to=exp.DataType(this=exp.DataType.Type.DOUBLE))
            return exp.Paren(this=exp.LT(this=exp.Abs(this=value), expression=infinity))
        case exp.Anonymous() if node.name.upper() == "SUFFIX":
            text, ending = node.expressions
            return exp.EndsWith(this=text, expression=ending)
        case exp.Anonymous() if node.name.upper() == "STRLEN":
            return exp.Anonymous(this="OCTET_LENGTH", expressions=list(node.expressions))
        case exp.Column() if (first := _FIRST.fullmatch(node.name)) is not None:
            return exp.Paren(this=exp.In(this=sql.column(ID), query=sql.subquery(sql.column_of(first[1], "id"))))
        case _:
            return node


_UNKNOWN = "it is not known to mean the same in Spark"


def _whole(node: exp.Expression) -> str | None:
    return "whole numbers are computed in 128 bits, which Spark does not have: one that is too large is NULL here"


def _cast(node: exp.Cast) -> str | None:
    if isinstance(node, exp.TryCast) or node.to.this not in _TYPES.values():
        return _whole(node)
    if isinstance(node.this, exp.Literal) and node.this.is_string and node.this.this != "Infinity":
        return "a text as a number is read by other rules"
    return None


def _literal(node: exp.Expression) -> str | None:
    if not node.is_string:
        return None
    return _substituted(node.this)


def _substituted(text: str) -> str | None:
    return "Spark replaces `${..}` in the text of a query by a setting" if "${" in text else None


def _like(node: exp.Expression) -> str | None:
    pattern = _written(node.expression)
    if pattern is None:
        return "a pattern that differs from sample to sample may hold a backslash, with which Spark escapes"
    return "Spark takes the backslash in a LIKE pattern for an escape" if "\\" in pattern else None


def _pattern(node: exp.Expression) -> str | None:
    pattern = _written(node.expression)
    if any(node.args.get(name) for name in ("flag", "full_match", "position")):
        return _UNKNOWN
    if pattern is None or not _PLAIN_PATTERN.fullmatch(pattern):
        return "RE2 and Java read regular expressions differently, but for plain words with `|` between them"
    return None


def _written(node: exp.Expression) -> str | None:
    """Return the text that an expression is for every sample, None where it is no literal."""
    match node:
        case exp.Literal() if node.is_string:
            return str(node.this)
        case exp.Concat():
            parts = [_written(part) for part in node.expressions]
            return None if None in parts else "".join(part or "" for part in parts)
        case exp.Chr():
            return chr(int(node.expressions[0].this))
        case _:
            return None


def _chr(node: exp.Expression) -> str | None:
    codes = node.expressions
    if len(codes) == 1 and isinstance(codes[0], exp.Literal) and int(codes[0].this) < 128:
        return None
    return "Spark's chr() knows the first 256 characters alone"


def _concat(node: exp.Expression) -> str | None:
    return None if _written(node) is not None else _UNKNOWN


def _star(node: exp.Expression) -> str | None:
    return None if isinstance(node.parent, exp.Column | exp.Count) else _UNKNOWN


def _join(node: exp.Join) -> str | None:
    return None if node.side in ("LEFT", "") and not node.method and not node.kind else _UNKNOWN


def _in(node: exp.Expression) -> str | None:
    return None if node.args.get("query") is not None and not node.expressions else _UNKNOWN


def _window(node: exp.Expression) -> str | None:
    if isinstance(node.this, exp.Rank | exp.RowNumber) and node.args.get("order") and not node.args.get("spec"):
        return None
    return _UNKNOWN


def _division(node: exp.Expression) -> str | None:
    return "Spark divides FLOATs as DOUBLEs, and stops or gives NULL at x / 0 by a setting"


def _remainder(node: exp.Expression) -> str | None:
    return "Spark stops or gives NULL at x % 0 by a setting"


def _bytes(node: exp.Expression) -> str | None:
    """Allow `||` on the bytes of a tie hash alone."""
    return None if all(isinstance(side, exp.Unhex) for side in (node.this, node.expression)) else _UNKNOWN


def _hash(node: exp.Expression) -> str | None:
    """Allow SHA-256 of bytes: in both the hex digits of it, in lower case."""
    inner = node.this.unnest()
    return None if node.args["length"].this == "256" and isinstance(inner, exp.DPipe) else _UNKNOWN


def _pad(node: exp.Expression) -> str | None:
    filled = node.args.get("fill_pattern")
    return None if node.args.get("is_left") and isinstance(filled, exp.Literal) and filled.this else _UNKNOWN


def _function(node: exp.Expression) -> str | None:
    if node.name.upper() == "LIST_EXTRACT":
        return "a value that is used several times is named in a list: it is not known to mean the same in Spark"
    return None if node.name == "OCTET_LENGTH" else _UNKNOWN


_CHECKS: dict[type[exp.Expr], Callable[..., str | None]] = {
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Literal: _literal,
    exp.Like: _like,
    exp.RegexpLike: _pattern,
    exp.Chr: _chr,
    exp.Concat: _concat,
    exp.Star: _star,
    exp.Join: _join,
    exp.In: _in,
    exp.Window: _window,
    exp.Div: _division,
    exp.Mod: _remainder,
    exp.Try: _whole,
    exp.DPipe: _bytes,
    exp.SHA2: _hash,
    exp.Unhex: lambda node: None,
    exp.Pad: _pad,
    exp.Anonymous: _function,
}


def _short(node: exp.Expr) -> str:
    text = " ".join(node.sql(dialect="duckdb").split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
