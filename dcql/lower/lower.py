"""Plan -> program: which statistics there are, in which stage each is computed, and the SQL of everything."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from dcql.catalog.models import FeatureSpec
from dcql.catalog.types import Type
from dcql.lower import sql
from dcql.lower.chain import Chain, Member, source_name
from dcql.lower.copies import checks, taken
from dcql.lower.cut import cut
from dcql.lower.draw import draw
from dcql.lower.firsts import firsts
from dcql.lower.grouped_cut import grouped_cut
from dcql.lower.marks import MarksChain, narrowed, values_of, without_case
from dcql.lower.program import (
    AssetTable,
    Block,
    Demand,
    FitOn,
    Margin,
    Marks,
    Part,
    Program,
    Stage,
    Statistic,
)
from dcql.lower.samples import UID, place, samples, with_uid
from dcql.lower.skipping import bare_comparisons, needed
from dcql.lower.sql import Sql
from dcql.lower.statement import ID, ROW, Samples, Statement, first_column
from dcql.lower.tables import numbered, table_reads
from dcql.lower.thresholds import grouped_threshold, scan
from dcql.plan import nodes
from dcql.plan.copies import checked
from dcql.plan.effects import effect
from dcql.plan.lengths import kept_lengths, lengths_of
from dcql.plan.statistics import StatisticNode, statistics, unused_name


def lower(plan: nodes.Plan) -> Program:
    """Lower a plan, and once more where a pool may keep lengths of the texts that it reads."""
    program = Lowering(plan).program()
    by_lengths = Lowering(kept_lengths(plan))
    return replace(program, by_lengths=by_lengths.program()) if by_lengths.lengths else program


@dataclass
class Lowering:
    """A plan that is being lowered: its statistics and their names, its sets and features."""

    plan: nodes.Plan

    def __post_init__(self) -> None:
        self.stages: dict[str, nodes.Rel] = {stage.name: stage.relation for stage in self.plan.stages}
        self.statistics = statistics(self.plan)
        self.names = self.statistics.names
        self.demands = {stage.name for stage in self.plan.stages if stage.demand}
        self.sets: dict[nodes.NamedSet | nodes.AssetSet, str] = {}
        features: dict[str, FeatureSpec] = {}
        self.needs: dict[nodes.NamedSet | nodes.AssetSet, tuple[nodes.PoolScan | nodes.Ref, ...]] = {}
        self.fitted_on: dict[nodes.PoolScan | nodes.Ref, None] = {}
        for relation in self._relations():
            for node in nodes.walk(relation):
                if isinstance(node, nodes.InSet):
                    self.sets.setdefault(node.set, f"set{len(self.sets) + 1}")
                    self.needs[node.set] = node.needs
                elif isinstance(node, nodes.Feature):
                    features.setdefault(node.name, node.spec)
                    self.fitted_on |= dict.fromkeys(node.needs)
                if isinstance(node, nodes.InSet):
                    self.fitted_on |= dict.fromkeys(node.needs)
        self.features = tuple(features.values())
        self.lengths = lengths_of(self.plan)
        self.tables = numbered(self._relations())
        self.table_reads = tuple(table_reads(self._relations(), self.tables))
        marked = nodes.DistinctOn | nodes.SampleRows
        self.firsts = tuple(name for node, name in self.names.items() if isinstance(node, marked))

    def program(self) -> Program:
        """Return the whole program."""
        stages = tuple(Stage(tuple(self._stage(level))) for level in range(1, self.statistics.stages + 1))
        chain = self.chain()
        member = chain.relation(self.plan.query, unused_name(self.plan, "query"))
        output = self._output(chain, member)
        marks, kept_where = self._marks()
        columns = self.columns()
        read = {column.name for column in (with_uid(columns) if self.firsts else columns)}
        found_checks = checks(self.plan, self.chain())
        return Program(
            columns=tuple(sorted(read)),
            features=self.features,
            sets=tuple((table, named) for named, table in self.sets.items() if isinstance(named, nodes.NamedSet)),
            asset_sets=tuple(
                AssetTable(table, named.asset, max((self.statistics.needed(n) for n in self.needs[named]), default=0))
                for named, table in self.sets.items()
                if isinstance(named, nodes.AssetSet)
            ),
            tables=self.table_reads,
            fits=tuple(self._fits()),
            stages=stages,
            output=output,
            marks=marks,
            kept=self._kept(),
            kept_where=kept_where,
            samples=self.samples(columns, self._needed()),
            parts=tuple(self._parts()),
            blocks=tuple(self._told_blocks(chain)),
            margins=tuple(self._margins()),
            promises=self.plan.promises,
            parameters=self.plan.parameters,
            effect=effect(self.plan).name.lower(),
            has_copies=member.copies is not None,
            checks=found_checks,
            lengths=tuple((one.function, one.column) for one in self.lengths),
        )

    # --- what there is ------------------------------------------------------------------------------------------------

    def _relations(self) -> tuple[nodes.Rel, ...]:
        return (*self.stages.values(), self.plan.query)

    def columns(self) -> tuple[nodes.Column, ...]:
        """Return the columns that every statement may read; some of `firsts` read uids besides."""
        found = {n for r in self._relations() for n in nodes.walk(r) if isinstance(n, nodes.Column)}
        by_uid = nodes.Limit | nodes.SampleShare
        if any(isinstance(node, by_uid) for relation in self._relations() for node in nodes.walk(relation)):
            found.add(UID)  # for its hashes
        return tuple(sorted(found, key=lambda column: column.name))

    def chain(self) -> Chain:
        """Return a query over the plan's relations that has yet to be built."""
        return Chain(self.stages, self.names, self.sets, self.demands, self.tables)

    # --- statistics ---------------------------------------------------------------------------------------------------

    def _stage(self, level: int) -> Iterator[Statistic]:
        here = self.statistics.stage(level)
        scanned = [node for node in here if isinstance(node, nodes.Quantile) and not node.by]
        if scanned:
            yield scan(self.chain(), scanned, self.names, unused_name(self.plan, "population"))
        for node in here:
            if isinstance(node, nodes.Limit) and node.by:
                yield grouped_cut(self.chain(), node, self.names[node], unused_name(self.plan, "input"))
            elif isinstance(node, nodes.Limit):
                yield cut(self.chain, node, self.names[node], unused_name(self.plan, "input"))
            elif isinstance(node, nodes.SampleRows):
                yield draw(self.chain, node, self.names[node], unused_name(self.plan, "input"), self._named)
            elif isinstance(node, nodes.DistinctOn):
                yield firsts(self.chain, node, self.names[node], unused_name(self.plan, "input"))
            elif isinstance(node, nodes.Feature):
                yield self._demand(node)
            elif node.by:
                yield grouped_threshold(self.chain(), node, self.names[node], unused_name(self.plan, "population"))

    def _demand(self, node: nodes.Feature) -> Demand:
        name = self.names[node]
        assert node.demand is not None
        if isinstance(node.demand, nodes.PoolScan):
            return Demand(name, node.name, None, "every sample")
        chain = self.chain()
        member = chain.relation(node.demand, name)
        statement = sql.where(sql.select([(sql.column(ID), "id")], chain.source()), member.present.copy())
        return Demand(name, node.name, sql.render(statement), self._why(node.demand))

    def _margins(self) -> Iterator[Margin]:
        for relation in (*(s.relation for s in self.plan.stages if not s.demand), self.plan.query):
            for clause in (node for node in nodes.walk(relation) if isinstance(node, nodes.Clause)):
                for node in nodes.walk(clause.expr):
                    if not isinstance(node, nodes.Compare):
                        continue
                    for side, other in ((node.left, node.right), (node.right, node.left)):
                        side = side.operand if isinstance(side, nodes.Convert) else side
                        if isinstance(side, nodes.Feature) and side.spec.output.bits is not None:
                            yield from self._margin(clause.text, side, other)

    def _margin(self, text: str, feature: nodes.Feature, other: nodes.Expr) -> Iterator[Margin]:
        match other:
            case nodes.Literal(value=int() | float() as value):
                yield Margin(text, feature.name, self.names[feature], "", float(value))
            case nodes.Quantile() if not other.by:
                yield Margin(text, feature.name, self.names[feature], self.names[other], None)

    def _fits(self) -> Iterator[FitOn]:
        for rel in self.fitted_on:
            if isinstance(rel, nodes.PoolScan):
                yield FitOn("pool", None)
                continue
            chain = self.chain()
            present = chain.relation(rel, unused_name(self.plan, "fit")).present
            statement = sql.where(sql.select([(sql.column(ID), "id")], chain.source()), present.copy())
            yield FitOn(rel.name, sql.render(statement))

    def _why(self, rel: nodes.Rel) -> str:
        """Say in words which samples a relation holds."""
        match rel:
            case nodes.Filter():
                clauses = " AND ".join(clause.text for clause in rel.clauses)
                source = self._why(rel.input)
                return clauses if source == "every sample" else f"{source} AND {clauses}"
            case nodes.Ref() if rel.name in self.demands:
                return self._why(self.stages[rel.name])
            case nodes.Ref():
                return f"in {rel.name}"
            case nodes.PoolScan():
                return "every sample"
            case nodes.SetOperation(op="UNION"):
                return f"{self._why(rel.left)}, or {self._why(rel.right)}"
            case _:
                return "what the query reads"

    # --- output -------------------------------------------------------------------------------------------------------

    def _output(self, chain: Chain, member: Member) -> Statement:
        """Write the last query in the form with ids."""
        asked = self.asked(chain)
        kept = sql.case([(member.present.copy(), sql.column(ID))], exp.Null())
        items = [(sql.column(ID) if member.everything else kept, "id")]
        if asked:
            items.append((sql.column(ID), ROW))
        return sql.render(sql.select([*items, *self._told(chain, member, asked)], chain.source()))

    def _marks(self) -> tuple[Marks | None, tuple[str, int]]:
        """Write the last query in the form of marks, and which mark says that a sample is kept."""
        chain = MarksChain(self.stages, self.names, self.sets, self.demands, self.tables)
        member = chain.relation(self.plan.query, unused_name(self.plan, "query"))
        told = tuple((self.names[node], chain.told[stage]) for node, stage in self._asking() if stage in chain.told)
        items = self._told(chain, member, self.asked(chain, but_for=chain.told))
        where = member.where
        if where is None:
            where = ("kept", 1)
            items.append((sql.small(member.present.copy()), "kept"))
        if chain.reads_tables:
            return None, where
        query = sql.select(items, chain.source())
        # A sample passes all clauses of a SELECT, or is marked by one more than there are.
        narrowed(without_case(query), max((len(block.clauses) + 1 for block in chain.blocks), default=1))
        values = values_of(self.features)
        with_values = sql.render(sql.also(query.copy(), values)) if values else None
        valued = tuple(column for _, column in values)
        return Marks(sql.render(query), tuple(chain.flagged), told, with_values, valued), where

    def samples(self, columns: tuple[nodes.Column, ...], skipping: Sequence[Sql]) -> Samples:
        """Write what `samples` can be, where a scan of raw files may leave out what fails a condition of `skipping`."""
        scalars = all(column.type is not Type.TEXT for column in columns)
        nothing, row = exp.true(), place()
        # A uid that is NULL is an error, and must not look like a sample that is left out.
        uid = sql.call("coalesce", sql.column("uid"), sql.text(""))
        beside = self.features, self.table_reads, self.lengths, self.firsts
        return Samples(
            raw=samples(columns, nothing, *beside),
            raw_rows=samples(columns, row, *beside, rows=True),
            raw_uids=samples(columns, uid, *beside),
            raw_kept=samples(columns, uid, *beside, needed=skipping) if skipping else None,
            sidecar=samples(columns, nothing, *beside, normalised=True) if scalars else None,
            sidecar_rows=samples(columns, row, *beside, normalised=True, rows=True) if scalars else None,
            raw_named=samples(with_uid(columns), row, *beside, rows=True) if self.firsts else None,
        )

    def _named(self, statement: Statement) -> Statement:
        """Write what `samples` is for one statement that reads uids and places, without what it does not read.

        Files side by side DuckDB reads in one thread.
        """
        firsts = [name for name in self.firsts if f'"{first_column(name)}"' in statement.text]
        beside = self.features, self.table_reads, self.lengths, firsts
        return samples(with_uid(self.columns()), place(), *beside, rows=True)

    def _kept(self) -> Statement | None:
        """Write the last query as its WHERE alone, where a scan may skip samples."""
        if not self._needed():
            return None
        assert isinstance(self.plan.query, nodes.Filter)
        chain = self.chain()
        holds = [chain.expression(clause.expr, "kept") for clause in self.plan.query.clauses]
        return sql.render(sql.where(sql.select([(sql.column(ID), "id")], chain.source()), sql.both(holds)))

    def _needed(self) -> list[exp.Expression]:
        """Return the bare comparisons of the last WHERE, by which a scan of raw files may skip samples.

        There are none where counting the funnel in a scan of its own would cost more than skipping saves: where a
        clause reads text or looks things up.
        """
        query = self.plan.query
        beside = self.tables or self.lengths or self.firsts
        if self.stages or self.features or beside or next(checked(self.plan), None) is not None:
            return []
        if not (isinstance(query, nodes.Filter) and isinstance(query.input, nodes.PoolScan)):
            return []
        inside = [node for clause in query.clauses for node in nodes.walk(clause.expr)]
        for node in inside:
            text = isinstance(node, nodes.Column) and not node.type.numeric
            if text or isinstance(node, nodes.InSet) or (isinstance(node, nodes.Quantile) and node.by):
                return []
        return [needed(comparison, self.names) for comparison in bare_comparisons(query.clauses)]

    def _parts(self) -> Iterator[Part]:
        named = [*self.stages.items(), (unused_name(self.plan, "query"), self.plan.query)]
        for name, relation in named:
            if name in self.demands:
                continue
            walked = nodes.walk(relation)
            inside = [
                self.names[n] for n in walked if isinstance(n, StatisticNode) and not isinstance(n, nodes.Feature)
            ]
            yield Part(name, _read_by(relation), tuple(reversed(inside)))

    def _asking(self) -> Iterator[tuple[nodes.Feature, str]]:
        """Yield the features that are not asked of every sample, each with the stage that it is asked of."""
        for node in self.names:
            if isinstance(node, nodes.Feature) and isinstance(node.demand, nodes.Ref):
                yield node, node.demand.name

    def asked(self, chain: Chain, but_for: Collection[str] = ()) -> list[tuple[exp.Expression, str]]:
        """Return columns of the last query that say of which samples each feature is asked, but for some stages.

        Where all is stored, one scan does both.
        """
        found: list[tuple[exp.Expression, str]] = []
        for node, stage in self._asking():
            if stage not in but_for:
                name = self.names[node]
                found.append((chain.relation(nodes.Ref(stage), name).present, name))
        return found

    def _told_blocks(self, chain: Chain) -> list[Block]:
        """Return the blocks of the recipe's own SELECTs."""
        return [block for block in chain.blocks if block.name.split(".")[0] not in self.demands]

    def _told(
        self, chain: Chain, member: Member, asked: Sequence[tuple[exp.Expression, str]]
    ) -> list[tuple[exp.Expression, str]]:
        """Return the columns of both forms: copies, what is `asked` and the funnel's."""
        items: list[tuple[exp.Expression, str]] = []
        if member.copies is not None:
            copies = sql.case(
                [(member.present.copy(), taken(member.copies.copy(), self.plan))], sql.unsigned(sql.integer(0))
            )
            items.append((copies, "copies"))
        items += [(value.copy(), name) for value, name in asked]
        for block in self._told_blocks(chain):
            items.append((sql.column(block.depth), block.depth))
            if block.undefined is not None:
                items.append((sql.column(block.undefined), block.undefined))
        return items


def _read_by(relation: nodes.Rel) -> str:
    """Name what a SELECT reads."""
    while isinstance(
        relation,
        nodes.Limit | nodes.SampleShare | nodes.SampleRows | nodes.DistinctOn | nodes.Copies | nodes.Filter,
    ):
        relation = relation.input
    return source_name(relation)
