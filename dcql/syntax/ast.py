"""The recipe as it was written: frozen nodes, each with the span of its words.

Spans take no part in equality, so two recipes that differ only in layout are equal. Chains of AND, OR, + and *
are flat tuples: ten thousand of them must not recurse.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from dcql.source import Source, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Anything that was written, and where."""

    span: Span = field(compare=False, repr=False)


# --- expressions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A numeric literal, exact: `0.7`, `30`, `1e3`. Never negative."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A text literal; doubled quotes are already single."""

    value: str


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class Null(Node):
    """NULL."""


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name, dotted where it is qualified: `lang`, `pool.lang`."""

    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """The name as written, without spaces."""
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function or a DEFINE with arguments: `least(a, b)`."""

    name: str
    arguments: tuple["Expr", ...]
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Quantile(Node):
    """`q(p [, expr] [OF population] [BY key, ..] [NULLS FIRST])`; without `expr` it is bare.

    A bare q ranks the other side of the comparison that it stands in.
    """

    p: "Expr"
    expr: "Expr | None"
    of: Name | None
    by: tuple["Expr", ...]
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Negate(Node):
    """`-x`; `+x` leaves no node."""

    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """`first op operand op operand ..`, left to right; operators of one level: `+ -` or `* / %`."""

    first: "Expr"
    rest: tuple[tuple[str, "Expr"], ...]


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`left op right` with op one of = <> < <= > >= (`!=` is read as `<>`)."""

    op: str
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Between(Node):
    """`x [NOT] BETWEEN low AND high`."""

    subject: "Expr"
    low: "Expr"
    high: "Expr"
    negated: bool


@dataclass(frozen=True, slots=True)
class Like(Node):
    """`x [NOT] LIKE pattern`."""

    subject: "Expr"
    pattern: "Expr"
    negated: bool


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    """`x IS [NOT] NULL`."""

    subject: "Expr"
    negated: bool


@dataclass(frozen=True, slots=True)
class InName(Node):
    """`x [NOT] IN name`: a set, a stage or a recipe."""

    subject: "Expr"
    name: Name
    negated: bool


@dataclass(frozen=True, slots=True)
class InList(Node):
    """`x [NOT] IN (a, b, ..)`."""

    subject: "Expr"
    items: tuple["Expr", ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class InQuery(Node):
    """`x [NOT] IN (SELECT ..)`."""

    subject: "Expr"
    query: "Query"
    negated: bool


@dataclass(frozen=True, slots=True)
class Not(Node):
    """`NOT x`."""

    operand: "Expr"


@dataclass(frozen=True, slots=True)
class And(Node):
    """`a AND b AND ..`, at least two."""

    operands: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """`a OR b OR ..`, at least two."""

    operands: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Case(Node):
    """`CASE WHEN condition THEN value .. [ELSE value] END`."""

    branches: tuple[tuple["Expr", "Expr"], ...]
    default: "Expr | None"


Expr = (
    Number
    | Text
    | Boolean
    | Null
    | Name
    | Call
    | Quantile
    | Negate
    | Arithmetic
    | Compare
    | Between
    | Like
    | IsNull
    | InName
    | InList
    | InQuery
    | Not
    | And
    | Or
    | Case
)


# --- queries ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderKey(Node):
    """`expression [ASC | DESC] [NULLS FIRST | LAST]`; NULL keys come last unless `nulls_first`."""

    expr: Expr
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Limit(Node):
    """`LIMIT count` or `LIMIT count PERCENT`; `count` is a constant expression."""

    count: Expr
    percent: bool


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`SELECT [DISTINCT ON (..)] uid FROM relation [WHERE ..]`.

    `distinct_on` is empty without DISTINCT ON; its order is the ORDER BY of the query around it.
    """

    relation: "Name | Query"
    where: Expr | None
    distinct_on: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class SetOperation(Node):
    """`left op right` with op one of UNION, UNION ALL, INTERSECT, EXCEPT."""

    op: str
    left: "QueryBody"
    right: "QueryBody"


QueryBody: TypeAlias = "Select | SetOperation | Query"


@dataclass(frozen=True, slots=True)
class Query(Node):
    """A body with an optional tail: `body [ORDER BY ..] [LIMIT ..]`. Parentheses make a Query of their own."""

    body: "QueryBody"
    order: tuple[OrderKey, ...]
    limit: Limit | None


