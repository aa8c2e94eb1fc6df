"""What was written: the syntax tree of one recipe file."""

from dataclasses import dataclass
from fractions import Fraction

# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Truth:
    """TRUE, FALSE, or NULL as None."""

    value: bool | None


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Quantile:
    p: "Expr"
    expr: "Expr | None"  # None: bare, the other side of its comparison
    of: str | None
    by: tuple["Expr", ...]
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Negate:
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: str  # + - * / %
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Compare:
    operator: str  # = <> < <= > >=
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Between:
    subject: "Expr"
    low: "Expr"
    high: "Expr"


@dataclass(frozen=True, slots=True)
class Like:
    subject: "Expr"
    pattern: "Expr"


@dataclass(frozen=True, slots=True)
class IsNull:
    subject: "Expr"


@dataclass(frozen=True, slots=True)
class InName:
    subject: "Expr"
    name: str


@dataclass(frozen=True, slots=True)
class InList:
    subject: "Expr"
    members: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class InQuery:
    subject: "Expr"
    query: "Query"


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Case:
    branches: tuple[tuple["Expr", "Expr"], ...]
    otherwise: "Expr | None"


Expr = (
    Number
    | Text
    | Truth
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

# ---------------------------------------------------------------- relations


@dataclass(frozen=True, slots=True)
class Select:
    distinct_on: tuple[Expr, ...]
    copies: Expr | None
    source: "str | Query"
    where: Expr | None


@dataclass(frozen=True, slots=True)
class SetOperation:
    operator: str  # 'UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'
    left: "Body"
    right: "Body"


@dataclass(frozen=True, slots=True)
class OrderKey:
    key: Expr
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Amount:
    """A count, or a percentage: of LIMIT, SAMPLE, EXPECT."""

    value: Expr
    percent: bool


@dataclass(frozen=True, slots=True)
class Limit:
    amount: Amount
    by: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    amount: Amount
    seed: str
    weight: Expr | None


@dataclass(frozen=True, slots=True)
class Query:
    """A body with a tail of its own; a parenthesised operand is one of these."""

    body: "Body"
    order: tuple[OrderKey, ...]
    limit: Limit | None
    sampling: Sampling | None


Body = Select | SetOperation | Query

# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Define:
    name: str
    arguments: tuple[str, ...] | None  # None: used without parentheses
    body: Expr


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    default: Expr


@dataclass(frozen=True, slots=True)
class Import:
    path: str
    name: str
    values: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class SetFile:
    name: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Expect:
    low: Amount
    high: Amount


@dataclass(frozen=True, slots=True)
class Final:
    stages: tuple[tuple[str, Query], ...]
    query: Query
    expects: tuple[Expect, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    defines: tuple[Define, ...]
    params: tuple[Param, ...]
    imports: tuple[Import, ...]
    sets: tuple[SetFile, ...]
    final: Final
