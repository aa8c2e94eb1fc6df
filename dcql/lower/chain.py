"""Relations -> nested SELECTs over `samples`, one layer on top of the other.

Every relation is a function of the sample: whether it is in, and with how many copies. A stage becomes a column,
computed once in the layer above everything that it reads. Names that dcql makes start with @, which no column of a
recipe does; what belongs to a stage goes on after a /, which no stage has in its name.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias, TypeGuard

from sqlglot import exp

from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.copies import added, constant_copies, counted, multiplied
from dcql.lower.draw import above_zero
from dcql.lower.grouped_cut import grouped_limit
from dcql.lower.order import before
from dcql.lower.program import Block
from dcql.lower.sets import in_table
from dcql.lower.sql import Sql
from dcql.lower.statement import SAMPLES, feature_column, first_column
from dcql.plan import nodes
from dcql.plan.copies import Most
from dcql.plan.statistics import StatisticNode
from dcql.plan.written import Writer

SAMPLE_BLOCK = "sample'"  # a stroke is in no name of a recipe

FallibleNode: TypeAlias = nodes.Arithmetic | nodes.Call | nodes.Quantile


@dataclass(frozen=True, slots=True)
class Member:
    """A relation in SQL: `present` is a BOOLEAN that is never NULL; `copies` is None where every sample has one.

    `where` names a column and the number in it that says the same as `present`, where there is one.
    """

    present: Sql
    copies: Sql | None = None
    where: tuple[str, int] | None = None

    @property
    def everything(self) -> bool:
        """Whether it is the whole pool, one copy each."""
        return isinstance(self.present, exp.Boolean) and bool(self.present.this) and self.copies is None


@dataclass
class _Layer:
    columns: list[tuple[Sql, str]] = field(default_factory=list)
    joins: list[tuple[str, Sql]] = field(default_factory=list)


class Chain:
    """Builds one query: asked for relations and expressions, it adds the layers that they need.

    `names` gives the name of each statistic; `stages` the relations that `Ref` names; `sets` the table of each set;
    `tables` the name of each joined table; `demands` are the stages that hold what features are asked of.
    """

    def __init__(
        self,
        stages: Mapping[str, nodes.Rel],
        names: Mapping[StatisticNode, str],
        sets: Mapping[nodes.NamedSet | nodes.AssetSet, str],
        demands: Collection[str] = (),
        tables: Mapping[tuple[str, str], str] = MappingProxyType({}),
    ) -> None:
        self.blocks: list[Block] = []
        self._stages = stages
        self._names = names
        self._sets = sets
        self._tables = tables
        self._asking = demands
        self._layers: list[_Layer] = []
        self._layer_of: dict[str, int] = {}
        self._refs: dict[str, Member] = {}
        self.reads_tables = False
        self._inside: dict[nodes.Rel, Member] = {}
        self._most = Most(stages)

    # --- relations ----------------------------------------------------------------------------------------------------

    def relation(self, rel: nodes.Rel, name: str) -> Member:
        """Add what a relation needs; return it. `name` is what its blocks are called in the funnel."""
        match rel:
            case nodes.PoolScan():
                return Member(exp.true())
            case nodes.Ref():
                return self._ref(rel.name)
            case nodes.Filter():
                return self._filter(rel, name)
            case nodes.Copies():
                return self._copies(rel, name)
            case nodes.SetOperation():
                return self._set_operation(rel, name)
            case nodes.DistinctOn():
                return self._distinct_on(rel, name)
            case nodes.Limit():
                return self._limit(rel, name)
            case nodes.SampleRows():
                return self._sample_rows(rel, name)
            case nodes.SampleShare():
                return self._sample_share(rel, name)

    def _ref(self, name: str) -> Member:
        if name not in self._refs:
            member = self.relation(self._stages[name], name)
            present = self.column(member.present, f"@{name}/in")
            copies = self.column(member.copies, f"@{name}/copies") if member.copies is not None else None
            self._refs[name] = Member(present, copies)
        return self._refs[name]

    def _sample_share(self, rel: nodes.SampleShare, name: str) -> Member:
        """Add a SAMPLE .. PERCENT as one more clause of the SELECT that it ends, or as a block of its own."""
        clause = nodes.Clause(rel.condition, Writer().sample(rel))
        match rel.input:
            case nodes.Filter() as inner:
                return self._filter(nodes.Filter(inner.input, (*inner.clauses, clause)), name)
            case nodes.PoolScan() | nodes.Ref():
                return self._filter(nodes.Filter(rel.input, (clause,)), name)
            case _:
                source = self.relation(rel.input, name)
                own = f"{name}/{SAMPLE_BLOCK}"
                while f"@{own}/clauses" in self._layer_of:
                    own += "'"
                return self._counted(nodes.Filter(rel.input, (clause,)), own, source)

    def _filter(self, rel: nodes.Filter, name: str) -> Member:
        return self._counted(rel, name, self.relation(rel.input, f"{name}/from"))

    def _counted(self, rel: nodes.Filter, name: str, source: Member) -> Member:
        """Add a filter of `source`, and what counts how many clauses a sample passes."""
        holds, shared = self._tested(rel, name)
        counted = shared[-1][1] if shared else 0
        passed = _passed(holds, counted)
        for at, (stage, upto) in reversed(list(enumerate(shared))):
            before_it = shared[at - 1][1] if at else 0
            passed = self._going_on(stage, before_it, upto, passed, len(rel.clauses))
        if not source.everything and not shared:
            passed = sql.case([(source.present, passed)], sql.integer(len(rel.clauses) + 1))
        depth = self.column(sql.small(passed), f"@{name}/clauses")
        every = sql.integer(len(rel.clauses))
        fallible = [node for clause in rel.clauses for node in _fallible(clause.expr)]
        undefined = None
        if fallible:
            undefined = f"@{name}/undefined"
            failed = sql.either([self._failed(node, name) for node in fallible])
            self.column(sql.is_true(sql.both([source.present.copy(), failed])), undefined)
        texts = tuple(clause.text for clause in rel.clauses)
        statistics = tuple(self._thresholds(clause) for clause in rel.clauses)
        demands = tuple(tuple(dict.fromkeys(self._demands(clause.expr))) for clause in rel.clauses)
        shown = name.replace("/", ".")
        read = source_name(rel.input)
        self.blocks.append(Block(shown, read, texts, f"@{name}/clauses", undefined, statistics, demands))
        passed_all = sql.compare("=", depth, every)
        return Member(passed_all, source.copies, (f"@{name}/clauses", len(rel.clauses)))

    def _tested(self, rel: nodes.Filter, name: str) -> tuple[list[Sql], list[tuple[str, int]]]:
        """Return the stages that `_shared` finds, and the conditions of the clauses that none of them tests."""
        shared = self._shared(rel)
        counted = shared[-1][1] if shared else 0
        return [self.expression(clause.expr, name) for clause in rel.clauses[counted:]], shared

    def _shared(self, rel: nodes.Filter) -> list[tuple[str, int]]:
        """Return the stages of `plan.demand` that test the first clauses of a filter, and how many are tested by each.

        The last of them needs all before it, so the clauses that it tests are not tested a second time.
        """
        found: list[tuple[str, int]] = []
        asked = [name for name, stage in self._stages.items() if name in self._asking]
        if not asked:
            return found
        relations = {self._stages[name]: name for name in asked}
        for upto in range(1, len(rel.clauses)):
            tested = nodes.Filter(
                nodes.Ref(found[-1][0]) if found else rel.input, rel.clauses[found[-1][1] if found else 0 : upto]
            )
            if tested in relations:
                found.append((relations[tested], upto))
        return found

    def _going_on(self, stage: str, start: int, upto: int, then: Sql, every: int) -> Sql:
        """Write how many clauses pass: `then`, where all those from `start` to `upto` do that `stage` tested."""
        self._ref(stage)
        passed = sql.column(f"@{stage}/clauses")
        tested = upto - start
        branches = [(sql.compare("=", passed, sql.integer(tested)), then)]
        if start == 0:
            # One more than its clauses marks what is not read at all.
            branches.append((sql.compare("=", passed.copy(), sql.integer(tested + 1)), sql.integer(every + 1)))
            return sql.case(branches, passed.copy())
        return sql.case(branches, exp.Paren(this=exp.Add(this=passed.copy(), expression=sql.integer(start))))

    def _thresholds(self, clause: nodes.Clause) -> tuple[str, ...]:
        found = (self._names[node] for node in nodes.walk(clause.expr) if isinstance(node, nodes.Quantile))
        return tuple(dict.fromkeys(found))

    def _demands(self, node: nodes.Node) -> Iterator[str]:
        """Yield the demands of a clause for its own samples, not those of what a threshold or another SELECT reads."""
        if isinstance(node, nodes.Feature):
            yield self._names[node]
        elif not isinstance(node, nodes.Quantile | nodes.InRelation):
            for child in nodes.children(node):
                yield from self._demands(child)

    def _failed(self, node: FallibleNode, name: str) -> Sql:
        """Write whether operations, one inside the other, give NULL though all that they start from is there."""
        starts = [sql.opposite(sql.is_null(self.expression(start, name))) for start in _starts(node)]
        return sql.both([sql.is_null(self.expression(node, name)), *starts])

    def _set_operation(self, rel: nodes.SetOperation, name: str) -> Member:
        operations: list[nodes.SetOperation] = []
        first: nodes.Rel = rel
        while isinstance(first, nodes.SetOperation):
            operations.append(first)
            first = first.left
        result = self.relation(first, f"{name}/1")
        for number, one in enumerate(reversed(operations), start=2):
            other = self.relation(one.right, f"{name}/{number}")
            result = self._combined(one, result, other, f"@{name}/upto{number}")
        return result

    def _combined(self, rel: nodes.SetOperation, left: Member, right: Member, name: str) -> Member:
        a, b = left.present, right.present
        match rel.op:
            case "INTERSECT":
                return Member(self.column(sql.both([a, b]), name))
            case "EXCEPT":
                return Member(self.column(sql.both([a, sql.opposite(b)]), name))
            case "UNION":
                return Member(self.column(sql.either([a, b]), name))
            case _:
                total = added(_count(left), _count(right), self._most.unchecked(rel))
                return Member(self.column(sql.either([a, b]), name), self.column(total, f"{name}/copies"))

    def _copies(self, rel: nodes.Copies, name: str) -> Member:
        # A WHERE is of the same SELECT; anything else is a query in its FROM.
        source = self.relation(rel.input, name if isinstance(rel.input, nodes.Filter) else f"{name}/from")
        most = self._most.unchecked(rel)
        times = constant_copies(rel.expr)
        if times == 0:
            return Member(exp.false())
        if times is not None:
            if times == 1:
                return source
            many = sql.unsigned(sql.integer(times))
            return Member(source.present, multiplied(source.copies, many, most), source.where)
        value = self.column(self.expression(rel.expr, name), f"@{name}/count")
        times_column = self.column(counted(rel.expr, value), f"@{name}/times")
        some = sql.is_true(sql.compare(">", times_column, sql.unsigned(sql.integer(0))))
        present = self.column(sql.both([source.present.copy(), some]), f"@{name}/some")
        copies = self.column(multiplied(source.copies, times_column.copy(), most), f"@{name}/copies'")
        self.count_copies(rel, name, source, some)
        return Member(present, copies)

    def count_copies(self, rel: nodes.Copies, name: str, source: Member, some: Sql) -> None:
        """Add to the funnel how many samples of `source` have copies."""
        depth = f"@{name}/copied"
        reached = sql.case([(some.copy(), sql.integer(1))], sql.integer(0))
        self.column(sql.small(sql.case([(source.present.copy(), reached)], sql.integer(2))), depth)
        clause = nodes.Clause(rel.expr, rel.text)
        statistics, demands = (self._thresholds(clause),), (tuple(dict.fromkeys(self._demands(rel.expr))),)
        read = source_name(rel.input.input if isinstance(rel.input, nodes.Filter) else rel.input)
        shown = name.replace("/", ".")
        self.blocks.append(Block(shown, read, (rel.text,), depth, None, statistics, demands, of_copies=True))

    def _distinct_on(self, rel: nodes.DistinctOn, name: str) -> Member:
        source = self.relation(rel.input, name)
        ungrouped = sql.either([sql.is_null(self.expression(key, name)) for key in rel.keys])
        first = sql.column(first_column(self._names[rel]))
        kept = sql.both([source.present, sql.either([ungrouped, first])])
        return Member(self.column(sql.is_true(kept), f"@{name}/{self._names[rel]}"), source.copies)

    def ordered(self, rel: nodes.Limit | nodes.SampleRows, name: str) -> tuple[Member, list[Sql]]:
        """Return what a LIMIT or a SAMPLE takes the first of, without what has no weight, and by which keys."""
        source = self.relation(rel.input, name)
        keys = self.sort_columns(rel.order, self._names[rel], name)
        if isinstance(rel, nodes.SampleRows) and rel.weight is not None:
            has_weight = sql.opposite(sql.is_null(keys[0].copy()))
            source = Member(sql.both([source.present, has_weight]), source.copies)
        return source, keys

    def _sample_rows(self, rel: nodes.SampleRows, name: str) -> Member:
        cut = self._names[rel]
        source = self.relation(rel.input, name)
        mode = sql.parameter(f"{cut}_keep", Type.INT)
        everyone = sql.compare("=", mode, sql.integer(2))
        if rel.weight is not None:
            everyone = sql.both([everyone, above_zero(self.expression(rel.weight, name))])
        some = sql.compare("=", mode.copy(), sql.integer(1))
        drawn = sql.case([(some, sql.is_true(sql.column(first_column(cut))))], everyone)
        return Member(self.column(sql.both([source.present, drawn]), f"@{name}/{cut}"), source.copies)

    def _limit(self, rel: nodes.Limit, name: str) -> Member:
        cut = self._names[rel]
        if rel.by:
            source = self.relation(rel.input, name)
            grouped = grouped_limit(self, rel, source, cut, name)
            return Member(self.column(grouped, f"@{name}/{cut}"), source.copies)
        source, keys = self.ordered(rel, name)
        at_cut = [sql.parameter(f"{cut}_{i}", key.expr.type) for i, key in enumerate(rel.order)]
        mode = sql.parameter(f"{cut}_keep", Type.INT)
        tie = sql.compare("<=", sql.tie_hash(sql.column("uid")), sql.parameter(f"{cut}_tie", Type.TEXT))
        kept = sql.case(
            [
                (sql.opposite(source.present), exp.false()),
                (sql.compare("<>", mode, sql.integer(1)), sql.compare("=", mode.copy(), sql.integer(2))),
                (before(keys, at_cut, rel.order), exp.true()),
                (sql.both([sql.same(k.copy(), c.copy()) for k, c in zip(keys, at_cut, strict=True)]), tie),
            ],
            exp.false(),
        )
        return Member(self.column(kept, f"@{name}/{cut}"), source.copies)

    def sort_columns(self, order: Sequence[nodes.SortKey], prefix: str, name: str) -> list[Sql]:
        """Add the keys of an ORDER BY as columns, once where equal LIMITs share a cut."""
        columns = [(f"@/{prefix}/{i}", key.expr) for i, key in enumerate(order)]
        return [
            sql.column(column) if column in self._layer_of else self.column(self.expression(key, name), column)
            for column, key in columns
        ]

    # --- expressions --------------------------------------------------------------------------------------------------

    def expression(self, expr: nodes.Expr, name: str, passed: Collection[str] = ()) -> Sql:
        """Write an expression; relations inside of it get blocks under `name`.

        `passed` are stages of demands in which every sample is known to be for which its value matters.
        """

        def relation(rel: nodes.Rel) -> Sql:
            if rel not in self._inside:
                number = 1 + sum(not isinstance(known, nodes.Ref | nodes.PoolScan) for known in self._inside)
                self._inside[rel] = self.relation(rel, f"{name}/in{number}")
            return self._inside[rel].present.copy()

        def feature(expr: nodes.Feature) -> Sql:
            """Write a feature: NULL outside of the samples that it is asked of, whatever else is stored."""
            value = sql.column(feature_column(expr.name))
            assert expr.demand is not None
            if isinstance(expr.demand, nodes.PoolScan) or expr.demand.name in passed:
                return value
            return sql.case([(relation(expr.demand), value)], exp.Null())

        lowering = sql.ExpressionLowering(
            relation, feature, lambda q: self._quantile(q, name), self._in_set, self._joined
        )
        return lowering(expr)

    def _joined(self, table: nodes.NamedTable) -> str:
        return self._tables[table.identity]

    def _in_set(self, expr: nodes.InSet, subject: Sql) -> Sql:
        self.reads_tables = True
        return in_table(expr.set, subject, self._sets[expr.set])

    def _quantile(self, quantile: nodes.Quantile, name: str) -> Sql:
        statistic = self._names[quantile]
        if not quantile.by:
            return sql.parameter(statistic, quantile.type)
        looked_up = f"@/{statistic}"
        if looked_up not in self._layer_of:
            keys = [self.expression(key, name) for key in quantile.by]
            self.look_up(statistic, keys, [("value", looked_up)])
        return sql.column(looked_up)

    def look_up(self, table: str, keys: Sequence[Sql], columns: Sequence[tuple[str, str]]) -> None:
        """Add columns of the row of a table whose `k0`, `k1`, .. are `keys`, each under another name."""
        self.reads_tables = True
        matches = sql.both([sql.same(sql.column_in(table, f"k{i}"), key) for i, key in enumerate(keys)])
        level = self._place(columns[0][1], matches)
        self._layers[level - 1].joins.append((table, matches))
        for column, name in columns:
            self._layer_of[name] = level
            self._layers[level - 1].columns.append((sql.column_in(table, column), name))

    def has_column(self, name: str) -> bool:
        """Return whether a column was added."""
        return name in self._layer_of

    # --- layers -------------------------------------------------------------------------------------------------------

    def column(self, value: Sql, name: str) -> Sql:
        """Add a computed column; return its name in SQL."""
        level = self._place(name, value)
        self._layers[level - 1].columns.append((value, name))
        return sql.column(name)

    def _place(self, name: str, value: Sql) -> int:
        """Return the layer for a column: the one above all that it reads."""
        assert name not in self._layer_of, name
        level = 1 + max((self._layer_of.get(c.name, 0) for c in value.find_all(exp.Column)), default=0)
        while len(self._layers) < level:
            self._layers.append(_Layer())
        self._layer_of[name] = level
        return level

    def source(self) -> Sql:
        """Return the layers so far as something to select from."""
        current: Sql = sql.table(SAMPLES)
        for layer in self._layers:
            inner = sql.alias(current, "s")
            query = sql.select(layer.columns, inner, star_of="s")
            for table, condition in layer.joins:
                query.append("joins", sql.left_join(table, condition))
            current = sql.subquery(query)
        return current


def _passed(holds: Sequence[Sql], counted: int) -> Sql:
    """Count how many conditions are TRUE before the first that is not, beside those that were `counted`.

    Nested CASEs test each condition bare, which DuckDB does twice as fast as with a guard for NULL; beyond a few, a
    flat CASE keeps the nesting low.
    """
    every = sql.integer(counted + len(holds))
    if len(holds) > 16:
        failed = [sql.opposite(sql.is_true(condition)) for condition in holds]
        return sql.case([(fails, sql.integer(i)) for i, fails in enumerate(failed, start=counted)], every)
    result: Sql = every
    for i in reversed(range(len(holds))):
        result = sql.case([(holds[i], result)], sql.integer(counted + i))
    return result


def _count(member: Member) -> Sql:
    one = member.copies if member.copies is not None else sql.integer(1)
    return sql.case([(member.present.copy(), sql.unsigned(one))], sql.unsigned(sql.integer(0)))


def source_name(rel: nodes.Rel) -> str:
    """Name what a SELECT reads."""
    match rel:
        case nodes.PoolScan():
            return "pool"
        case nodes.Ref():
            return rel.name
        case _:
            return "query"


def _can_fail(node: nodes.Node) -> TypeGuard[FallibleNode]:
    """Return whether an operation can give NULL for operands that are not."""
    match node:
        case nodes.Arithmetic():
            return True
        case nodes.Call():
            return node.name == "abs" and node.type is Type.INT
        case nodes.Quantile():
            return bool(node.by)
        case _:
            return False


def _fallible(node: nodes.Node) -> Iterator[FallibleNode]:
    """Yield the operations in a node that can fail, but for those whose NULL shows in the operation around them."""
    if _can_fail(node):
        yield node
        for start in _starts(node):
            yield from _fallible(start)
        return
    if isinstance(node, nodes.Quantile):
        return  # a threshold is a constant: what it ranks is no operation on this sample
    for child in nodes.children(node):
        yield from _fallible(child)


def _starts(node: FallibleNode) -> Iterator[nodes.Expr]:
    """Yield what operations, one inside the other, start from."""
    if isinstance(node, nodes.Quantile):
        return
    for child in (node.left, node.right) if isinstance(node, nodes.Arithmetic) else node.arguments:
        if _can_fail(child):
            yield from _starts(child)
        elif not isinstance(child, nodes.Literal):
            yield child
