"""The plan: what a recipe means, with every name and type resolved.

Expressions are functions of one sample; relations are bags of samples of the pool. A relation names an earlier stage by
`Ref`, never by containing it, so a plan is as large as its recipe however often a stage is used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeAlias, TypeVar

from dcql.catalog.models import Asset, FeatureSpec
from dcql.catalog.types import Type
from dcql.displayed import Displayed
from dcql.plan.values import Literal as Literal
from dcql.plan.values import NamedSet as NamedSet
from dcql.plan.values import NamedTable as NamedTable
from dcql.plan.values import Promise as Promise
from dcql.plan.values import Rank as Rank
from dcql.source import Span

# --- expressions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the pool."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Length:
    """What a function of `catalog.lengths` says of a column's text, read from where the pool keeps it."""

    function: str
    column: str
    type: Type = field(default=Type.INT, init=False)


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a joined table, by its name there: NULL for a sample that the table lacks."""

    table: NamedTable
    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Feature:
    """A column that a model makes, by its name in the plan.

    `demand` is the relation whose samples it is asked of, NULL for all others; None until `plan.demand` says it.
    `needs` are the relations that its assets are fitted on.
    """

    name: str
    type: Type
    spec: FeatureSpec
    demand: "PoolScan | Ref | None" = None
    needs: "tuple[PoolScan | Ref, ...]" = ()


@dataclass(frozen=True, slots=True)
class Convert:
    """An INT or FLOAT taken as DOUBLE: exact, but an INT beyond 2^53 is rounded to even."""

    operand: "Expr"
    type: Type


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right`, op one of + - * / %; both operands have the type computed in, `type` is the result's.

    NULL where the result is infinite or not a number, leaves INT, or divides by zero (SEMANTICS §7).
    """

    op: str
    left: "Expr"
    right: "Expr"
    type: Type


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`, both of one type; op one of = <> < <= > >=."""

    op: str
    left: "Expr"
    right: "Expr"
    type: Type = field(default=Type.BOOL, init=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `catalog.functions` with arguments of the types that it takes."""

    name: str
    arguments: tuple["Expr", ...]
    type: Type


@dataclass(frozen=True, slots=True)
class Like:
    """`subject LIKE pattern`: by code point, `%` and `_` match line breaks, no escape."""

    subject: "Expr"
    pattern: "Expr"
    type: Type = field(default=Type.BOOL, init=False)


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether the operand is NULL."""

    operand: "Expr"
    type: Type = field(default=Type.BOOL, init=False)


@dataclass(frozen=True, slots=True)
class Not:
    """NOT, in three-valued logic."""

    operand: "Expr"
    type: Type = field(default=Type.BOOL, init=False)


@dataclass(frozen=True, slots=True)
class And:
    """AND of two or more, in three-valued logic."""

    operands: tuple["Expr", ...]
    type: Type = field(default=Type.BOOL, init=False)


@dataclass(frozen=True, slots=True)
class Or:
    """OR of two or more, in three-valued logic."""

    operands: tuple["Expr", ...]
    type: Type = field(default=Type.BOOL, init=False)


@dataclass(frozen=True, slots=True)
class Case:
    """The value of the first branch whose condition is TRUE, else the default."""

    branches: tuple[tuple["Expr", "Expr"], ...]
    default: "Expr"
    type: Type


@dataclass(frozen=True, slots=True)
class InSet:
    """Whether the subject is in the named set; NULL where the subject is.

    `needs` are the relations that an asset is fitted on.
    """

    subject: "Expr"
    set: "NamedSet | AssetSet"
    needs: "tuple[PoolScan | Ref, ...]" = ()
    type: Type = field(default=Type.BOOL, init=False)


@dataclass(frozen=True, slots=True)
class InTable:
    """Whether a joined table has the sample; never NULL. A JOIN is a clause of this."""

    table: NamedTable
    type: Type = field(default=Type.BOOL, init=False)


@dataclass(frozen=True, slots=True)
class InRelation:
    """Whether the sample itself (its uid) is in a relation; never NULL."""

    relation: "Rel"
    type: Type = field(default=Type.BOOL, init=False)


@dataclass(frozen=True, slots=True)
class Quantile:
    """The k-th smallest value of `expr` over the distinct samples of `population`, in each group of `by`.

    A statistic: one value for the whole run, or one a group. With `nulls_first`, NULLs count as the lowest values.
    """

    expr: "Expr"
    population: "Rel"
    rank: Rank
    by: tuple["Expr", ...]
    nulls_first: bool
    type: Type
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class SampleHash:
    """The hash of the sample's uid with a seed that SAMPLE draws by: 64 hex digits, lower case (SEMANTICS 12)."""

    seed: str
    type: Type = field(default=Type.TEXT, init=False)


@dataclass(frozen=True, slots=True)
class Priority:
    """What SAMPLE .. WEIGHT BY orders by: weight / u in DOUBLE, u in (0, 1] from the sample's hash.

    NULL where the weight, a DOUBLE, is NULL or not above 0 (SEMANTICS 13).
    """

    seed: str
    weight: "Expr"
    type: Type = field(default=Type.DOUBLE, init=False)


Expr: TypeAlias = (
    Column
    | Length
    | TableColumn
    | Feature
    | Literal
    | Convert
    | Arithmetic
    | Compare
    | Call
    | Like
    | IsNull
    | Not
    | And
    | Or
    | Case
    | InSet
    | InTable
    | InRelation
    | Quantile
    | SampleHash
    | Priority
)

TRUE = Literal(True, Type.BOOL)
FALSE = Literal(False, Type.BOOL)


@dataclass(frozen=True, slots=True)
class AssetSet:
    """An asset whose values form a set, such as the clusters that hold ImageNet images."""

    name: str
    type: Type
    asset: Asset


# --- relations --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PoolScan:
    """All samples of the pool, one copy each."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A stage, or the result of an imported recipe, by its name in the plan."""

    name: str


@dataclass(frozen=True, slots=True)
class Clause:
    """One conjunct of a WHERE, with its words."""

    expr: Expr
    text: str = field(compare=False)
    span: Span | None = field(compare=False, repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Filter:
    """The samples of `input` for which every clause is TRUE, with their copies."""

    input: "Rel"
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Copies:
    """The samples of `input`, each `expr` times as often; those with 0 are left out (SEMANTICS §3.11).

    Where it is not `checked`, what is no number of copies counts as 0: a mix of two recipes may ask of a sample what
    neither of them does.
    """

    input: "Rel"
    expr: Expr
    text: str = field(compare=False)
    span: Span | None = field(compare=False, repr=False, default=None)
    checked: bool = True


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of an ORDER BY."""

    expr: Expr
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class DistinctOn:
    """The first sample of each group of `keys` in `order`, ties by the tie hash; a NULL key keeps the sample."""

    input: "Rel"
    keys: tuple[Expr, ...]
    order: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """The first samples of `input` in `order`, ties by the tie hash: `count`, or floor(percent * n / 100).

    With `by` they are the first of each group, and n is its size; NULL is a group too.
    """

    input: "Rel"
    order: tuple[SortKey, ...]
    count: int | None
    percent: Fraction | None
    by: tuple[Expr, ...] = ()

    def keeps(self, samples: int) -> int:
        """Return how many are kept of `samples` that reach it: under BY, of a group."""
        if self.percent is not None:
            return int(self.percent * samples // 100)
        assert self.count is not None
        return min(self.count, samples)


@dataclass(frozen=True, slots=True)
class SampleShare:
    """SAMPLE percent PERCENT: the samples of `input` whose hash with the seed lies in the lowest `percent` of all."""

    input: "Rel"
    percent: Fraction
    seed: str

    @property
    def bound(self) -> int:
        """The first of the 2^64 values of a hash's first 8 bytes that is too large."""
        return int(self.percent * 2**64 // 100)

    @property
    def condition(self) -> Expr:
        """What is TRUE of the samples that are kept; never NULL."""
        if self.bound == 2**64:
            return TRUE
        return Compare("<", SampleHash(self.seed), Literal(self.bound_text, Type.TEXT))

    @property
    def bound_text(self) -> str:
        """The bound as hex digits: a whole hash is below them where its first 8 bytes are below the bound."""
        return f"{self.bound:016x}"


@dataclass(frozen=True, slots=True)
class SampleRows:
    """SAMPLE count ROWS: the samples of `input` with the smallest hashes with the seed, or with the largest priorities.

    `weight`, of type DOUBLE, is that of WEIGHT BY: a sample whose weight is NULL or 0 is never kept.
    """

    input: "Rel"
    count: int
    seed: str
    weight: Expr | None

    @property
    def by(self) -> tuple[Expr, ...]:
        """The keys of its groups: it draws from all samples at once."""
        return ()

    def keeps(self, samples: int) -> int:
        """Return how many are kept of `samples` that reach it and have a weight."""
        return min(self.count, samples)

    @property
    def order(self) -> tuple[SortKey, ...]:
        """The order whose first samples are kept; ties by the tie hash."""
        if self.weight is None:
            return (SortKey(SampleHash(self.seed), descending=False, nulls_first=False),)
        return (SortKey(Priority(self.seed, self.weight), descending=True, nulls_first=False),)


@dataclass(frozen=True, slots=True)
class SetOperation:
    """UNION, INTERSECT, EXCEPT (one copy each) or UNION ALL (copies add)."""

    op: str
    left: "Rel"
    right: "Rel"


Rel: TypeAlias = PoolScan | Ref | Filter | Copies | DistinctOn | Limit | SampleShare | SampleRows | SetOperation


@dataclass(frozen=True, slots=True)
class Stage:
    """A named relation; it may refer to the stages before it.

    A `demand` is no stage of the recipe: it holds the samples that a feature is asked of.
    """

    name: str
    relation: Rel
    demand: bool = False


@dataclass(frozen=True)
class Plan(Displayed):
    """A recipe's meaning: stages in order, the final relation, promises, and the values of its PARAMs."""

    stages: tuple[Stage, ...]
    query: Rel
    promises: tuple[Promise, ...]
    parameters: tuple[tuple[str, str], ...]


# --- walking ----------------------------------------------------------------------------------------------------------

Node = Expr | Rel | Clause | SortKey
_NODES = frozenset((
    Column, Length, TableColumn, Feature, Literal, Convert, Arithmetic, Compare, Call, Like, IsNull, Not, And, Or, Case,
    InSet, InTable, InRelation, Quantile, SampleHash, Priority, PoolScan, Ref, Clause, Filter, Copies, SortKey,
    DistinctOn, Limit, SampleShare, SampleRows, SetOperation,
))  # fmt: skip
N = TypeVar("N")


def children(node: Node) -> list[Node]:
    """Return the nodes directly inside `node`, in text order."""
    found: list[Node] = []
    # By name: `fields` looks at each of them anew, and plans are walked often.
    for name in node.__dataclass_fields__:
        _gather(getattr(node, name), found)
    return found


def _gather(value: object, found: list[Node]) -> None:
    if type(value) in _NODES:
        found.append(value)  # type: ignore[arg-type]
    elif isinstance(value, tuple):
        for item in value:
            _gather(item, found)


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and every node inside it, outermost first; what a `Ref` names is not inside."""
    left = [node]
    while left:
        node = left.pop()
        yield node
        left += reversed(children(node))


def transform(node: N, rule: Callable[[Node], Node]) -> N:
    """Rebuild `node` from the inside out with `rule` applied to every node; unchanged parts keep their identity."""
    changed = {}
    for name in node.__dataclass_fields__:  # type: ignore[attr-defined]
        old = getattr(node, name)
        new = _rebuilt(old, rule)
        if new is not old:
            changed[name] = new
    return rule(replace(node, **changed) if changed else node)  # type: ignore[return-value,arg-type,type-var]


def _rebuilt(value: object, rule: Callable[[Node], Node]) -> object:
    if type(value) in _NODES:
        return transform(value, rule)
    if isinstance(value, tuple):
        new = tuple(_rebuilt(item, rule) for item in value)
        return new if any(a is not b for a, b in zip(new, value, strict=True)) else value
    return value


def transform_plan(plan: Plan, rule: Callable[[Node], Node]) -> Plan:
    """Apply `transform` to every relation of a plan."""
    stages = tuple(replace(stage, relation=transform(stage.relation, rule)) for stage in plan.stages)
    return replace(plan, stages=stages, query=transform(plan.query, rule))
