"""Several plans, merged -> one program: its last query says of each sample which of them keep it.

What plans share is computed once: a stage is a column, as in any program, and so is a clause that more than one WHERE
holds.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sqlglot import exp

from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.chain import Chain, Member
from dcql.lower.copies import taken
from dcql.lower.lower import Lowering
from dcql.lower.program import Marks, Program
from dcql.lower.skipping import needed_by_some
from dcql.lower.sql import Sql
from dcql.lower.statement import ID, ROW
from dcql.plan import nodes
from dcql.plan.statistics import StatisticNode
from dcql.plan.variants import Merged

# Numbers of up to 32 bits are as wide as what they say of so many queries: narrower ones come faster.
WORD_BITS = 32
_WORDS = {8: exp.DataType.Type.UTINYINT, 16: exp.DataType.Type.USMALLINT, WORD_BITS: exp.DataType.Type.UINT}
# Nested deeper than this, one condition that is all of them takes the place of a CASE each.
_NESTED = 16


@dataclass(frozen=True)
class VariantsProgram:
    """A program whose last query tells, of every sample, which of several queries keep it.

    `output` gives `id`, the `@id` of each sample, and `marks` the samples in order, as in `Program`. Both have the
    columns `words`, each with numpy's name of its type: the query n keeps a sample where bit n % 32 of word n // 32
    is set. `copies` gives the column with the copies of each query's samples, None where each has one.
    """

    program: Program
    words: tuple[tuple[str, str], ...]
    copies: tuple[str | None, ...]


def lower_variants(merged: Merged) -> VariantsProgram:
    """Lower merged plans; the queries are those of `merged.queries`, each once."""
    return _Lowering(merged.plan).variants(tuple(dict.fromkeys(merged.queries)))


class _Lowering(Lowering):
    def variants(self, queries: Sequence[str]) -> VariantsProgram:
        """Return the program, with a last query for `queries`, stages of the plan."""
        program = self.program()
        chain = self.chain()
        chain.is_last = True
        conditions = [chain.conditions(self.stages[name], name) for name in queries]
        copies = [chain.copies(self.stages[name], name) for name in queries]
        asked = self.asked(chain)
        found = list(_words(conditions))
        items = [(value, name) for value, name, _ in found]
        words = tuple((name, dtype) for _, name, dtype in found)
        named: list[str | None] = []
        for number, (name, kept, count) in enumerate(zip(queries, conditions, copies, strict=True)):
            named.append(None if count is None else f"copies{number}")
            if count is not None:
                items.append(
                    (
                        _where(
                            kept,
                            taken(count, replace(self.plan, query=self.stages[name])),
                            sql.unsigned(sql.integer(0)),
                        ),
                        f"copies{number}",
                    )
                )
        items += asked
        marks = None if chain.reads_tables else Marks(sql.render(sql.select(items, chain.source())))
        told = [(sql.column(ID), "id"), *([(sql.column(ID), ROW)] if asked else []), *items]
        output = sql.render(sql.select([(value.copy(), name) for value, name in told], chain.source()))
        program = replace(program, output=output, marks=marks)
        if skipping := self._needed_by_some(queries):
            program = replace(program, kept=output, samples=self.samples(self.columns(), skipping))
        return VariantsProgram(program, words, tuple(named))

    def _needed_by_some(self, queries: Sequence[str]) -> list[Sql]:
        """Return conditions that every sample passes which some query keeps, by which a scan of raw files may skip."""
        relations = [self.stages[name] for name in queries]
        filters = [one for one in relations if isinstance(one, nodes.Filter) and isinstance(one.input, nodes.PoolScan)]
        beside = self.features or self.tables or self.lengths or self.firsts
        if beside or len(filters) < len(relations):
            return []
        return needed_by_some(filters, self.names)

    def chain(self) -> "SharingChain":
        """Return a query that shares what it computes, yet to be built."""
        return SharingChain(self.stages, self.names, self.sets, self.demands, self.tables, self._filters)

    @cached_property
    def _filters(self) -> "Filters":
        return Filters.of(self.stages.values())


@dataclass(frozen=True)
class Filters:
    """How often each WHERE of the plans is used, and by the expression of each clause those that have it."""

    uses: Counter[nodes.Filter]
    readers: Mapping[nodes.Expr, Sequence[nodes.Filter]]

    @classmethod
    def of(cls, relations: Iterable[nodes.Rel]) -> "Filters":
        """Find those of some relations."""
        uses = Counter(node for rel in relations for node in nodes.walk(rel) if isinstance(node, nodes.Filter))
        readers: dict[nodes.Expr, list[nodes.Filter]] = {}
        for one in uses:
            for expr in dict.fromkeys(clause.expr for clause in one.clauses):
                readers.setdefault(expr, []).append(one)
        return cls(uses, readers)


class SharingChain(Chain):
    """A chain that counts no funnel, and computes once what several relations have in common.

    `is_last` says that it is of the last query, for which every statistic is known.
    """

    is_last = False

    def __init__(
        self,
        stages: Mapping[str, nodes.Rel],
        names: Mapping[StatisticNode, str],
        sets: Mapping[nodes.NamedSet | nodes.AssetSet, str],
        demands: Collection[str],
        tables: Mapping[tuple[str, str], str],
        filters: Filters,
    ) -> None:
        super().__init__(stages, names, sets, demands, tables)
        self._filters = filters
        self._members: dict[nodes.Rel, Member] = {}
        self._truths: dict[nodes.Expr, Sql] = {}
        self._hashes: dict[tuple[nodes.Rel, str], Sql] = {}
        self._drawn = 0

    def relation(self, rel: nodes.Rel, name: str) -> Member:
        """Add what a relation needs, once for all that read it; return it."""
        if isinstance(rel, nodes.PoolScan | nodes.Ref):
            return super().relation(rel, name)
        if rel not in self._members:
            self._members[rel] = super().relation(rel, name)
        return self._members[rel]

    def conditions(self, rel: nodes.Rel, name: str) -> list[Sql]:
        """Return what must all be TRUE of the samples of a relation: of a WHERE that stands once, each clause."""
        if isinstance(rel, nodes.Filter) and self._filters.uses[rel] == 1:
            return self._clauses(rel, name)
        return [self.relation(rel, name).present.copy()]

    def copies(self, rel: nodes.Rel, name: str) -> Sql | None:
        """Return the copies of the samples of a relation, None where each has one; after its `conditions`."""
        source = rel
        while isinstance(source, nodes.Filter):
            source = source.input
        copies = self.relation(source, name).copies
        return copies.copy() if copies is not None else None

    def _filter(self, rel: nodes.Filter, name: str) -> Member:
        kept = _where(self._clauses(rel, name), exp.true(), exp.false())
        return Member(self.column(kept, f"@{name}/kept"), self.relation(rel.input, f"{name}/from").copies)

    def count_copies(self, rel: nodes.Copies, name: str, source: Member, some: Sql) -> None:
        """Count nothing."""

    def _sample_share(self, rel: nodes.SampleShare, name: str) -> Member:
        source = self.relation(rel.input, name)
        if rel.bound == 2**64:
            return source
        # One hash serves all that sample the same with one seed.
        key = rel.input, rel.seed
        if key not in self._hashes:
            drawn = sql.case([(source.present, sql.sample_hash(rel.seed, sql.column("uid")))], exp.Null())
            self._hashes[key] = self.column(drawn, f"@/hash{len(self._hashes) + 1}")
        self._drawn += 1
        below = sql.compare("<", self._hashes[key].copy(), sql.text(rel.bound_text))
        return Member(self.column(sql.is_true(below), f"@/drawn{self._drawn}"), source.copies)

    def _clauses(self, rel: nodes.Filter, name: str) -> list[Sql]:
        source = self.relation(rel.input, f"{name}/from")
        conditions = [] if source.everything else [source.present.copy()]
        return conditions + [self._clause(clause.expr, name) for clause in rel.clauses]

    def _clause(self, expr: nodes.Expr, name: str) -> Sql:
        """Return a clause: a column where several relations hold it."""
        if len(self._filters.readers[expr]) == 1:
            return self.expression(expr, name)
        if expr not in self._truths:
            value = self.expression(expr, name)
            if _reads_text(expr) and (guards := self._guards(expr, name)):
                value = sql.case([(sql.either(guards), value)], exp.false())
            self._truths[expr] = self.column(value, f"@/clause{len(self._truths) + 1}")
        return self._truths[expr].copy()

    def _guards(self, expr: nodes.Expr, name: str) -> list[Sql]:
        """Return conditions of which one is TRUE wherever it matters what a clause is; none where it always may.

        Text costs more to look at than numbers. It is looked at where some WHERE with the clause has not ruled a sample
        out by its numbers already.
        """
        cheap = [
            tuple(one.expr for one in reader.clauses if _only_numbers(one.expr) and self._is_known(one.expr))
            for reader in self._filters.readers[expr]
        ]
        if not all(cheap):
            return []
        return [sql.both([self._clause(each, name) for each in clauses]) for clauses in dict.fromkeys(cheap)]

    def _is_known(self, expr: nodes.Expr) -> bool:
        """Return whether an expression can be computed here, whatever the query is of."""
        return self.is_last or not any(isinstance(node, nodes.Quantile) for node in nodes.walk(expr))


def _words(conditions: Sequence[list[Sql]]) -> Iterator[tuple[Sql, str, str]]:
    """Yield numbers whose bits say which queries keep a sample, by the conditions of each; their names and types."""
    for start in range(0, len(conditions), WORD_BITS):
        here = conditions[start : start + WORD_BITS]
        width = next(bits for bits in _WORDS if len(here) <= bits)
        parts = [
            _where([one.copy() for one in each], _number(1 << bit, width), _number(0, width))
            for bit, each in enumerate(here)
        ]
        yield _joined(parts), f"kept{start // WORD_BITS}", f"uint{width}"


def _joined(parts: Sequence[Sql]) -> Sql:
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return exp.Paren(this=exp.BitwiseOr(this=_joined(parts[:middle]), expression=_joined(parts[middle:])))


def _number(value: int, width: int) -> Sql:
    return exp.Cast(this=sql.integer(value), to=exp.DataType(this=_WORDS[width]))


def _where(conditions: Sequence[Sql], then: Sql, otherwise: Sql) -> Sql:
    """Write `then` where all conditions are TRUE; none after the first that is not is looked at."""
    if len(conditions) > _NESTED:
        return sql.case([(sql.both(list(conditions)), then)], otherwise)
    for condition in reversed(conditions):
        then = sql.case([(condition, then)], otherwise.copy())
    return then


def _of_the_sample(expr: nodes.Expr) -> Iterator[nodes.Node]:
    """Yield an expression and what is inside, but for what a threshold is computed from."""
    pending: list[nodes.Node] = [expr]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, nodes.Quantile):
            pending += nodes.children(node)


def _reads_text(expr: nodes.Expr) -> bool:
    return any(isinstance(node, nodes.Column) and node.type is Type.TEXT for node in _of_the_sample(expr))


def _only_numbers(expr: nodes.Expr) -> bool:
    """Return whether a clause needs nothing but numbers of the sample, and values that there is one of."""
    for node in _of_the_sample(expr):
        if isinstance(node, nodes.Feature | nodes.InSet | nodes.InRelation):
            return False
        if isinstance(node, nodes.Column) and node.type is Type.TEXT:
            return False
        if isinstance(node, nodes.Quantile) and node.by:
            return False
    return True