@dataclass(frozen=True, slots=True)
class Stage(Node):
    """`name AS (query)` in WITH."""

    name: str
    query: Query
    name_span: Span = field(compare=False, repr=False)


# --- statements ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Language(Node):
    """`DCQL version`: the version of the language that a file is written in."""

    version: int


@dataclass(frozen=True, slots=True)
class Define(Node):
    """`DEFINE name [(parameter, ..)] AS expression`; `parameters` is None without parentheses."""

    name: str
    parameters: tuple[str, ...] | None
    body: Expr
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Param(Node):
    """`PARAM name DEFAULT expression`."""

    name: str
    default: Expr
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SetFile(Node):
    """`SET name FROM 'file' SHA256 'hex'`."""

    name: str
    path: Text
    sha256: Text
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Import(Node):
    """`IMPORT 'file.dcql' AS name [WITH parameter = expression, ..]`."""

    path: Text
    name: str
    arguments: tuple[tuple[str, Expr], ...]
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TypeName(Node):
    """A type as it is written: `TEXT`, `FIXED(14)`. Which names there are is not known here."""

    name: str
    argument: Decimal | None


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """`name type [DEFAULT expression]`: an input of a model, or an option with its default."""

    name: str
    type: TypeName
    default: Expr | None


@dataclass(frozen=True, slots=True)
class Code(Node):
    """`FROM 'file' SHA256 'hex'`: the Python file of a user's own model."""

    path: Text
    sha256: Text


@dataclass(frozen=True, slots=True)
class Weights(Node):
    """`'file' SHA256 'hex'` after WEIGHTS or OR: one file that the weights may come from."""

    file: Text
    sha256: Text


@dataclass(frozen=True, slots=True)
class Model(Node):
    """`MODEL name(parameter, ..) RETURNS type VERSION n [FROM ..] [WEIGHTS ..] [TOLERANCE x] [LICENCE ..] [CITE ..]`.

    `weights` are in the order in which they are looked for; it is empty for a model without weights.
    """

    name: str
    parameters: tuple[Parameter, ...]
    returns: TypeName
    version: Number
    code: Code | None
    weights: tuple[Weights, ...]
    tolerance: Expr | None
    licence: Text | None
    cite: Text | None
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """`[name =] expression`: what a model is given; `name` is None for an argument by position."""

    name: str | None
    value: Expr


@dataclass(frozen=True, slots=True)
class ModelCall(Node):
    """`model(argument, ..)`; named and positional arguments may stand in any order."""

    model: Name
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Feature(Node):
    """`FEATURE name type USING model(argument, ..)`."""

    name: str
    type: TypeName
    using: ModelCall
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PoolAsset(Node):
    """`ASSET name FROM pool`; any name may stand for `source`."""

    name: str
    source: Name
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AssetFile(Node):
    """`ASSET name FROM 'file' SHA256 'hex'`."""

    name: str
    path: Text
    sha256: Text
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MadeAsset(Node):
    """`ASSET name AS model(argument, ..)`: made from other assets."""

    name: str
    using: ModelCall
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class FitAsset(Node):
    """`ASSET name AS FIT model(argument, ..) ON relation SEED seed`."""

    name: str
    using: ModelCall
    on: Name
    seed: Number | Text
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bound(Node):
    """One end of EXPECT: a count of samples, or a percentage of the pool's samples."""

    value: Expr
    percent: bool


@dataclass(frozen=True, slots=True)
class Expect(Node):
    """`EXPECT kept BETWEEN low AND high`."""

    low: Bound
    high: Bound


Definition = Define | Param | SetFile | Import | Model | Feature | PoolAsset | AssetFile | MadeAsset | FitAsset


@dataclass(frozen=True)
class Recipe:
    """One recipe file: its definitions in text order, the WITH stages, the final query and its promises.

    A library file has definitions only: no stages and no query. `language` is its first line, where it says one.
    """

    source: Source = field(compare=False, repr=False)
    definitions: tuple[Definition, ...]
    stages: tuple[Stage, ...]
    query: Query | None
    expects: tuple[Expect, ...]
    language: Language | None = None
